/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard output and signals. Output is written by hand, not by stdio, so that Ctrl-C ends us also
 * where whoever reads it does not. Signals are blocked but in ppoll(), where we wait, and in
 * write(): so none comes between a look at has_come and the wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ui/ctl_internal.h"
#include "util/clock.h"

#define ENTER                                                                                      \
    "\033[?1049h\033[?25l\033[?7l" /* the other screen, without cursor and line breaks             \
                                    */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define HOME "\033[H"
#define END_OF_LINE "\033[K"
#define END_OF_SCREEN "\033[J"

static volatile sig_atomic_t has_come; /* a signal; 0: none */
static sigset_t usual;                 /* what is blocked while we wait */
static bool is_entered;

/* ---- Signals ---------------------------------------------------------------------------------
 */

static void on_signal(int number)
{
    has_come = number;
}

/* A signal that is ignored (nohup) stays so. */
static void watch_for(int number, sigset_t *set)
{
    struct sigaction old, new = { .sa_handler = on_signal };

    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
        return;
    (void)sigaction(number, &new, NULL); /* cannot fail for these */
    sigaddset(set, number);
}

static void signals_begin(void)
{
    static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
    sigset_t blocked;

    (void)signal(SIGPIPE, SIG_IGN); /* write() says it */
    sigemptyset(&blocked);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        watch_for(ends[i], &blocked);
    (void)sigprocmask(SIG_BLOCK, &blocked, &usual);
}

int ctl_signal(void)
{
    return has_come;
}

void ctl_die_by_signal(void)
{
    ctl_screen_leave();
    (void)signal(has_come, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &usual, NULL);
    (void)raise(has_come);
    _exit(128 + has_come); /* as shells tell it; not reached */
}

/* Ctrl-Z: the terminal is left in order. */
static void be_stopped(void)
{
    const bool was_entered = is_entered;

    has_come = 0;
    ctl_screen_leave();
    (void)raise(SIGSTOP);
    if (was_entered && write(STDOUT_FILENO, ENTER, strlen(ENTER)) > 0)
        is_entered = true; /* and the next refresh fills it */
}

static bool is_to_end(GError **error)
{
    if (has_come == SIGTSTP)
        be_stopped();
    return has_come && !ctl_error(error, CTL_ERROR_SIGNAL, "ended by a signal");
}

int ctl_poll(struct pollfd *fds, nfds_t nr, int64_t deadline_ns, GError **error)
{
    for (;;) {
        const int64_t left_ns = MAX(deadline_ns - monotonic_ns(), 0);
        const struct timespec timeout = { .tv_sec = left_ns / NS_PER_S,
                                          .tv_nsec = left_ns % NS_PER_S };
        int ready;

        if (is_to_end(error))
            return -1;
        ready = ppoll(fds, nr, deadline_ns == INT64_MAX ? NULL : &timeout, &usual);
        if (ready >= 0)
            return ready;
        if (errno != EINTR) {
            ctl_error(error, CTL_ERROR_SOCKET, "poll: %s", g_strerror(errno));
            return -1;
        }
    }
}

/* ---- Writing ---------------------------------------------------------------------------------
 */

/* main() has put something that cannot be written in the place of one that was closed. */
static bool has_output(GError **error)
{
    const int flags = fcntl(STDOUT_FILENO, F_GETFL);

    return (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY) ||
           ctl_error(error, CTL_ERROR_OUTPUT, "standard output is closed");
}

bool ctl_output_begin(GError **error)
{
    signals_begin();
    return has_output(error);
}

bool ctl_output_is_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

static ssize_t write_some(const char *text, size_t size)
{
    sigset_t blocked;
    ssize_t written;
    int reason;

    (void)sigprocmask(SIG_SETMASK, &usual, &blocked);
    written = write(STDOUT_FILENO, text, size);
    reason = errno;
    (void)sigprocmask(SIG_SETMASK, &blocked, NULL);
    errno = reason;
    return written;
}

/* One that does not block is waited for. */
static bool may_go_on(GError **error)
{
    struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };

    if (errno == EAGAIN)
        return ctl_poll(&fd, 1, INT64_MAX, error) >= 0;
    if (errno == EINTR)
        return true;
    if (errno == EPIPE) /* its reader has had enough: head(1) */
        return ctl_error(error, CTL_ERROR_OUTPUT, "%s", "");
    return ctl_error(error, CTL_ERROR_OUTPUT, "standard output: %s", g_strerror(errno));
}

bool ctl_write(const char *text, GError **error)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t written;

        if (is_to_end(error))
            return false;
        written = write_some(text, left);
        if (written < 0 && !may_go_on(error))
            return false;
        text += MAX(written, 0);
        left -= (size_t)MAX(written, 0);
    }
    return true;
}

void ctl_write_last(const char *text)
{
    if (write_some(text, strlen(text)) < 0)
        return; /* nobody is left to be told */
}

/* ---- The screen ------------------------------------------------------------------------------
 */

static unsigned screen_rows(void)
{
    struct winsize size = { 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        return 24;
    return size.ws_row;
}

bool ctl_screen_show(const char *text, GError **error)
{
    g_autoptr(GString) out = g_string_new(is_entered ? HOME : ENTER HOME);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const unsigned rows = screen_rows();

    for (unsigned i = 0; lines[i] && i < rows; i++)
        g_string_append_printf(out, "%s%s" END_OF_LINE, i ? "\r\n" : "", lines[i]);
    g_string_append(out, END_OF_SCREEN);
    is_entered = true;
    return ctl_write(out->str, error);
}

void ctl_screen_leave(void)
{
    const char *text = LEAVE;

    if (!is_entered)
        return;
    is_entered = false;
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        return; /* the terminal has gone, and with it its state */
}

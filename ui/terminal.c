/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a signal handler needs is static, and changed only while `is_open` is 0 or
 * by atomic operations. All that handlers call is async-signal-safe (POSIX,
 * 2.4.3): tcsetattr, tcgetpgrp, getpgrp, getpid, sigaction, raise, pthread_sigmask.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ui/terminal.h"
#include "util/atomic.h"
#include "util/loop.h"

static const int fatal_signals[] = {
    SIGHUP,  SIGINT, SIGQUIT, SIGTERM, /* taken only if nobody else wants them */
    SIGABRT, SIGBUS, SIGFPE,  SIGILL,  SIGSEGV, SIGSYS, SIGTRAP, /* g_error() */
};
enum { NR_ENDING = 4, NR_FATAL = ARRAY_SIZE(fatal_signals) };

static void on_changed(struct deferred *deferred);

static struct {
    int fd;
    pid_t owner; /* a child does not restore its parent's terminal */
    struct termios before, raw;
    uint32_t is_open, is_raw; /* atomic */
    struct sigaction fatal_before[NR_FATAL];
    bool has_fatal[NR_FATAL]; /* we have taken it */
    bool has_stop, has_continue;
    struct deferred deferred;
    void (*changed)(void *opaque);
    void *opaque;
} terminal = { .deferred = DEFERRED_INIT(on_changed) };

/* Without job control on it (ENOTTY: it is not our controlling terminal) everybody is in front. */
static bool is_in_front(void)
{
    pid_t group = tcgetpgrp(terminal.fd);

    return group < 0 || group == getpgrp();
}

static void set_mode(const struct termios *mode)
{
    while (tcsetattr(terminal.fd, TCSANOW, mode) < 0 && errno == EINTR)
        continue; /* other errors: the terminal has gone, and there is nothing to restore */
}

/* In signal handlers too. */
static void restore(void)
{
    if (!load_acquire(&terminal.is_open) || terminal.owner != getpid())
        return;
    if (atomic_xchg(&terminal.is_raw, 0) && is_in_front())
        set_mode(&terminal.before);
}

static void make_raw(void)
{
    if (!is_in_front())
        return;
    store_relaxed(&terminal.is_raw, 1); /* first: a signal in between restores what is not yet */
    set_mode(&terminal.raw);
}

/* ---- Signals -------------------------------------------------------------------- */

static void on_fatal(int number, siginfo_t *info, void *context UNUSED)
{
    bool is_fault = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
    int error = errno;

    restore();
    for (unsigned i = 0; i < NR_FATAL; i++)
        if (fatal_signals[i] == number)
            (void)sigaction(number, &terminal.fatal_before[i],
                            NULL); /* valid: it came from there */
    /* A fault happens again when this returns, for whoever was here before; with its address. */
    if (!is_fault || info->si_code <= 0)
        (void)raise(number); /* pending until this returns */
    errno = error;
}

static void on_continue(int number UNUSED)
{
    int error = errno;

    (void)loop_defer(&terminal.deferred); /* false: it will run anyway */
    errno = error;
}

static void on_stop(int number)
{
    struct sigaction ours, default_action = { .sa_handler = SIG_DFL };
    int error = errno;
    sigset_t set, mask;

    restore();
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)sigaction(number, &default_action, &ours);
    (void)raise(number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, &mask); /* here it stops */
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    (void)sigaction(number, &ours, NULL);
    errno = error; /* SIGCONT makes it raw again */
}

static bool take_if_free(int number, const struct sigaction *action, struct sigaction *ret_before)
{
    if (sigaction(number, NULL, ret_before) < 0 || ret_before->sa_handler != SIG_DFL)
        return false;
    return sigaction(number, action, NULL) == 0;
}

static void take_signals(void)
{
    struct sigaction fatal = { .sa_sigaction = on_fatal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    struct sigaction stop = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
    struct sigaction go_on = { .sa_handler = on_continue, .sa_flags = SA_RESTART };
    struct sigaction before;

    for (unsigned i = 0; i < NR_FATAL; i++) {
        if (i < NR_ENDING)
            terminal.has_fatal[i] =
                take_if_free(fatal_signals[i], &fatal, &terminal.fatal_before[i]);
        else
            terminal.has_fatal[i] =
                sigaction(fatal_signals[i], &fatal, &terminal.fatal_before[i]) == 0;
    }
    terminal.has_stop = take_if_free(SIGTSTP, &stop, &before);
    terminal.has_continue = take_if_free(SIGCONT, &go_on, &before);
}

static void give_back(int number, const struct sigaction *before)
{
    struct sigaction now;

    if (sigaction(number, NULL, &now) == 0 &&
        (now.sa_sigaction == on_fatal || now.sa_handler == on_stop ||
         now.sa_handler == on_continue))
        (void)sigaction(number, before, NULL);
}

static void give_signals_back(void)
{
    const struct sigaction default_action = { .sa_handler = SIG_DFL };

    for (unsigned i = 0; i < NR_FATAL; i++)
        if (terminal.has_fatal[i])
            give_back(fatal_signals[i], &terminal.fatal_before[i]);
    if (terminal.has_stop)
        give_back(SIGTSTP, &default_action);
    if (terminal.has_continue)
        give_back(SIGCONT, &default_action);
}

/* ---- Life ----------------------------------------------------------------------- */

static void on_changed(struct deferred *deferred UNUSED)
{
    bql_assert_held();
    if (!load_relaxed(&terminal.is_open))
        return;
    make_raw();
    terminal.changed(terminal.opaque);
}

bool terminal_is_ours(void)
{
    return is_in_front();
}

void terminal_open(int fd, void (*changed)(void *opaque), void *opaque)
{
    static bool is_registered;

    terminal.fd = fd;
    terminal.changed = changed;
    terminal.opaque = opaque;
    terminal.owner = getpid();
    if (tcgetattr(fd, &terminal.before) < 0)
        return; /* it has just gone */
    terminal.raw = terminal.before;
    cfmakeraw(&terminal.raw);
    terminal.raw.c_oflag = terminal.before.c_oflag; /* our own messages end in "\n" only */
    store_release(&terminal.is_open, 1);            /* pairs with the acquire in restore() */
    if (!is_registered)
        is_registered = atexit(restore) == 0;
    take_signals();
    make_raw();
}

void terminal_close(void)
{
    restore();
    store_relaxed(&terminal.is_open, 0);
    give_signals_back();
    loop_cancel(&terminal.deferred);
}

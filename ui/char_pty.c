/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pseudo-terminal. While no program has its other end open, output is dropped,
 * and a timer looks whether one has come: the system tells of the hang-up only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "ui/char_input.h"
#include "ui/char_kinds.h"
#include "ui/char_output.h"
#include "util/clock.h"
#include "util/log.h"

#define LOOK_NS (NS_PER_S / 2)

struct char_pty {
    struct char_backend backend;
    struct char_output output; /* with the master's descriptor, for input too */
    struct loop_watch *watch;
    struct loop_timer look; /* while closed */
    struct char_input input;
    bool is_open;
};

static struct char_pty *pty_of(struct char_backend *backend)
{
    return container_of(backend, struct char_pty, backend);
}

static void look_for_input(struct char_pty *pty) REQUIRES(bql)
{
    bool is_wanted = pty->is_open && char_input_space(&pty->input) > 0;

    loop_watch_set_events(pty->watch, is_wanted ? POLLIN : 0);
}

static void tell_drained(struct char_pty *pty) REQUIRES(bql)
{
    if (pty->backend.drained)
        pty->backend.drained(pty->backend.drained_opaque);
}

static void set_open(struct char_pty *pty, bool is_open) REQUIRES(bql)
{
    pty->is_open = is_open;
    loop_timer_set(&pty->look,
                   is_open ? DEADLINE_NEVER : deadline_after_ns(monotonic_ns(), LOOK_NS));
    look_for_input(pty);
}

static bool has_other_end(const struct char_pty *pty)
{
    struct pollfd pollfd = { .fd = pty->output.fd.fd, .events = POLLOUT };

    return poll(&pollfd, 1, 0) >= 0 && !(pollfd.revents & POLLHUP);
}

static void on_look(struct loop_timer *timer)
{
    struct char_pty *pty = container_of(timer, struct char_pty, look);

    bql_assert_held();
    set_open(pty, has_other_end(pty));
}

static size_t pty_write(struct char_backend *backend, const uint8_t *data, size_t size)
{
    struct char_pty *pty = pty_of(backend);

    bql_assert_held();
    return pty->is_open ? char_output_write(&pty->output, data, size) : size;
}

static bool pty_wait(struct char_backend *backend, int64_t deadline_ns)
{
    bql_assert_held();
    return char_output_wait(&pty_of(backend)->output, deadline_ns);
}

static void pty_ready(struct char_output *output) NO_THREAD_SAFETY /* as its caller has it */
{
    struct char_pty *pty = container_of(output, struct char_pty, output);

    bql_assert_held();
    if (!has_other_end(pty)) /* what made it ready is the hang-up */
        set_open(pty, false);
    tell_drained(pty);
}

static void pty_failed(struct char_output *output, int error UNUSED)
{
    bql_assert_held();
    set_open(container_of(output, struct char_pty, output), false);
}

static void pty_may_receive(struct char_backend *backend)
{
    struct char_pty *pty = pty_of(backend);

    bql_assert_held();
    if (char_input_deliver(&pty->input, &pty->backend.sink))
        look_for_input(pty);
}

static void on_readable(void *opaque, short revents UNUSED)
{
    struct char_pty *pty = opaque;
    uint8_t bytes[CHAR_INPUT_SIZE];
    ssize_t size;

    bql_assert_held();
    size = char_fd_read(&pty->output.fd, bytes, char_input_space(&pty->input));
    if (size == 0 || (size < 0 && errno != EAGAIN)) { /* EIO: the last program has closed it */
        set_open(pty, false);
        return;
    }
    for (ssize_t i = 0; i < size; i++)
        char_input_put(&pty->input, bytes[i]);
    (void)char_input_deliver(&pty->input, &pty->backend.sink); /* the rest waits */
    look_for_input(pty);
}

static void pty_free(struct char_backend *backend)
{
    struct char_pty *pty = pty_of(backend);

    bql_assert_held();
    loop_timer_cancel(&pty->look);
    loop_watch_free(pty->watch);
    char_output_stop(&pty->output);
    g_free(pty);
}

/* Raw: the guest does the echoing and the line editing. */
static bool make_raw(const char *path)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios mode;
    bool is_done = fd >= 0 && tcgetattr(fd, &mode) == 0;

    if (is_done) {
        cfmakeraw(&mode);
        is_done = tcsetattr(fd, TCSANOW, &mode) == 0;
    }
    if (fd >= 0)
        close(fd);
    return is_done;
}

static bool open_pair(int *ret_master, char *ret_path, size_t path_size)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (master < 0)
        return false;
    if (grantpt(master) < 0 || unlockpt(master) < 0 ||
        ptsname_r(master, ret_path, path_size) != 0 || !make_raw(ret_path)) {
        close(master);
        return false;
    }
    *ret_master = master;
    return true;
}

struct char_backend *char_pty_new(const char *rest UNUSED, const struct char_host *host UNUSED,
                                  GError **error)
{
    struct char_pty *pty;
    char path[64];
    int master;

    if (!open_pair(&master, path, sizeof(path))) {
        g_set_error(error, CHAR_ERROR, 0, "cannot make a pseudo-terminal: %s", g_strerror(errno));
        return NULL;
    }
    pty = g_new0(struct char_pty, 1);
    pty->output = (struct char_output){
        .fd = { .fd = master, .kind = CHAR_FD_OWN },
        .ready = pty_ready,
        .failed = pty_failed,
    };
    pty->watch = loop_watch_new(master, 0, on_readable, pty);
    pty->look.fn = on_look;
    set_open(pty, false);
    pty->backend.write = pty_write;
    pty->backend.wait = pty_wait;
    pty->backend.may_receive = pty_may_receive;
    pty->backend.free = pty_free;
    log_info("the serial port is at %s", path);
    return &pty->backend;
}

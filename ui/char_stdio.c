/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard input and output. Input is always read, whether or not the guest takes
 * it, so that Ctrl-a x works however stuck the guest is: what it does not take
 * waits in a buffer. When that is full, a pipe waits; of a terminal, after
 * STUCK_NS in which the guest has taken nothing, it is dropped.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "ui/char_input.h"
#include "ui/char_kinds.h"
#include "ui/char_output.h"
#include "ui/terminal.h"
#include "util/clock.h"
#include "util/log.h"

enum { CTRL_A = 0x01 };
#define STUCK_NS NS_PER_S

struct char_stdio {
    struct char_backend backend;
    struct char_host host;
    struct char_output output;
    struct char_fd in;
    struct loop_watch *in_watch; /* NULL: input has ended */
    struct char_input input;
    struct loop_timer stuck;
    bool is_terminal;
    bool is_escaped; /* Ctrl-a was the last key */
    bool has_failed;
};

static bool is_in_use GUARDED_BY(bql);

static struct char_stdio *stdio_of(struct char_backend *backend)
{
    return container_of(backend, struct char_stdio, backend);
}

/* ---- Output -------------------------------------------------------------------- */

static size_t stdio_write(struct char_backend *backend, const uint8_t *data, size_t size)
{
    bql_assert_held();
    return char_output_write(&stdio_of(backend)->output, data, size);
}

static bool stdio_wait(struct char_backend *backend, int64_t deadline_ns)
{
    bql_assert_held();
    return char_output_wait(&stdio_of(backend)->output, deadline_ns);
}

static void stdio_ready(struct char_output *output)
{
    struct char_stdio *stdio = container_of(output, struct char_stdio, output);

    if (stdio->backend.drained)
        stdio->backend.drained(stdio->backend.drained_opaque);
}

static void stdio_failed(struct char_output *output, int error)
{
    struct char_stdio *stdio = container_of(output, struct char_stdio, output);

    if (!stdio->has_failed)
        log_error("cannot write to standard output: %s; what the guest prints is lost",
                  g_strerror(error));
    stdio->has_failed = true;
}

static void say(struct char_stdio *stdio, const char *text) REQUIRES(bql)
{
    /* What does not fit now is lost; the user can press the key again. */
    (void)char_output_write(&stdio->output, (const uint8_t *)text, strlen(text));
}

/* ---- Input --------------------------------------------------------------------- */

static void say_keys(struct char_stdio *stdio) REQUIRES(bql)
{
    say(stdio, "\r\n"
               "Ctrl-a x       end the virtual machine\r\n"
               "Ctrl-a b       send a break (then a key: magic SysRq)\r\n"
               "Ctrl-a Ctrl-a  send Ctrl-a\r\n"
               "Ctrl-a h       this help\r\n");
}

static void command(struct char_stdio *stdio, uint8_t key) REQUIRES(bql)
{
    switch (key) {
    case 'x':
        if (stdio->host.quit)
            stdio->host.quit(stdio->host.opaque);
        break;
    case 'b':
        char_input_put(&stdio->input, CHAR_INPUT_BREAK);
        break;
    case CTRL_A:
        char_input_put(&stdio->input, CTRL_A);
        break;
    case 'c':
        say(stdio, "\r\nThere is no monitor on this terminal.\r\n");
        break;
    case 'h':
    case '?':
        say_keys(stdio);
        break;
    default: /* a slip */
        break;
    }
}

static void take_byte(struct char_stdio *stdio, uint8_t byte) REQUIRES(bql)
{
    if (stdio->is_escaped) {
        stdio->is_escaped = false;
        command(stdio, byte);
    } else if (byte == CTRL_A) {
        stdio->is_escaped = true;
    } else {
        char_input_put(&stdio->input, byte);
    }
}

static void end_input(struct char_stdio *stdio) REQUIRES(bql)
{
    loop_watch_free(stdio->in_watch);
    stdio->in_watch = NULL;
    loop_timer_cancel(&stdio->stuck);
}

/* Read on, or wait: after anything that this depends on has changed. */
static void look_for_input(struct char_stdio *stdio) REQUIRES(bql)
{
    bool is_full = char_input_space(&stdio->input) == 0;
    bool is_ours = !stdio->is_terminal || terminal_is_ours();

    if (!stdio->in_watch)
        return;
    loop_watch_set_events(stdio->in_watch, is_full || !is_ours ? 0 : POLLIN);
    if (!is_full)
        loop_timer_cancel(&stdio->stuck);
    else if (stdio->is_terminal && !loop_timer_is_set(&stdio->stuck))
        loop_timer_set(&stdio->stuck, deadline_after_ns(monotonic_ns(), STUCK_NS));
}

static void on_stuck(struct loop_timer *timer)
{
    struct char_stdio *stdio = container_of(timer, struct char_stdio, stuck);

    bql_assert_held();
    LOG_RATELIMITED(log_warn, "the guest reads no input: what was typed is dropped");
    stdio->input.count = 0;
    look_for_input(stdio);
}

static void stdio_may_receive(struct char_backend *backend)
{
    struct char_stdio *stdio = stdio_of(backend);

    bql_assert_held();
    if (!char_input_deliver(&stdio->input, &stdio->backend.sink))
        return;
    loop_timer_cancel(&stdio->stuck); /* it is alive */
    look_for_input(stdio);
}

static void on_readable(void *opaque, short revents UNUSED)
{
    struct char_stdio *stdio = opaque;
    uint8_t bytes[CHAR_INPUT_SIZE];
    ssize_t size;

    bql_assert_held();
    if (stdio->is_terminal && !terminal_is_ours()) {
        look_for_input(stdio);
        return;
    }
    size = char_fd_read(&stdio->in, bytes, char_input_space(&stdio->input));
    if (size == 0 || (size < 0 && errno != EAGAIN)) {
        end_input(stdio); /* the machine goes on */
        return;
    }
    for (ssize_t i = 0; i < size; i++)
        take_byte(stdio, bytes[i]);
    (void)char_input_deliver(&stdio->input, &stdio->backend.sink); /* the rest waits */
    look_for_input(stdio);
}

static void on_terminal_changed(void *opaque)
{
    bql_assert_held();
    look_for_input(opaque);
}

/* ---- Life ---------------------------------------------------------------------- */

static void stdio_free(struct char_backend *backend)
{
    struct char_stdio *stdio = stdio_of(backend);

    bql_assert_held();
    if (stdio->is_terminal)
        terminal_close();
    end_input(stdio);
    char_fd_close(&stdio->in);
    char_output_stop(&stdio->output);
    g_free(stdio);
    is_in_use = false;
}

struct char_backend *char_stdio_new(const char *rest UNUSED, const struct char_host *host,
                                    GError **error)
{
    struct char_stdio *stdio;

    if (is_in_use) {
        g_set_error(error, CHAR_ERROR, 0, "'stdio' is in use already: a process has one");
        return NULL;
    }
    is_in_use = true;
    stdio = g_new0(struct char_stdio, 1);
    stdio->host = *host;
    stdio->in = char_fd_share(STDIN_FILENO, false);
    stdio->output = (struct char_output){
        .fd = char_fd_share(STDOUT_FILENO, true),
        .ready = stdio_ready,
        .failed = stdio_failed,
    };
    stdio->stuck.fn = on_stuck;
    stdio->backend.write = stdio_write;
    stdio->backend.wait = stdio_wait;
    stdio->backend.may_receive = stdio_may_receive;
    stdio->backend.free = stdio_free;
    stdio->is_terminal = stdio->in.fd >= 0 && isatty(stdio->in.fd);
    if (stdio->in.fd >= 0)
        stdio->in_watch = loop_watch_new(stdio->in.fd, POLLIN, on_readable, stdio);
    if (stdio->is_terminal)
        terminal_open(stdio->in.fd, on_terminal_changed, stdio);
    look_for_input(stdio);
    return &stdio->backend;
}

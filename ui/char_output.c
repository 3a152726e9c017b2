/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stddef.h>

#include "ui/char_output.h"
#include "util/clock.h"

static void on_writable(void *opaque, short revents UNUSED)
{
    struct char_output *output = opaque;

    bql_assert_held();
    loop_watch_set_events(output->watch, 0);
    output->is_blocked = false;
    output->ready(output); /* an error shows when it is written to */
}

static void wait_for_room(struct char_output *output) REQUIRES(bql)
{
    output->is_blocked = true;
    if (output->watch)
        loop_watch_set_events(output->watch, POLLOUT);
    else
        output->watch = loop_watch_new(output->fd.fd, POLLOUT, on_writable, output);
}

size_t char_output_write(struct char_output *output, const uint8_t *data, size_t size)
{
    size_t done = 0;

    while (done < size && output->fd.fd >= 0) {
        ssize_t written = char_fd_write(&output->fd, data + done, size - done);

        if (written > 0) {
            done += (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            wait_for_room(output);
            return done;
        } else {
            output->failed(output, written < 0 ? errno : EIO);
            break;
        }
    }
    return size;
}

bool char_output_wait(struct char_output *output, int64_t deadline_ns)
{
    struct pollfd pollfd = { .fd = output->fd.fd, .events = POLLOUT };
    int64_t left_ns = deadline_ns - monotonic_ns();

    if (left_ns <= 0 || output->fd.fd < 0)
        return false;
    return poll(&pollfd, 1, (int)(left_ns / NS_PER_MS) + 1) > 0;
}

void char_output_stop(struct char_output *output)
{
    loop_watch_free(output->watch);
    output->watch = NULL;
    output->is_blocked = false;
    char_fd_close(&output->fd);
}

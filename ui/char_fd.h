/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A descriptor that is read and written without waiting, although others may
 * share it.
 *
 * Standard input and output are shared with whoever started the program:
 * O_NONBLOCK on them would change the shell's terminal, or the other end of a
 * script's pipeline, and stay after us. So terminals and pipes are opened anew
 * through /proc/self/fd, which gives a description of our own; sockets have
 * MSG_DONTWAIT; regular files never keep anyone waiting for long. Where opening
 * anew fails (no /proc, another user's terminal), poll() is asked before each
 * small piece: then a write waits only if another program fills the same pipe at
 * that very moment.
 */
#ifndef UI_CHAR_FD_H
#define UI_CHAR_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum char_fd_kind {
    CHAR_FD_OWN,    /* O_NONBLOCK, or a file */
    CHAR_FD_SOCKET, /* MSG_DONTWAIT */
    CHAR_FD_POLLED, /* shared, and may wait */
};

struct char_fd {
    int fd; /* -1: none */
    enum char_fd_kind kind;
};

/** For the shared descriptor @fd, which stays open. None if it is not open at all. */
struct char_fd char_fd_share(int fd, bool is_for_writing);
void char_fd_close(struct char_fd *fd);

/** As read() and write(): bytes, or -1 and errno, EAGAIN for "not now"; never EINTR. */
ssize_t char_fd_read(const struct char_fd *fd, uint8_t *buf, size_t size);
ssize_t char_fd_write(const struct char_fd *fd, const uint8_t *data, size_t size);

#endif

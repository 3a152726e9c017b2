/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ui/char_fd.h"

/* Of a terminal. A pipe that poll() calls writable takes PIPE_BUF bytes (pipe(7)), which is more.
 */
enum { PIECE_MAX = 64 };

struct char_fd char_fd_share(int fd, bool is_for_writing)
{
    char path[32];
    struct stat status;
    int own;

    if (fstat(fd, &status) < 0)
        return (struct char_fd){ .fd = -1 };
    if (S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode))
        /* A file's offset is shared on purpose: what is written after us goes behind. */
        return (struct char_fd){
            .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
            .kind = S_ISSOCK(status.st_mode) ? CHAR_FD_SOCKET : CHAR_FD_OWN,
        };
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* an int fits */
    own = open(path, (is_for_writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0)
        return (struct char_fd){ .fd = own, .kind = CHAR_FD_OWN };
    return (struct char_fd){ .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .kind = CHAR_FD_POLLED };
}

void char_fd_close(struct char_fd *fd)
{
    if (fd->fd >= 0)
        close(fd->fd);
    fd->fd = -1;
}

static bool is_ready(const struct char_fd *fd, short events)
{
    struct pollfd pollfd = { .fd = fd->fd, .events = events };

    if (fd->kind != CHAR_FD_POLLED || poll(&pollfd, 1, 0) > 0)
        return true;
    errno = EAGAIN;
    return false;
}

ssize_t char_fd_read(const struct char_fd *fd, uint8_t *buf, size_t size)
{
    ssize_t result;

    if (!is_ready(fd, POLLIN))
        return -1;
    do {
        if (fd->kind == CHAR_FD_SOCKET)
            result = recv(fd->fd, buf, size, MSG_DONTWAIT);
        else
            result = read(fd->fd, buf, size);
    } while (result < 0 && errno == EINTR);
    return result;
}

ssize_t char_fd_write(const struct char_fd *fd, const uint8_t *data, size_t size)
{
    ssize_t result;

    if (!is_ready(fd, POLLOUT))
        return -1;
    if (fd->kind == CHAR_FD_POLLED && size > PIECE_MAX)
        size = PIECE_MAX;
    do {
        if (fd->kind == CHAR_FD_SOCKET)
            result = send(fd->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            result = write(fd->fd, data, size);
    } while (result < 0 && errno == EINTR);
    return result;
}

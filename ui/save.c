/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/save.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"

/* What is being saved, and as what the user knows it. */
struct save {
    const char *path;
    const char *bytes;
    size_t size;
    int hurry_fd;
};

static bool fail(GError **error, const char *path, int reason, const char *what)
{
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(reason), "%s: %s", path,
                what ? what : g_strerror(reason));
    return false;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* The other end takes nothing. */
static bool wait_for_room(const struct save *save, int fd, GError **error)
{
    struct pollfd ready[] = { { .fd = fd, .events = POLLOUT },
                              { .fd = save->hurry_fd, .events = POLLIN } };
    const int nr = poll(ready, G_N_ELEMENTS(ready), (int)(SAVE_PATIENCE_NS / NS_PER_MS));

    if (nr > 0 && ready[0].revents)
        return true;
    return fail(error, save->path, ETIMEDOUT,
                nr > 0 ? "the other end had not read it when the program ended"
                       : "the other end does not read");
}

/* All of it, as fast as the other end takes it. */
static bool write_all(const struct save *save, int fd, GError **error)
{
    const char *bytes = save->bytes;
    size_t size = save->size;

    while (size > 0) {
        const ssize_t written = write(fd, bytes, size);

        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (written == 0 || (errno != EAGAIN && errno != EINTR)) {
            return fail(error, save->path, written ? errno : EIO, NULL);
        } else if (errno == EAGAIN && !wait_for_room(save, fd, error)) {
            return false;
        }
    }
    return true;
}

static bool write_and_close(const struct save *save, int fd, GError **error)
{
    const bool is_good = write_all(save, fd, error);

    if (close(fd) < 0 && is_good)
        return fail(error, save->path, errno, NULL);
    return is_good;
}

/* Beside @target, which it then becomes. */
static bool replace(const struct save *save, const char *target, GError **error)
{
    g_autofree char *beside = g_strdup_printf("%s.XXXXXX", target);
    const int fd = g_mkstemp_full(beside, O_WRONLY | O_CLOEXEC, 0666);
    bool is_good;

    if (fd < 0)
        return fail(error, save->path, errno, NULL);
    is_good = write_and_close(save, fd, error);
    if (is_good && rename(beside, target) < 0)
        is_good = fail(error, save->path, errno, NULL);
    if (!is_good)
        unlink(beside);
    return is_good;
}

/* Nobody at the other end of a pipe is an error, and not waited for. */
static bool write_into(const struct save *save, GError **error)
{
    const int fd = open(save->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return fail(error, save->path, errno, errno == ENXIO ? "nobody reads from it" : NULL);
    return write_and_close(save, fd, error);
}

bool save_bytes(const char *path, const void *bytes, size_t size, int hurry_fd, GError **error)
{
    const struct save save = { path, bytes, size, hurry_fd };
    struct stat status;
    char *target;
    bool is_good;

    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return write_into(&save, error);
    target = realpath(path, NULL); /* a link stays one */
    is_good = replace(&save, target ? target : path, error);
    free(target);
    return is_good;
}

/* ---- Beforehand ------------------------------------------------------------------------------ */

bool save_is_possible(const char *path, GError **error)
{
    char *target = realpath(path, NULL);
    g_autofree char *folder = g_path_get_dirname(target ? target : path);
    struct stat status;

    free(target);
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        if (S_ISDIR(status.st_mode))
            return fail(error, path, EISDIR, NULL);
        /* Not opened: the reader of a pipe would take that for the end. */
        return access(path, W_OK) == 0 || fail(error, path, errno, NULL);
    }
    return access(folder, W_OK | X_OK) == 0 || fail(error, path, errno, NULL);
}

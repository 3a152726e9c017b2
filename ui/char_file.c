/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "ui/char_kinds.h"
#include "ui/char_output.h"
#include "util/log.h"

struct char_file {
    struct char_backend backend;
    struct char_output output;
    char *path;
    bool has_failed;
};

static struct char_file *file_of(struct char_backend *backend)
{
    return container_of(backend, struct char_file, backend);
}

static size_t file_write(struct char_backend *backend, const uint8_t *data, size_t size)
{
    bql_assert_held();
    return char_output_write(&file_of(backend)->output, data, size);
}

static bool file_wait(struct char_backend *backend, int64_t deadline_ns)
{
    bql_assert_held();
    return char_output_wait(&file_of(backend)->output, deadline_ns);
}

/* A full disk is no reason to stop the guest; there may be room again. */
static void file_failed(struct char_output *output, int error)
{
    struct char_file *file = container_of(output, struct char_file, output);

    if (!file->has_failed)
        log_error("cannot write to '%s': %s; what the guest prints is lost", file->path,
                  g_strerror(error));
    file->has_failed = true;
}

static void file_ready(struct char_output *output)
{
    struct char_file *file = container_of(output, struct char_file, output);

    if (file->backend.drained)
        file->backend.drained(file->backend.drained_opaque);
}

static void file_free(struct char_backend *backend)
{
    struct char_file *file = file_of(backend);

    bql_assert_held();
    char_output_stop(&file->output);
    g_free(file->path);
    g_free(file);
}

struct char_backend *char_file_new(const char *path, const struct char_host *host UNUSED,
                                   GError **error)
{
    /* O_NONBLOCK: a FIFO without a reader is an error, not a wait. O_APPEND: somebody may empty it.
     */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                  0666);
    struct char_file *file;

    if (fd < 0) {
        int error_number = errno;

        g_set_error(error, CHAR_ERROR, 0, "cannot write to '%s': %s", path,
                    error_number == ENXIO ? "nobody reads from it" : g_strerror(error_number));
        return NULL;
    }
    file = g_new0(struct char_file, 1);
    file->path = g_strdup(path);
    file->output = (struct char_output){
        .fd = { .fd = fd, .kind = CHAR_FD_OWN },
        .ready = file_ready,
        .failed = file_failed,
    };
    file->backend.write = file_write;
    file->backend.wait = file_wait;
    file->backend.free = file_free;
    return &file->backend;
}

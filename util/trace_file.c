/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/thread.h"
#include "util/trace_json.h"

enum {
    /* 4 MiB a thread, as far as it is used: some tenths of a second of all points, which is how
     * long a machine with far too much to do keeps the writer waiting. */
    RING_EVENTS = 65536,
    BATCH_BYTES = 1 << 18, /* written at once */
    LATE_WRITERS_MS = 20,  /* who was about to record when the points were switched off */
};
#define INTERVAL_NS (50 * NS_PER_MS) /* rings that are half full wake the writer before */

struct trace_file {
    char *path;
    int fd;
    bool is_regular;
    struct thread *thread;
    uint32_t is_closing; /* atomic */

    /* The writer's, and after its end trace_file_close()'s. */
    GString *batch;
    off_t size;        /* of what has been written whole */
    uint64_t nr_batch; /* events in the batch */
    uint64_t nr_events, lost;
    int error; /* of the first write() that failed; then nothing is written any more */
};

/* ---- The file -------------------------------------------------------------------------------- */

static bool fail(GError **error, const char *path, const char *what)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "-trace: cannot write '%s': %s", path,
                what);
    return false;
}

/* Ours alone, and empty. */
static bool take_file(struct trace_file *file, GError **error)
{
    struct stat status;

    /* Not to wait for a pipe's reader; regular files do not mind. */
    file->fd = open(file->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
    if (file->fd < 0 || fstat(file->fd, &status) < 0)
        return fail(error, file->path, g_strerror(errno));
    file->is_regular = S_ISREG(status.st_mode);
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))
        return fail(error, file->path, "it is a pipe, and who reads it might not");
    if (!file->is_regular)
        return true;
    if (flock(file->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return fail(error, file->path, "another process does");
    if (ftruncate(file->fd, 0) < 0)
        return fail(error, file->path, g_strerror(errno));
    return true;
}

static bool write_all(struct trace_file *file)
{
    size_t at = 0;

    while (at < file->batch->len) {
        const ssize_t written = write(file->fd, file->batch->str + at, file->batch->len - at);

        if (written > 0)
            at += (size_t)written;
        else if (written == 0 || errno != EINTR)
            return false;
    }
    file->size += (off_t)at;
    return true;
}

/* The first failure ends the recording: a file with a hole would tell lies. */
static void flush(struct trace_file *file)
{
    if (file->error == 0 && write_all(file)) {
        file->nr_events += file->nr_batch;
    } else if (file->error == 0) {
        file->lost += file->nr_batch;
        file->error = errno ? errno : EIO;
        trace_rings_switch(NULL);
        log_error("-trace: cannot write '%s': %s: the trace ends here", file->path,
                  g_strerror(file->error));
        if (file->is_regular && ftruncate(file->fd, file->size) < 0) /* half a line stays, then */
            log_warn("-trace: cannot cut '%s': %s", file->path, g_strerror(errno));
    }
    file->nr_batch = 0;
    g_string_truncate(file->batch, 0);
}

/* ---- The writer ------------------------------------------------------------------------------ */

static void note_lost(struct trace_file *file, uint32_t thread, uint64_t nr)
{
    if (nr == 0)
        return;
    if (file->lost == 0)
        log_warn("-trace: events come faster than they are written: some are lost");
    file->lost += nr;
    trace_json_lost(file->batch, thread, monotonic_ns(), nr);
}

static void empty_ring(struct trace_file *file, unsigned index)
{
    struct trace_event event;
    uint32_t thread = 0;
    uint64_t lost;

    /* No more than it holds: who records as fast as this writes must not cost others theirs. */
    for (unsigned i = 0; i < RING_EVENTS && trace_ring_take(index, &event); i++) {
        if (file->error == 0) {
            trace_json_event(file->batch, &event);
            file->nr_batch += event.point != TRACE_POINT_NAME;
        } else {
            file->lost++;
        }
        if (file->batch->len > BATCH_BYTES)
            flush(file);
    }
    lost = trace_ring_take_lost(index, &thread);
    note_lost(file, thread, lost);
}

static void empty_rings(struct trace_file *file)
{
    for (unsigned i = 0; i < TRACE_RINGS; i++)
        empty_ring(file, i);
    flush(file);
}

static uint64_t nr_unfinished(void)
{
    uint64_t nr = 0;

    for (unsigned i = 0; i < TRACE_RINGS; i++)
        nr += trace_ring_nr_unfinished(i);
    return nr;
}

/* The points are off: what is in the rings, and what is just being put there. */
static void finish(struct trace_file *file)
{
    const int64_t end_ns = monotonic_ns() + LATE_WRITERS_MS * NS_PER_MS;

    do {
        empty_rings(file);
    } while (nr_unfinished() && monotonic_ns() < end_ns);
    file->lost += nr_unfinished();
    trace_json_end(file->batch, monotonic_ns(), file->nr_events + file->nr_batch, file->lost);
    flush(file);
}

static void writer(void *arg)
{
    struct trace_file *file = arg;

    while (!load_acquire(&file->is_closing)) { /* pairs with trace_file_close() */
        (void)event_timedwait(&trace_rings_news, monotonic_ns() + INTERVAL_NS); /* or not */
        event_reset(&trace_rings_news);
        empty_rings(file);
    }
    finish(file);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static bool start(struct trace_file *file, const struct trace_selection *selection, GError **error)
{
    const int got = trace_rings_start(RING_EVENTS);

    if (got < 0)
        return fail(error, file->path, g_strerror(-got));
    trace_json_begin(file->batch);
    if (!write_all(file))
        return fail(error, file->path, g_strerror(errno));
    g_string_truncate(file->batch, 0);
    file->thread = thread_start("trace", writer, file);
    if (!file->thread)
        return fail(error, file->path, g_strerror(errno));
    trace_rings_switch(selection->is_on);
    return true;
}

static void file_free(struct trace_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    g_string_free(file->batch, TRUE);
    g_free(file->path);
    g_free(file);
}

struct trace_file *trace_file_open(const char *path, const struct trace_selection *selection,
                                   GError **error)
{
    struct trace_file *file = g_new0(struct trace_file, 1);

    file->path = g_strdup(path);
    file->batch = g_string_sized_new(BATCH_BYTES);
    if (take_file(file, error) && start(file, selection, error))
        return file;
    file_free(file);
    return NULL;
}

bool trace_file_close(struct trace_file *file, GError **error)
{
    bool is_whole = true;

    if (!file)
        return true;
    trace_rings_switch(NULL);
    store_release(&file->is_closing, 1); /* pairs with writer() */
    event_set(&trace_rings_news);
    thread_join(file->thread);
    if (file->error) {
        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(file->error),
                    "-trace: '%s' is not whole: %s", file->path, g_strerror(file->error));
        is_whole = false;
    } else {
        log_info("trace: %" PRIu64 " events in '%s'%s (ui.perfetto.dev opens it)", file->nr_events,
                 file->path, file->lost ? ", but not all" : "");
    }
    if (file->lost)
        log_warn("trace: %" PRIu64 " events are lost", file->lost);
    file_free(file);
    return is_whole;
}

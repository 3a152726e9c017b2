/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests go to whichever worker is idle, else they wait in one queue. The worker
 * that fell asleep last is woken first: its caches are warm, and under light load
 * the others stay asleep. There is one worker at first; more are started while
 * requests wait, so that a slow flush does not hold up reads.
 *
 * Completions go into a list that the main loop empties: the first one wakes it,
 * and those that come until it looks share the wake-up.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hw/dev/disk_internal.h"
#include "util/clock.h"
#include "util/iov.h"
#include "util/log.h"
#include "util/thread.h"
#include "util/trace.h"

/* What is completed in one turn of the main loop: docs/locking.md, L6. */
enum { TURN_COMPLETIONS = 64 };
#define TURN_NS NS_PER_MS

/* For traces. */
static const char *const op_names[] = {
    [DISK_READ] = "read",
    [DISK_WRITE] = "write",
    [DISK_FLUSH] = "flush",
    [DISK_DISCARD] = "discard",
    [DISK_WRITE_ZEROES] = "write zeroes",
};

static void requests_append(struct disk_requests *list, struct disk_request *request)
{
    request->next = NULL;
    if (list->first)
        list->last->next = request;
    else
        list->first = request;
    list->last = request;
}

static struct disk_request *requests_pop(struct disk_requests *list)
{
    struct disk_request *first = list->first;

    if (first)
        list->first = first->next;
    return first;
}

/* All of @from to the end of @list. */
static void requests_move(struct disk_requests *list, struct disk_requests *from)
{
    if (!from->first)
        return;
    if (list->first)
        list->last->next = from->first;
    else
        list->first = from->first;
    list->last = from->last;
    from->first = NULL;
}

/* ---- Workers ------------------------------------------------------------------------- */

/* Wait as long as a test wants. Returns the error that it wants. */
static int injected(struct disk *disk)
{
    int64_t since_ns = monotonic_ns();
    int64_t until_ns;
    int error;

    mutex_lock(&disk->lock);
    while (disk->inject_delay_ns > 0) {
        until_ns = deadline_after_ns(since_ns, disk->inject_delay_ns);
        if (monotonic_ns() >= until_ns)
            break;
        (void)condition_wait(&disk->news, &disk->lock,
                             until_ns); /* why it ended: looked at above */
    }
    error = disk->inject_error;
    mutex_unlock(&disk->lock);
    return -error;
}

/* NULL: the disk is being closed. */
static struct disk_request *next_request(struct disk_worker *worker)
{
    struct disk *disk = worker->disk;
    struct disk_request *request;
    bool is_closing;

    mutex_lock(&disk->lock);
    request = requests_pop(&disk->waiting);
    is_closing = disk->is_closing;
    if (!request && !is_closing) {
        worker->next_idle = disk->idle;
        disk->idle = worker;
    }
    mutex_unlock(&disk->lock);
    if (request || is_closing)
        return request;
    event_wait(&worker->wake);
    event_reset(&worker->wake); /* before it is idle again, so nobody has set it anew */
    return worker->request;
}

static void finish(struct disk *disk, struct disk_request *request)
{
    mutex_lock(&disk->lock);
    requests_append(&disk->finished, request);
    condition_broadcast(&disk->news); /* to disk_drain(): the main loop is not looking then */
    mutex_unlock(&disk->lock);
    (void)loop_defer(&disk->completions); /* pending: then it will find this one too */
}

static void work(void *arg)
{
    struct disk_worker *worker = arg;
    struct disk_request *request;

    while ((request = next_request(worker))) {
        int error = injected(worker->disk);

        TRACE2(disk_begin, request, op_names[request->op]);
        request->result = error ? error : disk_perform(worker->disk, request);
        TRACE2(disk_end, request, -request->result);
        finish(worker->disk, request);
    }
}

/* False, with errno, when the system has no more threads. */
static bool start_worker(struct disk *disk) REQUIRES(bql)
{
    struct disk_worker *worker = &disk->workers[disk->nr_workers];
    char name[THREAD_NAME_KERNEL + 1];

    (void)g_snprintf(name, sizeof(name), "disk/%u", disk->nr_workers);
    worker->disk = disk;
    event_init(&worker->wake, false);
    worker->thread = thread_start(name, work, worker);
    if (!worker->thread)
        return false;
    disk->nr_workers++;
    return true;
}

static void stop_workers(struct disk *disk) REQUIRES(bql)
{
    unsigned nr_workers = disk->nr_workers;

    mutex_lock(&disk->lock);
    disk->is_closing = true;
    while (disk->idle) {
        struct disk_worker *worker = disk->idle;

        disk->idle = worker->next_idle;
        worker->request = NULL;
        event_set(&worker->wake);
    }
    mutex_unlock(&disk->lock);
    bql_unlock(); /* L8: a thread that starts may want it, for what it registers with */
    for (unsigned i = 0; i < nr_workers; i++)
        thread_join(disk->workers[i].thread);
    bql_lock();
}

/* ---- Requests ------------------------------------------------------------------------ */

static struct disk_worker *pop_idle(struct disk *disk) REQUIRES(disk->lock)
{
    struct disk_worker *worker = disk->idle;

    if (worker)
        disk->idle = worker->next_idle;
    return worker;
}

static bool has_data(enum disk_op op)
{
    return op == DISK_READ || op == DISK_WRITE;
}

static bool is_well_formed(const struct disk *disk, const struct disk_request *request)
{
    size_t size;

    if (request->op == DISK_FLUSH)
        return true;
    if (request->size > disk->size || request->offset > disk->size - request->size)
        return false;
    return !has_data(request->op) ||
           (iov_size(request->iov, request->nr_iov, &size) && size == request->size);
}

void disk_submit(struct disk_request *request, struct disk *disk)
{
    struct disk_worker *worker;

    assert(is_well_formed(disk, request));
    request->disk = disk;
    TRACE4(disk_submit, request, op_names[request->op], request->offset, request->size);
    disk->in_flight++;
    disk->is_flushed = false;
    mutex_lock(&disk->lock);
    worker = pop_idle(disk);
    if (worker)
        worker->request = request;
    else
        requests_append(&disk->waiting, request);
    mutex_unlock(&disk->lock);
    if (worker)
        event_set(&worker->wake);
    else if (disk->nr_workers < DISK_WORKERS_MAX)
        (void)start_worker(disk); /* there is one: without more of them it is slower, no worse */
}

/* Calls done() of at most @max requests, for about a turn's time; whether there are more. */
static bool complete(struct disk *disk, unsigned max) REQUIRES(bql)
{
    int64_t end_ns = deadline_after_ns(monotonic_ns(), TURN_NS);
    struct disk_request *request;

    mutex_lock(&disk->lock);
    requests_move(&disk->completed, &disk->finished);
    mutex_unlock(&disk->lock);
    while (max-- && (request = requests_pop(&disk->completed))) {
        disk->in_flight--;
        request->done(request, request->result);
        if (monotonic_ns() >= end_ns)
            break;
    }
    return disk->completed.first;
}

static void run_completions(struct deferred *deferred)
{
    struct disk *disk = container_of(deferred, struct disk, completions);

    bql_assert_held();
    if (complete(disk, TURN_COMPLETIONS))
        (void)loop_defer(&disk->completions);
}

unsigned disk_in_flight(const struct disk *disk)
{
    return disk->in_flight;
}

/* False: nothing has until @deadline_ns. */
static bool wait_for_finished(struct disk *disk, int64_t deadline_ns) EXCLUDES(bql)
{
    bool is_finished;

    mutex_lock(&disk->lock);
    while (!disk->finished.first && monotonic_ns() < deadline_ns)
        (void)condition_wait(&disk->news, &disk->lock, deadline_ns); /* looked at in the loop */
    is_finished = disk->finished.first;
    mutex_unlock(&disk->lock);
    return is_finished;
}

bool disk_drain_within(struct disk *disk, int64_t patience_ns)
{
    bool is_alive = true;

    for (;;) {
        while (complete(disk, TURN_COMPLETIONS))
            continue;
        if (disk->in_flight == 0 || !is_alive)
            return disk->in_flight == 0;
        bql_unlock();
        is_alive = wait_for_finished(disk, deadline_after_ns(monotonic_ns(), patience_ns));
        bql_lock();
    }
}

void disk_drain(struct disk *disk)
{
    bool is_idle = disk_drain_within(disk, DEADLINE_NEVER);

    assert(is_idle);
}

void disk_inject(struct disk *disk, int64_t delay_ns, int error_number)
{
    mutex_lock(&disk->lock);
    disk->inject_delay_ns = delay_ns;
    disk->inject_error = error_number;
    condition_broadcast(&disk->news);
    mutex_unlock(&disk->lock);
}

/* ---- Life ---------------------------------------------------------------------------- */

struct disk *disk_open(const char *path, bool is_readonly, GError **error)
{
    struct disk *disk;
    uint64_t size;
    int fd = disk_open_file(path, is_readonly, &size, error);

    if (fd < 0)
        return NULL;
    disk = g_new0(struct disk, 1);
    disk->path = g_strdup(path);
    disk->fd = fd;
    disk->size = size;
    disk->is_readonly = is_readonly;
    mutex_init(&disk->lock, "disk", RANK_LEAF);
    mutex_init(&disk->flush_lock, "disk flush", RANK_LEAF);
    deferred_init(&disk->completions, run_completions);
    if (!start_worker(disk)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "disk image '%s': cannot start a thread: %s", path, g_strerror(errno));
        g_clear_pointer(&disk, disk_close);
    }
    return disk;
}

static void last_flush_done(struct disk_request *request, int result) NO_THREAD_SAFETY
{
    struct disk *disk = request->disk;

    bql_assert_held();
    disk->is_flushed = true;
    disk->has_lost = result != 0;
    if (disk->has_lost)
        log_error("disk image '%s': the last flush failed, what the guest wrote may be lost: %s",
                  disk->path, g_strerror(-result));
}

bool disk_settle(struct disk *disk, int64_t patience_ns)
{
    if (!disk_drain_within(disk, patience_ns))
        return false;
    if (disk->nr_workers == 0 || disk->is_readonly || disk->is_flushed)
        return true;
    disk->last = (struct disk_request){ .op = DISK_FLUSH, .done = last_flush_done };
    disk_submit(&disk->last, disk);
    return disk_drain_within(disk, patience_ns);
}

bool disk_has_lost(const struct disk *disk)
{
    return disk->has_lost || disk->in_flight > 0;
}

void disk_close(struct disk *disk)
{
    bool has_settled;

    if (!disk)
        return;
    assert(disk->in_flight == 0);
    has_settled = disk_settle(disk, DEADLINE_NEVER);
    assert(has_settled);
    stop_workers(disk);
    loop_cancel(&disk->completions);
    mutex_fini(&disk->lock);
    mutex_fini(&disk->flush_lock);
    (void)close(disk->fd); /* the flush has told of errors */
    g_free(disk->path);
    g_free(disk);
}

const char *disk_path(const struct disk *disk)
{
    return disk->path;
}

uint64_t disk_size(const struct disk *disk)
{
    return disk->size;
}

bool disk_is_readonly(const struct disk *disk)
{
    return disk->is_readonly;
}

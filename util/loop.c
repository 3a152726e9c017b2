/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deferred calls come in through a stack that any context can push on with one
 * compare-and-swap; the main loop takes it whole and turns it round, so that
 * the order is that of the pushes. No lock: a signal handler may push.
 *
 * The rest is guarded by the BQL. GLib's own locks, which the thread sanitizer
 * cannot see, are never what orders two threads: the context is touched by
 * whoever holds the BQL, and inside its poll function, by nobody.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "util/atomic.h"
#include "util/clock.h"
#include "util/loop.h"
#include "util/loop_internal.h"
#include "util/rcu.h"
#include "util/trace.h"

enum {
    BATCH_CALLS = 64, /* deferred calls a turn; then descriptors and timers have their turn */
    NO_FD = -1,
};
#define DRIVE_NS (30 * NS_PER_US) /* design.md section 4: "a few tens of µs at most" */
#define NOT_ASLEEP INT64_MIN

static int wake_fd = NO_FD;     /* an eventfd; atomic */
static struct deferred *pushed; /* newest first; atomic */
static uint32_t has_quit;       /* atomic */
static __thread bool is_main_thread;

static struct deferred *ready GUARDED_BY(bql); /* oldest first */
static struct deferred **ready_end GUARDED_BY(bql) = &ready;
static unsigned nr_ready GUARDED_BY(bql);
static int64_t sleeps_until_ns GUARDED_BY(bql) = NOT_ASLEEP; /* when poll ends by itself */
static GSource *deferred_source GUARDED_BY(bql);
static GSource *timers_source GUARDED_BY(bql);
static GPollFunc previous_poll GUARDED_BY(bql);

/* ---- Waking ------------------------------------------------------------------- */

static void wake(void)
{
    const uint64_t one = 1;
    int saved_errno = errno;         /* of what a signal handler interrupts */
    int fd = load_acquire(&wake_fd); /* pairs with loop_init(); before it, nobody sleeps */

    /* EAGAIN: it is readable already. */
    if (fd != NO_FD && write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        abort(); /* the descriptor is not ours any more: no wake-up would ever come */
    errno = saved_errno;
}

void loop_wake_before(int64_t deadline_ns)
{
    if (deadline_ns >= sleeps_until_ns)
        return;
    sleeps_until_ns = NOT_ASLEEP; /* one wake-up is enough */
    wake();
}

void loop_quit(void)
{
    store_release(&has_quit, 1); /* pairs with the exchange in loop_run() */
    wake();
}

bool loop_is_mine(void)
{
    return is_main_thread;
}

/* ---- Deferred calls ------------------------------------------------------------ */

bool loop_defer(struct deferred *deferred)
{
    struct deferred *head;

    /* Pairs with the exchange in run_ready(): either it finds what we wrote, or we push. */
    if (atomic_xchg(&deferred->is_pending, 1))
        return false;
    head = load_relaxed(&pushed);
    do {
        store_relaxed(&deferred->next, head);
    } while (!atomic_cas(&pushed, &head, deferred)); /* pairs with take_pushed() */
    if (!head)
        wake(); /* whoever pushed first since the last take has woken it already */
    return true;
}

struct call {
    struct deferred deferred;
    void (*fn)(void *arg);
    void *arg;
};

static void call_run(struct deferred *deferred)
{
    struct call *call = container_of(deferred, struct call, deferred);

    call->fn(call->arg);
    g_free(call);
}

void loop_call(void (*fn)(void *arg), void *arg)
{
    struct call *call = g_new(struct call, 1);

    *call = (struct call){ .deferred = DEFERRED_INIT(call_run), .fn = fn, .arg = arg };
    (void)loop_defer(&call->deferred); /* it is new, so not pending */
}

/* Append what was pushed to what is ready, oldest first. */
static void take_pushed(void) REQUIRES(bql)
{
    struct deferred *newest = atomic_xchg(&pushed, NULL); /* pairs with loop_defer() */
    struct deferred *oldest = NULL;

    for (struct deferred *d = newest; d;) {
        struct deferred *next = load_relaxed(&d->next);

        store_relaxed(&d->next, oldest);
        oldest = d;
        d = next;
        nr_ready++;
    }
    if (newest) {
        *ready_end = oldest;
        ready_end = &newest->next;
    }
}

static struct deferred *ready_pop(void) REQUIRES(bql)
{
    struct deferred *first = ready;

    ready = load_relaxed(&first->next);
    if (!ready)
        ready_end = &ready;
    nr_ready--;
    /* Pairs with the exchange in loop_defer(). From here on it may be deferred anew, or freed. */
    atomic_xchg(&first->is_pending, 0);
    return first;
}

void loop_cancel(struct deferred *deferred)
{
    take_pushed();
    for (struct deferred **p = &ready; *p; p = &(*p)->next) {
        if (*p != deferred)
            continue;
        *p = load_relaxed(&deferred->next);
        if (!*p)
            ready_end = p;
        nr_ready--;
        atomic_xchg(&deferred->is_pending, 0);
        return;
    }
}

/* No more than were there at the start: a call that defers itself waits for the next turn. */
static void run_ready(void) REQUIRES(bql)
{
    int64_t end_ns = deadline_after_ns(monotonic_ns(), LOOP_BATCH_NS);
    unsigned batch;

    take_pushed();
    TRACE1(loop_batch, nr_ready);
    batch = nr_ready < BATCH_CALLS ? nr_ready : BATCH_CALLS;
    while (batch-- && ready) { /* a call may cancel others */
        struct deferred *deferred = ready_pop();

        deferred->fn(deferred);
        if (monotonic_ns() >= end_ns)
            break;
    }
}

/* ---- GLib's side ---------------------------------------------------------------- */

static gboolean deferred_check(GSource *source UNUSED)
{
    bql_assert_held();
    return ready || load_relaxed(&pushed);
}

static gboolean deferred_prepare(GSource *source, gint *ret_timeout_ms)
{
    *ret_timeout_ms = -1;
    return deferred_check(source);
}

static gboolean deferred_dispatch(GSource *source UNUSED, GSourceFunc fn UNUSED,
                                  gpointer arg UNUSED)
{
    bql_assert_held();
    run_ready();
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs deferred_funcs = {
    .prepare = deferred_prepare,
    .check = deferred_check,
    .dispatch = deferred_dispatch,
};

_Static_assert(sizeof(GPollFD) == sizeof(struct pollfd) &&
                   offsetof(GPollFD, events) == offsetof(struct pollfd, events) &&
                   offsetof(GPollFD, revents) == offsetof(struct pollfd, revents),
               "GLib's is the system's");

/* Like poll(), until @deadline_ns. */
static int poll_until(struct pollfd *fds, nfds_t nr_fds, int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns == DEADLINE_NEVER ? 0 : deadline_ns - monotonic_ns();
    struct timespec left;

    if (left_ns < 0)
        left_ns = 0;
    left.tv_sec = (time_t)(left_ns / NS_PER_S);
    left.tv_nsec = (long)(left_ns % NS_PER_S);
    return ppoll(fds, nr_fds, deadline_ns == DEADLINE_NEVER ? NULL : &left, NULL);
}

static void drain_wake_fd(const struct pollfd *fds, nfds_t nr_fds)
{
    int fd = load_relaxed(&wake_fd);
    uint64_t count;

    for (nfds_t i = 0; i < nr_fds; i++) {
        /* What it tells is looked at afterwards, so a lost or spurious read costs one turn. */
        if (fds[i].fd == fd && fds[i].revents)
            (void)!read(fd, &count, sizeof(count));
    }
}

static int64_t poll_deadline(gint timeout_ms) REQUIRES(bql)
{
    int64_t timers_ns = loop_timers_next();
    int64_t glib_ns;

    if (timeout_ms < 0)
        return timers_ns;
    if (timeout_ms == 0)
        return 0; /* past */
    glib_ns = deadline_after_ns(monotonic_ns(), timeout_ms * NS_PER_MS);
    return glib_ns < timers_ns ? glib_ns : timers_ns;
}

/* The one place where the main thread sleeps. */
static int poll_without_bql(struct pollfd *fds, nfds_t nr_fds, int64_t deadline_ns) EXCLUDES(bql)
{
    int nr, saved_errno;

    (void)rcu_drive_forced(DRIVE_NS); /* what is left is the rcu thread's */
    TRACE2(loop_poll, deadline_ns, nr_fds);
    nr = poll_until(fds, nr_fds, deadline_ns);
    saved_errno = errno;
    if (nr > 0)
        drain_wake_fd(fds, nr_fds);
    errno = saved_errno; /* GLib tells EINTR from the rest */
    return nr;
}

static gint loop_poll(GPollFD *glib_fds, guint nr_fds, gint timeout_ms) NO_THREAD_SAFETY
{
    struct pollfd *fds = (struct pollfd *)(void *)glib_fds;
    int64_t deadline_ns;
    int nr, saved_errno;

    bql_assert_held();
    if (rcu_is_reading())
        lock_die(NULL, "sleeps in the main loop inside a read section");
    deadline_ns = poll_deadline(timeout_ms);
    sleeps_until_ns = deadline_ns;
    bql_unlock();
    nr = poll_without_bql(fds, nr_fds, deadline_ns);
    saved_errno = errno;
    bql_lock();
    sleeps_until_ns = NOT_ASLEEP;
    errno = saved_errno;
    return nr;
}

/* ---- Running --------------------------------------------------------------------- */

void loop_init(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        g_error("the main loop's eventfd: %s", g_strerror(errno));
    is_main_thread = true;
    previous_poll = g_main_context_get_poll_func(NULL);
    g_main_context_set_poll_func(NULL, loop_poll);
    deferred_source = g_source_new(&deferred_funcs, sizeof(GSource));
    g_source_set_name(deferred_source, "deferred calls");
    g_source_add_unix_fd(deferred_source, fd, G_IO_IN);
    g_source_set_can_recurse(deferred_source, TRUE); /* a nested iteration must not hang */
    g_source_attach(deferred_source, NULL);
    timers_source = loop_timers_source_new();
    g_source_attach(timers_source, NULL);
    store_release(&wake_fd, fd); /* pairs with the acquire in wake() */
}

static void source_drop(GSource **source)
{
    g_source_destroy(*source);
    g_source_unref(*source);
    *source = NULL;
}

void loop_fini(void)
{
    int fd = atomic_xchg(&wake_fd, NO_FD);

    take_pushed();
    while (ready) {
        struct deferred *deferred = ready_pop();

        if (deferred->fn == call_run)
            g_free(container_of(deferred, struct call, deferred));
    }
    loop_timers_fini();
    source_drop(&timers_source);
    source_drop(&deferred_source);
    g_main_context_set_poll_func(NULL, previous_poll);
    close(fd);
    store_relaxed(&has_quit, 0);
    is_main_thread = false;
}

void loop_run(void)
{
    rcu_promise_drive(true);           /* poll_without_bql() keeps it */
    while (!atomic_xchg(&has_quit, 0)) /* pairs with loop_quit() */
        (void)loop_iterate(true);
    rcu_promise_drive(false);
}

bool loop_iterate(bool may_block)
{
    if (!is_main_thread)
        lock_die(NULL, "runs the main loop, which is another thread's");
    bql_assert_held();
    return g_main_context_iteration(NULL, may_block);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Callbacks: how they are queued, the rcu thread that runs them, and what
 * happens when too many are pending.
 *
 * Producers push onto a stack with one compare-and-swap; the rcu thread takes
 * all at once and turns them round. A swap is whole at any instant, so a fork
 * between any two instructions finds the stack in order. (A queue with a tail
 * pointer has an instant at which the last element is not linked yet.)
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sys/prctl.h>

#include "util/rcu_callback.h"
#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/trace.h"

enum {
    COUNT_BATCH = 64, /* callbacks run between two updates of the shared counts */
    THROTTLE_MS = 10, /* longest wait of a producer: it may hold a lock that a callback wants */
};

/* The size of an object that rcu_free_later() frees tells its offset: no function lives there. */
_Static_assert(RCU_FREE_OFFSETS <= 4096, "the first page is never mapped");

struct callback_queue {
    struct rcu_head *pushed; /* newest first; atomic */
    int64_t pushed_ns;       /* when the first of these was; atomic */

    /* The rcu thread's own, changed so that a fork at any instant finds a whole list. */
    CACHE_ALIGNED struct rcu_head *waiting; /* oldest first */
    struct rcu_head **waiting_end;
    int64_t waiting_ns; /* when the oldest was pushed; 0: not known */
};

static struct callback_queue plain = { .waiting_end = &plain.waiting };
static struct callback_queue for_bql = { .waiting_end = &for_bql.waiting };

/* Written by producers; atomic. */
static struct {
    uint64_t callbacks;
    uint64_t bytes;
    int64_t peak;
    bool any_for_bql;
} CACHE_ALIGNED queued;

/* Written by whoever runs callbacks; atomic. */
static struct {
    uint64_t callbacks;
    uint64_t bytes;
    uint64_t ready; /* those that wait for the main loop alone: no force hurries them */
} CACHE_ALIGNED done;

/* What the rcu thread has run and not yet added there; its own. */
static struct {
    unsigned nr;
    size_t bytes;
} uncounted;

static struct {
    struct sequence work;     /* for the rcu thread: callbacks, or somebody polls */
    struct sequence progress; /* from it: pending callbacks have become fewer, or ready */
    bool is_put_off;          /* somebody has promised to drive, and has not woken it; atomic */
} CACHE_ALIGNED wake = { { 0, 0 }, { 0, 0 }, false };

/* Held by the rcu thread while it rearranges its lists, so that a fork waits for it. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

/* A leaf, held for some instructions; the main loop takes it under the BQL. */
static pthread_mutex_t ready_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rcu_head *ready_for_bql; /* guarded by ready_lock; grace period over, oldest first */
static struct rcu_head **ready_end = &ready_for_bql; /* likewise */

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_started; /* atomic; written under start_lock */
static __thread bool is_rcu_thread;
static __thread bool is_in_callback;
static __thread bool will_drive;  /* rcu_promise_drive() … */
static __thread bool wake_is_due; /* … and this thread has put off a wake */

/* ---- How many are pending ------------------------------------------------------ */

/* What is done first, so that the difference is not negative. */
static uint64_t pending_callbacks(void)
{
    uint64_t run = load_acquire(&done.callbacks); /* keeps the second load second */

    return load_relaxed(&queued.callbacks) - run;
}

static uint64_t pending_bytes(void)
{
    uint64_t freed = load_acquire(&done.bytes); /* likewise */

    return load_relaxed(&queued.bytes) - freed;
}

static bool is_above(unsigned callbacks, size_t bytes)
{
    return pending_callbacks() > callbacks || pending_bytes() > bytes;
}

/* Producers that were made to wait go on waiting. */
static bool is_above_half(void)
{
    return is_above(rcu_config.throttle_callbacks / 2, rcu_config.throttle_bytes / 2);
}

static void raise_peak(int64_t pending)
{
    int64_t peak = load_relaxed(&queued.peak);

    while (pending > peak && !atomic_cas(&queued.peak, &peak, pending))
        continue;
}

/* ---- Running ------------------------------------------------------------------ */

static void run_callback(struct rcu_head *head)
{
    bool was_in_callback = is_in_callback; /* one for the main loop may run that again */

    rcu_debug_taken(head);
    is_in_callback = true;
    if ((uintptr_t)head->func < RCU_FREE_OFFSETS)
        free((char *)head - (uintptr_t)head->func); /* rcu_free_later() */
    else
        head->func(head);
    is_in_callback = was_in_callback;
}

static void count_done(unsigned nr, size_t bytes)
{
    fetch_add_relaxed(&done.bytes, bytes);
    fetch_add(&done.callbacks, nr); /* full barrier: pairs with sequence_prepare() in throttle() */
    smp_mb_after_rmw();
    if (unlikely(load_relaxed(&wake.progress.sleepers)) && !is_above_half() &&
        !MUTANT(throttle_sleeps_on))
        sequence_advance(&wake.progress);
}

/* The rcu thread counts many at a time. */
static void count_uncounted(void)
{
    count_done(uncounted.nr, uncounted.bytes);
    uncounted.nr = 0;
    uncounted.bytes = 0;
}

static void note_delay(struct callback_queue *queue)
{
    if (queue->waiting_ns == 0)
        return;
    hist_record(&rcu_hist_callback, (uint64_t)(monotonic_ns() - queue->waiting_ns));
    queue->waiting_ns = 0;
}

static bool is_due(const struct rcu_head *head)
{
    return head && rcu_is_completed(head->need - (MUTANT(callback_early) ? RCU_STEP : 0));
}

static struct rcu_head *take_due(struct callback_queue *queue)
{
    struct rcu_head *head = queue->waiting;

    if (!is_due(head))
        return NULL;
    queue->waiting = head->next;
    if (!queue->waiting)
        queue->waiting_end = &queue->waiting;
    return head;
}

/* For a millisecond at most: others wait for grace periods, and for the main loop's callbacks. */
static void run_plain(void)
{
    struct rcu_head *head = plain.waiting;
    uint64_t before = load_relaxed(&done.callbacks);
    int64_t until_ns;

    if (!is_due(head))
        return;
    note_delay(&plain);
    until_ns = monotonic_ns() + NS_PER_MS;
    while (monotonic_ns() < until_ns && (head = take_due(&plain))) {
        uncounted.nr++;
        uncounted.bytes += head->size_bytes;
        run_callback(head);
        if (uncounted.nr == COUNT_BATCH)
            count_uncounted();
    }
    count_uncounted();
    TRACE1(rcu_callbacks, load_relaxed(&done.callbacks) - before);
}

static struct rcu_head *take_ready(void)
{
    struct rcu_head *head;

    pthread_mutex_lock(&ready_lock);
    head = ready_for_bql;
    if (head) {
        ready_for_bql = head->next;
        if (!ready_for_bql)
            ready_end = &ready_for_bql;
    }
    pthread_mutex_unlock(&ready_lock);
    return head;
}

static bool is_any_ready(void)
{
    bool is_any;

    pthread_mutex_lock(&ready_lock);
    is_any = ready_for_bql != NULL;
    pthread_mutex_unlock(&ready_lock);
    return is_any;
}

bool rcu_run_bql_callbacks(int64_t budget_ns)
{
    int64_t until_ns = deadline_after_ns(monotonic_ns(), budget_ns);
    struct rcu_head *head;

    while ((head = take_ready())) {
        fetch_sub(&done.ready, 1);
        count_done(1, head->size_bytes);
        run_callback(head);
        if (monotonic_ns() >= until_ns)
            return is_any_ready();
    }
    return false;
}

/* No main loop was set up: the rcu thread stands in for it. */
static void run_bql_here(void)
{
    const struct rcu_host *host = load_acquire(&rcu_host);

    if (host->bql_lock)
        host->bql_lock();
    (void)rcu_run_bql_callbacks(INT64_MAX); /* all of them */
    if (host->bql_unlock)
        host->bql_unlock();
}

static void splice_due(void)
{
    struct rcu_head *first = NULL, **end = &first, *head;

    while ((head = take_due(&for_bql))) {
        head->next = NULL;
        *end = head;
        end = &head->next;
        fetch_add(&done.ready, 1);
    }
    pthread_mutex_lock(&ready_lock);
    *ready_end = first;
    ready_end = end;
    pthread_mutex_unlock(&ready_lock);
}

static void hand_over_to_bql(void)
{
    const struct rcu_host *host = load_acquire(&rcu_host); /* pairs with rcu_set_host() */
    bool is_any = is_due(for_bql.waiting);

    if (is_any) {
        note_delay(&for_bql);
        pthread_mutex_lock(&list_lock);
        splice_due();
        pthread_mutex_unlock(&list_lock);
        sequence_advance(&wake.progress); /* for drain_call_rcu() on the main loop */
    }
    if (!host->bql_callbacks_ready) {
        if (is_any_ready()) /* just now, or inherited by a forked child */
            run_bql_here();
    } else if (is_any) {
        host->bql_callbacks_ready();
    }
}

/* ---- The rcu thread -------------------------------------------------------------- */

/* From newest first to oldest first; the last one then is @head. */
static struct rcu_head *turn_round(struct rcu_head *head)
{
    struct rcu_head *turned = NULL, *next;

    for (; head; head = next) {
        next = head->next;
        head->next = turned;
        turned = head;
    }
    return turned;
}

static struct rcu_head **end_of(struct rcu_head **list)
{
    while (*list)
        list = &(*list)->next;
    return list;
}

static void take_pushed(struct callback_queue *queue)
{
    struct rcu_head *newest;

    if (!load_relaxed(&queue->pushed))
        return;
    pthread_mutex_lock(&list_lock);
    if (!queue->waiting)
        queue->waiting_ns = load_relaxed(&queue->pushed_ns);
    newest = atomic_xchg(&queue->pushed, NULL); /* acquire: pairs with push() */
    if (MUTANT(callbacks_reversed)) {
        *queue->waiting_end = newest;
        queue->waiting_end = end_of(&queue->waiting);
    } else {
        *queue->waiting_end = turn_round(newest);
        queue->waiting_end = &newest->next;
    }
    pthread_mutex_unlock(&list_lock);
}

/* The grace period that the rcu thread should end next: the oldest that is waited for. */
static bool next_target(unsigned long *ret_target)
{
    const struct rcu_head *heads[] = { plain.waiting, for_bql.waiting };
    bool is_any = rcu_next_need(ret_target);

    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        if (heads[i] && !rcu_is_completed(heads[i]->need) &&
            (!is_any || number_before(heads[i]->need, *ret_target))) {
            *ret_target = heads[i]->need;
            is_any = true;
        }
    }
    return is_any;
}

/* While callbacks are due it only looks: they are not to wait for a reader. */
static void drive_next(void)
{
    unsigned long target;

    if (next_target(&target))
        (void)rcu_drive(target, is_due(plain.waiting) ? INT64_MIN : DEADLINE_NEVER);
}

static void wait_for_work(void)
{
    unsigned long target;
    uint32_t ticket =
        sequence_prepare(&wake.work); /* pairs with the barrier in rcu_thread_wake() */

    if (load_relaxed(&plain.pushed) || load_relaxed(&for_bql.pushed) || plain.waiting ||
        for_bql.waiting || next_target(&target))
        sequence_cancel(&wake.work);
    else
        (void)sequence_wait(&wake.work, ticket, DEADLINE_NEVER); /* either way we look again */
}

static void *rcu_thread_main(void *unused UNUSED)
{
    is_rcu_thread = true;
    rcu_register_thread();                           /* callbacks may read */
    (void)pthread_setname_np(pthread_self(), "rcu"); /* a name of its length cannot fail */
    (void)prctl(PR_SET_TIMERSLACK, 1ul);             /* else 50 us late; nothing depends on it */
    for (;;) {
        take_pushed(&plain);
        take_pushed(&for_bql);
        run_plain();
        hand_over_to_bql();
        drive_next();
        wait_for_work();
    }
    return NULL;
}

static void start_rcu_thread(void)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
    sigset_t all, old;
    pthread_t thread;
    int ret = 0;

    rcu_init();
    pthread_mutex_lock(&start_lock);
    if (!is_started) {
        sigfillset(&all);
        for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
            sigdelset(&all, faults[i]); /* a callback's crash is handled like any other */
        pthread_sigmask(SIG_SETMASK, &all, &old);
        ret = pthread_create(&thread, NULL, rcu_thread_main, NULL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (ret == 0) {
            pthread_detach(thread);
            store_release(&is_started, true); /* pairs with rcu_thread_wake() */
        }
    }
    pthread_mutex_unlock(&start_lock);
    if (ret != 0)
        rcu_report("rcu: cannot start the rcu thread, will try again: %s", strerror(ret));
}

static void wake_rcu_thread(void)
{
    store_relaxed(&wake.is_put_off, false);
    if (unlikely(!load_acquire(&is_started))) /* pairs with start_rcu_thread() */
        start_rcu_thread();
    smp_mb(); /* the caller's push before sleepers; pairs with sequence_prepare() */
    if (load_relaxed(&wake.work.sleepers) && !MUTANT(work_not_signalled))
        sequence_advance(&wake.work);
}

void rcu_thread_wake(void)
{
    if (will_drive)
        wake_is_due = true;
    else
        wake_rcu_thread();
}

void rcu_keep_promise(void)
{
    if (wake_is_due) {
        wake_is_due = false;
        wake_rcu_thread();
    }
}

void rcu_promise_drive(bool is_promised)
{
    will_drive = is_promised;
    rcu_keep_promise();
}

bool rcu_is_rcu_thread(void)
{
    return is_rcu_thread;
}

/* ---- Queueing ------------------------------------------------------------------- */

/* Wait until half of what is pending has gone, if this thread may wait at all. */
static void throttle(void)
{
    int64_t until_ns = monotonic_ns() + THROTTLE_MS * NS_PER_MS;
    enum wait_result result = WOKEN;

    if (rcu_is_reading() || is_rcu_thread || is_in_callback || rcu_host_bql_is_mine())
        return;
    rcu_count(&rcu_counters.throttles);
    TRACE1(rcu_throttle, pending_callbacks());
    while (result == WOKEN && is_above_half()) {
        uint32_t ticket =
            sequence_prepare(&wake.progress); /* full barrier: pairs with count_done() */

        if (is_above_half())
            result = sequence_wait(&wake.progress, ticket, until_ns);
        else
            sequence_cancel(&wake.progress);
    }
}

static COLD void flood(unsigned long need)
{
    if (MUTANT(no_threshold))
        return;
    rcu_keep_promise(); /* too many to put it off */
    /* Not started here: those that follow share it, until the rcu thread gets to it. */
    if (MUTANT(flood_forces_each))
        force_rcu();
    if (pending_callbacks() - load_relaxed(&done.ready) > rcu_config.force_callbacks ||
        pending_bytes() > rcu_config.force_bytes)
        (void)rcu_raise_force(need); /* false: another producer was first */
    if (is_above(rcu_config.throttle_callbacks, rcu_config.throttle_bytes))
        throttle();
}

/* True if the queue was empty, so that the rcu thread may be asleep. */
static bool push(struct callback_queue *queue, struct rcu_head *head)
{
    struct rcu_head *old = load_relaxed(&queue->pushed);

    do {
        head->next = old;
        if (!old)
            store_relaxed(&queue->pushed_ns, monotonic_ns());
    } while (!atomic_cas(&queue->pushed, &old, head)); /* release: pairs with take_pushed() */
    return old == NULL;
}

static void enqueue(struct callback_queue *queue, struct rcu_head *head,
                    void (*func)(struct rcu_head *), size_t size_bytes)
{
    int64_t pending; /* below 0 if we slept before the second load; never too many */
    unsigned long need;

    rcu_init();
    rcu_debug_queued(head);
    head->func = func;
    head->size_bytes = size_bytes;
    fetch_add_relaxed(&queued.bytes, size_bytes);
    pending = (int64_t)(fetch_add(&queued.callbacks, 1) + 1 - load_relaxed(&done.callbacks));
    if (unlikely(pending > load_relaxed(&queued.peak)))
        raise_peak(pending);
    need = rcu_need_after_rmw(); /* after the caller's unlink */
    head->need = need;
    rcu_note_need(need);
    TRACE2(rcu_call, head, size_bytes);
    if (unlikely(will_drive))
        store_relaxed(&wake.is_put_off, true); /* before the push that keeps others from waking */
    /* Now the head belongs to the rcu thread; which a forked child does not have yet. */
    if (push(queue, head) || unlikely(load_relaxed(&wake.is_put_off)) ||
        unlikely(!load_acquire(&is_started) && !MUTANT(fork_keeps_pushed)))
        rcu_thread_wake();
    if (unlikely(pending > (int64_t)rcu_config.force_callbacks ||
                 pending_bytes() > rcu_config.force_bytes))
        flood(need);
}

static void check_func(void (*func)(struct rcu_head *))
{
    if (unlikely((uintptr_t)func < RCU_FREE_OFFSETS)) {
        rcu_misuse("call_rcu1() with %#lx, which is no function", (unsigned long)(uintptr_t)func);
        abort(); /* it would be taken for what rcu_free_later() queues */
    }
}

void call_rcu1_sized(struct rcu_head *head, void (*func)(struct rcu_head *), size_t size_bytes)
{
    check_func(func);
    enqueue(&plain, head, func, size_bytes);
}

void call_rcu1(struct rcu_head *head, void (*func)(struct rcu_head *))
{
    check_func(func);
    enqueue(&plain, head, func, 0);
}

void call_rcu1_bql(struct rcu_head *head, void (*func)(struct rcu_head *), size_t size_bytes)
{
    check_func(func);
    store_relaxed(&queued.any_for_bql, true);
    enqueue(&for_bql, head, func, size_bytes);
}

void rcu_free_later(struct rcu_head *head, size_t offset, size_t size_bytes)
{
    if (offset >= RCU_FREE_OFFSETS) {
        rcu_misuse("rcu_free_later() with an offset of %zu", offset);
        abort(); /* it would be taken for a function */
    }
    enqueue(&plain, head, (void (*)(struct rcu_head *))offset, size_bytes);
}

/* ---- Draining ------------------------------------------------------------------- */

enum { START_RETRY_MS = 100 }; /* between attempts to start an rcu thread that cannot be had */

struct sentinel {
    struct rcu_head head;
    struct event has_run;
    pthread_t owner; /* on whose stack it is */
};

static void sentinel_runs(struct rcu_head *head)
{
    if (is_rcu_thread)
        count_uncounted(); /* the statistics are exact after a drain */
    event_set(&container_of(head, struct sentinel, head)->has_run);
}

static void wait_for_sentinel(struct sentinel *sentinel)
{
    /* It is time only if the rcu thread could not be started: it must be, or nobody runs it. */
    while (!load_acquire(&is_started) &&
           event_timedwait(&sentinel->has_run, monotonic_ns() + START_RETRY_MS * NS_PER_MS) ==
               TIMED_OUT)
        rcu_thread_wake();
    event_wait(&sentinel->has_run);
}

/* The main loop waits for its own work: it does that work. */
static void drain_on_main_loop(struct sentinel *sentinel, const struct rcu_host *host)
{
    while (!event_is_set(&sentinel->has_run)) {
        uint32_t ticket = sequence_prepare(&wake.progress); /* pairs with hand_over_to_bql() */

        if (!is_any_ready()) {
            (void)sequence_wait(&wake.progress, ticket,
                                DEADLINE_NEVER); /* either way we look again */
            continue;
        }
        sequence_cancel(&wake.progress);
        host->bql_lock();
        (void)rcu_run_bql_callbacks(NS_PER_MS); /* if there is more, we come again */
        host->bql_unlock();
    }
}

static void drain_without_bql(const struct rcu_host *host)
{
    struct sentinel in_plain = { .owner = pthread_self() };
    struct sentinel in_bql = { .owner = pthread_self() };
    bool any_for_bql = load_relaxed(&queued.any_for_bql) && !MUTANT(drain_skips_bql);
    unsigned long need;

    if (MUTANT(drain_early)) {
        synchronize_rcu();
        return;
    }
    if (any_for_bql)
        call_rcu1_bql(&in_bql.head, sentinel_runs, 0);
    call_rcu1(&in_plain.head, sentinel_runs);
    rcu_keep_promise();
    need = rcu_need_from_now(); /* at least what both sentinels need */
    if (!rcu_config.ignore_force)
        (void)rcu_raise_force(need); /* false: it is forced already; we drive it at once */
    (void)rcu_drive(need, DEADLINE_NEVER);
    wait_for_sentinel(&in_plain);
    if (!any_for_bql)
        return;
    if (host->is_main_loop && host->is_main_loop())
        drain_on_main_loop(&in_bql, host);
    else
        wait_for_sentinel(&in_bql);
}

void drain_call_rcu(void)
{
    const struct rcu_host *host = load_acquire(&rcu_host); /* pairs with rcu_set_host() */
    bool holds_bql = rcu_host_bql_is_mine();

    rcu_init();
    if (is_in_callback || rcu_is_reading()) {
        /* Waiting would never end: a release build goes on without. */
        rcu_misuse("drain_call_rcu() %s", is_in_callback ? "in a callback" : "in a read section");
        return;
    }
    if (holds_bql)
        host->bql_unlock();
    drain_without_bql(host);
    if (holds_bql)
        host->bql_lock();
}

/* ---- Statistics and fork --------------------------------------------------------- */

void rcu_callback_get_stats(struct rcu_stats *ret_stats)
{
    ret_stats->callbacks_run = load_relaxed(&done.callbacks);
    ret_stats->callbacks_queued = load_relaxed(&queued.callbacks);
    ret_stats->callbacks_peak = (uint64_t)load_relaxed(&queued.peak);
}

void rcu_callback_fork_prepare(void)
{
    pthread_mutex_lock(&start_lock);
    pthread_mutex_lock(&list_lock);
    pthread_mutex_lock(&ready_lock);
}

void rcu_callback_fork_parent(void)
{
    pthread_mutex_unlock(&ready_lock);
    pthread_mutex_unlock(&list_lock);
    pthread_mutex_unlock(&start_lock);
}

/* What a child inherits. Other threads' sentinels are on stacks that will be used again. */
static uint64_t inherit_list(struct rcu_head **link, uint64_t *bytes)
{
    uint64_t nr = 0;

    while (*link) {
        struct rcu_head *head = *link;

        if (head->func == sentinel_runs && !MUTANT(fork_keeps_sentinels) &&
            !pthread_equal(container_of(head, struct sentinel, head)->owner, pthread_self())) {
            rcu_debug_taken(head);
            *link = head->next;
            continue;
        }
        nr++;
        *bytes += head->size_bytes;
        link = &head->next;
    }
    return nr;
}

void rcu_callback_fork_child(void)
{
    uint64_t nr, bytes = 0;

    if (!MUTANT(fork_keeps_thread))
        is_started = is_rcu_thread; /* a callback forked: we are what is left of it */
    wake.work = SEQUENCE_INIT;      /* the sleepers are in the parent */
    wake.progress = SEQUENCE_INIT;
    wake.is_put_off = false; /* by a thread of the parent; the next call starts a thread anyway */
    /* The parent's threads stopped anywhere: derive what they were about to bring up to date. */
    nr = inherit_list(&ready_for_bql, &bytes);
    done.ready = nr;
    nr += inherit_list(&plain.pushed, &bytes) + inherit_list(&plain.waiting, &bytes) +
          inherit_list(&for_bql.pushed, &bytes) + inherit_list(&for_bql.waiting, &bytes);
    plain.waiting_end = end_of(&plain.waiting);
    for_bql.waiting_end = end_of(&for_bql.waiting);
    ready_end = end_of(&ready_for_bql);
    uncounted.nr = 0;
    uncounted.bytes = 0;
    done.callbacks = queued.callbacks - nr;
    done.bytes = queued.bytes - bytes;
    pthread_mutex_unlock(&ready_lock);
    pthread_mutex_unlock(&list_lock);
    pthread_mutex_unlock(&start_lock);
}

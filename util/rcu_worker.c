/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sys/prctl.h>

#include "util/event.h"
#include "util/rcu_flood.h"
#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/rcu_queue.h"
#include "util/rcu_worker.h"
#include "util/trace.h"

enum {
    COUNT_BATCH = 64, /* callbacks run between two updates of the shared counts */
    CLOCK_BATCH = 16, /* … and between two looks at the clock, which costs as much as a short one */
};

/* What the rcu thread has run and not yet counted; its own. */
static struct {
    unsigned nr;
    size_t bytes;
} uncounted;

static struct {
    struct sequence work;  /* for the rcu thread: callbacks, or somebody polls */
    struct sequence ready; /* from it: callbacks for the main loop */
    bool is_put_off;       /* somebody has promised to drive, and has not woken it; atomic */
} CACHE_ALIGNED wake = { { 0, 0 }, { 0, 0 }, false };

/* Held by the rcu thread while callbacks are on neither list, so that a fork waits for it. */
static pthread_mutex_t splice_lock = PTHREAD_MUTEX_INITIALIZER;

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

/* ---- Running -------------------------------------------------------------------- */

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

void rcu_worker_count(void)
{
    rcu_count_run(uncounted.nr, uncounted.bytes);
    uncounted.nr = 0;
    uncounted.bytes = 0;
}

/* For about a millisecond: others wait for grace periods, and for the main loop's callbacks. */
static void run_plain(void)
{
    struct rcu_head *head;
    unsigned nr = 0;
    int64_t until_ns;

    if (!rcu_queue_is_due(&rcu_queue_plain))
        return;
    rcu_queue_note_delay(&rcu_queue_plain);
    until_ns = monotonic_ns() + NS_PER_MS;
    while ((head = rcu_queue_pop_due(&rcu_queue_plain))) {
        uncounted.nr++;
        uncounted.bytes += head->size_bytes;
        run_callback(head);
        if (uncounted.nr == COUNT_BATCH)
            rcu_worker_count();
        if (++nr % CLOCK_BATCH == 0 && monotonic_ns() >= until_ns)
            break;
    }
    rcu_worker_count();
    TRACE1(rcu_callbacks, nr);
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
        rcu_count_ready(-1);
        rcu_count_run(1, head->size_bytes);
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

/* What is due joins what is ready. */
static void splice_due(void)
{
    struct rcu_head **end, *first;
    size_t nr;

    pthread_mutex_lock(&splice_lock);
    first = rcu_queue_cut_due(&rcu_queue_bql, &end, &nr);
    if (first) {
        rcu_count_ready((long)nr);
        pthread_mutex_lock(&ready_lock);
        *ready_end = first;
        ready_end = end;
        pthread_mutex_unlock(&ready_lock);
    }
    pthread_mutex_unlock(&splice_lock);
}

static void hand_over_to_bql(void)
{
    const struct rcu_host *host = load_acquire(&rcu_host); /* pairs with rcu_set_host() */
    bool is_any = rcu_queue_is_due(&rcu_queue_bql);

    if (is_any) {
        rcu_queue_note_delay(&rcu_queue_bql);
        splice_due();
        sequence_advance(&wake.ready); /* pairs with rcu_wait_for_ready() */
    }
    if (!host->bql_callbacks_ready) {
        if (is_any_ready()) /* just now, or inherited by a forked child */
            run_bql_here();
    } else if (is_any) {
        host->bql_callbacks_ready();
    }
}

void rcu_wait_for_ready(void)
{
    while (!is_any_ready()) {
        uint32_t ticket = sequence_prepare(&wake.ready); /* pairs with hand_over_to_bql() */

        if (is_any_ready())
            sequence_cancel(&wake.ready);
        else
            (void)sequence_wait(&wake.ready, ticket, DEADLINE_NEVER); /* either way we look again */
    }
}

/* ---- The thread ------------------------------------------------------------------ */

/* The grace period that the rcu thread should end next: the oldest that is waited for. */
static bool next_target(unsigned long *ret_target)
{
    const struct rcu_head *heads[] = { rcu_queue_plain.waiting, rcu_queue_bql.waiting };
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
    static unsigned long driven; /* what was looked at last … */
    static int64_t since_ns;     /* … and since when: its age counts over all the looks */
    unsigned long target;

    if (!next_target(&target))
        return;
    if (target != driven) {
        driven = target;
        since_ns = monotonic_ns();
    }
    (void)rcu_drive(target, since_ns,
                    rcu_queue_is_due(&rcu_queue_plain) ? INT64_MIN : DEADLINE_NEVER);
}

static void wait_for_work(void)
{
    unsigned long target;
    uint32_t ticket =
        sequence_prepare(&wake.work); /* pairs with the barrier in wake_rcu_thread() */

    if (load_relaxed(&rcu_queue_plain.pushed) || load_relaxed(&rcu_queue_bql.pushed) ||
        rcu_queue_plain.waiting || rcu_queue_bql.waiting || next_target(&target))
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
        rcu_queue_take(&rcu_queue_plain);
        rcu_queue_take(&rcu_queue_bql);
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
            store_release(&is_started, true); /* pairs with wake_rcu_thread() */
        }
    }
    pthread_mutex_unlock(&start_lock);
    if (ret != 0)
        rcu_report("rcu: cannot start the rcu thread, will try again: %s", strerror(ret));
}

/* ---- Waking it ------------------------------------------------------------------- */

static void wake_rcu_thread(void)
{
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

void rcu_thread_before_push(void)
{
    if (unlikely(will_drive))
        store_relaxed(&wake.is_put_off, true); /* before the push that keeps others from waking */
}

void rcu_thread_after_push(bool was_empty)
{
    /* A forked child does not have the thread yet, whatever it has inherited. */
    if (was_empty || unlikely(load_relaxed(&wake.is_put_off) && !MUTANT(put_off_unseen)) ||
        unlikely(!load_acquire(&is_started) && !MUTANT(fork_keeps_pushed)))
        rcu_thread_wake();
}

void rcu_keep_promise(void)
{
    if (wake_is_due) {
        wake_is_due = false;
        store_relaxed(&wake.is_put_off, false); /* then the wake, for whoever relied on it */
        wake_rcu_thread();
    }
}

void rcu_promise_drive(bool is_promised)
{
    will_drive = is_promised;
    rcu_keep_promise();
}

bool rcu_thread_is_started(void)
{
    return load_acquire(&is_started); /* pairs with start_rcu_thread() */
}

bool rcu_is_rcu_thread(void)
{
    return is_rcu_thread;
}

bool rcu_is_in_callback(void)
{
    return is_in_callback;
}

/* ---- Fork ------------------------------------------------------------------------ */

void rcu_worker_fork_prepare(void)
{
    pthread_mutex_lock(&start_lock);
    pthread_mutex_lock(&splice_lock);
    pthread_mutex_lock(&ready_lock);
}

void rcu_worker_fork_parent(void)
{
    pthread_mutex_unlock(&ready_lock);
    pthread_mutex_unlock(&splice_lock);
    pthread_mutex_unlock(&start_lock);
}

struct rcu_head **rcu_worker_fork_ready(void)
{
    return &ready_for_bql;
}

void rcu_worker_fork_child(void)
{
    if (!MUTANT(fork_keeps_thread))
        is_started = is_rcu_thread; /* a callback forked: we are what is left of it */
    wake.work = SEQUENCE_INIT;      /* the sleepers are in the parent */
    wake.ready = SEQUENCE_INIT;
    wake.is_put_off = false;
    will_drive = false; /* the parent's main loop promised, and it is not here */
    wake_is_due = false;
    uncounted.nr = 0;
    uncounted.bytes = 0;
    ready_end = rcu_list_end(&ready_for_bql);
    pthread_mutex_unlock(&ready_lock);
    pthread_mutex_unlock(&splice_lock);
    pthread_mutex_unlock(&start_lock);
}

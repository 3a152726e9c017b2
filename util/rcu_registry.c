/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The registered readers: list, exits, and kicks.
 *
 * The list is under a read-write lock: drivers scan it together, only threads
 * that come and go take it for writing. Notifiers run outside it; a *pin* keeps
 * the thread's record for as long as one runs.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/syscall.h>

#if defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define HAVE_RSEQ 1
#endif
#endif

#include "util/rcu_internal.h"
#include "util/trace.h"

/* At least 2^28 grace periods must pass while a reader sleeps between reading a number and storing
 * it before the number could be taken for one of the future; see rcu_enter_slow(). */
#define NUMBER_TOO_OLD (1ul << 30)

enum {
    PIN_AWAITED = 1u << 31, /* in rcu_thread.pins: the thread sleeps until they are gone */
    KICK_BATCH = 32,        /* records pinned at a time */
};

struct capability rcu;

__thread struct rcu_reader rcu_reader = {
    .ctr = RCU_NOT_REGISTERED,
    .nesting = 1u << 31, /* so that an unbalanced unlock does not look like the end of a section */
};

static __thread struct rcu_thread self;

static const struct rcu_site no_site = {"?", "before its first section", 0};

static pthread_rwlock_t registry_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct rcu_thread *registry; /* guarded by registry_lock */
static unsigned nr_registered;      /* likewise; read as an atomic */

static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;

/* ---- Coming and going ------------------------------------------------------ */

/* rcu_read_unlock(), where no lock stands beside it for the compiler to see. */
static void end_section(void) NO_THREAD_SAFETY
{
    rcu_read_unlock();
}

/* A thread ends that has not unregistered. */
static void thread_exits(void *thread UNUSED)
{
    if (!rcu_reader.thread)
        return;
    if (rcu_is_reading()) {
        const struct rcu_site *site = load_relaxed(&rcu_reader.site);

        rcu_misuse("a thread ends inside the read section entered at %s:%d (%s)", site->file,
                   site->line, site->func);
        rcu_reader.nesting = 0;
        end_section();
    } else {
        rcu_misuse("a thread ends that has not called rcu_unregister_thread()");
    }
    self.registrations = 1;
    rcu_unregister_thread();
}

static void make_exit_key(void)
{
    int ret = pthread_key_create(&exit_key, thread_exits);

    if (ret != 0) { /* more than PTHREAD_KEYS_MAX keys, at start-up: a wrong program */
        rcu_report("rcu: no key for thread exits: %s", strerror(ret));
        abort();
    }
}

/* Where the kernel keeps the number of the processor that this thread runs on. */
static const uint32_t *own_cpu(void)
{
#if defined(HAVE_RSEQ) && defined(__x86_64__)
    if (__rseq_size != 0) {
        char *thread_pointer;

        __asm__("movq %%fs:0, %0" : "=r"(thread_pointer));
        return &((struct rseq *)(void *)(thread_pointer + __rseq_offset))->cpu_id;
    }
#endif
    return NULL;
}

void rcu_register_thread(void)
{
    if (self.registrations++ > 0)
        return;
    rcu_init();
    pthread_once(&exit_key_once, make_exit_key);
    pthread_setspecific(exit_key, &self);

    self.reader = &rcu_reader;
    self.handle = pthread_self();
    self.tid = (pid_t)syscall(SYS_gettid);
    self.cpu = own_cpu();
    store_relaxed(&self.notifiers, NULL);
    store_relaxed(&self.kicked_section, 0);
    rcu_reader.nesting = 0;
    store_relaxed(&rcu_reader.site, &no_site); /* a report may come between ctr and site */
    store_relaxed(&rcu_reader.ctr, 0);
    store_relaxed(&rcu_reader.waiting,
                  rcu_config.readers == RCU_READERS_FENCES ? RCU_FENCE_AT_EXIT : 0);
    rcu_reader.thread = &self;

    pthread_rwlock_wrlock(&registry_lock);
    self.next = registry;
    registry = &self;
    store_relaxed(&nr_registered, nr_registered + 1);
    pthread_rwlock_unlock(&registry_lock);
}

/* Nobody is inside one of our notifiers any more, nor will be in one that was unlinked before. */
static void wait_for_kicks(void)
{
    uint32_t pins;

    /* Full barrier: pairs with the one in pin(). Either the kicker sees that the notifier or the
     * thread is unlinked, or we see its pin. */
    fetch_or(&self.pins, PIN_AWAITED);
    while ((pins = load_acquire(&self.pins)) != PIN_AWAITED)     /* pairs with unpin() */
        (void)futex_timedwait(&self.pins, pins, DEADLINE_NEVER); /* either way we look again */
    fetch_and(&self.pins, ~(uint32_t)PIN_AWAITED);
}

static void unlink_self(void)
{
    struct rcu_thread **link = &registry;

    pthread_rwlock_wrlock(&registry_lock);
    while (*link != &self)
        link = &(*link)->next;
    *link = self.next;
    store_relaxed(&nr_registered, nr_registered - 1);
    pthread_rwlock_unlock(&registry_lock);
}

void rcu_unregister_thread(void)
{
    if (self.registrations == 0) {
        rcu_misuse("rcu_unregister_thread() by a thread that is not registered");
        return;
    }
    if (self.registrations > 1) {
        self.registrations--;
        return;
    }
    if (rcu_is_reading()) {
        rcu_misuse("rcu_unregister_thread() inside a read section; it stays registered");
        return;
    }
    self.registrations = 0;
    unlink_self();
    if (!MUTANT(unregister_early))
        wait_for_kicks();
    store_relaxed(&rcu_reader.ctr, RCU_NOT_REGISTERED);
    rcu_reader.nesting = 1u << 31;
    rcu_reader.thread = NULL;
    pthread_setspecific(exit_key, NULL);
}

unsigned rcu_registry_count(void)
{
    return load_relaxed(&nr_registered);
}

struct rcu_thread *rcu_registry_self(void)
{
    return rcu_reader.thread;
}

/* ---- The read side, out of line -------------------------------------------- */

static void enter_unregistered(const struct rcu_site *site)
{
    rcu_misuse("rcu_read_lock() at %s:%d (%s) by a thread that is not registered", site->file,
               site->line, site->func);
    rcu_register_thread();
    store_relaxed(&rcu_reader.ctr, load_acquire(&rcu_newest)); /* as in rcu_read_lock_at() */
    store_relaxed(&rcu_reader.site, site);
}

void rcu_enter_slow(const struct rcu_site *site)
{
    if (unlikely(!rcu_reader.thread))
        enter_unregistered(site);

#if RCU_NUMBERS_WRAP
    /* We may have slept between reading the number and storing it, for so long that it now looks
     * like one of the future, for which no grace period waits. Until here nothing was read under
     * its protection, so a newer one may replace it. From now on drivers see it, and it cannot
     * age further than may_start() in rcu_grace.c allows. */
    unsigned long number;

    while ((number = load_acquire(&rcu_newest)) - rcu_reader.ctr > NUMBER_TOO_OLD)
        store_relaxed(&rcu_reader.ctr, number);
#endif
    if ((rcu_reader.ctr & RCU_FENCES) && !MUTANT(no_reader_fence))
        smp_mb(); /* pairs with rcu_barrier_everywhere(): the section's loads come after ctr */
}

void rcu_exit_slow(void)
{
    smp_mb(); /* fence readers: ctr before waiting; pairs with the barrier before a driver sleeps */
    if (!(load_relaxed(&rcu_reader.waiting) & RCU_WAITED_FOR))
        return;
    fetch_and(&rcu_reader.waiting, ~(unsigned)RCU_WAITED_FOR);
    if (MUTANT(no_report))
        return;
    rcu_count(&rcu_counters.reports);
    TRACE1(rcu_report, self.tid);
    sequence_advance(&rcu_news);
}

void rcu_unlock_unbalanced(void)
{
    rcu_misuse("rcu_read_unlock() outside a read section");
}

/* ---- Scanning and kicking --------------------------------------------------- */

/* A section that was kicked is gone: say how long it took, once. */
static void note_exit(struct rcu_thread *thread)
{
    unsigned long kicked = load_relaxed(&thread->kicked_section);

    if (kicked != 0 && atomic_cas(&thread->kicked_section, &kicked, 0)) {
        int64_t took_ns = monotonic_ns() - load_relaxed(&thread->first_kick_ns);

        hist_record(&rcu_hist_kick, (uint64_t)took_ns);
        rcu_learn_exit(took_ns);
    }
}

static bool runs_elsewhere(const struct rcu_thread *thread)
{
    const uint32_t *mine = own_cpu();

    return !mine || !thread->cpu || load_relaxed(mine) != load_relaxed(thread->cpu);
}

/* When @thread, inside section @ctr, is to be kicked: at once if that section never was. */
static int64_t kick_is_due_ns(const struct rcu_thread *thread, unsigned long ctr)
{
    return load_relaxed(&thread->kicked_section) == ctr ? load_relaxed(&thread->next_kick_ns) : 0;
}

struct rcu_scan rcu_registry_scan(unsigned long target, const struct rcu_thread *skip, bool mark)
{
    struct rcu_scan scan = {.next_kick_ns = DEADLINE_NEVER};

    pthread_rwlock_rdlock(&registry_lock);
    for (struct rcu_thread *thread = registry; thread; thread = thread->next) {
        /* acquire: pairs with the release in rcu_read_unlock(): the section is wholly before us */
        unsigned long ctr = load_acquire(&thread->reader->ctr);

        if (ctr != load_relaxed(&thread->kicked_section))
            note_exit(thread);
        if (!section_is_older(ctr, target) || thread == skip)
            continue;
        scan.older++;
        scan.worth_spinning |= runs_elsewhere(thread);
        scan.next_kick_ns = earliest_ns(scan.next_kick_ns, kick_is_due_ns(thread, ctr));
        if (mark && !(fetch_or(&thread->reader->waiting, RCU_WAITED_FOR) & RCU_WAITED_FOR))
            scan.newly_marked++;
        if (MUTANT(first_reader_only))
            break;
    }
    pthread_rwlock_unlock(&registry_lock);
    return scan;
}

/* Whether @thread, inside section @ctr, is to be kicked now; if so, sets when it is due again. */
static bool claim_kick(struct rcu_thread *thread, unsigned long ctr, int64_t now_ns)
{
    unsigned nr = 1;

    if (now_ns < kick_is_due_ns(thread, ctr))
        return false;
    if (load_relaxed(&thread->kicked_section) == ctr) {
        if (MUTANT(no_rekick))
            return false;
        nr = load_relaxed(&thread->nr_kicks) + 1;
        rcu_count(&rcu_counters.rekicks);
    } else {
        store_relaxed(&thread->first_kick_ns, now_ns);
    }
    store_relaxed(&thread->nr_kicks, nr);
    store_relaxed(&thread->next_kick_ns,
                  deadline_after_ns(now_ns, rcu_config.rekick_ns << (nr < 6 ? nr - 1 : 5)));
    store_relaxed(&thread->kicked_section, ctr);
    return true;
}

/* Under the registry lock: @thread's record and its notifiers stay until unpin(). */
static void pin(struct rcu_thread *thread)
{
    fetch_add(&thread->pins, 1); /* full barrier: pairs with wait_for_kicks() */
    smp_mb_after_rmw();
}

static void unpin(struct rcu_thread *thread)
{
    uint32_t *pins = &thread->pins;

    /* The thread may be gone after this; waking an address that is not mapped does no harm. */
    if (fetch_sub(pins, 1) == (PIN_AWAITED | 1)) /* release: pairs with wait_for_kicks() */
        futex_wake(pins, INT_MAX);
}

static void call_notifiers(struct rcu_thread *thread)
{
    struct rcu_notifier *notifier = load_acquire(&thread->notifiers); /* pairs with add */

    TRACE3(rcu_kick, load_relaxed(&thread->kicked_section), thread->tid,
           load_relaxed(&thread->nr_kicks));
    for (; notifier; notifier = load_acquire(&notifier->next)) {
        rcu_count(&rcu_counters.kicks);
        notifier->kick(notifier);
    }
}

void rcu_registry_kick(unsigned long target)
{
    struct rcu_thread *pinned[KICK_BATCH];
    int64_t now_ns = monotonic_ns();
    unsigned nr;

    do {
        nr = 0;
        pthread_rwlock_rdlock(&registry_lock);
        for (struct rcu_thread *thread = registry; thread && nr < KICK_BATCH;
             thread = thread->next) {
            unsigned long ctr = load_relaxed(&thread->reader->ctr);

            if (section_is_older(ctr, target) && claim_kick(thread, ctr, now_ns)) {
                pin(thread);
                pinned[nr++] = thread;
            }
        }
        pthread_rwlock_unlock(&registry_lock);
        for (unsigned i = 0; i < nr; i++) {
            call_notifiers(pinned[i]);
            unpin(pinned[i]);
        }
    } while (nr == KICK_BATCH); /* the ones just kicked are not due again */
}

void rcu_registry_visit(unsigned long target,
                        void (*visit)(const struct rcu_thread *thread, void *opaque), void *opaque)
{
    pthread_rwlock_rdlock(&registry_lock);
    for (struct rcu_thread *thread = registry; thread; thread = thread->next) {
        if (section_is_older(load_relaxed(&thread->reader->ctr), target))
            visit(thread, opaque);
    }
    pthread_rwlock_unlock(&registry_lock);
}

void rcu_add_force_rcu_notifier(struct rcu_notifier *notifier)
{
    if (!rcu_reader.thread) {
        rcu_misuse("rcu_add_force_rcu_notifier() by a thread that is not registered");
        return;
    }
    store_relaxed(&notifier->next, load_relaxed(&self.notifiers));
    store_release(&self.notifiers, notifier); /* pairs with the acquire in call_notifiers() */
}

void rcu_remove_force_rcu_notifier(struct rcu_notifier *notifier)
{
    struct rcu_notifier **link = &self.notifiers;

    while (load_relaxed(link) && load_relaxed(link) != notifier)
        link = &load_relaxed(link)->next;
    if (!load_relaxed(link)) {
        rcu_misuse("rcu_remove_force_rcu_notifier() of one that this thread did not add");
        return;
    }
    store_release(link, load_relaxed(&notifier->next)); /* a kicker may be at @notifier */
    if (!MUTANT(notifier_early))
        wait_for_kicks();
}

/* ---- Fork ------------------------------------------------------------------- */

void rcu_registry_fork_prepare(void)
{
    pthread_rwlock_wrlock(&registry_lock);
}

void rcu_registry_fork_parent(void)
{
    pthread_rwlock_unlock(&registry_lock);
}

void rcu_registry_fork_child(void)
{
    /* The lock was taken by this thread under its old id: start afresh. */
    registry_lock = (pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER;
    if (MUTANT(fork_keeps_readers))
        return;
    registry = NULL;
    nr_registered = 0;
    if (rcu_reader.thread) {
        self.next = NULL;
        self.tid = (pid_t)syscall(SYS_gettid);
        self.pins = 0;
        registry = &self;
        nr_registered = 1;
    }
}

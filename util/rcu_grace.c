/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Grace periods: their numbers, how one is driven to its end, and force.
 *
 * A grace period of number t *starts* when `rcu_newest` becomes t, and *ends*
 * when no section older than t is open. Starting costs one write; ending needs
 * a driver. Any thread outside a section may drive, and any number at once:
 * drivers only look at readers and raise `completed`, so two that drive the
 * same number merely agree. docs/rcu.md argues why one barrier is enough; the
 * models are in tests/litmus.
 */
#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/rcu_registry.h"
#include "util/rcu_worker.h"
#include "util/trace.h"

#if !defined(__x86_64__) && !defined(__i386__) && !defined(__aarch64__)
/* rcu_need_from_now() is a plain load behind a barrier: right where a store becomes visible to all
 * other processors at once. On other machines it must be a read-modify-write (tests/litmus). */
#error "prove the grace period for this architecture first: docs/rcu.md"
#endif

enum {
    SPIN_MIN_NS = 2000,      /* what a flag kick takes, twice over */
    SPIN_MAX_NS = 120000,    /* some times a futex sleep and wake: beyond it sleeping is cheaper */
    SPIN_NORMAL_NS = 8000,   /* a short section is over by then */
    SLEEP_WORTH_NS = 100000, /* with less time left than a sleep may overrun, a driver gives up */
};

struct rcu_newest rcu_newest = { RCU_INSIDE };

/* Numbers that never go back; all atomic. */
static struct {
    unsigned long completed;   /* the newest one ended … */
    unsigned long needed;      /* … the newest one that anybody waits for … */
    unsigned long forced_upto; /* … up to which they are forced … */
    unsigned long fenced;      /* … and that was started before some driver's barrier */
    int64_t exit_ns;           /* what a kicked reader's exit usually takes */
    int64_t stall_report_ns;   /* when the last one was */
    struct sequence news;      /* readers that report, forces, ends: drivers look again */
} CACHE_ALIGNED gp = { RCU_INSIDE, RCU_INSIDE, RCU_INSIDE, RCU_INSIDE, 0, INT64_MIN / 2, { 0, 0 } };

/* One thread at work on one grace period. */
struct driver {
    unsigned long need;   /* what it was asked to end */
    unsigned long target; /* the newest started before its barrier: that far its scans can tell */
    const struct rcu_thread *skip; /* a misuse survived: its own section does not count */
    int64_t start_ns;
    int64_t forced_ns;      /* since when it has been forced; 0: normal */
    int64_t deadline_ns;    /* the caller's */
    int64_t next_report_ns; /* of the stall detector */
    int64_t poll_ns;        /* the normal state's next sleep */
};

/* ---- Numbers ----------------------------------------------------------------- */

/* Raise *@word to @number, if it is older. Says whether it was. A full barrier if so. */
static bool raise_number(unsigned long *word, unsigned long number)
{
    unsigned long old = load_relaxed(word);

    while (number_before(old, number)) {
        if (atomic_cas(word, &old, number))
            return true;
    }
    return false;
}

bool rcu_is_completed(unsigned long number)
{
    /* acquire: pairs with gp_complete(): the sections waited for are wholly before us */
    return !number_before(load_acquire(&gp.completed), number);
}

bool rcu_is_forced(unsigned long number)
{
    return !number_before(load_relaxed(&gp.forced_upto), number);
}

unsigned long rcu_need_from_now(void)
{
    /* Full barrier: the caller's unlink before the load; pairs with the driver's barrier. Whoever
     * starts the number returned here does so after the load, hence after the unlink. */
    smp_mb();
    return rcu_need_after_rmw();
}

unsigned long rcu_need_after_rmw(void)
{
    smp_mb_after_rmw();
    return load_relaxed(&rcu_newest.number) + (MUTANT(cookie_too_old) ? 0 : RCU_STEP);
}

void rcu_note_need(unsigned long need)
{
    raise_number(&gp.needed, need);
}

/*
 * Where numbers wrap, the newest one must not run away from a section that stays
 * open, or that section will look like one of the future. Ends must keep up with
 * starts; drivers at work may add one each, hence the wide margin.
 */
static bool may_start(void)
{
    return !numbers_wrap() ||
           load_relaxed(&rcu_newest.number) - load_relaxed(&gp.completed) < 1ul << 29;
}

/* From here on, whoever enters a section has @target or a newer number. */
static void gp_start(unsigned long target)
{
    /* release: pairs with the acquire in rcu_read_lock_at(): such a reader sees what this thread
     * had seen unlinked, and the grace period need not wait for it. */
    if (raise_number(&rcu_newest.number, target))
        TRACE2(rcu_start, target, rcu_is_forced(target));
}

/* All up to @number have ended, though the driver may need more. */
static void gp_complete(const struct driver *driver, unsigned long number)
{
    int64_t now_ns;

    /* release: pairs with the acquire in rcu_is_completed() */
    if (!raise_number(&gp.completed, number))
        return; /* somebody else saw the same, and counted it */
    if (!number_before(number, driver->need)) {
        now_ns = monotonic_ns();
        if (driver->forced_ns)
            hist_record(&rcu_hist_forced, (uint64_t)(now_ns - driver->forced_ns));
        else
            hist_record(&rcu_hist_normal, (uint64_t)(now_ns - driver->start_ns));
        TRACE3_AT(rcu_end, now_ns, number, driver->forced_ns != 0, now_ns - driver->start_ns);
    }
    if (numbers_wrap()) { /* what is never forced or needed must not fall behind for ever */
        raise_number(&gp.forced_upto, number);
        raise_number(&gp.needed, number);
    }
    if (MUTANT(force_is_a_mode))
        store_relaxed(&gp.forced_upto, number);
    if (!MUTANT(completion_silent))
        sequence_advance(&gp.news); /* drivers of older ones can stop */
}

/* ---- Driving ------------------------------------------------------------------ */

void rcu_learn_exit(int64_t took_ns)
{
    int64_t old_ns = load_relaxed(&gp.exit_ns);

    /* An average over about eight exits; lost updates of other drivers do not matter. */
    store_relaxed(&gp.exit_ns, old_ns + (took_ns - old_ns) / 8);
}

/* How long a spin is likely to pay: twice the usual exit, unless that is dearer than sleeping. */
static int64_t spin_bound_ns(const struct driver *driver)
{
    int64_t twice_ns = 2 * load_relaxed(&gp.exit_ns);

    if (!driver->forced_ns)
        return SPIN_NORMAL_NS;
    return twice_ns < SPIN_MIN_NS || twice_ns > SPIN_MAX_NS ? SPIN_MIN_NS : twice_ns;
}

/*
 * Look at the readers. Every number up to the oldest open section has ended, and
 * is said to have, whoever may be waiting for it. True if the driver's has.
 */
static bool gp_is_over(const struct driver *driver, struct rcu_scan *ret_scan, bool mark)
{
    if (rcu_is_completed(driver->need))
        return true;
    *ret_scan = rcu_registry_scan(driver->need, driver->target, driver->skip, mark);
    if (MUTANT(no_wait) || MUTANT(complete_too_far))
        ret_scan->complete = driver->target;
    gp_complete(driver, ret_scan->complete);
    return ret_scan->older == 0 || MUTANT(no_wait);
}

static int64_t gp_age_limit_ns(const struct driver *driver)
{
    return deadline_after_ns(driver->start_ns, rcu_config.force_age_ns);
}

/* The state is looked at again whenever there is news: a force, or the age limit. */
static void gp_update_state(struct driver *driver, int64_t now_ns)
{
    if (driver->forced_ns)
        return;
    if (now_ns >= gp_age_limit_ns(driver) && !MUTANT(no_age))
        raise_number(&gp.forced_upto, driver->need);
    if (rcu_is_forced(driver->need))
        driver->forced_ns = now_ns;
}

/* For as long as it pays, and while a reader runs elsewhere. */
static bool gp_spin(const struct driver *driver, struct rcu_scan *scan)
{
    int64_t until_ns = earliest_ns(monotonic_ns() + spin_bound_ns(driver), driver->deadline_ns);

    while (scan->worth_spinning && monotonic_ns() < until_ns) {
        if (gp_is_over(driver, scan, false))
            return true;
        for (int i = 0; i < 8; i++)
            cpu_relax();
    }
    return false;
}

/* Normal: sleep a little longer each time, or until a force. Readers notice nothing. */
static void gp_sleep_normal(struct driver *driver, int64_t now_ns)
{
    int64_t until_ns = deadline_after_ns(now_ns, driver->poll_ns);
    uint32_t ticket = sequence_prepare(&gp.news);

    /* Pairs with rcu_raise_force(): either we see the force, or it sees our ticket. */
    if (rcu_is_forced(driver->need) || rcu_is_completed(driver->need)) {
        sequence_cancel(&gp.news);
        return;
    }
    until_ns = earliest_ns(until_ns, gp_age_limit_ns(driver));
    until_ns = earliest_ns(until_ns, driver->deadline_ns);
    until_ns = earliest_ns(until_ns, driver->next_report_ns);
    rcu_count(&rcu_counters.sleeps);
    TRACE2(rcu_sleep, driver->need, driver->forced_ns != 0);
    (void)sequence_wait(&gp.news, ticket, until_ns); /* either way the readers are looked at */
    driver->poll_ns = earliest_ns(driver->poll_ns * 2, 10 * rcu_config.poll_ns);
}

/* Forced: ask the older readers to report their exit, and sleep until one does. */
static bool gp_sleep_forced(struct driver *driver)
{
    struct rcu_scan scan;
    uint32_t ticket = sequence_prepare(&gp.news);

    if (gp_is_over(driver, &scan, true)) {
        sequence_cancel(&gp.news);
        return true;
    }
    /* Pairs with the compiler barrier (or smp_mb) between ctr and waiting at a reader's exit:
     * either the reader sees that it is waited for, or the next scan sees that it has left. */
    if (!MUTANT(mark_no_barrier))
        rcu_barrier_everywhere();
    if (gp_is_over(driver, &scan, true)) {
        sequence_cancel(&gp.news);
        return true;
    }
    /* A reader may have slept between reading its number and storing it, and turn up only now. It
     * sees the unlink, but it is older, so it must not be slept on before it was marked, kicked
     * and looked at again (tests/litmus/waiting.pml). */
    if (scan.newly_marked) {
        sequence_cancel(&gp.news);
        return false;
    }
    rcu_count(&rcu_counters.sleeps);
    TRACE2(rcu_sleep, driver->need, driver->forced_ns != 0);
    (void)sequence_wait(&gp.news, ticket,
                        earliest_ns(earliest_ns(scan.next_kick_ns, driver->deadline_ns),
                                    driver->next_report_ns)); /* either way we look again */
    return false;
}

static void gp_watch_stall(struct driver *driver, int64_t now_ns)
{
    int64_t last_ns = load_relaxed(&gp.stall_report_ns);

    if (now_ns < driver->next_report_ns || MUTANT(stall_silent))
        return;
    /* Several drivers may wait for one reader: one of them speaks. */
    if (now_ns - last_ns >= rcu_config.stall_ns / 2 &&
        atomic_cas(&gp.stall_report_ns, &last_ns, now_ns))
        rcu_report_stall(driver->need, now_ns - driver->start_ns);
    driver->next_report_ns = deadline_after_ns(now_ns, 2 * (now_ns - driver->start_ns));
}

static bool gp_wait_for_readers(struct driver *driver)
{
    struct rcu_scan scan;

    while (!gp_is_over(driver, &scan, false)) {
        int64_t now_ns = monotonic_ns();

        if (now_ns >= driver->deadline_ns)
            return false;
        gp_watch_stall(driver, now_ns);
        gp_update_state(driver, now_ns);
        if (driver->forced_ns)
            rcu_registry_kick(driver->need);
        if (gp_spin(driver, &scan))
            break;
        /* A sleep lets a reader run that waits for our processor; for others it may be too long. */
        if (scan.worth_spinning && driver->deadline_ns - monotonic_ns() < SLEEP_WORTH_NS)
            return false;
        if (!driver->forced_ns)
            gp_sleep_normal(driver, now_ns);
        else if (gp_sleep_forced(driver))
            break;
    }
    return true;
}

/*
 * The one barrier of the grace period, unless another driver ran it. Says how far
 * it reaches: all that was started before it. Pairs with the compiler barriers in
 * rcu_read_lock_at() and rcu_read_unlock(): a section either is seen by a scan
 * after it, or sees the unlink.
 */
static unsigned long gp_barrier(unsigned long need)
{
    unsigned long target = load_acquire(&gp.fenced); /* pairs with the raise below */

    if (!number_before(target, need)) {
        /* With fence readers that barrier was the other driver's own; C11's text, if not RC11 or
         * our processors, wants one here as well (tests/litmus/shared_barrier.litmus). */
        if (rcu_config.readers == RCU_READERS_FENCES)
            smp_mb();
        return target;
    }
    target = load_relaxed(&rcu_newest.number);
    if (!MUTANT(no_barrier))
        rcu_barrier_everywhere();
    raise_number(&gp.fenced, target); /* release: other drivers' scans come after the barrier */
    return target;
}

static bool gp_drive(struct driver *driver)
{
    gp_start(driver->need);
    gp_update_state(driver, monotonic_ns());
    /* Kick first: while the barrier interrupts the reader, it is already on its way out. */
    if (driver->forced_ns)
        rcu_registry_kick(driver->need);
    driver->target = gp_barrier(driver->need);
    return gp_wait_for_readers(driver);
}

static bool drive(unsigned long need, int64_t start_ns, int64_t deadline_ns)
{
    struct driver driver = {
        .need = need,
        .skip = rcu_is_reading() ? rcu_registry_self() : NULL,
        .start_ns = start_ns,
        .deadline_ns = deadline_ns,
        .next_report_ns = deadline_after_ns(start_ns, rcu_config.stall_ns),
        .poll_ns = rcu_config.poll_ns,
    };

    return gp_drive(&driver);
}

bool rcu_drive(unsigned long need, int64_t start_ns, int64_t deadline_ns)
{
    if (rcu_is_completed(need))
        return true;
    if (!may_start() && !drive(load_relaxed(&rcu_newest.number), start_ns, deadline_ns))
        return false;
    return drive(need, start_ns, deadline_ns);
}

/* ---- Force --------------------------------------------------------------------- */

static bool raise_force(unsigned long upto)
{
    if (!raise_number(&gp.forced_upto, upto))
        return false;
    TRACE1(rcu_force, upto);
    return true;
}

/* Drivers asleep in the normal state; pairs with sequence_prepare() in gp_sleep_normal(). */
static void wake_drivers(void)
{
    if (!MUTANT(force_sleeps_on))
        sequence_advance(&gp.news);
}

bool rcu_raise_force(unsigned long upto)
{
    if (!raise_force(upto))
        return false;
    wake_drivers();
    return true;
}

static bool force_now(unsigned long upto)
{
    if (!raise_force(upto))
        return false;
    if (may_start()) /* so that a reader kicked now comes back with a number that is new enough */
        gp_start(upto);
    rcu_registry_kick(upto); /* before the wake-up, which costs more than the kick */
    wake_drivers();
    return true;
}

void force_rcu(void)
{
    unsigned long needed;

    rcu_init(); /* else the numbers may just be moving to where they start */
    needed = load_relaxed(&gp.needed);
    if (rcu_config.ignore_force || rcu_is_completed(needed))
        return;
    if (force_now(needed))
        rcu_count(&rcu_counters.forces);
}

bool rcu_drive_forced(int64_t budget_ns)
{
    int64_t now_ns = monotonic_ns();
    unsigned long upto;
    bool is_over = false;

    rcu_init(); /* as in force_rcu() */
    rcu_assert_may_wait("rcu_drive_forced()");
    upto = load_relaxed(&gp.forced_upto);
    if (!rcu_is_reading())
        is_over =
            rcu_is_completed(upto) || rcu_drive(upto, now_ns, deadline_after_ns(now_ns, budget_ns));
    if (!MUTANT(promise_forgotten))
        rcu_keep_promise(); /* for the callbacks, and for what is left */
    return is_over;
}

/* ---- Waiting and polling --------------------------------------------------------- */

static void wait_for(unsigned long need)
{
    const struct rcu_host *host = load_acquire(&rcu_host); /* pairs with rcu_set_host() */
    bool holds_bql = rcu_host_bql_is_mine();

    if (!rcu_config.ignore_force)
        (void)raise_force(need); /* nobody is woken for it: we drive it at once */
    if (holds_bql)
        host->bql_unlock(); /* a misuse survived: a reader may want it */
    (void)rcu_drive(need, monotonic_ns(), DEADLINE_NEVER); /* never out of time */
    if (holds_bql)
        host->bql_lock();
}

void synchronize_rcu(void)
{
    rcu_init();
    rcu_assert_may_wait("synchronize_rcu()");
    wait_for(rcu_need_from_now());
}

rcu_cookie get_state_synchronize_rcu(void)
{
    rcu_init();
    return rcu_need_from_now();
}

rcu_cookie start_poll_synchronize_rcu(void)
{
    rcu_cookie cookie = get_state_synchronize_rcu();

    rcu_note_need(cookie);
    rcu_thread_wake();
    return cookie;
}

bool poll_state_synchronize_rcu(rcu_cookie cookie)
{
    return rcu_is_completed(cookie);
}

void cond_synchronize_rcu(rcu_cookie cookie)
{
    rcu_init();
    rcu_assert_may_wait("cond_synchronize_rcu()");
    if (!(cookie & RCU_INSIDE) || number_before(rcu_need_from_now(), cookie)) {
        rcu_misuse("cond_synchronize_rcu() with %#lx, which is no cookie", cookie);
        cookie = rcu_need_from_now();
    }
    if (!rcu_is_completed(cookie))
        wait_for(cookie);
}

/* ---- For the other files ----------------------------------------------------------- */

void rcu_news_advance(void)
{
    sequence_advance(&gp.news);
}

bool rcu_next_need(unsigned long *ret_need)
{
    *ret_need = load_relaxed(&gp.needed);
    return !rcu_is_completed(*ret_need);
}

void rcu_grace_set_first(unsigned long first, bool use_fences)
{
    unsigned long number = (first & -(unsigned long)RCU_STEP) | RCU_INSIDE;

    if (use_fences)
        number |= RCU_FENCES;
    store_relaxed(&rcu_newest.number, number);
    store_relaxed(&gp.completed, number);
    store_relaxed(&gp.needed, number);
    store_relaxed(&gp.forced_upto, number);
    store_relaxed(&gp.fenced, number);
}

void rcu_grace_get_stats(struct rcu_stats *ret_stats)
{
    ret_stats->newest = load_relaxed(&rcu_newest.number);
    ret_stats->completed = load_relaxed(&gp.completed);
    ret_stats->forced_upto = load_relaxed(&gp.forced_upto);
}

void rcu_grace_fork_child(void)
{
    gp.news = SEQUENCE_INIT; /* the sleepers are in the parent */
}

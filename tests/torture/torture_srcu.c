/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Torture of SRCU: torture_srcu -t SECONDS -s SEED [-f] [-w SECONDS] [-m MUTANT]
 *
 * Each domain has one published object. Updaters replace it, wait for a grace
 * period, and only then let the old one age; it is poisoned at once and comes
 * back after more grace periods. A reader that meets an aged or poisoned object,
 * or one that changes under it, has caught a grace period that ended early.
 *
 * Readers are short, spinning, nested, sleeping, on threads that come and go,
 * in signal handlers that interrupt readers of the same domain (and each
 * other), without registration, and handed to another thread to be left there.
 *
 * -f: readers run fences instead of leaving it to membarrier. -w: how long without a
 * grace period is a hang. Exit: 0, or 1 after a line "FAIL: why". A mutant must end in a FAIL.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/rcu_control.h"
#include "util/srcu.h"

enum {
    QUICK,   /* no section sleeps: grace periods come fast; two updaters */
    MIXED,   /* every kind of section */
    NO_SLOT, /* the same, through the shared counts */
    NR_COMMON,
    RACED = NR_COMMON, /* one reader against one updater, at full speed: for missing barriers */
    NR_DOMAINS,

    NR_READERS = 4, /* the last one never registers */
    NR_UPDATERS = NR_DOMAINS + 1,
    PIPE_LENGTH = 3, /* grace periods from unlink to reuse */
    POOL = PIPE_LENGTH + 2,
    NR_NOISE = 36, /* fewer stores than a core holds back (x86: 42 to 72), so that none waits */
    TICKS_PER_S = 20,
};

#define POISON 0xdeadu

struct object {
    unsigned age;   /* grace periods since it was unlinked; atomic */
    unsigned value; /* plain: the thread sanitizer sees who touches it when */
};

static struct srcu_struct domains[NR_DOMAINS];
static struct srcu_struct fillers[SRCU_SLOTS]; /* take the slots that NO_SLOT must not get */
static struct object *published[NR_DOMAINS];   /* atomic */
static bool is_over, race_is_over;             /* atomic */

static uint64_t nr_reads, nr_handled, nr_interrupted, nr_handed, nr_born; /* atomic */
static uint64_t updates[NR_UPDATERS];                                     /* atomic */

/*
 * Stores that keep a reader's later stores waiting: to lines that updaters write
 * too, 4 KiB apart, so that they all want one set of the first cache and push
 * each other out. Measured here (2 x AMD EPYC): a store behind 48 of them is
 * overtaken by a load in 25 % of tries; behind 48 neighbouring lines, in 0.03 %.
 */
static struct {
    unsigned line;
    char far_from_the_next[4096 - sizeof(unsigned)];
} noise[NR_NOISE];

static uint64_t seed = 1;
static __thread uint64_t random_state;
static __thread bool is_racing;   /* it never yields its processor */
static __thread bool is_late;     /* it was interrupted on its way into a section */
static __thread int reading = -1; /* the domain that this thread reads, for its handlers */

static void __attribute__((noreturn)) PRINTF_LIKE(1, 2) fail(const char *format, ...)
{
    static unsigned nr_failures;
    va_list args;

    if (fetch_add(&nr_failures, 1) == 0) {
        printf("FAIL: ");
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        printf("\n");
        fflush(stdout);
        _exit(1);
    }
    for (;;) /* somebody else is reporting */
        pause();
}

/* xorshift64; each thread has its own state. */
static unsigned random_below(unsigned limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 32) % limit;
}

static void random_start(unsigned stream)
{
    random_state = (seed * 1000003 + stream + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void spin_ns(int64_t ns)
{
    int64_t end_ns = monotonic_ns() + ns;

    while (monotonic_ns() < end_ns)
        cpu_relax();
}

static void start_thread(pthread_t *thread, void *(*run)(void *), void *opaque)
{
    int error = pthread_create(thread, NULL, run, opaque);

    if (error != 0)
        fail("no thread: %s", strerror(error));
}

/* ---- Readers -------------------------------------------------------------- */

/* Out of line, so that each look really looks. */
static __attribute__((noinline)) void look(const struct object *object, int domain,
                                           const char *reader)
{
    unsigned age = load_relaxed(&object->age);

    if (age != 0)
        fail("%s in domain \"%s\" sees an object %u grace periods after its unlink", reader,
             domains[domain].name, age);
    if (object->value != (unsigned)domain)
        fail("%s in domain \"%s\" sees value %#x", reader, domains[domain].name, object->value);
}

static void make_noise(void)
{
    for (int i = 0; i < NR_NOISE; i++)
        store_relaxed(&noise[i].line, i);
}

static void on_signal(int number UNUSED) NO_THREAD_SAFETY
{
    int domain = reading, saved_errno = errno;
    const struct object *object;
    int index;

    if (domain >= 0)
        fetch_add_relaxed(&nr_interrupted, 1);
    else
        domain = QUICK;
    index = srcu_read_lock(&domains[domain]);
    object = load_acquire(&published[domain]); /* pairs with the xchg in replace() */
    look(object, domain, "handler");
    if (random_below(4) == 0)
        spin_ns(random_below(5000));
    look(object, domain, "handler");
    srcu_read_unlock(&domains[domain], index);
    fetch_add_relaxed(&nr_handled, 1);
    errno = saved_errno;
}

/* Who enters late, with an index of old, stays: for a grace period that forgets this index. */
static void linger(int domain)
{
    if (is_late) {
        is_late = false;
        sched_yield();
        spin_ns(random_below(100000));
    }
    switch (random_below(domain == QUICK ? 8 : 16)) {
    case 0:
    case 1:
        spin_ns(random_below(20000));
        break;
    case 2:
        sched_yield();
        break;
    case 15:
        usleep(random_below(300)); /* a signal may end it early: fine */
        break;
    default:
        break;
    }
}

static void read_once(int domain, int depth) NO_THREAD_SAFETY
{
    struct srcu_struct *srcu = &domains[domain];
    const struct object *object;
    int index;

    index = srcu_read_lock(srcu);
    object = load_acquire(&published[domain]); /* pairs with the xchg in replace() */
    look(object, domain, "reader");
    if (depth > 0)
        read_once(domain, depth - 1);
    linger(domain);
    look(object, domain, "reader");
    srcu_read_unlock(srcu, index);
    fetch_add_relaxed(&nr_reads, 1);
}

/* Two threads race only on two processors. Where there is one, they take turns and find nothing. */
static void go_to_processor(int which)
{
    cpu_set_t all, one;

    if (sched_getaffinity(0, sizeof(all), &all) != 0)
        fail("sched_getaffinity: %s", strerror(errno));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || which-- > 0)
            continue;
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one) != 0)
            fail("sched_setaffinity: %s", strerror(errno));
        return;
    }
}

/* The racers wait for each other before each round, but not for ever. */
static unsigned updater_ready, round_started; /* atomic */

static void wait_for_move(const unsigned *word, unsigned before)
{
    for (int i = 0; i < 1000 && load_relaxed(word) == before; i++)
        cpu_relax();
}

/*
 * What a missing barrier lets through: our count waits in the store buffer,
 * behind stores to lines that the updater has just written, while our load of
 * the pointer is done at once. The updater starts when it sees the round.
 */
static void *race(void *unused UNUSED) NO_THREAD_SAFETY
{
    unsigned ready = 0;

    random_start(400);
    is_racing = true;
    go_to_processor(0);
    srcu_register_thread();
    while (!load_relaxed(&race_is_over)) {
        const struct object *object;
        int index;

        wait_for_move(&updater_ready, ready);
        ready = load_relaxed(&updater_ready);
        store_relaxed(&round_started, round_started + 1);
        compiler_barrier(); /* the round leaves the store buffer first */
        make_noise();
        index = srcu_read_lock(&domains[RACED]);
        object = load_acquire(&published[RACED]); /* pairs with the xchg in replace() */
        look(object, RACED, "racing reader");
        for (unsigned i = random_below(64); i > 0; i--)
            cpu_relax();
        look(object, RACED, "racing reader");
        srcu_read_unlock(&domains[RACED], index);
    }
    srcu_unregister_thread();
    return NULL;
}

/* One section at a time is on its way to the thread that leaves it. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool is_full, is_over;
    int domain, index;
    const struct object *object;
} handed = { .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };

static void read_and_hand_over(int domain)
{
    pthread_mutex_lock(&handed.lock);
    if (!handed.is_full) {
        handed.is_full = true;
        handed.domain = domain;
        handed.index = srcu_down_read(&domains[domain]);
        handed.object = load_acquire(&published[domain]); /* pairs with the xchg in replace() */
        pthread_cond_signal(&handed.moved);
    }
    pthread_mutex_unlock(&handed.lock);
}

static void *leave_handed(void *unused UNUSED)
{
    random_start(100);
    pthread_mutex_lock(&handed.lock);
    for (;;) {
        while (!handed.is_full && !handed.is_over)
            pthread_cond_wait(&handed.moved, &handed.lock);
        if (!handed.is_full)
            break;
        look(handed.object, handed.domain, "handed reader");
        linger(handed.domain);
        look(handed.object, handed.domain, "handed reader");
        srcu_up_read(&domains[handed.domain], handed.index);
        handed.is_full = false;
        fetch_add_relaxed(&nr_handed, 1);
    }
    pthread_mutex_unlock(&handed.lock);
    return NULL;
}

static void *read_all_the_time(void *number)
{
    unsigned self = (unsigned)(uintptr_t)number;

    random_start(self);
    if (self != NR_READERS - 1)
        srcu_register_thread();
    while (!load_relaxed(&is_over)) {
        int domain = random_below(2) ? QUICK : (int)random_below(NR_COMMON);

        if (random_below(64) == 0)
            read_and_hand_over(domain);
        if (random_below(2))
            make_noise();
        reading = domain;
        compiler_barrier(); /* a handler reads it */
        read_once(domain, random_below(8) == 0 ? 2 : 0);
        compiler_barrier();
        reading = -1;
    }
    if (self != NR_READERS - 1)
        srcu_unregister_thread();
    return NULL;
}

/* ---- Threads that come and go --------------------------------------------- */

static void *read_and_end(void *number)
{
    random_start((unsigned)(uintptr_t)number);
    if (random_below(4))
        srcu_register_thread();
    for (unsigned i = random_below(20); i > 0; i--)
        read_once((int)random_below(NR_COMMON), 0);
    fetch_add_relaxed(&nr_born, 1);
    return NULL; /* half of them leave it to the end of the thread to unregister */
}

static void *churn(void *unused UNUSED)
{
    pthread_t threads[2];

    for (unsigned round = 1000; !load_relaxed(&is_over); round += 2) {
        for (unsigned i = 0; i < 2; i++)
            start_thread(&threads[i], read_and_end, (void *)(uintptr_t)(round + i));
        for (unsigned i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
    return NULL;
}

/* ---- Signals --------------------------------------------------------------- */

static pthread_t readers[NR_READERS];

static void *storm(void *unused UNUSED)
{
    random_start(200);
    while (!load_relaxed(&is_over)) {
        int number = random_below(2) ? SIGUSR1 : SIGUSR2;

        if (pthread_kill(readers[random_below(NR_READERS)], number) != 0)
            fail("pthread_kill");
        if (random_below(4) == 0)
            sched_yield();
        else
            spin_ns(random_below(30000));
    }
    return NULL;
}

/* ---- Updaters --------------------------------------------------------------- */

static void wait_somehow(struct srcu_struct *srcu)
{
    srcu_cookie cookie;

    if (is_racing || random_below(2)) {
        synchronize_srcu(srcu);
        return;
    }
    cookie = get_state_synchronize_srcu(srcu);
    for (unsigned i = random_below(3); i > 0; i--) {
        if (poll_state_synchronize_srcu(srcu, cookie))
            return; /* another updater's grace period was enough */
        sched_yield();
    }
    cond_synchronize_srcu(srcu, cookie);
    if (!poll_state_synchronize_srcu(srcu, cookie))
        fail("a cookie has not passed after cond_synchronize_srcu()");
}

struct updater {
    int domain;
    unsigned nr_free;
    struct object pool[POOL];
    struct object *free[POOL];
    struct object *pipe[PIPE_LENGTH]; /* [age - 1] */
};

static void take_in(struct updater *updater, struct object *object)
{
    store_relaxed(&object->age, 0);
    object->value = (unsigned)updater->domain;
    updater->free[updater->nr_free++] = object;
}

static void replace(struct updater *updater)
{
    struct object *fresh = updater->free[--updater->nr_free];
    /* release: pairs with the readers' acquires, so that they see what take_in() wrote */
    struct object *old = atomic_xchg(&published[updater->domain], fresh);

    wait_somehow(&domains[updater->domain]);
    store_relaxed(&old->age, 1);
    old->value = POISON;
    if (updater->pipe[PIPE_LENGTH - 1])
        take_in(updater, updater->pipe[PIPE_LENGTH - 1]);
    for (int i = PIPE_LENGTH - 1; i > 0; i--) {
        updater->pipe[i] = updater->pipe[i - 1];
        if (updater->pipe[i])
            store_relaxed(&updater->pipe[i]->age, (unsigned)i + 1);
    }
    updater->pipe[0] = old;
}

static void meet_racing_reader(void)
{
    unsigned before = load_relaxed(&round_started);

    make_noise();
    smp_mb(); /* the lines are ours, and the reader sees us ready no sooner */
    store_relaxed(&updater_ready, updater_ready + 1);
    wait_for_move(&round_started, before);
    for (unsigned i = random_below(24); i > 0; i--)
        cpu_relax(); /* the reader comes to its load of the pointer */
}

static void *update_all_the_time(void *number)
{
    unsigned self = (unsigned)(uintptr_t)number;
    struct updater *updater = calloc(1, sizeof(*updater)); /* outlives the thread: published */

    if (!updater)
        fail("out of memory");
    random_start(300 + self);
    updater->domain = (int)(self % NR_DOMAINS);
    is_racing = updater->domain == RACED;
    if (is_racing)
        go_to_processor(1);
    for (int i = 0; i < POOL; i++)
        take_in(updater, &updater->pool[i]);
    while (!load_relaxed(is_racing ? &race_is_over : &is_over)) {
        if (is_racing)
            meet_racing_reader();
        else if (random_below(2))
            make_noise();
        replace(updater);
        fetch_add_relaxed(&updates[self], 1);
        if (!is_racing && random_below(64) == 0)
            usleep(random_below(500));
    }
    return updater;
}

/* ---- The run ----------------------------------------------------------------- */

/*
 * Counts its own ticks rather than time: on a machine that is too busy to run
 * this thread, ticks come late as well.
 */
static void watch(double seconds, double patience_s, bool is_race)
{
    static const char *const late = "updater %d has seen no grace period end for %.1f s";
    uint64_t seen[NR_UPDATERS] = { 0 };
    int idle_ticks[NR_UPDATERS] = { 0 };

    for (int tick = 0; tick < seconds * TICKS_PER_S; tick++) {
        usleep(1000000 / TICKS_PER_S);
        for (int i = 0; i < NR_UPDATERS; i++) {
            uint64_t now = load_relaxed(&updates[i]);

            idle_ticks[i] = now == seen[i] ? idle_ticks[i] + 1 : 0;
            seen[i] = now;
            if ((i == RACED) == is_race && idle_ticks[i] > patience_s * TICKS_PER_S)
                fail(late, i, patience_s);
        }
    }
}

static void *watch_the_end(void *patience_s)
{
    usleep((unsigned)(*(double *)patience_s * 1e6));
    fail("threads have not ended after %.1f s", *(double *)patience_s);
}

static void check_end(void)
{
    struct rcu_stats rcu_stats;

    for (int i = 0; i < NR_DOMAINS; i++) {
        struct srcu_stats stats;

        srcu_get_stats(&domains[i], &stats);
        printf("%-8s %8lu grace periods %8lu sleeps %10lu sections\n", domains[i].name,
               stats.grace_periods, stats.sleeps, stats.entered[0] + stats.entered[1]);
        if (stats.has_slots != (i != NO_SLOT))
            fail("domain \"%s\" has taken a slot, or has none", domains[i].name);
        for (int index = 0; index < 2; index++) {
            if (stats.entered[index] != stats.left[index])
                fail("domain \"%s\", index %d: entered %lu, left %lu", domains[i].name, index,
                     stats.entered[index], stats.left[index]);
        }
        if (cleanup_srcu_struct(&domains[i]) != 0)
            fail("cleanup of domain \"%s\"", domains[i].name);
    }
    for (int i = 0; i < SRCU_SLOTS; i++) {
        if (cleanup_srcu_struct(&fillers[i]) != 0)
            fail("cleanup of a domain that nobody used");
    }
    rcu_get_stats(&rcu_stats);
    if (rcu_stats.misuses != 0)
        fail("%" PRIu64 " misuses were reported, and there were none", rcu_stats.misuses);
}

static void prepare(void)
{
    static const char *const names[NR_DOMAINS] = { "quick", "mixed", "no slot", "raced" };
    static struct object first[NR_DOMAINS];
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    for (int i = 0; i < NR_DOMAINS; i++) {
        if (i != NO_SLOT)
            init_srcu_struct(&domains[i], names[i]);
        first[i].value = (unsigned)i;
        published[i] = &first[i];
    }
    for (int i = 0; i < SRCU_SLOTS; i++)
        init_srcu_struct(&fillers[i], "unused");
    init_srcu_struct(&domains[NO_SLOT], names[NO_SLOT]);
    if (sigaction(SIGUSR1, &action, NULL) != 0 || sigaction(SIGUSR2, &action, NULL) != 0)
        fail("sigaction");
}

static void *run_race(double seconds, double patience_s)
{
    pthread_t reader, updater, watchdog;
    void *left;

    start_thread(&reader, race, NULL);
    start_thread(&updater, update_all_the_time, (void *)(uintptr_t)RACED);
    watch(seconds, patience_s, true);
    start_thread(&watchdog, watch_the_end, &patience_s);
    store_relaxed(&race_is_over, true);
    pthread_join(reader, NULL);
    pthread_join(updater, &left);
    pthread_cancel(watchdog);
    pthread_join(watchdog, NULL);
    return left;
}

static void run_storm(double seconds, double patience_s, void *left[NR_UPDATERS])
{
    enum { STORM, LEAVE, CHURN, NR_OTHERS };
    void *(*const other[])(void *) = { storm, leave_handed, churn };
    pthread_t updaters[NR_UPDATERS], others[NR_OTHERS], watchdog;

    for (uintptr_t i = 0; i < NR_READERS; i++)
        start_thread(&readers[i], read_all_the_time, (void *)i);
    for (uintptr_t i = 0; i < NR_UPDATERS; i++) {
        if (i != RACED)
            start_thread(&updaters[i], update_all_the_time, (void *)i);
    }
    for (int i = 0; i < NR_OTHERS; i++)
        start_thread(&others[i], other[i], NULL);
    watch(seconds, patience_s, false);

    start_thread(&watchdog, watch_the_end, &patience_s);
    store_relaxed(&is_over, true);
    pthread_join(others[STORM], NULL); /* while its targets are there */
    for (int i = 0; i < NR_READERS; i++)
        pthread_join(readers[i], NULL);
    pthread_mutex_lock(&handed.lock);
    handed.is_over = true; /* only now: what the readers handed over is still left */
    pthread_cond_signal(&handed.moved);
    pthread_mutex_unlock(&handed.lock);
    for (int i = LEAVE; i < NR_OTHERS; i++)
        pthread_join(others[i], NULL);
    for (int i = 0; i < NR_UPDATERS; i++) {
        if (i != RACED)
            pthread_join(updaters[i], &left[i]);
    }
    pthread_cancel(watchdog);
    pthread_join(watchdog, NULL);
}

/* First the race, with the processors for itself; then all at once. */
static void run(double seconds, double patience_s)
{
    double race_s = seconds < 2 ? seconds / 4 : 0.5;
    void *left[NR_UPDATERS];

    prepare();
    left[RACED] = run_race(race_s, patience_s);
    run_storm(seconds - race_s, patience_s, left);
    check_end();
    for (int i = 0; i < NR_UPDATERS; i++)
        free(left[i]);
}

#ifdef MUTANTS
/* Stay a while where it would hurt; mostly not, and without any barrier. */
static void window(void)
{
    switch (is_racing ? 63 : random_below(64)) {
    case 0:
        sched_yield();
        is_late = true;
        break;
    case 1:
    case 2:
    case 3:
        spin_ns(random_below(20000));
        break;
    default:
        break;
    }
}
#endif

static void set_mutant(const char *name)
{
#ifdef MUTANTS
    mutant_active = mutant_by_name(name);
#else
    fprintf(stderr, "mutant %s: not in this build (-Dmutants=true)\n", name);
    exit(2);
#endif
}

static void use_fences(void)
{
    struct rcu_config config = rcu_config_default();

    config.readers = RCU_READERS_FENCES;
    if (rcu_configure(&config) != 0)
        fail("rcu_configure");
}

int main(int argc, char **argv)
{
    double seconds = 3, patience_s = 10;
    int option;

    while ((option = getopt(argc, argv, "t:s:fw:m:")) != -1) {
        switch (option) {
        case 't':
            seconds = strtod(optarg, NULL);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 0);
            break;
        case 'f':
            use_fences();
            break;
        case 'w':
            patience_s = strtod(optarg, NULL);
            break;
        case 'm':
            set_mutant(optarg);
            break;
        default:
            fprintf(stderr, "usage: torture_srcu [-t SECONDS] [-s SEED] [-f] [-w SECONDS] "
                            "[-m MUTANT]\n");
            return 2;
        }
    }
#ifdef MUTANTS
    srcu_window = window;
#endif
    printf("seed %" PRIu64 ", %.1f s\n", seed, seconds);
    run(seconds, patience_s);
    printf("%" PRIu64 " reads, %" PRIu64 " in handlers (%" PRIu64 " interrupted a reader), %" PRIu64
           " handed over, %" PRIu64 " threads\nok\n",
           nr_reads, nr_handled, nr_interrupted, nr_handed, nr_born);
    return 0;
}

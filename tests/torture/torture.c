/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workers, the watchdog, the pauses and the storm of signals.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/torture/torture.h"

struct torture torture;

static struct worker workers[TORTURE_MAX_WORKERS];
static unsigned nr_workers; /* atomic; workers below it are complete */

static pthread_mutex_t spawn_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_t watchdog_thread, storm_thread, timed_thread;
static struct event is_ending;                                /* for the three above */
static bool is_paused;                                        /* atomic */
static struct sequence resumed;                               /* when is_paused goes */
static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER; /* a signal finds its thread alive */

#if THREAD_SANITIZER
/* The rcu thread never ends; by default the sanitizer gives it another second at the exit. */
const char *__tsan_default_options(void) __attribute__((visibility("default")));

const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}
#endif

/* ---- Randomness -------------------------------------------------------------- */

/* Marsaglia's xorshift64* (2003): full period from any seed but 0. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

static uint64_t seed_for(unsigned index)
{
    uint64_t state = (torture.seed + 1) * 0x9e3779b97f4a7c15u + index * 0xd1342543de82ef95u;

    state |= 1;
    (void)next_random(&state);
    return state;
}

uint64_t torture_random(struct worker *worker)
{
    return next_random(&worker->random);
}

unsigned torture_below(struct worker *worker, unsigned n)
{
    return (unsigned)((torture_random(worker) >> 32) * n >> 32);
}

bool torture_one_in(struct worker *worker, unsigned n)
{
    return torture_below(worker, n) == 0;
}

void torture_spin_ns(int64_t ns)
{
    int64_t until_ns = monotonic_ns() + ns;

    while (monotonic_ns() < until_ns)
        cpu_relax();
}

/* ---- Saying so ----------------------------------------------------------------- */

static void print_state(void)
{
    struct rcu_stats stats;

    rcu_get_stats(&stats);
    fprintf(stderr,
            "# newest %lu completed %lu forced_upto %lu readers %u forces %" PRIu64
            " kicks %" PRIu64 " rekicks %" PRIu64 " barriers %" PRIu64 " sleeps %" PRIu64
            " reports %" PRIu64 "\n# callbacks queued %" PRIu64 " run %" PRIu64 " peak %" PRIu64
            " throttles %" PRIu64 " stalls %" PRIu64 " misuses %" PRIu64 "\n",
            stats.newest, stats.completed, stats.forced_upto, stats.readers, stats.forces,
            stats.kicks, stats.rekicks, stats.barriers, stats.sleeps, stats.reports,
            stats.callbacks_queued, stats.callbacks_run, stats.callbacks_peak, stats.throttles,
            stats.stalls, stats.misuses);
}

static void print_where(const char *kind)
{
    fprintf(stderr, "# %s: scenario %s, seed %" PRIu64 ", %s readers\n", kind, torture.scenario,
            torture.seed, torture.config.readers == RCU_READERS_FENCES ? "fence" : "membarrier");
}

void torture_fail(const char *format, ...)
{
    va_list args;

    print_where("FAILED");
    fputs("# ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    print_state();
    _exit(TORTURE_FAILED);
}

void torture_hung(const char *what)
{
    print_where("HUNG");
    fprintf(stderr, "# %s has made no turn for %" PRId64 " ms\n", what,
            torture.watchdog_ns / NS_PER_MS);
    print_state();
    _exit(TORTURE_HUNG);
}

void torture_skip(const char *reason)
{
    printf("# skipped: %s\n", reason);
    fflush(stdout);
    _exit(TORTURE_SKIPPED);
}

void torture_note(const char *format, ...)
{
    va_list args;

    printf("# %s: ", torture.scenario);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* ---- Workers ------------------------------------------------------------------- */

bool torture_is_over(void)
{
    return monotonic_ns() >= load_relaxed(&torture.end_ns) &&
           (!torture.has_met || load_relaxed(torture.has_met));
}

void torture_progress(struct worker *worker)
{
    store_relaxed(&worker->turns, worker->turns + 1);
}

bool torture_go_on(struct worker *worker)
{
    torture_progress(worker);
    while (unlikely(load_relaxed(&is_paused)) && !torture_is_over()) {
        uint32_t ticket = sequence_prepare(&resumed);

        if (load_relaxed(&is_paused))
            (void)sequence_wait(&resumed, ticket, torture.end_ns); /* either way we look again */
        else
            sequence_cancel(&resumed);
        torture_progress(worker);
    }
    return !torture_is_over();
}

static void pin_to_processor(unsigned wanted)
{
    cpu_set_t allowed, one;
    unsigned nr = 0;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return; /* then we run where the system likes: slower to find faults, not wrong */
    CPU_ZERO(&one);
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &allowed))
            continue;
        if (nr++ == wanted)
            CPU_SET(i, &one);
    }
    if (CPU_COUNT(&one) == 1)
        (void)sched_setaffinity(0, sizeof(one), &one); /* as above */
}

static void *worker_main(void *opaque)
{
    struct worker *worker = opaque;

    (void)pthread_setname_np(pthread_self(), worker->name); /* its length is right */
    if (worker->flags & WORKER_PINNED)
        pin_to_processor(worker->processor);
    if (worker->flags & WORKER_READS)
        rcu_register_thread();
    worker->run(worker);
    if (worker->flags & WORKER_READS)
        rcu_unregister_thread();
    pthread_mutex_lock(&done_lock);
    store_relaxed(&worker->is_done, true);
    pthread_mutex_unlock(&done_lock);
    return NULL;
}

static void start_thread(pthread_t *thread, void *(*run)(void *), void *opaque)
{
    int ret = pthread_create(thread, NULL, run, opaque);

    if (ret != 0)
        torture_fail("cannot start a thread: %s", strerror(ret));
}

struct worker *torture_spawn_pinned(const char *name, void (*run)(struct worker *), void *opaque,
                                    unsigned flags, unsigned processor)
{
    struct worker *worker;

    pthread_mutex_lock(&spawn_lock);
    torture_check(nr_workers < TORTURE_MAX_WORKERS);
    worker = &workers[nr_workers];
    *worker = (struct worker){
        .run = run,
        .opaque = opaque,
        .flags = flags,
        .index = nr_workers,
        .processor = processor,
        .random = seed_for(nr_workers),
        .seen_ns = monotonic_ns(),
    };
    (void)snprintf(worker->name, sizeof(worker->name), "%.10s %u", name, nr_workers % 1000);
    start_thread(&worker->thread, worker_main, worker);
    store_release(&nr_workers, nr_workers + 1); /* pairs with the others' acquire */
    pthread_mutex_unlock(&spawn_lock);
    return worker;
}

struct worker *torture_spawn(const char *name, void (*run)(struct worker *), void *opaque,
                             unsigned flags)
{
    return torture_spawn_pinned(name, run, opaque, flags, 0);
}

void torture_join_one(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    worker->is_joined = true;
}

void torture_join(void)
{
    /* acquire: pairs with torture_spawn_pinned(); a worker may spawn others before it ends */
    for (unsigned i = 0; i < load_acquire(&nr_workers); i++) {
        if (!workers[i].is_joined)
            torture_join_one(&workers[i]);
    }
}

void torture_restart_clock(int64_t run_ns)
{
    store_relaxed(&torture.end_ns, monotonic_ns() + run_ns);
}

/* ---- The watchdog --------------------------------------------------------------- */

static void watch(struct worker *worker, int64_t now_ns)
{
    uint64_t turns = load_relaxed(&worker->turns);

    if (load_relaxed(&worker->is_done))
        return;
    if (turns != worker->turns_seen ||
        (!(worker->flags & WORKER_WATCHED) && now_ns < load_relaxed(&torture.end_ns))) {
        worker->turns_seen = turns;
        worker->seen_ns = now_ns;
    } else if (now_ns - worker->seen_ns > torture.watchdog_ns) {
        torture_hung(worker->name);
    }
}

/* Every now and then everybody pauses: what is idle must start again. */
static int64_t pause_or_resume(uint64_t *random, int64_t now_ns)
{
    bool paused = !load_relaxed(&is_paused);

    store_relaxed(&is_paused, paused);
    if (!paused)
        sequence_advance(&resumed);
    return now_ns + (int64_t)(next_random(random) % (paused ? 8 : 150)) * NS_PER_MS;
}

static void *watchdog_main(void *unused UNUSED)
{
    uint64_t random = seed_for(TORTURE_MAX_WORKERS + 1);
    int64_t change_ns = monotonic_ns() + 50 * NS_PER_MS;
    int64_t now_ns = monotonic_ns();

    while (event_timedwait(&is_ending, now_ns + 5 * NS_PER_MS) == TIMED_OUT) {
        unsigned nr = load_acquire(&nr_workers);

        now_ns = monotonic_ns();
        if (now_ns >= change_ns)
            change_ns = pause_or_resume(&random, now_ns);
        for (unsigned i = 0; i < nr; i++)
            watch(&workers[i], now_ns);
    }
    return NULL;
}

/* ---- Signals, and the waits that they interrupt ------------------------------------ */

static void on_signal(int number UNUSED)
{
}

static void *storm_main(void *unused UNUSED)
{
    uint64_t random = seed_for(TORTURE_MAX_WORKERS + 2);

    while (event_timedwait(&is_ending, monotonic_ns() + NS_PER_MS) == TIMED_OUT) {
        unsigned nr = load_acquire(&nr_workers);
        unsigned i = nr ? (unsigned)(next_random(&random) >> 33) % nr : 0;

        (void)pthread_kill(timed_thread, SIGUSR1); /* it is not joined before us */
        pthread_mutex_lock(&done_lock);
        if (nr && !load_relaxed(&workers[i].is_done))
            (void)pthread_kill(workers[i].thread, SIGUSR1); /* it is alive */
        pthread_mutex_unlock(&done_lock);
    }
    return NULL;
}

/* Nobody sets this event: every wait must last until its deadline, signals or not. */
static void *timed_main(void *unused UNUSED)
{
    static const int64_t delays_ns[] = { 0, 1, -5, 50000, 3 * NS_PER_MS, 9 * NS_PER_MS };
    struct event never = EVENT_INIT;
    unsigned turn = 0;

    while (!event_is_set(&is_ending)) {
        int64_t deadline_ns = monotonic_ns() + delays_ns[turn++ % ARRAY_SIZE(delays_ns)];

        if (event_timedwait(&never, deadline_ns) != TIMED_OUT)
            torture_fail("a timed wait was woken by nobody");
        if (monotonic_ns() < deadline_ns)
            torture_fail("a timed wait ended early");
        if (turn % ARRAY_SIZE(delays_ns) == 0)
            torture_check(event_timedwait(&never, INT64_MIN) == TIMED_OUT);
    }
    return NULL;
}

void torture_begin(void)
{
    struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART: waits see EINTR */
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int ret = rcu_configure(&torture.config);

    if (ret == -ENOSYS)
        torture_skip("no membarrier system call");
    torture_check(ret == 0);
    torture.nr_processors = processors > 0 ? (unsigned)processors : 1;
    torture_check(sigaction(SIGUSR1, &action, NULL) == 0);
    torture_restart_clock(torture.run_ns);
    start_thread(&watchdog_thread, watchdog_main, NULL);
    start_thread(&timed_thread, timed_main, NULL);
    start_thread(&storm_thread, storm_main, NULL);
}

void torture_end(void)
{
    struct rcu_stats stats;

    torture_join();
    event_set(&is_ending);
    pthread_join(storm_thread, NULL); /* before those that it sends signals to */
    pthread_join(timed_thread, NULL);
    pthread_join(watchdog_thread, NULL);
    rcu_get_stats(&stats);
    torture_check(stats.misuses == 0);
}

/* ---- Kicked readers ---------------------------------------------------------------- */

static void kick(struct rcu_notifier *notifier)
{
    struct kicked *kicked = container_of(notifier, struct kicked, notifier);
    unsigned left = load_relaxed(&kicked->nr_to_lose);

    while (left > 0) {
        if (atomic_cas(&kicked->nr_to_lose, &left, left - 1)) {
            fetch_add_relaxed(&kicked->nr_lost, 1);
            return;
        }
    }
    event_set(&kicked->is_kicked);
}

void kicked_init(struct kicked *kicked)
{
    *kicked = (struct kicked){ .notifier = { .kick = kick }, .is_kicked = EVENT_INIT };
}

void kicked_reset(struct kicked *kicked)
{
    event_reset(&kicked->is_kicked);
}

void kicked_wait(struct kicked *kicked, bool is_spinning)
{
    while (is_spinning && !event_is_set(&kicked->is_kicked) && !torture_is_over())
        sched_yield(); /* the spinning of a virtual processor, on two real ones */
    if (!is_spinning)
        (void)event_timedwait(&kicked->is_kicked, torture.end_ns); /* or the end */
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the torture scenarios share: seeded randomness, workers, a common end,
 * pauses, signals that interrupt waits, and a watchdog.
 *
 * One process runs one scenario, since RCU is configured once per process.
 * Workers do their work in `while (torture_go_on(worker))`. A failure prints
 * the scenario and the seed, and ends the process at once.
 */
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/annotate.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/rcu.h"
#include "util/rcu_control.h"

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#define ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define ADDRESS_SANITIZER 0
#endif

enum {
    TORTURE_FAILED = 1,
    TORTURE_USAGE = 2,
    TORTURE_HUNG = 3,
    TORTURE_SKIPPED = 77,

    TORTURE_MAX_WORKERS = 256,
};

/* Longer than any test lasts: a wake-up that is missing hangs, and the watchdog tells. */
#define FOR_EVER_NS (1000 * NS_PER_S)

struct torture {
    const char *scenario;
    uint64_t seed;
    int64_t run_ns;      /* how long the scenario's workers go on */
    int64_t end_ns;      /* when they stop … */
    const bool *has_met; /* … and not before this, without which nothing was tested; or NULL */
    int64_t watchdog_ns; /* how long a watched worker may take for one turn */
    unsigned nr_processors;
    struct rcu_config config;
};
extern struct torture torture;

enum worker_flags {
    WORKER_READS = 1,   /* registered with RCU */
    WORKER_WATCHED = 2, /* must make turns; others need only come to an end */
    WORKER_PINNED = 4,  /* on processor `processor`, where the process may choose */
};

struct worker {
    char name[16];
    void (*run)(struct worker *worker);
    void *opaque;
    unsigned flags;
    unsigned index;
    unsigned processor;
    uint64_t random;
    uint64_t turns; /* atomic */
    bool is_done;   /* atomic */
    bool is_joined;
    pthread_t thread;

    /* The watchdog's own. */
    uint64_t turns_seen;
    int64_t seen_ns;
};

/** The process is to run @scenario: configure RCU, start the watchdog. */
void torture_begin(void);

/** Start a worker, called @name and its number. */
struct worker *torture_spawn(const char *name, void (*run)(struct worker *), void *opaque,
                             unsigned flags);
struct worker *torture_spawn_pinned(const char *name, void (*run)(struct worker *), void *opaque,
                                    unsigned flags, unsigned processor);

/** Join one worker, or all that are left; more may be spawned afterwards. */
void torture_join_one(struct worker *worker);
void torture_join(void);
void torture_end(void);

/** Another turn? Counts as progress; waits while all pause. Outside a section. */
bool torture_go_on(struct worker *worker);

/** Progress within a long turn. */
void torture_progress(struct worker *worker);
bool torture_is_over(void);

/** Start the clock anew: workers spawned from now on go on for @run_ns. */
void torture_restart_clock(int64_t run_ns);

uint64_t torture_random(struct worker *worker);
/** Below @n, which is not 0. */
unsigned torture_below(struct worker *worker, unsigned n);
bool torture_one_in(struct worker *worker, unsigned n);

/** Use the processor for about @ns. */
void torture_spin_ns(int64_t ns);

void __attribute__((noreturn)) torture_fail(const char *format, ...) PRINTF_LIKE(1, 2);
void __attribute__((noreturn)) torture_hung(const char *what);
void __attribute__((noreturn)) torture_skip(const char *reason);
void torture_note(const char *format, ...) PRINTF_LIKE(1, 2);

#define torture_check(condition)                                                                   \
    do {                                                                                           \
        if (unlikely(!(condition)))                                                                \
            torture_fail("%s:%d: %s", __FILE__, __LINE__, #condition);                             \
    } while (0)

/* A reader that leaves its section only when it is kicked: what a virtual processor does. */
struct kicked {
    struct rcu_notifier notifier;
    struct event is_kicked;
    unsigned nr_to_lose; /* kicks to ignore; atomic */
    unsigned nr_lost;    /* atomic */
};

void kicked_init(struct kicked *kicked);
/** Before the section. A full barrier, so that a kick for the section before is wiped out whole. */
void kicked_reset(struct kicked *kicked);
/** Inside it; also returns at the scenario's end. */
void kicked_wait(struct kicked *kicked, bool is_spinning);

/* The scenarios; each in a file of its own. */
void pipe_run(void);
void oversubscribed_run(void);
void tight_run(void);
void exit_race_run(void);
void force_run(void);
void lossy_run(void);
void late_run(void);
void age_run(void);
void quiet_run(void);
void churn_run(void);
void drain_run(void);
void flood_run(void);
void order_run(void);
void promise_run(void);
void cookies_run(void);
void stall_run(void);
void fork_run(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * RCU seen from the program around it: start-up choices, what RCU needs from a
 * higher floor, and what it has measured.
 */
#ifndef UTIL_RCU_CONTROL_H
#define UTIL_RCU_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/annotate.h"
#include "util/hist.h"

enum rcu_readers {
    RCU_READERS_AUTO,       /* membarrier where the system call exists, else fences */
    RCU_READERS_MEMBARRIER, /* free readers; a grace period interrupts each running thread once */
    RCU_READERS_FENCES,     /* readers run two barriers; a grace period sends no interrupt */
};

struct rcu_config {
    enum rcu_readers readers;
    bool ignore_force;        /* -rcu force=off: only pile-up and age force */
    int64_t force_age_ns;     /* a normal grace period turns forced at this age */
    int64_t stall_ns;         /* the first stall report; later ones when its age has tripled */
    int64_t rekick_ns;        /* a kick without effect is repeated after this, then twice it … */
    int64_t poll_ns;          /* first sleep of a normal grace period; doubles, to 10 times */
    unsigned force_callbacks; /* pending callbacks that force grace periods … */
    size_t force_bytes;       /* … and bytes that they keep alive */
    unsigned throttle_callbacks; /* pending callbacks from which on a producer waits … */
    size_t throttle_bytes;       /* … and bytes */
    unsigned long first_number;  /* where numbers start; for tests of wrap-around */
};

/** The defaults. */
struct rcu_config rcu_config_default(void);

/**
 * Before the first thread registers and the first callback is queued; without
 * it the defaults hold. Returns 0, -EBUSY when RCU is in use already, -ENOSYS
 * when membarrier readers are asked for and the system call is missing, -EINVAL
 * for a time that is negative, below 1 us (rekick, poll, stall) or above
 * 100 days (rekick, poll). A force_age_ns of INT64_MAX is never.
 */
int rcu_configure(const struct rcu_config *config) MUST_CHECK;

/** How readers keep order in this process: RCU_READERS_MEMBARRIER or RCU_READERS_FENCES. */
enum rcu_readers rcu_reader_mode(void);

/**
 * What RCU needs from the floor above. Members may be NULL: the first three only
 * together, and the next two only together and with those. The struct must
 * outlive all use of RCU; set it before threads start, and once.
 */
struct rcu_host {
    bool (*bql_is_mine)(void);
    void (*bql_lock)(void);
    void (*bql_unlock)(void);
    bool (*is_main_loop)(void); /* the calling thread is the one that runs the main loop */
    /* rcu_run_bql_callbacks() has work. Any thread, no lock held. Without it, the rcu thread runs
     * that work itself, with the BQL taken. */
    void (*bql_callbacks_ready)(void);
    /* One line about a stall or a misuse. Any thread; must not block for long. NULL: stderr. */
    void (*report)(const char *line);
};

void rcu_set_host(const struct rcu_host *host);

/** What a reader waits for inside its section ("the BQL"; NULL: nothing). For stall reports. */
void rcu_set_blocked_on(const char *what);

struct rcu_stats {
    unsigned long newest;    /* number of the newest grace period started … */
    unsigned long completed; /* … and of the newest one ended */
    unsigned long forced_upto;
    uint64_t forces;   /* force_rcu() calls that found something to force */
    uint64_t kicks;    /* notifiers called */
    uint64_t rekicks;  /* of those, repeats for one section */
    uint64_t barriers; /* run by drivers: membarriers, or fences with fence readers */
    uint64_t sleeps;   /* times that a driver slept */
    uint64_t reports;  /* times that a reader reported its exit to a sleeping driver */
    uint64_t stalls;   /* stall reports */
    uint64_t misuses;  /* wrong uses survived (release builds) */
    uint64_t callbacks_queued;
    uint64_t callbacks_run;
    uint64_t callbacks_peak; /* most that were pending at once */
    uint64_t throttles;      /* times that a producer was made to wait */
    unsigned readers;        /* threads registered, the rcu thread included */
};

/** A snapshot; each figure is right, the set is not taken at one instant. */
void rcu_get_stats(struct rcu_stats *ret_stats);

/** Always on, in nanoseconds. */
extern struct hist rcu_hist_normal;   /* a grace period that ended in the normal state */
extern struct hist rcu_hist_forced;   /* one that was forced, from the time it was */
extern struct hist rcu_hist_kick;     /* from a section's first kick until it is seen left */
extern struct hist rcu_hist_callback; /* from queueing to running; the oldest of each batch */

#endif

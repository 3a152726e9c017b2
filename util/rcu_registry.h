/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The registered readers, for drivers: look at them, kick them. Private to RCU.
 */
#ifndef UTIL_RCU_REGISTRY_H
#define UTIL_RCU_REGISTRY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/annotate.h"
#include "util/rcu.h"

enum { RCU_STACK_FRAMES = 16 };

/* A registered thread. Thread-local, so that it needs no memory; pinned while a driver uses it. */
struct rcu_thread {
    struct rcu_thread *next; /* guarded by the registry lock */
    struct rcu_reader *reader;
    struct rcu_notifier *notifiers; /* changed by the thread itself; atomic */
    uint32_t pins;                  /* kicks under way, and PIN_AWAITED; atomic */
    const uint32_t *cpu;            /* where the kernel says the thread runs; may be NULL */
    pthread_t handle;
    pid_t tid;
    unsigned registrations;

    /* Kicks of the current section; atomic, written by drivers. */
    unsigned long kicked_section; /* its number, 0: none */
    int64_t first_kick_ns;
    int64_t next_kick_ns;
    unsigned nr_kicks;

    /* Debug builds: where the thread blocked inside its section. */
    void *blocked_stack[RCU_STACK_FRAMES];
    int blocked_frames;
} CACHE_ALIGNED;

struct rcu_scan {
    unsigned older;         /* readers inside a section older than what the driver needs */
    unsigned newly_marked;  /* of those, the ones that were not asked to report before */
    bool worth_spinning;    /* one of them was last seen on another processor */
    int64_t next_kick_ns;   /* the earliest time at which one of them is to be kicked (again) */
    unsigned long complete; /* no section older than this is open; at most the driver's target */
};

/**
 * Look at every reader, for a driver of grace period @need whose barrier came
 * after the start of @target. With @skip, that thread's own section does not
 * count as older (a misuse survived). With @mark, each older one is asked to
 * report its exit.
 */
struct rcu_scan rcu_registry_scan(unsigned long need, unsigned long target,
                                  const struct rcu_thread *skip, bool mark);

/** Kick the readers inside a section older than @target whose kick is due. */
void rcu_registry_kick(unsigned long target);

/** Call @visit for each thread inside a section older than @target: registry locked, so only copy.
 */
void rcu_registry_visit(unsigned long target,
                        void (*visit)(const struct rcu_thread *thread, void *opaque), void *opaque);

unsigned rcu_registry_count(void);
struct rcu_thread *rcu_registry_self(void);

/** For fork: lock; unlock in the parent, keep only the calling thread in the child. */
void rcu_registry_fork_prepare(void);
void rcu_registry_fork_parent(void);
void rcu_registry_fork_child(void);

#endif

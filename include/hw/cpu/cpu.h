/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Virtual processors: what both back ends have in common, and the one interface
 * to them.
 *
 * Each processor is a thread. It runs the guest inside one long read section
 * (`soft`) or outside any (`KVM`), and comes out of it when it is kicked. A kick
 * carries its reasons in `events`: whoever wants something sets a bit, and then
 * kicks; the processor takes the bits when it has come out. Nothing is lost
 * between the two (see cpu_post()).
 *
 * Threads: cpu_post() and what is built on it from any thread, with any locks,
 * inside sections, from RCU's notifiers. The rest as each function says.
 */
#ifndef HW_CPU_CPU_H
#define HW_CPU_CPU_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/cpu/board.h"
#include "hw/cpu/state.h"
#include "util/bql.h"
#include "util/event.h"
#include "util/lock.h"
#include "util/rcu.h"

struct cpu_backend;
struct metrics;
struct space; /* hw/mem/region.h */
struct thread;
struct cpu;
struct cpus;

enum { CPUS_MAX = 64 };

/* Why a processor is wanted; bits of cpu.events. */
enum cpu_event {
    CPU_EVENT_INTERRUPT = 1 << 0, /* look at the board's interrupt line */
    CPU_EVENT_NMI = 1 << 1,
    CPU_EVENT_INIT = 1 << 2,  /* reset to the state of INIT, and wait for a startup message */
    CPU_EVENT_PAUSE = 1 << 3, /* somebody waits in cpus_pause() */
    CPU_EVENT_WORK = 1 << 4,  /* cpu_post_work() has queued something */
    CPU_EVENT_RCU = 1 << 5,   /* leave the read section; nothing more */
    CPU_EVENT_MAP = 1 << 6,   /* the map has moved under this processor: enter with the new view */
    CPU_EVENT_CODE = 1 << 7,  /* code pages were written, or writers must drop mappings */
    CPU_EVENT_STOP = 1 << 8,  /* the thread is to end */
    CPU_EVENT_STARTUP = 1 << 9, /* cpu_start_up() */

    /* Those that a back end takes itself, with cpu_take(), when it looks at what they are for. All
     * others are taken between two runs. */
    CPU_EVENTS_OF_BACKEND = CPU_EVENT_INTERRUPT | CPU_EVENT_NMI,
};

/* A back end (hw/cpu/backend.h). The only two: */
extern const struct cpu_backend cpu_soft;
extern const struct cpu_backend cpu_kvm;

/* What a processor's thread does when it does not run the guest. */
enum cpu_rest {
    CPU_RUNS,
    CPU_HALTED, /* sleeps until an interrupt, or what is asked of the thread */
    CPU_PARKED, /* has stopped, or waits after INIT: until it is started or given a state */
};

/* Work for a processor's thread; in the memory of whoever asks, until it has been done. */
struct cpu_work {
    void (*fn)(struct cpu *cpu, struct cpu_work *work);
    struct cpu_work *next; /* private */
};

/* Counters; metrics read them (atomic, relaxed). */
struct cpu_stats {
    uint64_t exits[CPU_EXIT_FAILED + 1];
    uint64_t halted_ns;
};

/* The common part of a processor; a back end's struct begins with it. */
struct cpu {
    struct cpus *cpus;
    unsigned index;
    struct thread *thread;        /* NULL: not started */
    uint32_t thread_id;           /* the kernel's; 0: not started; atomic */
    enum cpu_rest rest;           /* the thread's own */
    struct cpu_work *work;        /* newest first; atomic */
    struct rcu_notifier notifier; /* posts CPU_EVENT_RCU */
    struct sequence wake;         /* advanced with each event that ends a rest */
    struct cpu_stats stats;
    uint32_t startup_vector;       /* of cpu_start_up(); atomic */
    uint32_t events CACHE_ALIGNED; /* enum cpu_event; atomic */
};

/* The common part of what the processors of a machine share. */
struct cpus {
    const struct cpu_backend *backend;
    struct space *memory, *ports; /* guest-physical memory, and the I/O ports */
    const struct cpu_board *board;
    bool has_own_startup; /* the back end sees to INIT and startup messages */
    unsigned nr_wanted;   /* how many there will be: nr_cpus grows to it in cpus_new() */
    unsigned nr_cpus;
    struct cpu *cpu[CPUS_MAX];
    /* The rest is private to cpu.c. */
    struct mutex lock;
    struct condition is_out;    /* nr_out has grown, or nr_threads shrunk */
    struct condition may_go_on; /* nobody wants the processors out, or they are to end */
    unsigned nr_threads;        /* that have started and not ended; guarded by lock */
    unsigned nr_out;            /* of those, that stay out; guarded by lock */
    unsigned nr_pauses;         /* that want them out; guarded by lock */
    struct cpu *alone;          /* has stopped the others; guarded by lock */
};

/** The processor whose thread this is; NULL on all other threads. */
struct cpu *cpu_current(void);

/**
 * Set bits of @events in @cpu's word, and kick it: a running processor comes out
 * and sees them, a sleeping one wakes if they concern it. The bits are set with a
 * full barrier before the kick, and taken with one after it, so none is lost.
 */
void cpu_post(struct cpu *cpu, uint32_t events);

/** The same to all of @cpus but @except (NULL: all). */
void cpus_post(struct cpus *cpus, uint32_t events, const struct cpu *except);

/**
 * Whether @backend can run an operating system here. False: @error says why, in one line to
 * be put behind "-accel kvm: ". cpus_new() may work all the same, for simple guests.
 */
bool cpu_backend_is_usable(const struct cpu_backend *backend, GError **error);

/**
 * Make @nr_cpus processors, all in the state of cpu_state_reset() and parked, none started. NULL
 * and an error if @backend cannot. @memory, @ports and @board must outlive the result.
 */
void cpus_free(struct cpus *cpus) EXCLUDES(bql); /* stopped; NULL is fine */
struct cpus *cpus_new(const struct cpu_backend *backend, unsigned nr_cpus, struct space *memory,
                      struct space *ports, const struct cpu_board *board, GError **error)
    OWNED_BY(cpus_free) EXCLUDES(bql);

/** Start the threads; each runs its processor until cpus_stop(), which joins them. */
bool cpus_start(struct cpus *cpus, GError **error) EXCLUDES(bql);
void cpus_stop(struct cpus *cpus) EXCLUDES(bql);

/**
 * Bring all out and keep them out, until as many cpus_resume(). Waits. Not from a processor's
 * thread. Work waits too.
 */
void cpus_pause(struct cpus *cpus) EXCLUDES(bql);
void cpus_resume(struct cpus *cpus);

/**
 * Have @work done on @cpu's thread between two runs, outside any section, without the BQL, in
 * the order in which it was asked for. Any thread, any locks. A thread that ends does what it has.
 */
void cpu_post_work(struct cpu *cpu, struct cpu_work *work);

/**
 * The same, and wait until @fn(@arg) has returned. On @cpu's thread, and without one, here and
 * now. Not during cpus_start() and cpus_stop().
 */
void cpu_run_on(struct cpu *cpu, void (*fn)(struct cpu *cpu, void *arg), void *arg) EXCLUDES(bql);

/**
 * The whole state. Setting it ends a rest, also INIT's; NMIs that came while it was parked are
 * lost. On the processor's thread, or any while it is paused or has not been started. -EINVAL: not
 * a state that the back end can take.
 */
void cpu_get_state(struct cpu *cpu, struct cpu_state *ret_state);
int cpu_set_state(struct cpu *cpu, const struct cpu_state *state) MUST_CHECK;

/** The state after power-on or reset of a processor (Intel SDM vol. 3, table 9-1). */
void cpu_state_reset(struct cpu_state *ret_state);

/**
 * As after power-on: cpu_state_reset(), the APIC in the kernel if it is there, nothing pending,
 * and parked until cpu_set_state(), which with is_waiting leaves it to a startup message. All are
 * paused, or have not been started.
 */
void cpus_reset(struct cpus *cpus);

/**
 * A startup message (Intel SDM vol. 3, 9.4.4), for APICs of ours: if @cpu waits, it goes on in
 * real mode at @vector << 12. A back end without real mode ignores it. Any thread, any locks.
 */
void cpu_start_up(struct cpu *cpu, unsigned vector);

/** Exits and sleep as metrics gracevm_cpu_*. metrics_remove(metrics, cpus) before cpus_free(). */
void cpus_metrics_register(struct cpus *cpus, struct metrics *metrics);

#endif

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

#include "hw/cpu/state.h"
#include "util/bql.h"
#include "util/event.h"
#include "util/rcu.h"

struct space; /* hw/mem/region.h */
struct thread;
struct cpu;
struct cpus;

enum { CPUS_MAX = 64 };

/* Why a processor is wanted; bits of cpu.events. */
enum cpu_event {
    CPU_EVENT_INTERRUPT = 1 << 0, /* look at the board's interrupt line */
    CPU_EVENT_NMI = 1 << 1,
    CPU_EVENT_INIT = 1 << 2,  /* reset to the state of INIT and wait for cpu_set_state */
    CPU_EVENT_PAUSE = 1 << 3, /* somebody waits in cpus_pause() */
    CPU_EVENT_WORK = 1 << 4,  /* cpu_run_on() has queued something */
    CPU_EVENT_RCU = 1 << 5,   /* leave the read section; nothing more */
    CPU_EVENT_MAP = 1 << 6,   /* the map has moved under this processor: enter with the new view */
    CPU_EVENT_CODE = 1 << 7,  /* code pages were written, or writers must drop mappings */
    CPU_EVENT_STOP = 1 << 8,  /* the thread is to end */
};

/* What ended a back end's run(). */
enum cpu_exit {
    CPU_EXIT_KICKED,       /* events are to be looked at */
    CPU_EXIT_HALTED,       /* HLT: until an event that wakes it */
    CPU_EXIT_TRIPLE_FAULT, /* the guest has shut the processor down */
    CPU_EXIT_FAILED,       /* the back end cannot go on; it has logged why */
};

/**
 * What a processor needs of the machine around it. All are called on the
 * processor's thread, outside any read section and without the BQL, except where
 * said. Members may be NULL: then as the comment says.
 */
struct cpu_board {
    /** The vector to deliver now, or -1. Taken: the next call gives the next one. NULL: never. */
    int (*acknowledge)(void *opaque, unsigned index);
    /** Whether acknowledge() would give one. Any thread. */
    bool (*has_interrupt)(void *opaque, unsigned index);
    /** An MSR that hw/cpu does not know (x2APIC, kvmclock). False: #GP. NULL: false. */
    bool (*read_msr)(void *opaque, unsigned index, uint32_t msr, uint64_t *ret_value);
    bool (*write_msr)(void *opaque, unsigned index, uint32_t msr, uint64_t value);
    /** The task priority (CR8) was written. NULL: kept in the processor only. */
    void (*set_priority)(void *opaque, unsigned index, unsigned priority);
    /** The time stamp counter. One clock for all processors. Also inside a section. */
    uint64_t (*read_tsc)(void *opaque);
    /** Triple fault, or failure. The processor's thread waits for events from then on. */
    void (*stopped)(void *opaque, unsigned index, enum cpu_exit why);
    void *opaque;
};

/* A back end. The only two are cpu_soft and cpu_kvm. */
struct cpu_backend {
    const char *name;                     /* "soft", "KVM": as in the thread's name */
    struct cpus *(*open)(GError **error); /* what all processors share, or NULL */
    void (*close)(struct cpus *cpus);
    struct cpu *(*create)(struct cpus *cpus, unsigned index, GError **error);
    void (*destroy)(struct cpu *cpu);
    /** Run the guest until something happens. The processor's thread, outside any section. */
    enum cpu_exit (*run)(struct cpu *cpu);
    /** Make run() return soon. Any thread; no locks; must not block. Events were set before. */
    void (*kick)(struct cpu *cpu);
    /** The processor's thread, or any while it is paused. */
    void (*get_state)(struct cpu *cpu, struct cpu_state *ret_state);
    int (*set_state)(struct cpu *cpu, const struct cpu_state *state);
};

extern const struct cpu_backend cpu_soft;
extern const struct cpu_backend cpu_kvm;

/* The common part of a processor; a back end's struct begins with it. */
struct cpu {
    struct cpus *cpus;
    unsigned index;
    struct thread *thread;
    struct rcu_notifier notifier;  /* posts CPU_EVENT_RCU */
    struct sequence wake;          /* advanced with each event: a halted processor sleeps on it */
    uint32_t events CACHE_ALIGNED; /* enum cpu_event; atomic */
};

/* The common part of what the processors of a machine share. */
struct cpus {
    const struct cpu_backend *backend;
    struct space *memory; /* guest-physical memory, and the I/O ports */
    struct space *ports;
    const struct cpu_board *board;
    unsigned nr_cpus;
    struct cpu *cpu[CPUS_MAX];
};

/**
 * Set bits of @events in @cpu's word, and kick it: a running processor comes out
 * and sees them, a sleeping one wakes if they concern it. The bits are set with a
 * full barrier before the kick, and taken with one after it, so none is lost.
 */
void cpu_post(struct cpu *cpu, uint32_t events);

/** The same to all of @cpus but @except (NULL: all). */
void cpus_post(struct cpus *cpus, uint32_t events, const struct cpu *except);

/**
 * Make @nr_cpus processors, all halted, none started. NULL and an error if @backend cannot.
 * @memory, @ports and @board must outlive the result.
 */
void cpus_free(struct cpus *cpus) EXCLUDES(bql);
struct cpus *cpus_new(const struct cpu_backend *backend, unsigned nr_cpus, struct space *memory,
                      struct space *ports, const struct cpu_board *board, GError **error)
    OWNED_BY(cpus_free);

/** Start the threads; each runs its processor until cpus_stop(), which joins them. */
bool cpus_start(struct cpus *cpus, GError **error);
void cpus_stop(struct cpus *cpus) EXCLUDES(bql);

/** Bring all out and keep them out, until cpus_resume(). Waits. Not from a processor's thread. */
void cpus_pause(struct cpus *cpus) EXCLUDES(bql);
void cpus_resume(struct cpus *cpus);

/** The state after power-on, reset or INIT of a processor (Intel SDM vol. 3, table 9-1). */
void cpu_state_reset(struct cpu_state *ret_state);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a back end is to the common part of the processors, and what it may use of it.
 */
#ifndef HW_CPU_BACKEND_H
#define HW_CPU_BACKEND_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/cpu/cpu.h"
#include "util/atomic.h"

/* A back end. The only two are cpu_soft and cpu_kvm. */
struct cpu_backend {
    const char *name;                     /* "soft", "KVM": as in the thread's name */
    int kick_signal;                      /* that kick() sends to the thread; 0: none */
    bool has_real_mode;                   /* a startup message can be obeyed */
    bool (*is_usable)(GError **error);    /* cpu_backend_is_usable(); NULL: always */
    struct cpus *(*open)(GError **error); /* what all processors share, or NULL */
    void (*close)(struct cpus *cpus);
    /** The memory, ports and board of @cpus are known now. NULL: does not matter. */
    bool (*attach)(struct cpus *cpus, GError **error);
    struct cpu *(*create)(struct cpus *cpus, unsigned index, GError **error);
    void (*destroy)(struct cpu *cpu);
    /**
     * Run the guest until something happens. The processor's thread, outside any section. First
     * it lowers its kick; then, behind a full barrier, it looks at cpu_must_leave(), and returns
     * at once if so. A processor that is halted, and has nothing to take, is CPU_EXIT_HALTED.
     */
    enum cpu_exit (*run)(struct cpu *cpu);
    /** Make run() return soon. Any thread; no locks; must not block. Events were set before. */
    void (*kick)(struct cpu *cpu);
    /** The processor's thread, or any while it is paused. */
    void (*get_state)(struct cpu *cpu, struct cpu_state *ret_state);
    int (*set_state)(struct cpu *cpu, const struct cpu_state *state);
    /** What is not in a state goes back to power-on; then it is given one. NULL: there is none. */
    void (*reset)(struct cpu *cpu);
};

/** For back ends: whether run() must return before, or instead of, running the guest. */
static inline bool cpu_must_leave(const struct cpu *cpu)
{
    return load_relaxed(&cpu->events) & ~(uint32_t)CPU_EVENTS_OF_BACKEND;
}

/** For back ends: those of @events that are set, and are not any more. A full barrier. */
static inline uint32_t cpu_take(struct cpu *cpu, uint32_t events)
{
    if (!(load_relaxed(&cpu->events) & events))
        return 0;
    return fetch_and(&cpu->events, ~events) & events; /* pairs with the fetch_or in cpu_post() */
}

/**
 * For back ends: bring all others out and keep them out. On the thread of @cpu, outside any
 * section. It counts as out until it has its turn: somebody may look at its state meanwhile.
 * False: it has no turn any more, since the thread is to end; nothing is to be released.
 */
bool cpu_stop_others(struct cpu *cpu) MUST_CHECK EXCLUDES(bql);
void cpu_release_others(struct cpu *cpu);

#endif

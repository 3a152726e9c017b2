/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The KVM back end's own: what its files share.
 *
 * Threads: a struct kvm_cpu belongs to its processor's thread, but for what is
 * atomic, and while it is paused. Memory slots are changed under the BQL.
 */
#ifndef HW_CPU_KVM_H
#define HW_CPU_KVM_H

#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "hw/cpu/cpu.h"
#include "hw/mem/listener.h"

enum { KVM_KICK_SIGNAL = SIGUSR1 };

/* Of MSRs, those that more than one file knows. */
enum { MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0 };

/* Guest memory as KVM knows it: slots, one for each range of RAM. kvm_mem.c */
struct kvm_mem {
    struct mem_listener listener;
    unsigned max_slots;
    unsigned next_slot;   /* numbers from here on have never been used */
    GArray *free;         /* of unsigned: numbers that may be used again */
    GHashTable *by_start; /* of struct kvm_slot, which it owns */
    GPtrArray *leaving;   /* slots that this commit deletes, and KVM still has */
    GPtrArray *waiting;   /* new ones that have to wait until those are gone */
    bool has_stopped;     /* the processors: within this commit */
    uint32_t is_changing; /* no processor enters the guest; atomic */
    struct sequence left; /* a processor has left it meanwhile */
    struct sequence done; /* it may enter again */
};

/* What the guest's clocks showed when the machine stopped. kvm_clock.c; guarded by the BQL */
struct kvm_stopped_clock {
    bool is_stopped;
    bool has_kvmclock, has_tsc; /* and their values are valid */
    uint64_t kvmclock_ns, tsc;
};

struct kvm {
    struct cpus cpus;
    int fd; /* /dev/kvm */
    int vm;
    size_t run_size;
    struct kvm_cpuid2 *supported;
    struct kvm_mem mem;
    struct kvm_stopped_clock clock;
    bool is_listening;
    bool has_chips;     /* local APICs in the kernel */
    bool has_doorbells; /* of any size */
    bool has_deadline;  /* in the kernel's local APICs */
    bool filters_msrs;  /* those that are the board's come out: kvm_exit.c */
};

struct kvm_cpu {
    struct cpu cpu;
    int fd;
    struct kvm_run *run; /* shared with the kernel; immediate_exit also with kvm_kick() */
    pid_t thread;        /* atomic */
    uint32_t is_inside;  /* in, or about to enter, KVM_RUN; atomic */
    bool is_halted;
    bool is_unfinished; /* an access: the state is whole only after another KVM_RUN */
    unsigned priority;  /* CR8 that the board knows */
    struct kvm_lapic_state lapic_at_reset;
};

static inline struct kvm *kvm_of(struct cpus *cpus)
{
    return container_of(cpus, struct kvm, cpus);
}

static inline const struct kvm *kvm_of_const(const struct cpus *cpus)
{
    return container_of(cpus, const struct kvm, cpus);
}

static inline struct kvm_cpu *kvm_cpu_of(struct cpu *cpu)
{
    return container_of(cpu, struct kvm_cpu, cpu);
}

/** ioctl(), again where a signal interrupted it; -1 with errno. */
int kvm_ioctl(int fd, unsigned long request, void *arg);

/* kvm.c */
void kvm_kick(struct cpu *cpu);

/* kvm_open.c */

/** What @check says of the device, opened for it. False too if it cannot be opened. */
bool kvm_check_device(bool (*check)(int fd, GError **error), GError **error);
bool kvm_is_usable(GError **error);
struct cpus *kvm_open(GError **error);
bool kvm_attach(struct cpus *cpus, GError **error);
void kvm_close(struct cpus *cpus);

/** "KVM: @what: " and errno's text; false. */
bool kvm_fail(GError **error, const char *what);

/* kvm_chips.c: they do nothing where chips are not wanted. */

/** Before the first processor is made. */
bool kvm_chips_init(struct kvm *kvm, GError **error);
bool kvm_chip_init(struct kvm_cpu *cpu, GError **error);
void kvm_chip_reset(struct kvm_cpu *cpu);

/* kvm_clock.c */
void kvm_tsc_init(struct kvm_cpu *cpu);

/* kvm_mem.c */
void kvm_mem_init(struct kvm *kvm);
void kvm_mem_fini(struct kvm *kvm);

/** Before KVM_RUN, is_inside being set: false if that has been taken back, and to be done again. */
bool kvm_mem_may_enter(struct kvm_cpu *cpu);
void kvm_mem_has_left(struct kvm_cpu *cpu);

/* kvm_state.c */
bool kvm_set_cpuid(struct kvm_cpu *cpu, unsigned index, GError **error);
void kvm_get_state(struct cpu *cpu, struct cpu_state *ret_state);
int kvm_set_state(struct cpu *cpu, const struct cpu_state *state);
void kvm_reset(struct cpu *cpu);

uint64_t kvm_apic_base_at_reset(const struct kvm_cpu *cpu);

/** One MSR, in either direction; false: KVM refuses. */
bool kvm_move_msr(struct kvm_cpu *cpu, uint32_t msr, uint64_t *value, bool is_set);

/* kvm_exit.c */

/** What has ended KVM_RUN is dealt with: true, or the processor stops because of @ret_why. */
bool kvm_handle_exit(struct kvm_cpu *cpu, enum cpu_exit *ret_why);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's time: its time stamp counters, and kvmclock, which is the kernel's.
 *
 * One clock for all processors: all counters are given the same offset from the host's, and a
 * guest's writes to them are ignored (kvm_exit.c), as by the software processor. While the machine
 * stands still so do both clocks: when it goes on, the counters' offset is set back by what they
 * have counted meanwhile, which KVM lets us do exactly, and then kvmclock, which is counted from
 * them, to what it showed.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "hw/cpu/cpuid.h"
#include "hw/cpu/kvm.h"
#include "hw/cpu/kvm_chips.h"
#include "util/log.h"

/* ---- Frequency --------------------------------------------------------------------------- */

void kvm_tsc_init(struct kvm_cpu *cpu)
{
    struct kvm *kvm = kvm_of(cpu->cpu.cpus);
    uint64_t zero = 0;

    /* All machines on all hosts count alike, where the host's counter can be scaled. */
    if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0 &&
        ioctl(cpu->fd, KVM_SET_TSC_KHZ, (unsigned long)(CPU_TSC_HZ / 1000)) < 0)
        log_topic(cpu, "KVM: processor %u has the host's TSC frequency", cpu->cpu.index);
    /* Of those that begin at 0, KVM makes all count like the first. */
    if (!kvm_move_msr(cpu, MSR_TSC, &zero, true))
        log_topic(cpu, "KVM: processor %u keeps its TSC: %s", cpu->cpu.index, g_strerror(errno));
}

/* ---- Standing still ----------------------------------------------------------------------- */

void kvm_clock_stop(struct cpus *cpus)
{
    struct kvm *kvm = kvm_of(cpus);
    struct kvm_clock_data clock = { 0 };

    if (kvm->clock.is_stopped)
        return;
    kvm->clock.is_stopped = true;
    kvm->clock.has_kvmclock = kvm_ioctl(kvm->vm, KVM_GET_CLOCK, &clock) == 0;
    kvm->clock.kvmclock_ns = clock.clock;
    kvm->clock.has_tsc = kvm_move_msr(kvm_cpu_of(cpus->cpu[0]), MSR_TSC, &kvm->clock.tsc, false);
    /* A guest that has its clock there is told, lest its watchdogs bark. EINVAL: it has not. */
    for (unsigned i = 0; i < cpus->nr_cpus; i++)
        (void)kvm_ioctl(kvm_cpu_of(cpus->cpu[i])->fd, KVM_KVMCLOCK_CTRL, NULL);
}

/* The offset of @cpu's counter from the host's. False: this KVM does not let us. */
static bool move_tsc_offset(struct kvm_cpu *cpu, uint64_t *offset, bool is_set)
{
    struct kvm_device_attr attr = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = KVM_VCPU_TSC_OFFSET,
        .addr = (uintptr_t)offset,
    };

    return kvm_ioctl(cpu->fd, is_set ? KVM_SET_DEVICE_ATTR : KVM_GET_DEVICE_ATTR, &attr) == 0;
}

static bool set_tsc_back(struct cpus *cpus, uint64_t counted)
{
    uint64_t offset;

    if (!move_tsc_offset(kvm_cpu_of(cpus->cpu[0]), &offset, false))
        return false;
    offset -= counted;
    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        if (!move_tsc_offset(kvm_cpu_of(cpus->cpu[i]), &offset, true))
            return false;
    }
    return true;
}

/* A timer counts on the host's clock from when it is set: it is set again by the new offset. */
static void set_deadline_again(struct kvm_cpu *cpu)
{
    uint64_t deadline = 0;

    if (kvm_move_msr(cpu, MSR_TSC_DEADLINE, &deadline, false) && deadline)
        (void)kvm_move_msr(cpu, MSR_TSC_DEADLINE, &deadline, true); /* it has just been so */
}

void kvm_clock_start(struct cpus *cpus)
{
    struct kvm *kvm = kvm_of(cpus);
    struct kvm_clock_data clock = { .clock = kvm->clock.kvmclock_ns };
    uint64_t now = 0;

    if (!kvm->clock.is_stopped)
        return;
    kvm->clock.is_stopped = false;
    if (!kvm->clock.has_tsc || !kvm_move_msr(kvm_cpu_of(cpus->cpu[0]), MSR_TSC, &now, false) ||
        !set_tsc_back(cpus, now - kvm->clock.tsc))
        log_topic(cpu, "KVM: time stamp counters have gone on while the machine stood still");
    for (unsigned i = 0; kvm->has_chips && i < cpus->nr_cpus; i++)
        set_deadline_again(kvm_cpu_of(cpus->cpu[i]));
    if (kvm->clock.has_kvmclock && kvm_ioctl(kvm->vm, KVM_SET_CLOCK, &clock) < 0)
        log_warn("KVM: the guest's clock jumps: %s", g_strerror(errno));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The KVM back end: life, kicks, and the loop around KVM_RUN.
 *
 * A kick is `immediate_exit`, which makes the next KVM_RUN return at once, and a
 * signal if the thread is in one already. Why none is lost: see cpu.c; in addition
 * the thread says that it is inside before KVM_RUN looks at immediate_exit, and the
 * kicker sets that before it looks whether the thread is inside, each with a full
 * barrier between. So at least one sees the other.
 *
 * Without chips in the kernel the board's are asked, and told, in the same way as by
 * the software processor. With them (kvm_chips.c) interrupts, halts, INIT and startup
 * messages are the kernel's affair: a halted processor sleeps inside KVM_RUN, and a
 * kick brings it out by the same signal. Linux: Documentation/virt/kvm/api.rst.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/kvm.h"
#include "util/log.h"

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int result;

    do
        result = ioctl(fd, request, arg);
    while (result < 0 && errno == EINTR);
    return result;
}

/* ---- Running ------------------------------------------------------------------------ */

void kvm_kick(struct cpu *common)
{
    struct kvm_cpu *cpu = kvm_cpu_of(common);

    store_relaxed(&cpu->run->immediate_exit, 1);
    smp_mb(); /* ask, then look: pairs with the barrier in enter() */
    if (load_relaxed(&cpu->is_inside))
        (void)tgkill(getpid(), load_relaxed(&cpu->thread), KVM_KICK_SIGNAL); /* it may have ended */
}

/* KVM_RUN: true if the guest came out with something, false if it was kicked out. */
static bool enter(struct kvm_cpu *cpu, int *ret_errno)
{
    int result;

    *ret_errno = 0;
    store_relaxed(&cpu->is_inside, 1);
    smp_mb(); /* pairs with the barriers in kvm_kick() and in stop_processors() */
    if (!kvm_mem_may_enter(cpu))
        return false;
    result = ioctl(cpu->fd, KVM_RUN, NULL);
    if (result < 0)
        *ret_errno = errno;
    store_release(&cpu->is_inside, 0); /* pairs with the acquire in stop_processors() */
    kvm_mem_has_left(cpu);
    return result == 0;
}

/* Whether the processor, halted or before KVM_RUN, would take an interrupt now. */
static bool is_interruptible(struct kvm_cpu *cpu)
{
    struct kvm_regs regs;

    if (!cpu->is_halted)
        return cpu->run->ready_for_interrupt_injection;
    return kvm_ioctl(cpu->fd, KVM_GET_REGS, &regs) == 0 && regs.rflags & FLAG_IF;
}

static bool is_nmi_blocked(struct kvm_cpu *cpu)
{
    struct kvm_vcpu_events events;

    return kvm_ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &events) == 0 && events.nmi.masked;
}

/* Give the guest what is pending, or have KVM tell when it can be given. */
static void inject(struct kvm_cpu *cpu)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;
    const unsigned index = cpu->cpu.index;
    const uint32_t events = cpu_take(&cpu->cpu, CPU_EVENTS_OF_BACKEND);
    struct kvm_interrupt interrupt;
    int vector;

    if (events & CPU_EVENT_NMI) {
        if (cpu->is_halted && !is_nmi_blocked(cpu))
            cpu->is_halted = false;
        if (kvm_ioctl(cpu->fd, KVM_NMI, NULL) < 0)
            log_error("KVM: processor %u cannot be given an NMI: %s", index, g_strerror(errno));
    }
    cpu->run->request_interrupt_window = 0;
    if (kvm_of(cpu->cpu.cpus)->has_chips)
        return;
    if (!board->has_interrupt || !board->has_interrupt(board->opaque, index))
        return;
    if (!is_interruptible(cpu)) {
        cpu->run->request_interrupt_window = 1;
        return;
    }
    vector = board->acknowledge(board->opaque, index);
    if (vector < 0)
        return;
    interrupt.irq = (uint32_t)vector;
    if (kvm_ioctl(cpu->fd, KVM_INTERRUPT, &interrupt) < 0)
        log_error("KVM: processor %u cannot be given vector %d: %s", index, vector,
                  g_strerror(errno));
    cpu->is_halted = false;
    /* One at a time; if there are more, KVM is asked about the next behind this one. */
    cpu->run->request_interrupt_window = board->has_interrupt(board->opaque, index);
}

static void tell_priority(struct kvm_cpu *cpu)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;

    if (kvm_of(cpu->cpu.cpus)->has_chips || cpu->run->cr8 == cpu->priority)
        return;
    cpu->priority = (unsigned)cpu->run->cr8;
    if (board->set_priority)
        board->set_priority(board->opaque, cpu->cpu.index, cpu->priority);
}

/* The board's APIC may have been given another by its registers: CR8 is to read as that. */
static void ask_priority(struct kvm_cpu *cpu)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;

    if (!board->get_priority)
        return;
    cpu->priority = board->get_priority(board->opaque, cpu->cpu.index);
    cpu->run->cr8 = cpu->priority; /* KVM_RUN takes it from there */
}

static enum cpu_exit kvm_run(struct cpu *common)
{
    struct kvm_cpu *cpu = kvm_cpu_of(common);

    store_relaxed(&cpu->thread, gettid());
    for (;;) {
        enum cpu_exit why;
        bool must_leave;
        int error;

        store_relaxed(&cpu->run->immediate_exit, 0);
        smp_mb(); /* lower, then look: pairs with the barrier in cpu_post() */
        must_leave = cpu_must_leave(common);
        if (must_leave) {
            if (!cpu->is_unfinished)
                return CPU_EXIT_KICKED;
            store_relaxed(&cpu->run->immediate_exit, 1); /* finish it, and no more */
        } else {
            inject(cpu);
            if (cpu->is_halted)
                return CPU_EXIT_HALTED;
        }
        ask_priority(cpu);
        if (enter(cpu, &error)) {
            cpu->is_unfinished = false;
            tell_priority(cpu);
            if (!kvm_handle_exit(cpu, &why))
                return why;
        } else if (error == EINTR) {
            cpu->is_unfinished = false;
            tell_priority(cpu);
        } else if (error && error != EAGAIN) {
            log_error("KVM: processor %u cannot run: %s", common->index, g_strerror(error));
            return CPU_EXIT_FAILED;
        }
    }
}

/* ---- Life ----------------------------------------------------------------------------- */

static void kvm_destroy(struct cpu *common)
{
    struct kvm_cpu *cpu = kvm_cpu_of(common);

    if (cpu->run)
        munmap(cpu->run, kvm_of(common->cpus)->run_size);
    if (cpu->fd >= 0)
        close(cpu->fd);
    free(cpu);
}

static struct cpu *kvm_create(struct cpus *cpus, unsigned index, GError **error)
{
    struct kvm *kvm = kvm_of(cpus);
    struct kvm_cpu *cpu = aligned_alloc(CACHE_LINE, sizeof(*cpu));
    struct kvm_enable_cap enforce = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
    void *run;

    g_assert(cpu); /* as g_new() does */
    memset(cpu, 0, sizeof(*cpu));
    cpu->cpu.cpus = cpus;
    cpu->fd = ioctl(kvm->vm, KVM_CREATE_VCPU, (unsigned long)index);
    if (cpu->fd < 0) {
        kvm_fail(error, "cannot make a processor");
        goto failed;
    }
    run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    if (run == MAP_FAILED) {
        kvm_fail(error, "cannot map a processor's shared memory");
        goto failed;
    }
    cpu->run = run;
    kvm_tsc_init(cpu);
    /* What CPUID does not offer is not there; before Linux 5.10 it is, unasked. */
    (void)kvm_ioctl(cpu->fd, KVM_ENABLE_CAP, &enforce);
    if (!kvm_set_cpuid(cpu, index, error) || !kvm_chip_init(cpu, error))
        goto failed;
    return &cpu->cpu;
failed:
    kvm_destroy(&cpu->cpu);
    return NULL;
}

const struct cpu_backend cpu_kvm = {
    .name = "KVM",
    .kick_signal = KVM_KICK_SIGNAL,
    .has_real_mode = true,
    .is_usable = kvm_is_usable,
    .open = kvm_open,
    .close = kvm_close,
    .attach = kvm_attach,
    .create = kvm_create,
    .destroy = kvm_destroy,
    .run = kvm_run,
    .kick = kvm_kick,
    .get_state = kvm_get_state,
    .set_state = kvm_set_state,
    .reset = kvm_reset,
};

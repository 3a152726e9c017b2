/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors, and what interrupts them. Three ways: ours with our local APICs; KVM's with those
 * in its kernel; KVM's with ours, where the kernel has none. The I/O APIC is always ours.
 */
#include "hw/cpu/kvm_chips.h"
#include "hw/cpu/tsc.h"
#include "hw/irq/ioapic.h"
#include "hw/irq/kvm_irq.h"
#include "hw/irq/lapic.h"
#include "hw/machine/kvmclock.h"
#include "hw/machine/layout.h"
#include "hw/machine/mailbox.h"
#include "hw/machine/parts.h"
#include "util/log.h"

/* ---- What processors ask of the board ------------------------------------------------------- */

static int acknowledge(void *opaque, unsigned index)
{
    return lapics_acknowledge(((struct machine *)opaque)->lapics, index);
}

static bool has_interrupt(void *opaque, unsigned index)
{
    return lapics_has_interrupt(((struct machine *)opaque)->lapics, index);
}

static bool read_msr(void *opaque, unsigned index, uint32_t msr, uint64_t *ret_value)
{
    struct machine *machine = opaque;

    if (machine->lapics && lapics_read_msr(machine->lapics, index, msr, ret_value))
        return true;
    return machine->kvmclock && kvmclock_read_msr(machine->kvmclock, index, msr, ret_value);
}

static bool write_msr(void *opaque, unsigned index, uint32_t msr, uint64_t value)
{
    struct machine *machine = opaque;

    if (machine->lapics && lapics_write_msr(machine->lapics, index, msr, value))
        return true;
    return machine->kvmclock && kvmclock_write_msr(machine->kvmclock, index, msr, value);
}

static void set_priority(void *opaque, unsigned index, unsigned priority)
{
    lapics_set_priority(((struct machine *)opaque)->lapics, index, priority);
}

static unsigned get_priority(void *opaque, unsigned index)
{
    return lapics_get_priority(((struct machine *)opaque)->lapics, index);
}

static void initialised(void *opaque, unsigned index)
{
    lapics_initialised(((struct machine *)opaque)->lapics, index);
}

static uint64_t read_tsc(void *opaque)
{
    return cpu_tsc(&((struct machine *)opaque)->clock);
}

static void cpu_stopped(void *opaque, unsigned index, enum cpu_exit why)
{
    struct machine *machine = opaque;

    log_topic(cpu, "processor %u has stopped: %s", index,
              why == CPU_EXIT_TRIPLE_FAULT ? "triple fault"
              : why == CPU_EXIT_FIRMWARE   ? "gone to firmware"
                                           : "failure");
    if (why == CPU_EXIT_FIRMWARE)
        machine_ask_reset(machine);
    else
        machine_ask_end(machine,
                        why == CPU_EXIT_TRIPLE_FAULT ? MACHINE_TRIPLE_FAULT : MACHINE_FAILED);
}

static void end_of_interrupt(void *opaque, unsigned vector)
{
    ioapic_end_of_interrupt(((struct machine *)opaque)->ioapic, vector);
}

static void startup(void *opaque, unsigned index, unsigned vector)
{
    cpu_start_up(((struct machine *)opaque)->cpus->cpu[index], vector);
}

static void describe_board(struct machine *machine)
{
    machine->board = (struct cpu_board){
        .read_msr = read_msr,
        .write_msr = write_msr,
        .read_tsc = read_tsc,
        .stopped = cpu_stopped,
        .opaque = machine,
    };
    if (!machine->lapics) {
        machine->board.has_kernel_chips = true;
        machine->board.end_of_interrupt = end_of_interrupt;
        return;
    }
    machine->board.acknowledge = acknowledge;
    machine->board.has_interrupt = has_interrupt;
    machine->board.set_priority = set_priority;
    machine->board.get_priority = get_priority;
    machine->board.initialised = initialised;
}

/* ---- Life ---------------------------------------------------------------------------------------
 */

/* Local APICs, ours or the kernel's, as the place where messages end. */
static bool make_sink(struct machine *machine, struct msi_sink *ret_sink, GError **error)
{
    const struct lapic_ops ops = {
        .end_of_interrupt = end_of_interrupt,
        .startup = startup,
        .opaque = machine,
    };

    if (machine->config.backend == &cpu_kvm && kvm_can_have_chips(NULL)) {
        machine->kvm_irq = kvm_irq_new();
        kvm_irq_sink(machine->kvm_irq, ret_sink);
        return true;
    }
    machine->lapics = lapics_new(machine->config.nr_cpus, &machine->clock, &ops, error);
    if (!machine->lapics)
        return false;
    lapics_sink(machine->lapics, ret_sink);
    return true;
}

static bool attach(struct machine *machine, GError **error) REQUIRES(bql)
{
    if (!machine->lapics)
        return kvm_irq_attach(machine->kvm_irq, machine->cpus, error);
    return lapics_attach(machine->lapics, machine->cpus, error) &&
           pc_place(machine, machine->memory_root, LAYOUT_LAPIC,
                    lapics_region(machine->lapics, machine->mem), error);
}

/* What only processors of ours need: the kernel has a clock of its own, and real mode. */
static bool make_soft_parts(struct machine *machine, GError **error) REQUIRES(bql)
{
    machine->kvmclock = kvmclock_new(machine->memory, &machine->clock, machine->config.nr_cpus);
    machine->mailbox = mailbox_new(machine->cpus);
    return pc_place(machine, machine->memory_root, LAYOUT_MAILBOX,
                    mailbox_region(machine->mailbox, machine->mem), error);
}

bool chips_init(struct machine *machine, GError **error)
{
    struct msi_sink sink;

    if (!make_sink(machine, &sink, error))
        return false;
    machine->routes = msi_routes_new(&sink);
    machine->ioapic = ioapic_new(machine->routes, error);
    if (!machine->ioapic || !pc_place(machine, machine->memory_root, LAYOUT_IOAPIC,
                                      ioapic_region(machine->ioapic, machine->mem), error))
        return false;
    describe_board(machine);
    bql_unlock(); /* they may wait for a grace period */
    machine->cpus = cpus_new(machine->config.backend, machine->config.nr_cpus, machine->memory,
                             machine->ports, &machine->board, error);
    bql_lock();
    if (!machine->cpus || !attach(machine, error))
        return false;
    return kvm_is_backend(machine->cpus) || make_soft_parts(machine, error);
}

void chips_stop(struct machine *machine)
{
    if (machine->kvm_irq)
        kvm_irq_detach(machine->kvm_irq);
    bql_unlock();
    if (machine->lapics)
        lapics_detach(machine->lapics);
    cpus_free(machine->cpus);
    bql_lock();
    machine->cpus = NULL;
}

void chips_fini(struct machine *machine)
{
    mailbox_free(machine->mailbox);
    kvmclock_free(machine->kvmclock);
    ioapic_free(machine->ioapic);
    bql_unlock();
    msi_routes_free(machine->routes);
    lapics_free(machine->lapics);
    bql_lock();
    kvm_irq_free(machine->kvm_irq);
}

void chips_reset(struct machine *machine)
{
    cpus_reset(machine->cpus);
    if (machine->lapics)
        lapics_reset(machine->lapics);
    if (machine->kvmclock)
        kvmclock_reset(machine->kvmclock);
    if (machine->mailbox)
        mailbox_reset(machine->mailbox);
    ioapic_reset(machine->ioapic);
}

bool chips_begin(struct machine *machine, const struct cpu_state *state, GError **error)
{
    struct cpu_state waiting;

    cpu_state_reset(&waiting);
    waiting.is_waiting = true;
    for (unsigned i = 0; i < machine->config.nr_cpus; i++) {
        if (cpu_set_state(machine->cpus->cpu[i], i == 0 ? state : &waiting) == 0)
            continue;
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "processor %u cannot be put into the state in which it begins", i);
        return false;
    }
    return true;
}

void chips_clock_changed(struct machine *machine)
{
    if (machine->lapics)
        lapics_clock_changed(machine->lapics);
    if (!kvm_is_backend(machine->cpus))
        return;
    if (guest_clock_is_running(&machine->clock))
        kvm_clock_start(machine->cpus);
    else
        kvm_clock_stop(machine->cpus);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/torture/irq_machine.h"

#include <glib.h>
#include <sched.h>

#include "hw/cpu/backend.h"
#include "hw/mem/view.h"

enum { MSR_BASE = 0x1b, MSR_SVR = 0x80f, DEPTH_MAX = 2 };

struct irq_machine machine;

static struct irq_cpu {
    struct cpu cpu;
    uint64_t random; /* the processor's own */
    unsigned depth;  /* of handlers; the processor's own */
    CACHE_ALIGNED uint32_t kick;
} processors[IRQ_CPUS];
static struct cpus common;

uint64_t irq_random(unsigned index)
{
    uint64_t *random = &processors[index].random;

    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *random >> 33;
}

void irq_write_msr(unsigned index, uint32_t msr, uint64_t value)
{
    torture_check(lapics_write_msr(machine.lapics, index, msr, value));
}

/* ---- Processors ---------------------------------------------------------------------------- */

/* With interrupts on. As the back ends do it: the event is taken, then the APIC is looked at. */
static void take_interrupts(struct irq_cpu *cpu)
{
    const unsigned index = cpu->cpu.index;

    (void)cpu_take(&cpu->cpu, CPU_EVENT_INTERRUPT);
    while (lapics_has_interrupt(machine.lapics, index)) {
        const int vector = lapics_acknowledge(machine.lapics, index);

        if (vector < 0)
            continue;
        cpu->depth++;
        machine.serve(index, (unsigned)vector);
        if (cpu->depth < DEPTH_MAX && irq_random(index) % 4 == 0)
            take_interrupts(cpu); /* a higher one in between */
        irq_write_msr(index, MSR_EOI, 0);
        cpu->depth--;
    }
}

static enum cpu_exit irq_run(struct cpu *common_cpu)
{
    struct irq_cpu *cpu = container_of(common_cpu, struct irq_cpu, cpu);

    store_relaxed(&cpu->kick, 0);
    smp_mb(); /* pairs with the barrier in cpu_post() */
    if (cpu_must_leave(common_cpu))
        return CPU_EXIT_KICKED;
    take_interrupts(cpu);
    if (irq_random(common_cpu->index) % 2)
        return CPU_EXIT_HALTED;
    while (!load_relaxed(&cpu->kick))
        sched_yield();
    return CPU_EXIT_KICKED;
}

static void irq_kick(struct cpu *cpu)
{
    store_relaxed(&container_of(cpu, struct irq_cpu, cpu)->kick, 1);
}

static struct cpus *irq_open(GError **error UNUSED)
{
    common = (struct cpus){ 0 };
    return &common;
}

static void irq_close(struct cpus *cpus UNUSED)
{
}

static struct cpu *irq_create(struct cpus *cpus UNUSED, unsigned index, GError **error UNUSED)
{
    processors[index] = (struct irq_cpu){ .random = torture.seed * IRQ_CPUS + index };
    return &processors[index].cpu;
}

static void irq_destroy(struct cpu *cpu UNUSED)
{
}

static void irq_get_state(struct cpu *cpu UNUSED, struct cpu_state *ret_state)
{
    cpu_state_reset(ret_state);
}

static int irq_set_state(struct cpu *cpu UNUSED, const struct cpu_state *state UNUSED)
{
    return 0;
}

/* ---- The machine --------------------------------------------------------------------------- */

static void make_ioapic(void)
{
    struct msi_sink sink;

    bql_lock();
    machine.mem = mem_new();
    machine.root = region_new_container(machine.mem, "memory", UINT64_C(1) << 32);
    machine.memory = space_new(machine.mem, "memory", machine.root);
    lapics_sink(machine.lapics, &sink);
    machine.routes = msi_routes_new(&sink);
    machine.ioapic = ioapic_new(machine.routes, NULL);
    torture_check(machine.ioapic);
    machine.region = ioapic_region(machine.ioapic, machine.mem);
    torture_check(region_add(machine.root, IOAPIC_BASE, machine.region, 0, NULL));
    guest_clock_start(&machine.clock);
    bql_unlock();
}

static void start_cpu(unsigned index, void (*first)(unsigned index))
{
    struct cpu_state state;

    irq_write_msr(index, MSR_BASE, index ? 0xfee00c00 : 0xfee00d00);
    irq_write_msr(index, MSR_SVR, 0x1ff);
    if (first)
        first(index);
    cpu_state_reset(&state);
    torture_check(cpu_set_state(machine.cpus->cpu[index], &state) == 0);
}

static void tell_ioapic(void *opaque UNUSED, unsigned vector)
{
    ioapic_end_of_interrupt(machine.ioapic, vector);
}

void irq_start(void (*serve)(unsigned index, unsigned vector), void (*first)(unsigned index))
{
    static const struct cpu_backend backend = {
        .name = "fake",
        .open = irq_open,
        .close = irq_close,
        .create = irq_create,
        .destroy = irq_destroy,
        .run = irq_run,
        .kick = irq_kick,
        .get_state = irq_get_state,
        .set_state = irq_set_state,
    };
    static const struct cpu_board board = { .stopped = NULL };
    static const struct lapic_ops ops = { .end_of_interrupt = tell_ioapic };

    machine = (struct irq_machine){ .serve = serve };
    torture.has_met = &machine.has_met;
    machine.lapics = lapics_new(IRQ_CPUS, &machine.clock, &ops, NULL);
    make_ioapic();
    machine.cpus = cpus_new(&backend, IRQ_CPUS, NULL, NULL, &board, NULL);
    torture_check(machine.cpus && lapics_attach(machine.lapics, machine.cpus, NULL));
    for (unsigned i = 0; i < IRQ_CPUS; i++)
        start_cpu(i, first);
    torture_check(cpus_start(machine.cpus, NULL));
}

void irq_end(void)
{
    torture.has_met = NULL;
    cpus_stop(machine.cpus);
    bql_lock();
    ioapic_free(machine.ioapic);
    torture_check(region_del(machine.region, NULL));
    region_unref(machine.region);
    space_free(machine.memory);
    region_unref(machine.root);
    bql_unlock();
    msi_routes_free(machine.routes);
    lapics_free(machine.lapics);
    cpus_free(machine.cpus);
    drain_call_rcu();
    mem_free(machine.mem);
}

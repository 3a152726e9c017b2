/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lab with local APICs in place of its own bitmap of interrupts. */
#include "hw/irq/lapic.h"
#include "tests/guest/machine.h"

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
    return lapics_read_msr(((struct machine *)opaque)->lapics, index, msr, ret_value);
}

static bool write_msr(void *opaque, unsigned index, uint32_t msr, uint64_t value)
{
    return lapics_write_msr(((struct machine *)opaque)->lapics, index, msr, value);
}

static void set_priority(void *opaque, unsigned index, unsigned priority)
{
    lapics_set_priority(((struct machine *)opaque)->lapics, index, priority);
}

static unsigned get_priority(void *opaque, unsigned index)
{
    return lapics_get_priority(((struct machine *)opaque)->lapics, index);
}

static uint64_t read_tsc(void *opaque)
{
    return lapics_read_tsc(((struct machine *)opaque)->lapics);
}

bool machine_add_apics(struct machine *machine, unsigned nr_cpus, GError **error)
{
    static const struct lapic_ops no_ops;
    struct region *page;

    machine->lapics = lapics_new(nr_cpus, &machine->clock, &no_ops, error);
    if (!machine->lapics)
        return false;
    guest_clock_start(&machine->clock);
    machine->board.acknowledge = acknowledge;
    machine->board.has_interrupt = has_interrupt;
    machine->board.read_msr = read_msr;
    machine->board.write_msr = write_msr;
    machine->board.set_priority = set_priority;
    machine->board.get_priority = get_priority;
    machine->board.read_tsc = read_tsc;
    page = lapics_region(machine->lapics, machine->mem);
    g_ptr_array_add(machine->regions, page);
    return region_add(machine->root, LAPIC_BASE, page, 0, error);
}

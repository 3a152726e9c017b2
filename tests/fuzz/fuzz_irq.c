/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APICs, the IOAPIC and message routes, as a hostile guest uses them: the input is a
 * list of accesses, lines and moves of the clock. Checked all the way: a processor that is said
 * to have an interrupt gets one that is above its priority, or its timer was not due after all;
 * what has been served leaves the priority as it was.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "hw/irq/ioapic.h"
#include "hw/irq/lapic.h"
#include "hw/mem/access.h"
#include "tests/fuzz/target.h"
#include "util/guest_clock.h"
#include "util/start.h"

enum {
    NR_CPUS = 3,
    MSR_BASE = 0x1b,
    MSR_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800,
    OP_BYTES = 10, /* what, which, 8 of value */
};

static struct {
    struct guest_clock clock;
    struct lapics *lapics;
    struct msi_routes *routes;
    struct ioapic *ioapic;
    struct mem *mem;
    struct region *root, *region;
    struct space *memory;
    struct irq_line line[4];
    unsigned nr_startups;
} machine;

static void note_end(void *opaque UNUSED, unsigned vector)
{
    g_assert_cmpuint(vector, <, 256);
    ioapic_end_of_interrupt(machine.ioapic, vector);
}

static void note_startup(void *opaque UNUSED, unsigned index, unsigned vector)
{
    g_assert_true(index < NR_CPUS && vector < 256);
    machine.nr_startups++;
}

static void machine_new(void)
{
    static const struct lapic_ops ops = { .end_of_interrupt = note_end, .startup = note_startup };
    struct msi_sink sink;

    bql_lock();
    memset(&machine, 0, sizeof(machine));
    machine.lapics = lapics_new(NR_CPUS, &machine.clock, &ops, NULL);
    lapics_sink(machine.lapics, &sink);
    machine.routes = msi_routes_new(&sink);
    machine.ioapic = ioapic_new(machine.routes, NULL);
    machine.mem = mem_new();
    machine.root = region_new_container(machine.mem, "memory", UINT64_C(1) << 32);
    machine.memory = space_new(machine.mem, "memory", machine.root);
    machine.region = ioapic_region(machine.ioapic, machine.mem);
    g_assert_true(region_add(machine.root, IOAPIC_BASE, machine.region, 0, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(machine.line); i++)
        machine.line[i] = ioapic_line(machine.ioapic, i / 2 * 23); /* two pins, two lines each */
    bql_unlock();
}

/* All inputs use one machine: what a reset leaves behind is found by those that come later. */
static void machine_reset(void)
{
    bql_lock();
    for (unsigned i = 0; i < G_N_ELEMENTS(machine.line); i++)
        irq_line_set(&machine.line[i], false);
    ioapic_reset(machine.ioapic);
    lapics_reset(machine.lapics);
    guest_clock_set(&machine.clock, 1);
    bql_unlock();
}

/* ---- What a guest does ---------------------------------------------------------------------- */

static uint64_t read_msr(unsigned index, uint32_t msr)
{
    uint64_t value = UINT64_MAX;

    if (!lapics_read_msr(machine.lapics, index, msr, &value))
        g_assert_cmphex(value, ==, UINT64_MAX); /* untouched on failure */
    return value;
}

/* As a back end asks. The handler may be nested, or end with its EOI. */
static void take_interrupt(unsigned index, bool ends)
{
    const unsigned before = (unsigned)lapics_get_priority(machine.lapics, index);
    const bool is_said = lapics_has_interrupt(machine.lapics, index);
    const int vector = lapics_acknowledge(machine.lapics, index);

    g_assert_true(is_said || vector < 0);
    if (vector < 0)
        return;
    g_assert_cmpint(vector, >=, 16);
    g_assert_cmpint(vector, <, 256);
    g_assert_cmpuint((unsigned)vector >> 4, >, before);
    g_assert_cmpuint(lapics_get_priority(machine.lapics, index), ==, before);
    if (ends)
        (void)lapics_write_msr(machine.lapics, index, MSR_X2APIC + 0xb, 0);
}

static void touch_ioapic(unsigned which, uint64_t value)
{
    static const uint8_t sizes[] = { 1, 2, 4, 8 };
    uint32_t index = which;
    uint64_t out;

    bql_lock();
    if (value >> 63) { /* a register, as it should be done */
        (void)mem_write_locked(machine.memory, IOAPIC_BASE, &index, 4);
        (void)mem_write_locked(machine.memory, IOAPIC_BASE + 0x10, &value, 4);
        (void)mem_read_locked(machine.memory, IOAPIC_BASE + 0x10, &out, 4);
    } else { /* anything anywhere */
        const gpa_t gpa = IOAPIC_BASE + (value >> 48 & 0xfff);

        (void)mem_write_locked(machine.memory, gpa, &value, sizes[which & 3]);
        (void)mem_read_locked(machine.memory, gpa, &out, sizes[which >> 2 & 3]);
    }
    bql_unlock();
}

static void set_clock(uint64_t value)
{
    const int64_t now_ns = guest_clock_now(&machine.clock);

    bql_lock();
    guest_clock_set(&machine.clock, now_ns + (int64_t)(value & 0xffffffff));
    bql_unlock();
}

enum { WRITE, READ, BASE, DEADLINE, MESSAGE, LINE, IOAPIC, TAKE, CLOCK, REST, NR_OPS };

static void do_rest(unsigned index, unsigned which, uint64_t value)
{
    switch (which % 4) {
    case 0:
        lapics_set_priority(machine.lapics, index, value & 15);
        break;
    case 1:
        lapics_initialised(machine.lapics, index);
        break;
    default:
        bql_lock();
        if (which & 4)
            lapics_reset(machine.lapics);
        else
            ioapic_reset(machine.ioapic);
        bql_unlock();
        break;
    }
}

static void do_op(unsigned op, unsigned index, unsigned which, uint64_t value)
{
    const struct msi_message message = { value >> 32 | LAPIC_BASE, (uint32_t)value };

    switch (op) {
    case WRITE:
        (void)lapics_write_msr(machine.lapics, index, MSR_X2APIC + which % 0x42, value);
        break;
    case READ:
        (void)read_msr(index, MSR_X2APIC + which % 0x42);
        break;
    case BASE:
        value = which & 1 ? value : LAPIC_BASE | (value & 0xd00);
        (void)lapics_write_msr(machine.lapics, index, MSR_BASE, value);
        g_assert_cmphex(read_msr(index, MSR_BASE) & ~UINT64_C(0xd00), ==, LAPIC_BASE);
        break;
    case DEADLINE:
        value = which & 1 ? value : lapics_read_tsc(machine.lapics) + (value & 0xfffffff);
        (void)lapics_write_msr(machine.lapics, index, MSR_DEADLINE, value);
        (void)read_msr(index, MSR_DEADLINE);
        break;
    case MESSAGE:
        msi_send(machine.routes, &message);
        break;
    case LINE:
        bql_lock();
        irq_line_set(&machine.line[which % 4], value & 1);
        bql_unlock();
        break;
    case IOAPIC:
        touch_ioapic(which, value);
        break;
    case TAKE:
        take_interrupt(index, which & 1);
        break;
    case CLOCK:
        set_clock(value);
        break;
    default:
        do_rest(index, which, value);
        break;
    }
}

/* Whatever has happened, a processor gets rid of all that waits for it. */
static void drain(unsigned index)
{
    (void)lapics_write_msr(machine.lapics, index, MSR_X2APIC + 0x8, 0);
    for (unsigned i = 0; i < 4 * 256 && lapics_has_interrupt(machine.lapics, index); i++)
        take_interrupt(index, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_started;

    if (!is_started) {
        if (util_start(NULL) != 0)
            abort();
        bql_unlock();
        machine_new();
        is_started = true;
    }
    machine_reset();
    for (; size >= OP_BYTES; size -= OP_BYTES, data += OP_BYTES) {
        uint64_t value;

        memcpy(&value, data + 2, sizeof(value));
        do_op(data[0] % NR_OPS, data[0] / NR_OPS % NR_CPUS, data[1], value);
    }
    for (unsigned i = 0; i < NR_CPUS; i++)
        drain(i);
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/block.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/locked.h"
#include "hw/cpu/soft/mmu.h"
#include "hw/cpu/soft/tlb.h"
#include "hw/mem/access.h"
#include "util/mutant.h"

static bool crosses(uint64_t va, size_t size)
{
    return (va & ~PAGE_MASK) + size > PAGE_SIZE;
}

static uint64_t host_load(const void *host, unsigned size)
{
    switch (size) {
    case 1:
        return host_load8(host);
    case 2:
        return host_load16(host);
    case 4:
        return host_load32(host);
    default:
        return host_load64(host);
    }
}

static void host_store(void *host, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        host_store8(host, (uint8_t)value);
        break;
    case 2:
        host_store16(host, (uint16_t)value);
        break;
    case 4:
        host_store32(host, (uint32_t)value);
        break;
    default:
        host_store64(host, value);
        break;
    }
}

/* ---- Devices ---------------------------------------------------------------------------- */

/* False: it is memory in the current view, which is pinned now. Look again. */
static bool device_load(struct soft *cpu, gpa_t gpa, unsigned size, uint64_t *ret_value)
    NO_THREAD_SAFETY
{
    enum mem_result result;

    soft_section_leave(cpu);
    result = mem_mmio_read(cpu->cpu.cpus->memory, gpa, size, ret_value);
    soft_section_enter(cpu);
    if (result == MEM_IS_RAM_NOW && MUTANT(cpu_no_reresolve))
        *ret_value = UINT64_MAX;
    return result != MEM_IS_RAM_NOW || MUTANT(cpu_no_reresolve);
}

static bool device_store(struct soft *cpu, gpa_t gpa, unsigned size, uint64_t value)
    NO_THREAD_SAFETY
{
    enum mem_result result;

    soft_section_leave(cpu);
    result = mem_mmio_write(cpu->cpu.cpus->memory, gpa, size, value);
    soft_section_enter(cpu);
    return result != MEM_IS_RAM_NOW;
}

/* ---- Loads ------------------------------------------------------------------------------ */

static uint64_t load_class(struct soft *cpu, const struct op *op, uint64_t va, unsigned size,
                           enum tlb_class class);

/* The lower bytes are read last: by then the whole access cannot fault any more. */
static uint64_t load_split(struct soft *cpu, const struct op *op, uint64_t va, unsigned size,
                           enum tlb_class class)
{
    unsigned nr_low = PAGE_SIZE - (va & ~PAGE_MASK);
    uint64_t value = 0;

    soft_check_canonical(cpu, op, va + size - 1);
    (void)soft_place(cpu, op, va, false, class, 1);
    for (unsigned i = nr_low; i < size; i++)
        value |= load_class(cpu, op, va + i, 1, class) << (8 * i);
    for (unsigned i = 0; i < nr_low; i++)
        value |= load_class(cpu, op, va + i, 1, class) << (8 * i);
    return value;
}

static uint64_t load_bytewise(struct soft *cpu, const struct op *op, uint64_t va, unsigned size,
                              enum tlb_class class)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= load_class(cpu, op, va + i, 1, class) << (8 * i);
    return value;
}

static uint64_t load_class(struct soft *cpu, const struct op *op, uint64_t va, unsigned size,
                           enum tlb_class class)
{
    if (crosses(va, size))
        return load_split(cpu, op, va, size, class);
    for (;;) {
        struct place place = soft_place(cpu, op, va, false, class, size);
        uint64_t value;

        if (place.host)
            return host_load(place.host, size);
        if (device_load(cpu, place.gpa, size, &value))
            return value;
        if (size > 1) /* memory, but perhaps of two ranges */
            return load_bytewise(cpu, op, va, size, class);
    }
}

uint64_t soft_load_slow(struct soft *cpu, const struct op *op, uint64_t va, unsigned size)
{
    return load_class(cpu, op, va, size, (enum tlb_class)cpu->tlb_class);
}

uint64_t soft_load_system(struct soft *cpu, const struct op *op, uint64_t va, unsigned size)
{
    return load_class(cpu, op, va, size, TLB_SUPERVISOR);
}

/* How many of the @left bytes at @va are one access: a device sees as few as may be. */
static unsigned step_at(uint64_t va, size_t left)
{
    unsigned step = 8;

    while (step > left || crosses(va, step))
        step /= 2;
    return step;
}

void soft_load_bytes(struct soft *cpu, const struct op *op, uint64_t va, void *to, size_t size)
{
    uint8_t *bytes = to;

    if (crosses(va, size)) {
        soft_check_canonical(cpu, op, va + size - 1);
        (void)soft_place(cpu, op, va, false, (enum tlb_class)cpu->tlb_class, 1);
        (void)soft_place(cpu, op, (va + size - 1) & PAGE_MASK, false,
                         (enum tlb_class)cpu->tlb_class, 1);
    }
    for (size_t done = 0; done < size;) {
        const unsigned step = step_at(va + done, size - done);
        uint64_t value = soft_load_slow(cpu, op, va + done, step);

        memcpy(bytes + done, &value, step);
        done += step;
    }
}

/* ---- Stores ----------------------------------------------------------------------------- */

/*
 * A store to the code that the running block was made of: what comes behind it in the
 * block may be what is written. So the instruction runs again, alone; nothing
 * has changed yet.
 */
static void check_own_code(struct soft *cpu, const struct op *op, const struct place *place,
                           unsigned size)
{
    uint64_t page = place->ram_offset / RAM_PAGE, marks;
    unsigned first = place->ram_offset % RAM_PAGE / CODE_GRANULE;
    unsigned last = (place->ram_offset + size - 1) % RAM_PAGE / CODE_GRANULE;

    if (!op || cpu->is_single || MUTANT(cpu_own_store_runs_on))
        return;
    marks = code_gate_marks(place->ram, page);
    /* Only then: if the marks have just gone, the sequence has moved before. */
    if (soft_code_has_changed(cpu) ||
        ((marks & (UINT64_MAX << first) & (UINT64_MAX >> (63 - last))) &&
         blocks_runs_in(cpu, place->ram, page)))
        soft_restart(cpu, op, RESTART_SINGLE);
}

/* All that a store in one page may raise. */
static struct place place_to_store(struct soft *cpu, const struct op *op, uint64_t va,
                                   unsigned size, enum tlb_class class)
{
    struct place place = soft_place(cpu, op, va, true, class, size);

    if (place.ram)
        check_own_code(cpu, op, &place, size);
    return place;
}

/* What it has hit of our own code goes before the next block, even if another has told the gate. */
static void code_written(struct soft *cpu, const struct place *place, unsigned size)
{
    code_gate_written(place->ram, place->ram_offset, size);
    if (soft_code_has_changed(cpu))
        soft_leave(cpu);
}

static void store_placed(struct soft *cpu, const struct op *op, uint64_t va, uint64_t value,
                         unsigned size, enum tlb_class class)
{
    for (;;) {
        struct place place = place_to_store(cpu, op, va, size, class);

        if (place.host) {
            host_store(place.host, value, size);
            if (place.ram)
                code_written(cpu, &place, size);
            return;
        }
        if (device_store(cpu, place.gpa, size, value))
            return;
        if (size > 1)
            break; /* memory, but perhaps of two ranges */
    }
    for (unsigned i = 0; i < size; i++)
        store_placed(cpu, op, va + i, (value >> (8 * i)) & 0xff, 1, class);
}

/*
 * Each page that @size bytes touch, once for all that it may raise. What goes to code and beyond
 * runs alone: its parts are stored one after another, and none of them may begin it anew.
 */
static void probe_write(struct soft *cpu, const struct op *op, uint64_t va, size_t size,
                        enum tlb_class class)
{
    soft_check_canonical(cpu, op, va + size - 1);
    for (size_t done = 0; done < size;) {
        size_t step = MIN(size - done, PAGE_SIZE - ((va + done) & ~PAGE_MASK));
        struct place place = place_to_store(cpu, op, va + done, (unsigned)step, class);

        if (place.ram && step < size && op && !cpu->is_single)
            soft_restart(cpu, op, RESTART_SINGLE);
        done += step;
    }
}

static void store_class(struct soft *cpu, const struct op *op, uint64_t va, uint64_t value,
                        unsigned size, enum tlb_class class)
{
    if (!crosses(va, size)) {
        store_placed(cpu, op, va, value, size, class);
        return;
    }
    probe_write(cpu, op, va, size, class);
    for (unsigned i = 0; i < size; i++)
        store_placed(cpu, op, va + i, (value >> (8 * i)) & 0xff, 1, class);
}

void soft_store_slow(struct soft *cpu, const struct op *op, uint64_t va, uint64_t value,
                     unsigned size)
{
    store_class(cpu, op, va, value, size, (enum tlb_class)cpu->tlb_class);
}

void soft_store_system(struct soft *cpu, const struct op *op, uint64_t va, uint64_t value,
                       unsigned size)
{
    store_class(cpu, op, va, value, size, TLB_SUPERVISOR);
}

void soft_probe_write(struct soft *cpu, const struct op *op, uint64_t va, size_t size)
{
    probe_write(cpu, op, va, size, (enum tlb_class)cpu->tlb_class);
}

void soft_store_bytes(struct soft *cpu, const struct op *op, uint64_t va, const void *from,
                      size_t size)
{
    const uint8_t *bytes = from;

    soft_probe_write(cpu, op, va, size);
    for (size_t done = 0; done < size;) {
        const unsigned step = step_at(va + done, size - done);
        uint64_t value = 0;

        memcpy(&value, bytes + done, step);
        soft_store_slow(cpu, op, va + done, value, step);
        done += step;
    }
}

/* ---- Locked accesses ---------------------------------------------------------------------- */

/* Only what the host can lock at once is done at once: memory in one page, without cached code. */
void *soft_lock_begin(struct soft *cpu, const struct op *op, uint64_t va, unsigned size)
{
    enum tlb_class class = (enum tlb_class)cpu->tlb_class;

    if (!crosses(va, size)) {
        struct place place = soft_place(cpu, op, va, true, class, size);

        if (place.host && !place.ram)
            return place.host;
    }
    soft_probe_write(cpu, op, va, size);
    if (!cpu->is_exclusive && !MUTANT(cpu_lock_beside_others))
        soft_restart(cpu, op, RESTART_EXCLUSIVE);
    soft_load_bytes(cpu, op, va, cpu->lock_copy, size);
    return cpu->lock_copy;
}

void soft_lock_end_slow(struct soft *cpu, uint64_t va, unsigned size, void *host)
{
    soft_store_bytes(cpu, NULL, va, host, size);
}

/* ---- Runs of memory ----------------------------------------------------------------------- */

void *soft_bulk(struct soft *cpu, const struct op *op, uint64_t va, bool is_write, size_t *ret_size)
{
    struct place place = soft_place(cpu, op, va, is_write, (enum tlb_class)cpu->tlb_class, 1);
    const struct tlb_entry *entry = tlb_entry(cpu, va);

    if (!place.host || place.ram)
        return NULL;
    if ((is_write ? entry->write_tag : entry->read_tag) != (va & PAGE_MASK))
        return NULL; /* not a whole page of it */
    *ret_size = PAGE_SIZE - (va & ~PAGE_MASK);
    return place.host;
}

/* ---- Physical addresses --------------------------------------------------------------------- */

void *soft_phys(struct soft *cpu, uint64_t gpa, unsigned size) NO_THREAD_SAFETY
{
    return view_pointer(cpu->view, gpa, size, true);
}

void soft_phys_written(struct soft *cpu, uint64_t gpa, unsigned size) NO_THREAD_SAFETY
{
    const struct range *range = view_find(cpu->view, gpa);

    if (range->ram)
        code_gate_written_locked_op(range->ram, range->ram_offset + (gpa - range->start), size);
}

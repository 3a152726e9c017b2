/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "hw/mem/access.h"
#include "hw/mem/view.h"
#include "tests/guest/machine.h"
#include "util/clock.h"
#include "util/log.h"

/* ---- Interrupts ---------------------------------------------------------------------------- */

/* The highest vector of a class above the task priority, or -1. */
static int highest(struct machine *machine, unsigned index)
{
    for (int word = 3; word >= 0; word--) {
        const uint64_t bits = load_acquire(&machine->pending[index][word]); /* pairs with raise() */
        int vector;

        if (!bits)
            continue;
        vector = 64 * word + 63 - __builtin_clzll(bits);
        return (unsigned)vector >> 4 > load_relaxed(&machine->priority[index]) ? vector : -1;
    }
    return -1;
}

static bool has_interrupt(void *opaque, unsigned index)
{
    return highest(opaque, index) >= 0;
}

static int acknowledge(void *opaque, unsigned index)
{
    struct machine *machine = opaque;
    const int vector = highest(machine, index);

    if (vector >= 0)
        fetch_and(&machine->pending[index][vector / 64], ~(UINT64_C(1) << vector % 64));
    return vector;
}

static void set_priority(void *opaque, unsigned index, unsigned priority)
{
    struct machine *machine = opaque;

    store_relaxed(&machine->priority[index], priority);
    cpu_post(machine->cpus->cpu[index], CPU_EVENT_INTERRUPT);
}

static uint64_t read_tsc(void *opaque UNUSED)
{
    return (uint64_t)monotonic_ns() * 5 / 2; /* 2.5 GHz */
}

static void stopped(void *opaque, unsigned index UNUSED, enum cpu_exit why)
{
    struct machine *machine = opaque;

    store_release(&machine->stopped, (int)why); /* pairs with the acquire in run.c */
    loop_quit();
}

/* @value as in lab.h, but at once. */
static void raise_now(struct machine *machine, uint32_t port, uint32_t value)
{
    const unsigned vector = value & 0xff;
    const unsigned index = port == LAB_NMI ? vector : value >> 8 & 0xff;

    if (index >= machine->cpus->nr_cpus)
        return;
    if (port == LAB_NMI) {
        cpu_post(machine->cpus->cpu[index], CPU_EVENT_NMI);
        return;
    }
    if (machine->has_chips) {
        lab_chips_send(&machine->chips, vector, index);
        return;
    }
    fetch_or(&machine->pending[index][vector / 64], UINT64_C(1) << vector % 64);
    cpu_post(machine->cpus->cpu[index], CPU_EVENT_INTERRUPT);
}

static void raise_late(struct loop_timer *timer)
{
    struct later *later = container_of(timer, struct later, timer);

    later->is_used = false;
    raise_now(later->machine, later->port, later->value);
}

static void raise_after(struct machine *machine, uint32_t port, uint32_t value) REQUIRES(bql)
{
    const int64_t delay_ns = (value >> 16) * NS_PER_US;

    if (delay_ns == 0) {
        raise_now(machine, port, value);
        return;
    }
    for (unsigned i = 0; i < LATER_MAX; i++) {
        struct later *later = &machine->later[i];

        if (later->is_used)
            continue;
        later->machine = machine;
        later->port = port;
        later->value = value;
        later->timer.fn = raise_late;
        later->is_used = true;
        loop_timer_set(&later->timer, deadline_after_ns(monotonic_ns(), delay_ns));
        return;
    }
}

static uint32_t count_pending(struct machine *machine)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < 4; i++)
        count += (uint32_t)__builtin_popcountll(load_relaxed(&machine->pending[machine->asked][i]));
    return count;
}

/* ---- Output ---------------------------------------------------------------------------------- */

static void end_line(struct machine *machine)
{
    const char *line = machine->line->str;
    unsigned number;

    machine->nr_checks += g_str_has_prefix(line, "ok ") || g_str_has_prefix(line, "not ok ");
    if (machine->skips_failures && sscanf(line, "not ok %u", &number) == 1)
        printf("%s # SKIP differs: this KVM has no hardware virtualisation behind it\n",
               line + strlen("not "));
    else
        puts(line);
    fflush(stdout);
    g_string_truncate(machine->line, 0);
}

static void debug_write(void *opaque, uint64_t offset UNUSED, uint64_t value, unsigned size UNUSED)
{
    struct machine *machine = opaque;

    bql_assert_held();
    if (value == '\n')
        end_line(machine);
    else if (machine->line->len < 1000)
        g_string_append_c(machine->line, (char)value);
}

static void exit_write(void *opaque, uint64_t offset, uint64_t value, unsigned size UNUSED)
{
    struct machine *machine = opaque;

    bql_assert_held();
    if (offset != 0 || machine->has_exited)
        return;
    machine->has_exited = true;
    machine->status = (uint32_t)value;
    loop_quit();
}

static uint64_t nothing_read(void *opaque UNUSED, uint64_t offset UNUSED, unsigned size UNUSED)
{
    return UINT64_MAX;
}

/* ---- Memory that comes and goes ----------------------------------------------------------------
 */

static void blob_released(void *opaque)
{
    struct machine *machine = opaque;

    fetch_add(&machine->released, 1);
}

static void map_blob(struct machine *machine) REQUIRES(bql)
{
    g_autofree char *name = g_strdup_printf("blob %u", ++machine->nr_blobs);
    struct ram *ram = ram_new(machine->mem, name, LAB_BLOB_SIZE, NULL);
    uint32_t *words;

    if (!ram || machine->blob) {
        ram_unref(ram);
        return;
    }
    words = ram_pointer(ram, 0, LAB_BLOB_SIZE);
    for (unsigned i = 0; i < LAB_BLOB_SIZE / 4; i++)
        words[i] = machine->nr_blobs;
    machine->blob = region_new_ram(machine->mem, name, ram, 0, LAB_BLOB_SIZE);
    ram_unref(ram);
    region_on_released(machine->blob, blob_released, machine);
    if (!region_add(machine->root, LAB_BLOB_AT, machine->blob, 1, NULL))
        region_unref(g_steal_pointer(&machine->blob));
}

static void unmap_blob(struct machine *machine) REQUIRES(bql)
{
    if (!machine->blob || !region_del(machine->blob, NULL))
        return;
    region_unref(g_steal_pointer(&machine->blob));
    force_rcu();
}

/* A range of RAM becomes three, or three become one. */
static void set_overlay(struct machine *machine, bool is_there) REQUIRES(bql)
{
    if (region_is_added(machine->overlay) == is_there)
        return;
    if (!(is_there ? region_add(machine->root, LAB_OVERLAY_AT, machine->overlay, 1, NULL)
                   : region_del(machine->overlay, NULL)))
        log_warn("the overlay at 0x%x stays as it was", LAB_OVERLAY_AT);
}

/* ---- Registers
 * ----------------------------------------------------------------------------------- */

static uint64_t lab_read(void *opaque, uint64_t offset, unsigned size UNUSED)
{
    struct machine *machine = opaque;
    uint32_t value = 0;

    bql_assert_held();
    switch (offset + LAB_ID) {
    case LAB_ID:
        return LAB_MAGIC;
    case LAB_PENDING:
        return count_pending(machine);
    case LAB_DMA:
        (void)mem_read_locked(machine->memory, machine->address, &value, sizeof(value));
        return value; /* ones where there is nothing */
    case LAB_RELEASED:
        return load_relaxed(&machine->released);
    }
    if (machine->has_chips)
        return lab_chips_read(&machine->chips, (uint32_t)offset + LAB_ID);
    return UINT32_MAX;
}

static void lab_write(void *opaque, uint64_t offset, uint64_t value, unsigned size UNUSED)
{
    struct machine *machine = opaque;
    const uint32_t word = (uint32_t)value;

    bql_assert_held();
    switch (offset + LAB_ID) {
    case LAB_INTERRUPT:
    case LAB_NMI:
        raise_after(machine, (uint32_t)offset + LAB_ID, word);
        break;
    case LAB_PENDING:
        machine->asked = word % CPUS_MAX;
        break;
    case LAB_ADDRESS:
        machine->address = word;
        break;
    case LAB_DMA:
        (void)mem_write_locked(machine->memory, machine->address, &word, sizeof(word));
        break;
    case LAB_BLOB:
        if (word)
            map_blob(machine);
        else
            unmap_blob(machine);
        break;
    case LAB_OVERLAY:
        set_overlay(machine, word);
        break;
    default:
        if (machine->has_chips)
            lab_chips_write(&machine->chips, (uint32_t)offset + LAB_ID, word);
        break;
    }
}

static uint64_t scratch_read(void *opaque, uint64_t offset, unsigned size)
{
    struct machine *machine = opaque;
    uint32_t value = 0;

    bql_assert_held();
    if (offset < sizeof(machine->scratch)) {
        memcpy(&value, machine->scratch + offset, size);
    } else if (offset == LAB_STREAM - LAB_SCRATCH) {
        value = ++machine->stream;
    } else if (offset == LAB_SUM - LAB_SCRATCH) {
        value = machine->sum;
        machine->sum = 0;
        machine->stream = 0;
    }
    return value;
}

static void scratch_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct machine *machine = opaque;

    bql_assert_held();
    if (offset < sizeof(machine->scratch))
        memcpy(machine->scratch + offset, &value, size);
    else if (offset == LAB_STREAM - LAB_SCRATCH)
        machine->sum += (uint32_t)value;
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    struct machine *machine = opaque;
    uint64_t value = 0;

    bql_assert_held();
    if (offset >= LAB_WINDOW_LAST && offset < LAB_WINDOW_LAST + 8)
        memcpy(&value, (uint8_t *)&machine->window_last + (offset - LAB_WINDOW_LAST), size);
    else
        memcpy(&value, machine->window + offset, size);
    return value;
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct machine *machine = opaque;
    const uint64_t count = (machine->window_last >> 32) + 1;

    bql_assert_held();
    memcpy(machine->window + offset, &value, size);
    machine->window_last = offset | size << 16 | count << 32;
}

static const struct mmio_ops debug_ops = { .read = nothing_read,
                                           .write = debug_write,
                                           .max_access = 1 };
static const struct mmio_ops exit_ops = { .read = nothing_read, .write = exit_write };
static const struct mmio_ops lab_ops = { lab_read, lab_write, .min_access = 4, .max_access = 4 };
static const struct mmio_ops scratch_ops = { scratch_read, scratch_write, .max_access = 4 };
static const struct mmio_ops window_ops = { .read = window_read, .write = window_write };

static bool add(struct machine *machine, struct region *container, uint64_t at,
                struct region *region, GError **error) REQUIRES(bql)
{
    g_ptr_array_add(machine->regions, region);
    return region_add(container, at, region, 0, error);
}

bool machine_init(struct machine *machine, GError **error)
{
    struct mem *mem = mem_new();

    *machine = (struct machine){ .mem = mem, .stopped = -1, .line = g_string_new(NULL) };
    machine->regions = g_ptr_array_new();
    machine->board = (struct cpu_board){
        .acknowledge = acknowledge,
        .has_interrupt = has_interrupt,
        .set_priority = set_priority,
        .read_tsc = read_tsc,
        .stopped = stopped,
        .opaque = machine,
    };
    machine->root = region_new_container(mem, "memory", UINT64_C(1) << 40);
    machine->port_root = region_new_container(mem, "ports", 0x10000);
    machine->memory = space_new(mem, "memory", machine->root);
    machine->ports = space_new(mem, "ports", machine->port_root);
    machine->overlay = region_new_mmio(mem, "overlay", RAM_PAGE, &window_ops, machine);
    g_ptr_array_add(machine->regions, machine->overlay);
    machine->ram = ram_new(mem, "ram", LAB_RAM_SIZE, error);
    if (!machine->ram)
        return false;
    return add(machine, machine->root, 0, region_new_ram(mem, "ram", machine->ram, 0, LAB_RAM_SIZE),
               error) &&
           add(machine, machine->root, LAB_WINDOW,
               region_new_mmio(mem, "window", LAB_WINDOW_SIZE, &window_ops, machine), error) &&
           add(machine, machine->port_root, LAB_OUTPUT,
               region_new_mmio(mem, "output", 1, &debug_ops, machine), error) &&
           add(machine, machine->port_root, LAB_EXIT,
               region_new_mmio(mem, "exit", 4, &exit_ops, machine), error) &&
           add(machine, machine->port_root, LAB_ID,
               region_new_mmio(mem, "lab", LAB_SCRATCH - LAB_ID, &lab_ops, machine), error) &&
           add(machine, machine->port_root, LAB_SCRATCH,
               region_new_mmio(mem, "scratch", 16, &scratch_ops, machine), error);
}

void machine_fini(struct machine *machine)
{
    for (unsigned i = 0; i < LATER_MAX; i++) {
        if (machine->later[i].is_used)
            loop_timer_cancel(&machine->later[i].timer);
    }
    unmap_blob(machine);
    for (unsigned i = 0; i < machine->regions->len; i++) {
        struct region *region = machine->regions->pdata[i];

        if (region_is_added(region) && !region_del(region, NULL))
            g_assert_not_reached(); /* nobody listens any more */
        region_unref(region);
    }
    g_ptr_array_unref(machine->regions);
    ram_unref(machine->ram);
    space_free(machine->memory);
    space_free(machine->ports);
    region_unref(machine->root);
    region_unref(machine->port_root);
    drain_call_rcu();
    mem_free(machine->mem);
    g_string_free(machine->line, TRUE);
}

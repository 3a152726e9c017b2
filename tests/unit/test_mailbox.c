/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mailbox, with processors of `soft` that begin where it says. */
#include "hw/machine/mailbox.h"

#include <sched.h>
#include <string.h>

#include "hw/cpu/cpu.h"
#include "hw/machine/layout.h"
#include "hw/machine/loader_parts.h"
#include "hw/mem/access.h"
#include "tests/unit/mem_scene.h"

enum {
    RAM_SIZE = 1 << 20,
    MARK = 0x8000, /* what programs write; each another byte */
    MARKS_AND_HALTS = 0x1000,
    MARKS_AND_SPINS = 0x2000,
    MARKS_AND_WAITS = 0x3000, /* for an interrupt */
    MARKS_ELSEWHERE = 0x4000,
};

/* mov byte [MARK], 1, and what follows */
static const uint8_t halts[] = { 0xc6, 0x04, 0x25, 0x00, 0x80, 0, 0, 1, 0xf4, 0xeb, 0xfd };
static const uint8_t spins[] = { 0xc6, 0x04, 0x25, 0x00, 0x80, 0, 0, 1, 0xeb, 0xfe };
static const uint8_t waits[] = { 0xc6, 0x04, 0x25, 0x00, 0x80, 0, 0, 1, 0xfb, 0xf4, 0xeb, 0xfd };
/* mov byte [MARK + 1], 1; hlt; jmp to it */
static const uint8_t elsewhere[] = { 0xc6, 0x04, 0x25, 0x01, 0x80, 0, 0, 1, 0xf4, 0xeb, 0xfd };

struct setup {
    struct scene scene;
    struct region *ports_root;
    struct space *ports;
    struct ram *ram;
    struct region *region, *page;
    struct cpu_board board;
    struct cpus *cpus;
    struct mailbox *mailbox;
};

static void put_code(struct setup *setup, uint64_t at, const void *code, size_t size)
{
    memcpy(ram_pointer(setup->ram, at, size), code, size);
}

static void set_up(struct setup *setup) REQUIRES(bql)
{
    struct mem *mem;

    *setup = (struct setup){ .scene = scene_new(UINT64_C(1) << 32) };
    mem = setup->scene.mem;
    setup->ports_root = region_new_container(mem, "ports", 0x10000);
    setup->ports = space_new(mem, "ports", setup->ports_root);
    setup->ram = ram_new(mem, "ram", RAM_SIZE, NULL);
    setup->region = region_new_ram(mem, "ram", setup->ram, 0, RAM_SIZE);
    put_in(setup->scene.root, 0, setup->region, 0);
    boot_tables_write(setup->ram);
    put_code(setup, MARKS_AND_HALTS, halts, sizeof(halts));
    put_code(setup, MARKS_AND_SPINS, spins, sizeof(spins));
    put_code(setup, MARKS_AND_WAITS, waits, sizeof(waits));
    put_code(setup, MARKS_ELSEWHERE, elsewhere, sizeof(elsewhere));
    bql_unlock();
    setup->cpus = cpus_new(&cpu_soft, 2, setup->scene.space, setup->ports, &setup->board, NULL);
    bql_lock();
    setup->mailbox = mailbox_new(setup->cpus);
    setup->page = mailbox_region(setup->mailbox, mem);
    put_in(setup->scene.root, LAYOUT_MAILBOX, setup->page, 0);
    bql_unlock();
    g_assert_true(cpus_start(setup->cpus, NULL));
    bql_lock();
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    bql_unlock();
    cpus_stop(setup->cpus);
    cpus_free(setup->cpus);
    bql_lock();
    mailbox_free(setup->mailbox);
    take_out_and_forget(setup->page);
    take_out_and_forget(setup->region);
    ram_unref(setup->ram);
    space_free(setup->ports);
    region_unref(setup->ports_root);
    scene_free(&setup->scene);
}

/* What a guest does: who, where, then the command. */
static void wake(struct setup *setup, uint32_t apic_id, uint64_t vector, uint16_t command)
    REQUIRES(bql)
{
    (void)mem_write_locked(setup->scene.space, LAYOUT_MAILBOX + 4, &apic_id, sizeof(apic_id));
    (void)mem_write_locked(setup->scene.space, LAYOUT_MAILBOX + 8, &vector, sizeof(vector));
    (void)mem_write_locked(setup->scene.space, LAYOUT_MAILBOX, &command, sizeof(command));
}

static unsigned command(struct setup *setup) REQUIRES(bql)
{
    uint16_t value = 0xffff;

    (void)mem_read_locked(setup->scene.space, LAYOUT_MAILBOX, &value, sizeof(value));
    return value;
}

static uint8_t *mark(struct setup *setup, unsigned n)
{
    return ram_pointer(setup->ram, MARK + n, 1);
}

static void get_state(struct setup *setup, struct cpu_state *ret_state) REQUIRES(bql)
{
    bql_unlock();
    cpus_pause(setup->cpus);
    cpu_get_state(setup->cpus->cpu[1], ret_state);
    cpus_resume(setup->cpus);
    bql_lock();
}

/* Until processor 1 has written its mark, and rests in HLT if @halts_then. */
static void wait_for_mark(struct setup *setup, unsigned n, bool halts_then) REQUIRES(bql)
{
    struct cpu_state state;

    while (!load_acquire(mark(setup, n))) {
        bql_unlock(); /* it starts under the BQL */
        sched_yield();
        bql_lock();
    }
    do
        get_state(setup, &state);
    while (halts_then && !state.is_halted);
    store_relaxed(mark(setup, n), 0);
}

static void nothing(struct cpu *cpu UNUSED, void *arg UNUSED)
{
}

/* What was asked of processor 1 before this has been done. */
static void wait_for_work(struct setup *setup) REQUIRES(bql)
{
    bql_unlock();
    cpu_run_on(setup->cpus->cpu[1], nothing, NULL);
    bql_lock();
}

static void a_parked_processor_begins(void)
{
    bql_assert_held();
    struct setup setup;

    set_up(&setup);
    wake(&setup, 1, MARKS_AND_HALTS, 1);
    g_assert_cmpuint(command(&setup), ==, 0); /* taken */
    wait_for_mark(&setup, 0, true);
    tear_down(&setup);
}

/* An NMI for all meets those too that wait, and have nobody yet who could take it. */
static void it_begins_without_what_came_before(void)
{
    bql_assert_held();
    struct setup setup;

    set_up(&setup);
    cpu_post(setup.cpus->cpu[1], CPU_EVENT_NMI);
    wake(&setup, 1, MARKS_AND_HALTS, 1);
    wait_for_mark(&setup, 0, true);
    tear_down(&setup);
}

/* So does Linux leave a processor that it takes off line. */
static void one_that_halts_for_ever_begins_again(void)
{
    bql_assert_held();
    struct setup setup;

    set_up(&setup);
    for (unsigned i = 0; i < 3; i++) {
        wake(&setup, 1, MARKS_AND_HALTS, 1);
        wait_for_mark(&setup, 0, true);
        wake(&setup, 1, MARKS_ELSEWHERE, 1);
        wait_for_mark(&setup, 1, true);
    }
    tear_down(&setup);
}

static void one_that_runs_or_waits_is_left_alone(void)
{
    static const uint64_t programs[] = { MARKS_AND_SPINS, MARKS_AND_WAITS };
    bql_assert_held();

    for (unsigned i = 0; i < ARRAY_SIZE(programs); i++) {
        struct setup setup;
        struct cpu_state state;

        set_up(&setup);
        wake(&setup, 1, programs[i], 1);
        wait_for_mark(&setup, 0, programs[i] == MARKS_AND_WAITS);
        wake(&setup, 1, MARKS_ELSEWHERE, 1);
        g_assert_cmpuint(command(&setup), ==, 0);
        wait_for_work(&setup);
        get_state(&setup, &state);
        g_assert_cmphex(state.rip & ~UINT64_C(0xfff), ==, programs[i]);
        g_assert_cmpuint(load_relaxed(mark(&setup, 1)), ==, 0);
        tear_down(&setup);
    }
}

/* Nobody takes what is for nobody, and nothing else happens. */
static void wrong_commands_stay(void)
{
    bql_assert_held();
    struct setup setup;
    const uint8_t byte = 0x5a;
    uint8_t got = 0;

    set_up(&setup);
    wake(&setup, 2, MARKS_AND_HALTS, 1);
    g_assert_cmpuint(command(&setup), ==, 1);
    wake(&setup, UINT32_MAX, MARKS_AND_HALTS, 1);
    g_assert_cmpuint(command(&setup), ==, 1);
    wake(&setup, 1, MARKS_AND_HALTS, 2);
    g_assert_cmpuint(command(&setup), ==, 2);
    wake(&setup, 1, MARKS_AND_HALTS, 0);
    wake(&setup, 1, UINT64_C(1) << 63, 1); /* it begins, and has no IDT for the fault */
    wait_for_work(&setup);
    g_assert_cmpuint(load_relaxed(mark(&setup, 0)), ==, 0);
    /* The rest is memory. */
    (void)mem_write_locked(setup.scene.space, LAYOUT_MAILBOX + 0xfff, &byte, 1);
    (void)mem_read_locked(setup.scene.space, LAYOUT_MAILBOX + 0xfff, &got, 1);
    g_assert_cmpuint(got, ==, byte);
    tear_down(&setup);
}

static void wake_and_reset(struct setup *setup) REQUIRES(bql)
{
    bql_unlock();
    cpus_pause(setup->cpus);
    bql_lock();
    wake(setup, 1, MARKS_AND_HALTS, 1);
    mailbox_reset(setup->mailbox);
    bql_unlock();
    cpus_resume(setup->cpus);
    bql_lock();
}

static void a_reset_forgets_what_was_asked_for(void)
{
    bql_assert_held();
    struct setup setup;

    set_up(&setup);
    wake_and_reset(&setup);
    wait_for_work(&setup);
    g_assert_cmpuint(load_relaxed(mark(&setup, 0)), ==, 0);
    wake(&setup, 1, MARKS_AND_HALTS, 1); /* and it works again */
    wait_for_mark(&setup, 0, true);
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mailbox/begin", a_parked_processor_begins);
    g_test_add_func("/mailbox/nmi", it_begins_without_what_came_before);
    g_test_add_func("/mailbox/again", one_that_halts_for_ever_begins_again);
    g_test_add_func("/mailbox/running", one_that_runs_or_waits_is_left_alone);
    g_test_add_func("/mailbox/wrong", wrong_commands_stay);
    g_test_add_func("/mailbox/reset", a_reset_forgets_what_was_asked_for);
    return run_with_bql();
}

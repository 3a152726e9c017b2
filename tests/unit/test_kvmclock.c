/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine/kvmclock.h"

#include <string.h>
#include <time.h>

#include "hw/cpu/tsc.h"
#include "tests/unit/mem_scene.h"
#include "util/clock.h"
#include "util/guest_clock.h"

enum { WALL = 0x4b564d00, SYSTEM = 0x4b564d01, PAGE = RAM_PAGE };

/* Two pages of RAM, and a clock. */
struct setup {
    struct scene scene;
    struct ram *ram;
    struct region *region;
    struct guest_clock clock;
    struct kvmclock *kvmclock;
};

static void set_up(struct setup *setup) REQUIRES(bql)
{
    *setup = (struct setup){ .scene = scene_new(0x100000) };
    setup->ram = ram_new(setup->scene.mem, "ram", UINT64_C(2) * PAGE, NULL);
    setup->region = region_new_ram(setup->scene.mem, "ram", setup->ram, 0, UINT64_C(2) * PAGE);
    put_in(setup->scene.root, 0, setup->region, 0);
    setup->kvmclock = kvmclock_new(setup->scene.space, &setup->clock, 2);
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    kvmclock_free(setup->kvmclock);
    take_out_and_forget(setup->region);
    ram_unref(setup->ram);
    scene_free(&setup->scene);
}

static uint64_t get(struct setup *setup, uint64_t at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, ram_pointer(setup->ram, at, size), size);
    return value;
}

static bool write_msr(struct setup *setup, unsigned index, uint32_t msr, uint64_t value)
    REQUIRES(bql)
{
    bool is_known;

    bql_unlock(); /* as on a processor's thread */
    is_known = kvmclock_write_msr(setup->kvmclock, index, msr, value);
    bql_lock();
    return is_known;
}

/* What a guest makes of the page at @at when its counter shows @tsc. */
static uint64_t guest_ns(struct setup *setup, uint64_t at, uint64_t tsc)
{
    const int8_t shift = (int8_t)get(setup, at + 28, 1);
    uint64_t delta = tsc - get(setup, at + 8, 8);

    delta = shift < 0 ? delta >> -shift : delta << shift;
    return get(setup, at + 16, 8) +
           (uint64_t)((unsigned __int128)delta * get(setup, at + 24, 4) >> 32);
}

/* Over a year, it is off by less than a millisecond, and never ahead of what it was made of. */
static void the_page_makes_nanoseconds_of_the_counter(void)
{
    bql_assert_held();
    struct setup setup;

    set_up(&setup);
    g_assert_true(write_msr(&setup, 1, SYSTEM, 0x40 | 1));
    g_assert_cmpuint(get(&setup, 0x40, 4) & 1, ==, 0);  /* not being written */
    g_assert_cmpuint(get(&setup, 0x40 + 29, 1), ==, 1); /* stable: alike on all processors */
    for (int64_t ns = 1; ns < 365 * 86400 * NS_PER_S; ns = ns * 3 + 7) {
        uint64_t got;

        guest_clock_set(&setup.clock, ns);
        got = guest_ns(&setup, 0x40, cpu_tsc(&setup.clock));
        g_assert_cmpuint(got, <=, (uint64_t)ns);
        g_assert_cmpuint((uint64_t)ns - got, <=, 2 + (uint64_t)ns / 1000000000);
    }
    tear_down(&setup);
}

static void the_counter_stands_still_with_the_clock(void)
{
    bql_assert_held();
    struct setup setup;
    uint64_t tsc;

    set_up(&setup);
    g_assert_cmpuint(cpu_tsc(&setup.clock), ==, 0);
    guest_clock_set(&setup.clock, 2 * NS_PER_S);
    g_assert_cmpuint(cpu_tsc(&setup.clock), ==, 2 * CPU_TSC_HZ);
    guest_clock_start(&setup.clock);
    while (cpu_tsc(&setup.clock) == 2 * CPU_TSC_HZ)
        ; /* it goes on */
    guest_clock_stop(&setup.clock);
    tsc = cpu_tsc(&setup.clock);
    g_assert_cmpuint(cpu_tsc(&setup.clock), ==, tsc);
    tear_down(&setup);
}

/* It is when the system time was 0, so the system time has to be added. */
static void the_wall_clock_is_that_of_the_start(void)
{
    bql_assert_held();
    struct setup setup;
    time_t before, after;
    uint64_t seconds;

    set_up(&setup);
    guest_clock_set(&setup.clock, 1000 * NS_PER_S);
    before = time(NULL);
    g_assert_true(write_msr(&setup, 0, WALL, 0x80));
    after = time(NULL);
    seconds = get(&setup, 0x84, 4) + 1000;
    g_assert_cmpint((int64_t)seconds, >=, before - 1);
    g_assert_cmpint((int64_t)seconds, <=, after);
    g_assert_cmpuint(get(&setup, 0x88, 4), <, NS_PER_S);
    g_assert_cmpuint(get(&setup, 0x80, 4) & 1, ==, 0);
    tear_down(&setup);
}

static void registers_keep_what_was_written(void)
{
    bql_assert_held();
    struct setup setup;
    uint64_t value = 1;

    set_up(&setup);
    g_assert_true(kvmclock_read_msr(setup.kvmclock, 1, SYSTEM, &value));
    g_assert_cmphex(value, ==, 0);
    g_assert_true(write_msr(&setup, 1, SYSTEM, 0x41));
    g_assert_true(write_msr(&setup, 0, WALL, 0x80));
    g_assert_true(kvmclock_read_msr(setup.kvmclock, 1, SYSTEM, &value));
    g_assert_cmphex(value, ==, 0x41);
    g_assert_true(kvmclock_read_msr(setup.kvmclock, 0, SYSTEM, &value));
    g_assert_cmphex(value, ==, 0); /* each processor has its own */
    g_assert_true(kvmclock_read_msr(setup.kvmclock, 1, WALL, &value));
    g_assert_cmphex(value, ==, 0x80);
    kvmclock_reset(setup.kvmclock);
    g_assert_true(kvmclock_read_msr(setup.kvmclock, 1, SYSTEM, &value));
    g_assert_cmphex(value, ==, 0);
    g_assert_true(kvmclock_read_msr(setup.kvmclock, 1, WALL, &value));
    g_assert_cmphex(value, ==, 0);
    tear_down(&setup);
}

static void what_is_wrong_changes_nothing(void)
{
    bql_assert_held();
    struct setup setup;
    uint64_t value;

    set_up(&setup);
    g_assert_false(write_msr(&setup, 0, 0x11, 0x41)); /* the old numbers are not offered */
    g_assert_false(write_msr(&setup, 0, 0x4b564d02, 0x41));
    g_assert_false(kvmclock_read_msr(setup.kvmclock, 0, 0x12, &value));
    g_assert_false(write_msr(&setup, 0, SYSTEM, 0x43)); /* not aligned */
    g_assert_false(write_msr(&setup, 0, WALL, 0x81));
    g_assert_true(write_msr(&setup, 0, SYSTEM, 0x40));      /* off */
    g_assert_true(write_msr(&setup, 0, SYSTEM, 0x8000001)); /* nothing is there */
    g_assert_true(write_msr(&setup, 0, WALL, UINT64_MAX - 3));
    for (unsigned i = 0; i < 2 * PAGE; i++)
        g_assert_cmpuint(get(&setup, i, 1), ==, 0);
    g_assert_true(write_msr(&setup, 0, SYSTEM, (UINT64_C(2) * PAGE - 4) | 1)); /* half in RAM */
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvmclock/system-time", the_page_makes_nanoseconds_of_the_counter);
    g_test_add_func("/kvmclock/counter", the_counter_stands_still_with_the_clock);
    g_test_add_func("/kvmclock/wall-clock", the_wall_clock_is_that_of_the_start);
    g_test_add_func("/kvmclock/registers", registers_keep_what_was_written);
    g_test_add_func("/kvmclock/wrong", what_is_wrong_changes_nothing);
    return run_with_bql();
}

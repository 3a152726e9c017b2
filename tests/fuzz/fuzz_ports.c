/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The devices at fixed ports (serial port, real-time clock, power registers) under
 * any sequence of accesses, input, time and a back end that takes what it likes.
 *
 * Input: operations of three bytes. Checked: what is printed arrives, in order, and
 * all of it; lines are high only while a register says why; the time shown is a time.
 */
#include <assert.h>
#include <glib.h>
#include <string.h>

#include "hw/dev/power.h"
#include "hw/dev/rtc.h"
#include "hw/dev/serial.h"
#include "hw/mem/access.h"
#include "tests/fuzz/target.h"
#include "util/clock.h"
#include "util/guest_clock.h"
#include "util/loop.h"
#include "util/rcu.h"
#include "util/start.h"

enum { COM = 0x10, POWER = 0x20, RTC = 0x70, PORTS = 0x80, PRINTED_MAX = 1 << 16 };

struct world {
    struct char_backend backend;
    struct serial *serial;
    struct rtc *rtc;
    struct power *power;
    struct guest_clock clock;
    struct space *space;
    bool serial_line, rtc_line, power_line;
    size_t room;      /* of the back end */
    uint8_t *printed; /* by the guest */
    size_t nr_printed, nr_arrived;
};

static struct world world;

static size_t take_output(struct char_backend *backend G_GNUC_UNUSED, const uint8_t *data,
                          size_t size)
{
    size_t taken = size < world.room ? size : world.room;

    assert(world.nr_arrived + taken <= world.nr_printed);
    assert(memcmp(world.printed + world.nr_arrived, data, taken) == 0);
    world.nr_arrived += taken;
    world.room -= taken;
    return taken;
}

static bool wait_for_room(struct char_backend *backend G_GNUC_UNUSED,
                          int64_t deadline_ns G_GNUC_UNUSED)
{
    world.room = SIZE_MAX;
    return true;
}

static void set_line(void *opaque, unsigned pin G_GNUC_UNUSED, bool is_high)
{
    *(bool *)opaque = is_high;
}

static void nothing(void *opaque G_GNUC_UNUSED)
{
}

static uint8_t in(unsigned port)REQUIRES(bql)
{
    uint8_t value;

    assert(mem_read_locked(world.space, port, &value, 1) == MEM_OK);
    return value;
}

static void out(unsigned port, uint8_t value) REQUIRES(bql)
{
    enum { LCR_DLAB = 0x80, MCR_LOOP = 0x10 };

    if (port == COM && !(in(COM + 3) & LCR_DLAB) && !(in(COM + 4) & MCR_LOOP)) {
        if (world.nr_printed == PRINTED_MAX)
            return;
        world.printed[world.nr_printed++] = value;
    }
    assert(mem_write_locked(world.space, port, &value, 1) == MEM_OK);
}

static void type(uint8_t count) REQUIRES(bql)
{
    const struct char_sink *sink = &world.backend.sink;
    size_t room = sink->room(sink->opaque);

    assert(room <= 16);
    for (; count > 0 && room > 0; count--, room--)
        sink->receive(sink->opaque, &count, 1);
    if (room > 0)
        sink->receive_break(sink->opaque);
}

static uint8_t cmos(uint8_t reg) REQUIRES(bql)
{
    out(RTC, reg);
    return in(RTC + 1);
}

static void check_lines(void) REQUIRES(bql)
{
    if (world.serial_line) {
        assert(!(in(COM + 2) & 1));
        assert((in(COM + 4) & 0x18) == 0x08);
    }
    if (world.rtc_line)
        assert(cmos(0x0c) & 0x80);
    assert(!world.rtc_line);
    if (world.power_line)
        assert(in(POWER + POWER_EVENTS) == 1);
    assert(!world.power_line);
}

static void check_time(void) REQUIRES(bql)
{
    enum { B_SET = 0x80, B_BINARY_24 = 6 };

    out(RTC, 0x0b);
    out(RTC + 1, (in(RTC + 1) & (uint8_t)~B_SET) | B_BINARY_24);
    assert(cmos(0) < 60 && cmos(2) < 60 && cmos(4) < 24);
    assert(cmos(6) >= 1 && cmos(6) <= 7 && cmos(7) >= 1 && cmos(7) <= 31);
    assert(cmos(8) >= 1 && cmos(8) <= 12 && cmos(9) < 100 && cmos(0x32) < 100);
}

static void pass_time(uint8_t exponent) REQUIRES(bql)
{
    int64_t step_ns = INT64_C(1) << exponent % 58; /* up to nine years */

    guest_clock_set(&world.clock, guest_clock_now(&world.clock) / 2 + step_ns);
    rtc_clock_changed(world.rtc);
}

static void step(uint8_t kind, uint8_t first, uint8_t second) REQUIRES(bql)
{
    static const uint16_t bases[] = { COM, RTC, POWER };
    static const uint8_t masks[] = { 7, 1, 3 };
    unsigned device = kind / 16 % 3, port = bases[device] + (first & masks[device]);

    switch (kind % 8) {
    case 0:
    case 1:
    case 2:
        out(port, second);
        break;
    case 3:
        (void)in(port);
        break;
    case 4:
        type(second % 20);
        break;
    case 5:
        world.room = second;
        world.backend.drained(world.backend.drained_opaque);
        break;
    case 6:
        pass_time(second);
        if (power_press_button(world.power))
            assert(world.power_line);
        break;
    default:
        (void)loop_iterate(false);
        check_lines();
        break;
    }
}

static void build(struct mem *mem, struct region *root, struct region *regions[3]) REQUIRES(bql)
{
    const struct power_ops power_ops = { .power_off = nothing, .reset = nothing };
    const uint16_t bases[3] = { COM, RTC, POWER };
    struct irq_line line = { .set = set_line, .opaque = &world.serial_line };

    world.backend.write = take_output;
    world.backend.wait = wait_for_room;
    world.serial = serial_new(&line, &world.backend);
    line.opaque = &world.rtc_line;
    world.rtc = rtc_new(&line, &world.clock);
    line.opaque = &world.power_line;
    world.power = power_new(&line, &power_ops);
    regions[0] = serial_region(world.serial, mem);
    regions[1] = rtc_region(world.rtc, mem);
    regions[2] = power_region(world.power, mem);
    for (unsigned i = 0; i < 3; i++)
        assert(region_add(root, bases[i], regions[i], 0, NULL));
}

static void try_input(const uint8_t *data, size_t size) REQUIRES(bql)
{
    struct mem *mem = mem_new();
    struct region *root = region_new_container(mem, "ports", PORTS), *regions[3];

    world = (struct world){ .printed = g_malloc(PRINTED_MAX) };
    world.space = space_new(mem, "ports", root);
    build(mem, root, regions);
    for (; size >= 3; size -= 3, data += 3)
        step(data[0], data[1], data[2]);
    check_lines();
    check_time();
    serial_reset(world.serial);
    rtc_reset(world.rtc);
    power_reset(world.power);
    assert(!world.serial_line && !world.rtc_line && !world.power_line);
    serial_free(world.serial);
    assert(world.nr_arrived == world.nr_printed);
    rtc_free(world.rtc);
    power_free(world.power);
    for (unsigned i = 0; i < 3; i++) {
        assert(region_del(regions[i], NULL));
        region_unref(regions[i]);
    }
    space_free(world.space);
    region_unref(root);
    drain_call_rcu();
    mem_free(mem);
    g_free(world.printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    static bool is_started;

    if (!is_started)
        is_started = util_start(NULL) == 0; /* with the BQL, from now on */
    assert(is_started);
    try_input(data, size);
    return 0;
}

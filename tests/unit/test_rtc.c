/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <time.h>

#include "hw/dev/rtc.h"
#include "tests/unit/port_scene.h"
#include "util/clock.h"
#include "util/guest_clock.h"
#include "util/loop.h"

/* Registers and bits by the MC146818A data sheet. */
enum { SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9 };
enum { ALARM_SECONDS = 1, ALARM_MINUTES = 3, ALARM_HOURS = 5 };
enum { A = 10, B = 11, C = 12, D = 13, CENTURY = 0x32 };
enum { UIP = 0x80, RUNS = 0x26, HELD = 0x76 };                            /* A */
enum { SET = 0x80, PIE = 0x40, AIE = 0x20, UIE = 0x10, DM = 4, H24 = 2 }; /* B */
enum { IRQF = 0x80, PF = 0x40, AF = 0x20, UF = 0x10 };                    /* C */

struct setup {
    struct scene ports;
    struct test_line line;
    struct guest_clock clock; /* stopped, unless a test starts it */
    struct rtc *rtc;
    struct region *region;
};

static void set_up(struct setup *setup) REQUIRES(bql)
{
    struct irq_line line = line_to(&setup->line);

    *setup = (struct setup){ .ports = scene_new(0x10000) };
    guest_clock_set(&setup->clock, 12345 * NS_PER_S);
    setup->rtc = rtc_new(&line, &setup->clock);
    setup->region = rtc_region(setup->rtc, setup->ports.mem);
    put_in(setup->ports.root, RTC_PORT, setup->region, 0);
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    rtc_free(setup->rtc);
    take_out_and_forget(setup->region);
    scene_free(&setup->ports);
}

static uint8_t get(struct setup *setup, unsigned reg) REQUIRES(bql)
{
    out8(&setup->ports, RTC_PORT, (uint8_t)reg);
    return in8(&setup->ports, RTC_PORT + 1);
}

static void put(struct setup *setup, unsigned reg, uint8_t value) REQUIRES(bql)
{
    out8(&setup->ports, RTC_PORT, (uint8_t)(reg | 0x80)); /* NMIs masked, as some do */
    out8(&setup->ports, RTC_PORT + 1, value);
}

static void pass(struct setup *setup, int64_t time_ns) REQUIRES(bql)
{
    guest_clock_set(&setup->clock, guest_clock_now(&setup->clock) + time_ns);
    rtc_clock_changed(setup->rtc);
}

/* As Linux does it: the divider is held meanwhile, and the next second begins 500 ms later. */
static void set_time(struct setup *setup, const uint8_t time[8]) REQUIRES(bql)
{
    static const uint8_t regs[8] = { CENTURY, YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS, WEEKDAY };
    uint8_t b = get(setup, B);

    put(setup, B, b | SET);
    put(setup, A, HELD);
    for (unsigned i = 0; i < 7; i++)
        put(setup, regs[i], time[i]);
    put(setup, B, b);
    put(setup, A, RUNS);
}

#define SET_TIME(setup, ...) set_time(setup, (const uint8_t[8]){ __VA_ARGS__ })

static void check_time(struct setup *setup, const char *expected) REQUIRES(bql)
{
    g_autofree char *text =
        g_strdup_printf("%02x%02x-%02x-%02x %02x:%02x:%02x %x", get(setup, CENTURY),
                        get(setup, YEAR), get(setup, MONTH), get(setup, DAY), get(setup, HOURS),
                        get(setup, MINUTES), get(setup, SECONDS), get(setup, WEEKDAY));

    g_assert_cmpstr(text, ==, expected);
}

/* ---- Time ---------------------------------------------------------------------- */

static void begins_at_the_hosts_time(void) REQUIRES(bql)
{
    struct setup setup;
    time_t before = time(NULL), after;
    struct tm tm = { .tm_sec = 0 };
    time_t shown;

    set_up(&setup);
    after = time(NULL);
    g_assert_cmphex(get(&setup, B), ==, H24);
    g_assert_cmphex(get(&setup, D), ==, 0x80);
    put(&setup, B, H24 | DM);
    tm.tm_year = get(&setup, CENTURY) * 100 + get(&setup, YEAR) - 1900;
    tm.tm_mon = get(&setup, MONTH) - 1;
    tm.tm_mday = get(&setup, DAY);
    tm.tm_hour = get(&setup, HOURS);
    tm.tm_min = get(&setup, MINUTES);
    tm.tm_sec = get(&setup, SECONDS);
    shown = timegm(&tm);
    g_assert_cmpint(shown, >=, before - 1); /* time() lags behind clock_gettime() */
    g_assert_cmpint(shown, <=, after);
    tear_down(&setup);
}

static void time_that_is_set_goes_on(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    SET_TIME(&setup, 0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58);
    check_time(&setup, "1999-12-31 23:59:58 6");
    pass(&setup, 499 * NS_PER_MS);
    check_time(&setup, "1999-12-31 23:59:58 6");
    pass(&setup, 1 * NS_PER_MS);
    check_time(&setup, "1999-12-31 23:59:59 6");
    pass(&setup, 1000 * NS_PER_MS);
    check_time(&setup, "2000-01-01 00:00:00 7");
    pass(&setup, 59 * 24 * 3600 * NS_PER_S);
    check_time(&setup, "2000-02-29 00:00:00 3");
    tear_down(&setup);
}

static void set_mode_stops_the_time_and_keeps_the_phase(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    SET_TIME(&setup, 0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09);
    pass(&setup, 700 * NS_PER_MS); /* 0.2 s into second 10 */
    put(&setup, B, H24 | SET | UIE);
    g_assert_cmphex(get(&setup, B), ==, H24 | SET); /* UIE is cleared by SET */
    pass(&setup, 10 * NS_PER_S);
    check_time(&setup, "2024-05-06 07:08:10 2");
    g_assert_cmphex(get(&setup, C) & UF, ==, UF); /* of before */
    pass(&setup, 10 * NS_PER_S);
    g_assert_cmphex(get(&setup, C) & UF, ==, 0);
    put(&setup, MINUTES, 0x30);
    put(&setup, B, H24);
    check_time(&setup, "2024-05-06 07:30:10 2");
    pass(&setup, 799 * NS_PER_MS);
    check_time(&setup, "2024-05-06 07:30:10 2");
    pass(&setup, 1 * NS_PER_MS);
    check_time(&setup, "2024-05-06 07:30:11 2");
    put(&setup, SECONDS, 0x59); /* without SET, too */
    check_time(&setup, "2024-05-06 07:30:59 2");
    tear_down(&setup);
}

static void held_divider_stops_the_time(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    SET_TIME(&setup, 0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09);
    put(&setup, B, H24 | UIE | PIE);
    put(&setup, A, HELD);
    (void)get(&setup, C);
    pass(&setup, 100 * NS_PER_S);
    check_time(&setup, "2024-05-06 07:08:09 2");
    g_assert_cmphex(get(&setup, C), ==, 0);
    g_assert_cmphex(get(&setup, A), ==, HELD);
    put(&setup, A, RUNS);
    pass(&setup, 500 * NS_PER_MS);
    check_time(&setup, "2024-05-06 07:08:10 2");
    tear_down(&setup);
}

static void binary_and_twelve_hours(void) REQUIRES(bql)
{
    static const struct {
        uint8_t hour, bcd, binary;
    } rows[] = { { 0x00, 0x12, 12 },        { 0x01, 0x01, 1 },    { 0x11, 0x11, 11 },
                 { 0x12, 0x92, 12 | 0x80 }, { 0x13, 0x81, 0x81 }, { 0x23, 0x91, 11 | 0x80 } };
    struct setup setup;

    set_up(&setup);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        put(&setup, B, H24);
        SET_TIME(&setup, 0x20, 0x34, 0x10, 0x29, rows[i].hour, 0x45, 0x56);
        put(&setup, B, 0);
        g_assert_cmphex(get(&setup, HOURS), ==, rows[i].bcd);
        put(&setup, B, DM);
        g_assert_cmphex(get(&setup, HOURS), ==, rows[i].binary);
        g_assert_cmpuint(get(&setup, YEAR), ==, 34);
        put(&setup, B, H24); /* and back: written as it was read */
        put(&setup, HOURS, 0x05);
        put(&setup, B, 0);
        put(&setup, HOURS, rows[i].bcd);
        put(&setup, B, H24);
        g_assert_cmphex(get(&setup, HOURS), ==, rows[i].hour);
    }
    tear_down(&setup);
}

static void nonsense_is_some_time(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    for (unsigned value = 0; value < 256; value++) {
        uint8_t v = (uint8_t)value;

        put(&setup, B, (uint8_t)(value & (DM | H24)));
        SET_TIME(&setup, v, v, v, v, v, v, v);
        pass(&setup, NS_PER_S);
        put(&setup, B, DM | H24);
        g_assert_cmpuint(get(&setup, SECONDS), <, 60);
        g_assert_cmpuint(get(&setup, MINUTES), <, 60);
        g_assert_cmpuint(get(&setup, HOURS), <, 24);
        g_assert_cmpuint(get(&setup, CENTURY), <, 100);
        g_assert_cmpuint(get(&setup, MONTH) - 1, <, 12);
        g_assert_cmpuint(get(&setup, DAY) - 1, <, 31);
    }
    tear_down(&setup);
}

static void update_is_announced(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    SET_TIME(&setup, 0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09);
    pass(&setup, 499 * NS_PER_MS);
    g_assert_cmphex(get(&setup, A), ==, RUNS);
    pass(&setup, 757 * NS_PER_US); /* 243 us to go */
    g_assert_cmphex(get(&setup, A), ==, RUNS | UIP);
    put(&setup, B, SET | H24);
    g_assert_cmphex(get(&setup, A), ==, RUNS);
    put(&setup, B, H24);
    g_assert_cmphex(get(&setup, SECONDS), ==, 0x09);
    pass(&setup, 243 * NS_PER_US);
    g_assert_cmphex(get(&setup, A), ==, RUNS);
    g_assert_cmphex(get(&setup, SECONDS), ==, 0x10);
    tear_down(&setup);
}

/* ---- Interrupts ------------------------------------------------------------------ */

static void update_ended_flag_and_interrupt(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    SET_TIME(&setup, 0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09);
    put(&setup, A, 0x20); /* no periodic events */
    (void)get(&setup, C);
    pass(&setup, 499 * NS_PER_MS);
    g_assert_cmphex(get(&setup, C), ==, 0);
    pass(&setup, 2 * NS_PER_MS);
    g_assert_false(setup.line.is_high);
    g_assert_cmphex(get(&setup, C), ==, UF);
    g_assert_cmphex(get(&setup, C), ==, 0);
    put(&setup, B, H24 | UIE);
    pass(&setup, NS_PER_S);
    g_assert_true(setup.line.is_high);
    put(&setup, B, H24);
    g_assert_false(setup.line.is_high);
    put(&setup, B, H24 | UIE);
    g_assert_true(setup.line.is_high);
    g_assert_cmphex(get(&setup, C), ==, IRQF | UF);
    g_assert_false(setup.line.is_high);
    pass(&setup, NS_PER_S);
    rtc_reset(setup.rtc);
    g_assert_false(setup.line.is_high);
    g_assert_cmphex(get(&setup, B), ==, H24);
    check_time(&setup, "2024-05-06 07:08:12 2");
    tear_down(&setup);
}

static void set_alarm(struct setup *setup, uint8_t hours, uint8_t minutes, uint8_t seconds)
    REQUIRES(bql)
{
    put(setup, ALARM_HOURS, hours);
    put(setup, ALARM_MINUTES, minutes);
    put(setup, ALARM_SECONDS, seconds);
    (void)get(setup, C);
}

/* The alarm goes off @at_s after 07:08:09, and not before. */
static void check_alarm(struct setup *setup, int64_t at_s) REQUIRES(bql)
{
    put(setup, B, H24);
    SET_TIME(setup, 0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09);
    put(setup, B, H24 | AIE);
    (void)get(setup, C);
    pass(setup, at_s * NS_PER_S - 501 * NS_PER_MS);
    g_assert_cmphex(get(setup, C) & AF, ==, 0);
    pass(setup, 2 * NS_PER_MS);
    g_assert_true(setup->line.is_high);
    g_assert_cmphex(get(setup, C) & (IRQF | AF), ==, IRQF | AF);
}

static void alarm_with_and_without_wildcards(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    set_alarm(&setup, 0x07, 0x08, 0x10);
    check_alarm(&setup, 1);
    set_alarm(&setup, 0x07, 0x08, 0x09); /* is now: so tomorrow */
    check_alarm(&setup, 24 * 3600);
    set_alarm(&setup, 0xff, 0xc0, 0xff); /* each second */
    check_alarm(&setup, 1);
    check_alarm(&setup, 1);
    set_alarm(&setup, 0xff, 0x08, 0x08); /* each hour */
    check_alarm(&setup, 3599);
    set_alarm(&setup, 0xff, 0xff, 0x08); /* each minute */
    check_alarm(&setup, 59);
    set_alarm(&setup, 0x06, 0xff, 0x59);
    check_alarm(&setup, 22 * 3600 + 52 * 60 + 50);
    set_alarm(&setup, 0x23, 0x59, 0x59);
    check_alarm(&setup, 16 * 3600 + 51 * 60 + 50);
    tear_down(&setup);
}

static void alarm_that_never_matches(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    SET_TIME(&setup, 0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09);
    put(&setup, B, H24 | AIE);
    set_alarm(&setup, 0xff, 0xff, 0x60);
    pass(&setup, 100 * 3600 * NS_PER_S);
    g_assert_cmphex(get(&setup, C) & AF, ==, 0);
    set_alarm(&setup, 0x24, 0xff, 0xff);
    pass(&setup, 100 * 3600 * NS_PER_S);
    g_assert_cmphex(get(&setup, C) & AF, ==, 0);
    tear_down(&setup);
}

static void periodic_rates(void) REQUIRES(bql)
{
    static const unsigned hz[16] = { 0,   256, 128, 8192, 4096, 2048, 1024, 512,
                                     256, 128, 64,  32,   16,   8,    4,    2 };
    struct setup setup;

    set_up(&setup);
    for (unsigned rate = 0; rate < 16; rate++) {
        unsigned nr = 0;

        put(&setup, A, HELD);
        put(&setup, A, (uint8_t)(0x20 | rate));
        put(&setup, B, H24 | PIE);
        (void)get(&setup, C);
        for (unsigned i = 0; i < 20000; i++) { /* one second */
            guest_clock_set(&setup.clock, guest_clock_now(&setup.clock) + 50 * NS_PER_US);
            nr += get(&setup, C) >> 6 & 1;
        }
        g_assert_cmpuint(nr, ==, hz[rate]);
    }
    tear_down(&setup);
}

static void running_clock_interrupts_by_itself(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    guest_clock_start(&setup.clock);
    rtc_clock_changed(setup.rtc);
    put(&setup, B, H24 | PIE);
    for (unsigned i = 1; i <= 20; i++) {
        while (!setup.line.is_high)
            (void)loop_iterate(true);
        g_assert_cmpuint(setup.line.edges, ==, i);
        g_assert_cmphex(get(&setup, C) & (IRQF | PF), ==, IRQF | PF);
    }
    put(&setup, B, H24);
    SET_TIME(&setup, 0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09);
    set_alarm(&setup, 0x07, 0x08, 0x10);
    put(&setup, B, H24 | AIE);
    while (!setup.line.is_high)
        (void)loop_iterate(true);
    g_assert_cmphex(get(&setup, SECONDS), ==, 0x10);
    guest_clock_stop(&setup.clock);
    rtc_clock_changed(setup.rtc);
    tear_down(&setup);
}

static void unwanted_interrupts_need_no_timer(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    guest_clock_start(&setup.clock);
    rtc_clock_changed(setup.rtc);
    put(&setup, A, 0x23); /* 8192 Hz, but masked */
    put(&setup, B, H24);
    while (loop_iterate(false))
        continue;
    g_assert_cmpint(loop_iterate(false), ==, false);
    put(&setup, B, H24 | PIE);
    while (!setup.line.is_high)
        (void)loop_iterate(true);
    pass(&setup, NS_PER_S); /* not read yet: nothing more to tell */
    g_assert_cmpuint(setup.line.edges, ==, 1);
    tear_down(&setup);
}

/* ---- Memory ---------------------------------------------------------------------- */

static void memory_keeps_what_is_written(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    for (unsigned reg = 0x0e; reg < 0x80; reg++)
        if (reg != CENTURY)
            put(&setup, reg, (uint8_t)(reg * 3));
    rtc_reset(setup.rtc);
    for (unsigned reg = 0x0e; reg < 0x80; reg++)
        if (reg != CENTURY)
            g_assert_cmphex(get(&setup, reg), ==, reg * 3 & 0xff);
    put(&setup, C, 0xff);
    put(&setup, D, 0);
    g_assert_cmphex(get(&setup, C) & 0x0f, ==, 0);
    g_assert_cmphex(get(&setup, D), ==, 0x80);
    g_assert_cmphex(in8(&setup.ports, RTC_PORT), ==, 0xff);
    tear_down(&setup);
}

/* Linux, setting the time, may be reset half way: the next one finds a clock that goes. */
static void reset_while_the_time_is_set(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    SET_TIME(&setup, 0x20, 0x24, 0x02, 0x28, 0x23, 0x59, 0x58);
    put(&setup, B, SET | UIE | H24);
    put(&setup, A, HELD);
    rtc_reset(setup.rtc);
    g_assert_cmphex(get(&setup, B), ==, H24);
    g_assert_cmphex(get(&setup, A) & ~UIP, ==, RUNS);
    check_time(&setup, "2024-02-28 23:59:58 4");
    pass(&setup, NS_PER_S);
    check_time(&setup, "2024-02-28 23:59:59 4");
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/rtc/" #name, name)
    ADD(begins_at_the_hosts_time);
    ADD(time_that_is_set_goes_on);
    ADD(set_mode_stops_the_time_and_keeps_the_phase);
    ADD(held_divider_stops_the_time);
    ADD(binary_and_twelve_hours);
    ADD(nonsense_is_some_time);
    ADD(update_is_announced);
    ADD(update_ended_flag_and_interrupt);
    ADD(alarm_with_and_without_wildcards);
    ADD(alarm_that_never_matches);
    ADD(periodic_rates);
    ADD(running_clock_interrupts_by_itself);
    ADD(unwanted_interrupts_need_no_timer);
    ADD(memory_keeps_what_is_written);
    ADD(reset_while_the_time_is_set);
    return run_with_bql();
}

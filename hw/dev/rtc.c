/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing ticks: the time is computed from the guest's clock when it is read, and
 * so are the flags of register C. A timer runs only while the guest wants to be
 * interrupted by a flag that is not yet set.
 *
 * *Ticks* are the nanoseconds of the chip's divider chain: the guest's clock
 * plus phase_ns. A new second begins where ticks are a multiple of 1e9; it is
 * number ticks / 1e9 + offset_s since 1970. To set the time is to change offset_s.
 */
#include <glib.h>
#include <time.h>

#include "hw/dev/rtc.h"
#include "util/clock.h"
#include "util/guest_clock.h"
#include "util/loop.h"

/* MC146818A data sheet, figure 12 ("address map") and the register descriptions. */
enum {
    REG_SECONDS = 0x00,
    REG_SECONDS_ALARM = 0x01,
    REG_MINUTES = 0x02,
    REG_MINUTES_ALARM = 0x03,
    REG_HOURS = 0x04,
    REG_HOURS_ALARM = 0x05,
    REG_WEEKDAY = 0x06, /* 1: Sunday */
    REG_DAY = 0x07,
    REG_MONTH = 0x08,
    REG_YEAR = 0x09,
    REG_A = 0x0a,
    REG_B = 0x0b,
    REG_C = 0x0c,
    REG_D = 0x0d,
    REG_CENTURY = 0x32, /* PC; the FADT says so */
    NR_REGS = 0x80,

    A_RATE = 0x0f,
    A_DIVIDER_RESET = 0x60,          /* both bits: the divider stands still */
    A_DIVIDER_RUNS = 0x20,           /* with a crystal of 32768 Hz */
    A_AT_START = A_DIVIDER_RUNS | 6, /* 1024 Hz, as PCs have it after their firmware */
    A_UPDATING = 1 << 7,             /* an update comes within UPDATE_WARNING_NS; read only */

    B_24_HOURS = 1 << 1,
    B_BINARY = 1 << 2,
    B_SQUARE_WAVE = 1 << 3,
    B_SET = 1 << 7, /* no updates: the guest writes the time */

    /* In C flags, in B what enables their interrupts. */
    UPDATE_ENDED = 1 << 4,
    ALARM = 1 << 5,
    PERIODIC = 1 << 6,
    ALL_FLAGS = UPDATE_ENDED | ALARM | PERIODIC,
    C_INTERRUPT = 1 << 7,

    D_VALID = 1 << 7,

    HOURS_PM = 1 << 7,
    ALARM_ANY = 0xc0, /* from here on an alarm byte means "every" */
};

enum { CRYSTAL_HZ = 32768, DAY_S = 86400, HOUR_S = 3600, MINUTE_S = 60 };

#define UPDATE_WARNING_NS (244 * NS_PER_US)
/* How long a released divider takes to the first update. */
#define DIVIDER_START_NS (NS_PER_S / 2)
/* 1 January of the year 0, last second of 9999: what four digits can say. */
#define SECONDS_MIN (INT64_C(-62167219200))
#define SECONDS_MAX INT64_C(253402300799)

/* All guarded by the BQL. */
struct rtc {
    struct irq_line line;
    const struct guest_clock *clock;
    uint8_t index;
    uint8_t regs[NR_REGS]; /* time and date: only while B_SET; A without A_UPDATING */
    int64_t phase_ns;
    int64_t offset_s;
    int64_t held_ticks;    /* while the divider stands still */
    int64_t checked_ticks; /* up to which the flags in C are true */
    struct loop_timer timer;
};

/* ---- Time ---------------------------------------------------------------------- */

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

static int64_t floor_mod(int64_t value, int64_t by)
{
    return value - floor_div(value, by) * by;
}

static bool is_divider_held(const struct rtc *rtc)
{
    return (rtc->regs[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static bool is_set_mode(const struct rtc *rtc)
{
    return rtc->regs[REG_B] & B_SET;
}

static int64_t ticks_now(const struct rtc *rtc)
{
    if (is_divider_held(rtc))
        return rtc->held_ticks;
    return guest_clock_now(rtc->clock) + rtc->phase_ns;
}

static int64_t second_of(const struct rtc *rtc, int64_t ticks)
{
    return floor_div(ticks, NS_PER_S) + rtc->offset_s;
}

static bool is_time_register(unsigned index)
{
    return index == REG_CENTURY || (index >= REG_WEEKDAY && index <= REG_YEAR) ||
           index == REG_SECONDS || index == REG_MINUTES || index == REG_HOURS;
}

static uint8_t encode(const struct rtc *rtc, unsigned value)
{
    return (uint8_t)(rtc->regs[REG_B] & B_BINARY ? value : value / 10 * 16 + value % 10);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned hour)
{
    if (rtc->regs[REG_B] & B_24_HOURS)
        return encode(rtc, hour);
    return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0);
}

/* Digits that make no sense give some number below 256. */
static int decode(const struct rtc *rtc, uint8_t value)
{
    return rtc->regs[REG_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 0xf);
}

static int decode_hour(const struct rtc *rtc, uint8_t value)
{
    if (rtc->regs[REG_B] & B_24_HOURS)
        return decode(rtc, value);
    return decode(rtc, value & ~HOURS_PM) % 12 + (value & HOURS_PM ? 12 : 0);
}

static void fill_time_registers(struct rtc *rtc)
{
    time_t second = second_of(rtc, ticks_now(rtc));
    struct tm tm = { .tm_mday = 1 };
    unsigned year;

    (void)gmtime_r(&second, &tm); /* fails beyond the year 2^31 only */
    year = (unsigned)(tm.tm_year + 1900);
    rtc->regs[REG_SECONDS] = encode(rtc, (unsigned)tm.tm_sec);
    rtc->regs[REG_MINUTES] = encode(rtc, (unsigned)tm.tm_min);
    rtc->regs[REG_HOURS] = encode_hour(rtc, (unsigned)tm.tm_hour);
    rtc->regs[REG_WEEKDAY] = encode(rtc, (unsigned)tm.tm_wday + 1);
    rtc->regs[REG_DAY] = encode(rtc, (unsigned)tm.tm_mday);
    rtc->regs[REG_MONTH] = encode(rtc, (unsigned)tm.tm_mon + 1);
    rtc->regs[REG_YEAR] = encode(rtc, year % 100);
    rtc->regs[REG_CENTURY] = encode(rtc, year / 100 % 100);
}

/* The day of the week follows from the date, whatever was written. */
static void take_time_registers(struct rtc *rtc)
{
    struct tm tm = {
        .tm_sec = decode(rtc, rtc->regs[REG_SECONDS]),
        .tm_min = decode(rtc, rtc->regs[REG_MINUTES]),
        .tm_hour = decode_hour(rtc, rtc->regs[REG_HOURS]),
        .tm_mday = decode(rtc, rtc->regs[REG_DAY]),
        .tm_mon = decode(rtc, rtc->regs[REG_MONTH]) - 1,
        .tm_year =
            decode(rtc, rtc->regs[REG_CENTURY]) * 100 + decode(rtc, rtc->regs[REG_YEAR]) - 1900,
    };
    int64_t second = timegm(&tm);

    second = CLAMP(second, SECONDS_MIN, SECONDS_MAX);
    rtc->offset_s = second - floor_div(ticks_now(rtc), NS_PER_S);
}

/* ---- Alarm and periodic events --------------------------------------------------- */

static bool alarm_matches(uint8_t alarm, uint8_t encoded)
{
    return alarm >= ALARM_ANY || alarm == encoded;
}

/* Whether there is a time at which all three match. */
static bool alarm_can_match(const struct rtc *rtc)
{
    bool hours = false, minutes = false, seconds = false;

    for (unsigned i = 0; i < 60; i++) {
        minutes |= alarm_matches(rtc->regs[REG_MINUTES_ALARM], encode(rtc, i));
        seconds |= alarm_matches(rtc->regs[REG_SECONDS_ALARM], encode(rtc, i));
        hours |= i < 24 && alarm_matches(rtc->regs[REG_HOURS_ALARM], encode_hour(rtc, i));
    }
    return hours && minutes && seconds;
}

/* The first second after @after_s at which the alarm goes off, or INT64_MAX. */
static int64_t next_alarm(const struct rtc *rtc, int64_t after_s)
{
    int64_t at = after_s + 1;

    if (!alarm_can_match(rtc))
        return INT64_MAX;
    for (;;) { /* at most 24 hours, 60 minutes, 60 seconds, and the rest of the first of each */
        unsigned of_day = (unsigned)floor_mod(at, DAY_S);
        unsigned minute = of_day / MINUTE_S % 60;

        if (!alarm_matches(rtc->regs[REG_HOURS_ALARM], encode_hour(rtc, of_day / HOUR_S)))
            at += HOUR_S - of_day % HOUR_S;
        else if (!alarm_matches(rtc->regs[REG_MINUTES_ALARM], encode(rtc, minute)))
            at += MINUTE_S - of_day % MINUTE_S;
        else if (!alarm_matches(rtc->regs[REG_SECONDS_ALARM], encode(rtc, of_day % MINUTE_S)))
            at++;
        else
            return at;
    }
}

/* In cycles of the crystal; 0: none. */
static int64_t period(const struct rtc *rtc)
{
    unsigned rate = rtc->regs[REG_A] & A_RATE;

    if (rate == 0)
        return 0;
    return INT64_C(1) << (rate < 3 ? rate + 6 : rate - 1); /* 1 and 2 are 256 and 128 Hz */
}

static int64_t cycles_of(int64_t ticks)
{
    return floor_div(ticks, NS_PER_S) * CRYSTAL_HZ +
           floor_mod(ticks, NS_PER_S) * CRYSTAL_HZ / NS_PER_S;
}

/* The first tick of a cycle. */
static int64_t ticks_of(int64_t cycle)
{
    int64_t fraction = floor_mod(cycle, CRYSTAL_HZ) * NS_PER_S;

    return floor_div(cycle, CRYSTAL_HZ) * NS_PER_S + (fraction + CRYSTAL_HZ - 1) / CRYSTAL_HZ;
}

/* When each event happens next, after @ticks; DEADLINE_NEVER. */
static int64_t next_update(const struct rtc *rtc, int64_t ticks)
{
    return is_set_mode(rtc) ? DEADLINE_NEVER : (floor_div(ticks, NS_PER_S) + 1) * NS_PER_S;
}

static int64_t next_alarm_ticks(const struct rtc *rtc, int64_t ticks)
{
    int64_t second = is_set_mode(rtc) ? INT64_MAX : next_alarm(rtc, second_of(rtc, ticks));

    return second == INT64_MAX ? DEADLINE_NEVER : (second - rtc->offset_s) * NS_PER_S;
}

static int64_t next_period(const struct rtc *rtc, int64_t ticks)
{
    int64_t cycles = period(rtc);

    return cycles ? ticks_of((floor_div(cycles_of(ticks), cycles) + 1) * cycles) : DEADLINE_NEVER;
}

/* ---- Flags and the interrupt ------------------------------------------------------ */

/* Bring the flags up to date: before anything changes that they depend on. */
static void check_flags(struct rtc *rtc)
{
    int64_t now = ticks_now(rtc), since = rtc->checked_ticks;

    if (now > since) {
        if (next_update(rtc, since) <= now)
            rtc->regs[REG_C] |= UPDATE_ENDED;
        if (next_alarm_ticks(rtc, since) <= now)
            rtc->regs[REG_C] |= ALARM;
        if (next_period(rtc, since) <= now)
            rtc->regs[REG_C] |= PERIODIC;
    }
    rtc->checked_ticks = now; /* the clock may have been set back */
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The line, and the timer for the first event that would raise it. After check_flags(). */
static void update_line(struct rtc *rtc) REQUIRES(bql)
{
    uint8_t enabled = rtc->regs[REG_B] & ALL_FLAGS;
    uint8_t awaited = enabled & ~rtc->regs[REG_C];
    int64_t at = DEADLINE_NEVER, now = rtc->checked_ticks;

    if (enabled & rtc->regs[REG_C])
        rtc->regs[REG_C] |= C_INTERRUPT;
    else
        rtc->regs[REG_C] &= (uint8_t)~C_INTERRUPT;
    irq_line_set(&rtc->line, rtc->regs[REG_C] & C_INTERRUPT);
    if (awaited & UPDATE_ENDED)
        at = earlier(at, next_update(rtc, now));
    if (awaited & ALARM)
        at = earlier(at, next_alarm_ticks(rtc, now));
    if (awaited & PERIODIC)
        at = earlier(at, next_period(rtc, now));
    if (at == DEADLINE_NEVER || is_divider_held(rtc))
        loop_timer_cancel(&rtc->timer);
    else
        loop_timer_set(&rtc->timer, guest_clock_deadline(rtc->clock, at - rtc->phase_ns));
}

static void on_timer(struct loop_timer *timer)
{
    struct rtc *rtc = container_of(timer, struct rtc, timer);

    bql_assert_held();
    check_flags(rtc);
    update_line(rtc);
}

void rtc_clock_changed(struct rtc *rtc)
{
    check_flags(rtc);
    update_line(rtc);
}

/* ---- Registers ------------------------------------------------------------------- */

static uint8_t read_a(struct rtc *rtc)
{
    bool is_updating = !is_set_mode(rtc) && !is_divider_held(rtc) &&
                       floor_mod(ticks_now(rtc), NS_PER_S) >= NS_PER_S - UPDATE_WARNING_NS;

    return rtc->regs[REG_A] | (is_updating ? A_UPDATING : 0);
}

static uint8_t read_c(struct rtc *rtc) REQUIRES(bql)
{
    uint8_t value;

    check_flags(rtc);
    value = rtc->regs[REG_C] & ALL_FLAGS;
    if (value & rtc->regs[REG_B])
        value |= C_INTERRUPT;
    rtc->regs[REG_C] = 0;
    update_line(rtc);
    return value;
}

static uint8_t read_register(struct rtc *rtc, unsigned index) REQUIRES(bql)
{
    if (index == REG_A)
        return read_a(rtc);
    if (index == REG_C)
        return read_c(rtc);
    if (is_time_register(index) && !is_set_mode(rtc))
        fill_time_registers(rtc);
    return rtc->regs[index];
}

static void write_a(struct rtc *rtc, uint8_t value)
{
    bool was_held = is_divider_held(rtc);
    int64_t ticks = ticks_now(rtc);

    rtc->regs[REG_A] = value & ~A_UPDATING;
    if (is_divider_held(rtc)) {
        rtc->held_ticks = ticks;
    } else if (was_held) {
        ticks = floor_div(ticks, NS_PER_S) * NS_PER_S + NS_PER_S - DIVIDER_START_NS;
        rtc->phase_ns = ticks - guest_clock_now(rtc->clock);
        rtc->checked_ticks = ticks;
    }
}

static void write_b(struct rtc *rtc, uint8_t value)
{
    bool was_set_mode = is_set_mode(rtc);

    if (value & B_SET && !was_set_mode)
        fill_time_registers(rtc);
    rtc->regs[REG_B] = value;
    if (value & B_SET)
        rtc->regs[REG_B] &= ~UPDATE_ENDED; /* so says the data sheet */
    else if (was_set_mode)
        take_time_registers(rtc);
}

static void write_time(struct rtc *rtc, unsigned index, uint8_t value)
{
    if (is_set_mode(rtc)) {
        rtc->regs[index] = value;
        return;
    }
    fill_time_registers(rtc);
    rtc->regs[index] = value;
    take_time_registers(rtc);
}

static void write_register(struct rtc *rtc, unsigned index, uint8_t value) REQUIRES(bql)
{
    check_flags(rtc);
    if (index == REG_A)
        write_a(rtc, value);
    else if (index == REG_B)
        write_b(rtc, value);
    else if (is_time_register(index))
        write_time(rtc, index, value);
    else if (index != REG_C && index != REG_D)
        rtc->regs[index] = value;
    if (index < REG_D || index == REG_CENTURY)
        update_line(rtc);
}

static uint64_t rtc_read(void *opaque, uint64_t offset, unsigned size UNUSED)
{
    struct rtc *rtc = opaque;

    bql_assert_held();
    return offset == 0 ? 0xff : read_register(rtc, rtc->index); /* the index is write-only */
}

static void rtc_write(void *opaque, uint64_t offset, uint64_t value, unsigned size UNUSED)
{
    struct rtc *rtc = opaque;

    bql_assert_held();
    if (offset == 0)
        rtc->index = value % NR_REGS; /* bit 7 masks NMIs, which nobody sends */
    else
        write_register(rtc, rtc->index, (uint8_t)value);
}

/* ---- Life ---------------------------------------------------------------------- */

/*
 * As a firmware would leave it, since none runs here: the chip's own reset would leave the time
 * standing still for ever if the guest went down while it was setting it. Time and memory have a
 * battery.
 */
void rtc_reset(struct rtc *rtc)
{
    check_flags(rtc);
    write_b(rtc, rtc->regs[REG_B] & (uint8_t)~B_SET); /* what was written counts, in its form */
    write_b(rtc, B_24_HOURS);
    write_a(rtc, A_AT_START);
    rtc->regs[REG_C] = 0;
    update_line(rtc);
}

void rtc_free(struct rtc *rtc)
{
    if (!rtc)
        return;
    loop_timer_cancel(&rtc->timer);
    g_free(rtc);
}

struct rtc *rtc_new(const struct irq_line *line, const struct guest_clock *clock)
{
    struct rtc *rtc = g_new0(struct rtc, 1);
    struct timespec now = { .tv_sec = 0 };

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail: the clock exists */
    rtc->line = *line;
    rtc->clock = clock;
    rtc->timer.fn = on_timer;
    rtc->regs[REG_A] = A_AT_START;
    rtc->regs[REG_B] = B_24_HOURS;
    rtc->regs[REG_D] = D_VALID;
    rtc->phase_ns = now.tv_sec * NS_PER_S + now.tv_nsec - guest_clock_now(clock);
    rtc->checked_ticks = ticks_now(rtc);
    return rtc;
}

static const struct mmio_ops rtc_ops = {
    .read = rtc_read,
    .write = rtc_write,
    .max_access = 1,
};

struct region *rtc_region(struct rtc *rtc, struct mem *mem)
{
    return region_new_mmio(mem, "rtc", RTC_PORTS, &rtc_ops, rtc);
}

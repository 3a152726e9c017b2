/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <stdint.h>

#include "hw/dev/power.h"
#include "util/log.h"

/* ACPI 6.4, tables 4.19 and 4.20. */
enum {
    SLP_TYP_SHIFT = 2,
    SLP_TYP_MASK = 7 << SLP_TYP_SHIFT,
    SLP_EN = 1 << 5, /* reads as 0 */

    EVENT_BUTTON = 1 << 0,
    EVENTS_LISTENING = 1 << 0,
};

/* All guarded by the BQL. */
struct power {
    struct irq_line event_line;
    struct power_ops ops;
    uint8_t sleep_control; /* the type */
    uint8_t events;
    bool is_listening;
};

static void set_events(struct power *power, uint8_t events) REQUIRES(bql)
{
    power->events = events;
    irq_line_set(&power->event_line, events != 0);
}

static void write_sleep_control(struct power *power, uint8_t value) REQUIRES(bql)
{
    power->sleep_control = value & SLP_TYP_MASK;
    if (!(value & SLP_EN))
        return;
    if (power->sleep_control == POWER_SLP_TYP_S5 << SLP_TYP_SHIFT)
        power->ops.power_off(power->ops.opaque);
    else
        log_guest_error("power: there is no sleep state of type %d",
                        power->sleep_control >> SLP_TYP_SHIFT);
}

static uint64_t power_read(void *opaque, uint64_t offset, unsigned size UNUSED)
{
    struct power *power = opaque;
    uint8_t value = 0;

    bql_assert_held();
    switch (offset) {
    case POWER_SLEEP_CONTROL:
        value = power->sleep_control;
        break;
    case POWER_EVENTS:
        value = power->events;
        set_events(power, 0);
        break;
    default: /* it has never slept, so never been woken; the reset register is write-only */
        break;
    }
    return value;
}

static void power_write(void *opaque, uint64_t offset, uint64_t value, unsigned size UNUSED)
{
    struct power *power = opaque;

    bql_assert_held();
    switch (offset) {
    case POWER_SLEEP_CONTROL:
        write_sleep_control(power, (uint8_t)value);
        break;
    case POWER_RESET:
        if (value == POWER_RESET_VALUE)
            power->ops.reset(power->ops.opaque);
        else
            log_guest_error("power: %#x is not the reset register's value", (unsigned)value);
        break;
    case POWER_EVENTS:
        power->is_listening = value & EVENTS_LISTENING;
        break;
    default: /* WAK_STS is cleared by writing 1, and is always clear */
        break;
    }
}

bool power_press_button(struct power *power)
{
    if (!power->is_listening)
        return false;
    set_events(power, power->events | EVENT_BUTTON);
    return true;
}

void power_reset(struct power *power)
{
    power->sleep_control = 0;
    power->is_listening = false;
    set_events(power, 0);
}

void power_free(struct power *power)
{
    g_free(power);
}

struct power *power_new(const struct irq_line *event_line, const struct power_ops *ops)
{
    struct power *power = g_new0(struct power, 1);

    power->event_line = *event_line;
    power->ops = *ops;
    return power;
}

static const struct mmio_ops power_region_ops = {
    .read = power_read,
    .write = power_write,
    .max_access = 1,
};

struct region *power_region(struct power *power, struct mem *mem)
{
    return region_new_mmio(mem, "power", POWER_PORTS, &power_region_ops, power);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/dev/power.h"
#include "tests/unit/port_scene.h"

enum { S5 = POWER_SLP_TYP_S5 << 2, SLP_EN = 1 << 5 };

struct setup {
    struct scene ports;
    struct test_line line;
    struct power *power;
    struct region *region;
    unsigned nr_power_offs, nr_resets;
};

static void power_off(void *opaque)
{
    struct setup *setup = opaque;

    bql_assert_held();
    setup->nr_power_offs++;
}

static void reset(void *opaque)
{
    struct setup *setup = opaque;

    bql_assert_held();
    setup->nr_resets++;
}

static void set_up(struct setup *setup) REQUIRES(bql)
{
    const struct power_ops ops = { .power_off = power_off, .reset = reset, .opaque = setup };
    struct irq_line line = line_to(&setup->line);

    *setup = (struct setup){ .ports = scene_new(0x10000) };
    setup->power = power_new(&line, &ops);
    setup->region = power_region(setup->power, setup->ports.mem);
    put_in(setup->ports.root, 0, setup->region, 0);
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    power_free(setup->power);
    take_out_and_forget(setup->region);
    scene_free(&setup->ports);
}

static void only_s5_with_the_enable_bit_powers_off(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    out8(&setup.ports, POWER_SLEEP_CONTROL, S5);
    g_assert_cmphex(in8(&setup.ports, POWER_SLEEP_CONTROL), ==, S5);
    for (unsigned type = 0; type < 8; type++)
        if (type != POWER_SLP_TYP_S5)
            out8(&setup.ports, POWER_SLEEP_CONTROL, (uint8_t)(type << 2 | SLP_EN | 0xc3));
    g_assert_cmpuint(setup.nr_power_offs, ==, 0);
    out8(&setup.ports, POWER_SLEEP_CONTROL, S5 | SLP_EN | 0xc3); /* reserved bits are ignored */
    g_assert_cmpuint(setup.nr_power_offs, ==, 1);
    g_assert_cmphex(in8(&setup.ports, POWER_SLEEP_CONTROL), ==, S5);
    g_assert_cmphex(in8(&setup.ports, POWER_SLEEP_STATUS), ==, 0);
    out8(&setup.ports, POWER_SLEEP_STATUS, 0x80);
    g_assert_cmpuint(setup.nr_resets, ==, 0);
    tear_down(&setup);
}

static void only_its_value_resets(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    for (unsigned value = 0; value < 256; value++)
        if (value != POWER_RESET_VALUE)
            out8(&setup.ports, POWER_RESET, (uint8_t)value);
    g_assert_cmpuint(setup.nr_resets, ==, 0);
    g_assert_cmphex(in8(&setup.ports, POWER_RESET), ==, 0);
    out8(&setup.ports, POWER_RESET, POWER_RESET_VALUE);
    g_assert_cmpuint(setup.nr_resets, ==, 1);
    g_assert_cmpuint(setup.nr_power_offs, ==, 0);
    tear_down(&setup);
}

static void button_reaches_who_listens(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    g_assert_false(power_press_button(setup.power));
    g_assert_false(setup.line.is_high);
    out8(&setup.ports, POWER_EVENTS, 1);
    g_assert_cmphex(in8(&setup.ports, POWER_EVENTS), ==, 0);
    g_assert_true(power_press_button(setup.power));
    g_assert_true(power_press_button(setup.power)); /* impatient: still one event */
    g_assert_true(setup.line.is_high);
    g_assert_cmpuint(setup.line.edges, ==, 1);
    g_assert_cmphex(in8(&setup.ports, POWER_EVENTS), ==, 1);
    g_assert_false(setup.line.is_high);
    g_assert_cmphex(in8(&setup.ports, POWER_EVENTS), ==, 0);
    out8(&setup.ports, POWER_EVENTS, 0);
    g_assert_false(power_press_button(setup.power));
    tear_down(&setup);
}

static void reset_forgets_events_and_listeners(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    out8(&setup.ports, POWER_EVENTS, 1);
    g_assert_true(power_press_button(setup.power));
    power_reset(setup.power);
    g_assert_false(setup.line.is_high);
    g_assert_cmphex(in8(&setup.ports, POWER_EVENTS), ==, 0);
    g_assert_false(power_press_button(setup.power));
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/power/" #name, name)
    ADD(only_s5_with_the_enable_bit_powers_off);
    ADD(only_its_value_resets);
    ADD(button_reaches_who_listens);
    ADD(reset_forgets_events_and_listeners);
    return run_with_bql();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "hw/display/input.h"

/* A device that writes down what it gets. */
struct device {
    struct input_handler handler;
    GString *got;
};

static void event(struct input_handler *handler, uint16_t type, uint16_t code, int32_t value)
{
    bql_assert_held();
    g_string_append_printf(container_of(handler, struct device, handler)->got, "%u/%u/%d ", type,
                           code, value);
}

static void end_of_event(struct input_handler *handler)
{
    bql_assert_held();
    g_string_append(container_of(handler, struct device, handler)->got, "sync;");
}

static void plug(struct input *input, struct device *device, unsigned takes) REQUIRES(bql)
{
    *device = (struct device){
        .handler = { .takes = takes, .event = event, .sync = end_of_event },
        .got = g_string_new(NULL),
    };
    input_add_handler(input, &device->handler);
}

static void unplug(struct input *input, struct device *device) REQUIRES(bql)
{
    input_remove_handler(input, &device->handler);
    g_string_free(device->got, true);
}

static void check_got(struct device *device, const char *expected)
{
    g_assert_cmpstr(device->got->str, ==, expected);
    g_string_truncate(device->got, 0);
}

static void events_go_to_who_takes_them(void) REQUIRES(bql)
{
    struct input *input = input_new();
    struct device keyboard, tablet;

    g_assert_false(input_is_taken(input, INPUT_KEYS));
    input_send(input, EV_KEY, KEY_Z, 1); /* lost */
    input_send(input, EV_KEY, KEY_Z, 0);
    plug(input, &keyboard, INPUT_KEYS);
    g_assert_true(input_is_taken(input, INPUT_KEYS));
    g_assert_false(input_is_taken(input, INPUT_POINTER));
    plug(input, &tablet, INPUT_POINTER);
    input_send(input, EV_KEY, KEY_A, 1);
    input_send(input, EV_ABS, ABS_X, 100);
    input_send(input, EV_ABS, ABS_Y, 0);
    input_send(input, EV_KEY, BTN_LEFT, 1);
    input_send(input, EV_REL, REL_WHEEL, -1);
    check_got(&keyboard, "1/30/1 ");
    check_got(&tablet, "3/0/100 3/1/0 1/272/1 2/8/-1 ");
    input_sync(input);
    input_sync(input); /* of nothing */
    check_got(&keyboard, "sync;");
    check_got(&tablet, "sync;");
    unplug(input, &tablet);
    unplug(input, &keyboard);
    input_free(input);
}

static void what_changes_nothing_is_dropped(void) REQUIRES(bql)
{
    struct input *input = input_new();
    struct device all;

    plug(input, &all, INPUT_KEYS | INPUT_POINTER);
    input_send(input, EV_KEY, KEY_A, 0);
    input_send(input, EV_KEY, KEY_A, 1);
    input_send(input, EV_KEY, KEY_A, 1);
    input_send(input, EV_KEY, KEY_A, 2); /* repeats are the guest's */
    input_send(input, EV_KEY, KEY_CNT, 1);
    input_send(input, EV_KEY, UINT16_MAX, 1);
    input_send(input, EV_REL, REL_WHEEL, 0);
    input_send(input, EV_REL, REL_CNT, 1);
    input_send(input, EV_ABS, ABS_CNT, 1);
    input_send(input, EV_SYN, 0, 0);
    check_got(&all, "1/30/1 ");
    input_send(input, EV_ABS, ABS_X, -1);
    input_send(input, EV_ABS, ABS_X, INPUT_ABS_MAX + 1);
    check_got(&all, "3/0/0 3/0/32767 ");
    unplug(input, &all);
    input_free(input);
}

static void what_is_down_can_be_released(void) REQUIRES(bql)
{
    struct input *input = input_new();
    struct device all;

    plug(input, &all, INPUT_KEYS | INPUT_POINTER);
    input_send(input, EV_KEY, KEY_LEFTCTRL, 1);
    input_send(input, EV_KEY, BTN_RIGHT, 1);
    input_send(input, EV_KEY, KEY_A, 1);
    input_send(input, EV_KEY, KEY_A, 0);
    input_sync(input);
    check_got(&all, "1/29/1 1/273/1 1/30/1 1/30/0 sync;");
    input_release_all(input);
    check_got(&all, "1/29/0 1/273/0 sync;");
    input_release_all(input);
    check_got(&all, "");
    unplug(input, &all);
    input_free(input);
}

static void the_last_one_gets_it(void) REQUIRES(bql)
{
    struct input *input = input_new();
    struct device first, second;

    plug(input, &first, INPUT_KEYS | INPUT_POINTER);
    input_send(input, EV_KEY, KEY_A, 1);
    input_sync(input);
    check_got(&first, "1/30/1 sync;");
    plug(input, &second, INPUT_KEYS);
    check_got(&first, "1/30/0 sync;"); /* nobody else would tell it */
    input_send(input, EV_KEY, KEY_B, 1);
    input_send(input, EV_KEY, BTN_LEFT, 1);
    input_sync(input);
    check_got(&second, "1/48/1 sync;");
    check_got(&first, "1/272/1 sync;");
    unplug(input, &second);
    input_send(input, EV_KEY, KEY_B, 1); /* what the other had is forgotten … */
    input_send(input, EV_KEY, BTN_LEFT, 0);
    check_got(&first, "1/48/1 1/272/0 "); /* … and nothing else */
    unplug(input, &first);
    input_free(input);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/input/events_go_to_who_takes_them", events_go_to_who_takes_them);
    g_test_add_func("/input/what_changes_nothing_is_dropped", what_changes_nothing_is_dropped);
    g_test_add_func("/input/what_is_down_can_be_released", what_is_down_can_be_released);
    g_test_add_func("/input/the_last_one_gets_it", the_last_one_gets_it);
    WITH_BQL () {
        return g_test_run();
    }
}

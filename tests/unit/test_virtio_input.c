/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/virtio_input.h>

#include "hw/dev/virtio_input.h"
#include "hw/display/input.h"
#include "tests/unit/virtio_guest.h"

enum {
    EVENTS,
    STATUS,
    EVENT_SIZE = sizeof(struct virtio_input_event),
    STATUS_AT = GUEST_DATA + 0x10000,
};

/* A machine's input, a device, and a guest that writes down what it is told. */
struct scene_input {
    struct guest guest;
    struct input *input;
    struct virtio_input *device;
    GArray *told; /* struct virtio_input_event */
};

static struct scene_input *begin(enum virtio_input_kind kind, const char *serial) REQUIRES(bql)
{
    struct scene_input *scene = g_new0(struct scene_input, 1);

    guest_init(&scene->guest);
    scene->input = input_new();
    scene->device = virtio_input_new(scene->guest.scene.space, scene->input, kind, serial);
    scene->told = g_array_new(FALSE, FALSE, EVENT_SIZE);
    guest_plug(&scene->guest, virtio_input_device(scene->device));
    guest_start(&scene->guest, 0);
    return scene;
}

static void end(struct scene_input *scene) REQUIRES(bql)
{
    guest_unplug(&scene->guest);
    virtio_input_free(scene->device);
    input_free(scene->input);
    guest_fini(&scene->guest);
    g_array_unref(scene->told);
    g_free(scene);
}

static void let_loop_run(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

static void give_buffers(struct scene_input *scene, unsigned nr) REQUIRES(bql)
{
    for (unsigned i = 0; i < nr; i++) {
        const unsigned slot = scene->guest.queues[EVENTS].descriptor;
        const struct guest_buffer buffer = { GUEST_DATA + slot * EVENT_SIZE, EVENT_SIZE, true };

        (void)guest_send(&scene->guest, EVENTS, &buffer, 1);
    }
    let_loop_run();
}

static void look(struct scene_input *scene) REQUIRES(bql)
{
    while (guest_answers(&scene->guest, EVENTS) > 0) {
        uint32_t written;
        const uint16_t head = guest_take(&scene->guest, EVENTS, &written);

        g_assert_cmpuint(written, ==, EVENT_SIZE);
        g_array_append_vals(scene->told, scene->guest.bytes + GUEST_DATA + head * EVENT_SIZE, 1);
    }
}

static void is_told(struct scene_input *scene, unsigned index, unsigned type, unsigned code,
                    int value)
{
    const struct virtio_input_event *event =
        &g_array_index(scene->told, struct virtio_input_event, index);

    g_assert_cmpuint(index, <, scene->told->len);
    g_assert_cmpuint(GUINT16_FROM_LE(event->type), ==, type);
    g_assert_cmpuint(GUINT16_FROM_LE(event->code), ==, code);
    g_assert_cmpint((int32_t)GUINT32_FROM_LE(event->value), ==, value);
}

static void press(struct scene_input *scene, uint16_t code, bool is_down) REQUIRES(bql)
{
    input_send(scene->input, EV_KEY, code, is_down);
    input_sync(scene->input);
}

/* ---- Configuration ---------------------------------------------------------------------------
 */

static struct virtio_input_config selected(struct scene_input *scene, uint8_t select,
                                           uint8_t subsel) REQUIRES(bql)
{
    struct virtio_input_config config;

    virtio_write_config(scene->guest.device, 0, &select, 1); /* as Linux does */
    virtio_write_config(scene->guest.device, 1, &subsel, 1);
    virtio_read_config(scene->guest.device, 0, &config, sizeof(config));
    g_assert_cmpuint(config.select, ==, select);
    g_assert_cmpuint(config.subsel, ==, subsel);
    return config;
}

static void has_text(struct scene_input *scene, uint8_t select, const char *text) REQUIRES(bql)
{
    struct virtio_input_config config = selected(scene, select, 0);

    g_assert_cmpmem(config.u.string, config.size, text, strlen(text));
}

static bool has_bit(struct scene_input *scene, uint8_t type, unsigned bit) REQUIRES(bql)
{
    struct virtio_input_config config = selected(scene, VIRTIO_INPUT_CFG_EV_BITS, type);

    return bit / 8 < config.size && config.u.bitmap[bit / 8] >> bit % 8 & 1;
}

static void a_keyboard_says_what_it_is(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_KEYBOARD, "K1");
    struct virtio_input_config config;

    has_text(scene, VIRTIO_INPUT_CFG_ID_NAME, "gracevm keyboard");
    has_text(scene, VIRTIO_INPUT_CFG_ID_SERIAL, "K1");
    config = selected(scene, VIRTIO_INPUT_CFG_ID_DEVIDS, 0);
    g_assert_cmpuint(config.size, ==, 8);
    g_assert_cmpuint(GUINT16_FROM_LE(config.u.ids.bustype), ==, 6); /* BUS_VIRTUAL */
    g_assert_true(has_bit(scene, EV_KEY, KEY_ESC));
    g_assert_true(has_bit(scene, EV_KEY, KEY_RIGHTMETA));
    g_assert_false(has_bit(scene, EV_KEY, KEY_RESERVED));
    g_assert_false(has_bit(scene, EV_KEY, BTN_LEFT));
    g_assert_true(has_bit(scene, EV_LED, LED_CAPSL));
    g_assert_true(has_bit(scene, EV_REP, 0));
    g_assert_cmpuint(selected(scene, VIRTIO_INPUT_CFG_EV_BITS, EV_ABS).size, ==, 0);
    end(scene);
}

static void a_tablet_says_what_it_is(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_TABLET, NULL);
    struct virtio_input_config config;

    has_text(scene, VIRTIO_INPUT_CFG_ID_NAME, "gracevm tablet");
    has_text(scene, VIRTIO_INPUT_CFG_ID_SERIAL, "");
    for (unsigned axis = ABS_X; axis <= ABS_Y; axis++) {
        g_assert_true(has_bit(scene, EV_ABS, axis));
        config = selected(scene, VIRTIO_INPUT_CFG_ABS_INFO, (uint8_t)axis);
        g_assert_cmpuint(config.size, ==, 20);
        g_assert_cmpuint(GUINT32_FROM_LE(config.u.abs.min), ==, 0);
        g_assert_cmpuint(GUINT32_FROM_LE(config.u.abs.max), ==, INPUT_ABS_MAX);
    }
    g_assert_true(has_bit(scene, EV_KEY, BTN_LEFT));
    g_assert_true(has_bit(scene, EV_REL, REL_WHEEL));
    g_assert_false(has_bit(scene, EV_REL, REL_X));
    g_assert_false(has_bit(scene, EV_KEY, KEY_A));
    g_assert_cmpuint(selected(scene, VIRTIO_INPUT_CFG_EV_BITS, EV_REP).size, ==, 0);
    end(scene);
}

static void what_there_is_not_has_no_size(void)
{
    bql_assert_held();
    static const uint8_t nothing[][2] = {
        { VIRTIO_INPUT_CFG_UNSET, 0 },        { VIRTIO_INPUT_CFG_ID_NAME, 1 },
        { VIRTIO_INPUT_CFG_PROP_BITS, 0 },    { VIRTIO_INPUT_CFG_EV_BITS, 0xff },
        { VIRTIO_INPUT_CFG_ABS_INFO, ABS_Z }, { 0xff, 0xff },
    };
    struct scene_input *scene = begin(VIRTIO_INPUT_TABLET, NULL);
    struct virtio_input_config config;
    uint32_t value = 0;

    for (size_t i = 0; i < ARRAY_SIZE(nothing); i++) {
        config = selected(scene, nothing[i][0], nothing[i][1]);
        g_assert_cmpuint(config.size, ==, 0);
        for (size_t byte = 0; byte < sizeof(config.u); byte++)
            g_assert_cmpuint(config.u.bitmap[byte], ==, 0);
    }
    g_assert_cmpuint(load_relaxed(&scene->guest.device->guest_errors), ==, 0);
    virtio_write_config(scene->guest.device, 2, &value, 1);
    virtio_write_config(scene->guest.device, 1, &value, 2);
    g_assert_cmpuint(load_relaxed(&scene->guest.device->guest_errors), ==, 2);
    end(scene);
}

/* ---- Events ----------------------------------------------------------------------------------
 */

static void a_report_is_its_events_and_an_end(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_TABLET, NULL);

    give_buffers(scene, 8);
    input_send(scene->input, EV_ABS, ABS_X, 100);
    input_send(scene->input, EV_ABS, ABS_Y, INPUT_ABS_MAX);
    input_send(scene->input, EV_REL, REL_WHEEL, -1);
    input_send(scene->input, EV_REL, REL_X, 5); /* which it has not */
    input_send(scene->input, EV_KEY, BTN_LEFT, 1);
    look(scene);
    g_assert_cmpuint(scene->told->len, ==, 0);
    input_sync(scene->input);
    look(scene);
    g_assert_cmpuint(scene->told->len, ==, 5);
    is_told(scene, 0, EV_ABS, ABS_X, 100);
    is_told(scene, 1, EV_ABS, ABS_Y, INPUT_ABS_MAX);
    is_told(scene, 2, EV_REL, REL_WHEEL, -1);
    is_told(scene, 3, EV_KEY, BTN_LEFT, 1);
    is_told(scene, 4, EV_SYN, SYN_REPORT, 0);
    g_assert_cmpuint(scene->guest.nr_interrupts, ==, 1);
    end(scene);
}

static void what_has_no_buffer_waits(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_KEYBOARD, NULL);

    give_buffers(scene, 1);
    press(scene, KEY_A, true);
    press(scene, KEY_A, false);
    look(scene);
    g_assert_cmpuint(scene->told->len, ==, 1);
    give_buffers(scene, 4);
    look(scene);
    g_assert_cmpuint(scene->told->len, ==, 4);
    is_told(scene, 0, EV_KEY, KEY_A, 1);
    is_told(scene, 1, EV_SYN, SYN_REPORT, 0);
    is_told(scene, 2, EV_KEY, KEY_A, 0);
    is_told(scene, 3, EV_SYN, SYN_REPORT, 0);
    g_assert_cmpuint(virtio_input_dropped(scene->device), ==, 0);
    end(scene);
}

/* What the guest thinks of a key, and that no report has been cut: keys come one a report here. */
static bool is_down_in_guest(const struct scene_input *scene, unsigned code)
{
    bool is_down = false;

    for (guint i = 0; i < scene->told->len; i++) {
        const struct virtio_input_event *event =
            &g_array_index(scene->told, struct virtio_input_event, i);

        if (GUINT16_FROM_LE(event->type) != EV_KEY || GUINT16_FROM_LE(event->code) != code)
            continue;
        g_assert_cmpint(is_down, !=, event->value != 0); /* no press twice, no release twice */
        is_down = event->value != 0;
    }
    return is_down;
}

static void look_until_all_is_told(struct scene_input *scene) REQUIRES(bql)
{
    guint before;

    do {
        before = scene->told->len;
        give_buffers(scene, 16);
        look(scene);
    } while (scene->told->len > before);
}

static void missed_reports_leave_no_key_down(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_KEYBOARD, NULL);
    uint64_t dropped;

    give_buffers(scene, 4);
    press(scene, KEY_LEFTSHIFT, true);
    press(scene, KEY_LEFTCTRL, true);
    for (unsigned i = 0; i < VIRTIO_INPUT_EVENTS_MAX; i++)
        press(scene, KEY_A, i % 2 == 0); /* two events each: the second half has no room */
    press(scene, KEY_LEFTSHIFT, false);
    press(scene, KEY_B, true);
    press(scene, KEY_C, true);
    press(scene, KEY_C, false);
    dropped = virtio_input_dropped(scene->device);
    g_assert_cmpuint(dropped, ==, VIRTIO_INPUT_EVENTS_MAX / 2 + 4);
    look_until_all_is_told(scene);
    g_assert_false(is_down_in_guest(scene, KEY_LEFTSHIFT));
    g_assert_true(is_down_in_guest(scene, KEY_LEFTCTRL));
    g_assert_false(is_down_in_guest(scene, KEY_A));
    g_assert_true(is_down_in_guest(scene, KEY_B));
    g_assert_false(is_down_in_guest(scene, KEY_C));
    is_told(scene, scene->told->len - 1, EV_SYN, SYN_REPORT, 0);
    press(scene, KEY_LEFTCTRL, false);
    look_until_all_is_told(scene);
    g_assert_false(is_down_in_guest(scene, KEY_LEFTCTRL));
    g_assert_cmpuint(virtio_input_dropped(scene->device), ==, dropped);
    end(scene);
}

static void the_position_is_told_after_all(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_TABLET, NULL);
    guint last;

    for (unsigned i = 1; i <= VIRTIO_INPUT_EVENTS_MAX; i++) {
        input_send(scene->input, EV_ABS, ABS_X, (int32_t)i);
        input_sync(scene->input);
    }
    look_until_all_is_told(scene);
    last = scene->told->len - 1;
    is_told(scene, last - 1, EV_ABS, ABS_X, VIRTIO_INPUT_EVENTS_MAX);
    is_told(scene, last, EV_SYN, SYN_REPORT, 0);
    end(scene);
}

/* More than a report holds, as one report: none of it, then all of what is. */
static void a_report_that_is_too_long_is_made_up_for(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_TABLET, NULL);

    for (unsigned i = 0; i <= VIRTIO_INPUT_REPORT_MAX; i++)
        input_send(scene->input, EV_REL, REL_WHEEL, 1);
    input_send(scene->input, EV_KEY, BTN_RIGHT, 1);
    input_sync(scene->input);
    look_until_all_is_told(scene);
    g_assert_cmpuint(scene->told->len, ==, 2);
    is_told(scene, 0, EV_KEY, BTN_RIGHT, 1);
    is_told(scene, 1, EV_SYN, SYN_REPORT, 0);
    g_assert_cmpuint(virtio_input_dropped(scene->device), ==, 1);
    end(scene);
}

static void the_next_driver_knows_of_nothing(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_KEYBOARD, NULL);

    press(scene, KEY_A, true); /* waits, and is forgotten */
    virtio_set_status(scene->guest.device, 0);
    press(scene, KEY_B, true);
    guest_start(&scene->guest, 0);
    press(scene, KEY_A, false);
    press(scene, KEY_B, false);
    press(scene, KEY_C, true);
    look_until_all_is_told(scene);
    g_assert_cmpuint(scene->told->len, ==, 2);
    is_told(scene, 0, EV_KEY, KEY_C, 1);
    end(scene);
}

static void the_last_keyboard_gets_the_keys(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_KEYBOARD, NULL);
    struct virtio_input *second =
        virtio_input_new(scene->guest.scene.space, scene->input, VIRTIO_INPUT_KEYBOARD, NULL);

    press(scene, KEY_A, true);
    look_until_all_is_told(scene);
    g_assert_cmpuint(scene->told->len, ==, 0);
    virtio_input_free(second);
    press(scene, KEY_B, true);
    look_until_all_is_told(scene);
    g_assert_cmpuint(scene->told->len, ==, 2);
    end(scene);
}

static void a_buffer_that_holds_no_event_breaks_the_device(void)
{
    bql_assert_held();
    static const struct guest_buffer wrong[] = { { GUEST_DATA, EVENT_SIZE - 1, true },
                                                 { GUEST_DATA, EVENT_SIZE, false } };
    struct scene_input *scene = begin(VIRTIO_INPUT_KEYBOARD, NULL);

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        (void)guest_send(&scene->guest, EVENTS, &wrong[i], 1);
        press(scene, KEY_A, true);
        press(scene, KEY_A, false);
        g_assert_true(guest_device_is_broken(&scene->guest));
        virtio_set_status(scene->guest.device, 0);
        guest_start(&scene->guest, 0);
    }
    end(scene);
}

/* ---- LEDs ------------------------------------------------------------------------------------
 */

static void send_status(struct scene_input *scene, uint16_t type, uint16_t code, uint32_t value,
                        uint32_t size) REQUIRES(bql)
{
    const struct virtio_input_event event = { GUINT16_TO_LE(type), GUINT16_TO_LE(code),
                                              GUINT32_TO_LE(value) };
    const struct guest_buffer buffer = { STATUS_AT, size, false };
    uint32_t written;

    memcpy(scene->guest.bytes + STATUS_AT, &event, sizeof(event));
    (void)guest_send(&scene->guest, STATUS, &buffer, 1);
    (void)guest_take(&scene->guest, STATUS, &written);
    g_assert_cmpuint(written, ==, 0);
}

static void leds_are_the_guests(void)
{
    bql_assert_held();
    struct scene_input *scene = begin(VIRTIO_INPUT_KEYBOARD, NULL);

    send_status(scene, EV_LED, LED_CAPSL, 1, EVENT_SIZE);
    send_status(scene, EV_LED, LED_NUML, 7, EVENT_SIZE);
    g_assert_cmpuint(virtio_input_leds(scene->device), ==, 1 << LED_CAPSL | 1 << LED_NUML);
    send_status(scene, EV_LED, LED_CAPSL, 0, EVENT_SIZE);
    g_assert_cmpuint(virtio_input_leds(scene->device), ==, 1 << LED_NUML);
    send_status(scene, EV_LED, LED_KANA, 1, EVENT_SIZE);
    send_status(scene, EV_LED, 0xffff, 1, EVENT_SIZE);
    send_status(scene, EV_REP, REP_DELAY, 250, EVENT_SIZE);
    g_assert_cmpuint(load_relaxed(&scene->guest.device->guest_errors), ==, 0);
    send_status(scene, EV_LED, LED_SCROLLL, 1, EVENT_SIZE - 1);
    g_assert_cmpuint(load_relaxed(&scene->guest.device->guest_errors), ==, 1);
    g_assert_cmpuint(virtio_input_leds(scene->device), ==, 1 << LED_NUML);
    virtio_set_status(scene->guest.device, 0);
    g_assert_cmpuint(virtio_input_leds(scene->device), ==, 0);
    guest_start(&scene->guest, 0);
    end(scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/virtio_input/" #test, test)
    ADD(a_keyboard_says_what_it_is);
    ADD(a_tablet_says_what_it_is);
    ADD(what_there_is_not_has_no_size);
    ADD(a_report_is_its_events_and_an_end);
    ADD(what_has_no_buffer_waits);
    ADD(missed_reports_leave_no_key_down);
    ADD(the_position_is_told_after_all);
    ADD(a_report_that_is_too_long_is_made_up_for);
    ADD(the_next_driver_knows_of_nothing);
    ADD(the_last_keyboard_gets_the_keys);
    ADD(a_buffer_that_holds_no_event_breaks_the_device);
    ADD(leds_are_the_guests);
#undef ADD
    return run_with_bql();
}

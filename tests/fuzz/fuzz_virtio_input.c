/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-input with a driver that does what the input says: selections of any values, buffers of
 * any sizes or none, statuses, rings written over, resets; keys and pointer move meanwhile.
 *
 * Whatever came before, the device can be reset and lets go of all memory. Then a driver that is
 * only slow, as the rest of the input says, never sees half a report, and ends with the keys as
 * they are. The address sanitizer sees the rest.
 */
#include <assert.h>
#include <linux/virtio_input.h>

#include "hw/dev/virtio_input.h"
#include "hw/display/input.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/start.h"
#include "tests/fuzz/target.h"
#include "tests/unit/virtio_guest.h"
#include "util/log.h"

enum {
    EVENTS,
    STATUS,
    QUEUES,
    STEPS = 64,
    HONEST_STEPS = 64,
    BUFFERS = 8,
    EVENT_SIZE = sizeof(struct virtio_input_event),
};

static struct {
    struct guest guest;
    struct input *input;
    struct virtio_input *device;
    bool is_down[KEY_CNT]; /* as we have it … */
    bool is_told[KEY_CNT]; /* … and as the honest driver has heard */
    bool is_in_report;
} world;

static void let_loop_run(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

static void start_world(void) REQUIRES(bql)
{
    guest_init(&world.guest);
    world.input = input_new();
    world.device =
        virtio_input_new(world.guest.scene.space, world.input, VIRTIO_INPUT_KEYBOARD, "fuzz");
    guest_plug(&world.guest, virtio_input_device(world.device));
}

/* ---- Hands -----------------------------------------------------------------------------------
 */

/* Some keys often, others seldom. */
static void press(struct input *input) REQUIRES(bql)
{
    const uint8_t byte = take(input);
    const uint16_t code = byte < 240 ? byte % 8 + KEY_ESC : (uint16_t)take_bytes(input, 2);
    const bool is_down = take(input) & 1;

    if (code >= KEY_ESC && code <= KEY_MICMUTE)
        world.is_down[code] = is_down;
    input_send(world.input, EV_KEY, code, is_down);
}

static void use_hands(struct input *input) REQUIRES(bql)
{
    const uint8_t kind = take(input);

    if (kind < 128) {
        press(input);
        input_sync(world.input);
    } else if (kind < 200) {
        for (unsigned i = 0; i < kind % 8U; i++)
            press(input);
        input_sync(world.input);
    } else if (kind < 210) { /* a flood, of more than can wait */
        for (unsigned i = 0; i < VIRTIO_INPUT_EVENTS_MAX; i++) {
            input_send(world.input, EV_KEY, KEY_F24, i % 2 == 0);
            input_sync(world.input);
        }
        world.is_down[KEY_F24] = false;
    } else if (kind < 220) { /* one report that is too long */
        for (unsigned i = 0; i < 2 * VIRTIO_INPUT_REPORT_MAX; i++)
            input_send(world.input, EV_KEY, KEY_F24, i % 2 == 0);
        input_sync(world.input);
        world.is_down[KEY_F24] = false;
    } else {
        input_sync(world.input);
    }
}

/* ---- The input's driver ----------------------------------------------------------------------
 */

static void send_anything(struct input *input, unsigned queue) REQUIRES(bql)
{
    struct guest_buffer buffers[BUFFERS];
    const unsigned nr = 1 + take(input) % BUFFERS;

    for (unsigned i = 0; i < nr; i++) {
        const uint8_t kind = take(input);

        buffers[i] = (struct guest_buffer){
            kind < 240 ? GUEST_DATA + take_bytes(input, 2) : take_bytes(input, 8),
            kind < 250 ? kind % 24U : (uint32_t)take_bytes(input, 4),
            kind < 200 ? queue == EVENTS : kind & 1,
        };
    }
    (void)guest_send(&world.guest, queue, buffers, nr);
}

static void select_config(struct input *input) REQUIRES(bql)
{
    const uint8_t selection[] = { take(input), take(input) };
    uint8_t config[sizeof(struct virtio_input_config)];
    uint64_t value = take_bytes(input, 2);
    const uint8_t offset = take(input), size = 1 + take(input) % 8;

    virtio_write_config(world.guest.device, 0, &selection[0], 1);
    virtio_write_config(world.guest.device, 1, &selection[1], 1);
    virtio_read_config(world.guest.device, 0, config, sizeof(config));
    assert(config[0] == selection[0] && config[1] == selection[1]);
    assert(config[2] <= sizeof(config) - offsetof(struct virtio_input_config, u));
    virtio_write_config(world.guest.device, offset, &value, size);
    virtio_read_config(world.guest.device, offset, &value, size);
}

static void write_over(struct input *input)
{
    const uint64_t gpa = take_bytes(input, 2) % (QUEUES * GUEST_RINGS);

    world.guest.bytes[gpa] = take(input);
}

static void reset(void) REQUIRES(bql)
{
    virtio_set_status(world.guest.device, 0);
    assert(virtio_get_status(world.guest.device) == 0);
    assert(virtio_input_leds(world.device) == 0);
}

static void reset_queue(unsigned queue) REQUIRES(bql)
{
    struct virtq *virtq = virtio_queue(world.guest.device, queue);

    virtq_reset(virtq);
    if (!virtq_is_resetting(virtq) && !virtq_setup(virtq)->is_enabled &&
        !guest_device_is_broken(&world.guest))
        guest_setup_queue(&world.guest, queue);
}

static void step(struct input *input) REQUIRES(bql)
{
    const uint8_t kind = take(input);

    if (kind < 80)
        use_hands(input);
    else if (kind < 150)
        send_anything(input, kind % QUEUES);
    else if (kind < 180)
        let_loop_run();
    else if (kind < 220)
        select_config(input);
    else if (kind < 240)
        write_over(input);
    else if (kind < 248)
        reset_queue(kind % QUEUES);
    else {
        reset();
        guest_start(&world.guest, take(input) & 1 ? world.guest.device->offered : 0);
    }
}

/* ---- The slow driver -------------------------------------------------------------------------
 */

static void hear(const struct virtio_input_event *event)
{
    const unsigned code = GUINT16_FROM_LE(event->code);

    if (GUINT16_FROM_LE(event->type) == EV_SYN) {
        assert(world.is_in_report);
        world.is_in_report = false;
        return;
    }
    assert(GUINT16_FROM_LE(event->type) == EV_KEY);
    assert(world.is_told[code] != (event->value != 0)); /* nothing twice */
    world.is_told[code] = event->value != 0;
    world.is_in_report = true;
}

static unsigned room_for_buffers(void)
{
    return guest_queue_size(&world.guest) -
           (uint16_t)(world.guest.queues[EVENTS].added - world.guest.queues[EVENTS].taken);
}

/* All that has been said. How much that was. */
static unsigned hear_all(void) REQUIRES(bql)
{
    unsigned nr = 0;

    let_loop_run();
    for (; guest_answers(&world.guest, EVENTS) > 0; nr++) {
        uint32_t written;
        const uint16_t head = guest_take(&world.guest, EVENTS, &written);

        assert(written == EVENT_SIZE);
        hear((const void *)(world.guest.bytes + GUEST_DATA + head * EVENT_SIZE));
    }
    return nr;
}

/* Gives up to @nr buffers, and hears what there is. How much that was. */
static unsigned give_and_hear(unsigned nr) REQUIRES(bql)
{
    unsigned nr_heard = hear_all();

    for (unsigned i = 0; i < nr && room_for_buffers() > 0; i++) {
        const unsigned slot = world.guest.queues[EVENTS].descriptor;
        const struct guest_buffer buffer = { GUEST_DATA + slot * EVENT_SIZE, EVENT_SIZE, true };

        (void)guest_send(&world.guest, EVENTS, &buffer, 1);
        nr_heard += hear_all();
    }
    return nr_heard;
}

static void expect_service(struct input *input) REQUIRES(bql)
{
    struct mem_stats stats;

    mem_get_stats(world.guest.scene.mem, &stats);
    assert(stats.dma_holders == 0);
    input_release_all(world.input);
    memset(world.is_down, 0, sizeof(world.is_down));
    memset(world.is_told, 0, sizeof(world.is_told));
    world.is_in_report = false;
    guest_start(&world.guest, world.guest.device->offered);
    for (unsigned i = 0; i < HONEST_STEPS && input->left > 0; i++) {
        use_hands(input);
        if (take(input) & 1)
            (void)give_and_hear(1 + take(input) % 8);
    }
    while (give_and_hear(16) > 0)
        continue;
    assert(!world.is_in_report);
    assert(memcmp(world.is_told, world.is_down, sizeof(world.is_told)) == 0);
    reset();
}

static void run(struct input *input) REQUIRES(bql)
{
    guest_start(&world.guest, take(input) & 1 ? world.guest.device->offered : 0);
    for (unsigned i = 0; i < STEPS && input->left > 0; i++)
        step(input);
    let_loop_run();
    reset();
    expect_service(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    struct input input = { data, size };

    fuzz_start(start_world);
    run(&input);
    return 0;
}

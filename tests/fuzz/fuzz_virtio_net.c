/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-net with a driver that does what the input says: frames and buffers of any sizes, headers
 * and commands of any bytes, rings written over, resets; frames come from the network meanwhile.
 *
 * Whatever came before, the device can be reset, lets go of all memory, and sends nothing to the
 * network that is no frame. Then an honest driver gets each frame whole, and sends one. The
 * address sanitizer sees the rest.
 */
#include <assert.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/start.h"
#include "tests/fuzz/target.h"
#include "tests/unit/net_scene.h"
#include "util/log.h"

enum { STEPS = 64, BUFFERS = 8, ROOM = 1526, ROOMS = 16 };

static struct {
    struct net_scene scene;
    uint8_t frame[NET_FRAME_MAX]; /* that waits */
} world;

static void start_world(void) REQUIRES(bql)
{
    net_scene_init(&world.scene);
}

/* ---- The network ------------------------------------------------------------------------------
 */

static size_t make_frame(struct input *input)
{
    static const uint8_t firsts[] = { 0x52, 0x01, 0xff };
    const uint8_t kind = take(input);
    const size_t size =
        NET_HEADER_SIZE + (kind < 200 ? kind * 10 : take_bytes(input, 2) % PEER_MTU);

    memset(world.frame, kind, size);
    memcpy(world.frame, own_mac, NET_MAC_SIZE);
    world.frame[0] = firsts[kind % ARRAY_SIZE(firsts)];
    return size;
}

static void use_network(struct input *input) REQUIRES(bql)
{
    struct peer *peer = &world.scene.peer;
    const uint8_t kind = take(input);

    if (kind < 8) {
        net_set_link(&peer->backend, kind & 1);
        return;
    }
    peer->echoes = kind & 1;
    if (!peer->waiting) {
        const size_t size = make_frame(input);

        peer_offer(peer, world.frame, size);
    }
}

/* ---- The input's driver -----------------------------------------------------------------------
 */

static void send_anything(struct input *input, unsigned queue) REQUIRES(bql)
{
    struct guest *guest = &world.scene.guest;
    struct guest_buffer buffers[BUFFERS];
    const unsigned nr = 1 + take(input) % BUFFERS;

    for (unsigned i = 0; i < nr; i++) {
        const uint8_t kind = take(input);

        buffers[i] = (struct guest_buffer){
            kind < 240 ? GUEST_DATA + take_bytes(input, 2) : take_bytes(input, 8),
            kind < 200 ? kind * 8U : (uint32_t)take_bytes(input, kind < 250 ? 2 : 4),
            kind < 220 ? queue == RECEIVE || (queue == CONTROL && i + 1 == nr) : kind & 1,
        };
        /* What commands and headers are read from. */
        for (unsigned j = kind % 16U; j > 0 && kind < 240; j--)
            guest->bytes[buffers[i].gpa + j] = take(input);
    }
    (void)guest_send(guest, queue, buffers, nr);
}

/* A command that could be meant. */
static void send_command(struct input *input) REQUIRES(bql)
{
    const struct guest_buffer buffers[] = {
        { GUEST_DATA, 2, false },
        { GUEST_DATA + 2, take(input), false },
        { GUEST_DATA + 0x1000, 1, true },
    };
    uint8_t *bytes = world.scene.guest.bytes + GUEST_DATA;

    bytes[0] = take(input) % 5;
    bytes[1] = take(input) % 7;
    memset(bytes + 2, 0, 256);
    bytes[2] = take(input);
    bytes[6 + bytes[2] % 32 * NET_MAC_SIZE] = take(input);
    (void)guest_send(&world.scene.guest, CONTROL, buffers, ARRAY_SIZE(buffers));
}

static void reset(void) REQUIRES(bql)
{
    struct guest *guest = &world.scene.guest;
    struct mem_stats stats;

    virtio_set_status(guest->device, 0);
    assert(virtio_get_status(guest->device) == 0);
    assert(!world.scene.peer.waiting); /* lost with its driver */
    mem_get_stats(guest->scene.mem, &stats);
    assert(stats.dma_holders == 0);
}

static void reset_queue(unsigned queue) REQUIRES(bql)
{
    struct guest *guest = &world.scene.guest;
    struct virtq *virtq = virtio_queue(guest->device, queue);

    virtq_reset(virtq);
    if (!virtq_is_resetting(virtq) && !virtq_setup(virtq)->is_enabled &&
        !guest_device_is_broken(guest))
        guest_setup_queue(guest, queue);
}

static void step(struct input *input) REQUIRES(bql)
{
    struct guest *guest = &world.scene.guest;
    const uint8_t kind = take(input);

    if (kind < 60)
        use_network(input);
    else if (kind < 140)
        send_anything(input, kind % NR_QUEUES);
    else if (kind < 160)
        send_command(input);
    else if (kind < 210)
        let_loop_run();
    else if (kind < 225)
        guest->bytes[take_bytes(input, 2) % (NR_QUEUES * GUEST_RINGS)] = take(input);
    else if (kind < 240) {
        uint64_t value = take(input);

        virtio_write_config(guest->device, take(input) % 16, &value, 1 + kind % 8);
        virtio_read_config(guest->device, take(input) % 16, &value, 1 + kind % 8);
    } else if (kind < 248)
        reset_queue(kind % NR_QUEUES);
    else {
        reset();
        guest_start(guest, take(input) & 1 ? guest->device->offered : 0);
    }
}

/* ---- The honest driver ------------------------------------------------------------------------
 */

static void give_room(void) REQUIRES(bql)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        const struct guest_buffer buffer = { GUEST_DATA + i * ROOM, ROOM, true };

        (void)guest_send(&world.scene.guest, RECEIVE, &buffer, 1);
    }
    let_loop_run();
}

/* That @size bytes of the frame are in the buffers that came back, in their order. */
static void expect_frame(size_t size) REQUIRES(bql)
{
    struct guest *guest = &world.scene.guest;
    uint8_t got[ROOMS * ROOM];
    const unsigned nr = guest_answers(guest, RECEIVE);
    size_t total = 0;
    struct net_header header;

    assert(nr == (sizeof(header) + size + ROOM - 1) / ROOM);
    for (unsigned i = 0; i < nr; i++) {
        uint32_t written;

        (void)guest_take(guest, RECEIVE, &written);
        memcpy(got + total, guest->bytes + GUEST_DATA + i * ROOM, written);
        total += written;
    }
    memcpy(&header, got, sizeof(header));
    assert(total == sizeof(header) + size && header.nr_buffers == nr);
    assert(memcmp(got + sizeof(header), world.frame, size) == 0);
}

static void expect_service(struct input *input) REQUIRES(bql)
{
    struct peer *peer = &world.scene.peer;
    struct guest *guest = &world.scene.guest;
    const size_t size = make_frame(input);
    const struct guest_buffer buffer = { GUEST_DATA, (uint32_t)(WIRE_HEADER + size), false };
    const unsigned nr_sent = peer->nr_sent;
    uint32_t written;

    net_set_link(&peer->backend, true);
    peer->echoes = false;
    guest_start(guest, guest->device->offered & ~(uint64_t)NET_F_CTRL_RX); /* it gets all */
    give_room();
    peer_offer(peer, world.frame, size);
    assert(!peer->waiting);
    expect_frame(size);
    memset(guest->bytes + GUEST_DATA, 0, WIRE_HEADER);
    memcpy(guest->bytes + GUEST_DATA + WIRE_HEADER, world.frame, size);
    (void)guest_send(guest, TRANSMIT, &buffer, 1);
    (void)guest_take(guest, TRANSMIT, &written);
    assert(peer->nr_sent == nr_sent + 1 && peer->sent_size == size);
    assert(memcmp(peer->sent, world.frame, size) == 0);
    reset();
}

static void run(struct input *input) REQUIRES(bql)
{
    struct guest *guest = &world.scene.guest;

    guest_start(guest, take(input) & 1 ? guest->device->offered : 0);
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

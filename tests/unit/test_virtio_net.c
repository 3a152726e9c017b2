/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net with a driver in memory and a network that is the test.
 */
#include "tests/unit/net_scene.h"
#include "tests/unit/run.h"
#include "util/metric.h"

enum {
    FRAME = 1000, /* bytes of the usual frame */
    HEADER_AT = GUEST_DATA,
    FRAME_AT = GUEST_DATA + 0x100,
    ROOM_AT = GUEST_DATA + 0x40000,
    COMMAND_AT = GUEST_DATA + 0x80000,
    ACK_AT = COMMAND_AT + 0x10000,
};

static const uint8_t other_mac[NET_MAC_SIZE] = { 0x52, 0x54, 0, 9, 9, 9 };
static const uint8_t group_mac[NET_MAC_SIZE] = { 0x01, 0, 0x5e, 0, 0, 1 };
static const uint8_t broadcast_mac[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct net_scene scene; /* large */

static void start(uint64_t features) REQUIRES(bql)
{
    net_scene_init(&scene);
    guest_start(&scene.guest, features);
}

static void end(void) REQUIRES(bql)
{
    net_scene_fini(&scene);
}

static void restart(uint64_t features) REQUIRES(bql)
{
    virtio_set_status(scene.guest.device, 0);
    g_assert_cmpuint(virtio_get_status(scene.guest.device), ==, 0);
    guest_start(&scene.guest, features);
}

/* A frame for @mac with bytes that tell its parts apart. */
static const uint8_t *frame_for(const uint8_t *mac)
{
    static uint8_t frame[NET_FRAME_MAX];

    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)(i * 7 + i / 256);
    memcpy(frame, mac, NET_MAC_SIZE);
    return frame;
}

static uint64_t errors(void)
{
    return load_relaxed(&scene.guest.device->guest_errors);
}

/* ---- From the guest -------------------------------------------------------------------------- */

static void send_frame(const struct net_header *header, size_t size) REQUIRES(bql)
{
    const struct guest_buffer buffers[] = {
        { HEADER_AT, sizeof(*header), false },
        { FRAME_AT, (uint32_t)size, false },
    };
    uint32_t written;

    memcpy(scene.guest.bytes + HEADER_AT, header, sizeof(*header));
    memcpy(scene.guest.bytes + FRAME_AT, frame_for(other_mac), MIN(size, NET_FRAME_MAX));
    (void)guest_send(&scene.guest, TRANSMIT, buffers, ARRAY_SIZE(buffers));
    (void)guest_take(&scene.guest, TRANSMIT, &written);
    g_assert_cmpuint(written, ==, 0);
}

static void frames_leave_without_their_header(void)
{
    static const size_t sizes[] = { NET_HEADER_SIZE, 60, 1514, NET_FRAME_MAX };
    const struct net_header header = { 0 };

    bql_assert_held();
    start(0);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        send_frame(&header, sizes[i]);
        g_assert_cmpuint(scene.peer.nr_sent, ==, i + 1);
        g_assert_cmpuint(scene.peer.sent_size, ==, sizes[i]);
        g_assert_cmpint(memcmp(scene.peer.sent, frame_for(other_mac), sizes[i]), ==, 0);
    }
    g_assert_cmpuint(errors(), ==, 0);
    end();
}

/* The header may lie anywhere in the chain (2.7.4.1). */
static void a_frame_may_be_in_many_pieces(void)
{
    struct guest_buffer buffers[FRAME + WIRE_HEADER];
    uint32_t written;

    bql_assert_held();
    start(0);
    memset(scene.guest.bytes + HEADER_AT, 0, WIRE_HEADER);
    memcpy(scene.guest.bytes + HEADER_AT + WIRE_HEADER, frame_for(other_mac), 100);
    for (unsigned i = 0; i < WIRE_HEADER + 100; i++)
        buffers[i] = (struct guest_buffer){ HEADER_AT + i, 1, false };
    (void)guest_send(&scene.guest, TRANSMIT, buffers, WIRE_HEADER + 100);
    (void)guest_take(&scene.guest, TRANSMIT, &written);
    g_assert_cmpuint(scene.peer.sent_size, ==, 100);
    g_assert_cmpint(memcmp(scene.peer.sent, frame_for(other_mac), 100), ==, 0);
    end();
}

static void wrong_frames_are_lost_and_counted(void)
{
    static const struct {
        struct net_header header;
        size_t size;
    } rows[] = {
        { { 0 }, 0 },
        { { 0 }, NET_HEADER_SIZE - 1 },
        { { 0 }, NET_FRAME_MAX + 1 },
        { { 0 }, 1 << 20 },
        { { .flags = NET_HEADER_NEEDS_CHECKSUM }, FRAME },
        { { .gso_type = NET_HEADER_GSO_TCP4 }, FRAME },
        { { .gso_type = 0xff, .flags = 0xff }, FRAME },
    };

    bql_assert_held();
    start(0);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct net_header header = rows[i].header;

        send_frame(&header, rows[i].size);
        g_assert_cmpuint(errors(), ==, i + 1);
        g_assert_cmpuint(scene.peer.nr_sent, ==, 0);
        g_assert_false(guest_device_is_broken(&scene.guest));
    }
    end();
}

static void buffers_of_the_wrong_direction_break_the_device(void)
{
    const struct guest_buffer in = { FRAME_AT, 100, true }, out = { FRAME_AT, 100, false };

    bql_assert_held();
    start(0);
    (void)guest_send(&scene.guest, TRANSMIT, &in, 1);
    let_loop_run();
    g_assert_true(guest_device_is_broken(&scene.guest));
    restart(0);
    (void)guest_send(&scene.guest, RECEIVE, &out, 1);
    let_loop_run();
    peer_offer(&scene.peer, frame_for(own_mac), FRAME);
    g_assert_null(scene.peer.waiting); /* lost */
    g_assert_true(guest_device_is_broken(&scene.guest));
    restart(0);
    (void)guest_send(&scene.guest, CONTROL, &out, 1);
    let_loop_run();
    g_assert_true(guest_device_is_broken(&scene.guest));
    end();
}

/* ---- To the guest ---------------------------------------------------------------------------- */

static void give_room(unsigned nr, uint32_t size) REQUIRES(bql)
{
    for (unsigned i = 0; i < nr; i++) {
        const struct guest_buffer buffer = { ROOM_AT + (uint64_t)i * size, size, true };

        (void)guest_send(&scene.guest, RECEIVE, &buffer, 1);
    }
    let_loop_run();
}

/* The next frame of @size bytes is in @nr buffers of @room bytes, from the buffer @first on. */
static void expect_frame(const uint8_t *frame, size_t size, unsigned nr, uint32_t room,
                         unsigned first) REQUIRES(bql)
{
    const uint8_t *at = scene.guest.bytes + ROOM_AT + (size_t)first * room;
    struct net_header header;
    size_t total = 0;

    g_assert_cmpuint(guest_answers(&scene.guest, RECEIVE), ==, nr);
    for (unsigned i = 0; i < nr; i++) {
        uint32_t written;

        (void)guest_take(&scene.guest, RECEIVE, &written);
        g_assert_cmpuint(written, ==, MIN(room, WIRE_HEADER + size - total));
        total += written;
    }
    g_assert_cmpuint(total, ==, WIRE_HEADER + size);
    memcpy(&header, at, sizeof(header));
    g_assert_cmpuint(header.nr_buffers, ==, nr);
    g_assert_cmpuint(header.flags, ==, 0);
    g_assert_cmpuint(header.gso_type, ==, NET_HEADER_GSO_NONE);
    g_assert_cmpint(memcmp(at + WIRE_HEADER, frame, size), ==, 0);
}

static void frames_arrive_behind_a_header(void)
{
    const uint8_t *frame = frame_for(own_mac);

    bql_assert_held();
    start(0);
    give_room(2, 2048);
    peer_offer(&scene.peer, frame, FRAME);
    expect_frame(frame, FRAME, 1, 2048, 0);
    peer_offer(&scene.peer, frame, NET_HEADER_SIZE);
    expect_frame(frame, NET_HEADER_SIZE, 1, 2048, 1);
    g_assert_cmpuint(scene.guest.nr_interrupts, ==, 2);
    end();
}

static void large_frames_are_spread_over_mergeable_buffers(void)
{
    const uint8_t *frame = frame_for(own_mac);

    bql_assert_held();
    start(NET_F_MRG_RXBUF);
    give_room(9, 1000);
    peer_offer(&scene.peer, frame, 8900);
    expect_frame(frame, 8900, 9, 1000, 0);
    end();
}

/* Both without any room and with too little for the whole frame. */
static void frames_wait_for_room(void)
{
    const uint8_t *frame = frame_for(own_mac);

    bql_assert_held();
    start(NET_F_MRG_RXBUF | VIRTIO_F_EVENT_IDX);
    peer_offer(&scene.peer, frame, 2500);
    g_assert_nonnull(scene.peer.waiting);
    for (unsigned i = 0; i < 3; i++) {
        const struct guest_buffer buffer = { ROOM_AT + (uint64_t)i * 1000, 1000, true };

        g_assert_cmpuint(guest_answers(&scene.guest, RECEIVE), ==, 0);
        g_assert_nonnull(scene.peer.waiting);
        (void)guest_send(&scene.guest, RECEIVE, &buffer, 1);
        let_loop_run();
    }
    g_assert_null(scene.peer.waiting);
    expect_frame(frame, 2500, 3, 1000, 0);
    end();
}

static void what_never_fits_is_lost_and_the_buffers_stay(void)
{
    const uint8_t *frame = frame_for(own_mac);

    bql_assert_held();
    start(0);
    give_room(2, 500);
    peer_offer(&scene.peer, frame, FRAME); /* one buffer holds it, or none */
    g_assert_null(scene.peer.waiting);
    g_assert_cmpuint(guest_answers(&scene.guest, RECEIVE), ==, 0);
    peer_offer(&scene.peer, frame, 200);
    expect_frame(frame, 200, 1, 500, 0);
    restart(NET_F_MRG_RXBUF);
    give_room(100, WIRE_HEADER); /* more buffers than a frame may take */
    peer_offer(&scene.peer, frame, 800);
    g_assert_null(scene.peer.waiting);
    g_assert_cmpuint(guest_answers(&scene.guest, RECEIVE), ==, 0);
    peer_offer(&scene.peer, frame, 100);
    expect_frame(frame, 100, 10, WIRE_HEADER, 0);
    end();
}

/* Each has room for a header at least (5.1.6.3.1). */
static void tiny_mergeable_buffers_are_refused(void)
{
    const uint8_t *frame = frame_for(own_mac);

    bql_assert_held();
    start(NET_F_MRG_RXBUF);
    give_room(20, WIRE_HEADER - 1);
    peer_offer(&scene.peer, frame, 100);
    g_assert_null(scene.peer.waiting);
    g_assert_cmpuint(guest_answers(&scene.guest, RECEIVE), ==, 0);
    g_assert_cmpuint(errors(), ==, 1);
    g_assert_false(guest_device_is_broken(&scene.guest));
    end();
}

/* Offers frames until one waits, which is taken in the next turn. Returns how many were taken. */
static unsigned offer_until_one_waits(size_t size) REQUIRES(bql)
{
    unsigned nr = 0;

    let_loop_run();
    for (; nr < NET_TURN_EFFORT; nr++) {
        peer_offer(&scene.peer, frame_for(own_mac), size);
        if (scene.peer.waiting)
            break;
    }
    let_loop_run();
    g_assert_null(scene.peer.waiting);
    return nr;
}

/* However the driver cuts its buffers, a turn of the main loop looks at so many pieces. */
static void costly_buffers_end_the_turn(void)
{
    enum { PIECES = 250 };
    struct guest_buffer pieces[PIECES];

    bql_assert_held();
    start(0);
    for (unsigned i = 0; i < PIECES; i++)
        pieces[i] = (struct guest_buffer){ ROOM_AT + i, 1, true };
    (void)guest_send(&scene.guest, RECEIVE, pieces, PIECES);
    /* It does not fit, so that the buffer is there for the next one. */
    g_assert_cmpuint(offer_until_one_waits(FRAME), ==, NET_TURN_EFFORT / (2 * PIECES) + 1);
    restart(0);
    for (unsigned i = 0; i < PIECES; i++)
        pieces[i].length = 0; /* those cost a look */
    (void)guest_send(&scene.guest, RECEIVE, pieces, PIECES);
    g_assert_cmpuint(offer_until_one_waits(FRAME), ==, NET_TURN_EFFORT / PIECES + 1);
    g_assert_cmpuint(errors(), ==, 0);
    end();
}

/* The driver never sees a part of a frame: the used index moves once (5.1.6.4). */
static void an_answer_at_once_is_no_trap(void)
{
    const struct net_header header = { 0 };

    bql_assert_held();
    start(0);
    give_room(1, 2048);
    scene.peer.echoes = true;
    virtio_set_status(scene.guest.device, 0);
    guest_start(&scene.guest, 0); /* without CTRL_RX all frames are the driver's */
    give_room(1, 2048);
    send_frame(&header, FRAME);
    expect_frame(frame_for(other_mac), FRAME, 1, 2048, 0);
    end();
}

static void frames_without_a_driver_are_lost(void)
{
    const uint8_t *frame = frame_for(own_mac);

    bql_assert_held();
    net_scene_init(&scene);
    peer_offer(&scene.peer, frame, FRAME);
    g_assert_null(scene.peer.waiting);
    guest_start(&scene.guest, 0);
    peer_offer(&scene.peer, frame, FRAME);
    g_assert_nonnull(scene.peer.waiting);
    virtio_set_status(scene.guest.device, 0); /* what waited was for that driver */
    g_assert_null(scene.peer.waiting);
    end();
}

/* ---- The control queue ----------------------------------------------------------------------- */

static uint8_t command(uint8_t class, uint8_t code, const void *arguments, size_t size)
    REQUIRES(bql)
{
    const struct guest_buffer buffers[] = {
        { COMMAND_AT, 2, false },
        { COMMAND_AT + 2, (uint32_t)size, false },
        { ACK_AT, 1, true },
    };
    uint32_t written;

    scene.guest.bytes[COMMAND_AT] = class;
    scene.guest.bytes[COMMAND_AT + 1] = code;
    memcpy(scene.guest.bytes + COMMAND_AT + 2, arguments, size);
    scene.guest.bytes[ACK_AT] = 0xaa;
    (void)guest_send(&scene.guest, CONTROL, buffers, ARRAY_SIZE(buffers));
    (void)guest_take(&scene.guest, CONTROL, &written);
    g_assert_cmpuint(written, ==, 1);
    return scene.guest.bytes[ACK_AT];
}

static uint8_t mode(uint8_t code, uint8_t value) REQUIRES(bql)
{
    return command(NET_CLASS_RX, code, &value, 1);
}

/* Whether a frame for @mac would reach the driver: it waits for room, or is lost. */
static bool is_wanted(const uint8_t *mac) REQUIRES(bql)
{
    bool is_kept;

    peer_offer(&scene.peer, frame_for(mac), FRAME);
    is_kept = scene.peer.waiting;
    scene.peer.waiting = NULL;
    return is_kept;
}

static const uint64_t all_controls =
    NET_F_CTRL_VQ | NET_F_CTRL_RX | NET_F_CTRL_RX_EXTRA | NET_F_CTRL_MAC_ADDR;

static void modes_choose_the_frames(void)
{
    bql_assert_held();
    start(all_controls);
    g_assert_true(is_wanted(own_mac));
    g_assert_true(is_wanted(broadcast_mac));
    g_assert_false(is_wanted(group_mac));
    g_assert_false(is_wanted(other_mac));
    g_assert_cmpuint(mode(NET_RX_ALLMULTI, 1), ==, NET_OK);
    g_assert_true(is_wanted(group_mac));
    g_assert_cmpuint(mode(NET_RX_NOMULTI, 1), ==, NET_OK);
    g_assert_false(is_wanted(group_mac));
    g_assert_cmpuint(mode(NET_RX_ALLUNI, 1), ==, NET_OK);
    g_assert_true(is_wanted(other_mac));
    g_assert_cmpuint(mode(NET_RX_NOUNI, 1), ==, NET_OK);
    g_assert_false(is_wanted(own_mac));
    g_assert_cmpuint(mode(NET_RX_NOBCAST, 1), ==, NET_OK);
    g_assert_false(is_wanted(broadcast_mac));
    g_assert_cmpuint(mode(NET_RX_PROMISC, 1), ==, NET_OK);
    g_assert_true(is_wanted(other_mac));
    g_assert_cmpuint(mode(NET_RX_PROMISC, 0), ==, NET_OK);
    g_assert_false(is_wanted(own_mac));
    restart(all_controls); /* with it all is as it was */
    g_assert_true(is_wanted(own_mac));
    g_assert_true(is_wanted(broadcast_mac));
    restart(0);
    g_assert_true(is_wanted(other_mac)); /* who cannot choose gets all */
    end();
}

/* The two tables, with @nr addresses each, of which the last is the one of the test. */
static uint8_t set_tables(uint32_t nr_stations, uint32_t nr_groups) REQUIRES(bql)
{
    uint8_t bytes[2048] = { 0 };
    const size_t groups_at = 4 + nr_stations * NET_MAC_SIZE;

    g_assert_cmpuint(groups_at + 4 + nr_groups * NET_MAC_SIZE, <=, sizeof(bytes));
    memcpy(bytes, &nr_stations, 4);
    if (nr_stations)
        memcpy(bytes + groups_at - NET_MAC_SIZE, other_mac, NET_MAC_SIZE);
    memcpy(bytes + groups_at, &nr_groups, 4);
    if (nr_groups)
        memcpy(bytes + groups_at + 4 + (nr_groups - 1) * NET_MAC_SIZE, group_mac, NET_MAC_SIZE);
    return command(NET_CLASS_MAC, NET_MAC_TABLE_SET, bytes,
                   groups_at + 4 + nr_groups * NET_MAC_SIZE);
}

static void tables_choose_the_frames(void)
{
    static const uint8_t third[NET_MAC_SIZE] = { 2, 2, 2, 2, 2, 2 };

    bql_assert_held();
    start(all_controls);
    g_assert_cmpuint(set_tables(1, 3), ==, NET_OK);
    g_assert_true(is_wanted(other_mac));
    g_assert_true(is_wanted(group_mac));
    g_assert_false(is_wanted(third));
    g_assert_cmpuint(set_tables(64, 0), ==, NET_OK);
    g_assert_true(is_wanted(other_mac));
    g_assert_false(is_wanted(third));
    g_assert_false(is_wanted(group_mac));
    g_assert_cmpuint(set_tables(65, 0), ==, NET_OK); /* too many to keep: all are wanted */
    g_assert_true(is_wanted(third));
    g_assert_cmpuint(set_tables(0, 0), ==, NET_OK);
    g_assert_false(is_wanted(other_mac));
    g_assert_true(is_wanted(own_mac));
    end();
}

static void the_address_can_be_changed(void)
{
    struct net_config config;

    bql_assert_held();
    start(all_controls);
    g_assert_cmpuint(command(NET_CLASS_MAC, NET_MAC_ADDR_SET, other_mac, 6), ==, NET_OK);
    g_assert_true(is_wanted(other_mac));
    g_assert_false(is_wanted(own_mac));
    virtio_read_config(scene.guest.device, 0, &config, 8);
    g_assert_cmpint(memcmp(config.mac, other_mac, 6), ==, 0);
    restart(all_controls);
    virtio_read_config(scene.guest.device, 0, &config, 8);
    g_assert_cmpint(memcmp(config.mac, own_mac, 6), ==, 0);
    end();
}

static void wrong_commands_are_refused(void)
{
    static const uint8_t bytes[64] = { 0xff, 0xff, 0xff, 0xff, 0xff };
    static const struct {
        uint8_t class, code;
        size_t size;
    } rows[] = {
        { NET_CLASS_RX, NET_RX_PROMISC, 0 },
        { NET_CLASS_RX, NET_RX_PROMISC, 1 }, /* 255 is neither on nor off */
        { NET_CLASS_RX, NET_RX_PROMISC, 2 },
        { NET_CLASS_RX, 6, 1 },
        { NET_CLASS_MAC, NET_MAC_ADDR_SET, 5 },
        { NET_CLASS_MAC, NET_MAC_ADDR_SET, 7 },
        { NET_CLASS_MAC, NET_MAC_TABLE_SET, 0 },
        { NET_CLASS_MAC, NET_MAC_TABLE_SET, 4 }, /* 2^32 - 1 of them */
        { NET_CLASS_MAC, NET_MAC_TABLE_SET, 64 },
        { NET_CLASS_MAC, 2, 6 },
        { NET_CLASS_VLAN, 0, 2 },
        { NET_CLASS_ANNOUNCE, 0, 0 },
        { NET_CLASS_MQ, 0, 2 },
        { 0xff, 0xff, 1 },
    };

    bql_assert_held();
    start(all_controls);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_assert_cmpuint(command(rows[i].class, rows[i].code, bytes, rows[i].size), ==, NET_ERR);
        g_assert_cmpuint(errors(), ==, i + 1);
    }
    g_assert_true(is_wanted(own_mac));
    g_assert_false(is_wanted(other_mac));
    restart(NET_F_CTRL_VQ); /* what was not negotiated */
    g_assert_cmpuint(mode(NET_RX_PROMISC, 0), ==, NET_ERR);
    g_assert_cmpuint(set_tables(0, 0), ==, NET_ERR);
    g_assert_cmpuint(command(NET_CLASS_MAC, NET_MAC_ADDR_SET, other_mac, 6), ==, NET_ERR);
    end();
}

/* ---- The rest -------------------------------------------------------------------------------- */

static void the_link_is_in_the_configuration(void)
{
    const struct net_header header = { 0 };
    struct net_config config = { 0 };

    bql_assert_held();
    start(0);
    virtio_read_config(scene.guest.device, 6, &config.status, 2);
    virtio_read_config(scene.guest.device, 10, &config.mtu, 2);
    g_assert_cmpuint(config.status, ==, NET_STATUS_LINK_UP);
    g_assert_cmpuint(config.mtu, ==, PEER_MTU);
    net_set_link(&scene.peer.backend, false);
    g_assert_cmpuint(scene.guest.nr_config_interrupts, ==, 1);
    virtio_read_config(scene.guest.device, 6, &config.status, 2);
    g_assert_cmpuint(config.status, ==, 0);
    send_frame(&header, FRAME);
    g_assert_cmpuint(scene.peer.nr_sent, ==, 0);
    g_assert_false(is_wanted(own_mac));
    net_set_link(&scene.peer.backend, true);
    g_assert_cmpuint(scene.guest.nr_config_interrupts, ==, 2);
    send_frame(&header, FRAME);
    g_assert_cmpuint(scene.peer.nr_sent, ==, 1);
    end();
}

static void addresses_are_parsed(void)
{
    static const char *const wrong[] = { "",
                                         "52:54:00:01:02",
                                         "52:54:00:01:02:03:04",
                                         "52:54:00:01:02:0",
                                         "52-54-00-01-02-03",
                                         "53:54:00:01:02:03",
                                         "00:00:00:00:00:00",
                                         "52:54:00:01:02:0g" };
    uint8_t mac[NET_MAC_SIZE] = { 0 };

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
        g_assert_false(net_parse_mac(wrong[i], mac));
    g_assert_true(net_parse_mac("52:54:00:01:02:03", mac));
    g_assert_cmpint(memcmp(mac, own_mac, sizeof(mac)), ==, 0);
}

static void what_is_counted_is_shown(void)
{
    const struct net_header header = { 0 };
    struct metrics *metrics = metrics_new();
    g_autofree char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    bql_assert_held();
    start(0);
    virtio_net_metrics_register(scene.net, metrics, "net0");
    send_frame(&header, FRAME);
    metrics_print(metrics, out);
    (void)fclose(out);
    g_assert_nonnull(
        strstr(text, "gracevm_net_bytes_total{card=\"net0\",direction=\"from_guest\"} 1000\n"));
    g_assert_nonnull(
        strstr(text, "gracevm_net_frames_total{card=\"net0\",direction=\"to_guest\"} 0\n"));
    g_assert_nonnull(strstr(text, "gracevm_net_refused_total{card=\"net0\"} 0\n"));
    metrics_remove(metrics, scene.net);
    metrics_free(metrics);
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/virtio_net/" #test, test)
    ADD(frames_leave_without_their_header);
    ADD(a_frame_may_be_in_many_pieces);
    ADD(wrong_frames_are_lost_and_counted);
    ADD(buffers_of_the_wrong_direction_break_the_device);
    ADD(frames_arrive_behind_a_header);
    ADD(large_frames_are_spread_over_mergeable_buffers);
    ADD(frames_wait_for_room);
    ADD(what_never_fits_is_lost_and_the_buffers_stay);
    ADD(tiny_mergeable_buffers_are_refused);
    ADD(costly_buffers_end_the_turn);
    ADD(an_answer_at_once_is_no_trap);
    ADD(frames_without_a_driver_are_lost);
    ADD(modes_choose_the_frames);
    ADD(tables_choose_the_frames);
    ADD(the_address_can_be_changed);
    ADD(wrong_commands_are_refused);
    ADD(the_link_is_in_the_configuration);
    ADD(addresses_are_parsed);
    ADD(what_is_counted_is_shown);
#undef ADD
    return run_with_bql();
}

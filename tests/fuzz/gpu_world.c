/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <inttypes.h>

#include "hw/gpu/gpu_internal.h"
#include "hw/mem/access.h"
#include "hw/mem/dma.h"
#include "hw/mem/listener.h"
#include "tests/fuzz/gpu_world.h"
#include "tests/gpu/inline_render.h"
#include "util/clock.h"

enum {
    STEPS = 48,
    QUEUES = 2,
    BUFFERS = 16,
    HOLDERS = 4,
    VIEWERS = 3,
    PLACES = 16, /* for requests and answers in turn; the next ones write over them */
    PLACE = 0x2000,
    OUTSTANDING_MAX = 128,
    OWN_PAGE = SCENE_DATA + INPUT_PAGES * 4096, /* the honest driver's */
};

#define PATIENCE_NS (60 * NS_PER_S)

struct gpu_world {
    struct gpu_world_ops ops;
    struct gpu_scene *scene;
    struct gpu *gpu;
    struct mem_stats at_start;
    struct mem_listener listener;

    /* Of one input. */
    bool is_honest; /* the rings are as the driver has made them */
    unsigned outstanding[QUEUES];
    uint8_t by_head[QUEUES][GUEST_QUEUE_SIZE];
    unsigned place;
    bool is_held;        /* the renderer */
    unsigned nr_refuses; /* of ranges of memory, by the listener, from now on */
    struct dma_mapping holders[HOLDERS];
    bool is_holding[HOLDERS];
    struct viewer viewers[VIEWERS];
    unsigned nr_refreshes; /* that have not come back */
    struct loop_timer timer;
    int64_t waits_since_ns; /* 0: it has not waited in this input */
};

static const struct viewer_ops viewer_ops = { .resized = NULL };

static void on_timer(struct loop_timer *timer G_GNUC_UNUSED)
{
    /* The loop has woken: that was all. */
}

/* As KVM does when it has no slots left. */
static bool on_range(struct mem_listener *listener, const struct range *range G_GNUC_UNUSED,
                     GError **error)
{
    struct gpu_world *world = container_of(listener, struct gpu_world, listener);

    if (world->nr_refuses == 0)
        return true;
    world->nr_refuses--;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "no room");
    return false;
}

static void on_no_range(struct mem_listener *listener G_GNUC_UNUSED,
                        const struct range *range G_GNUC_UNUSED)
{
    /* It keeps none. */
}

static void add_listener(struct gpu_world *world) REQUIRES(bql)
{
    bool is_added;

    world->listener =
        (struct mem_listener){ .name = "fuzzer", .add = on_range, .del = on_no_range };
    is_added = space_add_listener(world->scene->guest.scene.space, &world->listener, NULL);
    assert(is_added);
}

struct gpu_world *gpu_world_new(const struct gpu_world_ops *ops, GError **error)
{
    struct gpu_scene *scene = gpu_scene_try(&ops->config, ops->renderer, error);
    struct gpu_world *world = g_new0(struct gpu_world, 1);

    if (!scene) {
        g_free(world);
        return NULL;
    }
    world->ops = *ops;
    world->scene = scene;
    world->gpu = scene->gpu;
    world->timer.fn = on_timer;
    add_listener(world);
    scene_begin_reset(world->scene);
    scene_end_reset(world->scene);
    drain_call_rcu();
    mem_get_stats(world->scene->guest.scene.mem, &world->at_start);
    return world;
}

/* ---- What the driver sees ------------------------------------------------------------------- */

static void forget_all(struct gpu_world *world)
{
    memset(world->outstanding, 0, sizeof(world->outstanding));
    memset(world->by_head, 0, sizeof(world->by_head));
    world->is_honest = true;
}

static bool is_running(const struct gpu_world *world) REQUIRES(bql)
{
    return virtio_get_status(world->scene->guest.device) & VIRTIO_STATUS_DRIVER_OK;
}

/* Each chain is answered once; but for what was written over the rings. */
static void collect(struct gpu_world *world) REQUIRES(bql)
{
    struct guest *guest = &world->scene->guest;

    if (world->is_honest && guest_device_is_broken(guest))
        world->is_honest = false; /* what was in flight when it broke may never come */
    for (unsigned queue = 0; queue < QUEUES && world->is_honest; queue++) {
        while (guest_answers(guest, queue) > 0) {
            uint32_t written;
            uint16_t head = guest_take(guest, queue, &written);

            assert(head < GUEST_QUEUE_SIZE && world->by_head[queue][head] > 0);
            world->by_head[queue][head]--;
            world->outstanding[queue]--;
        }
    }
}

static void let_loop_run(struct gpu_world *world) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
    collect(world);
}

/* What hangs is told here, and not by a test's timeout; @what is waited for. */
static void check_patience(struct gpu_world *world, const char *what)
{
    if (world->waits_since_ns == 0)
        world->waits_since_ns = monotonic_ns();
    if (monotonic_ns() - world->waits_since_ns > PATIENCE_NS)
        g_error("for %d s: no %s; %u in flight, %" PRIu64 " bytes, %" PRIu64 " entries",
                (int)(PATIENCE_NS / NS_PER_S), what, world->gpu->nr_in_flight,
                world->gpu->usage.bytes, world->gpu->usage.entries);
}

/* For what other threads do: they may or may not wake the loop. */
static void wait_a_turn(struct gpu_world *world, const char *what) REQUIRES(bql)
{
    check_patience(world, what);
    if (loop_iterate(false))
        return;
    loop_timer_set(&world->timer, deadline_after_ns(monotonic_ns(), 100000));
    (void)loop_iterate(true); /* the caller looks again */
}

static void let_go(struct gpu_world *world) REQUIRES(bql)
{
    world->is_held = false;
    world->nr_refuses = 0;
    inline_render_hold(false);
    if (world->ops.calm)
        world->ops.calm();
}

static void release(struct gpu_world *world, unsigned holder)
{
    if (world->is_holding[holder])
        dma_unmap(&world->holders[holder], 0);
    world->is_holding[holder] = false;
}

static void reset(struct gpu_world *world) REQUIRES(bql)
{
    let_go(world);
    scene_begin_reset(world->scene);
    while (virtio_get_status(world->scene->guest.device) != 0)
        wait_a_turn(world, "end of a reset");
    world->is_honest = false; /* what was in flight is dropped */
}

/* ---- Chains ---------------------------------------------------------------------------------- */

/* @size bytes at @gpa as one piece, or in some odd ones; some of them elsewhere. */
static unsigned cut(struct input *input, uint64_t gpa, uint32_t size, bool is_in,
                    struct guest_buffer *ret_buffers)
{
    uint8_t kind = take(input);
    unsigned nr = kind < 192 ? 0 : kind % (BUFFERS / 2 - 1);
    uint32_t at = 0;

    for (unsigned i = 0; i < nr; i++) {
        uint32_t length = MIN(size - at, take(input));

        ret_buffers[i] = (struct guest_buffer){ gpa + at, length, is_in };
        at += length;
        if (take(input) == UINT8_MAX)
            ret_buffers[i].gpa = take_address(input);
    }
    ret_buffers[nr] = (struct guest_buffer){ gpa + at, size - at, is_in };
    return nr + 1;
}

static void send_chain(struct gpu_world *world, unsigned queue, const struct guest_buffer *buffers,
                       unsigned nr) REQUIRES(bql)
{
    uint16_t head;

    if (!is_running(world) || world->outstanding[queue] >= OUTSTANDING_MAX)
        return;
    head = guest_send(&world->scene->guest, queue, buffers, nr);
    world->outstanding[queue]++;
    world->by_head[queue][head]++;
}

/* The request's bytes in guest memory; behind them, at PLACE / 2, is room for the answer. */
static uint64_t put_request(struct gpu_world *world, struct input *input, struct message *message)
{
    uint64_t place = GUEST_DATA + (uint64_t)(world->place++ % PLACES) * PLACE;
    uint8_t *bytes = world->scene->guest.bytes + place;

    if (message->request.hdr.type == VIRTIO_GPU_CMD_SUBMIT_3D && world->ops.submit)
        world->ops.submit(input, message);
    assert(message->size + message->payload_size <= PLACE / 2);
    memcpy(bytes, &message->request, message->size);
    if (message->payload_size)
        memcpy(bytes + message->size, message->payload, message->payload_size);
    return place;
}

/* The command, cut, shortened or prolonged as the input likes. */
static void send_command(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    static const uint64_t rooms[] = { 4096, 24, 408, 1056, 0, 23, 8, 40 };
    union input_payload payload;
    struct message message = take_message(input, &payload);
    struct guest_buffer buffers[BUFFERS];
    uint64_t place = put_request(world, input, &message);
    uint32_t size = (uint32_t)(message.size + message.payload_size), room = message.room;
    uint8_t kind = take(input);
    unsigned nr;

    if (kind >= 240)
        size = (uint32_t)take_bytes(input, 2) % (PLACE / 2);
    else if (kind >= 224)
        message.queue ^= 1;
    if (kind & 1 && kind >= 192)
        room = (uint32_t)take_value(input, rooms, ARRAY_SIZE(rooms), 1) % (PLACE / 2 + 1);
    nr = cut(input, place, size, false, buffers);
    if (room > 0)
        nr += cut(input, place + PLACE / 2, room, true, buffers + nr);
    send_chain(world, message.queue, buffers, nr);
}

static void send_good_command(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    union input_payload payload;
    struct message message = take_good_message(input, &payload);
    uint64_t place = put_request(world, input, &message);
    const struct guest_buffer buffers[] = {
        { place, (uint32_t)(message.size + message.payload_size), false },
        { place + PLACE / 2, message.room, true },
    };

    send_chain(world, message.queue, buffers, message.room ? 2 : 1);
}

static void send_anything(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    struct guest_buffer buffers[BUFFERS];
    uint8_t kind = take(input);
    unsigned nr = 1 + kind % (BUFFERS - 1);

    for (unsigned i = 0; i < nr; i++) {
        buffers[i].gpa = take_address(input);
        buffers[i].length = (uint32_t)take_bytes(input, 2);
        buffers[i].is_in = take(input) & 1;
    }
    send_chain(world, kind >> 7, buffers, nr);
}

/* ---- What else there is ---------------------------------------------------------------------- */

static void write_over(struct gpu_world *world, struct input *input)
{
    uint64_t gpa = take_bytes(input, 2) % (QUEUES * GUEST_RINGS);

    world->scene->guest.bytes[gpa] = take(input);
    world->is_honest = false;
}

static void touch_config(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    uint64_t value = take_bytes(input, 2);
    unsigned offset = take(input) % 24, size = 1 + take(input) % 8;

    virtio_write_config(world->scene->guest.device, offset, &value, size);
    virtio_read_config(world->scene->guest.device, offset, &value, size);
}

static void reset_queue(struct gpu_world *world, unsigned queue) REQUIRES(bql)
{
    struct virtq *virtq = virtio_queue(world->scene->guest.device, queue);

    if (!is_running(world))
        return;
    virtq_reset(virtq);
    world->is_honest = false; /* what was in flight is not answered */
    if (!virtq_is_resetting(virtq) && !virtq_setup(virtq)->is_enabled &&
        !world->scene->guest.device->is_resetting && !guest_device_is_broken(&world->scene->guest))
        guest_setup_queue(&world->scene->guest, queue);
}

/* What features, too, is the input's; those that depend on others the device does not take. */
static void start(struct gpu_world *world, uint8_t features) REQUIRES(bql)
{
    static const uint64_t of_queues =
        VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_RING_RESET;
    uint64_t accepted = features & 0x80 ? features & 0x1f : UINT64_MAX;

    if (virtio_get_status(world->scene->guest.device) != 0)
        return;
    if (features & 0x40)
        accepted &= ~of_queues;
    accepted &= world->scene->guest.device->offered;
    guest_start(&world->scene->guest, accepted & ~VIRTIO_F_EVENT_IDX);
    forget_all(world);
}

/* In flight: other steps come before it has ended, and start() may find it so. */
static void reset_or_start(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    uint8_t kind = take(input);

    if (kind & 1)
        scene_begin_reset(world->scene);
    else
        reset(world);
    world->is_honest = false;
    start(world, kind);
}

static void on_refreshed(void *opaque, bool is_gone)
{
    assert(!is_gone);
    ((struct gpu_world *)opaque)->nr_refreshes--;
}

static void look(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    static const uint64_t sides[] = { 640, 0, 1, 1024, 16384, 16385, UINT32_MAX };
    uint8_t kind = take(input);
    struct viewer *viewer = &world->viewers[kind % VIEWERS];
    struct console *console = display_console(world->scene->display, kind >> 6 & 1);

    if (kind & 4) {
        viewer_remove(viewer);
    } else if (kind & 8) {
        if (!viewer->console)
            console_add_viewer(console, viewer, &viewer_ops);
    } else if (kind & 16) {
        console_prefer(console, (unsigned)take_value(input, sides, ARRAY_SIZE(sides), 4),
                       (unsigned)take_value(input, sides, ARRAY_SIZE(sides), 4));
    } else {
        world->nr_refreshes++;
        console_refresh(console, on_refreshed, world);
    }
}

/* Another device's transfer, in the window or elsewhere. */
static void hold_memory(struct gpu_world *world, struct input *input)
{
    uint8_t kind = take(input);
    unsigned holder = kind % HOLDERS;

    if (world->is_holding[holder])
        release(world, holder);
    else
        world->is_holding[holder] =
            dma_map(world->scene->guest.scene.space, take_address(input), take_bytes(input, 2) + 1,
                    kind & 0x80 ? DMA_TO_GUEST : DMA_FROM_GUEST, "fuzzer",
                    &world->holders[holder]) > 0;
}

/* A processor's access, wherever. */
static void access_window(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    static const uint64_t offsets[] = { 0, 4096, 8192, 65536, 4092, 65532, 1 << 20 };
    uint64_t offset = take_value(input, offsets, ARRAY_SIZE(offsets), 8);

    window_write(world->scene, offset, window_read(world->scene, offset) + 1);
}

static void hold_renderer(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    uint8_t kind = take(input);

    if (kind & 1) {
        for (unsigned i = 0; i < kind >> 4; i++)
            inline_render_step();
        return;
    }
    world->is_held = !world->is_held;
    inline_render_hold(world->is_held);
}

static void step(struct gpu_world *world, struct input *input) REQUIRES(bql)
{
    uint8_t kind = take(input);

    if (guest_device_is_broken(&world->scene->guest)) {
        reset(world);
        start(world, 0);
    }
    if (kind < 70)
        send_good_command(world, input);
    else if (kind < 140)
        send_command(world, input);
    else if (kind < 190)
        let_loop_run(world);
    else if (kind < 200)
        look(world, input);
    else if (kind < 210)
        hold_renderer(world, input);
    else if (kind < 218)
        hold_memory(world, input);
    else if (kind < 224)
        access_window(world, input);
    else if (kind < 228)
        send_anything(world, input);
    else if (kind < 231)
        write_over(world, input);
    else if (kind < 235)
        touch_config(world, input);
    else if (kind < 238)
        reset_queue(world, kind & 1);
    else if (kind < 244)
        reset_or_start(world, input);
    else if (kind < 246)
        world->nr_refuses = take(input) % 4;
    else if (world->ops.step)
        world->ops.step(input);
}

/* ---- The end of an input ----------------------------------------------------------------------
 */

static bool is_quiet(const struct gpu_world *world)
{
    return load_acquire(&world->gpu->nr_in_flight) == 0 && world->nr_refreshes == 0 &&
           !world->gpu->device.is_resetting;
}

/* All that is under way ends once nobody holds it up. */
static void settle(struct gpu_world *world) REQUIRES(bql)
{
    let_go(world);
    for (unsigned i = 0; i < HOLDERS; i++)
        release(world, i);
    let_loop_run(world);
    while (!is_quiet(world))
        wait_a_turn(world, "rest");
    let_loop_run(world);
    for (unsigned queue = 0; queue < QUEUES && world->is_honest && is_running(world); queue++)
        assert(world->outstanding[queue] == 0);
}

static bool is_all_released(const struct gpu_world *world)
{
    const struct gpu_usage *usage = &world->gpu->usage;

    return load_acquire(&usage->bytes) == 0 && load_acquire(&usage->entries) == 0 &&
           load_acquire(&usage->payload_bytes) == 0;
}

/* Of what the guest has made nothing is left. */
static void expect_nothing(struct gpu_world *world) REQUIRES(bql)
{
    struct mem *mem = world->scene->guest.scene.mem;
    struct mem_stats stats;

    while (!is_all_released(world))
        wait_a_turn(world, "memory back");
    mem_get_stats(mem, &stats);
    /* What is still to be freed would look like a leak, to libFuzzer as well. A map that a listener
     * has refused published no view, and its region is counted until after it was answered. */
    if (stats.commits != world->at_start.commits ||
        stats.regions_alive != world->at_start.regions_alive) {
        drain_call_rcu();
        mem_get_stats(mem, &stats);
    }
    assert(stats.dma_holders == 0);
    assert(stats.regions_alive == world->at_start.regions_alive);
    world->at_start.commits = stats.commits;
    assert(g_hash_table_size(world->gpu->resources) == 0);
    assert(g_hash_table_size(world->gpu->contexts) == 0);
}

static void serve(struct gpu_world *world) REQUIRES(bql)
{
    struct gpu_scene *scene = world->scene;
    uint32_t *pixels = (uint32_t *)(void *)(scene->guest.bytes + OWN_PAGE);

    memset(scene->calls, 0, sizeof(scene->calls));
    start(world, 0x40);
    for (int i = 0; i < 16; i++)
        pixels[i] = 0x123456;
    must_show(scene, 0, 1, OWN_PAGE, 4, 4);
    if (!world->ops.renderer)
        assert(scene_pixel(scene, 0, 3, 3) == 0x123456);
    must(scene, unref_resource(1));
    if (world->ops.serve)
        world->ops.serve(scene);
    reset(world);
    expect_nothing(world);
}

void gpu_world_run(struct gpu_world *world, struct input *input)
{
    bool is_to_serve = take(input) % 8 == 7; /* it takes as long as all else */

    world->waits_since_ns = 0;
    start(world, take(input));
    for (unsigned i = 0; i < STEPS && input->left > 0; i++)
        step(world, input);
    settle(world);
    for (unsigned i = 0; i < VIEWERS; i++)
        viewer_remove(&world->viewers[i]);
    reset(world);
    settle(world);
    expect_nothing(world);
    if (is_to_serve)
        serve(world);
}

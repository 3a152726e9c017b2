/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device: beginning and end, configuration, reset.
 */
#include <assert.h>
#include <string.h>

#include "hw/gpu/mapping.h"
#include "hw/gpu/screen.h"
#include "hw/gpu/watchdog.h"
#include "hw/mem/view.h"
#include "hw/virtio/transport.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/log.h"

enum { QUEUE_SIZE = 256, LOOK_NS = 100 * 1000 * 1000 };

static struct gpu *gpu_of(struct virtio_device *device)
{
    return container_of(device, struct gpu, device);
}

/* ---- Configuration (5.7.4) ------------------------------------------------------------------- */

static void get_config(struct virtio_device *device, void *ret_config)
{
    bql_assert_held();
    const struct gpu *gpu = gpu_of(device);
    const struct virtio_gpu_config config = {
        .events_read = gpu->events,
        .num_scanouts = gpu->config.nr_scanouts,
        .num_capsets = gpu->caps.nr_capsets,
    };

    memcpy(ret_config, &config, sizeof(config));
}

static void set_config(struct virtio_device *device, unsigned offset, const void *data,
                       unsigned size)
{
    bql_assert_held();
    struct gpu *gpu = gpu_of(device);
    uint32_t clear;

    if (offset != offsetof(struct virtio_gpu_config, events_clear) || size != sizeof(clear)) {
        virtio_guest_error(device, "%u bytes of configuration written at %u", size, offset);
        return;
    }
    memcpy(&clear, data, sizeof(clear));
    gpu->events &= ~clear;
}

static void handle_queue(struct virtio_device *device, unsigned queue)
{
    bql_assert_held();
    if (queue == GPU_QUEUE_CURSOR)
        gpu_cursor_queue(gpu_of(device));
    else
        gpu_control_queue(gpu_of(device));
}

/* ---- Reset ----------------------------------------------------------------------------------- */

/*
 * The driver may use its memory for something else as soon as the status reads 0. So the reset
 * lasts until nobody can reach the window, and nothing is being written into guest memory; what
 * comes later sees that it is stale. The rest is cleared away on the render thread, in front of the
 * next driver's commands. For a renderer that hangs nobody waits for ever.
 */
static void try_to_end_reset(struct gpu *gpu) REQUIRES(bql)
{
    if (!gpu->device.is_resetting || !gpu->has_reset_window)
        return;
    if (load_acquire(&gpu->writing) == GPU_WAITED_FOR && /* pairs with gpu_end_writing() */
        !gpu->has_no_patience)
        return;
    loop_timer_cancel(&gpu->patience);
    virtio_reset_done(&gpu->device);
}

static void on_patience(struct loop_timer *timer)
{
    bql_assert_held();
    struct gpu *gpu = container_of(timer, struct gpu, patience);

    gpu->has_no_patience = gpu_is_stuck(gpu);
    if (gpu->has_no_patience)
        log_warn("virtio-gpu: a reset ends while the renderer hangs in what may yet write into the "
                 "guest's memory");
    else
        loop_timer_set(timer, monotonic_ns() + LOOK_NS);
    try_to_end_reset(gpu);
}

static void on_written(struct deferred *deferred)
{
    bql_assert_held();
    try_to_end_reset(container_of(deferred, struct gpu, written));
}

void gpu_reset_go_on(struct gpu *gpu)
{
    gpu_contexts_retire(gpu);
    gpu_resources_retire(gpu);
    gpu->has_reset_window = true;
    try_to_end_reset(gpu);
}

/* For a driver of @generation. */
static bool begin_writing(struct gpu *gpu, uint32_t generation)
{
    /* Pairs with the one in reset(): it sees that we write, or we that there was one. */
    (void)atomic_xchg(&gpu->writing, GPU_WRITING);
    smp_mb_after_rmw();
    if (generation == load_relaxed(&gpu->device.generation))
        return true;
    gpu_end_writing(gpu);
    return false;
}

bool gpu_begin_writing(const struct gpu_command *command)
{
    return begin_writing(command->gpu, command->generation);
}

void gpu_end_writing(struct gpu *gpu)
{
    if (atomic_xchg(&gpu->writing, GPU_NOT_WRITING) == GPU_WAITED_FOR)
        (void)loop_defer(&gpu->written); /* pending already is as good */
}

/* What a context does goes on until it is retired, in front of the next driver's first command. */
bool gpu_host_begin_writing(void *opaque)
{
    struct gpu *gpu = opaque;

    return begin_writing(gpu, gpu->rendered_generation);
}

void gpu_host_written(void *opaque UNUSED, const struct iovec *iov)
{
    gpu_backing_written(gpu_backing_of(iov));
}

void gpu_host_end_writing(void *opaque)
{
    gpu_end_writing(opaque);
}

static bool reset(struct virtio_device *device)
{
    bql_assert_held();
    struct gpu *gpu = gpu_of(device);
    uint32_t writing = GPU_WRITING;

    fetch_add_relaxed(&gpu->stats.resets, 1);
    gpu->events = 0;
    gpu_order_drop(gpu->order);
    gpu_scanouts_reset(gpu);
    /* Pairs with the one in gpu_begin_writing(): the device's generation has been raised. */
    smp_mb();
    if (atomic_cas(&gpu->writing, &writing, GPU_WAITED_FOR) || writing == GPU_WAITED_FOR)
        loop_timer_set(&gpu->patience, monotonic_ns() + LOOK_NS);
    gpu->has_no_patience = false;
    gpu->has_reset_window = false;
    gpu_unmap_all(gpu);
    gpu_answers_drop(gpu->answers);
    return false; /* it has ended already, or will */
}

/* ---- The end --------------------------------------------------------------------------------- */

bool gpu_is_stuck(struct gpu *gpu)
{
    const char *what;

    return gpu->render && render_busy_ns(gpu->render, &what) > GPU_STUCK_NS;
}

static void on_look(struct loop_timer *timer UNUSED)
{
    /* It is enough that the loop turns. */
}

/* False: the render thread is stuck before that. While it gets on, it has the time that it needs.
 */
static bool wait_until(struct gpu *gpu, bool (*is_done)(struct gpu *gpu)) REQUIRES(bql)
{
    struct loop_timer look = { .fn = on_look };

    while (!is_done(gpu) && !gpu_is_stuck(gpu)) {
        loop_timer_set(&look, monotonic_ns() + LOOK_NS);
        (void)loop_iterate(true); /* what it was is seen above */
    }
    loop_timer_cancel(&look);
    return is_done(gpu);
}

static bool has_reset(struct gpu *gpu)
{
    bql_assert_held();
    return !gpu->device.is_resetting;
}

bool gpu_wait_for_reset(struct gpu *gpu)
{
    return wait_until(gpu, has_reset);
}

static void on_settled(struct deferred *deferred)
{
    bql_assert_held();
    container_of(deferred, struct gpu, settled)->settling = GPU_HAS_SETTLED;
}

static void settle(struct render_work *work, void *renderer UNUSED)
{
    (void)loop_defer(&container_of(work, struct gpu, settle)->settled); /* is not pending */
}

static bool has_settled(struct gpu *gpu)
{
    bql_assert_held();
    return has_reset(gpu) && gpu->settling == GPU_HAS_SETTLED && gpu_window_is_idle(gpu);
}

bool gpu_settle(struct gpu *gpu)
{
    if (!gpu->render)
        return true;
    virtio_set_status(&gpu->device, 0); /* what is queued has become stale */
    if (gpu->settling == GPU_NOT_SETTLING) {
        gpu->settling = GPU_SETTLING;
        render_queue(gpu->render, &gpu->settle);
    }
    if (!wait_until(gpu, has_settled))
        return false;
    watchdog_free(gpu->watchdog);
    gpu->watchdog = NULL;
    if (!render_stop(gpu->render, GPU_STUCK_NS))
        return false;
    gpu->render = NULL;
    while (load_acquire(&gpu->nr_in_flight) > 0) /* pairs with gpu_command_free() */
        (void)loop_iterate(true);                /* what was rendered last is finished and drawn */
    return true;
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

static uint64_t features_of(const struct gpu *gpu)
{
    uint64_t features = UINT64_C(1) << VIRTIO_GPU_F_RESOURCE_UUID;

    if (gpu->caps.has_gl)
        features |= UINT64_C(1) << VIRTIO_GPU_F_VIRGL | UINT64_C(1) << VIRTIO_GPU_F_CONTEXT_INIT;
    if (gpu->config.has_edid)
        features |= UINT64_C(1) << VIRTIO_GPU_F_EDID;
    if (gpu->config.has_blob)
        features |= UINT64_C(1) << VIRTIO_GPU_F_RESOURCE_BLOB;
    return features;
}

static const struct virtio_ops common_ops = {
    .id = VIRTIO_ID_GPU,
    .pci_class = 0x038000, /* display, other */
    .nr_queues = NR_GPU_QUEUES,
    .queue_size = QUEUE_SIZE,
    .config_size = sizeof(struct virtio_gpu_config),
    .handle_queue = handle_queue,
    .get_config = get_config,
    .set_config = set_config,
    .reset = reset,
};

static void free_tables(struct gpu *gpu) REQUIRES(bql)
{
    gpu_answers_free(gpu->answers);
    gpu_order_free(gpu->order);
    g_hash_table_unref(gpu->contexts);
    g_hash_table_unref(gpu->resources);
    g_hash_table_unref(gpu->orphans);
    g_free(gpu);
}

void gpu_free(struct gpu *gpu)
{
    bool has_settled;

    if (!gpu)
        return;
    has_settled = gpu_settle(gpu);
    assert(has_settled); /* as promised */
    gpu_scanouts_fini(gpu);
    gpu_window_fini(gpu);
    loop_cancel(&gpu->written);
    loop_timer_cancel(&gpu->patience);
    virtio_device_fini(&gpu->device);
    free_tables(gpu);
}

static bool start_rendering(struct gpu *gpu, GError **error) REQUIRES(bql)
{
    const struct renderer_host host = { .fence_passed = gpu_fence_passed,
                                        .begin_writing = gpu_host_begin_writing,
                                        .written = gpu_host_written,
                                        .end_writing = gpu_host_end_writing,
                                        .opaque = gpu };

    gpu->render = render_start(gpu->renderer, &host, gpu->config.has_venus, &gpu->caps, error);
    if (gpu->render)
        gpu->watchdog = watchdog_new(gpu->render, GPU_STUCK_NS);
    return gpu->render;
}

struct gpu *gpu_new_with(struct space *memory, struct display *display,
                         const struct gpu_config *config, const struct renderer_ops *renderer,
                         GError **error)
{
    struct gpu *gpu = g_new0(struct gpu, 1);

    assert(config->nr_scanouts > 0 && config->nr_scanouts <= GPU_SCANOUTS_MAX);
    gpu->config = *config;
    gpu->memory = memory;
    gpu->mem = space_mem(memory);
    gpu->display = display;
    gpu->renderer = renderer;
    gpu->resources = g_hash_table_new(NULL, NULL);
    gpu->contexts = g_hash_table_new(NULL, NULL);
    gpu->orphans = g_hash_table_new(NULL, NULL);
    gpu->order = gpu_order_new(gpu);
    gpu->answers = gpu_answers_new(gpu);
    deferred_init(&gpu->written, on_written);
    deferred_init(&gpu->settled, on_settled);
    gpu->patience.fn = on_patience;
    gpu->settle = (struct render_work){ .run = settle, .what = "the end of its work" };
    if (!start_rendering(gpu, error)) {
        free_tables(gpu);
        return NULL;
    }
    gpu->ops = common_ops;
    gpu->ops.features = features_of(gpu);
    virtio_device_init(&gpu->device, &gpu->ops, "virtio-gpu", memory, NR_GPU_QUEUES);
    if (gpu_scanouts_init(gpu, error) && gpu_window_init(gpu, error))
        return gpu;
    gpu_free(gpu);
    return NULL;
}

struct gpu *gpu_new(struct space *memory, struct display *display, const struct gpu_config *config,
                    GError **error)
{
    return gpu_new_with(memory, display, config, config->has_gl ? &renderer_virgl : &renderer_2d,
                        error);
}

struct virtio_device *gpu_device(struct gpu *gpu)
{
    return &gpu->device;
}

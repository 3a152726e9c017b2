/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/gpu/gpu_scene.h"
#include "hw/gpu/gpu_internal.h"
#include "hw/mem/access.h"

enum { PIXEL = 4 };

/* ---- The transport ------------------------------------------------------------------------- */

/* The answer may have been given by any thread: the main loop is to look. With the queue's lock:
 * the ring is what it says. */
static void on_interrupt(struct virtio_device *device, unsigned queue)
{
    struct gpu_scene *scene = device->transport_opaque;

    store_release(&scene->told[queue], guest_used(&scene->guest, queue)); /* pairs with nr_told() */
    (void)fetch_add_relaxed(&scene->guest.nr_interrupts, 1);
    (void)loop_defer(&scene->answers);
}

static void on_config(struct virtio_device *device)
{
    ((struct gpu_scene *)device->transport_opaque)->guest.nr_config_interrupts++;
}

static void look_at_answers(struct deferred *deferred UNUSED)
{
    /* Whoever waits looks after each turn. */
}

static struct region *window_of(const struct gpu_scene *scene)
{
    return scene->guest.device->shared.region;
}

struct gpu_config scene_config(bool has_gl, uint64_t hostmem)
{
    return (struct gpu_config){ .has_gl = has_gl,
                                .has_blob = true,
                                .has_edid = true,
                                .hostmem = hostmem,
                                .nr_scanouts = 2,
                                .width = 640,
                                .height = 480 };
}

static void memory_and_screens_free(struct gpu_scene *scene) REQUIRES(bql)
{
    display_free(scene->display);
    guest_fini(&scene->guest);
    g_free(scene);
}

struct gpu_scene *gpu_scene_try(const struct gpu_config *config,
                                const struct renderer_ops *renderer, GError **error)
{
    static const struct virtio_transport_ops transport = { .queue_interrupt = on_interrupt,
                                                           .config_interrupt = on_config };
    struct gpu_scene *scene = g_new0(struct gpu_scene, 1);

    guest_init(&scene->guest);
    deferred_init(&scene->answers, look_at_answers);
    scene->display = display_new();
    scene->gpu =
        renderer ? gpu_new_with(scene->guest.scene.space, scene->display, config, renderer, error)
                 : gpu_new(scene->guest.scene.space, scene->display, config, error);
    if (!scene->gpu) {
        memory_and_screens_free(scene);
        return NULL;
    }
    scene->guest.device = gpu_device(scene->gpu);
    virtio_set_transport(scene->guest.device, &transport, scene, "test");
    if (window_of(scene))
        put_in(scene->guest.scene.root, SCENE_WINDOW, window_of(scene), 0);
    scene_start(scene, UINT64_MAX);
    return scene;
}

struct gpu_scene *gpu_scene_new(const struct gpu_config *config,
                                const struct renderer_ops *renderer)
{
    g_autoptr(GError) error = NULL;
    struct gpu_scene *scene = gpu_scene_try(config, renderer, &error);

    g_assert_no_error(error);
    return scene;
}

void gpu_scene_free(struct gpu_scene *scene)
{
    virtio_set_transport(scene->guest.device, NULL, NULL, NULL);
    while (scene->guest.device->is_resetting)
        (void)loop_iterate(true); /* looked at above */
    if (window_of(scene))
        take_out(window_of(scene));
    gpu_free(scene->gpu);
    loop_cancel(&scene->answers);
    memory_and_screens_free(scene);
}

void scene_start(struct gpu_scene *scene, uint64_t features)
{
    const uint64_t of_queues = VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_RING_RESET;

    memset(scene->told, 0, sizeof(scene->told)); /* of a reset device there is no interrupt */
    guest_start(&scene->guest, features & scene->guest.device->offered & ~of_queues);
}

void scene_begin_reset(struct gpu_scene *scene)
{
    virtio_set_status(scene->guest.device, 0);
    memset(scene->calls, 0, sizeof(scene->calls));
}

void scene_end_reset(struct gpu_scene *scene)
{
    while (virtio_get_status(scene->guest.device) != 0)
        (void)loop_iterate(true); /* the status tells */
}

void scene_reset(struct gpu_scene *scene)
{
    scene_begin_reset(scene);
    scene_end_reset(scene);
    scene_start(scene, UINT64_MAX);
}

/* ---- Commands ------------------------------------------------------------------------------ */

static uint64_t request_at(unsigned call)
{
    return GUEST_DATA + (uint64_t)call * CALL_ROOM;
}

static uint64_t response_at(unsigned call)
{
    return request_at(call) + REQUEST_ROOM;
}

static unsigned free_call(const struct gpu_scene *scene)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (!scene->calls[i].is_used)
            return i;
    }
    g_error("%d calls in flight", CALLS_MAX);
}

unsigned post(struct gpu_scene *scene, struct message message)
{
    _Static_assert(GUEST_DATA + CALLS_MAX * CALL_ROOM <= SCENE_DATA, "room for all calls");
    unsigned call = free_call(scene);
    uint8_t *bytes = scene->guest.bytes + request_at(call);
    const struct guest_buffer buffers[] = {
        { request_at(call), (uint32_t)(message.size + message.payload_size), false },
        { response_at(call), message.room, true },
    };

    g_assert_cmpuint(message.size + message.payload_size, <=, REQUEST_ROOM);
    g_assert_cmpuint(message.room, <=, RESPONSE_ROOM);
    memcpy(bytes, &message.request, message.size);
    if (message.payload_size)
        memcpy(bytes + message.size, message.payload, message.payload_size);
    memset(scene->guest.bytes + response_at(call), 0xee, RESPONSE_ROOM);
    scene->calls[call] = (struct call){ .is_used = true, .message = message };
    /* Heads are as good as calls: one that is held up is not confused with later ones. */
    g_assert_cmpuint(2 * call + 1, <, guest_queue_size(&scene->guest));
    scene->guest.queues[message.queue].descriptor = (uint16_t)(2 * call);
    scene->calls[call].head =
        guest_send(&scene->guest, message.queue, buffers, message.room ? 2 : 1);
    return call;
}

static struct call *find_call(struct gpu_scene *scene, unsigned queue, uint16_t head)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        struct call *call = &scene->calls[i];

        if (call->is_used && !call->is_answered && call->message.queue == queue &&
            call->head == head)
            return call;
    }
    g_error("an answer to nobody: head %u of queue %u", head, queue);
}

/* Answers whose interrupt has come. A ring that was set up anew has fewer than were told. */
static unsigned nr_told(const struct gpu_scene *scene, unsigned queue)
{
    const uint16_t told = load_acquire(&scene->told[queue]); /* pairs with on_interrupt() */

    return MIN((uint16_t)(told - scene->guest.queues[queue].taken),
               guest_answers(&scene->guest, queue));
}

/* What the used rings have, as far as a driver knows. */
static void collect(struct gpu_scene *scene) REQUIRES(bql)
{
    for (unsigned queue = 0; queue < scene->guest.device->nr_queues; queue++) {
        while (nr_told(scene, queue) > 0) {
            uint32_t written;
            struct call *call = find_call(scene, queue, guest_take(&scene->guest, queue, &written));

            call->is_answered = true;
            call->written = written;
        }
    }
}

void scene_run(struct gpu_scene *scene)
{
    while (loop_iterate(false))
        continue;
    collect(scene);
}

bool is_answered(struct gpu_scene *scene, unsigned call)
{
    g_assert_true(scene->calls[call].is_used);
    scene_run(scene);
    return scene->calls[call].is_answered;
}

unsigned scene_in_flight(struct gpu_scene *scene)
{
    unsigned nr = 0;

    scene_run(scene);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        nr += scene->calls[i].is_used && !scene->calls[i].is_answered;
    return nr;
}

/* 5.7.6.7: a response's type; the fence's bit, number, context and ring as in the request. */
static void check_header(const struct virtio_gpu_ctrl_hdr *request,
                         const struct virtio_gpu_ctrl_hdr *response)
{
    bool is_fenced = request->flags & VIRTIO_GPU_FLAG_FENCE;

    g_assert_true((response->type >= VIRTIO_GPU_RESP_OK_NODATA &&
                   response->type <= VIRTIO_GPU_RESP_OK_MAP_INFO) ||
                  (response->type >= VIRTIO_GPU_RESP_ERR_UNSPEC &&
                   response->type <= VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER));
    g_assert_cmphex(response->flags & VIRTIO_GPU_FLAG_FENCE, ==,
                    request->flags & VIRTIO_GPU_FLAG_FENCE);
    if (!is_fenced)
        return;
    g_assert_cmpuint(response->fence_id, ==, request->fence_id);
    g_assert_cmpuint(response->ctx_id, ==, request->ctx_id);
    if (request->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX &&
        response->type < VIRTIO_GPU_RESP_ERR_UNSPEC) { /* else perhaps there is no such ring */
        g_assert_true(response->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX);
        g_assert_cmpuint(response->ring_idx, ==, request->ring_idx);
    }
}

uint32_t finish(struct gpu_scene *scene, unsigned number)
{
    struct call *call = &scene->calls[number];

    g_assert_true(call->is_used);
    for (collect(scene); !call->is_answered; collect(scene))
        (void)loop_iterate(true); /* whether that was it is seen above */
    call->is_used = false;
    scene->written = call->written;
    g_assert_cmpuint(call->written, <=, call->message.room);
    memcpy(scene->response.bytes, scene->guest.bytes + response_at(number), RESPONSE_ROOM);
    if (call->message.room == 0)
        return 0;
    g_assert_cmpuint(call->written, >=, sizeof(struct virtio_gpu_ctrl_hdr));
    check_header(&call->message.request.hdr, &scene->response.of.hdr);
    return scene->response.of.hdr.type;
}

uint32_t ask(struct gpu_scene *scene, struct message message)
{
    return finish(scene, post(scene, message));
}

void must(struct gpu_scene *scene, struct message message)
{
    uint32_t type = ask(scene, message);

    if (message.room && type >= VIRTIO_GPU_RESP_ERR_UNSPEC)
        g_error("command %#x: answer %#x", message.request.hdr.type, type);
}

/* ---- Memory and screens -------------------------------------------------------------------- */

uint32_t window_read(struct gpu_scene *scene, uint64_t offset)
{
    uint32_t value;

    (void)mem_read_locked(scene->guest.scene.space, SCENE_WINDOW + offset, &value, sizeof(value));
    return value;
}

void window_write(struct gpu_scene *scene, uint64_t offset, uint32_t value)
{
    (void)mem_write_locked(scene->guest.scene.space, SCENE_WINDOW + offset, &value, sizeof(value));
}

void must_show(struct gpu_scene *scene, unsigned scanout, uint32_t id, uint64_t address,
               uint32_t width, uint32_t height)
{
    const struct virtio_gpu_mem_entry entries[] = { entry(address, width * height * PIXEL) };
    const struct virtio_gpu_rect all = rect_of(0, 0, width, height);

    must(scene, create_2d(id, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, width, height));
    must(scene, attach_backing(id, entries, 1));
    must(scene, to_host_2d(id, all, 0));
    must(scene, set_scanout(scanout, id, all));
    must(scene, flush_resource(id, all));
}

static void on_refreshed(void *opaque, bool is_gone)
{
    g_assert_false(is_gone);
    *(bool *)opaque = true;
}

uint32_t scene_pixel(struct gpu_scene *scene, unsigned scanout, unsigned x, unsigned y)
{
    struct console *console = display_console(scene->display, scanout);
    bool is_refreshed = false;
    pixman_image_t *picture;

    console_refresh(console, on_refreshed, &is_refreshed);
    while (!is_refreshed)
        (void)loop_iterate(true); /* looked at above */
    picture = console_picture(console);
    g_assert_nonnull(picture);
    g_assert_cmpuint(x, <, (unsigned)pixman_image_get_width(picture));
    g_assert_cmpuint(y, <, (unsigned)pixman_image_get_height(picture));
    return pixman_image_get_data(
               picture)[y * (unsigned)pixman_image_get_stride(picture) / PIXEL + x] &
           0xffffff;
}

uint32_t scene_config_word(struct gpu_scene *scene, unsigned offset)
{
    uint32_t value = 0;

    virtio_read_config(scene->guest.device, offset, &value, sizeof(value));
    return value;
}

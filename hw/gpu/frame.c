/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a resource to the screen: RESOURCE_FLUSH damages; what is damaged is read by the render
 * thread, behind all commands that came before, and drawn by the main thread.
 */
#include "hw/gpu/format.h"
#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"
#include "hw/gpu/screen.h"
#include "util/atomic.h"

/* Of one scanout; its memory is kept for the next one. */
struct gpu_frame {
    struct gpu_scanout *scanout;
    struct render_work work;
    struct deferred done;
    bool is_on_its_way;
    uint32_t serial; /* of the scanout: another picture is there by now, or the same */
    uint32_t generation;
    struct gpu_resource *resource; /* a reference */
    struct renderer_layout layout;
    struct renderer_picture picture;
    struct rect rect; /* on the screen */
    bool is_good;
    uint32_t *pixels;
    size_t room;
};

/* ---- Rectangles ------------------------------------------------------------------------------ */

static bool is_empty(const struct rect *rect)
{
    return rect->width == 0;
}

static struct rect join(const struct rect *a, const struct rect *b)
{
    struct rect both = { MIN(a->x, b->x), MIN(a->y, b->y), 0, 0 };

    if (is_empty(a))
        return *b;
    if (is_empty(b))
        return *a;
    both.width = MAX(a->x + a->width, b->x + b->width) - both.x;
    both.height = MAX(a->y + a->height, b->y + b->height) - both.y;
    return both;
}

/* What of @flushed is on the scanout, seen from its corner. */
static struct rect cut(const struct virtio_gpu_rect *flushed, const struct rect *shown)
{
    const uint32_t left = MAX(flushed->x, shown->x), top = MAX(flushed->y, shown->y);
    const uint32_t right = MIN(flushed->x + flushed->width, shown->x + shown->width);
    const uint32_t bottom = MIN(flushed->y + flushed->height, shown->y + shown->height);

    if (left >= right || top >= bottom)
        return (struct rect){ 0 };
    return (struct rect){ left - shown->x, top - shown->y, right - left, bottom - top };
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Render thread. */
static void read_frame(struct render_work *work, void *renderer)
{
    struct gpu_frame *frame = container_of(work, struct gpu_frame, work);
    struct gpu *gpu = frame->scanout->gpu;

    frame->is_good = !frame->resource->has_failed &&
                     frame->generation == load_relaxed(&gpu->device.generation) &&
                     gpu->renderer->read(renderer, &frame->picture) == 0;
    loop_defer(&frame->done);
}

static bool has_room(struct gpu_frame *frame, size_t size)
{
    if (frame->room >= size)
        return true;
    g_free(frame->pixels);
    frame->pixels = g_try_malloc(size);
    frame->room = frame->pixels ? size : 0;
    return frame->pixels;
}

/* False: there is no memory for it; the damage stays. */
static bool send(struct gpu_frame *frame) REQUIRES(bql)
{
    struct gpu_scanout *scanout = frame->scanout;
    const struct rect rect = scanout->damage;

    if (!has_room(frame, (size_t)rect.width * rect.height * PIXEL_BYTES))
        return false;
    scanout->damage = (struct rect){ 0 };
    frame->rect = rect;
    frame->serial = scanout->serial;
    frame->generation = scanout->gpu->device.generation;
    frame->resource = gpu_resource_ref(scanout->resource);
    frame->layout = scanout->layout;
    frame->picture = (struct renderer_picture){
        .resource = scanout->resource->id,
        .layout = scanout->has_layout ? &frame->layout : NULL,
        .x = scanout->rect.x + rect.x,
        .y = scanout->rect.y + rect.y,
        .width = rect.width,
        .height = rect.height,
        .pixels = frame->pixels,
        .stride = rect.width * PIXEL_BYTES,
    };
    frame->is_on_its_way = true;
    fetch_add_relaxed(&scanout->gpu->nr_in_flight, 1);
    render_queue(scanout->gpu->render, &frame->work);
    return true;
}

void gpu_frame_start(struct gpu_scanout *scanout)
{
    struct gpu_frame *frame = scanout->frame;

    if (frame->is_on_its_way)
        return;
    if ((scanout->is_watched || scanout->is_asked) && scanout->resource &&
        !is_empty(&scanout->damage) && send(frame))
        return;
    if (scanout->is_asked) {
        scanout->is_asked = false;
        console_refreshed(scanout->console);
    }
}

static void draw(struct deferred *deferred)
{
    bql_assert_held();
    struct gpu_frame *frame = container_of(deferred, struct gpu_frame, done);
    struct gpu_scanout *scanout = frame->scanout;
    struct gpu *gpu = scanout->gpu;

    if (frame->is_good && frame->serial == scanout->serial) {
        console_draw(scanout->console, &frame->rect, frame->pixels, frame->picture.stride);
        fetch_add_relaxed(&gpu->stats.frames, 1);
    }
    gpu_resource_unref(frame->resource);
    frame->resource = NULL;
    frame->is_on_its_way = false;
    (void)fetch_sub(&gpu->nr_in_flight, 1);
    gpu_frame_start(scanout);
}

/* ---- RESOURCE_FLUSH -------------------------------------------------------------------------- */

static void damage(struct gpu *gpu, const struct gpu_resource *resource,
                   const struct virtio_gpu_rect *rect) REQUIRES(bql)
{
    for (unsigned i = 0; i < gpu->config.nr_scanouts; i++) {
        struct gpu_scanout *scanout = &gpu->scanouts[i];
        struct rect part;

        if (scanout->resource != resource)
            continue;
        part = cut(rect, &scanout->rect);
        scanout->damage = join(&scanout->damage, &part);
        gpu_frame_start(scanout);
    }
}

/* Of a blob only its scanouts know how large it is. */
static bool is_flush(const struct gpu_resource *resource, const struct virtio_gpu_rect *rect)
{
    const uint32_t width = resource->is_blob ? PICTURE_SIDE_MAX : resource->width;
    const uint32_t height = resource->is_blob ? PICTURE_SIDE_MAX : resource->height;

    return gpu_is_inside(rect, width, height);
}

/*
 * The answer comes behind the frame, if one was begun: then the guest may draw into the resource
 * again. If one was under way already, the next reads what is there by then.
 */
void gpu_flush(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_resource_flush *request = &command->request.flush;
    struct gpu_resource *resource = gpu_named_resource(gpu, command, request->resource_id);

    if (!resource)
        return;
    if (!is_flush(resource, &request->r)) {
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "not inside it");
        return;
    }
    damage(gpu, resource, &request->r);
    gpu_render(command);
}

/* ---- Life ------------------------------------------------------------------------------------ */

void gpu_frame_init(struct gpu_scanout *scanout)
{
    struct gpu_frame *frame = g_new0(struct gpu_frame, 1);

    frame->scanout = scanout;
    frame->work.run = read_frame;
    frame->work.what = "reading a frame";
    deferred_init(&frame->done, draw);
    scanout->frame = frame;
}

void gpu_frame_fini(struct gpu_scanout *scanout)
{
    g_assert(!scanout->frame->is_on_its_way);
    g_free(scanout->frame->pixels);
    g_free(scanout->frame);
}

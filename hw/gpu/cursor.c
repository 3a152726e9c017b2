/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cursor's queue (virtio 1.2, 5.7.6.10): a resource of 64 by 64 pixels is the picture. It is
 * read once, when it is set; to show another the guest sets it again.
 */
#include "hw/gpu/format.h"
#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"
#include "hw/gpu/screen.h"
#include "util/atomic.h"

enum { SIDE = 64 };

/* A picture of the guest's for the cursor, or none. */
struct wish {
    struct gpu_resource *resource; /* a reference; NULL: no cursor */
    uint32_t hot_x, hot_y;
    bool is_new; /* not on its way yet */
};

struct gpu_pointer {
    struct gpu_scanout *scanout;
    struct render_work work;
    struct deferred done;
    bool is_on_its_way;
    struct wish next;    /* what the guest wants now */
    struct wish reading; /* what is on its way */
    struct renderer_layout layout;
    struct renderer_picture picture;
    uint32_t generation;
    bool is_good;
    struct cursor cursor;
};

/* ---- Reading --------------------------------------------------------------------------------- */

/* Of a blob it is known by convention only how its pixels lie: Linux has them so. */
static const struct renderer_layout blob_layout = {
    .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
    .width = SIDE,
    .height = SIDE,
    .stride = SIDE * PIXEL_BYTES,
};

static uint32_t premultiply(uint32_t pixel)
{
    const uint32_t alpha = pixel >> 24;
    uint32_t result = alpha << 24;

    for (unsigned shift = 0; shift < 24; shift += 8)
        result |= ((pixel >> shift & 0xff) * alpha + 127) / 255 << shift;
    return result;
}

/* Render thread. */
static void read_cursor(struct render_work *work, void *renderer)
{
    struct gpu_pointer *pointer = container_of(work, struct gpu_pointer, work);
    struct gpu *gpu = pointer->scanout->gpu;

    pointer->is_good = !pointer->reading.resource->has_failed &&
                       pointer->generation == load_relaxed(&gpu->device.generation) &&
                       gpu->renderer->read(renderer, &pointer->picture) == 0;
    for (unsigned i = 0; pointer->is_good && i < SIDE * SIDE; i++)
        pointer->cursor.pixels[i] = premultiply(pointer->cursor.pixels[i]);
    loop_defer(&pointer->done);
}

static void send(struct gpu_pointer *pointer) REQUIRES(bql)
{
    struct gpu *gpu = pointer->scanout->gpu;
    const struct gpu_resource *resource = pointer->next.resource;

    pointer->reading = pointer->next;
    pointer->next.resource = NULL; /* the reference has gone over */
    pointer->next.is_new = false;
    pointer->generation = gpu->device.generation;
    pointer->picture = (struct renderer_picture){
        .resource = resource->id,
        .layout = resource->is_blob ? &blob_layout : NULL,
        .width = SIDE,
        .height = SIDE,
        .pixels = pointer->cursor.pixels,
        .stride = SIDE * PIXEL_BYTES,
    };
    pointer->is_on_its_way = true;
    fetch_add_relaxed(&gpu->nr_in_flight, 1);
    render_queue(gpu->render, &pointer->work);
}

/* Whether the resource has gone from the table, and so from the renderer, while it waited. */
static bool is_gone(struct gpu *gpu, struct gpu_resource *resource) REQUIRES(bql)
{
    return resource && gpu_resource_find(gpu, resource->id) != resource;
}

static void start(struct gpu_pointer *pointer) REQUIRES(bql)
{
    if (pointer->is_on_its_way || !pointer->next.is_new)
        return;
    if (is_gone(pointer->scanout->gpu, pointer->next.resource)) {
        gpu_resource_unref(pointer->next.resource);
        pointer->next = (struct wish){ .resource = NULL }; /* what is shown stays */
        return;
    }
    if (pointer->next.resource) {
        send(pointer);
    } else {
        pointer->next.is_new = false;
        console_set_cursor(pointer->scanout->console, NULL);
    }
}

static void show(struct deferred *deferred)
{
    bql_assert_held();
    struct gpu_pointer *pointer = container_of(deferred, struct gpu_pointer, done);
    struct gpu *gpu = pointer->scanout->gpu;

    if (pointer->is_good && pointer->generation == gpu->device.generation) {
        pointer->cursor.width = pointer->cursor.height = SIDE;
        pointer->cursor.hot_x = pointer->reading.hot_x;
        pointer->cursor.hot_y = pointer->reading.hot_y;
        console_set_cursor(pointer->scanout->console, &pointer->cursor);
    }
    gpu_resource_unref(pointer->reading.resource);
    pointer->reading.resource = NULL;
    pointer->is_on_its_way = false;
    (void)fetch_sub(&gpu->nr_in_flight, 1);
    start(pointer);
}

/* Takes the reference. */
static void want(struct gpu_pointer *pointer, struct gpu_resource *resource, uint32_t hot_x,
                 uint32_t hot_y) REQUIRES(bql)
{
    gpu_resource_unref(pointer->next.resource);
    pointer->next = (struct wish){ resource, MIN(hot_x, SIDE - 1), MIN(hot_y, SIDE - 1), true };
    start(pointer);
}

/* ---- UPDATE_CURSOR, MOVE_CURSOR -------------------------------------------------------------- */

static bool is_picture(const struct gpu_resource *resource)
{
    if (resource->is_blob)
        return resource->blob_size >= SIDE * SIDE * PIXEL_BYTES;
    return resource->width >= SIDE && resource->height >= SIDE;
}

static void move(struct gpu_scanout *scanout, const struct virtio_gpu_cursor_pos *pos) REQUIRES(bql)
{
    /* Left of the screen, or above it, they are negative. */
    console_move_cursor(scanout->console, (int)pos->x, (int)pos->y);
}

/* Which scanout; or it is refused, and NULL. */
static struct gpu_scanout *named_scanout(struct gpu *gpu, struct gpu_command *command) REQUIRES(bql)
{
    const uint32_t index = command->request.cursor.pos.scanout_id;

    if (index < gpu->config.nr_scanouts)
        return &gpu->scanouts[index];
    gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "there is no such scanout");
    return NULL;
}

void gpu_update_cursor(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_update_cursor *request = &command->request.cursor;
    struct gpu_scanout *scanout = named_scanout(gpu, command);
    struct gpu_resource *resource = NULL;

    if (!scanout)
        return;
    if (request->resource_id) {
        resource = gpu_resource_find(gpu, request->resource_id);
        if (!resource || !is_picture(resource)) {
            gpu_refuse(command,
                       resource ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
                                : VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
                       "no picture of 64 by 64 pixels");
            return;
        }
        (void)gpu_resource_ref(resource);
    }
    want(scanout->pointer, resource, request->hot_x, request->hot_y);
    move(scanout, &request->pos);
    gpu_answer(command, VIRTIO_GPU_RESP_OK_NODATA);
}

void gpu_move_cursor(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_scanout *scanout = named_scanout(gpu, command);

    if (!scanout)
        return;
    move(scanout, &command->request.cursor.pos);
    gpu_answer(command, VIRTIO_GPU_RESP_OK_NODATA);
}

/* ---- Life ------------------------------------------------------------------------------------ */

void gpu_pointer_init(struct gpu_scanout *scanout)
{
    struct gpu_pointer *pointer = g_new0(struct gpu_pointer, 1);

    pointer->scanout = scanout;
    pointer->work.run = read_cursor;
    pointer->work.what = "reading a cursor";
    deferred_init(&pointer->done, show);
    scanout->pointer = pointer;
}

void gpu_pointer_reset(struct gpu_scanout *scanout)
{
    want(scanout->pointer, NULL, 0, 0);
}

void gpu_pointer_fini(struct gpu_scanout *scanout)
{
    g_assert(!scanout->pointer->is_on_its_way);
    gpu_resource_unref(scanout->pointer->next.resource);
    g_free(scanout->pointer);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scanouts: which part of which resource is shown on which screen (virtio 1.2, 5.7.6.8). One
 * resource may be on several. hw/gpu/frame.c has how its pixels get there.
 */
#include <string.h>

#include "hw/gpu/format.h"
#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"
#include "hw/gpu/screen.h"
#include "util/keyval.h"

/* ---- The guest ------------------------------------------------------------------------------- */

static void turn_off(struct gpu_scanout *scanout) REQUIRES(bql)
{
    scanout->resource = NULL;
    scanout->serial++;
    scanout->damage = (struct rect){ 0 };
    (void)console_resize(scanout->console, 0, 0); /* needs no memory */
    gpu_frame_trim(scanout);
}

static bool is_same_layout(const struct gpu_scanout *scanout, const struct renderer_layout *layout)
{
    return scanout->has_layout == (layout != NULL) &&
           (!layout || memcmp(&scanout->layout, layout, sizeof(*layout)) == 0);
}

/* Of all scanouts but this one. */
static uint64_t bytes_of_others(const struct gpu_scanout *scanout) REQUIRES(bql)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < scanout->gpu->config.nr_scanouts; i++) {
        const struct gpu_scanout *other = &scanout->gpu->scanouts[i];

        if (other != scanout && other->resource)
            bytes += (uint64_t)other->rect.width * other->rect.height * PIXEL_BYTES;
    }
    return bytes;
}

/* Show @rect, which is inside it. An error, or 0. All of it is damaged, and drawn with the flush
 * that follows. */
static uint32_t show(struct gpu_scanout *scanout, struct gpu_resource *resource,
                     const struct virtio_gpu_rect *rect, const struct renderer_layout *layout)
    REQUIRES(bql)
{
    const struct rect part = { rect->x, rect->y, rect->width, rect->height };
    const uint64_t bytes = (uint64_t)part.width * part.height * PIXEL_BYTES;

    if (scanout->resource == resource && is_same_layout(scanout, layout) &&
        memcmp(&scanout->rect, &part, sizeof(part)) == 0)
        return 0;
    if (bytes > SCREENS_BYTES_MAX - bytes_of_others(scanout))
        return gpu_limit_met(scanout->gpu, LIMIT_SCREENS);
    if (!console_resize(scanout->console, part.width, part.height)) {
        turn_off(scanout);
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    scanout->resource = resource;
    scanout->serial++;
    scanout->rect = part;
    scanout->has_layout = layout;
    if (layout)
        scanout->layout = *layout;
    scanout->damage = (struct rect){ 0, 0, part.width, part.height };
    gpu_frame_trim(scanout);
    return 0;
}

/* What both commands begin with. NULL: it has been answered. */
static struct gpu_scanout *begin(struct gpu *gpu, struct gpu_command *command, uint32_t index,
                                 uint32_t resource) REQUIRES(bql)
{
    if (index >= gpu->config.nr_scanouts) {
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "there is no such scanout");
        return NULL;
    }
    if (resource == 0) {
        turn_off(&gpu->scanouts[index]);
        gpu_answer(command, VIRTIO_GPU_RESP_OK_NODATA);
        return NULL;
    }
    return &gpu->scanouts[index];
}

static void end(struct gpu_command *command, uint32_t error)
{
    if (error)
        gpu_refuse(command, error, "it cannot be shown");
    else
        gpu_answer(command, VIRTIO_GPU_RESP_OK_NODATA);
}

void gpu_set_scanout(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_set_scanout *request = &command->request.set_scanout;
    struct gpu_scanout *scanout = begin(gpu, command, request->scanout_id, request->resource_id);
    struct gpu_resource *resource;

    if (!scanout)
        return;
    resource = gpu_resource_find(gpu, request->resource_id);
    if (!resource)
        end(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    else if (resource->is_blob || !gpu_is_inside(&request->r, resource->width, resource->height) ||
             request->r.width > CONSOLE_SIDE_MAX || request->r.height > CONSOLE_SIDE_MAX)
        end(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    else
        end(command, show(scanout, resource, &request->r, NULL));
}

/* Its pixels lie inside the blob. */
static bool is_layout(const struct renderer_layout *layout, const struct gpu_resource *resource)
{
    uint64_t size;

    if (!gpu_is_format(layout->format) || layout->width == 0 || layout->height == 0 ||
        layout->width > PICTURE_SIDE_MAX || layout->height > PICTURE_SIDE_MAX ||
        layout->stride / PIXEL_BYTES < layout->width || layout->stride % PIXEL_BYTES != 0)
        return false;
    /* 2^32, 2^32 times 2^14, and 2^16 */
    size = layout->offset + (uint64_t)layout->stride * (layout->height - 1) +
           layout->width * PIXEL_BYTES;
    return size <= resource->blob_size;
}

void gpu_set_scanout_blob(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_set_scanout_blob *request = &command->request.set_scanout_blob;
    const struct renderer_layout layout = {
        .format = request->format,
        .width = request->width,
        .height = request->height,
        .stride = request->strides[0],
        .offset = request->offsets[0],
    };
    struct gpu_scanout *scanout = begin(gpu, command, request->scanout_id, request->resource_id);
    struct gpu_resource *resource;

    if (!scanout)
        return;
    resource = gpu_resource_find(gpu, request->resource_id);
    if (!resource)
        end(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    else if (!resource->is_blob || !is_layout(&layout, resource) ||
             !gpu_is_inside(&request->r, layout.width, layout.height))
        end(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    else
        end(command, show(scanout, resource, &request->r, &layout));
}

void gpu_scanouts_forget(struct gpu *gpu, struct gpu_resource *resource)
{
    for (unsigned i = 0; i < gpu->config.nr_scanouts; i++) {
        if (gpu->scanouts[i].resource == resource)
            turn_off(&gpu->scanouts[i]);
    }
}

/* ---- The screen ------------------------------------------------------------------------------ */

static void set_preferred(struct gpu_scanout *scanout, unsigned width, unsigned height)
{
    const struct gpu_config *config = &scanout->gpu->config;
    const bool is_default = width == 0 || height == 0;

    /* By default the first one is connected, and no other. */
    if (is_default && scanout->index == 0) {
        width = config->width;
        height = config->height;
    } else if (is_default) {
        width = height = 0;
    }
    scanout->prefer_width = MIN(width, CONSOLE_SIDE_MAX);
    scanout->prefer_height = MIN(height, CONSOLE_SIDE_MAX);
}

static void prefer(void *opaque, unsigned width, unsigned height)
{
    bql_assert_held();
    struct gpu_scanout *scanout = opaque;
    struct gpu *gpu = scanout->gpu;
    const unsigned before[2] = { scanout->prefer_width, scanout->prefer_height };

    set_preferred(scanout, width, height);
    if (before[0] == scanout->prefer_width && before[1] == scanout->prefer_height)
        return;
    gpu->events |= VIRTIO_GPU_EVENT_DISPLAY;
    virtio_config_changed(&gpu->device);
}

static void watch(void *opaque, bool is_watched)
{
    bql_assert_held();
    struct gpu_scanout *scanout = opaque;

    scanout->is_watched = is_watched;
    gpu_frame_start(scanout);
}

static void refresh(void *opaque)
{
    bql_assert_held();
    struct gpu_scanout *scanout = opaque;

    scanout->is_asked = true;
    gpu_frame_start(scanout);
}

static const struct console_ops console_ops = {
    .prefer = prefer,
    .watch = watch,
    .refresh = refresh,
};

bool gpu_scanouts_init(struct gpu *gpu, GError **error)
{
    for (unsigned i = 0; i < gpu->config.nr_scanouts; i++) {
        struct gpu_scanout *scanout = &gpu->scanouts[i];
        char name[16];

        (void)g_snprintf(name, sizeof(name), "gpu.%u", i);
        scanout->gpu = gpu;
        scanout->index = i;
        set_preferred(scanout, 0, 0);
        scanout->console = console_new(gpu->display, name, &console_ops, scanout);
        if (!scanout->console) {
            g_set_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE,
                        "max_outputs=%u would be more than %d screens in all",
                        gpu->config.nr_scanouts, CONSOLES_MAX);
            return false;
        }
        gpu_frame_init(scanout);
        gpu_pointer_init(scanout);
    }
    return true;
}

struct console *gpu_console(struct gpu *gpu, unsigned head)
{
    return head < gpu->config.nr_scanouts ? gpu->scanouts[head].console : NULL;
}

void gpu_scanouts_reset(struct gpu *gpu)
{
    for (unsigned i = 0; i < gpu->config.nr_scanouts && gpu->scanouts[i].console; i++) {
        turn_off(&gpu->scanouts[i]);
        gpu_pointer_reset(&gpu->scanouts[i]);
    }
}

void gpu_scanouts_fini(struct gpu *gpu)
{
    for (unsigned i = 0; i < gpu->config.nr_scanouts && gpu->scanouts[i].console; i++) {
        struct gpu_scanout *scanout = &gpu->scanouts[i];

        console_free(scanout->console);
        gpu_frame_fini(scanout);
        gpu_pointer_fini(scanout);
    }
}

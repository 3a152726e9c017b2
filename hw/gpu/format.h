/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pictures that every renderer knows: 32 bits a pixel (virtio 1.2, 5.7.6.8, RESOURCE_CREATE_2D);
 * and rectangles in them.
 */
#ifndef HW_GPU_FORMAT_H
#define HW_GPU_FORMAT_H

#include <linux/virtio_gpu.h>
#include <stdbool.h>
#include <stdint.h>

enum { PIXEL_BYTES = 4 };

static inline bool gpu_is_format(uint32_t format)
{
    switch (format) {
    case VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM:
    case VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM:
    case VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM:
    case VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM:
    case VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM:
    case VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM:
    case VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM:
    case VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM:
        return true;
    default:
        return false;
    }
}

/** Whether @rect is not empty and inside @width times @height; any numbers. */
static inline bool gpu_is_inside(const struct virtio_gpu_rect *rect, uint32_t width,
                                 uint32_t height)
{
    return rect->width > 0 && rect->height > 0 && rect->width <= width && rect->height <= height &&
           rect->x <= width - rect->width && rect->y <= height - rect->height;
}

#endif

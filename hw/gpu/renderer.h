/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What draws: the interface between the device and its renderers, pixman
 * (renderer_2d.c) and virglrenderer (renderer_virgl.c).
 *
 * All functions run on the render thread, which never holds the BQL, and may take
 * as long as they like. What the guest sent has passed the device's gates: ids are
 * in use or new, rectangles inside their resources, sizes within the limits, feature
 * bits negotiated. What only a renderer can judge (formats, streams, memory) it judges.
 *
 * Results are virtio-gpu response types (linux/virtio_gpu.h): 0 is good, else
 * VIRTIO_GPU_RESP_ERR_*.
 */
#ifndef HW_GPU_RENDERER_H
#define HW_GPU_RENDERER_H

#include <glib.h>
#include <linux/virtio_gpu.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    CAPSET_VIRGL = 1,
    CAPSET_VIRGL2 = 2,
    CAPSET_VENUS = 4,
    CAPSETS_MAX = 3,
    RENDERER_RINGS = 64, /* of a context: ring_idx 0 to 63 */
    RENDERER_FDS_MAX = 8,
};

struct renderer_capset {
    uint32_t id, max_version;
    uint32_t size;
    uint8_t *bytes; /* of max_version; owned by the renderer until stop() */
};

/* What it can do: immutable after start(), read by the main thread. */
struct renderer_caps {
    const char *name; /* "virglrenderer 0.10.4, llvmpipe (LLVM 15.0.6, 256 bits)" or the like */
    unsigned nr_capsets;
    struct renderer_capset capsets[CAPSETS_MAX];
    bool has_gl;
};

/* Where a fence was put: the global timeline, or a ring of a context. */
struct timeline_id {
    uint32_t context; /* 0 and ring 0 and is_global: the global one */
    uint8_t ring;
    bool is_global;
};

/* Whom a renderer tells. */
struct renderer_host {
    /** All fences up to @fence of that timeline are passed. On the render thread, from poll(). */
    void (*fence_passed)(void *opaque, const struct timeline_id *timeline, uint64_t fence);
    /**
     * Around what writes into backings by itself, in submit() and poll(). False: the guest has
     * reset the device, and nothing may be written any more. Render thread.
     */
    bool (*begin_writing)(void *opaque);
    /** Between the two: some of the backing that was given as @iov has been written. */
    void (*written)(void *opaque, const struct iovec *iov);
    void (*end_writing)(void *opaque);
    void *opaque;
};

/* How the pixels of a picture lie in a blob; of others the renderer knows it. */
struct renderer_layout {
    uint32_t format; /* enum virtio_gpu_formats */
    uint32_t width, height, stride, offset;
};

struct renderer_picture {
    uint32_t resource;
    const struct renderer_layout *layout; /* NULL: not a blob */
    uint32_t x, y, width, height;         /* inside it */
    uint32_t *pixels;                     /* to here: pixman's a8r8g8b8, row 0 is the top … */
    uint32_t stride;                      /* … bytes a row */
};

struct renderer_ops {
    const char *name;

    /** @want_venus: try. Log what is missing (it goes on without). @ret_caps stays until stop(). */
    bool (*start)(const struct renderer_host *host, bool want_venus, void **ret_renderer,
                  struct renderer_caps *ret_caps, GError **error);
    /** After all resources and contexts are gone. */
    void (*stop)(void *renderer);

    /* Resources. Backings are guest memory: @iov stays valid and in place until detach_backing()
     * or resource_unref() has returned. */
    uint32_t (*create_2d)(void *renderer, const struct virtio_gpu_resource_create_2d *request);
    uint32_t (*create_3d)(void *renderer, const struct virtio_gpu_resource_create_3d *request);
    uint32_t (*create_blob)(void *renderer, const struct virtio_gpu_resource_create_blob *request,
                            struct iovec *iov, unsigned nr_iov);
    void (*resource_unref)(void *renderer, uint32_t resource);
    uint32_t (*attach_backing)(void *renderer, uint32_t resource, struct iovec *iov,
                               unsigned nr_iov);
    void (*detach_backing)(void *renderer, uint32_t resource);

    /* Transfers, between backing and what the renderer has. */
    uint32_t (*to_host_2d)(void *renderer, const struct virtio_gpu_transfer_to_host_2d *request);
    uint32_t (*to_host_3d)(void *renderer, const struct virtio_gpu_transfer_host_3d *request);
    uint32_t (*from_host_3d)(void *renderer, const struct virtio_gpu_transfer_host_3d *request);

    /** Read a picture, for screens and cursors. */
    uint32_t (*read)(void *renderer, const struct renderer_picture *picture);

    /* Contexts. NULL where !has_gl, as create_3d and the 3D transfers. */
    uint32_t (*context_create)(void *renderer, const struct virtio_gpu_ctx_create *request);
    void (*context_destroy)(void *renderer, uint32_t context);
    void (*context_attach)(void *renderer, uint32_t context, uint32_t resource);
    void (*context_detach)(void *renderer, uint32_t context, uint32_t resource);
    /** @words are private to us and 8-byte aligned. */
    uint32_t (*submit)(void *renderer, uint32_t context, uint32_t *words, uint32_t nr_words);

    /* Host-visible memory. NULL where !has_gl. */
    /** @ret_host is page-aligned and has at least @size bytes, else it is refused. */
    uint32_t (*map)(void *renderer, uint32_t resource, uint64_t size, void **ret_host,
                    uint32_t *ret_map_info);
    void (*unmap)(void *renderer, uint32_t resource);

    /* Fences. Where a renderer cannot make one, false: then what was done is done. NULL: never. */
    bool (*fence)(void *renderer, const struct timeline_id *timeline, uint64_t fence);
    /** What to wait for besides work; poll() whenever one is readable, and after each batch. */
    unsigned (*get_fds)(void *renderer, struct pollfd ret_fds[RENDERER_FDS_MAX]);
    void (*poll)(void *renderer);
};

extern const struct renderer_ops renderer_2d, renderer_virgl;

#endif

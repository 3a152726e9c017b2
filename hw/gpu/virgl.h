/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virglrenderer as a renderer: what its files share. The library has one state for the process,
 * and no locks: everything here is owned by the render thread.
 *
 * Its functions return positive and negative error numbers for the same things, so anything but
 * zero is one. Its own checks of ids are not relied on: we have tables of our own.
 */
#ifndef HW_GPU_VIRGL_H
#define HW_GPU_VIRGL_H

#include "hw/gpu/renderer.h"
#include "util/annotate.h"
#include "util/log.h"

struct egl;

/* How old the library is that we run with: the header says nothing about that, since all share one
 * soname. Told by functions that it has. */
enum virgl_age { VIRGL_0_10, VIRGL_1_0, VIRGL_1_2, VIRGL_1_3 };

struct virgl_resource {
    uint32_t id;
    bool is_blob;
    bool is_soft; /* renderer_2d has it: 2D, of a format that the library does not know */
    bool is_flat; /* a texture that can be shown: 2D, with one sample a pixel */
    uint32_t target, width, height, depth, array_size, last_level; /* not of blobs */
    uint32_t blob_mem;
    uint64_t blob_size;
    struct iovec *iov; /* the device's; NULL: none */
    unsigned nr_iov;
    uint64_t backing_size;
    void *host; /* where it is mapped; NULL: nowhere */
    uint64_t host_size;
};

struct virgl_context {
    uint32_t id, capset;
    bool is_broken;                    /* the library answers all it is told with an error */
    bool has_queries;                  /* or has had: it may write results at any poll */
    uint64_t made[RENDERER_RINGS];     /* the last fence put there; 0: none … */
    uint64_t reported[RENDERER_RINGS]; /* … and the last that was told to be passed */
    int poll_fd;                       /* -1: none */
};

/* A fence of the global timeline: the library has 32 bits for it. */
struct virgl_global_fence {
    uint32_t number;
    uint64_t fence;
};

struct virgl {
    const struct renderer_host *host;
    struct egl *egl;
    void *soft; /* renderer_2d, for what the library cannot do */
    char *name;
    enum virgl_age age;
    bool has_venus;
    struct renderer_caps caps;

    GHashTable *resources; /* id → struct virgl_resource * */
    GHashTable *contexts;  /* id → struct virgl_context * */

    /* Ids of resources whose backings are written: by the stream at hand; by queries. */
    GHashTable *written, *query_results;
    unsigned nr_querying; /* contexts that have queries */

    int epoll_fd;         /* over all that the library waits for */
    uint32_t last_number; /* of a global fence */
    GQueue global;        /* struct virgl_global_fence *, oldest first */

    uint32_t *row; /* for conversions; grows */
    size_t row_size;
};

/* For LOG_RATELIMITED(): what a guest can cause. */
#define log_virgl(...) log_topic(gpu, "virgl: " __VA_ARGS__)

/** A response type: of EINVAL, ENOMEM and their like, of either sign. */
uint32_t virgl_response(int error);

/** The format, of virgl's protocol, with which the library is to make a resource. */
uint32_t virgl_safe_format(uint32_t target, uint32_t format);

/* ---- virgl_start.c: from nothing to caps, and back --------------------------------------------
 */

bool virgl_start(const struct renderer_host *host, bool want_venus, void **ret_renderer,
                 struct renderer_caps *ret_caps, GError **error);
void virgl_stop(void *renderer);

/* ---- virgl_venus.c --------------------------------------------------------------------------- */

/** Whether to ask the library for Venus; else says in the log what is missing. */
bool virgl_venus_may_start(enum virgl_age age);
/** Whether its capset is one that guests of today accept; else says so. */
bool virgl_venus_is_good(const struct renderer_capset *capset);

/* ---- virgl_resource.c, virgl_transfer.c, virgl_map.c ----------------------------------------- */

struct virgl_resource *virgl_find(const struct virgl *virgl, uint32_t id);
uint32_t virgl_create_2d(void *renderer, const struct virtio_gpu_resource_create_2d *request);
uint32_t virgl_create_3d(void *renderer, const struct virtio_gpu_resource_create_3d *request);
uint32_t virgl_create_blob(void *renderer, const struct virtio_gpu_resource_create_blob *request,
                           struct iovec *iov, unsigned nr_iov);
void virgl_resource_unref(void *renderer, uint32_t id);
uint32_t virgl_attach_backing(void *renderer, uint32_t id, struct iovec *iov, unsigned nr_iov);
void virgl_detach_backing(void *renderer, uint32_t id);

uint32_t virgl_to_host_2d(void *renderer, const struct virtio_gpu_transfer_to_host_2d *request);
uint32_t virgl_to_host_3d(void *renderer, const struct virtio_gpu_transfer_host_3d *request);
uint32_t virgl_from_host_3d(void *renderer, const struct virtio_gpu_transfer_host_3d *request);

uint32_t virgl_map(void *renderer, uint32_t id, uint64_t size, void **ret_host,
                   uint32_t *ret_map_info);
void virgl_unmap(void *renderer, uint32_t id);

/* ---- virgl_read.c ---------------------------------------------------------------------------- */

uint32_t virgl_read(void *renderer, const struct renderer_picture *wanted);

/* ---- virgl_stream.c -------------------------------------------------------------------------- */

/** Run a stream, which is changed where the library must not see what it says. Its error number. */
int virgl_stream_run(struct virgl *virgl, struct virgl_context *context, uint32_t *words,
                     uint32_t nr_words);
/** The library looks for fences that have passed, and for queries that have ended. */
void virgl_stream_poll(struct virgl *virgl);
/** The context is going. */
void virgl_stream_forget(struct virgl *virgl, const struct virgl_context *context);

/* ---- virgl_context.c, virgl_fence.c ---------------------------------------------------------- */

struct virgl_context *virgl_find_context(const struct virgl *virgl, uint32_t id);
uint32_t virgl_context_create(void *renderer, const struct virtio_gpu_ctx_create *request);
void virgl_context_destroy(void *renderer, uint32_t id);
void virgl_context_attach(void *renderer, uint32_t context, uint32_t resource);
void virgl_context_detach(void *renderer, uint32_t context, uint32_t resource);
uint32_t virgl_submit(void *renderer, uint32_t context, uint32_t *words, uint32_t nr_words);

bool virgl_fence(void *renderer, const struct timeline_id *timeline, uint64_t fence);
unsigned virgl_get_fds(void *renderer, struct pollfd ret_fds[RENDERER_FDS_MAX]);
void virgl_poll(void *renderer);
/** Watch @fd (not if it is -1), which stays the library's. */
bool virgl_watch(struct virgl *virgl, int fd);
void virgl_unwatch(struct virgl *virgl, int fd);
/** Tell all fences of a context that is going: the library forgets them. */
void virgl_fences_end(struct virgl *virgl, struct virgl_context *context);
/* The library's callbacks, with a struct virgl * for a cookie. */
void virgl_write_fence(void *cookie, uint32_t number);
void virgl_write_context_fence(void *cookie, uint32_t context, uint32_t ring, uint64_t fence);

#endif

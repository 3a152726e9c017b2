/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * renderer_virgl with what tests of it need: contexts, pictures, buffers, streams, fences. All on
 * the calling thread.
 */
#ifndef TESTS_GPU_VIRGL_SCENE_H
#define TESTS_GPU_VIRGL_SCENE_H

#include <glib.h>

#include "hw/gpu/renderer.h"
#include "tests/gpu/stream.h"

enum {
    SCENE_CONTEXT = 3,
    SCENE_TARGET = 10,
    SCENE_BUFFER = 11,
    SCENE_SIDE = 64,
    SCENE_PAGE = 4096,
    SCENE_WORDS = 4096,
};

/* What fence_passed() told. */
struct scene_passed {
    struct timeline_id timeline;
    uint64_t fence;
};

struct virgl_scene {
    struct renderer_host host;
    struct renderer_caps caps;
    void *renderer;
    struct scene_passed passed[256];
    unsigned nr_passed;
    /* Of what the renderer writes by itself. */
    bool may_not_write, is_writing;
    unsigned nr_writings, nr_written;
    const struct iovec *written; /* the last */
    struct stream stream;        /* what is submitted next */
    uint64_t words[SCENE_WORDS / 2];
};

void scene_fence_passed(void *opaque, const struct timeline_id *timeline, uint64_t fence);
void scene_stream(struct virgl_scene *scene);
/* NULL: no OpenGL here; @ret_why says why. */
struct virgl_scene *scene_new(char **ret_why);
/* There is some. */
struct virgl_scene *scene_begin(void);
/* Whether there is; else a test program is skipped, which is said. */
bool scene_is_possible(void);
void scene_free(struct virgl_scene *scene);
uint32_t scene_context(struct virgl_scene *scene, uint32_t id, uint32_t capset);
/* A texture to draw into, of @side pixels each way. */
uint32_t scene_texture(struct virgl_scene *scene, uint32_t id, uint32_t format, uint32_t side);
/* Submits what is in the stream, and empties it. */
uint32_t scene_submit(struct virgl_scene *scene, uint32_t context);
/* Takes over what a stream has made by @blob_id. */
uint32_t scene_blob(struct virgl_scene *scene, uint32_t id, uint64_t blob_id, uint64_t size);
/* A buffer of @buffer_size bytes as a blob of @size, in SCENE_CONTEXT. */
uint32_t scene_buffer(struct virgl_scene *scene, uint32_t id, uint32_t buffer_size, uint64_t size);
uint32_t scene_map(struct virgl_scene *scene, uint32_t id, uint64_t size, void **ret_host);
uint32_t scene_read(struct virgl_scene *scene, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
                    uint32_t height, uint32_t *ret_pixels);
/* The context, a target and a mapped buffer with a red triangle in it; both attached. */
void scene_set_up(struct virgl_scene *scene, void **ret_vertices);
/* The triangle's stream, ready to be submitted. */
void scene_triangle(struct virgl_scene *scene);
/* Poll until so many fences have been told. */
void scene_wait(struct virgl_scene *scene, unsigned nr_passed);

#endif

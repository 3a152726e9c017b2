/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command streams of virgl (SUBMIT_3D), written from scratch, for tests on the host and for
 * payloads without a system: no library, no floating point (numbers are their IEEE 754 bits). The
 * protocol has no document but its implementations; the sequences are those of
 * research/virgl.md, 3.
 *
 * A stream that does not fit is cut, and says so: is_cut.
 */
#ifndef TESTS_GPU_STREAM_H
#define TESTS_GPU_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A command's first word: which, of which kind of object, and how many words follow. */
enum stream_command {
    STREAM_NOP = 0,
    STREAM_CREATE_OBJECT = 1,
    STREAM_BIND_OBJECT = 2,
    STREAM_DESTROY_OBJECT = 3,
    STREAM_SET_VIEWPORT = 4,
    STREAM_SET_FRAMEBUFFER = 5,
    STREAM_SET_VERTEX_BUFFERS = 6,
    STREAM_CLEAR = 7,
    STREAM_DRAW_VBO = 8,
    STREAM_INLINE_WRITE = 9,
    STREAM_SET_INDEX_BUFFER = 11,
    STREAM_SET_CONSTANTS = 12,
    STREAM_COPY_REGION = 17,
    STREAM_BEGIN_QUERY = 19,
    STREAM_END_QUERY = 20,
    STREAM_GET_QUERY_RESULT = 21,
    STREAM_SET_SUB_CONTEXT = 28,
    STREAM_CREATE_SUB_CONTEXT = 29,
    STREAM_DESTROY_SUB_CONTEXT = 30,
    STREAM_BIND_SHADER = 31,
    STREAM_TRANSFER = 43,
    STREAM_END_TRANSFERS = 44,
    STREAM_COPY_TRANSFER = 45,
    STREAM_PIPE_RESOURCE_CREATE = 48,
};

enum stream_object {
    STREAM_NO_OBJECT = 0,
    STREAM_BLEND = 1,
    STREAM_RASTERIZER = 2,
    STREAM_DEPTH_STENCIL_ALPHA = 3,
    STREAM_SHADER = 4,
    STREAM_VERTEX_ELEMENTS = 5,
    STREAM_SURFACE = 8,
    STREAM_QUERY = 9,
};

enum stream_target { STREAM_TARGET_BUFFER = 0, STREAM_TARGET_2D = 2 };

enum stream_format {
    STREAM_B8G8R8A8 = 1,
    STREAM_B8G8R8X8 = 2,
    STREAM_R32G32B32A32_FLOAT = 31,
    STREAM_R8 = 64, /* of buffers */
    STREAM_R8G8B8A8 = 67,
};

/* What a resource is for; a buffer has one of them. */
enum stream_bind {
    STREAM_BIND_DEPTH_STENCIL = 1 << 0,
    STREAM_BIND_RENDER_TARGET = 1 << 1,
    STREAM_BIND_SAMPLER_VIEW = 1 << 3,
    STREAM_BIND_VERTEX_BUFFER = 1 << 4,
    STREAM_BIND_INDEX_BUFFER = 1 << 5,
    STREAM_BIND_CONSTANT_BUFFER = 1 << 6,
    STREAM_BIND_STREAM_OUTPUT = 1 << 11,
    STREAM_BIND_CURSOR = 1 << 16,
    STREAM_BIND_CUSTOM = 1 << 17,
    STREAM_BIND_SCANOUT = 1 << 18,
    STREAM_BIND_STAGING = 1 << 19,
};

enum stream_resource_flag { STREAM_PERSISTENT = 1 << 1, STREAM_COHERENT = 1 << 2 };
enum stream_clear { STREAM_CLEAR_DEPTH = 1, STREAM_CLEAR_STENCIL = 2, STREAM_CLEAR_COLOUR = 4 };
enum stream_stage { STREAM_VERTEX = 0, STREAM_FRAGMENT = 1 };
enum stream_primitive { STREAM_POINTS = 0, STREAM_LINES = 1, STREAM_TRIANGLES = 4 };
enum stream_direction { STREAM_TO_HOST = 1, STREAM_FROM_HOST = 2 };

struct stream {
    uint32_t *words;
    uint32_t nr_words, max_words;
    bool is_cut;
};

struct stream_box {
    uint32_t x, y, z, width, height, depth;
};

struct stream_element {
    uint32_t offset, buffer_index, format;
};

/* @numerator / 2^@shift, as a 32-bit float. */
uint32_t stream_float(int32_t numerator, unsigned shift);

void stream_init(struct stream *stream, uint32_t *words, uint32_t max_words);
/* What all others are made of. */
void stream_begin(struct stream *stream, enum stream_command command, enum stream_object object,
                  uint32_t nr_words);
void stream_put(struct stream *stream, uint32_t word);
void stream_nop(struct stream *stream);

/* A guest's first: made, and current. */
void stream_sub_context(struct stream *stream, uint32_t id);
void stream_destroy_sub_context(struct stream *stream, uint32_t id);

void stream_bind(struct stream *stream, enum stream_object object, uint32_t handle);
void stream_destroy(struct stream *stream, enum stream_object object, uint32_t handle);

/* Where to: level 0 of a 2D resource. */
void stream_surface(struct stream *stream, uint32_t handle, uint32_t resource,
                    enum stream_format format);
/* Handles of surfaces; 0: none. */
void stream_framebuffer(struct stream *stream, uint32_t colour, uint32_t depth);
/* @buffers: of enum stream_clear; the colour is four floats; the depth is 1. */
void stream_clear(struct stream *stream, uint32_t buffers, const uint32_t colour[4]);
void stream_viewport(struct stream *stream, uint32_t width, uint32_t height);

/* Opaque, without depth, both sides filled. */
void stream_blend(struct stream *stream, uint32_t handle);
void stream_depth_stencil_alpha(struct stream *stream, uint32_t handle);
void stream_rasterizer(struct stream *stream, uint32_t handle);

void stream_vertex_elements(struct stream *stream, uint32_t handle, uint32_t nr_elements,
                            const struct stream_element *elements);
void stream_vertex_buffer(struct stream *stream, uint32_t resource, uint32_t stride,
                          uint32_t offset);
/* @index_size: bytes; @resource 0: none. */
void stream_index_buffer(struct stream *stream, uint32_t resource, uint32_t index_size,
                         uint32_t offset);
void stream_constants(struct stream *stream, enum stream_stage stage, uint32_t nr_words,
                      const uint32_t *words);
/* @text: TGSI. */
void stream_shader(struct stream *stream, uint32_t handle, enum stream_stage stage,
                   const char *text);
void stream_bind_shader(struct stream *stream, uint32_t handle, enum stream_stage stage);
void stream_draw(struct stream *stream, enum stream_primitive primitive, uint32_t first,
                 uint32_t count, bool is_indexed);

/* What RESOURCE_CREATE_BLOB with this @blob_id takes over: flags of enum stream_resource_flag. */
void stream_buffer(struct stream *stream, uint32_t blob_id, uint32_t size_bytes, uint32_t bind,
                   uint32_t flags);
static inline void stream_persistent_buffer(struct stream *stream, uint32_t blob_id,
                                            uint32_t size_bytes)
{
    stream_buffer(stream, blob_id, size_bytes, STREAM_BIND_VERTEX_BUFFER,
                  STREAM_PERSISTENT | STREAM_COHERENT);
}
/* Into a buffer, at @offset. Not while it is mapped: the library then fails, and the context. */
void stream_inline_write(struct stream *stream, uint32_t resource, uint32_t offset,
                         uint32_t nr_words, const uint32_t *words);
void stream_copy(struct stream *stream, uint32_t to, uint32_t to_x, uint32_t to_y, uint32_t from,
                 const struct stream_box *box);
/* Between level 0 and the backing's bytes from @offset on. */
void stream_transfer(struct stream *stream, uint32_t resource, const struct stream_box *box,
                     uint32_t offset, enum stream_direction direction);

/* ---- One scene, for all tests ------------------------------------------------------------------
 *
 * A triangle on a ground of one colour. Its vertices are eight floats each: position, colour. One
 * sub-context holds all objects, so that a context may draw it in several of them.
 */
enum { STREAM_VERTEX_SIZE = 32, STREAM_TRIANGLE_SIZE = 3 * STREAM_VERTEX_SIZE };

struct stream_scene {
    uint32_t sub_context;
    uint32_t target, width, height; /* resource, of format B8G8R8A8 or B8G8R8X8 */
    enum stream_format format;
    uint32_t vertices, offset; /* resource, and where in it the three are */
};

/* Of one colour: red, or with @is_green, green. It covers the middle, and no corner. */
void stream_triangle_vertices(uint32_t ret_words[STREAM_TRIANGLE_SIZE / 4], bool is_green);
/* Makes all objects, and clears the target to blue. */
void stream_scene_begin(struct stream *stream, const struct stream_scene *scene);
void stream_scene_draw(struct stream *stream);

#endif

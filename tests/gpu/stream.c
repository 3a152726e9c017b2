/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/gpu/stream.h"

enum { NR_TARGETS = 8, MASK_RGBA = 15, SHADER_TOKENS = 300, FLOAT_BIAS = 127, FLOAT_BITS = 23 };

uint32_t stream_float(int32_t numerator, unsigned shift)
{
    const uint32_t sign = numerator < 0 ? 1u << 31 : 0;
    uint32_t bits = numerator < 0 ? -(uint32_t)numerator : (uint32_t)numerator;
    int exponent = FLOAT_BIAS + FLOAT_BITS - (int)shift;

    if (!bits)
        return 0;
    for (; bits >= 2u << FLOAT_BITS; exponent++)
        bits >>= 1;
    for (; bits < 1u << FLOAT_BITS; exponent--)
        bits <<= 1;
    return sign | (uint32_t)exponent << FLOAT_BITS | (bits & ((1u << FLOAT_BITS) - 1));
}

/* ---- Words ----------------------------------------------------------------------------------- */

void stream_init(struct stream *stream, uint32_t *words, uint32_t max_words)
{
    stream->words = words;
    stream->nr_words = 0;
    stream->max_words = max_words;
    stream->is_cut = false;
}

void stream_put(struct stream *stream, uint32_t word)
{
    if (stream->nr_words < stream->max_words)
        stream->words[stream->nr_words++] = word;
    else
        stream->is_cut = true;
}

void stream_begin(struct stream *stream, enum stream_command command, enum stream_object object,
                  uint32_t nr_words)
{
    stream_put(stream, (uint32_t)command | (uint32_t)object << 8 | nr_words << 16);
}

static void put_zeros(struct stream *stream, unsigned how_many)
{
    while (how_many-- > 0)
        stream_put(stream, 0);
}

static void put_words(struct stream *stream, uint32_t nr_words, const uint32_t *words)
{
    for (uint32_t i = 0; i < nr_words; i++)
        stream_put(stream, words[i]);
}

static void put_box(struct stream *stream, const struct stream_box *box)
{
    stream_put(stream, box->x);
    stream_put(stream, box->y);
    stream_put(stream, box->z);
    stream_put(stream, box->width);
    stream_put(stream, box->height);
    stream_put(stream, box->depth);
}

static void one_word(struct stream *stream, enum stream_command command, enum stream_object object,
                     uint32_t word)
{
    stream_begin(stream, command, object, 1);
    stream_put(stream, word);
}

/* ---- Contexts and objects -------------------------------------------------------------------- */

void stream_nop(struct stream *stream)
{
    stream_begin(stream, STREAM_NOP, STREAM_NO_OBJECT, 0);
}

void stream_sub_context(struct stream *stream, uint32_t id)
{
    one_word(stream, STREAM_CREATE_SUB_CONTEXT, STREAM_NO_OBJECT, id);
    one_word(stream, STREAM_SET_SUB_CONTEXT, STREAM_NO_OBJECT, id);
}

void stream_destroy_sub_context(struct stream *stream, uint32_t id)
{
    one_word(stream, STREAM_DESTROY_SUB_CONTEXT, STREAM_NO_OBJECT, id);
}

void stream_bind(struct stream *stream, enum stream_object object, uint32_t handle)
{
    one_word(stream, STREAM_BIND_OBJECT, object, handle);
}

void stream_destroy(struct stream *stream, enum stream_object object, uint32_t handle)
{
    one_word(stream, STREAM_DESTROY_OBJECT, object, handle);
}

void stream_surface(struct stream *stream, uint32_t handle, uint32_t resource,
                    enum stream_format format)
{
    stream_begin(stream, STREAM_CREATE_OBJECT, STREAM_SURFACE, 5);
    stream_put(stream, handle);
    stream_put(stream, resource);
    stream_put(stream, format);
    put_zeros(stream, 2); /* level; first and last layer */
}

void stream_framebuffer(struct stream *stream, uint32_t colour, uint32_t depth)
{
    stream_begin(stream, STREAM_SET_FRAMEBUFFER, STREAM_NO_OBJECT, colour ? 3 : 2);
    stream_put(stream, colour ? 1 : 0);
    stream_put(stream, depth);
    if (colour)
        stream_put(stream, colour);
}

void stream_clear(struct stream *stream, uint32_t buffers, const uint32_t colour[4])
{
    stream_begin(stream, STREAM_CLEAR, STREAM_NO_OBJECT, 8);
    stream_put(stream, buffers);
    put_words(stream, 4, colour);
    stream_put(stream, 0); /* depth: 1.0 in 64 bits */
    stream_put(stream, 0x3ff00000);
    stream_put(stream, 0); /* stencil */
}

void stream_viewport(struct stream *stream, uint32_t width, uint32_t height)
{
    const uint32_t half_width = stream_float((int32_t)width, 1),
                   half_height = stream_float((int32_t)height, 1), half = stream_float(1, 1);

    stream_begin(stream, STREAM_SET_VIEWPORT, STREAM_NO_OBJECT, 7);
    stream_put(stream, 0);          /* the first one */
    stream_put(stream, half_width); /* scale */
    stream_put(stream, half_height);
    stream_put(stream, half);
    stream_put(stream, half_width); /* and move */
    stream_put(stream, half_height);
    stream_put(stream, half);
}

void stream_blend(struct stream *stream, uint32_t handle)
{
    stream_begin(stream, STREAM_CREATE_OBJECT, STREAM_BLEND, 3 + NR_TARGETS);
    stream_put(stream, handle);
    put_zeros(stream, 2);
    stream_put(stream, (uint32_t)MASK_RGBA << 27);
    put_zeros(stream, NR_TARGETS - 1);
}

void stream_depth_stencil_alpha(struct stream *stream, uint32_t handle)
{
    stream_begin(stream, STREAM_CREATE_OBJECT, STREAM_DEPTH_STENCIL_ALPHA, 5);
    stream_put(stream, handle);
    put_zeros(stream, 4);
}

void stream_rasterizer(struct stream *stream, uint32_t handle)
{
    enum { DEPTH_CLIP = 1 << 1, HALF_PIXEL_CENTRE = 1 << 29 };

    stream_begin(stream, STREAM_CREATE_OBJECT, STREAM_RASTERIZER, 9);
    stream_put(stream, handle);
    stream_put(stream, DEPTH_CLIP | HALF_PIXEL_CENTRE);
    stream_put(stream, stream_float(1, 0)); /* size of points */
    put_zeros(stream, 2);
    stream_put(stream, stream_float(1, 0)); /* width of lines */
    put_zeros(stream, 3);
}

/* ---- What is drawn --------------------------------------------------------------------------- */

void stream_vertex_elements(struct stream *stream, uint32_t handle, uint32_t nr_elements,
                            const struct stream_element *elements)
{
    stream_begin(stream, STREAM_CREATE_OBJECT, STREAM_VERTEX_ELEMENTS, 1 + 4 * nr_elements);
    stream_put(stream, handle);
    for (uint32_t i = 0; i < nr_elements; i++) {
        stream_put(stream, elements[i].offset);
        stream_put(stream, 0); /* not by instances */
        stream_put(stream, elements[i].buffer_index);
        stream_put(stream, elements[i].format);
    }
}

void stream_vertex_buffer(struct stream *stream, uint32_t resource, uint32_t stride,
                          uint32_t offset)
{
    stream_begin(stream, STREAM_SET_VERTEX_BUFFERS, STREAM_NO_OBJECT, 3);
    stream_put(stream, stride);
    stream_put(stream, offset);
    stream_put(stream, resource);
}

void stream_index_buffer(struct stream *stream, uint32_t resource, uint32_t index_size,
                         uint32_t offset)
{
    stream_begin(stream, STREAM_SET_INDEX_BUFFER, STREAM_NO_OBJECT, resource ? 3 : 1);
    stream_put(stream, resource);
    if (resource) {
        stream_put(stream, index_size);
        stream_put(stream, offset);
    }
}

void stream_constants(struct stream *stream, enum stream_stage stage, uint32_t nr_words,
                      const uint32_t *words)
{
    stream_begin(stream, STREAM_SET_CONSTANTS, STREAM_NO_OBJECT, 2 + nr_words);
    stream_put(stream, stage);
    stream_put(stream, 0); /* index */
    put_words(stream, nr_words, words);
}

void stream_shader(struct stream *stream, uint32_t handle, enum stream_stage stage,
                   const char *text)
{
    uint32_t size = 1; /* with its end */

    while (text[size - 1])
        size++;
    stream_begin(stream, STREAM_CREATE_OBJECT, STREAM_SHADER, 5 + (size + 3) / 4);
    stream_put(stream, handle);
    stream_put(stream, stage);
    stream_put(stream, size);
    stream_put(stream, SHADER_TOKENS);
    stream_put(stream, 0); /* no outputs to buffers */
    for (uint32_t i = 0; i < size; i += 4) {
        uint32_t word = 0;

        for (uint32_t j = i; j < i + 4 && j < size; j++)
            word |= (uint32_t)(uint8_t)text[j] << 8 * (j - i);
        stream_put(stream, word);
    }
}

void stream_bind_shader(struct stream *stream, uint32_t handle, enum stream_stage stage)
{
    stream_begin(stream, STREAM_BIND_SHADER, STREAM_NO_OBJECT, 2);
    stream_put(stream, handle);
    stream_put(stream, stage);
}

void stream_draw(struct stream *stream, enum stream_primitive primitive, uint32_t first,
                 uint32_t count, bool is_indexed)
{
    stream_begin(stream, STREAM_DRAW_VBO, STREAM_NO_OBJECT, 12);
    stream_put(stream, first);
    stream_put(stream, count);
    stream_put(stream, primitive);
    stream_put(stream, is_indexed);
    stream_put(stream, 1); /* instances */
    put_zeros(stream, 5);  /* bias, first instance, restart, least index */
    stream_put(stream, first + count - 1);
    stream_put(stream, 0);
}

/* ---- Resources ------------------------------------------------------------------------------- */

void stream_buffer(struct stream *stream, uint32_t blob_id, uint32_t size_bytes, uint32_t bind,
                   uint32_t flags)
{
    stream_begin(stream, STREAM_PIPE_RESOURCE_CREATE, STREAM_NO_OBJECT, 11);
    stream_put(stream, STREAM_TARGET_BUFFER);
    stream_put(stream, STREAM_R8);
    stream_put(stream, bind);
    stream_put(stream, size_bytes);
    stream_put(stream, 1); /* height */
    stream_put(stream, 1); /* depth */
    stream_put(stream, 1); /* layers */
    put_zeros(stream, 2);  /* last level, samples */
    stream_put(stream, flags);
    stream_put(stream, blob_id);
}

void stream_inline_write(struct stream *stream, uint32_t resource, uint32_t offset,
                         uint32_t nr_words, const uint32_t *words)
{
    const struct stream_box box = { offset, 0, 0, 4 * nr_words, 1, 1 };

    stream_begin(stream, STREAM_INLINE_WRITE, STREAM_NO_OBJECT, 11 + nr_words);
    stream_put(stream, resource);
    put_zeros(stream, 4); /* level, usage, strides */
    put_box(stream, &box);
    put_words(stream, nr_words, words);
}

void stream_copy(struct stream *stream, uint32_t to, uint32_t to_x, uint32_t to_y, uint32_t from,
                 const struct stream_box *box)
{
    stream_begin(stream, STREAM_COPY_REGION, STREAM_NO_OBJECT, 13);
    stream_put(stream, to);
    stream_put(stream, 0);
    stream_put(stream, to_x);
    stream_put(stream, to_y);
    stream_put(stream, 0);
    stream_put(stream, from);
    stream_put(stream, 0);
    put_box(stream, box);
}

void stream_transfer(struct stream *stream, uint32_t resource, const struct stream_box *box,
                     uint32_t offset, enum stream_direction direction)
{
    stream_begin(stream, STREAM_TRANSFER, STREAM_NO_OBJECT, 13);
    stream_put(stream, resource);
    put_zeros(stream, 4); /* level, usage, strides */
    put_box(stream, box);
    stream_put(stream, offset);
    stream_put(stream, direction);
}

/* ---- The scene ------------------------------------------------------------------------------- */

enum { SURFACE = 1, BLEND, DEPTH, RASTERIZER, ELEMENTS, VERTEX_SHADER, FRAGMENT_SHADER };

static const char vertex_shader[] = "VERT\n"
                                    "DCL IN[0]\n"
                                    "DCL IN[1]\n"
                                    "DCL OUT[0], POSITION\n"
                                    "DCL OUT[1], COLOR\n"
                                    "  0: MOV OUT[1], IN[1]\n"
                                    "  1: MOV OUT[0], IN[0]\n"
                                    "  2: END\n";
static const char fragment_shader[] = "FRAG\n"
                                      "DCL IN[0], COLOR, LINEAR\n"
                                      "DCL OUT[0], COLOR\n"
                                      "  0: MOV OUT[0], IN[0]\n"
                                      "  1: END\n";

void stream_triangle_vertices(uint32_t ret_words[STREAM_TRIANGLE_SIZE / 4], bool is_green)
{
    static const int8_t corners[3][2] = { { 0, 7 }, { -7, -7 }, { 7, -7 } }; /* eighths */
    const uint32_t one = stream_float(1, 0);

    for (unsigned i = 0; i < 3; i++) {
        uint32_t *vertex = ret_words + i * STREAM_VERTEX_SIZE / 4;

        vertex[0] = stream_float(corners[i][0], 3);
        vertex[1] = stream_float(corners[i][1], 3);
        vertex[2] = 0;
        vertex[3] = one;
        vertex[4] = is_green ? 0 : one;
        vertex[5] = is_green ? one : 0;
        vertex[6] = 0;
        vertex[7] = one;
    }
}

void stream_scene_begin(struct stream *stream, const struct stream_scene *scene)
{
    static const struct stream_element elements[] = { { 0, 0, STREAM_R32G32B32A32_FLOAT },
                                                      { 16, 0, STREAM_R32G32B32A32_FLOAT } };
    const uint32_t blue[4] = { 0, 0, stream_float(1, 0), stream_float(1, 0) };

    stream_sub_context(stream, scene->sub_context);
    stream_surface(stream, SURFACE, scene->target, scene->format);
    stream_framebuffer(stream, SURFACE, 0);
    stream_viewport(stream, scene->width, scene->height);
    stream_blend(stream, BLEND);
    stream_bind(stream, STREAM_BLEND, BLEND);
    stream_depth_stencil_alpha(stream, DEPTH);
    stream_bind(stream, STREAM_DEPTH_STENCIL_ALPHA, DEPTH);
    stream_rasterizer(stream, RASTERIZER);
    stream_bind(stream, STREAM_RASTERIZER, RASTERIZER);
    stream_vertex_elements(stream, ELEMENTS, 2, elements);
    stream_bind(stream, STREAM_VERTEX_ELEMENTS, ELEMENTS);
    stream_shader(stream, VERTEX_SHADER, STREAM_VERTEX, vertex_shader);
    stream_bind_shader(stream, VERTEX_SHADER, STREAM_VERTEX);
    stream_shader(stream, FRAGMENT_SHADER, STREAM_FRAGMENT, fragment_shader);
    stream_bind_shader(stream, FRAGMENT_SHADER, STREAM_FRAGMENT);
    stream_vertex_buffer(stream, scene->vertices, STREAM_VERTEX_SIZE, scene->offset);
    stream_clear(stream, STREAM_CLEAR_COLOUR, blue);
}

void stream_scene_draw(struct stream *stream)
{
    stream_draw(stream, STREAM_TRIANGLES, 0, 3, false);
}

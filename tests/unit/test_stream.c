/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * That streams are well-formed: each command's words are as many as it says. What they draw is seen
 * where they are run.
 */
#include <glib.h>
#include <string.h>

#include "tests/gpu/stream.h"

enum { MAX_WORDS = 1024 };

struct fixture {
    struct stream stream;
    uint32_t words[MAX_WORDS];
};

static void set_up(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    stream_init(&f->stream, f->words, MAX_WORDS);
}

/* How many commands; each ends where the next one begins, and the last where the stream does. */
static unsigned count_commands(const struct stream *stream)
{
    unsigned nr = 0;
    uint32_t at = 0;

    for (; at < stream->nr_words; nr++)
        at += 1 + (stream->words[at] >> 16);
    g_assert_cmpuint(at, ==, stream->nr_words);
    g_assert_false(stream->is_cut);
    return nr;
}

static void lengths_are_right(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    const struct stream_scene scene = { .target = 1, .vertices = 2, .width = 64, .height = 48 };
    const struct stream_box box = { 0, 0, 0, 8, 8, 1 };
    const uint32_t some[4] = { 1, 2, 3, 4 };
    unsigned before;

    stream_scene_begin(&f->stream, &scene);
    stream_scene_draw(&f->stream);
    before = count_commands(&f->stream);
    stream_nop(&f->stream);
    stream_destroy_sub_context(&f->stream, 1);
    stream_destroy(&f->stream, STREAM_BLEND, 1);
    stream_framebuffer(&f->stream, 0, 0);
    stream_index_buffer(&f->stream, 0, 0, 0);
    stream_index_buffer(&f->stream, 2, 2, 0);
    stream_constants(&f->stream, STREAM_VERTEX, 4, some);
    stream_persistent_buffer(&f->stream, 1, 4096);
    stream_inline_write(&f->stream, 2, 16, 4, some);
    stream_copy(&f->stream, 1, 0, 0, 3, &box);
    stream_transfer(&f->stream, 1, &box, 0, STREAM_FROM_HOST);
    g_assert_cmpuint(count_commands(&f->stream), ==, before + 11);
}

static void text_is_padded(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    static const char *const texts[] = { "", "a", "abc", "abcd", "abcdefg" };

    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        const size_t size = strlen(texts[i]) + 1;

        set_up(f, NULL);
        memset(f->words, 0xff, sizeof(f->words));
        stream_shader(&f->stream, 1, STREAM_VERTEX, texts[i]);
        g_assert_cmpuint(count_commands(&f->stream), ==, 1);
        g_assert_cmpuint(f->stream.nr_words, ==, 6 + (size + 3) / 4);
        g_assert_cmpuint(f->words[3], ==, size);
        g_assert_cmpstr((const char *)(f->words + 6), ==, texts[i]);
    }
}

static void what_does_not_fit_is_cut(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    stream_init(&f->stream, f->words, 3);
    f->words[3] = 77;
    stream_viewport(&f->stream, 64, 64);
    g_assert_true(f->stream.is_cut);
    g_assert_cmpuint(f->stream.nr_words, ==, 3);
    g_assert_cmpuint(f->words[3], ==, 77);
}

static void floats_are_the_compilers(struct fixture *f G_GNUC_UNUSED,
                                     gconstpointer data G_GNUC_UNUSED)
{
    for (int32_t i = -70000; i <= 70000; i += 7) {
        for (unsigned shift = 0; shift < 20; shift += 3) {
            const uint32_t bits = stream_float(i, shift);
            float got;

            memcpy(&got, &bits, sizeof(got));
            g_assert_cmpfloat(got, ==, (float)i / (float)(1 << shift));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/stream/" #name, struct fixture, NULL, set_up, name, NULL)
    ADD(lengths_are_right);
    ADD(text_is_padded);
    ADD(what_does_not_fit_is_cut);
    ADD(floats_are_the_compilers);
#undef ADD
    return g_test_run();
}

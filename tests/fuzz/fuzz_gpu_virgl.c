/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-gpu with virglrenderer, on whatever GL the host has. All is the input's but the contents
 * of command streams, which are a few good ones (tests/gpu/stream.h): what the library makes of bad
 * ones is not what this is about. Where there is no GL, or the thread sanitizer, which does not see
 * into its drivers, nothing is tried.
 */
#include <assert.h>

#include "tests/fuzz/gpu_world.h"
#include "tests/fuzz/target.h"
#include "tests/gpu/stream.h"
#include "util/log.h"

enum { WORDS = 768, BLOB = 8192, WIDTH = 64, HEIGHT = 64 };

static uint32_t words[WORDS]; /* of the stream that is being sent */

/* Leaks of the GL library are not ours, and looking for them takes long. So does its memory, of
 * which each context has much: what is freed is not kept from it for long. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:quarantine_size_mb=8:malloc_context_size=3";
}

/* Three of a colour, into a blob or a buffer, which then are what is drawn. */
static void scene_stream(struct stream *stream, struct input *input)
{
    struct stream_scene scene = {
        .sub_context = 1,
        .target = 1U + take(input) % 4,
        .width = WIDTH,
        .height = HEIGHT,
        .format = STREAM_B8G8R8A8,
        .vertices = 1U + take(input) % 4,
    };

    stream_scene_begin(stream, &scene);
    stream_scene_draw(stream);
}

static void good_stream(struct input *input, struct message *message)
{
    static const uint32_t sizes[] = { 4096, BLOB, 65536, 100 };
    const struct stream_box box = { 0, 0, 0, 16, 16, 1 };
    uint8_t kind = take(input);
    struct stream stream;

    stream_init(&stream, words, WORDS);
    switch (kind % 8) {
    case 0:
        stream_sub_context(&stream, 1);
        break;
    case 1:
    case 2:
    case 3:
        stream_persistent_buffer(&stream, kind % 3 + 1, sizes[kind >> 4 & 3]);
        break;
    case 4:
        scene_stream(&stream, input);
        break;
    case 5:
        stream_transfer(&stream, kind >> 4 & 3, &box, 0,
                        kind & 0x40 ? STREAM_TO_HOST : STREAM_FROM_HOST);
        break;
    case 6:
        stream_destroy_sub_context(&stream, 1);
        break;
    default:
        stream_nop(&stream);
        break;
    }
    assert(!stream.is_cut);
    message->request.submit.size = stream.nr_words * (uint32_t)sizeof(words[0]);
    message->payload = words;
    message->payload_size = message->request.submit.size;
}

static void serve(struct gpu_scene *scene) NO_THREAD_SAFETY /* a function pointer's */
{
    struct stream stream;

    stream_init(&stream, words, WORDS);
    stream_sub_context(&stream, 1);
    stream_persistent_buffer(&stream, 1, BLOB);
    must(scene, create_context(1, 0));
    must(scene, fenced(submit_3d(1, words, stream.nr_words), 1));
    must(scene, host_blob(2, BLOB, 1, 1));
    must(scene, map_blob(2, 4096));
    window_write(scene, 4096 + BLOB - 4, 0xabcdef);
    assert(window_read(scene, 4096 + BLOB - 4) == 0xabcdef);
    must(scene, unmap_blob(2));
    assert(window_read(scene, 4096 + BLOB - 4) == UINT32_MAX);
    must(scene, unref_resource(2));
    must(scene, destroy_context(1));
}

static struct gpu_world *start(void) REQUIRES(bql)
{
    const struct gpu_world_ops ops = {
        .config = scene_config(true, 1 << 20),
        .submit = good_stream,
        .serve = serve,
    };
    g_autoptr(GError) error = NULL;
    struct gpu_world *world = THREAD_SANITIZER ? NULL : gpu_world_new(&ops, &error);

    if (!world)
        printf("# nothing is tried: %s\n", error ? error->message : "the thread sanitizer");
    return world;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    static struct gpu_world *world;
    static bool is_started;
    struct input input = { data, size };

    if (!is_started) {
        assert(util_start(NULL) == 0);
        assert(log_open("/dev/null", NULL)); /* of errors that the input makes */
        world = start();
        is_started = true;
    }
    if (world)
        gpu_world_run(world, &input);
    return 0;
}

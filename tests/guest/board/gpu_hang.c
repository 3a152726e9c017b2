/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that has the GPU draw for hours, and goes on meanwhile: with the device, with the serial
 * console, with a reset. The driver then ends the machine, whose renderer does not.
 */
#include "tests/guest/board/gpu_commands.h"

enum {
    SIDE = 64,
    CONTEXT = 1,
    TARGET = 1, /* resources */
    BUFFER = 2,
    PICTURE = 3,
    VERTICES = 0x7ffffffe, /* of one draw: minutes of a software renderer */
    NR_DRAWS = 100,
};

static struct gpu gpu;
static u32 words[4096] __attribute__((aligned(8)));

static u32 ask_for_screens(void)
{
    struct virtio_gpu_ctrl_hdr info = gpu_header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 0);

    return gpu_do(&gpu, &info, sizeof(info), NULL, 0);
}

static unsigned begin_to_draw(void)
{
    const struct stream_scene scene = {
        .sub_context = 1,
        .target = TARGET,
        .width = SIDE,
        .height = SIDE,
        .format = STREAM_B8G8R8A8,
        .vertices = BUFFER,
    };
    struct stream stream;

    stream_init(&stream, words, ARRAY_SIZE(words));
    stream_scene_begin(&stream, &scene);
    for (unsigned i = 0; i < NR_DRAWS; i++)
        stream_draw(&stream, STREAM_TRIANGLES, 0, VERTICES, false);
    check(!stream.is_cut, "a stream of draws");
    return gpu_submit_begin(&gpu, CONTEXT, &stream);
}

static void go_on(unsigned drawing)
{
    struct virtio_gpu_cmd_get_edid edid = { .hdr = gpu_header(VIRTIO_GPU_CMD_GET_EDID, 0) };

    is(ask_for_screens(), VIRTIO_GPU_RESP_OK_DISPLAY_INFO, "it tells its screens meanwhile");
    is(gpu_do(&gpu, &edid, sizeof(edid), NULL, 0), VIRTIO_GPU_RESP_OK_EDID, "and its EDID");
    is(gpu_unref(&gpu, 999), NO_RESOURCE, "and that there is no such resource");
    check(!gpu_is_done(&gpu, drawing), "and draws on");
    say("hang: draws\n");
    is(get_character(), 'x', "the serial console is heard");
    check(!gpu_is_done(&gpu, drawing), "while it draws on");
}

void payload_main(void)
{
    unsigned drawing;

    if (!check(gpu_find(&gpu), "a GPU, and its capabilities") ||
        !check(gpu_start(&gpu, GPU_FEATURES), "it starts"))
        return;
    is(gpu_context_create(&gpu, CONTEXT, VIRTIO_GPU_CAPSET_VIRGL2), OK_NODATA, "a context");
    is(gpu_create_3d(&gpu, TARGET, SIDE, SIDE), OK_NODATA, "something to draw on");
    is(gpu_attach(&gpu, CONTEXT, TARGET), OK_NODATA, "which the context has");
    gpu_buffer(&gpu, CONTEXT, BUFFER, PAGE);
    drawing = begin_to_draw();
    go_on(drawing);
    if (!parameter_is("test", "reset"))
        return;
    gpu_reset(&gpu);
    check(gpu_start(&gpu, GPU_FEATURES), "it is reset, and starts again");
    is(ask_for_screens(), VIRTIO_GPU_RESP_OK_DISPLAY_INFO, "and tells its screens");
}

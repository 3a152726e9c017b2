/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of the GPU without a system: pictures, GL by streams of our own, and memory of the host
 * that is mapped, drawn from, and unmapped again, with all that must be refused in between.
 */
#include "tests/guest/board/gpu_commands.h"

enum {
    SIDE = 64,
    CONTEXT = 1,
    OTHER_CONTEXT = 2,
    TARGET = 1,    /* resource */
    BUFFER = 2,    /* and one to be mapped */
    NEXT = 3,      /* another */
    PICTURE = 4,   /* 2D */
    BLOB_ID = 100, /* of what is made wrong */
    BUFFER_SIZE = 4 * PAGE,
    NR_BUFFERS = 8,
    FIRST_BUFFER = 16,
    ROUNDS = 50,
    ONES = -1,
    RED = (int)0xffff0000,
    GREEN = (int)0xff00ff00,
    BLUE = (int)0xff0000ff,
};

static struct gpu gpu;
static u32 words[1024] __attribute__((aligned(8)));
static u32 pixels[SIDE * SIDE] __attribute__((aligned(4096)));

static volatile u32 *seen_at(u64 offset)
{
    return (volatile u32 *)(gpu.window_at + offset);
}

static bool is_gone(u64 offset, u64 size)
{
    for (u64 at = offset; at < offset + size; at += PAGE)
        if (*seen_at(at) != (u32)ONES || *seen_at(at + PAGE - 4) != (u32)ONES)
            return false;
    return true;
}

static void fill(u64 offset, u64 size, u32 with)
{
    for (u64 at = offset; at < offset + size; at += 4)
        *seen_at(at) = with + (u32)(at - offset);
}

static bool has(u64 offset, u64 size, u32 with)
{
    for (u64 at = offset; at < offset + size; at += 4)
        if (*seen_at(at) != with + (u32)(at - offset))
            return false;
    return true;
}

/* ---- What it is ------------------------------------------------------------------------------ */

static void look_around(void)
{
    const u32 address = gpu.slot << 11;
    const struct virtio_gpu_config *config = (const void *)(u64)gpu.config;

    is(config_by_port(address, 4), config_read32(gpu.slot, PCI_ID),
       "by ports it is what it is by ECAM");
    is(gpu.features, GPU_FEATURES, "it offers virgl, EDID, blobs, kinds of contexts, version 1");
    check(config->num_scanouts >= 1, "it has a screen");
    check(config->num_capsets >= 2, "and sets of capabilities");
    check(gpu.window_size >= 64 << 20 && gpu.window >= LAYOUT_RAM_HIGH && gpu.is_64bit,
          "its host-visible memory is 0x%lx bytes at 0x%lx", gpu.window_size, gpu.window);
    check(is_gone(0, 4 * PAGE), "nothing is mapped there");
}

static void ask(void)
{
    struct virtio_gpu_ctrl_hdr info = gpu_header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 0);
    struct virtio_gpu_cmd_get_edid edid = { .hdr = gpu_header(VIRTIO_GPU_CMD_GET_EDID, 0) };
    struct virtio_gpu_get_capset_info capset = { .hdr =
                                                     gpu_header(VIRTIO_GPU_CMD_GET_CAPSET_INFO, 0),
                                                 .capset_index = 1 };
    const struct virtio_gpu_resp_display_info *modes;
    const struct virtio_gpu_resp_edid *monitor;
    const struct virtio_gpu_resp_capset_info *about;
    u8 sum = 0;

    is(gpu_do(&gpu, &info, sizeof(info), NULL, 0), VIRTIO_GPU_RESP_OK_DISPLAY_INFO, "its screens");
    modes = gpu_response();
    check(modes->pmodes[0].enabled && modes->pmodes[0].r.width && modes->pmodes[0].r.height,
          "the first is on: %ux%u", modes->pmodes[0].r.width, modes->pmodes[0].r.height);
    is(gpu_do(&gpu, &edid, sizeof(edid), NULL, 0), VIRTIO_GPU_RESP_OK_EDID, "its EDID");
    monitor = gpu_response();
    for (unsigned i = 0; i < 128; i++)
        sum = (u8)(sum + monitor->edid[i]);
    check(monitor->size >= 128 && monitor->edid[1] == 0xff && !sum, "which has a good sum");
    edid.scanout = VIRTIO_GPU_MAX_SCANOUTS;
    check(IS_ERROR(gpu_do(&gpu, &edid, sizeof(edid), NULL, 0)), "and none of no screen");
    is(gpu_do(&gpu, &capset, sizeof(capset), NULL, 0), VIRTIO_GPU_RESP_OK_CAPSET_INFO,
       "its second set of capabilities");
    about = gpu_response();
    is(about->capset_id, VIRTIO_GPU_CAPSET_VIRGL2, "is virgl2");
    info.type = 0x1ff;
    check(IS_ERROR(gpu_do(&gpu, &info, sizeof(info), NULL, 0)), "a command that is none");
}

/* ---- Pictures -------------------------------------------------------------------------------- */

static void show(void)
{
    const struct virtio_gpu_rect all = { 0, 0, SIDE, SIDE }, none = { 0, 0, 0, 0 },
                                 beyond = { SIDE - 8, 0, 16, 16 }, corner = { 8, 8, 16, 16 };

    for (unsigned i = 0; i < SIDE * SIDE; i++)
        pixels[i] = i;
    is(gpu_create_2d(&gpu, PICTURE, SIDE, SIDE), OK_NODATA, "a picture");
    check(IS_ERROR(gpu_create_2d(&gpu, PICTURE, SIDE, SIDE)), "not a second one of that number");
    is(gpu_create_2d(&gpu, 0, SIDE, SIDE), NO_RESOURCE, "nor number 0");
    check(IS_ERROR(gpu_create_2d(&gpu, NEXT, 0, SIDE)), "nor an empty one");
    check(IS_ERROR(gpu_create_2d(&gpu, NEXT, 1 << 30, 1 << 30)), "nor an enormous one");
    is(gpu_attach_backing(&gpu, PICTURE, pixels, sizeof(pixels)), OK_NODATA, "memory behind it");
    check(IS_ERROR(gpu_attach_backing(&gpu, PICTURE, pixels, sizeof(pixels))), "but once");
    is(gpu_to_host_2d(&gpu, PICTURE, &all, 0), OK_NODATA, "is transferred");
    is(gpu_to_host_2d(&gpu, PICTURE, &corner, 4 * (8 * SIDE + 8)), OK_NODATA, "as are parts");
    is(gpu_to_host_2d(&gpu, PICTURE, &beyond, 0), BAD_PARAMETER, "but not what is beyond");
    check(IS_ERROR(gpu_to_host_2d(&gpu, PICTURE, &all, 1ul << 62)), "nor from beyond its memory");
    is(gpu_to_host_2d(&gpu, NEXT, &all, 0), NO_RESOURCE, "nor into what there is not");
    is(gpu_set_scanout(&gpu, 0, PICTURE, &all), OK_NODATA, "it is shown");
    is(gpu_set_scanout(&gpu, VIRTIO_GPU_MAX_SCANOUTS, PICTURE, &all),
       VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "not on a screen that there is not");
    check(IS_ERROR(gpu_set_scanout(&gpu, 0, PICTURE, &beyond)), "nor what is beyond it");
    is(gpu_set_scanout(&gpu, 0, NEXT, &all), NO_RESOURCE, "nor what there is not");
    is(gpu_flush(&gpu, PICTURE, &all), OK_NODATA, "all is drawn");
    is(gpu_flush(&gpu, PICTURE, &corner), OK_NODATA, "a part is");
    check(IS_ERROR(gpu_flush(&gpu, PICTURE, &beyond)), "but not what is beyond");
    is(gpu_set_scanout(&gpu, 0, 0, &none), OK_NODATA, "the screen goes off");
    is(gpu_set_scanout(&gpu, 0, PICTURE, &all), OK_NODATA, "and on");
    is(gpu_detach_backing(&gpu, PICTURE), OK_NODATA, "the memory goes");
    check(IS_ERROR(gpu_to_host_2d(&gpu, PICTURE, &all, 0)), "and is not transferred any more");
    is(gpu_unref(&gpu, PICTURE), OK_NODATA, "the picture goes, while it is shown");
    is(gpu_unref(&gpu, PICTURE), NO_RESOURCE, "but once");
}

/* For a driver that looks at the screen: the upper half of a picture, until it is ended. */
static void show_for_ever(void)
{
    const struct virtio_gpu_rect all = { 0, 0, SIDE, SIDE }, half = { 0, 0, SIDE, SIDE / 2 };

    for (unsigned i = 0; i < SIDE * SIDE; i++)
        pixels[i] = 0x1001 * i;
    if (check(gpu_create_2d(&gpu, PICTURE, SIDE, SIDE) == OK_NODATA &&
                  gpu_attach_backing(&gpu, PICTURE, pixels, sizeof(pixels)) == OK_NODATA &&
                  gpu_to_host_2d(&gpu, PICTURE, &all, 0) == OK_NODATA &&
                  gpu_set_scanout(&gpu, 0, PICTURE, &half) == OK_NODATA &&
                  gpu_flush(&gpu, PICTURE, &half) == OK_NODATA,
              "a picture is shown"))
        say("gpu: shows\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* ---- Drawing --------------------------------------------------------------------------------- */

static u32 draw(u32 context, u32 sub_context, u32 buffer, u32 offset)
{
    const struct stream_scene scene = {
        .sub_context = sub_context,
        .target = TARGET,
        .width = SIDE,
        .height = SIDE,
        .format = STREAM_B8G8R8A8,
        .vertices = buffer,
        .offset = offset,
    };
    struct stream stream;

    stream_init(&stream, words, ARRAY_SIZE(words));
    stream_scene_begin(&stream, &scene);
    stream_scene_draw(&stream);
    return gpu_submit(&gpu, context, &stream);
}

static void check_picture(u32 colour, const char *what)
{
    unsigned nr_drawn = 0, nr_other = 0;

    memset(pixels, 0, sizeof(pixels));
    is(gpu_from_host_3d(&gpu, CONTEXT, TARGET, SIDE, SIDE), OK_NODATA, "the picture is read back");
    for (unsigned i = 0; i < SIDE * SIDE; i++) {
        nr_drawn += pixels[i] == colour;
        nr_other += pixels[i] != colour && pixels[i] != (u32)BLUE;
    }
    check(pixels[SIDE / 2 * SIDE + SIDE / 2] == colour && pixels[0] == (u32)BLUE &&
              nr_drawn > SIDE * SIDE / 4 && nr_drawn < SIDE * SIDE / 2 && nr_other == 0,
          "%s: %u pixels of it, %u of no known colour, 0x%x in the middle", what, nr_drawn,
          nr_other, pixels[SIDE / 2 * SIDE + SIDE / 2]);
}

static void write_triangle(u64 at, bool is_green)
{
    u32 vertices[STREAM_TRIANGLE_SIZE / 4];

    stream_triangle_vertices(vertices, is_green);
    for (unsigned i = 0; i < ARRAY_SIZE(vertices); i++)
        seen_at(at)[i] = vertices[i];
}

static void draw_from_window(void)
{
    is(gpu_context_create(&gpu, CONTEXT, VIRTIO_GPU_CAPSET_VIRGL2), OK_NODATA, "a context");
    check(IS_ERROR(gpu_context_create(&gpu, CONTEXT, VIRTIO_GPU_CAPSET_VIRGL2)),
          "not a second one of that number");
    check(IS_ERROR(gpu_context_create(&gpu, 0, VIRTIO_GPU_CAPSET_VIRGL2)), "nor number 0");
    check(IS_ERROR(gpu_context_create(&gpu, OTHER_CONTEXT, 77)), "nor of a kind that is none");
    is(gpu_create_3d(&gpu, TARGET, SIDE, SIDE), OK_NODATA, "something to draw on");
    is(gpu_attach_backing(&gpu, TARGET, pixels, sizeof(pixels)), OK_NODATA, "memory behind it");
    is(gpu_attach(&gpu, CONTEXT, TARGET), OK_NODATA, "the context has it");
    is(gpu_attach(&gpu, CONTEXT, 999), NO_RESOURCE, "but not what there is not");
    is(gpu_attach(&gpu, 999, TARGET), NO_CONTEXT, "nor has what is no context");
    gpu_buffer(&gpu, CONTEXT, BUFFER, BUFFER_SIZE);
    is(gpu_map(&gpu, BUFFER, PAGE), OK_MAP, "a buffer of the host's is mapped");
    is(((const struct virtio_gpu_resp_map_info *)gpu_response())->map_info &
           VIRTIO_GPU_MAP_CACHE_MASK,
       VIRTIO_GPU_MAP_CACHE_CACHED, "it is to be cached");
    write_triangle(PAGE, false);
    write_triangle(2 * PAGE, true);
    is(draw(CONTEXT, 1, BUFFER, 0), OK_NODATA, "a triangle is drawn from there");
    check_picture((u32)RED, "it is red");
    is(draw(CONTEXT, 2, BUFFER, PAGE), OK_NODATA, "the one behind it is");
    check_picture((u32)GREEN, "it is green");
    is(gpu_unmap(&gpu, BUFFER), OK_NODATA, "the buffer is unmapped");
    check(is_gone(PAGE, BUFFER_SIZE), "nothing is there any more");
    *seen_at(PAGE) = 0x12345678;
    check(is_gone(PAGE, BUFFER_SIZE), "and nothing can be written there");
    is(gpu_map(&gpu, BUFFER, 5 * PAGE), OK_MAP, "it is mapped elsewhere");
    check(*seen_at(5 * PAGE + 12) == stream_float(1, 0), "and holds what it held");
    write_triangle(5 * PAGE, true);
    is(draw(CONTEXT, 3, BUFFER, 0), OK_NODATA, "a triangle is drawn from there");
    check_picture((u32)GREEN, "with what was written there");
    is(gpu_unmap(&gpu, BUFFER), OK_NODATA, "it is unmapped again");
}

/* ---- What cannot be mapped ------------------------------------------------------------------- */

/* The answer to mapping, at 0, a blob of @blob_size whose buffer has @buffer_size. */
static u32 map_of(u32 buffer_size, u64 blob_size, u32 flags)
{
    struct stream stream;
    u32 answer;

    stream_init(&stream, words, ARRAY_SIZE(words));
    stream_persistent_buffer(&stream, BLOB_ID, buffer_size);
    if (gpu_submit(&gpu, CONTEXT, &stream) != OK_NODATA)
        return 0;
    answer = gpu_create_blob(&gpu, CONTEXT, NEXT, BLOB_ID, blob_size, flags);
    if (answer != OK_NODATA) {
        /* The buffer is still the context's: a good blob takes it away. */
        (void)gpu_create_blob(&gpu, CONTEXT, NEXT, BLOB_ID, PAGE, flags);
        (void)gpu_unref(&gpu, NEXT);
        return answer;
    }
    answer = gpu_map(&gpu, NEXT, 0);
    if (answer == OK_MAP && gpu_unmap(&gpu, NEXT) != OK_NODATA)
        return 0;
    return gpu_unref(&gpu, NEXT) == OK_NODATA ? answer : 0;
}

static void refuse_to_map(void)
{
    const u32 mappable = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE;

    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "a buffer is mapped");
    check(IS_ERROR(gpu_map(&gpu, BUFFER, 64 * PAGE)), "but not twice");
    gpu_buffer(&gpu, CONTEXT, NEXT, 2 * PAGE);
    check(IS_ERROR(gpu_map(&gpu, NEXT, 3 * PAGE)), "nor another over its end");
    check(IS_ERROR(gpu_map(&gpu, NEXT, 0)), "nor over its beginning");
    check(IS_ERROR(gpu_map(&gpu, NEXT, 1)), "nor at no page's beginning");
    check(IS_ERROR(gpu_map(&gpu, NEXT, gpu.window_size)), "nor behind the window");
    check(IS_ERROR(gpu_map(&gpu, NEXT, gpu.window_size - PAGE)), "nor over its end");
    check(IS_ERROR(gpu_map(&gpu, NEXT, -(u64)PAGE)), "nor where the sum is too large");
    is(gpu_map(&gpu, NEXT, 4 * PAGE), OK_MAP, "next to it it is mapped");
    fill(0, BUFFER_SIZE, 0x1000);
    fill(4 * PAGE, 2 * PAGE, 0x2000000);
    check(has(0, BUFFER_SIZE, 0x1000) && has(4 * PAGE, 2 * PAGE, 0x2000000),
          "the two are two memories");
    is(gpu_unmap(&gpu, NEXT), OK_NODATA, "it is unmapped");
    check(has(0, BUFFER_SIZE, 0x1000) && is_gone(4 * PAGE, 2 * PAGE), "the other stays");
    check(IS_ERROR(gpu_unmap(&gpu, NEXT)), "what is not mapped is not unmapped");
    is(gpu_unmap(&gpu, 999), NO_RESOURCE, "nor is what there is not");
    is(gpu_map(&gpu, 999, 0), NO_RESOURCE, "or mapped");
    check(IS_ERROR(gpu_map(&gpu, TARGET, 64 * PAGE)), "a texture is not mapped");
    is(gpu_unref(&gpu, NEXT), OK_NODATA, "a buffer goes");
    is(gpu_unmap(&gpu, BUFFER), OK_NODATA, "and the other is unmapped");
    check(IS_ERROR(map_of(PAGE, 0, mappable)), "no blob of no size");
    check(IS_ERROR(map_of(PAGE, 100, mappable)), "nor of less than a page");
    check(IS_ERROR(map_of(100, PAGE, mappable)), "nor one beyond its buffer's end");
    check(IS_ERROR(map_of(PAGE, 1 << 20, mappable)), "nor one far beyond");
    check(IS_ERROR(map_of(PAGE, PAGE, 0)), "nor one that was to be mappable never");
    is(map_of(1 << 20, PAGE, mappable), OK_MAP, "but one that is part of its buffer");
    is(gpu_create_guest_blob(&gpu, NEXT, pixels, PAGE), OK_NODATA, "a blob of the guest's memory");
    check(IS_ERROR(gpu_map(&gpu, NEXT, 0)), "is not mapped");
    is(gpu_unref(&gpu, NEXT), OK_NODATA, "and goes");
}

/* ---- Order ----------------------------------------------------------------------------------- */

static unsigned begin_unmap(u32 resource, bool is_fenced)
{
    return gpu_leave_begin(&gpu, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, resource, is_fenced);
}

static unsigned begin_attach(u32 context, u32 resource, bool is_fenced)
{
    struct virtio_gpu_ctx_resource attach = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, context),
        .resource_id = resource,
    };

    if (is_fenced)
        gpu_fence(&gpu, &attach.hdr);
    return gpu_begin(&gpu, &attach, sizeof(attach), NULL, 0);
}

static void keep_order(void)
{
    unsigned first, second;

    is(gpu_context_create(&gpu, OTHER_CONTEXT, VIRTIO_GPU_CAPSET_VIRGL2), OK_NODATA,
       "another context");
    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "a buffer is mapped");
    write_triangle(0, false);
    is(gpu_finish(&gpu, begin_unmap(BUFFER, true)), OK_NODATA, "a fenced unmap is answered");
    check(is_gone(0, BUFFER_SIZE), "when nothing is there any more");

    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "it is mapped again");
    first = begin_unmap(BUFFER, true);
    second = begin_attach(OTHER_CONTEXT, TARGET, true);
    is(gpu_finish(&gpu, second), OK_NODATA, "a fenced command behind a fenced unmap");
    check(gpu_is_done(&gpu, first), "is not answered before it");
    is(gpu_finish(&gpu, first), OK_NODATA, "which is good");

    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "it is mapped again");
    first = begin_unmap(BUFFER, false);
    second = begin_attach(OTHER_CONTEXT, BUFFER, false);
    is(draw(OTHER_CONTEXT, 1, BUFFER, 0), OK_NODATA,
       "unmapped, attached, drawn with, one right behind the other");
    is(gpu_finish(&gpu, second), OK_NODATA, "which was attached");
    is(gpu_finish(&gpu, first), OK_NODATA, "and unmapped");
    check_picture((u32)RED, "it is red");
}

static void go_in_order(void)
{
    unsigned first, second, third;

    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "it is mapped again");
    first = begin_unmap(BUFFER, false);
    second = gpu_no_op_begin(&gpu, CONTEXT, true);
    third = gpu_leave_begin(&gpu, VIRTIO_GPU_CMD_RESOURCE_UNREF, BUFFER, true);
    is(gpu_finish(&gpu, second), OK_NODATA, "another command behind an unmap");
    is(gpu_finish(&gpu, third), OK_NODATA, "and the end of the buffer");
    is(gpu_finish(&gpu, first), OK_NODATA, "which was unmapped");
    check(is_gone(0, BUFFER_SIZE), "and is gone");
    is(gpu_map(&gpu, BUFFER, 0), NO_RESOURCE, "for ever");

    gpu_buffer(&gpu, CONTEXT, BUFFER, BUFFER_SIZE);
    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "a new buffer is mapped");
    first = gpu_leave_begin(&gpu, VIRTIO_GPU_CMD_RESOURCE_UNREF, BUFFER, true);
    is(gpu_finish(&gpu, first), OK_NODATA, "and goes while it is");
    check(is_gone(0, BUFFER_SIZE), "nothing is there any more");

    gpu_buffer(&gpu, OTHER_CONTEXT, BUFFER, BUFFER_SIZE);
    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "the other context's buffer is mapped");
    first = begin_unmap(BUFFER, false);
    is(gpu_context_destroy(&gpu, OTHER_CONTEXT), OK_NODATA, "the context goes behind the unmap");
    is(gpu_finish(&gpu, first), OK_NODATA, "which is good");
    is(gpu_unref(&gpu, BUFFER), OK_NODATA, "and its buffer goes");
    is(gpu_finish(&gpu, gpu_no_op_begin(&gpu, CONTEXT, true)), OK_NODATA,
       "the first context has not suffered");
}

/* ---- Under another processor's hands --------------------------------------------------------- */

/* The round in which it is surely there, or surely not; else 0. */
static volatile u32 there, away;
static volatile u64 nr_reads;
static volatile unsigned nr_late, nr_stale;
static volatile bool is_enough;

/* With interrupts off, as all payloads are. */
static void spin_on_window(void *unused)
{
    (void)unused;
    while (!is_enough) {
        const u32 was_there = there, was_away = away;
        const u32 got = *seen_at(0);

        if (got == (u32)ONES)
            nr_late += was_there && there == was_there;
        else
            nr_stale += was_away && away == was_away;
        nr_reads++;
    }
}

static void wait_for_reads(void)
{
    const u64 before = nr_reads;

    while (nr_reads - before < 10)
        relax();
}

static void unmap_under_spinner(void)
{
    bool is_good = true;

    gpu_buffer(&gpu, CONTEXT, BUFFER, BUFFER_SIZE);
    start_processors(2);
    start_on(1, spin_on_window, NULL);
    for (u32 i = 1; i <= ROUNDS && is_good; i++) {
        is_good &= gpu_map(&gpu, BUFFER, 0) == OK_MAP;
        *seen_at(0) = i;
        there = i;
        wait_for_reads();
        there = 0;
        is_good &= gpu_unmap(&gpu, BUFFER) == OK_NODATA;
        away = i;
        wait_for_reads();
        away = 0;
    }
    is_enough = true;
    wait_for(1);
    check(is_good, "mapped and unmapped while another processor spins on it");
    is(nr_late, 0, "which saw it whenever it was there");
    is(nr_stale, 0, "and never when it was not");
    is(gpu_unref(&gpu, BUFFER), OK_NODATA, "it goes");
}

/* ---- Reset ----------------------------------------------------------------------------------- */

static void begin_again(void)
{
    check(gpu_start(&gpu, GPU_FEATURES), "it starts again");
    is(gpu_context_create(&gpu, CONTEXT, VIRTIO_GPU_CAPSET_VIRGL2), OK_NODATA, "a context");
    gpu_buffer(&gpu, CONTEXT, BUFFER, BUFFER_SIZE);
    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "a buffer is mapped");
}

static void reset_in_flight(void)
{
    const struct virtio_gpu_rect all = { 0, 0, SIDE, SIDE };
    bool is_good = true;

    for (unsigned i = 0; i < NR_BUFFERS; i++) {
        gpu_buffer(&gpu, CONTEXT, FIRST_BUFFER + i, BUFFER_SIZE);
        is_good &= gpu_map(&gpu, FIRST_BUFFER + i, i * (u64)BUFFER_SIZE) == OK_MAP;
        fill(i * (u64)BUFFER_SIZE, BUFFER_SIZE, i << 24);
    }
    check(is_good, "some buffers are mapped");
    is(gpu_set_scanout(&gpu, 0, TARGET, &all), OK_NODATA, "a picture is shown");
    (void)begin_unmap(FIRST_BUFFER, true);
    (void)gpu_no_op_begin(&gpu, CONTEXT, true);
    (void)begin_unmap(FIRST_BUFFER + 1, false);
    (void)begin_attach(CONTEXT, FIRST_BUFFER + 1, true);
    gpu_reset(&gpu);
    check(is_gone(0, NR_BUFFERS * BUFFER_SIZE), "reset with work in flight: nothing is mapped");
    begin_again();
    is(gpu_unmap(&gpu, FIRST_BUFFER + 2), NO_RESOURCE, "and nothing is known of before");
}

/* Another device's queue, in memory that this one gives and takes. */
static void lend_to_device(void)
{
    enum { DESC = 0, AVAIL = PAGE, USED = 2 * PAGE, DATA = 3 * PAGE, DATA_SIZE = 64 };
    struct descriptor *descriptor = (struct descriptor *)(u64)seen_at(DESC);
    struct avail *avail = (struct avail *)(u64)seen_at(AVAIL);
    struct used *used = (struct used *)(u64)seen_at(USED);
    struct virtio rng;
    u64 bytes[4] = { 0 };

    if (!virtio_find(&rng, VIRTIO_ENTROPY, 0) || !virtio_negotiate(&rng, 1ul << 29)) {
        skip("a queue of another device in a buffer", "there is no device for entropy");
        return;
    }
    memset((void *)(u64)gpu.window_at, 0, BUFFER_SIZE);
    *descriptor = (struct descriptor){ gpu.window + DATA, DATA_SIZE, DESC_WRITE, 0 };
    virtio_set_queue(&rng, 0, rng.queue_size, gpu.window + DESC, gpu.window + AVAIL,
                     gpu.window + USED);
    write_as(rng.registers + STATUS, 1, DRIVER_STARTS | FEATURES_OK | DRIVER_OK);
    avail->index = 1;
    BARRIER();
    virtio_kick(&rng, 0);
    while (!used->index)
        relax();
    check(used->ring[0].length == DATA_SIZE && (*seen_at(DATA) || *seen_at(DATA + 4)),
          "a queue of another device in a buffer");
    avail->index = 2;
    BARRIER();
    virtio_kick(&rng, 0);
    is(gpu_unmap(&gpu, BUFFER), OK_NODATA, "which goes from under it");
    virtio_kick(&rng, 0);
    check(is_gone(0, BUFFER_SIZE), "and is not kept");
    virtio_reset(&rng);
    check(virtio_entropy(&rng, bytes, sizeof(bytes)) && (bytes[0] || bytes[1]),
          "the device works in other memory");
    is(gpu_map(&gpu, BUFFER, 0), OK_MAP, "the buffer is mapped again");
}

static void by_interrupts(void)
{
    check(gpu_use_interrupts(&gpu), "it interrupts by MSI-X");
    for (unsigned i = 0; i < ROUNDS; i++)
        (void)gpu_finish(&gpu, gpu_no_op_begin(&gpu, CONTEXT, true));
    check(gpu.nr_wakeups > 0, "answers are known by that");
    is(gpu_unmap(&gpu, BUFFER), OK_NODATA, "also that of an unmap");
}

void payload_main(void)
{
    const bool only_shows = parameter_is("test", "picture"); /* which each GPU can */

    if (!check(gpu_find(&gpu), "a GPU, and its capabilities") ||
        !check(gpu_start(&gpu, only_shows ? 1ul << 32 : GPU_FEATURES), "it starts"))
        return;
    if (only_shows)
        show_for_ever();
    look_around();
    ask();
    show();
    draw_from_window();
    refuse_to_map();
    keep_order();
    go_in_order();
    if (parameter("cpus", 1) > 1)
        unmap_under_spinner();
    reset_in_flight();
    lend_to_device();
    by_interrupts();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/display/edid.h"
#include "hw/gpu/gpu_internal.h"
#include "tests/gpu/fake_renderer.h"
#include "tests/gpu/gpu_scene.h"

/* What a driver sees, from the specification (virtio 1.2, 5.7). */
enum {
    OK = VIRTIO_GPU_RESP_OK_NODATA,
    UNSPEC = VIRTIO_GPU_RESP_ERR_UNSPEC,
    NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
    BAD_SCANOUT = VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
    BAD_ID = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
    BAD = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
    BGRX = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
    BGRA = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
    EVENTS = 0, /* offsets of the configuration */
    EVENTS_CLEAR = 4,
    NR_SCANOUTS = 8,
    NR_CAPSETS = 12,
};

static struct gpu_scene *begin(void) REQUIRES(bql)
{
    const struct gpu_config config = scene_config(false, 0);

    return gpu_scene_new(&config, NULL);
}

/* Pixels of guest memory, of the test's own or at an offset in it. */
static uint32_t *pixels_at(struct gpu_scene *scene, uint64_t address)
{
    return (uint32_t *)(void *)(scene->guest.bytes + address);
}

static void fill(struct gpu_scene *scene, uint64_t address, unsigned nr, uint32_t first)
{
    for (unsigned i = 0; i < nr; i++)
        pixels_at(scene, address)[i] = first + i;
}

static bool is_off(struct gpu_scene *scene, unsigned scanout) REQUIRES(bql)
{
    return !console_picture(display_console(scene->display, scanout));
}

/* ---- What it is ---------------------------------------------------------------------------- */

static void features_and_configuration_say_what_there_is(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    uint64_t offered = scene->guest.device->offered;

    g_assert_true(offered & 1 << VIRTIO_GPU_F_EDID);
    g_assert_true(offered & 1 << VIRTIO_GPU_F_RESOURCE_UUID);
    g_assert_true(offered & 1 << VIRTIO_GPU_F_RESOURCE_BLOB);
    g_assert_false(offered & (1 << VIRTIO_GPU_F_VIRGL | 1 << VIRTIO_GPU_F_CONTEXT_INIT));
    g_assert_cmpuint(scene_config_word(scene, EVENTS), ==, 0);
    g_assert_cmpuint(scene_config_word(scene, NR_SCANOUTS), ==, 2);
    g_assert_cmpuint(scene_config_word(scene, NR_CAPSETS), ==, 0);
    gpu_scene_free(scene);
}

static void commands_of_what_there_is_not_are_refused(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_box box = { 0, 0, 0, 1, 1, 1 };
    const uint32_t word = 0;

    g_assert_cmphex(ask(scene, create_context(1, 0)), ==, UNSPEC);
    g_assert_cmphex(ask(scene, destroy_context(1)), ==, UNSPEC);
    g_assert_cmphex(ask(scene, submit_3d(1, &word, 1)), ==, UNSPEC);
    g_assert_cmphex(ask(scene, create_3d(1, 2, 1, 2, 1, 1)), ==, UNSPEC);
    g_assert_cmphex(ask(scene, to_host_3d(0, 1, box, 0)), ==, UNSPEC);
    g_assert_cmphex(ask(scene, get_capset_info(0)), ==, UNSPEC);
    g_assert_cmphex(ask(scene, get_capset(1, 1)), ==, UNSPEC);
    g_assert_cmphex(ask(scene, map_blob(1, 0)), ==, UNSPEC); /* there is no window */
    gpu_scene_free(scene);
}

static void what_is_no_command_is_refused(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct message message = get_display_info();

    message.request.hdr.type = 0;
    g_assert_cmphex(ask(scene, message), ==, UNSPEC);
    message.request.hdr.type = UINT32_MAX;
    g_assert_cmphex(ask(scene, fenced(message, 9)), ==, UNSPEC);
    message = update_cursor(0, 0, 0, 0); /* on the wrong queue */
    message.queue = QUEUE_CONTROL;
    g_assert_cmphex(ask(scene, with_room(message, RESPONSE_ROOM)), ==, UNSPEC);
    message = create_2d(1, BGRX, 1, 1);
    message.size -= 1;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    message.size = 23;
    g_assert_cmphex(ask(scene, message), ==, UNSPEC);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, 1, 1)), ==, OK);
    gpu_scene_free(scene);
}

/* ---- Pictures ------------------------------------------------------------------------------ */

enum { WIDTH = 32, HEIGHT = 16, ALL = WIDTH * HEIGHT };

static void flushed_pixels_reach_the_screen(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    fill(scene, SCENE_DATA, ALL, 0x100000);
    must_show(scene, 0, 1, SCENE_DATA, WIDTH, HEIGHT);
    g_assert_cmphex(scene_pixel(scene, 0, 0, 0), ==, 0x100000);
    g_assert_cmphex(scene_pixel(scene, 0, WIDTH - 1, HEIGHT - 1), ==, 0x100000 + ALL - 1);
    fill(scene, SCENE_DATA, ALL, 0x200000);
    must(scene, flush_resource(1, rect_of(0, 0, WIDTH, HEIGHT))); /* not transferred */
    g_assert_cmphex(scene_pixel(scene, 0, 1, 0), ==, 0x100001);
    must(scene, to_host_2d(1, rect_of(2, 1, 4, 2), (WIDTH + 2) * 4));
    g_assert_cmphex(scene_pixel(scene, 0, 2, 1), ==, 0x100000 + WIDTH + 2); /* not flushed */
    must(scene, flush_resource(1, rect_of(0, 0, WIDTH, HEIGHT)));
    g_assert_cmphex(scene_pixel(scene, 0, 2, 1), ==, 0x200000 + WIDTH + 2);
    g_assert_cmphex(scene_pixel(scene, 0, 5, 2), ==, 0x200000 + 2 * WIDTH + 5);
    g_assert_cmphex(scene_pixel(scene, 0, 6, 2), ==, 0x100000 + 2 * WIDTH + 6);
    gpu_scene_free(scene);
}

static void a_flush_is_of_its_rectangle(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    fill(scene, SCENE_DATA, ALL, 0x100000);
    must_show(scene, 0, 1, SCENE_DATA, WIDTH, HEIGHT);
    g_assert_cmphex(scene_pixel(scene, 0, 0, 0), ==, 0x100000);
    fill(scene, SCENE_DATA, ALL, 0x200000);
    must(scene, to_host_2d(1, rect_of(0, 0, WIDTH, HEIGHT), 0));
    must(scene, flush_resource(1, rect_of(3, 2, 1, 1)));
    g_assert_cmphex(scene_pixel(scene, 0, 3, 2), ==, 0x200000 + 2 * WIDTH + 3);
    g_assert_cmphex(scene_pixel(scene, 0, 4, 2), ==, 0x100000 + 2 * WIDTH + 4);
    gpu_scene_free(scene);
}

static void a_scanout_shows_its_part_of_a_resource(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    fill(scene, SCENE_DATA, ALL, 0x100000);
    must_show(scene, 0, 1, SCENE_DATA, WIDTH, HEIGHT);
    must(scene, set_scanout(1, 1, rect_of(8, 4, 8, 8)));
    must(scene, flush_resource(1, rect_of(0, 0, WIDTH, HEIGHT)));
    g_assert_cmphex(scene_pixel(scene, 1, 0, 0), ==, 0x100000 + 4 * WIDTH + 8);
    g_assert_cmphex(scene_pixel(scene, 1, 7, 7), ==, 0x100000 + 11 * WIDTH + 15);
    g_assert_cmphex(scene_pixel(scene, 0, 7, 7), ==, 0x100000 + 7 * WIDTH + 7);
    must(scene, set_scanout(0, 0, rect_of(0, 0, 0, 0)));
    g_assert_true(is_off(scene, 0));
    g_assert_false(is_off(scene, 1));
    must(scene, unref_resource(1));
    g_assert_true(is_off(scene, 1));
    gpu_scene_free(scene);
}

static void scanouts_that_cannot_be_are_refused(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    static const struct virtio_gpu_rect bad[] = {
        { 0, 0, WIDTH + 1, 1 },  { 0, 0, 1, HEIGHT + 1 },     { 1, 0, WIDTH, 1 },
        { UINT32_MAX, 0, 2, 1 }, { 0, 0, UINT32_MAX, 1 },     { 0, UINT32_MAX, 1, 2 },
        { WIDTH, 0, 1, 1 },      { 1, 1, UINT32_MAX, HEIGHT }
    };

    must_show(scene, 0, 1, SCENE_DATA, WIDTH, HEIGHT);
    g_assert_cmphex(ask(scene, set_scanout(2, 1, rect_of(0, 0, WIDTH, HEIGHT))), ==, BAD_SCANOUT);
    g_assert_cmphex(ask(scene, set_scanout(UINT32_MAX, 0, rect_of(0, 0, 0, 0))), ==, BAD_SCANOUT);
    g_assert_cmphex(ask(scene, set_scanout(1, 2, rect_of(0, 0, 1, 1))), ==, BAD_ID);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_cmphex(ask(scene, set_scanout(1, 1, bad[i])), ==, BAD);
        g_assert_cmphex(ask(scene, flush_resource(1, bad[i])), ==, BAD);
        g_assert_cmphex(ask(scene, to_host_2d(1, bad[i], 0)), ==, BAD);
    }
    g_assert_true(is_off(scene, 1));
    gpu_scene_free(scene);
}

/* ---- Resources ----------------------------------------------------------------------------- */

static void resources_that_cannot_be_are_refused(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_rect one = { 0, 0, 1, 1 };

    g_assert_cmphex(ask(scene, create_2d(0, BGRX, 1, 1)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, 0, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, 1, 0)), ==, BAD);
    g_assert_cmphex(ask(scene, create_2d(1, 0, 1, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, create_2d(1, 5, 1, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, UINT32_MAX, UINT32_MAX)), ==, NO_MEMORY);
    g_assert_cmphex(ask(scene, unref_resource(1)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, flush_resource(1, one)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, to_host_2d(1, one, 0)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, detach_backing(1)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, assign_uuid(1)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, 1, 1)), ==, OK);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, 1, 1)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, unref_resource(1)), ==, OK);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, 1, 1)), ==, OK);
    gpu_scene_free(scene);
}

static void backings_are_ram_of_the_machine(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct {
        struct virtio_gpu_mem_entry entry;
        uint32_t result;
    } cases[] = {
        { entry(GUEST_RAM - 4096, 4096), OK }, { entry(GUEST_RAM - 4096, 4097), BAD },
        { entry(GUEST_RAM, 1), BAD },          { entry(SCENE_WINDOW, 4096), BAD },
        { entry(UINT64_MAX, 1), BAD },         { entry(UINT64_MAX - 4095, 8192), BAD },
        { entry(0, UINT32_MAX), BAD },
    };
    const struct virtio_gpu_mem_entry good = entry(SCENE_DATA, 4096);

    must(scene, create_2d(1, BGRX, WIDTH, HEIGHT));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_assert_cmphex(ask(scene, attach_backing(1, &cases[i].entry, 1)), ==, cases[i].result);
        if (cases[i].result == OK)
            must(scene, detach_backing(1));
    }
    g_assert_cmphex(ask(scene, attach_backing(2, &good, 1)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, attach_backing(1, &good, 0)), ==, BAD);
    g_assert_cmphex(ask(scene, detach_backing(1)), ==, BAD);
    must(scene, attach_backing(1, &good, 1));
    g_assert_cmphex(ask(scene, attach_backing(1, &good, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, to_host_2d(1, rect_of(0, 0, 1, 1), 4093)), ==, BAD);
    must(scene, to_host_2d(1, rect_of(0, 0, 1, 1), 4092));
    gpu_scene_free(scene);
}

/* It says there are entries, and does not send them. */
static void entries_that_are_not_there_are_refused(void)
{
    bql_assert_held();
    static const uint32_t numbers[] = { 2, 1000, (1 << 18) + 1, UINT32_MAX / 16, UINT32_MAX };
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_mem_entry one = entry(SCENE_DATA, 4096);

    must(scene, create_2d(1, BGRX, WIDTH, HEIGHT));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        const bool is_too_many = numbers[i] > 1 << 18;
        struct message message = attach_backing(1, &one, 1);

        message.request.attach_backing.nr_entries = numbers[i];
        g_assert_cmphex(ask(scene, message), ==, is_too_many ? NO_MEMORY : BAD);
        message = guest_blob(2, 4096, &one, 1);
        message.request.create_blob.nr_entries = numbers[i];
        g_assert_cmphex(ask(scene, message), ==, is_too_many ? NO_MEMORY : BAD);
    }
    must(scene, attach_backing(1, &one, 1));
    gpu_scene_free(scene);
}

static void a_guest_blob_is_shown_where_it_lies(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_mem_entry entries[] = { entry(SCENE_DATA + 8192, 4096),
                                                    entry(SCENE_DATA, 4096) };
    struct renderer_layout layout = { BGRX, WIDTH, HEIGHT, 256, 2048 };
    const struct virtio_gpu_rect all = { 0, 0, WIDTH, HEIGHT };

    fill(scene, SCENE_DATA, 1024, 0x200000);
    fill(scene, SCENE_DATA + 8192, 1024, 0x100000);
    must(scene, guest_blob(1, 8192, entries, 2));
    must(scene, set_scanout_blob(0, 1, all, &layout));
    must(scene, flush_resource(1, all));
    g_assert_cmphex(scene_pixel(scene, 0, 1, 0), ==, 0x100000 + 512 + 1);
    g_assert_cmphex(scene_pixel(scene, 0, 31, 15), ==, 0x200000 + 448 + 31);
    fill(scene, SCENE_DATA, 1024, 0x300000);
    must(scene, flush_resource(1, all));
    g_assert_cmphex(scene_pixel(scene, 0, 31, 15), ==, 0x300000 + 448 + 31);
    g_assert_cmphex(ask(scene, set_scanout(0, 1, all)), ==, BAD); /* how, only a blob's says */
    layout.offset = 8192 - 15 * 256 - WIDTH * 4;
    must(scene, set_scanout_blob(0, 1, all, &layout));
    layout.offset += 4;
    g_assert_cmphex(ask(scene, set_scanout_blob(0, 1, all, &layout)), ==, BAD);
    layout.offset = UINT32_MAX;
    g_assert_cmphex(ask(scene, set_scanout_blob(0, 1, all, &layout)), ==, BAD);
    layout = (struct renderer_layout){ BGRX, WIDTH, HEIGHT, UINT32_MAX - 3, 0 };
    g_assert_cmphex(ask(scene, set_scanout_blob(0, 1, all, &layout)), ==, BAD);
    layout = (struct renderer_layout){ 0, WIDTH, HEIGHT, 256, 0 };
    g_assert_cmphex(ask(scene, set_scanout_blob(0, 1, all, &layout)), ==, BAD);
    gpu_scene_free(scene);
}

/* As Linux does with memory that it has imported, and that moves. */
static void a_guest_blob_gets_other_memory(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_mem_entry first = entry(SCENE_DATA, 4096);
    const struct virtio_gpu_mem_entry second[] = { entry(SCENE_DATA + 8192, 2048),
                                                   entry(SCENE_DATA + 16384, 2048) };
    const struct renderer_layout layout = { BGRX, WIDTH, HEIGHT, 256, 0 };
    const struct virtio_gpu_rect all = { 0, 0, WIDTH, HEIGHT };

    fill(scene, SCENE_DATA, 1024, 0x100000);
    fill(scene, SCENE_DATA + 16384, 512, 0x200000);
    must(scene, guest_blob(1, 4096, &first, 1));
    must(scene, set_scanout_blob(0, 1, all, &layout));
    must(scene, flush_resource(1, all));
    g_assert_cmphex(scene_pixel(scene, 0, 1, 8), ==, 0x100000 + 512 + 1);
    g_assert_cmphex(ask(scene, attach_backing(1, second, 2)), ==, BAD); /* it has one */
    must(scene, fenced(detach_backing(1), 1));
    g_assert_cmpuint(load_relaxed(&scene->gpu->usage.entries), ==, 0);
    g_assert_cmphex(ask(scene, detach_backing(1)), ==, BAD);
    must(scene, flush_resource(1, all)); /* there is nothing to be seen: what was shown stays */
    g_assert_cmphex(scene_pixel(scene, 0, 1, 8), ==, 0x100000 + 512 + 1);
    g_assert_cmphex(ask(scene, attach_backing(1, second, 1)), ==, BAD); /* too small */
    must(scene, attach_backing(1, second, 2));
    must(scene, flush_resource(1, all));
    g_assert_cmphex(scene_pixel(scene, 0, 1, 8), ==, 0x200000 + 1);
    must(scene, detach_backing(1));
    must(scene, unref_resource(1));
    gpu_scene_free(scene);
}

static void blobs_that_cannot_be_are_refused(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_mem_entry one = entry(SCENE_DATA, 4096);
    struct message message = guest_blob(1, 4096, &one, 1);

    g_assert_cmphex(ask(scene, guest_blob(0, 4096, &one, 1)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, guest_blob(1, 0, &one, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, guest_blob(1, 4097, &one, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, guest_blob(1, UINT64_MAX, &one, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, guest_blob(1, 4096, &one, 0)), ==, BAD);
    g_assert_cmphex(ask(scene, host_blob(1, 4096, 1, 1)), ==, BAD); /* there is no host's memory */
    message.request.create_blob.blob_flags = 8;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    message.request.create_blob.blob_flags = 0;
    message.request.create_blob.blob_mem = 4;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    must(scene, guest_blob(1, 4096, &one, 1));
    g_assert_cmphex(ask(scene, guest_blob(1, 4096, &one, 1)), ==, BAD_ID);
    gpu_scene_free(scene);
}

static void uuids_differ_and_stay(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    uint8_t uuids[3][16];
    const uint32_t ids[3] = { 1, 2, 1 };

    must(scene, create_2d(1, BGRX, 1, 1));
    must(scene, create_2d(2, BGRX, 1, 1));
    for (int i = 0; i < 3; i++) {
        g_assert_cmphex(ask(scene, assign_uuid(ids[i])), ==, VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
        memcpy(uuids[i], scene->response.of.uuid.uuid, 16);
    }
    g_assert_cmpmem(uuids[0], 16, uuids[2], 16);
    g_assert_cmpint(memcmp(uuids[0], uuids[1], 16), !=, 0);
    gpu_scene_free(scene);
}

/* ---- Screens ------------------------------------------------------------------------------- */

static void a_screen_says_what_size_it_would_like(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_display_one *modes = scene->response.of.display_info.pmodes;
    struct console *console = display_console(scene->display, 1);
    unsigned before = scene->guest.nr_config_interrupts;
    uint32_t clear = VIRTIO_GPU_EVENT_DISPLAY;

    g_assert_cmphex(ask(scene, get_display_info()), ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    g_assert_cmpuint(scene->written, ==, sizeof(struct virtio_gpu_resp_display_info));
    g_assert_cmpuint(modes[0].enabled, ==, 1);
    g_assert_cmpuint(modes[0].r.width, ==, 640);
    g_assert_cmpuint(modes[0].r.height, ==, 480);
    g_assert_cmpuint(modes[1].enabled, ==, 0);
    console_prefer(console, 800, 600);
    g_assert_cmpuint(scene->guest.nr_config_interrupts, ==, before + 1);
    g_assert_cmpuint(scene_config_word(scene, EVENTS), ==, VIRTIO_GPU_EVENT_DISPLAY);
    g_assert_cmphex(ask(scene, get_display_info()), ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    g_assert_cmpuint(modes[1].enabled, ==, 1);
    g_assert_cmpuint(modes[1].r.width, ==, 800);
    virtio_write_config(scene->guest.device, EVENTS_CLEAR, &clear, sizeof(clear));
    g_assert_cmpuint(scene_config_word(scene, EVENTS), ==, 0);
    console_prefer(console, 800, 600); /* nothing new */
    g_assert_cmpuint(scene_config_word(scene, EVENTS), ==, 0);
    console_prefer(console, 0, 0);
    g_assert_cmphex(ask(scene, get_display_info()), ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    g_assert_cmpuint(modes[1].enabled, ==, 0);
    gpu_scene_free(scene);
}

static void an_edid_is_the_screens(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_resp_edid *edid = &scene->response.of.edid;
    uint8_t sum = 0;

    g_assert_cmphex(ask(scene, get_edid(0)), ==, VIRTIO_GPU_RESP_OK_EDID);
    g_assert_cmpuint(scene->written, ==, sizeof(*edid));
    g_assert_cmpuint(edid->size, ==, EDID_SIZE);
    for (int i = 0; i < 128; i++)
        sum = (uint8_t)(sum + edid->edid[i]);
    g_assert_cmpuint(sum, ==, 0);
    /* The first detailed timing's active pixels and lines (VESA E-EDID 1.4, 3.10.2). */
    g_assert_cmpuint(edid->edid[54 + 2] | (edid->edid[54 + 4] & 0xf0) << 4, ==, 640);
    g_assert_cmpuint(edid->edid[54 + 5] | (edid->edid[54 + 7] & 0xf0) << 4, ==, 480);
    g_assert_cmphex(ask(scene, get_edid(2)), ==, BAD_SCANOUT);
    g_assert_cmphex(ask(scene, get_edid(UINT32_MAX)), ==, BAD_SCANOUT);
    gpu_scene_free(scene);
}

static void wait_for_cursor(struct gpu_scene *scene, bool is_there) REQUIRES(bql)
{
    int x, y;

    while (!console_cursor(display_console(scene->display, 0), &x, &y) == is_there)
        (void)loop_iterate(true); /* looked at above */
}

static void a_cursor_is_a_resource_of_its_size(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct console *console = display_console(scene->display, 0);
    const struct virtio_gpu_mem_entry memory = entry(SCENE_DATA, 64 * 64 * 4);
    const struct cursor *cursor;
    int x, y;

    fill(scene, SCENE_DATA, 64 * 64, 0xff000000);
    must(scene, create_2d(1, BGRA, 64, 64));
    must(scene, create_2d(2, BGRA, 32, 64));
    must(scene, attach_backing(1, &memory, 1));
    must(scene, to_host_2d(1, rect_of(0, 0, 64, 64), 0));
    must(scene, update_cursor(0, 2, 0, 0)); /* too small: refused */
    must(scene, update_cursor(0, 9, 0, 0));
    must(scene, update_cursor(2, 1, 0, 0));
    g_assert_null(console_cursor(console, &x, &y));
    must(scene, update_cursor(0, 1, 3, 5));
    wait_for_cursor(scene, true);
    cursor = console_cursor(console, &x, &y);
    g_assert_cmpuint(cursor->width, ==, 64);
    g_assert_cmpuint(cursor->hot_x, ==, 3);
    g_assert_cmpuint(cursor->hot_y, ==, 5);
    g_assert_cmphex(cursor->pixels[64 * 64 - 1], ==, 0xff000000 + 64 * 64 - 1);
    must(scene, move_cursor(0, 100, UINT32_MAX));
    (void)console_cursor(console, &x, &y); /* where */
    g_assert_cmpint(x, ==, 100);
    g_assert_cmpint(y, ==, -1);
    must(scene, update_cursor(0, 0, 0, 0));
    wait_for_cursor(scene, false);
    gpu_scene_free(scene);
}

/* While the one before is being read. */
static void a_cursor_whose_resource_goes_is_not_read(void)
{
    bql_assert_held();
    const struct gpu_config config = scene_config(true, 0);
    struct gpu_scene *scene = gpu_scene_new(&config, &fake_renderer);
    unsigned unref;
    int x, y;

    must(scene, create_2d(1, BGRA, 64, 64));
    must(scene, create_2d(2, BGRA, 64, 64));
    fake_hold(FAKE_READ);
    must(scene, update_cursor(0, 1, 0, 0));
    fake_wait_until_held(FAKE_READ);
    must(scene, update_cursor(0, 2, 0, 0));
    unref = post(scene, unref_resource(2));
    g_assert_false(is_answered(scene, unref));
    fake_let_go();
    g_assert_cmphex(finish(scene, unref), ==, OK);
    wait_for_cursor(scene, true);
    g_assert_cmphex(console_cursor(display_console(scene->display, 0), &x, &y)->pixels[0], ==,
                    0xff000001);
    g_assert_cmpuint(fake_count(FAKE_READ), ==, 1);
    gpu_scene_free(scene);
}

/* ---- Answers ------------------------------------------------------------------------------- */

static void fences_come_back_in_order(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    unsigned calls[64];

    must_show(scene, 0, 1, SCENE_DATA, WIDTH, HEIGHT);
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++)
        calls[i] = post(scene, i % 3 ? fenced(to_host_2d(1, rect_of(0, 0, WIDTH, HEIGHT), 0), i)
                                     : fenced(get_display_info(), i));
    g_assert_cmphex(finish(scene, calls[63]), ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    for (unsigned i = 0; i < 63; i++)
        g_assert_true(scene->calls[calls[i]].is_answered);
    for (unsigned i = 0; i < 63; i++)
        (void)finish(scene, calls[i]); /* checks that it is its own fence */
    gpu_scene_free(scene);
}

static void an_answer_that_has_no_room_is_cut(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct message message = get_display_info();

    message.room = sizeof(struct virtio_gpu_ctrl_hdr);
    (void)ask(scene, message); /* whether it is an error: its size is what matters */
    g_assert_cmpuint(scene->written, <=, sizeof(struct virtio_gpu_ctrl_hdr));
    for (unsigned room = 0; room < sizeof(struct virtio_gpu_ctrl_hdr); room += 23) {
        struct message unref = unref_resource(1);
        unsigned call;

        must(scene, create_2d(1, BGRX, 1, 1));
        unref.room = room;
        call = post(scene, unref);
        while (!is_answered(scene, call))
            (void)loop_iterate(true); /* looked at above */
        g_assert_cmpuint(scene->calls[call].written, <=, room);
        scene->calls[call].is_used = false;
        if (guest_device_is_broken(&scene->guest))
            scene_reset(scene);
    }
    g_assert_cmphex(ask(scene, create_2d(7, BGRX, 1, 1)), ==, OK);
    gpu_scene_free(scene);
}

/* ---- Reset ---------------------------------------------------------------------------------- */

static void a_reset_forgets_all_that_there_was(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    must_show(scene, 0, 1, SCENE_DATA, WIDTH, HEIGHT);
    console_prefer(display_console(scene->display, 0), 800, 600);
    scene_reset(scene);
    g_assert_true(is_off(scene, 0));
    g_assert_cmphex(ask(scene, unref_resource(1)), ==, BAD_ID);
    fill(scene, SCENE_DATA, ALL, 0x100000);
    must_show(scene, 0, 1, SCENE_DATA, WIDTH, HEIGHT);
    g_assert_cmphex(scene_pixel(scene, 0, 1, 1), ==, 0x100000 + WIDTH + 1);
    gpu_scene_free(scene);
}

static void a_reset_comes_at_any_moment(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    for (unsigned round = 0; round < 50; round++) {
        must_show(scene, 0, 1, SCENE_DATA, WIDTH, HEIGHT);
        for (unsigned i = 0; i < round; i++)
            (void)post(scene, fenced(to_host_2d(1, rect_of(0, 0, WIDTH, HEIGHT), 0), i));
        for (unsigned i = 0; i < round % 4; i++)
            (void)loop_iterate(false); /* some of it is done, perhaps */
        scene_reset(scene);
        g_assert_cmpuint(scene_in_flight(scene), ==, 0);
    }
    gpu_scene_free(scene);
}

static void add_tests(void)
{
#define ADD(test) g_test_add_func("/gpu_2d/" #test, test)
    ADD(features_and_configuration_say_what_there_is);
    ADD(commands_of_what_there_is_not_are_refused);
    ADD(what_is_no_command_is_refused);
    ADD(flushed_pixels_reach_the_screen);
    ADD(a_flush_is_of_its_rectangle);
    ADD(a_scanout_shows_its_part_of_a_resource);
    ADD(scanouts_that_cannot_be_are_refused);
    ADD(resources_that_cannot_be_are_refused);
    ADD(backings_are_ram_of_the_machine);
    ADD(entries_that_are_not_there_are_refused);
    ADD(a_guest_blob_is_shown_where_it_lies);
    ADD(a_guest_blob_gets_other_memory);
    ADD(blobs_that_cannot_be_are_refused);
    ADD(uuids_differ_and_stay);
    ADD(a_screen_says_what_size_it_would_like);
    ADD(an_edid_is_the_screens);
    ADD(a_cursor_is_a_resource_of_its_size);
    ADD(a_cursor_whose_resource_goes_is_not_read);
    ADD(fences_come_back_in_order);
    ADD(an_answer_that_has_no_room_is_cut);
    ADD(a_reset_forgets_all_that_there_was);
    ADD(a_reset_comes_at_any_moment);
#undef ADD
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests();
    return run_with_bql();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When pictures are read for screens, and what becomes of one that is being read meanwhile. */
#include "hw/gpu/screen.h"
#include "tests/gpu/fake_renderer.h"
#include "tests/gpu/gpu_scene.h"

enum {
    OK = VIRTIO_GPU_RESP_OK_NODATA,
    BGRX = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
    SIDE = 16,
};

static struct viewer viewer;

static struct virtio_gpu_rect all(void)
{
    return rect_of(0, 0, SIDE, SIDE);
}

/* Pictures 5 and 6; the first is on screen 0. All of a picture is its number (fake_renderer.c). */
static struct gpu_scene *begin(void) REQUIRES(bql)
{
    const struct gpu_config config = scene_config(true, 0);
    struct gpu_scene *scene = gpu_scene_new(&config, &fake_renderer);

    must(scene, create_2d(5, BGRX, SIDE, SIDE));
    must(scene, create_2d(6, BGRX, SIDE, SIDE));
    must(scene, set_scanout(0, 5, all()));
    return scene;
}

static void end(struct gpu_scene *scene) REQUIRES(bql)
{
    viewer_remove(&viewer);
    gpu_scene_free(scene);
}

/* As it is drawn now: 0: black, or off. */
static uint32_t shown(struct gpu_scene *scene, unsigned screen) REQUIRES(bql)
{
    pixman_image_t *picture = console_picture(display_console(scene->display, screen));

    return picture ? *pixman_image_get_data(picture) & 0xffffff : 0;
}

static void wait_until_shown(struct gpu_scene *scene, uint32_t picture) REQUIRES(bql)
{
    while (shown(scene, 0) != picture)
        (void)loop_iterate(true); /* looked at above */
}

/* It is shown what is there then. */
static void watch(struct gpu_scene *scene) REQUIRES(bql)
{
    static const struct viewer_ops ops = { .damaged = NULL };

    console_add_viewer(display_console(scene->display, 0), &viewer, &ops);
    wait_until_shown(scene, 5);
}

/* A frame of picture 5 is being read. Its flush is the result. */
static unsigned begin_frame(struct gpu_scene *scene) REQUIRES(bql)
{
    unsigned flush;

    fake_hold(FAKE_READ);
    flush = post(scene, flush_resource(5, all()));
    scene_run(scene);
    fake_wait_until_held(FAKE_READ);
    return flush;
}

/* ---- When ------------------------------------------------------------------------------------ */

static void nothing_is_read_while_nobody_looks(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    must(scene, flush_resource(5, all()));
    must(scene, flush_resource(5, all()));
    g_assert_cmpuint(fake_count(FAKE_READ), ==, 0);
    watch(scene); /* what was flushed before is not lost */
    g_assert_cmpuint(fake_count(FAKE_READ), ==, 1);
    viewer_remove(&viewer);
    must(scene, flush_resource(5, all()));
    g_assert_cmpuint(fake_count(FAKE_READ), ==, 1);
    end(scene);
}

static void one_frame_is_read_at_a_time(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    unsigned calls[10], before;

    watch(scene);
    before = fake_count(FAKE_READ);
    (void)begin_frame(scene);
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++)
        calls[i] = post(scene, flush_resource(5, rect_of(i, i, 1, 1)));
    scene_run(scene);
    fake_let_go();
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++)
        g_assert_cmphex(finish(scene, calls[i]), ==, OK);
    (void)scene_pixel(scene, 0, 0, 0);                       /* all has been drawn */
    g_assert_cmpuint(fake_count(FAKE_READ), ==, before + 2); /* the other one has all ten */
    end(scene);
}

static void flush_is_answered_behind_its_frame(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    unsigned flush;

    watch(scene);
    flush = begin_frame(scene);
    g_assert_false(is_answered(scene, flush));
    fake_let_go();
    g_assert_cmphex(finish(scene, flush), ==, OK);
    wait_until_shown(scene, 5);
    end(scene);
}

static void a_frame_that_cannot_be_read_is_not_shown(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    watch(scene);
    must(scene, set_scanout(0, 6, all()));
    fake_fail_next(FAKE_READ, VIRTIO_GPU_RESP_ERR_UNSPEC);
    must(scene, flush_resource(6, all()));
    g_assert_cmphex(scene_pixel(scene, 0, 0, 0), ==, 5);
    must(scene, flush_resource(6, all()));
    wait_until_shown(scene, 6);
    end(scene);
}

static void a_resource_can_be_on_several_screens(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    must(scene, set_scanout(1, 5, rect_of(8, 8, 8, 8)));
    must(scene, flush_resource(5, rect_of(0, 0, 4, 4))); /* of the first only */
    g_assert_cmphex(scene_pixel(scene, 0, 0, 0), ==, 5);
    must(scene, flush_resource(5, all()));
    g_assert_cmphex(scene_pixel(scene, 1, 7, 7), ==, 5);
    must(scene, unref_resource(5));
    g_assert_null(console_picture(display_console(scene->display, 0)));
    g_assert_null(console_picture(display_console(scene->display, 1)));
    gpu_scene_free(scene);
}

/* ---- What happens meanwhile ------------------------------------------------------------------ */

static void another_picture_is_shown_meanwhile(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    watch(scene);
    (void)begin_frame(scene);
    must(scene, set_scanout(0, 6, all()));
    (void)post(scene, flush_resource(6, all()));
    scene_run(scene);
    fake_let_go();
    wait_until_shown(scene, 6); /* the old one does not come after it */
    g_assert_cmphex(scene_pixel(scene, 0, 0, 0), ==, 6);
    end(scene);
}

static void the_picture_goes_meanwhile(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    unsigned unref;

    watch(scene);
    (void)begin_frame(scene);
    unref = post(scene, unref_resource(5));
    g_assert_false(is_answered(scene, unref)); /* it is being read */
    g_assert_null(console_picture(display_console(scene->display, 0)));
    fake_let_go();
    g_assert_cmphex(finish(scene, unref), ==, OK);
    must(scene, set_scanout(0, 6, all()));
    must(scene, flush_resource(6, all()));
    wait_until_shown(scene, 6);
    end(scene);
}

static void a_reset_comes_meanwhile(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    unsigned create;

    watch(scene);
    (void)begin_frame(scene);
    scene_reset(scene);
    create = post(scene, create_2d(7, BGRX, SIDE, SIDE));
    (void)post(scene, set_scanout(0, 7, all()));
    scene_run(scene);
    fake_let_go();
    g_assert_cmphex(finish(scene, create), ==, OK); /* comes to the main thread behind the frame */
    g_assert_cmphex(shown(scene, 0), !=, 5);        /* dark, or the new one already */
    end(scene);
}

static void refreshed(void *opaque, bool is_gone)
{
    *(int *)opaque = is_gone ? 2 : 1;
}

static void a_refresh_waits_for_what_is_being_read(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct console *console = display_console(scene->display, 0);
    unsigned before;
    int state = 0;

    watch(scene);
    before = fake_count(FAKE_READ);
    (void)begin_frame(scene);
    (void)post(scene, flush_resource(5, all()));
    scene_run(scene);
    console_refresh(console, refreshed, &state);
    scene_run(scene);
    g_assert_cmpint(state, ==, 0);
    fake_let_go();
    while (state == 0)
        (void)loop_iterate(true); /* looked at above */
    g_assert_cmpint(state, ==, 1);
    g_assert_cmpuint(fake_count(FAKE_READ), ==, before + 2);
    state = 0;
    console_refresh(console, refreshed, &state); /* nothing has changed */
    g_assert_cmpint(state, ==, 1);
    end(scene);
}

/* The guest draws faster than it is read: whoever waits for a picture has one all the same. */
static void a_refresh_ends_while_the_guest_draws_on(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct gpu_stats *stats = &scene->gpu->stats;
    int state = 0;

    watch(scene);
    (void)begin_frame(scene);
    console_refresh(display_console(scene->display, 0), refreshed, &state);
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t frames = stats->frames;
        const unsigned before = fake_count(FAKE_READ);

        g_assert_cmpint(state, ==, 0);
        (void)post(scene, flush_resource(5, all())); /* while one is being read */
        scene_run(scene);
        fake_let_go();
        fake_wait_for(FAKE_READ, before + 1);
        fake_hold(FAKE_READ);
        while (stats->frames == frames)
            (void)loop_iterate(true); /* looked at above; the next one is begun */
    }
    g_assert_cmpint(state, ==, 1);
    fake_let_go();
    end(scene);
}

/* Of a large picture nothing is kept when there is a small one, or none. */
static void memory_is_that_of_what_is_shown(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct gpu_scanout *scanout = &scene->gpu->scanouts[0];

    must(scene, create_2d(7, BGRX, 1024, 1024));
    watch(scene);
    must(scene, set_scanout(0, 7, rect_of(0, 0, 1024, 1024)));
    must(scene, flush_resource(7, rect_of(0, 0, 1024, 1024)));
    wait_until_shown(scene, 7);
    g_assert_cmpuint(gpu_frame_bytes(scanout), ==, 4 << 20);
    must(scene, set_scanout(0, 6, all()));
    g_assert_cmpuint(gpu_frame_bytes(scanout), <=, SIDE * SIDE * 4);
    must(scene, set_scanout(0, 7, rect_of(0, 0, 1024, 1024)));
    fake_hold(FAKE_READ);
    (void)post(scene, flush_resource(7, rect_of(0, 0, 1024, 1024)));
    scene_run(scene);
    must(scene, set_scanout(0, 0, all())); /* while it is being read */
    g_assert_cmpuint(gpu_frame_bytes(scanout), ==, 4 << 20);
    fake_let_go();
    while (gpu_frame_bytes(scanout) > 0)
        (void)loop_iterate(true); /* looked at above */
    end(scene);
}

static void add_tests(void)
{
#define ADD(test) g_test_add_func("/gpu_screen/" #test, test)
    ADD(nothing_is_read_while_nobody_looks);
    ADD(one_frame_is_read_at_a_time);
    ADD(flush_is_answered_behind_its_frame);
    ADD(a_frame_that_cannot_be_read_is_not_shown);
    ADD(a_resource_can_be_on_several_screens);
    ADD(another_picture_is_shown_meanwhile);
    ADD(the_picture_goes_meanwhile);
    ADD(a_reset_comes_meanwhile);
    ADD(a_refresh_waits_for_what_is_being_read);
    ADD(a_refresh_ends_while_the_guest_draws_on);
    ADD(memory_is_that_of_what_is_shown);
#undef ADD
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests();
    return run_with_bql();
}

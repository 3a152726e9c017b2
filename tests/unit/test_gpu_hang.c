/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A renderer that does not come back: what still answers, how one hears of it, and the end. */
#include "tests/gpu/fake_renderer.h"
#include "tests/gpu/gpu_scene.h"
#include "util/clock.h"

enum { OK = VIRTIO_GPU_RESP_OK_NODATA, NO_SUCH = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID };

static const uint32_t words[] = { 1, 2, 3 };

/* The render thread stands in a submit of context 1. */
static struct gpu_scene *begin_hang(unsigned *ret_call) REQUIRES(bql)
{
    const struct gpu_config config = scene_config(true, 1 << 20);
    struct gpu_scene *scene = gpu_scene_new(&config, &fake_renderer);

    must(scene, create_context(1, 0));
    fake_hold(FAKE_SUBMIT);
    *ret_call = post(scene, submit_3d(1, words, 3));
    scene_run(scene);
    fake_wait_until_held(FAKE_SUBMIT);
    return scene;
}

static void what_is_known_is_answered_meanwhile(void)
{
    bql_assert_held();
    unsigned hung, behind;
    struct gpu_scene *scene = begin_hang(&hung);

    behind = post(scene, create_2d(5, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 8, 8));
    g_assert_cmphex(ask(scene, get_display_info()), ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    g_assert_cmphex(ask(scene, get_edid(0)), ==, VIRTIO_GPU_RESP_OK_EDID);
    g_assert_cmphex(ask(scene, unref_resource(99)), ==, NO_SUCH);
    g_assert_false(is_answered(scene, hung));
    g_assert_false(is_answered(scene, behind));
    fake_let_go();
    g_assert_cmphex(finish(scene, hung), ==, OK);
    g_assert_cmphex(finish(scene, behind), ==, OK);
    gpu_scene_free(scene);
}

static void a_reset_does_not_wait_for_it(void)
{
    bql_assert_held();
    unsigned hung;
    struct gpu_scene *scene = begin_hang(&hung);

    scene_reset(scene);
    g_assert_cmphex(ask(scene, get_display_info()), ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    fake_let_go();
    gpu_scene_free(scene);
}

/* Till it is known to hang: until then what it does may be written into the guest's memory. */
static void a_reset_waits_for_what_it_writes_but_not_for_ever(void)
{
    bql_assert_held();
    const struct gpu_config config = scene_config(true, 1 << 20);
    const struct virtio_gpu_mem_entry memory = entry(SCENE_DATA, 4096);
    const uint32_t writes[] = { FAKE_WRITES, 5 };
    struct gpu_scene *scene = gpu_scene_new(&config, &fake_renderer);

    must(scene, create_context(1, 0));
    must(scene, create_2d(5, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 8, 8));
    must(scene, attach_backing(5, &memory, 1));
    fake_hold(FAKE_SUBMIT);
    (void)post(scene, submit_3d(1, writes, 2));
    scene_run(scene);
    fake_wait_until_held(FAKE_SUBMIT);
    scene_begin_reset(scene);
    g_assert_cmpuint(virtio_get_status(scene->guest.device), !=, 0);
    scene_end_reset(scene);
    g_assert_true(gpu_is_stuck(scene->gpu));
    scene_start(scene, UINT64_MAX);
    g_assert_cmphex(ask(scene, get_display_info()), ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    fake_let_go();
    must(scene, create_context(1, 0));
    gpu_scene_free(scene);
}

static void the_end_does_not_wait_for_ever(void)
{
    bql_assert_held();
    unsigned hung;
    struct gpu_scene *scene = begin_hang(&hung);

    g_assert_false(gpu_is_stuck(scene->gpu));
    g_assert_false(gpu_settle(scene->gpu)); /* after GPU_STUCK_NS: the program would leave now */
    while (!gpu_is_stuck(scene->gpu))
        (void)loop_iterate(true); /* the watchdog has it turn */
    fake_let_go();
    while (gpu_is_stuck(scene->gpu))
        (void)loop_iterate(true);
    g_assert_true(gpu_settle(scene->gpu));
    gpu_scene_free(scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/gpu_hang/" #test, test)
    ADD(what_is_known_is_answered_meanwhile);
    ADD(a_reset_does_not_wait_for_it);
    ADD(a_reset_waits_for_what_it_writes_but_not_for_ever);
    ADD(the_end_does_not_wait_for_ever);
#undef ADD
    return run_with_bql();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mem/listener.h"
#include "tests/unit/mem_scene.h"

static const struct mmio_ops no_ops;

/* Writes down what it is told; has room for so many ranges. */
struct recorder {
    struct mem_listener listener;
    GString *said;
    unsigned room, used;
    char tag;
};

static void on_begin(struct mem_listener *listener)
{
    struct recorder *recorder = container_of(listener, struct recorder, listener);

    bql_assert_held();
    g_string_append_printf(recorder->said, "%c( ", recorder->tag);
}

static void on_del(struct mem_listener *listener, const struct range *range)
{
    struct recorder *recorder = container_of(listener, struct recorder, listener);

    recorder->used--;
    g_string_append_printf(recorder->said, "%c-%s@%x ", recorder->tag, region_name(range->region),
                           (unsigned)range->start);
}

static bool on_add(struct mem_listener *listener, const struct range *range, GError **error)
{
    struct recorder *recorder = container_of(listener, struct recorder, listener);

    if (recorder->used == recorder->room) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "no slot for %s",
                    region_name(range->region));
        return false;
    }
    recorder->used++;
    g_string_append_printf(recorder->said, "%c+%s@%x ", recorder->tag, region_name(range->region),
                           (unsigned)range->start);
    return true;
}

static void on_end(struct mem_listener *listener, bool is_done)
{
    struct recorder *recorder = container_of(listener, struct recorder, listener);

    g_string_append(recorder->said, is_done ? ") " : "x ");
}

static struct recorder recorder_of(GString *said, char tag, unsigned room)
{
    return (struct recorder){
        .listener = { .name = "recorder",
                      .begin = on_begin,
                      .del = on_del,
                      .add = on_add,
                      .end = on_end },
        .said = said,
        .room = room,
        .tag = tag,
    };
}

static void check_said(GString *said, const char *expected)
{
    g_assert_cmpstr(said->str, ==, expected);
    g_string_truncate(said, 0);
}

static void told_whole_ranges_dels_first(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x100000);
    struct region *back = region_new_mmio(scene.mem, "back", 0x10000, &no_ops, NULL);
    struct region *dev = region_new_mmio(scene.mem, "dev", 0x1000, &no_ops, NULL);
    struct region *far = region_new_mmio(scene.mem, "far", 0x1000, &no_ops, NULL);
    GString *said = g_string_new(NULL);
    struct recorder a = recorder_of(said, 'a', 100), b = recorder_of(said, 'b', 100);

    put_in(scene.root, 0, back, 0);
    put_in(scene.root, 0x80000, far, 0);
    g_assert_true(space_add_listener(scene.space, &a.listener, NULL));
    check_said(said, "a( a+back@0 a+far@80000 ) ");
    g_assert_true(space_add_listener(scene.space, &b.listener, NULL));
    g_string_truncate(said, 0);
    put_in(scene.root, 0x4000, dev, 1);
    check_said(said, "a( b( b-back@0 a-back@0 a+back@0 a+dev@4000 a+back@5000 "
                     "b+back@0 b+dev@4000 b+back@5000 ) ) ");
    space_del_listener(scene.space, &b.listener);
    check_said(said, "b( b-back@0 b-dev@4000 b-back@5000 b-far@80000 ) ");
    take_out_and_forget(dev);
    check_said(said, "a( a-back@0 a-dev@4000 a-back@5000 a+back@0 ) ");
    mem_begin(scene.mem);
    take_out_and_forget(far);
    take_out_and_forget(back);
    g_assert_true(mem_commit(scene.mem, NULL));
    check_said(said, "a( a-back@0 a-far@80000 ) ");
    space_del_listener(scene.space, &a.listener);
    g_string_free(said, TRUE);
    scene_free(&scene);
}

static void refusal_undoes_everything(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x100000);
    struct region *back = region_new_mmio(scene.mem, "back", 0x10000, &no_ops, NULL);
    struct region *dev = region_new_mmio(scene.mem, "dev", 0x1000, &no_ops, NULL);
    struct region *moved = region_new_mmio(scene.mem, "moved", 0x1000, &no_ops, NULL);
    GString *said = g_string_new(NULL);
    struct recorder a = recorder_of(said, 'a', 100), b = recorder_of(said, 'b', 3);
    g_autoptr(GError) error = NULL;
    uint64_t generation;
    struct mem_stats stats;

    put_in(scene.root, 0, back, 0);
    put_in(scene.root, 0x20000, moved, 0);
    g_assert_true(space_add_listener(scene.space, &a.listener, NULL));
    g_assert_true(space_add_listener(scene.space, &b.listener, NULL));
    g_string_truncate(said, 0);
    generation = generation_of(scene.space);

    mem_begin(scene.mem);
    g_assert_true(region_move(moved, 0x30000, NULL));
    g_assert_true(region_add(scene.root, 0x4000, dev, 1, NULL));
    g_assert_true(region_set_enabled(scene.root, false, NULL));
    g_assert_true(region_set_enabled(scene.root, true, NULL));
    g_assert_false(mem_commit(scene.mem, &error)); /* needs four */
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
    check_said(said, "a( b( b-back@0 b-moved@20000 a-back@0 a-moved@20000 "
                     "a+back@0 a+dev@4000 a+back@5000 a+moved@30000 "
                     "b+back@0 b+dev@4000 b+back@5000 "
                     "b-back@0 b-dev@4000 b-back@5000 "
                     "a-back@0 a-dev@4000 a-back@5000 a-moved@30000 "
                     "a+back@0 a+moved@20000 b+back@0 b+moved@20000 x x ");
    g_assert_false(region_is_added(dev));
    check_ranges(scene.space, "0+10000 back@0, 20000+1000 moved@0");
    g_assert_cmpuint(generation_of(scene.space), ==, generation);
    mem_get_stats(scene.mem, &stats);
    g_assert_cmpuint(stats.refused_commits, ==, 1);

    put_in(scene.root, 0x10000, dev, 0); /* three: there is room, and the map is sound */
    check_ranges(scene.space, "0+10000 back@0, 10000+1000 dev@0, 20000+1000 moved@0");
    take_out_and_forget(dev);
    take_out_and_forget(moved);
    take_out_and_forget(back);
    space_del_listener(scene.space, &b.listener);
    space_del_listener(scene.space, &a.listener);
    g_assert_cmpuint(a.used + b.used, ==, 0);
    g_string_free(said, TRUE);
    scene_free(&scene);
}

static void refused_listener_is_not_added(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x100000);
    struct region *one = region_new_mmio(scene.mem, "one", 0x1000, &no_ops, NULL);
    struct region *two = region_new_mmio(scene.mem, "two", 0x1000, &no_ops, NULL);
    GString *said = g_string_new(NULL);
    struct recorder a = recorder_of(said, 'a', 1);

    put_in(scene.root, 0, one, 0);
    put_in(scene.root, 0x1000, two, 0);
    g_assert_false(space_add_listener(scene.space, &a.listener, NULL));
    check_said(said, "a( a+one@0 a-one@0 x ");
    take_out_and_forget(two);
    take_out_and_forget(one);
    check_said(said, "");
    g_string_free(said, TRUE);
    scene_free(&scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/listener/told_whole_ranges_dels_first", told_whole_ranges_dels_first);
    g_test_add_func("/listener/refusal_undoes_everything", refusal_undoes_everything);
    g_test_add_func("/listener/refused_listener_is_not_added", refused_listener_is_not_added);
    return run_with_bql();
}

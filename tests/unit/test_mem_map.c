/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <unistd.h>

#include "hw/mem/mem_internal.h"
#include "hw/mem/tree.h"
#include "tests/unit/mem_scene.h"
#include "util/metric.h"

enum { PAGE = RAM_PAGE };

static const struct mmio_ops no_ops;

static struct region *mmio(struct scene *scene, const char *name, uint64_t size)
{
    return region_new_mmio(scene->mem, name, size, &no_ops, NULL);
}

/* ---- What is seen ------------------------------------------------------------------------ */

static void empty_space_is_one_hole(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);

    check_ranges(scene.space, "");
    g_assert_cmpuint(generation_of(scene.space), ==, 1);
    WITH_RCU_READ () {
        const struct view *view = view_get(scene.space);

        g_assert_cmpuint(view_nr_ranges(view), ==, 1);
        g_assert_cmpuint(view_find(view, 0)->size, ==, 0x10000);
        g_assert_cmpuint(view_find(view, 0x10000)->start, ==, 0x10000);
        g_assert_cmpuint(view_find(view, UINT64_MAX)->size, ==, UINT64_MAX - 0xffff);
        g_assert_cmpint(view_find(view, UINT64_MAX)->kind, ==, RANGE_HOLE);
    }
    scene_free(&scene);
}

static void higher_priority_is_in_front(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct region *low = mmio(&scene, "low", 0x8000), *high = mmio(&scene, "high", 0x1000);
    struct region *later = mmio(&scene, "later", 0x1000);

    put_in(scene.root, 0x2000, high, 1);
    put_in(scene.root, 0, low, 0);
    check_ranges(scene.space, "0+2000 low@0, 2000+1000 high@0, 3000+5000 low@3000");
    put_in(scene.root, 0x2800, later, 1);
    check_ranges(scene.space,
                 "0+2000 low@0, 2000+800 high@0, 2800+1000 later@0, 3800+4800 low@3800");
    take_out_and_forget(later);
    take_out_and_forget(high);
    check_ranges(scene.space, "0+8000 low@0"); /* in one piece again */
    WITH_RCU_READ () {
        g_assert_cmpuint(view_nr_ranges(view_get(scene.space)), ==, 2);
    }
    take_out_and_forget(low);
    scene_free(&scene);
}

static void container_is_transparent_and_cuts_off(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct region *back = mmio(&scene, "back", 0x10000);
    struct region *box = region_new_container(scene.mem, "box", 0x2000);
    struct region *inner = mmio(&scene, "inner", 0x8000);

    put_in(scene.root, 0, back, -1);
    put_in(box, 0x1000, inner, 0);
    put_in(scene.root, 0x4000, box, 0);
    check_ranges(scene.space, "0+5000 back@0, 5000+1000 inner@0, 6000+a000 back@6000");
    take_out_and_forget(inner);
    take_out_and_forget(box);
    take_out_and_forget(back);
    scene_free(&scene);
}

static void alias_shows_a_part_and_follows(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x100000);
    struct region *box = region_new_container(scene.mem, "box", 0x10000);
    struct region *dev = mmio(&scene, "dev", 0x1000);
    struct region *alias = region_new_alias(scene.mem, "alias", box, 0x2000, 0x2000);

    put_in(scene.root, 0x80000, alias, 0);
    check_ranges(scene.space, "");
    put_in(box, 0x1800, dev, 0); /* box itself is nowhere */
    check_ranges(scene.space, "80000+800 dev@800");
    g_assert_true(region_move(dev, 0x3800, NULL));
    check_ranges(scene.space, "81800+800 dev@0");
    take_out_and_forget(dev);
    check_ranges(scene.space, "");
    take_out_and_forget(alias);
    region_unref(box);
    scene_free(&scene);
}

static void disabled_is_as_if_absent(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct region *dev = mmio(&scene, "dev", 0x1000);
    uint64_t before;

    put_in(scene.root, 0x1000, dev, 0);
    g_assert_true(region_set_enabled(dev, false, NULL));
    check_ranges(scene.space, "");
    before = generation_of(scene.space);
    g_assert_true(region_move(dev, 0x2000, NULL)); /* cannot be seen */
    g_assert_cmpuint(generation_of(scene.space), ==, before);
    g_assert_true(region_set_enabled(dev, true, NULL));
    check_ranges(scene.space, "2000+1000 dev@0");
    take_out_and_forget(dev);
    scene_free(&scene);
}

static void child_beyond_its_container_is_cut(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct region *dev = mmio(&scene, "dev", 0x2000);

    put_in(scene.root, 0xf000, dev, 0);
    check_ranges(scene.space, "f000+1000 dev@0");
    g_assert_true(region_move(dev, UINT64_MAX - 0xfff, NULL));
    check_ranges(scene.space, "");
    take_out_and_forget(dev);
    scene_free(&scene);
}

static void view_pointer_checks_kind_and_bounds(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct ram *ram = ram_of(&scene, 4 * PAGE);
    struct region *rw = region_new_ram(scene.mem, "rw", ram, PAGE, 2 * PAGE);
    struct region *ro = region_new_rom(scene.mem, "ro", ram, 0, PAGE);
    uint8_t *host = ram_pointer(ram, 0, 4 * PAGE);

    put_in(scene.root, 0x4000, rw, 0);
    put_in(scene.root, 0x8000, ro, 0);
    WITH_RCU_READ () {
        const struct view *view = view_get(scene.space);

        g_assert_true(view_pointer(view, 0x4010, 2 * PAGE - 0x10, true) == host + PAGE + 0x10);
        g_assert_null(view_pointer(view, 0x4010, 2 * PAGE, true));
        g_assert_null(view_pointer(view, 0x4010, UINT64_MAX, false));
        g_assert_true(view_pointer(view, 0x8000, PAGE, false) == host);
        g_assert_null(view_pointer(view, 0x8000, 1, true));
        g_assert_null(view_pointer(view, 0, 1, false));
        g_assert_true(view_find(view, 0x5000)->ram == ram);
        g_assert_cmpuint(view_find(view, 0x5000)->ram_offset, ==, PAGE);
    }
    take_out_and_forget(rw);
    take_out_and_forget(ro);
    ram_unref(ram);
    scene_free(&scene);
}

/* ---- Transactions -------------------------------------------------------------------------- */

static void transaction_makes_one_view(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct region *a = mmio(&scene, "a", 0x1000), *b = mmio(&scene, "b", 0x1000);
    struct mem_stats stats;

    mem_begin(scene.mem);
    put_in(scene.root, 0, a, 0);
    mem_begin(scene.mem);
    put_in(scene.root, 0x1000, b, 0);
    g_assert_true(mem_commit(scene.mem, NULL));
    check_ranges(scene.space, "");
    g_assert_true(mem_commit(scene.mem, NULL));
    check_ranges(scene.space, "0+1000 a@0, 1000+1000 b@0");
    g_assert_cmpuint(generation_of(scene.space), ==, 2);
    mem_begin(scene.mem);
    take_out(a);
    put_in(scene.root, 0, a, 0); /* as it was */
    g_assert_true(mem_commit(scene.mem, NULL));
    mem_get_stats(scene.mem, &stats);
    g_assert_cmpuint(generation_of(scene.space), ==, 2);
    g_assert_cmpuint(stats.commits, ==, 1);
    take_out_and_forget(a);
    take_out_and_forget(b);
    scene_free(&scene);
}

static void changes_are_listed_by_generation(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x1000000);
    struct region *back = mmio(&scene, "back", 0x1000000), *dev = mmio(&scene, "dev", 0x1000);
    struct mem_extent extents[VIEW_CHANGES];
    unsigned nr;

    put_in(scene.root, 0, back, -1);               /* 2 */
    put_in(scene.root, 0x5000, dev, 0);            /* 3 */
    g_assert_true(region_move(dev, 0x7000, NULL)); /* 4: two extents */
    WITH_RCU_READ () {
        const struct view *view = view_get(scene.space);

        g_assert_true(view_changes(view, 4, extents, &nr));
        g_assert_cmpuint(nr, ==, 0);
        g_assert_true(view_changes(view, 3, extents, &nr));
        g_assert_cmpuint(nr, ==, 2);
        g_assert_true(view_changes(view, 2, extents, &nr));
        g_assert_cmpuint(nr, ==, 3);
        g_assert_cmpuint(extents[2].start, ==, 0x5000);
        g_assert_cmpuint(extents[2].size, ==, 0x1000); /* though back was cut in two */
        g_assert_false(view_changes(view, 5, extents, &nr));
    }
    for (unsigned i = 0; i < VIEW_CHANGES / 2 - 1; i++)
        g_assert_true(region_move(dev, 0x9000 + i * 0x2000, NULL)); /* 62 extents */
    WITH_RCU_READ () {
        const struct view *view = view_get(scene.space);

        g_assert_true(view_changes(view, 3, extents, &nr)); /* 64 of them */
        g_assert_cmpuint(nr, ==, VIEW_CHANGES);
        g_assert_false(view_changes(view, 2, extents, &nr));
        g_assert_true(view_changes(view, 4, extents, &nr));
        g_assert_cmpuint(nr, ==, VIEW_CHANGES - 2);
    }
    take_out_and_forget(dev);
    take_out_and_forget(back);
    scene_free(&scene);
}

/* ---- Lifetime -------------------------------------------------------------------------------- */

static struct event kicked;

static void note_kick(struct rcu_notifier *notifier UNUSED)
{
    event_set(&kicked);
}

static void released_after_the_last_view_and_owner(void) NO_THREAD_SAFETY /* gives the BQL back */
{
    struct scene scene = scene_new(0x10000);
    struct region *dev = ram_region(&scene, "dev", 0x1000);
    struct rcu_notifier notifier = { .kick = note_kick };
    int nr_released = 0;

    region_on_released(dev, count_release, &nr_released);
    put_in(scene.root, 0, dev, 0);
    rcu_add_force_rcu_notifier(&notifier);
    event_init(&kicked, false);
    rcu_read_lock();
    take_out_and_forget(dev);
    bql_unlock();
    force_rcu();
    event_wait(&kicked); /* the grace period has come to us, and has to wait */
    g_assert_cmpint(load_acquire(&nr_released), ==, 0); /* we might still look at it */
    rcu_read_unlock();
    rcu_remove_force_rcu_notifier(&notifier);
    bql_lock();
    drain_call_rcu();
    g_assert_cmpint(load_acquire(&nr_released), ==, 1);

    dev = mmio(&scene, "never seen", 1);
    region_on_released(dev, count_release, &nr_released);
    region_unref(dev); /* under the BQL: put off */
    drain_call_rcu();
    g_assert_cmpint(load_acquire(&nr_released), ==, 2);
    scene_free(&scene);
}

/* The height, and that each two subtrees differ by one at most. */
static uint32_t check_balance(const struct node *node)
{
    uint32_t left, right;

    if (!node)
        return 0;
    left = check_balance(node->left);
    right = check_balance(node->right);
    g_assert_cmpuint(MAX(left, right) - MIN(left, right), <=, 1);
    g_assert_cmpuint(node->height, ==, 1 + MAX(left, right));
    return node->height;
}

static uint32_t check_height(const struct space *space)
{
    RCU_READ_GUARD();
    return check_balance(view_get(space)->root);
}

static void many_regions_stay_balanced(void)
{
    bql_assert_held();
    enum { NR = 3000 };
    struct scene scene = scene_new(UINT64_C(1) << 40);
    struct region **regions = g_new(struct region *, NR);
    struct mem_stats stats;

    for (unsigned i = 0; i < NR; i++) {
        regions[i] = mmio(&scene, "r", 0x1000);
        put_in(scene.root, UINT64_C(0x2000) * i, regions[i], 0);
    }
    g_assert_cmpuint(check_height(scene.space), <=, 18); /* 1.44 log2(6000) */
    for (unsigned i = 0; i < NR; i += 1 + i % 5) {       /* and after changes all over the place */
        take_out(regions[i]);
        if (i % 3)
            put_in(scene.root, UINT64_C(0x2000) * i, regions[i], 0);
        (void)check_height(scene.space);
        if (i % 3 == 0)
            put_in(scene.root, UINT64_C(0x2000) * i, regions[i], 0);
    }
    WITH_RCU_READ () {
        const struct view *view = view_get(scene.space);

        g_assert_cmpuint(view_nr_ranges(view), ==, 2 * NR);
        for (unsigned i = 0; i < NR; i++) {
            g_assert_true(view_find(view, UINT64_C(0x2000) * i + 5)->region == regions[i]);
            g_assert_null(view_find(view, UINT64_C(0x2000) * i + 0x1000)->region);
        }
    }
    mem_begin(scene.mem);
    for (unsigned i = 0; i < NR; i++)
        take_out_and_forget(regions[(i * UINT64_C(7)) % NR]);
    g_assert_true(mem_commit(scene.mem, NULL));
    check_ranges(scene.space, "");
    drain_call_rcu();
    mem_get_stats(scene.mem, &stats);
    g_assert_cmpuint(stats.regions_alive, ==, 1);
    g_assert_cmpuint(stats.views_alive, ==, 1);
    g_free(regions);
    scene_free(&scene);
}

static void two_spaces_share_a_region_through_aliases(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct region *root2 = region_new_container(scene.mem, "root 2", 0x10000);
    struct space *space2 = space_new(scene.mem, "other", root2);
    struct region *dev = mmio(&scene, "dev", 0x1000);
    struct region *alias = region_new_alias(scene.mem, "alias", dev, 0, 0x1000);

    mem_begin(scene.mem);
    put_in(scene.root, 0, dev, 0);
    put_in(root2, 0x3000, alias, 0);
    g_assert_true(mem_commit(scene.mem, NULL));
    check_ranges(scene.space, "0+1000 dev@0");
    check_ranges(space2, "3000+1000 dev@0");
    g_assert_true(region_set_enabled(dev, false, NULL));
    check_ranges(scene.space, "");
    check_ranges(space2, "");
    take_out_and_forget(alias);
    take_out_and_forget(dev);
    space_free(space2);
    region_unref(root2);
    scene_free(&scene);
}

/* ---- Printing -------------------------------------------------------------------------------- */

static void prints_json_tree_and_metrics(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct region *dev = mmio(&scene, "a \"dev\"\n", 0x1000);
    struct metrics *metrics = metrics_new();
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    put_in(scene.root, 0x1000, dev, 3);
    space_print_json(scene.space, out);
    fflush(out);
    g_assert_cmpstr(text, ==,
                    "{\"space\":\"memory\",\"generation\":2,\"ranges\":[{\"start\":4096,"
                    "\"size\":4096,\"kind\":\"mmio\",\"name\":\"a \\\"dev\\\"\\u000a\","
                    "\"offset\":0}]}");
    space_print_tree(scene.space, out);
    mem_metrics_register(scene.mem, metrics);
    metrics_print(metrics, out);
    fclose(out);
    g_assert_nonnull(strstr(text, "0000000000001000 +1000 mmio"));
    g_assert_nonnull(strstr(text, "gracevm_mem_commits_total 1\n"));
    metrics_remove(metrics, scene.mem);
    metrics_free(metrics);
    free(text);
    take_out_and_forget(dev);
    scene_free(&scene);
}

static void ram_gate_checks_overflow(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    g_autoptr(GError) error = NULL;
    struct ram *ram = ram_of(&scene, 4 * PAGE);
    uint8_t *host = ram_pointer(ram, 0, 4 * PAGE);

    g_assert_nonnull(host);
    g_assert_true(ram_pointer(ram, PAGE, 3 * PAGE) == host + PAGE);
    g_assert_null(ram_pointer(ram, PAGE, 3 * PAGE + 1));
    g_assert_null(ram_pointer(ram, 4 * PAGE + 1, 0));
    g_assert_null(ram_pointer(ram, 1, UINT64_MAX));
    g_assert_null(ram_pointer(ram, UINT64_MAX, 1));
    g_assert_cmpint(ram_fd(ram), >=, 0);
    g_assert_cmpint(ftruncate(ram_fd(ram), 0), ==, -1); /* sealed */
    g_assert_cmpint(host[4 * PAGE - 1], ==, 0);
    g_assert_null(ram_new(scene.mem, "huge", UINT64_C(1) << 62, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, "huge"));
    ram_unref(ram);
    scene_free(&scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mem/empty_space_is_one_hole", empty_space_is_one_hole);
    g_test_add_func("/mem/higher_priority_is_in_front", higher_priority_is_in_front);
    g_test_add_func("/mem/container_is_transparent_and_cuts_off",
                    container_is_transparent_and_cuts_off);
    g_test_add_func("/mem/alias_shows_a_part_and_follows", alias_shows_a_part_and_follows);
    g_test_add_func("/mem/disabled_is_as_if_absent", disabled_is_as_if_absent);
    g_test_add_func("/mem/child_beyond_its_container_is_cut", child_beyond_its_container_is_cut);
    g_test_add_func("/mem/view_pointer_checks_kind_and_bounds",
                    view_pointer_checks_kind_and_bounds);
    g_test_add_func("/mem/transaction_makes_one_view", transaction_makes_one_view);
    g_test_add_func("/mem/changes_are_listed_by_generation", changes_are_listed_by_generation);
    g_test_add_func("/mem/released_after_the_last_view_and_owner",
                    released_after_the_last_view_and_owner);
    g_test_add_func("/mem/many_regions_stay_balanced", many_regions_stay_balanced);
    g_test_add_func("/mem/two_spaces_share_a_region_through_aliases",
                    two_spaces_share_a_region_through_aliases);
    g_test_add_func("/mem/prints_json_tree_and_metrics", prints_json_tree_and_metrics);
    g_test_add_func("/mem/ram_gate_checks_overflow", ram_gate_checks_overflow);
    return run_with_bql();
}

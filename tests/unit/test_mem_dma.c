/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/mem/code_gate.h"
#include "hw/mem/dma.h"
#include "tests/unit/mem_scene.h"

enum { PAGE = RAM_PAGE };

static void mapping_keeps_its_region_and_no_other(void) NO_THREAD_SAFETY /* gives the BQL back */
{
    struct scene scene = scene_new(0x10000);
    struct region *held = ram_region(&scene, "held", PAGE),
                  *free_ = ram_region(&scene, "free", PAGE);
    struct dma_mapping mapping;
    int nr_held = 0, nr_free = 0;

    region_on_released(held, count_release, &nr_held);
    region_on_released(free_, count_release, &nr_free);
    put_in(scene.root, 0, held, 0);
    put_in(scene.root, 0x4000, free_, 0);
    g_assert_cmpuint(dma_map(scene.space, 0x10, 0x20, DMA_TO_GUEST, "test", &mapping), ==, 0x20);
    take_out_and_forget(held);
    take_out_and_forget(free_);
    drain_call_rcu();
    g_assert_cmpint(load_acquire(&nr_held), ==, 0);
    g_assert_cmpint(load_acquire(&nr_free), ==, 1);
    memset(mapping.host, 0xaa, mapping.length); /* still there */
    bql_unlock();
    dma_unmap(&mapping, 0x20);
    g_assert_cmpint(load_acquire(&nr_held), ==, 1); /* at once, on this thread */
    bql_lock();
    scene_free(&scene);
}

static void mapping_ends_where_its_range_ends(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct ram *ram = ram_of(&scene, 2 * PAGE);
    struct region *rw = region_new_ram(scene.mem, "rw", ram, 0, PAGE);
    struct region *ro = region_new_rom(scene.mem, "ro", ram, PAGE, PAGE);
    struct dma_mapping a, b;
    struct mem_stats stats;

    put_in(scene.root, 0, rw, 0);
    put_in(scene.root, PAGE, ro, 0);
    g_assert_cmpuint(dma_map(scene.space, 0xff0, SIZE_MAX, DMA_FROM_GUEST, "a", &a), ==, 0x10);
    g_assert_true(a.host == ram_pointer(ram, 0xff0, 1));
    g_assert_cmpuint(dma_map(scene.space, 0x1000, 0x10, DMA_TO_GUEST, "b", &b), ==, 0);
    g_assert_cmpuint(dma_map(scene.space, 0x2000, 0x10, DMA_FROM_GUEST, "b", &b), ==, 0);
    g_assert_cmpuint(dma_map(scene.space, 0, 0, DMA_FROM_GUEST, "b", &b), ==, 0);
    g_assert_cmpuint(dma_map(scene.space, 0x1000, 0x10, DMA_FROM_GUEST, "b", &b), ==, 0x10);
    mem_get_stats(scene.mem, &stats);
    g_assert_cmpuint(stats.dma_holders, ==, 2);
    dma_unmap(&b, 0);
    dma_unmap(&a, 0);
    mem_get_stats(scene.mem, &stats);
    g_assert_cmpuint(stats.dma_holders, ==, 0);
    take_out_and_forget(rw);
    take_out_and_forget(ro);
    ram_unref(ram);
    scene_free(&scene);
}

static void old_holders_are_reported_once(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct region *ram = ram_region(&scene, "ram", PAGE);
    struct dma_mapping mapping;
    struct mem_stats stats;
    int64_t later;

    put_in(scene.root, 0, ram, 0);
    g_assert_cmpuint(dma_map(scene.space, 0, 1, DMA_FROM_GUEST, "slow disk", &mapping), ==, 1);
    later = mapping.since_ns + DMA_OLD_NS;
    g_assert_cmpuint(dma_check_age(scene.mem, later - 1), ==, 0);
    g_assert_cmpuint(dma_check_age(scene.mem, later), ==, 1);
    g_assert_cmpuint(dma_check_age(scene.mem, later + 1), ==, 1);
    mem_get_stats(scene.mem, &stats);
    g_assert_cmpuint(stats.dma_old, ==, 1);
    dma_unmap(&mapping, 0);
    g_assert_cmpuint(dma_check_age(scene.mem, later), ==, 0);

    /* Nobody asked meanwhile: told when it ends. */
    g_assert_cmpuint(dma_map(scene.space, 0, 1, DMA_FROM_GUEST, "slower", &mapping), ==, 1);
    mapping.since_ns -= DMA_OLD_NS;
    dma_unmap(&mapping, 0);
    mem_get_stats(scene.mem, &stats);
    g_assert_cmpuint(stats.dma_old, ==, 2);
    take_out_and_forget(ram);
    scene_free(&scene);
}

static void cache_follows_the_map(void)
{
    bql_assert_held();
    struct scene scene = scene_new(0x10000);
    struct ram *ram = ram_of(&scene, 2 * PAGE);
    struct region *a = region_new_ram(scene.mem, "a", ram, 0, PAGE);
    struct region *b = region_new_ram(scene.mem, "b", ram, PAGE, PAGE);
    struct mem_cache cache;
    uint64_t ticket;

    mem_cache_init(&cache, scene.space, 0x100, 0x40);
    rcu_read_lock();
    g_assert_null(mem_cache_get(&cache));
    rcu_read_unlock();
    put_in(scene.root, 0, a, 0);
    rcu_read_lock();
    g_assert_true(mem_cache_get(&cache) == ram_pointer(ram, 0x100, 1));
    rcu_read_unlock();
    put_in(scene.root, 0, b, 1);
    g_assert_false(code_gate_mark(ram, 1, 1 << 4, &ticket));
    rcu_read_lock();
    g_assert_true(mem_cache_get(&cache) == ram_pointer(ram, PAGE + 0x100, 1));
    mem_cache_written(&cache, 0x3f, 1);
    rcu_read_unlock();
    g_assert_cmpuint(code_gate_marks(ram, 1), ==, 0);
    take_out_and_forget(b);
    take_out_and_forget(a);
    rcu_read_lock();
    g_assert_null(mem_cache_get(&cache));
    rcu_read_unlock();
    ram_unref(ram);
    scene_free(&scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma/mapping_keeps_its_region_and_no_other",
                    mapping_keeps_its_region_and_no_other);
    g_test_add_func("/dma/mapping_ends_where_its_range_ends", mapping_ends_where_its_range_ends);
    g_test_add_func("/dma/old_holders_are_reported_once", old_holders_are_reported_once);
    g_test_add_func("/dma/cache_follows_the_map", cache_follows_the_map);
    return run_with_bql();
}

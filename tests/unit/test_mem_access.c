/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/mem/access.h"
#include "hw/mem/code_gate.h"
#include "tests/unit/mem_scene.h"

enum { PAGE = RAM_PAGE };

/* A device of bytes that writes down each call. */
struct device {
    uint8_t bytes[0x100];
    GString *said;
    struct region *leaves; /* taken out of the map by the next access, or NULL */
};

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    struct device *device = opaque;
    uint64_t value = 0;

    bql_assert_held();
    g_assert_false(rcu_is_reading());
    memcpy(&value, device->bytes + offset, size);
    g_string_append_printf(device->said, "r%u@%x ", size, (unsigned)offset);
    if (device->leaves)
        take_out_and_forget(g_steal_pointer(&device->leaves));
    return value;
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct device *device = opaque;

    bql_assert_held();
    memcpy(device->bytes + offset, &value, size);
    g_string_append_printf(device->said, "w%u@%x ", size, (unsigned)offset);
}

static const struct mmio_ops any_size = { .read = device_read, .write = device_write };
static const struct mmio_ops words_only = {
    .read = device_read, .write = device_write, .min_access = 4, .max_access = 4
};

/* RAM at 0 and 0x2000 (one page each, not adjacent), ROM at 0x3000, device at 0x1000. */
struct setup {
    struct scene scene;
    struct ram *ram;
    struct region *low, *high, *rom, *mmio;
    struct device device;
};

static void set_up(struct setup *setup, const struct mmio_ops *ops) REQUIRES(bql)
{
    struct scene *scene = &setup->scene;

    *scene = scene_new(0x10000);
    setup->device = (struct device){ .said = g_string_new(NULL) };
    for (unsigned i = 0; i < sizeof(setup->device.bytes); i++)
        setup->device.bytes[i] = (uint8_t)(0x80 + i);
    setup->ram = ram_of(scene, 3 * PAGE);
    setup->low = region_new_ram(scene->mem, "low", setup->ram, 0, PAGE);
    setup->high = region_new_ram(scene->mem, "high", setup->ram, PAGE, PAGE);
    setup->rom = region_new_rom(scene->mem, "rom", setup->ram, 2 * PAGE, PAGE);
    setup->mmio =
        region_new_mmio(scene->mem, "dev", sizeof(setup->device.bytes), ops, &setup->device);
    put_in(scene->root, 0, setup->low, 0);
    put_in(scene->root, 0x1000, setup->mmio, 0);
    put_in(scene->root, 0x2000, setup->high, 0);
    put_in(scene->root, 0x3000, setup->rom, 0);
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    if (setup->mmio)
        take_out_and_forget(setup->mmio);
    take_out_and_forget(setup->low);
    take_out_and_forget(setup->high);
    take_out_and_forget(setup->rom);
    ram_unref(setup->ram);
    g_string_free(setup->device.said, TRUE);
    scene_free(&setup->scene);
}

static void check_said(struct setup *setup, const char *expected)
{
    g_assert_cmpstr(setup->device.said->str, ==, expected);
    g_string_truncate(setup->device.said, 0);
}

static void ram_is_read_and_written_without_the_bql(void)
    NO_THREAD_SAFETY /* gives the BQL back for a while */
{
    struct setup setup;
    uint8_t out[100], in[100];

    set_up(&setup, &any_size);
    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)i;
    bql_unlock();
    g_assert_cmpint(mem_write(setup.scene.space, 0x803, out, sizeof(out)), ==, MEM_OK);
    g_assert_cmpint(mem_read(setup.scene.space, 0x803, in, sizeof(in)), ==, MEM_OK);
    bql_lock();
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    g_assert_cmpmem(ram_pointer(setup.ram, 0x803, 100), 100, out, sizeof(out));
    g_assert_cmpint(mem_read_locked(setup.scene.space, 0x803, in, 1), ==, MEM_OK);
    check_said(&setup, "");
    tear_down(&setup);
}

static void access_crosses_ram_mmio_and_holes(void)
    NO_THREAD_SAFETY /* gives the BQL back for a while */
{
    struct setup setup;
    uint8_t in[0x1200];

    set_up(&setup, &any_size);
    memset(ram_pointer(setup.ram, 0, 3 * PAGE), 0x11, 3 * PAGE);
    bql_unlock();
    g_assert_cmpint(mem_read(setup.scene.space, 0xffd, in, 3 + 5), ==, MEM_OK);
    check_said(&setup, "r4@0 r1@4 ");
    g_assert_cmpint(in[2], ==, 0x11);
    g_assert_cmpint(in[3], ==, 0x80);
    g_assert_cmpint(in[7], ==, 0x84);
    g_assert_cmpint(mem_read(setup.scene.space, 0x10fe, in, 2 + 0xf00 + 1), ==, MEM_UNASSIGNED);
    check_said(&setup, "r2@fe ");
    g_assert_cmpint(in[2], ==, 0xff);
    g_assert_cmpint(in[2 + 0xf00], ==, 0x11);
    bql_lock();
    tear_down(&setup);
}

static void nobody_answers_with_ones(void) NO_THREAD_SAFETY /* gives the BQL back for a while */
{
    struct setup setup;
    struct mem_stats stats;
    uint64_t value = 0;

    set_up(&setup, &any_size);
    bql_unlock();
    g_assert_cmpint(mem_read(setup.scene.space, 0x8000, &value, 8), ==, MEM_UNASSIGNED);
    g_assert_cmpuint(value, ==, UINT64_MAX);
    g_assert_cmpint(mem_write(setup.scene.space, 0x8000, &value, 8), ==, MEM_UNASSIGNED);
    g_assert_cmpint(mem_write(setup.scene.space, 0x3000, &value, 8), ==, MEM_READ_ONLY);
    value = 0;
    g_assert_cmpint(mem_read(setup.scene.space, 0x3000, &value, 8), ==, MEM_OK);
    g_assert_cmpuint(value, ==, 0);
    g_assert_cmpint(mem_read(setup.scene.space, UINT64_MAX - 3, &value, 8), ==, MEM_UNASSIGNED);
    g_assert_cmpuint(value, ==, UINT64_MAX); /* and nothing of what is at 0 */
    bql_lock();
    mem_get_stats(setup.scene.mem, &stats);
    g_assert_cmpuint(stats.unassigned_reads, ==, 2);
    g_assert_cmpuint(stats.unassigned_writes, ==, 2);
    tear_down(&setup);
}

static void mmio_is_split_by_size_and_alignment(void)
    NO_THREAD_SAFETY /* gives the BQL back for a while */
{
    struct setup setup;
    uint64_t value = 0;

    set_up(&setup, &any_size);
    bql_unlock();
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x1008, 8, &value), ==, MEM_OK);
    check_said(&setup, "r8@8 ");
    g_assert_cmpuint(value, ==, UINT64_C(0x8f8e8d8c8b8a8988));
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x1003, 4, &value), ==, MEM_OK);
    check_said(&setup, "r1@3 r2@4 r1@6 ");
    g_assert_cmpuint(value, ==, 0x86858483);
    g_assert_cmpint(mem_mmio_write(setup.scene.space, 0x1006, 8, 0x1122334455667788), ==, MEM_OK);
    check_said(&setup, "w2@6 w4@8 w2@c ");
    g_assert_cmpint(setup.device.bytes[0xd], ==, 0x11);
    bql_lock();
    tear_down(&setup);
}

static void narrow_access_to_wide_registers(void)
    NO_THREAD_SAFETY /* gives the BQL back for a while */
{
    struct setup setup;
    uint64_t value = 0;

    set_up(&setup, &words_only);
    bql_unlock();
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x1006, 1, &value), ==, MEM_OK);
    check_said(&setup, "r4@4 ");
    g_assert_cmpuint(value, ==, 0x86);
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x1002, 8, &value), ==, MEM_OK);
    check_said(&setup, "r4@0 r4@4 r4@8 ");
    g_assert_cmpuint(value, ==, UINT64_C(0x8988878685848382));
    g_assert_cmpint(mem_mmio_write(setup.scene.space, 0x1006, 1, 0), ==, MEM_UNASSIGNED);
    check_said(&setup, "");
    g_assert_cmpint(mem_mmio_write(setup.scene.space, 0x1010, 8, 0), ==, MEM_OK);
    check_said(&setup, "w4@10 w4@14 ");
    bql_lock();
    tear_down(&setup);
}

static void mmio_that_has_become_ram_is_retried(void)
    NO_THREAD_SAFETY /* gives the BQL back for a while */
{
    struct setup setup;
    uint64_t value = 7;

    set_up(&setup, &any_size);
    bql_unlock();
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x10, 8, &value), ==, MEM_IS_RAM_NOW);
    g_assert_cmpuint(value, ==, 7);
    g_assert_cmpint(mem_mmio_write(setup.scene.space, 0x10, 8, 1), ==, MEM_IS_RAM_NOW);
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x3000, 8, &value), ==, MEM_IS_RAM_NOW);
    g_assert_cmpint(mem_mmio_write(setup.scene.space, 0x3000, 8, 1), ==, MEM_READ_ONLY);
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x2ffc, 8, &value), ==, MEM_IS_RAM_NOW);
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0xffc, 8, &value), ==, MEM_OK);
    check_said(&setup, "r4@0 ");
    g_assert_cmpuint(value, ==, UINT64_C(0x8382818000000000));
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x9000, 4, &value), ==, MEM_UNASSIGNED);
    g_assert_cmpuint(value, ==, 0xffffffff);
    bql_lock();
    tear_down(&setup);
}

static void handler_may_take_its_own_region_out(void)
    NO_THREAD_SAFETY /* gives the BQL back for a while */
{
    struct setup setup;
    uint64_t value;
    int nr_released = 0;

    set_up(&setup, &any_size);
    region_on_released(setup.mmio, count_release, &nr_released);
    setup.device.leaves = g_steal_pointer(&setup.mmio);
    bql_unlock();
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x1000, 4, &value), ==, MEM_OK);
    g_assert_cmpint(mem_mmio_read(setup.scene.space, 0x1000, 4, &value), ==, MEM_UNASSIGNED);
    drain_call_rcu();
    bql_lock();
    g_assert_cmpint(load_acquire(&nr_released), ==, 1);
    tear_down(&setup);
}

static void write_drops_cached_code(void) NO_THREAD_SAFETY /* gives the BQL back for a while */
{
    struct setup setup;
    uint64_t ticket;

    set_up(&setup, &any_size);
    g_assert_false(code_gate_mark(setup.ram, 1, 1, &ticket));
    g_assert_cmpint(mem_write_locked(setup.scene.space, 0x2040, "x", 1), ==, MEM_OK);
    g_assert_cmpuint(code_gate_marks(setup.ram, 1), ==, 1);
    g_assert_cmpint(mem_write_locked(setup.scene.space, 0x203f, "xx", 2), ==, MEM_OK);
    g_assert_cmpuint(code_gate_marks(setup.ram, 1), ==, 0);
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/access/ram_is_read_and_written_without_the_bql",
                    ram_is_read_and_written_without_the_bql);
    g_test_add_func("/access/access_crosses_ram_mmio_and_holes", access_crosses_ram_mmio_and_holes);
    g_test_add_func("/access/nobody_answers_with_ones", nobody_answers_with_ones);
    g_test_add_func("/access/mmio_is_split_by_size_and_alignment",
                    mmio_is_split_by_size_and_alignment);
    g_test_add_func("/access/narrow_access_to_wide_registers", narrow_access_to_wide_registers);
    g_test_add_func("/access/mmio_that_has_become_ram_is_retried",
                    mmio_that_has_become_ram_is_retried);
    g_test_add_func("/access/handler_may_take_its_own_region_out",
                    handler_may_take_its_own_region_out);
    g_test_add_func("/access/write_drops_cached_code", write_drops_cached_code);
    return run_with_bql();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sched.h>

#include "hw/pci/msix.h"
#include "tests/unit/pci_device.h"
#include "util/thread.h"

enum { BAR = 1, VECTORS = 70, SLOT = 3 };

struct setup {
    struct pci_scene scene;
    struct test_device device;
    unsigned capability;
    uint64_t table, pending; /* addresses */
};

static void set_up(struct setup *setup) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;
    uint32_t table, pending;

    pci_scene_init(&setup->scene);
    pci_scene_add_bus(&setup->scene);
    test_device_init(&setup->scene, &setup->device, SLOT);
    g_assert_true(msix_init(&setup->device.pci, VECTORS, BAR, &error));
    g_assert_no_error(error);
    pci_device_plug(&setup->device.pci);
    reset_bus(&setup->scene);
    setup->capability = find_capability(&setup->scene, SLOT, PCI_CAPABILITY_MSIX);
    g_assert_cmpuint(setup->capability, !=, 0);
    table = config_get(&setup->scene, SLOT, setup->capability + MSIX_TABLE, 4);
    pending = config_get(&setup->scene, SLOT, setup->capability + MSIX_PENDING, 4);
    g_assert_cmpuint(table % 8, ==, BAR);
    g_assert_cmpuint(pending % 8, ==, BAR);
    setup->table = setup->device.address[BAR] + table / 8 * 8;
    setup->pending = setup->device.address[BAR] + pending / 8 * 8;
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    pci_device_fini(&setup->device.pci);
    pci_scene_fini(&setup->scene);
}

static void set_control(struct setup *setup, uint16_t control) REQUIRES(bql)
{
    config_set(&setup->scene, SLOT, setup->capability + MSIX_CONTROL, control, 2);
}

static void set_entry(struct setup *setup, unsigned vector, unsigned member, uint32_t value)
    REQUIRES(bql)
{
    poke(setup->scene.memory.space, setup->table + vector * MSIX_ENTRY_SIZE + member, value, 4);
}

static uint32_t get_entry(struct setup *setup, unsigned vector, unsigned member) REQUIRES(bql)
{
    return (uint32_t)peek(setup->scene.memory.space,
                          setup->table + vector * MSIX_ENTRY_SIZE + member, 4);
}

static void set_message(struct setup *setup, unsigned vector, uint32_t data) REQUIRES(bql)
{
    set_entry(setup, vector, MSIX_ENTRY_ADDRESS, 0xfee00000);
    set_entry(setup, vector, MSIX_ENTRY_ADDRESS_HIGH, 0);
    set_entry(setup, vector, MSIX_ENTRY_DATA, data);
}

static void set_mask(struct setup *setup, unsigned vector, bool is_masked) REQUIRES(bql)
{
    set_entry(setup, vector, MSIX_ENTRY_CONTROL, is_masked ? MSIX_ENTRY_MASKED : 0);
}

static bool is_pending(struct setup *setup, unsigned vector) REQUIRES(bql)
{
    return peek(setup->scene.memory.space, setup->pending + vector / 64 * 8, 8) >> vector % 64 & 1;
}

static uint64_t nr_sent(struct setup *setup)
{
    return load_acquire(&setup->scene.nr_sent);
}

/* ---- One thread -------------------------------------------------------------------- */

static void capability_tells_the_table(void) NO_THREAD_SAFETY
{
    struct setup setup;

    set_up(&setup);
    config_set(&setup.scene, SLOT, setup.capability + MSIX_CONTROL, 0xffff, 2);
    g_assert_cmphex(config_get(&setup.scene, SLOT, setup.capability + MSIX_CONTROL, 2), ==,
                    0xc000 | (VECTORS - 1));
    config_set(&setup.scene, SLOT, setup.capability + MSIX_TABLE, 0, 4);
    g_assert_cmphex(config_get(&setup.scene, SLOT, setup.capability + MSIX_TABLE, 4), ==, BAR);
    g_assert_cmpuint(setup.pending - setup.table, >=, VECTORS * MSIX_ENTRY_SIZE);
    tear_down(&setup);
}

static void table_keeps_what_is_written(void) NO_THREAD_SAFETY
{
    struct setup setup;
    struct space *space;

    set_up(&setup);
    space = setup.scene.memory.space;
    for (unsigned i = 0; i < VECTORS; i++) {
        g_assert_cmphex(get_entry(&setup, i, MSIX_ENTRY_CONTROL), ==, MSIX_ENTRY_MASKED);
        set_entry(&setup, i, MSIX_ENTRY_ADDRESS, 0xfee00003 + 0x1000 * i);
        set_entry(&setup, i, MSIX_ENTRY_ADDRESS_HIGH, i);
        set_entry(&setup, i, MSIX_ENTRY_DATA, 0x4000 + i);
        set_entry(&setup, i, MSIX_ENTRY_CONTROL, ~1U);
    }
    for (unsigned i = 0; i < VECTORS; i++) {
        g_assert_cmphex(get_entry(&setup, i, MSIX_ENTRY_ADDRESS), ==, 0xfee00000 + 0x1000 * i);
        g_assert_cmphex(get_entry(&setup, i, MSIX_ENTRY_ADDRESS_HIGH), ==, i);
        g_assert_cmphex(get_entry(&setup, i, MSIX_ENTRY_DATA), ==, 0x4000 + i);
        g_assert_cmphex(get_entry(&setup, i, MSIX_ENTRY_CONTROL), ==, 0);
    }
    poke(space, setup.table + 16, UINT64_C(0x12345678fee0f000), 8); /* qwords too */
    poke(space, setup.table + 24, UINT64_C(0x1000000ab), 8);
    g_assert_cmphex(peek(space, setup.table + 16, 8), ==, UINT64_C(0x12345678fee0f000));
    g_assert_cmphex(peek(space, setup.table + 24, 8), ==, UINT64_C(0x1000000ab));
    poke(space, setup.table + 16, 0, 1); /* narrow ones have no meaning (6.8.2) */
    poke(space, setup.table + 18, 0, 2);
    g_assert_cmphex(peek(space, setup.table + 16, 8), ==, UINT64_C(0x12345678fee0f000));
    g_assert_cmphex(peek(space, setup.table + 17, 1), ==, 0xf0);
    tear_down(&setup);
}

static void beyond_the_table_is_nothing(void) NO_THREAD_SAFETY
{
    struct setup setup;
    struct space *space;
    uint64_t end;

    set_up(&setup);
    space = setup.scene.memory.space;
    end = setup.table + VECTORS * MSIX_ENTRY_SIZE;
    for (uint64_t at = end; at < setup.device.address[BAR] + 0x1040; at += 8) {
        poke(space, at, UINT64_MAX, 8);
        g_assert_cmphex(peek(space, at, 8), ==,
                        at < setup.device.address[BAR] + 0x1020 ? 0 : UINT64_MAX);
    }
    tear_down(&setup);
}

static void message_goes_out(void) NO_THREAD_SAFETY
{
    struct setup setup;

    set_up(&setup);
    set_message(&setup, 69, 0x4041);
    set_mask(&setup, 69, false);
    msix_raise(&setup.device.pci, 69);
    g_assert_cmpuint(nr_sent(&setup), ==, 0); /* it is off */
    set_control(&setup, MSIX_CONTROL_ENABLE);
    g_assert_cmpuint(nr_sent(&setup), ==, 0); /* and nothing was kept */
    msix_raise(&setup.device.pci, 69);
    g_assert_cmpuint(nr_sent(&setup), ==, 1);
    g_assert_cmphex(setup.scene.last.address, ==, 0xfee00000);
    g_assert_cmphex(setup.scene.last.data, ==, 0x4041);
    set_entry(&setup, 69, MSIX_ENTRY_DATA, 0x4042); /* while it is open */
    msix_raise(&setup.device.pci, 69);
    g_assert_cmphex(setup.scene.last.data, ==, 0x4042);
    msix_raise(&setup.device.pci, VECTORS);
    msix_raise(&setup.device.pci, UINT_MAX);
    g_assert_cmpuint(nr_sent(&setup), ==, 2);
    tear_down(&setup);
}

static void masked_vector_waits(void) NO_THREAD_SAFETY
{
    struct setup setup;

    set_up(&setup);
    set_message(&setup, 64, 0x4041);
    set_control(&setup, MSIX_CONTROL_ENABLE);
    msix_raise(&setup.device.pci, 64);
    msix_raise(&setup.device.pci, 64);
    g_assert_cmpuint(nr_sent(&setup), ==, 0);
    g_assert_true(is_pending(&setup, 64));
    g_assert_false(is_pending(&setup, 0));
    g_assert_cmphex(peek(setup.scene.memory.space, setup.pending + 8, 4), ==, 1);
    poke(setup.scene.memory.space, setup.pending + 8, 0, 8); /* read-only */
    g_assert_true(is_pending(&setup, 64));
    set_mask(&setup, 64, false);
    g_assert_cmpuint(nr_sent(&setup), ==, 1); /* once */
    g_assert_false(is_pending(&setup, 64));
    set_mask(&setup, 64, true);
    set_mask(&setup, 64, false);
    g_assert_cmpuint(nr_sent(&setup), ==, 1);
    tear_down(&setup);
}

static void masked_function_waits(void) NO_THREAD_SAFETY
{
    struct setup setup;

    set_up(&setup);
    for (unsigned i = 0; i < 3; i++) {
        set_message(&setup, i, 0x4041 + i);
        set_mask(&setup, i, i == 2);
    }
    set_control(&setup, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL);
    for (unsigned i = 0; i < 3; i++)
        msix_raise(&setup.device.pci, i);
    g_assert_cmpuint(nr_sent(&setup), ==, 0);
    g_assert_cmphex(peek(setup.scene.memory.space, setup.pending, 4), ==, 7);
    set_control(&setup, MSIX_CONTROL_ENABLE);
    g_assert_cmpuint(nr_sent(&setup), ==, 2);
    g_assert_cmphex(peek(setup.scene.memory.space, setup.pending, 4), ==, 4);
    set_control(&setup, 0);
    g_assert_cmphex(peek(setup.scene.memory.space, setup.pending, 4), ==, 0); /* forgotten */
    set_control(&setup, MSIX_CONTROL_ENABLE);
    set_mask(&setup, 2, false);
    g_assert_cmpuint(nr_sent(&setup), ==, 2);
    tear_down(&setup);
}

static void intx_is_silent_while_it_is_on(void) NO_THREAD_SAFETY
{
    struct setup setup;

    set_up(&setup);
    g_assert_false(msix_is_enabled(&setup.device.pci));
    pci_intx_set(&setup.device.pci, true);
    g_assert_true(setup.scene.lines[SLOT]);
    /* By one byte, as a guest may. */
    config_set(&setup.scene, SLOT, setup.capability + MSIX_CONTROL + 1, 0x80, 1);
    g_assert_true(msix_is_enabled(&setup.device.pci));
    g_assert_false(setup.scene.lines[SLOT]);
    set_control(&setup, 0);
    g_assert_true(setup.scene.lines[SLOT]);
    set_control(&setup, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL);
    g_assert_false(setup.scene.lines[SLOT]);
    tear_down(&setup);
}

static void eventfd_only_while_it_works(void) NO_THREAD_SAFETY
{
    struct setup setup;
    int fd;

    set_up(&setup);
    set_message(&setup, 5, 0x4041);
    set_control(&setup, MSIX_CONTROL_ENABLE);
    g_assert_cmpint(msix_eventfd(&setup.device.pci, 5), ==, -1); /* masked */
    g_assert_cmpint(msix_eventfd(&setup.device.pci, VECTORS), ==, -1);
    set_mask(&setup, 5, false);
    fd = msix_eventfd(&setup.device.pci, 5);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(setup.scene.eventfd, ==, fd);
    set_control(&setup, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL);
    g_assert_cmpint(msix_eventfd(&setup.device.pci, 5), ==, -1);
    set_control(&setup, MSIX_CONTROL_ENABLE);
    g_assert_cmpint(msix_eventfd(&setup.device.pci, 5), ==, fd);
    pci_device_fini(&setup.device.pci);
    g_assert_cmpint(setup.scene.eventfd, ==, -1);
    pci_scene_fini(&setup.scene);
}

static void full_sink_is_served_by_us(void) NO_THREAD_SAFETY
{
    struct setup setup;

    set_up(&setup);
    setup.scene.is_sink_full = true;
    set_message(&setup, 5, 0x4041);
    set_control(&setup, MSIX_CONTROL_ENABLE);
    msix_raise(&setup.device.pci, 5);
    set_mask(&setup, 5, false);
    g_assert_cmpuint(nr_sent(&setup), ==, 1);
    msix_raise(&setup.device.pci, 5);
    g_assert_cmpuint(nr_sent(&setup), ==, 2);
    g_assert_cmpint(msix_eventfd(&setup.device.pci, 5), ==, -1);
    set_mask(&setup, 5, true);
    msix_raise(&setup.device.pci, 5);
    g_assert_cmpuint(nr_sent(&setup), ==, 2);
    g_assert_true(is_pending(&setup, 5));
    tear_down(&setup);
}

static void reset_masks_all(void) NO_THREAD_SAFETY
{
    struct setup setup;

    set_up(&setup);
    set_message(&setup, 0, 0x4041);
    set_mask(&setup, 0, false);
    set_control(&setup, MSIX_CONTROL_ENABLE);
    msix_raise(&setup.device.pci, 1); /* pending */
    reset_bus(&setup.scene);
    g_assert_false(msix_is_enabled(&setup.device.pci));
    g_assert_cmphex(get_entry(&setup, 0, MSIX_ENTRY_ADDRESS), ==, 0);
    g_assert_cmphex(get_entry(&setup, 0, MSIX_ENTRY_CONTROL), ==, MSIX_ENTRY_MASKED);
    g_assert_false(is_pending(&setup, 1));
    set_control(&setup, MSIX_CONTROL_ENABLE);
    msix_raise(&setup.device.pci, 0);
    g_assert_cmpuint(nr_sent(&setup), ==, 0);
    g_assert_true(is_pending(&setup, 0));
    tear_down(&setup);
}

static void no_route_left_is_an_error(void) NO_THREAD_SAFETY
{
    struct setup setup;
    struct test_device devices[5];
    g_autoptr(GError) error = NULL;

    set_up(&setup); /* takes VECTORS */
    for (unsigned i = 0; i < 4; i++) {
        bool is_done;

        test_device_init(&setup.scene, &devices[i], -1);
        is_done = msix_init(&devices[i].pci, MSIX_VECTORS_MAX, 0, &error);
        g_assert_true(is_done == (i < 3));
    }
    g_assert_nonnull(strstr(error->message, "test 0:5.0: MSI-X vector"));
    for (unsigned i = 0; i < 4; i++)
        pci_device_fini(&devices[i].pci);
    drain_call_rcu();
    test_device_init(&setup.scene, &devices[4], -1); /* what was given back can be had again */
    g_assert_true(msix_init(&devices[4].pci, MSIX_VECTORS_MAX, 0, NULL));
    pci_device_fini(&devices[4].pci);
    tear_down(&setup);
}

static void device_without_it_is_silent(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    test_device_init(&scene, &device, 1);
    pci_device_plug(&device.pci);
    reset_bus(&scene);
    g_assert_false(msix_is_enabled(&device.pci));
    g_assert_cmpint(msix_eventfd(&device.pci, 0), ==, -1);
    msix_raise(&device.pci, 0);
    g_assert_cmpuint(scene.nr_sent, ==, 0);
    pci_device_fini(&device.pci);
    pci_scene_fini(&scene);
}

/* ---- Two threads: masks against raising -------------------------------------------- */

enum { RACE_ROUNDS = 10000 };

struct race {
    struct setup setup;
    uint32_t is_over; /* atomic */
};

/* Each is raised when the one before has arrived, so that none may be lost or come twice. */
static void raise_one_by_one(void *arg)
{
    struct race *race = arg;

    for (uint64_t i = 1; i <= RACE_ROUNDS; i++) {
        msix_raise(&race->setup.device.pci, 0);
        while (nr_sent(&race->setup) < i)
            sched_yield(); /* for the guest to unmask, perhaps */
        g_assert_cmpuint(nr_sent(&race->setup), ==, i);
    }
    store_release(&race->is_over, 1); /* pairs with the acquire in none_is_lost_or_doubled() */
}

static void mask(struct setup *setup, bool by_function, bool is_masked) REQUIRES(bql)
{
    if (by_function)
        set_control(setup, MSIX_CONTROL_ENABLE | (is_masked ? MSIX_CONTROL_MASK_ALL : 0));
    else
        set_mask(setup, 0, is_masked);
}

/* @by_function: all vectors at once, by the control word. */
static void none_is_lost_or_doubled(const void *by_function) NO_THREAD_SAFETY
{
    struct race race = { .is_over = 0 };
    struct setup *setup = &race.setup;
    struct thread *raiser;

    set_up(setup);
    set_message(setup, 0, 0x4041);
    set_mask(setup, 0, false);
    set_control(setup, MSIX_CONTROL_ENABLE);
    raiser = thread_start("raiser", raise_one_by_one, &race);
    while (!load_acquire(&race.is_over)) {
        uint64_t before = nr_sent(setup);

        mask(setup, by_function != NULL, true);
        mask(setup, by_function != NULL, false);
        /* Now it is open: the next arrives without our help. */
        while (nr_sent(setup) == before && !load_acquire(&race.is_over))
            sched_yield();
    }
    bql_unlock();
    thread_join(raiser);
    bql_lock();
    g_assert_cmpuint(nr_sent(setup), ==, RACE_ROUNDS);
    set_control(setup, MSIX_CONTROL_ENABLE);
    set_mask(setup, 0, false);
    g_assert_cmpuint(nr_sent(setup), ==, RACE_ROUNDS);
    tear_down(setup);
}

/* Whatever the guest does meanwhile, a last raise arrives. */
static void raise_in_storm(void *arg)
{
    struct race *race = arg;

    for (unsigned i = 0; i < RACE_ROUNDS; i++)
        msix_raise(&race->setup.device.pci, i % 2);
    store_release(&race->is_over, 1); /* pairs with the acquire in storm_leaves_a_good_state() */
}

static void storm_leaves_a_good_state(void) NO_THREAD_SAFETY
{
    struct race race = { .is_over = 0 };
    struct setup *setup = &race.setup;
    struct thread *raiser;
    uint64_t before;

    set_up(setup);
    raiser = thread_start("raiser", raise_in_storm, &race);
    for (uint32_t i = 0; !load_acquire(&race.is_over); i++) {
        set_control(setup, (i * 0x9e370001) >> 16 & 0xc000);
        set_message(setup, i % 2, i);
        set_mask(setup, i % 2, i % 3 == 0);
        if (i % 7 == 0)
            config_set(&setup->scene, SLOT, PCI_COMMAND, i % 2 ? PCI_COMMAND_MEMORY : 0, 1);
    }
    bql_unlock();
    thread_join(raiser);
    bql_lock();
    config_set(&setup->scene, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 1);
    set_control(setup, MSIX_CONTROL_ENABLE);
    set_mask(setup, 0, false);
    g_assert_false(is_pending(setup, 0));
    before = nr_sent(setup);
    msix_raise(&setup->device.pci, 0);
    g_assert_cmpuint(nr_sent(setup), ==, before + 1);
    tear_down(setup);
}

int main(int argc, char **argv)
{
    static int yes;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/msix/capability_tells_the_table", capability_tells_the_table);
    g_test_add_func("/msix/table_keeps_what_is_written", table_keeps_what_is_written);
    g_test_add_func("/msix/beyond_the_table_is_nothing", beyond_the_table_is_nothing);
    g_test_add_func("/msix/message_goes_out", message_goes_out);
    g_test_add_func("/msix/masked_vector_waits", masked_vector_waits);
    g_test_add_func("/msix/masked_function_waits", masked_function_waits);
    g_test_add_func("/msix/intx_is_silent_while_it_is_on", intx_is_silent_while_it_is_on);
    g_test_add_func("/msix/eventfd_only_while_it_works", eventfd_only_while_it_works);
    g_test_add_func("/msix/full_sink_is_served_by_us", full_sink_is_served_by_us);
    g_test_add_func("/msix/reset_masks_all", reset_masks_all);
    g_test_add_func("/msix/no_route_left_is_an_error", no_route_left_is_an_error);
    g_test_add_func("/msix/device_without_it_is_silent", device_without_it_is_silent);
    g_test_add_data_func("/msix/none_is_lost_or_doubled_by_vector", NULL, none_is_lost_or_doubled);
    g_test_add_data_func("/msix/none_is_lost_or_doubled_by_function", &yes,
                         none_is_lost_or_doubled);
    g_test_add_func("/msix/storm_leaves_a_good_state", storm_leaves_a_good_state);
    return run_with_bql();
}

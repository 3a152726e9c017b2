/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers that break the rules. Each is noticed, counted once, told by
 * DEVICE_NEEDS_RESET, and hurts nobody else: after a reset the device is as good as new.
 */
#include "tests/virtio/echo.h"

enum {
    QUEUE_AT = 0x1000,
    TABLE_AT = 0x10000,
    DATA_AT = 0x20000,
    SIZE = 16,
};

#define ALL_FEATURES (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_RESET)

static struct guest *guest;
static struct echo *echo;
static struct driver driver;

static void begin(uint64_t features) REQUIRES(bql)
{
    guest = guest_new();
    echo = echo_new(guest, SIZE);
    echo_count(echo);
    negotiate(&echo->device, features);
    driver = set_up(guest, &echo->device, 0, QUEUE_AT, SIZE);
    drive(&echo->device);
    echo->nr_config_interrupts = 0;
}

static void end(void) REQUIRES(bql)
{
    echo_free(echo);
    guest_free(guest);
}

static void check_broken(void) REQUIRES(bql)
{
    struct virtq_chain *chain;

    g_assert_cmpuint(virtio_get_status(&echo->device) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 1);
    g_assert_cmpuint(echo->nr_config_interrupts, ==, 1);
    g_assert_cmpint(virtq_pop(driver.queue, &chain), ==, VIRTQ_BROKEN);
    g_assert_false(virtq_is_ready(driver.queue));
    virtio_doorbell(&echo->device, 0); /* and it stays so */
    run_loop();
    g_assert_cmpuint(guest_errors(&echo->device), ==, 1);
}

static void check_as_good_as_new(void) REQUIRES(bql)
{
    virtio_set_status(&echo->device, 0);
    negotiate(&echo->device, ALL_FEATURES);
    driver = set_up(guest, &echo->device, 0, QUEUE_AT, SIZE);
    drive(&echo->device);
    put(&driver, 5, DATA_AT, 4, 0, 0);
    offer(&driver, 5);
    check_used(&driver, 5, 0);
}

/* ---- One wrong chain
 * ------------------------------------------------------------------------------ */

static void indirect(uint64_t table, uint32_t length, unsigned flags)
{
    put(&driver, 0, table, length, DESC_INDIRECT | flags, 1);
    put(&driver, 1, DATA_AT, 1, 0, 0);
}

static void loop_of_one(void)
{
    put(&driver, 0, DATA_AT, 1, DESC_NEXT, 0);
}

static void loop_of_empty(void)
{
    put(&driver, 0, DATA_AT, 0, DESC_NEXT, 1);
    put(&driver, 1, DATA_AT, 0, DESC_NEXT, 0);
}

static void next_outside(void)
{
    put(&driver, 0, DATA_AT, 1, DESC_NEXT, SIZE);
}

static void read_after_write(void)
{
    put(&driver, 0, DATA_AT, 1, DESC_NEXT | DESC_WRITE, 1);
    put(&driver, 1, DATA_AT, 1, 0, 0);
}

static void buffer_in_hole(void)
{
    put(&driver, 0, DATA_AT, 1, DESC_NEXT, 1);
    put(&driver, 1, HOLE_AT, 1, DESC_WRITE, 0);
}

static void buffer_in_registers(void)
{
    put(&driver, 0, MMIO_AT, 4, 0, 0);
}

static void buffer_into_rom(void)
{
    put(&driver, 0, ROM_AT, 1, DESC_WRITE, 0);
}

static void buffer_over_the_end_of_ram(void)
{
    put(&driver, 0, LOW_SIZE + HIGH_SIZE - 4, 8, DESC_WRITE, 0);
}

static void buffer_beyond_the_space(void)
{
    put(&driver, 0, UINT64_C(1) << 63, 8, 0, 0);
}

static void buffer_round_the_end(void)
{
    put(&driver, 0, UINT64_MAX - 3, 8, 0, 0);
}

static void sum_too_long(void)
{
    put(&driver, 0, DATA_AT, UINT32_MAX, DESC_NEXT, 1);
    put(&driver, 1, DATA_AT, 2, DESC_WRITE, 0);
}

static void table_in_table(void)
{
    indirect(TABLE_AT, 2 * sizeof(struct desc), 0);
    put_desc(&driver, TABLE_AT, 0, DATA_AT, 1, DESC_NEXT, 1);
    put_desc(&driver, TABLE_AT, 1, TABLE_AT, sizeof(struct desc), DESC_INDIRECT, 0);
}

static void table_not_last(void)
{
    indirect(TABLE_AT, sizeof(struct desc), DESC_NEXT);
}

static void table_empty(void)
{
    indirect(TABLE_AT, 0, 0);
}

static void table_uneven(void)
{
    indirect(TABLE_AT, sizeof(struct desc) + 8, 0);
}

static void table_in_hole(void)
{
    indirect(HOLE_AT, sizeof(struct desc), 0);
}

static void table_in_registers(void)
{
    indirect(MMIO_AT, sizeof(struct desc), 0);
}

static void table_round_the_end(void)
{
    indirect(UINT64_MAX - 15, 2 * sizeof(struct desc), 0);
}

static void table_over_the_end_of_ram(void)
{
    const struct desc first = { DATA_AT, 1, DESC_NEXT, 1 };

    memcpy(guest->high + HIGH_SIZE - sizeof(first), &first, sizeof(first));
    indirect(LOW_SIZE + HIGH_SIZE - sizeof(first), 2 * sizeof(first), 0);
}

static void next_outside_of_table(void)
{
    indirect(TABLE_AT, 2 * sizeof(struct desc), 0);
    put_desc(&driver, TABLE_AT, 0, DATA_AT, 1, DESC_NEXT, 2);
}

static void loop_in_table(void)
{
    indirect(TABLE_AT, 1000 * sizeof(struct desc), 0);
    put_desc(&driver, TABLE_AT, 0, DATA_AT, 1, DESC_NEXT, 7);
    put_desc(&driver, TABLE_AT, 7, DATA_AT, 1, DESC_NEXT, 0);
}

/* Without a loop, but longer than we take. */
static void table_too_long(void)
{
    for (unsigned i = 0; i < VIRTQ_CHAIN_MAX + 1; i++)
        put_desc(&driver, TABLE_AT, i, DATA_AT, 1, i < VIRTQ_CHAIN_MAX ? DESC_NEXT : 0, i + 1);
    indirect(TABLE_AT, (VIRTQ_CHAIN_MAX + 1) * sizeof(struct desc), 0);
}

/* A chain of as many buffers as we take, each in two pieces. */
static void too_many_pieces(void)
{
    for (unsigned i = 0; i < VIRTQ_CHAIN_MAX; i++)
        put_desc(&driver, TABLE_AT, i, LOW_SIZE - 1, 2, i + 1 < VIRTQ_CHAIN_MAX ? DESC_NEXT : 0,
                 i + 1);
    indirect(TABLE_AT, VIRTQ_CHAIN_MAX * sizeof(struct desc), 0);
}

static const struct {
    const char *name;
    void (*prepare)(void);
} wrong_chains[] = {
#define CHAIN(name)                                                                                \
    {                                                                                              \
        "/virtq_hostile/chain/" #name, name                                                        \
    }
    CHAIN(loop_of_one),
    CHAIN(loop_of_empty),
    CHAIN(next_outside),
    CHAIN(read_after_write),
    CHAIN(buffer_in_hole),
    CHAIN(buffer_in_registers),
    CHAIN(buffer_into_rom),
    CHAIN(buffer_over_the_end_of_ram),
    CHAIN(buffer_beyond_the_space),
    CHAIN(buffer_round_the_end),
    CHAIN(sum_too_long),
    CHAIN(table_in_table),
    CHAIN(table_not_last),
    CHAIN(table_empty),
    CHAIN(table_uneven),
    CHAIN(table_in_hole),
    CHAIN(table_in_registers),
    CHAIN(table_round_the_end),
    CHAIN(table_over_the_end_of_ram),
    CHAIN(next_outside_of_table),
    CHAIN(loop_in_table),
    CHAIN(table_too_long),
    CHAIN(too_many_pieces),
};

/* Behind a good chain, which is answered. */
static void wrong_chain_breaks(gconstpointer prepare)
{
    bql_assert_held();
    begin(ALL_FEATURES);
    put(&driver, 9, DATA_AT, 1, 0, 0);
    offer(&driver, 9);
    ((void (*)(void))(uintptr_t)prepare)();
    offer(&driver, 0);
    check_used(&driver, 9, 0);
    check_nothing_used(&driver);
    check_broken();
    check_as_good_as_new();
    end();
}

static void table_without_the_feature_breaks(void)
{
    bql_assert_held();
    begin(0);
    put_desc(&driver, TABLE_AT, 0, DATA_AT, 1, 0, 0);
    indirect(TABLE_AT, sizeof(struct desc), 0);
    offer(&driver, 0);
    check_broken();
    end();
}

/* What a device may do to ROM is read it. */
static void rom_can_be_read(void)
{
    bql_assert_held();
    begin(0);
    put(&driver, 0, ROM_AT, 16, DESC_NEXT, 1);
    put(&driver, 1, DATA_AT, 16, DESC_WRITE, 0);
    offer(&driver, 0);
    check_used(&driver, 0, 16);
    end();
}

/* ---- Wrong rings
 * -------------------------------------------------------------------------------------- */

static void head_outside_breaks(void)
{
    bql_assert_held();
    begin(ALL_FEATURES);
    offer(&driver, SIZE);
    check_broken();
    check_as_good_as_new();
    end();
}

static void index_that_jumps_breaks(void)
{
    bql_assert_held();
    for (unsigned i = 0; i < 3; i++) {
        static const uint16_t jumps[] = { SIZE + 1, 0x8000, 0xffff };

        begin(ALL_FEATURES);
        put(&driver, 0, DATA_AT, 1, 0, 0);
        driver.offered = (uint16_t)(jumps[i] - 1);
        offer(&driver, 0);
        check_nothing_used(&driver);
        check_broken();
        check_as_good_as_new();
        end();
    }
}

/* A full ring is no jump. */
static void full_ring_is_fine(void)
{
    bql_assert_held();
    begin(ALL_FEATURES);
    for (unsigned i = 0; i < SIZE; i++) {
        put(&driver, i, DATA_AT, 1, 0, 0);
        offer_quietly(&driver, i);
    }
    virtio_doorbell(&echo->device, 0);
    run_loop();
    for (unsigned i = 0; i < SIZE; i++)
        check_used(&driver, i, 0);
    end();
}

enum ring { DESC, AVAIL, USED, NR_RINGS };

static uint64_t *address_of(struct virtq_setup *setup, enum ring ring)
{
    return ring == DESC ? &setup->desc : ring == AVAIL ? &setup->avail : &setup->used;
}

/* Queue 1, with one of its rings elsewhere. */
static void set_up_wrong(enum ring ring, uint64_t where) REQUIRES(bql)
{
    struct virtq_setup *setup = virtq_setup(virtio_queue(&echo->device, 1));

    *setup = (struct virtq_setup){ SIZE, 0x8000, 0x9000, 0xa000, false };
    *address_of(setup, ring) = where;
    virtq_enable(virtio_queue(&echo->device, 1));
}

static void misplaced_ring_is_refused(void)
{
    bql_assert_held();
    static const struct {
        enum ring ring;
        uint64_t where;
    } cases[] = {
        { DESC, 0x8008 },          { AVAIL, 0x9001 },          { USED, 0xa002 },
        { DESC, UINT64_MAX - 15 }, { AVAIL, UINT64_MAX - 35 }, { USED, UINT64_MAX - 127 },
        { DESC, UINT64_MAX },      { AVAIL, UINT64_MAX - 1 },  { USED, UINT64_MAX - 3 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        begin(ALL_FEATURES);
        set_up_wrong(cases[i].ring, cases[i].where);
        g_assert_false(virtq_setup(virtio_queue(&echo->device, 1))->is_enabled);
        check_broken();
        check_as_good_as_new();
        end();
    }
}

static void wrong_size_is_refused(void)
{
    bql_assert_held();
    static const uint16_t sizes[] = { 0, 3, 12, 2 * SIZE, 0x8000, 0xffff };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct virtq *queue;

        begin(ALL_FEATURES);
        queue = virtio_queue(&echo->device, 1);
        *virtq_setup(queue) = (struct virtq_setup){ sizes[i], 0x8000, 0x9000, 0xa000, false };
        virtq_enable(queue);
        g_assert_false(virtq_setup(queue)->is_enabled);
        check_broken();
        end();
    }
}

/* It can be set up so, since there may be RAM later; who uses it finds out. */
static void ring_outside_of_ram_breaks(void)
{
    bql_assert_held();
    static const uint64_t places[] = { HOLE_AT,       MMIO_AT,
                                       ROM_AT,        LOW_SIZE + HIGH_SIZE - 16,
                                       LOW_SIZE - 16, UINT64_C(1) << 62 };

    for (unsigned i = 0; i < NR_RINGS * ARRAY_SIZE(places); i++) {
        begin(ALL_FEATURES);
        set_up_wrong(i % NR_RINGS, places[i / NR_RINGS]);
        g_assert_cmpuint(guest_errors(&echo->device), ==, 0);
        memset(guest->low + 0x9000, 0, 0x100);
        guest->low[0x9002] = 1; /* an entry of descriptor 0, which is empty */
        memset(guest->low + 0x8000, 0, 0x100);
        virtio_doorbell(&echo->device, 1);
        run_loop();
        check_broken();
        check_as_good_as_new();
        end();
    }
}

/* The map changes under a queue that was fine. */
static void ring_that_goes_breaks(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin(0); /* a pop does not look at the used ring */
    echo->holds = true;
    put(&driver, 0, DATA_AT, 1, 0, 0);
    offer(&driver, 0);
    chain = echo_take(echo);
    take_out(guest->region[0]);
    virtq_push(chain, 0);
    virtq_notify(driver.queue);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 0); /* the main loop's affair */
    run_loop();
    check_broken();
    g_assert_cmpuint(echo->nr_queue_interrupts, ==, 0);
    put_in(guest->scene.root, 0, guest->region[0], 0);
    check_nothing_used(&driver);
    echo->holds = false;
    check_as_good_as_new();
    end();
}

/* A push finds it, a reset comes before the main loop hears of it: it was another life. */
static void old_fault_is_forgotten_by_reset(void)
{
    bql_assert_held();
    begin(0);
    echo->holds = true;
    put(&driver, 0, DATA_AT, 1, 0, 0);
    offer(&driver, 0);
    take_out(guest->region[0]);
    virtq_push(echo_take(echo), 0);
    put_in(guest->scene.root, 0, guest->region[0], 0);
    echo->holds = false;
    check_as_good_as_new();
    g_assert_cmpuint(guest_errors(&echo->device), ==, 0);
    end();
}

static void notifications_of_nothing_are_counted(void)
{
    bql_assert_held();
    begin(0);
    virtio_doorbell(&echo->device, ECHO_QUEUES);
    virtio_doorbell(&echo->device, UINT32_MAX);
    virtio_run_queue(&echo->device, UINT32_MAX);
    virtio_doorbell(&echo->device, 1); /* which is not enabled */
    run_loop();
    g_assert_cmpuint(guest_errors(&echo->device), ==, 2);
    g_assert_cmpuint(virtio_get_status(&echo->device) & VIRTIO_STATUS_NEEDS_RESET, ==, 0);
    end();
}

static void queue_enabled_twice_stays_as_it_is(void)
{
    bql_assert_held();
    begin(0);
    put(&driver, 0, DATA_AT, 1, 0, 0);
    offer(&driver, 0);
    virtq_enable(driver.queue);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 1);
    offer(&driver, 0);
    check_used(&driver, 0, 0);
    check_used(&driver, 0, 0);
    end();
}

/* The same head again and again, while it is in flight: as many answers, and no more. */
static void head_in_flight_again_is_the_drivers_affair(void)
{
    bql_assert_held();
    begin(0);
    echo->holds = true;
    put(&driver, 0, DATA_AT, 1, 0, 0);
    for (unsigned i = 0; i < 10 * SIZE; i++)
        offer(&driver, 0);
    g_assert_cmpuint(echo->nr_held, ==, 10 * SIZE);
    while (echo->nr_held)
        virtq_push(echo_take(echo), 0);
    g_assert_cmpuint(load_acquire(used_index(&driver)), ==, 10 * SIZE);
    end();
}

#define TEST(name) g_test_add_func("/virtq_hostile/" #name, name)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong_chains); i++)
        g_test_add_data_func(wrong_chains[i].name,
                             (gconstpointer)(uintptr_t)wrong_chains[i].prepare, wrong_chain_breaks);
    TEST(table_without_the_feature_breaks);
    TEST(rom_can_be_read);
    TEST(head_outside_breaks);
    TEST(index_that_jumps_breaks);
    TEST(full_ring_is_fine);
    TEST(misplaced_ring_is_refused);
    TEST(wrong_size_is_refused);
    TEST(ring_outside_of_ram_breaks);
    TEST(ring_that_goes_breaks);
    TEST(old_fault_is_forgotten_by_reset);
    TEST(notifications_of_nothing_are_counted);
    TEST(queue_enabled_twice_stays_as_it_is);
    TEST(head_in_flight_again_is_the_drivers_affair);
    return run_with_bql();
}

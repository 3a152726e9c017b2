/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queues with a driver that keeps to the rules; test_virtq_hostile.c has the other one. */
#include "tests/virtio/echo.h"
#include "util/clock.h"
#include "util/thread.h"

enum { QUEUE_AT = 0x1000, DATA_AT = 0x20000, ANSWER_AT = 0x30000, TABLE_AT = 0x10000 };

static struct guest *guest;
static struct echo *echo;
static struct driver driver;

static void begin(uint64_t features, unsigned size) REQUIRES(bql)
{
    guest = guest_new();
    echo = echo_new(guest, (uint16_t)MAX(size, 16));
    echo_count(echo);
    negotiate(&echo->device, features);
    driver = set_up(guest, &echo->device, 0, QUEUE_AT, size);
    drive(&echo->device);
}

static void end(void) REQUIRES(bql)
{
    echo_free(echo);
    guest_free(guest);
}

static unsigned interrupts(void)
{
    return load_relaxed(&echo->nr_queue_interrupts);
}

/* A chain of descriptors @head and @head + 1: @size bytes to read, and as many to write. */
static void put_pair(unsigned head, uint32_t size)
{
    put(&driver, head, DATA_AT, size, DESC_NEXT, head + 1);
    put(&driver, head + 1, ANSWER_AT, size, DESC_WRITE, 0);
}

static void simple_chain_is_echoed(void)
{
    bql_assert_held();
    begin(0, 16);
    memcpy(at(&driver, DATA_AT), "what the guest says", 20);
    put_pair(3, 20);
    offer(&driver, 3);
    check_used(&driver, 3, 20);
    g_assert_cmpstr(at(&driver, ANSWER_AT), ==, "what the guest says");
    g_assert_cmpuint(interrupts(), ==, 1);
    g_assert_cmpint(echo->last, ==, VIRTQ_EMPTY);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 0);
    end();
}

static void check_out(const struct virtq_chain *chain, unsigned nr, size_t size)
{
    g_assert_cmpuint(chain->nr_out, ==, nr);
    g_assert_cmpuint(chain->out_size, ==, size);
}

static void tables_come_alone_or_behind_others(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin(VIRTIO_F_INDIRECT_DESC, 16);
    echo->holds = true;
    put_desc(&driver, TABLE_AT, 0, DATA_AT, 16, DESC_NEXT, 2);
    put_desc(&driver, TABLE_AT, 2, DATA_AT + 16, 16, DESC_NEXT, 1);
    put_desc(&driver, TABLE_AT, 1, ANSWER_AT, 64, DESC_WRITE, 77);
    /* Whether it could be written says nothing (2.7.5.3.2). */
    put(&driver, 0, TABLE_AT, 3 * sizeof(struct desc), DESC_INDIRECT | DESC_WRITE, 0);
    put(&driver, 1, DATA_AT, 8, DESC_NEXT, 0);
    offer(&driver, 0);
    offer(&driver, 1);
    g_assert_cmpuint(echo->nr_held, ==, 2);
    chain = echo_take(echo);
    check_out(chain, 2, 32);
    g_assert_true(chain->out[1].iov_base == at(&driver, DATA_AT + 16));
    g_assert_cmpuint(chain->nr_in, ==, 1);
    g_assert_cmpuint(chain->in_size, ==, 64);
    g_assert_true(chain->in[0].iov_base == at(&driver, ANSWER_AT));
    virtq_push(chain, 5);
    check_used(&driver, 0, 5);
    chain = echo_take(echo);
    check_out(chain, 3, 40);
    virtq_push(chain, 0);
    check_used(&driver, 1, 0);
    end();
}

/* The border of two blocks of RAM is at LOW_SIZE; of RAM and ROM no device may write across. */
static void buffer_over_a_border_is_in_pieces(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin(0, 16);
    echo->holds = true;
    put(&driver, 0, LOW_SIZE - 8, 24, DESC_NEXT, 1);
    put(&driver, 1, LOW_SIZE - 16, 48, DESC_WRITE, 0);
    offer(&driver, 0);
    chain = echo_take(echo);
    check_out(chain, 2, 24);
    g_assert_cmpuint(chain->nr_in, ==, 2);
    g_assert_true(chain->out[0].iov_base == guest->low + LOW_SIZE - 8);
    g_assert_cmpuint(chain->out[0].iov_len, ==, 8);
    g_assert_true(chain->out[1].iov_base == guest->high);
    g_assert_cmpuint(chain->out[1].iov_len, ==, 16);
    g_assert_cmpuint(chain->in[1].iov_len, ==, 32);
    virtq_push(chain, 48);
    check_used(&driver, 0, 48);
    end();
}

static void table_over_a_border_is_read(void)
{
    bql_assert_held();
    struct virtq_chain *chain;
    const uint64_t table = LOW_SIZE - 24; /* the second entry is half here, half there */
    struct desc second = { ANSWER_AT, 7, DESC_WRITE, 0 };

    begin(VIRTIO_F_INDIRECT_DESC, 16);
    echo->holds = true;
    put_desc(&driver, table, 0, DATA_AT, 16, DESC_NEXT, 1);
    memcpy(guest->low + LOW_SIZE - 8, &second, 8);
    memcpy(guest->high, (uint8_t *)&second + 8, 8);
    put(&driver, 0, table, 2 * sizeof(struct desc), DESC_INDIRECT, 0);
    offer(&driver, 0);
    chain = echo_take(echo);
    check_out(chain, 1, 16);
    g_assert_cmpuint(chain->in_size, ==, 7);
    virtq_push(chain, 7);
    end();
}

static void empty_buffers_do_no_harm(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin(0, 16);
    echo->holds = true;
    put(&driver, 0, HOLE_AT, 0, DESC_NEXT, 1);
    put(&driver, 1, DATA_AT, 4, DESC_NEXT, 2);
    put(&driver, 2, UINT64_MAX, 0, DESC_WRITE, 0);
    put(&driver, 3, 0, 0, 0, 0);
    offer(&driver, 0);
    offer(&driver, 3);
    chain = echo_take(echo);
    check_out(chain, 1, 4);
    g_assert_cmpuint(chain->nr_in, ==, 0);
    virtq_push(chain, 0);
    chain = echo_take(echo);
    check_out(chain, 0, 0);
    virtq_push(chain, 0);
    check_used(&driver, 0, 0);
    check_used(&driver, 3, 0);
    end();
}

/* Twice round the 16 bits of the indices, in rings of 8 entries. */
static void indices_wrap(uint64_t features)
{
    bql_assert_held();
    begin(features, 8);
    for (unsigned i = 0; i < 140000; i++) {
        unsigned head = i % 4 * 2;

        put_pair(head, 1 + i % 16);
        store_relaxed(used_event(&driver), driver.taken);
        offer_quietly(&driver, head);
        virtio_run_queue(&echo->device, 0);
        check_used(&driver, head, 1 + i % 16);
        g_assert_cmpuint(interrupts(), ==, i + 1);
        if (!(features & VIRTIO_F_EVENT_IDX))
            continue;
        if (load_relaxed(avail_event(&driver)) != driver.offered)
            run_loop(); /* we slept, and its turn was over before it looked again */
        g_assert_cmpuint(load_relaxed(avail_event(&driver)), ==, driver.offered);
    }
    end();
}

static void indices_wrap_without_events(void)
{
    indices_wrap(0);
}

static void indices_wrap_with_events(void)
{
    indices_wrap(VIRTIO_F_EVENT_IDX);
}

/* ---- Notifications ------------------------------------------------------------------------------
 */

static void flag_spares_interrupts(void)
{
    bql_assert_held();
    begin(0, 16);
    put_pair(0, 1);
    store_relaxed(avail_flags(&driver), NO_INTERRUPT);
    offer(&driver, 0);
    check_used(&driver, 0, 1);
    g_assert_cmpuint(interrupts(), ==, 0);
    store_relaxed(avail_flags(&driver), 0);
    virtq_notify(driver.queue); /* of what it was spared, it is not told later */
    g_assert_cmpuint(interrupts(), ==, 0);
    offer(&driver, 0);
    g_assert_cmpuint(interrupts(), ==, 1);
    virtq_notify(driver.queue); /* nothing new */
    g_assert_cmpuint(interrupts(), ==, 1);
    end();
}

static void event_says_when_to_interrupt(void)
{
    bql_assert_held();
    begin(VIRTIO_F_EVENT_IDX, 16);
    put_pair(0, 1);
    store_relaxed(avail_flags(&driver), NO_INTERRUPT); /* means nothing here */
    store_relaxed(used_event(&driver), 2);             /* the third */
    for (unsigned i = 0; i < 6; i++) {
        offer(&driver, 0);
        g_assert_cmpuint(interrupts(), ==, i < 2 ? 0 : 1);
    }
    /* One notification for several: the event may be any of them. */
    echo->holds = true;
    for (unsigned i = 0; i < 4; i++)
        offer(&driver, 0);
    store_relaxed(used_event(&driver), 7);
    while (echo->nr_held)
        virtq_push(echo_take(echo), 0);
    virtq_notify(driver.queue);
    g_assert_cmpuint(interrupts(), ==, 2);
    end();
}

/* The event stands where the device has found nothing more, and nowhere else. */
static void driver_is_asked_when_the_ring_is_empty(void)
{
    bql_assert_held();
    begin(VIRTIO_F_EVENT_IDX, 16);
    put_pair(0, 1);
    offer_quietly(&driver, 0);
    offer_quietly(&driver, 0);
    g_assert_cmpuint(load_relaxed(avail_event(&driver)), ==, 0);
    offer(&driver, 0);
    g_assert_cmpuint(load_relaxed(avail_event(&driver)), ==, 3);
    virtq_set_wants_notification(driver.queue, false);
    offer(&driver, 0);
    g_assert_cmpuint(load_relaxed(avail_event(&driver)), ==, 3);
    virtq_set_wants_notification(driver.queue, true);
    virtio_run_queue(&echo->device, 0);
    g_assert_cmpuint(load_relaxed(avail_event(&driver)), ==, 4);
    end();
}

static void flag_spares_notifications(void)
{
    bql_assert_held();
    begin(0, 16);
    g_assert_cmpuint(load_relaxed(used_flags(&driver)), ==, 0);
    virtq_set_wants_notification(driver.queue, false);
    g_assert_cmpuint(load_relaxed(used_flags(&driver)), ==, NO_NOTIFY);
    virtq_set_wants_notification(driver.queue, true);
    g_assert_cmpuint(load_relaxed(used_flags(&driver)), ==, 0);
    end();
}

/* ---- Turns and load
 * ------------------------------------------------------------------------------- */

static unsigned turns_before_other;

static void note_turns(struct deferred *deferred G_GNUC_UNUSED)
{
    turns_before_other = echo->nr_turns;
}

static void handler_takes_turns(void)
{
    bql_assert_held();
    struct deferred other = DEFERRED_INIT(note_turns);

    begin(0, 1024);
    put_pair(0, 1);
    echo->nr_turns = 0;
    for (unsigned i = 0; i < 1000; i++)
        offer_quietly(&driver, 0);
    virtio_doorbell(&echo->device, 0);
    (void)loop_defer(&other);
    run_loop();
    g_assert_cmpuint(load_acquire(used_index(&driver)), ==, 1000);
    g_assert_cmpuint(echo->most, <=, VIRTIO_TURN_CHAINS);
    g_assert_cmpuint(echo->nr_turns, >=, 1000 / VIRTIO_TURN_CHAINS);
    g_assert_cmpuint(turns_before_other, ==, 1);
    end();
}

static unsigned most_popped; /* in a turn */

/* Each large chain takes more than a turn has. */
static void handle_slowly(struct virtio_device *device, unsigned number)
{
    bql_assert_held();
    struct virtq_chain *chain;
    unsigned nr = 0;

    while (virtq_pop(virtio_queue(device, number), &chain) == VIRTQ_GOT) {
        const int64_t end_ns = monotonic_ns() + VIRTIO_TURN_NS;

        while (chain->nr_out + chain->in_size > 2 && monotonic_ns() < end_ns)
            continue;
        virtq_push(chain, 0);
        nr++;
        most_popped = MAX(most_popped, nr);
    }
}

static void large_chains_end_a_turn_in_time(void)
{
    bql_assert_held();
    struct virtio_ops ops;

    begin(0, 64);
    ops = *echo->device.ops;
    ops.handle_queue = handle_slowly;
    echo->device.ops = &ops;
    put_pair(0, 0x10000);             /* of many bytes */
    for (unsigned i = 2; i < 42; i++) /* of many pieces */
        put(&driver, i, DATA_AT, 1, i < 41 ? DESC_NEXT : 0, i + 1);
    put_pair(50, 1);
    for (unsigned head = 0; head <= 2; head += 2) {
        most_popped = 0;
        offer_quietly(&driver, 50); /* the small one costs nothing */
        for (unsigned i = 0; i < 4; i++)
            offer_quietly(&driver, head);
        virtio_doorbell(&echo->device, 0);
        run_loop();
        g_assert_cmpuint(most_popped, ==, 2);
    }
    g_assert_cmpuint(load_acquire(used_index(&driver)), ==, 10);
    end();
}

/* A handler that pops one and returns is called again, until it pops nothing. */
static void handle_one(struct virtio_device *device, unsigned number)
{
    bql_assert_held();
    struct virtq_chain *chain;

    echo->nr_turns++;
    if (virtq_pop(virtio_queue(device, number), &chain) == VIRTQ_GOT)
        echo_answer(chain);
}

static void handler_may_stop_early(void)
{
    bql_assert_held();
    struct virtio_ops ops;

    begin(0, 16);
    ops = *echo->device.ops;
    ops.handle_queue = handle_one;
    echo->device.ops = &ops;
    put_pair(0, 1);
    echo->nr_turns = 0;
    for (unsigned i = 0; i < 10; i++)
        offer_quietly(&driver, 0);
    virtio_doorbell(&echo->device, 0);
    run_loop();
    g_assert_cmpuint(load_acquire(used_index(&driver)), ==, 10);
    g_assert_cmpuint(echo->nr_turns, ==, 11);
    end();
}

/* What is in flight is bounded, and what has no room waits, without the driver's help. */
static void load_in_flight_is_bounded(void)
{
    bql_assert_held();
    enum { PIECES = 1000, OFFERED = 100 };
    struct virtq_chain *chain;

    begin(VIRTIO_F_INDIRECT_DESC, 128);
    echo->holds = true;
    for (unsigned i = 0; i < PIECES; i++)
        put_desc(&driver, TABLE_AT, i, DATA_AT, 1, i + 1 < PIECES ? DESC_NEXT : 0, i + 1);
    put(&driver, 0, TABLE_AT, PIECES * sizeof(struct desc), DESC_INDIRECT, 0);
    for (unsigned i = 0; i < OFFERED; i++)
        offer_quietly(&driver, 0);
    virtio_doorbell(&echo->device, 0);
    run_loop();
    g_assert_cmpuint(echo->nr_held, ==, 66); /* 65536 / 1001, and the one that goes over it */
    chain = echo_take(echo);
    check_out(chain, PIECES, PIECES);
    virtq_push(chain, 0);
    run_loop();
    g_assert_cmpuint(echo->nr_held, ==, 66);
    for (unsigned i = 0; i < OFFERED - 1; i++) {
        virtq_push(echo_take(echo), 0);
        run_loop();
    }
    g_assert_cmpuint(load_acquire(used_index(&driver)), ==, OFFERED);
    end();
}

/* ---- Generations
 * ------------------------------------------------------------------------------------ */

static void push_all(void *held)
{
    struct virtq_chain **chains = held;

    for (; *chains; chains++) {
        struct virtq *queue = (*chains)->queue;

        virtq_push(*chains, 0);
        virtq_notify(queue);
    }
}

/* On a thread of its own, to its end. */
static void push_from_thread(struct virtq_chain **chains) NO_THREAD_SAFETY /* gives the BQL back */
{
    struct thread *thread;

    bql_unlock();
    thread = thread_start("pusher", push_all, chains);
    g_assert_nonnull(thread);
    thread_join(thread);
    bql_lock();
}

static void late_chains_are_dropped(void)
{
    bql_assert_held();
    struct virtq_chain *late[3] = { NULL };

    begin(0, 16);
    echo->holds = true;
    put_pair(0, 1);
    offer(&driver, 0);
    offer(&driver, 0);
    late[0] = echo_take(echo);
    late[1] = echo_take(echo);
    virtio_set_status(&echo->device, 0);
    g_assert_cmpuint(virtio_get_status(&echo->device), ==, 0);
    negotiate(&echo->device, 0);
    driver = set_up(guest, &echo->device, 0, QUEUE_AT, 16);
    drive(&echo->device);
    put_pair(0, 1);
    push_from_thread(late);
    run_loop();
    check_nothing_used(&driver);
    g_assert_cmpuint(interrupts(), ==, 0);
    echo->holds = false;
    offer(&driver, 0);
    check_used(&driver, 0, 1);
    g_assert_cmpuint(interrupts(), ==, 1);
    end();
}

static void queue_is_reset_when_its_chains_are_back(void)
{
    bql_assert_held();
    struct virtq_chain *late;

    begin(VIRTIO_F_RING_RESET, 16);
    echo->holds = true;
    put_pair(0, 1);
    offer(&driver, 0);
    late = echo_take(echo);
    virtq_reset(driver.queue);
    g_assert_cmpuint(echo->nr_queue_resets, ==, 1);
    g_assert_true(virtq_is_resetting(driver.queue));
    g_assert_false(virtq_setup(driver.queue)->is_enabled);
    virtq_setup(driver.queue)->size = 16;
    virtq_enable(driver.queue); /* too early */
    g_assert_false(virtq_setup(driver.queue)->is_enabled);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 1);
    virtq_push(late, 1);
    check_nothing_used(&driver);
    g_assert_false(virtq_is_resetting(driver.queue));
    echo->holds = false;
    driver = set_up(guest, &echo->device, 0, QUEUE_AT, 8);
    g_assert_true(virtq_setup(driver.queue)->is_enabled);
    put_pair(0, 1);
    offer(&driver, 0);
    check_used(&driver, 0, 1);
    end();
}

static void without_the_feature_no_queue_is_reset(void)
{
    bql_assert_held();
    begin(0, 16);
    virtq_reset(driver.queue);
    g_assert_true(virtq_is_ready(driver.queue));
    g_assert_cmpuint(guest_errors(&echo->device), ==, 1);
    end();
}

/* ---- Threads
 * ------------------------------------------------------------------------------------------ */

enum { PUSHERS = 3, EACH = 300 };

struct pusher {
    struct virtq_chain *chains[EACH + 1];
};

static void many_threads_push(void) NO_THREAD_SAFETY /* gives the BQL back */
{
    static struct pusher pushers[PUSHERS];
    struct thread *threads[PUSHERS];
    bool seen[1024] = { false };
    struct used_element element;

    begin(VIRTIO_F_EVENT_IDX, 1024);
    echo->holds = true;
    for (unsigned i = 0; i < PUSHERS * EACH; i++) {
        put(&driver, i, DATA_AT, 8, 0, 0);
        offer_quietly(&driver, i);
    }
    virtio_doorbell(&echo->device, 0);
    run_loop();
    for (unsigned i = 0; i < PUSHERS * EACH; i++)
        pushers[i % PUSHERS].chains[i / PUSHERS] = echo_take(echo);
    for (unsigned i = 0; i < PUSHERS; i++)
        threads[i] = thread_start("pusher", push_all, pushers[i].chains);
    /* Meanwhile the driver looks, and asks to be told of the next one. */
    for (unsigned nr = 0; nr < PUSHERS * EACH;) {
        store_relaxed(used_event(&driver), driver.taken);
        if (!take_used(&driver, &element))
            continue;
        g_assert_false(seen[element.id]);
        seen[element.id] = true;
        nr++;
    }
    bql_unlock();
    for (unsigned i = 0; i < PUSHERS; i++)
        thread_join(threads[i]);
    bql_lock();
    check_nothing_used(&driver);
    g_assert_cmpuint(interrupts(), >, 0);
    end();
}

/* Whenever a reset comes, nothing reaches the driver after it: no entry, and no interrupt. */
static void pushes_meet_resets(void) NO_THREAD_SAFETY /* gives the BQL back */
{
    enum { ROUNDS = 100 };
    static struct pusher pushers[2];

    begin(0, 16);
    echo->holds = true;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct thread *threads[2];
        uint16_t used;
        unsigned told;

        for (unsigned i = 0; i < 16; i++) {
            put(&driver, i, DATA_AT, 8, DESC_WRITE, 0);
            offer_quietly(&driver, i);
        }
        virtio_doorbell(&echo->device, 0);
        run_loop();
        memset(pushers, 0, sizeof(pushers));
        for (unsigned i = 0; i < 16; i++)
            pushers[i % 2].chains[i / 2] = echo_take(echo);
        for (unsigned i = 0; i < 2; i++)
            threads[i] = thread_start("pusher", push_all, pushers[i].chains);
        while (load_acquire(used_index(&driver)) < round % 16)
            ; /* some are through, and then it comes */
        virtio_set_status(&echo->device, 0);
        used = load_acquire(used_index(&driver));
        told = interrupts();
        bql_unlock();
        for (unsigned i = 0; i < 2; i++)
            thread_join(threads[i]);
        bql_lock();
        g_assert_cmpuint(load_acquire(used_index(&driver)), ==, used);
        g_assert_cmpuint(interrupts(), ==, told);
        negotiate(&echo->device, 0);
        driver = set_up(guest, &echo->device, 0, QUEUE_AT, 16);
        drive(&echo->device);
    }
    g_assert_cmpuint(guest_errors(&echo->device), ==, 0);
    end();
}

static void without_leave_memory_is_not_touched(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin(0, 16);
    echo->holds = true;
    put_pair(0, 1);
    offer(&driver, 0);
    virtio_set_memory_access(&echo->device, false);
    offer(&driver, 0);
    g_assert_cmpuint(echo->nr_held, ==, 1);
    chain = echo_take(echo);
    virtq_push(chain, 1);
    virtq_notify(driver.queue);
    check_nothing_used(&driver);
    g_assert_cmpuint(interrupts(), ==, 0);
    virtio_set_memory_access(&echo->device, true); /* the notification is not lost */
    run_loop();
    g_assert_cmpuint(echo->nr_held, ==, 1);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 0);
    end();
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
#define TEST(name) { "/virtq/" #name, name }
        TEST(simple_chain_is_echoed),
        TEST(tables_come_alone_or_behind_others),
        TEST(buffer_over_a_border_is_in_pieces),
        TEST(table_over_a_border_is_read),
        TEST(empty_buffers_do_no_harm),
        TEST(indices_wrap_without_events),
        TEST(indices_wrap_with_events),
        TEST(flag_spares_interrupts),
        TEST(event_says_when_to_interrupt),
        TEST(driver_is_asked_when_the_ring_is_empty),
        TEST(flag_spares_notifications),
        TEST(handler_takes_turns),
        TEST(large_chains_end_a_turn_in_time),
        TEST(handler_may_stop_early),
        TEST(load_in_flight_is_bounded),
        TEST(late_chains_are_dropped),
        TEST(queue_is_reset_when_its_chains_are_back),
        TEST(without_the_feature_no_queue_is_reset),
        TEST(many_threads_push),
        TEST(pushes_meet_resets),
        TEST(without_leave_memory_is_not_touched),
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}

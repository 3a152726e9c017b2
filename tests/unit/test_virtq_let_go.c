/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains that wait without their buffers: virtq_let_go(), and answers by address. */
#include "hw/mem/code_gate.h"
#include "tests/virtio/echo.h"

enum {
    QUEUE_AT = 0x1000,
    DATA_AT = 0x20000,
    ANSWER_AT = 0x30000,
    BLOB_AT = 0x100000,
    BLOB_SIZE = 0x4000,
};

static struct guest *guest;
static struct echo *echo;
static struct driver driver;
static struct region *blob;
static uint8_t *blob_host;
static int nr_released;

/* A device that holds its chains, and memory at BLOB_AT that will go. */
static void begin(void) REQUIRES(bql)
{
    guest = guest_new();
    echo = echo_new(guest, 16);
    echo_count(echo);
    echo->holds = true;
    negotiate(&echo->device, 0);
    driver = set_up(guest, &echo->device, 0, QUEUE_AT, 16);
    drive(&echo->device);
    blob_host = g_aligned_alloc0(1, BLOB_SIZE, RAM_PAGE);
    blob = region_new_host(guest->scene.mem, "blob", blob_host, BLOB_SIZE, false);
    nr_released = 0;
    region_on_released(blob, count_release, &nr_released);
    put_in(guest->scene.root, BLOB_AT, blob, 0);
}

static void unmap_blob(void) REQUIRES(bql)
{
    take_out_and_forget(blob);
    blob = NULL;
    drain_call_rcu();
}

static void end(void) REQUIRES(bql)
{
    echo_free(echo);
    if (blob)
        unmap_blob();
    g_assert_cmpint(load_relaxed(&nr_released), ==, 1);
    guest_free(guest);
    g_aligned_free(blob_host);
}

/* What the driver offers at @head, let go. */
static struct virtq_chain *let_go(unsigned head) REQUIRES(bql)
{
    struct virtq_chain *chain;

    offer(&driver, head);
    chain = echo_take(echo);
    virtq_let_go(chain);
    return chain;
}

static void push_text(struct virtq_chain *chain, const char *text)
{
    struct iovec pieces[] = { { (void *)(uintptr_t)text, 2 },
                              { NULL, 0 },
                              { (void *)(uintptr_t)(text + 2), strlen(text) - 2 } };

    virtq_push_bytes(chain, pieces, ARRAY_SIZE(pieces));
    virtq_notify(driver.queue);
}

static uint64_t nr_holders(void)
{
    struct mem_stats stats;

    mem_get_stats(guest->scene.mem, &stats);
    return stats.dma_holders;
}

static void nothing_is_held_and_the_answer_arrives(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin();
    put(&driver, 0, DATA_AT, 12, DESC_NEXT, 1);
    put(&driver, 1, ANSWER_AT, 4, DESC_WRITE | DESC_NEXT, 2);
    put(&driver, 2, ANSWER_AT + 8, 64, DESC_WRITE, 0);
    chain = let_go(0);
    g_assert_cmpuint(nr_holders(), ==, 0);
    g_assert_cmpuint(chain->nr_out + chain->nr_in, ==, 0);
    g_assert_cmpuint(chain->out_size, ==, 12);
    g_assert_cmpuint(chain->in_size, ==, 68);
    g_assert_true(virtq_of_chain(chain) == driver.queue);
    push_text(chain, "answered");
    check_used(&driver, 0, 8);
    g_assert_cmpmem(at(&driver, ANSWER_AT), 12, "answ\0\0\0\0ered", 12);
    g_assert_cmpuint(load_relaxed(&echo->nr_queue_interrupts), ==, 1);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 0);
    end();
}

static void answer_is_cut_to_its_room_and_crosses_borders(void)
{
    bql_assert_held();

    begin();
    put(&driver, 0, LOW_SIZE - 3, 6, DESC_WRITE, 0);
    push_text(let_go(0), "answered");
    check_used(&driver, 0, 6);
    g_assert_cmpmem(guest->low + LOW_SIZE - 3, 3, "ans", 3);
    g_assert_cmpmem(guest->high, 4, "wer\0", 4);
    put(&driver, 1, DATA_AT, 1, 0, 0); /* no room at all */
    push_text(let_go(1), "answered");
    check_used(&driver, 1, 0);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 0);
    end();
}

static void waiting_chain_holds_up_no_unmap(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin();
    put(&driver, 0, BLOB_AT + 64, 8, DESC_NEXT, 1);
    put(&driver, 1, BLOB_AT, 64, DESC_WRITE, 0);
    chain = let_go(0);
    unmap_blob();
    g_assert_cmpint(load_relaxed(&nr_released), ==, 1);
    push_text(chain, "answered"); /* there is nothing any more */
    check_used(&driver, 0, 8);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 1);
    g_assert_cmpmem(blob_host, 8, "\0\0\0\0\0\0\0\0", 8);
    end();
}

static void what_still_is_ram_gets_its_part(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin();
    put(&driver, 0, BLOB_AT, 4, DESC_WRITE | DESC_NEXT, 1);
    put(&driver, 1, ANSWER_AT, 4, DESC_WRITE, 0);
    chain = let_go(0);
    unmap_blob();
    push_text(chain, "answered");
    check_used(&driver, 0, 8);
    g_assert_cmpmem(at(&driver, ANSWER_AT), 4, "ered", 4);
    g_assert_cmpuint(guest_errors(&echo->device), ==, 1);
    end();
}

static void answer_goes_where_the_address_leads_now(void)
{
    bql_assert_held();
    struct virtq_chain *chain;
    struct region *front;
    uint8_t *host = g_aligned_alloc0(1, RAM_PAGE, RAM_PAGE);

    begin();
    put(&driver, 0, BLOB_AT, 64, DESC_WRITE, 0);
    chain = let_go(0);
    front = region_new_host(guest->scene.mem, "front", host, RAM_PAGE, false);
    put_in(guest->scene.root, BLOB_AT, front, 1);
    push_text(chain, "answered");
    check_used(&driver, 0, 8);
    g_assert_cmpmem(host, 8, "answered", 8);
    g_assert_cmpmem(blob_host, 8, "\0\0\0\0\0\0\0\0", 8);
    take_out_and_forget(front);
    drain_call_rcu();
    g_aligned_free(host);
    end();
}

static void cached_code_hears_of_it(void)
{
    bql_assert_held();
    uint64_t ticket;

    begin();
    put(&driver, 0, ANSWER_AT, 64, DESC_WRITE, 0);
    g_assert_false(code_gate_mark(guest->ram[0], ANSWER_AT / RAM_PAGE, 1, &ticket));
    push_text(let_go(0), "answered");
    g_assert_cmpuint(code_gate_marks(guest->ram[0], ANSWER_AT / RAM_PAGE), ==, 0);
    end();
}

static void nothing_of_before_a_reset_is_written(void)
{
    bql_assert_held();
    struct virtq_chain *chain;

    begin();
    put(&driver, 0, ANSWER_AT, 64, DESC_WRITE, 0);
    chain = let_go(0);
    virtio_set_status(&echo->device, 0);
    negotiate(&echo->device, 0);
    driver = set_up(guest, &echo->device, 0, QUEUE_AT, 16);
    drive(&echo->device);
    push_text(chain, "answered");
    check_nothing_used(&driver);
    g_assert_cmpmem(at(&driver, ANSWER_AT), 8, "\0\0\0\0\0\0\0\0", 8);
    g_assert_cmpuint(load_relaxed(&echo->nr_queue_interrupts), ==, 0);
    put(&driver, 0, ANSWER_AT, 64, DESC_WRITE, 0);
    virtq_drop(let_go(0));
    check_nothing_used(&driver);
    end(); /* with nothing in flight, else it aborts */
}

/* The rings lie in what goes. */
static void ring_in_a_blob_works_until_that_goes(void)
{
    bql_assert_held();
    struct virtq_chain *chain;
    struct virtq *queue;

    begin();
    queue = virtio_queue(&echo->device, 1);
    virtio_set_status(&echo->device, 0);
    negotiate(&echo->device, 0);
    *virtq_setup(queue) = (struct virtq_setup){
        .size = 16, .desc = BLOB_AT, .avail = BLOB_AT + 0x1000, .used = BLOB_AT + 0x2000
    };
    virtq_enable(queue);
    drive(&echo->device);
    *(struct desc *)(void *)blob_host = (struct desc){ ANSWER_AT, 64, DESC_WRITE, 0 };
    ((uint16_t *)(void *)(blob_host + 0x1000))[1] = 2; /* twice the same head */
    virtio_doorbell(&echo->device, 1);
    run_loop();
    g_assert_cmpuint(echo->nr_held, ==, 2);
    chain = echo_take(echo);
    virtq_let_go(chain);
    push_text(chain, "answered");
    g_assert_cmpuint(((uint16_t *)(void *)(blob_host + 0x2000))[1], ==, 1);
    chain = echo_take(echo);
    virtq_let_go(chain);
    unmap_blob();
    g_assert_cmpint(load_relaxed(&nr_released), ==, 1);
    push_text(chain, "too late");
    run_loop();
    g_assert_cmpuint(((uint16_t *)(void *)(blob_host + 0x2000))[1], ==, 1);
    g_assert_cmpuint(virtio_get_status(&echo->device) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    end();
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
#define TEST(name) { "/virtq_let_go/" #name, name }
        TEST(nothing_is_held_and_the_answer_arrives),
        TEST(answer_is_cut_to_its_room_and_crosses_borders),
        TEST(waiting_chain_holds_up_no_unmap),
        TEST(what_still_is_ram_gets_its_part),
        TEST(answer_goes_where_the_address_leads_now),
        TEST(cached_code_hears_of_it),
        TEST(nothing_of_before_a_reset_is_written),
        TEST(ring_in_a_blob_works_until_that_goes),
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}

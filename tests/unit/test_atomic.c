/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Store buffering: two threads each store to a word of their own and then load
 * the other's. With a full barrier between, at least one sees the other's
 * store. Without, x86 too lets both miss it: hundreds of times in these tries,
 * provided that the threads do run at the same time.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "tests/tap.h"
#include "util/atomic.h"

enum { NR_TRIES = 50000, LEAD = 64 };

struct side {
    CACHE_ALIGNED uint32_t words[NR_TRIES]; /* stored to by its thread; atomic */
    uint32_t seen[NR_TRIES];                /* what it saw of the other's; its own */
    struct side *other;
    void (*store)(uint32_t *word);
    unsigned progress; /* atomic */
};

static struct side sides[2];

static void store_then_barrier(uint32_t *word)
{
    store_relaxed(word, 1);
    smp_mb();
}

static void rmw_then_barrier(uint32_t *word)
{
    fetch_add(word, 1);
    smp_mb_after_rmw();
}

/* In step with the other side to within a few tries: apart, they would test nothing. */
static void *run_side(void *opaque)
{
    struct side *side = opaque;

    for (unsigned i = 0; i < NR_TRIES; i++) {
        if (i % LEAD == 0) {
            store_relaxed(&side->progress, i + 1);
            while (load_relaxed(&side->other->progress) < i + 1)
                sched_yield();
        }
        side->store(&side->words[i]);
        side->seen[i] = load_relaxed(&side->other->words[i]);
    }
    return NULL;
}

static void check_store_buffering(void (*store)(uint32_t *word))
{
    pthread_t thread;
    unsigned both_missed = 0;

    memset(sides, 0, sizeof(sides));
    for (unsigned i = 0; i < 2; i++) {
        sides[i].other = &sides[1 - i];
        sides[i].store = store;
    }
    if (pthread_create(&thread, NULL, run_side, &sides[1]) != 0)
        bail_out("no thread");
    run_side(&sides[0]);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < NR_TRIES; i++)
        both_missed += !sides[0].seen[i] && !sides[1].seen[i];
    is(both_missed, 0);
}

static void smp_mb_orders_a_store_before_a_load(void)
{
    check_store_buffering(store_then_barrier);
}

static void rmw_orders_itself_before_a_load(void)
{
    check_store_buffering(rmw_then_barrier);
}

static void operations_return_what_was_there(void)
{
    uint32_t word = 10;
    uint32_t expected = 7;

    is(fetch_add(&word, 5), 10);
    is(fetch_sub(&word, 3), 15);
    is(fetch_or(&word, 3), 12);
    is(fetch_and(&word, 6), 15);
    is(atomic_xchg(&word, 9), 6);
    is(fetch_add_relaxed(&word, 1), 9);
    ok(!atomic_cas(&word, &expected, 1));
    is(expected, 10);
    is(word, 10);
    ok(atomic_cas(&word, &expected, 1));
    is(word, 1);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(operations_return_what_was_there),
        TAP_TEST(smp_mb_orders_a_store_before_a_load),
        TAP_TEST(rmw_orders_itself_before_a_load),
    };

    return TAP_RUN(tests, argc, argv);
}

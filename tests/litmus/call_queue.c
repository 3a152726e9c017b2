/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CBMC: callbacks leave the queue in the order in which they were pushed, each
 * once, with the real rcu_queue_push(), rcu_queue_take(), turn_round() and
 * rcu_queue_pop_due() of util/rcu_queue.c. Another producer gets in between any load and
 * compare-and-swap of rcu_queue_push(); the rcu thread takes at any time between pushes.
 *
 * WRONG_NO_RETRY must fail: a producer stores what it has prepared, whoever
 * came in between. WRONG_NO_TURN likewise: what was taken is not turned round.
 */
#include "util/atomic.h"

static void world_moves(void);
_Bool nondet_choice(void);

#undef atomic_cas
#ifdef WRONG_NO_RETRY
#define atomic_cas(p, expected, desired) (world_moves(), *(p) = (desired), 1)
#else
#define atomic_cas(p, expected, desired)                                                           \
    (world_moves(), __atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_SEQ_CST,   \
                                                __ATOMIC_RELAXED))
#endif
#include "util/rcu_queue.c"

#define HEADS 3

static struct rcu_head heads[HEADS];
static int pushed[HEADS]; /* the order in which they got in */
static int nr_pushed, nr_taken;
static bool is_in_world; /* the other producer is at it: nobody gets in between a second time */
static int next_head;

bool rcu_is_completed(unsigned long number UNUSED)
{
    return true;
}

int64_t monotonic_ns(void)
{
    return 0;
}

static void push_one(void)
{
    int mine = next_head++;
    bool was_empty;

    was_empty = rcu_queue_push(&rcu_queue_plain, &heads[mine]);
    pushed[nr_pushed++] = mine; /* the other producer, if any, got in before us */
    __CPROVER_assert(!was_empty || heads[mine].next == NULL, "an empty queue is seen as empty");
}

static void world_moves(void)
{
    if (is_in_world || next_head == HEADS || !nondet_choice())
        return;
    is_in_world = true;
    push_one();
    is_in_world = false;
}

/* What was pushed is taken; the oldest is run, or may be. */
static void take(bool runs_one)
{
    struct rcu_head *head;

#ifdef WRONG_NO_TURN
    *rcu_queue_plain.waiting_end = rcu_queue_plain.pushed;
    rcu_queue_plain.waiting_end = rcu_list_end(&rcu_queue_plain.waiting);
    rcu_queue_plain.pushed = NULL;
#else
    rcu_queue_take(&rcu_queue_plain);
#endif
    __CPROVER_assert(*rcu_queue_plain.waiting_end == NULL, "the list ends where it says");
    if (runs_one && (head = rcu_queue_pop_due(&rcu_queue_plain))) {
        __CPROVER_assert(nr_taken < nr_pushed && head == &heads[pushed[nr_taken]],
                         "callbacks run in the order in which they were queued");
        nr_taken++;
    }
}

int main(void)
{
    while (next_head < HEADS) {
        push_one();
        if (nondet_choice())
            take(nondet_choice());
    }
    for (int i = 0; i < HEADS; i++)
        take(true);
    __CPROVER_assert(nr_taken == HEADS, "none is lost");
    return 0;
}

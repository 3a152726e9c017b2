/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Lists of callbacks: how they are queued, taken and found due. Private to RCU.
 *
 * Producers push onto a stack with one compare-and-swap; the rcu thread takes
 * all at once and turns them round. A swap is whole at any instant, so a fork
 * between any two instructions finds the stack in order. (A queue with a tail
 * pointer has an instant at which the last element is not linked yet.)
 */
#ifndef UTIL_RCU_QUEUE_H
#define UTIL_RCU_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/annotate.h"
#include "util/rcu.h"

struct rcu_queue {
    struct rcu_head *pushed; /* newest first; atomic */
    int64_t pushed_ns;       /* when the first of these was; atomic */

    /* The rcu thread's own, changed so that a fork at any instant finds a whole list. */
    CACHE_ALIGNED struct rcu_head *waiting; /* oldest first */
    struct rcu_head **waiting_end;
    int64_t waiting_ns; /* when the oldest was pushed; 0: not known */
};

extern struct rcu_queue rcu_queue_plain; /* for the rcu thread … */
extern struct rcu_queue rcu_queue_bql;   /* … and for the main loop, under the BQL */

/** Any thread. True if the queue was empty, so that the rcu thread may be asleep. */
bool rcu_queue_push(struct rcu_queue *queue, struct rcu_head *head);

/** The rest is the rcu thread's. What was pushed waits, in the order in which it was. */
void rcu_queue_take(struct rcu_queue *queue);

/**
 * Whether the oldest's grace period has ended; it, or NULL; all such, oldest
 * first, with their end and number (NULL and 0 if there is none).
 */
bool rcu_queue_is_due(const struct rcu_queue *queue);
struct rcu_head *rcu_queue_pop_due(struct rcu_queue *queue);
struct rcu_head *rcu_queue_cut_due(struct rcu_queue *queue, struct rcu_head ***ret_end,
                                   size_t *ret_nr);

/** How long the oldest has waited, once for each batch: into rcu_hist_callback. */
void rcu_queue_note_delay(struct rcu_queue *queue);

/** Where to append to @list. */
struct rcu_head **rcu_list_end(struct rcu_head **list);

void rcu_queue_fork_prepare(void);
void rcu_queue_fork_parent(void);
void rcu_queue_fork_child(struct rcu_queue *queue); /* its ends; after the lists were sifted */
void rcu_queue_fork_done(void);

#endif

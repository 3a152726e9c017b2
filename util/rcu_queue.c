/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>

#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/rcu_queue.h"

struct rcu_queue rcu_queue_plain = { .waiting_end = &rcu_queue_plain.waiting };
struct rcu_queue rcu_queue_bql = { .waiting_end = &rcu_queue_bql.waiting };

/* Held by the rcu thread while it turns a list round, so that a fork waits for it. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

bool rcu_queue_push(struct rcu_queue *queue, struct rcu_head *head)
{
    struct rcu_head *old = load_relaxed(&queue->pushed);

    do {
        head->next = old;
        if (!old)
            store_relaxed(&queue->pushed_ns, monotonic_ns());
    } while (!atomic_cas(&queue->pushed, &old, head)); /* release: pairs with rcu_queue_take() */
    return old == NULL;
}

/* From newest first to oldest first; the last one then is @head. */
static struct rcu_head *turn_round(struct rcu_head *head)
{
    struct rcu_head *turned = NULL, *next;

    for (; head; head = next) {
        next = head->next;
        head->next = turned;
        turned = head;
    }
    return turned;
}

struct rcu_head **rcu_list_end(struct rcu_head **list)
{
    while (*list)
        list = &(*list)->next;
    return list;
}

void rcu_queue_take(struct rcu_queue *queue)
{
    struct rcu_head *newest;

    if (!load_relaxed(&queue->pushed))
        return;
    pthread_mutex_lock(&list_lock);
    if (!queue->waiting)
        queue->waiting_ns = load_relaxed(&queue->pushed_ns);
    newest = atomic_xchg(&queue->pushed, NULL); /* acquire: pairs with rcu_queue_push() */
    if (MUTANT(callbacks_reversed)) {
        *queue->waiting_end = newest;
        queue->waiting_end = rcu_list_end(&queue->waiting);
    } else {
        *queue->waiting_end = turn_round(newest);
        queue->waiting_end = &newest->next;
    }
    pthread_mutex_unlock(&list_lock);
}

static bool is_due(const struct rcu_head *head)
{
    return head && rcu_is_completed(head->need - (MUTANT(callback_early) ? RCU_STEP : 0));
}

bool rcu_queue_is_due(const struct rcu_queue *queue)
{
    return is_due(queue->waiting);
}

struct rcu_head *rcu_queue_pop_due(struct rcu_queue *queue)
{
    struct rcu_head *head = queue->waiting;

    if (!is_due(head))
        return NULL;
    queue->waiting = head->next;
    if (!queue->waiting)
        queue->waiting_end = &queue->waiting;
    return head;
}

void rcu_queue_note_delay(struct rcu_queue *queue)
{
    if (queue->waiting_ns == 0)
        return;
    hist_record(&rcu_hist_callback, (uint64_t)(monotonic_ns() - queue->waiting_ns));
    queue->waiting_ns = 0;
}

struct rcu_head *rcu_queue_cut_due(struct rcu_queue *queue, struct rcu_head ***ret_end,
                                   size_t *ret_nr)
{
    struct rcu_head *first = NULL, **end = &first, *head;

    *ret_nr = 0;
    while ((head = rcu_queue_pop_due(queue))) {
        head->next = NULL;
        *end = head;
        end = &head->next;
        (*ret_nr)++;
    }
    *ret_end = first ? end : NULL;
    return first;
}

/* ---- Fork ----------------------------------------------------------------------- */

void rcu_queue_fork_prepare(void)
{
    pthread_mutex_lock(&list_lock);
}

void rcu_queue_fork_parent(void)
{
    pthread_mutex_unlock(&list_lock);
}

void rcu_queue_fork_child(struct rcu_queue *queue)
{
    queue->waiting_end = rcu_list_end(&queue->waiting);
}

void rcu_queue_fork_done(void)
{
    pthread_mutex_unlock(&list_lock);
}

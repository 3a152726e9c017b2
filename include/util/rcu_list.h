/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Lists of util/list.h that are walked without a lock, inside RCU read sections.
 *
 * Writers hold the list's lock (the caller's; no function here takes one) and
 * change a list that has readers only with the functions of this file. With the
 * lock held they may look with those of list.h: list_for_each, list_is_linked.
 *
 * Readers go forward only. They meet each node that was in the list throughout
 * their walk exactly once, in order; of nodes that come and go meanwhile, some.
 * A removed node keeps its `next`, so a reader that stands on it walks on. It may
 * therefore be freed, or put into any list again, only after a grace period:
 *
 *     list_remove_rcu(&route->link);
 *     call_rcu(route, route_free, rcu_head);
 *
 * Ordering: a node is published with a release, and reached with an acquire, so
 * readers see what was written into it before. `prev` belongs to the writers.
 */
#ifndef UTIL_RCU_LIST_H
#define UTIL_RCU_LIST_H

#include "util/atomic.h"
#include "util/list.h"
#include "util/rcu_reader.h" /* the capability rcu */

/* ---- Writers: with the list's lock ----------------------------------------- */

/** Link @node, which is in no list and seen by no reader, behind @where. */
static inline void list_insert_after_rcu(struct list_node *where, struct list_node *node)
{
    struct list_node *next = where->next;

    assert(!list_is_linked(node));
    node->next = next;
    node->prev = where;
    next->prev = node;
    store_release(&where->next, node); /* pairs with the acquire in list_next_rcu() */
}

static inline void list_insert_head_rcu(struct list *list, struct list_node *node)
{
    list_insert_after_rcu(&list->root, node);
}

static inline void list_insert_tail_rcu(struct list *list, struct list_node *node)
{
    list_insert_after_rcu(list->root.prev, node);
}

/** Unlink @node. Readers may stand on it until a grace period has ended. */
static inline void list_remove_rcu(struct list_node *node)
{
    assert(list_is_linked(node));
    node->next->prev = node->prev;
    /* release: pairs with the acquire in list_next_rcu(). The successor was published before,
     * perhaps by another thread, but a reader that reads this store synchronises with us only. */
    store_release(&node->prev->next, node->next);
    node->prev = NULL;
}

/** Put @node where @old is. A reader meets one of the two. @old is as after list_remove_rcu(). */
static inline void list_replace_rcu(struct list_node *old, struct list_node *node)
{
    assert(list_is_linked(old) && !list_is_linked(node));
    node->next = old->next;
    node->prev = old->prev;
    node->next->prev = node;
    store_release(&node->prev->next, node); /* pairs with the acquire in list_next_rcu() */
    old->prev = NULL;
}

/* ---- Readers: inside one section from the first to the last access ---------- */

/** The node after @node, itself perhaps removed since it was reached; NULL at the end. */
static inline struct list_node *list_next_rcu(const struct list *list, const struct list_node *node)
    REQUIRES_SHARED(rcu)
{
    struct list_node *next = load_acquire(&node->next); /* pairs with the writers' releases */

    return next == &list->root ? NULL : next;
}

/** The first node, or NULL. Ask once: the list may be empty a moment later. */
static inline struct list_node *list_first_rcu(const struct list *list) REQUIRES_SHARED(rcu)
{
    return list_next_rcu(list, &list->root);
}

#define list_first_entry_rcu(list, type, member)                                                   \
    list_entry_or_null(list_first_rcu(list), type, member)

#define list_next_entry_rcu(entry, list, member)                                                   \
    list_entry_or_null(list_next_rcu((list), &(entry)->member), __typeof__(*(entry)), member)

/** @entry goes through @list and is NULL after a complete walk. */
#define list_for_each_rcu(entry, list, member)                                                     \
    for ((entry) = list_first_entry_rcu((list), __typeof__(*(entry)), member); (entry);            \
         (entry) = list_next_entry_rcu((entry), (list), member))

#endif

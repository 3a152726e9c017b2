/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A doubly linked list whose nodes lie inside what is listed.
 *
 *     struct list jobs;
 *     struct job { struct list_node link; ... } *job;
 *
 *     list_init(&jobs);
 *     list_insert_tail(&jobs, &job->link);
 *     list_for_each(job, &jobs, link)
 *         run(job);
 *
 * Nothing is allocated; every operation takes constant time. Head and nodes are
 * of two types, so that one cannot be given for the other.
 *
 * Threads: as any plain data, under one lock. Lists with readers that take no
 * lock: util/rcu_list.h.
 * Lifetime: a list and its nodes stay where they are while linked.
 */
#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/annotate.h"

/* All zero, or after list_node_init() and list_remove(): in no list. */
struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

/* A ring: the root stands before the first and after the last node. */
struct list {
    struct list_node root;
};

static inline void list_init(struct list *list)
{
    list->root.next = &list->root;
    list->root.prev = &list->root;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->root.next == &list->root;
}

static inline void list_node_init(struct list_node *node)
{
    node->next = NULL;
    node->prev = NULL;
}

static inline bool list_is_linked(const struct list_node *node)
{
    return node->prev != NULL;
}

/** Link @node, which is in no list, between @where and the node before it. */
static inline void list_insert_before(struct list_node *where, struct list_node *node)
{
    assert(!list_is_linked(node));
    node->next = where;
    node->prev = where->prev;
    where->prev->next = node;
    where->prev = node;
}

static inline void list_insert_after(struct list_node *where, struct list_node *node)
{
    list_insert_before(where->next, node);
}

static inline void list_insert_head(struct list *list, struct list_node *node)
{
    list_insert_after(&list->root, node);
}

static inline void list_insert_tail(struct list *list, struct list_node *node)
{
    list_insert_before(&list->root, node);
}

/** Unlink @node from the list that it is in. */
static inline void list_remove(struct list_node *node)
{
    assert(list_is_linked(node));
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_node_init(node);
}

/** From its list to the head or tail of @list, which may be the same one. */
static inline void list_move_head(struct list *list, struct list_node *node)
{
    list_remove(node);
    list_insert_head(list, node);
}

static inline void list_move_tail(struct list *list, struct list_node *node)
{
    list_remove(node);
    list_insert_tail(list, node);
}

/** All of @from, in order, to the tail of @list; @from is empty afterwards. */
static inline void list_move_all(struct list *list, struct list *from)
{
    assert(list != from);
    if (list_is_empty(from))
        return;
    from->root.next->prev = list->root.prev;
    list->root.prev->next = from->root.next;
    from->root.prev->next = &list->root;
    list->root.prev = from->root.prev;
    list_init(from);
}

/** The neighbours of @node in @list, and the ends of @list; NULL where there is none. */
static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
    return node->next == &list->root ? NULL : node->next;
}

static inline struct list_node *list_prev(const struct list *list, const struct list_node *node)
{
    return node->prev == &list->root ? NULL : node->prev;
}

static inline struct list_node *list_first(const struct list *list)
{
    return list_next(list, &list->root);
}

static inline struct list_node *list_last(const struct list *list)
{
    return list_prev(list, &list->root);
}

/* The struct of @type whose @member is at @node, or NULL for NULL. Evaluates @node once. */
#define list_entry_or_null(node, type, member)                                                     \
    __extension__({                                                                                \
        struct list_node *list_node_ = (node);                                                     \
        list_node_ ? container_of(list_node_, type, member) : NULL;                                \
    })

#define list_first_entry(list, type, member) list_entry_or_null(list_first(list), type, member)

/**
 * @entry goes through @list and is NULL after a complete walk. The list must
 * not change at @entry; list_for_each_safe(), which keeps the successor in
 * @following, allows @entry to be removed or freed.
 */
#define list_for_each(entry, list, member)                                                         \
    for ((entry) = list_first_entry((list), __typeof__(*(entry)), member); (entry);                \
         (entry) = list_entry_or_null(list_next((list), &(entry)->member), __typeof__(*(entry)),   \
                                      member))

#define list_for_each_safe(entry, following, list, member)                                         \
    for ((entry) = list_first_entry((list), __typeof__(*(entry)), member);                         \
         (entry) && ((following) = list_entry_or_null(list_next((list), &(entry)->member),         \
                                                      __typeof__(*(entry)), member),               \
                    true);                                                                         \
         (entry) = (following))

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Listeners: who must know what a space's view consists of (KVM's memory slots,
 * dirty tracking).
 *
 * In a commit that changes the space, before the new view is published, with the
 * BQL: begin() of all; del() of each range that is no longer there as it was; add()
 * of each new one; end() of all. Ranges ascend; holes are not told. Listeners are
 * asked in the order in which they were added, for del() in the reverse order. A
 * range that only grows, shrinks or is split is deleted and added anew.
 *
 * add() may refuse: then what was told in this commit is told back (del() of what
 * was added, add() of what was deleted, which had room a moment ago: a refusal is
 * logged and the range is lost to that listener), end(false) follows, and the
 * commit fails. The region of a deleted range lives at least until end() returns.
 */
#ifndef HW_MEM_LISTENER_H
#define HW_MEM_LISTENER_H

#include "hw/mem/view.h"
#include "util/list.h"

struct mem_listener {
    const char *name;
    void (*begin)(struct mem_listener *listener); /* NULL is fine */
    void (*del)(struct mem_listener *listener, const struct range *range);
    bool (*add)(struct mem_listener *listener, const struct range *range, GError **error);
    void (*end)(struct mem_listener *listener, bool is_done); /* NULL is fine */
    struct list_node link;                                    /* private */
};

/** Outside a transaction. Told of each range there is; false if it refuses one. */
bool space_add_listener(struct space *space, struct mem_listener *listener, GError **error)
    MUST_CHECK REQUIRES(bql);

/** Outside a transaction. Each range is deleted. */
void space_del_listener(struct space *space, struct mem_listener *listener) REQUIRES(bql);

#endif

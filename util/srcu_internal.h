/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the two files of SRCU share: srcu_slots.c (threads, their slots, readers
 * off the fast path) below srcu.c (domains, grace periods).
 */
#ifndef UTIL_SRCU_INTERNAL_H
#define UTIL_SRCU_INTERNAL_H

#include "util/rcu_internal.h"
#include "util/srcu.h"

enum srcu_sum {
    SRCU_LOCKS,
    SRCU_UNLOCKS,
};

/** All sections of @srcu's @index entered, or left, by anybody ever. Acquires each count. */
unsigned long srcu_sum(const struct srcu_struct *srcu, int index, enum srcu_sum which);

/** Sections of @srcu's @index that the calling thread is inside. */
unsigned long srcu_own_sections(const struct srcu_struct *srcu, int index);

/** Put a new domain on the list, with a slot if there is one; take it off again. */
void srcu_registry_add(struct srcu_struct *srcu);
void srcu_registry_remove(struct srcu_struct *srcu);

/** In a forked child: forget the parent's driver. Registry locked. */
void srcu_fork_child_domain(struct srcu_struct *srcu);

#endif

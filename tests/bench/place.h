/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Which thread runs where.
 *
 * The measuring thread is pinned to one core, and readers to another. Helper
 * threads that a scheme starts (its callback thread) inherit the affinity of
 * whoever starts them, so they are started before anything is pinned.
 */
#ifndef TESTS_BENCH_PLACE_H
#define TESTS_BENCH_PLACE_H

#include <stdbool.h>

/** The cores to use: two that do not share one physical core, if there are. */
void place_init(void);
int place_own_cpu(void);
int place_other_cpu(void); /* -1 where there is one core only */
bool place_has_other_cpu(void);

/** Pin the calling thread, or let it run anywhere again. Aborts when the kernel refuses. */
void place_pin(int cpu);
void place_unpin(void);

#endif

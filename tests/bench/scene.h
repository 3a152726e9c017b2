/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the groups of rows share: the two cores, the thread on the other one,
 * sleeping, drawing delays, and the sampling loops.
 */
#ifndef TESTS_BENCH_SCENE_H
#define TESTS_BENCH_SCENE_H

#include <stdint.h>

#include "bench.h"
#include "other.h"
#include "peer.h"

#define ONE_CORE "one core only: no other core to put a reader on"

/** Start helper threads, pin, register, start the thread on the other core; print the machine. */
void scene_begin(void);
void scene_end(void);

/** The thread on the other core, without a job; NULL where there is one core. */
struct other *scene_other(void);

/** Sleep for @ns at least. */
void sleep_ns(int64_t ns);

/** From @low to @high, the same sequence in every run. */
int64_t draw_ns(int64_t low, int64_t high);

/** Sleep until @stamp's callback has run; how long after @start_ns that was, in µs. */
double stamp_wait_us(const struct stamp *stamp, int64_t start_ns);

/** One membarrier to every running thread of this process. */
void membarrier_once(void);

#endif

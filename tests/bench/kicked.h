/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A reader like a virtual CPU: it stays in its section until its notifier
 * raises a flag, which it polls at every block's head; then it leaves, and
 * re-enters at once.
 */
#ifndef TESTS_BENCH_KICKED_H
#define TESTS_BENCH_KICKED_H

#include <stdint.h>

#include "other.h"
#include "util/rcu.h"

struct kicked {
    struct rcu_notifier notifier;
    uint32_t flag; /* atomic */
};

/** A job for other_start(), with a struct kicked as its argument. */
void kicked_job(struct other *other);

#endif

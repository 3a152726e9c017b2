/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * TO BE DROPPED BY THE MERGE with the RCU core: what SRCU needs of it, word for
 * word as in util/rcu_internal.h. srcu.c then includes that file.
 */
#ifndef UTIL_SRCU_SEAM_H
#define UTIL_SRCU_SEAM_H

#include "util/annotate.h"
#include "util/clock.h"
#include "util/mutant.h"
#include "util/rcu_control.h"

void rcu_init(void);
void rcu_barrier_everywhere(void);
void rcu_report(const char *format, ...) PRINTF_LIKE(1, 2);
void rcu_misuse(const char *format, ...) PRINTF_LIKE(1, 2) COLD;
void rcu_assert_may_wait(const char *what);

#endif

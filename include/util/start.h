/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Start and end of floor 0: the one place where RCU, the BQL and the main loop
 * learn of each other.
 */
#ifndef UTIL_START_H
#define UTIL_START_H

#include "util/bql.h"
#include "util/rcu_control.h"

/**
 * On the main thread, before any other exists. Configures RCU (NULL: the
 * defaults), ignores SIGPIPE and SIGXFSZ, registers the thread, makes the main loop, and
 * returns with the BQL held. 0, or rcu_configure()'s error, with nothing started and the BQL free.
 */
int util_start(const struct rcu_config *rcu) MUST_CHECK TRY_ACQUIRE(0, bql);

/**
 * Waits for the callbacks that are pending, ends the main loop, and gives the
 * BQL back. Other threads have been joined.
 */
void util_stop(void) RELEASE(bql);

#endif

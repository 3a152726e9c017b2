/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SIGTERM, SIGINT and SIGHUP: the first presses the power button, and the guest has
 * SIGNALS_PATIENCE_NS to shut itself down. The second ends the machine, as does the
 * first where the guest does not listen.
 */
#ifndef UI_SIGNALS_H
#define UI_SIGNALS_H

#include <glib.h>
#include <stdbool.h>

#include "util/bql.h"

struct machine;
struct signals;

#define SIGNALS_PATIENCE_NS INT64_C(30000000000)

/** Before other threads start: they must not get these signals. */
void signals_block(void);

void signals_free(struct signals *signals) REQUIRES(bql); /* NULL is fine */
struct signals *signals_new(struct machine *machine, GError **error) OWNED_BY(signals_free)
    REQUIRES(bql);

/** Somebody else wants the machine to end, and @why: does what a signal does. */
void signals_ask_end(struct signals *signals, const char *why) REQUIRES(bql);

#endif

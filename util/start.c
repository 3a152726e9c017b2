/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/rcu.h"
#include "util/start.h"

/* ---- RCU callbacks on the main loop ------------------------------------------- */

static void run_bql_callbacks(struct deferred *deferred)
{
    bql_assert_held();
    if (rcu_run_bql_callbacks(NS_PER_MS)) /* design.md section 3, rule 6: 1 ms a turn */
        (void)loop_defer(deferred);       /* false: RCU has just done so */
}

static struct deferred bql_callbacks = DEFERRED_INIT(run_bql_callbacks);

static void bql_callbacks_ready(void)
{
    (void)loop_defer(&bql_callbacks); /* false: it will run anyway */
}

static void report(const char *line)
{
    log_warn("%s", line);
}

/* RCU calls these from its own threads; the analysis cannot follow a pointer anyway. */
static const struct rcu_host host = {
    .bql_is_mine = bql_is_mine,
    .bql_lock = bql_lock,
    .bql_unlock = bql_unlock,
    .is_main_loop = loop_is_mine,
    .bql_callbacks_ready = bql_callbacks_ready,
    .report = report,
};

/* ---- Composition ---------------------------------------------------------------- */

int util_start(const struct rcu_config *rcu_config) NO_THREAD_SAFETY
{
    if (rcu_config) {
        int error = rcu_configure(rcu_config);

        if (error)
            return error;
    }
    signal(SIGPIPE, SIG_IGN); /* who writes to a peer that has gone gets EPIPE */
    signal(SIGXFSZ, SIG_IGN); /* who writes beyond `ulimit -f` gets EFBIG */
    rcu_set_host(&host);
    rcu_register_thread();
    bql_lock();
    loop_init();
    return 0;
}

void util_stop(void) NO_THREAD_SAFETY
{
    drain_call_rcu(); /* on the main loop's thread it runs the callbacks itself */
    loop_cancel(&bql_callbacks);
    loop_fini();
    bql_unlock();
    rcu_unregister_thread();
    log_flush();
}

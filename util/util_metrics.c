/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/bql.h"
#include "util/log.h"
#include "util/metric.h"

/* Accounts appear as threads first take the BQL, so each text asks for them anew. */

static void put_wait(const struct bql_account *account, void *sink)
{
    metric_put_hist(sink, METRIC_LABELS({ "thread", account->name }), &account->wait);
}

static void put_hold(const struct bql_account *account, void *sink)
{
    metric_put_hist(sink, METRIC_LABELS({ "thread", account->name }), &account->hold);
}

static void put_contended(const struct bql_account *account, void *sink)
{
    metric_put_u64(sink, METRIC_LABELS({ "thread", account->name }),
                   load_relaxed(&account->contended));
}

static void put_slept(const struct bql_account *account, void *sink)
{
    metric_put_u64(sink, METRIC_LABELS({ "thread", account->name }), load_relaxed(&account->slept));
}

#define COLLECT(what)                                                                              \
    static void collect_##what(struct metric_sink *sink, void *arg UNUSED)                         \
    {                                                                                              \
        bql_for_each_account(put_##what, sink);                                                    \
    }
COLLECT(wait)
COLLECT(hold)
COLLECT(contended)
COLLECT(slept)
#undef COLLECT

static double read_log_errors(void *arg UNUSED)
{
    return (double)log_write_errors();
}

void util_metrics_register(struct metrics *metrics)
{
    metric_add_collector(metrics_family(metrics, METRIC_SECONDS, "gracevm_bql_wait_seconds",
                                        "From asking for the BQL to getting it."),
                         collect_wait, NULL, NULL);
    metric_add_collector(metrics_family(metrics, METRIC_SECONDS, "gracevm_bql_hold_seconds",
                                        "From getting the BQL to giving it back."),
                         collect_hold, NULL, NULL);
    metric_add_collector(metrics_family(metrics, METRIC_COUNTER, "gracevm_bql_contended_total",
                                        "Acquisitions of the BQL that had to wait."),
                         collect_contended, NULL, NULL);
    metric_add_collector(metrics_family(metrics, METRIC_COUNTER, "gracevm_bql_slept_total",
                                        "Acquisitions of the BQL that had to sleep."),
                         collect_slept, NULL, NULL);
    metric_add_read(metrics_family(metrics, METRIC_COUNTER, "gracevm_log_write_errors_total",
                                   "Lines of the log that could not be written."),
                    METRIC_NO_LABELS, read_log_errors, NULL, NULL);
}

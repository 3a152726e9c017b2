/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the program counts, as Prometheus text (exposition format 0.0.4).
 *
 * A *family* is a name with a type and a help text; its *samples* differ by
 * labels. Values stay where their owners keep them, plain atomic integers and
 * struct hist, and are read when the text is made. Names begin with "gracevm_";
 * counters end in "_total"; times are in seconds.
 *
 * Threads: any. Callbacks run with the registry's lock held (RANK_DEVICE): they
 * take leaf locks only, and may be called on any thread.
 */
#ifndef UTIL_METRIC_H
#define UTIL_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/annotate.h"
#include "util/hist.h"

struct metrics;       /* a registry; opaque */
struct metric_family; /* opaque; lives as long as its registry */

enum metric_type {
    METRIC_COUNTER, /* only grows; uint64_t */
    METRIC_GAUGE,   /* goes up and down */
    METRIC_SECONDS, /* a histogram; recorded in nanoseconds, shown in seconds */
    METRIC_BYTES,   /* a histogram of sizes */
};

/* Label names are literals of the program; values may be anything. */
struct metric_label {
    const char *name;
    const char *value;
};

/* `METRIC_LABELS({ "thread", name }, { "kind", "wait" })` */
#define METRIC_LABELS(...) ((const struct metric_label[]){ __VA_ARGS__, { NULL, NULL } })
#define METRIC_NO_LABELS ((const struct metric_label *)NULL)

void metrics_free(struct metrics *metrics);
struct metrics *metrics_new(void) OWNED_BY(metrics_free);

/**
 * The family of that @name, made if need be; strings must stay. A bad name, or
 * another type or help for a name that exists, is an error of the program: abort.
 */
struct metric_family *metrics_family(struct metrics *metrics, enum metric_type type,
                                     const char *name, const char *help);

/** A sample in its family. @owner is for metrics_remove(). Labels are copied. */
void metric_add_u64(struct metric_family *family, const struct metric_label *labels,
                    const uint64_t *value, const void *owner);
void metric_add_i64(struct metric_family *family, const struct metric_label *labels,
                    const int64_t *value, const void *owner);
void metric_add_hist(struct metric_family *family, const struct metric_label *labels,
                     const struct hist *hist, const void *owner);

/** A value that is computed when it is asked for. */
void metric_add_read(struct metric_family *family, const struct metric_label *labels,
                     double (*read)(void *arg), void *arg, const void *owner);

/** Samples that come and go: @collect puts them with metric_put_*(). */
struct metric_sink;
void metric_add_collector(struct metric_family *family,
                          void (*collect)(struct metric_sink *sink, void *arg), void *arg,
                          const void *owner);
void metric_put_u64(struct metric_sink *sink, const struct metric_label *labels, uint64_t value);
void metric_put_double(struct metric_sink *sink, const struct metric_label *labels, double value);
void metric_put_hist(struct metric_sink *sink, const struct metric_label *labels,
                     const struct hist *hist);

/** Forget all samples of @owner. After it, none of its values is read and no callback runs. */
void metrics_remove(struct metrics *metrics, const void *owner);

/** The whole text. What is wrong with @out is found by ferror(). */
void metrics_print(struct metrics *metrics, FILE *out);

/**
 * The same as one object of JSON: {"family": {"label=\"value\",…": number}}, "" without labels.
 * Histograms are as hist_print_json() has them, in nanoseconds or bytes.
 */
void metrics_print_json(struct metrics *metrics, FILE *out);

/* ---- Of this floor ---------------------------------------------------------------- */

void rcu_metrics_register(struct metrics *metrics);  /* rcu_metrics.c */
void util_metrics_register(struct metrics *metrics); /* util_metrics.c: the BQL, the log */

#endif

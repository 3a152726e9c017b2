/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "hw/gpu/gpu.h"
#include "hw/machine/machine.h"
#include "ui/save.h"
#include "util/metric.h"
#include "util/rcu_control.h"

void stats_print_rcu(FILE *out)
{
    struct rcu_stats stats;

    rcu_get_stats(&stats);
    fprintf(out,
            "{\"newest\":%lu,\"completed\":%lu,\"forced-upto\":%lu,\"forces\":%" PRIu64
            ",\"kicks\":%" PRIu64 ",\"rekicks\":%" PRIu64 ",\"barriers\":%" PRIu64
            ",\"sleeps\":%" PRIu64 ",\"reports\":%" PRIu64 ",\"stalls\":%" PRIu64
            ",\"misuses\":%" PRIu64 ",\"callbacks-queued\":%" PRIu64 ",\"callbacks-run\":%" PRIu64
            ",\"callbacks-peak\":%" PRIu64 ",\"throttles\":%" PRIu64 ",\"readers\":%u",
            stats.newest, stats.completed, stats.forced_upto, stats.forces, stats.kicks,
            stats.rekicks, stats.barriers, stats.sleeps, stats.reports, stats.stalls, stats.misuses,
            stats.callbacks_queued, stats.callbacks_run, stats.callbacks_peak, stats.throttles,
            stats.readers);
    fprintf(out, ",\"ns\":{\"normal\":");
    hist_print_json(&rcu_hist_normal, out);
    fprintf(out, ",\"forced\":");
    hist_print_json(&rcu_hist_forced, out);
    fprintf(out, ",\"kick\":");
    hist_print_json(&rcu_hist_kick, out);
    fprintf(out, ",\"callback\":");
    hist_print_json(&rcu_hist_callback, out);
    fprintf(out, "}}");
}

static void print_metrics(struct machine *machine, FILE *out) REQUIRES(bql)
{
    struct metrics *metrics = metrics_new();

    machine_metrics_register(machine, metrics);
    metrics_print_json(metrics, out);
    metrics_free(metrics);
}

static void print(struct machine *machine, FILE *out) REQUIRES(bql)
{
    struct gpu *gpu = machine_gpu(machine);

    fprintf(out, "{\"rcu\":");
    stats_print_rcu(out);
    fprintf(out, ",\"bql\":");
    bql_print_json(out);
    fprintf(out, ",\"gpu\":");
    if (gpu)
        gpu_print_latency_json(gpu, out);
    else
        fprintf(out, "null");
    fprintf(out, ",\"gpu-resources\":");
    if (gpu)
        gpu_print_resources_json(gpu, out);
    else
        fprintf(out, "null");
    fprintf(out, ",\"metrics\":");
    print_metrics(machine, out);
    fprintf(out, "}\n");
}

bool stats_write(struct machine *machine, const char *path, GError **error)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool is_done = false;

    if (out)
        print(machine, out);
    if (out && fclose(out) == 0)
        is_done = save_bytes(path, text, size, -1, error);
    else
        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno), "%s",
                    g_strerror(errno));
    free(text);
    if (!is_done)
        g_prefix_error(error, "-stats: ");
    return is_done;
}

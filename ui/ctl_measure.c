/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of what was measured: unmaps of blobs, grace periods. */
#include <math.h>
#include <string.h>

#include "ui/ctl_internal.h"
#include "util/clock.h"

enum { NAME = -12, COLUMN = 10 }; /* widths */

/* Beyond the first a person may see it, beyond the second everybody does. */
static enum ctl_colour colour_of(double ns)
{
    if (ns >= 10 * NS_PER_MS)
        return CTL_BAD;
    return ns >= NS_PER_MS ? CTL_WARNING : CTL_PLAIN;
}

static void put_time(GString *out, const struct ctl_style *style, double ns)
{
    char buffer[CTL_UNITS_MAX];

    ctl_put(out, style, colour_of(ns), COLUMN, ctl_time(buffer, ns));
}

static void put_nothing(GString *out, const struct ctl_style *style, unsigned columns)
{
    for (unsigned i = 0; i < columns; i++)
        ctl_put(out, style, CTL_DIM, COLUMN, "-");
}

static void put_head(GString *out, const struct ctl_style *style, const char *what)
{
    ctl_put_f(out, style, CTL_BOLD, 0, "%*s%*s%*s%*s%*s%*s", NAME, what, COLUMN, "count", COLUMN,
              "p50", COLUMN, "p90", COLUMN, "p99", COLUMN, "max");
}

/* "name count p50 p90 p99 max" of a histogram. */
static void put_hist(GString *out, const struct ctl_style *style, const char *name, JsonNode *hist)
{
    static const char *const times[] = { "p50", "p90", "p99", "max" };
    const int64_t count = ctl_number(hist, "count");
    g_autofree char *clean = ctl_clean(name, false);

    ctl_put(out, style, CTL_PLAIN, NAME, clean);
    ctl_put_f(out, style, CTL_PLAIN, COLUMN, "%" G_GINT64_FORMAT, count);
    if (count <= 0) {
        put_nothing(out, style, ARRAY_SIZE(times));
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        put_time(out, style, ctl_real(hist, times[i]));
}

/* ---- What lies between two answers -----------------------------------------------------------
 */

/* Buckets are pairs of an upper bound in ns and a count; those with nothing in them are left out.
 */
static double number_in(JsonNode *pair, unsigned index)
{
    JsonNode *node = ctl_element(pair, index);
    const double number = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : 0;

    return isfinite(number) && number > 0 ? number : 0;
}

/* How much the bucket @now has more than the same one of @before, which is looked for from *@at. */
static double grown(JsonNode *now, JsonNode *before, unsigned *at)
{
    const double upper = number_in(now, 0);

    while (*at < ctl_length(before) && number_in(ctl_element(before, *at), 0) < upper)
        (*at)++;
    if (*at < ctl_length(before) && number_in(ctl_element(before, *at), 0) <= upper)
        return MAX(number_in(now, 1) - number_in(ctl_element(before, *at), 1), 0);
    return number_in(now, 1);
}

/* The bound below which the first @rank values since @before lie. *@ret_total: how many there are.
 */
static double value_at(JsonNode *now, JsonNode *before, double rank, double *ret_total)
{
    double total = 0, value = 0;
    unsigned at = 0;

    for (unsigned i = 0; i < ctl_length(now); i++) {
        const double more = grown(ctl_element(now, i), before, &at);

        if (total < rank && total + more >= rank)
            value = number_in(ctl_element(now, i), 0);
        total += more;
    }
    *ret_total = total;
    return value;
}

static void put_since(GString *out, const struct ctl_style *style, JsonNode *now, JsonNode *before)
{
    double total;

    (void)value_at(now, before, 0, &total);
    g_string_append(out, "  ");
    ctl_put_f(out, style, CTL_PLAIN, COLUMN, "%.0f", total);
    if (total < 1) {
        put_nothing(out, style, 3);
        return;
    }
    put_time(out, style, value_at(now, before, ceil(total * 0.5), &total));
    put_time(out, style, value_at(now, before, ceil(total * 0.99), &total));
    put_time(out, style, value_at(now, before, total, &total));
}

/* ---- latency ---------------------------------------------------------------------------------
 */

static void put_counts(GString *out, JsonNode *now, JsonNode *before, double seconds)
{
    static const struct {
        const char *member, *text;
    } counts[] = {
        { "maps", "maps" },
        { "unmaps", "unmaps" },
        { "refused-maps", "maps refused" },
        { "waits", "commands waited" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        const int64_t count = ctl_number(now, counts[i].member);

        g_string_append_printf(out, "%s%" G_GINT64_FORMAT " %s", i ? ", " : "", count,
                               counts[i].text);
        if (before && seconds > 0)
            g_string_append_printf(out, " (%+.1f/s)",
                                   ((double)count - (double)ctl_number(before, counts[i].member)) /
                                       seconds);
    }
    g_string_append(out, "\n");
}

void ctl_latency_show(GString *out, const struct ctl_style *style, JsonNode *now, JsonNode *before,
                      double seconds)
{
    JsonNode *stages = ctl_member(now, "unmap");
    JsonObjectIter iterator;
    const char *name;
    JsonNode *hist;

    put_counts(out, now, before, seconds);
    g_string_append(out, "\n");
    put_head(out, style, "unmap");
    if (before)
        ctl_put_f(out, style, CTL_BOLD, 0, "  %*.1f s%*s%*s%*s", COLUMN - 2, seconds, COLUMN, "p50",
                  COLUMN, "p99", COLUMN, "max");
    g_string_append(out, "\n");
    if (!stages || !JSON_NODE_HOLDS_OBJECT(stages))
        return;
    json_object_iter_init_ordered(&iterator, json_node_get_object(stages));
    while (json_object_iter_next_ordered(&iterator, &name, &hist)) {
        put_hist(out, style, name, hist);
        if (before)
            put_since(out, style, ctl_member(ctl_member(now, "buckets"), name),
                      ctl_member(ctl_member(before, "buckets"), name));
        g_string_append(out, "\n");
    }
}

bool ctl_latency(struct ctl *ctl, GString *out, GError **error)
{
    JsonObject *arguments = json_object_new();
    const int64_t now_ns = monotonic_ns();
    JsonNode *answer;

    json_object_set_boolean_member(arguments, "buckets", !ctl->is_json);
    answer = ctl_link_execute(ctl->link, "query-gpu-latency", arguments, error);
    if (!answer)
        return false;
    if (ctl->is_json)
        return ctl_show_json(ctl, out, answer);
    ctl_latency_show(out, &ctl->style, answer, ctl->before,
                     (double)(now_ns - ctl->before_ns) / NS_PER_S);
    g_clear_pointer(&ctl->before, json_node_unref);
    ctl->before = answer;
    ctl->before_ns = now_ns;
    return true;
}

/* ---- rcu -------------------------------------------------------------------------------------
 */

static void put_line(GString *out, const struct ctl_style *style, const char *name)
{
    ctl_put(out, style, CTL_BOLD, -15, name);
}

#define COUNT "%" G_GINT64_FORMAT

static void put_grace_periods(GString *out, const struct ctl_style *style, JsonNode *answer)
{
    JsonNode *times = ctl_member(answer, "ns");
    const int64_t stalls = ctl_number(answer, "stalls"), misuses = ctl_number(answer, "misuses");

    put_line(out, style, "grace periods");
    g_string_append_printf(out, COUNT " normal, " COUNT " forced, by " COUNT " requests\n",
                           ctl_number(ctl_member(times, "normal"), "count"),
                           ctl_number(ctl_member(times, "forced"), "count"),
                           ctl_number(answer, "forces"));
    put_line(out, style, "kicks");
    g_string_append_printf(out, COUNT ", " COUNT " of them repeated\n", ctl_number(answer, "kicks"),
                           ctl_number(answer, "rekicks"));
    put_line(out, style, "stalls");
    ctl_put_f(out, style, stalls ? CTL_BAD : CTL_PLAIN, 0, COUNT " reported", stalls);
    g_string_append(out, ", ");
    ctl_put_f(out, style, misuses ? CTL_BAD : CTL_PLAIN, 0, COUNT " misuses", misuses);
    g_string_append(out, "\n");
}

static void put_callbacks(GString *out, const struct ctl_style *style, JsonNode *answer)
{
    const int64_t queued = ctl_number(answer, "callbacks-queued");
    const int64_t run = ctl_number(answer, "callbacks-run");

    put_line(out, style, "callbacks");
    g_string_append_printf(
        out, COUNT " run, %.0f pending, " COUNT " at most, producers throttled " COUNT " times\n",
        run, (double)queued - (double)run, ctl_number(answer, "callbacks-peak"),
        ctl_number(answer, "throttles"));
    put_line(out, style, "threads");
    g_string_append_printf(
        out, COUNT " readers; " COUNT " barriers, " COUNT " sleeps, " COUNT " woken by readers\n",
        ctl_number(answer, "readers"), ctl_number(answer, "barriers"), ctl_number(answer, "sleeps"),
        ctl_number(answer, "reports"));
}

void ctl_rcu_show(GString *out, const struct ctl_style *style, JsonNode *answer)
{
    static const char *const times[] = { "normal", "forced", "kick", "callback" };

    put_grace_periods(out, style, answer);
    put_callbacks(out, style, answer);
    g_string_append(out, "\n");
    put_head(out, style, "time");
    g_string_append(out, "\n");
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        put_hist(out, style, times[i], ctl_member(ctl_member(answer, "ns"), times[i]));
        g_string_append(out, "\n");
    }
}

bool ctl_rcu(struct ctl *ctl, GString *out, GError **error)
{
    JsonNode *answer = ctl_link_execute(ctl->link, "query-rcu", NULL, error);

    if (!answer)
        return false;
    if (ctl->is_json)
        return ctl_show_json(ctl, out, answer);
    ctl_rcu_show(out, &ctl->style, answer);
    json_node_unref(answer);
    return true;
}

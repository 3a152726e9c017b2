/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The text is read back by a strict parser of the format, which fails the test
 * on anything that a Prometheus server would refuse or misread.
 */
#include <glib.h>
#include <sched.h>
#include <string.h>

#include "util/atomic.h"
#include "util/bql.h"
#include "util/event.h"
#include "util/metric.h"
#include "util/rcu.h"
#include "util/rcu_control.h"
#include "util/thread.h"

/* ---- Parser -------------------------------------------------------------------------- */

struct parser {
    char *family, *type;  /* of the lines being read */
    GHashTable *families; /* names that have been seen */
    GHashTable *values;   /* "name{labels}" → text of the value */
    char *histogram;      /* labels without le of the histogram being read, or NULL */
    double last_le;
    guint64 last_count;
};

/* Past a name; the name in *@ret. */
static const char *parse_name(const char *at, char **ret)
{
    const char *start = at;

    g_assert_true(g_ascii_isalpha(*at) || *at == '_');
    while (g_ascii_isalnum(*at) || *at == '_')
        at++;
    *ret = g_strndup(start, (gsize)(at - start));
    return at;
}

/* Past `{...}`; the text between, without le, in *@ret, and le's value in *@ret_le. */
static const char *parse_labels(const char *at, char **ret, char **ret_le)
{
    GString *rest = g_string_new(NULL);

    *ret_le = NULL;
    while (*at == '{' || *at == ',') {
        g_autofree char *name = NULL;
        const char *value;

        at = parse_name(at + 1, &name);
        g_assert_cmpint(*at++, ==, '=');
        g_assert_cmpint(*at++, ==, '"');
        for (value = at; *at != '"'; at++) {
            g_assert_cmpint(*at, !=, '\0');
            if (*at == '\\') {
                at++;
                g_assert_nonnull(strchr("\\n\"", *at));
            }
        }
        if (strcmp(name, "le") == 0) {
            *ret_le = g_strndup(value, (gsize)(at - value));
        } else {
            g_string_append_printf(rest, "%s%s=\"", rest->len ? "," : "", name);
            g_string_append_len(rest, value, at - value + 1);
        }
        at++;
        if (*at == '}') {
            at++;
            break;
        }
    }
    *ret = g_string_free(rest, FALSE);
    return at;
}

static void parse_comment(struct parser *parser, const char *line)
{
    g_autofree char *name = NULL;
    const char *at;

    if (g_str_has_prefix(line, "# HELP ")) {
        at = parse_name(line + strlen("# HELP "), &name);
        g_assert_cmpint(*at, ==, ' ');
        g_assert_true(g_hash_table_add(parser->families, g_strdup(name))); /* once each */
        g_free(parser->family);
        parser->family = g_steal_pointer(&name);
        g_clear_pointer(&parser->type, g_free);
        g_assert_null(parser->histogram); /* the last one was complete */
        return;
    }
    g_assert_true(g_str_has_prefix(line, "# TYPE "));
    at = parse_name(line + strlen("# TYPE "), &name);
    g_assert_cmpstr(name, ==, parser->family);
    g_assert_null(parser->type);
    parser->type = g_strdup(at + 1);
    g_assert_true(strcmp(parser->type, "counter") == 0 || strcmp(parser->type, "gauge") == 0 ||
                  strcmp(parser->type, "histogram") == 0);
}

static void parse_bucket(struct parser *parser, const char *labels, const char *le, guint64 count)
{
    double bound = strcmp(le, "+Inf") == 0 ? G_MAXDOUBLE : g_ascii_strtod(le, NULL);

    if (!parser->histogram) {
        parser->histogram = g_strdup(labels);
        parser->last_le = -1;
        parser->last_count = 0;
    }
    g_assert_cmpstr(parser->histogram, ==, labels);
    g_assert_cmpfloat(bound, >, parser->last_le);
    g_assert_cmpuint(count, >=, parser->last_count);
    parser->last_le = bound;
    parser->last_count = count;
}

static void parse_in_histogram(struct parser *parser, const char *suffix, const char *labels,
                               const char *le, guint64 count)
{
    if (strcmp(suffix, "_bucket") == 0) {
        g_assert_nonnull(le);
        parse_bucket(parser, labels, le, count);
        return;
    }
    g_assert_null(le);
    g_assert_cmpstr(parser->histogram, ==, labels);
    g_assert_cmpfloat(parser->last_le, ==, G_MAXDOUBLE); /* +Inf was there */
    if (strcmp(suffix, "_sum") == 0)
        return;
    g_assert_cmpstr(suffix, ==, "_count");
    g_assert_cmpuint(count, ==, parser->last_count);
    g_clear_pointer(&parser->histogram, g_free);
}

static void parse_sample(struct parser *parser, const char *line)
{
    g_autofree char *name = NULL, *labels = NULL, *le = NULL;
    const char *after_labels, *at;
    char *end;

    g_assert_nonnull(parser->type);
    at = parse_name(line, &name);
    after_labels = at = parse_labels(at, &labels, &le);
    g_assert_cmpint(*at++, ==, ' ');
    (void)g_ascii_strtod(at, &end);
    g_assert_true(end != at && *end == '\0');
    g_assert_true(g_str_has_prefix(name, parser->family));
    if (strcmp(parser->type, "histogram") == 0) {
        parse_in_histogram(parser, name + strlen(parser->family), labels, le,
                           g_ascii_strtoull(at, NULL, 10));
    } else {
        g_assert_cmpstr(name, ==, parser->family);
        g_assert_null(le);
        g_assert_cmpint(g_str_has_suffix(name, "_total"), ==, strcmp(parser->type, "counter") == 0);
    }
    g_assert_true(g_hash_table_insert(parser->values, g_strndup(line, (gsize)(after_labels - line)),
                                      g_strdup(at))); /* no sample twice */
}

/* The samples of the whole text; to be unreferenced. */
static GHashTable *parse(const char *text)
{
    struct parser parser = {
        .families = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
    };
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint nr = g_strv_length(lines);

    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_cmpuint(nr, >=, 1);
    g_assert_cmpstr(lines[nr - 1], ==, ""); /* each line ends */
    for (guint i = 0; i + 1 < nr; i++) {
        if (lines[i][0] == '#')
            parse_comment(&parser, lines[i]);
        else
            parse_sample(&parser, lines[i]);
    }
    g_assert_null(parser.histogram);
    g_free(parser.family);
    g_free(parser.type);
    g_hash_table_unref(parser.families);
    return parser.values;
}

static char *text_of(struct metrics *metrics)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    metrics_print(metrics, out);
    g_assert_cmpint(fclose(out), ==, 0);
    return text;
}

static GHashTable *samples_of(struct metrics *metrics)
{
    g_autofree char *text = text_of(metrics);

    return parse(text);
}

static void expect(GHashTable *samples, const char *key, const char *value)
{
    g_assert_cmpstr(g_hash_table_lookup(samples, key), ==, value);
}

/* ---- Tests ------------------------------------------------------------------------------ */

static double half(void *arg)
{
    return *(int *)arg / 2.0;
}

static void values_are_read_when_the_text_is_made(void)
{
    struct metrics *metrics = metrics_new();
    uint64_t exits = 3;
    int64_t level = -4;
    int five = 5;
    struct metric_family *family =
        metrics_family(metrics, METRIC_COUNTER, "gracevm_exits_total", "Exits.");
    GHashTable *samples;

    metric_add_u64(family, METRIC_LABELS({ "vcpu", "0" }, { "reason", "io" }), &exits, NULL);
    family = metrics_family(metrics, METRIC_GAUGE, "gracevm_level", "A level.");
    metric_add_i64(family, METRIC_NO_LABELS, &level, NULL);
    metric_add_read(family, METRIC_LABELS({ "kind", "half" }), half, &five, NULL);
    store_relaxed(&exits, UINT64_MAX);
    samples = samples_of(metrics);
    g_assert_cmpuint(g_hash_table_size(samples), ==, 3);
    expect(samples, "gracevm_exits_total{vcpu=\"0\",reason=\"io\"}", "18446744073709551615");
    expect(samples, "gracevm_level", "-4");
    expect(samples, "gracevm_level{kind=\"half\"}", "2.5");
    g_hash_table_unref(samples);
    metrics_free(metrics);
}

static void the_whole_text_of_a_small_registry(void)
{
    struct metrics *metrics = metrics_new();
    uint64_t value = 1;
    g_autofree char *text = NULL;

    metrics_family(metrics, METRIC_GAUGE, "gracevm_empty", "Without samples: not shown.");
    metric_add_u64(metrics_family(metrics, METRIC_GAUGE, "gracevm_odd", "Back\\slash\nand line."),
                   METRIC_LABELS({ "path", "a\"b\\c\nd" }, { "bad", "\xff" }), &value, NULL);
    text = text_of(metrics);
    g_assert_cmpstr(text, ==,
                    "# HELP gracevm_odd Back\\\\slash\\nand line.\n"
                    "# TYPE gracevm_odd gauge\n"
                    "gracevm_odd{path=\"a\\\"b\\\\c\\nd\",bad=\"\xef\xbf\xbd\"} 1\n");
    g_hash_table_unref(parse(text));
    metrics_free(metrics);
}

static void histograms_are_cumulative_and_in_seconds(void)
{
    static struct hist hist;
    struct metrics *metrics = metrics_new();
    GHashTable *samples;

    hist_record(&hist, 150);     /* ns */
    hist_record(&hist, 3000000); /* 3 ms */
    hist_record(&hist, 3000000);
    hist_record(&hist, 20000000000); /* 20 s: beyond all bounds */
    metric_add_hist(metrics_family(metrics, METRIC_SECONDS, "gracevm_test_seconds", "Time."),
                    METRIC_LABELS({ "stage", "x" }), &hist, NULL);
    samples = samples_of(metrics);
    expect(samples, "gracevm_test_seconds_bucket{stage=\"x\",le=\"0.0000001\"}", "0");
    expect(samples, "gracevm_test_seconds_bucket{stage=\"x\",le=\"0.0000002\"}", "1");
    expect(samples, "gracevm_test_seconds_bucket{stage=\"x\",le=\"0.002\"}", "1");
    expect(samples, "gracevm_test_seconds_bucket{stage=\"x\",le=\"0.005\"}", "3");
    expect(samples, "gracevm_test_seconds_bucket{stage=\"x\",le=\"10.0\"}", "3");
    expect(samples, "gracevm_test_seconds_bucket{stage=\"x\",le=\"+Inf\"}", "4");
    expect(samples, "gracevm_test_seconds_sum{stage=\"x\"}", "20.006000150");
    expect(samples, "gracevm_test_seconds_count{stage=\"x\"}", "4");
    g_hash_table_unref(samples);
    metrics_free(metrics);
}

static void sizes_are_not_scaled(void)
{
    static struct hist hist;
    struct metrics *metrics = metrics_new();
    GHashTable *samples;

    hist_record(&hist, 4096);
    hist_record(&hist, 5000);
    metric_add_hist(metrics_family(metrics, METRIC_BYTES, "gracevm_blob_bytes", "Sizes."),
                    METRIC_NO_LABELS, &hist, NULL);
    samples = samples_of(metrics);
    expect(samples, "gracevm_blob_bytes_bucket{le=\"1024.0\"}", "0");
    expect(samples, "gracevm_blob_bytes_bucket{le=\"4096.0\"}", "1");
    expect(samples, "gracevm_blob_bytes_bucket{le=\"16384.0\"}", "2");
    expect(samples, "gracevm_blob_bytes_sum", "9096");
    g_hash_table_unref(samples);
    metrics_free(metrics);
}

static double special(void *arg)
{
    return *(double *)arg;
}

static void special_numbers_have_their_names(void)
{
    struct metrics *metrics = metrics_new();
    double numbers[] = { 0.0 / 0.0, 1 / 0.0, -1 / 0.0, 0.1, 123456789012.0 };
    static const char *const names[] = { "NaN", "+Inf", "-Inf", "0.1", "123456789012" };
    struct metric_family *family =
        metrics_family(metrics, METRIC_GAUGE, "gracevm_number", "Numbers.");
    GHashTable *samples;

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        metric_add_read(family, METRIC_LABELS({ "n", names[i] }), special, &numbers[i], NULL);
    samples = samples_of(metrics);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        g_autofree char *key = g_strdup_printf("gracevm_number{n=\"%s\"}", names[i]);

        expect(samples, key, names[i]);
    }
    g_hash_table_unref(samples);
    metrics_free(metrics);
}

static void json_has_the_same(void)
{
    struct metrics *metrics = metrics_new();
    uint64_t pops = 18446744073709551615u;
    double number = 0.0 / 0.0;
    struct hist *hist = g_new0(struct hist, 1);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_pops_total", "Pops."),
                   METRIC_LABELS({ "disk", "a\"b\x01" }, { "op", "read" }), &pops, NULL);
    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_pops_total", "Pops."),
                   METRIC_LABELS({ "disk", "c" }), &pops, NULL);
    (void)metrics_family(metrics, METRIC_GAUGE, "gracevm_empty", "Nothing.");
    metric_add_read(metrics_family(metrics, METRIC_GAUGE, "gracevm_number", "Number."),
                    METRIC_NO_LABELS, special, &number, NULL);
    hist_record(hist, 7);
    metric_add_hist(metrics_family(metrics, METRIC_SECONDS, "gracevm_wait_seconds", "Waits."),
                    METRIC_NO_LABELS, hist, NULL);
    metrics_print_json(metrics, out);
    g_assert_cmpint(fclose(out), ==, 0);
    g_assert_cmpstr(text, ==,
                    "{\"gracevm_pops_total\":{"
                    "\"disk=\\\"a\\\\\\\"b\\u0001\\\",op=\\\"read\\\"\":18446744073709551615,"
                    "\"disk=\\\"c\\\"\":18446744073709551615},"
                    "\"gracevm_number\":{\"\":null},"
                    "\"gracevm_wait_seconds\":{\"\":{\"count\":1,\"min\":7,\"mean\":7.000,"
                    "\"p50\":7,\"p90\":7,\"p99\":7,\"p999\":7,\"max\":7}}}");
    free(text);
    g_free(hist);
    metrics_free(metrics);
}

static void removed_owners_are_not_read_any_more(void)
{
    struct metrics *metrics = metrics_new();
    struct metric_family *family =
        metrics_family(metrics, METRIC_COUNTER, "gracevm_queue_pops_total", "Chains taken.");
    uint64_t *gone = g_new0(uint64_t, 1), stays = 2;
    GHashTable *samples;

    metric_add_u64(family, METRIC_LABELS({ "queue", "0" }), gone, gone);
    metric_add_u64(family, METRIC_LABELS({ "queue", "1" }), &stays, &stays);
    metric_add_u64(family, METRIC_LABELS({ "queue", "2" }), gone, gone);
    metrics_remove(metrics, gone);
    g_free(gone);
    samples = samples_of(metrics);
    g_assert_cmpuint(g_hash_table_size(samples), ==, 1);
    expect(samples, "gracevm_queue_pops_total{queue=\"1\"}", "2");
    g_hash_table_unref(samples);
    g_assert_true(metrics_family(metrics, METRIC_COUNTER, "gracevm_queue_pops_total",
                                 "Chains taken.") == family);
    metrics_free(metrics);
}

static struct hist busy_hist;
static uint32_t has_ended; /* atomic */

/* Ever larger values: what comes late belongs to late bounds. */
static void record_on(void *arg G_GNUC_UNUSED)
{
    for (uint64_t i = 1; !load_relaxed(&has_ended); i += i / 4096 + 1) {
        if (i > 20000000000)
            i = 1;
        hist_record(&busy_hist, i);
    }
}

static void a_histogram_in_use_stays_consistent(void)
{
    struct metrics *metrics = metrics_new();
    struct thread *thread;

    metric_add_hist(metrics_family(metrics, METRIC_SECONDS, "gracevm_busy_seconds", "Busy."),
                    METRIC_NO_LABELS, &busy_hist, NULL);
    for (int i = 0; i < 20; i++) {
        hist_reset(&busy_hist);
        store_relaxed(&has_ended, 0);
        thread = thread_start("records", record_on, NULL);
        while (hist_max(&busy_hist) == 0)
            sched_yield();
        for (int j = 0; j < 10; j++)
            g_hash_table_unref(samples_of(metrics)); /* the parser checks the counts */
        store_relaxed(&has_ended, 1);
        thread_join(thread);
    }
    metrics_free(metrics);
}

static void do_nothing(struct rcu_head *head G_GNUC_UNUSED)
{
}

static void rcu_and_bql_are_there(void)
{
    struct metrics *metrics = metrics_new();
    struct rcu_head head;
    GHashTable *samples;

    rcu_metrics_register(metrics);
    util_metrics_register(metrics);
    bql_lock();
    bql_unlock();
    call_rcu1(&head, do_nothing);
    drain_call_rcu();
    samples = samples_of(metrics);
    expect(samples, "gracevm_rcu_callbacks_pending", "0");
    expect(samples, "gracevm_rcu_readers", "2"); /* this thread, and the rcu thread */
    expect(samples, "gracevm_rcu_stalls_total", "0");
    expect(samples, "gracevm_bql_hold_seconds_count{thread=\"main\"}", "1");
    expect(samples, "gracevm_bql_contended_total{thread=\"main\"}", "0");
    expect(samples, "gracevm_log_write_errors_total", "0");
    g_assert_cmpuint(
        g_ascii_strtoull(g_hash_table_lookup(samples, "gracevm_rcu_callbacks_run_total"), NULL, 10),
        >=, 1);
    g_assert_nonnull(
        g_hash_table_lookup(samples, "gracevm_rcu_grace_period_seconds_count{state=\"forced\"}"));
    g_hash_table_unref(samples);
    metrics_free(metrics);
}

static const struct bad_family {
    enum metric_type type;
    const char *name;
    const char *message;
} bad_families[] = {
    { METRIC_GAUGE, "gracevm_with-dash", "*bad name*gracevm_with-dash*" },
    { METRIC_GAUGE, "level", "*bad name*level*" },
    { METRIC_COUNTER, "gracevm_exits", "*gracevm_exits*_total*" },
    { METRIC_GAUGE, "gracevm_level_total", "*gracevm_level_total*_total*" },
    { METRIC_SECONDS, "gracevm_wait", "*gracevm_wait*_seconds*" },
};

static void make_bad_family(gconstpointer data)
{
    const struct bad_family *bad = data;
    struct metrics *metrics;

    if (g_test_subprocess()) {
        metrics = metrics_new();
        (void)metrics_family(metrics, bad->type, bad->name, "Help.");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr(bad->message);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_register_thread();
#define ADD(test) g_test_add_func("/metric/" #test, test)
    ADD(values_are_read_when_the_text_is_made);
    ADD(the_whole_text_of_a_small_registry);
    ADD(histograms_are_cumulative_and_in_seconds);
    ADD(sizes_are_not_scaled);
    ADD(special_numbers_have_their_names);
    ADD(json_has_the_same);
    ADD(removed_owners_are_not_read_any_more);
    ADD(a_histogram_in_use_stays_consistent);
    ADD(rcu_and_bql_are_there);
#undef ADD
    for (size_t i = 0; i < ARRAY_SIZE(bad_families); i++) {
        g_autofree char *path = g_strdup_printf("/metric/bad_family_aborts/%zu", i);

        g_test_add_data_func(path, &bad_families[i], make_bad_family);
    }
    return g_test_run();
}

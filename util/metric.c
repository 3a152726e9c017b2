/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <glib.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "util/atomic.h"
#include "util/clock.h"
#include "util/lock.h"
#include "util/metric.h"

enum sample_kind {
    SAMPLE_U64,
    SAMPLE_I64,
    SAMPLE_HIST,
    SAMPLE_READ,
    SAMPLE_COLLECTOR,
};

struct sample {
    enum sample_kind kind;
    const void *owner;
    char *labels; /* as in the text, without braces; NULL: none */
    union {
        const uint64_t *u64;
        const int64_t *i64;
        const struct hist *hist;
        double (*read)(void *arg);
        void (*collect)(struct metric_sink *sink, void *arg);
    };
    void *arg;
};

struct metric_family {
    struct metrics *metrics;
    enum metric_type type;
    const char *name;
    const char *help;
    GPtrArray *samples; /* of struct sample *; guarded by metrics->lock */
};

struct metrics {
    struct mutex lock;
    GPtrArray *families; /* of struct metric_family *, in the order of making; guarded by lock */
};

struct metric_sink {
    const struct metric_family *family;
    FILE *out;
    bool is_json;
    unsigned nr_keys; /* printed, of JSON's object */
};

/* ---- Text ------------------------------------------------------------------------ */

/* The bounds of the `le` label: 1, 2, 5 in each decade that a machine's latencies have. */
static const struct bound {
    uint64_t upper;
    const char *text; /* in the unit that is shown */
} seconds_bounds[] = {
    { 100, "0.0000001" },      { 200, "0.0000002" },      { 500, "0.0000005" },
    { 1000, "0.000001" },      { 2000, "0.000002" },      { 5000, "0.000005" },
    { 10000, "0.00001" },      { 20000, "0.00002" },      { 50000, "0.00005" },
    { 100000, "0.0001" },      { 200000, "0.0002" },      { 500000, "0.0005" },
    { 1000000, "0.001" },      { 2000000, "0.002" },      { 5000000, "0.005" },
    { 10000000, "0.01" },      { 20000000, "0.02" },      { 50000000, "0.05" },
    { 100000000, "0.1" },      { 200000000, "0.2" },      { 500000000, "0.5" },
    { 1000000000, "1.0" },     { 2000000000, "2.0" },     { 5000000000, "5.0" },
    { 10000000000, "10.0" },
}, bytes_bounds[] = {
    { 64, "64.0" },            { 256, "256.0" },          { 1024, "1024.0" },
    { 4096, "4096.0" },        { 16384, "16384.0" },      { 65536, "65536.0" },
    { 262144, "262144.0" },    { 1048576, "1048576.0" },  { 4194304, "4194304.0" },
    { 16777216, "16777216.0" }, { 67108864, "67108864.0" }, { 268435456, "268435456.0" },
};

/* Backslash, newline and, in a label's value, the quote. */
static void append_escaped(GString *out, const char *text, bool in_quotes)
{
    for (; *text; text++) {
        if (*text == '\\')
            g_string_append(out, "\\\\");
        else if (*text == '\n')
            g_string_append(out, "\\n");
        else if (*text == '"' && in_quotes)
            g_string_append(out, "\\\"");
        else
            g_string_append_c(out, *text);
    }
}

static bool is_name(const char *name)
{
    if (!*name || g_ascii_isdigit(*name))
        return false;
    for (; *name; name++) {
        if (!g_ascii_isalnum(*name) && *name != '_')
            return false;
    }
    return true;
}

/* To be freed; NULL without labels. The format wants UTF-8. */
static char *labels_text(const struct metric_label *labels)
{
    GString *out;

    if (!labels || !labels->name)
        return NULL;
    out = g_string_new(NULL);
    for (const struct metric_label *label = labels; label->name; label++) {
        g_autofree char *value = g_utf8_make_valid(label->value, -1);

        assert(is_name(label->name) && strcmp(label->name, "le") != 0);
        g_string_append_printf(out, "%s%s=\"", label == labels ? "" : ",", label->name);
        append_escaped(out, value, true);
        g_string_append_c(out, '"');
    }
    return g_string_free(out, FALSE);
}

/* `"labels":` */
static void print_json_key(struct metric_sink *sink, const char *labels)
{
    fputs(sink->nr_keys++ ? ",\"" : "\"", sink->out);
    for (const char *at = labels ? labels : ""; *at; at++) {
        if (*at == '"' || *at == '\\')
            fprintf(sink->out, "\\%c", *at);
        else if ((guchar)*at < ' ')
            fprintf(sink->out, "\\u%04x", (guchar)*at);
        else
            fputc(*at, sink->out);
    }
    fputs("\":", sink->out);
}

/* `name_suffix{labels,le="bound"} `, ready for the value. */
static void print_key(struct metric_sink *sink, const char *suffix, const char *labels,
                      const char *le)
{
    if (sink->is_json) {
        print_json_key(sink, labels);
        return;
    }
    fprintf(sink->out, "%s%s", sink->family->name, suffix);
    if (labels || le)
        fprintf(sink->out, "{%s%s%s%s%s}", labels ? labels : "", labels && le ? "," : "",
                le ? "le=\"" : "", le ? le : "", le ? "\"" : "");
    fputc(' ', sink->out);
}

/* In JSON, a comma or a brace comes next. */
static void print_end(const struct metric_sink *sink)
{
    if (!sink->is_json)
        fputc('\n', sink->out);
}

static void print_u64(struct metric_sink *sink, const char *labels, uint64_t value)
{
    print_key(sink, "", labels, NULL);
    fprintf(sink->out, "%" PRIu64, value);
    print_end(sink);
}

static void print_double(struct metric_sink *sink, const char *labels, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    print_key(sink, "", labels, NULL);
    if (isfinite(value)) /* whatever the locale's decimal point is */
        fputs(g_ascii_formatd(text, sizeof(text), "%.15g", value), sink->out);
    else if (sink->is_json)
        fputs("null", sink->out);
    else
        fputs(isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", sink->out);
    print_end(sink);
}

static void print_buckets(struct metric_sink *sink, const char *labels, const struct hist *hist,
                          const struct bound *bounds, size_t nr_bounds)
{
    for (size_t i = 0; i < nr_bounds; i++) {
        print_key(sink, "_bucket", labels, bounds[i].text);
        fprintf(sink->out, "%" PRIu64 "\n", hist_count_upto(hist, bounds[i].upper));
    }
}

/*
 * Recording goes on meanwhile, so what is counted is a copy: else a bound could
 * have more than the next, if larger values came in between. The sum may lack
 * a few of the values, or have a few more.
 */
static struct hist *snapshot(const struct hist *hist)
{
    struct hist *copy = g_new0(struct hist, 1);

    hist_merge(copy, hist);
    return copy;
}

static void print_hist(struct metric_sink *sink, const char *labels, const struct hist *live)
{
    g_autofree struct hist *hist = snapshot(live);
    uint64_t count = hist_count(hist);

    if (sink->is_json) {
        print_json_key(sink, labels);
        hist_print_json(hist, sink->out);
        return;
    }
    if (sink->family->type == METRIC_SECONDS)
        print_buckets(sink, labels, hist, seconds_bounds, ARRAY_SIZE(seconds_bounds));
    else
        print_buckets(sink, labels, hist, bytes_bounds, ARRAY_SIZE(bytes_bounds));
    print_key(sink, "_bucket", labels, "+Inf");
    fprintf(sink->out, "%" PRIu64 "\n", count);
    print_key(sink, "_sum", labels, NULL);
    if (sink->family->type == METRIC_SECONDS)
        fprintf(sink->out, "%" PRIu64 ".%09" PRIu64 "\n", hist->sum / (uint64_t)NS_PER_S,
                hist->sum % (uint64_t)NS_PER_S);
    else
        fprintf(sink->out, "%" PRIu64 "\n", hist->sum);
    print_key(sink, "_count", labels, NULL);
    fprintf(sink->out, "%" PRIu64 "\n", count);
}

static bool is_hist(enum metric_type type)
{
    return type == METRIC_SECONDS || type == METRIC_BYTES;
}

void metric_put_u64(struct metric_sink *sink, const struct metric_label *labels, uint64_t value)
{
    g_autofree char *text = labels_text(labels);

    assert(!is_hist(sink->family->type));
    print_u64(sink, text, value);
}

void metric_put_double(struct metric_sink *sink, const struct metric_label *labels, double value)
{
    g_autofree char *text = labels_text(labels);

    assert(!is_hist(sink->family->type));
    print_double(sink, text, value);
}

void metric_put_hist(struct metric_sink *sink, const struct metric_label *labels,
                     const struct hist *hist)
{
    g_autofree char *text = labels_text(labels);

    assert(is_hist(sink->family->type));
    print_hist(sink, text, hist);
}

static void print_sample(struct metric_sink *sink, const struct sample *sample)
{
    switch (sample->kind) {
    case SAMPLE_U64:
        print_u64(sink, sample->labels, load_relaxed(sample->u64));
        return;
    case SAMPLE_I64:
        print_key(sink, "", sample->labels, NULL);
        fprintf(sink->out, "%" PRId64, load_relaxed(sample->i64));
        print_end(sink);
        return;
    case SAMPLE_HIST:
        print_hist(sink, sample->labels, sample->hist);
        return;
    case SAMPLE_READ:
        print_double(sink, sample->labels, sample->read(sample->arg));
        return;
    case SAMPLE_COLLECTOR:
        sample->collect(sink, sample->arg);
        return;
    }
}

static void print_samples(struct metric_sink *sink)
{
    for (unsigned i = 0; i < sink->family->samples->len; i++)
        print_sample(sink, sink->family->samples->pdata[i]);
}

static void print_family(const struct metric_family *family, FILE *out)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_SECONDS] = "histogram",
        [METRIC_BYTES] = "histogram",
    };
    struct metric_sink sink = { .family = family, .out = out };
    GString *help = g_string_new(NULL);

    append_escaped(help, family->help, false);
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, help->str, family->name,
            types[family->type]);
    g_string_free(help, TRUE);
    print_samples(&sink);
}

void metrics_print(struct metrics *metrics, FILE *out)
{
    MUTEX_GUARD(&metrics->lock);
    for (unsigned i = 0; i < metrics->families->len; i++) {
        const struct metric_family *family = metrics->families->pdata[i];

        if (family->samples->len > 0)
            print_family(family, out);
    }
}

void metrics_print_json(struct metrics *metrics, FILE *out)
{
    unsigned nr = 0;

    MUTEX_GUARD(&metrics->lock);
    fputc('{', out);
    for (unsigned i = 0; i < metrics->families->len; i++) {
        const struct metric_family *family = metrics->families->pdata[i];
        struct metric_sink sink = { .family = family, .out = out, .is_json = true };

        if (family->samples->len == 0)
            continue;
        fprintf(out, "%s\"%s\":{", nr++ ? "," : "", family->name);
        print_samples(&sink);
        fputc('}', out);
    }
    fputc('}', out);
}

/* ---- Registry ----------------------------------------------------------------------- */

static void sample_free(gpointer opaque)
{
    struct sample *sample = opaque;

    g_free(sample->labels);
    g_free(sample);
}

static void family_free(gpointer opaque)
{
    struct metric_family *family = opaque;

    g_ptr_array_unref(family->samples);
    g_free(family);
}

struct metrics *metrics_new(void)
{
    struct metrics *metrics = g_new0(struct metrics, 1);

    mutex_init(&metrics->lock, "the metrics registry", RANK_DEVICE);
    metrics->families = g_ptr_array_new_with_free_func(family_free);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    g_ptr_array_unref(metrics->families);
    mutex_fini(&metrics->lock);
    g_free(metrics);
}

static void check_family(enum metric_type type, const char *name)
{
    if (!is_name(name) || !g_str_has_prefix(name, "gracevm_"))
        g_error("bad name for a metric: '%s'", name);
    if (g_str_has_suffix(name, "_total") != (type == METRIC_COUNTER))
        g_error("metric '%s': counters, and only they, end in _total", name);
    if (g_str_has_suffix(name, "_seconds") != (type == METRIC_SECONDS) && is_hist(type))
        g_error("metric '%s': histograms of time, and only they, end in _seconds", name);
}

struct metric_family *metrics_family(struct metrics *metrics, enum metric_type type,
                                     const char *name, const char *help)
{
    struct metric_family *family;

    check_family(type, name);
    MUTEX_GUARD(&metrics->lock);
    for (unsigned i = 0; i < metrics->families->len; i++) {
        family = metrics->families->pdata[i];
        if (strcmp(family->name, name) != 0)
            continue;
        if (family->type != type || strcmp(family->help, help) != 0)
            g_error("metric '%s' is registered twice, differently", name);
        return family;
    }
    family = g_new0(struct metric_family, 1);
    *family = (struct metric_family){
        .metrics = metrics,
        .type = type,
        .name = name,
        .help = help,
        .samples = g_ptr_array_new_with_free_func(sample_free),
    };
    g_ptr_array_add(metrics->families, family);
    return family;
}

static void add(struct metric_family *family, const struct metric_label *labels,
                struct sample sample)
{
    struct sample *copy = g_memdup2(&sample, sizeof(sample));

    assert(sample.kind == SAMPLE_COLLECTOR ||
           is_hist(family->type) == (sample.kind == SAMPLE_HIST));
    copy->labels = labels_text(labels);
    MUTEX_GUARD(&family->metrics->lock);
    g_ptr_array_add(family->samples, copy);
}

void metric_add_u64(struct metric_family *family, const struct metric_label *labels,
                    const uint64_t *value, const void *owner)
{
    add(family, labels, (struct sample){ .kind = SAMPLE_U64, .owner = owner, .u64 = value });
}

void metric_add_i64(struct metric_family *family, const struct metric_label *labels,
                    const int64_t *value, const void *owner)
{
    assert(family->type == METRIC_GAUGE);
    add(family, labels, (struct sample){ .kind = SAMPLE_I64, .owner = owner, .i64 = value });
}

void metric_add_hist(struct metric_family *family, const struct metric_label *labels,
                     const struct hist *hist, const void *owner)
{
    add(family, labels, (struct sample){ .kind = SAMPLE_HIST, .owner = owner, .hist = hist });
}

void metric_add_read(struct metric_family *family, const struct metric_label *labels,
                     double (*read)(void *arg), void *arg, const void *owner)
{
    add(family, labels,
        (struct sample){ .kind = SAMPLE_READ, .owner = owner, .read = read, .arg = arg });
}

void metric_add_collector(struct metric_family *family,
                          void (*collect)(struct metric_sink *sink, void *arg), void *arg,
                          const void *owner)
{
    add(family, METRIC_NO_LABELS,
        (struct sample){
            .kind = SAMPLE_COLLECTOR, .owner = owner, .collect = collect, .arg = arg });
}

void metrics_remove(struct metrics *metrics, const void *owner)
{
    MUTEX_GUARD(&metrics->lock);
    for (unsigned i = 0; i < metrics->families->len; i++) {
        struct metric_family *family = metrics->families->pdata[i];

        for (unsigned j = family->samples->len; j-- > 0;) {
            const struct sample *sample = family->samples->pdata[j];

            if (sample->owner == owner)
                g_ptr_array_remove_index(family->samples, j);
        }
    }
}

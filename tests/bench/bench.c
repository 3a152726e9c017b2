/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MAX_ROWS = 200, MAX_SCHEMES = 12 };

static struct {
    const char *name;
    int nr_groups;
    char **groups;
    const char *prefix; /* of a variant's rows; NULL: the rows have their bars */
    struct row rows[MAX_ROWS];
    int nr_rows;
} bench;

void bench_begin(const char *name, int argc, char **argv)
{
    bench.name = name;
    bench.nr_groups = argc - 1;
    bench.groups = argv + 1;
}

bool bench_wants(const char *group)
{
    for (int i = 0; i < bench.nr_groups; i++)
        if (strcmp(bench.groups[i], group) == 0)
            return true;
    return bench.nr_groups == 0;
}

void bench_variant(const char *prefix)
{
    bench.prefix = prefix;
}

static bool row_holds(const struct row *row)
{
    switch (row->bar_kind) {
    case BAR_NONE:
        return true;
    case BAR_AT_MOST:
        return row->measured <= row->bar;
    case BAR_AT_LEAST:
        return row->measured >= row->bar;
    case BAR_REACHES:
        return row->ci_low < row->bar;
    }
    abort();
}

static void print_escaped(const char *value)
{
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\')
            putchar('\\');
        if ((unsigned char)*c >= ' ')
            putchar(*c);
    }
}

static void print_string(const char *key, const char *value)
{
    if (!value)
        return;
    printf(",\"%s\":\"", key);
    print_escaped(value);
    putchar('"');
}

/* JSON has no NaN. */
static void print_number(const char *key, double value)
{
    if (isfinite(value))
        printf(",\"%s\":%.6g", key, value);
    else
        printf(",\"%s\":null", key);
}

static void print_known(const char *key, double value)
{
    if (fpclassify(value) != FP_ZERO)
        print_number(key, value);
}

void bench_row(const struct row *row)
{
    struct row *kept = &bench.rows[bench.nr_rows++];

    assert(bench.nr_rows <= MAX_ROWS);
    *kept = *row;
    if (bench.prefix)
        kept->bar_kind = BAR_NONE;
    bool has_bar = kept->bar_kind != BAR_NONE;
    printf("{\"bench\":\"%s\",\"row\":\"", bench.name);
    print_escaped(bench.prefix ? bench.prefix : "");
    print_escaped(row->name);
    putchar('"');
    print_string("scheme", row->scheme);
    print_string("unit", row->unit);
    print_number("measured", row->skipped ? (double)NAN : row->measured);
    print_number("bar", has_bar ? row->bar : (double)NAN);
    if (has_bar && !row->skipped)
        printf(",\"holds\":%s", row_holds(row) ? "true" : "false");
    else
        printf(",\"holds\":null");
    print_string("bar_is", row->bar_is);
    print_known("n", (double)row->n);
    print_known("discarded", (double)row->discarded);
    print_known("p50", row->p50);
    print_known("p99", row->p99);
    print_known("ci_low", row->ci_low);
    print_known("ci_high", row->ci_high);
    print_string("peer", row->peer);
    print_known("peer_value", row->peer_value);
    print_known("peer_p99", row->peer_p99);
    print_string("skipped", row->skipped);
    print_string("note", row->note);
    printf("}\n");
    fflush(stdout);
}

struct row row_of_samples(const char *name, const char *scheme, const char *unit,
                          struct samples *samples)
{
    double p50 = samples_percentile(samples, 50);

    return (struct row){
        .name = name,
        .scheme = scheme,
        .unit = unit,
        .measured = p50,
        .n = samples->nr,
        .discarded = samples->discarded,
        .p50 = p50,
        .p99 = samples_percentile(samples, 99),
        .skipped = samples->nr ? NULL : "the reader never ran throughout a sample window",
    };
}

void bench_skip(const char *name, const char *unit, const char *reason)
{
    bench_row(&(struct row){ .name = name, .unit = unit, .skipped = reason });
}

static void cpu_model(char *model, size_t size)
{
    FILE *info = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(model, size, "unknown");
    while (info && fgets(line, sizeof(line), info)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(model, size, "%s", colon + 2);
            break;
        }
    }
    if (info)
        fclose(info);
}

void bench_machine_row(int own_cpu, int other_cpu)
{
    double load[3] = { 0 };
    struct utsname os;
    char model[256];

    cpu_model(model, sizeof(model));
    if (getloadavg(load, 3) < 1)
        load[0] = (double)NAN;
    if (uname(&os) != 0)
        snprintf(os.release, sizeof(os.release), "unknown");
    printf("{\"bench\":\"%s\",\"row\":\"machine\",\"unit\":\"load\"", bench.name);
    print_number("measured", load[0]);
    printf(",\"bar\":null,\"holds\":null,\"cpus\":%ld", sysconf(_SC_NPROCESSORS_ONLN));
    printf(",\"measuring_cpu\":%d,\"reader_cpu\":%d", own_cpu, other_cpu);
    print_string("cpu", model);
    print_string("kernel", os.release);
    print_string("compiler", __VERSION__);
    printf("}\n");
    fflush(stdout);
    model[strcspn(model, "\n")] = '\0';
    fprintf(stderr, "\n%s%s: %s, Linux %s, load %.2f; measuring on CPU %d, readers on CPU %d\n",
            bench.prefix ? bench.prefix : "", bench.name, model, os.release, load[0], own_cpu,
            other_cpu);
}

static void table_bars(void)
{
    int nr_hold = 0;
    int nr_fail = 0;

    fprintf(stderr, "\n%-50s %10s %10s %-6s %s\n", "promise", "measured", "bar", "unit", "holds");
    for (int i = 0; i < bench.nr_rows; i++) {
        const struct row *row = &bench.rows[i];
        if (row->bar_kind == BAR_NONE)
            continue;
        if (row->skipped) {
            fprintf(stderr, "%-50s %10s %10s %-6s skipped: %s\n", row->name, "-", "-", row->unit,
                    row->skipped);
            continue;
        }
        bool holds = row_holds(row);
        fprintf(stderr, "%-50s %10.4g %10.4g %-6s %s", row->name, row->measured, row->bar,
                row->unit, holds ? "yes" : "NO");
        if (row->ci_high > 0)
            fprintf(stderr, " (95 %%: %.3f-%.3f)", row->ci_low, row->ci_high);
        fprintf(stderr, "\n");
        nr_hold += holds;
        nr_fail += !holds;
    }
    fprintf(stderr, "%d hold, %d do not\n", nr_hold, nr_fail);
}

static const char *scheme_of(const struct row *row)
{
    return row->scheme ? row->scheme : bench.name;
}

static int list_schemes(const char **schemes)
{
    int nr = 0;

    for (int i = 0; i < bench.nr_rows; i++) {
        const char *scheme = scheme_of(&bench.rows[i]);
        int j = 0;
        while (j < nr && strcmp(schemes[j], scheme) != 0)
            j++;
        if (j == nr && nr < MAX_SCHEMES)
            schemes[nr++] = scheme;
    }
    return nr;
}

static const struct row *find_row(const char *name, const char *scheme)
{
    for (int i = 0; i < bench.nr_rows; i++) {
        const struct row *row = &bench.rows[i];
        if (strcmp(row->name, name) == 0 && strcmp(scheme_of(row), scheme) == 0)
            return row;
    }
    return NULL;
}

static bool is_repeated(int index)
{
    for (int i = 0; i < index; i++)
        if (strcmp(bench.rows[i].name, bench.rows[index].name) == 0)
            return true;
    return false;
}

/* Every row without a bar, with the same row of the other schemes beside it: p50 (p99). */
static void table_peers(void)
{
    const char *schemes[MAX_SCHEMES];
    int nr_schemes = list_schemes(schemes);

    fprintf(stderr, "\n%-42s %-6s", "figures: p50 (p99)", "unit");
    for (int j = 0; j < nr_schemes; j++)
        fprintf(stderr, " %18s", schemes[j]);
    fprintf(stderr, "\n");
    for (int i = 0; i < bench.nr_rows; i++) {
        const struct row *row = &bench.rows[i];
        if (row->bar_kind != BAR_NONE || is_repeated(i))
            continue;
        fprintf(stderr, "%-42s %-6s", row->name, row->unit);
        for (int j = 0; j < nr_schemes; j++) {
            const struct row *cell = find_row(row->name, schemes[j]);
            char text[32] = "";
            if (cell && !cell->skipped && cell->p99 > 0)
                snprintf(text, sizeof(text), "%.4g (%.4g)", cell->measured, cell->p99);
            else if (cell && !cell->skipped)
                snprintf(text, sizeof(text), "%.4g", cell->measured);
            fprintf(stderr, " %18s", text);
        }
        if (row->skipped)
            fprintf(stderr, " skipped: %s", row->skipped);
        fprintf(stderr, "\n");
    }
}

int bench_end(void)
{
    if (!bench.prefix)
        table_bars();
    table_peers();
    return fflush(stdout) == 0 ? 0 : 1;
}

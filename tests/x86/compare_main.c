/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/compare_main.h"

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tap.h"
#include "tests/x86/compare.h"
#include "util/clock.h"
#include "util/rcu.h"

enum { ROW_RUNS = 100 }; /* that each row must have had */

/* Some 25 seconds of a processor that has nothing else to do. */
enum { DEFAULT_CASES_INT = 12000000, DEFAULT_CASES_FLOAT = 8000000 };

/* Of 256 cases, how many are of each shape. Code that changes costs ten times as much. */
static const unsigned shares[NR_SHAPES] = {
    [SHAPE_SINGLE] = 150,       [SHAPE_SEQUENCE] = 88, [SHAPE_LOOP] = 12,
    [SHAPE_SELF_MODIFYING] = 2, [SHAPE_CUT_OFF] = 2,   [SHAPE_BAD_LOCK] = 2,
};

static struct comparison comparison;
static uint64_t nr_cases; /* of all shapes */
static uint64_t seed = 1;
static unsigned seconds; /* 0: by cases */

/* Whether more of the shape is wanted; it has had @done cases since @start_ns. */
static bool wants_more(enum shape shape, uint64_t done, int64_t start_ns)
{
    if (seconds)
        return monotonic_ns() - start_ns < (int64_t)seconds * NS_PER_S * shares[shape] / 256;
    return done < nr_cases * shares[shape] / 256;
}

/* One program of @shape; the number of those that differ. */
static void run_one(enum shape shape, unsigned row, uint64_t number)
{
    const struct case_id id = { shape, row, random_mix(seed, number), 0 };

    if (compare_compose(&comparison, &id))
        (void)compare_program(&comparison); /* counted */
}

static bool is_ours(const struct catalogue_row *entry)
{
    const enum insn_family family = insn_kind_family(entry->row->kind);

    return (family == FAMILY_SSE || family == FAMILY_X87) == comparison.is_float;
}

/* All rows in turn, the same number of times. */
static uint64_t run_all_rows(uint64_t number)
{
    const struct catalogue *const catalogue = catalogue_get();

    for (unsigned i = 0; i < catalogue->nr_rows; i++) {
        if (is_ours(&catalogue->rows[i]) && catalogue->rows[i].run_as != RUN_NOT)
            run_one(SHAPE_SINGLE, i, number++);
    }
    return number;
}

static void run_shape(enum shape shape)
{
    const uint64_t before = comparison.nr_cases, faults = comparison.nr_faults;
    const uint64_t skipped = comparison.nr_skipped, different = comparison.nr_different;
    const int64_t start_ns = monotonic_ns();
    uint64_t number = 0, cases;

    compare_open(&comparison);
    do {
        if (shape == SHAPE_SINGLE)
            number = run_all_rows(number);
        else
            run_one(shape, 0, number++);
        cases = comparison.nr_cases - before;
    } while (wants_more(shape, cases, start_ns) && number < (uint64_t)1 << 40);

    const double elapsed_s = (double)(monotonic_ns() - start_ns) / NS_PER_S;

    printf("# %s: %" PRIu64 " cases, %.0f a second, %" PRIu64 " faults, %" PRIu64 " not run, "
           "%" PRIu64 " programs different\n",
           shape_names[shape], cases, (double)cases / elapsed_s, comparison.nr_faults - faults,
           comparison.nr_skipped - skipped, comparison.nr_different - different);
    ok(cases > 0);
    is(comparison.nr_different - different, 0);
}

static void single_instructions_are_alike(void)
{
    run_shape(SHAPE_SINGLE);
}

static void sequences_are_alike(void)
{
    run_shape(SHAPE_SEQUENCE);
}

/* Somebody who always wants something of the processor. */
static void *keep_kicking(void *stop)
{
    while (!load_acquire((uint32_t *)stop)) { /* pairs with the release in kicks_do_not_show() */
        guest_kick();
        for (unsigned i = 0; i < 200; i++)
            cpu_relax();
    }
    return NULL;
}

static void kicks_do_not_show(void)
{
    const uint64_t all = nr_cases;
    pthread_t kicker;
    uint32_t stop = 0;

    compare_open(&comparison);
    nr_cases /= 8;
    if (!ok(pthread_create(&kicker, NULL, keep_kicking, &stop) == 0))
        return;
    run_shape(SHAPE_SEQUENCE);
    run_shape(SHAPE_LOOP);
    store_release(&stop, 1); /* pairs with the acquire in keep_kicking() */
    ok(pthread_join(kicker, NULL) == 0);
    nr_cases = all;
}

static void loops_are_alike(void)
{
    run_shape(SHAPE_LOOP);
}

static void code_that_changes_itself_is_alike(void)
{
    run_shape(SHAPE_SELF_MODIFYING);
}

static void code_that_is_cut_off_faults_alike(void)
{
    run_shape(SHAPE_CUT_OFF);
}

static void lock_where_it_must_not_be_is_refused(void)
{
    run_shape(SHAPE_BAD_LOCK);
}

/* What the tables claim to be proven here is. */
static void every_row_of_this_oracle_was_run(void)
{
    const struct catalogue *const catalogue = catalogue_get();
    unsigned nr_rows = 0;

    for (unsigned i = 0; i < catalogue->nr_rows; i++) {
        const struct catalogue_row *const entry = &catalogue->rows[i];
        const bool is_claimed =
            entry->row->oracle == ORACLE_HOST || entry->row->oracle == ORACLE_APPROX;

        if (!is_ours(entry) || !is_claimed)
            continue;
        nr_rows++;
        if (!ok(entry->run_as == RUN_NORMAL && entry->nr_runs >= ROW_RUNS && entry->nr_done > 0))
            printf("#   row %u, %s: run %" PRIu64 " times, %" PRIu64 " without fault%s%s\n", i,
                   entry->row->name, entry->nr_runs, entry->nr_done,
                   entry->why_not ? "; not run: " : "", entry->why_not ? entry->why_not : "");
    }
    printf("# %u rows\n", nr_rows);
    ok(nr_rows > 100);
}

/* The other oracles: what they name is there, and none is without one. */
static void rows_with_another_oracle_have_it(void)
{
    const struct catalogue *const catalogue = catalogue_get();

    for (unsigned i = 0; i < catalogue->nr_rows; i++) {
        const struct insn_row *const row = catalogue->rows[i].row;
        char path[512];

        if (!is_ours(&catalogue->rows[i]))
            continue;
        ok(row->oracle != ORACLE_NONE);
        if (row->oracle == ORACLE_DECODE)
            ok(row->why && row->why[0]);
        if (row->oracle != ORACLE_PAYLOAD)
            continue;
        (void)snprintf(path, sizeof(path), PAYLOADS "/%s.c", row->why ? row->why : "");
        if (!ok(access(path, R_OK) == 0))
            printf("#   row %u, %s: %s\n", i, row->name, path);
    }
}

/* shape:row:seed:scene */
static bool parse_case(const char *text, struct case_id *ret_id)
{
    const char *const colon = strchr(text, ':');
    unsigned long long case_seed;

    for (unsigned i = 0; colon && i < NR_SHAPES; i++) {
        if (strncmp(text, shape_names[i], (size_t)(colon - text)) == 0) {
            ret_id->shape = (enum shape)i;
            if (sscanf(colon + 1, "%u:%llx:%u", &ret_id->row, &case_seed, &ret_id->scene) != 3)
                return false;
            ret_id->seed = case_seed;
            return ret_id->row < catalogue_get()->nr_rows && ret_id->scene < SCENES;
        }
    }
    return false;
}

static int run_again(const char *text)
{
    struct case_id id;

    compare_open(&comparison);
    if (!parse_case(text, &id) || !compare_compose(&comparison, &id)) {
        fprintf(stderr, "no such case: %s\n", text);
        return EXIT_FAILURE;
    }
    return compare_again(&comparison) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int compare_main(int argc, char **argv, bool is_float)
{
    static const struct tap_test tests[] = {
        TAP_TEST(single_instructions_are_alike),
        TAP_TEST(every_row_of_this_oracle_was_run),
        TAP_TEST(rows_with_another_oracle_have_it),
        TAP_TEST(sequences_are_alike),
        TAP_TEST(loops_are_alike),
        TAP_TEST(kicks_do_not_show),
        TAP_TEST(code_that_changes_itself_is_alike),
        TAP_TEST(code_that_is_cut_off_faults_alike),
        TAP_TEST(lock_where_it_must_not_be_is_refused),
    };
    const char *again = NULL;
    int option, status;

    while ((option = getopt(argc, argv, "n:s:t:r:")) != -1) {
        if (option == 'n')
            nr_cases = strtoull(optarg, NULL, 0);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 0);
        else if (option == 't')
            seconds = (unsigned)strtoul(optarg, NULL, 0);
        else if (option == 'r')
            again = optarg;
        else
            return EXIT_FAILURE;
    }
    if (!nr_cases)
        nr_cases = is_float ? DEFAULT_CASES_FLOAT : DEFAULT_CASES_INT;
    comparison.program_name = argv[0];
    comparison.is_float = is_float;
    rcu_register_thread();
    if (again) {
        status = run_again(again);
    } else {
        printf("# seed %" PRIu64 "\n", seed);
        status = TAP_RUN(tests, argc - optind + 1, argv + optind - 1);
    }
    compare_close();
    rcu_unregister_thread();
    return status;
}

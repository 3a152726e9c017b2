/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/torture/torture_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/torture/torture.h"
#include "util/bql.h"
#include "util/mutant.h"
#include "util/start.h"

struct options {
    const char *only; /* scenario, or NULL */
    double seconds;
};

static void __attribute__((noreturn))
usage(const char *program, const struct scenario *scenarios, size_t nr_scenarios)
{
    fprintf(stderr,
            "usage: %s [-t seconds] [-s seed] [-c scenario] [-r membarrier|fences]\n"
            "       [-w watchdog ms] [-m mutant]\nscenarios:",
            program);
    for (size_t i = 0; i < nr_scenarios; i++)
        fprintf(stderr, " %s", scenarios[i].name);
    fputc('\n', stderr);
    exit(TORTURE_USAGE);
}

static void set_mutant(const char *name)
{
#ifdef MUTANTS
    mutant_active = mutant_by_name(name);
#else
    if (strcmp(name, "none") != 0) {
        fprintf(stderr, "mutants are not built (-Dmutants=true)\n");
        exit(TORTURE_USAGE);
    }
#endif
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    int option;

    while ((option = getopt(argc, argv, "t:s:c:r:w:m:")) != -1) {
        switch (option) {
        case 't':
            options->seconds = atof(optarg);
            break;
        case 's':
            torture.seed = strtoull(optarg, NULL, 0);
            break;
        case 'c':
            options->only = optarg;
            break;
        case 'r':
            if (strcmp(optarg, "fences") == 0)
                torture.config.readers = RCU_READERS_FENCES;
            break;
        case 'w':
            torture.watchdog_ns = atoi(optarg) * NS_PER_MS;
            break;
        case 'm':
            set_mutant(optarg);
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

static bool is_wanted(const struct options *options, const struct scenario *scenario)
{
    return !options->only || strcmp(options->only, scenario->name) == 0;
}

int torture_main(int argc, char **argv, const struct scenario *scenarios, size_t nr_scenarios,
                 double seconds) NO_THREAD_SAFETY /* the BQL is taken in util_start() */
{
    struct options options = { .seconds = seconds };
    size_t nr_wanted = 0;

    torture = (struct torture){
        .seed = 1,
        .watchdog_ns = 20 * NS_PER_S,
        .config = rcu_config_default(),
    };
    if (!parse_options(argc, argv, &options))
        usage(argv[0], scenarios, nr_scenarios);
    for (size_t i = 0; i < nr_scenarios; i++)
        nr_wanted += is_wanted(&options, &scenarios[i]);
    if (nr_wanted == 0)
        usage(argv[0], scenarios, nr_scenarios);
    torture.run_ns = (int64_t)(options.seconds * (double)NS_PER_S / (double)nr_wanted);
    torture_begin();
    torture_check(util_start(NULL) == 0);
    bql_unlock();
    for (size_t i = 0; i < nr_scenarios; i++) {
        if (!is_wanted(&options, &scenarios[i]))
            continue;
        torture.scenario = scenarios[i].name;
        torture_restart_clock(torture.run_ns);
        scenarios[i].run();
        printf("%s, seed %llu: ok\n", torture.scenario, (unsigned long long)torture.seed);
    }
    torture_end();
    bql_lock();
    util_stop();
    return 0;
}

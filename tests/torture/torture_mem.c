/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * torture_mem [-t seconds] [-s seed] [-c scenario] [-r membarrier|fences] [-w watchdog ms]
 *             [-m mutant]
 *
 * Without -c all scenarios run, one after the other, each for its share of the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/torture/torture.h"
#include "tests/torture/torture_mem.h"
#include "util/mutant.h"
#include "util/start.h"

static const struct scenario {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    { "storm", storm_run },
    { "told", told_run },
    { "code", code_run },
    { "code-race", code_race_run },
};

static const char *only; /* scenario, or NULL */

static void __attribute__((noreturn)) usage(void)
{
    fprintf(stderr, "usage: torture_mem [-t seconds] [-s seed] [-c storm|told|code|code-race]\n"
                    "                   [-r membarrier|fences] [-w watchdog ms] [-m mutant]\n");
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

static double parse_options(int argc, char **argv)
{
    double seconds = 6;
    int option;

    while ((option = getopt(argc, argv, "t:s:c:r:w:m:")) != -1) {
        switch (option) {
        case 't':
            seconds = atof(optarg);
            break;
        case 's':
            torture.seed = strtoull(optarg, NULL, 0);
            break;
        case 'c':
            only = optarg;
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
            usage();
        }
    }
    return seconds;
}

int main(int argc, char **argv) NO_THREAD_SAFETY /* the BQL is taken in util_start() */
{
    double seconds;
    size_t nr_scenarios = 0;

    torture = (struct torture){
        .seed = 1,
        .watchdog_ns = 20 * NS_PER_S,
        .config = rcu_config_default(),
    };
    seconds = parse_options(argc, argv);
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        nr_scenarios += !only || strcmp(only, scenarios[i].name) == 0;
    if (nr_scenarios == 0)
        usage();
    torture.run_ns = (int64_t)(seconds * (double)NS_PER_S / (double)nr_scenarios);
    torture_begin();
    torture_check(util_start(NULL) == 0);
    bql_unlock();
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
        if (only && strcmp(only, scenarios[i].name) != 0)
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

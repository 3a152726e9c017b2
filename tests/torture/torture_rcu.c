/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * torture_rcu [-t seconds] [-s seed] [-r membarrier|fences] [-c scenario]
 *             [-n first number] [-w watchdog ms] [-m mutant]
 *
 * Without -c all scenarios run, each in a process of its own and for its share
 * of the time, as points of the Test Anything Protocol.
 */
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/wait.h>

#include "tests/torture/torture.h"
#include "util/mutant.h"

static void nothing_by_itself(struct rcu_config *config)
{
    config->poll_ns = FOR_EVER_NS;
    config->rekick_ns = FOR_EVER_NS;
    config->force_age_ns = FOR_EVER_NS;
    config->stall_ns = FOR_EVER_NS;
}

static void only_rekick(struct rcu_config *config)
{
    nothing_by_itself(config);
    config->rekick_ns = 1 * NS_PER_MS;
}

static void only_age(struct rcu_config *config)
{
    nothing_by_itself(config);
    config->force_age_ns = 5 * NS_PER_MS;
}

static void never_forced(struct rcu_config *config)
{
    nothing_by_itself(config);
    config->ignore_force = true;
}

static void early_stalls(struct rcu_config *config)
{
    config->stall_ns = 20 * NS_PER_MS;
    config->rekick_ns = 1 * NS_PER_MS;
}

static void low_limits(struct rcu_config *config)
{
    config->force_callbacks = 512;
    config->throttle_callbacks = 4096;
    config->throttle_bytes = 64u << 20;
    config->force_bytes = 16u << 20;
}

static void near_32_bits(struct rcu_config *config)
{
    config->first_number = (unsigned long)(UINT64_C(1) << 32) - 64;
}

static void near_31_bits(struct rcu_config *config)
{
    config->first_number = (1ul << 31) - 64;
}

static void near_the_end(struct rcu_config *config)
{
    config->first_number = -8ul;
}

/* gcc 12's allocator for the address sanitizer keeps its locks as a fork finds them: threads of the
 * child that allocate may wait for one that is not there. */
#if THREAD_SANITIZER
#define NO_FORK "no threads after fork under tsan"
#elif ADDRESS_SANITIZER
#define NO_FORK "asan's allocator may hang in threads of a forked child"
#else
#define NO_FORK NULL
#endif

/* Shares are of a default run of all, 10 s, in tenths of a second. */
static const struct scenario {
    const char *name;
    void (*run)(void);
    void (*configure)(struct rcu_config *config);
    unsigned share;
    const char *skip; /* why it cannot run in this build */
} scenarios[] = {
    { "pipe", pipe_run, NULL, 20, NULL },
    { "oversubscribed", oversubscribed_run, NULL, 10, NULL },
    { "tight", tight_run, NULL, 8, NULL },
    { "exit-race", exit_race_run, nothing_by_itself, 8, NULL },
    { "force", force_run, nothing_by_itself, 10, NULL },
    { "age", age_run, only_age, 2, NULL },
    { "quiet", quiet_run, never_forced, 1, NULL },
    { "lossy", lossy_run, only_rekick, 4, NULL },
    { "late", late_run, nothing_by_itself, 1, NULL },
    { "churn", churn_run, NULL, 8, NULL },
    { "drain", drain_run, NULL, 6, NULL },
    { "flood", flood_run, low_limits, 9, NULL },
    { "order", order_run, NULL, 4, NULL },
    { "promise", promise_run, NULL, 3, NULL },
    { "cookies", cookies_run, near_the_end, 5, NULL },
    { "stall", stall_run, early_stalls, 1, NULL },
    { "fork", fork_run, NULL, 6, NO_FORK },
    { "numbers-2^31", pipe_run, near_31_bits, 3, NULL },
    { "numbers-2^32", pipe_run, near_32_bits, 3, NULL },
    { "numbers-minus-8", pipe_run, near_the_end, 3, NULL },
};

enum { DEFAULT_SECONDS = 10, WATCHDOG_MS = 20000 };

struct options {
    double seconds;
    const char *seed;
    const char *readers;
    const char *scenario;
    const char *first_number;
    const char *watchdog_ms;
    const char *mutant;
};

static void __attribute__((noreturn)) usage(void)
{
    fprintf(stderr, "usage: torture_rcu [-t seconds] [-s seed] [-r membarrier|fences]\n"
                    "                   [-c scenario] [-n first number] [-w watchdog ms]\n"
                    "                   [-m mutant]\n"
                    "scenarios:");
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        fprintf(stderr, " %s", scenarios[i].name);
    fputc('\n', stderr);
    exit(TORTURE_USAGE);
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = { .seed = "1", .readers = "auto", .watchdog_ms = NULL };
    int option;

    while ((option = getopt(argc, argv, "t:s:r:c:n:w:m:")) != -1) {
        switch (option) {
        case 't':
            options.seconds = atof(optarg);
            break;
        case 's':
            options.seed = optarg;
            break;
        case 'r':
            options.readers = optarg;
            break;
        case 'c':
            options.scenario = optarg;
            break;
        case 'n':
            options.first_number = optarg;
            break;
        case 'w':
            options.watchdog_ms = optarg;
            break;
        case 'm':
            options.mutant = optarg;
            break;
        default:
            usage();
        }
    }
    if (optind != argc)
        usage();
    return options;
}

static enum rcu_readers parse_readers(const char *name)
{
    if (!strcmp(name, "auto"))
        return RCU_READERS_AUTO;
    if (!strcmp(name, "membarrier"))
        return RCU_READERS_MEMBARRIER;
    if (!strcmp(name, "fences"))
        return RCU_READERS_FENCES;
    usage();
}

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
        if (!strcmp(scenarios[i].name, name))
            return &scenarios[i];
    }
    usage();
}

static int64_t run_ns_of(const struct scenario *scenario, const struct options *options)
{
    if (options->seconds > 0)
        return (int64_t)(options->seconds * (double)NS_PER_S);
    return scenario->share * (NS_PER_S / 10);
}

static int run_one(const struct options *options)
{
    const struct scenario *scenario = find_scenario(options->scenario);

    if (options->mutant) {
#ifdef MUTANTS
        mutant_active = mutant_by_name(options->mutant);
#else
        if (strcmp(options->mutant, "none") != 0) {
            fprintf(stderr, "mutants are not built (-Dmutants=true)\n");
            return TORTURE_USAGE;
        }
#endif
    }
    torture = (struct torture){
        .scenario = scenario->name,
        .seed = strtoull(options->seed, NULL, 0),
        .run_ns = run_ns_of(scenario, options),
        .watchdog_ns =
            (options->watchdog_ms ? atoi(options->watchdog_ms) : WATCHDOG_MS) * NS_PER_MS,
        .config = rcu_config_default(),
    };
    torture.config.readers = parse_readers(options->readers);
    if (scenario->configure)
        scenario->configure(&torture.config);
    if (options->first_number)
        torture.config.first_number = strtoul(options->first_number, NULL, 0);
    if (scenario->skip)
        torture_skip(scenario->skip);
    torture_begin();
    scenario->run();
    torture_end();
    return 0;
}

/* ---- All of them ------------------------------------------------------------------ */

static int spawn_and_wait(char *const *argv)
{
    pid_t child;
    int status;
    int ret = posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ);

    if (ret != 0) {
        fprintf(stderr, "# cannot start a process: %s\n", strerror(ret));
        return -1;
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return status;
}

static int run_scenario(const struct scenario *scenario, const struct options *options)
{
    double share = scenario->share * (options->seconds > 0 ? options->seconds : DEFAULT_SECONDS) /
                   (10.0 * DEFAULT_SECONDS);
    char program[] = "torture_rcu", t[] = "-t", s[] = "-s", r[] = "-r", c[] = "-c", w[] = "-w",
         m[] = "-m";
    char seconds[32], seed[32], readers[16], name[32], watchdog[16], mutant[32];
    char *argv[] = {
        program, t, seconds, s, seed, r, readers, c, name, w, watchdog, m, mutant, NULL
    };

    (void)snprintf(seconds, sizeof(seconds), "%.3f", share);
    (void)snprintf(seed, sizeof(seed), "%s", options->seed);
    (void)snprintf(readers, sizeof(readers), "%s", options->readers);
    (void)snprintf(name, sizeof(name), "%s", scenario->name);
    (void)snprintf(watchdog, sizeof(watchdog), "%s",
                   options->watchdog_ms ? options->watchdog_ms : "20000");
    (void)snprintf(mutant, sizeof(mutant), "%s", options->mutant ? options->mutant : "none");
    fflush(stdout);
    return spawn_and_wait(argv);
}

static int run_all(const struct options *options)
{
    bool is_failed = false;

    printf("1..%zu\n", ARRAY_SIZE(scenarios));
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
        int status = run_scenario(&scenarios[i], options);
        bool is_skipped = WIFEXITED(status) && WEXITSTATUS(status) == TORTURE_SKIPPED;
        bool is_good = status == 0 || is_skipped;

        is_failed |= !is_good;
        printf("%s %zu - %s %s readers, seed %s%s%s\n", is_good ? "ok" : "not ok", i + 1,
               scenarios[i].name, options->readers, options->seed, is_skipped ? " # SKIP " : "",
               !is_skipped         ? ""
               : scenarios[i].skip ? scenarios[i].skip
                                   : "no membarrier system call");
        if (!is_good)
            printf("# again: torture_rcu -c %s -s %s -r %s (status %#x)\n", scenarios[i].name,
                   options->seed, options->readers, (unsigned)status);
    }
    return is_failed ? TORTURE_FAILED : 0;
}

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);

    return options.scenario ? run_one(&options) : run_all(&options);
}

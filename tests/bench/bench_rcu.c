/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RCU against its promises (design.md §4), its peers, and the machine's floor.
 *
 *   bench_rcu [GROUP...]    groups: see below; none is all
 *
 * The group "fences" runs in a process of its own, since readers' order is a
 * start-up choice: `bench_rcu --fences` is that process.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "place.h"
#include "rows.h"
#include "scene.h"
#include "util/rcu_control.h"

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
    { "floor", rows_floor },     { "instructions", rows_instructions },
    { "pairs", rows_pairs },     { "forced", rows_forced },
    { "blocked", rows_blocked }, { "crowd", rows_crowd },
    { "unmap", rows_unmap },     { "callback", rows_callback },
    { "flood", rows_flood },     { "synchronize", rows_synchronize },
};

/* Its rows go to the same output; their names say that readers run fences. */
static int run_fences_child(void)
{
    char *const argv[] = { (char[]){ "bench_rcu" }, (char[]){ "--fences" }, NULL };
    pid_t pid;
    int status;

    fflush(stdout);
    place_unpin(); /* the child inherits it */
    if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) != 0)
        return 1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return status == 0 ? 0 : 1;
}

static int configure_fences(void)
{
    struct rcu_config config = rcu_config_default();

    config.readers = RCU_READERS_FENCES;
    return rcu_configure(&config);
}

int main(int argc, char **argv)
{
    bool is_fences = argc == 2 && strcmp(argv[1], "--fences") == 0;
    int error = is_fences ? configure_fences() : 0;

    if (error) {
        fprintf(stderr, "bench_rcu: rcu_configure: %s\n", strerror(-error));
        return 1;
    }
    bench_begin("rcu", is_fences ? 1 : argc, argv);
    if (is_fences)
        bench_variant("fence readers: "); /* another choice than the one that the bars are for */
    scene_begin();
    if (is_fences) {
        rows_pairs();
        rows_forced();
        rows_synchronize();
    }
    for (size_t i = 0; !is_fences && i < ARRAY_SIZE(groups); i++)
        if (bench_wants(groups[i].name))
            groups[i].run();
    scene_end();
    int result = bench_end();
    if (!is_fences && bench_wants("fences"))
        result |= run_fences_child();
    return result;
}

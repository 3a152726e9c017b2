/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "callgrind.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAIRS = 100000 };

/* read_pair lies beside this program. */
static bool find_read_pair(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);

    if (length < 0)
        return false;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    size_t room = size - (size_t)(slash + 1 - path);
    return snprintf(slash + 1, room, "read_pair") < (int)room && access(path, X_OK) == 0;
}

/* The number behind "Collected : " in valgrind's output, or -1. */
static int64_t parse(FILE *output)
{
    int64_t collected = -1;
    char line[512];

    while (fgets(line, sizeof(line), output)) {
        const char *found = strstr(line, "Collected : ");
        if (found)
            collected = strtoll(found + strlen("Collected : "), NULL, 10);
    }
    return collected;
}

/* Instructions of a whole run, or -1. */
static int64_t count(char *read_pair, const char *scheme, unsigned long pairs)
{
    char number[24];
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;
    int status;

    snprintf(number, sizeof(number), "%lu", pairs);
    char *const argv[] = { (char[]){ "valgrind" },
                           (char[]){ "--tool=callgrind" },
                           (char[]){ "--callgrind-out-file=/dev/null" },
                           read_pair,
                           strdup(scheme),
                           number,
                           NULL };
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    int error = posix_spawnp(&pid, "valgrind", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(argv[4]);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    int64_t collected = !error && output ? parse(output) : -1;
    if (output)
        fclose(output);
    while (!error && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return !error && status == 0 ? collected : -1;
}

static double per_pair(char *read_pair, const char *scheme)
{
    int64_t some = count(read_pair, scheme, PAIRS);
    int64_t more = count(read_pair, scheme, 2 * PAIRS); /* of as many digits: parsing costs too */

    if (some < 0 || more < 0)
        return -1;
    /* What the loader does varies by a few dozen instructions: not a hundredth of one a pair. */
    return round((double)(more - some) * 100 / PAIRS) / 100;
}

bool callgrind_pair(const char *scheme, double *ret_instructions, const char **ret_reason)
{
    static double loop = -1;
    char read_pair[4096];

    if (!find_read_pair(read_pair, sizeof(read_pair))) {
        *ret_reason = "read_pair is not beside this program";
        return false;
    }
    if (loop < 0)
        loop = per_pair(read_pair, "empty");
    if (loop < 0) {
        *ret_reason = "valgrind --tool=callgrind is missing or does not run here";
        return false;
    }
    double whole = per_pair(read_pair, scheme);
    if (whole < 0) {
        *ret_reason = "read_pair failed under callgrind";
        return false;
    }
    *ret_instructions = whole - loop;
    return true;
}

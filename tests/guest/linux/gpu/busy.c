/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * busy NR PROGRAM [ARGUMENT...]
 *
 * Runs a program while NR processes do nothing but compute, each kept on one processor, from the
 * last one down. Ends as the program does: with its status, or with 128 and the signal's number.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_BUSY = 64, CANNOT_RUN = 127, BY_SIGNAL = 128 };

_Noreturn static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static pid_t start(void)
{
    const pid_t child = fork();
    if (child < 0) {
        fail("fork");
    }
    if (child == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        fail("prctl");
    }
    return child;
}

_Noreturn static void compute_for_ever(long cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        fail("sched_setaffinity");
    }
    for (volatile unsigned long count = 0;; count++) {
    }
}

int main(int argc, char **argv)
{
    char *end = NULL;
    const long nr = argc > 2 ? strtol(argv[1], &end, 10) : -1;
    const long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    pid_t computing[MAX_BUSY];
    int status;
    if (nr < 0 || nr > MAX_BUSY || *end) {
        fprintf(stderr, "usage: %s NR PROGRAM [ARGUMENT...], NR from 0 to %d\n", argv[0], MAX_BUSY);
        return 2;
    }
    for (long i = 0; i < nr; i++) {
        computing[i] = start();
        if (computing[i] == 0) {
            compute_for_ever(nr_cpus - 1 - i % nr_cpus);
        }
    }
    const pid_t program = start();
    if (program == 0) {
        execvp(argv[2], &argv[2]);
        perror(argv[2]);
        _exit(CANNOT_RUN);
    }
    waitpid(program, &status, 0);
    for (long i = 0; i < nr; i++) {
        kill(computing[i], SIGKILL);
        waitpid(computing[i], NULL, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : BY_SIGNAL + WTERMSIG(status);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Runs one test function in a process of its own: for what a process does only
 * once (configuring RCU), what ends it (abort), and what it prints.
 */
#ifndef TESTS_UNIT_CHILD_H
#define TESTS_UNIT_CHILD_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/wait.h>

struct child_end {
    int exit_code;     /* -1 if a signal ended it */
    int signal;        /* 0 if none did */
    char errors[8192]; /* what it wrote to stderr, cut to fit */
};

/* @run is called in the child; returning from it is exit code 0. */
static inline struct child_end run_child(void (*run)(void))
{
    struct child_end end = { .exit_code = -1 };
    size_t used = 0;
    int fds[2], status = 0;
    ssize_t got;
    pid_t pid;

    fflush(stdout);
    if (pipe(fds) != 0 || (pid = fork()) < 0) {
        perror("run_child");
        exit(1);
    }
    if (pid == 0) {
        const struct rlimit no_core = { 0, 0 };

        (void)setrlimit(RLIMIT_CORE, &no_core); /* a core file would only be litter */
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        signal(SIGABRT, SIG_DFL);
        run();
        _exit(0);
    }
    close(fds[1]);
    while ((got = read(fds[0], end.errors + used, sizeof(end.errors) - 1 - used)) > 0)
        used += (size_t)got;
    close(fds[0]);
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
        end.exit_code = WEXITSTATUS(status);
    else
        end.signal = WTERMSIG(status);
    return end;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The peer: qemu-system-x86_64 under TCG with the same payload, as a process beside this
 * one, which is stopped (SIGSTOP) whenever it is not asked for anything.
 *
 * Threads: the main thread; the process ends with it.
 */
#ifndef TESTS_BENCH_QEMU_H
#define TESTS_BENCH_QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct qemu {
    pid_t pid;
    int to, from;    /* its serial port */
    clockid_t clock; /* CPU time of all its threads */
};

/** Start it, and see that it answers. False: @ret_reason (static) says why it does not. */
bool qemu_start(struct qemu *qemu, const char *payload, const char **ret_reason);
void qemu_stop(struct qemu *qemu);

/** As bare_run(). False: it does not answer. */
bool qemu_run(struct qemu *qemu, unsigned id, uint32_t rounds, uint64_t *ret_sum);

#endif

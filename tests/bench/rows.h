/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The groups of rows, one a file. Each begins and ends with the measuring
 * thread pinned and outside any section, and the other thread without a job.
 */
#ifndef TESTS_BENCH_ROWS_H
#define TESTS_BENCH_ROWS_H

void rows_floor(void);        /* what the machine itself charges */
void rows_instructions(void); /* a read pair's, by callgrind */
void rows_pairs(void);        /* a read pair's time */
void rows_forced(void);       /* forced grace period, reader kicked by flag; lazy one pending */
void rows_blocked(void);      /* … reader blocked, kicked by signal */
void rows_crowd(void);        /* … as many busy readers as cores */
void rows_unmap(void);        /* the polled path of an unmap, from a main loop */
void rows_callback(void);     /* from call_rcu to its callback */
void rows_flood(void);        /* a million callbacks from one producer */
void rows_synchronize(void);  /* synchronize against the peers, short and long readers */

#endif

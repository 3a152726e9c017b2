/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The groups of rows of bench_srcu; see rows.h.
 */
#ifndef TESTS_BENCH_ROWS_SRCU_H
#define TESTS_BENCH_ROWS_SRCU_H

void rows_srcu_instructions(void); /* a read pair's, by callgrind */
void rows_srcu_pairs(void);        /* a read pair's time, beside the others' */
void rows_srcu_synchronize(void);  /* synchronize_srcu: no reader, short, long and sleeping ones */

#endif

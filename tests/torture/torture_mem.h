/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The memory map under torture: what its scenarios are.
 */
#ifndef TESTS_TORTURE_TORTURE_MEM_H
#define TESTS_TORTURE_TORTURE_MEM_H

#include "hw/mem/mem.h"

/* Each spawns its workers and returns when they have ended. The BQL is free. */
void storm_run(void); /* readers of every kind against maps and unmaps */
void told_run(void);  /* one maps and tells another, which reads */
void code_run(void);  /* stores of every kind against cached code */
void code_race_run(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a payload's assembly and C agree on. */
#ifndef TESTS_GUEST_LAYOUT_H
#define TESTS_GUEST_LAYOUT_H

#define NR_CPUS_MAX 8
#define STACK_SHIFT 14

/* Selectors; in this order for SYSCALL and SYSRET. */
#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_USER_CODE32 0x1b
#define SEL_USER_DATA 0x23
#define SEL_USER_CODE 0x2b
#define SEL_CODE32 0x30
#define SEL_DATA32 0x38
#define SEL_TSS 0x40  /* 16 bytes for each processor */
#define SEL_TEST 0xc0 /* from here on for the tests */
#define NR_DESCRIPTORS 40

/* Physical memory, and virtual one, for the tests: nothing of the payload is there. */
#define TEST_MEMORY 0x400000
#define TEST_MEMORY_END 0x1000000

#endif

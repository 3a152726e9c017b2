/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What payloads on the whole machine are written with, beside payload.h: they are loaded by
 * -kernel, speak on COM1, and end by ACPI's power-off, or where a check failed by pvpanic.
 */
#ifndef TESTS_GUEST_BOARD_BOARD_H
#define TESTS_GUEST_BOARD_BOARD_H

#include "hw/machine/layout.h"
#include "tests/guest/payload.h"

/* Behind LAYOUT_PORT_POWER (ACPI 6.4, 4.8.3.7): SLP_TYP 5 and SLP_EN are written to the first. */
enum { POWER_SLEEP = 0, POWER_RESET = 2, POWER_S5 = 5 << 2 | 0x20 };

/* RAM from here on is hostile devices' to write. What is below is the payload's. */
#define ARENA TEST_MEMORY
u64 ram_size(void);

/* NAME=NUMBER on the command line. */
u64 parameter(const char *name, u64 otherwise);
/* What @name=… begins with there. */
bool parameter_is(const char *name, const char *value);

/* Each processor has its own sequence. */
void seed_random(u64 seed);
u64 random(void);
u64 random_below(u64 limit);
/* What finds bugs: 0, 1, ones, a small number, or a random one that is no address of RAM. */
u64 hostile_number(void);

/* Begin with @how_many processors (-smp), by the mailbox. */
void start_processors(unsigned how_many);
unsigned processor(void); /* this one */

/* 2 MiB at @physical, and 2 MiB behind it, until the processor's next call. */
volatile u8 *at(u64 physical);
/* All of a range above 4 GiB, for good: up to 4 GiB in all. */
volatile u8 *map_far(u64 physical, u64 size);

/* Accesses of @size bytes, one instruction each. */
u64 read_as(const volatile void *address, unsigned size);
void write_as(volatile void *address, unsigned size, u64 value);
u32 in_as(u16 port, unsigned size);
void out_as(u16 port, unsigned size, u32 value);

void take_over_serial(void); /* after others have written there: as it was at the start */
void reset_machine(void);
u64 tsc(void);
/* The TSC's ticks, by the clock that the machine tells of (kvmclock). */
u64 nanoseconds(u64 ticks);
char get_character(void); /* waits for one on COM1 */

#endif

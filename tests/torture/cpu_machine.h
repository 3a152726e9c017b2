/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The machine of torture_cpu: RAM with the guest programs, page tables, a device, and software
 * processors. What both sides know is in cpu_layout.h.
 */
#ifndef TESTS_TORTURE_CPU_MACHINE_H
#define TESTS_TORTURE_CPU_MACHINE_H

#include "hw/cpu/cpu.h"
#include "hw/mem/mem.h"
#include "hw/mem/region.h"
#include "tests/torture/cpu_layout.h"
#include "tests/torture/torture.h"

struct guest {
    struct mem *mem;
    struct region *root, *ports_root, *ram_region, *device_region;
    struct space *memory, *ports;
    struct ram *ram;
    struct cpus *cpus;
    unsigned nr_cpus; /* 0: not started */
    bool has_met;     /* enough has happened; atomic */

    /* The scenario's; may be NULL. On a processor's thread, with the BQL. */
    void (*map)(uint64_t generation);
    void (*unmap)(void);
    uint64_t (*released)(void);
    uint64_t count; /* DEVICE_COUNT; guarded by the BQL */
};
extern struct guest guest;

/* Programs, in the order of cpu_guest.S; what lies between the first two is at PROGRAM_AT. */
extern const char guest_program[], guest_program_end[];
extern const char on_invalid[], on_protection[], on_page_fault[];
extern const char blob_program[], tell_program[], told_program[];
extern const char spin_count_program[], spin_program[], spin_string_program[];
extern const char spin_fault_program[];
extern const char code_program[], self_code[], patch_program[], patched_program[];
extern const char lock_program[];
extern const char tlb_change_program[], tlb_use_program[];

/** The machine without processors. */
void guest_make(void);

/** Processors at these programs, NULL after the last, begin to run. */
void guest_start(struct worker *random, const char *const programs[GUEST_CPUS]);

/** Stop them: nobody touches the machine any more. Then all of it is released. */
void guest_stop(void);
void guest_end(void);

/** A word of RAM: atomic from both sides. */
uint64_t *guest_word(uint64_t gpa);
uint64_t guest_rounds(unsigned index);

/** MOV EAX, @number; RET at @line. Nobody runs it, or who does learns of it otherwise. */
void guest_write_function(void *line, uint32_t number);

/* ---- Workers ------------------------------------------------------------------------------- */

/** Fails by the watchdog when a processor makes no more rounds. */
void guest_watch(struct worker *worker);
/** Pauses, stops, kicks, asks, forces grace periods. */
void guest_storm(struct worker *worker);

/** Run @programs with those two, and @work (if it is not NULL) as often as @nr_work. */
void guest_run(const char *const programs[GUEST_CPUS], void (*work)(struct worker *),
               unsigned nr_work);

/* The scenarios; each in cpu_<name>.c. */
void blob_run(void);
void told_run(void);
void kick_run(void);
void code_run(void);
void patch_run(void);
void lock_run(void);
void tlb_run(void);

#endif

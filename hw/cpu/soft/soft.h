/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The state of a software processor, laid out for its handlers.
 *
 * Everything is owned by the processor's thread, but `kick` (any thread) and what
 * the common struct cpu says of itself. While it is paused or has not been
 * started, whoever did so owns it.
 */
#ifndef HW_CPU_SOFT_SOFT_H
#define HW_CPU_SOFT_SOFT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/cpu/cpu.h"
#include "hw/cpu/soft/fpu_state.h"
#include "hw/cpu/soft/insn.h"
#include "hw/cpu/soft/translation.h"
#include "hw/cpu/state.h"

struct op;
struct blocks;
struct ram;
struct view;

/*
 * Arithmetic flags are kept as what they follow from, and computed when read:
 *   CF  flag_cf, 0 or 1
 *   ZF  flag_res is 0
 *   SF  sign of flag_res, which is sign-extended to 64 bits; changed by FLAGX_SF
 *   PF  even number of bits in the low byte of flag_res; changed by FLAGX_PF
 *   AF  FLAGX_AF of flag_x
 *   OF  CF xor FLAGX_OF of flag_x
 * For sums and differences (also with carry-in) a ^ b ^ result, sign-extended, has
 * in each bit the carry *into* it; so flag_x = (a ^ b ^ res) & FLAGX_CARRIES. For
 * logical operations it is 0. The other two bits allow combinations that no
 * result has (ZF without PF, as after UCOMISD or POPF).
 */
#define FLAGX_OF (UINT64_C(1) << 63)
#define FLAGX_AF (UINT64_C(1) << 4)
#define FLAGX_SF (UINT64_C(1) << 16)
#define FLAGX_PF (UINT64_C(1) << 8)
#define FLAGX_CARRIES (FLAGX_OF | FLAGX_AF)

enum { SOFT_TEMPS = 4 };

/* An exception on its way to the guest. */
struct soft_fault {
    uint8_t vector;
    bool has_error;
    bool is_interrupt; /* from outside, or NMI: no exception, whatever the vector */
    uint32_t error;
};

struct soft {
    struct cpu cpu;

    /* Operations name these by byte offset from `gpr`: the first 256 bytes. */
    uint64_t gpr[NR_GPRS] CACHE_ALIGNED;
    uint64_t zero;      /* always 0: no base, no index, no segment */
    uint64_t block_rip; /* virtual address of the running block's first byte */
    uint64_t seg_base[6];
    uint64_t temp[SOFT_TEMPS]; /* between the operations of one instruction */
    uint64_t unused_[4];

    uint64_t flag_res, flag_x, flag_cf;
    uint64_t rflags;       /* all but FLAGS_ARITH; bit 1 set */
    struct tlb_entry *tlb; /* data TLB of the present class: tlbs[tlb_class] */
    uint64_t count;        /* guest instructions, with all of the running block's */
    uint64_t rip;          /* valid outside blocks only; inside: op_rip(cpu, op) */
    uint8_t xmm[16][16] __attribute__((aligned(16)));

    struct {
        uint64_t limit; /* count at which the run is to be left; 0: at the next block. Atomic */
    } kick CACHE_ALIGNED;

    uint8_t cpl CACHE_ALIGNED;
    uint8_t mode;      /* enum insn_mode: of CS */
    uint8_t tlb_class; /* enum tlb_class */
    bool is_shadowed;  /* interrupts wait until the next instruction has ended */
    bool is_nmi_blocked;
    bool is_nmi_pending;
    bool is_halted;
    bool is_delivering; /* an exception, by soft_deliver(): what it raises is nested */
    uint8_t stop;       /* enum soft_stop: why soft_exec() is to return */

    struct cpu_segment seg[NR_SEGMENTS];
    struct cpu_table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, cr8, efer, dr[8];
    uint64_t star, lstar, cstar, fmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, pat, tsc_aux;
    uint64_t misc_msr[NR_MISC_MSRS];
    struct soft_fpu fpu;
    uint32_t host_mxcsr; /* of the thread, while the guest's is loaded */
    uint8_t lock_copy[16] __attribute__((aligned(16))); /* private to soft_lock_begin() */

    struct soft_fault fault;
    sigjmp_buf unwind; /* where soft_raise() goes: soft_exec() */

    const struct view *view;  /* pinned while inside the section; NULL outside */
    uint64_t view_generation; /* of what the TLBs were filled from */
    uint64_t code_sequence;   /* of the code gate's log, up to which blocks are right */
    uint64_t drops_done;      /* of code_drops, up to which write mappings are dropped; atomic */
    uint32_t is_running;      /* inside the section, or about to be; atomic */
    struct blocks *blocks;
    struct op *link_from; /* the link to make when the block at rip has been found */
    uint64_t jump_salt;   /* of the present mode and privilege: soft_update_mode() */
    uint8_t restart;      /* enum soft_restart, from soft_restart() to soft_exec() */
    bool is_single;       /* the running block is one instruction, and compared */
    bool is_exclusive;    /* all other processors stand still */
    bool is_traced;       /* the running instruction ends in a trap: TF was set when it began */

    uint64_t pause_count; /* count at the last PAUSE */
    unsigned nr_pauses;   /* in a row */

    /* Counters; metrics read them (atomic, relaxed). */
    uint64_t nr_invalid; /* #UD raised for what the decoder does not know */
    struct tlb_entry tlbs[NR_TLB_CLASSES][TLB_ENTRIES];
    struct fetch_entry fetch_tlb[2][FETCH_ENTRIES];      /* by "is CPL 3" */
    uint16_t tlb_filled[NR_TLB_CLASSES][TLB_FILLED_MAX]; /* indices, for flushing few */
    uint32_t nr_tlb_filled[NR_TLB_CLASSES];              /* beyond TLB_FILLED_MAX: any */
    uint64_t large_regions; /* bit n: some entry is of a large page with 2 MiB number n mod 64 */
    uint64_t jump_pages[JUMP_PAGES / WORD_BITS]; /* bit n: some jump entry is of a page with number
                                                    n mod JUMP_PAGES */
    uint64_t jump_local[JUMP_ENTRIES / WORD_BITS]; /* bit n: entry n may be of a page not global */
    struct jump_entry jumps[JUMP_ENTRIES];
};

/* Why the blocks were left, when no exception was raised. */
enum soft_stop {
    STOP_NONE,
    STOP_LIMIT, /* count has reached limit: kicked */
    STOP_HALT,
    STOP_SHUTDOWN,  /* triple fault */
    STOP_EXCLUSIVE, /* the next instruction must run while all others stand still */
    STOP_FIRMWARE,  /* the next instruction leads to firmware */
};

static inline struct soft *soft_of(struct cpu *cpu)
{
    return container_of(cpu, struct soft, cpu);
}

/* ---- Flags (flags.h has the rest) ------------------------------------------------- */

/** RFLAGS as PUSHF and an exception frame have it. */
uint64_t soft_get_rflags(const struct soft *cpu);

/** All of RFLAGS; no checks. Selects the TLB class, since AC is among them. */
void soft_set_rflags(struct soft *cpu, uint64_t rflags);

/* ---- Exceptions -------------------------------------------------------------------- */

/**
 * Leave the instruction of @op, which has changed nothing yet that it would not
 * change again, for exception @vector. Goes to soft_exec(); no lock may be held.
 */
void soft_raise(struct soft *cpu, const struct op *op, unsigned vector) COLD
    __attribute__((noreturn));
void soft_raise_error(struct soft *cpu, const struct op *op, unsigned vector, uint32_t error) COLD
    __attribute__((noreturn));

/* ---- Run ----------------------------------------------------------------------------- */

/**
 * Run blocks from cpu->rip on, inside the read section with cpu->view pinned, until
 * cpu->stop says why not, or an exception: then true, with `fault` filled and rip at
 * the instruction. Registers are as the guest sees them.
 */
bool soft_exec(struct soft *cpu) REQUIRES_SHARED(rcu);

/**
 * Push the frame of @fault (or of an interrupt or NMI: no error, is_interrupt) and enter its
 * handler (AMD64 APM vol. 2, chapter 8). Nested faults become #DF, then STOP_SHUTDOWN. interrupt.c
 */
void soft_deliver(struct soft *cpu, const struct soft_fault *fault) REQUIRES_SHARED(rcu);

/** After a change of CPL, CR0, CR4, EFER, CS or AC: derive mode and TLB class. */
void soft_update_mode(struct soft *cpu);

/** Ask for the end of the run after the present block (which ends with this instruction). */
static inline void soft_leave(struct soft *cpu)
{
    __atomic_store_n(&cpu->kick.limit, 0, __ATOMIC_RELAXED);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine of torture_cpu, as its guest programs (cpu_guest.S) and the host see it. All that
 * they touch lies below 1 GiB, which is mapped to itself but for the moving page.
 */
#ifndef TESTS_TORTURE_CPU_LAYOUT_H
#define TESTS_TORTURE_CPU_LAYOUT_H

#define GUEST_CPUS 3
#define GUEST_PAGE 0x1000

/* ---- RAM ------------------------------------------------------------------------------------ */

#define RAM_BYTES 0x200000 /* one large page */
#define GDT_AT 0x800
#define IDT_AT 0x1000
#define PML4_AT 0x2000
#define PDPT_AT 0x3000
#define PD_AT 0x4000
#define PT_LOW_AT 0x5000    /* RAM, in small pages */
#define PT_MOVING_AT 0x6000 /* the moving page's */
#define STACKS_AT 0x10000   /* a page for each processor */
#define PROGRAM_AT 0x20000
#define PATCH_AT 0x40000 /* two pages of code that is written all the time */
#define FRAMES_AT 0x50000
#define NR_FRAMES 4
#define LOCKS_AT 0x60000 /* two pages of numbers that all increment */

/* ---- The mailbox: a line for each processor, then what it shares with the host ----------------
 */

#define MAIL_AT 0x8000
#define MAIL_LINE 64
/* In a processor's line: */
#define MAIL_ROUNDS 0
#define MAIL_IS_PARKED 8
#define MAIL_GOT 16
#define MAIL_WANT 24
#define MAIL_CHECK 32 /* number of the check that has failed */
#define MAIL_ACK 40

#define STOP_AT (MAIL_AT + 0x100)
#define TOLD_AT (MAIL_AT + 0x140)
#define ANSWERED_AT (MAIL_AT + 0x180)
#define MAPPED_AT (MAIL_AT + 0x200)   /* by slot: the generation that is there for sure, or 0 */
#define NEWEST_AT (MAIL_AT + 0x240)   /* by slot: none is newer */
#define GONE_AT (MAIL_AT + 0x280)     /* by slot: neither this nor an older one is there any more */
#define FUNCTION_AT (MAIL_AT + 0x300) /* by number: where the function is */
#define ANNOUNCED_AT                                                                               \
    (MAIL_AT + 0x400)               /* by number, in lines: the version that it is in at least     \
                                     */
#define WANTED_AT (MAIL_AT + 0x600) /* number of the change of page tables under way */
#define GO_AT (MAIL_AT + 0x640)     /* … that has been made */
#define STATE_AT (MAIL_AT + 0x680)  /* what it has led to */

/* ---- Blobs: slots above RAM --------------------------------------------------------------------
 */

#define WINDOW_AT 0x20000000
#define SLOT_SHIFT 16
#define NR_SLOTS 8
/* Pages of a blob: words (slot + 1) << 32 | generation; the slot's number + 1 where it has been
 * written; numbers that are incremented; code that returns the generation; whatever is copied. */
#define BLOB_WRITTEN (1 * GUEST_PAGE)
#define BLOB_COUNTED (2 * GUEST_PAGE)
#define BLOB_CODE (3 * GUEST_PAGE + FUNCTION_OFFSET)
#define BLOB_COPIED (4 * GUEST_PAGE)
#define COPIED_WORDS 128
#define BLOB_BYTES (5 * GUEST_PAGE)

/* ---- Code --------------------------------------------------------------------------------------
 */

/* MOV EAX, imm32; RET: begins at this offset in its line, so that the number is aligned. */
#define FUNCTION_OFFSET 3
#define NR_FUNCTIONS 8
#define FUNCTION_ALIAS 4   /* in memory that changes places; 0 to 2 are the processors' own */
#define FUNCTION_POINTER 6 /* written by host pointer; the others by DMA */
#define ALIAS_AT 0x24000000
#define SELF_AT 0x400 /* in the first page of PATCH: code that writes itself, by processor */
#define SELF_BYTES 0x100
#define SELF_VARIANT_SHIFT 6
#define NR_SELF_VARIANTS 4

/* ---- Page tables
 * --------------------------------------------------------------------------------- */

/* The page whose table entry changes. As part of a large page it is frame 0. */
#define MOVING_REGION 0x30000000
#define MOVING_AT (MOVING_REGION + FRAMES_AT)
/* A frame: its number + 1, words by processor, code that returns its number + 1. */
#define FRAME_NUMBER 0x100
#define FRAME_WRITTEN 0x200
#define FRAME_CODE (0x300 + FUNCTION_OFFSET)
/* Bits of a state: frame number, and */
#define STATE_FRAME 3
#define STATE_WRITABLE 4
#define STATE_NX 8
#define STATE_PRESENT_BIT 4
#define STATE_PRESENT 16
#define STATE_LARGE 32
#define STATE_BITS 6

/* ---- Numbers under LOCK
 * -------------------------------------------------------------------------- */

#define LOCK_PLAIN (LOCKS_AT + 0)
#define LOCK_XADD (LOCKS_AT + 64)
#define LOCK_PAIR (LOCKS_AT + 128) /* 16 bytes */
#define LOCK_LINE (LOCKS_AT + 256 - 3)
#define LOCK_PAGE (LOCKS_AT + GUEST_PAGE - 5)
#define LOCK_SPIN (LOCKS_AT + 384)
#define LOCK_SPUN (LOCKS_AT + 448)  /* what the spin lock guards */
#define LOCK_CODE (PATCH_AT + 0x80) /* in a page of code */
#define LOCK_PAIR_STEP_SHIFT 61     /* so that the upper half counts too */

/* ---- The device
 * ------------------------------------------------------------------------------------ */

#define DEVICE_AT 0x28000000
#define DEVICE_BYTES 0x1000
#define DEVICE_FAIL 0x00     /* write: a check has failed; the mailbox says which */
#define DEVICE_MAP 0x08      /* write: generation of a blob that is to be in slot 0 */
#define DEVICE_UNMAP 0x10    /* write: anything */
#define DEVICE_RELEASED 0x18 /* read: the newest generation that was released */
#define DEVICE_COUNT 0x20    /* a number that remembers */

/* ---- Faults: what a program finds in RAX
 * -------------------------------------------------------------- */

#define FAULT(vector) (-1 - (vector))
#define VECTOR_INVALID 6
#define VECTOR_PROTECTION 13
#define VECTOR_PAGE_FAULT 14

#endif

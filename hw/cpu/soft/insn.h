/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A decoded instruction, and the rows of the tables it was decoded by.
 *
 * Decoding is a pure function of bytes and mode: no processor state, no memory
 * but the result. A `struct insn` is the decoder's truth: the block builder lowers
 * it to operations, tests compare it with a disassembler, and a code generator
 * would start from it as well.
 *
 * A row says all there is to know of an encoding: what it does (`kind`), its
 * operands, which flags it reads, writes and leaves undefined (liveness and the
 * tests both use these), which prefixes are allowed, in which modes it exists,
 * and what proves it right (`oracle`).
 *
 * Letters of operands: Intel SDM, volume 2, appendix A.2.
 */
#ifndef HW_CPU_SOFT_INSN_H
#define HW_CPU_SOFT_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/cpu/soft/kinds.h" /* enum insn_kind: INSN_ADD, INSN_JCC, INSN_PADDB … */
#include "hw/cpu/state.h"

enum { INSN_BYTES_MAX = 15, INSN_OPERANDS_MAX = 3 };

/* How a processor reads code: CS.L and CS.D. There is no 16-bit code. */
enum insn_mode { MODE_64, MODE_32 };

/* What proves that a row does what it should. A row without one does not build. */
enum insn_oracle {
    ORACLE_NONE,
    ORACLE_HOST,    /* run on this machine's processor, with the same registers and memory */
    ORACLE_APPROX,  /* the same, within the documented error (rcpps, x87 transcendentals) */
    ORACLE_PAYLOAD, /* a bare-metal program in tests/guest, named by `why` */
    ORACLE_DECODE,  /* the disassembler only; `why` says why no more */
};

enum {                     /* insn_row.prefixes: what is allowed, or what is needed */
       ROW_LOCK = 1 << 0,  /* LOCK allowed, if the destination is memory */
       ROW_REP = 1 << 1,   /* REP repeats it */
       ROW_REPCC = 1 << 2, /* REPE and REPNE repeat it while ZF says so */
       ROW_64 = 1 << 3,    /* 64-bit code only */
       ROW_32 = 1 << 4,    /* 32-bit code only */
       ROW_DEF64 = 1 << 5, /* operand size is 64 in 64-bit code (push, near jumps) */
       ROW_CPL0 = 1 << 6,  /* #GP at any other privilege */
       ROW_ENDS = 1 << 7, /* ends a block: may change the flow, the mode, the mapping, interrupts */
       ROW_FAULTS = 1 << 8,  /* may raise an exception even without a memory operand */
       ROW_FORCE64 = 1 << 9, /* operand size is 64 in 64-bit code whatever the prefixes say */
};

/* One encoding. Tables are in table_*.c; their shape is the decoder's own business (table.h). */
struct insn_row {
    const char *name; /* mnemonic, lower case */
    uint16_t kind;    /* enum insn_kind */
    uint16_t prefixes;
    uint8_t forms[INSN_OPERANDS_MAX]; /* enum operand_form (table.h), destination first */
    uint8_t oracle;                   /* enum insn_oracle */
    uint16_t flags_read;              /* FLAGS_ARITH bits and FLAG_DF that the result depends on */
    uint16_t flags_written;           /* defined afterwards; those kept are in neither mask */
    uint16_t flags_undefined;         /* changed, nobody knows how */
    const char *why;                  /* payload's name, or the reason of ORACLE_DECODE */
};

enum operand_kind {
    OPERAND_NONE,
    OPERAND_GPR,      /* reg: 0-15 */
    OPERAND_GPR_HIGH, /* reg: 0-3, bits 8-15 (AH CH DH BH) */
    OPERAND_MEMORY,   /* insn.memory */
    OPERAND_IMM,      /* insn.imm; jumps: relative to the next instruction */
    OPERAND_SEGMENT,
    OPERAND_CR,
    OPERAND_DR,
    OPERAND_ST,
    OPERAND_MMX,
    OPERAND_XMM,
    OPERAND_FAR, /* far pointer in the code: insn.imm is the offset, insn.selector the rest */
};

struct insn_operand {
    uint8_t kind; /* enum operand_kind */
    uint8_t reg;
    uint16_t size; /* bytes read or written (0: lea, invlpg); of OPERAND_IMM: bytes in the code */
};

enum { MEMORY_NO_REG = 0xff, MEMORY_RIP = 0xfe };

/*
 * A memory operand: base + (index << shift) + disp, in a segment. Of the two that MOVS and CMPS
 * have it is the one at rSI; that at rDI is always in ES, without a prefix. MASKMOVQ's at rDI is
 * as any other. XLAT's is at rBX; AL is still to be added.
 */
struct insn_memory {
    uint8_t base;    /* 0-15, MEMORY_RIP (of the next instruction), MEMORY_NO_REG */
    uint8_t index;   /* 0-15, MEMORY_NO_REG */
    uint8_t shift;   /* 0-3 */
    uint8_t segment; /* enum segment, after defaults and prefixes */
    int64_t disp;    /* 64 bits only in A0-A3 (moffs) */
};

enum { /* insn.prefixes: those present */
       PREFIX_LOCK = 1 << 0,
       PREFIX_REP = 1 << 1,   /* F3, where it is no part of the opcode; F2 also with ROW_REP */
       PREFIX_REPNE = 1 << 2, /* F2, likewise; the last of the two */
       PREFIX_OPSIZE = 1 << 3,
       PREFIX_ADDRSIZE = 1 << 4,
};

struct insn {
    const struct insn_row *row;
    uint8_t length; /* 1-15 */
    uint8_t opcode; /* last opcode byte; its low 4 bits are the condition of Jcc, SETcc, CMOVcc */
    uint8_t map;    /* 0: one byte, 1: 0F */
    uint8_t mandatory; /* 0, 0x66, 0xf2 or 0xf3: prefix that is part of the opcode, if one chose */
    uint8_t rex;       /* 0: none */
    uint8_t modrm;
    bool has_modrm;
    uint8_t prefixes;     /* PREFIX_… */
    uint8_t operand_size; /* 2, 4, 8; 1 where the operation is on bytes */
    uint8_t address_size; /* 4, 8 */
    uint16_t selector;    /* of OPERAND_FAR; second immediate of ENTER */
    struct insn_operand operands[INSN_OPERANDS_MAX];
    struct insn_memory memory;
    int64_t imm; /* sign-extended; counts, ports, vectors, selectors and orders zero-extended */
};

enum decode_result {
    DECODE_OK,
    DECODE_TRUNCATED, /* @size bytes are not all of it */
    DECODE_INVALID,   /* #UD; ret_insn->length says how many bytes were looked at */
    DECODE_TOO_LONG,  /* more than 15 bytes: #GP */
};

/**
 * Decode what is at @bytes, of which @size may be read (15 are enough always).
 * @ret_insn is written in any case; only `length` means something on failure.
 */
enum decode_result insn_decode(const uint8_t *bytes, size_t size, enum insn_mode mode,
                               struct insn *ret_insn);

/** Row @index of all tables, NULL behind the last: for tests and for the coverage of tests. */
const struct insn_row *insn_row_at(size_t index);

/** Whether @insn reads or writes memory through insn.memory (lea, nop and prefetch do not). */
bool insn_touches_memory(const struct insn *insn);

#endif

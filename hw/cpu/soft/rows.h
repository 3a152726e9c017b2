/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the tables are written in. Only table_*.c include it: names are short.
 */
#ifndef HW_CPU_SOFT_ROWS_H
#define HW_CPU_SOFT_ROWS_H

#include "hw/cpu/soft/table.h"

/* ---- Rows ------------------------------------------------------------------------------- */

/* A row is one object, also where a range of opcodes leads to it. */
#define ROW(name_, kind_, bits, flags, oracle_, ...)                                               \
    {                                                                                              \
        .row = &(const struct insn_row)                                                            \
        {                                                                                          \
            .name = (name_), .kind = INSN_##kind_, .prefixes = (bits),                             \
            .forms = FORMS_OF_(__VA_ARGS__, None, None, None), FLAGS_SET_ flags,                   \
            ORACLE_SET_ oracle_                                                                    \
        }                                                                                          \
    }
/* clang-format off */
#define FORMS_OF_(a, b, c, ...) { FORM_##a, FORM_##b, FORM_##c }
/* clang-format on */

/* Bits that go together. */
#define NEAR (ROW_FORCE64 | ROW_ENDS)
#define FAR (ROW_ENDS | ROW_FAULTS)
#define STACK (ROW_DEF64 | ROW_FAULTS) /* pushes or pops */
#define SEGMENT (ROW_ENDS | ROW_FAULTS)
#define PORT (ROW_ENDS | ROW_FAULTS)
#define PRIVILEGED (ROW_CPL0 | ROW_FAULTS)
#define BASE (ROW_64 | ROW_FAULTS) /* of FS and GS */

/* ---- Choices ------------------------------------------------------------------------------ */

#define BY_(split_, count, ...)                                                                    \
    {                                                                                              \
        .split = (split_), .slots = (const struct slot[count])                                     \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define BY_REG(...) BY_(SPLIT_REG, 8, __VA_ARGS__)
#define BY_RM(...) BY_(SPLIT_RM, 8, __VA_ARGS__)
#define BY_MOD(...) BY_(SPLIT_MOD, 2, __VA_ARGS__)
#define BY_PREFIX(...) BY_(SPLIT_PREFIX, 4, __VA_ARGS__)
#define BY_REX_W(...) BY_(SPLIT_REX_W, 2, __VA_ARGS__)
#define BY_REX_B(...) BY_(SPLIT_REX_B, 2, __VA_ARGS__)
#define GO_ON(split_, table)                                                                       \
    {                                                                                              \
        .split = (split_), .slots = (table)                                                        \
    }

/* ---- Oracles: each row must name one, and all but HOST say more ---------------------------- */

#define HOST (ORACLE_HOST, NULL)
#define APPROX (ORACLE_APPROX, NULL)
#define PAYLOAD(name) (ORACLE_PAYLOAD, name)
#define DECODE_ONLY(reason) (ORACLE_DECODE, reason)

/* A row without one does not compile. */
#define ORACLE_SET_(oracle_, why_)                                                                 \
    .oracle = (oracle_) + 0 * sizeof(char[(oracle_) == ORACLE_NONE ? -1 : 1]), .why = (why_)

/* ---- Flags ------------------------------------------------------------------------------- */

/*
 * Intel SDM vol. 1, appendix A, and the entries in vol. 2; AMD64 APM vol. 3 likewise. Undefined
 * is what both leave undefined. Where one says "unaffected" (ZF after BT, all after MOV CR), so
 * do we, and so do all processors.
 */
#define C FLAG_CF
#define P FLAG_PF
#define A FLAG_AF
#define Z FLAG_ZF
#define S FLAG_SF
#define D FLAG_DF
#define O FLAG_OF
#define ALL FLAGS_ARITH

#define FLAGS(read, written, undefined) (read, written, undefined)
#define FLAGS_SET_(read, written, undefined)                                                       \
    .flags_read = (read), .flags_written = (written), .flags_undefined = (undefined)

#define KEPT FLAGS(0, 0, 0)
#define SUM FLAGS(0, ALL, 0)                 /* add, sub, cmp, neg, xadd, cmpxchg */
#define SUM_CARRY FLAGS(C, ALL, 0)           /* adc, sbb */
#define LOGIC FLAGS(0, O | S | Z | P | C, A) /* and, or, xor, test */
#define STEP FLAGS(0, O | S | Z | A | P, 0)  /* inc, dec */
#define PRODUCT FLAGS(0, O | C, S | Z | A | P)
#define QUOTIENT FLAGS(0, 0, ALL)
#define BIT FLAGS(0, C, O | S | A | P)      /* bt and its like */
#define SCAN FLAGS(0, Z, O | S | A | P | C) /* bsf, bsr */
#define COMPARED FLAGS(0, ALL, 0)           /* comiss, fcomi: OF, SF and AF become 0 */
#define ZERO_ONLY FLAGS(0, Z, 0)            /* cmpxchg8b, lar, verr */

/*
 * By one, and by a count: all is kept where the (masked) count is 0, hence read, and OF is
 * defined for a count of 1 only. CF of SHL and SHR by 8-bit and 16-bit sizes or more, and all
 * of SHLD and SHRD by more than 16 bits, are undefined too: no row can say so.
 */
#define SHIFT_1 FLAGS(0, O | S | Z | P | C, A)
#define SHIFT_N FLAGS(ALL, S | Z | P | C, O | A)
#define ROTATE_1 FLAGS(0, O | C, 0)
#define ROTATE_N FLAGS(O | C, C, O)
#define ROTATE_CARRY_1 FLAGS(C, O | C, 0)

/* String instructions. A repetition of 0 times keeps the flags, hence reads them. */
#define DIRECTION FLAGS(D, 0, 0)
#define DIRECTION_SUM FLAGS(D | ALL, ALL, 0)

#define PUSHED FLAGS(ALL | D, 0, 0) /* the flags are stored: pushf, int */
#define POPPED FLAGS(0, ALL | D, 0)
#define MASKED FLAGS(ALL | D, ALL | D, 0) /* syscall: stored, and what an MSR says cleared */

/* The sixteen conditions from opcode @base on, each with the flags that it reads. */
/* clang-format off */
#define CONDITIONS(base, name, kind, bits, ...)                                                    \
    [(base) + 0x0] = ROW(name "o", kind, bits, FLAGS(O, 0, 0), HOST, __VA_ARGS__),                 \
    [(base) + 0x1] = ROW(name "no", kind, bits, FLAGS(O, 0, 0), HOST, __VA_ARGS__),                \
    [(base) + 0x2] = ROW(name "b", kind, bits, FLAGS(C, 0, 0), HOST, __VA_ARGS__),                 \
    [(base) + 0x3] = ROW(name "nb", kind, bits, FLAGS(C, 0, 0), HOST, __VA_ARGS__),                \
    [(base) + 0x4] = ROW(name "z", kind, bits, FLAGS(Z, 0, 0), HOST, __VA_ARGS__),                 \
    [(base) + 0x5] = ROW(name "nz", kind, bits, FLAGS(Z, 0, 0), HOST, __VA_ARGS__),                \
    [(base) + 0x6] = ROW(name "be", kind, bits, FLAGS(C | Z, 0, 0), HOST, __VA_ARGS__),            \
    [(base) + 0x7] = ROW(name "nbe", kind, bits, FLAGS(C | Z, 0, 0), HOST, __VA_ARGS__),           \
    [(base) + 0x8] = ROW(name "s", kind, bits, FLAGS(S, 0, 0), HOST, __VA_ARGS__),                 \
    [(base) + 0x9] = ROW(name "ns", kind, bits, FLAGS(S, 0, 0), HOST, __VA_ARGS__),                \
    [(base) + 0xa] = ROW(name "p", kind, bits, FLAGS(P, 0, 0), HOST, __VA_ARGS__),                 \
    [(base) + 0xb] = ROW(name "np", kind, bits, FLAGS(P, 0, 0), HOST, __VA_ARGS__),                \
    [(base) + 0xc] = ROW(name "l", kind, bits, FLAGS(S | O, 0, 0), HOST, __VA_ARGS__),             \
    [(base) + 0xd] = ROW(name "nl", kind, bits, FLAGS(S | O, 0, 0), HOST, __VA_ARGS__),            \
    [(base) + 0xe] = ROW(name "le", kind, bits, FLAGS(S | O | Z, 0, 0), HOST, __VA_ARGS__),        \
    [(base) + 0xf] = ROW(name "nle", kind, bits, FLAGS(S | O | Z, 0, 0), HOST, __VA_ARGS__)
/* clang-format on */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One-byte opcodes (Intel SDM vol. 2, table for the groups).
 *
 * Of 32-bit code there is what a flat kernel's start and its processors' trampolines
 * use: the same rows, and those with ROW_32. Not there: decimal adjustment (27, 2F,
 * 37, 3F, D4, D5), BOUND (62), ARPL (63), SALC (D6), and 82, which repeats 80.
 */
#include "hw/cpu/soft/rows.h"

/* The six encodings of one operation, from opcode @base on; @bits for those to memory. */
#define ARITHMETIC(base, name, kind, bits, flags)                                                  \
    [(base) + 0] = ROW(name, kind, bits, flags, HOST, Eb, Gb),                                     \
              [(base) + 1] = ROW(name, kind, bits, flags, HOST, Ev, Gv),                           \
              [(base) + 2] = ROW(name, kind, 0, flags, HOST, Gb, Eb),                              \
              [(base) + 3] = ROW(name, kind, 0, flags, HOST, Gv, Ev),                              \
              [(base) + 4] = ROW(name, kind, 0, flags, HOST, AL, Ib),                              \
              [(base) + 5] = ROW(name, kind, 0, flags, HOST, rAX, Iz)

/* Group 1: the same with an immediate. */
static const struct slot group_1_byte[8] = {
    ROW("add", ADD, ROW_LOCK, SUM, HOST, Eb, Ib),
    ROW("or", OR, ROW_LOCK, LOGIC, HOST, Eb, Ib),
    ROW("adc", ADC, ROW_LOCK, SUM_CARRY, HOST, Eb, Ib),
    ROW("sbb", SBB, ROW_LOCK, SUM_CARRY, HOST, Eb, Ib),
    ROW("and", AND, ROW_LOCK, LOGIC, HOST, Eb, Ib),
    ROW("sub", SUB, ROW_LOCK, SUM, HOST, Eb, Ib),
    ROW("xor", XOR, ROW_LOCK, LOGIC, HOST, Eb, Ib),
    ROW("cmp", CMP, 0, SUM, HOST, Eb, Ib),
};
static const struct slot group_1_full[8] = {
    ROW("add", ADD, ROW_LOCK, SUM, HOST, Ev, Iz),
    ROW("or", OR, ROW_LOCK, LOGIC, HOST, Ev, Iz),
    ROW("adc", ADC, ROW_LOCK, SUM_CARRY, HOST, Ev, Iz),
    ROW("sbb", SBB, ROW_LOCK, SUM_CARRY, HOST, Ev, Iz),
    ROW("and", AND, ROW_LOCK, LOGIC, HOST, Ev, Iz),
    ROW("sub", SUB, ROW_LOCK, SUM, HOST, Ev, Iz),
    ROW("xor", XOR, ROW_LOCK, LOGIC, HOST, Ev, Iz),
    ROW("cmp", CMP, 0, SUM, HOST, Ev, Iz),
};
static const struct slot group_1_short[8] = {
    ROW("add", ADD, ROW_LOCK, SUM, HOST, Ev, Ib),
    ROW("or", OR, ROW_LOCK, LOGIC, HOST, Ev, Ib),
    ROW("adc", ADC, ROW_LOCK, SUM_CARRY, HOST, Ev, Ib),
    ROW("sbb", SBB, ROW_LOCK, SUM_CARRY, HOST, Ev, Ib),
    ROW("and", AND, ROW_LOCK, LOGIC, HOST, Ev, Ib),
    ROW("sub", SUB, ROW_LOCK, SUM, HOST, Ev, Ib),
    ROW("xor", XOR, ROW_LOCK, LOGIC, HOST, Ev, Ib),
    ROW("cmp", CMP, 0, SUM, HOST, Ev, Ib),
};

/* Group 2. /6 is SHL again: not in Intel's manual, in AMD's, and in all processors. */
#define SHIFTS(value, count, rotate, rotate_carry, shift)                                          \
    ROW("rol", ROL, 0, rotate, HOST, value, count),                                                \
        ROW("ror", ROR, 0, rotate, HOST, value, count),                                            \
        ROW("rcl", RCL, 0, rotate_carry, HOST, value, count),                                      \
        ROW("rcr", RCR, 0, rotate_carry, HOST, value, count),                                      \
        ROW("shl", SHL, 0, shift, HOST, value, count),                                             \
        ROW("shr", SHR, 0, shift, HOST, value, count),                                             \
        ROW("shl", SHL, 0, shift, HOST, value, count),                                             \
        ROW("sar", SAR, 0, shift, HOST, value, count)

#define BY_NUMBER(value, count) BY_REG(SHIFTS(value, count, ROTATE_N, ROTATE_N, SHIFT_N))
#define BY_ONE(value) BY_REG(SHIFTS(value, One, ROTATE_1, ROTATE_CARRY_1, SHIFT_1))

/* Group 3. /1 is TEST again, as /6 of group 2. */
static const struct slot group_3_byte[8] = {
    ROW("test", TEST, 0, LOGIC, HOST, Eb, Ib),
    ROW("test", TEST, 0, LOGIC, HOST, Eb, Ib),
    ROW("not", NOT, ROW_LOCK, KEPT, HOST, Eb),
    ROW("neg", NEG, ROW_LOCK, SUM, HOST, Eb),
    ROW("mul", MUL, 0, PRODUCT, HOST, Eb),
    ROW("imul", IMUL, 0, PRODUCT, HOST, Eb),
    ROW("div", DIV, ROW_FAULTS, QUOTIENT, HOST, Eb),
    ROW("idiv", IDIV, ROW_FAULTS, QUOTIENT, HOST, Eb),
};
static const struct slot group_3_full[8] = {
    ROW("test", TEST, 0, LOGIC, HOST, Ev, Iz),
    ROW("test", TEST, 0, LOGIC, HOST, Ev, Iz),
    ROW("not", NOT, ROW_LOCK, KEPT, HOST, Ev),
    ROW("neg", NEG, ROW_LOCK, SUM, HOST, Ev),
    ROW("mul", MUL, 0, PRODUCT, HOST, Ev),
    ROW("imul", IMUL, 0, PRODUCT, HOST, Ev),
    ROW("div", DIV, ROW_FAULTS, QUOTIENT, HOST, Ev),
    ROW("idiv", IDIV, ROW_FAULTS, QUOTIENT, HOST, Ev),
};

/* Groups 4 and 5. */
static const struct slot group_4[8] = {
    ROW("inc", INC, ROW_LOCK, STEP, HOST, Eb),
    ROW("dec", DEC, ROW_LOCK, STEP, HOST, Eb),
};
static const struct slot group_5[8] = {
    ROW("inc", INC, ROW_LOCK, STEP, HOST, Ev),
    ROW("dec", DEC, ROW_LOCK, STEP, HOST, Ev),
    ROW("call", CALL, NEAR | ROW_FAULTS, KEPT, HOST, Ev),
    ROW("call", CALL_FAR, FAR, KEPT, PAYLOAD("segments"), Mp),
    ROW("jmp", JMP, NEAR | ROW_FAULTS, KEPT, HOST, Ev),
    ROW("jmp", JMP_FAR, FAR, KEPT, PAYLOAD("segments"), Mp),
    ROW("push", PUSH, STACK, KEPT, HOST, Ev),
};

/* clang-format off */
const struct slot table_base[256] = {
    ARITHMETIC(0x00, "add", ADD, ROW_LOCK, SUM),
    [0x06] = ROW("push", PUSH_SEG, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), ES),
    [0x07] = ROW("pop", POP_SEG, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), ES),
    ARITHMETIC(0x08, "or", OR, ROW_LOCK, LOGIC),
    [0x0e] = ROW("push", PUSH_SEG, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), CS),
    [0x0f] = GO_ON(SPLIT_NEXT, table_0f),
    ARITHMETIC(0x10, "adc", ADC, ROW_LOCK, SUM_CARRY),
    [0x16] = ROW("push", PUSH_SEG, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), SS),
    [0x17] = ROW("pop", POP_SEG, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), SS),
    ARITHMETIC(0x18, "sbb", SBB, ROW_LOCK, SUM_CARRY),
    [0x1e] = ROW("push", PUSH_SEG, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), DS),
    [0x1f] = ROW("pop", POP_SEG, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), DS),
    ARITHMETIC(0x20, "and", AND, ROW_LOCK, LOGIC),
    ARITHMETIC(0x28, "sub", SUB, ROW_LOCK, SUM),
    ARITHMETIC(0x30, "xor", XOR, ROW_LOCK, LOGIC),
    ARITHMETIC(0x38, "cmp", CMP, 0, SUM),

    /* In 64-bit code 40-4F are REX prefixes. */
    [0x40 ... 0x47] = ROW("inc", INC, ROW_32, STEP, PAYLOAD("compat32"), Zv),
    [0x48 ... 0x4f] = ROW("dec", DEC, ROW_32, STEP, PAYLOAD("compat32"), Zv),
    [0x50 ... 0x57] = ROW("push", PUSH, STACK, KEPT, HOST, Zv),
    [0x58 ... 0x5f] = ROW("pop", POP, STACK, KEPT, HOST, Zv),

    [0x60] = ROW("pusha", PUSHA, ROW_32 | ROW_FAULTS, KEPT, PAYLOAD("compat32"), None),
    [0x61] = ROW("popa", POPA, ROW_32 | ROW_FAULTS, KEPT, PAYLOAD("compat32"), None),
    /* With 66, too, four bytes of memory are read. */
    [0x63] = ROW("movsxd", MOVSXD, ROW_64, KEPT, HOST, Gv, Ed),
    [0x68] = ROW("push", PUSH, STACK, KEPT, HOST, Iz),
    [0x69] = ROW("imul", IMUL, 0, PRODUCT, HOST, Gv, Ev, Iz),
    [0x6a] = ROW("push", PUSH, STACK, KEPT, HOST, Ib),
    [0x6b] = ROW("imul", IMUL, 0, PRODUCT, HOST, Gv, Ev, Ib),
    [0x6c] = ROW("ins", INS, PORT | ROW_REP, DIRECTION, PAYLOAD("ports"), DIb, DX),
    [0x6d] = ROW("ins", INS, PORT | ROW_REP, DIRECTION, PAYLOAD("ports"), DIz, DX),
    [0x6e] = ROW("outs", OUTS, PORT | ROW_REP, DIRECTION, PAYLOAD("ports"), DX, SIb),
    [0x6f] = ROW("outs", OUTS, PORT | ROW_REP, DIRECTION, PAYLOAD("ports"), DX, SIz),

    CONDITIONS(0x70, "j", JCC, NEAR, Jb),

    [0x80] = GO_ON(SPLIT_REG, group_1_byte),
    [0x81] = GO_ON(SPLIT_REG, group_1_full),
    [0x83] = GO_ON(SPLIT_REG, group_1_short),
    [0x84] = ROW("test", TEST, 0, LOGIC, HOST, Eb, Gb),
    [0x85] = ROW("test", TEST, 0, LOGIC, HOST, Ev, Gv),
    [0x86] = ROW("xchg", XCHG, ROW_LOCK, KEPT, HOST, Eb, Gb),
    [0x87] = ROW("xchg", XCHG, ROW_LOCK, KEPT, HOST, Ev, Gv),
    [0x88] = ROW("mov", MOV, 0, KEPT, HOST, Eb, Gb),
    [0x89] = ROW("mov", MOV, 0, KEPT, HOST, Ev, Gv),
    [0x8a] = ROW("mov", MOV, 0, KEPT, HOST, Gb, Eb),
    [0x8b] = ROW("mov", MOV, 0, KEPT, HOST, Gv, Ev),
    [0x8c] = ROW("mov", MOV_SEG, 0, KEPT, PAYLOAD("segments"), RvMw, Sw),
    [0x8d] = ROW("lea", LEA, 0, KEPT, HOST, Gv, M),
    [0x8e] = ROW("mov", MOV_SEG, SEGMENT, KEPT, PAYLOAD("segments"), Sw, Ew),
    [0x8f] = BY_REG([0] = ROW("pop", POP, STACK, KEPT, HOST, Ev)),

    /* XCHG of rAX with itself does nothing, not even clear the upper half, but R8 is another:
     * F3 changes nothing about that (not in the manuals; seen on Zen 3). */
    [0x90] = BY_REX_B(
        [IF_0] = BY_PREFIX(
            [NO_PREFIX ... PREFIX_F2] = ROW("nop", NOP, 0, KEPT, HOST, None),
            [PREFIX_F3] = ROW("pause", PAUSE, 0, KEPT, HOST, None)),
        [IF_1] = ROW("xchg", XCHG, 0, KEPT, HOST, Zv, rAX)),
    [0x91 ... 0x97] = ROW("xchg", XCHG, 0, KEPT, HOST, Zv, rAX),
    [0x98] = ROW("cbw", CBW, 0, KEPT, HOST, None),
    [0x99] = ROW("cwd", CWD, 0, KEPT, HOST, None),
    [0x9a] = ROW("call", CALL_FAR, FAR | ROW_32, KEPT, PAYLOAD("compat32"), Ap),
    [0x9b] = ROW("fwait", FWAIT, ROW_FAULTS, KEPT, HOST, None),
    [0x9c] = ROW("pushf", PUSHF, STACK, PUSHED, HOST, None),
    [0x9d] = ROW("popf", POPF, STACK | ROW_ENDS, POPPED, HOST, None),
    [0x9e] = ROW("sahf", SAHF, 0, FLAGS(0, S | Z | A | P | C, 0), HOST, None),
    [0x9f] = ROW("lahf", LAHF, 0, FLAGS(S | Z | A | P | C, 0, 0), HOST, None),

    [0xa0] = ROW("mov", MOV, 0, KEPT, HOST, AL, Ob),
    [0xa1] = ROW("mov", MOV, 0, KEPT, HOST, rAX, Ov),
    [0xa2] = ROW("mov", MOV, 0, KEPT, HOST, Ob, AL),
    [0xa3] = ROW("mov", MOV, 0, KEPT, HOST, Ov, rAX),
    [0xa4] = ROW("movs", MOVS, ROW_REP, DIRECTION, HOST, DIb, SIb),
    [0xa5] = ROW("movs", MOVS, ROW_REP, DIRECTION, HOST, DIv, SIv),
    [0xa6] = ROW("cmps", CMPS, ROW_REPCC, DIRECTION_SUM, HOST, SIb, DIb),
    [0xa7] = ROW("cmps", CMPS, ROW_REPCC, DIRECTION_SUM, HOST, SIv, DIv),
    [0xa8] = ROW("test", TEST, 0, LOGIC, HOST, AL, Ib),
    [0xa9] = ROW("test", TEST, 0, LOGIC, HOST, rAX, Iz),
    [0xaa] = ROW("stos", STOS, ROW_REP, DIRECTION, HOST, DIb, AL),
    [0xab] = ROW("stos", STOS, ROW_REP, DIRECTION, HOST, DIv, rAX),
    [0xac] = ROW("lods", LODS, ROW_REP, DIRECTION, HOST, AL, SIb),
    [0xad] = ROW("lods", LODS, ROW_REP, DIRECTION, HOST, rAX, SIv),
    [0xae] = ROW("scas", SCAS, ROW_REPCC, DIRECTION_SUM, HOST, AL, DIb),
    [0xaf] = ROW("scas", SCAS, ROW_REPCC, DIRECTION_SUM, HOST, rAX, DIv),

    [0xb0 ... 0xb7] = ROW("mov", MOV, 0, KEPT, HOST, Zb, Ib),
    [0xb8 ... 0xbf] = ROW("mov", MOV, 0, KEPT, HOST, Zv, Iv),

    [0xc0] = BY_NUMBER(Eb, Iub),
    [0xc1] = BY_NUMBER(Ev, Iub),
    [0xc2] = ROW("ret", RET, NEAR | ROW_FAULTS, KEPT, HOST, Iuw),
    [0xc3] = ROW("ret", RET, NEAR | ROW_FAULTS, KEPT, HOST, None),
    /* VEX in 64-bit code, and with a register in 32-bit code. */
    [0xc4] = ROW("les", LES, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), Gv, Mp),
    [0xc5] = ROW("lds", LDS, SEGMENT | ROW_32, KEPT, PAYLOAD("compat32"), Gv, Mp),
    [0xc6] = BY_REG([0] = ROW("mov", MOV, 0, KEPT, HOST, Eb, Ib)),
    [0xc7] = BY_REG([0] = ROW("mov", MOV, 0, KEPT, HOST, Ev, Iz)),
    [0xc8] = ROW("enter", ENTER, STACK, KEPT, HOST, Iuw, Iub),
    [0xc9] = ROW("leave", LEAVE, STACK, KEPT, HOST, None),
    [0xca] = ROW("retf", RET_FAR, FAR, KEPT, PAYLOAD("segments"), Iuw),
    [0xcb] = ROW("retf", RET_FAR, FAR, KEPT, PAYLOAD("segments"), None),
    [0xcc] = ROW("int3", INT3, FAR, PUSHED, PAYLOAD("exceptions"), None),
    [0xcd] = ROW("int", INT, FAR, PUSHED, PAYLOAD("exceptions"), Iub),
    [0xce] = ROW("into", INTO, FAR | ROW_32, PUSHED, PAYLOAD("compat32"), None),
    [0xcf] = ROW("iret", IRET, FAR, POPPED, PAYLOAD("exceptions"), None),

    [0xd0] = BY_ONE(Eb),
    [0xd1] = BY_ONE(Ev),
    [0xd2] = BY_NUMBER(Eb, CL),
    [0xd3] = BY_NUMBER(Ev, CL),
    [0xd7] = ROW("xlat", XLAT, 0, KEPT, HOST, BXb),
    [0xd8 ... 0xdf] = GO_ON(SPLIT_LOW, table_x87),

    [0xe0] = ROW("loopne", LOOPNE, NEAR, FLAGS(Z, 0, 0), HOST, Jb),
    [0xe1] = ROW("loope", LOOPE, NEAR, FLAGS(Z, 0, 0), HOST, Jb),
    [0xe2] = ROW("loop", LOOP, NEAR, KEPT, HOST, Jb),
    [0xe3] = ROW("jcxz", JCXZ, NEAR, KEPT, HOST, Jb),
    [0xe4] = ROW("in", IN, PORT, KEPT, PAYLOAD("ports"), AL, Iub),
    [0xe5] = ROW("in", IN, PORT, KEPT, PAYLOAD("ports"), eAX, Iub),
    [0xe6] = ROW("out", OUT, PORT, KEPT, PAYLOAD("ports"), Iub, AL),
    [0xe7] = ROW("out", OUT, PORT, KEPT, PAYLOAD("ports"), Iub, eAX),
    [0xe8] = ROW("call", CALL, NEAR | ROW_FAULTS, KEPT, HOST, Jz),
    [0xe9] = ROW("jmp", JMP, NEAR, KEPT, HOST, Jz),
    [0xea] = ROW("jmp", JMP_FAR, FAR | ROW_32, KEPT, PAYLOAD("compat32"), Ap),
    [0xeb] = ROW("jmp", JMP, NEAR, KEPT, HOST, Jb),
    [0xec] = ROW("in", IN, PORT, KEPT, PAYLOAD("ports"), AL, DX),
    [0xed] = ROW("in", IN, PORT, KEPT, PAYLOAD("ports"), eAX, DX),
    [0xee] = ROW("out", OUT, PORT, KEPT, PAYLOAD("ports"), DX, AL),
    [0xef] = ROW("out", OUT, PORT, KEPT, PAYLOAD("ports"), DX, eAX),

    [0xf1] = ROW("int1", INT1, FAR, PUSHED, PAYLOAD("exceptions"), None),
    [0xf4] = ROW("hlt", HLT, ROW_CPL0 | FAR, KEPT, PAYLOAD("interrupts"), None),
    [0xf5] = ROW("cmc", CMC, 0, FLAGS(C, C, 0), HOST, None),
    [0xf6] = GO_ON(SPLIT_REG, group_3_byte),
    [0xf7] = GO_ON(SPLIT_REG, group_3_full),
    [0xf8] = ROW("clc", CLC, 0, FLAGS(0, C, 0), HOST, None),
    [0xf9] = ROW("stc", STC, 0, FLAGS(0, C, 0), HOST, None),
    [0xfa] = ROW("cli", CLI, FAR, KEPT, PAYLOAD("interrupts"), None),
    [0xfb] = ROW("sti", STI, ROW_FAULTS, KEPT, PAYLOAD("interrupts"), None),
    [0xfc] = ROW("cld", CLD, 0, FLAGS(0, D, 0), HOST, None),
    [0xfd] = ROW("std", STD, 0, FLAGS(0, D, 0), HOST, None),
    [0xfe] = GO_ON(SPLIT_REG, group_4),
    [0xff] = GO_ON(SPLIT_REG, group_5),
};
/* clang-format on */
_Static_assert(sizeof(table_base) / sizeof(table_base[0]) == 256, "one slot an opcode");

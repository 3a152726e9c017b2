/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opcodes behind 0F (Intel SDM vol. 2, table for the groups), but for
 * SSE and MMX, which are in table_sse.c.
 *
 * Not there, hence #UD, since CPUID does not announce them: 3DNow! (0E, 0F), VMX and
 * SVM, MONITOR, XSAVE, SSE3 and later (0F 38, 0F 3A), POPCNT, RDRAND, and so on. UD0
 * (FF), UD1 (B9) and UD2 (0B) are not there for good. What was given a meaning in
 * the space of hints or of ignored prefixes keeps its old one: ENDBR64 and RDSSP are
 * NOP, TZCNT is BSF, LZCNT is BSR, WBNOINVD is WBINVD.
 */
#include "hw/cpu/soft/rows.h"

/* clang-format off */
static const struct slot group_6[8] = {
    ROW("sldt", SLDT, ROW_FAULTS, KEPT, PAYLOAD("system"), RvMw),
    ROW("str", STR, ROW_FAULTS, KEPT, PAYLOAD("system"), RvMw),
    ROW("lldt", LLDT, PRIVILEGED, KEPT, PAYLOAD("segments"), Ew),
    ROW("ltr", LTR, PRIVILEGED, KEPT, PAYLOAD("segments"), Ew),
    ROW("verr", VERR, ROW_FAULTS, ZERO_ONLY, PAYLOAD("segments"), Ew),
    ROW("verw", VERW, ROW_FAULTS, ZERO_ONLY, PAYLOAD("segments"), Ew),
};

static const struct slot group_7[8] = {
    [0] = BY_MOD([IN_MEMORY] = ROW("sgdt", SGDT, ROW_FAULTS, KEPT, PAYLOAD("system"), Ms)),
    [1] = BY_MOD(
        [IN_MEMORY] = ROW("sidt", SIDT, ROW_FAULTS, KEPT, PAYLOAD("system"), Ms),
        [IN_REGISTER] = BY_RM(
            [2] = BY_PREFIX(
                [NO_PREFIX] = ROW("clac", CLAC, ROW_CPL0 | FAR, KEPT, PAYLOAD("paging"), None)),
            [3] = BY_PREFIX(
                [NO_PREFIX] = ROW("stac", STAC, ROW_CPL0 | FAR, KEPT, PAYLOAD("paging"), None)))),
    [2] = BY_MOD([IN_MEMORY] = ROW("lgdt", LGDT, PRIVILEGED, KEPT, PAYLOAD("system"), Ms)),
    [3] = BY_MOD([IN_MEMORY] = ROW("lidt", LIDT, PRIVILEGED, KEPT, PAYLOAD("system"), Ms)),
    [4] = ROW("smsw", SMSW, ROW_FAULTS, KEPT, PAYLOAD("system"), RvMw),
    [6] = ROW("lmsw", LMSW, ROW_CPL0 | FAR, KEPT, PAYLOAD("system"), Ew),
    [7] = BY_MOD(
        [IN_MEMORY] = ROW("invlpg", INVLPG, ROW_CPL0 | FAR, KEPT, PAYLOAD("paging"), M),
        [IN_REGISTER] = BY_RM(
            [0] = ROW("swapgs", SWAPGS, PRIVILEGED | ROW_64, KEPT, PAYLOAD("segments"), None),
            [1] = ROW("rdtscp", RDTSCP, ROW_FAULTS, KEPT, PAYLOAD("system"), None))),
};

/* Bit tests with a number. */
static const struct slot group_8[8] = {
    [4] = ROW("bt", BT, 0, BIT, HOST, Ev, Iub),
    [5] = ROW("bts", BTS, ROW_LOCK, BIT, HOST, Ev, Iub),
    [6] = ROW("btr", BTR, ROW_LOCK, BIT, HOST, Ev, Iub),
    [7] = ROW("btc", BTC, ROW_LOCK, BIT, HOST, Ev, Iub),
};

static const struct slot group_9[8] = {
    [1] = BY_REX_W(
        [IF_0] = ROW("cmpxchg8b", CMPXCHG8B, ROW_LOCK, ZERO_ONLY, HOST, Mq),
        [IF_1] = ROW("cmpxchg16b", CMPXCHG16B, ROW_LOCK | ROW_FAULTS, ZERO_ONLY, HOST, Mx)),
};

/* Fences: ModRM.rm is ignored. */
static const struct slot group_15[8] = {
    [0] = BY_MOD(
        [IN_MEMORY] = BY_PREFIX([NO_PREFIX] = ROW("fxsave", FXSAVE, ROW_FAULTS, KEPT, HOST, M512)),
        [IN_REGISTER] = BY_PREFIX(
            [PREFIX_F3] = ROW("rdfsbase", RDFSBASE, BASE, KEPT, PAYLOAD("segments"), Ry))),
    [1] = BY_MOD(
        [IN_MEMORY] = BY_PREFIX(
            [NO_PREFIX] = ROW("fxrstor", FXRSTOR, ROW_FAULTS, KEPT, HOST, M512)),
        [IN_REGISTER] = BY_PREFIX(
            [PREFIX_F3] = ROW("rdgsbase", RDGSBASE, BASE, KEPT, PAYLOAD("segments"), Ry))),
    [2] = BY_MOD(
        [IN_MEMORY] = BY_PREFIX([NO_PREFIX] = ROW("ldmxcsr", LDMXCSR, ROW_FAULTS, KEPT, HOST, Md)),
        [IN_REGISTER] = BY_PREFIX(
            [PREFIX_F3] = ROW("wrfsbase", WRFSBASE, BASE, KEPT, PAYLOAD("segments"), Ry))),
    [3] = BY_MOD(
        [IN_MEMORY] = BY_PREFIX([NO_PREFIX] = ROW("stmxcsr", STMXCSR, ROW_FAULTS, KEPT, HOST, Md)),
        [IN_REGISTER] = BY_PREFIX(
            [PREFIX_F3] = ROW("wrgsbase", WRGSBASE, BASE, KEPT, PAYLOAD("segments"), Ry))),
    [5] = BY_MOD(
        [IN_REGISTER] = BY_PREFIX([NO_PREFIX] = ROW("lfence", LFENCE, 0, KEPT, HOST, None))),
    [6] = BY_MOD(
        [IN_REGISTER] = BY_PREFIX([NO_PREFIX] = ROW("mfence", MFENCE, 0, KEPT, HOST, None))),
    [7] = BY_MOD(
        [IN_MEMORY] = BY_PREFIX([NO_PREFIX] = ROW("clflush", CLFLUSH, 0, KEPT, HOST, Mb)),
        [IN_REGISTER] = BY_PREFIX([NO_PREFIX] = ROW("sfence", SFENCE, 0, KEPT, HOST, None))),
};

/* Prefetches. With a register, and the rest of the group: hints without a meaning. */
static const struct slot group_16[8] = {
    [0] = BY_MOD(ROW("prefetchnta", NOP, 0, KEPT, HOST, M), ROW("nop", NOP, 0, KEPT, HOST, Nv)),
    [1] = BY_MOD(ROW("prefetcht0", NOP, 0, KEPT, HOST, M), ROW("nop", NOP, 0, KEPT, HOST, Nv)),
    [2] = BY_MOD(ROW("prefetcht1", NOP, 0, KEPT, HOST, M), ROW("nop", NOP, 0, KEPT, HOST, Nv)),
    [3] = BY_MOD(ROW("prefetcht2", NOP, 0, KEPT, HOST, M), ROW("nop", NOP, 0, KEPT, HOST, Nv)),
    [4 ... 7] = ROW("nop", NOP, 0, KEPT, HOST, Nv),
};

/* Of 3DNow!, and in all 64-bit processors. With a register: #UD (AMD) or nothing (Intel). */
static const struct slot group_p[8] = {
    [0] = ROW("prefetch", NOP, 0, KEPT, HOST, M),
    [1] = ROW("prefetchw", NOP, 0, KEPT, HOST, M),
    [2] = ROW("prefetchwt1", NOP, 0, KEPT, HOST, M),
    [3 ... 7] = ROW("prefetch", NOP, 0, KEPT, HOST, M),
};

const struct slot table_0f[256] = {
    [0x00] = GO_ON(SPLIT_REG, group_6),
    [0x01] = GO_ON(SPLIT_REG, group_7),
    [0x02] = ROW("lar", LAR, ROW_FAULTS, ZERO_ONLY, PAYLOAD("segments"), Gv, Ew),
    [0x03] = ROW("lsl", LSL, ROW_FAULTS, ZERO_ONLY, PAYLOAD("segments"), Gv, Ew),
    [0x05] = ROW("syscall", SYSCALL, FAR | ROW_64, MASKED, PAYLOAD("syscall"), None),
    [0x06] = ROW("clts", CLTS, ROW_CPL0 | FAR, KEPT, PAYLOAD("system"), None),
    [0x07] = ROW("sysret", SYSRET, ROW_CPL0 | FAR | ROW_64, POPPED, PAYLOAD("syscall"), None),
    [0x08] = ROW("invd", INVD, PRIVILEGED, KEPT, PAYLOAD("system"), None),
    [0x09] = ROW("wbinvd", WBINVD, PRIVILEGED, KEPT, PAYLOAD("system"), None),
    [0x0d] = GO_ON(SPLIT_REG, group_p),
    [0x10 ... 0x17] = GO_ON(SPLIT_OPCODE, table_sse),
    [0x18] = GO_ON(SPLIT_REG, group_16),
    [0x19 ... 0x1f] = ROW("nop", NOP, 0, KEPT, HOST, Nv),

    [0x20] = ROW("mov", MOV_CR, ROW_CPL0 | FAR, KEPT, PAYLOAD("system"), Rn, Cn),
    [0x21] = ROW("mov", MOV_DR, ROW_CPL0 | FAR, KEPT, PAYLOAD("system"), Rn, Dn),
    [0x22] = ROW("mov", MOV_CR, ROW_CPL0 | FAR, KEPT, PAYLOAD("system"), Cn, Rn),
    [0x23] = ROW("mov", MOV_DR, ROW_CPL0 | FAR, KEPT, PAYLOAD("system"), Dn, Rn),
    [0x28 ... 0x2f] = GO_ON(SPLIT_OPCODE, table_sse),
    [0x30] = ROW("wrmsr", WRMSR, ROW_CPL0 | FAR, KEPT, PAYLOAD("system"), None),
    [0x31] = ROW("rdtsc", RDTSC, ROW_FAULTS, KEPT, PAYLOAD("system"), None),
    [0x32] = ROW("rdmsr", RDMSR, ROW_CPL0 | FAR, KEPT, PAYLOAD("system"), None),
    [0x33] = ROW("rdpmc", RDPMC, ROW_FAULTS, KEPT, PAYLOAD("system"), None),
    [0x34] = ROW("sysenter", SYSENTER, FAR, KEPT, PAYLOAD("syscall"), None),
    [0x35] = ROW("sysexit", SYSEXIT, ROW_CPL0 | FAR, KEPT, PAYLOAD("syscall"), None),
    CONDITIONS(0x40, "cmov", CMOVCC, 0, Gv, Ev),

    [0x50 ... 0x7f] = GO_ON(SPLIT_OPCODE, table_sse),

    CONDITIONS(0x80, "j", JCC, NEAR, Jz),
    CONDITIONS(0x90, "set", SETCC, 0, Eb),

    [0xa0] = ROW("push", PUSH_SEG, STACK, KEPT, PAYLOAD("segments"), FS),
    [0xa1] = ROW("pop", POP_SEG, STACK | ROW_ENDS, KEPT, PAYLOAD("segments"), FS),
    [0xa2] = ROW("cpuid", CPUID, FAR, KEPT, PAYLOAD("system"), None),
    [0xa3] = ROW("bt", BT, 0, BIT, HOST, Ev, Gv),
    [0xa4] = ROW("shld", SHLD, 0, SHIFT_N, HOST, Ev, Gv, Iub),
    [0xa5] = ROW("shld", SHLD, 0, SHIFT_N, HOST, Ev, Gv, CL),
    [0xa8] = ROW("push", PUSH_SEG, STACK, KEPT, PAYLOAD("segments"), GS),
    [0xa9] = ROW("pop", POP_SEG, STACK | ROW_ENDS, KEPT, PAYLOAD("segments"), GS),
    [0xab] = ROW("bts", BTS, ROW_LOCK, BIT, HOST, Ev, Gv),
    [0xac] = ROW("shrd", SHRD, 0, SHIFT_N, HOST, Ev, Gv, Iub),
    [0xad] = ROW("shrd", SHRD, 0, SHIFT_N, HOST, Ev, Gv, CL),
    [0xae] = GO_ON(SPLIT_REG, group_15),
    [0xaf] = ROW("imul", IMUL, 0, PRODUCT, HOST, Gv, Ev),

    [0xb0] = ROW("cmpxchg", CMPXCHG, ROW_LOCK, SUM, HOST, Eb, Gb),
    [0xb1] = ROW("cmpxchg", CMPXCHG, ROW_LOCK, SUM, HOST, Ev, Gv),
    [0xb2] = ROW("lss", LSS, SEGMENT, KEPT, PAYLOAD("segments"), Gv, Mp),
    [0xb3] = ROW("btr", BTR, ROW_LOCK, BIT, HOST, Ev, Gv),
    [0xb4] = ROW("lfs", LFS, SEGMENT, KEPT, PAYLOAD("segments"), Gv, Mp),
    [0xb5] = ROW("lgs", LGS, SEGMENT, KEPT, PAYLOAD("segments"), Gv, Mp),
    [0xb6] = ROW("movzx", MOVZX, 0, KEPT, HOST, Gv, Eb),
    [0xb7] = ROW("movzx", MOVZX, 0, KEPT, HOST, Gv, Ew),
    /* F3 is POPCNT; without it JMPE of another architecture. */
    [0xba] = GO_ON(SPLIT_REG, group_8),
    [0xbb] = ROW("btc", BTC, ROW_LOCK, BIT, HOST, Ev, Gv),
    [0xbc] = ROW("bsf", BSF, 0, SCAN, HOST, Gv, Ev),
    [0xbd] = ROW("bsr", BSR, 0, SCAN, HOST, Gv, Ev),
    [0xbe] = ROW("movsx", MOVSX, 0, KEPT, HOST, Gv, Eb),
    [0xbf] = ROW("movsx", MOVSX, 0, KEPT, HOST, Gv, Ew),

    [0xc0] = ROW("xadd", XADD, ROW_LOCK, SUM, HOST, Eb, Gb),
    [0xc1] = ROW("xadd", XADD, ROW_LOCK, SUM, HOST, Ev, Gv),
    [0xc2] = GO_ON(SPLIT_OPCODE, table_sse),
    [0xc3] = BY_PREFIX([NO_PREFIX] = ROW("movnti", MOVNTI, 0, KEPT, HOST, My, Gy)),
    [0xc4 ... 0xc6] = GO_ON(SPLIT_OPCODE, table_sse),
    [0xc7] = GO_ON(SPLIT_REG, group_9),
    [0xc8 ... 0xcf] = ROW("bswap", BSWAP, 0, KEPT, HOST, Zv),
    [0xd0 ... 0xff] = GO_ON(SPLIT_OPCODE, table_sse),
};
/* clang-format on */
_Static_assert(sizeof(table_0f) / sizeof(table_0f[0]) == 256, "one slot an opcode");

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* String instructions: directions, counts, overlaps, and faults in the middle. */
#include "payload.h"

#define A ((u8 *)TEST_MEMORY) /* mapped by 4 KiB pages below */
#define TABLE ((u64 *)(TEST_MEMORY + 0x200000))

static void map(unsigned page, bool is_there)
{
    TABLE[page] = is_there ? (TEST_MEMORY + 4096ul * page) | 7 : 0;
    invlpg(A + 4096 * page);
}

static void set_up(void)
{
    for (unsigned i = 0; i < 512; i++)
        TABLE[i] = (TEST_MEMORY + 4096ul * i) | 7;
    boot_pd[0][TEST_MEMORY >> 21] = (u64)TABLE | 7;
    write_cr3(read_cr3());
    for (unsigned i = 0; i < 0x8000; i++)
        A[i] = (u8)(i * 7 + (i >> 8));
}

static struct {
    u64 rsi, rdi, rcx, rax;
} r;

#define STRING(code)                                                                               \
    __asm__ volatile(code "; cld"                                                                  \
                     : "+S"(r.rsi), "+D"(r.rdi), "+c"(r.rcx), "+a"(r.rax)                          \
                     :                                                                             \
                     : "memory", "cc")
/* With flags: ZF and CF behind it. */
#define COMPARE(code)                                                                              \
    ({                                                                                             \
        bool zero, carry;                                                                          \
        __asm__ volatile(code "; setz %0; setc %1; cld"                                            \
                         : "=&q"(zero), "=&q"(carry), "+S"(r.rsi), "+D"(r.rdi), "+c"(r.rcx)        \
                         : "a"(r.rax)                                                              \
                         : "memory", "cc");                                                        \
        zero | carry << 1;                                                                         \
    })

static void set(const void *from, void *to, u64 count, u64 rax)
{
    r.rsi = (u64)from;
    r.rdi = (u64)to;
    r.rcx = count;
    r.rax = rax;
}

static bool ended(const void *from, const void *to, u64 count)
{
    return r.rsi == (u64)from && r.rdi == (u64)to && r.rcx == count;
}

static bool filled(const u8 *at, u64 size, u8 byte)
{
    for (u64 i = 0; i < size; i++) {
        if (at[i] != byte)
            return false;
    }
    return true;
}

static bool same(const u8 *a, const u8 *b, u64 size)
{
    for (u64 i = 0; i < size; i++) {
        if (a[i] != b[i])
            return false;
    }
    return true;
}

static void moves(void)
{
    u8 *const to = A + 0x10000;

    set(A, to, 0x1801, 0);
    STRING("rep movsb");
    check(ended(A + 0x1801, to + 0x1801, 0) && same(A, to, 0x1801), "REP MOVSB over pages");
    set(A + 3, to + 5, 0x401, 0);
    STRING("rep movsq");
    check(ended(A + 3 + 0x2008, to + 5 + 0x2008, 0) && same(A + 3, to + 5, 0x2008),
          "REP MOVSQ, not aligned");
    set(A + 0x1001, to + 0x1ffe, 0x800, 0);
    STRING("std; rep movsw");
    check(ended(A + 1, to + 0xffe, 0) && same(A + 3, to + 0x1000, 0x1000), "REP MOVSW, backwards");
    set(A, to, 0, 0);
    STRING("rep movsl");
    check(ended(A, to, 0), "REP MOVSD of nothing");
    set(A, to, 5, 0);
    STRING("movsl");
    check(ended(A + 4, to + 4, 5), "MOVSD, once");
    /* What is stored is read again: a pattern spreads. */
    to[0] = 0x5a;
    set(to, to + 1, 0x1100, 0);
    STRING("rep movsb");
    check(filled(to, 0x1101, 0x5a), "REP MOVSB, one byte behind itself");
    for (unsigned i = 0; i < 8; i++)
        to[i] = (u8)i;
    set(to, to + 4, 0x100, 0);
    STRING("rep movsq");
    check(to[12] == 4 && to[11] == 7 && same(to, to + 4, 4), "REP MOVSQ over itself");
    set((void *)((u64)A | 1ul << 32), (void *)((u64)to | 7ul << 32), 16 | 1ul << 33, 0);
    STRING("addr32 rep movsb");
    check(ended(A + 16, to + 16, 0), "32-bit addresses: upper halves go");
}

static void stores_and_loads(void)
{
    u8 *const to = A + 0x10000;

    set(0, to, 0x2345, 0x1177);
    STRING("rep stosb");
    check(filled(to, 0x2345, 0x77) && to[0x2345] != 0x77, "REP STOSB");
    check(ended(0, to + 0x2345, 0), "its registers");
    set(0, to + 1, 0x203, 0x8877665544332211);
    STRING("rep stosq");
    check(*(u64 *)(to + 1) == r.rax && *(u64 *)(to + 1 + 8 * 0x202) == r.rax, "REP STOSQ");
    set(0, to + 0x1ff8, 0x200, 0x99);
    STRING("std; rep stosq");
    check(*(u64 *)(to + 0x1ff8) == 0x99 && *(u64 *)(to + 0x1000) == 0x99, "REP STOSQ, backwards");
    check(*(u64 *)(to + 0xff8) != 0x99, "and no further");
    set(A + 0x100, 0, 3, 0x1122334455667788);
    STRING("rep lodsb");
    check(r.rax == (0x1122334455667700 | A[0x102]) && r.rsi == (u64)A + 0x103, "REP LODSB");
    set(A, 0, 1, ~0ul);
    STRING("lodsl");
    is(r.rax, *(u32 *)A, "LODSD clears the upper half");
}

static void compares(void)
{
    u8 *const to = A + 0x10000;
    int flags;

    for (unsigned i = 0; i < 0x2000; i++)
        to[i] = A[i];
    to[0x1234]++;
    set(A, to, 0x2000, 0);
    flags = COMPARE("repe cmpsb");
    check(ended(A + 0x1235, to + 0x1235, 0x2000 - 0x1235) && flags == 2, "REPE CMPSB");
    set(A, to, 0x100, 0);
    flags = COMPARE("repe cmpsq");
    check(ended(A + 0x800, to + 0x800, 0) && flags == 1, "REPE CMPSQ of equals");
    set(A + 1, to, 0x100, 0);
    flags = COMPARE("repne cmpsb");
    check(r.rcx == 0 && !(flags & 1), "REPNE CMPSB");
    set(0, to, 0x2000, A[0x777]);
    for (unsigned i = 0; i < 0x2000; i++)
        to[i] = (u8)(A[0x777] + 1);
    to[0x1777]--;
    flags = COMPARE("repne scasb");
    check(r.rdi == (u64)to + 0x1778 && flags == 1, "REPNE SCASB");
    set(0, to, 0, 0);
    flags = COMPARE("stc; repne scasb");
    check(r.rdi == (u64)to && (flags & 2), "of nothing: flags stay");
    set(0, to + 0xffe, 9, *(u16 *)to);
    flags = COMPARE("repe scasw");
    check(r.rdi == (u64)to + 0x1010 && r.rcx == 0 && flags == 1, "REPE SCASW");
}

/* ---- Faults in the middle ------------------------------------------------------------------ */

static bool stopped_at(u64 rsi, u64 rdi, u64 rcx)
{
    r.rsi = caught.frame.rsi;
    r.rdi = caught.frame.rdi;
    r.rcx = caught.frame.rcx;
    return r.rsi == rsi && r.rdi == rdi && r.rcx == rcx;
}

#define FAULTS(name, code)                                                                         \
    do {                                                                                           \
        RAISES(PF, name, code, : : "S"(r.rsi), "D"(r.rdi), "c"(r.rcx), "a"(r.rax) : "memory");     \
        check(FAULTED_AT_START, name ", RIP");                                                     \
    } while (0)

static void faults(void)
{
    u8 *const to = A + 0x10000;

    map(0x12, false);
    set(A, to, 0x3000, 0);
    FAULTS("REP MOVSB to a missing page", "rep movsb");
    is(caught.cr2, (u64)to + 0x2000, "CR2");
    is(caught.error, 2, "error code");
    check(stopped_at((u64)A + 0x2000, (u64)to + 0x2000, 0x1000), "registers where it stopped");
    map(0x12, true);
    STRING("rep movsb");
    check(same(A, to, 0x3000) && r.rcx == 0, "goes on");

    map(2, false);
    set(A + 4, to, 0x600, 0);
    FAULTS("REP MOVSQ from a missing page", "rep movsq");
    is(caught.cr2, (u64)A + 0x2000, "CR2");
    is(caught.error, 0, "error code");
    check(stopped_at((u64)A + 0x1ffc, (u64)to + 0x1ff8, 0x600 - 0x3ff), "registers at an element");
    map(2, true);
    STRING("rep movsq");
    check(same(A + 4, to, 0x3000) && r.rcx == 0, "goes on");

    map(0x11, false);
    set(0, to + 0x2ff8, 0x400, 0x4242);
    RAISES(PF, "REP STOSQ, backwards", "std; rep stosq",
           :
           : "S"(r.rsi), "D"(r.rdi), "c"(r.rcx), "a"(r.rax)
           : "memory");
    check(stopped_at(0, (u64)to + 0x1ff8, 0x200), "registers where it stopped");
    map(0x11, true);
    STRING("std; rep stosq");
    check(*(u64 *)(to + 0x1000) == 0x4242 && r.rcx == 0, "goes on");

    map(0x11, false);
    set(0, to, 0x1100, 0);
    for (unsigned i = 0; i < 0x1000; i++)
        to[i] = 0;
    FAULTS("REPE SCASB into a missing page", "repe scasb");
    check(stopped_at(0, (u64)to + 0x1000, 0x100), "registers where it stopped");
    map(0x11, true);
    set(A, A + 0x20000000, 0, 0);
    boot_pd[0][(TEST_MEMORY + 0x20000000) >> 21] = 0;
    write_cr3(read_cr3());
    STRING("rep movsb");
    check(ended(A, A + 0x20000000, 0), "a count of 0 touches nothing");
    set(A, A + 0x20000000, 10, 0);
    FAULTS("REP MOVSB, the first faults", "rep movsb");
    check(stopped_at((u64)A, (u64)A + 0x20000000, 10), "nothing has moved");
}

static void segments(void)
{
    u8 *const to = A + 0x10000;

    write_msr(MSR_FS_BASE, 0x1000);
    set(A, to, 64, 0);
    STRING("rep movsb %%fs:(%%rsi), %%es:(%%rdi)");
    check(same(A + 0x1000, to, 64), "MOVS from FS");
    set(A, to, 1, 0);
    STRING("lodsb %%fs:(%%rsi), %%al");
    is(r.rax & 0xff, A[0x1000], "LODS from FS");
    write_msr(MSR_FS_BASE, 0);
}

void payload_main(void)
{
    set_up();
    moves();
    stores_and_loads();
    compares();
    segments();
    faults();
}

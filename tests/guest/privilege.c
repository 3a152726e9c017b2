/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What depends on the ring and is easily forgotten: flags, edges of tables, rights that change. */
#include "payload.h"

/* ---- Flags ------------------------------------------------------------------------------------
 */

__asm__("user_popf: push %rdi; popfq; pushfq; pop %rax; int $0x80\n"
        "user_popfw: pushw %di; popfw; pushfq; pop %rax; int $0x80\n"
        "user_iret: mov %rsp, %rax; push $0x23; push %rax; push %rdi; push $0x2b; push $1f; iretq\n"
        "1: pushfq; pop %rax; int $0x80\n");
extern char user_popf[], user_popfw[], user_iret[];
_Static_assert(SEL_USER_CODE == 0x2b && SEL_USER_DATA == 0x23, "");

static u64 flags_after(const char *code, u64 start, u64 image)
{
    is((u64)run_user(code, USER_STACK_TOP, start, image), VECTOR_USER_EXIT, "ring 3: flags");
    return caught.frame.rax & 0x3f7fd7;
}

static void flags_of_ring_3(void)
{
    const u64 all = 0x24fed7; /* but TF, RF, VM, VIF, VIP */

    is(flags_after(user_popf, 2, all), 0x244cd7, "POPF: neither IOPL nor IF");
    is(flags_after(user_popf, 0x202, 2), 0x202, "POPF: IF stays on");
    is(flags_after(user_popf, 0x3002, 0x202), 0x3202, "POPF with IOPL 3: IF, not IOPL");
    is(flags_after(user_popfw, 0x240002, 0x4ed7), 0x244cd7, "POPFW: 16 bits, AC and ID stay");
    is(flags_after(user_iret, 2, all & ~0x4000ul), 0x240cd7, "IRET: neither IOPL nor IF");
    is(flags_after(user_iret, 0x3002, 0x202), 0x3202, "IRET with IOPL 3: IF, not IOPL");
}

static void flags_of_ring_0(void)
{
    u64 flags;

    __asm__ volatile("push $0x3002; popfq; pushfq; pop %0; push $2; popfq" : "=r"(flags));
    is(flags, 0x3002, "POPF in ring 0: IOPL");
    __asm__ volatile("push $0x244002; popfq; pushfq; pop %0; push $2; popfq" : "=r"(flags));
    is(flags, 0x244002, "POPF in ring 0: ID, AC, NT");
    if (!in_lab()) {
        skip("RF", "other emulators differ");
        return;
    }
    RAISES(UD, "#UD", "ud2");
    check(caught.frame.rflags & FLAG_RF, "a fault's frame has RF");
    RAISES(0x55, "INT 0x55", "int $0x55");
    check(!(caught.frame.rflags & FLAG_RF), "a trap's has not");
    RAISES(BP, "INT3", "int3");
    check(!(caught.frame.rflags & FLAG_RF), "nor INT3's");
    check(!(read_flags() & FLAG_RF), "PUSHF never shows it");
}

/* ---- Far returns to nowhere ---------------------------------------------------------------------
 */

static void returns(void)
{
    const u64 nowhere = 0x800000000000;

    if (!in_lab()) { /* QEMU's TCG goes there, and does not come back */
        skip("returns to nowhere", "other emulators differ");
        return;
    }
    RAISES(GP, "RETF: not canonical", "push %0; push %1; lretq",
           :
           : "r"((u64)SEL_CODE), "r"(nowhere));
    is(caught.error, 0, "its error code");
    RAISES(GP, "RETF: beyond a 32-bit segment", "push %0; push %1; lretq",
           :
           : "r"((u64)SEL_CODE32), "r"(1ul << 32));
    RAISES(GP, "IRET: not canonical", "push %0; push %%rsp; push $2; push %1; push %2; iretq",
           :
           : "r"((u64)SEL_DATA), "r"((u64)SEL_CODE), "r"(nowhere));
    RAISES(GP, "IRET with NT", "pushfq; orq $0x4000, (%rsp); popfq; iretq");
}

/* ---- The last byte of the I/O bitmap: two are read, so the last but one is the last that counts
 * --- */

__asm__("user_in: mov %edi, %edx; in %dx, %al; int $0x80\n");
extern char user_in[];

static void io_bitmap(void)
{
    const unsigned last = sizeof(tss[0].io_bits) - 1;

    tss[0].io_bits[last - 1] = 0;
    tss[0].io_bits[last] = 0;
    BARRIER();
    is((u64)run_user(user_in, USER_STACK_TOP, 2, 8 * last - 1), VECTOR_USER_EXIT,
       "the last port but eight");
    is((u64)run_user(user_in, USER_STACK_TOP, 2, 8 * last), GP, "no byte behind it");
    tss[0].io_bits[last - 1] = 0xff;
    tss[0].io_bits[last] = 0xff;
    tss[0].io_map = 0xffff;
    BARRIER();
    is((u64)run_user(user_in, USER_STACK_TOP, 2, 0), GP, "no bitmap");
    tss[0].io_map = offsetof(struct tss, io_bits);
}

/* ---- Rights that change while a translation is cached
 * ------------------------------------------------ */

static void cached_rights(void)
{
    u64 *const pt = (u64 *)(TEST_MEMORY + 0x200000);
    volatile u8 *const page = (volatile u8 *)TEST_MEMORY;
    const u64 cr0 = read_cr0();

    for (unsigned i = 0; i < 512; i++)
        pt[i] = (TEST_MEMORY + 4096ul * i) | 5; /* read-only, of the user */
    boot_pd[0][TEST_MEMORY >> 21] = (u64)pt | 7;
    write_cr3(read_cr3());
    write_cr0(cr0 & ~(u64)CR0_WP);
    RAISES(NOTHING, "without WP: a store", "movb $1, (%0)", : : "r"(page) : "memory");
    write_cr0(cr0 | CR0_WP);
    RAISES(PF, "with WP: a store", "movb $1, (%0)", : : "r"(page) : "memory");
    is(caught.error, 3, "its error code");
    write_cr0(cr0 & ~(u64)CR0_WP);
    RAISES(NOTHING, "without WP again", "movb $1, (%0)", : : "r"(page) : "memory");
    write_cr0(cr0);
    boot_pd[0][TEST_MEMORY >> 21] = TEST_MEMORY | 0x87;
    write_cr3(read_cr3());
}

void payload_main(void)
{
    flags_of_ring_3();
    flags_of_ring_0();
    returns();
    io_bitmap();
    cached_rights();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSCALL and SYSRET: flags, segments, 32-bit code, and when not (AMD64 APM vol. 3). */
#include "payload.h"

/* What was found on entry. */
extern struct entry {
    u64 rcx, r11, rsp, rflags, cs, ss, count;
} entered;
struct entry entered;

/* The kernel's side: notes, and returns with the RFLAGS and to the RIP that the test wants. */
extern u64 return_rip, return_flags;
u64 return_rip, return_flags;

__asm__("kernel_entry:\n"
        "        mov %rcx, entered; mov %r11, entered + 8; mov %rsp, entered + 16\n"
        "        mov $stacks + 8192, %esp\n"
        "        pushf; pop entered + 24\n"
        "        mov %cs, entered + 32; mov %ss, entered + 40; incq entered + 48\n"
        "        mov entered + 16, %rsp; mov return_rip, %rcx; mov return_flags, %r11\n"
        "        mov $0x5555, %eax\n"
        "        cmpb $0, returns_to_32; jne 1f\n"
        "        sysretq\n"
        "1:      sysretl\n"
        "        .pushsection .bss; returns_to_32: .skip 1; .popsection\n");
extern char kernel_entry[];
extern u8 returns_to_32;

__asm__("user_syscall: mov $0x1111, %eax; mov $0x2222, %ebx\n"
        "user_syscall_at: syscall\n"
        "user_syscall_next: pushf; pop %rdx; mov %cs, %esi; mov %ss, %edi; int $0x80\n"
        "user_sysret: sysretq; int $0x80\n"
        "user_sysexit: sysexitl; int $0x80\n"
        "user_sysenter: sysenter; int $0x80\n"
        ".code32\n"
        "user32_there: mov $5, %eax; .byte 0x40; mov %cs, %esi; mov %ss, %edi; int $0x80\n"
        ".code64\n");
extern char user_syscall[], user_syscall_at[], user_syscall_next[], user_sysret[], user_sysexit[];
extern char user_sysenter[], user32_there[];

static int from_user(const void *rip, u64 flags)
{
    entered.count = 0;
    return run_user(rip, USER_STACK_TOP, flags, 0);
}

static void there_and_back(void)
{
    return_rip = (u64)user_syscall_next;
    return_flags = 0x202 | FLAG_CF;
    write_msr(MSR_FMASK, FLAG_IF | FLAG_DF | FLAG_ZF | FLAG_AC);
    is((u64)from_user(user_syscall, 0x202 | FLAG_DF | FLAG_ZF | FLAG_CF | FLAG_AC),
       VECTOR_USER_EXIT, "SYSCALL, SYSRET");
    is(entered.count, 1, "once");
    is(entered.rcx, (u64)user_syscall_next, "RCX: where to return to");
    is(entered.r11, 0x202 | FLAG_DF | FLAG_ZF | FLAG_CF | FLAG_AC, "R11: RFLAGS");
    is(entered.rflags, 0x2 | FLAG_CF, "RFLAGS: masked");
    is(entered.rsp, USER_STACK_TOP, "RSP is the caller's");
    is(entered.cs, SEL_CODE, "CS in the kernel");
    is(entered.ss, SEL_DATA, "SS in the kernel");
    is(caught.frame.rax, 0x5555, "RAX from the kernel");
    is(caught.frame.rbx, 0x2222, "RBX is kept");
    is(caught.frame.rdx & ~0x10ul, 0x202 | FLAG_CF, "RFLAGS on return");
    is(caught.frame.rsi, SEL_USER_CODE, "CS on return");
    is(caught.frame.rdi, SEL_USER_DATA, "SS on return");
    is(caught.frame.cs, SEL_USER_CODE, "CS saved by an interrupt then");
    is(caught.frame.ss, SEL_USER_DATA, "SS saved by an interrupt then");
}

static void flags(void)
{
    return_flags = 0xffffffffffe4fcff; /* all but TF, IF, RF, VM, VIF, VIP; reserved ones too */
    is((u64)from_user(user_syscall, 2), VECTOR_USER_EXIT, "SYSRET with many flags");
    is(caught.frame.rflags & ~(u64)FLAG_RF, 0x247cd7, "those that there are");
    return_flags = 0;
    is((u64)from_user(user_syscall, 2), VECTOR_USER_EXIT, "SYSRET with none");
    is(caught.frame.rflags & ~(u64)FLAG_RF, 2, "bit 1 is always there");
    write_msr(MSR_FMASK, 0);
    is((u64)from_user(user_syscall, 0x202 | FLAG_NT | FLAG_DF), VECTOR_USER_EXIT, "no mask");
    is(entered.rflags, 0x202 | FLAG_NT | FLAG_DF, "all flags are kept");
    write_msr(MSR_FMASK, 0xffffffff);
    is((u64)from_user(user_syscall, 0xac7), VECTOR_USER_EXIT, "a mask of all");
    is(entered.rflags, 2, "bit 1 is always there");
}

static void to_32_bits(void)
{
    returns_to_32 = 1;
    return_rip = 0xabcd00000000 | (u64)user32_there;
    return_flags = 0x202;
    is((u64)from_user(user_syscall, 2), VECTOR_USER_EXIT, "SYSRET to 32-bit code");
    is(caught.frame.rax, 6, "which it is");
    is(caught.frame.cs, SEL_USER_CODE32, "its CS");
    is(caught.frame.ss, SEL_USER_DATA, "its SS");
    check(caught.frame.rip >> 32 == 0, "its RIP: 32 bits of RCX");
    returns_to_32 = 0;
}

static void not_allowed(void)
{
    const u64 efer = read_msr(MSR_EFER);

    is((u64)from_user(user_sysret, 2), GP, "ring 3: SYSRET");
    is(caught.frame.rip, (u64)user_sysret, "it is a fault");
    write_msr(MSR_EFER, efer & ~(u64)EFER_SCE);
    is((u64)from_user(user_syscall, 2), UD, "SYSCALL without EFER.SCE");
    is(caught.frame.rip, (u64)user_syscall_at, "it is a fault");
    is((u64)from_user(user_sysret, 2), UD, "ring 3: SYSRET without EFER.SCE");
    RAISES(UD, "ring 0: SYSRET without EFER.SCE", "sysretq");
    write_msr(MSR_EFER, efer);
    /* AMD: #UD in long mode. Intel: #GP, since IA32_SYSENTER_CS is 0 and ring 3 is not 0. */
    write_msr(0x174, 0);
    from_user(user_sysenter, 2);
    check(caught.vector == UD || caught.vector == GP, "SYSENTER: nowhere to go to");
    from_user(user_sysexit, 2);
    check(caught.vector == UD || caught.vector == GP, "ring 3: SYSEXIT");
}

/* From ring 0 it is the same: the kernel's segments, and the way back is SYSRET's. */
static void from_kernel(void)
{
    u64 rcx, cs;

    write_msr(MSR_FMASK, 0);
    write_msr(MSR_LSTAR, 0);
    __asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %%rdx; shr $32, %%rdx; mov $0xc0000082, "
                     "%%ecx; wrmsr; syscall; ud2; 1: mov %%cs, %1"
                     : "=c"(rcx), "=&r"(cs)
                     :
                     : "rax", "rdx", "r11", "memory");
    is(cs, SEL_CODE, "SYSCALL from ring 0");
    check(rcx > 0x200000 && rcx < 0x400000, "RCX");
}

void payload_main(void)
{
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SCE);
    write_msr(MSR_STAR, (u64)SEL_USER_CODE32 << 48 | (u64)SEL_CODE << 32);
    write_msr(MSR_LSTAR, (u64)kernel_entry);
    there_and_back();
    flags();
    to_32_bits();
    not_allowed();
    from_kernel();
}

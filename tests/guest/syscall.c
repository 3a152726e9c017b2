/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSCALL, SYSRET, and what SYSENTER is without SEP (AMD64 APM vol. 3). */
#include "payload.h"

/* Runs on the user's stack, as it comes: nothing else is there. */
__asm__(".globl on_syscall, on_syscall32\n"
        "on_syscall: mov %rcx, seen_rcx; mov %r11, seen_r11; mov %rsp, seen_rsp\n"
        "mov %cs, %eax; mov %rax, seen_cs; mov %ss, %eax; mov %rax, seen_ss\n"
        "pushfq; pop seen_flags; incq seen_count\n"
        "cmpq $0, return_rcx; je 1f; mov return_rcx, %rcx\n"
        "1: cmpq $0, return_r11; je 1f; mov return_r11, %r11\n"
        "1: sysretq\n"
        "on_syscall32: mov %rcx, seen_rcx; incq seen_count; sysretl\n"
        "on_syscall_kernel: mov %rcx, seen_rcx; mov %r11, seen_r11; jmp *%rcx\n"
        "user_syscall: mov $0x1111, %ebx; syscall\n"
        "user_behind: pushfq; pop %rax; mov %cs, %ecx; mov %ss, %edx; int $0x80\n"
        "user_many: mov %rdi, %rbx; 1: syscall; dec %rbx; jnz 1b; int $0x80\n"
        "user_sysret: sysretq\n"
        "user_sysenter: sysenter; int $0x80\n"
        ".code32\n"
        "user_syscall32: mov $0x2222, %ebx; syscall; mov %cs, %ecx; int $0x80\n"
        ".code64\n"
        ".bss\n .balign 8\n"
        "seen_rcx: .skip 8\nseen_r11: .skip 8\nseen_rsp: .skip 8\nseen_cs: .skip 8\n"
        "seen_ss: .skip 8\nseen_flags: .skip 8\nseen_count: .skip 8\n"
        "return_rcx: .skip 8\nreturn_r11: .skip 8\n"
        ".text\n");
extern char on_syscall[], on_syscall32[], on_syscall_kernel[], user_syscall[], user_behind[];
extern char user_many[], user_sysret[], user_sysenter[], user_syscall32[];
extern u64 seen_rcx, seen_r11, seen_rsp, seen_cs, seen_ss, seen_flags, seen_count;
extern u64 return_rcx, return_r11;

static int user(const void *rip, u64 flags, u64 rdi)
{
    return run_user(rip, USER_STACK_TOP, flags, rdi);
}

static void round_trip(void)
{
    const u64 flags = FLAG_IF | FLAG_CF | FLAG_DF | FLAG_AC;

    write_msr(MSR_FMASK, FLAG_IF | FLAG_DF | FLAG_TF | FLAG_AC);
    is((u64)user(user_syscall, flags, 0), VECTOR_USER_EXIT, "SYSCALL, SYSRET");
    is(seen_rcx, (u64)user_behind, "RCX is the address behind");
    is(seen_r11 & 0x3f7fd5, flags, "R11 is RFLAGS");
    is(seen_cs, SEL_CODE, "CS");
    is(seen_ss, SEL_DATA, "SS");
    is(seen_rsp, USER_STACK_TOP, "RSP stays");
    if (in_lab()) /* QEMU's TCG clears the others too */
        is(seen_flags & 0x40fd5, FLAG_CF, "FMASK's flags are off, and no others");
    is(caught.frame.rip, (u64)user_behind + 8, "SYSRET: RIP");
    is(caught.frame.rbx, 0x1111, "other registers stay");
    is(caught.frame.rax & 0x3f7fd5, flags, "SYSRET: RFLAGS");
    is(caught.frame.rcx, SEL_USER_CODE, "SYSRET: CS");
    is(caught.frame.rdx, SEL_USER_DATA, "SYSRET: SS");
    seen_count = 0;
    is((u64)user(user_many, 0, 1000), VECTOR_USER_EXIT, "a thousand times");
    is(seen_count, 1000, "a thousand times");
}

static void returns(void)
{
    return_r11 = 0x3cf7;
    (void)user(user_syscall, 0, 0);
    is(caught.frame.rax & 0x3cd7, 0x3cd7, "SYSRET: RFLAGS from R11, IOPL too");
    is(caught.frame.rax & 0x28, 0, "but not what is fixed");
    return_r11 = FLAG_RF | 1ul << 17;
    (void)user(user_syscall, 0, 0);
    is(caught.frame.rax & (FLAG_RF | 1ul << 17), 0, "nor RF and VM");
    return_r11 = 0;
    return_rcx = 1ul << 47;
    is((u64)user(user_syscall, 0, 0), GP, "SYSRET to what is not canonical");
    say("# it faults in ring %u: 3 on AMD's processors, 0 on Intel's\n", (u32)caught.frame.cs & 3);
    return_rcx = 0;
    is((u64)user(user_sysret, 0, 0), GP, "SYSRET in ring 3");
}

static void from_kernel(void)
{
    u64 rcx = 0, r11 = 0;

    write_msr(MSR_LSTAR, (u64)on_syscall_kernel);
    RAISES(NOTHING, "SYSCALL in ring 0", "syscall", : "=c"(rcx) : : "r11", "memory");
    check(seen_rcx == rcx && (seen_r11 & 2), "its registers");
    (void)r11;
    write_msr(MSR_LSTAR, (u64)on_syscall);
}

/* Intel's processors know it in 64-bit mode only, AMD's SYSENTER not in long mode. */
static void vendors(void)
{
    int vector;

    vector = user(user_sysenter, 0, 0);
    check(vector == UD || vector == GP, "SYSENTER without its MSRs");
    seen_count = 0;
    write_msr(MSR_CSTAR, (u64)on_syscall32);
    vector = run_user_in(user_syscall32, USER_STACK_TOP, 0, 0, SEL_USER_CODE32, SEL_USER_DATA);
    if (vector == UD) {
        skip("SYSCALL of 32-bit code", "#UD, as on Intel's");
        return;
    }
    is((u64)vector, VECTOR_USER_EXIT, "SYSCALL of 32-bit code");
    is(seen_count, 1, "goes to CSTAR");
    is(caught.frame.rcx, SEL_USER_CODE32, "SYSRET to 32-bit code");
}

void payload_main(void)
{
    write_msr(MSR_STAR, (u64)SEL_USER_CODE32 << 48 | (u64)SEL_CODE << 32);
    write_msr(MSR_LSTAR, (u64)on_syscall);
    write_msr(MSR_EFER, read_msr(MSR_EFER) & ~(u64)EFER_SCE);
    is((u64)user(user_syscall, 0, 0), UD, "SYSCALL without EFER.SCE");
    RAISES(UD, "SYSRET without EFER.SCE", "sysretq", : : : "rcx", "r11");
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SCE);
    round_trip();
    from_kernel();
    returns();
    vendors();
}

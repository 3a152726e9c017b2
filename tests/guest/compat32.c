/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From long mode to 32-bit code, to protected mode without paging, and back: what the start of
 * Linux's further processors does. Then 32-bit code in ring 3.
 */
#include "payload.h"

#define STR_(x) #x
#define STR(x) STR_(x)

/* What 32-bit code left behind; it can address it absolutely. */
u32 results[32], save_esp;
struct __attribute__((packed)) {
    u32 offset;
    u16 selector;
} far_to;

__asm__(
    ".globl to_32_and_back\n"
    "to_32_and_back:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "push $" STR(
        SEL_CODE32) "; push $1f; lretq\n"
                    ".code32\n"
                    "1: mov $" STR(
                        SEL_DATA32) ", %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %ss\n"
                                    "mov %esp, save_esp\n"
                                    "mov $0x7fffffff, %eax; inc %eax; mov %eax, results\n" /* 0x40
                                                                                              is INC
                                                                                              here,
                                                                                              not
                                                                                              REX */
                                    "pushf; pop %ecx; mov %ecx, results+4\n"
                                    "push $0x12345678; mov %esp, %ecx; pop %edx; mov %edx, "
                                    "results+8\n"
                                    "mov save_esp, %edx; sub %ecx, %edx; mov %edx, results+12\n" /* 4 bytes */
                                    "call 3f; mov %eax, results+16\n"
                                    "mov $results+64, %edi; mov $0xabcdef01, %eax; mov $3, %ecx; "
                                    "rep stosl\n"
                                    "sub $results+64, %edi; mov %edi, results+20\n"
                                    "mov $0xffffffff, %ebx; lea 2(%ebx), %eax; mov %eax, "
                                    "results+24\n" /* wraps at 32 bits */
                                    "mov $1, %ebx; mov results(,%ebx,4), %eax; mov %eax, "
                                    "results+28\n"
                                    /* Out of paging, hence out of long mode. */
                                    "mov %cr0, %eax; and $0x7fffffff, %eax; mov %eax, %cr0\n"
                                    "mov $0xc0000080, %ecx; rdmsr; mov %eax, results+32\n"
                                    "mov %cr0, %eax; mov %eax, results+36\n"
                                    "and $~0x100, %eax; mov $0xc0000080, %ecx; rdmsr; and $~0x100, "
                                    "%eax; wrmsr\n" /* LME off */
                                    "movl $2f, far_to; movw $" STR(
                                        SEL_CODE32) ", far_to+4; ljmp *far_to\n"
                                                    "2: mov $" STR(
                                                        SEL_DATA32) ", %eax; mov %eax, %ds; mov "
                                                                    "%eax, %fs; mov %eax, %gs\n"
                                                                    "mov $0x5a5a5a5a, %eax; mov "
                                                                    "%eax, results+40\n"
                                                                    "mov %cr4, %eax; mov %eax, "
                                                                    "results+44; xor $0x80, %eax; "
                                                                    "mov %eax, %cr4\n"
                                                                    "xor $0x80, %eax; mov %eax, "
                                                                    "%cr4\n"
                                                                    /* And back, in the order of
                                                                       Linux. */
                                                                    "mov $boot_pml4, %eax; mov "
                                                                    "%eax, %cr3\n"
                                                                    "mov $0xc0000080, %ecx; rdmsr; "
                                                                    "or $0x100, %eax; wrmsr\n"
                                                                    "mov %cr0, %eax; or "
                                                                    "$0x80000000, %eax; mov %eax, "
                                                                    "%cr0\n"
                                                                    "rdmsr; mov %eax, results+48\n"
                                                                    "ljmp $" STR(
                                                                        SEL_CODE) ", $4f\n"
                                                                                  "3: mov "
                                                                                  "$0x600dca11, "
                                                                                  "%eax; ret\n"
                                                                                  ".code64\n"
                                                                                  "4: mov $" STR(
                                                                                      SEL_DATA) ", "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                "; "
                                                                                                "mo"
                                                                                                "v "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                ", "
                                                                                                "%s"
                                                                                                "s;"
                                                                                                " m"
                                                                                                "ov"
                                                                                                " %"
                                                                                                "ea"
                                                                                                "x,"
                                                                                                " %"
                                                                                                "ds"
                                                                                                "; "
                                                                                                "mo"
                                                                                                "v "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                ", "
                                                                                                "%e"
                                                                                                "s"
                                                                                                "\n"
                                                                                                "xo"
                                                                                                "r "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                ", "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                "; "
                                                                                                "mo"
                                                                                                "v "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                ", "
                                                                                                "%f"
                                                                                                "s;"
                                                                                                " m"
                                                                                                "ov"
                                                                                                " %"
                                                                                                "ea"
                                                                                                "x,"
                                                                                                " %"
                                                                                                "gs"
                                                                                                "\n"
                                                                                                "mo"
                                                                                                "v "
                                                                                                "%e"
                                                                                                "sp"
                                                                                                ", "
                                                                                                "%e"
                                                                                                "sp"
                                                                                                "; "
                                                                                                "po"
                                                                                                "p "
                                                                                                "%r"
                                                                                                "15"
                                                                                                "; "
                                                                                                "po"
                                                                                                "p "
                                                                                                "%r"
                                                                                                "14"
                                                                                                "; "
                                                                                                "po"
                                                                                                "p "
                                                                                                "%r"
                                                                                                "13"
                                                                                                "; "
                                                                                                "po"
                                                                                                "p "
                                                                                                "%r"
                                                                                                "12"
                                                                                                "; "
                                                                                                "po"
                                                                                                "p "
                                                                                                "%r"
                                                                                                "bp"
                                                                                                "; "
                                                                                                "po"
                                                                                                "p "
                                                                                                "%r"
                                                                                                "bx"
                                                                                                "; "
                                                                                                "re"
                                                                                                "t"
                                                                                                "\n"
                                                                                                ".c"
                                                                                                "od"
                                                                                                "e3"
                                                                                                "2"
                                                                                                "\n"
                                                                                                "us"
                                                                                                "er"
                                                                                                "32"
                                                                                                ": "
                                                                                                "mo"
                                                                                                "v "
                                                                                                "$0"
                                                                                                "x1"
                                                                                                "11"
                                                                                                "11"
                                                                                                "11"
                                                                                                "1,"
                                                                                                " %"
                                                                                                "ea"
                                                                                                "x;"
                                                                                                " i"
                                                                                                "nc"
                                                                                                " %"
                                                                                                "ea"
                                                                                                "x;"
                                                                                                " p"
                                                                                                "us"
                                                                                                "h "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                "; "
                                                                                                "po"
                                                                                                "p "
                                                                                                "%e"
                                                                                                "bx"
                                                                                                "; "
                                                                                                "mo"
                                                                                                "v "
                                                                                                "%e"
                                                                                                "sp"
                                                                                                ", "
                                                                                                "%e"
                                                                                                "cx"
                                                                                                "\n"
                                                                                                "pu"
                                                                                                "sh"
                                                                                                " $"
                                                                                                "0;"
                                                                                                " m"
                                                                                                "ov"
                                                                                                " %"
                                                                                                "es"
                                                                                                "p,"
                                                                                                " %"
                                                                                                "ed"
                                                                                                "x;"
                                                                                                " i"
                                                                                                "nt"
                                                                                                " $"
                                                                                                "0x"
                                                                                                "80"
                                                                                                "\n"
                                                                                                "us"
                                                                                                "er"
                                                                                                "32"
                                                                                                "_i"
                                                                                                "nt"
                                                                                                "o:"
                                                                                                " m"
                                                                                                "ov"
                                                                                                " $"
                                                                                                "0x"
                                                                                                "7f"
                                                                                                "ff"
                                                                                                "ff"
                                                                                                "ff"
                                                                                                ", "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                "; "
                                                                                                "ad"
                                                                                                "d "
                                                                                                "$1"
                                                                                                ", "
                                                                                                "%e"
                                                                                                "ax"
                                                                                                "; "
                                                                                                "in"
                                                                                                "to"
                                                                                                "; "
                                                                                                "in"
                                                                                                "t "
                                                                                                "$0"
                                                                                                "x8"
                                                                                                "0"
                                                                                                "\n"
                                                                                                "us"
                                                                                                "er"
                                                                                                "32"
                                                                                                "_i"
                                                                                                "nt"
                                                                                                "o_"
                                                                                                "no"
                                                                                                "t:"
                                                                                                " x"
                                                                                                "or"
                                                                                                " %"
                                                                                                "ea"
                                                                                                "x,"
                                                                                                " %"
                                                                                                "ea"
                                                                                                "x;"
                                                                                                " i"
                                                                                                "nt"
                                                                                                "o;"
                                                                                                " i"
                                                                                                "nt"
                                                                                                " $"
                                                                                                "0x"
                                                                                                "80"
                                                                                                "\n"
                                                                                                "us"
                                                                                                "er"
                                                                                                "32"
                                                                                                "_f"
                                                                                                "ar"
                                                                                                ": "
                                                                                                "lj"
                                                                                                "mp"
                                                                                                " "
                                                                                                "$" STR(
                                                                                                    SEL_USER_CODE) ", $user64\n"
                                                                                                                   ".code64\n"
                                                                                                                   "user64: mov $0x123456789abcdef0, %rax; int $0x80\n"
                                                                                                                   "user64_far: mov $0x8877665544332211, %rbx; push $" STR(
                                                                                                                       SEL_USER_CODE32) "; push $user32; lretq\n");
void to_32_and_back(void);
extern char user32[], user32_into[], user32_into_not[], user32_far[], user64[], user64_far[];

static int user(const void *rip, u64 cs)
{
    return run_user_in(rip, USER_STACK_TOP, 0, 0, cs, SEL_USER_DATA);
}

void payload_main(void)
{
    to_32_and_back();
    is(results[0], 0x80000000, "INC in one byte");
    is(results[1] & 0x8d5, 0x894, "its flags");
    is(results[2], 0x12345678, "PUSH, POP");
    is(results[3], 4, "PUSH is of 4 bytes");
    is(results[4], 0x600dca11, "CALL, RET");
    is(results[5], 12, "REP STOSD: EDI");
    check(results[16] == 0xabcdef01 && results[18] == 0xabcdef01 && results[19] == 0, "REP STOSD");
    is(results[6], 1, "addresses wrap at 32 bits");
    is(results[7], results[1], "scaled index without a base");
    is(results[8] & (EFER_LMA | EFER_LME), EFER_LME, "paging off: LMA off, LME stays");
    is(results[9] & 0x80000001, 1, "CR0: PE without PG");
    is(results[10], 0x5a5a5a5a, "protected mode without paging");
    is(results[11], read_cr4(), "CR4");
    is(results[12] & (EFER_LMA | EFER_LME), EFER_LMA | EFER_LME, "paging on: LMA on");
    to_32_and_back();
    is(results[10], 0x5a5a5a5a, "again");

    is((u64)user(user32, SEL_USER_CODE32), VECTOR_USER_EXIT, "32-bit code in ring 3");
    is(caught.frame.rax, 0x11111112, "its EAX");
    is(caught.frame.rbx, 0x11111112, "its EBX");
    is(caught.frame.rcx - caught.frame.rdx, 4, "PUSH is of 4 bytes there too");
    is(caught.frame.cs, SEL_USER_CODE32, "its CS");
    is((u64)user(user32_far, SEL_USER_CODE32), VECTOR_USER_EXIT, "far jump to 64-bit code");
    is(caught.frame.rax, 0x123456789abcdef0, "its RAX");
    is(caught.frame.cs, SEL_USER_CODE, "its CS");
    is((u64)user(user64_far, SEL_USER_CODE), VECTOR_USER_EXIT, "far return to 32-bit code");
    is(caught.frame.rbx, 0x11111112, "its EBX");
    is((u64)user(user32_into, SEL_USER_CODE32), GP, "INTO in ring 3: a gate with DPL 0");
    set_gate(OF, 3, 0, false);
    is((u64)user(user32_into, SEL_USER_CODE32), OF, "INTO");
    is((u64)user(user32_into_not, SEL_USER_CODE32), VECTOR_USER_EXIT, "INTO without overflow");
}

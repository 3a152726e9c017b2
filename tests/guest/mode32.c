/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 32-bit code: under long mode in rings 0 and 3, and in protected mode without paging, which is
 * where a processor comes through that an operating system starts (AMD64 APM vol. 2, 1.3 and 14).
 */
#include "payload.h"

#define SEL_SHIFTED (SEL_TEST + 0x20) /* data, with a base */

/* ---- Into 32-bit code and back: the code gets EDI, and ends with a far jump to back32 ---------
 */

__asm__("call32: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "        mov %rsp, saved_rsp\n"
        "        mov %rdi, %rax; mov %rsi, %rdi\n"
        "        push $" /* SEL_CODE32 */ "0x30; push %rax; lretq\n"
        "back32: mov saved_rsp, %rsp\n"
        "        mov $0x10, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %ss\n"
        "        xor %eax, %eax; mov %eax, %fs; mov %eax, %gs\n"
        "        pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
        "        .pushsection .bss; .balign 8; saved_rsp: .skip 8; .popsection\n");
void call32(const void *code, u32 *results);
_Static_assert(SEL_CODE32 == 0x30 && SEL_DATA == 0x10 && SEL_CODE == 8 && SEL_DATA32 == 0x38, "");

/* Some instructions that have another meaning, or none, in 64-bit code. */
__asm__(
    ".code32\n"
    "code_plain:\n"
    "        mov $5, %eax; .byte 0x40; mov %eax, 0(%edi)\n"
    "        .byte 0x48; mov %eax, 4(%edi)\n"
    "        mov %esp, %ebx; push %eax; sub %esp, %ebx; pop %eax; mov %ebx, 8(%edi)\n"
    "        mov %esp, %ebx; pushw %ax; sub %esp, %ebx; popw %ax; mov %ebx, 12(%edi)\n"
    "        mov $1, %eax; mov $2, %ecx; mov $3, %edx; mov $4, %ebx; mov $5, %ebp; mov $6, %esi\n"
    "        pusha; mov 28(%esp), %eax; mov %eax, 16(%edi); mov 4(%esp), %eax\n"
    "        mov %eax, 20(%edi); mov 12(%esp), %eax; sub %esp, %eax; mov %eax, 24(%edi)\n"
    "        xor %ebx, %ebx; popa; mov %ebx, 28(%edi)\n"
    "        lea 0x10(%edi), %ebx; sub $0x80000000, %ebx; sub $0x80000000, %ebx\n"
    "        mov $0xfffffff0, %ecx; mov (%ebx,%ecx), %eax; mov %eax, 32(%edi)\n"
    "        mov $0x12345678, %eax; mov $0x9abcdef0, %ecx; mul %ecx; mov %edx, 36(%edi)\n"
    "        ljmp $8, $back32\n"
    ".code64\n");
extern char code_plain[];

static void plain(void)
{
    u32 r[16] = { 0 };

    call32(code_plain, r);
    is(r[0], 6, "0x40 is INC");
    is(r[1], 5, "0x48 is DEC");
    is(r[2], 4, "PUSH pushes 4 bytes");
    is(r[3], 2, "PUSHW pushes 2");
    is(r[4], 1, "PUSHA: EAX is uppermost");
    is(r[5], 6, "PUSHA: ESI");
    is(r[6], 32, "PUSHA: ESP as it was");
    is(r[7], 4, "POPA");
    is(r[8], 6, "addresses wrap at 4 GiB");
    is(r[9], 0x0b00ea4e, "MUL of 32 bits");
}

/* ---- Segments ----------------------------------------------------------------------------------
 */

__asm__(".code32\n"
        "code_segments:\n"
        "        push %es; pop %eax; mov %ax, 0(%edi)\n"
        "        push %ds; push $0; pop %es; mov %es, %eax; mov %ax, 4(%edi); pop %es\n"
        "        mov %es, %eax; mov %ax, 8(%edi)\n"
        "        mov 48(%edi), %ecx; mov %ecx, %fs; mov %fs:4, %eax; mov %eax, 12(%edi)\n"
        "        les 52(%edi), %ebx; mov %ebx, 16(%edi); mov %es:4(%ebx), %eax\n"
        "        mov %eax, 20(%edi); mov %es, %eax; mov %eax, 24(%edi)\n"
        "        mov %ss, %eax; mov %eax, %es\n"
        "        movl $0x11223344, %es:(%edi); mov (%edi), %eax; mov %eax, 28(%edi)\n"
        "        mov %ecx, %ss; mov %ss:8, %eax; mov $0x10, %ecx; mov %ecx, %ss\n"
        "        mov %eax, 32(%edi)\n"
        "        mov %esp, %ebx; lcall $0x30, $1f; sub %esp, %ebx; mov %ebx, 36(%edi)\n"
        "        ljmp $8, $back32\n"
        "1:      mov (%esp), %eax; cmp $1b, %eax; mov 4(%esp), %eax; mov %eax, 40(%edi)\n"
        "        lret\n"
        ".code64\n");
extern char code_segments[];

static void segments(void)
{
    static u32 there[4] = { 0x100, 0x101, 0x102, 0x103 };
    const u64 base = (u64)there;
    u32 r[16] = { [12] = SEL_SHIFTED, [13] = 0xfffffff8 + 8, [14] = SEL_SHIFTED };

    gdt[SEL_SHIFTED / 8] = 0x00cf93000000ffff | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    call32(code_segments, r);
    is(r[1] & 0xffff, 0, "POP ES: null");
    is(r[2] & 0xffff, SEL_DATA, "POP ES");
    is(r[3], 0x101, "FS with a base");
    is(r[4], 0, "LES: the offset");
    is(r[5], 0x101, "LES: the segment");
    is(r[6], SEL_SHIFTED, "LES: the selector");
    is(r[7], 0x11223344, "ES as a prefix");
    is(r[8], 0x102, "SS with a base");
    is(r[9], 0, "far call and return");
    is(r[10], SEL_CODE32, "CS on the stack");
}

/* ---- Exceptions and interrupts
 * ------------------------------------------------------------------- */

static struct {
    struct frame frame;
    unsigned count;
} seen;

static void look(struct frame *frame)
{
    seen.frame = *frame;
    seen.count++;
}

__asm__(".code32\n"
        "code_interrupts:\n"
        "        mov %esp, 0(%edi); movl $at_int60, 4(%edi)\n"
        "        int $0x60\n"
        "at_int60: mov %esp, 8(%edi)\n"
        "        xor %eax, %eax; into\n"
        "        mov $0x7fffffff, %eax; inc %eax; into\n"
        "        ljmp $8, $back32\n"
        "code_int3: int3; ljmp $8, $back32\n"
        ".code64\n");
extern char code_interrupts[], code_int3[], at_int60[];

static void interrupts(void)
{
    u32 r[16] = { 0 };

    on_vector(0x60, look);
    seen.count = 0;
    on_vector(OF, look);
    call32(code_interrupts, r);
    is(seen.count, 2, "INT 0x60, and INTO once");
    is(seen.frame.vector, OF, "INTO: its vector");
    on_vector(OF, NULL);
    on_vector(BP, look);
    call32(code_int3, r);
    is(seen.frame.rip, (u64)code_int3 + 1, "INT3: RIP");
    is(seen.frame.cs, SEL_CODE32, "INT3: CS");
    on_vector(BP, NULL);
    call32(code_interrupts, (seen.count = 0, on_vector(OF, look), r));
    on_vector(OF, NULL);
    is(r[0], r[2], "ESP after IRET");
}

/* ---- Ring 3
 * ------------------------------------------------------------------------------------------ */

__asm__(".code32\n"
        "user32_plain: mov $3, %eax; .byte 0x40; push %cs; pop %ebx; mov %esp, %ecx; push %eax\n"
        "        pop %edx; int $0x80\n"
        "user32_hlt: hlt; int $0x80\n"
        "user32_inner: push $0x30; push $user32_plain; lret\n"
        "user32_kernel_data: mov $0x10, %eax; mov %eax, %ds; int $0x80\n"
        "user32_swapgs: .byte 0x0f, 0x01, 0xf8; int $0x80\n"
        "user32_rdfsbase: .byte 0xf3, 0x0f, 0xae, 0xc0; int $0x80\n"
        "user32_sum: mov $0x80000000, %ebx; mov $0x80000000, %eax; add %ebx, %eax; pushf\n"
        "        pop %edx; int $0x80\n"
        "user32_to_64: ljmp $0x2b, $user64_there\n"
        ".code64\n"
        "user64_there: mov $-1, %rax; int $0x80\n");
extern char user32_plain[], user32_hlt[], user32_inner[], user32_kernel_data[], user32_swapgs[];
extern char user32_rdfsbase[], user32_sum[], user32_to_64[];
_Static_assert(SEL_USER_CODE == 0x2b, "");

static int user32(const char *code)
{
    return run_user_in(code, USER_STACK_TOP, 0, 0x1122334455667788, SEL_USER_CODE32, SEL_USER_DATA);
}

static void ring3(void)
{
    is((u64)user32(user32_plain), VECTOR_USER_EXIT, "ring 3: runs");
    is(caught.frame.rax, 4, "ring 3: 32-bit code it is");
    is(caught.frame.rdx, 4, "ring 3: stack");
    is(caught.frame.rbx & 0xffff, SEL_USER_CODE32, "ring 3: CS");
    is(caught.frame.cs, SEL_USER_CODE32, "ring 3: CS saved");
    is(caught.frame.ss, SEL_USER_DATA, "ring 3: SS saved");
    is(caught.frame.rsp, USER_STACK_TOP, "ring 3: ESP saved");
    is((u64)user32(user32_hlt), GP, "ring 3: HLT");
    is((u64)user32(user32_inner), GP, "ring 3: far return inwards");
    is(caught.error, SEL_CODE32, "its error code");
    is((u64)user32(user32_kernel_data), GP, "ring 3: data of ring 0");
    is(caught.error, SEL_DATA, "its error code");
    is((u64)user32(user32_swapgs), UD, "SWAPGS is of 64-bit code");
    is((u64)user32(user32_rdfsbase), UD, "RDFSBASE is of 64-bit code");
    is((u64)user32(user32_sum), VECTOR_USER_EXIT, "ring 3: a sum");
    is(caught.frame.rax, 0, "its value has 32 bits");
    is(caught.frame.rdx & 0x8c5, 0x845, "its flags: OF, ZF, PF, CF");
    is((u64)user32(user32_to_64), VECTOR_USER_EXIT, "ring 3: to 64-bit code");
    is(caught.frame.rax, ~0ul, "which has 64 bits");
    is(caught.frame.cs, SEL_USER_CODE, "its CS");
}

/* ---- Out of long mode and into it again, as a processor that is started
 * ------------------------------- */

__asm__(".code32\n"
        "code_leave:\n"
        "        mov %cr0, %eax; mov %eax, %ebp; btr $31, %eax; mov %eax, %cr0\n"
        "        ljmp $0x30, $1f\n"
        "1:      mov $0x38, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %ss\n"
        "        mov %cr0, %eax; mov %eax, 0(%edi)\n"
        "        mov $0xc0000080, %ecx; rdmsr; mov %eax, 4(%edi)\n"
        "        mov %eax, %esi; btr $8, %eax; wrmsr; rdmsr; mov %eax, 8(%edi)\n"
        "        mov %cr4, %ebx; mov %ebx, %eax; btr $5, %eax; mov %eax, %cr4\n"
        "        mov %cr4, %eax; mov %eax, 12(%edi)\n"
        "        mov $3, %eax; .byte 0x40; mov %eax, 16(%edi)\n"
        "        mov %cr3, %eax; mov %eax, 20(%edi)\n"
        /* into it again */
        "        mov %ebx, %cr4\n"
        "        mov 20(%edi), %eax; mov %eax, %cr3\n"
        "        mov $0xc0000080, %ecx; mov %esi, %eax; bts $8, %eax; xor %edx, %edx; wrmsr\n"
        "        mov %ebp, %cr0\n"
        "        rdmsr; mov %eax, 24(%edi)\n"
        "        ljmp $8, $back32\n"
        ".code64\n");
extern char code_leave[];

static void out_of_long_mode(void)
{
    const u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4(), efer = read_msr(MSR_EFER);
    u32 r[16] = { 0 };

    call32(code_leave, r);
    is(r[0], cr0 & ~CR0_PG, "CR0 without paging");
    is(r[1], efer & ~EFER_LMA, "EFER: LMA is gone");
    is(r[2], efer & ~(EFER_LMA | EFER_LME), "EFER: LME can go too");
    is(r[3], cr4 & ~(u64)CR4_PAE, "CR4: and PAE");
    is(r[4], 4, "32-bit code runs");
    is(r[5], cr3, "CR3");
    is(r[6], efer, "EFER: LMA is there again");
    is(read_cr0(), cr0, "CR0 as before");
    is(read_cr4(), cr4, "CR4 as before");
}

void payload_main(void)
{
    plain();
    segments();
    interrupts();
    ring3();
    out_of_long_mode();
    RAISES_STRICT(GP, "PG cannot go in 64-bit code", "mov %0, %%cr0",
                  :
                  : "r"(read_cr0() & ~(u64)CR0_PG));
}

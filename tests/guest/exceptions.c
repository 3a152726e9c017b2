/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions: which vector, what is saved, where the handler runs (Intel SDM vol. 3, chapter 6;
 * AMD64 APM vol. 2, chapter 8). Page faults have payload `paging`, those of floating point `fpu`.
 */
#include "payload.h"

#define NOT_CANONICAL 0x800000000000ul
#define HOLE 0x4000000000ul /* 256 GiB: not mapped */

/* ---- One of each ------------------------------------------------------------------------ */

static void divide(void)
{
    RAISES(DE, "#DE: divide by zero", "div %%cl", : : "a"(7), "c"(0));
    check(FAULTED_AT_START, "#DE is a fault");
    RAISES(DE, "#DE: quotient too large", "div %%cl", : : "a"(0x1000), "c"(1));
    RAISES(DE, "#DE: -2^31 / -1", "idivl %%ecx", : : "a"(0x80000000), "d"(-1), "c"(-1));
    RAISES(DE, "#DE: -2^63 / -1", "idivq %%rcx", : : "a"(1ul << 63), "d"(-1l), "c"(-1l));

    u32 low = 0, high = 5;

    RAISES(NOTHING, "no #DE: largest quotient", "divl %%ecx", : "+a"(low), "+d"(high) : "c"(6));
    is(low, 0xd5555555, "its quotient");
}

static void undefined(void)
{
    RAISES(UD, "#UD: UD2", "ud2");
    check(FAULTED_AT_START, "#UD is a fault");
    RAISES(UD, "#UD: UD0", ".byte 0x0f, 0xff, 0xc0");
    RAISES(UD, "#UD: PUSH ES in 64-bit mode", ".byte 0x06");
    RAISES(UD, "#UD: INTO in 64-bit mode", ".byte 0xce");
    RAISES(UD, "#UD: LOCK NOP", ".byte 0xf0, 0x90");
    RAISES(UD, "#UD: LOCK ADD to a register", ".byte 0xf0, 0x01, 0xc8");
    RAISES(UD, "#UD: EVEX", ".byte 0x62, 0xf1, 0x7c, 0x48, 0x10, 0x00", : : "a"(&caught));
    RAISES(UD, "#UD: MOV to CS", ".byte 0x8e, 0xc8");
    RAISES(UD, "#UD: MOV from CR1", ".byte 0x0f, 0x20, 0xc8");
    RAISES(UD, "#UD: LEA of a register", ".byte 0x8d, 0xc0");
    RAISES(UD, "#UD: LES is VEX, which is off", ".byte 0xc4, 0xc0");
}

static void general(void)
{
    RAISES(GP, "#GP: address, load", "movb (%0), %%al", : : "r"(NOT_CANONICAL) : "rax");
    check(FAULTED_AT_START && caught.error == 0, "#GP is a fault, with 0");
    RAISES(GP, "#GP: address, store", "movb %%al, (%0)", : : "r"(NOT_CANONICAL));
    RAISES(GP, "#GP: jump", "jmp *%0", : : "r"(NOT_CANONICAL));
    RAISES(GP, "#GP: 16 bytes long", ".fill 15, 1, 0x66; nop");
    RAISES(NOTHING, "no #GP: 15 bytes long", ".fill 14, 1, 0x66; nop");
}

/* QEMU's TCG does not tell #SS from #GP here, and does not check CR0. */
static void general_strict(void)
{
    RAISES(SS, "#SS: address, by RBP", "mov %0, %%rbp; movb (%%rbp), %%al",
           :
           : "r"(NOT_CANONICAL)
           : "rax", "rbp");
    check(caught.error == 0, "#SS has 0");
    RAISES(GP, "#GP: CR0's upper half", "mov %0, %%cr0", : : "r"(read_cr0() | 1ul << 40));
    RAISES(GP, "#GP: CR0.PG without PE", "mov %0, %%cr0", : : "r"(read_cr0() & ~1ul));
    RAISES(GP, "#GP: CR4, reserved", "mov %0, %%cr4", : : "r"(read_cr4() | 1ul << 15));
    RAISES(GP, "#GP: CR4.PAE", "mov %0, %%cr4", : : "r"(read_cr4() & ~(u64)CR4_PAE));
}

static void breakpoint(void)
{
    RAISES(BP, "#BP", "int3");
    is(caught.frame.rip, try_rip + 1, "#BP is a trap");
    RAISES(BP, "INT 3, two bytes", ".byte 0xcd, 3");
    is(caught.frame.rip, try_rip + 2, "INT n is a trap");
    RAISES(0x55, "INT 0x55", "int $0x55");
    RAISES(OF, "INT 4", "int $4");
    set_gate_to(GP, (u64)stubs[0x62], SEL_CODE, 0x8e, 0);
    RAISES(0x62, "INT 13 pushes no error code", "int $13");
    set_gate(GP, 0, 0, false);
}

/* ---- What is saved ---------------------------------------------------------------------- */

static struct {
    u64 rsp, rflags, ss;
    unsigned count;
} inside;

static void look_inside(struct frame *frame)
{
    inside.rsp = (u64)frame;
    inside.rflags = read_flags();
    __asm__ volatile("mov %%ss, %0" : "=r"(inside.ss));
    inside.count++;
    caught.frame = *frame;
}

/* Has a carry, an auxiliary carry, and what the gate is to take away. */
static void saved(void)
{
    u64 rsp, flags;

    on_vector(0x60, look_inside);
    set_gate(0x60, 0, 0, false);
    __asm__ volatile("sub $256, %%rsp; push $0x4ed7; popfq; mov %%rsp, %0; int $0x60;"
                     "pushfq; pop %1; push $2; popfq; add $256, %%rsp"
                     : "=&r"(rsp), "=&r"(flags)
                     :
                     : "memory");
    is(caught.frame.rflags & 0x254fd5, 0x4ed7 & 0x254fd5 & ~0x100u, "RFLAGS saved");
    is(flags & 0xcd5, 0x4ed7 & 0xcd5, "RFLAGS restored");
    is(caught.frame.rsp, rsp, "RSP saved");
    is(caught.frame.cs, SEL_CODE, "CS saved");
    is(caught.frame.ss, SEL_DATA, "SS saved");
    is(inside.ss, SEL_DATA, "SS kept in the handler");
    is(inside.rflags & (FLAG_IF | FLAG_TF | FLAG_NT), 0, "interrupt gate: IF, TF and NT off");
    set_gate(0x60, 0, 0, true);
    __asm__ volatile("cli; push $0x4202; popfq; int $0x60; push $2; popfq" : : : "memory");
    is(inside.rflags & (FLAG_IF | FLAG_NT), FLAG_IF, "trap gate: IF stays, NT off");
    /* In 64-bit mode the frame begins at a multiple of 16. */
    for (u64 shift = 0; shift < 16; shift += 5) {
        __asm__ volatile("mov %%rsp, %%rbx; and $-16, %%rsp; sub %1, %%rsp; mov %%rsp, %0;"
                         "int $0x60; mov %%rbx, %%rsp"
                         : "=&r"(rsp)
                         : "r"(shift + 512)
                         : "memory", "rbx");
        is(inside.rsp + sizeof(struct frame), rsp & ~15ul, "frame aligned to 16");
        is(caught.frame.rsp, rsp, "RSP saved, unaligned");
    }
    on_vector(0x60, NULL);
}

static void single_step(struct frame *frame)
{
    inside.count++;
    caught.frame = *frame;
    caught.cr2 = read_dr6();
    if (inside.count == 3)
        frame->rflags &= ~(u64)FLAG_TF;
}

static void trap_flag(void)
{
    u64 first, flags;

    inside.count = 0;
    write_dr6(0xffff0ff0);
    on_vector(DB, single_step);
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq\n"
                     "1: nop\n2: pushfq\n3: pop %1\n nop\n"
                     "lea 3b(%%rip), %0"
                     : "=r"(first), "=&r"(flags)
                     :
                     : "memory");
    is(inside.count, 3, "#DB after each instruction under TF");
    check(caught.frame.rip > first, "#DB is behind the instruction");
    check(flags & FLAG_TF, "PUSHF shows TF");
    check(caught.cr2 & 1 << 14, "DR6.BS");
    on_vector(DB, NULL);
}

/* ---- Where the handler runs ------------------------------------------------------------- */

static u8 ist_stack[4096] __attribute__((aligned(16)));
#define IST_TOP ((u64)(ist_stack + sizeof(ist_stack)))

static bool was_on_ist(void)
{
    return inside.rsp == IST_TOP - sizeof(struct frame);
}

__asm__("user_int60: mov $0x1234, %ebx; int $0x60; int $0x80\n"
        "user_ud: ud2\n"
        "user_int13: int $13\n"
        "user_hlt: hlt\n"
        "user_cli: cli\n"
        "user_exit: int $0x80\n"
        "user_int3: int3\n"
        "user_load: mov (%rdi), %rax; int $0x80\n"
        "user_store: mov %eax, (%rdi); int $0x80\n");
extern char user_int60[], user_ud[], user_int13[], user_hlt[], user_cli[], user_int3[], user_exit[];
extern char user_load[], user_store[];

static void stacks_of_handlers(void)
{
    on_vector(0x60, look_inside);
    tss[0].ist[2] = IST_TOP;
    set_gate(0x60, 3, 3, false);
    __asm__ volatile("int $0x60" : : : "memory");
    check(was_on_ist(), "IST from ring 0");
    is((u64)run_user(user_int60, USER_STACK_TOP, FLAG_IOPL, 0), VECTOR_USER_EXIT, "ring 3 goes on");
    check(was_on_ist(), "IST from ring 3");
    set_gate(0x60, 3, 0, false);
    is((u64)run_user(user_int60, USER_STACK_TOP - 3, 0, 0), VECTOR_USER_EXIT, "ring 3 again");
    is(inside.rsp, tss[0].rsp[0] - sizeof(struct frame), "RSP0 from ring 3");
    is(inside.ss, 0, "SS is null in a handler that came from ring 3");
    is(caught.frame.rsp, USER_STACK_TOP - 3, "ring 3's RSP saved");
    is(caught.frame.ss, SEL_USER_DATA, "ring 3's SS saved");
    is(caught.frame.cs, SEL_USER_CODE, "ring 3's CS saved");
    is(caught.frame.rbx, 0x1234, "ring 3's registers kept");
    on_vector(0x60, NULL);
    set_gate(0x60, 0, 0, false);
}

static void from_user(void)
{
    is((u64)run_user(user_ud, USER_STACK_TOP, 0, 0), UD, "ring 3: #UD");
    is(caught.frame.rip, (u64)user_ud, "ring 3: #UD's RIP");
    is((u64)run_user(user_int13, USER_STACK_TOP, 0, 0), GP, "ring 3: INT of a gate with DPL 0");
    is(caught.error, 13 * 8 + 2, "its error code names the gate");
    is((u64)run_user(user_int3, USER_STACK_TOP, 0, 0), GP, "ring 3: INT3 of a gate with DPL 0");
    is(caught.error, 3 * 8 + 2, "its error code names the gate");
    is((u64)run_user(user_hlt, USER_STACK_TOP, 0, 0), GP, "ring 3: HLT");
    is((u64)run_user(user_cli, USER_STACK_TOP, 0, 0), GP, "ring 3: CLI");
    is((u64)run_user(user_cli, USER_STACK_TOP, FLAG_IOPL, 0), VECTOR_USER_EXIT,
       "ring 3 with IOPL 3: CLI");
}

/* A value at an odd place, and #AC in force: only in ring 3, with RFLAGS.AC and CR0.AM. */
static void alignment(void)
{
    static u64 words[2];
    const u64 odd = (u64)words + 1;

    is((u64)run_user(user_load, USER_STACK_TOP, FLAG_AC, odd), VECTOR_USER_EXIT,
       "no CR0.AM, no #AC");
    write_cr0(read_cr0() | CR0_AM);
    is((u64)run_user(user_load, USER_STACK_TOP, 0, odd), VECTOR_USER_EXIT, "no RFLAGS.AC, no #AC");
    is((u64)run_user(user_load, USER_STACK_TOP, FLAG_AC, (u64)words), VECTOR_USER_EXIT,
       "aligned, no #AC");
    if (run_user(user_load, USER_STACK_TOP, FLAG_AC, odd) == VECTOR_USER_EXIT) {
        skip("#AC", "this processor does not check alignment");
    } else {
        is((u64)caught.vector, AC, "#AC: load");
        is(caught.error, 0, "#AC's error code");
        is((u64)run_user(user_store, USER_STACK_TOP, FLAG_AC, (u64)words + 2), AC, "#AC: store");
    }
    is((u64)run_user(user_store, USER_STACK_TOP, FLAG_AC, (u64)words + 4), VECTOR_USER_EXIT,
       "4 bytes at a multiple of 4: no #AC");
    write_cr0(read_cr0() & ~(u64)CR0_AM);
}

/* ---- Bad gates, and exceptions on the way to a handler ------------------------------------- */

static void bad_gates(void)
{
    const u64 stub = (u64)stubs[0x61];

    set_gate_to(0x61, stub, SEL_CODE, 0x0e, 0);
    RAISES(NP, "#NP: gate not present", "int $0x61");
    is(caught.error, 0x61 * 8 + 2, "its error code");
    check(FAULTED_AT_START, "it is a fault at the INT");
    set_gate_to(0x61, stub, SEL_CODE, 0x8c, 0);
    RAISES(GP, "#GP: a call gate in the IDT", "int $0x61");
    is(caught.error, 0x61 * 8 + 2, "its error code");
    set_gate_to(0x61, stub, 0, 0x8e, 0);
    RAISES(GP, "#GP: gate with a null selector", "int $0x61");
    is(caught.error, 0, "its error code");
    set_gate_to(0x61, stub, SEL_DATA, 0x8e, 0);
    RAISES(GP, "#GP: gate to a data segment", "int $0x61");
    is(caught.error, SEL_DATA, "its error code");
    set_gate_to(0x61, stub, SEL_CODE32, 0x8e, 0);
    RAISES(GP, "#GP: gate to a 32-bit segment", "int $0x61");
    is(caught.error, SEL_CODE32, "its error code");
    set_gate_to(0x61, stub, sizeof(gdt), 0x8e, 0);
    RAISES(GP, "#GP: gate beyond the GDT", "int $0x61");
    is(caught.error, sizeof(gdt), "its error code");
    set_gate(0x61, 0, 0, false);

    struct table_pointer small = { 0x61 * 16 + 14, (u64)idt };
    __asm__ volatile("lidt %0" : : "m"(small));
    RAISES(GP, "#GP: beyond the IDT's limit", "int $0x61");
    is(caught.error, 0x61 * 8 + 2, "its error code");
    __asm__ volatile("lidt %0" : : "m"(idt_pointer));

    set_gate_to(UD, (u64)stubs[UD], SEL_CODE, 0x0e, 0);
    RAISES(NP, "#NP: gate of #UD not present", "ud2");
    is(caught.error, UD * 8 + 3, "its error code says that an exception was on its way");
    set_gate(UD, 0, 0, false);
}

static void double_faults(void)
{
    tss[0].ist[2] = IST_TOP;
    set_gate(DF, 0, 3, false);
    set_gate_to(GP, (u64)stubs[GP], SEL_CODE, 0x0e, 0);
    RAISES(DF, "#GP, then #NP: #DF", "movb (%0), %%al", : : "r"(NOT_CANONICAL) : "rax");
    is(caught.error, 0, "#DF's error code");
    set_gate(GP, 0, 0, false);
    set_gate_to(PF, (u64)stubs[PF], SEL_CODE, 0x0e, 0);
    RAISES(DF, "#PF, then #NP: #DF", "movb (%0), %%al", : : "r"(HOLE) : "rax");
    set_gate(PF, 0, 0, false);
    /* #UD is benign, and the stack's #PF comes next; which meets the same stack. */
    RAISES(DF, "no stack to push to: #DF", "mov %%rsp, %%rbx; mov %0, %%rsp; ud2",
           :
           : "r"(HOLE)
           : "rbx");
    is(caught.cr2 & ~0xffful, HOLE - 0x1000, "CR2 is the stack's");
    is(caught.frame.rsp, HOLE, "#DF saves RSP");
    set_gate(DF, 0, 0, false);
}

void payload_main(void)
{
    divide();
    breakpoint();
    saved();
    trap_flag();
    stacks_of_handlers();
    from_user();
    alignment();
    bad_gates();
    double_faults();
    general();
    if (in_lab())
        general_strict();
    undefined();
}

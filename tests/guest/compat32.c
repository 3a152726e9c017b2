/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From long mode to 32-bit code, to protected mode without paging, and back: what the start of
 * Linux's further processors does. Then 32-bit code in ring 3.
 */
#include "payload.h"

/* What 32-bit code leaves behind: compat32_code.S */
u32 results[32], save_esp;
struct __attribute__((packed)) {
    u32 offset;
    u16 selector;
} far_to;

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

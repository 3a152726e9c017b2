/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segment registers: loads and their checks, far transfers in 64-bit mode, LAR, LSL, VERR, VERW,
 * and IRETQ (AMD64 APM vol. 2, chapter 4; vol. 3, the instructions).
 */
#include "payload.h"

enum { SLOTS = 12 };
#define SEL(slot) ((u64)(SEL_TEST + 8 * (slot)))

/* Descriptors for the tests: base 0, limit 4 GiB but where said. */
enum {
    DATA_RO,      /* read-only data */
    DATA_DOWN,    /* expand-down data */
    CODE_RO,      /* 64-bit code, readable */
    CODE_XO,      /* execute-only code */
    CODE_CONF,    /* conforming 64-bit code */
    DATA_ABSENT,  /* not present */
    CODE_ABSENT,  /* not present */
    DATA_USER,    /* DPL 3 */
    CODE_LD,      /* L and D: not valid */
    DATA_SMALL,   /* limit 0x12345 bytes */
    DATA_BASE,    /* base 0x12345678 */
    CALL_GATE_LO, /* 16 bytes */
    CALL_GATE_HI,
    LDT_LO,
    LDT_HI,
};

static u64 local[4] = { 0, 0x00cf93000000ffff, 0, 0 };

static void set_up(void)
{
    u64 *d = &gdt[SEL_TEST / 8];
    const u64 base = (u64)local;

    __asm__ volatile("lldt %w0" : : "r"(0)); /* there may be one after reset */
    d[DATA_RO] = 0x00cf90000000ffff;
    d[DATA_DOWN] = 0x00cf97000000ffff;
    d[CODE_RO] = 0x00af9a000000ffff;
    d[CODE_XO] = 0x00af98000000ffff;
    d[CODE_CONF] = 0x00af9e000000ffff;
    d[DATA_ABSENT] = 0x00cf13000000ffff;
    d[CODE_ABSENT] = 0x00af1a000000ffff;
    d[DATA_USER] = 0x00cff2000000ffff;
    d[CODE_LD] = 0x00ef9a000000ffff;
    d[DATA_SMALL] = 0x0041920000002345;
    d[DATA_BASE] = 0x12cf92345678ffff;
    d[LDT_LO] = (sizeof(local) - 1) | (base & 0xffffff) << 16 | 0x0000820000000000 |
                (base >> 24 & 0xff) << 56;
    d[LDT_HI] = base >> 32;
}

#define LOAD(vector, code, name, reg, selector)                                                    \
    do {                                                                                           \
        RAISES(vector, name, "mov %w0, %%" reg, : : "r"(selector));                                \
        if ((vector) != NOTHING)                                                                   \
            is(caught.error, (selector)&0xfffc, name ", error code");                              \
        __asm__ volatile("mov %w0, %%ds; mov %w0, %%es" : : "r"(SEL_DATA));                        \
    } while (0)

static void data_loads(void)
{
    LOAD(NOTHING, 0, "DS: null", "ds", 0);
    LOAD(NOTHING, 0, "DS: null with RPL 3", "ds", 3);
    LOAD(NOTHING, 0, "DS: read-only data", "ds", SEL(DATA_RO));
    LOAD(NOTHING, 0, "ES: expand-down data", "es", SEL(DATA_DOWN));
    LOAD(NOTHING, 0, "DS: readable code", "ds", SEL(CODE_RO));
    LOAD(NOTHING, 0, "DS: RPL 3 and DPL 3", "ds", SEL(DATA_USER) | 3);
    LOAD(NOTHING, 0, "DS: conforming code with RPL 3", "ds", SEL(CODE_CONF) | 3);
    LOAD(GP, 0, "DS: execute-only code", "ds", SEL(CODE_XO));
    LOAD(GP, 0, "DS: RPL 3 and DPL 0", "ds", SEL(DATA_RO) | 3);
    LOAD(GP, 0, "DS: a TSS", "ds", (u64)SEL_TSS);
    LOAD(GP, 0, "DS: beyond the GDT", "ds", (u64)sizeof(gdt));
    LOAD(NP, 0, "DS: not present", "ds", SEL(DATA_ABSENT));
    LOAD(GP, 0, "DS: LDT, which is null", "ds", 4ul | 8);
    check(gdt[SEL(DATA_RO) / 8] >> 40 & 1, "loading sets the accessed bit");
}

static void stack_loads(void)
{
    RAISES(GP, "SS: read-only data", "mov %w0, %%ss", : : "r"(SEL(DATA_RO)));
    is(caught.error, SEL(DATA_RO), "SS: read-only data, error code");
    RAISES(GP, "SS: code", "mov %w0, %%ss", : : "r"(SEL(CODE_RO)));
    RAISES(GP, "SS: RPL 3", "mov %w0, %%ss", : : "r"(SEL(DATA_USER) | 3));
    RAISES(GP, "SS: DPL 3", "mov %w0, %%ss", : : "r"(SEL(DATA_USER)));
    gdt[SEL(DATA_ABSENT) / 8] = 0x00cf13000000ffff;
    RAISES(SS, "SS: not present", "mov %w0, %%ss", : : "r"(SEL(DATA_ABSENT)));
    is(caught.error, SEL(DATA_ABSENT), "SS: not present, error code");
    RAISES(NOTHING, "SS: null in ring 0", "mov %w0, %%ss; push %%rax; pop %%rax; mov %w1, %%ss",
           :
           : "r"(0), "r"(SEL_DATA));
    RAISES_STRICT(GP, "SS: null with RPL 3", "mov %w0, %%ss", : : "r"(3));
    RAISES(NOTHING, "SS: expand-down data", "mov %w0, %%ss; mov %w1, %%ss",
           :
           : "r"(SEL(DATA_DOWN)), "r"(SEL_DATA));
}

/* In 64-bit mode only FS and GS have bases, and nothing has a limit. */
static void bases(void)
{
    static u32 word = 0x600d;
    u64 value = 0;

    RAISES(NOTHING, "a base in DS is ignored", "mov %w1, %%ds; mov (%2), %k0; mov %w3, %%ds",
           : "=&r"(value)
           : "r"(SEL(DATA_BASE)), "r"(&word), "r"(SEL_DATA));
    is(value, 0x600d, "its value");
    RAISES(NOTHING, "FS with a base", "mov %w0, %%fs", : : "r"(SEL(DATA_BASE)));
    is(read_msr(MSR_FS_BASE), 0x12345678, "loads it");
    RAISES(NOTHING, "PUSH FS, POP GS", "push %%fs; pop %%gs", :);
    is(read_msr(MSR_GS_BASE), 0x12345678, "loads it too");
    write_msr(MSR_GS_BASE, 1ul << 46);
    RAISES(NOTHING, "a far pointer by LGS", "lgs %1, %k0",
           : "=r"(value)
           : "m"(((struct __attribute__((packed)) {
               u32 o;
               u16 s;
           }){ 7, SEL_DATA })));
    is(value, 7, "its offset");
    is(read_msr(MSR_GS_BASE), 0, "its base");
    value = 0xaaaaaaaaaaaaaaaa;
    __asm__ volatile("mov %%ds, %w0" : "+r"(value));
    is(value, 0xaaaaaaaaaaaa0000 | SEL_DATA, "MOV from DS, 16 bits");
    __asm__ volatile("mov %%ds, %k0" : "=r"(value));
    is(value, SEL_DATA, "MOV from DS, 32 bits");
    __asm__ volatile("mov %w0, %%fs; mov %w0, %%gs" : : "r"(0));
}

static void local_table(void)
{
    RAISES(NOTHING, "LLDT", "lldt %w0", : : "r"(SEL(LDT_LO)));
    RAISES(NOTHING, "DS from the LDT", "mov %w0, %%ds; mov %w1, %%ds",
           :
           : "r"(8 | 4), "r"(SEL_DATA));
    RAISES(GP, "beyond the LDT", "mov %w0, %%ds", : : "r"(sizeof(local) | 4));
    is(caught.error, sizeof(local) | 4, "its error code");
    RAISES(GP, "LLDT of data", "lldt %w0", : : "r"(SEL(DATA_RO)));
    RAISES(GP, "LLDT from the LDT", "lldt %w0", : : "r"(8 | 4));
    gdt[SEL(LDT_LO) / 8] &= ~(1ul << 47);
    RAISES(NP, "LLDT, not present", "lldt %w0", : : "r"(SEL(LDT_LO)));
    gdt[SEL(LDT_LO) / 8] |= 1ul << 47;
    RAISES(NOTHING, "LLDT of null", "lldt %w0", : : "r"(0));
    RAISES(GP, "LTR of a busy TSS", "ltr %w0", : : "r"(SEL_TSS));
    RAISES_STRICT(GP, "LTR of null", "ltr %w0", : : "r"(0));
}

/* ---- Questions ----------------------------------------------------------------------------- */

static bool lar(u64 selector, u64 *ret)
{
    bool ok;

    *ret = 0x5555555555555555;
    __asm__ volatile("lar %k2, %k1; setz %0" : "=q"(ok), "+r"(*ret) : "r"((u32)selector) : "cc");
    return ok;
}

static bool lsl(u64 selector, u64 *ret)
{
    bool ok;

    *ret = 0x5555555555555555;
    __asm__ volatile("lsl %k2, %k1; setz %0" : "=q"(ok), "+r"(*ret) : "r"((u32)selector) : "cc");
    return ok;
}

static bool ver(u64 selector, bool is_write)
{
    bool ok;

    if (is_write)
        __asm__ volatile("verw %w1; setz %0" : "=q"(ok) : "r"((u32)selector) : "cc");
    else
        __asm__ volatile("verr %w1; setz %0" : "=q"(ok) : "r"((u32)selector) : "cc");
    return ok;
}

static void questions(void)
{
    u64 value;

    /* The limit's bits in the result are undefined. */
    check(lar(SEL_CODE, &value) && (value & ~0xf0000ul) == 0x00a09b00, "LAR of code");
    check(lar(SEL_TSS, &value) && value == 0x00008b00, "LAR of a TSS");
    check(!lar(0, &value) && value == 0x5555555555555555, "LAR of null");
    check(!lar(sizeof(gdt), &value), "LAR beyond the GDT");
    check(!lar(SEL(DATA_RO) | 3, &value), "LAR with RPL 3 of DPL 0");
    check(lar(SEL(CODE_CONF) | 3, &value), "LAR with RPL 3 of conforming code");
    check(lar(SEL(DATA_ABSENT), &value), "LAR of what is not present");
    check(lsl(SEL_CODE, &value) && value == 0xffffffff, "LSL of 4 GiB");
    check(lsl(SEL(DATA_SMALL), &value) && value == 0x12345, "LSL in bytes");
    check(lsl(SEL_TSS, &value) && value == sizeof(struct tss) - 1, "LSL of a TSS");
    check(!lsl(0, &value) && value == 0x5555555555555555, "LSL of null");
    check(ver(SEL_DATA, false) && ver(SEL_DATA, true), "VERR, VERW of data");
    check(ver(SEL(DATA_RO), false) && !ver(SEL(DATA_RO), true), "of read-only data");
    check(ver(SEL_CODE, false) && !ver(SEL_CODE, true), "of readable code");
    check(!ver(SEL(CODE_XO), false), "VERR of execute-only code");
    check(!ver(0, false) && !ver(0, true), "of null");
    check(!ver(SEL_TSS, false), "of a TSS");
    check(!ver(SEL_DATA | 3, false), "VERR with RPL 3 of DPL 0");
    check(ver(SEL(CODE_CONF) | 3, false), "VERR with RPL 3 of conforming code");
}

/* ---- Far transfers ----------------------------------------------------------------------------
 */

struct __attribute__((packed)) far {
    u64 offset;
    u16 selector;
};
struct __attribute__((packed)) far32 {
    u32 offset;
    u16 selector;
};

static u16 cs(void)
{
    u16 value;

    __asm__ volatile("mov %%cs, %0" : "=r"(value));
    return value;
}

static void far_transfers(void)
{
    struct far32 to = { 0, 0 };

    RAISES(NOTHING, "far return to another code segment",
           "push %0; push $1f; lretq; 1: mov %%cs, %%eax; push %1; push $2f; lretq; 2:",
           :
           : "r"(SEL(CODE_RO)), "r"((u64)SEL_CODE)
           : "rax");
    RAISES(NOTHING, "far jump through memory",
           "movl $1f, (%0); movw %w1, 4(%0); ljmpl *(%0); 1: push %2; push $2f; lretq; 2:",
           :
           : "r"(&to), "r"(SEL(CODE_RO)), "r"((u64)SEL_CODE)
           : "memory");
    RAISES(NOTHING, "far call through memory, and back",
           "movl $1f, (%0); movw %w1, 4(%0); lcalll *(%0); jmp 2f; 1: lretl; 2:",
           :
           : "r"(&to), "r"(SEL(CODE_RO))
           : "memory");
    is(cs(), SEL_CODE, "CS is as before");
#define FAR_JUMP(vector, name, sel)                                                                \
    do {                                                                                           \
        RAISES(vector, name, "movl $1f, (%0); movw %w1, 4(%0); ljmpl *(%0); 1:",                   \
               :                                                                                   \
               : "r"(&to), "r"((u64)(sel))                                                         \
               : "memory");                                                                        \
        is(caught.error, (sel)&0xfffc, name ", error code");                                       \
    } while (0)
    FAR_JUMP(GP, "far jump to null", 0ul);
    FAR_JUMP(GP, "far jump to data", (u64)SEL_DATA);
    FAR_JUMP(GP, "far jump to DPL 3", (u64)SEL_USER_CODE);
    if (in_lab()) /* QEMU's TCG takes it */
        FAR_JUMP(GP, "far jump to L and D", SEL(CODE_LD));
    FAR_JUMP(GP, "far jump to a TSS", (u64)SEL_TSS);
    FAR_JUMP(GP, "far jump beyond the GDT", (u64)sizeof(gdt));
    FAR_JUMP(NP, "far jump to what is not present", SEL(CODE_ABSENT));
    RAISES(GP, "far return to null", "push $0; push $1f; lretq; 1:", :);
    RAISES(GP, "far return to data", "push %0; push $1f; lretq; 1:", : : "r"((u64)SEL_DATA));
    RAISES(NOTHING, "far return to conforming code",
           "push %0; push $1f; lretq; 1: push %1; push $2f; lretq; 2:",
           :
           : "r"(SEL(CODE_CONF)), "r"((u64)SEL_CODE));
}

/* ---- IRETQ
 * --------------------------------------------------------------------------------------- */

static int iret_to(u64 selector, u64 stack, u64 flags)
{
    return TRY("mov %%rsp, %%rcx; push %1; push %%rcx; push %2; push %0; push $1f; iretq; 1:",
               :
               : "r"(selector), "r"(stack), "r"(flags)
               : "rcx");
}

static void iretq(void)
{
    u64 rsp_before, rsp_after;

    is((u64)iret_to(SEL_CODE, SEL_DATA, 2), (u64)-1, "IRETQ to ring 0");
    is((u64)iret_to(SEL_CODE, 0, 2), (u64)-1, "IRETQ to ring 0 with a null SS");
    __asm__ volatile("mov %w0, %%ss" : : "r"(SEL_DATA));
    is((u64)iret_to(0, SEL_DATA, 2), GP, "IRETQ: null CS");
    is(caught.error, 0, "its error code");
    is((u64)iret_to(SEL_DATA, SEL_DATA, 2), GP, "IRETQ: data as CS");
    is(caught.error, SEL_DATA, "its error code");
    is((u64)iret_to(SEL_CODE, SEL_USER_DATA, 2), GP, "IRETQ: SS with another RPL");
    is(caught.error, SEL_USER_DATA & ~3, "its error code");
    is((u64)iret_to(SEL_USER_CODE, SEL_DATA, 2), GP, "IRETQ to ring 3: SS of ring 0");
    is((u64)iret_to(SEL_USER_CODE, 3, 2), GP, "IRETQ to ring 3: null SS");
    is((u64)iret_to(SEL(CODE_ABSENT), SEL_DATA, 2), NP, "IRETQ: CS not present");
    is(caught.error, SEL(CODE_ABSENT), "its error code");
    RAISES(GP, "IRETQ: RIP not canonical",
           "mov %%rsp, %%rcx; push %1; push %%rcx; push $2; push %0; push %2; iretq",
           :
           : "r"((u64)SEL_CODE), "r"((u64)SEL_DATA), "r"(1ul << 47)
           : "rcx");
    RAISES(GP, "IRETQ under NT",
           "mov %%rsp, %%rcx; push %1; push %%rcx; push $2; push %0; push $1f;"
           "push $0x4002; popfq; iretq; 1:",
           :
           : "r"((u64)SEL_CODE), "r"((u64)SEL_DATA)
           : "rcx");
    /* The stack pointer is always popped. */
    __asm__ volatile("mov %%rsp, %%rbx; mov %%rsp, %0; sub $104, %0; push %3; push %0; push $2;"
                     "push %2; push $1f; iretq; 1: mov %%rsp, %1; mov %%rbx, %%rsp"
                     : "=&r"(rsp_before), "=&r"(rsp_after)
                     : "r"((u64)SEL_CODE), "r"((u64)SEL_DATA)
                     : "rbx", "memory");
    is(rsp_after, rsp_before, "IRETQ to the same ring pops RSP");
}

__asm__("user_segments: mov %edi, %ds; mov %ds, %eax; int $0x80\n"
        "user_ss: mov %edi, %ss; mov %ss, %eax; int $0x80\n"
        "user_lar: lar %edi, %eax; setz %al; int $0x80\n");
extern char user_segments[], user_ss[], user_lar[];

static int user(const void *rip, u64 rdi)
{
    return run_user(rip, USER_STACK_TOP, 0, rdi);
}

static void from_ring_3(void)
{
    is((u64)user(user_segments, SEL_USER_DATA), VECTOR_USER_EXIT, "ring 3, DS: DPL 3");
    is((u64)user(user_segments, SEL_DATA), GP, "ring 3, DS: DPL 0");
    is((u64)user(user_ss, SEL_USER_DATA), VECTOR_USER_EXIT, "ring 3, SS: DPL 3");
    is((u64)user(user_ss, SEL_USER_DATA & ~3), GP, "ring 3, SS: RPL 0");
    is((u64)user(user_ss, 3), GP, "ring 3, SS: null");
    is((u64)user(user_lar, SEL_CODE), VECTOR_USER_EXIT, "ring 3, LAR of DPL 0");
    is(caught.frame.rax & 1, 0, "sees nothing");
    /* A return to ring 3 takes away what ring 3 may not have. */
    __asm__ volatile("mov %w0, %%ds; mov %w1, %%es" : : "r"(SEL_DATA), "r"(SEL_USER_DATA));
    (void)user(user_ss, SEL_USER_DATA);
    u16 ds, es;
    __asm__ volatile("mov %%ds, %0; mov %%es, %1" : "=r"(ds), "=r"(es));
    is(ds, 0, "a return to ring 3 takes DS of ring 0 away");
    is(es, SEL_USER_DATA, "and leaves ES of ring 3");
    __asm__ volatile("mov %w0, %%ds; mov %w0, %%es" : : "r"(SEL_DATA));
}

static void call_gate(void)
{
    u64 *gate = &gdt[SEL(CALL_GATE_LO) / 8];
    struct far32 to = { 0x7777, (u16)SEL(CALL_GATE_LO) };
    u64 target;

    __asm__ volatile("lea 1f(%%rip), %0; jmp 2f; 1: lretq; 2:" : "=r"(target));
    gate[0] = (target & 0xffff) | (u64)SEL_CODE << 16 | 0x00008c0000000000 | target >> 16 << 48;
    gate[1] = target >> 32;
    RAISES(NOTHING, "far call through a call gate", "lcalll *%0", : : "m"(to));
    gate[0] &= ~(1ul << 47);
    RAISES(NP, "call gate, not present", "lcalll *%0", : : "m"(to));
    is(caught.error, SEL(CALL_GATE_LO), "its error code");
    gate[0] = 0;
}

void payload_main(void)
{
    set_up();
    data_loads();
    stack_loads();
    bases();
    local_table();
    iretq();
    from_ring_3();
    far_transfers();
    questions();
    call_gate();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of the system, and the instructions that read and write them. */
#include "payload.h"

__asm__("user_sgdt: sgdt (%rdi); int $0x80\n"
        "user_smsw: smsw %eax; int $0x80\n"
        "user_rdmsr: rdmsr; int $0x80\n"
        "user_wrmsr: wrmsr; int $0x80\n"
        "user_cr0: mov %cr0, %rax; int $0x80\n"
        "user_rdtsc: rdtsc; int $0x80\n"
        "user_clts: clts; int $0x80\n"
        "user_invlpg: invlpg (%rdi); int $0x80\n"
        "user_lgdt: lgdt (%rdi); int $0x80\n"
        "user_swapgs: swapgs; int $0x80\n"
        "user_wbinvd: wbinvd; int $0x80\n"
        "user_dr: mov %dr7, %rax; int $0x80\n"
        "user_fsgs: wrgsbase %rdi; rdgsbase %rax; int $0x80\n"
        "user_cpuid: mov $0, %eax; cpuid; int $0x80\n");
extern char user_sgdt[], user_smsw[], user_rdmsr[], user_wrmsr[], user_cr0[], user_rdtsc[];
extern char user_clts[], user_invlpg[], user_lgdt[], user_swapgs[], user_wbinvd[], user_dr[];
extern char user_fsgs[], user_cpuid[];

static int in_user(const void *rip, u64 rdi)
{
    return run_user(rip, USER_STACK_TOP, 0, rdi);
}

static void identification(void)
{
    const struct cpuid r = cpuid(0, 0), one = cpuid(1, 0), far = cpuid(0x80000000, 0);

    check(r.eax >= 1 && far.eax >= 0x80000001, "CPUID has leaves");
    /* fpu tsc msr pae cx8 pge cmov fxsr sse sse2 */
    is(one.edx & 0x0700a171, 0x0700a171 & one.edx, "CPUID.1");
    check((one.edx & 0x07008171) == 0x07008171, "baseline features");
    check((cpuid(0x80000001, 0).edx & 0x20100800) == 0x20100800, "long mode, NX, SYSCALL");
    is((u64)in_user(user_cpuid, 0), VECTOR_USER_EXIT, "CPUID in ring 3");
    is(caught.frame.rbx, r.ebx, "the same there");
}

/* ---- Control registers ------------------------------------------------------------------ */

static void control(void)
{
    const u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();

    check((cr0 & 0x80000011) == 0x80000011, "CR0: PG, ET, PE");
    write_cr0(cr0 ^ CR0_MP);
    is(read_cr0(), cr0 ^ CR0_MP, "CR0 as written");
    write_cr0(cr0);
    write_cr3(cr3 | 0x18); /* PWT, PCD */
    is(read_cr3(), cr3 | 0x18, "CR3 as written");
    write_cr3(cr3);
    write_cr4(cr4 ^ CR4_PGE);
    is(read_cr4(), cr4 ^ CR4_PGE, "CR4 as written");
    write_cr4(cr4);
    write_cr2(0x123456789000);
    is(read_cr2(), 0x123456789000, "CR2 as written");
    write_cr8(5);
    is(read_cr8(), 5, "CR8 as written");
    write_cr8(0);
    RAISES_STRICT(GP, "CR8: only 4 bits", "mov %0, %%cr8", : : "r"(0x10ul));
    is((u64)in_user(user_cr0, 0), GP, "ring 3: CR0");
}

static void machine_status(void)
{
    const u64 cr0 = read_cr0();
    u64 word = 0xaaaaaaaaaaaaaaaa, memory = 0x5555555555555555;

    __asm__ volatile("smsw %w0; smswl %k1" : "+r"(word), "=r"(memory));
    is(word & 0xffff, cr0 & 0xffff, "SMSW, 16 bits");
    is(word >> 16, 0xaaaaaaaaaaaa, "SMSW keeps the rest");
    is(memory & 0xffff, cr0 & 0xffff, "SMSW, 32 bits");
    memory = 0x5555555555555555;
    __asm__ volatile("smsw %0" : "+m"(*(u16 *)&memory) : : "memory");
    is(memory, 0x5555555555550000 | (cr0 & 0xffff), "SMSW to memory: 16 bits");
    __asm__ volatile("lmsw %w0" : : "r"(cr0 | CR0_TS) : "memory");
    check(read_cr0() & CR0_TS, "LMSW sets TS");
    __asm__ volatile("clts" : : : "memory");
    is(read_cr0(), cr0, "CLTS clears it");
    __asm__ volatile("lmsw %w0" : : "r"(0) : "memory");
    check(read_cr0() & 1, "LMSW does not clear PE");
    write_cr0(cr0);
    is((u64)in_user(user_clts, 0), GP, "ring 3: CLTS");
    is((u64)in_user(user_smsw, 0), VECTOR_USER_EXIT, "ring 3: SMSW");
    is(caught.frame.rax & 0xffff, cr0 & 0xffff, "its value");
}

static void umip(void)
{
    if (!has_umip()) {
        skip("UMIP", "not there");
        return;
    }
    write_cr4(read_cr4() | CR4_UMIP);
    is((u64)in_user(user_smsw, 0), GP, "UMIP: SMSW in ring 3");
    is((u64)in_user(user_sgdt, (u64)user_stack), GP, "UMIP: SGDT in ring 3");
    RAISES(NOTHING, "UMIP: SMSW in ring 0", "smsw %%eax", : : : "rax");
    write_cr4(read_cr4() & ~(u64)CR4_UMIP);
}

static void debug(void)
{
    write_dr0(0x123456789abc);
    is(read_dr0(), 0x123456789abc, "DR0 as written");
    write_dr0(0);
    write_dr6(0);
    is(read_dr6() & 0xffff0ff0, 0xffff0ff0, "DR6: ones where reserved");
    write_dr7(0x400);
    is(read_dr7(), 0x400, "DR7 as written");
    RAISES(GP, "DR7: upper half", "mov %0, %%dr7", : : "r"(1ul << 32));
    is((u64)in_user(user_dr, 0), GP, "ring 3: DR7");
    write_cr4(read_cr4() | CR4_DE);
    RAISES(UD, "DR4 with CR4.DE", "mov %%dr4, %%rax", : : : "rax");
    write_cr4(read_cr4() & ~(u64)CR4_DE);
}

/* ---- MSRs ------------------------------------------------------------------------------- */

static void model_specific(void)
{
    static const u32 plain[] = { MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE,
                                 MSR_KERNEL_GS_BASE };
    const u64 efer = read_msr(MSR_EFER);

    for (unsigned i = 0; i < ARRAY_SIZE(plain); i++) {
        write_msr(plain[i], 0x7ffedcba9876);
        is(read_msr(plain[i]), 0x7ffedcba9876, "address MSR as written");
        RAISES_STRICT(GP, "address MSR: canonical only", "wrmsr",
                      :
                      : "c"(plain[i]), "a"(0), "d"(0x8000));
        write_msr(plain[i], 0);
    }
    write_msr(MSR_STAR, 0x0011223344556677);
    is(read_msr(MSR_STAR), 0x0011223344556677, "STAR as written");
    check(efer & EFER_LMA, "EFER.LMA");
    RAISES_STRICT(GP, "EFER.LME cannot go under paging", "wrmsr",
                  :
                  : "c"(MSR_EFER), "a"((u32)efer & ~EFER_LME), "d"(0));
    RAISES_STRICT(GP, "EFER: reserved bit", "wrmsr",
                  :
                  : "c"(MSR_EFER), "a"((u32)efer | 1 << 5), "d"(0));
    write_msr(MSR_EFER, efer & ~(u64)EFER_LMA);
    is(read_msr(MSR_EFER), efer, "EFER.LMA cannot be written");
    RAISES_STRICT(GP, "no such MSR: RDMSR", "rdmsr", : : "c"(0xc0001234) : "rax", "rdx");
    RAISES_STRICT(GP, "no such MSR: WRMSR", "wrmsr", : : "c"(0xc0001234), "a"(0), "d"(0));
    is((u64)in_user(user_rdmsr, 0), GP, "ring 3: RDMSR");
    is((u64)in_user(user_wrmsr, 0), GP, "ring 3: WRMSR");
    RAISES_STRICT(GP, "PAT: reserved type", "wrmsr", : : "c"(0x277), "a"(2), "d"(0));
}

static void gs_base(void)
{
    static u64 words[2] = { 0x1111, 0x2222 };
    u64 a, b;

    write_msr(MSR_GS_BASE, (u64)&words[0]);
    write_msr(MSR_KERNEL_GS_BASE, (u64)&words[1]);
    __asm__ volatile("mov %%gs:0, %0; swapgs; mov %%gs:0, %1; swapgs" : "=&r"(a), "=r"(b));
    is(a, 0x1111, "GS base");
    is(b, 0x2222, "SWAPGS");
    is(read_msr(MSR_GS_BASE), (u64)&words[0], "SWAPGS twice");
    write_msr(MSR_FS_BASE, (u64)words);
    __asm__ volatile("mov %%fs:8, %0" : "=r"(a));
    is(a, 0x2222, "FS base");
    is((u64)in_user(user_swapgs, 0), GP, "ring 3: SWAPGS");
    RAISES(NOTHING, "null into GS", "mov %0, %%gs", : : "r"(0));
    write_msr(MSR_GS_BASE, (u64)words);
    RAISES(NOTHING, "a flat segment into GS", "mov %0, %%gs", : : "r"(SEL_DATA));
    is(read_msr(MSR_GS_BASE), 0, "loads the base");
    RAISES(NOTHING, "null into GS", "mov %0, %%gs", : : "r"(0));
    if (!has_fsgsbase()) {
        skip("FSGSBASE", "not there");
        return;
    }
    RAISES(UD, "RDGSBASE without CR4.FSGSBASE", "rdgsbase %%rax", : : : "rax");
    write_cr4(read_cr4() | CR4_FSGSBASE);
    __asm__ volatile("wrfsbase %1; rdfsbase %0" : "=r"(a) : "r"(0x123456789ul));
    is(a, 0x123456789, "WRFSBASE, RDFSBASE");
    __asm__ volatile("wrgsbase %k1; rdgsbase %0" : "=r"(a) : "r"(0xfedcba9876543210));
    is(a, 0x76543210, "WRGSBASE, 32 bits");
    RAISES_STRICT(GP, "WRFSBASE: canonical only", "wrfsbase %0", : : "r"(1ul << 47));
    is((u64)in_user(user_fsgs, 0x7777), VECTOR_USER_EXIT, "FSGSBASE in ring 3");
    is(caught.frame.rax, 0x7777, "its value");
    write_cr4(read_cr4() & ~(u64)CR4_FSGSBASE);
    write_msr(MSR_FS_BASE, 0);
    write_msr(MSR_GS_BASE, 0);
}

/* ---- Tables ------------------------------------------------------------------------------ */

static void tables(void)
{
    struct table_pointer pointer = { 0, 0 }, odd = { 0x1ff, 0x123456789abc };
    u64 value = 0xaaaaaaaaaaaaaaaa;

    __asm__ volatile("sgdt %0" : "=m"(pointer));
    check(pointer.base == (u64)gdt && pointer.limit == sizeof(gdt) - 1, "SGDT");
    __asm__ volatile("sidt %0" : "=m"(pointer));
    check(pointer.base == (u64)idt && pointer.limit == sizeof(idt) - 1, "SIDT");
    __asm__ volatile("cli; lidt %1; sidt %0; lidt %2" : "=m"(pointer) : "m"(odd), "m"(idt_pointer));
    check(pointer.base == odd.base && pointer.limit == odd.limit, "LIDT, SIDT");
    odd.base = 1ul << 47;
    RAISES_STRICT(GP, "LGDT: canonical only", "lgdt %0", : : "m"(odd));
    __asm__ volatile("str %w0" : "+r"(value));
    is(value, 0xaaaaaaaaaaaa0000 | SEL_TSS, "STR, 16 bits");
    __asm__ volatile("str %0" : "=r"(value));
    is(value, SEL_TSS, "STR, 64 bits");
    __asm__ volatile("sldt %0" : "=r"(value));
    is(value, 0, "SLDT");
    is((u64)in_user(user_sgdt, (u64)user_stack), VECTOR_USER_EXIT, "ring 3: SGDT");
    is((u64)in_user(user_lgdt, (u64)user_stack), GP, "ring 3: LGDT");
    is((u64)in_user(user_invlpg, 0), GP, "ring 3: INVLPG");
    is((u64)in_user(user_wbinvd, 0), GP, "ring 3: WBINVD");
    RAISES(NOTHING, "INVLPG of what is not canonical", "invlpg (%0)", : : "r"(1ul << 47));
    RAISES(NOTHING, "WBINVD", "wbinvd");
}

/* ---- Time --------------------------------------------------------------------------------- */

static u64 tsc(void)
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return low | (u64)high << 32;
}

static void time(void)
{
    const u64 first = tsc();
    u64 rax, rcx = -1ul, rdx;
    bool goes_on = true;

    for (unsigned i = 0; i < 100; i++) {
        u64 before = tsc();

        goes_on &= tsc() >= before;
    }
    check(goes_on && tsc() > first, "RDTSC goes on");
    write_cr4(read_cr4() | CR4_TSD);
    is((u64)in_user(user_rdtsc, 0), GP, "CR4.TSD: RDTSC in ring 3");
    RAISES(NOTHING, "CR4.TSD: RDTSC in ring 0", "rdtsc", : : : "rax", "rdx");
    write_cr4(read_cr4() & ~(u64)CR4_TSD);
    is((u64)in_user(user_rdtsc, 0), VECTOR_USER_EXIT, "RDTSC in ring 3");
    check(caught.frame.rax >> 32 == 0 && caught.frame.rdx >> 32 == 0, "its upper halves are 0");
    if (!has_rdtscp()) {
        skip("RDTSCP", "not there");
        return;
    }
    write_msr(MSR_TSC_AUX, 0x12345);
    __asm__ volatile("rdtscp" : "=a"(rax), "+c"(rcx), "=d"(rdx));
    is(rcx, 0x12345, "RDTSCP: TSC_AUX");
    check((rax | rdx << 32) > first, "RDTSCP: time");
}

static void lazy_fpu(void)
{
    static u8 image[512] __attribute__((aligned(16)));

    write_cr0(read_cr0() | CR0_TS);
    RAISES(NM, "CR0.TS: #NM", "fxsave (%0)", : : "r"(image));
    RAISES(NM, "CR0.TS: #NM of WAIT, with MP", "fwait");
    write_cr0(read_cr0() & ~(u64)CR0_MP);
    RAISES(NOTHING, "CR0.TS without MP: no #NM of WAIT", "fwait");
    write_cr0(read_cr0() | CR0_MP);
    RAISES(NM, "CR0.TS: #NM of FNINIT", "fninit");
    __asm__ volatile("clts");
    RAISES(NOTHING, "CLTS", "fninit");
    if (!(cpuid(1, 0).ecx >> 26 & 1)) {
        RAISES(UD, "no XGETBV", "xgetbv", : : "c"(0) : "rax", "rdx");
        RAISES(GP, "no CR4.OSXSAVE", "mov %0, %%cr4", : : "r"(read_cr4() | 1ul << 18));
    } else {
        RAISES(UD, "no XGETBV without CR4.OSXSAVE", "xgetbv", : : "c"(0) : "rax", "rdx");
    }
}

void payload_main(void)
{
    identification();
    control();
    machine_status();
    umip();
    debug();
    model_specific();
    gs_base();
    tables();
    time();
    lazy_fpu();
}

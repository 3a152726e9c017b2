/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts from outside: when they are taken, in which order, and what holds them up (Intel SDM
 * vol. 3, 6.8). The lab raises them, at once or after a while.
 */
#include "payload.h"

#define STI_FLAGS "push $0x202; popfq\n"

static struct {
    unsigned count;
    u64 rip[8];
    u8 vector[8];
} taken;

static void note(struct frame *frame)
{
    if (taken.count < ARRAY_SIZE(taken.rip)) {
        taken.rip[taken.count] = frame->rip;
        taken.vector[taken.count] = (u8)frame->vector;
    }
    taken.count++;
}

static void raise(unsigned vector, unsigned after_us)
{
    out32(LAB_INTERRUPT, vector | after_us << 16);
}

static unsigned pending(void)
{
    out32(LAB_PENDING, 0);
    return in32(LAB_PENDING);
}

static void forget(void)
{
    memset(&taken, 0, sizeof(taken));
    BARRIER();
}

/* Code that is run with one interrupt pending and IF off; label 1 is where it is to be taken. */
#define TAKEN_AT_1(name, code)                                                                     \
    do {                                                                                           \
        u64 at;                                                                                    \
                                                                                                   \
        forget();                                                                                  \
        raise(0x40, 0);                                                                            \
        __asm__ volatile(code "\n push $2; popfq; lea 1b(%%rip), %0" : "=r"(at) : : "memory");     \
        is(taken.count, 1, name ": taken once");                                                   \
        is(taken.rip[0], at, name ": where it is taken");                                          \
    } while (0)

static void windows(void)
{
    forget();
    raise(0x40, 0);
    for (volatile unsigned i = 0; i < 1000; i++)
        ;
    is(taken.count, 0, "IF off: not taken");
    is(pending(), 1, "it waits");
    __asm__ volatile("sti; cli" : : : "memory");
    is(taken.count, 0, "STI, CLI: not taken, since STI holds up for one instruction");
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    is(taken.count, 1, "STI, NOP: taken");
    is(pending(), 0, "it waits no more");
    TAKEN_AT_1("STI", "sti; nop; 1: cli");
    TAKEN_AT_1("POPF", "push $0x202; popfq; 1: nop");
    TAKEN_AT_1("STI, MOV SS", "mov %%ss, %0; sti; mov %w0, %%ss; nop; 1: nop");
    TAKEN_AT_1("IRETQ", "mov %%rsp, %0; push $0x10; push %0; push $0x202; push $8; push $1f; iretq;"
                        "1: nop");
    TAKEN_AT_1("STI, HLT", "sti; hlt; 1: nop");
}

static void order(void)
{
    forget();
    raise(0x30, 0);
    raise(0x90, 0);
    raise(0x31, 0);
    is(pending(), 3, "three wait");
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    is(taken.count, 3, "all are taken");
    check(taken.vector[0] == 0x90 && taken.vector[1] == 0x31 && taken.vector[2] == 0x30,
          "the highest first");
}

static void priority(void)
{
    forget();
    write_cr8(8);
    raise(0x30, 0);
    raise(0x90, 0);
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    is(taken.count, 1, "CR8 8: one of two is taken");
    is(taken.vector[0], 0x90, "the one of class 9");
    __asm__ volatile("sti; mov %0, %%cr8; nop; nop; cli" : : "r"(0ul) : "memory");
    is(taken.count, 2, "CR8 0: the other too");
}

static void halting(void)
{
    forget();
    raise(0x41, 2000);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    is(taken.count, 1, "HLT: an interrupt ends it");
    is(taken.vector[0], 0x41, "its vector");
    forget();
    for (unsigned i = 0; i < 200; i++) {
        raise(0x41, i % 4 * 10);
        while (taken.count <= i)
            __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
    is(taken.count, 200, "200 times: none is lost");
}

/* ---- NMI ----------------------------------------------------------------------------------- */

static unsigned depth, deepest, nr_nmis;
static bool does_again, does_iret;

static void nmi(struct frame *frame)
{
    nr_nmis++;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (does_again && nr_nmis == 1) {
        out32(LAB_NMI, 0);
        for (volatile unsigned i = 0; i < 1000; i++)
            ;
        if (does_iret) /* any IRET lets the next one in */
            __asm__ volatile("mov %%rsp, %%rax; push $0x10; push %%rax; push $2; push $8;"
                             "push $1f; iretq; 1: nop"
                             :
                             :
                             : "rax", "memory");
        for (volatile unsigned i = 0; i < 1000; i++)
            ;
    }
    depth--;
    note(frame);
}

static void not_maskable(void)
{
    on_vector(NMI, nmi);
    forget();
    out32(LAB_NMI, 0);
    for (volatile unsigned i = 0; i < 20000 && !nr_nmis; i++)
        ;
    is(nr_nmis, 1, "NMI with IF off");
    nr_nmis = deepest = 0;
    does_again = true;
    out32(LAB_NMI, 0);
    for (volatile unsigned i = 0; i < 20000 && nr_nmis < 2; i++)
        ;
    is(nr_nmis, 2, "an NMI in its handler waits");
    is(deepest, 1, "until IRETQ");
    nr_nmis = deepest = 0;
    does_iret = true;
    out32(LAB_NMI, 0);
    for (volatile unsigned i = 0; i < 20000 && nr_nmis < 2; i++)
        ;
    is(nr_nmis, 2, "with an IRETQ in the handler");
    is(deepest, 2, "it comes at once");
    does_again = false;
    nr_nmis = 0;
    /* One may come before the HLT, on a slow machine. */
    out32(LAB_NMI, 1000 << 16);
    out32(LAB_NMI, 10000 << 16);
    out32(LAB_NMI, 60000 << 16);
    __asm__ volatile("cli; hlt" : : : "memory");
    check(nr_nmis > 0, "HLT with IF off: an NMI ends it");
    while (nr_nmis < 3)
        relax();
}

/* ---- Of ring 3, and of long instructions -------------------------------------------------------
 */

__asm__("user_spin: jmp user_spin\n");
extern char user_spin[];

static void of_ring_3(void)
{
    on_vector(0x40, NULL);
    raise(0x40, 500);
    is((u64)run_user(user_spin, USER_STACK_TOP, FLAG_IF, 0), 0x40, "taken in ring 3");
    is(caught.frame.rip, (u64)user_spin, "where it spins");
    on_vector(0x40, note);
}

static void of_strings(void)
{
    u8 *const memory = (u8 *)TEST_MEMORY;
    const u64 size = 0x200000;
    bool all = true;

    forget();
    for (unsigned i = 1; i <= 4; i++) {
        void *to = memory;
        u64 count = size / 8;

        raise(0x40, 100 * i);
        __asm__ volatile("sti; rep stosq; cli" : "+D"(to), "+c"(count) : "a"((u64)i) : "memory");
        all &= count == 0 && to == memory + size;
        for (u64 at = 0; at < size; at += 4096)
            all &= *(u64 *)(memory + at) == i;
        while (taken.count < i)
            __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
    check(all, "REP STOSQ goes on behind an interrupt");
    is(taken.count, 4, "four interrupts");
}

void payload_main(void)
{
    static const u8 vectors[] = { 0x30, 0x31, 0x40, 0x41, 0x90 };

    if (!in_lab()) {
        skip("interrupts", "not in the lab");
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++)
        on_vector(vectors[i], note);
    windows();
    order();
    priority();
    halting();
    of_ring_3();
    not_maskable();
    of_strings();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What payloads are written with: they run on the bare machine of lab.h, in ring 0, and say
 * in the Test Anything Protocol what they found.
 */
#ifndef TESTS_GUEST_PAYLOAD_H
#define TESTS_GUEST_PAYLOAD_H

#include "instructions.h"
#include "lab.h"
#include "layout.h"

/* A payload's main; when it returns, the plan is printed and the machine ends. */
void payload_main(void);

/* What the machine gives a payload: lab.c, board/board.c. */
void put_character(char c);
void end_machine(u8 status) __attribute__((noreturn)); /* 0: all is well */

/* What the compiler may call. */
void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);

/* ---- Results -------------------------------------------------------------------------- */

void say(const char *format, ...) __attribute__((format(printf, 1, 2))); /* %s %c %d %u %x %lx */
bool check(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Two numbers; the name is a string, and both are printed if they differ. */
bool is(u64 got, u64 want, const char *name);
void skip(const char *name, const char *reason);
void finish(void) __attribute__((noreturn));
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
bool in_lab(void); /* whether the lab's own ports are there */

/* ---- Exceptions ------------------------------------------------------------------------ */

struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
};

/* What the last TRY() or run_user() came to. */
struct caught {
    int vector; /* -1: nothing */
    u64 error, cr2;
    struct frame frame;
};
extern struct caught caught;
extern u64 try_fixup, try_rip, try_rsp;

/* @handler is called instead; NULL: back to the default. It may change the frame. */
void on_vector(unsigned vector, void (*handler)(struct frame *frame));
void set_gate(unsigned vector, unsigned dpl, unsigned ist, bool is_trap);
void set_gate_to(unsigned vector, u64 rip, u16 selector, u8 attributes, unsigned ist);

/*
 * Execute @code (assembly; its operands follow): the vector it raises, or -1. An exception ends it,
 * with RSP as at the start. All it changes but flags, memory and RSP has to be told. Labels 771 and
 * 772 are taken.
 */
#define TRY(code, ...)                                                                             \
    ({                                                                                             \
        caught.vector = -1;                                                                        \
        __asm__ volatile("mov %%rsp, try_rsp" : : : "memory");                                     \
        __asm__ volatile("movq $772f, try_fixup\n\t"                                               \
                         "movq $771f, try_rip\n"                                                   \
                         "771:\t" code "\n"                                                        \
                         "772:\tmovq $0, try_fixup" __VA_ARGS__);                                  \
        BARRIER();                                                                                 \
        caught.vector;                                                                             \
    })
/* The same, where it is to raise @vector (NOTHING: not to raise). */
#define RAISES(vector, name, ...) is((u64)(s64)TRY(__VA_ARGS__), (u64)(s64)(vector), name)
#define NOTHING (-1)
/* What QEMU's TCG, for one, does not check. */
#define RAISES_STRICT(vector, name, ...)                                                           \
    do {                                                                                           \
        if (in_lab())                                                                              \
            RAISES(vector, name, __VA_ARGS__);                                                     \
        else                                                                                       \
            skip(name, "other emulators differ");                                                  \
    } while (0)
/* Whether it was raised by the first instruction of the TRY. */
#define FAULTED_AT_START (caught.frame.rip == try_rip)

/* Run @rip in ring 3 (64-bit, or with the given selectors) until it raises anything; INT 0x80 is
 * the ordinary end. Returns the vector. */
int run_user(const void *rip, u64 rsp, u64 rflags, u64 rdi);
int run_user_in(const void *rip, u64 rsp, u64 rflags, u64 rdi, u64 cs, u64 ss);
void enter_user(u64 rip, u64 rsp, u64 rflags, u64 rdi, u64 cs, u64 ss);
extern char user_returned[], stacks[], stubs[256][16];
extern u8 user_stack[8192];
#define USER_STACK_TOP ((u64)(user_stack + sizeof(user_stack)))
#define VECTOR_USER_EXIT 0x80

/* ---- Descriptors ------------------------------------------------------------------------ */

struct __attribute__((packed)) tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, io_map;
    u8 io_bits[0x100 + 1];
};
struct __attribute__((packed)) table_pointer {
    u16 limit;
    u64 base;
};
struct gate {
    u16 offset0, selector;
    u8 ist, attributes;
    u16 offset1;
    u32 offset2, reserved;
};
extern u64 gdt[NR_DESCRIPTORS];
extern struct tss tss[NR_CPUS_MAX];
extern struct gate idt[256];
extern struct table_pointer gdt_pointer, idt_pointer;
extern u64 boot_pml4[512], boot_pdpt[512], boot_pd[4][512];

/* ---- Processors ------------------------------------------------------------------------- */

extern unsigned nr_cpus;
/* Have processor @index (not 0) call @fn(@arg), and wait until it has returned. */
void start_on(unsigned index, void (*fn)(void *arg), void *arg);
void wait_for(unsigned index);

/* Whether the processor says it has @bit of CPUID @leaf's register. */
bool has_smep(void);
bool has_smap(void);
bool has_umip(void);
bool has_fsgsbase(void);
bool has_rdtscp(void);

#endif

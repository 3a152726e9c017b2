/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of SSE, MMX and x87 a program cannot see, or not on this machine: who may use
 * them, what is raised when, the images. That they compute right: tests/x86.
 *
 * There is no machine: blocks are built and run here, guest memory is the test's own,
 * at its own address.
 */
#include <glib.h>
#include <setjmp.h>
#include <string.h>

#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/build.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/fpu.h"
#include "hw/cpu/soft/tlb.h"

enum { NO_VECTOR = -1, NE = CR0_PE | CR0_NE, OS = CR4_OSFXSR | CR4_OSXMMEXCPT };

static struct soft *cpu;
static struct builder builder;
static uint8_t memory[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static sigjmp_buf unwind;
static int vector;
static unsigned ip; /* of what raised */

/* ---- What the rest of the processor would do -------------------------------------------- */

lower_fn *lower_integer(enum insn_kind kind UNUSED)
{
    return NULL;
}

lower_fn *lower_string(enum insn_kind kind UNUSED)
{
    return NULL;
}

lower_fn *lower_branch(enum insn_kind kind UNUSED)
{
    return NULL;
}

lower_fn *lower_system(enum insn_kind kind UNUSED)
{
    return NULL;
}

op_result block_head(struct soft *of UNUSED, const struct op *op)
{
    GOTO_OP(op + 1);
}

op_result exit_link(struct soft *of UNUSED, const struct op *op UNUSED)
{
    LEAVE_RUN;
}

void soft_raise(struct soft *of UNUSED, const struct op *op, unsigned raised)
{
    vector = (int)raised;
    ip = op->ip;
    siglongjmp(unwind, 1);
}

void soft_raise_error(struct soft *of, const struct op *op, unsigned raised, uint32_t error)
{
    g_assert_cmphex(error, ==, 0);
    soft_raise(of, op, raised);
}

void soft_update_mode(struct soft *of UNUSED)
{
}

void soft_check_canonical(struct soft *of UNUSED, const struct op *op UNUSED, uint64_t va)
{
    g_assert_cmphex(va >> 47, ==, 0);
}

/* As a device would, each slow access leaves the run. */
static void *at(struct soft *of, uint64_t va, size_t size)
{
    g_assert_cmphex(va, >=, (uintptr_t)memory);
    g_assert_cmphex(va + size, <=, (uintptr_t)memory + sizeof(memory));
    soft_fp_leave(of);
    soft_fp_enter(of);
    return (void *)(uintptr_t)va;
}

uint64_t soft_load_slow(struct soft *of, const struct op *op UNUSED, uint64_t va, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, at(of, va, size), size);
    return value;
}

void soft_store_slow(struct soft *of, const struct op *op UNUSED, uint64_t va, uint64_t value,
                     unsigned size)
{
    memcpy(at(of, va, size), &value, size);
}

void soft_load_bytes(struct soft *of, const struct op *op UNUSED, uint64_t va, void *to,
                     size_t size)
{
    memcpy(to, at(of, va, size), size);
}

void soft_store_bytes(struct soft *of, const struct op *op UNUSED, uint64_t va, const void *from,
                      size_t size)
{
    memcpy(at(of, va, size), from, size);
}

void soft_probe_write(struct soft *of, const struct op *op UNUSED, uint64_t va, size_t size)
{
    (void)at(of, va, size);
}

/* ---- Runs ----------------------------------------------------------------------------------- */

static void run_ops(void)
{
#ifdef SOFT_LOOP
    const struct op *op = builder.ops;

    while (op)
        op = op->run(cpu, op);
#else
    builder.ops[0].run(cpu, builder.ops);
#endif
}

/* The @nr instructions of @code as one block. RBX is `memory`. The vector, or NO_VECTOR. */
static int run(const uint8_t *code, size_t size, unsigned nr)
{
    uint8_t bytes[256] = { 0 };

    memcpy(bytes, code, size);
    g_assert_true(build_decode(&builder, bytes, sizeof(bytes), MODE_64, nr));
    g_assert_cmpuint(builder.nr_insns, ==, nr);
    g_assert_cmpuint(builder.nr_bytes, ==, size);
    build_lower(&builder);
    cpu->gpr[RBX] = (uintptr_t)memory;
    vector = NO_VECTOR;
    soft_fp_enter(cpu);
    if (!sigsetjmp(unwind, 0))
        run_ops();
    soft_fp_leave(cpu);
    return vector;
}
#define RUN(nr, ...) run((const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }), nr)

/* Instructions. */
#define ADDPS 0x0f, 0x58, 0xc1 /* xmm0, xmm1 */
#define DIVPS 0x0f, 0x5e, 0xc1 /* xmm0, xmm1 */
#define PADDB 0x0f, 0xfc, 0xc1 /* mm0, mm1 */
#define EMMS 0x0f, 0x77
#define FLD1 0xd9, 0xe8
#define FLDZ 0xd9, 0xee
#define FDIVP 0xde, 0xf9 /* st1 / st0 */
#define FSTP0 0xdd, 0xd8
#define FNSTSW_AX 0xdf, 0xe0
#define FNCLEX 0xdb, 0xe2
#define FNINIT 0xdb, 0xe3
#define FLDCW 0xd9, 0x2b
#define FSTP_M64 0xdd, 0x1b
#define FWAIT 0x9b
#define LDMXCSR 0x0f, 0xae, 0x13
#define STMXCSR 0x0f, 0xae, 0x1b
#define FXSAVE64 0x48, 0x0f, 0xae, 0x03
#define FXRSTOR64 0x48, 0x0f, 0xae, 0x0b
#define FXSAVE64_8 0x48, 0x0f, 0xae, 0x43, 0x08

static void reset(void)
{
    struct tlb_entry *entry;

    memset(cpu, 0, sizeof(*cpu));
    memset(cpu->tlbs, 0xff, sizeof(cpu->tlbs)); /* TLB_NONE */
    cpu->tlb = cpu->tlbs[TLB_USER];
    entry = &cpu->tlb[((uintptr_t)memory >> PAGE_SHIFT) & (TLB_ENTRIES - 1)];
    entry->read_tag = entry->write_tag = (uintptr_t)memory;
    entry->addend = 0;
    cpu->cr0 = NE;
    cpu->cr4 = OS;
    cpu->mode = MODE_64;
    cpu->fpu.control = 0x37f;
    cpu->fpu.mxcsr = 0x1f80;
    memset(memory, 0, sizeof(memory));
}

static void put16(uint16_t value)
{
    memcpy(memory, &value, sizeof(value));
}

static void put32(uint32_t value)
{
    memcpy(memory, &value, sizeof(value));
}

static uint32_t get32(size_t offset)
{
    uint32_t value;

    memcpy(&value, memory + offset, sizeof(value));
    return value;
}

/* ---- Who may ------------------------------------------------------------------------------------
 */

static int run_with(uint64_t cr0, uint64_t cr4, const uint8_t *code, size_t size)
{
    reset();
    cpu->cr0 = NE | cr0;
    cpu->cr4 = cr4;
    return run(code, size, 1);
}
#define RUN_WITH(cr0, cr4, ...)                                                                    \
    run_with(cr0, cr4, (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static void sse_is_refused_as_cr0_and_cr4_say(void)
{
    g_assert_cmpint(RUN_WITH(0, OS, ADDPS), ==, NO_VECTOR);
    g_assert_cmpint(RUN_WITH(CR0_TS, OS, ADDPS), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(CR0_EM, OS, ADDPS), ==, VECTOR_UD);
    g_assert_cmpint(RUN_WITH(CR0_EM | CR0_TS, OS, ADDPS), ==, VECTOR_UD);
    g_assert_cmpint(RUN_WITH(0, CR4_OSXMMEXCPT, ADDPS), ==, VECTOR_UD);
    g_assert_cmpint(RUN_WITH(CR0_TS, 0, ADDPS), ==, VECTOR_UD);
    g_assert_cmpint(RUN_WITH(CR0_TS, OS, STMXCSR), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(0, 0, STMXCSR), ==, VECTOR_UD);
}

static void mmx_is_refused_as_cr0_says(void)
{
    g_assert_cmpint(RUN_WITH(0, 0, PADDB), ==, NO_VECTOR);
    g_assert_cmpint(RUN_WITH(CR0_TS, 0, PADDB), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(CR0_EM, 0, PADDB), ==, VECTOR_UD);
    g_assert_cmpint(RUN_WITH(CR0_TS, 0, EMMS), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(CR0_EM, 0, EMMS), ==, VECTOR_UD);
}

static void x87_is_refused_as_cr0_says(void)
{
    g_assert_cmpint(RUN_WITH(0, 0, FLD1), ==, NO_VECTOR);
    g_assert_cmpint(RUN_WITH(CR0_TS, 0, FLD1), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(CR0_EM, 0, FLD1), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(CR0_TS, 0, FNSTSW_AX), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(CR0_TS, 0, FNINIT), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(CR0_TS, 0, 0xdb, 0xe0), ==, VECTOR_NM); /* FNENI, which does nothing */
    g_assert_cmpint(RUN_WITH(0, 0, FXSAVE64), ==, NO_VECTOR);
    g_assert_cmpint(RUN_WITH(CR0_TS, OS, FXSAVE64), ==, VECTOR_NM);
    g_assert_cmpint(RUN_WITH(CR0_EM, OS, FXRSTOR64), ==, VECTOR_NM);
}

static void fwait_waits_for_the_owner_only_with_mp(void)
{
    g_assert_cmpint(RUN_WITH(CR0_TS, 0, FWAIT), ==, NO_VECTOR);
    g_assert_cmpint(RUN_WITH(CR0_EM, 0, FWAIT), ==, NO_VECTOR);
    g_assert_cmpint(RUN_WITH(CR0_MP, 0, FWAIT), ==, NO_VECTOR);
    g_assert_cmpint(RUN_WITH(CR0_MP | CR0_TS, 0, FWAIT), ==, VECTOR_NM);
}

/* A block checks once for each of the three, and it is that instruction which raises. */
static void check_belongs_to_the_first_that_needs_it(void)
{
    reset();
    cpu->cr4 = 0;
    g_assert_cmpint(RUN(1, ADDPS), ==, VECTOR_UD);
    g_assert_cmpuint(ip, ==, 0);
    g_assert_cmpint(RUN(4, FLD1, FLD1, ADDPS, ADDPS), ==, VECTOR_UD); /* the check moves */
    g_assert_cmpuint(ip, ==, 4);
    g_assert_cmpint(RUN(2, FLD1, ADDPS), ==, VECTOR_UD);
    g_assert_cmpuint(ip, ==, 2);
    cpu->cr4 = OS;
    g_assert_cmpint(RUN(6, EMMS, FNINIT, ADDPS, FLD1, ADDPS, FLD1), ==, NO_VECTOR);
    g_assert_cmpuint(builder.nr_ops, ==, 1 + 6 + 3 + 1); /* head, instructions, checks, exit */
}

/* ---- What is raised, and when
 * --------------------------------------------------------------------- */

static void xm_comes_before_the_result(void)
{
    const uint8_t ones[16] = { 0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x3f,
                               0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x3f };

    reset();
    memcpy(cpu->xmm[0], ones, sizeof(ones));
    put32(0x1f80 & ~((uint32_t)MXCSR_ZE << 7));
    g_assert_cmpint(RUN(2, LDMXCSR, DIVPS), ==, VECTOR_XM); /* by xmm1, which is 0 */
    g_assert_cmpuint(ip, ==, 3);
    g_assert_cmpmem(cpu->xmm[0], 16, ones, 16);
    g_assert_cmphex(cpu->fpu.mxcsr & MXCSR_FLAGS, ==, MXCSR_ZE);
    cpu->cr4 = CR4_OSFXSR;
    g_assert_cmpint(RUN(1, DIVPS), ==, VECTOR_UD);
    put32(0x1f80);
    g_assert_cmpint(RUN(2, LDMXCSR, DIVPS), ==, NO_VECTOR);
    g_assert_cmphex(cpu->xmm[0][3], ==, 0x7f); /* infinite */
    g_assert_cmphex(cpu->fpu.mxcsr, ==, 0x1f80 | MXCSR_ZE);
}

static void mf_waits_for_the_next_that_waits(void)
{
    reset();
    put16(0x37f & ~0x4); /* division by zero is not masked */
    g_assert_cmpint(RUN(4, FLDCW, FLD1, FLDZ, FDIVP), ==, NO_VECTOR);
    g_assert_cmphex(cpu->fpu.status & 0x8084, ==, 0x8084);
    g_assert_cmphex(cpu->fpu.status >> 11 & 7, ==, 6); /* nothing popped */
    g_assert_cmpint(RUN(2, FNSTSW_AX, FLD1), ==, VECTOR_MF);
    g_assert_cmpuint(ip, ==, 2);
    g_assert_cmphex(cpu->gpr[RAX] & 0x8084, ==, 0x8084);
    g_assert_cmpint(RUN(1, FWAIT), ==, VECTOR_MF);
    g_assert_cmpint(RUN(1, PADDB), ==, VECTOR_MF);
    g_assert_cmpint(RUN(1, FSTP_M64), ==, VECTOR_MF);
    g_assert_cmpint(RUN(2, FXSAVE64, ADDPS), ==, NO_VECTOR);
    g_assert_cmpint(RUN(3, FNCLEX, FSTP0, FSTP0), ==, NO_VECTOR);
    g_assert_cmphex(cpu->fpu.status, ==, 0);
}

/* Invalid, not masked: the store does not happen, nor the pop. */
static void unmasked_stack_fault_stores_nothing(void)
{
    reset();
    put16(0x37e);
    g_assert_cmpint(RUN(1, FLDCW), ==, NO_VECTOR);
    memset(memory, 0xa5, 8);
    g_assert_cmpint(RUN(1, FSTP_M64), ==, NO_VECTOR);
    g_assert_cmphex(get32(0), ==, 0xa5a5a5a5);
    g_assert_cmphex(cpu->fpu.status, ==, 0x80c1); /* B ES SF IE, C1 0: underflow */
    reset();
    g_assert_cmpint(RUN(1, FSTP_M64), ==, NO_VECTOR); /* masked: a NaN, and popped */
    g_assert_cmphex(get32(4), ==, 0xfff80000);
    g_assert_cmphex(cpu->fpu.status, ==, 1 << 11 | 0x41);
}

static void ninth_push_is_a_stack_fault(void)
{
    reset();
    g_assert_cmpint(RUN(8, FLD1, FLD1, FLD1, FLD1, FLD1, FLD1, FLD1, FLD1), ==, NO_VECTOR);
    g_assert_cmphex(cpu->fpu.status, ==, 0);
    g_assert_cmphex(cpu->fpu.full_tag, ==, 0xff);
    g_assert_cmpint(RUN(1, FLD1), ==, NO_VECTOR);
    g_assert_cmphex(cpu->fpu.status, ==, 7 << 11 | 0x241); /* C1: overflow */
    g_assert_cmphex(cpu->fpu.reg[7][7], ==, 0xc0);
    g_assert_cmphex(cpu->fpu.reg[7][9], ==, 0xff);
}

static void reserved_bits_of_mxcsr_are_refused(void)
{
    reset();
    put32(0x1f80 | 1 << 16);
    g_assert_cmpint(RUN(1, LDMXCSR), ==, VECTOR_GP);
    put32(0x1f80 | 1 << 17); /* AMD's misaligned mode, which we do not have */
    g_assert_cmpint(RUN(1, LDMXCSR), ==, VECTOR_GP);
    memset(memory, 0, sizeof(memory));
    memset(memory + 24, 0xff, 4);
    memset(cpu->xmm, 0x11, sizeof(cpu->xmm));
    g_assert_cmpint(RUN(1, FXRSTOR64), ==, VECTOR_GP);
    g_assert_cmphex(cpu->xmm[0][0], ==, 0x11);
    g_assert_cmphex(cpu->fpu.mxcsr, ==, 0x1f80);
}

/* ---- State --------------------------------------------------------------------------------------
 */

static void mmx_is_x87_from_above(void)
{
    reset();
    g_assert_cmpint(RUN(2, FLD1, FLD1), ==, NO_VECTOR);
    memset(cpu->fpu.reg[1], 1, 8);
    memset(cpu->fpu.reg[0], 2, 8);
    g_assert_cmpint(RUN(1, PADDB), ==, NO_VECTOR);
    g_assert_cmphex(cpu->fpu.reg[0][0], ==, 3);
    g_assert_cmphex(cpu->fpu.reg[0][8] & cpu->fpu.reg[0][9], ==, 0xff);
    g_assert_cmphex(cpu->fpu.reg[6][9], ==, 0x3f); /* not written */
    g_assert_cmphex(cpu->fpu.status, ==, 0);
    g_assert_cmphex(cpu->fpu.full_tag, ==, 0xff);
    g_assert_cmpint(RUN(1, EMMS), ==, NO_VECTOR);
    g_assert_cmphex(cpu->fpu.full_tag, ==, 0);
}

static void fxsave_has_the_layout_of_the_manual(void)
{
    reset();
    cpu->block_rip = UINT64_C(0x123456789abc);
    memset(cpu->xmm[0], 0x10, 16);
    memset(cpu->xmm[15], 0x1f, 16);
    memset(memory, 0xa5, sizeof(memory));
    g_assert_cmpint(RUN(3, FLD1, FLDZ, FXSAVE64), ==, NO_VECTOR);
    g_assert_cmphex(get32(0), ==, 6u << 27 | 0x37f); /* FCW, FSW with its TOP */
    g_assert_cmphex(memory[4], ==, 0xc0);            /* registers 6 and 7 */
    g_assert_cmphex(get32(6) & 0xffff, ==, 0x1ee);   /* FOP: FLDZ */
    g_assert_cmphex(get32(8), ==, 0x56789abe);       /* FIP */
    g_assert_cmphex(get32(12), ==, 0x1234);
    g_assert_cmphex(get32(24), ==, 0x1f80);
    g_assert_cmphex(get32(28), ==, 0xffff);
    g_assert_cmphex(get32(36), ==, 0);              /* ST0: 0 */
    g_assert_cmphex(get32(48 + 6), ==, 0x3fff8000); /* ST1: 1 */
    g_assert_cmphex(get32(160), ==, 0x10101010);
    g_assert_cmphex(get32(160 + 15 * 16), ==, 0x1f1f1f1f);
    g_assert_cmphex(get32(416), ==, 0xa5a5a5a5);
    g_assert_cmpint(RUN(1, FXSAVE64_8), ==, VECTOR_GP);
}

static void image_is_taken_and_given(void)
{
    uint8_t image[512], again[512];

    reset();
    for (unsigned i = 0; i < sizeof(image); i++)
        image[i] = (uint8_t)(i * 7);
    memcpy(image, &(uint32_t){ 3u << 27 | 0x37f }, 4);
    image[5] = 0;
    memcpy(image + 6, &(uint16_t){ 0x123 }, 2);
    memcpy(image + 24, &(uint64_t){ UINT64_C(0xffff00001f01) }, 8);
    for (unsigned i = 0; i < 8; i++)
        memset(image + 32 + (size_t)16 * i + 10, 0, 6);
    memcpy(again, image, sizeof(again));
    soft_fp_set(cpu, image);
    g_assert_true(cpu->fpu.is_sse_unmasked); /* of invalid */
    memset(again, 0, 416);
    soft_fp_get(cpu, again);
    g_assert_cmpmem(again, sizeof(again), image, sizeof(image));
}

/* The rounding of the guest, and its x87, are not the thread's. */
static void thread_keeps_its_own_modes(void)
{
    const uint32_t mxcsr = 0x1f80 | 3 << 13;
    const uint16_t control = 0xf7f;
    uint32_t was, is;
    uint16_t control_was, control_is, tag[14];

    reset();
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(was), "=m"(control_was));
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(control));
    put16(0x7f);
    g_assert_cmpint(RUN(3, FLDCW, FLD1, ADDPS), ==, NO_VECTOR);
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(is), "=m"(control_is));
    __asm__ volatile("fnstenv %0\n\tfldcw %1" : "=m"(tag) : "m"(control_was));
    __asm__ volatile("ldmxcsr %0" ::"m"(was));
    g_assert_cmphex(is, ==, mxcsr);
    g_assert_cmphex(control_is, ==, control);
    g_assert_cmphex(tag[4], ==, 0xffff); /* empty */
    g_assert_cmphex(cpu->fpu.control, ==, 0x7f);
    g_assert_cmphex(cpu->fpu.full_tag, ==, 0x80);
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    cpu = g_aligned_alloc(1, sizeof(*cpu), CACHE_LINE);
#define TEST(name) g_test_add_func("/soft_fp/" #name, name)
    TEST(sse_is_refused_as_cr0_and_cr4_say);
    TEST(mmx_is_refused_as_cr0_says);
    TEST(x87_is_refused_as_cr0_says);
    TEST(fwait_waits_for_the_owner_only_with_mp);
    TEST(check_belongs_to_the_first_that_needs_it);
    TEST(xm_comes_before_the_result);
    TEST(mf_waits_for_the_next_that_waits);
    TEST(unmasked_stack_fault_stores_nothing);
    TEST(ninth_push_is_a_stack_fault);
    TEST(reserved_bits_of_mxcsr_are_refused);
    TEST(mmx_is_x87_from_above);
    TEST(fxsave_has_the_layout_of_the_manual);
    TEST(image_is_taken_and_given);
    TEST(thread_keeps_its_own_modes);
    status = g_test_run();
    g_aligned_free(cpu);
    return status;
}

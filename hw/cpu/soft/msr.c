/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RDMSR, WRMSR, CPUID and the time stamp counter.
 *
 * Registers of AMD's old family that a kernel of today looks at are there, and do
 * nothing (research/cpu.md, 1.4). Performance counters are always 0, by which a kernel
 * knows that there are none. The time stamp counter is one clock for all processors:
 * writing it is ignored.
 */
#include "hw/cpu/soft/msr.h"

#include <inttypes.h>

#include "hw/cpu/cpuid.h"
#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"
#include "util/clock.h"
#include "util/log.h"

enum msr_number {
    MSR_TSC = 0x10,
    MSR_UCODE_REVISION = 0x8b,
    MSR_ARCH_CAPABILITIES = 0x10a,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_PAT = 0x277,
};

#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_FMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u
#define MSR_PERF_FIRST 0xc0010000u /* four that select, four that count */
#define MSR_PERF_LAST 0xc0010007u
#define MSR_SYSCFG 0xc0010010u
#define MSR_HWCR 0xc0010015u
#define MSR_NB_CFG 0xc001001fu
#define MSR_INT_PENDING 0xc0010055u
#define MSR_DE_CFG 0xc0011029u

/* ---- Registers that only remember -------------------------------------------------------------
 */

enum msr_rule { MSR_ANY, MSR_32_BITS, MSR_CANONICAL, MSR_OF_PAT };

struct msr_row {
    uint32_t number;
    uint32_t offset; /* in struct soft */
    enum msr_rule rule;
};

static const struct msr_row rows[] = {
    { MSR_SYSENTER_CS, offsetof(struct soft, sysenter_cs), MSR_ANY },
    { MSR_SYSENTER_ESP, offsetof(struct soft, sysenter_esp), MSR_CANONICAL },
    { MSR_SYSENTER_EIP, offsetof(struct soft, sysenter_eip), MSR_CANONICAL },
    { MSR_PAT, offsetof(struct soft, pat), MSR_OF_PAT },
    { MSR_STAR, offsetof(struct soft, star), MSR_ANY },
    { MSR_LSTAR, offsetof(struct soft, lstar), MSR_CANONICAL },
    { MSR_CSTAR, offsetof(struct soft, cstar), MSR_CANONICAL },
    { MSR_FMASK, offsetof(struct soft, fmask), MSR_32_BITS },
    { MSR_KERNEL_GS_BASE, offsetof(struct soft, kernel_gs_base), MSR_CANONICAL },
    { MSR_TSC_AUX, offsetof(struct soft, tsc_aux), MSR_32_BITS },
    { MSR_MCG_STATUS, offsetof(struct soft, misc_msr[MISC_MCG_STATUS]), MSR_ANY },
    { MSR_SYSCFG, offsetof(struct soft, misc_msr[MISC_SYSCFG]), MSR_ANY },
    { MSR_HWCR, offsetof(struct soft, misc_msr[MISC_HWCR]), MSR_ANY },
    { MSR_NB_CFG, offsetof(struct soft, misc_msr[MISC_NB_CFG]), MSR_ANY },
    { MSR_INT_PENDING, offsetof(struct soft, misc_msr[MISC_INT_PENDING]), MSR_ANY },
    { MSR_DE_CFG, offsetof(struct soft, misc_msr[MISC_DE_CFG]), MSR_ANY },
};

static const struct msr_row *find_row(uint32_t number)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].number == number)
            return &rows[i];
    }
    return NULL;
}

static uint64_t *row_field(struct soft *cpu, const struct msr_row *row)
{
    return (uint64_t *)(void *)((char *)cpu + row->offset);
}

bool pat_is_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++) {
        if (pat & 0xf8 || (pat & 7) == 2 || (pat & 7) == 3)
            return false;
        pat >>= 8;
    }
    return true;
}

static bool is_valid(enum msr_rule rule, uint64_t value)
{
    switch (rule) {
    case MSR_ANY:
        return true;
    case MSR_32_BITS:
        return !(value >> 32);
    case MSR_CANONICAL:
        return is_canonical(value);
    case MSR_OF_PAT:
        return pat_is_valid(value);
    }
    return false;
}

/* ---- Registers that do something ---------------------------------------------------------------
 */

uint64_t soft_read_tsc(const struct soft *cpu)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;

    if (board && board->read_tsc)
        return board->read_tsc(board->opaque);
    return (uint64_t)monotonic_ns() * (CPU_TSC_HZ / 100000000) / 10;
}

/* LMA follows paging alone, and LME stays while there is paging. */
static bool write_efer(struct soft *cpu, uint64_t value)
{
    const uint64_t changed = value ^ cpu->efer;

    if ((value & ~(uint64_t)EFER_KNOWN) || ((changed & EFER_LME) && (cpu->cr0 & CR0_PG)))
        return false;
    cpu->efer = (value & ~(uint64_t)EFER_LMA) | (cpu->efer & EFER_LMA);
    soft_update_mode(cpu);
    if (changed & EFER_NXE)
        soft_tlb_flush(cpu, true);
    return true;
}

static bool write_base(struct soft *cpu, enum segment segment, uint64_t value)
{
    if (!is_canonical(value))
        return false;
    cpu->seg[segment].base = value;
    cpu->seg_base[segment] = value;
    return true;
}

static bool ask_board(struct soft *cpu, uint32_t msr, uint64_t *ret_value) NO_THREAD_SAFETY
{
    const struct cpu_board *board = cpu->cpu.cpus->board;
    bool is_known;

    if (!board || !board->read_msr)
        return false;
    soft_section_leave(cpu);
    is_known = board->read_msr(board->opaque, cpu->cpu.index, msr, ret_value);
    soft_section_enter(cpu);
    return is_known;
}

static bool tell_board(struct soft *cpu, uint32_t msr, uint64_t value) NO_THREAD_SAFETY
{
    const struct cpu_board *board = cpu->cpu.cpus->board;
    bool is_known;

    if (!board || !board->write_msr)
        return false;
    soft_section_leave(cpu);
    is_known = board->write_msr(board->opaque, cpu->cpu.index, msr, value);
    soft_section_enter(cpu);
    return is_known;
}

bool soft_read_msr(struct soft *cpu, uint32_t msr, uint64_t *ret_value)
{
    const struct msr_row *row = find_row(msr);

    if (row) {
        *ret_value = *row_field(cpu, row);
        return true;
    }
    switch (msr) {
    case MSR_TSC:
        *ret_value = soft_read_tsc(cpu);
        return true;
    case MSR_ARCH_CAPABILITIES:
        *ret_value = cpuid_arch_capabilities();
        return true;
    case MSR_EFER:
        *ret_value = cpu->efer;
        return true;
    case MSR_FS_BASE:
        *ret_value = cpu->seg_base[SEG_FS];
        return true;
    case MSR_GS_BASE:
        *ret_value = cpu->seg_base[SEG_GS];
        return true;
    case MSR_UCODE_REVISION:
    case MSR_MCG_CAP:
    case MSR_PERF_FIRST ... MSR_PERF_LAST:
        *ret_value = 0;
        return true;
    default:
        return ask_board(cpu, msr, ret_value);
    }
}

bool soft_write_msr(struct soft *cpu, uint32_t msr, uint64_t value)
{
    const struct msr_row *row = find_row(msr);

    if (row) {
        if (!is_valid(row->rule, value))
            return false;
        *row_field(cpu, row) = value;
        return true;
    }
    switch (msr) {
    case MSR_TSC:
    case MSR_PERF_FIRST ... MSR_PERF_LAST:
        return true;
    case MSR_EFER:
        return write_efer(cpu, value);
    case MSR_FS_BASE:
        return write_base(cpu, SEG_FS, value);
    case MSR_GS_BASE:
        return write_base(cpu, SEG_GS, value);
    case MSR_UCODE_REVISION:
    case MSR_MCG_CAP:
    case MSR_ARCH_CAPABILITIES:
        return false;
    default:
        return tell_board(cpu, msr, value);
    }
}

/* ---- Instructions
 * --------------------------------------------------------------------------------- */

static void set_edx_eax(struct soft *cpu, uint64_t value)
{
    cpu->gpr[RAX] = (uint32_t)value;
    cpu->gpr[RDX] = value >> 32;
}

static HANDLER(rdmsr)
{
    const uint32_t msr = (uint32_t)cpu->gpr[RCX];
    uint64_t value;

    if (!soft_read_msr(cpu, msr, &value)) {
        log_guest_error("cpu %u: no MSR 0x%" PRIx32 " to read", cpu->cpu.index, msr);
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    }
    set_edx_eax(cpu, value);
    NEXT;
}

static HANDLER(wrmsr)
{
    const uint32_t msr = (uint32_t)cpu->gpr[RCX];
    const uint64_t value = (uint32_t)cpu->gpr[RAX] | cpu->gpr[RDX] << 32;

    if (!soft_write_msr(cpu, msr, value)) {
        log_guest_error("cpu %u: MSR 0x%" PRIx32 " does not take 0x%" PRIx64, cpu->cpu.index, msr,
                        value);
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    }
    END_SERIALIZED;
}

/* RDTSC, RDTSCP: aux is whether RCX says which processor's it is. */
static HANDLER(rdtsc)
{
    if (cpu->cpl && (cpu->cr4 & CR4_TSD))
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    set_edx_eax(cpu, soft_read_tsc(cpu));
    if (op->aux)
        cpu->gpr[RCX] = (uint32_t)cpu->tsc_aux;
    NEXT;
}

static HANDLER(rdpmc)
{
    soft_raise_error(cpu, op, VECTOR_GP, 0);
}

static HANDLER(cpuid)
{
    const struct cpuid_place place = { .index = cpu->cpu.index, .nr_cpus = cpu->cpu.cpus->nr_cpus };
    struct cpuid_regs regs;

    cpuid_lookup((uint32_t)cpu->gpr[RAX], (uint32_t)cpu->gpr[RCX], &place, &regs);
    cpu->gpr[RAX] = regs.eax;
    cpu->gpr[RBX] = regs.ebx;
    cpu->gpr[RCX] = regs.ecx;
    cpu->gpr[RDX] = regs.edx;
    END_SERIALIZED;
}

static bool lower_registers(struct builder *builder, const struct insn *insn)
{
    switch (insn->row->kind) {
    case INSN_RDMSR:
        build_op(builder, rdmsr);
        return true;
    case INSN_WRMSR:
        build_op(builder, wrmsr);
        return true;
    case INSN_RDTSC:
    case INSN_RDTSCP:
        build_op(builder, rdtsc)->aux = insn->row->kind == INSN_RDTSCP;
        return true;
    case INSN_RDPMC:
        build_op(builder, rdpmc);
        return true;
    default:
        build_op(builder, cpuid);
        return true;
    }
}

lower_fn *lower_msr(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_RDMSR:
    case INSN_WRMSR:
    case INSN_RDTSC:
    case INSN_RDTSCP:
    case INSN_RDPMC:
    case INSN_CPUID:
        return lower_registers;
    default:
        return NULL;
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cpu/soft/state.h"

#include <errno.h>
#include <string.h>

#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/control.h"
#include "hw/cpu/soft/fpu.h"
#include "hw/cpu/soft/msr.h"
#include "hw/cpu/soft/segment.h"

/* Members that both structs have under one name and in one type. */
/* clang-format off */
#define SHARED_MEMBERS(X)                                                                          \
    X(gdt) X(idt) X(cr0) X(cr2) X(cr3) X(cr4) X(cr8) X(efer) X(star) X(lstar) X(cstar) X(fmask)    \
    X(kernel_gs_base) X(sysenter_cs) X(sysenter_esp) X(sysenter_eip) X(pat) X(tsc_aux)             \
    X(is_halted) X(is_shadowed) X(is_nmi_blocked) X(is_nmi_pending)
/* clang-format on */

void soft_get_state(struct cpu *common, struct cpu_state *ret_state)
{
    const struct soft *cpu = soft_of(common);
    struct cpu_state *state = ret_state;

    memset(state, 0, sizeof(*state));
    memcpy(state->gpr, cpu->gpr, sizeof(state->gpr));
    memcpy(state->seg, cpu->seg, sizeof(state->seg));
    memcpy(state->dr, cpu->dr, sizeof(state->dr));
    memcpy(state->misc_msr, cpu->misc_msr, sizeof(state->misc_msr));
    state->rip = cpu->rip;
    state->rflags = soft_get_rflags(cpu);
#define GET_(member) state->member = cpu->member;
    SHARED_MEMBERS(GET_)
#undef GET_
    soft_fp_get(cpu, state->fxsave);
}

/* ---- Whether a state is one
 * ----------------------------------------------------------------------- */

static bool has_canonical_addresses(const struct cpu_state *state)
{
    const uint64_t addresses[] = {
        state->seg[SEG_FS].base,
        state->seg[SEG_GS].base,
        state->seg[SEG_LDT].base,
        state->seg[SEG_TR].base,
        state->gdt.base,
        state->idt.base,
        state->lstar,
        state->cstar,
        state->kernel_gs_base,
        state->sysenter_esp,
        state->sysenter_eip,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        if (!is_canonical(addresses[i]))
            return false;
    }
    return true;
}

static bool has_valid_control(const struct cpu_state *state)
{
    const bool is_paging = state->cr0 & CR0_PG, has_lme = state->efer & EFER_LME;
    const bool has_lma = state->efer & EFER_LMA;

    if ((state->cr0 & ~CR0_KNOWN) || (state->cr4 & ~(uint64_t)CR4_KNOWN) ||
        (state->efer & ~(uint64_t)EFER_KNOWN))
        return false;
    if (is_paging && !((state->cr0 & CR0_PE) && has_lme && (state->cr4 & CR4_PAE)))
        return false; /* there is no paging but long mode's */
    return has_lma == is_paging && state->cr3 >> CPU_PHYS_BITS == 0 && state->cr8 < 16;
}

static bool has_valid_flags(const struct cpu_state *state)
{
    const uint64_t known = FLAGS_ARITH | FLAG_FIXED | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL |
                           FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID;

    return (state->rflags & FLAG_FIXED) && !(state->rflags & ~known);
}

/* RIP may be anything: whether code can be fetched there is found then. */
static bool is_valid(const struct cpu_state *state)
{
    return has_canonical_addresses(state) && has_valid_control(state) && has_valid_flags(state) &&
           pat_is_valid(state->pat) && state->tsc_aux <= UINT32_MAX && state->fmask <= UINT32_MAX;
}

int soft_set_state(struct cpu *common, const struct cpu_state *state)
{
    struct soft *cpu = soft_of(common);

    if (!is_valid(state))
        return -EINVAL;
    memcpy(cpu->gpr, state->gpr, sizeof(cpu->gpr));
    memcpy(cpu->dr, state->dr, sizeof(cpu->dr));
    memcpy(cpu->misc_msr, state->misc_msr, sizeof(cpu->misc_msr));
    for (unsigned i = 0; i < NR_SEGMENTS; i++)
        segment_set(cpu, (enum segment)i, &state->seg[i]);
    cpu->rip = state->rip;
    cpu->cpl = state->seg[SEG_CS].selector & SELECTOR_RPL;
#define SET_(member) cpu->member = state->member;
    SHARED_MEMBERS(SET_)
#undef SET_
    soft_fp_set(cpu, state->fxsave);
    soft_set_rflags(cpu, state->rflags & ~(uint64_t)FLAG_RF); /* rflags.c */
    soft_update_mode(cpu);
    soft_tlb_flush(cpu, true);
    return 0;
}

bool soft_can_run(const struct soft *cpu)
{
    const unsigned size = cpu->seg[SEG_CS].attributes & (SEG_L | SEG_DB);

    if (!(cpu->cr0 & CR0_PE))
        return false;
    return size == SEG_DB || (is_long(cpu) && size == SEG_L);
}

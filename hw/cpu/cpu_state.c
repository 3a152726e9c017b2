/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A processor's state as a whole: reset, INIT, get, set. */
#include <string.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/cpu.h"
#include "hw/cpu/cpu_internal.h"

/* Offsets in FXSAVE's image (Intel SDM vol. 1, table 10-2). */
enum { FXSAVE_FCW = 0, FXSAVE_FTW = 4, FXSAVE_MXCSR = 24, FXSAVE_MXCSR_MASK = 28 };

void cpu_get_state(struct cpu *cpu, struct cpu_state *ret_state)
{
    cpu->cpus->backend->get_state(cpu, ret_state);
}

int cpu_set_state(struct cpu *cpu, const struct cpu_state *state)
{
    const int result = cpu->cpus->backend->set_state(cpu, state);

    if (result == 0)
        cpu->rest = CPU_RUNS; /* a back end that is to halt says so in its first run */
    return result;
}

static void put(uint8_t *image, uint32_t value, unsigned size)
{
    memcpy(image, &value, size); /* little-endian hosts only */
}

/* Intel SDM vol. 3, table 9-1; AMD64 APM vol. 2, table 14-1. */
void cpu_state_reset(struct cpu_state *ret_state)
{
    struct cpu_state *state = ret_state;

    memset(state, 0, sizeof(*state));
    state->rip = 0xfff0;
    state->rflags = FLAG_FIXED;
    for (unsigned i = 0; i < SEG_LDT; i++) {
        state->seg[i].limit = 0xffff;
        state->seg[i].attributes = SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED;
    }
    state->seg[SEG_CS].selector = 0xf000;
    state->seg[SEG_CS].base = 0xffff0000;
    state->seg[SEG_CS].attributes |= SEG_TYPE_CODE;
    state->seg[SEG_LDT].limit = 0xffff;
    state->seg[SEG_LDT].attributes = SEG_P | 2; /* LDT */
    state->seg[SEG_TR].limit = 0xffff;
    state->seg[SEG_TR].attributes = SEG_P | 11; /* busy TSS */
    state->gdt.limit = 0xffff;
    state->idt.limit = 0xffff;
    state->cr0 = CR0_ET | CR0_NW | CR0_CD;
    state->dr[6] = 0xffff0ff0;
    state->dr[7] = 0x400;
    state->pat = UINT64_C(0x0007040600070406);
    put(state->fxsave + FXSAVE_FCW, 0x40, 2);
    put(state->fxsave + FXSAVE_FTW, 0xff, 1); /* all valid, and zero */
    put(state->fxsave + FXSAVE_MXCSR, 0x1f80, 4);
    put(state->fxsave + FXSAVE_MXCSR_MASK, 0xffff, 4);
}

/* INIT keeps what has nothing to do with where the processor executes (the same tables). */
void cpu_init(struct cpu *cpu)
{
    struct cpu_state before, state;

    (void)cpu_take(cpu, CPU_EVENT_NMI); /* one that was pending is forgotten */
    cpu_get_state(cpu, &before);
    cpu_state_reset(&state);
    state.cr0 = CR0_ET | (before.cr0 & (CR0_NW | CR0_CD));
    state.star = before.star;
    state.lstar = before.lstar;
    state.cstar = before.cstar;
    state.fmask = before.fmask;
    state.kernel_gs_base = before.kernel_gs_base;
    state.sysenter_cs = before.sysenter_cs;
    state.sysenter_esp = before.sysenter_esp;
    state.sysenter_eip = before.sysenter_eip;
    state.pat = before.pat;
    state.tsc_aux = before.tsc_aux;
    memcpy(state.fxsave, before.fxsave, sizeof(state.fxsave));
    if (cpu_set_state(cpu, &state) != 0)
        g_assert_not_reached(); /* it took the state after reset when it was made */
    cpu->rest = CPU_PARKED;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A processor's state as a whole: reset, INIT, get, set. */
#include <string.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/cpu.h"
#include "hw/cpu/cpu_internal.h"
#include "util/log.h"

/* Offsets in FXSAVE's image (Intel SDM vol. 1, table 10-2). */
enum { FXSAVE_FCW = 0, FXSAVE_FTW = 4, FXSAVE_MXCSR = 24, FXSAVE_MXCSR_MASK = 28 };

void cpu_get_state(struct cpu *cpu, struct cpu_state *ret_state)
{
    cpu->cpus->backend->get_state(cpu, ret_state);
    ret_state->is_waiting |= cpu->rest == CPU_PARKED;
}

int cpu_set_state(struct cpu *cpu, const struct cpu_state *state)
{
    const int result = cpu->cpus->backend->set_state(cpu, state);

    if (result != 0)
        return result;
    if (cpu->rest == CPU_PARKED) /* while one waits to be started, NMIs are lost on it */
        (void)cpu_take(cpu, CPU_EVENT_NMI);
    /* A back end that is to halt says so in its first run. */
    cpu->rest = state->is_waiting && !cpu->cpus->has_own_startup ? CPU_PARKED : CPU_RUNS;
    return 0;
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

static void set_reset_state(struct cpu *cpu, const struct cpu_state *state)
{
    if (cpu_set_state(cpu, state) != 0)
        g_assert_not_reached(); /* it took the state after reset when it was made */
}

/* INIT keeps what has nothing to do with where the processor executes (the same tables). */
void cpu_init(struct cpu *cpu)
{
    struct cpu_state before, state;

    (void)cpu_take(cpu, CPU_EVENT_NMI); /* one that was pending is forgotten */
    cpu_get_state(cpu, &before);
    cpu_state_reset(&state);
    state.is_waiting = true;
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
    memcpy(state.misc_msr, before.misc_msr, sizeof(state.misc_msr));
    memcpy(state.fxsave, before.fxsave, sizeof(state.fxsave));
    set_reset_state(cpu, &state);
}

/* Intel SDM vol. 3, 9.4.4: the message's vector is the page at which real mode begins. */
void cpu_startup(struct cpu *cpu)
{
    const uint16_t vector = load_relaxed(&cpu->startup_vector) & 0xff;
    struct cpu_state state;

    cpu_get_state(cpu, &state);
    state.rip = 0;
    state.seg[SEG_CS].selector = (uint16_t)(vector << 8);
    state.seg[SEG_CS].base = (uint64_t)vector << 12;
    state.is_waiting = false;
    if (cpu_set_state(cpu, &state) != 0)
        log_error("processor %u: cannot be started", cpu->index);
}

void cpu_start_up(struct cpu *cpu, unsigned vector)
{
    if (!cpu->cpus->backend->has_real_mode) {
        log_guest_error("processor %u: a startup message, and %s has no real mode", cpu->index,
                        cpu->cpus->backend->name);
        return;
    }
    store_relaxed(&cpu->startup_vector, vector);
    cpu_post(cpu, CPU_EVENT_STARTUP);
}

void cpus_reset(struct cpus *cpus)
{
    struct cpu_state state;

    cpu_state_reset(&state);
    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        struct cpu *cpu = cpus->cpu[i];

        (void)cpu_take(cpu, CPU_EVENTS_OF_BACKEND | CPU_EVENT_INIT | CPU_EVENT_STARTUP);
        if (cpus->backend->reset)
            cpus->backend->reset(cpu);
        set_reset_state(cpu, &state);
        cpu->rest = CPU_PARKED;
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The software back end: from the interface in include/hw/cpu/cpu.h to runs of blocks. */
#include <string.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/soft/cpus.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/fpu.h"
#include "hw/cpu/soft/state.h"
#include "hw/cpu/soft/tlb.h"
#include "hw/mem/view.h"
#include "util/atomic.h"
#include "util/log.h"
#include "util/mutant.h"

/* ---- The section --------------------------------------------------------------------------- */

static void section_begin(struct soft *cpu) ACQUIRE_SHARED(rcu) NO_THREAD_SAFETY
{
    store_relaxed(&cpu->is_running, !MUTANT(cpu_running_unpublished));
    /* Pairs with the barrier in code_drops_ask(): it sees that we run, or we see what it asks. */
    smp_mb();
    rcu_read_lock();
    soft_tlb_pin(cpu);
    code_drops_take(cpu);
    soft_fp_enter(cpu);
}

void soft_section_enter(struct soft *cpu) NO_THREAD_SAFETY
{
    uint64_t generation = cpu->view_generation;

    section_begin(cpu);
    if (generation != cpu->view_generation)
        soft_leave(cpu); /* the running block may be of what is gone */
}

void soft_section_leave(struct soft *cpu) NO_THREAD_SAFETY
{
    soft_fp_leave(cpu);
    cpu->view = NULL;
    rcu_read_unlock();
    store_release(&cpu->is_running, 0); /* pairs with the acquire in code_drops_all_done() */
}

/* ---- What comes between runs ---------------------------------------------------------------- */

/*
 * Lower the kick, then look at what has been posted. The barrier pairs with the one
 * between the two halves of cpu_post(): either we see the events, or their limit of
 * 0 comes after ours, and the next block sees that.
 */
static bool must_leave(struct soft *cpu)
{
    bool must_leave_late = MUTANT(cpu_kick_lowered_late) && cpu_must_leave(&cpu->cpu);

    store_relaxed(&cpu->kick.limit, UINT64_MAX);
    smp_mb();
    return MUTANT(cpu_kick_lowered_late) ? must_leave_late : cpu_must_leave(&cpu->cpu);
}

/* An NMI or interrupt that is to be delivered now, into @ret_fault. */
static bool take_interrupt(struct soft *cpu, struct soft_fault *ret_fault)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;
    int vector;

    if (cpu_take(&cpu->cpu, CPU_EVENT_NMI)) /* also while blocked: else it would end each rest */
        cpu->is_nmi_pending = true;
    if (cpu->is_shadowed)
        return false;
    if (cpu->is_nmi_pending && !cpu->is_nmi_blocked) {
        *ret_fault = (struct soft_fault){ .vector = VECTOR_NMI, .is_interrupt = true };
        cpu->is_nmi_pending = false;
        cpu->is_nmi_blocked = true;
        return true;
    }
    (void)cpu_take(&cpu->cpu, CPU_EVENT_INTERRUPT); /* the board says more */
    if (!(cpu->rflags & FLAG_IF) || !board->acknowledge)
        return false;
    if (!board->has_interrupt(board->opaque, cpu->cpu.index))
        return false;
    vector = board->acknowledge(board->opaque, cpu->cpu.index);
    if (vector < 0)
        return false;
    *ret_fault = (struct soft_fault){ .vector = (uint8_t)vector, .is_interrupt = true };
    return true;
}

/* Run until something stops it; exceptions go to the guest on the way. */
static enum soft_stop run_section(struct soft *cpu, const struct soft_fault *pending)
{
    section_begin(cpu);
    soft_sync_code(cpu);
    cpu->stop = STOP_NONE;
    if (pending)
        soft_deliver(cpu, pending);
    while (!cpu->stop && soft_exec(cpu)) {
        struct soft_fault fault = cpu->fault;

        soft_deliver(cpu, &fault);
    }
    soft_section_leave(cpu);
    return (enum soft_stop)cpu->stop;
}

/*
 * One instruction while all others stand still. Kicks wait until it has ended, which is when
 * their events are looked at: two processors that take turns at this kick each other all the time.
 */
static void run_exclusive(struct soft *cpu)
{
    if (!cpu_stop_others(&cpu->cpu))
        return;
    store_relaxed(&cpu->kick.limit, UINT64_MAX);
    cpu->is_exclusive = true;
    (void)run_section(cpu, NULL); /* whatever stopped it is found again */
    cpu->is_exclusive = false;
    cpu_release_others(&cpu->cpu);
}

static enum cpu_exit soft_run(struct cpu *common)
{
    struct soft *cpu = soft_of(common);

    if (!soft_can_run(cpu)) { /* whoever set its state: no guest gets there from a state that can */
        log_error("cpu %u: soft knows neither real mode nor 16-bit code", common->index);
        return CPU_EXIT_FAILED;
    }
    for (;;) {
        struct soft_fault fault;
        bool has_fault;

        if (must_leave(cpu))
            return CPU_EXIT_KICKED;
        has_fault = take_interrupt(cpu, &fault);
        if (has_fault)
            cpu->is_halted = false;
        if (cpu->is_halted)
            return CPU_EXIT_HALTED;
        switch (run_section(cpu, has_fault ? &fault : NULL)) {
        case STOP_NONE:
        case STOP_LIMIT:
        case STOP_HALT:
            break;
        case STOP_EXCLUSIVE:
            run_exclusive(cpu);
            break;
        case STOP_SHUTDOWN:
            return CPU_EXIT_TRIPLE_FAULT;
        case STOP_FIRMWARE:
            return CPU_EXIT_FIRMWARE;
        }
    }
}

static void soft_kick(struct cpu *common)
{
    store_relaxed(&soft_of(common)->kick.limit, 0);
}

/* ---- Life ---------------------------------------------------------------------- */

static struct cpus *soft_open(GError **error UNUSED)
{
    struct soft_cpus *cpus = g_new0(struct soft_cpus, 1);

    code_drops_init(&cpus->drops);
    memset(cpus->nobody, 0xff, sizeof(cpus->nobody));
    return &cpus->cpus;
}

/* Code has been written: the blocks made of it go when their owners come out. */
static void code_touched(void *opaque)
{
    cpus_post(opaque, CPU_EVENT_CODE, NULL);
}

static bool soft_attach(struct cpus *cpus, GError **error UNUSED)
{
    code_gate_set_touched(mem_code_gate(space_mem(cpus->memory)), code_touched, cpus);
    return true;
}

static void soft_close(struct cpus *cpus)
{
    struct soft_cpus *soft = container_of(cpus, struct soft_cpus, cpus);

    if (cpus->memory)
        code_gate_set_touched(mem_code_gate(space_mem(cpus->memory)), NULL, NULL);
    code_drops_fini(&soft->drops);
    g_free(soft);
}

static struct cpu *soft_create(struct cpus *cpus UNUSED, unsigned index UNUSED,
                               GError **error UNUSED)
{
    struct soft *cpu = g_aligned_alloc0(1, sizeof(*cpu), CACHE_LINE);
    struct cpu_state state;

    cpu->blocks = blocks_new();
    soft_tlb_reset(cpu);
    cpu_state_reset(&state);
    (void)soft_set_state(&cpu->cpu, &state); /* that one is valid */
    return &cpu->cpu;
}

static void soft_destroy(struct cpu *common)
{
    struct soft *cpu = soft_of(common);

    blocks_free(cpu->blocks);
    g_aligned_free(cpu);
}

const struct cpu_backend cpu_soft = {
    .name = "soft",
    .open = soft_open,
    .close = soft_close,
    .attach = soft_attach,
    .create = soft_create,
    .destroy = soft_destroy,
    .run = soft_run,
    .kick = soft_kick,
    .get_state = soft_get_state,
    .set_state = soft_set_state,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cpu/soft/block.h"
#include "hw/cpu/soft/cpus.h"
#include "hw/cpu/soft/tlb.h"
#include "util/mutant.h"

void code_drops_init(struct code_drops *drops)
{
    *drops = (struct code_drops){ 0 };
    mutex_init(&drops->lock, "code drops", RANK_LEAF);
}

void code_drops_fini(struct code_drops *drops)
{
    mutex_fini(&drops->lock);
}

/* What nobody may do (C2 in docs/cpu.md): the owner may be between its look and its use. */
static void drop_for_others(struct soft *cpu, const uint8_t *host, uint64_t sequence)
{
    const struct cpus *cpus = cpu->cpu.cpus;

    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        struct soft *other = soft_of(cpus->cpu[i]);

        if (other == cpu)
            continue;
        soft_tlb_drop_writes(other, &host, 1);
        store_release(&other->drops_done, sequence);
    }
}

uint64_t code_drops_ask(struct soft *cpu, const uint8_t *host)
{
    struct code_drops *drops = &soft_cpus_of(cpu)->drops;
    uint64_t sequence;

    mutex_lock(&drops->lock);
    sequence = drops->sequence + 1;
    drops->page[sequence % CODE_DROPS_LOG] = host;
    store_release(&drops->sequence, sequence); /* pairs with the acquire in code_drops_take() */
    mutex_unlock(&drops->lock);
    /* Before is_running is looked at; pairs with the barrier in soft_section_enter(). */
    smp_mb();
    cpus_post(cpu->cpu.cpus, CPU_EVENT_CODE, &cpu->cpu);
    if (MUTANT(cpu_foreign_tlb_flush))
        drop_for_others(cpu, host, sequence);
    code_drops_take(cpu);
    return sequence;
}

bool code_drops_all_done(struct soft *cpu, uint64_t sequence)
{
    const struct cpus *cpus = cpu->cpu.cpus;

    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        const struct soft *other = soft_of(cpus->cpu[i]);

        /* acquire: pairs with the release in code_drops_take(), and in soft_section_leave():
         * stores through the mapping come before what is read of the page now. */
        if (other != cpu && load_acquire(&other->is_running) &&
            load_acquire(&other->drops_done) < sequence)
            return false;
    }
    return true;
}

void code_drops_take(struct soft *cpu)
{
    struct code_drops *drops = &soft_cpus_of(cpu)->drops;
    const uint8_t *pages[CODE_DROPS_LOG];
    uint64_t done = load_relaxed(&cpu->drops_done), sequence;
    unsigned nr = 0;

    if (load_acquire(&drops->sequence) == done) /* pairs with the release in code_drops_ask() */
        return;
    mutex_lock(&drops->lock);
    sequence = drops->sequence;
    for (uint64_t i = done + 1; i <= sequence && sequence - done <= CODE_DROPS_LOG; i++)
        pages[nr++] = drops->page[i % CODE_DROPS_LOG];
    mutex_unlock(&drops->lock);
    if (nr)
        soft_tlb_drop_writes(cpu, pages, nr);
    else
        soft_tlb_flush(cpu, true);             /* too far behind */
    store_release(&cpu->drops_done, sequence); /* pairs with code_drops_all_done() */
}

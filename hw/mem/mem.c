/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "hw/mem/mem_internal.h"
#include "util/atomic.h"
#include "util/log.h"
#include "util/metric.h"

struct mem *mem_new(void) NO_THREAD_SAFETY /* nobody else has it yet */
{
    struct mem *mem = g_new0(struct mem, 1);

    list_init(&mem->spaces);
    list_init(&mem->dma_holders);
    mutex_init(&mem->dma_lock, "dma holders", RANK_LEAF);
    code_gate_init(&mem->gate);
    mem->undo = region_undo_new();
    return mem;
}

void mem_free(struct mem *mem) NO_THREAD_SAFETY /* nobody else has it any more */
{
    if (!mem)
        return;
    assert(mem->depth == 0 && list_is_empty(&mem->spaces));
    assert(list_is_empty(&mem->dma_holders));
    /* A full barrier before each count fell: their owners are done with @mem. */
    assert(load_acquire(&mem->stats.views_alive) == 0);
    assert(load_acquire(&mem->stats.regions_alive) == 0);
    g_array_unref(mem->undo);
    code_gate_fini(&mem->gate);
    mutex_fini(&mem->dma_lock);
    g_free(mem);
}

struct code_gate *mem_code_gate(struct mem *mem)
{
    return &mem->gate;
}

/* ---- Transactions ------------------------------------------------------------------- */

void mem_begin(struct mem *mem)
{
    assert(!mem->is_committing); /* a listener must not change the map */
    mem->depth++;
}

bool mem_commit(struct mem *mem, GError **error)
{
    bool is_done;

    assert(mem->depth > 0);
    if (mem->depth > 1) {
        mem->depth--;
        return true;
    }
    mem->is_committing = true;
    is_done = commit_all(mem, error);
    mem->is_committing = false;
    mem->depth = 0;
    if (is_done) {
        region_forget_undo(mem);
    } else {
        struct space *space;

        region_undo_all(mem);
        list_for_each (space, &mem->spaces, link)
            g_array_set_size(space->dirty, 0); /* what the undoing touched looks as it did */
        fetch_add_relaxed(&mem->stats.refused_commits, 1);
    }
    return is_done;
}

/* ---- Figures ------------------------------------------------------------------------ */

void mem_get_stats(struct mem *mem, struct mem_stats *ret_stats)
{
    const struct mem_stats *stats = &mem->stats;

    *ret_stats = (struct mem_stats){
        .commits = load_relaxed(&stats->commits),
        .refused_commits = load_relaxed(&stats->refused_commits),
        .unassigned_reads = load_relaxed(&stats->unassigned_reads),
        .unassigned_writes = load_relaxed(&stats->unassigned_writes),
        .dma_holders = load_relaxed(&stats->dma_holders),
        .dma_old = load_relaxed(&stats->dma_old),
        .code_touched = load_relaxed(&mem->gate.nr_touched),
        .views_alive = load_relaxed(&stats->views_alive),
        .regions_alive = load_relaxed(&stats->regions_alive),
    };
}

void mem_metrics_register(struct mem *mem, struct metrics *metrics)
{
    const struct {
        enum metric_type type;
        const char *name, *help;
        const uint64_t *value;
    } figures[] = {
        { METRIC_COUNTER, "gracevm_mem_commits_total", "Views published.", &mem->stats.commits },
        { METRIC_COUNTER, "gracevm_mem_refused_commits_total",
          "Changes of the map undone because a listener refused.", &mem->stats.refused_commits },
        { METRIC_COUNTER, "gracevm_mem_unassigned_reads_total", "Reads that nobody answered.",
          &mem->stats.unassigned_reads },
        { METRIC_COUNTER, "gracevm_mem_unassigned_writes_total", "Writes that nobody took.",
          &mem->stats.unassigned_writes },
        { METRIC_GAUGE, "gracevm_mem_dma_holders", "DMA mappings that are live.",
          &mem->stats.dma_holders },
        { METRIC_COUNTER, "gracevm_mem_dma_old_total", "DMA mappings held for over a second.",
          &mem->stats.dma_old },
        { METRIC_COUNTER, "gracevm_mem_code_touched_total",
          "Pages whose cached code was dropped because of a store.", &mem->gate.nr_touched },
        { METRIC_GAUGE, "gracevm_mem_views", "Views published or not yet freed.",
          &mem->stats.views_alive },
        { METRIC_GAUGE, "gracevm_mem_regions", "Regions not yet released.",
          &mem->stats.regions_alive },
    };

    for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
        metric_add_u64(metrics_family(metrics, figures[i].type, figures[i].name, figures[i].help),
                       METRIC_NO_LABELS, figures[i].value, mem);
}

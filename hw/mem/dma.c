/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "hw/mem/dma.h"
#include "hw/mem/mem_internal.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mutant.h"

/* ---- Mappings ----------------------------------------------------------------------- */

size_t dma_map(struct space *space, gpa_t gpa, size_t length, enum dma_direction direction,
               const char *holder, struct dma_mapping *ret_mapping)
{
    struct mem *mem = space_mem(space);
    struct dma_mapping mapping = {
        .gpa = gpa,
        .mem = mem,
        .direction = direction,
        .holder = holder,
        .since_ns = monotonic_ns(),
    };

    WITH_RCU_READ () {
        const struct range *range = view_find(view_get(space), gpa);
        uint64_t skipped = gpa - range->start;

        if (range->kind != RANGE_RAM && (range->kind != RANGE_ROM || direction == DMA_TO_GUEST))
            return 0;
        mapping.host = range->host + skipped;
        mapping.length = MIN(length, range->size - skipped);
        mapping.region = range->region;
        mapping.ram = range->ram;
        mapping.ram_offset = range->ram_offset + skipped;
        if (mapping.length == 0)
            return 0;
        if (!MUTANT(dma_without_reference))
            (void)region_ref(range->region); /* as long as the section: the view has one */
    }
    *ret_mapping = mapping;
    WITH_MUTEX (&mem->dma_lock)
        list_insert_tail(&mem->dma_holders, &ret_mapping->link);
    fetch_add_relaxed(&mem->stats.dma_holders, 1);
    return ret_mapping->length;
}

/* Once a mapping. With the lock of the list. */
static bool notice_old(struct dma_mapping *mapping, int64_t now_ns)
{
    if (mapping->is_reported || now_ns - mapping->since_ns < DMA_OLD_NS)
        return false;
    mapping->is_reported = true;
    fetch_add_relaxed(&mapping->mem->stats.dma_old, 1);
    return true;
}

static void report_old(const char *holder, const char *region, int64_t age_ns)
{
    LOG_RATELIMITED(log_warn, "%s has held a mapping of %s for %.1f s", holder, region,
                    (double)age_ns / (double)NS_PER_S);
}

void dma_unmap(struct dma_mapping *mapping, size_t written)
{
    struct mem *mem = mapping->mem;
    int64_t now_ns = monotonic_ns();
    bool is_old = false;

    assert(written <= mapping->length);
    assert(written == 0 || mapping->direction == DMA_TO_GUEST);
    if (written && mapping->ram)
        code_gate_written(mapping->ram, mapping->ram_offset, written);
    WITH_MUTEX (&mem->dma_lock) {
        list_remove(&mapping->link);
        is_old = notice_old(mapping, now_ns);
    }
    if (is_old)
        report_old(mapping->holder, region_name(mapping->region), now_ns - mapping->since_ns);
    fetch_sub(&mem->stats.dma_holders, 1);
    mapping->host = NULL;
    if (!MUTANT(dma_without_reference))
        region_unref(mapping->region);
}

/* What a report says, copied: the lock is a leaf, and the holder may go on meanwhile. */
struct old_holder {
    const char *holder;
    char region[64];
    int64_t age_ns;
};

unsigned dma_check_age(struct mem *mem, int64_t now_ns)
{
    enum { REPORTS = 8 }; /* a time; more than that is one cause, and the metric has the number */
    struct old_holder reports[REPORTS];
    unsigned nr_old = 0, nr_reports = 0;

    WITH_MUTEX (&mem->dma_lock) {
        struct dma_mapping *mapping;

        list_for_each (mapping, &mem->dma_holders, link) {
            if (now_ns - mapping->since_ns < DMA_OLD_NS)
                break; /* in the order of their start, within a hair */
            nr_old++;
            if (notice_old(mapping, now_ns) && nr_reports < REPORTS) {
                struct old_holder *report = &reports[nr_reports++];

                report->holder = mapping->holder;
                report->age_ns = now_ns - mapping->since_ns;
                g_strlcpy(report->region, region_name(mapping->region), sizeof(report->region));
            }
        }
    }
    for (unsigned i = 0; i < nr_reports; i++)
        report_old(reports[i].holder, reports[i].region, reports[i].age_ns);
    return nr_old;
}

/* ---- Caches ------------------------------------------------------------------------- */

void mem_cache_init(struct mem_cache *cache, struct space *space, gpa_t gpa, uint64_t length)
{
    assert(length > 0);
    *cache = (struct mem_cache){ .space = space, .gpa = gpa, .length = length };
}

static void look_up(struct mem_cache *cache, const struct view *view) REQUIRES_SHARED(rcu)
{
    const struct range *range = view_find(view, cache->gpa);
    uint64_t skipped = cache->gpa - range->start;

    cache->generation = view_generation(view);
    cache->host = view_pointer(view, cache->gpa, cache->length, true);
    cache->ram = range->ram;
    cache->ram_offset = range->ram_offset + skipped;
}

void *mem_cache_get(struct mem_cache *cache)
{
    const struct view *view = view_get(cache->space);

    if (unlikely(cache->generation != view_generation(view)))
        look_up(cache, view);
    return cache->host;
}

void mem_cache_written(const struct mem_cache *cache, uint64_t offset, uint64_t length)
{
    assert(offset <= cache->length && length <= cache->length - offset);
    if (cache->host && cache->ram)
        code_gate_written(cache->ram, cache->ram_offset + offset, length);
}

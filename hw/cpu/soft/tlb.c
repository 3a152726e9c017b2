/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/cpu/soft/block.h"
#include "hw/cpu/soft/cpus.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/mmu.h"
#include "hw/cpu/soft/tlb.h"
#include "hw/mem/view.h"
#include "util/mutant.h"

enum { /* tlb_entry.meta: the page's guest-physical address, and in its low bits: */
       META_GLOBAL = 1 << 0,
       META_LARGE = 1 << 1, /* of 2 MiB or 1 GiB */
       META_HUGE = 1 << 2,  /* of 1 GiB */
};

enum { LARGE_SHIFT = 21, HUGE_SHIFT = 30 };

static struct tlb_entry *entry_of(struct soft *cpu, enum tlb_class class, uint64_t va)
{
    return &cpu->tlbs[class][(va >> PAGE_SHIFT) & (TLB_ENTRIES - 1)];
}

static struct fetch_entry *fetch_entry_of(struct soft *cpu, uint64_t va)
{
    return &cpu->fetch_tlb[cpu->cpl == 3][(va >> PAGE_SHIFT) & (FETCH_ENTRIES - 1)];
}

static uint64_t region_bit(uint64_t va)
{
    return UINT64_C(1) << ((va >> LARGE_SHIFT) & 63);
}

static void note_large(struct soft *cpu, uint64_t va, const struct mmu_page *page)
{
    if (page->shift == HUGE_SHIFT)
        cpu->large_regions = UINT64_MAX; /* it has 512 of them */
    else if (page->shift == LARGE_SHIFT)
        cpu->large_regions |= region_bit(va);
}

static bool is_same_mapping(uint64_t a, uint64_t b, unsigned shift)
{
    return a >> shift == b >> shift;
}

static void entry_clear(struct tlb_entry *entry)
{
    entry->read_tag = TLB_NONE;
    entry->write_tag = TLB_NONE;
}

/* ---- Forgetting ---------------------------------------------------------------------- */

static void flush_jumps(struct soft *cpu)
{
    if (!MUTANT(cpu_flush_keeps_jumps))
        soft_jumps_flush(cpu);
}

/*
 * Of an empty entry, each byte: no tag may be an address that can be fetched from, whatever the
 * salt: in this one bits 47 to 59, which no salt changes, are not alike. (All ones are an address.)
 */
enum { JUMP_NONE = 0x55 };

void soft_jumps_flush(struct soft *cpu)
{
    memset(cpu->jumps, JUMP_NONE, sizeof(cpu->jumps));
    memset(cpu->jump_pages, 0, sizeof(cpu->jump_pages));
    memset(cpu->jump_local, 0, sizeof(cpu->jump_local));
}

/* Those of pages that are not global: most of what a kernel runs stays through its CR3 changes. */
static void flush_local_jumps(struct soft *cpu)
{
    if (MUTANT(cpu_flush_keeps_jumps))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(cpu->jump_local); i++) {
        for (uint64_t word = cpu->jump_local[i]; word; word &= word - 1)
            memset(&cpu->jumps[i * WORD_BITS + (unsigned)__builtin_ctzll(word)], JUMP_NONE,
                   sizeof(cpu->jumps[0]));
        cpu->jump_local[i] = 0;
    }
}

static uint64_t word_bit(uint64_t n)
{
    return UINT64_C(1) << (n % WORD_BITS);
}

static bool jumps_may_have(const struct soft *cpu, uint64_t va)
{
    const uint64_t page = (va >> PAGE_SHIFT) % JUMP_PAGES;

    return cpu->jump_pages[page / WORD_BITS] & word_bit(page);
}

void soft_jumps_add(struct soft *cpu, const struct op *head)
{
    struct jump_entry *entry = jump_entry(cpu, cpu->rip);
    const struct fetch_entry *fetch = fetch_entry_of(cpu, cpu->rip);
    const uint64_t page = (cpu->rip >> PAGE_SHIFT) % JUMP_PAGES;
    const unsigned at = (unsigned)(entry - cpu->jumps);

    entry->tag = cpu->rip ^ cpu->jump_salt;
    entry->head = head;
    cpu->jump_pages[page / WORD_BITS] |= word_bit(page);
    if (fetch->tag == (cpu->rip & PAGE_MASK) && fetch->is_global)
        cpu->jump_local[at / WORD_BITS] &= ~word_bit(at);
    else
        cpu->jump_local[at / WORD_BITS] |= word_bit(at);
}

static void flush_class(struct soft *cpu, enum tlb_class class, bool globals)
{
    uint32_t nr = cpu->nr_tlb_filled[class], kept = 0;
    bool is_listed = nr <= TLB_FILLED_MAX;

    if (globals && !is_listed) {
        memset(cpu->tlbs[class], 0xff, sizeof(cpu->tlbs[class]));
        nr = 0;
    }
    for (uint32_t i = 0; i < (is_listed ? nr : nr ? (uint32_t)TLB_ENTRIES : 0); i++) {
        uint16_t at = is_listed ? cpu->tlb_filled[class][i] : (uint16_t)i;
        struct tlb_entry *entry = &cpu->tlbs[class][at];

        if (globals || !(entry->meta & META_GLOBAL) || entry->read_tag == TLB_NONE)
            entry_clear(entry);
        else if (kept++ < TLB_FILLED_MAX)
            cpu->tlb_filled[class][kept - 1] = at;
    }
    cpu->nr_tlb_filled[class] = kept;
}

static void flush_fetch(struct soft *cpu, bool globals)
{
    for (unsigned user = 0; user < 2; user++)
        for (unsigned i = 0; i < FETCH_ENTRIES; i++)
            if (globals || !cpu->fetch_tlb[user][i].is_global)
                cpu->fetch_tlb[user][i].tag = TLB_NONE;
}

void soft_tlb_flush(struct soft *cpu, bool globals)
{
    for (unsigned class = 0; class < NR_TLB_CLASSES; class ++)
        flush_class(cpu, (enum tlb_class) class, globals);
    flush_fetch(cpu, globals);
    if (globals) {
        flush_jumps(cpu);
        cpu->large_regions = 0;
    } else {
        flush_local_jumps(cpu);
    }
}

void soft_tlb_reset(struct soft *cpu)
{
    memset(cpu->tlbs, 0xff, sizeof(cpu->tlbs));
    memset(cpu->nr_tlb_filled, 0, sizeof(cpu->nr_tlb_filled));
    soft_tlb_flush(cpu, true);
}

/* All that is of a large page around @va. */
static void flush_region(struct soft *cpu, uint64_t va)
{
    for (unsigned class = 0; class < NR_TLB_CLASSES; class ++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            struct tlb_entry *entry = &cpu->tlbs[class][i];
            unsigned shift = entry->meta & META_HUGE ? HUGE_SHIFT : LARGE_SHIFT;

            if ((entry->meta & META_LARGE) && is_same_mapping(entry->read_tag, va, shift))
                entry_clear(entry);
        }
    for (unsigned user = 0; user < 2; user++)
        for (unsigned i = 0; i < FETCH_ENTRIES; i++) {
            struct fetch_entry *entry = &cpu->fetch_tlb[user][i];

            if (entry->shift > PAGE_SHIFT && is_same_mapping(entry->tag, va, entry->shift))
                entry->tag = TLB_NONE;
        }
}

void soft_tlb_flush_page(struct soft *cpu, uint64_t va)
{
    uint64_t page = va & PAGE_MASK;

    for (unsigned class = 0; class < NR_TLB_CLASSES; class ++) {
        struct tlb_entry *entry = entry_of(cpu, (enum tlb_class) class, va);

        if (entry->read_tag == page)
            entry_clear(entry);
    }
    for (unsigned user = 0; user < 2; user++) {
        struct fetch_entry *entry = &cpu->fetch_tlb[user][(va >> PAGE_SHIFT) & (FETCH_ENTRIES - 1)];

        if (entry->tag == page)
            entry->tag = TLB_NONE;
    }
    if (cpu->large_regions & region_bit(va))
        flush_region(cpu, va);
    if (jumps_may_have(cpu, va) || (cpu->large_regions & region_bit(va)))
        flush_jumps(cpu);
}

void soft_tlb_drop_writes(struct soft *cpu, const uint8_t *const host_pages[], unsigned nr)
{
    for (unsigned class = 0; class < NR_TLB_CLASSES; class ++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            struct tlb_entry *entry = &cpu->tlbs[class][i];

            if (entry->write_tag == TLB_NONE)
                continue;
            for (unsigned k = 0; k < nr; k++)
                if (entry->write_tag + entry->addend == (uintptr_t)host_pages[k])
                    entry->write_tag = TLB_NONE;
        }
}

/* ---- The pinned view ---------------------------------------------------------------- */

static bool is_in(const struct mem_extent *extents, unsigned nr, gpa_t page)
{
    for (unsigned i = 0; i < nr; i++)
        if (page - extents[i].start < extents[i].size || extents[i].start - page < PAGE_SIZE)
            return true;
    return false;
}

static void drop_extents(struct soft *cpu, const struct mem_extent *extents, unsigned nr)
{
    bool has_fetched = false;

    for (unsigned class = 0; class < NR_TLB_CLASSES; class ++)
        for (unsigned i = 0; cpu->nr_tlb_filled[class] && i < TLB_ENTRIES; i++) {
            struct tlb_entry *entry = &cpu->tlbs[class][i];

            if (entry->read_tag != TLB_NONE && is_in(extents, nr, entry->meta & PAGE_MASK))
                entry_clear(entry);
        }
    for (unsigned user = 0; user < 2; user++)
        for (unsigned i = 0; i < FETCH_ENTRIES; i++) {
            struct fetch_entry *entry = &cpu->fetch_tlb[user][i];

            if (entry->tag != TLB_NONE && is_in(extents, nr, entry->page.gpa)) {
                entry->tag = TLB_NONE;
                has_fetched = true;
            }
        }
    for (unsigned i = 0; i < nr; i++)
        blocks_drop_extent(cpu, extents[i].start, extents[i].size);
    if (has_fetched)
        soft_jumps_flush(cpu);
}

void soft_tlb_pin(struct soft *cpu)
{
    const struct view *view = view_get(cpu->cpu.cpus->memory);
    uint64_t generation = view_generation(view);
    struct mem_extent extents[VIEW_CHANGES];
    unsigned nr;

    if (generation != cpu->view_generation) {
        if (MUTANT(cpu_no_generation_check)) {
            ;
        } else if (view_changes(view, cpu->view_generation, extents, &nr)) {
            drop_extents(cpu, extents, nr);
        } else {
            soft_tlb_flush(cpu, true);
            blocks_drop_all(cpu);
        }
        cpu->view_generation = generation;
    }
    cpu->view = view;
}

static bool view_has_moved(const struct soft *cpu) REQUIRES_SHARED(rcu)
{
    return view_get(cpu->cpu.cpus->memory) != cpu->view && !MUTANT(cpu_no_reresolve);
}

/* What is not there in the pinned view may be there in the current one. True: it has moved. */
static bool renew_view(struct soft *cpu) NO_THREAD_SAFETY
{
    if (!view_has_moved(cpu))
        return false;
    soft_section_leave(cpu);
    soft_section_enter(cpu);
    return true;
}

/* ---- Filling -------------------------------------------------------------------------- */

static void page_fault(struct soft *cpu, const struct op *op, uint64_t va, uint32_t error)
{
    cpu->cr2 = va;
    soft_raise_error(cpu, op, VECTOR_PF, error);
}

/* Through the stack segment, that is by RSP or RBP, it is #SS. */
void soft_check_canonical(struct soft *cpu, const struct op *op, uint64_t va)
{
    bool is_stack;

    if (likely(is_canonical(va)))
        return;
    is_stack = op && (op->base == 8 * RSP || op->base == 8 * RBP) && op->seg == OFFSET_ZERO;
    soft_raise_error(cpu, op, is_stack ? VECTOR_SS : VECTOR_GP, 0);
}

static void remember(struct soft *cpu, enum tlb_class class, uint64_t va,
                     const struct mmu_page *page, const uint8_t *host, bool may_write)
{
    struct tlb_entry *entry = entry_of(cpu, class, va);
    uint32_t *nr = &cpu->nr_tlb_filled[class];

    if (entry->read_tag == TLB_NONE && entry->write_tag == TLB_NONE) {
        if (*nr < TLB_FILLED_MAX)
            cpu->tlb_filled[class][*nr] = (uint16_t)(entry - cpu->tlbs[class]);
        if (*nr <= TLB_FILLED_MAX)
            (*nr)++; /* and no further: a guest can fill so often that it would wrap to 0 */
    }
    entry->read_tag = va & PAGE_MASK;
    entry->write_tag = may_write ? va & PAGE_MASK : TLB_NONE;
    entry->addend = (uintptr_t)host - (va & PAGE_MASK);
    entry->meta = page->gpa | (page->is_global ? META_GLOBAL : 0) |
                  (page->shift >= LARGE_SHIFT ? META_LARGE : 0) |
                  (page->shift >= HUGE_SHIFT ? META_HUGE : 0);
    note_large(cpu, va, page);
}

/*
 * The host address of a whole page of memory in @range, or NULL. The host's is a page too: handlers
 * of vectors rely on its alignment.
 */
static uint8_t *page_in(const struct range *range, gpa_t page)
{
    uint8_t *host;

    if (!range->host || page < range->start || range->size < PAGE_SIZE ||
        page - range->start > range->size - PAGE_SIZE)
        return NULL;
    host = range->host + (page - range->start);
    return (uintptr_t)host % PAGE_SIZE == 0 ? host : NULL;
}

/* What @range is at @gpa, for @size bytes; remembered if the whole page is alike. */
static void place_in(struct soft *cpu, const struct range *range, enum tlb_class class, uint64_t va,
                     const struct mmu_page *page, bool is_write, unsigned size,
                     struct place *ret_place)
{
    uint64_t offset = ret_place->gpa - range->start;
    uint8_t *host = page_in(range, page->gpa);
    bool may_write = range->kind == RANGE_RAM && page->may_write && (is_write || !range->ram);

    if (range->kind != RANGE_RAM && (range->kind != RANGE_ROM || is_write))
        return;
    if (range->size < size || offset > range->size - size)
        return; /* partly something else */
    ret_place->host = range->host + offset;
    if (range->ram) {
        uint64_t ram_offset = range->ram_offset + offset;

        may_write = may_write && (ram_offset - (va & ~PAGE_MASK)) % RAM_PAGE == 0 &&
                    code_gate_want_write(range->ram, ram_offset / RAM_PAGE);
        if (!may_write && is_write) {
            ret_place->ram = range->ram;
            ret_place->ram_offset = ram_offset;
        }
    }
    if (host)
        remember(cpu, class, va, page, host, may_write);
}

/* A page that may be written from now on may have lost its marks just now: soft_code_has_changed()
 */
static void check_writable(struct soft *cpu, const struct op *op, const struct tlb_entry *entry,
                           uint64_t va)
{
    if (entry->write_tag == (va & PAGE_MASK) && op && !cpu->is_single && soft_code_has_changed(cpu))
        soft_restart(cpu, op, RESTART_SINGLE);
}

struct place soft_place(struct soft *cpu, const struct op *op, uint64_t va, bool is_write,
                        enum tlb_class class, unsigned size) NO_THREAD_SAFETY
{
    const struct tlb_entry *entry = entry_of(cpu, class, va);
    struct place place = { 0 };

    if ((is_write ? entry->write_tag : entry->read_tag) == (va & PAGE_MASK)) {
        place.gpa = (entry->meta & PAGE_MASK) | (va & ~PAGE_MASK);
        place.host = (uint8_t *)(uintptr_t)(va + entry->addend);
        return place;
    }
    soft_check_canonical(cpu, op, va);
    do {
        struct mmu_page page;
        uint32_t error;
        bool is_mapped = mmu_walk(cpu, va, is_write ? MMU_WRITE : MMU_READ, class, &page, &error);

        if (is_mapped) {
            place.gpa = page.gpa | (va & ~PAGE_MASK);
            place_in(cpu, view_find(cpu->view, place.gpa), class, va, &page, is_write, size,
                     &place);
            if (is_write)
                check_writable(cpu, op, entry, va);
            if (place.host)
                return place;
        } else if (!view_has_moved(cpu)) {
            page_fault(cpu, op, va, error);
        }
    } while (renew_view(cpu));
    return place;
}

/* ---- Fetching ------------------------------------------------------------------------- */

const struct fetch_page *soft_fetch_peek(struct soft *cpu, uint64_t va)
{
    const struct fetch_entry *entry = fetch_entry_of(cpu, va);

    return entry->tag == (va & PAGE_MASK) ? &entry->page : NULL;
}

/* Code is fetched from whole pages of memory only. All else reads as ones, which is #UD. */
static bool fetch_from(struct soft *cpu, const struct mmu_page *page, struct fetch_page *ret)
    REQUIRES_SHARED(rcu)
{
    const struct range *range = view_find(cpu->view, page->gpa);
    const uint8_t *host = page_in(range, page->gpa);

    *ret = (struct fetch_page){
        .gpa = page->gpa,
        .host = host ? host : soft_cpus_of(cpu)->nobody,
    };
    if (host && range->ram) {
        uint64_t offset = range->ram_offset + (page->gpa - range->start);

        if (offset % RAM_PAGE == 0) {
            ret->ram = range->ram;
            ret->ram_page = offset / RAM_PAGE;
        }
    }
    return host;
}

static void fetch_fill(struct soft *cpu, uint64_t va, struct fetch_entry *entry) NO_THREAD_SAFETY
{
    enum tlb_class class = cpu->cpl == 3 ? TLB_USER : TLB_SUPERVISOR;
    bool is_memory = false;
    struct mmu_page page;
    uint32_t error;

    do {
        if (mmu_walk(cpu, va, MMU_FETCH, class, &page, &error)) {
            is_memory = fetch_from(cpu, &page, &entry->page);
            if (is_memory || !view_has_moved(cpu))
                break;
        } else if (!view_has_moved(cpu)) {
            page_fault(cpu, NULL, va, error);
        }
    } while (renew_view(cpu));
    if (!is_memory && !MUTANT(cpu_remembers_holes))
        return; /* nor is that remembered: there may be memory the next time */
    entry->tag = va & PAGE_MASK;
    entry->is_global = page.is_global;
    entry->shift = page.shift;
    note_large(cpu, va, &page);
}

const struct fetch_page *soft_fetch(struct soft *cpu, uint64_t va)
{
    struct fetch_entry *entry = fetch_entry_of(cpu, va);

    if (likely(entry->tag == (va & PAGE_MASK)))
        return &entry->page;
    if (!is_canonical(va))
        soft_raise_error(cpu, NULL, VECTOR_GP, 0);
    entry->tag = TLB_NONE;
    fetch_fill(cpu, va, entry);
    return &entry->page;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <string.h>

#include "hw/cpu/soft/block.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/tlb.h"
#include "hw/mem/view.h"
#include "util/mutant.h"

enum {
    HASH_BITS = 16,
    COMPARED_ENTRIES = 256,
    NR_PAGE_BUCKETS = 1 << 12,
    BLOCKS_BYTES_MAX = 20 << 20, /* of one processor; then it begins anew: half a systemd boot */
};

/* A page of RAM with blocks in it. */
struct code_page {
    struct code_page *next; /* in its bucket */
    struct ram *ram;        /* a name: the view keeps it, and a change of the view drops the page */
    uint64_t ram_page;
    const uint8_t *host;
    gpa_t gpa;       /* where it is, or was first: */
    bool is_aliased; /* … it has been seen elsewhere too, so any change of the view drops it */
    struct block *first;
    bool is_waiting;        /* for the others to drop their write mappings: */
    uint64_t drop_sequence; /* … up to this number of code_drops */
    uint64_t ticket;        /* of code_gate_mark() */
};

/* An instruction that is compared with memory at each use. */
struct compared {
    uint64_t rip;
    uint8_t bytes[INSN_BYTES_MAX];
    uint8_t mode;
    struct block *block; /* or NULL */
};

struct blocks {
    struct block *hash[1 << HASH_BITS];
    struct compared compared[COMPARED_ENTRIES];
    struct code_page *pages[NR_PAGE_BUCKETS]; /* by ram and ram_page */
    gpa_t lowest, highest; /* all of them lie between, but for those that are aliased */
    bool has_aliased;
    size_t nr_bytes;
    struct block *dead; /* dropped, by page_next; perhaps running */
    struct builder builder;
};

static unsigned hash_of(const uint8_t *host, uint8_t mode)
{
    uintptr_t bits = (uintptr_t)host ^ (uintptr_t)host >> HASH_BITS ^ (uintptr_t)mode << 7;

    return (unsigned)(bits & ((1 << HASH_BITS) - 1));
}

static struct code_page **page_bucket(struct blocks *blocks, const struct ram *ram,
                                      uint64_t ram_page)
{
    return &blocks->pages[((uintptr_t)ram / sizeof(void *) + ram_page) & (NR_PAGE_BUCKETS - 1)];
}

struct blocks *blocks_new(void)
{
    struct blocks *blocks = g_new0(struct blocks, 1);

    blocks->lowest = UINT64_MAX;
    return blocks;
}

static size_t block_bytes(const struct block *block)
{
    return sizeof(*block) + block->nr_ops * sizeof(struct op);
}

static void blocks_bury(struct blocks *blocks, struct block *block)
{
    block->page_next = blocks->dead;
    blocks->dead = block;
}

static void hash_insert(struct blocks *blocks, struct block *block)
{
    struct block **bucket = &blocks->hash[hash_of(block->host, block->mode)];

    block->hash_next = *bucket;
    block->hash_link = bucket;
    if (*bucket)
        (*bucket)->hash_link = &block->hash_next;
    *bucket = block;
}

/* At once, however long a chain a guest has made: all of them are dropped in one go at times. */
static void hash_remove(struct block *block)
{
    *block->hash_link = block->hash_next;
    if (block->hash_next)
        block->hash_next->hash_link = block->hash_link;
}

/* The page at @link, with all its blocks. */
static void drop_page(struct blocks *blocks, struct code_page **link)
{
    struct code_page *page = *link;
    struct block *next;

    for (struct block *block = page->first; block; block = next) {
        next = block->page_next;
        hash_remove(block);
        blocks_bury(blocks, block);
    }
    *link = page->next;
    g_free(page);
}

static void drop_all(struct blocks *blocks)
{
    for (unsigned i = 0; i < NR_PAGE_BUCKETS; i++)
        while (blocks->pages[i])
            drop_page(blocks, &blocks->pages[i]);
}

void blocks_drop_all(struct soft *cpu)
{
    drop_all(cpu->blocks);
    soft_jumps_flush(cpu);
}

void blocks_drop_extent(struct soft *cpu, gpa_t start, uint64_t size)
{
    struct blocks *blocks = cpu->blocks;
    bool has_dropped = false;

    if (!blocks->has_aliased && (start > blocks->highest + PAGE_SIZE - 1 ||
                                 (start < blocks->lowest && size <= blocks->lowest - start)))
        return; /* as a blob in its window */
    for (unsigned i = 0; i < NR_PAGE_BUCKETS; i++) {
        struct code_page **link = &blocks->pages[i];

        while (*link) {
            const struct code_page *page = *link;

            if (page->gpa - start < size || start - page->gpa < PAGE_SIZE || page->is_aliased) {
                drop_page(blocks, link);
                has_dropped = true;
            } else {
                link = &(*link)->next;
            }
        }
    }
    if (has_dropped)
        soft_jumps_flush(cpu);
}

/* Where the page is linked, or would be. */
static struct code_page **find_page(struct blocks *blocks, const struct ram *ram, uint64_t ram_page)
{
    struct code_page **link = page_bucket(blocks, ram, ram_page);

    while (*link && ((*link)->ram != ram || (*link)->ram_page != ram_page))
        link = &(*link)->next;
    return link;
}

static void free_dead(struct blocks *blocks)
{
    while (blocks->dead) {
        struct block *block = blocks->dead;

        blocks->dead = block->page_next;
        blocks->nr_bytes -= block_bytes(block);
        g_free(block);
    }
}

bool blocks_reap(struct soft *cpu)
{
    struct blocks *blocks = cpu->blocks;

    if (unlikely(blocks->nr_bytes > BLOCKS_BYTES_MAX))
        blocks_drop_all(cpu);
    if (likely(!blocks->dead))
        return false;
    free_dead(blocks);
    return true;
}

void blocks_sync(struct soft *cpu, struct code_gate *gate)
{
    struct blocks *blocks = cpu->blocks;
    struct code_change changes[CODE_GATE_LOG];
    unsigned nr;
    bool is_known = code_gate_changes(gate, cpu->code_sequence, changes, &nr, &cpu->code_sequence);

    if (!is_known) {
        blocks_drop_all(cpu);
        return;
    }
    for (unsigned i = 0; i < nr; i++) {
        struct code_page **link = find_page(blocks, changes[i].ram, changes[i].page);

        if (*link)
            drop_page(blocks, link);
    }
    soft_jumps_flush(cpu);
}

void blocks_free(struct blocks *blocks)
{
    if (!blocks)
        return;
    drop_all(blocks);
    for (unsigned i = 0; i < COMPARED_ENTRIES; i++)
        if (blocks->compared[i].block)
            blocks_bury(blocks, blocks->compared[i].block);
    free_dead(blocks);
    g_free(blocks);
}

/* ---- Building -------------------------------------------------------------------------- */

/* What the builder has lowered, as a block of its own. */
static struct block *block_new(struct blocks *blocks, const uint8_t *host)
{
    const struct builder *builder = &blocks->builder;
    struct block *block = g_malloc(sizeof(*block) + builder->nr_ops * sizeof(struct op));

    *block = (struct block){
        .host = host,
        .mode = (uint8_t)builder->mode,
        .nr_insns = (uint16_t)builder->nr_insns,
        .nr_bytes = (uint16_t)builder->nr_bytes,
        .nr_ops = (uint16_t)builder->nr_ops,
    };
    memcpy(block->ops, builder->ops, builder->nr_ops * sizeof(struct op));
    blocks->nr_bytes += block_bytes(block);
    return block;
}

/* A page that two addresses lead to is dropped when either of them changes. */
static void note_alias(struct blocks *blocks, struct code_page *page,
                       const struct fetch_page *fetch)
{
    if (unlikely(page->gpa != fetch->gpa)) {
        page->is_aliased = true;
        blocks->has_aliased = true;
    }
}

static struct code_page *page_get(struct blocks *blocks, const struct fetch_page *fetch)
{
    struct code_page **link = find_page(blocks, fetch->ram, fetch->ram_page), *page = *link;

    if (page) {
        note_alias(blocks, page, fetch);
        return page;
    }
    page = g_new(struct code_page, 1);
    *page = (struct code_page){
        .ram = fetch->ram,
        .ram_page = fetch->ram_page,
        .host = fetch->host,
        .gpa = fetch->gpa,
    };
    *link = page;
    blocks->lowest = MIN(blocks->lowest, page->gpa);
    blocks->highest = MAX(blocks->highest, page->gpa);
    return page;
}

static uint64_t granules_of(unsigned offset, unsigned nr_bytes)
{
    unsigned first = offset / CODE_GRANULE, last = (offset + nr_bytes - 1) / CODE_GRANULE;

    return (UINT64_MAX << first) & (UINT64_MAX >> (63 - last));
}

/* Whether all have dropped the write mappings that kept @page from being cached. */
static bool page_is_armed(struct soft *cpu, struct code_page *page)
{
    if (!page->is_waiting)
        return true;
    if (!code_drops_all_done(cpu, page->drop_sequence))
        return false;
    code_gate_dropped(page->ram, page->ram_page, page->ticket);
    page->is_waiting = false;
    return true;
}

/*
 * See to it that stores to @granules come to light. False: not yet, somebody may still
 * have the page in a TLB for writing, and has been asked to drop it.
 */
static bool page_mark(struct soft *cpu, struct code_page *page, uint64_t granules)
{
    uint64_t ticket;

    if (!page_is_armed(cpu, page))
        return false;
    if (!code_gate_mark(page->ram, page->ram_page, granules, &ticket))
        return true;
    if (MUTANT(cpu_mark_keeps_writers))
        return true;
    page->is_waiting = true;
    page->ticket = ticket;
    page->drop_sequence = code_drops_ask(cpu, page->host);
    return page_is_armed(cpu, page);
}

/* A block of @fetch's page from @offset on, in the cache; NULL: must be compared instead. */
static const struct block *build_cached(struct soft *cpu, const struct fetch_page *fetch,
                                        unsigned offset)
{
    struct blocks *blocks = cpu->blocks;
    struct builder *builder = &blocks->builder;
    uint8_t bytes[BLOCK_BYTES_MAX];
    size_t size = MIN(sizeof(bytes), PAGE_SIZE - offset);
    struct code_page *page;
    struct block *block;

    code_copy(bytes, fetch->host + offset, size);
    if (!build_decode(builder, bytes, size, (enum insn_mode)cpu->mode, BLOCK_INSNS_MAX))
        return NULL; /* crosses into the next page */
    page = page_get(blocks, fetch);
    if (!page_mark(cpu, page, granules_of(offset, builder->nr_bytes)))
        return NULL;
    if (!code_equals(bytes, fetch->host + offset, builder->nr_bytes))
        return NULL; /* written between the copy and the mark; next time */
    build_lower(builder);
    block = block_new(blocks, fetch->host + offset);
    block->page = page;
    block->page_next = page->first;
    page->first = block;
    hash_insert(blocks, block);
    return block;
}

static const struct block *find_cached(struct soft *cpu, const struct fetch_page *fetch,
                                       unsigned offset)
{
    const uint8_t *host = fetch->host + offset;

    for (const struct block *block = cpu->blocks->hash[hash_of(host, cpu->mode)]; block;
         block = block->hash_next)
        if (block->host == host && block->mode == cpu->mode) {
            note_alias(cpu->blocks, block->page, fetch);
            return block;
        }
    return build_cached(cpu, fetch, offset);
}

/*
 * The bytes of the instruction at rip: from its page, and from the next if it goes on
 * there. Fetching that one may raise, as it does on a processor.
 */
static size_t fetch_bytes(struct soft *cpu, const struct fetch_page *fetch, unsigned offset,
                          uint8_t bytes[INSN_BYTES_MAX]) REQUIRES_SHARED(rcu)
{
    size_t size = MIN(INSN_BYTES_MAX, PAGE_SIZE - offset);
    const struct fetch_page *next;
    struct insn insn;

    code_copy(bytes, fetch->host + offset, size);
    if (size == INSN_BYTES_MAX ||
        insn_decode(bytes, size, (enum insn_mode)cpu->mode, &insn) != DECODE_TRUNCATED)
        return size;
    next = soft_fetch(cpu, (cpu->rip & PAGE_MASK) + PAGE_SIZE);
    code_copy(bytes + size, next->host, INSN_BYTES_MAX - size);
    return INSN_BYTES_MAX;
}

/* One instruction, which is looked at again each time. */
static const struct block *find_compared(struct soft *cpu, const struct fetch_page *fetch,
                                         unsigned offset) REQUIRES_SHARED(rcu)
{
    struct blocks *blocks = cpu->blocks;
    struct compared *entry = &blocks->compared[(cpu->rip ^ (cpu->rip >> 8)) % COMPARED_ENTRIES];
    uint8_t bytes[INSN_BYTES_MAX] = { 0 };
    size_t size = fetch_bytes(cpu, fetch, offset, bytes);

    if (entry->block && entry->rip == cpu->rip && entry->mode == cpu->mode &&
        entry->block->nr_bytes <= size && !memcmp(bytes, entry->bytes, entry->block->nr_bytes))
        return entry->block;
    build_decode(&blocks->builder, bytes, size, (enum insn_mode)cpu->mode, 1);
    build_lower(&blocks->builder);
    if (entry->block)
        blocks_bury(blocks, entry->block);
    entry->block = block_new(blocks, NULL);
    entry->rip = cpu->rip;
    entry->mode = cpu->mode;
    memcpy(entry->bytes, bytes, sizeof(bytes));
    return entry->block;
}

const struct block *blocks_find(struct soft *cpu, bool is_single)
{
    const struct fetch_page *fetch = soft_fetch(cpu, cpu->rip);
    unsigned offset = cpu->rip & (PAGE_SIZE - 1);

    if (!is_single && fetch->ram) {
        const struct block *block = find_cached(cpu, fetch, offset);

        if (block)
            return block;
    }
    return find_compared(cpu, fetch, offset);
}

bool blocks_runs_in(struct soft *cpu, const struct ram *ram, uint64_t ram_page)
{
    const struct fetch_page *fetch = soft_fetch_peek(cpu, cpu->block_rip);

    return !fetch || (fetch->ram == ram && fetch->ram_page == ram_page);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A processor's private cache of decoded code.
 *
 * Blocks are found by the place of their bytes in RAM, and mode. The pages they lie in are
 * marked in the code gate (hw/mem/code_gate.h), so every store to them comes to
 * light; at the next synchronisation the blocks of such a page are dropped together.
 *
 * A page can be marked while another processor still has it in its TLB for
 * writing. Until all have dropped that (`code_drops`), and likewise for
 * instructions that cross into another page and for memory without a gate,
 * instructions run one at a time, from a small cache whose entries are compared
 * with the bytes in memory at each use.
 *
 * Owner only, but for struct code_drops, which all processors of a machine share.
 */
#ifndef HW_CPU_SOFT_BLOCK_H
#define HW_CPU_SOFT_BLOCK_H

#include "hw/cpu/soft/build.h"
#include "hw/cpu/soft/soft.h"
#include "hw/mem/code_gate.h"
#include "hw/mem/mem.h"

struct code_page;

struct block {
    struct block *hash_next;
    struct block *page_next;
    struct code_page *page; /* NULL: of the compared cache */
    const uint8_t *host;    /* of its first byte; NULL as well */
    uint8_t mode;
    uint16_t nr_insns;
    uint16_t nr_bytes;
    uint16_t nr_ops;
    struct op ops[];
};

struct blocks; /* opaque */

struct blocks *blocks_new(void);
void blocks_free(struct blocks *blocks);

/**
 * The block at cpu->rip, from the caches or built. @is_single: one instruction only, compared.
 * May raise what fetching raises. The result stays until blocks_reap().
 */
const struct block *blocks_find(struct soft *cpu, bool is_single) REQUIRES_SHARED(rcu);

/** Drop code: of a page of guest-physical memory, of all. Running blocks stay until reaped. */
void blocks_drop_extent(struct soft *cpu, gpa_t start, uint64_t size);
void blocks_drop_all(struct soft *cpu);

/** Free what has been dropped. No block is running. Whether there was any. */
bool blocks_reap(struct soft *cpu);

/** Drop the pages that @gate has logged since cpu->code_sequence. */
void blocks_sync(struct soft *cpu, struct code_gate *gate);

/** Whether the running block lies in page @ram_page of @ram, or nobody knows. */
bool blocks_runs_in(struct soft *cpu, const struct ram *ram, uint64_t ram_page);

/* ---- Dropping write mappings of pages that become code -------------------------------- */

enum { CODE_DROPS_LOG = 64 };

/*
 * Pages of which every processor must drop write mappings, numbered. Each processor
 * says up to which number it has (soft.drops_done), and that it does so before it runs
 * on when it is not running (soft.is_running).
 */
struct code_drops {
    struct mutex lock;
    uint64_t sequence;                   /* of the newest; written under the lock; atomic */
    const uint8_t *page[CODE_DROPS_LOG]; /* host address, by sequence mod size; guarded by lock */
};

void code_drops_init(struct code_drops *drops);
void code_drops_fini(struct code_drops *drops);

/** Ask all to drop write mappings of the page at @host; @cpu has when this returns. The number. */
uint64_t code_drops_ask(struct soft *cpu, const uint8_t *host);

/** Whether all have dropped up to number @sequence. */
bool code_drops_all_done(struct soft *cpu, uint64_t sequence);

/** Forget the write mappings asked for since; at a safe point of the owner. */
void code_drops_take(struct soft *cpu);

#endif

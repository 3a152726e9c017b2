/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A machine's memory map: what its regions, spaces and RAM blocks have in
 * common, which is the transactions that change them, and what they count.
 *
 * Changes are made between mem_begin() and mem_commit(). The outermost commit
 * renders what has changed in all spaces, tells the listeners, and publishes one
 * new view for each space that differs (docs/memory.md). It is all or nothing:
 * if a listener refuses, every change since the outermost begin is undone.
 *
 * Threads: changes under the BQL. Several maps in one process do not meet.
 */
#ifndef HW_MEM_MEM_H
#define HW_MEM_MEM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/annotate.h"
#include "util/bql.h"

typedef uint64_t gpa_t; /* a guest physical address, or a port number */

struct code_gate;
struct mem;
struct metrics;

/** After drain_call_rcu(), when its spaces, regions and RAM blocks are gone. NULL is fine. */
void mem_free(struct mem *mem);
struct mem *mem_new(void) OWNED_BY(mem_free);

/** Open a transaction, or go one deeper into the one that is open. */
void mem_begin(struct mem *mem) REQUIRES(bql);

/**
 * Close it. An inner commit does nothing and is true: the outcome is the outermost
 * one's. False: a listener has refused, @error says why, and the map is as it was
 * at the outermost begin. Waits for nobody; nobody's TLB is touched.
 */
bool mem_commit(struct mem *mem, GError **error) MUST_CHECK REQUIRES(bql);

/** Where stores meet cached code, for all RAM blocks of this map. Lives as long as @mem. */
struct code_gate *mem_code_gate(struct mem *mem);

/* A snapshot; counters only grow, but for dma_holders. */
struct mem_stats {
    uint64_t commits;           /* that published something */
    uint64_t refused_commits;   /* undone since a listener refused */
    uint64_t unassigned_reads;  /* that met no region, or one that does not answer that size */
    uint64_t unassigned_writes; /* the same; writes to ROM too */
    uint64_t dma_holders;       /* mappings that are live now */
    uint64_t dma_old;           /* mappings that were held for longer than DMA_OLD_NS */
    uint64_t code_touched;      /* pages whose cached code was dropped because of a store */
    uint64_t views_alive;       /* published or waiting for their grace period */
    uint64_t regions_alive;     /* not yet released */
};

/** Any thread. */
void mem_get_stats(struct mem *mem, struct mem_stats *ret_stats);

/** The stats as metrics gracevm_mem_*. Remove with metrics_remove(metrics, mem) before mem_free().
 */
void mem_metrics_register(struct mem *mem, struct metrics *metrics);

#endif

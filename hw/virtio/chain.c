/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a chain is popped, in three steps. A head is taken from the available ring;
 * its descriptors are read, each once, into a list of our own, and checked there;
 * then the buffers of the list are mapped. Nobody but the driver is hurt by what it
 * changes meanwhile.
 *
 * The map of memory does not change between the steps: we hold the BQL.
 */
#include <assert.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "hw/mem/code_gate.h"
#include "hw/virtio/virtio_internal.h"
#include "util/clock.h"
#include "util/iov.h"

#define CHAIN_BYTES_MAX (UINT64_C(1) << 32) /* 2.7.5.2 */

enum {
    EFFORT_A_LOOK = 32, /* at the clock: eight chains of a few small buffers */
    EFFORT_BYTES = 4096,
};

struct walk {
    struct virtq *queue;
    const char *fault; /* what is wrong, and with what; NULL: nothing */
    uint64_t value;
    unsigned nr, nr_out; /* buffers */
    unsigned nr_descriptors;
    uint64_t out_size, in_size;
    struct virtq_buffer buffers[VIRTQ_CHAIN_MAX];
};

/* Of descriptors: the queue's own, or an indirect one. */
struct table {
    uint64_t address;
    uint32_t nr;
    const uint8_t *host; /* NULL: it does not lie in one piece */
    bool is_indirect;
};

static bool fail(struct walk *walk, const char *fault, uint64_t value)
{
    walk->fault = fault;
    walk->value = value;
    return false;
}

/* ---- Descriptors ------------------------------------------------------------------------ */

/* RAM and ROM only: to read a device's registers here would call its model. */
static bool copy_ram(const struct view *view, uint64_t address, void *to, size_t size)
    REQUIRES_SHARED(rcu)
{
    uint8_t *bytes = to;

    while (size > 0) {
        const struct range *range = view_find(view, address);
        uint64_t skipped = address - range->start;
        size_t length = MIN(size, range->size - skipped);

        if (range->kind != RANGE_RAM && range->kind != RANGE_ROM)
            return false;
        memcpy(bytes, range->host + skipped, length);
        bytes += length;
        address += length;
        size -= length;
    }
    return true;
}

static bool read_descriptor(struct walk *walk, const struct table *table, uint32_t index,
                            struct virtq_descriptor *ret) REQUIRES_SHARED(rcu)
{
    const uint64_t offset = (uint64_t)index * sizeof(*ret);
    uint64_t words[2];

    if (likely(table->host && (uintptr_t)table->host % sizeof(uint64_t) == 0)) {
        const uint64_t *from = (const uint64_t *)(const void *)(table->host + offset);

        words[0] = load_relaxed(&from[0]);
        words[1] = load_relaxed(&from[1]);
    } else if (!copy_ram(view_get(walk->queue->device->memory), table->address + offset, words,
                         sizeof(words))) {
        return fail(walk, "an indirect table is not in RAM", table->address);
    }
    memcpy(ret, words, sizeof(*ret));
    return true;
}

static bool enter_table(struct walk *walk, const struct virtq_descriptor *descriptor,
                        struct table *table) REQUIRES_SHARED(rcu)
{
    const struct virtio_device *device = walk->queue->device;
    uint64_t end;

    if (!virtio_has_feature(device, VIRTIO_F_INDIRECT_DESC))
        return fail(walk, "an indirect descriptor, without the feature", descriptor->address);
    if (table->is_indirect)
        return fail(walk, "an indirect descriptor in an indirect table", descriptor->address);
    if (descriptor->flags & VIRTQ_DESC_F_NEXT)
        return fail(walk, "an indirect descriptor that is not its chain's last",
                    descriptor->address);
    if (descriptor->length == 0 || descriptor->length % sizeof(struct virtq_descriptor) != 0)
        return fail(walk, "an indirect table has a wrong length", descriptor->length);
    if (__builtin_add_overflow(descriptor->address, descriptor->length - 1, &end))
        return fail(walk, "an indirect table passes the end of memory", descriptor->address);
    *table = (struct table){
        .address = descriptor->address,
        .nr = descriptor->length / (uint32_t)sizeof(struct virtq_descriptor),
        .host =
            view_pointer(view_get(device->memory), descriptor->address, descriptor->length, false),
        .is_indirect = true,
    };
    return true;
}

static bool add_buffer(struct walk *walk, const struct virtq_descriptor *descriptor)
{
    bool is_in = descriptor->flags & VIRTQ_DESC_F_WRITE;
    uint64_t end;

    if (!is_in && walk->nr > walk->nr_out)
        return fail(walk, "a buffer to read comes after one to write", descriptor->address);
    if (descriptor->length == 0)
        return true; /* nothing to map, and no harm in it */
    if (__builtin_add_overflow(descriptor->address, descriptor->length - 1, &end))
        return fail(walk, "a buffer passes the end of memory", descriptor->address);
    if (walk->nr == VIRTQ_CHAIN_MAX)
        return fail(walk, "a chain has too many buffers", walk->nr);
    walk->buffers[walk->nr++] = (struct virtq_buffer){ descriptor->address, descriptor->length };
    if (is_in) {
        walk->in_size += descriptor->length;
    } else {
        walk->nr_out++;
        walk->out_size += descriptor->length;
    }
    if (walk->out_size + walk->in_size > CHAIN_BYTES_MAX) /* of at most 2^10 times 2^32 */
        return fail(walk, "a chain is longer than 4 GiB", walk->out_size + walk->in_size);
    return true;
}

/* The chain at @head into walk->buffers. Whatever the driver does, it ends: a table has no more
 * entries than it has, and a chain no loops. */
static bool walk_chain(struct walk *walk, uint32_t head) REQUIRES(bql)
{
    RCU_READ_GUARD();
    struct virtq *queue = walk->queue;
    struct table table = { queue->setup.desc, queue->setup.size, NULL, false };
    uint32_t index = head, nr_seen = 0;

    table.host = mem_cache_get(&queue->pop.desc);
    if (!table.host)
        return fail(walk, "the descriptor table is not in RAM", table.address);
    for (;;) {
        struct virtq_descriptor descriptor;

        if (index >= table.nr)
            return fail(walk, "a descriptor is outside its table", index);
        if (nr_seen++ >= MIN(table.nr, VIRTQ_CHAIN_MAX))
            return fail(walk, "a chain is too long, or loops", head);
        walk->nr_descriptors++;
        if (!read_descriptor(walk, &table, index, &descriptor))
            return false;
        if (descriptor.flags & VIRTQ_DESC_F_INDIRECT) {
            if (!enter_table(walk, &descriptor, &table))
                return false;
            index = nr_seen = 0;
            continue;
        }
        if (!add_buffer(walk, &descriptor))
            return false;
        if (!(descriptor.flags & VIRTQ_DESC_F_NEXT))
            return true;
        index = descriptor.next;
    }
}

/* ---- Mapping ------------------------------------------------------------------------------ */

/* In one block: the chain, its mappings, its pieces. */
static struct virtq_chain *chain_new(const struct walk *walk, unsigned room)
{
    const size_t one = sizeof(struct dma_mapping) + sizeof(struct iovec);
    struct virtq_chain *chain = g_malloc(sizeof(*chain) + room * one);

    *chain = (struct virtq_chain){
        .out_size = (size_t)walk->out_size,
        .in_size = (size_t)walk->in_size,
        .nr_descriptors = walk->nr_descriptors,
        .queue = walk->queue,
        .mappings = (struct dma_mapping *)(void *)(chain + 1),
    };
    return chain;
}

static void unmap(struct virtq_chain *chain, size_t written)
{
    for (unsigned i = 0; i < chain->nr_mappings; i++) {
        struct dma_mapping *mapping = &chain->mappings[i];
        size_t part = 0;

        if (mapping->direction == DMA_TO_GUEST) {
            part = MIN(written, mapping->length);
            written -= part;
        }
        dma_unmap(mapping, part);
    }
}

void virtq_chain_free(struct virtq_chain *chain, size_t written)
{
    if (!chain->is_let_go)
        unmap(chain, written);
    g_free(chain);
}

void virtq_let_go(struct virtq_chain *chain)
{
    assert(!chain->is_let_go);
    unmap(chain, 0);
    chain->is_let_go = true;
    chain->out = chain->in = NULL;
    chain->nr_out = chain->nr_in = 0;
}

/* @length bytes of @pieces from @offset on, to @gpa. False: some of that is no RAM. */
static bool write_ram(const struct view *view, gpa_t gpa, size_t length, const struct iovec *pieces,
                      unsigned nr_pieces, size_t offset) REQUIRES_SHARED(rcu)
{
    bool is_ram = true;

    while (length > 0) {
        const struct range *range = view_find(view, gpa);
        uint64_t skipped = gpa - range->start;
        size_t part = MIN(length, range->size - skipped);

        if (range->kind == RANGE_RAM) {
            size_t copied = iov_to_buf(pieces, nr_pieces, offset, range->host + skipped, part);

            assert(copied == part); /* the caller has looked how much there is */
            if (range->ram)
                code_gate_written(range->ram, range->ram_offset + skipped, part);
        } else {
            is_ram = false;
        }
        gpa += part;
        offset += part;
        length -= part;
    }
    return is_ram;
}

size_t virtq_chain_write(const struct virtq_chain *chain, const struct iovec *pieces,
                         unsigned nr_pieces, bool *ret_is_ram)
{
    RCU_READ_GUARD();
    const struct view *view = view_get(chain->queue->device->memory);
    size_t size, offset = 0;

    *ret_is_ram = true;
    if (!iov_size(pieces, nr_pieces, &size))
        size = SIZE_MAX;
    for (unsigned i = 0; i < chain->nr_mappings && offset < size; i++) {
        const struct dma_mapping *mapping = &chain->mappings[i];
        size_t part = MIN(mapping->length, size - offset);

        if (mapping->direction != DMA_TO_GUEST)
            continue;
        if (!write_ram(view, mapping->gpa, part, pieces, nr_pieces, offset))
            *ret_is_ram = false;
        offset += part;
    }
    return offset;
}

enum mapped { MAPPED, NO_ROOM, FAULT };

static enum mapped map_buffer(struct walk *walk, struct virtq_chain *chain, struct iovec *pieces,
                              unsigned room, unsigned number)
{
    const struct virtio_device *device = walk->queue->device;
    struct virtq_buffer left = walk->buffers[number];
    enum dma_direction direction = number < walk->nr_out ? DMA_FROM_GUEST : DMA_TO_GUEST;

    while (left.length > 0) {
        unsigned n = chain->nr_mappings;
        size_t length;

        if (n == room)
            return NO_ROOM;
        length = dma_map(device->memory, left.address, left.length, direction, device->name,
                         &chain->mappings[n]);
        if (length == 0) {
            (void)fail(walk, "a buffer is not in RAM", left.address);
            return FAULT;
        }
        pieces[n] = (struct iovec){ chain->mappings[n].host, length };
        chain->nr_mappings++;
        left.address += length;
        left.length -= (uint32_t)length;
    }
    return MAPPED;
}

/* NULL: there is no room for so many pieces; a fault, perhaps. */
static struct virtq_chain *map_into(struct walk *walk, unsigned room)
{
    struct virtq_chain *chain = chain_new(walk, room);
    struct iovec *pieces = (struct iovec *)(void *)(chain->mappings + room);
    enum mapped result = MAPPED;

    for (unsigned i = 0; i < walk->nr && result == MAPPED; i++) {
        if (i == walk->nr_out)
            chain->nr_out = chain->nr_mappings;
        result = map_buffer(walk, chain, pieces, room, i);
    }
    if (result != MAPPED) {
        virtq_chain_free(chain, 0);
        return NULL;
    }
    if (walk->nr == walk->nr_out)
        chain->nr_out = chain->nr_mappings;
    chain->nr_in = chain->nr_mappings - chain->nr_out;
    chain->out = pieces;
    chain->in = pieces + chain->nr_out;
    return chain;
}

/* A buffer is one piece, but where it goes over the border of two ranges of RAM. */
static struct virtq_chain *map_chain(struct walk *walk)
{
    unsigned room = walk->nr;
    struct virtq_chain *chain;

    while (!(chain = map_into(walk, room)) && !walk->fault) {
        if (room == VIRTQ_CHAIN_MAX) {
            (void)fail(walk, "a chain lies in too many pieces", walk->nr);
            break;
        }
        room = MIN(2 * room + 2, VIRTQ_CHAIN_MAX);
    }
    return chain;
}

/* ---- The available ring ---------------------------------------------------------------------- */

static uint16_t read_index(const struct virtq_avail *avail)
{
    /* acquire: pairs with the driver's write barrier between ring and index (2.7.13.3). */
    return load_acquire(&avail->index);
}

/* Where the device says up to which entry it needs no notification. */
static bool ask_for_notification(struct virtq *queue) REQUIRES(bql) REQUIRES_SHARED(rcu)
{
    if (virtio_has_feature(queue->device, VIRTIO_F_EVENT_IDX)) {
        struct virtq_used *used = mem_cache_get(&queue->pop.used);
        uint64_t offset = virtq_used_size(queue->setup.size) - sizeof(uint16_t);

        if (!used)
            return false;
        store_relaxed((uint16_t *)(void *)((uint8_t *)used + offset), queue->pop.next);
        mem_cache_written(&queue->pop.used, offset, sizeof(uint16_t));
    }
    /* Pairs with the driver's barrier between the index and its look at avail_event or the flags
     * (2.7.13.4): it sees what we ask for, or we see its entry. */
    smp_mb();
    return true;
}

/* The next head into *@ret_head, if there is one. */
static enum virtq_pop next_head(struct walk *walk, uint16_t *ret_head) REQUIRES(bql)
{
    RCU_READ_GUARD();
    struct virtq *queue = walk->queue;
    const struct virtq_avail *avail = mem_cache_get(&queue->pop.avail);
    uint16_t next = queue->pop.next, seen = queue->pop.seen;

    if (!avail) {
        (void)fail(walk, "the available ring is not in RAM", queue->setup.avail);
        return VIRTQ_BROKEN;
    }
    if (seen == next)
        seen = read_index(avail);
    if (seen == next && queue->pop.wants_notification) {
        if (!ask_for_notification(queue)) {
            (void)fail(walk, "the used ring is not in RAM", queue->setup.used);
            return VIRTQ_BROKEN;
        }
        seen = read_index(avail);
    }
    if (seen == next)
        return VIRTQ_EMPTY;
    if ((uint16_t)(seen - next) > queue->setup.size) {
        (void)fail(walk, "the available ring's index has jumped", seen);
        return VIRTQ_BROKEN;
    }
    queue->pop.seen = seen;
    *ret_head = load_relaxed(&avail->ring[next & (queue->setup.size - 1)]);
    return VIRTQ_GOT;
}

/* ---- Pop ------------------------------------------------------------------------------------ */

/* Whether the handler's turn has come to its end. Each has one chain at least. */
static bool is_turn_over(struct virtq *queue) REQUIRES(bql)
{
    struct virtq_turn *turn = &queue->pop.turn;

    if (!turn->is_on)
        return false;
    if (turn->effort >= EFFORT_A_LOOK) {
        turn->effort = 0;
        if (monotonic_ns() >= turn->end_ns)
            turn->nr_left = 0;
    }
    turn->has_more = turn->nr_left == 0;
    return turn->has_more;
}

/* What a chain costs, if only to be refused: its pieces are mapped and unmapped, and each page of
 * `in` is looked at for code. The driver chooses both. */
static uint64_t effort_of(const struct virtq_chain *chain)
{
    return 1 + chain->nr_mappings + (chain->out_size + chain->in_size) / EFFORT_BYTES;
}

/* Whether so much is in flight that the rest has to wait; a push then rings the doorbell. */
static bool is_too_much(struct virtq *queue)
{
    if (likely(load_relaxed(&queue->load) < VIRTQ_LOAD_MAX))
        return false;
    store_relaxed(&queue->is_throttled, 1);
    smp_mb(); /* pairs with the locked operation in virtq_forget(): it sees this, or we the load */
    return load_relaxed(&queue->load) >= VIRTQ_LOAD_MAX;
}

enum virtq_pop virtq_pop(struct virtq *queue, struct virtq_chain **ret_chain)
{
    struct virtio_device *device = queue->device;
    struct walk walk; /* not zeroed: 16 KiB */
    struct virtq_chain *chain = NULL;
    enum virtq_pop result;
    uint16_t head;

    if (device->status & VIRTIO_STATUS_NEEDS_RESET)
        return VIRTQ_BROKEN;
    if (!virtq_is_ready(queue) || is_turn_over(queue) || is_too_much(queue))
        return VIRTQ_EMPTY;
    walk.queue = queue;
    walk.fault = NULL;
    walk.value = 0;
    walk.nr = walk.nr_out = walk.nr_descriptors = 0;
    walk.out_size = walk.in_size = 0;
    result = next_head(&walk, &head);
    if (result == VIRTQ_GOT && walk_chain(&walk, head))
        chain = map_chain(&walk);
    if (walk.fault) {
        virtio_device_broken(device, "queue %u: %s (0x%" PRIx64 ")", queue->index, walk.fault,
                             walk.value);
        return VIRTQ_BROKEN;
    }
    if (!chain)
        return result;
    chain->head = head;
    chain->generation = queue->generation; /* changes under the BQL, and the queue's lock */
    (void)fetch_add_relaxed(&queue->load, 1 + chain->nr_mappings);
    store_relaxed(&queue->stats.chains, queue->stats.chains + 1);
    queue->pop.next++;
    if (queue->pop.turn.is_on) {
        queue->pop.turn.nr_left--;
        queue->pop.turn.effort += effort_of(chain);
        queue->pop.turn.has_more = true;
    }
    *ret_chain = chain;
    return VIRTQ_GOT;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <glib.h>
#include <inttypes.h>

#include "hw/virtio/virtio_internal.h"
#include "util/clock.h"
#include "util/log.h"

/* ---- Setting up ---------------------------------------------------------------------------- */

struct virtq_setup *virtq_setup(struct virtq *queue)
{
    return &queue->setup;
}

struct virtio_device *virtq_device(const struct virtq *queue)
{
    return queue->device;
}

unsigned virtq_index(const struct virtq *queue)
{
    return queue->index;
}

bool virtq_is_ready(const struct virtq *queue)
{
    const struct virtio_device *device = queue->device;

    return queue->setup.is_enabled && !device->is_resetting &&
           load_relaxed(&device->may_access_memory) && /* changed under the BQL */
           (device->status & (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET)) ==
               VIRTIO_STATUS_DRIVER_OK;
}

/* A part of the queue at @address: aligned (2.7), and before the end of memory. */
static bool is_place(uint64_t address, uint64_t size, unsigned alignment)
{
    uint64_t last;

    return address % alignment == 0 && !__builtin_add_overflow(address, size - 1, &last);
}

static const char *what_is_wrong(const struct virtq *queue)
{
    const struct virtq_setup *setup = &queue->setup;
    const unsigned size = setup->size;

    if (size == 0 || size & (size - 1) || size > queue->device->ops->queue_size)
        return "size";
    if (!is_place(setup->desc, size * sizeof(struct virtq_descriptor), 16))
        return "descriptor table";
    if (!is_place(setup->avail, virtq_avail_size(size), 2))
        return "available ring";
    if (!is_place(setup->used, virtq_used_size(size), 4))
        return "used ring";
    return NULL;
}

void virtq_enable(struct virtq *queue)
{
    struct virtio_device *device = queue->device;
    const struct virtq_setup *setup = &queue->setup;
    const char *wrong = what_is_wrong(queue);
    uint64_t avail_size, used_size;

    if (setup->is_enabled || virtq_is_resetting(queue) || device->is_resetting ||
        !(device->status & VIRTIO_STATUS_FEATURES_OK)) {
        virtio_guest_error(device, "queue %u enabled twice, or too early", queue->index);
        return;
    }
    if (wrong) {
        virtio_device_broken(device,
                             "queue %u enabled with a wrong %s: %u entries at 0x%" PRIx64
                             ", 0x%" PRIx64 ", 0x%" PRIx64,
                             queue->index, wrong, setup->size, setup->desc, setup->avail,
                             setup->used);
        return;
    }
    avail_size = virtq_avail_size(setup->size);
    used_size = virtq_used_size(setup->size);
    mem_cache_init(&queue->pop.desc, device->memory, setup->desc,
                   setup->size * sizeof(struct virtq_descriptor));
    mem_cache_init(&queue->pop.avail, device->memory, setup->avail, avail_size);
    mem_cache_init(&queue->pop.used, device->memory, setup->used, used_size);
    queue->setup.is_enabled = true;
    WITH_MUTEX (&queue->lock) {
        queue->push.is_live = true;
        queue->push.has_event_index = virtio_has_feature(device, VIRTIO_F_EVENT_IDX);
        queue->push.mask = (uint16_t)(setup->size - 1);
        mem_cache_init(&queue->push.avail, device->memory, setup->avail, avail_size);
        mem_cache_init(&queue->push.used, device->memory, setup->used, used_size);
    }
    log_topic(virtio, "%s: queue %u: %u entries at 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64,
              device->place, queue->index, setup->size, setup->desc, setup->avail, setup->used);
    /* What the driver has put in before is not notified again. */
    virtio_doorbell(device, queue->index);
}

void virtq_tear_down(struct virtq *queue)
{
    WITH_MUTEX (&queue->lock) {
        queue->generation++;
        queue->push.is_live = false;
        queue->push.next = queue->push.notified = 0;
    }
    loop_cancel(&queue->doorbell);
    loop_cancel(&queue->broken);
    store_relaxed(&queue->fault, NULL); /* whoever set it had the lock */
    queue->setup = (struct virtq_setup){ .size = queue->device->ops->queue_size };
    queue->pop.next = queue->pop.seen = 0;
    queue->pop.wants_notification = true;
    queue->is_resetting = false;
}

void virtq_reset(struct virtq *queue)
{
    struct virtio_device *device = queue->device;

    if (!virtio_has_feature(device, VIRTIO_F_RING_RESET) || !queue->setup.is_enabled) {
        virtio_guest_error(device, "queue %u reset, which it cannot be", queue->index);
        return;
    }
    virtq_tear_down(queue);
    if (device->ops->reset_queue)
        device->ops->reset_queue(device, queue->index);
    queue->is_resetting = true;
}

bool virtq_is_resetting(struct virtq *queue)
{
    /* acquire: pairs with the locked operation in virtq_forget(). */
    if (queue->is_resetting && load_acquire(&queue->load) == 0)
        queue->is_resetting = false;
    return queue->is_resetting;
}

/* ---- Turns ----------------------------------------------------------------------------------- */

static void run(struct virtq *queue) REQUIRES(bql)
{
    struct virtio_device *device = queue->device;
    struct virtq_turn *turn = &queue->pop.turn;

    if (!virtq_is_ready(queue))
        return;
    *turn = (struct virtq_turn){
        .is_on = true,
        .nr_left = VIRTIO_TURN_CHAINS,
        .end_ns = monotonic_ns() + VIRTIO_TURN_NS,
    };
    device->ops->handle_queue(device, queue->index);
    turn->is_on = false;
    if (turn->has_more && virtq_is_ready(queue))
        (void)loop_defer(&queue->doorbell); /* pending already is as good */
}

static void on_doorbell(struct deferred *doorbell)
{
    bql_assert_held();
    run(container_of(doorbell, struct virtq, doorbell));
}

void virtio_run_queue(struct virtio_device *device, unsigned queue)
{
    if (queue < device->nr_queues)
        run(&device->queues[queue]);
}

void virtio_doorbell(struct virtio_device *device, unsigned queue)
{
    if (queue < device->nr_queues)
        (void)loop_defer(&device->queues[queue].doorbell); /* pending already is as good */
    else
        virtio_guest_error(device, "notification of queue %u, which is not there", queue);
}

void virtq_set_wants_notification(struct virtq *queue, bool wants)
{
    queue->pop.wants_notification = wants;
    if (!queue->setup.is_enabled || virtio_has_feature(queue->device, VIRTIO_F_EVENT_IDX))
        return; /* virtq_pop() says it, when it finds nothing */
    WITH_RCU_READ () {
        struct virtq_used *used = mem_cache_get(&queue->pop.used);

        if (used) { /* else virtq_pop() or virtq_push() will say so */
            store_relaxed(&used->flags, wants ? 0 : VIRTQ_USED_F_NO_NOTIFY);
            mem_cache_written(&queue->pop.used, 0, sizeof(used->flags));
        }
    }
}

/* ---- Push ------------------------------------------------------------------------------------ */

static void on_broken(struct deferred *deferred)
{
    bql_assert_held();
    struct virtq *queue = container_of(deferred, struct virtq, broken);

    if (!(queue->device->status & VIRTIO_STATUS_NEEDS_RESET)) /* else a pop was first to find it */
        virtio_device_broken(queue->device, "queue %u: %s", queue->index,
                             load_relaxed(&queue->fault));
}

/* The device's status is under the BQL, which who pushes may not have. */
static void break_later(struct virtq *queue, const char *fault) REQUIRES(queue->lock)
{
    queue->push.is_live = false;
    store_relaxed(&queue->fault, fault);
    (void)loop_defer(&queue->broken); /* not pending: is_live was true, and now is not */
}

struct virtq *virtq_of_chain(const struct virtq_chain *chain)
{
    return chain->queue;
}

/* The driver sees all of them, or none yet. */
static void put_used(struct virtq *queue, const uint16_t *heads, const uint32_t *written,
                     unsigned nr) REQUIRES(queue->lock)
{
    RCU_READ_GUARD();
    struct virtq_used *used = mem_cache_get(&queue->push.used);

    if (!used) {
        break_later(queue, "the used ring is not in RAM");
        return;
    }
    for (unsigned i = 0; i < nr; i++) {
        const unsigned entry = (queue->push.next + i) & queue->push.mask;

        store_relaxed(&used->ring[entry].id, heads[i]);
        store_relaxed(&used->ring[entry].length, written[i]);
        mem_cache_written(&queue->push.used,
                          offsetof(struct virtq_used, ring) + entry * sizeof(used->ring[0]),
                          sizeof(used->ring[0]));
    }
    queue->push.next = (uint16_t)(queue->push.next + nr);
    /* release: the entries, and what the device wrote into the buffers, come first. Pairs with the
     * driver's read barrier behind its look at the index (2.7.14). */
    store_release(&used->index, queue->push.next);
    mem_cache_written(&queue->push.used, offsetof(struct virtq_used, index), sizeof(used->index));
}

/* The chain is not in flight any more. With the lock, so that who has seen it under the lock may
 * free the queue. */
static void virtq_forget(struct virtq *queue, unsigned load) REQUIRES(queue->lock)
{
    uint32_t before = fetch_sub(&queue->load, load); /* pairs with the barrier in is_too_much() */

    smp_mb_after_rmw();
    if (unlikely(load_relaxed(&queue->is_throttled)) && before - load < VIRTQ_LOAD_MAX) {
        store_relaxed(&queue->is_throttled, 0);
        (void)loop_defer(&queue->doorbell); /* pending already is as good */
    }
}

/* Whether the driver is to see the chain of @generation. */
static bool is_expected(const struct virtq *queue, uint32_t generation) REQUIRES(queue->lock)
{
    return queue->push.is_live && queue->generation == generation &&
           load_relaxed(&queue->device->may_access_memory); /* who forbids it waits for nobody */
}

static void finish(struct virtq_chain *chain, bool is_answer, uint32_t written)
{
    struct virtq *queue = chain->queue;
    const uint32_t generation = chain->generation;
    const uint16_t head = chain->head;
    const unsigned load = 1 + chain->nr_mappings;

    /* Without the lock: this may release a region. Who drops may have written anything. */
    virtq_chain_free(chain, is_answer ? written : chain->in_size);
    WITH_MUTEX (&queue->lock) {
        if (is_answer && is_expected(queue, generation))
            put_used(queue, &head, &written, 1);
        virtq_forget(queue, load);
    }
}

void virtq_push_bytes(struct virtq_chain *chain, const struct iovec *pieces, unsigned nr_pieces)
{
    struct virtq *queue = chain->queue;
    struct virtio_device *device = queue->device;

    assert(chain->is_let_go);
    WITH_MUTEX (&queue->lock) {
        bool is_ram = true;

        if (is_expected(queue, chain->generation)) {
            const uint32_t written = (uint32_t)virtq_chain_write(chain, pieces, nr_pieces, &is_ram);

            put_used(queue, &chain->head, &written, 1);
        }
        if (!is_ram)
            virtio_guest_error(device, "queue %u: an answer has no RAM to go to", queue->index);
        virtq_forget(queue, 1 + chain->nr_mappings);
    }
    virtq_chain_free(chain, 0);
}

void virtq_push(struct virtq_chain *chain, uint32_t written)
{
    assert(written <= chain->in_size);
    finish(chain, true, written);
}

void virtq_push_all(struct virtq_chain *const *chains, const uint32_t *written, unsigned nr)
{
    struct virtq *queue = chains[0]->queue;
    const uint32_t generation = chains[0]->generation;
    uint16_t heads[VIRTQ_PUSH_MAX];
    unsigned load = 0;

    assert(nr <= VIRTQ_PUSH_MAX);
    for (unsigned i = 0; i < nr; i++) {
        assert(chains[i]->queue == queue && chains[i]->generation == generation);
        assert(written[i] <= chains[i]->in_size);
        heads[i] = chains[i]->head;
        load += 1 + chains[i]->nr_mappings;
        virtq_chain_free(chains[i], written[i]);
    }
    WITH_MUTEX (&queue->lock) {
        if (is_expected(queue, generation))
            put_used(queue, heads, written, nr);
        virtq_forget(queue, load);
    }
}

void virtq_drop(struct virtq_chain *chain)
{
    if (chain)
        finish(chain, false, 0);
}

void virtq_unpop(struct virtq_chain *chain)
{
    struct virtq *queue = chain->queue;
    const unsigned load = 1 + chain->nr_mappings;

    if (chain->generation == queue->generation)
        queue->pop.next--;
    virtq_chain_free(chain, 0);
    WITH_MUTEX (&queue->lock)
        virtq_forget(queue, load);
}

/* ---- Interrupts ------------------------------------------------------------------------------ */

/* Whether the driver wants to know that the used ring has gone from @before to now. */
static bool is_wanted(struct virtq *queue, uint16_t before) REQUIRES(queue->lock)
{
    RCU_READ_GUARD();
    const struct virtq_avail *avail = mem_cache_get(&queue->push.avail);
    uint16_t event;

    if (!avail) {
        break_later(queue, "the available ring is not in RAM");
        return false;
    }
    if (!queue->push.has_event_index)
        return !(load_relaxed(&avail->flags) & VIRTQ_AVAIL_F_NO_INTERRUPT);
    event = load_relaxed(&avail->ring[queue->push.mask + 1]);
    /* Whether the entry numbered `event` is among the new ones (2.7.7.2). */
    return (uint16_t)(queue->push.next - event - 1) < (uint16_t)(queue->push.next - before);
}

static void count(uint64_t *counter)
{
    store_relaxed(counter, *counter + 1);
}

void virtq_notify(struct virtq *queue)
{
    struct virtio_device *device = queue->device;

    MUTEX_GUARD(&queue->lock);
    uint16_t before = queue->push.notified;

    if (!queue->push.is_live || queue->push.next == before)
        return;
    /* Pairs with the driver's barrier between used_event (or the flags) and its look at the used
     * index (2.7.14): we see what it asks for, or it sees our entry. */
    smp_mb();
    queue->push.notified = queue->push.next;
    if (!is_wanted(queue, before)) {
        count(&queue->stats.suppressed);
        return;
    }
    count(&queue->stats.interrupts);
    /* With the lock: after a reset, which takes it, comes none. */
    if (device->transport)
        device->transport->queue_interrupt(device, queue->index);
}

/* ---- Beginning and end ------------------------------------------------------------------------
 */

void virtq_init(struct virtq *queue, struct virtio_device *device, unsigned index)
{
    queue->device = device;
    queue->index = index;
    mutex_init(&queue->lock, "virtio queue", RANK_DEVICE);
    deferred_init(&queue->doorbell, on_doorbell);
    deferred_init(&queue->broken, on_broken);
    virtq_tear_down(queue);
}

void virtq_fini(struct virtq *queue)
{
    virtq_tear_down(queue); /* takes the lock: who has pushed the last chain has given it back */
    assert(load_relaxed(&queue->load) == 0);
    mutex_fini(&queue->lock);
}

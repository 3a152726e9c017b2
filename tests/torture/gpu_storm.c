/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blobs come into the window of a virtio-gpu and go, by a driver's commands, many at a time, while
 * threads use the window as virtual processors and disks do. The renderer makes what it has
 * unmapped inaccessible. Once the driver has the answer to an unmap, and once a reset has ended,
 * nobody may be found at a blob; streams must find attached what was attached before them; fences
 * of one timeline must be answered in order; of an unmap that is through the driver must have been
 * told.
 */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "hw/gpu/gpu_internal.h"
#include "hw/mem/dma.h"
#include "tests/gpu/gpu_scene.h"
#include "tests/torture/torture.h"
#include "tests/torture/torture_gpu.h"
#include "util/bql.h"

enum {
    SLOTS = STORM_BLOBS, /* blob n + 1 is mapped at slot n, and nowhere else */
    SLOT_BYTES = 1 << 16,
    BLOB_BYTES = STORM_BLOB_BYTES,
    READERS = 2,
    DISKS = 1,
    CONTEXTS = STORM_CONTEXTS,
    IN_FLIGHT = 48,
    TIMELINES = STORM_TIMELINES,
};

static struct gpu_scene *scene;
static bool has_met;                                   /* atomic */
static uint64_t nr_read, nr_dma, nr_unmaps, nr_resets; /* atomic */

/* Who is at what: set inside the section, or while the mapping is held; atomic. */
static bool is_read[READERS][SLOTS];

/* ---- Processors and disks -------------------------------------------------------------------- */

static void check_word(uint64_t word, unsigned slot)
{
    if (word != slot + 1)
        torture_fail("slot %u holds %#llx", slot, (unsigned long long)word);
}

/* Looks as long as it is not kicked out, in one view. */
static void read_view(struct worker *worker, const struct kicked *kicked, bool *is_at)
    REQUIRES_SHARED(rcu)
{
    const struct view *view = view_get(scene->guest.scene.space);

    while (!event_is_set(&kicked->is_kicked) && !torture_is_over()) {
        unsigned slot = torture_below(worker, SLOTS);
        gpa_t gpa = SCENE_WINDOW + (gpa_t)slot * SLOT_BYTES;
        const uint64_t *words = view_pointer(view, gpa, BLOB_BYTES, true);

        if (!words)
            continue;
        store_relaxed(&is_at[slot], true);
        check_word(load_relaxed(&words[torture_below(worker, BLOB_BYTES / 8)]), slot);
        fetch_add_relaxed(&nr_read, 1);
    }
    if (torture_one_in(worker, 2)) /* an instruction may take a moment */
        torture_spin_ns(torture_below(worker, 50000));
    for (unsigned i = 0; i < SLOTS; i++)
        store_relaxed(&is_at[i], false);
}

static void read_kicked(struct worker *worker)
{
    bool *is_at = worker->opaque;
    struct kicked kicked;

    kicked_init(&kicked);
    rcu_add_force_rcu_notifier(&kicked.notifier);
    while (torture_go_on(worker)) {
        kicked_reset(&kicked);
        WITH_RCU_READ ()
            read_view(worker, &kicked, is_at);
    }
    rcu_remove_force_rcu_notifier(&kicked.notifier);
}

static void hold_dma(struct worker *worker)
{
    while (torture_go_on(worker)) {
        unsigned slot = torture_below(worker, SLOTS);
        struct dma_mapping mapping;
        uint64_t *words;

        if (!dma_map(scene->guest.scene.space, SCENE_WINDOW + (gpa_t)slot * SLOT_BYTES,
                     sizeof(uint64_t), DMA_TO_GUEST, "torture", &mapping)) {
            usleep(50);
            continue;
        }
        words = mapping.host;
        check_word(load_relaxed(words), slot);
        if (torture_one_in(worker, 2))
            usleep(torture_below(worker, 500));
        store_relaxed(words, load_relaxed(words));
        dma_unmap(&mapping, sizeof(uint64_t));
        fetch_add_relaxed(&nr_dma, 1);
    }
}

/* ---- The driver: the main thread ------------------------------------------------------------- */

enum slot_state { GONE, MADE, MAPPED }; /* as the commands that were sent will leave it */

struct sent {
    unsigned call;
    int unmapped; /* the slot that is not used any more when it is answered; -1: none */
    int timeline; /* -1: no fence */
    bool is_sure; /* nothing but this unmaps it: when it is through, it is answered */
};

static struct {
    struct worker random; /* for torture_random() only */
    enum slot_state slots[SLOTS];
    bool is_leaving[SLOTS];      /* an unmap is not answered */
    struct sent sent[IN_FLIGHT]; /* oldest first */
    unsigned nr_sent;
    uint64_t fences[TIMELINES];
} driver GUARDED_BY(bql);

/* Odd slots are used again only when their unmap is answered, and who is at them is known then. At
 * even ones the next commands follow at once, and wait. */
static bool is_checked(unsigned slot)
{
    return slot % 2;
}

static enum gpu_map_state state_of(unsigned slot) REQUIRES(bql)
{
    const struct gpu_resource *resource = gpu_resource_find(scene->gpu, slot + 1);

    return resource ? resource->map_state : MAP_MAPPING;
}

static void send(struct message message, int unmapped, bool may_be_fenced) REQUIRES(bql)
{
    int timeline = -1;

    if (may_be_fenced && torture_one_in(&driver.random, 3)) {
        /* On the ring of a context only what is that context's. */
        timeline = message.request.hdr.ctx_id == 2 && torture_one_in(&driver.random, 2);
        message = timeline ? fenced_on_ring(message, 2, 1, ++driver.fences[1])
                           : fenced(message, ++driver.fences[0]);
    }
    driver.sent[driver.nr_sent++] = (struct sent){
        .call = post(scene, message),
        .unmapped = unmapped,
        .timeline = timeline,
        .is_sure = message.request.hdr.type == VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB && timeline < 0 &&
                   is_checked((unsigned)unmapped) && state_of((unsigned)unmapped) == MAP_MAPPED,
    };
}

static void send_one(void) REQUIRES(bql)
{
    const unsigned slot = torture_below(&driver.random, SLOTS);
    const uint32_t id = slot + 1, context = 1 + torture_below(&driver.random, CONTEXTS);
    const uint32_t words[] = { id };

    if (is_checked(slot) && driver.is_leaving[slot])
        return;
    driver.is_leaving[slot] = driver.slots[slot] == MAPPED;
    switch (driver.slots[slot]) {
    case GONE:
        send(host_blob(id, BLOB_BYTES, context, id), -1, true);
        driver.slots[slot] = MADE;
        return;
    case MADE:
        if (torture_one_in(&driver.random, 8)) {
            send(unref_resource(id), -1, true);
            driver.slots[slot] = GONE;
            return;
        }
        send(map_blob(id, (uint64_t)slot * SLOT_BYTES), -1, true);
        driver.slots[slot] = MAPPED;
        return;
    case MAPPED:
        if (torture_one_in(&driver.random, 4)) {
            send(unref_resource(id), (int)slot, true);
            driver.slots[slot] = GONE;
            return;
        }
        send(unmap_blob(id), (int)slot, true);
        driver.slots[slot] = MADE;
        if (torture_one_in(&driver.random, 2) && driver.nr_sent + 3 < IN_FLIGHT) {
            send(attach_resource(context, id), -1, false); /* waits … */
            send(submit_3d(context, words, 1), -1, true);  /* … and this with it */
            send(detach_resource(context, id), -1, false);
        }
        return;
    }
}

static void check_nobody_at(unsigned slot)
{
    for (unsigned i = 0; i < READERS; i++) {
        if (load_relaxed(&is_read[i][slot]))
            torture_fail("slot %u is unmapped, and a processor is at it", slot);
    }
}

/* What has been answered leaves the list. In a timeline nothing is answered before what is older.
 */
static void take_answers(void) REQUIRES(bql)
{
    bool is_open[TIMELINES] = { false }, has_answer[IN_FLIGHT];
    unsigned nr_left = 0;

    scene_run(scene);
    for (unsigned i = 0; i < driver.nr_sent; i++) /* at one moment: below come more */
        has_answer[i] = scene->calls[driver.sent[i].call].is_answered;
    for (unsigned i = 0; i < driver.nr_sent; i++) {
        const struct sent sent = driver.sent[i];
        const bool is_done = has_answer[i];

        if (sent.timeline >= 0 && is_done && is_open[sent.timeline])
            torture_fail("a fence is answered before an older one of its timeline");
        if (!is_done) {
            if (sent.timeline >= 0)
                is_open[sent.timeline] = true;
            if (sent.is_sure && state_of((unsigned)sent.unmapped) == MAP_NONE)
                torture_fail("slot %d is unmapped, and the driver has not been told",
                             sent.unmapped);
            driver.sent[nr_left++] = sent;
            continue;
        }
        if (sent.unmapped >= 0) {
            if (is_checked((unsigned)sent.unmapped))
                check_nobody_at((unsigned)sent.unmapped);
            driver.is_leaving[sent.unmapped] = false;
            (void)fetch_add_relaxed(&nr_unmaps, 1);
        }
        torture_check(finish(scene, sent.call) < VIRTIO_GPU_RESP_ERR_UNSPEC);
    }
    driver.nr_sent = nr_left;
}

static void start_driver(void) REQUIRES(bql)
{
    memset(driver.slots, 0, sizeof(driver.slots));
    memset(driver.is_leaving, 0, sizeof(driver.is_leaving));
    driver.nr_sent = 0;
    for (uint32_t i = 1; i <= CONTEXTS; i++)
        must(scene, create_context(i, 0));
}

static void reset(void) REQUIRES(bql)
{
    scene_begin_reset(scene);
    scene_end_reset(scene);
    for (unsigned i = 0; i < SLOTS; i++)
        check_nobody_at(i);
    scene_start(scene, UINT64_MAX);
    start_driver();
    (void)fetch_add_relaxed(&nr_resets, 1);
}

static void drive_for_a_while(void) REQUIRES(bql)
{
    while (!torture_is_over()) {
        /* A few at a time; sometimes as many as there is room for. */
        unsigned most = torture_one_in(&driver.random, 8) ? IN_FLIGHT - 4 : 6;

        while (driver.nr_sent < most)
            send_one();
        take_answers();
        if (torture_one_in(&driver.random, 400))
            reset();
        bql_unlock();
        sched_yield();
        bql_lock();
        if (load_relaxed(&nr_unmaps) > 50 && load_relaxed(&nr_resets) > 1 &&
            load_relaxed(&nr_read) > 0 && load_relaxed(&nr_dma) > 0)
            store_relaxed(&has_met, true);
    }
}

void gpu_storm_run(void)
{
    const struct gpu_config config = scene_config(true, UINT64_C(1) << 20);

    has_met = false;
    torture.has_met = &has_met;
    WITH_BQL () {
        driver.random.random = torture.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        scene = gpu_scene_new(&config, &torture_renderer);
        start_driver();
        for (unsigned i = 0; i < READERS; i++)
            torture_spawn("reader", read_kicked, is_read[i], WORKER_READS);
        for (unsigned i = 0; i < DISKS; i++)
            torture_spawn("disk", hold_dma, NULL, WORKER_READS | WORKER_WATCHED);
        drive_for_a_while();
    }
    torture_join();
    torture.has_met = NULL; /* which they look at */
    WITH_BQL ()
        gpu_scene_free(scene);
    torture_note("%llu unmaps, %llu resets, %llu reads, %llu transfers",
                 (unsigned long long)nr_unmaps, (unsigned long long)nr_resets,
                 (unsigned long long)nr_read, (unsigned long long)nr_dma);
}

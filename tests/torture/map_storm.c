/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blobs come and go in the slots of a window, while threads read them in every
 * way that there is. When a blob is released, its memory is made inaccessible
 * there and then: who still has a pointer dies by it. Each word of a blob says
 * in which slot it is, and the how-many-eth blob.
 */
#include <glib.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include "hw/mem/access.h"
#include "hw/mem/dma.h"
#include "tests/torture/torture.h"
#include "tests/torture/torture_mem.h"
#include "util/bql.h"
#include "util/lock.h"

enum {
    SLOTS = 48,
    SLOT_BYTES = 1 << 16,
    BLOB_BYTES = 2 * RAM_PAGE,
    CHUNKS = 3 * SLOTS,
    BATCH = 4,
};

#define DEVICE_WORD UINT64_C(0x00de71ce00000000)

struct chunk {
    uint64_t *words;
    bool is_mapped; /* atomic */
    struct chunk *next;
};

struct slot {
    struct region *region; /* NULL: a hole */
    bool is_device;
};

static struct mem *mem;
static struct space *space;
static struct region *window;
static struct slot slots[SLOTS] GUARDED_BY(bql);
static uint64_t nr_blobs GUARDED_BY(bql);

static struct mutex pool_lock = MUTEX_INIT("blob memory", RANK_LEAF);
static struct chunk chunks[CHUNKS];
static struct chunk *first_free, **last_free; /* guarded by pool_lock; longest free first */

static bool has_met; /* each kind of work once, or nothing was tested; atomic */
static uint64_t nr_read, nr_dma, nr_missed, nr_refused, nr_released; /* atomic */

/* ---- Blobs ------------------------------------------------------------------------------- */

static void put_back(struct chunk *chunk)
{
    WITH_MUTEX (&pool_lock) {
        chunk->next = NULL;
        *last_free = chunk;
        last_free = &chunk->next;
    }
}

static struct chunk *take_chunk(void)
{
    struct chunk *chunk = NULL;

    WITH_MUTEX (&pool_lock) {
        chunk = first_free;
        if (chunk && !(first_free = chunk->next))
            last_free = &first_free;
    }
    return chunk;
}

static void blob_released(void *opaque)
{
    struct chunk *chunk = opaque;

    torture_check(!bql_is_mine() && !rcu_is_reading());
    torture_check(atomic_xchg(&chunk->is_mapped, false)); /* once a blob */
    torture_check(mprotect(chunk->words, BLOB_BYTES, PROT_NONE) == 0);
    put_back(chunk);
    (void)fetch_add(&nr_released, 1);
}

static struct region *blob_new(unsigned slot) REQUIRES(bql)
{
    struct chunk *chunk = take_chunk();
    uint64_t word = (uint64_t)(slot + 1) << 32 | (nr_blobs++ & UINT32_MAX);
    struct region *region;

    if (!chunk)
        return NULL; /* all are held by somebody */
    torture_check(mprotect(chunk->words, BLOB_BYTES, PROT_READ | PROT_WRITE) == 0);
    for (unsigned i = 0; i < BLOB_BYTES / sizeof(word); i++)
        store_relaxed(&chunk->words[i], word);
    store_relaxed(&chunk->is_mapped, true);
    region = region_new_host(mem, "blob", chunk->words, BLOB_BYTES, false);
    region_on_released(region, blob_released, chunk);
    return region;
}

static uint64_t device_read(void *opaque, uint64_t offset G_GNUC_UNUSED,
                            unsigned size G_GNUC_UNUSED)
{
    bql_assert_held();
    return DEVICE_WORD | (uintptr_t)opaque;
}

static const struct mmio_ops device_ops = { .read = device_read, .min_access = 8 };

/* ---- Changes ------------------------------------------------------------------------------ */

static void change_slot(struct worker *worker) REQUIRES(bql)
{
    unsigned number = torture_below(worker, SLOTS);
    struct slot *slot = &slots[number];

    if (slot->region) {
        torture_check(region_del(slot->region, NULL));
        region_unref(g_steal_pointer(&slot->region));
        return;
    }
    slot->is_device = torture_one_in(worker, 5);
    slot->region = slot->is_device ? region_new_mmio(mem, "device", BLOB_BYTES, &device_ops,
                                                     (void *)(uintptr_t)number)
                                   : blob_new(number);
    if (slot->region)
        torture_check(region_add(window, (uint64_t)number * SLOT_BYTES, slot->region, 0, NULL));
    else
        fetch_add_relaxed(&nr_refused, 1);
}

static void update(struct worker *worker)
{
    while (torture_go_on(worker)) {
        WITH_BQL () {
            mem_begin(mem);
            for (unsigned i = torture_below(worker, BATCH) + 1; i > 0; i--)
                change_slot(worker);
            torture_check(mem_commit(mem, NULL));
        }
        if (!torture_one_in(worker, 4))
            force_rcu();
        if (torture_one_in(worker, 16))
            usleep(torture_below(worker, 300));
    }
}

/* ---- Readers ------------------------------------------------------------------------------- */

static void check_word(uint64_t word, unsigned slot)
{
    if (word >> 32 != slot + 1)
        torture_fail("slot %u holds %#llx", slot, (unsigned long long)word);
}

static unsigned some_word(struct worker *worker)
{
    return torture_below(worker, BLOB_BYTES / sizeof(uint64_t));
}

/* Looks up afresh each time; a view does not change while it is looked at. */
static void read_plain(struct worker *worker)
{
    while (torture_go_on(worker)) {
        unsigned slot = torture_below(worker, SLOTS), index = some_word(worker);
        gpa_t gpa = (gpa_t)slot * SLOT_BYTES + index * sizeof(uint64_t);

        RCU_READ_GUARD();
        const struct view *view = view_get(space);
        const uint64_t *word = view_pointer(view, gpa, sizeof(*word), true);
        uint64_t was;

        if (!word)
            continue;
        was = load_relaxed(word);
        check_word(was, slot);
        if (torture_one_in(worker, 8))
            torture_spin_ns(torture_below(worker, 20000));
        if (torture_one_in(worker, 64))
            sched_yield();
        torture_check(load_relaxed(word) == was);
        torture_check(view_pointer(view, gpa, sizeof(*word), false) == word);
        fetch_add_relaxed(&nr_read, 1);
    }
}

/* As a virtual CPU: pointers are kept from section to section, and dropped where the map changed.
 */
struct tlb {
    uint64_t generation;
    const uint64_t *words[SLOTS];
};

static void drop_changed(struct tlb *tlb, const struct view *view) REQUIRES_SHARED(rcu)
{
    struct mem_extent changes[VIEW_CHANGES];
    unsigned nr = 0;

    if (view_generation(view) == tlb->generation)
        return;
    if (!view_changes(view, tlb->generation, changes, &nr)) {
        memset(tlb->words, 0, sizeof(tlb->words));
        fetch_add_relaxed(&nr_missed, 1);
    }
    for (unsigned i = 0; i < nr; i++) {
        gpa_t last = changes[i].start + changes[i].size - 1;

        for (gpa_t slot = changes[i].start / SLOT_BYTES; slot <= last / SLOT_BYTES; slot++)
            tlb->words[slot] = NULL;
    }
    tlb->generation = view_generation(view);
}

static void use_tlb(struct worker *worker, struct tlb *tlb, const struct view *view)
    REQUIRES_SHARED(rcu)
{
    unsigned slot = torture_below(worker, SLOTS);

    if (!tlb->words[slot])
        tlb->words[slot] = view_pointer(view, (gpa_t)slot * SLOT_BYTES, BLOB_BYTES, true);
    if (tlb->words[slot]) {
        check_word(load_relaxed(&tlb->words[slot][some_word(worker)]), slot);
        fetch_add_relaxed(&nr_read, 1);
    }
}

static void read_kicked(struct worker *worker)
{
    struct kicked kicked;
    struct tlb tlb = { 0 };

    kicked_init(&kicked);
    rcu_add_force_rcu_notifier(&kicked.notifier);
    while (torture_go_on(worker)) {
        kicked_reset(&kicked);
        WITH_RCU_READ () {
            const struct view *view = view_get(space);

            drop_changed(&tlb, view);
            do
                use_tlb(worker, &tlb, view);
            while (!event_is_set(&kicked.is_kicked) && !torture_is_over());
        }
    }
    rcu_remove_force_rcu_notifier(&kicked.notifier);
}

/* A slot is a blob of its own, a device, or nothing: whatever is read is of one of them. */
static void read_checked(struct worker *worker)
{
    while (torture_go_on(worker)) {
        unsigned slot = torture_below(worker, SLOTS);
        gpa_t gpa = (gpa_t)slot * SLOT_BYTES + some_word(worker) * sizeof(uint64_t);
        uint64_t word = 0;
        enum mem_result result = torture_one_in(worker, 3)
                                     ? mem_mmio_read(space, gpa, sizeof(word), &word)
                                     : mem_read(space, gpa, &word, sizeof(word));

        if (result == MEM_UNASSIGNED)
            torture_check(word == UINT64_MAX);
        else if (result == MEM_OK && word != (DEVICE_WORD | slot))
            check_word(word, slot);
        fetch_add_relaxed(&nr_read, 1);
    }
}

static void hold_dma(struct worker *worker)
{
    while (torture_go_on(worker)) {
        unsigned slot = torture_below(worker, SLOTS);
        gpa_t gpa = (gpa_t)slot * SLOT_BYTES + some_word(worker) * sizeof(uint64_t);
        struct dma_mapping mapping;
        uint64_t *words;

        if (!dma_map(space, gpa, sizeof(uint64_t), DMA_TO_GUEST, "torture", &mapping))
            continue;
        words = mapping.host;
        check_word(load_relaxed(words), slot);
        if (torture_one_in(worker, 2))
            usleep(torture_below(worker, 500));
        store_relaxed(words, load_relaxed(words)); /* the same, so that readers agree */
        dma_unmap(&mapping, sizeof(uint64_t));
        fetch_add_relaxed(&nr_dma, 1);
        if (load_relaxed(&nr_read) > 0)
            store_relaxed(&has_met, true);
    }
}

/* ---- The run -------------------------------------------------------------------------------- */

static void set_up(void)
{
    has_met = false;
    torture.has_met = &has_met;
    last_free = &first_free;
    for (unsigned i = 0; i < CHUNKS; i++) {
        chunks[i].words = mmap(NULL, BLOB_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        torture_check(chunks[i].words != MAP_FAILED);
        put_back(&chunks[i]);
    }
    WITH_BQL () {
        mem = mem_new();
        window = region_new_container(mem, "window", (uint64_t)SLOTS * SLOT_BYTES);
        space = space_new(mem, "memory", window);
    }
}

static void tear_down(void)
{
    struct mem_stats stats;

    torture.has_met = NULL;
    WITH_BQL () {
        for (unsigned i = 0; i < SLOTS; i++) {
            if (!slots[i].region)
                continue;
            torture_check(region_del(slots[i].region, NULL));
            region_unref(g_steal_pointer(&slots[i].region));
        }
        mem_get_stats(mem, &stats);
        space_free(space);
        region_unref(window);
    }
    drain_call_rcu();
    mem_free(mem);
    for (unsigned i = 0; i < CHUNKS; i++) {
        torture_check(!load_relaxed(&chunks[i].is_mapped)); /* each release has come */
        (void)munmap(chunks[i].words, BLOB_BYTES);
    }
    torture_check(stats.commits > 0 && nr_read > 0 && nr_dma > 0);
    torture_note("%llu commits, %llu reads, %llu mappings, %llu times too far behind, %llu without "
                 "memory",
                 (unsigned long long)stats.commits, (unsigned long long)nr_read,
                 (unsigned long long)nr_dma, (unsigned long long)nr_missed,
                 (unsigned long long)nr_refused);
}

void storm_run(void)
{
    set_up();
    torture_spawn("update", update, NULL, WORKER_READS | WORKER_WATCHED);
    for (unsigned i = 0; i < 2; i++) {
        torture_spawn("plain", read_plain, NULL, WORKER_READS | WORKER_WATCHED);
        torture_spawn("kicked", read_kicked, NULL, WORKER_READS);
        torture_spawn("checked", read_checked, NULL, WORKER_READS | WORKER_WATCHED);
        torture_spawn("dma", hold_dma, NULL, WORKER_READS | WORKER_WATCHED);
    }
    torture_join();
    tear_down();
}

/* ---- One maps, tells, another reads ------------------------------------------------------------
 */

/*
 * The reader stays in one section until it is kicked, so what it is told of is in
 * no view that it has. It finds a hole there, asks outside, and looks again.
 */
static uint64_t told, answered; /* the blob's word; atomic */

static void wait_for_answer(uint64_t word)
{
    while (load_acquire(&answered) != word && !torture_is_over())
        cpu_relax(); /* acquire: the reader is done with the blob */
}

/* Only then is a blob's place free again, as in the machine: a view may show the old blob till
 * then. */
static void wait_for_release(uint64_t before)
{
    force_rcu();
    while (load_acquire(&nr_released) == before)
        sched_yield();
}

static void map_and_tell(struct worker *worker)
{
    while (torture_go_on(worker)) {
        uint64_t released = load_relaxed(&nr_released);
        struct region *region = NULL;
        uint64_t word = 0;

        WITH_BQL () {
            region = blob_new(0);
            if (region) {
                torture_check(region_add(window, 0, region, 0, NULL));
                word = UINT64_C(1) << 32 | (nr_blobs - 1);
            }
        }
        if (!region)
            continue;
        store_release(&told, word); /* pairs with the acquire in read_what_is_told() */
        wait_for_answer(word);
        WITH_BQL () {
            torture_check(region_del(region, NULL));
            region_unref(region);
        }
        wait_for_release(released);
    }
}

/* In a section with @view: the word, or false. */
static bool read_in(const struct view *view, uint64_t *ret_word) REQUIRES_SHARED(rcu)
{
    const uint64_t *word = view_pointer(view, 0, sizeof(*word), false);

    if (word)
        *ret_word = load_relaxed(word);
    return word != NULL;
}

static uint64_t read_as_a_cpu(const struct kicked *kicked, uint64_t before)
{
    uint64_t word = before;
    bool is_missed = false;

    WITH_RCU_READ () {
        const struct view *view = view_get(space);

        while (load_acquire(&told) == before) { /* acquire: pairs with the release in the teller */
            if (event_is_set(&kicked->is_kicked) || torture_is_over())
                return before;
            cpu_relax();
        }
        is_missed = !read_in(view, &word);
    }
    if (is_missed) {
        uint64_t nothing;

        torture_check(mem_mmio_read(space, 0, sizeof(word), &nothing) == MEM_IS_RAM_NOW ||
                      torture_is_over()); /* the teller waits for us no longer */
        WITH_RCU_READ () {
            torture_check(read_in(view_get(space), &word) || torture_is_over());
        }
        fetch_add_relaxed(&nr_missed, 1);
    }
    torture_check(word == load_relaxed(&told) || torture_is_over());
    store_relaxed(&has_met, true);
    fetch_add_relaxed(&nr_read, 1);
    return word;
}

static void read_what_is_told(struct worker *worker)
{
    struct kicked kicked;
    uint64_t word = 0;

    kicked_init(&kicked);
    rcu_add_force_rcu_notifier(&kicked.notifier);
    while (torture_go_on(worker)) {
        kicked_reset(&kicked);
        word = read_as_a_cpu(&kicked, word);
        store_release(&answered, word); /* pairs with the acquire in wait_for_answer() */
    }
    rcu_remove_force_rcu_notifier(&kicked.notifier);
}

void told_run(void)
{
    nr_read = nr_missed = 0;
    told = answered = 0;
    nr_dma = 1; /* none in this one */
    set_up();
    torture_spawn("teller", map_and_tell, NULL, WORKER_READS);
    torture_spawn("cpu", read_what_is_told, NULL, WORKER_READS);
    torture_join();
    tear_down();
}

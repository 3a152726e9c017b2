/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blobs come and go while processors spin on them with interrupts off: they read and write them,
 * copy from one to another, and run code in them. Released memory is made inaccessible there and
 * then, and taken again only after the other half of its slot's: a host pointer that is kept too
 * long dies by it.
 */
#include <glib.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include "tests/torture/cpu_machine.h"
#include "util/bql.h"

enum { CHUNKS_OF_SLOT = 2, WORDS = GUEST_PAGE / sizeof(uint64_t) };

struct chunk {
    uint64_t *words;
    unsigned slot;
    bool is_mapped; /* atomic */
};

static struct slot {
    struct region *region; /* NULL: a hole */
    unsigned nr_mapped;    /* times */
    uint64_t generation;   /* that is there, or was */
    uint64_t released;     /* atomic */
} slots[NR_SLOTS];

static struct chunk chunks[NR_SLOTS][CHUNKS_OF_SLOT];
static uint64_t newest;                /* generation */
static uint64_t nr_changes, nr_of_ram; /* atomic */

/* ---- One blob ---------------------------------------------------------------------------------
 */

static void fill(uint64_t *words, unsigned slot, uint64_t generation)
{
    const uint64_t token = (uint64_t)(slot + 1) << 32 | generation;

    memset(words, 0, BLOB_BYTES);
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = token;
    guest_write_function((uint8_t *)words + BLOB_CODE - FUNCTION_OFFSET, (uint32_t)generation);
}

/* What processors have left there: only what is written to this slot. */
static void check_written(const struct chunk *chunk)
{
    const uint64_t *written = chunk->words + BLOB_WRITTEN / sizeof(uint64_t);

    for (unsigned i = 0; i < WORDS; i++)
        if (written[i] != 0 && written[i] != chunk->slot + 1)
            torture_fail("slot %u was written %#llx", chunk->slot, (unsigned long long)written[i]);
}

static void host_released(void *opaque)
{
    struct chunk *chunk = opaque;
    struct slot *slot = &slots[chunk->slot];

    torture_check(!bql_is_mine() && !rcu_is_reading());
    torture_check(atomic_xchg(&chunk->is_mapped, false));
    check_written(chunk);
    torture_check(mprotect(chunk->words, BLOB_BYTES, PROT_NONE) == 0);
    store_release(&slot->released, slot->generation); /* pairs with the acquire in is_released() */
}

static void ram_released(void *opaque)
{
    struct slot *slot = opaque;

    store_release(&slot->released, slot->generation); /* as above */
}

static struct region *host_blob(struct slot *slot, unsigned number)
{
    struct chunk *chunk = &chunks[number][slot->nr_mapped % CHUNKS_OF_SLOT];
    struct region *region;

    torture_check(!atomic_xchg(&chunk->is_mapped, true));
    torture_check(mprotect(chunk->words, BLOB_BYTES, PROT_READ | PROT_WRITE) == 0);
    fill(chunk->words, number, slot->generation);
    region = region_new_host(guest.mem, "blob", chunk->words, BLOB_BYTES, false);
    region_on_released(region, host_released, chunk);
    return region;
}

static struct region *ram_blob(struct slot *slot, unsigned number)
{
    g_autoptr(GError) error = NULL;
    struct ram *ram = ram_new(guest.mem, "blob", BLOB_BYTES, &error);
    struct region *region;

    if (!ram)
        torture_fail("%s", error->message);
    fill(ram_pointer(ram, 0, BLOB_BYTES), number, slot->generation);
    region = region_new_ram(guest.mem, "blob", ram, 0, BLOB_BYTES);
    ram_unref(ram);
    region_on_released(region, ram_released, slot);
    fetch_add_relaxed(&nr_of_ram, 1);
    return region;
}

static bool is_released(const struct slot *slot)
{
    return load_acquire(&slot->released) == slot->generation; /* it is out of everybody's hands */
}

/* The slot is free. The guest may be told of it afterwards. */
static void map(unsigned number, uint64_t generation, bool is_ram) REQUIRES(bql)
{
    struct slot *slot = &slots[number];

    slot->generation = generation;
    slot->nr_mapped++;
    store_release(guest_word(NEWEST_AT + 8u * number), generation); /* before it can be seen */
    slot->region = is_ram ? ram_blob(slot, number) : host_blob(slot, number);
    torture_check(
        region_add(guest.root, WINDOW_AT + ((gpa_t)number << SLOT_SHIFT), slot->region, 0, NULL));
    fetch_add_relaxed(&nr_changes, 1);
}

static void unmap(unsigned number) REQUIRES(bql)
{
    struct slot *slot = &slots[number];

    torture_check(region_del(slot->region, NULL));
    region_unref(g_steal_pointer(&slot->region));
}

/* ---- They come and go
 * ------------------------------------------------------------------------------- */

static void take_back(unsigned number)
{
    store_release(guest_word(MAPPED_AT + 8u * number), 0);
}

/* Unmap one, or some at once, and wait until nobody has them: only then the guest is told. */
static void unmap_some(struct worker *worker, unsigned first)
{
    const unsigned nr = torture_one_in(worker, 3) ? 1 + torture_below(worker, 3) : 1;
    bool is_going[NR_SLOTS] = { false };

    WITH_BQL () {
        mem_begin(guest.mem);
        for (unsigned i = 0; i < nr; i++) {
            const unsigned number = (first + i) % NR_SLOTS;

            if (!slots[number].region)
                continue;
            is_going[number] = true;
            take_back(number);
            unmap(number);
        }
        torture_check(mem_commit(guest.mem, NULL));
    }
    if (!torture_one_in(worker, 8))
        force_rcu();
    for (unsigned i = 0; i < NR_SLOTS; i++) {
        while (is_going[i] && !is_released(&slots[i]))
            usleep(20);
        if (is_going[i])
            store_release(guest_word(GONE_AT + 8u * i), slots[i].generation);
    }
}

static void change(struct worker *worker)
{
    while (torture_go_on(worker)) {
        const unsigned number = torture_below(worker, NR_SLOTS);

        if (slots[number].region) {
            unmap_some(worker, number);
        } else {
            WITH_BQL () {
                map(number, ++newest, torture_one_in(worker, 3));
            }
            store_release(guest_word(MAPPED_AT + 8u * number), newest);
        }
        if (torture_one_in(worker, 2))
            usleep(torture_below(worker, 400));
    }
}

/* ---- The runs
 * ------------------------------------------------------------------------------------------ */

static void set_up(void)
{
    guest_make();
    memset(slots, 0, sizeof(slots));
    newest = nr_changes = nr_of_ram = 0;
    for (unsigned i = 0; i < NR_SLOTS; i++)
        for (unsigned k = 0; k < CHUNKS_OF_SLOT; k++) {
            struct chunk *chunk = &chunks[i][k];

            *chunk = (struct chunk){ .slot = i };
            chunk->words = mmap(NULL, BLOB_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            torture_check(chunk->words != MAP_FAILED);
        }
}

static void tear_down(void)
{
    guest_stop();
    WITH_BQL () {
        for (unsigned i = 0; i < NR_SLOTS; i++)
            if (slots[i].region)
                unmap(i);
    }
    guest_end();
    for (unsigned i = 0; i < NR_SLOTS; i++)
        for (unsigned k = 0; k < CHUNKS_OF_SLOT; k++) {
            torture_check(!load_relaxed(&chunks[i][k].is_mapped));
            (void)munmap(chunks[i][k].words, BLOB_BYTES);
        }
    torture_check(nr_changes > 0);
    torture_note("%llu mapped, %llu of them RAM blocks", (unsigned long long)nr_changes,
                 (unsigned long long)nr_of_ram);
}

void blob_run(void)
{
    static const char *const programs[GUEST_CPUS] = { blob_program, blob_program };

    set_up();
    guest_run(programs, change, 1);
    tear_down();
}

/* ---- One maps, tells, another reads
 * ------------------------------------------------------------------------
 */

static void told_map(uint64_t generation) REQUIRES(bql)
{
    map(0, generation, generation % 2);
}

static void told_unmap(void) REQUIRES(bql)
{
    unmap(0);
    force_rcu();
}

static uint64_t told_released(void)
{
    return load_acquire(&slots[0].released); /* as in is_released() */
}

void told_run(void)
{
    static const char *const programs[GUEST_CPUS] = { tell_program, told_program };

    set_up();
    guest.map = told_map;
    guest.unmap = told_unmap;
    guest.released = told_released;
    guest_run(programs, NULL, 0);
    tear_down();
}

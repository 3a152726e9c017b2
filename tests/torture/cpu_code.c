/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors run code that they themselves, others and the host write all the time, or that
 * changes places. Who writes announces the new version afterwards. Who has read the announcement,
 * and has then serialised, must not run an older one; who writes its own code runs it at once.
 */
#include <glib.h>
#include <string.h>

#include "hw/mem/access.h"
#include "hw/mem/code_gate.h"
#include "tests/torture/cpu_machine.h"
#include "util/bql.h"

enum { NR_PLACES = 2 };

static struct ram *places[NR_PLACES];
static struct region *place_regions[NR_PLACES], *aliases[NR_PLACES], *side;
static uint64_t nr_writes, nr_moves; /* atomic */

static uint64_t function_at(unsigned number)
{
    if (number == FUNCTION_ALIAS)
        return ALIAS_AT + FUNCTION_OFFSET;
    return PATCH_AT + (number >= 5 ? GUEST_PAGE : 0) + number * UINT64_C(64) + FUNCTION_OFFSET;
}

static void announce(unsigned number, uint64_t version)
{
    store_release(guest_word(ANNOUNCED_AT + UINT64_C(64) * number), version);
}

/* ---- Written by the host
 * ---------------------------------------------------------------------------- */

static void write_by_dma(unsigned number, uint32_t version)
{
    torture_check(mem_write(guest.memory, function_at(number) + 1, &version, sizeof(version)) ==
                  MEM_OK);
}

static void write_by_pointer(unsigned number, uint32_t version)
{
    const uint64_t at = function_at(number) + 1;

    store_relaxed((uint32_t *)ram_pointer(guest.ram, at, sizeof(version)), version);
    code_gate_written(guest.ram, at, sizeof(version));
}

static void write_code(struct worker *worker)
{
    static const unsigned numbers[] = { 3, 5, FUNCTION_POINTER, 7 };
    uint32_t versions[ARRAY_SIZE(numbers)] = { 0 };

    while (torture_go_on(worker)) {
        const unsigned which = torture_below(worker, ARRAY_SIZE(numbers));
        const unsigned number = numbers[which];
        const uint32_t version = ++versions[which];

        if (number == FUNCTION_POINTER)
            write_by_pointer(number, version);
        else
            write_by_dma(number, version);
        announce(number, version);
        fetch_add_relaxed(&nr_writes, 1);
        torture_spin_ns(torture_below(worker, 30000));
    }
}

/* ---- In memory that changes places
 * --------------------------------------------------------------------- */

static void make_places(void) REQUIRES(bql)
{
    side = region_new_container(guest.mem, "side", NR_PLACES * (uint64_t)GUEST_PAGE);
    for (unsigned i = 0; i < NR_PLACES; i++) {
        places[i] = ram_new(guest.mem, "place", GUEST_PAGE, NULL);
        torture_check(places[i]);
        guest_write_function(ram_pointer(places[i], 0, GUEST_PAGE), 0);
        place_regions[i] = region_new_ram(guest.mem, "place", places[i], 0, GUEST_PAGE);
        torture_check(region_add(side, i * (uint64_t)GUEST_PAGE, place_regions[i], 0, NULL));
        aliases[i] =
            region_new_alias(guest.mem, "alias", side, i * (uint64_t)GUEST_PAGE, GUEST_PAGE);
    }
    torture_check(region_add(guest.root, ALIAS_AT, aliases[0], 0, NULL));
}

static void free_places(void) REQUIRES(bql)
{
    for (unsigned i = 0; i < NR_PLACES; i++) {
        if (region_is_added(aliases[i]))
            torture_check(region_del(aliases[i], NULL));
        region_unref(aliases[i]);
        torture_check(region_del(place_regions[i], NULL));
        region_unref(place_regions[i]);
        ram_unref(places[i]);
    }
    region_unref(side);
}

/* The next version is written where nobody looks; then that is shown instead. */
static void move_code(struct worker *worker)
{
    for (uint32_t version = 1; torture_go_on(worker); version++) {
        const unsigned shown = version % NR_PLACES, hidden = 1 - shown;

        store_relaxed((uint32_t *)ram_pointer(places[shown], FUNCTION_OFFSET + 1, 4), version);
        code_gate_written(places[shown], FUNCTION_OFFSET + 1, sizeof(version));
        WITH_BQL () {
            mem_begin(guest.mem);
            torture_check(region_del(aliases[hidden], NULL));
            torture_check(region_add(guest.root, ALIAS_AT, aliases[shown], 0, NULL));
            torture_check(mem_commit(guest.mem, NULL));
        }
        synchronize_rcu(); /* a view is good until its section ends: memory for memory is no miss */
        announce(FUNCTION_ALIAS, version);
        fetch_add_relaxed(&nr_moves, 1);
        torture_spin_ns(torture_below(worker, 100000));
    }
}

/* ---- The run
 * ---------------------------------------------------------------------------------------------- */

static void work(struct worker *worker)
{
    static unsigned turn;

    if (fetch_add_relaxed(&turn, 1) % 2)
        move_code(worker);
    else
        write_code(worker);
}

static void write_functions(void)
{
    for (unsigned i = 0; i < NR_FUNCTIONS; i++) {
        *guest_word(FUNCTION_AT + UINT64_C(8) * i) = function_at(i);
        if (i != FUNCTION_ALIAS)
            guest_write_function(ram_pointer(guest.ram, function_at(i) - FUNCTION_OFFSET, 64), 0);
    }
    for (unsigned i = 0; i < GUEST_CPUS; i++)
        memcpy(ram_pointer(guest.ram, PATCH_AT + SELF_AT + (uint64_t)SELF_BYTES * i, SELF_BYTES),
               self_code, NR_SELF_VARIANTS << SELF_VARIANT_SHIFT);
}

void code_run(void)
{
    static const char *const programs[GUEST_CPUS] = { code_program, code_program, code_program };
    struct mem_stats stats;

    guest_make();
    nr_writes = nr_moves = 0;
    write_functions();
    WITH_BQL () {
        make_places();
    }
    guest_run(programs, work, 2);
    guest_stop();
    mem_get_stats(guest.mem, &stats);
    torture_check(nr_writes > 0 && nr_moves > 0 && stats.code_touched > 0);
    torture_note("%llu writes and %llu moves by the host, pages dropped %llu times, %llu rounds",
                 (unsigned long long)nr_writes, (unsigned long long)nr_moves,
                 (unsigned long long)stats.code_touched,
                 (unsigned long long)(guest_rounds(0) + guest_rounds(1) + guest_rounds(2)));
    WITH_BQL () {
        free_places();
    }
    guest_end();
}

/* Two processors, one function, and hardly anybody else. */
void patch_run(void)
{
    static const char *const programs[GUEST_CPUS] = { patch_program, patched_program };
    struct mem_stats stats;

    guest_make();
    write_functions();
    guest_run(programs, NULL, 0);
    guest_stop();
    mem_get_stats(guest.mem, &stats);
    torture_check(stats.code_touched > 0);
    torture_note("%llu versions, pages dropped %llu times, run %llu times",
                 (unsigned long long)guest_rounds(0), (unsigned long long)stats.code_touched,
                 (unsigned long long)guest_rounds(1));
    guest_end();
}

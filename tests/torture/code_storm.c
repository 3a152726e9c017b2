/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cached code against stores. "Code" is a page of words, of which each writer has
 * one: it stores the next number, as slow stores or through a fast mapping, and
 * then says so in a signal. A vCPU caches the words; having seen a signal, and
 * then having dropped what the gate's log names, it must not know an older number.
 */
#include <glib.h>
#include <sched.h>
#include <string.h>

#include "hw/mem/code_gate.h"
#include "tests/torture/torture.h"
#include "tests/torture/torture_mem.h"
#include "util/bql.h"

enum { SLOW_WRITERS = 2, WRITERS = SLOW_WRITERS + 1, VCPUS = 2, PAGE = 1, FAST = SLOW_WRITERS };

static struct mem *mem;
static struct ram *ram;
static struct code_gate *gate;
static uint64_t *words; /* of the page, one a granule */

static struct signals {
    CACHE_ALIGNED uint64_t number; /* the word is at least this; atomic */
} signals[WRITERS];

static uint64_t drop_wanted[VCPUS], drop_done[VCPUS]; /* of fast mappings; atomic */
static bool has_met; /* code that was cached and dropped, or nothing was tested; atomic */
static uint64_t nr_marks, nr_drops, nr_fast; /* atomic */

static uint64_t *word_of(unsigned writer)
{
    return &words[writer * CODE_GRANULE / sizeof(*words)];
}

/* ---- Writers ------------------------------------------------------------------------------- */

static void say(unsigned writer, uint64_t number)
{
    store_release(&signals[writer].number, number); /* pairs with the acquire in check_cache() */
}

static void write_slowly(struct worker *worker)
{
    unsigned self = (unsigned)(uintptr_t)worker->opaque;
    uint64_t offset = PAGE * RAM_PAGE + self * CODE_GRANULE;

    for (uint64_t number = 1; torture_go_on(worker); number++) {
        if (torture_one_in(worker, 4)) {
            (void)atomic_xchg(word_of(self), number);
            code_gate_written_locked_op(ram, offset, sizeof(*words));
        } else {
            store_relaxed(word_of(self), number);
            code_gate_written(ram, offset, sizeof(*words));
        }
        say(self, number);
        for (unsigned i = torture_below(worker, 64); i > 0; i--)
            cpu_relax();
    }
}

/* What a kick makes a vCPU do: drop its fast mappings, and say that it has. */
static bool drops_mappings(void)
{
    bool is_dropped = false;

    for (unsigned i = 0; i < VCPUS; i++) {
        uint64_t wanted = load_acquire(&drop_wanted[i]);

        is_dropped |= wanted != drop_done[i];
        store_release(&drop_done[i], wanted); /* pairs with the acquire in wait_for_drops() */
    }
    return is_dropped;
}

static void write_fast(struct worker *worker)
{
    bool is_fast = false;

    for (uint64_t number = 1; torture_go_on(worker); number++) {
        /* As a vCPU, which takes its kicks between blocks: some stores later. */
        if (torture_one_in(worker, 16) && drops_mappings())
            is_fast = false;
        if (!is_fast)
            is_fast = code_gate_want_write(ram, PAGE);
        store_relaxed(word_of(FAST), number);
        if (!is_fast)
            code_gate_written(ram, PAGE * RAM_PAGE + FAST * CODE_GRANULE, sizeof(*words));
        say(FAST, number);
        fetch_add_relaxed(&nr_fast, is_fast);
        for (unsigned i = torture_below(worker, 64); i > 0; i--)
            cpu_relax();
    }
    while (!torture_is_over() || load_relaxed(&drop_wanted[0]) != drop_done[0] ||
           load_relaxed(&drop_wanted[1]) != drop_done[1])
        (void)drops_mappings();
}

/* ---- Virtual CPUs ---------------------------------------------------------------------------- */

struct vcpu {
    unsigned number;
    bool has_code;
    uint64_t cached[WRITERS];
    uint64_t sequence; /* changes up to it are dealt with */
};

static void wait_for_drops(unsigned self)
{
    uint64_t wanted = load_relaxed(&drop_wanted[self]) + 1;

    store_release(&drop_wanted[self], wanted);
    while (load_acquire(&drop_done[self]) != wanted && !torture_is_over())
        sched_yield(); /* acquire: what was stored through the mapping is seen */
}

static void cache_code(struct vcpu *vcpu)
{
    uint64_t ticket;

    if (code_gate_mark(ram, PAGE, (UINT64_C(1) << WRITERS) - 1, &ticket)) {
        wait_for_drops(vcpu->number);
        if (torture_is_over())
            return;
        code_gate_dropped(ram, PAGE, ticket);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        vcpu->cached[i] = load_relaxed(word_of(i));
    vcpu->has_code = true;
    fetch_add_relaxed(&nr_marks, 1);
}

static void drop_changed(struct vcpu *vcpu)
{
    struct code_change changes[CODE_GATE_LOG];
    unsigned nr;

    if (code_gate_sequence(gate) == vcpu->sequence)
        return;
    if (!code_gate_changes(gate, vcpu->sequence, changes, &nr, &vcpu->sequence))
        vcpu->has_code = false;
    for (unsigned i = 0; i < nr; i++) {
        torture_check(changes[i].ram == ram && changes[i].page == PAGE);
        vcpu->has_code = false;
    }
    fetch_add_relaxed(&nr_drops, 1);
    store_relaxed(&has_met, true);
}

static void check_cache(struct vcpu *vcpu)
{
    uint64_t said[WRITERS];

    for (unsigned i = 0; i < WRITERS; i++)
        said[i] = load_acquire(&signals[i].number);
    drop_changed(vcpu);
    for (unsigned i = 0; vcpu->has_code && i < WRITERS; i++) {
        if (vcpu->cached[i] < said[i])
            torture_fail("vCPU %u runs word %u of %llu, and was told of %llu", vcpu->number, i,
                         (unsigned long long)vcpu->cached[i], (unsigned long long)said[i]);
    }
}

static void run_code(struct worker *worker)
{
    struct vcpu vcpu = { .number = (unsigned)(uintptr_t)worker->opaque };

    while (torture_go_on(worker)) {
        check_cache(&vcpu);
        if (!vcpu.has_code && torture_one_in(worker, 2))
            cache_code(&vcpu);
    }
}

/* ---- The run -----------------------------------------------------------------------------------
 */

static void set_up(void)
{
    g_autoptr(GError) error = NULL;

    mem = mem_new();
    ram = ram_new(mem, "code", 4 * RAM_PAGE, &error);
    torture_check(ram);
    gate = mem_code_gate(mem);
    words = ram_pointer(ram, PAGE * RAM_PAGE, RAM_PAGE);
    memset(signals, 0, sizeof(signals));
    has_met = false;
    torture.has_met = &has_met;
}

static void tear_down(void)
{
    torture_join();
    torture.has_met = NULL;
    torture_check(nr_marks > 0 && nr_drops > 0);
    torture_note("%llu times cached, %llu dropped, %llu fast stores", (unsigned long long)nr_marks,
                 (unsigned long long)nr_drops, (unsigned long long)nr_fast);
    ram_unref(ram);
    mem_free(mem);
}

void code_run(void)
{
    set_up();
    for (uintptr_t i = 0; i < SLOW_WRITERS; i++)
        torture_spawn("slow", write_slowly, (void *)i, 0);
    torture_spawn("fast", write_fast, NULL, 0);
    for (uintptr_t i = 0; i < VCPUS; i++)
        torture_spawn("vcpu", run_code, (void *)i, 0);
    tear_down();
}

/* Two processors, at the same thing at the same time: what one of them has in its store buffer. */
void code_race_run(void)
{
    set_up();
    torture_spawn_pinned("slow", write_slowly, NULL, WORKER_PINNED, 0);
    torture_spawn_pinned("vcpu", run_code, NULL, WORKER_PINNED, 1);
    tear_down();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The memory map against a naive model, which looks every address up in the tree
 * of regions itself.
 *
 * Input: operations, each a byte and its parameters: make, place, take out, move,
 * switch and forget regions, open and close transactions, let the listener refuse,
 * keep an old view. After each commit that counts, the whole view, what it says it
 * has changed, and what the listener was told are compared with the model; an old
 * view must still be what it was.
 */
#include <assert.h>
#include <glib.h>
#include <string.h>

#include "hw/mem/listener.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/target.h"
#include "util/start.h"

enum {
    UNIT = RAM_PAGE, /* sizes and offsets are multiples of it */
    UNITS = 64,      /* of the space */
    REGIONS = 10,
    STEPS = 1000,
    SNAPSHOTS = 8,
    TOLD = UNITS + 1,
    NONE = -1,
};

/* ---- The model ----------------------------------------------------------------------- */

struct model_region {
    bool is_alive, is_enabled;
    enum region_kind kind;
    unsigned size, offset, target_offset; /* in units */
    int container, target, priority;
    unsigned sequence;
};

struct model {
    struct model_region regions[REGIONS]; /* number 0 is the root */
    unsigned next_sequence;
};

struct answer {
    int region; /* NONE: nobody */
    unsigned offset;
};

static struct answer ask(const struct model *model, int number, unsigned offset);

static bool is_in_front(const struct model_region *a, const struct model_region *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->sequence > b->sequence;
}

/* The child in front of all that have not been asked; asked children are marked in @asked. */
static int next_child(const struct model *model, int container, unsigned offset, bool *asked)
{
    int best = NONE;

    for (int i = 1; i < REGIONS; i++) {
        const struct model_region *child = &model->regions[i];

        if (asked[i] || !child->is_alive || child->container != container)
            continue;
        if (offset < child->offset || offset >= child->offset + child->size)
            continue;
        if (best == NONE || is_in_front(child, &model->regions[best]))
            best = i;
    }
    if (best != NONE)
        asked[best] = true;
    return best;
}

static struct answer ask_children(const struct model *model, int number, unsigned offset)
{
    bool asked[REGIONS] = { false };
    struct answer nobody = { NONE, 0 };
    int child;

    while ((child = next_child(model, number, offset, asked)) != NONE) {
        struct answer answer = ask(model, child, offset - model->regions[child].offset);

        if (answer.region != NONE)
            return answer;
    }
    return nobody;
}

static struct answer ask(const struct model *model, int number, unsigned offset)
{
    const struct model_region *region = &model->regions[number];

    if (!region->is_enabled || offset >= region->size)
        return (struct answer){ NONE, 0 };
    if (region->kind == REGION_CONTAINER)
        return ask_children(model, number, offset);
    if (region->kind == REGION_ALIAS)
        return ask(model, region->target, region->target_offset + offset);
    return (struct answer){ number, offset };
}

/* Whether @outer shows inside itself what shows @inner. */
static bool reaches(const struct model *model, int outer, int inner)
{
    if (outer == inner)
        return true;
    for (int i = 0; i < REGIONS; i++) {
        const struct model_region *region = &model->regions[i];

        if (region->is_alive && region->container == outer && reaches(model, i, inner))
            return true;
    }
    return model->regions[outer].kind == REGION_ALIAS &&
           reaches(model, model->regions[outer].target, inner);
}

/* ---- What is tested -------------------------------------------------------------------- */

struct told {
    gpa_t start;
    uint64_t size;
    const struct region *region;
    uint64_t offset;
};

struct setup {
    struct input input;
    struct model model, saved; /* as it was when the transaction was opened */
    struct mem *mem;
    struct region *regions[REGIONS];
    struct space *space;
    unsigned depth;

    struct mem_listener listener;
    struct told told[TOLD];
    unsigned nr_told, refuse_in; /* 0: never; else the nth add() from now */

    struct answer snapshots[SNAPSHOTS][UNITS]; /* by generation */
    const struct view *pinned;                 /* while in a section; or NULL */
    struct answer pinned_was[UNITS];
};

static void on_del(struct mem_listener *listener, const struct range *range)
{
    struct setup *setup = container_of(listener, struct setup, listener);

    for (unsigned i = 0; i < setup->nr_told; i++) {
        const struct told *told = &setup->told[i];

        if (told->start == range->start && told->size == range->size &&
            told->region == range->region && told->offset == range->region_offset) {
            setup->told[i] = setup->told[--setup->nr_told];
            return;
        }
    }
    assert(!"a range is deleted that was not added");
}

static bool on_add(struct mem_listener *listener, const struct range *range,
                   GError **error G_GNUC_UNUSED)
{
    struct setup *setup = container_of(listener, struct setup, listener);

    assert(range->kind != RANGE_HOLE && range->region);
    if (setup->refuse_in && --setup->refuse_in == 0)
        return false;
    for (unsigned i = 0; i < setup->nr_told; i++) {
        const struct told *told = &setup->told[i];

        assert(range->start + range->size <= told->start ||
               told->start + told->size <= range->start);
    }
    assert(setup->nr_told < TOLD);
    setup->told[setup->nr_told++] =
        (struct told){ range->start, range->size, range->region, range->region_offset };
    return true;
}

/* ---- Comparison -------------------------------------------------------------------------- */

static int number_of(const struct setup *setup, const struct region *region)
{
    for (int i = 0; i < REGIONS; i++) {
        if (region && setup->regions[i] == region)
            return i;
    }
    return NONE;
}

static void check_range(const struct setup *setup, const struct range *range,
                        const struct answer *answer, gpa_t gpa)
{
    uint64_t skipped = gpa - range->start;

    assert(gpa >= range->start && skipped < range->size);
    assert((range->region != NULL) == (answer->region != NONE));
    assert((range->kind == RANGE_HOLE) == (answer->region == NONE));
    if (answer->region == NONE)
        return;
    assert(number_of(setup, range->region) == answer->region);
    assert(range->region_offset + skipped == answer->offset * (uint64_t)UNIT);
    assert((range->host != NULL) == (range->kind != RANGE_MMIO));
}

struct walk {
    gpa_t at;
    const struct range *last;
    unsigned nr_answering;
    size_t nr;
};

/* Without gaps, and nothing in two pieces that is one. */
static void check_neighbours(const struct range *range, void *arg)
{
    struct walk *walk = arg;
    const struct range *last = walk->last;

    assert(range->start == walk->at && range->size > 0);
    if (last && last->region == range->region)
        assert(range->region && last->region_offset + last->size != range->region_offset);
    walk->at += range->size;
    walk->last = range;
    walk->nr++;
    walk->nr_answering += range->region != NULL;
}

static bool is_listed(const struct mem_extent *extents, unsigned nr, unsigned unit)
{
    for (unsigned i = 0; i < nr; i++) {
        if (unit * (gpa_t)UNIT - extents[i].start < extents[i].size)
            return true;
    }
    return false;
}

static void check_changes(const struct setup *setup, const struct view *view, uint64_t since)
    REQUIRES_SHARED(rcu)
{
    const struct answer *now = setup->snapshots[view_generation(view) % SNAPSHOTS];
    const struct answer *then = setup->snapshots[since % SNAPSHOTS];
    struct mem_extent extents[VIEW_CHANGES];
    bool is_last = since + 1 == view_generation(view);
    unsigned nr;

    if (!view_changes(view, since, extents, &nr)) {
        assert(!is_last); /* 64 extents cannot be of one commit here: 64 units */
        return;
    }
    for (unsigned unit = 0; unit < UNITS; unit++) {
        bool differs = memcmp(&now[unit], &then[unit], sizeof(*now)) != 0;

        assert(!differs || is_listed(extents, nr, unit));
        assert(!is_last || differs == is_listed(extents, nr, unit));
    }
}

static void check_view(struct setup *setup)
{
    RCU_READ_GUARD();
    const struct view *view = view_get(setup->space);
    uint64_t generation = view_generation(view);
    struct answer *answers = setup->snapshots[generation % SNAPSHOTS];
    struct walk walk = { .at = 0 };

    for (unsigned unit = 0; unit < UNITS; unit++) {
        gpa_t gpa = unit * (gpa_t)UNIT;

        answers[unit] = ask(&setup->model, 0, unit);
        check_range(setup, view_find(view, gpa), &answers[unit], gpa);
        assert(view_find(view, gpa) == view_find(view, gpa + UNIT - 1));
    }
    view_for_each(view, check_neighbours, &walk);
    assert(walk.at == UNITS * (gpa_t)UNIT && walk.nr == view_nr_ranges(view));
    assert(walk.nr_answering == setup->nr_told);
    for (unsigned i = 0; i < setup->nr_told; i++) {
        const struct range *range = view_find(view, setup->told[i].start);

        assert(range->start == setup->told[i].start && range->size == setup->told[i].size);
    }
    for (uint64_t since = generation; since > 1 && since + SNAPSHOTS - 1 > generation; since--)
        check_changes(setup, view, since - 1);
}

static void check_pinned(const struct setup *setup) NO_THREAD_SAFETY /* in a section */
{
    for (unsigned unit = 0; unit < UNITS; unit++)
        check_range(setup, view_find(setup->pinned, unit * (gpa_t)UNIT), &setup->pinned_was[unit],
                    unit * (gpa_t)UNIT);
}

/* ---- Operations ---------------------------------------------------------------------------- */

static void begin(struct setup *setup) REQUIRES(bql)
{
    if (setup->depth++ == 0)
        setup->saved = setup->model;
    mem_begin(setup->mem);
}

static void commit(struct setup *setup) REQUIRES(bql)
{
    bool is_done = mem_commit(setup->mem, NULL);

    if (--setup->depth > 0) {
        assert(is_done);
        return;
    }
    if (!is_done)
        setup->model = setup->saved;
    check_view(setup);
}

static bool is_target(const struct setup *setup, int number)
{
    for (int i = 1; i < REGIONS; i++) {
        const struct model_region *other = &setup->model.regions[i];

        if (other->is_alive && (other->container == number || other->target == number))
            return true;
    }
    return false;
}

static uint8_t memory[UNITS * UNIT] __attribute__((aligned(UNIT)));
static const struct mmio_ops no_ops;

/* @more: an alias's target and where in it. */
static void make(struct setup *setup, int number, enum region_kind kind, unsigned size,
                 unsigned more) REQUIRES(bql)
{
    struct model_region *model = &setup->model.regions[number];
    int target = (int)more % REGIONS;
    unsigned first = 0;

    if (model->is_alive || setup->depth || setup->pinned)
        return;
    if (kind == REGION_ALIAS) {
        const struct model_region *whole = &setup->model.regions[target];

        if (!whole->is_alive)
            return;
        first = more % whole->size;
        size = MIN(size, whole->size - first);
        setup->regions[number] = region_new_alias(setup->mem, "alias", setup->regions[target],
                                                  first * (uint64_t)UNIT, size * (uint64_t)UNIT);
    } else if (kind == REGION_CONTAINER) {
        setup->regions[number] = region_new_container(setup->mem, "box", size * (uint64_t)UNIT);
    } else if (kind == REGION_MMIO) {
        setup->regions[number] =
            region_new_mmio(setup->mem, "mmio", size * (uint64_t)UNIT, &no_ops, NULL);
    } else {
        setup->regions[number] =
            region_new_host(setup->mem, "ram", memory, size * (uint64_t)UNIT, kind == REGION_ROM);
    }
    *model = (struct model_region){
        .is_alive = true,
        .is_enabled = true,
        .kind = kind,
        .size = size,
        .target_offset = first,
        .target = kind == REGION_ALIAS ? target : NONE,
        .container = NONE,
    };
}

static void make_any(struct setup *setup, int number) REQUIRES(bql)
{
    enum region_kind kind = take(&setup->input) % 5;
    unsigned size = 1 + take(&setup->input) % UNITS;

    make(setup, number, kind, size, take(&setup->input));
}

static void place(struct setup *setup, int number) REQUIRES(bql)
{
    int container = take(&setup->input) % 16 % REGIONS % 4; /* mostly what set_up() makes */
    unsigned offset = take(&setup->input) % (UNITS + 2);
    int priority = take(&setup->input) % 3 - 1;
    struct model_region *model = &setup->model.regions[number];

    if (!model->is_alive || model->container != NONE || number == 0)
        return;
    if (!setup->model.regions[container].is_alive ||
        setup->model.regions[container].kind != REGION_CONTAINER ||
        reaches(&setup->model, number, container))
        return;
    begin(setup);
    model->container = container;
    model->offset = offset;
    model->priority = priority;
    model->sequence = setup->model.next_sequence++;
    assert(region_add(setup->regions[container], offset * (uint64_t)UNIT, setup->regions[number],
                      priority, NULL));
    commit(setup);
}

static void take_out(struct setup *setup, int number) REQUIRES(bql)
{
    if (!setup->model.regions[number].is_alive || setup->model.regions[number].container == NONE)
        return;
    begin(setup);
    setup->model.regions[number].container = NONE;
    assert(region_del(setup->regions[number], NULL));
    commit(setup);
}

static void move(struct setup *setup, int number) REQUIRES(bql)
{
    unsigned offset = take(&setup->input) % (UNITS + 2);

    if (!setup->model.regions[number].is_alive || setup->model.regions[number].container == NONE)
        return;
    begin(setup);
    setup->model.regions[number].offset = offset;
    assert(region_move(setup->regions[number], offset * (uint64_t)UNIT, NULL));
    commit(setup);
}

static void enable(struct setup *setup, int number) REQUIRES(bql)
{
    bool is_enabled = take(&setup->input) & 1;

    if (!setup->model.regions[number].is_alive)
        return;
    begin(setup);
    setup->model.regions[number].is_enabled = is_enabled;
    assert(region_set_enabled(setup->regions[number], is_enabled, NULL));
    commit(setup);
}

static void forget(struct setup *setup, int number) REQUIRES(bql)
{
    struct model_region *model = &setup->model.regions[number];

    if (!model->is_alive || number == 0 || setup->depth || setup->pinned)
        return;
    if (model->container != NONE || is_target(setup, number))
        return;
    model->is_alive = false;
    region_unref(g_steal_pointer(&setup->regions[number]));
    for (unsigned i = 0; i < SNAPSHOTS; i++) { /* its number may be another's from now on */
        for (unsigned unit = 0; unit < UNITS; unit++) {
            if (setup->snapshots[i][unit].region == number)
                setup->snapshots[i][unit].region += REGIONS;
        }
    }
}

static void pin(struct setup *setup) NO_THREAD_SAFETY /* a section over several operations */
{
    if (setup->pinned) {
        check_pinned(setup);
        setup->pinned = NULL;
        rcu_read_unlock();
        return;
    }
    if (setup->depth)
        return;
    rcu_read_lock();
    setup->pinned = view_get(setup->space);
    for (unsigned unit = 0; unit < UNITS; unit++)
        setup->pinned_was[unit] = ask(&setup->model, 0, unit);
}

static void step(struct setup *setup) REQUIRES(bql)
{
    uint8_t what = take(&setup->input);
    int number = take(&setup->input) % REGIONS;

    if (what < 16)
        make_any(setup, number);
    else if (what < 90)
        place(setup, number);
    else if (what < 110)
        take_out(setup, number);
    else if (what < 180)
        move(setup, number);
    else if (what < 196)
        enable(setup, number);
    else if (what < 206)
        forget(setup, number);
    else if (what < 216 && setup->depth < 3)
        begin(setup);
    else if (what < 236 && setup->depth)
        commit(setup);
    else if (what < 246)
        setup->refuse_in = 1 + number;
    else
        pin(setup);
}

/* ---- From beginning to end ------------------------------------------------------------------ */

static void set_up(struct setup *setup) REQUIRES(bql)
{
    setup->mem = mem_new();
    setup->regions[0] = region_new_container(setup->mem, "root", UNITS * (uint64_t)UNIT);
    setup->model.regions[0] = (struct model_region){
        .is_alive = true,
        .is_enabled = true,
        .kind = REGION_CONTAINER,
        .size = UNITS,
        .container = NONE,
        .target = NONE,
    };
    for (int i = 1; i < REGIONS; i++)
        setup->model.regions[i] =
            (struct model_region){ .size = 1, .container = NONE, .target = NONE };
    setup->space = space_new(setup->mem, "space", setup->regions[0]);
    /* Something to begin with: random inputs are seldom good at making it. */
    make(setup, 1, REGION_CONTAINER, 32, 0);
    make(setup, 2, REGION_CONTAINER, 8, 0);
    make(setup, 3, REGION_CONTAINER, UNITS, 0);
    make(setup, 4, REGION_RAM, 20, 0);
    make(setup, 5, REGION_MMIO, 1, 0);
    make(setup, 6, REGION_ROM, 3, 0);
    make(setup, 7, REGION_ALIAS, 16, 1 + REGIONS); /* of 1, from 11 on */
    make(setup, 8, REGION_ALIAS, 5, 4);            /* of 4, from 4 on */
    setup->listener = (struct mem_listener){ .name = "model", .del = on_del, .add = on_add };
    assert(space_add_listener(setup->space, &setup->listener, NULL));
    check_view(setup);
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    bool is_any_left = true;

    while (setup->depth)
        commit(setup);
    if (setup->pinned)
        pin(setup);
    setup->refuse_in = 0;
    begin(setup);
    for (int i = 1; i < REGIONS; i++)
        take_out(setup, i);
    commit(setup);
    while (is_any_left) { /* aliases before their targets */
        is_any_left = false;
        for (int i = 1; i < REGIONS; i++) {
            forget(setup, i);
            is_any_left |= setup->model.regions[i].is_alive;
        }
    }
    space_del_listener(setup->space, &setup->listener);
    assert(setup->nr_told == 0);
    space_free(setup->space);
    region_unref(setup->regions[0]);
    drain_call_rcu();
    mem_free(setup->mem); /* asserts that nothing is left */
}

static void run(struct setup *setup) REQUIRES(bql)
{
    set_up(setup);
    for (unsigned i = 0; i < STEPS && setup->input.left > 0; i++)
        step(setup);
    tear_down(setup);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    static bool is_started;
    struct setup *setup = g_new0(struct setup, 1);

    if (!is_started)
        assert(util_start(NULL) == 0);
    is_started = true;
    setup->input = (struct input){ data, size };
    run(setup);
    g_free(setup);
    return 0;
}

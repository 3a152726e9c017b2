/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timers in a binary heap, earliest first. Places count from 1, so that a
 * timer of zero bytes is not in it, and the children of n are 2n and 2n + 1.
 */
#include <glib.h>

#include "util/clock.h"
#include "util/futex.h"
#include "util/loop.h"
#include "util/loop_internal.h"

static struct {
    struct loop_timer **slots; /* slots[0] is not used */
    unsigned nr;
    unsigned capacity;
} heap GUARDED_BY(bql);

/* While timers run: the time up to which they do. */
static int64_t running_ns GUARDED_BY(bql) = INT64_MIN;

static void put(struct loop_timer *timer, unsigned place) REQUIRES(bql)
{
    heap.slots[place] = timer;
    timer->place = place;
}

static void move_up(struct loop_timer *timer, unsigned place) REQUIRES(bql)
{
    while (place > 1 && timer->deadline_ns < heap.slots[place / 2]->deadline_ns) {
        put(heap.slots[place / 2], place);
        place /= 2;
    }
    put(timer, place);
}

static void move_down(struct loop_timer *timer, unsigned place) REQUIRES(bql)
{
    for (;;) {
        unsigned child = 2 * place;

        if (child + 1 <= heap.nr &&
            heap.slots[child + 1]->deadline_ns < heap.slots[child]->deadline_ns)
            child++;
        if (child > heap.nr || timer->deadline_ns <= heap.slots[child]->deadline_ns)
            break;
        put(heap.slots[child], place);
        place = child;
    }
    put(timer, place);
}

static void heap_remove(struct loop_timer *timer) REQUIRES(bql)
{
    struct loop_timer *last = heap.slots[heap.nr--];
    unsigned place = timer->place;

    timer->place = 0;
    if (last == timer)
        return;
    move_up(last, place);
    move_down(last, last->place);
}

static void heap_insert(struct loop_timer *timer) REQUIRES(bql)
{
    if (heap.nr + 1 >= heap.capacity) {
        heap.capacity = heap.capacity ? 2 * heap.capacity : 16;
        heap.slots = g_renew(struct loop_timer *, heap.slots, heap.capacity);
    }
    heap.nr++;
    move_up(timer, heap.nr);
}

void loop_timer_set(struct loop_timer *timer, int64_t deadline_ns)
{
    if (timer->place)
        heap_remove(timer);
    if (deadline_ns == DEADLINE_NEVER)
        return;
    /* Set while timers run, it is for the next turn: else one that always sets itself into the
     * past would keep all others from running. */
    timer->deadline_ns = deadline_ns > running_ns ? deadline_ns : running_ns + 1;
    heap_insert(timer);
    loop_wake_before(deadline_ns);
}

int64_t loop_timers_next(void)
{
    return heap.nr ? heap.slots[1]->deadline_ns : DEADLINE_NEVER;
}

static gboolean timers_check(GSource *source UNUSED)
{
    bql_assert_held();
    return heap.nr && heap.slots[1]->deadline_ns <= monotonic_ns();
}

static gboolean timers_prepare(GSource *source, gint *ret_timeout_ms)
{
    *ret_timeout_ms = -1; /* the poll function knows better: it counts nanoseconds */
    return timers_check(source);
}

static gboolean timers_dispatch(GSource *source UNUSED, GSourceFunc fn UNUSED, gpointer arg UNUSED)
{
    int64_t now_ns = monotonic_ns();
    int64_t end_ns = deadline_after_ns(now_ns, LOOP_BATCH_NS);
    int64_t outer_ns; /* a timer's function may iterate the context */

    bql_assert_held();
    outer_ns = running_ns;
    running_ns = now_ns;
    while (heap.nr && heap.slots[1]->deadline_ns <= now_ns) {
        struct loop_timer *timer = heap.slots[1];

        heap_remove(timer);
        timer->fn(timer);
        if (monotonic_ns() >= end_ns)
            break;
    }
    running_ns = outer_ns;
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs timers_funcs = {
    .prepare = timers_prepare,
    .check = timers_check,
    .dispatch = timers_dispatch,
};

GSource *loop_timers_source_new(void)
{
    GSource *source = g_source_new(&timers_funcs, sizeof(GSource));

    g_source_set_name(source, "timers");
    g_source_set_can_recurse(source, TRUE);
    return source;
}

void loop_timers_fini(void)
{
    for (unsigned i = 1; i <= heap.nr; i++)
        heap.slots[i]->place = 0;
    g_free(heap.slots);
    heap.slots = NULL;
    heap.nr = heap.capacity = 0;
}

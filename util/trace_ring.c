/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Position p of a ring's endless sequence lies in slot p % size, in lap p / size. The slot's `turn`
 * says whose it is: 2 * lap, and it is free for whoever writes p; 2 * lap + 1, and it is there to
 * be read; the reader then adds one. So zeroes are an empty ring. Writers take positions by
 * compare-and-swap: a signal handler may interrupt a writer, and threads may share a ring. The
 * reader waits for the slowest.
 */
#include "util/trace_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/clock.h"

struct ring {
    uint64_t head; /* the next position to be written; atomic */
    uint64_t lost; /* atomic */
    uint32_t lost_thread;
    CACHE_ALIGNED uint64_t tail; /* the next to be read; the reader's, atomic */
} CACHE_ALIGNED;

CACHE_ALIGNED uint8_t trace_is_on[TRACE_FLAGS];
struct event trace_rings_news;

static struct ring rings[TRACE_RINGS];
static struct trace_event *slots; /* of all rings; set before a point is switched on */
static uint64_t ring_size;
static uint32_t session;    /* of trace_rings_start(); atomic */
static uint32_t nr_threads; /* that have come, in this session; atomic */

/* A signal handler may find it half done, and then does it again: a ring more is used. */
static __thread struct {
    uint32_t session;
    uint32_t thread;
    unsigned ring;
} self;

static struct trace_event *slot_of(unsigned index, uint64_t position)
{
    return &slots[index * ring_size + position % ring_size];
}

/* When the slot of @position is free to be written. */
static uint64_t turn_of(uint64_t position)
{
    return 2 * (position / ring_size);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A slot, and its position; NULL: the ring is full. */
static struct trace_event *take_slot(unsigned index, uint64_t *ret_position)
{
    struct ring *ring = &rings[index];
    uint64_t position = load_relaxed(&ring->head);

    for (;;) {
        struct trace_event *slot = slot_of(index, position);
        /* acquire: pairs with the release in trace_ring_take(): it has been read */
        const int64_t ahead = (int64_t)(load_acquire(&slot->turn) - turn_of(position));

        if (ahead < 0)
            return NULL;
        if (ahead > 0) /* somebody else has just taken it */
            position = load_relaxed(&ring->head);
        else if (atomic_cas(&ring->head, &position, position + 1)) {
            *ret_position = position;
            return slot;
        }
    }
}

static void put(const struct trace_event *event)
{
    struct ring *ring = &rings[self.ring];
    uint64_t position;
    struct trace_event *slot = take_slot(self.ring, &position);

    if (!slot) {
        store_relaxed(&ring->lost_thread, event->thread);
        (void)fetch_add_relaxed(&ring->lost, 1);
        return;
    }
    slot->at_ns = event->at_ns;
    memcpy(slot->args, event->args, sizeof(slot->args));
    slot->thread = event->thread;
    slot->point = event->point;
    store_release(&slot->turn, turn_of(position) + 1); /* pairs with trace_ring_take() */
    if (position - load_relaxed(&ring->tail) == ring_size / 2)
        event_set(&trace_rings_news);
}

static void introduce_thread(uint32_t now)
{
    struct trace_event event = { .point = TRACE_POINT_NAME, .at_ns = monotonic_ns() };
    char name[2 * sizeof(event.args[0])] = "main";

    self.thread = event.thread = (uint32_t)gettid();
    self.ring = fetch_add_relaxed(&nr_threads, 1) % TRACE_RINGS;
    self.session = now;
    if (gettid() != getpid())
        (void)prctl(PR_GET_NAME, name); /* cannot fail; at most 16 bytes with their end */
    memcpy(event.args, name, sizeof(name));
    put(&event);
}

void trace_record(enum trace_point point, int64_t at_ns, uint64_t a, uint64_t b, uint64_t c,
                  uint64_t d, uint64_t e)
{
    const int saved_errno = errno;               /* of what a signal handler has interrupted */
    const uint32_t now = load_acquire(&session); /* pairs with trace_rings_start(): its slots */
    struct trace_event event = {
        .at_ns = at_ns ? at_ns : monotonic_ns(),
        .args = { a, b, c, d, e },
        .point = point,
    };

    if (self.session != now)
        introduce_thread(now);
    event.thread = self.thread;
    put(&event);
    errno = saved_errno;
}

/* ---- Reading --------------------------------------------------------------------------------- */

bool trace_ring_take(unsigned index, struct trace_event *ret_event)
{
    struct ring *ring = &rings[index];
    const uint64_t position = ring->tail;
    struct trace_event *slot = slot_of(index, position);

    if (load_acquire(&slot->turn) != turn_of(position) + 1) /* pairs with put() */
        return false;
    *ret_event =
        (struct trace_event){ .at_ns = slot->at_ns, .thread = slot->thread, .point = slot->point };
    memcpy(ret_event->args, slot->args, sizeof(slot->args));
    store_release(&slot->turn, turn_of(position) + 2); /* pairs with take_slot() */
    store_relaxed(&ring->tail, position + 1);
    return true;
}

uint64_t trace_ring_take_lost(unsigned index, uint32_t *ret_thread)
{
    const uint64_t lost = atomic_xchg(&rings[index].lost, 0);

    if (lost)
        *ret_thread = load_relaxed(&rings[index].lost_thread);
    return lost;
}

uint64_t trace_ring_nr_unfinished(unsigned index)
{
    return load_relaxed(&rings[index].head) - rings[index].tail;
}

void trace_rings_switch(const uint8_t *is_on)
{
    for (unsigned i = 0; i < NR_TRACE_POINTS; i++)
        store_relaxed(&trace_is_on[i], is_on ? is_on[i] : 0);
}

static void drop_all(void)
{
    struct trace_event event;
    uint32_t thread;

    for (unsigned i = 0; i < TRACE_RINGS; i++) {
        while (trace_ring_take(i, &event))
            continue;
        (void)trace_ring_take_lost(i, &thread); /* another session's */
    }
}

int trace_rings_start(unsigned nr_events)
{
    const size_t bytes = (size_t)TRACE_RINGS * nr_events * sizeof(*slots);
    void *fresh;

    if (nr_events == ring_size) {
        drop_all();
    } else {
        fresh = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (fresh == MAP_FAILED)
            return -errno;
        slots = fresh; /* what was before stays: somebody may still write there */
        ring_size = nr_events;
        memset(rings, 0, sizeof(rings));
    }
    store_relaxed(&nr_threads, 0);
    event_reset(&trace_rings_news);
    store_release(&session, session + 1); /* pairs with trace_record() */
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Template: the loops of a scheme's callbacks. Included once by each scheme's
 * file, after peer_loops.h and after it has defined
 *   PEER_CALL(head, func, size)   queue @func(@head), of an object of @size bytes
 */
#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "util/clock.h"

enum { OBJECT_BYTES = 64, PEEK_EVERY = 256 };

struct stamped {
    struct rcu_head head;
    struct stamp *stamp;
};

static void run_stamp(struct rcu_head *head)
{
    struct stamped *stamped = container_of(head, struct stamped, head);

    /* release: pairs with the acquire of whoever looks, and frees or reuses the stamp */
    store_release(&stamped->stamp->ran_ns, monotonic_ns());
    free(stamped);
}

static void loop_call_stamp(struct stamp *stamp)
{
    struct stamped *stamped = malloc(sizeof(*stamped));

    assert(stamped);
    store_relaxed(&stamp->ran_ns, 0);
    stamped->stamp = stamp;
    PEER_CALL(&stamped->head, run_stamp, sizeof(*stamped));
}

struct object {
    struct rcu_head head;
    char payload[OBJECT_BYTES - sizeof(struct rcu_head)];
};
_Static_assert(sizeof(struct object) == OBJECT_BYTES, "the size that design.md §4 names");

/* The callbacks' side: on a line of its own, which the producer reads now and then. */
static struct {
    CACHE_ALIGNED unsigned long freed; /* atomic; written by the callback thread */
    unsigned long target;
    int64_t done_ns;
    sem_t done;
} flooding;

static void run_free(struct rcu_head *head)
{
    unsigned long freed = flooding.freed + 1;

    free(container_of(head, struct object, head));
    store_relaxed(&flooding.freed, freed);
    if (freed == flooding.target) {
        flooding.done_ns = monotonic_ns();
        sem_post(&flooding.done);
    }
}

static void loop_flood(struct flood *flood)
{
    flooding.freed = 0;
    flooding.target = flood->nr;
    flood->peak_pending = 0;
    if (sem_init(&flooding.done, 0, 0) != 0)
        abort();
    PEER_ONLINE();
    int64_t start = monotonic_ns();
    for (unsigned long i = 0; i < flood->nr; i++) {
        struct object *object = malloc(sizeof(*object));
        assert(object);
        PEER_CALL(&object->head, run_free, sizeof(*object));
        if (i % PEEK_EVERY == 0) {
            unsigned long pending = i + 1 - load_relaxed(&flooding.freed);
            flood->peak_pending = pending > flood->peak_pending ? pending : flood->peak_pending;
            PEER_QUIESCENT();
        }
    }
    flood->queued_ns = monotonic_ns() - start;
    PEER_OFFLINE();
    while (sem_wait(&flooding.done) != 0)
        ; /* EINTR */
    flood->done_ns = flooding.done_ns - start;
    sem_destroy(&flooding.done);
}

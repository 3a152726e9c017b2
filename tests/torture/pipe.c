/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pipe: objects are replaced, and then age by one stage for each grace
 * period, in every way that the interface has. A reader holds what it has found
 * for a while, in one of several ways; if a whole grace period has passed over
 * an object while a reader has it, RCU is broken. At the pipe's end the object
 * is poisoned and freed. (The idea is that of Linux's rcutorture.)
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tests/torture/torture.h"

enum {
    STAGE_LIVE,
    STAGE_UNLINKED,
    STAGE_OLD,  /* a grace period has passed since: no reader may have it */
    STAGE_FREE, /* one more, so that a late reader meets an age before it meets poison */

    NR_SLOTS = 6,
    PAYLOAD = 8,
    POISON = 0x6b,
};

struct object {
    struct rcu_head head;
    unsigned stage; /* atomic */
    struct updater *owner;
    uint64_t payload[PAYLOAD]; /* all the same; plain, so that the thread sanitizer watches */
};

struct updater {
    struct object *object; /* published */
    struct event has_aged; /* the object in flight has reached the pipe's end */
    CACHE_ALIGNED uint64_t ages[STAGE_FREE + 1]; /* seen by readers; atomic */
};

static struct updater updaters[NR_SLOTS];

/* ---- Objects -------------------------------------------------------------------- */

static struct object *object_new(struct updater *owner, uint64_t value)
{
    struct object *object = malloc(sizeof(*object));

    torture_check(object);
    object->stage = STAGE_LIVE;
    object->owner = owner;
    for (int i = 0; i < PAYLOAD; i++)
        object->payload[i] = value;
    return object;
}

static void object_free(struct object *object)
{
    memset(object->payload, POISON, sizeof(object->payload));
    free(object);
}

/* A reader has held an object that was unlinked: grace periods had somebody to wait for. */
static bool has_met; /* atomic */

/* After a grace period; true when it was the last. */
static bool object_age(struct object *object)
{
    unsigned stage = load_relaxed(&object->stage) + 1;

    store_relaxed(&object->stage, stage);
    return stage == STAGE_FREE;
}

/* ---- Readers --------------------------------------------------------------------- */

static void check_object(const struct object *object)
{
    unsigned stage = load_relaxed(&object->stage);

    if (stage >= STAGE_OLD)
        torture_fail("a reader has an object of stage %u", stage);
    fetch_add_relaxed(&object->owner->ages[stage], 1);
    if (unlikely(stage == STAGE_UNLINKED) && !load_relaxed(&has_met))
        store_relaxed(&has_met, true);
    for (int i = 1; i < PAYLOAD; i++) {
        if (object->payload[i] != object->payload[0])
            torture_fail("a reader has an object that was freed");
    }
}

static const struct object *find_object(struct worker *worker)
{
    const struct object *object =
        atomic_rcu_read(&updaters[torture_below(worker, NR_SLOTS)].object);

    check_object(object);
    return object;
}

static void read_short(struct worker *worker, struct kicked *kicked UNUSED)
{
    for (int i = 0; i < 64; i++) {
        WITH_RCU_READ () {
            check_object(find_object(worker));
        }
    }
}

static void read_long(struct worker *worker, struct kicked *kicked UNUSED)
{
    struct event never = EVENT_INIT;

    rcu_read_lock();
    const struct object *object = find_object(worker);

    switch (torture_below(worker, 3)) {
    case 0:
        torture_spin_ns(torture_below(worker, 20) * NS_PER_US);
        break;
    case 1:
        for (unsigned i = torture_below(worker, 3); i > 0; i--)
            sched_yield(); /* each may take as many time slices as there are threads */
        break;
    default: /* a reader that blocks, for a time of its own */
        (void)event_timedwait(&never, monotonic_ns() + torture_below(worker, 500) * NS_PER_US);
        break;
    }
    check_object(object);
    rcu_read_unlock();
}

static void read_nested(struct worker *worker, struct kicked *kicked UNUSED) NO_THREAD_SAFETY
{
    unsigned depth = 1 + torture_below(worker, 4);

    rcu_read_lock();
    const struct object *object = find_object(worker);

    for (unsigned i = 0; i < depth; i++)
        rcu_read_lock();
    check_object(find_object(worker));
    for (unsigned i = 0; i < depth; i++)
        rcu_read_unlock();
    torture_spin_ns(torture_below(worker, 20) * NS_PER_US);
    check_object(object);
    rcu_read_unlock();
}

static void read_until_kicked(struct worker *worker, struct kicked *kicked)
{
    kicked_reset(kicked);
    rcu_read_lock();
    const struct object *object = find_object(worker);

    kicked_wait(kicked, torture_one_in(worker, 2));
    check_object(object);
    rcu_read_unlock();
}

static void reader_run(struct worker *worker)
{
    void (*const read)(struct worker *, struct kicked *) =
        (void (*)(struct worker *, struct kicked *))worker->opaque;
    struct kicked kicked;

    kicked_init(&kicked);
    rcu_add_force_rcu_notifier(&kicked.notifier);
    while (torture_go_on(worker)) {
        read(worker, &kicked);
        sched_yield(); /* else the scheduler's slices rule, of milliseconds */
    }
    rcu_remove_force_rcu_notifier(&kicked.notifier);
}

/* ---- Updaters --------------------------------------------------------------------- */

static void callback_ages(struct object *object)
{
    if (!object_age(object)) {
        call_rcu(object, callback_ages, head);
        return;
    }
    struct updater *owner = object->owner;

    object_free(object);
    event_set(&owner->has_aged);
}

static void callback_only_ages(struct object *object)
{
    (void)object_age(object);
}

static void age_by_waiting(struct worker *worker UNUSED, struct object *object)
{
    do {
        synchronize_rcu();
    } while (!object_age(object));
    object_free(object);
}

static void age_by_callbacks(struct worker *worker, struct object *object)
{
    struct updater *owner = object->owner;
    unsigned forced = torture_below(worker, 3);

    event_reset(&owner->has_aged);
    call_rcu(object, callback_ages, head);
    while (event_timedwait(&owner->has_aged,
                           forced ? monotonic_ns() + NS_PER_MS : DEADLINE_NEVER) == TIMED_OUT)
        force_rcu();
}

static void age_by_polling(struct worker *worker, struct object *object)
{
    bool is_forced = torture_one_in(worker, 2);

    do {
        rcu_cookie cookie = start_poll_synchronize_rcu();

        while (!poll_state_synchronize_rcu(cookie)) {
            if (is_forced)
                force_rcu();
            sched_yield();
        }
    } while (!object_age(object));
    object_free(object);
}

static void age_by_condition(struct worker *worker, struct object *object)
{
    do {
        rcu_cookie cookie = get_state_synchronize_rcu();

        for (unsigned i = torture_below(worker, 4); i > 0; i--)
            sched_yield();
        cond_synchronize_rcu(cookie);
        torture_check(poll_state_synchronize_rcu(cookie));
    } while (!object_age(object));
    object_free(object);
}

static void age_by_draining(struct worker *worker UNUSED, struct object *object)
{
    do {
        unsigned stage = load_relaxed(&object->stage);

        call_rcu(object, callback_only_ages, head);
        drain_call_rcu();
        torture_check(load_relaxed(&object->stage) == stage + 1);
    } while (load_relaxed(&object->stage) < STAGE_FREE);
    object_free(object);
}

static void age_by_main_loop(struct worker *worker UNUSED, struct object *object)
{
    do {
        rcu_cookie cookie = start_poll_synchronize_rcu();

        force_rcu();
        while (!poll_state_synchronize_rcu(cookie))
            (void)rcu_drive_forced(50 * NS_PER_US); /* false: not in this time; again */
    } while (!object_age(object));
    object_free(object);
}

static void updater_run(struct worker *worker)
{
    static void (*const ways[])(struct worker *, struct object *) = {
        age_by_waiting,   age_by_callbacks, age_by_polling,
        age_by_condition, age_by_draining,  age_by_main_loop,
    };
    struct updater *updater = worker->opaque;

    while (torture_go_on(worker)) {
        struct object *old = updater->object;

        atomic_rcu_set(&updater->object, object_new(updater, torture_random(worker)));
        store_relaxed(&old->stage, STAGE_UNLINKED);
        ways[torture_below(worker, ARRAY_SIZE(ways))](worker, old);
    }
}

/* ---- Scenarios ---------------------------------------------------------------------- */

static void spawn_reader(void (*read)(struct worker *, struct kicked *), const char *name)
{
    torture_spawn(name, reader_run, (void *)read, WORKER_READS);
}

static void run_with_readers(unsigned nr_of_each)
{
    uint64_t ages[STAGE_FREE + 1] = { 0 };

    torture.has_met = &has_met; /* on a machine with other work, that may take a while */
    for (unsigned i = 0; i < NR_SLOTS; i++) {
        updaters[i].object = object_new(&updaters[i], i);
        event_init(&updaters[i].has_aged, false);
    }
    for (unsigned i = 0; i < nr_of_each; i++) {
        spawn_reader(read_short, "short");
        spawn_reader(read_long, "long");
        spawn_reader(read_nested, "nested");
        spawn_reader(read_until_kicked, "kicked");
    }
    for (unsigned i = 0; i < NR_SLOTS; i++)
        torture_spawn("updater", updater_run, &updaters[i], WORKER_WATCHED);
    torture_join();
    for (unsigned i = 0; i < NR_SLOTS; i++) {
        object_free(updaters[i].object);
        for (unsigned stage = 0; stage <= STAGE_FREE; stage++)
            ages[stage] += updaters[i].ages[stage];
    }
    torture_note("objects seen: %llu live, %llu unlinked", (unsigned long long)ages[STAGE_LIVE],
                 (unsigned long long)ages[STAGE_UNLINKED]);
    torture_check(ages[STAGE_UNLINKED] > 0);
}

void pipe_run(void)
{
    run_with_readers(1);
}

void oversubscribed_run(void)
{
    run_with_readers(torture.nr_processors); /* four kinds: four readers a processor */
}

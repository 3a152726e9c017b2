/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <sys/wait.h>

#include "tests/tap.h"
#include "tests/unit/child.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/rcu.h"
#include "util/rcu_control.h"

struct object {
    struct rcu_head rcu;
    unsigned value;
};

static unsigned nr_run;     /* atomic */
static unsigned last_value; /* written by callbacks */
static bool in_order;
static pthread_t ran_on;

static void note(struct object *object)
{
    if (object->value != last_value + 1)
        in_order = false;
    last_value = object->value;
    ran_on = pthread_self();
    free(object);
    fetch_add(&nr_run, 1);
}

static struct object *object_new(unsigned value)
{
    struct object *object = malloc(sizeof(*object));

    if (!object)
        bail_out("malloc");
    object->value = value;
    return object;
}

static void begin(void)
{
    drain_call_rcu();
    store_relaxed(&nr_run, 0);
    last_value = 0;
    in_order = true;
}

static struct rcu_stats stats(void)
{
    struct rcu_stats now;

    rcu_get_stats(&now);
    return now;
}

/* ---- A BQL and a main loop to test with --------------------------------------------- */

static pthread_mutex_t fake_bql = PTHREAD_MUTEX_INITIALIZER;
static __thread bool bql_is_mine;
static pthread_t main_loop;
static struct event bql_work;

static bool fake_bql_is_mine(void)
{
    return bql_is_mine;
}

static void fake_bql_lock(void)
{
    pthread_mutex_lock(&fake_bql);
    bql_is_mine = true;
}

static void fake_bql_unlock(void)
{
    bql_is_mine = false;
    pthread_mutex_unlock(&fake_bql);
}

static bool on_main_loop(void)
{
    return pthread_equal(pthread_self(), main_loop);
}

static void bql_work_is_ready(void)
{
    event_set(&bql_work);
}

static const struct rcu_host host = {
    .bql_is_mine = fake_bql_is_mine,
    .bql_lock = fake_bql_lock,
    .bql_unlock = fake_bql_unlock,
    .is_main_loop = on_main_loop,
    .bql_callbacks_ready = bql_work_is_ready,
};

static bool bql_was_held;

static void note_bql(struct object *object)
{
    bql_was_held = bql_is_mine;
    note(object);
}

/* ---- Tests ---------------------------------------------------------------------------- */

static void callbacks_run_in_order_on_the_rcu_thread(void)
{
    begin();
    for (unsigned i = 1; i <= 10000; i++)
        call_rcu(object_new(i), note, rcu);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 10000);
    ok(in_order);
    ok(!pthread_equal(ran_on, pthread_self()));
}

/* A reader that stays inside its section until it is let go. */
struct holder {
    pthread_t thread;
    struct event is_inside, may_leave;
};

static void *hold_section(void *opaque)
{
    struct holder *holder = opaque;

    rcu_register_thread();
    WITH_RCU_READ () {
        event_set(&holder->is_inside);
        event_wait(&holder->may_leave);
    }
    rcu_unregister_thread();
    return NULL;
}

static void holder_start(struct holder *holder)
{
    event_init(&holder->is_inside, false);
    event_init(&holder->may_leave, false);
    if (pthread_create(&holder->thread, NULL, hold_section, holder) != 0)
        bail_out("pthread_create");
    event_wait(&holder->is_inside);
}

static void callback_waits_for_the_section(void)
{
    struct holder holder;
    uint64_t sleeps;

    begin();
    holder_start(&holder);
    sleeps = stats().sleeps;
    call_rcu(object_new(1), note, rcu);
    while (stats().sleeps < sleeps + 3)
        sched_yield(); /* the rcu thread has looked at the reader some times */
    is(load_relaxed(&nr_run), 0);
    event_set(&holder.may_leave);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 1);
    pthread_join(holder.thread, NULL);
}

static void queue_another(struct object *object)
{
    if (object->value < 100)
        call_rcu(object_new(object->value + 1), queue_another, rcu);
    note(object);
}

static void callback_may_queue_another(void)
{
    begin();
    call_rcu(object_new(1), queue_another, rcu);
    while (load_relaxed(&nr_run) < 100)
        drain_call_rcu();
    is(load_relaxed(&nr_run), 100);
    ok(in_order);
}

struct freed {
    char payload[40];
    struct rcu_head rcu; /* not first: g_free_rcu() copes */
};

static void objects_are_freed(void)
{
    uint64_t before;

    begin();
    before = stats().callbacks_run;
    for (int i = 0; i < 1000; i++) {
        struct freed *freed = calloc(1, sizeof(*freed));

        if (!freed)
            bail_out("calloc");
        g_free_rcu(freed, rcu); /* the address sanitizer sees a leak or a wrong address */
    }
    drain_call_rcu();
    ok(stats().callbacks_run - before >= 1000);
}

static void drain_waits_for_earlier_ones_only(void)
{
    begin();
    for (unsigned i = 1; i <= 50; i++) {
        call_rcu(object_new(i), note, rcu);
        drain_call_rcu();
        is(load_relaxed(&nr_run), i);
    }
}

static void many_are_pending_at_most(void)
{
    begin();
    for (unsigned i = 1; i <= 300000; i++)
        call_rcu(object_new(i), note, rcu);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 300000);
    ok(in_order);
    ok(stats().callbacks_peak <= rcu_config_default().throttle_callbacks + 1024);
}

static void flood_shares_its_grace_periods(void)
{
    struct holder holder;
    struct rcu_stats before;

    begin();
    holder_start(&holder);
    before = stats();
    for (unsigned i = 1; i <= 2 * rcu_config_default().force_callbacks; i++)
        call_rcu(object_new(i), note, rcu);
    ok(stats().forced_upto > before.forced_upto);
    ok(stats().newest - before.newest <= 10 * RCU_STEP);
    event_set(&holder.may_leave);
    drain_call_rcu();
    ok(stats().barriers - before.barriers < 100);
    pthread_join(holder.thread, NULL);
}

static void *produce(void *unused UNUSED)
{
    for (unsigned i = 1; i <= 20000; i++)
        call_rcu(object_new(i), note, rcu);
    return NULL;
}

static void several_producers_are_counted_right(void)
{
    pthread_t producers[6];

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(producers); i++) {
        if (pthread_create(&producers[i], NULL, produce, NULL) != 0)
            bail_out("pthread_create");
    }
    for (size_t i = 0; i < ARRAY_SIZE(producers); i++)
        pthread_join(producers[i], NULL);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 6 * 20000);
    is(stats().callbacks_run, stats().callbacks_queued);
    ok(stats().callbacks_peak <= stats().callbacks_queued);
}

static void read_in_callback(struct rcu_head *head UNUSED)
{
    WITH_RCU_READ () {
        fetch_add(&nr_run, 1);
    }
}

static void callback_may_read(void)
{
    static struct rcu_head head;
    uint64_t misuses = stats().misuses;

    begin();
    call_rcu1(&head, read_in_callback);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 1);
    is(stats().misuses, misuses);
}

static void bytes_count_too(void)
{
    struct rcu_stats before = stats();
    struct holder holder;

    begin();
    holder_start(&holder);
    /* One object that keeps more alive than the limit forces at once, though the reader stays. */
    call_rcu1_sized(&object_new(1)->rcu, (void (*)(struct rcu_head *))(void (*)(void))note,
                    rcu_config_default().force_bytes + 1);
    ok(stats().forced_upto > before.forced_upto);
    event_set(&holder.may_leave);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 1);
    pthread_join(holder.thread, NULL);
}

static void without_a_main_loop_the_rcu_thread_takes_the_bql(void)
{
    static const struct rcu_host only_lock = {
        .bql_is_mine = fake_bql_is_mine,
        .bql_lock = fake_bql_lock,
        .bql_unlock = fake_bql_unlock,
    };

    begin();
    rcu_set_host(&only_lock);
    call_rcu_bql(object_new(1), note_bql, rcu);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 1);
    ok(bql_was_held);
    rcu_set_host(NULL);
}

static void bql_callbacks_run_on_the_main_loop(void)
{
    begin();
    main_loop = pthread_self();
    rcu_set_host(&host);
    event_reset(&bql_work);
    for (unsigned i = 1; i <= 100; i++)
        call_rcu_bql(object_new(i), note_bql, rcu);
    while (load_relaxed(&nr_run) < 100) {
        event_wait(&bql_work);
        event_reset(&bql_work);
        fake_bql_lock();
        while (rcu_run_bql_callbacks(0))
            continue; /* one at a time: a budget of nothing runs one */
        fake_bql_unlock();
    }
    ok(in_order);
    ok(bql_was_held);
    ok(pthread_equal(ran_on, main_loop));
    rcu_set_host(NULL);
}

static void drain_on_the_main_loop_runs_them(void)
{
    begin();
    main_loop = pthread_self();
    rcu_set_host(&host);
    fake_bql_lock();
    for (unsigned i = 1; i <= 100; i++)
        call_rcu_bql(object_new(i), note_bql, rcu);
    drain_call_rcu();
    ok(bql_is_mine);
    fake_bql_unlock();
    is(load_relaxed(&nr_run), 100);
    ok(bql_was_held);
    rcu_set_host(NULL);
}

static void *take_bql(void *unused UNUSED)
{
    fake_bql_lock();
    fake_bql_unlock();
    return NULL;
}

static void run_take_bql(struct object *object)
{
    take_bql(NULL);
    note(object);
}

/* The callback wants the BQL that the drainer holds: it hangs unless drain drops it. */
static void drain_drops_the_bql(void)
{
    begin();
    rcu_set_host(&host);
    fake_bql_lock();
    call_rcu(object_new(1), run_take_bql, rcu);
    drain_call_rcu();
    ok(bql_is_mine);
    fake_bql_unlock();
    is(load_relaxed(&nr_run), 1);
    rcu_set_host(NULL);
}

/* ---- Fork ------------------------------------------------------------------------------- */

static void in_child(void)
{
    unsigned before = load_relaxed(&nr_run);

    if (stats().readers != 1)
        _exit(11);
    synchronize_rcu(); /* hangs if it waits for a reader that only the parent has */
    for (unsigned i = 1; i <= 10; i++)
        call_rcu(object_new(i), note, rcu);
    drain_call_rcu();
    if (stats().callbacks_run != stats().callbacks_queued)
        _exit(12);
    _exit(load_relaxed(&nr_run) == before + 11 ? 0 : 13); /* ours, and the one inherited */
}

static void in_child_of_main_loop(void)
{
    unsigned before = load_relaxed(&nr_run);

    call_rcu(object_new(1), note, rcu);
    while (load_relaxed(&nr_run) == before)
        sched_yield(); /* nobody drives here but the child's own rcu thread */
    _exit(0);
}

static void forked_child_has_promised_nothing(void)
{
    if (THREAD_SANITIZER)
        skip("the thread sanitizer does not support threads in a forked child");
    begin();
    rcu_promise_drive(true);
    call_rcu(object_new(1), note, rcu);
    is(run_child(in_child_of_main_loop).exit_code, 0);
    rcu_promise_drive(false);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 1);
}

static void forked_child_starts_afresh(void)
{
    if (THREAD_SANITIZER)
        skip("the thread sanitizer does not support threads in a forked child");
    struct holder holder;

    begin();
    holder_start(&holder);
    call_rcu(object_new(1), note, rcu); /* pending in both: the reader holds it */
    is(run_child(in_child).exit_code, 0);
    is(load_relaxed(&nr_run), 0);
    event_set(&holder.may_leave);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 1);
    pthread_join(holder.thread, NULL);
}

static void *drain(void *unused UNUSED)
{
    drain_call_rcu();
    return NULL;
}

/* While a thread has promised to drive, what it queues waits for its drive, its drain, or for
 * somebody else's callback; each would hang here otherwise. */
static void promise_puts_off_a_wake(void)
{
    pthread_t drainer;

    begin();
    rcu_promise_drive(true);
    call_rcu(object_new(1), note, rcu);
    force_rcu();
    while (load_relaxed(&nr_run) < 1)
        (void)rcu_drive_forced(NS_PER_MS); /* the callback tells */
    call_rcu(object_new(2), note, rcu);
    drain_call_rcu();
    is(load_relaxed(&nr_run), 2);
    call_rcu(object_new(3), note, rcu);
    if (pthread_create(&drainer, NULL, drain, NULL) != 0)
        bail_out("pthread_create");
    pthread_join(drainer, NULL);
    is(load_relaxed(&nr_run), 3);
    call_rcu(object_new(4), note, rcu);
    rcu_promise_drive(false);
    while (load_relaxed(&nr_run) < 4)
        sched_yield();
    ok(in_order);
}

static struct event callback_blocks, callback_goes_on;

static void block(struct object *object)
{
    event_set(&callback_blocks);
    event_wait(&callback_goes_on);
    note(object);
}

static void drain_in_child(void)
{
    unsigned before = load_relaxed(&nr_run);

    call_rcu(object_new(1), note, rcu);
    drain_call_rcu();
    _exit(load_relaxed(&nr_run) >= before + 2 ? 0 : 13); /* ours, and the one that was queued */
}

/* The rcu thread is in a callback, more are queued, and another thread waits in a drain. */
static void forked_child_runs_what_was_queued(void)
{
    pthread_t drainer;
    uint64_t queued;

    if (THREAD_SANITIZER)
        skip("the thread sanitizer does not support threads in a forked child");
    begin();
    event_reset(&callback_blocks);
    event_reset(&callback_goes_on);
    call_rcu(object_new(1), block, rcu);
    event_wait(&callback_blocks);
    call_rcu(object_new(2), note, rcu);
    queued = stats().callbacks_queued;
    if (pthread_create(&drainer, NULL, drain, NULL) != 0)
        bail_out("pthread_create");
    while (stats().callbacks_queued == queued)
        sched_yield(); /* until its sentinel is in the queue */
    for (int i = 0; i < 20; i++)
        is(run_child(drain_in_child).exit_code, 0);
    event_set(&callback_goes_on);
    pthread_join(drainer, NULL);
    is(load_relaxed(&nr_run), 2);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(callbacks_run_in_order_on_the_rcu_thread),
        TAP_TEST(callback_waits_for_the_section),
        TAP_TEST(callback_may_queue_another),
        TAP_TEST(objects_are_freed),
        TAP_TEST(drain_waits_for_earlier_ones_only),
        TAP_TEST(many_are_pending_at_most),
        TAP_TEST(flood_shares_its_grace_periods),
        TAP_TEST(several_producers_are_counted_right),
        TAP_TEST(callback_may_read),
        TAP_TEST(promise_puts_off_a_wake),
        TAP_TEST(bytes_count_too),
        TAP_TEST(without_a_main_loop_the_rcu_thread_takes_the_bql),
        TAP_TEST(bql_callbacks_run_on_the_main_loop),
        TAP_TEST(drain_on_the_main_loop_runs_them),
        TAP_TEST(drain_drops_the_bql),
        TAP_TEST(forked_child_has_promised_nothing),
        TAP_TEST(forked_child_starts_afresh),
        TAP_TEST(forked_child_runs_what_was_queued),
    };
    struct rcu_config config = rcu_config_default();

    config.force_age_ns = 3600 * NS_PER_S; /* tests decide themselves what is forced */
    if (rcu_configure(&config) != 0)
        bail_out("rcu_configure");
    rcu_register_thread();
    return TAP_RUN(tests, argc, argv);
}

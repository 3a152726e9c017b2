/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reader that does not leave: it is reported, by name and by the place where
 * its section began, not before its time; it is kicked again and again; and
 * what does not depend on it goes on.
 */
#include <string.h>

#include "tests/torture/torture.h"

enum { KICKS_WANTED = 4, REPORTS_WANTED = 2 };

static struct {
    char name[16]; /* of the sleeper's thread */
    struct event is_inside, may_leave, was_kicked_often;
    struct event was_reported_often;
    int64_t asked_ns;    /* before the grace period that the sleeper blocks began */
    unsigned nr_kicks;   /* atomic */
    unsigned nr_reports; /* atomic */
} sleeper;

struct callback {
    struct rcu_head head;
    struct event has_run;
};

static void callback_runs(struct callback *callback)
{
    event_set(&callback->has_run);
}

static void on_kick(struct rcu_notifier *notifier UNUSED)
{
    if (fetch_add(&sleeper.nr_kicks, 1) + 1 == KICKS_WANTED)
        event_set(&sleeper.was_kicked_often);
}

static void on_report(const char *line)
{
    /* Before that it has no name, which any line has; the older one may be reported too. */
    if (!event_is_set(&sleeper.is_inside) || !strstr(line, sleeper.name))
        return;
    torture_check(monotonic_ns() >= sleeper.asked_ns + torture.config.stall_ns);
    torture_check(strstr(line, "stall.c"));
    torture_check(strstr(line, "sleeper_run"));
    torture_check(strstr(line, "the alarm clock"));
    if (fetch_add(&sleeper.nr_reports, 1) + 1 == REPORTS_WANTED)
        event_set(&sleeper.was_reported_often);
}

static const struct rcu_host host = { .report = on_report };

static void sleeper_run(struct worker *worker)
{
    static struct rcu_notifier notifier = { .kick = on_kick };

    memcpy(sleeper.name, worker->name, sizeof(sleeper.name));
    rcu_add_force_rcu_notifier(&notifier);
    rcu_read_lock();
    rcu_set_blocked_on("the alarm clock");
    event_set(&sleeper.is_inside);
    event_wait(&sleeper.may_leave);
    rcu_set_blocked_on(NULL);
    rcu_read_unlock();
    rcu_remove_force_rcu_notifier(&notifier);
}

static struct event older_is_inside, older_may_leave;

static void older_run(struct worker *worker UNUSED)
{
    WITH_RCU_READ () {
        event_set(&older_is_inside);
        event_wait(&older_may_leave);
    }
}

static void stall_main(struct worker *worker)
{
    struct callback old = { .has_run = EVENT_INIT }, new = { .has_run = EVENT_INIT };
    struct rcu_stats stats;

    torture_spawn("older", older_run, NULL, WORKER_READS);
    event_wait(&older_is_inside);
    call_rcu(&old, callback_runs, head);
    do {
        torture_spin_ns(10 * NS_PER_US);
        rcu_get_stats(&stats);
    } while (stats.sleeps == 0); /* its grace period has started */

    /* Whoever enters now does not concern it. */
    torture_spawn("sleepyhead", sleeper_run, NULL, WORKER_READS);
    event_wait(&sleeper.is_inside);
    sleeper.asked_ns = monotonic_ns();
    call_rcu(&new, callback_runs, head);
    event_set(&older_may_leave);
    event_wait(&old.has_run);
    torture_progress(worker);

    event_wait(&sleeper.was_kicked_often);
    torture_progress(worker);
    event_wait(&sleeper.was_reported_often);
    torture_progress(worker);
    torture_check(!event_is_set(&new.has_run));
    event_set(&sleeper.may_leave);
    event_wait(&new.has_run);
    rcu_get_stats(&stats);
    torture_check(stats.stalls >= REPORTS_WANTED);
    torture_check(stats.kicks >= KICKS_WANTED);
}

void stall_run(void)
{
    rcu_set_host(&host);
    torture_spawn("main", stall_main, NULL, WORKER_WATCHED);
    torture_join();
}

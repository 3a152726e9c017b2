/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Polled grace periods: a cookie is not completed while a section that was open
 * when it was taken is still open, and one of start_poll_synchronize_rcu() does
 * get completed though nobody waits. Numbers start just below the end.
 */
#include <sched.h>

#include "tests/torture/torture.h"

enum { NR_READERS = 3 };

/* What each reader is in: a number of its own for each section, 0 outside. */
static struct section {
    CACHE_ALIGNED unsigned long open; /* atomic */
} sections[NR_READERS];

static void reader_run(struct worker *worker)
{
    struct section *section = worker->opaque;
    unsigned long number = 0;
    struct kicked kicked;

    kicked_init(&kicked);
    rcu_add_force_rcu_notifier(&kicked.notifier);
    while (torture_go_on(worker)) {
        bool until_kicked = torture_one_in(worker, 4);

        kicked_reset(&kicked);
        rcu_read_lock();
        store_release(&section->open, ++number); /* pairs with the acquire in note_sections() */
        if (until_kicked)
            kicked_wait(&kicked, false);
        else
            torture_spin_ns(torture_below(worker, 30) * NS_PER_US);
        store_release(&section->open, 0); /* pairs with check_sections() */
        rcu_read_unlock();
        sched_yield();
    }
    rcu_remove_force_rcu_notifier(&kicked.notifier);
}

static void note_sections(unsigned long *ret_open)
{
    for (int i = 0; i < NR_READERS; i++)
        ret_open[i] = load_acquire(&sections[i].open);
}

static void check_sections(const unsigned long *open)
{
    for (int i = 0; i < NR_READERS; i++) {
        if (open[i] != 0 && load_acquire(&sections[i].open) == open[i])
            torture_fail("a cookie is completed before a section that it waits for");
    }
}

static void poller_run(struct worker *worker)
{
    unsigned long open[NR_READERS];
    rcu_cookie old = get_state_synchronize_rcu();

    synchronize_rcu();
    while (torture_go_on(worker)) {
        bool is_forced = torture_one_in(worker, 2);

        note_sections(open);
        rcu_cookie cookie = start_poll_synchronize_rcu();

        if (is_forced)
            force_rcu();
        while (!poll_state_synchronize_rcu(cookie)) {
            torture_check(poll_state_synchronize_rcu(old)); /* once completed, completed */
            sched_yield();
        }
        check_sections(open);
        old = cookie;
    }
}

static void condition_run(struct worker *worker)
{
    unsigned long open[NR_READERS];

    while (torture_go_on(worker)) {
        note_sections(open);
        rcu_cookie cookie = get_state_synchronize_rcu();

        if (torture_one_in(worker, 2))
            synchronize_rcu();
        else
            cond_synchronize_rcu(cookie);
        check_sections(open);
        torture_check(poll_state_synchronize_rcu(cookie)); /* a whole grace period has passed */
    }
}

/* A thread's own section is open as long as it is in it. */
static void inside_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        rcu_cookie cookie;

        WITH_RCU_READ () {
            cookie = torture_one_in(worker, 2) ? start_poll_synchronize_rcu()
                                               : get_state_synchronize_rcu();
            force_rcu();
            for (unsigned i = torture_below(worker, 20); i > 0; i--) {
                torture_check(!poll_state_synchronize_rcu(cookie));
                sched_yield();
            }
        }
        if (torture_one_in(worker, 2))
            cond_synchronize_rcu(cookie);
    }
}

void cookies_run(void)
{
    for (int i = 0; i < NR_READERS; i++)
        torture_spawn("reader", reader_run, &sections[i], WORKER_READS);
    torture_spawn("poller", poller_run, NULL, WORKER_WATCHED);
    torture_spawn("poller", poller_run, NULL, WORKER_WATCHED);
    torture_spawn("condition", condition_run, NULL, WORKER_WATCHED);
    torture_spawn("inside", inside_run, NULL, WORKER_READS | WORKER_WATCHED);
    torture_join();
}

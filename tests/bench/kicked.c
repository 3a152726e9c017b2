/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kicked.h"

/* About 20 ns of guest code between two beats, which take as long. */
enum { POLLS_A_BEAT = 32 };

static void kick(struct rcu_notifier *notifier)
{
    store_release(&container_of(notifier, struct kicked, notifier)->flag, 1);
}

static void wait_for_kick(struct other *other, const struct kicked *kicked)
{
    while (!other_must_stop(other)) {
        for (int i = 0; i < POLLS_A_BEAT; i++)
            if (load_acquire(&kicked->flag))
                return;
        other_beat(other);
    }
}

void kicked_job(struct other *other)
{
    struct kicked *kicked = other->arg;

    kicked->notifier = (struct rcu_notifier){ .kick = kick };
    kicked->flag = 0;
    rcu_add_force_rcu_notifier(&kicked->notifier);
    while (!other_must_stop(other)) {
        rcu_read_lock();
        wait_for_kick(other, kicked);
        /* Before the unlock: a kick of the next section must not be cleared. */
        store_relaxed(&kicked->flag, 0);
        rcu_read_unlock();
    }
    rcu_remove_force_rcu_notifier(&kicked->notifier);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "tests/gpu/reader.h"
#include "util/event.h"
#include "util/rcu.h"
#include "util/thread.h"

struct reader {
    struct rcu_notifier notifier;
    struct thread *thread;
    struct event inside, kicked, may_leave;
    bool leaves_when_kicked;
};

static void on_kick(struct rcu_notifier *notifier)
{
    struct reader *reader = container_of(notifier, struct reader, notifier);

    event_set(&reader->kicked);
    if (reader->leaves_when_kicked)
        event_set(&reader->may_leave);
}

static void reader_main(void *arg)
{
    struct reader *reader = arg;

    rcu_add_force_rcu_notifier(&reader->notifier);
    rcu_read_lock();
    event_set(&reader->inside);
    event_wait(&reader->may_leave);
    rcu_read_unlock();
    rcu_remove_force_rcu_notifier(&reader->notifier);
}

struct reader *reader_start(bool leaves_when_kicked)
{
    struct reader *reader = g_new0(struct reader, 1);

    reader->notifier.kick = on_kick;
    reader->leaves_when_kicked = leaves_when_kicked;
    event_init(&reader->inside, false);
    event_init(&reader->kicked, false);
    event_init(&reader->may_leave, false);
    reader->thread = thread_start("reader", reader_main, reader);
    g_assert_nonnull(reader->thread);
    event_wait(&reader->inside);
    return reader;
}

void reader_wait_kicked(struct reader *reader)
{
    bql_unlock();
    event_wait(&reader->kicked);
    bql_lock();
}

void reader_end(struct reader *reader)
{
    event_set(&reader->may_leave);
    bql_unlock();
    thread_join(reader->thread);
    bql_lock();
    g_free(reader);
}

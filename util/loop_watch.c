/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <poll.h>

#include "util/loop.h"

_Static_assert((int)G_IO_IN == POLLIN && (int)G_IO_OUT == POLLOUT && (int)G_IO_ERR == POLLERR &&
                   (int)G_IO_HUP == POLLHUP,
               "GLib's events are the system's");

struct loop_watch {
    GSource source;
    int fd;
    gpointer tag; /* NULL: paused */
    void (*fn)(void *arg, short revents);
    void *arg;
};

static struct loop_watch *watch_of(GSource *source)
{
    return container_of(source, struct loop_watch, source);
}

static gboolean watch_check(GSource *source)
{
    const struct loop_watch *watch = watch_of(source);

    return watch->tag && g_source_query_unix_fd(source, watch->tag) != 0;
}

static gboolean watch_dispatch(GSource *source, GSourceFunc fn UNUSED, gpointer arg UNUSED)
{
    struct loop_watch *watch = watch_of(source);

    bql_assert_held();
    /* Another source of this turn may have paused it. */
    if (watch_check(source))
        watch->fn(watch->arg, (short)g_source_query_unix_fd(source, watch->tag));
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs watch_funcs = {
    .check = watch_check,
    .dispatch = watch_dispatch,
};

struct loop_watch *loop_watch_new(int fd, short events, void (*fn)(void *arg, short revents),
                                  void *arg)
{
    GSource *source = g_source_new(&watch_funcs, sizeof(struct loop_watch));
    struct loop_watch *watch = watch_of(source);

    watch->fd = fd;
    watch->fn = fn;
    watch->arg = arg;
    loop_watch_set_events(watch, events);
    g_source_attach(source, NULL);
    return watch;
}

void loop_watch_set_events(struct loop_watch *watch, short events)
{
    /* Taken out, not set to 0: poll() reports a hang-up of whatever it is given, for ever. */
    if (!events && watch->tag) {
        g_source_remove_unix_fd(&watch->source, watch->tag);
        watch->tag = NULL;
    } else if (events && watch->tag) {
        g_source_modify_unix_fd(&watch->source, watch->tag, (GIOCondition)events);
    } else if (events) {
        watch->tag = g_source_add_unix_fd(&watch->source, watch->fd, (GIOCondition)events);
    }
}

void loop_watch_free(struct loop_watch *watch)
{
    if (!watch)
        return;
    g_source_destroy(&watch->source);
    g_source_unref(&watch->source); /* a dispatch under way holds a reference of its own */
}

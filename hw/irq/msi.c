/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes of message-signalled interrupts.
 *
 * A route points to its current message, which does not change: a new one replaces it. Who
 * raises does so in an SRCU section. What has been replaced is put on a stack, and freed by
 * the rcu thread behind one SRCU grace period for all there are: nobody waits with the BQL.
 *
 * Routes are never freed one by one: they are an array, and a number goes to its next owner
 * when the grace period after the last has ended.
 */
#include "hw/irq/msi.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/atomic.h"
#include "util/log.h"
#include "util/metric.h"
#include "util/mutant.h"
#include "util/rcu.h"
#include "util/srcu.h"
#include "util/trace.h"

/* A message that routes point to, or have pointed to. */
struct published {
    struct msi_message message;
    struct published *next;  /* replaced before this one */
    struct msi_route *freed; /* whose route may have a new owner when this is gone; or NULL */
};

enum route_use {
    ROUTE_FREE,
    ROUTE_USED,
    ROUTE_LEAVING, /* freed, but somebody may still raise it */
};

struct msi_route {
    struct msi_routes *routes;
    struct published *published; /* NULL: none; published by SRCU */
    uint32_t use;                /* enum route_use; atomic */
    int eventfd;                 /* -1: none; guarded by the BQL */
};

struct msi_routes {
    struct msi_sink sink;
    struct srcu_struct srcu;
    struct rcu_head reclaim;    /* while is_reclaiming */
    struct published *replaced; /* newest first; atomic */
    bool is_reclaiming;         /* atomic: the rcu thread will look at `replaced` */
    struct msi_route route[MSI_ROUTES_MAX];

    uint64_t sent;     /* atomic */
    uint64_t dropped;  /* raised without a message; atomic */
    uint64_t replaces; /* messages that routes were given; guarded by the BQL, atomic */
    uint64_t refused;  /* by the sink; guarded by the BQL, atomic */
};

static unsigned number_of(const struct msi_route *route)
{
    return (unsigned)(route - route->routes->route);
}

/* ---- Raising ------------------------------------------------------------------------------- */

void msi_send(struct msi_routes *routes, const struct msi_message *message)
{
    fetch_add_relaxed(&routes->sent, 1);
    TRACE2(irq_message, message->address, message->data);
    routes->sink.send(routes->sink.opaque, message);
}

bool msi_route_raise(struct msi_route *route)
{
    struct msi_routes *routes = route->routes;
    const int index = srcu_read_lock(&routes->srcu);
    const struct published *published = load_acquire(&route->published); /* pairs with publish() */

    if (likely(published))
        msi_send(routes, &published->message);
    else
        fetch_add_relaxed(&routes->dropped, 1);
    srcu_read_unlock(&routes->srcu, index);
    return published;
}

/* ---- What has been replaced ---------------------------------------------------------------- */

static void free_replaced(struct published *replaced)
{
    while (replaced) {
        struct published *next = replaced->next;

        if (replaced->freed)
            store_release(&replaced->freed->use, ROUTE_FREE); /* pairs with msi_route_new() */
        g_free(replaced);
        replaced = next;
    }
}

/* On the rcu thread. Readers are short, and this is one grace period for all of them. */
static void reclaim(struct rcu_head *head)
{
    struct msi_routes *routes = container_of(head, struct msi_routes, reclaim);
    struct published *replaced;

    /* Pairs with the exchange in retire(): we see what it has put there, or it calls us again. */
    (void)atomic_xchg(&routes->is_reclaiming, false);
    smp_mb_after_rmw();
    replaced = atomic_xchg(&routes->replaced, NULL);
    if (!replaced)
        return;
    if (!MUTANT(irq_message_without_grace))
        synchronize_srcu(&routes->srcu);
    free_replaced(replaced);
}

static void retire(struct msi_routes *routes, struct published *old) REQUIRES(bql)
{
    old->next = load_relaxed(&routes->replaced);
    while (!atomic_cas(&routes->replaced, &old->next, old))
        ;
    smp_mb_after_rmw(); /* put it there, then look: pairs with reclaim() */
    if (!atomic_xchg(&routes->is_reclaiming, true))
        call_rcu1_sized(&routes->reclaim, reclaim, sizeof(*old));
}

/* ---- Routes -------------------------------------------------------------------------------- */

static struct published *publish(struct msi_route *route, const struct msi_message *message)
    REQUIRES(bql)
{
    struct published *old = load_relaxed(&route->published), *now = NULL;

    if (message) {
        now = g_new0(struct published, 1);
        now->message = *message;
    }
    store_release(&route->published, now); /* pairs with msi_route_raise() */
    return old;
}

static bool tell_sink(const struct msi_route *route, const struct msi_message *message)
    REQUIRES(bql)
{
    const struct msi_sink *sink = &route->routes->sink;

    return !sink->set_route || sink->set_route(sink->opaque, number_of(route), message);
}

bool msi_route_set(struct msi_route *route, const struct msi_message *message)
{
    struct msi_routes *routes = route->routes;
    const struct published *now = load_relaxed(&route->published);
    struct published *old;
    bool is_known;

    if (message
            ? now && now->message.address == message->address && now->message.data == message->data
            : !now)
        return true;
    old = publish(route, message);
    if (old)
        retire(routes, old);
    is_known = tell_sink(route, message);
    store_relaxed(&routes->replaces, routes->replaces + 1);
    if (!is_known) {
        store_relaxed(&routes->refused, routes->refused + 1);
        LOG_RATELIMITED(log_warn, "no room for the message of interrupt route %u",
                        number_of(route));
    }
    if (message)
        log_topic(irq, "route %u: 0x%" PRIx64 " 0x%" PRIx32, number_of(route), message->address,
                  message->data);
    else
        log_topic(irq, "route %u: none", number_of(route));
    return is_known;
}

int msi_route_eventfd(struct msi_route *route)
{
    const struct msi_sink *sink = &route->routes->sink;
    int fd;

    if (route->eventfd >= 0 || !sink->set_eventfd)
        return route->eventfd;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -1;
    if (!sink->set_eventfd(sink->opaque, number_of(route), fd, true)) {
        close(fd);
        return -1;
    }
    route->eventfd = fd;
    return fd;
}

struct msi_route *msi_route_new(struct msi_routes *routes, GError **error)
{
    for (unsigned i = 0; i < MSI_ROUTES_MAX; i++) {
        struct msi_route *route = &routes->route[i];

        if (load_acquire(&route->use) == ROUTE_FREE) { /* pairs with free_replaced() */
            store_relaxed(&route->use, ROUTE_USED);
            return route;
        }
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
                "no more than %d interrupt messages can be told apart", MSI_ROUTES_MAX);
    return NULL;
}

void msi_route_free(struct msi_route *route)
{
    struct published *old;

    if (!route)
        return;
    if (route->eventfd >= 0) {
        const struct msi_sink *sink = &route->routes->sink;

        (void)sink->set_eventfd(sink->opaque, number_of(route), route->eventfd, false);
        close(route->eventfd);
        route->eventfd = -1;
    }
    old = publish(route, NULL);
    if (old)
        (void)tell_sink(route, NULL); /* there is always room for none */
    else
        old = g_new0(struct published, 1);
    store_relaxed(&route->use, ROUTE_LEAVING);
    old->freed = route;
    retire(route->routes, old);
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void do_nothing(struct rcu_head *head UNUSED)
{
}

/* Until the rcu thread, which calls one function at a time, has called all that were ready. */
static void wait_for_rcu_thread(void)
{
    struct rcu_head head;

    call_rcu1(&head, do_nothing);
    drain_call_rcu();
}

void msi_routes_free(struct msi_routes *routes)
{
    if (!routes)
        return;
    do /* whichever thread asked for it: drain_call_rcu() knows only this one's callbacks */
        wait_for_rcu_thread();
    while (load_acquire(&routes->is_reclaiming)); /* pairs with reclaim() */
    wait_for_rcu_thread();                        /* it may still be inside */
    for (unsigned i = 0; i < MSI_ROUTES_MAX; i++)
        g_assert(load_relaxed(&routes->route[i].use) == ROUTE_FREE);
    if (cleanup_srcu_struct(&routes->srcu) != 0)
        return; /* somebody is still inside, and has been reported: better a leak */
    g_free(routes);
}

struct msi_routes *msi_routes_new(const struct msi_sink *sink)
{
    struct msi_routes *routes = g_new0(struct msi_routes, 1);

    routes->sink = *sink;
    init_srcu_struct(&routes->srcu, "interrupt routes");
    for (unsigned i = 0; i < MSI_ROUTES_MAX; i++) {
        routes->route[i].routes = routes;
        routes->route[i].eventfd = -1;
    }
    return routes;
}

void msi_metrics_register(struct msi_routes *routes, struct metrics *metrics)
{
    static const char *const names[][2] = {
        { "gracevm_msi_sent_total", "Interrupt messages sent." },
        { "gracevm_msi_dropped_total", "Interrupts raised on routes that had no message." },
        { "gracevm_msi_replaced_total", "Times that a route was given another message." },
        { "gracevm_msi_refused_total", "Messages for which the sink had no room." },
    };
    const uint64_t *const values[] = { &routes->sent, &routes->dropped, &routes->replaces,
                                       &routes->refused };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        metric_add_u64(metrics_family(metrics, METRIC_COUNTER, names[i][0], names[i][1]),
                       METRIC_NO_LABELS, values[i], routes);
}

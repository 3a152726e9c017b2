/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Message-signalled interrupts: a write of 4 bytes to an address that local
 * APICs answer (Intel SDM vol. 3, 11.11), and the routes that lead to them.
 *
 * A *route* is a source's current message, or none. It is changed under the BQL
 * (MSI-X table, IOAPIC) and used from any thread: the table of messages is
 * protected by SRCU, so that whoever raises takes no lock. After msi_route_set()
 * a raise may still send the old message, until the domain's next grace period.
 *
 * Where messages end is a *sink*: our local APICs, or KVM's.
 */
#ifndef HW_IRQ_MSI_H
#define HW_IRQ_MSI_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/bql.h"

struct metrics;

struct msi_message {
    uint64_t address;
    uint32_t data;
};

/* Where messages end. Any member but send may be NULL: then the sink has no such thing. */
struct msi_sink {
    /** Deliver. Any thread, any locks, in an SRCU section: kicks, no more. */
    void (*send)(void *opaque, const struct msi_message *message);
    /**
     * Route number @route has @message now (NULL: none). What the sink must know to raise it by
     * itself (KVM's routing table). False: it has no room.
     */
    bool (*set_route)(void *opaque, unsigned route, const struct msi_message *message);
    /** Each write to eventfd @fd raises @route, or no more (@is_on false). False: it cannot. */
    bool (*set_eventfd)(void *opaque, unsigned route, int fd, bool is_on);
    void *opaque;
};

enum { MSI_ROUTES_MAX = 1024 };

struct msi_routes;
struct msi_route;

/** All routes have been freed. Waits for readers. NULL is fine. */
void msi_routes_free(struct msi_routes *routes) EXCLUDES(bql);
/** @sink is copied. */
struct msi_routes *msi_routes_new(const struct msi_sink *sink) OWNED_BY(msi_routes_free);

/** Sends nothing any more once nobody raises it. NULL is fine. */
void msi_route_free(struct msi_route *route) REQUIRES(bql);
/** A route with no message. NULL and an error: there are MSI_ROUTES_MAX already. */
struct msi_route *msi_route_new(struct msi_routes *routes, GError **error) OWNED_BY(msi_route_free)
    REQUIRES(bql);

/** From now on it sends @message; NULL: nothing. False (told to the log): the sink is full. */
bool msi_route_set(struct msi_route *route, const struct msi_message *message) REQUIRES(bql);

/** Send the route's message. False: it has none. Any thread, any locks, also signal handlers. */
bool msi_route_raise(struct msi_route *route);

/**
 * An eventfd that raises the route when written, without a thread of ours between; -1: the sink
 * has none. Borrowed, valid as long as the route. For who may be given one (KVM's own workers).
 */
int msi_route_eventfd(struct msi_route *route) REQUIRES(bql);

/** Send a message that has no route (a processor's store to an APIC's page, say). Any thread. */
void msi_send(struct msi_routes *routes, const struct msi_message *message);

/** Messages and failures as gracevm_msi_*. */
void msi_metrics_register(struct msi_routes *routes, struct metrics *metrics);

#endif

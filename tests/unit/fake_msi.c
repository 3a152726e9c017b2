/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for hw/irq's routes: each is a message under a lock.
 */
#include "hw/irq/msi.h"
#include "util/lock.h"

struct msi_routes {
    struct msi_sink sink;
    unsigned nr;
};

struct msi_route {
    struct msi_routes *routes;
    pthread_mutex_t lock;
    struct msi_message message;
    bool has_message;
};

void msi_routes_free(struct msi_routes *routes)
{
    g_free(routes);
}

struct msi_routes *msi_routes_new(const struct msi_sink *sink)
{
    struct msi_routes *routes = g_new0(struct msi_routes, 1);

    routes->sink = *sink;
    return routes;
}

void msi_route_free(struct msi_route *route)
{
    if (!route)
        return;
    route->routes->nr--;
    pthread_mutex_destroy(&route->lock);
    g_free(route);
}

struct msi_route *msi_route_new(struct msi_routes *routes, GError **error)
{
    struct msi_route *route;

    if (routes->nr == MSI_ROUTES_MAX) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "no route left");
        return NULL;
    }
    routes->nr++;
    route = g_new0(struct msi_route, 1);
    route->routes = routes;
    pthread_mutex_init(&route->lock, NULL);
    return route;
}

bool msi_route_set(struct msi_route *route, const struct msi_message *message)
{
    pthread_mutex_lock(&route->lock);
    route->has_message = message != NULL;
    if (message)
        route->message = *message;
    pthread_mutex_unlock(&route->lock);
    return true;
}

bool msi_route_raise(struct msi_route *route)
{
    struct msi_message message;
    bool has_message;

    pthread_mutex_lock(&route->lock);
    message = route->message;
    has_message = route->has_message;
    pthread_mutex_unlock(&route->lock);
    if (has_message)
        route->routes->sink.send(route->routes->sink.opaque, &message);
    return has_message;
}

int msi_route_eventfd(struct msi_route *route G_GNUC_UNUSED)
{
    return -1;
}

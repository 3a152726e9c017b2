/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which routes KVM has to know. A change of its table costs a grace period in the kernel, so
 * only those are in it that must be; a guest that sets up MSI-X costs nothing.
 *
 * A pin that is masked keeps its entry: its interrupt may be in service, and its end must come out.
 * A route with an eventfd that is masked loses KVM's attention instead: what is written meanwhile
 * stays in the eventfd, and is raised, once, when the route has a message again. That is what a
 * pending bit of MSI-X does.
 */
#include "hw/irq/kvm_irq.h"

#include "hw/cpu/kvm_chips.h"
#include "hw/irq/ioapic.h"
#include "util/atomic.h"
#include "util/log.h"

enum { DATA_LEVEL = 1 << 15 }; /* Intel SDM vol. 3, 11.11.2 */

_Static_assert((int)IOAPIC_PINS == (int)KVM_CHIPS_PINS, "KVM tells the ends of all pins");

struct kvm_irq_route {
    struct msi_message message; /* the newest */
    bool has_message;
    bool is_in_table;
    bool has_eventfd, is_raised_by_it;
    int eventfd;
};

/* Guarded by the BQL, but for cpus, which does not change any more when there are messages. */
struct kvm_irq {
    const struct cpus *cpus; /* NULL: not attached */
    struct kvm_irq_route route[MSI_ROUTES_MAX];
};

static void send(void *opaque, const struct msi_message *message)
{
    const struct kvm_irq *irq = opaque;

    if (!kvm_send_message(irq->cpus, message->address, message->data))
        log_guest_error("KVM: no message 0x%x to 0x%" G_GINT64_MODIFIER "x", message->data,
                        message->address);
}

/* ---- The table ------------------------------------------------------------------------------- */

static bool write_table(struct kvm_irq *irq) REQUIRES(bql)
{
    g_autofree struct kvm_route *table = g_new(struct kvm_route, MSI_ROUTES_MAX);
    unsigned nr = 0;

    if (!irq->cpus)
        return true;
    for (unsigned i = 0; i < MSI_ROUTES_MAX; i++) {
        const struct kvm_irq_route *route = &irq->route[i];

        if (route->is_in_table)
            table[nr++] = (struct kvm_route){
                .gsi = i,
                .address = route->message.address,
                .data = route->message.data,
            };
    }
    return kvm_set_routes(irq->cpus, table, nr);
}

static bool belongs_in_table(const struct kvm_irq *irq, const struct kvm_irq_route *route)
{
    const bool is_pin = route - irq->route < KVM_CHIPS_PINS;

    if (is_pin && route->message.data & DATA_LEVEL)
        return true;
    return route->has_eventfd && route->has_message;
}

/* Have KVM raise it by its eventfd, or not, as it should. */
static bool update_eventfd(struct kvm_irq *irq, struct kvm_irq_route *route) REQUIRES(bql)
{
    const bool is_raised = irq->cpus && route->has_eventfd && route->has_message;

    if (is_raised == route->is_raised_by_it)
        return true;
    if (!kvm_set_irqfd(irq->cpus, (uint32_t)(route - irq->route), route->eventfd, is_raised))
        return false;
    route->is_raised_by_it = is_raised;
    return true;
}

/* Something about @route is new. The table comes first: an eventfd that is raised needs it. */
static bool update(struct kvm_irq *irq, struct kvm_irq_route *route, bool is_new_message)
    REQUIRES(bql)
{
    const bool was_in_table = route->is_in_table;

    route->is_in_table = belongs_in_table(irq, route);
    if (!route->is_in_table && !update_eventfd(irq, route))
        return false;
    if ((route->is_in_table != was_in_table || (route->is_in_table && is_new_message)) &&
        !write_table(irq)) {
        route->is_in_table = was_in_table;
        return false;
    }
    return update_eventfd(irq, route);
}

/* ---- The sink ---------------------------------------------------------------------------------
 */

static bool set_route(void *opaque, unsigned number, const struct msi_message *message)
{
    struct kvm_irq *irq = opaque;
    struct kvm_irq_route *route = &irq->route[number];
    bool is_new;

    bql_assert_held();
    route->has_message = message != NULL;
    if (!message)
        return update(irq, route, false);
    is_new = route->message.address != message->address || route->message.data != message->data;
    route->message = *message;
    return update(irq, route, is_new);
}

static bool set_eventfd(void *opaque, unsigned number, int fd, bool is_on)
{
    struct kvm_irq *irq = opaque;
    struct kvm_irq_route *route = &irq->route[number];
    bool is_done;

    bql_assert_held();
    route->has_eventfd = is_on;
    if (is_on)
        route->eventfd = fd;
    is_done = update(irq, route, false);
    if (!is_done && is_on) {
        route->has_eventfd = false;
        (void)update(irq, route, false); /* back to what it was */
    }
    return is_done;
}

void kvm_irq_sink(struct kvm_irq *irq, struct msi_sink *ret_sink)
{
    *ret_sink = (struct msi_sink){
        .send = send,
        .set_route = set_route,
        .set_eventfd = set_eventfd,
        .opaque = irq,
    };
}

/* ---- Life --------------------------------------------------------------------------------------
 */

bool kvm_irq_attach(struct kvm_irq *irq, const struct cpus *cpus, GError **error)
{
    bool is_done;

    g_assert(kvm_has_chips(cpus));
    irq->cpus = cpus;
    is_done = write_table(irq);
    for (unsigned i = 0; is_done && i < MSI_ROUTES_MAX; i++)
        is_done = update_eventfd(irq, &irq->route[i]);
    if (is_done)
        return true;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                "KVM does not take the machine's interrupt routes");
    return false;
}

void kvm_irq_detach(struct kvm_irq *irq)
{
    irq->cpus = NULL;
    for (unsigned i = 0; i < MSI_ROUTES_MAX; i++)
        irq->route[i].is_raised_by_it = false;
}

void kvm_irq_free(struct kvm_irq *irq)
{
    g_free(irq);
}

struct kvm_irq *kvm_irq_new(void)
{
    return g_new0(struct kvm_irq, 1);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A notification is a write to a register. Where the guest runs in the kernel (KVM),
 * the kernel itself can turn it into a signal of an eventfd, and the processor goes
 * on without leaving the guest for us.
 */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/virtio/virtio_pci_internal.h"
#include "util/log.h"

static void on_signal(void *opaque, short revents UNUSED)
{
    bql_assert_held();
    struct virtio_pci_doorbell *doorbell = opaque;
    uint64_t count;

    if (read(doorbell->fd, &count, sizeof(count)) == sizeof(count))
        virtio_run_queue(doorbell->proxy->device, doorbell->queue);
}

/* Without descriptors left, notifications come by the register. */
static bool open_one(struct virtio_pci *proxy, struct virtio_pci_doorbell *doorbell, unsigned queue)
    REQUIRES(bql)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0) {
        log_warn("%s: queue %u is notified without an eventfd: %s", proxy->pci.name, queue,
                 strerror(errno));
        return false;
    }
    *doorbell = (struct virtio_pci_doorbell){ .proxy = proxy, .queue = queue, .fd = fd };
    doorbell->watch = loop_watch_new(fd, POLLIN, on_signal, doorbell);
    return true;
}

void virtio_pci_doorbells_init(struct virtio_pci *proxy)
{
    const struct virtio_device *device = proxy->device;

    proxy->doorbells_at = PCI_NOWHERE;
    if (!pci_bus_config(proxy->pci.bus)->set_doorbell)
        return;
    proxy->doorbells = g_new0(struct virtio_pci_doorbell, device->nr_queues);
    while (proxy->nr_doorbells < device->nr_queues &&
           open_one(proxy, &proxy->doorbells[proxy->nr_doorbells], proxy->nr_doorbells))
        proxy->nr_doorbells++;
}

void virtio_pci_doorbells_fini(struct virtio_pci *proxy)
{
    for (unsigned i = 0; i < proxy->nr_doorbells; i++) {
        loop_watch_free(proxy->doorbells[i].watch);
        (void)close(proxy->doorbells[i].fd); /* an eventfd has nothing that could fail */
    }
    g_free(proxy->doorbells);
    proxy->doorbells = NULL;
    proxy->nr_doorbells = 0;
}

static void set_all(struct virtio_pci *proxy, bool is_on) REQUIRES(bql)
{
    const struct pci_bus_config *config = pci_bus_config(proxy->pci.bus);

    for (unsigned i = 0; i < proxy->nr_doorbells; i++) {
        struct virtio_pci_doorbell *doorbell = &proxy->doorbells[i];
        uint64_t address = proxy->doorbells_at + VIRTIO_PCI_NOTIFY + i * VIRTIO_PCI_NOTIFY_EACH;

        if (doorbell->is_on == is_on)
            continue;
        if (config->set_doorbell(config->opaque, address, 0, doorbell->fd, is_on))
            doorbell->is_on = is_on;
        else if (is_on)
            log_topic(virtio, "%s: queue %u has no eventfd at 0x%" PRIx64, proxy->pci.name, i,
                      address);
        if (!is_on)
            doorbell->is_on = false; /* there is nothing else that one could do */
    }
}

void virtio_pci_doorbells_move(struct virtio_pci *proxy, uint64_t address)
{
    if (proxy->doorbells_at != PCI_NOWHERE)
        set_all(proxy, false);
    proxy->doorbells_at = address;
    if (address != PCI_NOWHERE)
        set_all(proxy, true);
}

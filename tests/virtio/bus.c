/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/virtio/bus.h"

static void bus_send(void *opaque, const struct msi_message *message)
{
    struct bus *bus = opaque;

    if (message->address == BUS_APIC && message->data < BUS_MESSAGES)
        (void)fetch_add_relaxed(&bus->messages[message->data], 1);
}

static void bus_set_line(void *opaque, unsigned pin, bool is_high)
{
    struct bus *bus = opaque;

    g_assert_cmpuint(pin, ==, BUS_SLOT);
    bus->line_rises += is_high && !bus->line_is_high;
    bus->line_is_high = is_high;
}

static bool bus_set_doorbell(void *opaque, uint64_t address, unsigned size, int fd, bool is_on)
{
    struct bus *bus = opaque;

    g_assert_cmpuint(size, ==, 0);
    if (is_on && bus->refuses_doorbells)
        return false;
    if (is_on) {
        g_assert_cmpuint(bus->nr_doorbells, <, BUS_DOORBELLS);
        bus->doorbells[bus->nr_doorbells++] = (struct bus_doorbell){ address, fd };
        return true;
    }
    for (unsigned i = 0; i < bus->nr_doorbells; i++) {
        if (bus->doorbells[i].address != address || bus->doorbells[i].fd != fd)
            continue;
        bus->doorbells[i] = bus->doorbells[--bus->nr_doorbells];
        return true;
    }
    g_assert_not_reached(); /* it is not on */
}

static void bus_plug(struct bus *bus) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;

    bus->proxy = virtio_pci_new(bus->pci, &bus->echo->device, "virtio-echo-pci", BUS_SLOT, &error);
    g_assert_no_error(error);
    g_assert_true(pci_bus_reset(bus->pci, &error));
    g_assert_no_error(error);
}

struct bus *bus_new(uint16_t queue_size, bool has_doorbells, struct guest *guest,
                    struct region *shared)
{
    struct bus *bus = g_new0(struct bus, 1);
    struct msi_sink sink = { .send = bus_send, .opaque = bus };
    struct pci_bus_config config = {
        .mem = guest->scene.mem,
        .memory = guest->scene.root,
        .ecam_base = BUS_ECAM,
        .nr_buses = 1,
        .window32 = { 0xc0000000, 0x10000000 },
        .window64 = { UINT64_C(1) << 36, UINT64_C(1) << 36 },
        .set_doorbell = has_doorbells ? bus_set_doorbell : NULL,
        .opaque = bus,
    };
    g_autoptr(GError) error = NULL;

    bus->guest = guest;
    bus->ports = region_new_container(guest->scene.mem, "ports", 0x10000);
    bus->routes = msi_routes_new(&sink);
    config.ports = bus->ports;
    config.routes = bus->routes;
    config.intx[BUS_SLOT] = (struct irq_line){ bus_set_line, bus, BUS_SLOT };
    bus->pci = pci_bus_new(&config, &error);
    g_assert_no_error(error);
    bus->echo = echo_new(guest, queue_size);
    if (shared)
        virtio_set_shared_memory(&bus->echo->device, 1, shared);
    bus_plug(bus);
    return bus;
}

void bus_free(struct bus *bus) NO_THREAD_SAFETY /* gives the BQL back */
{
    virtio_pci_free(bus->proxy);
    g_assert_cmpuint(bus->nr_doorbells, ==, 0);
    echo_free(bus->echo);
    pci_bus_free(bus->pci);
    drain_call_rcu();
    bql_unlock();
    msi_routes_free(bus->routes);
    bql_lock();
    region_unref(bus->ports);
    guest_free(bus->guest);
    g_free(bus);
}

uint64_t bus_read(struct bus *bus, uint64_t address, unsigned size)
{
    uint64_t value = 0;

    g_assert_cmpint(mem_read_locked(bus->guest->scene.space, address, &value, size), ==, MEM_OK);
    return value;
}

void bus_write(struct bus *bus, uint64_t address, uint64_t value, unsigned size)
{
    g_assert_cmpint(mem_write_locked(bus->guest->scene.space, address, &value, size), ==, MEM_OK);
}

uint32_t get_config(struct bus *bus, unsigned offset, unsigned size)
{
    return (uint32_t)bus_read(bus, config_at(offset), size);
}

void set_config(struct bus *bus, unsigned offset, uint32_t value, unsigned size)
{
    bus_write(bus, config_at(offset), value, size);
}

uint64_t bar_address(struct bus *bus, unsigned bar)
{
    uint32_t low = get_config(bus, PCI_BAR0 + 4 * bar, 4);
    uint64_t high = low & PCI_BAR_IS_64 ? get_config(bus, PCI_BAR0 + 4 * bar + 4, 4) : 0;

    return high << 32 | (low & ~UINT32_C(15));
}

uint32_t get(struct bus *bus, unsigned offset, unsigned size)
{
    return (uint32_t)bus_read(bus, bar_address(bus, 0) + offset, size);
}

void set(struct bus *bus, unsigned offset, uint32_t value, unsigned size)
{
    bus_write(bus, bar_address(bus, 0) + offset, value, size);
}

void set64(struct bus *bus, unsigned offset, uint64_t value)
{
    set(bus, offset, (uint32_t)value, 4);
    set(bus, offset + 4, (uint32_t)(value >> 32), 4);
}

unsigned find_capability(struct bus *bus, uint8_t id, uint8_t kind)
{
    unsigned at = get_config(bus, PCI_CAPABILITIES, 1);

    while (at && !(get_config(bus, at, 1) == id && (!kind || get_config(bus, at + 3, 1) == kind)))
        at = get_config(bus, at + 1, 1);
    return at;
}

void enable_bus_master(struct bus *bus, bool is_on)
{
    set_config(bus, PCI_COMMAND, PCI_COMMAND_MEMORY | (is_on ? PCI_COMMAND_BUS_MASTER : 0), 2);
}

void enable_msix(struct bus *bus)
{
    unsigned capability = find_capability(bus, PCI_CAPABILITY_MSIX, 0);
    uint64_t table = bar_address(bus, get_config(bus, capability + MSIX_TABLE, 4) & 7);

    for (unsigned i = 0; i <= ECHO_QUEUES; i++) {
        bus_write(bus, table + i * MSIX_ENTRY_SIZE, BUS_APIC, 8);
        bus_write(bus, table + i * MSIX_ENTRY_SIZE + MSIX_ENTRY_DATA, i, 4);
        bus_write(bus, table + i * MSIX_ENTRY_SIZE + MSIX_ENTRY_CONTROL, 0, 4);
    }
    set_config(bus, capability + MSIX_CONTROL, MSIX_CONTROL_ENABLE, 2);
}

void bus_negotiate(struct bus *bus, uint64_t features)
{
    features |= VIRTIO_F_VERSION_1;
    set(bus, STATUS, 1, 1);
    set(bus, STATUS, 3, 1);
    for (unsigned i = 0; i < 2; i++) {
        set(bus, ACCEPT_SELECT, i, 4);
        set(bus, ACCEPT, (uint32_t)(features >> 32 * i), 4);
    }
    set(bus, STATUS, 11, 1);
    g_assert_cmphex(get(bus, STATUS, 1), ==, 11);
}

struct driver bus_set_up(struct bus *bus, unsigned number, uint64_t where, unsigned size)
{
    struct driver driver = {
        .guest = bus->guest,
        .queue = virtio_queue(&bus->echo->device, number),
        .size = size,
        .desc = where,
        .avail = where + size * sizeof(struct desc),
    };

    driver.used = (driver.avail + 6 + 2 * size + 3) & ~UINT64_C(3);
    memset(at(&driver, where), 0, driver.used + 6 + 8 * size - where);
    set(bus, SELECT, number, 2);
    set(bus, SIZE_OF_QUEUE, size, 2);
    set64(bus, DESC_AT, driver.desc);
    set64(bus, AVAIL_AT, driver.avail);
    set64(bus, USED_AT, driver.used);
    set(bus, VECTOR, 1 + number, 2);
    set(bus, ENABLE, 1, 2);
    g_assert_cmpuint(get(bus, ENABLE, 2), ==, 1);
    return driver;
}

void bus_offer(struct bus *bus, struct driver *driver, unsigned head)
{
    offer_quietly(driver, head);
    set(bus, NOTIFY_AT + 4 * virtq_index(driver->queue), virtq_index(driver->queue), 2);
    run_loop();
}

struct driver bus_drive(struct bus *bus, uint64_t features, bool has_msix, uint64_t where,
                        unsigned size)
{
    struct driver driver;

    enable_bus_master(bus, true);
    if (has_msix)
        enable_msix(bus);
    bus_negotiate(bus, features);
    set(bus, CONFIG_VECTOR, 0, 2);
    driver = bus_set_up(bus, 0, where, size);
    set(bus, STATUS, 15, 1);
    run_loop();
    return driver;
}

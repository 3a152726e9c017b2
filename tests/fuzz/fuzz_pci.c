/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A PCI bus with three devices that have BARs of each kind, under a guest that does
 * anything: configuration space by ports and by ECAM, BARs, the MSI-X table, in any size
 * and at any address, while the map refuses now and then, and devices come and go.
 *
 * Input: operations, each a byte and its parameters. After each one: BARs are decoded
 * where registers and command say, aligned, inside their space, and nowhere else; they
 * hide neither RAM nor ECAM; lines follow; what is read-only is as it was; no message
 * goes out that was not raised, and none is held back that may go out.
 */
#include <assert.h>
#include <glib.h>
#include <string.h>

#include "hw/mem/access.h"
#include "hw/mem/listener.h"
#include "hw/pci/msix.h"
#include "hw/pci/registers.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/target.h"
#include "util/rcu.h"
#include "util/start.h"

enum {
    STEPS = 100,
    DEVICES = 3,
    VECTORS = 4,
    MSIX_BAR = 2,
    RAM_SIZE = 0x4000,
    MAGIC = 0x600df00d,
};
#define ECAM UINT64_C(0xe0000000)
#define WINDOW32 UINT64_C(0xc0000000)
#define WINDOW64 UINT64_C(0x100000000)
#define MEMORY_END UINT64_C(0x10000000000)

static const unsigned slot_of[DEVICES] = { 1, 2, 31 };

struct setup;

struct fuzz_device {
    struct pci_device pci; /* all zero while it is away */
    struct setup *setup;
    struct region *window, *blob; /* of a graphics device; or NULL */
    uint64_t registers[2];
    uint64_t told[PCI_BARS]; /* addresses, by bar_moved() */
};

struct setup {
    struct input input;
    struct mem *mem;
    struct region *memory, *ports, *ram;
    struct space *memory_space, *port_space;
    struct pci_bus *bus;
    struct fuzz_device devices[DEVICES];
    struct mem_listener listener;
    unsigned refuse_in; /* 0: never; else the nth add() from now */
    bool lines[PCI_SLOTS];
};

static uint32_t take_number(struct input *input, unsigned nr_bytes)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < nr_bytes; i++)
        number |= (uint32_t)take(input) << (8 * i);
    return number;
}

static unsigned take_size(struct input *input)
{
    return 1U << take(input) % 4;
}

/* What guests write, and what they should not. */
static uint32_t take_value(struct input *input)
{
    static const uint32_t values[] = {
        0,          UINT32_MAX, 0x80000000, 0xfffff000, (uint32_t)ECAM,   (uint32_t)WINDOW32,
        0x00001000, 0xffffffe1, 0x0000c000, 0x00000007, (uint32_t)MAGIC,  0xfee00000,
        0xc0000001, 0x0000fff1, 0x00000cf9, 0x00000400, 0x00000002 << 30, 0x00002000,
    };
    uint8_t choice = take(input);

    return choice < ARRAY_SIZE(values) ? values[choice] : take_number(input, choice % 5);
}

/* ---- What surrounds the bus -------------------------------------------------------- */

static void on_del(struct mem_listener *listener UNUSED, const struct range *range UNUSED)
{
}

static bool on_add(struct mem_listener *listener, const struct range *range UNUSED, GError **error)
{
    struct setup *setup = container_of(listener, struct setup, listener);

    if (setup->refuse_in && --setup->refuse_in == 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "as the input says");
        return false;
    }
    return true;
}

static void set_line(void *opaque, unsigned pin, bool is_high)
{
    ((struct setup *)opaque)->lines[pin] = is_high;
}

/* One table for all runs, since its end waits for more than a run takes. */
static struct msi_routes *routes;
static unsigned nr_raised, nr_sent;

static void send(void *opaque UNUSED, const struct msi_message *message)
{
    assert(message->address % 4 == 0);
    nr_sent++;
    assert(nr_sent <= nr_raised);
}

static uint64_t register_read(void *opaque, uint64_t offset, unsigned size)
{
    struct fuzz_device *device = opaque;

    bql_assert_held();
    assert(device->pci.bus && offset % size == 0);
    return device->registers[offset / 8 % 2] >> (offset % 8 * 8);
}

static void register_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct fuzz_device *device = opaque;

    bql_assert_held();
    assert(device->pci.bus && offset % size == 0);
    device->registers[offset / 8 % 2] = value;
    if (value == 0x77) /* a device may do this from its own handler */
        pci_intx_set(&device->pci, offset & 1);
}

static const struct mmio_ops register_ops = { .read = register_read, .write = register_write };

/* ---- Devices ----------------------------------------------------------------------- */

static void reset_device(struct pci_device *pci)
{
    for (unsigned i = 0; i < PCI_BARS; i++)
        assert(pci->bar[i].address == PCI_NOWHERE || !pci->bar[i].region);
    assert(!pci->intx_is_high && !msix_is_enabled(pci));
}

static void bar_moved(struct pci_device *pci, unsigned bar, uint64_t address)
{
    bql_assert_held();
    assert(pci->bar[bar].address == address);
    container_of(pci, struct fuzz_device, pci)->told[bar] = address;
}

/* One more window to the first registers, as virtio has it. */
static bool config_read(struct pci_device *pci, unsigned offset, unsigned size, uint32_t *ret_value)
{
    const struct fuzz_device *device = container_of(pci, struct fuzz_device, pci);

    assert((size == 1 || size == 2 || size == 4) && offset % size == 0);
    assert(offset + size <= PCI_CONFIG_SIZE);
    if (offset < 0xf0)
        return false;
    *ret_value = (uint32_t)device->registers[0] & (size == 4 ? ~0U : (1U << (8 * size)) - 1);
    return true;
}

static void config_written(struct pci_device *pci UNUSED, unsigned offset, unsigned size)
{
    assert((size == 1 || size == 2 || size == 4) && offset % size == 0);
    assert(offset + size <= PCI_CONFIG_SIZE);
}

static const struct pci_device_ops device_ops = {
    .reset = reset_device,
    .bar_moved = bar_moved,
    .config_read = config_read,
    .config_written = config_written,
};

static void add_registers(struct fuzz_device *device, unsigned bar, enum pci_bar_kind kind,
                          uint64_t size) REQUIRES(bql)
{
    struct region *region =
        region_new_mmio(device->setup->mem, "registers", size, &register_ops, device);

    pci_add_bar(&device->pci, bar, kind, region);
    region_unref(region);
}

static uint8_t window_memory[RAM_PAGE] __attribute__((aligned(RAM_PAGE)));

/* A container with memory in it, as the window of a graphics device is. */
static void add_window(struct fuzz_device *device, unsigned bar) REQUIRES(bql)
{
    device->window = region_new_container(device->setup->mem, "window", UINT64_C(0x40000000));
    device->blob = region_new_host(device->setup->mem, "blob", window_memory, RAM_PAGE, false);
    if (!region_add(device->window, 0x1000, device->blob, 0, NULL))
        abort(); /* it is in no space yet: nobody can refuse */
    pci_add_bar(&device->pci, bar, PCI_BAR_MEMORY64_PREFETCHABLE, device->window);
}

static void plug(struct setup *setup, unsigned number) REQUIRES(bql)
{
    static const struct pci_ids ids = { .vendor = 0x1af4,
                                        .device = 0x1050,
                                        .class_code = 0x030000 };
    struct fuzz_device *device = &setup->devices[number];

    device->setup = setup;
    for (unsigned i = 0; i < PCI_BARS; i++)
        device->told[i] = PCI_NOWHERE;
    if (!pci_device_init(&device->pci, setup->bus, "fuzz", (int)slot_of[number], &ids, &device_ops,
                         NULL))
        abort();
    if (number == 0) {
        add_registers(device, 0, PCI_BAR_MEMORY32, 0x1801);
        add_registers(device, 1, PCI_BAR_PORTS, 0x10);
    } else if (number == 1) {
        add_registers(device, 0, PCI_BAR_MEMORY64, 0x4000);
        add_window(device, 4);
    } else {
        add_registers(device, 0, PCI_BAR_PORTS, 0x100);
        add_registers(device, 1, PCI_BAR_PORTS, 1);
        add_registers(device, 4, PCI_BAR_MEMORY64, 0x20);
    }
    if (!msix_init(&device->pci, VECTORS, number == 1 ? MSIX_BAR : 3, NULL))
        abort();
    pci_device_plug(&device->pci);
}

static void unplug(struct setup *setup, unsigned number) REQUIRES(bql)
{
    struct fuzz_device *device = &setup->devices[number];

    setup->refuse_in = 0; /* else regions stay: that is for owners with on_released() */
    pci_device_fini(&device->pci);
    assert(!setup->lines[slot_of[number]]);
    if (device->window && !region_del(device->blob, NULL))
        abort();
    region_unref(device->blob);
    region_unref(device->window);
    device->blob = device->window = NULL;
}

static bool is_here(const struct fuzz_device *device)
{
    return device->pci.bus != NULL;
}

/* ---- Accesses ---------------------------------------------------------------------- */

static uint64_t peek(struct space *space, uint64_t address, unsigned size) REQUIRES(bql)
{
    uint64_t value = 0;

    (void)mem_read_locked(space, address, &value, size); /* who does not answer gives ones */
    return value;
}

static void poke(struct space *space, uint64_t address, uint64_t value, unsigned size) REQUIRES(bql)
{
    (void)mem_write_locked(space, address, &value, size); /* nobody there: nothing happens */
}

static uint32_t config_get(struct setup *setup, unsigned number, unsigned offset, unsigned size)
    REQUIRES(bql)
{
    return (uint32_t)peek(setup->memory_space, ECAM + slot_of[number] * 0x8000U + offset, size);
}

static void config_set(struct setup *setup, unsigned number, unsigned offset, uint32_t value,
                       unsigned size) REQUIRES(bql)
{
    poke(setup->memory_space, ECAM + slot_of[number] * 0x8000U + offset, value, size);
}

/* ---- What must hold ---------------------------------------------------------------- */

static uint64_t address_in_registers(struct setup *setup, unsigned number, unsigned index)
    REQUIRES(bql)
{
    const struct pci_bar *bar = &setup->devices[number].pci.bar[index];
    uint64_t address = config_get(setup, number, PCI_BAR0 + 4 * index, 4);

    if (bar->kind >= PCI_BAR_MEMORY64)
        address |= (uint64_t)config_get(setup, number, PCI_BAR0 + 4 * index + 4, 4) << 32;
    return address & ~(bar->size - 1);
}

/* @is_exact: no move has been refused, so the registers are right about the map. */
static void check_bar(struct setup *setup, unsigned number, unsigned index, bool is_exact)
    REQUIRES(bql)
{
    const struct fuzz_device *device = &setup->devices[number];
    const struct pci_bar *bar = &device->pci.bar[index];
    uint64_t end = bar->kind == PCI_BAR_PORTS ? 0x10000 : MEMORY_END;
    unsigned enable = bar->kind == PCI_BAR_PORTS ? PCI_COMMAND_PORTS : PCI_COMMAND_MEMORY;
    bool is_on = config_get(setup, number, PCI_COMMAND, 2) & enable;
    uint64_t wanted = address_in_registers(setup, number, index);

    assert(region_is_added(bar->region) == (bar->address != PCI_NOWHERE));
    assert(device->told[index] == bar->address);
    if (bar->address != PCI_NOWHERE) {
        assert(bar->address % bar->size == 0);
        assert(bar->address < end && bar->size <= end - bar->address);
    }
    if (is_exact && is_on && wanted < end && bar->size <= end - wanted)
        assert(bar->address == wanted);
    else if (is_exact)
        assert(bar->address == PCI_NOWHERE);
}

/* Where its MSI-X capability is: behind that of PCI Express, which comes first. */
static unsigned msix_of(const struct pci_device *pci)
{
    unsigned at = pci->config[pci->config[PCI_CAPABILITIES] + 1];

    assert(pci->config[at] == PCI_CAPABILITY_MSIX);
    return at;
}

/* None waits that may go out; looked at through the guest's own view, where that is possible. */
static void check_msix(struct setup *setup, unsigned number) REQUIRES(bql)
{
    const struct pci_device *pci = &setup->devices[number].pci;
    unsigned bar = number == 1 ? MSIX_BAR : 3;
    uint64_t address = pci->bar[bar].address;
    uint32_t pending;

    if (address == PCI_NOWHERE || !msix_is_enabled(pci))
        return;
    WITH_RCU_READ () {
        const struct range *range = view_find(view_get(setup->memory_space), address);

        if (range->region != pci->bar[bar].region || range->start != address ||
            range->size < 0x1008)
            return;
    }
    if (config_get(setup, number, msix_of(pci) + MSIX_CONTROL, 2) & MSIX_CONTROL_MASK_ALL)
        return;
    pending = (uint32_t)peek(setup->memory_space, address + 0x1000, 4);
    for (unsigned i = 0; i < VECTORS; i++)
        assert(!(pending >> i & 1) || (peek(setup->memory_space, address + 16 * i + 12, 4) & 1));
}

static void check_device(struct setup *setup, unsigned number, bool is_exact) REQUIRES(bql)
{
    const struct fuzz_device *device = &setup->devices[number];
    const struct pci_device *pci = &device->pci;
    uint32_t command = config_get(setup, number, PCI_COMMAND, 4);

    assert(config_get(setup, number, PCI_VENDOR, 4) == (is_here(device) ? 0x10501af4 : ~0U));
    if (!is_here(device)) {
        assert(!setup->lines[slot_of[number]]);
        return;
    }
    assert(setup->lines[slot_of[number]] ==
           (pci->intx_is_high && !(command & PCI_COMMAND_INTX_OFF) && !msix_is_enabled(pci)));
    assert(pci->intx_is_high == ((command >> 16 & PCI_STATUS_INTX) != 0));
    assert(pci_is_bus_master(pci) == ((command & PCI_COMMAND_BUS_MASTER) != 0));
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (pci->bar[i].region)
            check_bar(setup, number, i, is_exact);
    }
    check_msix(setup, number);
}

static void check(struct setup *setup, bool is_exact) REQUIRES(bql)
{
    assert(peek(setup->memory_space, 0, 4) == MAGIC);
    assert(peek(setup->memory_space, RAM_SIZE - 4, 4) == MAGIC);
    assert(peek(setup->memory_space, ECAM, 4) == 0x00081b36);
    for (unsigned i = 0; i < DEVICES; i++)
        check_device(setup, i, is_exact);
}

/* ---- Operations -------------------------------------------------------------------- */

static void access_port(struct setup *setup) REQUIRES(bql)
{
    uint8_t where = take(&setup->input);
    uint64_t port = where < 64 ? 0xcf8U + where % 8 : 0x1000U + where;
    unsigned size = take_size(&setup->input);

    if (where % 2)
        poke(setup->port_space, port, take_value(&setup->input), size);
    else
        (void)peek(setup->port_space, port, size); /* whatever it is */
}

/* Configuration by ports, as it is meant: address, then data. */
static void access_by_port(struct setup *setup) REQUIRES(bql)
{
    uint32_t where = take_number(&setup->input, 2);
    uint32_t address = 0x80000000 | slot_of[where % DEVICES] << 11 | (where >> 2 & 0xfc);
    unsigned size = take_size(&setup->input);

    poke(setup->port_space, 0xcf8, address, 4);
    poke(setup->port_space, 0xcfc + where / 4 % 4, take_value(&setup->input), size);
}

static void access_config(struct setup *setup) REQUIRES(bql)
{
    uint32_t where = take_number(&setup->input, 2);
    unsigned number = where % 4 % DEVICES, offset = where >> 2 & (where & 0x8000 ? 0xfff : 0xff);
    unsigned size = take_size(&setup->input);

    if (where & 0x4000)
        config_set(setup, number, offset, take_value(&setup->input), size);
    else
        (void)config_get(setup, number, offset, MIN(size, 4)); /* whatever it is */
}

/* Anywhere in ECAM: other buses, other functions. */
static void access_ecam(struct setup *setup) REQUIRES(bql)
{
    uint64_t address = ECAM + take_number(&setup->input, 3) % 0x400000;
    unsigned size = take_size(&setup->input);

    poke(setup->memory_space, address, take_value(&setup->input), size);
    (void)peek(setup->memory_space, address, size);
}

static void write_bar(struct setup *setup) REQUIRES(bql)
{
    uint8_t which = take(&setup->input);
    unsigned offset = PCI_BAR0 + 4 * (which / 4 % PCI_BARS);

    config_set(setup, which % 4 % DEVICES, offset, take_value(&setup->input), 4);
}

static void write_command(struct setup *setup) REQUIRES(bql)
{
    uint8_t which = take(&setup->input);

    config_set(setup, which % DEVICES, PCI_COMMAND, take(&setup->input) | (which & 4U) << 8, 2);
}

/* A register of a BAR, where that is now. */
static void access_bar(struct setup *setup) REQUIRES(bql)
{
    uint8_t which = take(&setup->input);
    const struct pci_bar *bar = &setup->devices[which % 4 % DEVICES].pci.bar[which / 4 % PCI_BARS];
    uint64_t offset = take_number(&setup->input, 2);
    unsigned size = take_size(&setup->input);
    struct space *space = bar->kind == PCI_BAR_PORTS ? setup->port_space : setup->memory_space;

    if (!bar->region || bar->address == PCI_NOWHERE)
        return;
    if (bar->address < RAM_SIZE && space == setup->memory_space)
        return; /* it would be RAM that is written */
    if (which & 0x80)
        poke(space, bar->address + offset % bar->size, take_value(&setup->input), size);
    else
        (void)peek(space, bar->address + offset % bar->size, size);
}

/* Entries of the table, as drivers write them. */
static void write_table(struct setup *setup) REQUIRES(bql)
{
    uint8_t which = take(&setup->input);
    unsigned number = which % 4 % DEVICES;
    const struct pci_bar *bar = &setup->devices[number].pci.bar[number == 1 ? MSIX_BAR : 3];
    uint32_t value = take_value(&setup->input);

    if (bar->region && bar->address != PCI_NOWHERE && bar->address >= RAM_SIZE)
        poke(setup->memory_space, bar->address + which / 4 % (4 * VECTORS + 2) * 4, value, 4);
}

static void write_msix_control(struct setup *setup) REQUIRES(bql)
{
    uint8_t which = take(&setup->input);
    const struct fuzz_device *device = &setup->devices[which % DEVICES];

    if (is_here(device))
        config_set(setup, which % DEVICES, msix_of(&device->pci) + MSIX_CONTROL,
                   (which & 0xc0U) << 8, 2);
}

static void raise_one(struct setup *setup) REQUIRES(bql)
{
    uint8_t which = take(&setup->input);
    struct fuzz_device *device = &setup->devices[which % DEVICES];

    if (!is_here(device))
        return;
    if (which & 0x80) {
        pci_intx_set(&device->pci, which & 0x40);
        return;
    }
    nr_raised++;
    msix_raise(&device->pci, which / 4 % (VECTORS + 1));
}

static void come_or_go(struct setup *setup) REQUIRES(bql)
{
    unsigned number = take(&setup->input) % DEVICES;

    if (is_here(&setup->devices[number]))
        unplug(setup, number);
    else
        plug(setup, number);
}

/* Whether all is where the registers say, for certain. */
static bool reset(struct setup *setup) REQUIRES(bql)
{
    bool is_done = pci_bus_reset(setup->bus, NULL);

    assert(is_done || !setup->refuse_in);
    return is_done;
}

static void (*const operations[])(struct setup *setup) = {
    access_port, access_by_port,     access_config, access_ecam, write_bar,  write_command,
    access_bar,  write_msix_control, write_table,   raise_one,   come_or_go,
};

static void run_steps(struct setup *setup) REQUIRES(bql)
{
    bool is_exact = true;

    for (unsigned i = 0; i < STEPS && setup->input.left > 0; i++) {
        uint8_t code = take(&setup->input) % (ARRAY_SIZE(operations) + 2);
        unsigned refuse_in = setup->refuse_in;

        if (code < ARRAY_SIZE(operations))
            operations[code](setup);
        else if (code == ARRAY_SIZE(operations))
            is_exact = reset(setup);
        else
            refuse_in = setup->refuse_in = take(&setup->input) % 8;
        if (refuse_in && !setup->refuse_in)
            is_exact = false; /* until all is put in order */
        check(setup, is_exact);
    }
}

/* ---- Beginning and end ------------------------------------------------------------- */

static void set_up_map(struct setup *setup) REQUIRES(bql)
{
    struct ram *ram;

    setup->mem = mem_new();
    setup->memory = region_new_container(setup->mem, "memory", MEMORY_END);
    setup->ports = region_new_container(setup->mem, "ports", 0x10000);
    setup->memory_space = space_new(setup->mem, "memory", setup->memory);
    setup->port_space = space_new(setup->mem, "ports", setup->ports);
    ram = ram_new(setup->mem, "ram", RAM_SIZE, NULL);
    assert(ram);
    setup->ram = region_new_ram(setup->mem, "ram", ram, 0, RAM_SIZE);
    ram_unref(ram);
    if (!region_add(setup->memory, 0, setup->ram, 0, NULL))
        abort();
    poke(setup->memory_space, 0, MAGIC, 4);
    poke(setup->memory_space, RAM_SIZE - 4, MAGIC, 4);
    setup->listener = (struct mem_listener){ .name = "refuser", .del = on_del, .add = on_add };
    if (!space_add_listener(setup->memory_space, &setup->listener, NULL))
        abort();
}

static void set_up(struct setup *setup) REQUIRES(bql)
{
    struct pci_bus_config config;

    set_up_map(setup);
    nr_raised = nr_sent = 0;
    config = (struct pci_bus_config){
        .mem = setup->mem,
        .memory = setup->memory,
        .ports = setup->ports,
        .routes = routes,
        .ecam_base = ECAM,
        .nr_buses = 4,
        .window32 = { WINDOW32, 0x10000000 },
        .window64 = { WINDOW64, UINT64_C(0x100000000) },
        .window_ports = { 0x1000, 0x1000 },
    };
    for (unsigned i = 0; i < PCI_SLOTS; i++)
        config.intx[i] = (struct irq_line){ set_line, setup, i };
    setup->bus = pci_bus_new(&config, NULL);
    assert(setup->bus);
    for (unsigned i = 0; i < DEVICES; i++)
        plug(setup, i);
    (void)reset(setup);
    check(setup, true);
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        if (is_here(&setup->devices[i]))
            unplug(setup, i);
    }
    setup->refuse_in = 0;
    pci_bus_free(setup->bus);
    space_del_listener(setup->memory_space, &setup->listener);
    if (!region_del(setup->ram, NULL))
        abort();
    region_unref(setup->ram);
    space_free(setup->memory_space);
    space_free(setup->port_space);
    region_unref(setup->memory);
    region_unref(setup->ports);
    drain_call_rcu();
    mem_free(setup->mem); /* asserts that nothing is left */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    static const struct msi_sink sink = { .send = send };
    struct setup *setup = g_new0(struct setup, 1);

    if (!routes) {
        if (util_start(NULL) != 0)
            abort();
        routes = msi_routes_new(&sink);
    }
    setup->input = (struct input){ data, size };
    set_up(setup);
    run_steps(setup);
    tear_down(setup);
    g_free(setup);
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mem/listener.h"
#include "tests/unit/pci_device.h"
#include "util/metric.h"
#include "util/thread.h"

/* ---- Ways to configuration space --------------------------------------------------- */

static void out32(struct pci_scene *scene, uint64_t port, uint32_t value) REQUIRES(bql)
{
    poke(scene->ports.space, port, value, 4);
}

static void nobody_answers_with_ones(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    g_assert_cmphex(config_get(&scene, 5, 0, 4), ==, 0xffffffff); /* an empty slot */
    g_assert_cmphex(peek(scene.memory.space, ecam_address(0, 0x1000), 4), ==, 0xffffffff);
    g_assert_cmphex(peek(scene.memory.space, SCENE_ECAM + 0x100000, 2), ==, 0xffff); /* bus 1 */
    out32(&scene, 0xcf8, 0x80002800);
    g_assert_cmphex(peek(scene.ports.space, 0xcfc, 4), ==, 0xffffffff); /* slot 5 */
    out32(&scene, 0xcf8, 0x80000100);
    g_assert_cmphex(peek(scene.ports.space, 0xcfd, 1), ==, 0xff); /* function 1 */
    out32(&scene, 0xcf8, 0x80010000);
    g_assert_cmphex(peek(scene.ports.space, 0xcfc, 4), ==, 0xffffffff); /* bus 1 */
    out32(&scene, 0xcf8, 0);
    g_assert_cmphex(peek(scene.ports.space, 0xcfc, 4), ==, 0xffffffff); /* not enabled */
    poke(scene.ports.space, 0xcfc, 0, 4);
    config_set(&scene, 5, PCI_COMMAND, 2, 2);
    pci_scene_fini(&scene);
}

static void ports_and_ecam_show_the_same(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    g_assert_cmphex(config_get(&scene, 0, PCI_VENDOR, 4), ==, 0x00081b36);
    g_assert_cmphex(config_get(&scene, 0, PCI_REVISION, 4), ==, 0x06000000);
    g_assert_cmphex(config_get(&scene, 0, PCI_INTERRUPT_PIN, 1), ==, 0);
    for (unsigned offset = 0; offset < 0x40; offset++) {
        uint8_t byte = (uint8_t)config_get(&scene, 0, offset, 1);

        out32(&scene, 0xcf8, 0x80000000 | (offset & ~3U));
        g_assert_cmphex(peek(scene.ports.space, 0xcfc + offset % 4, 1), ==, byte);
        g_assert_cmphex(config_get(&scene, 0, offset & ~1U, 2) >> (offset % 2 * 8) & 0xff, ==,
                        byte);
        g_assert_cmphex(config_get(&scene, 0, offset & ~3U, 4) >> (offset % 4 * 8) & 0xff, ==,
                        byte);
    }
    out32(&scene, 0xcf8, 0x80000000);
    g_assert_cmphex(peek(scene.ports.space, 0xcfd, 2), ==, 0x081b); /* unaligned: in pieces */
    g_assert_cmphex(peek(scene.memory.space, SCENE_ECAM, 8), ==, UINT64_C(0x0000000000081b36));
    pci_scene_fini(&scene);
}

static void address_port_is_four_bytes_only(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    out32(&scene, 0xcf8, 0xffffffff);
    g_assert_cmphex(peek(scene.ports.space, 0xcf8, 4), ==, 0x80fffffc);
    poke(scene.ports.space, 0xcf9, 0x06, 1); /* another register, on machines that have it */
    poke(scene.ports.space, 0xcf8, 0, 2);
    g_assert_cmphex(peek(scene.ports.space, 0xcf8, 4), ==, 0x80fffffc);
    g_assert_cmphex(peek(scene.ports.space, 0xcfb, 1), ==, 0xff);
    pci_scene_fini(&scene);
}

/* ---- The header -------------------------------------------------------------------- */

static const struct {
    unsigned offset, size;
    uint32_t value;
} header_after_ones[] = {
    { PCI_VENDOR, 4, 0x56781234 },
    { PCI_COMMAND, 2, 0x0547 },
    { PCI_STATUS, 2, 0x0010 },
    { PCI_REVISION, 4, 0x03020142 },
    { PCI_CACHE_LINE, 4, 0x000000ff }, /* and latency, header type, self test */
    { PCI_BAR0 + 8, 4, 0 },
    { 0x28, 4, 0 },
    { PCI_SUBSYSTEM_VENDOR, 4, 0xdef09abc },
    { 0x30, 4, 0 }, /* no ROM */
    { PCI_CAPABILITIES, 4, 0x40 },
    { 0x38, 4, 0 },
    { PCI_INTERRUPT_LINE, 4, 0x000001ff },
};

static void read_only_bits_stay(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    test_device_init(&scene, &device, 4);
    test_device_add_bar(&device, 0, PCI_BAR_MEMORY32, 0x1000);
    g_assert_cmpstr(device.pci.name, ==, "test 0:4.0");
    g_assert_cmphex(config_get(&scene, 4, PCI_VENDOR, 4), ==, 0xffffffff); /* not plugged */
    pci_device_plug(&device.pci);
    reset_bus(&scene);
    for (unsigned offset = 0; offset < 0x1000; offset += 4)
        config_set(&scene, 4, offset, 0xffffffff, 4);
    for (unsigned i = 0; i < ARRAY_SIZE(header_after_ones); i++)
        g_assert_cmphex(
            config_get(&scene, 4, header_after_ones[i].offset, header_after_ones[i].size), ==,
            header_after_ones[i].value);
    g_assert_cmphex(config_get(&scene, 4, PCI_BAR0, 4), ==, 0xfffff000);
    g_assert_true(pci_is_bus_master(&device.pci));
    config_set(&scene, 4, PCI_COMMAND + 1, 0, 1);
    g_assert_cmphex(config_get(&scene, 4, PCI_COMMAND, 2), ==, 0x0047);
    config_set(&scene, 4, PCI_COMMAND, 0, 1);
    g_assert_false(pci_is_bus_master(&device.pci));
    pci_device_fini(&device.pci);
    pci_scene_fini(&scene);
}

static void capabilities_can_be_walked(void) NO_THREAD_SAFETY
{
    static const uint8_t body[] = { 7, 1, 2, 3, 4 }, mask[] = { 0xf0 };
    struct pci_scene scene;
    struct test_device device;
    unsigned express, first, second;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    test_device_init(&scene, &device, -1);
    first = pci_add_capability(&device.pci, PCI_CAPABILITY_VENDOR, body, 5);
    second = pci_add_capability(&device.pci, PCI_CAPABILITY_VENDOR, body, 1);
    pci_set_writable(&device.pci, first + 3, mask, 1);
    pci_device_plug(&device.pci);
    express = find_capability(&scene, 1, PCI_CAPABILITY_EXPRESS);
    g_assert_cmphex(express, ==, 0x40);
    g_assert_cmphex(config_get(&scene, 1, express + 2, 2), ==, 0x0092); /* integrated, v2 */
    g_assert_cmphex(find_capability(&scene, 1, PCI_CAPABILITY_VENDOR), ==, first);
    g_assert_cmphex(config_get(&scene, 1, first + 1, 1), ==, second);
    g_assert_cmphex(config_get(&scene, 1, second + 1, 1), ==, 0);
    g_assert_cmphex(config_get(&scene, 1, first + 2, 1), ==, 7);
    config_set(&scene, 1, first + 3, 0xff, 1);
    config_set(&scene, 1, first + 4, 0xff, 1);
    g_assert_cmphex(config_get(&scene, 1, first + 3, 1), ==, 0xf1);
    g_assert_cmphex(config_get(&scene, 1, first + 4, 1), ==, 2);
    g_assert_cmphex(config_get(&scene, 0, PCI_CAPABILITIES, 1), ==, 0);
    g_assert_cmphex(config_get(&scene, 0, PCI_STATUS, 2), ==, 0);
    pci_device_fini(&device.pci);
    pci_scene_fini(&scene);
}

static void extended_space_is_empty(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    g_assert_cmphex(config_get(&scene, 0, 0x100, 4), ==, 0);
    config_set(&scene, 0, 0x100, 0xffffffff, 4);
    g_assert_cmphex(config_get(&scene, 0, 0x100, 4), ==, 0);
    g_assert_cmphex(config_get(&scene, 0, 0xfff, 1), ==, 0);
    g_assert_cmphex(config_get(&scene, 1, 0x100, 4), ==, 0xffffffff);
    pci_scene_fini(&scene);
}

/* A window at 0xf0 as a device may have it: 4 bytes that count reads and keep what is written. */
static uint32_t window;

static bool window_read(struct pci_device *device G_GNUC_UNUSED, unsigned offset, unsigned size,
                        uint32_t *ret_value)
{
    if (offset != 0xf0)
        return false;
    g_assert_cmpuint(size, ==, 4);
    *ret_value = window++;
    return true;
}

static void window_written(struct pci_device *device, unsigned offset, unsigned size)
{
    if (offset == 0xf0 && size == 4)
        memcpy(&window, device->config + 0xf0, 4);
}

static void device_may_answer_itself(void) NO_THREAD_SAFETY
{
    static const struct pci_device_ops ops = { .config_read = window_read,
                                               .config_written = window_written };
    static const uint8_t ones[4] = { 0xff, 0xff, 0xff, 0xff };
    struct pci_scene scene;
    struct pci_device device;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    g_assert_true(pci_device_init(&device, scene.bus, "window", 1, &test_device_ids, &ops, NULL));
    pci_set_writable(&device, 0xf0, ones, 4);
    pci_device_plug(&device);
    config_set(&scene, 1, 0xf0, 1000, 4);
    g_assert_cmpuint(config_get(&scene, 1, 0xf0, 4), ==, 1000);
    g_assert_cmpuint(config_get(&scene, 1, 0xf0, 4), ==, 1001);
    g_assert_cmphex(config_get(&scene, 1, PCI_VENDOR, 2), ==, 0x1234);
    pci_device_fini(&device);
    pci_scene_fini(&scene);
}

/* ---- BARs -------------------------------------------------------------------------- */

static void bars_tell_their_size(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    test_device_init(&scene, &device, 2);
    test_device_add_bar(&device, 0, PCI_BAR_MEMORY32, 0x1801); /* rounded up to 0x2000 */
    test_device_add_bar(&device, 1, PCI_BAR_PORTS, 0x20);
    test_device_add_bar(&device, 2, PCI_BAR_MEMORY64_PREFETCHABLE, UINT64_C(0x200000000));
    test_device_add_bar(&device, 4, PCI_BAR_MEMORY64, 0x10); /* a page at least */
    pci_device_plug(&device.pci);
    reset_bus(&scene);
    for (unsigned i = 0; i < PCI_BARS; i++)
        config_set(&scene, 2, PCI_BAR0 + 4 * i, 0xffffffff, 4);
    g_assert_cmphex(config_get(&scene, 2, PCI_BAR0, 4), ==, 0xffffe000);
    g_assert_cmphex(config_get(&scene, 2, PCI_BAR0 + 4, 4), ==, 0xffffffe1);
    g_assert_cmphex(config_get(&scene, 2, PCI_BAR0 + 8, 4), ==, 0x0000000c);
    g_assert_cmphex(config_get(&scene, 2, PCI_BAR0 + 12, 4), ==, 0xfffffffe);
    g_assert_cmphex(config_get(&scene, 2, PCI_BAR0 + 16, 4), ==, 0xfffff004);
    g_assert_cmphex(config_get(&scene, 2, PCI_BAR0 + 20, 4), ==, 0xffffffff);
    pci_device_fini(&device.pci);
    pci_scene_fini(&scene);
}

static void bars_are_assigned_largest_first(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device a, b;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    test_device_init(&scene, &a, 1);
    test_device_init(&scene, &b, 2);
    test_device_add_bar(&a, 0, PCI_BAR_MEMORY32, 0x1000);
    test_device_add_bar(&a, 1, PCI_BAR_PORTS, 0x10);
    test_device_add_bar(&a, 2, PCI_BAR_MEMORY64, 0x4000);
    test_device_add_bar(&b, 0, PCI_BAR_MEMORY32, 0x10000);
    test_device_add_bar(&b, 1, PCI_BAR_PORTS, 0x100);
    test_device_add_bar(&b, 2, PCI_BAR_MEMORY64_PREFETCHABLE, UINT64_C(0x200000000));
    test_device_add_bar(&b, 4, PCI_BAR_MEMORY32, 0x1000);
    pci_device_plug(&a.pci);
    pci_device_plug(&b.pci);
    reset_bus(&scene);
    g_assert_cmphex(b.pci.bar[0].address, ==, SCENE_WINDOW32);
    g_assert_cmphex(a.pci.bar[2].address, ==, SCENE_WINDOW32 + 0x10000);
    g_assert_cmphex(a.pci.bar[0].address, ==, SCENE_WINDOW32 + 0x14000);
    g_assert_cmphex(b.pci.bar[4].address, ==, SCENE_WINDOW32 + 0x15000);
    g_assert_cmphex(b.pci.bar[1].address, ==, SCENE_PORTS);
    g_assert_cmphex(a.pci.bar[1].address, ==, SCENE_PORTS + 0x100);
    g_assert_cmphex(b.pci.bar[2].address, ==, UINT64_C(0x200000000)); /* aligned to its size */
    g_assert_cmphex(config_get(&scene, 2, PCI_BAR0 + 8, 4), ==, 0x0000000c);
    g_assert_cmphex(config_get(&scene, 2, PCI_BAR0 + 12, 4), ==, 2);
    g_assert_cmphex(config_get(&scene, 1, PCI_BAR0 + 4, 4), ==, 0x1101);
    g_assert_cmphex(config_get(&scene, 1, PCI_COMMAND, 2), ==, 3);
    g_assert_cmphex(b.address[2], ==, UINT64_C(0x200000000));
    g_assert_cmpuint(scene.map_changes, ==, 1); /* one commit for all */
    poke(scene.ports.space, SCENE_PORTS + 0x100, 0x77, 1);
    g_assert_cmphex(a.written[1], ==, 0x77);
    poke(scene.memory.space, UINT64_C(0x200000000), 0x88, 8);
    g_assert_cmphex(b.written[2], ==, 0x88);
    pci_device_fini(&a.pci);
    pci_device_fini(&b.pci);
    pci_scene_fini(&scene);
}

/* A bus on which @size bytes of @kind have no room. */
static void check_no_room(enum pci_bar_kind kind, uint64_t size, const char *window_name)
    NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device small, large;
    g_autoptr(GError) error = NULL;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    test_device_init(&scene, &small, 1);
    test_device_add_bar(&small, 0, PCI_BAR_MEMORY32, 0x1000);
    pci_device_plug(&small.pci);
    reset_bus(&scene);
    g_assert_cmphex(small.pci.bar[0].address, ==, SCENE_WINDOW32);
    test_device_init(&scene, &large, 9);
    for (unsigned bar = 0; bar < 6; bar += 2)
        test_device_add_bar(&large, bar, kind, size);
    pci_device_plug(&large.pci);
    g_assert_false(pci_bus_reset(scene.bus, &error));
    g_assert_nonnull(strstr(error->message, "test 0:9.0"));
    g_assert_nonnull(strstr(error->message, window_name));
    g_assert_cmphex(small.pci.bar[0].address, ==, PCI_NOWHERE);
    g_assert_cmphex(config_get(&scene, 1, PCI_COMMAND, 2), ==, 0);
    pci_device_fini(&large.pci);
    reset_bus(&scene);
    g_assert_cmphex(small.pci.bar[0].address, ==, SCENE_WINDOW32);
    pci_device_fini(&small.pci);
    pci_scene_fini(&scene);
}

static void window_too_small_is_an_error(void)
{
    check_no_room(PCI_BAR_MEMORY32, 0x800000, "32-bit");
    check_no_room(PCI_BAR_MEMORY64, UINT64_C(1) << 62, "32-bit");
    check_no_room(PCI_BAR_MEMORY64_PREFETCHABLE, UINT64_C(0x200000000), "64-bit");
    check_no_room(PCI_BAR_MEMORY64_PREFETCHABLE, UINT64_C(1) << 63, "64-bit");
}

static void port_window_too_small_is_an_error(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;
    struct pci_bus_config config;
    g_autoptr(GError) error = NULL;

    pci_scene_init(&scene);
    config = scene_config(&scene);
    config.window_ports.size = 0;
    scene.bus = pci_bus_new(&config, NULL);
    test_device_init(&scene, &device, -1);
    test_device_add_bar(&device, 0, PCI_BAR_PORTS, 4);
    pci_device_plug(&device.pci);
    g_assert_false(pci_bus_reset(scene.bus, &error));
    g_assert_nonnull(strstr(error->message, "port window"));
    pci_device_fini(&device.pci);
    pci_scene_fini(&scene);
}

/* A device of one BAR in slot 1, decoded at SCENE_WINDOW32. */
static void set_up_one(struct pci_scene *scene, struct test_device *device) REQUIRES(bql)
{
    pci_scene_init(scene);
    pci_scene_add_bus(scene);
    test_device_init(scene, device, 1);
    test_device_add_bar(device, 0, PCI_BAR_MEMORY64, 0x1000);
    pci_device_plug(&device->pci);
    reset_bus(scene);
    g_assert_cmphex(device->address[0], ==, SCENE_WINDOW32);
    device->written[0] = 0x5a;
    scene->map_changes = 0;
}

static void tear_down_one(struct pci_scene *scene, struct test_device *device) REQUIRES(bql)
{
    pci_device_fini(&device->pci);
    pci_scene_fini(scene);
}

static void bar_moves_with_its_register(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;

    set_up_one(&scene, &device);
    g_assert_cmphex(peek(scene.memory.space, SCENE_WINDOW32, 1), ==, 0x5a);
    config_set(&scene, 1, PCI_BAR0, 0xc0234567, 4); /* low bits are not the guest's */
    g_assert_cmphex(config_get(&scene, 1, PCI_BAR0, 4), ==, 0xc0234004);
    g_assert_cmphex(device.address[0], ==, 0xc0234000);
    g_assert_cmpuint(scene.map_changes, ==, 1);
    g_assert_cmphex(peek(scene.memory.space, SCENE_WINDOW32, 1), ==, 0xff);
    g_assert_cmphex(peek(scene.memory.space, 0xc0234000, 1), ==, 0x5a);
    config_set(&scene, 1, PCI_BAR0 + 4, 0x12, 1); /* one byte of the upper half */
    g_assert_cmphex(device.address[0], ==, UINT64_C(0x12c0234000));
    g_assert_cmphex(peek(scene.memory.space, UINT64_C(0x12c0234000), 1), ==, 0x5a);
    config_set(&scene, 1, PCI_BAR0 + 4, 0x12, 4); /* the same again changes nothing */
    g_assert_cmpuint(scene.map_changes, ==, 2);
    tear_down_one(&scene, &device);
}

static void command_switches_decoding(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;

    set_up_one(&scene, &device);
    config_set(&scene, 1, PCI_COMMAND, PCI_COMMAND_PORTS, 1);
    g_assert_cmphex(device.address[0], ==, PCI_NOWHERE);
    g_assert_cmphex(peek(scene.memory.space, SCENE_WINDOW32, 1), ==, 0xff);
    g_assert_cmpuint(scene.map_changes, ==, 1);
    config_set(&scene, 1, PCI_BAR0, 0xc0300000, 4);
    g_assert_cmphex(device.address[0], ==, PCI_NOWHERE);
    g_assert_cmpuint(scene.map_changes, ==, 1);
    config_set(&scene, 1, PCI_COMMAND, PCI_COMMAND_MEMORY, 1);
    g_assert_cmphex(device.address[0], ==, 0xc0300000);
    g_assert_cmphex(peek(scene.memory.space, 0xc0300000, 1), ==, 0x5a);
    tear_down_one(&scene, &device);
}

static void bar_hides_nothing(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;

    set_up_one(&scene, &device);
    poke(scene.memory.space, 0, 0x11, 1);
    config_set(&scene, 1, PCI_BAR0, 0, 4); /* over RAM */
    g_assert_cmphex(device.address[0], ==, 0);
    g_assert_cmphex(peek(scene.memory.space, 0, 1), ==, 0x11);
    config_set(&scene, 1, PCI_BAR0, SCENE_ECAM, 4); /* over the way to itself */
    g_assert_cmphex(config_get(&scene, 0, PCI_VENDOR, 2), ==, 0x1b36);
    config_set(&scene, 1, PCI_BAR0, 0xc0400000, 4);
    g_assert_cmphex(peek(scene.memory.space, 0xc0400000, 1), ==, 0x5a);
    tear_down_one(&scene, &device);
}

static void bar_out_of_reach_is_not_decoded(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device, ports;

    set_up_one(&scene, &device);
    config_set(&scene, 1, PCI_BAR0 + 4, 0x100, 4); /* the first that the space does not have */
    g_assert_cmphex(device.address[0], ==, PCI_NOWHERE);
    config_set(&scene, 1, PCI_BAR0 + 4, 0xffffffff, 4);
    config_set(&scene, 1, PCI_BAR0, 0xffffffff, 4); /* where a sum would wrap around */
    g_assert_cmphex(device.address[0], ==, PCI_NOWHERE);
    config_set(&scene, 1, PCI_BAR0 + 4, 0xff, 4); /* the last that it has */
    g_assert_cmphex(device.address[0], ==, SCENE_END - 0x1000);
    test_device_init(&scene, &ports, 2);
    test_device_add_bar(&ports, 0, PCI_BAR_PORTS, 8);
    pci_device_plug(&ports.pci);
    reset_bus(&scene);
    config_set(&scene, 2, PCI_BAR0, 0x10000, 4);
    g_assert_cmphex(ports.address[0], ==, PCI_NOWHERE);
    config_set(&scene, 2, PCI_BAR0, 0xfff8, 4);
    g_assert_cmphex(ports.address[0], ==, 0xfff8);
    config_set(&scene, 2, PCI_BAR0, 0xcf8, 4); /* behind the host bridge's */
    g_assert_cmphex(peek(scene.ports.space, 0xcf8, 4), ==, 0);
    pci_device_fini(&ports.pci);
    tear_down_one(&scene, &device);
}

/* ---- A map that refuses ------------------------------------------------------------ */

struct refuser {
    struct mem_listener listener;
    bool refuses;
};

static void ignore_del(struct mem_listener *listener G_GNUC_UNUSED,
                       const struct range *range G_GNUC_UNUSED)
{
}

static bool maybe_add(struct mem_listener *listener, const struct range *range, GError **error)
{
    struct refuser *refuser = container_of(listener, struct refuser, listener);

    if (!refuser->refuses)
        return true;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "no slot for %s",
                region_name(range->region));
    return false;
}

static void refused_move_leaves_all_as_it_was(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;
    struct refuser refuser = { .listener = {
                                   .name = "refuser", .del = ignore_del, .add = maybe_add } };
    struct mem_stats stats;

    set_up_one(&scene, &device);
    g_assert_true(space_add_listener(scene.memory.space, &refuser.listener, NULL));
    refuser.refuses = true;
    config_set(&scene, 1, PCI_BAR0, 0xc0500000, 4);
    g_assert_cmphex(config_get(&scene, 1, PCI_BAR0, 4), ==, 0xc0500004);
    g_assert_cmphex(device.address[0], ==, SCENE_WINDOW32);
    g_assert_cmphex(peek(scene.memory.space, SCENE_WINDOW32, 1), ==, 0x5a);
    g_assert_cmpuint(scene.map_changes, ==, 0);
    mem_get_stats(scene.memory.mem, &stats);
    g_assert_cmpuint(stats.refused_commits, ==, 1);
    refuser.refuses = false;
    config_set(&scene, 1, PCI_BAR0, 0xc0500000, 4); /* it is tried again */
    g_assert_cmphex(device.address[0], ==, 0xc0500000);
    refuser.refuses = true;
    g_assert_false(pci_bus_reset(scene.bus, NULL));
    refuser.refuses = false;
    reset_bus(&scene);
    g_assert_cmphex(device.address[0], ==, SCENE_WINDOW32);
    space_del_listener(scene.memory.space, &refuser.listener);
    tear_down_one(&scene, &device);
}

static void refused_bus_is_an_error(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct pci_bus_config config;
    struct refuser refuser = { .listener = {
                                   .name = "refuser", .del = ignore_del, .add = maybe_add } };
    g_autoptr(GError) error = NULL;

    pci_scene_init(&scene);
    g_assert_true(space_add_listener(scene.memory.space, &refuser.listener, NULL));
    refuser.refuses = true;
    config = scene_config(&scene);
    g_assert_null(pci_bus_new(&config, &error));
    g_assert_nonnull(strstr(error->message, "no slot"));
    space_del_listener(scene.memory.space, &refuser.listener);
    pci_scene_fini(&scene);
}

/* ---- INTx -------------------------------------------------------------------------- */

static void intx_follows_device_and_command(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;

    set_up_one(&scene, &device);
    g_assert_cmphex(config_get(&scene, 1, PCI_INTERRUPT_PIN, 1), ==, 1);
    pci_intx_set(&device.pci, true);
    g_assert_true(scene.lines[1]);
    g_assert_cmphex(config_get(&scene, 1, PCI_STATUS, 2), ==, 0x18);
    config_set(&scene, 1, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_OFF, 2);
    g_assert_false(scene.lines[1]);
    g_assert_cmphex(config_get(&scene, 1, PCI_STATUS, 2), ==, 0x18); /* still pending */
    pci_intx_set(&device.pci, false);
    g_assert_cmphex(config_get(&scene, 1, PCI_STATUS, 2), ==, 0x10);
    pci_intx_set(&device.pci, true);
    g_assert_false(scene.lines[1]);
    config_set(&scene, 1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_assert_true(scene.lines[1]);
    reset_bus(&scene);
    g_assert_false(scene.lines[1]);
    g_assert_cmphex(config_get(&scene, 1, PCI_STATUS, 2), ==, 0x10);
    pci_intx_set(&device.pci, true);
    pci_device_fini(&device.pci);
    g_assert_false(scene.lines[1]);
    pci_scene_fini(&scene);
}

/* ---- Life -------------------------------------------------------------------------- */

static void reset_puts_all_back(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;

    set_up_one(&scene, &device);
    g_assert_cmpuint(device.nr_resets, ==, 1);
    config_set(&scene, 1, PCI_BAR0, 0xc0600000, 4);
    config_set(&scene, 1, PCI_COMMAND, 0x546, 2);
    config_set(&scene, 1, PCI_INTERRUPT_LINE, 11, 1);
    g_assert_cmpuint(device.nr_config_writes, ==, 3);
    out32(&scene, 0xcf8, 0x80000800);
    reset_bus(&scene);
    g_assert_cmpuint(device.nr_resets, ==, 2);
    g_assert_false(device.was_decoded_at_reset);
    g_assert_cmphex(device.address[0], ==, SCENE_WINDOW32);
    g_assert_cmphex(config_get(&scene, 1, PCI_COMMAND, 2), ==, PCI_COMMAND_MEMORY);
    g_assert_cmphex(config_get(&scene, 1, PCI_INTERRUPT_LINE, 1), ==, 0xff);
    g_assert_cmphex(peek(scene.ports.space, 0xcf8, 4), ==, 0);
    tear_down_one(&scene, &device);
}

static void count_device(struct pci_device *device, void *arg)
{
    g_string_append_printf(arg, "%s, ", device->name);
}

static void slots_are_given_once(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device devices[PCI_SLOTS];
    struct pci_device none;
    g_autoptr(GError) taken = NULL, wrong = NULL, full = NULL;
    g_autoptr(GString) names = g_string_new(NULL);

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    test_device_init(&scene, &devices[3], 3);
    pci_device_plug(&devices[3].pci);
    g_assert_false(
        pci_device_init(&none, scene.bus, "x", 3, &test_device_ids, &test_device_ops, &taken));
    g_assert_cmpstr(taken->message, ==, "x: PCI slot 3 is taken by test 0:3.0");
    g_assert_false(
        pci_device_init(&none, scene.bus, "x", 32, &test_device_ids, &test_device_ops, &wrong));
    g_assert_cmpstr(wrong->message, ==, "x: there is no PCI slot 32, only 1 to 31");
    test_device_init(&scene, &devices[1], -1);
    pci_device_plug(&devices[1].pci);
    pci_bus_for_each(scene.bus, count_device, names);
    g_assert_cmpstr(names->str, ==, "host-bridge 0:0.0, test 0:1.0, test 0:3.0, ");
    for (unsigned i = 2; i < PCI_SLOTS; i++) {
        if (i != 3)
            test_device_init(&scene, &devices[i], -1);
        g_assert_cmpuint(devices[i].pci.slot, ==, i);
    }
    g_assert_false(
        pci_device_init(&none, scene.bus, "x", -1, &test_device_ids, &test_device_ops, &full));
    g_assert_cmpstr(full->message, ==, "x: all 31 PCI slots are taken");
    for (unsigned i = 1; i < PCI_SLOTS; i++)
        pci_device_fini(&devices[i].pci);
    pci_scene_fini(&scene);
}

static void regions_outlive_their_device(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;
    int nr_released = 0;

    pci_scene_init(&scene);
    pci_scene_add_bus(&scene);
    test_device_init(&scene, &device, 1);
    test_device_add_bar(&device, 0, PCI_BAR_MEMORY32, 0x1000);
    region_on_released(device.pci.bar[0].region, count_release, &nr_released);
    pci_device_plug(&device.pci);
    reset_bus(&scene);
    WITH_RCU_READ () { /* somebody is still in the view that has it */
        pci_device_fini(&device.pci);
        g_assert_cmpint(load_acquire(&nr_released), ==, 0);
    }
    g_assert_cmphex(peek(scene.memory.space, SCENE_WINDOW32, 4), ==, 0xffffffff);
    g_assert_cmphex(config_get(&scene, 1, 0, 4), ==, 0xffffffff);
    drain_call_rcu();
    g_assert_cmpint(load_acquire(&nr_released), ==, 1);
    pci_scene_fini(&scene);
}

static void figures_are_counted(void) NO_THREAD_SAFETY
{
    struct pci_scene scene;
    struct test_device device;
    struct metrics *metrics = metrics_new();
    g_autofree char *text = NULL;
    size_t size;
    FILE *out;

    set_up_one(&scene, &device); /* one move */
    pci_bus_metrics_register(scene.bus, metrics);
    config_set(&scene, 1, PCI_BAR0, 0xc0700000, 4);
    config_set(&scene, 1, PCI_COMMAND, 0, 2);
    out = open_memstream(&text, &size);
    metrics_print(metrics, out);
    fclose(out);
    g_assert_nonnull(strstr(text, "\ngracevm_pci_bar_moves_total 3\n"));
    g_assert_nonnull(strstr(text, "\ngracevm_pci_refused_moves_total 0\n"));
    metrics_remove(metrics, scene.bus);
    metrics_free(metrics);
    tear_down_one(&scene, &device);
}

static void two_buses_do_not_meet(void) NO_THREAD_SAFETY
{
    struct pci_scene one, other;
    struct test_device device;

    set_up_one(&one, &device);
    pci_scene_init(&other);
    pci_scene_add_bus(&other);
    reset_bus(&other);
    g_assert_cmphex(config_get(&one, 1, PCI_VENDOR, 2), ==, 0x1234);
    g_assert_cmphex(config_get(&other, 1, PCI_VENDOR, 2), ==, 0xffff);
    pci_scene_fini(&other);
    g_assert_cmphex(peek(one.memory.space, SCENE_WINDOW32, 1), ==, 0x5a);
    tear_down_one(&one, &device);
}

/* ---- Storm ------------------------------------------------------------------------- */

enum { STORM_READS = 20000 };

struct storm {
    struct pci_scene scene;
    struct test_device device;
    uint32_t is_over; /* atomic */
};

/* What is read is the device's, or nobody's. */
static void read_all_the_time(void *arg)
{
    struct storm *storm = arg;
    uint64_t seen = 0;

    for (unsigned i = 0; i < STORM_READS || !seen; i++) {
        uint32_t value = 0;

        (void)mem_read(storm->scene.memory.space, SCENE_WINDOW32 + (i % 4) * 0x1000, &value, 4);
        g_assert_true(value == 0x5a || value == 0xffffffff);
        seen += value == 0x5a;
    }
    store_release(&storm->is_over, 1); /* pairs with the acquire in bar_moves_under_readers() */
}

static void bar_moves_under_readers(void) NO_THREAD_SAFETY
{
    struct storm storm = { .is_over = 0 };
    struct thread *reader;

    set_up_one(&storm.scene, &storm.device);
    reader = thread_start("reader", read_all_the_time, &storm);
    for (unsigned i = 0; !load_acquire(&storm.is_over); i++) {
        config_set(&storm.scene, 1, PCI_BAR0, (uint32_t)SCENE_WINDOW32 + i % 4 * 0x1000, 4);
        if (i % 16 == 0)
            config_set(&storm.scene, 1, PCI_COMMAND, i % 32 ? PCI_COMMAND_MEMORY : 0, 1);
        bql_unlock();
        bql_lock();
    }
    bql_unlock();
    thread_join(reader);
    bql_lock();
    tear_down_one(&storm.scene, &storm.device);
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
        { "/pci/nobody_answers_with_ones", nobody_answers_with_ones },
        { "/pci/ports_and_ecam_show_the_same", ports_and_ecam_show_the_same },
        { "/pci/address_port_is_four_bytes_only", address_port_is_four_bytes_only },
        { "/pci/read_only_bits_stay", read_only_bits_stay },
        { "/pci/capabilities_can_be_walked", capabilities_can_be_walked },
        { "/pci/extended_space_is_empty", extended_space_is_empty },
        { "/pci/device_may_answer_itself", device_may_answer_itself },
        { "/pci/bars_tell_their_size", bars_tell_their_size },
        { "/pci/bars_are_assigned_largest_first", bars_are_assigned_largest_first },
        { "/pci/window_too_small_is_an_error", window_too_small_is_an_error },
        { "/pci/port_window_too_small_is_an_error", port_window_too_small_is_an_error },
        { "/pci/bar_moves_with_its_register", bar_moves_with_its_register },
        { "/pci/command_switches_decoding", command_switches_decoding },
        { "/pci/bar_hides_nothing", bar_hides_nothing },
        { "/pci/bar_out_of_reach_is_not_decoded", bar_out_of_reach_is_not_decoded },
        { "/pci/refused_move_leaves_all_as_it_was", refused_move_leaves_all_as_it_was },
        { "/pci/refused_bus_is_an_error", refused_bus_is_an_error },
        { "/pci/intx_follows_device_and_command", intx_follows_device_and_command },
        { "/pci/reset_puts_all_back", reset_puts_all_back },
        { "/pci/slots_are_given_once", slots_are_given_once },
        { "/pci/regions_outlive_their_device", regions_outlive_their_device },
        { "/pci/figures_are_counted", figures_are_counted },
        { "/pci/two_buses_do_not_meet", two_buses_do_not_meet },
        { "/pci/bar_moves_under_readers", bar_moves_under_readers },
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}

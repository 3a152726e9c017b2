/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A PCI bus in a small memory map, with RAM at 0.
 */
#ifndef TESTS_UNIT_PCI_SCENE_H
#define TESTS_UNIT_PCI_SCENE_H

#include <string.h>

#include "hw/mem/access.h"
#include "hw/pci/pci.h"
#include "hw/pci/registers.h"
#include "tests/unit/mem_scene.h"
#include "util/atomic.h"

#define SCENE_ECAM UINT64_C(0xe0000000)
#define SCENE_WINDOW32 UINT64_C(0xc0000000)
#define SCENE_WINDOW64 UINT64_C(0x100000000)
#define SCENE_END UINT64_C(0x10000000000)
enum { SCENE_RAM = 0x10000, SCENE_PORTS = 0x1000 };

struct pci_scene {
    struct scene memory, ports; /* of one map */
    struct region *ram;
    struct msi_routes *routes;
    struct pci_bus *bus;
    bool lines[PCI_SLOTS];
    unsigned map_changes;
    uint64_t nr_sent;        /* messages; atomic */
    struct msi_message last; /* atomic, each member for itself */
    bool is_sink_full;       /* no room for messages */
    int eventfd;             /* that the sink was given; -1: none */
};

static inline void scene_line(void *opaque, unsigned pin, bool is_high)
{
    ((struct pci_scene *)opaque)->lines[pin] = is_high;
}

static inline void scene_map_changed(void *opaque)
{
    bql_assert_held();
    ((struct pci_scene *)opaque)->map_changes++;
}

static inline void scene_send(void *opaque, const struct msi_message *message)
{
    struct pci_scene *scene = opaque;

    store_relaxed(&scene->last.address, message->address);
    store_relaxed(&scene->last.data, message->data);
    fetch_add(&scene->nr_sent, 1); /* a release: pairs with who acquires the count */
}

static inline bool scene_set_route(void *opaque, unsigned route G_GNUC_UNUSED,
                                   const struct msi_message *message)
{
    return !message || !((struct pci_scene *)opaque)->is_sink_full;
}

static inline bool scene_set_eventfd(void *opaque, unsigned route G_GNUC_UNUSED, int fd, bool is_on)
{
    ((struct pci_scene *)opaque)->eventfd = is_on ? fd : -1;
    return true;
}

static inline struct pci_bus_config scene_config(struct pci_scene *scene)
{
    struct pci_bus_config config = {
        .mem = scene->memory.mem,
        .memory = scene->memory.root,
        .ports = scene->ports.root,
        .routes = scene->routes,
        .ecam_base = SCENE_ECAM,
        .nr_buses = 4,
        .window32 = { SCENE_WINDOW32, 0x1000000 },
        .window64 = { SCENE_WINDOW64, UINT64_C(0x400000000) },
        .window_ports = { SCENE_PORTS, 0x1000 },
        .map_changed = scene_map_changed,
        .opaque = scene,
    };

    for (unsigned i = 0; i < PCI_SLOTS; i++)
        config.intx[i] = (struct irq_line){ scene_line, scene, i };
    return config;
}

/* All but the bus. */
static inline void pci_scene_init(struct pci_scene *scene) REQUIRES(bql)
{
    const struct msi_sink sink = {
        .send = scene_send,
        .set_route = scene_set_route,
        .set_eventfd = scene_set_eventfd,
        .opaque = scene,
    };

    *scene = (struct pci_scene){ .memory = scene_new(SCENE_END), .eventfd = -1 };
    scene->ports.mem = scene->memory.mem;
    scene->ports.root = region_new_container(scene->memory.mem, "ports", 0x10000);
    scene->ports.space = space_new(scene->memory.mem, "ports", scene->ports.root);
    scene->ram = ram_region(&scene->memory, "ram", SCENE_RAM);
    put_in(scene->memory.root, 0, scene->ram, 0);
    scene->routes = msi_routes_new(&sink);
}

static inline void pci_scene_add_bus(struct pci_scene *scene) REQUIRES(bql)
{
    struct pci_bus_config config = scene_config(scene);
    g_autoptr(GError) error = NULL;

    scene->bus = pci_bus_new(&config, &error);
    g_assert_no_error(error);
    g_assert_nonnull(scene->bus);
}

static inline void pci_scene_fini(struct pci_scene *scene)
    NO_THREAD_SAFETY /* for a while without */
{
    pci_bus_free(scene->bus);
    bql_unlock();
    drain_call_rcu();
    msi_routes_free(scene->routes);
    bql_lock();
    space_free(scene->ports.space);
    region_unref(scene->ports.root);
    take_out_and_forget(scene->ram);
    scene_free(&scene->memory);
}

/* ---- Accesses ---------------------------------------------------------------------- */

static inline uint64_t peek(struct space *space, uint64_t address, unsigned size) REQUIRES(bql)
{
    uint64_t value = 0;

    (void)mem_read_locked(space, address, &value, size); /* who does not answer gives ones */
    return value;
}

static inline void poke(struct space *space, uint64_t address, uint64_t value, unsigned size)
    REQUIRES(bql)
{
    (void)mem_write_locked(space, address, &value, size); /* nobody there: nothing happens */
}

static inline uint64_t ecam_address(unsigned slot, unsigned offset)
{
    return SCENE_ECAM + slot * UINT64_C(0x8000) + offset;
}

static inline uint32_t config_get(struct pci_scene *scene, unsigned slot, unsigned offset,
                                  unsigned size) REQUIRES(bql)
{
    return (uint32_t)peek(scene->memory.space, ecam_address(slot, offset), size);
}

static inline void config_set(struct pci_scene *scene, unsigned slot, unsigned offset,
                              uint32_t value, unsigned size) REQUIRES(bql)
{
    poke(scene->memory.space, ecam_address(slot, offset), value, size);
}

/* Where the capability @id of @slot is; 0: it has none. */
static inline unsigned find_capability(struct pci_scene *scene, unsigned slot, uint8_t id)
    REQUIRES(bql)
{
    unsigned at = config_get(scene, slot, PCI_CAPABILITIES, 1);

    for (unsigned i = 0; at && i < 48; i++) {
        if (config_get(scene, slot, at, 1) == id)
            return at;
        at = config_get(scene, slot, at + 1, 1);
    }
    return 0;
}

static inline void reset_bus(struct pci_scene *scene) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;
    bool is_done = pci_bus_reset(scene->bus, &error);

    g_assert_no_error(error);
    g_assert_true(is_done);
}

#endif

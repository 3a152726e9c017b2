/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The other side: a driver with its rings in guest RAM, and a map with some of
 * everything that a descriptor may point at.
 *
 *     0x000000  RAM, LOW_SIZE     then, without a gap, RAM of another block, HIGH_SIZE
 *     ROM_AT    ROM, a page       MMIO_AT  registers, a page       HOLE_AT  nobody
 */
#ifndef TESTS_UNIT_VIRTQ_DRIVER_H
#define TESTS_UNIT_VIRTQ_DRIVER_H

#include <string.h>

#include "hw/virtio/transport.h"
#include "tests/unit/mem_scene.h"
#include "util/loop.h"

enum {
    LOW_SIZE = 0x40000,
    HIGH_SIZE = 0x10000,
    ROM_AT = 0x60000,
    MMIO_AT = 0x70000,
    HOLE_AT = 0x80000,
    PLACE_SIZE = 0x1000, /* of ROM and MMIO */

    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
    NO_INTERRUPT = 1,
    NO_NOTIFY = 1,
};

struct desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

struct used_element {
    uint32_t id, length;
};

struct guest {
    struct scene scene;
    struct ram *ram[3];
    struct region *region[4];
    uint8_t *low, *high; /* host pointers */
    unsigned mmio_accesses;
};

/* One queue, as its driver sees it. */
struct driver {
    struct guest *guest;
    struct virtq *queue;
    unsigned size;
    uint64_t desc, avail, used; /* addresses in low RAM */
    uint16_t offered;           /* avail index */
    uint16_t taken;             /* used index up to which it has looked */
};

static inline uint64_t count_mmio_read(void *opaque, uint64_t offset G_GNUC_UNUSED,
                                       unsigned size G_GNUC_UNUSED)
{
    ((struct guest *)opaque)->mmio_accesses++;
    return 0;
}

static inline void count_mmio_write(void *opaque, uint64_t offset G_GNUC_UNUSED,
                                    uint64_t value G_GNUC_UNUSED, unsigned size G_GNUC_UNUSED)
{
    ((struct guest *)opaque)->mmio_accesses++;
}

static inline struct guest *guest_new(void) REQUIRES(bql)
{
    static const struct mmio_ops ops = { .read = count_mmio_read, .write = count_mmio_write };
    static const struct {
        uint64_t at, size;
    } places[3] = { { 0, LOW_SIZE }, { LOW_SIZE, HIGH_SIZE }, { ROM_AT, PLACE_SIZE } };
    struct guest *guest = g_new0(struct guest, 1);
    struct scene *scene = &guest->scene;

    *scene = scene_new(UINT64_C(1) << 40);
    for (unsigned i = 0; i < 3; i++) {
        guest->ram[i] = ram_of(scene, places[i].size);
        guest->region[i] =
            i < 2 ? region_new_ram(scene->mem, "ram", guest->ram[i], 0, places[i].size)
                  : region_new_rom(scene->mem, "rom", guest->ram[i], 0, places[i].size);
        put_in(scene->root, places[i].at, guest->region[i], 0);
    }
    guest->region[3] = region_new_mmio(scene->mem, "mmio", PLACE_SIZE, &ops, guest);
    put_in(scene->root, MMIO_AT, guest->region[3], 0);
    guest->low = ram_pointer(guest->ram[0], 0, LOW_SIZE);
    guest->high = ram_pointer(guest->ram[1], 0, HIGH_SIZE);
    return guest;
}

/* Also checks that no device still holds its memory, or has touched the registers. */
static inline void guest_free(struct guest *guest) REQUIRES(bql)
{
    struct mem_stats stats;

    mem_get_stats(guest->scene.mem, &stats);
    g_assert_cmpuint(stats.dma_holders, ==, 0);
    g_assert_cmpuint(guest->mmio_accesses, ==, 0);
    for (unsigned i = 0; i < 4; i++) {
        if (region_is_added(guest->region[i]))
            take_out(guest->region[i]);
        region_unref(guest->region[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        ram_unref(guest->ram[i]);
    scene_free(&guest->scene);
    g_free(guest);
}

static inline uint64_t guest_errors(const struct virtio_device *device)
{
    return load_relaxed(&device->guest_errors);
}

/* Deferred calls, until there are none. */
static inline void run_loop(void) REQUIRES(bql)
{
    while (loop_iterate(false)) {
    }
}

/* ---- Rings ------------------------------------------------------------------------------- */

static inline void *at(const struct driver *driver, uint64_t address)
{
    g_assert_cmpuint(address, <, LOW_SIZE);
    return driver->guest->low + address;
}

static inline uint16_t *avail_word(const struct driver *driver, unsigned word)
{
    return (uint16_t *)at(driver, driver->avail) + word;
}

static inline uint16_t *used_word(const struct driver *driver, unsigned word)
{
    return (uint16_t *)at(driver, driver->used) + word;
}

static inline uint16_t *avail_flags(const struct driver *driver)
{
    return avail_word(driver, 0);
}

static inline uint16_t *avail_index(const struct driver *driver)
{
    return avail_word(driver, 1);
}

/* What the driver says for EVENT_IDX, behind the available ring … */
static inline uint16_t *used_event(const struct driver *driver)
{
    return avail_word(driver, 2 + driver->size);
}

static inline uint16_t *used_flags(const struct driver *driver)
{
    return used_word(driver, 0);
}

static inline uint16_t *used_index(const struct driver *driver)
{
    return used_word(driver, 1);
}

/* … and the device, behind the used ring. */
static inline uint16_t *avail_event(const struct driver *driver)
{
    return used_word(driver, 2 + 4 * driver->size);
}

static inline void put_desc(const struct driver *driver, uint64_t table, unsigned index,
                            uint64_t address, uint32_t length, unsigned flags, unsigned next)
{
    struct desc desc = { address, length, (uint16_t)flags, (uint16_t)next };

    memcpy(at(driver, table + index * sizeof(desc)), &desc, sizeof(desc));
}

/* In the queue's own table. */
static inline void put(const struct driver *driver, unsigned index, uint64_t address,
                       uint32_t length, unsigned flags, unsigned next)
{
    put_desc(driver, driver->desc, index, address, length, flags, next);
}

static inline void offer_quietly(struct driver *driver, unsigned head)
{
    store_relaxed(avail_word(driver, 2 + driver->offered % driver->size), (uint16_t)head);
    driver->offered++;
    store_release(avail_index(driver), driver->offered); /* pairs with the device's acquire */
}

/* And let the device have its turn. */
static inline void offer(struct driver *driver, unsigned head) REQUIRES(bql)
{
    offer_quietly(driver, head);
    virtio_doorbell(virtq_device(driver->queue), virtq_index(driver->queue));
    run_loop();
}

static inline bool take_used(struct driver *driver, struct used_element *ret)
{
    /* acquire: pairs with the release of virtq_push(). */
    if (load_acquire(used_index(driver)) == driver->taken)
        return false;
    memcpy(ret, used_word(driver, 2 + 4 * (driver->taken % driver->size)), sizeof(*ret));
    driver->taken++;
    return true;
}

static inline void check_used(struct driver *driver, uint32_t id, uint32_t length)
{
    struct used_element element;

    g_assert_true(take_used(driver, &element));
    g_assert_cmpuint(element.id, ==, id);
    g_assert_cmpuint(element.length, ==, length);
}

static inline void check_nothing_used(struct driver *driver)
{
    g_assert_cmpuint(load_acquire(used_index(driver)), ==, driver->taken);
}

/* ---- Negotiation -------------------------------------------------------------------------- */

static inline void negotiate(struct virtio_device *device, uint64_t features) REQUIRES(bql)
{
    virtio_set_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    virtio_set_status(device, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    virtio_set_accepted(device, features | VIRTIO_F_VERSION_1);
    virtio_set_status(device,
                      VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
}

static inline void drive(struct virtio_device *device) REQUIRES(bql)
{
    virtio_set_status(device, virtio_get_status(device) | VIRTIO_STATUS_DRIVER_OK);
    run_loop();
}

/* Queue @number at @where in low RAM, with rings of @size entries, at first all zero. */
static inline struct driver set_up(struct guest *guest, struct virtio_device *device,
                                   unsigned number, uint64_t where, unsigned size) REQUIRES(bql)
{
    struct driver driver = { .guest = guest, .queue = virtio_queue(device, number), .size = size };
    struct virtq_setup *setup = virtq_setup(driver.queue);

    driver.desc = where;
    driver.avail = where + size * sizeof(struct desc);
    driver.used = (driver.avail + 6 + 2 * size + 3) & ~UINT64_C(3);
    memset(at(&driver, where), 0, driver.used + 6 + 8 * size - where);
    setup->size = (uint16_t)size;
    setup->desc = driver.desc;
    setup->avail = driver.avail;
    setup->used = driver.used;
    virtq_enable(driver.queue);
    return driver;
}

#endif

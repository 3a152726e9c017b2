/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The other side: a driver with its rings in guest RAM, and a map with some of
 * everything that a descriptor may point at.
 *
 *     0x000000  RAM, LOW_SIZE     then, without a gap, RAM of another block, HIGH_SIZE
 *     ROM_AT    ROM, a page       MMIO_AT  registers, a page       HOLE_AT  nobody
 */
#ifndef TESTS_VIRTIO_DRIVER_H
#define TESTS_VIRTIO_DRIVER_H

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

struct guest *guest_new(void) REQUIRES(bql);

/* Also checks that no device still holds its memory, or has touched the registers. */
void guest_free(struct guest *guest) REQUIRES(bql);

static inline uint64_t guest_errors(const struct virtio_device *device)
{
    return load_relaxed(&device->guest_errors);
}

/* Deferred calls, until there are none. */
void run_loop(void) REQUIRES(bql);

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

void put_desc(const struct driver *driver, uint64_t table, unsigned index, uint64_t address,
              uint32_t length, unsigned flags, unsigned next);

/* In the queue's own table. */
static inline void put(const struct driver *driver, unsigned index, uint64_t address,
                       uint32_t length, unsigned flags, unsigned next)
{
    put_desc(driver, driver->desc, index, address, length, flags, next);
}

void offer_quietly(struct driver *driver, unsigned head);

/* And let the device have its turn. */
void offer(struct driver *driver, unsigned head) REQUIRES(bql);

bool take_used(struct driver *driver, struct used_element *ret);
void check_used(struct driver *driver, uint32_t id, uint32_t length);
void check_nothing_used(struct driver *driver);

/* ---- Negotiation -------------------------------------------------------------------------- */

/* Up to FEATURES_OK. */
void negotiate(struct virtio_device *device, uint64_t features) REQUIRES(bql);
void drive(struct virtio_device *device) REQUIRES(bql);

/* Queue @number at @where in low RAM, with rings of @size entries, at first all zero. */
struct driver set_up(struct guest *guest, struct virtio_device *device, unsigned number,
                     uint64_t where, unsigned size) REQUIRES(bql);

#endif

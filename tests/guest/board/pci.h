/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration space and virtio devices, as a driver has them. */
#ifndef TESTS_GUEST_BOARD_PCI_H
#define TESTS_GUEST_BOARD_PCI_H

#include "tests/guest/board/board.h"

enum {
    PCI_ID = 0,
    PCI_COMMAND = 4,
    PCI_BAR0 = 0x10,
    PCI_CAPABILITIES = 0x34,
    CAPABILITY_VENDOR = 0x09,
    CAPABILITY_MSIX = 0x11,
    PCI_CONFIG_SIZE = 256,
    COMMAND_MEMORY = 2,
    COMMAND_MASTER = 4,
    NR_SLOTS = 32,
};

/* Of a device of bus 0, by ECAM. */
volatile u8 *config_of(unsigned slot);
bool is_device(unsigned slot);
u32 config_read32(unsigned slot, unsigned offset);
void config_write32(unsigned slot, unsigned offset, u32 value);
/* By ports. @address: bus, device, function, register. */
u32 config_by_port(u32 address, unsigned size);

/* The capability @id behind the one at @after (0: the first one); 0: there is none. */
unsigned config_capability(unsigned slot, u8 id, unsigned after);

struct bar {
    u64 address, size; /* size 0: none */
};
struct bar bar_of(unsigned slot, unsigned index);

/* ---- Virtio 1.2 ------------------------------------------------------------------------------ */

enum {
    VIRTIO_BLOCK = 2,
    VIRTIO_ENTROPY = 4,
    VIRTIO_GPU = 16,
    /* Where in BAR 0. */
    FEATURE_SELECT = 0x00,
    FEATURE = 0x04,
    ACCEPT_SELECT = 0x08,
    ACCEPT = 0x0c,
    STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_DESC = 0x20,
    QUEUE_AVAIL = 0x28,
    QUEUE_USED = 0x30,
    NOTIFY = 0x3000,
    REGISTERS_SIZE = 0x4000,

    DRIVER_STARTS = 3,
    FEATURES_OK = 8,
    DRIVER_OK = 4,

    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
    RING_MAX = 256,
};

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};
struct avail {
    volatile u16 flags, index, ring[RING_MAX + 1];
};
struct used {
    volatile u16 flags, index;
    struct {
        volatile u32 head, length;
    } ring[RING_MAX];
    volatile u16 event;
};

struct virtio {
    unsigned slot;
    volatile u8 *registers;
    u64 features; /* of the first 64 */
    unsigned queue_size;
};

/* The @nth of that kind; its memory is decoded, and it may reach ours. False: there is none. */
bool virtio_find(struct virtio *virtio, unsigned kind, unsigned nth);
void virtio_reset(const struct virtio *virtio);
/* Reset, and as far as FEATURES_OK, with all features but those in @without. */
bool virtio_negotiate(const struct virtio *virtio, u64 without);
void virtio_set_queue(const struct virtio *virtio, unsigned queue, unsigned size, u64 desc,
                      u64 avail, u64 used);
void virtio_kick(const struct virtio *virtio, unsigned queue);

/* As a good driver, from reset on: whether the device did it. @size is up to 4096. */
bool virtio_entropy(const struct virtio *virtio, void *ret_data, u32 size);
/* A request that nobody waits for, with whatever interrupt. */
void virtio_begin_entropy(const struct virtio *virtio);
bool virtio_disk(const struct virtio *virtio, bool is_write, u64 sector, void *data, u32 size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/board/pci.h"

enum { SLOT_SHIFT = 15, ADDRESS = LAYOUT_PORT_PCI, DATA = LAYOUT_PORT_PCI + 4 };

volatile u8 *config_of(unsigned slot)
{
    return (volatile u8 *)((u64)LAYOUT_ECAM + ((u64)slot << SLOT_SHIFT));
}

u32 config_read32(unsigned slot, unsigned offset)
{
    return (u32)read_as(config_of(slot) + offset, 4);
}

void config_write32(unsigned slot, unsigned offset, u32 value)
{
    write_as(config_of(slot) + offset, 4, value);
}

bool is_device(unsigned slot)
{
    return (u16)config_read32(slot, PCI_ID) != 0xffff;
}

u32 config_by_port(u32 address, unsigned size)
{
    out32(ADDRESS, 0x80000000 | (address & ~3u));
    return in_as((u16)(DATA + (address & 3)), size);
}

unsigned config_capability(unsigned slot, u8 id, unsigned after)
{
    volatile u8 *config = config_of(slot);
    unsigned offset = config[after ? after + 1 : PCI_CAPABILITIES];

    for (unsigned n = 0; offset >= 0x40 && n < PCI_CONFIG_SIZE / 4; n++) {
        if (config[offset] == id)
            return offset;
        offset = config[offset + 1];
    }
    return 0;
}

/* With decoding off, as drivers size BARs (PCI 3.0, 6.2.5.1). */
struct bar bar_of(unsigned slot, unsigned index)
{
    const unsigned offset = PCI_BAR0 + 4 * index;
    const u32 command = config_read32(slot, PCI_COMMAND), low = config_read32(slot, offset);
    struct bar bar = { 0, 0 };
    u64 mask;

    if (index && (config_read32(slot, offset - 4) & 6) == 4)
        return bar; /* the upper half of one, or looks so */
    config_write32(slot, PCI_COMMAND, command & 0xfff8);
    config_write32(slot, offset, 0xffffffff);
    mask = config_read32(slot, offset) & ~15u;
    config_write32(slot, offset, low);
    if (mask) {
        bar.address = low & ~15u;
        bar.size = (u32)-mask;
    }
    if ((low & 6) == 4)
        bar.address |= (u64)config_read32(slot, offset + 4) << 32;
    config_write32(slot, PCI_COMMAND, command & 0xffff);
    return bar;
}

/* ---- Virtio -------------------------------------------------------------------------------------
 */

bool virtio_find(struct virtio *virtio, unsigned kind, unsigned nth)
{
    for (unsigned slot = 1; slot < NR_SLOTS; slot++) {
        if (config_read32(slot, PCI_ID) != (0x1af4 | (0x1040 + kind) << 16) || nth-- > 0)
            continue;
        config_write32(slot, PCI_COMMAND, COMMAND_MEMORY | COMMAND_MASTER);
        virtio->slot = slot;
        virtio->registers = (volatile u8 *)bar_of(slot, 0).address;
        virtio_reset(virtio);
        write_as(virtio->registers + QUEUE_SELECT, 2, 0);
        virtio->queue_size = (unsigned)read_as(virtio->registers + QUEUE_SIZE, 2);
        virtio->features = 0;
        for (unsigned i = 0; i < 2; i++) {
            write_as(virtio->registers + FEATURE_SELECT, 4, i);
            virtio->features |= read_as(virtio->registers + FEATURE, 4) << (32 * i);
        }
        return virtio->queue_size > 0 && virtio->queue_size <= RING_MAX;
    }
    return false;
}

void virtio_reset(const struct virtio *virtio)
{
    write_as(virtio->registers + STATUS, 1, 0);
    while (read_as(virtio->registers + STATUS, 1))
        relax();
}

bool virtio_negotiate(const struct virtio *virtio, u64 without)
{
    const u64 features = virtio->features & ~without;

    virtio_reset(virtio);
    write_as(virtio->registers + STATUS, 1, DRIVER_STARTS);
    for (unsigned i = 0; i < 2; i++) {
        write_as(virtio->registers + ACCEPT_SELECT, 4, i);
        write_as(virtio->registers + ACCEPT, 4, features >> (32 * i));
    }
    write_as(virtio->registers + STATUS, 1, DRIVER_STARTS | FEATURES_OK);
    return read_as(virtio->registers + STATUS, 1) & FEATURES_OK;
}

void virtio_set_queue(const struct virtio *virtio, unsigned queue, unsigned size, u64 desc,
                      u64 avail, u64 used)
{
    const u64 places[] = { desc, avail, used };

    write_as(virtio->registers + QUEUE_SELECT, 2, queue);
    write_as(virtio->registers + QUEUE_SIZE, 2, size);
    for (unsigned i = 0; i < 3; i++) {
        write_as(virtio->registers + QUEUE_DESC + 8 * i, 4, (u32)places[i]);
        write_as(virtio->registers + QUEUE_DESC + 8 * i + 4, 4, places[i] >> 32);
    }
    write_as(virtio->registers + QUEUE_ENABLE, 2, 1);
}

void virtio_kick(const struct virtio *virtio, unsigned queue)
{
    write_as(virtio->registers + NOTIFY + 4 * queue, 2, queue);
}

/* ---- A good driver, of one request -------------------------------------------------------------
 */

static struct good {
    struct descriptor descriptors[RING_MAX] __attribute__((aligned(16)));
    struct avail avail;
    struct used used;
    u8 data[4096];
    struct {
        u32 type, reserved;
        u64 sector;
    } header;
    volatile u8 status;
} goods[NR_CPUS_MAX] __attribute__((aligned(4096)));

/* The chain that begins at descriptor 0. */
static bool begin(const struct virtio *virtio, struct good *good)
{
    if (!virtio_negotiate(virtio, 1ul << 29 /* event index */))
        return false;
    memset(&good->avail, 0, sizeof(good->avail));
    memset(&good->used, 0, sizeof(good->used));
    virtio_set_queue(virtio, 0, virtio->queue_size, (u64)good->descriptors, (u64)&good->avail,
                     (u64)&good->used);
    write_as(virtio->registers + STATUS, 1, DRIVER_STARTS | FEATURES_OK | DRIVER_OK);
    good->avail.index = 1;
    BARRIER();
    virtio_kick(virtio, 0);
    return true;
}

static bool do_request(const struct virtio *virtio, struct good *good)
{
    if (!begin(virtio, good))
        return false;
    while (!good->used.index) {
        if (read_as(virtio->registers + STATUS, 1) & 0x40)
            return false; /* it needs a reset */
        relax();
    }
    virtio_reset(virtio);
    return good->used.ring[0].head == 0;
}

static struct good *ask_for_entropy(u32 size)
{
    struct good *good = &goods[processor()];

    good->descriptors[0] = (struct descriptor){ (u64)good->data, size, DESC_WRITE, 0 };
    return good;
}

void virtio_begin_entropy(const struct virtio *virtio)
{
    (void)begin(virtio, ask_for_entropy(64));
    write_as(virtio->registers + QUEUE_SELECT, 2, 0);
    write_as(virtio->registers + QUEUE_VECTOR, 2, random_below(4));
}

bool virtio_entropy(const struct virtio *virtio, void *ret_data, u32 size)
{
    struct good *good = ask_for_entropy(size);

    memset(good->data, 0, sizeof(good->data));
    if (!do_request(virtio, good))
        return false;
    memcpy(ret_data, good->data, size);
    return good->used.ring[0].length == size;
}

bool virtio_disk(const struct virtio *virtio, bool is_write, u64 sector, void *data, u32 size)
{
    struct good *good = &goods[processor()];

    good->header.type = is_write;
    good->header.reserved = 0;
    good->header.sector = sector;
    good->status = 0xff;
    if (is_write)
        memcpy(good->data, data, size);
    else
        memset(good->data, 0, size);
    good->descriptors[0] = (struct descriptor){ (u64)&good->header, 16, DESC_NEXT, 1 };
    good->descriptors[1] =
        (struct descriptor){ (u64)good->data, size, DESC_NEXT | (is_write ? 0 : DESC_WRITE), 2 };
    good->descriptors[2] = (struct descriptor){ (u64)&good->status, 1, DESC_WRITE, 0 };
    if (!do_request(virtio, good) || good->status != 0)
        return false;
    if (!is_write)
        memcpy(data, good->data, size);
    return true;
}

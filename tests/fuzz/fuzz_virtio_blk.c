/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-blk with a driver that does what the input says: chains of any
 * descriptors, headers and extents of any values, rings written over, resets with
 * work in flight, a disk that fails or hangs. The disk is a memfd.
 *
 * Whatever came before, the device can be reset, lets go of all memory, and then
 * does what an honest driver asks. The address sanitizer sees the rest.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/dev/virtio_blk.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/start.h"
#include "tests/fuzz/target.h"
#include "tests/unit/virtio_guest.h"
#include "util/log.h"

enum {
    SECTOR = 512,
    DISK = 128 * SECTOR,
    QUEUES = 2,
    STEPS = 64,
    BUFFERS = 24,
    READABLE = GUEST_DATA,
    WRITABLE = GUEST_DATA + (1 << 20),
    HONEST = GUEST_DATA + (2 << 20), /* where the honest driver's things are */
};

static struct {
    struct guest guest;
    struct disk *disk;
    struct virtio_blk *blk;
    int fd;
} world;

/* Small ones, ones about the disk's end, and any. */
static uint64_t take_sector(struct input *input)
{
    uint8_t kind = take(input);

    if (kind < 200)
        return kind % (DISK / SECTOR);
    return kind < 230 ? DISK / SECTOR - 2U + kind % 4 : take_bytes(input, 8);
}

static void start_world(void) REQUIRES(bql)
{
    char path[64];

    world.fd = memfd_create("disk", MFD_CLOEXEC);
    assert(world.fd >= 0 && ftruncate(world.fd, DISK) == 0);
    (void)g_snprintf(path, sizeof(path), "/proc/self/fd/%d", world.fd);
    guest_init(&world.guest);
    world.disk = disk_open(path, false, NULL);
    assert(world.disk);
    world.blk = virtio_blk_new(world.guest.scene.space, world.disk, "fuzz", QUEUES);
    guest_plug(&world.guest, virtio_blk_device(world.blk));
}

static void let_loop_run(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

static void reset(void) REQUIRES(bql)
{
    disk_inject(world.disk, 0, 0);
    virtio_set_status(world.guest.device, 0);
    while (virtio_get_status(world.guest.device) != 0)
        (void)loop_iterate(true); /* the status tells */
}

static void start(uint64_t features) REQUIRES(bql)
{
    guest_start(&world.guest, features & world.guest.device->offered);
}

/* ---- The input's driver -------------------------------------------------------------------- */

static uint64_t take_address(struct input *input)
{
    uint8_t kind = take(input);

    if (kind < 220)
        return READABLE + take_bytes(input, 2) + (kind & 1 ? WRITABLE - READABLE : 0);
    if (kind < 235)
        return GUEST_RAM - 8U + kind % 16;
    return kind < 245 ? take_bytes(input, 2) : take_bytes(input, 8); /* the rings; anywhere */
}

static uint32_t take_length(struct input *input)
{
    uint8_t kind = take(input);

    if (kind < 100)
        return kind % 40;
    return kind < 240 ? kind % 9 * SECTOR : (uint32_t)take_bytes(input, kind < 250 ? 2 : 4);
}

static void put_header(struct input *input, uint64_t gpa)
{
    static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 2, 12, 0, 1, 11, 13 };
    uint8_t kind = take(input);
    uint32_t type = kind < 240 ? types[kind % ARRAY_SIZE(types)] : (uint32_t)take_bytes(input, 4);
    uint64_t sector = take_sector(input);

    memcpy(world.guest.bytes + gpa, &type, sizeof(type));
    memcpy(world.guest.bytes + gpa + 8, &sector, sizeof(sector));
    for (int i = 0; i < 3; i++) { /* extents, if it is about such */
        uint64_t extent[2] = { take_sector(input), take(input) };

        if (take(input) >= 192)
            extent[1] |= (uint64_t)take(input) << 32;
        memcpy(world.guest.bytes + gpa + 16 + 16 * i, extent, sizeof(extent));
    }
}

/* What is mostly right, cut as the input likes. */
static void send_request(struct input *input, unsigned queue) REQUIRES(bql)
{
    struct guest_buffer buffers[BUFFERS];
    unsigned nr_out = 1 + take(input) % 6, nr = nr_out + take(input) % 6;
    uint64_t out = READABLE + take(input), in = WRITABLE + take(input);

    put_header(input, out);
    for (unsigned i = 0; i < nr; i++) {
        uint64_t *at = i < nr_out ? &out : &in;

        buffers[i] = (struct guest_buffer){ *at, take_length(input) % 0x10000, i >= nr_out };
        *at += buffers[i].length;
    }
    if (take(input) < 200) { /* header and status as everybody has them */
        buffers[0].length = 16;
        buffers[nr++] = (struct guest_buffer){ in, 1, true };
    }
    (void)guest_send(&world.guest, queue, buffers, nr);
}

static void send_anything(struct input *input, unsigned queue) REQUIRES(bql)
{
    struct guest_buffer buffers[BUFFERS];
    unsigned nr = 1 + take(input) % BUFFERS;

    for (unsigned i = 0; i < nr; i++)
        buffers[i] =
            (struct guest_buffer){ take_address(input), take_length(input), take(input) & 1 };
    (void)guest_send(&world.guest, queue, buffers, nr);
}

/* In the rings, mostly: descriptors, indices, heads. */
static void write_over(struct input *input)
{
    uint64_t gpa = take_bytes(input, 2) % (QUEUES * GUEST_RINGS);
    uint8_t byte = take(input);

    world.guest.bytes[gpa] = byte;
}

static void touch_config(struct input *input) REQUIRES(bql)
{
    uint64_t value = take_bytes(input, 2);
    unsigned offset = take(input) % 80, size = 1 + take(input) % 8;

    virtio_write_config(world.guest.device, offset, &value, size);
    virtio_read_config(world.guest.device, offset, &value, size);
}

static void reset_queue(unsigned queue) REQUIRES(bql)
{
    struct virtq *virtq = virtio_queue(world.guest.device, queue);

    virtq_reset(virtq);
    if (!virtq_is_resetting(virtq) && !virtq_setup(virtq)->is_enabled &&
        !guest_device_is_broken(&world.guest))
        guest_setup_queue(&world.guest, queue);
}

static void inject(struct input *input) REQUIRES(bql)
{
    static const int errors[] = { 0, 5, 28 }; /* none, EIO, ENOSPC */
    uint8_t kind = take(input);

    disk_inject(world.disk, kind & 0x80 ? INT64_MAX : 0, errors[kind % ARRAY_SIZE(errors)]);
}

static void step(struct input *input) REQUIRES(bql)
{
    uint8_t kind = take(input);
    unsigned queue = kind & 1;

    if (kind < 110)
        send_request(input, queue);
    else if (kind < 140)
        send_anything(input, queue);
    else if (kind < 200)
        let_loop_run();
    else if (kind < 215)
        write_over(input);
    else if (kind < 225)
        inject(input);
    else if (kind < 235)
        touch_config(input);
    else if (kind < 245)
        reset_queue(queue);
    else {
        reset();
        start(take_bytes(input, 2) | (take(input) & 1 ? VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC
                                                      : VIRTIO_F_RING_RESET));
    }
}

/* ---- The honest driver --------------------------------------------------------------------- */

static void honest_request(uint32_t type, uint64_t sector) REQUIRES(bql)
{
    const struct guest_buffer buffers[] = { { HONEST, 16, false },
                                            { HONEST + 0x100, SECTOR, type == 0 },
                                            { HONEST + 0x400, 1, true } };
    uint32_t written;

    memcpy(world.guest.bytes + HONEST, &type, sizeof(type));
    memcpy(world.guest.bytes + HONEST + 8, &sector, sizeof(sector));
    world.guest.bytes[HONEST + 0x400] = 0xff;
    (void)guest_send(&world.guest, 1, buffers, ARRAY_SIZE(buffers));
    (void)guest_take(&world.guest, 1, &written);
    assert(written == (type == 0 ? SECTOR + 1 : 1) && world.guest.bytes[HONEST + 0x400] == 0);
}

static void expect_service(uint8_t seed) REQUIRES(bql)
{
    uint8_t sector = seed % (DISK / SECTOR), *data = world.guest.bytes + HONEST + 0x100;
    struct mem_stats stats;
    off_t size = lseek(world.fd, 0, SEEK_END);

    mem_get_stats(world.guest.scene.mem, &stats);
    assert(stats.dma_holders == 0 && size == DISK);
    start(UINT64_MAX);
    memset(data, seed, SECTOR);
    honest_request(1, sector);
    memset(data, ~seed, SECTOR);
    honest_request(0, sector);
    assert(data[0] == seed && data[SECTOR - 1] == seed);
    reset();
}

static void run(struct input *input) REQUIRES(bql)
{
    uint8_t seed = take(input);

    start(UINT64_MAX & ~(take(input) & 1 ? VIRTIO_F_EVENT_IDX : 0));
    for (unsigned i = 0; i < STEPS && input->left > 0; i++)
        step(input);
    let_loop_run();
    reset();
    expect_service(seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    struct input input = { data, size };

    fuzz_start(start_world);
    run(&input);
    return 0;
}

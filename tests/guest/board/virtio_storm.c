/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers gone mad: queues and descriptors with anything in them, doorbells, resets in flight. In
 * between and at the end a good request, which must be done. A disk of 1 MiB at least is the first
 * virtio-blk device, and must be there, as must be a virtio-rng device.
 *
 * What the devices may write to is the arena: the rings are there themselves, so that some of the
 * garbage is the devices' own.
 */
#include "tests/guest/board/pci.h"

enum {
    DISK_SECTORS = 1024, /* that good requests go to */
    SECTOR = 512,
    PIECE = 4096,
    NR_REGISTERS_COMMON = 0x40,
};

struct rings {
    struct descriptor descriptors[RING_MAX];
    struct avail avail;
    struct used used;
    u8 data[0x10000];
};
/* One for each device, on pages of their own. */
static struct rings *rings_of(const struct virtio *virtio)
{
    return (struct rings *)(u64)(ARENA + virtio->slot * 0x40000);
}

/* ---- Garbage ------------------------------------------------------------------------------------
 */

/* Nothing of the program is there. */
static u64 some_place(const struct virtio *virtio)
{
    struct rings *rings = rings_of(virtio);

    switch (random_below(16)) {
    case 0:
        return LAYOUT_ECAM + random_below(0x10000);
    case 1:
        return (u64)virtio->registers + random_below(REGISTERS_SIZE);
    case 2:
        return LAYOUT_LAPIC + random_below(0x1000);
    case 3:
        return ram_size() - random_below(0x2000);
    case 4:
        return LAYOUT_PHYSICAL_END - random_below(0x2000);
    case 5:
        return ~random_below(0x2000);
    case 6:
        return random() | 0x80000000;
    case 7:
        return (u64)rings + random_below(sizeof(*rings));
    case 8:
        return (u64)&rings->descriptors[random_below(RING_MAX)];
    default:
        return (u64)rings->data + random_below(sizeof(rings->data)) / SECTOR * SECTOR;
    }
}

static u32 some_length(void)
{
    static const u32 lengths[] = { 0,    1,    15,   16,      17,      32,        256,       511,
                                   512,  512,  1024, 4096,    0x10000, 0x1000000, 1u << 31,  ~0u,
                                   0x10, 0x10, 1,    1 << 20, 4080,    24,        512 * 256, 20 };

    return lengths[random_below(ARRAY_SIZE(lengths))];
}

static void some_descriptor(const struct virtio *virtio, struct descriptor *descriptor)
{
    descriptor->address = some_place(virtio);
    descriptor->length = some_length();
    descriptor->flags = (u16)(random_below(8) ? random_below(4) : random());
    if (random_below(16) == 0)
        descriptor->flags |= DESC_INDIRECT;
    descriptor->next = (u16)(random_below(16) ? random_below(RING_MAX) : random());
}

/* A header that a disk may like. */
static void some_header(u8 *to)
{
    static const u32 types[] = { 0, 1, 4, 8, 11, 13, 0, 1, 2, 0xffffffff };
    const u32 type = types[random_below(ARRAY_SIZE(types))];
    const u64 sector = random_below(4) ? random_below(DISK_SECTORS) : hostile_number();

    memcpy(to, &type, sizeof(type));
    memcpy(to + 8, &sector, sizeof(sector));
}

/* Chains that come near to what is right. Nothing is read back: others write there. */
static void near_chain(struct rings *rings, unsigned head, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        const bool is_last = i == nr - 1;
        u8 *buffer = rings->data + random_below(64) * SECTOR;

        if (i == 0)
            some_header(buffer);
        rings->descriptors[(head + i) % RING_MAX] = (struct descriptor){
            .address = (u64)buffer,
            .length = i == 0    ? 16
                      : is_last ? 1
                                : (u32)random_below(9) * SECTOR,
            .flags = (u16)((is_last ? 0 : DESC_NEXT) |
                           (is_last || (i && random_below(2)) ? DESC_WRITE : 0)),
            .next = (u16)((head + i + 1) % RING_MAX),
        };
    }
}

static void fill_rings(const struct virtio *virtio)
{
    struct rings *rings = rings_of(virtio);

    for (unsigned i = 0; i < RING_MAX; i++) {
        some_descriptor(virtio, &rings->descriptors[i]);
        rings->avail.ring[i] = (u16)(random_below(32) ? random_below(RING_MAX) : random());
    }
    for (unsigned i = 0; i < 32; i++)
        near_chain(rings, (unsigned)random_below(virtio->queue_size),
                   2 + (unsigned)random_below(5));
    for (unsigned i = 0; i < 64; i++)
        some_header(rings->data + i * SECTOR);
    rings->avail.flags = (u16)random_below(3);
    rings->avail.index = (u16)(random_below(8) ? random_below(virtio->queue_size + 1) : random());
}

/* ---- Mad drivers
 * ---------------------------------------------------------------------------------
 */

static void some_queue(const struct virtio *virtio, unsigned queue)
{
    struct rings *rings = rings_of(virtio);
    const unsigned size = random_below(8) ? virtio->queue_size : (unsigned)hostile_number();
    u64 desc = (u64)rings->descriptors, avail = (u64)&rings->avail, used = (u64)&rings->used;

    switch (random_below(12)) {
    case 0:
        desc = some_place(virtio);
        break;
    case 1:
        avail = some_place(virtio) & ~1ul;
        break;
    case 2:
        used = some_place(virtio) & ~3ul;
        break;
    case 3:
        desc = avail = used = some_place(virtio) & ~15ul;
    }
    virtio_set_queue(virtio, queue, size, desc, avail, used);
}

static void some_registers(const struct virtio *virtio)
{
    for (unsigned n = 0; n < 8; n++) {
        const unsigned offset = (unsigned)random_below(REGISTERS_SIZE),
                       size = 1u << random_below(4);

        (void)read_as(virtio->registers + offset, size);
        /* Addresses of queues are chosen elsewhere: they must not be this program's. */
        if (offset >= NR_REGISTERS_COMMON)
            write_as(virtio->registers + offset, size, hostile_number());
        (void)read_as(virtio->registers + random_below(NR_REGISTERS_COMMON), size);
    }
}

/* One life, from reset on, perhaps with work in flight at its end. */
static void mad_life(const struct virtio *virtio)
{
    config_write32(virtio->slot, PCI_COMMAND, COMMAND_MEMORY | COMMAND_MASTER);
    if (!virtio_negotiate(virtio, random_below(2) ? 0 : random() & ~(1ul << 32)))
        return;
    fill_rings(virtio);
    for (unsigned i = 0; i <= random_below(3); i++)
        some_queue(virtio, i ? (unsigned)random_below(70) : 0);
    write_as(virtio->registers + STATUS, 1, DRIVER_STARTS | FEATURES_OK | DRIVER_OK);
    for (unsigned i = 0; i <= random_below(6); i++) {
        virtio_kick(virtio, random_below(4) ? 0 : (unsigned)random_below(0x400));
        if (random_below(8) == 0)
            some_registers(virtio);
        if (random_below(4) == 0) {
            fill_rings(virtio);
            rings_of(virtio)->avail.index = (u16)(rings_of(virtio)->used.index + 3);
        }
        if (random_below(16) == 0) /* a queue's own reset */
            write_as(virtio->registers + 0x3a, 2, 1);
        if (random_below(16) == 0) /* it may not reach memory for a while */
            config_write32(virtio->slot, PCI_COMMAND, (u32)random() & 2 ? 2 : 6);
        for (u64 n = random_below(2000); n; n--)
            relax();
    }
    config_write32(virtio->slot, PCI_COMMAND, COMMAND_MEMORY | COMMAND_MASTER);
}

/* ---- Good ones
 * -----------------------------------------------------------------------------------
 */

static bool good_entropy(const struct virtio *rng)
{
    u64 bytes[4] = { 0 };

    return virtio_entropy(rng, bytes, sizeof(bytes)) && bytes[0] && bytes[3];
}

static bool good_disk(const struct virtio *disk, u64 sector)
{
    static u64 written[NR_CPUS_MAX][PIECE / 8], got[NR_CPUS_MAX][PIECE / 8];
    const unsigned me = processor();

    for (unsigned i = 0; i < PIECE / 8; i++)
        written[me][i] = random();
    if (!virtio_disk(disk, true, sector, written[me], PIECE) ||
        !virtio_disk(disk, false, sector, got[me], PIECE))
        return false;
    for (unsigned i = 0; i < PIECE / 8; i++) {
        if (got[me][i] != written[me][i])
            return false;
    }
    return true;
}

static bool is_good(const struct virtio *virtio, bool is_disk)
{
    return is_disk ? good_disk(virtio, random_below(DISK_SECTORS - PIECE / SECTOR))
                   : good_entropy(virtio);
}

/* How many good requests were not done. */
static u64 live(const struct virtio *virtio, bool is_disk, u64 rounds)
{
    u64 nr_bad = 0;

    for (u64 i = 0; i < rounds; i++) {
        mad_life(virtio);
        if (i % 8 == 0)
            nr_bad += !is_good(virtio, is_disk);
    }
    return nr_bad + !is_good(virtio, is_disk);
}

/* ---- On two processors
 * ---------------------------------------------------------------------------
 */

static struct virtio disk, rng;
static volatile u64 rounds, others_bad;
static volatile bool is_over;

static void live_with_rng(void *unused)
{
    (void)unused;
    others_bad = live(&rng, false, rounds);
}

/* What another processor's device uses, under its hands. */
static void meddle(void *arg)
{
    const struct virtio *virtio = arg;
    struct rings *rings = rings_of(virtio);

    while (!is_over) {
        some_descriptor(virtio, &rings->descriptors[random_below(RING_MAX)]);
        some_header(rings->data + random_below(64) * SECTOR);
        rings->avail.ring[random_below(RING_MAX)] = (u16)random();
        if (random_below(8) == 0)
            rings->avail.index++;
        if (random_below(4) == 0)
            virtio_kick(virtio, (unsigned)random_below(2));
        if (random_below(64) == 0)
            some_registers(virtio);
    }
}

static void meddled_with(struct virtio *virtio, const char *name)
{
    is_over = false;
    start_on(1, meddle, virtio);
    for (u64 i = 0; i < rounds / 8; i++)
        mad_life(virtio);
    is_over = true;
    wait_for(1);
    check(is_good(virtio, virtio == &disk), "%s that two processors drive mad works", name);
}

/*
 * The machine ends or is reset while both devices are at work and another processor is in the
 * middle of it.
 */
static void end_in_flight(void)
{
    static const struct table_pointer nothing = { 0, 0 };

    seed_random(parameter("seed", 1) ^ tsc());
    start_processors(2);
    start_on(1, meddle, random_below(2) ? &disk : &rng);
    for (u64 i = random_below(12); i; i--)
        mad_life(random_below(2) ? &disk : &rng);
    mad_life(&rng);
    mad_life(&disk);
    say("storm: ends\n");
    if (parameter_is("test", "reset"))
        reset_machine();
    else if (parameter_is("test", "triple"))
        __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
    else
        end_machine(parameter_is("test", "panic"));
    for (;;)
        mad_life(&disk);
}

void payload_main(void)
{
    rounds = parameter("rounds", 300);
    seed_random(parameter("seed", 1));
    if (!check(virtio_find(&disk, VIRTIO_BLOCK, 0), "a disk") ||
        !check(virtio_find(&rng, VIRTIO_ENTROPY, 0), "a device for entropy"))
        return;
    check(is_good(&disk, true), "the disk works");
    check(is_good(&rng, false), "so does the other one");
    if (!parameter_is("test", "storm"))
        end_in_flight();
    is(live(&rng, false, rounds), 0, "entropy: good requests between bad ones");
    is(live(&disk, true, rounds), 0, "disk: good requests between bad ones");
    if (parameter("cpus", 1) < 2)
        return;
    start_processors(2);
    start_on(1, live_with_rng, NULL);
    is(live(&disk, true, rounds), 0, "disk: the same, beside another processor");
    wait_for(1);
    is(others_bad, 0, "entropy: the same, beside another processor");
    meddled_with(&disk, "a disk");
    meddled_with(&rng, "an entropy device");
}

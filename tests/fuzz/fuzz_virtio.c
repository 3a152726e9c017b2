/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A virtio device on a PCI bus, and a driver that does anything.
 *
 * Input: operations, each a byte and its parameters: registers, configuration space
 * and the window in it, rings and descriptors in memory, notifications; the device
 * answers at once or later, in any order, resets at once or later; RAM under its rings
 * comes and goes. After each operation what must hold is checked, and at the end, after
 * a reset, a driver that keeps to the rules must find the device as good as new.
 */
#include <assert.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/target.h"
#include "tests/virtio/bus.h"
#include "util/start.h"

enum {
    STEPS = 400,
    TURNS = 8, /* of the main loop at a time: a ring may feed itself for ever */
    SIZE = 16,
    RINGS_AT = 0x1000,
    RINGS_SIZE = 0x400,
    TABLE_AT = 0x3000,
    DATA_AT = 0x4000,
    LOAD_BOUND = 65536 + 1024, /* VIRTQ_LOAD_MAX, and the chain that goes over it */
};

struct setup {
    struct input input;
    struct bus *bus;
    struct echo *echo;
    struct driver driver;
    bool is_high_out; /* the second block of RAM is out of the map */
};

static uint32_t take32(struct input *input)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | take(input);
    return value;
}

static unsigned take_size(struct input *input)
{
    return 1U << take(input) % 4;
}

/* Somewhere that hurts. */
static uint64_t take_address(struct input *input)
{
    static const uint64_t places[] = {
        RINGS_AT,
        TABLE_AT,
        DATA_AT,
        LOW_SIZE,
        LOW_SIZE + HIGH_SIZE,
        ROM_AT,
        MMIO_AT,
        HOLE_AT,
        0,
        UINT64_C(1) << 40,
        BUS_ECAM,
        BUS_APIC,
        0xc0000000,
        UINT64_C(1) << 36,
    };
    uint8_t what = take(input);

    return places[what % ARRAY_SIZE(places)] + (uint64_t)(int64_t)(int8_t)take(input);
}

static uint32_t take_length(struct input *input)
{
    static const uint32_t lengths[] = { 0, 1, 16, 32, 48, 4096, UINT32_MAX, 0x80000000 };
    uint8_t what = take(input);

    return what < 128 ? what : lengths[what % ARRAY_SIZE(lengths)];
}

/* ---- The driver
 * ---------------------------------------------------------------------------------- */

/* The driver may have moved the BAR anywhere, or away. */
static void poke(struct setup *setup, uint64_t offset, uint64_t value, unsigned size) REQUIRES(bql)
{
    (void)mem_write_locked(setup->bus->guest->scene.space, bar_address(setup->bus, 0) + offset,
                           &value, size);
}

static const uint8_t fields[] = {
    FEATURE_SELECT, ACCEPT_SELECT, ACCEPT,  CONFIG_VECTOR, STATUS,  SELECT,
    SIZE_OF_QUEUE,  VECTOR,        ENABLE,  RESET,         DESC_AT, DESC_AT + 4,
    AVAIL_AT,       AVAIL_AT + 4,  USED_AT, USED_AT + 4,
};

/* In the width that it has. */
static void write_field(struct setup *setup) REQUIRES(bql)
{
    uint8_t field = fields[take(&setup->input) % ARRAY_SIZE(fields)];
    uint64_t value = take(&setup->input);
    unsigned size = field == STATUS ? 1 : field < CONFIG_VECTOR || field >= DESC_AT ? 4 : 2;

    if (field == RESET)
        size = 2;
    else if (field >= DESC_AT)
        value = take_address(&setup->input) >> (field % 8 ? 32 : 0);
    else if (field == ACCEPT)
        value = value << 24 | value; /* where features are */
    poke(setup, field, value, size);
}

static void access_anything(struct setup *setup, bool is_write) REQUIRES(bql)
{
    static const uint16_t pages[] = { COMMON_AT, ISR_AT, CONFIG_AT, NOTIFY_AT };
    unsigned offset = pages[take(&setup->input) % 4] + take(&setup->input) % 80U;
    unsigned size = take_size(&setup->input);
    uint64_t value = 0;

    if (is_write) {
        value = take32(&setup->input);
        poke(setup, offset, value | value << 32, size);
    } else {
        (void)mem_read_locked(setup->bus->guest->scene.space, bar_address(setup->bus, 0) + offset,
                              &value, size);
    }
}

static void access_config(struct setup *setup) REQUIRES(bql)
{
    static const uint8_t places[] = { PCI_COMMAND, PCI_BAR0, PCI_BAR0 + 4, 0x7c, 0x88 };
    uint8_t what = take(&setup->input);
    unsigned offset = what < 64 ? places[what % ARRAY_SIZE(places)] : what;
    unsigned size = 1U << take(&setup->input) % 3;

    offset &= ~(size - 1);
    if (what % 2)
        (void)get_config(setup->bus, offset, size);
    else
        set_config(setup->bus, offset, take32(&setup->input), size);
}

static void access_window(struct setup *setup) REQUIRES(bql)
{
    unsigned window = find_capability(setup->bus, PCI_CAPABILITY_VENDOR, 5);
    unsigned page = take(&setup->input) % 5U << 12;
    uint8_t what = take(&setup->input);

    set_config(setup->bus, window + 4, what % 16 == 15, 1);
    set_config(setup->bus, window + 8, page | take(&setup->input) % 80, 4);
    set_config(setup->bus, window + 12, 1U << what / 16 % 4, 4);
    if (what % 2)
        (void)get_config(setup->bus, window + 16, 4);
    else
        set_config(setup->bus, window + 16, take32(&setup->input), 4);
}

static void write_descriptor(struct setup *setup)
{
    uint8_t what = take(&setup->input);
    uint64_t address = take_address(&setup->input);
    uint32_t length = take_length(&setup->input);

    put_desc(&setup->driver, what & 64 ? RINGS_AT : TABLE_AT, what % SIZE, address, length,
             take(&setup->input) % 8, take(&setup->input) % (SIZE + 1));
}

/* A chain that is fine, mostly. */
static void write_chain(struct setup *setup)
{
    unsigned head = take(&setup->input) % SIZE;
    unsigned next = (head + 1) % SIZE;

    put(&setup->driver, head, take_address(&setup->input), take(&setup->input), DESC_NEXT, next);
    put(&setup->driver, next, take_address(&setup->input), take(&setup->input), DESC_WRITE, 0);
    offer_quietly(&setup->driver, head);
}

static void write_rings(struct setup *setup)
{
    unsigned offset = (take(&setup->input) << 8 | take(&setup->input)) % RINGS_SIZE;

    *(uint8_t *)at(&setup->driver, RINGS_AT + offset) = take(&setup->input);
}

static void turn(void) REQUIRES(bql)
{
    for (unsigned i = 0; i < TURNS && loop_iterate(false); i++) {
    }
}

static void start_anew(struct setup *setup) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;
    uint8_t what = take(&setup->input);
    uint64_t features = (what & 1 ? VIRTIO_F_INDIRECT_DESC : 0) |
                        (what & 2 ? VIRTIO_F_EVENT_IDX : 0) | (what & 4 ? VIRTIO_F_RING_RESET : 0);

    assert(pci_bus_reset(setup->bus->pci, &error));
    if (setup->echo->device.is_resetting)
        virtio_reset_done(&setup->echo->device);
    setup->driver = bus_drive(setup->bus, features, what & 8, RINGS_AT, SIZE);
}

/* ---- The device and what is round it
 * ------------------------------------------------------------------ */

static void complete(struct setup *setup) REQUIRES(bql)
{
    struct echo *echo = setup->echo;
    uint8_t what = take(&setup->input);
    struct virtq_chain *chain;

    if (echo->nr_held == 0)
        return;
    if (what & 1) { /* the newest first */
        chain = echo->held[--echo->nr_held];
    } else {
        chain = echo_take(echo);
    }
    if (what & 2)
        virtq_drop(chain);
    else
        echo_answer(chain);
}

static void change_device(struct setup *setup) REQUIRES(bql)
{
    struct echo *echo = setup->echo;
    uint8_t what = take(&setup->input);

    if (what < 100)
        echo->holds = what & 1;
    else if (what < 140)
        echo->resets_slowly = what & 1;
    else if (what < 160)
        echo->drops_at_reset = what & 1;
    else if (what < 200 && echo->device.is_resetting)
        virtio_reset_done(&echo->device);
    else if (what < 210)
        virtio_config_changed(&echo->device);
    else if (what < 213)
        virtio_device_broken(&echo->device, "by the fuzzer");
    else
        virtq_set_wants_notification(virtio_queue(&echo->device, what & 1), what & 2);
}

static void change_map(struct setup *setup) REQUIRES(bql)
{
    struct guest *guest = setup->bus->guest;

    if (setup->is_high_out)
        put_in(guest->scene.root, LOW_SIZE, guest->region[1], 0);
    else
        take_out(guest->region[1]);
    setup->is_high_out = !setup->is_high_out;
}

static void step(struct setup *setup) REQUIRES(bql)
{
    uint8_t what = take(&setup->input);

    if (what < 40)
        write_chain(setup);
    else if (what < 80)
        write_descriptor(setup);
    else if (what < 90)
        write_rings(setup);
    else if (what < 100)
        offer_quietly(&setup->driver, take(&setup->input) % (SIZE + 1));
    else if (what < 130)
        virtio_doorbell(&setup->echo->device, what % 4);
    else if (what < 160)
        turn();
    else if (what < 180)
        complete(setup);
    else if (what < 190)
        change_device(setup);
    else if (what < 195)
        change_map(setup);
    else if (what < 205)
        start_anew(setup);
    else if (what < 220)
        write_field(setup);
    else if (what < 240)
        access_anything(setup, what & 1);
    else if (what < 246)
        access_window(setup);
    else
        access_config(setup);
}

/* What holds whatever the driver does. */
static void check(struct setup *setup) REQUIRES(bql)
{
    const struct virtio_device *device = &setup->echo->device;
    uint8_t status = virtio_get_status(device);
    struct mem_stats stats;
    uint64_t nr_pieces = 0;

    assert(!(status & VIRTIO_STATUS_DRIVER_OK) || (status & VIRTIO_STATUS_FEATURES_OK));
    assert(!(status & VIRTIO_STATUS_FEATURES_OK) || device->is_resetting ||
           (device->accepted & VIRTIO_F_VERSION_1 && !(device->accepted & ~device->offered)));
    assert(!device->is_resetting || status != 0);
    for (unsigned i = 0; i < setup->echo->nr_held; i++)
        nr_pieces += setup->echo->held[i]->nr_out + setup->echo->held[i]->nr_in;
    mem_get_stats(setup->bus->guest->scene.mem, &stats);
    assert(stats.dma_holders == nr_pieces);
    assert(nr_pieces <= ECHO_QUEUES * LOAD_BOUND);
    assert(setup->bus->guest->mmio_accesses == 0);
}

/* ---- From beginning to end
 * ------------------------------------------------------------------------------- */

static void check_as_good_as_new(struct setup *setup) REQUIRES(bql)
{
    struct echo *echo = setup->echo;
    struct used_element element;

    echo_drop_all(echo);
    echo->holds = echo->resets_slowly = echo->drops_at_reset = false;
    setup->input.left = 0;
    start_anew(setup);
    put(&setup->driver, 2, DATA_AT, 5, DESC_NEXT, 3);
    put(&setup->driver, 3, DATA_AT + 8, 6, DESC_WRITE, 0);
    bus_offer(setup->bus, &setup->driver, 2);
    assert(take_used(&setup->driver, &element) && element.id == 2 && element.length == 5);
    assert(bus_read(setup->bus, bar_address(setup->bus, 0) + STATUS, 1) == 15);
}

/* Bus and device stay from input to input, since making them takes longer than an input: what
 * check_as_good_as_new() is for. Some inputs begin with new ones, and so take the old ones down. */
static struct bus *bus_for(struct input *input) REQUIRES(bql)
{
    static struct bus *bus;

    if (bus && take(input) == UINT8_MAX) {
        bus_free(bus);
        bus = NULL;
    }
    if (!bus)
        bus = bus_new(SIZE, false, guest_new(), NULL);
    return bus;
}

static void run(struct setup *setup) REQUIRES(bql)
{
    struct guest *guest;

    setup->bus = bus_for(&setup->input);
    setup->echo = setup->bus->echo;
    guest = setup->bus->guest;
    memset(guest->low, 0, LOW_SIZE);
    memset(guest->high, 0, HIGH_SIZE);
    start_anew(setup);
    for (unsigned i = 0; i < STEPS && setup->input.left > 0; i++) {
        step(setup);
        check(setup);
    }
    if (setup->is_high_out)
        change_map(setup);
    check_as_good_as_new(setup);
    drain_call_rcu(); /* what is still to be freed would look like a leak to libFuzzer */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    static bool is_started;
    struct setup setup = { .input = { data, size } };

    if (!is_started)
        assert(util_start(NULL) == 0);
    is_started = true;
    run(&setup);
    return 0;
}

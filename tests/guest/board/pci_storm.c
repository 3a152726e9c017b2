/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space in the hands of somebody mad, on one processor, while another uses the
 * devices whose BARs wander about. In the end a device must still work for a good driver.
 */
#include "tests/guest/board/pci.h"

enum {
    MSIX_BAR_SIZE = 0x8080,
    MODE_SHIFT = 8,
    ENTRY_SIZE = 16,
    PIN_MASKED = 1 << 16,
    PIN_LEVEL = 1 << 15,
};

static u8 saved[NR_SLOTS][PCI_CONFIG_SIZE];
static struct bar bars[NR_SLOTS][6];
static unsigned devices[NR_SLOTS], nr_devices; /* with BARs */
static unsigned rng_slot;
static volatile bool is_over;

static void find_devices(void)
{
    u64 sum = 0;
    unsigned nr = 0;

    for (u32 bus = 0; bus < 256; bus++) {
        for (u32 function = 0; function < 256; function++) {
            const u64 offset = bus << 20 | function << 12;
            const u32 by_port = config_by_port(bus << 16 | function << 8, 4);
            const u32 by_ecam = *(volatile u32 *)((u64)LAYOUT_ECAM + offset);

            nr += by_port != 0xffffffff;
            sum += by_port != by_ecam;
        }
    }
    is(sum, 0, "ports and ECAM show the same, on all buses");
    for (unsigned slot = 0; slot < NR_SLOTS; slot++) {
        if (!is_device(slot))
            continue;
        nr--;
        for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
            saved[slot][i] = config_of(slot)[i];
        for (unsigned i = 0; i < 6; i++)
            bars[slot][i] = bar_of(slot, i);
        if (slot)
            devices[nr_devices++] = slot;
    }
    is(nr, 0, "nothing but functions 0 of bus 0");
    check(nr_devices >= 2, "%u devices", nr_devices);
}

/* ---- Places that hurt ---------------------------------------------------------------------------
 */

static u64 nasty_place(void)
{
    static const u64 places[] = {
        0,
        0x7000,
        0xe0000,
        0x200000, /* this program */
        ARENA,
        LAYOUT_RAM_LOW_END - 0x1000,
        LAYOUT_PCI32,
        LAYOUT_PCI32 + 0x4000,
        LAYOUT_ECAM - 0x4000,
        LAYOUT_ECAM,
        LAYOUT_ECAM + LAYOUT_ECAM_SIZE - 0x1000,
        LAYOUT_MAILBOX - 0x4000,
        LAYOUT_MAILBOX,
        LAYOUT_IOAPIC - 0x1000,
        LAYOUT_IOAPIC,
        LAYOUT_LAPIC,
        LAYOUT_LAPIC + 0x1000,
        LAYOUT_LAPIC + LAYOUT_LAPIC_SIZE,
        0xffff8000,
        0xfffff000,
        0x100000000,
        0x1000000000,
        LAYOUT_PHYSICAL_END - 0x4000,
        LAYOUT_PHYSICAL_END,
        0x8000000000000000,
        0xfffffffffffff000,
    };
    const u64 which = random_below(ARRAY_SIZE(places) + 4);

    if (which < ARRAY_SIZE(places))
        return places[which];
    /* Where another one is, or is not. */
    return LAYOUT_PCI32 + random_below(64) * 0x1000;
}

/* ---- One processor moves ------------------------------------------------------------------------
 */

static void move_bar(unsigned slot)
{
    const unsigned index = (unsigned)random_below(6);
    const u64 place = nasty_place();
    volatile u8 *config = config_of(slot);

    write_as(config + PCI_BAR0 + 4 * index, 4, place);
    if (random_below(2) && index < 5)
        write_as(config + PCI_BAR0 + 4 * index + 4, 4, place >> 32);
}

static void command(unsigned slot)
{
    write_as(config_of(slot) + PCI_COMMAND, random_below(2) ? 2 : 1, random());
}

static void any_register(unsigned slot)
{
    const unsigned size = 1u << random_below(3);
    const unsigned offset = (unsigned)random_below(random_below(4) ? PCI_CONFIG_SIZE : 4089);

    if (random_below(2)) {
        write_as(config_of(slot) + offset, size, hostile_number());
        (void)read_as(config_of(slot) + offset, 1u << random_below(4));
    } else {
        out32(LAYOUT_PORT_PCI, 0x80000000 | slot << 11 | (offset & 0xff));
        out_as((u16)(LAYOUT_PORT_PCI + 4 + random_below(4)), size, (u32)hostile_number());
        (void)in_as((u16)(LAYOUT_PORT_PCI + 4 + random_below(4)), 1u << random_below(3));
    }
}

static unsigned msix_of(unsigned slot)
{
    for (unsigned at = saved[slot][0x34], n = 0; at && n < 48; at = saved[slot][at + 1], n++) {
        if (saved[slot][at] == CAPABILITY_MSIX)
            return at;
    }
    return 0x40;
}

/* Virtio's window into the registers (virtio 1.2, 4.1.4.9), and MSI-X's control. */
static void capabilities(unsigned slot)
{
    volatile u8 *config = config_of(slot);

    for (unsigned at = saved[slot][0x34], n = 0; at && n < 48; at = saved[slot][at + 1], n++) {
        if (saved[slot][at] == CAPABILITY_MSIX) {
            write_as(config + at + 2, 2, random());
        } else if (saved[slot][at] == 9 && saved[slot][at + 3] == 5) {
            const u32 offset = (u32)random_below(0x4100);

            config[at + 4] = (u8)random_below(3);
            /* Not where queues are told addresses: they could be of this program. */
            write_as(config + at + 8, 4, offset < 0x40 ? 0x14 : offset);
            write_as(config + at + 12, 4, 1u << random_below(3));
            (void)read_as(config + at + 16, 1u << random_below(3));
            write_as(config + at + 16, 1u << random_below(3), hostile_number());
        }
    }
}

/* ---- Interrupts ---------------------------------------------------------------------------------
 */

static volatile u32 nr_taken;

static void set_pin(unsigned pin, u32 low)
{
    write_as((volatile u8 *)(u64)LAYOUT_IOAPIC, 4, 0x10 + 2 * pin);
    write_as((volatile u8 *)(u64)LAYOUT_IOAPIC + 0x10, 4, low);
}

/* Whoever is too loud is turned off: where its registers are nobody knows. */
static void take(struct frame *frame)
{
    if (++nr_taken % 64 == 0 && frame->vector < 0x44)
        set_pin(LAYOUT_GSI_INTX + frame->vector % 4, PIN_MASKED);
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0xb0) = 0;
}

/* Table and registers back where they are found, a request, and its interrupt to anybody. */
static void work(unsigned slot)
{
    volatile u8 *table = (volatile u8 *)bars[slot][1].address, *config = config_of(slot);
    struct virtio virtio = { .slot = slot,
                             .registers = (volatile u8 *)bars[slot][0].address,
                             .queue_size = 8,
                             .features = 1ul << 32 };

    if (slot != rng_slot)
        return;
    for (unsigned i = 0; i < 6; i++)
        write_as(config + PCI_BAR0 + 4 * i, 4, bars[slot][i].address);
    write_as(config + PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
    if (read_as(virtio.registers + STATUS, 1) == 0xff)
        return; /* another one is before it */
    for (unsigned i = 0; i < 4; i++) {
        write_as(table + i * ENTRY_SIZE, 8,
                 LAYOUT_LAPIC | random_below(3) << 12 | random_below(16));
        write_as(table + i * ENTRY_SIZE + 8, 8, 0x30 + random_below(0xc0));
    }
    set_pin(LAYOUT_GSI_INTX + slot % 4, PIN_LEVEL | (0x40 + slot % 4));
    write_as(config + msix_of(slot) + 2, 2, random_below(2) ? 0x8000 : 0);
    virtio_begin_entropy(&virtio);
    write_as(config + msix_of(slot) + 2, 2, random_below(2) ? 0x8000 : 0xc000);
}

static void storm(u64 rounds)
{
    for (u64 i = 0; i < rounds; i++) {
        const unsigned slot = i % 64 ? devices[random_below(nr_devices)] : 0;

        switch (random_below(8)) {
        case 0:
            if (random_below(2))
                work(slot);
            else
                command(slot);
            break;
        case 1:
            capabilities(slot);
            break;
        case 2:
        case 3:
            any_register(slot);
            break;
        default:
            move_bar(slot);
            if (random_below(4) == 0)
                write_as(config_of(slot) + PCI_COMMAND, 2, 7);
        }
    }
}

/* ---- The other one uses -------------------------------------------------------------------------
 */

/* INIT would be for a processor of ours. */
static u64 message(void)
{
    return hostile_number() & ~(7ul << MODE_SHIFT);
}

static void use(void *unused)
{
    (void)unused;
    for (u64 turn = 0; !is_over; turn++) {
        const u64 place = nasty_place(), offset = random_below(MSIX_BAR_SIZE);
        const unsigned size = 1u << random_below(4);
        const bool is_ram = place + offset < ram_size();
        const u64 physical = place + offset;

        if (physical >= LAYOUT_PHYSICAL_END - 16)
            continue;
        if (is_ram || random_below(2) || (physical | 0xfff) == (LAYOUT_IOAPIC | 0xfff) ||
            (physical >> 12 == LAYOUT_LAPIC >> 12 && (physical & 0xff0) >= 0x2f0))
            (void)read_as(at(physical), size);
        else
            write_as(at(physical), size, message());
        /* On, whatever has been written there; what is below 0x30 is exceptions'. */
        *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0x80) = 0x20;
        if (turn % 16 == 0)
            *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0xf0) = 0x1ff;
        __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    }
}

/* ---- The end ------------------------------------------------------------------------------------
 */

static void restore(void)
{
    for (unsigned slot = 0; slot < NR_SLOTS; slot++) {
        volatile u8 *config = config_of(slot);

        if (!is_device(slot))
            continue;
        write_as(config + PCI_COMMAND, 2, 0);
        for (unsigned i = 0; i < PCI_CONFIG_SIZE; i += 4) {
            u32 value;

            memcpy(&value, saved[slot] + i, sizeof(value));
            if (i != PCI_COMMAND)
                write_as(config + i, 4, value);
        }
        write_as(config + PCI_COMMAND, 2, saved[slot][PCI_COMMAND]);
    }
}

static void compare(void)
{
    unsigned nr_different = 0;

    for (unsigned slot = 0; slot < NR_SLOTS; slot++) {
        if (!is_device(slot))
            continue;
        for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
            if (config_of(slot)[i] == saved[slot][i] || i == PCI_COMMAND + 2 /* status */)
                continue;
            nr_different++;
            say("# slot %u register 0x%x: 0x%x, and was 0x%x\n", slot, i, config_of(slot)[i],
                saved[slot][i]);
        }
        for (unsigned i = 0; i < 6; i++) {
            const struct bar bar = bar_of(slot, i);

            nr_different += bar.address != bars[slot][i].address || bar.size != bars[slot][i].size;
        }
    }
    is(nr_different, 0, "all registers as they were");
}

static void device_works(const char *when)
{
    struct virtio rng;
    u64 bytes[8] = { 0 };
    unsigned nr_zero = 0;

    if (!check(virtio_find(&rng, VIRTIO_ENTROPY, 0), "%s: a device for entropy", when))
        return;
    check(virtio_entropy(&rng, bytes, sizeof(bytes)), "%s: it has answered", when);
    for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++)
        nr_zero += bytes[i] == 0;
    is(nr_zero, 0, "with entropy");
    rng_slot = rng.slot;
}

void payload_main(void)
{
    const u64 rounds = parameter("rounds", 15000);

    seed_random(parameter("seed", 1));
    for (unsigned vector = 32; vector < 256; vector++)
        on_vector(vector, take);
    find_devices();
    device_works("at first");
    storm(rounds);
    restore();
    compare();
    device_works("after a storm");
    if (parameter("cpus", 1) > 1) {
        start_processors(2);
        start_on(1, use, NULL);
        storm(rounds);
        is_over = true;
        wait_for(1);
        restore();
        compare();
        device_works("after one that two have made");
        check(nr_taken > 0 || rounds < 1000, "interrupts came");
    }
}

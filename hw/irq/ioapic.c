/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The I/O APIC. Registers: Intel 82093AA data sheet, section 3.2; the EOI register and
 * version 0x20: ICH data sheets.
 *
 * A pin's message goes out by its route, which has one while the pin is not masked. An edge at
 * a masked pin is lost, as the data sheet says (3.2.4, bit 16).
 *
 * The lock is for the ends of interrupts, which come from processors' threads without the BQL.
 * It is not held while a route is given its message, since the sink may want locks of its own;
 * meanwhile the pin is `is_changing` and sends nothing.
 */
#include "hw/irq/ioapic.h"

#include <inttypes.h>

#include "util/lock.h"
#include "util/log.h"
#include "util/mutant.h"

enum ioapic_register { IOREGSEL = 0x00, IOWIN = 0x10, IOEOIR = 0x40 };

enum { /* what IOREGSEL selects */
       INDEX_ID = 0,
       INDEX_VERSION = 1,
       INDEX_ARBITRATION = 2,
       INDEX_PINS = 0x10, /* two of each */
       VERSION = 0x20 | (IOAPIC_PINS - 1) << 16,
       ID_SHIFT = 24,
       ID_MASK = 0xf,
};

/* A redirection entry. */
enum {
    PIN_MODE_SHIFT = 8,
    PIN_LOGICAL = 1 << 11,
    PIN_REMOTE_IRR = 1 << 14, /* sent, and not yet ended */
    PIN_LEVEL = 1 << 15,
    PIN_MASKED = 1 << 16,
    PIN_DESTINATION_SHIFT = 56,
    MODE_LOWEST = 1, /* those above are neither ended nor held back */

    LINES_PER_PIN = 32,
};
/* Vector, mode, logical, polarity, trigger, mask; destination. The rest cannot be written. */
#define PIN_WRITABLE UINT64_C(0xff0000000001afff)

struct pin {
    uint64_t entry;    /* guarded by lock */
    uint32_t lines;    /* those that are high; guarded by lock */
    unsigned nr_lines; /* guarded by the BQL */
    bool is_changing;  /* guarded by lock */
    struct msi_route *route;
};

struct ioapic {
    struct mutex lock;
    struct pin pin[IOAPIC_PINS];
    uint32_t index; /* IOREGSEL; guarded by the BQL */
    uint32_t id;    /* guarded by the BQL */
};

/* ---- Sending ------------------------------------------------------------------------------- */

/* Intel SDM vol. 3, 11.11. The pin's fields are the message's. */
static struct msi_message message_of(uint64_t entry)
{
    struct msi_message message = {
        .address = UINT64_C(0xfee00000) | entry >> PIN_DESTINATION_SHIFT << 12,
        .data = entry & 0x7ff,
    };

    if (entry & PIN_LOGICAL)
        message.address |= 1 << 2;
    if (entry & PIN_LEVEL)
        message.data |= 1 << 15 | 1 << 14; /* level, asserted */
    return message;
}

/* The pin is high and may send: if it is of the kind that waits for its end, it does so now. */
static void send_level(struct ioapic *ioapic UNUSED, struct pin *pin) REQUIRES(ioapic->lock)
{
    if (!pin->lines || pin->is_changing ||
        (pin->entry & (PIN_MASKED | PIN_LEVEL | PIN_REMOTE_IRR)) != PIN_LEVEL)
        return;
    if ((pin->entry >> PIN_MODE_SHIFT & 7) <= MODE_LOWEST)
        pin->entry |= PIN_REMOTE_IRR;
    (void)msi_route_raise(pin->route); /* not masked: it has a message */
}

static void set_line(void *opaque, unsigned number, bool is_high)
{
    struct ioapic *ioapic = opaque;
    struct pin *pin = &ioapic->pin[number / LINES_PER_PIN];
    const uint32_t line = UINT32_C(1) << number % LINES_PER_PIN;

    bql_assert_held();
    WITH_MUTEX (&ioapic->lock) {
        const uint32_t before = pin->lines;

        pin->lines = is_high ? before | line : before & ~line;
        if (before || !pin->lines)
            break; /* nothing rises */
        if (pin->entry & PIN_LEVEL)
            send_level(ioapic, pin);
        else if (!(pin->entry & PIN_MASKED))
            (void)msi_route_raise(pin->route);
    }
}

void ioapic_end_of_interrupt(void *opaque, unsigned vector)
{
    struct ioapic *ioapic = opaque;

    mutex_lock(&ioapic->lock);
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        struct pin *pin = &ioapic->pin[i];

        if ((pin->entry & 0xff) != vector || !(pin->entry & PIN_REMOTE_IRR))
            continue;
        pin->entry &= ~(uint64_t)PIN_REMOTE_IRR;
        send_level(ioapic, pin);
    }
    mutex_unlock(&ioapic->lock);
}

/* ---- Registers ----------------------------------------------------------------------------- */

static void tell_route(struct pin *pin, uint64_t entry) REQUIRES(bql)
{
    const struct msi_message message = message_of(entry);

    /* False: no room in the sink, which has been told to the log. The pin is silent then. */
    (void)msi_route_set(pin->route, entry & PIN_MASKED ? NULL : &message);
}

/* Without a level there is nothing to wait for the end of: going by edge clears Remote IRR. */
static void write_entry(struct ioapic *ioapic, unsigned nth, uint64_t value) REQUIRES(bql)
{
    struct pin *pin = &ioapic->pin[nth];
    uint64_t entry = value & PIN_WRITABLE;

    mutex_lock(&ioapic->lock);
    if (entry & PIN_LEVEL)
        entry |= pin->entry & PIN_REMOTE_IRR;
    pin->entry = entry;
    pin->is_changing = true;
    mutex_unlock(&ioapic->lock);

    tell_route(pin, entry);

    mutex_lock(&ioapic->lock);
    pin->is_changing = false;
    if (!MUTANT(irq_unmask_is_deaf))
        send_level(ioapic, pin);
    mutex_unlock(&ioapic->lock);
}

static uint64_t read_entry(struct ioapic *ioapic, unsigned nth)
{
    uint64_t entry;

    mutex_lock(&ioapic->lock);
    entry = ioapic->pin[nth].entry;
    mutex_unlock(&ioapic->lock);
    return entry;
}

static uint32_t read_selected(struct ioapic *ioapic) REQUIRES(bql)
{
    const unsigned nth = (ioapic->index - INDEX_PINS) / 2;

    switch (ioapic->index) {
    case INDEX_ID:
    case INDEX_ARBITRATION:
        return ioapic->id << ID_SHIFT;
    case INDEX_VERSION:
        return VERSION;
    case INDEX_PINS ... INDEX_PINS + 2 * IOAPIC_PINS - 1:
        return (uint32_t)(read_entry(ioapic, nth) >> ioapic->index % 2 * 32);
    default:
        log_guest_error("ioapic: no register 0x%" PRIx32 " to read", ioapic->index);
        return 0;
    }
}

static void write_selected(struct ioapic *ioapic, uint32_t value) REQUIRES(bql)
{
    const unsigned nth = (ioapic->index - INDEX_PINS) / 2, shift = ioapic->index % 2 * 32;
    uint64_t entry;

    switch (ioapic->index) {
    case INDEX_ID:
        ioapic->id = value >> ID_SHIFT & ID_MASK;
        break;
    case INDEX_PINS ... INDEX_PINS + 2 * IOAPIC_PINS - 1:
        entry = read_entry(ioapic, nth) & ~(UINT64_C(0xffffffff) << shift);
        write_entry(ioapic, nth, entry | (uint64_t)value << shift);
        break;
    default:
        log_guest_error("ioapic: no register 0x%" PRIx32 " to write", ioapic->index);
        break;
    }
}

static uint64_t ioapic_read(void *opaque, uint64_t offset, unsigned size UNUSED)
{
    struct ioapic *ioapic = opaque;

    bql_assert_held();
    switch (offset) {
    case IOREGSEL:
        return ioapic->index;
    case IOWIN:
        return read_selected(ioapic);
    default:
        log_guest_error("ioapic: nothing to read at 0x%" PRIx64, offset);
        return 0;
    }
}

static void ioapic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size UNUSED)
{
    struct ioapic *ioapic = opaque;

    bql_assert_held();
    switch (offset) {
    case IOREGSEL:
        ioapic->index = value & 0xff;
        break;
    case IOWIN:
        write_selected(ioapic, (uint32_t)value);
        break;
    case IOEOIR:
        ioapic_end_of_interrupt(ioapic, value & 0xff);
        break;
    default:
        log_guest_error("ioapic: nothing to write at 0x%" PRIx64, offset);
        break;
    }
}

/* ---- Life ---------------------------------------------------------------------------------- */

static const struct mmio_ops ioapic_ops = {
    .read = ioapic_read,
    .write = ioapic_write,
    .min_access = 4,
    .max_access = 4,
};

struct region *ioapic_region(struct ioapic *ioapic, struct mem *mem)
{
    return region_new_mmio(mem, "ioapic", IOAPIC_SIZE, &ioapic_ops, ioapic);
}

struct irq_line ioapic_line(struct ioapic *ioapic, unsigned pin)
{
    g_assert(pin < IOAPIC_PINS && ioapic->pin[pin].nr_lines < LINES_PER_PIN);
    return (struct irq_line){
        .set = set_line,
        .opaque = ioapic,
        .pin = pin * LINES_PER_PIN + ioapic->pin[pin].nr_lines++,
    };
}

/* Lines stay as they are: they are their devices'. */
void ioapic_reset(struct ioapic *ioapic)
{
    ioapic->index = 0;
    ioapic->id = 0;
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        write_entry(ioapic, i, PIN_MASKED);
}

void ioapic_free(struct ioapic *ioapic)
{
    if (!ioapic)
        return;
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        msi_route_free(ioapic->pin[i].route);
    mutex_fini(&ioapic->lock);
    g_free(ioapic);
}

struct ioapic *ioapic_new(struct msi_routes *routes, GError **error)
{
    struct ioapic *ioapic = g_new0(struct ioapic, 1);

    mutex_init(&ioapic->lock, "ioapic", RANK_DEVICE);
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        ioapic->pin[i].entry = PIN_MASKED;
        ioapic->pin[i].route = msi_route_new(routes, error);
        if (!ioapic->pin[i].route) {
            ioapic_free(ioapic);
            return NULL;
        }
    }
    return ioapic;
}

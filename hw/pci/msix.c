/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X: the table under the BQL, raising without.
 *
 * A vector is *open* while its message may go out: MSI-X on, neither the function nor
 * the vector masked. Then its route has the message; else none. Who raises tries the
 * route, and if that has nothing, leaves a pending bit; who opens looks for that bit. Each
 * writes his own word and then reads the other's, with a full barrier between:
 *
 *     raise (any thread)                        open (BQL)
 *     the route is empty                        give the route its message
 *  R1 set the pending bit                    O1 is_open = 1
 *     -- full barrier --                        -- full barrier --
 *  R2 read is_open                           O2 take the pending bit
 *
 * Not lost: if R2 reads 0, it comes before O1 in the order of these four, so R1 comes
 * before O2, which sees the bit. If R2 reads 1, the raiser looks after the bit himself.
 * Not doubled: the bit is taken by one atomic operation, and who has got it sends. If the
 * vector has been closed again meanwhile, the route is empty, and the raiser begins anew:
 * he goes round once for each time that the guest unmasks and masks it, at most.
 */
#include "hw/pci/msix.h"

#include <assert.h>

#include "hw/pci/pci_internal.h"
#include "hw/pci/registers.h"
#include "util/atomic.h"
#include "util/log.h"

enum {
    TABLE_SIZE = MSIX_VECTORS_MAX * MSIX_ENTRY_SIZE,
    PENDING_WORDS = MSIX_VECTORS_MAX / 64,
    BAR_SIZE = TABLE_SIZE + PENDING_WORDS * 8, /* the pending bits are behind the largest table */
    ADDRESS_UNALIGNED = 3,                     /* bits of it that must be 0 (6.8.2.6) */
};

struct msix_vector {
    struct msi_route *route; /* NULL: the device has gone */
    struct msi_message message GUARDED_BY(bql);
    bool is_masked GUARDED_BY(bql);
    bool has_eventfd GUARDED_BY(bql); /* while open: the sink can raise it by itself */
    uint32_t is_open;                 /* atomic; written under the BQL */
};

struct msix {
    struct pci_device *device GUARDED_BY(bql); /* NULL: it has gone */
    unsigned capability;                       /* where in configuration space */
    unsigned nr;
    uint32_t is_enabled;             /* atomic; written under the BQL */
    uint64_t pending[PENDING_WORDS]; /* atomic */
    struct msix_vector vectors[];
};

/* ---- Pending bits ------------------------------------------------------------------ */

static void set_pending(struct msix *msix, unsigned index)
{
    (void)fetch_or(&msix->pending[index / 64], UINT64_C(1) << (index % 64));
}

/* Whether the bit was set, and has been cleared by this call. */
static bool take_pending(struct msix *msix, unsigned index)
{
    uint64_t bit = UINT64_C(1) << (index % 64);

    return fetch_and(&msix->pending[index / 64], ~bit) & bit;
}

/* ---- Raising ----------------------------------------------------------------------- */

bool msix_is_enabled(const struct pci_device *device)
{
    return device->msix && load_relaxed(&device->msix->is_enabled);
}

static void raise_vector(struct msix *msix, unsigned index)
{
    struct msix_vector *vector = &msix->vectors[index];

    while (!msi_route_raise(vector->route)) {
        set_pending(msix, index);            /* R1 */
        smp_mb_after_rmw();                  /* pairs with the one in open_vector() */
        if (!load_relaxed(&vector->is_open)) /* R2 */
            return;                          /* who opens it will see the bit */
        if (!take_pending(msix, index))
            return; /* who has opened it has seen it, and sends */
    }
}

void msix_raise(struct pci_device *device, unsigned vector)
{
    if (msix_is_enabled(device) && vector < device->msix->nr)
        raise_vector(device->msix, vector);
}

int msix_eventfd(struct pci_device *device, unsigned vector)
{
    const struct msix *msix = device->msix;
    const struct msix_vector *entry;

    if (!msix || vector >= msix->nr)
        return -1;
    entry = &msix->vectors[vector];
    return load_relaxed(&entry->is_open) && entry->has_eventfd ? msi_route_eventfd(entry->route)
                                                               : -1;
}

/* ---- Opening and closing ----------------------------------------------------------- */

/* Also when it is open, and its message has changed. */
static void open_vector(struct msix *msix, unsigned index) REQUIRES(bql)
{
    struct msix_vector *vector = &msix->vectors[index];

    /* False: the sink has no room, and messages go out by us only. */
    vector->has_eventfd = msi_route_set(vector->route, &vector->message);
    (void)atomic_xchg(&vector->is_open, 1); /* O1 */
    smp_mb_after_rmw();                     /* pairs with the one in raise_vector() */
    if (take_pending(msix, index))          /* O2 */
        raise_vector(msix, index);
}

static void close_vector(struct msix *msix, unsigned index) REQUIRES(bql)
{
    struct msix_vector *vector = &msix->vectors[index];

    if (!load_relaxed(&vector->is_open))
        return;
    store_relaxed(&vector->is_open, 0);       /* in any order: see the raiser's loop */
    (void)msi_route_set(vector->route, NULL); /* to take a message away needs no room */
}

static bool may_open(const struct msix *msix, unsigned index) REQUIRES(bql)
{
    uint16_t control = pci_config_get16(msix->device, msix->capability + MSIX_CONTROL);

    return (control & MSIX_CONTROL_ENABLE) && !(control & MSIX_CONTROL_MASK_ALL) &&
           !msix->vectors[index].is_masked;
}

/* After a mask has changed. */
static void update_vector(struct msix *msix, unsigned index) REQUIRES(bql)
{
    if (!may_open(msix, index))
        close_vector(msix, index);
    else if (!load_relaxed(&msix->vectors[index].is_open))
        open_vector(msix, index);
}

/* As the control word in configuration space says. */
static void update_all(struct msix *msix) REQUIRES(bql)
{
    uint16_t control = pci_config_get16(msix->device, msix->capability + MSIX_CONTROL);

    store_relaxed(&msix->is_enabled, (control & MSIX_CONTROL_ENABLE) != 0);
    for (unsigned i = 0; i < msix->nr; i++)
        update_vector(msix, i);
    if (!(control & MSIX_CONTROL_ENABLE)) {
        /* Who raises right now may still set one: a spurious interrupt later, and no harm. */
        for (unsigned i = 0; i < PENDING_WORDS; i++)
            store_relaxed(&msix->pending[i], 0);
    }
}

void msix_config_written(struct pci_device *device, unsigned offset, unsigned size)
{
    struct msix *msix = device->msix;

    if (!msix || !pci_meets(offset, size, msix->capability + MSIX_CONTROL, 2))
        return;
    update_all(msix);
    pci_intx_update(device); /* silent while MSI-X is on (6.8.2.3) */
}

/* ---- The BAR ----------------------------------------------------------------------- */

static uint32_t read_entry(const struct msix_vector *vector, unsigned offset) REQUIRES(bql)
{
    switch (offset) {
    case MSIX_ENTRY_ADDRESS:
        return (uint32_t)vector->message.address;
    case MSIX_ENTRY_ADDRESS_HIGH:
        return (uint32_t)(vector->message.address >> 32);
    case MSIX_ENTRY_DATA:
        return vector->message.data;
    default:
        return vector->is_masked ? MSIX_ENTRY_MASKED : 0;
    }
}

static uint32_t read_dword(const struct msix *msix, unsigned offset) REQUIRES(bql)
{
    if (offset >= TABLE_SIZE) {
        unsigned index = (offset - TABLE_SIZE) * 8;

        return (uint32_t)(load_relaxed(&msix->pending[index / 64]) >> (index % 64));
    }
    return offset / MSIX_ENTRY_SIZE < msix->nr
               ? read_entry(&msix->vectors[offset / MSIX_ENTRY_SIZE], offset % MSIX_ENTRY_SIZE)
               : 0;
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct msix *msix = opaque;
    uint64_t value;

    bql_assert_held();
    value = read_dword(msix, (unsigned)offset);
    if (size == 8)
        value |= (uint64_t)read_dword(msix, (unsigned)offset + 4) << 32;
    return value;
}

static void write_message(struct msix *msix, unsigned index, unsigned offset, uint32_t value)
    REQUIRES(bql)
{
    struct msix_vector *vector = &msix->vectors[index];
    struct msi_message *message = &vector->message;

    if (offset == MSIX_ENTRY_ADDRESS)
        message->address =
            (message->address & ~(uint64_t)UINT32_MAX) | (value & ~(uint32_t)ADDRESS_UNALIGNED);
    else if (offset == MSIX_ENTRY_ADDRESS_HIGH)
        message->address = (uint32_t)message->address | (uint64_t)value << 32;
    else
        message->data = value;
    if (load_relaxed(&vector->is_open)) /* undefined (6.8.2.9); ours takes effect at once */
        open_vector(msix, index);
}

static void write_dword(struct msix *msix, unsigned offset, uint32_t value) REQUIRES(bql)
{
    unsigned index = offset / MSIX_ENTRY_SIZE;

    if (index >= msix->nr) { /* behind the table, or the pending bits, which are read-only */
        pci_count_guest_error(msix->device->bus);
        log_guest_error("%s: write at 0x%x of its MSI-X table", msix->device->name, offset);
    } else if (offset % MSIX_ENTRY_SIZE == MSIX_ENTRY_CONTROL) {
        msix->vectors[index].is_masked = value & MSIX_ENTRY_MASKED;
        update_vector(msix, index);
    } else {
        write_message(msix, index, offset % MSIX_ENTRY_SIZE, value);
    }
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct msix *msix = opaque;

    bql_assert_held();
    if (!msix->device)
        return; /* gone, but the map would not let go of its region */
    write_dword(msix, (unsigned)offset, (uint32_t)value);
    if (size == 8)
        write_dword(msix, (unsigned)offset + 4, (uint32_t)(value >> 32));
}

/* Dwords and aligned qwords: what software may use (6.8.2). */
static const struct mmio_ops bar_ops = {
    .read = bar_read, .write = bar_write, .min_access = 4, .max_access = 8
};

/* ---- Beginning and end ------------------------------------------------------------- */

static void reset_vectors(struct msix *msix) REQUIRES(bql)
{
    for (unsigned i = 0; i < msix->nr; i++) {
        msix->vectors[i].message = (struct msi_message){ .address = 0 };
        msix->vectors[i].is_masked = true;
    }
}

void msix_reset(struct pci_device *device)
{
    if (!device->msix)
        return;
    update_all(device->msix); /* the control word has been reset: all are closed */
    reset_vectors(device->msix);
}

static bool make_routes(struct msix *msix, GError **error) REQUIRES(bql)
{
    for (unsigned i = 0; i < msix->nr; i++) {
        msix->vectors[i].route = msi_route_new(msix->device->bus->config.routes, error);
        if (!msix->vectors[i].route) {
            g_prefix_error(error, "%s: MSI-X vector %u of %u: ", msix->device->name, i, msix->nr);
            return false;
        }
    }
    return true;
}

static void free_routes(struct msix *msix) REQUIRES(bql)
{
    for (unsigned i = 0; i < msix->nr; i++) {
        msi_route_free(msix->vectors[i].route);
        msix->vectors[i].route = NULL;
    }
}

static void add_capability(struct msix *msix, unsigned bar) REQUIRES(bql)
{
    struct pci_device *device = msix->device;
    static const uint8_t body[MSIX_CAPABILITY_SIZE - 2];
    static const uint16_t writable = MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL;
    unsigned offset = pci_add_capability(device, PCI_CAPABILITY_MSIX, body, sizeof(body));

    msix->capability = offset;
    pci_config_put(device, offset + MSIX_CONTROL, msix->nr - 1, 2);
    pci_config_put(device, offset + MSIX_TABLE, bar, 4);
    pci_config_put(device, offset + MSIX_PENDING, TABLE_SIZE | bar, 4);
    pci_set_writable(device, offset + MSIX_CONTROL, &writable, sizeof(writable));
}

bool msix_init(struct pci_device *device, unsigned nr, unsigned bar, GError **error)
{
    struct msix *msix;
    struct region *region;

    assert(nr >= 1 && nr <= MSIX_VECTORS_MAX && !device->msix);
    msix = g_malloc0(sizeof(*msix) + nr * sizeof(msix->vectors[0]));
    msix->device = device;
    msix->nr = nr;
    if (!make_routes(msix, error)) {
        free_routes(msix);
        g_free(msix);
        return false;
    }
    reset_vectors(msix);
    add_capability(msix, bar);
    region = region_new_mmio(device->bus->config.mem, "msix", BAR_SIZE, &bar_ops, msix);
    region_on_released(region, g_free, msix); /* its handlers use it */
    pci_add_bar(device, bar, PCI_BAR_MEMORY32, region);
    region_unref(region);
    device->msix = msix;
    return true;
}

void msix_fini(struct pci_device *device)
{
    struct msix *msix = device->msix;

    if (!msix)
        return;
    device->msix = NULL;
    free_routes(msix);
    msix->device = NULL;
}

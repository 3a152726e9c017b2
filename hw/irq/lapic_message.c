/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt messages: who is meant, and what it does to them. From MSIs and the IOAPIC
 * (Intel SDM vol. 3, 11.11), and from processors (ICR, 11.6 and 11.12.9).
 *
 * Everything here runs on any thread, in signal handlers too: no lock, no log.
 */
#include "hw/irq/lapic_internal.h"
#include "util/mutant.h"

enum delivery_mode {
    DELIVER_FIXED = 0,
    DELIVER_LOWEST = 1,
    DELIVER_NMI = 4,
    DELIVER_INIT = 5,
    DELIVER_STARTUP = 6,
};

/* A message on its way, from wherever. */
struct lapic_message {
    uint32_t destination;
    bool is_logical;
    bool is_broadcast;
    bool is_level;
    uint8_t mode; /* enum delivery_mode, or reserved */
    uint8_t vector;
    const struct lapic *except; /* NULL: nobody */
};

/* ---- At the receiver ----------------------------------------------------------------------- */

void lapic_note_error(struct lapic *lapic, uint32_t error)
{
    const uint32_t lvt = load_relaxed(&lapic->lvt[LVT_ERROR]);

    fetch_or(&lapic->errors, error);
    if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= FIRST_VECTOR)
        lapic_accept(lapic, lvt & 0xff, false);
}

bool lapic_set_irr(struct lapic *lapic, unsigned vector, bool is_level)
{
    const uint64_t bit = vector_bit(vector);
    uint64_t *tmr = &lapic->tmr[vector / 64];

    if (unlikely(vector < FIRST_VECTOR)) {
        lapic_note_error(lapic, ERROR_RECEIVED_VECTOR);
        return false;
    }
    if (unlikely(!(load_relaxed(tmr) & bit) == is_level)) {
        if (is_level)
            fetch_or(tmr, bit);
        else
            fetch_and(tmr, ~bit);
    }
    return !(fetch_or(&lapic->irr[vector / 64], bit) & bit);
}

void lapic_accept(struct lapic *lapic, unsigned vector, bool is_level)
{
    if (MUTANT(irq_kick_first)) {
        lapic_kick(lapic, CPU_EVENT_INTERRUPT);
        (void)lapic_set_irr(lapic, vector, is_level);
        return;
    }
    if (lapic_set_irr(lapic, vector, is_level))
        lapic_kick(lapic, CPU_EVENT_INTERRUPT);
}

/* The first startup message after INIT counts; those behind it find a processor that runs. */
static void start_up(struct lapic *lapic, unsigned vector)
{
    const struct lapic_ops *ops = &lapic->lapics->ops;

    if (load_relaxed(&lapic->waits_for_startup) && atomic_xchg(&lapic->waits_for_startup, 0) &&
        ops->startup)
        ops->startup(ops->opaque, lapic->index, vector);
}

static void receive(struct lapic *lapic, const struct lapic_message *message)
{
    switch ((enum delivery_mode)message->mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST:
        lapic_accept(lapic, message->vector, message->is_level);
        break;
    case DELIVER_NMI:
        lapic_kick(lapic, CPU_EVENT_NMI);
        break;
    case DELIVER_INIT:
        store_relaxed(&lapic->waits_for_startup, 1);
        lapic_kick(lapic, CPU_EVENT_INIT);
        break;
    case DELIVER_STARTUP:
        start_up(lapic, message->vector);
        break;
    }
}

/* ---- Destinations (11.6.2, 11.12.10) ------------------------------------------------------- */

static bool is_in_cluster(uint32_t ldr, uint32_t destination, unsigned shift)
{
    return ldr >> shift == destination >> shift && (ldr & destination & ((1u << shift) - 1));
}

static bool is_addressed_logically(const struct lapic *lapic, uint32_t destination)
{
    const uint32_t ldr = load_relaxed(&lapic->ldr);

    if (lapic_mode(lapic) == LAPIC_X2APIC)
        return is_in_cluster(ldr, destination, 16);
    if (destination > 0xff)
        return false;
    if (load_relaxed(&lapic->dfr) >> 28 == 0xf) /* flat */
        return ldr >> 24 & destination;
    return is_in_cluster(ldr >> 24, destination, 4);
}

static bool is_addressed(const struct lapic *lapic, const struct lapic_message *message)
{
    if (lapic == message->except || lapic_mode(lapic) == LAPIC_OFF)
        return false;
    if (message->mode <= DELIVER_LOWEST && !(load_relaxed(&lapic->svr) & SVR_ENABLED))
        return false; /* 11.4.7.2 */
    if (message->is_broadcast)
        return true;
    if (message->is_logical)
        return is_addressed_logically(lapic, message->destination);
    return lapic->index == message->destination;
}

/*
 * Of those addressed, the one with the lowest priority. Among equals the vector says where the
 * search begins, so that not all of them go to the first.
 */
static bool deliver_to_lowest(struct lapics *lapics, const struct lapic_message *message)
{
    struct lapic *lowest = NULL;

    for (unsigned i = 0; i < lapics->nr; i++) {
        struct lapic *lapic = lapic_at(lapics, (i + message->vector) % lapics->nr);

        if (is_addressed(lapic, message) &&
            (!lowest || load_relaxed(&lapic->ppr) < load_relaxed(&lowest->ppr)))
            lowest = lapic;
    }
    if (lowest)
        receive(lowest, message);
    return lowest;
}

static bool deliver_to_all(struct lapics *lapics, const struct lapic_message *message)
{
    bool is_claimed = false;

    for (unsigned i = 0; i < lapics->nr; i++) {
        struct lapic *lapic = lapic_at(lapics, i);

        if (is_addressed(lapic, message)) {
            receive(lapic, message);
            is_claimed = true;
        }
    }
    return is_claimed;
}

/* What nearly all messages are. */
static bool deliver_to_one(struct lapics *lapics, const struct lapic_message *message)
{
    struct lapic *lapic;

    if (message->destination >= lapics->nr)
        return false;
    lapic = lapic_at(lapics, message->destination);
    if (!is_addressed(lapic, message))
        return false;
    receive(lapic, message);
    return true;
}

static void deliver(struct lapics *lapics, const struct lapic_message *message)
{
    bool is_claimed;

    if (message->mode == DELIVER_LOWEST)
        is_claimed = deliver_to_lowest(lapics, message);
    else if (message->is_logical || message->is_broadcast)
        is_claimed = deliver_to_all(lapics, message);
    else
        is_claimed = deliver_to_one(lapics, message);
    if (!is_claimed)
        fetch_add_relaxed(&lapics->unclaimed, 1);
}

/* ---- From devices -------------------------------------------------------------------------- */

enum {
    MSI_LOGICAL = 1 << 2,
    MSI_TO_LOWEST = 1 << 3, /* "redirection hint" */
    MSI_DATA_ASSERT = 1 << 14,
    MSI_DATA_LEVEL = 1 << 15,
};

static void send_message(void *opaque, const struct msi_message *msi)
{
    struct lapics *lapics = opaque;
    struct lapic_message message = {
        .destination = msi->address >> 12 & 0xff,
        .is_logical = msi->address & MSI_LOGICAL,
        .is_level = msi->data & MSI_DATA_LEVEL,
        .mode = msi->data >> 8 & 7,
        .vector = (uint8_t)msi->data,
    };

    if (msi->address >> 20 != LAPIC_BASE >> 20 ||
        (message.mode > DELIVER_LOWEST && message.mode != DELIVER_NMI &&
         message.mode != DELIVER_INIT)) {
        fetch_add_relaxed(&lapics->ignored, 1);
        return;
    }
    if (message.is_level && !(msi->data & MSI_DATA_ASSERT))
        return; /* the end of a level says nothing to a local APIC */
    message.is_broadcast = message.destination == 0xff;
    if (message.mode == DELIVER_FIXED && msi->address & MSI_TO_LOWEST)
        message.mode = DELIVER_LOWEST;
    deliver(lapics, &message);
}

void lapics_sink(struct lapics *lapics, struct msi_sink *ret_sink)
{
    *ret_sink = (struct msi_sink){ .send = send_message, .opaque = lapics };
}

/* ---- From processors ----------------------------------------------------------------------- */

enum shorthand { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };

enum {
    ICR_LOGICAL = 1 << 11,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    ICR_SHORTHAND_SHIFT = 18,
};

/* Table 11-3: who may send what by a shorthand. Startup messages and INIT never go to oneself. */
static bool is_sensible(uint32_t mode, enum shorthand shorthand)
{
    switch (mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST:
    case DELIVER_NMI:
        return true;
    case DELIVER_INIT:
    case DELIVER_STARTUP:
        return shorthand == TO_DESTINATION || shorthand == TO_OTHERS;
    default:
        return false;
    }
}

void lapic_send_ipi(struct lapic *lapic, uint64_t icr)
{
    const enum shorthand shorthand = icr >> ICR_SHORTHAND_SHIFT & 3;
    const bool is_x2apic = lapic_mode(lapic) == LAPIC_X2APIC;
    struct lapic_message message = {
        .destination = (uint32_t)(icr >> 32),
        .is_logical = icr & ICR_LOGICAL,
        .mode = icr >> 8 & 7,
        .vector = (uint8_t)icr,
    };

    lapic_count(&lapic->stats.ipis);
    if (message.mode == DELIVER_INIT && (icr & (ICR_LEVEL | ICR_ASSERT)) == ICR_LEVEL)
        return; /* "de-assert": older buses' business */
    if (!is_sensible(message.mode, shorthand)) {
        fetch_add_relaxed(&lapic->lapics->ignored, 1);
        return;
    }
    if (message.mode <= DELIVER_LOWEST && message.vector < FIRST_VECTOR) {
        lapic_note_error(lapic, ERROR_SENT_VECTOR);
        return;
    }
    message.is_broadcast = shorthand == TO_ALL || shorthand == TO_OTHERS ||
                           message.destination == (is_x2apic ? UINT32_MAX : 0xff);
    if (shorthand == TO_SELF) {
        message.destination = lapic->index;
        message.is_logical = message.is_broadcast = false;
    } else if (shorthand == TO_OTHERS) {
        message.except = lapic;
    }
    deliver(lapic->lapics, &message);
}

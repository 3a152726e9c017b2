/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No interrupt is lost. Senders on threads of their own wait until theirs has been served;
 * tokens go round among the processors by IPIs; a device holds a line until its handler has
 * been there, while its pin is masked and unmasked.
 *
 * What is lost is found when the same processor gets the next one. So there is a scenario in
 * which each sender has a processor for itself.
 */
#include <sched.h>

#include "hw/mem/access.h"
#include "tests/torture/irq_machine.h"

enum {
    NR_SENDERS = 3,
    FIRST_SENDER = 0x51, /* vectors, one class each */
    NEXT_SENDER = 0x10,
    NR_TOKENS = 2,
    FIRST_TOKEN = 0x41,
    LEVEL_VECTOR = 0x91,
    LEVEL_PIN = 9,
    TO_MEET = 200,
};

/* ---- Edges and IPIs ------------------------------------------------------------------------ */

static struct sender {
    struct msi_route *route;
    unsigned vector;
    CACHE_ALIGNED uint64_t sent;   /* atomic */
    CACHE_ALIGNED uint64_t served; /* the last `sent` that a handler has seen; atomic */
} senders[NR_SENDERS];

static bool is_single; /* each sender has its own processor; constant while they run */
static CACHE_ALIGNED uint64_t passes[NR_TOKENS]; /* atomic */

static void pass_on(unsigned index, unsigned token)
{
    const uint64_t next = (index + (token % 2 ? IRQ_CPUS - 1 : 1)) % IRQ_CPUS;

    store_relaxed(&passes[token], passes[token] + 1); /* whoever has the token */
    irq_write_msr(index, MSR_ICR, next << 32 | (FIRST_TOKEN + token));
}

static void serve_lost(unsigned index, unsigned vector)
{
    torture_check(!bql_is_mine());
    if (vector >= FIRST_TOKEN && vector < FIRST_TOKEN + NR_TOKENS) {
        pass_on(index, vector - FIRST_TOKEN);
        return;
    }
    for (unsigned i = 0; i < NR_SENDERS; i++) {
        /* acquire: pairs with the release in send_and_wait(), as the interrupt itself does */
        if (senders[i].vector == vector)
            store_release(&senders[i].served, load_acquire(&senders[i].sent));
    }
}

/* In any of the ways in which a device may. */
static void send(struct worker *worker, struct sender *sender)
{
    const unsigned target =
        is_single ? (unsigned)(sender - senders) % IRQ_CPUS : torture_below(worker, IRQ_CPUS);
    const struct msi_message message = {
        .address = UINT64_C(0xfee00000) | (uint64_t)target << 12,
        .data = sender->vector | (torture_one_in(worker, 2) ? 0xc000 : 0),
    };

    switch (torture_below(worker, 4)) {
    case 0:
        msi_send(machine.routes, &message);
        break;
    case 1:
        WITH_BQL () {
            torture_check(msi_route_set(sender->route, &message));
        }
        torture_check(msi_route_raise(sender->route));
        break;
    default:
        torture_check(msi_route_raise(sender->route));
    }
}

/* The end of the scenario does not end the wait. */
static void send_and_wait(struct worker *worker)
{
    struct sender *sender = worker->opaque;

    while (torture_go_on(worker)) {
        const uint64_t number = sender->sent + 1;

        store_release(&sender->sent, number); /* pairs with serve_lost() */
        send(worker, sender);
        if (!is_single &&
            torture_one_in(worker, 4)) /* once more, while it is on its way or served */
            send(worker, sender);
        while (load_acquire(&sender->served) != number) /* pairs with serve_lost() */
            sched_yield();
        if (torture_one_in(worker, 8))
            torture_spin_ns(torture_below(worker, 20000));
        if (is_single && number > TO_MEET)
            store_relaxed(&machine.has_met, true);
    }
}

static void watch_tokens(struct worker *worker)
{
    while (torture_go_on(worker)) {
        for (unsigned i = 0; i < NR_TOKENS; i++) {
            const uint64_t before = load_relaxed(&passes[i]);

            while (load_relaxed(&passes[i]) - before < TO_MEET)
                sched_yield();
        }
        store_relaxed(&machine.has_met, true);
    }
}

static void start_tokens(unsigned index)
{
    if (index)
        return;
    for (unsigned i = 0; i < NR_TOKENS; i++)
        irq_write_msr(0, MSR_SELF_IPI, FIRST_TOKEN + i);
}

static void senders_run(void)
{
    uint64_t sent = 0;

    for (unsigned i = 0; i < NR_TOKENS; i++)
        passes[i] = 0;
    for (unsigned i = 0; i < NR_SENDERS; i++)
        senders[i] = (struct sender){ .vector = FIRST_SENDER + NEXT_SENDER * i };
    irq_start(serve_lost, is_single ? NULL : start_tokens);
    bql_lock();
    for (unsigned i = 0; i < NR_SENDERS; i++) {
        senders[i].route = msi_route_new(machine.routes, NULL);
        torture_check(msi_route_set(
            senders[i].route,
            &(struct msi_message){ 0xfee00000 + i % IRQ_CPUS * 0x1000, senders[i].vector }));
    }
    bql_unlock();
    for (unsigned i = 0; i < NR_SENDERS; i++)
        torture_spawn("sender", send_and_wait, &senders[i], WORKER_READS | WORKER_WATCHED);
    if (!is_single)
        torture_spawn("watch", watch_tokens, NULL, WORKER_WATCHED);
    torture_join();
    bql_lock();
    for (unsigned i = 0; i < NR_SENDERS; i++) {
        sent += senders[i].sent;
        msi_route_free(senders[i].route);
    }
    bql_unlock();
    torture_note("%llu interrupts, %llu and %llu passes", (unsigned long long)sent,
                 (unsigned long long)load_relaxed(&passes[0]),
                 (unsigned long long)load_relaxed(&passes[1]));
    irq_end();
}

void lost_run(void)
{
    is_single = false;
    senders_run();
}

void single_run(void)
{
    is_single = true;
    senders_run();
}

/* ---- A level ------------------------------------------------------------------------------- */

static struct {
    struct irq_line line;
    uint64_t wanted; /* guarded by the BQL */
    uint64_t done;   /* guarded by the BQL; read by the watch: atomic */
} device;

static void write_pin(unsigned half, uint32_t value) REQUIRES(bql)
{
    const uint32_t index = 0x10 + 2 * LEVEL_PIN + half;

    torture_check(mem_write_locked(machine.memory, IOAPIC_BASE, &index, 4) == MEM_OK);
    torture_check(mem_write_locked(machine.memory, IOAPIC_BASE + 0x10, &value, 4) == MEM_OK);
}

/* The driver: what the device wanted is done, and it lets go of its line. */
static void serve_level(unsigned index UNUSED, unsigned vector)
{
    torture_check(vector == LEVEL_VECTOR);
    bql_lock();
    store_relaxed(&device.done, device.wanted);
    irq_line_set(&device.line, false);
    bql_unlock();
}

static void want_and_wait(struct worker *worker)
{
    while (torture_go_on(worker)) {
        uint64_t number;

        bql_lock();
        number = ++device.wanted;
        irq_line_set(&device.line, true);
        bql_unlock();
        while (load_relaxed(&device.done) < number)
            sched_yield();
        if (number > TO_MEET)
            store_relaxed(&machine.has_met, true);
    }
}

static void mask_and_unmask(struct worker *worker)
{
    while (torture_go_on(worker)) {
        bql_lock();
        write_pin(0, 1 << 15 | 1 << 16 | LEVEL_VECTOR);
        bql_unlock();
        if (torture_one_in(worker, 2))
            torture_spin_ns(torture_below(worker, 20000));
        bql_lock();
        write_pin(1, torture_below(worker, IRQ_CPUS) << 24);
        write_pin(0, 1 << 15 | LEVEL_VECTOR);
        bql_unlock();
        torture_spin_ns(torture_below(worker, 100000));
    }
}

void level_run(void)
{
    irq_start(serve_level, NULL);
    bql_lock();
    device.wanted = device.done = 0;
    device.line = ioapic_line(machine.ioapic, LEVEL_PIN);
    write_pin(0, 1 << 15 | LEVEL_VECTOR);
    bql_unlock();
    torture_spawn("device", want_and_wait, NULL, WORKER_READS | WORKER_WATCHED);
    torture_spawn("mask", mask_and_unmask, NULL, WORKER_READS);
    torture_join();
    torture_note("%llu interrupts", (unsigned long long)device.wanted);
    irq_end();
}

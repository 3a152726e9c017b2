/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timers that set themselves anew, at deadlines that are far, near and past, while the clock
 * stops and goes on; and message routes that are replaced, freed and made while they are raised.
 */
#include <sched.h>
#include <unistd.h>

#include "tests/torture/irq_machine.h"

enum { TIMER_VECTOR = 0xec, LVT_DEADLINE = 2 << 17, TO_MEET = 100 };

/* ---- Timers -------------------------------------------------------------------------------- */

static unsigned nr_timers; /* of processors; constant while they run */
static struct timer {
    CACHE_ALIGNED uint64_t fired; /* atomic */
    uint64_t deadline;            /* the processor's own */
} timers[IRQ_CPUS];

/* Often it is set more than once: for later, for earlier, to nothing. The last one counts. */
static void set_timer(unsigned index)
{
    static const unsigned delays[] = { 0, 2500, 50000, 250000, 2500000 }; /* of the TSC: to 1 ms */
    unsigned nr = 1 + (irq_random(index) % 4 == 0);

    for (; nr > 0; nr--) {
        const unsigned longest = delays[irq_random(index) % (nr_timers > 1 ? 5 : 3)];
        const uint64_t delay = irq_random(index) % (longest + 1);

        timers[index].deadline = lapics_read_tsc(machine.lapics) + delay;
        irq_write_msr(index, MSR_DEADLINE, timers[index].deadline);
    }
}

static void serve_timer(unsigned index, unsigned vector)
{
    uint64_t left;

    torture_check(vector == TIMER_VECTOR);
    torture_check(lapics_read_msr(machine.lapics, index, MSR_DEADLINE, &left));
    store_relaxed(&timers[index].fired, timers[index].fired + 1);
    if (left) /* an earlier one had expired when this was set, which is still to come */
        return;
    torture_check(lapics_read_tsc(machine.lapics) >= timers[index].deadline);
    set_timer(index);
}

static void first_timer(unsigned index)
{
    if (index >= nr_timers)
        return;
    timers[index] = (struct timer){ 0 };
    irq_write_msr(index, MSR_LVT_TIMER, LVT_DEADLINE | TIMER_VECTOR);
    set_timer(index);
}

/* It must go on, whatever the clock did. */
static void watch_timer(struct worker *worker)
{
    const struct timer *timer = worker->opaque;

    while (torture_go_on(worker)) {
        const uint64_t before = load_relaxed(&timer->fired);

        while (load_relaxed(&timer->fired) - before < TO_MEET)
            usleep(50);
        store_relaxed(&machine.has_met, true);
    }
}

static void stop_and_go(struct worker *worker)
{
    while (torture_go_on(worker)) {
        bql_lock();
        guest_clock_stop(&machine.clock);
        if (torture_one_in(worker, 8))
            guest_clock_set(&machine.clock,
                            guest_clock_now(&machine.clock) + torture_below(worker, 100000));
        lapics_clock_changed(machine.lapics);
        bql_unlock();
        if (torture_one_in(worker, 2))
            usleep(torture_below(worker, 200));
        bql_lock();
        guest_clock_start(&machine.clock);
        lapics_clock_changed(machine.lapics);
        bql_unlock();
        usleep(torture_below(worker, 2000));
    }
}

static void timers_run(void)
{
    uint64_t fired = 0;

    irq_start(serve_timer, first_timer);
    for (unsigned i = 0; i < nr_timers; i++)
        torture_spawn("watch", watch_timer, &timers[i], WORKER_WATCHED);
    if (nr_timers > 1)
        torture_spawn("clock", stop_and_go, NULL, WORKER_READS);
    torture_join();
    for (unsigned i = 0; i < nr_timers; i++)
        fired += load_relaxed(&timers[i].fired);
    torture_note("%llu times", (unsigned long long)fired);
    irq_end();
}

void timer_run(void)
{
    nr_timers = IRQ_CPUS;
    timers_run();
}

/* What is missed for one is found when the thread wakes for another, or for the clock. */
void one_timer_run(void)
{
    nr_timers = 1;
    timers_run();
}

/* ---- Routes -------------------------------------------------------------------------------- */

enum { NR_ROUTES = 8 };

static struct {
    struct msi_routes *routes;
    struct msi_route *route[NR_ROUTES]; /* atomic */
    uint64_t raised;                    /* that had a message; atomic */
    uint64_t seen;                      /* by the sink; atomic */
} table;

/* The message of route @number is always of one shape. */
static struct msi_message message_for(unsigned number, unsigned random)
{
    return (struct msi_message){ (uint64_t)random * 8 + number, ~random };
}

static void see(void *opaque UNUSED, const struct msi_message *message)
{
    const uint64_t address = message->address;

    if (torture.seed % 2)
        sched_yield(); /* the message must stay, however long this takes */
    torture_check(message->data == (uint32_t) ~(address / 8) && address == message->address);
    fetch_add_relaxed(&table.seen, 1);
}

static void raise_routes(struct worker *worker)
{
    while (torture_go_on(worker)) {
        struct msi_route *route = load_acquire(&table.route[torture_below(worker, NR_ROUTES)]);

        fetch_add_relaxed(&table.raised, msi_route_raise(route)); /* acquire: change_routes() */
        if (load_relaxed(&table.raised) > TO_MEET)
            store_relaxed(&machine.has_met, true);
    }
}

static void change_routes(struct worker *worker)
{
    while (torture_go_on(worker)) {
        const unsigned number = torture_below(worker, NR_ROUTES);
        const struct msi_message message =
            message_for(number, (unsigned)torture_random(worker) >> 1);
        struct msi_route *route, *other;

        bql_lock();
        route = load_relaxed(&table.route[number]);
        torture_check(msi_route_set(route, torture_one_in(worker, 8) ? NULL : &message));
        if (torture_one_in(worker, 16) && (other = msi_route_new(table.routes, NULL))) {
            torture_check(!msi_route_raise(other)); /* its number had another owner's once */
            torture_check(msi_route_set(other, &message));
            store_release(&table.route[number], other); /* pairs with raise_routes() */
            msi_route_free(route);
        }
        bql_unlock();
    }
}

void route_run(void)
{
    machine.has_met = false;
    torture.has_met = &machine.has_met;
    table.routes = msi_routes_new(&(struct msi_sink){ .send = see });
    table.raised = table.seen = 0;
    bql_lock();
    for (unsigned i = 0; i < NR_ROUTES; i++)
        table.route[i] = msi_route_new(table.routes, NULL);
    bql_unlock();
    for (unsigned i = 0; i < 2; i++)
        torture_spawn("raiser", raise_routes, NULL, WORKER_READS | WORKER_WATCHED);
    torture_spawn("changer", change_routes, NULL, WORKER_READS | WORKER_WATCHED);
    torture_join();
    torture.has_met = NULL;
    torture_check(table.raised == table.seen);
    bql_lock();
    for (unsigned i = 0; i < NR_ROUTES; i++)
        msi_route_free(table.route[i]);
    bql_unlock();
    msi_routes_free(table.routes);
    torture_note("%llu messages", (unsigned long long)table.raised);
}

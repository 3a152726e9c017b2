/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine/machine.h"

#include "hw/machine/parts.h"
#include "hw/mem/dma.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/metric.h"

/* machine.asked: nothing, a reset, or behind it each reason for an end. */
enum { ASKED_NOTHING, ASKED_RESET, ASKED_END };

static void end(struct machine *machine, enum machine_end why) REQUIRES(bql)
{
    machine->has_ended = true;
    machine->why = why;
    loop_quit();
}

/* ---- Stopping and going on ------------------------------------------------------------------ */

void machine_stop(struct machine *machine)
{
    if (!machine->is_running)
        return;
    bql_unlock(); /* a processor on its way out may want it */
    cpus_pause(machine->cpus);
    bql_lock();
    machine->is_running = false;
    guest_clock_stop(&machine->clock);
    pc_clock_changed(machine);
}

void machine_continue(struct machine *machine)
{
    if (machine->is_running || machine->has_ended)
        return;
    machine->is_running = true;
    guest_clock_start(&machine->clock);
    pc_clock_changed(machine);
    cpus_resume(machine->cpus);
}

bool machine_is_running(const struct machine *machine)
{
    return machine->is_running;
}

/* ---- What is asked for -------------------------------------------------------------------------
 */

static void reset(struct machine *machine) REQUIRES(bql)
{
    const bool was_running = machine->is_running;
    GError *error = NULL;
    uint32_t asked;

    log_topic(boot, "the machine is reset");
    machine_stop(machine);
    if (!pc_reset(machine, &error) || !pc_load(machine, &error)) {
        log_error("after the guest's reset: %s", error->message);
        g_error_free(error);
        end(machine, MACHINE_FAILED);
        return;
    }
    asked = ASKED_RESET; /* done; but not if somebody wants an end now */
    if (!atomic_cas(&machine->asked, &asked, ASKED_NOTHING))
        loop_defer(&machine->on_asked);
    if (was_running)
        machine_continue(machine);
}

static void on_asked(struct deferred *deferred) NO_THREAD_SAFETY /* by the main loop */
{
    struct machine *machine = container_of(deferred, struct machine, on_asked);
    const uint32_t asked = load_acquire(&machine->asked);

    if (machine->has_ended || asked == ASKED_NOTHING)
        return;
    if (asked >= ASKED_END)
        end(machine, (enum machine_end)(asked - ASKED_END));
    else if (machine->config.ends_on_reset)
        end(machine, MACHINE_WAS_RESET);
    else
        reset(machine);
}

/*
 * The first one counts: a processor goes on for a moment after it has asked for a reset, and what
 * it does then (Linux: other ways to a reset, down to a triple fault) must not change the outcome.
 * Only who runs the program can overrule a guest's reset.
 */
static void ask(struct machine *machine, uint32_t what)
{
    uint32_t asked = ASKED_NOTHING;

    if (!atomic_cas(&machine->asked, &asked, what) && asked == ASKED_RESET &&
        what == ASKED_END + (uint32_t)MACHINE_QUIT)
        store_release(&machine->asked, what);
    loop_defer(&machine->on_asked);
}

void machine_end_on_reset(struct machine *machine)
{
    machine->config.ends_on_reset = true;
}

void machine_ask_reset(struct machine *machine)
{
    ask(machine, ASKED_RESET);
}

void machine_ask_end(struct machine *machine, enum machine_end why)
{
    ask(machine, ASKED_END + (uint32_t)why);
}

/* ---- Life
 * ------------------------------------------------------------------------------------------ */

static void check_age(struct loop_timer *timer) NO_THREAD_SAFETY /* by the main loop */
{
    struct machine *machine = container_of(timer, struct machine, age_check);
    const int64_t now = monotonic_ns();

    dma_check_age(machine->mem, now);
    loop_timer_set(timer, now + NS_PER_S);
}

void machine_free(struct machine *machine)
{
    if (!machine)
        return;
    loop_timer_cancel(&machine->age_check);
    if (machine->has_started) {
        bql_unlock(); /* the threads may want it on their way out */
        cpus_stop(machine->cpus);
        bql_lock();
    }
    pc_fini(machine);
    loop_cancel(&machine->on_asked);
    g_free(machine);
}

struct machine *machine_new(const struct machine_config *config, GError **error)
{
    struct machine *machine = g_new0(struct machine, 1);

    machine->config = *config;
    deferred_init(&machine->on_asked, on_asked);
    machine->age_check.fn = check_age;
    if (pc_init(machine, error))
        return machine;
    machine_free(machine);
    return NULL;
}

bool machine_power_on(struct machine *machine, GError **error)
{
    bool has_started;

    if (!pc_reset(machine, error) || !pc_load(machine, error))
        return false;
    machine->is_running = true;
    guest_clock_start(&machine->clock);
    pc_clock_changed(machine);
    loop_timer_set(&machine->age_check, monotonic_ns() + NS_PER_S);
    bql_unlock();
    has_started = cpus_start(machine->cpus, error);
    bql_lock();
    machine->has_started = has_started;
    return has_started;
}

enum machine_end machine_run(struct machine *machine)
{
    while (!machine->has_ended)
        loop_run();
    machine_stop(machine);
    return machine->why;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine/machine.h"

#include "hw/dev/disk.h"
#include "hw/dev/power.h"
#include "hw/machine/parts.h"
#include "hw/mem/dma.h"
#include "hw/mem/view.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/metric.h"
#include "util/trace.h"

/* machine.asked: nothing, a reset, or behind it each reason for an end. */
enum { ASKED_NOTHING, ASKED_RESET, ASKED_END };

/* Of a disk at the end: a flush may take long. */
#define DISK_SLOW_NS (2 * NS_PER_S)
#define DISK_STUCK_NS (30 * NS_PER_S)

static void tell(struct machine *machine, enum machine_event event) REQUIRES(bql)
{
    struct machine_listener *listener, *next;

    list_for_each_safe (listener, next, &machine->listeners, link)
        listener->event(listener, event);
}

void machine_add_listener(struct machine *machine, struct machine_listener *listener)
{
    list_insert_tail(&machine->listeners, &listener->link);
}

void machine_remove_listener(struct machine *machine UNUSED, struct machine_listener *listener)
{
    list_remove(&listener->link);
}

static void end(struct machine *machine, enum machine_end why) REQUIRES(bql)
{
    machine->has_ended = true;
    machine->why = why;
    TRACE1(machine_end, why);
    loop_quit();
    tell(machine, MACHINE_ENDED);
}

/* ---- Stopping and going on ------------------------------------------------------------------ */

static void stop(struct machine *machine) REQUIRES(bql)
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

static void go_on(struct machine *machine) REQUIRES(bql)
{
    machine->is_running = machine->has_run = true;
    guest_clock_start(&machine->clock);
    pc_clock_changed(machine);
    cpus_resume(machine->cpus);
}

void machine_stop(struct machine *machine)
{
    if (!machine->is_running)
        return;
    stop(machine);
    tell(machine, MACHINE_STOPPED);
}

void machine_continue(struct machine *machine)
{
    if (machine->is_running || machine->has_ended || !machine->has_started)
        return;
    go_on(machine);
    tell(machine, MACHINE_CONTINUED);
}

bool machine_is_running(const struct machine *machine)
{
    return machine->is_running;
}

bool machine_is_new(const struct machine *machine)
{
    return !machine->has_run;
}

bool machine_has_ended(const struct machine *machine, enum machine_end *ret_why)
{
    if (machine->has_ended)
        *ret_why = machine->why;
    return machine->has_ended;
}

/* ---- What is asked for -------------------------------------------------------------------------
 */

static void reset(struct machine *machine) REQUIRES(bql)
{
    const bool was_running = machine->is_running;
    GError *error = NULL;
    uint32_t asked;

    log_topic(boot, "the machine is reset");
    TRACE1(machine_reset, was_running);
    stop(machine);
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
        go_on(machine);
    tell(machine, MACHINE_RESET);
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

static bool settle_disk(struct disk *disk) REQUIRES(bql)
{
    if (disk_settle(disk, DISK_SLOW_NS))
        return true;
    log_info("waits for disk image '%s', for at most %d s", disk_path(disk),
             (int)(DISK_STUCK_NS / NS_PER_S));
    if (disk_settle(disk, DISK_STUCK_NS))
        return true;
    log_error("disk image '%s' hangs; the program leaves without it, and what the guest wrote last "
              "may be lost",
              disk_path(disk));
    return false;
}

bool machine_settle(struct machine *machine)
{
    bool has_settled = devices_settle(machine);

    if (!has_settled)
        log_error("the renderer hangs; the program leaves without it");
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];

        if (!settle_disk(disk->disk))
            has_settled = false;
    }
    return has_settled;
}

bool machine_has_lost(const struct machine *machine)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];

        if (disk_has_lost(disk->disk))
            return true;
    }
    return false;
}

struct machine *machine_new(const struct machine_config *config, GError **error)
{
    struct machine *machine = g_new0(struct machine, 1);

    machine->config = *config;
    list_init(&machine->listeners);
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
    if (!machine->config.starts_stopped) {
        machine->is_running = machine->has_run = true;
        guest_clock_start(&machine->clock);
        pc_clock_changed(machine);
    }
    loop_timer_set(&machine->age_check, monotonic_ns() + NS_PER_S);
    bql_unlock();
    if (machine->config.starts_stopped)
        cpus_pause(machine->cpus);
    has_started = cpus_start(machine->cpus, error);
    bql_lock();
    machine->has_started = has_started;
    return has_started;
}

enum machine_end machine_run(struct machine *machine)
{
    while (!machine->has_ended)
        loop_run();
    stop(machine);
    return machine->why;
}

bool machine_press_power_button(struct machine *machine)
{
    if (!power_press_button(machine->power))
        return false;
    tell(machine, MACHINE_BUTTON_PRESSED);
    return true;
}

/* ---- What is seen of it ----------------------------------------------------------------------
 */

unsigned machine_nr_cpus(const struct machine *machine)
{
    return machine->cpus->nr_cpus;
}

unsigned machine_cpu_thread(const struct machine *machine, unsigned index)
{
    return load_relaxed(&machine->cpus->cpu[index]->thread_id);
}

void machine_print_map(struct machine *machine, FILE *out)
{
    space_print_tree(machine->memory, out);
    space_print_tree(machine->ports, out);
}

struct gpu *machine_gpu(struct machine *machine)
{
    return machine->gpu;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/lab_chips.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/cpu/kvm_chips.h"
#include "hw/irq/kvm_irq.h"
#include "hw/irq/lapic.h"
#include "tests/guest/machine.h"
#include "util/clock.h"
#include "util/log.h"

/* ---- The board ------------------------------------------------------------------------------- */

static struct lab_chips *chips_of(void *opaque)
{
    return &((struct machine *)opaque)->chips;
}

static int acknowledge(void *opaque, unsigned index)
{
    return lapics_acknowledge(chips_of(opaque)->lapics, index);
}

static bool has_interrupt(void *opaque, unsigned index)
{
    return lapics_has_interrupt(chips_of(opaque)->lapics, index);
}

static bool read_msr(void *opaque, unsigned index, uint32_t msr, uint64_t *ret_value)
{
    return lapics_read_msr(chips_of(opaque)->lapics, index, msr, ret_value);
}

static bool write_msr(void *opaque, unsigned index, uint32_t msr, uint64_t value)
{
    return lapics_write_msr(chips_of(opaque)->lapics, index, msr, value);
}

static void set_priority(void *opaque, unsigned index, unsigned priority)
{
    lapics_set_priority(chips_of(opaque)->lapics, index, priority);
}

static unsigned get_priority(void *opaque, unsigned index)
{
    return lapics_get_priority(chips_of(opaque)->lapics, index);
}

static void initialised(void *opaque, unsigned index)
{
    lapics_initialised(chips_of(opaque)->lapics, index);
}

static uint64_t read_tsc(void *opaque)
{
    return lapics_read_tsc(chips_of(opaque)->lapics);
}

static void end_of_interrupt(void *opaque, unsigned vector)
{
    ioapic_end_of_interrupt(chips_of(opaque)->ioapic, vector);
}

static void start_up(void *opaque, unsigned index, unsigned vector)
{
    cpu_start_up(((struct machine *)opaque)->cpus->cpu[index], vector);
}

static bool place(struct machine *machine, uint64_t at, struct region *region, GError **error)
    REQUIRES(bql)
{
    g_ptr_array_add(machine->regions, region);
    return region_add(machine->root, at, region, 0, error);
}

static bool make_lapics(struct lab_chips *chips, struct msi_sink *ret_sink, GError **error)
    REQUIRES(bql)
{
    struct machine *machine = chips->machine;
    struct cpu_board *board = &machine->board;
    const struct lapic_ops ops = {
        .end_of_interrupt = end_of_interrupt,
        .startup = start_up,
        .opaque = machine,
    };

    chips->lapics = lapics_new(machine->nr_cpus, &chips->clock, &ops, error);
    if (!chips->lapics)
        return false;
    board->acknowledge = acknowledge;
    board->has_interrupt = has_interrupt;
    board->read_msr = read_msr;
    board->write_msr = write_msr;
    board->set_priority = set_priority;
    board->get_priority = get_priority;
    board->initialised = initialised;
    board->read_tsc = read_tsc;
    lapics_sink(chips->lapics, ret_sink);
    return place(machine, LAPIC_BASE, lapics_region(chips->lapics, machine->mem), error);
}

static bool use_kernel(struct lab_chips *chips, struct msi_sink *ret_sink, GError **error)
{
    struct cpu_board *board = &chips->machine->board;

    if (!kvm_can_have_chips(error))
        return false;
    chips->kvm_irq = kvm_irq_new();
    kvm_irq_sink(chips->kvm_irq, ret_sink);
    board->has_kernel_chips = true;
    board->acknowledge = NULL;
    board->has_interrupt = NULL;
    board->set_priority = NULL;
    board->end_of_interrupt = end_of_interrupt;
    return true;
}

/* ---- What goes through eventfds
 * ------------------------------------------------------------------
 */

static void on_ring(void *opaque, short revents UNUSED) REQUIRES(bql)
{
    struct lab_chips *chips = opaque;
    uint64_t count;

    bql_assert_held();
    if (read(chips->bell, &count, sizeof(count)) == sizeof(count))
        chips->rings += (uint32_t)count;
}

static void set_bell(struct lab_chips *chips, bool is_on) REQUIRES(bql)
{
    if (chips->has_bell == is_on || !kvm_is_backend(chips->machine->cpus))
        return;
    if (kvm_set_doorbell(chips->machine->cpus, LAB_WINDOW + LAB_WINDOW_BELL, 4, chips->bell, is_on))
        chips->has_bell = is_on;
}

static struct msi_message message_to(unsigned vector, unsigned index)
{
    return (struct msi_message){ .address = LAPIC_BASE | index << 12, .data = vector };
}

static void raise_by_eventfd(struct lab_chips *chips, uint32_t value) REQUIRES(bql)
{
    const struct msi_message message = message_to(value & 0xff, value >> 8 & 0xff);
    const int fd = msi_route_eventfd(chips->route);
    const uint64_t one = 1;

    if (!msi_route_set(chips->route, value ? &message : NULL) || fd < 0)
        return;
    if (write(fd, &one, sizeof(one)) != sizeof(one))
        log_error("cannot write to an eventfd");
}

/* ---- Stops and resets
 * ------------------------------------------------------------------------------
 */

static void stop_machine(struct deferred *deferred) NO_THREAD_SAFETY /* by the main loop */
{
    struct lab_chips *chips = container_of(deferred, struct lab_chips, stop);
    struct machine *machine = chips->machine;

    bql_unlock(); /* a processor on its way out may want it */
    cpus_pause(machine->cpus);
    bql_lock();
    guest_clock_stop(&chips->clock);
    if (kvm_is_backend(machine->cpus))
        kvm_clock_stop(machine->cpus);
    if (chips->lapics)
        lapics_clock_changed(chips->lapics);
    loop_timer_set(&chips->resume, deadline_after_ns(monotonic_ns(), chips->stop_ms * NS_PER_MS));
}

static void resume_machine(struct loop_timer *timer) NO_THREAD_SAFETY /* by the main loop */
{
    struct lab_chips *chips = container_of(timer, struct lab_chips, resume);

    guest_clock_start(&chips->clock);
    if (kvm_is_backend(chips->machine->cpus))
        kvm_clock_start(chips->machine->cpus);
    if (chips->lapics)
        lapics_clock_changed(chips->lapics);
    cpus_resume(chips->machine->cpus);
}

static void reset_machine(struct deferred *deferred) NO_THREAD_SAFETY /* by the main loop */
{
    struct lab_chips *chips = container_of(deferred, struct lab_chips, reset);
    struct machine *machine = chips->machine;

    bql_unlock();
    cpus_pause(machine->cpus);
    bql_lock();
    cpus_reset(machine->cpus);
    if (chips->lapics)
        lapics_reset(chips->lapics);
    ioapic_reset(chips->ioapic);
    if (!machine_enter(machine))
        log_error("processors cannot be entered after their reset");
    cpus_resume(machine->cpus);
}

/* ---- Registers
 * --------------------------------------------------------------------------------------
 */

uint32_t lab_chips_read(struct lab_chips *chips, uint32_t port)
{
    switch (port) {
    case LAB_CHIPS:
        return chips->is_kernel ? LAB_CHIPS_KERNEL : LAB_CHIPS_OURS;
    case LAB_DOORBELL:
        on_ring(chips, POLLIN); /* those of which the loop does not know yet */
        return chips->has_bell ? chips->rings : UINT32_MAX;
    case LAB_EVENTFD:
        return msi_route_eventfd(chips->route) < 0;
    case LAB_TIME_MS:
        return (uint32_t)(monotonic_ns() / NS_PER_MS);
    default:
        return UINT32_MAX;
    }
}

void lab_chips_write(struct lab_chips *chips, uint32_t port, uint32_t value)
{
    switch (port) {
    case LAB_PIN:
        if ((value & 0xff) < IOAPIC_PINS)
            irq_line_set(&chips->pin[value & 0xff], value >> 8 & 1);
        break;
    case LAB_DOORBELL:
        set_bell(chips, value & 1);
        break;
    case LAB_EVENTFD:
        raise_by_eventfd(chips, value);
        break;
    case LAB_STOP_MS:
        chips->stop_ms = value;
        loop_defer(&chips->stop);
        break;
    case LAB_RESET:
        loop_defer(&chips->reset);
        break;
    }
}

void lab_chips_send(struct lab_chips *chips, unsigned vector, unsigned index)
{
    const struct msi_message message = message_to(vector, index);

    msi_send(chips->routes, &message);
}

/* ---- Life
 * ----------------------------------------------------------------------------------------------
 */

bool lab_chips_init(struct lab_chips *chips, struct machine *machine, bool is_kvm, GError **error)
{
    struct msi_sink sink;

    *chips = (struct lab_chips){ .machine = machine, .is_kernel = is_kvm, .bell = -1 };
    deferred_init(&chips->stop, stop_machine);
    deferred_init(&chips->reset, reset_machine);
    chips->resume.fn = resume_machine;
    guest_clock_start(&chips->clock);
    if (!(is_kvm ? use_kernel(chips, &sink, error) : make_lapics(chips, &sink, error)))
        return false;
    chips->routes = msi_routes_new(&sink);
    chips->ioapic = ioapic_new(chips->routes, error);
    if (!chips->ioapic)
        return false;
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        chips->pin[i] = ioapic_line(chips->ioapic, i);
    chips->route = msi_route_new(chips->routes, error);
    chips->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    chips->watch = loop_watch_new(chips->bell, POLLIN, on_ring, chips);
    return chips->route &&
           place(machine, IOAPIC_BASE, ioapic_region(chips->ioapic, machine->mem), error);
}

bool lab_chips_attach(struct lab_chips *chips, GError **error)
{
    struct cpus *cpus = chips->machine->cpus;

    return chips->is_kernel ? kvm_irq_attach(chips->kvm_irq, cpus, error)
                            : lapics_attach(chips->lapics, cpus, error);
}

void lab_chips_stop(struct lab_chips *chips)
{
    loop_cancel(&chips->stop);
    loop_cancel(&chips->reset);
    loop_timer_cancel(&chips->resume);
    loop_watch_free(chips->watch);
    if (chips->machine->cpus)
        set_bell(chips, false);
    msi_route_free(chips->route);
    if (chips->kvm_irq)
        kvm_irq_detach(chips->kvm_irq);
    bql_unlock();
    if (chips->lapics)
        lapics_detach(chips->lapics); /* their thread kicks processors, which go next */
    bql_lock();
}

void lab_chips_fini(struct lab_chips *chips)
{
    ioapic_free(chips->ioapic);
    bql_unlock();
    msi_routes_free(chips->routes);
    lapics_free(chips->lapics);
    bql_lock();
    kvm_irq_free(chips->kvm_irq);
    if (chips->bell >= 0)
        close(chips->bell);
}

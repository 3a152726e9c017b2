/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine is made of: every part, made in order. There is no other place.
 */
#include "hw/dev/disk.h"
#include "hw/dev/power.h"
#include "hw/dev/pvpanic.h"
#include "hw/dev/rtc.h"
#include "hw/dev/serial.h"
#include "hw/irq/ioapic.h"
#include "hw/irq/lapic.h"
#include "hw/machine/acpi.h"
#include "hw/machine/kvmclock.h"
#include "hw/machine/layout.h"
#include "hw/machine/loader.h"
#include "hw/machine/mailbox.h"
#include "hw/machine/parts.h"
#include "hw/mem/ram.h"
#include "hw/mem/view.h"
#include "hw/pci/pci.h"
#include "util/log.h"

/* Put @region, whose reference is given, at @at of @root. */
static bool place(struct machine *machine, struct region *root, uint64_t at, struct region *region,
                  GError **error) REQUIRES(bql)
{
    g_ptr_array_add(machine->regions, region);
    return region_add(root, at, region, 0, error);
}

/* ---- Memory -----------------------------------------------------------------------------------
 */

static uint64_t ram_low_size(const struct machine *machine)
{
    return MIN(machine->config.ram_size, LAYOUT_RAM_LOW_END);
}

/* Where RAM and reserved addresses have ended. */
static uint64_t ram_end(const struct machine *machine)
{
    return LAYOUT_RAM_HIGH + machine->config.ram_size - ram_low_size(machine);
}

/* PCI's window for what is large: 1/16 of the address space, behind the RAM. */
static struct mem_extent window64(const struct machine *machine)
{
    const uint64_t size = LAYOUT_PHYSICAL_END / 16;

    return (struct mem_extent){ (ram_end(machine) + size - 1) & -size, size };
}

static bool make_memory(struct machine *machine, GError **error) REQUIRES(bql)
{
    const uint64_t low = ram_low_size(machine);
    const uint64_t high = machine->config.ram_size - low;

    machine->mem = mem_new();
    machine->memory_root = region_new_container(machine->mem, "memory", LAYOUT_PHYSICAL_END);
    machine->ports_root = region_new_container(machine->mem, "ports", 0x10000);
    machine->memory = space_new(machine->mem, "memory", machine->memory_root);
    machine->ports = space_new(machine->mem, "ports", machine->ports_root);
    machine->ram = ram_new(machine->mem, "ram", machine->config.ram_size, error);
    if (!machine->ram)
        return false;
    if (!place(machine, machine->memory_root, 0,
               region_new_ram(machine->mem, "ram-low", machine->ram, 0, low), error))
        return false;
    return !high || place(machine, machine->memory_root, LAYOUT_RAM_HIGH,
                          region_new_ram(machine->mem, "ram-high", machine->ram, low, high), error);
}

/* ---- Processors and their interrupts ------------------------------------------------------------
 */

static int acknowledge(void *opaque, unsigned index)
{
    return lapics_acknowledge(((struct machine *)opaque)->lapics, index);
}

static bool has_interrupt(void *opaque, unsigned index)
{
    return lapics_has_interrupt(((struct machine *)opaque)->lapics, index);
}

static bool read_msr(void *opaque, unsigned index, uint32_t msr, uint64_t *ret_value)
{
    struct machine *machine = opaque;

    return lapics_read_msr(machine->lapics, index, msr, ret_value) ||
           kvmclock_read_msr(machine->kvmclock, index, msr, ret_value);
}

static bool write_msr(void *opaque, unsigned index, uint32_t msr, uint64_t value)
{
    struct machine *machine = opaque;

    return lapics_write_msr(machine->lapics, index, msr, value) ||
           kvmclock_write_msr(machine->kvmclock, index, msr, value);
}

static void set_priority(void *opaque, unsigned index, unsigned priority)
{
    lapics_set_priority(((struct machine *)opaque)->lapics, index, priority);
}

static uint64_t read_tsc(void *opaque)
{
    return kvmclock_tsc(&((struct machine *)opaque)->clock);
}

static void cpu_stopped(void *opaque, unsigned index, enum cpu_exit why)
{
    struct machine *machine = opaque;

    log_topic(cpu, "processor %u has stopped: %s", index,
              why == CPU_EXIT_TRIPLE_FAULT ? "triple fault" : "failure");
    machine_ask_end(machine, why == CPU_EXIT_TRIPLE_FAULT ? MACHINE_TRIPLE_FAULT : MACHINE_FAILED);
}

static void end_of_interrupt(void *opaque, unsigned vector)
{
    ioapic_end_of_interrupt(((struct machine *)opaque)->ioapic, vector);
}

static void startup(void *opaque UNUSED, unsigned index, unsigned vector)
{
    log_guest_error("processor %u: a startup message to page 0x%02x, but real mode is not there",
                    index, vector);
}

static bool make_interrupts(struct machine *machine, GError **error) REQUIRES(bql)
{
    const struct lapic_ops ops = {
        .end_of_interrupt = end_of_interrupt,
        .startup = startup,
        .opaque = machine,
    };
    struct msi_sink sink;

    machine->lapics = lapics_new(machine->config.nr_cpus, &machine->clock, &ops, error);
    if (!machine->lapics)
        return false;
    lapics_sink(machine->lapics, &sink);
    machine->routes = msi_routes_new(&sink);
    machine->ioapic = ioapic_new(machine->routes, error);
    return machine->ioapic &&
           place(machine, machine->memory_root, LAYOUT_LAPIC,
                 lapics_region(machine->lapics, machine->mem), error) &&
           place(machine, machine->memory_root, LAYOUT_IOAPIC,
                 ioapic_region(machine->ioapic, machine->mem), error);
}

static bool make_cpus(struct machine *machine, GError **error) REQUIRES(bql)
{
    machine->kvmclock = kvmclock_new(machine->memory, &machine->clock, machine->config.nr_cpus);
    machine->board = (struct cpu_board){
        .acknowledge = acknowledge,
        .has_interrupt = has_interrupt,
        .read_msr = read_msr,
        .write_msr = write_msr,
        .set_priority = set_priority,
        .read_tsc = read_tsc,
        .stopped = cpu_stopped,
        .opaque = machine,
    };
    bql_unlock(); /* they may wait for a grace period */
    machine->cpus = cpus_new(machine->config.backend, machine->config.nr_cpus, machine->memory,
                             machine->ports, &machine->board, error);
    bql_lock();
    if (!machine->cpus || !lapics_attach(machine->lapics, machine->cpus, error))
        return false;
    machine->mailbox = mailbox_new(machine->cpus);
    return place(machine, machine->memory_root, LAYOUT_MAILBOX,
                 mailbox_region(machine->mailbox, machine->mem), error);
}

/* ---- Devices
 * --------------------------------------------------------------------------------------- */

static void map_changed(void *opaque)
{
    cpus_post(((struct machine *)opaque)->cpus, CPU_EVENT_MAP, NULL);
}

static bool make_pci(struct machine *machine, GError **error) REQUIRES(bql)
{
    struct pci_bus_config config = {
        .mem = machine->mem,
        .memory = machine->memory_root,
        .ports = machine->ports_root,
        .routes = machine->routes,
        .ecam_base = LAYOUT_ECAM,
        .nr_buses = LAYOUT_ECAM_BUSES,
        .window32 = { LAYOUT_PCI32, LAYOUT_PCI32_SIZE },
        .window64 = window64(machine),
        .window_ports = { LAYOUT_PCI_IO, LAYOUT_PCI_IO_SIZE },
        .map_changed = map_changed,
        .opaque = machine,
    };

    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        config.intx[slot] =
            ioapic_line(machine->ioapic, LAYOUT_GSI_INTX + slot % LAYOUT_GSI_INTX_NR);
    machine->bus = pci_bus_new(&config, error);
    return machine->bus;
}

static void power_off(void *opaque)
{
    machine_ask_end(opaque, MACHINE_POWERED_OFF);
}

static void ask_reset(void *opaque)
{
    machine_ask_reset(opaque);
}

static void panicked(void *opaque)
{
    machine_ask_end(opaque, MACHINE_PANICKED);
}

static bool make_devices(struct machine *machine, GError **error) REQUIRES(bql)
{
    const struct power_ops ops = { .power_off = power_off, .reset = ask_reset, .opaque = machine };
    const struct irq_line com1 = ioapic_line(machine->ioapic, LAYOUT_GSI_COM1);
    const struct irq_line rtc = ioapic_line(machine->ioapic, LAYOUT_GSI_RTC);
    const struct irq_line events = ioapic_line(machine->ioapic, LAYOUT_GSI_GED);
    struct region *ports = machine->ports_root;

    machine->serial = serial_new(&com1, machine->config.serial);
    machine->rtc = rtc_new(&rtc, &machine->clock);
    machine->power = power_new(&events, &ops);
    machine->pvpanic = pvpanic_new(panicked, machine);
    return place(machine, ports, LAYOUT_PORT_COM1, serial_region(machine->serial, machine->mem),
                 error) &&
           place(machine, ports, LAYOUT_PORT_RTC, rtc_region(machine->rtc, machine->mem), error) &&
           place(machine, ports, LAYOUT_PORT_POWER, power_region(machine->power, machine->mem),
                 error) &&
           place(machine, ports, LAYOUT_PORT_PVPANIC,
                 pvpanic_region(machine->pvpanic, machine->mem), error);
}

bool pc_init(struct machine *machine, GError **error)
{
    machine->regions = g_ptr_array_new();
    machine->disks = g_ptr_array_new();
    machine->devices = g_ptr_array_new();
    return make_memory(machine, error) && make_interrupts(machine, error) &&
           make_cpus(machine, error) && make_pci(machine, error) && make_devices(machine, error);
}

/* In the reverse order, and whatever of it there is. */
void pc_fini(struct machine *machine)
{
    devices_fini(machine);
    pci_bus_free(machine->bus);
    for (guint i = 0; i < machine->regions->len; i++) {
        struct region *region = machine->regions->pdata[i];

        if (region_is_added(region))
            g_assert_true(region_del(region, NULL));
        region_unref(region);
    }
    g_ptr_array_unref(machine->regions);
    bql_unlock();
    cpus_free(machine->cpus);
    bql_lock();
    space_free(machine->ports);
    space_free(machine->memory);
    region_unref(machine->ports_root);
    region_unref(machine->memory_root);
    ram_unref(machine->ram);
    drain_call_rcu(); /* MMIO regions name the devices below */
    pvpanic_free(machine->pvpanic);
    power_free(machine->power);
    rtc_free(machine->rtc);
    serial_free(machine->serial);
    mailbox_free(machine->mailbox);
    kvmclock_free(machine->kvmclock);
    ioapic_free(machine->ioapic);
    bql_unlock();
    msi_routes_free(machine->routes);
    lapics_free(machine->lapics);
    bql_lock();
    mem_free(machine->mem);
}

/* ---- Reset and load
 * ---------------------------------------------------------------------------------- */

bool pc_reset(struct machine *machine, GError **error)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];

        disk_drain(disk->disk); /* what is in flight would come into the next kernel's memory */
    }
    if (!pci_bus_reset(machine->bus, error))
        return false;
    lapics_reset(machine->lapics);
    ioapic_reset(machine->ioapic);
    kvmclock_reset(machine->kvmclock);
    mailbox_reset(machine->mailbox);
    serial_reset(machine->serial);
    rtc_reset(machine->rtc);
    power_reset(machine->power);
    return true;
}

bool pc_load(struct machine *machine, GError **error)
{
    struct loader_config config = {
        .kernel = machine->config.kernel,
        .initrd = machine->config.initrd,
        .command_line = machine->config.append,
        .unpacks = machine->config.backend == &cpu_soft,
    };
    const struct acpi_config acpi = {
        .nr_cpus = machine->config.nr_cpus,
        .has_mailbox = true,
        .window64 = window64(machine),
    };
    struct cpu_state state;

    if (!loader_clear(machine->ram, error))
        return false;
    config.rsdp = acpi_write(&acpi, machine->ram);
    if (!loader_load(&config, machine->ram, &state, error))
        return false;
    for (unsigned i = 1; i < machine->config.nr_cpus; i++)
        cpu_post(machine->cpus->cpu[i], CPU_EVENT_INIT); /* parked until the mailbox */
    return cpu_set_state(machine->cpus->cpu[0], &state) == 0;
}

void pc_clock_changed(struct machine *machine)
{
    lapics_clock_changed(machine->lapics);
    rtc_clock_changed(machine->rtc);
}

/* ---- For others
 * ---------------------------------------------------------------------------------------- */

bool machine_press_power_button(struct machine *machine)
{
    return power_press_button(machine->power);
}

struct space *machine_memory(struct machine *machine)
{
    return machine->memory;
}

struct cpus *machine_cpus(struct machine *machine)
{
    return machine->cpus;
}

void machine_metrics_register(struct machine *machine, struct metrics *metrics)
{
    mem_metrics_register(machine->mem, metrics);
    cpus_metrics_register(machine->cpus, metrics);
    lapics_metrics_register(machine->lapics, metrics);
    msi_metrics_register(machine->routes, metrics);
    serial_metrics_register(machine->serial, metrics);
}

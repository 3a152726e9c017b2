/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine is made of: every part, made in order. There is no other place.
 */
#include "hw/cpu/kvm_chips.h"
#include "hw/dev/disk.h"
#include "hw/dev/power.h"
#include "hw/dev/pvpanic.h"
#include "hw/dev/rtc.h"
#include "hw/dev/serial.h"
#include "hw/display/display.h"
#include "hw/display/input.h"
#include "hw/irq/ioapic.h"
#include "hw/machine/acpi.h"
#include "hw/machine/layout.h"
#include "hw/machine/loader.h"
#include "hw/machine/parts.h"
#include "hw/mem/ram.h"
#include "hw/mem/view.h"
#include "hw/pci/pci.h"
#include "util/clock.h"
#include "util/log.h"

bool pc_place(struct machine *machine, struct region *root, uint64_t at, struct region *region,
              GError **error) REQUIRES(bql)
{
    g_ptr_array_add(machine->regions, region);
    return region_add(root, at, region, 0, error);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

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
    if (!pc_place(machine, machine->memory_root, 0,
                  region_new_ram(machine->mem, "ram-low", machine->ram, 0, low), error))
        return false;
    return !high ||
           pc_place(machine, machine->memory_root, LAYOUT_RAM_HIGH,
                    region_new_ram(machine->mem, "ram-high", machine->ram, low, high), error);
}

/* ---- Devices --------------------------------------------------------------------------------- */

static void map_changed(void *opaque)
{
    cpus_post(((struct machine *)opaque)->cpus, CPU_EVENT_MAP, NULL);
}

static bool set_doorbell(void *opaque, uint64_t address, unsigned size, int fd, bool is_on)
    NO_THREAD_SAFETY /* by the bus */
{
    return kvm_set_doorbell(((struct machine *)opaque)->cpus, address, size, fd, is_on);
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
        .set_doorbell = kvm_is_backend(machine->cpus) ? set_doorbell : NULL,
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
    return pc_place(machine, ports, LAYOUT_PORT_COM1, serial_region(machine->serial, machine->mem),
                    error) &&
           pc_place(machine, ports, LAYOUT_PORT_RTC, rtc_region(machine->rtc, machine->mem),
                    error) &&
           pc_place(machine, ports, LAYOUT_PORT_POWER, power_region(machine->power, machine->mem),
                    error) &&
           pc_place(machine, ports, LAYOUT_PORT_PVPANIC,
                    pvpanic_region(machine->pvpanic, machine->mem), error);
}

bool pc_init(struct machine *machine, GError **error)
{
    machine->regions = g_ptr_array_new();
    machine->disks = g_ptr_array_new();
    machine->networks = g_ptr_array_new();
    machine->devices = g_ptr_array_new();
    machine->display = display_new();
    machine->input = input_new();
    return make_memory(machine, error) && chips_init(machine, error) && make_pci(machine, error) &&
           make_devices(machine, error);
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
    chips_stop(machine);
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
    chips_fini(machine);
    mem_free(machine->mem);
    input_free(machine->input);
    display_free(machine->display);
}

/* ---- Reset and load -------------------------------------------------------------------------- */

#define DISK_RESET_NS (30 * NS_PER_S)

bool pc_reset(struct machine *machine, GError **error)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];

        /* What is in flight would come into the next kernel's memory. */
        if (!disk_drain_within(disk->disk, DISK_RESET_NS)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "disk image '%s' hangs",
                        disk_path(disk->disk));
            return false;
        }
    }
    if (!pci_bus_reset(machine->bus, error) || !devices_wait_for_reset(machine, error))
        return false;
    chips_reset(machine);
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
        .has_mailbox = machine->mailbox,
        .window64 = window64(machine),
    };
    struct cpu_state state;

    if (!loader_clear(machine->ram, error))
        return false;
    config.rsdp = acpi_write(&acpi, machine->ram);
    if (!loader_load(&config, machine->ram, &state, error))
        return false;
    return chips_begin(machine, &state, error);
}

void pc_clock_changed(struct machine *machine)
{
    chips_clock_changed(machine);
    rtc_clock_changed(machine->rtc);
    networks_clock_changed(machine);
}

/* ---- For others ------------------------------------------------------------------------------ */

struct display *machine_display(struct machine *machine)
{
    return machine->display;
}

struct input *machine_input(struct machine *machine)
{
    return machine->input;
}

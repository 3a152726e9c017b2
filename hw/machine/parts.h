/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine consists of. Made, in order, by hw/machine/pc.c; hw/machine/machine.c has its
 * life.
 */
#ifndef HW_MACHINE_PARTS_H
#define HW_MACHINE_PARTS_H

#include <glib.h>

#include "hw/cpu/cpu.h"
#include "hw/machine/machine.h"
#include "hw/mem/mem.h"
#include "util/guest_clock.h"
#include "util/loop.h"

struct disk;
struct display;
struct gpu;
struct input;
struct ioapic;
struct kvm_irq;
struct kvmclock;
struct lapics;
struct mailbox;
struct metrics;
struct msi_routes;
struct net_backend;
struct pci_bus;
struct power;
struct pvpanic;
struct ram;
struct region;
struct rtc;
struct serial;
struct virtio_device;
struct virtio_pci;

/* A drive until a device takes it, and its name after that. */
struct machine_disk {
    char *id;
    struct disk *disk;
    bool is_taken;
};

/* A -netdev: what a card is connected to. */
struct machine_network {
    char *id;
    struct net_backend *backend;
    bool is_taken; /* by a card */
};

/* A device that was plugged in, and how to unplug it. */
struct machine_device {
    const char *type;
    char *id; /* NULL: none */
    struct virtio_pci *transport;
    void *model;
    void (*free_model)(void *model);
    struct virtio_device *virtio; /* of the model */
    struct gpu *gpu;              /* NULL: it is none */
    const char *disk;             /* the id of the drive that it shows; NULL: none */
    void (*add_metrics)(const struct machine_device *device, struct metrics *metrics); /* or NULL */
};

struct machine {
    struct machine_config config;
    struct guest_clock clock;

    struct display *display;
    struct input *input;

    struct mem *mem;
    struct ram *ram;
    struct region *memory_root, *ports_root;
    struct space *memory, *ports;
    GPtrArray *regions; /* those in the roots, with our references */

    struct lapics *lapics;   /* NULL: in the kernel, and then … */
    struct kvm_irq *kvm_irq; /* … the way to them */
    struct msi_routes *routes;
    struct ioapic *ioapic;
    struct cpu_board board;
    struct cpus *cpus;
    struct kvmclock *kvmclock; /* NULL: in the kernel */
    struct mailbox *mailbox;   /* NULL: processors start by INIT and SIPI */

    struct pci_bus *bus;
    struct serial *serial;
    struct rtc *rtc;
    struct power *power;
    struct pvpanic *pvpanic;
    GPtrArray *disks;    /* struct machine_disk * */
    GPtrArray *networks; /* struct machine_network * */
    GPtrArray *devices;  /* struct machine_device *, in the order in which they were plugged in */
    struct gpu *gpu;     /* of these, the first virtio-gpu; NULL: none */

    /* Its life. */
    bool has_started; /* its processors have threads */
    bool is_running;
    bool has_run;
    struct list listeners; /* struct machine_listener */
    uint32_t asked;        /* what machine_ask_*() want, see machine.c; atomic */
    struct deferred on_asked;
    struct loop_timer age_check;
    bool has_ended;
    enum machine_end why;
};

/* hw/machine/pc.c. On failure of the first what has been made is for the second. */
bool pc_init(struct machine *machine, GError **error) MUST_CHECK REQUIRES(bql);
void pc_fini(struct machine *machine) REQUIRES(bql);

/** All devices and chips back to power-on. Processors are paused or have not started. */
bool pc_reset(struct machine *machine, GError **error) MUST_CHECK REQUIRES(bql);

/** The kernel and the tables into RAM, and the processors to where they begin. */
bool pc_load(struct machine *machine, GError **error) MUST_CHECK REQUIRES(bql);

/** The clock has stopped or gone on. */
void pc_clock_changed(struct machine *machine) REQUIRES(bql);

/** Put @region, whose reference is given, at @at of @root. */
bool pc_place(struct machine *machine, struct region *root, uint64_t at, struct region *region,
              GError **error) MUST_CHECK REQUIRES(bql);

/* hw/machine/chips.c: processors, and what interrupts them. */
bool chips_init(struct machine *machine, GError **error) MUST_CHECK REQUIRES(bql);
void chips_stop(struct machine *machine) REQUIRES(bql); /* no processors any more */
void chips_fini(struct machine *machine) REQUIRES(bql);
void chips_reset(struct machine *machine) REQUIRES(bql);
void chips_clock_changed(struct machine *machine) REQUIRES(bql);

/** Processor 0 to @state; the others wait for it to start them. */
bool chips_begin(struct machine *machine, const struct cpu_state *state, GError **error)
    MUST_CHECK REQUIRES(bql);

/* hw/machine/networks.c */
void networks_fini(struct machine *machine) REQUIRES(bql); /* after the cards */
void networks_clock_changed(struct machine *machine) REQUIRES(bql);
struct machine_network *network_find(struct machine *machine, const char *id) REQUIRES(bql);
/** The address of a card for which none is given. */
void network_next_mac(const struct machine *machine, uint8_t *ret_mac) REQUIRES(bql);

/* hw/machine/devices.c */
void devices_fini(struct machine *machine) REQUIRES(bql);
/** The guest's memory may be used for something else: what was in flight when the devices were
 * reset is done. */
bool devices_wait_for_reset(struct machine *machine, GError **error) MUST_CHECK REQUIRES(bql);
/** As machine_settle(). */
bool devices_settle(struct machine *machine) MUST_CHECK REQUIRES(bql);

#endif

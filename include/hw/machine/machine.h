/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The machine: what it is made of (hw/machine/pc.c), and its life: power-on, run,
 * stop, reset, power-off.
 *
 * What ends or resets it is *asked for*, from any thread, and done on the main
 * loop: the guest's own registers, a signal, a control connection. The processors
 * are brought out first, so nothing is reset under a running guest.
 *
 * Threads: under the BQL on the main thread, except where said.
 */
#ifndef HW_MACHINE_MACHINE_H
#define HW_MACHINE_MACHINE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/bql.h"
#include "util/list.h"

struct char_backend;
struct cpu_backend;
struct display;
struct gpu;
struct input;
struct machine;
struct metrics;

enum { MACHINE_DRIVES_MAX = 16, MACHINE_NETWORKS_MAX = 8 };
#define MACHINE_RAM_MIN (UINT64_C(16) << 20)
#define MACHINE_RAM_MAX (UINT64_C(512) << 30)

/* What cannot be changed after machine_new(). Strings stay until machine_free(). */
struct machine_config {
    const struct cpu_backend *backend;
    unsigned nr_cpus;
    uint64_t ram_size; /* bytes, whole pages, MACHINE_RAM_MIN to MACHINE_RAM_MAX */
    const char *kernel;
    const char *initrd;          /* NULL: none */
    const char *append;          /* the kernel's command line; NULL: empty */
    struct char_backend *serial; /* COM1; NULL: nothing connected */
    bool ends_on_reset;          /* a reset ends the machine, as power-off does */
    bool starts_stopped;         /* machine_continue() begins it */
};

/* Why the machine does not run any more. */
enum machine_end {
    MACHINE_POWERED_OFF, /* by the guest */
    MACHINE_QUIT,        /* by whoever runs the program */
    MACHINE_WAS_RESET,   /* and ends_on_reset */
    MACHINE_PANICKED,    /* the guest's kernel said so */
    MACHINE_TRIPLE_FAULT,
    MACHINE_FAILED, /* told to the log */
};

/**
 * All parts, nothing loaded, nothing running. NULL and an error: what the host cannot give, and
 * what is wrong with a file.
 */
void machine_free(struct machine *machine) REQUIRES(bql); /* NULL is fine */
struct machine *machine_new(const struct machine_config *config, GError **error)
    OWNED_BY(machine_free) REQUIRES(bql);

/* ---- What is plugged in: before machine_power_on() --------------------------------------- */

struct machine_drive {
    char *id;
    char *path;
    bool is_readonly;
};

/** Open the image; a device will name it by its id. */
bool machine_add_drive(struct machine *machine, const struct machine_drive *drive, GError **error)
    MUST_CHECK REQUIRES(bql);

/** @text as the value of -netdev: "user,id=net0"; or of -nic, with a card: "user". Errors of use:
 * KEYVAL_ERROR. */
bool machine_add_netdev(struct machine *machine, const char *text, GError **error)
    MUST_CHECK REQUIRES(bql);
bool machine_add_nic(struct machine *machine, const char *text, GError **error)
    MUST_CHECK REQUIRES(bql);

/** What -netdev help and -nic help print. */
void machine_print_netdevs(FILE *out);
void machine_print_nics(FILE *out);

/** @text as the value of -device: "virtio-blk-pci,drive=disk0". Errors of use: KEYVAL_ERROR. */
bool machine_add_device(struct machine *machine, const char *text, GError **error)
    MUST_CHECK REQUIRES(bql);

/** A line a device; or a line a key of device @name: false if there is none of that name. */
void machine_print_devices(FILE *out);
bool machine_print_device(const char *name, FILE *out);

/** The virtio-gpu that has that id; NULL: none has it. */
struct gpu *machine_device_gpu(const struct machine *machine, const char *id) REQUIRES(bql);

/** No drive and no network is left that no device uses. */
bool machine_check_networks(struct machine *machine, GError **error) MUST_CHECK REQUIRES(bql);
bool machine_check_drives(struct machine *machine, GError **error) MUST_CHECK REQUIRES(bql);

/* ---- What is seen of it, and where hands reach it: as long as the machine ---------------------
 */

struct display *machine_display(struct machine *machine);
struct input *machine_input(struct machine *machine);

unsigned machine_nr_cpus(const struct machine *machine);

/** The kernel's number of the thread of processor @index; 0: it has not started. */
unsigned machine_cpu_thread(const struct machine *machine, unsigned index);

/** The regions of memory and ports, for people. */
void machine_print_map(struct machine *machine, FILE *out) REQUIRES(bql);

/** Its first virtio-gpu; NULL: none. */
struct gpu *machine_gpu(struct machine *machine) REQUIRES(bql);

/**
 * All that it counts, into @metrics, which are freed before it. When everything is plugged in;
 * hw/machine/metrics.c.
 */
void machine_metrics_register(struct machine *machine, struct metrics *metrics) REQUIRES(bql);

/* ---- Life ------------------------------------------------------------------------------------ */

/** Reset everything, load the kernel, start the processors. */
bool machine_power_on(struct machine *machine, GError **error) MUST_CHECK REQUIRES(bql);

/** Run the main loop until the machine has ended. */
enum machine_end machine_run(struct machine *machine) REQUIRES(bql);

/**
 * After it has ended, or has not begun: let the devices finish what they have, and flush disks.
 * False, and the log says which: a renderer or a disk hangs, the machine cannot be freed, and the
 * program can only leave by _exit(). What the guest has written to other disks is there then.
 */
bool machine_settle(struct machine *machine) MUST_CHECK REQUIRES(bql);

/** After it: whether what the guest has written to a disk may be lost; the log says which. */
bool machine_has_lost(const struct machine *machine) REQUIRES(bql);

/* Requests. Any thread, any locks, also within the guest's access to a register. */
void machine_ask_reset(struct machine *machine);
void machine_ask_end(struct machine *machine, enum machine_end why);

/** Press the power button. False: the guest does not listen to it. */
bool machine_press_power_button(struct machine *machine) MUST_CHECK REQUIRES(bql);

/** From now on a reset ends the machine: it has been told to end. */
void machine_end_on_reset(struct machine *machine) REQUIRES(bql);

/** Stop and go on: processors and clock. Devices finish what they have. */
void machine_stop(struct machine *machine) REQUIRES(bql);
void machine_continue(struct machine *machine) REQUIRES(bql);
bool machine_is_running(const struct machine *machine) REQUIRES(bql);

/** Whether it has never run: it started stopped. */
bool machine_is_new(const struct machine *machine) REQUIRES(bql);

/** Whether it has ended, and why. */
bool machine_has_ended(const struct machine *machine, enum machine_end *ret_why) REQUIRES(bql);

/* What listeners are told, when it has happened. A reset does not stop it, in this sense, nor
 * does an end. */
enum machine_event {
    MACHINE_STOPPED,
    MACHINE_CONTINUED,
    MACHINE_RESET,
    MACHINE_BUTTON_PRESSED,
    MACHINE_ENDED,
};

struct machine_listener {
    void (*event)(struct machine_listener *listener, enum machine_event event);
    struct list_node link; /* private */
};

void machine_add_listener(struct machine *machine, struct machine_listener *listener) REQUIRES(bql);
void machine_remove_listener(struct machine *machine, struct machine_listener *listener)
    REQUIRES(bql);

#endif

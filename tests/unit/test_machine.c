/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine as its users see it, without a kernel: what it is made of, how it ends, what it
 * refuses.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hw/cpu/cpu.h"
#include "hw/machine/machine.h"
#include "util/keyval.h"
#include "util/start.h"

static const struct machine_config plain = {
    .backend = &cpu_soft,
    .nr_cpus = 2,
    .ram_size = MACHINE_RAM_MIN,
    .kernel = "/nonexistent/vmlinuz",
};

static struct machine *make(bool ends_on_reset) REQUIRES(bql)
{
    struct machine_config config = plain;
    GError *error = NULL;
    struct machine *machine;

    config.ends_on_reset = ends_on_reset;
    machine = machine_new(&config, &error);
    g_assert_no_error(error);
    return machine;
}

/* A guest that resets goes on for a moment, and tries other ways: Linux ends with a triple fault.
 */
static void the_first_request_counts(void) NO_THREAD_SAFETY
{
    struct machine *machine = make(true);

    machine_ask_reset(machine);
    machine_ask_end(machine, MACHINE_TRIPLE_FAULT);
    g_assert_cmpint(machine_run(machine), ==, MACHINE_WAS_RESET);
    machine_free(machine);

    machine = make(false);
    machine_ask_end(machine, MACHINE_PANICKED);
    machine_ask_reset(machine);
    g_assert_cmpint(machine_run(machine), ==, MACHINE_PANICKED);
    machine_free(machine);
}

static void quitting_overrules_a_reset(void) NO_THREAD_SAFETY
{
    struct machine *machine = make(false);

    machine_ask_reset(machine);
    machine_ask_end(machine, MACHINE_QUIT);
    g_assert_cmpint(machine_run(machine), ==, MACHINE_QUIT);
    machine_free(machine);
}

/* Told to end, a guest that resets instead has ended. */
static void told_to_end_a_reset_is_one(void) NO_THREAD_SAFETY
{
    struct machine *machine = make(false);

    machine_end_on_reset(machine);
    machine_ask_reset(machine);
    g_assert_cmpint(machine_run(machine), ==, MACHINE_WAS_RESET);
    machine_free(machine);
}

/* The kernel is read anew at each reset: gone, it is an error, and nothing else. */
static void a_reset_without_the_kernel_fails(void) NO_THREAD_SAFETY
{
    struct machine *machine = make(false);

    machine_ask_reset(machine);
    g_assert_cmpint(machine_run(machine), ==, MACHINE_FAILED);
    machine_free(machine);
}

static void a_missing_kernel_is_named(void) NO_THREAD_SAFETY
{
    struct machine *machine = make(false);
    GError *error = NULL;

    g_assert_false(machine_power_on(machine, &error));
    g_assert_nonnull(strstr(error->message, plain.kernel));
    g_error_free(error);
    machine_free(machine);
}

/* Half of a machine is taken apart again. */
static void what_the_host_cannot_give_is_an_error(void) NO_THREAD_SAFETY
{
    struct machine_config config = plain;
    struct rlimit before, limit;
    struct machine *machine;
    GError *error = NULL;

    config.nr_cpus = CPUS_MAX + 1;
    g_assert_null(machine_new(&config, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
    limit = before;
    limit.rlim_cur = 0;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    machine = machine_new(&plain, &error);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
    g_assert_null(machine);
    g_assert_nonnull(error);
    g_clear_error(&error);
}

static void devices_are_checked(void) NO_THREAD_SAFETY
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "virtio-rgn-pci", "did you mean 'virtio-rng-pci'?" },
        { "virtio-blk-pci", "the key drive is missing" },
        { "virtio-blk-pci,drive=d0", "drive=d0 is no -drive's id" },
        { "virtio-blk-pci,drive=d0,serial=123456789012345678901", "more than 20 characters" },
        { "virtio-rng-pci,addr=0", "addr=0 is no slot" },
        { "virtio-rng-pci,addr=32", "addr=32 is no slot" },
        { "virtio-rng-pci,addr=x", "addr=x is no slot" },
        { "virtio-rng-pci,drive=d0", "there is no key 'drive'" },
        { "virtio-gpu-pci,hostmem=1M", "there is no key 'hostmem'" },
        { "virtio-gpu-pci,xrez=9", "did you mean 'xres'?" },
        { "virtio-gpu-pci,yres=0", "yres=0 is out of range" },
        { "virtio-gpu-pci,max_outputs=17", "max_outputs=17 is out of range (1 to 16)" },
        { "virtio-gpu-gl-pci,hostmem=3M,blob=on", "hostmem=3M is no power of two" },
        { "virtio-gpu-gl-pci,hostmem=4M", "add blob=on" },
        { "virtio-gpu-gl-pci,hostmem=64k,blob=on", "hostmem=64k is out of range" },
        { "virtio-gpu-gl-pci,venus=on", "venus=on needs blob=on and hostmem=" },
    };
    struct machine *machine = make(false);
    GError *error = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_false(machine_add_device(machine, rows[i].text, &error));
        g_assert_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE);
        if (!strstr(error->message, rows[i].message))
            g_error("%s: %s", rows[i].text, error->message);
        g_clear_error(&error);
    }
    g_assert_true(machine_add_device(machine, "virtio-rng-pci,id=rng0,addr=0x1f", &error));
    g_assert_no_error(error);
    g_assert_false(machine_add_device(machine, "virtio-rng-pci,id=rng0", &error));
    g_assert_nonnull(strstr(error->message, "'rng0' is given twice"));
    g_clear_error(&error);
    g_assert_false(machine_add_device(machine, "virtio-rng-pci,addr=0x1f", &error));
    g_clear_error(&error);
    g_assert_null(machine_gpu(machine));
    g_assert_true(machine_add_device(machine, "virtio-gpu-pci,max_outputs=16", &error));
    g_assert_no_error(error);
    g_assert_nonnull(machine_gpu(machine));
    g_assert_false(machine_add_device(machine, "virtio-gpu-pci", &error)); /* of all together */
    g_assert_nonnull(strstr(error->message, "more than 16 screens in all"));
    g_clear_error(&error);
    g_assert_true(machine_settle(machine));
    machine_free(machine);
}

static void drives_are_checked(void) NO_THREAD_SAFETY
{
    char name[] = "/tmp/gracevm-test-XXXXXX";
    struct machine *machine = make(false);
    struct machine_drive drive = { .id = (char[]){ "d0" }, .path = name };
    struct machine_drive gone = { .id = (char[]){ "d1" }, .path = (char[]){ "/nonexistent/disk" } };
    GError *error = NULL;

    g_assert_cmpint(g_mkstemp(name), >=, 0);
    g_assert_cmpint(truncate(name, 1 << 20), ==, 0);
    g_assert_false(machine_add_drive(machine, &gone, &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/disk"));
    g_clear_error(&error);
    g_assert_true(machine_add_drive(machine, &drive, &error));
    g_assert_no_error(error);
    g_assert_false(machine_add_drive(machine, &drive, &error));
    g_assert_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE);
    g_clear_error(&error);
    g_assert_false(machine_check_drives(machine, &error));
    g_assert_nonnull(strstr(error->message, "no -device uses 'd0'"));
    g_clear_error(&error);
    g_assert_true(machine_add_device(machine, "virtio-blk-pci,drive=d0", &error));
    g_assert_no_error(error);
    g_assert_true(machine_check_drives(machine, &error));
    g_assert_false(machine_add_device(machine, "virtio-blk-pci,drive=d0", &error));
    g_assert_nonnull(strstr(error->message, "another device's already"));
    g_clear_error(&error);
    machine_free(machine);
    unlink(name);
}

int main(int argc, char **argv) NO_THREAD_SAFETY
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(util_start(NULL), ==, 0);
    g_test_add_func("/machine/the_first_request_counts", the_first_request_counts);
    g_test_add_func("/machine/quitting_overrules_a_reset", quitting_overrules_a_reset);
    g_test_add_func("/machine/told_to_end_a_reset_is_one", told_to_end_a_reset_is_one);
    g_test_add_func("/machine/a_reset_without_the_kernel_fails", a_reset_without_the_kernel_fails);
    g_test_add_func("/machine/a_missing_kernel_is_named", a_missing_kernel_is_named);
    g_test_add_func("/machine/what_the_host_cannot_give_is_an_error",
                    what_the_host_cannot_give_is_an_error);
    g_test_add_func("/machine/devices_are_checked", devices_are_checked);
    g_test_add_func("/machine/drives_are_checked", drives_are_checked);
    status = g_test_run();
    util_stop();
    return status;
}

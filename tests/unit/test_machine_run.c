/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole machines that run kernels of a few bytes, on both back ends: how they begin, go on after a
 * reset, and end.
 */
#include <glib.h>
#include <glib/gstdio.h>

#include "hw/cpu/cpu.h"
#include "hw/machine/machine.h"
#include "tests/unit/tiny_kernel.h"
#include "util/clock.h"
#include "util/loop.h"
#include "util/start.h"

/* A machine that has begun, with @code as its kernel in @path; NULL: skipped. */
static struct machine *begin(const void *backend, const char *path, const uint8_t *code)
    REQUIRES(bql)
{
    const struct machine_config config = {
        .backend = backend,
        .nr_cpus = 2,
        .ram_size = MACHINE_RAM_MIN,
        .kernel = path,
    };
    g_autoptr(GError) error = NULL;
    struct machine *machine;

    write_kernel(path, code);
    machine = machine_new(&config, &error);
    if (!machine) {
        g_assert_true(backend == &cpu_kvm); /* not everywhere */
        g_test_skip(error->message);
        return NULL;
    }
    g_assert_true(machine_add_device(machine, "virtio-rng-pci", &error));
    g_assert_true(machine_power_on(machine, &error));
    return machine;
}

static void ends(const void *backend, const uint8_t *code, enum machine_end why) NO_THREAD_SAFETY
{
    g_autofree char *path = kernel_path();
    struct machine *machine = begin(backend, path, code);

    if (machine)
        g_assert_cmpint(machine_run(machine), ==, why);
    machine_free(machine);
    g_unlink(path);
}

static void the_guest_powers_off(const void *backend)
{
    ends(backend, powers_off, MACHINE_POWERED_OFF);
}

static void a_triple_fault_ends_it(const void *backend)
{
    ends(backend, triple_faults, MACHINE_TRIPLE_FAULT);
}

/* The kernel is read anew: the second one is another. */
static void the_guest_resets(const void *backend) NO_THREAD_SAFETY
{
    g_autofree char *path = kernel_path();
    struct machine *machine = begin(backend, path, resets);

    if (machine) {
        write_kernel(path, powers_off);
        g_assert_cmpint(machine_run(machine), ==, MACHINE_POWERED_OFF);
    }
    machine_free(machine);
    g_unlink(path);
}

static void go_on(struct loop_timer *timer UNUSED)
{
    loop_quit();
}

/* Halted, stopped, going on, reset from outside, quit: each with processors inside their halts. */
static void it_is_stopped_and_goes_on(const void *backend) NO_THREAD_SAFETY
{
    g_autofree char *path = kernel_path();
    struct machine *machine = begin(backend, path, halts);
    struct loop_timer timer = { .fn = go_on };

    for (unsigned i = 0; machine && i < 10; i++) {
        machine_stop(machine);
        g_assert_false(machine_is_running(machine));
        if (i % 2)
            machine_ask_reset(machine); /* while it is stopped, it stays so */
        loop_timer_set(&timer, monotonic_ns() + NS_PER_MS);
        loop_run();
        machine_continue(machine);
        g_assert_true(machine_is_running(machine));
        if (i % 3)
            machine_ask_reset(machine);
        loop_timer_set(&timer, monotonic_ns() + NS_PER_MS);
        loop_run();
    }
    if (machine) {
        machine_ask_end(machine, MACHINE_QUIT);
        g_assert_cmpint(machine_run(machine), ==, MACHINE_QUIT);
    }
    machine_free(machine);
    g_unlink(path);
}

int main(int argc, char **argv) NO_THREAD_SAFETY
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(util_start(NULL), ==, 0);
#define TEST(function)                                                                             \
    do {                                                                                           \
        g_test_add_data_func("/machine_run/soft/" #function, &cpu_soft, function);                 \
        g_test_add_data_func("/machine_run/kvm/" #function, &cpu_kvm, function);                   \
    } while (0)
    TEST(the_guest_powers_off);
    TEST(a_triple_fault_ends_it);
    TEST(the_guest_resets);
    TEST(it_is_stopped_and_goes_on);
    status = g_test_run();
    util_stop();
    return status;
}

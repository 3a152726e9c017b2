/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole machines that run kernels of a few bytes, on both back ends: how they begin, go on after a
 * reset, and end.
 */
#include <elf.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "hw/cpu/cpu.h"
#include "hw/machine/layout.h"
#include "hw/machine/machine.h"
#include "util/clock.h"
#include "util/loop.h"
#include "util/start.h"

enum { CODE_AT = LAYOUT_KERNEL, CODE_SIZE = 64 };

/* out %al, %dx; then: hlt, again and again */
#define OUT(port, value) 0x66, 0xba, (port)&0xff, (port) >> 8, 0xb0, (value), 0xee, 0xf4, 0xeb, 0xfd

static const uint8_t powers_off[CODE_SIZE] = { OUT(0x600, 5 << 2 | 1 << 5) };
static const uint8_t resets[CODE_SIZE] = { OUT(0x602, 1) };
static const uint8_t halts[CODE_SIZE] = { 0xf4, 0xeb, 0xfd };
/* lidt from zeros; ud2 */
static const uint8_t triple_faults[CODE_SIZE] = {
    0x0f,          0x01, 0x1c, 0x25, (CODE_AT + 32) & 0xff, CODE_AT >> 8 & 0xff,
    CODE_AT >> 16, 0,    0x0f, 0x0b,
};

struct file {
    Elf64_Ehdr header;
    Elf64_Phdr part;
    uint8_t code[CODE_SIZE];
};

static void write_kernel(const char *path, const uint8_t *code)
{
    struct file file = {
        .header = {
            .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
            .e_type = ET_EXEC,
            .e_machine = EM_X86_64,
            .e_version = EV_CURRENT,
            .e_entry = CODE_AT,
            .e_phoff = offsetof(struct file, part),
            .e_ehsize = sizeof(Elf64_Ehdr),
            .e_phentsize = sizeof(Elf64_Phdr),
            .e_phnum = 1,
        },
        .part = {
            .p_type = PT_LOAD,
            .p_flags = PF_R | PF_W | PF_X,
            .p_offset = offsetof(struct file, code),
            .p_vaddr = CODE_AT,
            .p_paddr = CODE_AT,
            .p_filesz = CODE_SIZE,
            .p_memsz = CODE_SIZE,
        },
    };

    memcpy(file.code, code, CODE_SIZE);
    g_assert_true(g_file_set_contents(path, (const char *)&file, sizeof(file), NULL));
}

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

static char *kernel_path(void)
{
    char *path = g_strdup("/tmp/gracevm-kernel-XXXXXX");

    g_assert_cmpint(g_mkstemp(path), >=, 0);
    return path;
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

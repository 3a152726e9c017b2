/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a payload on the machine of lab.h.
 *
 * usage: run [-accel soft|kvm|kvm:soft] [-smp N] [-timeout SECONDS] [-expect
 * exit|triple-fault|firmware]
 *            [-chips none|board|ours] [-feeble skip|fail|none] [-d TOPICS] PAYLOAD
 *
 * What the payload says goes to standard output: the Test Anything Protocol. Status 0: it ran to
 * its end and all was well; 1: not; 2: wrong usage. Where there is no KVM, all is skipped. Some
 * hosts have a KVM with no hardware virtualisation behind it (neither vmx nor svm in
 * /proc/cpuinfo), which interprets the guest's kernel as far as it can: there, what comes behind an
 * instruction that it gives up at is skipped, and unless `-feeble fail` says that all else is right
 * there, so is what it gets wrong. `-feeble none`: it may not even come to an end there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hw/cpu/backend.h"
#include "tests/guest/machine.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/start.h"

struct options {
    const char *accel, *payload;
    unsigned nr_cpus, timeout_s;
    bool has_chips;       /* real interrupt controllers */
    bool uses_kernels;    /* local APICs, where there are some */
    int expected;         /* enum cpu_exit that ends it, or -1: it says so itself */
    bool is_feeble_right; /* what the payload does works on feeble KVMs too */
    bool is_feeble_none;  /* it cannot be run on them */
};

static struct machine machine;
static struct loop_timer watchdog;
static bool has_timed_out; /* guarded by the BQL */
static bool is_feeble;     /* the main thread's: KVM without hardware behind it */

static void on_watchdog(struct loop_timer *timer UNUSED)
{
    has_timed_out = true;
    loop_quit();
}

/* KVM without VMX or SVM behind it: it interprets the guest's kernel, as far as it can. */
static bool has_hardware_virtualisation(void)
{
    g_autofree char *text = NULL;

    return g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL) &&
           (strstr(text, " vmx ") || strstr(text, " svm "));
}

static struct cpus *make_cpus(const struct options *options, GError **error) EXCLUDES(bql)
{
    g_auto(GStrv) names = g_strsplit(options->accel, ":", -1);

    for (unsigned i = 0; names[i]; i++) {
        const struct cpu_backend *backend = strcmp(names[i], "kvm") == 0 ? &cpu_kvm : &cpu_soft;
        struct cpus *cpus;

        g_clear_error(error);
        cpus = cpus_new(backend, options->nr_cpus, machine.memory, machine.ports, &machine.board,
                        error);
        if (cpus)
            return cpus;
    }
    return NULL;
}

static bool make_machine(const struct options *options, GError **error) EXCLUDES(bql)
{
    bool is_made;

    machine.nr_cpus = options->nr_cpus;
    if (!options->has_chips) {
        machine.cpus = make_cpus(options, error);
        return machine.cpus;
    }
    machine.has_chips = true;
    bql_lock();
    is_made = lab_chips_init(&machine.chips, &machine,
                             options->uses_kernels && strcmp(options->accel, "kvm") == 0, error);
    bql_unlock();
    machine.cpus = is_made ? make_cpus(options, error) : NULL;
    if (!machine.cpus)
        return false;
    bql_lock();
    is_made = lab_chips_attach(&machine.chips, error);
    bql_unlock();
    return is_made;
}

/* What the payload itself could not say. Returns the status. */
static int report_end(const struct options *options)
{
    const int why = load_acquire(&machine.stopped); /* pairs with the release in stopped() */

    if (options->expected >= 0) {
        printf("%s %u - %s\n1..%u\n", why == options->expected ? "ok" : "not ok",
               machine.nr_checks + 1,
               options->expected == CPU_EXIT_FIRMWARE ? "gone to firmware" : "triple fault",
               machine.nr_checks + 1);
        return why != options->expected;
    }
    if (machine.has_exited)
        return machine.status != 0 && !machine.skips_failures;
    if (is_feeble && why == CPU_EXIT_FAILED) {
        printf("ok %u - what comes behind it # SKIP an instruction that this KVM cannot emulate: it"
               " has no hardware virtualisation behind it\n1..%u\n",
               machine.nr_checks + 1, machine.nr_checks + 1);
        return 0;
    }
    if (has_timed_out)
        printf("Bail out! no end after %u s\n", options->timeout_s);
    else
        printf("Bail out! %s\n", why == CPU_EXIT_TRIPLE_FAULT ? "triple fault" : "failed");
    return 1;
}

static void log_where(void)
{
    cpus_pause(machine.cpus);
    for (unsigned i = 0; i < machine.cpus->nr_cpus; i++) {
        struct cpu_state state;

        cpu_get_state(machine.cpus->cpu[i], &state);
        fprintf(stderr,
                "processor %u: rip=%" G_GINT64_MODIFIER "x rflags=%" G_GINT64_MODIFIER
                "x rsp=%" G_GINT64_MODIFIER "x cr2=%" G_GINT64_MODIFIER "x%s\n",
                i, state.rip, state.rflags, state.gpr[RSP], state.cr2,
                state.is_halted ? ", halted" : "");
    }
    cpus_resume(machine.cpus);
}

/* The machine is there, and runs until something ends it. Returns the status. */
static int run_machine(const struct options *options) EXCLUDES(bql)
{
    g_autoptr(GError) error = NULL;

    if (!make_machine(options, &error)) {
        printf("1..0 # SKIP %s\n", error->message);
        return 0;
    }
    is_feeble = machine.cpus->backend == &cpu_kvm && !has_hardware_virtualisation();
    if (is_feeble && options->is_feeble_none) {
        printf("1..0 # SKIP this KVM has no hardware virtualisation behind it, and does not get to "
               "the end\n");
        return 0;
    }
    machine.skips_failures = is_feeble && !options->is_feeble_right;
    if (!machine_load(&machine, options->payload, &error) || !cpus_start(machine.cpus, &error)) {
        printf("Bail out! %s\n", error->message);
        return 1;
    }
    watchdog.fn = on_watchdog;
    bql_lock();
    loop_timer_set(&watchdog, deadline_after_ns(monotonic_ns(), options->timeout_s * NS_PER_S));
    loop_run();
    bql_unlock();
    if (!machine.has_exited && options->expected < 0)
        log_where();
    cpus_stop(machine.cpus);
    return report_end(options);
}

static void unmake_machine(void) ACQUIRE(bql)
{
    bql_lock();
    if (machine.has_chips)
        lab_chips_stop(&machine.chips);
    bql_unlock();
    cpus_free(machine.cpus);
    bql_lock();
    loop_timer_cancel(&watchdog);
    machine_fini(&machine);
    if (machine.has_chips)
        lab_chips_fini(&machine.chips);
}

static int run(const struct options *options)
{
    g_autoptr(GError) error = NULL;
    int status = 1;

    if (util_start(NULL) != 0)
        return 1;
    if (machine_init(&machine, &error)) {
        bql_unlock();
        status = run_machine(options);
        unmake_machine();
    } else {
        printf("Bail out! %s\n", error->message);
    }
    util_stop();
    return status;
}

static void usage(void)
{
    fputs("usage: run [-accel soft|kvm|kvm:soft] [-smp N] [-timeout SECONDS]\n"
          "           [-expect exit|triple-fault|firmware] [-chips none|board|ours]\n"
          "           [-feeble skip|fail|none] [-d TOPICS] PAYLOAD\n",
          stderr);
    exit(2);
}

static bool parse_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "-accel") == 0) {
        options->accel = value;
        return !strcmp(value, "soft") || !strcmp(value, "kvm") || !strcmp(value, "kvm:soft");
    }
    if (strcmp(name, "-smp") == 0) {
        options->nr_cpus = (unsigned)strtoul(value, NULL, 10);
        return options->nr_cpus >= 1 && options->nr_cpus <= 8;
    }
    if (strcmp(name, "-timeout") == 0) {
        options->timeout_s = (unsigned)strtoul(value, NULL, 10);
        return options->timeout_s > 0;
    }
    if (strcmp(name, "-expect") == 0) {
        options->expected = !strcmp(value, "triple-fault") ? CPU_EXIT_TRIPLE_FAULT
                            : !strcmp(value, "firmware")   ? CPU_EXIT_FIRMWARE
                                                           : -1;
        return options->expected >= 0 || strcmp(value, "exit") == 0;
    }
    if (strcmp(name, "-chips") == 0) {
        options->uses_kernels = strcmp(value, "board") == 0;
        options->has_chips = options->uses_kernels || strcmp(value, "ours") == 0;
        return options->has_chips || strcmp(value, "none") == 0;
    }
    if (strcmp(name, "-feeble") == 0) {
        options->is_feeble_right = strcmp(value, "fail") == 0;
        options->is_feeble_none = strcmp(value, "none") == 0;
        return options->is_feeble_right || options->is_feeble_none || strcmp(value, "skip") == 0;
    }
    return strcmp(name, "-d") == 0 && log_set_topics(value, NULL);
}

int main(int argc, char **argv)
{
    struct options options = { .expected = -1, .accel = "soft", .nr_cpus = 1, .timeout_s = 100 };
    int i = 1;

    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (!parse_option(&options, argv[i], argv[i + 1]))
            usage();
    }
    if (i + 1 != argc)
        usage();
    options.payload = argv[i];
    return run(&options);
}

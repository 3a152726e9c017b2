/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program: options in, a machine up, an exit status out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hw/cpu/cpu.h"
#include "hw/machine/machine.h"
#include "ui/char_backend.h"
#include "ui/ctl.h"
#include "ui/metrics_server.h"
#include "ui/options.h"
#include "ui/qmp.h"
#include "ui/save.h"
#include "ui/screenshot.h"
#include "ui/show.h"
#include "ui/signals.h"
#include "ui/stats.h"
#include "ui/unix_listen.h"
#include "util/keyval.h"
#include "util/log.h"
#include "util/start.h"
#include "util/trace_file.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_GUEST = 3 };

static int report(GError *error)
{
    int status = EXIT_FAILED;

    if (unix_listen_was_ended(error)) {
        log_info("%s", error->message);
        status = EXIT_OK;
    } else {
        log_error("%s", error->message);
        if (error->domain == KEYVAL_ERROR)
            status = EXIT_USAGE;
    }
    g_error_free(error);
    return status;
}

/* What is asked for, if the host can do it; else NULL. */
static const struct cpu_backend *choose_backend(const struct options *options, GError **error)
{
    GError *reason = NULL;

    if (!options->wants_kvm)
        return &cpu_soft;
    if (cpu_backend_is_usable(&cpu_kvm, &reason))
        return &cpu_kvm;
    if (options->wants_soft)
        log_info("runs without KVM, on our own processor: %s", reason->message);
    else
        g_set_error(error, reason->domain, reason->code, "-accel kvm: %s", reason->message);
    g_error_free(reason);
    return options->wants_soft ? &cpu_soft : NULL;
}

/* A way to plug in what an option says. */
typedef bool plug_fn(struct machine *machine, const char *text, GError **error);

static bool plug_all(struct machine *machine, const GPtrArray *texts, plug_fn *plug, GError **error)
    NO_THREAD_SAFETY /* under the BQL */
{
    for (guint i = 0; i < texts->len; i++) {
        if (!plug(machine, texts->pdata[i], error))
            return false;
    }
    return true;
}

static bool plug(struct machine *machine, const struct options *options, GError **error)
    REQUIRES(bql)
{
    for (guint i = 0; i < options->drives->len; i++) {
        if (!machine_add_drive(machine, options->drives->pdata[i], error))
            return false;
    }
    return plug_all(machine, options->netdevs, machine_add_netdev, error) &&
           plug_all(machine, options->devices, machine_add_device, error) &&
           plug_all(machine, options->nics, machine_add_nic, error) &&
           machine_check_drives(machine, error) && machine_check_networks(machine, error);
}

static int status_of(enum machine_end why)
{
    switch (why) {
    case MACHINE_POWERED_OFF:
    case MACHINE_QUIT:
    case MACHINE_WAS_RESET:
        return EXIT_OK;
    case MACHINE_FAILED:
        return EXIT_FAILED;
    case MACHINE_PANICKED:
        log_error("the guest's kernel has panicked");
        return EXIT_GUEST;
    case MACHINE_TRIPLE_FAULT:
        log_error("a processor of the guest has shut down (triple fault)");
        return EXIT_GUEST;
    }
    g_assert_not_reached();
}

/* Ctrl-a x in the terminal. */
static void on_terminal_quit(void *arg)
{
    struct machine **machine = arg;

    if (*machine)
        machine_ask_end(*machine, MACHINE_QUIT);
}

/* NULL without an error: none is asked for. */
static struct qmp *open_qmp(struct machine *machine, const struct options *options, GError **error)
    REQUIRES(bql)
{
    struct qmp *qmp;

    if (!options->qmp)
        return NULL;
    qmp = qmp_new(machine);
    qmp_set_name(qmp, options->name);
    if (qmp_listen(qmp, options->qmp, error))
        return qmp;
    qmp_free(qmp);
    return NULL;
}

/* NULL: none are asked for, or with an error. */
static struct metrics *open_metrics(struct machine *machine, const char *spec,
                                    struct metrics_server **ret_server, GError **error)
    REQUIRES(bql)
{
    struct metrics *metrics;

    if (!spec)
        return NULL;
    metrics = metrics_new();
    machine_metrics_register(machine, metrics);
    *ret_server = metrics_server_new(metrics, spec, error);
    if (*ret_server)
        return metrics;
    metrics_free(metrics);
    return NULL;
}

/* From power-on to the end. */
static int live(const struct options *options, struct machine *machine) REQUIRES(bql)
{
    GError *error = NULL;
    struct metrics_server *server = NULL;
    struct metrics *metrics = open_metrics(machine, options->metrics, &server, &error);
    struct qmp *qmp = error ? NULL : open_qmp(machine, options, &error);
    int status;

    if (!error && machine_power_on(machine, &error))
        status = status_of(machine_run(machine));
    else
        status = report(error);
    screenshots_finish(); /* QMP answers them */
    qmp_free(qmp);
    metrics_server_free(server);
    metrics_free(metrics);
    error = NULL;
    if (options->stats_path && !stats_write(machine, options->stats_path, &error)) {
        int failed = report(error);

        status = status == EXIT_OK ? failed : status;
    }
    return status;
}

/* *@machine is not NULL afterwards: it cannot be freed. */
static int run(const struct options *options, const struct machine_config *config,
               struct machine **machine) REQUIRES(bql)
{
    GError *error = NULL;
    struct signals *signals = NULL;
    struct show *show = NULL;
    bool has_settled;
    int status;

    *machine = machine_new(config, &error);
    if (*machine && plug(*machine, options, &error))
        signals = signals_new(*machine, &error);
    if (signals)
        show = show_new(*machine, signals, &options->show, &error);
    status = show ? live(options, *machine) : report(error);
    show_free(show);
    signals_free(signals);
    has_settled = !*machine || machine_settle(*machine);
    screenshots_finish(); /* what has been drawn only now */
    if (*machine && machine_has_lost(*machine) && status == EXIT_OK)
        status = EXIT_FAILED;
    if (!has_settled)
        return status;
    machine_free(*machine);
    *machine = NULL;
    return status;
}

static struct trace_file *open_trace(const struct options *options, GError **error)
{
    g_autofree char *own = g_strdup_printf("trace-%d.json", (int)getpid());
    struct trace_selection selection = options->trace;

    if (!options->has_trace_pattern && !trace_select(&selection, "*", error))
        return NULL;
    return trace_file_open(options->trace_path ? options->trace_path : own, &selection, error);
}

/* Returns the program's status, which was to be @status. */
static int close_trace(struct trace_file *trace, int status)
{
    GError *error = NULL;
    int failed;

    if (trace_file_close(trace, &error))
        return status;
    failed = report(error);
    return status == EXIT_OK ? failed : status;
}

static void tell_of_lost_lines(const struct options *options)
{
    if (options->log_path && log_write_errors() > 0)
        (void)fprintf(stderr, "gracevm: warning: -D %s: %" G_GUINT64_FORMAT " lines are missing\n",
                      options->log_path, log_write_errors()); /* nobody is left to be told */
}

static int with_serial(const struct options *options, struct trace_file *trace) REQUIRES(bql)
{
    const char *spec = options->serial ? options->serial : options->no_defaults ? "none" : "stdio";
    struct machine_config config = {
        .nr_cpus = (unsigned)options->nr_cpus,
        .ram_size = options->ram_size,
        .kernel = options->kernel,
        .initrd = options->initrd,
        .append = options->append,
        .ends_on_reset = options->ends_on_reset,
        .starts_stopped = options->starts_stopped,
    };
    struct machine *machine = NULL;
    const struct char_host host = { .quit = on_terminal_quit, .opaque = &machine };
    GError *error = NULL;
    int status;

    config.backend = choose_backend(options, &error);
    if (!config.backend)
        return report(error);
    config.serial = char_backend_new(spec, &host, &error);
    if (!config.serial) {
        g_prefix_error(&error, "-serial: ");
        return report(error);
    }
    status = run(options, &config, &machine);
    char_backend_free(config.serial);
    if (machine) {
        bql_unlock();
        status = close_trace(trace, status);
        bql_lock();
        log_flush();
        tell_of_lost_lines(options);
        (void)fflush(NULL); /* nobody is left to be told */
        _exit(status);
    }
    return status;
}

static int with_trace(const struct options *options) REQUIRES(bql)
{
    GError *error = NULL;
    struct trace_file *trace = NULL;
    int status;

    bql_unlock(); /* the trace's threads come and go without it */
    if (options->has_trace)
        trace = open_trace(options, &error);
    bql_lock();
    if (error)
        return report(error);
    status = with_serial(options, trace);
    bql_unlock();
    status = close_trace(trace, status);
    bql_lock();
    return status;
}

/*
 * A guest's connections may take more descriptors than the 1024 that systems give at first. That
 * number is for select(), which nobody calls here; nor is there a child to inherit ours.
 */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
            return;
    }
    log_warn("the limit of open files stays as it is: %s", g_strerror(errno));
}

static int with_options(const struct options *options)
{
    GError *error = NULL;
    int status;

    if (options->log_path && !log_open(options->log_path, &error)) {
        g_prefix_error(&error, "-D: ");
        return report(error);
    }
    if (options->stats_path && !save_is_possible(options->stats_path, &error)) {
        g_prefix_error(&error, "-stats: ");
        return report(error); /* now, and not after hours of measuring */
    }
    raise_descriptor_limit();
    signals_block();
    if (util_start(&options->rcu) != 0) {
        log_error("RCU cannot be configured as asked for");
        return EXIT_FAILED;
    }
    status = with_trace(options);
    util_stop();
    log_flush();
    tell_of_lost_lines(options);
    return status;
}

/*
 * Where one of the three was closed, the next file would take its number: what is said on standard
 * error would go into a disk image.
 */
static void open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            _exit(EXIT_FAILED); /* there is nobody to tell */
    }
}

/* What an option like -help has printed. */
static int finish_printing(void)
{
    if (fflush(stdout) == 0)
        return EXIT_OK;
    log_error("standard output: %s", g_strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct options options;
    GError *error = NULL;
    int status;

    open_standard_streams();
    if (argc > 1 && strcmp(argv[1], "ctl") == 0)
        return ctl_main(argc - 2, argv + 2);
    if (!options_parse(&options, argc, argv, &error))
        status = report(error);
    else if (options.is_done)
        status = finish_printing();
    else
        status = with_options(&options);
    options_fini(&options);
    return status;
}

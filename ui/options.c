/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/options.h"

#include <stdio.h>
#include <string.h>

#include "hw/cpu/cpu.h"
#include "ui/char_backend.h"
#include "ui/version.h"
#include "util/keyval.h"
#include "util/log.h"

struct option {
    const char *name;     /* without its "-" */
    const char *argument; /* as -help shows it; NULL: the option has none */
    const char *help;
    bool (*take)(struct options *options, const char *value, GError **error);
};

static bool take_string(char **member, const char *value)
{
    g_free(*member);
    *member = g_strdup(value);
    return true;
}

/* ---- Names of which there is one ------------------------------------------------------------- */

/* What a word may be, for options that other programs have and scripts give. */
struct word {
    const char *name;
    const char *help;
};

static bool print_words(struct options *options, const struct word *words)
{
    for (; words->name; words++)
        printf("  %-10s %s\n", words->name, words->help);
    options->is_done = true;
    return true;
}

/* "help" prints the words; anything but a word is an error. */
static bool take_word(struct options *options, const char *option, const char *value,
                      const struct word *words, GError **error)
{
    size_t nr = 0;
    const char *nearest;

    if (g_str_equal(value, "help"))
        return print_words(options, words);
    for (; words[nr].name; nr++) {
        if (g_str_equal(words[nr].name, value))
            return true;
    }
    nearest = keyval_nearest(value, &words->name, nr, sizeof *words);
    if (nearest)
        return keyval_usage(error, "-%s: there is no '%s'; did you mean '%s'?", option, value,
                            nearest);
    return keyval_usage(error, "-%s: there is no '%s' (-%s help lists what there is)", option,
                        value, option);
}

static const struct word machine_words[] = {
    { "q35", "our one machine: PCI Express, hardware-reduced ACPI" },
    { "pc", "the same" },
    { NULL, NULL },
};

static const struct word cpu_words[] = {
    { "base", "x86-64 baseline and what our processor has beside it; the same on soft and KVM" },
    { "max", "the same" },
    { "host", "the same" },
    { "qemu64", "the same" },
    { "kvm64", "the same" },
    { NULL, NULL },
};

static const struct word none_words[] = {
    { "none", "there is none" },
    { NULL, NULL },
};

static const struct word accel_words[] = {
    { "soft", "our own processor, in software" },
    { "tcg", "the same" },
    { "kvm", "the host's processor, by /dev/kvm" },
    { "kvm:soft", "KVM where it can be used, else soft" },
    { NULL, NULL },
};

static bool take_accel(struct options *options, const char *value, GError **error)
{
    if (!take_word(options, "accel", value, accel_words, error))
        return false;
    options->wants_kvm = g_str_has_prefix(value, "kvm");
    options->wants_soft = !g_str_equal(value, "kvm");
    return true;
}

static const char *const machine_types[] = { "q35", "pc", NULL };

struct machine_value {
    unsigned type;
    char *accel;
};

static bool take_machine(struct options *options, const char *value, GError **error)
{
    static const struct keyval_key keys[] = {
        KEYVAL_KEY("type", KEYVAL_CHOICE, struct machine_value, type, "the machine",
                   .choices = machine_types, .may_be_bare = true),
        KEYVAL_KEY("accel", KEYVAL_STRING, struct machine_value, accel, "as -accel"),
        { .name = NULL },
    };
    struct machine_value got = { 0 };
    bool is_good;

    if (g_str_equal(value, "help"))
        return print_words(options, machine_words);
    is_good = keyval_parse("-machine", value, keys, &got, error) &&
              (!got.accel || take_accel(options, got.accel, error));
    keyval_clear(keys, &got);
    return is_good;
}

static bool take_cpu(struct options *options, const char *value, GError **error)
{
    return take_word(options, "cpu", value, cpu_words, error);
}

static bool take_vga(struct options *options, const char *value, GError **error)
{
    return take_word(options, "vga", value, none_words, error);
}

static bool take_display(struct options *options, const char *value, GError **error)
{
    if (!g_str_equal(value, "help"))
        return show_parse(&options->show, value, error);
    show_print_help(stdout);
    options->is_done = true;
    return true;
}

static bool take_monitor(struct options *options, const char *value, GError **error)
{
    return take_word(options, "monitor", value, none_words, error);
}

/* ---- The machine
 * ---------------------------------------------------------------------------------- */

/* Whether @value is "help": then @keys have been printed. */
static bool was_help(struct options *options, const char *value, const struct keyval_key *keys)
{
    if (!g_str_equal(value, "help"))
        return false;
    keyval_print(keys, stdout);
    options->is_done = true;
    return true;
}

static bool take_name(struct options *options, const char *value, GError **error)
{
    struct name_value {
        char *guest;
    } got = { 0 };
    static const struct keyval_key keys[] = {
        KEYVAL_KEY("guest", KEYVAL_STRING, struct name_value, guest, "what the machine is called",
                   .may_be_bare = true),
        { .name = NULL },
    };

    if (was_help(options, value, keys))
        return true;
    if (!keyval_parse("-name", value, keys, &got, error)) {
        keyval_clear(keys, &got);
        return false;
    }
    g_free(options->name);
    options->name = options->show.name = got.guest;
    return true;
}

static bool take_smp(struct options *options, const char *value, GError **error)
{
    static const struct keyval_key keys[] = {
        KEYVAL_KEY("cpus", KEYVAL_NUMBER, struct options, nr_cpus, "processors", .min = 1,
                   .max = CPUS_MAX, .may_be_bare = true),
        { .name = NULL },
    };

    return was_help(options, value, keys) || keyval_parse("-smp", value, keys, options, error);
}

static bool take_memory(struct options *options, const char *value, GError **error)
{
    static const struct keyval_key keys[] = {
        KEYVAL_KEY("size", KEYVAL_SIZE, struct options, ram_size, "RAM, in MiB without a suffix",
                   .min = MACHINE_RAM_MIN, .max = MACHINE_RAM_MAX, .unit = 1 << 20,
                   .may_be_bare = true),
        { .name = NULL },
    };

    if (was_help(options, value, keys))
        return true;
    if (!keyval_parse("-m", value, keys, options, error))
        return false;
    if (options->ram_size % (1 << 20))
        return keyval_usage(error, "-m: %s is not a whole number of MiB", value);
    return true;
}

static bool take_kernel(struct options *options, const char *value, GError **error UNUSED)
{
    return take_string(&options->kernel, value);
}

static bool take_initrd(struct options *options, const char *value, GError **error UNUSED)
{
    return take_string(&options->initrd, value);
}

static bool take_append(struct options *options, const char *value, GError **error UNUSED)
{
    return take_string(&options->append, value);
}

static bool take_no_reboot(struct options *options, const char *value UNUSED, GError **error UNUSED)
{
    options->ends_on_reset = true;
    return true;
}

static bool take_no_defaults(struct options *options, const char *value UNUSED,
                             GError **error UNUSED)
{
    options->no_defaults = true;
    return true;
}

static bool take_stopped(struct options *options, const char *value UNUSED, GError **error UNUSED)
{
    options->starts_stopped = options->show.starts_stopped = true;
    return true;
}

/* ---- Devices
 * ---------------------------------------------------------------------------------------- */

struct drive_value {
    struct machine_drive drive;
    unsigned interface, format;
};

static const char *const drive_interfaces[] = { "none", NULL };
static const char *const drive_formats[] = { "raw", NULL };
static const struct keyval_key drive_keys[] = {
    KEYVAL_KEY("file", KEYVAL_STRING, struct drive_value, drive.path, "the image, or a device"),
    KEYVAL_KEY("id", KEYVAL_STRING, struct drive_value, drive.id, "what -device calls it"),
    KEYVAL_KEY("if", KEYVAL_CHOICE, struct drive_value, interface, "for a -device of its own",
               .choices = drive_interfaces),
    KEYVAL_KEY("format", KEYVAL_CHOICE, struct drive_value, format, "of the image",
               .choices = drive_formats),
    KEYVAL_KEY("readonly", KEYVAL_BOOL, struct drive_value, drive.is_readonly,
               "the guest cannot write"),
    { .name = NULL },
};

static void free_drive(void *arg)
{
    struct machine_drive *drive = arg;

    g_free(drive->id);
    g_free(drive->path);
    g_free(drive);
}

static bool take_drive(struct options *options, const char *value, GError **error)
{
    struct drive_value got = { 0 };
    const char *missing;

    if (was_help(options, value, drive_keys))
        return true;
    if (!keyval_parse("-drive", value, drive_keys, &got, error)) {
        keyval_clear(drive_keys, &got);
        return false;
    }
    missing = !got.drive.path ? "file" : !got.drive.id ? "id" : NULL;
    if (missing) {
        keyval_clear(drive_keys, &got);
        return keyval_usage(error, "-drive: %s: the key %s is missing", value, missing);
    }
    g_ptr_array_add(options->drives, g_memdup2(&got.drive, sizeof got.drive));
    return true;
}

static bool take_device(struct options *options, const char *value, GError **error)
{
    static const char help[] = ",help";

    if (g_str_equal(value, "help")) {
        machine_print_devices(stdout);
        options->is_done = true;
    } else if (g_str_has_suffix(value, help)) {
        g_autofree char *name = g_strndup(value, strlen(value) - strlen(help));

        if (!machine_print_device(name, stdout))
            return keyval_usage(
                error, "-device: there is no '%s' (-device help lists what there is)", name);
        options->is_done = true;
    }
    g_ptr_array_add(options->devices, g_strdup(value));
    return true;
}

/* Whether @value asks for help: then @print has given it. */
static bool was_net_help(struct options *options, const char *value, void (*print)(FILE *out))
{
    if (!g_str_equal(value, "help") && !g_str_has_suffix(value, ",help"))
        return false;
    print(stdout);
    options->is_done = true;
    return true;
}

static bool take_netdev(struct options *options, const char *value, GError **error UNUSED)
{
    if (!was_net_help(options, value, machine_print_netdevs))
        g_ptr_array_add(options->netdevs, g_strdup(value));
    return true;
}

static bool take_nic(struct options *options, const char *value, GError **error UNUSED)
{
    if (!was_net_help(options, value, machine_print_nics))
        g_ptr_array_add(options->nics, g_strdup(value));
    return true;
}

static bool take_serial(struct options *options, const char *value, GError **error)
{
    if (g_str_equal(value, "help")) {
        char_backend_print_help(stdout);
        options->is_done = true;
    }
    if (options->serial)
        return keyval_usage(error, "-serial is given twice: there is one port");
    return take_string(&options->serial, value);
}

/* A socket that the program listens at, of which there is one. */
static bool take_socket(struct options *options, const char *name, const struct word *words,
                        char **member, const char *value, GError **error)
{
    if (g_str_equal(value, "help"))
        return print_words(options, words);
    if (g_str_equal(value, "none"))
        return true;
    if (*member)
        return keyval_usage(error, "-%s is given twice: one socket takes several clients", name);
    return take_string(member, value);
}

static bool take_qmp(struct options *options, const char *value, GError **error)
{
    static const struct word words[] = {
        { "unix:PATH", "listen there: ,server=on[,wait=off]" },
        { "none", "there is none (the default)" },
        { NULL, NULL },
    };

    return take_socket(options, "qmp", words, &options->qmp, value, error);
}

/* ---- Our own
 * ------------------------------------------------------------------------------------------ */

static bool take_rcu(struct options *options, const char *value, GError **error)
{
    struct rcu_value {
        bool force;
    } got = { .force = true };
    static const struct keyval_key keys[] = {
        KEYVAL_KEY("force", KEYVAL_BOOL, struct rcu_value, force,
                   "off: requests to force a grace period are ignored, for comparison"),
        { .name = NULL },
    };

    if (was_help(options, value, keys))
        return true;
    if (!keyval_parse("-rcu", value, keys, &got, error))
        return false;
    options->rcu.ignore_force = !got.force;
    return true;
}

static bool take_log_topics(struct options *options, const char *value, GError **error)
{
    GError *reason = NULL;

    if (g_str_equal(value, "help")) {
        log_print_topics(stdout);
        options->is_done = true;
        return true;
    }
    if (!log_set_topics(value, &reason)) {
        keyval_usage(error, "-d: %s", reason->message);
        g_error_free(reason);
        return false;
    }
    return true;
}

static bool take_log_path(struct options *options, const char *value, GError **error UNUSED)
{
    return take_string(&options->log_path, value);
}

static bool take_stats(struct options *options, const char *value, GError **error UNUSED)
{
    return take_string(&options->stats_path, value);
}

static bool take_trace(struct options *options, const char *value, GError **error)
{
    struct trace_value {
        char *pattern, *path;
    } got = { 0 };
    static const struct keyval_key keys[] = {
        KEYVAL_KEY("enable", KEYVAL_STRING, struct trace_value, pattern,
                   "points: a name, with * and ?; a '-' before it takes them away",
                   .may_be_bare = true),
        KEYVAL_KEY("file", KEYVAL_STRING, struct trace_value, path,
                   "where to (trace-PID.json); without any pattern, every point"),
        { .name = NULL },
    };
    bool is_good;

    if (was_help(options, value, keys)) {
        puts("\nPoints and their arguments:");
        trace_print_points(stdout);
        return true;
    }
    is_good = keyval_parse("-trace", value, keys, &got, error) &&
              (!got.pattern || trace_select(&options->trace, got.pattern, error));
    options->has_trace = true;
    options->has_trace_pattern |= got.pattern != NULL;
    if (is_good && got.path)
        take_string(&options->trace_path, got.path);
    keyval_clear(keys, &got);
    return is_good;
}

static bool take_metrics(struct options *options, const char *value, GError **error)
{
    static const struct word words[] = {
        { "unix:PATH", "whoever connects there gets Prometheus's text, by HTTP or plain" },
        { "none", "there is none (the default)" },
        { NULL, NULL },
    };

    return take_socket(options, "metrics", words, &options->metrics, value, error);
}

static bool take_version(struct options *options, const char *value UNUSED, GError **error UNUSED)
{
    puts("gracevm " VERSION_TEXT);
    options->is_done = true;
    return true;
}

static bool take_help(struct options *options, const char *value, GError **error);

/* ---- The table
 * -------------------------------------------------------------------------------------------- */

static const struct option table[] = {
    { "name", "NAME", "what the machine is called: windows show it", take_name },
    { "accel", "NAME", "what runs the processors: soft, kvm, kvm:soft (the default)", take_accel },
    { "machine", "q35[,accel=NAME]", "there is one machine; q35 and pc are its names",
      take_machine },
    { "M", "q35[,accel=NAME]", "the same", take_machine },
    { "cpu", "NAME", "there is one processor, with several names", take_cpu },
    { "smp", "N", "number of processors: 1 to 64 (1)", take_smp },
    { "m", "SIZE", "RAM, in MiB or with a suffix (512M)", take_memory },
    { "kernel", "FILE", "Linux: a bzImage (vmlinuz) or an ELF vmlinux", take_kernel },
    { "initrd", "FILE", "its initial RAM disk", take_initrd },
    { "append", "TEXT", "its command line", take_append },
    { "drive", "file=,id=,if=none[,…]", "a disk image, for a -device to use", take_drive },
    { "device", "NAME[,key=value…]", "plug a device in", take_device },
    { "serial", "BACKEND", "where COM1 goes: stdio (the default), file:, unix:, none",
      take_serial },
    { "display", "none|egl-headless|sdl[,gl=on]", "where screens are shown: nowhere (the default)",
      take_display },
    { "vga", "none", "there is no VGA", take_vga },
    { "nic", "user[,hostfwd=…][,mac=…]|none", "a network card with its network (none)", take_nic },
    { "netdev", "user,id=[,hostfwd=…]", "a network, for a -device to use", take_netdev },
    { "monitor", "none", "there is no monitor", take_monitor },
    { "qmp", "unix:PATH,server=on[,wait=off]", "be steered by JSON over a socket", take_qmp },
    { "S", NULL, "do not run until QMP says cont", take_stopped },
    { "nodefaults", NULL, "nothing that was not asked for: no -serial stdio", take_no_defaults },
    { "no-reboot", NULL, "a reset ends the program, as power-off does", take_no_reboot },
    { "rcu", "force=on|off", "how grace periods go", take_rcu },
    { "d", "TOPIC,…", "log details", take_log_topics },
    { "D", "FILE", "log to a file", take_log_path },
    { "stats", "FILE", "write what was measured, as JSON, at the end", take_stats },
    { "metrics", "unix:PATH", "show what is counted there, as Prometheus reads it", take_metrics },
    { "trace", "PATTERN|file=PATH", "record trace points, for Perfetto or chrome://tracing",
      take_trace },
    { "version", NULL, "print the version", take_version },
    { "help", NULL, "print this", take_help },
    { "h", NULL, "the same", take_help },
};

static bool take_help(struct options *options, const char *value UNUSED, GError **error UNUSED)
{
    puts("usage: gracevm -kernel FILE [OPTION…]\n");
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        g_autofree char *left =
            g_strdup_printf("-%s %s", table[i].name, table[i].argument ? table[i].argument : "");

        printf("  %-30s %s\n", left, table[i].help);
    }
    puts("\n\"help\" as the value of -accel, -cpu, -machine, -smp, -m, -drive, -device, "
         "-device NAME,…,\n-nic, -netdev, -serial, -display, -qmp, -rcu, -d, -metrics or -trace "
         "lists the choices.\nIn a terminal, Ctrl-a h tells the keys.\n"
         "Exit status: 0 the guest powered off (or reset, with -no-reboot), or was ended;\n"
         "1 failure; 2 wrong use; 3 the guest's kernel panicked or its processor shut down.");
    options->is_done = true;
    return true;
}

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (g_str_equal(table[i].name, name))
            return &table[i];
    }
    return NULL;
}

static bool unknown(const char *argument, const char *name, GError **error)
{
    const char *nearest = keyval_nearest(name, &table[0].name, ARRAY_SIZE(table), sizeof *table);

    if (nearest)
        return keyval_usage(error, "there is no option %s; did you mean -%s?", argument, nearest);
    return keyval_usage(error, "there is no option %s (-help lists what there is)", argument);
}

void options_fini(struct options *options)
{
    g_free(options->name);
    g_free(options->kernel);
    g_free(options->initrd);
    g_free(options->append);
    g_free(options->serial);
    g_free(options->qmp);
    g_free(options->stats_path);
    g_free(options->log_path);
    g_free(options->trace_path);
    g_free(options->metrics);
    g_ptr_array_unref(options->drives);
    g_ptr_array_unref(options->devices);
    g_ptr_array_unref(options->netdevs);
    g_ptr_array_unref(options->nics);
}

bool options_parse(struct options *ret_options, int argc, char **argv, GError **error)
{
    *ret_options = (struct options){
        .wants_kvm = true,
        .wants_soft = true,
        .nr_cpus = 1,
        .ram_size = UINT64_C(512) << 20,
        .drives = g_ptr_array_new_with_free_func(free_drive),
        .devices = g_ptr_array_new_with_free_func(g_free),
        .netdevs = g_ptr_array_new_with_free_func(g_free),
        .nics = g_ptr_array_new_with_free_func(g_free),
        .rcu = rcu_config_default(),
    };
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + (g_str_has_prefix(argv[i], "--") ? 2 : 1);
        const struct option *option;

        if (argv[i][0] != '-' || !*name)
            return keyval_usage(error, "'%s' is no option (-help lists them)", argv[i]);
        option = find(name);
        if (!option)
            return unknown(argv[i], name, error);
        if (option->argument && i + 1 == argc)
            return keyval_usage(error, "-%s needs a value: %s", option->name, option->argument);
        i += option->argument != NULL;
        /* A variable of a script that is not set, mostly. A kernel may have no command line. */
        if (option->argument && !*argv[i] && option->take != take_append)
            return keyval_usage(error, "-%s: the value is empty; it needs one: %s", option->name,
                                option->argument);
        if (!option->take(ret_options, option->argument ? argv[i] : NULL, error))
            return false;
        if (ret_options->is_done)
            return true;
    }
    if (!ret_options->kernel)
        return keyval_usage(error,
                            "-kernel is missing: which kernel is to be booted? (-help tells more)");
    return true;
}

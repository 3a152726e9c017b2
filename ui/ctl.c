/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/ctl.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ui/ctl_internal.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/log.h"

/* The longest that a machine makes a client wait is 10 s, for a screen that is not drawn. */
#define PATIENCE_S 15.0
#define INTERVAL_S 1.0

/* ---- The table -------------------------------------------------------------------------------
 */

const struct ctl_command ctl_commands[] = {
    { "status", "", "whether it runs", 0, 0, true, ctl_status },
    { "stop", "", "stop the processors and the guest's clock", 0, 0, false, ctl_stop },
    { "cont", "", "go on, or begin", 0, 0, false, ctl_cont },
    { "powerdown", "", "press the power button", 0, 0, false, ctl_powerdown },
    { "reset", "", "start the guest anew", 0, 0, false, ctl_reset },
    { "quit", "", "end the machine; returns when it has ended", 0, 0, false, ctl_quit },
    { "screendump", "FILE [SCREEN]", "write what a screen shows as PNG", 1, 2, false,
      ctl_screendump },
    { "sendkey", "KEYS [MS]", "press keys together: ctrl-alt-f2", 1, 2, false, ctl_sendkey },
    { "latency", "", "how long unmaps of blobs take, stage by stage", 0, 0, true, ctl_latency },
    { "rcu", "", "grace periods, kicks, stalls, callbacks", 0, 0, true, ctl_rcu },
    { "gpu", "", "the GPU's window, contexts, resources and limits", 0, 0, true, ctl_gpu },
    { "mtree", "", "the map of memory and ports", 0, 0, false, ctl_mtree },
    { "events", "", "what happens to it, until it ends or Ctrl-C", 0, 0, false, ctl_events },
    { "raw", "NAME|{JSON}", "any QMP command: gracevm-qmp(7)", 1, 1, false, ctl_raw },
    { "help", "", "print this", 0, 0, false, NULL },
};
const size_t ctl_nr_commands = ARRAY_SIZE(ctl_commands);

struct option {
    const char *name, *argument, *help;
};

static const struct option options[] = {
    { "json", NULL, "print what the machine answers, a line each" },
    { "once", NULL, "one table, also on a terminal" },
    { "interval", "S", "tables every S seconds; on a terminal latency has 1" },
    { "timeout", "S", "how long the machine may take for an answer (15)" },
    { "help", NULL, "print this" },
};

static void append_help(GString *out)
{
    g_string_append(out,
                    "usage: gracevm ctl [OPTION…] SOCKET COMMAND [ARGUMENT…]\n\n"
                    "SOCKET is the path in the machine's -qmp unix:PATH,server=on,wait=off.\n\n");
    for (size_t i = 0; i < ctl_nr_commands; i++) {
        g_autofree char *left =
            g_strdup_printf("%s %s", ctl_commands[i].name, ctl_commands[i].arguments);

        g_string_append_printf(out, "  %-26s %s\n", left, ctl_commands[i].help);
    }
    g_string_append(out, "\n");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        g_autofree char *left = g_strdup_printf("--%s %s", options[i].name,
                                                options[i].argument ? options[i].argument : "");

        g_string_append_printf(out, "  %-26s %s\n", left, options[i].help);
    }
    g_string_append(out, "\nExit status: 0 done; 1 the machine refused, went away or cannot be "
                         "reached; 2 wrong use.\n");
}

/* ---- The command line ------------------------------------------------------------------------
 */

static const struct option *find_option(const char *argument, GError **error)
{
    const char *name = argument + (g_str_has_prefix(argument, "--") ? 2 : 1);
    const char *nearest;

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    nearest = keyval_nearest(name, &options[0].name, ARRAY_SIZE(options), sizeof(*options));
    if (nearest)
        keyval_usage(error, "ctl: there is no option %s; did you mean --%s?", argument, nearest);
    else
        keyval_usage(error, "ctl: there is no option %s (gracevm ctl help lists them)", argument);
    return NULL;
}

static bool read_seconds(const char *name, const char *text, double *ret_seconds, GError **error)
{
    char *end;
    const double seconds = g_ascii_strtod(text, &end);

    if (!*text || *end || !isfinite(seconds) || seconds < 0.01 || seconds > 86400)
        return keyval_usage(error, "ctl: --%s: '%s' is not a number of seconds from 0.01 to 86400",
                            name, text);
    *ret_seconds = seconds;
    return true;
}

/* @value: the next argument; NULL: there is none. */
static bool take_option(struct ctl *ctl, const struct option *option, const char *value,
                        GError **error)
{
    if (option->argument && !value)
        return keyval_usage(error, "ctl: --%s needs a value: %s", option->name, option->argument);
    if (strcmp(option->name, "json") == 0)
        ctl->is_json = true;
    else if (strcmp(option->name, "once") == 0)
        ctl->is_once = true;
    else if (strcmp(option->name, "interval") == 0)
        return read_seconds(option->name, value, &ctl->interval_s, error);
    else if (strcmp(option->name, "timeout") == 0)
        return read_seconds(option->name, value, &ctl->patience_s, error);
    else
        ctl->wants_help = true;
    return true;
}

static const struct ctl_command *find_command(const char *name, GError **error)
{
    const char *nearest;

    for (size_t i = 0; i < ctl_nr_commands; i++) {
        if (strcmp(ctl_commands[i].name, name) == 0)
            return &ctl_commands[i];
    }
    nearest = keyval_nearest(name, &ctl_commands[0].name, ctl_nr_commands, sizeof(*ctl_commands));
    if (nearest)
        keyval_usage(error, "ctl: there is no command '%s'; did you mean '%s'?", name, nearest);
    else
        keyval_usage(error, "ctl: there is no command '%s' (gracevm ctl help lists them)", name);
    return NULL;
}

/* SOCKET COMMAND ARGUMENT…: what is left without the options. */
static bool take_words(struct ctl *ctl, char **words, unsigned nr, GError **error)
{
    if (nr == 0 || (nr == 1 && strcmp(words[0], "help") == 0)) {
        ctl->wants_help |= nr == 1;
        return ctl->wants_help ||
               keyval_usage(error, "ctl: which socket, and what? (gracevm ctl help tells more)");
    }
    ctl->path = words[0] + (g_str_has_prefix(words[0], "unix:") ? strlen("unix:") : 0);
    if (!*ctl->path)
        return keyval_usage(error, "ctl: the path of the socket is empty");
    if (nr == 1)
        return keyval_usage(error,
                            "ctl: '%s' is taken for the socket: and which command? "
                            "(gracevm ctl help lists them)",
                            words[0]);
    ctl->command = find_command(words[1], error);
    if (!ctl->command)
        return false;
    ctl->words = words + 2;
    ctl->nr_words = nr - 2;
    ctl->wants_help |= !ctl->command->run;
    if (ctl->nr_words < ctl->command->min_words || ctl->nr_words > ctl->command->max_words)
        return keyval_usage(error, "ctl: it is '%s%s%s'", ctl->command->name,
                            *ctl->command->arguments ? " " : "", ctl->command->arguments);
    if (ctl->interval_s && !ctl->command->is_table)
        return keyval_usage(error, "ctl: %s has no --interval: there is nothing to repeat",
                            ctl->command->name);
    if (ctl->interval_s && ctl->is_once)
        return keyval_usage(error, "ctl: --once and --interval contradict each other");
    return true;
}

/* Options may stand anywhere; "--" ends them. @ret_words has room for all. */
static bool parse(struct ctl *ctl, int argc, char **argv, char **ret_words, GError **error)
{
    bool has_options = true;
    unsigned nr = 0;

    for (int i = 0; i < argc; i++) {
        const struct option *option;

        if (has_options && strcmp(argv[i], "--") == 0) {
            has_options = false;
            continue;
        }
        if (!has_options || argv[i][0] != '-' || !argv[i][1]) {
            ret_words[nr++] = argv[i];
            continue;
        }
        option = find_option(argv[i], error);
        if (!option || !take_option(ctl, option, argv[i + 1], error)) /* argv ends with NULL */
            return false;
        i += option->argument != NULL;
    }
    return ctl->wants_help || take_words(ctl, ret_words, nr, error);
}

/* ---- At work ---------------------------------------------------------------------------------
 */

/* How often a table is shown; 0: once. */
static double interval_of(const struct ctl *ctl)
{
    if (ctl->interval_s)
        return ctl->interval_s;
    return ctl->command->run == ctl_latency && ctl_output_is_terminal() && !ctl->is_once
               ? INTERVAL_S
               : 0;
}

static int64_t in_ns(double seconds)
{
    return (int64_t)(seconds * NS_PER_S);
}

static bool show(struct ctl *ctl, GString *out, bool is_screen, GError **error)
{
    g_string_truncate(out, 0);
    return ctl->command->run(ctl, out, error) &&
           (is_screen ? ctl_screen_show(out->str, error) : ctl_write(out->str, error));
}

/* Tables until something ends that; false, always. The last one stays on the terminal. */
static bool repeat(struct ctl *ctl, double interval_s, GError **error)
{
    const bool is_screen = ctl_output_is_terminal() && !ctl->is_json;
    g_autoptr(GString) out = g_string_new(NULL), last = g_string_new(NULL);
    int64_t next_ns = monotonic_ns();
    bool is_good;

    do {
        is_good = show(ctl, out, is_screen, error);
        if (is_good)
            g_string_assign(last, out->str);
        if (is_good && !is_screen && !ctl->is_json)
            is_good = ctl_write("\n", error);
        next_ns = MAX(next_ns + in_ns(interval_s), monotonic_ns());
    } while (is_good && ctl_link_idle(ctl->link, next_ns, error));
    if (is_screen) {
        ctl_screen_leave();
        ctl_write_last(last->str);
    }
    return false;
}

static bool work(struct ctl *ctl, GError **error)
{
    double interval_s;
    g_autoptr(GString) out = g_string_new(NULL);

    if (!ctl_output_begin(error))
        return false;
    if (ctl->wants_help) {
        append_help(out);
        return ctl_write(out->str, error);
    }
    ctl->style.has_colours = ctl_output_is_terminal() && !ctl->is_json &&
                             !(g_getenv("NO_COLOR") && *g_getenv("NO_COLOR"));
    ctl->link =
        ctl_link_open(ctl->path, in_ns(ctl->patience_s ? ctl->patience_s : PATIENCE_S), error);
    if (!ctl->link)
        return false;
    interval_s = interval_of(ctl);
    return interval_s > 0 ? repeat(ctl, interval_s, error) : show(ctl, out, false, error);
}

/* Ctrl-C is how tables and events are meant to end. Any other signal ends us as it would have. */
static int end_by_signal(const struct ctl *ctl)
{
    const bool is_endless = ctl->link && (interval_of(ctl) > 0 || ctl->command->run == ctl_events);

    if (is_endless && ctl_signal() == SIGINT)
        return CTL_OK;
    ctl_die_by_signal();
}

static int report(const struct ctl *ctl, const GError *error)
{
    if (g_error_matches(error, CTL_ERROR, CTL_ERROR_SIGNAL))
        return end_by_signal(ctl);
    if (*error->message)
        log_error("%s", error->message);
    return error->domain == KEYVAL_ERROR ? CTL_USAGE : CTL_FAILED;
}

int ctl_main(int argc, char **argv)
{
    struct ctl ctl = { 0 };
    g_autofree char **words = g_new0(char *, (size_t)argc + 1);
    g_autoptr(GError) error = NULL;
    int status = CTL_OK;

    if (!parse(&ctl, argc, argv, words, &error) || !work(&ctl, &error))
        status = report(&ctl, error);
    g_clear_pointer(&ctl.before, json_node_unref);
    ctl_link_close(ctl.link);
    return status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table of options, which is also what -help prints. Names and
 * meanings are QEMU's where it has them, so that a script moves over by changing
 * the program's name.
 *
 * Errors of the domain KEYVAL_ERROR are errors of use (exit code 2).
 */
#ifndef UI_OPTIONS_H
#define UI_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/machine/machine.h"
#include "ui/show.h"
#include "util/rcu_control.h"
#include "util/trace_file.h"

/* What was asked for. Strings belong to it. */
struct options {
    bool is_done;               /* an option printed what was asked for: end, with success */
    bool wants_kvm, wants_soft; /* back ends, in this order */
    char *name;                 /* NULL: none */
    uint64_t nr_cpus;
    uint64_t ram_size;
    char *kernel, *initrd, *append;
    char *serial;       /* a back end's spec; NULL: not said */
    bool no_defaults;   /* then NULL above is none */
    GPtrArray *drives;  /* struct machine_drive * */
    GPtrArray *devices; /* char *: values of -device, and so on */
    GPtrArray *netdevs, *nics;
    struct show_config show;
    bool ends_on_reset;
    bool starts_stopped;
    char *qmp;        /* NULL: none */
    char *stats_path; /* NULL: none */
    char *log_path;
    bool has_trace, has_trace_pattern;
    struct trace_selection trace;
    char *trace_path; /* NULL: as a trace is called by itself */
    char *metrics;    /* NULL: none */
    struct rcu_config rcu;
};

void options_fini(struct options *options);

/** Fills *@ret_options, also on failure. */
bool options_parse(struct options *ret_options, int argc, char **argv, GError **error) MUST_CHECK;

#endif

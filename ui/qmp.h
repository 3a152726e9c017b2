/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * QMP: the machine is looked at, steered and photographed by JSON over a Unix socket, in QEMU's
 * protocol (docs/qmp.md). Several clients at once; each has its commands done in their order.
 *
 * Clients are trusted to steer the machine, not to be well-behaved: what they send has limits, and
 * one that does not read is disconnected. Nothing here waits: not for a client, not for the
 * machine's screens.
 *
 * Threads: under the BQL on the main thread.
 */
#ifndef UI_QMP_H
#define UI_QMP_H

#include <glib.h>
#include <stdbool.h>

#include "util/bql.h"

struct machine;
struct qmp;

enum {
    QMP_CLIENTS_MAX = 8,        /* at once; more wait */
    QMP_OUTPUT_FULL = 64 << 10, /* bytes that a client has not read: it gets no more done … */
    QMP_OUTPUT_MAX = 4 << 20,   /* … and is disconnected */
};

/** Before @machine is freed. What has not been answered will not be. */
void qmp_free(struct qmp *qmp) REQUIRES(bql); /* NULL is fine */
struct qmp *qmp_new(struct machine *machine) OWNED_BY(qmp_free) REQUIRES(bql);

/** What the machine is called (-name), for query-name. Stays the caller's, and stays. */
void qmp_set_name(struct qmp *qmp, const char *name) REQUIRES(bql);

/**
 * Listen at @spec, the value of -qmp: "unix:PATH,server=on,wait=off". With wait=on, the default,
 * a client has connected when this returns. Once.
 */
bool qmp_listen(struct qmp *qmp, const char *spec, GError **error) MUST_CHECK REQUIRES(bql);

/** The socket @fd, which is given, is a client. */
void qmp_add_client(struct qmp *qmp, int fd) REQUIRES(bql);

#endif

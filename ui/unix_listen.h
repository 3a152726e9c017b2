/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A listening Unix socket at a path, which only the owner may connect to, and
 * whose clients the main loop accepts.
 *
 * What a dead process left at the path is removed, if it is a socket and nobody
 * answers there. Two that start at once are kept apart by a lock on the
 * directory. At the end the path is removed, unless it has become another's.
 */
#ifndef UI_UNIX_LISTEN_H
#define UI_UNIX_LISTEN_H

#include <glib.h>
#include <stdbool.h>
#include <sys/un.h>

#include "util/loop.h"

/* All private. All zero bytes: it does not listen, which is fine for all but unix_listen_wait(). */
struct unix_listen {
    int fd;
    char *path; /* NULL: it does not listen */
    dev_t device;
    ino_t inode;
    struct loop_watch *watch;
    struct loop_timer again; /* set: no client could be accepted, and none is looked for */
    bool is_paused;
    void (*accepted)(void *opaque, int fd);
    void *opaque;
};

void unix_listen_fini(struct unix_listen *listen) REQUIRES(bql);
/**
 * @accepted, called with the BQL, has each client's non-blocking @fd from then on. On failure
 * nothing is left, and @error names @path.
 */
bool unix_listen_init(struct unix_listen *listen, const char *path,
                      void (*accepted)(void *opaque, int fd), void *opaque, GError **error)
    MUST_CHECK REQUIRES(bql);
/** Whether those that come have to wait. */
void unix_listen_set_paused(struct unix_listen *listen, bool is_paused) REQUIRES(bql);

/**
 * Wait until a client comes, and accept it, if it is still there: not on the main loop, but for it.
 * False: a signal that ends programs is pending, and stays so.
 */
bool unix_listen_wait(struct unix_listen *listen, GError **error) MUST_CHECK REQUIRES(bql);

/** Whether that was it: nothing has failed, the program is to end. */
bool unix_listen_was_ended(const GError *error);

/** The address of @path, or an error that names it. */
bool unix_address(struct sockaddr_un *ret_address, const char *path, GError **error) MUST_CHECK;

#endif

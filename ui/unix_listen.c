/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ui/ending.h"
#include "ui/unix_listen.h"
#include "util/clock.h"
#include "util/log.h"

enum { BACKLOG = 4 };
#define LOCK_PATIENCE_NS (NS_PER_S / 2)

static bool fail(GError **error, const char *path, const char *what)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "cannot listen on '%s': %s", path, what);
    return false;
}

bool unix_address(struct sockaddr_un *ret_address, const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(address.sun_path)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NAMETOOLONG,
                    "socket path '%s' is longer than %zu bytes", path,
                    sizeof(address.sun_path) - 1);
        return false;
    }
    memcpy(address.sun_path, path, strlen(path));
    *ret_address = address;
    return true;
}

/*
 * Held until it is closed; -1: without, then. Others of us have it for microseconds; but whoever
 * may read a directory may lock it, for as long as he likes.
 */
static int lock_directory(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    const int64_t deadline = deadline_after_ns(monotonic_ns(), LOCK_PATIENCE_NS);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || monotonic_ns() >= deadline) {
            close(fd);
            return -1;
        }
        (void)poll(NULL, 0, 1); /* the kernel tells nobody that a lock is free */
    }
    return fd;
}

/* Whether nobody listens at @address any more. */
static bool is_stale(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_refused;

    if (fd < 0)
        return false;
    is_refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    return is_refused;
}

static bool remove_stale(const struct sockaddr_un *address, GError **error)
{
    const char *path = address->sun_path;
    struct stat status;

    if (lstat(path, &status) < 0)
        return true; /* nothing there; bind() says what else is wrong */
    if (!S_ISSOCK(status.st_mode))
        return fail(error, path, "it exists and is no socket");
    if (!is_stale(address))
        return fail(error, path, "another process does");
    if (unlink(path) < 0)
        return fail(error, path, g_strerror(errno));
    return true;
}

static bool bind_and_listen(int fd, const struct sockaddr_un *address, GError **error)
{
    if (!remove_stale(address, error))
        return false;
    /* Before bind(), so that there is no moment at which others may connect (unix(7) on Linux: the
     * socket's own mode, less the umask, is the path's). */
    if (fchmod(fd, S_IRUSR | S_IWUSR) < 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return fail(error, address->sun_path, g_strerror(errno));
    if (listen(fd, BACKLOG) < 0) {
        fail(error, address->sun_path, g_strerror(errno));
        unlink(address->sun_path);
        return false;
    }
    return true;
}

/* ---- Clients --------------------------------------------------------------------------------- */

static void update_watch(struct unix_listen *listen) REQUIRES(bql)
{
    const bool is_open = !listen->is_paused && !loop_timer_is_set(&listen->again);

    loop_watch_set_events(listen->watch, is_open ? POLLIN : 0);
}

void unix_listen_set_paused(struct unix_listen *listen, bool is_paused)
{
    if (!listen->path)
        return;
    listen->is_paused = is_paused;
    update_watch(listen);
}

static void on_again(struct loop_timer *timer) NO_THREAD_SAFETY /* by the main loop */
{
    update_watch(container_of(timer, struct unix_listen, again));
}

static void on_connection(void *opaque, short revents UNUSED)
    NO_THREAD_SAFETY /* by the main loop */
{
    struct unix_listen *listen = opaque;
    const int fd = accept4(listen->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        listen->accepted(listen->opaque, fd);
    } else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
        LOG_RATELIMITED(log_warn, "cannot accept a connection to '%s': %s", listen->path,
                        g_strerror(errno));
        loop_timer_set(&listen->again, monotonic_ns() + NS_PER_S); /* it would be told at once */
        update_watch(listen);
    }
}

/* ---- Life ------------------------------------------------------------------------------------ */

bool unix_listen_init(struct unix_listen *ret_listen, const char *path,
                      void (*accepted)(void *opaque, int fd), void *opaque, GError **error)
{
    struct sockaddr_un address;
    struct stat status = { .st_dev = 0 };
    int fd, directory;
    bool is_listening;

    if (!unix_address(&address, path, error))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(error, path, g_strerror(errno));
    directory = lock_directory(path);
    is_listening = bind_and_listen(fd, &address, error);
    if (is_listening)
        (void)lstat(path, &status); /* fails: then it is not ours to remove, either */
    if (directory >= 0)
        close(directory);
    if (!is_listening) {
        close(fd);
        return false;
    }
    *ret_listen = (struct unix_listen){
        .fd = fd,
        .path = g_strdup(path),
        .device = status.st_dev,
        .inode = status.st_ino,
        .watch = loop_watch_new(fd, POLLIN, on_connection, ret_listen),
        .again.fn = on_again,
        .accepted = accepted,
        .opaque = opaque,
    };
    return true;
}

/* Ready when a signal that ends programs is blocked and pending; it stays so. -1: none is. */
static int pending_signals_new(void)
{
    sigset_t set;

    ending_signals(&set);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

bool unix_listen_wait(struct unix_listen *listen, GError **error)
{
    struct pollfd pollfds[] = { { .fd = listen->fd, .events = POLLIN },
                                { .fd = pending_signals_new(), .events = POLLIN } };
    bool is_interrupted;

    log_info("waiting for a client of '%s'", listen->path);
    bql_unlock();
    is_interrupted = poll(pollfds, ARRAY_SIZE(pollfds), -1) < 0 || pollfds[1].revents;
    bql_lock();
    if (pollfds[1].fd >= 0)
        close(pollfds[1].fd);
    if (is_interrupted)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INTR,
                    "ended while waiting for a client of '%s'", listen->path);
    else
        on_connection(listen, POLLIN);
    return !is_interrupted;
}

bool unix_listen_was_ended(const GError *error)
{
    return g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_INTR);
}

void unix_listen_fini(struct unix_listen *listen)
{
    struct stat status;
    int directory;

    if (!listen->path)
        return;
    loop_timer_cancel(&listen->again);
    loop_watch_free(listen->watch);
    directory = lock_directory(listen->path);
    if (lstat(listen->path, &status) == 0 && status.st_dev == listen->device &&
        status.st_ino == listen->inode)
        unlink(listen->path);
    if (directory >= 0)
        close(directory);
    close(listen->fd);
    g_clear_pointer(&listen->path, g_free);
}

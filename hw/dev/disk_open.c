/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a path to a descriptor, or to a sentence that says what is wrong with it.
 *
 * The lock is one of the open file description (fcntl(2)): it goes with the last
 * descriptor, a second opening in this very process meets it too, and closing
 * another descriptor of the file does not lose it. It covers the whole file and is
 * advisory: programs that do not lock are not kept out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/dev/disk_internal.h"
#include "util/log.h"

enum { SECTOR = 512 };

static void PRINTF_LIKE(3, 4) fail(GError **error, int error_number, const char *format, ...)
{
    va_list args;
    g_autofree char *text = NULL;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, G_FILE_ERROR, g_file_error_from_errno(error_number), text);
}

/* What cannot be a disk is called by its name; NULL for what can. */
static const char *unsuitable_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFBLK:
        return NULL;
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a pipe";
    case S_IFSOCK:
        return "a socket";
    case S_IFCHR:
        return "a character device";
    default:
        return "neither a file nor a block device";
    }
}

static bool check_kind(const char *path, const struct stat *status, GError **error)
{
    const char *kind = unsuitable_kind(status->st_mode);

    if (kind)
        fail(error, EINVAL, "disk image '%s' is %s: it must be a raw image file or a block device",
             path, kind);
    return !kind;
}

static void fail_to_open(const char *path, bool is_readonly, int error_number, GError **error)
{
    if (error_number == EBUSY)
        fail(error, error_number,
             "block device '%s' is in use: it is mounted, or another device is built on it", path);
    else if (!is_readonly && (error_number == EACCES || error_number == EROFS ||
                              error_number == EPERM || error_number == ETXTBSY))
        fail(error, error_number,
             "disk image '%s' cannot be opened for writing: %s (readonly=on would only read it)",
             path, g_strerror(error_number));
    else
        fail(error, error_number, "disk image '%s' cannot be opened: %s", path,
             g_strerror(error_number));
}

static int open_path(const char *path, bool is_readonly, GError **error)
{
    /* O_NONBLOCK: for the moment in which the file may have become a pipe. */
    int flags = (is_readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat status;
    int fd;

    if (stat(path, &status) != 0) {
        fail_to_open(path, is_readonly, errno, error);
        return -1;
    }
    if (!check_kind(path, &status, error))
        return -1;
    if (S_ISBLK(status.st_mode) && !is_readonly)
        flags |= O_EXCL; /* open(2): EBUSY if the system itself uses the device */
    fd = open(path, flags);
    if (fd < 0)
        fail_to_open(path, is_readonly, errno, error);
    else
        (void)fcntl(fd, F_SETFL, 0); /* files ignore O_NONBLOCK, so it does no harm if it stays */
    return fd;
}

static bool lock_file(int fd, const char *path, bool is_readonly, GError **error)
{
    struct flock lock = {
        .l_type = is_readonly ? F_RDLCK : F_WRLCK,
        .l_whence = SEEK_SET, /* from 0 on, with no end */
    };

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return true;
    if (errno == EAGAIN || errno == EACCES) {
        g_autofree char *holder = disk_holder(fd);

        fail(error, EBUSY,
             is_readonly ? "disk image '%s' is in use: %s writes to it"
                         : "disk image '%s' is in use by %s; who writes must be alone (with "
                           "readonly=on on both sides it can be shared)",
             path, holder);
        return false;
    }
    log_warn("disk image '%s' cannot be locked against a second user: %s", path, g_strerror(errno));
    return true;
}

static bool find_size(int fd, const char *path, uint64_t *ret_size, GError **error)
{
    struct stat status;
    uint64_t size;

    if (fstat(fd, &status) != 0) {
        fail(error, errno, "disk image '%s' cannot be examined: %s", path, g_strerror(errno));
        return false;
    }
    if (!check_kind(path, &status, error))
        return false;
    size = (uint64_t)status.st_size;
    if (S_ISBLK(status.st_mode) && ioctl(fd, BLKGETSIZE64, &size) != 0) {
        fail(error, errno, "block device '%s' does not tell its size: %s", path, g_strerror(errno));
        return false;
    }
    if (size == 0) {
        fail(error, EINVAL, "disk image '%s' is empty", path);
        return false;
    }
    if (size % SECTOR) {
        fail(error, EINVAL,
             "disk image '%s' has %" G_GUINT64_FORMAT " bytes, which are not whole sectors of %d; "
             "`truncate -s %%%d` would fill up the last one",
             path, size, SECTOR, SECTOR);
        return false;
    }
    *ret_size = size;
    return true;
}

static const struct {
    const char *format;
    const char magic[9];
} other_formats[] = {
    { "qcow2", "QFI\xfb" },
    { "VMDK", "KDMV" },
    { "VHDX", "vhdxfile" },
};

/* A guest may write what it likes to its disk: no more than a hint. */
static void warn_of_other_formats(int fd, const char *path)
{
    char start[8];

    if (pread(fd, start, sizeof(start), 0) != (ssize_t)sizeof(start))
        return; /* the first real read will tell */
    for (size_t i = 0; i < ARRAY_SIZE(other_formats); i++) {
        const char *magic = other_formats[i].magic;

        if (memcmp(start, magic, strlen(magic)) == 0)
            log_warn("disk image '%s' looks like %s, but is used as a raw image: the guest will "
                     "see that format's own data (`qemu-img convert -O raw` makes a raw image)",
                     path, other_formats[i].format);
    }
}

int disk_open_file(const char *path, bool is_readonly, uint64_t *ret_size, GError **error)
{
    int fd = open_path(path, is_readonly, error);

    if (fd < 0)
        return -1;
    if (!find_size(fd, path, ret_size, error) || !lock_file(fd, path, is_readonly, error)) {
        (void)close(fd); /* nothing was written */
        return -1;
    }
    warn_of_other_formats(fd, path);
    return fd;
}

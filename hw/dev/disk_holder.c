/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a file locked. The kernel tells no process for locks of open file
 * descriptions, since several may share one; but /proc/PID/fdinfo/N names the locks
 * of a descriptor (proc(5)). Of other users' processes there is nothing to be seen.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/dev/disk_internal.h"

/* Whether the first lines of @fdinfo's file @name, where all is, name a lock. */
static bool has_lock(int fdinfo, const char *name)
{
    char text[1024];
    ssize_t got = 0;
    int fd = openat(fdinfo, name, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        got = read(fd, text, sizeof(text) - 1);
        (void)close(fd); /* only read */
    }
    text[MAX(got, 0)] = '\0';
    return strstr(text, "lock:");
}

/* Whether one of the descriptors in @fds, a /proc/PID/fd, is the file, with a lock. */
static bool is_held_in(DIR *fds, int fdinfo, const struct stat *file)
{
    const struct dirent *entry;
    struct stat status;

    while ((entry = readdir(fds))) {
        if (g_ascii_isdigit(entry->d_name[0]) &&
            fstatat(dirfd(fds), entry->d_name, &status, 0) == 0 && /* what the link leads to */
            status.st_ino == file->st_ino && status.st_dev == file->st_dev &&
            has_lock(fdinfo, entry->d_name))
            return true;
    }
    return false;
}

static bool is_held_by(const char *process, const struct stat *file)
{
    g_autofree char *fd_path = g_build_filename("/proc", process, "fd", NULL);
    g_autofree char *info_path = g_build_filename("/proc", process, "fdinfo", NULL);
    DIR *fds = opendir(fd_path);
    int fdinfo = open(info_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_held = fds && fdinfo >= 0 && is_held_in(fds, fdinfo, file);

    if (fds)
        (void)closedir(fds);
    if (fdinfo >= 0)
        (void)close(fdinfo);
    return is_held;
}

static char *describe(const char *process)
{
    g_autofree char *path = g_build_filename("/proc", process, "comm", NULL);
    g_autofree char *name = NULL;

    if (g_ascii_strtoll(process, NULL, 10) == getpid())
        return g_strdup("this very process");
    if (!g_file_get_contents(path, &name, NULL, NULL))
        return g_strdup_printf("process %s", process);
    return g_strdup_printf("process %s (%s)", process, g_strchomp(name));
}

char *disk_holder(int fd)
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    struct stat file;
    char *holder = NULL;

    if (processes && fstat(fd, &file) == 0) {
        while (!holder && (entry = readdir(processes))) {
            if (g_ascii_isdigit(entry->d_name[0]) && is_held_by(entry->d_name, &file))
                holder = describe(entry->d_name);
        }
    }
    if (processes)
        (void)closedir(processes);
    return holder ? holder : g_strdup("another program, perhaps another virtual machine");
}

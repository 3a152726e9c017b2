/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Image files for tests of disks.
 */
#ifndef TESTS_UNIT_DISK_SCENE_H
#define TESTS_UNIT_DISK_SCENE_H

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "hw/dev/disk.h"

enum { SECTOR = 512 };

/* An image of @size bytes, each 512 of them with their own number modulo 256. Free by image_end().
 */
static inline char *image_new(size_t size)
{
    char *path = g_strdup_printf("%s/gracevm-disk-XXXXXX", g_get_tmp_dir());
    g_autofree uint8_t *bytes = g_malloc(size + 1);
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i / SECTOR);
    g_assert_cmpint(write(fd, bytes, size), ==, (gssize)size);
    close(fd);
    return path;
}

static inline void image_end(char *path)
{
    g_assert_cmpint(unlink(path), ==, 0);
    g_free(path);
}

static inline struct disk *must_open(const char *path, bool is_readonly) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = disk_open(path, is_readonly, &error);

    g_assert_no_error(error);
    g_assert_nonnull(disk);
    return disk;
}

#endif

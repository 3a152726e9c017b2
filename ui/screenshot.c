/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/screenshot.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/display/display.h"
#include "ui/save.h"
#include "util/list.h"
#include "util/loop.h"
#include "util/thread.h"

struct shot {
    char *path;
    void (*done)(void *opaque, GError *error);
    void *opaque;

    /* Of the main loop, and of the writer while there is one. */
    pixman_image_t *picture; /* a copy; NULL: there is an error */
    GError *error;

    struct thread *writer;
    int end_fd; /* readable: the program ends. -1: it may have to wait */
    struct deferred on_written;
    struct list_node link;
};

/* Those that have been drawn or cannot be. The first is being written, or its error told. */
static struct list drawn GUARDED_BY(bql) = { { &drawn.root, &drawn.root } };

static GError *error_of(const struct shot *shot, int reason, const char *what)
{
    return g_error_new(G_FILE_ERROR, (int)g_file_error_from_errno(reason), "%s: %s", shot->path,
                       what);
}

/* ---- The writer's thread --------------------------------------------------------------------- */

/* As bytes red, green, blue, which is all that a PNG without transparency can take. */
static pixman_image_t *to_rgb(pixman_image_t *picture)
{
    const int width = pixman_image_get_width(picture), height = pixman_image_get_height(picture);
    pixman_image_t *rgb = pixman_image_create_bits(PIXMAN_b8g8r8, width, height, NULL, 0);

    if (rgb)
        pixman_image_composite32(PIXMAN_OP_SRC, picture, NULL, rgb, 0, 0, 0, 0, 0, 0, width,
                                 height);
    return rgb;
}

/* Into memory. */
static bool make_png(const struct shot *shot, char **ret_bytes, size_t *ret_size, GError **error)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)pixman_image_get_width(shot->picture),
        .height = (png_uint_32)pixman_image_get_height(shot->picture),
        .format = PNG_FORMAT_RGB,
        .flags = PNG_IMAGE_FLAG_FAST,
    };
    pixman_image_t *rgb = to_rgb(shot->picture);
    FILE *file = rgb ? open_memstream(ret_bytes, ret_size) : NULL;
    bool is_good = file && png_image_write_to_stdio(&png, file, 0, pixman_image_get_data(rgb),
                                                    pixman_image_get_stride(rgb), NULL);

    if (file && fclose(file) != 0)
        is_good = false;
    if (rgb)
        pixman_image_unref(rgb);
    if (!is_good) /* there is nothing else that can go wrong */
        *error = error_of(shot, ENOMEM, g_strerror(ENOMEM));
    return is_good;
}

static bool write_shot(const struct shot *shot, GError **error)
{
    char *bytes = NULL;
    size_t size = 0;
    const bool is_good = make_png(shot, &bytes, &size, error) &&
                         save_bytes(shot->path, bytes, size, shot->end_fd, error);

    free(bytes);
    return is_good;
}

static void writer(void *arg)
{
    struct shot *shot = arg;

    (void)write_shot(shot, &shot->error); /* that says it */
    loop_defer(&shot->on_written);
}

/* ---- The main loop --------------------------------------------------------------------------- */

static void begin_first(void) REQUIRES(bql)
{
    struct shot *shot = list_first_entry(&drawn, struct shot, link);

    if (!shot)
        return;
    if (shot->picture) {
        shot->writer = thread_start("screenshot", writer, shot);
        if (!shot->writer)
            shot->error = error_of(shot, errno, g_strerror(errno));
    }
    if (!shot->writer)
        loop_defer(&shot->on_written);
}

static void end(struct shot *shot)
{
    shot->done(shot->opaque, shot->error);
    if (shot->picture)
        pixman_image_unref(shot->picture);
    if (shot->end_fd >= 0)
        close(shot->end_fd);
    g_free(shot->path);
    g_free(shot);
}

static void end_first(struct shot *shot) REQUIRES(bql)
{
    if (shot->writer) {
        bql_unlock(); /* L8; it has nothing left to do but to end */
        thread_join(shot->writer);
        bql_lock();
    }
    loop_cancel(&shot->on_written);
    list_remove(&shot->link);
    begin_first();
    end(shot);
}

static void on_written(struct deferred *deferred)
{
    bql_assert_held();
    end_first(container_of(deferred, struct shot, on_written));
}

static pixman_image_t *copy(pixman_image_t *picture)
{
    const int width = pixman_image_get_width(picture), height = pixman_image_get_height(picture);
    const int stride = pixman_image_get_stride(picture);
    pixman_image_t *same =
        pixman_image_create_bits_no_clear(PIXMAN_x8r8g8b8, width, height, NULL, stride);

    if (same)
        memcpy(pixman_image_get_data(same), pixman_image_get_data(picture),
               (size_t)height * (size_t)stride);
    return same;
}

struct request {
    struct console *console;
    struct shot *shot;
};

static void on_drawn(void *opaque, bool is_gone)
{
    struct request *request = opaque;
    struct shot *shot = request->shot;
    pixman_image_t *picture;
    bool is_idle;

    bql_assert_held();
    picture = is_gone ? NULL : console_picture(request->console);
    g_free(request);
    if (picture)
        shot->picture = copy(picture);
    if (is_gone)
        shot->error = error_of(shot, ENODEV, "the screen is gone");
    else if (!picture)
        shot->error = error_of(shot, ENODEV, "the screen is off");
    else if (!shot->picture)
        shot->error = error_of(shot, ENOMEM, g_strerror(ENOMEM));
    if (is_gone) { /* as does, perhaps, the main loop */
        end(shot);
        return;
    }
    is_idle = list_is_empty(&drawn);
    list_insert_tail(&drawn, &shot->link);
    if (is_idle)
        begin_first();
}

void screenshot_save(struct console *console, const char *path,
                     void (*done)(void *opaque, GError *error), void *opaque)
{
    struct shot *shot = g_new0(struct shot, 1);
    struct request *request = g_new0(struct request, 1);

    shot->path = g_strdup(path);
    shot->done = done;
    shot->opaque = opaque;
    shot->end_fd = eventfd(0, EFD_CLOEXEC);
    deferred_init(&shot->on_written, on_written);
    *request = (struct request){ console, shot };
    console_refresh(console, on_drawn, request);
}

void screenshots_finish(void)
{
    struct shot *shot;

    while ((shot = list_first_entry(&drawn, struct shot, link))) {
        (void)eventfd_write(shot->end_fd, 1);
        end_first(shot);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <png.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/display_scene.h"
#include "ui/screenshot.h"
#include "util/loop.h"
#include "util/start.h"

static char *folder;

/* Somebody who has asked for a screenshot. */
struct asker {
    bool is_answered;
    char *message; /* NULL: it is there */
    int code;
};

static unsigned nr_answers;

static void on_saved(void *opaque, GError *error)
{
    struct asker *asker = opaque;

    bql_assert_held();
    g_assert_false(asker->is_answered);
    asker->is_answered = true;
    nr_answers++;
    if (!error)
        return;
    g_assert_true(error->domain == G_FILE_ERROR);
    asker->message = g_strdup(error->message);
    asker->code = error->code;
    g_error_free(error);
}

static void save(struct screen *screen, const char *path, struct asker *asker) REQUIRES(bql)
{
    *asker = (struct asker){ .is_answered = false };
    screenshot_save(screen->console, path, on_saved, asker);
    g_assert_false(asker->is_answered);
}

static void wait_for(const struct asker *asker) REQUIRES(bql)
{
    while (!asker->is_answered)
        loop_iterate(true);
}

static void save_and_wait(struct screen *screen, const char *path, struct asker *asker)
    REQUIRES(bql)
{
    screen->draws_at_once = true;
    save(screen, path, asker);
    wait_for(asker);
}

static void check_error(struct asker *asker, const char *expected)
{
    g_assert_cmpstr(asker->message, ==, expected);
    g_free(asker->message);
}

/* Rows of red, green, blue. */
static uint8_t *load(const char *path, unsigned *ret_width, unsigned *ret_height)
{
    png_image png = { .version = PNG_IMAGE_VERSION };
    uint8_t *pixels;

    g_assert_true(png_image_begin_read_from_file(&png, path));
    g_assert_cmpuint(png.format, ==, PNG_FORMAT_RGB); /* no transparency */
    pixels = g_malloc(PNG_IMAGE_SIZE(png));
    g_assert_true(png_image_finish_read(&png, NULL, pixels, 0, NULL));
    *ret_width = png.width;
    *ret_height = png.height;
    return pixels;
}

static unsigned nr_files(void)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    unsigned nr = 0;

    while (g_dir_read_name(dir))
        nr++;
    g_dir_close(dir);
    return nr;
}

static void pixels_are_those_of_the_screen(void) REQUIRES(bql)
{
    g_autofree char *path = g_build_filename(folder, "shot.png", NULL);
    g_autofree uint8_t *pixels = NULL;
    unsigned width, height;
    struct screen screen;
    struct asker asker;

    screen_start(&screen, 33, 17); /* rows that are no multiple of anything */
    fill(screen.console, &(struct rect){ 0, 0, 33, 17 }, 0xff102030);
    fill(screen.console, &(struct rect){ 32, 16, 1, 1 }, 0x00fedcba);
    save_and_wait(&screen, path, &asker);
    check_error(&asker, NULL);
    pixels = load(path, &width, &height);
    g_assert_cmpuint(width, ==, 33);
    g_assert_cmpuint(height, ==, 17);
    g_assert_cmpmem(pixels, 3, "\x10\x20\x30", 3);
    g_assert_cmpmem(pixels + (size_t)3 * (33 * 17 - 1), 3, "\xfe\xdc\xba", 3);
    g_assert_cmpmem(pixels + (size_t)3 * (33 * 17 - 2), 3, "\x10\x20\x30", 3);
    g_assert_cmpuint(nr_files(), ==, 1);
    g_unlink(path);
    screen_end(&screen);
}

static void shows_what_has_been_drawn_until_asked(void) REQUIRES(bql)
{
    g_autofree char *path = g_build_filename(folder, "shot.png", NULL);
    g_autofree uint8_t *pixels = NULL;
    unsigned width, height;
    struct screen screen;
    struct asker asker;

    screen_start(&screen, 2, 2);
    save(&screen, path, &asker);
    g_assert_cmpuint(screen.nr_refreshes, ==, 1);
    while (loop_iterate(false)) /* whatever else there is to do */
        g_assert_false(asker.is_answered);
    fill(screen.console, &(struct rect){ 0, 0, 2, 2 }, 0xaabbcc);
    console_refreshed(screen.console);
    fill(screen.console, &(struct rect){ 0, 0, 2, 2 }, 0x112233); /* too late */
    wait_for(&asker);
    check_error(&asker, NULL);
    pixels = load(path, &width, &height);
    g_assert_cmpmem(pixels, 3, "\xaa\xbb\xcc", 3);
    g_unlink(path);
    screen_end(&screen);
}

static void errors_name_the_file_and_leave_nothing(void) REQUIRES(bql)
{
    g_autofree char *nowhere = g_build_filename(folder, "no", "shot.png", NULL);
    g_autofree char *expected = g_strdup_printf("%s: No such file or directory", nowhere);
    g_autofree char *is_folder = g_strdup_printf("%s: Is a directory", folder);
    struct screen screen;
    struct asker asker;

    screen_start(&screen, 64, 64);
    save_and_wait(&screen, nowhere, &asker);
    check_error(&asker, expected);
    g_assert_cmpint(asker.code, ==, G_FILE_ERROR_NOENT);
    save_and_wait(&screen, folder, &asker);
    check_error(&asker, is_folder);
    save_and_wait(&screen, "/dev/full", &asker);
    check_error(&asker, "/dev/full: No space left on device");
    g_assert_true(console_resize(screen.console, 0, 0));
    save_and_wait(&screen, "some.png", &asker);
    check_error(&asker, "some.png: the screen is off");
    g_assert_cmpuint(nr_files(), ==, 0);
    screen_end(&screen);
}

static void devices_stay_what_they_are(void) REQUIRES(bql)
{
    g_autofree char *link = g_build_filename(folder, "end", NULL);
    g_autofree char *end = NULL;
    struct screen screen;
    struct asker asker;
    struct stat status;
    int ends[2];

    screen_start(&screen, 8, 8);
    save_and_wait(&screen, "/dev/null", &asker);
    check_error(&asker, NULL);
    g_assert_cmpint(stat("/dev/null", &status), ==, 0);
    g_assert_true(S_ISCHR(status.st_mode));
    /* As /dev/stdout is, where that is a pipe: what it links to has no name. */
    g_assert_cmpint(pipe(ends), ==, 0);
    end = g_strdup_printf("/proc/self/fd/%d", ends[1]);
    g_assert_cmpint(symlink(end, link), ==, 0);
    save_and_wait(&screen, link, &asker);
    check_error(&asker, NULL);
    g_assert_cmpint(lstat(link, &status), ==, 0);
    g_assert_true(S_ISLNK(status.st_mode));
    close(ends[0]);
    close(ends[1]);
    g_unlink(link);
    screen_end(&screen);
}

static void links_stay_links(void) REQUIRES(bql)
{
    g_autofree char *target = g_build_filename(folder, "target.png", NULL);
    g_autofree char *link = g_build_filename(folder, "link.png", NULL);
    struct screen screen;
    struct asker asker;
    struct stat status;

    screen_start(&screen, 8, 8);
    g_assert_true(g_file_set_contents(target, "old", -1, NULL));
    g_assert_cmpint(symlink("target.png", link), ==, 0);
    save_and_wait(&screen, link, &asker);
    check_error(&asker, NULL);
    g_assert_cmpint(lstat(link, &status), ==, 0);
    g_assert_true(S_ISLNK(status.st_mode));
    g_assert_cmpint(stat(target, &status), ==, 0);
    g_assert_cmpint(status.st_size, >, 8);
    g_unlink(link);
    g_unlink(target);
    screen_end(&screen);
}

static void draw_noise(struct screen *screen, unsigned side) REQUIRES(bql)
{
    g_autofree uint32_t *pixels = g_new(uint32_t, (size_t)side * side);

    for (size_t i = 0; i < (size_t)side * side; i++)
        pixels[i] = (uint32_t)g_test_rand_int();
    console_draw(screen->console, &(struct rect){ 0, 0, side, side }, pixels, side * 4);
}

static void wait_for_input(int fd) REQUIRES(bql)
{
    struct pollfd at = { .fd = fd, .events = POLLIN };

    while (poll(&at, 1, 0) == 0)
        loop_iterate(false);
}

/* Of a pipe that nobody empties, until somebody does. */
static void main_loop_goes_on_while_a_file_is_written(void) REQUIRES(bql)
{
    g_autofree char *pipe_path = g_build_filename(folder, "pipe", NULL);
    g_autofree char *path = g_build_filename(folder, "next.png", NULL);
    struct screen screen;
    struct asker first, next;
    uint8_t bytes[4096] = { 0 };
    int fd;

    screen_start(&screen, 512, 512);
    draw_noise(&screen, 512); /* more than a pipe holds */
    g_assert_cmpint(mkfifo(pipe_path, 0600), ==, 0);
    save_and_wait(&screen, pipe_path, &first);
    g_assert_cmpint(first.code, ==, G_FILE_ERROR_NXIO); /* there is no other end */
    g_free(first.message);
    fd = open(pipe_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    save(&screen, pipe_path, &first);
    save(&screen, path, &next);
    wait_for_input(fd);
    g_assert_false(first.is_answered);
    g_assert_false(next.is_answered); /* in order */
    fcntl(fd, F_SETFL, O_RDONLY);
    g_assert_cmpint(read(fd, bytes, sizeof bytes), >, 8);
    g_assert_cmpmem(bytes, 4, "\x89PNG", 4);
    while (read(fd, bytes, sizeof bytes) > 0)
        continue;
    close(fd);
    wait_for(&next);
    g_assert_true(first.is_answered);
    check_error(&first, NULL);
    check_error(&next, NULL);
    g_unlink(pipe_path);
    g_unlink(path);
    screen_end(&screen);
}

static void all_are_answered_at_the_end(void) REQUIRES(bql)
{
    struct asker askers[20], late;
    struct screen screen;

    screen_start(&screen, 256, 256);
    screen.draws_at_once = true;
    nr_answers = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(askers); i++) {
        g_autofree char *name = g_strdup_printf("%u.png", i);
        g_autofree char *path = g_build_filename(folder, name, NULL);

        save(&screen, path, &askers[i]);
    }
    screen.draws_at_once = false;
    save(&screen, "late.png", &late);
    screenshots_finish();
    g_assert_cmpuint(nr_answers, ==, G_N_ELEMENTS(askers));
    g_assert_cmpuint(nr_files(), ==, G_N_ELEMENTS(askers));
    screen_end(&screen);
    g_assert_true(late.is_answered);
    check_error(&late, "late.png: the screen is gone");
    for (unsigned i = 0; i < G_N_ELEMENTS(askers); i++) {
        g_autofree char *name = g_strdup_printf("%u.png", i);
        g_autofree char *path = g_build_filename(folder, name, NULL);

        check_error(&askers[i], NULL);
        g_unlink(path);
    }
}

/* The program ends, though somebody has opened a pipe and takes nothing out of it. */
static void a_pipe_that_nobody_empties_does_not_hold_up_the_end(void) REQUIRES(bql)
{
    g_autofree char *path = g_build_filename(folder, "pipe", NULL);
    g_autofree char *expected =
        g_strdup_printf("%s: the other end had not read it when the program ended", path);
    struct screen screen;
    struct asker asker;
    int fd;

    screen_start(&screen, 512, 512);
    draw_noise(&screen, 512); /* more than a pipe holds */
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    screen.draws_at_once = true;
    save(&screen, path, &asker);
    wait_for_input(fd);
    screenshots_finish();
    g_assert_true(asker.is_answered);
    check_error(&asker, expected);
    close(fd);
    g_unlink(path);
    screen_end(&screen);
}

/* Somebody has opened a pipe and takes nothing: the next one waits for a while, and is written. */
static void a_pipe_that_nobody_empties_is_given_up(void) REQUIRES(bql)
{
    g_autofree char *pipe_path = g_build_filename(folder, "pipe", NULL);
    g_autofree char *path = g_build_filename(folder, "next.png", NULL);
    g_autofree char *expected = g_strdup_printf("%s: the other end does not read", pipe_path);
    struct asker first, next;
    struct screen screen;
    int fd;

    screen_start(&screen, 512, 512);
    draw_noise(&screen, 512); /* more than a pipe holds */
    g_assert_cmpint(mkfifo(pipe_path, 0600), ==, 0);
    fd = open(pipe_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    screen.draws_at_once = true;
    save(&screen, pipe_path, &first);
    save(&screen, path, &next);
    wait_for(&next);
    g_assert_true(first.is_answered);
    check_error(&first, expected);
    check_error(&next, NULL);
    close(fd);
    g_unlink(pipe_path);
    g_unlink(path);
    screen_end(&screen);
}

static int run(void)
{
    int status;

    if (util_start(NULL) != 0)
        return 1;
    status = g_test_run();
    util_stop();
    return status;
}

#define ADD(name) g_test_add_func("/screenshot/" #name, name)

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("screenshot-XXXXXX", NULL);
    ADD(pixels_are_those_of_the_screen);
    ADD(shows_what_has_been_drawn_until_asked);
    ADD(errors_name_the_file_and_leave_nothing);
    ADD(devices_stay_what_they_are);
    ADD(links_stay_links);
    ADD(main_loop_goes_on_while_a_file_is_written);
    ADD(all_are_answered_at_the_end);
    ADD(a_pipe_that_nobody_empties_does_not_hold_up_the_end);
    ADD(a_pipe_that_nobody_empties_is_given_up);
    status = run();
    g_rmdir(folder);
    g_free(folder);
    return status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "ui/fit.h"

static void check(struct fit fit, int x, int y, int width, int height)
{
    g_assert_cmpint(fit.x, ==, x);
    g_assert_cmpint(fit.y, ==, y);
    g_assert_cmpint(fit.width, ==, width);
    g_assert_cmpint(fit.height, ==, height);
}

static void pictures_keep_their_shape_in_the_middle(void)
{
    check(fit_picture(640, 480, 640, 480), 0, 0, 640, 480);
    check(fit_picture(640, 480, 1280, 960), 0, 0, 1280, 960);
    check(fit_picture(640, 480, 1000, 480), 180, 0, 640, 480);
    check(fit_picture(640, 480, 640, 500), 0, 10, 640, 480);
    check(fit_picture(640, 480, 320, 480), 0, 120, 320, 240);
    check(fit_picture(16384, 1, 100, 100), 0, 49, 100, 1); /* always to be seen */
    check(fit_picture(1, 16384, 100, 100), 49, 0, 1, 100);
    check(fit_picture(0, 0, 100, 100), 0, 0, 0, 0);
    check(fit_picture(100, 100, 0, 0), 0, 0, 0, 0);
}

/* What is redrawn is inside the picture, and covers all pixels that the part has a share in. */
static void parts_are_covered(void)
{
    for (unsigned i = 0; i < 100000; i++) {
        const int width = g_test_rand_int_range(1, 3000), height = g_test_rand_int_range(1, 3000);
        const struct fit fit = fit_picture(width, height, g_test_rand_int_range(1, 3000),
                                           g_test_rand_int_range(1, 3000));
        struct fit part = { g_test_rand_int_range(0, width), g_test_rand_int_range(0, height), 0,
                            0 };
        struct fit at;

        part.width = g_test_rand_int_range(1, width - part.x + 1);
        part.height = g_test_rand_int_range(1, height - part.y + 1);
        at = fit_part(&fit, width, height, &part);
        g_assert_cmpint(at.x, >=, fit.x);
        g_assert_cmpint(at.y, >=, fit.y);
        g_assert_cmpint(at.x + at.width, <=, fit.x + fit.width);
        g_assert_cmpint(at.y + at.height, <=, fit.y + fit.height);
        /* In 1/(width × height) of a pixel: from the part's begin to its end. */
        g_assert_cmpint((int64_t)(at.x - fit.x) * width, <=, (int64_t)part.x * fit.width);
        g_assert_cmpint((int64_t)(at.x - fit.x + at.width) * width, >=,
                        (int64_t)(part.x + part.width) * fit.width);
        g_assert_cmpint((int64_t)(at.y - fit.y) * height, <=, (int64_t)part.y * fit.height);
        g_assert_cmpint((int64_t)(at.y - fit.y + at.height) * height, >=,
                        (int64_t)(part.y + part.height) * fit.height);
    }
}

static void without_scaling_parts_are_themselves(void)
{
    const struct fit fit = { 30, 40, 200, 100 }, part = { 7, 8, 9, 10 };

    check(fit_part(&fit, 200, 100, &part), 37, 48, 9, 10);
}

static void positions_come_back_as_the_pixel(void)
{
    static const int sizes[] = { 1, 2, 3, 640, 1023, 1366, 4095, 16384 };
    const int32_t max = 32767;

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        for (int at = 0; at < sizes[i]; at++) {
            const int32_t position = fit_position(at + 17, 17, sizes[i], max);

            g_assert_cmpint(position, >=, 0);
            g_assert_cmpint(position, <=, max);
            g_assert_cmpint((int64_t)position * sizes[i] / (max + 1), ==, at);
        }
        g_assert_cmpint(fit_position(-1000, 17, sizes[i], max), ==,
                        fit_position(17, 17, sizes[i], max));
        g_assert_cmpint(fit_position(100000, 17, sizes[i], max), ==,
                        fit_position(16 + sizes[i], 17, sizes[i], max));
    }
    g_assert_cmpint(fit_position(5, 0, 0, max), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fit/pictures_keep_their_shape_in_the_middle",
                    pictures_keep_their_shape_in_the_middle);
    g_test_add_func("/fit/parts_are_covered", parts_are_covered);
    g_test_add_func("/fit/without_scaling_parts_are_themselves",
                    without_scaling_parts_are_themselves);
    g_test_add_func("/fit/positions_come_back_as_the_pixel", positions_come_back_as_the_pixel);
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a window a picture is: as large as it can be without losing its shape, and in the
 * middle.
 */
#ifndef UI_FIT_H
#define UI_FIT_H

#include <stdint.h>

struct fit {
    int x, y, width, height; /* in the window's pixels; without size: nothing to be seen */
};

/** Of a picture of @width × @height in a window of @outer_width × @outer_height. */
struct fit fit_picture(int width, int height, int outer_width, int outer_height);

/** What of the window shows the part @part of a picture of @width × @height, and, if it is scaled,
 * what its neighbours have a share in. */
struct fit fit_part(const struct fit *fit, int width, int height, const struct fit *part);

/** Window coordinate @at as a position for a tablet, 0 to @max, of one side of the picture, which
 * is at @begin and has @size. What is beside the picture is its edge. */
int32_t fit_position(int at, int begin, int size, int32_t max);

#endif

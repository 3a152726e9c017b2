/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/fit.h"

#include <glib.h>

struct fit fit_picture(int width, int height, int outer_width, int outer_height)
{
    const int64_t wide = (int64_t)width * outer_height, tall = (int64_t)height * outer_width;
    struct fit fit = { 0, 0, outer_width, outer_height };

    if (width <= 0 || height <= 0 || outer_width <= 0 || outer_height <= 0)
        return (struct fit){ 0 };
    if (wide > tall) /* bars above and below */
        fit.height = MAX((int)((tall + width / 2) / width), 1);
    else
        fit.width = MAX((int)((wide + height / 2) / height), 1);
    fit.x = (outer_width - fit.width) / 2;
    fit.y = (outer_height - fit.height) / 2;
    return fit;
}

/* From @begin to @end of @size, in a side of @fit_size pixels from @fit_begin on. */
static void fit_side(int fit_begin, int fit_size, int size, int *begin, int *end)
{
    const int share = fit_size == size ? 0 : 1; /* bilinear: half a pixel of the picture … */
    const int64_t first = MAX(*begin - share, 0), last = MIN(*end + share, size);

    *begin = fit_begin + (int)(first * fit_size / size);
    *end = fit_begin + (int)((last * fit_size + size - 1) / size);
}

struct fit fit_part(const struct fit *fit, int width, int height, const struct fit *part)
{
    int left = part->x, right = part->x + part->width;
    int top = part->y, bottom = part->y + part->height;

    fit_side(fit->x, fit->width, width, &left, &right);
    fit_side(fit->y, fit->height, height, &top, &bottom);
    return (struct fit){ left, top, right - left, bottom - top };
}

/* The middle of the pixel: whatever rounding the guest does, it gets the same pixel. */
int32_t fit_position(int at, int begin, int size, int32_t max)
{
    const int64_t inside = CLAMP((int64_t)at - begin, 0, MAX(size - 1, 0));

    return size > 0 ? (int32_t)((2 * inside + 1) * ((int64_t)max + 1) / (2 * (int64_t)size)) : 0;
}

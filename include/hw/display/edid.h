/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a screen says about itself (VESA E-EDID 1.4, with one CTA-861 extension block).
 */
#ifndef HW_DISPLAY_EDID_H
#define HW_DISPLAY_EDID_H

#include <stdint.h>

enum { EDID_SIZE = 256 };

struct edid_screen {
    const char *name; /* up to 13 characters */
    uint32_t serial;
    /* The preferred mode. At 60 Hz, and the screen has 96 dots an inch. */
    unsigned width, height;
};

/**
 * The preferred mode comes first; the usual ones up to its size and 1024x768 among them. What a
 * detailed timing cannot say (more than 4095 pixels a side) is left out, and the largest mode that
 * fits is preferred.
 */
void edid_make(const struct edid_screen *screen, uint8_t ret_edid[EDID_SIZE]);

#endif

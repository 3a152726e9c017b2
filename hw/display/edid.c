/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of tables and sections are those of VESA E-EDID 1.4 (release A, revision 2), unless
 * another specification is named.
 */
#include "hw/display/edid.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

enum {
    BLOCK_SIZE = 128,

    /* Offsets in the base block (table 3.1). */
    AT_VENDOR = 8,
    AT_SERIAL = 12,
    AT_YEAR = 17,
    AT_VERSION = 18,
    AT_INPUT = 20,
    AT_SIZE_CM = 21,
    AT_GAMMA = 23,
    AT_FEATURES = 24,
    AT_CHROMATICITY = 25,
    AT_ESTABLISHED = 35,
    AT_STANDARD = 38,
    NR_STANDARD = 8,
    AT_DESCRIPTORS = 54,
    NR_DESCRIPTORS = 4,
    DESCRIPTOR_SIZE = 18,
    AT_NR_EXTENSIONS = 126,
    AT_CHECKSUM = 127,

    INPUT_DIGITAL_8_BITS = 0x80 | 2 << 4, /* 3.6.1; the interface is not defined */
    /* 3.6.4: sRGB; the first timing is the native one. Not continuous: guests would make modes up.
     */
    FEATURES = 1 << 2 | 1 << 1,

    TAG_DUMMY = 0x10, /* table 3.23 */
    TAG_NAME = 0xfc,

    AT_CTA_TIMINGS = 7,
    NR_CTA_TIMINGS = 6, /* as many as fit behind */

    SIDE_MAX = 4095, /* 12 bits (3.10.2) */
    DOTS_PER_INCH = 96,
    REFRESH_HZ = 60,
};

/* The red, green and blue of sRGB and its white (IEC 61966-2-1), packed as 3.7 says. */
static const uint8_t srgb[10] = {
    0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54,
};

/* How a usual mode is told. */
enum telling {
    ESTABLISHED, /* by a bit (3.8): its number in the first two bytes, from the right */
    STANDARD,    /* by its width and shape (3.9) */
    DETAILED,
};

struct mode {
    unsigned width, height;
    enum telling telling;
    unsigned bit;
};

/* From the smallest. */
static const struct mode usual[] = {
    { 640, 480, ESTABLISHED, 5 }, { 800, 600, ESTABLISHED, 0 }, { 1024, 768, ESTABLISHED, 8 + 3 },
    { 1280, 720, STANDARD, 0 },   { 1280, 800, STANDARD, 0 },   { 1280, 1024, STANDARD, 0 },
    { 1440, 900, STANDARD, 0 },   { 1600, 900, STANDARD, 0 },   { 1680, 1050, STANDARD, 0 },
    { 1920, 1080, STANDARD, 0 },  { 1920, 1200, STANDARD, 0 },  { 2560, 1440, DETAILED, 0 },
    { 2560, 1600, DETAILED, 0 },  { 3440, 1440, DETAILED, 0 },  { 3840, 2160, DETAILED, 0 },
};

static const struct mode least = { 1024, 768, ESTABLISHED, 8 + 3 };

static bool is_within(const struct mode *mode, unsigned width, unsigned height)
{
    return mode->width <= width && mode->height <= height;
}

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value);
    put16(to + 2, value >> 16);
}

/* The bytes of a block are 0 in sum. */
static void seal(uint8_t *block)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < AT_CHECKSUM; i++)
        sum = (uint8_t)(sum + block[i]);
    block[AT_CHECKSUM] = (uint8_t)-sum;
}

/* ---- Detailed timings ------------------------------------------------------------------------ */

/* In pixels, lines and 10 kHz. */
struct timing {
    unsigned h_blank, h_front, h_sync;
    unsigned v_blank, v_front, v_sync;
    unsigned clock;
};

/* The height of the sync pulse tells the shape (VESA CVT 1.2, table 3-2). */
static unsigned sync_lines(const struct mode *mode)
{
    static const struct {
        unsigned x, y, lines;
    } shapes[] = { { 4, 3, 4 }, { 16, 9, 5 }, { 16, 10, 6 }, { 5, 4, 7 }, { 15, 9, 7 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(shapes); i++) {
        if (mode->width * shapes[i].y == mode->height * shapes[i].x)
            return shapes[i].lines;
    }
    return 10;
}

/*
 * CVT's reduced blanking (VESA CVT 1.2, 5.4): 160 pixels, and lines for at least 460 us. The clock
 * is in steps of 0.25 MHz. What 16 bits of 10 kHz cannot say at 60 Hz is slower.
 */
static struct timing timing_of(const struct mode *mode)
{
    const double frame_us = 1e6 / REFRESH_HZ, least_blank_us = 460;
    const double line_us = (frame_us - least_blank_us) / mode->height;
    struct timing timing = { .h_blank = 160, .h_front = 48, .h_sync = 32, .v_front = 3 };
    unsigned pixels, clock;

    timing.v_sync = sync_lines(mode);
    timing.v_blank = MAX((unsigned)(least_blank_us / line_us) + 1,
                         timing.v_front + timing.v_sync + 6 /* the least back porch */);
    pixels = (mode->width + timing.h_blank) * (mode->height + timing.v_blank);
    clock = pixels / 10000 * REFRESH_HZ + pixels % 10000 * REFRESH_HZ / 10000;
    timing.clock = MIN(clock / 25 * 25, UINT16_MAX);
    return timing;
}

static unsigned millimetres(unsigned pixels)
{
    return (pixels * 254 + DOTS_PER_INCH * 5) / (DOTS_PER_INCH * 10);
}

/* 3.10.2. The screen is as large in all modes. */
static void put_timing(uint8_t *to, const struct mode *mode, const struct mode *preferred)
{
    const struct timing timing = timing_of(mode);
    const unsigned w_mm = millimetres(preferred->width), h_mm = millimetres(preferred->height);

    put16(to, timing.clock);
    to[2] = (uint8_t)mode->width;
    to[3] = (uint8_t)timing.h_blank;
    to[4] = (uint8_t)(mode->width >> 8 << 4 | timing.h_blank >> 8);
    to[5] = (uint8_t)mode->height;
    to[6] = (uint8_t)timing.v_blank;
    to[7] = (uint8_t)(mode->height >> 8 << 4 | timing.v_blank >> 8);
    to[8] = (uint8_t)timing.h_front;
    to[9] = (uint8_t)timing.h_sync;
    to[10] = (uint8_t)((timing.v_front & 0xf) << 4 | (timing.v_sync & 0xf));
    to[11] = (uint8_t)((timing.h_front >> 8) << 6 | (timing.h_sync >> 8) << 4 |
                       (timing.v_front >> 4) << 2 | timing.v_sync >> 4);
    to[12] = (uint8_t)w_mm;
    to[13] = (uint8_t)h_mm;
    to[14] = (uint8_t)(w_mm >> 8 << 4 | h_mm >> 8);
    to[17] = 0x1a; /* separate digital sync, horizontal positive, vertical negative (CVT, 5.4) */
}

/* ---- Others ---------------------------------------------------------------------------------- */

/* Up to 13 characters, then a line feed and blanks (3.10.3.1). */
static void put_text(uint8_t *to, uint8_t tag, const char *text)
{
    const size_t length = MIN(strlen(text), 13);

    to[3] = tag;
    memset(to + 5, ' ', 13);
    for (size_t i = 0; i < length; i++)
        to[5 + i] = (uint8_t)(g_ascii_isprint(text[i]) ? text[i] : '?');
    if (length < 13)
        to[5 + length] = '\n';
}

/* 3.9: the width in eights from 248 on, and the shape. At 60 Hz, which is 0. */
static void put_standard(uint8_t *to, const struct mode *mode)
{
    static const struct {
        unsigned x, y;
    } shapes[] = { { 16, 10 }, { 4, 3 }, { 5, 4 }, { 16, 9 } };
    unsigned shape = 0;

    while (mode->width * shapes[shape].y != mode->height * shapes[shape].x) {
        shape++;
        g_assert_cmpuint(shape, <, G_N_ELEMENTS(shapes));
    }
    to[0] = (uint8_t)(mode->width / 8 - 31);
    to[1] = (uint8_t)(shape << 6);
}

static struct mode preferred_of(const struct edid_screen *screen)
{
    struct mode preferred = least;

    if (screen->width && screen->height && screen->width <= SIDE_MAX && screen->height <= SIDE_MAX)
        return (struct mode){ screen->width, screen->height, DETAILED, 0 };
    for (unsigned i = 0; i < G_N_ELEMENTS(usual); i++) {
        if (is_within(&usual[i], screen->width, screen->height))
            preferred = usual[i];
    }
    return preferred;
}

static void put_usual(uint8_t *edid, const struct mode *preferred)
{
    uint8_t *cta = edid + BLOCK_SIZE;
    unsigned nr_standard = 0, nr_detailed = 0;

    memset(edid + AT_STANDARD, 1, 2 * NR_STANDARD); /* not used (3.9) */
    for (unsigned i = 0; i < G_N_ELEMENTS(usual); i++) {
        const struct mode *mode = &usual[i];

        if (!is_within(mode, preferred->width, preferred->height) &&
            !is_within(mode, least.width, least.height))
            continue;
        switch (mode->telling) {
        case ESTABLISHED:
            edid[AT_ESTABLISHED + mode->bit / 8] |= (uint8_t)(1 << mode->bit % 8);
            break;
        case STANDARD:
            g_assert_cmpuint(nr_standard, <, NR_STANDARD);
            put_standard(edid + AT_STANDARD + 2 * nr_standard++, mode);
            break;
        case DETAILED:
            g_assert_cmpuint(nr_detailed, <, NR_CTA_TIMINGS);
            put_timing(cta + AT_CTA_TIMINGS + DESCRIPTOR_SIZE * nr_detailed++, mode, preferred);
            break;
        }
    }
}

/* CTA-861-G, 7.5: revision 3, and one data block. All of the picture is shown (underscan). */
static void put_cta_head(uint8_t *cta)
{
    static const uint8_t head[AT_CTA_TIMINGS] = {
        0x02,       3, AT_CTA_TIMINGS, 0x80, /* underscans IT formats */
        7 << 5 | 2, 0, 0x4a, /* video capabilities (7.5.6): underscan; the range can be chosen */
    };

    memcpy(cta, head, sizeof head);
}

static void put_descriptors(uint8_t *edid, const struct edid_screen *screen,
                            const struct mode *preferred)
{
    uint8_t *at = edid + AT_DESCRIPTORS;

    put_timing(at, preferred, preferred);
    put_text(at + DESCRIPTOR_SIZE, TAG_NAME, screen->name);
    for (unsigned i = 2; i < NR_DESCRIPTORS; i++)
        at[i * DESCRIPTOR_SIZE + 3] = TAG_DUMMY;
}

void edid_make(const struct edid_screen *screen, uint8_t ret_edid[EDID_SIZE])
{
    static const uint8_t header[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };
    const struct mode preferred = preferred_of(screen);
    uint8_t *edid = ret_edid;

    memset(edid, 0, EDID_SIZE);
    memcpy(edid, header, sizeof header);
    /* Three letters of 5 bits, A is 1, the first on top, big-endian (3.4.1): "GVM". */
    edid[AT_VENDOR] = ('G' - '@') << 2 | ('V' - '@') >> 3;
    edid[AT_VENDOR + 1] = (uint8_t)(('V' - '@') << 5 | ('M' - '@'));
    put32(edid + AT_SERIAL, screen->serial);
    edid[AT_YEAR] = 2026 - 1990;
    edid[AT_VERSION] = 1;
    edid[AT_VERSION + 1] = 4;
    edid[AT_INPUT] = INPUT_DIGITAL_8_BITS;
    edid[AT_SIZE_CM] = (uint8_t)CLAMP(millimetres(preferred.width) / 10, 1, 255);
    edid[AT_SIZE_CM + 1] = (uint8_t)CLAMP(millimetres(preferred.height) / 10, 1, 255);
    edid[AT_GAMMA] = 220 - 100;
    edid[AT_FEATURES] = FEATURES;
    memcpy(edid + AT_CHROMATICITY, srgb, sizeof srgb);
    put_descriptors(edid, screen, &preferred);
    put_cta_head(edid + BLOCK_SIZE);
    put_usual(edid, &preferred);
    edid[AT_NR_EXTENSIONS] = 1;
    seal(edid);
    seal(edid + BLOCK_SIZE);
}

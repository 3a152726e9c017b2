/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What edid_make() makes, read back by the fields of E-EDID 1.4 and, where it is installed, by
 * edid-decode, which knows what else the specifications demand.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "hw/display/edid.h"

enum { BLOCK_SIZE = 128, AT_STANDARD = 38, AT_TIMING = 54, AT_CTA_TIMINGS = 7 };

static const struct edid_screen ordinary = {
    .name = "gracevm", .serial = 1, .width = 1024, .height = 768
};

static void make(unsigned width, unsigned height, uint8_t edid[EDID_SIZE])
{
    struct edid_screen screen = ordinary;

    screen.width = width;
    screen.height = height;
    memset(edid, 0xaa, EDID_SIZE);
    edid_make(&screen, edid);
}

static unsigned timing_width(const uint8_t *timing)
{
    return timing[2] | (timing[4] & 0xf0u) << 4;
}

static unsigned timing_height(const uint8_t *timing)
{
    return timing[5] | (timing[7] & 0xf0u) << 4;
}

/* In mHz. */
static unsigned timing_rate(const uint8_t *timing)
{
    const uint64_t clock_khz = (timing[0] | (unsigned)timing[1] << 8) * 10u;
    const unsigned h = timing_width(timing) + (timing[3] | (timing[4] & 0xfu) << 8);
    const unsigned v = timing_height(timing) + (timing[6] | (timing[7] & 0xfu) << 8);

    return (unsigned)(clock_khz * 1000 * 1000 / h / v);
}

static void check_preferred(const uint8_t *edid, unsigned width, unsigned height)
{
    g_assert_cmpuint(timing_width(edid + AT_TIMING), ==, width);
    g_assert_cmpuint(timing_height(edid + AT_TIMING), ==, height);
}

/* "640x480 800x600 …": what is offered besides the preferred mode. */
static char *usual_of(const uint8_t *edid)
{
    static const unsigned shapes[4][2] = { { 16, 10 }, { 4, 3 }, { 5, 4 }, { 16, 9 } };
    GString *text = g_string_new(NULL);

    if (edid[35] & 1 << 5)
        g_string_append(text, "640x480 ");
    if (edid[35] & 1 << 0)
        g_string_append(text, "800x600 ");
    if (edid[36] & 1 << 3)
        g_string_append(text, "1024x768 ");
    g_assert_cmphex((edid[35] & ~0x21) | (edid[36] & ~0x08) | edid[37], ==, 0);
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *standard = edid + AT_STANDARD + (size_t)2 * i;
        const unsigned width = (standard[0] + 31u) * 8, *shape = shapes[standard[1] >> 6];

        if (standard[0] == 1 && standard[1] == 1)
            continue;
        g_assert_cmphex(standard[1] & 0x3f, ==, 0); /* 60 Hz */
        g_string_append_printf(text, "%ux%u ", width, width * shape[1] / shape[0]);
    }
    for (const uint8_t *timing = edid + BLOCK_SIZE + AT_CTA_TIMINGS; timing[0] || timing[1];
         timing += 18)
        g_string_append_printf(text, "%ux%u ", timing_width(timing), timing_height(timing));
    return g_string_free(text, false);
}

static void check_usual(unsigned width, unsigned height, const char *expected)
{
    uint8_t edid[EDID_SIZE];
    g_autofree char *usual = NULL;

    make(width, height, edid);
    check_preferred(edid, width, height);
    usual = usual_of(edid);
    g_assert_cmpstr(usual, ==, expected);
}

static void blocks_add_up(void)
{
    static const uint8_t header[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };

    for (unsigned width = 0; width < 20000; width += 97) {
        uint8_t edid[EDID_SIZE], sum[2] = { 0 };

        make(width, width / 7 * 4, edid);
        for (unsigned i = 0; i < EDID_SIZE; i++)
            sum[i / BLOCK_SIZE] = (uint8_t)(sum[i / BLOCK_SIZE] + edid[i]);
        g_assert_cmpuint(sum[0], ==, 0);
        g_assert_cmpuint(sum[1], ==, 0);
        g_assert_cmpmem(edid, sizeof header, header, sizeof header);
        g_assert_cmpuint(edid[126], ==, 1);
    }
}

static void usual_modes_go_up_to_the_preferred_one(void)
{
    check_usual(1024, 768, "640x480 800x600 1024x768 ");
    check_usual(640, 480, "640x480 800x600 1024x768 ");
    check_usual(1, 1, "640x480 800x600 1024x768 ");
    check_usual(1280, 1024, "640x480 800x600 1024x768 1280x720 1280x800 1280x1024 ");
    check_usual(1920, 1080,
                "640x480 800x600 1024x768 1280x720 1280x800 1280x1024 1440x900 1600x900 "
                "1680x1050 1920x1080 ");
    check_usual(4095, 4095,
                "640x480 800x600 1024x768 1280x720 1280x800 1280x1024 1440x900 1600x900 "
                "1680x1050 1920x1080 1920x1200 2560x1440 2560x1600 3440x1440 3840x2160 ");
}

static void what_no_timing_can_say_is_left_out(void)
{
    uint8_t edid[EDID_SIZE];

    make(0, 0, edid);
    check_preferred(edid, 1024, 768);
    make(5120, 2880, edid);
    check_preferred(edid, 3840, 2160);
    make(4096, 800, edid);
    check_preferred(edid, 1280, 800);
    make(300, 16384, edid); /* nothing fits */
    check_preferred(edid, 1024, 768);
    make(UINT32_MAX, UINT32_MAX, edid);
    check_preferred(edid, 3840, 2160);
}

static void pictures_come_60_times_a_second(void)
{
    static const unsigned sizes[][2] = {
        { 640, 480 }, { 1024, 768 }, { 1366, 768 }, { 1919, 1077 }, { 3840, 2160 },
    };
    uint8_t edid[EDID_SIZE];

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        make(sizes[i][0], sizes[i][1], edid);
        g_assert_cmpuint(timing_rate(edid + AT_TIMING), >, 59000);
        g_assert_cmpuint(timing_rate(edid + AT_TIMING), <=, 60001);
    }
    make(4095, 4095, edid); /* as often as 16 bits of 10 kHz allow */
    g_assert_cmpuint(timing_rate(edid + AT_TIMING), >, 30000);
}

static void names_are_cut_and_cleaned(void)
{
    struct edid_screen screen = ordinary;
    uint8_t edid[EDID_SIZE];

    edid_make(&screen, edid);
    g_assert_cmpmem(edid + 72, 18, "\0\0\0\xfc\0gracevm\n     ", 18);
    screen.name = "a\tname of more than 13";
    screen.serial = 0xfedcba98;
    edid_make(&screen, edid);
    g_assert_cmpmem(edid + 72, 18, "\0\0\0\xfc\0a?name of mor", 18);
    g_assert_cmpmem(edid + 12, 4, "\x98\xba\xdc\xfe", 4);
}

/* What it says of it; NULL where it is not installed. */
static char *decode(const uint8_t edid[EDID_SIZE], int *ret_status)
{
    const char *const argv[] = { "edid-decode", "--check", "-", NULL };
    g_autofree char *path = NULL, *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *command = NULL;
    const int fd = g_file_open_tmp("edid-XXXXXX", &path, &error);

    g_assert_no_error(error);
    g_assert_cmpint(write(fd, edid, EDID_SIZE), ==, EDID_SIZE);
    close(fd);
    command = g_strdup_printf("%s %s %s", argv[0], argv[1], path);
    if (!g_spawn_command_line_sync(command, &text, NULL, ret_status, &error))
        g_assert_error(error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT);
    g_unlink(path);
    return g_steal_pointer(&text);
}

static void edid_decode_finds_nothing_wrong(void)
{
    static const unsigned sizes[][2] = {
        { 1024, 768 }, { 640, 480 }, { 1366, 768 }, { 1920, 1080 }, { 3840, 2160 }, { 4095, 4095 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *text = NULL;
        uint8_t edid[EDID_SIZE];
        int status;

        make(sizes[i][0], sizes[i][1], edid);
        text = decode(edid, &status);
        if (!text) {
            g_test_skip("there is no edid-decode (Debian: package edid-decode)");
            return;
        }
        if (!strstr(text, "EDID conformity: PASS") || strstr(text, "\nFailures:")) {
            g_test_message("%ux%u: %s", sizes[i][0], sizes[i][1], text);
            g_test_fail();
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/edid/blocks_add_up", blocks_add_up);
    g_test_add_func("/edid/usual_modes_go_up_to_the_preferred_one",
                    usual_modes_go_up_to_the_preferred_one);
    g_test_add_func("/edid/what_no_timing_can_say_is_left_out", what_no_timing_can_say_is_left_out);
    g_test_add_func("/edid/pictures_come_60_times_a_second", pictures_come_60_times_a_second);
    g_test_add_func("/edid/names_are_cut_and_cleaned", names_are_cut_and_cleaned);
    g_test_add_func("/edid/edid_decode_finds_nothing_wrong", edid_decode_finds_nothing_wrong);
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How `gracevm ctl` shows what machines have answered, and what it makes of answers that no machine
 * gives.
 */
#include <glib.h>
#include <string.h>

#include "ui/ctl_internal.h"

static const struct ctl_style plain = { .has_colours = false };

static JsonNode *json(const char *text)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(text, &error);

    g_assert_no_error(error);
    return node;
}

/* ---- Units -----------------------------------------------------------------------------------
 */

static void times_have_three_digits(void)
{
    static const struct {
        double ns;
        const char *text;
    } times[] = {
        { 0, "0 ns" },        { 850, "850 ns" },     { 999.4, "999 ns" },  { 1000, "1.00 us" },
        { 9994, "9.99 us" },  { 9996, "10.0 us" },   { 12345, "12.3 us" }, { 99960, "100 us" },
        { 999499, "999 us" }, { 999500, "1.00 ms" }, { 1.5e9, "1.50 s" },  { 12e12, "12000 s" },
    };
    char buffer[CTL_UNITS_MAX];

    for (size_t i = 0; i < G_N_ELEMENTS(times); i++)
        g_assert_cmpstr(ctl_time(buffer, times[i].ns), ==, times[i].text);
}

static void bytes_have_binary_units(void)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        { 0, "0 B" },
        { 1023, "1023 B" },
        { 1024, "1.00 KiB" },
        { 1536 << 10, "1.50 MiB" },
        { UINT64_C(8) << 30, "8.00 GiB" },
        { UINT64_MAX, "16777216 TiB" },
    };
    char buffer[CTL_UNITS_MAX];

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
        g_assert_cmpstr(ctl_bytes(buffer, sizes[i].bytes), ==, sizes[i].text);
}

static void foreign_text_cannot_steer_a_terminal(void)
{
    g_autofree char *line = ctl_clean("a\033[2J\nb\xc2\x9b\x7f\xff", false);
    g_autofree char *lines = ctl_clean("a\nb\r\xc3\xa4", true);

    g_assert_cmpstr(line, ==, "a?[2J?b??\xef\xbf\xbd");
    g_assert_cmpstr(lines, ==, "a\nb?\xc3\xa4");
}

static void colours_do_not_shift_columns(void)
{
    static const struct ctl_style coloured = { .has_colours = true };
    g_autoptr(GString) out = g_string_new(NULL);

    ctl_put(out, &coloured, CTL_BAD, 6, "10 s");
    ctl_put(out, &coloured, CTL_PLAIN, -6, "10 s");
    ctl_put(out, &plain, CTL_BAD, -6, "10 s");
    g_assert_cmpstr(out->str, ==, "\033[31m  10 s\033[0m10 s  10 s  ");
}

/* ---- What a machine has answered -------------------------------------------------------------
 */

#define HIST(count, p50, p90, p99, max)                                                            \
    "{\"count\":" #count ",\"min\":1,\"mean\":1.000,\"p50\":" #p50 ",\"p90\":" #p90                \
    ",\"p99\":" #p99 ",\"p999\":" #max ",\"max\":" #max "}"

#define NOTHING HIST(0, 0, 0, 0, 0)
#define QUEUE_EARLIER HIST(9, 11007, 12543, 12543, 12543)
#define QUEUE_LATER HIST(109, 11007, 12543, 1048575, 14680063)
#define NORMAL HIST(25, 100351, 31457279, 86507519, 86507519)
#define FORCED HIST(110, 11775, 65011711, 123731967, 167772159)
#define CALLBACK HIST(102, 2228223, 119537663, 197132287, 247463935)

static const char earlier[] = "{\"maps\":10,\"unmaps\":9,\"refused-maps\":0,\"waits\":1,"
                              "\"unmap\":{\"queue\":" QUEUE_EARLIER ",\"total\":" NOTHING "},"
                              "\"buckets\":{\"queue\":[[11007,8],[12543,1]],\"total\":[]}}";
static const char later[] =
    "{\"maps\":110,\"unmaps\":109,\"refused-maps\":2,\"waits\":1,"
    "\"unmap\":{\"queue\":" QUEUE_LATER ",\"total\":" NOTHING "},"
    "\"buckets\":{\"queue\":[[9983,50],[11007,8],[12543,50],[14680063,1]],\"total\":[]}}";

static void latency_is_a_table(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(JsonNode) now = json(later);

    ctl_latency_show(out, &plain, now, NULL, 0);
    g_assert_cmpstr(out->str, ==,
                    "110 maps, 109 unmaps, 2 maps refused, 1 commands waited\n"
                    "\n"
                    "unmap            count       p50       p90       p99       max\n"
                    "queue              109   11.0 us   12.5 us   1.05 ms   14.7 ms\n"
                    "total                0         -         -         -         -\n");
}

static void latency_since_the_last_table_is_beside_it(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(JsonNode) before = json(earlier), now = json(later);

    ctl_latency_show(out, &plain, now, before, 2);
    g_assert_cmpstr(
        out->str, ==,
        "110 maps (+50.0/s), 109 unmaps (+50.0/s), 2 maps refused (+1.0/s), "
        "1 commands waited (+0.0/s)\n"
        "\n"
        "unmap            count       p50       p90       p99       max       2.0 s       p50"
        "       p99       max\n"
        "queue              109   11.0 us   12.5 us   1.05 ms   14.7 ms         100   9.98 us"
        "   12.5 us   14.7 ms\n"
        "total                0         -         -         -         -           0         -"
        "         -         -\n");
}

static void rcu_is_counted_and_timed(void)
{
    static const char answer[] =
        "{\"newest\":140,\"completed\":140,\"forced-upto\":138,\"forces\":80,\"kicks\":265,"
        "\"rekicks\":166,\"barriers\":386,\"sleeps\":400,\"reports\":57,\"stalls\":0,"
        "\"misuses\":0,\"callbacks-queued\":191,\"callbacks-run\":190,\"callbacks-peak\":12,"
        "\"throttles\":3,\"readers\":6,\"ns\":{\"normal\":" NORMAL ",\"forced\":" FORCED
        ",\"kick\":" NOTHING ",\"callback\":" CALLBACK "}}";
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(JsonNode) node = json(answer);

    ctl_rcu_show(out, &plain, node);
    g_assert_cmpstr(out->str, ==,
                    "grace periods  25 normal, 110 forced, by 80 requests\n"
                    "kicks          265, 166 of them repeated\n"
                    "stalls         0 reported, 0 misuses\n"
                    "callbacks      190 run, 1 pending, 12 at most, producers throttled 3 times\n"
                    "threads        6 readers; 386 barriers, 400 sleeps, 57 woken by readers\n"
                    "\n"
                    "time             count       p50       p90       p99       max\n"
                    "normal              25    100 us   31.5 ms   86.5 ms   86.5 ms\n"
                    "forced             110   11.8 us   65.0 ms    124 ms    168 ms\n"
                    "kick                 0         -         -         -         -\n"
                    "callback           102   2.23 ms    120 ms    197 ms    247 ms\n");
}

static void window_is_drawn(void)
{
    static const char answer[] =
        "{\"resources\":[{\"id\":1,\"kind\":\"picture\",\"bytes\":3145728,\"width\":1024,"
        "\"height\":768,\"format\":2,\"has-backing\":true,\"map\":\"none\"},"
        "{\"id\":7,\"kind\":\"host3d-blob\",\"bytes\":65536,\"has-backing\":false,"
        "\"map\":\"unmapping\",\"offset\":8192}],\"unlisted\":5,"
        "\"contexts\":[{\"id\":3,\"capset\":2,\"resources\":2,\"bytes\":3211264}],"
        "\"window\":{\"bytes\":268435456,\"taken\":73728,\"places\":3,\"blobs\":["
        "{\"offset\":0,\"bytes\":4096,\"resource\":6,\"map\":\"mapped\"},"
        "{\"offset\":8192,\"bytes\":65536,\"resource\":7,\"map\":\"unmapping\"},"
        "{\"offset\":2093056,\"bytes\":4096,\"resource\":8,\"map\":\"mapping\"}]},"
        "\"orphans\":1,\"bytes\":3211264,\"in-flight\":2,\"limits\":{"
        "\"resources\":{\"max\":65536,\"is-bytes\":false,\"used\":7,\"refused\":0},"
        "\"bytes\":{\"max\":8589934592,\"is-bytes\":true,\"used\":3211264,\"refused\":4},"
        "\"side\":{\"max\":16384,\"is-bytes\":false,\"refused\":0}}}";
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(JsonNode) node = json(answer);

    ctl_gpu_show(out, &plain, node);
    g_assert_cmpstr(
        out->str, ==,
        "window  256 MiB, of which 72.0 KiB in 3 places are taken; a character is 8.00 KiB, a "
        "point "
        "is free\n"
        "  0x000000000 abbbbbbbb.......................................................\n"
        "  0x000080000 ................................................................\n"
        "  0x000100000 ................................................................\n"
        "  0x000180000 ...............................................................c\n"
        "  0x000200000 the rest is free\n"
        "  a 0x000000000   4.00 KiB  resource 6     mapped\n"
        "  b 0x000002000   64.0 KiB  resource 7     unmapping\n"
        "  c 0x0001ff000   4.00 KiB  resource 8     mapping\n"
        "\n"
        "contexts  1\n"
        "       3 virgl2          2 resources   3.06 MiB\n"
        "\n"
        "resources  7, 3.06 MiB in the host; 1 of before a reset, 2 commands in flight\n"
        "       1 picture             3.00 MiB  1024x768, format 2, guest memory\n"
        "       7 host3d-blob         64.0 KiB, unmapping at 0x2000\n"
        "\n"
        "limits\n"
        "  resources              7 of        65536  refused 0\n"
        "  bytes           3.06 MiB of     8.00 GiB  refused 4\n"
        "  side                     of        16384  refused 0\n");
}

/* ---- What no machine answers -----------------------------------------------------------------
 */

/* Each in place of an answer, and of each of its parts. */
static const char *const strange[] = {
    "{}",
    "[]",
    "null",
    "7",
    "\"text\"",
    "[[[{}]]]",
    "{\"unmap\":[],\"buckets\":7,\"maps\":\"many\"}",
    "{\"unmap\":{\"queue\":null},\"buckets\":{\"queue\":[7,[],[1],[\"a\",\"b\"],[-1,-1]]}}",
    "{\"unmap\":{\"queue\":{\"count\":-1,\"p50\":1e308}},\"maps\":-9223372036854775808}",
    "{\"ns\":[],\"callbacks-queued\":-9223372036854775808,\"callbacks-run\":9223372036854775807}",
    "{\"window\":7,\"contexts\":{},\"resources\":{},\"limits\":[]}",
    "{\"window\":{\"bytes\":-1,\"blobs\":7},\"contexts\":[7],\"resources\":[[]],"
    "\"limits\":{\"\":7}}",
    "{\"window\":{\"bytes\":9223372036854775807,\"taken\":-5,\"blobs\":["
    "{\"offset\":9223372036854775806,\"bytes\":1},{\"offset\":1,\"bytes\":9223372036854775807},"
    "{\"offset\":-1,\"bytes\":1},{\"offset\":0,\"bytes\":0},7]},"
    "\"contexts\":[{\"id\":-1,\"capset\":99,\"bytes\":-1}]}",
    "{\"window\":{\"bytes\":1,\"blobs\":[{\"offset\":0,\"bytes\":1}]}}",
};

static void nonsense_is_shown_as_little(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(strange); i++) {
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(JsonNode) now = json(strange[i]), before = json(strange[i]);

        ctl_latency_show(out, &plain, now, before, 1);
        ctl_rcu_show(out, &plain, now);
        ctl_gpu_show(out, &plain, now);
        g_assert_true(g_utf8_validate(out->str, -1, NULL));
        g_assert_nonnull(strstr(out->str, "grace periods"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/ctl/" #test, test)
    ADD(times_have_three_digits);
    ADD(bytes_have_binary_units);
    ADD(foreign_text_cannot_steer_a_terminal);
    ADD(colours_do_not_shift_columns);
    ADD(latency_is_a_table);
    ADD(latency_since_the_last_table_is_beside_it);
    ADD(rcu_is_counted_and_timed);
    ADD(window_is_drawn);
    ADD(nonsense_is_shown_as_little);
#undef ADD
    return g_test_run();
}

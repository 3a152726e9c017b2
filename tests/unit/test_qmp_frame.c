/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "ui/qmp_frame.h"

/* What comes of @bytes, in pieces of @piece: values as they are, each followed by "|". */
static char *framed(const char *bytes, size_t size, size_t piece)
{
    static const char *const names[] = {
        [QMP_FRAMED_GARBAGE] = "<garbage>",
        [QMP_FRAMED_TOO_LONG] = "<long>",
        [QMP_FRAMED_TOO_DEEP] = "<deep>",
    };
    GString *result = g_string_new(NULL);
    struct qmp_frame frame;

    qmp_frame_init(&frame);
    while (size > 0) {
        const size_t some = MIN(size, piece);
        enum qmp_framed what;
        const size_t used = qmp_frame_feed(&frame, bytes, some, &what);

        g_assert_cmpuint(used, >, 0);
        g_assert_true(used == some || what != QMP_FRAMED_MORE);
        if (what == QMP_FRAMED_VALUE)
            g_string_append_len(result, frame.text->str, (gssize)frame.text->len);
        else if (what != QMP_FRAMED_MORE)
            g_string_append(result, names[what]);
        if (what != QMP_FRAMED_MORE)
            g_string_append_c(result, '|');
        bytes += used;
        size -= used;
    }
    qmp_frame_fini(&frame);
    return g_string_free(result, FALSE);
}

static void is_framed(const char *bytes, const char *wanted)
{
    for (size_t piece = 1; piece <= 7; piece++) {
        g_autofree char *got = framed(bytes, strlen(bytes), piece);

        g_assert_cmpstr(got, ==, wanted);
    }
}

static void values_come_in_pieces_and_several_at_once(void)
{
    is_framed("{\"a\": 1}{\"b\":[2,{}]} \r\n\t[3]", "{\"a\": 1}|{\"b\":[2,{}]}|[3]|");
    is_framed("{\"a\"", "");
    is_framed("", "");
}

static void strings_hide_brackets(void)
{
    is_framed("{\"}]\\\"}\": \"{[\"}{}", "{\"}]\\\"}\": \"{[\"}|{}|");
    is_framed("{\"\\\\\"}{}", "{\"\\\\\"}|{}|");
}

static void garbage_is_skipped_to_the_end_of_its_line(void)
{
    is_framed("hello {} {}\n{}", "<garbage>|{}|");
    is_framed("1\n{}\n\"{\n{}", "<garbage>|{}|<garbage>|{}|");
    is_framed("{\"a\": \"b\n{}", "<garbage>|{}|"); /* a string ends with its line */
    is_framed("{\"a\": \"\x01\"}{}\n{}", "<garbage>|{}|");
    is_framed("{ // a {\n}\n{}", "<garbage>|<garbage>|{}|");
    is_framed("} {}\n{}", "<garbage>|{}|");
    is_framed("\xff\n{}", "<garbage>|{}|");
}

static void no_byte_of_zero_is_in_a_value(void)
{
    static const char bytes[] = "{\0}\n{}";
    g_autofree char *got = framed(bytes, sizeof(bytes) - 1, 3);

    g_assert_cmpstr(got, ==, "<garbage>|{}|");
}

/* @nr times @open, then as many of @close. */
static char *nested(unsigned nr, char open, char close)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < nr; i++)
        g_string_append_c(text, open);
    for (unsigned i = 0; i < nr; i++)
        g_string_append_c(text, close);
    return g_string_free(text, FALSE);
}

static void values_are_nested_to_a_limit(void)
{
    g_autofree char *most = nested(QMP_DEPTH_MAX, '[', ']');
    g_autofree char *wanted = g_strconcat(most, "|", NULL);
    g_autofree char *more = nested(QMP_DEPTH_MAX + 1, '{', '}');
    g_autofree char *line = g_strconcat(more, "\n{}", NULL);

    is_framed(most, wanted);
    is_framed(line, "<deep>|{}|");
}

static void values_are_long_to_a_limit(void)
{
    GString *value = g_string_new("[\"");
    g_autofree char *got = NULL;

    while (value->len < QMP_VALUE_MAX - 2)
        g_string_append_c(value, 'a');
    g_string_append(value, "\"]");
    got = framed(value->str, value->len, 4096);
    g_assert_cmpuint(strlen(got), ==, QMP_VALUE_MAX + 1);
    g_free(got);
    g_string_insert_c(value, 2, 'a');
    g_string_append(value, "\n{}");
    got = framed(value->str, value->len, 4096);
    g_assert_cmpstr(got, ==, "<long>|{}|");
    g_string_free(value, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/qmp_frame/" #test, test)
    ADD(values_come_in_pieces_and_several_at_once);
    ADD(strings_hide_brackets);
    ADD(garbage_is_skipped_to_the_end_of_its_line);
    ADD(no_byte_of_zero_is_in_a_value);
    ADD(values_are_nested_to_a_limit);
    ADD(values_are_long_to_a_limit);
#undef ADD
    return g_test_run();
}

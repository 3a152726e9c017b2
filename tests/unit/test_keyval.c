/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "util/annotate.h"
#include "util/keyval.h"

struct config {
    char *name;
    bool is_readonly;
    uint64_t count, bytes, window;
    unsigned format;
    char **forwards;
};

static const char *const formats[] = { "raw", "other", NULL };
static const struct keyval_key keys[] = {
    KEYVAL_KEY("name", KEYVAL_STRING, struct config, name, "a name", .may_be_bare = true),
    KEYVAL_KEY("readonly", KEYVAL_BOOL, struct config, is_readonly, "no writes"),
    KEYVAL_KEY("count", KEYVAL_NUMBER, struct config, count, "how many", .min = 1, .max = 8),
    KEYVAL_KEY("bytes", KEYVAL_SIZE, struct config, bytes, "how much", .unit = 1 << 20),
    KEYVAL_KEY("window", KEYVAL_SIZE, struct config, window, "of what", .min = 64 << 10,
               .max = 512 << 10, .is_power_of_two = true),
    KEYVAL_KEY("format", KEYVAL_CHOICE, struct config, format, "which", .choices = formats),
    KEYVAL_KEY("forward", KEYVAL_STRINGS, struct config, forwards, "what"),
    { .name = NULL },
};

static void some_keys_may_be_repeated(void)
{
    struct config config = { 0 };
    GError *error = NULL;

    g_assert_true(keyval_parse("-x", "forward=a,,b,readonly=on,forward=c", keys, &config, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(g_strv_length(config.forwards), ==, 2);
    g_assert_cmpstr(config.forwards[0], ==, "a,b");
    g_assert_cmpstr(config.forwards[1], ==, "c");
    keyval_clear(keys, &config);
    g_assert_null(config.forwards);
}

static void lists_are_read(void)
{
    struct config config = { .count = 3, .format = 1 };
    GError *error = NULL;

    g_assert_true(keyval_parse("-x", "a,,b,readonly,bytes=2", keys, &config, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(config.name, ==, "a,b");
    g_assert_true(config.is_readonly);
    g_assert_cmpuint(config.count, ==, 3);
    g_assert_cmpuint(config.bytes, ==, 2 << 20);
    g_assert_true(keyval_parse("-x", "readonly=off,count=0x8,format=raw,bytes=3k,name=c=d", keys,
                               &config, &error));
    g_assert_cmpstr(config.name, ==, "c=d");
    g_assert_false(config.is_readonly);
    g_assert_cmpuint(config.count, ==, 8);
    g_assert_cmpuint(config.bytes, ==, 3 << 10);
    g_assert_cmpuint(config.format, ==, 0);
    keyval_clear(keys, &config);
    g_assert_null(config.name);
}

static void errors_name_the_culprit(void)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "a,raedonly=on", "-x: there is no key 'raedonly'; did you mean 'readonly'?" },
        { "a,b", "-x: there is no key 'b'" },
        { "readonly=yes", "-x: readonly=yes is neither on nor off" },
        { "count=9", "-x: count=9 is out of range (1 to 8)" },
        { "window=1M", "-x: window=1M is out of range (64K to 512K)" },
        { "window=96K", "-x: window=96K is no power of two" },
        { "count=", "-x: count= is no number" },
        { "count=-1", "-x: count=-1 is no number" },
        { "count=1x", "-x: count=1x is no number" },
        { "count", "-x: count needs a value: count=…" },
        { "bytes=1kk", "-x: bytes=1kk is no size (a number, then perhaps K, M, G or T)" },
        { "bytes=99999999999T", "-x: bytes=99999999999T is no size (a number, then perhaps K, M, "
                                "G or T)" },
        { "format=qcow2", "-x: format=qcow2 is not one of: raw, other" },
        { "a,,b", NULL },
        { "a,name=b", "-x: name is given twice" },
        { ",", "-x: an empty item in the list" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct config config = { 0 };
        GError *error = NULL;

        if (!rows[i].message) {
            g_assert_true(keyval_parse("-x", rows[i].text, keys, &config, &error));
        } else {
            g_assert_false(keyval_parse("-x", rows[i].text, keys, &config, &error));
            g_assert_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE);
            g_assert_cmpstr(error->message, ==, rows[i].message);
            g_error_free(error);
        }
        keyval_clear(keys, &config);
    }
}

/* "count" alone is a bare name only where it comes first and is none of the keys. */
static void a_bare_first_value_is_the_name(void)
{
    struct config config = { 0 };
    GError *error = NULL;

    g_assert_true(keyval_parse("-x", "something", keys, &config, &error));
    g_assert_cmpstr(config.name, ==, "something");
    keyval_clear(keys, &config);
    g_assert_false(keyval_parse("-x", "readonly,something", keys, &config, &error));
    g_clear_error(&error);
}

static void sizes_have_suffixes(void)
{
    uint64_t size = 0;

    g_assert_true(keyval_parse_size("512", 1 << 20, &size));
    g_assert_cmpuint(size, ==, 512 << 20);
    g_assert_true(keyval_parse_size("5g", 1, &size));
    g_assert_cmpuint(size, ==, UINT64_C(5) << 30);
    g_assert_true(keyval_parse_size("7B", 1 << 20, &size));
    g_assert_cmpuint(size, ==, 7);
    g_assert_false(keyval_parse_size("", 1, &size));
    g_assert_false(keyval_parse_size("18446744073709551616", 1, &size));
    g_assert_false(keyval_parse_size("1P", 1, &size));
}

static void help_lists_every_key(void)
{
    char text[1024] = "";
    FILE *out = fmemopen(text, sizeof text, "w");

    keyval_print(keys, out);
    fclose(out);
    for (const struct keyval_key *key = keys; key->name; key++) {
        g_assert_nonnull(strstr(text, key->name));
        g_assert_nonnull(strstr(text, key->help));
    }
    g_assert_nonnull(strstr(text, "format=raw|other"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyval/lists_are_read", lists_are_read);
    g_test_add_func("/keyval/some_keys_may_be_repeated", some_keys_may_be_repeated);
    g_test_add_func("/keyval/errors_name_the_culprit", errors_name_the_culprit);
    g_test_add_func("/keyval/a_bare_first_value_is_the_name", a_bare_first_value_is_the_name);
    g_test_add_func("/keyval/sizes_have_suffixes", sizes_have_suffixes);
    g_test_add_func("/keyval/help_lists_every_key", help_lists_every_key);
    return g_test_run();
}

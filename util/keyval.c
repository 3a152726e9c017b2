/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/keyval.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

G_DEFINE_QUARK(keyval - error - quark, keyval_error)

/* ---- The nearest name --------------------------------------------------------------- */

enum { NAME_MAX_COMPARED = 32 };

/* Levenshtein's distance, row by row. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_COMPARED + 1];
    const size_t nr_a = strlen(a), nr_b = strlen(b);

    if (nr_a > NAME_MAX_COMPARED || nr_b > NAME_MAX_COMPARED)
        return UINT_MAX;
    for (unsigned i = 0; i <= nr_b; i++)
        row[i] = i;
    for (unsigned i = 1; i <= nr_a; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= nr_b; j++) {
            const unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[nr_b];
}

const char *keyval_nearest(const char *name, const char *const *names, size_t nr, size_t stride)
{
    const char *nearest = NULL;
    unsigned best = (unsigned)strlen(name) / 2 + 1; /* farther is no likeness */

    for (size_t i = 0; i < nr; i++) {
        const char *candidate = *(const char *const *)((const char *)names + i * stride);
        const unsigned d = distance(name, candidate);

        if (d < best) {
            best = d;
            nearest = candidate;
        }
    }
    return nearest;
}

/* ---- Values ------------------------------------------------------------------------------ */

/* Where the text is from, for messages. */
struct place {
    const char *option;
    const struct keyval_key *key;
    const char *value;
};

bool keyval_usage(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (error)
        *error = g_error_new_valist(KEYVAL_ERROR, KEYVAL_ERROR_USAGE, format, args);
    va_end(args);
    return false;
}

bool keyval_parse_size(const char *text, uint64_t unit, uint64_t *ret_size)
{
    static const char suffixes[] = "KMGT";
    const char *suffix;
    char *end;
    guint64 number;

    if (!g_ascii_isdigit(*text))
        return false;
    errno = 0;
    number = g_ascii_strtoull(text, &end, 0);
    if (errno)
        return false;
    if (*end) {
        suffix = strchr(suffixes, g_ascii_toupper(*end));
        if (*end == 'B' || *end == 'b') {
            unit = 1;
        } else if (suffix) {
            unit = UINT64_C(1024) << 10 * (suffix - suffixes);
        } else {
            return false;
        }
        if (end[1])
            return false;
    }
    return !__builtin_mul_overflow(number, unit ? unit : 1, ret_size);
}

/* As it would be written: "16M". */
static char *show_number(const struct keyval_key *key, uint64_t number)
{
    static const char suffixes[] = "KMGT";
    unsigned n = 0;

    while (key->kind == KEYVAL_SIZE && n < 4 && number && number % 1024 == 0) {
        number /= 1024;
        n++;
    }
    return n ? g_strdup_printf("%" PRIu64 "%c", number, suffixes[n - 1])
             : g_strdup_printf("%" PRIu64, number);
}

static bool out_of_range(const struct place *at, GError **error)
{
    g_autofree char *min = show_number(at->key, at->key->min);
    g_autofree char *max = show_number(at->key, at->key->max);

    return keyval_usage(error, "%s: %s=%s is out of range (%s to %s)", at->option, at->key->name,
                        at->value, min, max);
}

static bool set_number(const struct place *at, uint64_t *member, GError **error)
{
    const struct keyval_key *key = at->key;
    uint64_t number;
    char *end = NULL;

    if (key->kind == KEYVAL_SIZE) {
        if (!keyval_parse_size(at->value, key->unit, &number))
            return keyval_usage(error, "%s: %s=%s is no size (a number, then perhaps K, M, G or T)",
                                at->option, key->name, at->value);
    } else {
        errno = 0;
        number = g_ascii_strtoull(at->value, &end, 0);
        if (!g_ascii_isdigit(*at->value) || *end || errno)
            return keyval_usage(error, "%s: %s=%s is no number", at->option, key->name, at->value);
    }
    if ((key->min || key->max) && (number < key->min || number > key->max))
        return out_of_range(at, error);
    if (key->is_power_of_two && number & (number - 1))
        return keyval_usage(error, "%s: %s=%s is no power of two", at->option, key->name,
                            at->value);
    *member = number;
    return true;
}

static bool set_choice(const struct place *at, unsigned *member, GError **error)
{
    const char *const *choices = at->key->choices;
    g_autofree char *all = NULL;

    for (unsigned i = 0; choices[i]; i++) {
        if (g_str_equal(choices[i], at->value)) {
            *member = i;
            return true;
        }
    }
    all = g_strjoinv(", ", (char **)(uintptr_t)choices);
    return keyval_usage(error, "%s: %s=%s is not one of: %s", at->option, at->key->name, at->value,
                        all);
}

static bool set_bool(const struct place *at, bool *member, GError **error)
{
    if (g_str_equal(at->value, "on") || g_str_equal(at->value, "off")) {
        *member = at->value[1] == 'n';
        return true;
    }
    return keyval_usage(error, "%s: %s=%s is neither on nor off", at->option, at->key->name,
                        at->value);
}

static void add_string(char ***member, const char *value)
{
    const guint nr = *member ? g_strv_length(*member) : 0;

    *member = g_renew(char *, *member, nr + 2);
    (*member)[nr] = g_strdup(value);
    (*member)[nr + 1] = NULL;
}

static bool set_value(const struct place *at, void *config, GError **error)
{
    void *member = (char *)config + at->key->offset;

    switch (at->key->kind) {
    case KEYVAL_STRING:
        g_free(*(char **)member);
        *(char **)member = g_strdup(at->value);
        return true;
    case KEYVAL_STRINGS:
        add_string(member, at->value);
        return true;
    case KEYVAL_BOOL:
        return set_bool(at, member, error);
    case KEYVAL_NUMBER:
    case KEYVAL_SIZE:
        return set_number(at, member, error);
    case KEYVAL_CHOICE:
        return set_choice(at, member, error);
    }
    g_assert_not_reached();
}

/* ---- Lists -------------------------------------------------------------------------------- */

/* The text up to the next single comma, with double ones made single; moves *@text behind it. */
static char *take_item(const char **text)
{
    GString *item = g_string_new(NULL);
    const char *at = *text;

    while (*at && (*at != ',' || at[1] == ',')) {
        g_string_append_c(item, *at);
        at += *at == ',' ? 2 : 1;
    }
    *text = *at ? at + 1 : at;
    return g_string_free(item, FALSE);
}

static const struct keyval_key *find_key(const struct keyval_key *keys, const char *name,
                                         size_t length)
{
    for (const struct keyval_key *key = keys; key->name; key++) {
        if (strlen(key->name) == length && strncmp(key->name, name, length) == 0)
            return key;
    }
    return NULL;
}

static bool unknown_key(const char *option, const struct keyval_key *keys, const char *name,
                        GError **error)
{
    size_t nr = 0;
    const char *nearest;

    while (keys[nr].name)
        nr++;
    nearest = keyval_nearest(name, &keys->name, nr, sizeof *keys);
    if (nearest)
        return keyval_usage(error, "%s: there is no key '%s'; did you mean '%s'?", option, name,
                            nearest);
    return keyval_usage(error, "%s: there is no key '%s'", option, name);
}

static bool parse_item(const char *option, char *item, const struct keyval_key *keys, bool is_first,
                       void *config, uint64_t *seen, GError **error)
{
    char *equals = strchr(item, '=');
    const size_t length = equals ? (size_t)(equals - item) : strlen(item);
    struct place at = { option, find_key(keys, item, length), equals ? equals + 1 : NULL };
    uint64_t bit;

    if (!at.key && !at.value && is_first && keys[0].may_be_bare) {
        at.key = &keys[0];
        at.value = item;
    }
    if (!at.key) {
        if (equals)
            *equals = 0;
        return unknown_key(option, keys, item, error);
    }
    if (!at.value) {
        if (at.key->kind != KEYVAL_BOOL)
            return keyval_usage(error, "%s: %s needs a value: %s=…", option, item, item);
        at.value = "on";
    }
    bit = UINT64_C(1) << (at.key - keys);
    if (*seen & bit && at.key->kind != KEYVAL_STRINGS)
        return keyval_usage(error, "%s: %s is given twice", option, at.key->name);
    *seen |= bit;
    return set_value(&at, config, error);
}

bool keyval_parse(const char *option, const char *text, const struct keyval_key *keys, void *config,
                  GError **error)
{
    uint64_t seen = 0;
    bool is_first = true;

    while (*text) {
        g_autofree char *item = take_item(&text);

        if (!*item)
            return keyval_usage(error, "%s: an empty item in the list", option);
        if (!parse_item(option, item, keys, is_first, config, &seen, error))
            return false;
        is_first = false;
    }
    return true;
}

void keyval_clear(const struct keyval_key *keys, void *config)
{
    for (const struct keyval_key *key = keys; key->name; key++) {
        if (key->kind == KEYVAL_STRING)
            g_clear_pointer((char **)(void *)((char *)config + key->offset), g_free);
        else if (key->kind == KEYVAL_STRINGS)
            g_clear_pointer((char ***)(void *)((char *)config + key->offset), g_strfreev);
    }
}

void keyval_print(const struct keyval_key *keys, FILE *out)
{
    static const char *const kinds[] = { "text", "text", "on|off", "number", "size", NULL };

    for (const struct keyval_key *key = keys; key->name; key++) {
        g_autofree char *value = key->kind == KEYVAL_CHOICE
                                     ? g_strjoinv("|", (char **)(uintptr_t)key->choices)
                                     : g_strdup(kinds[key->kind]);
        g_autofree char *left = g_strdup_printf("%s=%s", key->name, value);

        fprintf(out, "  %-26s %s\n", left, key->help);
    }
}

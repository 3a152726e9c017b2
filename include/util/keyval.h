/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Option values of the form "key=value,key=value", read into a struct as a table of
 * keys says. A comma in a value is written twice. The first key's name may be left
 * out if the table says so: "virtio-blk-pci,drive=disk0". A boolean is on or off,
 * and its key alone means on.
 *
 * Errors are of the domain KEYVAL_ERROR, and sentences that name the option, the
 * key and the value, and the nearest key or choice there is.
 *
 * Threads: any.
 */
#ifndef UTIL_KEYVAL_H
#define UTIL_KEYVAL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/annotate.h"

#define KEYVAL_ERROR keyval_error_quark()
enum keyval_error { KEYVAL_ERROR_USAGE };
GQuark keyval_error_quark(void);

/** Set @error, if it is wanted, to an error of use. False, for `return keyval_usage(...)`. */
bool keyval_usage(GError **error, const char *format, ...) PRINTF_LIKE(2, 3);

enum keyval_kind {                 /* what the struct's member is */
                   KEYVAL_STRING,  /* char *, freed by keyval_clear() */
                   KEYVAL_STRINGS, /* char **, ended by NULL; the key may be given several times */
                   KEYVAL_BOOL,    /* bool */
                   KEYVAL_NUMBER,  /* uint64_t, within min and max */
                   KEYVAL_SIZE,    /* uint64_t bytes, within min and max: k, M, G, T behind it; see
                                      unit */
                   KEYVAL_CHOICE,  /* unsigned: an index into choices */
};

struct keyval_key {
    const char *name; /* NULL ends the table */
    enum keyval_kind kind;
    size_t offset; /* of the member */
    const char *help;
    uint64_t min, max;          /* both 0: any */
    uint64_t unit;              /* of a KEYVAL_SIZE without a suffix; 0: 1 */
    bool is_power_of_two;       /* or 0, if min allows it */
    const char *const *choices; /* ended by NULL */
    bool may_be_bare;           /* the first key: its name may be left out */
};

/* A row: key "name_" sets @member of @type; more members of the row may follow. */
#define KEYVAL_KEY(name_, kind_, type, member, help_, ...)                                         \
    {                                                                                              \
        .name = (name_), .kind = (kind_), .offset = offsetof(type, member), .help = (help_),       \
        __VA_ARGS__                                                                                \
    }

/**
 * Read @text, the value of @option ("-device"), into @config, which holds the defaults. Keys
 * given twice: an error, but for KEYVAL_STRINGS. On failure strings that were set are in @config
 * all the same.
 */
bool keyval_parse(const char *option, const char *text, const struct keyval_key *keys, void *config,
                  GError **error) MUST_CHECK;

/** Free the strings. */
void keyval_clear(const struct keyval_key *keys, void *config);

/** A line a key: name, kind or choices, help. */
void keyval_print(const struct keyval_key *keys, FILE *out);

/** A number with its suffix. False, and no message: not one, or too large. */
bool keyval_parse_size(const char *text, uint64_t unit, uint64_t *ret_size) MUST_CHECK;

/** What @name was probably meant to be: one of @nr names, @stride bytes apart; or NULL. */
const char *keyval_nearest(const char *name, const char *const *names, size_t nr, size_t stride);

#endif

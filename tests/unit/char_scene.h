/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The guest's side of a back end, for tests: writes down what it is given.
 */
#ifndef TESTS_UNIT_CHAR_SCENE_H
#define TESTS_UNIT_CHAR_SCENE_H

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "ui/char_backend.h"
#include "util/loop.h"

struct guest {
    struct char_backend *backend;
    GString *got; /* a break is "<break>" */
    size_t room;
    unsigned nr_drained, nr_quits;
};

static inline size_t guest_room(void *opaque)
{
    return ((struct guest *)opaque)->room;
}

static inline void guest_receive(void *opaque, const uint8_t *data, size_t size)
{
    struct guest *guest = opaque;

    bql_assert_held();
    g_assert_cmpuint(size, >, 0);
    g_assert_cmpuint(size, <=, guest->room);
    guest->room -= size;
    g_string_append_len(guest->got, (const char *)data, (gssize)size);
}

static inline void guest_receive_break(void *opaque)
{
    g_string_append(((struct guest *)opaque)->got, "<break>");
}

static inline void guest_drained(void *opaque)
{
    ((struct guest *)opaque)->nr_drained++;
}

static inline void guest_quit(void *opaque)
{
    ((struct guest *)opaque)->nr_quits++;
}

/* With a back end of @spec. */
static inline void guest_start(struct guest *guest, const char *spec) REQUIRES(bql)
{
    const struct char_host host = { .quit = guest_quit, .opaque = guest };
    g_autoptr(GError) error = NULL;

    *guest = (struct guest){ .got = g_string_new(NULL), .room = SIZE_MAX };
    guest->backend = char_backend_new(spec, &host, &error);
    g_assert_no_error(error);
    guest->backend->sink = (struct char_sink){
        .room = guest_room,
        .receive = guest_receive,
        .receive_break = guest_receive_break,
        .opaque = guest,
    };
    guest->backend->drained = guest_drained;
    guest->backend->drained_opaque = guest;
}

static inline void guest_end(struct guest *guest) REQUIRES(bql)
{
    char_backend_free(guest->backend);
    g_string_free(guest->got, TRUE);
}

static inline size_t guest_print(struct guest *guest, const char *text) REQUIRES(bql)
{
    return guest->backend->write(guest->backend, (const uint8_t *)text, strlen(text));
}

static inline void guest_gets(struct guest *guest, const char *expected) REQUIRES(bql)
{
    while (guest->got->len < strlen(expected))
        (void)loop_iterate(true);
    g_assert_cmpstr(guest->got->str, ==, expected);
}

/* All that is ready now is done. */
static inline void settle(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

/* A folder of the test's own, which is empty again at the end. */
static inline char *folder_new(void)
{
    char *path = g_dir_make_tmp("gracevm-char-XXXXXX", NULL);

    g_assert_nonnull(path);
    return path;
}

static inline void folder_free(char *path)
{
    g_assert_cmpint(g_rmdir(path), ==, 0); /* nothing has been left behind */
    g_free(path);
}

#endif

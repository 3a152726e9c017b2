/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The edges by hand; tests/fuzz/fuzz_iov.c compares with a naive model at length.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "util/iov.h"

/* "abc", nothing, "defgh", "i" */
struct fixture {
    char a[3], b[5], c[1];
    struct iovec iov[4];
};

static void set_up(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    memcpy(f->a, "abc", 3);
    memcpy(f->b, "defgh", 5);
    memcpy(f->c, "i", 1);
    f->iov[0] = (struct iovec){ f->a, 3 };
    f->iov[1] = (struct iovec){ NULL, 0 };
    f->iov[2] = (struct iovec){ f->b, 5 };
    f->iov[3] = (struct iovec){ f->c, 1 };
}

static void expect_text(const struct iovec *iov, unsigned nr_iov, const char *expected)
{
    char text[16] = "";

    g_assert_cmpuint(iov_to_buf(iov, nr_iov, 0, text, 15), ==, strlen(expected));
    g_assert_cmpstr(text, ==, expected);
}

static void sizes_that_overflow_are_refused(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    size_t size = 77;

    g_assert_true(iov_size(f->iov, 4, &size));
    g_assert_cmpuint(size, ==, 9);
    g_assert_true(iov_size(f->iov, 0, &size));
    g_assert_cmpuint(size, ==, 0);
    f->iov[0].iov_len = SIZE_MAX - 6;
    g_assert_true(iov_size(f->iov, 4, &size));
    g_assert_cmpuint(size, ==, SIZE_MAX);
    f->iov[0].iov_len++;
    g_assert_false(iov_size(f->iov, 4, &size));
    g_assert_cmpuint(size, ==, SIZE_MAX); /* untouched */
}

static void reading_stops_at_the_end(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    char text[16] = "";

    g_assert_cmpuint(iov_to_buf(f->iov, 4, 2, text, 4), ==, 4);
    g_assert_cmpstr(text, ==, "cdef");
    memset(text, 0, sizeof(text));
    g_assert_cmpuint(iov_to_buf(f->iov, 4, 8, text, SIZE_MAX), ==, 1);
    g_assert_cmpstr(text, ==, "i");
    g_assert_cmpuint(iov_to_buf(f->iov, 4, 9, text, 1), ==, 0);
    g_assert_cmpuint(iov_to_buf(f->iov, 4, SIZE_MAX, text, SIZE_MAX), ==, 0);
    g_assert_cmpuint(iov_to_buf(f->iov, 4, 3, text, 0), ==, 0);
    g_assert_cmpuint(iov_to_buf(NULL, 0, 0, text, 1), ==, 0);
}

static void writing_stops_at_the_end(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_assert_cmpuint(iov_from_buf(f->iov, 4, 1, "BCDE", 4), ==, 4);
    expect_text(f->iov, 4, "aBCDEfghi");
    g_assert_cmpuint(iov_from_buf(f->iov, 4, 7, "HIJK", 4), ==, 2);
    expect_text(f->iov, 4, "aBCDEfgHI");
    g_assert_cmpuint(iov_from_buf(f->iov, 4, SIZE_MAX - 1, "xyz", 3), ==, 0);
    expect_text(f->iov, 4, "aBCDEfgHI");
}

static void filling_stops_at_the_end(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_assert_cmpuint(iov_fill(f->iov, 4, 2, '.', 3), ==, 3);
    expect_text(f->iov, 4, "ab...fghi");
    g_assert_cmpuint(iov_fill(f->iov, 4, 7, '!', SIZE_MAX), ==, 2);
    expect_text(f->iov, 4, "ab...fg!!");
}

static void a_part_is_the_same_memory(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    struct iovec part[4];
    unsigned nr_part = 4;

    g_assert_cmpuint(iov_copy(part, &nr_part, f->iov, 4, 2, 3), ==, 3);
    g_assert_cmpuint(nr_part, ==, 2); /* the empty piece is left out */
    g_assert_true(part[0].iov_base == f->a + 2 && part[0].iov_len == 1);
    g_assert_true(part[1].iov_base == f->b && part[1].iov_len == 2);
    nr_part = 1; /* no room for the rest */
    g_assert_cmpuint(iov_copy(part, &nr_part, f->iov, 4, 2, 7), ==, 1);
    g_assert_cmpuint(nr_part, ==, 1);
    nr_part = 0;
    g_assert_cmpuint(iov_copy(part, &nr_part, f->iov, 4, 0, 9), ==, 0);
    nr_part = 4;
    g_assert_cmpuint(iov_copy(part, &nr_part, f->iov, 4, 9, 1), ==, 0);
    g_assert_cmpuint(nr_part, ==, 0);
}

static void the_front_is_dropped(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    struct iovec *iov = f->iov;
    unsigned nr_iov = 4;

    g_assert_cmpuint(iov_discard_front(&iov, &nr_iov, 0), ==, 0);
    g_assert_cmpuint(nr_iov, ==, 4);
    g_assert_cmpuint(iov_discard_front(&iov, &nr_iov, 3), ==, 3);
    g_assert_cmpuint(nr_iov, ==, 2); /* no empty piece is left in front */
    g_assert_cmpuint(iov_discard_front(&iov, &nr_iov, 1), ==, 1);
    expect_text(iov, nr_iov, "efghi");
    g_assert_cmpuint(iov_discard_front(&iov, &nr_iov, SIZE_MAX), ==, 5);
    g_assert_cmpuint(nr_iov, ==, 0);
    g_assert_cmpuint(iov_discard_front(&iov, &nr_iov, 1), ==, 0);
}

static void the_back_is_dropped(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    unsigned nr_iov = 4;

    g_assert_cmpuint(iov_discard_back(f->iov, &nr_iov, 3), ==, 3);
    g_assert_cmpuint(nr_iov, ==, 3);
    expect_text(f->iov, nr_iov, "abcdef");
    g_assert_cmpuint(iov_discard_back(f->iov, &nr_iov, 3), ==, 3);
    g_assert_cmpuint(nr_iov, ==, 1); /* the empty piece too */
    g_assert_cmpuint(iov_discard_back(f->iov, &nr_iov, SIZE_MAX), ==, 3);
    g_assert_cmpuint(nr_iov, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add("/iov/" #test, struct fixture, NULL, set_up, test, NULL)
    ADD(sizes_that_overflow_are_refused);
    ADD(reading_stops_at_the_end);
    ADD(writing_stops_at_the_end);
    ADD(filling_stops_at_the_end);
    ADD(a_part_is_the_same_memory);
    ADD(the_front_is_dropped);
    ADD(the_back_is_dropped);
#undef ADD
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A trace's file, and what becomes of it where it cannot be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/run.h"
#include "util/log.h"
#include "util/trace_file.h"

enum { NR = 1000, ROOM = 20000 };

static struct trace_selection all(void)
{
    struct trace_selection selection = { { 0 } };

    g_assert_true(trace_select(&selection, "*", NULL));
    return selection;
}

static char *temporary(void)
{
    char *path = NULL;
    int fd = g_file_open_tmp("trace-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    return path;
}

static unsigned count(const char *text, const char *part)
{
    unsigned nr = 0;

    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        nr++;
    }
    return nr;
}

static void all_is_there_at_the_end(void)
{
    const struct trace_selection selection = all();
    g_autofree char *path = temporary(), *text = NULL;
    g_autoptr(GError) error = NULL;

    for (unsigned round = 0; round < 2; round++) { /* the second replaces the first */
        struct trace_file *file = trace_file_open(path, &selection, &error);

        g_assert_no_error(error);
        for (unsigned i = 0; i < NR; i++)
            TRACE1(rcu_force, i);
        g_assert_true(trace_file_close(file, &error));
        g_assert_no_error(error);
        TRACE1(rcu_force, NR); /* nobody listens any more */
    }
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_true(g_str_has_prefix(text, "[\n{"));
    g_assert_true(g_str_has_suffix(text, "\"lost\":0}}\n]\n"));
    g_assert_cmpuint(count(text, "\"rcu_force\""), ==, NR);
    g_assert_nonnull(strstr(text, "{\"upto\":999}"));
    g_assert_nonnull(strstr(text, "\"args\":{\"name\":\"main\"}"));
    g_unlink(path);
}

static void fails_to_open(const char *path, const char *why)
{
    const struct trace_selection selection = all();
    g_autoptr(GError) error = NULL;
    struct trace_file *file = trace_file_open(path, &selection, &error);

    g_assert_null(file);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, why));
}

static void what_cannot_be_written_is_told_at_once(void)
{
    const struct trace_selection selection = all();
    g_autofree char *path = temporary(), *fifo = g_strconcat(path, ".fifo", NULL);
    g_autofree char *nowhere = g_strconcat(path, "/trace.json", NULL);
    g_autoptr(GError) error = NULL;
    struct trace_file *file;

    fails_to_open("/dev/full", g_strerror(ENOSPC));
    for (unsigned i = 0; i < NR_TRACE_POINTS; i++)
        g_assert_cmpuint(trace_is_on[i], ==, 0);
    fails_to_open(g_get_tmp_dir(), g_strerror(EISDIR));
    fails_to_open(nowhere, g_strerror(ENOTDIR));
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    fails_to_open(fifo, ""); /* there is no reader … */
    {
        const int reader = g_open(fifo, O_RDONLY | O_NONBLOCK, 0);

        g_assert_cmpint(reader, >=, 0);
        fails_to_open(fifo, "pipe"); /* … or one that may stop to read */
        close(reader);
    }
    file = trace_file_open(path, &selection, &error);
    g_assert_no_error(error);
    fails_to_open(path, "another process");
    g_assert_true(trace_file_close(file, NULL));
    g_unlink(fifo);
    g_unlink(path);
}

/* As a full disk does: from some byte on nothing is taken. */
static void a_disk_that_fills_up_is_told(void)
{
    const struct trace_selection selection = all();
    g_autofree char *path = temporary(), *log = temporary(), *text = NULL, *said = NULL;
    struct rlimit limit, small;
    g_autoptr(GError) error = NULL;
    struct trace_file *file;

    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    small = limit;
    small.rlim_cur = ROOM;
    g_assert_true(log_open(log, NULL));
    file = trace_file_open(path, &selection, &error);
    g_assert_no_error(error);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    for (unsigned i = 0; i < NR; i++)
        TRACE1(rcu_force, i);
    g_assert_false(trace_file_close(file, &error));
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_true(log_open(NULL, NULL));

    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, g_strerror(EFBIG)));
    g_assert_true(g_file_get_contents(log, &said, NULL, NULL));
    g_assert_nonnull(strstr(said, "the trace ends here"));
    g_assert_nonnull(strstr(said, "events are lost"));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL)); /* whole lines */
    g_assert_cmpuint(strlen(text), <=, ROOM);
    g_assert_true(g_str_has_suffix(text, "},\n"));
    g_unlink(path);
    g_unlink(log);
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
        { "/trace_file/whole", all_is_there_at_the_end },
        { "/trace_file/refused", what_cannot_be_written_is_told_at_once },
        { "/trace_file/full", a_disk_that_fills_up_is_told },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
        g_test_add_func(tests[i].name, tests[i].run);
    return run_without_bql();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"
#include "util/rcu.h"
#include "util/start.h"
#include "util/thread.h"

#include "child.h"

/* ---- What is written goes to a file of its own ----------------------------------- */

static char *log_path;

static char *logged(void)
{
    GError *error = NULL;
    char *text;

    g_file_get_contents(log_path, &text, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(truncate(log_path, 0), ==, 0);
    return text;
}

static void expect_logged(const char *expected)
{
    g_autofree char *text = logged();

    g_assert_cmpstr(text, ==, expected);
}

/* ---- Lines ------------------------------------------------------------------------- */

static void a_line_has_level_and_text(void)
{
    log_error("no such file '%s'", "x");
    log_warn("odd");
    log_info("%d", 7);
    expect_logged("gracevm: error: no such file 'x'\n"
                  "gracevm: warning: odd\n"
                  "gracevm: 7\n");
}

static void levels_beyond_are_dropped(void)
{
    log_set_level(LOG_LEVEL_WARN);
    log_info("dropped");
    log_warn("kept");
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("dropped");
    log_set_level(LOG_LEVEL_DEBUG);
    expect_logged("gracevm: warning: kept\n");
}

static void control_characters_are_shown(void)
{
    log_info("a\nb\033[2Jc\x7f \xc3\xa4");
    expect_logged("gracevm: a\\x0ab\\x1b[2Jc\\x7f \xc3\xa4\n");
}

/* Terminals obey U+009B as they do ESC [, in either spelling. */
static void control_characters_beyond_ascii_are_shown(void)
{
    log_info("a\x9b"
             "2Jb\xc2\x9b"
             "2Jc\xc2\xa0\xe2\x82\xac");
    log_info("\xff\xc3");             /* no UTF-8, and a cut character */
    log_info("\xc0\x9b\xe0\x82\x9b"); /* U+009B in more bytes than it needs */
    expect_logged("gracevm: a\\x9b2Jb\\xc2\\x9b2Jc\xc2\xa0\xe2\x82\xac\n"
                  "gracevm: \\xff\\xc3\n"
                  "gracevm: \\xc0\\x9b\\xe0\\x82\\x9b\n");
}

static void long_lines_are_cut_and_stay_lines(void)
{
    g_autofree char *text = NULL;
    char long_text[3 * LOG_LINE_MAX];

    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    log_info("%s", long_text);
    memset(long_text, '\n', sizeof(long_text) - 1); /* four bytes each, when shown */
    log_info("%s", long_text);
    text = logged();
    g_assert_cmpuint(strlen(text), <=, 2 * LOG_LINE_MAX);
    g_assert_true(g_str_has_suffix(text, "\n"));
    g_assert_true(strchr(text, '\n') < text + LOG_LINE_MAX);
}

static void time_stamps_on_request(void)
{
    g_autofree char *text = NULL;

    log_set_timestamps(true);
    log_info("when");
    log_set_timestamps(false);
    text = logged();
    g_assert_true(g_regex_match_simple("^[0-9]+\\.[0-9]{6} gracevm: when\n$", text, 0, 0));
}

enum { WRITERS = 4, LINES = 500 };

static void write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("writer %d line %d of many", GPOINTER_TO_INT(arg), i);
}

static void lines_of_many_threads_stay_whole(void)
{
    struct thread *threads[WRITERS];
    int next[WRITERS] = { 0 };
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    for (int i = 0; i < WRITERS; i++)
        threads[i] = thread_start("writer", write_lines, GINT_TO_POINTER(i));
    for (int i = 0; i < WRITERS; i++)
        thread_join(threads[i]);
    text = logged();
    lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, WRITERS * LINES + 1); /* and the empty last */
    for (int i = 0; i < WRITERS * LINES; i++) {
        int writer, line, end = 0;

        g_assert_cmpint(
            sscanf(lines[i], "gracevm: writer %d line %d of many%n", &writer, &line, &end), ==, 2);
        g_assert_cmpuint((size_t)end, ==, strlen(lines[i]));
        g_assert_cmpint(line, ==, next[writer]++);
    }
}

static void write_errors_are_counted_and_survived(void)
{
    GError *error = NULL;
    uint64_t before = log_write_errors();

    g_assert_true(log_open("/dev/full", &error));
    g_assert_no_error(error);
    errno = EDOM;
    log_error("lost");
    g_assert_cmpint(errno, ==, EDOM);
    g_assert_cmpuint(log_write_errors(), ==, before + 1);
    g_assert_true(log_open(log_path, &error));
    expect_logged("");
}

static void log_to_nobody(void) NO_THREAD_SAFETY
{
    uint64_t before = log_write_errors();
    char path[32];
    int fds[2];

    if (pipe(fds) != 0)
        _exit(1);
    (void)snprintf(path, sizeof(path), "/dev/fd/%d", fds[1]);
    if (!log_open(path, NULL) || util_start(NULL) != 0)
        _exit(2);
    close(fds[0]);
    log_error("lost");
    _exit(log_write_errors() == before + 1 ? 7 : 3);
}

static void a_pipe_without_a_reader_ends_nothing(void)
{
    struct child_end end = run_child(log_to_nobody);

    g_assert_cmpint(end.signal, ==, 0);
    g_assert_cmpint(end.exit_code, ==, 7);
}

static void a_log_file_that_cannot_be_is_an_error(void)
{
    GError *error = NULL;

    g_assert_false(log_open("/nonexistent/log", &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull(strstr(error->message, "/nonexistent/log"));
    g_error_free(error);
    log_info("still the old one");
    expect_logged("gracevm: still the old one\n");
}

/* ---- Topics --------------------------------------------------------------------------- */

static int count_up(int *nr)
{
    return ++*nr;
}

static void topics_that_are_off_cost_nothing(void)
{
    int evaluated = 0;

    log_topic(gpu, "%d", count_up(&evaluated));
    g_assert_cmpint(evaluated, ==, 0);
    g_assert_true(log_set_topics("gpu,rcu", NULL));
    log_topic(gpu, "%d", count_up(&evaluated));
    log_topic(mem, "%d", count_up(&evaluated));
    log_topic(rcu, "grace");
    g_assert_cmpint(evaluated, ==, 1);
    g_assert_true(log_set_topics("mem", NULL)); /* these and no others */
    log_topic(gpu, "no");
    log_topic(mem, "yes");
    g_assert_true(log_set_topics("all", NULL));
    log_topic(guest_errors, "first");
    log_topic(qmp, "last");
    expect_logged("gracevm: gpu: 1\ngracevm: rcu: grace\ngracevm: mem: yes\n"
                  "gracevm: guest_errors: first\ngracevm: qmp: last\n");
    store_relaxed(&log_topics_on, 0);
}

static void unknown_topics_are_refused_whole(void)
{
    GError *error = NULL;

    g_assert_false(log_set_topics("gpu,gpus", &error));
    g_assert_nonnull(strstr(error->message, "'gpus'"));
    g_clear_error(&error);
    g_assert_false(log_set_topics("gpu,", &error));
    g_clear_error(&error);
    g_assert_false(log_is_on(gpu)); /* as before */
    g_assert_true(log_set_topics("gpu", NULL));
    g_assert_true(log_set_topics("", NULL)); /* none */
    g_assert_false(log_is_on(gpu));
}

static void help_lists_every_topic(void)
{
    g_autofree char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    log_print_topics(out);
    fclose(out);
#define LISTED(name, description)                                                                  \
    g_assert_nonnull(strstr(text, #name " "));                                                     \
    g_assert_nonnull(strstr(text, description "\n"));
    LOG_TOPICS(LISTED)
#undef LISTED
}

/* ---- Rate limit -------------------------------------------------------------------------- */

static struct log_limit limit = { .place = "here" }; /* listed: must stay */

static void a_burst_then_a_count_per_interval(void)
{
    int allowed = 0;

    for (int i = 0; i < 1000; i++)
        allowed += log_limit_allows(&limit, 1 + i);
    g_assert_cmpint(allowed, ==, LOG_BURST);
    g_assert_false(log_limit_allows(&limit, LOG_INTERVAL_NS)); /* 1 ns too early */
    expect_logged("");
    g_assert_true(log_limit_allows(&limit, LOG_INTERVAL_NS + 1));
    expect_logged("gracevm: warning: 991 more messages like the one at here were suppressed\n");
    for (int i = 1; i < LOG_BURST; i++)
        g_assert_true(log_limit_allows(&limit, LOG_INTERVAL_NS + 2));
    g_assert_false(log_limit_allows(&limit, LOG_INTERVAL_NS + 2));
    log_flush();
    expect_logged("gracevm: warning: 1 more messages like the one at here were suppressed\n");
    log_flush(); /* each is told once */
    expect_logged("");
    g_assert_true(log_limit_allows(&limit, 3 * LOG_INTERVAL_NS)); /* a quiet interval between */
    expect_logged("");
}

static void flood(int nr)
{
    for (int i = 0; i < nr; i++)
        LOG_RATELIMITED(log_warn, "bad descriptor %d", i);
}

static void each_place_has_its_own_limit(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    flood(5000);
    LOG_RATELIMITED(log_warn, "another place");
    log_flush();
    text = logged();
    lines = g_strsplit(text, "\n", -1);
    /* If the machine halts for an interval within the loop there may be more: at least these. */
    g_assert_cmpstr(lines[0], ==, "gracevm: warning: bad descriptor 0");
    g_assert_cmpstr(lines[LOG_BURST - 1], ==, "gracevm: warning: bad descriptor 9");
    g_assert_nonnull(strstr(text, "another place"));
    g_assert_nonnull(strstr(text, "test_log.c:"));
    g_assert_cmpuint(g_strv_length(lines), <, 500);
}

static void guest_errors_need_their_topic(void)
{
    log_guest_error("off");
    g_assert_true(log_set_topics("guest_errors", NULL));
    log_guest_error("queue %d: index out of range", 1);
    store_relaxed(&log_topics_on, 0);
    expect_logged("gracevm: guest_errors: queue 1: index out of range\n");
}

static struct log_limit shared_limit = { .place = "threads" };

static void use_limit(void *arg)
{
    for (int i = 0; i < LINES; i++)
        *(int *)arg += log_limit_allows(&shared_limit, 1);
}

static void limit_holds_across_threads(void)
{
    struct thread *threads[WRITERS];
    int allowed[WRITERS] = { 0 }, total = 0;
    g_autofree char *text = NULL;

    g_assert_true(log_limit_allows(&shared_limit, 1)); /* the interval has begun */
    for (int i = 0; i < WRITERS; i++)
        threads[i] = thread_start("limited", use_limit, &allowed[i]);
    for (int i = 0; i < WRITERS; i++) {
        thread_join(threads[i]);
        total += allowed[i];
    }
    g_assert_cmpint(total, ==, LOG_BURST - 1);
    log_flush();
    text = logged();
    g_assert_nonnull(strstr(text, "warning: 1991 more messages like the one at threads"));
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    int fd, failed;

    g_test_init(&argc, &argv, NULL);
    rcu_register_thread();
    fd = g_file_open_tmp("gracevm-log-XXXXXX", &log_path, &error);
    g_assert_no_error(error);
    close(fd);
    g_assert_true(log_open(log_path, &error));
#define ADD(test) g_test_add_func("/log/" #test, test)
    ADD(a_line_has_level_and_text);
    ADD(levels_beyond_are_dropped);
    ADD(control_characters_are_shown);
    ADD(control_characters_beyond_ascii_are_shown);
    ADD(long_lines_are_cut_and_stay_lines);
    ADD(time_stamps_on_request);
    ADD(lines_of_many_threads_stay_whole);
    ADD(write_errors_are_counted_and_survived);
    ADD(a_pipe_without_a_reader_ends_nothing);
    ADD(a_log_file_that_cannot_be_is_an_error);
    ADD(topics_that_are_off_cost_nothing);
    ADD(unknown_topics_are_refused_whole);
    ADD(help_lists_every_topic);
    ADD(a_burst_then_a_count_per_interval);
    ADD(each_place_has_its_own_limit);
    ADD(guest_errors_need_their_topic);
    ADD(limit_holds_across_threads);
#undef ADD
    failed = g_test_run();
    g_unlink(log_path);
    g_free(log_path);
    return failed;
}

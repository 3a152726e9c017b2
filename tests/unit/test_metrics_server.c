/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket of metrics: what its clients get, and that none of them holds up another.
 */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/run.h"
#include "ui/metrics_server.h"
#include "ui/unix_listen.h"
#include "util/keyval.h"
#include "util/loop.h"

enum { LABELS = 20000, CROWD = 40 };
#define PLAIN "# HELP gracevm_test_total A test.\n# TYPE gracevm_test_total counter\n"

struct scene {
    char *folder, *path, *spec;
    uint64_t value;
    struct metrics *metrics;
    struct metrics_server *server;
};

/* @nr samples of one family. */
static struct scene *scene_new(unsigned nr) REQUIRES(bql)
{
    struct scene *scene = g_new0(struct scene, 1);
    struct metric_family *family;
    g_autoptr(GError) error = NULL;

    scene->folder = g_dir_make_tmp("metrics-XXXXXX", NULL);
    scene->path = g_strconcat(scene->folder, "/socket", NULL);
    scene->spec = g_strconcat("unix:", scene->path, NULL);
    scene->metrics = metrics_new();
    scene->value = 7;
    family = metrics_family(scene->metrics, METRIC_COUNTER, "gracevm_test_total", "A test.");
    for (unsigned i = 0; i < nr; i++) {
        g_autofree char *number = g_strdup_printf("%u", i);

        metric_add_u64(family, METRIC_LABELS({ "n", number }), &scene->value, scene);
    }
    scene->server = metrics_server_new(scene->metrics, scene->spec, &error);
    g_assert_no_error(error);
    return scene;
}

static void scene_free(struct scene *scene) REQUIRES(bql)
{
    metrics_server_free(scene->server);
    g_assert_false(g_file_test(scene->path, G_FILE_TEST_EXISTS));
    metrics_free(scene->metrics);
    g_assert_cmpint(g_rmdir(scene->folder), ==, 0);
    g_free(scene->spec);
    g_free(scene->path);
    g_free(scene->folder);
    g_free(scene);
}

static int connected(const struct scene *scene) REQUIRES(bql)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;

    g_assert_true(unix_address(&address, scene->path, NULL));
    while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        g_assert_cmpint(errno, ==,
                        EAGAIN); /* more than are waited for: until the loop takes some */
        (void)loop_iterate(true);
    }
    return fd;
}

static void say(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, strlen(text));
}

/* All it says until it closes, and no error at its end. */
static char *hear(int fd) REQUIRES(bql)
{
    g_autoptr(GString) heard = g_string_new(NULL);
    char bytes[4096];
    ssize_t got;

    while ((got = recv(fd, bytes, sizeof(bytes), 0)) != 0) {
        if (got > 0) {
            g_string_append_len(heard, bytes, got);
            continue;
        }
        g_assert_cmpint(errno, ==, EAGAIN);
        (void)loop_iterate(true);
    }
    close(fd);
    return g_strdup(heard->str);
}

/* What a client hears that says @text, and then no more if @is_all. */
static char *ask(const struct scene *scene, const char *text, bool is_all) REQUIRES(bql)
{
    const int fd = connected(scene);

    say(fd, text);
    if (is_all)
        g_assert_cmpint(shutdown(fd, SHUT_WR), ==, 0);
    return hear(fd);
}

static void http_is_answered_by_http(void)
{
    bql_assert_held();
    static const char head[] = "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4; "
                               "charset=utf-8\r\nContent-Length: ";
    struct scene *scene = scene_new(1);
    const char *const body = PLAIN "gracevm_test_total{n=\"0\"} 7\n";
    g_autofree char *got = ask(scene, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", false);
    g_autofree char *cut = ask(scene, "GET / HTTP/1.0\r\nHos", true);
    g_autofree char *only_head = ask(scene, "HEAD / HTTP/1.0\r\n\r\n", false);
    g_autofree char *other = ask(scene, "POST / HTTP/1.0\r\n\r\nx", false);
    g_autofree char *length = g_strdup_printf("Content-Length: %zu\r\n", strlen(body));

    g_assert_true(g_str_has_prefix(got, head));
    g_assert_true(g_str_has_suffix(got, body));
    g_assert_nonnull(strstr(got, length));
    g_assert_cmpstr(cut, ==, got);
    g_assert_true(g_str_has_prefix(got, only_head));
    g_assert_true(g_str_has_suffix(only_head, "\r\n\r\n"));
    g_assert_nonnull(strstr(only_head, length));
    g_assert_true(g_str_has_prefix(other, "HTTP/1.0 501 "));
    scene_free(scene);
}

/* As socat, nc and cat do. */
static void all_else_gets_plain_text(void)
{
    bql_assert_held();
    struct scene *scene = scene_new(1);
    static const char *const words[] = { "", "\n", "metrics\n", "GET /\r\n" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        g_autofree char *got = ask(scene, words[i], true);
        g_autofree char *silent = i ? ask(scene, words[i], false) : hear(connected(scene));

        g_assert_cmpstr(got, ==, PLAIN "gracevm_test_total{n=\"0\"} 7\n");
        g_assert_cmpstr(silent, ==, got);
    }
    scene_free(scene);
}

static void a_request_in_pieces_is_one(void)
{
    bql_assert_held();
    static const char request[] = "GET / HTTP/1.0\r\nA: b\r\n\r\n";
    struct scene *scene = scene_new(1);
    const int fd = connected(scene);
    g_autofree char *got = NULL;

    for (size_t i = 0; i < strlen(request); i++) {
        const char piece[] = { request[i], '\0' };

        say(fd, piece);
        for (unsigned turn = 0; turn < 3; turn++)
            (void)loop_iterate(false);
    }
    got = hear(fd);
    g_assert_true(g_str_has_prefix(got, "HTTP/1.0 200 OK\r\n"));
    scene_free(scene);
}

/* More than a socket holds, and nobody reads; more clients than there may be, who say nothing. */
static void nobody_holds_up_another(void)
{
    bql_assert_held();
    struct scene *scene = scene_new(LABELS);
    int idle[CROWD], deaf = connected(scene), gone = connected(scene);
    g_autofree char *got = NULL, *late = NULL;

    say(deaf, "GET / HTTP/1.0\r\n\r\n");
    say(gone, "GET / HTTP/1.0\r\n\r\n");
    close(gone);
    got = ask(scene, "", true);
    g_assert_cmpuint(strlen(got), >, LABELS * strlen("gracevm_test_total"));
    g_assert_true(g_str_has_suffix(got, "{n=\"19999\"} 7\n"));
    late = hear(deaf); /* it gets all of it as well, once it listens */
    g_assert_true(g_str_has_suffix(late, got));
    for (unsigned i = 0; i < CROWD; i++) {
        idle[i] = connected(scene);
        say(idle[i], "G");
    }
    g_free(got);
    got = ask(scene, "", true);
    g_assert_true(g_str_has_suffix(got, "{n=\"19999\"} 7\n"));
    for (unsigned i = 0; i < CROWD; i++)
        close(idle[i]);
    scene_free(scene);
}

static void fails(struct scene *scene, const char *spec, const char *why, bool is_usage)
    REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;
    struct metrics_server *server = metrics_server_new(scene->metrics, spec, &error);

    g_assert_null(server);
    g_assert_true(g_str_has_prefix(error->message, "-metrics: "));
    g_assert_nonnull(strstr(error->message, why));
    g_assert_true((error->domain == KEYVAL_ERROR) == is_usage);
}

static void bad_places_are_refused(void)
{
    bql_assert_held();
    struct scene *scene = scene_new(1);
    g_autofree char *file = g_strconcat(scene->folder, "/file", NULL);
    g_autofree char *at_file = g_strconcat("unix:", file, NULL);
    g_autofree char *waiting = g_strconcat(scene->spec, ",wait=on", NULL);
    g_autofree char *client = g_strconcat(scene->spec, ",server=off", NULL);

    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    fails(scene, "tcp:9090", "tcp:9090", true);
    fails(scene, "unix:", "path", true);
    fails(scene, waiting, "wait=on", true);
    fails(scene, client, "server=off", true);
    fails(scene, scene->spec, "another process does", false);
    fails(scene, at_file, "no socket", false);
    fails(scene, "unix:/nonexistent/metrics", "/nonexistent/metrics", false);
    g_unlink(file);
    scene_free(scene);
}

/* A process that was killed has left its socket. */
static void a_stale_socket_is_replaced(void)
{
    bql_assert_held();
    struct scene *scene = scene_new(1);
    g_autofree char *path = g_strconcat(scene->folder, "/stale", NULL);
    g_autofree char *spec = g_strconcat("unix:", path, NULL);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct metrics_server *server;
    struct sockaddr_un address;

    g_assert_true(unix_address(&address, path, NULL));
    g_assert_cmpint(bind(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
    close(fd);
    server = metrics_server_new(scene->metrics, spec, NULL);
    g_assert_nonnull(server);
    metrics_server_free(server);
    scene_free(scene);
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
        { "/metrics_server/http", http_is_answered_by_http },
        { "/metrics_server/plain", all_else_gets_plain_text },
        { "/metrics_server/pieces", a_request_in_pieces_is_one },
        { "/metrics_server/crowd", nobody_holds_up_another },
        { "/metrics_server/refused", bad_places_are_refused },
        { "/metrics_server/stale", a_stale_socket_is_replaced },
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}

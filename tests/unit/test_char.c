/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Back ends but for terminals, which test_terminal.c has.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/char_scene.h"
#include "tests/unit/descriptors.h"
#include "ui/unix_listen.h"
#include "util/keyval.h"
#include "util/log.h"
#include "util/start.h"
#include "util/thread.h"

static char *log_path;

/* What has been logged since the last call. */
static char *take_log(void)
{
    g_autoptr(GError) error = NULL;
    char *text;

    g_assert_true(g_file_get_contents(log_path, &text, NULL, &error));
    g_assert_cmpint(truncate(log_path, 0), ==, 0);
    return text;
}

static unsigned count(const char *text, const char *part)
{
    unsigned nr = 0;

    for (; (text = strstr(text, part)); text++)
        nr++;
    return nr;
}

/* ---- Values ---------------------------------------------------------------------- */

static void wrong_values_are_named(void) REQUIRES(bql)
{
    static const struct {
        const char *spec, *message;
        bool is_host; /* it, and not the value, is to blame */
    } rows[] = {
        { "", "unknown back end ''", false },
        { "stdi", "unknown back end 'stdi' (known: stdio, file:…, unix:…, pty, null, none)",
          false },
        { "tcp:1234", "unknown back end 'tcp'", false },
        { "stdio:x", "'stdio:x': nothing may follow 'stdio'", false },
        { "file", "'file' lacks its path: file:PATH", false },
        { "file:", "'file:' lacks its path", false },
        { "file:/no/such/file", "cannot write to '/no/such/file': No such file", true },
        { "unix:", "'unix:' lacks its path: unix:PATH[,server=on|off][,wait=on|off]", false },
        { "unix:,server=on", "'unix:,server=on' lacks its path", false },
        { "unix:/x,serve=on", "unknown option 'serve=on' of 'unix' (known: server, wait)", false },
        { "unix:/x,server=yes", "'server=yes': 'on' or 'off', not 'yes'", false },
        { "unix:/x,wait=", "'wait=': 'on' or 'off', not ''", false },
        { "unix:/no/such/socket", "cannot connect to '/no/such/socket': No such file", true },
        { "unix:/no/such/socket,server=on", "cannot listen on '/no/such/socket': No such file",
          true },
    };
    const struct char_host host = { .quit = NULL };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(char_backend_new(rows[i].spec, &host, &error));
        g_assert_nonnull(error);
        g_assert_cmpint(error->domain == KEYVAL_ERROR, !=, rows[i].is_host);
        if (!g_str_has_prefix(error->message, rows[i].message))
            g_assert_cmpstr(error->message, ==, rows[i].message);
    }
}

static void long_socket_path_is_refused(void) REQUIRES(bql)
{
    g_autofree char *name = g_strnfill(108, 'x');
    g_autofree char *spec = g_strdup_printf("unix:/%s,server=on", name);
    const struct char_host host = { .quit = NULL };
    g_autoptr(GError) error = NULL;

    g_assert_null(char_backend_new(spec, &host, &error));
    g_assert_nonnull(strstr(error->message, "is longer than 107 bytes"));
}

static void help_lists_all(void) REQUIRES(bql)
{
    g_autofree char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    char_backend_print_help(out);
    fclose(out);
    g_assert_cmpuint(count(text, "\n"), ==, 6);
    g_assert_nonnull(strstr(text, "unix:PATH[,server=on|off][,wait=on|off]"));
}

static void nothing_takes_everything(void) REQUIRES(bql)
{
    struct guest guest;

    guest_start(&guest, "null");
    g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5);
    guest_end(&guest);
    guest_start(&guest, "none");
    g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5);
    guest_end(&guest);
}

/* ---- Files ----------------------------------------------------------------------- */

static void file_is_emptied_and_written(void) REQUIRES(bql)
{
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "a:b,c", NULL);
    g_autofree char *spec = g_strconcat("file:", path, NULL);
    g_autofree char *text = NULL;
    struct guest guest;

    g_assert_true(g_file_set_contents(path, "older and longer", -1, NULL));
    guest_start(&guest, spec);
    g_assert_cmpuint(guest_print(&guest, "hel"), ==, 3);
    g_assert_cmpuint(guest_print(&guest, "lo"), ==, 2);
    guest_end(&guest);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hello");
    g_assert_cmpint(g_unlink(path), ==, 0);
    folder_free(folder);
}

static void full_disk_is_told_once_and_does_not_stop_the_guest(void) REQUIRES(bql)
{
    g_autofree char *text = NULL;
    struct guest guest;

    g_free(take_log());
    guest_start(&guest, "file:/dev/full");
    for (int i = 0; i < 100; i++)
        g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5);
    guest_end(&guest);
    text = take_log();
    g_assert_cmpuint(count(text, "cannot write to '/dev/full': No space left on device"), ==, 1);
    g_assert_cmpuint(count(text, "\n"), ==, 1);
}

/* `ulimit -f`: not a reason to be killed by SIGXFSZ. */
static void limit_of_file_sizes_is_told_once(void) REQUIRES(bql)
{
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "file", NULL);
    g_autofree char *spec = g_strconcat("file:", path, NULL);
    g_autofree char *text = NULL;
    struct rlimit before, limit;
    struct guest guest;

    g_free(take_log());
    guest_start(&guest, spec);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    limit = (struct rlimit){ 4096, before.rlim_max }; /* of the log as well */
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    for (int i = 0; i < 1000; i++)
        g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    guest_end(&guest);
    text = take_log();
    g_assert_cmpuint(count(text, "File too large"), ==, 1);
    g_assert_cmpint(g_unlink(path), ==, 0);
    folder_free(folder);
}

static void fifo_makes_the_guest_wait(void) REQUIRES(bql)
{
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "fifo", NULL);
    g_autofree char *spec = g_strconcat("file:", path, NULL);
    g_autofree char *text = g_strnfill(1 << 20, 'x');
    const struct char_host host = { .quit = NULL };
    g_autoptr(GError) error = NULL;
    struct guest guest;
    size_t taken;
    int fd;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_null(char_backend_new(spec, &host, &error));
    g_assert_nonnull(strstr(error->message, "nobody reads from it"));
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    guest_start(&guest, spec);
    taken = guest_print(&guest, text);
    g_assert_cmpuint(taken, >, 0);
    g_assert_cmpuint(taken, <, 1 << 20);
    settle();
    g_assert_cmpuint(guest.nr_drained, ==, 0);
    g_assert_cmpint(read(fd, text, taken), ==, (gssize)taken);
    while (guest.nr_drained == 0)
        (void)loop_iterate(true);
    g_assert_cmpuint(guest_print(&guest, "more"), ==, 4);
    close(fd);
    g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5); /* lost, and told */
    guest_end(&guest);
    g_assert_cmpint(g_unlink(path), ==, 0);
    folder_free(folder);
    g_free(take_log());
}

/* ---- Sockets --------------------------------------------------------------------- */

static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_true(unix_address(&address, path, NULL));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Exactly @expected comes. */
static void client_gets(int fd, const char *expected) REQUIRES(bql)
{
    g_autoptr(GString) got = g_string_new(NULL);

    while (got->len < strlen(expected)) {
        char bytes[4096];
        ssize_t size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (size > 0)
            g_string_append_len(got, bytes, size);
        else
            (void)loop_iterate(false);
        g_assert_cmpint(size, !=, 0);
    }
    g_assert_cmpstr(got->str, ==, expected);
}

struct socket_scene {
    char *folder, *path;
    struct guest guest;
};

static void socket_set_up(struct socket_scene *scene, const char *options) REQUIRES(bql)
{
    g_autofree char *spec = NULL;

    scene->folder = folder_new();
    scene->path = g_build_filename(scene->folder, "socket", NULL);
    spec = g_strconcat("unix:", scene->path, options, NULL);
    guest_start(&scene->guest, spec);
}

static void socket_tear_down(struct socket_scene *scene) REQUIRES(bql)
{
    guest_end(&scene->guest);
    g_assert_cmpint(connect_to(scene->path), ==, -1);
    folder_free(scene->folder);
    g_free(scene->path);
}

/* Nobody asks for a descriptor again and again while the system has none. */
static void server_without_descriptors_waits_for_one(void) REQUIRES(bql)
{
    struct rlimit before;
    struct socket_scene scene;
    g_autofree char *said = NULL;
    int client;

    socket_set_up(&scene, ",server=on,wait=off");
    client = connect_to(scene.path);
    g_free(take_log());
    before = use_up_descriptors();
    settle(); /* ends: it does not spin */
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
    said = take_log();
    g_assert_cmpuint(count(said, "cannot accept a connection to"), ==, 1);
    g_assert_cmpuint(guest_print(&scene.guest, "later"), ==, 5);
    client_gets(client, "later");
    close(client);
    socket_tear_down(&scene);
}

static void server_serves_one_client_after_the_other(void) REQUIRES(bql)
{
    struct socket_scene scene;
    struct stat status;
    int first, second;

    socket_set_up(&scene, ",server=on,wait=off");
    g_assert_cmpint(stat(scene.path, &status), ==, 0);
    g_assert_cmphex(status.st_mode & 0777 & ~0700U, ==, 0); /* nobody but the owner */
    g_assert_cmpuint(guest_print(&scene.guest, "before "), ==, 7);
    first = connect_to(scene.path);
    client_gets(first, "before ");
    g_assert_cmpuint(guest_print(&scene.guest, "during"), ==, 6);
    client_gets(first, "during");
    g_assert_cmpint(send(first, "keys", 4, 0), ==, 4);
    guest_gets(&scene.guest, "keys");
    second = connect_to(scene.path);
    settle();
    g_assert_cmpuint(guest_print(&scene.guest, "for the first"), ==, 13);
    client_gets(first, "for the first");
    g_assert_cmpint(send(second, "more", 4, 0), ==, 4);
    settle();
    close(first);
    guest_gets(&scene.guest, "keysmore");
    g_assert_cmpuint(guest_print(&scene.guest, "for the second"), ==, 14);
    client_gets(second, "for the second");
    close(second);
    settle();
    g_assert_cmpuint(guest_print(&scene.guest, "between"), ==, 7);
    first = connect_to(scene.path);
    client_gets(first, "between");
    socket_tear_down(&scene);
    close(first);
}

static void last_bytes_are_kept_for_the_next_client(void) REQUIRES(bql)
{
    g_autoptr(GString) all = g_string_new(NULL);
    struct socket_scene scene;
    int client;

    socket_set_up(&scene, ",server,nowait"); /* the older spelling */
    for (int i = 0; i < 20000; i++) {
        g_autofree char *line = g_strdup_printf("%07d\n", i);

        g_string_append(all, line);
        g_assert_cmpuint(guest_print(&scene.guest, line), ==, 8);
    }
    client = connect_to(scene.path);
    client_gets(client, all->str + all->len - 64 * 1024);
    close(client);
    socket_tear_down(&scene);
}

static void slow_client_makes_the_guest_wait(void) REQUIRES(bql)
{
    g_autofree char *text = g_strnfill(1 << 20, 'x');
    g_autofree char *kept = NULL;
    struct socket_scene scene;
    size_t taken;
    int client;

    socket_set_up(&scene, ",server=on,wait=off");
    client = connect_to(scene.path);
    settle();
    taken = guest_print(&scene.guest, text);
    g_assert_cmpuint(taken, >, 0);
    g_assert_cmpuint(taken, <, 1 << 20);
    settle();
    g_assert_cmpuint(scene.guest.nr_drained, ==, 0);
    kept = g_strndup(text, taken);
    client_gets(client, kept);
    while (scene.guest.nr_drained == 0)
        (void)loop_iterate(true);
    taken = guest_print(&scene.guest, text); /* full again, and now it goes */
    close(client);
    while (scene.guest.nr_drained == 1)
        (void)loop_iterate(true);
    g_assert_cmpuint(guest_print(&scene.guest, "hello"), ==, 5);
    client = connect_to(scene.path);
    client_gets(client, "hello");
    close(client);
    socket_tear_down(&scene);
}

static void half_closed_client_still_reads(void) REQUIRES(bql)
{
    struct socket_scene scene;
    int client;

    socket_set_up(&scene, ",server=on,wait=off");
    client = connect_to(scene.path);
    g_assert_cmpint(send(client, "go", 2, 0), ==, 2);
    g_assert_cmpint(shutdown(client, SHUT_WR), ==, 0);
    guest_gets(&scene.guest, "go");
    settle(); /* ends: it does not spin */
    g_assert_cmpuint(guest_print(&scene.guest, "going"), ==, 5);
    client_gets(client, "going");
    close(client);
    settle();
    client = connect_to(scene.path);
    g_assert_cmpuint(guest_print(&scene.guest, "next"), ==, 4);
    client_gets(client, "next");
    close(client);
    socket_tear_down(&scene);
}

static void input_waits_for_the_guest(void) REQUIRES(bql)
{
    g_autofree char *text = g_strnfill(20000, 'i');
    struct socket_scene scene;
    int client;

    socket_set_up(&scene, ",server=on,wait=off");
    scene.guest.room = 10;
    client = connect_to(scene.path);
    g_assert_cmpint(send(client, text, 20000, 0), ==, 20000);
    settle();
    g_assert_cmpuint(scene.guest.got->len, ==, 10);
    while (scene.guest.got->len < 20000) {
        scene.guest.room = 1000;
        scene.guest.backend->may_receive(scene.guest.backend);
        (void)loop_iterate(false);
    }
    g_assert_cmpstr(scene.guest.got->str, ==, text);
    close(client);
    socket_tear_down(&scene);
}

static void deaf_guest_does_not_keep_the_next_client_out(void) REQUIRES(bql)
{
    g_autofree char *text = g_strnfill(20000, 'i');
    struct socket_scene scene;
    int client;

    socket_set_up(&scene, ",server=on,wait=off");
    scene.guest.room = 0;
    client = connect_to(scene.path);
    g_assert_cmpint(send(client, text, 20000, 0), ==, 20000);
    settle();
    close(client);
    settle();
    client = connect_to(scene.path);
    g_assert_cmpuint(guest_print(&scene.guest, "hello"), ==, 5);
    client_gets(client, "hello");
    close(client);
    socket_tear_down(&scene);
}

static void stale_socket_is_replaced_but_nothing_else(void) REQUIRES(bql)
{
    struct socket_scene scene;
    const struct char_host host = { .quit = NULL };
    g_autofree char *spec = NULL;
    g_autoptr(GError) in_use = NULL;
    g_autoptr(GError) no_socket = NULL;
    struct sockaddr_un address;
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_true(unix_address(&address, path, NULL));
    g_assert_cmpint(bind(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
    close(fd); /* as after SIGKILL */
    spec = g_strconcat("unix:", path, ",server=on,wait=off", NULL);
    guest_start(&scene.guest, spec);
    g_assert_null(char_backend_new(spec, &host, &in_use));
    g_assert_nonnull(strstr(in_use->message, "another process does"));
    fd = connect_to(path); /* the probe was no client */
    g_assert_cmpuint(guest_print(&scene.guest, "hello"), ==, 5);
    client_gets(fd, "hello");
    close(fd);
    /* Somebody has put something else there: it stays. */
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_true(g_file_set_contents(path, "mine", -1, NULL));
    guest_end(&scene.guest);
    g_assert_null(char_backend_new(spec, &host, &no_socket));
    g_assert_nonnull(strstr(no_socket->message, "exists and is no socket"));
    g_assert_cmpint(g_unlink(path), ==, 0);
    folder_free(folder);
}

static void talk_to_server(void *path)
{
    int fd = -1;
    char bytes[5];

    while (fd < 0) {
        fd = connect_to(path);
        sched_yield(); /* until it listens */
    }
    g_assert_cmpint(recv(fd, bytes, 5, MSG_WAITALL), ==, 5);
    g_assert_cmpint(send(fd, bytes, 5, 0), ==, 5);
    g_assert_cmpint(recv(fd, bytes, 1, 0), ==, 0);
    close(fd);
}

static void server_waits_for_its_client(void) NO_THREAD_SAFETY /* joins without the BQL */
{
    char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    g_autofree char *spec = g_strconcat("unix:", path, ",server=on", NULL);
    struct thread *client = thread_start("client", talk_to_server, path);
    struct guest guest;

    guest_start(&guest, spec);
    g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5);
    guest_gets(&guest, "hello");
    guest_end(&guest);
    bql_unlock();
    thread_join(client);
    bql_lock();
    folder_free(folder);
    g_free(take_log());
}

static void waiting_server_is_interrupted_by_a_pending_signal(void) REQUIRES(bql)
{
    char *folder = folder_new();
    g_autofree char *spec = g_strconcat("unix:", folder, "/socket,server=on", NULL);
    const struct char_host host = { .quit = NULL };
    const struct timespec no_time = { .tv_sec = 0 };
    g_autoptr(GError) error = NULL;
    sigset_t set, before;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    g_assert_cmpint(pthread_sigmask(SIG_BLOCK, &set, &before), ==, 0);
    g_assert_cmpint(pthread_kill(pthread_self(), SIGTERM), ==, 0);
    g_assert_null(char_backend_new(spec, &host, &error));
    g_assert_nonnull(strstr(error->message, "ended while waiting for a client"));
    g_assert_cmpint(sigtimedwait(&set, NULL, &no_time), ==, SIGTERM); /* the program's to take */
    g_assert_cmpint(pthread_sigmask(SIG_SETMASK, &before, NULL), ==, 0);
    folder_free(folder);
    g_free(take_log());
}

static void client_connects_and_survives_the_server(void) REQUIRES(bql)
{
    struct socket_scene server;
    struct guest client;
    g_autofree char *spec = NULL;
    g_autofree char *text = NULL;

    socket_set_up(&server, ",server=on,wait=off");
    spec = g_strconcat("unix:", server.path, NULL);
    guest_start(&client, spec);
    g_assert_cmpuint(guest_print(&client, "ping"), ==, 4);
    guest_gets(&server.guest, "ping");
    g_assert_cmpuint(guest_print(&server.guest, "pong"), ==, 4);
    guest_gets(&client, "pong");
    socket_tear_down(&server);
    settle();
    for (int i = 0; i < 10; i++)
        g_assert_cmpuint(guest_print(&client, "hello"), ==, 5);
    text = take_log();
    g_assert_cmpuint(count(text, "the other side has closed the connection"), ==, 1);
    guest_end(&client);
}

static void comma_in_a_path_is_doubled(void) REQUIRES(bql)
{
    char *folder = folder_new();
    g_autofree char *spec = g_strconcat("unix:", folder, "/a,,b,server=on,wait=off", NULL);
    g_autofree char *path = g_build_filename(folder, "a,b", NULL);
    struct guest guest;
    int client;

    guest_start(&guest, spec);
    client = connect_to(path);
    g_assert_cmpint(client, >=, 0);
    close(client);
    guest_end(&guest);
    folder_free(folder);
}

/* ---- Pseudo-terminals -------------------------------------------------------------- */

static void pseudo_terminal_is_raw_and_comes_and_goes(void) REQUIRES(bql)
{
    struct guest guest;
    struct termios mode;
    g_autofree char *text = NULL;
    char bytes[8];
    int fd;

    g_free(take_log());
    guest_start(&guest, "pty");
    g_assert_cmpuint(guest_print(&guest, "unheard"), ==, 7);
    text = g_strstrip(take_log());
    for (int round = 0; round < 2; round++) {
        fd = open(strstr(text, "/dev/"), O_RDWR | O_NOCTTY | O_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(tcgetattr(fd, &mode), ==, 0);
        g_assert_cmphex(mode.c_lflag & (ECHO | ICANON), ==, 0);
        g_assert_cmpint(write(fd, "keys", 4), ==, 4);
        guest_gets(&guest, round ? "keyskeys" : "keys");
        g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5);
        g_assert_cmpint(read(fd, bytes, sizeof(bytes)), ==, 5);
        close(fd);
        settle(); /* ends: a hang-up does not spin */
    }
    guest_end(&guest);
}

/* ---- Pipes on standard input and output --------------------------------------------- */

struct pipes {
    int in, out;             /* our ends */
    int saved_in, saved_out; /* the program's */
};

static void pipes_set_up(struct pipes *pipes)
{
    int in[2], out[2];

    g_assert_cmpint(pipe2(in, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
    fflush(stdout);
    pipes->saved_in = dup(0);
    pipes->saved_out = dup(1);
    g_assert_cmpint(dup2(in[0], 0), ==, 0);
    g_assert_cmpint(dup2(out[1], 1), ==, 1);
    close(in[0]);
    close(out[1]);
    pipes->in = in[1];
    pipes->out = out[0];
}

static void pipes_tear_down(struct pipes *pipes)
{
    fflush(stdout);
    g_assert_cmpint(dup2(pipes->saved_in, 0), ==, 0);
    g_assert_cmpint(dup2(pipes->saved_out, 1), ==, 1);
    close(pipes->saved_in);
    close(pipes->saved_out);
    if (pipes->in >= 0)
        close(pipes->in);
    close(pipes->out);
}

static void pipes_carry_both_ways_and_may_end(void) REQUIRES(bql)
{
    struct guest guest;
    struct pipes pipes;
    char bytes[16];

    pipes_set_up(&pipes);
    guest_start(&guest, "stdio");
    g_assert_cmphex((unsigned)fcntl(0, F_GETFL) & O_NONBLOCK, ==, 0); /* shared: not changed */
    g_assert_cmphex((unsigned)fcntl(1, F_GETFL) & O_NONBLOCK, ==, 0);
    g_assert_cmpint(write(pipes.in, "keys\3", 5), ==, 5);
    guest_gets(&guest, "keys\3");
    g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5);
    g_assert_cmpint(read(pipes.out, bytes, sizeof(bytes)), ==, 5);
    g_assert_cmpint(write(pipes.in, "\1b\1\1x\1", 6), ==, 6);
    guest_gets(&guest, "keys\3<break>\1x");
    g_assert_cmpuint(guest.nr_quits, ==, 0);
    g_assert_cmpint(write(pipes.in, "x", 1), ==, 1);
    while (guest.nr_quits == 0)
        (void)loop_iterate(true);
    close(pipes.in);
    pipes.in = -1;
    settle(); /* ends: the pipe's end does not spin */
    g_assert_cmpuint(guest.nr_quits, ==, 1);
    g_assert_cmpuint(guest_print(&guest, "still there"), ==, 11);
    g_assert_cmpint(read(pipes.out, bytes, sizeof(bytes)), ==, 11);
    guest_end(&guest);
    pipes_tear_down(&pipes);
}

static void full_pipe_makes_the_guest_wait(void) REQUIRES(bql)
{
    g_autofree char *text = g_strnfill(1 << 20, 'x');
    g_autofree char *told = NULL;
    struct guest guest;
    struct pipes pipes;
    size_t taken;

    pipes_set_up(&pipes);
    guest_start(&guest, "stdio");
    taken = guest_print(&guest, text);
    settle();
    g_assert_cmpuint(guest.nr_drained, ==, 0);
    for (size_t left = taken; left > 0;)
        left -= (size_t)read(pipes.out, text, left);
    while (guest.nr_drained == 0)
        (void)loop_iterate(true);
    taken = guest_print(&guest, text);
    g_assert_true(!guest.backend->wait(guest.backend, 0));
    close(pipes.out);
    pipes.out = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (guest.nr_drained == 1)
        (void)loop_iterate(true);
    g_free(take_log());
    for (int i = 0; i < 10; i++)
        g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5); /* nobody reads any more */
    guest_end(&guest);
    pipes_tear_down(&pipes);
    g_assert_cmpuint(taken, <, 1 << 20);
    told = take_log();
    g_assert_cmpuint(count(told, "cannot write to standard output: Broken pipe"), ==, 1);
}

static void terminal_that_vanishes_does_not_spin(void) REQUIRES(bql)
{
    struct guest guest;
    struct pipes pipes;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

    g_assert_cmpint(grantpt(master) | unlockpt(master), ==, 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    pipes_set_up(&pipes);
    g_assert_cmpint(dup2(slave, 0), ==, 0);
    guest_start(&guest, "stdio");
    g_assert_cmpint(write(master, "keys\r", 5), ==, 5);
    guest_gets(&guest, "keys\r");
    close(master);
    settle();
    g_assert_cmpuint(guest_print(&guest, "hello"), ==, 5);
    guest_end(&guest);
    pipes_tear_down(&pipes);
    close(slave);
}

static void standard_input_has_one_user(void) REQUIRES(bql)
{
    const struct char_host host = { .quit = NULL };
    g_autoptr(GError) error = NULL;
    struct guest guest;
    struct pipes pipes;

    pipes_set_up(&pipes);
    guest_start(&guest, "stdio");
    g_assert_null(char_backend_new("stdio", &host, &error));
    guest_end(&guest);
    pipes_tear_down(&pipes);
    g_assert_nonnull(strstr(error->message, "'stdio' is in use already"));
}

static int run(void)
{
    int status;

    if (util_start(NULL) != 0)
        return 1;
    status = g_test_run();
    util_stop();
    return status;
}

int main(int argc, char **argv)
{
    char *folder = folder_new();
    int status;

    log_path = g_build_filename(folder, "log", NULL);
    g_assert_true(log_open(log_path, NULL));
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/char/" #name, name)
    ADD(wrong_values_are_named);
    ADD(long_socket_path_is_refused);
    ADD(help_lists_all);
    ADD(nothing_takes_everything);
    ADD(file_is_emptied_and_written);
    ADD(full_disk_is_told_once_and_does_not_stop_the_guest);
    ADD(limit_of_file_sizes_is_told_once);
    ADD(fifo_makes_the_guest_wait);
    ADD(server_without_descriptors_waits_for_one);
    ADD(server_serves_one_client_after_the_other);
    ADD(last_bytes_are_kept_for_the_next_client);
    ADD(slow_client_makes_the_guest_wait);
    ADD(half_closed_client_still_reads);
    ADD(input_waits_for_the_guest);
    ADD(deaf_guest_does_not_keep_the_next_client_out);
    ADD(stale_socket_is_replaced_but_nothing_else);
    ADD(server_waits_for_its_client);
    ADD(waiting_server_is_interrupted_by_a_pending_signal);
    ADD(client_connects_and_survives_the_server);
    ADD(comma_in_a_path_is_doubled);
    ADD(pseudo_terminal_is_raw_and_comes_and_goes);
    ADD(pipes_carry_both_ways_and_may_end);
    ADD(full_pipe_makes_the_guest_wait);
    ADD(terminal_that_vanishes_does_not_spin);
    ADD(standard_input_has_one_user);
    status = run();
    g_unlink(log_path);
    folder_free(folder);
    g_free(log_path);
    return status;
}

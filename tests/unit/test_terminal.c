/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `stdio` on a terminal, with job control. The program runs itself twice: as a
 * *shell*, which has a pseudo-terminal as its controlling one and runs one job,
 * and as that *job*, a program with a back end of stdio. The test types at the
 * terminal's other end, tells the shell what to do, and hears what the job did.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/char_scene.h"
#include "util/annotate.h"
#include "util/start.h"

enum { COMMANDS = 3, REPORTS = 4 }; /* the shell's descriptors */

/* ---- The job --------------------------------------------------------------------- */

/* Says what it is given, in angle brackets. 'A' aborts, 'E' exits, 'S' is a wild store. */
struct job {
    struct char_backend *backend;
    bool is_deaf;
};

static void say(struct job *job, const char *text)
{
    (void)job->backend->write(job->backend, (const uint8_t *)text, strlen(text));
}

static void quit(void *opaque)
{
    (void)opaque;
    loop_quit();
}

static size_t job_room(void *opaque)
{
    return ((struct job *)opaque)->is_deaf ? 0 : 16;
}

static void store_wildly(void)
{
    volatile char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *nowhere = 0;
}

static void job_receive(void *opaque, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "<%02x>", data[i]);
        say(opaque, text);
        if (data[i] == 'A')
            abort();
        if (data[i] == 'E')
            exit(7);
        if (data[i] == 'S')
            store_wildly();
    }
}

static void job_break(void *opaque)
{
    say(opaque, "<break>");
}

static int run_job(const char *how) NO_THREAD_SAFETY
{
    const struct char_host host = { .quit = quit };
    struct job job = { .is_deaf = strcmp(how, "deaf") == 0 };
    GError *error = NULL;

    if (util_start(NULL) != 0)
        return 1;
    if (strcmp(how, "busy") == 0)
        signal(SIGTERM, SIG_IGN); /* somebody else's handler, so to say */
    job.backend = char_backend_new("stdio", &host, &error);
    g_assert_no_error(error);
    job.backend->sink = (struct char_sink){
        .room = job_room,
        .receive = job_receive,
        .receive_break = job_break,
        .opaque = &job,
    };
    say(&job, "ready ");
    loop_run();
    char_backend_free(job.backend);
    util_stop();
    return 0;
}

/* ---- The shell ------------------------------------------------------------------- */

static void report(const char *what, int number)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%s %d\n", what, number);

    if (write(REPORTS, text, (size_t)length) != length)
        _exit(1);
}

static volatile sig_atomic_t child_has_changed;

static void on_child(int number)
{
    (void)number;
    child_has_changed = 1;
}

/* False: it has ended. */
static bool report_job(pid_t job)
{
    int status;

    while (waitpid(job, &status, WUNTRACED | WNOHANG) > 0) {
        if (WIFSTOPPED(status)) {
            tcsetpgrp(0, getpgrp());
            report("stopped", WSTOPSIG(status));
        } else {
            if (WIFEXITED(status))
                report("exited", WEXITSTATUS(status));
            else
                report("killed", WTERMSIG(status));
            return false;
        }
    }
    return true;
}

static void obey(pid_t job, char command)
{
    if (command == 'f')
        tcsetpgrp(0, job);
    else if (command == 'b')
        tcsetpgrp(0, getpgrp());
    kill(-job, SIGCONT);
}

/* `how` of the job; a '&' before it starts the job in the background. */
static int run_shell(const char *how)
{
    struct sigaction action = { .sa_handler = on_child };
    bool is_background = how[0] == '&';
    sigset_t child_signal, before;
    pid_t job;

    setsid();
    ioctl(0, TIOCSCTTY, 0);
    signal(SIGTTOU, SIG_IGN);
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &before);
    job = fork();
    if (job == 0) {
        setpgid(0, 0);
        if (!is_background)
            tcsetpgrp(0, getpid());
        for (int number = 1; number < SIGRTMIN; number++)
            signal(number, SIG_DFL); /* the tests may run under nohup */
        sigprocmask(SIG_SETMASK, &before, NULL);
        execl("/proc/self/exe", "job", how + is_background, NULL);
        _exit(1);
    }
    setpgid(job, job);
    report("pid", job);
    for (;;) {
        struct pollfd commands = { .fd = COMMANDS, .events = POLLIN };
        char command;

        if (ppoll(&commands, 1, NULL, &before) < 0 && child_has_changed) {
            child_has_changed = 0;
            if (!report_job(job))
                return 0;
        } else if (commands.revents && read(COMMANDS, &command, 1) == 1) {
            obey(job, command);
        } else if (commands.revents) {
            kill(-job, SIGKILL);
            return 0;
        }
    }
}

/* ---- The test's side --------------------------------------------------------------- */

struct scene {
    int master, slave; /* the slave too, so that its mode can be read after all have gone */
    int commands, reports;
    pid_t shell, job;
    struct termios before;
};

/* The sanitizers report wild stores themselves, and exit. */
#if defined(__SANITIZE_ADDRESS__) || THREAD_SANITIZER
#define IS_SANITIZED true
#elif defined(__has_feature)
#define IS_SANITIZED __has_feature(address_sanitizer)
#else
#define IS_SANITIZED false
#endif

static int next_report(struct scene *scene, const char *what)
{
    char text[32];
    size_t length = 0;

    while (length < sizeof(text) - 1 && read(scene->reports, text + length, 1) == 1 &&
           text[length] != '\n')
        length++;
    text[length] = '\0';
    g_assert_nonnull(strchr(text, ' '));
    *strchr(text, ' ') = '\0';
    g_assert_cmpstr(text, ==, what);
    return atoi(text + strlen(text) + 1);
}

static void ends_by_signal(struct scene *scene, int number)
{
    if (IS_SANITIZED && number == SIGSEGV)
        g_assert_cmpint(next_report(scene, "exited"), !=, 0);
    else
        g_assert_cmpint(next_report(scene, "killed"), ==, number);
}

static void command(struct scene *scene, char letter)
{
    g_assert_cmpint(write(scene->commands, &letter, 1), ==, 1);
}

static void type(struct scene *scene, const char *text, size_t size)
{
    g_assert_cmpint(write(scene->master, text, size), ==, (gssize)size);
}

/* What the terminal shows up to and with @end. */
static char *see_until(struct scene *scene, const char *end)
{
    GString *seen = g_string_new(NULL);

    while (!strstr(seen->str, end)) {
        char byte;

        g_assert_cmpint(read(scene->master, &byte, 1), ==, 1);
        g_string_append_c(seen, byte);
    }
    return g_string_free(seen, FALSE);
}

static void sees(struct scene *scene, const char *text)
{
    g_autofree char *seen = see_until(scene, text);

    g_assert_cmpstr(seen, ==, text);
}

static bool is_raw(struct scene *scene)
{
    struct termios now;

    g_assert_cmpint(tcgetattr(scene->slave, &now), ==, 0);
    if (now.c_lflag & ICANON) {
        g_assert_cmphex(now.c_lflag, ==, scene->before.c_lflag);
        g_assert_cmphex(now.c_iflag, ==, scene->before.c_iflag);
        g_assert_cmphex(now.c_cflag, ==, scene->before.c_cflag);
        return false;
    }
    g_assert_cmphex(now.c_lflag & (ECHO | ISIG | IEXTEN), ==, 0);
    g_assert_cmphex(now.c_iflag & (ICRNL | IXON), ==, 0);
    g_assert_cmphex(now.c_oflag, ==, scene->before.c_oflag);
    return true;
}

static void set_up(struct scene *scene, const char *how)
{
    int commands[2], reports[2];

    g_assert_cmpint(pipe2(commands, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(reports, O_CLOEXEC), ==, 0);
    scene->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    g_assert_cmpint(grantpt(scene->master) | unlockpt(scene->master), ==, 0);
    scene->slave = open(ptsname(scene->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    g_assert_cmpint(tcgetattr(scene->slave, &scene->before), ==, 0);
    fflush(stdout);
    scene->shell = fork();
    if (scene->shell == 0) {
        /* Out of the way of the descriptors that they become. */
        int in = fcntl(commands[0], F_DUPFD, 10), out = fcntl(reports[1], F_DUPFD, 10);

        dup2(scene->slave, 0);
        dup2(scene->slave, 1);
        dup2(in, COMMANDS);
        dup2(out, REPORTS);
        close(in);
        close(out);
        execl("/proc/self/exe", "shell", how, NULL);
        _exit(1);
    }
    close(commands[0]);
    close(reports[1]);
    scene->commands = commands[1];
    scene->reports = reports[0];
    scene->job = next_report(scene, "pid");
    sees(scene, "ready ");
}

static void tear_down(struct scene *scene)
{
    close(scene->commands);
    g_assert_cmpint(waitpid(scene->shell, NULL, 0), ==, scene->shell);
    close(scene->reports);
    close(scene->master);
    close(scene->slave);
}

/* ---- Tests ------------------------------------------------------------------------- */

static void keys_go_to_the_guest_unchanged(void)
{
    struct scene scene;

    set_up(&scene, "plain");
    g_assert_true(is_raw(&scene));
    type(&scene, "a\r\3\x1a\x13\x1c\x7f", 7); /* with Ctrl-C, -Z, -S and -\ */
    sees(&scene, "<61><0d><03><1a><13><1c><7f>");
    type(&scene, "\1\1\1bh", 5);
    sees(&scene, "<01><break><68>");
    type(&scene, "\1h", 2);
    g_free(see_until(&scene, "Ctrl-a x "));
    g_free(see_until(&scene, "this help\r\r\n")); /* ONLCR stays */
    type(&scene, "\1c", 2);
    g_free(see_until(&scene, "no monitor on this terminal.\r\r\n"));
    type(&scene, "\1zx", 3);
    sees(&scene, "<78>");
    type(&scene, "\1x", 2);
    g_assert_cmpint(next_report(&scene, "exited"), ==, 0);
    g_assert_false(is_raw(&scene));
    tear_down(&scene);
}

static void shared_descriptors_stay_blocking(void)
{
    struct scene scene;

    set_up(&scene, "plain");
    g_assert_cmphex((unsigned)fcntl(scene.slave, F_GETFL) & O_NONBLOCK, ==, 0);
    type(&scene, "\1x", 2);
    g_assert_cmpint(next_report(&scene, "exited"), ==, 0);
    tear_down(&scene);
}

/* The thread sanitizer puts off handlers, and where the thread then sleeps they never run. */
static bool signals_may_be_held_back(void)
{
    if (THREAD_SANITIZER)
        g_test_skip("the thread sanitizer may hold a signal back for ever");
    return THREAD_SANITIZER;
}

static void terminal_is_restored_after_signals(void)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

    if (signals_may_be_held_back())
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++) {
        struct scene scene;

        set_up(&scene, "plain");
        g_assert_true(is_raw(&scene));
        g_assert_cmpint(kill(scene.job, signals[i]), ==, 0);
        g_assert_cmpint(next_report(&scene, "killed"), ==, signals[i]);
        g_assert_false(is_raw(&scene));
        tear_down(&scene);
    }
}

static void terminal_is_restored_after_abort_exit_and_crash(void)
{
    static const struct {
        char key;
        int signal, status;
    } rows[] = { { 'A', SIGABRT, 0 }, { 'E', 0, 7 }, { 'S', SIGSEGV, 0 } };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct scene scene;

        set_up(&scene, "plain");
        type(&scene, &rows[i].key, 1);
        if (rows[i].signal)
            ends_by_signal(&scene, rows[i].signal);
        else
            g_assert_cmpint(next_report(&scene, "exited"), ==, rows[i].status);
        g_assert_false(is_raw(&scene));
        tear_down(&scene);
    }
}

static void others_handlers_are_left_alone(void)
{
    struct scene scene;

    if (signals_may_be_held_back())
        return;
    set_up(&scene, "busy");
    g_assert_cmpint(kill(scene.job, SIGTERM), ==, 0);
    type(&scene, "a", 1);
    sees(&scene, "<61>");
    type(&scene, "\1x", 2);
    g_assert_cmpint(next_report(&scene, "exited"), ==, 0);
    g_assert_false(is_raw(&scene));
    tear_down(&scene);
}

static void stopped_job_gives_the_terminal_back(void)
{
    struct scene scene;

    if (signals_may_be_held_back())
        return;
    set_up(&scene, "plain");
    for (int round = 0; round < 2; round++) {
        g_assert_cmpint(kill(scene.job, SIGTSTP), ==, 0);
        g_assert_cmpint(next_report(&scene, "stopped"), ==, SIGTSTP);
        g_assert_false(is_raw(&scene));
        command(&scene, 'f');
        while (!is_raw(&scene))
            sched_yield();
        type(&scene, "a", 1);
        sees(&scene, "<61>");
    }
    type(&scene, "\1x", 2);
    g_assert_cmpint(next_report(&scene, "exited"), ==, 0);
    g_assert_false(is_raw(&scene));
    tear_down(&scene);
}

static void background_job_leaves_the_terminal_alone(void)
{
    struct scene scene;

    if (signals_may_be_held_back())
        return;
    set_up(&scene, "&plain"); /* it prints, nevertheless */
    g_assert_false(is_raw(&scene));
    command(&scene, 'b'); /* still there */
    command(&scene, 'f');
    while (!is_raw(&scene))
        sched_yield();
    type(&scene, "a", 1);
    sees(&scene, "<61>");
    g_assert_cmpint(kill(scene.job, SIGTSTP), ==, 0);
    g_assert_cmpint(next_report(&scene, "stopped"), ==, SIGTSTP);
    command(&scene, 'b');
    g_assert_cmpint(kill(scene.job, SIGTERM), ==, 0);
    g_assert_cmpint(next_report(&scene, "killed"), ==, SIGTERM);
    g_assert_false(is_raw(&scene));
    tear_down(&scene);
}

static void deaf_guest_can_be_ended(void)
{
    g_autofree char *text = g_strnfill(1000, 'a');
    struct scene scene;

    set_up(&scene, "deaf");
    type(&scene, text, 1000);
    type(&scene, "\1x", 2);
    g_assert_cmpint(next_report(&scene, "exited"), ==, 0);
    g_assert_false(is_raw(&scene));
    tear_down(&scene);
}

static void deaf_guest_can_be_ended_after_much_typing(void)
{
    g_autofree char *text = g_strnfill(6000, 'a');
    struct scene scene;

    set_up(&scene, "deaf");
    type(&scene, text, 6000); /* more than we keep: after a second it is dropped */
    type(&scene, "\1x", 2);
    g_assert_cmpint(next_report(&scene, "exited"), ==, 0);
    tear_down(&scene);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[0], "shell") == 0)
        return run_shell(argv[1]);
    if (argc == 2 && strcmp(argv[0], "job") == 0)
        return run_job(argv[1]);
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/terminal/" #name, name)
    ADD(keys_go_to_the_guest_unchanged);
    ADD(shared_descriptors_stay_blocking);
    ADD(terminal_is_restored_after_signals);
    ADD(terminal_is_restored_after_abort_exit_and_crash);
    ADD(others_handlers_are_left_alone);
    ADD(stopped_job_gives_the_terminal_back);
    ADD(background_job_leaves_the_terminal_alone);
    ADD(deaf_guest_can_be_ended);
    ADD(deaf_guest_can_be_ended_after_much_typing);
    return g_test_run();
}

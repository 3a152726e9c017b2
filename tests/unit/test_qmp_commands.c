/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What commands do, to a machine whose guest halts and to its keys and screens.
 */
#include <glib/gstdio.h>

#include "hw/display/input.h"
#include "tests/unit/display_scene.h"
#include "tests/unit/mem_scene.h"
#include "tests/unit/qmp_scene.h"
#include "tests/unit/tiny_kernel.h"
#include "ui/screenshot.h"

#define OK "{\"return\": {}}"
#define SHUTDOWN "\"event\": \"SHUTDOWN\", \"data\": "

/* A machine that runs @code, and its client. */
struct play {
    char *kernel;
    struct steered steered;
    struct client client;
};

static struct play play_begin(const uint8_t *code, bool is_on) REQUIRES(bql)
{
    struct play play = { .kernel = kernel_path() };
    g_autoptr(GError) error = NULL;

    write_kernel(play.kernel, code);
    play.steered = steered_new(play.kernel);
    play.client = client_ready(play.steered.qmp);
    if (is_on)
        g_assert_true(machine_power_on(play.steered.machine, &error));
    g_assert_no_error(error);
    return play;
}

static void play_end(struct play *play) REQUIRES(bql)
{
    steered_free(&play->steered);
    client_free(&play->client);
    g_unlink(play->kernel);
    g_free(play->kernel);
}

/* @command without arguments. */
static void say(struct play *play, const char *command) REQUIRES(bql)
{
    g_autofree char *text = g_strdup_printf("{\"execute\": \"%s\"}", command);

    client_say(&play->client, text);
}

static void has_status(struct play *play, bool is_running, const char *status) REQUIRES(bql)
{
    g_autofree char *wanted = g_strdup_printf(
        "{\"return\": {\"running\": %s, \"singlestep\": false, \"status\": \"%s\"}}",
        is_running ? "true" : "false", status);

    say(play, "query-status");
    client_hears(&play->client, wanted);
}

/* ---- Life ------------------------------------------------------------------------------------
 */

static void it_stops_and_goes_on(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, true);

    has_status(&play, true, "running");
    say(&play, "stop");
    client_hears_event(&play.client, "\"event\": \"STOP\"}");
    client_hears(&play.client, OK);
    g_assert_false(machine_is_running(play.steered.machine));
    has_status(&play, false, "paused");
    say(&play, "stop"); /* again: nothing happens */
    client_hears(&play.client, OK);
    say(&play, "cont");
    client_hears_event(&play.client, "\"event\": \"RESUME\"}");
    client_hears(&play.client, OK);
    has_status(&play, true, "running");
    play_end(&play);
}

static void a_reset_tells_who_wanted_it(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, true);

    say(&play, "system_reset");
    client_hears(&play.client, OK);
    client_hears_event(&play.client, "\"event\": \"RESET\", \"data\": {\"guest\": false, "
                                     "\"reason\": \"host-qmp-system-reset\"}}");
    has_status(&play, true, "running");
    machine_ask_reset(play.steered.machine); /* as the guest's register does */
    client_hears_event(&play.client, "\"event\": \"RESET\", \"data\": {\"guest\": true, "
                                     "\"reason\": \"guest-reset\"}}");
    play_end(&play);
}

static void quit_ends_it(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, true);

    client_say(&play.client, "{\"execute\": \"quit\", \"id\": 1}");
    g_assert_cmpint(machine_run(play.steered.machine), ==, MACHINE_QUIT);
    client_hears(&play.client, "{\"return\": {}, \"id\": 1}");
    client_hears_event(&play.client, SHUTDOWN "{\"guest\": false, \"reason\": \"host-qmp-quit\"}}");
    has_status(&play, false, "shutdown");
    say(&play, "cont"); /* it cannot */
    client_hears(&play.client, OK);
    has_status(&play, false, "shutdown");
    play_end(&play);
}

static void the_guest_ends_it(const uint8_t *code, enum machine_end why, const char *event)
    REQUIRES(bql)
{
    struct play play = play_begin(code, true);

    g_assert_cmpint(machine_run(play.steered.machine), ==, why);
    client_hears_event(&play.client, event);
    play_end(&play);
}

static void ends_tell_who_wanted_them(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, false);

    the_guest_ends_it(powers_off, MACHINE_POWERED_OFF,
                      SHUTDOWN "{\"guest\": true, \"reason\": \"guest-shutdown\"}}");
    the_guest_ends_it(triple_faults, MACHINE_TRIPLE_FAULT,
                      SHUTDOWN "{\"guest\": true, \"reason\": \"guest-reset\"}}");
    machine_ask_end(play.steered.machine, MACHINE_PANICKED);
    client_hears_event(&play.client,
                       "\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"poweroff\"}}");
    client_hears_event(&play.client, SHUTDOWN "{\"guest\": true, \"reason\": \"guest-panic\"}}");
    has_status(&play, false, "guest-panicked");
    play_end(&play);
}

/* This guest has no driver for the button. */
static void a_button_that_nobody_listens_to_is_an_error(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, true);

    say(&play, "system_powerdown");
    client_hears_of(&play.client, "does not listen to the power button");
    play_end(&play);
}

static void a_machine_that_starts_stopped_runs_when_told(void)
{
    bql_assert_held();
    g_autofree char *path = kernel_path();
    const struct machine_config config = {
        .backend = &cpu_soft,
        .nr_cpus = 2,
        .ram_size = MACHINE_RAM_MIN,
        .kernel = path,
        .starts_stopped = true,
    };
    struct machine *machine = machine_new(&config, NULL);
    struct qmp *qmp = qmp_new(machine);
    struct client client = client_ready(qmp);

    write_kernel(path, powers_off);
    g_assert_true(machine_power_on(machine, NULL));
    for (unsigned i = 0; i < 3; i++) {
        client_say(&client, "{\"execute\": \"query-status\"}");
        client_hears_of(&client, "\"status\": \"prelaunch\"");
    }
    client_say(&client, "{\"execute\": \"system_reset\"}"); /* stays as it is */
    client_hears(&client, OK);
    client_hears_of(&client, "\"RESET\"");
    client_say(&client, "{\"execute\": \"query-status\"}{\"execute\": \"cont\"}");
    client_hears_of(&client, "\"status\": \"prelaunch\"");
    g_assert_cmpint(machine_run(machine), ==, MACHINE_POWERED_OFF);
    client_hears_of(&client, "\"RESUME\"");
    client_hears(&client, OK);
    client_hears_of(&client, "guest-shutdown");
    qmp_free(qmp);
    machine_free(machine);
    client_free(&client);
    g_unlink(path);
}

static void numbers_are_json(void)
{
    bql_assert_held();
    static const char *const commands[] = { "query-rcu", "query-cpus-fast", "query-commands",
                                            "query-version", "x-mtree" };
    struct play play = play_begin(halts, true);

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        g_autoptr(JsonParser) parser = json_parser_new();
        g_autofree char *line = NULL;

        say(&play, commands[i]);
        line = client_hear(&play.client);
        g_assert_true(json_parser_load_from_data(parser, line, -1, NULL));
        g_assert_true(
            json_object_has_member(json_node_get_object(json_parser_get_root(parser)), "return"));
    }
    say(&play, "query-name");
    client_hears(&play.client, OK);
    qmp_set_name(play.steered.qmp, "a \"name\"");
    say(&play, "query-name");
    client_hears(&play.client, "{\"return\": {\"name\":\"a \\\"name\\\"\"}}");
    say(&play, "query-gpu-latency");
    client_hears_of(&play.client, "there is no virtio-gpu device");
    client_say(&play.client,
               "{\"execute\": \"query-gpu-latency\", \"arguments\": {\"buckets\": 1}}\n");
    client_hears_of(&play.client, "buckets");
    say(&play, "x-gpu-resources");
    client_hears_of(&play.client, "there is no virtio-gpu device");
    play_end(&play);
}

/* ---- Keys and pointers -----------------------------------------------------------------------
 */

/* A device that takes all, and writes it down. */
struct taker {
    struct input_handler handler;
    GString *got;
};

static void on_event(struct input_handler *handler, uint16_t type, uint16_t code, int32_t value)
{
    g_string_append_printf(container_of(handler, struct taker, handler)->got, "%u:%u=%d ", type,
                           code, value);
}

static void on_sync(struct input_handler *handler)
{
    g_string_append(container_of(handler, struct taker, handler)->got, "| ");
}

static void taker_begin(struct taker *taker, struct play *play, unsigned takes) REQUIRES(bql)
{
    *taker = (struct taker){
        .handler = { .takes = takes, .event = on_event, .sync = on_sync },
        .got = g_string_new(NULL),
    };
    input_add_handler(machine_input(play->steered.machine), &taker->handler);
}

static void taker_end(struct taker *taker, struct play *play) REQUIRES(bql)
{
    input_remove_handler(machine_input(play->steered.machine), &taker->handler);
    g_string_free(taker->got, TRUE);
}

#define KEY(name) "{\"type\": \"qcode\", \"data\": \"" name "\"}"
#define SEND_KEY(arguments) "{\"execute\": \"send-key\", \"arguments\": {" arguments "}}"

static void keys_are_pressed_and_released(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, false);
    struct taker taker;

    client_say(&play.client, SEND_KEY("\"keys\": [" KEY("a") "]"));
    client_hears_of(&play.client, "no device takes keys");
    taker_begin(&taker, &play, INPUT_KEYS);
    client_say(&play.client, SEND_KEY("\"keys\": [" KEY("ctrl") "," KEY("alt") "," KEY(
                                 "delete") "], \"hold-time\": 1")
                                 SEND_KEY("\"keys\": [" KEY("a") "], \"hold-time\": 0"));
    client_hears(&play.client, OK);
    client_hears(&play.client, OK);
    g_assert_cmpstr(taker.got->str, ==,
                    "1:29=1 | 1:56=1 | 1:111=1 | 1:111=0 | 1:56=0 | 1:29=0 | 1:30=1 | 1:30=0 | ");
    taker_end(&taker, &play);
    play_end(&play);
}

static void wrong_keys_press_nothing(void)
{
    bql_assert_held();
    static const struct {
        const char *command, *desc;
    } rows[] = {
        { SEND_KEY("\"keys\": []"), "0 keys are not 1 to 32" },
        { SEND_KEY("\"keys\": [" KEY("a") ", 1]"), "a key is to be an object" },
        { SEND_KEY("\"keys\": [" KEY("a") ", " KEY("aa") "]"), "there is none called 'aa'" },
        { SEND_KEY("\"keys\": [{\"type\": \"number\", \"data\": 30}]"), "'number' is not qcode" },
        { SEND_KEY("\"keys\": [{\"type\": \"qcode\", \"data\": 30}]"), "'data' is to be a string" },
        { SEND_KEY("\"keys\": [{\"type\": \"qcode\"}]"), "'data' is missing" },
        { SEND_KEY("\"keys\": [" KEY("a") "], \"hold-time\": -1"), "hold-time -1 is not" },
        { SEND_KEY("\"keys\": [" KEY("a") "], \"hold-time\": 60001"), "hold-time 60001 is not" },
    };
    struct play play = play_begin(halts, false);
    struct taker taker;

    taker_begin(&taker, &play, INPUT_KEYS);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        client_say(&play.client, rows[i].command);
        client_hears_of(&play.client, rows[i].desc);
    }
    g_assert_cmpstr(taker.got->str, ==, "");
    taker_end(&taker, &play);
    play_end(&play);
}

/* Nobody waits for it any more; it is finished all the same. */
static void keys_are_released_when_the_client_has_gone(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, false);
    struct client other = client_ready(play.steered.qmp);
    struct taker taker;

    taker_begin(&taker, &play, INPUT_KEYS);
    client_say(&other, SEND_KEY("\"keys\": [" KEY("a") "], \"hold-time\": 50"));
    while (taker.got->len == 0)
        (void)loop_iterate(true);
    client_free(&other);
    while (!strstr(taker.got->str, "1:30=0"))
        (void)loop_iterate(true);
    client_say(&play.client, SEND_KEY("\"keys\": [" KEY("b") "], \"hold-time\": 60000"));
    while (!strstr(taker.got->str, "1:48=1"))
        (void)loop_iterate(true);
    qmp_free(play.steered.qmp);
    play.steered.qmp = NULL;
    g_assert_true(g_str_has_suffix(taker.got->str, "1:48=0 | "));
    taker_end(&taker, &play);
    play_end(&play);
}

#define EVENTS(events)                                                                             \
    "{\"execute\": \"input-send-event\", \"arguments\": {\"events\": [" events "]}}"
#define EVENT(type, data) "{\"type\": \"" type "\", \"data\": {" data "}}"

static void events_are_one_report_or_nothing(void)
{
    bql_assert_held();
    static const char good[] =
        EVENTS(EVENT("abs", "\"axis\": \"x\", \"value\": 7")                  /* and */
               "," EVENT("abs", "\"axis\": \"y\", \"value\": 32767")          /* and */
               "," EVENT("btn", "\"down\": true, \"button\": \"left\"")       /* and */
               "," EVENT("btn", "\"down\": true, \"button\": \"wheel-down\"") /* and */
               "," EVENT("btn", "\"down\": false, \"button\": \"wheel-down\""));
    static const struct {
        const char *command, *desc;
    } rows[] = {
        { EVENTS(EVENT("abs", "\"axis\": \"x\", \"value\": 1") ", 1"), "an event is to be" },
        { EVENTS(EVENT("rel", "\"axis\": \"x\", \"value\": 1")), "'rel' is not key, btn or abs" },
        { EVENTS(EVENT("abs", "\"axis\": \"z\", \"value\": 1")), "'z' is neither x nor y" },
        { EVENTS(EVENT("abs", "\"axis\": \"x\", \"value\": 32768")), "32768 is not 0 to 32767" },
        { EVENTS(EVENT("btn", "\"down\": true, \"button\": \"up\"")), "there is no button 'up'" },
        { EVENTS(EVENT("btn", "\"down\": 1, \"button\": \"left\"")), "'down' is to be a boolean" },
        { EVENTS(EVENT("key", "\"down\": true, \"key\": " KEY("a"))), "no device takes keys" },
    };
    struct play play = play_begin(halts, false);
    struct taker taker;

    taker_begin(&taker, &play, INPUT_POINTER);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        client_say(&play.client, rows[i].command);
        client_hears_of(&play.client, rows[i].desc);
    }
    g_assert_cmpstr(taker.got->str, ==, "");
    client_say(&play.client, good);
    client_hears(&play.client, OK);
    g_assert_cmpstr(taker.got->str, ==, "3:0=7 3:1=32767 1:272=1 2:8=-1 | ");
    taker_end(&taker, &play);
    play_end(&play);
}

/* ---- Screens ---------------------------------------------------------------------------------
 */

static void screen_begin(struct screen *screen, struct play *play) REQUIRES(bql)
{
    *screen = (struct screen){ .draws_at_once = true };
    screen->console =
        console_new(machine_display(play->steered.machine), "gpu0.0", &screen_ops, screen);
    g_assert_true(console_resize(screen->console, 32, 16));
}

static void screendump(struct play *play, const char *path, const char *more) REQUIRES(bql)
{
    g_autofree char *text = g_strdup_printf(
        "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"%s\"%s}}", path, more);

    client_say(&play->client, text);
}

static void a_screendump_is_answered_when_the_file_is_there(void)
{
    bql_assert_held();
    g_autofree char *folder = g_dir_make_tmp("gracevm-qmp-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "a.png", NULL);
    g_autofree char *bytes = NULL;
    gsize size;
    struct play play = play_begin(halts, false);
    struct screen screen;

    screendump(&play, path, "");
    client_hears_of(&play.client, "there is no screen 0");
    screen_begin(&screen, &play);
    screendump(&play, path, ", \"format\": \"png\", \"head\": 0");
    client_hears(&play.client, OK);
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    g_assert_cmpmem(bytes, 8, "\x89PNG\r\n\x1a\n", 8);
    screendump(&play, path, ", \"format\": \"ppm\"");
    client_hears_of(&play.client, "format 'ppm' is not png");
    screendump(&play, path, ", \"head\": 1");
    client_hears_of(&play.client, "there is no screen 1");
    screendump(&play, path, ", \"head\": -1");
    client_hears_of(&play.client, "there is no screen -1");
    screendump(&play, path, ", \"device\": \"gone\"");
    client_hears_of(&play.client, "no device with screens has the id 'gone'");
    screendump(&play, "/nonexistent/a.png", "");
    client_hears_of(&play.client, "/nonexistent/a.png");
    console_free(screen.console);
    play_end(&play);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

/* Each device numbers its own screens. */
static void a_screendump_is_of_the_device_that_it_names(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, false);
    GError *error = NULL;

    g_assert_true(machine_add_device(play.steered.machine, "virtio-rng-pci,id=r", &error));
    g_assert_true(machine_add_device(play.steered.machine, "virtio-gpu-pci,id=a", &error));
    g_assert_true(
        machine_add_device(play.steered.machine, "virtio-gpu-pci,id=b,max_outputs=2", &error));
    screendump(&play, "a.png", ", \"device\": \"a\", \"head\": 1");
    client_hears_of(&play.client, "there is no screen 1");
    screendump(&play, "a.png", ", \"device\": \"b\", \"head\": 1");
    client_hears_of(&play.client, "a.png: the screen is off");
    screendump(&play, "a.png", ", \"device\": \"b\", \"head\": 2");
    client_hears_of(&play.client, "there is no screen 2");
    screendump(&play, "a.png", ", \"head\": 2"); /* the second device's second */
    client_hears_of(&play.client, "a.png: the screen is off");
    screendump(&play, "a.png", ", \"device\": \"r\"");
    client_hears_of(&play.client, "no device with screens has the id 'r'");
    play_end(&play);
}

/* The client's next commands wait, and nobody else's. */
static void a_screen_that_hangs_holds_nobody_up(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, true);
    struct client other = client_ready(play.steered.qmp);
    struct screen screen;

    screen_begin(&screen, &play);
    screen.draws_at_once = false;
    screendump(&play, "/nonexistent/a.png", "");
    client_say(&play.client, "{\"execute\": \"query-status\"}");
    while (screen.nr_refreshes == 0)
        (void)loop_iterate(true);
    client_say(&other, "{\"execute\": \"stop\"}{\"execute\": \"system_reset\"}");
    client_hears_of(&other, "\"STOP\"");
    client_hears(&other, OK);
    client_hears(&other, OK);
    client_hears_of(&other, "\"RESET\"");
    client_hears_of(&play.client, "\"STOP\""); /* events do not wait, either */
    client_hears_of(&play.client, "\"RESET\"");
    console_free(screen.console);
    client_hears_of(&play.client, "\"error\"");
    client_hears_of(&play.client, "\"status\": \"paused\"");
    client_free(&other);
    play_end(&play);
}

static void a_screendump_may_outlive_its_client_and_qmp(void)
{
    bql_assert_held();
    struct play play = play_begin(halts, false);
    struct client other = client_ready(play.steered.qmp);
    struct screen screen;

    screen_begin(&screen, &play);
    screen.draws_at_once = false;
    client_say(&other, "{\"execute\": \"screendump\", \"arguments\": "
                       "{\"filename\": \"/nonexistent/a.png\"}}");
    while (screen.nr_refreshes == 0)
        (void)loop_iterate(true);
    client_free(&other);
    settle();
    screendump(&play, "/nonexistent/b.png", "");
    settle();
    qmp_free(play.steered.qmp);
    play.steered.qmp = NULL;
    console_free(screen.console);
    screenshots_finish();
    settle();
    play_end(&play);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/qmp_commands/" #test, test)
    ADD(it_stops_and_goes_on);
    ADD(a_reset_tells_who_wanted_it);
    ADD(quit_ends_it);
    ADD(ends_tell_who_wanted_them);
    ADD(a_button_that_nobody_listens_to_is_an_error);
    ADD(a_machine_that_starts_stopped_runs_when_told);
    ADD(numbers_are_json);
    ADD(keys_are_pressed_and_released);
    ADD(wrong_keys_press_nothing);
    ADD(keys_are_released_when_the_client_has_gone);
    ADD(events_are_one_report_or_nothing);
    ADD(a_screendump_is_answered_when_the_file_is_there);
    ADD(a_screendump_is_of_the_device_that_it_names);
    ADD(a_screen_that_hangs_holds_nobody_up);
    ADD(a_screendump_may_outlive_its_client_and_qmp);
#undef ADD
    return run_with_bql();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of commands, and those about the machine as a whole.
 */
#include <stdio.h>
#include <stdlib.h>

#include "hw/gpu/gpu.h"
#include "ui/qmp_internal.h"
#include "ui/stats.h"
#include "ui/version.h"

static void capabilities(struct qmp_request *request) REQUIRES(bql)
{
    JsonArray *enable = json_object_has_member(request->arguments, "enable")
                            ? json_object_get_array_member(request->arguments, "enable")
                            : NULL;

    if (enable && json_array_get_length(enable) > 0) {
        qmp_refuse(request, "there are no capabilities to enable");
        return;
    }
    request->client->has_negotiated = true;
    qmp_done(request);
}

/* ---- What there is -----------------------------------------------------------------------------
 */

static void add_integer(JsonBuilder *builder, const char *name, gint64 value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

JsonNode *qmp_version(void)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder,
                                 "qemu"); /* as the protocol has it; the numbers are ours */
    json_builder_begin_object(builder);
    add_integer(builder, "major", VERSION_MAJOR);
    add_integer(builder, "minor", VERSION_MINOR);
    add_integer(builder, "micro", VERSION_MICRO);
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "package");
    json_builder_add_string_value(builder, "gracevm " VERSION_TEXT);
    json_builder_end_object(builder);
    return json_builder_get_root(builder);
}

static void query_version(struct qmp_request *request) REQUIRES(bql)
{
    qmp_answer(request, qmp_version());
}

static void query_commands(struct qmp_request *request) REQUIRES(bql)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_array(builder);
    for (size_t i = 0; i < qmp_nr_commands; i++) {
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "name");
        json_builder_add_string_value(builder, qmp_commands[i].name);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    qmp_answer(request, json_builder_get_root(builder));
}

/* {} where it has no name, as in QEMU. */
static void query_name(struct qmp_request *request) REQUIRES(bql)
{
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_init_object(json_node_alloc(), object);
    g_autofree char *valid = request->qmp->name ? g_utf8_make_valid(request->qmp->name, -1) : NULL;

    if (valid)
        json_object_set_string_member(object, "name", valid);
    json_object_unref(object); /* the node has it */
    qmp_answer(request, node);
}

/* In QEMU's words (enum RunState). */
static const char *run_state(struct machine *machine) REQUIRES(bql)
{
    enum machine_end why = MACHINE_FAILED;

    if (machine_has_ended(machine, &why)) {
        if (why == MACHINE_PANICKED)
            return "guest-panicked";
        return why == MACHINE_FAILED ? "internal-error" : "shutdown";
    }
    if (machine_is_running(machine))
        return "running";
    return machine_is_new(machine) ? "prelaunch" : "paused";
}

static void query_status(struct qmp_request *request) REQUIRES(bql)
{
    struct machine *machine = request->qmp->machine;
    g_autofree char *json =
        g_strdup_printf("{\"running\": %s, \"singlestep\": false, \"status\": \"%s\"}",
                        machine_is_running(machine) ? "true" : "false", run_state(machine));

    qmp_answer_text(request, json);
}

static void query_cpus_fast(struct qmp_request *request) REQUIRES(bql)
{
    const struct machine *machine = request->qmp->machine;
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_array(builder);
    for (unsigned i = 0; i < machine_nr_cpus(machine); i++) {
        g_autofree char *path = g_strdup_printf("/machine/cpu[%u]", i);

        json_builder_begin_object(builder);
        add_integer(builder, "cpu-index", i);
        add_integer(builder, "thread-id", machine_cpu_thread(machine, i));
        json_builder_set_member_name(builder, "qom-path");
        json_builder_add_string_value(builder, path);
        json_builder_set_member_name(builder, "target");
        json_builder_add_string_value(builder, "x86_64");
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    qmp_answer(request, json_builder_get_root(builder));
}

/* ---- Life --------------------------------------------------------------------------------------
 */

static void stop(struct qmp_request *request) REQUIRES(bql)
{
    machine_stop(request->qmp->machine);
    qmp_done(request);
}

static void cont(struct qmp_request *request) REQUIRES(bql)
{
    machine_continue(request->qmp->machine);
    qmp_done(request);
}

static void system_reset(struct qmp_request *request) REQUIRES(bql)
{
    request->qmp->has_asked_reset = true;
    machine_ask_reset(request->qmp->machine);
    qmp_done(request);
}

static void system_powerdown(struct qmp_request *request) REQUIRES(bql)
{
    if (machine_press_power_button(request->qmp->machine))
        qmp_done(request);
    else
        qmp_refuse(request, "the guest does not listen to the power button");
}

static void quit(struct qmp_request *request) REQUIRES(bql)
{
    request->qmp->has_asked_end = true;
    machine_ask_end(request->qmp->machine, MACHINE_QUIT);
    qmp_done(request);
}

/* ---- What others print -------------------------------------------------------------------------
 */

struct text {
    FILE *out;
    char *bytes;
    size_t size;
};

static bool text_begin(struct text *text)
{
    *text = (struct text){ 0 };
    text->out = open_memstream(&text->bytes, &text->size);
    return text->out;
}

/* What has been printed, as JSON or as a text that JSON holds. */
static void text_answer(struct text *text, struct qmp_request *request, bool is_json) REQUIRES(bql)
{
    if (fclose(text->out) != 0) {
        qmp_refuse(request, "no memory for the answer");
    } else if (is_json) {
        qmp_answer_text(request, text->bytes);
    } else {
        JsonObject *object = json_object_new();
        JsonNode *node = json_node_init_object(json_node_alloc(), object);
        g_autofree char *valid = g_utf8_make_valid(text->bytes, (gssize)text->size);

        json_object_set_string_member(object, "human-readable-text", valid);
        json_object_unref(object); /* the node has it */
        qmp_answer(request, node);
    }
    free(text->bytes);
}

static void query_rcu(struct qmp_request *request) REQUIRES(bql)
{
    struct text text;

    if (!text_begin(&text)) {
        qmp_refuse(request, "no memory for the answer");
        return;
    }
    stats_print_rcu(text.out);
    text_answer(&text, request, true);
}

/* NULL: told to the client. */
static struct gpu *find_gpu(struct qmp_request *request, struct text *text) REQUIRES(bql)
{
    struct gpu *gpu = machine_gpu(request->qmp->machine);

    if (gpu && text_begin(text))
        return gpu;
    qmp_refuse(request, gpu ? "no memory for the answer" : "there is no virtio-gpu device");
    return NULL;
}

static void query_gpu_latency(struct qmp_request *request) REQUIRES(bql)
{
    struct text text;
    struct gpu *gpu = find_gpu(request, &text);

    if (!gpu)
        return;
    if (json_object_get_boolean_member_with_default(request->arguments, "buckets", FALSE))
        gpu_print_latency_buckets_json(gpu, text.out);
    else
        gpu_print_latency_json(gpu, text.out);
    text_answer(&text, request, true);
}

static void x_gpu_resources(struct qmp_request *request) REQUIRES(bql)
{
    struct text text;
    struct gpu *gpu = find_gpu(request, &text);

    if (!gpu)
        return;
    gpu_print_resources_json(gpu, text.out);
    text_answer(&text, request, true);
}

static void x_mtree(struct qmp_request *request) REQUIRES(bql)
{
    struct text text;

    if (!text_begin(&text)) {
        qmp_refuse(request, "no memory for the answer");
        return;
    }
    machine_print_map(request->qmp->machine, text.out);
    text_answer(&text, request, false);
}

/* ---- The table ---------------------------------------------------------------------------------
 */

const struct qmp_command qmp_commands[] = {
    { "qmp_capabilities", capabilities, { { "enable", QMP_ARRAY, true } } },
    { "query-version", query_version, { { 0 } } },
    { "query-commands", query_commands, { { 0 } } },
    { "query-name", query_name, { { 0 } } },
    { "query-status", query_status, { { 0 } } },
    { "query-cpus-fast", query_cpus_fast, { { 0 } } },
    { "query-rcu", query_rcu, { { 0 } } },
    { "query-gpu-latency", query_gpu_latency, { { "buckets", QMP_BOOLEAN, true } } },
    { "x-gpu-resources", x_gpu_resources, { { 0 } } },
    { "x-mtree", x_mtree, { { 0 } } },
    { "stop", stop, { { 0 } } },
    { "cont", cont, { { 0 } } },
    { "system_reset", system_reset, { { 0 } } },
    { "system_powerdown", system_powerdown, { { 0 } } },
    { "screendump",
      qmp_screendump,
      { { "filename", QMP_STRING, false },
        { "device", QMP_STRING, true },
        { "head", QMP_INTEGER, true },
        { "format", QMP_STRING, true } } },
    { "send-key",
      qmp_send_key,
      { { "keys", QMP_ARRAY, false }, { "hold-time", QMP_INTEGER, true } } },
    { "input-send-event",
      qmp_input_send_event,
      { { "events", QMP_ARRAY, false },
        { "device", QMP_STRING, true },
        { "head", QMP_INTEGER, true } } },
    { "quit", quit, { { 0 } } },
};
const size_t qmp_nr_commands = ARRAY_SIZE(qmp_commands);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chrome's "Trace Event Format" (a document of that name), its JSON array form: a file that was
 * cut short opens too. Times are microseconds of CLOCK_MONOTONIC with three digits behind the
 * point, so no nanosecond is lost.
 */
#include "util/trace_json.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/trace_table.h"

/* What a JavaScript number can hold. */
#define NUMBER_MAX (UINT64_C(1) << 53)

static void append_us(GString *out, const char *key, int64_t ns)
{
    g_string_append_printf(out, ",\"%s\":%" PRId64 ".%03d", key, ns / NS_PER_US,
                           (int)(ns % NS_PER_US));
}

/* A string of the program, or a thread's name. */
static void append_text(GString *out, const char *text)
{
    for (; *text; text++) {
        const guchar c = (guchar)*text;

        if (c == '"' || c == '\\')
            g_string_append_printf(out, "\\%c", c);
        else if (c < ' ' || c >= 0x7f) /* a foreign thread may have any name */
            g_string_append_printf(out, "\\u%04x", c);
        else
            g_string_append_c(out, (gchar)c);
    }
}

/* Literals of the program, which stay. */
static const char *text_of(uint64_t arg)
{
    const char *text = (const char *)(uintptr_t)arg;

    return text ? text : "(none)";
}

/* What is told apart on the time line is told apart by name: "render_begin SUBMIT_3D". */
static void append_name(GString *out, const struct trace_point_info *info,
                        const struct trace_event *event)
{
    g_string_append(out, info->name);
    for (unsigned i = 0; i < info->nr_args; i++) {
        if (*info->args[i] == '$') {
            g_string_append_c(out, ' ');
            append_text(out, text_of(event->args[i]));
        }
    }
}

static void append_head(GString *out, const struct trace_point_info *info,
                        const struct trace_event *event)
{
    g_string_append(out, "{\"name\":\"");
    append_name(out, info, event);
    g_string_append_printf(out, "\",\"cat\":\"%.*s\"", (int)strcspn(info->name, "_"), info->name);
}

static bool has_arg(const struct trace_point_info *info, const char *arg)
{
    for (unsigned i = 0; i < info->nr_args; i++) {
        if (g_str_equal(info->args[i], arg))
            return true;
    }
    return false;
}

/* But for those that @said has. */
static void append_args(GString *out, const struct trace_point_info *info,
                        const struct trace_event *event, const struct trace_point_info *said)
{
    const char *comma = "";

    g_string_append(out, ",\"args\":{");
    for (unsigned i = 0; i < info->nr_args; i++) {
        const char *name = info->args[i] + strspn(info->args[i], "*$");
        const uint64_t arg = event->args[i];

        if (said && has_arg(said, info->args[i]))
            continue;
        g_string_append_printf(out, "%s\"%s\":", comma, name);
        comma = ",";
        if (*info->args[i] == '$') {
            g_string_append_c(out, '"');
            append_text(out, text_of(arg));
            g_string_append_c(out, '"');
        } else if (*info->args[i] == '*' || arg > NUMBER_MAX) {
            g_string_append_printf(out, "\"0x%" PRIx64 "\"", arg);
        } else {
            g_string_append_printf(out, "%" PRIu64, arg);
        }
    }
    g_string_append(out, "}},\n");
}

static void append_place(GString *out, const char *phase, uint32_t thread, int64_t at_ns)
{
    g_string_append_printf(out, ",\"ph\":\"%s\",\"pid\":%d,\"tid\":%" PRIu32, phase, (int)getpid(),
                           thread);
    append_us(out, "ts", at_ns);
}

/* What lies in another box of the same track: the stages of an unmap, from command to answer. */
static bool is_stage(const struct trace_event *event)
{
    return event->point == TRACE_POINT_gpu_unmap_queue ||
           event->point == TRACE_POINT_gpu_unmap_commit ||
           event->point == TRACE_POINT_gpu_unmap_release;
}

/* The rest has a track each, which has a name of the same kind whenever its number comes again:
 * Perfetto keeps the first one. */
static void append_track(GString *out, const struct trace_point_info *info,
                         const struct trace_event *event)
{
    g_string_append(out, ",\"id2\":{\"local\":\""); /* the process's own */
    if (is_stage(event) || event->point == TRACE_POINT_gpu_unmap_respond)
        g_string_append(out, "gpu_unmap");
    else
        append_name(out, info, event);
    g_string_append_printf(out, " 0x%" PRIx64 "\"}", event->args[0]);
}

/* How long it took that has ended at @event. */
static int64_t duration(const struct trace_point_info *info, const struct trace_event *event)
{
    const int64_t arg = (int64_t)event->args[info->nr_args - 1];

    return g_str_equal(info->args[info->nr_args - 1], "ns") ? arg : event->at_ns - arg;
}

/* Two lines: whoever opens the file puts them in order, and those of one moment in the file's, in
 * which threads' lines come as they may. So a stage begins a nanosecond late: neither in the one
 * before it, nor around what it is a stage of. */
static void append_async(GString *out, const struct trace_point_info *info,
                         const struct trace_event *event, int64_t ns)
{
    append_head(out, info, event);
    append_place(out, "b", event->thread, event->at_ns - ns + (ns > 0 && is_stage(event)));
    append_track(out, info, event);
    append_args(out, info, event, NULL);
    append_head(out, info, event);
    append_place(out, "e", event->thread, event->at_ns);
    append_track(out, info, event);
    g_string_append(out, "},\n");
}

/* Of what its thread began last, which the list has just before it. Without a name, as the format
 * allows: Perfetto ends nothing that has another name, Chrome warns of it, and of arguments that
 * come twice. */
static void append_end(GString *out, const struct trace_point_info *info,
                       const struct trace_event *event)
{
    g_string_append_printf(out, "{\"cat\":\"%.*s\"", (int)strcspn(info->name, "_"), info->name);
    append_place(out, "E", event->thread, event->at_ns);
    append_args(out, info, event, info - 1);
}

/* In the order in which one wants to see them. */
static unsigned rank_of(const char *name)
{
    static const char *const first[] = { "main", "CPU", "render", "rcu" };

    for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
        if (g_str_has_prefix(name, first[i]))
            return i;
    }
    return ARRAY_SIZE(first);
}

static void append_thread(GString *out, const struct trace_event *event)
{
    char name[2 * sizeof(event->args[0]) + 1] = "";

    memcpy(name, event->args, sizeof(name) - 1);
    g_string_append(out, "{\"name\":\"thread_name\"");
    append_place(out, "M", event->thread, event->at_ns);
    g_string_append(out, ",\"args\":{\"name\":\"");
    append_text(out, name);
    g_string_append(out, "\"}},\n{\"name\":\"thread_sort_index\"");
    append_place(out, "M", event->thread, event->at_ns);
    g_string_append_printf(out, ",\"args\":{\"sort_index\":%u}},\n", rank_of(name));
}

void trace_json_event(GString *out, const struct trace_event *event)
{
    static const char *const phases[] = {
        [TRACE_INSTANT] = "i",
        [TRACE_BEGIN] = "B",
        [TRACE_SPAN] = "X",
    };
    const struct trace_point_info *info;
    int64_t ns = 0;

    if (event->point == TRACE_POINT_NAME) {
        append_thread(out, event);
        return;
    }
    info = &trace_table[event->point];
    if (info->kind == TRACE_END) {
        append_end(out, info, event);
        return;
    }
    if (info->kind == TRACE_SPAN || info->kind == TRACE_ASYNC)
        ns = duration(info, event);
    if (info->kind == TRACE_ASYNC) {
        append_async(out, info, event, ns);
        return;
    }
    append_head(out, info, event);
    append_place(out, phases[info->kind], event->thread, event->at_ns - ns);
    if (info->kind == TRACE_SPAN)
        append_us(out, "dur", ns);
    else if (info->kind == TRACE_INSTANT)
        g_string_append(out, ",\"s\":\"t\"");
    append_args(out, info, event, NULL);
}

void trace_json_lost(GString *out, uint32_t thread, int64_t now_ns, uint64_t nr)
{
    g_string_append(out, "{\"name\":\"trace_lost\",\"cat\":\"trace\",\"s\":\"t\"");
    append_place(out, "i", thread, now_ns);
    g_string_append_printf(out, ",\"args\":{\"events\":%" PRIu64 "}},\n", nr);
}

void trace_json_begin(GString *out)
{
    g_string_append_printf(out,
                           "[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,"
                           "\"args\":{\"name\":\"gracevm\"}},\n",
                           (int)getpid());
}

void trace_json_end(GString *out, int64_t now_ns, uint64_t nr_events, uint64_t lost)
{
    g_string_append(out, "{\"name\":\"trace_end\",\"cat\":\"trace\",\"s\":\"g\"");
    append_place(out, "i", (uint32_t)getpid(), now_ns);
    g_string_append_printf(out, ",\"args\":{\"events\":%" PRIu64 ",\"lost\":%" PRIu64 "}}\n]\n",
                           nr_events, lost);
}

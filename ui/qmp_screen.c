/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Screenshots. The device may have to draw, and it may hang: the client is answered all the same,
 * after PATIENCE_NS.
 */
#include <string.h>

#include "hw/display/display.h"
#include "hw/gpu/gpu.h"
#include "ui/qmp_internal.h"
#include "ui/screenshot.h"
#include "util/clock.h"

#define PATIENCE_NS (10 * NS_PER_S)

struct shot {
    struct qmp_request *request; /* NULL: answered, or nobody is there to answer */
    struct loop_timer patience;
};

static void on_saved(void *opaque, GError *error)
{
    struct shot *shot = opaque;

    bql_assert_held();
    loop_timer_cancel(&shot->patience);
    if (shot->request && error)
        qmp_refuse(shot->request, "%s", error->message);
    else if (shot->request)
        qmp_done(shot->request);
    g_clear_error(&error);
    g_free(shot);
}

static void on_patience_ended(struct loop_timer *timer) NO_THREAD_SAFETY /* by the main loop */
{
    struct shot *shot = container_of(timer, struct shot, patience);

    qmp_refuse(g_steal_pointer(&shot->request),
               "the screen has not been drawn in %d s; the file may come later",
               (int)(PATIENCE_NS / NS_PER_S));
}

static void cancel_shot(struct qmp_request *request)
{
    struct shot *shot = request->data;

    bql_assert_held();
    loop_timer_cancel(&shot->patience);
    shot->request = NULL;
}

/* Which screen is meant; NULL and an error: there is no such one. */
static struct console *find_screen(struct qmp_request *request, GError **error) REQUIRES(bql)
{
    struct machine *machine = request->qmp->machine;
    const char *device = qmp_string(request->arguments, "device");
    const gint64 head = qmp_integer(request->arguments, "head", 0);
    struct gpu *gpu = device ? machine_device_gpu(machine, device) : NULL;
    struct console *console = NULL;

    if (device && !gpu) {
        qmp_error(error, "no device with screens has the id '%s'", device);
        return NULL;
    }
    if (head >= 0 && head < CONSOLES_MAX)
        console = gpu ? gpu_console(gpu, (unsigned)head)
                      : display_console(machine_display(machine), (unsigned)head);
    if (!console)
        qmp_error(error, "there is no screen %" G_GINT64_FORMAT, head);
    return console;
}

void qmp_screendump(struct qmp_request *request)
{
    const char *format = qmp_string(request->arguments, "format");
    g_autoptr(GError) error = NULL;
    struct console *console;
    struct shot *shot;

    bql_assert_held();
    if (format && strcmp(format, "png") != 0)
        qmp_error(&error, "screendump: format '%s' is not png", format);
    console = error ? NULL : find_screen(request, &error);
    if (!console) {
        qmp_refuse(request, "%s", error->message);
        return;
    }
    shot = g_new0(struct shot, 1);
    shot->request = request;
    shot->patience.fn = on_patience_ended;
    request->data = shot;
    request->cancel = cancel_shot;
    loop_timer_set(&shot->patience, monotonic_ns() + PATIENCE_NS);
    screenshot_save(console, qmp_string(request->arguments, "filename"), on_saved, shot);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to the machine, as events with QEMU's names.
 */
#include "ui/qmp_internal.h"

/* Who asked, and for what, in QEMU's words (enum ShutdownCause). */
struct cause {
    const char *reason;
    bool is_guest;
};

static void tell(struct qmp *qmp, const char *name, struct cause cause) REQUIRES(bql)
{
    g_autofree char *data = g_strdup_printf("{\"guest\": %s, \"reason\": \"%s\"}",
                                            cause.is_guest ? "true" : "false", cause.reason);

    qmp_event(qmp, name, data);
}

static struct cause reset_cause(const struct qmp *qmp)
{
    return qmp->has_asked_reset ? (struct cause){ "host-qmp-system-reset", false }
                                : (struct cause){ "guest-reset", true };
}

static struct cause end_cause(const struct qmp *qmp, enum machine_end why)
{
    switch (why) {
    case MACHINE_POWERED_OFF:
        return (struct cause){ "guest-shutdown", true };
    case MACHINE_QUIT: /* by a signal, or a key or button of ours, which QEMU calls the UI */
        return (struct cause){ qmp->has_asked_end ? "host-qmp-quit" : "host-signal", false };
    case MACHINE_WAS_RESET:
        return reset_cause(qmp);
    case MACHINE_PANICKED:
        return (struct cause){ "guest-panic", true };
    case MACHINE_TRIPLE_FAULT:
        return (struct cause){ "guest-reset", true };
    case MACHINE_FAILED:
        return (struct cause){ "host-error", false };
    }
    g_assert_not_reached();
}

static void tell_end(struct qmp *qmp) REQUIRES(bql)
{
    enum machine_end why = MACHINE_FAILED;

    (void)machine_has_ended(qmp->machine, &why); /* it has */
    if (why == MACHINE_PANICKED)
        qmp_event(qmp, "GUEST_PANICKED", "{\"action\": \"poweroff\"}");
    tell(qmp, "SHUTDOWN", end_cause(qmp, why));
}

void qmp_on_machine_event(struct machine_listener *listener, enum machine_event event)
{
    struct qmp *qmp = container_of(listener, struct qmp, listener);

    bql_assert_held();
    switch (event) {
    case MACHINE_STOPPED:
        qmp_event(qmp, "STOP", NULL);
        return;
    case MACHINE_CONTINUED:
        qmp_event(qmp, "RESUME", NULL);
        return;
    case MACHINE_RESET:
        tell(qmp, "RESET", reset_cause(qmp));
        qmp->has_asked_reset = false;
        return;
    case MACHINE_BUTTON_PRESSED:
        qmp_event(qmp, "POWERDOWN", NULL);
        return;
    case MACHINE_ENDED:
        tell_end(qmp);
        return;
    }
    g_assert_not_reached();
}

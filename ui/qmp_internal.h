/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the parts of QMP: connections (qmp.c), what a value asks for (qmp_dispatch.c), the
 * commands and their table (qmp_commands.c and others).
 */
#ifndef UI_QMP_INTERNAL_H
#define UI_QMP_INTERNAL_H

/* json-glib's headers begin functions that nobody uses with (void) casts of their own. */
#include <json-glib/json-glib.h>

#include "hw/machine/machine.h"
#include "ui/qmp.h"
#include "ui/qmp_frame.h"
#include "ui/unix_listen.h"
#include "util/list.h"
#include "util/loop.h"

struct qmp {
    struct machine *machine;
    const char *name; /* NULL: none */
    struct unix_listen listen;
    struct list clients;
    unsigned nr_clients;
    struct list requests; /* that are not answered yet */
    struct machine_listener listener;
    bool has_asked_reset, has_asked_end; /* for the reason in events */
};

struct qmp_client {
    struct qmp *qmp;
    struct list_node link;
    int fd; /* -1: it has gone; `work` frees it */
    struct loop_watch *watch;
    struct deferred work;
    bool has_negotiated;
    bool has_no_more; /* it sends no more, but may still read */
    struct qmp_frame frame;
    char input[4096]; /* from at to end it has not been looked at */
    size_t input_at, input_end;
    GString *output;
    struct qmp_request *request; /* not answered yet: the next one waits. NULL: none */
};

/* ---- Requests ---------------------------------------------------------------------------------
 */

enum qmp_type { QMP_STRING, QMP_INTEGER, QMP_BOOLEAN, QMP_ARRAY, QMP_OBJECT, QMP_ANY };

/* A member that an object may have. */
struct qmp_member {
    const char *name; /* NULL: the end */
    enum qmp_type type;
    bool is_optional;
};

enum { QMP_ARGUMENTS_MAX = 4 };

struct qmp_request;

struct qmp_command {
    const char *name;
    void (*run)(struct qmp_request *request); /* answers, now or later: qmp_answer() and its like */
    struct qmp_member arguments[QMP_ARGUMENTS_MAX + 1];
};

struct qmp_request {
    struct qmp *qmp;
    struct qmp_client *client; /* NULL: it has gone */
    JsonNode *id;              /* NULL: none */
    JsonObject *arguments;     /* as the command's table says */
    struct list_node link;
    /* For a command that answers later: QMP ends, drop what was begun. The request goes then. */
    void (*cancel)(struct qmp_request *request);
    void *data;
};

/* Each ends @request. */
void qmp_answer(struct qmp_request *request, JsonNode *value) REQUIRES(bql); /* takes @value */
void qmp_answer_text(struct qmp_request *request, const char *json) REQUIRES(bql);
void qmp_done(struct qmp_request *request) REQUIRES(bql); /* nothing to tell */
void qmp_refuse(struct qmp_request *request, const char *format, ...) PRINTF_LIKE(2, 3)
    REQUIRES(bql);

/** End it without an answer. */
void qmp_request_free(struct qmp_request *request) REQUIRES(bql);

/** Whether @object, called @what in errors, has the members that @members says, and no others. */
bool qmp_check_members(JsonObject *object, const char *what, const struct qmp_member *members,
                       GError **error) MUST_CHECK;

/* Members of objects that have been checked; absent: NULL, @absent. */
const char *qmp_string(JsonObject *object, const char *name);
gint64 qmp_integer(JsonObject *object, const char *name, gint64 absent);

#define QMP_ERROR (g_quark_from_static_string("gracevm-qmp"))
bool qmp_error(GError **error, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- Of the parts ------------------------------------------------------------------------------
 */

/* qmp.c */
void qmp_client_send(struct qmp_client *client, const char *line) REQUIRES(bql);
void qmp_client_greet(struct qmp_client *client) REQUIRES(bql);
/** To all that have negotiated. @data: JSON, or NULL. */
void qmp_event(struct qmp *qmp, const char *name, const char *data) REQUIRES(bql);

/* qmp_dispatch.c: a value that @client has sent, or that it was none. */
void qmp_dispatch(struct qmp_client *client, const char *text, size_t size) REQUIRES(bql);
void qmp_reject(struct qmp_client *client, enum qmp_framed why) REQUIRES(bql);

/* qmp_commands.c */
extern const struct qmp_command qmp_commands[];
extern const size_t qmp_nr_commands;
JsonNode *qmp_version(void);

/* qmp_events.c */
void qmp_on_machine_event(struct machine_listener *listener, enum machine_event event);

/* qmp_keys.c: of QEMU's names of keys; 0: there is none of that name. */
uint16_t qmp_key_code(const char *qcode);

/* qmp_input.c */
void qmp_send_key(struct qmp_request *request);
void qmp_input_send_event(struct qmp_request *request);

/* qmp_screen.c */
void qmp_screendump(struct qmp_request *request);

#endif

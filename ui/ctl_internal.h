/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the parts of `gracevm ctl`: the conversation (ctl_link.c), standard output
 * (ctl_output.c), how things are written (ctl_text.c), the commands and their table (ctl.c,
 * ctl_machine.c, ctl_measure.c, ctl_gpu.c).
 */
#ifndef UI_CTL_INTERNAL_H
#define UI_CTL_INTERNAL_H

#include <json-glib/json-glib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/annotate.h"

enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

/* Beside KEYVAL_ERROR, which is wrong use. */
#define CTL_ERROR (g_quark_from_static_string("gracevm-ctl"))
enum ctl_error {
    CTL_ERROR_REFUSED, /* the machine answered with an error */
    CTL_ERROR_SOCKET,  /* nobody there, or nobody that speaks QMP */
    CTL_ERROR_GONE,    /* the machine has left */
    CTL_ERROR_SIGNAL,  /* we are to end: ctl_signal() */
    CTL_ERROR_OUTPUT,  /* standard output takes no more; the message may be empty: nobody cares */
};
bool ctl_error(GError **error, enum ctl_error code, const char *format, ...) PRINTF_LIKE(3, 4);

/* ---- ctl_link.c: the conversation ------------------------------------------------------------
 */

struct ctl_link;

/** NULL is fine. */
void ctl_link_close(struct ctl_link *link);
/** Connect, and be greeted. @patience_ns: how long each answer may take. */
struct ctl_link *ctl_link_open(const char *path, int64_t patience_ns, GError **error) MUST_CHECK;

/** What @command returns; NULL: an error. @arguments are taken; NULL: none. */
JsonNode *ctl_link_execute(struct ctl_link *link, const char *command, JsonObject *arguments,
                           GError **error) MUST_CHECK;
/** The same for @command, a whole JSON object. */
JsonNode *ctl_link_ask(struct ctl_link *link, const char *command, GError **error) MUST_CHECK;
/** The next event. Waits for ever. */
JsonNode *ctl_link_event(struct ctl_link *link, GError **error) MUST_CHECK;
/** Let time pass until @deadline_ns. False: the machine has gone meanwhile, or a signal came. */
bool ctl_link_idle(struct ctl_link *link, int64_t deadline_ns, GError **error) MUST_CHECK;
/** Until the machine's process has ended; or, where that cannot be seen, until it has hung up.
 * False: it has not, in its time, or a signal came. */
bool ctl_link_wait_for_end(struct ctl_link *link, GError **error) MUST_CHECK;
/** The reason in the machine's SHUTDOWN; NULL: there was none. */
const char *ctl_link_end_reason(const struct ctl_link *link);
/** Later answers may take so much longer. */
void ctl_link_add_patience(struct ctl_link *link, int64_t more_ns);

/* ---- ctl_output.c: standard output and signals ------------------------------------------------
 */

/** False: standard output is closed. From here on signals are seen by ctl_poll() and ctl_write()
 * only. */
bool ctl_output_begin(GError **error) MUST_CHECK;
/** The signal that wants us to end; 0: none has. */
int ctl_signal(void);
/** End as that signal would have ended us. */
void ctl_die_by_signal(void) __attribute__((noreturn));
/** poll() until @deadline_ns (INT64_MAX: for ever). How many are ready; -1 and an error: a signal.
 */
int ctl_poll(struct pollfd *fds, nfds_t nr, int64_t deadline_ns, GError **error) MUST_CHECK;
bool ctl_write(const char *text, GError **error) MUST_CHECK;
/** At the end, whatever has happened: as much as is taken. */
void ctl_write_last(const char *text);
bool ctl_output_is_terminal(void);

/** The terminal shows @text instead of what was there, until ctl_screen_leave(). */
bool ctl_screen_show(const char *text, GError **error) MUST_CHECK;
/** As it was before. Fine at any time. */
void ctl_screen_leave(void);

/* ---- ctl_text.c: what is read, and how it is written ------------------------------------------
 */

/* Members of what a machine said, which may be anything: absent or of another kind, they are NULL,
 * "" or 0. @node may be NULL. */
JsonNode *ctl_member(JsonNode *node, const char *name);
int64_t ctl_number(JsonNode *node, const char *name);
double ctl_real(JsonNode *node, const char *name);
const char *ctl_string(JsonNode *node, const char *name);
bool ctl_is_true(JsonNode *node, const char *name);
/** Of an array; else 0, NULL. */
unsigned ctl_length(JsonNode *node);
JsonNode *ctl_element(JsonNode *node, unsigned index);

struct ctl_style {
    bool has_colours;
};

enum ctl_colour { CTL_PLAIN, CTL_BOLD, CTL_DIM, CTL_GOOD, CTL_WARNING, CTL_BAD };

/** @text in @width columns, to the right; a negative @width: to the left, 0: as it is. */
void ctl_put(GString *out, const struct ctl_style *style, enum ctl_colour colour, int width,
             const char *text);
void ctl_put_f(GString *out, const struct ctl_style *style, enum ctl_colour colour, int width,
               const char *format, ...) PRINTF_LIKE(5, 6);
/** Foreign text: a terminal may take it. Newlines stay if @may_have_lines. */
char *ctl_clean(const char *text, bool may_have_lines) MUST_CHECK;

enum { CTL_UNITS_MAX = 32 };
/** "12.3 us", "4.00 MiB": three digits. Return @buffer. */
const char *ctl_time(char buffer[CTL_UNITS_MAX], double ns);
const char *ctl_bytes(char buffer[CTL_UNITS_MAX], uint64_t bytes);

/* ---- The commands ----------------------------------------------------------------------------
 */

struct ctl {
    bool is_json, is_once, wants_help;
    double interval_s; /* 0: not given */
    double patience_s; /* 0: not given */
    const char *path;
    const struct ctl_command *command;
    char **words; /* its arguments … */
    unsigned nr_words;
    struct ctl_style style;
    struct ctl_link *link;
    JsonNode *before; /* the answer of the last refresh; NULL: this is the first */
    int64_t before_ns;
};

struct ctl_command {
    const char *name, *arguments; /* as help shows them */
    const char *help;
    unsigned min_words, max_words;
    bool is_table; /* can be shown again and again; on a terminal it is, unless --once */
    /** Append to @out what there is to show. */
    bool (*run)(struct ctl *ctl, GString *out, GError **error);
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_nr_commands;

/** @answer, which is taken, as JSON: a line; or for people, indented. True. */
bool ctl_show_json(struct ctl *ctl, GString *out, JsonNode *answer);

/* ctl_machine.c */
bool ctl_status(struct ctl *ctl, GString *out, GError **error);
bool ctl_stop(struct ctl *ctl, GString *out, GError **error);
bool ctl_cont(struct ctl *ctl, GString *out, GError **error);
bool ctl_powerdown(struct ctl *ctl, GString *out, GError **error);
bool ctl_reset(struct ctl *ctl, GString *out, GError **error);
bool ctl_quit(struct ctl *ctl, GString *out, GError **error);
bool ctl_screendump(struct ctl *ctl, GString *out, GError **error);
bool ctl_sendkey(struct ctl *ctl, GString *out, GError **error);
bool ctl_mtree(struct ctl *ctl, GString *out, GError **error);
bool ctl_raw(struct ctl *ctl, GString *out, GError **error);
bool ctl_events(struct ctl *ctl, GString *out, GError **error);

/* ctl_measure.c, ctl_gpu.c: what is asked, and how an answer is shown. */
bool ctl_latency(struct ctl *ctl, GString *out, GError **error);
void ctl_latency_show(GString *out, const struct ctl_style *style, JsonNode *now, JsonNode *before,
                      double seconds);
bool ctl_rcu(struct ctl *ctl, GString *out, GError **error);
void ctl_rcu_show(GString *out, const struct ctl_style *style, JsonNode *answer);
bool ctl_gpu(struct ctl *ctl, GString *out, GError **error);
void ctl_gpu_show(GString *out, const struct ctl_style *style, JsonNode *answer);

#endif

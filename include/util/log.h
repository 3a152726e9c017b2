/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Messages for whoever runs the program: errors, warnings, notes, and details by topic.
 *
 * Each is one line and one write() to standard error or a file. Control
 * characters, and bytes that are no UTF-8, are shown as \xNN, so that a guest's
 * text can neither forge a line nor speak to a terminal. What a guest can cause
 * goes through LOG_RATELIMITED().
 *
 * Threads: any; not in signal handlers. No lock is taken: the line is written in
 * one piece. A line that cannot be written is counted, and otherwise ignored
 * (a pipe without a reader: from util_start() on, which ignores SIGPIPE).
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/annotate.h"
#include "util/atomic.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG, /* what topics print */
};

/* X(name, description): the one list. `-d help` prints it. */
#define LOG_TOPICS(X)                                                                              \
    X(guest_errors, "what the guest does against the specifications")                              \
    X(rcu, "grace periods and callbacks")                                                          \
    X(mem, "memory map: transactions, views, slots")                                               \
    X(cpu, "virtual CPUs: resets, exits, exceptions")                                              \
    X(irq, "interrupts: routes and deliveries")                                                    \
    X(pci, "configuration space and BARs")                                                         \
    X(virtio, "features, status, queues")                                                          \
    X(gpu, "virtio-gpu commands, blobs and fences")                                                \
    X(net, "networks: what a card's other end does")                                               \
    X(display, "windows, scanouts, input")                                                         \
    X(boot, "kernel loading and firmware tables")                                                  \
    X(qmp, "control connections and their commands")

#define LOG_TOPIC_NAME_(name, description) LOG_TOPIC_##name,
enum log_topic { LOG_TOPICS(LOG_TOPIC_NAME_) NR_LOG_TOPICS };
#undef LOG_TOPIC_NAME_

/* Bits by enum log_topic; atomic. */
extern uint32_t log_topics_on;

/** Whether @topic (a name of the list) is on: a load and a branch. */
#define log_is_on(topic) unlikely(load_relaxed(&log_topics_on) >> LOG_TOPIC_##topic & 1)

#define log_error(...) log_line(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, NULL, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, NULL, __VA_ARGS__)

/** A line about @topic, if that is on; else the arguments are not evaluated. */
#define log_topic(topic, ...)                                                                      \
    do {                                                                                           \
        if (log_is_on(topic))                                                                      \
            log_line(LOG_LEVEL_DEBUG, #topic, __VA_ARGS__);                                        \
    } while (0)

/** @format makes one line, without its newline; what is beyond LOG_LINE_MAX bytes is cut. */
void log_line(enum log_level level, const char *topic, const char *format, ...) PRINTF_LIKE(3, 4);

enum { LOG_LINE_MAX = 1024 };

/* ---- Rate limit ------------------------------------------------------------------ */

enum { LOG_BURST = 10 };                      /* lines of one place in the code … */
#define LOG_INTERVAL_NS (INT64_C(5000000000)) /* … per this time */

/* Of one place. All zero bytes but nothing else is ready. */
struct log_limit {
    int64_t since_ns;    /* start of the interval; atomic */
    uint32_t nr_lines;   /* let through in it; atomic */
    uint32_t is_linked;  /* in the list of those that log_flush() looks at; atomic */
    uint64_t suppressed; /* since the last line that told; atomic */
    struct log_limit *next;
    const char *place;
};

/**
 * log_error() and its like, but at most LOG_BURST lines per LOG_INTERVAL_NS from
 * this place in the code; then one line says how many there would have been.
 */
#define LOG_RATELIMITED(log, ...)                                                                  \
    do {                                                                                           \
        static struct log_limit limit_ = { .place = G_STRLOC };                                    \
        if (log_limit_allows(&limit_, log_now_ns()))                                               \
            log(__VA_ARGS__);                                                                      \
    } while (0)

/**
 * For guest errors: rate-limited, and only with the topic on. The first thing
 * that a device does with bad input is to count it; this is the second.
 */
#define log_guest_error(...)                                                                       \
    do {                                                                                           \
        if (log_is_on(guest_errors))                                                               \
            LOG_RATELIMITED(log_guest_error_line_, __VA_ARGS__);                                   \
    } while (0)
#define log_guest_error_line_(...) log_line(LOG_LEVEL_DEBUG, "guest_errors", __VA_ARGS__)

/** Whether a line may go out at @now_ns. When a new interval begins, tells what was suppressed. */
bool log_limit_allows(struct log_limit *limit, int64_t now_ns);
int64_t log_now_ns(void);

/** Tell what is suppressed and has not been told: at the end. */
void log_flush(void);

/* ---- Set-up ---------------------------------------------------------------------- */

/** Levels beyond @level are dropped. At the start: LOG_LEVEL_DEBUG, so topics decide. */
void log_set_level(enum log_level level);

/** Turn on the topics of a comma-separated @list ("all" too) and no others. */
bool log_set_topics(const char *list, GError **error);

/** One line a topic: name, description. */
void log_print_topics(FILE *out);

/** Append to @path from now on; NULL: standard error. Before other threads start. */
bool log_open(const char *path, GError **error);

/** Begin each line with seconds of monotonic_ns(). At the start: no. */
void log_set_timestamps(bool on);

/** Lines that could not be written. */
uint64_t log_write_errors(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

uint32_t log_topics_on;

static int log_fd = STDERR_FILENO;           /* set before other threads start */
static uint32_t max_level = LOG_LEVEL_DEBUG; /* atomic */
static uint32_t has_timestamps;              /* atomic */
static uint64_t write_errors;                /* atomic */
static struct log_limit *limits;             /* those that suppressed something; atomic */

static const struct {
    const char *name;
    const char *description;
} topics[] = {
#define TOPIC_ENTRY(name, description) { #name, description },
    LOG_TOPICS(TOPIC_ENTRY)
#undef TOPIC_ENTRY
};
_Static_assert(ARRAY_SIZE(topics) == NR_LOG_TOPICS && NR_LOG_TOPICS < 32, "a bit each");

/* ---- Lines ------------------------------------------------------------------------ */

static bool write_all(int fd, const char *line, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, line, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        line += n; /* a pipe that was nearly full */
        size -= (size_t)n;
    }
    return true;
}

/* How many bytes @text's first character has; 0 if a terminal could take it as a command. */
static size_t plain_bytes(const char *text)
{
    gunichar c = g_utf8_get_char_validated(text, -1);

    if (c == (gunichar)-1 || c == (gunichar)-2) /* no UTF-8: a terminal may be set to anything */
        return 0;
    return g_unichar_iscntrl(c) ? 0 : (size_t)g_unichar_to_utf8(c, NULL);
}

/* Copy @text with what a terminal could take as a command made visible. Returns the length. */
static size_t escape(char *out, size_t size, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    while (*text && n + 4 < size) { /* four: \xNN, or the longest character */
        size_t bytes = plain_bytes(text);
        unsigned char c = (unsigned char)*text;

        if (bytes > 0) {
            memcpy(out + n, text, bytes);
            n += bytes;
            text += bytes;
            continue;
        }
        out[n++] = '\\';
        out[n++] = 'x';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
        text++;
    }
    return n;
}

static size_t prefix(char *out, size_t size, enum log_level level, const char *topic)
{
    static const char *const names[] = { "error: ", "warning: ", "", "" };
    int64_t now_ns = monotonic_ns();
    char stamp[32] = "";

    if (load_relaxed(&has_timestamps))
        snprintf(stamp, sizeof(stamp), "%" PRId64 ".%06d ", now_ns / NS_PER_S,
                 (int)(now_ns % NS_PER_S / NS_PER_US));
    return (size_t)snprintf(out, size, "%sgracevm: %s%s%s", stamp, topic ? topic : "",
                            topic ? ": " : "", names[level]);
}

void log_line(enum log_level level, const char *topic, const char *format, ...)
{
    char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
    int saved_errno = errno; /* callers log and then look at it */
    va_list args;
    size_t n;

    if (level > load_relaxed(&max_level))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    n = prefix(line, sizeof(line), level, topic); /* topics are short names of ours */
    n += escape(line + n, sizeof(line) - n - 1, text);
    line[n++] = '\n';
    if (!write_all(log_fd, line, n))
        fetch_add_relaxed(&write_errors, 1);
    if (level == LOG_LEVEL_ERROR && log_fd != STDERR_FILENO)
        (void)write_all(STDERR_FILENO, line, n); /* why it ended is not to be looked for */
    errno = saved_errno;
}

/* ---- Rate limit --------------------------------------------------------------------- */

int64_t log_now_ns(void)
{
    return monotonic_ns();
}

static void tell_suppressed(struct log_limit *limit)
{
    uint64_t nr = atomic_xchg(&limit->suppressed, 0); /* each is told once */

    if (nr)
        log_warn("%" PRIu64 " more messages like the one at %s were suppressed", nr, limit->place);
}

static void link_limit(struct log_limit *limit)
{
    struct log_limit *head = load_relaxed(&limits);

    if (load_relaxed(&limit->is_linked) || atomic_xchg(&limit->is_linked, 1))
        return;
    do {
        limit->next = head;
    } while (!atomic_cas(&limits, &head, limit)); /* release: pairs with log_flush() */
}

/*
 * Threads that meet at the start of an interval may let a few lines too many
 * through, at most one each; none is let through and counted as suppressed.
 */
bool log_limit_allows(struct log_limit *limit, int64_t now_ns)
{
    int64_t since_ns = load_relaxed(&limit->since_ns);

    if ((since_ns == 0 || now_ns - since_ns >= LOG_INTERVAL_NS) &&
        atomic_cas(&limit->since_ns, &since_ns, now_ns)) {
        store_relaxed(&limit->nr_lines, 0);
        tell_suppressed(limit);
    }
    /* The load keeps the counter from running round in a long interval. */
    if (load_relaxed(&limit->nr_lines) < LOG_BURST &&
        fetch_add_relaxed(&limit->nr_lines, 1) < LOG_BURST)
        return true;
    fetch_add_relaxed(&limit->suppressed, 1);
    link_limit(limit);
    return false;
}

void log_flush(void)
{
    /* acquire: pairs with the exchange in link_limit() */
    for (struct log_limit *limit = load_acquire(&limits); limit; limit = limit->next)
        tell_suppressed(limit);
}

/* ---- Set-up -------------------------------------------------------------------------- */

void log_set_level(enum log_level level)
{
    store_relaxed(&max_level, level);
}

void log_set_timestamps(bool on)
{
    store_relaxed(&has_timestamps, on);
}

uint64_t log_write_errors(void)
{
    return load_relaxed(&write_errors);
}

static bool topic_from_name(const char *name, uint32_t *ret_bits)
{
    if (strcmp(name, "all") == 0) {
        *ret_bits = (1u << NR_LOG_TOPICS) - 1;
        return true;
    }
    for (unsigned i = 0; i < NR_LOG_TOPICS; i++) {
        if (strcmp(name, topics[i].name) == 0) {
            *ret_bits = 1u << i;
            return true;
        }
    }
    return false;
}

bool log_set_topics(const char *list, GError **error)
{
    g_auto(GStrv) names = g_strsplit(list, ",", -1);
    uint32_t on = 0, bits;

    for (char **name = names; *name; name++) {
        if (!topic_from_name(*name, &bits)) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "unknown log topic '%s' ('help' lists them)", *name);
            return false;
        }
        on |= bits;
    }
    store_relaxed(&log_topics_on, on);
    return true;
}

void log_print_topics(FILE *out)
{
    for (unsigned i = 0; i < NR_LOG_TOPICS; i++)
        fprintf(out, "%-14s %s\n", topics[i].name, topics[i].description);
    fprintf(out, "%-14s %s\n", "all", "every one of these");
}

/* A FIFO stays non-blocking: who does not read it loses lines, and holds up nobody. */
static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    struct stat status;

    if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode)))
        (void)fcntl(fd, F_SETFL, O_APPEND); /* files ignore O_NONBLOCK anyway */
    return fd;
}

bool log_open(const char *path, GError **error)
{
    int fd = path ? open_file(path) : STDERR_FILENO;

    if (fd < 0) {
        g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(errno),
                    "cannot open log file '%s': %s", path,
                    errno == ENXIO ? "nobody reads from it" : g_strerror(errno));
        return false;
    }
    if (log_fd != STDERR_FILENO)
        close(log_fd);
    log_fd = fd;
    return true;
}

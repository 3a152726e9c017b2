/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What RCU has to say: stalls, and wrong uses of its interface.
 */
#include <execinfo.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/rcu_registry.h"
#include "util/trace.h"

enum { LINE_BYTES = 512 };

static void report_line(const char *line)
{
    void (*report)(const char *) = load_acquire(&rcu_host)->report;

    if (report)
        report(line);
    else
        fprintf(stderr, "%s\n", line);
}

static void thread_name(const struct rcu_thread *thread, char *ret_name, size_t size)
{
    if (pthread_getname_np(thread->handle, ret_name, size) != 0)
        snprintf(ret_name, size, "?");
}

void rcu_report(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    report_line(line);
}

/* ---- Stalls -------------------------------------------------------------------- */

/* A reader in the way, copied under the registry lock: a report may take its time, or fork. */
struct blocker {
    char name[16];
    pid_t tid;
    const struct rcu_site *site;
    const char *blocked_on;
    unsigned nr_kicks;
    void *stack[RCU_STACK_FRAMES];
    int nr_frames;
};

enum { MAX_BLOCKERS = 8 }; /* the first ones tell enough */

struct blockers {
    unsigned nr;
    struct blocker blocker[MAX_BLOCKERS];
};

static void copy_blocker(const struct rcu_thread *thread, void *opaque)
{
    struct blockers *blockers = opaque;
    struct blocker *blocker = &blockers->blocker[blockers->nr];

    if (blockers->nr == MAX_BLOCKERS)
        return;
    blockers->nr++;
    thread_name(thread, blocker->name, sizeof(blocker->name));
    blocker->tid = thread->tid;
    blocker->site = load_relaxed(&thread->reader->site);
    blocker->blocked_on = load_relaxed(&thread->reader->blocked_on);
    blocker->nr_kicks = load_relaxed(&thread->kicked_section) ? load_relaxed(&thread->nr_kicks) : 0;
    blocker->nr_frames = load_acquire(&thread->blocked_frames); /* see rcu_set_blocked_on() */
    memcpy(blocker->stack, thread->blocked_stack, sizeof(blocker->stack));
}

static void report_blocker(const struct blocker *blocker, int64_t age_ns)
{
    rcu_report("rcu: %s (%d) has been inside the section entered at %s:%d (%s) for at least "
               "%" PRId64 " ms, kicked %u times%s%s",
               blocker->name, (int)blocker->tid, blocker->site->file, blocker->site->line,
               blocker->site->func, age_ns / NS_PER_MS, blocker->nr_kicks,
               blocker->blocked_on ? ", waits for " : "",
               blocker->blocked_on ? blocker->blocked_on : "");
}

void rcu_report_stall(unsigned long target, int64_t age_ns)
{
    struct blockers blockers = { .nr = 0 };
    struct rcu_stats stats;

    rcu_count(&rcu_counters.stalls);
    TRACE2(rcu_stall, target, age_ns);
    rcu_get_stats(&stats);
    rcu_report("rcu: grace period %lu (%s) has lasted %" PRId64 " ms; %" PRIu64
               " callbacks are pending",
               target, rcu_is_forced(target) ? "forced" : "normal", age_ns / NS_PER_MS,
               stats.callbacks_queued - stats.callbacks_run);
    rcu_registry_visit(target, copy_blocker, &blockers);
    for (unsigned i = 0; i < blockers.nr; i++)
        report_blocker(&blockers.blocker[i], age_ns);
}

/* ---- Misuse -------------------------------------------------------------------- */

#ifdef DEBUG_CHECKS
static void print_stack(const char *title, void *const *frames, int nr)
{
    fprintf(stderr, "%s\n", title);
    backtrace_symbols_fd(frames, nr, STDERR_FILENO);
}

static void print_blocked_readers(void)
{
    struct blockers blockers = { .nr = 0 };

    rcu_registry_visit(load_relaxed(&rcu_newest.number) + RCU_STEP, copy_blocker, &blockers);
    for (unsigned i = 0; i < blockers.nr; i++) {
        const struct blocker *blocker = &blockers.blocker[i];
        char title[LINE_BYTES];

        if (!blocker->blocked_on)
            continue;
        snprintf(title, sizeof(title),
                 "while %s (%d) waits for %s inside its section:", blocker->name, (int)blocker->tid,
                 blocker->blocked_on);
        print_stack(title, blocker->stack, blocker->nr_frames);
    }
}
#endif

void rcu_misuse(const char *format, ...)
{
    char line[LINE_BYTES] = "rcu: misuse: ";
    size_t used = strlen(line);
    va_list args;

    va_start(args, format);
    vsnprintf(line + used, sizeof(line) - used, format, args);
    va_end(args);
#ifdef DEBUG_CHECKS
    void *frames[64];
    char name[16] = "?";
    char title[LINE_BYTES];

    report_line(line);
    (void)pthread_getname_np(pthread_self(), name, sizeof(name)); /* "?" if it cannot be had */
    snprintf(title, sizeof(title), "in thread %s:", name);
    print_stack(title, frames, backtrace(frames, (int)ARRAY_SIZE(frames)));
    print_blocked_readers();
    abort();
#else
    /* A wrong call in a loop must not flood the log: report the first of each power of two. */
    uint64_t nr = fetch_add_relaxed(&rcu_counters.misuses, 1) + 1;

    if ((nr & (nr - 1)) == 0)
        report_line(line);
#endif
}

void rcu_assert_may_wait(const char *what)
{
    if (unlikely(rcu_is_reading())) {
        const struct rcu_site *site = load_relaxed(&rcu_reader.site);

        rcu_misuse("%s inside the read section entered at %s:%d (%s)", what, site->file, site->line,
                   site->func);
    }
    if (unlikely(rcu_host_bql_is_mine()))
        rcu_misuse("%s with the BQL held", what);
}

void rcu_set_blocked_on(const char *what)
{
    if (!rcu_is_reading())
        return;
#ifdef DEBUG_CHECKS
    struct rcu_thread *thread = rcu_registry_self();

    if (what) {
        int nr = backtrace(thread->blocked_stack, RCU_STACK_FRAMES);

        store_release(&thread->blocked_frames, nr); /* pairs with copy_blocker() */
    }
#endif
    store_relaxed(&rcu_reader.blocked_on, what);
}

/* ---- Debug: callbacks queued twice ---------------------------------------------- */

#ifdef DEBUG_CHECKS
struct pending {
    struct pending *next;
    const struct rcu_head *head;
    void *frames[RCU_STACK_FRAMES];
    int nr_frames;
};

static pthread_mutex_t pending_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pending *pending[4096]; /* guarded by pending_lock */

static struct pending **pending_find(const struct rcu_head *head)
{
    struct pending **link = &pending[((uintptr_t)head >> 4) % ARRAY_SIZE(pending)];

    while (*link && (*link)->head != head)
        link = &(*link)->next;
    return link;
}

void rcu_debug_queued(struct rcu_head *head)
{
    struct pending *entry = malloc(sizeof(*entry));
    struct pending **link, first = { .nr_frames = 0 };
    bool is_twice;

    if (!entry)
        return; /* this one goes unchecked */
    entry->head = head;
    entry->nr_frames = backtrace(entry->frames, RCU_STACK_FRAMES);
    entry->next = NULL;
    pthread_mutex_lock(&pending_lock);
    link = pending_find(head);
    is_twice = *link != NULL;
    if (is_twice)
        first = **link;
    else
        *link = entry;
    pthread_mutex_unlock(&pending_lock);
    if (is_twice) { /* reported without the lock, under which a report could not look around */
        print_stack("an rcu_head that is pending already was queued here:", first.frames,
                    first.nr_frames);
        rcu_misuse("call_rcu() of an rcu_head that is pending already");
    }
}

void rcu_debug_taken(struct rcu_head *head)
{
    struct pending **link;
    struct pending *entry;

    pthread_mutex_lock(&pending_lock);
    link = pending_find(head);
    entry = *link;
    if (entry)
        *link = entry->next;
    pthread_mutex_unlock(&pending_lock);
    free(entry);
}

void rcu_debug_fork_prepare(void)
{
    pthread_mutex_lock(&pending_lock);
}

void rcu_debug_fork_done(void)
{
    pthread_mutex_unlock(&pending_lock);
}
#endif

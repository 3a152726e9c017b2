/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Trace points: places that perf, bpftrace and gdb can hook while the program runs, and
 * that -trace records into a file (util/trace_file.h, docs/tracing.md).
 *
 *     bpftrace -e 'usdt:./build/gracevm:gracevm:rcu_kick { @[arg1] = count(); }'
 *
 * With sys/sdt.h each is a USDT probe `gracevm:name`: one nop, and a note in the binary that
 * says where the arguments are. The recorder costs a load, a comparison and a branch that is
 * not taken, until its point is on (64-bit hosts only).
 *
 * TRACE_POINTS is the one list. A point that is not in it does not compile, nor one with
 * another number of arguments.
 *
 * Threads: any, signal handlers too. Arguments are integers or pointers of at most a machine
 * word (two on 32 bits), without side effects; nothing is computed for a probe that costs more
 * than a load. Strings are literals of the program: a writer reads them later.
 */
#ifndef UTIL_TRACE_H
#define UTIL_TRACE_H

#include <stdint.h>

#include "util/annotate.h"
#include "util/atomic.h"
#include "util/trace_points.h"

#define TRACE_NAME_(name, ...) TRACE_POINT_##name,
enum trace_point { TRACE_POINTS(TRACE_NAME_) NR_TRACE_POINTS };
#undef TRACE_NAME_

#define TRACE_COUNT_(...) (sizeof((const char *const[]){ NULL, __VA_ARGS__ }) / sizeof(char *) - 1)
#define TRACE_NR_ARGS_(name, kind, help, ...) TRACE_NR_ARGS_##name = TRACE_COUNT_(__VA_ARGS__),
enum trace_nr_args { TRACE_POINTS(TRACE_NR_ARGS_) TRACE_ARGS_MAX = 5 };
#undef TRACE_NR_ARGS_

#ifdef HAVE_USDT
#include <sys/sdt.h>
#define TRACE_PROBE1_(name, a) STAP_PROBE1(gracevm, name, a)
#define TRACE_PROBE2_(name, a, b) STAP_PROBE2(gracevm, name, a, b)
#define TRACE_PROBE3_(name, a, b, c) STAP_PROBE3(gracevm, name, a, b, c)
#define TRACE_PROBE4_(name, a, b, c, d) STAP_PROBE4(gracevm, name, a, b, c, d)
#define TRACE_PROBE5_(name, a, b, c, d, e) STAP_PROBE5(gracevm, name, a, b, c, d, e)
#else
/* sizeof: compiled, never evaluated. */
#define TRACE_PROBE1_(name, a) ((void)sizeof(a))
#define TRACE_PROBE2_(name, a, b) ((void)sizeof(a), (void)sizeof(b))
#define TRACE_PROBE3_(name, a, b, c) ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c))
#define TRACE_PROBE4_(name, a, b, c, d)                                                            \
    ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c), (void)sizeof(d))
#define TRACE_PROBE5_(name, a, b, c, d, e)                                                         \
    ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c), (void)sizeof(d), (void)sizeof(e))
#endif

#if __SIZEOF_POINTER__ == 8 && defined(__linux__)
#define TRACE_RECORDER 1

/* A byte for each point: whether it is recorded. Atomic; nothing that is often written is beside
 * it. */
enum { TRACE_FLAGS = (NR_TRACE_POINTS + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE };
extern CACHE_ALIGNED uint8_t trace_is_on[TRACE_FLAGS] __attribute__((visibility("hidden")));

/** Put it into a ring of the calling thread. @at_ns: when it was, by monotonic_ns(); 0: now. */
void trace_record(enum trace_point point, int64_t at_ns, uint64_t a, uint64_t b, uint64_t c,
                  uint64_t d, uint64_t e);

#define TRACE_RECORD_(name, at_ns, a, b, c, d, e)                                                  \
    do {                                                                                           \
        if (unlikely(load_relaxed(&trace_is_on[TRACE_POINT_##name])))                              \
            trace_record(TRACE_POINT_##name, (at_ns), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), \
                         (uint64_t)(d), (uint64_t)(e));                                            \
    } while (0)
#else
#define TRACE_RECORDER 0
#define TRACE_RECORD_(name, at_ns, a, b, c, d, e) ((void)sizeof(at_ns))
#endif

#define TRACE_(name, nr, probe, record)                                                            \
    do {                                                                                           \
        _Static_assert(TRACE_NR_ARGS_##name == (nr), "arguments, as the list says");               \
        probe;                                                                                     \
        record;                                                                                    \
    } while (0)

/* The same with the time at which it was, which only the recorder sees: for what has just been
 * measured, so that spans that follow each other do not overlap. */
#define TRACE1_AT(name, at_ns, a)                                                                  \
    TRACE_(name, 1, TRACE_PROBE1_(name, a), TRACE_RECORD_(name, at_ns, a, 0, 0, 0, 0))
#define TRACE2_AT(name, at_ns, a, b)                                                               \
    TRACE_(name, 2, TRACE_PROBE2_(name, a, b), TRACE_RECORD_(name, at_ns, a, b, 0, 0, 0))
#define TRACE3_AT(name, at_ns, a, b, c)                                                            \
    TRACE_(name, 3, TRACE_PROBE3_(name, a, b, c), TRACE_RECORD_(name, at_ns, a, b, c, 0, 0))
#define TRACE4_AT(name, at_ns, a, b, c, d)                                                         \
    TRACE_(name, 4, TRACE_PROBE4_(name, a, b, c, d), TRACE_RECORD_(name, at_ns, a, b, c, d, 0))
#define TRACE5_AT(name, at_ns, a, b, c, d, e)                                                      \
    TRACE_(name, 5, TRACE_PROBE5_(name, a, b, c, d, e), TRACE_RECORD_(name, at_ns, a, b, c, d, e))

#define TRACE1(name, a) TRACE1_AT(name, 0, a)
#define TRACE2(name, a, b) TRACE2_AT(name, 0, a, b)
#define TRACE3(name, a, b, c) TRACE3_AT(name, 0, a, b, c)
#define TRACE4(name, a, b, c, d) TRACE4_AT(name, 0, a, b, c, d)
#define TRACE5(name, a, b, c, d, e) TRACE5_AT(name, 0, a, b, c, d, e)

#endif

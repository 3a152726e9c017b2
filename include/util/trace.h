/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Trace points: places that perf, bpftrace and gdb can hook while the program runs.
 *
 *     bpftrace -e 'usdt:./build/gracevm:gracevm:rcu_kick { @[arg1] = count(); }'
 *
 * With sys/sdt.h each is a USDT probe `gracevm:name`: one nop, and a note in the
 * binary that says where the arguments are. Without it there is nothing, but the
 * arguments are still compiled, so that both builds accept the same code.
 *
 * TRACE_POINTS is the one list. A point that is not in it does not compile.
 *
 * Threads: any, signal handlers too. Arguments are integers or pointers of at
 * most a machine word (two on 32 bits), without side effects; nothing is
 * computed for a probe that costs more than a load.
 */
#ifndef UTIL_TRACE_H
#define UTIL_TRACE_H

/* X(name): its arguments. */
#define TRACE_POINTS(X)                                                                            \
    X(rcu_start)          /* number; is it forced */                                               \
    X(rcu_end)            /* number; was it forced; ns since its start */                          \
    X(rcu_force)          /* the number that force_upto has now */                                 \
    X(rcu_kick)           /* number; reader's thread id; how many kicks its section has had */     \
    X(rcu_sleep)          /* number; is it forced */                                               \
    X(rcu_report)         /* thread id of the reader that leaves */                                \
    X(rcu_call)           /* rcu_head; bytes */                                                    \
    X(rcu_callbacks)      /* how many have run in this batch */                                    \
    X(rcu_throttle)       /* callbacks pending */                                                  \
    X(rcu_stall)          /* number; ns since the start */                                         \
    X(srcu_start)         /* domain; number */                                                     \
    X(srcu_end)           /* domain; number; ns since its start */                                 \
    X(bql_wait)           /* ns that this thread waited */                                         \
    X(bql_hold)           /* ns that this thread has held it */                                    \
    X(loop_batch)         /* how many deferred calls wait */                                       \
    X(loop_poll)          /* deadline in monotonic ns; descriptors */                              \
    X(gpu_map)            /* resource; offset in the window; bytes */                              \
    X(gpu_unmap_queue)    /* resource; offset in the window; bytes */                              \
    X(gpu_unmap_commit)   /* resource; ns of the commit */                                         \
    X(gpu_unmap_release)  /* resource; ns since the commit */                                      \
    X(gpu_unmap_respond)  /* resource; ns since the command was popped */                          \
    X(gpu_unmap_renderer) /* resource; ns since the release */

#define TRACE_NAME_(name) TRACE_POINT_##name,
enum trace_point { TRACE_POINTS(TRACE_NAME_) NR_TRACE_POINTS };
#undef TRACE_NAME_

#ifdef HAVE_USDT
#include <sys/sdt.h>
#define TRACE_PROBE0_(name) STAP_PROBE(gracevm, name)
#define TRACE_PROBE1_(name, a) STAP_PROBE1(gracevm, name, a)
#define TRACE_PROBE2_(name, a, b) STAP_PROBE2(gracevm, name, a, b)
#define TRACE_PROBE3_(name, a, b, c) STAP_PROBE3(gracevm, name, a, b, c)
#define TRACE_PROBE4_(name, a, b, c, d) STAP_PROBE4(gracevm, name, a, b, c, d)
#else
/* sizeof: compiled, never evaluated. */
#define TRACE_PROBE0_(name) ((void)0)
#define TRACE_PROBE1_(name, a) ((void)sizeof(a))
#define TRACE_PROBE2_(name, a, b) ((void)sizeof(a), (void)sizeof(b))
#define TRACE_PROBE3_(name, a, b, c) ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c))
#define TRACE_PROBE4_(name, a, b, c, d)                                                            \
    ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c), (void)sizeof(d))
#endif

#define TRACE_(name, probe)                                                                        \
    do {                                                                                           \
        (void)TRACE_POINT_##name;                                                                  \
        probe;                                                                                     \
    } while (0)

#define TRACE0(name) TRACE_(name, TRACE_PROBE0_(name))
#define TRACE1(name, a) TRACE_(name, TRACE_PROBE1_(name, a))
#define TRACE2(name, a, b) TRACE_(name, TRACE_PROBE2_(name, a, b))
#define TRACE3(name, a, b, c) TRACE_(name, TRACE_PROBE3_(name, a, b, c))
#define TRACE4(name, a, b, c, d) TRACE_(name, TRACE_PROBE4_(name, a, b, c, d))

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The list of trace points: include "util/trace.h" to use them.
 */
#ifndef UTIL_TRACE_POINTS_H
#define UTIL_TRACE_POINTS_H

/* How a point looks on the recorder's time line (docs/tracing.md). */
enum trace_kind {
    TRACE_INSTANT, /* a moment of its thread */
    TRACE_BEGIN,   /* its thread begins something … */
    TRACE_END,     /* … and has ended it */
    TRACE_SPAN,    /* what its thread did in the last `ns`, or from `since_ns` on: the last … */
    TRACE_ASYNC,   /* … argument; the same beside what threads do, told apart by the first one */
};

/*
 * X(name, kind, help, "argument"…). Of an argument's name a first '*' says that it is a pointer,
 * '$' that it is a string.
 */
#define TRACE_POINTS(X)                                                                            \
    X(rcu_start, TRACE_INSTANT, "a grace period starts", "number", "is_forced")                    \
    X(rcu_end, TRACE_ASYNC, "a grace period has ended", "number", "was_forced", "ns")              \
    X(rcu_force, TRACE_INSTANT, "grace periods are forced up to a number", "upto")                 \
    X(rcu_kick, TRACE_INSTANT, "a reader is asked to leave its section", "number", "reader",       \
      "kicks")                                                                                     \
    X(rcu_sleep, TRACE_INSTANT, "a driver sleeps until readers leave", "number", "is_forced")      \
    X(rcu_report, TRACE_INSTANT, "a reader that is waited for leaves", "reader")                   \
    X(rcu_call, TRACE_INSTANT, "call_rcu() of an object", "*head", "bytes")                        \
    X(rcu_callbacks, TRACE_INSTANT, "a batch of callbacks has run", "nr")                          \
    X(rcu_throttle, TRACE_INSTANT, "a producer of callbacks has to wait", "pending")               \
    X(rcu_stall, TRACE_INSTANT, "a grace period does not end", "number", "age_ns")                 \
    X(srcu_start, TRACE_INSTANT, "a domain's grace period starts", "*domain", "number")            \
    X(srcu_end, TRACE_ASYNC, "a domain's grace period has ended", "*domain", "number", "ns")       \
    X(bql_wait, TRACE_SPAN, "a thread has waited for the BQL", "ns")                               \
    X(bql_hold, TRACE_SPAN, "a thread has held the BQL", "ns")                                     \
    X(loop_batch, TRACE_INSTANT, "the main loop makes deferred calls", "waiting")                  \
    X(loop_poll, TRACE_INSTANT, "the main loop sleeps", "deadline_ns", "descriptors")              \
    X(cpu_kick, TRACE_INSTANT, "a processor is asked to come out", "cpu", "events")                \
    X(cpu_halt, TRACE_BEGIN, "a processor sleeps, halted", "cpu")                                  \
    X(cpu_wake, TRACE_END, "a halted processor goes on", "cpu")                                    \
    X(irq_message, TRACE_INSTANT, "an interrupt message is sent", "address", "data")               \
    X(machine_reset, TRACE_INSTANT, "the machine is reset", "was_running")                         \
    X(machine_end, TRACE_INSTANT, "the machine has ended (enum machine_end)", "why")               \
    X(disk_submit, TRACE_INSTANT, "a request goes to a disk", "*request", "$op", "offset",         \
      "bytes")                                                                                     \
    X(disk_begin, TRACE_BEGIN, "a worker takes a request", "*request", "$op")                      \
    X(disk_end, TRACE_END, "a worker has done a request", "*request", "error")                     \
    X(blk_answer, TRACE_ASYNC, "a guest's disk request is answered", "*request", "$op", "status",  \
      "since_ns")                                                                                  \
    X(net_frame, TRACE_INSTANT, "a card has carried a frame", "$direction", "bytes")               \
    X(gpu_pop, TRACE_INSTANT, "a command is taken from a queue", "*command", "$type", "context",   \
      "resource", "fence")                                                                         \
    X(gpu_answer, TRACE_ASYNC, "a command is answered", "*command", "$type", "response", "fence",  \
      "since_ns")                                                                                  \
    X(gpu_fence, TRACE_INSTANT, "the renderer has passed a fence", "context", "ring", "number")    \
    X(gpu_map, TRACE_INSTANT, "a blob is in the window", "resource", "offset", "bytes")            \
    X(gpu_unmap_queue, TRACE_ASYNC, "a blob's unmap has waited for its turn; since its command",   \
      "resource", "offset", "bytes", "ns")                                                         \
    X(gpu_unmap_commit, TRACE_ASYNC, "it has left the memory map", "resource", "ns")               \
    X(gpu_unmap_release, TRACE_ASYNC, "no processor can reach it any more", "resource", "ns")      \
    X(gpu_unmap_respond, TRACE_ASYNC, "the guest is told so; since its command", "resource", "ns") \
    X(gpu_unmap_renderer, TRACE_ASYNC, "the renderer has let it go; since the release",            \
      "resource", "ns")                                                                            \
    X(render_begin, TRACE_BEGIN, "the render thread begins something", "$what")                    \
    X(render_end, TRACE_END, "and has ended it", "$what")

#endif

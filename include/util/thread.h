/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Named threads, joined exactly once.
 *
 * A thread is registered with RCU around its function, and must not return from
 * it with the BQL held (abort in every build). It blocks all signals
 * but those that the processor raises in it (SIGSEGV and its like) and those
 * that its starter asks for: the rest are the main thread's.
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <signal.h>

#include "util/annotate.h"

struct thread; /* opaque */

enum { THREAD_NAME_KERNEL = 15 }; /* characters that ps, perf and gdb see */

/**
 * Wait until @thread's function has returned, and free it. Once a thread, not from
 * itself, and not with the BQL held, which it may want.
 */
void thread_join(struct thread *thread);

/**
 * Run @fn(@arg) in a new thread. thread_name() has the whole @name there, the
 * kernel its first 15 characters. NULL, with errno, when the system has no more.
 */
struct thread *thread_start(const char *name, void (*fn)(void *arg), void *arg)
    OWNED_BY(thread_join);

/** The same, with the signals of @unblocked delivered to it too (a kick, say). */
struct thread *thread_start_signals(const char *name, void (*fn)(void *arg), void *arg,
                                    const sigset_t *unblocked) OWNED_BY(thread_join);

/** The calling thread's name: as given; "main" in the first; the kernel's in a foreign one. */
const char *thread_name(void);

#endif

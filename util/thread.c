/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "util/bql.h"
#include "util/rcu.h"
#include "util/thread.h"

struct thread {
    pthread_t pthread;
    char *name;
    void (*fn)(void *arg);
    void *arg;
    sigset_t blocked;
};

static __thread const char *my_name;
static __thread char kernel_name[THREAD_NAME_KERNEL + 1];

/* What the processor raises in the thread itself, and abort(): blocked, they would kill unseen. */
static const int synchronous[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };

const char *thread_name(void)
{
    if (my_name)
        return my_name;
    if (gettid() == getpid())
        return "main";
    if (pthread_getname_np(pthread_self(), kernel_name, sizeof(kernel_name)) != 0)
        return "unnamed";
    return kernel_name;
}

static void set_kernel_name(const char *name)
{
    char shortened[THREAD_NAME_KERNEL + 1];

    g_strlcpy(shortened, name, sizeof(shortened));
    /* Fails only for longer names, and where /proc is missing: a name is not worth an end. */
    (void)pthread_setname_np(pthread_self(), shortened);
}

static void *thread_main(void *opaque)
{
    struct thread *thread = opaque;

    pthread_sigmask(SIG_SETMASK, &thread->blocked, NULL);
    my_name = thread->name;
    set_kernel_name(thread->name);
    rcu_register_thread();
    thread->fn(thread->arg);
    rcu_unregister_thread();
    return NULL;
}

struct thread *thread_start_signals(const char *name, void (*fn)(void *arg), void *arg,
                                    const sigset_t *unblocked)
{
    struct thread *thread = g_new0(struct thread, 1);
    sigset_t all, before;
    int error;

    thread->name = g_strdup(name);
    thread->fn = fn;
    thread->arg = arg;
    sigfillset(&all);
    for (size_t i = 0; i < ARRAY_SIZE(synchronous); i++)
        sigdelset(&all, synchronous[i]);
    thread->blocked = all;
    for (int i = 1; unblocked && i < NSIG; i++) {
        if (sigismember(unblocked, i) == 1)
            sigdelset(&thread->blocked, i);
    }
    /* A new thread starts with its creator's mask, so no signal gets in before it has its own. None
     * is unblocked here: what waits for the creator must not be delivered to it now. */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    error = pthread_create(&thread->pthread, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        g_free(thread->name);
        g_free(thread);
        errno = error;
        return NULL;
    }
    return thread;
}

struct thread *thread_start(const char *name, void (*fn)(void *arg), void *arg)
{
    return thread_start_signals(name, fn, arg, NULL);
}

void thread_join(struct thread *thread)
{
    int error;

    if (!thread)
        return;
#ifdef DEBUG_CHECKS
    if (bql_is_mine())
        lock_die(NULL, "joins thread '%s' with the BQL held, which that may wait for",
                 thread->name);
#endif
    rcu_keep_promise(); /* the thread may be waiting for callbacks of ours */
    error = pthread_join(thread->pthread, NULL);
    if (error) /* joins itself, or was joined elsewhere: its memory may not be freed */
        lock_die(NULL, "cannot join thread '%s': %s", thread->name, strerror(error));
    g_free(thread->name);
    g_free(thread);
}

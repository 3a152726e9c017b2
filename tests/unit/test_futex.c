/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "tests/tap.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/futex.h"

#ifndef _WIN32
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/alarms.h"
#endif
#ifdef __linux__
#include <sys/prctl.h>
#endif
#if defined(__linux__) && defined(__i386__) && !defined(FUTEX_PTHREAD)
#define HAS_TWO_FUTEX_CALLS 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>
#endif

static const int64_t far_deadlines[] = {
    DEADLINE_NEVER,
    INT64_MAX - 1,
    INT64_C(0x100000000) * NS_PER_S, /* its seconds, cut to 32 bits, are 0 … */
    INT64_C(0x80000000) * NS_PER_S,  /* … or negative */
    INT64_C(0x7fffffff) * NS_PER_S,
};

/* Until the word is no longer 0, counting the returns. */
struct sleeper {
    pthread_t thread;
    const uint32_t *word;
    int64_t deadline_ns;
    unsigned returns;   /* atomic */
    unsigned times_out; /* atomic */
};

static void *sleep_on_zero(void *opaque)
{
    struct sleeper *sleeper = opaque;

    while (load_acquire(sleeper->word) == 0) { /* pairs with the release in wake_and_join() */
        if (futex_timedwait(sleeper->word, 0, sleeper->deadline_ns) == TIMED_OUT)
            fetch_add_relaxed(&sleeper->times_out, 1);
        fetch_add_relaxed(&sleeper->returns, 1);
    }
    return NULL;
}

static void start(struct sleeper *sleeper, const uint32_t *word, int64_t deadline_ns)
{
    *sleeper = (struct sleeper){ .word = word, .deadline_ns = deadline_ns };
    if (pthread_create(&sleeper->thread, NULL, sleep_on_zero, sleeper) != 0)
        bail_out("no thread");
}

/* It is seen to sleep: nothing but a wake lets it return, since the word stays 0. */
static void wake_for_no_reason(struct sleeper *sleeper)
{
    while (load_relaxed(&sleeper->returns) == 0) {
        futex_wake(sleeper->word, INT_MAX);
        sched_yield();
    }
}

static void changed_word_returns_woken(void)
{
    const uint32_t word = 1;

    is(futex_timedwait(&word, 0, DEADLINE_NEVER), WOKEN);
    is(futex_timedwait(&word, UINT32_MAX, INT64_MAX - 1), WOKEN);
    is(futex_timedwait(&word, 0, monotonic_ns() + NS_PER_S), WOKEN);
    is(futex_timedwait(&word, 0, 1), WOKEN);
    is(futex_timedwait(&word, 0, 0), WOKEN);
    is(futex_timedwait(&word, 0, -1), WOKEN);
    is(futex_timedwait(&word, 0, INT64_MIN), WOKEN);
}

static void past_deadline_times_out(void)
{
    const uint32_t word = UINT32_MAX;

    is(futex_timedwait(&word, UINT32_MAX, INT64_MIN), TIMED_OUT);
    is(futex_timedwait(&word, UINT32_MAX, -NS_PER_S), TIMED_OUT);
    is(futex_timedwait(&word, UINT32_MAX, -1), TIMED_OUT);
    is(futex_timedwait(&word, UINT32_MAX, 0), TIMED_OUT);
    is(futex_timedwait(&word, UINT32_MAX, 1), TIMED_OUT);
    is(futex_timedwait(&word, UINT32_MAX, monotonic_ns() - 1), TIMED_OUT);
    is(futex_timedwait(&word, UINT32_MAX, monotonic_ns()), TIMED_OUT);
}

/* Says how often a wait returned before its end; each may, in name WOKEN. */
static unsigned wait_until(int64_t deadline_ns)
{
    const uint32_t word = 0;
    unsigned early = 0;

    while (futex_timedwait(&word, 0, deadline_ns) == WOKEN)
        early++;
    ok(monotonic_ns() >= deadline_ns);
    return early;
}

static void time_out_is_never_early(void)
{
    static const int64_t delays_ns[] = {
        1, 999, 50 * NS_PER_US, NS_PER_MS - 1, NS_PER_MS, NS_PER_MS + 1, 7 * NS_PER_MS,
    };

    for (size_t i = 0; i < ARRAY_SIZE(delays_ns); i++) {
        for (int round = 0; round < 5; round++)
            wait_until(monotonic_ns() + delays_ns[i]);
    }
}

static void far_deadline_sleeps_until_woken(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(far_deadlines); i++) {
        struct sleeper sleeper;
        uint32_t word = 0;

        start(&sleeper, &word, far_deadlines[i]);
        wake_for_no_reason(&sleeper);
        store_release(&word, 1); /* pairs with the acquire in sleep_on_zero() */
        futex_wake(&word, INT_MAX);
        pthread_join(sleeper.thread, NULL);
        is(sleeper.times_out, 0);
    }
}

/* Eight sleepers, by @nr_calls wakes of @nr_each. */
static void wake_eight(int nr_calls, int nr_each)
{
    struct sleeper sleepers[8];
    uint32_t word = 0;

    for (size_t i = 0; i < ARRAY_SIZE(sleepers); i++)
        start(&sleepers[i], &word, DEADLINE_NEVER);
    for (size_t i = 0; i < ARRAY_SIZE(sleepers); i++)
        wake_for_no_reason(&sleepers[i]);
    store_release(&word, 1);
    for (int i = 0; i < nr_calls; i++)
        futex_wake(&word, nr_each);
    for (size_t i = 0; i < ARRAY_SIZE(sleepers); i++) {
        pthread_join(sleepers[i].thread, NULL);
        is(sleepers[i].times_out, 0);
    }
}

static void wakes_of_fewer_add_up(void)
{
    wake_eight(8, 1);
    wake_eight(4, 2);
    wake_eight(1, 8);
}

/* More words than the portable back end has buckets, so some share one. */
static void sleepers_on_many_words_are_told_apart(void)
{
    struct sleeper sleepers[72];
    uint32_t words[ARRAY_SIZE(sleepers)] = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE(sleepers); i++)
        start(&sleepers[i], &words[i], DEADLINE_NEVER);
    for (size_t i = ARRAY_SIZE(sleepers); i-- > 0;) {
        wake_for_no_reason(&sleepers[i]);
        store_release(&words[i], 1);
        futex_wake(&words[i], 1);
        pthread_join(sleepers[i].thread, NULL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sleepers); i++)
        is(sleepers[i].times_out, 0);
}

static void wake_without_sleepers_changes_nothing(void)
{
    const uint32_t word = 5;

    errno = EDOM;
    futex_wake(&word, 1);
    futex_wake(&word, INT_MAX);
    is(errno, EDOM);
    is(word, 5);
    is(futex_timedwait(&word, 5, monotonic_ns() + NS_PER_US), TIMED_OUT); /* wakes are not kept */
}

#ifndef _WIN32
/* The waker of an object that the woken thread frees comes too late; see event.h. */
static void wake_of_freed_memory_is_harmless(void)
{
    uint32_t *word = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (!ok(word != MAP_FAILED) || !ok(munmap(word, 4096) == 0))
        return;
    errno = EDOM;
    futex_wake(word, INT_MAX);
    futex_wake((const uint32_t *)(UINTPTR_MAX - 3), INT_MAX); /* the kernel's: it says EFAULT */
    is(errno, EDOM);
}

#ifdef __linux__
static long nr_sleeps(void)
{
    struct rusage usage;

    ok(getrusage(RUSAGE_THREAD, &usage) == 0);
    return usage.ru_nvcsw;
}

/* A wait may pass without sleep where this thread is preempted until the deadline; not each one. */
static void waiting_is_sleeping_not_spinning(void)
{
    const long before = nr_sleeps();

    for (int i = 0; i < 20; i++)
        wait_until(monotonic_ns() + NS_PER_MS);
    ok(nr_sleeps() > before);
}
#endif

static unsigned nr_alarms; /* atomic */

static void count_alarm(int number UNUSED)
{
    fetch_add_relaxed(&nr_alarms, 1);
}

static void signals_neither_end_nor_shorten_a_wait(void)
{
    store_relaxed(&nr_alarms, 0);
    start_alarms(count_alarm);
    is(wait_until(monotonic_ns() + 20 * NS_PER_MS), 0);
    stop_alarms();
    ok(load_relaxed(&nr_alarms) > 0);
}

static int exit_status_of(pid_t child)
{
    int status = -1;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

static void *wake_without_end(void *opaque)
{
    const uint32_t *word = opaque;

    while (load_relaxed(word) == 0)
        futex_wake(word, INT_MAX);
    return NULL;
}

/* Says whether a child of fork(), which has one thread, can use the word. */
static bool child_can_wait_and_wake(const uint32_t *word)
{
    fflush(stdout);

    const pid_t child = fork();

    if (child == 0) {
        const int64_t deadline_ns = monotonic_ns() + NS_PER_US;

#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a child that hangs goes with the killed test */
#endif
        while (futex_timedwait(word, 0, deadline_ns) == WOKEN)
            continue;
        futex_wake(word, INT_MAX);
        _exit(0);
    }
    return child > 0 && exit_status_of(child) == 0;
}

/* The parent's threads sleep on the word, and are in the midst of waking it, at each fork. */
static void child_of_fork_can_wait_and_wake(void)
{
    struct sleeper sleeper;
    uint32_t word = 0;
    pthread_t waker;

    start(&sleeper, &word, DEADLINE_NEVER);
    if (pthread_create(&waker, NULL, wake_without_end, &word) != 0)
        bail_out("no thread");
    for (int i = 0; i < 20; i++)
        ok(child_can_wait_and_wake(&word));
    store_release(&word, 1);
    futex_wake(&word, INT_MAX);
    pthread_join(waker, NULL);
    pthread_join(sleeper.thread, NULL);
}
#endif

#ifdef HAS_TWO_FUTEX_CALLS
/* What a kernel before 5.1 says. Other calls pass. */
static bool forbid_futex_time64(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_time64, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { ARRAY_SIZE(code), code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           syscall(SYS_futex_time64, NULL, 0, 0, NULL, NULL, 0) < 0 && errno == ENOSYS;
}
#endif

/* Last, in a process of its own: the filter cannot be taken off. */
static void old_kernel_without_64_bit_time(void)
{
#ifdef HAS_TWO_FUTEX_CALLS
    fflush(stdout);

    const pid_t child = fork();

    if (child == 0) {
        if (!forbid_futex_time64())
            bail_out("no seccomp filter");
        changed_word_returns_woken();
        past_deadline_times_out();
        time_out_is_never_early();
        far_deadline_sleeps_until_woken();
        signals_neither_end_nor_shorten_a_wait();
        fflush(stdout);
        _exit(load_relaxed(&tap_state.failed_checks) ? 1 : 0);
    }
    ok(child > 0);
    is(exit_status_of(child), 0);
#else
    skip("only 32-bit Linux has a second futex call");
#endif
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(changed_word_returns_woken),
        TAP_TEST(past_deadline_times_out),
        TAP_TEST(time_out_is_never_early),
        TAP_TEST(far_deadline_sleeps_until_woken),
        TAP_TEST(wakes_of_fewer_add_up),
        TAP_TEST(sleepers_on_many_words_are_told_apart),
        TAP_TEST(wake_without_sleepers_changes_nothing),
#ifndef _WIN32
        TAP_TEST(wake_of_freed_memory_is_harmless),
#ifdef __linux__
        TAP_TEST(waiting_is_sleeping_not_spinning),
#endif
        TAP_TEST(signals_neither_end_nor_shorten_a_wait),
        TAP_TEST(child_of_fork_can_wait_and_wake),
#endif
        TAP_TEST(old_kernel_without_64_bit_time),
    };

    return TAP_RUN(tests, argc, argv);
}

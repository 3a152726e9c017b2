/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole state is one word, so that a reader cannot see half of it: the time
 * shown while stopped, or what to add to the host's while running, shifted left
 * by two; below it, the state.
 *
 * A writer first makes the word CHANGING, then reads the host's clock; a reader
 * looks at the word before and after it reads the host's clock, and tries again
 * unless it is the same. So no reader's time is later than the one at which
 * the clock was stopped.
 */
#include <assert.h>
#include <sched.h>

#include "util/atomic.h"
#include "util/clock.h"
#include "util/futex.h"
#include "util/guest_clock.h"

enum state {
    STOPPED = 0,
    RUNNING = 1,
    CHANGING = 2,
    STATE_BITS = 2,
    STATE_MASK = (1 << STATE_BITS) - 1,
};

/* The host's time is read before what follows is loaded. A counter's read is no memory access. */
static void after_clock_read(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_lfence();
#else
    smp_mb();
#endif
}

static int64_t pack(int64_t value_ns, enum state state)
{
    assert(value_ns <= INT64_MAX >> STATE_BITS && value_ns >= INT64_MIN >> STATE_BITS);
    return value_ns * (1 << STATE_BITS) | state;
}

static int64_t value_of(int64_t word)
{
    return word >> STATE_BITS; /* arithmetic, as gcc and clang promise */
}

/* The word and the host's time, as they were together. */
static int64_t read_both(const struct guest_clock *clock, int64_t *ret_host_ns)
{
    for (unsigned tries = 1;; tries++) {
        int64_t word = load_acquire(&clock->word); /* pairs with the release in change() */

        *ret_host_ns = monotonic_ns();
        after_clock_read();
        if (!(word & CHANGING) && load_acquire(&clock->word) == word)
            return word;
        if (tries % 64 == 0)
            sched_yield(); /* the writer has lost its core */
        else
            cpu_relax();
    }
}

static int64_t shown(int64_t word, int64_t host_ns)
{
    return value_of(word) + (word & RUNNING ? host_ns : 0);
}

int64_t guest_clock_now(const struct guest_clock *clock)
{
    int64_t host_ns;
    int64_t word = read_both(clock, &host_ns);

    return shown(word, host_ns);
}

bool guest_clock_is_running(const struct guest_clock *clock)
{
    int64_t host_ns;

    return read_both(clock, &host_ns) & RUNNING;
}

int64_t guest_clock_deadline(const struct guest_clock *clock, int64_t guest_ns)
{
    int64_t host_ns;
    int64_t word = read_both(clock, &host_ns);

    return word & RUNNING ? deadline_after_ns(guest_ns, -value_of(word)) : DEADLINE_NEVER;
}

/* Into @state, showing @set_ns or, without it, what is shown now. */
static void change(struct guest_clock *clock, enum state state, const int64_t *set_ns)
{
    int64_t before = load_relaxed(&clock->word);
    int64_t host_ns, value_ns;

    store_relaxed(&clock->word, pack(0, CHANGING));
    smp_mb(); /* seen before the clock is read: pairs with after_clock_read() */
    host_ns = monotonic_ns();
    value_ns = set_ns ? *set_ns : shown(before, host_ns);
    if (state == RUNNING)
        value_ns -= host_ns;
    store_release(&clock->word, pack(value_ns, state)); /* pairs with read_both() */
}

void guest_clock_start(struct guest_clock *clock)
{
    if (!guest_clock_is_running(clock))
        change(clock, RUNNING, NULL);
}

void guest_clock_stop(struct guest_clock *clock)
{
    if (guest_clock_is_running(clock))
        change(clock, STOPPED, NULL);
}

void guest_clock_set(struct guest_clock *clock, int64_t guest_ns)
{
    change(clock, guest_clock_is_running(clock) ? RUNNING : STOPPED, &guest_ns);
}

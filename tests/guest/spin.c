/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * More processors than the host has: whoever spins for another that does not run must let it. A
 * ticket lock is the hardest case, since only one of those that wait can go on; then a queue that
 * goes round, where it is always the next that is waited for.
 */
#include "payload.h"

enum { ROUNDS = 2000, LAPS = 500 };

static struct {
    volatile u32 next __attribute__((aligned(64)));
    volatile u32 owner __attribute__((aligned(64)));
    u64 sum __attribute__((aligned(64))); /* by whoever has the lock */
} lock;
static volatile u32 turn __attribute__((aligned(64)));
static u64 rounds[NR_CPUS_MAX];

static void take(void)
{
    const u32 ticket = __atomic_fetch_add(&lock.next, 1, __ATOMIC_ACQUIRE);

    while (__atomic_load_n(&lock.owner, __ATOMIC_ACQUIRE) != ticket)
        relax();
}

static void give(void)
{
    __atomic_store_n(&lock.owner, lock.owner + 1, __ATOMIC_RELEASE);
}

static void hammer(void *arg)
{
    const u64 index = (u64)arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        take();
        lock.sum += index + 1;
        give();
        rounds[index]++;
    }
}

static void go_round(void *arg)
{
    const u32 index = (u32)(u64)arg;

    for (u32 lap = 0; lap < LAPS; lap++) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != lap * nr_cpus + index)
            relax();
        __atomic_store_n(&turn, lap * nr_cpus + index + 1, __ATOMIC_RELEASE);
    }
}

static void on_all(void (*fn)(void *arg))
{
    for (unsigned i = 1; i < nr_cpus; i++)
        start_on(i, fn, (void *)(u64)i);
    fn((void *)0);
    for (unsigned i = 1; i < nr_cpus; i++)
        wait_for(i);
}

void payload_main(void)
{
    on_all(hammer);
    is(lock.sum, (u64)ROUNDS * nr_cpus * (nr_cpus + 1) / 2, "ticket lock: nobody in between");
    for (unsigned i = 0; i < nr_cpus; i++)
        is(rounds[i], ROUNDS, "all rounds of one");
    on_all(go_round);
    is(turn, LAPS * nr_cpus, "round and round, in order");
}

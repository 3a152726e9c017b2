/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory model, on two processors: what may not be seen is counted, and must be 0; what may be
 * seen is told (Intel SDM vol. 3, 8.2.3). Then atomic operations, also across lines and pages.
 */
#include "payload.h"

enum { ROUNDS = 20000, BATCH = 32 };

static u32 r0[ROUNDS], r1[ROUNDS];
static volatile u32 meeting[2];
static u32 rounds = ROUNDS;

/* A cache line each. */
#define X(i) (((volatile u64 *)TEST_MEMORY)[(i)*8])
#define Y(i) (((volatile u64 *)(TEST_MEMORY + 0x200000))[(i)*8])

/* Both begin a batch at the same time. */
static void meet(unsigned who, u32 i)
{
    if (i % BATCH != 0)
        return;
    meeting[who] = i / BATCH + 1;
    while (meeting[!who] < i / BATCH + 1)
        relax();
}

#define SIDE(name, who, code)                                                                      \
    static void name(void *arg)                                                                    \
    {                                                                                              \
        (void)arg;                                                                                 \
        for (u32 i = 0; i < rounds; i++) {                                                         \
            meet(who, i);                                                                          \
            code;                                                                                  \
        }                                                                                          \
    }

#define STORE(at, value) __asm__ volatile("movq %1, %0" : "=m"(at) : "i"(value))
#define LOAD(into, at)                                                                             \
    do {                                                                                           \
        u64 loaded_;                                                                               \
        __asm__ volatile("movq %1, %0" : "=r"(loaded_) : "m"(at));                                 \
        (into)[i] = (u32)loaded_;                                                                  \
    } while (0)
#define MFENCE() __asm__ volatile("mfence" : : : "memory")
#define LOCKED() __asm__ volatile("lock orl $0, (%%rsp)" : : : "memory")

SIDE(sb_0, 0, STORE(X(i), 1); LOAD(r0, Y(i)))
SIDE(sb_1, 1, STORE(Y(i), 1); LOAD(r1, X(i)))
SIDE(sbf_0, 0, STORE(X(i), 1); MFENCE(); LOAD(r0, Y(i)))
SIDE(sbf_1, 1, STORE(Y(i), 1); MFENCE(); LOAD(r1, X(i)))
SIDE(sbl_0, 0, STORE(X(i), 1); LOCKED(); LOAD(r0, Y(i)))
SIDE(sbl_1, 1, STORE(Y(i), 1); LOCKED(); LOAD(r1, X(i)))
SIDE(mp_0, 0, STORE(X(i), 1); STORE(Y(i), 1))
SIDE(mp_1, 1, LOAD(r0, Y(i)); LOAD(r1, X(i)))
SIDE(lb_0, 0, LOAD(r0, X(i)); STORE(Y(i), 1))
SIDE(lb_1, 1, LOAD(r1, Y(i)); STORE(X(i), 1))
SIDE(ww_0, 0, STORE(X(i), 1); STORE(Y(i), 2))
SIDE(ww_1, 1, STORE(Y(i), 1); STORE(X(i), 2))
SIDE(rr_0, 0, STORE(X(i), 1); STORE(X(i), 2))
SIDE(rr_1, 1, LOAD(r0, X(i)); LOAD(r1, X(i)))

static void run(void (*first)(void *arg), void (*second)(void *arg))
{
    for (u32 i = 0; i < ROUNDS; i++) {
        X(i) = Y(i) = 0;
        r0[i] = r1[i] = 0;
    }
    meeting[0] = meeting[1] = 0;
    BARRIER();
    start_on(1, second, NULL);
    first(NULL);
    wait_for(1);
}

static u32 count(bool (*is_such)(u32 i))
{
    u32 n = 0;

    for (u32 i = 0; i < rounds; i++)
        n += is_such(i);
    return n;
}

static bool both_zero(u32 i)
{
    return r0[i] == 0 && r1[i] == 0;
}

static bool both_one(u32 i)
{
    return r0[i] == 1 && r1[i] == 1;
}

static bool first_only(u32 i)
{
    return r0[i] == 1 && r1[i] == 0;
}

static bool both_early(u32 i)
{
    return X(i) == 1 && Y(i) == 1;
}

static bool backwards(u32 i)
{
    return r0[i] > r1[i];
}

static void orders(void)
{
    run(sb_0, sb_1);
    say("# SB: %u of %u times both loads were early, as they may\n", count(both_zero), rounds);
    check(true, "SB ran");
    run(sbf_0, sbf_1);
    is(count(both_zero), 0, "SB with MFENCE");
    run(sbl_0, sbl_1);
    is(count(both_zero), 0, "SB with a locked operation");
    run(mp_0, mp_1);
    is(count(first_only), 0, "MP");
    run(lb_0, lb_1);
    is(count(both_one), 0, "LB");
    run(ww_0, ww_1);
    is(count(both_early), 0, "2+2W");
    run(rr_0, rr_1);
    is(count(backwards), 0, "CoRR");
}

/* ---- Atomic operations ---------------------------------------------------------------------- */

static struct {
    u8 bytes[8192] __attribute__((aligned(4096)));
} area;
static u64 *counter;

static void add(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < rounds; i++)
        __asm__ volatile("lock addq $1, (%0)" : : "r"(counter) : "memory");
}

static void xadd(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < rounds; i++) {
        u64 one = 1;

        __asm__ volatile("lock xaddq %0, (%1)" : "+r"(one) : "r"(counter) : "memory");
    }
}

static void cmpxchg(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < rounds; i++) {
        u64 old = *(volatile u64 *)counter;
        bool is_done;

        do
            __asm__ volatile("lock cmpxchgq %3, (%2); setz %1"
                             : "+a"(old), "=q"(is_done)
                             : "r"(counter), "r"(old + 1)
                             : "memory");
        while (!is_done);
    }
}

/* Both halves always say the same. */
static void cmpxchg16b(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < rounds; i++) {
        u64 low = 0, high = 0;
        bool is_done;

        do
            __asm__ volatile("lock cmpxchg16b (%3); setz %2"
                             : "+a"(low), "+d"(high), "=q"(is_done)
                             : "r"(counter), "b"(low + 1), "c"(high + 1)
                             : "memory");
        while (!is_done);
    }
}

static void bit_lock(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < rounds; i++) {
        bool was_set = true;

        while (was_set) {
            __asm__ volatile("lock btsq $3, (%1); setc %0"
                             : "=q"(was_set)
                             : "r"(counter)
                             : "memory");
            if (was_set)
                relax();
        }
        counter[2]++;
        BARRIER();
        __asm__ volatile("lock btrq $3, (%0)" : : "r"(counter) : "memory");
    }
}

static void xchg_lock(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < rounds; i++) {
        for (;;) {
            u64 taken = 1;

            __asm__ volatile("xchgq %0, (%1)" : "+r"(taken) : "r"(counter) : "memory");
            if (!taken)
                break;
            relax();
        }
        counter[2]++;
        BARRIER();
        *(volatile u64 *)counter = 0;
    }
}

static void both(void (*fn)(void *arg), unsigned offset)
{
    counter = (u64 *)(area.bytes + offset);
    memset(area.bytes, 0, sizeof(area.bytes));
    BARRIER();
    start_on(1, fn, NULL);
    fn(NULL);
    wait_for(1);
}

static void atomics(void)
{
    both(add, 0);
    is(*counter, 2 * rounds, "LOCK ADD");
    both(xadd, 8);
    is(*counter, 2 * rounds, "LOCK XADD");
    both(cmpxchg, 16);
    is(*counter, 2 * rounds, "LOCK CMPXCHG");
    both(bit_lock, 0);
    is(counter[2], 2 * rounds, "a lock of LOCK BTS");
    both(xchg_lock, 0);
    is(counter[2], 2 * rounds, "a lock of XCHG");
    if (cpuid(1, 0).ecx >> 13 & 1) {
        both(cmpxchg16b, 32);
        check(counter[0] == 2 * rounds && counter[1] == 2 * rounds, "LOCK CMPXCHG16B");
    } else {
        skip("LOCK CMPXCHG16B", "not there");
    }
    rounds /= 10;
    both(add, 61);
    is(*counter, 2 * rounds, "LOCK ADD across cache lines");
    rounds /= 2;
    both(add, 4093);
    is(*counter, 2 * rounds, "LOCK ADD across pages");
    both(cmpxchg, 4090);
    is(*counter, 2 * rounds, "LOCK CMPXCHG across pages");
}

static u64 tsc(void)
{
    u32 low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return low | (u64)high << 32;
}

/* Some KVMs take microseconds for an instruction. */
static bool is_slow(void)
{
    const u64 start = tsc();

    for (volatile u32 i = 0; i < 10000; i++)
        ;
    return tsc() - start > 50000000; /* 20 ms */
}

void payload_main(void)
{
    if (nr_cpus < 2) {
        skip("memory model", "there is only one processor");
        return;
    }
    if (is_slow())
        rounds /= 50;
    orders();
    atomics();
}

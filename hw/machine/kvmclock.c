/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine/kvmclock.h"

#include <string.h>
#include <time.h>

#include "hw/cpu/cpuid.h"
#include "hw/mem/access.h"
#include "util/clock.h"
#include "util/guest_clock.h"
#include "util/log.h"

#define MSR_WALL_CLOCK 0x4b564d00u
#define MSR_SYSTEM_TIME 0x4b564d01u

enum { SYSTEM_TIME_ENABLED = 1 << 0, ALIGNMENT = 4 };

/* What is in guest memory; an odd version means that it is being written. */
struct system_time {
    uint32_t version;
    uint32_t padding;
    uint64_t tsc;         /* when it was … */
    uint64_t nanoseconds; /* … so late */
    uint32_t multiplier;  /* of 2^-32 nanoseconds for each of 2^-shift ticks since */
    int8_t shift;
    uint8_t flags;
    uint8_t padding_behind[2];
};
_Static_assert(sizeof(struct system_time) == 32, "as guests have it");

struct wall_time {
    uint32_t version;
    uint32_t seconds, nanoseconds; /* since 1970, when the system time was 0 */
};
_Static_assert(sizeof(struct wall_time) == 12, "as guests have it");

enum { FLAG_TSC_STABLE = 1 << 0 }; /* one clock for all processors */

_Static_assert(CPU_TSC_HZ * 2 == NS_PER_S * 5, "five ticks are two nanoseconds");

/* Of half as many ticks, each is 0.8 nanoseconds: a fraction of 32 bits. */
enum { SHIFT = -1 };
#define MULTIPLIER ((uint32_t)((NS_PER_S << 32) / (int64_t)(CPU_TSC_HZ / 2)))

struct kvmclock {
    struct space *memory;
    const struct guest_clock *clock;
    uint64_t wall_clock; /* atomic: any processor writes it */
    unsigned nr_cpus;
    uint64_t system_time[]; /* each its processor's */
};

static void put(struct kvmclock *kvmclock, gpa_t at, const void *data, size_t size)
{
    if (mem_write(kvmclock->memory, at, data, size) != MEM_OK)
        log_guest_error("kvmclock: no memory at 0x%" G_GINT64_MODIFIER "x", at);
}

static void put_wall_time(struct kvmclock *kvmclock, gpa_t at)
{
    const int64_t guest_ns = guest_clock_now(kvmclock->clock);
    struct timespec now;
    int64_t start_ns;
    struct wall_time wall;

    clock_gettime(CLOCK_REALTIME, &now);
    start_ns = now.tv_sec * NS_PER_S + now.tv_nsec - guest_ns;
    wall = (struct wall_time){ .version = 2,
                               .seconds = (uint32_t)(start_ns / NS_PER_S),
                               .nanoseconds = (uint32_t)(start_ns % NS_PER_S) };
    put(kvmclock, at, &wall, sizeof(wall));
}

/* Written once: it stays right, as counter and clock are one. */
static void put_system_time(struct kvmclock *kvmclock, gpa_t at)
{
    const struct system_time time = {
        .version = 2,
        .multiplier = MULTIPLIER,
        .shift = SHIFT,
        .flags = FLAG_TSC_STABLE,
    };

    put(kvmclock, at, &time, sizeof(time));
}

bool kvmclock_read_msr(struct kvmclock *kvmclock, unsigned index, uint32_t msr, uint64_t *ret_value)
{
    if (msr == MSR_SYSTEM_TIME)
        *ret_value = kvmclock->system_time[index];
    else if (msr == MSR_WALL_CLOCK)
        *ret_value = load_relaxed(&kvmclock->wall_clock);
    else
        return false;
    return true;
}

bool kvmclock_write_msr(struct kvmclock *kvmclock, unsigned index, uint32_t msr, uint64_t value)
{
    const gpa_t at = msr == MSR_SYSTEM_TIME ? value & ~(uint64_t)SYSTEM_TIME_ENABLED : value;

    if ((msr != MSR_SYSTEM_TIME && msr != MSR_WALL_CLOCK) || at % ALIGNMENT != 0)
        return false;
    if (msr == MSR_WALL_CLOCK) {
        store_relaxed(&kvmclock->wall_clock, value);
        put_wall_time(kvmclock, at);
        return true;
    }
    kvmclock->system_time[index] = value;
    if (value & SYSTEM_TIME_ENABLED)
        put_system_time(kvmclock, at);
    return true;
}

void kvmclock_reset(struct kvmclock *kvmclock)
{
    store_relaxed(&kvmclock->wall_clock, 0);
    memset(kvmclock->system_time, 0, kvmclock->nr_cpus * sizeof(kvmclock->system_time[0]));
}

struct kvmclock *kvmclock_new(struct space *memory, const struct guest_clock *clock,
                              unsigned nr_cpus)
{
    struct kvmclock *kvmclock;

    kvmclock = g_malloc0(sizeof(*kvmclock) + nr_cpus * sizeof(kvmclock->system_time[0]));
    kvmclock->memory = memory;
    kvmclock->clock = clock;
    kvmclock->nr_cpus = nr_cpus;
    return kvmclock;
}

void kvmclock_free(struct kvmclock *kvmclock)
{
    g_free(kvmclock);
}

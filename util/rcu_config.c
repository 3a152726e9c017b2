/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "util/rcu_flood.h"
#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/rcu_registry.h"

/* What may be multiplied by a thousand and still is a time: 106 days. */
#define LONGEST_NS (INT64_MAX / 1000)

struct rcu_config rcu_config;
struct rcu_counters rcu_counters;

struct hist rcu_hist_normal;
struct hist rcu_hist_forced;
struct hist rcu_hist_kick;
struct hist rcu_hist_callback;

static const struct rcu_host no_host;
const struct rcu_host *rcu_host = &no_host;

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;
bool rcu_is_settled; /* atomic; written under init_lock */

struct rcu_config rcu_config_default(void)
{
    return (struct rcu_config){
        .readers = RCU_READERS_AUTO,
        .force_age_ns = 50 * NS_PER_MS,
        .stall_ns = 1 * NS_PER_S,
        .rekick_ns = 200 * NS_PER_US,
        .poll_ns = 1 * NS_PER_MS,
        .force_callbacks = 4096,
        .force_bytes = 64u << 20,
        .throttle_callbacks = 16384,
        .throttle_bytes = 256u << 20,
        .first_number = 0,
    };
}

static int membarrier(int command)
{
    return (int)syscall(__NR_membarrier, command, 0, 0);
}

int rcu_membarrier_register(void)
{
    return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 ? 0 : -errno;
}

static bool is_valid(const struct rcu_config *config)
{
    return config->force_age_ns >= 0 && config->stall_ns >= NS_PER_US &&
           config->rekick_ns >= NS_PER_US && config->rekick_ns <= LONGEST_NS &&
           config->poll_ns >= NS_PER_US && config->poll_ns <= LONGEST_NS;
}

static int settle_locked(const struct rcu_config *config)
{
    struct rcu_config chosen = *config;

    if (!is_valid(config))
        return -EINVAL;
    if (chosen.readers != RCU_READERS_FENCES) {
        bool has_membarrier = rcu_membarrier_register() == 0;

        if (!has_membarrier && chosen.readers == RCU_READERS_MEMBARRIER)
            return -ENOSYS;
        chosen.readers = has_membarrier ? RCU_READERS_MEMBARRIER : RCU_READERS_FENCES;
    }
    rcu_config = chosen;
    rcu_grace_set_first(chosen.first_number, chosen.readers == RCU_READERS_FENCES);
    if (pthread_atfork(rcu_fork_prepare, rcu_fork_parent, rcu_fork_child) != 0) {
        rcu_report("rcu: out of memory at start");
        abort();
    }
    store_release(&rcu_is_settled, true); /* pairs with the acquire in rcu_init() */
    return 0;
}

int rcu_configure(const struct rcu_config *config)
{
    int ret = -EBUSY;

    pthread_mutex_lock(&init_lock);
    if (!rcu_is_settled)
        ret = settle_locked(config);
    pthread_mutex_unlock(&init_lock);
    return ret;
}

void rcu_settle(void)
{
    pthread_mutex_lock(&init_lock);
    if (!rcu_is_settled) {
        struct rcu_config config = rcu_config_default();

        (void)settle_locked(&config); /* the defaults cannot fail */
    }
    pthread_mutex_unlock(&init_lock);
}

void rcu_config_fork_prepare(void)
{
    pthread_mutex_lock(&init_lock);
}

void rcu_config_fork_done(void)
{
    pthread_mutex_unlock(&init_lock);
}

enum rcu_readers rcu_reader_mode(void)
{
    rcu_init();
    return rcu_config.readers;
}

/* All of the BQL's functions or none; likewise the main loop's, and those only with the BQL's. */
static bool is_whole(const struct rcu_host *host)
{
    bool has_bql = host->bql_is_mine && host->bql_lock && host->bql_unlock;
    bool has_loop = host->is_main_loop && host->bql_callbacks_ready;

    return (has_bql || (!host->bql_is_mine && !host->bql_lock && !host->bql_unlock)) &&
           (has_loop ? has_bql : !host->is_main_loop && !host->bql_callbacks_ready);
}

void rcu_set_host(const struct rcu_host *host)
{
    if (host && !is_whole(host)) {
        rcu_report("rcu: a host with some of the BQL's functions, or of the main loop's");
        abort();
    }
    store_release(&rcu_host, host ? host : &no_host); /* pairs with the users' acquire */
}

void rcu_barrier_everywhere(void)
{
    static bool has_failed; /* atomic: said once */

    rcu_count(&rcu_counters.barriers);
    if (rcu_config.readers == RCU_READERS_FENCES) {
        smp_mb(); /* pairs with the barriers in rcu_enter_slow() and rcu_exit_slow() */
        return;
    }
    /* Pairs with the compiler barriers of rcu_read_lock() and rcu_read_unlock(). */
    if (likely(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0))
        return;
    /* The kernel had no memory for a mask of processors: the slow form needs none. */
    if (!atomic_xchg(&has_failed, true))
        rcu_report("rcu: membarrier failed: %s; using the slow one", strerror(errno));
    if (membarrier(MEMBARRIER_CMD_GLOBAL) != 0) {
        rcu_report("rcu: no membarrier is to be had any more: %s", strerror(errno));
        abort(); /* going on would free what readers use */
    }
}

void rcu_get_stats(struct rcu_stats *ret_stats)
{
    *ret_stats = (struct rcu_stats){
        .forces = load_relaxed(&rcu_counters.forces),
        .kicks = load_relaxed(&rcu_counters.kicks),
        .rekicks = load_relaxed(&rcu_counters.rekicks),
        .barriers = load_relaxed(&rcu_counters.barriers),
        .sleeps = load_relaxed(&rcu_counters.sleeps),
        .reports = load_relaxed(&rcu_counters.reports),
        .stalls = load_relaxed(&rcu_counters.stalls),
        .misuses = load_relaxed(&rcu_counters.misuses),
        .throttles = load_relaxed(&rcu_counters.throttles),
        .readers = rcu_registry_count(),
    };
    rcu_grace_get_stats(ret_stats);
    rcu_flood_get_stats(ret_stats);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TO BE DROPPED BY THE MERGE with the RCU core: see srcu_seam.h. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "util/atomic.h"
#include "util/srcu_seam.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum rcu_readers mode = RCU_READERS_AUTO;

static void settle(void)
{
    bool has = syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;

    if (mode != RCU_READERS_FENCES)
        mode = has ? RCU_READERS_MEMBARRIER : RCU_READERS_FENCES;
}

int rcu_configure(const struct rcu_config *config)
{
    mode = config->readers;
    return 0;
}

struct rcu_config rcu_config_default(void)
{
    return (struct rcu_config){ .readers = RCU_READERS_AUTO };
}

void rcu_init(void)
{
    pthread_once(&once, settle);
}

enum rcu_readers rcu_reader_mode(void)
{
    rcu_init();
    return mode;
}

void rcu_barrier_everywhere(void)
{
    if (rcu_reader_mode() == RCU_READERS_FENCES)
        smp_mb();
    else if (syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
        abort();
}

void rcu_report(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void rcu_misuse(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
#ifdef DEBUG_CHECKS
    abort();
#endif
}

void rcu_assert_may_wait(const char *what UNUSED)
{
}

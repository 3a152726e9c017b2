/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scene.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "place.h"

static struct other other;
static uint64_t random_state = 1;

static void membarrier_or_abort(int command)
{
    if (syscall(SYS_membarrier, command, 0, 0) != 0) {
        perror("membarrier");
        abort();
    }
}

void membarrier_once(void)
{
    membarrier_or_abort(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

void scene_begin(void)
{
    place_init();
    membarrier_or_abort(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    peers_begin_process(); /* before pinning: helper threads inherit the affinity */
    bench_machine_row(place_own_cpu(), place_other_cpu());
    if (place_has_other_cpu())
        other_init(&other, place_other_cpu());
    place_pin(place_own_cpu());
    peers_begin_thread();
    /* The default slack of 50 µs would make every drawn delay longer by that. */
    if (prctl(PR_SET_TIMERSLACK, 1) != 0)
        perror("prctl(PR_SET_TIMERSLACK)");
}

void scene_end(void)
{
    if (place_has_other_cpu())
        other_fini(&other);
    peers_end_thread();
}

struct other *scene_other(void)
{
    return place_has_other_cpu() ? &other : NULL;
}

void sleep_ns(int64_t ns)
{
    struct timespec left = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

int64_t draw_ns(int64_t low, int64_t high)
{
    /* Knuth's MMIX generator; the high bits are the good ones. */
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return low + (int64_t)((random_state >> 33) % (uint64_t)(high - low + 1));
}

double stamp_wait_us(const struct stamp *stamp, int64_t start_ns)
{
    int64_t ran;

    /* acquire: pairs with the release in run_stamp() */
    while ((ran = load_acquire(&stamp->ran_ns)) == 0)
        sleep_ns(50 * NS_PER_US);
    return (double)(ran - start_ns) / 1e3;
}

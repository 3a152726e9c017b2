/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three processors increment the same numbers, under LOCK in each way that there is, and one under
 * a lock made of XCHG. Nothing may be lost.
 */
#include <unistd.h>

#include "hw/mem/access.h"
#include "tests/torture/cpu_machine.h"
#include "util/bql.h"

static const struct number {
    const char *name;
    uint64_t at;
    unsigned size;
} numbers[] = {
    { "LOCK INC", LOCK_PLAIN, 8 },          { "LOCK XADD", LOCK_XADD, 8 },
    { "across cache lines", LOCK_LINE, 8 }, { "across pages", LOCK_PAGE, 8 },
    { "in a page of code", LOCK_CODE, 4 },  { "under a spin lock", LOCK_SPUN, 8 },
};

static void check_number(const char *name, uint64_t got, uint64_t want)
{
    if (got != want)
        torture_fail("%s: %llu increments of %llu", name, (unsigned long long)got,
                     (unsigned long long)want);
}

static void check_numbers(uint64_t rounds)
{
    const unsigned __int128 pair = (unsigned __int128)rounds << LOCK_PAIR_STEP_SHIFT;

    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        uint64_t value = 0;

        torture_check(mem_read(guest.memory, numbers[i].at, &value, numbers[i].size) == MEM_OK);
        check_number(numbers[i].name, value, rounds);
    }
    check_number("CMPXCHG16B, low", *guest_word(LOCK_PAIR), (uint64_t)pair);
    check_number("CMPXCHG16B, high", *guest_word(LOCK_PAIR + 8), (uint64_t)(pair >> 64));
    WITH_BQL () {
        check_number("in a device", guest.count, rounds);
    }
}

/* At the end of a round: with interrupts off nothing takes a processor out of its HLT. */
static void park_all(struct worker *worker)
{
    uint64_t rounds = 0;

    store_release(guest_word(STOP_AT), 1);
    for (unsigned i = 0; i < guest.nr_cpus; i++) {
        while (!load_acquire(guest_word(MAIL_AT + (uint64_t)MAIL_LINE * i + MAIL_IS_PARKED)))
            usleep(100);
        torture_progress(worker);
        rounds += guest_rounds(i);
    }
    check_numbers(rounds);
    torture_note("%llu rounds", (unsigned long long)rounds);
}

void lock_run(void)
{
    static const char *const programs[GUEST_CPUS] = { lock_program, lock_program, lock_program };

    guest_make();
    guest_write_function(guest_word(PATCH_AT), 0);
    guest_run(programs, NULL, 0);
    torture_join_one(torture_spawn("park", park_all, NULL, WORKER_READS | WORKER_WATCHED));
    guest_stop();
    guest_end();
}

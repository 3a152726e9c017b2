/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that comes and goes under a processor which spins on it with interrupts off: it sees what
 * is mapped as soon as it is told so, and nothing of what has been released.
 */
#include "payload.h"

#define BLOB ((volatile u32 *)LAB_BLOB_AT)
#define AT_WINDOW (*(volatile u32 *)LAB_WINDOW)
enum { ROUNDS = 100, NOTHING_THERE = 0xffffffffu };

static u64 directory[512] __attribute__((aligned(4096)));
static volatile u32 mapped, released; /* numbers of blobs, as far as processor 0 knows */
static volatile u32 nr_reads, nr_stale, nr_late, nr_strange;
static volatile bool is_enough;

static void reader(void *arg)
{
    u32 at = 0;

    (void)arg;
    while (!is_enough) {
        const u32 at_least = mapped, gone = released;
        const u32 got = BLOB[at];

        at = (at + 1031) % (LAB_BLOB_SIZE / 4);
        nr_reads++;
        if (got == NOTHING_THERE)
            /* It may have been unmapped meanwhile, but then `mapped` has been taken back. */
            nr_late += at_least != 0 && mapped == at_least;
        else if (got <= gone)
            nr_stale++;
        else if (got > at_least + 1 && got > mapped + 1 && at_least != 0)
            nr_strange++;
    }
}

static void wait_for_reads(void)
{
    const u32 before = nr_reads;

    while (nr_reads - before < 3)
        relax();
}

/* ---- RAM that is split and joined -------------------------------------------------------- */

static volatile u64 steps, nr_lost;

/* Code, stack, tables and data of this are in the RAM whose range changes. */
static void walker(void *arg)
{
    volatile u64 *const far_away = (u64 *)(TEST_MEMORY_END - 4096);
    u64 n = *far_away;

    (void)arg;
    while (!is_enough) {
        nr_lost += *far_away != n;
        *far_away = ++n;
        steps++;
        if (n % 64 == 0)
            write_cr3(read_cr3()); /* tables are read again */
    }
}

static void split(void)
{
    volatile u32 *const at = (u32 *)LAB_OVERLAY_AT;
    bool all = true;

    is_enough = false;
    *at = 0x12345678;
    AT_WINDOW = 0x9abcdef0;
    start_on(1, walker, NULL);
    for (u32 i = 0; i < ROUNDS; i++) {
        const u64 before = steps;

        out32(LAB_OVERLAY, 1);
        all &= *at == 0x9abcdef0;
        out32(LAB_OVERLAY, 0);
        all &= *at == 0x12345678;
        while (steps == before)
            relax();
    }
    is_enough = true;
    wait_for(1);
    check(all, "a device in front of RAM comes and goes");
    is(nr_lost, 0, "another processor in that RAM notices nothing");
}

void payload_main(void)
{
    bool all_released = true, all_seen = true;

    if (!in_lab() || nr_cpus < 2) {
        skip("blobs", "not in the lab, or only one processor");
        return;
    }
    directory[0] = LAB_BLOB_AT | 0x87;
    boot_pdpt[4] = (u64)directory | 7;
    is(*BLOB, NOTHING_THERE, "not mapped: ones");
    start_on(1, reader, NULL);
    for (u32 i = 1; i <= ROUNDS; i++) {
        out32(LAB_BLOB, 1);
        mapped = i;
        all_seen &= *BLOB == i;
        wait_for_reads();
        mapped = 0;
        out32(LAB_BLOB, 0);
        for (u32 n = 0; in32(LAB_RELEASED) != i && n < 1000000; n++)
            relax();
        all_released &= in32(LAB_RELEASED) == i;
        released = i;
        all_seen &= *BLOB == NOTHING_THERE;
        wait_for_reads();
    }
    is_enough = true;
    wait_for(1);
    check(all_released, "each is released while another processor spins on it");
    check(all_seen, "this processor sees each come and go");
    is(nr_late, 0, "the other sees each when it is told");
    is(nr_stale, 0, "and none that has been released");
    is(nr_strange, 0, "and no other");
    say("# %u reads\n", nr_reads);
    split();
}

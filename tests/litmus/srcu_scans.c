/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CBMC: SRCU's two scans, with threads, sequentially consistent and under TSO
 * (--mm tso): two updates, one reader. A membarrier is a full fence of the
 * updater here, and one of the reader after it has counted itself in and before
 * it counts itself out (SRCU_FENCED; srcu.pml and srcu.litmus have the other).
 *
 * Counts start anywhere, so that they wrap. WRONG_ONE_SCAN, WRONG_NO_WAIT and
 * (TSO) WRONG_NO_FENCE must fail; WRONG_REACHED shows that the end is reached.
 */
unsigned lock[2], unlock[2], sections_index;
int unlinked; /* updates made */
_Bool freed[3];
unsigned nondet_count(void);

static void fence(void)
{
#ifndef WRONG_NO_FENCE
    __CPROVER_fence("WWfence", "RRfence", "RWfence", "WRfence");
#endif
}

static void reader(void)
{
    unsigned index = sections_index;
    int object;

    lock[index]++;
    fence();
    object = unlinked;
    __CPROVER_assert(!freed[object], "a reader uses what is freed");
    fence();
    unlock[index]++;
}

static void wait_until_left(unsigned index)
{
#ifndef WRONG_NO_WAIT
    unsigned unlocks = unlock[index];

    fence();
    __CPROVER_assume(lock[index] == unlocks); /* it waits until then */
#endif
}

static void update(int old)
{
    unsigned index = sections_index;

    unlinked = old + 1;
    fence();
#ifndef WRONG_ONE_SCAN
    wait_until_left(!index);
#endif
    sections_index = !index;
    fence();
    wait_until_left(index);
    freed[old] = 1;
}

int main(void)
{
    unsigned a = nondet_count(), b = nondet_count();

    lock[0] = unlock[0] = a;
    lock[1] = unlock[1] = b;
    fence();
__CPROVER_ASYNC_1:
    reader();
    update(0);
    update(1);
#ifdef WRONG_REACHED
    __CPROVER_assert(0, "the end is reached");
#endif
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SRCU against its promises (design.md §5), our RCU, liburcu and the locks.
 *
 *   bench_srcu [GROUP...]    instructions, pairs, synchronize; none is all
 */
#include "bench.h"
#include "rows_srcu.h"
#include "scene.h"

int main(int argc, char **argv)
{
    bench_begin("srcu", argc, argv);
    peer_srcu->begin_process();
    peer_srcu_shared->begin_process();
    scene_begin();
    if (bench_wants("instructions"))
        rows_srcu_instructions();
    if (bench_wants("pairs"))
        rows_srcu_pairs();
    if (bench_wants("synchronize"))
        rows_srcu_synchronize();
    scene_end();
    return bench_end();
}

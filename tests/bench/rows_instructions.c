/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions of a read pair, by callgrind: exact, and the same in every run.
 */
#include "callgrind.h"
#include "rows.h"
#include "scene.h"

#define BAR_INSTRUCTIONS 15 /* design.md §4 */

static void count_peer(const struct peer *peer, const char *name, enum bar_kind bar_kind)
{
    struct row row = { .name = name, .scheme = peer->name, .unit = "instr", .bar_kind = bar_kind };

    if (bar_kind != BAR_NONE) {
        row.scheme = NULL;
        row.bar = BAR_INSTRUCTIONS;
        row.bar_is = "design.md section 4";
    }
    if (callgrind_pair(peer->name, &row.measured, &row.skipped))
        row.note = "the loop's own instructions taken off";
    bench_row(&row);
}

void rows_instructions(void)
{
    count_peer(peer_own, "read pair, instructions", BAR_AT_MOST);
    for (int i = 0; i < NR_PEERS; i++)
        if (peer_at(i) && (peer_at(i) == peer_own || peer_at(i) == peer_memb ||
                           peer_at(i) == peer_bp || peer_at(i) == peer_ck))
            count_peer(peer_at(i), "instructions of a read pair", BAR_NONE);
}

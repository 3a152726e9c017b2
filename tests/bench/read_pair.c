/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read_pair SCHEME N: N read pairs of one scheme and nothing else, for
 * callgrind to count. SCHEME "empty" is the loop without them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "util/atomic.h"

static void empty(unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        compiler_barrier();
}

static const struct peer *find(const char *name)
{
    for (int i = 0; i < NR_PEERS; i++)
        if (peer_at(i) && strcmp(peer_at(i)->name, name) == 0)
            return peer_at(i);
    if (strcmp(peer_srcu->name, name) == 0)
        return peer_srcu;
    return strcmp(peer_srcu_shared->name, name) == 0 ? peer_srcu_shared : NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: read_pair SCHEME N\n");
        return 2;
    }
    unsigned long n = strtoul(argv[2], NULL, 10);
    if (strcmp(argv[1], "empty") == 0) {
        empty(n);
        return 0;
    }
    const struct peer *peer = find(argv[1]);
    if (!peer) {
        fprintf(stderr, "read_pair: no scheme \"%s\"\n", argv[1]);
        return 2;
    }
    if (peer->begin_process && !peer->call_stamp)
        peer->begin_process();
    if (peer->begin_thread)
        peer->begin_thread();
    peer->pairs(n, 0);
    if (peer->end_thread)
        peer->end_thread();
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peer.h"

#include <assert.h>

#ifndef HAVE_URCU_MEMB
const struct peer *const peer_memb = NULL;
#endif
#ifndef HAVE_URCU_MB
const struct peer *const peer_mb = NULL;
#endif
#ifndef HAVE_URCU_QSBR
const struct peer *const peer_qsbr = NULL;
#endif
#ifndef HAVE_URCU_BP
const struct peer *const peer_bp = NULL;
#endif
#ifndef HAVE_CK
const struct peer *const peer_ck = NULL;
#endif

const struct peer *peer_at(int index)
{
    const struct peer *const all[NR_PEERS] = {
        peer_own, peer_memb, peer_mb, peer_qsbr, peer_bp, peer_ck, peer_mutex, peer_rwlock,
    };

    assert(index >= 0 && index < NR_PEERS);
    return all[index];
}

void peers_begin_process(void)
{
    for (int i = 0; i < NR_PEERS; i++)
        if (peer_at(i) && peer_at(i)->begin_process)
            peer_at(i)->begin_process();
}

void peers_begin_thread(void)
{
    for (int i = 0; i < NR_PEERS; i++)
        if (peer_at(i) && peer_at(i)->begin_thread)
            peer_at(i)->begin_thread();
    peer_srcu->begin_thread(); /* for every domain */
}

void peers_end_thread(void)
{
    for (int i = 0; i < NR_PEERS; i++)
        if (peer_at(i) && peer_at(i)->end_thread)
            peer_at(i)->end_thread();
    peer_srcu->end_thread();
}

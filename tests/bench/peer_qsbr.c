/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _LGPL_SOURCE
#define URCU_API_MAP /* plain names: rcu_read_lock() is this flavour's */
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/urcu-qsbr.h>

#define PEER_NAME "urcu-qsbr"
#define PEER_VARIABLE peer_qsbr
#define PEER_QUIESCENT() rcu_quiescent_state()
#define PEER_ONLINE() rcu_thread_online()
#define PEER_OFFLINE() rcu_thread_offline()
#include "peer_urcu.h"

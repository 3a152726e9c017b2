/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _LGPL_SOURCE
#define URCU_API_MAP /* plain names: rcu_read_lock() is this flavour's */
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/urcu-bp.h>

#define PEER_NAME "urcu-bp"
#define PEER_VARIABLE peer_bp
#include "peer_urcu.h"

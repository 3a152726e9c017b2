/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/ending.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_ignored(int number)
{
    struct sigaction now;

    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void ending_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    if (!is_ignored(SIGINT))
        sigaddset(ret_set, SIGINT);
    if (!is_ignored(SIGHUP))
        sigaddset(ret_set, SIGHUP);
}

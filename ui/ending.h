/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The signals that end the program in order (ui/signals.h): SIGTERM, SIGINT and SIGHUP. The last
 * two only where whoever started it does not have it ignore them, as nohup(1) and shells in scripts
 * do: a blocked signal arrives even if it is ignored.
 *
 * Threads: any.
 */
#ifndef UI_ENDING_H
#define UI_ENDING_H

#include <signal.h>

void ending_signals(sigset_t *ret_set);

#endif

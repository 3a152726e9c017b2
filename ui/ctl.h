/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * `gracevm ctl SOCKET COMMAND`: a client of the socket that -qmp opens, for people and, with
 * --json, for scripts (docs/ctl.md). It knows nothing of machines but what that socket says, and
 * trusts none of it: answers are limited in size, depth and time, checked when they are read, and
 * shown without what a terminal could take as a command.
 *
 * Threads: none; it is a program of its own, beside the machine's.
 */
#ifndef UI_CTL_H
#define UI_CTL_H

/** @argv: what follows "ctl". Returns the exit status. */
int ctl_main(int argc, char **argv);

#endif

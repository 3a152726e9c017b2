/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The test program: options, the amount of each shape, what is to be reached.
 *
 *   -n cases     in all (default: as many as the ordinary test wants)
 *   -t seconds   instead: for so long
 *   -s seed      other cases
 *   -r shape:row:seed:scene   one case again, with everything said
 */
#ifndef TESTS_X86_COMPARE_MAIN_H
#define TESTS_X86_COMPARE_MAIN_H

#include <stdbool.h>

/** @is_float: SSE, MMX and x87; else everything but these. */
int compare_main(int argc, char **argv, bool is_float);

#endif

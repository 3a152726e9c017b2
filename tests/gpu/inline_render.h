/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * hw/gpu/render.h without a thread: what is queued is run by the main loop, or not until the test
 * says so. A program that is linked with it (gpu_inline_test) has it instead of the real one. For
 * fuzzing, where a hand-over between threads would take most of the time.
 *
 * Threads: the main thread's, under the BQL.
 */
#ifndef TESTS_GPU_INLINE_RENDER_H
#define TESTS_GPU_INLINE_RENDER_H

#include "util/bql.h"

/** Nothing is run, of any renderer, until it is let go again. */
void inline_render_hold(bool is_held) REQUIRES(bql);
/** Run one piece of what is held, of each. */
void inline_render_step(void) REQUIRES(bql);

#endif

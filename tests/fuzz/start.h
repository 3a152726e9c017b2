/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The beginning of a target that has a world: util and the log, once for all inputs.
 */
#ifndef TESTS_FUZZ_START_H
#define TESTS_FUZZ_START_H

#include <assert.h>

#include "util/annotate.h"
#include "util/log.h"
#include "util/start.h"

/* With the first input; @start_world runs with the BQL, which this thread has from then on. */
static inline void fuzz_start(void (*start_world)(void)) NO_THREAD_SAFETY
{
    static bool is_started;

    if (is_started)
        return;
    assert(util_start(NULL) == 0);
    assert(log_open("/dev/null", NULL)); /* of errors that inputs make */
    start_world();
    is_started = true;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A thread inside a read section, as a processor that runs guest code is: it leaves when it is
 * kicked out by a forced grace period, or only when the test lets it.
 */
#ifndef TESTS_GPU_READER_H
#define TESTS_GPU_READER_H

#include "util/bql.h"

struct reader;

/* It is inside when this returns. */
struct reader *reader_start(bool leaves_when_kicked);
/* Wait until a forced grace period has asked it to leave. Gives the BQL back meanwhile. */
void reader_wait_kicked(struct reader *reader) REQUIRES(bql);
/* It leaves, whoever has or has not kicked it; join and free. Gives the BQL back meanwhile. */
void reader_end(struct reader *reader) REQUIRES(bql);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the driver's trace points say: when each command was put into the control queue, and when
 * its answer was taken out. A kernel from 6.3 on numbers them; before, fenced ones are told apart
 * by their fence, and the others count only where one alone was under way.
 */
#ifndef TESTS_GUEST_LINUX_GPU_TRACE_H
#define TESTS_GUEST_LINUX_GPU_TRACE_H

#include <stdint.h>

#include "samples.h"

enum trace_command { /* virtio 1.2, 5.7.6.7: enum virtio_gpu_ctrl_type */
                     TRACE_UNREF = 0x102,
                     TRACE_SUBMIT_3D = 0x207,
                     TRACE_MAP_BLOB = 0x208,
                     TRACE_UNMAP_BLOB = 0x209,
};

/** Forgets what was, and listens. */
void trace_start(void);
/** Stops, and hands out microseconds from command to answer of all of the type @command; with
 * @is_fenced_only, those that have a fence. Returns how many could not be told apart. */
unsigned trace_take(enum trace_command command, int is_fenced_only, struct samples *ret_samples);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A renderer for tests: it draws nothing, does what the test says and tells what it was asked for.
 * For gpu_new_with(): GL without GL. One at a time.
 *
 * It holds the device to hw/gpu/renderer.h: ids that are in use or new, nothing freed while it is
 * mapped, all gone before it stops. What breaks that aborts.
 *
 * Threads: what is declared here, on the test's thread. What waits gives the BQL back meanwhile.
 */
#ifndef TESTS_GPU_FAKE_RENDERER_H
#define TESTS_GPU_FAKE_RENDERER_H

#include "hw/gpu/renderer.h"
#include "util/bql.h"

extern const struct renderer_ops fake_renderer;

enum fake_op {
    FAKE_CREATE_2D,
    FAKE_CREATE_3D,
    FAKE_CREATE_BLOB,
    FAKE_UNREF,
    FAKE_ATTACH_BACKING,
    FAKE_DETACH_BACKING,
    FAKE_TO_HOST,
    FAKE_FROM_HOST,
    FAKE_READ,
    FAKE_CONTEXT_CREATE,
    FAKE_CONTEXT_DESTROY,
    FAKE_CONTEXT_ATTACH,
    FAKE_CONTEXT_DETACH,
    FAKE_SUBMIT,
    FAKE_MAP,
    FAKE_UNMAP,
    FAKE_FENCE,
    NR_FAKE_OPS,
};

/* ---- Holding it ---------------------------------------------------------------------------- */

/** Calls of @op stop before they do anything, from now on, until fake_let_go(). */
void fake_hold(enum fake_op op);
/** Until the render thread stands at @op, which is held. */
void fake_wait_until_held(enum fake_op op) REQUIRES(bql);
/** It goes on, and is held nowhere any more. */
void fake_let_go(void);

/** The next call of @op does nothing but give @result, a VIRTIO_GPU_RESP_ERR_*. */
void fake_fail_next(enum fake_op op, uint32_t result);

/* ---- Fences: they pass by themselves, unless they are held --------------------------------- */

void fake_hold_fences(void);
/** The oldest @nr of the fences on @timeline pass, once there are so many; waits for that. */
void fake_pass_fences(const struct timeline_id *timeline, unsigned nr) REQUIRES(bql);
/** All, from now on. */
void fake_let_fences_go(void);

/* ---- What it has done ---------------------------------------------------------------------- */

/**
 * Since the last time: "create_blob 5; map 5; submit 1", by resource, or by context where it is
 * about one; "attach 1 5" both. Fences are not among it. Free by g_free().
 */
char *fake_take_log(void);

/** How often @op has been done. */
unsigned fake_count(enum fake_op op);
/** Until that is @count, or more. */
void fake_wait_for(enum fake_op op, unsigned count) REQUIRES(bql);

/** The memory of a host's blob, of whole pages; NULL: there is no such resource. */
void *fake_memory(uint32_t resource);
bool fake_is_mapped(uint32_t resource);

/** What the words of the last SUBMIT_3D began with; its result is that, if it is an error. */
uint32_t fake_last_submit(void);
/** A stream of this and a resource writes 0x77 to the beginning of the resource's backing, by
 * itself: it says so before it can be held. */
enum { FAKE_WRITES = 0x77777777 };

#endif

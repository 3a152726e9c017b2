/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a scanout has under way: one frame and one cursor at most, read by the render thread into
 * memory of their own and drawn by the main thread. What changes meanwhile is read after that.
 */
#ifndef HW_GPU_SCREEN_H
#define HW_GPU_SCREEN_H

#include "hw/gpu/gpu_internal.h"

/* frame.c */
void gpu_frame_init(struct gpu_scanout *scanout) REQUIRES(bql);
void gpu_frame_fini(struct gpu_scanout *scanout) REQUIRES(bql);
/** Read what is damaged, if anybody wants to see it and no frame is being read. */
void gpu_frame_start(struct gpu_scanout *scanout) REQUIRES(bql);
/** Another picture is shown, or none: keep no more memory for frames than it needs. */
void gpu_frame_trim(struct gpu_scanout *scanout) REQUIRES(bql);
/** So much is kept. */
size_t gpu_frame_bytes(const struct gpu_scanout *scanout) REQUIRES(bql);

/* cursor.c */
void gpu_pointer_init(struct gpu_scanout *scanout) REQUIRES(bql);
void gpu_pointer_fini(struct gpu_scanout *scanout) REQUIRES(bql);
void gpu_pointer_reset(struct gpu_scanout *scanout) REQUIRES(bql);

#endif

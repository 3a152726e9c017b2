/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stages of the commands, as the table in command.c has them: what gpu_X() begins on the main
 * thread, gpu_X_render() does on the render thread and gpu_X_finish() ends on the main thread.
 */
#ifndef HW_GPU_HANDLERS_H
#define HW_GPU_HANDLERS_H

#include "hw/gpu/command.h"

#define GPU_STAGE(name) void name(struct gpu *gpu, struct gpu_command *command) REQUIRES(bql)
#define GPU_READ(name) uint32_t name(struct gpu *gpu, struct gpu_command *command) REQUIRES(bql)
#define GPU_RENDER(name) uint32_t name(struct gpu_command *command, void *renderer)

/* info.c: answered at once, from what the main thread knows. */
GPU_STAGE(gpu_get_display_info);
GPU_STAGE(gpu_get_edid);
GPU_STAGE(gpu_get_capset_info);
GPU_STAGE(gpu_get_capset);

/* create.c */
GPU_STAGE(gpu_create_2d);
GPU_RENDER(gpu_create_2d_render);
GPU_STAGE(gpu_create_3d);
GPU_RENDER(gpu_create_3d_render);
GPU_READ(gpu_create_blob_read);
GPU_STAGE(gpu_create_blob);
GPU_RENDER(gpu_create_blob_render);
GPU_STAGE(gpu_create_finish);

/* resource.c */
GPU_STAGE(gpu_unref);
GPU_STAGE(gpu_assign_uuid);

/* backing.c */
GPU_READ(gpu_attach_backing_read);
GPU_STAGE(gpu_attach_backing);
GPU_RENDER(gpu_attach_backing_render);
GPU_STAGE(gpu_attach_backing_finish);
GPU_STAGE(gpu_detach_backing);
GPU_RENDER(gpu_detach_backing_render);

/* transfer.c */
GPU_STAGE(gpu_to_host_2d);
GPU_RENDER(gpu_to_host_2d_render);
GPU_STAGE(gpu_transfer_3d);
GPU_RENDER(gpu_to_host_3d_render);
GPU_RENDER(gpu_from_host_3d_render);

/* context.c */
GPU_STAGE(gpu_ctx_create);
GPU_RENDER(gpu_ctx_create_render);
GPU_STAGE(gpu_ctx_create_finish);
GPU_STAGE(gpu_ctx_destroy);
GPU_STAGE(gpu_ctx_attach);
GPU_RENDER(gpu_ctx_attach_render);
GPU_STAGE(gpu_ctx_detach);
GPU_RENDER(gpu_ctx_detach_render);
GPU_READ(gpu_submit_read);
GPU_STAGE(gpu_submit);
GPU_RENDER(gpu_submit_render);

/* blob.c */
GPU_STAGE(gpu_map_blob);
GPU_RENDER(gpu_map_blob_render);
GPU_STAGE(gpu_map_blob_finish);
GPU_STAGE(gpu_unmap_blob);

/* scanout.c, frame.c, cursor.c */
GPU_STAGE(gpu_set_scanout);
GPU_STAGE(gpu_set_scanout_blob);
GPU_STAGE(gpu_flush);
GPU_STAGE(gpu_update_cursor);
GPU_STAGE(gpu_move_cursor);

/* command.c: where all has been done by what was queued before. */
GPU_RENDER(gpu_nothing_to_render);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/gpu/virgl.h"

const struct renderer_ops renderer_virgl = {
    .name = "virgl",
    .start = virgl_start,
    .stop = virgl_stop,
    .create_2d = virgl_create_2d,
    .create_3d = virgl_create_3d,
    .create_blob = virgl_create_blob,
    .resource_unref = virgl_resource_unref,
    .attach_backing = virgl_attach_backing,
    .detach_backing = virgl_detach_backing,
    .to_host_2d = virgl_to_host_2d,
    .to_host_3d = virgl_to_host_3d,
    .from_host_3d = virgl_from_host_3d,
    .read = virgl_read,
    .context_create = virgl_context_create,
    .context_destroy = virgl_context_destroy,
    .context_attach = virgl_context_attach,
    .context_detach = virgl_context_detach,
    .submit = virgl_submit,
    .map = virgl_map,
    .unmap = virgl_unmap,
    .fence = virgl_fence,
    .get_fds = virgl_get_fds,
    .poll = virgl_poll,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest asks about the device: answered at once, from what the main thread knows.
 */
#include <string.h>

#include "hw/display/edid.h"
#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"

void gpu_get_display_info(struct gpu *gpu, struct gpu_command *command)
{
    struct virtio_gpu_resp_display_info *info = &command->response.display_info;

    for (unsigned i = 0; i < gpu->config.nr_scanouts; i++) {
        const struct gpu_scanout *scanout = &gpu->scanouts[i];

        info->pmodes[i].enabled = scanout->prefer_width != 0;
        info->pmodes[i].r.width = scanout->prefer_width;
        info->pmodes[i].r.height = scanout->prefer_height;
    }
    command->response_size = sizeof(*info);
    gpu_answer(command, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
}

void gpu_get_edid(struct gpu *gpu, struct gpu_command *command)
{
    const uint32_t index = command->request.get_edid.scanout;
    struct virtio_gpu_resp_edid *response = &command->response.edid;
    const struct gpu_scanout *scanout = &gpu->scanouts[index < gpu->config.nr_scanouts ? index : 0];
    struct edid_screen screen = { .name = "gracevm", .serial = index + 1 };

    if (index >= gpu->config.nr_scanouts) {
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "there is no such scanout");
        return;
    }
    screen.width = scanout->prefer_width ? scanout->prefer_width : gpu->config.width;
    screen.height = scanout->prefer_height ? scanout->prefer_height : gpu->config.height;
    edid_make(&screen, response->edid);
    response->size = EDID_SIZE;
    command->response_size = sizeof(*response);
    gpu_answer(command, VIRTIO_GPU_RESP_OK_EDID);
}

void gpu_get_capset_info(struct gpu *gpu, struct gpu_command *command)
{
    const uint32_t index = command->request.get_capset_info.capset_index;
    struct virtio_gpu_resp_capset_info *info = &command->response.capset_info;

    if (index >= gpu->caps.nr_capsets) {
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "there is no such capset");
        return;
    }
    info->capset_id = gpu->caps.capsets[index].id;
    info->capset_max_version = gpu->caps.capsets[index].max_version;
    info->capset_max_size = gpu->caps.capsets[index].size;
    command->response_size = sizeof(*info);
    gpu_answer(command, VIRTIO_GPU_RESP_OK_CAPSET_INFO);
}

void gpu_get_capset(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_get_capset *request = &command->request.get_capset;

    for (unsigned i = 0; i < gpu->caps.nr_capsets; i++) {
        const struct renderer_capset *capset = &gpu->caps.capsets[i];

        if (capset->id == request->capset_id && request->capset_version <= capset->max_version) {
            command->response_size = sizeof(command->response.hdr);
            command->response_tail = capset->bytes;
            command->response_tail_size = capset->size;
            gpu_answer(command, VIRTIO_GPU_RESP_OK_CAPSET);
            return;
        }
    }
    gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "no such capset, or version of it");
}

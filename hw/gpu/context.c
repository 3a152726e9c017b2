/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contexts: each a client of the guest, with the resources that it may name, and its stream of
 * commands for the renderer.
 */
#include <string.h>

#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"
#include "util/atomic.h"

/* ---- Life ------------------------------------------------------------------------------------ */

struct gpu_context *gpu_context_find(struct gpu *gpu, uint32_t id)
{
    return g_hash_table_lookup(gpu->contexts, GUINT_TO_POINTER(id));
}

struct gpu_context *gpu_context_ref(struct gpu_context *context)
{
    fetch_add_relaxed(&context->references, 1);
    return context;
}

void gpu_context_unref(struct gpu_context *context)
{
    if (!context || fetch_sub(&context->references, 1) != 1)
        return;
    g_free(context);
}

static void retire(struct render_work *work, void *renderer)
{
    struct gpu_context *context = container_of(work, struct gpu_context, retire);

    if (!context->has_failed)
        context->gpu->renderer->context_destroy(renderer, context->id);
    gpu_context_unref(context);
}

static struct gpu_context *context_new(struct gpu *gpu, uint32_t id, uint32_t capset) REQUIRES(bql)
{
    struct gpu_context *context = g_new0(struct gpu_context, 1);

    context->id = id;
    context->references = 1;
    context->gpu = gpu;
    context->retire.run = retire;
    context->retire.what = "CTX_DESTROY";
    context->capset = capset;
    context->resources = g_hash_table_new(NULL, NULL);
    g_hash_table_insert(gpu->contexts, GUINT_TO_POINTER(id), context);
    return context;
}

/* With the table's reference, which the render thread drops. */
static void let_go(struct gpu_context *context) REQUIRES(bql)
{
    context->gpu->usage.attached -= g_hash_table_size(context->resources);
    g_hash_table_unref(context->resources);
    context->resources = NULL;
    render_queue(context->gpu->render, &context->retire);
}

void gpu_context_retire(struct gpu_context *context)
{
    (void)g_hash_table_remove(context->gpu->contexts, GUINT_TO_POINTER(context->id)); /* is there */
    let_go(context);
}

void gpu_contexts_retire(struct gpu *gpu)
{
    GHashTableIter iter;
    void *context;

    g_hash_table_iter_init(&iter, gpu->contexts);
    while (g_hash_table_iter_next(&iter, NULL, &context)) {
        g_hash_table_iter_remove(&iter);
        let_go(context);
    }
}

void gpu_contexts_forget(struct gpu *gpu, uint32_t resource)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, gpu->contexts);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct gpu_context *context = value;

        if (g_hash_table_remove(context->resources, GUINT_TO_POINTER(resource)))
            gpu->usage.attached--;
    }
}

/* ---- CTX_CREATE, CTX_DESTROY ----------------------------------------------------------------- */

static bool has_capset(const struct gpu *gpu, uint32_t id)
{
    for (unsigned i = 0; i < gpu->caps.nr_capsets; i++) {
        if (gpu->caps.capsets[i].id == id)
            return true;
    }
    return false;
}

/* An error, or 0. The request is then as the renderer wants it. */
static uint32_t check_create(struct gpu *gpu, struct virtio_gpu_ctx_create *request) REQUIRES(bql)
{
    if (!virtio_has_feature(&gpu->device, UINT64_C(1) << VIRTIO_GPU_F_CONTEXT_INIT))
        request->context_init = 0;
    if (request->hdr.ctx_id == 0 || gpu_context_find(gpu, request->hdr.ctx_id))
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (request->nlen > sizeof(request->debug_name) ||
        request->context_init & ~(uint32_t)VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK ||
        (request->context_init && !has_capset(gpu, request->context_init)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (g_hash_table_size(gpu->contexts) >= CONTEXTS_MAX)
        return gpu_limit_met(gpu, LIMIT_CONTEXTS);
    request->nlen = MIN(request->nlen, sizeof(request->debug_name) - 1);
    memset(request->debug_name + request->nlen, 0, sizeof(request->debug_name) - request->nlen);
    return 0;
}

void gpu_ctx_create(struct gpu *gpu, struct gpu_command *command)
{
    struct virtio_gpu_ctx_create *request = &command->request.ctx_create;
    uint32_t error = check_create(gpu, request);

    if (error) {
        gpu_refuse(command, error, "there can be no such context");
        return;
    }
    command->context =
        gpu_context_ref(context_new(gpu, request->hdr.ctx_id, request->context_init));
    gpu_render(command);
}

uint32_t gpu_ctx_create_render(struct gpu_command *command, void *renderer)
{
    uint32_t error = command->gpu->renderer->context_create(renderer, &command->request.ctx_create);

    command->context->has_failed = error != 0;
    return gpu_answer_of(error);
}

void gpu_ctx_create_finish(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_context *context = command->context;

    /* The guest may have done away with it, before it knew. */
    if (command->result != VIRTIO_GPU_RESP_OK_NODATA &&
        gpu_context_find(gpu, context->id) == context)
        gpu_context_retire(context);
    gpu_answer(command, command->result);
}

/* The context that the header names; or it is refused, and NULL. */
static struct gpu_context *named_context(struct gpu *gpu, struct gpu_command *command) REQUIRES(bql)
{
    struct gpu_context *context = gpu_context_find(gpu, command->request.hdr.ctx_id);

    if (!context)
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "there is no such context");
    return context;
}

void gpu_ctx_destroy(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_context *context = named_context(gpu, command);

    if (!context)
        return;
    gpu_context_retire(context);
    gpu_render(command);
}

/* ---- CTX_ATTACH_RESOURCE, CTX_DETACH_RESOURCE ------------------------------------------------ */

void gpu_ctx_attach(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_context *context = named_context(gpu, command);
    struct gpu_resource *resource;

    if (!context)
        return;
    resource = gpu_named_resource(gpu, command, command->request.ctx_resource.resource_id);
    if (!resource)
        return;
    if (gpu->usage.attached >= ATTACHED_MAX) {
        gpu_refuse(command, gpu_limit_met(gpu, LIMIT_ATTACHED), "too many are attached");
        return;
    }
    /* Again is fine. */
    if (g_hash_table_add(context->resources, GUINT_TO_POINTER(resource->id)))
        gpu->usage.attached++;
    command->resource = gpu_resource_ref(resource);
    command->context = gpu_context_ref(context);
    gpu_render(command);
}

uint32_t gpu_ctx_attach_render(struct gpu_command *command, void *renderer)
{
    if (command->context->has_failed)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (command->resource->has_failed)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    command->gpu->renderer->context_attach(renderer, command->context->id, command->resource->id);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

void gpu_ctx_detach(struct gpu *gpu, struct gpu_command *command)
{
    const uint32_t id = command->request.ctx_resource.resource_id;
    struct gpu_context *context = named_context(gpu, command);

    if (!context)
        return;
    if (!g_hash_table_remove(context->resources, GUINT_TO_POINTER(id))) {
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "it is not attached");
        return;
    }
    gpu->usage.attached--;
    command->resource = gpu_resource_ref(gpu_resource_find(gpu, id)); /* attached: it is there */
    command->context = gpu_context_ref(context);
    gpu_render(command);
}

uint32_t gpu_ctx_detach_render(struct gpu_command *command, void *renderer)
{
    if (!command->context->has_failed && !command->resource->has_failed)
        command->gpu->renderer->context_detach(renderer, command->context->id,
                                               command->resource->id);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* ---- SUBMIT_3D ------------------------------------------------------------------------------- */

uint32_t gpu_submit_read(struct gpu *gpu, struct gpu_command *command)
{
    const uint32_t size = command->request.submit.size;

    if (size % sizeof(uint32_t) != 0)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (size > SUBMIT_BYTES_MAX)
        return gpu_limit_met(gpu, LIMIT_PAYLOAD);
    return gpu_read_payload(gpu, command, size);
}

void gpu_submit(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_context *context = named_context(gpu, command);

    if (!context)
        return;
    command->context = gpu_context_ref(context);
    gpu_render(command);
}

uint32_t gpu_submit_render(struct gpu_command *command, void *renderer)
{
    const uint32_t nr_words = (uint32_t)(command->payload_size / sizeof(uint32_t));
    uint32_t error = 0;

    if (command->context->has_failed)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (gpu_is_stale(command))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    if (nr_words > 0) /* else it is only about its fence */
        error = command->gpu->renderer->submit(renderer, command->context->id, command->payload,
                                               nr_words);
    gpu_drop_payload(command);
    return gpu_answer_of(error);
}

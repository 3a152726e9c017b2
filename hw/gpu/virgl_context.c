/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contexts, and the streams of commands that they run. */
#include <errno.h>
#include <string.h>
#include <virglrenderer.h>

#include "hw/gpu/virgl.h"

enum { CONTEXT_INIT_CAPSET_MASK = 0xff }; /* virtio 1.2, 5.7.6.8: of context_init */

struct virgl_context *virgl_find_context(const struct virgl *virgl, uint32_t id)
{
    return g_hash_table_lookup(virgl->contexts, GUINT_TO_POINTER(id));
}

static bool has_capset(const struct virgl *virgl, uint32_t id)
{
    for (unsigned i = 0; i < virgl->caps.nr_capsets; i++) {
        if (virgl->caps.capsets[i].id == id)
            return true;
    }
    return false;
}

uint32_t virgl_context_create(void *renderer, const struct virtio_gpu_ctx_create *request)
{
    const uint32_t id = request->hdr.ctx_id;
    uint32_t capset = request->context_init & CONTEXT_INIT_CAPSET_MASK;
    char name[sizeof(request->debug_name) + 1] = "";
    struct virgl *virgl = renderer;
    struct virgl_context *context;
    int error;

    if (!id || virgl_find_context(virgl, id))
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (capset == 0)
        capset = CAPSET_VIRGL2; /* guests of before CONTEXT_INIT */
    if (!has_capset(virgl, capset))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    memcpy(name, request->debug_name, MIN(request->nlen, sizeof(request->debug_name)));
    error = virgl_renderer_context_create_with_flags(id, capset, (uint32_t)strlen(name), name);
    if (error)
        return virgl_response(error);
    context = g_new0(struct virgl_context, 1);
    context->id = id;
    context->capset = capset;
    context->poll_fd = capset == CAPSET_VENUS ? virgl_renderer_context_get_poll_fd(id) : -1;
    if (context->poll_fd >= 0 && !virgl_watch(virgl, context->poll_fd))
        context->poll_fd = -1;
    g_hash_table_insert(virgl->contexts, GUINT_TO_POINTER(id), context);
    return 0;
}

void virgl_context_destroy(void *renderer, uint32_t id)
{
    struct virgl *virgl = renderer;
    struct virgl_context *context = virgl_find_context(virgl, id);

    if (!context)
        return;
    virgl_unwatch(virgl, context->poll_fd);
    virgl_renderer_context_destroy(id);
    virgl_fences_end(virgl, context);
    virgl_stream_forget(virgl, context);
    g_hash_table_remove(virgl->contexts, GUINT_TO_POINTER(id));
}

/* Whether the library knows both. */
static bool are_known(const struct virgl *virgl, uint32_t context, uint32_t id)
{
    const struct virgl_resource *resource = virgl_find(virgl, id);

    return virgl_find_context(virgl, context) && resource && !resource->is_soft;
}

void virgl_context_attach(void *renderer, uint32_t context, uint32_t resource)
{
    if (are_known(renderer, context, resource))
        virgl_renderer_ctx_attach_resource((int)context, (int)resource);
}

void virgl_context_detach(void *renderer, uint32_t context, uint32_t resource)
{
    if (are_known(renderer, context, resource))
        virgl_renderer_ctx_detach_resource((int)context, (int)resource);
}

/* A bad command puts its context into a state of error that it never leaves: what comes after it
 * is not even given to the library. */
uint32_t virgl_submit(void *renderer, uint32_t id, uint32_t *words, uint32_t nr_words)
{
    struct virgl_context *context = virgl_find_context(renderer, id);
    int error;

    if (!context)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (context->is_broken)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (nr_words == 0)
        return 0;
    error = context->capset == CAPSET_VENUS
                ? virgl_renderer_submit_cmd(words, (int)id, (int)nr_words)
                : virgl_stream_run(renderer, context, words, nr_words);
    if (error == EINVAL && context->capset != CAPSET_VENUS)
        context->is_broken = true;
    return virgl_response(error);
}

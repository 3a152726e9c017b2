/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams of virgl's commands are looked at before the library runs them: formats that it must not
 * see are replaced, and what it will write of guest memory by itself is found out. That is little:
 * transfers that go that way, and results of queries, which it writes when they are asked for or,
 * later, when it looks for fences. (Virglrenderer 0.10.4 to 1.3.)
 */
#include <virglrenderer.h>

#include "hw/gpu/virgl.h"

/* Of virgl's protocol: commands, an object, and which of a command's words is what. */
enum { CREATE_OBJECT = 1, GET_QUERY_RESULT = 21, TRANSFER = 43, COPY_TRANSFER = 45 };
enum { PIPE_RESOURCE_CREATE = 48, GET_MEMORY_INFO = 50, OBJECT_QUERY = 9 };
enum { CREATE_TARGET = 1, CREATE_FORMAT = 2 };
enum { QUERY_RESOURCE = 4, INFO_RESOURCE = 1 };
enum { TRANSFER_RESOURCE = 1, TRANSFER_DIRECTION = 13, DIRECTION_TO_HOST = 1 };
enum { COPY_STAGING = 12, COPY_FLAGS = 14, COPY_SYNCHRONIZED = 1 };

static void note(const struct virgl *virgl, GHashTable *ids, uint32_t id)
{
    if (virgl_find(virgl, id)) /* else the library refuses it, too */
        (void)g_hash_table_add(ids, GUINT_TO_POINTER(id));
}

static void look_at_query(struct virgl *virgl, struct virgl_context *context, uint32_t resource)
{
    note(virgl, virgl->query_results, resource);
    if (!context->has_queries)
        virgl->nr_querying++;
    context->has_queries = true;
}

/* @size words. Whether it writes results of queries. */
static bool look(struct virgl *virgl, struct virgl_context *context, uint32_t *words, uint32_t size)
{
    switch (*words & 0xff) {
    case CREATE_OBJECT:
        if ((*words >> 8 & 0xff) == OBJECT_QUERY && size > QUERY_RESOURCE)
            look_at_query(virgl, context, words[QUERY_RESOURCE]);
        return false;
    case PIPE_RESOURCE_CREATE:
        if (size > CREATE_FORMAT)
            words[CREATE_FORMAT] = virgl_safe_format(words[CREATE_TARGET], words[CREATE_FORMAT]);
        return false;
    case TRANSFER:
        if (size > TRANSFER_DIRECTION && words[TRANSFER_DIRECTION] != DIRECTION_TO_HOST)
            note(virgl, virgl->written, words[TRANSFER_RESOURCE]);
        return false;
    case COPY_TRANSFER:
        if (size > COPY_FLAGS && words[COPY_FLAGS] & ~(uint32_t)COPY_SYNCHRONIZED)
            note(virgl, virgl->written, words[COPY_STAGING]);
        return false;
    case GET_MEMORY_INFO:
        if (size > INFO_RESOURCE)
            note(virgl, virgl->written, words[INFO_RESOURCE]);
        return false;
    default:
        return (*words & 0xff) == GET_QUERY_RESULT;
    }
}

/* Commands are a word with a number and a length, and so many words more; a stream that ends too
 * early the library refuses itself. */
static bool look_at_all(struct virgl *virgl, struct virgl_context *context, uint32_t *words,
                        uint32_t nr_words)
{
    bool writes_results = false;

    g_hash_table_remove_all(virgl->written);
    while (nr_words > 0) {
        const uint32_t size = 1 + (*words >> 16);

        if (size > nr_words)
            break;
        writes_results |= look(virgl, context, words, size);
        words += size;
        nr_words -= size;
    }
    return writes_results;
}

/* ---- Telling --------------------------------------------------------------------------------- */

static void tell(struct virgl *virgl, GHashTable *ids)
{
    GHashTableIter iter;
    void *id;

    g_hash_table_iter_init(&iter, ids);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        const struct virgl_resource *resource = virgl_find(virgl, GPOINTER_TO_UINT(id));

        if (resource && resource->iov)
            virgl->host->written(virgl->host->opaque, resource->iov);
    }
}

int virgl_stream_run(struct virgl *virgl, struct virgl_context *context, uint32_t *words,
                     uint32_t nr_words)
{
    const bool writes_results = look_at_all(virgl, context, words, nr_words);
    const bool writes = writes_results || g_hash_table_size(virgl->written) > 0;
    int error;

    if (writes && !virgl->host->begin_writing(virgl->host->opaque))
        return -1; /* nobody waits for it */
    error = virgl_renderer_submit_cmd(words, (int)context->id, (int)nr_words);
    if (!writes)
        return error;
    tell(virgl, virgl->written);
    if (writes_results)
        tell(virgl, virgl->query_results);
    virgl->host->end_writing(virgl->host->opaque);
    return error;
}

void virgl_stream_poll(struct virgl *virgl)
{
    if (virgl->nr_querying == 0) {
        virgl_renderer_poll();
        return;
    }
    if (!virgl->host->begin_writing(virgl->host->opaque))
        return; /* these contexts are about to go */
    virgl_renderer_poll();
    tell(virgl, virgl->query_results);
    virgl->host->end_writing(virgl->host->opaque);
}

void virgl_stream_forget(struct virgl *virgl, const struct virgl_context *context)
{
    if (!context->has_queries)
        return;
    virgl->nr_querying--;
    if (virgl->nr_querying == 0)
        g_hash_table_remove_all(virgl->query_results);
}

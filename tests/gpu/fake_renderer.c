/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/gpu/fake_renderer.h"
#include "util/clock.h"
#include "util/iov.h"
#include "util/lock.h"

enum { PAGE = 4096, MAP_CACHED = 1, BLOB_MAX = 128 << 20, LOG_MAX = 1 << 16 };

struct thing {
    uint32_t id;
    uint64_t size; /* of a blob */
    void *memory;  /* of a blob of the host; else NULL */
    bool is_mapped, has_backing;
    struct iovec *iov; /* of ATTACH_BACKING */
};

struct fence {
    struct timeline_id timeline;
    uint64_t number;
    bool may_pass;
};

/* All guarded by the lock, but for `host` and `fd`, which stay. */
static struct {
    struct mutex lock;
    struct condition changed;
    struct renderer_host host;
    int fd; /* readable: fences may pass */
    bool is_started;
    GHashTable *resources, *contexts;
    bool is_held[NR_FAKE_OPS];
    enum fake_op stands_at; /* NR_FAKE_OPS: nowhere */
    uint32_t next_result[NR_FAKE_OPS];
    unsigned counts[NR_FAKE_OPS];
    uint32_t last_submit;
    bool holds_fences;
    GArray *fences; /* struct fence, oldest first */
    GString *log;
} fake = { .lock = MUTEX_INIT("fake renderer", RANK_LEAF), .stands_at = NR_FAKE_OPS };

static const char *const op_names[NR_FAKE_OPS] = {
    [FAKE_CREATE_2D] = "create_2d",
    [FAKE_CREATE_3D] = "create_3d",
    [FAKE_CREATE_BLOB] = "create_blob",
    [FAKE_UNREF] = "unref",
    [FAKE_ATTACH_BACKING] = "attach_backing",
    [FAKE_DETACH_BACKING] = "detach_backing",
    [FAKE_TO_HOST] = "to_host",
    [FAKE_FROM_HOST] = "from_host",
    [FAKE_READ] = "read",
    [FAKE_CONTEXT_CREATE] = "context_create",
    [FAKE_CONTEXT_DESTROY] = "context_destroy",
    [FAKE_CONTEXT_ATTACH] = "attach",
    [FAKE_CONTEXT_DETACH] = "detach",
    [FAKE_SUBMIT] = "submit",
    [FAKE_MAP] = "map",
    [FAKE_UNMAP] = "unmap",
    [FAKE_FENCE] = "fence",
};

/* ---- What all operations do first ---------------------------------------------------------- */

static void wait_for_change(void) REQUIRES(fake.lock)
{
    (void)condition_wait(&fake.changed, &fake.lock, DEADLINE_NEVER); /* the caller looks again */
}

/* Stands still while it is held; then the result that the test wants, or 0. */
static uint32_t enter(enum fake_op op) REQUIRES(fake.lock)
{
    uint32_t result;

    while (fake.is_held[op]) {
        fake.stands_at = op;
        condition_broadcast(&fake.changed);
        wait_for_change();
    }
    fake.stands_at = NR_FAKE_OPS;
    result = fake.next_result[op];
    fake.next_result[op] = 0;
    return result;
}

static void leave(enum fake_op op) REQUIRES(fake.lock)
{
    fake.counts[op]++;
    condition_broadcast(&fake.changed);
}

/* @second 0: there is none. */
static void tell(enum fake_op op, uint32_t first, uint32_t second) REQUIRES(fake.lock)
{
    if (fake.log->len > LOG_MAX) /* nobody reads it */
        return;
    g_string_append_printf(fake.log, "%s%s %u", fake.log->len ? "; " : "", op_names[op], first);
    if (second)
        g_string_append_printf(fake.log, " %u", second);
}

static struct thing *find(GHashTable *table, uint32_t id)
{
    return g_hash_table_lookup(table, GUINT_TO_POINTER(id));
}

static struct thing *must_find(GHashTable *table, uint32_t id)
{
    struct thing *thing = find(table, id);

    if (!thing)
        g_error("the device names %s %u, which there is not",
                table == fake.contexts ? "context" : "resource", id);
    return thing;
}

static struct thing *add(GHashTable *table, uint32_t id)
{
    struct thing *thing = g_new0(struct thing, 1);

    g_assert_cmpuint(id, !=, 0);
    g_assert_null(find(table, id));
    thing->id = id;
    g_hash_table_insert(table, GUINT_TO_POINTER(id), thing);
    return thing;
}

static void thing_free(void *opaque)
{
    struct thing *thing = opaque;

    free(thing->memory);
    g_free(thing);
}

/* An operation that is about one resource, or one context, and checks no more. */
static uint32_t simple(enum fake_op op, GHashTable *table, uint32_t id)
{
    uint32_t result;

    MUTEX_GUARD(&fake.lock);
    result = enter(op);
    (void)must_find(table, id); /* aborts */
    tell(op, id, 0);
    leave(op);
    return result;
}

/* ---- Resources ----------------------------------------------------------------------------- */

static uint32_t create(enum fake_op op, uint32_t id)
{
    uint32_t result;

    MUTEX_GUARD(&fake.lock);
    result = enter(op);
    tell(op, id, 0);
    if (!result)
        (void)add(fake.resources, id);
    leave(op);
    return result;
}

static uint32_t create_2d(void *renderer UNUSED,
                          const struct virtio_gpu_resource_create_2d *request)
{
    return create(FAKE_CREATE_2D, request->resource_id);
}

static uint32_t create_3d(void *renderer UNUSED,
                          const struct virtio_gpu_resource_create_3d *request)
{
    return create(FAKE_CREATE_3D, request->resource_id);
}

static uint32_t create_blob(void *renderer UNUSED,
                            const struct virtio_gpu_resource_create_blob *request,
                            struct iovec *iov UNUSED, unsigned nr_iov)
{
    struct thing *blob;
    uint32_t result;

    MUTEX_GUARD(&fake.lock);
    result = enter(FAKE_CREATE_BLOB);
    tell(FAKE_CREATE_BLOB, request->resource_id, 0);
    if (!result && request->size > BLOB_MAX)
        result = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    if (!result) {
        blob = add(fake.resources, request->resource_id);
        blob->size = request->size;
        blob->has_backing = nr_iov > 0;
        if (request->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST) {
            g_assert_cmpint(posix_memalign(&blob->memory, PAGE, request->size), ==, 0);
            memset(blob->memory, 0, request->size);
        }
    }
    leave(FAKE_CREATE_BLOB);
    return result;
}

static void resource_unref(void *renderer UNUSED, uint32_t id)
{
    const struct thing *thing;

    MUTEX_GUARD(&fake.lock);
    (void)enter(FAKE_UNREF); /* it cannot fail */
    tell(FAKE_UNREF, id, 0);
    thing = find(fake.resources, id); /* not where its creation has failed */
    if (thing && thing->is_mapped)
        g_error("the device frees resource %u while it is mapped", id);
    g_hash_table_remove(fake.resources, GUINT_TO_POINTER(id));
    leave(FAKE_UNREF);
}

static uint32_t attach_backing(void *renderer UNUSED, uint32_t id, struct iovec *iov,
                               unsigned nr_iov)
{
    struct thing *thing;
    uint32_t result;

    MUTEX_GUARD(&fake.lock);
    result = enter(FAKE_ATTACH_BACKING);
    tell(FAKE_ATTACH_BACKING, id, 0);
    thing = must_find(fake.resources, id);
    g_assert_false(thing->has_backing);
    thing->has_backing = !result;
    thing->iov = result || nr_iov == 0 ? NULL : iov;
    leave(FAKE_ATTACH_BACKING);
    return result;
}

static void detach_backing(void *renderer UNUSED, uint32_t id)
{
    struct thing *thing;

    MUTEX_GUARD(&fake.lock);
    (void)enter(FAKE_DETACH_BACKING);
    tell(FAKE_DETACH_BACKING, id, 0);
    thing = find(fake.resources, id);
    if (thing) {
        thing->has_backing = false;
        thing->iov = NULL;
    }
    leave(FAKE_DETACH_BACKING);
}

static uint32_t to_host_2d(void *renderer UNUSED,
                           const struct virtio_gpu_transfer_to_host_2d *request)
{
    return simple(FAKE_TO_HOST, fake.resources, request->resource_id);
}

static uint32_t to_host_3d(void *renderer UNUSED, const struct virtio_gpu_transfer_host_3d *request)
{
    return simple(FAKE_TO_HOST, fake.resources, request->resource_id);
}

static uint32_t from_host_3d(void *renderer UNUSED,
                             const struct virtio_gpu_transfer_host_3d *request)
{
    return simple(FAKE_FROM_HOST, fake.resources, request->resource_id);
}

/* All of a picture is its resource's number. */
static uint32_t read_picture(void *renderer UNUSED, const struct renderer_picture *picture)
{
    uint32_t result = simple(FAKE_READ, fake.resources, picture->resource);

    for (uint32_t y = 0; y < picture->height && !result; y++) {
        for (uint32_t x = 0; x < picture->width; x++)
            picture->pixels[y * (picture->stride / 4) + x] = 0xff000000 | picture->resource;
    }
    return result;
}

/* ---- Contexts ------------------------------------------------------------------------------ */

static uint32_t context_create(void *renderer UNUSED, const struct virtio_gpu_ctx_create *request)
{
    uint32_t result;

    MUTEX_GUARD(&fake.lock);
    result = enter(FAKE_CONTEXT_CREATE);
    tell(FAKE_CONTEXT_CREATE, request->hdr.ctx_id, 0);
    if (!result)
        (void)add(fake.contexts, request->hdr.ctx_id);
    leave(FAKE_CONTEXT_CREATE);
    return result;
}

static void context_destroy(void *renderer UNUSED, uint32_t context)
{
    MUTEX_GUARD(&fake.lock);
    (void)enter(FAKE_CONTEXT_DESTROY);
    tell(FAKE_CONTEXT_DESTROY, context, 0);
    g_hash_table_remove(fake.contexts, GUINT_TO_POINTER(context)); /* perhaps it had failed */
    for (unsigned i = 0; i < fake.fences->len; i++) {
        struct fence *fence = &g_array_index(fake.fences, struct fence, i);

        if (!fence->timeline.is_global && fence->timeline.context == context)
            fence->may_pass = true;
    }
    leave(FAKE_CONTEXT_DESTROY);
}

static void attach_or_detach(enum fake_op op, uint32_t context, uint32_t resource)
{
    MUTEX_GUARD(&fake.lock);
    (void)enter(op);
    tell(op, context, resource);
    leave(op);
}

static void context_attach(void *renderer UNUSED, uint32_t context, uint32_t resource)
{
    attach_or_detach(FAKE_CONTEXT_ATTACH, context, resource);
}

static void context_detach(void *renderer UNUSED, uint32_t context, uint32_t resource)
{
    attach_or_detach(FAKE_CONTEXT_DETACH, context, resource);
}

static uint32_t run_stream(uint32_t context, const uint32_t *words, uint32_t nr_words)
{
    uint32_t result;

    MUTEX_GUARD(&fake.lock);
    result = enter(FAKE_SUBMIT);
    tell(FAKE_SUBMIT, context, 0);
    fake.last_submit = nr_words ? words[0] : 0;
    leave(FAKE_SUBMIT);
    if (result)
        return result;
    return fake.last_submit >= VIRTIO_GPU_RESP_ERR_UNSPEC &&
                   fake.last_submit <= VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
               ? fake.last_submit
               : 0;
}

static const struct iovec *backing_of(uint32_t resource)
{
    const struct thing *thing;

    MUTEX_GUARD(&fake.lock);
    thing = find(fake.resources, resource);
    return thing ? thing->iov : NULL;
}

static uint32_t submit(void *renderer UNUSED, uint32_t context, uint32_t *words, uint32_t nr_words)
{
    const struct renderer_host *host = &fake.host;
    const struct iovec *iov = nr_words == 2 && *words == FAKE_WRITES ? backing_of(words[1]) : NULL;
    uint32_t result;

    if (!iov)
        return run_stream(context, words, nr_words);
    if (!host->begin_writing(host->opaque))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    result = run_stream(context, words, nr_words);
    memset(iov->iov_base, 0x77, 1);
    host->written(host->opaque, iov);
    host->end_writing(host->opaque);
    return result;
}

/* ---- The window ---------------------------------------------------------------------------- */

static uint32_t map(void *renderer UNUSED, uint32_t id, uint64_t size, void **ret_host,
                    uint32_t *ret_map_info)
{
    struct thing *blob;
    uint32_t result;

    MUTEX_GUARD(&fake.lock);
    result = enter(FAKE_MAP);
    tell(FAKE_MAP, id, 0);
    blob = must_find(fake.resources, id);
    g_assert_false(blob->is_mapped);
    if (!result && (!blob->memory || blob->size < size))
        result = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (!result) {
        blob->is_mapped = true;
        *ret_host = blob->memory;
        *ret_map_info = MAP_CACHED;
    }
    leave(FAKE_MAP);
    return result;
}

static void unmap(void *renderer UNUSED, uint32_t id)
{
    struct thing *blob;

    MUTEX_GUARD(&fake.lock);
    (void)enter(FAKE_UNMAP);
    tell(FAKE_UNMAP, id, 0);
    blob = must_find(fake.resources, id);
    if (!blob->is_mapped)
        g_error("the device unmaps resource %u, which is not mapped", id);
    blob->is_mapped = false;
    leave(FAKE_UNMAP);
}

/* ---- Fences -------------------------------------------------------------------------------- */

static void wake_for_fences(void)
{
    const uint64_t one = 1;

    g_assert_cmpint(write(fake.fd, &one, sizeof(one)), ==, sizeof(one));
}

static bool fence(void *renderer UNUSED, const struct timeline_id *timeline, uint64_t number)
{
    MUTEX_GUARD(&fake.lock);
    if (enter(FAKE_FENCE))
        return false;
    g_array_append_val(fake.fences, ((struct fence){ *timeline, number, !fake.holds_fences }));
    leave(FAKE_FENCE);
    return true;
}

static bool is_same(const struct timeline_id *a, const struct timeline_id *b)
{
    if (a->is_global || b->is_global)
        return a->is_global && b->is_global;
    return a->context == b->context && a->ring == b->ring;
}

static bool take_passed(struct fence *ret_fence)
{
    MUTEX_GUARD(&fake.lock);
    for (unsigned i = 0; i < fake.fences->len; i++) {
        *ret_fence = g_array_index(fake.fences, struct fence, i);
        if (!ret_fence->may_pass)
            continue;
        g_array_remove_index(fake.fences, i);
        return true;
    }
    return false;
}

static void poll_fences(void *renderer UNUSED)
{
    struct fence passed;
    uint64_t number;

    if (read(fake.fd, &number, sizeof(number)) < 0)
        number = 0; /* there was nothing to read: it is called after work, too */
    while (take_passed(&passed))
        fake.host.fence_passed(fake.host.opaque, &passed.timeline, passed.number);
}

static unsigned get_fds(void *renderer UNUSED, struct pollfd ret_fds[RENDERER_FDS_MAX])
{
    ret_fds[0] = (struct pollfd){ .fd = fake.fd, .events = POLLIN };
    return 1;
}

/* ---- From start to stop -------------------------------------------------------------------- */

static bool start(const struct renderer_host *host, bool want_venus UNUSED, void **ret_renderer,
                  struct renderer_caps *ret_caps, GError **error UNUSED)
{
    static uint8_t bytes[2][64];

    MUTEX_GUARD(&fake.lock);
    g_assert_false(fake.is_started);
    fake.is_started = true;
    fake.host = *host;
    fake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert_cmpint(fake.fd, >=, 0);
    fake.resources = g_hash_table_new_full(NULL, NULL, NULL, thing_free);
    fake.contexts = g_hash_table_new_full(NULL, NULL, NULL, thing_free);
    fake.fences = g_array_new(false, false, sizeof(struct fence));
    fake.log = g_string_new(NULL);
    fake.stands_at = NR_FAKE_OPS;
    memset(fake.is_held, 0, sizeof(fake.is_held));
    memset(fake.next_result, 0, sizeof(fake.next_result));
    memset(fake.counts, 0, sizeof(fake.counts));
    fake.holds_fences = false;
    memset(bytes[0], 0x11, sizeof(bytes[0]));
    memset(bytes[1], 0x22, sizeof(bytes[1]));
    *ret_caps = (struct renderer_caps){
        .name = "fake",
        .nr_capsets = 2,
        .capsets = { { CAPSET_VIRGL, 1, sizeof(bytes[0]), bytes[0] },
                     { CAPSET_VIRGL2, 2, sizeof(bytes[1]), bytes[1] } },
        .has_gl = true,
    };
    *ret_renderer = &fake;
    return true;
}

static void stop(void *renderer UNUSED)
{
    MUTEX_GUARD(&fake.lock);
    g_assert_cmpuint(g_hash_table_size(fake.resources), ==, 0);
    g_assert_cmpuint(g_hash_table_size(fake.contexts), ==, 0);
    g_hash_table_destroy(fake.resources);
    g_hash_table_destroy(fake.contexts);
    g_array_free(fake.fences, true);
    g_string_free(fake.log, true);
    close(fake.fd);
    fake.is_started = false;
}

const struct renderer_ops fake_renderer = {
    .name = "fake",
    .start = start,
    .stop = stop,
    .create_2d = create_2d,
    .create_3d = create_3d,
    .create_blob = create_blob,
    .resource_unref = resource_unref,
    .attach_backing = attach_backing,
    .detach_backing = detach_backing,
    .to_host_2d = to_host_2d,
    .to_host_3d = to_host_3d,
    .from_host_3d = from_host_3d,
    .read = read_picture,
    .context_create = context_create,
    .context_destroy = context_destroy,
    .context_attach = context_attach,
    .context_detach = context_detach,
    .submit = submit,
    .map = map,
    .unmap = unmap,
    .fence = fence,
    .get_fds = get_fds,
    .poll = poll_fences,
};

/* ---- The test's side ----------------------------------------------------------------------- */

void fake_hold(enum fake_op op)
{
    MUTEX_GUARD(&fake.lock);
    fake.is_held[op] = true;
}

void fake_wait_until_held(enum fake_op op)
{
    bql_unlock();
    WITH_MUTEX (&fake.lock) {
        g_assert_true(fake.is_held[op]);
        while (fake.stands_at != op)
            wait_for_change();
    }
    bql_lock();
}

void fake_let_go(void)
{
    MUTEX_GUARD(&fake.lock);
    memset(fake.is_held, 0, sizeof(fake.is_held));
    condition_broadcast(&fake.changed);
}

void fake_fail_next(enum fake_op op, uint32_t result)
{
    MUTEX_GUARD(&fake.lock);
    fake.next_result[op] = result;
}

void fake_hold_fences(void)
{
    MUTEX_GUARD(&fake.lock);
    fake.holds_fences = true;
}

/* Lets the oldest one go that is held. False: there is none. */
static bool pass_one(const struct timeline_id *timeline) REQUIRES(fake.lock)
{
    for (unsigned i = 0; i < fake.fences->len; i++) {
        struct fence *fence = &g_array_index(fake.fences, struct fence, i);

        if (fence->may_pass || !is_same(&fence->timeline, timeline))
            continue;
        fence->may_pass = true;
        return true;
    }
    return false;
}

void fake_pass_fences(const struct timeline_id *timeline, unsigned nr)
{
    bql_unlock();
    WITH_MUTEX (&fake.lock) {
        for (; nr > 0; nr--) {
            while (!pass_one(timeline))
                wait_for_change();
        }
        wake_for_fences();
    }
    bql_lock();
}

void fake_let_fences_go(void)
{
    MUTEX_GUARD(&fake.lock);
    fake.holds_fences = false;
    for (unsigned i = 0; i < fake.fences->len; i++)
        g_array_index(fake.fences, struct fence, i).may_pass = true;
    wake_for_fences();
}

char *fake_take_log(void)
{
    char *text;

    MUTEX_GUARD(&fake.lock);
    text = g_strdup(fake.log->str);
    g_string_truncate(fake.log, 0);
    return text;
}

unsigned fake_count(enum fake_op op)
{
    MUTEX_GUARD(&fake.lock);
    return fake.counts[op];
}

void fake_wait_for(enum fake_op op, unsigned count)
{
    bql_unlock();
    WITH_MUTEX (&fake.lock) {
        while (fake.counts[op] < count)
            wait_for_change();
    }
    bql_lock();
}

void *fake_memory(uint32_t resource)
{
    const struct thing *thing;

    MUTEX_GUARD(&fake.lock);
    thing = find(fake.resources, resource);
    return thing ? thing->memory : NULL;
}

bool fake_is_mapped(uint32_t resource)
{
    const struct thing *thing;

    MUTEX_GUARD(&fake.lock);
    thing = find(fake.resources, resource);
    return thing && thing->is_mapped;
}

uint32_t fake_last_submit(void)
{
    MUTEX_GUARD(&fake.lock);
    return fake.last_submit;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virglrenderer from nothing to capsets, and back; and what it calls for GL contexts. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <virglrenderer.h>

#include "hw/gpu/egl.h"
#include "hw/gpu/virgl.h"
#include "util/atomic.h"
#include "util/keyval.h"

/* One state for all: a second renderer would be given the first one's. */
static uint32_t is_taken; /* atomic */

/* ---- Messages of the library: a guest can cause most of them -----------------------------------
 */

static void log_message(const char *message)
{
    g_autofree char *line = g_strchomp(g_strdup(message)); /* old ones end in newlines */

    if (*line)
        LOG_RATELIMITED(log_virgl, "%s", line);
}

static void PRINTF_LIKE(1, 0) on_old_message(const char *format, va_list arguments)
{
    char message[512];

    if (!log_is_on(gpu))
        return;
    (void)vsnprintf(message, sizeof(message), format, arguments);
    log_message(message);
}

/* From 1.0 on; its level is an enum that 0.10's header does not have. */
static void on_message(int level UNUSED, const char *message, void *opaque UNUSED)
{
    if (log_is_on(gpu))
        log_message(message);
}

typedef void set_log_callback(void (*callback)(int, const char *, void *), void *opaque,
                              void (*free)(void *));

static void take_messages(void)
{
    set_log_callback *set = NULL;

    *(void **)&set = dlsym(RTLD_DEFAULT, "virgl_set_log_callback");
    if (set)
        set(on_message, NULL, NULL);
    else
        virgl_set_debug_callback(on_old_message);
}

static enum virgl_age find_age(void)
{
    if (dlsym(RTLD_DEFAULT, "virgl_renderer_resource_map_fixed"))
        return VIRGL_1_3;
    if (dlsym(RTLD_DEFAULT, "virgl_renderer_get_dev_fd"))
        return VIRGL_1_2;
    return dlsym(RTLD_DEFAULT, "virgl_set_log_callback") ? VIRGL_1_0 : VIRGL_0_10;
}

static const char *age_name(enum virgl_age age)
{
    static const char *const names[] = {
        [VIRGL_0_10] = "0.10",
        [VIRGL_1_0] = "1.0 or 1.1",
        [VIRGL_1_2] = "1.2",
        [VIRGL_1_3] = "1.3 or newer",
    };

    return names[age];
}

/* ---- Callbacks: GL contexts. On the render thread, and on the one that waits for fences --------
 */

static virgl_renderer_gl_context create_gl_context(void *cookie, int scanout UNUSED,
                                                   struct virgl_renderer_gl_ctx_param *param)
{
    const struct virgl *virgl = cookie;

    /* They ask for OpenGL 4.6 first, and then for less. All share with our first one. */
    return egl_context_new(virgl->egl, NULL, param->major_ver, param->minor_ver);
}

static void destroy_gl_context(void *cookie, virgl_renderer_gl_context context)
{
    const struct virgl *virgl = cookie;

    egl_context_free(virgl->egl, context); /* 0.10 gives NULL at its end */
}

static int make_current(void *cookie, int scanout UNUSED, virgl_renderer_gl_context context)
{
    const struct virgl *virgl = cookie;

    if (egl_make_current(virgl->egl, context))
        return 0;
    LOG_RATELIMITED(log_warn, "virgl: a GL context cannot be made current");
    return -EIO;
}

static void *get_egl_display(void *cookie)
{
    const struct virgl *virgl = cookie;

    return egl_display(virgl->egl);
}

/* The library keeps the pointer. */
static struct virgl_renderer_callbacks callbacks = {
    .version = VIRGL_RENDERER_CALLBACKS_VERSION,
    .write_fence = virgl_write_fence,
    .create_gl_context = create_gl_context,
    .destroy_gl_context = destroy_gl_context,
    .make_current = make_current,
    .write_context_fence = virgl_write_context_fence,
    .get_egl_display = get_egl_display,
};

/* ---- Capsets -----------------------------------------------------------------------------------
 */

/* The library tells sizes of what it does not have, too: who asks knows that it is there. */
static struct renderer_capset *add_capset(struct virgl *virgl, uint32_t id)
{
    struct renderer_capset *capset = &virgl->caps.capsets[virgl->caps.nr_capsets];

    *capset = (struct renderer_capset){ .id = id };
    virgl_renderer_get_cap_set(id, &capset->max_version, &capset->size);
    if (!capset->size)
        return NULL;
    capset->bytes = g_malloc0(capset->size);
    virgl_renderer_fill_caps(id, capset->max_version, capset->bytes);
    virgl->caps.nr_capsets++;
    return capset;
}

/* That of virgl2 has a side effect: before it, the library does not know how to tell the caching
 * of mapped memory. */
static bool add_capsets(struct virgl *virgl, GError **error)
{
    const struct renderer_capset *venus;

    if (!add_capset(virgl, CAPSET_VIRGL) || !add_capset(virgl, CAPSET_VIRGL2)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "virglrenderer has no capset");
        return false;
    }
    if (!virgl->has_venus)
        return true;
    venus = add_capset(virgl, CAPSET_VENUS);
    virgl->has_venus = venus && virgl_venus_is_good(venus);
    if (venus && !virgl->has_venus)
        g_free(virgl->caps.capsets[--virgl->caps.nr_capsets].bytes);
    return true;
}

/* ---- Start -------------------------------------------------------------------------------------
 */

static bool init_library(struct virgl *virgl, bool want_venus, GError **error)
{
    const int venus = VIRGL_RENDERER_VENUS | VIRGL_RENDERER_RENDER_SERVER;
    int result = -1;

    take_messages();
    virgl->has_venus = want_venus && virgl_venus_may_start(virgl->age);
    if (virgl->has_venus) {
        result = virgl_renderer_init(virgl, VIRGL_RENDERER_THREAD_SYNC | venus, &callbacks);
        if (result)
            log_warn("venus=on: virglrenderer does not start with it (error %d); OpenGL goes on "
                     "without it",
                     result);
    }
    if (result) {
        virgl->has_venus = false;
        result = virgl_renderer_init(virgl, VIRGL_RENDERER_THREAD_SYNC, &callbacks);
    }
    if (result)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "virglrenderer does not start: error %d; -d gpu may say why", result);
    return result == 0;
}

/* Without its thread, fences would have to be asked for again and again. */
static bool watch_fences(struct virgl *virgl, GError **error)
{
    const int fd = virgl_renderer_get_poll_fd();

    if (fd < 0)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "virglrenderer has no thread that waits for fences%s",
                    g_getenv("VIRGL_DISABLE_MT") ? ": VIRGL_DISABLE_MT is set" : "");
    else if (!virgl_watch(virgl, fd))
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "virglrenderer's fences cannot be watched: %s", g_strerror(errno));
    else
        return true;
    return false;
}

static void describe(struct virgl *virgl)
{
    g_autofree char *gl = egl_describe();

    virgl->name = g_strdup_printf("virglrenderer %s, %s", age_name(virgl->age), gl);
    virgl->caps.name = virgl->name;
    virgl->caps.has_gl = true;
}

static void log_features(const struct virgl *virgl)
{
    g_autoptr(GString) sizes = g_string_new(NULL);

    for (unsigned i = 0; i < virgl->caps.nr_capsets; i++) {
        const struct renderer_capset *capset = &virgl->caps.capsets[i];

        g_string_append_printf(sizes, "%s%u (version %u, %u bytes)", i ? ", " : "", capset->id,
                               capset->max_version, capset->size);
    }
    log_topic(gpu, "%s; capsets %s; built for %s; Venus: %s", virgl->name, sizes->str,
              VIRGL_BUILT_FOR, virgl->has_venus ? "yes" : "no");
}

static void close_all(struct virgl *virgl)
{
    for (unsigned i = 0; i < virgl->caps.nr_capsets; i++)
        g_free(virgl->caps.capsets[i].bytes);
    g_hash_table_destroy(virgl->contexts);
    g_hash_table_destroy(virgl->resources);
    g_hash_table_destroy(virgl->written);
    g_hash_table_destroy(virgl->query_results);
    g_queue_clear_full(&virgl->global, g_free);
    if (virgl->epoll_fd >= 0)
        close(virgl->epoll_fd);
    egl_close(virgl->egl);
    if (virgl->soft)
        renderer_2d.stop(virgl->soft);
    g_free(virgl->row);
    g_free(virgl->name);
    g_free(virgl);
    atomic_xchg(&is_taken, 0);
}

static bool start(struct virgl *virgl, bool want_venus, GError **error)
{
    struct renderer_caps soft_caps;

    if (!renderer_2d.start(virgl->host, false, &virgl->soft, &soft_caps, error))
        return false;
    if (virgl->epoll_fd < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "epoll_create1: %s",
                    g_strerror(errno));
        return false;
    }
    virgl->egl = egl_open(error);
    if (!virgl->egl)
        return false;
    describe(virgl);
    if (!init_library(virgl, want_venus, error))
        return false;
    if (watch_fences(virgl, error) && add_capsets(virgl, error))
        return true;
    virgl_renderer_cleanup(virgl);
    return false;
}

bool virgl_start(const struct renderer_host *host, bool want_venus, void **ret_renderer,
                 struct renderer_caps *ret_caps, GError **error)
{
    struct virgl *virgl;

    if (atomic_xchg(&is_taken, 1))
        return keyval_usage(error, "another device has OpenGL: virglrenderer serves one in a "
                                   "process");
    virgl = g_new0(struct virgl, 1);
    virgl->host = host;
    virgl->age = find_age();
    virgl->resources = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    virgl->contexts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    virgl->written = g_hash_table_new(NULL, NULL);
    virgl->query_results = g_hash_table_new(NULL, NULL);
    g_queue_init(&virgl->global);
    virgl->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!start(virgl, want_venus, error)) {
        close_all(virgl);
        return false;
    }
    log_features(virgl);
    *ret_caps = virgl->caps;
    *ret_renderer = virgl;
    return true;
}

/* ---- Stop --------------------------------------------------------------------------------------
 */

/* The device has let all of them go; what it forgot must not be found by the next renderer. */
static void let_go(struct virgl *virgl)
{
    GList *ids = g_hash_table_get_keys(virgl->contexts);

    for (GList *id = ids; id; id = id->next)
        virgl_context_destroy(virgl, GPOINTER_TO_UINT(id->data));
    g_list_free(ids);
    ids = g_hash_table_get_keys(virgl->resources);
    for (GList *id = ids; id; id = id->next)
        virgl_resource_unref(virgl, GPOINTER_TO_UINT(id->data));
    g_list_free(ids);
}

void virgl_stop(void *renderer)
{
    struct virgl *virgl = renderer;

    let_go(virgl);
    virgl_renderer_force_ctx_0();
    virgl_unwatch(virgl, virgl_renderer_get_poll_fd());
    virgl_renderer_cleanup(virgl);
    close_all(virgl);
}

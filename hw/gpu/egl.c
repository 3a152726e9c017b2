/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Through libepoxy, which loads libEGL when it is first asked, so a program that can do without GL
 * starts where there is none. It ends the process when a function is called that no provider has:
 * each one that is not in EGL 1.4 is asked for by its extension first.
 */
#include <epoxy/egl.h>
#include <epoxy/gl.h>

#include "hw/gpu/egl.h"

struct egl {
    EGLDisplay display;
    EGLConfig config;
    EGLContext first;
};

static const char *error_name(EGLint error)
{
    switch (error) {
    case EGL_SUCCESS:
        return "EGL_SUCCESS";
    case EGL_NOT_INITIALIZED:
        return "EGL_NOT_INITIALIZED";
    case EGL_BAD_ACCESS:
        return "EGL_BAD_ACCESS";
    case EGL_BAD_ALLOC:
        return "EGL_BAD_ALLOC";
    case EGL_BAD_ATTRIBUTE:
        return "EGL_BAD_ATTRIBUTE";
    case EGL_BAD_CONFIG:
        return "EGL_BAD_CONFIG";
    case EGL_BAD_MATCH:
        return "EGL_BAD_MATCH";
    case EGL_BAD_PARAMETER:
        return "EGL_BAD_PARAMETER";
    default:
        return "an error of its own";
    }
}

static bool fail(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "OpenGL: %s", what);
    return false;
}

static bool fail_call(GError **error, const char *call)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "OpenGL: %s fails with %s", call,
                error_name(eglGetError()));
    return false;
}

static bool open_display(struct egl *egl, GError **error)
{
    if (!epoxy_has_egl())
        return fail(error, "libEGL.so.1 cannot be loaded (Debian: libegl1, libegl-mesa0)");
    if (!epoxy_has_egl_extension(EGL_NO_DISPLAY, "EGL_EXT_platform_base") ||
        !epoxy_has_egl_extension(EGL_NO_DISPLAY, "EGL_MESA_platform_surfaceless"))
        return fail(error, "EGL has no surfaceless platform (EGL_MESA_platform_surfaceless; "
                           "Debian: libegl-mesa0)");
    /* Not eglGetPlatformDisplay: libepoxy looks for it in displays, of which there is none yet. */
    egl->display =
        eglGetPlatformDisplayEXT(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
    if (egl->display == EGL_NO_DISPLAY)
        return fail(error, "EGL has no surfaceless display");
    if (!eglInitialize(egl->display, NULL, NULL)) {
        egl->display = EGL_NO_DISPLAY;
        return fail_call(error, "eglInitialize() of the surfaceless display (no driver? Debian: "
                                "libgl1-mesa-dri)");
    }
    if (!epoxy_has_egl_extension(egl->display, "EGL_KHR_surfaceless_context") ||
        !epoxy_has_egl_extension(egl->display, "EGL_KHR_create_context"))
        return fail(error, "EGL lacks EGL_KHR_surfaceless_context or EGL_KHR_create_context");
    return true;
}

static bool choose_config(struct egl *egl, GError **error)
{
    static const EGLint wanted[] = {
        EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_NONE,
    };
    EGLint nr_configs = 0;

    if (eglChooseConfig(egl->display, wanted, &egl->config, 1, &nr_configs) && nr_configs > 0)
        return true;
    if (!epoxy_has_egl_extension(egl->display, "EGL_KHR_no_config_context"))
        return fail(error, "EGL has no configuration for OpenGL");
    egl->config = NULL;
    return true;
}

static bool open_all(struct egl *egl, GError **error)
{
    if (!open_display(egl, error) || !choose_config(egl, error))
        return false;
    egl->first = egl_context_new(egl, NULL, 3, 2);
    if (!egl->first)
        return fail_call(error, "eglCreateContext() for OpenGL 3.2 core");
    if (!egl_make_current(egl, egl->first))
        return fail_call(error, "eglMakeCurrent() without a surface");
    return true;
}

struct egl *egl_open(GError **error)
{
    struct egl *egl = g_new0(struct egl, 1);

    egl->display = EGL_NO_DISPLAY;
    if (open_all(egl, error))
        return egl;
    egl_close(egl);
    return NULL;
}

/* The display stays initialized, as there is one for the process: eglTerminate() would unload the
 * driver and its compiler, which keep memory that is found again when they are still there. */
void egl_close(struct egl *egl)
{
    if (!egl)
        return;
    if (egl->display != EGL_NO_DISPLAY) {
        egl_make_current(egl, NULL);
        egl_context_free(egl, egl->first);
        eglReleaseThread();
    }
    g_free(egl);
}

void *egl_display(struct egl *egl)
{
    return egl->display;
}

void *egl_context_new(struct egl *egl, void *share, int major, int minor)
{
    const EGLint wanted[] = {
        EGL_CONTEXT_MAJOR_VERSION_KHR,
        major,
        EGL_CONTEXT_MINOR_VERSION_KHR,
        minor,
        EGL_CONTEXT_OPENGL_PROFILE_MASK_KHR,
        EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT_KHR,
        EGL_NONE,
    };

    /* It is the thread's, and OpenGL ES in a new one. */
    if (!eglBindAPI(EGL_OPENGL_API))
        return NULL;
    return eglCreateContext(egl->display, egl->config, share ? share : egl->first, wanted);
}

void egl_context_free(struct egl *egl, void *context)
{
    if (context)
        eglDestroyContext(egl->display, context);
}

bool egl_make_current(struct egl *egl, void *context)
{
    return eglMakeCurrent(egl->display, EGL_NO_SURFACE, EGL_NO_SURFACE,
                          context ? context : EGL_NO_CONTEXT);
}

char *egl_describe(void)
{
    const char *version = (const char *)glGetString(GL_VERSION);
    const char *renderer = (const char *)glGetString(GL_RENDERER);

    return g_strdup_printf("OpenGL %s, %s", version ? version : "?", renderer ? renderer : "?");
}

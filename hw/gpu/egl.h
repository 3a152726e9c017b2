/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenGL without a window system: EGL on Mesa's surfaceless platform, which needs neither a GPU
 * nor a display server. One display, and contexts that share their objects.
 *
 * Threads: a context is current in at most one; all functions are callable from any.
 */
#ifndef HW_GPU_EGL_H
#define HW_GPU_EGL_H

#include <glib.h>
#include <stdbool.h>

#include "util/annotate.h"

struct egl;

void egl_close(struct egl *egl);
/** With a core context of its own current in the calling thread. The error names what is missing.
 */
struct egl *egl_open(GError **error) OWNED_BY(egl_close);

/** The EGLDisplay. */
void *egl_display(struct egl *egl);

/** An EGLContext of that OpenGL version, sharing with @share (NULL: the first one). NULL: not here.
 */
void *egl_context_new(struct egl *egl, void *share, int major, int minor) MUST_CHECK;
void egl_context_free(struct egl *egl, void *context); /* NULL is fine */

/** NULL: none. False: it is current elsewhere, or gone. */
bool egl_make_current(struct egl *egl, void *context);

/** Of the current context: "OpenGL 4.5 (Core Profile) Mesa 22.3.6, llvmpipe (…)". For g_free(). */
char *egl_describe(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "draw.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <fcntl.h>
#include <gbm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct draw_gl draw_gl;

void draw_fail(const char *what)
{
    fprintf(stderr, "failed: %s (EGL error 0x%x)\n", what, (unsigned)eglGetError());
    exit(1);
}

static void load(void)
{
#define LOAD(type, name)                                                                           \
    draw_gl.name = (type)eglGetProcAddress("gl" #name);                                            \
    if (!draw_gl.name) {                                                                           \
        draw_fail("no gl" #name);                                                                  \
    }
    DRAW_GL_FUNCTIONS(LOAD)
#undef LOAD
}

void draw_init(void)
{
    static const EGLint attributes[] = {
        EGL_CONTEXT_MAJOR_VERSION,
        3,
        EGL_CONTEXT_MINOR_VERSION,
        2,
        EGL_CONTEXT_OPENGL_PROFILE_MASK,
        EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT,
        EGL_NONE,
    };
    const int fd = open(RENDER_NODE, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        draw_fail("opening " RENDER_NODE);
    }
    struct gbm_device *device = gbm_create_device(fd);
    if (!device) {
        draw_fail("gbm_create_device");
    }
    EGLDisplay display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, device, NULL);
    if (!eglInitialize(display, NULL, NULL)) {
        draw_fail("eglInitialize");
    }
    if (!eglBindAPI(EGL_OPENGL_API)) {
        draw_fail("eglBindAPI");
    }
    EGLContext context = eglCreateContext(display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
    if (!context) {
        draw_fail("eglCreateContext");
    }
    if (!eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context)) {
        draw_fail("eglMakeCurrent");
    }
    load();
}

int draw_has(const char *name)
{
    GLint nr = 0;
    draw_gl.GetIntegerv(GL_NUM_EXTENSIONS, &nr);
    for (GLint i = 0; i < nr; i++) {
        if (!strcmp((const char *)draw_gl.GetStringi(GL_EXTENSIONS, (GLuint)i), name)) {
            return 1;
        }
    }
    return 0;
}

static void attach(GLuint program, GLenum stage, const char *source)
{
    const GLuint shader = draw_gl.CreateShader(stage);
    draw_gl.ShaderSource(shader, 1, &source, NULL);
    draw_gl.CompileShader(shader);
    draw_gl.AttachShader(program, shader);
}

GLuint draw_program(const char *vertex, const char *fragment, const char *const *captured,
                    int nr_captured)
{
    const GLuint program = draw_gl.CreateProgram();
    attach(program, GL_VERTEX_SHADER, vertex);
    if (fragment) {
        attach(program, GL_FRAGMENT_SHADER, fragment);
    }
    if (nr_captured > 0) {
        draw_gl.TransformFeedbackVaryings(program, nr_captured, captured, GL_SEPARATE_ATTRIBS);
    }
    draw_gl.LinkProgram(program);
    GLint is_linked = 0;
    draw_gl.GetProgramiv(program, GL_LINK_STATUS, &is_linked);
    if (!is_linked) {
        char log[1024];
        draw_gl.GetProgramInfoLog(program, sizeof(log), NULL, log);
        draw_fail(log);
    }
    return program;
}

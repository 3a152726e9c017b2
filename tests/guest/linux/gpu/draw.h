/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * OpenGL in a Linux guest without a window: a context on the first render node, through GBM and EGL
 * as any program of a desktop has it. Whatever fails ends the program with a message.
 */
#ifndef TESTS_GUEST_LINUX_GPU_DRAW_H
#define TESTS_GUEST_LINUX_GPU_DRAW_H

#include <GL/glcorearb.h>

#define RENDER_NODE "/dev/dri/renderD128"

/* Type and name of every function of GL that these programs call: draw_gl.Clear() and so on. */
#define DRAW_GL_FUNCTIONS(F)                                                                       \
    F(PFNGLATTACHSHADERPROC, AttachShader)                                                         \
    F(PFNGLBEGINTRANSFORMFEEDBACKPROC, BeginTransformFeedback)                                     \
    F(PFNGLBINDBUFFERPROC, BindBuffer)                                                             \
    F(PFNGLBINDBUFFERBASEPROC, BindBufferBase)                                                     \
    F(PFNGLBINDFRAMEBUFFERPROC, BindFramebuffer)                                                   \
    F(PFNGLBINDRENDERBUFFERPROC, BindRenderbuffer)                                                 \
    F(PFNGLBINDVERTEXARRAYPROC, BindVertexArray)                                                   \
    F(PFNGLBUFFERSTORAGEPROC, BufferStorage)                                                       \
    F(PFNGLCHECKFRAMEBUFFERSTATUSPROC, CheckFramebufferStatus)                                     \
    F(PFNGLCLEARPROC, Clear)                                                                       \
    F(PFNGLCLEARCOLORPROC, ClearColor)                                                             \
    F(PFNGLCLIENTWAITSYNCPROC, ClientWaitSync)                                                     \
    F(PFNGLCOMPILESHADERPROC, CompileShader)                                                       \
    F(PFNGLCREATEPROGRAMPROC, CreateProgram)                                                       \
    F(PFNGLCREATESHADERPROC, CreateShader)                                                         \
    F(PFNGLDELETEBUFFERSPROC, DeleteBuffers)                                                       \
    F(PFNGLDELETESYNCPROC, DeleteSync)                                                             \
    F(PFNGLDISABLEPROC, Disable)                                                                   \
    F(PFNGLDRAWARRAYSPROC, DrawArrays)                                                             \
    F(PFNGLENABLEPROC, Enable)                                                                     \
    F(PFNGLENABLEVERTEXATTRIBARRAYPROC, EnableVertexAttribArray)                                   \
    F(PFNGLENDTRANSFORMFEEDBACKPROC, EndTransformFeedback)                                         \
    F(PFNGLFENCESYNCPROC, FenceSync)                                                               \
    F(PFNGLFRAMEBUFFERRENDERBUFFERPROC, FramebufferRenderbuffer)                                   \
    F(PFNGLGENBUFFERSPROC, GenBuffers)                                                             \
    F(PFNGLGENFRAMEBUFFERSPROC, GenFramebuffers)                                                   \
    F(PFNGLGENRENDERBUFFERSPROC, GenRenderbuffers)                                                 \
    F(PFNGLGENVERTEXARRAYSPROC, GenVertexArrays)                                                   \
    F(PFNGLGETERRORPROC, GetError)                                                                 \
    F(PFNGLGETINTEGERVPROC, GetIntegerv)                                                           \
    F(PFNGLGETPROGRAMIVPROC, GetProgramiv)                                                         \
    F(PFNGLGETPROGRAMINFOLOGPROC, GetProgramInfoLog)                                               \
    F(PFNGLGETSTRINGPROC, GetString)                                                               \
    F(PFNGLGETSTRINGIPROC, GetStringi)                                                             \
    F(PFNGLGETUNIFORMLOCATIONPROC, GetUniformLocation)                                             \
    F(PFNGLLINKPROGRAMPROC, LinkProgram)                                                           \
    F(PFNGLMAPBUFFERRANGEPROC, MapBufferRange)                                                     \
    F(PFNGLREADPIXELSPROC, ReadPixels)                                                             \
    F(PFNGLRENDERBUFFERSTORAGEPROC, RenderbufferStorage)                                           \
    F(PFNGLSHADERSOURCEPROC, ShaderSource)                                                         \
    F(PFNGLTRANSFORMFEEDBACKVARYINGSPROC, TransformFeedbackVaryings)                               \
    F(PFNGLUNIFORM1IPROC, Uniform1i)                                                               \
    F(PFNGLUNIFORM4FPROC, Uniform4f)                                                               \
    F(PFNGLUNMAPBUFFERPROC, UnmapBuffer)                                                           \
    F(PFNGLUSEPROGRAMPROC, UseProgram)                                                             \
    F(PFNGLVERTEXATTRIBPOINTERPROC, VertexAttribPointer)                                           \
    F(PFNGLVIEWPORTPROC, Viewport)

#define DRAW_GL_MEMBER(type, name) type name;
struct draw_gl {
    DRAW_GL_FUNCTIONS(DRAW_GL_MEMBER)
};
extern struct draw_gl draw_gl;

/** A context of the newest core profile becomes current; draw_gl is filled. */
void draw_init(void);
/** Whether the context has the extension @name, written "GL_…". */
int draw_has(const char *name);
/** A program; @fragment may be NULL. @captured names what transform feedback keeps, each apart. */
GLuint draw_program(const char *vertex, const char *fragment, const char *const *captured,
                    int nr_captured);
/** Ends the program by a message; @what without a full stop. */
_Noreturn void draw_fail(const char *what) __attribute__((cold));

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What OpenGL there is on the render node: one JSON object. */
#include <stdio.h>

#include "draw.h"

int main(void)
{
    draw_init();
    GLint major = 0, minor = 0;
    draw_gl.GetIntegerv(GL_MAJOR_VERSION, &major);
    draw_gl.GetIntegerv(GL_MINOR_VERSION, &minor);
    printf("{\"renderer\":\"%s\",\"version\":\"%s\",\"major\":%d,\"minor\":%d,"
           "\"has_buffer_storage\":%s}\n",
           (const char *)draw_gl.GetString(GL_RENDERER),
           (const char *)draw_gl.GetString(GL_VERSION), major, minor,
           draw_has("GL_ARB_buffer_storage") ? "true" : "false");
    return 0;
}

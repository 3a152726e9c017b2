/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * persist FRAMES [SECONDS]
 *
 * FRAMES, or so many as are begun before SECONDS are over. Each frame makes four buffers that stay
 * mapped, has the GPU write them by transform feedback, checks through the mappings what it wrote,
 * draws by what is in one of them, checks each pixel, and deletes the four. Mesa keeps buffers of
 * other kinds for the next who wants one, and so hardly ever unmaps them. One JSON object says how
 * it went; status 0 if all was right.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "draw.h"

enum {
    NR_BUFFERS = 4,
    NR_VERTICES = 256,
    NR_CORNERS = 6, /* the first of them: two triangles */
    SIDE = 64,      /* of the image, in pixels */
    LANES = 4,      /* of a vector */
    BUFFER_BYTES = NR_VERTICES * LANES * (int)sizeof(float),
    TIMEOUT_S = 60,
};

#define FLAGS (GL_MAP_READ_BIT | GL_MAP_WRITE_BIT | GL_MAP_PERSISTENT_BIT | GL_MAP_COHERENT_BIT)
#define RED 0xff0000ffU
#define GREEN 0xff00ff00U

/* Integers below 2^24: exact as floats. */
static const char writer[] =
    "#version 430 core\n"
    "uniform int frame;\n"
    "out vec4 corner, by_one, by_two, by_three;\n"
    "void main() {\n"
    "    int i = gl_VertexID, c = i % 6;\n"
    "    bool is_right = c == 1 || c == 2 || c == 4;\n"
    "    bool is_top = c == 2 || c == 4 || c == 5;\n"
    "    float edge = float(1 + frame % 62) / 32.0 - 1.0;\n"
    "    corner = vec4(is_right ? edge : -1.0, is_top ? 1.0 : -1.0, 0.0, 1.0);\n"
    "    by_one = vec4(i + frame, i - frame, i, frame);\n"
    "    by_two = by_one * 2.0;\n"
    "    by_three = by_one * 3.0;\n"
    "}\n";
static const char *const written[NR_BUFFERS] = { "corner", "by_one", "by_two", "by_three" };

static const char placer[] = "#version 430 core\n"
                             "layout(location = 0) in vec4 corner;\n"
                             "void main() { gl_Position = corner; }\n";
static const char painter[] = "#version 430 core\n"
                              "out vec4 colour;\n"
                              "void main() { colour = vec4(1.0, 0.0, 0.0, 1.0); }\n";

static GLuint write_program, paint_program;
static GLint frame_place;
static unsigned nr_wrong_floats, nr_wrong_pixels, nr_gl_errors;

static void setup(void)
{
    GLuint array, frame_buffer, image;
    draw_gl.GenVertexArrays(1, &array);
    draw_gl.BindVertexArray(array);
    draw_gl.EnableVertexAttribArray(0);
    draw_gl.GenRenderbuffers(1, &image);
    draw_gl.BindRenderbuffer(GL_RENDERBUFFER, image);
    draw_gl.RenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8, SIDE, SIDE);
    draw_gl.GenFramebuffers(1, &frame_buffer);
    draw_gl.BindFramebuffer(GL_FRAMEBUFFER, frame_buffer);
    draw_gl.FramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, image);
    if (draw_gl.CheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
        draw_fail("an incomplete frame buffer");
    }
    draw_gl.Viewport(0, 0, SIDE, SIDE);
    draw_gl.ClearColor(0, 1, 0, 1);
    write_program = draw_program(writer, NULL, written, NR_BUFFERS);
    frame_place = draw_gl.GetUniformLocation(write_program, "frame");
    paint_program = draw_program(placer, painter, NULL, 0);
}

static void make(GLuint buffers[NR_BUFFERS], const float *maps[NR_BUFFERS])
{
    draw_gl.GenBuffers(NR_BUFFERS, buffers);
    for (int i = 0; i < NR_BUFFERS; i++) {
        /* the target decides what kind it is for Mesa */
        draw_gl.BindBuffer(GL_TRANSFORM_FEEDBACK_BUFFER, buffers[i]);
        draw_gl.BufferStorage(GL_TRANSFORM_FEEDBACK_BUFFER, BUFFER_BYTES, NULL, FLAGS);
        maps[i] = draw_gl.MapBufferRange(GL_TRANSFORM_FEEDBACK_BUFFER, 0, BUFFER_BYTES, FLAGS);
        if (!maps[i]) {
            draw_fail("mapping a buffer");
        }
        draw_gl.BindBufferBase(GL_TRANSFORM_FEEDBACK_BUFFER, (GLuint)i, buffers[i]);
    }
}

static void wait_for_gpu(void)
{
    const GLsync fence = draw_gl.FenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
    const GLenum how =
        draw_gl.ClientWaitSync(fence, GL_SYNC_FLUSH_COMMANDS_BIT, TIMEOUT_S * UINT64_C(1000000000));
    if (how != GL_ALREADY_SIGNALED && how != GL_CONDITION_SATISFIED) {
        draw_fail("a fence is not reached");
    }
    draw_gl.DeleteSync(fence);
}

static void let_write(int frame)
{
    draw_gl.UseProgram(write_program);
    draw_gl.Uniform1i(frame_place, frame);
    draw_gl.Enable(GL_RASTERIZER_DISCARD);
    draw_gl.BeginTransformFeedback(GL_POINTS);
    draw_gl.DrawArrays(GL_POINTS, 0, NR_VERTICES);
    draw_gl.EndTransformFeedback();
    draw_gl.Disable(GL_RASTERIZER_DISCARD);
    wait_for_gpu();
}

static void check_floats(int frame, const float *const maps[NR_BUFFERS])
{
    for (int i = 0; i < NR_VERTICES; i++) {
        const float expected[LANES] = { (float)(i + frame), (float)(i - frame), (float)i,
                                        (float)frame };
        for (int lane = 0; lane < LANES; lane++) {
            for (int times = 1; times < NR_BUFFERS; times++) {
                const float difference =
                    maps[times][i * LANES + lane] - expected[lane] * (float)times;
                nr_wrong_floats += !(difference > -0.5f && difference < 0.5f);
            }
        }
    }
}

static void draw_and_check(int frame, GLuint corners)
{
    static uint32_t pixels[SIDE * SIDE];
    draw_gl.Clear(GL_COLOR_BUFFER_BIT);
    draw_gl.UseProgram(paint_program);
    draw_gl.BindBuffer(GL_ARRAY_BUFFER, corners);
    draw_gl.VertexAttribPointer(0, LANES, GL_FLOAT, GL_FALSE, 0, NULL);
    draw_gl.DrawArrays(GL_TRIANGLES, 0, NR_CORNERS);
    draw_gl.ReadPixels(0, 0, SIDE, SIDE, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
    const int edge = 1 + frame % (SIDE - 2);
    for (int i = 0; i < SIDE * SIDE; i++) {
        nr_wrong_pixels += pixels[i] != (i % SIDE < edge ? RED : GREEN);
    }
}

static void discard(GLuint buffers[NR_BUFFERS])
{
    for (int i = 0; i < NR_BUFFERS; i++) {
        draw_gl.BindBuffer(GL_TRANSFORM_FEEDBACK_BUFFER, buffers[i]);
        if (!draw_gl.UnmapBuffer(GL_TRANSFORM_FEEDBACK_BUFFER)) {
            draw_fail("a buffer was lost");
        }
        draw_gl.BindBufferBase(GL_TRANSFORM_FEEDBACK_BUFFER, (GLuint)i, 0);
    }
    draw_gl.BindBuffer(GL_ARRAY_BUFFER, 0);
    draw_gl.DeleteBuffers(NR_BUFFERS, buffers);
    nr_gl_errors += draw_gl.GetError() != GL_NO_ERROR;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void draw_frame(int frame)
{
    GLuint buffers[NR_BUFFERS];
    const float *maps[NR_BUFFERS];
    make(buffers, maps);
    let_write(frame);
    check_floats(frame, maps);
    draw_and_check(frame, buffers[0]);
    discard(buffers);
}

int main(int argc, char **argv)
{
    const int most = argc >= 2 ? atoi(argv[1]) : 0;
    const double limit_s = argc == 3 ? atof(argv[2]) : (double)INFINITY;
    if (most < 1 || argc > 3 || !(limit_s > 0)) {
        fprintf(stderr, "usage: %s FRAMES [SECONDS]\n", argv[0]);
        return 2;
    }
    draw_init();
    setup();
    draw_frame(0); /* compiles what the others use */
    const double began = now_s();
    double seconds = 0;
    int nr_frames = 0;
    while (nr_frames < most && seconds < limit_s) {
        draw_frame(++nr_frames);
        seconds = now_s() - began;
    }
    const double fps = nr_frames / seconds;
    printf("{\"frames\":%d,\"buffers\":%d,\"fps\":%.1f,\"buffers_per_s\":%.1f,\"wrong_floats\":%u,"
           "\"wrong_pixels\":%u,\"gl_errors\":%u}\n",
           nr_frames, NR_BUFFERS * (nr_frames + 1), fps, NR_BUFFERS * fps, nr_wrong_floats,
           nr_wrong_pixels, nr_gl_errors);
    return nr_wrong_floats || nr_wrong_pixels || nr_gl_errors;
}

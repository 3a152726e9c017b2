/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A virtio-gpu without a machine: memory with a place for its window, screens, and a driver, who
 * sends messages (tests/gpu/message.h), several at a time, and waits for answers.
 *
 * Each answer is held to the specification when it comes: that there is one, that it has a
 * response's type, and the request's fence. It is seen when its interrupt has come, not before.
 *
 * Threads: the test's, under the BQL, which is the main loop's too.
 */
#ifndef TESTS_GPU_GPU_SCENE_H
#define TESTS_GPU_GPU_SCENE_H

#include "hw/display/display.h"
#include "hw/gpu/gpu.h"
#include "tests/gpu/message.h"
#include "tests/unit/virtio_guest.h"

enum {
    CALLS_MAX = GUEST_QUEUE_SIZE / 2, /* each has two descriptors */
    REQUEST_ROOM = 12288,             /* for a message, with its payload */
    CALL_ROOM = REQUEST_ROOM + RESPONSE_ROOM,
    SCENE_DATA = 4 << 20, /* from here on the test's, to GUEST_RAM */
};
#define SCENE_WINDOW (UINT64_C(1) << 36)

/* Not answered; the index is free once it has been waited for. */
struct call {
    bool is_used, is_answered;
    struct message message;
    uint16_t head;
    uint32_t written;
};

struct gpu_scene {
    struct guest guest; /* rings, memory, counts of interrupts */
    struct display *display;
    struct gpu *gpu;
    struct call calls[CALLS_MAX];
    struct deferred answers; /* an interrupt: the main loop has something to do */
    uint16_t told[2];        /* the used indices when the interrupts came; atomic */
    /* The last answer that was waited for. */
    uint32_t written;
    union {
        union gpu_response of;
        uint8_t bytes[RESPONSE_ROOM];
    } response;
};

/* All but the renderer is as a test may change it before gpu_scene_new(). 2D: has_gl is false. */
struct gpu_config scene_config(bool has_gl, uint64_t hostmem);

/* @renderer: a test's, or NULL: the one that @config says. With all features negotiated. */
struct gpu_scene *gpu_scene_new(const struct gpu_config *config,
                                const struct renderer_ops *renderer) REQUIRES(bql);
/* NULL and an error: there is no GL here, say. */
struct gpu_scene *gpu_scene_try(const struct gpu_config *config,
                                const struct renderer_ops *renderer, GError **error) REQUIRES(bql);
/* Unplugs it first, whatever it is doing. Checks that nothing is left. */
void gpu_scene_free(struct gpu_scene *scene) REQUIRES(bql);

/* @features: of its own; those of the queues are not negotiated. */
void scene_start(struct gpu_scene *scene, uint64_t features) REQUIRES(bql);
/* Writes 0 to the status; what was in flight is forgotten. */
void scene_begin_reset(struct gpu_scene *scene) REQUIRES(bql);
void scene_end_reset(struct gpu_scene *scene) REQUIRES(bql); /* waits until it reads 0 */
void scene_reset(struct gpu_scene *scene) REQUIRES(bql);     /* and starts again */

/* ---- Commands ------------------------------------------------------------------------------ */

/* Put it into the queue and ring. For finish(). */
unsigned post(struct gpu_scene *scene, struct message message) REQUIRES(bql);
/* Whether its answer is there, after what the main loop has to do now. */
bool is_answered(struct gpu_scene *scene, unsigned call) REQUIRES(bql);
/* Wait for the answer, which is then in scene->response. Returns its type; 0: it has no room. */
uint32_t finish(struct gpu_scene *scene, unsigned call) REQUIRES(bql);
/* Both. */
uint32_t ask(struct gpu_scene *scene, struct message message) REQUIRES(bql);
/* That must be good. */
void must(struct gpu_scene *scene, struct message message) REQUIRES(bql);

/* Turns of the main loop, until it has nothing more to do now. Other threads may be at work. */
void scene_run(struct gpu_scene *scene) REQUIRES(bql);
/* How many commands are not answered. */
unsigned scene_in_flight(struct gpu_scene *scene) REQUIRES(bql);

/* ---- Memory and screens -------------------------------------------------------------------- */

static inline struct virtio_gpu_mem_entry entry(uint64_t address, uint32_t length)
{
    return (struct virtio_gpu_mem_entry){ .addr = address, .length = length };
}

static inline struct virtio_gpu_rect rect_of(uint32_t x, uint32_t y, uint32_t width,
                                             uint32_t height)
{
    return (struct virtio_gpu_rect){ x, y, width, height };
}

/* Through the memory map, at an offset of the window. What nobody answers reads as all ones. */
uint32_t window_read(struct gpu_scene *scene, uint64_t offset) REQUIRES(bql);
void window_write(struct gpu_scene *scene, uint64_t offset, uint32_t value) REQUIRES(bql);

/* A 2D resource with its memory at @address, and what is in it taken over. */
void must_show(struct gpu_scene *scene, unsigned scanout, uint32_t id, uint64_t address,
               uint32_t width, uint32_t height) REQUIRES(bql);

/* Waits until the screen shows what was drawn; then its pixel, without alpha. */
uint32_t scene_pixel(struct gpu_scene *scene, unsigned scanout, unsigned x, unsigned y)
    REQUIRES(bql);

uint32_t scene_config_word(struct gpu_scene *scene, unsigned offset) REQUIRES(bql);

#endif

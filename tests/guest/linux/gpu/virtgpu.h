/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The Linux driver of virtio-gpu as programs have it, by its own calls and not through Mesa:
 * contexts, command streams, and buffers of the host that are mapped here. Whatever fails ends the
 * program with a message.
 */
#ifndef TESTS_GUEST_LINUX_GPU_VIRTGPU_H
#define TESTS_GUEST_LINUX_GPU_VIRTGPU_H

#include <stdint.h>

struct virtgpu_buffer {
    uint32_t handle, resource;
    uint64_t size;
    void *map; /* NULL: none */
};

/** A context of virgl of its own; close(2) destroys it. */
int virtgpu_open(void);
/** Submits a stream of @nr_words, and waits until the device has answered. */
void virtgpu_submit(int fd, const uint32_t *words, uint32_t nr_words);
/** The command that does nothing, fenced: the way through the device and back. */
void virtgpu_submit_nothing(int fd);
/** A buffer of the host, of @size bytes, that cannot be mapped. */
struct virtgpu_buffer virtgpu_make(int fd, uint64_t size);
/** Another, and its mapping, which the device has answered. */
struct virtgpu_buffer virtgpu_map(int fd, uint64_t size);
/** Gives up the handle. A buffer that is mapped here stays: only the context loses it. */
void virtgpu_close_handle(int fd, struct virtgpu_buffer *buffer);
/** Gives up the mapping, and with it, after virtgpu_close_handle(), the buffer. */
void virtgpu_unmap(struct virtgpu_buffer *buffer);
/** Ends the program by a message with errno. */
_Noreturn void virtgpu_fail(const char *what) __attribute__((cold));

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and structures are those of Linux 5.16 and newer (virtgpu_drm.h among the interfaces for
 * users); the copy that Debian 12 has beside libdrm is older. */
#include "virtgpu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/gpu/stream.h"

#define NODE "/dev/dri/renderD128"

enum {
    PARAM_CAPSET = 1,
    CAPSET_VIRGL2 = 2,
    EXEC_FENCE_FD_OUT = 2,
    BLOB_HOST3D = 2,
    BLOB_MAPPABLE = 1,
    CREATE_WORDS = 16,
    TIMEOUT_MS = 60000,
};

struct gem_close {
    uint32_t handle, pad;
};

struct map {
    uint64_t offset;
    uint32_t handle, pad;
};

struct execbuffer {
    uint32_t flags, size;
    uint64_t command, handles;
    uint32_t nr_handles;
    int32_t fence_fd;
};

struct create_blob {
    uint32_t memory, flags, handle, resource;
    uint64_t size;
    uint32_t pad, command_size;
    uint64_t command, blob_id;
};

struct set_param {
    uint64_t param, value;
};

struct context_init {
    uint32_t nr_params, pad;
    uint64_t params;
};

#define GEM_CLOSE _IOW('d', 0x09, struct gem_close)
#define MAP _IOWR('d', 0x41, struct map)
#define EXECBUFFER _IOWR('d', 0x42, struct execbuffer)
#define CREATE_BLOB _IOWR('d', 0x4a, struct create_blob)
#define CONTEXT_INIT _IOWR('d', 0x4b, struct context_init)

void virtgpu_fail(const char *what)
{
    fprintf(stderr, "failed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void call(int fd, unsigned long request, void *argument, const char *what)
{
    while (ioctl(fd, request, argument) < 0) {
        if (errno != EINTR && errno != EAGAIN) {
            virtgpu_fail(what);
        }
    }
}

int virtgpu_open(void)
{
    struct set_param capset = { .param = PARAM_CAPSET, .value = CAPSET_VIRGL2 };
    struct context_init init = { .nr_params = 1, .params = (uintptr_t)&capset };
    const int fd = open(NODE, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        virtgpu_fail(NODE);
    }
    call(fd, CONTEXT_INIT, &init, "making a context");
    return fd;
}

void virtgpu_submit(int fd, const uint32_t *words, uint32_t nr_words)
{
    struct execbuffer submit = {
        .flags = EXEC_FENCE_FD_OUT,
        .size = nr_words * 4,
        .command = (uintptr_t)words,
        .fence_fd = -1,
    };
    call(fd, EXECBUFFER, &submit, "submitting a stream");
    struct pollfd fence = { .fd = submit.fence_fd, .events = POLLIN };
    if (poll(&fence, 1, TIMEOUT_MS) != 1) {
        virtgpu_fail("waiting for a fence");
    }
    close(submit.fence_fd);
}

void virtgpu_submit_nothing(int fd)
{
    uint32_t words[1];
    struct stream stream;
    stream_init(&stream, words, 1);
    stream_nop(&stream);
    virtgpu_submit(fd, words, stream.nr_words);
}

static struct virtgpu_buffer make(int fd, uint64_t size, uint32_t flags)
{
    static uint32_t last_id;
    uint32_t words[CREATE_WORDS];
    struct stream stream;
    const uint32_t id = ++last_id;
    stream_init(&stream, words, CREATE_WORDS);
    stream_persistent_buffer(&stream, id, (uint32_t)size);
    struct create_blob create = {
        .memory = BLOB_HOST3D,
        .flags = flags,
        .size = size,
        .command_size = stream.nr_words * 4,
        .command = (uintptr_t)words,
        .blob_id = id,
    };
    call(fd, CREATE_BLOB, &create, "making a buffer");
    return (struct virtgpu_buffer){ create.handle, create.resource, size, NULL };
}

struct virtgpu_buffer virtgpu_make(int fd, uint64_t size)
{
    return make(fd, size, 0);
}

struct virtgpu_buffer virtgpu_map(int fd, uint64_t size)
{
    struct virtgpu_buffer buffer = make(fd, size, BLOB_MAPPABLE);
    struct map map = { .handle = buffer.handle };
    call(fd, MAP, &map, "asking where a buffer is");
    buffer.map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
    if (buffer.map == MAP_FAILED) {
        virtgpu_fail("mapping a buffer");
    }
    return buffer;
}

void virtgpu_close_handle(int fd, struct virtgpu_buffer *buffer)
{
    struct gem_close closed = { .handle = buffer->handle };
    call(fd, GEM_CLOSE, &closed, "closing a handle");
    buffer->handle = 0;
}

void virtgpu_unmap(struct virtgpu_buffer *buffer)
{
    if (munmap(buffer->map, buffer->size) < 0) {
        virtgpu_fail("unmapping a buffer");
    }
    buffer->map = NULL;
}

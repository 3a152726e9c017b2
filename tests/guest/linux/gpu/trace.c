/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtgpu.h"

#define TRACING "/sys/kernel/tracing/"

enum { MAX_PENDING = 256, FLAG_FENCE = 1, BUFFER_KIB = 16384 };

struct command {
    double when_us;
    unsigned long long fence;
    unsigned type, flags, seqno;
    int is_alone; /* no other without a fence was under way */
};

struct pending {
    struct command commands[MAX_PENDING];
    unsigned nr, nr_unfenced;
};

static void set(const char *name, const char *value)
{
    const int fd = open(name, O_WRONLY | O_TRUNC);
    const size_t size = strlen(value);
    if (fd < 0 || write(fd, value, size) != (ssize_t)size) {
        virtgpu_fail(name);
    }
    close(fd);
}

void trace_start(void)
{
    char size[16];
    snprintf(size, sizeof(size), "%d", BUFFER_KIB);
    set(TRACING "tracing_on", "0");
    set(TRACING "buffer_size_kb", size);
    set(TRACING "trace", "");
    set(TRACING "events/virtio_gpu/enable", "1");
    set(TRACING "tracing_on", "1");
}

/* A field of a line: unsigned, by its name with "=". */
static unsigned long long field(const char *line, const char *name, int base)
{
    const char *at = strstr(line, name);
    return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

/* "…  12.345678: virtio_gpu_cmd_queue: vdev=0 vq=0 name=control type=0x209 flags=0x0 fence_id=0
 * ctx_id=0 num_free=63 seqno=7": a command or an answer of the control queue, or not. */
static int parse(const char *line, const char *event, struct command *ret)
{
    const char *at = strstr(line, event);
    if (!at || !strstr(at, "name=control")) {
        return 0;
    }
    const char *time = at - 2; /* the colon */
    while (time > line && time[-1] != ' ') {
        time--;
    }
    *ret = (struct command){
        .when_us = strtod(time, NULL) * 1e6,
        .fence = field(at, "fence_id=", 10),
        .type = (unsigned)field(at, "type=", 16),
        .flags = (unsigned)field(at, "flags=", 16),
        .seqno = (unsigned)field(at, "seqno=", 10),
    };
    return 1;
}

static void begin(struct pending *pending, struct command *command)
{
    if (pending->nr == MAX_PENDING) {
        virtgpu_fail("more commands under way than there is room for");
    }
    if (!(command->flags & FLAG_FENCE)) {
        command->is_alone = pending->nr_unfenced == 0;
        pending->nr_unfenced++;
    }
    pending->commands[pending->nr++] = *command;
}

/* Which command @answer is for, or pending->nr. Without numbers, commands without a fence are taken
 * in their order: right where one was alone; UNREF, which waits for UNMAP, cannot overtake it. */
static unsigned find(const struct pending *pending, const struct command *answer, int has_seqno)
{
    for (unsigned i = 0; i < pending->nr; i++) {
        const struct command *command = &pending->commands[i];
        if (has_seqno ? command->seqno == answer->seqno
                      : (command->flags & FLAG_FENCE) == (answer->flags & FLAG_FENCE) &&
                            command->fence == answer->fence) {
            return i;
        }
    }
    return pending->nr;
}

static int end(struct pending *pending, unsigned at, struct command *ret)
{
    if (at == pending->nr) {
        return 0; /* it was under way before the trace began */
    }
    *ret = pending->commands[at];
    pending->nr_unfenced -= !(ret->flags & FLAG_FENCE);
    pending->nr--;
    memmove(&pending->commands[at], &pending->commands[at + 1],
            (pending->nr - at) * sizeof(pending->commands[0]));
    return 1;
}

unsigned trace_take(enum trace_command command, int is_fenced_only, struct samples *ret_samples)
{
    static struct pending pending;
    unsigned nr_dropped = 0;
    char line[512];
    set(TRACING "tracing_on", "0");
    FILE *file = fopen(TRACING "trace", "r");
    if (!file) {
        virtgpu_fail("reading the trace");
    }
    pending.nr = pending.nr_unfenced = 0;
    while (fgets(line, sizeof(line), file)) {
        struct command event, asked;
        if (parse(line, "virtio_gpu_cmd_queue:", &event)) {
            begin(&pending, &event);
        } else if (parse(line, "virtio_gpu_cmd_response:", &event)) {
            const int has_seqno = strstr(line, "seqno=") != NULL;
            if (!end(&pending, find(&pending, &event, has_seqno), &asked) ||
                asked.type != (unsigned)command ||
                (is_fenced_only && !(asked.flags & FLAG_FENCE))) {
                continue;
            }
            if (has_seqno || asked.is_alone || (asked.flags & FLAG_FENCE)) {
                samples_add(ret_samples, event.when_us - asked.when_us);
            } else {
                nr_dropped++;
            }
        }
    }
    fclose(file);
    return nr_dropped;
}

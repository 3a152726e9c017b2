/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe unmap|nothing|stall KIB COUNT [SECONDS]
 *
 * How long the device takes, as the driver sees it: for UNMAP_BLOB of a buffer of KIB KiB; for a
 * fenced command that does nothing; and for such a command of another context right behind an
 * unmap, by turns with one behind the end of a buffer that was not mapped. COUNT times, or until
 * SECONDS are over. One JSON object on a line.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "trace.h"
#include "virtgpu.h"

enum { PAGE = 4096, SETTLE_US = 200 };

static struct samples samples, others;
static double deadline_us = (double)INFINITY;

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Another round? */
static int goes_on(int done, int count)
{
    return done < count && (done == 0 || now_us() < deadline_us);
}

/* Until nothing of this program is under way: what its context has asked for is done, and answers
 * without a fence, which nothing here waits for, have had their time. */
static void settle(int fd)
{
    virtgpu_submit_nothing(fd);
    usleep(SETTLE_US);
}

/* Touched: all of it is there. Its handle is still open. */
static struct virtgpu_buffer prepare(int fd, uint64_t size)
{
    struct virtgpu_buffer buffer = virtgpu_map(fd, size);
    volatile unsigned char *bytes = buffer.map;
    for (uint64_t at = 0; at < size; at += PAGE) {
        bytes[at] = (unsigned char)(at / PAGE);
    }
    for (uint64_t at = 0; at < size; at += PAGE) {
        if (bytes[at] != (unsigned char)(at / PAGE)) {
            virtgpu_fail("a buffer does not hold what was written");
        }
    }
    settle(fd);
    return buffer;
}

static void unmap(int fd, uint64_t size, int count)
{
    trace_start();
    for (int i = 0; goes_on(i, count); i++) {
        struct virtgpu_buffer buffer = prepare(fd, size);
        virtgpu_close_handle(fd, &buffer);
        settle(fd); /* the context is detached: the unmap will be alone */
        virtgpu_unmap(&buffer);
        usleep(SETTLE_US);
        settle(fd);
    }
    const unsigned nr_dropped = trace_take(TRACE_UNMAP_BLOB, 0, &samples);
    samples_print(&samples);
    printf(",\"dropped\":%u", nr_dropped);
}

static void nothing(int fd, int count)
{
    trace_start();
    for (int i = 0; goes_on(i, count); i++) {
        usleep(SETTLE_US);
        virtgpu_submit_nothing(fd);
    }
    trace_take(TRACE_SUBMIT_3D, 1, &samples);
    samples_print(&samples);
}

/* So much memory, shared as a buffer's is, and touched. */
static void *map_pages(uint64_t size)
{
    void *pages =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (pages == MAP_FAILED) {
        virtgpu_fail("mmap");
    }
    return pages;
}

/* Microseconds that a command of @other takes behind the end of a buffer that was mapped (munmap,
 * then UNMAP and UNREF), or behind the same end of one that was not (munmap of other memory, then
 * DETACH and UNREF): what the guest itself has to do is in both. The other one ends afterwards. */
static double window(int fd, int other, uint64_t size, int is_behind_unmap)
{
    struct virtgpu_buffer plain = virtgpu_make(fd, size);
    struct virtgpu_buffer mapped = prepare(fd, size);
    void *pages = map_pages(size);
    virtgpu_close_handle(fd, &mapped);
    settle(fd);
    if (is_behind_unmap) {
        virtgpu_unmap(&mapped);
    } else {
        munmap(pages, size);
        virtgpu_close_handle(fd, &plain);
    }
    const double began = now_us();
    virtgpu_submit_nothing(other);
    const double took = now_us() - began;
    usleep(SETTLE_US);
    settle(fd);
    if (is_behind_unmap) {
        munmap(pages, size);
        virtgpu_close_handle(fd, &plain);
    } else {
        virtgpu_unmap(&mapped);
    }
    usleep(SETTLE_US);
    settle(fd);
    return took;
}

/* The geometric mean of the ratio in a pair, and its 95 % interval. */
static void print_ratio(int nr, double sum, double sum_squares)
{
    const double mean = sum / nr;
    const double deviation = sqrt(fmax(0, sum_squares / nr - mean * mean));
    const double half = 1.96 * deviation / sqrt(nr);
    printf("\"pairs\":%d,\"ratio\":%.4f,\"ratio_low\":%.4f,\"ratio_high\":%.4f", nr, exp(mean),
           exp(mean - half), exp(mean + half));
}

static void stall(int fd, uint64_t size, int count)
{
    const int other = virtgpu_open();
    double sum = 0, sum_squares = 0;
    int nr = 0;
    settle(other);
    for (; goes_on(nr, count); nr++) {
        const int is_first = nr % 2; /* which comes first must not matter */
        const double one = window(fd, other, size, is_first);
        const double two = window(fd, other, size, !is_first);
        const double with = is_first ? one : two, without = is_first ? two : one;
        const double ratio = log(with / without);
        samples_add(&samples, with);
        samples_add(&others, without);
        sum += ratio;
        sum_squares += ratio * ratio;
    }
    print_ratio(nr, sum, sum_squares);
    printf(",\"with\":{");
    samples_print(&samples);
    printf("},\"without\":{");
    samples_print(&others);
    printf("}");
    close(other);
}

int main(int argc, char **argv)
{
    const int kib = argc >= 4 ? atoi(argv[2]) : 0;
    const int count = argc >= 4 ? atoi(argv[3]) : 0;
    const double seconds = argc == 5 ? atof(argv[4]) : (double)INFINITY;
    if (kib < 4 || kib % 4 || count < 1 || argc > 5 || !(seconds > 0)) {
        fprintf(stderr, "usage: %s unmap|nothing|stall KIB COUNT [SECONDS]\n", argv[0]);
        return 2;
    }
    const int fd = virtgpu_open();
    const uint64_t size = (uint64_t)kib << 10;
    settle(fd);
    deadline_us = now_us() + seconds * 1e6;
    printf("{\"kib\":%d,", kib);
    if (!strcmp(argv[1], "unmap")) {
        unmap(fd, size, count);
    } else if (!strcmp(argv[1], "nothing")) {
        nothing(fd, count);
    } else if (!strcmp(argv[1], "stall")) {
        stall(fd, size, count);
    } else {
        fprintf(stderr, "probe: there is no \"%s\"\n", argv[1]);
        return 2;
    }
    printf("}\n");
    close(fd);
    return 0;
}

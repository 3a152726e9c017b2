/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to a disk. The system calls that workers make go through wrappers, which
 * can make them come short, be interrupted, fail or be unsupported.
 */
#include <sched.h>
#include <string.h>

#include <sys/stat.h>

#include "tests/unit/disk_scene.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/start.h"

enum { MIB = 1 << 20, MANY = 40 };

/* ---- Between the workers and the system -------------------------------------------------- */

/* All atomic. */
static struct {
    unsigned interrupted; /* that many next calls end by EINTR */
    unsigned bytes_max;   /* of a transfer; 0: all */
    int transfer_error;   /* of each call that would move data */
    int flush_error;      /* of the next fdatasync() */
    bool is_error_slow;   /* error_gate is between that and its return */
    int fallocate_error;  /* of each fallocate() */
    bool has_no_threads;
    unsigned nr_flushes;   /* fdatasync() calls */
    unsigned nr_transfers; /* calls that moved data */
} host;

static struct event flush_gate; /* fdatasync() waits for it */
static struct event error_gate; /* a failing one does at its end */

static void host_reset(void)
{
    memset(&host, 0, sizeof(host)); /* no worker is busy */
}

/* Whether the call ends with errno instead. */
static bool is_interrupted(void)
{
    unsigned left = load_relaxed(&host.interrupted);

    while (left > 0) {
        if (atomic_cas(&host.interrupted, &left, left - 1)) {
            errno = EINTR;
            return true;
        }
    }
    return false;
}

static bool is_failing(void)
{
    int error = load_relaxed(&host.transfer_error);

    if (error)
        errno = error;
    return error;
}

/* The first of @nr pieces, cut, if the call is to come short. */
static int cut(const struct iovec *iov, int nr, struct iovec *ret_first)
{
    unsigned bytes_max = load_relaxed(&host.bytes_max);

    fetch_add_relaxed(&host.nr_transfers, 1);
    *ret_first = iov[0];
    if (bytes_max == 0)
        return nr;
    ret_first->iov_len = MIN(ret_first->iov_len, bytes_max);
    return 1;
}

ssize_t __real_preadv64(int fd, const struct iovec *iov, int nr, off_t offset);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int nr, off_t offset);
ssize_t __real_pwritev64(int fd, const struct iovec *iov, int nr, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int nr, off_t offset);
ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset);
int __real_fallocate64(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t size);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int nr, off_t offset)
{
    struct iovec first;

    if (is_interrupted() || is_failing())
        return -1;
    nr = cut(iov, nr, &first);
    return __real_preadv64(fd, nr == 1 ? &first : iov, nr, offset);
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int nr, off_t offset)
{
    struct iovec first;

    if (is_interrupted() || is_failing())
        return -1;
    nr = cut(iov, nr, &first);
    return __real_pwritev64(fd, nr == 1 ? &first : iov, nr, offset);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    unsigned bytes_max = load_relaxed(&host.bytes_max);

    if (is_interrupted() || is_failing())
        return -1;
    fetch_add_relaxed(&host.nr_transfers, 1);
    return __real_pwrite64(fd, data, bytes_max ? MIN(size, bytes_max) : size, offset);
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t size)
{
    int error = load_relaxed(&host.fallocate_error);

    if (is_interrupted())
        return -1;
    if (error == 0)
        return __real_fallocate64(fd, mode, offset, size);
    errno = error;
    return -1;
}

int __wrap_fdatasync(int fd)
{
    int error;

    event_wait(&flush_gate);
    if (is_interrupted())
        return -1;
    fetch_add_relaxed(&host.nr_flushes, 1);
    error = atomic_xchg(&host.flush_error, 0);
    if (error == 0)
        return __real_fdatasync(fd);
    if (load_relaxed(&host.is_error_slow))
        event_wait(&error_gate);
    errno = error;
    return -1;
}

struct thread *__real_thread_start(const char *name, void (*fn)(void *arg), void *arg);
struct thread *__wrap_thread_start(const char *name, void (*fn)(void *arg), void *arg);

struct thread *__wrap_thread_start(const char *name, void (*fn)(void *arg), void *arg)
{
    errno = EAGAIN;
    return host.has_no_threads ? NULL : __real_thread_start(name, fn, arg);
}

/* ---- Requests ---------------------------------------------------------------------------- */

struct wanted {
    struct disk_request request;
    struct iovec iov;
    bool is_done;
    int result;
};

static void note(struct disk_request *request, int result)
{
    struct wanted *wanted = container_of(request, struct wanted, request);

    bql_assert_held();
    g_assert_true(loop_is_mine());
    g_assert_false(wanted->is_done);
    wanted->is_done = true;
    wanted->result = result;
}

static void begin(struct wanted *wanted, struct disk *disk, enum disk_op op, uint64_t offset,
                  void *data, size_t size) REQUIRES(bql)
{
    *wanted = (struct wanted){
        .iov = { data, size },
        .request = { .op = op, .offset = offset, .size = size, .nr_iov = 1, .done = note },
    };
    wanted->request.iov = &wanted->iov;
    disk_submit(&wanted->request, disk);
}

static int await(const struct wanted *wanted) REQUIRES(bql)
{
    while (!wanted->is_done)
        (void)loop_iterate(true); /* what it did does not matter */
    return wanted->result;
}

static int perform(struct disk *disk, enum disk_op op, uint64_t offset, void *data, size_t size)
    REQUIRES(bql)
{
    struct wanted wanted;

    begin(&wanted, disk, op, offset, data, size);
    g_assert_cmpuint(disk_in_flight(disk), ==, 1);
    (void)await(&wanted);
    g_assert_cmpuint(disk_in_flight(disk), ==, 0);
    return wanted.result;
}

static void what_was_written_is_read(void)
{
    bql_assert_held();
    char *path = image_new(8 * SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[2 * SECTOR], back[8 * SECTOR];

    memset(bytes, 0xaa, sizeof(bytes));
    g_assert_cmpint(perform(disk, DISK_WRITE, 3 * SECTOR, bytes, sizeof(bytes)), ==, 0);
    g_assert_cmpint(perform(disk, DISK_READ, 0, back, sizeof(back)), ==, 0);
    for (int i = 0; i < 8; i++)
        g_assert_cmpint(back[i * SECTOR], ==, i == 3 || i == 4 ? 0xaa : i);
    g_assert_cmpint(perform(disk, DISK_FLUSH, 0, NULL, 0), ==, 0);
    disk_close(disk);
    disk = must_open(path, true); /* it was the file, not a cache of ours */
    g_assert_cmpint(perform(disk, DISK_READ, 4 * SECTOR, back, SECTOR), ==, 0);
    g_assert_cmpint(back[0], ==, 0xaa);
    disk_close(disk);
    image_end(path);
}

/* Pieces of 3 bytes, more than a system call takes, with calls that come short or not at all. */
static void pieces_interruptions_and_short_transfers_lose_nothing(void)
{
    bql_assert_held();
    enum { SIZE = 12 * SECTOR, PIECE = 3, PIECES = SIZE / PIECE };
    static const unsigned shorts[] = { 0, 1, 2, 1000 };
    char *path = image_new(2 * SIZE);
    struct disk *disk = must_open(path, false);
    g_autofree struct iovec *iov = g_new(struct iovec, PIECES);
    uint8_t bytes[SIZE], back[SIZE];
    struct wanted wanted = { .request = { .offset = SECTOR, .size = SIZE, .done = note } };

    for (size_t i = 0; i < ARRAY_SIZE(shorts); i++) {
        for (int op = DISK_WRITE; op >= DISK_READ; op--) {
            uint8_t *buffer = op == DISK_WRITE ? bytes : back;

            for (size_t j = 0; j < SIZE; j++)
                buffer[j] = (uint8_t)(op == DISK_WRITE ? j * 7 + i : 0);
            for (int j = 0; j < PIECES; j++)
                iov[j] = (struct iovec){ buffer + j * PIECE, PIECE };
            host.bytes_max = shorts[i];
            host.interrupted = 3;
            wanted.is_done = false;
            wanted.request.op = (enum disk_op)op;
            wanted.request.iov = iov;
            wanted.request.nr_iov = PIECES;
            disk_submit(&wanted.request, disk);
            g_assert_cmpint(await(&wanted), ==, 0);
            g_assert_cmpuint(host.interrupted, ==, 0);
        }
        g_assert_cmpmem(bytes, SIZE, back, SIZE);
    }
    g_assert_cmpuint(host.nr_transfers, >, PIECES);
    host_reset();
    disk_close(disk);
    image_end(path);
}

/* ---- Errors ------------------------------------------------------------------------------ */

static void a_file_cut_short_is_an_io_error(void)
{
    bql_assert_held();
    char *path = image_new(4 * SECTOR);
    struct disk *disk = must_open(path, true);
    uint8_t back[2 * SECTOR];

    g_assert_cmpint(truncate(path, 3 * SECTOR), ==, 0);
    g_assert_cmpint(perform(disk, DISK_READ, 2 * SECTOR, back, sizeof(back)), ==, -EIO);
    g_assert_cmpint(perform(disk, DISK_READ, 1 * SECTOR, back, sizeof(back)), ==, 0);
    disk_close(disk);
    image_end(path);
}

static void a_readonly_disk_is_not_changed(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, true);
    uint8_t bytes[SECTOR] = { 0xff };

    for (int op = DISK_WRITE; op <= DISK_WRITE_ZEROES; op++)
        g_assert_cmpint(perform(disk, (enum disk_op)op, 0, bytes, SECTOR), ==,
                        op == DISK_FLUSH ? 0 : -EROFS);
    g_assert_cmpint(perform(disk, DISK_READ, 0, bytes, SECTOR), ==, 0);
    g_assert_cmpint(bytes[0], ==, 0);
    disk_close(disk);
    image_end(path);
}

static void injected_errors_come_out(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[SECTOR];

    disk_inject(disk, 0, ENOSPC);
    g_assert_cmpint(perform(disk, DISK_WRITE, 0, bytes, SECTOR), ==, -ENOSPC);
    disk_inject(disk, 0, 0);
    g_assert_cmpint(perform(disk, DISK_WRITE, 0, bytes, SECTOR), ==, 0);
    disk_close(disk);
    image_end(path);
}

static void what_the_system_cannot_do_is_an_error(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[SECTOR] = { 0 };

    host_reset();
    host.transfer_error = ENOSPC;
    host.fallocate_error = EOPNOTSUPP; /* so zeroes are written */
    g_assert_cmpint(perform(disk, DISK_READ, 0, bytes, SECTOR), ==, -ENOSPC);
    g_assert_cmpint(perform(disk, DISK_WRITE, 0, bytes, SECTOR), ==, -ENOSPC);
    g_assert_cmpint(perform(disk, DISK_WRITE_ZEROES, 0, NULL, SECTOR), ==, -ENOSPC);
    g_assert_cmpint(perform(disk, DISK_DISCARD, 0, NULL, SECTOR), ==, 0);
    host_reset();
    g_assert_cmpint(perform(disk, DISK_WRITE, 0, bytes, SECTOR), ==, 0);
    disk_close(disk);
    image_end(path);
}

/* One worker is enough; none is an error. */
static void a_system_without_threads_is_survived(void)
{
    bql_assert_held();
    char *path = image_new(MANY * SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[MANY][SECTOR];
    struct wanted wanted[MANY];
    GError *error = NULL;

    host.has_no_threads = true;
    for (unsigned i = 0; i < MANY; i++)
        begin(&wanted[i], disk, DISK_READ, i * SECTOR, bytes[i], SECTOR);
    disk_drain(disk);
    for (unsigned i = 0; i < MANY; i++)
        g_assert_cmpint(bytes[i][0], ==, (int)i);
    disk_close(disk);
    g_assert_null(disk_open(path, false, &error));
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, "cannot start a thread"));
    g_error_free(error);
    host_reset();
    disk_close(must_open(path, false)); /* no lock was left behind */
    image_end(path);
}

static void after_a_failed_flush_none_succeeds(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, false);

    host_reset();
    host.interrupted = 2;
    g_assert_cmpint(perform(disk, DISK_FLUSH, 0, NULL, 0), ==, 0);
    g_assert_cmpuint(host.nr_flushes, ==, 1);
    host.flush_error = EIO;
    g_assert_cmpint(perform(disk, DISK_FLUSH, 0, NULL, 0), ==, -EIO);
    g_assert_cmpint(perform(disk, DISK_FLUSH, 0, NULL, 0), ==, -EIO);
    disk_close(disk);
    host_reset();
    image_end(path);
}

/* The kernel gives an error to one fdatasync() of a descriptor: who comes next would succeed. */
static void a_flush_beside_a_failing_one_fails(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, false);
    struct wanted first, second;
    int64_t until_ns;

    host_reset();
    host.is_error_slow = true;
    store_relaxed(&host.flush_error, EIO);
    begin(&first, disk, DISK_FLUSH, 0, NULL, 0);
    while (load_relaxed(&host.nr_flushes) == 0)
        sched_yield();
    begin(&second, disk, DISK_FLUSH, 0, NULL, 0);
    until_ns = monotonic_ns() + 20 * NS_PER_MS; /* a chance to succeed wrongly */
    while (!second.is_done && monotonic_ns() < until_ns)
        (void)loop_iterate(false);
    event_set(&error_gate);
    g_assert_cmpint(await(&first), ==, -EIO);
    g_assert_cmpint(await(&second), ==, -EIO);
    disk_close(disk);
    host_reset();
    image_end(path);
}

static void durable_changes_are_flushed_and_closing_flushes(void)
{
    bql_assert_held();
    static const enum disk_op changes[] = { DISK_WRITE, DISK_DISCARD, DISK_WRITE_ZEROES };
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[SECTOR] = { 0 };
    struct wanted wanted = { .iov = { bytes, SECTOR },
                             .request = { .size = SECTOR, .nr_iov = 1, .done = note } };

    host_reset();
    wanted.request.iov = &wanted.iov;
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(changes); i++) {
        wanted.is_done = false;
        wanted.request.is_durable = i & 1;
        wanted.request.op = changes[i / 2];
        disk_submit(&wanted.request, disk);
        g_assert_cmpint(await(&wanted), ==, 0);
        g_assert_cmpuint(host.nr_flushes, ==, (i + 1) / 2);
    }
    disk_close(disk);
    g_assert_cmpuint(host.nr_flushes, ==, ARRAY_SIZE(changes) + 1);
    host_reset();
    image_end(path);
}

/* ---- Holes ------------------------------------------------------------------------------- */

static uint64_t blocks_of(const char *path)
{
    struct stat status;

    g_assert_cmpint(stat(path, &status), ==, 0);
    return (uint64_t)status.st_blocks;
}

static int zero(struct disk *disk, uint64_t offset, size_t size, bool may_unmap) REQUIRES(bql)
{
    struct wanted wanted = {
        .request = { .op = DISK_WRITE_ZEROES, .offset = offset, .size = size, .done = note },
    };

    wanted.request.may_unmap = may_unmap;
    disk_submit(&wanted.request, disk);
    return await(&wanted);
}

static void expect_only_zeroes(struct disk *disk, uint64_t offset, size_t size) REQUIRES(bql)
{
    g_autofree uint8_t *bytes = g_malloc(size);

    g_assert_cmpint(perform(disk, DISK_READ, offset, bytes, size), ==, 0);
    for (size_t i = 0; i < size; i++)
        g_assert_cmpint(bytes[i], ==, 0);
}

static void expect_sector(struct disk *disk, unsigned sector) REQUIRES(bql)
{
    uint8_t bytes[SECTOR];

    g_assert_cmpint(perform(disk, DISK_READ, sector * SECTOR, bytes, SECTOR), ==, 0);
    g_assert_cmpint(bytes[0], ==, (uint8_t)sector);
}

static void discards_leave_holes_and_sizes(void)
{
    bql_assert_held();
    char *path = image_new(MIB);
    struct disk *disk = must_open(path, false);
    uint64_t before;

    g_assert_cmpint(perform(disk, DISK_FLUSH, 0, NULL, 0), ==, 0); /* blocks are allocated now */
    before = blocks_of(path);
    g_assert_cmpint(perform(disk, DISK_DISCARD, MIB / 2, NULL, MIB / 2), ==, 0);
    if (blocks_of(path) == before)
        g_test_skip("the file system keeps what is discarded");
    else
        expect_only_zeroes(disk, MIB / 2, MIB / 2);
    expect_sector(disk, MIB / 2 / SECTOR - 1);
    host.fallocate_error = EOPNOTSUPP; /* it is only a hint */
    g_assert_cmpint(perform(disk, DISK_DISCARD, 0, NULL, SECTOR), ==, 0);
    host.fallocate_error = EIO;
    g_assert_cmpint(perform(disk, DISK_DISCARD, 0, NULL, SECTOR), ==, -EIO);
    host_reset();
    disk_close(disk);
    g_assert_cmpuint(blocks_of(path), <=, before);
    image_end(path);
}

static void zeroes_are_written_however_it_can_be_done(void)
{
    bql_assert_held();
    enum { SIZE = 200 * SECTOR }; /* more than is written at a time */
    static const int errors[] = { 0, EOPNOTSUPP, EINVAL };

    for (int i = 0; i < 2 * (int)ARRAY_SIZE(errors); i++) {
        char *path = image_new(MIB);
        struct disk *disk = must_open(path, false);

        host_reset();
        host.fallocate_error = errors[i / 2];
        host.interrupted = 2;
        host.bytes_max = 60000;
        g_assert_cmpint(zero(disk, SECTOR, SIZE, i & 1), ==, 0);
        if (errors[i / 2])
            g_assert_cmpuint(host.nr_transfers, ==, 2);
        host_reset();
        expect_sector(disk, 0);
        expect_only_zeroes(disk, SECTOR, SIZE);
        expect_sector(disk, 201);
        disk_close(disk);
        image_end(path);
    }
}

static void zeroes_that_cannot_be_written_are_an_error(void)
{
    bql_assert_held();
    char *path = image_new(MIB);
    struct disk *disk = must_open(path, false);

    host.fallocate_error = ENOSPC;
    g_assert_cmpint(zero(disk, 0, SECTOR, false), ==, -ENOSPC);
    g_assert_cmpint(zero(disk, 0, SECTOR, true), ==, -ENOSPC);
    host_reset();
    disk_close(disk);
    image_end(path);
}

/* ---- Threads ----------------------------------------------------------------------------- */

static void a_slow_disk_holds_up_nobody(void)
{
    bql_assert_held();
    char *path = image_new(MANY * SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[MANY][SECTOR];
    struct wanted wanted[MANY];

    disk_inject(disk, INT64_MAX, 0);
    for (unsigned i = 0; i < MANY; i++)
        begin(&wanted[i], disk, DISK_READ, i * SECTOR, bytes[i], SECTOR);
    g_assert_cmpuint(disk_in_flight(disk), ==, MANY);
    while (loop_iterate(false))
        continue; /* the loop turns, with every worker stuck */
    for (unsigned i = 0; i < MANY; i++)
        g_assert_false(wanted[i].is_done);
    disk_inject(disk, 0, 0);
    disk_drain(disk);
    g_assert_cmpuint(disk_in_flight(disk), ==, 0);
    for (unsigned i = 0; i < MANY; i++) {
        g_assert_true(wanted[i].is_done);
        g_assert_cmpint(wanted[i].result, ==, 0);
        g_assert_cmpint(bytes[i][0], ==, (int)i);
    }
    disk_close(disk);
    image_end(path);
}

/* On a file system that does not answer: the end does not wait for ever. */
static void a_hanging_disk_does_not_settle(void)
{
    bql_assert_held();
    char *path = image_new(2 * SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[2][SECTOR];
    struct wanted first, second;

    disk_inject(disk, INT64_MAX, 0);
    begin(&first, disk, DISK_WRITE, 0, bytes[0], SECTOR);
    begin(&second, disk, DISK_READ, SECTOR, bytes[1], SECTOR);
    g_assert_false(disk_drain_within(disk, NS_PER_MS));
    g_assert_false(disk_settle(disk, NS_PER_MS));
    g_assert_cmpuint(disk_in_flight(disk), ==, 2);
    disk_inject(disk, 0, 0);
    g_assert_true(disk_settle(disk, DEADLINE_NEVER));
    g_assert_true(first.is_done);
    g_assert_true(second.is_done);
    disk_close(disk);
    image_end(path);
}

/* Only the last flush hangs; and it is not done twice. */
static void a_flush_that_hangs_at_the_end_is_not_waited_for(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, false);
    unsigned nr;

    host_reset();
    disk_inject(disk, INT64_MAX, 0);
    g_assert_false(disk_settle(disk, NS_PER_MS));
    g_assert_cmpuint(disk_in_flight(disk), ==, 1);
    g_assert_true(disk_has_lost(disk));
    disk_inject(disk, 0, 0);
    g_assert_true(disk_settle(disk, DEADLINE_NEVER));
    g_assert_false(disk_has_lost(disk));
    nr = load_relaxed(&host.nr_flushes);
    g_assert_cmpuint(nr, ==, 1);
    disk_close(disk);
    g_assert_cmpuint(load_relaxed(&host.nr_flushes), ==, nr);
    host_reset();
    image_end(path);
}

static void a_last_flush_that_fails_is_told(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, false);

    disk_inject(disk, 0, EIO);
    g_assert_true(disk_settle(disk, DEADLINE_NEVER));
    g_assert_true(disk_has_lost(disk));
    disk_close(disk);
    image_end(path);
}

static void a_slow_flush_does_not_hold_up_reads(void)
{
    bql_assert_held();
    char *path = image_new(MANY * SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[SECTOR];
    struct wanted slow[3], quick;

    event_reset(&flush_gate);
    for (unsigned i = 0; i < ARRAY_SIZE(slow); i++)
        begin(&slow[i], disk, DISK_FLUSH, 0, NULL, 0);
    for (unsigned i = 0; i < MANY; i++) {
        begin(&quick, disk, DISK_READ, i * SECTOR, bytes, SECTOR);
        g_assert_cmpint(await(&quick), ==, 0);
        g_assert_cmpint(bytes[0], ==, (int)i);
    }
    g_assert_cmpuint(disk_in_flight(disk), ==, ARRAY_SIZE(slow));
    event_set(&flush_gate);
    disk_drain(disk);
    disk_close(disk);
    image_end(path);
}

static void delays_are_not_shorter_than_asked_for(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, false);
    uint8_t bytes[SECTOR];
    int64_t before_ns = monotonic_ns();

    disk_inject(disk, 20 * NS_PER_MS, 0);
    g_assert_cmpint(perform(disk, DISK_READ, 0, bytes, SECTOR), ==, 0);
    g_assert_cmpint(monotonic_ns() - before_ns, >=, 20 * NS_PER_MS);
    disk_inject(disk, 0, 0);
    disk_close(disk);
    image_end(path);
}

/* Each one that is done begins the next, from its done(). */
struct chain {
    struct wanted wanted;
    struct disk *disk;
    unsigned left;
    uint8_t bytes[SECTOR];
};

static void go_on(struct disk_request *request, int result)
{
    struct chain *chain = container_of(request, struct chain, wanted.request);

    bql_assert_held();
    g_assert_cmpint(result, ==, 0);
    if (--chain->left > 0)
        disk_submit(request, chain->disk);
}

static void requests_beget_requests_while_draining(void)
{
    bql_assert_held();
    enum { CHAINS = 8, LENGTH = 200 };
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, true);
    struct chain chains[CHAINS];

    for (int i = 0; i < CHAINS; i++) {
        chains[i].disk = disk;
        chains[i].left = LENGTH;
        chains[i].wanted = (struct wanted){
            .iov = { chains[i].bytes, SECTOR },
            .request = { .op = DISK_READ, .size = SECTOR, .nr_iov = 1, .done = go_on },
        };
        chains[i].wanted.request.iov = &chains[i].wanted.iov;
        disk_submit(&chains[i].wanted.request, disk);
    }
    disk_drain(disk);
    for (int i = 0; i < CHAINS; i++)
        g_assert_cmpuint(chains[i].left, ==, 0);
    disk_close(disk);
    image_end(path);
}

static void add_tests(void)
{
#define ADD(test) g_test_add_func("/disk/" #test, test)
    ADD(what_was_written_is_read);
    ADD(pieces_interruptions_and_short_transfers_lose_nothing);
    ADD(a_file_cut_short_is_an_io_error);
    ADD(a_readonly_disk_is_not_changed);
    ADD(injected_errors_come_out);
    ADD(what_the_system_cannot_do_is_an_error);
    ADD(a_system_without_threads_is_survived);
    ADD(after_a_failed_flush_none_succeeds);
    ADD(a_flush_beside_a_failing_one_fails);
    ADD(durable_changes_are_flushed_and_closing_flushes);
    ADD(discards_leave_holes_and_sizes);
    ADD(zeroes_are_written_however_it_can_be_done);
    ADD(zeroes_that_cannot_be_written_are_an_error);
    ADD(a_slow_disk_holds_up_nobody);
    ADD(a_hanging_disk_does_not_settle);
    ADD(a_flush_that_hangs_at_the_end_is_not_waited_for);
    ADD(a_last_flush_that_fails_is_told);
    ADD(a_slow_flush_does_not_hold_up_reads);
    ADD(delays_are_not_shorter_than_asked_for);
    ADD(requests_beget_requests_while_draining);
#undef ADD
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    add_tests();
    event_init(&flush_gate, true);
    event_init(&error_gate, false);
    if (util_start(NULL) != 0)
        return 1;
    status = g_test_run();
    util_stop();
    return status;
}

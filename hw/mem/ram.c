/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/mem/ram_internal.h"
#include "util/atomic.h"

/* Shared zeroes that cost nothing until they are written. */
static void *map(uint64_t size, int fd)
{
    int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void *host = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);

    return host == MAP_FAILED ? NULL : host;
}

static void unmap(void *host, uint64_t size)
{
    if (host)
        (void)munmap(host, size); /* fails for wrong arguments only */
}

static void ram_free(struct ram *ram)
{
    uint64_t nr_pages = ram->size / RAM_PAGE;

    unmap(ram->host, ram->size);
    unmap(ram->code_marks, nr_pages * sizeof(*ram->code_marks));
    unmap(ram->may_be_fast, nr_pages * sizeof(*ram->may_be_fast));
    if (ram->fd >= 0)
        (void)close(ram->fd); /* nothing of it is on a disk */
    g_free(ram->name);
    g_free(ram);
}

/* Everything that can fail; what there is of @ram then is freed by the caller. */
static bool allocate(struct ram *ram)
{
    uint64_t nr_pages = ram->size / RAM_PAGE;

    ram->fd = memfd_create(ram->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ram->fd < 0 || ftruncate(ram->fd, (off_t)ram->size) != 0)
        return false;
    /* So that nobody to whom it is handed can turn our accesses into SIGBUS. */
    if (fcntl(ram->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return false;
    ram->host = map(ram->size, ram->fd);
    ram->code_marks = map(nr_pages * sizeof(*ram->code_marks), -1);
    ram->may_be_fast = map(nr_pages * sizeof(*ram->may_be_fast), -1);
    return ram->host && ram->code_marks && ram->may_be_fast;
}

struct ram *ram_new(struct mem *mem, const char *name, uint64_t size, GError **error)
{
    struct ram *ram = g_new0(struct ram, 1);

    assert(size > 0 && size % RAM_PAGE == 0);
    ram->mem = mem;
    ram->name = g_strdup(name);
    ram->size = size;
    ram->fd = -1;
    ram->refs = 1;
    errno = 0;
    if (size > INT64_MAX || !allocate(ram)) {
        int saved = errno ? errno : ENOMEM;

        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(saved),
                    "cannot allocate %" G_GUINT64_FORMAT " bytes for %s: %s", size, name,
                    g_strerror(saved));
        ram_free(ram);
        return NULL;
    }
    return ram;
}

struct ram *ram_ref(struct ram *ram)
{
    fetch_add_relaxed(&ram->refs, 1); /* whoever has one may make more */
    return ram;
}

void ram_unref(struct ram *ram)
{
    /* A full barrier: what other holders did comes before the end. */
    if (ram && fetch_sub(&ram->refs, 1) == 1)
        ram_free(ram);
}

void *ram_pointer(const struct ram *ram, uint64_t offset, uint64_t length)
{
    if (offset > ram->size || length > ram->size - offset)
        return NULL;
    return ram->host + offset;
}

const char *ram_name(const struct ram *ram)
{
    return ram->name;
}

uint64_t ram_size(const struct ram *ram)
{
    return ram->size;
}

int ram_fd(const struct ram *ram)
{
    return ram->fd;
}

struct mem *ram_mem(const struct ram *ram)
{
    return ram->mem;
}

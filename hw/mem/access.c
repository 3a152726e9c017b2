/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "hw/mem/access.h"
#include "hw/mem/mem_internal.h"
#include "util/log.h"

/* What is to be done; `at` and `left` move on with each piece. */
struct access {
    struct space *space;
    gpa_t gpa;
    uint8_t *into;       /* a read's buffer; NULL: a write */
    const uint8_t *from; /* a write's */
    size_t left;
    enum mem_result result; /* the worst so far */
};

static void worse(struct access *access, enum mem_result result)
{
    if (access->result == MEM_OK || result == MEM_UNASSIGNED)
        access->result = result;
}

/* Go on by @length bytes; past 2^64 there is nobody. */
static void advance(struct access *access, size_t length)
{
    access->left -= length;
    if (access->into)
        access->into += length;
    else
        access->from += length;
    if (__builtin_add_overflow(access->gpa, length, &access->gpa) && access->left > 0) {
        if (access->into)
            memset(access->into, 0xff, access->left);
        access->left = 0;
        worse(access, MEM_UNASSIGNED);
    }
}

/* ---- RAM -------------------------------------------------------------------------- */

/*
 * The guest may write the same bytes at the same time. Natural sizes are one
 * access; others have no order of their own, so memcpy() serves. For the thread
 * sanitizer, which would call that a race, they are atomic bytes.
 */
static void copy(void *to, const void *from, size_t length, bool is_to_guest)
{
    uintptr_t guest = (uintptr_t)(is_to_guest ? to : from);

#define COPY_AS(type)                                                                              \
    do {                                                                                           \
        type value_;                                                                               \
        if (is_to_guest) {                                                                         \
            memcpy(&value_, from, sizeof(value_));                                                 \
            store_relaxed((type *)to, value_);                                                     \
        } else {                                                                                   \
            value_ = load_relaxed((const type *)from);                                             \
            memcpy(to, &value_, sizeof(value_));                                                   \
        }                                                                                          \
    } while (0)
    if (length == 8 && guest % 8 == 0) {
        COPY_AS(uint64_t);
    } else if (length == 4 && guest % 4 == 0) {
        COPY_AS(uint32_t);
    } else if (length == 2 && guest % 2 == 0) {
        COPY_AS(uint16_t);
    } else if (THREAD_SANITIZER) {
        for (size_t i = 0; i < length; i++)
            store_relaxed((uint8_t *)to + i, load_relaxed((const uint8_t *)from + i));
    } else {
        memcpy(to, from, length);
    }
#undef COPY_AS
}

/* What of the access lies in @range. */
static size_t part_in(const struct access *access, const struct range *range)
{
    return MIN(access->left, range->size - (access->gpa - range->start));
}

/* The first piece, if @range is RAM for it. */
static bool access_ram(struct access *access, const struct range *range) REQUIRES_SHARED(rcu)
{
    uint64_t skipped = access->gpa - range->start;
    size_t length = part_in(access, range);

    if (range->kind != RANGE_RAM && (range->kind != RANGE_ROM || !access->into))
        return false;
    if (access->into) {
        copy(access->into, range->host + skipped, length, false);
    } else {
        copy(range->host + skipped, access->from, length, true);
        if (range->ram)
            code_gate_written(range->ram, range->ram_offset + skipped, length);
    }
    advance(access, length);
    return true;
}

/* ---- Nobody, and MMIO ---------------------------------------------------------------- */

static void access_nobody(struct access *access, size_t length, enum mem_result result)
{
    struct mem_stats *stats = &space_mem(access->space)->stats;

    log_guest_error("%s: %s of %zu bytes at 0x%" PRIx64 " met %s", space_name(access->space),
                    access->into ? "read" : "write", length, access->gpa,
                    result == MEM_READ_ONLY ? "read-only memory" : "nobody");
    fetch_add_relaxed(access->into ? &stats->unassigned_reads : &stats->unassigned_writes, 1);
    if (access->into)
        memset(access->into, 0xff, length);
    worse(access, result);
    advance(access, length);
}

/* The widest access that @ops takes, that is aligned in the region, and not longer than @length. */
static unsigned access_size(const struct mmio_ops *ops, uint64_t offset, size_t length)
{
    unsigned size = ops->max_access ? ops->max_access : 8;

    while (size > length || offset % size != 0)
        size /= 2;
    return size;
}

/* A part of a read that is as narrow as the region takes; how many bytes. */
static size_t read_part(struct access *access, const struct region *region, uint64_t offset,
                        size_t length)
{
    unsigned min = region->ops->min_access;
    uint64_t first = offset - offset % min;
    uint64_t value = region->ops->read(region->opaque, first, min);
    size_t nr_bytes = MIN(length, min - (offset - first));

    memcpy(access->into, (const uint8_t *)&value + (offset - first), nr_bytes);
    return nr_bytes;
}

/* One call of a handler. @region is referenced: the handler may take it out of the map. */
static void access_mmio(struct access *access, const struct region *region, uint64_t offset,
                        size_t length) REQUIRES(bql)
{
    const struct mmio_ops *ops = region->ops;
    unsigned size = access_size(ops, offset, length);
    uint64_t value = 0;

    if (access->into ? !ops->read : !ops->write) {
        access_nobody(access, length, MEM_UNASSIGNED);
    } else if (size >= ops->min_access && access->into) {
        value = ops->read(region->opaque, offset, size);
        memcpy(access->into, &value, size); /* both little-endian: x86 on x86 */
        advance(access, size);
    } else if (size >= ops->min_access) {
        memcpy(&value, access->from, size);
        ops->write(region->opaque, offset, value, size);
        advance(access, size);
    } else if (access->into &&
               region->size - offset >= ops->min_access - offset % ops->min_access) {
        advance(access, read_part(access, region, offset, length));
    } else {
        access_nobody(access, size, MEM_UNASSIGNED);
    }
}

/* Where an access goes that is no RAM. */
struct place {
    struct region *region; /* referenced; NULL: nobody, or ROM */
    uint64_t offset;       /* in it */
    size_t length;         /* of the part that goes there */
    enum range_kind kind;
};

/* One piece, of whatever kind. */
static void access_piece(struct access *access) REQUIRES(bql)
{
    struct place place;

    WITH_RCU_READ () {
        const struct range *range = view_find(view_get(access->space), access->gpa);

        if (access_ram(access, range))
            return;
        place = (struct place){
            .region = range->kind == RANGE_MMIO ? region_ref(range->region) : NULL,
            .offset = range->region_offset + (access->gpa - range->start),
            .length = part_in(access, range),
            .kind = range->kind,
        };
    }
    if (place.region)
        access_mmio(access, place.region, place.offset, place.length);
    else
        access_nobody(access, place.length,
                      place.kind == RANGE_ROM ? MEM_READ_ONLY : MEM_UNASSIGNED);
    region_unref(place.region);
}

/* ---- The whole -------------------------------------------------------------------------- */

/* As many pieces as are RAM. */
static void access_ram_pieces(struct access *access)
{
    WITH_RCU_READ () {
        const struct view *view = view_get(access->space);

        while (access->left > 0 && access_ram(access, view_find(view, access->gpa)))
            continue;
    }
}

static enum mem_result access_all(struct access *access) EXCLUDES(bql)
{
    assert(!rcu_is_reading() && !bql_is_mine());
    while (access->left > 0) {
        access_ram_pieces(access);
        if (access->left > 0) {
            WITH_BQL () {
                access_piece(access);
            }
        }
    }
    return access->result;
}

static enum mem_result access_all_locked(struct access *access) REQUIRES(bql)
{
    assert(!rcu_is_reading());
    while (access->left > 0)
        access_piece(access);
    return access->result;
}

static struct access reading(struct space *space, gpa_t gpa, void *buf, size_t length)
{
    return (struct access){ .space = space, .gpa = gpa, .into = buf, .left = length };
}

static struct access writing(struct space *space, gpa_t gpa, const void *buf, size_t length)
{
    return (struct access){ .space = space, .gpa = gpa, .from = buf, .left = length };
}

enum mem_result mem_read(struct space *space, gpa_t gpa, void *buf, size_t length)
{
    struct access access = reading(space, gpa, buf, length);

    return access_all(&access);
}

enum mem_result mem_write(struct space *space, gpa_t gpa, const void *buf, size_t length)
{
    struct access access = writing(space, gpa, buf, length);

    return access_all(&access);
}

enum mem_result mem_read_locked(struct space *space, gpa_t gpa, void *buf, size_t length)
{
    struct access access = reading(space, gpa, buf, length);

    return access_all_locked(&access);
}

enum mem_result mem_write_locked(struct space *space, gpa_t gpa, const void *buf, size_t length)
{
    struct access access = writing(space, gpa, buf, length);

    return access_all_locked(&access);
}

/* ---- For CPUs ---------------------------------------------------------------------------- */

/* Whether all of it is RAM in the current view (or ROM, for a read): the CPU can do it itself. */
static bool is_all_ram(struct space *space, gpa_t gpa, unsigned size, bool is_write)
{
    WITH_RCU_READ () {
        const struct view *view = view_get(space);

        for (unsigned done = 0; done < size;) {
            const struct range *range = view_find(view, gpa + done);
            uint64_t there = range->size - (gpa + done - range->start);

            if (range->kind != RANGE_RAM && (is_write || range->kind != RANGE_ROM))
                return false;
            done += (unsigned)MIN(there, size - done);
        }
    }
    return true;
}

enum mem_result mem_mmio_read(struct space *space, gpa_t gpa, unsigned size, uint64_t *ret_value)
{
    enum mem_result result;
    uint64_t value = 0;

    assert(size <= sizeof(value) && !rcu_is_reading());
    WITH_BQL () {
        if (is_all_ram(space, gpa, size, false))
            return MEM_IS_RAM_NOW;
        result = mem_read_locked(space, gpa, &value, size);
    }
    *ret_value = value;
    return result;
}

enum mem_result mem_mmio_write(struct space *space, gpa_t gpa, unsigned size, uint64_t value)
{
    assert(size <= sizeof(value) && !rcu_is_reading());
    WITH_BQL () {
        if (is_all_ram(space, gpa, size, true))
            return MEM_IS_RAM_NOW;
        return mem_write_locked(space, gpa, &value, size);
    }
    return MEM_OK; /* not reached */
}

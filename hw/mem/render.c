/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leaves are painted from the front to the back: each fills what is still a hole.
 */
#include <assert.h>

#include "hw/mem/children.h"
#include "hw/mem/render.h"

struct range range_clip(const struct range *range, gpa_t lo, gpa_t hi)
{
    struct range part = *range;
    uint64_t skipped = lo - range->start;

    assert(range->start <= lo && lo < hi && hi - lo <= range->size - skipped);
    part.start = lo;
    part.size = hi - lo;
    part.region_offset += skipped;
    part.ram_offset += skipped;
    if (part.host)
        part.host += skipped;
    if (!part.region)
        part.region_offset = part.ram_offset = 0; /* a hole is nowhere */
    return part;
}

static struct range hole(gpa_t lo, gpa_t hi)
{
    return (struct range){ .start = lo, .size = hi - lo, .kind = RANGE_HOLE };
}

/* ---- The canvas ------------------------------------------------------------------ */

guint first_after(const GArray *ranges, gpa_t gpa)
{
    guint low = 0, high = ranges->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (range_end(&g_array_index(ranges, struct range, middle)) <= gpa)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Put @leaf into the hole at @index, which it meets; returns the index after what it has become. */
static guint fill_hole(GArray *canvas, guint index, const struct range *leaf)
{
    const struct range old = g_array_index(canvas, struct range, index);
    gpa_t lo = MAX(old.start, leaf->start), hi = MIN(range_end(&old), range_end(leaf));
    struct range pieces[3];
    guint nr_pieces = 0;

    if (old.start < lo)
        pieces[nr_pieces++] = hole(old.start, lo);
    pieces[nr_pieces++] = range_clip(leaf, lo, hi);
    if (hi < range_end(&old))
        pieces[nr_pieces++] = hole(hi, range_end(&old));
    g_array_index(canvas, struct range, index) = pieces[0];
    if (nr_pieces > 1)
        g_array_insert_vals(canvas, index + 1, &pieces[1], nr_pieces - 1);
    return index + nr_pieces;
}

static void paint(GArray *canvas, const struct range *leaf)
{
    guint index = first_after(canvas, leaf->start);

    while (index < canvas->len) {
        const struct range *range = &g_array_index(canvas, struct range, index);

        if (range->start >= range_end(leaf))
            return;
        index = range->kind == RANGE_HOLE ? fill_hole(canvas, index, leaf) : index + 1;
    }
}

/* ---- The tree -------------------------------------------------------------------- */

static void render_region(struct region *region, gpa_t base, gpa_t lo, gpa_t hi, GArray *canvas)
    REQUIRES(bql);

static int front_first(gconstpointer a, gconstpointer b) NO_THREAD_SAFETY
{
    const struct region *left = *(struct region *const *)a, *right = *(struct region *const *)b;

    if (left->priority != right->priority)
        return left->priority > right->priority ? -1 : 1;
    return left->sequence > right->sequence ? -1 : 1;
}

/*
 * Children come by address. Where some overlap, those (and only those) are put
 * in order from front to back; so a container of many that do not is painted
 * from left to right, which appends.
 */
static void order_overlapping(GPtrArray *children) REQUIRES(bql)
{
    guint first = 0;
    uint64_t end = 0;

    for (guint i = 0; i <= children->len; i++) {
        const struct region *child = i < children->len ? children->pdata[i] : NULL;

        if (child && i > first && child->offset < end) {
            end = MAX(end, child_end(child));
            continue;
        }
        if (i > first + 1)
            qsort(&children->pdata[first], i - first, sizeof(gpointer), front_first);
        first = i;
        end = child ? child_end(child) : 0;
    }
}

static void render_children(struct region *container, gpa_t base, gpa_t lo, gpa_t hi,
                            GArray *canvas) REQUIRES(bql)
{
    uint64_t first = lo - base, end = hi - base; /* in the container */
    g_autoptr(GPtrArray) children = g_ptr_array_new();

    children_find(container, first, end, children);
    order_overlapping(children);
    for (guint i = 0; i < children->len; i++) {
        struct region *child = children->pdata[i];

        render_region(child, base + child->offset, base + MAX(first, child->offset),
                      base + MIN(end, child_end(child)), canvas);
    }
}

static void render_leaf(struct region *region, gpa_t base, gpa_t lo, gpa_t hi, GArray *canvas)
{
    uint64_t offset = lo - base;
    struct range leaf = {
        .start = lo,
        .size = hi - lo,
        .region = region,
        .region_offset = offset,
        .ram = region->ram,
        .ram_offset = region->ram ? region->ram_offset + offset : 0,
        .host = region->host ? region->host + offset : NULL,
        .kind = region->kind == REGION_RAM   ? RANGE_RAM
                : region->kind == REGION_ROM ? RANGE_ROM
                                             : RANGE_MMIO,
    };

    paint(canvas, &leaf);
}

/* [lo, hi) lies inside @region, which begins at @base. That may lie before 0, modulo 2^64. */
static void render_region(struct region *region, gpa_t base, gpa_t lo, gpa_t hi, GArray *canvas)
{
    if (!region->is_enabled)
        return;
    switch (region->kind) {
    case REGION_CONTAINER:
        render_children(region, base, lo, hi, canvas);
        break;
    case REGION_ALIAS:
        render_region(region->target, base - region->target_offset, lo, hi, canvas);
        break;
    case REGION_RAM:
    case REGION_ROM:
    case REGION_MMIO:
        render_leaf(region, base, lo, hi, canvas);
        break;
    }
}

GArray *render(struct region *root, gpa_t lo, gpa_t hi)
{
    GArray *canvas = g_array_new(FALSE, FALSE, sizeof(struct range));
    struct range all = hole(lo, hi);

    g_array_append_val(canvas, all);
    render_region(root, 0, lo, hi, canvas);
    return canvas;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "hw/mem/children.h"
#include "hw/mem/mem_internal.h"

static const char *range_kind_name(enum range_kind kind)
{
    switch (kind) {
    case RANGE_HOLE:
        return "hole";
    case RANGE_RAM:
        return "ram";
    case RANGE_ROM:
        return "rom";
    case RANGE_MMIO:
        return "mmio";
    }
    return "?";
}

static const char *region_kind_name(enum region_kind kind)
{
    switch (kind) {
    case REGION_CONTAINER:
        return "container";
    case REGION_ALIAS:
        return "alias";
    case REGION_RAM:
        return "ram";
    case REGION_ROM:
        return "rom";
    case REGION_MMIO:
        return "mmio";
    }
    return "?";
}

static void print_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            fprintf(out, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

struct range_printer {
    FILE *out;
    const char *separator;
};

static void print_range(const struct range *range, void *arg)
{
    struct range_printer *printer = arg;

    if (range->kind == RANGE_HOLE)
        return;
    fprintf(printer->out, "%s{\"start\":%" PRIu64 ",\"size\":%" PRIu64 ",\"kind\":\"%s\",\"name\":",
            printer->separator, range->start, range->size, range_kind_name(range->kind));
    print_string(printer->out, region_name(range->region));
    fprintf(printer->out, ",\"offset\":%" PRIu64 "}", range->region_offset);
    printer->separator = ",";
}

void space_print_json(struct space *space, FILE *out)
{
    RCU_READ_GUARD();
    const struct view *view = view_get(space);
    struct range_printer printer = { out, "" };

    fprintf(out, "{\"space\":");
    print_string(out, space_name(space));
    fprintf(out, ",\"generation\":%" PRIu64 ",\"ranges\":[", view_generation(view));
    view_for_each(view, print_range, &printer);
    fprintf(out, "]}");
}

static void print_region(struct region *region, int depth, FILE *out) REQUIRES(bql)
{
    g_autoptr(GPtrArray) children = g_ptr_array_new();

    fprintf(out, "%*s%016" PRIx64 " +%" PRIx64 " %s %s", 2 * depth, "", region->offset,
            region->size, region_kind_name(region->kind), region->name);
    if (region->priority)
        fprintf(out, ", priority %d", region->priority);
    if (region->kind == REGION_ALIAS)
        fprintf(out, " of %s at %" PRIx64, region->target->name, region->target_offset);
    fprintf(out, "%s\n", region->is_enabled ? "" : ", disabled");
    children_find(region, 0, UINT64_MAX, children);
    for (guint i = 0; i < children->len; i++)
        print_region(children->pdata[i], depth + 1, out);
}

void space_print_tree(struct space *space, FILE *out)
{
    fprintf(out, "%s:\n", space->name);
    print_region(space->root, 1, out);
}

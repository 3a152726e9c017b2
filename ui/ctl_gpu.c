/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a GPU has: its window as a picture, contexts, resources, limits. */
#include <string.h>

#include "ui/ctl_internal.h"

enum {
    CELLS = 256, /* of the picture of a window … */
    CELLS_A_ROW = 64,
    ROWS_MAX = 32, /* of a list; --json has all */
};

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
enum { NR_LETTERS = sizeof(letters) - 1 };

static void put_title(GString *out, const struct ctl_style *style, const char *text)
{
    ctl_put(out, style, CTL_BOLD, 0, text);
}

static void put_more(GString *out, unsigned nr)
{
    if (nr > ROWS_MAX)
        g_string_append_printf(out, "  … and %u more: --json lists them\n", nr - ROWS_MAX);
}

/* ---- The window ------------------------------------------------------------------------------
 */

struct window {
    uint64_t bytes, shown; /* from 0 on */
    uint64_t cell;         /* so much is a character */
    JsonNode *blobs;
    char cells[CELLS];
};

/* Where a blob is; false: nowhere. */
static bool place_of(const struct window *window, JsonNode *blob, uint64_t *ret_offset,
                     uint64_t *ret_bytes)
{
    const int64_t offset = ctl_number(blob, "offset"), bytes = ctl_number(blob, "bytes");

    if (offset < 0 || bytes <= 0 || (uint64_t)bytes > window->bytes ||
        (uint64_t)offset > window->bytes - (uint64_t)bytes)
        return false;
    *ret_offset = (uint64_t)offset;
    *ret_bytes = (uint64_t)bytes;
    return true;
}

static uint64_t end_of_last(const struct window *window)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < ctl_length(window->blobs); i++) {
        uint64_t offset, bytes;

        if (place_of(window, ctl_element(window->blobs, i), &offset, &bytes))
            end = MAX(end, offset + bytes);
    }
    return end;
}

/* Guests fill it from the bottom: rows behind the last blob are not drawn. */
static void choose_scale(struct window *window)
{
    const uint64_t end = end_of_last(window);

    window->cell = 4096;
    while (window->cell * CELLS < end)
        window->cell *= 2;
    window->shown = CELLS_A_ROW * window->cell;
    while (window->shown < end)
        window->shown += CELLS_A_ROW * window->cell;
    window->shown = MIN(window->shown, window->bytes);
}

static void fill(struct window *window)
{
    memset(window->cells, ' ', sizeof(window->cells));
    memset(window->cells, '.',
           (size_t)MIN((window->shown + window->cell - 1) / window->cell, CELLS));
    for (unsigned i = 0; i < ctl_length(window->blobs); i++) {
        uint64_t offset, bytes;

        if (!place_of(window, ctl_element(window->blobs, i), &offset, &bytes))
            continue;
        for (uint64_t at = offset / window->cell; at <= (offset + bytes - 1) / window->cell; at++)
            window->cells[at] = window->cells[at] == '.' ? letters[i % NR_LETTERS] : '*';
    }
}

static void put_cells(GString *out, const struct ctl_style *style, const struct window *window)
{
    for (unsigned row = 0; row < CELLS; row += CELLS_A_ROW) {
        if (window->cells[row] == ' ')
            return;
        ctl_put_f(out, style, CTL_DIM, 0, "  0x%09" G_GINT64_MODIFIER "x ", row * window->cell);
        for (unsigned i = row; i < row + CELLS_A_ROW;) {
            const bool is_free = window->cells[i] == '.' || window->cells[i] == ' ';
            unsigned end = i;

            while (end < row + CELLS_A_ROW &&
                   (window->cells[end] == '.' || window->cells[end] == ' ') == is_free)
                end++;
            ctl_put_f(out, style, is_free ? CTL_DIM : CTL_GOOD, 0, "%.*s", (int)(end - i),
                      window->cells + i);
            i = end;
        }
        g_string_append(out, "\n");
    }
}

static void put_blobs(GString *out, const struct ctl_style *style, const struct window *window)
{
    char size[CTL_UNITS_MAX];
    const unsigned nr = ctl_length(window->blobs);

    for (unsigned i = 0; i < MIN(nr, ROWS_MAX); i++) {
        JsonNode *blob = ctl_element(window->blobs, i);
        g_autofree char *state = ctl_clean(ctl_string(blob, "map"), false);
        uint64_t offset, bytes;

        if (!place_of(window, blob, &offset, &bytes))
            continue;
        g_string_append_printf(out, "  %c 0x%09" G_GINT64_MODIFIER "x %10s  resource %-6u",
                               letters[i % NR_LETTERS], offset, ctl_bytes(size, bytes),
                               (unsigned)ctl_number(blob, "resource"));
        ctl_put(out, style, strcmp(state, "mapped") == 0 ? CTL_PLAIN : CTL_WARNING, 0, state);
        g_string_append(out, "\n");
    }
    put_more(out, nr);
}

static void put_window(GString *out, const struct ctl_style *style, JsonNode *answer)
{
    JsonNode *node = ctl_member(answer, "window");
    struct window window = { .bytes = (uint64_t)MAX(ctl_number(node, "bytes"), 0),
                             .blobs = ctl_member(node, "blobs") };
    const int64_t taken = ctl_number(node, "taken");
    char size[CTL_UNITS_MAX], used[CTL_UNITS_MAX], cell[CTL_UNITS_MAX];

    put_title(out, style, "window");
    if (window.bytes == 0) {
        g_string_append(out, "  none (hostmem= of the device makes one)\n");
        return;
    }
    choose_scale(&window);
    fill(&window);
    g_string_append_printf(out,
                           "  %s, of which %s in "
                           "%" G_GINT64_FORMAT " places are taken; "
                           "a character is %s, a point is free\n",
                           ctl_bytes(size, window.bytes), ctl_bytes(used, (uint64_t)MAX(taken, 0)),
                           ctl_number(node, "places"), ctl_bytes(cell, window.cell));
    put_cells(out, style, &window);
    if (window.shown < window.bytes)
        g_string_append_printf(out, "  0x%09" G_GINT64_MODIFIER "x the rest is free\n",
                               window.shown);
    put_blobs(out, style, &window);
}

/* ---- Lists -----------------------------------------------------------------------------------
 */

static const char *capset_name(int64_t capset)
{
    static const char *const names[] = { "virgl", "virgl", "virgl2", "gfxstream", "venus" };

    return capset >= 0 && capset < (int64_t)ARRAY_SIZE(names) ? names[capset] : "?";
}

static void put_contexts(GString *out, const struct ctl_style *style, JsonNode *contexts)
{
    const unsigned nr = ctl_length(contexts);
    char size[CTL_UNITS_MAX];

    put_title(out, style, "contexts");
    g_string_append_printf(out, "  %u\n", nr);
    for (unsigned i = 0; i < MIN(nr, ROWS_MAX); i++) {
        JsonNode *context = ctl_element(contexts, i);

        g_string_append_printf(
            out, "  %6u %-10s %6u resources %10s\n", (unsigned)ctl_number(context, "id"),
            capset_name(ctl_number(context, "capset")), (unsigned)ctl_number(context, "resources"),
            ctl_bytes(size, (uint64_t)MAX(ctl_number(context, "bytes"), 0)));
    }
    put_more(out, nr);
}

static void put_resource(GString *out, JsonNode *resource)
{
    g_autofree char *kind = ctl_clean(ctl_string(resource, "kind"), false);
    char size[CTL_UNITS_MAX];

    g_string_append_printf(out, "  %6u %-17s %10s", (unsigned)ctl_number(resource, "id"), kind,
                           ctl_bytes(size, (uint64_t)MAX(ctl_number(resource, "bytes"), 0)));
    if (ctl_member(resource, "width"))
        g_string_append_printf(out, "  %ux%u, format %u", (unsigned)ctl_number(resource, "width"),
                               (unsigned)ctl_number(resource, "height"),
                               (unsigned)ctl_number(resource, "format"));
    if (ctl_is_true(resource, "has-backing"))
        g_string_append(out, ", guest memory");
    if (ctl_member(resource, "offset")) {
        g_autofree char *state = ctl_clean(ctl_string(resource, "map"), false);

        g_string_append_printf(out, ", %s at 0x%" G_GINT64_MODIFIER "x", state,
                               (uint64_t)ctl_number(resource, "offset"));
    }
    g_string_append(out, "\n");
}

static void put_resources(GString *out, const struct ctl_style *style, JsonNode *answer)
{
    JsonNode *resources = ctl_member(answer, "resources");
    const unsigned nr = ctl_length(resources);
    char size[CTL_UNITS_MAX];

    put_title(out, style, "resources");
    g_string_append_printf(out,
                           "  "
                           "%" G_GINT64_FORMAT ", %s in the host; %" G_GINT64_FORMAT
                           " of before a reset, %" G_GINT64_FORMAT " commands in flight\n",
                           nr + ctl_number(answer, "unlisted"),
                           ctl_bytes(size, (uint64_t)MAX(ctl_number(answer, "bytes"), 0)),
                           ctl_number(answer, "orphans"), ctl_number(answer, "in-flight"));
    for (unsigned i = 0; i < MIN(nr, ROWS_MAX); i++)
        put_resource(out, ctl_element(resources, i));
    put_more(out, nr);
}

static void put_limit(GString *out, const struct ctl_style *style, const char *name,
                      JsonNode *limit)
{
    const bool is_bytes = ctl_is_true(limit, "is-bytes");
    const int64_t refused = ctl_number(limit, "refused");
    const uint64_t max = (uint64_t)MAX(ctl_number(limit, "max"), 0);
    const uint64_t used = (uint64_t)MAX(ctl_number(limit, "used"), 0);
    g_autofree char *clean = ctl_clean(name, false);
    char text[CTL_UNITS_MAX];

    g_string_append_printf(out, "  %-12s", clean);
    if (!ctl_member(limit, "used"))
        g_string_append_printf(out, "%12s", "");
    else if (is_bytes)
        g_string_append_printf(out, "%12s", ctl_bytes(text, used));
    else
        g_string_append_printf(out, "%12" G_GUINT64_FORMAT, used);
    if (is_bytes)
        g_string_append_printf(out, " of %12s", ctl_bytes(text, max));
    else
        g_string_append_printf(out, " of %12" G_GUINT64_FORMAT, max);
    ctl_put_f(out, style, refused ? CTL_WARNING : CTL_PLAIN, 0, "  refused %" G_GINT64_FORMAT "\n",
              refused);
}

static void put_limits(GString *out, const struct ctl_style *style, JsonNode *limits)
{
    JsonObjectIter iterator;
    const char *name;
    JsonNode *limit;

    put_title(out, style, "limits");
    g_string_append(out, "\n");
    if (!limits || !JSON_NODE_HOLDS_OBJECT(limits))
        return;
    json_object_iter_init_ordered(&iterator, json_node_get_object(limits));
    while (json_object_iter_next_ordered(&iterator, &name, &limit))
        put_limit(out, style, name, limit);
}

void ctl_gpu_show(GString *out, const struct ctl_style *style, JsonNode *answer)
{
    put_window(out, style, answer);
    g_string_append(out, "\n");
    put_contexts(out, style, ctl_member(answer, "contexts"));
    g_string_append(out, "\n");
    put_resources(out, style, answer);
    g_string_append(out, "\n");
    put_limits(out, style, ctl_member(answer, "limits"));
}

bool ctl_gpu(struct ctl *ctl, GString *out, GError **error)
{
    JsonNode *answer = ctl_link_execute(ctl->link, "x-gpu-resources", NULL, error);

    if (!answer)
        return false;
    if (ctl->is_json)
        return ctl_show_json(ctl, out, answer);
    ctl_gpu_show(out, &ctl->style, answer);
    json_node_unref(answer);
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ui/ctl_internal.h"

/* ---- What is read ----------------------------------------------------------------------------
 */

JsonNode *ctl_member(JsonNode *node, const char *name)
{
    return node && JSON_NODE_HOLDS_OBJECT(node)
               ? json_object_get_member(json_node_get_object(node), name)
               : NULL;
}

static GType type_of(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_NONE;
}

int64_t ctl_number(JsonNode *node, const char *name)
{
    JsonNode *member = ctl_member(node, name);

    return type_of(member) == G_TYPE_INT64 ? json_node_get_int(member) : 0;
}

double ctl_real(JsonNode *node, const char *name)
{
    JsonNode *member = ctl_member(node, name);

    if (type_of(member) != G_TYPE_DOUBLE)
        return (double)ctl_number(node, name);
    return isfinite(json_node_get_double(member)) ? json_node_get_double(member) : 0;
}

const char *ctl_string(JsonNode *node, const char *name)
{
    JsonNode *member = ctl_member(node, name);

    return type_of(member) == G_TYPE_STRING ? json_node_get_string(member) : "";
}

bool ctl_is_true(JsonNode *node, const char *name)
{
    JsonNode *member = ctl_member(node, name);

    return type_of(member) == G_TYPE_BOOLEAN && json_node_get_boolean(member);
}

unsigned ctl_length(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_array_get_length(json_node_get_array(node))
                                               : 0;
}

JsonNode *ctl_element(JsonNode *node, unsigned index)
{
    return index < ctl_length(node) ? json_array_get_element(json_node_get_array(node), index)
                                    : NULL;
}

/* ---- How it is written -----------------------------------------------------------------------
 */

char *ctl_clean(const char *text, bool may_have_lines)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);

    for (char *at = valid; *at; at = g_utf8_next_char(at)) {
        const gunichar c = g_utf8_get_char(at);

        if (g_unichar_iscntrl(c) && !(c == '\n' && may_have_lines))
            g_string_append_c(out, '?');
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

void ctl_put(GString *out, const struct ctl_style *style, enum ctl_colour colour, int width,
             const char *text)
{
    static const char *const codes[] = {
        [CTL_BOLD] = "1",     [CTL_DIM] = "2",  [CTL_GOOD] = "32",
        [CTL_WARNING] = "33", [CTL_BAD] = "31",
    };
    const bool is_coloured = style->has_colours && colour != CTL_PLAIN;

    if (is_coloured)
        g_string_append_printf(out, "\033[%sm", codes[colour]);
    g_string_append_printf(out, "%*s", width, text);
    if (is_coloured)
        g_string_append(out, "\033[0m");
}

void ctl_put_f(GString *out, const struct ctl_style *style, enum ctl_colour colour, int width,
               const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    ctl_put(out, style, colour, width, text);
}

/* @value, which is below 1000 or of the largest unit, in three digits. */
static const char *three_digits(char buffer[CTL_UNITS_MAX], double value, const char *unit)
{
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

    (void)snprintf(buffer, CTL_UNITS_MAX, "%.*f %s", decimals, value, unit);
    return buffer;
}

const char *ctl_time(char buffer[CTL_UNITS_MAX], double ns)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    unsigned i = 0;

    if (ns < 1000) {
        (void)snprintf(buffer, CTL_UNITS_MAX, "%.0f ns", ns);
        return buffer;
    }
    for (; ns >= 999.5 && i + 1 < ARRAY_SIZE(units); i++)
        ns /= 1000;
    return three_digits(buffer, ns, units[i]);
}

const char *ctl_bytes(char buffer[CTL_UNITS_MAX], uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    unsigned i = 0;

    if (bytes < 1024) {
        (void)snprintf(buffer, CTL_UNITS_MAX, "%u B", (unsigned)bytes);
        return buffer;
    }
    for (; value >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
        value /= 1024;
    return three_digits(buffer, value, units[i]);
}

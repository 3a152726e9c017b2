/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/trace_table.h"

#include <fnmatch.h>
#include <string.h>

#include "util/keyval.h"
#include "util/trace_file.h"

#define ENTRY(name_, kind_, help_, ...)                                                            \
    {                                                                                              \
        .name = #name_,                                                                            \
        .kind = (kind_),                                                                           \
        .help = (help_),                                                                           \
        .nr_args = TRACE_NR_ARGS_##name_,                                                          \
        .args = { __VA_ARGS__ },                                                                   \
    },

const struct trace_point_info trace_table[NR_TRACE_POINTS] = { TRACE_POINTS(ENTRY) };

static bool unknown(const char *pattern, GError **error)
{
    const char *nearest =
        keyval_nearest(pattern, &trace_table[0].name, NR_TRACE_POINTS, sizeof(*trace_table));

    if (nearest)
        return keyval_usage(error, "-trace: there is no '%s'; did you mean '%s'?", pattern,
                            nearest);
    return keyval_usage(error, "-trace: nothing matches '%s' (-trace help lists what there is)",
                        pattern);
}

bool trace_select(struct trace_selection *selection, const char *pattern, GError **error)
{
    const bool is_on = *pattern != '-';
    const char *glob = is_on ? pattern : pattern + 1;
    bool is_known = false;

    for (unsigned i = 0; i < NR_TRACE_POINTS; i++) {
        if (fnmatch(glob, trace_table[i].name, 0) != 0)
            continue;
        selection->is_on[i] = is_on;
        is_known = true;
    }
    return is_known || unknown(glob, error);
}

void trace_print_points(FILE *out)
{
    for (unsigned i = 0; i < NR_TRACE_POINTS; i++) {
        const struct trace_point_info *info = &trace_table[i];
        g_autoptr(GString) call = g_string_new(info->name);

        g_string_append_c(call, '(');
        for (unsigned j = 0; j < info->nr_args; j++) {
            const char *arg = info->args[j];

            g_string_append_printf(call, "%s%s", j ? ", " : "", arg + strspn(arg, "*$"));
        }
        g_string_append_c(call, ')');
        fprintf(out, "  %s\n      %s\n", call->str, info->help);
    }
}

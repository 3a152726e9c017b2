/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All rows, one by one: for tests, and for what counts them. */
#include "hw/cpu/soft/table.h"
#include "util/annotate.h"

/* Slots of @split that belong to it alone; the tables of opcodes are visited by themselves. */
static unsigned nr_own_slots(enum slot_split split)
{
    switch (split) {
    case SPLIT_REG:
    case SPLIT_RM:
        return 8;
    case SPLIT_PREFIX:
        return 4;
    case SPLIT_MOD:
    case SPLIT_REX_W:
    case SPLIT_REX_B:
        return 2;
    case SPLIT_NONE:
    case SPLIT_NEXT:
    case SPLIT_OPCODE:
    case SPLIT_LOW:
        break;
    }
    return 0;
}

/* Row *@index among @slots and below, or NULL, with *@index less what was passed. */
static const struct insn_row *find_row(const struct slot *slots, unsigned count, size_t *index)
{
    const struct insn_row *row;

    for (unsigned i = 0; i < count; i++) {
        /* One row for a range of opcodes. */
        if (slots[i].row && (i == 0 || slots[i].row != slots[i - 1].row) && (*index)-- == 0)
            return slots[i].row;
        row = find_row(slots[i].slots, nr_own_slots(slots[i].split), index);
        if (row)
            return row;
    }
    return NULL;
}

const struct insn_row *insn_row_at(size_t index)
{
    const struct insn_row *row = find_row(table_base, ARRAY_SIZE(table_base), &index);

    if (!row)
        row = find_row(table_0f, ARRAY_SIZE(table_0f), &index);
    if (!row)
        row = find_row(table_sse, ARRAY_SIZE(table_sse), &index);
    if (!row)
        row = find_row(table_x87, ARRAY_SIZE(table_x87), &index);
    return row;
}

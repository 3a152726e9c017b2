/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "util/annotate.h"

static struct catalogue catalogue;

/* What code of @kind would do to this process or whose result it does not own; NULL: nothing. */
static const char *why_not_run(enum insn_kind kind)
{
    switch (kind) {
    case INSN_WRFSBASE:
    case INSN_WRGSBASE:
    case INSN_LFS:
    case INSN_LGS:
        return "takes the thread's storage away";
    case INSN_SYSCALL:
    case INSN_SYSENTER:
    case INSN_SYSEXIT:
    case INSN_INT:
    case INSN_IRET:
        return "enters the kernel";
    case INSN_JMP_FAR:
    case INSN_CALL_FAR:
    case INSN_RET_FAR:
    case INSN_LDS:
    case INSN_LES:
    case INSN_LSS:
        return "loads from the kernel's descriptor table";
    case INSN_RDTSC:
    case INSN_RDTSCP:
    case INSN_RDPMC:
    case INSN_CPUID:
    case INSN_SGDT:
    case INSN_SIDT:
    case INSN_SLDT:
    case INSN_STR:
    case INSN_SMSW:
    case INSN_LAR:
    case INSN_LSL:
    case INSN_VERR:
    case INSN_VERW:
    case INSN_RDFSBASE:
        return "its result is this machine's own";
    default:
        return NULL;
    }
}

/* Privileged by I/O privilege level: rows do not say so. */
static bool needs_iopl(enum insn_kind kind)
{
    return kind == INSN_IN || kind == INSN_OUT || kind == INSN_INS || kind == INSN_OUTS ||
           kind == INSN_CLI || kind == INSN_STI;
}

static enum run_as how_to_run(struct catalogue_row *entry)
{
    const struct insn_row *const row = entry->row;

    if (row->prefixes & ROW_32) {
        entry->why_not = "no 64-bit instruction";
        return RUN_NOT;
    }
    entry->why_not = why_not_run(row->kind);
    if (entry->why_not)
        return RUN_NOT;
    if ((row->prefixes & ROW_CPL0) || needs_iopl(row->kind))
        return RUN_FAULT;
    if (row->oracle == ORACLE_HOST || row->oracle == ORACLE_APPROX)
        return RUN_NORMAL;
    entry->why_not = "its oracle is another";
    return RUN_NOT;
}

bool catalogue_may_run(const struct insn *insn)
{
    const bool is_repeat = insn->prefixes & (PREFIX_REP | PREFIX_REPNE);
    const enum insn_family family = insn_kind_family(insn->row->kind);

    /* TZCNT, LZCNT, RDPID, CLWB, UMONITOR and what else has come to old opcodes. */
    if (insn->map && is_repeat)
        return false;
    if (insn->map && insn->opcode == 0xae && (insn->prefixes & PREFIX_OPSIZE))
        return false;
    /* AMD's family 25 reads F2 LOOPE as LOOPNE. */
    if (is_repeat && (insn->row->kind == INSN_LOOPE || insn->row->kind == INSN_LOOPNE))
        return false;
    /* Intel ignores it in 64-bit code, AMD makes the target 16 bits. */
    if (family == FAMILY_BRANCH && (insn->prefixes & PREFIX_OPSIZE))
        return false;
    if (insn->has_modrm && (insn->modrm >> 6) != 3 && insn->memory.segment == SEG_FS)
        return false;
    /* Intel's reads 16 bits, AMD's 32. */
    if (insn->row->kind == INSN_MOVSXD && insn->operand_size == 2)
        return false;
    /* Counts above 16 of 16 bits: the result is undefined (Intel SDM, SHLD). */
    if ((insn->row->kind == INSN_SHLD || insn->row->kind == INSN_SHRD) && insn->operand_size == 2 &&
        insn->operands[2].kind == OPERAND_IMM && (insn->imm & 31) > 16)
        return false;
    return true;
}

struct catalogue_row *catalogue_find(const struct insn_row *row)
{
    for (unsigned i = 0; i < catalogue.nr_rows; i++) {
        if (catalogue.rows[i].row == row)
            return &catalogue.rows[i];
    }
    return NULL;
}

static void append_encoding(struct catalogue_row *entry, const struct encoding *encoding)
{
    const unsigned nr = entry->nr_encodings;

    if ((nr & (nr - 1)) == 0)
        entry->encodings = realloc(entry->encodings, (nr ? 2 * nr : 1) * sizeof(*encoding));
    if (!entry->encodings)
        abort();
    entry->encodings[entry->nr_encodings++] = *encoding;
}

/* Whether it was there, and if it has no ModRM byte, so that others need not be tried. */
static bool try_encoding(const struct encoding *encoding)
{
    static struct catalogue_row *last;
    uint8_t bytes[24] = { 0 };
    struct insn insn;
    size_t n = 0;

    if (encoding->prefix)
        bytes[n++] = encoding->prefix;
    if (encoding->rex)
        bytes[n++] = encoding->rex;
    if (encoding->map)
        bytes[n++] = 0x0f;
    bytes[n++] = encoding->opcode;
    bytes[n++] = encoding->modrm;
    if (insn_decode(bytes, INSN_BYTES_MAX, MODE_64, &insn) != DECODE_OK)
        return false;
    if (insn.map != encoding->map || insn.opcode != encoding->opcode)
        return false; /* the opcode was a prefix */
    if (!last || last->row != insn.row)
        last = catalogue_find(insn.row);
    if (!last)
        abort();
    if (encoding->prefix >= 0xf2 && !insn.mandatory &&
        !(insn.row->prefixes & (ROW_REP | ROW_REPCC)))
        return !insn.has_modrm; /* redundant: encode.c adds those */

    struct encoding found = *encoding;

    found.has_modrm = insn.has_modrm;
    append_encoding(last, &found);
    return !insn.has_modrm;
}

static void find_encodings(void)
{
    static const uint8_t prefixes[] = { 0, 0x66, 0xf2, 0xf3 };

    for (unsigned n = 0; n < 4 * 3 * 2 * 256; n++) {
        static const uint8_t rexes[] = { 0, REX_W, REX_B };
        struct encoding encoding = {
            .prefix = prefixes[n & 3],
            .opcode = (uint8_t)(n >> 2),
            .map = n >> 10 & 1,
            .rex = rexes[n >> 11],
        };

        if (encoding.rex == REX_B && (encoding.map || encoding.opcode != 0x90))
            continue; /* encode() adds it at random; but NOP is XCHG then */
        for (unsigned modrm = 0; modrm < 256; modrm++) {
            /* All register forms; one of each memory form (3: neither SIB nor displacement). */
            if (modrm < 0xc0 && ((modrm >> 6) || (modrm & 7) != 3))
                continue;
            encoding.modrm = (uint8_t)modrm;
            if (try_encoding(&encoding))
                break;
        }
    }
}

struct catalogue *catalogue_get(void)
{
    if (catalogue.rows)
        return &catalogue;
    while (insn_row_at(catalogue.nr_rows))
        catalogue.nr_rows++;
    catalogue.rows = calloc(catalogue.nr_rows + 1, sizeof(*catalogue.rows));
    if (!catalogue.rows)
        abort();
    for (unsigned i = 0; i < catalogue.nr_rows; i++) {
        catalogue.rows[i].row = insn_row_at(i);
        catalogue.rows[i].run_as = how_to_run(&catalogue.rows[i]);
    }
    find_encodings();
    return &catalogue;
}

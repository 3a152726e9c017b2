/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/compose.h"

#include <string.h>

#include "util/annotate.h"

enum { SLOT = 256 };

/* An address with room for a program; often with a page's end among its bytes. */
static void begin(struct program *program, struct random *random)
{
    uint32_t offset = SLOT * random_below(random, CODE_BYTES / SLOT - 1) + random_below(random, 48);

    if (random_chance(random, 16))
        offset =
            SANDBOX_PAGE * (1 + random_below(random, CODE_PAGES - 2)) - random_below(random, 20);
    memset(program, 0, sizeof(*program));
    program->address = CODE + offset;
}

static bool is_relative(const struct insn *insn)
{
    return insn_kind_family(insn->row->kind) == FAMILY_BRANCH &&
           insn->operands[0].kind == OPERAND_IMM && insn->row->kind != INSN_RET;
}

/* lea r11, [r11 + 1]: shows whether it has been run, and touches no flag. */
static const uint8_t marker[] = { 0x4d, 0x8d, 0x5b, 0x01 };

bool compose_single(struct program *program, struct random *random, struct catalogue_row *entry)
{
    const struct encode_style any = { 0 };

    begin(program, random);
    program->measured = entry;
    if (insn_kind_family(entry->row->kind) == FAMILY_BRANCH && random_chance(random, 128)) {
        static const uint8_t jump[] = { 0xeb, 0 };

        program_append_bytes(program, marker, sizeof(marker));
        program_append_bytes(program, jump, sizeof(jump));
        program->entry = 2;
    }
    if (!program_append(program, random, entry, &any))
        return false;

    const unsigned last = program->nr - 1;
    const struct insn *const insn = &program->insns[last];

    if (is_relative(insn)) {
        if (program->entry) {
            program->target[1] = (uint8_t)program->nr;
            program->target[last] = 0;
        } else {
            program_append_bytes(program, marker, sizeof(marker));
            program->target[last] = (uint8_t)program->nr;
        }
    } else if (program->entry) {
        return false;
    }
    return program_link(program);
}

bool compose_may_mix(const struct catalogue_row *entry)
{
    const struct insn_row *const row = entry->row;

    if (entry->run_as != RUN_NORMAL || !entry->nr_encodings)
        return false;
    switch ((enum insn_kind)row->kind) {
    case INSN_RET:
    case INSN_ENTER:
    case INSN_LEAVE:
    case INSN_POPF:
    case INSN_LDMXCSR:
    case INSN_FXSAVE:
    case INSN_FXRSTOR:
    case INSN_FNSAVE:
    case INSN_FRSTOR:
    case INSN_FLDENV:
    case INSN_FNSTENV:
        return false;
    default:
        return true;
    }
}

/* Registers for addresses, which no instruction of the program is to write. */
static void choose_pointers(struct program *program, struct random *random,
                            struct encode_style *style)
{
    static const uint8_t candidates[] = { RBX, RBP, RSI, RDI, R8, R9, R10, R12, R13, R14, R15 };

    program->pointers = 1u << RSP;
    for (unsigned i = 0; i < 3; i++)
        program->pointers |=
            (uint16_t)(1u << candidates[random_below(random, ARRAY_SIZE(candidates))]);
    do {
        program->small = candidates[random_below(random, ARRAY_SIZE(candidates))];
    } while (program->pointers >> program->small & 1);
    style->pointers = program->pointers;
    style->small = program->small;
    style->kept = (uint16_t)(program->pointers | 1u << program->small);
}

/* cmp of a register with another: afterwards all flags are known. */
static void append_compare(struct program *program, struct random *random)
{
    const uint8_t bytes[] = { 0x48, 0x39, (uint8_t)(0xc0 | random_next(random)) };

    program_append_bytes(program, bytes, sizeof(bytes));
}

/* One more of @rows that can go on from here. */
static bool append_any(struct program *program, struct random *random, const struct rows *rows,
                       const struct encode_style *style)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        const struct catalogue_row *const entry = rows->row[random_below(random, rows->nr)];

        if (!program_append(program, random, entry, style))
            continue;

        const struct insn *const insn = &program->insns[program->nr - 1];
        const enum insn_kind kind = insn->row->kind;

        (void)program_link(program);
        if (((kind == INSN_JMP || kind == INSN_CALL) && !is_relative(insn)) ||
            (program->count && (insn->prefixes & (PREFIX_REP | PREFIX_REPNE))) ||
            (program->count && is_relative(insn))) {
            program_drop_last(program);
            continue;
        }
        if (program_is_defined(program))
            return true;
        program_drop_last(program);
        if (program->nr + 2 < PROGRAM_INSNS && random_chance(random, 64)) {
            append_compare(program, random);
            return true;
        }
    }
    return false;
}

bool compose_sequence(struct program *program, struct random *random, const struct rows *rows)
{
    const unsigned nr = 2 + random_below(random, 7);
    struct encode_style style = { 0 };

    begin(program, random);
    choose_pointers(program, random, &style);
    while (program->nr < nr) {
        if (!append_any(program, random, rows, &style))
            return false;
    }
    for (unsigned i = 0; i < program->nr; i++) {
        if (is_relative(&program->insns[i]))
            program->target[i] = (uint8_t)(i + 1 + random_below(random, program->nr - i));
    }
    return program_link(program) && program_is_defined(program);
}

/* Count RCX down, and back to @to if it is not 0 yet. */
static void append_back(struct program *program, struct random *random, unsigned to)
{
    static const uint8_t loop[] = { 0xe2, 0 }, dec[] = { 0xff, 0xc9 }, sub[] = { 0x83, 0xe9, 1 };
    static const uint8_t jnz[] = { 0x75, 0 };

    switch (random_below(random, 3)) {
    case 0:
        program_append_bytes(program, loop, sizeof(loop));
        break;
    case 1:
        program_append_bytes(program, dec, sizeof(dec));
        program_append_bytes(program, jnz, sizeof(jnz));
        break;
    default:
        program_append_bytes(program, sub, sizeof(sub));
        program_append_bytes(program, jnz, sizeof(jnz));
        break;
    }
    program->target[program->nr - 1] = (uint8_t)to;
}

static void choose_loop(struct program *program, struct random *random, struct encode_style *style)
{
    choose_pointers(program, random, style);
    style->kept |= 1u << RCX;
    program->count = (uint8_t)(1 + random_below(random, 12));
}

bool compose_loop(struct program *program, struct random *random, const struct rows *rows)
{
    const unsigned before = random_below(random, 2), nr = before + 1 + random_below(random, 4);
    struct encode_style style = { 0 };

    begin(program, random);
    choose_loop(program, random, &style);
    while (program->nr < nr) {
        if (!append_any(program, random, rows, &style))
            return false;
    }
    append_back(program, random, before);
    return program_link(program) && program_is_defined(program);
}

/* Operations of a register with another that differ in their first byte alone. */
static const uint8_t opcodes[] = { 0x01, 0x09, 0x21, 0x29, 0x31, 0x39, 0x89,
                                   0x03, 0x0b, 0x23, 0x2b, 0x33, 0x3b, 0x8b };

static void append_victim(struct program *program, struct random *random)
{
    const uint8_t bytes[] = { opcodes[random_below(random, ARRAY_SIZE(opcodes))],
                              (uint8_t)(0xc0 | random_below(random, 2) << 4 |
                                        (random_chance(random, 128) ? RDX : RAX)) };

    program_append_bytes(program, bytes, sizeof(bytes));
}

/* mov byte [rip + distance], opcode; the distance follows when all has its place. */
static void append_store(struct program *program, struct random *random)
{
    const uint8_t bytes[] = {
        0xc6, 0x05, 0, 0, 0, 0, opcodes[random_below(random, ARRAY_SIZE(opcodes))]
    };

    program_append_bytes(program, bytes, sizeof(bytes));
}

static void point_store(struct program *program, unsigned store, unsigned victim)
{
    const int32_t distance = (int32_t)program->start[victim] - (int32_t)program->start[store + 1];

    memcpy(program->bytes + program->start[store] + 2, &distance, sizeof(distance));
    program->insns[store].memory.disp = distance;
}

bool compose_self_modifying(struct program *program, struct random *random, const struct rows *rows)
{
    const bool is_store_first = random_chance(random, 128);
    const bool is_loop = !is_store_first || random_chance(random, 128);
    struct encode_style style = { 0 };
    unsigned store = 0, victim = 0;

    begin(program, random);
    choose_loop(program, random, &style);
    program->writes_code = true;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned n = random_below(random, 3); n; n--) {
            if (!append_any(program, random, rows, &style))
                return false;
        }
        if ((i == 0) == is_store_first) {
            store = program->nr;
            append_store(program, random);
        } else {
            victim = program->nr;
            append_victim(program, random);
        }
    }
    if (is_loop)
        append_back(program, random, 0);
    point_store(program, store, victim);
    if (!program_link(program) || !program_is_defined(program))
        return false;
    /* The victim may keep flags, or leave one undefined. */
    for (unsigned i = victim; i <= program->nr; i++)
        program->ignored[i] |= program->ignored[victim] | FLAG_AF;
    for (unsigned i = 0; i < victim && is_loop; i++)
        program->ignored[i] |= program->ignored[program->nr];
    return program_is_defined(program);
}

bool compose_cut_off(struct program *program, struct random *random, const struct rows *rows)
{
    const struct catalogue_row *const entry = rows->row[random_below(random, rows->nr)];
    const struct encode_style any = { 0 };
    static const uint8_t nop[] = { 0x90 };

    memset(program, 0, sizeof(*program));
    program->address = CODE + CODE_BYTES - 1 - random_below(random, INSN_BYTES_MAX);
    program->runs_off = true;
    if (!program_append(program, random, entry, &any))
        return false;
    if (insn_kind_family(entry->row->kind) == FAMILY_BRANCH)
        return false;
    while (program_end(program) < CODE + CODE_BYTES && program->nr < PROGRAM_INSNS)
        program_append_bytes(program, nop, sizeof(nop));
    return program_end(program) >= CODE + CODE_BYTES && program_link(program);
}

bool compose_bad_lock(struct program *program, struct random *random, const struct rows *rows)
{
    const struct catalogue_row *const entry = rows->row[random_below(random, rows->nr)];
    const struct encode_style any = { 0 };
    struct insn insn;

    begin(program, random);
    if (!program_append(program, random, entry, &any))
        return false;
    insn = program->insns[0];
    if ((insn.prefixes & PREFIX_LOCK) || insn.length == INSN_BYTES_MAX ||
        ((entry->row->prefixes & ROW_LOCK) && insn.operands[0].kind == OPERAND_MEMORY))
        return false;
    memmove(program->bytes + 1, program->bytes, insn.length);
    program->bytes[0] = 0xf0;
    program->nr = 0;
    program->start[0] = (uint8_t)(insn.length + 1);
    return true;
}

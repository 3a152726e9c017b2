/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/program.h"

#include <assert.h>
#include <string.h>

#include "util/annotate.h"

/* An instruction in the making. */
struct encoder {
    uint8_t bytes[64];
    size_t size;
    uint8_t rex;
    uint8_t modrm;
    bool has_sib;
    uint8_t sib;
    unsigned disp_size;
    size_t disp_at; /* 0: none */
};

static void put(struct encoder *encoder, uint8_t byte)
{
    encoder->bytes[encoder->size++] = byte;
}

/* Immediates, displacements: often at the edges. */
static uint8_t filler(struct random *random, unsigned style)
{
    switch (style) {
    case 0:
        return 0;
    case 1:
        return 0xff;
    default:
        return (uint8_t)random_next(random);
    }
}

static void put_prefixes(struct encoder *encoder, struct random *random,
                         const struct encoding *encoding, bool may_lock)
{
    static const uint8_t segments[] = { 0x26, 0x2e, 0x36, 0x3e, 0x65, 0x65 };
    uint8_t prefix[6];
    unsigned n = 0;

    if (encoding->prefix)
        prefix[n++] = encoding->prefix;
    else if (!encoding->map && encoding->opcode != 0x90 && random_chance(random, 4))
        prefix[n++] = random_chance(random, 128) ? 0xf2 : 0xf3;
    if (may_lock && random_chance(random, 64))
        prefix[n++] = 0xf0;
    if (random_chance(random, 20))
        prefix[n++] = 0x67;
    if (random_chance(random, 20))
        prefix[n++] = segments[random_below(random, ARRAY_SIZE(segments))];
    while (n) {
        const unsigned i = random_below(random, n);

        put(encoder, prefix[i]);
        prefix[i] = prefix[--n];
    }
}

/* A memory operand with one of the registers that hold addresses. */
static void choose_memory_of(struct encoder *encoder, struct random *random,
                             const struct encode_style *style)
{
    unsigned base;

    do {
        base = random_below(random, NR_GPRS);
    } while (!(style->pointers >> base & 1));
    const bool has_index = random_chance(random, 64) || (base & 7) == 4;
    const bool uses_index = has_index && random_chance(random, 192);
    const unsigned index = uses_index ? style->small : 4;
    const unsigned mod = (base & 7) == 5 ? 1 + random_below(random, 2) : random_below(random, 3);

    encoder->rex |= (uint8_t)(base >> 3 | (index >> 3) << 1);
    encoder->modrm = (uint8_t)((encoder->modrm & 0x38) | mod << 6 | (has_index ? 4 : base & 7));
    encoder->has_sib = has_index;
    encoder->sib = (uint8_t)(random_below(random, 4) << 6 | (index & 7) << 3 | (base & 7));
}

static void choose_memory(struct encoder *encoder, struct random *random,
                          const struct encode_style *style)
{
    if (style->pointers && random_chance(random, 248)) {
        choose_memory_of(encoder, random, style);
    } else {
        encoder->modrm = (uint8_t)((encoder->modrm & 0x38) | random_below(random, 3) << 6 |
                                   random_below(random, 8));
        encoder->rex |= (uint8_t)random_below(random, 4);
        encoder->has_sib = (encoder->modrm & 7) == 4;
        encoder->sib = (uint8_t)random_next(random);
    }
    const unsigned mod = encoder->modrm >> 6;

    if (mod == 1)
        encoder->disp_size = 1;
    else if (mod == 2 || (encoder->modrm & 7) == 5 || (encoder->has_sib && (encoder->sib & 7) == 5))
        encoder->disp_size = 4;
}

static void put_modrm(struct encoder *encoder, struct random *random,
                      const struct encode_style *style)
{
    put(encoder, encoder->modrm);
    if (encoder->has_sib)
        put(encoder, encoder->sib);
    if (!encoder->disp_size)
        return;
    encoder->disp_at = encoder->size;
    if (encoder->disp_size == 1 || !style->pointers) {
        const unsigned kind = random_below(random, 8);

        for (unsigned i = 0; i < encoder->disp_size; i++)
            put(encoder, filler(random, kind));
    } else { /* not so far that the register's neighbourhood is left */
        const int32_t disp = (int32_t)random_below(random, 128) - 64;
        uint8_t bytes[4];

        memcpy(bytes, &disp, sizeof(bytes));
        for (unsigned i = 0; i < sizeof(bytes); i++)
            put(encoder, bytes[i]);
    }
}

static void encode(struct encoder *encoder, struct random *random, const struct encoding *encoding,
                   const struct encode_style *style, bool may_lock)
{
    const bool is_memory = encoding->has_modrm && (encoding->modrm >> 6) != 3;

    *encoder = (struct encoder){ .modrm = encoding->modrm };
    put_prefixes(encoder, random, encoding, may_lock && is_memory);
    encoder->rex = encoding->rex & 0xf;
    if (random_chance(random, 96))
        encoder->rex |= 4; /* R: if ModRM.reg is no register, ignored */
    if (is_memory)
        choose_memory(encoder, random, style);
    else if (random_chance(random, 96))
        encoder->rex |= (uint8_t)random_below(random, 4);
    if (encoder->rex || random_chance(random, 32))
        put(encoder, 0x40 | encoder->rex);
    if (encoding->map)
        put(encoder, 0x0f);
    put(encoder, encoding->opcode);
    if (encoding->has_modrm)
        put_modrm(encoder, random, style);

    const unsigned kind = random_below(random, 8);

    for (unsigned i = 0; i < 10; i++)
        put(encoder, filler(random, kind));
}

/* The displacement of an address that no register takes part in is set here, once. */
static void aim_fixed(const struct program *program, struct random *random, struct encoder *encoder,
                      const struct insn *insn)
{
    const struct insn_memory *const memory = &insn->memory;
    const uint32_t target = DATA_B - 0x40 + random_below(random, 0x60);
    const uint32_t next = program->address + program->start[program->nr] + insn->length;
    uint32_t disp = target;

    if (memory->index != MEMORY_NO_REG || memory->base < NR_GPRS)
        return;
    if (memory->base == MEMORY_RIP)
        disp = target - next;
    if (encoder->disp_at && encoder->disp_size == 4) {
        memcpy(encoder->bytes + encoder->disp_at, &disp, sizeof(disp));
    } else if (!encoder->disp_at && insn->opcode >= 0xa0 && insn->opcode <= 0xa3 && !insn->map) {
        const size_t at = insn->length - insn->address_size;

        memset(encoder->bytes + at, 0, insn->address_size); /* moffs */
        memcpy(encoder->bytes + at, &target, sizeof(target));
    }
}

static bool is_possible(const struct insn *insn, const struct encode_style *style)
{
    if (!catalogue_may_run(insn))
        return false;
    /* scene.c sees to the count, unless somebody else wants RCX. */
    if ((insn->row->kind == INSN_SHLD || insn->row->kind == INSN_SHRD) && insn->operand_size == 2 &&
        insn->operands[2].kind == OPERAND_GPR &&
        (style->pointers || insn->memory.base == RCX || insn->memory.index == RCX))
        return false;
    /* What holds an address must go on doing so. */
    for (unsigned i = 0; style->kept && i < INSN_OPERANDS_MAX; i++) {
        const struct insn_operand *const operand = &insn->operands[i];

        if ((operand->kind == OPERAND_GPR || operand->kind == OPERAND_GPR_HIGH) &&
            (style->kept >> operand->reg & 1) && insn->row->kind != INSN_CMP &&
            insn->row->kind != INSN_PUSH)
            return false;
    }
    return true;
}

static void append_insn(struct program *program, const uint8_t *bytes, const struct insn *insn)
{
    const unsigned at = program->start[program->nr];

    assert(program->nr < PROGRAM_INSNS);
    memcpy(program->bytes + at, bytes, insn->length);
    program->insns[program->nr] = *insn;
    program->target[program->nr] = PROGRAM_NO_TARGET;
    program->nr++;
    program->start[program->nr] = (uint8_t)(at + insn->length);
}

bool program_append(struct program *program, struct random *random,
                    const struct catalogue_row *entry, const struct encode_style *style)
{
    struct encoder encoder;
    struct insn insn;

    assert(program->nr < PROGRAM_INSNS);
    for (unsigned tries = 0; tries < 16 && entry->nr_encodings; tries++) {
        const struct encoding *const encoding =
            &entry->encodings[random_below(random, entry->nr_encodings)];

        encode(&encoder, random, encoding, style, entry->row->prefixes & ROW_LOCK);
        if (insn_decode(encoder.bytes, INSN_BYTES_MAX, MODE_64, &insn) != DECODE_OK ||
            insn.row != entry->row || !is_possible(&insn, style))
            continue;
        aim_fixed(program, random, &encoder, &insn);
        if (insn_decode(encoder.bytes, INSN_BYTES_MAX, MODE_64, &insn) != DECODE_OK ||
            insn.row != entry->row)
            continue;
        append_insn(program, encoder.bytes, &insn);
        return true;
    }
    return false;
}

void program_append_bytes(struct program *program, const uint8_t *bytes, size_t size)
{
    uint8_t padded[INSN_BYTES_MAX] = { 0 };
    struct insn insn;
    const enum decode_result result =
        insn_decode(memcpy(padded, bytes, size), sizeof(padded), MODE_64, &insn);

    assert(result == DECODE_OK && insn.length == size);
    append_insn(program, padded, &insn);
}

void program_blank(struct program *program, unsigned index)
{
    static const uint8_t nops[INSN_BYTES_MAX] = { [0 ... INSN_BYTES_MAX - 1] = 0x90 };
    struct insn *const insn = &program->insns[index];
    const uint8_t length = insn->length;

    memcpy(program->bytes + program->start[index], nops, length);
    (void)insn_decode(nops, sizeof(nops), MODE_64, insn); /* it is one */
    insn->length = length;
    program->target[index] = PROGRAM_NO_TARGET;
    (void)program_link(program); /* was possible before */
}

void program_drop_last(struct program *program)
{
    assert(program->nr);
    program->nr--;
    memset(program->bytes + program->start[program->nr], 0, INSN_BYTES_MAX);
}

/* ---- Flags that nobody knows ----------------------------------------------------------- */

/* A count in CL, or a repeat count, may be 0; then flags are kept, and not read either. */
static bool may_keep_flags(const struct insn *insn)
{
    if ((insn->row->prefixes & (ROW_REP | ROW_REPCC)) &&
        (insn->prefixes & (PREFIX_REP | PREFIX_REPNE)))
        return true;
    switch ((enum insn_kind)insn->row->kind) {
    case INSN_ROL:
    case INSN_ROR:
    case INSN_RCL:
    case INSN_RCR:
    case INSN_SHL:
    case INSN_SHR:
    case INSN_SAR:
    case INSN_SHLD:
    case INSN_SHRD:
        return true; /* also an immediate may be */
    default:
        return false;
    }
}

/* The flags that are only read because they may be kept. */
static unsigned kept_flags(const struct insn *insn)
{
    const bool rotates_carry = insn->row->kind == INSN_RCL || insn->row->kind == INSN_RCR;

    return !may_keep_flags(insn) ? 0 : rotates_carry ? FLAGS_ARITH & ~FLAG_CF : FLAGS_ARITH;
}

static unsigned ignored_after(const struct insn *insn, unsigned ignored)
{
    if (!may_keep_flags(insn))
        ignored &= ~(unsigned)insn->row->flags_written;
    return ignored | insn->row->flags_undefined;
}

static bool always_branches(const struct insn *insn)
{
    return insn->row->kind == INSN_JMP || insn->row->kind == INSN_CALL ||
           insn->row->kind == INSN_RET;
}

static void find_ignored(struct program *program)
{
    memset(program->ignored, 0, sizeof(program->ignored));
    for (unsigned round = 0; round < PROGRAM_INSNS; round++) { /* loops: until nothing changes */
        for (unsigned i = 0; i < program->nr; i++) {
            const struct insn *const insn = &program->insns[i];
            const uint16_t after = (uint16_t)ignored_after(insn, program->ignored[i]);

            if (!always_branches(insn) || program->target[i] == PROGRAM_NO_TARGET)
                program->ignored[i + 1] |= after;
            if (program->target[i] != PROGRAM_NO_TARGET)
                program->ignored[program->target[i]] |= after;
        }
    }
}

bool program_is_defined(const struct program *program)
{
    for (unsigned i = 0; i < program->nr; i++) {
        const struct insn *const insn = &program->insns[i];

        if (insn->row->flags_read & program->ignored[i] & FLAGS_ARITH & ~kept_flags(insn))
            return false;
    }
    return true;
}

bool program_link(struct program *program)
{
    for (unsigned i = 0; i < program->nr; i++) {
        struct insn *const insn = &program->insns[i];
        const unsigned end = program->start[i + 1];

        if (program->target[i] == PROGRAM_NO_TARGET)
            continue;
        assert(program->target[i] <= program->nr);
        const int32_t distance = (int32_t)program->start[program->target[i]] - (int32_t)end;
        const bool is_near = insn->map || insn->opcode == 0xe8 || insn->opcode == 0xe9;

        if (is_near)
            memcpy(program->bytes + end - 4, &distance, sizeof(distance));
        else if (distance >= -128 && distance <= 127)
            program->bytes[end - 1] = (uint8_t)distance;
        else
            return false;
        insn->imm = distance;
    }
    find_ignored(program);
    return true;
}

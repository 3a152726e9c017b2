/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes to struct insn: prefixes, the row (opcode and as much of ModRM as it takes),
 * then the operands, each of which takes what it needs. Intel SDM vol. 2, chapter 2.
 *
 * The bytes are the guest's: no more than @size of them are read, all by take().
 */
#include <string.h>

#include "hw/cpu/soft/table.h"

enum { REX_B = 1 << 0, REX_X = 1 << 1, REX_R = 1 << 2, REX_W = 1 << 3 };
enum { NO_OVERRIDE = 0xff };

struct decoder {
    const uint8_t *bytes;
    size_t size; /* that may be read, 15 at most */
    size_t at;   /* that were */
    enum insn_mode mode;
    uint8_t segment; /* enum segment, or NO_OVERRIDE */
    bool has_imm;
    struct insn *insn;
};

#define FORM_ROW_(name, where, kind, fixed, reg_size, mem_size)                                    \
    { where, OPERAND_##kind, fixed, false, false, reg_size, mem_size },
#define FORM_SIZED_(name, where, kind, fixed, reg_size, mem_size)                                  \
    { where, OPERAND_##kind, fixed, (reg_size | mem_size) == 1, true, reg_size, mem_size },
static const struct form forms[NR_FORMS] = { FORMS(FORM_ROW_, FORM_SIZED_) };
#undef FORM_ROW_
#undef FORM_SIZED_

/* The gate to the guest's bytes: @count (1, 2, 4 or 8) more of them, zero-extended. */
static bool take(struct decoder *decoder, unsigned count, uint64_t *ret_value)
{
    const uint8_t *from;
    uint64_t value = 0;

    if (count > decoder->size - decoder->at) {
        decoder->at = decoder->size;
        return false;
    }
    from = decoder->bytes + decoder->at;
    switch (count) {
    case 1:
        value = *from;
        break;
    case 2:
        memcpy(&value, from, 2);
        break;
    case 4:
        memcpy(&value, from, 4);
        break;
    default:
        memcpy(&value, from, 8);
        break;
    }
    decoder->at += count;
    *ret_value = value;
    return true;
}

/* Why take() has failed. */
static enum decode_result out_of_bytes(const struct decoder *decoder)
{
    return decoder->size == INSN_BYTES_MAX ? DECODE_TOO_LONG : DECODE_TRUNCATED;
}

static int64_t sign_extend(uint64_t value, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (int64_t)(value << shift) >> shift;
}

/* ---- Prefixes ---------------------------------------------------------------------- */

/* In 64-bit code the first four are ignored, and do not undo FS or GS. */
static void override_segment(struct decoder *decoder, enum segment segment)
{
    if (decoder->mode == MODE_32 || segment >= SEG_FS)
        decoder->segment = (uint8_t)segment;
}

/* Whether @byte is a legacy prefix; then it is noted. */
static bool note_prefix(struct decoder *decoder, uint8_t byte)
{
    struct insn *insn = decoder->insn;

    switch (byte) {
    case 0x26:
        override_segment(decoder, SEG_ES);
        return true;
    case 0x2e:
        override_segment(decoder, SEG_CS);
        return true;
    case 0x36:
        override_segment(decoder, SEG_SS);
        return true;
    case 0x3e:
        override_segment(decoder, SEG_DS);
        return true;
    case 0x64:
        override_segment(decoder, SEG_FS);
        return true;
    case 0x65:
        override_segment(decoder, SEG_GS);
        return true;
    case 0x66:
        insn->prefixes |= PREFIX_OPSIZE;
        return true;
    case 0x67:
        insn->prefixes |= PREFIX_ADDRSIZE;
        return true;
    case 0xf0:
        insn->prefixes |= PREFIX_LOCK;
        return true;
    case 0xf2: /* the last of the two counts */
        insn->prefixes = (uint8_t)((insn->prefixes & ~PREFIX_REP) | PREFIX_REPNE);
        return true;
    case 0xf3:
        insn->prefixes = (uint8_t)((insn->prefixes & ~PREFIX_REPNE) | PREFIX_REP);
        return true;
    default:
        return false;
    }
}

/* Prefixes, and the opcode's first byte. REX counts only right before the opcode. */
static enum decode_result decode_prefixes(struct decoder *decoder)
{
    struct insn *insn = decoder->insn;
    uint64_t byte;

    for (;;) {
        if (!take(decoder, 1, &byte))
            return out_of_bytes(decoder);
        if (decoder->mode == MODE_64 && (byte & 0xf0) == 0x40)
            insn->rex = (uint8_t)byte;
        else if (note_prefix(decoder, (uint8_t)byte))
            insn->rex = 0;
        else
            break;
    }
    insn->opcode = (uint8_t)byte;
    insn->address_size = decoder->mode == MODE_64 && !(insn->prefixes & PREFIX_ADDRSIZE) ? 8 : 4;
    /* There is no code with 16-bit addresses. */
    return decoder->mode == MODE_32 && insn->prefixes & PREFIX_ADDRSIZE ? DECODE_INVALID
                                                                        : DECODE_OK;
}

/* ---- The row ------------------------------------------------------------------------- */

static bool need_modrm(struct decoder *decoder)
{
    uint64_t byte;

    if (decoder->insn->has_modrm)
        return true;
    if (!take(decoder, 1, &byte))
        return false;
    decoder->insn->has_modrm = true;
    decoder->insn->modrm = (uint8_t)byte;
    return true;
}

static unsigned modrm_mod(const struct insn *insn)
{
    return insn->modrm >> 6;
}

static unsigned modrm_reg(const struct insn *insn)
{
    return insn->modrm >> 3 & 7;
}

static unsigned modrm_rm(const struct insn *insn)
{
    return insn->modrm & 7;
}

/* The prefix that chooses is a part of the opcode from then on. */
static unsigned mandatory_prefix(struct insn *insn)
{
    if (insn->prefixes & PREFIX_REP) {
        insn->prefixes &= (uint8_t)~PREFIX_REP;
        insn->mandatory = 0xf3;
        return PREFIX_F3;
    }
    if (insn->prefixes & PREFIX_REPNE) {
        insn->prefixes &= (uint8_t)~PREFIX_REPNE;
        insn->mandatory = 0xf2;
        return PREFIX_F2;
    }
    if (insn->prefixes & PREFIX_OPSIZE) {
        insn->prefixes &= (uint8_t)~PREFIX_OPSIZE;
        insn->mandatory = 0x66;
        return PREFIX_66;
    }
    return NO_PREFIX;
}

/* Which of @split's slots. False: bytes are missing. */
static bool choose(struct decoder *decoder, enum slot_split split, unsigned *ret_index)
{
    struct insn *insn = decoder->insn;
    uint64_t byte;

    switch (split) {
    case SPLIT_NEXT:
        if (!take(decoder, 1, &byte))
            return false;
        insn->map++;
        insn->opcode = (uint8_t)byte;
        *ret_index = insn->opcode;
        return true;
    case SPLIT_OPCODE:
        *ret_index = insn->opcode;
        return true;
    case SPLIT_LOW:
        *ret_index = insn->opcode & 7;
        return true;
    case SPLIT_REG:
    case SPLIT_RM:
    case SPLIT_MOD:
        if (!need_modrm(decoder))
            return false;
        *ret_index = split == SPLIT_REG     ? modrm_reg(insn)
                     : split == SPLIT_RM    ? modrm_rm(insn)
                     : modrm_mod(insn) == 3 ? IN_REGISTER
                                            : IN_MEMORY;
        return true;
    case SPLIT_PREFIX:
        *ret_index = mandatory_prefix(insn);
        return true;
    case SPLIT_REX_W:
        *ret_index = insn->rex & REX_W ? IF_1 : IF_0;
        return true;
    case SPLIT_REX_B:
        *ret_index = insn->rex & REX_B ? IF_1 : IF_0;
        return true;
    case SPLIT_NONE:
        break;
    }
    *ret_index = 0;
    return true;
}

static enum decode_result decode_row(struct decoder *decoder)
{
    struct insn *insn = decoder->insn;
    const struct slot *slot = &table_base[insn->opcode];
    unsigned index;

    while (slot->split != SPLIT_NONE) {
        if (!choose(decoder, slot->split, &index))
            return out_of_bytes(decoder);
        slot = &slot->slots[index];
    }
    insn->row = slot->row;
    if (!slot->row || slot->row->prefixes & (decoder->mode == MODE_64 ? ROW_32 : ROW_64))
        return DECODE_INVALID;
    return DECODE_OK;
}

/* ---- Sizes ----------------------------------------------------------------------------- */

static void set_operand_size(struct decoder *decoder)
{
    struct insn *insn = decoder->insn;
    unsigned bits = insn->row->prefixes;
    bool is_64 = decoder->mode == MODE_64;

    if (insn->rex & REX_W || (is_64 && bits & ROW_FORCE64))
        insn->operand_size = 8;
    else if (insn->prefixes & PREFIX_OPSIZE)
        insn->operand_size = 2;
    else
        insn->operand_size = is_64 && bits & ROW_DEF64 ? 8 : 4;
}

static uint16_t resolve_size(const struct decoder *decoder, unsigned size)
{
    const struct insn *insn = decoder->insn;
    uint16_t native = decoder->mode == MODE_64 ? 8 : 4;

    switch (size) {
    case SIZE_V:
        return insn->operand_size;
    case SIZE_Z:
        return insn->operand_size == 2 ? 2 : 4;
    case SIZE_Y:
        return insn->rex & REX_W ? 8 : 4;
    case SIZE_N:
        return native;
    case SIZE_P:
        return (uint16_t)(insn->operand_size + 2);
    case SIZE_S:
        return (uint16_t)(native + 2);
    case SIZE_ENV:
        return insn->operand_size == 2 ? 14 : 28;
    case SIZE_FPU:
        return insn->operand_size == 2 ? 94 : 108;
    default:
        return (uint16_t)size;
    }
}

/* ---- Memory ------------------------------------------------------------------------------ */

static uint8_t extended(const struct insn *insn, unsigned reg, unsigned bit)
{
    return (uint8_t)(reg | (insn->rex & bit ? 8 : 0));
}

/* @preferred, unless there is a prefix. */
static uint8_t segment_or(const struct decoder *decoder, enum segment preferred)
{
    return decoder->segment == NO_OVERRIDE ? (uint8_t)preferred : decoder->segment;
}

static bool decode_sib(struct decoder *decoder, bool *ret_has_base)
{
    struct insn *insn = decoder->insn;
    struct insn_memory *memory = &insn->memory;
    uint64_t sib;

    if (!take(decoder, 1, &sib))
        return false;
    memory->index = extended(insn, sib >> 3 & 7, REX_X);
    memory->shift = (uint8_t)(sib >> 6);
    if (memory->index == RSP) {
        memory->index = MEMORY_NO_REG;
        memory->shift = 0;
    }
    *ret_has_base = (sib & 7) != RBP || modrm_mod(insn) != 0;
    if (*ret_has_base)
        memory->base = extended(insn, sib & 7, REX_B);
    return true;
}

/* ModRM with a mod of 0 to 2: tables 2-2 and 2-3. */
static bool decode_memory(struct decoder *decoder)
{
    struct insn *insn = decoder->insn;
    struct insn_memory *memory = &insn->memory;
    bool has_base = true;
    unsigned disp_bytes = modrm_mod(insn) == 1 ? 1 : modrm_mod(insn) == 2 ? 4 : 0;
    uint64_t disp;

    if (modrm_rm(insn) == RSP) {
        if (!decode_sib(decoder, &has_base))
            return false;
    } else if (modrm_rm(insn) == RBP && modrm_mod(insn) == 0) {
        has_base = false;
        memory->base = decoder->mode == MODE_64 ? MEMORY_RIP : MEMORY_NO_REG;
    } else {
        memory->base = extended(insn, modrm_rm(insn), REX_B);
    }
    if (!has_base)
        disp_bytes = 4;
    memory->segment =
        segment_or(decoder, memory->base == RSP || memory->base == RBP ? SEG_SS : SEG_DS);
    if (disp_bytes) {
        if (!take(decoder, disp_bytes, &disp))
            return false;
        memory->disp = sign_extend(disp, disp_bytes);
    }
    return true;
}

/* ---- Operands --------------------------------------------------------------------------- */

/* Register @reg, without and @bit of REX: which file has how many, and what is #UD. */
static enum decode_result set_register(const struct decoder *decoder, const struct form *form,
                                       struct insn_operand *operand, unsigned reg, unsigned bit)
{
    const struct insn *insn = decoder->insn;

    operand->kind = form->kind;
    operand->size = resolve_size(decoder, form->reg_size);
    operand->reg = (uint8_t)reg;
    switch ((enum operand_kind)form->kind) {
    case OPERAND_GPR:
        if (operand->size == 1 && reg >= RSP && !insn->rex) {
            operand->kind = OPERAND_GPR_HIGH;
            operand->reg = (uint8_t)(reg - RSP);
            return DECODE_OK;
        }
        operand->reg = extended(insn, reg, bit);
        return DECODE_OK;
    case OPERAND_XMM:
        operand->reg = extended(insn, reg, bit);
        return DECODE_OK;
    case OPERAND_SEGMENT:
        if (reg > SEG_GS || (reg == SEG_CS && operand == &insn->operands[0]))
            return DECODE_INVALID;
        return DECODE_OK;
    case OPERAND_CR:
        operand->reg = extended(insn, reg, bit);
        return 1u << operand->reg & 0x11d ? DECODE_OK : DECODE_INVALID; /* 0, 2, 3, 4, 8 */
    case OPERAND_DR:
        return insn->rex & bit ? DECODE_INVALID : DECODE_OK;
    default:
        return DECODE_OK;
    }
}

static void set_memory(const struct decoder *decoder, const struct form *form,
                       struct insn_operand *operand)
{
    operand->kind = OPERAND_MEMORY;
    operand->size = resolve_size(decoder, form->mem_size);
}

static enum decode_result decode_rm(struct decoder *decoder, const struct form *form,
                                    struct insn_operand *operand)
{
    const struct insn *insn = decoder->insn;

    if (modrm_mod(insn) == 3 || form->where == AT_RM_ANY_MOD || form->where == AT_RM_ST) {
        if (form->where == AT_RM_MEMORY)
            return DECODE_INVALID;
        return set_register(decoder, form, operand, modrm_rm(insn), REX_B);
    }
    if (form->where == AT_RM_REG)
        return DECODE_INVALID;
    set_memory(decoder, form, operand);
    return decode_memory(decoder) ? DECODE_OK : out_of_bytes(decoder);
}

/* String instructions have one at rSI, and one at rDI that no prefix moves out of ES. */
static void decode_fixed_base(struct decoder *decoder, const struct form *form,
                              struct insn_operand *operand)
{
    struct insn_memory *memory = &decoder->insn->memory;
    bool is_string = insn_kind_family(decoder->insn->row->kind) == FAMILY_STRING;

    set_memory(decoder, form, operand);
    if (is_string && form->fixed == RDI && memory->base == RSI)
        return;
    memory->base = form->fixed;
    memory->segment = is_string && form->fixed == RDI ? SEG_ES : segment_or(decoder, SEG_DS);
}

static bool decode_immediate(struct decoder *decoder, const struct form *form,
                             struct insn_operand *operand)
{
    struct insn *insn = decoder->insn;
    uint64_t value;

    operand->kind = OPERAND_IMM;
    operand->size = resolve_size(decoder, form->reg_size);
    if (!take(decoder, operand->size, &value))
        return false;
    if (decoder->has_imm)
        insn->selector = (uint16_t)value;
    else if (form->where == AT_IMM)
        insn->imm = sign_extend(value, operand->size);
    else
        insn->imm = (int64_t)value;
    decoder->has_imm = true;
    return true;
}

static bool decode_moffs(struct decoder *decoder, const struct form *form,
                         struct insn_operand *operand)
{
    struct insn_memory *memory = &decoder->insn->memory;
    uint64_t address;

    set_memory(decoder, form, operand);
    memory->segment = segment_or(decoder, SEG_DS);
    if (!take(decoder, decoder->insn->address_size, &address))
        return false;
    memory->disp = (int64_t)address;
    return true;
}

static bool decode_far(struct decoder *decoder, const struct form *form,
                       struct insn_operand *operand)
{
    struct insn *insn = decoder->insn;
    uint64_t offset, selector;

    operand->kind = OPERAND_FAR;
    operand->size = resolve_size(decoder, form->reg_size);
    if (!take(decoder, operand->size - 2u, &offset) || !take(decoder, 2, &selector))
        return false;
    insn->imm = (int64_t)offset;
    insn->selector = (uint16_t)selector;
    return true;
}

static enum decode_result decode_operand(struct decoder *decoder, const struct form *form,
                                         struct insn_operand *operand)
{
    struct insn *insn = decoder->insn;
    bool has_bytes = true;

    switch ((enum form_where)form->where) {
    case AT_NONE:
        break;
    case AT_REG:
        return set_register(decoder, form, operand, modrm_reg(insn), REX_R);
    case AT_RM:
    case AT_RM_MEMORY:
    case AT_RM_REG:
    case AT_RM_ANY_MOD:
    case AT_RM_ST:
        return decode_rm(decoder, form, operand);
    case AT_OPCODE:
        return set_register(decoder, form, operand, insn->opcode & 7, REX_B);
    case AT_FIXED: /* may be CS, which is pushed */
        operand->kind = form->kind;
        operand->reg = form->fixed;
        operand->size = resolve_size(decoder, form->reg_size);
        break;
    case AT_FIXED_BASE:
        decode_fixed_base(decoder, form, operand);
        break;
    case AT_ONE:
        operand->kind = OPERAND_IMM;
        operand->size = 1;
        insn->imm = 1;
        break;
    case AT_IMM:
    case AT_IMM_ZERO:
        has_bytes = decode_immediate(decoder, form, operand);
        break;
    case AT_MOFFS:
        has_bytes = decode_moffs(decoder, form, operand);
        break;
    case AT_FAR:
        has_bytes = decode_far(decoder, form, operand);
        break;
    }
    return has_bytes ? DECODE_OK : out_of_bytes(decoder);
}

static bool is_in_modrm(const struct form *form)
{
    return form->where >= AT_REG && form->where <= AT_RM_ST;
}

static enum decode_result decode_operands(struct decoder *decoder)
{
    struct insn *insn = decoder->insn;
    bool is_sized = false, is_byte = false;

    for (unsigned i = 0; i < INSN_OPERANDS_MAX && insn->row->forms[i] != FORM_None; i++) {
        const struct form *form = &forms[insn->row->forms[i]];
        enum decode_result result;

        if (is_in_modrm(form) && !need_modrm(decoder))
            return out_of_bytes(decoder);
        result = decode_operand(decoder, form, &insn->operands[i]);
        if (result != DECODE_OK)
            return result;
        if (form->is_sized && !is_sized) {
            is_sized = true;
            is_byte = form->is_byte;
        }
    }
    if (is_byte)
        insn->operand_size = 1;
    return DECODE_OK;
}

static enum decode_result check_prefixes(struct insn *insn)
{
    unsigned allowed = insn->row->prefixes;

    if (insn->prefixes & PREFIX_LOCK &&
        (!(allowed & ROW_LOCK) || insn->operands[0].kind != OPERAND_MEMORY))
        return DECODE_INVALID;
    /* REPNE before what does not compare: reserved, and REP in all processors. */
    if (allowed & ROW_REP && insn->prefixes & PREFIX_REPNE)
        insn->prefixes ^= PREFIX_REPNE | PREFIX_REP;
    return DECODE_OK;
}

/* ---- All of it --------------------------------------------------------------------------- */

static enum decode_result decode(struct decoder *decoder)
{
    enum decode_result result = decode_prefixes(decoder);

    if (result == DECODE_OK)
        result = decode_row(decoder);
    if (result != DECODE_OK)
        return result;
    set_operand_size(decoder);
    result = decode_operands(decoder);
    if (result == DECODE_OK)
        result = check_prefixes(decoder->insn);
    return result;
}

enum decode_result insn_decode(const uint8_t *bytes, size_t size, enum insn_mode mode,
                               struct insn *ret_insn)
{
    struct decoder decoder = {
        .bytes = bytes,
        .size = size < INSN_BYTES_MAX ? size : INSN_BYTES_MAX,
        .mode = mode,
        .segment = NO_OVERRIDE,
        .insn = ret_insn,
    };
    enum decode_result result;

    *ret_insn = (struct insn){ .memory = { .base = MEMORY_NO_REG, .index = MEMORY_NO_REG } };
    result = decode(&decoder);
    ret_insn->length = (uint8_t)decoder.at;
    return result;
}

bool insn_touches_memory(const struct insn *insn)
{
    for (unsigned i = 0; i < INSN_OPERANDS_MAX; i++)
        if (insn->operands[i].kind == OPERAND_MEMORY && insn->operands[i].size > 0)
            return true;
    return false;
}

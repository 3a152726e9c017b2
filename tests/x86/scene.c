/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/scene.h"

#include <string.h>

#include "tests/x86/values.h"
#include "util/annotate.h"

/* What scene_set() works on. */
struct setting {
    struct scene *scene;
    struct random *random;
    const struct program *program;
    const struct insn *insn;
    uint32_t address; /* of it */
};

static bool is_fixed(const struct scene *scene, unsigned reg)
{
    return scene->fixed >> reg & 1;
}

/* The first who wants a register has it. */
static void set_reg(struct scene *scene, unsigned reg, uint64_t value)
{
    if (is_fixed(scene, reg))
        return;
    scene->before.gpr[reg] = value;
    scene->fixed |= (uint16_t)(1u << reg);
}

static void poke(struct scene *scene, uint64_t va, const void *from, size_t size)
{
    if (va >= DATA_A && va <= DATA_C - size)
        memcpy(scene->image + (va - DATA_A), from, size);
}

static void peek(const struct scene *scene, uint64_t va, void *to, size_t size)
{
    if (va >= DATA_A && va <= DATA_END - size)
        memcpy(to, scene->image + (va - DATA_A), size);
}

static void mask(struct scene *scene, uint64_t va, unsigned size)
{
    if (scene->nr_masks < SCENE_MASKS) {
        scene->masks[scene->nr_masks].start = (uint32_t)va;
        scene->masks[scene->nr_masks].size = size;
        scene->nr_masks++;
    }
}

/* ---- Addresses --------------------------------------------------------------------------- */

/* Where @size bytes lie in a window. */
static uint32_t pick_inside(struct random *random, unsigned size)
{
    const unsigned kind = random_below(random, 8);
    const struct window *window = &windows[kind == 6 ? 0 : kind == 7 ? 2 : 1];

    if (size > window->size)
        window = &windows[1];
    if (kind < 2 && size) /* across the border, or up to it */
        return DATA_B - random_below(random, size + 1);
    return window->start + random_below(random, window->size - size + 1);
}

/*
 * Of operands that are not one access processors do not all touch the same part first: such
 * operands find at most one thing wrong.
 */
static uint64_t pick_wild(struct random *random, unsigned size)
{
    const uint64_t r = random_next(random);
    const bool is_large = size > 16 || size == 10 || size == 14; /* x87's: in pieces, too */
    const uint64_t within = !is_large ? r : (r & ~UINT64_C(0xfff)) | r % (SANDBOX_PAGE - size);
    const unsigned before = is_large ? 0 : random_below(random, size + 1);

    switch (random_below(random, 12)) {
    case 0:
    case 1:
    case 2: /* read only */
        return DATA_C + random_below(random, SANDBOX_PAGE - size);
    case 3:
    case 4: /* into what is read only */
        return DATA_C - random_below(random, size + 1);
    case 5:
        return DATA_END - before;
    case 6:
        return DATA_A - before - (is_large ? size : 0);
    case 7:
        return within | UINT64_C(1) << 63;
    case 8: /* the last canonical address, and over it */
        return (UINT64_C(1) << 47) - before;
    case 9:
        return within | UINT64_C(0xffff8000) << 32;
    case 10:
        return within;
    default:
        return (uint32_t)within;
    }
}

static uint64_t pick_target(struct random *random, unsigned size, unsigned align)
{
    uint64_t va = random_chance(random, 24) ? pick_wild(random, size) : pick_inside(random, size);

    if (align > 1 && random_chance(random, 224)) {
        va &= ~(uint64_t)(align - 1);
        if (va < DATA_A && va + size > DATA_A)
            va = DATA_A;
    }
    return va;
}

static uint64_t segment_base(const struct insn *insn)
{
    return insn->memory.segment == SEG_GS ? SANDBOX_GS_BASE : 0;
}

uint64_t scene_address(const struct registers *registers, const struct insn *insn, uint32_t address)
{
    const struct insn_memory *const memory = &insn->memory;
    uint64_t va = (uint64_t)memory->disp;

    if (memory->base == MEMORY_RIP)
        va += address + insn->length;
    else if (memory->base != MEMORY_NO_REG)
        va += registers->gpr[memory->base];
    if (memory->index != MEMORY_NO_REG)
        va += registers->gpr[memory->index] << memory->shift;
    if (insn->address_size == 4)
        va = (uint32_t)va;
    return va + segment_base(insn);
}

/* As many bits of @value as an address has; garbage above. */
static uint64_t as_address(const struct setting *setting, uint64_t value)
{
    if (setting->insn->address_size == 4)
        return (random_next(setting->random) << 32) | (uint32_t)value;
    return value;
}

/* Give registers values with which the memory operand is at @target, about. */
static void aim(const struct setting *setting, uint64_t target)
{
    struct scene *const scene = setting->scene;
    const struct insn_memory *const memory = &setting->insn->memory;
    const uint64_t *const gpr = scene->before.gpr;
    const uint64_t want = target - segment_base(setting->insn) - (uint64_t)memory->disp;
    const bool has_base = memory->base < NR_GPRS, has_index = memory->index < NR_GPRS;

    if (has_base && has_index && memory->base == memory->index) {
        set_reg(scene, memory->base, as_address(setting, want / (1 + (1u << memory->shift))));
    } else if (has_base && has_index) {
        if (is_fixed(scene, memory->base))
            set_reg(scene, memory->index,
                    as_address(setting, (want - gpr[memory->base]) >> memory->shift));
        else if (random_chance(setting->random, 192))
            set_reg(scene, memory->index, random_below(setting->random, 16));
        else
            set_reg(scene, memory->index, value_integer(setting->random));
        set_reg(scene, memory->base,
                as_address(setting, want - (gpr[memory->index] << memory->shift)));
    } else if (has_base) {
        set_reg(scene, memory->base, as_address(setting, want));
    } else if (has_index) {
        set_reg(scene, memory->index, as_address(setting, want >> memory->shift));
    }
}

static unsigned memory_size(const struct insn *insn)
{
    for (unsigned i = 0; i < INSN_OPERANDS_MAX; i++) {
        if (insn->operands[i].kind == OPERAND_MEMORY)
            return insn->operands[i].size;
    }
    return 0;
}

static bool has_memory(const struct insn *insn)
{
    for (unsigned i = 0; i < INSN_OPERANDS_MAX; i++) {
        if (insn->operands[i].kind == OPERAND_MEMORY)
            return true;
    }
    return false;
}

static void set_memory_operand(const struct setting *setting)
{
    const struct insn *const insn = setting->insn;
    const unsigned size = memory_size(insn);

    if (!has_memory(insn))
        return;
    if (!insn_touches_memory(insn) && random_chance(setting->random, 128))
        return;
    unsigned align = size >= 16 ? 16 : 1;

    /* Locked operations that leave a line are traps on some machines, and slow on all. */
    if (((insn->prefixes & PREFIX_LOCK) || insn->row->kind == INSN_XCHG) &&
        random_chance(setting->random, 254))
        align = size;
    aim(setting, pick_target(setting->random, size, align));
}

/* ---- Kinds that want more ----------------------------------------------------------------- */

static bool uses_stack(enum insn_kind kind)
{
    switch (kind) {
    case INSN_PUSH:
    case INSN_POP:
    case INSN_PUSHF:
    case INSN_POPF:
    case INSN_CALL:
    case INSN_RET:
    case INSN_ENTER:
        return true;
    default:
        return false;
    }
}

static void set_stack(const struct setting *setting)
{
    struct random *const random = setting->random;
    uint64_t rsp = DATA_B - 0x100 + 8 * random_below(random, 0x40);

    if (random_chance(random, 64))
        rsp += random_below(random, 8);
    if (random_chance(random, 16))
        rsp = pick_wild(random, 8) + (random_chance(random, 128) ? 8 : 0);
    set_reg(setting->scene, RSP, rsp);
}

static void set_string(const struct setting *setting)
{
    struct random *const random = setting->random;
    struct scene *const scene = setting->scene;
    const enum insn_kind kind = setting->insn->row->kind;
    static const uint8_t string_regs[] = { RSI, RDI };
    /* One alone, since which of two faults comes first is the processor's affair. */
    const unsigned wild = random_chance(random, 48) ? random_below(random, 2) : 2;

    for (unsigned i = 0; i < ARRAY_SIZE(string_regs); i++) {
        uint64_t va = DATA_B - 0x80 + random_below(random, 0x100);

        if (i == wild)
            va = pick_wild(random, 8);
        if (string_regs[i] == RSI && setting->insn->memory.segment == SEG_GS)
            va -= SANDBOX_GS_BASE;
        set_reg(scene, string_regs[i], as_address(setting, va));
    }
    if (kind == INSN_STOS || kind == INSN_SCAS) {
        uint64_t value = value_integer(random);

        if (random_chance(random, 128))
            peek(scene, scene->before.gpr[RDI], &value, sizeof(value));
        set_reg(scene, RAX, value);
    }
    if (setting->insn->prefixes & (PREFIX_REP | PREFIX_REPNE))
        set_reg(scene, RCX, as_address(setting, random_below(random, 40)));
    if (random_chance(random, 64))
        scene->before.rflags |= FLAG_DF;
}

/* So that quotients mostly fit. */
static void set_division(const struct setting *setting)
{
    struct scene *const scene = setting->scene;
    struct random *const random = setting->random;
    const bool is_signed = setting->insn->row->kind == INSN_IDIV;
    uint64_t rax = value_integer(random);

    if (random_chance(random, 32))
        return;
    if (setting->insn->operand_size == 1)
        rax = is_signed ? (uint64_t)(int64_t)(int8_t)rax & 0xffff : rax & 0x3ff;
    set_reg(scene, RAX, rax);
    if (setting->insn->operand_size == 1)
        return;

    const unsigned bits = 8u * setting->insn->operand_size;
    uint64_t rdx = random_chance(random, 128) ? 0 : random_below(random, 1000);

    if (is_signed && (scene->before.gpr[RAX] >> (bits - 1) & 1))
        rdx = ~rdx;
    set_reg(scene, RDX, rdx);
}

static void set_bit_offset(const struct setting *setting)
{
    const struct insn_operand *const offset = &setting->insn->operands[1];

    if (offset->kind == OPERAND_GPR && setting->insn->operands[0].kind == OPERAND_MEMORY) {
        const uint64_t bits = (uint64_t)((int64_t)random_below(setting->random, 0x200) - 0x100);
        const uint64_t above = random_next(setting->random);
        const unsigned size = setting->insn->operand_size;

        set_reg(setting->scene, offset->reg,
                size == 2   ? (above << 16) | (uint16_t)bits
                : size == 4 ? (above << 32) | (uint32_t)bits
                            : bits);
    }
}

/* What is compared is equal half the time. */
static void set_comparand(const struct setting *setting)
{
    struct scene *const scene = setting->scene;
    const struct insn *const insn = setting->insn;
    uint64_t half[2] = { 0, 0 };

    if (random_chance(setting->random, 100))
        return;
    if (insn->operands[0].kind == OPERAND_MEMORY)
        peek(scene, scene_address(&scene->before, insn, setting->address), half,
             insn->row->kind == INSN_CMPXCHG16B ? 16 : 8);
    else
        half[0] = scene->before.gpr[insn->operands[0].reg];
    if (insn->row->kind == INSN_CMPXCHG8B)
        half[1] = half[0] >> 32;
    set_reg(scene, RAX, half[0]);
    if (insn->row->kind != INSN_CMPXCHG)
        set_reg(scene, RDX, half[1]);
}

/* Above these counts the result is undefined for 16 bits (Intel SDM, SHLD). */
static void set_double_shift(const struct setting *setting)
{
    if (setting->insn->operand_size == 2)
        set_reg(setting->scene, RCX,
                (value_integer(setting->random) & ~UINT64_C(0x1f)) |
                    random_below(setting->random, 17));
}

/* Where an indirect jump or a return finds its way home; and what POPF may get. */
static void set_popped(const struct setting *setting)
{
    struct scene *const scene = setting->scene;
    struct random *const random = setting->random;
    const struct insn *const insn = setting->insn;
    const enum insn_kind kind = insn->row->kind;
    uint64_t value = program_end(setting->program);
    uint64_t *const rsp = &scene->before.gpr[RSP];

    /* What cannot be written here might set TF, which would trap in the harness. */
    if (kind == INSN_POPF && *rsp > DATA_A - 8 && *rsp < DATA_END &&
        (*rsp < DATA_A || *rsp > DATA_C - 8))
        *rsp = DATA_END;
    if (kind == INSN_POPF)
        value = random_next(random) & ~(uint64_t)FLAG_TF;
    else if (kind == INSN_POP_SEG || kind == INSN_MOV_SEG)
        value = (random_next(random) & ~UINT64_C(0xffff)) | (const uint16_t[]){
            0, 3, 0x2b, 0x2b, 0x33, 0xfff8, 0x28, 0x2a
        }[random_below(random, 8)];
    else if (random_chance(random, 16))
        value = pick_wild(random, 8);

    if (kind == INSN_POPF || kind == INSN_RET)
        poke(scene, *rsp, &value, sizeof(value));
    else if (has_memory(insn))
        poke(scene, scene_address(&scene->before, insn, setting->address), &value, sizeof(value));
    else
        set_reg(scene, insn->operands[0].reg, value);
}

/* Images that are loaded: FXSAVE's, FNSAVE's, FNSTENV's, MXCSR. */
static void set_loaded_image(const struct setting *setting)
{
    struct scene *const scene = setting->scene;
    struct random *const random = setting->random;
    const uint64_t va = scene_address(&scene->before, setting->insn, setting->address);
    uint8_t image[512];
    uint8_t legacy[108] = { 0 };

    value_float_state(random, image);
    if (random_chance(random, 16))
        image[FX_MXCSR + 2 + random_below(random, 2)] |= 1; /* bits that no processor has */
    switch ((enum insn_kind)setting->insn->row->kind) {
    case INSN_LDMXCSR:
        poke(scene, va, image + FX_MXCSR, 4);
        break;
    case INSN_FXRSTOR:
        poke(scene, va, image, sizeof(image));
        break;
    case INSN_FLDENV:
    case INSN_FRSTOR: {
        const bool is_short = setting->insn->operand_size == 2;

        const uint64_t tag = random_next(random);

        for (unsigned i = 0; i < 3; i++)
            memcpy(legacy + i * (is_short ? 2u : 4u),
                   i == 2 ? (const void *)&tag : image + (size_t)2 * i, 2);
        for (unsigned i = 0; i < 8; i++)
            memcpy(legacy + (is_short ? 14 : 28) + 10 * i, image + FX_ST + 16 * i, 10);
        poke(scene, va, legacy, memory_size(setting->insn));
        break;
    }
    default:
        break;
    }
}

/* Where the last floating-point instruction was, and its operand: not in all processors. */
static void set_stored_image(const struct setting *setting)
{
    struct scene *const scene = setting->scene;
    const uint64_t va = scene_address(&scene->before, setting->insn, setting->address);

    scene->may_tear = true;
    scene->is_page_of_fault = true;
    if (setting->insn->row->kind == INSN_FXSAVE) {
        mask(scene, va + FX_OPCODE, FX_MXCSR - FX_OPCODE);
        mask(scene, va + FX_MXCSR_MASK, 4);
    } else if (setting->insn->operand_size == 2) {
        mask(scene, va + 6, 8);
    } else {
        mask(scene, va + 12, 16);
    }
}

static void set_kind(const struct setting *setting)
{
    struct scene *const scene = setting->scene;
    struct random *const random = setting->random;

    switch ((enum insn_kind)setting->insn->row->kind) {
    case INSN_XLAT:
        set_reg(scene, RAX, value_integer(random));
        set_reg(scene, RBX,
                as_address(setting, pick_target(random, 1, 1) - (uint8_t)scene->before.gpr[RAX] -
                                        segment_base(setting->insn)));
        break;
    case INSN_MASKMOVQ:
    case INSN_MASKMOVDQU:
        scene->may_become_mmx |= setting->insn->row->kind == INSN_MASKMOVQ;
        scene->is_page_of_fault = true;
        set_reg(scene, RDI,
                as_address(setting, pick_target(random, 16, 1) - segment_base(setting->insn)));
        break;
    case INSN_ENTER:
    case INSN_LEAVE:
        scene->may_tear = setting->insn->row->kind == INSN_ENTER;
        set_reg(scene, RBP, pick_target(random, 8, 8));
        break;
    case INSN_MOVS:
    case INSN_CMPS:
    case INSN_STOS:
    case INSN_LODS:
    case INSN_SCAS:
        set_string(setting);
        break;
    case INSN_DIV:
    case INSN_IDIV:
        set_division(setting);
        break;
    case INSN_BT:
    case INSN_BTS:
    case INSN_BTR:
    case INSN_BTC:
        set_bit_offset(setting);
        break;
    case INSN_CMPXCHG:
    case INSN_CMPXCHG8B:
    case INSN_CMPXCHG16B:
        set_comparand(setting);
        break;
    case INSN_SHLD:
    case INSN_SHRD:
        set_double_shift(setting);
        break;
    case INSN_LOOP:
    case INSN_LOOPE:
    case INSN_LOOPNE:
    case INSN_JCXZ:
        if (random_chance(random, 200))
            set_reg(scene, RCX, as_address(setting, random_below(random, 3)));
        break;
    default:
        break;
    }
}

/* What depends on addresses that are settled. */
static void set_contents(const struct setting *setting)
{
    const struct insn *const insn = setting->insn;

    switch ((enum insn_kind)insn->row->kind) {
    case INSN_JMP:
    case INSN_CALL:
        if (insn->operands[0].kind != OPERAND_IMM)
            set_popped(setting);
        break;
    case INSN_RET:
    case INSN_POPF:
        set_popped(setting);
        break;
    case INSN_LDMXCSR:
    case INSN_FXRSTOR:
    case INSN_FLDENV:
    case INSN_FRSTOR:
        set_loaded_image(setting);
        setting->scene->is_page_of_fault = true;
        break;
    case INSN_FXSAVE:
    case INSN_FNSAVE:
    case INSN_FNSTENV:
        set_stored_image(setting);
        break;
    default:
        break;
    }
}

/* ---- All of it ------------------------------------------------------------------------------ */

void scene_init(struct scene *scene)
{
    struct random random = random_from(3);

    memset(scene, 0, sizeof(*scene));
    for (unsigned i = 0; i < DATA_BYTES; i += 512)
        value_memory(&random, true, scene->image + i, 512);
    value_plain_float_state(scene->before.fxsave);
}

/* What instructions that come later find in the registers that they share. */
static void set_pointers(struct scene *scene, struct random *random, const struct program *program)
{
    for (unsigned reg = 0; program->pointers && reg < NR_GPRS; reg++) {
        uint64_t va = DATA_B - 0x100 + random_below(random, 0x200);

        if (!(program->pointers >> reg & 1))
            continue;
        if (reg == RSP || random_chance(random, 160))
            va &= ~UINT64_C(15);
        if (random_chance(random, 6))
            va = pick_wild(random, 16);
        set_reg(scene, reg, va);
    }
    if (program->pointers)
        set_reg(scene, program->small, random_below(random, 16));
    if (program->count)
        set_reg(scene, RCX, program->count);
}

static void set_insn(const struct setting *setting)
{
    const enum insn_kind kind = setting->insn->row->kind;
    /* A register may be both an address and an operand: mostly the address wins. */
    const bool is_memory_first = random_chance(setting->random, 192);

    if (uses_stack(kind))
        set_stack(setting);
    if (is_memory_first)
        set_memory_operand(setting);
    set_kind(setting);
    if (!is_memory_first)
        set_memory_operand(setting);
    set_contents(setting);
}

void scene_set(struct scene *scene, struct random *random, const struct program *program)
{
    struct registers *const before = &scene->before;

    scene->fixed = 0;
    scene->nr_masks = 0;
    scene->may_tear = false;
    scene->is_page_of_fault = false;
    scene->may_become_mmx = false;
    for (unsigned i = 0; i < NR_WINDOWS; i++)
        value_memory(random, scene->is_float, scene->image + (windows[i].start - DATA_A),
                     windows[i].size);
    for (unsigned i = 0; i < NR_GPRS; i++)
        before->gpr[i] = value_integer(random);
    before->rflags = FLAG_FIXED | FLAG_IF | (random_next(random) & FLAGS_ARITH);
    before->rip = program->address + program->start[program->entry];
    if (scene->is_float)
        value_float_state(random, before->fxsave);
    if (program->nr == 0)
        before->rip = program->address;
    set_pointers(scene, random, program);
    for (unsigned i = program->entry; i < program->nr; i++) {
        const struct setting setting = {
            .scene = scene,
            .random = random,
            .program = program,
            .insn = &program->insns[i],
            .address = program->address + program->start[i],
        };

        set_insn(&setting);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/zydis_compare.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

#include "util/annotate.h"

static ZydisDecoder decoders[2]; /* by enum insn_mode */

/* Both decodings of the same bytes, and where to say how they differ. */
struct pair {
    const struct insn *ours;
    const ZydisDecodedInstruction *theirs;
    const ZydisDecodedOperand *operands; /* all, hidden ones too */
    char *text;
};

bool zydis_init(void)
{
    /* Where an old encoding was given a new meaning: our processor has the old one. */
    static const ZydisDecoderMode old_meanings[] = {
        ZYDIS_DECODER_MODE_MPX,   ZYDIS_DECODER_MODE_CET,      ZYDIS_DECODER_MODE_LZCNT,
        ZYDIS_DECODER_MODE_TZCNT, ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE,
    };

    if (ZydisGetVersion() >> 48 != ZYDIS_VERSION >> 48)
        return false;
    (void)ZydisDecoderInit(&decoders[MODE_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    (void)ZydisDecoderInit(&decoders[MODE_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    for (unsigned mode = 0; mode < 2; mode++)
        for (size_t i = 0; i < ARRAY_SIZE(old_meanings); i++)
            (void)ZydisDecoderEnableMode(&decoders[mode], old_meanings[i], ZYAN_FALSE);
    return true;
}

static bool differs(const struct pair *pair, const char *what, int64_t ours, int64_t theirs)
{
    (void)snprintf(pair->text, COMPARE_TEXT_MAX, "%s (ours %s): %s %#llx, Zydis: %#llx",
                   ZydisMnemonicGetString(pair->theirs->mnemonic),
                   pair->ours->row ? pair->ours->row->name : "none", what, (unsigned long long)ours,
                   (unsigned long long)theirs);
    return false;
}

/* ---- What must be there ---------------------------------------------------------- */

static bool has_isa_set(ZydisISASet set)
{
    switch (set) {
    case ZYDIS_ISA_SET_CLFSH:
    case ZYDIS_ISA_SET_CMOV:
    case ZYDIS_ISA_SET_CMPXCHG16B:
    case ZYDIS_ISA_SET_FAT_NOP:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_FXSAVE:
    case ZYDIS_ISA_SET_FXSAVE64:
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I286PROTECTED:
    case ZYDIS_ISA_SET_I286REAL:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_I486:
    case ZYDIS_ISA_SET_I486REAL:
    case ZYDIS_ISA_SET_LAHF:
    case ZYDIS_ISA_SET_LONGMODE:
    case ZYDIS_ISA_SET_PAUSE:
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_PENTIUMREAL:
    case ZYDIS_ISA_SET_PPRO:
    case ZYDIS_ISA_SET_PREFETCHWT1: /* a hint among hints; to us like the others */
    case ZYDIS_ISA_SET_PREFETCH_NOP:
    case ZYDIS_ISA_SET_RDPMC:
    case ZYDIS_ISA_SET_RDTSCP:
    case ZYDIS_ISA_SET_RDWRFSGS:
    case ZYDIS_ISA_SET_SMAP:
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_SSE_PREFETCH:
    case ZYDIS_ISA_SET_X87:
        return true;
    default:
        return false;
    }
}

/* hw/cpu/soft/table_base.c says what of 32-bit code is not there. */
static bool is_in_32_bit_subset(const ZydisDecodedInstruction *theirs)
{
    if (theirs->attributes & ZYDIS_ATTRIB_HAS_ADDRESSSIZE) /* 16-bit addresses */
        return false;
    switch (theirs->mnemonic) {
    case ZYDIS_MNEMONIC_AAA:
    case ZYDIS_MNEMONIC_AAD:
    case ZYDIS_MNEMONIC_AAM:
    case ZYDIS_MNEMONIC_AAS:
    case ZYDIS_MNEMONIC_ARPL:
    case ZYDIS_MNEMONIC_BOUND:
    case ZYDIS_MNEMONIC_DAA:
    case ZYDIS_MNEMONIC_DAS:
    case ZYDIS_MNEMONIC_SALC:
        return false;
    default:
        return theirs->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || theirs->opcode != 0x82;
    }
}

static bool is_in_scope(const ZydisDecodedInstruction *theirs)
{
    if (!has_isa_set(theirs->meta.isa_set))
        return false;
    if (theirs->machine_mode == ZYDIS_MACHINE_MODE_LEGACY_32 && !is_in_32_bit_subset(theirs))
        return false;
    switch (theirs->mnemonic) {
    case ZYDIS_MNEMONIC_NOP: /* AMD: 0F 0D with a register is #UD; Intel: a hint */
        return theirs->meta.isa_set != ZYDIS_ISA_SET_PREFETCH_NOP;
    case ZYDIS_MNEMONIC_UD0: /* #UD is what they are for */
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_RSM: /* no system management mode */
        return false;
    default:
        return true;
    }
}

/* ---- Mnemonics ----------------------------------------------------------------------- */

static const char *by_size(unsigned size, const char *w, const char *d, const char *q)
{
    return size == 2 ? w : size == 4 ? d : q;
}

/* What Zydis calls it, where that is not the row's name. */
static const char *their_name(const struct insn *insn, char buffer[16])
{
    unsigned size = insn->operand_size;

    switch ((enum insn_kind)insn->row->kind) {
    case INSN_MOVS:
    case INSN_CMPS:
    case INSN_STOS:
    case INSN_LODS:
    case INSN_SCAS:
        (void)snprintf(buffer, 16, "%s%c", insn->row->name, " bw d   q"[size]);
        return buffer;
    case INSN_INS:
    case INSN_OUTS:
        (void)snprintf(buffer, 16, "%s%c", insn->row->name, " bw d   d"[size]);
        return buffer;
    case INSN_CBW:
        return by_size(size, "cbw", "cwde", "cdqe");
    case INSN_CWD:
        return by_size(size, "cwd", "cdq", "cqo");
    case INSN_PUSHF:
        return by_size(size, "pushf", "pushfd", "pushfq");
    case INSN_POPF:
        return by_size(size, "popf", "popfd", "popfq");
    case INSN_IRET:
        return by_size(size, "iret", "iretd", "iretq");
    case INSN_PUSHA:
        return by_size(size, "pusha", "pushad", "");
    case INSN_POPA:
        return by_size(size, "popa", "popad", "");
    case INSN_JCXZ:
        return by_size(insn->address_size, "jcxz", "jecxz", "jrcxz");
    case INSN_RET_FAR:
        return "ret";
    case INSN_FXSAVE:
        return size == 8 ? "fxsave64" : "fxsave";
    case INSN_FXRSTOR:
        return size == 8 ? "fxrstor64" : "fxrstor";
    default:
        return insn->row->name;
    }
}

/* Encodings that the manuals do not name, but Zydis does; and one disagreement. */
static bool is_alias(const struct pair *pair)
{
    switch (pair->theirs->mnemonic) {
    case ZYDIS_MNEMONIC_FSTPNCE:
        return pair->ours->row->kind == INSN_FSTP;
    case ZYDIS_MNEMONIC_FENI8087_NOP:
    case ZYDIS_MNEMONIC_FDISI8087_NOP:
    case ZYDIS_MNEMONIC_FSETPM287_NOP:
        return pair->ours->row->kind == INSN_FNOP;
    case ZYDIS_MNEMONIC_PAUSE: /* F3 41 90: AMD's processors exchange, and so do we */
        return pair->ours->row->kind == INSN_XCHG && pair->ours->rex & 1;
    default:
        return false;
    }
}

static bool same_name(const struct pair *pair)
{
    char buffer[16];

    if (strcmp(their_name(pair->ours, buffer), ZydisMnemonicGetString(pair->theirs->mnemonic)) == 0)
        return true;
    return is_alias(pair) || differs(pair, "name", 0, 0);
}

/* ---- Operands ------------------------------------------------------------------------ */

/* Register number; -1 if it is of another class. */
static int their_register(ZydisRegister reg, enum operand_kind kind)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(reg);
    int id = ZydisRegisterGetId(reg);

    switch (kind) {
    case OPERAND_GPR:
        if (class == ZYDIS_REGCLASS_GPR8)
            return reg < ZYDIS_REGISTER_AH ? id : reg > ZYDIS_REGISTER_BH ? id - 4 : -1;
        return class == ZYDIS_REGCLASS_GPR16 || class == ZYDIS_REGCLASS_GPR32 ||
                       class == ZYDIS_REGCLASS_GPR64
                   ? id
                   : -1;
    case OPERAND_GPR_HIGH:
        return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH ? (int)(reg - ZYDIS_REGISTER_AH)
                                                                    : -1;
    case OPERAND_SEGMENT:
        return class == ZYDIS_REGCLASS_SEGMENT ? id : -1;
    case OPERAND_CR:
        return class == ZYDIS_REGCLASS_CONTROL ? id : -1;
    case OPERAND_DR:
        return class == ZYDIS_REGCLASS_DEBUG ? id : -1;
    case OPERAND_ST:
        return class == ZYDIS_REGCLASS_X87 ? id : -1;
    case OPERAND_MMX:
        return class == ZYDIS_REGCLASS_MMX ? id : -1;
    case OPERAND_XMM:
        return class == ZYDIS_REGCLASS_XMM ? id : -1;
    case OPERAND_NONE:
    case OPERAND_MEMORY:
    case OPERAND_IMM:
    case OPERAND_FAR:
        break;
    }
    return -1;
}

/* Of a register's upper half only its being zero matters: what size it has is taste. */
static bool is_size_free(const struct insn *insn)
{
    switch ((enum insn_kind)insn->row->kind) {
    case INSN_LAR:
    case INSN_LSL:
    case INSN_MOVSXD: /* 66 63: Zydis says 16 bits of a register, but 32 of memory */
    case INSN_MOVMSKPS:
    case INSN_MOVMSKPD:
    case INSN_PEXTRW:
    case INSN_PMOVMSKB:
        return true;
    default:
        return false;
    }
}

static bool same_register(const struct pair *pair, const struct insn_operand *ours,
                          const ZydisDecodedOperand *theirs)
{
    if (theirs->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return differs(pair, "register against type", ours->reg, theirs->type);
    if (their_register(theirs->reg.value, ours->kind) != ours->reg)
        return differs(pair, "register", ours->reg, theirs->reg.value);
    /* Of a vector Zydis gives the whole register's size. */
    if (ours->kind == OPERAND_GPR && !is_size_free(pair->ours) && ours->size * 8 != theirs->size)
        return differs(pair, "register's bits", ours->size * 8, theirs->size);
    return true;
}

static int base_number(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
        return MEMORY_RIP;
    return reg == ZYDIS_REGISTER_NONE ? MEMORY_NO_REG : their_register(reg, OPERAND_GPR);
}

/* Zydis 4.0.0 takes R13 for a base where, as with RBP, there is none. */
static bool is_base_bug(const struct insn *insn)
{
    return insn->address_size == 4 && insn->rex & 1 && insn->modrm >> 6 == 0 &&
           insn->memory.base == MEMORY_NO_REG;
}

static bool same_address(const struct pair *pair, const ZydisDecodedOperandMem *mem)
{
    const struct insn_memory *memory = &pair->ours->memory;
    unsigned scale = memory->index == MEMORY_NO_REG ? 0 : 1u << memory->shift;
    uint64_t mask = pair->ours->address_size == 4 ? UINT32_MAX : UINT64_MAX;

    if (pair->ours->row->kind == INSN_XLAT) /* its index is AL */
        return base_number(mem->base) == memory->base || differs(pair, "base", 0, 0);
    if (base_number(mem->base) != memory->base && !is_base_bug(pair->ours))
        return differs(pair, "base", memory->base, mem->base);
    if (base_number(mem->index) != memory->index)
        return differs(pair, "index", memory->index, mem->index);
    if (mem->scale != scale)
        return differs(pair, "scale", scale, mem->scale);
    if (((uint64_t)mem->disp.value ^ (uint64_t)memory->disp) & mask && !is_base_bug(pair->ours))
        return differs(pair, "displacement", memory->disp, mem->disp.value);
    return true;
}

static bool same_memory(const struct pair *pair, const struct insn_operand *ours,
                        const ZydisDecodedOperand *theirs)
{
    const ZydisDecodedOperandMem *mem = &theirs->mem;
    int segment = ZydisRegisterGetId(mem->segment);

    if (theirs->type != ZYDIS_OPERAND_TYPE_MEMORY)
        return differs(pair, "memory against type", ours->size, theirs->type);
    if (pair->ours->address_size * 8 != pair->theirs->address_width)
        return differs(pair, "address bits", pair->ours->address_size * 8,
                       pair->theirs->address_width);
    /* insn.memory describes the other one of two: see insn.h. */
    if (base_number(mem->base) == RDI && pair->ours->memory.base == RSI) {
        if (segment != SEG_ES)
            return differs(pair, "segment", SEG_ES, segment);
    } else if (!same_address(pair, mem)) {
        return false;
    } else if (ours->size > 0 && segment != pair->ours->memory.segment &&
               !is_base_bug(pair->ours)) {
        return differs(pair, "segment", pair->ours->memory.segment, segment);
    }
    /* Zydis says what the cache line has; we say what is read. */
    if (ours->size > 0 && ours->size * 8 != theirs->size && pair->ours->row->kind != INSN_CLFLUSH)
        return differs(pair, "memory's bits", ours->size * 8, theirs->size);
    return true;
}

static bool same_immediate(const struct pair *pair, unsigned i, const ZydisDecodedOperand *theirs)
{
    unsigned size = pair->ours->operand_size;
    uint64_t mask = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
    bool is_second = pair->ours->row->kind == INSN_ENTER && i == 1;
    uint64_t ours = is_second ? pair->ours->selector : (uint64_t)pair->ours->imm;

    if (theirs->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return differs(pair, "immediate against type", (int64_t)ours, theirs->type);
    if ((ours ^ theirs->imm.value.u) & mask)
        return differs(pair, "immediate", (int64_t)ours, theirs->imm.value.s);
    return true;
}

static bool same_operand(const struct pair *pair, unsigned i, const ZydisDecodedOperand *theirs)
{
    const struct insn_operand *ours = &pair->ours->operands[i];

    switch ((enum operand_kind)ours->kind) {
    case OPERAND_MEMORY:
        return same_memory(pair, ours, theirs);
    case OPERAND_IMM:
        return same_immediate(pair, i, theirs);
    case OPERAND_FAR:
        if (theirs->type != ZYDIS_OPERAND_TYPE_POINTER ||
            theirs->ptr.segment != pair->ours->selector ||
            theirs->ptr.offset != (uint32_t)pair->ours->imm)
            return differs(pair, "far pointer", pair->ours->imm, theirs->ptr.offset);
        return true;
    default:
        return same_register(pair, ours, theirs);
    }
}

/* Where Zydis begins to list what we do: string instructions' operands are all hidden there. */
static unsigned nr_theirs(const struct pair *pair, unsigned *ret_first)
{
    *ret_first = 0;
    if (insn_kind_family(pair->ours->row->kind) == FAMILY_STRING)
        return 2;
    switch ((enum insn_kind)pair->ours->row->kind) {
    case INSN_NOP: /* operands that nobody looks at: Intel counts two, AMD one */
        return 0;
    case INSN_XLAT: /* AL follows */
        return 1;
    case INSN_MASKMOVQ:
    case INSN_MASKMOVDQU:
        return 3;
    case INSN_FUCOMP: /* Zydis lists ST0 here, and not with FUCOM, FCOM and FCOMP */
        *ret_first = 1;
        return 2;
    default:
        return pair->theirs->operand_count_visible;
    }
}

static bool same_operands(const struct pair *pair)
{
    unsigned first, count = nr_theirs(pair, &first), i;

    if (pair->ours->row->kind == INSN_NOP || is_alias(pair))
        return true;
    for (i = 0; i < INSN_OPERANDS_MAX && pair->ours->operands[i].kind != OPERAND_NONE; i++) {
        if (first + i == count)
            return differs(pair, "operands", i + 1, count);
        if (!same_operand(pair, i, &pair->operands[first + i]))
            return false;
    }
    return first + i == count || differs(pair, "operands", i, count);
}

/* Prefixes that change what is done. */
static bool same_prefixes(const struct pair *pair)
{
    ZydisInstructionAttributes attributes = pair->theirs->attributes;
    bool is_string = insn_kind_family(pair->ours->row->kind) == FAMILY_STRING;
    unsigned theirs = 0;

    if (attributes & ZYDIS_ATTRIB_HAS_LOCK)
        theirs |= PREFIX_LOCK;
    if (is_string && attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
        theirs |= PREFIX_REP;
    if (is_string && attributes & ZYDIS_ATTRIB_HAS_REPNE)
        theirs |= pair->ours->row->prefixes & ROW_REP ? PREFIX_REP : PREFIX_REPNE;
    if ((pair->ours->prefixes & (is_string ? 7 : PREFIX_LOCK)) != theirs)
        return differs(pair, "prefixes", pair->ours->prefixes, theirs);
    return true;
}

/* ---- Both ----------------------------------------------------------------------------- */

bool zydis_agrees(const uint8_t *bytes, size_t size, enum insn_mode mode,
                  struct agreement *ret_agreement)
{
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    struct insn ours;
    struct pair pair = { &ours, &theirs, operands, ret_agreement->text };
    enum decode_result result = insn_decode(bytes, size, mode, &ours);
    bool is_known =
        ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[mode], bytes, size, &theirs, operands));

    if (!is_known) {
        theirs.mnemonic = ZYDIS_MNEMONIC_INVALID;
        theirs.length = 0;
    }
    ret_agreement->length = theirs.length;
    ret_agreement->is_ours = is_known && is_in_scope(&theirs);
    if (ret_agreement->is_ours != (result == DECODE_OK))
        return differs(&pair, "result", result, is_known);
    if (!ret_agreement->is_ours)
        return true;
    if (ours.length != theirs.length)
        return differs(&pair, "length", ours.length, theirs.length);
    return same_name(&pair) && same_prefixes(&pair) && same_operands(&pair);
}

/* ---- Flags ---------------------------------------------------------------------------- */

enum { FLAGS_SEEN = FLAGS_ARITH | FLAG_DF };

void zydis_flags(const uint8_t *bytes, size_t size, enum insn_mode mode, struct flag_use *ret_use)
{
    ZydisDecodedInstruction theirs;

    *ret_use = (struct flag_use){ 0 };
    if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoders[mode], NULL, bytes, size, &theirs)))
        return;
    ret_use->read = theirs.cpu_flags->tested & FLAGS_SEEN;
    ret_use->undefined = theirs.cpu_flags->undefined & FLAGS_SEEN;
    ret_use->written =
        (theirs.cpu_flags->modified | theirs.cpu_flags->set_0 | theirs.cpu_flags->set_1) &
        FLAGS_SEEN;
}

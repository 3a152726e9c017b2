/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOVS, STOS, LODS, SCAS, CMPS, alone and repeated.
 *
 * Each iteration ends with the registers as they are after it, so a fault in a later
 * one, or a kick, finds an instruction that goes on from there when it is run again.
 * Upwards, MOVS and STOS do as many iterations at once as lie in plain memory of one
 * page: by the host's own instruction, which is right about overlaps too.
 *
 * A fault or an interrupt in between finds the flags of the last comparison that has ended, as
 * on AMD's; on Intel's a fault finds those from before (Intel SDM vol. 2, REP).
 */
#include "hw/cpu/soft/alu.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/forms.h"

/* op->aux: how addresses come about. */
enum string_mode {
    STRING_WIDE,   /* 64-bit registers */
    STRING_NARROW, /* 32-bit registers, and a 64-bit base */
    STRING_FLAT,   /* 32-bit code: the sum is of 32 bits too */
};

/* op->seg is the source's segment, op->base the destination's: ES. */
static ALWAYS_INLINE uint64_t string_address(const struct soft *cpu, const struct op *op,
                                             enum gpr reg)
{
    const uint64_t base = REG64(reg == RSI ? op->seg : op->base);

    switch ((enum string_mode)op->aux) {
    case STRING_WIDE:
        return cpu->gpr[reg] + base;
    case STRING_NARROW:
        return (uint32_t)cpu->gpr[reg] + base;
    default:
        return (uint32_t)(cpu->gpr[reg] + base);
    }
}

static ALWAYS_INLINE void string_advance(struct soft *cpu, const struct op *op, enum gpr reg,
                                         uint64_t distance)
{
    const uint64_t value =
        cpu->rflags & FLAG_DF ? cpu->gpr[reg] - distance : cpu->gpr[reg] + distance;

    cpu->gpr[reg] = op->aux == STRING_WIDE ? value : (uint32_t)value;
}

/* ---- Repetition ----------------------------------------------------------------------------- */

static uint64_t string_count(const struct soft *cpu, const struct op *op)
{
    return op->aux == STRING_WIDE ? cpu->gpr[RCX] : (uint32_t)cpu->gpr[RCX];
}

static void string_counted(struct soft *cpu, const struct op *op, uint64_t nr_done)
{
    const uint64_t count = cpu->gpr[RCX] - nr_done;

    cpu->gpr[RCX] = op->aux == STRING_WIDE ? count : (uint32_t)count;
}

/* Somebody waits: what is left of the instruction comes later. It counts then, not now. */
static bool is_kicked(const struct soft *cpu)
{
    return unlikely(cpu->count >= __atomic_load_n(&cpu->kick.limit, __ATOMIC_RELAXED));
}

static HANDLER(leave_unfinished)
{
    cpu->rip = op_rip(cpu, op);
    cpu->count -= op->left;
    LEAVE_RUN;
}

/* How many iterations of @bytes there are at most before @reg, if it has 32 bits only, wraps. */
static uint64_t before_wrap(const struct soft *cpu, const struct op *op, enum gpr reg,
                            unsigned bytes)
{
    return op->aux == STRING_WIDE ? UINT64_MAX
                                  : ((UINT64_C(1) << 32) - (uint32_t)cpu->gpr[reg]) / bytes;
}

/*
 * Host pointer to the element at @reg, and to as many more as @ret_count is lowered to; NULL
 * if single accesses must do it. It may come with another view: what came before it is void then.
 */
static void *string_bulk(struct soft *cpu, const struct op *op, enum gpr reg, bool is_write,
                         unsigned bytes, uint64_t *ret_count)
{
    size_t size;
    void *host;

    if (cpu->rflags & FLAG_DF)
        return NULL;
    if ((string_address(cpu, op, reg) & ~PAGE_MASK) > PAGE_SIZE - bytes)
        return NULL; /* and what that raises is not what its first byte alone would */
    host = soft_bulk(cpu, op, string_address(cpu, op, reg), is_write, &size);
    if (!host)
        return NULL;
    *ret_count = MIN(*ret_count, size / bytes);
    *ret_count = MIN(*ret_count, before_wrap(cpu, op, reg, bytes));
    return *ret_count ? host : NULL;
}

/* ---- MOVS, STOS, LODS -------------------------------------------------------------------------
 */

#define MOVING_HANDLERS(bits, suffix)                                                              \
    static void movs_one_##bits(struct soft *cpu, const struct op *op)                             \
    {                                                                                              \
        const uint##bits##_t value = load##bits(cpu, op, string_address(cpu, op, RSI));            \
        store##bits(cpu, op, string_address(cpu, op, RDI), value);                                 \
        string_advance(cpu, op, RSI, (bits) / 8);                                                  \
        string_advance(cpu, op, RDI, (bits) / 8);                                                  \
    }                                                                                              \
    static uint64_t movs_some_##bits(struct soft *cpu, const struct op *op, uint64_t count)        \
    {                                                                                              \
        const void *from = string_bulk(cpu, op, RSI, false, (bits) / 8, &count);                   \
        const uint64_t generation = cpu->view_generation;                                          \
        void *to = from ? string_bulk(cpu, op, RDI, true, (bits) / 8, &count) : NULL;              \
        uint64_t left = count;                                                                     \
        if (!to || generation != cpu->view_generation) {                                           \
            movs_one_##bits(cpu, op);                                                              \
            return 1;                                                                              \
        }                                                                                          \
        __asm__ volatile("rep movs" suffix : "+D"(to), "+S"(from), "+c"(left) : : "memory");       \
        string_advance(cpu, op, RSI, count *(bits) / 8);                                           \
        string_advance(cpu, op, RDI, count *(bits) / 8);                                           \
        return count;                                                                              \
    }                                                                                              \
    static void stos_one_##bits(struct soft *cpu, const struct op *op)                             \
    {                                                                                              \
        store##bits(cpu, op, string_address(cpu, op, RDI), GET(bits, GPR(RAX)));                   \
        string_advance(cpu, op, RDI, (bits) / 8);                                                  \
    }                                                                                              \
    static uint64_t stos_some_##bits(struct soft *cpu, const struct op *op, uint64_t count)        \
    {                                                                                              \
        void *to = string_bulk(cpu, op, RDI, true, (bits) / 8, &count);                            \
        uint64_t left = count;                                                                     \
        if (!to) {                                                                                 \
            stos_one_##bits(cpu, op);                                                              \
            return 1;                                                                              \
        }                                                                                          \
        __asm__ volatile("rep stos" suffix                                                         \
                         : "+D"(to), "+c"(left)                                                    \
                         : "a"(GET(bits, GPR(RAX)))                                                \
                         : "memory");                                                              \
        string_advance(cpu, op, RDI, count *(bits) / 8);                                           \
        return count;                                                                              \
    }                                                                                              \
    static void lods_one_##bits(struct soft *cpu, const struct op *op)                             \
    {                                                                                              \
        SET(bits, GPR(RAX), load##bits(cpu, op, string_address(cpu, op, RSI)));                    \
        string_advance(cpu, op, RSI, (bits) / 8);                                                  \
    }                                                                                              \
    static uint64_t lods_some_##bits(struct soft *cpu, const struct op *op, uint64_t count UNUSED) \
    {                                                                                              \
        lods_one_##bits(cpu, op);                                                                  \
        return 1;                                                                                  \
    }                                                                                              \
    REPEATED_(movs, bits)                                                                          \
    REPEATED_(stos, bits)                                                                          \
    REPEATED_(lods, bits)

#define REPEATED_(name, bits)                                                                      \
    static HANDLER(name##_##bits)                                                                  \
    {                                                                                              \
        name##_one_##bits(cpu, op);                                                                \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(rep_##name##_##bits)                                                            \
    {                                                                                              \
        uint64_t count;                                                                            \
        while ((count = string_count(cpu, op)) > 0) {                                              \
            string_counted(cpu, op, name##_some_##bits(cpu, op, count));                           \
            if (is_kicked(cpu) && string_count(cpu, op) > 0)                                       \
                return leave_unfinished(cpu, op);                                                  \
        }                                                                                          \
        NEXT;                                                                                      \
    }

MOVING_HANDLERS(8, "b")
MOVING_HANDLERS(16, "w")
MOVING_HANDLERS(32, "l")
MOVING_HANDLERS(64, "q")

/* ---- SCAS, CMPS -------------------------------------------------------------------------------
 */

struct comparison {
    uint64_t a, b;
};

#define COMPARING_HANDLERS(bits)                                                                   \
    static struct comparison scas_one_##bits(struct soft *cpu, const struct op *op)                \
    {                                                                                              \
        const uint64_t b = load##bits(cpu, op, string_address(cpu, op, RDI));                      \
        string_advance(cpu, op, RDI, (bits) / 8);                                                  \
        return (struct comparison){ GET(bits, GPR(RAX)), b };                                      \
    }                                                                                              \
    static struct comparison cmps_one_##bits(struct soft *cpu, const struct op *op)                \
    {                                                                                              \
        /* in this order, as AMD's do: seen where both fault */                                    \
        const uint64_t b = load##bits(cpu, op, string_address(cpu, op, RDI));                      \
        const uint64_t a = load##bits(cpu, op, string_address(cpu, op, RSI));                      \
        string_advance(cpu, op, RSI, (bits) / 8);                                                  \
        string_advance(cpu, op, RDI, (bits) / 8);                                                  \
        return (struct comparison){ a, b };                                                        \
    }                                                                                              \
    COMPARED_(scas, bits)                                                                          \
    COMPARED_(cmps, bits)

/* imm: ends when equality is no longer this (REPE 1, REPNE 0). */
#define COMPARED_(name, bits)                                                                      \
    static HANDLER(name##_##bits)                                                                  \
    {                                                                                              \
        const struct comparison last = name##_one_##bits(cpu, op);                                 \
        alu_flags(cpu, ALU_CMP, bits, last.a, last.b, 0, last.a - last.b);                         \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(rep_##name##_##bits)                                                            \
    {                                                                                              \
        while (string_count(cpu, op) > 0) {                                                        \
            const struct comparison last = name##_one_##bits(cpu, op);                             \
            string_counted(cpu, op, 1);                                                            \
            alu_flags(cpu, ALU_CMP, bits, last.a, last.b, 0, last.a - last.b);                     \
            if ((last.a == last.b) != op->imm)                                                     \
                break;                                                                             \
            if (is_kicked(cpu) && string_count(cpu, op) > 0)                                       \
                return leave_unfinished(cpu, op);                                                  \
        }                                                                                          \
        NEXT;                                                                                      \
    }

COMPARING_HANDLERS(8)
COMPARING_HANDLERS(16)
COMPARING_HANDLERS(32)
COMPARING_HANDLERS(64)

/* ---- Lowering -----------------------------------------------------------------------------------
 */

struct string_run { /* by "is repeated", then size */
    op_fn *run[2][4];
};
#define RUNS(name)                                                                                 \
    {                                                                                              \
        {                                                                                          \
            { name##_8, name##_16, name##_32, name##_64 },                                         \
            {                                                                                      \
                rep_##name##_8, rep_##name##_16, rep_##name##_32, rep_##name##_64                  \
            }                                                                                      \
        }                                                                                          \
    }

static const struct string_run *find_runs(enum insn_kind kind)
{
    static const struct string_run movs = RUNS(movs), stos = RUNS(stos), lods = RUNS(lods),
                                   scas = RUNS(scas), cmps = RUNS(cmps);

    switch (kind) {
    case INSN_MOVS:
        return &movs;
    case INSN_STOS:
        return &stos;
    case INSN_LODS:
        return &lods;
    case INSN_SCAS:
        return &scas;
    case INSN_CMPS:
        return &cmps;
    default: /* INS and OUTS are with the ports */
        return NULL;
    }
}

static uint8_t segment_offset(const struct builder *builder, enum segment segment)
{
    const bool has_base = builder->mode == MODE_32 || segment >= SEG_FS;

    return has_base ? (uint8_t)(OFFSET_SEG_BASE + 8 * segment) : OFFSET_ZERO;
}

static bool lower(struct builder *builder, const struct insn *insn)
{
    const struct string_run *runs = find_runs((enum insn_kind)insn->row->kind);
    const bool is_repeated = insn->prefixes & (PREFIX_REP | PREFIX_REPNE);
    struct op *op;

    if (!runs)
        return false;
    op = build_op(builder, runs->run[is_repeated][size_index(insn->operand_size)]);
    op->aux = builder->mode == MODE_32  ? STRING_FLAT
              : insn->address_size == 4 ? STRING_NARROW
                                        : STRING_WIDE;
    op->seg = segment_offset(builder, (enum segment)insn->memory.segment);
    op->base = segment_offset(builder, SEG_ES);
    op->imm = !(insn->prefixes & PREFIX_REPNE);
    return true;
}

lower_fn *lower_string(enum insn_kind kind)
{
    return find_runs(kind) ? lower : NULL;
}

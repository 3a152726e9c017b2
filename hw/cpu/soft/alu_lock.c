/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LOCK ADD, OR, ADC, SBB, AND, SUB, XOR: on the host's address, by the host's locked
 * instructions. What they give back is enough to know the flags.
 */
#include "hw/cpu/soft/alu.h"
#include "hw/cpu/soft/forms.h"

/* Sums are one XADD; for the others the host has no instruction that gives the old value. */
#define EXCHANGE_(ALU, bits, host, a, b, carry, result)                                            \
    do {                                                                                           \
        if (ALU == ALU_ADD || ALU == ALU_SUB) {                                                    \
            a = host_xadd##bits(host, (uint##bits##_t)(ALU == ALU_ADD ? b : -b));                  \
            result = alu_result(ALU, a, b, 0);                                                     \
        } else {                                                                                   \
            uint##bits##_t old_ = host_load##bits(host);                                           \
            do {                                                                                   \
                a = old_;                                                                          \
                result = alu_result(ALU, a, b, carry);                                             \
            } while (!host_cmpxchg##bits(host, &old_, (uint##bits##_t)result));                    \
        }                                                                                          \
    } while (0)

#define HANDLER_(name, ALU, bits, form, source)                                                    \
    MEMORY_HANDLER(name##_##form##_##bits)                                                         \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op), b = (source), carry = cpu->flag_cf;          \
        uint64_t a, result;                                                                        \
        void *host;                                                                                \
        LOCK_BEGIN(bits, address, host);                                                           \
        EXCHANGE_(ALU, bits, host, a, b, carry, result);                                           \
        LOCK_END(bits, address, host);                                                             \
        alu_flags(cpu, ALU, bits, a, b, carry, result);                                            \
        NEXT;                                                                                      \
    }
#define FORMS_(name, ALU, bits)                                                                    \
    HANDLER_(name, ALU, bits, mr, GET(bits, op->src))                                              \
    HANDLER_(name, ALU, bits, mi, (uint##bits##_t)op->imm)

#define OPERATIONS(X)                                                                              \
    X(add, ALU_ADD)                                                                                \
    X(or, ALU_OR) X(adc, ALU_ADC) X(sbb, ALU_SBB) X(and, ALU_AND) X(sub, ALU_SUB) X(xor, ALU_XOR)
#define DEFINE(name, ALU)                                                                          \
    FORMS_(name, ALU, 8) FORMS_(name, ALU, 16) FORMS_(name, ALU, 32) FORMS_(name, ALU, 64)
OPERATIONS(DEFINE)

struct locked_run {
    op_fn *mr[4], *mi[4];
};

#define ROW_(name, form)                                                                           \
    {                                                                                              \
        name##_##form##_8, name##_##form##_16, name##_##form##_32, name##_##form##_64              \
    }
#define RUNS_(name, ALU) [ALU] = { ROW_(name, mr), ROW_(name, mi) },
static const struct locked_run runs[NR_ALU] = { OPERATIONS(RUNS_) };

bool lower_alu_locked(struct builder *builder, const struct insn *insn, enum alu alu)
{
    const struct insn_operand *from = &insn->operands[1];
    const unsigned size = size_index(insn->operands[0].size);
    struct op *op;

    if (from->kind == OPERAND_IMM) {
        op = build_memory_op(builder, insn, runs[alu].mi[size]);
        op->imm = (uint64_t)insn->imm;
    } else {
        op = build_memory_op(builder, insn, runs[alu].mr[size]);
        op->src = build_gpr(from);
    }
    return true;
}

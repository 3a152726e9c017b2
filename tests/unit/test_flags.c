/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The software processor's flags against this machine's: all operands of 8 bits, and corners. */
#include "hw/cpu/soft/alu.h"
#include "tests/tap.h"

static struct soft cpu;

/* Run @instruction on @a and @b with CF as @carry says; its result in @a, its flags returned. */
#define HOST(instruction, a, b, carry)                                                             \
    ({                                                                                             \
        uint64_t flags_ = (carry);                                                                 \
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"                                              \
                         "btq $0, %1\n\t" instruction "\n\t"                                       \
                         "pushfq\n\t"                                                              \
                         "popq %1\n\t"                                                             \
                         "lea 128(%%rsp), %%rsp"                                                   \
                         : "+&q"(a), "+&r"(flags_)                                                 \
                         : "q"(b)                                                                  \
                         : "cc");                                                                  \
        flags_ &FLAGS_ARITH;                                                                       \
    })

static unsigned nr_wrong;

static void compare(const char *what, uint64_t a, uint64_t b, uint64_t ours, uint64_t host)
{
    if (ours == host || nr_wrong++ > 10)
        return;
    printf("# %s 0x%llx, 0x%llx: ours 0x%llx, the host's 0x%llx\n", what, (unsigned long long)a,
           (unsigned long long)b, (unsigned long long)ours, (unsigned long long)host);
}

/* AF after a logical operation is undefined: left out. */
static uint64_t defined(enum alu alu, uint64_t flags)
{
    const bool is_logical = alu == ALU_AND || alu == ALU_OR || alu == ALU_XOR || alu == ALU_TEST;

    return is_logical ? flags & ~(uint64_t)FLAG_AF : flags;
}

/* All conditions follow from the flags, by their definition (Intel SDM vol. 1, B.1). */
static bool condition_of(uint64_t flags, enum cond cond)
{
    const bool cf = flags & FLAG_CF, zf = flags & FLAG_ZF, sf = flags & FLAG_SF;
    const bool of = flags & FLAG_OF, pf = flags & FLAG_PF;
    const bool holds[] = { of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of };

    return holds[cond >> 1] != (cond & 1);
}

static void check_conditions(const char *what, uint64_t a, uint64_t b, uint64_t flags)
{
    for (unsigned cond = 0; cond < NR_CONDS; cond++)
        compare(what, a, cond << 8 | b, flags_condition(&cpu, (enum cond)cond),
                condition_of(flags, (enum cond)cond));
}

/* The conditions that fused branches compute from operands. */
static void check_fused(enum alu alu, unsigned bits, uint64_t a, uint64_t b, uint64_t result,
                        uint64_t flags)
{
    for (unsigned cond = 0; cond < NR_CONDS; cond++) {
        const bool is_difference = alu == ALU_CMP;
        const bool is_zero_or_sign = (cond & ~1u) == COND_E || (cond & ~1u) == COND_S;
        const bool is_overflow_or_parity = (cond & ~1u) == COND_O || (cond & ~1u) == COND_P;
        const bool is_tested = (cond & ~1u) == (alu == ALU_TEST ? COND_LE : COND_B);

        if (is_overflow_or_parity || !(is_difference || is_zero_or_sign || is_tested))
            continue;
        compare("fused condition", a, cond << 8 | b,
                alu_condition(alu, (enum cond)cond, bits, a, b, result),
                condition_of(flags, (enum cond)cond));
    }
}

#define CHECK(name, instruction, ALU, bits, a, b, carry)                                           \
    do {                                                                                           \
        uint##bits##_t host_result_ = (uint##bits##_t)(a);                                         \
        const uint##bits##_t a_ = (uint##bits##_t)(a), b_ = (uint##bits##_t)(b);                   \
        const uint64_t host_ = HOST(instruction, host_result_, b_, carry);                         \
        const uint64_t result_ = alu_result(ALU, a_, b_, carry);                                   \
        cpu.flag_cf = (carry);                                                                     \
        alu_flags(&cpu, ALU, bits, a_, b_, carry, result_);                                        \
        compare(name, a_, b_, defined(ALU, flags_get(&cpu)), defined(ALU, host_));                 \
        check_conditions(name, a_, b_, flags_get(&cpu));                                           \
        if (ALU == ALU_CMP || ALU == ALU_TEST || ALU == ALU_ADD)                                   \
            check_fused(ALU, bits, a_, b_, result_, host_);                                        \
        else                                                                                       \
            compare(name, a_, b_, (uint##bits##_t)result_, host_result_);                          \
    } while (0)

#define CHECK_ALL(bits, suffix, a, b, carry)                                                       \
    do {                                                                                           \
        CHECK("add", "add" suffix " %2, %0", ALU_ADD, bits, a, b, carry);                          \
        CHECK("or", "or" suffix " %2, %0", ALU_OR, bits, a, b, carry);                             \
        CHECK("adc", "adc" suffix " %2, %0", ALU_ADC, bits, a, b, carry);                          \
        CHECK("sbb", "sbb" suffix " %2, %0", ALU_SBB, bits, a, b, carry);                          \
        CHECK("and", "and" suffix " %2, %0", ALU_AND, bits, a, b, carry);                          \
        CHECK("sub", "sub" suffix " %2, %0", ALU_SUB, bits, a, b, carry);                          \
        CHECK("xor", "xor" suffix " %2, %0", ALU_XOR, bits, a, b, carry);                          \
        CHECK("cmp", "cmp" suffix " %2, %0", ALU_CMP, bits, a, b, carry);                          \
        CHECK("test", "test" suffix " %2, %0", ALU_TEST, bits, a, b, carry);                       \
    } while (0)

static void all_operands_of_8_bits_set_flags_as_the_host_does(void)
{
    for (unsigned i = 0; i < 1 << 17; i++)
        CHECK_ALL(8, "b", i & 255, i >> 8 & 255, i >> 16);
    is(nr_wrong, 0);
}

static const uint64_t corners[] = {
    0,
    1,
    2,
    0xf,
    0x10,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x10000,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x123456789abcdef,
    INT64_MAX,
    UINT64_C(1) << 63,
    UINT64_MAX,
};

static void corners_of_longer_operands_do_too(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(corners); i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(corners); j++) {
            for (unsigned carry = 0; carry < 2; carry++) {
                CHECK_ALL(16, "w", corners[i], corners[j], carry);
                CHECK_ALL(32, "l", corners[i], corners[j], carry);
                CHECK_ALL(64, "q", corners[i], corners[j], carry);
            }
        }
    }
    is(nr_wrong, 0);
}

#define CHECK_STEP(bits, suffix, value, carry)                                                     \
    do {                                                                                           \
        const uint##bits##_t a_ = (uint##bits##_t)(value);                                         \
        uint##bits##_t result_ = a_;                                                               \
        uint64_t host_ = HOST("inc" suffix " %0", result_, a_, carry);                             \
        flags_set(&cpu, (carry) ? FLAGS_ARITH : 0);                                                \
        flags_step(&cpu, bits, a_, (uint64_t)a_ + 1, false);                                       \
        compare("inc", a_, carry, flags_get(&cpu), host_);                                         \
        result_ = a_;                                                                              \
        host_ = HOST("dec" suffix " %0", result_, a_, carry);                                      \
        flags_set(&cpu, (carry) ? FLAGS_ARITH : 0);                                                \
        flags_step(&cpu, bits, a_, (uint64_t)a_ - 1, true);                                        \
        compare("dec", a_, carry, flags_get(&cpu), host_);                                         \
    } while (0)

static void inc_and_dec_keep_the_carry(void)
{
    for (unsigned i = 0; i < 1 << 9; i++)
        CHECK_STEP(8, "b", i & 255, i >> 8);
    for (unsigned i = 0; i < ARRAY_SIZE(corners); i++) {
        for (unsigned carry = 0; carry < 2; carry++) {
            CHECK_STEP(16, "w", corners[i], carry);
            CHECK_STEP(32, "l", corners[i], carry);
            CHECK_STEP(64, "q", corners[i], carry);
        }
    }
    is(nr_wrong, 0);
}

/* Bit n of @number: whether the n-th of the six is set. */
static uint64_t combination(unsigned number)
{
    static const uint64_t six[] = { FLAG_CF, FLAG_PF, FLAG_AF, FLAG_ZF, FLAG_SF, FLAG_OF };
    uint64_t flags = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(six); i++)
        flags |= number >> i & 1 ? six[i] : 0;
    return flags;
}

static void any_combination_can_be_set(void)
{
    for (unsigned i = 0; i < 64; i++) {
        const uint64_t flags = combination(i);

        flags_set(&cpu, flags);
        compare("set", flags, 0, flags_get(&cpu), flags);
        check_conditions("condition", flags, 0, flags);
        soft_set_rflags(&cpu, flags | FLAG_DF | FLAG_IF);
        compare("rflags", flags, 0, soft_get_rflags(&cpu), flags | FLAG_DF | FLAG_IF | FLAG_FIXED);
    }
    is(nr_wrong, 0);
}

static void some_flags_change_without_the_others(void)
{
    for (unsigned i = 0; i < 64; i++) {
        for (unsigned j = 0; j < 4; j++) {
            const uint64_t flags = combination(i);
            const uint64_t cf = j & 1 ? FLAG_CF : 0, of = j & 2 ? FLAG_OF : 0;

            flags_set(&cpu, flags);
            flags_set_cf(&cpu, cf);
            compare("cf", flags, cf, flags_get(&cpu), (flags & ~(uint64_t)FLAG_CF) | cf);
            flags_set(&cpu, flags);
            flags_set_cf_of(&cpu, cf, of);
            compare("cf and of", flags, cf | of, flags_get(&cpu),
                    (flags & ~(uint64_t)(FLAG_CF | FLAG_OF)) | cf | of);
        }
    }
    is(nr_wrong, 0);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(all_operands_of_8_bits_set_flags_as_the_host_does),
        TAP_TEST(corners_of_longer_operands_do_too),
        TAP_TEST(inc_and_dec_keep_the_carry),
        TAP_TEST(any_combination_can_be_set),
        TAP_TEST(some_flags_change_without_the_others),
    };

    return TAP_RUN(tests, argc, argv);
}

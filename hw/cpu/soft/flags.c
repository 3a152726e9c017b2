/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cpu/soft/flags.h"

uint64_t flags_get(const struct soft *cpu)
{
    return (flags_cf(cpu) ? FLAG_CF : 0) | (flags_pf(cpu) ? FLAG_PF : 0) |
           (flags_af(cpu) ? FLAG_AF : 0) | (flags_zf(cpu) ? FLAG_ZF : 0) |
           (flags_sf(cpu) ? FLAG_SF : 0) | (flags_of(cpu) ? FLAG_OF : 0);
}

/* A result of 0 says ZF and PF, of 1 neither; the corrections say where that is wrong. */
void flags_set(struct soft *cpu, uint64_t rflags)
{
    const bool is_zero = rflags & FLAG_ZF;
    const bool carry = rflags & FLAG_CF;

    cpu->flag_res = !is_zero;
    cpu->flag_cf = carry;
    cpu->flag_x = (rflags & FLAG_SF ? FLAGX_SF : 0) | (rflags & FLAG_AF ? FLAGX_AF : 0) |
                  (!(rflags & FLAG_PF) == is_zero ? FLAGX_PF : 0) |
                  (!!(rflags & FLAG_OF) != carry ? FLAGX_OF : 0);
}

uint64_t soft_get_rflags(const struct soft *cpu)
{
    return cpu->rflags | flags_get(cpu);
}

void soft_set_rflags(struct soft *cpu, uint64_t rflags)
{
    const uint64_t others = (rflags & ~(uint64_t)FLAGS_ARITH) | FLAG_FIXED;
    const bool is_class_changed = (cpu->rflags ^ others) & FLAG_AC;

    cpu->rflags = others;
    flags_set(cpu, rflags);
    if (is_class_changed) /* AC suspends SMAP */
        soft_update_mode(cpu);
}

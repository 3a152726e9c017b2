/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cpu/soft/soft.h"

/* In an address that can be fetched from, bits 47 to 63 are alike: these make it another. */
enum salt_bit { SALT_SINGLE = 60, SALT_32 = 61, SALT_USER = 62 };

static enum tlb_class class_of(const struct soft *cpu)
{
    if (cpu->cpl == 3)
        return TLB_USER;
    if ((cpu->cr4 & CR4_SMAP) && !(cpu->rflags & FLAG_AC))
        return TLB_SUPERVISOR;
    return TLB_EXPLICIT;
}

void soft_update_mode(struct soft *cpu)
{
    bool is_long = (cpu->efer & EFER_LMA) && (cpu->seg[SEG_CS].attributes & SEG_L);
    enum tlb_class class = class_of(cpu);

    cpu->mode = is_long ? MODE_64 : MODE_32;
    cpu->tlb_class = (uint8_t) class;
    cpu->tlb = cpu->tlbs[class];
    cpu->jump_salt = (uint64_t)(cpu->cpl == 3) << SALT_USER | (uint64_t)!is_long << SALT_32 |
                     (uint64_t)cpu->is_single << SALT_SINGLE;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Out of long mode, then to 16-bit code: the way to real mode and to firmware, by which Linux
 * restarts where it knows no better. There is no firmware: the machine is told, and resets.
 */
#include "payload.h"

#define SEL_CODE16 SEL_TEST
_Static_assert(SEL_CODE16 == 0xc0 && SEL_CODE32 == 0x30 && SEL_DATA32 == 0x38, "");

__asm__("leave: push $0x30; push $1f; lretq\n"
        ".code32\n"
        "1:     mov %cr0, %eax; btr $31, %eax; mov %eax, %cr0\n"
        "       ljmp $0x30, $1f\n"
        "1:     mov $0x38, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %ss\n"
        "       ljmp $0xc0, $1f\n"
        "1:     ud2\n"
        ".code64\n");
void leave(void);

/* Under long mode such code is only what is not there. */
static void compat(void)
{
    const struct __attribute__((packed)) {
        u32 offset;
        u16 selector;
    } to = { 0x1000, SEL_CODE16 };

    RAISES(GP, "16-bit code under long mode", "ljmp *%0", : : "m"(to));
}

void payload_main(void)
{
    gdt[SEL_CODE16 / 8] = 0x00009b000000ffff;
    compat();
    leave();
}

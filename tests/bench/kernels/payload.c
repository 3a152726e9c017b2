/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernels on a bare machine, asked for over its serial port (16550). */
#include "tests/guest/payload.h"
#include "kernels.h"

enum { SERIAL = 0x3f8, LINE_STATUS = SERIAL + 5, HAS_BYTE = 1, IS_EMPTY = 0x20 };

static u8 get_byte(void)
{
    while (!(in8(LINE_STATUS) & HAS_BYTE))
        relax();
    return in8(SERIAL);
}

static void put_byte(u8 byte)
{
    while (!(in8(LINE_STATUS) & IS_EMPTY))
        relax();
    out8(SERIAL, byte);
}

void payload_main(void)
{
    for (;;) {
        unsigned id = get_byte();
        u32 rounds = 0;
        u64 sum;

        for (unsigned i = 0; i < KERNEL_REQUEST_BYTES - 1; i++)
            rounds |= (u32)get_byte() << 8 * i;
        if (id >= NR_KERNELS)
            break;
        sum = kernel_run(id, rounds);
        for (unsigned i = 0; i < KERNEL_REPLY_BYTES; i++)
            put_byte((u8)(sum >> 8 * i));
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All ways to end; the driver knows which, and what has to follow. */
#include "tests/guest/board/board.h"

static void triple_fault(void)
{
    const struct table_pointer nothing = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

void payload_main(void)
{
    say("ends: started\n");
    if (parameter_is("test", "triple"))
        triple_fault();
    else if (parameter_is("test", "reset"))
        reset_machine();
    else if (parameter_is("test", "panic"))
        out8(LAYOUT_PORT_PVPANIC, 1);
    else if (parameter_is("test", "power"))
        end_machine(0);
    else if (parameter_is("test", "spin"))
        for (;;)
            relax();
    say("ends: halts\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}

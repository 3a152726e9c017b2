/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One processor changes the page table entry of a page that all use, and has the others flush
 * their TLBs: by a message through memory, as an interrupt would do it. Having answered, they
 * must find what the entry now says, in each way of access.
 */
#include "tests/torture/cpu_machine.h"

void tlb_run(void)
{
    static const char *const programs[GUEST_CPUS] = { tlb_change_program, tlb_use_program,
                                                      tlb_use_program };

    guest_make();
    for (uint64_t i = 0; i < NR_FRAMES; i++) {
        const uint64_t frame = FRAMES_AT + i * GUEST_PAGE;

        *guest_word(frame + FRAME_NUMBER) = i + 1;
        guest_write_function(guest_word(frame + FRAME_CODE - FUNCTION_OFFSET), (uint32_t)(i + 1));
    }
    guest_run(programs, NULL, 0);
    torture_note("%llu changes", (unsigned long long)guest_rounds(0));
    guest_stop();
    guest_end();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Conditional branches end with two links: operations that go to the next
 * instruction, and to the target (exec.h). A handler goes to one of them.
 */
#ifndef HW_CPU_SOFT_BRANCH_H
#define HW_CPU_SOFT_BRANCH_H

#include "hw/cpu/soft/build.h"

enum { LINK_NEXT = 1, LINK_TAKEN = 2 }; /* from the branch's operation on */

/** Whether @jump's target can be a link: all but the 16-bit jumps of 32-bit code. */
bool can_link(const struct builder *builder, const struct insn *jump);

/** Append both links of the branch that is instruction @at of the block. */
void build_branch_links(struct builder *builder, unsigned at);

#endif

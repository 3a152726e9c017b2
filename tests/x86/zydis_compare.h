/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Our decoder against Zydis, one instruction at a time.
 *
 * Zydis knows more instructions than our processor has: which of them must be
 * there is decided by Zydis's own instruction sets (is_in_scope()), and what has
 * another meaning for us is an exemption with a reason, here and nowhere else.
 */
#ifndef TESTS_X86_ZYDIS_COMPARE_H
#define TESTS_X86_ZYDIS_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/cpu/soft/insn.h"

enum { COMPARE_TEXT_MAX = 256 };

/** Call once, before all else. False: Zydis is another version than its header. */
bool zydis_init(void);

struct agreement {
    unsigned length;             /* of the instruction; 0: neither knows one */
    bool is_ours;                /* else Zydis only, rightly: it is none of our processor's */
    char text[COMPARE_TEXT_MAX]; /* how they differ */
};

/** Decode @bytes with both. True if they agree; else ret_agreement->text only is of use. */
bool zydis_agrees(const uint8_t *bytes, size_t size, enum insn_mode mode,
                  struct agreement *ret_agreement);

struct flag_use {
    uint16_t read, written, undefined;
};

/** What Zydis says of the flags of the instruction at @bytes. */
void zydis_flags(const uint8_t *bytes, size_t size, enum insn_mode mode, struct flag_use *ret_use);

#endif

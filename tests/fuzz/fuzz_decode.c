/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The instruction decoder: the first byte chooses the mode, the rest is code, one
 * instruction after another. Each is decoded in front of a page that may not be read,
 * again, cut short at each byte, and with other bytes behind it.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hw/cpu/soft/insn.h"
#include "tests/fuzz/target.h"

enum { PAGE = 4096, MOST_INSNS = 64 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* @size bytes that end where nothing may be read. */
static uint8_t *at_the_edge(const uint8_t *bytes, size_t size)
{
    static uint8_t *page;

    if (!page) {
        page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        require(page != MAP_FAILED);
        require(mprotect(page + PAGE, PAGE, PROT_NONE) == 0);
    }
    if (size)
        memcpy(page + PAGE - size, bytes, size);
    return page + PAGE - size;
}

static bool is_same(const struct insn *a, const struct insn *b)
{
    return a->row == b->row && a->length == b->length && a->opcode == b->opcode &&
           a->map == b->map && a->mandatory == b->mandatory && a->rex == b->rex &&
           a->modrm == b->modrm && a->has_modrm == b->has_modrm && a->prefixes == b->prefixes &&
           a->operand_size == b->operand_size && a->address_size == b->address_size &&
           a->selector == b->selector && a->imm == b->imm &&
           memcmp(a->operands, b->operands, sizeof(a->operands)) == 0 &&
           a->memory.base == b->memory.base && a->memory.index == b->memory.index &&
           a->memory.shift == b->memory.shift && a->memory.segment == b->memory.segment &&
           a->memory.disp == b->memory.disp;
}

static void check_fields(const struct insn *insn)
{
    require(insn->row != NULL);
    require(insn->length > 0);
    require(insn->memory.shift <= 3);
    require(insn->memory.segment <= SEG_GS);
    require(insn->memory.base < NR_GPRS || insn->memory.base >= MEMORY_RIP);
    require(insn->memory.index < NR_GPRS || insn->memory.index == MEMORY_NO_REG);
    for (unsigned i = 0; i < INSN_OPERANDS_MAX; i++) {
        require(insn->operands[i].kind <= OPERAND_FAR);
        require(insn->operands[i].reg < NR_GPRS);
        require(insn->operands[i].size <= 512);
        require(insn->operands[i].kind != OPERAND_MMX || insn->operands[i].reg < 8);
        require(insn->operands[i].kind != OPERAND_GPR_HIGH || insn->operands[i].reg < 4);
    }
}

/* Decode @size bytes of @code; returns how many to go on by. */
static size_t check(const uint8_t *code, size_t size, enum insn_mode mode)
{
    uint8_t changed[INSN_BYTES_MAX + 1];
    struct insn insn, again;
    enum decode_result result = insn_decode(at_the_edge(code, size), size, mode, &insn);
    size_t length = insn.length;

    require(length <= size && length <= INSN_BYTES_MAX);
    require(result != DECODE_TRUNCATED || (length == size && size < INSN_BYTES_MAX));
    require(result != DECODE_TOO_LONG || length == INSN_BYTES_MAX);
    if (result == DECODE_OK)
        check_fields(&insn);
    if (result == DECODE_OK || result == DECODE_INVALID) {
        /* What was not looked at does not matter, nor whether it is there. */
        memcpy(changed, code, length);
        memset(changed + length, 0xa5, sizeof(changed) - length);
        memset(&again, 0x5a, sizeof(again));
        require(insn_decode(changed, sizeof(changed), mode, &again) == result);
        require(result != DECODE_OK || is_same(&insn, &again));
        require(insn_decode(at_the_edge(code, length), length, mode, &again) == result);
        require(again.length == length);
    }
    for (size_t cut = 0; cut < length; cut++)
        require(insn_decode(at_the_edge(code, cut), cut, mode, &again) == DECODE_TRUNCATED);
    return length ? length : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 1;

    for (unsigned count = 0; at < size && count < MOST_INSNS; count++) {
        size_t left = size - at < INSN_BYTES_MAX + 1 ? size - at : INSN_BYTES_MAX + 1;

        at += check(data + at, left, data[0] & 1 ? MODE_32 : MODE_64);
    }
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder by hand, and its tables by themselves. Against another decoder: tests/x86. */
#include <stdarg.h>

#include "hw/cpu/soft/insn.h"
#include "tests/tap.h"

enum { MOST_ROWS = 2048, TEXT_MAX = 128 };

/* ---- Instructions as text ----------------------------------------------------------- */

static void add_text(char text[TEXT_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_text(char text[TEXT_MAX], const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text + length, TEXT_MAX - length, format, args);
    va_end(args);
}

static void add_memory(char text[TEXT_MAX], const struct insn *insn, unsigned size)
{
    static const char *const segments[] = { "es", "cs", "ss", "ds", "fs", "gs" };
    const struct insn_memory *memory = &insn->memory;

    add_text(text, "m%u[%s:", size, segments[memory->segment]);
    if (memory->base == MEMORY_RIP)
        add_text(text, "rip");
    else if (memory->base != MEMORY_NO_REG)
        add_text(text, "r%u", memory->base);
    if (memory->index != MEMORY_NO_REG)
        add_text(text, "+r%u*%u", memory->index, 1u << memory->shift);
    if (memory->disp)
        add_text(text, "%+lld", (long long)memory->disp);
    add_text(text, "]");
}

static void add_operand(char text[TEXT_MAX], const struct insn *insn, unsigned i)
{
    static const char *const names[] = {
        [OPERAND_GPR] = "r",  [OPERAND_GPR_HIGH] = "high", [OPERAND_SEGMENT] = "seg",
        [OPERAND_CR] = "cr",  [OPERAND_DR] = "dr",         [OPERAND_ST] = "st",
        [OPERAND_MMX] = "mm", [OPERAND_XMM] = "xmm",
    };
    const struct insn_operand *operand = &insn->operands[i];
    bool is_second = i == 1 && insn->row->kind == INSN_ENTER;

    add_text(text, i == 0 ? " " : ", ");
    if (operand->kind == OPERAND_MEMORY)
        add_memory(text, insn, operand->size);
    else if (operand->kind == OPERAND_IMM)
        add_text(text, "#%lld", is_second ? insn->selector : (long long)insn->imm);
    else if (operand->kind == OPERAND_FAR)
        add_text(text, "%#x:%#llx", insn->selector, (unsigned long long)insn->imm);
    else
        add_text(text, "%s%u.%u", names[operand->kind], operand->reg, operand->size);
}

/* "lock add m4[ds:r0], r1.4 /4": prefixes, name, operands, and the operand size. */
static void describe(const struct insn *insn, char text[TEXT_MAX])
{
    text[0] = '\0';
    if (insn->prefixes & PREFIX_LOCK)
        add_text(text, "lock ");
    if (insn->prefixes & PREFIX_REP)
        add_text(text, "rep ");
    if (insn->prefixes & PREFIX_REPNE)
        add_text(text, "repne ");
    add_text(text, "%s", insn->row->name);
    for (unsigned i = 0; i < INSN_OPERANDS_MAX && insn->operands[i].kind != OPERAND_NONE; i++)
        add_operand(text, insn, i);
    add_text(text, " /%u", insn->operand_size);
}

static size_t parse(const char *hex, uint8_t bytes[32])
{
    size_t size = 0;
    char *end;

    while (*hex) {
        bytes[size++] = (uint8_t)strtoul(hex, &end, 16);
        hex = end + strspn(end, " ");
    }
    return size;
}

static const char *const results[] = { "ok", "truncated", "invalid", "too long" };

/* "add … /4" of the bytes, or why not. */
static const char *decoded(const char *hex, enum insn_mode mode)
{
    static char text[TEXT_MAX];
    uint8_t bytes[32];
    size_t size = parse(hex, bytes);
    struct insn insn;
    enum decode_result result = insn_decode(bytes, size, mode, &insn);

    if (result != DECODE_OK)
        return results[result];
    is(insn.length, size);
    describe(&insn, text);
    return text;
}

#define IS_64(hex, want) is_str(decoded(hex, MODE_64), want)
#define IS_32(hex, want) is_str(decoded(hex, MODE_32), want)

/* ---- By hand -------------------------------------------------------------------------- */

static void registers_and_sizes(void)
{
    IS_64("01 c8", "add r0.4, r1.4 /4");
    IS_64("66 01 c8", "add r0.2, r1.2 /2");
    IS_64("48 01 c8", "add r0.8, r1.8 /8");
    IS_64("66 48 01 c8", "add r0.8, r1.8 /8");
    IS_64("4d 01 c8", "add r8.8, r9.8 /8");
    IS_64("00 e0", "add r0.1, high0.1 /1");
    IS_64("40 00 e0", "add r0.1, r4.1 /1");
    IS_64("44 00 e0", "add r0.1, r12.1 /1");
    IS_64("0f b6 c4", "movzx r0.4, high0.1 /4");
    IS_64("48 63 c1", "movsxd r0.8, r1.4 /8");
    IS_64("41 b4 05", "mov r12.1, #5 /1");
    IS_64("b4 05", "mov high0.1, #5 /1");
    IS_64("0f c8", "bswap r0.4 /4");
    IS_64("49 0f c8", "bswap r8.8 /8");
    IS_64("8c d8", "mov r0.4, seg3.2 /4");
    IS_64("66 0f 6f c1", "movdqa xmm0.16, xmm1.16 /4");
    IS_64("45 0f 58 c1", "addps xmm8.16, xmm9.16 /4");
    IS_64("4f 0f fc c1", "paddb mm0.8, mm1.8 /8"); /* no MMX registers beyond 7 */
    IS_64("d8 c3", "fadd st0.10, st3.10 /4");
    IS_64("44 0f 20 c0", "mov r0.8, cr8.8 /4");
    IS_64("0f 23 38", "mov dr7.8, r0.8 /4"); /* any mod is a register */
}

static void addresses(void)
{
    IS_64("8b 00", "mov r0.4, m4[ds:r0] /4");
    IS_64("8b 45 f8", "mov r0.4, m4[ss:r5-8] /4");
    IS_64("41 8b 45 f8", "mov r0.4, m4[ds:r13-8] /4");
    IS_64("8b 05 10 00 00 00", "mov r0.4, m4[ds:rip+16] /4");
    IS_64("41 8b 05 10 00 00 00", "mov r0.4, m4[ds:rip+16] /4");
    IS_32("8b 05 10 00 00 00", "mov r0.4, m4[ds:+16] /4");
    IS_64("8b 04 24", "mov r0.4, m4[ss:r4] /4");
    IS_64("41 8b 04 24", "mov r0.4, m4[ds:r12] /4");
    IS_64("8b 04 25 00 00 00 80", "mov r0.4, m4[ds:-2147483648] /4");
    IS_64("41 8b 04 25 04 00 00 00", "mov r0.4, m4[ds:+4] /4"); /* not R13 */
    IS_64("41 8b 44 25 00", "mov r0.4, m4[ds:r13] /4");
    IS_64("8b 04 8b", "mov r0.4, m4[ds:r3+r1*4] /4");
    IS_64("42 8b 04 e3", "mov r0.4, m4[ds:r3+r12*8] /4");
    IS_64("8b 04 e3", "mov r0.4, m4[ds:r3] /4"); /* RSP is no index */
    IS_64("8b 04 cd 01 00 00 00", "mov r0.4, m4[ds:+r1*8+1] /4");
    IS_64("64 8b 00", "mov r0.4, m4[fs:r0] /4");
    IS_64("64 2e 8b 00", "mov r0.4, m4[fs:r0] /4"); /* CS is ignored */
    IS_64("2e 8b 00", "mov r0.4, m4[ds:r0] /4");
    IS_32("64 2e 8b 00", "mov r0.4, m4[cs:r0] /4"); /* the last one counts */
    IS_64("48 a1 08 07 06 05 04 03 02 01", "mov r0.8, m8[ds:+72623859790382856] /8");
    IS_64("67 a0 00 00 00 80", "mov r0.1, m1[ds:+2147483648] /1");
    IS_64("d7", "xlat m1[ds:r3] /4");
    IS_64("8d 04 08", "lea r0.4, m0[ds:r0+r1*1] /4");
    IS_64("0f f7 c1", "maskmovq mm0.8, mm1.8, m8[ds:r7] /4");
}

static void immediates(void)
{
    IS_64("83 c0 ff", "add r0.4, #-1 /4");
    IS_64("81 c0 ff ff ff ff", "add r0.4, #-1 /4");
    IS_64("66 81 c0 ff ff", "add r0.2, #-1 /2");
    IS_64("66 83 c0 80", "add r0.2, #-128 /2");
    IS_64("48 b8 01 00 00 00 00 00 00 80", "mov r0.8, #-9223372036854775807 /8");
    IS_64("48 c7 c0 00 00 00 80", "mov r0.8, #-2147483648 /8");
    IS_64("c1 e0 ff", "shl r0.4, #255 /4");
    IS_64("d1 f8", "sar r0.4, #1 /4");
    IS_64("d3 e8", "shr r0.4, r1.1 /4");
    IS_64("c8 00 80 ff", "enter #32768, #255 /8");
    IS_64("c2 ff ff", "ret #65535 /8");
    IS_64("cd 80", "int #128 /4");
    IS_64("e6 ff", "out #255, r0.1 /1");
    IS_64("6a ff", "push #-1 /8");
    IS_64("66 68 34 12", "push #4660 /2");
    IS_32("ea 78 56 34 12 08 00", "jmp 0x8:0x12345678 /4");
    IS_32("66 ea 78 56 08 00", "jmp 0x8:0x5678 /2");
}

static void branches_and_stack(void)
{
    IS_64("eb fe", "jmp #-2 /8");
    IS_64("66 e9 00 00 00 80", "jmp #-2147483648 /8"); /* as Intel: 66 is ignored */
    IS_32("66 e9 00 80", "jmp #-32768 /2");
    IS_64("74 10", "jz #16 /8");
    IS_64("0f 85 10 00 00 00", "jnz #16 /8");
    IS_64("ff d0", "call r0.8 /8");
    IS_64("66 ff d0", "call r0.8 /8");
    IS_64("ff 18", "call m6[ds:r0] /4");
    IS_64("48 ff 28", "jmp m10[ds:r0] /8");
    IS_64("50", "push r0.8 /8");
    IS_64("41 50", "push r8.8 /8");
    IS_64("66 50", "push r0.2 /2");
    IS_32("50", "push r0.4 /4");
    IS_64("8f 00", "pop m8[ds:r0] /8");
    IS_64("0f a0", "push seg4.2 /8");
    IS_64("9c", "pushf /8");
    IS_64("cf", "iret /4");
    IS_64("48 cf", "iret /8");
    IS_64("48 cb", "retf /8");
}

static void prefixes(void)
{
    IS_64("f0 01 08", "lock add m4[ds:r0], r1.4 /4");
    IS_64("f0 01 c8", "invalid");       /* no memory */
    IS_64("f0 03 08", "invalid");       /* memory is the source */
    IS_64("f0 39 08", "invalid");       /* cmp */
    IS_64("f0 0f ba 20 01", "invalid"); /* bt */
    IS_64("f0 0f ba 28 01", "lock bts m4[ds:r0], #1 /4");
    IS_64("f0 0f c7 08", "lock cmpxchg8b m8[ds:r0] /4");
    IS_64("f0 48 0f c7 08", "lock cmpxchg16b m16[ds:r0] /8");
    IS_64("48 66 01 c8", "add r0.2, r1.2 /2"); /* REX not last: ignored */
    IS_64("48 40 01 c8", "add r0.4, r1.4 /4"); /* the last of two */
    IS_64("f3 a4", "rep movs m1[ds:r6], m1[ds:r6] /1");
    IS_64("f2 a4", "rep movs m1[ds:r6], m1[ds:r6] /1");
    IS_64("f3 f2 a6", "repne cmps m1[ds:r6], m1[ds:r6] /1");
    IS_64("65 ab", "stos m4[es:r7], r0.4 /4"); /* ES, come what may */
    IS_64("65 48 ad", "lods r0.8, m8[gs:r6] /8");
    IS_64("66 90", "nop /4");
    IS_64("90", "nop /4");
    IS_64("f3 90", "pause /4");
    IS_64("41 90", "xchg r8.4, r0.4 /4");
    IS_64("66 f3 0f 10 c1", "movss xmm0.4, xmm1.4 /2"); /* F3 before 66 */
    IS_64("f3 f2 0f 10 c1", "movsd xmm0.8, xmm1.8 /4"); /* the last of the two */
    IS_64("f3 0f bc c1", "rep bsf r0.4, r1.4 /4");      /* TZCNT is not announced */
    IS_64("f3 0f 1e fa", "rep nop r2.4 /4");
    IS_64("66 0f 7e c0", "movd r0.4, xmm0.4 /4");
    IS_64("66 48 0f 7e c0", "movq r0.8, xmm0.8 /8");
    IS_64("f3 0f 7e 00", "movq xmm0.16, m8[ds:r0] /4");
    IS_64("f3 48 0f ae d0", "wrfsbase r0.8 /8");
    IS_64("48 0f ae 00", "fxsave m512[ds:r0] /8");
    IS_64("d9 30", "fnstenv m28[ds:r0] /4");
    IS_64("66 d9 30", "fnstenv m14[ds:r0] /2");
    IS_32("40", "inc r0.4 /4");
}

static void what_does_not_exist(void)
{
    static const char *const in_64[] = {
        "06",          "27",          "60",          "62 f1",       "82 c0 01",    "9a",
        "c4 e2",       "c5 f8 77",    "ce",          "d4 0a",       "d6",          "ea",
        "8f c8",       "fe d0",       "ff f8",       "ff d8",       "8d c0",       "8e c8",
        "8e f0",       "0f 0b",       "0f b9 c0",    "0f ff c0",    "0f 38 00",    "0f 3a 0f",
        "f3 0f b8 c0", "0f b8",       "0f 04",       "0f 0a",       "0f aa",       "0f 24 c0",
        "0f 20 c8",    "0f 20 e8",    "45 0f 21 c0", "0f 01 c1",    "0f 01 d0",    "0f 01 c8",
        "0f c7 f0",    "0f c7 c8",    "0f ae 20",    "66 0f ae f8", "f2 0f 28 c1", "f3 0f 6b c0",
        "66 0f 77",    "66 0f c3 00", "0f c3 c0",    "df 08",       "d9 d1",       "de d8",
        "0f 0d c0",    "66 0f 16 c0", "0f 71 00",    "0f e7 c0",    "0f 73 d8 01", "f0 90",
    };
    static const char *const in_32[] = {
        "63 c0", "0f 05", "0f 07", "0f 01 f8", "f3 0f ae c0", "67 8b 00", "c4 c0", "c5 c0", "27",
    };

    for (size_t i = 0; i < ARRAY_SIZE(in_64); i++)
        if (!IS_64(in_64[i], "invalid"))
            printf("# %s\n", in_64[i]);
    for (size_t i = 0; i < ARRAY_SIZE(in_32); i++)
        if (!IS_32(in_32[i], "invalid"))
            printf("# %s\n", in_32[i]);
}

static void fifteen_bytes_and_no_more(void)
{
    IS_64("66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", "nop /4");
    IS_64("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", "too long");
    IS_64("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66", "too long");
    IS_64("2e 2e 2e 2e 81 84 08 00 00 00 00 01 00 00 00", "add m4[ds:r0+r1*1], #1 /4");
    IS_64("2e 2e 2e 2e 2e 81 84 08 00 00 00 00 01 00 00 00", "too long");
    IS_64("2e 2e 2e 2e 2e 2e 48 b8 01 02 03 04 05 06 07 08", "too long");
}

static void cut_short_is_truncated_at_each_byte(void)
{
    static const char *const whole[] = {
        "f3 66 41 0f 10 84 25 01 02 03 04",
        "66 48 81 84 8b 01 02 03 04 05 06 07 08",
        "48 b8 01 02 03 04 05 06 07 08",
        "48 a1 01 02 03 04 05 06 07 08",
        "c8 01 02 03",
        "0f 84 01 02 03 04",
        "8b 05 01 02 03 04",
        "69 45 10 01 02 03 04",
        "0f 70 04 25 01 02 03 04 05",
    };

    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        uint8_t bytes[32];
        size_t size = parse(whole[i], bytes);
        struct insn insn;

        for (size_t cut = 0; cut < size; cut++) {
            is(insn_decode(bytes, cut, MODE_64, &insn), DECODE_TRUNCATED);
            is(insn.length, cut);
        }
        is(insn_decode(bytes, size, MODE_64, &insn), DECODE_OK);
        is(insn.length, size);
    }
}

static void memory_is_touched_by_what_looks_at_it(void)
{
    static const struct {
        const char *hex;
        bool touches;
    } cases[] = {
        { "8b 00", true },     { "8b c0", false },    { "8d 00", false },
        { "0f 1f 00", false }, { "0f 18 00", false }, { "0f 01 38", false },
        { "0f ae 38", true },  { "a4", true },        { "d7", true },
        { "0f ae 00", true },  { "0f f7 c1", true },  { "50", false },
        { "0f 0d 08", false }, { "ff 18", true },     { "a0 00 00 00 00 00 00 00 00", true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t bytes[32];
        size_t size = parse(cases[i].hex, bytes);
        struct insn insn;

        is(insn_decode(bytes, size, MODE_64, &insn), DECODE_OK);
        if (!ok(insn_touches_memory(&insn) == cases[i].touches))
            printf("# %s\n", cases[i].hex);
    }
}

/* ---- Tables --------------------------------------------------------------------------- */

static bool is_payload(const char *name)
{
    static const char *const payloads[] = { "system",   "paging",  "exceptions", "interrupts",
                                            "segments", "syscall", "ports",      "compat32" };

    for (size_t i = 0; i < ARRAY_SIZE(payloads); i++)
        if (strcmp(name, payloads[i]) == 0)
            return true;
    return false;
}

static void rows_are_complete_and_make_sense(void)
{
    unsigned by_oracle[ORACLE_DECODE + 1] = { 0 };
    const unsigned flags = FLAGS_ARITH | FLAG_DF;
    const struct insn_row *row;
    size_t i;

    for (i = 0; (row = insn_row_at(i)); i++) {
        bool is_good = true;

        is_good &= ok(row->oracle > ORACLE_NONE && row->oracle <= ORACLE_DECODE);
        is_good &= ok(row->oracle != ORACLE_PAYLOAD || is_payload(row->why));
        is_good &= ok((row->oracle >= ORACLE_PAYLOAD) == (row->why != NULL));
        is_good &= ok(row->kind < NR_INSN_KINDS);
        is_good &= ok(row->name && row->name[strspn(row->name, "abcdefghijklmnopqrstuvwxyz"
                                                               "0123456789")] == '\0');
        is_good &= ok(!(row->flags_written & row->flags_undefined));
        is_good &= ok(!((row->flags_read | row->flags_written | row->flags_undefined) & ~flags));
        is_good &= ok(!(row->prefixes & ROW_64 && row->prefixes & ROW_32));
        is_good &= ok(!(row->prefixes & ROW_REP && row->prefixes & ROW_REPCC));
        is_good &= ok(!(row->prefixes & ROW_CPL0) || row->prefixes & ROW_FAULTS);
        if (!is_good)
            printf("# row %zu, %s\n", i, row->name ? row->name : "without a name");
        else
            by_oracle[row->oracle]++;
    }
    printf("# %zu rows: host %u, approx %u, payload %u, decode %u\n", i, by_oracle[ORACLE_HOST],
           by_oracle[ORACLE_APPROX], by_oracle[ORACLE_PAYLOAD], by_oracle[ORACLE_DECODE]);
    ok(insn_row_at(i + 1) == NULL);
    ok(i > 700);
}

static void each_kind_has_a_row_and_a_family(void)
{
    static unsigned nr_rows[NR_INSN_KINDS];
    const struct insn_row *row;

    for (size_t i = 0; (row = insn_row_at(i)); i++)
        nr_rows[row->kind]++;
    for (unsigned kind = 0; kind < NR_INSN_KINDS; kind++)
        if (!ok(nr_rows[kind] > 0))
            printf("# kind %u\n", kind);
    is(insn_kind_family(INSN_ADD), FAMILY_INTEGER);
    is(insn_kind_family(INSN_MOVS), FAMILY_STRING);
    is(insn_kind_family(INSN_MOVSD), FAMILY_SSE);
    is(insn_kind_family(INSN_STMXCSR), FAMILY_X87);
}

static size_t find_row(const struct insn_row *const rows[], size_t nr_rows,
                       const struct insn_row *row)
{
    size_t i = 0;

    while (i < nr_rows && rows[i] != row)
        i++;
    return i;
}

/* All opcodes and ModRMs behind @prefix. */
static void mark_reached(const char *prefix, enum insn_mode mode,
                         const struct insn_row *const rows[], size_t nr_rows, bool reached[])
{
    const struct insn_row *last = NULL;

    for (unsigned code = 0; code < 1 << 17; code++) {
        uint8_t bytes[32] = { 0 };
        size_t at = parse(prefix, bytes);
        struct insn insn;

        if (code >> 16)
            bytes[at++] = 0x0f;
        bytes[at] = (uint8_t)(code >> 8);
        bytes[at + 1] = (uint8_t)code;
        if (insn_decode(bytes, sizeof(bytes), mode, &insn) != DECODE_OK || insn.row == last)
            continue;
        last = insn.row;
        reached[find_row(rows, nr_rows, last)] = true;
    }
}

static void each_row_is_reached_and_listed(void)
{
    static const char *const with[] = { "", "66", "f2", "f3", "48", "66 48", "41" };
    static const struct insn_row *rows[MOST_ROWS];
    static bool reached[MOST_ROWS + 1];
    size_t nr_rows = 0;

    while (nr_rows < MOST_ROWS && (rows[nr_rows] = insn_row_at(nr_rows)))
        nr_rows++;
    for (size_t i = 0; i < ARRAY_SIZE(with); i++)
        mark_reached(with[i], MODE_64, rows, nr_rows, reached);
    mark_reached("", MODE_32, rows, nr_rows, reached);
    for (size_t i = 0; i < nr_rows; i++)
        if (!ok(reached[i]))
            printf("# %s\n", rows[i]->name);
    ok(!reached[nr_rows]); /* a row that insn_row_at() does not know */
}

static void flags_of_a_few(void)
{
    static const struct {
        const char *hex;
        unsigned read, written, undefined;
    } cases[] = {
        { "01 c8", 0, FLAGS_ARITH, 0 },
        { "11 c8", FLAG_CF, FLAGS_ARITH, 0 },
        { "21 c8", 0, FLAGS_ARITH & ~FLAG_AF, FLAG_AF },
        { "ff c0", 0, FLAGS_ARITH & ~FLAG_CF, 0 },
        { "f7 e0", 0, FLAG_CF | FLAG_OF, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF },
        { "d1 e0", 0, FLAGS_ARITH & ~FLAG_AF, FLAG_AF },
        { "d3 e0", FLAGS_ARITH, FLAGS_ARITH & ~(FLAG_AF | FLAG_OF), FLAG_AF | FLAG_OF },
        { "0f a3 c8", 0, FLAG_CF, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF },
        { "0f bc c8", 0, FLAG_ZF, FLAGS_ARITH & ~FLAG_ZF },
        { "77 00", FLAG_CF | FLAG_ZF, 0, 0 },
        { "0f 4e c8", FLAG_ZF | FLAG_SF | FLAG_OF, 0, 0 },
        { "f7 d0", 0, 0, 0 },
        { "a4", FLAG_DF, 0, 0 },
        { "fd", 0, FLAG_DF, 0 },
        { "0f 2f c1", 0, FLAGS_ARITH, 0 },
        { "9c", FLAGS_ARITH | FLAG_DF, 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t bytes[32];
        size_t size = parse(cases[i].hex, bytes);
        struct insn insn;

        is(insn_decode(bytes, size, MODE_64, &insn), DECODE_OK);
        is(insn.row->flags_read, cases[i].read);
        is(insn.row->flags_written, cases[i].written);
        is(insn.row->flags_undefined, cases[i].undefined);
    }
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(registers_and_sizes),
        TAP_TEST(addresses),
        TAP_TEST(immediates),
        TAP_TEST(branches_and_stack),
        TAP_TEST(prefixes),
        TAP_TEST(what_does_not_exist),
        TAP_TEST(fifteen_bytes_and_no_more),
        TAP_TEST(cut_short_is_truncated_at_each_byte),
        TAP_TEST(memory_is_touched_by_what_looks_at_it),
        TAP_TEST(rows_are_complete_and_make_sense),
        TAP_TEST(each_kind_has_a_row_and_a_family),
        TAP_TEST(each_row_is_reached_and_listed),
        TAP_TEST(flags_of_a_few),
    };

    return TAP_RUN(tests, argc, argv);
}

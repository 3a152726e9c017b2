/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder against Zydis, on bytes that nobody chose:
 *
 *     test_zydis [-s SEED] [-n MILLIONS] [TEST...]
 *
 * Tails and prefixes are random; all combinations of the first three bytes are not.
 */
#include <unistd.h>

#include "tests/tap.h"
#include "tests/x86/zydis_compare.h"

enum {
    MOST_MISMATCHES = 20, /* that are printed of each test */
    MOST_ROWS = 2048,
};

static uint64_t seed = 1;
static uint64_t nr_random = 2 * 1000 * 1000;

/* xorshift64* (Vigna 2016). */
static uint64_t random_number(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1du;
}

static void fill(uint8_t bytes[16])
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t number = random_number();

        memcpy(bytes + 8 * i, &number, 8);
    }
}

/* ---- Comparisons ------------------------------------------------------------------- */

struct tally {
    uint64_t nr_compared, nr_ours, nr_mismatches;
};

static void compare(struct tally *tally, const uint8_t bytes[16], size_t size, enum insn_mode mode)
{
    struct agreement agreement;

    tally->nr_compared++;
    if (zydis_agrees(bytes, size, mode, &agreement)) {
        tally->nr_ours += agreement.is_ours;
    } else if (tally->nr_mismatches++ < MOST_MISMATCHES) {
        printf("# %s, %d bits:", agreement.text, mode == MODE_64 ? 64 : 32);
        for (size_t i = 0; i < size; i++)
            printf(" %02x", bytes[i]);
        putchar('\n');
    }
}

static void conclude(const struct tally *tally)
{
    printf("# %llu compared, %llu of them instructions of ours\n",
           (unsigned long long)tally->nr_compared, (unsigned long long)tally->nr_ours);
    is(tally->nr_mismatches, 0);
    ok(tally->nr_ours > tally->nr_compared / 10); /* else it was noise that was compared */
}

static void every_three_bytes_decode_alike(void)
{
    struct tally tally = { 0 };
    uint8_t bytes[16];

    for (uint32_t first = 0; first < 1 << 24; first++) {
        if (first % 8 == 0)
            fill(bytes);
        bytes[0] = (uint8_t)(first >> 16);
        bytes[1] = (uint8_t)(first >> 8);
        bytes[2] = (uint8_t)first;
        compare(&tally, bytes, INSN_BYTES_MAX, MODE_64);
    }
    conclude(&tally);
}

static void every_two_bytes_decode_alike_in_32_bits(void)
{
    struct tally tally = { 0 };
    uint8_t bytes[16];

    for (uint32_t first = 0; first < 1 << 20; first++) { /* each sixteen times */
        fill(bytes);
        bytes[0] = (uint8_t)(first >> 8);
        bytes[1] = (uint8_t)first;
        compare(&tally, bytes, INSN_BYTES_MAX, MODE_32);
    }
    conclude(&tally);
}

/* Prefixes in all orders, some of them twice, then mostly an opcode of two bytes. */
static unsigned put_prefixes(uint8_t bytes[16])
{
    static const uint8_t prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36,
                                        0x3e, 0x64, 0x65, 0x40, 0x41, 0x44, 0x48, 0x4f };
    unsigned count = random_number() % 6;

    for (unsigned i = 0; i < count; i++)
        bytes[i] = prefixes[random_number() % ARRAY_SIZE(prefixes)];
    if (random_number() % 4 != 0)
        bytes[count++] = 0x0f;
    return count;
}

static void random_prefixes_decode_alike(void)
{
    struct tally tally = { 0 };
    uint8_t bytes[16];

    for (uint64_t run = 0; run < nr_random; run++) {
        fill(bytes);
        (void)put_prefixes(bytes);
        compare(&tally, bytes, INSN_BYTES_MAX, run % 4 == 0 ? MODE_32 : MODE_64);
    }
    conclude(&tally);
}

/* Where the code ends within the instruction, and how many bytes are too many. */
static void cut_instructions_decode_alike(void)
{
    struct tally tally = { 0 };
    uint8_t bytes[16];

    for (uint64_t run = 0; run < nr_random / 2; run++) {
        fill(bytes);
        for (unsigned at = put_prefixes(bytes); at < 12 && run % 3 == 0; at++)
            memmove(bytes + 1, bytes, 15); /* the first prefix again and again */
        compare(&tally, bytes, 1 + random_number() % INSN_BYTES_MAX, MODE_64);
    }
    conclude(&tally);
}

/* ---- Flags ------------------------------------------------------------------------- */

/* Zydis's answer as it should be. What it does not tell apart, and we do: */
static void correct(const struct insn *insn, struct flag_use *use)
{
    switch ((enum insn_kind)insn->row->kind) {
    case INSN_SBB: /* Zydis has AF undefined; both manuals have it defined */
        use->written |= use->undefined;
        use->undefined = 0;
        break;
    case INSN_ROL:
    case INSN_ROR:
    case INSN_RCL:
    case INSN_RCR:
    case INSN_SHL:
    case INSN_SHR:
    case INSN_SAR:
    case INSN_SHLD:
    case INSN_SHRD:
        if (insn->opcode == 0xd0 || insn->opcode == 0xd1) { /* by one, OF is defined */
            use->undefined &= (uint16_t)~FLAG_OF;
            use->written |= FLAG_OF;
        } else { /* by zero, all are kept */
            use->read |= use->written | use->undefined;
        }
        break;
    case INSN_CMPS: /* repeated zero times, all are kept */
    case INSN_SCAS:
        use->read |= use->written;
        break;
    case INSN_INT: /* store all */
    case INSN_INT1:
    case INSN_INT3:
    case INSN_INTO:
    case INSN_SYSCALL:
        use->read = FLAGS_ARITH | FLAG_DF;
        break;
    default:
        break;
    }
}

static size_t row_number(const struct insn_row *const rows[], size_t nr_rows,
                         const struct insn_row *row)
{
    for (size_t i = 0; i < nr_rows; i++)
        if (rows[i] == row)
            return i;
    return nr_rows;
}

static void print_flags(const struct insn *insn, const struct flag_use *use)
{
    printf("# %s: read %#x, Zydis: %#x; written %#x, %#x; undefined %#x, %#x\n", insn->row->name,
           insn->row->flags_read, use->read, insn->row->flags_written, use->written,
           insn->row->flags_undefined, use->undefined);
}

/* Of each row the first random encoding. */
static void every_row_has_zydis_flags(void)
{
    static const struct insn_row *rows[MOST_ROWS];
    static bool is_seen[MOST_ROWS];
    size_t nr_rows = 0, nr_seen = 0;
    uint8_t bytes[16];
    struct insn insn;

    while (nr_rows < MOST_ROWS && (rows[nr_rows] = insn_row_at(nr_rows)))
        nr_rows++;
    for (uint64_t run = 0; run < 8 * 1000 * 1000 && nr_seen < nr_rows; run++) {
        enum insn_mode mode = run % 16 == 0 ? MODE_32 : MODE_64;
        struct flag_use use;
        size_t number;

        fill(bytes);
        (void)put_prefixes(bytes);
        if (insn_decode(bytes, INSN_BYTES_MAX, mode, &insn) != DECODE_OK)
            continue;
        number = row_number(rows, nr_rows, insn.row);
        if (number == nr_rows || is_seen[number])
            continue;
        is_seen[number] = true;
        nr_seen++;
        zydis_flags(bytes, INSN_BYTES_MAX, mode, &use);
        correct(&insn, &use);
        if (!ok(use.read == insn.row->flags_read && use.written == insn.row->flags_written &&
                use.undefined == insn.row->flags_undefined))
            print_flags(&insn, &use);
    }
    printf("# %zu rows\n", nr_seen);
    is(nr_seen, nr_rows);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(every_three_bytes_decode_alike), TAP_TEST(every_two_bytes_decode_alike_in_32_bits),
        TAP_TEST(random_prefixes_decode_alike),   TAP_TEST(cut_instructions_decode_alike),
        TAP_TEST(every_row_has_zydis_flags),
    };
    int option;

    while ((option = getopt(argc, argv, "s:n:")) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 0);
        else if (option == 'n')
            nr_random = strtoull(optarg, NULL, 0) * 1000 * 1000;
        else
            bail_out("test_zydis [-s SEED] [-n MILLIONS] [TEST...]");
    }
    if (seed == 0)
        bail_out("a seed of 0 gives only zeros");
    if (!zydis_init())
        bail_out("Zydis is another version than its header");
    argv[optind - 1] = argv[0];
    return TAP_RUN(tests, argc - optind + 1, argv + optind - 1);
}

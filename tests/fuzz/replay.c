/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives a fuzz target without libFuzzer: once for each file of a corpus folder,
 * then for seeded random inputs. A target says "wrong" by aborting; what was printed
 * last is then the file, or the runs and the seed among which the input is.
 *
 *     fuzz_NAME [CORPUS_FOLDER [RUNS [SEED]]]
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>

#include "tests/fuzz/target.h"
#include "tests/tap.h"

enum {
    LONGEST_INPUT = 4096,
    RUNS_A_LINE = 100,
};

static const char *corpus_folder;
static unsigned long nr_runs = 5000;
static uint64_t seed = 1;

static void feed_file(const char *name)
{
    static uint8_t input[1 << 20];
    char path[4096];
    FILE *file;
    size_t size;

    (void)snprintf(path, sizeof(path), "%s/%s", corpus_folder, name);
    printf("# %s\n", path);
    fflush(stdout);
    file = fopen(path, "rb");
    if (!ok(file != NULL))
        return;
    size = fread(input, 1, sizeof(input), file);
    ok(!ferror(file) && feof(file)); /* else longer than our buffer */
    fclose(file);
    (void)LLVMFuzzerTestOneInput(input, size); /* always 0: it aborts, or all is well */
}

static void survives_the_corpus(void)
{
    DIR *folder = corpus_folder ? opendir(corpus_folder) : NULL;
    const struct dirent *entry;
    unsigned nr_files = 0;

    if (!folder)
        skip("no corpus");
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        feed_file(entry->d_name);
        nr_files++;
    }
    closedir(folder);
    ok(nr_files > 0);
}

/* xorshift64* (Vigna 2016): any seed but 0 gives a long sequence, the same on every machine. */
static uint64_t random_number(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1du;
}

/* Lengths are spread over the powers of two, and some bytes repeat, as in structured input. */
static size_t make_input(uint8_t *input)
{
    size_t size = random_number() % (1u << random_number() % 13);
    uint8_t filler = (uint8_t)random_number();

    for (size_t i = 0; i < size; i++) {
        uint64_t number = random_number() >> 32;

        input[i] = number % 4 ? (uint8_t)(number >> 8) : filler;
    }
    return size;
}

static void survives_random_inputs(void)
{
    static uint8_t input[LONGEST_INPUT];

    for (unsigned long run = 0; run < nr_runs; run++) {
        if (run % RUNS_A_LINE == 0) {
            printf("# from here: %d runs of seed %#llx\n", RUNS_A_LINE, (unsigned long long)seed);
            fflush(stdout);
        }
        (void)LLVMFuzzerTestOneInput(input, make_input(input)); /* always 0, see above */
    }
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(survives_the_corpus),
        TAP_TEST(survives_random_inputs),
    };

    if (argc > 1)
        corpus_folder = argv[1];
    if (argc > 2)
        nr_runs = strtoul(argv[2], NULL, 0);
    if (argc > 3)
        seed = strtoull(argv[3], NULL, 0);
    if (seed == 0)
        bail_out("a seed of 0 gives only zeros");
    return TAP_RUN(tests, 1, argv); /* our arguments do not choose tests */
}

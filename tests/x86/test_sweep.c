/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder against Zydis, on the code of programs: .text of what is installed, from its
 * first byte on, as if there were no data between.
 *
 *     test_sweep [FILE...]    # others than these
 */
#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/tap.h"
#include "tests/x86/zydis_compare.h"

enum { MOST_MISMATCHES = 20 };

static char **chosen_files;
static int nr_chosen_files;

struct sweep {
    uint64_t nr_insns, nr_foreign, nr_unknown, nr_mismatches;
};

/* ---- Files ------------------------------------------------------------------------- */

struct mapped {
    const uint8_t *bytes;
    size_t size;
};

static bool map_file(const char *path, struct mapped *ret_file)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    void *bytes = MAP_FAILED;

    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return false;
    *ret_file = (struct mapped){ bytes, (size_t)status.st_size };
    return true;
}

static bool fits(const struct mapped *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

/* .text of an x86-64 ELF file. */
static bool find_text(const struct mapped *file, struct mapped *ret_text)
{
    Elf64_Ehdr header;
    Elf64_Shdr names, section;

    if (!fits(file, 0, sizeof(header)))
        return false;
    memcpy(&header, file->bytes, sizeof(header));
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
        header.e_shentsize != sizeof(section) || header.e_shstrndx >= header.e_shnum ||
        !fits(file, header.e_shoff, header.e_shnum * sizeof(section)))
        return false;
    memcpy(&names, file->bytes + header.e_shoff + header.e_shstrndx * sizeof(section),
           sizeof(section));
    for (unsigned i = 0; i < header.e_shnum; i++) {
        uint64_t name;

        memcpy(&section, file->bytes + header.e_shoff + i * sizeof(section), sizeof(section));
        name = names.sh_offset + section.sh_name;
        if (section.sh_type == SHT_PROGBITS && fits(file, name, sizeof(".text")) &&
            memcmp(file->bytes + name, ".text", sizeof(".text")) == 0 &&
            fits(file, section.sh_offset, section.sh_size)) {
            *ret_text = (struct mapped){ file->bytes + section.sh_offset, section.sh_size };
            return true;
        }
    }
    return false;
}

/* ---- Sweeps -------------------------------------------------------------------------- */

static void report(const struct agreement *agreement, const uint8_t *bytes, size_t size, size_t at)
{
    printf("# %s, at %#zx of .text:", agreement->text, at);
    for (size_t i = 0; i < size; i++)
        printf(" %02x", bytes[i]);
    putchar('\n');
}

static void sweep_text(const struct mapped *text, struct sweep *sweep)
{
    for (size_t at = 0; at < text->size;) {
        size_t left = text->size - at;
        size_t size = left < INSN_BYTES_MAX ? left : INSN_BYTES_MAX;
        struct agreement agreement;

        if (!zydis_agrees(text->bytes + at, size, MODE_64, &agreement) &&
            sweep->nr_mismatches++ < MOST_MISMATCHES)
            report(&agreement, text->bytes + at, size, at);
        sweep->nr_insns += agreement.is_ours;
        sweep->nr_foreign += agreement.length > 0 && !agreement.is_ours;
        sweep->nr_unknown += agreement.length == 0;
        at += agreement.length > 0 ? agreement.length : 1;
    }
}

/* Nanoseconds for each instruction of @text, our decoder alone: a figure, no test. */
static double time_decoder(const struct mapped *text)
{
    struct timespec begin, end;
    uint64_t count = 0;
    struct insn insn;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (size_t at = 0; at < text->size; count++) {
        enum decode_result result = insn_decode(text->bytes + at, text->size - at, MODE_64, &insn);

        at += result == DECODE_OK ? insn.length : 1;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
           (double)(count ? count : 1);
}

static void sweep_file(const char *path)
{
    struct sweep sweep = { 0 };
    struct mapped file, text;

    if (!ok(map_file(path, &file)))
        return;
    if (ok(find_text(&file, &text))) {
        sweep_text(&text, &sweep);
        printf("# %s: %llu instructions, %llu not of our processor, %llu bytes of data; "
               "%.0f ns each\n",
               path, (unsigned long long)sweep.nr_insns, (unsigned long long)sweep.nr_foreign,
               (unsigned long long)sweep.nr_unknown, time_decoder(&text));
        is(sweep.nr_mismatches, 0);
        ok(sweep.nr_insns > 1000);
    }
    munmap((void *)(uintptr_t)file.bytes, file.size);
}

/* The first file that matches one of @patterns. */
static bool sweep_first(const char *const patterns[], unsigned nr_patterns)
{
    for (unsigned i = 0; i < nr_patterns; i++) {
        glob_t found;

        if (glob(patterns[i], 0, NULL, &found) != 0)
            continue;
        sweep_file(found.gl_pathv[0]);
        globfree(&found);
        return true;
    }
    return false;
}

#define SWEEP(test, absent, ...)                                                                   \
    static void test(void)                                                                         \
    {                                                                                              \
        static const char *const patterns[] = { __VA_ARGS__ };                                     \
                                                                                                   \
        if (nr_chosen_files > 0)                                                                   \
            skip("other files were given");                                                        \
        if (!sweep_first(patterns, ARRAY_SIZE(patterns)))                                          \
            skip(absent);                                                                          \
    }

SWEEP(libc_decodes_alike, "no libc.so.6 in the usual places", "/lib/x86_64-linux-gnu/libc.so.6",
      "/lib64/libc.so.6", "/usr/lib/libc.so.6")
SWEEP(libm_decodes_alike, "no libm.so.6 in the usual places", "/lib/x86_64-linux-gnu/libm.so.6",
      "/lib64/libm.so.6", "/usr/lib/libm.so.6")
SWEEP(libcrypto_decodes_alike, "no libcrypto.so.3: package libssl3",
      "/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/lib64/libcrypto.so.3",
      "/usr/lib/libcrypto.so.3")
SWEEP(glib_decodes_alike, "no libglib-2.0.so.0 in the usual places",
      "/lib/x86_64-linux-gnu/libglib-2.0.so.0", "/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0",
      "/lib64/libglib-2.0.so.0", "/usr/lib/libglib-2.0.so.0")
SWEEP(mesa_decodes_alike, "no Mesa: package libgl1-mesa-dri",
      "/usr/lib/x86_64-linux-gnu/libgallium*.so", "/usr/lib/x86_64-linux-gnu/dri/swrast_dri.so",
      "/usr/lib64/libgallium*.so", "/usr/lib64/dri/swrast_dri.so")
SWEEP(kernel_decodes_alike, "no unpacked kernel: package linux-image-amd64-dbg",
      "/usr/lib/debug/boot/vmlinux-*", "/usr/lib/debug/lib/modules/*/vmlinux", "/boot/vmlinux-*")

static void chosen_files_decode_alike(void)
{
    if (nr_chosen_files == 0)
        skip("none were given");
    for (int i = 0; i < nr_chosen_files; i++)
        sweep_file(chosen_files[i]);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(libc_decodes_alike),        TAP_TEST(libm_decodes_alike),
        TAP_TEST(libcrypto_decodes_alike),   TAP_TEST(glib_decodes_alike),
        TAP_TEST(mesa_decodes_alike),        TAP_TEST(kernel_decodes_alike),
        TAP_TEST(chosen_files_decode_alike),
    };

    chosen_files = argv + 1;
    nr_chosen_files = argc - 1;
    if (!zydis_init())
        bail_out("Zydis is another version than its header");
    return TAP_RUN(tests, 1, argv); /* our arguments do not choose tests */
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine/loader.h"

#include <glib/gstdio.h>

#include "hw/machine/layout.h"
#include "tests/unit/kernel_scene.h"

#define MIB (UINT64_C(1) << 20)

/* RAM, and files of its own. */
struct setup {
    struct mem *mem;
    struct ram *ram;
    char *dir, *kernel, *initrd;
    struct cpu_state state;
};

static void set_up(struct setup *setup, uint64_t ram_size)
{
    setup->mem = mem_new();
    setup->ram = ram_new(setup->mem, "ram", ram_size, NULL);
    g_assert_nonnull(setup->ram);
    setup->dir = g_dir_make_tmp("gracevm-loader-XXXXXX", NULL);
    setup->kernel = g_build_filename(setup->dir, "kernel", NULL);
    setup->initrd = g_build_filename(setup->dir, "initrd", NULL);
}

static void tear_down(struct setup *setup)
{
    ram_unref(setup->ram);
    mem_free(setup->mem);
    (void)g_unlink(setup->kernel); /* may not be there */
    (void)g_unlink(setup->initrd);
    g_assert_cmpint(g_rmdir(setup->dir), ==, 0);
    g_free(setup->kernel);
    g_free(setup->initrd);
    g_free(setup->dir);
}

static void write_file(const char *path, const void *data, size_t size)
{
    g_assert_true(g_file_set_contents(path, data, (gssize)size, NULL));
}

static void write_kernel(struct setup *setup, const GByteArray *file)
{
    write_file(setup->kernel, file->data, file->len);
}

static uint8_t *at(struct setup *setup, uint64_t address)
{
    return ram_pointer(setup->ram, address, 1);
}

static uint64_t zero_page(struct setup *setup, unsigned offset, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, at(setup, LAYOUT_BOOT_PARAMS + offset), size);
    return value;
}

static void load(struct setup *setup, const struct loader_config *config)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(loader_load(config, setup->ram, &setup->state, &error));
    g_assert_no_error(error);
}

/* It says @part, and names @path. */
static void expect_failure(struct setup *setup, const struct loader_config *config,
                           const char *path, const char *part)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(loader_load(config, setup->ram, &setup->state, &error));
    g_assert_nonnull(error);
    if (!strstr(error->message, part) || (path && !strstr(error->message, path)))
        g_error("'%s' does not say '%s' of %s", error->message, part, path ? path : "nothing");
}

static void expect_elf(struct setup *setup)
{
    for (unsigned i = 0; i < ELF_TEXT_SIZE; i++)
        g_assert_cmpuint(*at(setup, ELF_TEXT + i), ==, pattern(ELF_TEXT + i));
    for (unsigned i = 0; i < ELF_DATA_SIZE; i++)
        g_assert_cmpuint(*at(setup, ELF_DATA + i), ==, pattern(ELF_DATA + i));
    g_assert_cmpuint(*at(setup, ELF_DATA + ELF_DATA_SIZE), ==, 0);
    g_assert_cmphex(setup->state.rip, ==, ELF_ENTRY);
}

/* ---- Kernels --------------------------------------------------------------------------------- */

static void an_elf_kernel_is_where_its_segments_say(void)
{
    g_autoptr(GByteArray) file = make_elf();
    struct setup setup;
    struct loader_config config = { .command_line = "a=b", .rsdp = 0xe0000 };

    set_up(&setup, 16 * MIB);
    write_kernel(&setup, file);
    config.kernel = setup.kernel;
    load(&setup, &config);
    expect_elf(&setup);
    g_assert_cmphex(setup.state.gpr[RSI], ==, LAYOUT_BOOT_PARAMS);
    g_assert_cmpuint(setup.state.seg[SEG_CS].selector, ==, 0x10);
    g_assert_cmpuint(setup.state.seg[SEG_DS].selector, ==, 0x18);
    g_assert_cmpuint(setup.state.rflags & FLAG_IF, ==, 0);
    g_assert_cmpuint(zero_page(&setup, 0x1fe, 2), ==, 0xaa55);
    g_assert_cmpuint(zero_page(&setup, 0x210, 1), ==, 0xff);
    g_assert_cmpuint(zero_page(&setup, 0x70, 8), ==, 0xe0000);
    g_assert_cmpuint(zero_page(&setup, 0x21c, 4), ==, 0); /* no initrd */
    g_assert_cmpstr((char *)at(&setup, zero_page(&setup, 0x228, 4)), ==, "a=b");
    tear_down(&setup);
}

static void a_virtual_entry_is_made_physical(void)
{
    g_autoptr(GByteArray) file = make_elf();
    struct setup setup;
    struct loader_config config = { 0 };

    set_up(&setup, 16 * MIB);
    put_le(file->data + offsetof(Elf64_Ehdr, e_entry), ELF_VIRTUAL + ELF_ENTRY, 8);
    write_kernel(&setup, file);
    config.kernel = setup.kernel;
    load(&setup, &config);
    expect_elf(&setup);
    tear_down(&setup);
}

static void each_packed_kernel_is_unpacked(void)
{
    static void (*const methods[])(GByteArray *, const GByteArray *) = { pack_gzip, pack_xz,
                                                                         pack_zstd, pack_lz4 };

    for (unsigned i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(GByteArray) file = make_bzimage(methods[i]);
        struct setup setup;
        struct loader_config config = { .unpacks = true };

        set_up(&setup, 16 * MIB);
        write_kernel(&setup, file);
        config.kernel = setup.kernel;
        load(&setup, &config);
        expect_elf(&setup);
        /* Its own header, for it to read again. */
        g_assert_cmpuint(zero_page(&setup, 0x206, 2), ==, 0x20f);
        g_assert_cmpuint(zero_page(&setup, 0x230, 4), ==, 0x200000);
        tear_down(&setup);
    }
}

/* If that is wished, or if we do not know how it is packed. */
static void a_bzimage_may_unpack_itself(void)
{
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GByteArray) file = make_bzimage(i ? pack_strangely : pack_gzip);
        struct setup setup;
        struct loader_config config = { .unpacks = i };

        set_up(&setup, 32 * MIB);
        write_kernel(&setup, file);
        config.kernel = setup.kernel;
        load(&setup, &config);
        g_assert_cmpmem(at(&setup, 0x1000000), file->len - SETUP_SIZE, file->data + SETUP_SIZE,
                        file->len - SETUP_SIZE);
        g_assert_cmphex(setup.state.rip, ==, 0x1000000 + 0x200);
        tear_down(&setup);
    }
}

/* ---- What is wrong with files ---------------------------------------------------------------- */

static void what_is_no_kernel_is_called_by_its_name(void)
{
    struct setup setup;
    struct loader_config config = { .unpacks = true };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    expect_failure(&setup, &config, setup.kernel, "No such file");
    write_file(setup.kernel, "", 0);
    expect_failure(&setup, &config, setup.kernel, "is empty");
    write_file(setup.kernel, "#!/bin/sh\n", 10);
    expect_failure(&setup, &config, setup.kernel, "not a kernel");
    config.kernel = setup.dir;
    expect_failure(&setup, &config, setup.dir, "is a directory");
    config.kernel = "/dev/null";
    expect_failure(&setup, &config, "/dev/null", "no regular file");
    tear_down(&setup);
}

/* Bytes of a good file that are changed, and what is said then. */
struct damage {
    unsigned offset, size;
    uint64_t value;
    const char *said;
};

static void try_damages(GByteArray *(*make)(void), const struct damage *damages, unsigned nr)
{
    struct setup setup;
    struct loader_config config = { .unpacks = true };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    for (unsigned i = 0; i < nr; i++) {
        g_autoptr(GByteArray) file = make();

        put_le(file->data + damages[i].offset, damages[i].value, damages[i].size);
        write_kernel(&setup, file);
        expect_failure(&setup, &config, setup.kernel, damages[i].said);
    }
    tear_down(&setup);
}

static void damaged_elf_headers_are_told(void)
{
    enum { TEXT = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), DATA = TEXT + sizeof(Elf64_Phdr) };
    static const struct damage damages[] = {
        { EI_CLASS, 1, ELFCLASS32, "not of x86-64" },
        { offsetof(Elf64_Ehdr, e_machine), 2, EM_AARCH64, "not of x86-64" },
        { offsetof(Elf64_Ehdr, e_type), 2, ET_DYN, "not one that is linked to an address" },
        { offsetof(Elf64_Ehdr, e_phnum), 2, 0, "without program headers" },
        { offsetof(Elf64_Ehdr, e_phnum), 2, 73, "not at the beginning" },
        { offsetof(Elf64_Ehdr, e_phnum), 2, 1, "nothing to load" },
        { offsetof(Elf64_Ehdr, e_phentsize), 2, 32, "without program headers" },
        { offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX - 55, "not at the beginning" },
        { offsetof(Elf64_Ehdr, e_phoff), 8, 4097, "not at the beginning" },
        { offsetof(Elf64_Ehdr, e_entry), 8, 0x12345, "in no segment" },
        { TEXT + offsetof(Elf64_Phdr, p_filesz), 8, UINT64_MAX, "impossible size" },
        { TEXT + offsetof(Elf64_Phdr, p_memsz), 8, UINT64_MAX, "impossible size" },
        { TEXT + offsetof(Elf64_Phdr, p_offset), 8, UINT64_MAX - 5, "impossible size" },
        { TEXT + offsetof(Elf64_Phdr, p_offset), 8, ELF_SIZE - 1, "cut off" },
        { TEXT + offsetof(Elf64_Phdr, p_paddr), 8, 0xff000, "0xff000 to 0x102000" },
        { TEXT + offsetof(Elf64_Phdr, p_paddr), 8, 0xbffff000, "outside of" },
        { DATA + offsetof(Elf64_Phdr, p_paddr), 8, 0x1000000, "up to 17 MiB, and there are 16" },
    };

    try_damages(make_elf, damages, G_N_ELEMENTS(damages));
}

static GByteArray *make_xz(void)
{
    return make_bzimage(pack_xz);
}

static void damaged_setup_headers_are_told(void)
{
    static const struct damage damages[] = {
        { 0x1fe, 2, 0, "not a kernel" },
        { 0x202, 4, 0, "not a kernel" },
        { 0x206, 2, 0x20b, "2.11, older than 2.12" },
        { 0x211, 1, 0, "zImage" },
        { 0x236, 2, 2, "no 64-bit kernel" },
        { 0x1f1, 1, 255, "cut off" },
        { 0x1f4, 4, 0xffffffff, "cut off" },
        { 0x248, 4, 0xfffffff0, "not inside" },
        { 0x24c, 4, 0xffffffff, "not inside" },
        { 0x258, 8, 0xfffff, "wants to be at 0xfffff" },
        { 0x258, 8, UINT64_MAX, "wants to be at" },
        { 0x260, 4, 1, "less memory" },
        { 0x201, 1, 0x10, "ends at the wrong place" },
        { 0x201, 1, 0x61, "ends at the wrong place" }, /* at 0x263: the memory's size is cut */
    };

    try_damages(make_xz, damages, G_N_ELEMENTS(damages));
}

struct method {
    void (*pack)(GByteArray *to, const GByteArray *from);
    bool has_checksum; /* of what is unpacked */
};
static const struct method packers[] = {
    { pack_gzip, true }, { pack_xz, true }, { pack_zstd, false }, { pack_lz4, false }
};

static void cut_off_kernels_are_told(void)
{
    struct setup setup;
    struct loader_config config = { .unpacks = true };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    for (unsigned i = 0; i < G_N_ELEMENTS(packers); i++) {
        g_autoptr(GByteArray) file = make_bzimage(packers[i].pack);

        for (guint size = 1; size < file->len; size += 97) {
            write_file(setup.kernel, file->data, size);
            expect_failure(&setup, &config, setup.kernel,
                           size < 0x264 ? "not a kernel" : "cut off");
        }
    }
    tear_down(&setup);
}

/* Whatever byte of what is packed is another: it is told where there is a checksum, and is no
 * crash where there is none. */
static void broken_packed_kernels_are_told(void)
{
    struct setup setup;
    struct loader_config config = { .unpacks = true };

    set_up(&setup, 32 * MIB);
    config.kernel = setup.kernel;
    for (unsigned i = 0; i < G_N_ELEMENTS(packers); i++) {
        g_autoptr(GByteArray) file = make_bzimage(packers[i].pack);

        /* The first bytes say what it is, and gzip does not check its header. */
        for (guint at = SETUP_SIZE + CODE_BEFORE + 12; at < file->len - 20; at += 53) {
            g_autoptr(GError) error = NULL;
            bool is_loaded;

            file->data[at] ^= 0x55;
            write_kernel(&setup, file);
            file->data[at] ^= 0x55;
            is_loaded = loader_load(&config, setup.ram, &setup.state, &error);
            g_assert_true(is_loaded ? !packers[i].has_checksum
                                    : strstr(error->message, setup.kernel) != NULL);
        }
    }
    tear_down(&setup);
}

static void the_unpacked_size_is_checked(void)
{
    struct setup setup;
    struct loader_config config = { .unpacks = true };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    for (unsigned i = 1; i < G_N_ELEMENTS(packers); i++) { /* gzip has it in its own trailer */
        g_autoptr(GByteArray) file = make_bzimage(packers[i].pack);
        uint32_t payload_size;
        uint8_t *size;

        memcpy(&payload_size, file->data + 0x24c, sizeof(payload_size));
        size = file->data + SETUP_SIZE + CODE_BEFORE + payload_size - 4;
        put_le(size, ELF_SIZE + 1, 4);
        write_kernel(&setup, file);
        expect_failure(&setup, &config, setup.kernel, "unpacks to 24576 bytes, and not to 24577");
        put_le(size, ELF_SIZE - 1, 4);
        write_kernel(&setup, file);
        expect_failure(&setup, &config, setup.kernel, "more than the 24575 bytes it says");
    }
    tear_down(&setup);
}

static void too_little_memory_is_told(void)
{
    g_autoptr(GByteArray) file = make_bzimage(pack_gzip);
    struct setup setup;
    struct loader_config config = { 0 };

    set_up(&setup, 3 * MIB);
    config.kernel = setup.kernel;
    write_kernel(&setup, file);
    expect_failure(&setup, &config, setup.kernel, "up to 17 MiB, and there are 3");
    config.unpacks = true;
    expect_failure(&setup, &config, setup.kernel, "up to 4 MiB, and there are 3");
    tear_down(&setup);
}

/* ---- Command line and initial RAM disk ------------------------------------------------------- */

static void a_command_line_may_be_as_long_as_the_kernel_takes(void)
{
    g_autoptr(GByteArray) file = make_bzimage(pack_gzip); /* 100 characters */
    g_autofree char *line = g_strnfill(101, 'x');
    struct setup setup;
    struct loader_config config = { .unpacks = true, .command_line = line };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    write_kernel(&setup, file);
    expect_failure(&setup, &config, NULL, "has 101 characters; it takes 100");
    line[100] = 0;
    load(&setup, &config);
    g_assert_cmpstr((char *)at(&setup, LAYOUT_COMMAND_LINE), ==, line);
    tear_down(&setup);
}

static void an_initrd_is_as_high_as_possible(void)
{
    enum { SIZE = 123456 };
    g_autoptr(GByteArray) file = make_bzimage(pack_gzip);
    g_autofree uint8_t *initrd = g_malloc(SIZE);
    struct setup setup;
    struct loader_config config = { .unpacks = true };
    uint64_t address;

    for (unsigned i = 0; i < SIZE; i++)
        initrd[i] = pattern(i);
    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    config.initrd = setup.initrd;
    write_kernel(&setup, file);
    write_file(setup.initrd, initrd, SIZE);
    load(&setup, &config);
    address = zero_page(&setup, 0x218, 4);
    g_assert_cmphex(address, ==, (16 * MIB - SIZE) & ~UINT64_C(0xfff));
    g_assert_cmpuint(zero_page(&setup, 0x21c, 4), ==, SIZE);
    g_assert_cmpmem(at(&setup, address), SIZE, initrd, SIZE);
    tear_down(&setup);
}

/* Files that are holes: the sizes matter. */
static void write_hole(const char *path, uint64_t size)
{
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_cmpint(ftruncate(fileno(file), (off_t)size), ==, 0);
    g_assert_cmpint(fclose(file), ==, 0);
}

static void an_initrd_may_take_all_that_the_kernel_leaves(void)
{
    g_autoptr(GByteArray) file = make_bzimage(pack_gzip); /* ends at 4 MiB */
    struct setup setup;
    struct loader_config config = { .unpacks = true };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    config.initrd = setup.initrd;
    write_kernel(&setup, file);
    write_hole(setup.initrd, 12 * MIB);
    load(&setup, &config);
    g_assert_cmphex(zero_page(&setup, 0x218, 4), ==, 4 * MIB);
    write_hole(setup.initrd, 12 * MIB + 1);
    expect_failure(&setup, &config, setup.initrd, "takes 17 MiB of memory, and there are 16");
    write_hole(setup.initrd, UINT64_C(1) << 40);
    expect_failure(&setup, &config, setup.initrd, "takes 1048580 MiB of memory");
    tear_down(&setup);
}

static void what_is_no_initrd_is_called_by_its_name(void)
{
    g_autoptr(GByteArray) file = make_elf();
    struct setup setup;
    struct loader_config config = { 0 };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    config.initrd = setup.initrd;
    write_kernel(&setup, file);
    expect_failure(&setup, &config, setup.initrd, "No such file");
    write_hole(setup.initrd, 0);
    expect_failure(&setup, &config, setup.initrd, "is empty");
    tear_down(&setup);
}

/* An old kernel wants it in the first 2 GiB: where the header says. */
static void an_initrd_is_where_the_kernel_wants_it(void)
{
    g_autoptr(GByteArray) file = make_bzimage(pack_gzip);
    struct setup setup;
    struct loader_config config = { .unpacks = true };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    config.initrd = setup.initrd;
    put_le(file->data + 0x22c, 0x7fffff, 4);
    put_le(file->data + 0x236, 1, 2);
    write_kernel(&setup, file);
    write_hole(setup.initrd, MIB);
    load(&setup, &config);
    g_assert_cmphex(zero_page(&setup, 0x218, 4), ==, 7 * MIB);
    tear_down(&setup);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* The ranges of type @type: "start+size start+size". */
static char *ranges(struct setup *setup, unsigned type)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < zero_page(setup, 0x1e8, 1); i++) {
        const unsigned entry = 0x2d0 + 20 * i;

        if (zero_page(setup, entry + 16, 4) == type)
            g_string_append_printf(text, "%s%" G_GINT64_MODIFIER "x+%" G_GINT64_MODIFIER "x",
                                   text->len ? " " : "", zero_page(setup, entry, 8),
                                   zero_page(setup, entry + 8, 8));
    }
    return g_string_free(text, FALSE);
}

static void expect_ram(uint64_t size, const char *want)
{
    g_autoptr(GByteArray) file = make_elf();
    g_autofree char *ram = NULL, *reserved = NULL, *acpi = NULL;
    struct setup setup;
    struct loader_config config = { 0 };

    set_up(&setup, size);
    config.kernel = setup.kernel;
    write_kernel(&setup, file);
    load(&setup, &config);
    ram = ranges(&setup, 1);
    reserved = ranges(&setup, 2);
    acpi = ranges(&setup, 3);
    g_assert_cmpstr(ram, ==, want);
    g_assert_cmpstr(reserved, ==, "9f000+1000 f0000+10000 e0000000+10000000 fe020000+1000");
    g_assert_cmpstr(acpi, ==, "e0000+10000");
    tear_down(&setup);
}

static void the_kernel_is_told_of_memory(void)
{
    expect_ram(16 * MIB, "0+9f000 100000+f00000");
    expect_ram(3072 * MIB, "0+9f000 100000+bff00000");
    expect_ram(5120 * MIB, "0+9f000 100000+bff00000 100000000+80000000");
}

static void an_initrd_may_be_above_4_gib(void)
{
    enum { DATA = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) };
    g_autoptr(GByteArray) file = make_elf();
    struct setup setup;
    struct loader_config config = { 0 };

    set_up(&setup, 3072 * MIB + 64 * MIB);
    config.kernel = setup.kernel;
    config.initrd = setup.initrd;
    /* A kernel that takes all below, but 1 MiB. */
    put_le(file->data + DATA + offsetof(Elf64_Phdr, p_memsz), 3071 * MIB - ELF_DATA, 8);
    write_kernel(&setup, file);
    write_hole(setup.initrd, MIB);
    load(&setup, &config);
    g_assert_cmphex(zero_page(&setup, 0x218, 4), ==, 3071 * MIB);
    write_hole(setup.initrd, MIB + 1);
    load(&setup, &config);
    g_assert_cmphex(zero_page(&setup, 0x218, 4) | zero_page(&setup, 0xc0, 4) << 32, ==,
                    4096 * MIB + 64 * MIB - MIB - 0x1000);
    g_assert_cmpuint(zero_page(&setup, 0x21c, 4), ==, MIB + 1);
    write_hole(setup.initrd, 64 * MIB + 1);
    expect_failure(&setup, &config, setup.initrd, "of memory, and there are 3136");
    tear_down(&setup);
}

static void cleared_memory_is_zero_and_the_same_again(void)
{
    g_autoptr(GByteArray) file = make_elf();
    struct setup setup;
    struct loader_config config = { 0 };

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    write_kernel(&setup, file);
    load(&setup, &config);
    memset(at(&setup, 0), 0xee, 16 * MIB);
    g_assert_true(loader_clear(setup.ram, NULL));
    for (uint64_t i = 0; i < 16 * MIB; i += 8)
        g_assert_cmpuint(*(uint64_t *)(void *)at(&setup, i), ==, 0);
    load(&setup, &config);
    expect_elf(&setup);
    tear_down(&setup);
}

/* An identity map of the first 4 GiB, and flat segments. */
static void processors_begin_with_an_identity_map(void)
{
    g_autoptr(GByteArray) file = make_elf();
    struct setup setup;
    struct loader_config config = { 0 };
    struct cpu_state state;

    set_up(&setup, 16 * MIB);
    config.kernel = setup.kernel;
    write_kernel(&setup, file);
    load(&setup, &config);
    loader_start_state(0x9a000, &state);
    g_assert_cmphex(state.rip, ==, 0x9a000);
    g_assert_cmphex(state.cr3, ==, setup.state.cr3);
    for (uint64_t address = 0; address < UINT64_C(1) << 32; address += 2 * MIB) {
        const uint64_t *table = (uint64_t *)(void *)at(&setup, state.cr3);

        for (unsigned shift = 39; shift > 21; shift -= 9) {
            const uint64_t entry = table[address >> shift & 511];

            g_assert_cmphex(entry & 0xfff, ==, 3);
            table = (uint64_t *)(void *)at(&setup, entry & ~UINT64_C(0xfff));
        }
        g_assert_cmphex(table[address >> 21 & 511], ==, address | 0x83);
    }
    g_assert_cmphex(((uint64_t *)(void *)at(&setup, state.gdt.base))[2], ==, 0x00af9b000000ffff);
    g_assert_cmphex(*at(&setup, 0xffff0), ==, 0xba); /* where firmware is entered: it resets */
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loader/elf", an_elf_kernel_is_where_its_segments_say);
    g_test_add_func("/loader/elf/virtual-entry", a_virtual_entry_is_made_physical);
    g_test_add_func("/loader/elf/damaged", damaged_elf_headers_are_told);
    g_test_add_func("/loader/bzimage/unpacked", each_packed_kernel_is_unpacked);
    g_test_add_func("/loader/bzimage/whole", a_bzimage_may_unpack_itself);
    g_test_add_func("/loader/bzimage/damaged", damaged_setup_headers_are_told);
    g_test_add_func("/loader/bzimage/cut-off", cut_off_kernels_are_told);
    g_test_add_func("/loader/bzimage/broken", broken_packed_kernels_are_told);
    g_test_add_func("/loader/bzimage/size", the_unpacked_size_is_checked);
    g_test_add_func("/loader/no-kernel", what_is_no_kernel_is_called_by_its_name);
    g_test_add_func("/loader/little-memory", too_little_memory_is_told);
    g_test_add_func("/loader/command-line", a_command_line_may_be_as_long_as_the_kernel_takes);
    g_test_add_func("/loader/initrd", an_initrd_is_as_high_as_possible);
    g_test_add_func("/loader/initrd/large", an_initrd_may_take_all_that_the_kernel_leaves);
    g_test_add_func("/loader/initrd/limit", an_initrd_is_where_the_kernel_wants_it);
    g_test_add_func("/loader/initrd/high", an_initrd_may_be_above_4_gib);
    g_test_add_func("/loader/no-initrd", what_is_no_initrd_is_called_by_its_name);
    g_test_add_func("/loader/memory", the_kernel_is_told_of_memory);
    g_test_add_func("/loader/clear", cleared_memory_is_zero_and_the_same_again);
    g_test_add_func("/loader/state", processors_begin_with_an_identity_map);
    return g_test_run();
}

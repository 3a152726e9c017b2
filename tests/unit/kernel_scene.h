/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Small kernels for tests: an ELF file of two segments, and bzImages with it inside.
 */
#ifndef TESTS_UNIT_KERNEL_SCENE_H
#define TESTS_UNIT_KERNEL_SCENE_H

#include <elf.h>
#include <glib.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum {
    ELF_TEXT = 0x200000, /* physical */
    ELF_TEXT_AT = 0x1000,
    ELF_TEXT_SIZE = 0x3000,
    ELF_DATA = 0x300000,
    ELF_DATA_AT = 0x5000,
    ELF_DATA_SIZE = 0x800,
    ELF_DATA_MEMORY = 0x100000,
    ELF_ENTRY = ELF_TEXT + 0x123,
    ELF_SIZE = 0x6000,
    SETUP_SIZE = 1024, /* of a bzImage: one sector of set-up code */
    CODE_BEFORE = 64,  /* the packed kernel */
};
#define ELF_VIRTUAL UINT64_C(0xffffffff80000000)

static inline uint8_t pattern(uint64_t address)
{
    return (uint8_t)(address * 7 + (address >> 8) * 13 + 1);
}

static inline GByteArray *make_elf(void)
{
    GByteArray *file = g_byte_array_set_size(g_byte_array_new(), ELF_SIZE);
    Elf64_Ehdr header = {
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = ELF_ENTRY,
        .e_phoff = sizeof(header),
        .e_ehsize = sizeof(header),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 3,
    };
    const Elf64_Phdr parts[] = {
        { .p_type = PT_NOTE, .p_offset = 1, .p_filesz = 5, .p_memsz = 5 },
        { PT_LOAD, PF_R | PF_X, ELF_TEXT_AT, ELF_VIRTUAL + ELF_TEXT, ELF_TEXT, ELF_TEXT_SIZE,
          ELF_TEXT_SIZE, 0x1000 },
        { PT_LOAD, PF_R | PF_W, ELF_DATA_AT, ELF_VIRTUAL + ELF_DATA, ELF_DATA, ELF_DATA_SIZE,
          ELF_DATA_MEMORY, 0x1000 },
    };

    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    memset(file->data, 0, file->len);
    memcpy(file->data, &header, sizeof(header));
    memcpy(file->data + sizeof(header), parts, sizeof(parts));
    for (unsigned i = 0; i < ELF_TEXT_SIZE; i++)
        file->data[ELF_TEXT_AT + i] = pattern(ELF_TEXT + i);
    for (unsigned i = 0; i < ELF_DATA_SIZE; i++)
        file->data[ELF_DATA_AT + i] = pattern(ELF_DATA + i);
    return file;
}

/* ---- Packing --------------------------------------------------------------------------------- */

static inline void append_32(GByteArray *array, uint32_t value)
{
    g_byte_array_append(array, (const uint8_t *)&value, sizeof(value));
}

static inline void pack_gzip(GByteArray *to, const GByteArray *from)
{
    enum { WINDOW_GZIP = 15 + 16, MEMORY = 8 };
    const guint at = to->len;
    z_stream stream = { .next_in = from->data, .avail_in = from->len };

    g_byte_array_set_size(to, at + 2 * from->len + 100);
    stream.next_out = to->data + at;
    stream.avail_out = to->len - at;
    g_assert_cmpint(
        deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_GZIP, MEMORY, Z_DEFAULT_STRATEGY),
        ==, Z_OK);
    g_assert_cmpint(deflate(&stream, Z_FINISH), ==, Z_STREAM_END);
    g_byte_array_set_size(to, at + (guint)stream.total_out);
    g_assert_cmpint(deflateEnd(&stream), ==, Z_OK);
}

static inline void pack_xz(GByteArray *to, const GByteArray *from)
{
    size_t at = to->len;

    g_byte_array_set_size(to, to->len + 2 * from->len + 1000);
    g_assert_cmpint((int)lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, from->data, from->len,
                                                 to->data, &at, to->len),
                    ==, (int)LZMA_OK);
    g_byte_array_set_size(to, (guint)at);
    append_32(to, from->len);
}

static inline void pack_zstd(GByteArray *to, const GByteArray *from)
{
    const guint at = to->len;
    size_t size;

    g_byte_array_set_size(to, at + (guint)ZSTD_compressBound(from->len));
    size = ZSTD_compress(to->data + at, to->len - at, from->data, from->len, 1);
    g_assert_false(ZSTD_isError(size));
    g_byte_array_set_size(to, at + (guint)size);
    append_32(to, from->len);
}

/* In blocks of 8 KiB. */
static inline void pack_lz4(GByteArray *to, const GByteArray *from)
{
    enum { BLOCK = 8192 };

    append_32(to, 0x184c2102);
    for (guint at = 0; at < from->len; at += BLOCK) {
        const int size = (int)MIN((guint)BLOCK, from->len - at);
        char block[LZ4_COMPRESSBOUND(BLOCK)];
        const int packed =
            LZ4_compress_default((const char *)from->data + at, block, size, (int)sizeof(block));

        g_assert_cmpint(packed, >, 0);
        append_32(to, (uint32_t)packed);
        g_byte_array_append(to, (const uint8_t *)block, (guint)packed);
    }
    append_32(to, from->len);
}

/* By a method that nobody knows. */
static inline void pack_strangely(GByteArray *to, const GByteArray *from)
{
    g_byte_array_append(to, from->data, from->len);
    append_32(to, from->len);
}

/* ---- bzImage --------------------------------------------------------------------------------- */

static inline void put_le(uint8_t *at, uint64_t value, unsigned size)
{
    memcpy(at, &value, size);
}

static inline GByteArray *make_bzimage(void (*pack)(GByteArray *to, const GByteArray *from))
{
    g_autoptr(GByteArray) elf = make_elf();
    GByteArray *file = g_byte_array_set_size(g_byte_array_new(), SETUP_SIZE + CODE_BEFORE);
    uint8_t *data;
    guint payload_size;

    memset(file->data, 0x90, file->len);
    pack(file, elf);
    payload_size = file->len - SETUP_SIZE - CODE_BEFORE;
    while (file->len % 16 != 0)
        g_byte_array_append(file, (const uint8_t *)"", 1);
    data = file->data;
    memset(data + 0x1f1, 0, 0x270 - 0x1f1);
    data[0x1f1] = SETUP_SIZE / 512 - 1;
    put_le(data + 0x1f4, (file->len - SETUP_SIZE) / 16, 4);
    put_le(data + 0x1fe, 0xaa55, 2);
    data[0x201] = 0x6a; /* the header ends at 0x26c */
    memcpy(data + 0x202, "HdrS", 4);
    put_le(data + 0x206, 0x20f, 2);
    data[0x211] = 1;
    put_le(data + 0x22c, 0x7fffffff, 4);
    put_le(data + 0x230, 0x200000, 4);
    put_le(data + 0x236, 3, 2);
    put_le(data + 0x238, 100, 4); /* of command line */
    put_le(data + 0x248, CODE_BEFORE, 4);
    put_le(data + 0x24c, payload_size, 4);
    put_le(data + 0x258, 0x1000000, 8);
    put_le(data + 0x260, 0x100000, 4);
    return file;
}

#endif

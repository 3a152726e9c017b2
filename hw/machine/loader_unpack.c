/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kernels are packed with. All libraries decode in pieces; LZ4's old frame is a few lines. */
#include <inttypes.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "hw/machine/loader_parts.h"

enum {
    PIECE = 64 << 10,    /* stays in a cache between decoder and RAM */
    LZ4_BLOCK = 8 << 20, /* unpacked, at most: LZ4 frame format, "Legacy frame" */
    SIZE_BYTES = 4,
    XZ_MEMORY = 512 << 20, /* Linux packs with dictionaries of 128 MiB at most */
};

/* One run of a decoder. */
struct unpacking {
    const uint8_t *data;
    size_t size; /* without the size behind it, where that is no part of the format */
    uint8_t *piece;
    uint64_t nr_out, want; /* bytes */
    loader_sink *sink;
    void *opaque;
};

static uint32_t get_32(const uint8_t *data)
{
    uint32_t value;

    memcpy(&value, data, sizeof(value));
    return value;
}

/* The next @size bytes are in the piece. */
static bool give(struct unpacking *run, size_t size, GError **error)
{
    if (size > run->want - run->nr_out)
        return loader_fail(error, "it unpacks to more than the %" PRIu64 " bytes it says",
                           run->want);
    run->nr_out += size;
    return run->sink(run->opaque, run->piece, size, error);
}

static bool is_broken(GError **error, const char *method)
{
    return loader_fail(error, "the kernel in it is cut off or broken (%s)", method);
}

static bool unpack_gzip(struct unpacking *run, GError **error)
{
    enum { WINDOW_GZIP = 15 + 16 }; /* zlib.h: 16 more for a gzip header */
    z_stream stream = { .next_in = (uint8_t *)(uintptr_t)run->data, .avail_in = (uInt)run->size };
    bool is_good = true;
    int result = Z_OK;

    if (inflateInit2(&stream, WINDOW_GZIP) != Z_OK)
        return loader_fail(error, "no memory to unpack it");
    while (is_good && result == Z_OK) {
        stream.next_out = run->piece;
        stream.avail_out = PIECE;
        result = inflate(&stream, Z_NO_FLUSH);
        if (result == Z_OK || result == Z_STREAM_END)
            is_good = give(run, PIECE - stream.avail_out, error);
    }
    (void)inflateEnd(&stream); /* can only fail if not begun */
    return is_good && (result == Z_STREAM_END || is_broken(error, "gzip"));
}

static bool unpack_xz(struct unpacking *run, GError **error)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_ret result = lzma_stream_decoder(&stream, XZ_MEMORY, 0);
    bool is_good = true;

    if (result != LZMA_OK)
        return loader_fail(error, "no memory to unpack it");
    stream.next_in = run->data;
    stream.avail_in = run->size;
    while (is_good && result == LZMA_OK) {
        stream.next_out = run->piece;
        stream.avail_out = PIECE;
        result = lzma_code(&stream, LZMA_FINISH);
        if (result == LZMA_OK || result == LZMA_STREAM_END)
            is_good = give(run, PIECE - stream.avail_out, error);
    }
    lzma_end(&stream);
    return is_good && (result == LZMA_STREAM_END || is_broken(error, "xz"));
}

static bool unpack_zstd(struct unpacking *run, GError **error)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = { .src = run->data, .size = run->size };
    bool is_good = stream || loader_fail(error, "no memory to unpack it");
    size_t result = 1; /* 0: the frame has ended */

    while (is_good && result != 0) {
        ZSTD_outBuffer out = { .dst = run->piece, .size = PIECE };

        result = ZSTD_decompressStream(stream, &out, &in);
        if (ZSTD_isError(result) || (result != 0 && out.pos == 0 && in.pos == in.size))
            is_good = is_broken(error, "zstd");
        else
            is_good = give(run, out.pos, error);
    }
    (void)ZSTD_freeDStream(stream); /* NULL is fine; no error to tell */
    return is_good;
}

/* A magic number, then blocks: their packed size, and as many bytes. */
static bool unpack_lz4(struct unpacking *run, GError **error)
{
    size_t at = sizeof(uint32_t);

    while (at < run->size) {
        uint32_t packed;
        int size;

        if (run->size - at < sizeof(packed))
            return is_broken(error, "lz4");
        packed = get_32(run->data + at);
        at += sizeof(packed);
        if (packed > run->size - at)
            return is_broken(error, "lz4");
        size = LZ4_decompress_safe((const char *)run->data + at, (char *)run->piece, (int)packed,
                                   LZ4_BLOCK);
        if (size < 0)
            return is_broken(error, "lz4");
        if (!give(run, (size_t)size, error))
            return false;
        at += packed;
    }
    return true;
}

struct method {
    const char *name;
    uint8_t magic[6];
    uint8_t magic_size;
    uint8_t size_behind; /* bytes behind the stream that are not its own */
    bool (*unpack)(struct unpacking *run, GError **error);
    size_t piece;
};

/* gzip's own trailer ends with the size. */
static const struct method methods[] = {
    { "gzip", { 0x1f, 0x8b, 0x08 }, 3, 0, unpack_gzip, PIECE },
    { "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, SIZE_BYTES, unpack_xz, PIECE },
    { "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, SIZE_BYTES, unpack_zstd, PIECE },
    { "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, SIZE_BYTES, unpack_lz4, LZ4_BLOCK },
};

static const struct method *find_method(const uint8_t *data, size_t size)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (size >= (size_t)methods[i].magic_size + SIZE_BYTES &&
            memcmp(data, methods[i].magic, methods[i].magic_size) == 0)
            return &methods[i];
    }
    return NULL;
}

const char *unpack_method(const uint8_t *data, size_t size)
{
    const struct method *method = find_method(data, size);

    return method ? method->name : NULL;
}

bool unpack(const uint8_t *data, size_t size, loader_sink *sink, void *opaque, GError **error)
{
    const struct method *method = size <= INT32_MAX ? find_method(data, size) : NULL;
    g_autofree uint8_t *piece = NULL;
    struct unpacking run;

    if (!method)
        return loader_fail(error, "packed by a method that is not known");
    piece = g_malloc(method->piece);
    run = (struct unpacking){
        .data = data,
        .size = size - method->size_behind,
        .piece = piece,
        .want = get_32(data + size - SIZE_BYTES),
        .sink = sink,
        .opaque = opaque,
    };
    if (!method->unpack(&run, error))
        return false;
    return run.nr_out == run.want ||
           loader_fail(error, "it unpacks to %" PRIu64 " bytes, and not to %" PRIu64, run.nr_out,
                       run.want);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bzImage's setup header: Documentation/arch/x86/boot.rst of Linux. */
#include <string.h>

#include "hw/machine/layout.h"
#include "hw/machine/loader_parts.h"

enum { /* where in the file, which is also where in the zero page */
       AT_SETUP_SECTORS = 0x1f1,
       AT_CODE_UNITS = 0x1f4, /* of 16 bytes */
       AT_BOOT_FLAG = 0x1fe,
       AT_JUMP_OFFSET = 0x201, /* from 0x202 to the end of the header */
       AT_MAGIC = 0x202,
       AT_VERSION = 0x206,
       AT_LOADER = 0x210,
       AT_LOAD_FLAGS = 0x211,
       AT_INITRD_LAST = 0x22c,
       AT_XLOAD_FLAGS = 0x236,
       AT_COMMAND_LINE_MAX = 0x238,
       AT_PAYLOAD = 0x248, /* from the beginning of the code */
       AT_PAYLOAD_SIZE = 0x24c,
       AT_ADDRESS = 0x258,
       AT_MEMORY_SIZE = 0x260,
       AT_END = 0x264, /* of what we look at */
};

enum {
    BOOT_FLAG = 0xaa55,
    SECTOR = 512,
    SETUP_SECTORS_DEFAULT = 4,
    VERSION_LEAST = 0x020c, /* the first that says whether there is a 64-bit entry: Linux 3.8 */
    LOAD_FLAG_HIGH = 1 << 0,
    XLOAD_64 = 1 << 0,
    XLOAD_INITRD_ANYWHERE = 1 << 1,
    COMMAND_LINE_MAX = 2047, /* of x86 kernels, as long as there have been 64-bit ones */
};

static const char magic[4] = "HdrS";

static uint64_t get(const uint8_t *data, unsigned offset, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, data + offset, size); /* little-endian, as hosts are */
    return value;
}

static void put(uint8_t *data, unsigned offset, unsigned size, uint64_t value)
{
    memcpy(data + offset, &value, size);
}

bool bzimage_is(const uint8_t *data, size_t size)
{
    return size >= AT_END && get(data, AT_BOOT_FLAG, 2) == BOOT_FLAG &&
           memcmp(data + AT_MAGIC, magic, sizeof(magic)) == 0;
}

static bool check_protocol(const uint8_t *data, GError **error)
{
    const unsigned version = (unsigned)get(data, AT_VERSION, 2);

    if (version < VERSION_LEAST)
        return loader_fail(error, "its boot protocol is %u.%u, older than %u.%u (Linux 3.8)",
                           version >> 8, version & 0xff, VERSION_LEAST >> 8, VERSION_LEAST & 0xff);
    if (!(get(data, AT_LOAD_FLAGS, 1) & LOAD_FLAG_HIGH))
        return loader_fail(error, "it is a zImage, no bzImage");
    if (!(get(data, AT_XLOAD_FLAGS, 2) & XLOAD_64))
        return loader_fail(error, "it is no 64-bit kernel");
    return true;
}

/* Where its parts are, which must be in the file. */
static bool find_parts(const uint8_t *data, size_t size, struct bzimage *image, GError **error)
{
    const uint64_t payload = get(data, AT_PAYLOAD, 4);
    uint64_t sectors = get(data, AT_SETUP_SECTORS, 1);

    if (sectors == 0)
        sectors = SETUP_SECTORS_DEFAULT;
    image->code = (sectors + 1) * SECTOR;
    image->code_size = get(data, AT_CODE_UNITS, 4) * 16;
    if (size < image->code || size - image->code < image->code_size)
        return loader_fail(error, "cut off: it has %zu bytes, and should have %" G_GUINT64_FORMAT,
                           size, image->code + image->code_size);
    image->payload_size = get(data, AT_PAYLOAD_SIZE, 4);
    if (payload > image->code_size || image->code_size - payload < image->payload_size)
        return loader_fail(error, "what is packed in it is not inside");
    image->payload = image->code + payload;
    return true;
}

static bool find_memory(const uint8_t *data, struct bzimage *image, GError **error)
{
    image->address = get(data, AT_ADDRESS, 8);
    image->memory_size = get(data, AT_MEMORY_SIZE, 4);
    if (image->memory_size < image->code_size)
        return loader_fail(error, "it takes less memory than it has bytes");
    if (image->address < LAYOUT_KERNEL || image->address > LAYOUT_RAM_LOW_END ||
        LAYOUT_RAM_LOW_END - image->address < image->memory_size)
        return loader_fail(error, "it wants to be at 0x%" G_GINT64_MODIFIER "x", image->address);
    return true;
}

bool bzimage_parse(const uint8_t *data, size_t size, struct bzimage *ret_image, GError **error)
{
    *ret_image = (struct bzimage){ 0 };
    if (!bzimage_is(data, size))
        return loader_fail(error, "no bzImage");
    if (!check_protocol(data, error) || !find_parts(data, size, ret_image, error) ||
        !find_memory(data, ret_image, error))
        return false;
    ret_image->initrd_end = get(data, AT_INITRD_LAST, 4) + 1;
    if (get(data, AT_XLOAD_FLAGS, 2) & XLOAD_INITRD_ANYWHERE)
        ret_image->initrd_end = UINT64_MAX;
    ret_image->command_line_max = (uint32_t)get(data, AT_COMMAND_LINE_MAX, 4);
    ret_image->header_size = AT_MAGIC + data[AT_JUMP_OFFSET] - SETUP_HEADER;
    ret_image->header_size = MIN(ret_image->header_size, (unsigned)SETUP_HEADER_MAX);
    if (ret_image->header_size > size - SETUP_HEADER ||
        ret_image->header_size < AT_END - SETUP_HEADER)
        return loader_fail(error, "its setup header ends at the wrong place");
    memcpy(ret_image->header, data + SETUP_HEADER, ret_image->header_size);
    return true;
}

void bzimage_invent(struct bzimage *ret_image)
{
    uint8_t page[SETUP_HEADER + SETUP_HEADER_MAX] = { 0 };

    *ret_image = (struct bzimage){
        .initrd_end = UINT64_MAX,
        .command_line_max = COMMAND_LINE_MAX,
        .header_size = AT_END - SETUP_HEADER,
    };
    put(page, AT_BOOT_FLAG, 2, BOOT_FLAG);
    put(page, AT_JUMP_OFFSET, 1, AT_END - AT_MAGIC);
    memcpy(page + AT_MAGIC, magic, sizeof(magic));
    put(page, AT_VERSION, 2, VERSION_LEAST);
    put(page, AT_LOAD_FLAGS, 1, LOAD_FLAG_HIGH);
    put(page, AT_INITRD_LAST, 4, 0x7fffffff);
    put(page, AT_XLOAD_FLAGS, 2, XLOAD_64 | XLOAD_INITRD_ANYWHERE);
    put(page, AT_COMMAND_LINE_MAX, 4, COMMAND_LINE_MAX);
    memcpy(ret_image->header, page + SETUP_HEADER, ret_image->header_size);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bzImages: the setup header, and what is packed inside.
 */
#include <stdlib.h>

#include "hw/machine/layout.h"
#include "hw/machine/loader_parts.h"
#include "tests/fuzz/target.h"

enum { UNPACKED_MAX = 1 << 24 }; /* for speed: a few bytes of input can become gigabytes */

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* How much has come out. */
struct counter {
    uint64_t nr_bytes;
    unsigned sum;
};

static bool count(void *opaque, const uint8_t *data, size_t size, GError **error)
{
    struct counter *counter = opaque;

    for (size_t i = 0; i < size; i += 64) /* all of it must be there to read */
        counter->sum += data[i];
    counter->nr_bytes += size;
    return counter->nr_bytes <= UNPACKED_MAX || loader_fail(error, "enough");
}

static void check(const struct bzimage *image, size_t size)
{
    require(image->code <= size && image->code_size <= size - image->code);
    require(image->payload >= image->code && image->payload - image->code <= image->code_size &&
            image->payload_size <= image->code_size - (image->payload - image->code));
    require(image->address >= LAYOUT_KERNEL &&
            image->address + image->memory_size <= LAYOUT_RAM_LOW_END &&
            image->memory_size >= image->code_size);
    require(image->header_size <= SETUP_HEADER_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct counter counter = { 0 };
    struct bzimage image;
    GError *error = NULL;

    if (bzimage_parse(data, size, &image, &error)) {
        check(&image, size);
        data += image.payload;
        size = image.payload_size;
    }
    g_clear_error(&error);
    /* Without a header all of it is what is packed: mutations reach the decoders more often. */
    if (unpack_method(data, size) && !unpack(data, size, count, &counter, &error))
        require(error != NULL);
    g_clear_error(&error);
    return 0;
}

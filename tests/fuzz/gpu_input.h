/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Bytes of a fuzzer as commands of virtio-gpu: most fields have values of small sets, in which they
 * fit together often enough to get somewhere; any of them, and any byte, can be anything.
 */
#ifndef TESTS_FUZZ_GPU_INPUT_H
#define TESTS_FUZZ_GPU_INPUT_H

#include "tests/fuzz/input.h"
#include "tests/gpu/message.h"

enum {
    INPUT_ENTRIES = 8,
    INPUT_WORDS = 32, /* of a SUBMIT_3D that is made here */
    INPUT_PAGES = 32, /* of guest memory that entries are about, from SCENE_DATA on */
};

/* What a message of take_message() points to. */
union input_payload {
    struct virtio_gpu_mem_entry entries[INPUT_ENTRIES];
    uint32_t words[INPUT_WORDS];
};

/* One of @values, or rarely any number of @nr_bytes. */
uint64_t take_value(struct input *input, const uint64_t *values, unsigned nr_values,
                    unsigned nr_bytes);

/* An address in the pages, in the window, about the end of RAM, or anywhere. */
uint64_t take_address(struct input *input);

struct message take_message(struct input *input, union input_payload *ret_payload);

/** One as a driver would send it, about one of a few resources and contexts. */
struct message take_good_message(struct input *input, union input_payload *ret_payload);

#endif

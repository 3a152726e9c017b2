/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernels.h"

uint64_t kernel_run(unsigned id, uint32_t rounds)
{
    static uint64_t (*const kernels[NR_KERNELS])(uint32_t rounds) = {
        [KERNEL_COLLATZ] = kernel_collatz,   [KERNEL_COPY] = kernel_copy,
        [KERNEL_SHA256] = kernel_sha256,     [KERNEL_QUICKSORT] = kernel_quicksort,
        [KERNEL_BYTECODE] = kernel_bytecode, [KERNEL_NBODY] = kernel_nbody,
        [KERNEL_SAXPY] = kernel_saxpy,
    };

    return kernels[id](rounds);
}

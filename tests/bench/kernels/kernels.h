/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What processors are compared by: small programs that need nothing but memory.
 *
 * Each is compiled once, and the same object code runs in this process (native), in
 * our processor, and in QEMU's. Each does the same work @rounds times over and
 * returns a checksum of all it did, which must not depend on where it ran.
 */
#ifndef TESTS_BENCH_KERNELS_KERNELS_H
#define TESTS_BENCH_KERNELS_KERNELS_H

#include <stdint.h>

enum kernel_id {
    KERNEL_COLLATZ,   /* a chain of dependent arithmetic, branches that nothing predicts */
    KERNEL_COPY,      /* a loop of one load and one store */
    KERNEL_SHA256,    /* straight-line arithmetic, long blocks */
    KERNEL_QUICKSORT, /* compares, swaps, recursion */
    KERNEL_BYTECODE,  /* calls and returns, indirect jumps: fib, and an interpreter */
    KERNEL_NBODY,     /* SSE2, scalar doubles */
    KERNEL_SAXPY,     /* SSE, packed singles */
    NR_KERNELS,
};

uint64_t kernel_collatz(uint32_t rounds);
uint64_t kernel_copy(uint32_t rounds);
uint64_t kernel_sha256(uint32_t rounds);
uint64_t kernel_quicksort(uint32_t rounds);
uint64_t kernel_bytecode(uint32_t rounds);
uint64_t kernel_nbody(uint32_t rounds);
uint64_t kernel_saxpy(uint32_t rounds);

/** By number, less than NR_KERNELS. */
uint64_t kernel_run(unsigned id, uint32_t rounds);

/*
 * How the payload is spoken to, over a serial port: it is sent a kernel's number in one byte and
 * the rounds in four, and answers with the checksum in eight (low byte first). Number
 * NR_KERNELS ends it: it halts for good.
 */
enum { KERNEL_REQUEST_BYTES = 5, KERNEL_REPLY_BYTES = 8 };

#endif

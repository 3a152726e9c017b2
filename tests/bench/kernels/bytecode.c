/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls, returns and indirect jumps: Fibonacci numbers, and an interpreter of a stack machine. */
#include "kernels.h"

enum { FIB = 15, SIEVE = 512 };

enum code {
    CODE_PUSH,  /* the operand */
    CODE_LOAD,  /* the variable with the operand's number */
    CODE_STORE, /* likewise */
    CODE_ADD,
    CODE_LESS,
    CODE_GET,    /* pops an index, pushes that cell */
    CODE_MARK,   /* pops an index: that cell becomes 1 */
    CODE_JUMP,   /* to the operand */
    CODE_UNLESS, /* pops a number: jumps if it is 0 */
    CODE_END,
};

enum variable { COUNT, CANDIDATE, MULTIPLE, NR_VARIABLES };

struct step {
    uint16_t code;
    int16_t operand;
};

/* Eratosthenes' sieve: how many primes there are below SIEVE. */
static const struct step program[] = {
    /* clang-format off */
    [0] = { CODE_PUSH, 0 }, { CODE_STORE, COUNT }, { CODE_PUSH, 2 }, { CODE_STORE, CANDIDATE },
    [4] = { CODE_LOAD, CANDIDATE }, { CODE_PUSH, SIEVE }, { CODE_LESS, 0 }, { CODE_UNLESS, 34 },
    [8] = { CODE_LOAD, CANDIDATE }, { CODE_GET, 0 }, { CODE_UNLESS, 12 }, { CODE_JUMP, 29 },
    [12] = { CODE_LOAD, COUNT }, { CODE_PUSH, 1 }, { CODE_ADD, 0 }, { CODE_STORE, COUNT },
    [16] = { CODE_LOAD, CANDIDATE }, { CODE_STORE, MULTIPLE },
    [18] = { CODE_LOAD, MULTIPLE }, { CODE_PUSH, SIEVE }, { CODE_LESS, 0 }, { CODE_UNLESS, 29 },
    [22] = { CODE_LOAD, MULTIPLE }, { CODE_MARK, 0 },
    [24] = { CODE_LOAD, MULTIPLE }, { CODE_LOAD, CANDIDATE }, { CODE_ADD, 0 },
    [27] = { CODE_STORE, MULTIPLE }, { CODE_JUMP, 18 },
    [29] = { CODE_LOAD, CANDIDATE }, { CODE_PUSH, 1 }, { CODE_ADD, 0 }, { CODE_STORE, CANDIDATE },
    [33] = { CODE_JUMP, 4 },
    [34] = { CODE_END, 0 },
    /* clang-format on */
};

static int32_t cells[SIEVE];

static int32_t interpret(const struct step *from)
{
    int32_t variables[NR_VARIABLES], stack[8], *top = stack;

    for (const struct step *at = from;;) {
        const struct step *step = at++;

        switch ((enum code)step->code) {
        case CODE_PUSH:
            *top++ = step->operand;
            break;
        case CODE_LOAD:
            *top++ = variables[step->operand];
            break;
        case CODE_STORE:
            variables[step->operand] = *--top;
            break;
        case CODE_ADD:
            top--;
            top[-1] += top[0];
            break;
        case CODE_LESS:
            top--;
            top[-1] = top[-1] < top[0];
            break;
        case CODE_GET:
            top[-1] = cells[top[-1]];
            break;
        case CODE_MARK:
            cells[*--top] = 1;
            break;
        case CODE_JUMP:
            at = from + step->operand;
            break;
        case CODE_UNLESS:
            if (*--top == 0)
                at = from + step->operand;
            break;
        case CODE_END:
            return variables[COUNT];
        }
    }
}

__attribute__((noinline)) static uint64_t fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint64_t kernel_bytecode(uint32_t rounds)
{
    uint64_t sum = 0;

    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < SIEVE; i++)
            cells[i] = 0;
        sum = sum * 3 + (uint64_t)interpret(program) + fib(FIB);
    }
    return sum;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Five bodies and their gravity, in scalar doubles. */
#include "kernels.h"

enum { BODIES = 5, STEPS = 100 };

struct body {
    double x, y, z, vx, vy, vz, mass;
};

/* A sun and four planets, in no particular units. */
static const struct body beginning[BODIES] = {
    { 0, 0, 0, 0, 0, 0, 39.5 },
    { 4.84, -1.16, -0.10, 0.606, 2.81, -0.02, 0.0377 },
    { 8.34, 4.12, -0.40, -1.01, 1.82, 0.008, 0.0113 },
    { 12.9, -15.1, -0.22, 1.08, 0.868, -0.011, 0.0017 },
    { 15.4, -25.9, 0.18, 0.979, 0.594, -0.035, 0.0020 },
};

static struct body bodies[BODIES];

static double square_root(double value)
{
    double root;

    __asm__("sqrtsd %1, %0" : "=x"(root) : "xm"(value));
    return root;
}

static void attract(struct body *a, struct body *b, double time)
{
    double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
    double square = dx * dx + dy * dy + dz * dz;
    double force = time / (square * square_root(square));

    a->vx -= dx * b->mass * force;
    a->vy -= dy * b->mass * force;
    a->vz -= dz * b->mass * force;
    b->vx += dx * a->mass * force;
    b->vy += dy * a->mass * force;
    b->vz += dz * a->mass * force;
}

__attribute__((noinline)) static void advance(struct body *all, double time)
{
    for (unsigned i = 0; i < BODIES; i++)
        for (unsigned j = i + 1; j < BODIES; j++)
            attract(&all[i], &all[j], time);
    for (unsigned i = 0; i < BODIES; i++) {
        all[i].x += time * all[i].vx;
        all[i].y += time * all[i].vy;
        all[i].z += time * all[i].vz;
    }
}

uint64_t kernel_nbody(uint32_t rounds)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BODIES; i++)
        bodies[i] = beginning[i];
    for (uint32_t round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < STEPS; i++)
            advance(bodies, 0.001);
        for (unsigned i = 0; i < BODIES; i++) {
            uint64_t bits;

            __builtin_memcpy(&bits, &bodies[i].x, sizeof(bits));
            sum = sum * 3 + bits;
        }
    }
    return sum;
}

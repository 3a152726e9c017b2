/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A space of I/O ports for tests of devices, and a line that counts its edges.
 */
#ifndef TESTS_UNIT_PORT_SCENE_H
#define TESTS_UNIT_PORT_SCENE_H

#include "hw/irq/line.h"
#include "hw/mem/access.h"
#include "tests/unit/mem_scene.h"

static inline void out8(struct scene *ports, uint64_t port, uint8_t value) REQUIRES(bql)
{
    g_assert_cmpint(mem_write_locked(ports->space, port, &value, 1), ==, MEM_OK);
}

static inline uint8_t in8(struct scene *ports, uint64_t port) REQUIRES(bql)
{
    uint8_t value;

    g_assert_cmpint(mem_read_locked(ports->space, port, &value, 1), ==, MEM_OK);
    return value;
}

struct test_line {
    bool is_high;
    unsigned edges; /* rising */
};

static inline void test_line_set(void *opaque, unsigned pin, bool is_high)
{
    struct test_line *line = opaque;

    bql_assert_held();
    g_assert_cmpuint(pin, ==, 4);
    line->edges += is_high && !line->is_high;
    line->is_high = is_high;
}

static inline struct irq_line line_to(struct test_line *line)
{
    return (struct irq_line){ .set = test_line_set, .opaque = line, .pin = 4 };
}

#endif

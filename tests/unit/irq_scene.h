/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Local APICs for tests, with processors that run nothing: what they are asked for stays in
 * their events. Their threads are started where a test wants them.
 */
#ifndef TESTS_UNIT_IRQ_SCENE_H
#define TESTS_UNIT_IRQ_SCENE_H

#include <glib.h>
#include <string.h>

#include "hw/cpu/backend.h"
#include "hw/irq/lapic.h"
#include "hw/mem/access.h"
#include "tests/unit/mem_scene.h"
#include "util/clock.h"
#include "util/guest_clock.h"

enum { SCENE_CPUS_MAX = 64 };

struct scene_cpu {
    struct cpu cpu;
    struct event kicked;
};

struct irq_scene {
    struct cpus common;
    struct scene_cpu cpu[SCENE_CPUS_MAX];
    struct cpus *cpus;
    struct guest_clock clock;
    struct lapics *lapics;
    struct msi_sink sink;
    GString *told; /* what the APICs said of ends and startups */
};

static struct irq_scene irq_scene;

static inline struct cpus *scene_open(GError **error UNUSED)
{
    memset(&irq_scene.common, 0, sizeof(irq_scene.common));
    return &irq_scene.common;
}

static inline void scene_close(struct cpus *cpus UNUSED)
{
}

static inline struct cpu *scene_create(struct cpus *cpus UNUSED, unsigned index,
                                       GError **error UNUSED)
{
    memset(&irq_scene.cpu[index], 0, sizeof(irq_scene.cpu[index]));
    return &irq_scene.cpu[index].cpu;
}

static inline void scene_destroy(struct cpu *cpu UNUSED)
{
}

static inline enum cpu_exit scene_run(struct cpu *cpu)
{
    return cpu_must_leave(cpu) ? CPU_EXIT_KICKED : CPU_EXIT_HALTED;
}

static inline void scene_kick(struct cpu *cpu)
{
    event_set(&irq_scene.cpu[cpu->index].kicked);
}

static inline void scene_get_state(struct cpu *cpu UNUSED, struct cpu_state *ret_state)
{
    cpu_state_reset(ret_state);
}

static inline int scene_set_state(struct cpu *cpu UNUSED, const struct cpu_state *state UNUSED)
{
    return 0;
}

static inline void scene_note_end(void *told, unsigned vector)
{
    g_string_append_printf(told, "end %u;", vector);
}

static inline void scene_note_startup(void *told, unsigned index, unsigned vector)
{
    g_string_append_printf(told, "start %u at %u;", index, vector);
}

static inline void scene_initialised(void *opaque UNUSED, unsigned index)
{
    lapics_initialised(irq_scene.lapics, index);
}

/* The guest's clock stands at 1 s. */
static inline void irq_scene_new(unsigned nr_cpus)
{
    static const struct cpu_backend backend = {
        .name = "fake",
        .open = scene_open,
        .close = scene_close,
        .create = scene_create,
        .destroy = scene_destroy,
        .run = scene_run,
        .kick = scene_kick,
        .get_state = scene_get_state,
        .set_state = scene_set_state,
    };
    static const struct cpu_board board = { .initialised = scene_initialised };
    g_autoptr(GError) error = NULL;

    irq_scene.told = g_string_new(NULL);
    irq_scene.clock = (struct guest_clock){ 0 };
    bql_lock();
    guest_clock_set(&irq_scene.clock, NS_PER_S);
    bql_unlock();
    irq_scene.lapics = lapics_new(nr_cpus, &irq_scene.clock,
                                  &(struct lapic_ops){ .end_of_interrupt = scene_note_end,
                                                       .startup = scene_note_startup,
                                                       .opaque = irq_scene.told },
                                  &error);
    g_assert_no_error(error);
    irq_scene.cpus = cpus_new(&backend, nr_cpus, NULL, NULL, &board, &error);
    g_assert_no_error(error);
    g_assert_true(lapics_attach(irq_scene.lapics, irq_scene.cpus, &error));
    lapics_sink(irq_scene.lapics, &irq_scene.sink);
}

static inline void irq_scene_free(void)
{
    lapics_free(irq_scene.lapics);
    cpus_free(irq_scene.cpus);
    g_string_free(irq_scene.told, TRUE);
}

/* What was told since the last call. */
static inline void check_told(const char *expected)
{
    g_assert_cmpstr(irq_scene.told->str, ==, expected);
    g_string_truncate(irq_scene.told, 0);
}

/* The events of processor @index, which are gone then. */
static inline uint32_t take_events(unsigned index)
{
    event_reset(&irq_scene.cpu[index].kicked);
    return atomic_xchg(&irq_scene.cpus->cpu[index]->events, 0);
}

static inline void send_msi(uint64_t address, uint32_t data)
{
    irq_scene.sink.send(irq_scene.sink.opaque, &(struct msi_message){ address, data });
}

static inline void clock_to(int64_t guest_ns)
{
    bql_lock();
    guest_clock_set(&irq_scene.clock, guest_ns);
    lapics_clock_changed(irq_scene.lapics);
    bql_unlock();
}

#endif

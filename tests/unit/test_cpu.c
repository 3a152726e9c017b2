/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The common part of the processors, with a back end whose guest only spins, halts and counts. */
#include <glib.h>
#include <sched.h>
#include <string.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/cpu.h"
#include "util/metric.h"
#include "util/start.h"
#include "util/thread.h"

enum behaviour { SPINS, HALTS, TURNS, DIES, ALONE };

struct fake {
    struct cpu cpu;
    uint32_t kick;      /* atomic */
    uint32_t line;      /* interrupts that wait; atomic */
    uint32_t behaviour; /* atomic */
    uint64_t taken;     /* interrupts; atomic */
    uint64_t runs;      /* plain: whoever has paused the processor may use it */
    struct cpu_state state;
};

static struct fake fakes[4];
static struct {
    struct cpus cpus;
    uint64_t alone; /* plain: changed by the processor that has stopped the others */
    uint64_t turns; /* the same number; atomic */
    int stopped;    /* enum cpu_exit, or -1; atomic */
    bool refuses;
} machine;

static struct fake *fake(unsigned i)
{
    return container_of(machine.cpus.cpu[i], struct fake, cpu);
}

static struct cpus *fake_open(GError **error UNUSED)
{
    memset(&machine.cpus, 0, sizeof(machine.cpus));
    machine.stopped = -1;
    return &machine.cpus;
}

static void fake_close(struct cpus *cpus)
{
    g_assert_true(cpus == &machine.cpus);
}

static struct cpu *fake_create(struct cpus *cpus UNUSED, unsigned index, GError **error)
{
    if (machine.refuses && index == 2) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "only two");
        return NULL;
    }
    memset(&fakes[index], 0, sizeof(fakes[index]));
    return &fakes[index].cpu;
}

static void fake_destroy(struct cpu *cpu UNUSED)
{
}

static void fake_kick(struct cpu *cpu)
{
    store_release(&container_of(cpu, struct fake, cpu)->kick, 1);
}

static void spin(struct fake *self)
{
    rcu_read_lock();
    while (!load_relaxed(&self->kick))
        sched_yield(); /* the machine may have fewer processors than we */
    rcu_read_unlock();
}

static enum cpu_exit fake_run(struct cpu *cpu)
{
    struct fake *self = container_of(cpu, struct fake, cpu);

    atomic_xchg(&self->kick, 0);
    smp_mb_after_rmw();
    if (cpu_must_leave(cpu))
        return CPU_EXIT_KICKED;
    self->runs++;
    if (cpu_take(cpu, CPU_EVENT_INTERRUPT | CPU_EVENT_NMI))
        fetch_add(&self->taken, atomic_xchg(&self->line, 0));
    switch ((enum behaviour)load_relaxed(&self->behaviour)) {
    case SPINS:
        spin(self);
        return CPU_EXIT_KICKED;
    case HALTS:
        return CPU_EXIT_HALTED;
    case TURNS:
        store_relaxed(&self->behaviour, HALTS);
        return CPU_EXIT_KICKED;
    case DIES:
        return CPU_EXIT_TRIPLE_FAULT;
    case ALONE:
        if (!cpu_stop_others(cpu))
            return CPU_EXIT_KICKED;
        machine.alone++;
        fetch_add_relaxed(&machine.turns, 1);
        for (unsigned i = 0; i < cpu->cpus->nr_cpus; i++)
            fake(i)->runs++;
        cpu_release_others(cpu);
        return CPU_EXIT_KICKED;
    }
    g_assert_not_reached();
}

static void fake_get_state(struct cpu *cpu, struct cpu_state *ret_state)
{
    *ret_state = container_of(cpu, struct fake, cpu)->state;
}

static int fake_set_state(struct cpu *cpu, const struct cpu_state *state)
{
    container_of(cpu, struct fake, cpu)->state = *state;
    return 0;
}

static const struct cpu_backend fake_backend = {
    .name = "fake",
    .has_real_mode = true,
    .open = fake_open,
    .close = fake_close,
    .create = fake_create,
    .destroy = fake_destroy,
    .run = fake_run,
    .kick = fake_kick,
    .get_state = fake_get_state,
    .set_state = fake_set_state,
};

static void note_stopped(void *opaque UNUSED, unsigned index UNUSED, enum cpu_exit why)
{
    store_release(&machine.stopped, (int)why);
}

static struct cpus *start(unsigned nr_cpus, enum behaviour behaviour)
{
    static const struct cpu_board board = { .stopped = note_stopped };
    struct cpus *cpus = cpus_new(&fake_backend, nr_cpus, NULL, NULL, &board, NULL);

    for (unsigned i = 0; i < nr_cpus; i++) {
        struct cpu_state state;

        cpu_get_state(cpus->cpu[i], &state);
        state.is_waiting = false;
        g_assert_cmpint(cpu_set_state(cpus->cpu[i], &state), ==, 0);
        fake(i)->behaviour = behaviour;
    }
    g_assert_true(cpus_start(cpus, NULL));
    return cpus;
}

static void stop(struct cpus *cpus)
{
    cpus_stop(cpus);
    cpus_free(cpus);
}

static void behave(unsigned i, enum behaviour behaviour)
{
    store_relaxed(&fake(i)->behaviour, behaviour);
    cpu_post(&fake(i)->cpu, CPU_EVENT_INTERRUPT);
}

/* ---- Posts ---------------------------------------------------------------------------- */

enum { POSTS = 1000000 };

/* Posts in bursts, and then waits until all have been taken: one that is lost hangs the test. */
static void no_post_is_lost(void)
{
    struct cpus *cpus = start(1, SPINS);
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    const unsigned posts = THREAD_SANITIZER ? POSTS / 10 : POSTS;
    unsigned done = 0;

    while (done < posts) {
        unsigned burst = (unsigned)g_rand_int_range(random, 1, 200);

        if (done % 3 == 0)
            store_relaxed(&fake(0)->behaviour, done % 2 ? HALTS : SPINS);
        for (unsigned i = 0; i < burst; i++) {
            fetch_add(&fake(0)->line, 1);
            cpu_post(cpus->cpu[0], i % 5 ? CPU_EVENT_INTERRUPT : CPU_EVENT_NMI);
        }
        done += burst;
        while (load_acquire(&fake(0)->taken) != done)
            sched_yield();
    }
    stop(cpus);
}

static void many_post(void *arg)
{
    struct cpus *cpus = arg;

    for (unsigned i = 0; i < 20000; i++) {
        fetch_add(&fake(i % 4)->line, 1);
        cpu_post(cpus->cpu[i % 4], CPU_EVENT_INTERRUPT);
        if (i % 64 == 0)
            cpus_post(cpus, CPU_EVENT_MAP | CPU_EVENT_CODE, cpus->cpu[1]);
    }
}

static void posts_of_many_threads_arrive(void)
{
    struct cpus *cpus = start(4, TURNS);
    struct thread *threads[3];

    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        threads[i] = thread_start("poster", many_post, cpus);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        thread_join(threads[i]);
    for (unsigned i = 0; i < 4; i++) {
        while (load_acquire(&fake(i)->taken) != 20000 / 4 * ARRAY_SIZE(threads))
            sched_yield();
    }
    stop(cpus);
}

static void rcu_kicks_a_processor_out(void)
{
    struct cpus *cpus = start(2, SPINS);

    for (unsigned i = 0; i < 300; i++) /* each hangs if its kick is lost */
        synchronize_rcu();
    stop(cpus);
}

/* ---- Pauses --------------------------------------------------------------------------- */

static void pauser(void *arg)
{
    struct cpus *cpus = arg;

    for (unsigned i = 0; i < 300; i++) {
        cpus_pause(cpus);
        /* Others may have paused them too, and look: reads only. */
        for (unsigned j = 0; j < cpus->nr_cpus; j++) {
            const uint64_t runs = fake(j)->runs;

            sched_yield();
            g_assert_cmpuint(fake(j)->runs, ==, runs);
        }
        cpus_resume(cpus);
    }
}

static void pause_storm(enum behaviour behaviour)
{
    struct cpus *cpus = start(4, behaviour);
    struct thread *threads[3];

    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        threads[i] = thread_start("pauser", pauser, cpus);
    for (unsigned i = 0; i < 1000; i++)
        cpus_post(cpus, CPU_EVENT_INTERRUPT, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        thread_join(threads[i]);
    stop(cpus);
}

static void paused_processors_do_not_run(void)
{
    pause_storm(SPINS);
    pause_storm(HALTS);
}

static void one_stops_the_others(void)
{
    struct cpus *cpus = start(4, ALONE);
    struct thread *thread = thread_start("pauser", pauser, cpus);
    bool is_enough = false;

    thread_join(thread);
    while (!is_enough) {
        cpus_pause(cpus);
        is_enough = machine.alone >= 2000;
        cpus_resume(cpus);
    }
    stop(cpus);
}

/* ---- Work ----------------------------------------------------------------------------- */

struct item {
    struct cpu_work work;
    unsigned number;
};

static unsigned next_number; /* the processor's thread's */

static void check_number(struct cpu *cpu UNUSED, struct cpu_work *work)
{
    struct item *item = container_of(work, struct item, work);

    g_assert_cmpuint(item->number, ==, next_number);
    next_number++;
    g_free(item);
}

static void count(struct cpu *cpu, void *arg)
{
    g_assert_cmpstr(thread_name(), ==, "CPU 0/fake");
    g_assert_false(rcu_is_reading());
    *(unsigned *)arg += 1;
    if (*(unsigned *)arg == 1)
        cpu_run_on(cpu, count, arg); /* on its own thread: at once */
}

static void work_is_done_in_order(void)
{
    static const enum behaviour behaviours[] = { SPINS, HALTS, DIES };
    struct cpus *cpus = start(1, HALTS);
    unsigned counted = 0;

    next_number = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct item *item = g_new0(struct item, 1);

        item->number = i;
        item->work.fn = check_number;
        if (i % 1000 == 0)
            behave(0, behaviours[i / 1000]);
        cpu_post_work(cpus->cpu[0], &item->work);
        if (i % 10 == 0)
            cpu_run_on(cpus->cpu[0], count, &counted);
    }
    cpus_stop(cpus);
    g_assert_cmpuint(next_number, ==, 3000);
    g_assert_cmpuint(counted, ==, 301);
    cpus_free(cpus);
}

/* ---- States --------------------------------------------------------------------------- */

static void they_stop_whatever_they_do(void)
{
    static const enum behaviour behaviours[] = { SPINS, HALTS, DIES, ALONE };

    for (unsigned i = 0; i < 40; i++) {
        struct cpus *cpus = start(3, behaviours[i % 4]);
        const bool is_paused = i % 8 < 4;

        if (is_paused)
            cpus_pause(cpus);
        cpus_stop(cpus);
        if (is_paused)
            cpus_resume(cpus);
        if (i % 5 == 0) { /* again */
            g_assert_true(cpus_start(cpus, NULL));
            cpus_stop(cpus);
        }
        cpus_free(cpus);
    }
}

/* Most wait for the others to be out, or for their turn, when the pause and then the end comes. */
static void those_that_wait_for_their_turn_stop(void)
{
    for (unsigned i = 0; i < 60; i++) {
        struct cpus *cpus = start(3, ALONE);
        const uint64_t before = load_relaxed(&machine.turns);

        while (load_relaxed(&machine.turns) - before < 20)
            sched_yield();
        if (i % 2)
            cpus_pause(cpus);
        cpus_stop(cpus);
        if (i % 2)
            cpus_resume(cpus);
        cpus_free(cpus);
    }
}

static void revive(struct cpu *cpu, void *arg UNUSED)
{
    struct cpu_state state;

    cpu_get_state(cpu, &state);
    state.is_waiting = false;
    g_assert_cmpint(cpu_set_state(cpu, &state), ==, 0);
}

static void a_triple_fault_is_told_and_parks(void)
{
    struct cpus *cpus = start(1, DIES);

    while (load_acquire(&machine.stopped) != CPU_EXIT_TRIPLE_FAULT)
        sched_yield();
    behave(0, HALTS); /* no interrupt wakes it */
    fetch_add(&fake(0)->line, 1);
    cpus_pause(cpus);
    g_assert_cmpuint(fake(0)->runs, ==, 1);
    cpus_resume(cpus);
    cpu_run_on(cpus->cpu[0], revive, NULL);
    while (load_acquire(&fake(0)->taken) != 1)
        sched_yield();
    stop(cpus);
}

static void read_rip(struct cpu *cpu, void *arg)
{
    struct cpu_state state;

    cpu_get_state(cpu, &state);
    *(uint64_t *)arg = state.rip;
}

static void init_keeps_what_is_not_execution(void)
{
    struct cpus *cpus = start(1, SPINS);
    struct cpu_state state;
    uint64_t rip = 0;

    cpus_pause(cpus);
    cpu_get_state(cpus->cpu[0], &state);
    state.rip = 0x1234;
    state.cr0 = CR0_PE | CR0_ET;
    state.efer = EFER_LME;
    state.lstar = 42;
    state.fxsave[100] = 7;
    g_assert_cmpint(cpu_set_state(cpus->cpu[0], &state), ==, 0);
    cpu_post(cpus->cpu[0], CPU_EVENT_NMI | CPU_EVENT_INIT);
    cpus_resume(cpus);
    while (rip != 0xfff0)
        cpu_run_on(cpus->cpu[0], read_rip, &rip);
    cpus_pause(cpus);
    g_assert_cmpint(cpus->cpu[0]->rest, ==, CPU_PARKED);
    cpu_get_state(cpus->cpu[0], &state);
    g_assert_cmphex(state.cr0, ==, CR0_ET);
    g_assert_cmphex(state.efer, ==, 0);
    g_assert_cmphex(state.lstar, ==, 42);
    g_assert_cmpint(state.fxsave[100], ==, 7);
    cpus_resume(cpus);
    stop(cpus);
}

static void read_state(struct cpu *cpu, void *arg)
{
    cpu_get_state(cpu, arg);
}

static void a_startup_message_starts_who_waits(void)
{
    struct cpus *cpus = start(1, SPINS);
    struct cpu_state state = { .is_waiting = false };

    cpu_start_up(cpus->cpu[0], 0x12); /* it does not wait: ignored */
    cpu_run_on(cpus->cpu[0], read_state, &state);
    g_assert_cmphex(state.rip, ==, 0xfff0);
    cpu_post(cpus->cpu[0], CPU_EVENT_INIT);
    while (!state.is_waiting)
        cpu_run_on(cpus->cpu[0], read_state, &state);
    cpu_start_up(cpus->cpu[0], 0x9a);
    while (state.is_waiting)
        cpu_run_on(cpus->cpu[0], read_state, &state);
    g_assert_cmphex(state.rip, ==, 0);
    g_assert_cmphex(state.seg[SEG_CS].selector, ==, 0x9a00);
    g_assert_cmphex(state.seg[SEG_CS].base, ==, 0x9a000);
    g_assert_cmphex(state.cr0 & CR0_PE, ==, 0);
    stop(cpus);
}

static void reset_parks_all(void)
{
    struct cpus *cpus = start(2, SPINS);
    struct cpu_state state;
    bool has_run;

    cpus_pause(cpus);
    cpu_get_state(cpus->cpu[1], &state);
    state.rip = 7;
    g_assert_cmpint(cpu_set_state(cpus->cpu[1], &state), ==, 0);
    cpus_reset(cpus);
    for (unsigned i = 0; i < 2; i++) {
        cpu_get_state(cpus->cpu[i], &state);
        g_assert_cmphex(state.rip, ==, 0xfff0);
        g_assert_true(state.is_waiting);
        g_assert_cmpint(cpus->cpu[i]->rest, ==, CPU_PARKED);
    }
    state.is_waiting = false;
    fake(0)->runs = 0;
    g_assert_cmpint(cpu_set_state(cpus->cpu[0], &state), ==, 0);
    cpus_resume(cpus);
    do { /* it runs again */
        cpus_pause(cpus);
        has_run = fake(0)->runs > 0;
        cpus_resume(cpus);
    } while (!has_run);
    stop(cpus);
}

static bool has_no_hardware(GError **error)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV, "no hardware");
    return false;
}

static void a_back_end_says_why_it_is_not_usable(void)
{
    struct cpu_backend backend = fake_backend;
    g_autoptr(GError) error = NULL;

    g_assert_true(cpu_backend_is_usable(&backend, &error));
    backend.is_usable = has_no_hardware;
    g_assert_false(cpu_backend_is_usable(&backend, &error));
    g_assert_cmpstr(error->message, ==, "no hardware");
}

static void half_made_is_unmade(void)
{
    GError *error = NULL;

    machine.refuses = true;
    g_assert_null(cpus_new(&fake_backend, 4, NULL, NULL, &(struct cpu_board){ 0 }, &error));
    g_assert_cmpstr(error->message, ==, "only two");
    g_clear_error(&error);
    machine.refuses = false;
}

static void metrics_count_exits(void)
{
    struct cpus *cpus = start(2, TURNS);
    struct metrics *metrics = metrics_new();
    g_autofree char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    cpus_metrics_register(cpus, metrics);
    while (load_relaxed(&cpus->cpu[1]->stats.exits[CPU_EXIT_HALTED]) != 1)
        sched_yield();
    metrics_print(metrics, out);
    fclose(out);
    g_assert_nonnull(strstr(text, "gracevm_cpu_exits_total{cpu=\"1\",why=\"halted\"} 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_cpu_halted_seconds_total{cpu=\"0\"}"));
    metrics_remove(metrics, cpus);
    metrics_free(metrics);
    stop(cpus);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (util_start(NULL) != 0)
        return EXIT_FAILURE;
    bql_unlock();
#define TEST(function) g_test_add_func("/cpu/" #function, function)
    TEST(no_post_is_lost);
    TEST(posts_of_many_threads_arrive);
    TEST(rcu_kicks_a_processor_out);
    TEST(paused_processors_do_not_run);
    TEST(one_stops_the_others);
    TEST(work_is_done_in_order);
    TEST(they_stop_whatever_they_do);
    TEST(those_that_wait_for_their_turn_stop);
    TEST(a_triple_fault_is_told_and_parks);
    TEST(init_keeps_what_is_not_execution);
    TEST(a_startup_message_starts_who_waits);
    TEST(reset_parks_all);
    TEST(a_back_end_says_why_it_is_not_usable);
    TEST(half_made_is_unmade);
    TEST(metrics_count_exits);
    int result = g_test_run();

    bql_lock();
    util_stop();
    return result;
}

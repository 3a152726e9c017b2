/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The common part of the processors: their threads, and what one asks of them.
 *
 * Why no event is lost (tests/litmus/cpu_kick.pml). Whoever posts sets bits, then
 * raises the kick. The thread lowers the kick when it enters a back end's run(), and
 * looks at the bits behind that. So either it sees the bits and does not run the
 * guest, or it lowered the kick before they were set, and then the kick that follows
 * them stays raised and ends the run. A thread that rests sleeps on a sequence, which
 * is advanced after the bits were set: it takes its ticket, then looks at the bits.
 *
 * Why an interrupt is not lost: its line is raised before CPU_EVENT_INTERRUPT is posted,
 * and a back end takes that bit before it looks at the line.
 */
#include <errno.h>
#include <unistd.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/cpu.h"
#include "hw/cpu/cpu_internal.h"
#include "util/clock.h"
#include "util/mutant.h"
#include "util/thread.h"
#include "util/trace.h"

enum {
    /* What a thread has to do itself, whatever the processor does. */
    ENDS_PARKING =
        CPU_EVENT_STOP | CPU_EVENT_PAUSE | CPU_EVENT_WORK | CPU_EVENT_INIT | CPU_EVENT_STARTUP,
    ENDS_HALT = CPU_EVENT_INTERRUPT | CPU_EVENT_NMI,
};

static __thread struct cpu *current; /* of a processor's thread */

struct cpu *cpu_current(void)
{
    return current;
}

/* ---- Asking ------------------------------------------------------------------------- */

void cpu_post(struct cpu *cpu, uint32_t events)
{
    TRACE2(cpu_kick, cpu->index, events);
    fetch_or(&cpu->events, events);
    smp_mb_after_rmw(); /* bits, then kick: pairs with the barrier in run() behind its lowering */
    cpu->cpus->backend->kick(cpu);
    if (events & (ENDS_PARKING | ENDS_HALT))
        sequence_advance(&cpu->wake);
}

void cpus_post(struct cpus *cpus, uint32_t events, const struct cpu *except)
{
    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        if (cpus->cpu[i] != except)
            cpu_post(cpus->cpu[i], events);
    }
}

/* From any thread, for a section that this thread is in: it may have left it by then. */
static void kick_out_of_section(struct rcu_notifier *notifier)
{
    cpu_post(container_of(notifier, struct cpu, notifier), CPU_EVENT_RCU);
}

void cpu_post_work(struct cpu *cpu, struct cpu_work *work)
{
    work->next = load_relaxed(&cpu->work);
    /* release: pairs with the exchange in do_work(): the item comes with what it points to */
    while (!atomic_cas(&cpu->work, &work->next, work))
        ;
    cpu_post(cpu, CPU_EVENT_WORK);
}

struct call {
    struct cpu_work work;
    void (*fn)(struct cpu *cpu, void *arg);
    void *arg;
    struct event done;
};

static void do_call(struct cpu *cpu, struct cpu_work *work)
{
    struct call *call = container_of(work, struct call, work);

    call->fn(cpu, call->arg);
    event_set(&call->done); /* from here on it may be gone */
}

void cpu_run_on(struct cpu *cpu, void (*fn)(struct cpu *cpu, void *arg), void *arg)
{
    struct call call = { .work.fn = do_call, .fn = fn, .arg = arg, .done = EVENT_INIT };

    if (!cpu->thread || current == cpu) {
        fn(cpu, arg);
        return;
    }
    cpu_post_work(cpu, &call.work);
    event_wait(&call.done);
}

/* ---- Pausing ------------------------------------------------------------------------ */

static bool is_wanted_out(const struct cpu *cpu)
{
    const struct cpus *cpus = cpu->cpus;

    return cpus->nr_pauses > 0 || (cpus->alone && cpus->alone != cpu);
}

/* Count as out while somebody wants that, and the thread is not to end. */
static void stay_out_locked(struct cpus *cpus, const struct cpu *cpu) REQUIRES(cpus->lock)
{
    if (!is_wanted_out(cpu))
        return;
    cpus->nr_out++;
    condition_broadcast(&cpus->is_out);
    while (is_wanted_out(cpu) && !(load_relaxed(&cpu->events) & CPU_EVENT_STOP))
        (void)condition_wait(&cpus->may_go_on, &cpus->lock, DEADLINE_NEVER); /* no deadline */
    cpus->nr_out--;
}

static void stay_out(struct cpu *cpu)
{
    struct cpus *cpus = cpu->cpus;

    mutex_lock(&cpus->lock);
    stay_out_locked(cpus, cpu);
    mutex_unlock(&cpus->lock);
}

/*
 * The wish is written before the events are posted, both under the lock. So a
 * thread that takes the event sees the wish, or its end; and one that still stays
 * out for an earlier wish has not been counted out meanwhile, and remains.
 */
void cpus_pause(struct cpus *cpus)
{
    g_assert(!current);
    mutex_lock(&cpus->lock);
    cpus->nr_pauses++;
    cpus_post(cpus, CPU_EVENT_PAUSE, NULL);
    while (cpus->nr_out + MUTANT(cpu_pause_one_short) < cpus->nr_threads)
        (void)condition_wait(&cpus->is_out, &cpus->lock, DEADLINE_NEVER); /* no deadline */
    mutex_unlock(&cpus->lock);
}

void cpus_resume(struct cpus *cpus)
{
    mutex_lock(&cpus->lock);
    g_assert(cpus->nr_pauses > 0);
    if (--cpus->nr_pauses == 0)
        condition_broadcast(&cpus->may_go_on);
    mutex_unlock(&cpus->lock);
}

bool cpu_stop_others(struct cpu *cpu)
{
    struct cpus *cpus = cpu->cpus;
    bool is_alone;

    mutex_lock(&cpus->lock);
    do
        stay_out_locked(cpus, cpu);
    while (MUTANT(cpu_deaf_to_stop) && is_wanted_out(cpu));
    is_alone = !is_wanted_out(cpu); /* else it is to end */
    if (is_alone) {
        cpus->alone = cpu;
        cpus_post(cpus, CPU_EVENT_PAUSE, cpu);
    }
    while (is_alone && cpus->nr_out + 1 < cpus->nr_threads)
        (void)condition_wait(&cpus->is_out, &cpus->lock, DEADLINE_NEVER); /* no deadline */
    mutex_unlock(&cpus->lock);
    return is_alone;
}

void cpu_release_others(struct cpu *cpu)
{
    struct cpus *cpus = cpu->cpus;

    mutex_lock(&cpus->lock);
    g_assert(cpus->alone == cpu);
    cpus->alone = NULL;
    condition_broadcast(&cpus->may_go_on);
    mutex_unlock(&cpus->lock);
}

/* ---- The thread --------------------------------------------------------------------- */

static void do_work(struct cpu *cpu)
{
    /* acquire: pairs with the exchange in cpu_post_work() */
    struct cpu_work *newest = atomic_xchg(&cpu->work, NULL), *oldest = NULL;

    while (newest) {
        struct cpu_work *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct cpu_work *work = oldest;

        oldest = work->next; /* its function may free it */
        work->fn(cpu, work);
    }
}

static void initialise(struct cpu *cpu)
{
    const struct cpu_board *board = cpu->cpus->board;

    cpu_init(cpu);
    if (board->initialised)
        board->initialised(board->opaque, cpu->index);
}

/* What is between two runs. False: the thread is to end. */
static bool attend(struct cpu *cpu)
{
    /* pairs with the fetch_or in cpu_post() */
    const uint32_t events = cpu_take(cpu, ~(uint32_t)CPU_EVENTS_OF_BACKEND);

    if (events & CPU_EVENT_INIT)
        initialise(cpu);
    if (events & CPU_EVENT_STARTUP && cpu->rest == CPU_PARKED)
        cpu_startup(cpu);
    if (events & CPU_EVENT_STOP) {
        do_work(cpu); /* somebody may wait for it */
        return false;
    }
    if (events & CPU_EVENT_PAUSE)
        stay_out(cpu);
    if (events & CPU_EVENT_WORK)
        do_work(cpu);
    return true;
}

/* Outside any section: grace periods do not wait for a processor that rests. */
static void rest(struct cpu *cpu)
{
    const uint32_t ends = ENDS_PARKING | (cpu->rest == CPU_HALTED ? ENDS_HALT : 0);
    const int64_t start_ns = monotonic_ns();

    TRACE1_AT(cpu_halt, start_ns, cpu->index);
    for (;;) {
        const uint32_t ticket = sequence_prepare(&cpu->wake);

        if (load_relaxed(&cpu->events) & ends) {
            sequence_cancel(&cpu->wake);
            break;
        }
        (void)sequence_wait(&cpu->wake, ticket, DEADLINE_NEVER); /* no deadline */
    }
    TRACE1(cpu_wake, cpu->index);
    if (cpu->rest != CPU_HALTED)
        return;
    if (load_relaxed(&cpu->events) & ENDS_HALT)
        cpu->rest = CPU_RUNS; /* the back end knows whether it is masked */
    store_relaxed(&cpu->stats.halted_ns,
                  cpu->stats.halted_ns + (uint64_t)(monotonic_ns() - start_ns));
}

static void run(struct cpu *cpu)
{
    const struct cpu_board *board = cpu->cpus->board;
    const enum cpu_exit why = cpu->cpus->backend->run(cpu);

    store_relaxed(&cpu->stats.exits[why], cpu->stats.exits[why] + 1);
    switch (why) {
    case CPU_EXIT_KICKED:
        break;
    case CPU_EXIT_HALTED:
        cpu->rest = CPU_HALTED;
        break;
    case CPU_EXIT_TRIPLE_FAULT:
    case CPU_EXIT_FIRMWARE:
    case CPU_EXIT_FAILED:
        cpu->rest = CPU_PARKED;
        if (board->stopped)
            board->stopped(board->opaque, cpu->index, why);
        break;
    }
}

static void cpu_thread(void *opaque)
{
    struct cpu *cpu = opaque;
    struct cpus *cpus = cpu->cpus;

    current = cpu;
    store_relaxed(&cpu->thread_id, (uint32_t)gettid());
    rcu_add_force_rcu_notifier(&cpu->notifier);
    while (attend(cpu)) {
        if (cpu->rest == CPU_RUNS)
            run(cpu);
        else
            rest(cpu);
    }
    rcu_remove_force_rcu_notifier(&cpu->notifier);
    mutex_lock(&cpus->lock);
    cpus->nr_threads--;
    condition_broadcast(&cpus->is_out);
    mutex_unlock(&cpus->lock);
}

static bool start_one(struct cpu *cpu, GError **error)
{
    struct cpus *cpus = cpu->cpus;
    g_autofree char *name = g_strdup_printf("CPU %u/%s", cpu->index, cpus->backend->name);
    sigset_t unblocked;

    sigemptyset(&unblocked);
    if (cpus->backend->kick_signal)
        sigaddset(&unblocked, cpus->backend->kick_signal);
    mutex_lock(&cpus->lock);
    cpus->nr_threads++; /* who pauses waits for it from now on, and it looks at that first */
    mutex_unlock(&cpus->lock);
    fetch_or(&cpu->events, CPU_EVENT_PAUSE);
    cpu->thread = thread_start_signals(name, cpu_thread, cpu, &unblocked);
    if (cpu->thread)
        return true;
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                "cannot start thread '%s': %s", name, g_strerror(errno));
    mutex_lock(&cpus->lock);
    cpus->nr_threads--;
    condition_broadcast(&cpus->is_out);
    mutex_unlock(&cpus->lock);
    return false;
}

bool cpus_start(struct cpus *cpus, GError **error)
{
    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        if (!start_one(cpus->cpu[i], error)) {
            cpus_stop(cpus);
            return false;
        }
    }
    return true;
}

void cpus_stop(struct cpus *cpus)
{
    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        if (cpus->cpu[i]->thread)
            cpu_post(cpus->cpu[i], CPU_EVENT_STOP);
    }
    mutex_lock(&cpus->lock);
    condition_broadcast(&cpus->may_go_on); /* one that stays out ends too */
    mutex_unlock(&cpus->lock);
    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        thread_join(g_steal_pointer(&cpus->cpu[i]->thread));
    }
}

/* ---- Making ------------------------------------------------------------------------- */

void cpus_free(struct cpus *cpus)
{
    if (!cpus)
        return;
    for (unsigned i = cpus->nr_cpus; i-- > 0;) {
        g_assert(!cpus->cpu[i]->thread);
        cpus->backend->destroy(cpus->cpu[i]);
    }
    mutex_fini(&cpus->lock);
    cpus->backend->close(cpus);
}

static bool add_cpu(struct cpus *cpus, GError **error)
{
    const unsigned index = cpus->nr_cpus;
    struct cpu *cpu = cpus->backend->create(cpus, index, error);
    struct cpu_state state;

    if (!cpu)
        return false;
    cpu->cpus = cpus;
    cpu->index = index;
    cpu->notifier.kick = kick_out_of_section;
    cpu->wake = SEQUENCE_INIT;
    cpus->cpu[index] = cpu;
    cpus->nr_cpus++;
    cpu_state_reset(&state);
    if (cpu_set_state(cpu, &state) != 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s cannot take a processor's state after reset", cpus->backend->name);
        return false;
    }
    cpu->rest = CPU_PARKED;
    return true;
}

bool cpu_backend_is_usable(const struct cpu_backend *backend, GError **error)
{
    return !backend->is_usable || backend->is_usable(error);
}

struct cpus *cpus_new(const struct cpu_backend *backend, unsigned nr_cpus, struct space *memory,
                      struct space *ports, const struct cpu_board *board, GError **error)
{
    struct cpus *cpus;

    g_assert(nr_cpus > 0 && nr_cpus <= CPUS_MAX);
    g_assert(!board->has_kernel_chips || backend == &cpu_kvm);
    cpus = backend->open(error);
    if (!cpus)
        return NULL;
    cpus->backend = backend;
    cpus->memory = memory;
    cpus->ports = ports;
    cpus->board = board;
    cpus->nr_wanted = nr_cpus;
    mutex_init(&cpus->lock, "processors", RANK_LEAF);
    if (backend->attach && !backend->attach(cpus, error))
        goto fail;
    while (cpus->nr_cpus < nr_cpus) {
        if (!add_cpu(cpus, error))
            goto fail;
    }
    return cpus;
fail:
    cpus_free(cpus);
    return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Deliberate faults. A build with -Dmutants=true holds all of them, chosen by
 * name at run time, and the torture tests must catch each one: a test that no
 * fault can fail tests nothing. In every other build MUTANT() is a constant 0.
 */
#ifndef UTIL_MUTANT_H
#define UTIL_MUTANT_H

#include "util/annotate.h"

/* name, what is wrong */
#define MUTANT_LIST(X)                                                                             \
    X(no_barrier, "a driver skips the membarrier before its first scan")                           \
    X(no_reader_fence, "a fence reader enters without its barrier")                                \
    X(no_exit_fence, "a fence reader leaves without its barrier")                                  \
    X(mark_no_barrier, "a driver skips the membarrier before it sleeps")                           \
    X(no_wait, "a grace period does not wait for readers")                                         \
    X(first_reader_only, "a scan stops at the first registered reader")                            \
    X(relaxed_unlock, "rcu_read_unlock() stores without release")                                  \
    X(nesting_ignored, "the innermost unlock ends the whole section")                              \
    X(truncated_number, "numbers are compared by their low 32 bits")                               \
    X(cookie_too_old, "a cookie names the grace period already running")                           \
    X(force_sleeps_on, "a force does not wake a driver asleep in the normal state")                \
    X(force_is_a_mode, "the end of any grace period ends the forced state")                        \
    X(complete_too_far, "a look ends more than it has shown to be over")                           \
    X(promise_forgotten, "driving does not do the wakes that the promise put off")                 \
    X(put_off_unseen, "a put-off wake keeps others from waking the rcu thread")                    \
    X(no_report, "a reader that is waited for leaves without a report")                            \
    X(completion_silent, "the end of a grace period wakes nobody")                                 \
    X(late_not_kicked, "a reader that shows up after the kicks is not kicked")                     \
    X(no_rekick, "a kick that was lost is not repeated")                                           \
    X(unregister_early, "unregistering does not wait for a kick under way")                        \
    X(notifier_early, "removing a notifier does not wait for a kick under way")                    \
    X(first_notifier_only, "a kick calls the first notifier only")                                 \
    X(callbacks_reversed, "callbacks run in reverse order")                                        \
    X(callback_early, "callbacks run one grace period early")                                      \
    X(work_not_signalled, "queueing a callback does not wake the rcu thread")                      \
    X(drain_early, "drain waits for the grace period, not for the callbacks")                      \
    X(drain_skips_bql, "drain does not wait for the callbacks of the main loop")                   \
    X(no_threshold, "pending callbacks have no limit")                                             \
    X(throttle_sleeps_on, "a throttled producer is not woken")                                     \
    X(flood_forces_each, "each callback of a flood starts a grace period of its own")              \
    X(fork_keeps_readers, "the child of a fork waits for the parent's readers")                    \
    X(fork_keeps_thread, "the child of a fork believes that its rcu thread runs")                  \
    X(fork_keeps_pushed, "inherited callbacks keep later ones from waking the rcu thread")         \
    X(fork_keeps_sentinels, "the child of a fork keeps the drains of the parent's threads")        \
    X(stall_silent, "a stall is not reported")                                                     \
    X(no_age, "a normal grace period never turns forced by age")                                   \
    X(srcu_load_add_store, "SRCU counts move by load, add, store")                                 \
    X(srcu_one_scan, "an SRCU grace period scans the old index only")                              \
    X(srcu_locks_first, "an SRCU driver sums locks before unlocks")                                \
    X(srcu_no_barrier, "an SRCU driver skips its membarriers")                                     \
    X(srcu_no_wake, "an SRCU reader that leaves does not wake the driver")                         \
    X(view_without_grace, "an old view is freed without a grace period")                           \
    X(generation_stays, "a new view has the generation of the old one")                            \
    X(dma_without_reference, "a DMA mapping does not keep its region")                             \
    X(changes_one_short, "a view does not list the oldest change since a generation")              \
    X(code_gate_no_barrier, "a store looks for cached code before it is seen")                     \
    X(code_gate_logs_late, "marks of cached code go before the page is logged")                    \
    X(code_gate_forgets_fast, "a marker forgets the fast mappings that others wait for")           \
    X(cpu_no_generation_check, "a TLB keeps what lies in memory that has gone")                    \
    X(cpu_no_reresolve, "what is not in the pinned view is not looked for in the current one")     \
    X(cpu_remembers_holes, "a hole that code was fetched from is remembered")                      \
    X(cpu_foreign_tlb_flush, "who asks for write mappings to be dropped does it for the others")   \
    X(cpu_mark_keeps_writers, "a page becomes code while others may write it unseen")              \
    X(cpu_running_unpublished, "a processor in its section does not say that it runs")             \
    X(cpu_own_store_runs_on, "a block that has written its own code goes on")                      \
    X(cpu_unmarked_store_runs_on, "the same, if another processor has taken the marks")            \
    X(cpu_flush_keeps_jumps, "a TLB flush leaves the jump cache as it is")                         \
    X(cpu_lock_beside_others, "a locked access across pages does not stop the others")             \
    X(cpu_lossy_kick, "the processor counts its limit down, by load and store")                    \
    X(cpu_kick_lowered_late, "the kick is lowered after the events were looked at")                \
    X(cpu_pause_one_short, "a pause does not wait for the last processor")                         \
    X(cpu_deaf_to_stop, "a processor that waits for its turn to be alone does not end")            \
    X(irq_kick_first, "an interrupt is posted before its bit is in IRR")                           \
    X(irq_timer_asleep_awake, "the thread of the timers looks at them without saying so first")    \
    X(irq_message_without_grace, "a message that was replaced is freed without a grace period")    \
    X(irq_unmask_is_deaf, "an IOAPIC pin that is unmasked does not look at its level")             \
    X(gpu_answer_at_commit, "an unmap is answered before its grace period")                        \
    X(gpu_unmap_untold, "an unmap that is answered without its interrupt gets none")               \
    X(gpu_renderer_at_commit, "the renderer unmaps what processors may still use")                 \
    X(gpu_fences_overtake, "fences of a timeline are answered as they come")                       \
    X(gpu_context_goes_on, "a command does not wait for others of its context that do")            \
    X(gpu_reset_without_grace, "a reset ends before its grace period")

#ifdef MUTANTS
enum mutant {
    MUTANT_none,
#define X(name, what) MUTANT_##name,
    MUTANT_LIST(X)
#undef X
};
extern enum mutant mutant_active;

/** The mutant of that name, or exits with a list of all. */
enum mutant mutant_by_name(const char *name);

#define MUTANT(name) unlikely(mutant_active == MUTANT_##name)
#else
#define MUTANT(name) 0
#endif

#endif

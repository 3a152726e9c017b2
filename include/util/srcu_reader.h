/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The read side of SRCU: what srcu_read_lock() and srcu_read_unlock() compile to.
 * Include "util/srcu.h"; this file is the part of it that is inlined everywhere.
 *
 * Each thread has, for each domain, two counts of sections entered and two of
 * sections left; the domain says which of the two a new section takes. A count
 * is moved by one instruction, so a signal handler that reads the same domain
 * comes before it or after it and never in between. No instruction is locked
 * and none is a fence: a grace period makes that order with one membarrier.
 *
 * Who has no counts of its own (a thread that has not registered, or any thread
 * in a domain beyond the first SRCU_SLOTS - 1) takes the domain's shared ones,
 * with atomic operations: right everywhere, in signal handlers too, but dearer.
 */
#ifndef UTIL_SRCU_READER_H
#define UTIL_SRCU_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "util/annotate.h"
#include "util/atomic.h"
#include "util/mutant.h"
#include "util/srcu_domain.h"

/*
 * Compilers spend 20 instructions on what x86-64 does in 14: they compute the
 * address of a thread's slot first, and do not fold an atomic load into a
 * comparison. So three steps are asm; not for the thread sanitizer, to which an
 * asm is nothing.
 */
#if defined(__x86_64__) && !THREAD_SANITIZER
#define SRCU_X86_64 1
_Static_assert(offsetof(struct srcu_slot, counts.unlock) == 16, "srcu_bump() has it too");
_Static_assert(offsetof(struct srcu_slot, how) == 32, "srcu_is_slow() has it too");
#endif

int srcu_enter_slow(struct srcu_struct *srcu);
void srcu_exit_slow(struct srcu_struct *srcu, int index);
void srcu_wake(unsigned offset, int index); /* somebody sleeps until readers leave */
void srcu_check_unlock(const struct srcu_struct *srcu, int index);

#ifdef MUTANTS
/* Called where an interruption would hurt most; set by the torture test, before threads start. */
extern void (*srcu_window)(void);
#define SRCU_WINDOW() (srcu_window ? srcu_window() : (void)0)
#else
#define SRCU_WINDOW() ((void)0)
#endif

static ALWAYS_INLINE struct srcu_slot *srcu_own_slot(unsigned offset)
{
    return (struct srcu_slot *)(void *)((char *)srcu_slots + offset);
}

static ALWAYS_INLINE struct srcu_hub *srcu_hub_at(unsigned offset)
{
    return (struct srcu_hub *)(void *)((char *)srcu_hubs + offset);
}

#ifdef MUTANTS
static ALWAYS_INLINE void srcu_bump_in_steps(unsigned long *count)
{
    unsigned long value = load_relaxed(count);

    SRCU_WINDOW();
    store_release(count, value + 1);
}
#endif

/*
 * Add one to a count of the calling thread's own, lock[@index] or unlock[@index]
 * at @offset in its slots: whole even for its signal handlers.
 *
 * release: a driver that sees an unlock, with acquire, sees the lock before it
 * and has the section's accesses behind it: pairs with count_of(). On x86 every
 * store is one.
 */
static ALWAYS_INLINE void srcu_bump(unsigned offset, unsigned index, bool unlock)
{
#ifdef MUTANTS
    if (MUTANT(srcu_load_add_store)) {
        struct srcu_counts *counts = &srcu_own_slot(offset)->counts;

        srcu_bump_in_steps(unlock ? &counts->unlock[index] : &counts->lock[index]);
        return;
    }
#endif
#if defined(SRCU_X86_64)
    if (unlock)
        __asm__ volatile("incq %%fs:srcu_slots@tpoff+16(%0,%1,8)"
                         :
                         : "r"((unsigned long)offset), "r"((unsigned long)index)
                         : "memory", "cc");
    else
        __asm__ volatile("incq %%fs:srcu_slots@tpoff(%0,%1,8)"
                         :
                         : "r"((unsigned long)offset), "r"((unsigned long)index)
                         : "memory", "cc");
#else
    struct srcu_counts *counts = &srcu_own_slot(offset)->counts;
    unsigned long *count = unlock ? &counts->unlock[index] : &counts->lock[index];

#if defined(__i386__) && !THREAD_SANITIZER
    __asm__ volatile("incl %0" : "+m"(*count) : : "memory", "cc");
#else
    __atomic_fetch_add(count, 1, __ATOMIC_RELEASE);
#endif
#endif
}

/* Whether the calling thread must leave the fast path in the domain with this @offset. */
static ALWAYS_INLINE bool srcu_is_slow(unsigned offset)
{
#ifdef SRCU_X86_64
    bool is_slow;

    __asm__ volatile("cmpl %2, %%fs:srcu_slots@tpoff+32(%1)"
                     : "=@ccne"(is_slow)
                     : "r"((unsigned long)offset), "i"(SRCU_FREE));
    return is_slow;
#else
    return srcu_own_slot(offset)->how != SRCU_FREE;
#endif
}

/* Whether a driver sleeps until readers leave. */
static ALWAYS_INLINE bool srcu_is_awaited(unsigned offset)
{
#ifdef SRCU_X86_64
    bool is_awaited;

    __asm__ volatile("cmpl $0, %1" : "=@ccne"(is_awaited) : "m"(srcu_hub_at(offset)->waiting));
    return is_awaited;
#else
    return load_relaxed(&srcu_hub_at(offset)->waiting) != 0;
#endif
}

/**
 * Enter a section of @srcu: what it protects stays until the matching unlock,
 * which gets the result. The section may sleep, and may nest.
 */
static ALWAYS_INLINE int srcu_read_lock(struct srcu_struct *srcu) ACQUIRE_SHARED(srcu)
    NO_THREAD_SAFETY
{
    unsigned offset = srcu->offset;
    unsigned index;

    if (unlikely(srcu_is_slow(offset)))
        return srcu_enter_slow(srcu);
    /* acquire: pairs with the release of the flip in drive(). */
    index = load_acquire(&srcu->index);
    SRCU_WINDOW();
    srcu_bump(offset, index, false);
    compiler_barrier(); /* pairs with the membarrier in drive() */
    return (int)index;
}

/** Leave a section of the calling thread (or signal handler), in any order among several. */
static ALWAYS_INLINE void srcu_read_unlock(struct srcu_struct *srcu, int index) RELEASE_SHARED(srcu)
    NO_THREAD_SAFETY
{
    unsigned offset = srcu->offset; /* before the count: the domain may be gone after it */

#ifdef DEBUG_CHECKS
    srcu_check_unlock(srcu, index);
#endif
    if (unlikely(srcu_is_slow(offset))) {
        srcu_exit_slow(srcu, index);
        return;
    }
    srcu_bump(offset, (unsigned)index, true);
    compiler_barrier(); /* pairs with the membarrier in sleep_until_left() */
    if (unlikely(srcu_is_awaited(offset)))
        srcu_wake(offset, index);
}

/* A section until the end of the enclosing block. */
struct srcu_guard {
    struct srcu_struct *srcu;
    int index;
};

static ALWAYS_INLINE struct srcu_guard srcu_guard_begin(struct srcu_struct *srcu)
    GUARD_ACQUIRE_SHARED(srcu) NO_THREAD_SAFETY
{
    return (struct srcu_guard){ srcu, srcu_read_lock(srcu) };
}

static ALWAYS_INLINE void srcu_guard_end(const struct srcu_guard *guard) NO_THREAD_SAFETY
{
    srcu_read_unlock(guard->srcu, guard->index);
}

#endif

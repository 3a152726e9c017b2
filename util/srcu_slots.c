/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Who reads: threads and their counts, and readers off the fast path.
 *
 * A domain's sum is taken over its shared and handed counts, the counts folded
 * into its hub, and one slot of each registered thread. Counts change places
 * only under the registry lock, which the sum holds too, so none is counted
 * twice or not at all.
 *
 * Slots without a domain keep the invariant that a new domain needs: over
 * folded and all threads, locks and unlocks are 0 (srcu_registry_remove()).
 */
#include <stdlib.h>

#include "util/srcu_internal.h"

__attribute__((used)) __thread struct srcu_slot srcu_slots[SRCU_SLOTS];
struct srcu_hub srcu_hubs[SRCU_SLOTS];

#ifdef MUTANTS
void (*srcu_window)(void);
#endif

/* A registered thread. */
struct srcu_thread {
    struct srcu_thread *next; /* guarded by registry_lock */
    struct srcu_slot *slots;
    unsigned registrations; /* the thread's own */
};

static __thread struct srcu_thread self;

/* A leaf: nothing else is locked, and nothing waits, while it is held. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct srcu_thread *threads;   /* guarded by registry_lock */
static struct srcu_struct *domains;   /* guarded by registry_lock */
static unsigned slots_taken = 1 << 0; /* one bit each; guarded by registry_lock */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key; /* its destructor unregisters a thread that ends */

/*
 * Sections that the calling thread entered through shared counts. Its signal
 * handlers change them too, but each leaves what it has entered: it puts back
 * every count, and frees an entry only if all counts in it are 0. So the code
 * below may be interrupted anywhere if it never leaves an entry of its own
 * claimed without a count in it: count first, then claim.
 */
enum { HELD_DOMAINS = 8 };

static __thread struct held {
    const struct srcu_struct *srcu; /* NULL: a free entry */
    unsigned sections[2];
} held[HELD_DOMAINS];
static __thread unsigned held_elsewhere; /* sections of further domains */

/* @srcu's entry, or else a free one, or else NULL. */
static struct held *find_held(const struct srcu_struct *srcu)
{
    struct held *free_entry = NULL;

    for (int i = 0; i < HELD_DOMAINS; i++) {
        const struct srcu_struct *holder = load_relaxed(&held[i].srcu);

        if (holder == srcu)
            return &held[i];
        if (!holder && !free_entry)
            free_entry = &held[i];
    }
    return free_entry;
}

static void note_entered(const struct srcu_struct *srcu, int index)
{
    struct held *entry = find_held(srcu);

    if (!entry) {
        store_relaxed(&held_elsewhere, load_relaxed(&held_elsewhere) + 1);
        return;
    }
    store_relaxed(&entry->sections[index], load_relaxed(&entry->sections[index]) + 1);
    compiler_barrier(); /* a handler finds the count before the claim */
    store_relaxed(&entry->srcu, srcu);
}

static void note_left(const struct srcu_struct *srcu, int index)
{
    struct held *entry = find_held(srcu);

    if (!entry || load_relaxed(&entry->sections[index]) == 0) {
        if (load_relaxed(&held_elsewhere) > 0)
            store_relaxed(&held_elsewhere, load_relaxed(&held_elsewhere) - 1);
        return;
    }
    store_relaxed(&entry->sections[index], load_relaxed(&entry->sections[index]) - 1);
    compiler_barrier(); /* a handler finds the entry free only without counts */
    if (load_relaxed(&entry->sections[0]) == 0 && load_relaxed(&entry->sections[1]) == 0)
        store_relaxed(&entry->srcu, NULL);
}

unsigned long srcu_own_sections(const struct srcu_struct *srcu, int index)
{
    const struct srcu_counts *counts = &srcu_own_slot(srcu->offset)->counts;
    unsigned long locks, open;

    /* A signal handler that enters and leaves between the two loads makes them disagree: its
     * entry shows in the first. */
    do {
        locks = load_relaxed(&counts->lock[index]);
        compiler_barrier();
        open = locks - load_relaxed(&counts->unlock[index]);
        compiler_barrier();
    } while (load_relaxed(&counts->lock[index]) != locks);

    for (int i = 0; i < HELD_DOMAINS; i++) {
        if (load_relaxed(&held[i].srcu) == srcu)
            open += load_relaxed(&held[i].sections[index]);
    }
    return open;
}

bool srcu_read_lock_held(const struct srcu_struct *srcu)
{
    return srcu_own_sections(srcu, 0) + srcu_own_sections(srcu, 1) != 0;
}

void srcu_check_unlock(const struct srcu_struct *srcu, int index)
{
    if (index != 0 && index != 1)
        rcu_misuse("srcu \"%s\": srcu_read_unlock() with index %d", srcu->name, index);
    if (srcu_own_sections(srcu, index) == 0 && load_relaxed(&held_elsewhere) == 0)
        rcu_misuse("srcu \"%s\": srcu_read_unlock() of a section that this thread did not enter "
                   "(srcu_down_read() has sections that may change threads)",
                   srcu->name);
}

/* ---- Readers off the fast path -------------------------------------------- */

int srcu_enter_slow(struct srcu_struct *srcu)
{
    unsigned offset = srcu->offset;
    int index = (int)load_acquire(&srcu->index); /* pairs with the release of the flip in drive() */

    SRCU_WINDOW();
    if (srcu_own_slot(offset)->how == SRCU_FENCED) {
        srcu_bump(offset, (unsigned)index, false);
        smp_mb(); /* count, then look at the data: pairs with the barrier in drive() */
        return index;
    }
    note_entered(srcu, index);
    fetch_add(&srcu->shared.lock[index], 1);
    smp_mb_after_rmw(); /* as above */
    return index;
}

/* Wake whoever sleeps until this index is left; the count came before. */
static void wake_if_awaited(unsigned offset, int index)
{
    if (unlikely(load_relaxed(&srcu_hub_at(offset)->waiting)))
        srcu_wake(offset, index);
}

void srcu_exit_slow(struct srcu_struct *srcu, int index)
{
    unsigned offset = srcu->offset; /* before the count: the domain may be gone after it */

    if (srcu_own_slot(offset)->how == SRCU_FENCED) {
        srcu_bump(offset, (unsigned)index, true);
        smp_mb(); /* count, then look for sleepers: pairs with that in sleep_until_left() */
    } else {
        note_left(srcu, index);
        fetch_add(&srcu->shared.unlock[index], 1);
        smp_mb_after_rmw(); /* as above */
    }
    wake_if_awaited(offset, index);
}

int srcu_down_read(struct srcu_struct *srcu)
{
    int index = (int)load_acquire(&srcu->index); /* pairs with the release of the flip in drive() */

    SRCU_WINDOW();
    fetch_add(&srcu->handed.lock[index], 1);
    smp_mb_after_rmw(); /* count, then look at the data: pairs with the barrier in drive() */
    return index;
}

void srcu_up_read(struct srcu_struct *srcu, int index)
{
    unsigned offset = srcu->offset; /* before the count: the domain may be gone after it */

    fetch_add(&srcu->handed.unlock[index], 1);
    smp_mb_after_rmw(); /* count, then look for sleepers: pairs with that in sleep_until_left() */
    wake_if_awaited(offset, index);
}

/* ---- Threads -------------------------------------------------------------- */

static void set_how(unsigned how)
{
    compiler_barrier(); /* a signal handler finds done what came before … */
    for (int i = 1; i < SRCU_SLOTS; i++)
        srcu_slots[i].how = how;
    compiler_barrier(); /* … and finds it changed after */
}

static void fold(struct srcu_counts *into, struct srcu_counts *from)
{
    for (int i = 0; i < 2; i++) {
        into->lock[i] += load_relaxed(&from->lock[i]);
        into->unlock[i] += load_relaxed(&from->unlock[i]);
        store_relaxed(&from->lock[i], 0);
        store_relaxed(&from->unlock[i], 0);
    }
}

static void leave_registry(void)
{
    struct srcu_thread **link = &threads;

    set_how(SRCU_SHARED); /* so that no signal handler touches the slots from here on */
    pthread_mutex_lock(&registry_lock);
    while (*link != &self)
        link = &(*link)->next;
    *link = self.next;
    for (int i = 1; i < SRCU_SLOTS; i++)
        fold(&srcu_hubs[i].folded, &srcu_slots[i].counts);
    pthread_mutex_unlock(&registry_lock);
    self.registrations = 0;
}

static void check_leaving(void)
{
    struct srcu_struct *inside = NULL;

    pthread_mutex_lock(&registry_lock);
    for (struct srcu_struct *srcu = domains; srcu; srcu = srcu->next) {
        if (srcu_read_lock_held(srcu))
            inside = srcu;
    }
    pthread_mutex_unlock(&registry_lock);
    if (inside)
        rcu_misuse("srcu \"%s\": a thread unregisters, or ends, inside a section", inside->name);
}

static void thread_ends(void *unused UNUSED)
{
    check_leaving();
    leave_registry();
}

static void fork_prepare(void)
{
    pthread_mutex_lock(&registry_lock);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&registry_lock);
}

/*
 * The child has one thread, and sections that others were inside will never be
 * left: their slots go, and of shared sections only this thread's own stay.
 * Sections that belong to no thread stay as well.
 */
static void fork_child(void)
{
    threads = self.registrations ? &self : NULL;
    self.next = NULL;
    for (struct srcu_struct *srcu = domains; srcu; srcu = srcu->next) {
        const struct srcu_counts *own = &srcu_own_slot(srcu->offset)->counts;

        for (int i = 0; i < 2 && held_elsewhere == 0; i++) {
            unsigned long shared = srcu_own_sections(srcu, i) - (own->lock[i] - own->unlock[i]);

            srcu->shared.lock[i] = srcu->shared.unlock[i] + shared;
        }
        srcu_fork_child_domain(srcu);
    }
    for (int i = 0; i < SRCU_SLOTS; i++) {
        srcu_hubs[i].waiting = 0;
        srcu_hubs[i].news = SEQUENCE_INIT;
    }
    pthread_mutex_unlock(&registry_lock);
}

static void prepare_process(void)
{
    rcu_init(); /* its fork handlers come first, so that they run first in the child */
    if (pthread_key_create(&exit_key, thread_ends) != 0 ||
        pthread_atfork(fork_prepare, fork_parent, fork_child) != 0) {
        rcu_report("srcu: out of thread-specific keys or memory at start");
        abort();
    }
}

void srcu_register_thread(void)
{
    pthread_once(&once, prepare_process);
    if (self.registrations > 0) {
        self.registrations++;
        return;
    }
    if (pthread_setspecific(exit_key, &self) != 0)
        return; /* out of memory: the thread reads through the shared counts */
    self.registrations = 1;
    self.slots = srcu_slots;
    pthread_mutex_lock(&registry_lock);
    self.next = threads;
    threads = &self;
    pthread_mutex_unlock(&registry_lock);
    set_how(rcu_reader_mode() == RCU_READERS_FENCES ? SRCU_FENCED : SRCU_FREE);
}

void srcu_unregister_thread(void)
{
    if (self.registrations == 0 || --self.registrations > 0)
        return;
    check_leaving();
    leave_registry();
    (void)pthread_setspecific(exit_key, NULL); /* cannot fail: the key has a place already */
}

/* ---- Domains and sums ----------------------------------------------------- */

void srcu_registry_add(struct srcu_struct *srcu)
{
    pthread_once(&once, prepare_process);
    pthread_mutex_lock(&registry_lock);
    for (unsigned i = 1; i < SRCU_SLOTS; i++) {
        if (!(slots_taken & 1u << i)) {
            slots_taken |= 1u << i;
            srcu->offset = i * SRCU_SLOT_BYTES;
            break;
        }
    }
    srcu->next = domains;
    domains = srcu;
    pthread_mutex_unlock(&registry_lock);
}

/* A slot's next domain starts from 0, without a store to any other thread's counts. */
static void rebase(unsigned offset)
{
    struct srcu_counts *folded = &srcu_hub_at(offset)->folded;

    *folded = (struct srcu_counts){ { 0, 0 }, { 0, 0 } };
    for (const struct srcu_thread *thread = threads; thread; thread = thread->next) {
        const struct srcu_counts *counts = &thread->slots[offset / SRCU_SLOT_BYTES].counts;

        for (int i = 0; i < 2; i++) {
            folded->lock[i] -= load_relaxed(&counts->lock[i]);
            folded->unlock[i] -= load_relaxed(&counts->unlock[i]);
        }
    }
}

void srcu_registry_remove(struct srcu_struct *srcu)
{
    struct srcu_struct **link = &domains;

    pthread_mutex_lock(&registry_lock);
    while (*link != srcu)
        link = &(*link)->next;
    *link = srcu->next;
    if (srcu->offset) {
        rebase(srcu->offset);
        slots_taken &= ~(1u << srcu->offset / SRCU_SLOT_BYTES);
    }
    pthread_mutex_unlock(&registry_lock);
}

static unsigned long count_of(const struct srcu_counts *counts, int index, enum srcu_sum which)
{
    /* acquire: pairs with the release in srcu_bump() and with the atomic additions. A section
     * counted as left has its lock where a later sum finds it, and its accesses behind it. */
    return load_acquire(which == SRCU_LOCKS ? &counts->lock[index] : &counts->unlock[index]);
}

unsigned long srcu_sum(const struct srcu_struct *srcu, int index, enum srcu_sum which)
{
    unsigned long sum =
        count_of(&srcu->shared, index, which) + count_of(&srcu->handed, index, which);

    if (srcu->offset == 0)
        return sum;
    pthread_mutex_lock(&registry_lock);
    sum += count_of(&srcu_hub_at(srcu->offset)->folded, index, which);
    for (const struct srcu_thread *thread = threads; thread; thread = thread->next)
        sum += count_of(&thread->slots[srcu->offset / SRCU_SLOT_BYTES].counts, index, which);
    pthread_mutex_unlock(&registry_lock);
    return sum;
}

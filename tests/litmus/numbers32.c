/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CBMC: on 32-bit hosts a section that stays open always looks older to every
 * grace period that has to wait for it, however numbers wrap.
 *
 * The real util/rcu_grace.c and util/rcu_registry.c are compiled in. Beside
 * their 32-bit words stand the true numbers, which never wrap. From an arbitrary
 * state in which the invariant holds, one arbitrary step is taken by the real
 * code; afterwards it must hold again. (Induction: so it holds after any
 * number of steps.) The steps: a reader enters, after it slept for any time
 * between loading a number and storing it, and while numbers move on; somebody
 * checks may_start(), and later starts the number he had in mind; a driver
 * ends a grace period, or what is up to the open section's number, if that looks
 * older to it.
 *
 * Assumed: nobody else sleeps with a number in hand for 2^29 grace periods
 * (docs/rcu.md: what a cookie is good for). WRONG_NO_MAY_START, WRONG_NO_REREAD
 * and WRONG_COMPARE (by value instead of by difference) must fail.
 */
#include "util/atomic.h"

static void world_moves(void);

/* The one place where the world moves under the code: rcu_enter_slow() looks at rcu_newest. */
static unsigned long load_and_move(unsigned long *word)
{
    world_moves();
    return *word;
}

#include "util/rcu_grace.c"
#undef load_acquire
#define load_acquire(p)                                                                            \
    (__builtin_types_compatible_p(__typeof__(p), unsigned long *)                                  \
         ? (__typeof__(*(p)))load_and_move((unsigned long *)(p))                                   \
         : __atomic_load_n((p), __ATOMIC_ACQUIRE))
#include "util/rcu_registry.c"

#define MARGIN ((1ul << 29) + RCU_STEP)

uint64_t nondet_number(void);
unsigned nondet_choice(void);

static struct {
    uint64_t newest, completed;
    uint64_t ctr;      /* of the open section */
    uint64_t seen;     /* rcu_newest, when the section was seen open by all */
    uint64_t intended; /* what somebody will start who has passed may_start() */
} true_numbers;

static uint64_t newest_moves_by;

/* gp_complete() calls these. */
int64_t monotonic_ns(void)
{
    return 0;
}

void hist_record(struct hist *hist UNUSED, uint64_t value UNUSED)
{
}

void sequence_advance(struct sequence *sequence UNUSED)
{
}

static void world_moves(void)
{
    uint64_t step = nondet_number();

    __CPROVER_assume(step % RCU_STEP == 0 && step < (uint64_t)1 << 34 && newest_moves_by == 0);
    newest_moves_by = step; /* once: the loop in rcu_enter_slow() then looks again */
    true_numbers.newest += step;
    rcu_newest.number = (unsigned long)true_numbers.newest;
}

static bool is_number(uint64_t number)
{
    return number % RCU_STEP == RCU_INSIDE && number < (uint64_t)1 << 40;
}

/* Neither has completed passed what a section stops, nor newest what may_start() allows. */
static bool invariant(void)
{
    return is_number(true_numbers.newest) && is_number(true_numbers.completed) &&
           is_number(true_numbers.ctr) && is_number(true_numbers.seen) &&
           is_number(true_numbers.intended) && true_numbers.completed <= true_numbers.newest &&
           true_numbers.newest <= true_numbers.completed + MARGIN &&
           true_numbers.intended <= true_numbers.completed + MARGIN &&
           true_numbers.seen <= true_numbers.newest && true_numbers.ctr <= true_numbers.seen &&
           true_numbers.seen - true_numbers.ctr <= NUMBER_TOO_OLD &&
           true_numbers.completed <= true_numbers.seen;
}

static void set_words(void)
{
    rcu_newest.number = (unsigned long)true_numbers.newest;
    gp.completed = (unsigned long)true_numbers.completed;
    gp.needed = gp.completed;
    gp.forced_upto = gp.completed;
    gp.fenced = gp.completed;
    rcu_reader.ctr = (unsigned long)true_numbers.ctr;
}

/* Numbers that some driver may have: started, and not so old that they wrap. */
static uint64_t any_target(void)
{
    uint64_t target = nondet_number();

    __CPROVER_assume(is_number(target) && target <= true_numbers.newest);
    __CPROVER_assume(true_numbers.newest - target < MARGIN + NUMBER_TOO_OLD);
    return target;
}

static bool looks_older(uint64_t target)
{
#ifdef WRONG_COMPARE
    return rcu_reader.ctr < (unsigned long)target;
#else
    return section_is_older(rcu_reader.ctr, (unsigned long)target);
#endif
}

static void check_looks(void)
{
    uint64_t target = any_target();

    __CPROVER_assert(looks_older(target) == (true_numbers.ctr < target),
                     "an open section looks as old as it is");
}

static void reader_enters(void)
{
    static struct rcu_thread thread;
    uint64_t loaded = nondet_number();
    unsigned long behind;

    /* No section is open meanwhile that would hold anything up: numbers run on freely. */
    __CPROVER_assume(is_number(loaded) && loaded <= true_numbers.newest);
    rcu_reader.thread = &thread;
    rcu_reader.ctr = (unsigned long)loaded;
#ifndef WRONG_NO_REREAD
    rcu_enter_slow();
#else
    world_moves();
#endif
    /* What was started before the reader's last look need not wait: it sees those unlinks. */
    true_numbers.seen = true_numbers.newest;
    behind = rcu_newest.number - rcu_reader.ctr;
    true_numbers.ctr = true_numbers.newest - behind; /* nobody can tell it from this one */
    __CPROVER_assume(true_numbers.newest < (uint64_t)1 << 40 && true_numbers.ctr % 4 == 1);
    true_numbers.completed = nondet_number(); /* anything up to then */
    __CPROVER_assume(is_number(true_numbers.completed) &&
                     true_numbers.completed <= true_numbers.newest &&
                     true_numbers.newest <= true_numbers.completed + MARGIN);
    true_numbers.intended = nondet_number();
    __CPROVER_assume(is_number(true_numbers.intended) &&
                     true_numbers.intended <= true_numbers.completed + MARGIN);
}

static void somebody_checks(void)
{
    uint64_t target = nondet_number();

    /* a cookie: the newest, at most, and a step */
    __CPROVER_assume(is_number(target) && target <= true_numbers.newest + RCU_STEP);
#ifdef WRONG_NO_MAY_START
    true_numbers.intended = target;
#else
    if (may_start())
        true_numbers.intended = target;
#endif
}

static void somebody_starts(void)
{
    __CPROVER_assume(true_numbers.newest < true_numbers.intended + MARGIN);
    gp_start((unsigned long)true_numbers.intended);
    if (true_numbers.intended > true_numbers.newest)
        true_numbers.newest = true_numbers.intended;
    __CPROVER_assert(rcu_newest.number == (unsigned long)true_numbers.newest,
                     "starting makes the newest number the larger of the two");
}

static void driver_ends(void)
{
    struct driver driver = { .need = 0 };
    uint64_t number = any_target();

    __CPROVER_assume(true_numbers.completed < number + MARGIN);
    /* It looked before the section was to be seen (then it started before), or now: then it ends
     * what is up to the section's number, as rcu_registry_scan() says. */
    if (number > true_numbers.seen && looks_older(number))
        number = true_numbers.ctr;
    __CPROVER_assert(number <= true_numbers.seen, "no driver passes an open older section");
    driver.need = (unsigned long)number;
    raise_number(&gp.fenced, (unsigned long)number); /* gp_barrier(): a target is fenced first */
    gp_complete(&driver, (unsigned long)number);
    if (number > true_numbers.completed)
        true_numbers.completed = number;
    __CPROVER_assert(gp.completed == (unsigned long)true_numbers.completed, "completed is right");
    __CPROVER_assert(!number_before(gp.needed, gp.completed) &&
                         !number_before(gp.forced_upto, gp.completed) &&
                         !number_before(gp.fenced, gp.completed),
                     "what is not needed, forced or fenced does not fall behind");
}

int main(void)
{
    __CPROVER_assert(numbers_wrap(), "this is a 32-bit host");
    true_numbers.newest = nondet_number();
    true_numbers.completed = nondet_number();
    true_numbers.ctr = nondet_number();
    true_numbers.seen = nondet_number();
    true_numbers.intended = nondet_number();
    __CPROVER_assume(invariant());
    set_words();
    switch (nondet_choice() % 4) {
    case 0:
        reader_enters();
        break;
    case 1:
        somebody_checks();
        break;
    case 2:
        somebody_starts();
        break;
    default:
        driver_ends();
    }
    __CPROVER_assert(invariant(), "the invariant is kept");
    check_looks();
#ifdef WRONG_REACHED
    __CPROVER_assert(0, "the end is reached");
#endif
    return 0;
}

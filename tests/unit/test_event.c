/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linked with --wrap: what event.c asks of the futex passes through here, so
 * that calls are counted, and a wait can end in ways that a kernel seldom shows.
 */
#include <pthread.h>
#include <stdint.h>

#include "tests/tap.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/event.h"

#ifndef _WIN32
#include "tests/unit/alarms.h"
#endif

enum wait_result __real_futex_timedwait(const uint32_t *word, uint32_t expected, int64_t deadline);
enum wait_result __wrap_futex_timedwait(const uint32_t *word, uint32_t expected, int64_t deadline);
void __real_futex_wake(const uint32_t *word, int nr);
void __wrap_futex_wake(const uint32_t *word, int nr);

static unsigned nr_wakes; /* futex_wake() calls; atomic */
static unsigned nr_waits; /* futex_timedwait() calls; atomic */

/* Instead of the next waits; the tests that set it have one thread. */
static enum wait_result (*fake_wait)(void);

enum wait_result __wrap_futex_timedwait(const uint32_t *word, uint32_t expected, int64_t deadline)
{
    fetch_add_relaxed(&nr_waits, 1);
    return fake_wait ? fake_wait() : __real_futex_timedwait(word, expected, deadline);
}

void __wrap_futex_wake(const uint32_t *word, int nr)
{
    fetch_add_relaxed(&nr_wakes, 1);
    __real_futex_wake(word, nr);
}

static pthread_t run(void *(*body)(void *), void *opaque)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, body, opaque) != 0)
        bail_out("no thread");
    return thread;
}

static const int64_t past_deadlines[] = { INT64_MIN, -1, 0, 1 };
static const int64_t far_deadlines[] = {
    DEADLINE_NEVER,
    INT64_MAX - 1,
    INT64_C(0x100000000) * NS_PER_S,
    INT64_C(0x80000000) * NS_PER_S,
};

/* ---- Events ---------------------------------------------------------------- */

static void event_is_set_until_reset(void)
{
    struct event event = EVENT_INIT;

    ok(!event_is_set(&event));
    event_set(&event);
    event_set(&event);
    ok(event_is_set(&event));
    event_wait(&event);
    ok(event_is_set(&event));
    event_reset(&event);
    ok(!event_is_set(&event));
    event_reset(&event);
    ok(!event_is_set(&event));
    event_init(&event, true);
    ok(event_is_set(&event));
    event_init(&event, false);
    ok(!event_is_set(&event));
}

static void timedwait_past_deadline_looks_and_returns(void)
{
    struct event event = EVENT_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(past_deadlines); i++) {
        event_reset(&event);
        is(event_timedwait(&event, past_deadlines[i]), TIMED_OUT);
        is(event_timedwait(&event, monotonic_ns()), TIMED_OUT);
        event_set(&event);
        is(event_timedwait(&event, past_deadlines[i]), WOKEN);
        is(event_timedwait(&event, monotonic_ns()), WOKEN);
    }
}

static void timedwait_is_never_early(void)
{
    static const int64_t delays_ns[] = { 1, NS_PER_US, NS_PER_MS, 5 * NS_PER_MS };
    struct event event = EVENT_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(delays_ns); i++) {
        const int64_t deadline_ns = monotonic_ns() + delays_ns[i];

        is(event_timedwait(&event, deadline_ns), TIMED_OUT);
        ok(monotonic_ns() >= deadline_ns);
    }
}

static void set_calls_the_system_only_for_waiters(void)
{
    struct event event = EVENT_INIT;

    nr_wakes = 0;
    event_set(&event);
    event_set(&event);
    event_wait(&event);
    event_reset(&event);
    is(event_timedwait(&event, 0), TIMED_OUT); /* looks, and leaves no mark */
    event_set(&event);
    is(nr_wakes, 0);

    event_reset(&event);
    is(event_timedwait(&event, monotonic_ns() + 1), TIMED_OUT);
    event_set(&event); /* it cannot know that the waiter has given up … */
    is(nr_wakes, 1);
    event_reset(&event);
    event_set(&event); /* … but asks only once */
    is(nr_wakes, 1);
}

static void reset_does_not_forget_waiters(void)
{
    struct event event = EVENT_INIT;

    nr_wakes = 0;
    is(event_timedwait(&event, monotonic_ns() + 1), TIMED_OUT);
    event_reset(&event); /* another thread may sleep by now */
    event_set(&event);
    is(nr_wakes, 1);
}

static enum wait_result wake_100_times_for_no_reason(void)
{
    return nr_waits <= 100 ? WOKEN : TIMED_OUT;
}

static void spurious_returns_are_not_time_outs(void)
{
    struct event event = EVENT_INIT;
    struct sequence sequence = SEQUENCE_INIT;

    fake_wait = wake_100_times_for_no_reason;
    nr_waits = 0;
    is(event_timedwait(&event, 1), TIMED_OUT);
    is(nr_waits, 101);
    nr_waits = 0;
    is(sequence_wait(&sequence, sequence_prepare(&sequence), 1), TIMED_OUT);
    is(nr_waits, 101);
    is(sequence.sleepers, 0);
    fake_wait = NULL;
}

static struct event last_moment_event;
static struct sequence last_moment_sequence;

static enum wait_result time_out_with_news(void)
{
    event_set(&last_moment_event);
    sequence_advance(&last_moment_sequence);
    return TIMED_OUT;
}

static void news_at_the_last_moment_are_no_time_out(void)
{
    fake_wait = time_out_with_news;
    is(event_timedwait(&last_moment_event, 1), WOKEN);
    is(sequence_wait(&last_moment_sequence, sequence_prepare(&last_moment_sequence), 1), WOKEN);
    fake_wait = NULL;
}

/* ---- Events between threads ------------------------------------------------- */

struct waiter {
    struct event *event;
    int64_t deadline_ns;
    struct event asleep; /* about to wait, rather: nobody can say more */
    enum wait_result result;
};

static void *wait_for_event(void *opaque)
{
    struct waiter *waiter = opaque;

    event_set(&waiter->asleep);
    waiter->result = event_timedwait(waiter->event, waiter->deadline_ns);
    return NULL;
}

static void far_deadline_waits_for_set(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(far_deadlines); i++) {
        struct event event = EVENT_INIT;
        struct waiter waiter = { &event, far_deadlines[i], EVENT_INIT, TIMED_OUT };
        pthread_t thread = run(wait_for_event, &waiter);

        event_wait(&waiter.asleep);
        event_set(&event);
        pthread_join(thread, NULL);
        is(waiter.result, WOKEN);
    }
}

static void set_wakes_all_waiters(void)
{
    struct event event = EVENT_INIT;
    struct waiter waiters[24];
    pthread_t threads[ARRAY_SIZE(waiters)];

    for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
        waiters[i] = (struct waiter){ &event, DEADLINE_NEVER, EVENT_INIT, TIMED_OUT };
        threads[i] = run(wait_for_event, &waiters[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(waiters); i++)
        event_wait(&waiters[i].asleep);
    event_set(&event);
    for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
        pthread_join(threads[i], NULL);
        is(waiters[i].result, WOKEN);
    }
}

enum { HAND_OVERS = 10000 };

/* One event each way; the parcel is plain memory, so the thread sanitizer checks the promise. */
struct hand_over {
    struct event full;
    struct event empty;
    unsigned parcel;
};

static void *take_parcels(void *opaque)
{
    struct hand_over *pair = opaque;

    for (unsigned i = 0; i < HAND_OVERS; i++) {
        event_wait(&pair->full);
        event_reset(&pair->full);
        is(pair->parcel, i);
        event_set(&pair->empty);
    }
    return NULL;
}

static void what_was_done_before_set_is_seen_after_wait(void)
{
    static struct hand_over pair; /* clang does not instrument all accesses to the stack */
    pthread_t thread = run(take_parcels, &pair);

    for (unsigned i = 0; i < HAND_OVERS; i++) {
        pair.parcel = i;
        event_set(&pair.full);
        event_wait(&pair.empty);
        event_reset(&pair.empty);
    }
    pthread_join(thread, NULL);
}

static void *set_event(void *event)
{
    event_set(event);
    return NULL;
}

/* The address sanitizer sees a setter that looks back; it may, since it believes in a waiter. */
static void event_may_be_freed_once_seen_set(void)
{
    for (int round = 0; round < 500; round++) {
        struct event *event = malloc(sizeof(*event));
        pthread_t thread;

        if (!ok(event != NULL))
            return;
        event_init(event, false);
        is(event_timedwait(event, 1), TIMED_OUT);
        thread = run(set_event, event);
        while (!event_is_set(event))
            cpu_relax();
        free(event);
        pthread_join(thread, NULL);
    }
}

/* The reset-look-wait of one waiter against several setters, who skip nothing. */
struct inbox {
    struct event event;
    unsigned mails; /* atomic */
};

static void *send_mails(void *opaque)
{
    struct inbox *inbox = opaque;

    for (unsigned i = 0; i < HAND_OVERS; i++) {
        fetch_add_relaxed(&inbox->mails, 1);
        event_set(&inbox->event);
    }
    return NULL;
}

static void reset_then_look_loses_no_set(void)
{
    struct inbox inbox = { EVENT_INIT, 0 };
    pthread_t senders[3];
    unsigned seen = 0;

    for (size_t i = 0; i < ARRAY_SIZE(senders); i++)
        senders[i] = run(send_mails, &inbox);
    while (seen < ARRAY_SIZE(senders) * HAND_OVERS) {
        event_wait(&inbox.event);
        event_reset(&inbox.event);
        seen += atomic_xchg(&inbox.mails, 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(senders); i++)
        pthread_join(senders[i], NULL);
    is(seen, ARRAY_SIZE(senders) * HAND_OVERS);
}

/* ---- Sequences -------------------------------------------------------------- */

static void stale_ticket_does_not_wait(void)
{
    struct sequence sequence = SEQUENCE_INIT;
    const uint32_t ticket = sequence_prepare(&sequence);

    sequence_advance(&sequence);
    for (size_t i = 0; i < ARRAY_SIZE(past_deadlines); i++) {
        is(sequence_wait(&sequence, ticket, past_deadlines[i]), WOKEN);
        (void)sequence_prepare(&sequence);
    }
    is(sequence_wait(&sequence, ticket, DEADLINE_NEVER), WOKEN);
    is(sequence.sleepers, 0);
}

static void sequence_wait_is_never_early(void)
{
    static const int64_t delays_ns[] = { 1, NS_PER_US, NS_PER_MS, 5 * NS_PER_MS };
    struct sequence sequence = SEQUENCE_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(past_deadlines); i++) {
        const uint32_t ticket = sequence_prepare(&sequence);

        is(sequence_wait(&sequence, ticket, past_deadlines[i]), TIMED_OUT);
    }
    for (size_t i = 0; i < ARRAY_SIZE(delays_ns); i++) {
        const int64_t deadline_ns = monotonic_ns() + delays_ns[i];
        const uint32_t ticket = sequence_prepare(&sequence);

        is(sequence_wait(&sequence, ticket, deadline_ns), TIMED_OUT);
        ok(monotonic_ns() >= deadline_ns);
    }
    is(sequence.sleepers, 0);
}

static void advance_calls_the_system_only_for_sleepers(void)
{
    struct sequence sequence = { UINT32_MAX, 0 }; /* the number wraps */

    nr_wakes = 0;
    sequence_advance(&sequence);
    is(sequence.number, 0);
    is(nr_wakes, 0);
    is(sequence_prepare(&sequence), 0);
    sequence_advance(&sequence);
    is(nr_wakes, 1);
    sequence_cancel(&sequence);
    sequence_advance(&sequence);
    is(nr_wakes, 1);
}

enum { ROUNDS = 100000, PLAYERS = 2 };

/* All on one sequence; whose turn it is, is the condition. A lost wake-up stops the game. */
struct game {
    struct sequence sequence;
    unsigned turn; /* atomic */
    unsigned ball; /* plain: belongs to whose turn it is */
};

struct player {
    struct game *game;
    unsigned number;
    unsigned times_out;
};

static void wait_for_turn(struct player *player)
{
    struct game *game = player->game;

    while (load_acquire(&game->turn) != player->number) { /* pairs with the release in play() */
        const uint32_t ticket = sequence_prepare(&game->sequence);

        if (load_acquire(&game->turn) == player->number)
            sequence_cancel(&game->sequence);
        else if (sequence_wait(&game->sequence, ticket, DEADLINE_NEVER) == TIMED_OUT)
            player->times_out++;
    }
}

static void *play(void *opaque)
{
    struct player *player = opaque;
    struct game *game = player->game;

    for (unsigned i = 0; i < ROUNDS; i++) {
        wait_for_turn(player);
        game->ball++;
        store_release(&game->turn, (player->number + 1) % PLAYERS);
        sequence_advance(&game->sequence);
    }
    return NULL;
}

static void two_waiters_on_one_sequence_lose_no_wake_up(void)
{
    struct game game = { SEQUENCE_INIT, 0, 0 };
    struct player players[PLAYERS];
    pthread_t threads[PLAYERS];

    for (unsigned i = 0; i < PLAYERS; i++) {
        players[i] = (struct player){ &game, i, 0 };
        threads[i] = run(play, &players[i]);
    }
    for (unsigned i = 0; i < PLAYERS; i++) {
        pthread_join(threads[i], NULL);
        is(players[i].times_out, 0);
    }
    is(game.ball, PLAYERS * ROUNDS);
    is(game.sequence.sleepers, 0);
}

/* Two sequences and no other order between the threads: the thread sanitizer checks the promise. */
struct relay {
    struct sequence sent;
    struct sequence taken;
    unsigned parcel;
};

/* The number moves once a round, so the round is the ticket. */
static void wait_for_round(struct sequence *sequence, uint32_t round)
{
    (void)sequence_prepare(sequence);
    is(sequence_wait(sequence, round, DEADLINE_NEVER), WOKEN);
}

static void *take_relayed(void *opaque)
{
    struct relay *relay = opaque;

    for (unsigned i = 0; i < HAND_OVERS; i++) {
        wait_for_round(&relay->sent, i);
        is(relay->parcel, i);
        sequence_advance(&relay->taken);
    }
    return NULL;
}

static void what_was_done_before_advance_is_seen_after_wait(void)
{
    static struct relay relay; /* clang does not instrument all accesses to the stack */
    pthread_t thread = run(take_relayed, &relay);

    for (unsigned i = 0; i < HAND_OVERS; i++) {
        relay.parcel = i;
        sequence_advance(&relay.sent);
        wait_for_round(&relay.taken, i);
    }
    pthread_join(thread, NULL);
}

struct crowd {
    struct sequence sequence;
    unsigned nr_ready; /* atomic */
    unsigned is_open;  /* atomic */
};

static void *wait_in_crowd(void *opaque)
{
    struct crowd *crowd = opaque;

    for (;;) {
        const uint32_t ticket = sequence_prepare(&crowd->sequence);

        if (load_acquire(&crowd->is_open)) { /* pairs with the release below */
            sequence_cancel(&crowd->sequence);
            return NULL;
        }
        fetch_add_relaxed(&crowd->nr_ready, 1);
        is(sequence_wait(&crowd->sequence, ticket, INT64_MAX - 1), WOKEN);
    }
}

static void advance_wakes_all_sleepers(void)
{
    struct crowd crowd = { SEQUENCE_INIT, 0, 0 };
    pthread_t threads[24];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        threads[i] = run(wait_in_crowd, &crowd);
    while (load_relaxed(&crowd.nr_ready) < ARRAY_SIZE(threads))
        cpu_relax();
    store_release(&crowd.is_open, 1);
    sequence_advance(&crowd.sequence);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    is(crowd.sequence.sleepers, 0);
}

/* ---- Signals ---------------------------------------------------------------- */

#ifndef _WIN32
static unsigned nr_alarms;              /* atomic */
static struct event *alarm_event;       /* set at the 100th alarm, by the handler */
static struct sequence *alarm_sequence; /* advanced likewise */

static void on_alarm(int number UNUSED)
{
    if (fetch_add_relaxed(&nr_alarms, 1) < 100)
        return;
    if (alarm_event)
        event_set(alarm_event);
    if (alarm_sequence)
        sequence_advance(alarm_sequence);
}

static void signals_do_not_end_a_wait(void)
{
    struct event event = EVENT_INIT;
    struct sequence sequence = SEQUENCE_INIT;
    int64_t deadline_ns = monotonic_ns() + 20 * NS_PER_MS;

    store_relaxed(&nr_alarms, 0);
    start_alarms(on_alarm);
    is(event_timedwait(&event, deadline_ns), TIMED_OUT);
    ok(monotonic_ns() >= deadline_ns);
    deadline_ns = monotonic_ns() + 20 * NS_PER_MS;
    is(sequence_wait(&sequence, sequence_prepare(&sequence), deadline_ns), TIMED_OUT);
    ok(monotonic_ns() >= deadline_ns);
    stop_alarms();
    ok(load_relaxed(&nr_alarms) > 0);
}

/* The handler interrupts the very wait that it ends. */
static void set_and_advance_from_a_handler_end_a_wait(void)
{
#ifdef FUTEX_PTHREAD
    skip("the portable back end does not wake from signal handlers");
#else
    struct event event = EVENT_INIT;
    struct sequence sequence = SEQUENCE_INIT;
    uint32_t ticket;

    alarm_event = &event;
    store_relaxed(&nr_alarms, 0);
    start_alarms(on_alarm);
    is(event_timedwait(&event, DEADLINE_NEVER), WOKEN);
    stop_alarms();
    alarm_event = NULL;

    ticket = sequence_prepare(&sequence);
    alarm_sequence = &sequence;
    store_relaxed(&nr_alarms, 0);
    start_alarms(on_alarm);
    is(sequence_wait(&sequence, ticket, DEADLINE_NEVER), WOKEN);
    stop_alarms();
    alarm_sequence = NULL;
    is(sequence.sleepers, 0);
#endif
}
#endif

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(event_is_set_until_reset),
        TAP_TEST(timedwait_past_deadline_looks_and_returns),
        TAP_TEST(timedwait_is_never_early),
        TAP_TEST(set_calls_the_system_only_for_waiters),
        TAP_TEST(reset_does_not_forget_waiters),
        TAP_TEST(spurious_returns_are_not_time_outs),
        TAP_TEST(news_at_the_last_moment_are_no_time_out),
        TAP_TEST(far_deadline_waits_for_set),
        TAP_TEST(set_wakes_all_waiters),
        TAP_TEST(what_was_done_before_set_is_seen_after_wait),
        TAP_TEST(event_may_be_freed_once_seen_set),
        TAP_TEST(reset_then_look_loses_no_set),
        TAP_TEST(stale_ticket_does_not_wait),
        TAP_TEST(sequence_wait_is_never_early),
        TAP_TEST(advance_calls_the_system_only_for_sleepers),
        TAP_TEST(two_waiters_on_one_sequence_lose_no_wake_up),
        TAP_TEST(what_was_done_before_advance_is_seen_after_wait),
        TAP_TEST(advance_wakes_all_sleepers),
#ifndef _WIN32
        TAP_TEST(signals_do_not_end_a_wait),
        TAP_TEST(set_and_advance_from_a_handler_end_a_wait),
#endif
    };

    return TAP_RUN(tests, argc, argv);
}

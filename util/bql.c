/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A queue lock of tickets. A thread draws a number and waits until that number
 * is granted; to unlock is to grant the number after one's own. Nobody can get
 * in between, so the order is the order of drawing.
 *
 * Each number is waited for in a slot of its own (number modulo SLOTS): a
 * hand-over writes one line and wakes one thread. With more waiters than slots
 * two share one: a wake-up is then one too many for the later of them, which
 * sees that the granted number is not its own and sleeps again. A slot is not
 * granted anew before its earlier owner has come and gone, because all numbers
 * between are served first; so no grant can be overlooked.
 */
#include <execinfo.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/atomic.h"
#include "util/bql.h"
#include "util/clock.h"
#include "util/rcu.h"
#include "util/rcu_control.h"
#include "util/rcu_reader.h"
#include "util/thread.h"
#include "util/trace.h"

enum {
    SLOTS = 64,
    SPINS = 64, /* pauses, 1 to 3 µs: less than what a sleep and a wake-up cost */
    STACK_FRAMES = 32,
};

struct capability bql;

struct CACHE_ALIGNED slot {
    uint32_t granted; /* the last number that was granted here; atomic */
    struct sequence sequence;
};

/* All zero bytes: number 0 is granted, and no other. */
static struct {
    CACHE_ALIGNED uint32_t next_ticket; /* atomic */
    struct slot slots[SLOTS];
} queue;

/* Of who holds it. Written by the holder; read by others only to die. */
static struct {
    uint32_t ticket;
    int64_t since_ns;
    const char *name;          /* atomic */
    void *stack[STACK_FRAMES]; /* debug builds; atomic */
    int nr_frames;
} holder;

static __thread bool is_mine;
static __thread struct bql_account *my_account;

/* ---- Accounts ---------------------------------------------------------------- */

static pthread_mutex_t accounts_lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf */
static struct bql_account *accounts; /* only grows, under accounts_lock; atomic */
static unsigned nr_accounts;         /* guarded by accounts_lock */

static struct bql_account *account_find(const char *name)
{
    struct bql_account *account = load_acquire(&accounts); /* pairs with account_of() */

    while (account && strcmp(account->name, name) != 0)
        account = account->next;
    return account;
}

static struct bql_account *account_of(const char *name)
{
    struct bql_account *account = account_find(name);

    if (account)
        return account;
    if (nr_accounts >= BQL_NAMES_MAX - 1) {
        name = "others";
        account = account_find(name);
        if (account)
            return account;
    }
    account = g_new0(struct bql_account, 1);
    account->name = g_strdup(name);
    account->next = accounts;
    nr_accounts++;
    store_release(&accounts, account); /* pairs with the acquires of readers of the list */
    return account;
}

void bql_for_each_account(void (*visit)(const struct bql_account *account, void *arg), void *arg)
{
    /* acquire: pairs with the release in account_of() */
    for (struct bql_account *a = load_acquire(&accounts); a; a = a->next)
        visit(a, arg);
}

struct json {
    FILE *out;
    bool is_begun;
};

static void account_print(const struct bql_account *account, void *arg)
{
    struct json *json = arg;
    FILE *out = json->out;

    if (json->is_begun)
        fputs(", ", out);
    json->is_begun = true;
    fputc('"', out);
    for (const char *c = account->name; *c; c++)
        fputc(*c == '"' || *c == '\\' || (unsigned char)*c < ' ' ? '_' : *c, out);
    fputs("\": {\"wait\": ", out);
    hist_print_json(&account->wait, out);
    fputs(", \"hold\": ", out);
    hist_print_json(&account->hold, out);
    fprintf(out, ", \"contended\": %" G_GUINT64_FORMAT ", \"slept\": %" G_GUINT64_FORMAT "}",
            load_relaxed(&account->contended), load_relaxed(&account->slept));
}

void bql_print_json(FILE *out)
{
    struct json json = { .out = out };

    fputc('{', out);
    bql_for_each_account(account_print, &json);
    fputc('}', out);
}

/* ---- Wrong use --------------------------------------------------------------- */

static void print_holder(void)
{
    void *stack[STACK_FRAMES];
    int nr = load_relaxed(&holder.nr_frames);

    if (nr == 0)
        return;
    for (int i = 0; i < nr; i++)
        stack[i] = load_relaxed(&holder.stack[i]);
    fputs("the BQL was taken at:\n", stderr);
    fflush(stderr);
    backtrace_symbols_fd(stack, nr, STDERR_FILENO);
}

static COLD void __attribute__((noreturn)) die(const char *what)
{
    const char *name = load_relaxed(&holder.name);

    lock_die(print_holder, "%s (holder: %s)", what, name ? name : "none");
}

static void remember_holder(const struct bql_account *account)
{
    store_relaxed(&holder.name, account->name);
#ifdef DEBUG_CHECKS
    void *stack[STACK_FRAMES];
    int nr = backtrace(stack, STACK_FRAMES);

    for (int i = 0; i < nr; i++)
        store_relaxed(&holder.stack[i], stack[i]);
    store_relaxed(&holder.nr_frames, nr);
#endif
}

/* ---- Forks and ends of threads --------------------------------------------------- */

static void fork_prepare(void)
{
    pthread_mutex_lock(&accounts_lock);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&accounts_lock);
}

/* Those who stood in line, or had just drawn a number, are not here. */
static void fork_child(void)
{
    pthread_mutex_unlock(&accounts_lock);
    if (!is_mine)
        return; /* its holder is not here either: bql.h forbids its use */
    queue.next_ticket = holder.ticket + 1;
    for (unsigned i = 0; i < SLOTS; i++)
        queue.slots[i].sequence = SEQUENCE_INIT;
}

/* Any thread, however it ends: nobody else could ever give it back. */
static void thread_ends(void *account UNUSED)
{
    if (is_mine)
        die("ends with the BQL held");
}

static pthread_key_t end_key;

static void prepare_process(void)
{
    int error = pthread_key_create(&end_key, thread_ends);

    if (!error)
        error = pthread_atfork(fork_prepare, fork_parent, fork_child);
    if (error)
        lock_die(NULL, "cannot watch forks and ends of threads: %s", strerror(error));
}

/* The calling thread's, at its first use of the BQL. */
static COLD struct bql_account *account_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int error;

    pthread_once(&once, prepare_process);
    pthread_mutex_lock(&accounts_lock);
    my_account = account_of(thread_name());
    pthread_mutex_unlock(&accounts_lock);
    error = pthread_setspecific(end_key, my_account);
    if (error)
        lock_die(NULL, "cannot be told when it ends: %s", strerror(error));
    return my_account;
}

static struct bql_account *account_get(void)
{
    return likely(my_account) ? my_account : account_new();
}

/* ---- The lock ---------------------------------------------------------------- */

static bool is_granted(uint32_t ticket)
{
    /* acquire: pairs with the release in grant(), so that we see what the last holder wrote */
    return load_acquire(&queue.slots[ticket % SLOTS].granted) == ticket;
}

static void grant(uint32_t ticket)
{
    struct slot *slot = &queue.slots[ticket % SLOTS];

    store_release(&slot->granted, ticket); /* pairs with the acquire in is_granted() */
    sequence_advance(&slot->sequence);
}

/* Only the next in line spins, and only while the one before it holds the lock. */
static bool spin(uint32_t ticket)
{
    for (int i = 0; i < SPINS; i++) {
        if (is_granted(ticket))
            return true;
        if (!is_granted(ticket - 1))
            return false;
        cpu_relax();
    }
    return false;
}

static void sleep_until_granted(uint32_t ticket)
{
    struct slot *slot = &queue.slots[ticket % SLOTS];

    for (;;) {
        uint32_t seen = sequence_prepare(&slot->sequence);

        if (is_granted(ticket)) {
            sequence_cancel(&slot->sequence);
            return;
        }
        (void)sequence_wait(&slot->sequence, seen, DEADLINE_NEVER); /* never times out */
    }
}

static void wait_in_line(uint32_t ticket, struct bql_account *account)
{
    bool is_reader = rcu_is_reading();

    fetch_add_relaxed(&account->contended, 1);
    if (is_reader)
        rcu_set_blocked_on("the BQL"); /* a stall report says so */
    if (!spin(ticket)) {
        fetch_add_relaxed(&account->slept, 1);
        sleep_until_granted(ticket);
    }
    if (is_reader)
        rcu_set_blocked_on(NULL);
}

void bql_lock(void) NO_THREAD_SAFETY
{
    struct bql_account *account = account_get();
    int64_t asked_ns, now_ns;
    uint32_t ticket;

    if (unlikely(is_mine))
        die("takes the BQL twice");
    lock_order_enter(&queue, "the BQL", RANK_BQL);
    asked_ns = now_ns = monotonic_ns();
    ticket = fetch_add_relaxed(&queue.next_ticket, 1); /* what orders is the grant */
    if (unlikely(!is_granted(ticket))) {
        wait_in_line(ticket, account);
        now_ns = monotonic_ns();
        TRACE1_AT(bql_wait, now_ns, now_ns - asked_ns);
    }
    is_mine = true;
    holder.ticket = ticket;
    holder.since_ns = now_ns;
    remember_holder(account);
    hist_record(&account->wait, (uint64_t)(now_ns - asked_ns));
}

void bql_unlock(void) NO_THREAD_SAFETY
{
    int64_t held_ns;

    if (unlikely(!is_mine))
        die("gives back the BQL, which it does not hold");
    held_ns = monotonic_ns() - holder.since_ns;
    TRACE1_AT(bql_hold, holder.since_ns + held_ns, held_ns);
    hist_record(&my_account->hold, (uint64_t)held_ns);
    is_mine = false;
    store_relaxed(&holder.name, NULL);
    lock_order_leave(&queue, "the BQL");
    grant(holder.ticket + 1);
}

bool bql_is_mine(void)
{
    return is_mine;
}

void bql_assert_held(void) NO_THREAD_SAFETY
{
    if (unlikely(!is_mine))
        die("should hold the BQL here, and does not");
}

unsigned bql_waiters(void)
{
    return load_relaxed(&queue.next_ticket) - holder.ticket - 1;
}

enum wait_result bql_wait(struct condition *condition, int64_t deadline_ns) NO_THREAD_SAFETY
{
    /* Under the BQL, so that no broadcast falls between the caller's look and the ticket. */
    uint32_t ticket = sequence_prepare(&condition->sequence);
    enum wait_result result;

    bql_unlock();
    lock_order_may_sleep();
    rcu_keep_promise();
    result = sequence_wait(&condition->sequence, ticket, deadline_ns);
    bql_lock();
    return result;
}

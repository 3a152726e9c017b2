/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Test Anything Protocol for tests of what may not use GLib.
 *
 *     static void adds_up(void) { is(1 + 1, 2); }
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const struct tap_test tests[] = { TAP_TEST(adds_up) };
 *         return TAP_RUN(tests, argc, argv);
 *     }
 *
 * A test is one line of the protocol. Its checks may be made from any thread,
 * and a failed one does not end it: `if (!ok(p)) return;` where it must. Names
 * on the command line choose tests. A crash, or a kill by the harness, is
 * reported under the name of the test that was running.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/annotate.h"
#include "util/atomic.h"

struct tap_test {
    const char *name;
    void (*run)(void);
};

#define TAP_TEST(function)                                                                         \
    {                                                                                              \
#function, function                                                                        \
    }
#define TAP_RUN(tests, argc, argv) tap_run((tests), ARRAY_SIZE(tests), (argc), (argv))

/* Each check says whether it held. */
#define ok(condition) tap_check((condition), #condition, __FILE__, __LINE__)
/* Two integers, of whatever types. */
#define is(got, want)                                                                              \
    tap_is(TAP_INTEGER_(got), TAP_INTEGER_(want), #got " is " #want, __FILE__, __LINE__)
#define is_str(got, want) tap_is_str((got), (want), #got, __FILE__, __LINE__)

/* End the test function here, as not run because of @reason. Checks that failed still count. */
#define skip(reason)                                                                               \
    do {                                                                                           \
        tap_state.skip_reason = (reason);                                                          \
        return;                                                                                    \
    } while (0)

/* End the whole program: what follows would mean nothing. */
#define bail_out(reason) tap_bail_out((reason), __FILE__, __LINE__)

static struct {
    const char *skip_reason; /* of the running test */
    const char *running;     /* "not ok N - name" of the running test; atomic */
    unsigned failed_checks;  /* of the running test; atomic */
} tap_state;

struct tap_integer {
    bool is_negative;
    unsigned long long magnitude;
};

static inline struct tap_integer tap_signed(long long value)
{
    const unsigned long long bits = (unsigned long long)value;

    return (struct tap_integer){ value < 0, value < 0 ? 0 - bits : bits };
}

static inline struct tap_integer tap_unsigned(unsigned long long value)
{
    return (struct tap_integer){ false, value };
}

/* clang-format off */
#define TAP_INTEGER_(value)                                                                        \
    _Generic((value), bool: tap_unsigned, unsigned char: tap_unsigned,                             \
             unsigned short: tap_unsigned, unsigned: tap_unsigned,                                 \
             unsigned long: tap_unsigned, unsigned long long: tap_unsigned,                        \
             default: tap_signed)(value)
/* clang-format on */

static inline bool tap_check(bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        fetch_add_relaxed(&tap_state.failed_checks, 1);
        printf("# %s:%d: failed: %s\n", file, line, what);
    }
    return holds;
}

static inline bool tap_is(struct tap_integer got, struct tap_integer want, const char *what,
                          const char *file, int line)
{
    const bool same = got.magnitude == want.magnitude && got.is_negative == want.is_negative;

    if (!tap_check(same, what, file, line)) {
        printf("#    got: %s%llu\n", got.is_negative ? "-" : "", got.magnitude);
        printf("#   want: %s%llu\n", want.is_negative ? "-" : "", want.magnitude);
    }
    return same;
}

static inline bool tap_is_str(const char *got, const char *want, const char *what, const char *file,
                              int line)
{
    const bool same = got && want ? strcmp(got, want) == 0 : got == want;

    if (!tap_check(same, what, file, line))
        printf("#    got: %s\n#   want: %s\n", got ? got : "(null)", want ? want : "(null)");
    return same;
}

static inline void __attribute__((noreturn))
tap_bail_out(const char *reason, const char *file, int line)
{
    printf("Bail out! %s:%d: %s\n", file, line, reason);
    fflush(stdout);
    _Exit(EXIT_FAILURE);
}

/* Where a sanitizer or the system had its own handler, it comes next: see tap_on_signal(). */
static struct {
    int number;
    void (*before)(int);
} tap_signals[] = { { SIGABRT, 0 }, { SIGSEGV, 0 }, { SIGILL, 0 }, { SIGFPE, 0 }, { SIGTERM, 0 } };

/* Names the test. On return a faulting instruction faults again, for the handler before us. */
static inline void tap_on_signal(int number)
{
    static const char reason[] = " (killed by a signal)\n";
    const char *running = load_relaxed(&tap_state.running);

    for (size_t i = 0; i < ARRAY_SIZE(tap_signals); i++) {
        if (tap_signals[i].number == number)
            signal(number, tap_signals[i].before);
    }
    if (running && (write(STDOUT_FILENO, running, (unsigned)strlen(running)) < 0 ||
                    write(STDOUT_FILENO, reason, sizeof(reason) - 1) < 0))
        _Exit(EXIT_FAILURE);
    if (number == SIGABRT || number == SIGTERM)
        raise(number);
}

static inline bool tap_is_chosen(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(name, argv[i]) == 0)
            return true;
    }
    return argc < 2;
}

/* Whether it passed. */
static inline bool tap_run_one(const struct tap_test *test, unsigned number)
{
    char line[256];

    (void)snprintf(line, sizeof(line), "not ok %u - %s", number, test->name);
    tap_state.failed_checks = 0;
    tap_state.skip_reason = NULL;
    fflush(stdout);
    store_relaxed(&tap_state.running, line);
    test->run();
    store_relaxed(&tap_state.running, NULL);
    if (load_relaxed(&tap_state.failed_checks)) {
        puts(line);
        return false;
    }
    printf("ok %u - %s%s%s\n", number, test->name, tap_state.skip_reason ? " # SKIP " : "",
           tap_state.skip_reason ? tap_state.skip_reason : "");
    return true;
}

static inline int tap_run(const struct tap_test *tests, size_t nr_tests, int argc, char **argv)
{
    unsigned nr_chosen = 0;
    bool is_failed = false;

    for (size_t i = 0; i < ARRAY_SIZE(tap_signals); i++)
        tap_signals[i].before = signal(tap_signals[i].number, tap_on_signal);
    for (size_t i = 0; i < nr_tests; i++) {
        if (tap_is_chosen(tests[i].name, argc, argv) && !tap_run_one(&tests[i], ++nr_chosen))
            is_failed = true;
    }
    if (nr_chosen == 0)
        bail_out("no test of that name");
    printf("1..%u\n", nr_chosen);
    return fflush(stdout) == 0 && !is_failed ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A membarrier for litmus tests in C: a handshake between two full fences and
 * one in the reader. POINT(n) is where it finds the reader if PLACE is n, and
 * a second one, in front of it, if FIRST is n.
 */
#ifndef TESTS_LITMUS_MEMBARRIER_H
#define TESTS_LITMUS_MEMBARRIER_H

#define FENCE atomic_thread_fence(memory_order_seq_cst);

#define DRIVER_BARRIER(ask, answer, answered) \
    FENCE \
    atomic_store_explicit(ask, 1, memory_order_relaxed); \
    answered = atomic_load_explicit(answer, memory_order_relaxed); \
    FENCE

#define HIT(ask, answer, asked) \
    asked = atomic_load_explicit(ask, memory_order_relaxed); \
    FENCE \
    atomic_store_explicit(answer, 1, memory_order_relaxed);

#define PASTE_(a, b, c, d) a##b##c##d
#define PASTE(a, b, c, d) PASTE_(a, b, c, d)
#define SECOND_(a, b, ...) b
#define SECOND(...) SECOND_(__VA_ARGS__, NO, NO)
#define IF_NO(...)
#define IF_YES(...) __VA_ARGS__
/* IF_SAME(3, 3, x) is x: SAME_3_3 brings a comma with it, SAME_3_4 is one word. */
#define IF_SAME(a, b, ...) PASTE(IF_, SECOND(PASTE(SAME_, a, _, b)), , )(__VA_ARGS__)
#define SAME_0_0 0, YES
#define SAME_1_1 0, YES
#define SAME_2_2 0, YES
#define SAME_3_3 0, YES
#define SAME_4_4 0, YES
#define SAME_5_5 0, YES
#define SAME_6_6 0, YES
#define SAME_7_7 0, YES
#define SAME_8_8 0, YES
#define SAME_9_9 0, YES
#define SAME_10_10 0, YES

#define POINT(n) \
    IF_SAME(FIRST, n, HIT(ask_first, answer_first, asked_first)) \
    IF_SAME(PLACE, n, HIT(ask, answer, asked))

#endif

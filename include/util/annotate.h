/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Claims that compilers check: which lock a function needs, who owns a result,
 * which branch is rare. No code, no dependencies; every header may include it.
 *
 * Lock claims are clang's thread-safety attributes. They work on *capabilities*
 * that are global objects (the bql, the rcu read side, a role such as "the
 * render thread"); a member guarded by a lock inside the same struct carries a
 * comment instead, because clang 14 cannot parse that claim in C.
 */
#ifndef UTIL_ANNOTATE_H
#define UTIL_ANNOTATE_H

#include <stddef.h>

#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif

/* A type whose objects can be held; @kind ("mutex", "role") appears in warnings. */
#define CAPABILITY(kind) TSA(capability(kind))

#define GUARDED_BY(cap) TSA(guarded_by(cap))
#define PT_GUARDED_BY(cap) TSA(pt_guarded_by(cap))
#define REQUIRES(...) TSA(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) TSA(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...) TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) TSA(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) TSA(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) TSA(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...) TSA(release_shared_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) TSA(try_acquire_capability(__VA_ARGS__))
#define ASSERT_HELD(...) TSA(assert_capability(__VA_ARGS__))
#define ASSERT_HELD_SHARED(...) TSA(assert_shared_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY TSA(no_thread_safety_analysis)

/*
 * Scope guards release through the cleanup attribute, which clang's analysis
 * follows from version 18 on. For older ones a guard only asserts that the lock
 * is held, so that the body is checked and the end of the scope is not.
 */
#if defined(__clang__) && __clang_major__ < 18
#define GUARD_ACQUIRE(...) ASSERT_HELD(__VA_ARGS__)
#define GUARD_ACQUIRE_SHARED(...) ASSERT_HELD_SHARED(__VA_ARGS__)
#define GUARD_RELEASE(...)
#define GUARD_RELEASE_SHARED(...)
#else
#define GUARD_ACQUIRE(...) ACQUIRE(__VA_ARGS__)
#define GUARD_ACQUIRE_SHARED(...) ACQUIRE_SHARED(__VA_ARGS__)
#define GUARD_RELEASE(...) RELEASE(__VA_ARGS__)
#define GUARD_RELEASE_SHARED(...) RELEASE_SHARED(__VA_ARGS__)
#endif

/* A nameable thing that is held: a lock's stand-in, a read side, or a thread's role. */
struct CAPABILITY("capability") capability {
    char unused;
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define COLD __attribute__((cold, noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define UNUSED __attribute__((unused))

/* The result of a constructor must be given to @free_fn, as its first argument. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define OWNED_BY(free_fn) __attribute__((malloc(free_fn, 1), warn_unused_result))
#else
#define OWNED_BY(free_fn) __attribute__((warn_unused_result))
#endif

/* 1 in builds with -fsanitize=thread: gcc and clang say so differently. */
#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#define THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define THREAD_SANITIZER 0
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of @type whose @member is at @ptr. NULL is not a valid @ptr. */
#define container_of(ptr, type, member)                                                            \
    __extension__({                                                                                \
        __typeof__(((type *)NULL)->member) *member_ptr_ = (ptr);                                   \
        (type *)(void *)((char *)member_ptr_ - offsetof(type, member));                            \
    })

/* What two threads write at once must not share a line: x86-64 fetches them in pairs of 64 B. */
#define CACHE_LINE 64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))

#endif

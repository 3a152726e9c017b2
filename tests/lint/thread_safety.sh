#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Whether clang accepts the right and refuses the wrong uses of locks that
# thread_safety.c holds. Usage: thread_safety.sh SOURCE_ROOT; prints TAP.
set -u
root=$1
cases=12

clang=
for name in ${CLANG:-} clang-19 clang-14 clang; do
    if command -v "$name" >/dev/null 2>&1; then
        clang=$name
        break
    fi
done
if [ -z "$clang" ]; then
    echo "1..0 # SKIP no clang"
    exit 0
fi

analyse() {
    "$clang" -std=gnu11 -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -Wthread-safety -Werror \
        -I"$root/include" -DCASE="$1" "$root/tests/lint/thread_safety.c" 2>&1
}

major=$("$clang" -dumpversion | cut -d. -f1)
echo "1..$((cases + 1))"
if messages=$(analyse 0); then
    echo "ok 1 - $clang is silent on right code"
else
    printf '%s\n' "$messages" | sed 's/^/# /'
    echo "not ok 1 - $clang is silent on right code"
fi
n=1
while [ "$n" -le "$cases" ]; do
    messages=$(analyse "$n")
    if [ "$n" -eq 12 ] && [ "$major" -lt 18 ]; then
        echo "ok $((n + 1)) - wrong case $n # SKIP clang $major does not follow cleanup"
    elif printf '%s\n' "$messages" | grep -q 'error: .*-Wthread-safety' &&
        [ "$(printf '%s\n' "$messages" | grep -c 'error: ')" -eq 1 ]; then
        echo "ok $((n + 1)) - wrong case $n is refused"
    else
        printf '%s\n' "$messages" | sed 's/^/# /'
        echo "not ok $((n + 1)) - wrong case $n is refused"
    fi
    n=$((n + 1))
done

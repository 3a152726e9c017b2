#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the README tells a newcomer to type, typed on a machine that has nothing: a minimal Debian
# made by debootstrap, a fresh clone of what is committed here.
#
#     tests/check/bare.sh [SUITE...]        bookworm and trixie, if there are none
#
# As root: it needs chroot. Output: Test Anything Protocol. What the commands said stays in LOGS
# (build-logs/bare), the system itself does not.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C.UTF-8

MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
LOGS=${LOGS:-build-logs}/bare
PATH=$PATH:/usr/sbin:/sbin
number=0
system= # the one that is there now
child=  # what runs in it

point() { # "ok" or "not ok", NAME
    number=$((number + 1))
    printf '%s %d - %s\n' "$1" "$number" "$2"
}

skip_all() {
    printf '1..0 # SKIP %s\n' "$1"
    exit 0
}

# What git and apt need before the README's first line, as it says; nothing else.
make_system() { # SUITE FOLDER
    debootstrap --variant=minbase --include=ca-certificates,git "$1" "$2" "$MIRROR"
}

clone_into() { # FOLDER
    git clone --quiet --no-hardlinks . "$1/root/gracevm" &&
        cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# In a mount and process namespace of its own: what it mounts and starts ends with it.
# Only SIGKILL ends unshare(1) while it waits.
enter() { # FOLDER COMMAND
    # shellcheck disable=SC2016 # expanded by the shell in the namespace
    exec unshare --mount --pid --fork --kill-child bash -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
            exec chroot "$1" /usr/bin/env -i HOME=/root TERM=dumb \
                PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -c "cd /root/gracevm && $2"' \
        enter "$1" "$2" </dev/null
}

try() { # SUITE FOLDER COMMAND NAME
    local log=$LOGS/$1.$number.log start=$SECONDS name="$1: $4"
    enter "$2" "$3" >"$log" 2>&1 &
    child=$!
    if wait "$child"; then
        point ok "$name"
        printf '# %d s\n' $((SECONDS - start))
    else
        point 'not ok' "$name"
        tail -n 15 "$log" | sed 's/^/# /'
    fi
}

remove_system() {
    [ -z "$system" ] || rm -rf --one-file-system "$system"
    system=
}

# The demo meets a system that has nothing at all. Its fallback would be a success too.
DEMO='./demo && grep -q "\"fallback\": \"\"" demo-results/results.json &&
    [ -s demo-results/latency.svg ] && [ -s demo-results/forced-kmscube.png ]'

try_suite() {
    system=$(mktemp -d "${TMPDIR:-/var/tmp}/gracevm-bare-XXXXXX") || exit 1
    if ! make_system "$1" "$system" >"$LOGS/$1.system.log" 2>&1; then
        point ok "$1: a minimal system # SKIP $(tail -n 1 "$LOGS/$1.system.log")"
    elif ! clone_into "$system" >>"$LOGS/$1.system.log" 2>&1; then
        point 'not ok' "$1: a clone in a minimal system"
        tail -n 5 "$LOGS/$1.system.log" | sed 's/^/# /'
    else
        try "$1" "$system" "$DEMO" './demo: a table, a plot and a picture'
        try "$1" "$system" "$DEMO" './demo again: nothing is to be set up'
        try "$1" "$system" './check --quick' './check --quick'
    fi
    remove_system
}

[ "$(id -u)" -eq 0 ] || skip_all 'needs root, for chroot'
type -P debootstrap >/dev/null || skip_all 'no debootstrap'
unshare --mount true 2>/dev/null || skip_all 'no namespace can be made here'
[ -z "$(git status --porcelain)" ] || printf '# not committed, so not tried: some changes\n'
mkdir -p "$LOGS"
[ $# -gt 0 ] || set -- bookworm trixie
trap remove_system EXIT
trap 'kill -KILL "$child"; wait; exit 1' INT TERM HUP
for suite in "$@"; do
    try_suite "$suite"
done
printf '1..%d\n' "$number"

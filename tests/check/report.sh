# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What ./check says while it runs and at its end, and how it runs commands so that it can end them.

LOGS=build-logs # one log a step; ignored by git, as all build-*/ are
RESULTS=$LOGS/results
TIMES=$LOGS/times
child= # the process group that runs now

say() {
    printf '%s\n' "$*" >&"$SAY_TO"
}

die() {
    printf 'check: %s\n' "$*" >&2
    exit 1
}

start_report() {
    rm -rf "$LOGS"
    mkdir -p "$LOGS"
    : >"$RESULTS"
    : >"$TIMES"
}

# passed NUMBER; failed WHAT WHY LOG; skipped WHAT WHY. WHY is last: it may be empty, and `read`
# takes two tabs for one.
passed() { printf 'pass\t%s\n' "$1" >>"$RESULTS"; }
failed() {
    printf 'fail\t%s\t%s\t%s\n' "$1" "$3" "$2" >>"$RESULTS"
    say "   FAILED: $1${2:+ ($2)}; log: $3"
}
said() { printf 'said\t%s\n' "$1" >>"$RESULTS"; } # by what failed last
skipped() { printf 'skip\t%s\t%s\n' "$1" "$2" >>"$RESULTS"; }

total() {
    awk -F '\t' -v kind="$1" '$1 == kind { n += kind == "pass" ? $2 : 1 }
                              END { print n + 0 }' "$RESULTS"
}

# part TITLE FUNCTION [ARGUMENT...]: run it, and note what it took.
part() {
    local title=$1 start=$SECONDS good bad skip
    shift
    say "== $title"
    good=$(total pass) bad=$(total fail) skip=$(total skip)
    "$@"
    printf '%4d s  %s\n' $((SECONDS - start)) "$title" >>"$TIMES"
    say "   $(($(total pass) - good)) good, $(($(total fail) - bad)) failed," \
        "$(($(total skip) - skip)) skipped, $((SECONDS - start)) s"
}

# run LOG COMMAND...: in a process group of its own (set -m), so that stop_child reaches all of it.
run() {
    local log=$1 status=0
    shift
    printf '$ %s\n' "$*" >>"$log"
    "$@" </dev/null >>"$log" 2>&1 &
    child=$!
    wait "$child" || status=$?
    child=
    return "$status"
}

# Meson's test runner puts each test in a session of its own and ends them all on SIGTERM, so it
# gets the time for that.
stop_child() {
    local group=$child
    [ -n "$group" ] || return 0
    child=
    kill -TERM -- "-$group" 2>/dev/null || return 0 # it has ended by itself
    for _ in $(seq 100); do
        kill -0 -- "-$group" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$group" 2>/dev/null || return 0
}

interrupted() {
    trap '' INT TERM HUP
    stop_child
    printf 'check: interrupted\n' >&2
    exit 130
}

# The summary; the sum is the last line, and the exit status is 0 if nothing failed.
finish_report() {
    local kind what why log
    if [ "$(total skip)" -gt 0 ]; then
        say '== skipped'
        while IFS=$'\t' read -r _ what why; do
            say "   $what: $why"
        done < <(grep '^skip' "$RESULTS")
    fi
    if [ "$(total fail)" -gt 0 ]; then
        say '== failed'
        while IFS=$'\t' read -r kind what log why; do
            case $kind in
            fail) say "   $what${why:+ ($why)}; log: $log" ;;
            said) say "     | $what" ;;
            esac
        done <"$RESULTS"
    fi
    say '== time'
    say "$(cat "$TIMES")"
    say "$(printf '%4d s  in all' "$SECONDS")"
    say "$(total pass) passed, $(total fail) failed, $(total skip) skipped"
    [ "$(total fail)" -eq 0 ] && [ "$(total pass)" -gt 0 ]
}

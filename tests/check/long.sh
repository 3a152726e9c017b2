# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The forms of ./check that take as long as one likes: --soak and --bench.

soak_torture() {
    build_main && suites soak-torture build torture -- --timeout-multiplier 0 \
        "--test-args=-t $1 -s $2"
    build_tsan build-tsan && suites soak-torture build-tsan torture -- --timeout-multiplier 0 \
        "--test-args=-t $1 -s $2"
}

soak_fuzz() {
    build_fuzz && suites soak-fuzz build-fuzz fuzz -- --timeout-multiplier 0 \
        "--test-args=-runs=$1"
}

soak_streams() {
    build_main && suites soak-streams build streams -- --timeout-multiplier 0 \
        "--test-args=-runs=$1 -seed=$2"
}

soak_boots() {
    build_main && suites soak-boots build linux-soak -- "--test-args=--soak $1"
}

soak_desktop() {
    build_main && suites soak-desktop build linux-desktop
}

soak_nested() {
    build_main && suites soak-nested build nested
}

soak_bare() {
    build_main && suites soak-bare build bare
}

get_soak_packages() {
    get_packages full
    get_packages soak
}

soak() {
    local seconds=300 seed=$((RANDOM * 32768 + RANDOM)) runs=10000000 boots=100 streams=1000
    while [ $# -gt 0 ]; do
        [[ ${2:-} =~ ^[0-9]+$ ]] || bad_usage "$1: a number must follow"
        case $1 in
        --seconds) seconds=$2 ;;
        --seed) seed=$2 ;;
        --runs) runs=$2 ;;
        --boots) boots=$2 ;;
        --streams) streams=$2 ;;
        *) bad_usage "unknown option: $1" ;;
        esac
        shift 2
    done
    part 'packages' get_soak_packages
    part "torture: $seconds s each, seed $seed; also under thread sanitizer" \
        soak_torture "$seconds" "$seed"
    part "fuzzing: $runs inputs each" soak_fuzz "$runs"
    part "GL streams: $streams processes" soak_streams "$streams" "$((seed % 1000000))"
    part "Linux: $boots boots in a row" soak_boots "$boots"
    part 'Linux: a desktop' soak_desktop
    part 'KVM, on an emulated processor' soak_nested
    part 'bare Debians, where the README is followed' soak_bare
    finish_report
}

# Benchmarks there are, by name.
bench_names() {
    find build-release/tests/bench -maxdepth 1 -name 'bench_*' -type f -perm -u+x |
        sed 's,.*/bench_,,' | sort
}

# run_bench NAME: its rows on standard output. False if it failed or a bar does not hold.
run_bench() {
    local rows=$LOGS/bench_$1.json status
    say "== $1"
    "build-release/tests/bench/bench_$1" </dev/null >"$rows" &
    child=$!
    wait "$child"
    status=$?
    child=
    cat "$rows"
    [ "$status" -eq 0 ] || say "   $1: exit $status"
    [ -s "$rows" ] || say "   $1: printed no rows"
    [ "$status" -eq 0 ] && [ -s "$rows" ] && ! grep -qE '"holds": *false' "$rows"
}

bench() {
    local name status=0 known
    get_packages bench
    build_release || exit 1
    known=$(bench_names)
    [ -n "$known" ] || die 'no benchmark was built'
    for name in "$@"; do
        grep -qxF -e "$name" <<<"$known" ||
            bad_usage "no benchmark $name; there are: ${known//$'\n'/ }"
    done
    # shellcheck disable=SC2086 # names without spaces
    [ $# -gt 0 ] || set -- $known
    for name in "$@"; do
        run_bench "$name" || status=1
    done
    return "$status"
}

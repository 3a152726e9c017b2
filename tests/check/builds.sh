# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Builds and test runs. A build is a check of its own; Meson's results are counted by count.py.

# build DIR [MESON_OPTION...]: configure where needed, and build all or $TARGET. CC is honoured by
# Meson.
build() {
    local dir=$1 log=$LOGS/$1.build.log stamp
    shift
    stamp="$PWD ${CC:-} $*" # a build folder does not move
    if [ ! -f "$dir/build.ninja" ] || [ "$(cat "$dir/check-options" 2>&1)" != "$stamp" ]; then
        rm -rf "$dir"
        run "$log" meson setup "$dir" "$@" && echo "$stamp" >"$dir/check-options"
    fi && run "$log" ninja -C "$dir" ${TARGET:+"$TARGET"}
    local status=$?
    if [ "$status" -eq 0 ]; then
        passed 1
    else
        failed "$dir" 'does not build' "$log"
        grep -E '(: error:|ERROR:|undefined reference)' "$log" | head -n 5 |
            cut -c 1-200 >&"$SAY_TO"
    fi
    return "$status"
}

# suites NAME DIR SUITE... [-- MESON_TEST_OPTION...]: run them, and count each result. NAME is
# what the logs are called.
suites() {
    local name=$1 dir=$2 log=$LOGS/$2.$1.log wanted=() choose=() status=0 counted kind what why
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        wanted+=("$1")
        choose+=(--suite "$1")
        shift
    done
    [ $# -eq 0 ] || shift
    rm -f "$dir/meson-logs/$name.json"
    run "$log" meson test -C "$dir" --no-rebuild --logbase "$name" --print-errorlogs \
        --num-processes "$(nproc)" "${choose[@]}" "$@" || status=$?
    counted=$LOGS/$dir.$name.counted
    if ! python3 tests/check/count.py "$dir" "$name" "${wanted[@]}" >"$counted" 2>>"$log"; then
        failed "$dir" 'its results cannot be counted' "$log"
    fi
    if [ "$status" -ne 0 ] && ! grep -q '^fail' "$counted"; then
        failed "$dir: ${wanted[*]}" "meson test: exit $status" "$log"
    fi
    while IFS=$'\t' read -r kind what why; do
        case $kind in
        pass) passed "$what" ;;
        skip) skipped "$dir: $what" "$why" ;;
        fail) failed "$dir: $what" "$why" "$log" ;;
        said) said "$what" ;;
        esac
    done <"$counted"
}

build_main() { CC=gcc build build; }
build_fuzz() {
    CC=$(find_clang 14) build build-fuzz -Dfuzz=true -Db_sanitize=address,undefined \
        -Db_lundef=false
}
build_release() { CC=gcc build build-release -Dbuildtype=release; }
build_asan() {
    CC=gcc build build-asan -Db_sanitize=address,undefined -Ddebug_checks=true
}
# clang: gcc refuses to compile fences for the thread sanitizer (-Wtsan).
build_tsan() {
    local dir=$1
    shift
    CC=$(find_clang 14) build "$dir" -Db_sanitize=thread -Db_lundef=false "$@"
}

check_main() {
    build_main && suites all build unit torture litmus fuzz x86 lint guest ui tool
}
check_linux() {
    build_main && suites linux build linux
}
check_demo() {
    build_main && suites demo build demo
}
check_quick() {
    build_main && suites quick build unit fuzz lint
}
check_clang14() { # whose other build, of everything, is that with the thread sanitizer
    build_fuzz && suites fuzz build-fuzz fuzz
}
check_clang19() {
    CC=$(find_clang 19) build build-clang19 && suites unit build-clang19 unit
}
check_asan() {
    build_asan && suites all build-asan unit torture guest x86 ui tool
}
check_tsan() {
    build_tsan build-tsan && suites all build-tsan unit torture guest x86
}
check_mutants() {
    local TARGET=mutants # the programs that hold them
    CC=gcc build build-mutants -Dmutants=true && suites mutants build-mutants mutants
    build_tsan build-mutants-tsan -Dmutants=true && suites mutants build-mutants-tsan mutants
}
check_pthread() {
    CC=gcc build build-pthread -Dfutex=pthread -Dcore_only=true &&
        suites all build-pthread unit torture
}
check_release() {
    build_release && suites unit build-release unit
}

check_32() {
    if ! compiles gcc -m32; then
        skipped '32-bit build and tests' 'gcc -m32 does not work: package gcc-multilib'
        return
    fi
    build build-32 --cross-file tests/cross/linux32.ini -Dcore_only=true &&
        suites all build-32 unit torture
}

check_windows() {
    if ! has "$MINGW_CC"; then
        skipped 'Windows build and tests' 'no compiler: package gcc-mingw-w64-x86-64-posix'
        return
    fi
    build build-mingw --cross-file tests/cross/mingw64.ini || return
    if ! has wine; then
        skipped 'Windows tests' 'nothing to run them: package wine'
        return
    fi
    export WINEPREFIX=$PWD/build-mingw/wine WINEDEBUG=-all
    # The first start makes Wine's folder, which takes longer than a test may.
    if run "$LOGS/wine.log" wine wineboot --init; then
        suites unit build-mingw unit
    else
        failed 'Windows tests' 'wineboot failed' "$LOGS/wine.log"
    fi
    run "$LOGS/wine.log" wineserver --kill || say "   wineserver had ended; log: $LOGS/wine.log"
}

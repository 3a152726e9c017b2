#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# libfuzzer.sh FUZZER CORPUS [OPTION...]: runs FUZZER from the inputs in CORPUS, which stay as they
# are. What it finds new is dropped; an input that fails is kept beside FUZZER, as libFuzzer says.
set -eu

fuzzer=$1
corpus=$2
shift 2

found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
if [ -d "$corpus" ]; then
    cp -R "$corpus/." "$found"
fi
# libFuzzer's own status for a fault is 77, which Meson takes for a skipped test.
"$fuzzer" -error_exitcode=1 -seed=1 -artifact_prefix="$fuzzer-" "$@" "$found"

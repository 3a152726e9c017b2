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
"$fuzzer" -seed=1 -artifact_prefix="$fuzzer-" -print_final_stats=1 "$@" "$found"

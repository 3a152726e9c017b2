#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Becomes bench_boot in the build folder.
exec python3 '@SOURCE@/tests/bench/boot.py' '@PROGRAM@' "$@"

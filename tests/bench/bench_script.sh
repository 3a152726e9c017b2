#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Becomes bench_NAME in the build folder, for each benchmark in Python.
exec python3 '@SOURCE@/tests/bench/@NAME@.py' @ARGUMENTS@ "$@"

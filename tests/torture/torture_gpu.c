/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The window of a virtio-gpu under torture. Options: torture_main.h. */
#include "tests/torture/torture_gpu.h"
#include "tests/torture/torture_main.h"
#include "util/annotate.h"

static const struct scenario scenarios[] = { { "storm", gpu_storm_run } };

int main(int argc, char **argv)
{
    return torture_main(argc, argv, scenarios, ARRAY_SIZE(scenarios), 6);
}

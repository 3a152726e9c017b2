/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupt controllers under torture. Options: torture_main.h. */
#include "tests/torture/irq_machine.h"
#include "tests/torture/torture_main.h"

static const struct scenario scenarios[] = {
    { "lost", lost_run },   { "single", single_run },       { "level", level_run },
    { "timer", timer_run }, { "one-timer", one_timer_run }, { "route", route_run },
};

int main(int argc, char **argv)
{
    return torture_main(argc, argv, scenarios, ARRAY_SIZE(scenarios), 6);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software processor against its promises (design.md §13): what it makes of bare-metal
 * programs, compared with QEMU's under TCG and with this machine; and how soon a kick ends its
 * section.
 *
 *   bench_cpu [GROUP...]    groups: kernels, kick; none is both
 */
#include <signal.h>

#include "place.h"
#include "rows_cpu.h"
#include "scene.h"

int main(int argc, char **argv)
{
    const char *reason = NULL;
    struct qemu qemu;
    bool has_qemu = false;

    signal(SIGPIPE, SIG_IGN);
    bench_begin("cpu", argc, argv);
    if (bench_wants("kernels"))
        has_qemu = qemu_start(&qemu, PAYLOAD, &reason); /* before there are threads, and pins */
    scene_begin();
    if (bench_wants("kernels"))
        rows_kernels(has_qemu ? &qemu : NULL, reason);
    if (has_qemu)
        qemu_stop(&qemu);
    if (bench_wants("kick"))
        rows_kick();
    scene_end();
    return bench_end();
}

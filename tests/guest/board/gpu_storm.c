/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long mapping and unmapping take, from inside: from before the doorbell until the used ring is
 * seen to have the answer. A round maps, touches each page and unmaps, and in between asks for
 * other things, to know what is the unmap's doing. On the command line:
 *
 *     rounds=  size= (KiB)  live= (other buffers that are mapped)
 *     wait=halt|poll        this processor halts until the interrupt, or looks at the ring for ever
 *     busy=none|memory|window  what another one does, with interrupts off: halts, spins on its own
 *                           memory, or on the pages that are mapped and unmapped
 *     test=latency|leak     the second makes and ends buffers, and lets others look
 *                           before and after
 *
 * Each figure goes out, in nanoseconds: "series NAME: N N N ...".
 */
#include "tests/guest/board/gpu_commands.h"

enum {
    CONTEXT = 1,
    OTHER_CONTEXT = 2,
    BUFFER = 1,
    FIRST_LIVE = 2,
    ROUNDS_MAX = 20000,
    WARM_UP = 20, /* rounds that are not counted */
    A_LINE = 12,
};

enum series { MAP, UNMAP, ALONE, BEHIND_UNMAP, BEHIND_OTHER, NR_SERIES };
static const char *const names[NR_SERIES] = {
    [MAP] = "map",
    [UNMAP] = "unmap",
    [ALONE] = "no-op alone",
    [BEHIND_UNMAP] = "no-op behind unmap",
    [BEHIND_OTHER] = "no-op behind another",
};

static struct gpu gpu;
static u64 rounds, size, nr_live, nr_bad;
static u64 window_offset; /* of the buffer */
static volatile bool is_enough;
static unsigned nr_figures[NR_SERIES];

static u64 *figures_of(enum series series)
{
    return (u64 *)ARENA + (u64)series * ROUNDS_MAX;
}

static void note(enum series series, unsigned command)
{
    const struct gpu_command *done = gpu_command(command);

    if (nr_figures[series] < ROUNDS_MAX)
        figures_of(series)[nr_figures[series]++] = done->ended - done->began;
}

static void expect(u32 answer, u32 wanted)
{
    if (answer != wanted && nr_bad++ == 0)
        say("# answer 0x%x, not 0x%x\n", answer, wanted);
}

/* ---- The other processor --------------------------------------------------------------------- */

static volatile u64 turns; /* of the spinning one with the highest number */

static void spin_in_memory(void *unused)
{
    (void)unused;
    while (!is_enough)
        turns++;
}

static void spin_in_window(void *unused)
{
    volatile u32 *const at = (volatile u32 *)(gpu.window_at + window_offset);

    (void)unused;
    while (!is_enough) {
        (void)*at;
        turns++;
    }
}

static void halt_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void occupy_others(void)
{
    const unsigned cpus = (unsigned)parameter("cpus", 1);

    start_processors(cpus);
    for (unsigned i = 1; i < cpus; i++)
        start_on(i,
                 parameter_is("busy", "memory")   ? spin_in_memory
                 : parameter_is("busy", "window") ? spin_in_window
                                                  : halt_for_ever,
                 NULL);
}

/* Where the host has other things to do as well, a processor that does not run stalls nobody. */
static void wait_for_spinner(void)
{
    const u64 before = turns;

    while (nr_cpus > 1 && !parameter_is("busy", "none") && turns - before < 2)
        relax();
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static unsigned begin_map(void)
{
    struct virtio_gpu_resource_map_blob request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 0),
        .resource_id = BUFFER,
        .offset = window_offset,
    };

    return gpu_begin(&gpu, &request, sizeof(request), NULL, 0);
}

static unsigned begin_unmap(void)
{
    wait_for_spinner();
    return gpu_leave_begin(&gpu, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, BUFFER, false);
}

/* What is answered at once: as much to do before the no-op as an unmap, but for what it is. */
static unsigned begin_other(void)
{
    const struct virtio_gpu_ctrl_hdr request = gpu_header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 0);

    wait_for_spinner();
    return gpu_begin(&gpu, &request, sizeof(request), NULL, 0);
}

static void map_and_touch(void)
{
    const unsigned map = begin_map();

    expect(gpu_finish(&gpu, map), OK_MAP);
    note(MAP, map);
    for (u64 at = 0; at < size; at += PAGE)
        *(volatile u32 *)(gpu.window_at + window_offset + at) = (u32)at;
}

/* A fenced no-op of another context, right behind @before. */
static void no_op_behind(unsigned before, u32 answer, enum series series)
{
    const unsigned no_op = gpu_no_op_begin(&gpu, OTHER_CONTEXT, true);

    expect(gpu_finish(&gpu, no_op), OK_NODATA);
    note(series, no_op);
    expect(gpu_finish(&gpu, before), answer);
}

static void one_round(void)
{
    unsigned command;

    map_and_touch();
    command = begin_unmap();
    expect(gpu_finish(&gpu, command), OK_NODATA);
    note(UNMAP, command);

    command = gpu_no_op_begin(&gpu, OTHER_CONTEXT, true);
    expect(gpu_finish(&gpu, command), OK_NODATA);
    note(ALONE, command);

    map_and_touch();
    no_op_behind(begin_unmap(), OK_NODATA, BEHIND_UNMAP);
    no_op_behind(begin_other(), VIRTIO_GPU_RESP_OK_DISPLAY_INFO, BEHIND_OTHER);
}

static void measure(void)
{
    for (u64 i = 0; i < WARM_UP; i++)
        one_round();
    memset(nr_figures, 0, sizeof(nr_figures));
    for (u64 i = 0; i < rounds; i++)
        one_round();
}

static void tell(enum series series)
{
    const u64 *figures = figures_of(series);

    for (unsigned i = 0; i < nr_figures[series]; i++) {
        if (i % A_LINE == 0)
            say("%sseries %s:", i ? "\n" : "", names[series]);
        say(" %lu", nanoseconds(figures[i]));
    }
    say("\n");
}

/* ---- Leaks ----------------------------------------------------------------------------------- */

/* The one who drives looks at the machine, and then sends something. */
static void let_look(const char *when)
{
    say("storm: %s\n", when);
    (void)get_character();
}

/* From a buffer's beginning to its end. */
static void one_life(void)
{
    gpu_buffer(&gpu, CONTEXT, BUFFER, (u32)size);
    map_and_touch();
    expect(gpu_unmap(&gpu, BUFFER), OK_NODATA);
    expect(gpu_detach(&gpu, CONTEXT, BUFFER), OK_NODATA);
    expect(gpu_unref(&gpu, BUFFER), OK_NODATA);
}

static void live_only(void)
{
    expect(gpu_unref(&gpu, BUFFER), OK_NODATA);
    for (u64 i = 0; i < rounds / 10; i++)
        one_life();
    let_look("before");
    for (u64 i = 0; i < rounds; i++)
        one_life();
    let_look("after");
}

/* ---- Preparation ----------------------------------------------------------------------------- */

static void make_live(void)
{
    for (u64 i = 0; i < nr_live; i++) {
        gpu_buffer(&gpu, CONTEXT, FIRST_LIVE + (u32)i, PAGE);
        expect(gpu_map(&gpu, FIRST_LIVE + (u32)i, i * PAGE), OK_MAP);
    }
    window_offset = (nr_live * PAGE + size - 1) / size * size;
}

void payload_main(void)
{
    rounds = parameter("rounds", 100);
    size = parameter("size", 64) << 10;
    nr_live = parameter("live", 0);
    if (!check(gpu_find(&gpu) && gpu_start(&gpu, GPU_FEATURES), "a GPU") ||
        !check(rounds <= ROUNDS_MAX && size && size % PAGE == 0, "parameters") ||
        !check(nr_live * PAGE + 2 * size <= gpu.window_size, "a window for them"))
        return;
    is(gpu_context_create(&gpu, CONTEXT, VIRTIO_GPU_CAPSET_VIRGL2), OK_NODATA, "a context");
    is(gpu_context_create(&gpu, OTHER_CONTEXT, VIRTIO_GPU_CAPSET_VIRGL2), OK_NODATA, "another");
    make_live();
    gpu_buffer(&gpu, CONTEXT, BUFFER, (u32)size);
    if (parameter_is("wait", "halt"))
        check(gpu_use_interrupts(&gpu), "interrupts");
    occupy_others();
    if (parameter_is("test", "leak"))
        live_only();
    else
        measure();
    is_enough = true;
    is(nr_bad, 0, "all was answered as it should be");
    for (enum series i = 0; i < NR_SERIES; i++)
        if (nr_figures[i] && !parameter_is("test", "leak"))
            tell(i);
}

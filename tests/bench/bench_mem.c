/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory map: what a change costs beside 1, 100 and 4000 blobs (design.md §7:
 * the last within three times the first, freeing of the old view included), and
 * what looking up and access cost.
 *
 *   bench_mem [GROUP...]    change, lookup, access; none is all
 */
#include <assert.h>
#include <time.h>

#include <sys/mman.h>

#include "bench.h"
#include "hw/mem/access.h"
#include "hw/mem/code_gate.h"
#include "hw/mem/dma.h"
#include "place.h"
#include "util/clock.h"
#include "util/start.h"

enum {
    SIZES = 3,
    BLOB_BYTES = 16 * RAM_PAGE,
    SLOT_BYTES = 2 * BLOB_BYTES, /* a hole behind each */
    CHANGES = 400,               /* samples of each kind at each size, interleaved */
    CYCLES = 64,                 /* of map and unmap in a sample of processor time */
    CPU_SAMPLES = 60,
    LOOKUPS = 2000, /* shorter than a time slice */
    LOOP_SAMPLES = 600,
};

static const unsigned sizes[SIZES] = { 1, 100, 4000 };
static const char *const size_names[SIZES] = { "1 region", "100 regions", "4000 regions" };

/* ---- Scenes ------------------------------------------------------------------------------ */

struct scene {
    struct mem *mem;
    struct region *window;
    struct space *space;
    struct region **blobs;
    unsigned nr_blobs;
    uint32_t random;
};

static uint8_t *memory;      /* of all blobs: nobody looks what is in it */
static uint64_t released_ns; /* when the blob that was taken out last was; 0: not yet; atomic */

static uint32_t draw(struct scene *scene, uint32_t n)
{
    scene->random = scene->random * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)scene->random * n >> 32);
}

static void on_released(void *opaque)
{
    (void)opaque;
    store_release(&released_ns, (uint64_t)monotonic_ns());
}

static void must(bool is_done)
{
    if (!is_done)
        abort();
}

static void map(struct scene *scene, unsigned number) REQUIRES(bql)
{
    struct region *blob = region_new_host(scene->mem, "blob", memory, BLOB_BYTES, false);

    region_on_released(blob, on_released, NULL);
    scene->blobs[number] = blob;
    must(region_add(scene->window, (uint64_t)number * SLOT_BYTES, blob, 0, NULL));
}

static void unmap(struct scene *scene, unsigned number) REQUIRES(bql)
{
    must(region_del(scene->blobs[number], NULL));
    region_unref(scene->blobs[number]);
}

/* One slot more than blobs, so that there is somewhere to map to. */
static struct scene scene_new(unsigned nr_blobs) REQUIRES(bql)
{
    struct scene scene = { .mem = mem_new(), .nr_blobs = nr_blobs, .random = 1 };

    scene.window = region_new_container(scene.mem, "window", (nr_blobs + 1) * (uint64_t)SLOT_BYTES);
    scene.space = space_new(scene.mem, "memory", scene.window);
    scene.blobs = g_new0(struct region *, nr_blobs + 1);
    mem_begin(scene.mem);
    for (unsigned i = 0; i < nr_blobs; i++)
        map(&scene, i);
    must(mem_commit(scene.mem, NULL));
    return scene;
}

static void scene_free(struct scene *scene) REQUIRES(bql)
{
    mem_begin(scene->mem);
    for (unsigned i = 0; i < scene->nr_blobs; i++)
        unmap(scene, i);
    must(mem_commit(scene->mem, NULL));
    space_free(scene->space);
    region_unref(scene->window);
    drain_call_rcu();
    mem_free(scene->mem);
    g_free(scene->blobs);
}

/* ---- Changes --------------------------------------------------------------------------------- */

static struct samples map_ns[SIZES], unmap_ns[SIZES], release_us[SIZES], cpu_us[SIZES];

/* Unmap a blob and wait for its release as a main loop would, then map it again. */
static void change_once(struct scene *scene, unsigned size)
{
    unsigned number = draw(scene, scene->nr_blobs);
    int64_t start, committed;

    store_relaxed(&released_ns, 0);
    rcu_promise_drive(true); /* as the main loop does: what is queued wakes nobody yet */
    bql_lock();
    start = monotonic_ns();
    unmap(scene, number);
    committed = monotonic_ns();
    bql_unlock();
    force_rcu();
    while (load_acquire(&released_ns) == 0)
        (void)rcu_drive_forced(50 * NS_PER_US);
    samples_add(&unmap_ns[size], (double)(committed - start));
    samples_add(&release_us[size], (double)((int64_t)load_relaxed(&released_ns) - start) / 1e3);

    bql_lock();
    start = monotonic_ns();
    map(scene, number);
    samples_add(&map_ns[size], (double)(monotonic_ns() - start));
    bql_unlock();
    rcu_keep_promise();
    rcu_promise_drive(false);
    drain_call_rcu(); /* of the view before the map: not in the next sample */
}

static double processor_us(void)
{
    struct timespec now;

    must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* What all threads have used, until all is freed. */
static void cycle_many(struct scene *scene, unsigned size) REQUIRES(bql)
{
    double start = processor_us();

    for (unsigned i = 0; i < CYCLES; i++) {
        unsigned number = draw(scene, scene->nr_blobs);

        unmap(scene, number);
        map(scene, number);
    }
    drain_call_rcu();
    samples_add(&cpu_us[size], (processor_us() - start) / CYCLES);
}

/* @is_whole: freeing of the old view included, which is what the promise is about. */
static void report_sizes(const char *what, const char *unit, struct samples *samples, bool is_whole)
{
    static char names[16][64];
    static unsigned nr_names;
    double first = samples_percentile(&samples[0], 50);
    char *name;

    for (unsigned i = 0; i < SIZES; i++) {
        struct row row;

        name = names[nr_names++];
        snprintf(name, sizeof(names[0]), "%s, %s", what, size_names[i]);
        row = row_of_samples(name, NULL, unit, &samples[i]);
        bench_row(&row);
    }
    name = names[nr_names++];
    snprintf(name, sizeof(names[0]), "%s, 4000 / 1", what);
    struct row row = {
        .name = name,
        .unit = "x",
        .measured = samples_percentile(&samples[SIZES - 1], 50) / first,
        .bar_kind = is_whole ? BAR_AT_MOST : BAR_NONE,
        .bar = 3,
        .bar_is = is_whole ? "design.md section 7" : NULL,
        .n = samples[0].nr,
    };
    bench_row(&row);
}

static void rows_change(void) NO_THREAD_SAFETY /* the BQL comes and goes */
{
    struct scene scenes[SIZES];

    for (unsigned i = 0; i < SIZES; i++) {
        scenes[i] = scene_new(sizes[i]);
        samples_init(&map_ns[i]);
        samples_init(&unmap_ns[i]);
        samples_init(&release_us[i]);
        samples_init(&cpu_us[i]);
    }
    for (unsigned n = 0; n < CPU_SAMPLES * SIZES; n++)
        cycle_many(&scenes[n % SIZES], n % SIZES);
    bql_unlock();
    for (unsigned n = 0; n < CHANGES * SIZES; n++)
        change_once(&scenes[n % SIZES], n % SIZES);
    bql_lock();
    report_sizes("map, commit", "ns", map_ns, false);
    report_sizes("unmap, commit", "ns", unmap_ns, false);
    report_sizes("unmap, forced, to release", "us", release_us, true);
    report_sizes("map and unmap, processor time, freed", "us", cpu_us, true);
    for (unsigned i = 0; i < SIZES; i++)
        scene_free(&scenes[i]);
}

/* A device's reset: all that there is goes in one commit. */
static void row_reset(void) REQUIRES(bql)
{
    struct scene scene = scene_new(sizes[SIZES - 1]);
    struct samples samples;
    struct row row;

    samples_init(&samples);
    for (unsigned n = 0; n < 20; n++) {
        int64_t start = monotonic_ns();

        mem_begin(scene.mem);
        for (unsigned i = 0; i < scene.nr_blobs; i++)
            unmap(&scene, i);
        must(mem_commit(scene.mem, NULL));
        samples_add(&samples, (double)(monotonic_ns() - start) / 1e3);
        mem_begin(scene.mem);
        for (unsigned i = 0; i < scene.nr_blobs; i++)
            map(&scene, i);
        must(mem_commit(scene.mem, NULL));
        drain_call_rcu();
    }
    row = row_of_samples("4000 regions out in one commit", NULL, "us", &samples);
    bench_row(&row);
    samples_free(&samples);
    scene_free(&scene);
}

/* ---- Looking up ---------------------------------------------------------------------------------
 */

static void rows_lookup(void) REQUIRES(bql)
{
    static const char *const names[SIZES] = { "lookup, 1 region", "lookup, 100 regions",
                                              "lookup, 4000 regions" };

    for (unsigned i = 0; i < SIZES; i++) {
        struct scene scene = scene_new(sizes[i]);
        struct samples samples;
        uint64_t sum = 0;
        struct row row;

        samples_init(&samples);
        for (unsigned n = 0; n < LOOP_SAMPLES; n++) {
            int64_t start = monotonic_ns();

            RCU_READ_GUARD();
            const struct view *view = view_get(scene.space);

            for (unsigned k = 0; k < LOOKUPS; k++)
                sum += view_find(view, (gpa_t)draw(&scene, sizes[i]) * SLOT_BYTES)->start;
            samples_add(&samples, (double)(monotonic_ns() - start) / LOOKUPS);
        }
        must(sum != 1);
        row = row_of_samples(names[i], NULL, "ns", &samples);
        bench_row(&row);
        samples_free(&samples);
        scene_free(&scene);
    }
}

/* ---- Access
 * ---------------------------------------------------------------------------------------- */

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    return offset + size;
}

static const struct mmio_ops device_ops = { .read = device_read };

struct target {
    struct space *space;
    struct ram *ram;
    struct mem_cache cache;
};

static void read_ram(struct target *target)
{
    uint64_t word;

    must(mem_read(target->space, 0x1008, &word, sizeof(word)) == MEM_OK);
}

static void write_ram(struct target *target)
{
    uint64_t word = 1;

    must(mem_write(target->space, 0x1008, &word, sizeof(word)) == MEM_OK);
}

static void read_mmio(struct target *target)
{
    uint64_t word;

    must(mem_mmio_read(target->space, 0x100000, sizeof(word), &word) == MEM_OK);
}

static void map_dma(struct target *target)
{
    struct dma_mapping mapping;

    must(dma_map(target->space, 0x1000, 512, DMA_FROM_GUEST, "bench", &mapping) == 512);
    dma_unmap(&mapping, 0);
}

static void use_cache(struct target *target)
{
    WITH_RCU_READ () {
        must(mem_cache_get(&target->cache) != NULL);
    }
}

static void pass_gate(struct target *target)
{
    code_gate_written(target->ram, 0x1008, 8);
}

static void pass_gate_locked(struct target *target)
{
    code_gate_written_locked_op(target->ram, 0x1008, 8);
}

static void rows_access(void) NO_THREAD_SAFETY /* the BQL comes and goes */
{
    static const struct {
        const char *name;
        void (*run)(struct target *target);
    } accesses[] = {
        { "mem_read, 8 bytes of RAM", read_ram },
        { "mem_write, 8 bytes of RAM", write_ram },
        { "mem_mmio_read, BQL included", read_mmio },
        { "dma_map and dma_unmap", map_dma },
        { "mem_cache_get in a section", use_cache },
        { "code gate, store, no marks", pass_gate },
        { "code gate, locked store, no marks", pass_gate_locked },
    };
    struct scene scene = { .mem = mem_new(), .window = NULL };
    struct region *device = region_new_mmio(scene.mem, "device", RAM_PAGE, &device_ops, NULL);
    struct target target = { .ram = ram_new(scene.mem, "ram", 0x100000, NULL) };
    struct region *ram = region_new_ram(scene.mem, "ram", target.ram, 0, 0x100000);

    scene.window = region_new_container(scene.mem, "window", 0x200000);
    target.space = space_new(scene.mem, "memory", scene.window);
    must(region_add(scene.window, 0, ram, 0, NULL));
    must(region_add(scene.window, 0x100000, device, 0, NULL));
    mem_cache_init(&target.cache, target.space, 0x2000, 64);
    bql_unlock();
    for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
        enum { TURNS = 1000 };
        struct samples samples;
        struct row row;

        samples_init(&samples);
        for (unsigned n = 0; n < LOOP_SAMPLES; n++) {
            int64_t start = monotonic_ns();

            for (unsigned k = 0; k < TURNS; k++)
                accesses[i].run(&target);
            samples_add(&samples, (double)(monotonic_ns() - start) / TURNS);
        }
        row = row_of_samples(accesses[i].name, NULL, "ns", &samples);
        bench_row(&row);
        samples_free(&samples);
    }
    bql_lock();
    must(region_del(ram, NULL));
    must(region_del(device, NULL));
    region_unref(ram);
    region_unref(device);
    ram_unref(target.ram);
    space_free(target.space);
    region_unref(scene.window);
    drain_call_rcu();
    mem_free(scene.mem);
}

int main(int argc, char **argv) NO_THREAD_SAFETY
{
    bench_begin("mem", argc, argv);
    must(util_start(NULL) == 0);
    place_init();
    drain_call_rcu(); /* starts the rcu thread, before this one is pinned */
    bench_machine_row(place_own_cpu(), place_other_cpu());
    place_pin(place_own_cpu());
    memory = mmap(NULL, BLOB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED);
    if (bench_wants("change")) {
        rows_change();
        row_reset();
    }
    if (bench_wants("lookup"))
        rows_lookup();
    if (bench_wants("access"))
        rows_access();
    util_stop();
    return bench_end();
}

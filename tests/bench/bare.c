/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bare.h"

#include <elf.h>
#include <pthread.h>
#include <string.h>

#include "hw/cpu/soft/soft.h"
#include "hw/mem/view.h"
#include "kernels/kernels.h"
#include "tests/guest/lab.h"
#include "util/bql.h"
#include "util/clock.h"

enum {
    PAGE_TABLES = 0x10000, /* six pages: below all payloads */
    CODE_AT = 0x200000,
    SERIAL = 0x3f8,
    SERIAL_PORTS = 8,
    DATA = 0, /* of the serial port */
    LINE_STATUS = 5,
    HAS_BYTE = 1 << 0,
    IS_EMPTY = 3 << 5,
};

struct bare {
    struct mem *mem;
    struct region *memory_root, *ports_root, *ram_region, *serial;
    struct space *memory, *ports;
    struct ram *ram;
    struct cpus *cpus;
    uint64_t entry;
    clockid_t clock;
    struct condition changed; /* with the BQL: what follows */
    /* guarded by the BQL */
    uint8_t request[KERNEL_REQUEST_BYTES], reply[KERNEL_REPLY_BYTES];
    unsigned nr_request, nr_reply; /* bytes that are left of one, and there of the other */
    bool is_busy;                  /* has the request, and has not replied */
    bool must_end;
    uint64_t begin, end; /* the processor's instructions at the ends of its work */
};

/* ---- The serial port ----------------------------------------------------------------- */

static uint64_t instructions_now(const struct bare *bare)
{
    return soft_of(bare->cpus->cpu[0])->count; /* we are on its thread */
}

/* A processor that looks for a byte waits here, instead of looking again and again. */
static uint64_t serial_read(void *opaque, uint64_t offset, unsigned size UNUSED) NO_THREAD_SAFETY
{
    struct bare *bare = opaque;

    if (offset == LINE_STATUS) {
        while (bare->nr_request == 0 && !bare->is_busy && !bare->must_end)
            (void)bql_wait(&bare->changed, DEADLINE_NEVER); /* no deadline */
        return IS_EMPTY | (bare->nr_request ? HAS_BYTE : 0);
    }
    if (offset != DATA || bare->nr_request == 0)
        return 0;
    bare->is_busy = bare->nr_request == 1;
    bare->begin = instructions_now(bare);
    return bare->request[KERNEL_REQUEST_BYTES - bare->nr_request--];
}

static void serial_write(void *opaque, uint64_t offset, uint64_t value, unsigned size UNUSED)
{
    struct bare *bare = opaque;

    if (offset != DATA || !bare->is_busy)
        return;
    if (bare->nr_reply == 0)
        bare->end = instructions_now(bare);
    bare->reply[bare->nr_reply++] = (uint8_t)value;
    if (bare->nr_reply < KERNEL_REPLY_BYTES)
        return;
    bare->is_busy = false;
    condition_broadcast(&bare->changed);
}

static const struct mmio_ops serial_ops = { .read = serial_read, .write = serial_write };

uint64_t bare_run(struct bare *bare, unsigned id, uint32_t rounds) NO_THREAD_SAFETY
{
    uint64_t sum;

    bql_lock();
    bare->request[0] = (uint8_t)id;
    memcpy(bare->request + 1, &rounds, sizeof(rounds)); /* little-endian hosts only */
    bare->nr_request = KERNEL_REQUEST_BYTES;
    bare->nr_reply = 0;
    condition_broadcast(&bare->changed);
    while (bare->nr_reply < KERNEL_REPLY_BYTES)
        (void)bql_wait(&bare->changed, DEADLINE_NEVER); /* no deadline */
    bql_unlock();
    memcpy(&sum, bare->reply, sizeof(sum));
    return sum;
}

uint64_t bare_instructions(const struct bare *bare)
{
    return bare->end - bare->begin;
}

/* ---- What is loaded --------------------------------------------------------------------- */

/* The segments of an ELF file that was built here: only its size is not taken on trust. */
static bool load_elf(struct bare *bare, const char *path, GError **error)
{
    g_autofree char *file = NULL;
    const Elf64_Ehdr *header;
    gsize size;

    if (!g_file_get_contents(path, &file, &size, error))
        return false;
    header = (const void *)file;
    for (unsigned i = 0; size >= sizeof(*header) && i < header->e_phnum; i++) {
        const Elf64_Phdr *part = (const Elf64_Phdr *)(const void *)(file + header->e_phoff) + i;
        void *to;

        if (part->p_type != PT_LOAD)
            continue;
        to = ram_pointer(bare->ram, part->p_paddr, part->p_memsz);
        g_assert(to && part->p_offset + part->p_filesz <= size);
        memcpy(to, file + part->p_offset, part->p_filesz);
    }
    bare->entry = header->e_entry;
    return true;
}

/* The first 4 GiB are themselves, in pages of 2 MiB (AMD64 APM vol. 2, 5.3). */
static void make_page_tables(struct bare *bare)
{
    enum { PRESENT = 1, WRITABLE = 2, LARGE = 0x80, ENTRIES = 512 };
    uint64_t *tables = ram_pointer(bare->ram, PAGE_TABLES, 6 * RAM_PAGE);

    tables[0] = (PAGE_TABLES + RAM_PAGE) | PRESENT | WRITABLE;
    for (uint64_t i = 0; i < 4; i++)
        tables[ENTRIES + i] = (PAGE_TABLES + (2 + i) * RAM_PAGE) | PRESENT | WRITABLE;
    for (uint64_t i = 0; i < 4 * ENTRIES; i++)
        tables[2 * ENTRIES + i] = i << 21 | PRESENT | WRITABLE | LARGE;
}

/* On the processor's thread, which waits until now: 64-bit code at the entry, interrupts off. */
static void begin(struct cpu *cpu, void *arg)
{
    struct bare *bare = arg;
    const uint16_t data = SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_G | SEG_DB;
    const uint16_t code =
        SEG_P | SEG_S | SEG_TYPE_CODE | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_G | SEG_L;
    struct cpu_state state;

    cpu_state_reset(&state);
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state.seg[i] = (struct cpu_segment){ 0, UINT32_MAX, 0x10, data };
    state.seg[SEG_CS] = (struct cpu_segment){ 0, UINT32_MAX, 0x08, code };
    state.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    state.cr3 = PAGE_TABLES;
    state.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    state.efer = EFER_LME | EFER_LMA | EFER_NXE;
    state.rip = bare->entry;
    state.gpr[RSI] = 1; /* processors */
    if (cpu_set_state(cpu, &state) != 0)
        g_error("the processor does not take the state that a payload begins with");
    if (pthread_getcpuclockid(pthread_self(), &bare->clock) != 0)
        g_error("a thread without a clock");
}

/* ---- The machine --------------------------------------------------------------------------- */

struct cpu *bare_cpu(struct bare *bare)
{
    return bare->cpus->cpu[0];
}

static uint64_t read_tsc(void *opaque UNUSED)
{
    return (uint64_t)monotonic_ns();
}

static void stopped(void *opaque UNUSED, unsigned index UNUSED, enum cpu_exit why)
{
    g_error("the processor has stopped: %s", why == CPU_EXIT_FAILED ? "failed" : "triple fault");
}

static const struct cpu_board board = { .read_tsc = read_tsc, .stopped = stopped };

static bool make_map(struct bare *bare, GError **error) REQUIRES(bql)
{
    bare->mem = mem_new();
    bare->memory_root = region_new_container(bare->mem, "memory", UINT64_C(1) << 40);
    bare->ports_root = region_new_container(bare->mem, "ports", 0x10000);
    bare->memory = space_new(bare->mem, "memory", bare->memory_root);
    bare->ports = space_new(bare->mem, "ports", bare->ports_root);
    bare->ram = ram_new(bare->mem, "ram", LAB_RAM_SIZE, error);
    if (!bare->ram)
        return false;
    bare->ram_region = region_new_ram(bare->mem, "ram", bare->ram, 0, LAB_RAM_SIZE);
    bare->serial = region_new_mmio(bare->mem, "serial", SERIAL_PORTS, &serial_ops, bare);
    return region_add(bare->memory_root, 0, bare->ram_region, 0, error) &&
           region_add(bare->ports_root, SERIAL, bare->serial, 0, error);
}

static void free_map(struct bare *bare) REQUIRES(bql)
{
    struct region *const parts[] = { bare->serial, bare->ram_region };

    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
        if (parts[i] && region_is_added(parts[i]) && !region_del(parts[i], NULL))
            g_error("a region does not go"); /* no listener can refuse */
    space_free(bare->memory);
    space_free(bare->ports);
    region_unref(bare->serial);
    region_unref(bare->ram_region);
    region_unref(bare->memory_root);
    region_unref(bare->ports_root);
    ram_unref(bare->ram);
    drain_call_rcu();
    mem_free(bare->mem);
}

static bool start(struct bare *bare, const char *path, const void *code, size_t size,
                  GError **error) EXCLUDES(bql)
{
    bool is_made;

    bare->entry = CODE_AT;
    bql_lock();
    is_made = make_map(bare, error);
    bql_unlock();
    if (!is_made || (path && !load_elf(bare, path, error)))
        return false;
    if (code)
        memcpy(ram_pointer(bare->ram, CODE_AT, size), code, size);
    make_page_tables(bare);
    bare->cpus = cpus_new(&cpu_soft, 1, bare->memory, bare->ports, &board, error);
    if (!bare->cpus)
        return false;
    return cpus_start(bare->cpus, error);
}

static struct bare *make(const char *path, const void *code, size_t size, GError **error)
{
    struct bare *bare = g_new0(struct bare, 1);

    if (!start(bare, path, code, size, error)) {
        bare_free(bare);
        return NULL;
    }
    cpu_run_on(bare_cpu(bare), begin, bare);
    return bare;
}

struct bare *bare_new(const char *path, GError **error)
{
    return make(path, NULL, 0, error);
}

struct bare *bare_new_code(const void *code, size_t size, GError **error)
{
    return make(NULL, code, size, error);
}

void bare_free(struct bare *bare)
{
    if (!bare)
        return;
    bql_lock();
    bare->must_end = true;
    condition_broadcast(&bare->changed);
    bql_unlock();
    if (bare->cpus)
        cpus_stop(bare->cpus);
    cpus_free(bare->cpus);
    bql_lock();
    free_map(bare);
    bql_unlock();
    g_free(bare);
}

clockid_t bare_clock(struct bare *bare)
{
    return bare->clock;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/torture/cpu_machine.h"

#include <glib.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/soft/soft.h"
#include "hw/mem/view.h"
#include "util/bql.h"

enum {
    PTE_ALL = 3, /* present, writable */
    PTE_LARGE = 0x80,
    SELECTOR_CODE = 8,
    SELECTOR_DATA = 16,
    ROUNDS_TO_MEET = 20,
};

struct guest guest;

/* ---- Words of RAM --------------------------------------------------------------------------- */

uint64_t *guest_word(uint64_t gpa)
{
    uint64_t *word = ram_pointer(guest.ram, gpa, sizeof(*word));

    torture_check(word);
    return word;
}

static uint64_t *mail(unsigned index, unsigned member)
{
    return guest_word(MAIL_AT + (uint64_t)index * MAIL_LINE + member);
}

uint64_t guest_rounds(unsigned index)
{
    return load_acquire(mail(index, MAIL_ROUNDS)); /* what the program did before is seen */
}

void guest_write_function(void *line, uint32_t number)
{
    uint8_t code[6] = { 0xb8, 0, 0, 0, 0, 0xc3 };

    memcpy(code + 1, &number, sizeof(number));
    memcpy((uint8_t *)line + FUNCTION_OFFSET, code, sizeof(code));
}

/* ---- The device ------------------------------------------------------------------------------ */

static void report_failure(void)
{
    for (unsigned i = 0; i < guest.nr_cpus; i++) {
        uint64_t check = load_relaxed(mail(i, MAIL_CHECK));

        if (check)
            torture_fail("processor %u: check %u: got %#llx, want %#llx", i, (unsigned)check,
                         (unsigned long long)load_relaxed(mail(i, MAIL_GOT)),
                         (unsigned long long)load_relaxed(mail(i, MAIL_WANT)));
    }
    torture_fail("a processor says that something is wrong, and nothing more");
}

static uint64_t device_read(void *opaque UNUSED, uint64_t offset, unsigned size UNUSED)
{
    bql_assert_held();
    torture_check(!rcu_is_reading());
    if (offset == DEVICE_RELEASED && guest.released)
        return guest.released();
    return offset == DEVICE_COUNT ? guest.count : 0;
}

static void device_write(void *opaque UNUSED, uint64_t offset, uint64_t value, unsigned size UNUSED)
{
    bql_assert_held();
    torture_check(!rcu_is_reading());
    switch (offset) {
    case DEVICE_FAIL:
        report_failure();
        break;
    case DEVICE_MAP:
        guest.map(value);
        break;
    case DEVICE_UNMAP:
        guest.unmap();
        break;
    case DEVICE_COUNT:
        guest.count = value;
        break;
    }
}

static const struct mmio_ops device_ops = { .read = device_read, .write = device_write };

static void stopped(void *opaque UNUSED, unsigned index, enum cpu_exit why)
{
    struct cpu_state state;

    cpu_get_state(guest.cpus->cpu[index], &state);
    torture_fail("processor %u has stopped at %#llx: %s", index, (unsigned long long)state.rip,
                 why == CPU_EXIT_FAILED ? "failed" : "triple fault");
}

static uint64_t read_tsc(void *opaque UNUSED)
{
    return (uint64_t)monotonic_ns();
}

/* ---- The machine -------------------------------------------------------------------------------
 */

static uint64_t address_of(const char *program)
{
    return PROGRAM_AT + (uint64_t)(program - guest_program);
}

static void write_gate(unsigned vector, const char *handler)
{
    uint64_t address = address_of(handler), *gate = guest_word(IDT_AT + 16u * vector);

    gate[0] = (address & 0xffff) | SELECTOR_CODE << 16 | UINT64_C(0x8e00) << 32 |
              (address >> 16 & 0xffff) << 48; /* an interrupt gate, present */
    gate[1] = address >> 32;
}

static void write_tables(void)
{
    static const uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
    const bool has_small_pages = torture.seed % 2;
    uint64_t *directory = guest_word(PD_AT);

    memcpy(guest_word(GDT_AT), gdt, sizeof(gdt));
    write_gate(VECTOR_INVALID, on_invalid);
    write_gate(VECTOR_PROTECTION, on_protection);
    write_gate(VECTOR_PAGE_FAULT, on_page_fault);
    *guest_word(PML4_AT) = PDPT_AT | PTE_ALL;
    *guest_word(PDPT_AT) = PD_AT | PTE_ALL;
    for (uint64_t i = 0; i < 512; i++) {
        directory[i] = i << 21 | PTE_ALL | PTE_LARGE;
        *guest_word(PT_LOW_AT + 8 * i) = i << 12 | PTE_ALL;
    }
    if (has_small_pages)
        directory[0] = PT_LOW_AT | PTE_ALL;
}

static void make_map(void) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;

    guest.mem = mem_new();
    guest.root = region_new_container(guest.mem, "memory", UINT64_C(1) << 40);
    guest.ports_root = region_new_container(guest.mem, "ports", 0x10000);
    guest.memory = space_new(guest.mem, "memory", guest.root);
    guest.ports = space_new(guest.mem, "ports", guest.ports_root);
    guest.ram = ram_new(guest.mem, "ram", RAM_BYTES, &error);
    if (!guest.ram)
        torture_skip(error->message);
    guest.ram_region = region_new_ram(guest.mem, "ram", guest.ram, 0, RAM_BYTES);
    guest.device_region = region_new_mmio(guest.mem, "device", DEVICE_BYTES, &device_ops, NULL);
    torture_check(region_add(guest.root, 0, guest.ram_region, 0, NULL));
    torture_check(region_add(guest.root, DEVICE_AT, guest.device_region, 0, NULL));
}

void guest_make(void)
{
    size_t size = (size_t)(guest_program_end - guest_program);

    guest = (struct guest){ 0 };
    torture.has_met = &guest.has_met;
    WITH_BQL () {
        make_map();
    }
    memcpy(ram_pointer(guest.ram, PROGRAM_AT, size), guest_program, size);
    write_tables();
}

static void set_begin(struct worker *random, unsigned index, const char *program)
{
    const uint16_t data = SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_G | SEG_DB;
    const uint16_t code =
        SEG_P | SEG_S | SEG_TYPE_CODE | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_G | SEG_L;
    struct cpu_state state;

    cpu_state_reset(&state);
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state.seg[i] = (struct cpu_segment){ 0, UINT32_MAX, SELECTOR_DATA, data };
    state.seg[SEG_CS] = (struct cpu_segment){ 0, UINT32_MAX, SELECTOR_CODE, code };
    state.gdt = (struct cpu_table){ GDT_AT, 23 };
    state.idt = (struct cpu_table){ IDT_AT, 16 * 32 - 1 };
    state.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    state.cr3 = PML4_AT;
    state.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    state.efer = EFER_LME | EFER_LMA | EFER_NXE;
    state.rip = address_of(program);
    state.gpr[RDI] = index;
    state.gpr[R12] = MAIL_AT + (uint64_t)index * MAIL_LINE;
    state.gpr[R13] = torture_random(random) >> 32;
    state.gpr[RSP] = STACKS_AT + (uint64_t)(index + 1) * GUEST_PAGE;
    torture_check(cpu_set_state(guest.cpus->cpu[index], &state) == 0);
}

void guest_start(struct worker *random, const char *const programs[GUEST_CPUS])
{
    static const struct cpu_board board = { .read_tsc = read_tsc, .stopped = stopped };
    g_autoptr(GError) error = NULL;

    while (guest.nr_cpus < GUEST_CPUS && programs[guest.nr_cpus])
        guest.nr_cpus++;
    guest.cpus = cpus_new(&cpu_soft, guest.nr_cpus, guest.memory, guest.ports, &board, &error);
    if (!guest.cpus)
        torture_fail("no processors: %s", error->message);
    for (unsigned i = 0; i < guest.nr_cpus; i++)
        set_begin(random, i, programs[i]);
    torture_check(cpus_start(guest.cpus, NULL));
}

static void free_map(void) REQUIRES(bql)
{
    torture_check(region_del(guest.ram_region, NULL));
    torture_check(region_del(guest.device_region, NULL));
    space_free(guest.memory);
    space_free(guest.ports);
    region_unref(guest.ram_region);
    region_unref(guest.device_region);
    region_unref(guest.root);
    region_unref(guest.ports_root);
    ram_unref(guest.ram);
}

void guest_stop(void)
{
    torture.has_met = NULL;
    cpus_stop(guest.cpus);
}

void guest_end(void)
{
    cpus_free(guest.cpus);
    WITH_BQL () {
        free_map();
    }
    drain_call_rcu();
    mem_free(guest.mem);
}

/* ---- Workers
 * --------------------------------------------------------------------------------------- */

/* Whether all have made @nr rounds since @before; each wait ends with the scenario. */
static bool have_made_rounds(const uint64_t before[GUEST_CPUS], uint64_t nr)
{
    for (unsigned i = 0; i < guest.nr_cpus; i++)
        while (guest_rounds(i) - before[i] < nr) {
            if (monotonic_ns() >= load_relaxed(&torture.end_ns) && load_relaxed(&guest.has_met))
                return false;
            usleep(50);
        }
    return true;
}

void guest_watch(struct worker *worker)
{
    uint64_t before[GUEST_CPUS];

    while (torture_go_on(worker)) {
        for (unsigned i = 0; i < guest.nr_cpus; i++)
            before[i] = guest_rounds(i);
        if (have_made_rounds(before, ROUNDS_TO_MEET))
            store_relaxed(&guest.has_met, true);
    }
}

static void check_state(struct cpu *cpu)
{
    struct cpu_state state;

    cpu_get_state(cpu, &state);
    torture_check(state.cr3 == PML4_AT && state.gpr[RDI] < UINT32_MAX);
    torture_check(state.gpr[R12] == MAIL_AT + (uint64_t)cpu->index * MAIL_LINE);
    torture_check(cpu_set_state(cpu, &state) == 0);
}

static void pause_all(struct worker *worker)
{
    uint64_t rounds[GUEST_CPUS];

    cpus_pause(guest.cpus);
    for (unsigned i = 0; i < guest.nr_cpus; i++)
        rounds[i] = guest_rounds(i);
    if (torture_one_in(worker, 4))
        usleep(torture_below(worker, 300));
    for (unsigned i = 0; i < guest.nr_cpus; i++) {
        const struct soft *soft = soft_of(guest.cpus->cpu[i]);

        torture_check(!load_acquire(&soft->is_running) && guest_rounds(i) == rounds[i]);
        check_state(guest.cpus->cpu[i]);
    }
    if (torture_one_in(worker, 10)) {
        cpus_stop(guest.cpus);
        torture_check(cpus_start(guest.cpus, NULL));
    }
    cpus_resume(guest.cpus);
}

static void note_call(struct cpu *cpu, void *arg)
{
    torture_check(!rcu_is_reading() && !bql_is_mine());
    *(struct cpu **)arg = cpu;
}

static void disturb(struct worker *worker)
{
    static const uint32_t events[] = { CPU_EVENT_RCU, CPU_EVENT_CODE, CPU_EVENT_MAP,
                                       CPU_EVENT_INTERRUPT };
    struct cpu *cpu = guest.cpus->cpu[torture_below(worker, guest.nr_cpus)], *called = NULL;

    switch (torture_below(worker, 8)) {
    case 0:
        pause_all(worker);
        break;
    case 1:
        if (torture_one_in(worker, 8)) {
            cpus_stop(guest.cpus);
            torture_check(cpus_start(guest.cpus, NULL));
        }
        break;
    case 2:
        cpu_run_on(cpu, note_call, &called);
        torture_check(called == cpu);
        break;
    case 3:
        synchronize_rcu();
        break;
    case 4:
        force_rcu();
        break;
    default:
        cpu_post(cpu, events[torture_below(worker, ARRAY_SIZE(events))]);
    }
}

void guest_storm(struct worker *worker)
{
    while (torture_go_on(worker)) {
        disturb(worker);
        if (torture_one_in(worker, 2))
            usleep(torture_below(worker, 500));
    }
}

/* The processors' random numbers follow from the seed as the workers' do. */
static const char *const *programs_to_start;

static void start(struct worker *worker)
{
    guest_start(worker, programs_to_start);
}

void guest_run(const char *const programs[GUEST_CPUS], void (*work)(struct worker *),
               unsigned nr_work)
{
    programs_to_start = programs;
    torture_join_one(torture_spawn("start", start, NULL, WORKER_READS));
    torture_spawn("watch", guest_watch, NULL, WORKER_WATCHED);
    torture_spawn("storm", guest_storm, NULL, WORKER_READS);
    for (unsigned i = 0; i < nr_work; i++)
        torture_spawn("work", work, NULL, WORKER_READS);
    torture_join();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/guest_side.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/cpu.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/fpu.h"
#include "hw/cpu/soft/soft.h"
#include "hw/mem/code_gate.h"
#include "hw/mem/mem.h"
#include "hw/mem/ram.h"
#include "hw/mem/region.h"
#include "hw/mem/view.h"
#include "util/rcu.h"

enum { /* guest-physical */
       GPA_PML4 = 0x1000,
       GPA_PDPT = 0x2000,
       GPA_PD = 0x3000,
       GPA_PT_DATA = 0x4000,
       GPA_PT_CODE = 0x5000,
       GPA_PDPT_HIGH = 0x6000,
       GPA_PD_HIGH = 0x7000,
       GPA_PT_HIGH = 0x8000,
       GPA_GDT = 0x9000,
       GPA_DATA = 0x10000,
       GPA_CODE = 0x20000,
       RAM_BYTES = 0x40000,
};

enum { ENDLESS = 20000 }; /* instructions, after which nobody waits for the end any more */

/* Where the descriptor table is: in the upper half, as a kernel's. */
#define VA_GDT UINT64_C(0xffff800000000000)
#define VA_TSS (VA_GDT + 0x800)

enum { /* page table entries */
       PTE_PRESENT = 1 << 0,
       PTE_WRITE = 1 << 1,
       PTE_USER = 1 << 2,
       PTE_ACCESSED = 1 << 5,
       PTE_DIRTY = 1 << 6,
};
#define PTE_NX (UINT64_C(1) << 63)

static struct {
    struct mem *mem;
    struct ram *ram;
    struct region *root, *low;
    struct region *port_root;
    struct space *memory, *ports;
    struct cpus *cpus;
    struct soft *cpu;
    struct cpu_segment seg[NR_SEGMENTS]; /* as at the start */
    uint64_t seg_base[6];
} guest;

static uint64_t read_tsc(void *opaque)
{
    (void)opaque;
    return 0;
}

static const struct cpu_board board = { .read_tsc = read_tsc };

static void COLD __attribute__((noreturn)) give_up(const GError *error)
{
    printf("Bail out! the machine of the test: %s\n", error ? error->message : "no memory");
    exit(EXIT_FAILURE);
}

static uint8_t *ram_at(uint64_t gpa)
{
    return (uint8_t *)ram_pointer(guest.ram, gpa, 1);
}

static void put_entry(uint64_t table, unsigned index, uint64_t value)
{
    memcpy(ram_at(table + 8 * (uint64_t)index), &value, sizeof(value));
}

static void make_tables(void)
{
    const uint64_t table = PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED;
    const uint64_t page = PTE_PRESENT | PTE_USER | PTE_ACCESSED;

    put_entry(GPA_PML4, 0, GPA_PDPT | table);
    put_entry(GPA_PDPT, 0, GPA_PD | table);
    put_entry(GPA_PD, DATA_A >> 21, GPA_PT_DATA | table);
    put_entry(GPA_PD, CODE >> 21, GPA_PT_CODE | table);
    for (uint32_t va = DATA_A; va < DATA_END; va += SANDBOX_PAGE)
        put_entry(GPA_PT_DATA, va >> 12 & 511,
                  (GPA_DATA + (va - DATA_A)) | page | PTE_NX |
                      (va < DATA_C ? PTE_WRITE | PTE_DIRTY : 0));
    for (uint32_t va = CODE; va < CODE + CODE_BYTES; va += SANDBOX_PAGE)
        put_entry(GPA_PT_CODE, va >> 12 & 511,
                  (GPA_CODE + (va - CODE)) | page | PTE_WRITE | PTE_DIRTY);
    put_entry(GPA_PML4, VA_GDT >> 39 & 511, GPA_PDPT_HIGH | PTE_PRESENT | PTE_WRITE);
    put_entry(GPA_PDPT_HIGH, VA_GDT >> 30 & 511, GPA_PD_HIGH | PTE_PRESENT | PTE_WRITE);
    put_entry(GPA_PD_HIGH, VA_GDT >> 21 & 511, GPA_PT_HIGH | PTE_PRESENT | PTE_WRITE);
    put_entry(GPA_PT_HIGH, VA_GDT >> 12 & 511, GPA_GDT | PTE_PRESENT | PTE_WRITE | PTE_NX);
    /* Linux's selectors of user programs: data 0x2b, 64-bit code 0x33. */
    put_entry(GPA_GDT, 5, UINT64_C(0x00cff3000000ffff));
    put_entry(GPA_GDT, 6, UINT64_C(0x00affb000000ffff));
    /* The I/O permission bitmap is behind the TSS's end: no ports. */
    memset(ram_at(GPA_GDT + (VA_TSS - VA_GDT) + 0x66), 0xff, 2);
}

static void set_segment(struct cpu_segment *segment, uint16_t selector, uint64_t base,
                        uint16_t attributes)
{
    *segment = (struct cpu_segment){
        .selector = selector, .base = base, .limit = 0xffffffff, .attributes = attributes
    };
}

/* A user program, as Linux starts one: DS, ES, FS and GS are null. */
static void set_state(void)
{
    struct cpu_state state;
    const uint16_t user = SEG_S | SEG_P | SEG_DPL | SEG_G | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED;

    cpu_state_reset(&state);
    state.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    state.cr3 = GPA_PML4;
    state.cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE;
    state.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    state.gdt = (struct cpu_table){ .base = VA_GDT, .limit = 7 * 8 - 1 };
    state.idt = (struct cpu_table){ .base = VA_GDT, .limit = 0 };
    for (unsigned i = 0; i < NR_SEGMENTS; i++)
        state.seg[i] = (struct cpu_segment){ 0 };
    set_segment(&state.seg[SEG_CS], 0x33, 0, user | SEG_TYPE_CODE | SEG_L);
    set_segment(&state.seg[SEG_SS], 0x2b, 0, user | SEG_DB);
    state.seg[SEG_GS].base = SANDBOX_GS_BASE;
    set_segment(&state.seg[SEG_TR], 0x40, VA_TSS, SEG_P | 0xb);
    state.seg[SEG_TR].limit = 103;
    state.rip = CODE;
    state.rflags = FLAG_FIXED | FLAG_IF;
    if (cpu_set_state(&guest.cpu->cpu, &state) != 0) {
        printf("Bail out! the state of a user program is refused\n");
        exit(EXIT_FAILURE);
    }
}

static void make_memory(void) REQUIRES(bql)
{
    GError *error = NULL;

    guest.mem = mem_new();
    guest.ram = ram_new(guest.mem, "ram", RAM_BYTES, &error);
    if (!guest.ram)
        give_up(error);
    guest.root = region_new_container(guest.mem, "memory", UINT64_C(1) << 40);
    guest.low = region_new_ram(guest.mem, "low", guest.ram, 0, RAM_BYTES);
    guest.port_root = region_new_container(guest.mem, "ports", 0x10000);
    if (!region_add(guest.root, 0, guest.low, 0, &error))
        give_up(error);
    guest.memory = space_new(guest.mem, "memory", guest.root);
    guest.ports = space_new(guest.mem, "ports", guest.port_root);
}

void guest_open(void)
{
    GError *error = NULL;

    if (guest.cpus)
        return;
    bql_lock();
    make_memory();
    bql_unlock();
    guest.cpus = cpus_new(&cpu_soft, 1, guest.memory, guest.ports, &board, &error);
    if (!guest.cpus)
        give_up(error);
    guest.cpu = soft_of(guest.cpus->cpu[0]);
    make_tables();
    set_state();
    memcpy(guest.seg, guest.cpu->seg, sizeof(guest.seg));
    memcpy(guest.seg_base, guest.cpu->seg_base, sizeof(guest.seg_base));
}

void guest_close(void)
{
    GError *error = NULL;

    if (!guest.cpus)
        return;
    cpus_free(guest.cpus);
    WITH_BQL () {
        space_free(guest.memory);
        space_free(guest.ports);
        if (!region_del(guest.low, &error))
            give_up(error);
        region_unref(guest.low);
        region_unref(guest.root);
        region_unref(guest.port_root);
        ram_unref(guest.ram);
        drain_call_rcu(); /* views hold references until their grace period */
        mem_free(guest.mem);
    }
    memset(&guest, 0, sizeof(guest));
}

uint8_t *guest_data(void)
{
    return ram_at(GPA_DATA);
}

const uint8_t *guest_code(uint32_t address)
{
    return ram_at(GPA_CODE + (address - CODE));
}

void guest_put_code(uint32_t address, const uint8_t *bytes, size_t size)
{
    const uint64_t offset = GPA_CODE + (address - CODE);

    assert(address >= CODE && address - CODE <= CODE_BYTES - size);
    memcpy(ram_at(offset), bytes, size);
    code_gate_written(guest.ram, offset, size);
}

void guest_kick(void)
{
    cpu_soft.kick(&guest.cpu->cpu);
}

static void load_registers(struct soft *cpu, const struct registers *before)
{
    memcpy(cpu->gpr, before->gpr, sizeof(before->gpr));
    cpu->rip = before->rip;
    soft_set_rflags(cpu, before->rflags);
    soft_fp_set(cpu, before->fxsave);
    memcpy(cpu->seg, guest.seg, sizeof(guest.seg));
    memcpy(cpu->seg_base, guest.seg_base, sizeof(guest.seg_base));
    cpu->is_shadowed = false;
    cpu->is_halted = false;
    cpu->cr2 = 0;
}

static void store_registers(const struct soft *cpu, struct registers *ret_after)
{
    memcpy(ret_after->gpr, cpu->gpr, sizeof(ret_after->gpr));
    ret_after->rip = cpu->rip;
    ret_after->rflags = soft_get_rflags(cpu);
    soft_fp_get(cpu, ret_after->fxsave);
}

/* One stay in the section. True: an exception. */
static bool run_section(struct soft *cpu, uint64_t limit) NO_THREAD_SAFETY
{
    bool is_fault;

    soft_section_enter(cpu);
    soft_sync_code(cpu);
    __atomic_store_n(&cpu->kick.limit, limit, __ATOMIC_RELAXED);
    is_fault = soft_exec(cpu);
    soft_section_leave(cpu);
    return is_fault;
}

/* Until an exception. False: there seems to be none. */
static bool run_paced(struct soft *cpu, enum guest_pace pace)
{
    const uint64_t start = cpu->count;
    uint64_t step = ENDLESS, round = 0;

    if (pace == PACE_SINGLE)
        step = 1;
    while (cpu->count - start < ENDLESS && round++ < ENDLESS) {
        if (pace == PACE_KICKS)
            step = 1 + round * 7 % 5;
        if (run_section(cpu, cpu->count + step))
            return true;
        if (cpu->stop == STOP_EXCLUSIVE) {
            if (!cpu_stop_others(&cpu->cpu))
                return false; /* there is no thread that could be told to end */
            cpu->is_exclusive = true;
            const bool is_fault = run_section(cpu, UINT64_MAX);

            cpu->is_exclusive = false;
            cpu_release_others(&cpu->cpu);
            if (is_fault)
                return true;
        } else if (cpu->stop != STOP_LIMIT && cpu->stop != STOP_NONE) {
            return false;
        }
    }
    return false;
}

void guest_run(const struct registers *before, enum guest_pace pace, struct outcome *ret_outcome)
{
    struct soft *const cpu = guest.cpu;

    load_registers(cpu, before);
    memset(ret_outcome, 0, offsetof(struct outcome, after));
    ret_outcome->is_endless = !run_paced(cpu, pace);
    ret_outcome->has_fault = !ret_outcome->is_endless;
    ret_outcome->vector = cpu->fault.vector;
    ret_outcome->error = cpu->fault.has_error ? cpu->fault.error : 0;
    ret_outcome->cr2 = cpu->fault.vector == VECTOR_PF ? cpu->cr2 : 0;
    store_registers(cpu, &ret_outcome->after);
    if (ret_outcome->has_fault && ret_outcome->vector == VECTOR_PF && cpu->rip == STUB) {
        ret_outcome->has_fault = false;
        ret_outcome->vector = 0;
        ret_outcome->error = 0;
        ret_outcome->cr2 = 0;
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a state goes in and comes out, and which states are none. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/cpuid.h"
#include "hw/mem/region.h"
#include "hw/mem/view.h"
#include "util/start.h"

static struct cpus *cpus;

/* 64-bit code in ring 0, and each register with a value of its own. */
static struct cpu_state long_mode_state(void)
{
    struct cpu_state state;

    cpu_state_reset(&state);
    for (unsigned i = 0; i < NR_GPRS; i++)
        state.gpr[i] = UINT64_C(0x0101010101010101) * (i + 1);
    state.rip = 0xffff800000001000;
    state.rflags = FLAG_FIXED | FLAG_CF | FLAG_ZF | FLAG_IF | FLAG_AC | FLAG_ID;
    state.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    state.cr2 = 0x1234567;
    state.cr3 = 0x5000;
    state.cr4 = CR4_PAE | CR4_PGE | CR4_SMAP;
    state.cr8 = 9;
    state.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    for (unsigned i = 0; i < SEG_LDT; i++)
        state.seg[i] = (struct cpu_segment){ .limit = UINT32_MAX,
                                             .selector = 16,
                                             .attributes = SEG_P | SEG_S | SEG_G | SEG_DB | 3 };
    state.seg[SEG_CS].selector = 8;
    state.seg[SEG_CS].attributes = SEG_P | SEG_S | SEG_G | SEG_L | 0xb;
    state.seg[SEG_FS].base = 0x7fff12345678;
    state.seg[SEG_GS].base = 0xffff888000000000;
    state.kernel_gs_base = 0x1000;
    state.star = 0x0023001000000000;
    state.lstar = 0xffffffff81000000;
    state.tsc_aux = 7;
    state.dr[0] = 0x5555;
    state.is_nmi_blocked = true;
    state.is_nmi_pending = true;
    for (unsigned i = 0; i < NR_MISC_MSRS; i++)
        state.misc_msr[i] = 0x100 + i;
    memset(state.fxsave + 32, 0, 8 * 16);
    memset(state.fxsave + 160, 0x5a, 16 * 16); /* XMM registers */
    return state;
}

static int set(const struct cpu_state *state)
{
    return cpu_set_state(cpus->cpu[0], state);
}

static void goes_in_and_comes_out(void)
{
    const struct cpu_state in = long_mode_state();
    struct cpu_state out;

    g_assert_cmpint(set(&in), ==, 0);
    cpu_get_state(cpus->cpu[0], &out);
    g_assert_cmpmem(in.gpr, sizeof(in.gpr), out.gpr, sizeof(out.gpr));
    g_assert_cmpmem(in.dr, sizeof(in.dr), out.dr, sizeof(out.dr));
    g_assert_cmpmem(in.fxsave, 416, out.fxsave, 416);
    for (unsigned i = 0; i < NR_SEGMENTS; i++) {
        g_assert_cmphex(in.seg[i].base, ==, out.seg[i].base);
        g_assert_cmphex(in.seg[i].limit, ==, out.seg[i].limit);
        g_assert_cmphex(in.seg[i].selector, ==, out.seg[i].selector);
        g_assert_cmphex(in.seg[i].attributes, ==, out.seg[i].attributes);
    }
#define SAME(member) g_assert_cmphex((uint64_t)in.member, ==, (uint64_t)out.member)
    SAME(rip);
    SAME(rflags);
    SAME(cr0);
    SAME(cr2);
    SAME(cr3);
    SAME(cr4);
    SAME(cr8);
    SAME(efer);
    SAME(star);
    SAME(lstar);
    SAME(kernel_gs_base);
    SAME(pat);
    SAME(tsc_aux);
    SAME(is_halted);
    SAME(is_shadowed);
    SAME(is_nmi_blocked);
    SAME(is_nmi_pending);
    SAME(misc_msr[MISC_MCG_STATUS]);
    SAME(misc_msr[MISC_DE_CFG]);
#undef SAME
}

static void reset_is_a_state(void)
{
    struct cpu_state state, out;

    cpu_state_reset(&state);
    g_assert_cmpint(set(&state), ==, 0);
    cpu_get_state(cpus->cpu[0], &out);
    g_assert_cmphex(out.rip, ==, 0xfff0);
    g_assert_cmphex(out.seg[SEG_CS].base, ==, 0xffff0000);
}

/* Each of these differs from a good one in one place; what was there before stays. */
static void impossible_states_are_refused(void)
{
    const struct cpu_state good = long_mode_state();
    struct cpu_state out;

    g_assert_cmpint(set(&good), ==, 0);
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct cpu_state bad = good;                                                               \
        bad.gpr[RAX] = 1;                                                                          \
        bad.change;                                                                                \
        g_assert_cmpint(set(&bad), ==, -EINVAL);                                                   \
        cpu_get_state(cpus->cpu[0], &out);                                                         \
        g_assert_cmphex(out.gpr[RAX], ==, good.gpr[RAX]);                                          \
    } while (0)
    REFUSED(efer &= ~(uint64_t)EFER_LMA);
    REFUSED(efer &= ~(uint64_t)(EFER_LMA | EFER_LME));
    REFUSED(efer |= 1 << 12);
    REFUSED(cr0 &= ~(uint64_t)CR0_PE);
    REFUSED(cr0 |= UINT64_C(1) << 32);
    REFUSED(cr4 &= ~(uint64_t)CR4_PAE);
    REFUSED(cr4 |= 1 << 18); /* OSXSAVE */
    REFUSED(cr3 |= UINT64_C(1) << CPU_PHYS_BITS);
    REFUSED(cr8 = 16);
    REFUSED(rflags &= ~(uint64_t)FLAG_FIXED);
    REFUSED(rflags |= FLAG_VM);
    REFUSED(rflags |= 1 << 5);
    REFUSED(seg[SEG_FS].base = UINT64_C(1) << 47);
    REFUSED(gdt.base = UINT64_C(1) << 63);
    REFUSED(lstar = UINT64_C(1) << 47);
    REFUSED(pat = 2);
    REFUSED(tsc_aux = UINT64_C(1) << 32);
    REFUSED(fmask = UINT64_C(1) << 32);
#undef REFUSED
}

/* The event has to be taken: it would end each halt again, and keep a host processor busy. */
static void an_nmi_that_is_blocked_ends_no_halt(void)
{
    struct cpu *cpu = cpus->cpu[0];
    struct cpu_state state = long_mode_state();

    state.is_nmi_pending = false;
    state.is_halted = true;
    g_assert_cmpint(set(&state), ==, 0);
    cpu_post(cpu, CPU_EVENT_NMI);
    g_assert_cmpint(cpus->backend->run(cpu), ==, CPU_EXIT_HALTED);
    g_assert_cmphex(load_relaxed(&cpu->events), ==, 0);
    cpu_get_state(cpu, &state);
    g_assert_true(state.is_halted);
    g_assert_true(state.is_nmi_pending);
}

static void reset_forgets(void)
{
    struct cpu *cpu = cpus->cpu[0];
    struct cpu_state state = long_mode_state();

    g_assert_cmpint(set(&state), ==, 0);
    cpu_post(cpu, CPU_EVENT_NMI | CPU_EVENT_INIT | CPU_EVENT_WORK);
    cpus_reset(cpus);
    g_assert_cmphex(cpu_take(cpu, UINT32_MAX), ==, CPU_EVENT_WORK); /* not the processor's */
    cpu_get_state(cpu, &state);
    g_assert_cmphex(state.rip, ==, 0xfff0);
    g_assert_cmphex(state.misc_msr[MISC_HWCR], ==, 0);
    g_assert_false(state.is_nmi_pending);
    g_assert_true(state.is_waiting);
    cpu_start_up(cpu, 0x99); /* soft has no real mode */
    g_assert_cmphex(load_relaxed(&cpu->events), ==, 0);
}

int main(int argc, char **argv)
{
    static const struct cpu_board board;
    struct mem *mem;
    struct region *memory_root, *port_root;
    struct space *memory, *ports;
    int result;

    g_test_init(&argc, &argv, NULL);
    if (util_start(NULL) != 0)
        return 1;
    mem = mem_new();
    memory_root = region_new_container(mem, "memory", UINT64_C(1) << CPU_PHYS_BITS);
    port_root = region_new_container(mem, "ports", 0x10000);
    memory = space_new(mem, "memory", memory_root);
    ports = space_new(mem, "ports", port_root);
    bql_unlock();
    cpus = cpus_new(&cpu_soft, 1, memory, ports, &board, NULL);
    g_assert_nonnull(cpus);
    g_test_add_func("/soft_state/goes_in_and_comes_out", goes_in_and_comes_out);
    g_test_add_func("/soft_state/reset_is_a_state", reset_is_a_state);
    g_test_add_func("/soft_state/impossible_states_are_refused", impossible_states_are_refused);
    g_test_add_func("/soft_state/an_nmi_that_is_blocked_ends_no_halt",
                    an_nmi_that_is_blocked_ends_no_halt);
    g_test_add_func("/soft_state/reset_forgets", reset_forgets);
    result = g_test_run();
    cpus_free(cpus);
    bql_lock();
    space_free(memory);
    space_free(ports);
    region_unref(memory_root);
    region_unref(port_root);
    util_stop();
    mem_free(mem);
    return result;
}

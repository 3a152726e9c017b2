/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The KVM back end without a guest: states and memory slots. Guests: tests/guest. */
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/kvm.h"
#include "hw/cpu/kvm_chips.h"
#include "tests/unit/mem_scene.h"
#include "util/clock.h"

enum { PAGE = RAM_PAGE };

struct setup {
    struct scene scene;
    struct space *ports;
    struct region *port_root;
    struct cpus *cpus; /* NULL: there is no KVM; the test has been skipped */
};

static struct setup set_up_on(unsigned nr_cpus, const struct cpu_board *board) EXCLUDES(bql)
{
    g_autoptr(GError) error = NULL;
    struct setup setup;

    bql_lock();
    setup.scene = scene_new(UINT64_C(1) << 40);
    setup.port_root = region_new_container(setup.scene.mem, "ports", 0x10000);
    setup.ports = space_new(setup.scene.mem, "ports", setup.port_root);
    bql_unlock();
    setup.cpus = cpus_new(&cpu_kvm, nr_cpus, setup.scene.space, setup.ports, board, &error);
    if (!setup.cpus)
        g_test_skip(error->message);
    return setup;
}

static struct setup set_up(unsigned nr_cpus) EXCLUDES(bql)
{
    static const struct cpu_board board;

    return set_up_on(nr_cpus, &board);
}

/* With local APICs in the kernel; skipped where there are none. */
static struct setup set_up_chips(unsigned nr_cpus) EXCLUDES(bql)
{
    static const struct cpu_board board = { .has_kernel_chips = true };

    return set_up_on(nr_cpus, &board);
}

static void tear_down(struct setup *setup) EXCLUDES(bql)
{
    cpus_free(setup->cpus);
    bql_lock();
    space_free(setup->ports);
    region_unref(setup->port_root);
    scene_free(&setup->scene);
    bql_unlock();
}

/* ---- States ----------------------------------------------------------------------------- */

static void reset_comes_back(void)
{
    struct setup setup = set_up(2);
    struct cpu_state want, got;

    if (setup.cpus) {
        cpu_state_reset(&want);
        cpu_get_state(setup.cpus->cpu[1], &got);
        g_assert_cmphex(got.rip, ==, want.rip);
        g_assert_cmphex(got.rflags, ==, want.rflags);
        g_assert_cmphex(got.cr0, ==, want.cr0);
        g_assert_cmphex(got.dr[6], ==, want.dr[6]);
        g_assert_cmphex(got.pat, ==, want.pat);
        g_assert_cmphex(got.seg[SEG_CS].base, ==, want.seg[SEG_CS].base);
        g_assert_cmphex(got.seg[SEG_CS].attributes, ==, want.seg[SEG_CS].attributes);
        g_assert_cmphex(got.seg[SEG_TR].attributes, ==, want.seg[SEG_TR].attributes);
        g_assert_cmpmem(got.fxsave, 24, want.fxsave, 24);
    }
    tear_down(&setup);
}

static void make_long_mode(struct cpu_state *state)
{
    cpu_state_reset(state);
    for (unsigned i = 0; i < NR_GPRS; i++)
        state->gpr[i] = UINT64_C(0x0101010101010101) * i;
    state->rip = 0x123456;
    state->rflags = FLAG_FIXED | FLAG_CF | FLAG_DF;
    state->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE;
    state->cr2 = 0x777;
    state->cr3 = 0x1000;
    state->cr4 = CR4_PAE | CR4_OSFXSR;
    state->cr8 = 3;
    state->efer = EFER_LME | EFER_LMA | EFER_NXE;
    for (unsigned i = 0; i < SEG_LDT; i++)
        state->seg[i] = (struct cpu_segment){ .selector = 16,
                                              .limit = UINT32_MAX,
                                              .attributes = SEG_P | SEG_S | SEG_TYPE_WRITABLE |
                                                            SEG_TYPE_ACCESSED | SEG_G | SEG_DB };
    state->seg[SEG_CS].selector = 8;
    state->seg[SEG_CS].attributes ^= SEG_DB | SEG_L | SEG_TYPE_CODE;
    state->seg[SEG_DS].attributes = 0; /* a null selector */
    state->seg[SEG_DS].selector = 0;
    state->seg[SEG_FS].base = 0x7f0000001000;
    state->lstar = 0x7fff12345678;
    state->kernel_gs_base = 0x1234;
    state->gdt = (struct cpu_table){ .base = 0x5000, .limit = 0x7f };
    state->dr[0] = 0xabc;
    memset(state->fxsave + 160, 0x5a, 256);
    state->is_nmi_blocked = true;
    state->is_halted = true;
}

static void a_state_comes_back(void)
{
    struct setup setup = set_up(1);
    struct cpu_state want, got;

    if (setup.cpus) {
        make_long_mode(&want);
        g_assert_cmpint(cpu_set_state(setup.cpus->cpu[0], &want), ==, 0);
        cpu_get_state(setup.cpus->cpu[0], &got);
        g_assert_cmpmem(got.gpr, sizeof(got.gpr), want.gpr, sizeof(want.gpr));
        for (unsigned i = 0; i < NR_SEGMENTS; i++) {
            g_assert_cmphex(got.seg[i].selector, ==, want.seg[i].selector);
            g_assert_cmphex(got.seg[i].base, ==, want.seg[i].base);
            g_assert_cmphex(got.seg[i].attributes, ==, want.seg[i].attributes);
        }
        g_assert_cmphex(got.rip, ==, want.rip);
        g_assert_cmphex(got.rflags, ==, want.rflags);
        g_assert_cmphex(got.cr0, ==, want.cr0);
        g_assert_cmphex(got.cr2, ==, want.cr2);
        g_assert_cmphex(got.cr3, ==, want.cr3);
        g_assert_cmphex(got.cr4, ==, want.cr4);
        g_assert_cmphex(got.cr8, ==, want.cr8);
        g_assert_cmphex(got.efer, ==, want.efer);
        g_assert_cmphex(got.lstar, ==, want.lstar);
        g_assert_cmphex(got.kernel_gs_base, ==, want.kernel_gs_base);
        g_assert_cmphex(got.gdt.base, ==, want.gdt.base);
        g_assert_cmphex(got.gdt.limit, ==, want.gdt.limit);
        g_assert_cmphex(got.dr[0], ==, want.dr[0]);
        g_assert_cmpmem(got.fxsave + 160, 256, want.fxsave + 160, 256);
        g_assert_true(got.is_nmi_blocked);
        g_assert_true(got.is_halted);
    }
    tear_down(&setup);
}

static void what_is_no_state_is_refused(void)
{
    struct setup setup = set_up(1);
    struct cpu_state state;

    if (setup.cpus) {
        make_long_mode(&state);
        state.cr4 = UINT64_C(1) << 63;
        g_assert_cmpint(cpu_set_state(setup.cpus->cpu[0], &state), ==, -EINVAL);
    }
    tear_down(&setup);
}

/* ---- Slots ------------------------------------------------------------------------------ */

static unsigned nr_slots(const struct setup *setup)
{
    return g_hash_table_size(kvm_of(setup->cpus)->mem.by_start);
}

static void a_range_is_a_slot(void)
{
    struct setup setup = set_up(1);
    struct region *ram, *over;

    if (setup.cpus) {
        bql_lock();
        ram = ram_region(&setup.scene, "ram", 16 * PAGE);
        over = ram_region(&setup.scene, "over", PAGE);
        put_in(setup.scene.root, 0, ram, 0);
        g_assert_cmpuint(nr_slots(&setup), ==, 1);
        for (unsigned i = 0; i < 20; i++) { /* split, and joined */
            put_in(setup.scene.root, 4 * PAGE, over, 1);
            g_assert_cmpuint(nr_slots(&setup), ==, 3);
            take_out(over);
            g_assert_cmpuint(nr_slots(&setup), ==, 1);
        }
        g_assert_cmpuint(kvm_of(setup.cpus)->mem.next_slot, <=, 4); /* numbers are used again */
        put_in(setup.scene.root, 100 * PAGE + 0x123, over, 0);      /* no whole page of it */
        g_assert_cmpuint(nr_slots(&setup), ==, 1);
        take_out_and_forget(over);
        take_out_and_forget(ram);
        g_assert_cmpuint(nr_slots(&setup), ==, 0);
        bql_unlock();
    }
    tear_down(&setup);
}

static void no_slot_left_is_an_error_of_the_commit(void)
{
    struct setup setup = set_up(1);
    struct region *regions[4];
    g_autoptr(GError) error = NULL;

    if (setup.cpus) {
        kvm_of(setup.cpus)->mem.max_slots = 3;
        bql_lock();
        for (unsigned i = 0; i < 4; i++)
            regions[i] = ram_region(&setup.scene, "ram", PAGE);
        for (unsigned i = 0; i < 3; i++)
            put_in(setup.scene.root, 2 * i * PAGE, regions[i], 0);
        g_assert_false(region_add(setup.scene.root, 100 * PAGE, regions[3], 0, &error));
        g_assert_nonnull(strstr(error->message, "memory slots are in use"));
        g_assert_cmpuint(nr_slots(&setup), ==, 3);
        /* One moves: its new slot needs the number of its old one. */
        g_assert_true(region_move(regions[0], 200 * PAGE, NULL));
        g_assert_cmpuint(nr_slots(&setup), ==, 3);
        take_out(regions[1]);
        put_in(setup.scene.root, 100 * PAGE, regions[3], 0);
        g_assert_cmpuint(nr_slots(&setup), ==, 3);
        region_unref(regions[1]);
        take_out_and_forget(regions[0]);
        take_out_and_forget(regions[2]);
        take_out_and_forget(regions[3]);
        bql_unlock();
    }
    tear_down(&setup);
}

/* ---- Chips ------------------------------------------------------------------------------- */

static uint32_t apic_read(struct cpu *cpu, unsigned reg)
{
    struct kvm_lapic_state lapic;
    uint32_t value;

    g_assert_cmpint(kvm_ioctl(kvm_cpu_of(cpu)->fd, KVM_GET_LAPIC, &lapic), ==, 0);
    memcpy(&value, lapic.regs + reg, sizeof(value));
    return value;
}

static void apic_write(struct cpu *cpu, unsigned reg, uint32_t value)
{
    struct kvm_lapic_state lapic;

    g_assert_cmpint(kvm_ioctl(kvm_cpu_of(cpu)->fd, KVM_GET_LAPIC, &lapic), ==, 0);
    memcpy(lapic.regs + reg, &value, sizeof(value));
    g_assert_cmpint(kvm_ioctl(kvm_cpu_of(cpu)->fd, KVM_SET_LAPIC, &lapic), ==, 0);
}

enum { SVR = 0xf0, IRR = 0x200, SVR_ON = 0x1ff, SVR_AT_RESET = 0xff };

static void activity_comes_back(void)
{
    struct setup setup = set_up_chips(2);
    struct cpu_state state;

    if (setup.cpus) {
        struct cpu *cpu = setup.cpus->cpu[1];

        g_assert_true(kvm_has_chips(setup.cpus));
        cpu_state_reset(&state);
        state.is_waiting = true;
        g_assert_cmpint(cpu_set_state(cpu, &state), ==, 0);
        g_assert_cmpint(cpu->rest, ==, CPU_RUNS); /* the kernel waits, inside KVM_RUN */
        cpu_get_state(cpu, &state);
        g_assert_true(state.is_waiting);
        state.is_waiting = false;
        state.is_halted = true;
        g_assert_cmpint(cpu_set_state(cpu, &state), ==, 0);
        cpu_get_state(cpu, &state);
        g_assert_true(state.is_halted);
        g_assert_false(state.is_waiting);
    }
    tear_down(&setup);
}

static void reset_reaches_the_chips(void)
{
    struct setup setup = set_up_chips(2);
    struct cpu_state state;

    if (setup.cpus) {
        struct cpu *cpu = setup.cpus->cpu[1];
        uint64_t kvmclock = 0x1001, base = 0xfee00c00; /* on, in x2APIC mode */

        make_long_mode(&state);
        state.is_nmi_pending = true;
        state.is_nmi_blocked = true;
        g_assert_cmpint(cpu_set_state(cpu, &state), ==, 0);
        g_assert_true(kvm_move_msr(kvm_cpu_of(cpu), MSR_APIC_BASE, &base, true));
        apic_write(cpu, SVR, SVR_ON);
        apic_write(cpu, IRR + 0x10, 0x10);
        g_assert_true(kvm_move_msr(kvm_cpu_of(cpu), 0x4b564d01, &kvmclock, true));
        cpus_reset(setup.cpus);
        cpu_get_state(cpu, &state);
        g_assert_cmphex(state.rip, ==, 0xfff0);
        g_assert_false(state.is_nmi_pending);
        g_assert_false(state.is_nmi_blocked);
        g_assert_true(kvm_move_msr(kvm_cpu_of(cpu), MSR_APIC_BASE, &base, false));
        g_assert_cmphex(base, ==, 0xfee00800);
        g_assert_cmphex(apic_read(cpu, SVR), ==, SVR_AT_RESET);
        g_assert_cmphex(apic_read(cpu, IRR + 0x10), ==, 0);
        g_assert_true(kvm_move_msr(kvm_cpu_of(cpu), 0x4b564d01, &kvmclock, false));
        g_assert_cmphex(kvmclock, ==, 0);
    }
    tear_down(&setup);
}

static void messages_reach_their_apic(void)
{
    struct setup setup = set_up_chips(2);

    if (setup.cpus) {
        for (unsigned i = 0; i < 2; i++)
            apic_write(setup.cpus->cpu[i], SVR, SVR_ON);
        g_assert_true(kvm_send_message(setup.cpus, 0xfee01000, 0x41));
        g_assert_cmphex(apic_read(setup.cpus->cpu[0], IRR + 0x20), ==, 0);
        g_assert_cmphex(apic_read(setup.cpus->cpu[1], IRR + 0x20), ==, 2);
    }
    tear_down(&setup);
}

static void ring(int fd)
{
    const uint64_t one = 1;

    g_assert_cmpint(write(fd, &one, sizeof(one)), ==, sizeof(one));
}

static void an_eventfd_raises_its_route(void)
{
    struct setup setup = set_up_chips(1);
    const struct kvm_route routes[] = { { .gsi = 30, .address = 0xfee00000, .data = 0x45 },
                                        { .gsi = 31, .address = 0xfee00000, .data = 0x46 } };

    if (setup.cpus) {
        struct cpu *cpu = setup.cpus->cpu[0];
        const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        apic_write(cpu, SVR, SVR_ON);
        bql_lock();
        g_assert_true(kvm_set_routes(setup.cpus, routes, ARRAY_SIZE(routes)));
        g_assert_true(kvm_set_irqfd(setup.cpus, 31, fd, true));
        bql_unlock();
        ring(fd);
        while (apic_read(cpu, IRR + 0x20) != 0x40)
            sched_yield();
        bql_lock();
        g_assert_true(kvm_set_irqfd(setup.cpus, 31, fd, false));
        ring(fd); /* nobody takes it, until somebody does */
        g_assert_true(kvm_set_irqfd(setup.cpus, 30, fd, true));
        bql_unlock();
        while (apic_read(cpu, IRR + 0x20) != 0x60)
            sched_yield();
        bql_lock();
        g_assert_true(kvm_set_irqfd(setup.cpus, 30, fd, false));
        g_assert_true(kvm_set_routes(setup.cpus, NULL, 0));
        bql_unlock();
        close(fd);
    }
    tear_down(&setup);
}

static void doorbells_are_put_and_taken(void)
{
    struct setup setup = set_up(1);

    if (setup.cpus) {
        const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        bql_lock();
        g_assert_true(kvm_set_doorbell(setup.cpus, 0xfe000000, 0, fd, true));
        g_assert_true(kvm_set_doorbell(setup.cpus, 0xfe000004, 4, fd, true));
        g_assert_false(kvm_set_doorbell(setup.cpus, 0xfe000000, 0, fd, true)); /* it is there */
        g_assert_true(kvm_set_doorbell(setup.cpus, 0xfe000000, 0, fd, false));
        g_assert_true(kvm_set_doorbell(setup.cpus, 0xfe000004, 4, fd, false));
        bql_unlock();
        close(fd);
    }
    tear_down(&setup);
}

/* ---- Clocks ------------------------------------------------------------------------------ */

static uint64_t kvmclock_ns(struct setup *setup)
{
    struct kvm_clock_data clock;

    g_assert_cmpint(kvm_ioctl(kvm_of(setup->cpus)->vm, KVM_GET_CLOCK, &clock), ==, 0);
    return clock.clock;
}

static void the_clock_stops_with_the_machine(void)
{
    enum { STOPPED_NS = 50000000 };
    struct setup setup = set_up_chips(2);

    if (setup.cpus) {
        const uint64_t start = (uint64_t)monotonic_ns();
        uint64_t before, after, passed;

        bql_lock();
        before = kvmclock_ns(&setup);
        kvm_clock_stop(setup.cpus);
        kvm_clock_stop(setup.cpus);                       /* again is fine */
        while (kvmclock_ns(&setup) - before < STOPPED_NS) /* KVM's own goes on meanwhile */
            sched_yield();
        kvm_clock_start(setup.cpus);
        after = kvmclock_ns(&setup);
        passed = (uint64_t)monotonic_ns() - start;
        g_assert_cmpuint(after, >=, before);
        g_assert_cmpuint(after - before, <=, passed - STOPPED_NS);
        bql_unlock();
    }
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    if (util_start(NULL) != 0)
        return EXIT_FAILURE;
    bql_unlock();
#define TEST(function) g_test_add_func("/kvm/" #function, function)
    TEST(reset_comes_back);
    TEST(a_state_comes_back);
    TEST(what_is_no_state_is_refused);
    TEST(a_range_is_a_slot);
    TEST(no_slot_left_is_an_error_of_the_commit);
    TEST(activity_comes_back);
    TEST(reset_reaches_the_chips);
    TEST(messages_reach_their_apic);
    TEST(an_eventfd_raises_its_route);
    TEST(doorbells_are_put_and_taken);
    TEST(the_clock_stops_with_the_machine);
    result = g_test_run();
    bql_lock();
    util_stop();
    return result;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to local APICs, from devices and from processors: who gets them, and what they do. */
#include "tests/unit/irq_guest.h"

#define FOR(id) ((uint64_t)(id) << 32)

enum {
    VECTOR = 0x51,
    ICR_NMI = 4 << 8,
    ICR_INIT = 5 << 8,
    ICR_STARTUP = 6 << 8,
    ICR_LOGICAL = 1 << 11,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    ICR_SELF = 1 << 18,
    ICR_ALL = 2 << 18,
    ICR_OTHERS = 3 << 18,
};

/* A bit for each processor that has VECTOR to take; it is taken and ended. */
static uint64_t who_has_it(void)
{
    uint64_t who = 0;

    for (unsigned i = 0; i < irq_scene.cpus->nr_cpus; i++) {
        if (!has_interrupt(i))
            continue;
        g_assert_cmpint(acknowledge(i), ==, VECTOR);
        g_assert_cmphex(take_events(i), ==, CPU_EVENT_INTERRUPT);
        g_assert_cmpint(acknowledge(i), ==, -1);
        who |= UINT64_C(1) << i;
    }
    return who;
}

static void end_of_each(uint64_t who)
{
    for (unsigned i = 0; i < irq_scene.cpus->nr_cpus; i++) {
        if (who >> i & 1)
            end_of_interrupt(i);
    }
}

static uint64_t receivers_of_msi(uint64_t address)
{
    uint64_t who;

    send_msi(address, VECTOR);
    who = who_has_it();
    end_of_each(who);
    return who;
}

static uint64_t receivers_of_ipi(unsigned from, uint64_t icr)
{
    uint64_t who;

    write_msr(from, X2_ICR, icr | VECTOR);
    g_assert_cmphex(read_msr(from, X2_ICR), ==, icr | VECTOR);
    who = who_has_it();
    end_of_each(who);
    return who;
}

/* ---- x2APIC -------------------------------------------------------------------------------- */

static void physical(void)
{
    irq_scene_new_x2apic(20);
    g_assert_cmphex(receivers_of_ipi(0, FOR(0)), ==, 1);
    g_assert_cmphex(receivers_of_ipi(0, FOR(19)), ==, 1 << 19);
    g_assert_cmphex(receivers_of_ipi(0, FOR(20)), ==, 0);
    g_assert_cmphex(receivers_of_ipi(0, FOR(0xff)), ==, 0); /* an ID like others */
    g_assert_cmphex(receivers_of_ipi(3, FOR(UINT32_MAX)), ==, 0xfffff);
    g_assert_cmphex(receivers_of_msi(0xfee14000), ==, 0);
    g_assert_cmphex(receivers_of_msi(0xfee03000), ==, 8);
    g_assert_cmphex(receivers_of_msi(0xfeeff000), ==, 0xfffff);
    irq_scene_free();
}

static void logical_in_clusters_of_16(void)
{
    irq_scene_new_x2apic(20);
    g_assert_cmphex(receivers_of_ipi(0, FOR(0x00008421) | ICR_LOGICAL), ==, 0x8421);
    g_assert_cmphex(receivers_of_ipi(0, FOR(0x00010003) | ICR_LOGICAL), ==, 0x30000);
    g_assert_cmphex(receivers_of_ipi(0, FOR(0x0001fff0) | ICR_LOGICAL), ==, 0);
    g_assert_cmphex(receivers_of_ipi(0, FOR(0x00020001) | ICR_LOGICAL), ==, 0);
    g_assert_cmphex(receivers_of_ipi(0, FOR(UINT32_MAX) | ICR_LOGICAL), ==, 0xfffff);
    g_assert_cmphex(receivers_of_msi(0xfee06004), ==, 6);
    irq_scene_free();
}

static void shorthands(void)
{
    irq_scene_new_x2apic(4);
    g_assert_cmphex(receivers_of_ipi(2, FOR(1) | ICR_SELF), ==, 4);
    g_assert_cmphex(receivers_of_ipi(2, FOR(1) | ICR_ALL), ==, 0xf);
    g_assert_cmphex(receivers_of_ipi(2, FOR(1) | ICR_OTHERS | ICR_LOGICAL), ==, 0xb);
    write_msr(2, X2_SELF_IPI, VECTOR);
    g_assert_cmphex(who_has_it(), ==, 4);
    irq_scene_free();
}

/* ---- The page's mode, by MSIs -------------------------------------------------------------- */

struct logical_ids {
    uint32_t dfr;
    uint32_t ldr[4];
};

static void write_page(struct cpu *cpu, void *opaque)
{
    const struct logical_ids *ids = opaque;
    struct scene map;
    struct region *region;

    bql_lock();
    map = scene_new(UINT64_C(1) << 32);
    region = lapics_region(irq_scene.lapics, map.mem);
    put_in(map.root, LAPIC_BASE, region, 0);
    bql_unlock();
    g_assert_cmpint(mem_mmio_write(map.space, LAPIC_BASE + 0xf0, 4, 0x1ff), ==, MEM_OK);
    g_assert_cmpint(mem_mmio_write(map.space, LAPIC_BASE + 0xe0, 4, ids->dfr), ==, MEM_OK);
    g_assert_cmpint(mem_mmio_write(map.space, LAPIC_BASE + 0xd0, 4, ids->ldr[cpu->index]), ==,
                    MEM_OK);
    bql_lock();
    take_out_and_forget(region);
    scene_free(&map);
    bql_unlock();
}

/* Four processors with these IDs, that have run no more than that. */
static void irq_scene_new_xapic(struct logical_ids ids)
{
    irq_scene_new(4);
    g_assert_true(cpus_start(irq_scene.cpus, NULL));
    for (unsigned i = 0; i < 4; i++)
        cpu_run_on(irq_scene.cpus->cpu[i], write_page, &ids);
    cpus_stop(irq_scene.cpus);
    for (unsigned i = 0; i < 4; i++)
        (void)take_events(i);
}

/* Each receiver is turned to x2APIC for its EOI: so once a scene. */
static void check_receivers_once(uint64_t address, uint64_t expected)
{
    send_msi(address, VECTOR);
    g_assert_cmphex(who_has_it(), ==, expected);
}

static void flat(void)
{
    static const struct {
        uint64_t address, receivers;
    } cases[] = {
        { 0xfee05004, 0x5 }, /* logical: a bit each */
        { 0xfee90004, 0x8 }, { 0xfee40004, 0x0 },
        { 0xfeeff004, 0xf }, { 0xfee02000, 0x4 }, /* physical */
        { 0xfeeff000, 0xf }, { 0xfee04000, 0x0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        irq_scene_new_xapic((struct logical_ids){
            .dfr = 0xf0000000, .ldr = { 0x01000000, 0x02000000, 0x04000000, 0x88000000 } });
        check_receivers_once(cases[i].address, cases[i].receivers);
        irq_scene_free();
    }
}

static void clusters_of_4(void)
{
    static const struct {
        uint64_t address, receivers;
    } cases[] = {
        { 0xfee13004, 0x3 }, { 0xfee22004, 0x8 }, { 0xfee21004, 0x4 },
        { 0xfee33004, 0x0 }, { 0xfee23004, 0xc }, { 0xfeeff004, 0xf },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        irq_scene_new_xapic((struct logical_ids){
            .dfr = 0, .ldr = { 0x11000000, 0x12000000, 0x21000000, 0x22000000 } });
        check_receivers_once(cases[i].address, cases[i].receivers);
        irq_scene_free();
    }
}

static void modes_mixed(void)
{
    irq_scene_new_xapic((struct logical_ids){
        .dfr = 0xf0000000, .ldr = { 0x01000000, 0x02000000, 0x04000000, 0x08000000 } });
    enable_x2apic(2); /* its logical ID is bit 2 of cluster 0 now */
    write_msr(2, X2_ICR, FOR(0x10004) | ICR_LOGICAL | VECTOR); /* more than 8 bits: no xAPIC's */
    g_assert_cmphex(who_has_it(), ==, 0);
    write_msr(2, X2_ICR, FOR(0x0c) | ICR_LOGICAL | VECTOR);
    g_assert_cmphex(who_has_it(), ==, 0xc);
    irq_scene_free();
}

/* ---- One of several ------------------------------------------------------------------------ */

static void lowest_priority_gets_it(void)
{
    irq_scene_new_x2apic(4);
    for (unsigned i = 0; i < 4; i++)
        write_msr(i, X2_TPR, i == 2 ? 0x20 : 0x30);
    send_msi(0xfee0f004, 0x100 | VECTOR);
    g_assert_cmphex(who_has_it(), ==, 4);
    send_msi(0xfee0f004, 0x100 | VECTOR); /* that one is busy now: one of the others */
    g_assert_cmpuint(__builtin_popcountll(who_has_it() & 0xb), ==, 1);
    end_of_interrupt(2);
    send_msi(0xfee0f00c, VECTOR); /* a fixed one with the hint */
    g_assert_cmphex(who_has_it(), ==, 4);
    end_of_interrupt(2);
    write_msr(2, X2_SVR, 0xff);
    send_msi(0xfee04004, 0x100 | VECTOR); /* disabled: nobody */
    g_assert_cmphex(who_has_it(), ==, 0);
    write_msr(0, X2_TPR, 0);
    write_msr(3, X2_ICR, FOR(0x0f) | ICR_LOGICAL | 0x100 | VECTOR); /* from a processor too */
    g_assert_cmpuint(__builtin_popcountll(who_has_it()), ==, 1);
    irq_scene_free();
}

/* Among equals not always the same. */
static void equals_take_turns_by_vector(void)
{
    irq_scene_new_x2apic(2);
    send_msi(0xfee03004, 0x150);
    send_msi(0xfee03004, 0x151);
    g_assert_cmpint(acknowledge(0), ==, 0x50);
    g_assert_cmpint(acknowledge(1), ==, 0x51);
    irq_scene_free();
}

/* ---- What is no interrupt ------------------------------------------------------------------ */

static void nmi(void)
{
    irq_scene_new_x2apic(3);
    write_msr(0, X2_ICR, FOR(1) | ICR_NMI);
    g_assert_cmphex(take_events(1), ==, CPU_EVENT_NMI);
    write_msr(0, X2_ICR, ICR_OTHERS | ICR_NMI | 2);
    g_assert_cmphex(take_events(0), ==, 0);
    g_assert_cmphex(take_events(1), ==, CPU_EVENT_NMI);
    g_assert_cmphex(take_events(2), ==, CPU_EVENT_NMI);
    send_msi(0xfee02000, 0x400);
    g_assert_cmphex(take_events(2), ==, CPU_EVENT_NMI);
    irq_scene_free();
}

static void init_and_startup(void)
{
    irq_scene_new_x2apic(3);
    write_msr(0, X2_ICR, FOR(1) | ICR_STARTUP | 0x9a);
    check_told("start 1 at 154;"); /* it has not run since power-on */
    write_msr(0, X2_ICR, FOR(1) | ICR_STARTUP | 0x9a);
    check_told(""); /* it runs */
    write_msr(0, X2_ICR, FOR(1) | ICR_INIT | ICR_LEVEL | ICR_ASSERT);
    g_assert_cmphex(take_events(1), ==, CPU_EVENT_INIT);
    write_msr(0, X2_ICR, FOR(1) | ICR_INIT | ICR_LEVEL);
    g_assert_cmphex(take_events(1), ==, 0);
    write_msr(0, X2_ICR, FOR(1) | ICR_STARTUP | 0x10);
    write_msr(0, X2_ICR, FOR(1) | ICR_STARTUP | 0x11);
    check_told("start 1 at 16;");
    write_msr(0, X2_ICR, ICR_OTHERS | ICR_INIT | ICR_ASSERT);
    write_msr(0, X2_ICR, ICR_OTHERS | ICR_STARTUP | 0x22);
    check_told("start 1 at 34;start 2 at 34;");
    g_assert_cmphex(take_events(0), ==, 0);
    g_assert_cmphex(take_events(1) & take_events(2), ==, CPU_EVENT_INIT);
    write_msr(0, X2_ICR, FOR(0) | ICR_STARTUP | 0x22);      /* the first one runs from power-on */
    write_msr(0, X2_ICR, ICR_SELF | ICR_INIT | ICR_ASSERT); /* what makes no sense */
    write_msr(0, X2_ICR, ICR_ALL | ICR_STARTUP);
    check_told("");
    g_assert_cmphex(take_events(0), ==, 0);
    irq_scene_free();
}

static void nothing(struct cpu *cpu UNUSED, void *unused UNUSED)
{
}

/* INIT comes out at the processor's own thread, which resets the APIC, but for its mode. */
static void init_resets_the_apic(void)
{
    irq_scene_new_x2apic(2);
    write_msr(1, X2_TPR, 0x30);
    write_msr(1, X2_SELF_IPI, 0x41);
    g_assert_true(cpus_start(irq_scene.cpus, NULL));
    write_msr(0, X2_ICR, FOR(1) | ICR_INIT | ICR_ASSERT);
    cpu_run_on(irq_scene.cpus->cpu[1], nothing, NULL); /* behind the INIT */
    cpus_stop(irq_scene.cpus);
    g_assert_cmphex(read_msr(1, MSR_BASE), ==, 0xfee00c00);
    g_assert_cmphex(read_msr(1, X2_TPR), ==, 0);
    g_assert_cmphex(read_msr(1, X2_SVR), ==, 0xff);
    g_assert_cmphex(read_msr(1, X2_LDR), ==, 2);
    g_assert_cmpint(acknowledge(1), ==, -1);
    irq_scene_free();
}

static void reserved_is_ignored(void)
{
    static const struct msi_message reserved[] = {
        { 0xfee00000, 0x251 },        /* SMI */
        { 0xfee00000, 0x351 },        /* reserved */
        { 0xfee00000, 0x651 },        /* a startup message: no device may */
        { 0xfee00000, 0x751 },        /* from an 8259 */
        { 0xfec00000, 0x051 },        /* not to local APICs */
        { 0x1fee00000, 0x051 },       /* nor this */
        { UINT64_C(0x100000000), 0 }, /* a route that nobody has written yet, say */
        { UINT64_MAX, UINT32_MAX },
    };

    irq_scene_new_x2apic(2);
    for (unsigned i = 0; i < G_N_ELEMENTS(reserved); i++)
        send_msi(reserved[i].address, reserved[i].data);
    for (unsigned mode = 2; mode < 8; mode++) {
        if (mode == 2 || mode == 3 || mode == 7)
            write_msr(1, X2_ICR, FOR(0) | mode << 8 | VECTOR);
    }
    g_assert_cmphex(take_events(0) | take_events(1), ==, 0);
    g_assert_cmpint(acknowledge(0), ==, -1);
    check_told("");
    irq_scene_free();
}

static void switched_off_hears_nothing(void)
{
    irq_scene_new_x2apic(2);
    write_msr(1, MSR_BASE, 0xfee00000);
    write_msr(0, X2_ICR, FOR(1) | VECTOR);
    write_msr(0, X2_ICR, ICR_OTHERS | ICR_NMI);
    write_msr(0, X2_ICR, FOR(1) | ICR_INIT | ICR_ASSERT);
    g_assert_cmphex(take_events(1), ==, 0);
    irq_scene_free();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lapic-message/physical", physical);
    g_test_add_func("/lapic-message/logical-in-clusters-of-16", logical_in_clusters_of_16);
    g_test_add_func("/lapic-message/shorthands", shorthands);
    g_test_add_func("/lapic-message/flat", flat);
    g_test_add_func("/lapic-message/clusters-of-4", clusters_of_4);
    g_test_add_func("/lapic-message/modes-mixed", modes_mixed);
    g_test_add_func("/lapic-message/lowest-priority-gets-it", lowest_priority_gets_it);
    g_test_add_func("/lapic-message/equals-take-turns-by-vector", equals_take_turns_by_vector);
    g_test_add_func("/lapic-message/nmi", nmi);
    g_test_add_func("/lapic-message/init-and-startup", init_and_startup);
    g_test_add_func("/lapic-message/init-resets-the-apic", init_resets_the_apic);
    g_test_add_func("/lapic-message/reserved-is-ignored", reserved_is_ignored);
    g_test_add_func("/lapic-message/switched-off-hears-nothing", switched_off_hears_nothing);
    return run_without_bql();
}

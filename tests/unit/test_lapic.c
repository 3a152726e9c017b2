/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APICs: registers, modes, priorities. Messages: test_lapic_message.c; timers:
 * test_lapic_timer.c. */
#include "tests/unit/irq_guest.h"
#include "util/metric.h"

static void after_reset(void)
{
    irq_scene_new(2);
    g_assert_cmphex(read_msr(0, MSR_BASE), ==, 0xfee00900);
    g_assert_cmphex(read_msr(1, MSR_BASE), ==, 0xfee00800);
    g_assert_false(can_read(0, X2_ID)); /* not in this mode */
    g_assert_false(can_write(0, X2_EOI, 0));
    write_msr(1, MSR_BASE, 0xfee00c00);
    g_assert_cmphex(read_msr(1, MSR_BASE), ==, 0xfee00c00);
    g_assert_cmphex(read_msr(1, X2_ID), ==, 1);
    g_assert_cmphex(read_msr(1, X2_VERSION), ==, 0x01050014);
    g_assert_cmphex(read_msr(1, X2_LDR), ==, 2);
    g_assert_cmphex(read_msr(1, X2_SVR), ==, 0xff);
    g_assert_cmphex(read_msr(1, X2_TPR), ==, 0);
    for (unsigned i = 0; i < 6; i++)
        g_assert_cmphex(read_msr(1, X2_LVT_TIMER + i), ==, 0x10000);
    for (unsigned i = 0; i < 8; i++)
        g_assert_cmphex(read_msr(1, X2_ISR + i) | read_msr(1, X2_TMR + i) | read_msr(1, X2_IRR + i),
                        ==, 0);
    irq_scene_free();
}

static void ids_of_many(void)
{
    irq_scene_new_x2apic(40);
    g_assert_cmphex(read_msr(39, X2_ID), ==, 39);
    g_assert_cmphex(read_msr(39, X2_LDR), ==, 0x20080);
    irq_scene_free();
}

static void modes(void)
{
    irq_scene_new(1);
    g_assert_false(can_write(0, MSR_BASE, 0xfee00d00 - 0x800)); /* x2APIC without enable */
    g_assert_false(can_write(0, MSR_BASE, 0xfed00900));         /* elsewhere */
    g_assert_false(can_write(0, MSR_BASE, 0xfee00901));         /* reserved */
    g_assert_false(can_write(0, MSR_BASE, 0xfee00b00));
    g_assert_false(can_write(0, MSR_BASE, 0x1fee00900));
    write_msr(0, MSR_BASE, 0xfee00100); /* off */
    g_assert_cmphex(read_msr(0, MSR_BASE), ==, 0xfee00100);
    g_assert_false(can_write(0, MSR_BASE, 0xfee00d00)); /* not at one go */
    write_msr(0, MSR_BASE, 0xfee00900);
    write_msr(0, MSR_BASE, 0xfee00d00);
    write_msr(0, X2_TPR, 0x40);
    write_msr(0, MSR_BASE, 0xfee00d00); /* again: no change */
    g_assert_cmphex(read_msr(0, X2_TPR), ==, 0x40);
    g_assert_false(can_write(0, MSR_BASE, 0xfee00900)); /* not back */
    write_msr(0, MSR_BASE, 0xfee00100);
    write_msr(0, MSR_BASE, 0xfee00900);
    write_msr(0, MSR_BASE, 0xfee00d00);
    g_assert_cmphex(read_msr(0, X2_TPR), ==, 0); /* off is a reset */
    irq_scene_free();
}

/* Of each register: what may be read, and which bits written. */
static void x2apic_refuses_reserved(void)
{
    static const struct {
        uint32_t msr;
        bool reads, writes;
        uint64_t bits;
    } rules[] = {
        { 0x800, false, false, 0 },
        { X2_ID, true, false, 0 },
        { X2_VERSION, true, false, 0 },
        { X2_TPR, true, true, 0xff },
        { 0x809, false, false, 0 },
        { X2_PPR, true, false, 0 },
        { X2_EOI, false, true, 0 },
        { X2_LDR, true, false, 0 },
        { 0x80e, false, false, 0 },
        { X2_SVR, true, true, 0x13ff },
        { X2_ISR + 7, true, false, 0 },
        { X2_TMR + 7, true, false, 0 },
        { X2_IRR + 7, true, false, 0 },
        { X2_ESR, true, true, 0 },
        { 0x82f, false, false, 0 },
        { X2_ICR, true, true, 0xffffffff000ccfff },
        { 0x831, false, false, 0 },
        { X2_LVT_TIMER, true, true, 0x700ff },
        { 0x833, true, true, 0x107ff },
        { 0x834, true, true, 0x107ff },
        { X2_LVT_LINT0, true, true, 0x1a7ff },
        { 0x836, true, true, 0x1a7ff },
        { X2_LVT_ERROR, true, true, 0x100ff },
        { X2_INITIAL, true, true, 0xffffffff },
        { X2_CURRENT, true, false, 0 },
        { X2_DIVIDE, true, true, 0xb },
        { X2_SELF_IPI, false, true, 0xff },
    };

    irq_scene_new_x2apic(1);
    for (unsigned i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_assert_true(can_read(0, rules[i].msr) == rules[i].reads);
        for (unsigned bit = 0; bit < 64; bit++) {
            const uint64_t value = UINT64_C(1) << bit;

            if (rules[i].msr == X2_SVR && bit == 8)
                continue;
            g_assert_true(can_write(0, rules[i].msr, value) == !!(rules[i].bits & value));
        }
        g_assert_true(can_write(0, rules[i].msr, 0) == rules[i].writes);
    }
    g_assert_false(can_write(0, X2_LVT_TIMER, 0x60000)); /* no such mode */
    g_assert_false(can_read(0, 0x840));
    g_assert_false(can_write(0, 0x7ff, 0));
    irq_scene_free();
}

/* ---- Priorities ---------------------------------------------------------------------------- */

static void higher_first_and_nested(void)
{
    irq_scene_new_x2apic(1);
    write_msr(0, X2_SELF_IPI, 0x41);
    g_assert_cmphex(take_events(0), ==, CPU_EVENT_INTERRUPT);
    write_msr(0, X2_SELF_IPI, 0x43);
    write_msr(0, X2_SELF_IPI, 0x55);
    g_assert_cmpint(acknowledge(0), ==, 0x55);
    g_assert_cmphex(read_msr(0, X2_PPR), ==, 0x50);
    g_assert_cmpint(acknowledge(0), ==, -1);
    write_msr(0, X2_SELF_IPI, 0x5f); /* not above: of the same class */
    g_assert_cmpint(acknowledge(0), ==, -1);
    write_msr(0, X2_SELF_IPI, 0xe0); /* above */
    g_assert_cmpint(acknowledge(0), ==, 0xe0);
    g_assert_cmphex(read_msr(0, X2_ISR + 2), ==, 1u << 21);
    g_assert_cmphex(read_msr(0, X2_ISR + 7), ==, 1);
    g_assert_cmphex(read_msr(0, X2_IRR + 2), ==, 1u << 1 | 1u << 3 | 1u << 31);
    (void)take_events(0);
    end_of_interrupt(0); /* of 0xe0 */
    g_assert_cmphex(read_msr(0, X2_PPR), ==, 0x50);
    g_assert_cmphex(take_events(0), ==, 0); /* nothing that could come */
    end_of_interrupt(0);                    /* of 0x55 */
    g_assert_cmphex(take_events(0), ==, CPU_EVENT_INTERRUPT);
    g_assert_cmpint(acknowledge(0), ==, 0x5f);
    end_of_interrupt(0);
    g_assert_cmpint(acknowledge(0), ==, 0x43);
    end_of_interrupt(0);
    g_assert_cmpint(acknowledge(0), ==, 0x41);
    end_of_interrupt(0);
    g_assert_cmphex(read_msr(0, X2_PPR), ==, 0);
    end_of_interrupt(0); /* of nothing */
    irq_scene_free();
}

static void one_vector_twice_is_once(void)
{
    irq_scene_new_x2apic(1);
    write_msr(0, X2_SELF_IPI, 0x31);
    g_assert_cmphex(take_events(0), ==, CPU_EVENT_INTERRUPT);
    write_msr(0, X2_SELF_IPI, 0x31);
    g_assert_cmphex(take_events(0), ==, 0); /* whoever set the bit has kicked */
    g_assert_cmpint(acknowledge(0), ==, 0x31);
    write_msr(0, X2_SELF_IPI, 0x31); /* while it is served: once more */
    g_assert_cmpint(acknowledge(0), ==, -1);
    end_of_interrupt(0);
    g_assert_cmpint(acknowledge(0), ==, 0x31);
    end_of_interrupt(0);
    g_assert_cmpint(acknowledge(0), ==, -1);
    irq_scene_free();
}

static void task_priority(void)
{
    irq_scene_new_x2apic(1);
    lapics_set_priority(irq_scene.lapics, 0, 5);
    g_assert_cmphex(read_msr(0, X2_TPR), ==, 0x50);
    g_assert_cmphex(read_msr(0, X2_PPR), ==, 0x50);
    write_msr(0, X2_SELF_IPI, 0x5f);
    g_assert_cmpint(acknowledge(0), ==, -1);
    write_msr(0, X2_SELF_IPI, 0x60);
    g_assert_cmpint(acknowledge(0), ==, 0x60);
    end_of_interrupt(0);
    (void)take_events(0);
    write_msr(0, X2_TPR, 0x4f);
    g_assert_cmpuint(lapics_get_priority(irq_scene.lapics, 0), ==, 4);
    g_assert_cmphex(take_events(0), ==, CPU_EVENT_INTERRUPT);
    g_assert_cmphex(read_msr(0, X2_PPR), ==, 0x4f);
    g_assert_cmpint(acknowledge(0), ==, 0x5f);
    lapics_set_priority(irq_scene.lapics, 0, 15); /* above what is served */
    g_assert_cmphex(read_msr(0, X2_PPR), ==, 0xf0);
    write_msr(0, X2_TPR, 0x52); /* the same class: TPR whole */
    g_assert_cmphex(read_msr(0, X2_PPR), ==, 0x52);
    irq_scene_free();
}

/* Between the look and the taking somebody may raise the priority: nothing is taken then. */
static void taken_too_late(void)
{
    irq_scene_new_x2apic(1);
    write_msr(0, X2_SELF_IPI, 0x51);
    g_assert_true(has_interrupt(0));
    write_msr(0, X2_TPR, 0x50);
    g_assert_cmpint(lapics_acknowledge(irq_scene.lapics, 0), ==, -1);
    g_assert_cmphex(read_msr(0, X2_IRR + 2), ==, 1u << 17);
    irq_scene_free();
}

static void disabled_by_software(void)
{
    irq_scene_new_x2apic(1);
    write_msr(0, X2_SELF_IPI, 0x51);
    write_msr(0, X2_LVT_ERROR, 0xfe);
    write_msr(0, X2_SVR, 0xff);
    g_assert_cmphex(read_msr(0, X2_LVT_ERROR), ==, 0x100fe);
    write_msr(0, X2_LVT_ERROR, 0xfd); /* stays masked */
    g_assert_cmphex(read_msr(0, X2_LVT_ERROR), ==, 0x100fd);
    g_assert_cmpint(acknowledge(0), ==, 0x51); /* what is there remains */
    end_of_interrupt(0);
    send_msi(0xfee00000, 0x52);
    g_assert_cmpint(acknowledge(0), ==, -1);
    (void)take_events(0);
    send_msi(0xfee00000, 0x400); /* NMI */
    g_assert_cmphex(take_events(0), ==, CPU_EVENT_NMI);
    irq_scene_free();
}

/* ---- Ends of level-triggered interrupts ---------------------------------------------------- */

static void ends_of_levels_are_told(void)
{
    irq_scene_new_x2apic(1);
    send_msi(0xfee00000, 0xc061);
    g_assert_cmphex(read_msr(0, X2_TMR + 3), ==, 2);
    g_assert_cmpint(acknowledge(0), ==, 0x61);
    check_told("");
    end_of_interrupt(0);
    check_told("end 97;");
    send_msi(0xfee00000, 0x61); /* by edge now */
    g_assert_cmphex(read_msr(0, X2_TMR + 3), ==, 0);
    g_assert_cmpint(acknowledge(0), ==, 0x61);
    end_of_interrupt(0);
    check_told("");
    send_msi(0xfee00000, 0x8061); /* level, deasserted */
    g_assert_cmpint(acknowledge(0), ==, -1);
    write_msr(0, X2_SVR, 0x11ff); /* the guest tells the IOAPIC itself */
    send_msi(0xfee00000, 0xc061);
    g_assert_cmpint(acknowledge(0), ==, 0x61);
    end_of_interrupt(0);
    check_told("");
    irq_scene_free();
}

/* ---- Errors -------------------------------------------------------------------------------- */

static void errors(void)
{
    irq_scene_new_x2apic(2);
    write_msr(0, X2_LVT_ERROR, 0xe1);
    write_msr(0, X2_ICR, 0x1000000000f);         /* to processor 0x100, vector 15 */
    g_assert_cmphex(read_msr(0, X2_ESR), ==, 0); /* not yet shown */
    g_assert_cmpint(acknowledge(0), ==, 0xe1);
    end_of_interrupt(0);
    write_msr(0, X2_ESR, 0);
    g_assert_cmphex(read_msr(0, X2_ESR), ==, 0x20);
    write_msr(0, X2_ESR, 0);
    g_assert_cmphex(read_msr(0, X2_ESR), ==, 0);
    send_msi(0xfee00000, 0x03);
    write_msr(0, X2_ESR, 0);
    g_assert_cmphex(read_msr(0, X2_ESR), ==, 0x40);
    g_assert_cmpint(acknowledge(0), ==, 0xe1);
    end_of_interrupt(0);
    write_msr(0, X2_LVT_ERROR, 0x05); /* an error about errors: once */
    write_msr(0, X2_SELF_IPI, 0x0f);
    write_msr(0, X2_ESR, 0);
    g_assert_cmphex(read_msr(0, X2_ESR), ==, 0x40);
    g_assert_cmpint(acknowledge(0), ==, -1);
    irq_scene_free();
}

/* ---- The page ------------------------------------------------------------------------------ */

static struct scene map;

static uint32_t page_read(unsigned offset)
{
    uint64_t value = 0;

    g_assert_cmpint(mem_mmio_read(map.space, LAPIC_BASE + offset, 4, &value), ==, MEM_OK);
    return (uint32_t)value;
}

static void page_write(unsigned offset, uint32_t value)
{
    g_assert_cmpint(mem_mmio_write(map.space, LAPIC_BASE + offset, 4, value), ==, MEM_OK);
}

static void use_page(struct cpu *cpu, void *unused UNUSED)
{
    const unsigned index = cpu->index;

    g_assert_cmphex(page_read(0x20), ==, index << 24);
    g_assert_cmphex(page_read(0x30), ==, 0x01050014);
    page_write(0x20, 0x77000000); /* read-only here */
    g_assert_cmphex(page_read(0x20), ==, index << 24);
    page_write(0xf0, 0xfffff1ff);
    g_assert_cmphex(page_read(0xf0), ==, 0x11ff); /* reserved bits are dropped */
    page_write(0xf0, 0x1ff);
    page_write(0xd0, 0x12345678);
    g_assert_cmphex(page_read(0xd0), ==, 0x12000000);
    page_write(0xe0, 0);
    g_assert_cmphex(page_read(0xe0), ==, 0x0fffffff);
    page_write(0x310, index << 24); /* to itself */
    g_assert_cmphex(page_read(0x310), ==, index << 24);
    page_write(0x300, 0x000030f1 & ~0x3000); /* vector 0xf1 */
    g_assert_cmphex(page_read(0x270), ==, 1u << 17);
    g_assert_cmpint(acknowledge(index), ==, 0xf1);
    page_write(0xb0, 0x1234); /* whatever it is that is written */
    g_assert_cmphex(page_read(0x170), ==, 0);
    g_assert_cmphex(page_read(0x24), ==, 0); /* between registers */
    page_write(0x370, 0xe0);
    g_assert_cmphex(page_read(0x3f0), ==, 0); /* none in this mode */
    page_write(0x280, 0);
    g_assert_cmphex(page_read(0x280), ==, 0x80);
    g_assert_cmpint(acknowledge(index), ==, 0xe0);
    page_write(0xb0, 0);
}

static void page_in_x2apic_mode(struct cpu *cpu, void *unused UNUSED)
{
    enable_x2apic(cpu->index);
    write_msr(cpu->index, X2_TPR, 0);
    g_assert_cmphex(page_read(0x80), ==, UINT32_MAX);
    page_write(0x80, 0x44);
    g_assert_cmphex(read_msr(cpu->index, X2_TPR), ==, 0);
    write_msr(cpu->index, MSR_BASE, LAPIC_BASE); /* off, and back: the logical ID is gone too */
    write_msr(cpu->index, MSR_BASE, LAPIC_BASE | BASE_XAPIC);
    g_assert_cmphex(page_read(0xd0), ==, 0);
}

static void page_is_each_processors_own(void)
{
    struct region *region;

    irq_scene_new(2);
    bql_lock();
    map = scene_new(UINT64_C(1) << 32);
    region = lapics_region(irq_scene.lapics, map.mem);
    put_in(map.root, LAPIC_BASE, region, 0);
    bql_unlock();
    g_assert_true(cpus_start(irq_scene.cpus, NULL));
    cpu_run_on(irq_scene.cpus->cpu[1], use_page, NULL);
    cpu_run_on(irq_scene.cpus->cpu[0], use_page, NULL);
    g_assert_cmphex(page_read(0x20), ==, UINT32_MAX); /* from a thread that is no processor */
    page_write(0x80, 0x44);
    cpu_run_on(irq_scene.cpus->cpu[1], page_in_x2apic_mode, NULL);
    cpus_stop(irq_scene.cpus);
    bql_lock();
    take_out_and_forget(region);
    scene_free(&map);
    bql_unlock();
    irq_scene_free();
}

/* ---- The rest ------------------------------------------------------------------------------ */

static void refuses_strange_numbers(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(lapics_new(0, NULL, &(struct lapic_ops){ 0 }, NULL));
    g_assert_null(lapics_new(65, NULL, &(struct lapic_ops){ 0 }, &error));
    g_assert_cmpstr(error->message, ==, "cannot make local APICs for 65 processors: 1 to 64");
    lapics_free(NULL);
}

static void metrics(void)
{
    struct metrics *metrics = metrics_new();
    g_autofree char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    irq_scene_new_x2apic(2);
    lapics_metrics_register(irq_scene.lapics, metrics);
    write_msr(1, X2_SELF_IPI, 0x41);
    g_assert_cmpint(acknowledge(1), ==, 0x41);
    g_assert_false(can_write(1, X2_EOI, 1));
    send_msi(0xfee09000, 0x41);
    send_msi(0x1000, 0x41);
    metrics_print(metrics, out);
    fclose(out);
    g_assert_nonnull(strstr(text, "gracevm_apic_interrupts_total{cpu=\"1\"} 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_apic_ipis_total{cpu=\"1\"} 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_apic_ipis_total{cpu=\"0\"} 0\n"));
    g_assert_nonnull(strstr(text, "gracevm_apic_guest_errors_total{cpu=\"1\"} 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_apic_unclaimed_messages_total 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_apic_ignored_messages_total 1\n"));
    metrics_remove(metrics, irq_scene.lapics);
    metrics_free(metrics);
    irq_scene_free();
}

static void reset_forgets(void)
{
    irq_scene_new_x2apic(2);
    write_msr(1, X2_SELF_IPI, 0x41);
    write_msr(1, X2_TPR, 0x20);
    write_msr(1, X2_LVT_TIMER, 0x400ef);
    write_msr(1, MSR_DEADLINE, UINT64_MAX);
    bql_lock();
    lapics_reset(irq_scene.lapics);
    bql_unlock();
    g_assert_cmphex(read_msr(1, MSR_BASE), ==, 0xfee00800);
    g_assert_cmpint(acknowledge(1), ==, -1);
    enable_x2apic(1);
    g_assert_cmphex(read_msr(1, MSR_DEADLINE), ==, 0);
    g_assert_cmphex(read_msr(1, X2_TPR), ==, 0);
    g_assert_cmphex(read_msr(1, X2_LVT_TIMER), ==, 0x10000);
    irq_scene_free();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lapic/after-reset", after_reset);
    g_test_add_func("/lapic/ids-of-many", ids_of_many);
    g_test_add_func("/lapic/modes", modes);
    g_test_add_func("/lapic/x2apic-refuses-reserved", x2apic_refuses_reserved);
    g_test_add_func("/lapic/higher-first-and-nested", higher_first_and_nested);
    g_test_add_func("/lapic/one-vector-twice-is-once", one_vector_twice_is_once);
    g_test_add_func("/lapic/task-priority", task_priority);
    g_test_add_func("/lapic/taken-too-late", taken_too_late);
    g_test_add_func("/lapic/disabled-by-software", disabled_by_software);
    g_test_add_func("/lapic/ends-of-levels-are-told", ends_of_levels_are_told);
    g_test_add_func("/lapic/errors", errors);
    g_test_add_func("/lapic/page-is-each-processors-own", page_is_each_processors_own);
    g_test_add_func("/lapic/refuses-strange-numbers", refuses_strange_numbers);
    g_test_add_func("/lapic/metrics", metrics);
    g_test_add_func("/lapic/reset-forgets", reset_forgets);
    return run_without_bql();
}

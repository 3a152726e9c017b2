/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IOAPIC, with a sink that writes down what comes. */
#include "hw/irq/ioapic.h"
#include "hw/mem/access.h"
#include "tests/unit/mem_scene.h"
#include "util/thread.h"

#define ADDRESS UINT64_C(0xfee00000)

enum { LEVEL = 1 << 15, MASKED = 1 << 16, REMOTE_IRR = 1 << 14, LOGICAL = 1 << 11 };

static struct {
    struct scene map;
    struct msi_routes *routes;
    struct ioapic *ioapic;
    struct region *region;
    GString *sent;
    uint64_t nr_sent; /* atomic */
} board;

static void note(void *opaque UNUSED, const struct msi_message *message)
{
    if (board.sent)
        g_string_append_printf(board.sent, "%x:%x;", (unsigned)(message->address - ADDRESS),
                               message->data);
    fetch_add_relaxed(&board.nr_sent, 1);
}

static void board_new(void) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;

    board.map = scene_new(UINT64_C(1) << 32);
    board.sent = g_string_new(NULL);
    board.nr_sent = 0;
    board.routes = msi_routes_new(&(struct msi_sink){ .send = note });
    board.ioapic = ioapic_new(board.routes, &error);
    g_assert_no_error(error);
    board.region = ioapic_region(board.ioapic, board.map.mem);
    put_in(board.map.root, IOAPIC_BASE, board.region, 0);
}

static void board_free(void) REQUIRES(bql)
{
    take_out_and_forget(board.region);
    ioapic_free(board.ioapic);
    bql_unlock();
    msi_routes_free(board.routes);
    bql_lock();
    scene_free(&board.map);
    g_string_free(g_steal_pointer(&board.sent), TRUE);
}

static void check_sent(const char *expected)
{
    g_assert_cmpstr(board.sent->str, ==, expected);
    g_string_truncate(board.sent, 0);
}

static uint32_t peek(unsigned offset) REQUIRES(bql)
{
    uint32_t value = 0;

    g_assert_cmpint(mem_read_locked(board.map.space, IOAPIC_BASE + offset, &value, 4), ==, MEM_OK);
    return value;
}

static void poke(unsigned offset, uint32_t value) REQUIRES(bql)
{
    g_assert_cmpint(mem_write_locked(board.map.space, IOAPIC_BASE + offset, &value, 4), ==, MEM_OK);
}

static uint32_t get(unsigned index) REQUIRES(bql)
{
    poke(0, index);
    return peek(0x10);
}

static void set(unsigned index, uint32_t value) REQUIRES(bql)
{
    poke(0, index);
    poke(0x10, value);
}

static uint32_t get_pin(unsigned pin) REQUIRES(bql)
{
    return get(0x10 + 2 * pin);
}

/* To APIC 3, if it is physical. */
static void set_pin(unsigned pin, uint32_t value) REQUIRES(bql)
{
    set(0x11 + 2 * pin, 0x03000000);
    set(0x10 + 2 * pin, value);
}

static void line_set(struct irq_line line, bool is_high) REQUIRES(bql)
{
    irq_line_set(&line, is_high);
}

/* ---- Registers ----------------------------------------------------------------------------- */

static void registers(void)
{
    BQL_GUARD();
    board_new();
    g_assert_cmphex(get(1), ==, 0x00170020);
    g_assert_cmphex(get(0), ==, 0);
    set(0, 0xff123456);
    g_assert_cmphex(get(0), ==, 0x0f000000);
    g_assert_cmphex(get(2), ==, 0x0f000000);
    set(1, 0xffffffff); /* read-only */
    g_assert_cmphex(get(1), ==, 0x00170020);
    g_assert_cmphex(peek(0), ==, 1);
    for (unsigned i = 0; i < 24; i++) {
        g_assert_cmphex(get(0x10 + 2 * i), ==, 0x10000);
        g_assert_cmphex(get(0x11 + 2 * i), ==, 0);
        set(0x10 + 2 * i, 0xffff7fff); /* masked, by edge: all that can be written is set */
        set(0x11 + 2 * i, 0xffffffff);
        g_assert_cmphex(get(0x10 + 2 * i), ==, 0x12fff);
        g_assert_cmphex(get(0x11 + 2 * i), ==, 0xff000000);
    }
    g_assert_cmphex(get(0x40), ==, 0); /* there is no pin 24 */
    set(0x40, 0x31);
    g_assert_cmphex(get(0x1ff), ==, 0); /* 8 bits select: 0xff, nothing */
    g_assert_cmphex(peek(0x20), ==, 0);
    poke(0x20, 1);
    ioapic_reset(board.ioapic);
    g_assert_cmphex(peek(0), ==, 0);
    g_assert_cmphex(get(0), ==, 0);
    g_assert_cmphex(get(0x3e), ==, 0x10000);
    check_sent("");
    board_free();
}

/* ---- Edges --------------------------------------------------------------------------------- */

static void edges(void)
{
    struct irq_line line;

    BQL_GUARD();
    board_new();
    line = ioapic_line(board.ioapic, 4);
    set_pin(4, 0x31);
    line_set(line, true);
    check_sent("3000:31;");
    line_set(line, true); /* no edge */
    check_sent("");
    line_set(line, false);
    check_sent("");
    line_set(line, true);
    check_sent("3000:31;");
    g_assert_cmphex(get_pin(4), ==, 0x31);
    line_set(line, false);
    board_free();
}

static void what_the_message_says(void)
{
    struct irq_line line;

    BQL_GUARD();
    board_new();
    line = ioapic_line(board.ioapic, 0);
    set_pin(0, 0x100 | LOGICAL | 0x42); /* lowest priority */
    set(0x11, 0xa5000000);
    line_set(line, true);
    check_sent("a5004:142;");
    line_set(line, false);
    set_pin(0, 0x400); /* NMI */
    line_set(line, true);
    check_sent("3000:400;");
    line_set(line, false);
    set_pin(0, LEVEL | 0x42);
    line_set(line, true);
    check_sent("3000:c042;");
    board_free();
}

/* 82093AA, 3.2.4: "edge-sensitive interrupts signaled on a masked interrupt pin are ignored". */
static void edge_at_a_masked_pin_is_lost(void)
{
    struct irq_line line;

    BQL_GUARD();
    board_new();
    line = ioapic_line(board.ioapic, 4);
    line_set(line, true);
    set_pin(4, 0x31);
    check_sent("");
    line_set(line, false);
    line_set(line, true);
    check_sent("3000:31;");
    board_free();
}

/* ---- Levels -------------------------------------------------------------------------------- */

static void level_waits_for_its_end(void)
{
    struct irq_line line;

    BQL_GUARD();
    board_new();
    line = ioapic_line(board.ioapic, 9);
    set_pin(9, LEVEL | 0x42);
    line_set(line, true);
    check_sent("3000:c042;");
    g_assert_cmphex(get_pin(9), ==, LEVEL | REMOTE_IRR | 0x42);
    line_set(line, false);
    line_set(line, true); /* not ended yet */
    check_sent("");
    ioapic_end_of_interrupt(board.ioapic, 0x43); /* another's */
    check_sent("");
    ioapic_end_of_interrupt(board.ioapic, 0x42); /* still high */
    check_sent("3000:c042;");
    line_set(line, false);
    poke(0x40, 0x42); /* the EOI register does the same */
    check_sent("");
    g_assert_cmphex(get_pin(9), ==, LEVEL | 0x42);
    line_set(line, true);
    check_sent("3000:c042;");
    board_free();
}

static void level_at_a_masked_pin_is_seen_when_unmasked(void)
{
    struct irq_line line;

    BQL_GUARD();
    board_new();
    line = ioapic_line(board.ioapic, 9);
    set_pin(9, LEVEL | MASKED | 0x42);
    line_set(line, true);
    check_sent("");
    set_pin(9, LEVEL | 0x42);
    check_sent("3000:c042;");
    set_pin(9, LEVEL | MASKED | 0x42); /* while it is served */
    g_assert_cmphex(get_pin(9), ==, LEVEL | MASKED | REMOTE_IRR | 0x42);
    ioapic_end_of_interrupt(board.ioapic, 0x42);
    check_sent("");
    g_assert_cmphex(get_pin(9), ==, LEVEL | MASKED | 0x42);
    set_pin(9, LEVEL | 0x42);
    check_sent("3000:c042;");
    board_free();
}

/* A guest frees a pin that waits for an end that does not come. */
static void by_edge_and_back_clears_remote_irr(void)
{
    struct irq_line line;

    BQL_GUARD();
    board_new();
    line = ioapic_line(board.ioapic, 9);
    set_pin(9, LEVEL | 0x42);
    line_set(line, true);
    check_sent("3000:c042;");
    set_pin(9, MASKED | 0x42);
    g_assert_cmphex(get_pin(9), ==, MASKED | 0x42);
    set_pin(9, LEVEL | 0x42);
    check_sent("3000:c042;");
    board_free();
}

static void nmi_by_level_does_not_wait(void)
{
    struct irq_line line;

    BQL_GUARD();
    board_new();
    line = ioapic_line(board.ioapic, 2);
    set_pin(2, LEVEL | 0x400);
    line_set(line, true);
    check_sent("3000:c400;");
    g_assert_cmphex(get_pin(2), ==, LEVEL | 0x400);
    board_free();
}

static void lines_of_one_pin_are_joined(void)
{
    struct irq_line lines[32], other;

    BQL_GUARD();
    board_new();
    other = ioapic_line(board.ioapic, 11);
    for (unsigned i = 0; i < 32; i++)
        lines[i] = ioapic_line(board.ioapic, 10);
    set_pin(10, LEVEL | 0x52);
    set_pin(11, 0x53);
    line_set(lines[0], true);
    check_sent("3000:c052;");
    line_set(lines[31], true);
    line_set(lines[0], false);
    ioapic_end_of_interrupt(board.ioapic, 0x52); /* the other one holds it */
    check_sent("3000:c052;");
    line_set(lines[31], false);
    ioapic_end_of_interrupt(board.ioapic, 0x52);
    check_sent("");
    line_set(other, true);
    check_sent("3000:53;");
    board_free();
}

static void unconnected_line(void)
{
    BQL_GUARD();
    line_set((struct irq_line){ 0 }, true);
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void no_routes_left(void)
{
    g_autoptr(GError) error = NULL;
    struct msi_route *routes[MSI_ROUTES_MAX] = { NULL };
    unsigned nr = 0;

    BQL_GUARD();
    board_new();
    while ((routes[nr] = msi_route_new(board.routes, NULL)))
        nr++;
    g_assert_cmpuint(nr, ==, MSI_ROUTES_MAX - 24);
    g_assert_null(ioapic_new(board.routes, &error));
    g_assert_nonnull(error);
    while (nr > 0)
        msi_route_free(routes[--nr]);
    ioapic_free(NULL);
    board_free();
}

enum { ENDS = 20000 };

static void end_many(void *unused UNUSED)
{
    for (unsigned i = 0; i < ENDS; i++)
        ioapic_end_of_interrupt(board.ioapic, 0x42);
}

/* Ends come without the BQL, beside lines and writes: each interrupt sent waits for one. */
static void ends_from_another_thread(void)
{
    struct thread *thread;
    struct irq_line line;

    bql_lock();
    board_new();
    g_string_free(g_steal_pointer(&board.sent), TRUE);
    line = ioapic_line(board.ioapic, 9);
    set_pin(9, LEVEL | 0x42);
    bql_unlock();
    thread = thread_start("processor", end_many, NULL);
    for (unsigned i = 0; i < ENDS / 10; i++) {
        bql_lock();
        line_set(line, i % 2);
        set_pin(9, i % 7 == 3 ? LEVEL | MASKED | 0x42 : LEVEL | 0x42);
        bql_unlock();
    }
    thread_join(thread);
    bql_lock();
    line_set(line, false);
    set_pin(9, LEVEL | 0x42);
    ioapic_end_of_interrupt(board.ioapic, 0x42);
    g_assert_cmphex(get_pin(9), ==, LEVEL | 0x42); /* none is left over */
    board.sent = g_string_new(NULL);
    line_set(line, true);
    check_sent("3000:c042;");
    g_assert_cmpuint(board.nr_sent, >, 1);
    board_free();
    bql_unlock();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ioapic/registers", registers);
    g_test_add_func("/ioapic/edges", edges);
    g_test_add_func("/ioapic/what-the-message-says", what_the_message_says);
    g_test_add_func("/ioapic/edge-at-a-masked-pin-is-lost", edge_at_a_masked_pin_is_lost);
    g_test_add_func("/ioapic/level-waits-for-its-end", level_waits_for_its_end);
    g_test_add_func("/ioapic/level-at-a-masked-pin-is-seen-when-unmasked",
                    level_at_a_masked_pin_is_seen_when_unmasked);
    g_test_add_func("/ioapic/by-edge-and-back-clears-remote-irr",
                    by_edge_and_back_clears_remote_irr);
    g_test_add_func("/ioapic/nmi-by-level-does-not-wait", nmi_by_level_does_not_wait);
    g_test_add_func("/ioapic/lines-of-one-pin-are-joined", lines_of_one_pin_are_joined);
    g_test_add_func("/ioapic/unconnected-line", unconnected_line);
    g_test_add_func("/ioapic/no-routes-left", no_routes_left);
    g_test_add_func("/ioapic/ends-from-another-thread", ends_from_another_thread);
    return run_without_bql();
}

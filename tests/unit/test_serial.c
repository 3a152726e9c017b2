/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/dev/serial.h"
#include "tests/unit/port_scene.h"
#include "util/clock.h"
#include "util/loop.h"
#include "util/metric.h"

/* Registers, by the TL16C550 data sheet's names. */
enum { RBR = 0, THR = 0, DLL = 0, IER = 1, DLM = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
enum { MSR = 6, SCR = 7 };
enum { RECEIVED = 1, EMPTY = 2, LINE = 4, MODEM = 8 }; /* IER */
enum { NONE = 1, IS_MODEM = 0, IS_EMPTY = 2, IS_RECEIVED = 4, IS_LINE = 6, IS_TIMEOUT = 0xc };
enum { FIFOS = 0xc0, OUT2 = 8, RTS = 2, LOOP = 0x10, DR = 1, OE = 2, BI = 0x10, THRE = 0x60 };

/* What the other end got, and how much more it takes. */
struct other_end {
    struct char_backend backend;
    GString *got;
    size_t room;
    unsigned nr_writes, nr_asked, nr_waits;
    const char *to_send;
};

struct setup {
    struct scene ports;
    struct test_line line;
    struct other_end end;
    struct serial *serial;
    struct region *region;
};

static struct other_end *end_of(struct char_backend *backend)
{
    return container_of(backend, struct other_end, backend);
}

static size_t end_write(struct char_backend *backend, const uint8_t *data, size_t size)
{
    struct other_end *end = end_of(backend);

    bql_assert_held();
    end->nr_writes++;
    if (size > end->room)
        size = end->room;
    end->room -= size;
    g_string_append_len(end->got, (const char *)data, (gssize)size);
    return size;
}

static void end_may_receive(struct char_backend *backend)
{
    struct other_end *end = end_of(backend);

    bql_assert_held();
    end->nr_asked++;
    while (end->to_send && *end->to_send && backend->sink.room(backend->sink.opaque) > 0)
        backend->sink.receive(backend->sink.opaque, (const uint8_t *)end->to_send++, 1);
}

static bool end_wait(struct char_backend *backend, int64_t deadline_ns)
{
    struct other_end *end = end_of(backend);

    g_assert_cmpint(deadline_ns, >, monotonic_ns());
    end->room = 10000;
    return end->nr_waits++ < 3;
}

static void set_up(struct setup *setup) REQUIRES(bql)
{
    struct irq_line line = line_to(&setup->line);

    *setup = (struct setup){
        .ports = scene_new(0x10000),
        .end = { .backend = { .write = end_write,
                              .may_receive = end_may_receive,
                              .wait = end_wait },
                 .got = g_string_new(NULL),
                 .room = SIZE_MAX },
    };
    setup->serial = serial_new(&line, &setup->end.backend);
    setup->region = serial_region(setup->serial, setup->ports.mem);
    put_in(setup->ports.root, 0, setup->region, 0);
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    serial_free(setup->serial);
    g_assert_null(setup->end.backend.sink.room);
    g_assert_null(setup->end.backend.drained);
    take_out_and_forget(setup->region);
    g_string_free(setup->end.got, TRUE);
    scene_free(&setup->ports);
}

static void out(struct setup *setup, unsigned reg, uint8_t value) REQUIRES(bql)
{
    out8(&setup->ports, reg, value);
}

static uint8_t in(struct setup *setup, unsigned reg)REQUIRES(bql)
{
    return in8(&setup->ports, reg);
}

/* As a driver opens the port: FIFOs with trigger level 8, interrupts let through. */
static void open_port(struct setup *setup, uint8_t ier) REQUIRES(bql)
{
    out(setup, FCR, 0x87);
    out(setup, MCR, OUT2 | RTS | 1);
    out(setup, IER, ier);
}

static void send(struct setup *setup, const char *bytes) REQUIRES(bql)
{
    const struct char_sink *sink = &setup->end.backend.sink;

    g_assert_cmpuint(sink->room(sink->opaque), >=, strlen(bytes));
    sink->receive(sink->opaque, (const uint8_t *)bytes, strlen(bytes));
}

static void expect_output(struct setup *setup, const char *expected) REQUIRES(bql)
{
    while (setup->end.got->len < strlen(expected))
        (void)loop_iterate(true);
    g_assert_cmpstr(setup->end.got->str, ==, expected);
}

/* ---- What Linux's driver tests for at start-up ------------------------------------ */

static void registers_are_those_of_a_16550a(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    g_assert_cmphex(in(&setup, LSR), ==, THRE);
    g_assert_cmphex(in(&setup, IIR), ==, NONE);
    g_assert_cmphex(in(&setup, MSR), ==, 0xb0);
    out(&setup, IER, 0xff);
    g_assert_cmphex(in(&setup, IER), ==, 0x0f);
    out(&setup, IER, 0);
    g_assert_cmphex(in(&setup, IER), ==, 0);
    out(&setup, SCR, 0x5a);
    g_assert_cmphex(in(&setup, SCR), ==, 0x5a);
    out(&setup, FCR, 1);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | NONE);
    out(&setup, FCR, 0x21); /* the 16750 has 64 bytes and says so in bit 5 */
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | NONE);
    out(&setup, FCR, 0);
    g_assert_cmphex(in(&setup, IIR), ==, NONE);
    out(&setup, LSR, 0);
    g_assert_cmphex(in(&setup, LSR), ==, THRE);
    tear_down(&setup);
}

static void divisor_is_behind_dlab(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    out(&setup, LCR, 0x83);
    g_assert_cmphex(in(&setup, DLL), ==, 1); /* 115200 baud, as after a firmware */
    g_assert_cmphex(in(&setup, DLM), ==, 0);
    out(&setup, DLL, 0x34);
    out(&setup, DLM, 0x12);
    g_assert_cmphex(in(&setup, DLL), ==, 0x34);
    g_assert_cmphex(in(&setup, DLM), ==, 0x12);
    out(&setup, LCR, 3);
    g_assert_cmphex(in(&setup, LCR), ==, 3);
    g_assert_cmphex(in(&setup, IER), ==, 0);
    g_assert_cmpuint(setup.end.got->len, ==, 0);
    tear_down(&setup);
}

static void loopback_shows_modem_lines_and_bytes(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    out(&setup, MCR, LOOP | OUT2 | RTS);
    g_assert_cmphex(in(&setup, MSR) & 0xf0, ==, 0x90);
    g_assert_cmphex(in(&setup, MSR), ==, 0x90); /* the changes have been told */
    out(&setup, MCR, LOOP | 4);
    g_assert_cmphex(in(&setup, MSR), ==, 0x40 | 1 | 8);
    out(&setup, MCR, LOOP);
    g_assert_cmphex(in(&setup, MSR), ==, 4); /* RI's end */
    out(&setup, FCR, 1);
    out(&setup, THR, 'x');
    g_assert_cmphex(in(&setup, LSR), ==, THRE | DR);
    g_assert_cmpuint(setup.end.backend.sink.room(setup.serial), ==, 0);
    g_assert_cmphex(in(&setup, RBR), ==, 'x');
    for (int i = 0; i < 17; i++)
        out(&setup, THR, (uint8_t)i);
    g_assert_cmphex(in(&setup, LSR), ==, THRE | DR | OE);
    g_assert_cmphex(in(&setup, LSR), ==, THRE | DR);
    for (int i = 0; i < 16; i++)
        g_assert_cmphex(in(&setup, RBR), ==, i); /* the last one is lost */
    out(&setup, FCR, 0);
    out(&setup, THR, 'a');
    out(&setup, THR, 'b');
    g_assert_cmphex(in(&setup, LSR), ==, THRE | DR | OE);
    g_assert_cmphex(in(&setup, RBR), ==, 'b'); /* without a FIFO the first */
    g_assert_cmpuint(setup.end.got->len, ==, 0);
    tear_down(&setup);
}

static void empty_interrupt_comes_again_when_enabled_again(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    out(&setup, MCR, OUT2);
    out(&setup, IER, EMPTY);
    g_assert_true(setup.line.is_high);
    g_assert_cmphex(in(&setup, IIR), ==, IS_EMPTY);
    g_assert_false(setup.line.is_high);
    g_assert_cmphex(in(&setup, IIR), ==, NONE);
    out(&setup, IER, EMPTY | MODEM); /* it was enabled all the time */
    g_assert_cmphex(in(&setup, IIR), ==, NONE);
    out(&setup, IER, 0);
    out(&setup, IER, EMPTY);
    g_assert_cmphex(in(&setup, LSR), ==, THRE); /* does not clear it */
    g_assert_cmphex(in(&setup, IIR), ==, IS_EMPTY);
    tear_down(&setup);
}

static void out2_lets_interrupts_through(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    out(&setup, IER, EMPTY);
    g_assert_false(setup.line.is_high);
    out(&setup, MCR, OUT2);
    g_assert_true(setup.line.is_high);
    out(&setup, MCR, OUT2 | LOOP); /* in loopback the pin is inactive */
    g_assert_false(setup.line.is_high);
    out(&setup, MCR, OUT2);
    g_assert_true(setup.line.is_high);
    serial_reset(setup.serial);
    g_assert_false(setup.line.is_high);
    g_assert_cmphex(in(&setup, IER), ==, 0);
    tear_down(&setup);
}

/* ---- Output ---------------------------------------------------------------------- */

static void polled_output_arrives_in_few_pieces(void) REQUIRES(bql)
{
    struct setup setup;
    g_autoptr(GString) expected = g_string_new(NULL);

    set_up(&setup);
    for (unsigned i = 0; i < 3000; i++) {
        uint8_t byte = (uint8_t)('!' + i % 90);

        g_assert_cmphex(in(&setup, LSR), ==, THRE);
        out(&setup, THR, byte);
        g_string_append_c(expected, (char)byte);
    }
    g_assert_cmpuint(setup.end.nr_writes, ==, 0); /* not on the guest's time */
    expect_output(&setup, expected->str);
    g_assert_cmpuint(setup.end.nr_writes, <=, 2);
    tear_down(&setup);
}

static void interrupts_feed_the_transmitter(void) REQUIRES(bql)
{
    struct setup setup;
    g_autoptr(GString) expected = g_string_new(NULL);
    unsigned passes_in_a_row = 0, most = 0;

    set_up(&setup);
    open_port(&setup, EMPTY);
    while (expected->len < 100 * 1024) {
        while (!setup.line.is_high)
            (void)loop_iterate(true);
        passes_in_a_row = 0;
        while ((in(&setup, IIR) & 0xf) == IS_EMPTY) {
            passes_in_a_row++;
            most = MAX(most, passes_in_a_row);
            for (int i = 0; i < 16; i++) {
                out(&setup, THR, (uint8_t)('a' + expected->len % 26));
                g_string_append_c(expected, (char)('a' + expected->len % 26));
            }
        }
    }
    expect_output(&setup, expected->str);
    g_assert_cmpuint(most, >, 16);
    g_assert_cmpuint(most, <, 256); /* "too much work for irq4" */
    tear_down(&setup);
}

static void short_write_needs_one_interrupt(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    open_port(&setup, EMPTY);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_EMPTY);
    out(&setup, THR, 'a');
    out(&setup, IER, 0); /* there is no more */
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | NONE);
    expect_output(&setup, "a");
    g_assert_cmpuint(setup.line.edges, ==, 1);
    out(&setup, IER, EMPTY);
    g_assert_cmpuint(setup.line.edges, ==, 2);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_EMPTY);
    out(&setup, THR, 'b');
    g_assert_false(setup.line.is_high); /* a handler that does not ask hears of it later */
    expect_output(&setup, "ab");
    g_assert_cmpuint(setup.line.edges, ==, 3);
    tear_down(&setup);
}

static void slow_end_makes_the_transmitter_busy_and_loses_nothing(void) REQUIRES(bql)
{
    struct setup setup;
    g_autoptr(GString) expected = g_string_new(NULL);

    set_up(&setup);
    open_port(&setup, 0);
    setup.end.room = 5;
    while (in(&setup, LSR) & 0x20) {
        out(&setup, THR, (uint8_t)('a' + expected->len % 26));
        g_string_append_c(expected, (char)('a' + expected->len % 26));
        if (expected->len % 1000 == 0)
            (void)loop_iterate(false);
        g_assert_cmpuint(expected->len, <, 1 << 20);
    }
    g_assert_cmphex(in(&setup, LSR), ==, 0);
    out(&setup, IER, EMPTY);
    g_assert_false(setup.line.is_high);
    for (int i = 0; i < 10; i++) { /* a driver that has waited for long enough */
        out(&setup, THR, '!');
        g_string_append_c(expected, '!');
    }
    while (loop_iterate(false))
        continue;
    g_assert_cmpstr(setup.end.got->str, ==, "abcde");
    setup.end.room = 100; /* not yet enough */
    setup.end.backend.drained(setup.end.backend.drained_opaque);
    g_assert_false(setup.line.is_high);
    setup.end.room = SIZE_MAX;
    setup.end.backend.drained(setup.end.backend.drained_opaque);
    g_assert_true(setup.line.is_high);
    g_assert_cmphex(in(&setup, LSR), ==, THRE);
    expect_output(&setup, expected->str);
    tear_down(&setup);
}

static void what_has_no_place_at_all_is_counted(void) REQUIRES(bql)
{
    struct setup setup;
    struct metrics *metrics = metrics_new();
    g_autofree char *text = NULL;
    size_t size;
    FILE *out_file = open_memstream(&text, &size);

    set_up(&setup);
    serial_metrics_register(setup.serial, metrics);
    setup.end.room = 0;
    for (int i = 0; i < 64 * 1024 + 3; i++)
        out(&setup, THR, 'x');
    metrics_print(metrics, out_file);
    fclose(out_file);
    g_assert_nonnull(strstr(text, "gracevm_serial_dropped_bytes_total 3\n"));
    g_assert_nonnull(strstr(text, "gracevm_serial_transmitted_bytes_total 65539\n"));
    metrics_remove(metrics, setup.serial);
    metrics_free(metrics);
    tear_down(&setup);
}

static void last_words_are_written_at_the_end(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    setup.end.room = 3;
    for (const char *byte = "goodbye"; *byte; byte++)
        out(&setup, THR, (uint8_t)*byte);
    serial_free(setup.serial);
    g_assert_cmpstr(setup.end.got->str, ==, "goodbye");
    g_assert_cmpuint(setup.end.nr_waits, ==, 1);
    setup.serial = NULL;
    tear_down(&setup);
}

static void output_without_an_end_is_dropped(void) REQUIRES(bql)
{
    struct scene ports = scene_new(0x10000);
    struct test_line test_line = { .is_high = false };
    struct irq_line line = line_to(&test_line);
    struct serial *serial = serial_new(&line, NULL);
    struct region *region = serial_region(serial, ports.mem);

    put_in(ports.root, SERIAL_COM1, region, 0);
    for (unsigned i = 0; i < 200000; i++) {
        if (i % 1000 == 0)
            while (loop_iterate(!(in8(&ports, SERIAL_COM1 + LSR) & 0x20)))
                continue;
        out8(&ports, SERIAL_COM1, 'x');
    }
    g_assert_cmphex(in8(&ports, SERIAL_COM1 + RBR), ==, 0);
    serial_free(serial);
    take_out_and_forget(region);
    scene_free(&ports);
}

/* ---- Input ----------------------------------------------------------------------- */

static void trigger_level_and_timeout_interrupt(void) REQUIRES(bql)
{
    struct setup setup;

    set_up(&setup);
    open_port(&setup, RECEIVED);
    send(&setup, "12345678");
    g_assert_true(setup.line.is_high);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_RECEIVED);
    g_assert_cmphex(in(&setup, RBR), ==, '1');
    g_assert_false(setup.line.is_high); /* below the level */
    while (!setup.line.is_high)
        (void)loop_iterate(true);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_TIMEOUT);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_TIMEOUT); /* reading the data clears it */
    g_assert_cmphex(in(&setup, RBR), ==, '2');
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | NONE);
    while (!setup.line.is_high)
        (void)loop_iterate(true);
    for (int i = '3'; i <= '8'; i++) {
        g_assert_cmphex(in(&setup, LSR), ==, THRE | DR);
        g_assert_cmphex(in(&setup, RBR), ==, i);
    }
    g_assert_cmphex(in(&setup, LSR), ==, THRE);
    g_assert_false(setup.line.is_high);
    tear_down(&setup);
}

static void each_trigger_level(void) REQUIRES(bql)
{
    static const unsigned levels[] = { 1, 4, 8, 14 };
    struct setup setup;

    set_up(&setup);
    for (unsigned i = 0; i < 4; i++) {
        open_port(&setup, RECEIVED);
        out(&setup, FCR, (uint8_t)(i << 6 | 3));
        for (unsigned j = 1; j <= levels[i]; j++) {
            g_assert_false(setup.line.is_high);
            send(&setup, "x");
        }
        g_assert_true(setup.line.is_high);
        out(&setup, FCR, 3); /* empties it */
        g_assert_false(setup.line.is_high);
        g_assert_cmphex(in(&setup, LSR), ==, THRE);
    }
    tear_down(&setup);
}

static void input_waits_until_there_is_room(void) REQUIRES(bql)
{
    struct setup setup;
    const char text[] = "a text of more than sixteen bytes";

    set_up(&setup);
    setup.end.to_send = text;
    g_assert_cmpuint(setup.end.backend.sink.room(setup.serial), ==, 1); /* no FIFO */
    open_port(&setup, 0);
    g_assert_cmpuint(setup.end.backend.sink.room(setup.serial), ==, 0); /* it has been asked */
    for (const char *byte = text; *byte; byte++) {
        g_assert_cmphex(in(&setup, LSR) & DR, ==, DR);
        g_assert_cmphex(in(&setup, RBR), ==, *byte);
    }
    g_assert_cmphex(in(&setup, LSR), ==, THRE);
    g_assert_cmpuint(setup.end.backend.sink.room(setup.serial), ==, 16);
    tear_down(&setup);
}

static void break_is_told_when_its_turn_comes(void) REQUIRES(bql)
{
    struct setup setup;
    const struct char_sink *sink = &setup.end.backend.sink;

    set_up(&setup);
    open_port(&setup, LINE);
    send(&setup, "a");
    sink->receive_break(sink->opaque);
    send(&setup, "b");
    g_assert_false(setup.line.is_high);
    g_assert_cmphex(in(&setup, LSR), ==, THRE | DR | 0x80); /* somewhere in the FIFO */
    g_assert_cmphex(in(&setup, RBR), ==, 'a');
    g_assert_true(setup.line.is_high);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_LINE);
    g_assert_cmphex(in(&setup, LSR), ==, THRE | DR | BI | 0x80);
    g_assert_false(setup.line.is_high);
    g_assert_cmphex(in(&setup, LSR), ==, THRE | DR);
    g_assert_cmphex(in(&setup, RBR), ==, 0);
    g_assert_cmphex(in(&setup, RBR), ==, 'b');
    tear_down(&setup);
}

static void interrupts_have_their_priorities(void) REQUIRES(bql)
{
    struct setup setup;
    const struct char_sink *sink = &setup.end.backend.sink;

    set_up(&setup);
    out(&setup, MCR, LOOP); /* the lines change */
    open_port(&setup, RECEIVED | EMPTY | LINE | MODEM);
    out(&setup, FCR, 1);
    sink->receive_break(sink->opaque);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_LINE);
    (void)in(&setup, LSR);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_RECEIVED);
    (void)in(&setup, RBR);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_EMPTY);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | IS_MODEM);
    g_assert_true(setup.line.is_high);
    (void)in(&setup, MSR);
    g_assert_cmphex(in(&setup, IIR), ==, FIFOS | NONE);
    g_assert_cmpuint(setup.line.edges, ==, 1);
    tear_down(&setup);
}

static void wide_accesses_reach_the_registers_singly(void) REQUIRES(bql)
{
    struct setup setup;
    uint16_t both = 0x0f << 8 | 'x';
    uint32_t four;

    set_up(&setup);
    g_assert_cmpint(mem_write_locked(setup.ports.space, 0, &both, 2), ==, MEM_OK);
    g_assert_cmphex(in(&setup, IER), ==, 0x0f);
    g_assert_cmpint(mem_read_locked(setup.ports.space, 4, &four, 4), ==, MEM_OK);
    g_assert_cmphex(four, ==, 0x00b06000);
    expect_output(&setup, "x");
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/serial/" #name, name)
    ADD(registers_are_those_of_a_16550a);
    ADD(divisor_is_behind_dlab);
    ADD(loopback_shows_modem_lines_and_bytes);
    ADD(empty_interrupt_comes_again_when_enabled_again);
    ADD(out2_lets_interrupts_through);
    ADD(polled_output_arrives_in_few_pieces);
    ADD(interrupts_feed_the_transmitter);
    ADD(short_write_needs_one_interrupt);
    ADD(slow_end_makes_the_transmitter_busy_and_loses_nothing);
    ADD(what_has_no_place_at_all_is_counted);
    ADD(last_words_are_written_at_the_end);
    ADD(output_without_an_end_is_dropped);
    ADD(trigger_level_and_timeout_interrupt);
    ADD(each_trigger_level);
    ADD(input_waits_until_there_is_room);
    ADD(break_is_told_when_its_turn_comes);
    ADD(interrupts_have_their_priorities);
    ADD(wide_accesses_reach_the_registers_singly);
    return run_with_bql();
}

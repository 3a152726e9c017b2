/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output: what the guest writes goes into a buffer, and from there to the back
 * end on the main loop. So a guest's write never waits for a terminal, and a
 * burst is one system call. The first byte after a pause goes out at once, the
 * next ones together FLUSH_INTERVAL_NS later. While the buffer is full the
 * transmitter looks busy (THRE clear); there is room left even then, since drivers
 * give up waiting and write nevertheless (Linux's console after 10 ms).
 */
#include <assert.h>
#include <string.h>

#include "hw/dev/serial.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/metric.h"

/* Registers (TL16C550 data sheet, table 3): by offset, DLAB and direction. */
enum {
    REG_DATA = 0,    /* receiver buffer, transmitter holding register; DLAB: divisor, low */
    REG_IER = 1,     /* interrupt enable; DLAB: divisor, high */
    REG_IIR_FCR = 2, /* read: interrupt identification; write: FIFO control */
    REG_LCR = 3,     /* line control */
    REG_MCR = 4,     /* modem control */
    REG_LSR = 5,     /* line status */
    REG_MSR = 6,     /* modem status */
    REG_SCRATCH = 7,

    IER_RECEIVED = 1 << 0,
    IER_THRE = 1 << 1,
    IER_LINE = 1 << 2,
    IER_MODEM = 1 << 3,
    IER_MASK = 0x0f,

    /* In order of priority; each goes by another action of the guest. */
    IIR_LINE = 0x6,
    IIR_RECEIVED = 0x4,
    IIR_TIMEOUT = 0xc,
    IIR_THRE = 0x2,
    IIR_MODEM = 0x0,
    IIR_NONE = 0x1,
    IIR_FIFOS_ON = 0xc0,

    FCR_ENABLE = 1 << 0,
    FCR_CLEAR_RECEIVER = 1 << 1,
    FCR_TRIGGER_SHIFT = 6,

    LCR_8N1 = 0x03,
    LCR_DLAB = 1 << 7,

    MCR_DTR = 1 << 0,
    MCR_RTS = 1 << 1,
    MCR_OUT1 = 1 << 2,
    MCR_OUT2 = 1 << 3, /* on a PC it lets the interrupt through */
    MCR_LOOP = 1 << 4,
    MCR_MASK = 0x1f,

    LSR_DATA_READY = 1 << 0,
    LSR_OVERRUN = 1 << 1,
    LSR_BREAK = 1 << 4,
    LSR_THRE = 1 << 5,
    LSR_TEMT = 1 << 6,
    LSR_FIFO_ERROR = 1 << 7,

    /* The low half tells which line has changed: bit n of line n + 4. */
    MSR_RI_ENDED = 1 << 2,
    MSR_CTS = 1 << 4,
    MSR_DSR = 1 << 5,
    MSR_RI = 1 << 6,
    MSR_DCD = 1 << 7,
    MSR_LINES = 0xf0,
};

enum {
    FIFO_SIZE = 16,
    ENTRY_BREAK = LSR_BREAK << 8, /* in a FIFO entry, above the byte: its bits for LSR */
    CLOCK_HZ = 1843200,           /* a divisor of 1 is 115200 baud: 16 clocks a bit */
    CHAR_BITS = 10,               /* 8N1 */

    OUT_SIZE = 64 * 1024,
    OUT_FULL = OUT_SIZE - 16 * 1024, /* at 10 ms a byte the rest lasts for minutes */
    OUT_ROOM_AGAIN = OUT_SIZE / 2,
    /* Linux gives an interrupt up ("too much work") after 256 to 512 passes. */
    THRE_IN_A_ROW = 128,
};

#define FLUSH_INTERVAL_NS NS_PER_MS
#define TIMEOUT_NS_MAX (20 * NS_PER_MS) /* at 2400 baud; a slower line is no reason to wait */
#define FINAL_FLUSH_NS NS_PER_S

/*
 * The transmitter is empty: what the guest is told of it. After it has written, it
 * is told if it asks, so that a handler that fills the FIFO again and again needs
 * one interrupt; the line goes up with the next flush, by when most handlers have
 * nothing left to write and no longer want to know.
 */
enum thre {
    THRE_TOLD,      /* or not empty */
    THRE_AT_FLUSH,  /* enough for now: not even if asked */
    THRE_IF_ASKED,  /* IIR says it */
    THRE_INTERRUPT, /* the line too */
};

/* All guarded by the BQL, but for the counters, which are atomic. */
struct serial {
    struct irq_line line;
    bool is_line_high;
    struct char_backend *backend;

    uint8_t ier, fcr, lcr, mcr, msr, scratch;
    uint16_t divisor;

    uint16_t fifo[FIFO_SIZE];
    unsigned fifo_head, fifo_count;
    uint8_t line_errors; /* of the foremost byte, and overruns; LSR's bits */
    bool is_timed_out;
    struct loop_timer timeout;

    uint8_t out[OUT_SIZE];
    unsigned out_head, out_count;
    bool is_out_full;
    bool is_out_blocked; /* until the back end calls drained() */
    bool is_flush_due;   /* flush_soon or flush_later will come */
    struct deferred flush_soon;
    struct loop_timer flush_later;
    int64_t flushed_ns;

    enum thre thre;
    unsigned nr_thre; /* interrupts by THRE identified, with nothing else between */

    uint64_t transmitted, received, dropped, overruns; /* bytes; atomic */
};

/* ---- Interrupts ---------------------------------------------------------------- */

static bool fifos_are_on(const struct serial *serial)
{
    return serial->fcr & FCR_ENABLE;
}

static unsigned trigger_level(const struct serial *serial)
{
    static const uint8_t levels[4] = { 1, 4, 8, 14 };

    return fifos_are_on(serial) ? levels[serial->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The foremost, of THRE only from state @from on. */
static uint8_t pending_interrupt(const struct serial *serial, enum thre from)
{
    if (serial->ier & IER_LINE && serial->line_errors)
        return IIR_LINE;
    if (serial->ier & IER_RECEIVED && serial->fifo_count >= trigger_level(serial))
        return IIR_RECEIVED;
    if (serial->ier & IER_RECEIVED && serial->is_timed_out)
        return IIR_TIMEOUT;
    if (serial->ier & IER_THRE && serial->thre >= from)
        return IIR_THRE;
    if (serial->ier & IER_MODEM && serial->msr & ~MSR_LINES)
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_line(struct serial *serial) REQUIRES(bql)
{
    /* In loopback the outputs, OUT2 among them, are inactive. */
    bool is_let_through = (serial->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
    bool is_high = is_let_through && pending_interrupt(serial, THRE_INTERRUPT) != IIR_NONE;

    if (is_high == serial->is_line_high)
        return;
    serial->is_line_high = is_high;
    irq_line_set(&serial->line, is_high);
}

/* What has been written is on its way, and the transmitter empty. */
static void thre_happens(struct serial *serial)
{
    /* A handler that loops while there is something would never end: output is that fast. */
    serial->thre = serial->nr_thre >= THRE_IN_A_ROW ? THRE_AT_FLUSH : THRE_IF_ASKED;
}

static uint8_t identify_interrupt(struct serial *serial) REQUIRES(bql)
{
    uint8_t id = pending_interrupt(serial, THRE_IF_ASKED);

    if (id == IIR_THRE) {
        serial->thre = THRE_TOLD;
        serial->nr_thre++;
        update_line(serial);
    } else if (id == IIR_NONE) {
        serial->nr_thre = 0;
    }
    return id | (fifos_are_on(serial) ? IIR_FIFOS_ON : 0);
}

/* ---- Output -------------------------------------------------------------------- */

/* One piece; whether there may be more to write. */
static bool write_piece(struct serial *serial) REQUIRES(bql)
{
    unsigned size = serial->out_count;
    size_t written = size;

    if (size > OUT_SIZE - serial->out_head)
        size = OUT_SIZE - serial->out_head;
    if (serial->backend)
        written = serial->backend->write(serial->backend, serial->out + serial->out_head, size);
    else
        written = size;
    assert(written <= size);
    serial->is_out_blocked = written < size;
    serial->out_head = (serial->out_head + (unsigned)written) % OUT_SIZE;
    serial->out_count -= (unsigned)written;
    return !serial->is_out_blocked && serial->out_count > 0;
}

static void flush(struct serial *serial) REQUIRES(bql)
{
    serial->is_flush_due = false;
    serial->flushed_ns = monotonic_ns();
    while (write_piece(serial))
        continue;
    if (serial->is_out_full && serial->out_count <= OUT_ROOM_AGAIN) {
        serial->is_out_full = false;
        serial->thre = THRE_INTERRUPT;
    }
    if (serial->thre == THRE_AT_FLUSH)
        serial->nr_thre = 0; /* not every handler asks until there is nothing */
    if (serial->thre != THRE_TOLD)
        serial->thre = THRE_INTERRUPT;
    update_line(serial);
}

static void flush_soon(struct deferred *deferred)
{
    bql_assert_held();
    flush(container_of(deferred, struct serial, flush_soon));
}

static void flush_later(struct loop_timer *timer)
{
    bql_assert_held();
    flush(container_of(timer, struct serial, flush_later));
}

/* The back end's call. */
static void drained(void *opaque)
{
    struct serial *serial = opaque;

    bql_assert_held();
    serial->is_out_blocked = false;
    if (!serial->is_flush_due)
        flush(serial);
}

static void schedule_flush(struct serial *serial) REQUIRES(bql)
{
    int64_t next_ns = serial->flushed_ns + FLUSH_INTERVAL_NS;

    if (serial->is_flush_due || serial->is_out_blocked)
        return;
    serial->is_flush_due = true;
    if (monotonic_ns() >= next_ns)
        (void)loop_defer(&serial->flush_soon); /* false: it will run anyway */
    else
        loop_timer_set(&serial->flush_later, next_ns);
}

static void transmit(struct serial *serial, uint8_t byte) REQUIRES(bql)
{
    fetch_add_relaxed(&serial->transmitted, 1);
    if (serial->out_count == OUT_SIZE) {
        fetch_add_relaxed(&serial->dropped, 1);
        log_guest_error("serial: a byte written while the transmitter was busy is lost");
        return;
    }
    serial->out[(serial->out_head + serial->out_count++) % OUT_SIZE] = byte;
    if (serial->out_count >= OUT_FULL)
        serial->is_out_full = true; /* flush() ends it */
    schedule_flush(serial);
}

/* ---- Input --------------------------------------------------------------------- */

static int64_t four_characters_ns(const struct serial *serial)
{
    int64_t divisor = serial->divisor ? serial->divisor : 1;
    int64_t time_ns = 4 * CHAR_BITS * 16 * divisor * NS_PER_S / CLOCK_HZ;

    return time_ns < TIMEOUT_NS_MAX ? time_ns : TIMEOUT_NS_MAX;
}

/* After the guest has read, or a byte has come, or what it wants to know has changed. */
static void receiver_changed(struct serial *serial) REQUIRES(bql)
{
    if (serial->fifo_count == 0)
        serial->is_timed_out = false;
    if (serial->fifo_count > 0 && serial->fifo_count < trigger_level(serial) &&
        serial->ier & IER_RECEIVED && !serial->is_timed_out)
        loop_timer_set(&serial->timeout,
                       deadline_after_ns(monotonic_ns(), four_characters_ns(serial)));
    else
        loop_timer_cancel(&serial->timeout);
    update_line(serial);
}

static void on_timeout(struct loop_timer *timer)
{
    struct serial *serial = container_of(timer, struct serial, timeout);

    bql_assert_held();
    serial->is_timed_out = true;
    update_line(serial);
}

/* The foremost byte has changed: its errors show in LSR. */
static void show_errors(struct serial *serial)
{
    if (serial->fifo_count > 0)
        serial->line_errors |= (uint8_t)(serial->fifo[serial->fifo_head] >> 8);
}

static void fifo_put(struct serial *serial, uint16_t entry)
{
    unsigned size = fifos_are_on(serial) ? FIFO_SIZE : 1;

    if (serial->fifo_count >= size) {
        serial->line_errors |= LSR_OVERRUN;
        fetch_add_relaxed(&serial->overruns, 1);
        if (size > 1)
            return; /* the FIFO stays, the byte in the shift register is lost */
        serial->fifo_count = 0;
    }
    serial->fifo[(serial->fifo_head + serial->fifo_count++) % FIFO_SIZE] = entry;
    serial->is_timed_out = false;
    if (serial->fifo_count == 1)
        show_errors(serial);
}

static uint8_t fifo_take(struct serial *serial)
{
    uint16_t entry = serial->fifo[serial->fifo_head];

    if (serial->fifo_count == 0)
        return 0;
    serial->fifo_head = (serial->fifo_head + 1) % FIFO_SIZE;
    serial->fifo_count--;
    serial->is_timed_out = false;
    show_errors(serial);
    return (uint8_t)entry;
}

static void fifo_clear(struct serial *serial)
{
    serial->fifo_head = serial->fifo_count = 0;
    serial->is_timed_out = false;
}

static bool fifo_has_errors(const struct serial *serial)
{
    for (unsigned i = 0; i < serial->fifo_count; i++)
        if (serial->fifo[(serial->fifo_head + i) % FIFO_SIZE] >> 8)
            return true;
    return false;
}

static size_t sink_room(void *opaque)
{
    const struct serial *serial = opaque;
    unsigned size = fifos_are_on(serial) ? FIFO_SIZE : 1;

    bql_assert_held();
    if (serial->mcr & MCR_LOOP || serial->fifo_count >= size)
        return 0; /* in loopback the input pin is disconnected: let what comes wait */
    return size - serial->fifo_count;
}

static void sink_receive(void *opaque, const uint8_t *data, size_t size)
{
    struct serial *serial = opaque;

    bql_assert_held();
    for (size_t i = 0; i < size; i++)
        fifo_put(serial, data[i]);
    fetch_add_relaxed(&serial->received, size);
    receiver_changed(serial);
}

static void sink_receive_break(void *opaque)
{
    struct serial *serial = opaque;

    bql_assert_held();
    fifo_put(serial, ENTRY_BREAK);
    receiver_changed(serial);
}

static void ask_for_input(struct serial *serial) REQUIRES(bql)
{
    if (serial->backend && serial->backend->may_receive && sink_room(serial) > 0)
        serial->backend->may_receive(serial->backend);
}

/* ---- Registers ----------------------------------------------------------------- */

static uint8_t modem_lines(const struct serial *serial)
{
    uint8_t mcr = serial->mcr;

    if (!(mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
           (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(struct serial *serial, uint8_t value) REQUIRES(bql)
{
    uint8_t before = serial->msr, lines, changed;

    serial->mcr = value & MCR_MASK;
    lines = modem_lines(serial);
    changed = (before ^ lines) & MSR_LINES;
    if (!(before & MSR_RI))
        changed &= (uint8_t)~MSR_RI; /* only its end counts */
    serial->msr = lines | (before & (uint8_t)~MSR_LINES) | changed >> 4;
    update_line(serial);
    ask_for_input(serial);
}

static uint8_t read_msr(struct serial *serial) REQUIRES(bql)
{
    uint8_t value = serial->msr;

    serial->msr &= MSR_LINES;
    update_line(serial);
    return value;
}

static uint8_t read_lsr(struct serial *serial) REQUIRES(bql)
{
    uint8_t value = serial->line_errors;

    if (serial->fifo_count > 0)
        value |= LSR_DATA_READY;
    if (!serial->is_out_full)
        value |= LSR_THRE | LSR_TEMT;
    if (fifos_are_on(serial) && fifo_has_errors(serial))
        value |= LSR_FIFO_ERROR;
    if (serial->line_errors) {
        serial->line_errors = 0;
        serial->fifo[serial->fifo_head] &= 0xff; /* told */
        update_line(serial);
    }
    return value;
}

static uint8_t read_data(struct serial *serial) REQUIRES(bql)
{
    uint8_t byte = fifo_take(serial);

    ask_for_input(serial);
    receiver_changed(serial);
    return byte;
}

static void write_data(struct serial *serial, uint8_t byte) REQUIRES(bql)
{
    serial->thre = THRE_TOLD;
    if (serial->mcr & MCR_LOOP) {
        fifo_put(serial, byte);
        serial->thre = THRE_INTERRUPT;
        receiver_changed(serial);
        return;
    }
    transmit(serial, byte);
    if (!serial->is_out_full)
        thre_happens(serial);
    update_line(serial);
}

static void write_ier(struct serial *serial, uint8_t value) REQUIRES(bql)
{
    uint8_t before = serial->ier;

    serial->ier = value & IER_MASK;
    /* Enabling it while the register is empty is an event of its own: how drivers start output,
     * and what Linux tests for at start-up. */
    if (serial->ier & ~before & IER_THRE && !serial->is_out_full)
        serial->thre = THRE_INTERRUPT;
    receiver_changed(serial);
}

static void write_fcr(struct serial *serial, uint8_t value) REQUIRES(bql)
{
    bool is_switched = (serial->fcr ^ value) & FCR_ENABLE;

    serial->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | 3 << FCR_TRIGGER_SHIFT) : 0;
    /* The transmitter's FIFO is always empty: what was written is on its way. */
    if (is_switched || value & FCR_CLEAR_RECEIVER)
        fifo_clear(serial);
    ask_for_input(serial);
    receiver_changed(serial);
}

static uint64_t serial_read(void *opaque, uint64_t offset, unsigned size UNUSED)
{
    struct serial *serial = opaque;
    bool is_dlab = serial->lcr & LCR_DLAB;

    bql_assert_held();
    switch (offset) {
    case REG_DATA:
        return is_dlab ? serial->divisor & 0xff : read_data(serial);
    case REG_IER:
        return is_dlab ? serial->divisor >> 8 : serial->ier;
    case REG_IIR_FCR:
        return identify_interrupt(serial);
    case REG_LCR:
        return serial->lcr;
    case REG_MCR:
        return serial->mcr;
    case REG_LSR:
        return read_lsr(serial);
    case REG_MSR:
        return read_msr(serial);
    default:
        return serial->scratch;
    }
}

static void serial_write(void *opaque, uint64_t offset, uint64_t wide_value, unsigned size UNUSED)
{
    struct serial *serial = opaque;
    uint8_t value = (uint8_t)wide_value;
    bool is_dlab = serial->lcr & LCR_DLAB;

    bql_assert_held();
    switch (offset) {
    case REG_DATA:
        if (is_dlab)
            serial->divisor = (serial->divisor & 0xff00) | value;
        else
            write_data(serial, value);
        break;
    case REG_IER:
        if (is_dlab)
            serial->divisor = (uint16_t)(value << 8 | (serial->divisor & 0xff));
        else
            write_ier(serial, value);
        break;
    case REG_IIR_FCR:
        write_fcr(serial, value);
        break;
    case REG_LCR:
        serial->lcr = value;
        break;
    case REG_MCR:
        write_mcr(serial, value);
        break;
    case REG_SCRATCH:
        serial->scratch = value;
        break;
    default: /* the status registers: read only, but for factory tests */
        break;
    }
}

/* ---- Life ---------------------------------------------------------------------- */

/*
 * As a firmware would leave it, since none runs here: 115200 8N1. (The chip's own
 * state has a divisor of 0, by which Linux's early console would divide.)
 */
void serial_reset(struct serial *serial)
{
    serial->ier = serial->fcr = serial->mcr = serial->scratch = 0;
    serial->lcr = LCR_8N1;
    serial->divisor = 1;
    serial->line_errors = 0;
    serial->nr_thre = 0;
    serial->thre = THRE_TOLD;
    serial->msr = modem_lines(serial);
    fifo_clear(serial);
    receiver_changed(serial);
    ask_for_input(serial);
}

struct serial *serial_new(const struct irq_line *line, struct char_backend *backend)
{
    struct serial *serial = g_new0(struct serial, 1);

    serial->line = *line;
    serial->backend = backend;
    serial->timeout.fn = on_timeout;
    serial->flush_later.fn = flush_later;
    serial->flushed_ns = INT64_MIN / 2;
    deferred_init(&serial->flush_soon, flush_soon);
    if (backend) {
        backend->sink = (struct char_sink){
            .room = sink_room,
            .receive = sink_receive,
            .receive_break = sink_receive_break,
            .opaque = serial,
        };
        backend->drained = drained;
        backend->drained_opaque = serial;
    }
    serial_reset(serial);
    return serial;
}

/* The guest's last words: wait for a slow back end, but not for one that is stuck. */
static void flush_at_the_end(struct serial *serial) REQUIRES(bql)
{
    int64_t deadline_ns = deadline_after_ns(monotonic_ns(), FINAL_FLUSH_NS);

    while (serial->out_count > 0) {
        flush(serial);
        if (serial->out_count > 0 &&
            !(serial->backend->wait && serial->backend->wait(serial->backend, deadline_ns)))
            break;
    }
}

void serial_free(struct serial *serial)
{
    if (!serial)
        return;
    serial->line = (struct irq_line){ .pin = 0 };
    flush_at_the_end(serial);
    loop_timer_cancel(&serial->timeout);
    loop_timer_cancel(&serial->flush_later);
    loop_cancel(&serial->flush_soon);
    if (serial->backend) {
        serial->backend->sink = (struct char_sink){ .room = NULL };
        serial->backend->drained = NULL;
    }
    g_free(serial);
}

static const struct mmio_ops serial_ops = {
    .read = serial_read,
    .write = serial_write,
    .max_access = 1,
};

struct region *serial_region(struct serial *serial, struct mem *mem)
{
    return region_new_mmio(mem, "serial", SERIAL_PORTS, &serial_ops, serial);
}

void serial_metrics_register(struct serial *serial, struct metrics *metrics)
{
    const struct {
        const char *name, *help;
        const uint64_t *value;
    } figures[] = {
        { "gracevm_serial_transmitted_bytes_total", "Bytes that the guest has written.",
          &serial->transmitted },
        { "gracevm_serial_received_bytes_total", "Bytes that the guest was given.",
          &serial->received },
        { "gracevm_serial_dropped_bytes_total",
          "Bytes written while the transmitter was busy, and lost.", &serial->dropped },
        { "gracevm_serial_overruns_total", "Bytes lost in a full receiver (loopback).",
          &serial->overruns },
    };

    for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
        metric_add_u64(metrics_family(metrics, METRIC_COUNTER, figures[i].name, figures[i].help),
                       METRIC_NO_LABELS, figures[i].value, serial);
}

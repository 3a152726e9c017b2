/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "hw/dev/virtio_blk.h"
#include "tests/unit/disk_scene.h"
#include "tests/unit/virtio_guest.h"
#include "util/event.h"
#include "util/log.h"
#include "util/metric.h"

/* The driver's view, from the specification (virtio 1.2, 5.2). */
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2, UNTOUCHED = 0xee };
enum {
    F_RO = 1 << 5,
    F_FLUSH = 1 << 9,
    F_CONFIG_WCE = 1 << 11,
    F_MQ = 1 << 12,
    F_DISCARD = 1 << 13,
    F_WRITE_ZEROES = 1 << 14,
    USUAL = F_FLUSH | F_DISCARD | F_WRITE_ZEROES,
};
enum { UNMAP = 1, SECTORS = 64 };

struct extent {
    uint64_t sector;
    uint32_t nr_sectors, flags;
};

/* ---- The flushes that reach the system ------------------------------------------------- */

static unsigned nr_flushes;     /* atomic */
static struct event flush_gate; /* they wait for it */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    event_wait(&flush_gate);
    fetch_add_relaxed(&nr_flushes, 1);
    return __real_fdatasync(fd);
}

static void let_loop_run(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

/* ---- A guest with a disk --------------------------------------------------------------- */

struct setting {
    struct guest guest;
    struct virtio_blk *blk;
    struct disk *disk;
    char *path;
    struct metrics *metrics;
};

static void plug_image(struct setting *setting, char *path, bool is_readonly, unsigned nr_queues)
    REQUIRES(bql)
{
    setting->path = path;
    guest_init(&setting->guest);
    setting->disk = must_open(setting->path, is_readonly);
    setting->blk = virtio_blk_new(setting->guest.scene.space, setting->disk, "serial", nr_queues);
    setting->metrics = metrics_new();
    virtio_blk_metrics_register(setting->blk, setting->metrics, "hd");
    guest_plug(&setting->guest, virtio_blk_device(setting->blk));
}

static void plug(struct setting *setting, bool is_readonly, unsigned nr_queues) REQUIRES(bql)
{
    plug_image(setting, image_new(SECTORS * SECTOR), is_readonly, nr_queues);
}

static void begin(struct setting *setting) REQUIRES(bql)
{
    plug(setting, false, 1);
    guest_start(&setting->guest, USUAL);
}

static void end(struct setting *setting) REQUIRES(bql)
{
    guest_unplug(&setting->guest);
    metrics_remove(setting->metrics, setting->blk);
    metrics_free(setting->metrics);
    virtio_blk_free(setting->blk);
    guest_fini(&setting->guest);
    image_end(setting->path);
}

static void expect_metric(const struct setting *setting, const char *line)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    metrics_print(setting->metrics, file);
    (void)fclose(file);
    if (!strstr(text, line))
        g_error("no '%s' in\n%s", line, text);
    free(text);
}

/* ---- Requests -------------------------------------------------------------------------- */

/* Pieces lie apart, so that each byte has to be found by counting. */
enum { AREA = 1 << 20, OUT_AREA = GUEST_DATA, IN_AREA = GUEST_DATA + AREA };

struct call {
    uint32_t type;
    uint64_t sector;
    const void *out;
    size_t out_size;
    void *in; /* what the device writes before the status */
    size_t in_size;
    unsigned cut; /* bytes a descriptor; 0: header, data, status */
};

/* @size bytes of a stream into descriptors of @cut bytes at @area. */
static unsigned scatter(struct guest_buffer *buffers, uint64_t area, size_t size, unsigned cut,
                        bool is_in)
{
    unsigned nr = 0;

    for (size_t at = 0; at < size; at += cut, nr++)
        buffers[nr] = (struct guest_buffer){ area + at / cut * (cut + 64UL),
                                             (uint32_t)MIN(cut, size - at), is_in };
    return nr;
}

/* The driver's bytes into pieces, or the pieces into the driver's bytes. */
static void move(struct guest *guest, const struct guest_buffer *buffers, unsigned nr,
                 uint8_t *bytes)
{
    for (unsigned i = 0; i < nr; i++) {
        uint8_t *piece = guest->bytes + buffers[i].gpa;

        if (buffers[i].is_in)
            memcpy(bytes, piece, buffers[i].length);
        else
            memcpy(piece, bytes, buffers[i].length);
        bytes += buffers[i].length;
    }
}

static unsigned build(struct guest *guest, const struct call *call, struct guest_buffer *buffers,
                      unsigned *ret_nr_out)
{
    size_t out_size = 16 + call->out_size;
    g_autofree uint8_t *out = g_malloc0(out_size);
    unsigned nr_out, nr_in = 0;

    memcpy(out, &call->type, sizeof(call->type));
    memcpy(out + 8, &call->sector, sizeof(call->sector));
    if (call->out_size)
        memcpy(out + 16, call->out, call->out_size);
    if (call->cut) {
        nr_out = scatter(buffers, OUT_AREA, out_size, call->cut, false);
        nr_in = scatter(buffers + nr_out, IN_AREA, call->in_size + 1, call->cut, true);
    } else {
        nr_out = 1;
        buffers[0] = (struct guest_buffer){ OUT_AREA, 16, false };
        if (call->out_size)
            buffers[nr_out++] =
                (struct guest_buffer){ OUT_AREA + 0x1000, (uint32_t)call->out_size, false };
        if (call->in_size)
            buffers[nr_out + nr_in++] =
                (struct guest_buffer){ IN_AREA, (uint32_t)call->in_size, true };
        buffers[nr_out + nr_in++] = (struct guest_buffer){ IN_AREA + AREA - 1, 1, true };
    }
    g_assert_cmpuint(nr_out + nr_in, <=, GUEST_QUEUE_SIZE);
    memset(guest->bytes + IN_AREA, UNTOUCHED, AREA);
    move(guest, buffers, nr_out, out);
    *ret_nr_out = nr_out;
    return nr_out + nr_in;
}

/* The status that the device answers. */
static int perform(struct setting *setting, unsigned queue, const struct call *call) REQUIRES(bql)
{
    struct guest *guest = &setting->guest;
    struct guest_buffer buffers[GUEST_QUEUE_SIZE];
    g_autofree uint8_t *in = g_malloc(call->in_size + 1);
    unsigned nr_out, nr = build(guest, call, buffers, &nr_out);
    uint16_t head = guest_send(guest, queue, buffers, nr);
    uint32_t written;

    g_assert_cmpuint(guest_take(guest, queue, &written), ==, head);
    g_assert_cmpuint(written, ==, call->in_size + 1);
    move(guest, buffers + nr_out, nr - nr_out, in);
    if (call->in_size)
        memcpy(call->in, in, call->in_size);
    return in[call->in_size];
}

static int ask(struct setting *setting, uint32_t type, uint64_t sector, const void *out,
               size_t out_size) REQUIRES(bql)
{
    const struct call call = { .type = type, .sector = sector, .out = out, .out_size = out_size };

    return perform(setting, 0, &call);
}

static int read_sectors(struct setting *setting, uint64_t sector, void *in, size_t size)
    REQUIRES(bql)
{
    const struct call call = { .type = IN, .sector = sector, .in = in, .in_size = size };

    return perform(setting, 0, &call);
}

static void expect_sectors(struct setting *setting, uint64_t sector, unsigned nr, int first,
                           int step) REQUIRES(bql)
{
    g_autofree uint8_t *bytes = g_malloc(nr * SECTOR);

    g_assert_cmpint(read_sectors(setting, sector, bytes, nr * SECTOR), ==, OK);
    for (unsigned i = 0; i < nr; i++) {
        g_assert_cmpint(bytes[i * SECTOR], ==, first + (int)i * step);
        g_assert_cmpint(bytes[i * SECTOR + SECTOR - 1], ==, first + (int)i * step);
    }
}

/* ---- What it is -------------------------------------------------------------------------- */

static uint64_t config(struct setting *setting, unsigned offset, unsigned size) REQUIRES(bql)
{
    uint64_t value = 0;

    virtio_read_config(setting->guest.device, offset, &value, size);
    return value;
}

static void features_and_configuration_fit_the_disk(void)
{
    bql_assert_held();
    struct setting setting;
    uint64_t offered;

    plug(&setting, false, 4);
    offered = setting.guest.device->offered;
    g_assert_cmphex(offered & (USUAL | F_RO | F_MQ), ==, USUAL | F_MQ);
    g_assert_cmpuint(config(&setting, 0, 8), ==, SECTORS);
    g_assert_cmpuint(config(&setting, 12, 4), ==, GUEST_QUEUE_SIZE - 2); /* seg_max */
    g_assert_cmpuint(config(&setting, 20, 4), ==, SECTOR);               /* blk_size */
    g_assert_cmpuint(config(&setting, 32, 1), ==, 1);                    /* writeback */
    g_assert_cmpuint(config(&setting, 34, 2), ==, 4);                    /* num_queues */
    g_assert_cmpuint(config(&setting, 36, 4), >, 0);                     /* max_discard_sectors */
    g_assert_cmpuint(config(&setting, 40, 4), >, 0);                     /* max_discard_seg */
    g_assert_cmpuint(config(&setting, 48, 4), >, 0); /* max_write_zeroes_sectors */
    end(&setting);
    plug(&setting, true, 1);
    offered = setting.guest.device->offered;
    g_assert_cmphex(offered & (USUAL | F_RO | F_MQ), ==, F_FLUSH | F_RO);
    g_assert_cmpuint(config(&setting, 34, 2), ==, 1);
    end(&setting);
}

static void identity_is_cut_to_the_room(void)
{
    bql_assert_held();
    struct setting setting;
    char id[64];

    begin(&setting);
    for (unsigned cut = 0; cut < 8; cut++) {
        struct call call = { .type = GET_ID, .in = id, .in_size = 20, .cut = cut };

        memset(id, 0x55, sizeof(id));
        g_assert_cmpint(perform(&setting, 0, &call), ==, OK);
        g_assert_cmpmem(id, 20, "serial\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
        call.in_size = 3;
        g_assert_cmpint(perform(&setting, 0, &call), ==, OK);
        g_assert_cmpmem(id, 3, "ser", 3);
        call.in_size = 64;
        g_assert_cmpint(perform(&setting, 0, &call), ==, OK);
        g_assert_cmpint((uint8_t)id[20], ==, UNTOUCHED);
        call.in_size = 0;
        g_assert_cmpint(perform(&setting, 0, &call), ==, OK);
    }
    end(&setting);
}

/* ---- What it does ------------------------------------------------------------------------ */

static void data_goes_both_ways_however_it_is_cut(void)
{
    bql_assert_held();
    /* Bytes a descriptor: header in many, header with data, data with status, an odd number. */
    static const unsigned cuts[] = { 0, 13, 15, 16, 17, 31, 512, 513, 528, 1500, 4096 };
    struct setting setting;

    begin(&setting);
    for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
        uint8_t out[3 * SECTOR], in[5 * SECTOR];
        struct call write = { OUT, 7, out, sizeof(out), NULL, 0, cuts[i] };
        struct call read = { IN, 6, NULL, 0, in, sizeof(in), cuts[i] };

        for (size_t j = 0; j < sizeof(out); j++)
            out[j] = (uint8_t)(j * 31 + i);
        g_assert_cmpint(perform(&setting, 0, &write), ==, OK);
        g_assert_cmpint(perform(&setting, 0, &read), ==, OK);
        g_assert_cmpint(in[0], ==, 6);
        g_assert_cmpint(in[SECTOR - 1], ==, 6);
        g_assert_cmpmem(in + SECTOR, sizeof(out), out, sizeof(out));
        g_assert_cmpint(in[4 * SECTOR], ==, 10);
    }
    expect_metric(&setting, "gracevm_blk_requests_total{disk=\"hd\",op=\"write\"} 11\n");
    expect_metric(&setting, "gracevm_blk_bytes_total{disk=\"hd\",op=\"read\"} 28160\n");
    expect_metric(&setting, "gracevm_blk_errors_total{disk=\"hd\",op=\"read\"} 0\n");
    expect_metric(&setting, "gracevm_blk_request_seconds_count{disk=\"hd\",op=\"read\"} 11\n");
    end(&setting);
}

static void the_last_sector_is_the_last(void)
{
    bql_assert_held();
    struct setting setting;
    uint8_t in[2 * SECTOR];

    begin(&setting);
    g_assert_cmpint(read_sectors(&setting, SECTORS - 1, in, SECTOR), ==, OK);
    g_assert_cmpint(in[0], ==, SECTORS - 1);
    g_assert_cmpint(read_sectors(&setting, SECTORS, in, 0), ==, OK);
    g_assert_cmpint(read_sectors(&setting, SECTORS - 1, in, 2 * SECTOR), ==, IOERR);
    g_assert_cmpint(read_sectors(&setting, SECTORS, in, SECTOR), ==, IOERR);
    g_assert_cmpint(read_sectors(&setting, SECTORS + 1, in, 0), ==, IOERR);
    g_assert_cmpint(read_sectors(&setting, UINT64_MAX, in, SECTOR), ==, IOERR);
    g_assert_cmpint(read_sectors(&setting, UINT64_MAX / SECTOR, in, SECTOR), ==, IOERR);
    g_assert_cmpint(read_sectors(&setting, UINT64_MAX / SECTOR + 2, in, SECTOR), ==, IOERR);
    g_assert_cmpint(read_sectors(&setting, 0, in, SECTOR + 1), ==, IOERR);
    g_assert_cmpint(read_sectors(&setting, 0, in, SECTOR - 1), ==, IOERR);
    g_assert_cmpint(ask(&setting, OUT, 0, in, 1), ==, IOERR);
    g_assert_cmpint(ask(&setting, OUT, SECTORS, in, SECTOR), ==, IOERR);
    g_assert_cmpint(ask(&setting, 99, 0, in, SECTOR), ==, UNSUPP);
    g_assert_cmpint(ask(&setting, UINT32_MAX, 0, NULL, 0), ==, UNSUPP);
    expect_metric(&setting, "gracevm_blk_refused_total{disk=\"hd\"} 12\n");
    expect_sectors(&setting, 0, SECTORS, 0, 1);
    g_assert_false(guest_device_is_broken(&setting.guest));
    end(&setting);
}

/* 254 MiB are offered; this is twice that, into the same memory again and again. */
static void transfers_beyond_the_offer_are_refused(void)
{
    bql_assert_held();
    struct guest_buffer buffers[GUEST_QUEUE_SIZE] = { { OUT_AREA, 16, false } };
    char *path = image_new(0);
    struct setting setting;
    uint32_t written;

    g_assert_cmpint(truncate(path, 1 << 30), ==, 0); /* all of it a hole */
    plug_image(&setting, path, true, 1);
    guest_start(&setting.guest, 0);
    memset(setting.guest.bytes + OUT_AREA, 0, 16);
    for (int i = 1; i < GUEST_QUEUE_SIZE; i++)
        buffers[i] = (struct guest_buffer){ 0x100000, 2 << 20, true };
    buffers[GUEST_QUEUE_SIZE - 1] = (struct guest_buffer){ IN_AREA, 1, true };
    (void)guest_send(&setting.guest, 0, buffers, GUEST_QUEUE_SIZE);
    (void)guest_take(&setting.guest, 0, &written);
    g_assert_cmpint(setting.guest.bytes[IN_AREA], ==, IOERR);
    expect_metric(&setting, "gracevm_blk_refused_total{disk=\"hd\"} 1\n");
    end(&setting);
}

static void a_readonly_disk_takes_no_writes(void)
{
    bql_assert_held();
    const struct extent extent = { 0, 8, 0 };
    struct setting setting;
    uint8_t out[SECTOR] = { 0xff };

    plug(&setting, true, 1);
    guest_start(&setting.guest, F_RO | F_FLUSH);
    g_assert_cmpint(ask(&setting, OUT, 0, out, SECTOR), ==, IOERR);
    g_assert_cmpint(ask(&setting, FLUSH, 0, NULL, 0), ==, OK);
    g_assert_cmpint(ask(&setting, DISCARD, 0, &extent, sizeof(extent)), ==, UNSUPP);
    g_assert_cmpint(ask(&setting, WRITE_ZEROES, 0, &extent, sizeof(extent)), ==, UNSUPP);
    expect_sectors(&setting, 0, SECTORS, 0, 1);
    end(&setting);
}

static void chains_without_header_or_status_break_the_device(void)
{
    bql_assert_held();
    static const struct guest_buffer wrong[][2] = {
        { { OUT_AREA, 16, false }, { OUT_AREA, 512, false } },
        { { OUT_AREA, 16, false }, { IN_AREA, 0, true } },
        { { OUT_AREA, 15, false }, { IN_AREA, 1, true } },
        { { IN_AREA, 512, true }, { IN_AREA, 1, true } },
    };
    struct setting setting;

    begin(&setting);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        (void)guest_send(&setting.guest, 0, wrong[i], 2);
        let_loop_run();
        g_assert_true(guest_device_is_broken(&setting.guest));
        g_assert_cmpuint(setting.guest.nr_config_interrupts, ==, i + 1);
        g_assert_cmpuint(guest_answers(&setting.guest, 0), ==, 0);
        virtio_set_status(setting.guest.device, 0);
        guest_start(&setting.guest, USUAL);
        expect_sectors(&setting, 0, 2, 0, 1);
    }
    end(&setting);
}

/* ---- Discard and write zeroes -------------------------------------------------------------- */

static void extents_are_checked_and_zeroed(void)
{
    bql_assert_held();
    static const struct {
        uint32_t type;
        int status;
        struct extent extent;
    } cases[] = {
        { DISCARD, OK, { 8, 8, 0 } },
        { DISCARD, OK, { SECTORS, 0, 0 } },
        { DISCARD, UNSUPP, { 8, 8, UNMAP } },
        { DISCARD, UNSUPP, { 8, 8, 2 } },
        { DISCARD, IOERR, { SECTORS, 1, 0 } },
        { DISCARD, IOERR, { 0, SECTORS + 1, 0 } },
        { DISCARD, IOERR, { UINT64_MAX, 2, 0 } },
        { DISCARD, IOERR, { 0, UINT32_MAX, 0 } },
        { WRITE_ZEROES, OK, { 16, 3, 0 } },
        { WRITE_ZEROES, OK, { 19, 5, UNMAP } },
        { WRITE_ZEROES, UNSUPP, { 0, 1, 2 } },
        { WRITE_ZEROES, UNSUPP, { 0, 1, UINT32_MAX } },
        { WRITE_ZEROES, IOERR, { SECTORS - 1, 2, 0 } },
        { WRITE_ZEROES, IOERR, { UINT64_MAX - 7, 16, UNMAP } },
    };
    struct setting setting;

    begin(&setting);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        g_assert_cmpint(ask(&setting, cases[i].type, 0, &cases[i].extent, sizeof(cases[i].extent)),
                        ==, cases[i].status);
    expect_sectors(&setting, 0, 8, 0, 1);
    expect_sectors(&setting, 16, 8, 0, 0);
    expect_sectors(&setting, 24, SECTORS - 24, 24, 1);
    expect_metric(&setting, "gracevm_blk_bytes_total{disk=\"hd\",op=\"write_zeroes\"} 4096\n");
    end(&setting);
}

static void many_extents_are_one_request(void)
{
    bql_assert_held();
    struct extent extents[33];
    struct setting setting;

    begin(&setting);
    for (unsigned i = 0; i < ARRAY_SIZE(extents); i++)
        extents[i] = (struct extent){ 2 * i % SECTORS, 1, 0 };
    for (unsigned cut = 0; cut < 40; cut += 13) {
        struct call call = { WRITE_ZEROES, 0, extents, 32 * sizeof(extents[0]), NULL, 0, cut };

        g_assert_cmpint(perform(&setting, 0, &call), ==, OK);
    }
    for (unsigned i = 0; i < SECTORS; i++)
        expect_sectors(&setting, i, 1, i % 2 ? (int)i : 0, 0);
    g_assert_cmpint(ask(&setting, WRITE_ZEROES, 0, extents, sizeof(extents)), ==, IOERR);
    g_assert_cmpint(ask(&setting, WRITE_ZEROES, 0, extents, 15), ==, IOERR);
    g_assert_cmpint(ask(&setting, WRITE_ZEROES, 0, NULL, 0), ==, IOERR);
    extents[31].sector = SECTORS; /* one bad one: nothing is done */
    extents[0].sector = 1;
    g_assert_cmpint(ask(&setting, WRITE_ZEROES, 0, extents, 512), ==, IOERR);
    expect_sectors(&setting, 1, 1, 1, 0);
    end(&setting);
}

static void what_was_not_negotiated_is_unsupported(void)
{
    bql_assert_held();
    const struct extent extent = { 0, 8, 0 };
    struct setting setting;

    plug(&setting, false, 1);
    guest_start(&setting.guest, F_FLUSH);
    g_assert_cmpint(ask(&setting, DISCARD, 0, &extent, sizeof(extent)), ==, UNSUPP);
    g_assert_cmpint(ask(&setting, WRITE_ZEROES, 0, &extent, sizeof(extent)), ==, UNSUPP);
    expect_sectors(&setting, 0, 8, 0, 1);
    end(&setting);
}

/* ---- Caches -------------------------------------------------------------------------------- */

static unsigned flushes_of_a_write(struct setting *setting) REQUIRES(bql)
{
    unsigned before = load_relaxed(&nr_flushes);
    uint8_t out[SECTOR] = { 0 };

    g_assert_cmpint(ask(setting, OUT, 0, out, SECTOR), ==, OK);
    return load_relaxed(&nr_flushes) - before;
}

static void set_writeback(struct setting *setting, uint8_t value) REQUIRES(bql)
{
    virtio_write_config(setting->guest.device, 32, &value, 1);
}

static void writes_are_durable_where_the_driver_cannot_flush(void)
{
    bql_assert_held();
    struct setting setting;
    unsigned before;

    begin(&setting);
    g_assert_cmpuint(flushes_of_a_write(&setting), ==, 0);
    before = load_relaxed(&nr_flushes);
    g_assert_cmpint(ask(&setting, FLUSH, 0, NULL, 0), ==, OK);
    g_assert_cmpuint(load_relaxed(&nr_flushes), ==, before + 1);
    set_writeback(&setting, 0); /* not negotiated: no effect */
    g_assert_cmpuint(flushes_of_a_write(&setting), ==, 0);
    virtio_set_status(setting.guest.device, 0);
    virtio_set_accepted(setting.guest.device, F_CONFIG_WCE | VIRTIO_F_VERSION_1);
    g_assert_cmpuint(config(&setting, 32, 1), ==, 1);
    virtio_set_status(setting.guest.device, VIRTIO_STATUS_FEATURES_OK);
    g_assert_cmpuint(config(&setting, 32, 1), ==, 0); /* drivers look before DRIVER_OK */
    virtio_set_status(setting.guest.device, 0);
    guest_start(&setting.guest, 0);
    g_assert_cmpuint(config(&setting, 32, 1), ==, 0);
    g_assert_cmpuint(flushes_of_a_write(&setting), ==, 1);
    virtio_set_status(setting.guest.device, 0);
    guest_start(&setting.guest, F_FLUSH | F_CONFIG_WCE);
    g_assert_cmpuint(flushes_of_a_write(&setting), ==, 0);
    set_writeback(&setting, 0);
    g_assert_cmpuint(config(&setting, 32, 1), ==, 0);
    g_assert_cmpuint(flushes_of_a_write(&setting), ==, 1);
    set_writeback(&setting, 1);
    g_assert_cmpuint(flushes_of_a_write(&setting), ==, 0);
    end(&setting);
}

/* ---- Trouble of the host ------------------------------------------------------------------- */

static void host_errors_are_io_errors_counted_and_told(void)
{
    bql_assert_held();
    g_autofree char *log = image_new(0), *text = NULL;
    struct setting setting;
    uint8_t bytes[SECTOR];

    begin(&setting);
    g_assert_true(log_open(log, NULL));
    disk_inject(setting.disk, 0, ENOSPC);
    g_assert_cmpint(read_sectors(&setting, 3, bytes, SECTOR), ==, IOERR);
    g_assert_cmpint(ask(&setting, OUT, 5, bytes, SECTOR), ==, IOERR);
    g_assert_cmpint(ask(&setting, FLUSH, 0, NULL, 0), ==, IOERR);
    disk_inject(setting.disk, 0, 0);
    g_assert_true(log_open(NULL, NULL));
    expect_sectors(&setting, 0, SECTORS, 0, 1);
    expect_metric(&setting, "gracevm_blk_errors_total{disk=\"hd\",op=\"read\"} 1\n");
    expect_metric(&setting, "gracevm_blk_errors_total{disk=\"hd\",op=\"write\"} 1\n");
    expect_metric(&setting, "gracevm_blk_errors_total{disk=\"hd\",op=\"flush\"} 1\n");
    expect_metric(&setting, "gracevm_blk_refused_total{disk=\"hd\"} 0\n");
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, setting.path));
    g_assert_nonnull(strstr(text, "cannot write 512 bytes at 2560: No space left on device"));
    g_assert_nonnull(strstr(text, "cannot flush"));
    g_assert_cmpint(unlink(log), ==, 0);
    end(&setting);
}

/* Writes of one sector from the same place, with what is there already. */
static const uint8_t nines[SECTOR] = { [0 ... SECTOR - 1] = 9 };
static const struct call write_nines = { OUT, 9, nines, SECTOR, NULL, 0, 0 };

static void send_writes(struct setting *setting, unsigned queue, unsigned nr) REQUIRES(bql)
{
    struct guest_buffer buffers[GUEST_QUEUE_SIZE];
    unsigned nr_out, nr_buffers = build(&setting->guest, &write_nines, buffers, &nr_out);

    for (unsigned i = 0; i < nr; i++)
        (void)guest_send(&setting->guest, queue, buffers, nr_buffers);
}

static void a_reset_waits_for_what_is_in_flight(void)
{
    bql_assert_held();
    enum { NR = 40 };
    struct setting setting;
    struct mem_stats stats;

    begin(&setting);
    for (int round = 0; round < 3; round++) {
        disk_inject(setting.disk, INT64_MAX, 0);
        send_writes(&setting, 0, NR);
        let_loop_run();
        g_assert_cmpuint(disk_in_flight(setting.disk), ==, NR);
        mem_get_stats(setting.guest.scene.mem, &stats);
        g_assert_cmpuint(stats.dma_holders, ==, 3 * NR);
        virtio_set_status(setting.guest.device, 0);
        g_assert_cmpuint(virtio_get_status(setting.guest.device), !=, 0);
        virtio_set_status(setting.guest.device, 0); /* again: no matter */
        let_loop_run();
        g_assert_cmpuint(virtio_get_status(setting.guest.device), !=, 0);
        disk_inject(setting.disk, 0, round == 1 ? EIO : 0);
        while (virtio_get_status(setting.guest.device) != 0)
            (void)loop_iterate(true); /* the status tells */
        g_assert_cmpuint(guest_answers(&setting.guest, 0), ==, 0);
        mem_get_stats(setting.guest.scene.mem, &stats);
        g_assert_cmpuint(stats.dma_holders, ==, 0);
        disk_inject(setting.disk, 0, 0);
        guest_start(&setting.guest, USUAL);
        expect_sectors(&setting, 0, SECTORS, 0, 1);
    }
    end(&setting);
}

static void a_reset_ends_a_request_between_its_extents(void)
{
    bql_assert_held();
    const struct extent extents[] = { { 0, 1, 0 }, { 1, 1, 0 } };
    const struct call call = { .type = WRITE_ZEROES, .out = extents, .out_size = sizeof(extents) };
    struct guest_buffer buffers[8];
    struct setting setting;
    unsigned nr_out, nr;

    begin(&setting);
    disk_inject(setting.disk, INT64_MAX, 0);
    nr = build(&setting.guest, &call, buffers, &nr_out);
    (void)guest_send(&setting.guest, 0, buffers, nr);
    let_loop_run();
    virtio_set_status(setting.guest.device, 0);
    disk_inject(setting.disk, 0, 0);
    while (virtio_get_status(setting.guest.device) != 0)
        (void)loop_iterate(true); /* the status tells */
    guest_start(&setting.guest, USUAL);
    expect_sectors(&setting, 0, 1, 0, 0);
    expect_sectors(&setting, 1, 1, 1, 0);
    end(&setting);
}

/* end() unplugs and frees while a worker is at it. */
static void freeing_waits_for_what_is_in_flight(void)
{
    bql_assert_held();
    struct setting setting;

    begin(&setting);
    disk_inject(setting.disk, 10000000, 0);
    send_writes(&setting, 0, 10);
    let_loop_run();
    g_assert_cmpuint(disk_in_flight(setting.disk), >, 0);
    end(&setting);
}

/* ---- Queues -------------------------------------------------------------------------------- */

static void each_queue_has_its_answers(void)
{
    bql_assert_held();
    struct setting setting;
    uint32_t written;

    plug(&setting, false, GUEST_QUEUES);
    guest_start(&setting.guest, USUAL | F_MQ);
    for (unsigned i = 0; i < GUEST_QUEUES; i++)
        send_writes(&setting, i, 10 + i);
    for (unsigned i = 0; i < GUEST_QUEUES; i++) {
        for (unsigned j = 0; j < 10 + i; j++)
            g_assert_cmpuint(guest_take(&setting.guest, i, &written) % 3, ==, 0);
        g_assert_cmpuint(guest_answers(&setting.guest, i), ==, 0);
    }
    end(&setting);
}

static void a_flush_that_is_stuck_holds_up_no_write(void)
{
    bql_assert_held();
    const struct call flush = { .type = FLUSH };
    struct guest_buffer buffers[4];
    struct setting setting;
    unsigned nr_out, nr;
    uint32_t written;
    uint16_t head;

    begin(&setting);
    event_reset(&flush_gate);
    nr = build(&setting.guest, &flush, buffers, &nr_out);
    head = guest_send(&setting.guest, 0, buffers, nr);
    let_loop_run();
    send_writes(&setting, 0, 30);
    for (int i = 0; i < 30; i++)
        g_assert_cmpuint(guest_take(&setting.guest, 0, &written), !=, head);
    event_set(&flush_gate);
    g_assert_cmpuint(guest_take(&setting.guest, 0, &written), ==, head);
    end(&setting);
}

/* A driver that makes one chain available again and again before it is answered. */
static void one_chain_a_thousand_times_is_answered_each_time(void)
{
    bql_assert_held();
    enum { TIMES = 1000 };
    struct guest_buffer buffers[4];
    struct setting setting;
    unsigned nr_out, nr;
    uint32_t written;
    uint16_t head;

    begin(&setting);
    nr = build(&setting.guest, &write_nines, buffers, &nr_out);
    head = guest_chain(&setting.guest, 0, buffers, nr);
    disk_inject(setting.disk, INT64_MAX, 0);
    for (int i = 0; i < TIMES; i++) {
        guest_add(&setting.guest, 0, head);
        virtio_doorbell(setting.guest.device, 0);
        if (i % 100 == 99)
            let_loop_run();
    }
    disk_inject(setting.disk, 0, 0);
    for (int i = 0; i < TIMES; i++) /* the used ring goes round four times: taken while it grows */
        g_assert_cmpuint(guest_take(&setting.guest, 0, &written), ==, head);
    end(&setting);
}

static void add_tests(void)
{
#define ADD(test) g_test_add_func("/virtio_blk/" #test, test)
    ADD(features_and_configuration_fit_the_disk);
    ADD(identity_is_cut_to_the_room);
    ADD(data_goes_both_ways_however_it_is_cut);
    ADD(the_last_sector_is_the_last);
    ADD(transfers_beyond_the_offer_are_refused);
    ADD(a_readonly_disk_takes_no_writes);
    ADD(chains_without_header_or_status_break_the_device);
    ADD(extents_are_checked_and_zeroed);
    ADD(many_extents_are_one_request);
    ADD(what_was_not_negotiated_is_unsupported);
    ADD(writes_are_durable_where_the_driver_cannot_flush);
    ADD(host_errors_are_io_errors_counted_and_told);
    ADD(a_reset_waits_for_what_is_in_flight);
    ADD(a_reset_ends_a_request_between_its_extents);
    ADD(freeing_waits_for_what_is_in_flight);
    ADD(each_queue_has_its_answers);
    ADD(a_flush_that_is_stuck_holds_up_no_write);
    ADD(one_chain_a_thousand_times_is_answered_each_time);
#undef ADD
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    event_init(&flush_gate, true);
    add_tests();
    return run_with_bql();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device state machine, by the functions that transports use. */
#include <glib/gstdio.h>

#include "tests/virtio/echo.h"
#include "util/log.h"
#include "util/metric.h"

enum {
    QUEUE_AT = 0x1000,
    DATA_AT = 0x20000,
    SIZE = 16,
    ACKNOWLEDGED = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER,
    NEGOTIATED = ACKNOWLEDGED | VIRTIO_STATUS_FEATURES_OK,
    DRIVEN = NEGOTIATED | VIRTIO_STATUS_DRIVER_OK,
};

static struct guest *guest;
static struct echo *echo;
static struct virtio_device *device;

static void begin(void) REQUIRES(bql)
{
    guest = guest_new();
    echo = echo_new(guest, SIZE);
    device = &echo->device;
    echo_count(echo);
}

static void end(void) REQUIRES(bql)
{
    echo_free(echo);
    guest_free(guest);
}

static void check_status(uint8_t status) REQUIRES(bql)
{
    g_assert_cmphex(virtio_get_status(device), ==, status);
}

static void status_is_written_step_by_step(void)
{
    bql_assert_held();
    begin();
    check_status(0);
    negotiate(device, 1 << 3);
    check_status(NEGOTIATED);
    g_assert_cmpuint(echo->nr_starts, ==, 0);
    drive(device);
    check_status(DRIVEN);
    g_assert_cmpuint(echo->nr_starts, ==, 1);
    g_assert_true(virtio_has_feature(device, 1 << 3));
    virtio_set_status(device, DRIVEN); /* no second start */
    g_assert_cmpuint(echo->nr_starts, ==, 1);
    virtio_set_status(device, DRIVEN | VIRTIO_STATUS_FAILED);
    check_status(DRIVEN | VIRTIO_STATUS_FAILED);
    g_assert_cmpuint(guest_errors(device), ==, 0);
    virtio_set_status(device, 0);
    check_status(0);
    g_assert_false(virtio_has_feature(device, VIRTIO_F_VERSION_1));
    g_assert_cmpuint(echo->nr_resets, ==, 1);
    end();
}

static void own_features_are_offered(void)
{
    bql_assert_held();
    begin();
    g_assert_cmphex(device->offered, ==,
                    1 << 3 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 |
                        VIRTIO_F_RING_RESET);
    end();
}

/* FEATURES_OK does not stick, and DRIVER_OK without it neither (3.1.1). */
static void wrong_features_are_refused(void)
{
    bql_assert_held();
    static const uint64_t wrong[] = {
        0,                                      /* no VERSION_1 */
        1 << 3 | VIRTIO_F_EVENT_IDX,            /* the same */
        VIRTIO_F_VERSION_1 | 1 << 4,            /* not offered */
        VIRTIO_F_VERSION_1 | UINT64_C(1) << 35, /* IN_ORDER */
        UINT64_MAX,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        begin();
        virtio_set_status(device, ACKNOWLEDGED);
        virtio_set_accepted(device, wrong[i]);
        virtio_set_status(device, NEGOTIATED);
        check_status(ACKNOWLEDGED);
        g_assert_cmpuint(guest_errors(device), ==, 1);
        virtio_set_status(device, DRIVEN);
        check_status(ACKNOWLEDGED);
        g_assert_cmpuint(echo->nr_starts, ==, 0);
        virtio_set_accepted(device, VIRTIO_F_VERSION_1); /* it may try again */
        virtio_set_status(device, NEGOTIATED);
        check_status(NEGOTIATED);
        end();
    }
}

static void features_are_final(void)
{
    bql_assert_held();
    begin();
    negotiate(device, 0);
    virtio_set_accepted(device, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
    g_assert_cmpuint(guest_errors(device), ==, 1);
    g_assert_false(virtio_has_feature(device, VIRTIO_F_EVENT_IDX));
    end();
}

static void bits_are_not_cleared_and_not_invented(void)
{
    bql_assert_held();
    begin();
    negotiate(device, 0);
    drive(device);
    virtio_set_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    check_status(DRIVEN);
    g_assert_cmpuint(guest_errors(device), ==, 1);
    virtio_set_status(device, DRIVEN | VIRTIO_STATUS_NEEDS_RESET | 0x30);
    check_status(DRIVEN); /* NEEDS_RESET is the device's word, and others mean nothing */
    end();
}

static void nothing_is_taken_before_driver_ok(void)
{
    bql_assert_held();
    struct driver driver;

    begin();
    negotiate(device, 0);
    driver = set_up(guest, device, 0, QUEUE_AT, SIZE);
    put(&driver, 0, DATA_AT, 1, 0, 0);
    offer(&driver, 0);
    check_nothing_used(&driver);
    drive(device); /* and is not forgotten */
    check_used(&driver, 0, 0);
    end();
}

static void queues_are_enabled_after_features_only(void)
{
    bql_assert_held();
    begin();
    virtio_set_status(device, ACKNOWLEDGED);
    (void)set_up(guest, device, 0, QUEUE_AT, SIZE);
    g_assert_false(virtq_setup(virtio_queue(device, 0))->is_enabled);
    g_assert_cmpuint(guest_errors(device), ==, 1);
    check_status(ACKNOWLEDGED);
    end();
}

/* ---- Reset
 * --------------------------------------------------------------------------------------- */

static void reset_may_take_time(void)
{
    bql_assert_held();
    struct driver driver;

    begin();
    echo->resets_slowly = echo->holds = true;
    negotiate(device, 0);
    driver = set_up(guest, device, 0, QUEUE_AT, SIZE);
    drive(device);
    put(&driver, 0, DATA_AT, 1, 0, 0);
    offer(&driver, 0);
    virtio_set_status(device, 0);
    check_status(DRIVEN);
    g_assert_cmpuint(device->generation, ==, 1);
    virtio_set_status(device, 0); /* once is enough */
    g_assert_cmpuint(echo->nr_resets, ==, 1);
    virtio_set_status(device, ACKNOWLEDGED); /* too early */
    virtio_set_accepted(device, VIRTIO_F_VERSION_1);
    virtq_enable(driver.queue);
    g_assert_cmpuint(guest_errors(device), ==, 3);
    virtio_device_broken(device, "told while it is reset");
    virtio_doorbell(device, 0);
    run_loop();
    g_assert_cmpuint(echo->nr_held, ==, 1);
    virtq_push(echo_take(echo), 0);
    check_nothing_used(&driver);
    virtio_reset_done(device);
    check_status(0);
    negotiate(device, 0);
    check_status(NEGOTIATED);
    end();
}

/* A reset that lasts is never seen as one that is over, even if the driver had done nothing. */
static void reset_from_nothing_reads_as_reset(void)
{
    bql_assert_held();
    begin();
    echo->resets_slowly = true;
    virtio_set_status(device, 0);
    g_assert_cmphex(virtio_get_status(device), !=, 0);
    virtio_reset_done(device);
    check_status(0);
    end();
}

static void reset_drops_what_is_held(void)
{
    bql_assert_held();
    struct mem_stats stats;
    struct driver driver;

    begin();
    echo->holds = echo->drops_at_reset = true;
    negotiate(device, 0);
    driver = set_up(guest, device, 0, QUEUE_AT, SIZE);
    drive(device);
    put(&driver, 0, DATA_AT, 1, DESC_WRITE, 0);
    for (unsigned i = 0; i < SIZE; i++)
        offer(&driver, 0);
    mem_get_stats(guest->scene.mem, &stats);
    g_assert_cmpuint(stats.dma_holders, ==, SIZE);
    virtio_set_status(device, 0);
    mem_get_stats(guest->scene.mem, &stats);
    g_assert_cmpuint(stats.dma_holders, ==, 0);
    check_nothing_used(&driver);
    virtq_drop(NULL);
    end();
}

static void broken_device_says_so_once(void)
{
    bql_assert_held();
    begin();
    negotiate(device, 0);
    drive(device);
    virtio_device_broken(device, "first");
    virtio_device_broken(device, "second, by number %d", 2);
    check_status(DRIVEN | VIRTIO_STATUS_NEEDS_RESET);
    g_assert_cmpuint(echo->nr_config_interrupts, ==, 1);
    g_assert_cmpuint(guest_errors(device), ==, 2);
    virtio_set_status(device, 0);
    check_status(0);
    /* Before DRIVER_OK nobody is told: the status is read anyway. */
    negotiate(device, 0);
    virtio_device_broken(device, "third");
    check_status(NEGOTIATED | VIRTIO_STATUS_NEEDS_RESET);
    g_assert_cmpuint(echo->nr_config_interrupts, ==, 1);
    end();
}

/* ---- Configuration
 * ----------------------------------------------------------------------------------- */

static void configuration_is_read_in_any_way(void)
{
    bql_assert_held();
    static const struct {
        uint64_t offset;
        unsigned size;
        uint64_t expected;
    } reads[] = {
        { 0, 1, 0x10 },       { 4, 8, 0x1b1a191817161514 },
        { 1, 4, 0x14131211 }, { 11, 4, 0x1b }, /* what is behind the end reads 0 */
        { 12, 4, 0 },         { UINT64_MAX, 8, 0 },
    };

    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(reads); i++) {
        uint64_t value = 0;

        virtio_read_config(device, reads[i].offset, &value, reads[i].size);
        g_assert_cmphex(value, ==, reads[i].expected);
    }
    end();
}

static void configuration_is_written_inside_only(void)
{
    bql_assert_held();
    const uint64_t value = UINT64_MAX;
    uint32_t back;

    begin();
    virtio_write_config(device, 4, &value, 2);
    virtio_read_config(device, 4, &back, 4);
    g_assert_cmphex(back, ==, 0x1716ffff);
    g_assert_cmpuint(echo->config_writes, ==, 1);
    virtio_write_config(device, 9, &value, 4);
    virtio_write_config(device, 12, &value, 1);
    virtio_write_config(device, UINT64_MAX, &value, 8);
    g_assert_cmpuint(echo->config_writes, ==, 1);
    g_assert_cmpuint(guest_errors(device), ==, 3);
    end();
}

static void changed_configuration_has_a_generation(void)
{
    bql_assert_held();
    begin();
    virtio_config_changed(device);
    g_assert_cmpuint(echo->nr_config_interrupts, ==, 0); /* there is no driver yet */
    negotiate(device, 0);
    drive(device);
    for (unsigned i = 0; i < 300; i++)
        virtio_config_changed(device);
    g_assert_cmpuint(device->config_generation, ==, 301 % 256);
    g_assert_cmpuint(echo->nr_config_interrupts, ==, 300);
    end();
}

/* ---- Figures
 * --------------------------------------------------------------------------------------------- */

static char *metrics_text(struct metrics *metrics)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    metrics_print(metrics, out);
    (void)fclose(out); /* memory: it cannot fail to be written */
    return text;
}

static void figures_are_counted(void)
{
    bql_assert_held();
    struct metrics *metrics = metrics_new();
    static const char *const lines[] = {
        "gracevm_virtio_chains_total{device=\"echo test\",queue=\"0\"} 3\n",
        "gracevm_virtio_chains_total{device=\"echo test\",queue=\"1\"} 0\n",
        "gracevm_virtio_interrupts_total{device=\"echo test\",queue=\"0\",what=\"sent\"} 2\n",
        "gracevm_virtio_interrupts_total{device=\"echo test\",queue=\"0\",what=\"suppressed\"} 1\n",
        "gracevm_virtio_guest_errors_total{device=\"echo test\"} 1\n",
    };
    struct driver driver;
    char *text;

    begin();
    virtio_metrics_register(device, metrics);
    negotiate(device, 0);
    driver = set_up(guest, device, 0, QUEUE_AT, SIZE);
    drive(device);
    put(&driver, 0, DATA_AT, 1, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        store_relaxed(avail_flags(&driver), i == 1 ? NO_INTERRUPT : 0);
        offer(&driver, 0);
    }
    virtio_doorbell(device, 99);
    text = metrics_text(metrics);
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
        g_assert_nonnull(strstr(text, lines[i]));
    free(text);
    metrics_remove(metrics, device);
    metrics_free(metrics);
    end();
}

static void errors_are_told_where_wanted(void)
{
    bql_assert_held();
    g_autoptr(GError) error = NULL;
    g_autofree char *log = g_build_filename(g_get_tmp_dir(), "virtio-log-XXXXXX", NULL);
    g_autofree char *text = NULL;
    int fd = g_mkstemp(log);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(log_open(log, &error) && log_set_topics("guest_errors", &error));
    begin();
    virtio_doorbell(device, 99);
    end();
    g_assert_true(log_open(NULL, &error) && log_set_topics("", &error));
    g_assert_true(g_file_get_contents(log, &text, NULL, &error));
    g_assert_nonnull(strstr(text, "echo test: notification of queue 99, which is not there\n"));
    g_assert_cmpint(g_unlink(log), ==, 0);
    g_assert_true(g_close(fd, &error));
}

#define TEST(name) g_test_add_func("/virtio/" #name, name)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST(status_is_written_step_by_step);
    TEST(own_features_are_offered);
    TEST(wrong_features_are_refused);
    TEST(features_are_final);
    TEST(bits_are_not_cleared_and_not_invented);
    TEST(nothing_is_taken_before_driver_ok);
    TEST(queues_are_enabled_after_features_only);
    TEST(reset_may_take_time);
    TEST(reset_from_nothing_reads_as_reset);
    TEST(reset_drops_what_is_held);
    TEST(broken_device_says_so_once);
    TEST(configuration_is_read_in_any_way);
    TEST(configuration_is_written_inside_only);
    TEST(changed_configuration_has_a_generation);
    TEST(figures_are_counted);
    TEST(errors_are_told_where_wanted);
    return run_with_bql();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk reads into a blob while that leaves the window; and its queue lies in one. */
#include "hw/dev/virtio_blk.h"
#include "tests/unit/disk_scene.h"
#include "tests/unit/gpu_blobs.h"
#include "util/clock.h"

enum {
    QUEUE = 2, /* of the disk: its rings are where the GPU has none */
    HEADER_AT = SCENE_DATA,
    STATUS_AT = SCENE_DATA + 64,
    SECTOR_NR = 7,
    FOR_EVER_S = 1000,
};

/* Of the same memory as the GPU's driver, in `scene`. */
static struct guest guest;
static struct virtio_blk *blk;
static struct disk *disk;
static char *path;

static void begin_with_disk(void) REQUIRES(bql)
{
    const uint8_t known = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

    begin();
    path = image_new(64 * SECTOR);
    disk = must_open(path, false);
    guest = (struct guest){ .scene = scene->guest.scene, .bytes = scene->guest.bytes };
    blk = virtio_blk_new(guest.scene.space, disk, NULL, QUEUE + 1);
    guest_plug(&guest, virtio_blk_device(blk));
    virtio_set_accepted(guest.device, VIRTIO_F_VERSION_1);
    virtio_set_status(guest.device, known | VIRTIO_STATUS_FEATURES_OK);
}

static void drive(void) REQUIRES(bql)
{
    virtio_set_status(guest.device, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
                                        VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
}

static void end_with_disk(void) REQUIRES(bql)
{
    guest_unplug(&guest);
    while (guest.device->is_resetting)
        (void)loop_iterate(true); /* looked at above */
    virtio_blk_free(blk);
    image_end(path);
    end();
}

/* Into the first sector of the window. The request itself lies in RAM, wherever the rings do. */
static void send_read(void) REQUIRES(bql)
{
    const struct {
        uint32_t type, reserved;
        uint64_t sector;
    } header = { .sector = SECTOR_NR };
    const struct guest_buffer buffers[] = { { HEADER_AT, sizeof(header), false },
                                            { SCENE_WINDOW, SECTOR, true },
                                            { STATUS_AT, 1, true } };

    memcpy(scene->guest.bytes + HEADER_AT, &header, sizeof(header));
    scene->guest.bytes[STATUS_AT] = 0xee;
    (void)guest_send(&guest, QUEUE, buffers, 3);
    scene_run(scene);
}

static void check_read(const uint8_t *into) REQUIRES(bql)
{
    uint32_t written;

    (void)guest_take(&guest, QUEUE, &written);
    g_assert_cmpuint(written, ==, SECTOR + 1);
    g_assert_cmpuint(scene->guest.bytes[STATUS_AT], ==, 0);
    for (unsigned i = 0; i < SECTOR; i++)
        g_assert_cmpuint(into[i], ==, SECTOR_NR);
}

static void unmap_waits_for_a_read_in_flight(void)
{
    bql_assert_held();
    unsigned unmap;

    begin_with_disk();
    guest_setup_queue(&guest, QUEUE);
    drive();
    make_mapped(5, PAGE, 0);
    make_mapped(6, PAGE, PAGE);
    disk_inject(disk, FOR_EVER_S * NS_PER_S, 0);
    send_read();
    unmap = post(scene, unmap_blob(5));
    scene_run(scene);
    wait_for_grace_period();
    must(scene, unmap_blob(6)); /* the disk has nothing to do with that */
    must_be(map_blob(6, 2 * PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    g_assert_true(is_hole(0));
    g_assert_false(is_answered(scene, unmap));
    g_assert_true(fake_is_mapped(5));
    disk_inject(disk, 0, 0);
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    check_read(fake_memory(5));
    end_with_disk();
}

static void reset_leaves_the_blob_to_the_read(void)
{
    bql_assert_held();
    const uint8_t *memory;
    uint32_t written;

    begin_with_disk();
    guest_setup_queue(&guest, QUEUE);
    drive();
    make_mapped(5, PAGE, 0);
    memory = fake_memory(5);
    disk_inject(disk, FOR_EVER_S * NS_PER_S, 0);
    send_read();
    scene_reset(scene); /* of the GPU only */
    g_assert_true(fake_memory(5) == memory);
    g_assert_cmpuint(g_hash_table_size(scene->gpu->orphans), ==, 1);
    disk_inject(disk, 0, 0);
    (void)guest_take(&guest, QUEUE, &written);
    while (fake_memory(5))
        (void)loop_iterate(false); /* then it goes: looked at above */
    g_assert_cmpuint(scene->guest.bytes[STATUS_AT], ==, 0);
    end_with_disk();
}

static void read_into_a_hole_breaks_the_disk_only(void)
{
    bql_assert_held();
    begin_with_disk();
    guest_setup_queue(&guest, QUEUE);
    drive();
    make_mapped(5, PAGE, 0);
    must(scene, unmap_blob(5));
    send_read();
    g_assert_true(guest_device_is_broken(&guest));
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
    end_with_disk();
}

/* All three rings in blob 6. They are used till its unmap, which waits for nothing of them. */
static void queue_in_a_blob_works_while_that_is_mapped(void)
{
    bql_assert_held();
    struct virtq_setup *setup;

    begin_with_disk();
    make_mapped(5, PAGE, 0);
    make_mapped(6, GUEST_RINGS, 4 * PAGE);
    setup = virtq_setup(virtio_queue(guest.device, QUEUE));
    *setup = (struct virtq_setup){ .size = (uint16_t)guest_queue_size(&guest),
                                   .desc = SCENE_WINDOW + 4 * PAGE,
                                   .avail = SCENE_WINDOW + 4 * PAGE + GUEST_AVAIL,
                                   .used = SCENE_WINDOW + 4 * PAGE + GUEST_USED };
    virtq_enable(virtio_queue(guest.device, QUEUE));
    drive();
    guest.bytes = (uint8_t *)fake_memory(6) - QUEUE * GUEST_RINGS; /* the driver's rings */
    send_read();
    check_read(fake_memory(5));
    disk_inject(disk, FOR_EVER_S * NS_PER_S, 0);
    send_read();
    must(scene, unmap_blob(6)); /* with a request in flight whose answer goes there */
    disk_inject(disk, 0, 0);
    while (!guest_device_is_broken(&guest))
        (void)loop_iterate(true); /* looked at above */
    must(scene, unmap_blob(5));
    end_with_disk();
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
#define TEST(name) { "/gpu_disk/" #name, name }
        TEST(unmap_waits_for_a_read_in_flight),
        TEST(reset_leaves_the_blob_to_the_read),
        TEST(read_into_a_hole_breaks_the_disk_only),
        TEST(queue_in_a_blob_works_while_that_is_mapped),
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/dev/virtio_rng.h"
#include "tests/unit/virtio_guest.h"

/* How many of @size bytes at @gpa are not zero. */
static unsigned count_set(const struct guest *guest, uint64_t gpa, size_t size)
{
    unsigned nr = 0;

    for (size_t i = 0; i < size; i++)
        nr += guest->bytes[gpa + i] != 0;
    return nr;
}

static void let_loop_run(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

static struct virtio_rng *start(struct guest *guest) REQUIRES(bql)
{
    struct virtio_rng *rng;

    guest_init(guest);
    rng = virtio_rng_new(guest->scene.space);
    guest_plug(guest, virtio_rng_device(rng));
    guest_start(guest, 0);
    return rng;
}

static void end(struct guest *guest, struct virtio_rng *rng) REQUIRES(bql)
{
    guest_unplug(guest);
    virtio_rng_free(rng);
    guest_fini(guest);
}

static void all_pieces_are_filled_and_nothing_else(void)
{
    bql_assert_held();
    const struct guest_buffer buffers[] = {
        { GUEST_DATA, 1, true },
        { GUEST_DATA + 0x100, 0x700, true },
        { GUEST_DATA + 0x1000, 0x800, true },
    };
    struct guest guest;
    struct virtio_rng *rng = start(&guest);
    uint32_t written;

    (void)guest_send(&guest, 0, buffers, ARRAY_SIZE(buffers));
    (void)guest_take(&guest, 0, &written);
    g_assert_cmpuint(written, ==, 0xf01);
    g_assert_cmpuint(guest.nr_interrupts, ==, 1);
    /* 1 in 256 is zero; half of them would be a miracle. */
    g_assert_cmpuint(count_set(&guest, GUEST_DATA + 0x100, 0x700), >, 0x380);
    g_assert_cmpuint(count_set(&guest, GUEST_DATA + 0x1000, 0x800), >, 0x400);
    g_assert_cmpuint(count_set(&guest, GUEST_DATA + 1, 0xff), ==, 0);
    g_assert_cmpuint(count_set(&guest, GUEST_DATA + 0x800, 0x800), ==, 0);
    g_assert_cmpuint(count_set(&guest, GUEST_DATA + 0x1800, 0x1000), ==, 0);
    end(&guest, rng);
}

static void a_request_gets_no_more_than_the_limit(void)
{
    bql_assert_held();
    const struct guest_buffer buffers[] = {
        { GUEST_DATA, VIRTIO_RNG_BYTES_MAX - 1, true },
        { GUEST_DATA + VIRTIO_RNG_BYTES_MAX, VIRTIO_RNG_BYTES_MAX, true },
    };
    struct guest guest;
    struct virtio_rng *rng = start(&guest);
    uint32_t written;

    (void)guest_send(&guest, 0, buffers, ARRAY_SIZE(buffers));
    (void)guest_take(&guest, 0, &written);
    g_assert_cmpuint(written, ==, VIRTIO_RNG_BYTES_MAX);
    g_assert_cmpuint(count_set(&guest, GUEST_DATA + VIRTIO_RNG_BYTES_MAX + 1, VIRTIO_RNG_BYTES_MAX),
                     ==, 0);
    end(&guest, rng);
}

static void two_answers_differ(void)
{
    bql_assert_held();
    const struct guest_buffer first = { GUEST_DATA, 32, true },
                              second = { GUEST_DATA + 32, 32, true };
    struct guest guest;
    struct virtio_rng *rng = start(&guest);
    uint32_t written;

    (void)guest_send(&guest, 0, &first, 1);
    (void)guest_send(&guest, 0, &second, 1);
    (void)guest_take(&guest, 0, &written);
    (void)guest_take(&guest, 0, &written);
    g_assert_cmpint(memcmp(guest.bytes + GUEST_DATA, guest.bytes + GUEST_DATA + 32, 32), !=, 0);
    end(&guest, rng);
}

static void what_is_not_for_writing_breaks_the_device(void)
{
    bql_assert_held();
    static const struct guest_buffer wrong[][2] = {
        { { GUEST_DATA, 16, false }, { GUEST_DATA, 16, true } },
        { { GUEST_DATA, 16, false }, { GUEST_DATA, 16, false } },
        { { GUEST_DATA, 0, true }, { GUEST_DATA, 0, true } },
    };
    struct guest guest;
    struct virtio_rng *rng = start(&guest);

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        (void)guest_send(&guest, 0, wrong[i], 2);
        let_loop_run();
        g_assert_true(guest_device_is_broken(&guest));
        g_assert_cmpuint(guest_answers(&guest, 0), ==, 0);
        virtio_set_status(guest.device, 0);
        g_assert_cmpuint(virtio_get_status(guest.device), ==, 0);
        guest_start(&guest, 0);
    }
    end(&guest, rng);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/virtio_rng/" #test, test)
    ADD(all_pieces_are_filled_and_nothing_else);
    ADD(a_request_gets_no_more_than_the_limit);
    ADD(two_answers_differ);
    ADD(what_is_not_for_writing_breaks_the_device);
#undef ADD
    return run_with_bql();
}

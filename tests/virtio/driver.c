/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/virtio/driver.h"

static uint64_t count_mmio_read(void *opaque, uint64_t offset G_GNUC_UNUSED,
                                unsigned size G_GNUC_UNUSED)
{
    ((struct guest *)opaque)->mmio_accesses++;
    return 0;
}

static void count_mmio_write(void *opaque, uint64_t offset G_GNUC_UNUSED,
                             uint64_t value G_GNUC_UNUSED, unsigned size G_GNUC_UNUSED)
{
    ((struct guest *)opaque)->mmio_accesses++;
}

struct guest *guest_new(void)
{
    static const struct mmio_ops ops = { .read = count_mmio_read, .write = count_mmio_write };
    static const struct {
        uint64_t at, size;
    } places[3] = { { 0, LOW_SIZE }, { LOW_SIZE, HIGH_SIZE }, { ROM_AT, PLACE_SIZE } };
    struct guest *guest = g_new0(struct guest, 1);
    struct scene *scene = &guest->scene;

    *scene = scene_new(UINT64_C(1) << 40);
    for (unsigned i = 0; i < 3; i++) {
        guest->ram[i] = ram_of(scene, places[i].size);
        guest->region[i] =
            i < 2 ? region_new_ram(scene->mem, "ram", guest->ram[i], 0, places[i].size)
                  : region_new_rom(scene->mem, "rom", guest->ram[i], 0, places[i].size);
        put_in(scene->root, places[i].at, guest->region[i], 0);
    }
    guest->region[3] = region_new_mmio(scene->mem, "mmio", PLACE_SIZE, &ops, guest);
    put_in(scene->root, MMIO_AT, guest->region[3], 0);
    guest->low = ram_pointer(guest->ram[0], 0, LOW_SIZE);
    guest->high = ram_pointer(guest->ram[1], 0, HIGH_SIZE);
    return guest;
}

void guest_free(struct guest *guest)
{
    struct mem_stats stats;

    mem_get_stats(guest->scene.mem, &stats);
    g_assert_cmpuint(stats.dma_holders, ==, 0);
    g_assert_cmpuint(guest->mmio_accesses, ==, 0);
    for (unsigned i = 0; i < 4; i++) {
        if (region_is_added(guest->region[i]))
            take_out(guest->region[i]);
        region_unref(guest->region[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        ram_unref(guest->ram[i]);
    scene_free(&guest->scene);
    g_free(guest);
}

void run_loop(void)
{
    while (loop_iterate(false)) {
    }
}

void put_desc(const struct driver *driver, uint64_t table, unsigned index, uint64_t address,
              uint32_t length, unsigned flags, unsigned next)
{
    struct desc desc = { address, length, (uint16_t)flags, (uint16_t)next };

    memcpy(at(driver, table + index * sizeof(desc)), &desc, sizeof(desc));
}

void offer_quietly(struct driver *driver, unsigned head)
{
    store_relaxed(avail_word(driver, 2 + driver->offered % driver->size), (uint16_t)head);
    driver->offered++;
    store_release(avail_index(driver), driver->offered); /* pairs with the device's acquire */
}

void offer(struct driver *driver, unsigned head)
{
    offer_quietly(driver, head);
    virtio_doorbell(virtq_device(driver->queue), virtq_index(driver->queue));
    run_loop();
}

bool take_used(struct driver *driver, struct used_element *ret)
{
    /* acquire: pairs with the release of virtq_push(). */
    if (load_acquire(used_index(driver)) == driver->taken)
        return false;
    memcpy(ret, used_word(driver, 2 + 4 * (driver->taken % driver->size)), sizeof(*ret));
    driver->taken++;
    return true;
}

void check_used(struct driver *driver, uint32_t id, uint32_t length)
{
    struct used_element element;

    g_assert_true(take_used(driver, &element));
    g_assert_cmpuint(element.id, ==, id);
    g_assert_cmpuint(element.length, ==, length);
}

void check_nothing_used(struct driver *driver)
{
    g_assert_cmpuint(load_acquire(used_index(driver)), ==, driver->taken);
}

void negotiate(struct virtio_device *device, uint64_t features)
{
    virtio_set_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    virtio_set_status(device, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    virtio_set_accepted(device, features | VIRTIO_F_VERSION_1);
    virtio_set_status(device,
                      VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
}

void drive(struct virtio_device *device)
{
    virtio_set_status(device, virtio_get_status(device) | VIRTIO_STATUS_DRIVER_OK);
    run_loop();
}

struct driver set_up(struct guest *guest, struct virtio_device *device, unsigned number,
                     uint64_t where, unsigned size)
{
    struct driver driver = { .guest = guest, .queue = virtio_queue(device, number), .size = size };
    struct virtq_setup *setup = virtq_setup(driver.queue);

    driver.desc = where;
    driver.avail = where + size * sizeof(struct desc);
    driver.used = (driver.avail + 6 + 2 * size + 3) & ~UINT64_C(3);
    memset(at(&driver, where), 0, driver.used + 6 + 8 * size - where);
    setup->size = (uint16_t)size;
    setup->desc = driver.desc;
    setup->avail = driver.avail;
    setup->used = driver.used;
    virtq_enable(driver.queue);
    return driver;
}

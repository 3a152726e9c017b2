/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "tests/virtio/bus.h"

enum { QUEUE_AT = 0x1000, DATA_AT = 0x20000, SIZE = 16, WINDOW = 5, SHARED = 8 };

static struct bus *bus;
static struct driver driver;

static void begin(void) REQUIRES(bql)
{
    bus = bus_new(SIZE, false, guest_new(), NULL);
}

static void begin_driven(uint64_t features, bool has_msix) REQUIRES(bql)
{
    begin();
    driver = bus_drive(bus, features, has_msix, QUEUE_AT, SIZE);
    put(&driver, 0, DATA_AT, 1, 0, 0);
}

static void end(void) REQUIRES(bql)
{
    bus_free(bus);
}

static uint64_t errors(void)
{
    return guest_errors(&bus->echo->device);
}

/* ---- What the guest finds
 * ------------------------------------------------------------------------- */

static void identity_is_that_of_a_modern_device(void)
{
    bql_assert_held();
    begin();
    g_assert_cmphex(get_config(bus, PCI_VENDOR, 2), ==, 0x1af4);
    g_assert_cmphex(get_config(bus, PCI_DEVICE, 2), ==, 0x1040 + VIRTIO_ID_ENTROPY);
    g_assert_cmphex(get_config(bus, PCI_REVISION, 1), ==, 1);
    g_assert_cmphex(get_config(bus, PCI_SUBSYSTEM_VENDOR, 2), ==, 0x1af4);
    g_assert_cmphex(get_config(bus, PCI_SUBSYSTEM, 2), >=, 0x40);
    g_assert_cmphex(get_config(bus, PCI_CLASS, 4) & 0xffffff, ==, 0x00ff00);
    g_assert_cmphex(get_config(bus, PCI_INTERRUPT_PIN, 1), ==, 1);
    end();
}

static void capabilities_say_where_everything_is(void)
{
    bql_assert_held();
    static const struct {
        uint8_t kind, size, bar;
        uint32_t offset, length;
    } expected[] = {
        { 1, 16, 0, COMMON_AT, 0x3c }, { 2, 20, 0, NOTIFY_AT, 4 * ECHO_QUEUES },
        { 3, 16, 0, ISR_AT, 1 },       { 4, 16, 0, CONFIG_AT, 12 },
        { WINDOW, 20, 0, 0, 0 },
    };
    unsigned msix;

    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
        unsigned at = find_capability(bus, PCI_CAPABILITY_VENDOR, expected[i].kind);

        g_assert_cmpuint(at, !=, 0);
        g_assert_cmpuint(get_config(bus, at + 2, 1), ==, expected[i].size);
        g_assert_cmpuint(get_config(bus, at + 4, 1), ==, expected[i].bar);
        g_assert_cmphex(get_config(bus, at + 8, 4), ==, expected[i].offset);
        g_assert_cmphex(get_config(bus, at + 12, 4), ==, expected[i].length);
        if (expected[i].kind == 2)
            g_assert_cmpuint(get_config(bus, at + 16, 4), ==, 4); /* the multiplier */
    }
    g_assert_cmpuint(find_capability(bus, PCI_CAPABILITY_VENDOR, SHARED), ==, 0);
    msix = find_capability(bus, PCI_CAPABILITY_MSIX, 0);
    g_assert_cmpuint(get_config(bus, msix + MSIX_CONTROL, 2), ==, ECHO_QUEUES); /* one less */
    end();
}

static void shared_memory_is_a_bar(void)
{
    bql_assert_held();
    const uint64_t size = UINT64_C(1) << 33;
    struct guest *guest = guest_new();
    struct region *window = region_new_container(guest->scene.mem, "window", size);
    struct region *blob = ram_region(&guest->scene, "blob", RAM_PAGE);
    unsigned at;

    put_in(window, size - RAM_PAGE, blob, 0);
    bus = bus_new(SIZE, false, guest, window);
    at = find_capability(bus, PCI_CAPABILITY_VENDOR, SHARED);
    g_assert_cmpuint(get_config(bus, at + 2, 1), ==, 24);
    g_assert_cmpuint(get_config(bus, at + 4, 1), ==, 2);
    g_assert_cmpuint(get_config(bus, at + 5, 1), ==, 1); /* its number */
    g_assert_cmphex(get_config(bus, at + 8, 4), ==, 0);
    g_assert_cmphex(get_config(bus, at + 12, 4), ==, 0);
    g_assert_cmphex(get_config(bus, at + 16, 4), ==, 0);
    g_assert_cmphex(get_config(bus, at + 20, 4), ==, 2); /* times 2^32 */
    g_assert_cmphex(get_config(bus, PCI_BAR0 + 8, 1) & 15, ==,
                    PCI_BAR_IS_64 | PCI_BAR_IS_PREFETCHABLE);
    g_assert_cmpuint(bar_address(bus, 2), >=, UINT64_C(1) << 36);
    bus_write(bus, bar_address(bus, 2) + size - 8, 0x1122334455667788, 8);
    g_assert_cmphex(bus_read(bus, bar_address(bus, 2) + size - 8, 8), ==, 0x1122334455667788);
    take_out_and_forget(blob);
    region_unref(window);
    end();
}

/* ---- Interrupts
 * -------------------------------------------------------------------------------------- */

static void queue_has_its_vector(void)
{
    bql_assert_held();
    begin_driven(0, true);
    bus_offer(bus, &driver, 0);
    check_used(&driver, 0, 0);
    g_assert_cmpuint(bus->messages[1], ==, 1);
    virtio_config_changed(&bus->echo->device);
    g_assert_cmpuint(bus->messages[0], ==, 1);
    g_assert_cmpuint(bus->line_rises, ==, 0);
    set(bus, SELECT, 0, 2);
    set(bus, VECTOR, NO_VECTOR, 2);
    bus_offer(bus, &driver, 0);
    check_used(&driver, 0, 0);
    g_assert_cmpuint(bus->messages[1], ==, 1);
    end();
}

static void vector_that_is_not_there_is_refused(void)
{
    bql_assert_held();
    static const uint16_t vectors[] = { ECHO_QUEUES + 1, 0x7fff, NO_VECTOR };

    begin();
    g_assert_cmphex(get(bus, VECTOR, 2), ==, NO_VECTOR);
    g_assert_cmphex(get(bus, CONFIG_VECTOR, 2), ==, NO_VECTOR);
    for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
        set(bus, VECTOR, ECHO_QUEUES, 2);
        g_assert_cmphex(get(bus, VECTOR, 2), ==, ECHO_QUEUES);
        set(bus, VECTOR, vectors[i], 2);
        g_assert_cmphex(get(bus, VECTOR, 2), ==, NO_VECTOR);
        set(bus, CONFIG_VECTOR, ECHO_QUEUES, 2);
        g_assert_cmphex(get(bus, CONFIG_VECTOR, 2), ==, ECHO_QUEUES);
        set(bus, CONFIG_VECTOR, vectors[i], 2);
        g_assert_cmphex(get(bus, CONFIG_VECTOR, 2), ==, NO_VECTOR);
    }
    end();
}

static void line_is_high_until_the_cause_is_read(void)
{
    bql_assert_held();
    begin_driven(0, false);
    bus_offer(bus, &driver, 0);
    g_assert_true(bus->line_is_high);
    virtio_config_changed(&bus->echo->device);
    run_loop();
    g_assert_cmphex(get(bus, ISR_AT, 1), ==, 3);
    g_assert_false(bus->line_is_high);
    g_assert_cmphex(get(bus, ISR_AT, 1), ==, 0);
    g_assert_cmpuint(bus->line_rises, ==, 1);
    bus_offer(bus, &driver, 0);
    g_assert_true(bus->line_is_high);
    set(bus, STATUS, 0, 1); /* a reset device wants nothing */
    g_assert_false(bus->line_is_high);
    g_assert_cmphex(get(bus, ISR_AT, 1), ==, 0);
    end();
}

/* Read before the main loop has raised the line: then it stays low. */
static void cause_read_early_raises_nothing(void)
{
    bql_assert_held();
    begin_driven(0, false);
    bus->echo->holds = true;
    bus_offer(bus, &driver, 0);
    virtq_push(echo_take(bus->echo), 0);
    virtq_notify(driver.queue);
    g_assert_cmphex(get(bus, ISR_AT, 1), ==, 1);
    run_loop();
    g_assert_cmpuint(bus->line_rises, ==, 0);
    end();
}

/* ---- Bus mastering and reset
 * ------------------------------------------------------------------------ */

static void who_is_no_master_is_still(void)
{
    bql_assert_held();
    begin_driven(0, true);
    enable_bus_master(bus, false);
    bus_offer(bus, &driver, 0);
    check_nothing_used(&driver);
    enable_bus_master(bus, true);
    run_loop();
    check_used(&driver, 0, 0);
    end();
}

static void bus_reset_resets_the_device(void)
{
    bql_assert_held();
    g_autoptr(GError) error = NULL;

    begin_driven(0, true);
    bus->echo->resets_slowly = true;
    g_assert_true(pci_bus_reset(bus->pci, &error));
    g_assert_cmphex(get(bus, STATUS, 1), ==, 15);
    virtio_reset_done(&bus->echo->device);
    g_assert_cmphex(get(bus, STATUS, 1), ==, 0);
    g_assert_cmphex(get(bus, CONFIG_VECTOR, 2), ==, NO_VECTOR);
    g_assert_cmphex(get(bus, VECTOR, 2), ==, NO_VECTOR);
    g_assert_cmphex(get(bus, ENABLE, 2), ==, 0);
    g_assert_false(load_relaxed(&bus->echo->device.may_access_memory));
    bus->echo->resets_slowly = false;
    driver = bus_drive(bus, 0, true, QUEUE_AT, SIZE);
    put(&driver, 0, DATA_AT, 1, 0, 0);
    bus_offer(bus, &driver, 0);
    check_used(&driver, 0, 0);
    end();
}

static void device_may_go_while_it_is_reset(void)
{
    bql_assert_held();
    begin_driven(0, true);
    bus->echo->resets_slowly = bus->echo->holds = true;
    bus_offer(bus, &driver, 0);
    virtio_pci_free(g_steal_pointer(&bus->proxy));
    g_assert_true(bus->echo->device.is_resetting);
    virtq_push(echo_take(bus->echo), 0);
    virtq_notify(driver.queue);
    check_nothing_used(&driver);
    end();
}

/* ---- Registers
 * ------------------------------------------------------------------------------------------ */

static void registers_read_back(void)
{
    bql_assert_held();
    begin();
    g_assert_cmpuint(get(bus, NR_QUEUES, 2), ==, ECHO_QUEUES);
    g_assert_cmpuint(get(bus, SIZE_OF_QUEUE, 2), ==, SIZE);
    set(bus, FEATURE_SELECT, 1, 4);
    g_assert_cmphex(get(bus, OFFERED, 4), ==, (VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET) >> 32);
    set(bus, FEATURE_SELECT, 2, 4);
    g_assert_cmphex(get(bus, OFFERED, 4), ==, 0);
    set(bus, ACCEPT_SELECT, 1, 4);
    set(bus, ACCEPT, 0x12345678, 4);
    g_assert_cmphex(get(bus, ACCEPT, 4), ==, 0x12345678);
    set(bus, ACCEPT_SELECT, 2, 4);
    set(bus, ACCEPT, 1, 4);
    g_assert_cmpuint(errors(), ==, 1);
    set(bus, SELECT, 1, 2);
    g_assert_cmpuint(get(bus, NOTIFY_OFF, 2), ==, 1);
    set64(bus, DESC_AT, 0x1122334455667788);
    set64(bus, AVAIL_AT, 0x99aabbccddeeff00);
    bus_write(bus, bar_address(bus, 0) + USED_AT, 0x0123456789abcdef, 8); /* both halves */
    g_assert_cmphex(bus_read(bus, bar_address(bus, 0) + DESC_AT, 8), ==, 0x1122334455667788);
    g_assert_cmphex(bus_read(bus, bar_address(bus, 0) + AVAIL_AT, 8), ==, 0x99aabbccddeeff00);
    g_assert_cmphex(get(bus, USED_AT + 4, 4), ==, 0x01234567);
    g_assert_cmpuint(errors(), ==, 1);
    end();
}

static void odd_reads_give_what_lies_there(void)
{
    bql_assert_held();
    begin();
    set(bus, CONFIG_VECTOR, 1, 2);
    g_assert_cmphex(get(bus, CONFIG_VECTOR, 4), ==, ECHO_QUEUES << 16 | 1);
    g_assert_cmphex(get(bus, NR_QUEUES, 1), ==, ECHO_QUEUES);
    g_assert_cmphex(get(bus, CONFIG_VECTOR + 1, 1), ==, 0);
    set64(bus, DESC_AT, 0x1122334455667788);
    g_assert_cmphex(get(bus, DESC_AT + 2, 2), ==, 0x5566);
    g_assert_cmphex(get(bus, 0x3c, 4), ==, 0);
    g_assert_cmphex(get(bus, CONFIG_AT + 2, 2), ==, 0x1312);
    g_assert_cmphex(get(bus, CONFIG_AT + 12, 4), ==, 0);
    g_assert_cmphex(get(bus, NOTIFY_AT, 4), ==, 0);
    g_assert_cmpuint(errors(), ==, 0);
    end();
}

static void odd_writes_change_nothing(void)
{
    bql_assert_held();
    static const struct {
        unsigned offset, size;
    } writes[] = {
        { CONFIG_VECTOR, 4 },
        { ENABLE, 1 },
        { STATUS, 2 },
        { DESC_AT, 2 },
        { NR_QUEUES, 2 },
        { GENERATION, 1 },
        { OFFERED, 4 },
        { NOTIFY_OFF, 2 },
        { 0x38, 2 },
        { 0x3c, 4 },
        { 0xffc, 4 },
        { ISR_AT, 1 },
        { CONFIG_AT + 12, 1 },
        { NOTIFY_AT + 1, 1 },
        { NOTIFY_AT + 2, 2 },
        { NOTIFY_AT + 8, 4 },
        { NOTIFY_AT + 0xffc, 4 },
    };

    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
        set(bus, writes[i].offset, UINT32_MAX, writes[i].size);
        g_assert_cmpuint(errors(), ==, i + 1);
    }
    g_assert_cmphex(get(bus, STATUS, 1), ==, 0);
    g_assert_cmphex(get(bus, CONFIG_VECTOR, 2), ==, NO_VECTOR);
    end();
}

/* Every offset in every size, with everything that a register could be afraid of. */
static void no_access_does_harm(void)
{
    bql_assert_held();
    static const uint32_t values[] = { 0, 1, 2, 15, 0x8000, UINT32_MAX };

    begin_driven(VIRTIO_F_RING_RESET, true);
    for (unsigned offset = 0; offset < 0x4000; offset += offset < 0x100 ? 1 : 61) {
        for (unsigned i = 0; i < 4 * ARRAY_SIZE(values); i++) {
            unsigned size = 1U << i % 4;

            bus_write(bus, bar_address(bus, 0) + offset, values[i / 4], size);
            (void)bus_read(bus, bar_address(bus, 0) + offset, size);
        }
        run_loop();
    }
    set(bus, STATUS, 0, 1);
    g_assert_cmphex(get(bus, STATUS, 1), ==, 0);
    driver = bus_drive(bus, 0, true, QUEUE_AT, SIZE);
    put(&driver, 0, DATA_AT, 1, 0, 0);
    bus_offer(bus, &driver, 0);
    check_used(&driver, 0, 0);
    end();
}

static void queue_that_is_not_there_reads_zero(void)
{
    bql_assert_held();
    static const uint16_t numbers[] = { ECHO_QUEUES, VIRTIO_QUEUES_MAX, 0xffff };

    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        set(bus, SELECT, numbers[i], 2);
        for (unsigned offset = SIZE_OF_QUEUE; offset < 0x3c; offset += 2)
            g_assert_cmphex(get(bus, offset, 2), ==, 0);
        set(bus, ENABLE, 1, 2);
        set(bus, VECTOR, 0, 2);
        set(bus, DESC_AT, 0x1000, 4);
        g_assert_cmpuint(errors(), ==, 3 * (i + 1));
    }
    end();
}

static void enabled_queue_is_not_changed(void)
{
    bql_assert_held();
    begin_driven(VIRTIO_F_RING_RESET, true);
    set(bus, SIZE_OF_QUEUE, 4, 2);
    set64(bus, DESC_AT, 0);
    set64(bus, AVAIL_AT, 0);
    set64(bus, USED_AT, 0);
    set(bus, ENABLE, 0, 2);
    set(bus, RESET, 2, 2);
    g_assert_cmpuint(errors(), ==, 9);
    bus_offer(bus, &driver, 0);
    check_used(&driver, 0, 0);
    g_assert_cmpuint(get(bus, SIZE_OF_QUEUE, 2), ==, SIZE);
    g_assert_cmphex(get(bus, DESC_AT, 4), ==, QUEUE_AT);
    end();
}

static void queue_is_reset_by_register(void)
{
    bql_assert_held();
    begin_driven(VIRTIO_F_RING_RESET, true);
    bus->echo->holds = true;
    bus_offer(bus, &driver, 0);
    set(bus, RESET, 1, 2);
    g_assert_cmpuint(get(bus, RESET, 2), ==, 1);
    g_assert_cmpuint(get(bus, ENABLE, 2), ==, 0);
    g_assert_cmphex(get(bus, VECTOR, 2), ==, NO_VECTOR);
    virtq_push(echo_take(bus->echo), 0);
    g_assert_cmpuint(get(bus, RESET, 2), ==, 0);
    bus->echo->holds = false;
    driver = bus_set_up(bus, 0, QUEUE_AT, SIZE);
    put(&driver, 0, DATA_AT, 1, 0, 0);
    bus_offer(bus, &driver, 0);
    check_used(&driver, 0, 0);
    g_assert_cmpuint(errors(), ==, 0);
    end();
}

/* ---- The window in configuration space
 * -------------------------------------------------------------------- */

static void point_window(unsigned window, uint32_t bar, uint32_t offset, uint32_t length)
    REQUIRES(bql)
{
    set_config(bus, window + 4, bar, 1);
    set_config(bus, window + 8, offset, 4);
    set_config(bus, window + 12, length, 4);
}

static void window_reaches_the_registers(void)
{
    bql_assert_held();
    unsigned window;

    begin();
    window = find_capability(bus, PCI_CAPABILITY_VENDOR, WINDOW);
    point_window(window, 0, NR_QUEUES, 2);
    g_assert_cmphex(get_config(bus, window + 16, 4), ==, ECHO_QUEUES);
    g_assert_cmphex(get_config(bus, window + 16, 1), ==, ECHO_QUEUES);
    g_assert_cmphex(get_config(bus, window + 18, 2), ==, 0);
    point_window(window, 0, STATUS, 1);
    set_config(bus, window + 16, 0xffffff03, 4); /* its first byte counts */
    g_assert_cmphex(get(bus, STATUS, 1), ==, 3);
    g_assert_cmphex(get_config(bus, window + 16, 4), ==, 3);
    point_window(window, 0, CONFIG_AT + 4, 4);
    g_assert_cmphex(get_config(bus, window + 16, 4), ==, 0x17161514);
    g_assert_cmphex(get_config(bus, window + 17, 1), ==, 0x15);
    g_assert_cmpuint(errors(), ==, 0);
    end();
}

static void window_elsewhere_is_refused(void)
{
    bql_assert_held();
    static const struct {
        uint32_t bar, offset, length;
    } wrong[] = {
        { 1, 0, 4 },      { 255, 0, 4 },        { 0, 0, 0 },
        { 0, 0, 3 },      { 0, 0, 8 },          { 0, 2, 4 },
        { 0, 0x4000, 1 }, { 0, UINT32_MAX, 1 }, { 0, UINT32_MAX - 3, 4 },
    };
    unsigned window;

    begin();
    window = find_capability(bus, PCI_CAPABILITY_VENDOR, WINDOW);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        point_window(window, wrong[i].bar, wrong[i].offset, wrong[i].length);
        set_config(bus, window + 16, 1, 4);
        (void)get_config(bus, window + 16, 4);
        g_assert_cmpuint(errors(), ==, 2 * (i + 1));
    }
    g_assert_cmphex(get(bus, STATUS, 1), ==, 0);
    end();
}

/* ---- Doorbells
 * ------------------------------------------------------------------------------------------------
 */

static void check_doorbells(uint64_t address)
{
    g_assert_cmpuint(bus->nr_doorbells, ==, ECHO_QUEUES);
    for (unsigned i = 0; i < ECHO_QUEUES; i++)
        g_assert_cmphex(bus->doorbells[i].address, ==, address + NOTIFY_AT + 4 * i);
}

static void doorbells_follow_the_bar(void)
{
    bql_assert_held();
    const uint64_t one = 1;

    bus = bus_new(SIZE, true, guest_new(), NULL);
    driver = bus_drive(bus, 0, true, QUEUE_AT, SIZE);
    put(&driver, 0, DATA_AT, 1, 0, 0);
    check_doorbells(bar_address(bus, 0));
    set_config(bus, PCI_BAR0, 0xc8000000, 4);
    check_doorbells(0xc8000000);
    offer_quietly(&driver, 0);
    g_assert_cmpint(write(bus->doorbells[0].fd, &one, sizeof(one)), ==, sizeof(one));
    run_loop();
    check_used(&driver, 0, 0);
    bus_offer(bus, &driver, 0); /* the register still works */
    check_used(&driver, 0, 0);
    set_config(bus, PCI_COMMAND, 0, 2);
    g_assert_cmpuint(bus->nr_doorbells, ==, 0);
    enable_bus_master(bus, true);
    check_doorbells(0xc8000000);
    bus->refuses_doorbells = true;
    set_config(bus, PCI_BAR0, 0xc9000000, 4);
    g_assert_cmpuint(bus->nr_doorbells, ==, 0);
    bus_offer(bus, &driver, 0);
    check_used(&driver, 0, 0);
    end();
}

#define TEST(name) g_test_add_func("/virtio_pci/" #name, name)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST(identity_is_that_of_a_modern_device);
    TEST(capabilities_say_where_everything_is);
    TEST(shared_memory_is_a_bar);
    TEST(queue_has_its_vector);
    TEST(vector_that_is_not_there_is_refused);
    TEST(line_is_high_until_the_cause_is_read);
    TEST(cause_read_early_raises_nothing);
    TEST(who_is_no_master_is_still);
    TEST(bus_reset_resets_the_device);
    TEST(device_may_go_while_it_is_reset);
    TEST(registers_read_back);
    TEST(odd_reads_give_what_lies_there);
    TEST(odd_writes_change_nothing);
    TEST(no_access_does_harm);
    TEST(queue_that_is_not_there_reads_zero);
    TEST(enabled_queue_is_not_changed);
    TEST(queue_is_reset_by_register);
    TEST(window_reaches_the_registers);
    TEST(window_elsewhere_is_refused);
    TEST(doorbells_follow_the_bar);
    return run_with_bql();
}

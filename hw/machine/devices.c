/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be plugged into a machine: one table of devices, each with its keys.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "hw/dev/disk.h"
#include "hw/dev/virtio_blk.h"
#include "hw/dev/virtio_input.h"
#include "hw/dev/virtio_net.h"
#include "hw/dev/virtio_rng.h"
#include "hw/display/display.h"
#include "hw/gpu/gpu.h"
#include "hw/machine/parts.h"
#include "hw/virtio/virtio_pci.h"
#include "util/keyval.h"

/* What the keys of all devices set. */
struct device_config {
    char *id;
    char *slot; /* "addr"; NULL: the first free one */
    char *drive;
    char *netdev, *mac;
    char *serial;
    bool has_blob, has_venus, has_edid;
    uint64_t hostmem, xres, yres, max_outputs;
};

struct device_type {
    const char *name;
    const char *help;
    const struct keyval_key *keys;
    const struct device_config *defaults; /* NULL: nothing set */
    /** Make the model, and say how it is freed; its virtio device is the result. */
    struct virtio_device *(*make)(struct machine *machine, const struct device_config *config,
                                  struct machine_device *device, GError **error);
};

/* ---- Drives -------------------------------------------------------------------------------- */

static struct machine_disk *find_disk(struct machine *machine, const char *id)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = machine->disks->pdata[i];

        if (g_str_equal(disk->id, id))
            return disk;
    }
    return NULL;
}

bool machine_add_drive(struct machine *machine, const struct machine_drive *drive, GError **error)
{
    struct machine_disk *entry;
    struct disk *disk;

    if (find_disk(machine, drive->id))
        return keyval_usage(error, "-drive: the id '%s' is given twice", drive->id);
    if (machine->disks->len == MACHINE_DRIVES_MAX)
        return keyval_usage(error, "-drive: there are %d already, the most there can be",
                            MACHINE_DRIVES_MAX);
    disk = disk_open(drive->path, drive->is_readonly, error);
    if (!disk) {
        g_prefix_error(error, "-drive: ");
        return false;
    }
    entry = g_new0(struct machine_disk, 1);
    entry->id = g_strdup(drive->id);
    entry->disk = disk;
    g_ptr_array_add(machine->disks, entry);
    return true;
}

bool machine_check_drives(struct machine *machine, GError **error)
{
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];

        if (!disk->is_taken)
            return keyval_usage(error,
                                "-drive: no -device uses '%s': add -device virtio-blk-pci,drive=%s",
                                disk->id, disk->id);
    }
    return true;
}

/* ---- Devices --------------------------------------------------------------------------------- */

static void free_blk(void *model) NO_THREAD_SAFETY /* by devices_fini() */
{
    virtio_blk_free(model);
}

static void add_blk_metrics(const struct machine_device *device, struct metrics *metrics)
{
    virtio_blk_metrics_register(device->model, metrics, device->disk);
}

static struct virtio_device *make_blk(struct machine *machine, const struct device_config *config,
                                      struct machine_device *device, GError **error) REQUIRES(bql)
{
    struct machine_disk *disk;
    struct virtio_blk *blk;

    if (!config->drive) {
        keyval_usage(error, "-device virtio-blk-pci: the key drive is missing: the id of a -drive");
        return NULL;
    }
    if (config->serial && strlen(config->serial) > VIRTIO_BLK_SERIAL_MAX) {
        keyval_usage(error, "-device virtio-blk-pci: serial=%s has more than %d characters",
                     config->serial, VIRTIO_BLK_SERIAL_MAX);
        return NULL;
    }
    disk = find_disk(machine, config->drive);
    if (!disk || disk->is_taken) {
        keyval_usage(error, "-device virtio-blk-pci: drive=%s %s", config->drive,
                     disk ? "is another device's already" : "is no -drive's id");
        return NULL;
    }
    blk = virtio_blk_new(machine->memory, disk->disk, config->serial, machine->config.nr_cpus);
    disk->is_taken = true;
    device->disk = disk->id;
    device->add_metrics = add_blk_metrics;
    device->model = blk;
    device->free_model = free_blk;
    return virtio_blk_device(blk);
}

static void free_net(void *model) NO_THREAD_SAFETY /* by devices_fini() */
{
    virtio_net_free(model);
}

static void add_net_metrics(const struct machine_device *device, struct metrics *metrics)
{
    virtio_net_metrics_register(device->model, metrics, device->virtio->place);
}

static struct virtio_device *make_net(struct machine *machine, const struct device_config *config,
                                      struct machine_device *device, GError **error) REQUIRES(bql)
{
    struct machine_network *network;
    uint8_t mac[NET_MAC_SIZE];

    if (!config->netdev) {
        keyval_usage(error,
                     "-device virtio-net-pci: the key netdev is missing: the id of a -netdev");
        return NULL;
    }
    network_next_mac(machine, mac);
    if (config->mac && !net_parse_mac(config->mac, mac)) {
        keyval_usage(error,
                     "-device virtio-net-pci: mac=%s is no address of a card "
                     "(six bytes as in 52:54:00:12:34:56, the first of them even)",
                     config->mac);
        return NULL;
    }
    network = network_find(machine, config->netdev);
    if (!network || network->is_taken) {
        keyval_usage(error, "-device virtio-net-pci: netdev=%s %s", config->netdev,
                     network ? "is another device's already" : "is no -netdev's id");
        return NULL;
    }
    network->is_taken = true;
    device->model = virtio_net_new(machine->memory, network->backend, mac);
    device->free_model = free_net;
    device->add_metrics = add_net_metrics;
    return virtio_net_device(device->model);
}

static void free_rng(void *model) NO_THREAD_SAFETY /* by devices_fini() */
{
    virtio_rng_free(model);
}

static struct virtio_device *make_rng(struct machine *machine,
                                      const struct device_config *config UNUSED,
                                      struct machine_device *device, GError **error UNUSED)
    REQUIRES(bql)
{
    struct virtio_rng *rng = virtio_rng_new(machine->memory);

    device->model = rng;
    device->free_model = free_rng;
    return virtio_rng_device(rng);
}

static void free_input(void *model) NO_THREAD_SAFETY /* by devices_fini() */
{
    virtio_input_free(model);
}

static void add_input_metrics(const struct machine_device *device, struct metrics *metrics)
{
    virtio_input_metrics_register(device->model, metrics, device->virtio->place);
}

static struct virtio_device *make_input(struct machine *machine, const struct device_config *config,
                                        struct machine_device *device, enum virtio_input_kind kind,
                                        GError **error) REQUIRES(bql)
{
    struct virtio_input *input;

    if (config->serial && strlen(config->serial) > VIRTIO_INPUT_SERIAL_MAX) {
        keyval_usage(error, "-device %s: serial=%s has more than %d characters", device->type,
                     config->serial, VIRTIO_INPUT_SERIAL_MAX);
        return NULL;
    }
    input = virtio_input_new(machine->memory, machine->input, kind, config->serial);
    device->add_metrics = add_input_metrics;
    device->model = input;
    device->free_model = free_input;
    return virtio_input_device(input);
}

static struct virtio_device *make_keyboard(struct machine *machine,
                                           const struct device_config *config,
                                           struct machine_device *device, GError **error)
    REQUIRES(bql)
{
    return make_input(machine, config, device, VIRTIO_INPUT_KEYBOARD, error);
}

static struct virtio_device *make_tablet(struct machine *machine,
                                         const struct device_config *config,
                                         struct machine_device *device, GError **error)
    REQUIRES(bql)
{
    return make_input(machine, config, device, VIRTIO_INPUT_TABLET, error);
}

static void free_gpu(void *model) NO_THREAD_SAFETY /* by devices_fini() */
{
    gpu_free(model);
}

static void add_gpu_metrics(const struct machine_device *device, struct metrics *metrics)
{
    gpu_metrics_register(device->gpu, metrics);
}

static bool check_gpu(const struct device_config *config, GError **error)
{
    if (config->hostmem && !config->has_blob)
        return keyval_usage(error, "-device virtio-gpu-gl-pci: hostmem is for blobs: add blob=on");
    if (config->has_venus && !config->hostmem)
        return keyval_usage(error,
                            "-device virtio-gpu-gl-pci: venus=on needs blob=on and hostmem=");
    return true;
}

static struct virtio_device *make_any_gpu(struct machine *machine,
                                          const struct device_config *config, bool has_gl,
                                          struct machine_device *device, GError **error)
    REQUIRES(bql)
{
    const struct gpu_config gpu_config = {
        .has_gl = has_gl,
        .has_blob = config->has_blob,
        .has_venus = config->has_venus,
        .has_edid = config->has_edid,
        .hostmem = config->hostmem,
        .nr_scanouts = (unsigned)config->max_outputs,
        .width = (unsigned)config->xres,
        .height = (unsigned)config->yres,
    };

    if (!check_gpu(config, error))
        return NULL;
    device->gpu = gpu_new(machine->memory, machine->display, &gpu_config, error);
    if (!device->gpu) {
        g_prefix_error(error, "-device virtio-gpu%s-pci: ", has_gl ? "-gl" : "");
        return NULL;
    }
    if (!machine->gpu)
        machine->gpu = device->gpu;
    device->add_metrics = add_gpu_metrics;
    device->model = device->gpu;
    device->free_model = free_gpu;
    return gpu_device(device->gpu);
}

static struct virtio_device *make_gpu(struct machine *machine, const struct device_config *config,
                                      struct machine_device *device, GError **error) REQUIRES(bql)
{
    return make_any_gpu(machine, config, false, device, error);
}

static struct virtio_device *make_gpu_gl(struct machine *machine,
                                         const struct device_config *config,
                                         struct machine_device *device, GError **error)
    REQUIRES(bql)
{
    return make_any_gpu(machine, config, true, device, error);
}

/* Keys that every PCI device has. */
#define PCI_KEYS                                                                                   \
    KEYVAL_KEY("id", KEYVAL_STRING, struct device_config, id, "what it is called"),                \
        KEYVAL_KEY("addr", KEYVAL_STRING, struct device_config, slot,                              \
                   "its slot on the bus, 1 to 0x1f (the first free one)"),                         \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const struct keyval_key blk_keys[] = {
    KEYVAL_KEY("drive", KEYVAL_STRING, struct device_config, drive, "the -drive that it shows"),
    KEYVAL_KEY("serial", KEYVAL_STRING, struct device_config, serial,
               "its serial number, up to 20 characters"),
    PCI_KEYS,
};
#define GPU_KEYS                                                                                   \
    KEYVAL_KEY("blob", KEYVAL_BOOL, struct device_config, has_blob, "blob resources (off)"),       \
        KEYVAL_KEY("xres", KEYVAL_NUMBER, struct device_config, xres,                              \
                   "preferred width of the first screen (1024)", .min = 1,                         \
                   .max = CONSOLE_SIDE_MAX),                                                       \
        KEYVAL_KEY("yres", KEYVAL_NUMBER, struct device_config, yres,                              \
                   "preferred height of the first screen (768)", .min = 1,                         \
                   .max = CONSOLE_SIDE_MAX),                                                       \
        KEYVAL_KEY("max_outputs", KEYVAL_NUMBER, struct device_config, max_outputs,                \
                   "screens, 1 to 16 (1)", .min = 1, .max = GPU_SCANOUTS_MAX),                     \
        KEYVAL_KEY("edid", KEYVAL_BOOL, struct device_config, has_edid,                            \
                   "tell what the screens can show (on)")
static const struct keyval_key gpu_keys[] = { GPU_KEYS, PCI_KEYS };
static const struct keyval_key gpu_gl_keys[] = {
    GPU_KEYS,
    KEYVAL_KEY("hostmem", KEYVAL_SIZE, struct device_config, hostmem,
               "size of the window for host-visible blobs, a power of two (none)",
               .min = GPU_HOSTMEM_MIN, .max = GPU_HOSTMEM_MAX, .is_power_of_two = true),
    KEYVAL_KEY("venus", KEYVAL_BOOL, struct device_config, has_venus, "Vulkan, if it can (off)"),
    PCI_KEYS,
};
static const struct device_config gpu_defaults = {
    .has_edid = true,
    .xres = 1024,
    .yres = 768,
    .max_outputs = 1,
};
static const struct keyval_key input_keys[] = {
    KEYVAL_KEY("serial", KEYVAL_STRING, struct device_config, serial,
               "its serial number, up to 127 characters"),
    PCI_KEYS,
};
static const struct keyval_key net_keys[] = {
    KEYVAL_KEY("netdev", KEYVAL_STRING, struct device_config, netdev,
               "the -netdev that it is connected to"),
    KEYVAL_KEY("mac", KEYVAL_STRING, struct device_config, mac,
               "its address (52:54:00:12:34:56, and on from there)"),
    PCI_KEYS,
};
static const struct keyval_key rng_keys[] = { PCI_KEYS };

static const struct device_type types[] = {
    { "virtio-blk-pci", "a disk, from a -drive", blk_keys, NULL, make_blk },
    { "virtio-gpu-pci", "screens, drawn by the guest", gpu_keys, &gpu_defaults, make_gpu },
    { "virtio-gpu-gl-pci", "screens, and OpenGL by the host", gpu_gl_keys, &gpu_defaults,
      make_gpu_gl },
    { "virtio-keyboard-pci", "a keyboard: -display's, and QMP's", input_keys, NULL, make_keyboard },
    { "virtio-tablet-pci", "a pointer, buttons and wheels: -display's, and QMP's", input_keys, NULL,
      make_tablet },
    { "virtio-net-pci", "a network card, connected to a -netdev", net_keys, NULL, make_net },
    { "virtio-rng-pci", "random numbers, from the host's getrandom()", rng_keys, NULL, make_rng },
};

static const struct device_type *find_type(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (g_str_equal(types[i].name, name))
            return &types[i];
    }
    return NULL;
}

void machine_print_devices(FILE *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        fprintf(out, "  %-20s %s\n", types[i].name, types[i].help);
}

bool machine_print_device(const char *name, FILE *out)
{
    const struct device_type *type = find_type(name);

    if (type)
        keyval_print(type->keys, out);
    return type;
}

/* ---- Plugging in -------------------------------------------------------------------------------
 */

static void free_device(struct machine_device *device) REQUIRES(bql)
{
    virtio_pci_free(device->transport);
    if (device->model)
        device->free_model(device->model);
    g_free(device->id);
    g_free(device);
}

static bool parse_slot(const struct device_type *type, const char *text, int *ret_slot,
                       GError **error)
{
    char *end;
    guint64 slot;

    *ret_slot = -1;
    if (!text)
        return true;
    slot = g_ascii_strtoull(text, &end, 0);
    if (!g_ascii_isdigit(*text) || *end || slot < 1 || slot >= PCI_SLOTS)
        return keyval_usage(error, "-device %s: addr=%s is no slot (1 to 0x1f)", type->name, text);
    *ret_slot = (int)slot;
    return true;
}

/* NULL: none has that id. */
static const struct machine_device *find_device(const struct machine *machine, const char *id)
{
    for (guint i = 0; i < machine->devices->len; i++) {
        const struct machine_device *device = machine->devices->pdata[i];

        if (g_strcmp0(device->id, id) == 0)
            return device;
    }
    return NULL;
}

struct gpu *machine_device_gpu(const struct machine *machine, const char *id)
{
    const struct machine_device *device = find_device(machine, id);

    return device ? device->gpu : NULL;
}

static bool plug(struct machine *machine, const struct device_type *type,
                 const struct device_config *config, GError **error) REQUIRES(bql)
{
    struct machine_device *device;
    struct virtio_device *model;
    g_autoptr(GError) no_slot = NULL;
    int slot;

    if (config->id && find_device(machine, config->id))
        return keyval_usage(error, "-device %s: the id '%s' is given twice", type->name,
                            config->id);
    if (!parse_slot(type, config->slot, &slot, error))
        return false;
    device = g_new0(struct machine_device, 1);
    device->type = type->name;
    device->id = g_strdup(config->id);
    device->virtio = model = type->make(machine, config, device, error);
    if (model)
        device->transport = virtio_pci_new(machine->bus, model, type->name, slot, &no_slot);
    if (no_slot)
        keyval_usage(error, "-device %s", no_slot->message);
    if (!device->transport) {
        free_device(device);
        return false;
    }
    g_ptr_array_add(machine->devices, device);
    return true;
}

bool machine_add_device(struct machine *machine, const char *text, GError **error)
{
    const size_t length = strcspn(text, ",");
    g_autofree char *name = g_strndup(text, length);
    const struct device_type *type = find_type(name);
    struct device_config config = { 0 };
    g_autofree char *option = g_strdup_printf("-device %s", name);
    const char *nearest;
    bool is_done;

    if (!type) {
        nearest = keyval_nearest(name, &types[0].name, ARRAY_SIZE(types), sizeof *types);
        return keyval_usage(
            error, "-device: there is no '%s'%s%s%s (-device help lists what there is)", name,
            nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    if (type->defaults)
        config = *type->defaults;
    is_done =
        keyval_parse(option, text[length] ? text + length + 1 : "", type->keys, &config, error) &&
        plug(machine, type, &config, error);
    keyval_clear(type->keys, &config);
    return is_done;
}

bool devices_settle(struct machine *machine)
{
    bool has_settled = true;

    for (guint i = 0; i < machine->devices->len; i++) {
        const struct machine_device *device = machine->devices->pdata[i];

        if (device->gpu && !gpu_settle(device->gpu))
            has_settled = false;
    }
    return has_settled;
}

bool devices_wait_for_reset(struct machine *machine, GError **error)
{
    for (guint i = 0; i < machine->devices->len; i++) {
        const struct machine_device *device = machine->devices->pdata[i];

        if (device->gpu && !gpu_wait_for_reset(device->gpu)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                        "%s: the renderer still writes into the guest's memory", device->type);
            return false;
        }
    }
    return true;
}

void devices_fini(struct machine *machine)
{
    machine->gpu = NULL;
    for (guint i = machine->devices->len; i-- > 0;)
        free_device(machine->devices->pdata[i]);
    g_ptr_array_unref(machine->devices);
    for (guint i = 0; i < machine->disks->len; i++) {
        struct machine_disk *disk = machine->disks->pdata[i];

        if (!disk->is_taken)
            disk_close(disk->disk);
        g_free(disk->id);
        g_free(disk);
    }
    g_ptr_array_unref(machine->disks);
    networks_fini(machine);
}

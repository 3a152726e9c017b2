/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What network cards are connected to: -netdev, and -nic, which is one with its card.
 */
#include <string.h>

#include "hw/machine/parts.h"
#include "hw/net/user.h"
#include "util/keyval.h"

struct network_config {
    unsigned type;
    char *id;
    unsigned model;
    char *mac;
    struct net_user_config user;
};

enum { TYPE_USER, TYPE_NONE };
static const char *const netdev_types[] = { [TYPE_USER] = "user", NULL };
static const char *const nic_types[] = { [TYPE_USER] = "user", [TYPE_NONE] = "none", NULL };
static const char *const models[] = { "virtio-net-pci", "virtio", NULL };
static const struct network_config defaults = { .user.has_ipv6 = true };

#define USER_KEYS                                                                                  \
    KEYVAL_KEY("id", KEYVAL_STRING, struct network_config, id, "what it is called"),               \
        KEYVAL_KEY("hostfwd", KEYVAL_STRINGS, struct network_config, user.forwards,                \
                   "[tcp|udp]:[HOST ADDRESS]:PORT-[GUEST ADDRESS]:PORT, the host's port is the "   \
                   "guest's; may be repeated"),                                                    \
        KEYVAL_KEY("hostname", KEYVAL_STRING, struct network_config, user.hostname,                \
                   "what DHCP calls the guest, up to 32 characters"),                              \
        KEYVAL_KEY("restrict", KEYVAL_BOOL, struct network_config, user.is_restricted,             \
                   "the guest reaches nobody (off)"),                                              \
        KEYVAL_KEY("ipv6", KEYVAL_BOOL, struct network_config, user.has_ipv6, "IPv6 too (on)"),    \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const struct keyval_key netdev_keys[] = {
    KEYVAL_KEY("type", KEYVAL_CHOICE, struct network_config, type, "by the host's own sockets",
               .choices = netdev_types, .may_be_bare = true),
    USER_KEYS,
};

static const struct keyval_key nic_keys[] = {
    KEYVAL_KEY("type", KEYVAL_CHOICE, struct network_config, type,
               "by the host's own sockets, or no card", .choices = nic_types, .may_be_bare = true),
    KEYVAL_KEY("model", KEYVAL_CHOICE, struct network_config, model, "the card", .choices = models),
    KEYVAL_KEY("mac", KEYVAL_STRING, struct network_config, mac,
               "its address (52:54:00:12:34:56, and on from there)"),
    USER_KEYS,
};

void machine_print_netdevs(FILE *out)
{
    keyval_print(netdev_keys, out);
}

void machine_print_nics(FILE *out)
{
    keyval_print(nic_keys, out);
}

/* ---- Networks -------------------------------------------------------------------------------- */

struct machine_network *network_find(struct machine *machine, const char *id)
{
    for (guint i = 0; i < machine->networks->len; i++) {
        struct machine_network *network = machine->networks->pdata[i];

        if (g_str_equal(network->id, id))
            return network;
    }
    return NULL;
}

void network_next_mac(const struct machine *machine, uint8_t *ret_mac)
{
    uint8_t mac[NET_MAC_SIZE] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

    for (guint i = 0; i < machine->networks->len; i++)
        mac[5] += ((const struct machine_network *)machine->networks->pdata[i])->is_taken;
    memcpy(ret_mac, mac, sizeof(mac));
}

static bool add(struct machine *machine, const char *option, const char *id,
                const struct net_user_config *config, GError **error) REQUIRES(bql)
{
    struct net_backend *backend;
    struct machine_network *network;

    if (network_find(machine, id))
        return keyval_usage(error, "%s: the id '%s' is given twice", option, id);
    if (strchr(id, ','))
        return keyval_usage(error, "%s: the id '%s' has a comma", option, id);
    if (machine->networks->len == MACHINE_NETWORKS_MAX)
        return keyval_usage(error, "%s: there are %d already, the most there can be", option,
                            MACHINE_NETWORKS_MAX);
    backend = net_user_new(option, config, &machine->clock, error);
    if (!backend)
        return false;
    network = g_new0(struct machine_network, 1);
    network->id = g_strdup(id);
    network->backend = backend;
    g_ptr_array_add(machine->networks, network);
    return true;
}

bool machine_add_netdev(struct machine *machine, const char *text, GError **error)
{
    struct network_config config = defaults;
    bool is_done = keyval_parse("-netdev", text, netdev_keys, &config, error);

    if (is_done && !config.id)
        is_done = keyval_usage(error, "-netdev: %s: the key id is missing", text);
    is_done = is_done && add(machine, "-netdev", config.id, &config.user, error);
    keyval_clear(netdev_keys, &config);
    return is_done;
}

static bool add_nic(struct machine *machine, const struct network_config *config, GError **error)
    REQUIRES(bql)
{
    g_autofree char *own_id = g_strdup_printf("#nic%u", machine->networks->len);
    const char *id = config->id ? config->id : own_id;
    g_autofree char *device =
        g_strdup_printf("virtio-net-pci,netdev=%s%s%s", id, config->mac ? ",mac=" : "",
                        config->mac ? config->mac : "");
    uint8_t mac[NET_MAC_SIZE];

    if (config->mac && !net_parse_mac(config->mac, mac))
        return keyval_usage(error,
                            "-nic: mac=%s is no address of a card "
                            "(six bytes as in 52:54:00:12:34:56, the first of them even)",
                            config->mac);
    return add(machine, "-nic", id, &config->user, error) &&
           machine_add_device(machine, device, error);
}

bool machine_add_nic(struct machine *machine, const char *text, GError **error)
{
    struct network_config config = defaults;
    bool is_done = keyval_parse("-nic", text, nic_keys, &config, error) &&
                   (config.type == TYPE_NONE || add_nic(machine, &config, error));

    keyval_clear(nic_keys, &config);
    return is_done;
}

bool machine_check_networks(struct machine *machine, GError **error)
{
    for (guint i = 0; i < machine->networks->len; i++) {
        const struct machine_network *network = machine->networks->pdata[i];

        if (!network->is_taken)
            return keyval_usage(
                error, "-netdev: no -device uses '%s': add -device virtio-net-pci,netdev=%s",
                network->id, network->id);
    }
    return true;
}

void networks_clock_changed(struct machine *machine)
{
    for (guint i = 0; i < machine->networks->len; i++) {
        struct net_backend *backend =
            ((const struct machine_network *)machine->networks->pdata[i])->backend;

        if (backend->clock_changed)
            backend->clock_changed(backend);
    }
}

void networks_fini(struct machine *machine)
{
    for (guint i = 0; i < machine->networks->len; i++) {
        struct machine_network *network = machine->networks->pdata[i];

        net_free(network->backend);
        g_free(network->id);
        g_free(network);
    }
    g_ptr_array_unref(machine->networks);
}

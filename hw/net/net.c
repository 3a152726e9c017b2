/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/net.h"

#include <assert.h>
#include <glib.h>
#include <string.h>

void net_connect(struct net_backend *backend, struct net_card *card)
{
    assert(!backend->card);
    backend->card = card;
}

void net_disconnect(struct net_backend *backend)
{
    backend->card = NULL;
    backend->may_receive(backend); /* what waits for the card is lost */
}

void net_set_link(struct net_backend *backend, bool is_up)
{
    if (backend->is_link_up == is_up)
        return;
    backend->is_link_up = is_up;
    if (backend->card)
        backend->card->link_changed(backend->card);
}

bool net_deliver(struct net_backend *backend, const uint8_t *frame, size_t size)
{
    if (!backend->card || !backend->is_link_up)
        return true;
    return backend->card->receive(backend->card, frame, size);
}

void net_free(struct net_backend *backend)
{
    if (!backend)
        return;
    assert(!backend->card);
    backend->free(backend);
}

bool net_parse_mac(const char *text, uint8_t ret_mac[static NET_MAC_SIZE])
{
    uint8_t mac[NET_MAC_SIZE];
    unsigned any = 0;

    for (unsigned i = 0; i < NET_MAC_SIZE; i++, text += 3) {
        const char end = i + 1 < NET_MAC_SIZE ? ':' : '\0';

        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]) || text[2] != end)
            return false;
        mac[i] = (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
        any |= mac[i];
    }
    if (mac[0] & 1 || !any) /* a group's; nobody's */
        return false;
    memcpy(ret_mac, mac, sizeof(mac));
    return true;
}

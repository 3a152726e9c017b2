# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash # what busybox has is like it
# What /init does with a network card, test=net. http_port and sum: the host's server, and the
# checksum of its /data. It answers with a server of its own, which has another /data.

: "${http_port:=0}" "${sum:=none}"
net_lease=/net/lease
card=/sys/class/net/eth0

net_load() {
    local module
    while read -r module; do
        insmod "/net/modules/$module.ko" || fail "module $module"
    done </net/modules/order
}

# An address by DHCP, the gateway, and the host's file.
net_round() {
    local got
    wait_for $card
    [ "$(cat $card/mtu)" = 1500 ] || fail "the MTU is $(cat $card/mtu)"
    ip link set lo up
    ip link set eth0 up || fail "eth0 does not come up"
    [ "$(cat $card/carrier)" = 1 ] || fail "eth0 has no carrier"
    udhcpc -i eth0 -n -q -f -S -s $net_lease || fail "no address by DHCP"
    say "address $(ip -4 -o addr show dev eth0 | sed 's/.*inet \([0-9./]*\).*/\1/')," \
        "mac $(cat $card/address), name $(hostname)"
    ping -c 2 -W 20 10.0.2.2 >/dev/null || fail "the gateway does not answer"
    got=$(wget -q -O - "http://10.0.2.2:$http_port/data" | sha256sum)
    [ "${got%% *}" = "$sum" ] || fail "the host's file arrived as $got"
}

# The driver leaves the device and finds it again.
net_rebind() {
    local device
    device=$(basename "$(readlink -f $card/device)")
    echo "$device" >/sys/bus/virtio/drivers/virtio_net/unbind
    [ ! -e $card ] || fail "the card is still there"
    echo "$device" >/sys/bus/virtio/drivers/virtio_net/bind
}

net_serve() {
    local line
    mkdir -p /net/www
    dd if=/dev/urandom of=/net/www/data bs=64k count=32 2>/dev/null || fail "no data to serve"
    httpd -p 80 -h /net/www || fail "no server"
    say "serving $(sha256sum </net/www/data)"
    read -r line
    say "told $line"
}

net_test() {
    net_load
    # modes and addresses, through the control queue
    net_round
    ip link set eth0 promisc on || fail "all frames cannot be had"
    ip link set eth0 down
    ip link set eth0 address 52:54:00:65:43:21 || fail "the address cannot be changed"
    net_round
    net_rebind
    net_round
    net_serve
}

# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: a network card on the user-mode network, with servers on both sides."""

import contextlib
import hashlib
import http.server
import os
import re
import socket
import threading
import urllib.request

import cache
import cpio
import images
import kernel
import machine
from machine import Failure, Guest

MODULES = ('virtio_net', 'af_packet')
APPLETS = 'basename hostname httpd ip ping readlink udhcpc wget'.split()
DATA = hashlib.shake_128(b'network').digest(2 << 20)
MAC = '52:54:00:12:34:99'
HTTP_WITHIN_S = machine.DEADLINE_S
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy knows the guest
# What udhcpc runs: the address, the route and the name are what the server said.
LEASE = b'''#!/bin/sh
case $1 in
deconfig) ip addr flush dev "$interface" ;;
bound)
    ip addr add "$ip/$mask" dev "$interface"
    ip route add default via "$router"
    [ -z "$hostname" ] || hostname "$hostname"
    ;;
esac
'''


def _initrd(linux):
    """The first root, and behind it an archive with what a network needs."""
    modules = kernel.Modules(images.kernel_tree(linux))
    have = modules.closure(images.MODULES)
    wanted = {name: data for name, data in modules.closure(MODULES).items() if name not in have}
    own = cpio.Archive()
    for applet in APPLETS:
        own.link(f'bin/{applet}', 'busybox')
    own.file('net/run', images.read(os.path.join(images.HERE, 'network.sh')))
    own.file('net/lease', LEASE, 0o755)
    for name, data in wanted.items():
        own.file(f'net/modules/{name}.ko', data)
    own.file('net/modules/order', ''.join(f'{name}\n' for name in wanted).encode())
    return cache.keep_bytes('images', f'net-initrd-{linux}',
                            images.followed_by(images.initrd(linux, 'gz'), own))


class _Data(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # the name that the library looks for
        self.send_response(200 if self.path == '/data' else 404)
        self.send_header('Content-Length', str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_):  # nothing: standard output is the tests'
        pass


@contextlib.contextmanager
def _server():
    """Serves /data on the host's loopback; gives the port."""
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Data) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _free_port():
    """One that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def _check_rounds(running):
    """That each time the guest had an address, the card's own, and the name. The router gives each
    card an address of its own, and the same one again."""
    for address, mac in (('10.0.2.15/24', MAC), ('10.0.2.16/24', '52:54:00:65:43:21'),
                         ('10.0.2.15/24', MAC)):
        match, _ = running.expect(r'^init: address (\S+), mac (\S+), name (\S+)\r?\n')
        got = [word.decode() for word in match.groups()]
        if got != [address, mac, 'visitor']:
            raise running.failure(f'the guest has {got}, not {address} for {mac}')


def _both_ways(program, linux, cpus, words):
    forward = _free_port()
    with _server() as port:
        guest = Guest(f'test=net http_port={port} sum={hashlib.sha256(DATA).hexdigest()}',
                      linux=linux, cpus=cpus, initrd=_initrd(linux),
                      network=tuple(word.format(forward) for word in words))
        with machine.start(program, guest) as running:
            _check_rounds(running)
            match, _ = running.expect(r'^init: serving (\w+) [^\n]*\n')
            # The guest's serial port is read meanwhile by nobody, and needs not be.
            with DIRECT.open(f'http://127.0.0.1:{forward}/data',
                             timeout=HTTP_WITHIN_S) as answer:
                digest = hashlib.sha256(answer.read()).hexdigest()
            if digest != match.group(1).decode():
                raise running.failure(f'the guest\'s file arrived as {digest}')
            running.send('goodbye\n')
            end = machine.check_end(program, running)
            if not re.search(r'^init: told goodbye$', end.output, re.M) or \
                    'init: done' not in end.output:
                raise Failure('/init was not done')


NIC = ('-nic', f'user,model=virtio-net-pci,mac={MAC},hostname=visitor,'
               'hostfwd=tcp:127.0.0.1:{}-:80')
NETDEV = ('-netdev', 'user,id=net0,hostname=visitor,hostfwd=tcp:127.0.0.1:{}-10.0.2.15:80',
          '-device', f'virtio-net-pci,netdev=net0,mac={MAC}')


def network(program):
    return {
        '-nic user, Linux 6.1, 1 processor: DHCP, files both ways, new driver':
            lambda: _both_ways(program, '6.1', 1, NIC),
        '-netdev user, Linux 6.12, 2 processors: the same':
            lambda: _both_ways(program, '6.12', 2, NETDEV),
    }

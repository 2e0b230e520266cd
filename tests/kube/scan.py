#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scan.py PORT NETWORK...: tries to connect to every address of the networks, again and again, until its
input ends; then says as JSON how often it went round and which addresses let it in."""
import errno
import ipaddress
import json
import select
import socket
import sys

PATIENCE_S = 0.2


def attempt(addresses, port):
    """Those that a connection to was established."""
    waiting, poll, through = {}, select.poll(), set()
    for address in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if sock.connect_ex((address, port)) == errno.EINPROGRESS:
            waiting[sock.fileno()] = (sock, address)
            poll.register(sock, select.POLLOUT)
    for number, _ in poll.poll(PATIENCE_S * 1000):
        sock, address = waiting[number]
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            through.add(address)
    return through


def main():
    addresses = [str(address) for network in sys.argv[2:] for address in ipaddress.ip_network(network).hosts()]
    print("running", flush=True)
    rounds, through = 0, set()
    while not select.select([sys.stdin], [], [], 0)[0]:
        through |= attempt(addresses, int(sys.argv[1]))
        rounds += 1
    print(json.dumps({"rounds": rounds, "through": sorted(through)}), flush=True)


main()

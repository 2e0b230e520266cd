#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sees every frame that reaches a pod's interface, before its kernel makes anything of it.

observer.py DEVICE   every line of standard input is answered with a JSON list: the frames (hex)
that came in since the last one.
"""
import json
import select
import socket
import sys

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA = 3, 263, 8


def main():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind((sys.argv[1], ETH_P_ALL))
    print("ready", flush=True)
    seen = []
    while True:
        ready, _, _ = select.select([sock, sys.stdin], [], [])
        if sock in ready:
            data, address = sock.recvfrom(65536)
            if address[2] != socket.PACKET_OUTGOING:
                seen.append(data.hex())
        elif not sys.stdin.readline():
            return
        else:
            print(json.dumps(seen), flush=True)
            seen = []


if __name__ == "__main__":
    main()

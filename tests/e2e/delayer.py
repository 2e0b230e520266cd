#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""delayer.py FROM TO MARK   sends every frame that arrives at one device out of another, marked,
after up to LONGEST_S, so that later ones overtake it. Says `ready`."""
import heapq
import itertools
import random
import select
import socket
import sys
import time

LONGEST_S = 0.004
SO_MARK = 36
ETH_ALL_IN = 0x0003


def main():
    source, target = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in range(2))
    source.bind((sys.argv[1], ETH_ALL_IN))
    target.bind((sys.argv[2], 0))
    target.setsockopt(socket.SOL_SOCKET, SO_MARK, int(sys.argv[3], 0))
    waiting, order = [], itertools.count()
    print("ready", flush=True)
    while True:
        patience = max(0, waiting[0][0] - time.monotonic()) if waiting else 1
        if select.select([source], [], [], patience)[0]:
            frame, origin = source.recvfrom(1 << 17)
            if origin[2] != socket.PACKET_OUTGOING:
                heapq.heappush(waiting, (time.monotonic() + random.random() * LONGEST_S, next(order), frame))
        while waiting and waiting[0][0] <= time.monotonic():
            try:
                target.send(heapq.heappop(waiting)[2])
            except OSError:
                pass  # the queue is full, or the frame too long: lost


if __name__ == "__main__":
    main()

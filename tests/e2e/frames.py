# SPDX-License-Identifier: Apache-2.0
"""Whole frames: written in one pod's network namespace, observed in another's."""
import itertools
import json
import subprocess

import attacker as forge
from callers import Callers
from mesh import HERE, PYTHON
from telemetry import Telemetry


def ip_fragments(src, dst, proto, segment, number, cut):
    if ":" in src:
        return [forge.ip(src, dst, 44, forge.fragment6(proto, segment[:cut], 0, True, number)),
                forge.ip(src, dst, 44, forge.fragment6(proto, segment[cut:], cut, False, number))]
    return [forge.ip(src, dst, proto, segment[:cut], 1 << 13, number),
            forge.ip(src, dst, proto, segment[cut:], cut // 8, number)]


def is_packet(frame, packet, six):
    """Is the frame this packet, apart from what routers change?"""
    header, addresses = (40, slice(8, 40)) if six else ((packet[0] & 15) * 4, slice(12, 20))
    number = slice(0, 0) if six else slice(4, 6)
    received = frame[14:14 + len(packet)]
    return all(received[part] == packet[part] for part in (number, addresses, slice(header, None)))


class Frames:
    """Writes frames in some pods of a mesh and sees which reach another, the receiver."""

    def __init__(self, mesh, senders, receiver):
        self.mesh, self.receiver = mesh, receiver
        self.callers, self.telemetry = Callers(mesh), Telemetry(mesh)
        self.ports = itertools.count(20000)
        self.helpers = {name: self._start(name, "attacker.py") for name in senders}
        self.observer = self.helpers[receiver] = self._start(receiver, "observer.py")
        assert self.observer.stdout.readline() == "ready\n"
        self.next_hop = {name: self._next_hop(name) for name in senders}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for helper in self.helpers.values():
            helper.stdin.close()
            helper.wait(10)
            helper.stdout.close()
        self.callers.__exit__()

    def _start(self, pod, program):
        return subprocess.Popen(self.inside(pod, PYTHON, str(HERE / program), "eth0"), text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def inside(self, pod, *command):
        return ["nsenter", "--net=" + self.callers.pods[pod]["netns"], *command]

    def _next_hop(self, pod):
        """(its own MAC, the MAC that frames to the server go to)"""
        for six in (False, True):
            subprocess.run(self.inside(pod, "ping", "-c1", "-W2", self.callers.address(self.receiver, six)),
                           check=True, stdout=subprocess.DEVNULL)
        def ask(*words):
            return json.loads(subprocess.run(self.inside(pod, "ip", "-j", *words), check=True,
                                             capture_output=True, text=True).stdout)[0]
        route = ask("route", "get", self.callers.address(self.receiver, False))
        hop = ask("neigh", "show", route.get("gateway", route["dst"]))
        return ask("link", "show", "eth0")["address"], hop["lladdr"]

    def observed(self):
        return [bytes.fromhex(frame) for frame in json.loads(self._ask(self.observer, ""))]

    @staticmethod
    def _ask(helper, line):
        helper.stdin.write(line + "\n")
        helper.stdin.flush()
        return helper.stdout.readline()

    def send(self, pod, packets, kind=None):
        own, hop = (bytes.fromhex(mac.replace(":", "")) for mac in self.next_hop[pod])
        frames = [{"frame": forge.ethernet(hop, own, kind or (
            forge.IPV6 if packet[0] >> 4 == 6 else forge.IPV4), packet).hex()} for packet in packets]
        assert self._ask(self.helpers[pod], json.dumps(frames))

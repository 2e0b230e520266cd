# SPDX-License-Identifier: Apache-2.0
"""Packets that no ordinary socket sends. For each: does it reach the interface of the pod (an
observer sees every frame there), does it reach the server, and what reason is counted."""
import itertools
import json
import struct
import time

import pytest

import attacker as forge
import verdict_cases as cases
from frames import Frames, ip_fragments, is_packet
from mesh import Mesh, wait_until

OPEN, CLOSED = 7001, 7002
SENDERS = ("friend-a", "friend-b", "stranger-a", "stranger-b")
PAYLOAD = b"0123456789abcdef" * 4
PADDING = bytes([1, 4, 0, 0, 0, 0])  # PadN: fills an options header up to eight bytes


def cluster(mesh):
    yield from map(cases.node, cases.NODES)
    yield cases.namespace_object("shop", {"weft.dev/mesh": "enforce"})
    yield cases.namespace_object("callers", {"weft.dev/mesh": "enforce"})
    command = mesh.server_command("server", *("%s:%d" % one for one in itertools.product(
        ("tcp", "udp"), (OPEN, CLOSED))))
    yield cases.pod("server", "shop", "server", "node-a", json.loads(command))
    for name in SENDERS:
        yield cases.pod(name, "callers", name[:-2], "node-" + name[-1], ["sleep", "infinity"])
    yield cases.route("TCPRoute", "open", "shop", [OPEN])
    yield cases.route("UDPRoute", "open", "shop", [OPEN])
    yield cases.target("friends", "shop", cases.account_ref("shop", "server"),
                       [cases.account_ref("callers", "friend")],
                       [("TCPRoute", "open"), ("UDPRoute", "open")])


@pytest.fixture(scope="module", params=["bridge", "routed"])
def scene(request):
    with Mesh(request.param) as mesh:
        mesh.up(cases.as_list(list(cluster(mesh))))
        with Frames(mesh, SENDERS, "server") as frames:
            yield frames


def options6(first, count, proto, segment):
    """A chain of destination options headers."""
    packet = segment
    for index in range(count):
        packet = bytes([proto if index == 0 else 60, 0]) + PADDING + packet
    return first, packet


# name -> (builder(src, dst, sport, dport) of packets, what becomes of a friend's and of a
# stranger's packets). "server": the server has it; "pod": all of it reaches the pod; otherwise
# the reasons of the drops. None: not sent in this family.
UDP, TCP, ICMP = 17, 6, 1


def shapes(six):
    def datagram(src, dst, sport, dport):
        return forge.udp(src, dst, sport, dport, PAYLOAD)

    def one(proto, build, **more):
        return lambda src, dst, sport, dport: [
            forge.ip(src, dst, proto, build(src, dst, sport, dport), **more)]

    def segment(flags, payload=b""):
        return lambda src, dst, sport, dport: forge.tcp(src, dst, sport, dport, flags, payload=payload)

    def opaque(_src, _dst, sport, dport):
        return struct.pack("!HH", sport, dport) + PAYLOAD

    def wrong_length(src, dst, sport, dport):
        whole = datagram(src, dst, sport, dport)
        return whole[:4] + struct.pack("!H", len(whole) + 1) + whole[6:]

    def pieces(proto, build):
        return lambda src, dst, sport, dport: ip_fragments(src, dst, proto,
                                                           build(src, dst, sport, dport), sport, 24)

    def orphan(src, dst, sport, dport):
        return ip_fragments(src, dst, UDP, datagram(src, dst, sport, dport), sport, 24)[1:]

    def chain(count, first=60):
        def build(src, dst, sport, dport):
            number, packet = options6(first, count, UDP, datagram(src, dst, sport, dport))
            return [forge.ip(src, dst, number, packet)]
        return build

    no_rule = {"no_rule"}
    table = {
        "udp": (one(UDP, datagram), "server", no_rule),
        "syn+fin": (one(TCP, segment(forge.SYN | forge.FIN)), "pod", no_rule),
        "syn+rst": (one(TCP, segment(forge.SYN | forge.RST)), "pod", no_rule),
        "christmas tree": (one(TCP, segment(forge.SYN | forge.FIN | 0x28 | 0xc0)), "pod", no_rule),
        "syn with data": (one(TCP, segment(forge.SYN, PAYLOAD)), "pod", no_rule),
        "udp fragments": (pieces(UDP, datagram), "server", {"no_rule", "udp_fragment"}),
        "later udp fragment alone": (orphan, {"udp_fragment"}, {"udp_fragment"}),
        "tcp fragments": (pieces(TCP, segment(forge.SYN, PAYLOAD)), {"tcp_fragment"}, {"tcp_fragment"}),
        "udp-lite": (one(136, lambda *a: forge.udp(*a, PAYLOAD, 136)), {"ip_protocol"}, {"ip_protocol"}),
        "sctp": (one(132, opaque), {"ip_protocol"}, {"ip_protocol"}),
        "gre": (one(47, lambda *a: struct.pack("!HH", 0, forge.IPV6 if six else forge.IPV4)
                    + one(UDP, datagram)(*a)[0]), {"ip_protocol"}, {"ip_protocol"}),
        "tunnel": (one(41 if six else 4, lambda *a: one(UDP, datagram)(*a)[0]), {"ip_protocol"},
                   {"ip_protocol"}),
        "esp": (one(50, opaque), {"ip_protocol"}, {"ip_protocol"}),
        "dccp": (one(33, opaque), {"ip_protocol"}, {"ip_protocol"}),
        "udp longer than its packet": (one(UDP, wrong_length), {"malformed"}, {"malformed"}),
        "udp cut short": (one(UDP, lambda *a: datagram(*a)[:6]), {"malformed"}, {"malformed"}),
    }
    if six:
        table.update({
            "options header": (chain(1), "server", no_rule),
            "hop-by-hop, then options": (chain(2, 0), "server", no_rule),
            "eight headers": (chain(8), "server", no_rule),
            "nine headers": (chain(9), {"extension_header"}, {"extension_header"}),
            "atomic fragment": (lambda *a: [forge.ip(a[0], a[1], 44, forge.fragment6(UDP, datagram(*a)))],
                                "server", no_rule),
        })
    else:
        table.update({
            "ip options": (one(UDP, datagram, options=b"\1" * 8), "server", no_rule),
            "don't fragment": (one(UDP, datagram, fragment=0x4000), "server", no_rule),
        })
    return table


CASES = [(six, name) for six in (False, True) for name in shapes(six)]


@pytest.mark.parametrize("six, name", CASES, ids=["%s-v%d" % (name, 6 if six else 4)
                                                  for six, name in CASES])
def test_packet(scene, six, name):
    build, friends, strangers = shapes(six)[name]
    seen = len(scene.mesh.received("server"))
    sent = {}  # (sender, source port) -> (packets, fate)
    for sender, dport in itertools.product(SENDERS, (OPEN, CLOSED)):
        sport = next(scene.ports)
        packets = build(scene.callers.address(sender, six), scene.callers.address("server", six),
                        sport, dport)
        granted = sender.startswith("friend") and dport == OPEN
        sent[sender, sport] = (packets, friends if granted else strangers)
    scene.observed()
    scene.telemetry.verdicts()
    for sender in SENDERS:
        scene.send(sender, [packet for (who, _), (packets, _) in sent.items() if who == sender
                            for packet in packets])
    # The last to be sent: when it is there, all others had their turn.
    sport = next(scene.ports)
    last = shapes(six)["udp"][0](scene.callers.address("friend-b", six),
                                 scene.callers.address("server", six), sport, OPEN)
    scene.send("friend-b", last)
    wait_until(lambda: any(one["peer_port"] == sport for one in scene.mesh.received("server")), 5,
               "arrival of an ordinary datagram")
    time.sleep(0.02)
    check_arrivals(scene, six, sent, {one["peer_port"] for one in scene.mesh.received("server")[seen:]
                                      if one["event"] == "datagram"} - {sport})
    check_reasons(scene, sent)


def check_arrivals(scene, six, sent, served):
    frames = scene.observed()
    for (sender, sport), (packets, fate) in sent.items():
        arrived = sum(is_packet(frame, packet, six) for packet in packets for frame in frames)
        wanted = len(packets) if fate in ("server", "pod") else 0
        assert arrived == wanted, "%s port %d: %d frames at the pod" % (sender, sport, arrived)
        assert (sport in served) == (fate == "server"), sender


def check_reasons(scene, sent):
    """Each packet that was dropped is counted once, with the right reason; no other is."""
    counted = scene.telemetry.verdicts("verdict", "reason")
    denied = {reason: count for (verdict, reason), count in counted.items() if verdict == "deny"}
    wanted = set().union(*(fate for _, fate in sent.values() if isinstance(fate, set)))
    assert set(denied) == wanted
    assert sum(denied.values()) == sum(len(packets) for packets, fate in sent.values()
                                       if isinstance(fate, set))


@pytest.mark.parametrize("six", (False, True))
def test_ping_passes_for_everybody(scene, six):
    address = scene.callers.address("server", six)
    for sender in SENDERS:
        scene.mesh.exec(sender, "ping", "-c2", "-i0.2", "-W2", "-s", "4000", address,
                        namespace="callers")


def test_foreign_ethertypes(scene):
    """Neither IP nor ARP: nothing that a pod's neighbour sends it."""
    scene.observed()
    scene.telemetry.verdicts()
    for kind in (0x88b5, 0x8137, 0x9000):
        scene.send("friend-a", [b"weft" * 20], kind)
    time.sleep(0.1)
    assert not [frame for frame in scene.observed() if b"weftweft" in frame]
    reasons = scene.telemetry.verdicts("reason")
    assert reasons[("ethertype",)] == 3

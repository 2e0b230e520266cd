# SPDX-License-Identifier: Apache-2.0
"""Every reason for a verdict, provoked once: it is counted under its own name at the right hook,
denials are told as events that name both ends, and permissive destinations get everything."""
import collections
import itertools
import json
import struct

import pytest

import attacker as forge
import verdict_cases as cases
from frames import Frames, ip_fragments, is_packet
from mesh import PYTHON, Mesh, wait_until

OPEN, CLOSED, WEB = 7001, 7002, 7003
TIMES = 3
SERVERS = {"shop": "strict", "lenient": "lenient", "plain": "plain", "hosts": "hosts", "open": "open"}
LISTENERS = [*itertools.product(("tcp", "udp"), (OPEN, CLOSED, WEB))]
# Of a long head segments pass until it is too long: they must not be answered.
STRICT_LISTENERS = [("http", port) if (kind, port) == ("tcp", WEB) else (kind, port) for kind, port in LISTENERS]
# Answers by a connected socket of its own, as DTLS and QUIC servers do.
CONNECT_BACK = """
import socket
def bound():
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("::", 7009))
    return sock
sock = bound()
while True:
    data, peer = sock.recvfrom(100)
    with bound() as answer:
        answer.connect(peer)
        answer.send(b"again")
"""


def service(name, selector, port):
    return {"apiVersion": "v1", "kind": "Service", "metadata": cases.metadata(name, "shop"),
            "spec": {"selector": {"app": selector}, "ports": [
                {"name": proto.lower(), "protocol": proto, "port": port} for proto in ("TCP", "UDP")]}}


def cluster(mesh):
    yield from map(cases.node, cases.NODES)
    for name, mode in SERVERS.items():
        yield cases.namespace_object(name, *cases.NAMESPACES[mode])
        listeners = STRICT_LISTENERS if mode == "strict" else LISTENERS
        command = mesh.server_command(name, *("%s:%d" % one for one in listeners))
        yield cases.pod(name, name, "server", "node-a", json.loads(command))
        yield cases.route("TCPRoute", "open", name, [OPEN])
        yield cases.route("TCPRoute", "web", name, [WEB])
        yield cases.route("UDPRoute", "open", name, [OPEN, 7009])
        yield cases.http_group("web", name)
        friends = cases.account_ref(name, "server"), [cases.account_ref("shop", "friend")]
        yield cases.target("friends", name, *friends, [("TCPRoute", "open"), ("UDPRoute", "open")])
        yield cases.target("web", name, *friends, [("TCPRoute", "web"), ("HTTPRouteGroup", "web")])
    yield cases.pod("back", "shop", "server", "node-a", [PYTHON, "-c", CONNECT_BACK])
    for name, where in (("friend", "node-b"), ("stranger", "node-a"), ("late", "node-a")):
        yield cases.pod(name, "shop", name, where, ["sleep", "infinity"])
    yield service("empty", "nobody", OPEN)


class Scene(Frames):
    """Calls and frames between the pods, and what was counted and told of them."""

    def __init__(self, mesh):
        super().__init__(mesh, ("friend", "stranger"), "lenient")

    def call(self, place, to, port, proto="tcp", hooked=True, claim="", connected=True, say=""):
        """The same call a few times; the outcomes."""
        probe = {"proto": proto, "port": port, "address": to, "connected": connected,
                 "silent": bool(claim) or not connected, **({"say": say} if say else {})}
        answers = self.callers.get(place, hooked).call(patience=0.1, probes=[
            dict(probe, **{"from": [claim, next(self.ports)]}) for _ in range(TIMES)])
        return {outcome for outcome, _, _ in answers}

    def frames(self, sender, build, to="shop", six=False, kind=None, mac=None):
        """build(src, dst, source port) of packets, a few times; returns the packets. `mac`: the
        pod whose address the frame bears."""
        src, dst = self.callers.address(sender, six), self.callers.address(to, six)
        packets = [packet for _ in range(TIMES) for packet in build(src, dst, next(self.ports))]
        if mac:
            self.next_hop[sender] = (self.next_hop[sender][0], self.mac_of(mac))
        self.send(sender, packets, kind)
        return packets

    def mac_of(self, pod):
        return json.loads(self.mesh.exec(
            pod, "ip", "-j", "link", "show", "eth0",
            namespace=self.callers.pods[pod]["namespace"]))[0]["address"]


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        mesh.up(cases.as_list(list(cluster(mesh))))
        with Scene(mesh) as made:
            made.mesh.exec("stranger", "ip", "address", "add", made.callers.address("friend", False)
                           + "/32", "dev", "eth0", namespace="shop")
            yield made


def pod_address(scene, name):
    return scene.callers.address(name, False)


def vip(scene, name):
    return scene.mesh.service(name, "shop")["clusterIPs"][0]


def ends(source, destination, port=None):
    return {"source": source, "destination": destination, "port": port}


Case = collections.namedtuple("Case", "act outcomes counts ends", defaults=({}, None))
A, D = "allow", "deny"


def udp_to(dport, **more):
    return lambda src, dst, sport: [forge.ip(src, dst, 17, forge.udp(src, dst, sport, dport, b"x" * 32),
                                             **more)]


def tcp_pieces(src, dst, sport):
    return ip_fragments(src, dst, 6, forge.tcp(src, dst, sport, OPEN, payload=b"x" * 64), sport, 24)


def later_piece(src, dst, sport):
    return ip_fragments(src, dst, 17, forge.udp(src, dst, sport, OPEN, b"x" * 64), sport, 24)[1:]


def many_headers(src, dst, sport):
    packet = forge.udp(src, dst, sport, OPEN, b"x")
    for index in range(9):
        packet = bytes([17 if index == 0 else 60, 0, 1, 4, 0, 0, 0, 0]) + packet
    return [forge.ip(src, dst, 60, packet)]


def short_udp(src, dst, sport):
    return [forge.ip(src, dst, 17, forge.udp(src, dst, sport, OPEN, b"x")[:6])]


def sctp(src, dst, sport):
    return [forge.ip(src, dst, 132, struct.pack("!HH", sport, OPEN) + b"x" * 20)]


def call(place, pod, port, **more):
    return lambda scene: scene.call(place, pod_address(scene, pod), port, **more)


def frames(sender, build, **more):
    return lambda scene: scene.frames(sender, build, **more)


# name -> Case: what is done (TIMES times), the callers' outcomes, {(verdict, reason, hook,
# protocol): how many for each time}, and the ends that the events name.
CASES = {
    "unmeshed": Case(call("stranger", "plain", CLOSED), {"ok"}, {(A, "unmeshed", "connect", "tcp"): 1}),
    "policy": Case(call("friend", "shop", OPEN), {"ok"},
                   {(A, "policy", "connect", "tcp"): 1, (A, "policy", "to_pod", "tcp"): 1}),
    "policy udp": Case(call("friend", "shop", OPEN, proto="udp"), {"ok"},
                       {(A, "policy", "connect", "udp"): 1}),
    "local_host": Case(call("node-a", "shop", CLOSED), {"ok"}, {(A, "local_host", "to_pod", "tcp"): 1}),
    "cluster_host": Case(call("node-b", "hosts", CLOSED), {"ok"},
                         {(A, "cluster_host", "to_pod", "tcp"): 1}),
    "external_allowed": Case(call("outside", "open", CLOSED), {"ok"},
                             {(A, "external_allowed", "to_pod", "tcp"): 1}),
    "own_pod": Case(call("shop", "shop", CLOSED), {"ok"}, {(A, "own_pod", "connect", "tcp"): 1}),
    "udp_reply": Case(call("friend", "back", 7009, proto="udp"), {"ok"},
                      {(A, "policy", "connect", "udp"): 1, (A, "udp_reply", "connect", "udp"): 1}),
    "no_rule": Case(call("stranger", "shop", OPEN), {"EACCES"}, {(D, "no_rule", "connect", "tcp"): 1},
                    ends("stranger", "shop", OPEN)),
    "no_rule udp": Case(lambda scene: scene.call("stranger", pod_address(scene, "shop"), OPEN, proto="udp",
                                                 connected=False),
                        {"EACCES"}, {(D, "no_rule", "sendmsg", "udp"): 1}, ends("stranger", "shop", OPEN)),
    # To connect a datagram socket is no call yet: ping and getaddrinfo() do it to find their address.
    "no_rule connected udp": Case(call("stranger", "shop", OPEN, proto="udp"), {"ECONNREFUSED"},
                                  {(D, "no_rule", "to_pod", "udp"): 1}, ends("stranger", "shop", OPEN)),
    "no_rule at the server": Case(call("stranger", "shop", OPEN, hooked=False), {"ECONNREFUSED"},
                                  {(D, "no_rule", "to_pod", "tcp"): 1}, ends("stranger", "shop", OPEN)),
    "unknown_source": Case(call("outside", "shop", OPEN), {"ECONNREFUSED"},
                           {(D, "unknown_source", "to_pod", "tcp"): 1}, ends(None, "shop", OPEN)),
    "remote_host": Case(call("node-b", "shop", OPEN), {"ECONNREFUSED"},
                        {(D, "remote_host", "to_pod", "tcp"): 1}, ends(None, "shop", OPEN)),
    "http": Case(call("friend", "shop", WEB, say=cases.REQUEST), {"ok"},
                 {(A, "http", "connect", "tcp"): 1, (A, "http", "to_pod", "tcp"): 1}),
    # What is no HTTP, on a connection that HTTP rules judge.
    "http at the server": Case(call("friend", "shop", WEB, hooked=False), {"403"},
                               {(A, "http", "to_pod", "tcp"): 1, (D, "http_request_line", "to_pod", "tcp"): 1},
                               ends("friend", "shop", WEB)),
    "no_endpoint": Case(lambda scene: scene.call("friend", vip(scene, "empty"), OPEN), {"ECONNREFUSED"},
                        {(D, "no_endpoint", "connect", "tcp"): 1}, ends("friend", None, OPEN)),
    "unknown_service_port": Case(lambda scene: scene.call("friend", vip(scene, "empty"), 99),
                                 {"ECONNREFUSED"}, {(D, "unknown_service_port", "connect", "tcp"): 1},
                                 ends("friend", None, 99)),
    "spoofed_source": Case(lambda scene: scene.call("stranger", pod_address(scene, "shop"), OPEN,
                                                    hooked=False, claim=pod_address(scene, "friend")),
                           {"silence"}, {(D, "spoofed_source", "from_pod", "tcp"): 1},
                           ends("friend", "shop", OPEN)),
    "malformed": Case(frames("friend", short_udp), None, {(D, "malformed", "from_pod", "udp"): 1},
                      ends("friend", "shop")),
    "extension_header": Case(frames("friend", many_headers, six=True), None,
                             {(D, "extension_header", "from_pod", "other"): 1}, ends("friend", "shop")),
    "tcp_fragment": Case(frames("friend", tcp_pieces), None, {(D, "tcp_fragment", "to_pod", "tcp"): 2},
                         ends("friend", "shop")),
    "udp_fragment": Case(frames("friend", later_piece), None, {(D, "udp_fragment", "to_pod", "udp"): 1},
                         ends("friend", "shop")),
    "ip_protocol": Case(frames("friend", sctp), None, {(D, "ip_protocol", "to_pod", "other"): 1},
                        ends("friend", "shop")),
}


def check(scene, case):
    scene.telemetry.verdicts()
    scene.telemetry.events()
    outcomes = case.act(scene)
    assert case.outcomes is None or outcomes == case.outcomes
    wanted = {key: TIMES * count for key, count in case.counts.items()}
    counted = collections.Counter()

    def complete():
        counted.update(scene.telemetry.verdicts("verdict", "reason", "hook", "protocol"))
        return all(counted[key] >= count for key, count in wanted.items())
    try:
        wait_until(complete, 1, "count")
    except AssertionError:
        raise AssertionError("%s counted, %s wanted" % (dict(counted), wanted)) from None
    # UDP that passes is judged with every packet; only what stands in the case must be exact.
    relevant = {key: count for key, count in counted.items() if key in wanted or key[0] != "allow"}
    assert relevant == wanted
    check_events(scene, case, {key: count for key, count in wanted.items() if key[0] != "allow"})


def check_events(scene, case, wanted):
    """An event for each denial, and none besides."""
    found = []

    def complete():
        found.extend(scene.telemetry.events("denied", "would_deny"))
        return len(found) >= sum(wanted.values())
    wait_until(complete, 1, "events")
    types = {"denied": "deny", "would_deny": "would_deny"}
    assert wanted == collections.Counter((types[event["type"]], event["reason"], event["hook"],
                                          event["protocol"]) for event in found)
    for event in found:
        assert event["source"].get("pod") == case.ends["source"]
        assert event["destination"].get("pod") == case.ends["destination"]
        if case.ends["port"]:
            assert event["destination"]["port"] == case.ends["port"]


@pytest.mark.parametrize("name", CASES)
def test_reason(scene, name):
    check(scene, CASES[name])


def request(*fields, method="GET /", version="HTTP/1.1", host="Host: shop\r\n"):
    return "%s %s\r\n%s%s\r\n" % (method, version, host, "".join(one + "\r\n" for one in fields))


# What is said on a connection that HTTP rules judge, and why it is refused. The rule allows any path
# and method; a CONNECT must be named by a rule.
REQUESTS = {
    "no_http_rule": request(method="CONNECT shop:80", host="Host: shop:80\r\n"),
    "ambiguous_path": request(method="GET /a/../b"),
    "http_request_line": "\r\n" + cases.REQUEST,
    "http_version": request(version="HTTP/1.2"),
    "http_field": request("X-Folded: a", " b"),
    "http_head_size": request("X-Long: " + "x" * 16384),
    "http_content_length": request("Content-Length: 1", "Content-Length: 1"),
    "http_transfer_encoding": request("Transfer-Encoding: gzip, chunked"),
    "http_chunk": request("Transfer-Encoding: chunked") + "0x1\r\n",
    "http_host": request(host=""),
    "http_upgrade": request("Connection: upgrade", "Upgrade: h2c"),
    "http2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls": "\x16\x03\x01\x00\x75\x01\x00",
}
# A client of these protocols could not read a 403.
RESET = {"http2", "tls"}


@pytest.mark.parametrize("reason", REQUESTS)
def test_requests_are_refused(scene, reason):
    before = len(scene.mesh.received("shop"))
    check(scene, Case(call("friend", "shop", WEB, say=REQUESTS[reason]),
                      {"ECONNRESET"} if reason in RESET else {"403"},
                      {(A, "http", "connect", "tcp"): 1, (A, "http", "to_pod", "tcp"): 1,
                       (D, reason, "to_pod", "tcp"): 1},
                      ends("friend", "shop", WEB)))
    read = collections.Counter()
    for one in scene.mesh.received("shop")[before:]:
        read[one["peer_port"]] += one.get("bytes", 0)
    # Of a long head segments pass until it is too long: never its end.
    most = 16384 if reason == "http_head_size" else 0
    assert len(read) == TIMES and max(read.values()) <= most


W = "would_deny"
PERMISSIVE = {
    "no_rule": Case(call("stranger", "lenient", OPEN), {"ok"},
                    {(W, "no_rule", "connect", "tcp"): 1, (W, "no_rule", "to_pod", "tcp"): 1},
                    ends("stranger", "lenient", OPEN)),
    "unknown_source": Case(call("outside", "lenient", OPEN), {"ok"},
                           {(W, "unknown_source", "to_pod", "tcp"): 1}, ends(None, "lenient", OPEN)),
    "remote_host": Case(call("node-b", "lenient", OPEN), {"ok"},
                        {(W, "remote_host", "to_pod", "tcp"): 1}, ends(None, "lenient", OPEN)),
    "no HTTP": Case(call("friend", "lenient", WEB), {"ok"},
                    {(A, "http", "connect", "tcp"): 1, (A, "http", "to_pod", "tcp"): 1,
                     (W, "http_request_line", "to_pod", "tcp"): 1},
                    ends("friend", "lenient", WEB)),
    "no_http_rule": Case(call("friend", "lenient", WEB, say=request(method="CONNECT a:1")), {"ok"},
                         {(A, "http", "connect", "tcp"): 1, (A, "http", "to_pod", "tcp"): 1,
                          (W, "no_http_rule", "to_pod", "tcp"): 1},
                         ends("friend", "lenient", WEB)),
    "udp": Case(call("stranger", "lenient", OPEN, proto="udp"), {"ok"},
                {(W, "no_rule", "to_pod", "udp"): 1},
                ends("stranger", "lenient", OPEN)),
    "udp from outside": Case(call("outside", "lenient", OPEN, proto="udp"), {"ok"},
                             {(W, "unknown_source", "to_pod", "udp"): 1}, ends(None, "lenient", OPEN)),
}


@pytest.mark.parametrize("name", PERMISSIVE)
def test_permissive_lets_pass_and_counts(scene, name):
    before = len(scene.mesh.received("lenient"))
    check(scene, PERMISSIVE[name])
    arrived = [one for one in scene.mesh.received("lenient")[before:]
               if one["event"] in ("accept", "datagram")]
    assert len(arrived) == TIMES


@pytest.mark.parametrize("reason, build, protocol", (
    ("ip_protocol", sctp, "other"), ("tcp_fragment", tcp_pieces, "tcp"),
    ("udp_fragment", later_piece, "udp")), ids=lambda value: value if isinstance(value, str) else "")
def test_permissive_takes_what_cannot_be_judged(scene, reason, build, protocol):
    packets = []
    scene.observed()
    count = len(build("10.0.0.1", "10.0.0.2", 1))
    check(scene, Case(lambda _: packets.extend(scene.frames("friend", build, to="lenient")), None,
                      {(W, reason, "to_pod", protocol): count}, ends("friend", "lenient")))
    frames = scene.observed()
    assert all(any(is_packet(frame, packet, False) for frame in frames) for packet in packets)


def test_a_spoofed_packet_disappears_in_permissive_mode_too(scene):
    check(scene, Case(lambda _: scene.call("stranger", pod_address(scene, "lenient"), OPEN, hooked=False,
                                           claim=pod_address(scene, "friend")),
                      {"silence"}, {(D, "spoofed_source", "from_pod", "tcp"): 1},
                      ends("friend", "lenient", OPEN)))


def test_foreign_frames_on_a_bridge(scene):
    """Another pod's packets, which a bridge may flood, and what is neither IP nor ARP."""
    check(scene, Case(lambda _: scene.frames("stranger", udp_to(OPEN), to="plain", mac="shop"), None,
                      {(D, "other_destination", "to_pod", "udp"): 1}, ends("stranger", "plain", OPEN)))
    check(scene, Case(lambda _: scene.frames("stranger", lambda *_: [b"weft" * 20], kind=0x88b5,
                                             mac="shop"), None,
                      {(D, "ethertype", "from_pod", "other"): 1}, ends(None, None)))


def test_a_pod_whose_address_is_not_published(scene):
    """It is held to its addresses, and it has none yet."""
    # Its neighbours must be known: otherwise it would get no further than asking for them.
    scene.mesh.exec("late", "ping", "-c1", pod_address(scene, "shop"), namespace="shop")
    name, document = scene.mesh.manifest("Pod", "late", "shop")
    unpublished = dict(document, status={**document["status"], "podIP": None, "podIPs": []})
    scene.mesh.write_manifest(name, unpublished)
    # Else it may cut an attempt that is still being made: ECONNABORTED instead of silence.
    scene.mesh.wait_for_sweep("node-a")
    check(scene, Case(lambda _: scene.call("late", pod_address(scene, "shop"), OPEN, hooked=False,
                                           claim=pod_address(scene, "late")),
                      {"silence"}, {(D, "no_address", "from_pod", "tcp"): 1}, ends(None, "shop", OPEN)))
    scene.mesh.write_manifest(name, document)
    check(scene, Case(call("late", "shop", OPEN), {"EACCES"}, {(D, "no_rule", "connect", "tcp"): 1},
                      ends("late", "shop", OPEN)))

# SPDX-License-Identifier: Apache-2.0
"""Attacks of a pod whose root may do anything in its own network namespace. What counts is what
the victim's server recorded."""
import itertools
import json
import os
import pathlib
import struct
import subprocess
import textwrap
import time

import pytest

import attacker as forge
from mesh import HERE, PYTHON, Mesh, wait_until

OPEN, CLOSED = 7001, 7002  # ports of the victim: `friend` may call the first one
NODE_PORT = 30001
QUIET_S = 0.3  # long enough for a packet to arrive that should not

CLUSTER = """
apiVersion: v1
kind: Node
metadata: {name: node-a}
---
apiVersion: v1
kind: Node
metadata: {name: node-b}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {weft.dev/mesh: enforce}}
---
apiVersion: v1
kind: Namespace
metadata: {name: evil}
---
apiVersion: v1
kind: Namespace
metadata: {name: late}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: {name: tcp, namespace: shop}
spec: {matches: {ports: [7001]}}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: UDPRoute
metadata: {name: udp, namespace: shop}
spec: {matches: {ports: [7001]}}
---
apiVersion: access.smi-spec.io/v1alpha3
kind: TrafficTarget
metadata: {name: friends, namespace: shop}
spec:
  destination: {kind: ServiceAccount, name: victim}
  sources: [{kind: ServiceAccount, name: friend, namespace: evil}]
  rules: [{kind: TCPRoute, name: tcp}, {kind: UDPRoute, name: udp}]
"""
POD = """---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  nodeName: %s
  serviceAccountName: %s
  terminationGracePeriodSeconds: 0
  containers: [{name: main, command: %s}]
"""
# Answers a datagram "<name> <seconds>" after that time; writes down the names.
SLOW_SERVER = textwrap.dedent("""
    import socket, sys, time
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", 7001))
    while True:
        data, peer = sock.recvfrom(1000)
        name, delay = data.decode().split()
        with open(sys.argv[1], "a", encoding="utf-8") as file:
            file.write(name + "\\n")
        time.sleep(float(delay))
        sock.sendto(data, peer)
    """)


def manifests(mesh):
    """The victim, a friend that it expects, attackers on both nodes, and a slow server."""
    idle = '["sleep", "infinity"]'
    server = mesh.server_command("victim", *["%s:%d" % pair for pair in
                                             itertools.product(("tcp", "udp"), (OPEN, CLOSED))])
    slow = json.dumps([PYTHON, "-c", SLOW_SERVER, mesh.folder.name + "/slow"])
    return CLUSTER + "".join(POD % row for row in (
        ("victim", "shop", "node-a", "victim", server),
        ("friend", "evil", "node-a", "friend", idle),
        ("mallory", "evil", "node-a", "mallory", idle),
        ("oscar", "evil", "node-a", "mallory", idle),
        ("trudy", "evil", "node-b", "mallory", idle),
        ("late", "late", "node-a", "late", slow),
    ))


class Scene:
    """The mesh and everybody's addresses."""

    def __init__(self, mesh):
        self.mesh = mesh
        status = mesh.status()
        self.pods = {pod["name"]: pod for pod in status["pods"]}
        self.nodes = {node["name"]: node for node in status["nodes"]}
        self.mac = {name: self._mac(pod) for name, pod in self.pods.items()}
        self._port = itertools.count(20000)

    @staticmethod
    def inside(pod, *command):
        return ["nsenter", "--net=" + pod["netns"], *command]

    def _mac(self, pod):
        link = json.loads(subprocess.run(self.inside(pod, "ip", "-j", "link", "show", "eth0"), check=True,
                                         capture_output=True, text=True).stdout)[0]
        return bytes.fromhex(link["address"].replace(":", ""))

    def address(self, name, six=False):
        return self.pods[name]["addresses"][six]

    def port(self):
        """A source port that no other packet of this module has."""
        return next(self._port)

    def frame(self, sender, packet, kind=None, tags=(), to="victim"):
        kind = kind or (forge.IPV6 if packet[0] >> 4 == 6 else forge.IPV4)
        return {"frame": forge.ethernet(self.mac[to], self.mac[sender], kind, packet, tags).hex()}

    def inject(self, sender, frames):
        """Sends frames from within the pod's namespace, past the hooks at sockets."""
        subprocess.run(self.inside(self.pods[sender], PYTHON, str(HERE / "attacker.py"), "eth0"),
                       input=json.dumps(frames) + "\n", text=True, check=True, timeout=20,
                       stdout=subprocess.DEVNULL)

    def peers(self, port=None):
        """(peer, its port) of all that the victim recorded."""
        return {(one["peer"], one["peer_port"]) for one in self.mesh.received("victim")
                if port is None or one["port"] == port}

    def arrives(self, sender, frames, source, port, via=None):
        """Did any of the frames reach the victim's application?"""
        self.inject(sender, frames)
        time.sleep(QUIET_S)
        return (source, port) in self.peers(via)

    def call(self, pod, proto, address, port):
        """A probe from the namespace of a pod, past the hooks at sockets."""
        probe = [{"proto": proto, "address": address, "port": port, "timeout": 0.5}]
        done = subprocess.run(self.inside(self.pods[pod], PYTHON, str(HERE / "probe.py")), text=True,
                              input=json.dumps(probe), capture_output=True, check=True, timeout=20)
        return json.loads(done.stdout)[0]


@pytest.fixture(scope="module")
def scene():
    with Mesh("bridge") as mesh:
        yield Scene(mesh.up(manifests(mesh)))


def datagram(scene, sender, dport=OPEN, six=False, port=None, source=None):
    """A UDP packet to the victim, and its source port."""
    port = port or scene.port()
    src, dst = source or scene.address(sender, six), scene.address("victim", six)
    return forge.ip(src, dst, 17, forge.udp(src, dst, port, dport, b"attack")), port


@pytest.mark.parametrize("six", (False, True))
def test_friends_get_in_and_nobody_else(scene, six):
    """The means of all other tests work: such a frame of a friend does arrive."""
    packet, port = datagram(scene, "friend", six=six)
    assert scene.arrives("friend", [scene.frame("friend", packet)], scene.address("friend", six), port)
    packet, port = datagram(scene, "mallory", six=six)
    assert not scene.arrives("mallory", [scene.frame("mallory", packet)], scene.address("mallory", six), port)
    packet, port = datagram(scene, "mallory", six=six, source=scene.address("friend", six))
    assert not scene.arrives("mallory", [scene.frame("mallory", packet)], scene.address("friend", six), port)


def wrapped(scene, sender, dport, six):
    """Ways to say the same datagram or SYN so that a careless reader does not see it."""
    src, dst = scene.address(sender, six), scene.address("victim", six)
    port = scene.port()
    pieces = {17: forge.udp(src, dst, port, dport, b"attack--" * 4), 6: forge.tcp(src, dst, port, dport)}
    for proto, segment in pieces.items():
        plain = forge.ip(src, dst, proto, segment)
        kind = forge.IPV6 if six else forge.IPV4
        yield scene.frame(sender, plain)
        for tags in ([(forge.VLAN, 0)], [(forge.VLAN, 7)], [(forge.QINQ, 0), (forge.VLAN, 0)],
                     [(forge.VLAN, 0)] * 3):
            yield scene.frame(sender, plain, tags=tags)
        yield scene.frame(sender, forge.ip(src, dst, 41 if six else 4, plain))
        yield scene.frame(sender, forge.ip(src, dst, 47, struct.pack("!HH", 0, kind) + plain))
        if six:
            padding = bytes([1, 4, 0, 0, 0, 0])
            for number in (0, 60):
                yield scene.frame(sender, forge.ip(src, dst, number, bytes([proto, 0]) + padding + segment))
            yield scene.frame(sender, forge.ip(src, dst, 43, bytes([proto, 0, 4, 0, 0, 0, 0, 0]) + segment))
            yield scene.frame(sender, forge.ip(src, dst, 44, forge.fragment6(proto, segment)))
            # The upper layer only in the second fragment.
            options = bytes([proto, 0]) + padding
            yield scene.frame(sender, forge.ip(src, dst, 44, forge.fragment6(60, options, more=True, number=port)))
            yield scene.frame(sender, forge.ip(src, dst, 44, forge.fragment6(60, segment, 8, number=port)))
        else:
            yield scene.frame(sender, forge.ip(src, dst, proto, segment, options=b"\1" * 8))
            yield scene.frame(sender, forge.ip(src, dst, proto, segment, 0x8000))
        cut = 8 if proto == 17 else 16
        for first, second in (((0, cut), (cut, 99)), ((cut, 99), (0, cut))):
            for start, end in (first, second):
                yield scene.frame(sender, piece(src, dst, proto, segment, start, end, port))
    for flags in (forge.SYN | forge.FIN, forge.SYN | forge.RST, forge.SYN | forge.FIN | 0x28):
        yield scene.frame(sender, forge.ip(src, dst, 6, forge.tcp(src, dst, port, dport, flags)))
    yield scene.frame(sender, forge.ip(src, dst, 136, forge.udp(src, dst, port, dport, b"lite", 136)))


def piece(src, dst, proto, segment, start, end, number):
    more = end < len(segment)
    if ":" in src:
        return forge.ip(src, dst, 44, forge.fragment6(proto, segment[start:end], start, more, number))
    return forge.ip(src, dst, proto, segment[start:end], start // 8 | more << 13, number & 0xffff)


@pytest.mark.parametrize("six", (False, True))
@pytest.mark.parametrize("sender, dport", (("mallory", OPEN), ("friend", CLOSED)))
def test_no_wrapping_gets_past(scene, sender, dport, six):
    before = len(scene.mesh.received("victim"))
    scene.inject(sender, list(wrapped(scene, sender, dport, six)))
    time.sleep(QUIET_S)
    assert scene.mesh.received("victim")[before:] == []


@pytest.mark.parametrize("six", (False, True))
def test_a_granted_fragment_lends_its_grant_to_no_other(scene, six):
    """First fragments: one that may pass, then one to another port with the same number, which
    neither passes itself nor takes the tail with it."""
    src, dst = scene.address("friend", six), scene.address("victim", six)
    good, bad = scene.port(), scene.port()
    payload = b"x" * 64
    allowed = forge.udp(src, dst, good, OPEN, payload)
    refused = forge.udp(src, dst, bad, CLOSED, payload)
    frames = [piece(src, dst, 17, allowed, 0, 32, 77), piece(src, dst, 17, refused, 0, 32, 77),
              piece(src, dst, 17, refused, 32, 99, 77), piece(src, dst, 17, refused, 0, 32, 77)]
    before = len(scene.mesh.received("victim"))
    scene.inject("friend", [scene.frame("friend", one) for one in frames])
    time.sleep(QUIET_S)
    assert scene.mesh.received("victim")[before:] == []


def test_neighbours_are_not_fooled(scene):
    """ARP and neighbour advertisements that claim the friend's address for the attacker."""
    mine, victim = scene.mac["mallory"], scene.pods["victim"]
    friend4, friend6 = (forge.packed(scene.address("friend", six)) for six in (False, True))
    arp = struct.pack("!HHBBH", 1, forge.IPV4, 6, 4, 2) + mine + friend4 + \
        scene.mac["victim"] + forge.packed(scene.address("victim"))
    frames = [scene.frame("mallory", arp, forge.ARP), scene.frame("mallory", arp, forge.ARP, [(forge.VLAN, 0)])]
    for source in (scene.address("friend", True), scene.address("mallory", True), "fe80::1234"):
        advert = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + friend6 + bytes([2, 1]) + mine
        total = forge.checksum(forge.pseudo(source, scene.address("victim", True), 58, len(advert)) + advert)
        advert = advert[:2] + struct.pack("!H", total) + advert[4:]
        packet = bytearray(forge.ip(source, scene.address("victim", True), 58, advert))
        packet[7] = 255
        frames.append(scene.frame("mallory", bytes(packet)))
    scene.mesh.exec("friend", "ping", "-c1", "-W1", scene.address("victim"), namespace="evil")
    scene.mesh.exec("friend", "ping", "-c1", "-W1", scene.address("victim", True), namespace="evil")
    scene.inject("mallory", frames)
    time.sleep(QUIET_S)
    table = json.loads(subprocess.run(scene.inside(victim, "ip", "-j", "neigh"), check=True,
                                      capture_output=True, text=True).stdout)
    known = {one["dst"]: one.get("lladdr") for one in table}
    for six in (False, True):
        assert bytes.fromhex(known[scene.address("friend", six)].replace(":", "")) == scene.mac["friend"]


def without_offload(scene, pod):
    """The pod's host-side interface computes no checksums."""
    link = json.loads(subprocess.run(scene.inside(scene.pods[pod], "ip", "-j", "link", "show", "eth0"),
                                     check=True, capture_output=True, text=True).stdout)[0]
    links = json.loads(scene.mesh.on_node("node-a", "ip", "-j", "link"))
    name = next(one["ifname"] for one in links if one["ifindex"] == link["link_index"])
    scene.mesh.on_node("node-a", "ethtool", "-K", name, "tx", "off")


def with_checksum(build, start, place, wanted):
    """Bytes of build(n) for an n with which the checksum from `start` on is `wanted`, and the
    header that has the kernel store it at `place`; both from the start of the frame."""
    for number in range(0x10000):
        packet = build(number)
        if forge.checksum(packet[start - 14:]) == wanted:
            return packet, struct.pack("<BBHHHH", 1, 0, 0, 0, start, place - start).hex()
    raise AssertionError("no such number")


def test_checksums_do_not_rewrite_ports(scene):
    """The checksum that is due is to be stored over the port, after it was judged."""
    without_offload(scene, "victim")
    src, dst, port = scene.address("friend"), scene.address("victim"), scene.port()

    def build(number):
        return forge.ip(src, dst, 17, struct.pack("!HHHHH", port, OPEN, 28, 0, number) + b"x" * 18)

    packet, vnet = with_checksum(build, 34, 36, CLOSED)
    frame = {**scene.frame("friend", packet), "vnet": vnet}
    assert not scene.arrives("friend", [frame], src, port)
    # With its checksum in its place the same packet is an ordinary one.
    total = forge.checksum(forge.pseudo(src, dst, 17, 28)) ^ 0xffff
    packet = packet[:26] + struct.pack("!H", total) + packet[28:]
    frame = {**scene.frame("friend", packet), "vnet": struct.pack("<BBHHHH", 1, 0, 0, 0, 34, 6).hex()}
    assert scene.arrives("friend", [frame], src, port, OPEN)


def test_checksums_do_not_make_a_syn(scene):
    """What leaves as a segment of an open connection, which is not judged, arrives as a SYN."""
    without_offload(scene, "victim")
    src, dst, port = scene.address("mallory"), scene.address("victim"), scene.port()

    def build(number):
        head = struct.pack("!HHIIBBHHH", port, CLOSED, 1000, 0, 0x50, forge.ACK, 65535, 0, 0)
        return forge.ip(src, dst, 6, head + struct.pack("!H", number) + b"xx")

    packet, vnet = with_checksum(build, 34, 46, 0x5002)
    count = [*scene.inside(scene.pods["victim"]), "awk", "/^Tcp: [0-9]/ {print $11}", "/proc/net/snmp"]
    before = subprocess.run(count, check=True, capture_output=True, text=True).stdout
    scene.inject("mallory", [{**scene.frame("mallory", packet), "vnet": vnet}])
    time.sleep(QUIET_S)
    assert subprocess.run(count, check=True, capture_output=True, text=True).stdout == before


COOKIE_CLIENT = """
import json, socket, struct, sys
sys.path.insert(0, %(here)r)
import attacker as forge
src, dst, port = %(src)r, %(dst)r, %(port)d
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(forge.IPV4))
sock.bind(("eth0", forge.IPV4))
send = lambda *rest, **more: sock.send(bytes.fromhex(%(macs)r) + struct.pack("!H", forge.IPV4) + forge.ip(
    src, dst, 6, forge.tcp(src, dst, port, 7001, *rest, **more)))
send(forge.SYN)
while True:
    frame = sock.recv(2000)
    if frame[23] == 6 and frame[36:38] == struct.pack("!H", port) and frame[47] == forge.SYN | forge.ACK:
        break
print("cookie", flush=True)
sys.stdin.readline()
send(forge.ACK, 1001, struct.unpack("!I", frame[38:42])[0] + 1)
print("sent", flush=True)
sys.stdin.readline()
"""


def test_a_cookie_does_not_outlive_the_permission(scene):
    """A server that uses SYN cookies has no trace of a handshake that its client leaves open; the
    client completes it after it lost its permission."""
    victim, port = scene.pods["victim"], scene.port()
    target = next(part for part in CLUSTER.split("---\n") if "TrafficTarget" in part)
    subprocess.run(scene.inside(victim, "sysctl", "-qw", "net.ipv4.tcp_syncookies=2"), check=True)
    # The attacker's kernel knows nothing of the connection and would reset it.
    mute = "table ip mute { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }"
    subprocess.run(scene.inside(scene.pods["friend"], "nft", mute), check=True)
    script = COOKIE_CLIENT % {"here": str(HERE), "src": scene.address("friend"), "port": port,
                              "dst": scene.address("victim"),
                              "macs": (scene.mac["victim"] + scene.mac["friend"]).hex()}
    held = scene.inside(victim, "ss", "-Htn", "state", "established", "dport", "=", ":%d" % port)
    with subprocess.Popen(scene.inside(scene.pods["friend"], PYTHON, "-c", script), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout.readline() == "cookie\n"
        scene.mesh.delete(target)
        try:
            time.sleep(1)
            client.stdin.write("\n")
            client.stdin.flush()
            assert client.stdout.readline() == "sent\n"
            wait_until(lambda: (scene.address("friend"), port) in scene.peers(OPEN), 1, "the connection")
            wait_until(lambda: not subprocess.run(held, check=True, capture_output=True).stdout, 1, "the cut")
        finally:
            client.stdin.close()
            scene.mesh.apply(target)
            subprocess.run(scene.inside(scene.pods["friend"], "nft", "delete table ip mute"), check=True)


NODE_PORT_RULES = """table ip weft_test {
  chain before {
    type nat hook prerouting priority -100
    tcp dport %(port)d dnat to %(victim)s:%(closed)d
    udp dport %(port)d dnat to %(victim)s:%(closed)d
  }
  chain after {
    type nat hook postrouting priority 100
    ct status dnat masquerade
  }
}
"""


def test_a_node_port_does_not_lend_the_nodes_identity(scene):
    """What kube-proxy does to a node port: the packet arrives from the node's own address."""
    rules = pathlib.Path(scene.mesh.folder.name, "rules")
    rules.write_text(NODE_PORT_RULES % {"port": NODE_PORT, "victim": scene.address("victim"),
                                        "closed": CLOSED}, encoding="utf-8")
    scene.mesh.on_node("node-a", "nft", "-f", str(rules))
    before = len(scene.mesh.received("victim"))
    try:
        for pod, proto in itertools.product(("mallory", "trudy", "friend"), ("tcp", "udp")):
            result = scene.call(pod, proto, scene.nodes["node-a"]["addresses"][0], NODE_PORT)
            assert not result["ok"], (pod, proto)
    finally:
        scene.mesh.on_node("node-a", "nft", "delete", "table", "ip", "weft_test")
    assert scene.mesh.received("victim")[before:] == []
    # The node itself is welcome, as ever.
    probe = json.dumps([{"proto": "tcp", "address": scene.address("victim"), "port": CLOSED}])
    assert json.loads(scene.mesh.run("node", "node-a", "--", PYTHON, str(HERE / "probe.py"), text=probe))[0]["ok"]


def test_a_nodes_overlay_unpacks_nothing_of_pods(scene):
    """An overlay network's port on the node, which would unpack a packet from any address."""
    node = scene.nodes["node-a"]
    scene.mesh.on_node("node-a", "ip", "link", "add", "vx", "type", "vxlan", "id", "1", "dstport", "8472",
                       "local", node["addresses"][0], "nolearning")
    scene.mesh.on_node("node-a", "ip", "link", "set", "vx", "up")
    try:
        link = json.loads(scene.mesh.on_node("node-a", "ip", "-j", "link", "show", "vx"))[0]
        packet, port = datagram(scene, "mallory", source=scene.address("friend"))
        inner = forge.ethernet(bytes.fromhex(link["address"].replace(":", "")), scene.mac["mallory"],
                               forge.IPV4, packet)
        script = "import socket, sys\n" \
                 "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
                 "sock.sendto(bytes.fromhex(sys.argv[1]), (sys.argv[2], 8472))"
        tunnelled = (struct.pack("!II", 1 << 27, 1 << 8) + inner).hex()
        gateway = scene.address("mallory").rsplit(".", 1)[0] + ".1"
        for pod, towards in itertools.product(("mallory", "trudy"), (node["addresses"][0], gateway)):
            subprocess.run(scene.inside(scene.pods[pod], PYTHON, "-c", script, tunnelled, towards), check=True)
        time.sleep(QUIET_S)
        assert (scene.address("friend"), port) not in scene.peers()
    finally:
        scene.mesh.on_node("node-a", "ip", "link", "del", "vx")


def test_an_answer_after_enrolment_opens_no_door(scene):
    """A client that has a question open while the server's pod is enrolled."""
    seen = pathlib.Path(scene.mesh.folder.name, "slow")
    script = "import socket, sys\n" \
             "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
             "for line in sys.stdin: sock.sendto(line.encode(), ('%s', 7001))" % scene.address("late")
    with subprocess.Popen(scene.inside(scene.pods["trudy"], PYTHON, "-uc", script), text=True,
                          stdin=subprocess.PIPE) as client:
        def ask(name, seconds):
            client.stdin.write("%s %s\n" % (name, seconds))
            client.stdin.flush()

        ask("first", 1.5)
        wait_until(seen.exists, what="the first question's arrival")
        scene.mesh.apply("apiVersion: v1\nkind: Namespace\n"
                         "metadata: {name: late, labels: {weft.dev/mesh: enforce}}\n")
        time.sleep(1.7)
        ask("second", 0)
        time.sleep(QUIET_S)
        client.stdin.close()
    assert seen.read_text(encoding="utf-8").split() == ["first"]


def test_a_pod_without_an_object_stays_held_to_its_addresses(scene):
    """Deleted by force, its object is gone at once, but its processes run on."""
    folder = pathlib.Path(scene.nodes["node-a"]["manifests"])
    file, kept = folder / "pod_evil_oscar.yaml", folder / ".oscar"
    packet, port = datagram(scene, "oscar", source=scene.address("friend"))
    frame = scene.frame("oscar", packet)
    os.rename(file, kept)
    try:
        wait_until(lambda: "oscar" not in scene.mesh.get("node-a", "/v1/status"), what="the pod's end")
        assert not scene.arrives("oscar", [frame], scene.address("friend"), port)
        verified = scene.mesh.weft("node-a", "verify")
        assert verified.returncode == 0, verified
        # The next agent knows of it as well.
        scene.mesh.agent("node-a", "stop")
        scene.mesh.agent("node-a", "start")
        assert not scene.arrives("oscar", [frame], scene.address("friend"), port)
    finally:
        os.rename(kept, file)
    wait_until(lambda: "oscar" in scene.mesh.get("node-a", "/v1/status"), what="the pod's return")

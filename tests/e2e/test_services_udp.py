# SPDX-License-Identifier: Apache-2.0
"""Sockets that keep talking: which endpoint a UDP exchange keeps, and which peer a socket shows."""
import json

import pytest

from balance import BalanceMesh, allow_all, both, client, namespace, node, service, split, spread, text
from mesh import HERE, PYTHON

LISTENERS = ["%s:%d" % (proto, port) for proto in ("tcp", "udp") for port in (7000, 7001)]
SERVERS = ("s0", "s1", "s2", "s3")
KINDS = [({"udp": True}, "connected"), ({"unconnected": True}, "unconnected")]


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with BalanceMesh() as mesh:
        yield mesh.start(
            node("a"), node("b"), namespace("shop", "enforce"), allow_all(),
            client("near", "a"), client("far", "b"),
            [mesh.server(name, "ab"[i % 2], LISTENERS, {"app": "shop"})
             for i, name in enumerate(SERVERS)],
            service("web", {"app": "shop"}, both(80, 7000)),
            service("twin", {"app": "shop"}, both(80, 7001)),
            service("b0", {"pod": "s0"}, both(80, 7001)),
            service("b1", {"pod": "s1"}, both(80, 7001)))


class Sockets:
    """udp_sockets.py in a pod: sockets that stay open between two questions."""

    def __init__(self, mesh, pod):
        self.process = mesh.popen(pod, PYTHON, HERE / "udp_sockets.py", namespace="shop",
                                  stdin=-1, stdout=-1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.mark.parametrize("family, mapped", [(4, False), (6, False), (4, True)],
                         ids=["v4", "v6", "mapped"])
@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS], ids=[name for _, name in KINDS])
def test_exchange_keeps_its_endpoint_and_sockets_spread(mesh, kind, family, mapped):
    """2,000 sockets with 10 datagrams each: every answer from the socket's first endpoint and
    from the cluster IP; sockets are balanced."""
    vip = mesh.vip("web", family)
    before = mesh.counted("udp")
    result = mesh.call("near", vip, 80, count=2000, datagrams=10, mapped=mapped, **kind)
    after = mesh.counted("udp")
    assert (result["failures"], result["moved"]) == ({}, 0)
    assert result["peers"] == {vip + ":80": 2000}
    shares = spread({"all": 1}, {"all": [name + ":7000" for name in SERVERS]})
    mesh.check_chi_square(result["servers"], shares, "udp sockets %s v%d" % (kind, family))
    assert {name: after[name] - before[name] for name in shares} == \
        {name: 10 * result["servers"][name] for name in shares}


@pytest.mark.parametrize("family, mapped", [(4, False), (6, False), (4, True)],
                         ids=["v4", "v6", "mapped"])
def test_one_unconnected_socket_talks_to_many(mesh, family, mapped):
    """Each destination keeps its own endpoint, and each answer shows its own source, whatever was
    sent in between - by cluster IP or to a pod directly."""
    web, twin, pod = mesh.vip("web", family), mesh.vip("twin", family), mesh.pod_ip("s2", family)
    with Sockets(mesh, "far") as sockets:
        for number in range(8):
            first = {}
            for _ in range(6):
                for address, port in ((web, 80), (twin, 80), (pod, 7000)):
                    answer = sockets.ask(socket=number, to=[address, port], mapped=mapped)
                    assert answer["from"] == [address, port], answer
                    assert first.setdefault(address, answer["server"]) == answer["server"]
            assert first[web].endswith(":7000") and first[twin].endswith(":7001")
            assert first[pod] == "s2:7000"


@pytest.mark.parametrize("family", [4, 6])
def test_connected_socket_shows_the_cluster_ip(mesh, family):
    """getpeername, the sender of every answer, and again after connecting elsewhere."""
    vip, twin, pod = mesh.vip("web", family), mesh.vip("twin", family), mesh.pod_ip("s1", family)
    with Sockets(mesh, "near") as sockets:
        for address, port in ((vip, 80), (pod, 7000), (twin, 80), (vip, 80)):
            answers = [sockets.ask(socket=1, connect=[address, port] if i == 0 else None)
                       for i in range(5)]
            for answer in answers:
                assert (answer["from"], answer["peer"]) == ([address, port], [address, port])
                assert answer["server"] == answers[0]["server"]


@pytest.mark.parametrize("family", [4, 6])
def test_exchange_moves_on_when_its_endpoint_gets_nothing_any_more(mesh, family):
    mesh.apply(text(split("split", "web", [("b0", 1), ("b1", 1)])))
    vip = mesh.vip("web", family)
    with Sockets(mesh, "near") as sockets:
        first = [sockets.ask(socket=i, to=[vip, 80])["server"] for i in range(40)]
        assert set(first) == {"s0:7001", "s1:7001"}
        mesh.apply(text(split("split", "web", [("b0", 99), ("b1", 1)])))
        again = [sockets.ask(socket=i, to=[vip, 80])["server"] for i in range(40)]
        assert again == first, "a weight that is not zero ends no exchange"
        connected = [sockets.ask(socket=100 + i, connect=[vip, 80])["server"] for i in range(20)]
        mesh.apply(text(split("split", "web", [("b0", 1), ("b1", 0)])))
        # a connected socket keeps its endpoint for as long as it stays connected
        assert [sockets.ask(socket=100 + i)["server"] for i in range(20)] == connected
        assert sockets.ask(socket=100, connect=[vip, 80])["server"] == "s0:7001"
        for i in range(40):
            answer = sockets.ask(socket=i, to=[vip, 80])
            assert (answer["server"], answer["from"]) == ("s0:7001", [vip, 80])
        mesh.apply(text(split("split", "web", [("b0", 0)])))
        assert sockets.ask(socket=0, to=[vip, 80]) == {"errno": "ECONNREFUSED"}
    mesh.delete(text(split("split", "web", [])))


def test_tcp_shows_the_cluster_ip(mesh):
    """Also through a v4-mapped socket; 500 connections of each kind."""
    for source in ("near", "far"):
        for family, mapped in ((4, False), (6, False), (4, True)):
            vip = mesh.vip("web", family)
            result = mesh.call(source, vip, 80, count=500, mapped=mapped)
            assert (result["failures"], result["peers"]) == ({}, {vip + ":80": 500})

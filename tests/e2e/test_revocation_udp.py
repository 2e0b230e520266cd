# SPDX-License-Identifier: Apache-2.0
"""Revocation of UDP: not one more datagram once the change is in force, whoever goes on sending;
other exchanges go on, and new permissions work at once."""
import itertools
import time

import pytest

import verdict_cases as cases
from binding_cases import binding
from callers import Callers
from mesh import Mesh, wait_until
from verdict_run import WAYS

PORT, KEPT, ASKED = 7001, 7002, 7005
UDP_WAYS = [way for way in WAYS if way.proto == "udp"]
PLACES = ("client-a", "client-b")
SERVER = cases.account_ref("shop", "server")
WITHIN_S = 1.0


def pods(team="red"):
    return [cases.pod(place, "shop", "client", "node-" + place[-1], ["sleep", "infinity"],
                      labels={"team": team}) for place in PLACES]


def revocable(ports=(PORT,)):
    return [cases.route("UDPRoute", "revocable", "shop", ports),
            cases.target("revocable", "shop", SERVER, [cases.account_ref("shop", "client")],
                         [("UDPRoute", "revocable")])]


def team():
    return [binding("team", "shop", {"podLabelSelector": {"matchLabels": {"team": "red"}}}),
            cases.route("UDPRoute", "team", "shop", [PORT]),
            cases.target("team", "shop", SERVER, [{"kind": "IdentityBinding", "name": "team"}],
                         [("UDPRoute", "team")], "v1alpha4")]


def shop(mode):
    return [cases.namespace_object("shop", {"weft.dev/mesh": mode})]


def cluster():
    yield from map(cases.node, cases.NODES)
    yield from shop("enforce")
    yield from pods()
    yield cases.pod("server", "shop", "server", "node-a", ["sleep", "infinity"])
    yield cases.route("UDPRoute", "kept", "shop", [KEPT])
    yield cases.target("kept", "shop", SERVER, [cases.account_ref("shop", "client")],
                       [("UDPRoute", "kept")])


class Scene:
    def __init__(self, mesh, callers):
        self.mesh, self.callers = mesh, callers
        self.ports = itertools.count(20000)
        self.program("server").call(serve=[PORT, KEPT], stubborn=True)
        for place in PLACES:
            self.program(place).call(serve=[ASKED], stubborn=True)

    def program(self, place):
        return self.callers.get(place, program="datagrams.py")

    def stream(self):
        """Starts streams of every way from every place to both ports; {name of a stream at the
        receiver: port}."""
        keys = {}
        for place in PLACES:
            streams = [{"name": str(way), "port": port, "mapped": way.mapped,
                        "connected": way.connected, "from": next(self.ports),
                        "address": self.callers.address("server", way.six)}
                       for port, way in itertools.product((PORT, KEPT), UDP_WAYS)]
            self.program(place).call(send=streams)
            keys.update({"%d %d" % (one["port"], one["from"]): one["port"] for one in streams})
        return keys

    def last(self):
        """{key: Unix time of the last datagram}"""
        return {key: when for key, (_, when) in
                self.program("server").call(report=True)["received"].items()}

    def close(self):
        for place in PLACES + ("server",):
            self.program(place).call(close=True)


@pytest.fixture(scope="module", params=["bridge", "routed"])
def scene(request):
    with Mesh(request.param) as mesh:
        mesh.up(cases.as_list(list(cluster())))
        with Callers(mesh) as callers:
            yield Scene(mesh, callers)


def apply(scene, objects, verb="apply"):
    getattr(scene.mesh, verb)(cases.as_list(objects))


def check(scene, before, after, verb="apply", readmit=True):
    scene.close()
    apply(scene, before)
    keys = scene.stream()
    wait_until(lambda: not keys.keys() - scene.last().keys(), 2, "arrival of every stream")
    apply(scene, after, verb)
    done = time.time()
    time.sleep(0.5)
    last = scene.last()
    late = {key: last[key] - done for key, port in keys.items() if port == PORT and last[key] > done}
    assert not late, "datagrams after the change: %s" % late
    dead = {key: last[key] - done for key, port in keys.items()
            if port == KEPT and last[key] < done + 0.3}
    assert not dead, "streams that should go on: %s" % dead
    refused = {int(port) for place in PLACES
               for port in scene.program(place).call(report=True)["refused"]}
    unaware = {key for key, port in keys.items() if port == PORT} - {
        "%d %d" % (PORT, port) for port in refused}
    assert not unaware, "senders that were never told: %s" % unaware
    if readmit:
        # The same sockets go on sending.
        apply(scene, before)
        begin = scene.mesh.changed() - time.monotonic() + time.time()
        time.sleep(max(0, begin + WITHIN_S - time.time()))
        last = scene.last()
        gone = [key for key in keys if last[key] < begin]
        assert not gone, "streams that should have come back: %s" % gone


def test_target_deleted(scene):
    check(scene, revocable(), revocable()[1:], "delete")


def test_ports_of_the_route_edited(scene):
    check(scene, revocable(), revocable((7003,)))
    apply(scene, revocable()[1:], "delete")


def test_label_changed(scene):
    check(scene, [*team(), *pods("red")], pods("blue"))


def test_binding_deleted(scene):
    check(scene, team(), team()[:1], "delete")
    apply(scene, team()[2:], "delete")


@pytest.mark.parametrize("mode", ("disabled", "permissive"))
def test_enforced_from_now_on(scene, mode):
    check(scene, shop(mode), shop("enforce"))


@pytest.mark.parametrize("connected", (True, False))
def test_answers_stop_with_the_right_to_ask(scene, connected):
    """The server calls the clients, which answer, and go on when it may not call them any more -
    nor may they call it."""
    rule = [cases.route("UDPRoute", "asked", "shop", [ASKED]),
            cases.target("asked", "shop", cases.account_ref("shop", "client"), [SERVER],
                         [("UDPRoute", "asked")])]
    scene.close()
    apply(scene, [*shop("enforce"), *rule])
    streams = [{"name": "", "port": ASKED, "from": next(scene.ports), "connected": connected,
                "address": scene.callers.address(place, six), "mapped": False}
               for place, six in itertools.product(PLACES, (False, True))]
    keys = {"%d %d" % (one["from"], ASKED) for one in streams}
    scene.program("server").call(send=streams)
    wait_until(lambda: not keys - scene.last().keys(), 2, "arrival of every answer")
    apply(scene, rule[1:], "delete")
    done = time.time()
    time.sleep(0.5)
    late = {key: when - done for key, when in scene.last().items() if key in keys and when > done}
    assert not late, "answers after the change: %s" % late

# SPDX-License-Identifier: Apache-2.0
"""Connections that a change of mode or of a weft.dev annotation judges for the first time, or
anew: those that no L4 rule allows are cut at both ends, the others go on."""
import time

import pytest

import verdict_cases as cases
from callers import Callers
from connections import OUTBOUND, PORT, Scene
from mesh import Mesh
from test_revocation import SERVER, account, server, shop

ALLOWED = ("client-a", "client-b")
# No rule at all; the world; another node. Only one for HTTP: cut as well, but they may reconnect.
STRANGERS = ("stranger-a", "stranger-b", "outside", "node-b")
BROWSERS = ("browser-a", "browser-b")
LOCAL = "node-a"


def cluster():
    yield from map(cases.node, cases.NODES)
    yield from (shop(), server())
    for name in ALLOWED + BROWSERS + ("stranger-a", "stranger-b", "keeper-a"):
        yield cases.pod(name, "shop", name[:-2], "node-" + name[-1], ["sleep", "infinity"])
    yield cases.route("TCPRoute", "clients", "shop", [PORT])
    yield cases.target("clients", "shop", SERVER, [account("client")], [("TCPRoute", "clients")])
    yield cases.http_group("browsers", "shop")
    yield cases.target("browsers", "shop", SERVER, [account("browser")],
                       [("HTTPRouteGroup", "browsers")])
    yield cases.route("TCPRoute", "outbound", "shop", [OUTBOUND])
    yield cases.target("outbound", "shop", account("keeper"), [SERVER], [("TCPRoute", "outbound")])


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        mesh.up(cases.as_list(list(cluster())))
        with Callers(mesh) as callers:
            yield Scene(mesh, callers)


def check(scene, enter, leave, cut, alive, judged=()):
    """enter() makes the state in which all may connect, leave() the one in which `cut` may not, and
    HTTP rules judge what `judged` say; it may return since when, if not since the manifests changed."""
    enter()
    scene.close()
    for place in (*cut, *judged, *alive):
        scene.open(place, PORT)
    scene.open("server", OUTBOUND, to="keeper-a")
    begin = leave() or scene.mesh.changed()
    done = time.monotonic()
    for place in cut:
        scene.refused(place, PORT)
    for place in (*cut, *judged):
        scene.check_cut(place, PORT, begin)
    for place in judged:
        scene.judged(place, PORT)
    for place in alive:
        scene.check_alive(place, PORT, done)
    outbound = [one for name, one in scene.live("server").call(report=True).items()
                if " %d " % OUTBOUND in name]
    assert outbound and not any(one["cut"] for one in outbound), outbound


def apply(scene, *objects):
    return lambda: scene.mesh.apply(cases.as_list(list(objects)))


def test_namespace_enrolled(scene):
    check(scene, apply(scene, shop("disabled")), apply(scene, shop()), STRANGERS, (*ALLOWED, LOCAL), BROWSERS)


def test_permissive_becomes_enforce(scene):
    check(scene, apply(scene, shop("permissive")), apply(scene, shop()), STRANGERS, (*ALLOWED, LOCAL), BROWSERS)


def test_pod_is_no_longer_exempt(scene):
    check(scene, apply(scene, shop(), server(**{"weft.dev/mesh": "disabled"})),
          apply(scene, server()), STRANGERS, (*ALLOWED, LOCAL), BROWSERS)


def test_external_sources_are_shut_out(scene):
    check(scene, apply(scene, shop(**{"weft.dev/external": "allow"})), apply(scene, shop()),
          ("outside",), (*ALLOWED, LOCAL))


def test_external_sources_are_shut_out_of_a_pod(scene):
    check(scene, apply(scene, server(**{"weft.dev/external": "allow"})), apply(scene, server()),
          ("outside",), (*ALLOWED, LOCAL))


def test_other_nodes_are_shut_out(scene):
    check(scene, apply(scene, shop(**{"weft.dev/hosts": "cluster"})), apply(scene, shop()),
          ("node-b",), (*ALLOWED, LOCAL))


def test_weft_installed_under_traffic(scene):
    """The connections are older than every program of weft, so nobody recorded who opened them."""
    def uninstall():
        for node in cases.NODES:
            scene.mesh.agent(node, "stop")
            assert scene.mesh.weft(node, "detach").returncode == 0

    def install():
        scene.mesh.agent("node-b", "start")
        begin = time.monotonic()
        scene.mesh.agent("node-a", "start")
        return begin
    check(scene, uninstall, install, STRANGERS, (*ALLOWED, LOCAL), BROWSERS)

# SPDX-License-Identifier: Apache-2.0
"""Revocation of live TCP connections: cut at both ends within a second, no socket left; what is
still allowed goes on undisturbed; what becomes allowed works within a second."""
import itertools
import time

import pytest

import verdict_cases as cases
from binding_cases import binding
from callers import Callers
from connections import KEPT, OUTBOUND, PORT, Scene
from mesh import Mesh

CLIENTS, MEMBERS, KEEPERS = (("%s-a" % name, "%s-b" % name) for name in ("client", "member", "keeper"))
SERVER = cases.account_ref("shop", "server")


def account(name):
    return cases.account_ref("shop", name)


def shop(mode="enforce", **annotations):
    return cases.namespace_object("shop", {"weft.dev/mesh": mode}, annotations)


def server(**annotations):
    return cases.pod("server", "shop", "server", "node-a", ["sleep", "infinity"],
                     annotations=annotations)


def members(team="red"):
    """Pods whose right to call hangs on a label."""
    return [cases.pod(name, "shop", "member", "node-" + name[-1], ["sleep", "infinity"],
                      labels={"team": team}) for name in MEMBERS]


def revocable(ports=(PORT,), names=("client",), kind="TCPRoute"):
    """The rule that most tests revoke."""
    route = cases.route("TCPRoute", "revocable", "shop", ports) if kind == "TCPRoute" else \
        cases.http_group("revocable", "shop")
    return [route, cases.target("revocable", "shop", SERVER, [account(name) for name in names],
                                [(kind, "revocable")])]


def team(color="red"):
    """The rule that members have by their label."""
    return [binding("team", "shop", {"podLabelSelector": {"matchLabels": {"team": color}}}),
            cases.route("TCPRoute", "team", "shop", [PORT]),
            cases.target("team", "shop", SERVER, [{"kind": "IdentityBinding", "name": "team"}],
                         [("TCPRoute", "team")], "v1alpha4")]


def cluster():
    yield from map(cases.node, cases.NODES)
    yield from (shop(), server(), *members(), *revocable(), *team())
    for name in CLIENTS + KEEPERS:
        yield cases.pod(name, "shop", name[:-2], "node-" + name[-1], ["sleep", "infinity"])
    # Clients and members keep one port whatever happens to the other, keepers keep both.
    yield cases.route("TCPRoute", "kept", "shop", [KEPT])
    yield cases.route("TCPRoute", "both", "shop", [PORT, KEPT])
    yield cases.target("kept", "shop", SERVER, [account("client"), account("member")],
                       [("TCPRoute", "kept")])
    yield cases.target("keepers", "shop", SERVER, [account("keeper")], [("TCPRoute", "both")])
    # The server's own calls are none of this business.
    yield cases.route("TCPRoute", "outbound", "shop", [OUTBOUND])
    yield cases.target("outbound", "shop", account("keeper"), [SERVER], [("TCPRoute", "outbound")])


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        mesh.up(cases.as_list(list(cluster())))
        with Callers(mesh) as callers:
            yield Scene(mesh, callers)


def change(scene, objects, verb="apply"):
    """When the change arrived."""
    getattr(scene.mesh, verb)(cases.as_list(objects))
    return scene.mesh.changed()


def check(scene, before, after, cut, verb="apply", alive=(), readmit=True, http=False):
    """From the objects `before` to `after`: connections of the places `cut` on PORT are cut. `http`: HTTP
    rules judge what is said on new ones."""
    if before:
        change(scene, before)
    kept = {(place, KEPT) for place in CLIENTS + MEMBERS} | {
        (place, port) for place in KEEPERS for port in (PORT, KEPT)}
    kept |= {(place, PORT) for place in alive}
    scene.close()
    for place, port in sorted(kept | {(place, PORT) for place in cut}):
        scene.open(place, port)
    scene.open("server", OUTBOUND, to="keeper-a")
    begin = change(scene, after, verb)
    done = time.monotonic()
    for place in () if http else cut:
        scene.refused(place, PORT)
    for place in cut:
        scene.check_cut(place, PORT, begin)
    for place in cut if http else ():
        scene.judged(place, PORT)
    for place, port in kept:
        scene.check_alive(place, port, done)
    outbound = [one for name, one in scene.live("server").call(report=True).items()
                if " %d " % OUTBOUND in name]
    assert outbound and not any(one["cut"] for one in outbound)
    if readmit:
        begin = change(scene, before or list(cluster()))
        for place in cut:
            scene.admitted(place, PORT, begin)


def test_target_deleted(scene):
    check(scene, revocable(), revocable()[1:], CLIENTS, verb="delete")


def test_ports_of_the_route_edited(scene):
    check(scene, revocable(), revocable(ports=(KEPT, 7003)), CLIENTS)


def test_route_deleted(scene):
    check(scene, revocable(), revocable()[:1], CLIENTS, verb="delete")


def test_source_taken_out(scene):
    check(scene, revocable(names=("client", "member")), revocable(names=("member",)), CLIENTS)


def test_only_http_left(scene):
    check(scene, revocable(), revocable(kind="HTTPRouteGroup"), CLIENTS, http=True)


def test_label_of_the_pods_changed(scene):
    check(scene, members("red"), members("blue"), MEMBERS, alive=CLIENTS)


def test_selector_of_the_binding_changed(scene):
    check(scene, team("red"), team("green"), MEMBERS, alive=CLIENTS)


def test_binding_deleted(scene):
    check(scene, team(), team()[:1], MEMBERS, verb="delete", alive=CLIENTS)

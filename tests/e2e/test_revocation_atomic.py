# SPDX-License-Identifier: Apache-2.0
"""Objects are edited back and forth, two hundred times: who is allowed before and after never
fails in between, neither with new calls nor with live connections."""
import copy
import json
import time

import pytest

import verdict_cases as cases
from binding_cases import binding
from callers import Callers
from connections import PORT, Scene
from mesh import Mesh
from telemetry import Telemetry

EDITS, PAUSE_S = 200, 0.015
STEADY = ("always-a", "always-b")
CALLED, UDP = 7006, 7003
SERVER = cases.account_ref("shop", "server")
BOUND = {"kind": "IdentityBinding", "name": "bound"}


def shop(mode):
    return cases.namespace_object("shop", {"weft.dev/mesh": mode})


def target(sources):
    return cases.target("edited", "shop", SERVER, [cases.account_ref("shop", name) for name in sources],
                        [("TCPRoute", "edited"), ("UDPRoute", "edited")])


def tcp_route(ports):
    return cases.route("TCPRoute", "edited", "shop", ports)


def steady_pod(name, labels):
    return cases.pod(name, "shop", "always", "node-" + name[-1], ["sleep", "infinity"], labels=labels)


def bound(selected):
    return binding("bound", "shop", {"podLabelSelector": {"matchLabels": {"app": selected}}})


def cluster(mesh):
    yield from map(cases.node, cases.NODES)
    yield from (shop("enforce"), target(["always", "one"]), tcp_route([PORT, CALLED]), bound("nobody"))
    yield cases.route("UDPRoute", "edited", "shop", [UDP])
    for name in STEADY:
        yield steady_pod(name, {"app": "always"})
    for name in ("one", "other", "nobody", "keeper-a"):
        yield cases.pod(name, "shop", name, "node-a", ["sleep", "infinity"])
    yield cases.pod("server", "shop", "server", "node-a",
                    json.loads(mesh.server_command("server", "udp:%d" % UDP, "tcp:%d" % CALLED)),
                    labels={"app": "server"})
    # The binding makes classes of identities, as a source and as a destination.
    yield cases.route("TCPRoute", "elsewhere", "shop", [7009])
    for name, destination, source in (("bound-source", SERVER, BOUND),
                                      ("bound-destination", BOUND, cases.account_ref("shop", "one"))):
        yield cases.target(name, "shop", destination, [source], [("TCPRoute", "elsewhere")], "v1alpha4")


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        mesh.up(cases.as_list(list(cluster(mesh))))
        with Callers(mesh) as callers:
            yield Scene(mesh, callers)


def calls(scene):
    return [dict(proto=proto, address=scene.callers.address("server", six), port=port,
                 connected=six) for proto, port in (("tcp", CALLED), ("udp", UDP))
            for six in (False, True)]


def edit(scene, versions):
    """Replaces the published object by each version in turn, without waiting for anybody."""
    one = versions[0]
    meta = one["metadata"]
    name, published = scene.mesh.manifest(one["kind"], meta["name"], meta.get("namespace"))
    full = []
    for version in versions:
        document = copy.deepcopy(published)
        document["metadata"].update(version["metadata"])
        if one["kind"] not in ("Pod", "Namespace"):
            document["spec"] = version["spec"]
        full.append(document)
    place = scene.mesh.manifests_folder()
    begin = time.monotonic()
    for number in range(EDITS):
        temporary = place / ("." + name + ".tmp")
        temporary.write_text(json.dumps(full[number % len(full)]), encoding="utf-8")
        temporary.rename(place / name)
        time.sleep(max(0, begin + (number + 1) * PAUSE_S - time.monotonic()))


def check(scene, versions, changing=()):
    """The steady callers never fail; each of the `changing` both fails and succeeds."""
    scene.close()
    for place in STEADY:
        scene.open(place, PORT, kinds=("idle", "busy"))
    applied = reconciles(scene)
    seconds = EDITS * PAUSE_S + 0.5
    for place in STEADY:
        scene.callers.get(place, program="steady.py").ask(seconds=seconds, targets=calls(scene))
    for place in changing:
        scene.callers.get(place, program="steady.py").ask(seconds=seconds, targets=calls(scene)[:1])
    edit(scene, versions)
    answers = {place: scene.callers.get(place, program="steady.py").answer()
               for place in (*STEADY, *changing)}
    done = time.monotonic()
    for place in STEADY:
        assert answers[place]["failures"] == {}, place
        assert answers[place]["ok"] > EDITS, place
        scene.check_alive(place, PORT, done)
    for place in changing:
        assert answers[place]["ok"] and answers[place]["failures"], place
    # The changes did happen, not all of them at once in the end.
    assert all(after - before > EDITS // 4 for before, after in zip(applied, reconciles(scene)))


def reconciles(scene):
    telemetry = Telemetry(scene.mesh)
    return [telemetry.value(node, "weft_agent_reconciles_total") for node in cases.NODES]


def test_sources_of_a_target(scene):
    check(scene, [target(["always", "one"]), target(["other", "always"])], ("one", "other"))


def test_ports_of_a_route(scene):
    check(scene, [tcp_route([PORT, 7008, CALLED]), tcp_route([7009, CALLED, PORT]), tcp_route([])])


def test_a_binding_that_takes_the_caller_in_and_out(scene):
    check(scene, [bound("always"), bound("nobody")])


def test_a_binding_that_takes_the_destination_in_and_out(scene):
    check(scene, [bound("server"), bound("nobody")])


def test_a_label_that_takes_the_caller_in_and_out(scene):
    scene.mesh.apply(cases.as_list([bound("always")]))
    check(scene, [steady_pod("always-b", {"app": "stray"}), steady_pod("always-b", {"app": "always"})])


@pytest.mark.parametrize("mode", ("permissive", "disabled"))
def test_mode_of_the_namespace(scene, mode):
    check(scene, [shop(mode), shop("enforce")], ("nobody",))

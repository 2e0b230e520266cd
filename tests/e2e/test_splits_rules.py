# SPDX-License-Identifier: Apache-2.0
"""What a TrafficSplit means where its backends are unusual, and where it does not apply."""
import contextlib

import pytest

from balance import (RESPONDER, BalanceMesh, allow_all, both, client, namespace, node, service, split,
                     spread, text)
from mesh import wait_until

LISTENERS = ["%s:%d" % (proto, port) for proto in ("tcp", "udp") for port in (7000, 7001, 7002, 7003)]
LATE_PORT = 6998  # nobody listens there until a test does
OWN = {"root": ["s0:7000", "s1:7000"], "other": ["s2:7002"], "b0": ["s0:7001"], "b1": ["s1:7001"],
       "b2": ["s2:7001"], "late": ["late:7003"]}


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with BalanceMesh() as mesh:
        objects = [
            node("a"), node("b"), namespace("shop", "enforce"), namespace("bare", "disabled"),
            namespace("lab", "permissive"), allow_all("lab"), client("near", "a"), client("far", "b"),
            client("visitor", "b", "lab"), client("stranger", "a", "bare"),
            client("leaver", "a", annotations={"weft.dev/mesh": "disabled"}),
            mesh.server("s0", "a", LISTENERS, {"app": "shop"}),
            mesh.server("s1", "b", LISTENERS, {"app": "shop"}),
            mesh.server("s2", "b", LISTENERS, {"app": "other"}),
            service("root", {"app": "shop"}, both(80, 7000)),
            service("other", {"app": "other"}, both(80, 7002)),
            [service("b%d" % i, {"pod": "s%d" % i}, both(80, 7001)) for i in range(3)],
            service("late", {"pod": "late"}, both(80, 7003)),
            service("nobody", {"pod": "none"}, both(80, 7000)),
            service("headless", {"app": "shop"}, both(80, 7000), clusterIP="None"),
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias", "namespace": "shop"},
             "spec": {"type": "ExternalName", "externalName": "example.org", "ports": [{"port": 80}]}},
        ]
        yield mesh.start(*objects)


@pytest.fixture(name="splits")
def fixture_splits(mesh):
    """Applies splits; they are gone after the test."""
    applied = []

    def apply(*splits):
        applied.extend(splits)
        mesh.apply(text(*splits))
    yield apply
    if applied:
        mesh.delete(text(*{one["metadata"]["name"]: one for one in applied}.values()))


def test_root_as_a_backend_means_its_own_endpoints(mesh, splits):
    splits(split("split", "root", [("root", 80), ("b2", 20)], "v1alpha2"))
    mesh.check_shares("near", "root", spread({"root": 80, "b2": 20}, OWN))
    assert mesh.findings("a", "split") == {}


def test_backend_that_is_split_itself_means_its_own_endpoints(mesh, splits):
    splits(split("first", "root", [("other", 1), ("b0", 3)]),
           split("second", "other", [("b1", 1), ("root", 2)]))
    mesh.check_shares("far", "root", spread({"other": 1, "b0": 3}, OWN))
    mesh.check_shares("near", "other", spread({"b1": 1, "root": 2}, OWN), calls=5000, family=6)


def test_backend_listed_twice_gets_the_sum(mesh, splits):
    splits(split("split", "root", [("b0", 1), ("b1", 1), ("b0", 1)]))
    mesh.check_shares("near", "root", spread({"b0": 2, "b1": 1}, OWN), calls=5000)
    assert mesh.findings("a", "split") == {"DuplicateBackend": "spec.backends[2].service"}


def test_share_of_a_backend_without_ready_endpoints_goes_to_the_others(mesh, splits):
    mesh.apply(text(mesh.server("late", "a", LISTENERS, ready_port=LATE_PORT)))
    mesh.learn()
    splits(split("split", "root", [("late", 50), ("b1", 30), ("b2", 10), ("nobody", 10)], "v1alpha3"))
    assert not mesh.pods["late"]["ready"]
    mesh.check_shares("far", "root", spread({"b1": 30, "b2": 10}, OWN))
    # becoming ready is enough to get the share back
    opener = mesh.popen("late", RESPONDER, mesh.folder.name + "/opener", "tcp:%d" % LATE_PORT,
                        namespace="shop")
    try:
        wait_until(lambda: mesh.pod("late", "shop")["ready"], 10, "the late pod ready")
        mesh.run("wait")
        mesh.check_shares("near", "root", spread({"late": 50, "b1": 30, "b2": 10}, OWN), calls=5000)
    finally:
        opener.kill()
        opener.wait()


def test_backend_that_does_not_exist_is_ignored(mesh, splits):
    splits(split("split", "root", [("ghost", 90), ("b0", 1), ("b1", 4)]))
    mesh.check_shares("near", "root", spread({"b0": 1, "b1": 4}, OWN), family=6)
    assert mesh.findings("b", "split") == {"MissingBackend": "spec.backends[0].service"}
    # it may come later, without touching the split
    ghost = service("ghost", {"app": "other"}, both(80, 7002))
    mesh.apply(text(ghost))
    try:
        mesh.check_shares("near", "root", spread({"ghost": 90, "b0": 1, "b1": 4},
                                                 {**OWN, "ghost": ["s2:7002"]}), calls=5000, family=6)
        assert mesh.findings("b", "split") == {}
    finally:
        mesh.delete(text(ghost))


def test_external_name_backend_is_ignored(mesh, splits):
    splits(split("split", "root", [("alias", 9), ("b0", 1)]))
    mesh.check_shares("near", "root", {"s0:7001": 1}, calls=500)
    assert set(mesh.findings("a", "split")) == {"ExternalNameBackend"}


def test_weights_that_are_all_zero_refuse(mesh, splits):
    splits(split("split", "root", [("b0", 0), ("root", "0m")], "v1alpha1"))
    for source, family in (("near", 4), ("far", 6)):
        mesh.check_refused(source, mesh.vip("root", family), 80)
    mesh.check_refused("near", mesh.vip("root", 4), 80, calls=10, kinds=(
        {"mapped": True}, {"udp": True, "mapped": True}, {"unconnected": True, "mapped": True}))
    assert mesh.findings("a", "split")["NoWeight"] == "spec.backends"


def test_only_backends_without_endpoints_refuse(mesh, splits):
    splits(split("split", "root", [("nobody", 1), ("ghost", 1), ("b0", 0)]))
    for source, family in (("near", 6), ("far", 4)):
        mesh.check_refused(source, mesh.vip("root", family), 80)
    found = mesh.findings("a", "split")
    assert found["NoUsableBackend"] == "spec.backends"
    assert found["MissingBackend"] == "spec.backends[1].service"
    rows = mesh.weft_json("a", "get", "splits")[1]
    assert {row["endpoint"] for row in rows} == {"none: refused"}
    answer = mesh.weft_json("a", "explain", "shop/near", "svc/shop/root", "80")[1]
    assert (answer["endpoints"], answer["split"]) == ([], "shop/split")
    assert answer["refused"]["reason"] == answer["kernel_refused"]["reason"] == "no_endpoint"


def test_the_older_of_two_splits_wins(mesh, splits):
    splits(split("newer", "root", [("b0", 1)], creationTimestamp="2024-05-01T00:00:02Z"),
           split("older", "root", [("b1", 1)], creationTimestamp="2024-05-01T00:00:01Z"))
    mesh.check_shares("near", "root", {"s1:7001": 1}, calls=2000)
    assert mesh.findings("a", "newer") == {"DuplicateSplit": "spec.service"}
    assert mesh.findings("a", "older") == {}
    # as old: the first by name
    splits(split("newer", "root", [("b0", 1)], creationTimestamp="2024-05-01T00:00:01Z"))
    mesh.check_shares("far", "root", {"s0:7001": 1}, calls=2000, family=6)
    assert mesh.findings("b", "older") == {"DuplicateSplit": "spec.service"}
    # without the winner the other is in force
    mesh.delete(text(split("newer", "root", [])))
    mesh.check_shares("near", "root", {"s1:7001": 1}, calls=2000)
    assert mesh.findings("a", "older") == {}
    mesh.apply(text(split("newer", "root", [("b0", 1)], creationTimestamp="2024-05-01T00:00:01Z")))


def test_headless_root_cannot_be_split(mesh, splits):
    splits(split("split", "headless", [("b2", 1)]))
    assert mesh.findings("a", "split") == {"NoClusterIP": "spec.service"}
    for pod in ("s0", "s1"):
        result = mesh.call("near", mesh.pod_ip(pod, 4), 7000, count=200)
        assert (result["servers"], result["failures"]) == ({pod + ":7000": 200}, {})


def test_headless_service_as_a_backend_serves_its_endpoints(mesh, splits):
    splits(split("split", "other", [("headless", 1), ("b2", 1)]))
    mesh.check_shares("near", "other", spread({"headless": 1, "b2": 1}, {**OWN, "headless": OWN["root"]}),
                      calls=5000)


def test_addresses_of_pods_are_not_split(mesh, splits):
    splits(split("split", "root", [("b2", 1)]))
    for pod, family, how in (("s0", 4, {}), ("s1", 6, {}), ("s1", 4, {"mapped": True}),
                             ("s0", 4, {"udp": True}), ("s1", 6, {"unconnected": True})):
        address = mesh.pod_ip(pod, family)
        result = mesh.call("near", address, 7000, count=200, **how)
        assert (result["servers"], result["failures"]) == ({pod + ":7000": 200}, {})
        assert result["peers"] == {address + ":7000": 200}


def test_backends_are_reachable_under_their_own_names(mesh, splits):
    splits(split("split", "root", [("b0", 0), ("b1", 1)]))
    for backend, server in (("b0", "s0:7001"), ("b1", "s1:7001")):
        mesh.check_shares("far", backend, {server: 1}, calls=500, table="services")
        mesh.check_shares("near", backend, {server: 1}, calls=500, table="services", family=6)


@pytest.mark.parametrize("source", ["stranger", "leaver"])
def test_client_without_mesh_is_not_split(mesh, splits, source):
    """Its calls to the cluster IP are the cluster's own service proxy's: there is none here."""
    splits(split("split", "root", [("b0", 1), ("b1", 1)]))
    before = mesh.counted("tcp"), mesh.counted("udp")
    for family in (4, 6):
        for kind in ({}, {"udp": True}, {"unconnected": True}):
            result = mesh.call(source, mesh.vip("root", family), 80, count=3, concurrency=3,
                               timeout_ms=300, **kind)
            assert result["servers"] == {} and sum(result["failures"].values()) == 3
    assert (mesh.counted("tcp"), mesh.counted("udp")) == before
    answer = mesh.weft_json("a", "explain", "%s/%s" % (mesh.pods[source]["namespace"], source),
                            "svc/shop/root", "80")[1]
    assert answer["endpoints"] == [] and "no meshed pod" in answer["note"]


def test_client_of_a_permissive_namespace_is_split(mesh, splits):
    splits(split("split", "root", [("b0", 1), ("b2", 3)]))
    mesh.check_shares("visitor", "root", spread({"b0": 1, "b2": 3}, OWN), calls=5000)
    mesh.check_refused("visitor", mesh.vip("nobody", 6), 80, calls=10)


def test_processes_of_the_node_are_not_split(mesh, splits):
    splits(split("split", "root", [("b0", 1), ("b1", 1)]))
    before = mesh.counted("tcp")
    output = mesh.on_node("a", "sh", "-c", "timeout 1 nc -w 1 %s 80 </dev/null || echo failed"
                          % mesh.vip("root", 4))
    assert output == "failed\n"
    assert mesh.counted("tcp") == before


def test_split_of_a_missing_root_waits_for_it(mesh, splits):
    splits(split("split", "later", [("b0", 1), ("b1", 2)]))
    assert mesh.findings("a", "split") == {"MissingService": "spec.service"}
    root = service("later", {"app": "other"}, both(80, 7002))
    mesh.apply(text(root))
    mesh.learn()
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: mesh.delete(text(root)))
        mesh.check_shares("near", "later", spread({"b0": 1, "b1": 2}, OWN), calls=5000)
        assert mesh.findings("a", "split") == {}

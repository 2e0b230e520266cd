# SPDX-License-Identifier: Apache-2.0
"""Ports of splits: each on its own, by number, with the backend's own targetPort."""
import pytest

from balance import BalanceMesh, allow_all, both, client, namespace, node, service, split, spread, text

LISTENERS = ["%s:%d" % (proto, port) for proto in ("tcp", "udp")
             for port in (7001, 7002, 7080, 7090, 8080, 8081, 9090)]


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with BalanceMesh() as mesh:
        mesh.start(
            node("a"), node("b"), namespace("shop", "enforce"), allow_all(),
            client("near", "a"), client("far", "b"),
            mesh.server("s0", "a", LISTENERS, {"web": "yes"}, ports=[("web", 7001), ("admin", 7080)]),
            mesh.server("s1", "b", LISTENERS, {"web": "yes"}, ports=[("web", 7002)]),
            mesh.server("s2", "b", LISTENERS),
            # the example of the specification
            service("birds", {"pod": "s0"}, [*both(8080, 8080), *both(9090, 9090)]),
            service("blue-birds", {"pod": "s1"}, [*both(8080, 8080), *both(9090, 9090)]),
            service("green-birds", {"pod": "s2"}, [*both(8080, 8081), *both(9090, 9090)]),
            # has only one of the ports
            service("grey-birds", {"pod": "s0"}, [(1024, 7080), (9090, 7090)]),
            # the same number, but another protocol, or another address family
            service("mute-birds", {"pod": "s0"}, [(8080, 7080, "UDP", "")]),
            service("old-birds", {"pod": "s0"}, both(8080, 7090), ipFamilies=["IPv4"],
                    ipFamilyPolicy="SingleStack"),
            # one name, another number on each pod; and a name that only one pod has
            service("web", {"web": "yes"}, [(8080, "web")]),
            service("admin", {"web": "yes"}, [(8080, "admin"), (9090, "web")]),
            # ports match by number, whatever their names
            service("renamed", {"pod": "s2"}, [(8080, 7090, "TCP", "zzz"), (9090, 7080, "TCP", "a")]))
        yield mesh


def weights(mesh, *backends):
    mesh.apply(text(split("split", "birds", backends)))


def test_each_port_is_split_with_each_backends_target_port(mesh):
    weights(mesh, ("blue-birds", 40), ("green-birds", 60))
    mesh.check_shares("near", "birds", spread({"b": 40, "g": 60}, {"b": ["s1:8080"], "g": ["s2:8081"]}),
                      port=8080)
    mesh.check_shares("far", "birds", spread({"b": 40, "g": 60}, {"b": ["s1:9090"], "g": ["s2:9090"]}),
                      port=9090, family=6)
    assert mesh.findings("a", "split") == {}


def test_backend_without_the_port_gets_nothing(mesh):
    weights(mesh, ("grey-birds", 50), ("blue-birds", 20), ("green-birds", 30))
    mesh.check_shares("far", "birds", spread({"b": 20, "g": 30}, {"b": ["s1:8080"], "g": ["s2:8081"]}),
                      port=8080)
    mesh.check_shares("near", "birds", spread(
        {"y": 50, "b": 20, "g": 30}, {"y": ["s0:7090"], "b": ["s1:9090"], "g": ["s2:9090"]}),
        port=9090, calls=5000)
    assert mesh.findings("a", "split") == {"MissingBackendPort": "spec.backends[0].service"}


def test_only_backends_without_the_port_refuse(mesh):
    weights(mesh, ("grey-birds", 1))
    mesh.check_refused("near", mesh.vip("birds", 4), 8080)
    mesh.check_refused("far", mesh.vip("birds", 6), 8080)
    assert {"MissingBackendPort", "NoUsableBackend"} == set(mesh.findings("b", "split"))
    mesh.check_shares("near", "birds", {"s0:7090": 1}, port=9090, calls=500)


def test_protocols_are_different_ports(mesh):
    weights(mesh, ("mute-birds", 3), ("blue-birds", 1))
    mesh.check_shares("near", "birds", {"s1:8080": 1}, port=8080, calls=500)
    mesh.check_shares("near", "birds", spread({"m": 3, "b": 1}, {"m": ["s0:7080"], "b": ["s1:8080"]}),
                      port=8080, udp=True, calls=5000)


def test_address_families_are_different_ports(mesh):
    weights(mesh, ("old-birds", 3), ("blue-birds", 1))
    shares = spread({"o": 3, "b": 1}, {"o": ["s0:7090"], "b": ["s1:8080"]})
    mesh.check_shares("near", "birds", shares, port=8080, calls=5000)
    mesh.check_shares("far", "birds", {"s1:8080": 1}, port=8080, family=6, calls=500)


def test_named_target_port_is_each_pods_own_number(mesh):
    weights(mesh, ("web", 75), ("green-birds", 25))
    mesh.check_shares("far", "birds", spread(
        {"w": 75, "g": 25}, {"w": ["s0:7001", "s1:7002"], "g": ["s2:8081"]}), port=8080)


def test_pod_without_the_named_port_is_no_endpoint(mesh):
    weights(mesh, ("admin", 1))
    mesh.check_shares("near", "birds", {"s0:7080": 1}, port=8080, calls=500)
    mesh.check_shares("near", "birds", spread({"a": 1}, {"a": ["s0:7001", "s1:7002"]}),
                      port=9090, family=6, calls=5000)


def test_ports_match_by_number_not_by_name(mesh):
    weights(mesh, ("renamed", 1), ("birds", 1))
    mesh.check_shares("far", "birds", spread({"r": 1, "b": 1}, {"r": ["s2:7090"], "b": ["s0:8080"]}),
                      port=8080, calls=5000)
    mesh.check_shares("far", "birds", spread({"r": 1, "b": 1}, {"r": ["s2:7080"], "b": ["s0:9090"]}),
                      port=9090, calls=5000)

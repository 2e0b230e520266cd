# SPDX-License-Identifier: Apache-2.0
"""Splits and services where pods are routed, not bridged."""
import pytest

from balance import BalanceMesh, allow_all, both, client, namespace, node, service, split, spread, text

LISTENERS = ["%s:%d" % (proto, port) for proto in ("tcp", "udp") for port in (7000, 7001)]
OWN = {"v1": ["s0:7001", "s1:7001"], "v2": ["s2:7001"], "root": ["s0:7000", "s1:7000", "s2:7000"]}


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with BalanceMesh("routed") as mesh:
        yield mesh.start(
            node("a"), node("b"), namespace("shop", "enforce"), allow_all(),
            client("near", "a"), client("far", "b"),
            [mesh.server("s%d" % i, "aba"[i], LISTENERS,
                         {"app": "shop", "version": "v1" if i < 2 else "v2"}) for i in range(3)],
            service("root", {"app": "shop"}, both(80, 7000)),
            service("v1", {"version": "v1"}, both(80, 7001)),
            service("v2", {"version": "v2"}, both(80, 7001)))


def test_service_is_balanced(mesh):
    mesh.check_shares("far", "root", spread({"root": 1}, OWN), calls=5000, table="services", family=6)
    mesh.check_shares("near", "root", spread({"root": 1}, OWN), calls=5000, table="services",
                      unconnected=True)


def test_connections_follow_the_weights(mesh):
    mesh.apply(text(split("split", "root", [("v1", 60), ("v2", 40)])))
    shares = spread({"v1": 60, "v2": 40}, OWN)
    mesh.check_shares("near", "root", shares)
    mesh.check_shares("far", "root", shares, calls=5000, family=6)
    mesh.check_shares("far", "root", shares, calls=5000, mapped=True)
    mesh.check_shares("near", "root", shares, calls=5000, udp=True, family=6)


def test_refusals(mesh):
    mesh.check_refused("near", mesh.vip("root", 4), 81, calls=10)
    mesh.check_refused("far", mesh.vip("root", 6), 81, calls=10)
    mesh.apply(text(split("split", "root", [("v1", 0)])))
    mesh.check_refused("far", mesh.vip("root", 4), 80, calls=10)
    mesh.check_refused("near", mesh.vip("root", 6), 80, calls=10)
    mesh.delete(text(split("split", "root", [])))
    mesh.check_shares("near", "root", spread({"root": 1}, OWN), calls=500, table="services")

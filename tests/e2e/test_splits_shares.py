# SPDX-License-Identifier: Apache-2.0
"""Connections follow the weights of a TrafficSplit: 20,000 per case, counted at the servers."""
import pytest

from balance import BalanceMesh, allow_all, both, client, namespace, node, service, split, spread, text

SERVERS = ("s0", "s1", "s2", "s3")
LISTENERS = ["%s:%d" % (proto, port) for proto in ("tcp", "udp")
             for port in (*range(7000, 7010), 7010, 7020)]
# Backend b3 is s3's port 7003, b4 is s0's port 7004, ...; `wide` is every pod, `pair` is two.
ENDPOINTS = {
    **{"b%d" % i: ["s%d:%d" % (i % 4, 7000 + i)] for i in range(10)},
    "wide": ["%s:7010" % pod for pod in SERVERS],
    "pair": ["s0:7010", "s1:7010"],
}
TEN = [("b%d" % i, weight) for i, weight in enumerate((1, 2, 3, 5, 8, 13, 21, 34, 55, 89))]


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with BalanceMesh() as mesh:
        mesh.start(
            node("a"), node("b"), namespace("shop", "enforce"), allow_all(),
            client("near", "a"), client("far", "b"),
            [mesh.server(name, "ab"[i % 2], LISTENERS,
                         labels={"app": "shop", "half": "first" if i < 2 else "second"})
             for i, name in enumerate(SERVERS)],
            service("root", {"app": "shop"}, both(80, 7020)),
            service("wide", {"app": "shop"}, both(80, 7010)),
            service("pair", {"half": "first"}, both(80, 7010)),
            [service("b%d" % i, {"pod": "s%d" % (i % 4)}, both(80, 7000 + i)) for i in range(10)])
        yield mesh


CASES = [
    # name, API version, weights, client and how it calls
    ("half-half", "v1alpha4", [("b0", 50), ("b1", 50)], "near", {}),
    ("ninety-ten", "v1alpha3", [("b0", 90), ("b1", 10)], "far", {"family": 6}),
    ("one-in-a-thousand", "v1alpha2", [("b0", 1), ("b1", 999)], "near", {"mapped": True}),
    ("zero-and-more", "v1alpha4", [("b0", 0), ("b1", 7), ("b2", 0), ("b3", 3)], "far", {}),
    ("ten-backends", "v1alpha4", TEN, "near", {"family": 6}),
    ("quantities", "v1alpha1", [("b0", "500m"), ("b1", "1500m"), ("b2", "900m")], "far", {}),
    ("quantity-and-number", "v1alpha1", [("b0", "5"), ("b1", "2500m"), ("b2", "1k")], "near", {}),
    ("many-endpoints", "v1alpha4", [("wide", 30), ("b1", 70)], "near", {}),
    ("shared-pods", "v1alpha2", [("wide", 2), ("pair", 1), ("b2", 1)], "far", {"family": 6}),
    ("udp-connected", "v1alpha4", [("b0", 70), ("b1", 30)], "far", {"udp": True}),
    ("udp-unconnected", "v1alpha3", [("b0", 1), ("b2", 2), ("b3", 5)], "near",
     {"unconnected": True, "family": 6}),
    ("udp-mapped", "v1alpha1", [("b0", "700m"), ("wide", "300m")], "far",
     {"unconnected": True, "mapped": True}),
]


def as_number(weight):
    """A Kubernetes quantity in thousandths."""
    weight = str(weight)
    if weight.endswith("m"):
        return int(weight[:-1])
    return 1000 * int(weight.replace("k", "000"))


@pytest.mark.parametrize("version, weights, source, how", [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])
def test_connections_follow_the_weights(mesh, version, weights, source, how):
    mesh.apply(text(split("split", "root", weights, version)))
    shares = spread({name: as_number(weight) for name, weight in weights}, ENDPOINTS)
    mesh.check_shares(source, "root", shares, **how)


def test_all_clients_follow_the_same_weights(mesh):
    """Both nodes and both families at once, each counted by itself."""
    mesh.apply(text(split("split", "root", [("b0", 3), ("b1", 2)])))
    shares = spread({"b0": 3, "b1": 2}, ENDPOINTS)
    loads = [mesh.load(source, mesh.vip("root", family), 80, count=5000, concurrency=4)
             for source in ("near", "far") for family in (4, 6)]
    for load in loads:
        result = load.result()
        assert result["failures"] == {}
        mesh.check_chi_square(result["servers"], shares, "four clients at once")

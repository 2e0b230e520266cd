# SPDX-License-Identifier: Apache-2.0
"""Services without a split: balanced over ready endpoints, with ClientIP affinity where asked for."""
import pytest

from balance import (BACKGROUND_PORT, BalanceMesh, allow_all, both, client, namespace, node, service,
                     split, spread, text)

LISTENERS = ["%s:%d" % (proto, port) for proto in ("tcp", "udp")
             for port in (7000, 7001, 7002, BACKGROUND_PORT)]
SERVERS = ("s0", "s1", "s2", "s3")
CLIENTS = ("c0", "c1", "c2", "c3", "c4", "c5")


def sticky(name, selector, seconds, target=7001):
    return service(name, selector, both(80, target), sessionAffinity="ClientIP",
                   sessionAffinityConfig={"clientIP": {"timeoutSeconds": seconds}})


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with BalanceMesh() as mesh:
        mesh.start(
            node("a"), node("b"), namespace("shop", "enforce"), allow_all(),
            [client(name, "ab"[i % 2]) for i, name in enumerate(CLIENTS)],
            [mesh.server(name, "ab"[i % 2], LISTENERS, {"app": "shop"})
             for i, name in enumerate(SERVERS)],
            service("web", {"app": "shop"}, both(80, 7000)),
            service("solo", {"pod": "s0"}, [(80, 7002), (90, 7000)]),
            service("duo", {"pod": "s1"}, both(80, 7002)),
            [service(name, {"pod": name}, both(80, 7002)) for name in ("s2", "s3")],
            sticky("cart", {"app": "shop"}, 10800),
            sticky("brief", {"app": "shop"}, 1, BACKGROUND_PORT),
            service("empty", {"app": "none"}, both(80, 7000)))
        # harvested by the last test; nothing else happens to this service meanwhile
        mesh.brief = mesh.load("c0", mesh.vip("brief", 4), 80, count=12, concurrency=1,
                               pause_us=1200000)
        yield mesh


def servers(port):
    return spread({"all": 1}, {"all": ["%s:%d" % (name, port) for name in SERVERS]})


@pytest.mark.parametrize("source, calls, how", [
    ("c0", 20000, {}), ("c1", 5000, {"family": 6}), ("c2", 5000, {"mapped": True}),
    ("c3", 20000, {"udp": True}), ("c4", 5000, {"unconnected": True, "family": 6}),
], ids=["tcp4", "tcp6", "tcp-mapped", "udp4", "udp6"])
def test_calls_are_balanced(mesh, source, calls, how):
    mesh.check_shares(source, "web", servers(7000), calls=calls, table="services", **how)


@pytest.mark.parametrize("family, how", [(4, {}), (6, {"udp": True}), (4, {"unconnected": True})],
                         ids=["tcp4", "udp6", "udp4"])
def test_pod_may_be_its_own_endpoint(mesh, family, how):
    mesh.check_shares("s2", "web", servers(7000), calls=5000, table="services", family=family, **how)


@pytest.mark.parametrize("family", [4, 6])
def test_unknown_port_of_a_cluster_ip_is_refused(mesh, family):
    for port in (81, 7000, 65535):
        mesh.check_refused("c0", mesh.vip("web", family), port, calls=10)
    # known, but not for this protocol
    mesh.check_refused("c1", mesh.vip("solo", family), 90, calls=10,
                       kinds=({"udp": True}, {"unconnected": True}))


@pytest.mark.parametrize("family", [4, 6])
def test_service_without_endpoints_is_refused(mesh, family):
    mesh.check_refused("c0", mesh.vip("empty", family), 80)
    mesh.check_refused("c1", mesh.vip("empty", family), 80)


def only(result, calls):
    """The one server that all calls reached."""
    assert result["failures"] == {} and list(result["servers"].values()) == [calls], result
    return list(result["servers"])[0]


@pytest.mark.parametrize("how", [{}, {"family": 6}, {"mapped": True}, {"udp": True},
                                 {"unconnected": True, "family": 6}],
                         ids=["tcp4", "tcp6", "tcp-mapped", "udp4", "udp6"])
def test_affinity_keeps_each_client_at_one_endpoint(mesh, how):
    how = dict(how)
    vip = mesh.vip("cart", how.pop("family", 4))
    first = {}
    for source in CLIENTS[:3]:
        result = mesh.call(source, vip, 80, count=200, **how)
        first[source] = only(result, 200)
        assert result["peers"] == {vip + ":80": 200}
    for source, server in first.items():
        assert only(mesh.call(source, vip, 80, count=20, **how), 20) == server
    print("affinity", how, first)


def test_affinity_moves_on_when_its_endpoint_goes(mesh):
    mesh.apply(text(mesh.server("extra", "a", LISTENERS, {"crew": "yes"}),
                    mesh.server("other", "b", LISTENERS, {"crew": "yes"}),
                    sticky("crew", {"crew": "yes"}, 10800)))
    mesh.run("wait")
    mesh.learn()
    vip = mesh.vip("crew", 4)
    before = {source: only(mesh.call(source, vip, 80, count=200), 200) for source in CLIENTS}
    victim = before[CLIENTS[0]].split(":")[0]
    mesh.delete(text(mesh.server(victim, "a", LISTENERS)))
    after = {source: only(mesh.call(source, vip, 80, count=200), 200) for source in CLIENTS}
    survivor = {"extra": "other", "other": "extra"}[victim]
    assert set(after.values()) == {survivor + ":7001"}
    # the endpoint that is still there kept its clients; a new one takes none away
    mesh.apply(text(mesh.server(victim, "a", LISTENERS, {"crew": "yes"})))
    mesh.run("wait")
    mesh.learn()
    for source in CLIENTS:
        assert only(mesh.call(source, vip, 80, count=200), 200) == survivor + ":7001"


def test_affinity_gives_way_to_a_weight_of_zero(mesh):
    """A split service with affinity: the endpoint is kept as long as it has a share at all."""
    kept = [("solo", 1), ("duo", 1)]
    mesh.apply(text(split("cart", "cart", kept)))
    vip = mesh.vip("cart", 6)
    first = only(mesh.call("c5", vip, 80, count=200), 200)
    mesh.apply(text(split("cart", "cart", [("solo", 9), ("duo", 1)])))
    assert only(mesh.call("c5", vip, 80, count=200), 200) == first
    loser = {"s0:7002": "solo", "s1:7002": "duo"}[first]
    mesh.apply(text(split("cart", "cart", [(name, int(name != loser)) for name, _ in kept])))
    second = only(mesh.call("c5", vip, 80, count=200), 200)
    assert second in ("s0:7002", "s1:7002") and second != first
    mesh.delete(text(split("cart", "cart", kept)))
    assert only(mesh.call("c5", vip, 80, count=200), 200).endswith(":7001")


def test_affinity_holds_for_threads_that_call_at_the_same_time(mesh):
    """When the kept endpoint goes, all threads of a client move to the same successor."""
    vip = mesh.vip("cart", 4)
    for weights in ([("s2", 1), ("s3", 1)], [("solo", 1), ("duo", 1)]) * 6:
        mesh.apply(text(split("cart", "cart", weights)))
        only(mesh.call("c4", vip, 80, count=300, concurrency=16), 300)
    mesh.delete(text(split("cart", "cart", [])))


def test_affinity_ends_after_its_time(mesh):
    """Calls 1.2 s apart with a time-out of 1 s: each is balanced anew. All 12 on one of four
    endpoints would be chance once in four million runs."""
    result = mesh.brief.result()
    assert result["failures"] == {} and len(result["servers"]) > 1, result

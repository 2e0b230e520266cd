# SPDX-License-Identifier: Apache-2.0
"""Maps that are too small: said where users look, nothing half done, and removals still count."""
import json
import time

import pytest

from mesh import wait_until
from robust import (CUTS, Asker, Load, assert_all_ok, cluster_of, namespace, node, pod, route,
                    service, target, text, thing, traffic)

SIZES = {"--max-addresses": 40, "--max-local-pods": 8, "--max-destinations": 6,
         "--max-policies": 30, "--max-services": 8, "--max-endpoints": 24}


@pytest.fixture(scope="module")
def cluster():
    flags = " ".join("%s=%d" % size for size in SIZES.items())
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", app="web", command=mesh.server_command(
                "web", "tcp:80", "tcp:81", "tcp:82")),
            lambda mesh: pod("other", "a", app="other", command=mesh.server_command(
                "other", "tcp:80", "tcp:81", "tcp:82")),
            pod("caller", "a"), service("web", {"app": "web"}, ("tcp", 80)),
            route("web", 80), route("p81", 81), route("p82", 82),
            target("web", "web", ["caller"], [("TCPRoute", "web")]),
            arguments=["--agent-args", flags],
    ) as made:
        made.mesh.run("wait")
        with Asker(made.mesh, "caller") as made.caller:
            yield made
        made.assert_sane()


@pytest.fixture(autouse=True)
def recovered(cluster):
    """Whatever did not fit is gone again after each test, and then everything is as it was."""
    with Load(cluster.mesh, "caller", "call", cluster.of("web", 80), pause=0.02) as steady:
        yield
        for path in cluster.manifests.glob("zz-*.yaml"):
            path.unlink()
        wait_until(lambda: cluster.status("a")["ready"], 10, "recovery")
        assert_all_ok(steady.stop())
    assert cluster.status("a").get("last_apply_error") is None
    assert not cluster.findings("a")
    cluster.assert_verified()


def metric(cluster, name):
    for line in cluster.get("a", "/metrics").splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.split()[-1])
    raise AssertionError(name)


def wait_full(cluster, name, flag):
    """Until the agent says that a map is full, in every place where users look."""
    words = ["%s is full" % name, "%d entries" % SIZES[flag], "raise " + flag]

    def error():
        return cluster.status("a").get("last_apply_error", "")
    said = wait_until(error, 5, "%s full" % name)
    assert all(word in said for word in words), said
    status = cluster.status("a")
    assert status["ready"] is False and status["applied"] is False
    assert said in status["not_ready_reason"]
    assert [one for one in cluster.findings("a")
            if one["reason"] == "ApplyFailed" and said in one["message"]]
    assert [line for line in cluster.log("a").splitlines() if "level=error" in line
            and words[0] in line]
    assert metric(cluster, "weft_agent_reconcile_errors_total") > 0
    assert metric(cluster, "weft_agent_ready") == 0
    shown = cluster.mesh.weft("a", "status").stdout
    assert words[0] in shown, shown
    fill = {one["name"]: one for one in cluster.mesh.weft_json("a", "status")[1]["maps"]}[name]
    assert fill["max_entries"] == SIZES[flag]


def many(prefix, count):
    return [prefix + "-%d" % index for index in range(count)]


def wait_answers(cluster, targets, expected, seconds=3.0):
    wait_until(lambda: set(cluster.caller.ask(targets)) <= expected, seconds,
               "%s to experience %s" % (targets, expected))


REFUSED = {"EACCES", "ECONNREFUSED"}
OK = {"ok"}


def test_too_many_policies(cluster):
    """A destination is wholly old or wholly new; one that does not fit keeps what it had."""
    p81, p82 = cluster.of("other", 81), cluster.of("other", 82)
    cluster.write("zz-other.yaml", text(target("other", "other", ["caller"],
                                               [("TCPRoute", "p81")])))
    wait_answers(cluster, p81, OK)
    # 40 ports more do not fit. Not one of them may be there.
    cluster.write("zz-other.yaml", text(route("many", *range(82, 122)), target(
        "other", "other", ["caller"], [("TCPRoute", "p81"), ("TCPRoute", "many")])))
    wait_full(cluster, "weft_policy", "--max-policies")
    assert set(cluster.caller.ask(p81)) == OK
    assert set(cluster.caller.ask(p82)) <= REFUSED
    with Load(cluster.mesh, "caller", "hold", p81) as lives:
        # What was taken back is gone at once, although what is new does still not fit.
        changed = time.monotonic()
        cluster.write("zz-other.yaml", text(route("many", *range(82, 122)), target(
            "other", "other", ["caller"], [("TCPRoute", "many")])))
        wait_answers(cluster, p81, REFUSED, 1.0)
        time.sleep(0.3)
        for live in lives.stop():
            assert live["broken"] in CUTS and live["broken_at"] < changed + 1, live
    assert set(cluster.caller.ask(p82)) <= REFUSED
    assert not cluster.status("a")["ready"]
    # Smaller: fits, without any other help.
    cluster.write("zz-other.yaml", text(route("many", *range(82, 92)), target(
        "other", "other", ["caller"], [("TCPRoute", "many")])))
    wait_answers(cluster, p82, OK)
    wait_until(lambda: cluster.status("a")["ready"])


def test_a_rule_is_removed_while_policies_are_full(cluster):
    """Of a destination that is not concerned by what does not fit."""
    p81 = cluster.of("web", 81)
    cluster.write("zz-a.yaml", text(target("extra", "web", ["caller"], [("TCPRoute", "p81")])))
    wait_answers(cluster, p81, OK)
    cluster.write("zz-b.yaml", text(route("many", *range(82, 122)), target(
        "big", "other", ["caller"], [("TCPRoute", "many")])))
    wait_full(cluster, "weft_policy", "--max-policies")
    with traffic(Load(cluster.mesh, "caller", "hold", p81)) as (lives,):
        removed = time.monotonic()
        cluster.remove("zz-a.yaml")
        wait_answers(cluster, p81, REFUSED, 1.0)
        time.sleep(0.3)
        for live in lives.stop():
            assert live["broken"] in CUTS and live["broken_at"] < removed + 1, live


def far_pods(count):
    """Pods of another node; each with a ServiceAccount, a workload and an address of its own."""
    return [{**pod(name, "elsewhere"), "status": {
        "phase": "Running", "podIP": "192.0.2.%d" % i, "podIPs": [{"ip": "192.0.2.%d" % i}]}}
            for i, name in enumerate(many("far", count), 1)]


def rules_for(count):
    return [target("to-" + name, name, ["caller"], [("TCPRoute", "web")])
            for name in many("far", count)]


def test_too_many_destinations(cluster):
    cluster.write("zz-many.yaml", text(*far_pods(10), *rules_for(10)))
    wait_full(cluster, "weft_dest", "--max-destinations")
    # Removals are applied, and their room is used by what did not fit.
    cluster.write("zz-many.yaml", text(*far_pods(10), *rules_for(10)[6:]))
    wait_until(lambda: cluster.status("a")["ready"])
    cluster.assert_verified()


def plain_service(name, address, port, **spec):
    return thing("v1", "Service", name, spec={"clusterIP": address, "clusterIPs": [address],
                                              "ports": [{"port": port}], **spec})


def endpoints(name, service_name, addresses, port):
    return thing("discovery.k8s.io/v1", "EndpointSlice", name,
                 metadata={"labels": {"kubernetes.io/service-name": service_name}},
                 addressType="IPv4", ports=[{"name": "", "port": port, "protocol": "TCP"}],
                 endpoints=[{"addresses": [address], "conditions": {"ready": True}}
                            for address in addresses])


def vip(cluster, name="web", port=80):
    return [["tcp", address, port] for address in cluster.services[name]]


def test_too_many_services(cluster):
    web = cluster.pods["web"]["addresses"][0]
    cluster.write("zz-services.yaml", text(*[
        plain_service("svc-%d" % i, "10.96.200.%d" % i, 80) for i in range(1, 12)]))
    wait_full(cluster, "weft_service", "--max-services")
    assert set(cluster.caller.ask(vip(cluster))) == OK
    # A change of a service that is there still takes effect.
    cluster.write("zz-slice.yaml", text(endpoints("zz-1", "svc-1", [web], 80)))
    wait_answers(cluster, [["tcp", "10.96.200.1", 80]], OK)
    cluster.remove("zz-services.yaml")
    wait_until(lambda: cluster.status("a")["ready"])
    # What is no service any more is an address like any other.
    assert cluster.caller.ask([["tcp", "10.96.200.1", 80]]) != ["ok"]


def test_too_many_endpoints(cluster):
    """A port's table is wholly old or wholly new."""
    web = cluster.pods["web"]["addresses"][0]
    cluster.write("zz-service.yaml", text(plain_service("big", "10.96.201.1", 80),
                                          endpoints("zz-big", "big", [web], 80)))
    big = [["tcp", "10.96.201.1", 80]]
    wait_answers(cluster, big, OK)
    nowhere = ["192.0.2.%d" % i for i in range(1, 40)]
    cluster.write("zz-service.yaml", text(plain_service("big", "10.96.201.1", 80),
                                          endpoints("zz-big", "big", nowhere, 80)))
    wait_full(cluster, "weft_endpoint", "--max-endpoints")
    assert set(cluster.caller.ask(big * 20)) == OK
    cluster.write("zz-service.yaml", text(plain_service("big", "10.96.201.1", 80),
                                          endpoints("zz-big", "big", [], 80)))
    wait_answers(cluster, big, REFUSED)
    wait_until(lambda: cluster.status("a")["ready"])


def test_too_many_addresses(cluster):
    """Pods of other nodes whose addresses do not fit are unknown, which enforced pods refuse."""
    cluster.write("zz-pods.yaml", text(*far_pods(60)))
    wait_full(cluster, "weft_ident", "--max-addresses")
    assert set(cluster.caller.ask(cluster.of("web", 80))) == OK
    assert set(cluster.caller.ask(cluster.of("web", 82))) <= REFUSED


def test_too_many_pods_of_this_node(cluster):
    """Those that were there stay governed; the others are when there is room."""
    mesh = cluster.mesh
    more = [pod(name, "a", "guest") for name in many("extra", 7)]
    mesh.apply(text(*more), wait=False)
    wait_until(lambda: all(one["phase"] == "Running" for one in mesh.status()["pods"]) and
               len(mesh.status()["pods"]) == 10, 10, "pods")
    wait_full(cluster, "weft_iface", "--max-local-pods")
    assert set(cluster.caller.ask(cluster.of("web", 80))) == OK
    assert set(cluster.caller.ask(cluster.of("web", 82))) <= REFUSED
    attached = [one for one in cluster.status("a")["pods"] if one["attached"]]
    assert len(attached) == SIZES["--max-local-pods"], attached
    assert {"web", "other", "caller"} <= {one["name"] for one in attached}
    # Three of them go: the rest fits.
    mesh.delete(text(*more[:3]), wait=False)
    wait_until(lambda: cluster.status("a")["ready"] and
               all(one["attached"] for one in cluster.status("a")["pods"]), 10, "room")
    mesh.delete(text(*more[3:]))

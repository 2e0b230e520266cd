# SPDX-License-Identifier: Apache-2.0
"""Counters: what clients and servers counted themselves, over restarts and overflows."""
import json
import subprocess
import time

import pytest

import promtext
from mesh import HERE, PYTHON, wait_until
from robust import (REFUSALS, Load, cluster_of, namespace, node, pod, route, service, target,
                    text, thing, traffic)

# Nothing in YAML or Kubernetes keeps these out of an owner's name.
HOSTILE = 'we"b\n\\\',\n{x="y"} 1 # ü\u2028'


def owned(document, kind, name):
    document["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": True}]
    return document


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), node("b"), namespace(),
            lambda mesh: pod("web", "a", app="web", command=mesh.server_command(
                "web", "tcp:80", "udp:53")),
            lambda mesh: owned(pod("hostile", "a", command=mesh.server_command(
                "hostile", "tcp:80")), "Job", HOSTILE),
            pod("caller", "b"), pod("intruder", "b"),
            service("web", {"app": "web"}, ("tcp", 80)),
            route("web", 80), route("dns", 53, kind="UDPRoute"),
            target("web", "web", ["caller"], [("TCPRoute", "web"), ("UDPRoute", "dns")]),
            target("hostile", "hostile", ["caller"], [("TCPRoute", "web")]),
    ) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


def metrics(cluster, name):
    return promtext.parse(cluster.get(name, "/metrics"))


def wait_equal(measure, expected, what):
    """Counters follow within moments; what they then say must be exact."""
    end = time.monotonic() + 5
    while measure() != expected and time.monotonic() < end:
        time.sleep(0.05)
    assert measure() == expected, what


def calls(cluster, where, targets, seconds=1.0, **options):
    with Load(cluster.mesh, where, "call", targets, **options) as load:
        time.sleep(seconds)
        return load.stop()


def edge(cluster, reporter, metric, **labels):
    return metrics(cluster, "b" if reporter == "source" else "a").total(
        metric, reporter=reporter, protocol="tcp", source_workload="caller",
        destination_workload="web", **labels)


def assert_counted(cluster, before, result, **labels):
    for reporter in ("source", "destination"):
        for metric, count in (("weft_tcp_connections_opened_total", result["ok"]),
                              ("weft_tcp_connections_closed_total", result["ok"]),
                              ("weft_sent_bytes_total", result["sent"]),
                              ("weft_received_bytes_total", result["received"])):
            if reporter == "destination":
                labels = {}  # which service the caller meant is known to its own node only
            wait_equal(lambda: edge(cluster, reporter, metric, **labels) -
                       before[reporter, metric], count, (reporter, metric, result))


def edges_now(cluster, **labels):
    return {(reporter, metric): edge(cluster, reporter, metric,
                                     **(labels if reporter == "source" else {}))
            for reporter in ("source", "destination")
            for metric in ("weft_tcp_connections_opened_total", "weft_sent_bytes_total",
                           "weft_tcp_connections_closed_total", "weft_received_bytes_total")}


@pytest.mark.parametrize("how", ["direct", "service"])
def test_connections_and_bytes_are_what_both_ends_counted(cluster, how):
    labels = {"service": "web" if how == "service" else ""}
    targets = cluster.of("web", 80)
    if how == "service":
        targets = [["tcp", address, 80] for address in cluster.services["web"]]
    before = edges_now(cluster, **labels)
    served = len(cluster.mesh.received("web"))
    result = calls(cluster, "caller", targets)
    assert result["ok"] > 100 and not result["failures"], result
    assert_counted(cluster, before, result, **labels)
    records = cluster.mesh.received("web")[served:]
    assert sum(one["event"] == "accept" for one in records) == result["ok"]
    assert sum(one.get("bytes", 0) for one in records) == result["sent"]


def denials(cluster, name, **labels):
    return metrics(cluster, name).total("weft_verdicts_total", verdict="deny", **labels)


def test_denials_are_counted_where_they_are_made(cluster):
    own = {"hook": "connect", "reason": "no_rule", "protocol": "tcp", "source_workload": "intruder",
           "destination_workload": "web"}
    before, there = denials(cluster, "b", **own), denials(cluster, "a")
    result = calls(cluster, "intruder", cluster.of("web", 80), 0.5, pause=0)
    assert result["tried"] > 100 and set(result["failures"]) == {"EACCES"}, result
    wait_equal(lambda: denials(cluster, "b", **own) - before, result["tried"], result)
    # They never left their node.
    assert denials(cluster, "a") == there


def test_denials_of_callers_outside_the_mesh(cluster):
    """No hook of ours is on their side: the destination's counts each, and answers at once."""
    own = {"hook": "to_pod", "reason": "unknown_source", "protocol": "tcp",
           "destination_workload": "web"}
    before = denials(cluster, "a", **own)
    outside = cluster.mesh.status()["outside"]["netns"]
    options = json.dumps({"targets": cluster.of("web", 80)})
    with subprocess.Popen(["nsenter", "--net=" + outside, PYTHON, str(HERE / "load.py"), "call",
                           options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        time.sleep(0.6)
        out, _ = process.communicate(timeout=10)
    result = json.loads(out.splitlines()[-1])
    assert result["tried"] > 50 and set(result["failures"]) <= REFUSALS, result
    wait_equal(lambda: denials(cluster, "a", **own) - before, result["tried"], result)


def test_datagrams_are_counted(cluster):
    def count(name, reporter, metric):
        return metrics(cluster, name).total(metric, reporter=reporter, protocol="udp",
                                            source_workload="caller", destination_workload="web")
    kinds = [("a", "destination", "weft_udp_sent_datagrams_total"),
             ("a", "destination", "weft_udp_received_datagrams_total"),
             ("b", "source", "weft_udp_sent_datagrams_total"),
             ("b", "source", "weft_udp_received_datagrams_total")]
    before = [count(*kind) for kind in kinds]
    result = calls(cluster, "caller", cluster.of("web", 53, "udp"), 0.5)
    assert result["ok"] > 50 and result["ok"] == result["tried"], result
    for kind, was in zip(kinds, before):
        wait_equal(lambda kind=kind: count(*kind) - was, result["ok"], (kind, was, result))


def test_counters_go_on_where_they_were_when_the_agent_restarts(cluster):
    calls(cluster, "caller", cluster.of("web", 80), 0.2)
    calls(cluster, "intruder", cluster.of("web", 80), 0.2)
    time.sleep(0.3)
    families = ("weft_verdicts_total", "weft_tcp_connections_opened_total",
                "weft_sent_bytes_total", "weft_program_incidents_total")

    def kept():
        return {name: {key: value for key, value in metrics(cluster, name).items()
                       if key[0] in families} for name in cluster.nodes}
    before = kept()
    for verb in ("kill", "stop"):
        for name in cluster.nodes:
            cluster.mesh.agent(name, verb)
            cluster.mesh.agent(name, "start")
        assert kept() == before
    # And what happens while no agent is there is counted as well.
    own = edges_now(cluster, service="")
    for name in cluster.nodes:
        cluster.mesh.agent(name, "kill")
    result = calls(cluster, "caller", cluster.of("web", 80), 0.3)
    for name in cluster.nodes:
        cluster.mesh.agent(name, "start")
    assert_counted(cluster, own, result, service="")


def test_metrics_stay_valid_under_hostile_names(cluster):
    calls(cluster, "caller", cluster.of("hostile", 80), 0.2)

    def seen():
        return metrics(cluster, "a").values_of("weft_tcp_connections_opened_total",
                                               "destination_workload") - {"web"}
    shown = wait_until(seen)
    print(shown, [one for one in cluster.findings("a")])
    assert len(shown) == 1
    events = json.loads(cluster.get("a", "/v1/events"))["items"]
    assert {one["destination"]["workload"] for one in events} >= shown
    for noun in ("identities", "edges"):
        assert cluster.mesh.weft("a", "get", noun).returncode == 0
    raw = cluster.get("a", "/metrics")
    assert all(line.isprintable() for line in raw.splitlines())


def test_a_flood_of_denials_loses_events_but_no_count(cluster):
    """The ring buffer holds about 8,700 events; while no agent takes them out, the rest is lost,
    and that is said."""
    def lost():
        return int(metrics(cluster, "b").total("weft_program_incidents_total", kind="events_lost"))

    def events(since=0):
        return json.loads(cluster.get("b", "/v1/events?limit=0&since=%d" % since))
    own = {"hook": "connect", "reason": "no_rule", "source_workload": "intruder"}
    time.sleep(0.5)  # what is under way ends
    before_lost, before = lost(), denials(cluster, "b", **own)
    cluster.mesh.agent("b", "kill")
    result = calls(cluster, "intruder", cluster.of("web", 80) * 50, 3, pause=0)
    cluster.mesh.agent("b", "start")
    assert result["tried"] > 9000, "too slow a machine: %s" % result["tried"]
    assert denials(cluster, "b", **own) - before == result["tried"]
    new_lost = lost() - before_lost
    status = cluster.status("b")
    answer = events(1 << 40)
    print(result["tried"], "denials,", new_lost, "events lost,", answer)
    assert new_lost > 0 and status["events_lost"] == lost() == answer["lost"]
    taken = json.loads(cluster.get("b", "/v1/events?limit=1&since=0"))
    assert taken["items"]
    assert lost() - before_lost + answer["next"] == result["tried"]
    # Afterwards events come again.
    mark = answer["next"]
    calls(cluster, "intruder", cluster.of("web", 80), 0.1)
    wait_until(lambda: json.loads(cluster.get("b", "/v1/events?since=%d" % mark))["items"])
    assert lost() == before_lost + new_lost

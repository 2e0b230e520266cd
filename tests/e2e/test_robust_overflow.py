# SPDX-License-Identifier: Apache-2.0
"""Maps for telemetry and for names that are too small: sums stay true, verdicts are not concerned."""
import time

import pytest

import promtext
from mesh import wait_until
from robust import (Asker, Load, cluster_of, namespace, node, pod, route, target, text)

SIZES = {"--max-edges": 4, "--max-verdicts": 3, "--max-names": 12}
PORTS = range(81, 91)
REFUSED = {"EACCES", "ECONNREFUSED"}


@pytest.fixture(scope="module")
def cluster():
    flags = " ".join("%s=%d" % size for size in SIZES.items())
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", command=mesh.server_command(
                "web", "tcp:80", *["tcp:%d" % port for port in PORTS])),
            pod("caller", "a"), pod("intruder", "a"), route("web", *PORTS),
            target("web", "web", ["caller"], [("TCPRoute", "web")]),
            arguments=["--agent-args", flags],
    ) as made:
        made.mesh.run("wait")
        with Asker(made.mesh, "caller") as made.caller:
            yield made
        made.assert_sane()


def metrics(cluster):
    return promtext.parse(cluster.get("a", "/metrics"))


def incidents(cluster, kind):
    return metrics(cluster).total("weft_program_incidents_total", kind=kind)


def test_edges_that_do_not_fit_are_counted_together(cluster):
    """Ten ports are ten edges, at each end."""
    targets = [one for port in PORTS for one in cluster.of("web", port)]
    with Load(cluster.mesh, "caller", "call", targets) as load:
        time.sleep(0.5)
        result = load.stop()
    assert result["ok"] == result["tried"] > len(targets), result

    def counted(name, divisor=1):
        return metrics(cluster).total(name) / divisor
    for name, expected in (("weft_tcp_connections_opened_total", result["ok"]),
                           ("weft_tcp_connections_closed_total", result["ok"]),
                           ("weft_sent_bytes_total", result["sent"]),
                           ("weft_received_bytes_total", result["received"])):
        wait_until(lambda: counted(name) == 2 * expected, what=name)
    assert incidents(cluster, "edge_overflow") > 0
    assert metrics(cluster).total("weft_map_entries", map="weft_edge") == SIZES["--max-edges"]


def test_verdicts_that_do_not_fit_are_counted_together(cluster):
    before = metrics(cluster).total("weft_verdicts_total")
    with Load(cluster.mesh, "intruder", "call", cluster.of("web", 80) + cluster.of("web", 81)) as load:
        time.sleep(0.3)
        result = load.stop()
    assert not result["ok"] and set(result["failures"]) <= REFUSED, result
    wait_until(lambda: metrics(cluster).total("weft_verdicts_total") - before == result["tried"])
    answers = cluster.caller.ask(cluster.of("web", 80))
    assert set(answers) <= REFUSED, answers
    wait_until(lambda: metrics(cluster).total("weft_verdicts_total") - before ==
               result["tried"] + len(answers))
    assert incidents(cluster, "verdict_overflow") > 0
    assert cluster.mesh.weft("a", "get", "edges").returncode == 0


def far_pods(count):
    return [{**pod("far-%d" % i, "elsewhere"), "status": {
        "phase": "Running", "podIP": "192.0.2.%d" % i, "podIPs": [{"ip": "192.0.2.%d" % i}]}}
            for i in range(1, count + 1)]


def test_numbers_without_names(cluster):
    """They are shown as numbers, it is said, and it ends with the objects that need the room."""
    cluster.write("zz-far.yaml", text(*far_pods(30)))
    said = wait_until(lambda: cluster.status("a").get("last_apply_error"), 5)
    for word in ("weft_name is full", "%d entries" % SIZES["--max-names"], "raise --max-names"):
        assert word in said, said
    assert set(cluster.caller.ask(cluster.of("web", 81))) == {"ok"}
    assert set(cluster.caller.ask(cluster.of("web", 80))) <= REFUSED
    # All of them are in force, only nameless; another change takes effect as ever.
    for noun in ("identities", "policies", "edges"):
        assert cluster.mesh.weft("a", "get", noun).returncode == 0, noun
    assert cluster.mesh.weft("a", "verify").returncode == 0
    cluster.write("zz-more.yaml", text(route("more", 80), target(
        "more", "web", ["caller"], [("TCPRoute", "more")])))
    wait_until(lambda: set(cluster.caller.ask(cluster.of("web", 80))) == {"ok"})
    cluster.remove("zz-more.yaml")
    cluster.remove("zz-far.yaml")
    wait_until(lambda: cluster.status("a")["ready"], 10, "recovery")
    assert "last_apply_error" not in cluster.status("a")
    cluster.assert_verified()

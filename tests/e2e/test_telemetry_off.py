# SPDX-License-Identifier: Apache-2.0
"""weftd --telemetry off: requests and connections are judged as ever, and verdicts are counted;
nothing else is."""
import json

import pytest

import test_http_telemetry as http
from mesh import wait_until
from robust import cluster_of, namespace, node, target, thing


@pytest.fixture(scope="module", name="cluster")
def _cluster():
    with cluster_of(
            node("a"), namespace(), http.python_pod("api", http.SERVER), http.python_pod("caller"),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "routes",
                  spec={"matches": [{"name": "all", "pathRegex": "/status"}]}),
            target("callers", "api", ["caller"], [("HTTPRouteGroup", "routes")]),
            arguments=["--agent-args", "--telemetry=off"],
    ) as made:
        made.mesh.run("wait")
        wait_until(lambda: http.request(made, [("GET", "/status/200")]) == [200], 10, "the server")
        yield made
        made.assert_sane()


def test_nothing_but_verdicts_is_counted(cluster):
    before = http.metrics(cluster)
    assert http.request(cluster, [("GET", "/status/200"), ("HEAD", "/status/404"), ("GET", "/no")]) \
        == [200, 501, 403]
    denied = {"verdict": "deny", "reason": "no_http_rule", "hook": "to_pod"}
    wait_until(lambda: http.metrics(cluster).total("weft_verdicts_total", **denied) ==
               before.total("weft_verdicts_total", **denied) + 1, 5, "the denial")
    now = http.metrics(cluster)
    opened = {"verdict": "allow", "reason": "http"}
    assert now.total("weft_verdicts_total", **opened) > before.total("weft_verdicts_total", **opened)
    for name in ("weft_tcp_connections_opened_total", "weft_tcp_connections_closed_total",
                 "weft_sent_bytes_total", "weft_http_requests_total",
                 "weft_http_request_duration_seconds_count"):
        assert now.total(name) == 0, name
    assert json.loads(cluster.get("a", "/v1/events"))["items"] == []
    assert cluster.status("a")["telemetry"] is False


def test_who_wants_to_watch_is_told(cluster):
    done = cluster.mesh.weft("a", "tap")
    assert done.returncode != 0 and "--telemetry off" in done.stderr, done


def test_requests_are_explained(cluster):
    """By an engine of the same build, with or without telemetry."""
    done = cluster.mesh.weft("a", "-o", "json", "explain", "default/caller", "default/api", "80",
                             "--method", "GET", "--path", "/status/200")
    answer = json.loads(done.stdout)
    assert "kernel_error" not in done.stdout and done.returncode == 0, (answer, done.stderr)

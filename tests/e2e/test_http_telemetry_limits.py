# SPDX-License-Identifier: Apache-2.0
"""HTTP telemetry in maps that are too small, and events of a part of the requests."""
import json
import time

import pytest

import test_http_telemetry as http
from mesh import wait_until
from robust import cluster_of, namespace, node, target, thing

REQUESTS, LATENCIES = 3, 2
FLAGS = "--max-requests=%d --max-latencies=%d --request-log-sample=50 --request-log-path=5" % (
    REQUESTS, LATENCIES)


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), namespace(), http.python_pod("api", http.SERVER), http.python_pod("caller"),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "routes",
                  spec={"matches": [{"name": "all", "pathRegex": "/(status|slow)"}]}),
            target("callers", "api", ["caller"], [("HTTPRouteGroup", "routes")]),
            arguments=["--agent-args", FLAGS],
    ) as made:
        made.mesh.run("wait")
        wait_until(lambda: http.request(made, [("GET", "/status/200")]) == [200], 10, "the server")
        yield made
        made.assert_sane()


def test_requests_that_do_not_fit_are_counted_together(cluster):
    def all_of(name, **labels):
        return http.metrics(cluster).total(name, **labels)
    before = all_of("weft_http_requests_total")
    kinds = [(method, "/status/%d" % status) for method in ("GET", "PUT", "DELETE")
             for status in (200, 404, 500)]
    statuses = http.request(cluster, kinds * 20 + [("GET", "/slow")] * 5)
    assert statuses == [int(path[-3:]) for _, path in kinds] * 20 + [200] * 5
    wait_until(lambda: all_of("weft_http_requests_total") - before == len(statuses), 5,
               "all requests counted")
    assert all_of("weft_http_requests_total", destination_port="0") > 0
    assert all_of("weft_program_incidents_total", kind="request_overflow") > 0
    assert all_of("weft_map_entries", map="weft_request") == REQUESTS
    # Of latencies there is no sum of all; what is missing is told.
    timed = all_of("weft_http_request_duration_seconds_count")
    missing = all_of("weft_program_incidents_total", kind="latency_overflow")
    assert missing > 0 and timed + missing == all_of("weft_http_requests_total")
    assert all_of("weft_map_entries", map="weft_latency") == LATENCIES
    code, rows, error = cluster.mesh.weft_json("a", "get", "requests")
    assert code == 0, error
    assert sum(row["requests"] for row in rows) == all_of("weft_http_requests_total")
    assert {row["port"] for row in rows} == {0, 80}


def test_a_part_of_the_requests_become_events(cluster):
    mark = json.loads(cluster.get("a", "/v1/events?limit=0&since=%d" % (1 << 40)))["next"]
    assert http.request(cluster, [("GET", "/status/200")] * 400 + [("GET", "/secret")]) == [
        200] * 400 + [403]
    time.sleep(0.3)
    events = json.loads(cluster.get("a", "/v1/events?since=%d" % mark))["items"]
    paths = [one["request"]["path"] for one in events if one["type"] == "request"]
    # 400 tosses of a coin are within 100 of 200 but once in 10^23
    assert 100 < len(paths) < 300 and set(paths) == {"/stat"}
    assert [one["request"]["path"] for one in events if one["type"] == "denied"] == ["/secr"]

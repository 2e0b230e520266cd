# SPDX-License-Identifier: Apache-2.0
"""Requests as numbers and events: metrics, `weft get requests`, events and `weft tap`, compared
with what clients experienced."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

import promtext
from mesh import PYTHON, WEFT, wait_until
from robust import account, cluster_of, namespace, node, pod, target, thing

# Answers as the path says: /status/N, /slow, /drop (no answer at all).
SERVER = """
import http.server, socket, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        part = self.path.split("?")[0].split("/")
        if part[1] == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if part[1] == "slow":
            time.sleep(0.1)
        self.send_response(int(part[2]) if part[1] == "status" else 200)
        self.send_header("content-length", "0")
        self.end_headers()
    do_GET = do_PUT = do_DELETE = do_PURGE = answer
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
Server(("::", 80), Handler).serve_forever()
"""
# Requests one after the other, on one connection as long as it lasts; their statuses, 0 = none.
CLIENT = """
import http.client, json, sys
address, requests = json.loads(sys.argv[1])
connection, statuses = None, []
for method, path in requests:
    connection = connection or http.client.HTTPConnection(address, 80, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        if answer.will_close:
            connection.close()
    except (OSError, http.client.HTTPException):
        statuses.append(0)
        connection.close()
        connection = None
print(json.dumps(statuses))
"""


def python_pod(name, program=None, space="default"):
    return pod(name, "a", command=json.dumps([PYTHON, "-c", program]) if program else None,
               space=space)


@pytest.fixture(scope="module")
def cluster():
    match = [{"name": "read", "pathRegex": "/(status|slow|drop)", "methods": ["GET"]},
             {"name": "write", "pathRegex": "/status", "methods": ["PUT", "DELETE", "PURGE"]}]
    with cluster_of(
            node("a"), namespace(), python_pod("api", SERVER), python_pod("caller"),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "routes",
                  spec={"matches": match}),
            target("callers", "api", ["caller"], [("HTTPRouteGroup", "routes")]),
            namespace("lax", "permissive"), python_pod("old", SERVER, "lax"),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "routes", "lax",
                  spec={"matches": match}),
            thing("access.smi-spec.io/v1alpha3", "TrafficTarget", "callers", "lax", spec={
                "destination": account("old", "lax"), "sources": [account("caller")],
                "rules": [{"kind": "HTTPRouteGroup", "name": "routes"}]}),
    ) as made:
        made.mesh.run("wait")
        for server in ("api", "old"):
            wait_until(lambda server=server: request(made, [("GET", "/status/200")], to=server) ==
                       [200], 10, "the server " + server)
        yield made
        made.assert_sane()


def request(cluster, requests, family=4, to="api"):
    """Statuses of [(method, path), ...], 0 = no answer."""
    address = [one for one in cluster.pods[to]["addresses"] if (":" in one) == (family == 6)][0]
    return json.loads(cluster.mesh.exec("caller", PYTHON, "-c", CLIENT,
                                        json.dumps([address, requests])))


def metrics(cluster):
    return promtext.parse(cluster.get("a", "/metrics"))


def counted(cluster, **labels):
    return metrics(cluster).total("weft_http_requests_total", source_workload="caller",
                                  destination_workload="api", destination_port="80", **labels)


def rows(cluster):
    """`weft get requests`, by route."""
    code, found, error = cluster.mesh.weft_json("a", "get", "requests")
    assert code == 0, error
    return {row["route"]: row for row in found
            if (row["source"], row["destination"]) == ("default/caller", "default/api")}


@pytest.mark.parametrize("family", [4, 6])
def test_requests_are_counted_as_the_client_counts(cluster, family):
    read = {"route_group": "routes", "match": "read", "traffic_target": "callers"}
    write = dict(read, match="write")
    cases = [(("GET", "/status/200"), dict(read, method="GET", status_class="2xx"), 7),
             (("GET", "/status/404"), dict(read, method="GET", status_class="4xx"), 5),
             (("GET", "/status/503"), dict(read, method="GET", status_class="5xx"), 3),
             (("GET", "/drop"), dict(read, method="GET", status_class="none"), 2),
             (("PUT", "/status/302"), dict(write, method="PUT", status_class="3xx"), 4),
             (("PURGE", "/status/204"), dict(write, method="other", status_class="2xx"), 6)]
    before = [counted(cluster, **labels) for _, labels, _ in cases]
    all_before, rows_before = counted(cluster), rows(cluster)
    statuses = request(cluster, [one for one, _, times in cases for _ in range(times)], family)
    assert statuses == [int(path[-3:]) if "status" in path else 0
                        for (_, path), _, times in cases for _ in range(times)]
    for (what, labels, times), was in zip(cases, before):
        wait_until(lambda labels=labels, was=was, times=times:
                   counted(cluster, **labels) - was == times, 5, what)
    assert counted(cluster) - all_before == len(statuses)
    rows_after = rows(cluster)
    none = dict.fromkeys(("requests", "status_2xx", "status_3xx", "status_4xx", "status_5xx",
                          "unanswered"), 0)
    for route, more in (("routes/read", (17, 7, 0, 5, 3, 2)), ("routes/write", (10, 6, 4, 0, 0, 0))):
        old, new = rows_before.get(route, none), rows_after[route]
        assert tuple(new[key] - old[key] for key in none) == more, (old, new)
        assert new["traffic_target"] == "default/callers" and new["port"] == 80
        bad = new["unanswered"] + new["status_5xx"]
        assert new["success"] == pytest.approx(1 - bad / new["requests"])
    assert "routes/read" in cluster.mesh.weft("a", "get", "requests").stdout


def test_latencies(cluster):
    name = "weft_http_request_duration_seconds"
    labels = {"match": "read", "source_workload": "caller"}
    before = metrics(cluster)
    begin = time.monotonic()
    assert request(cluster, [("GET", "/slow")] * 5) == [200] * 5
    took = time.monotonic() - begin
    wait_until(lambda: metrics(cluster).total(name + "_count", **labels) -
               before.total(name + "_count", **labels) == 5, 5, "five latencies")
    after = metrics(cluster)

    def grown(series, **more):
        return after.total(name + series, **labels, **more) - before.total(
            name + series, **labels, **more)
    assert 0.5 <= grown("_sum") <= took
    assert grown("_bucket", le="0.050331648") == 0
    assert grown("_bucket", le="+Inf") == grown("_bucket", le="30.064771072") == 5
    row = rows(cluster)["routes/read"]
    assert row["p50_us"] <= row["p90_us"] <= row["p99_us"]
    assert 90000 < row["p99_us"] < 1000000


PIPELINE = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 80), 10)
connection.sendall(b"GET /status/226 HTTP/1.1\\r\\nHost: api\\r\\n\\r\\n" * 40)
answers = b""
while answers.count(b" 226 ") < 40:
    answers += connection.recv(65536) or sys.exit("closed")
"""


def test_pipelined_requests(cluster):
    """None is lost. Of those that wait behind eight others the rule may not be known any more."""
    def seen(**labels):
        return counted(cluster, status_class="2xx", **labels)

    def latencies(name, **labels):
        return metrics(cluster).total("weft_http_request_duration_seconds" + name,
                                      destination_workload="api", **labels)
    before, known = seen(), seen(match="read", method="GET")
    timed, at_once = latencies("_count"), latencies("_bucket", le="0.000050176", match="")
    cluster.mesh.exec("caller", PYTHON, "-c", PIPELINE, cluster.pods["api"]["addresses"][0])
    wait_until(lambda: seen() - before == 40, 5, "forty requests")
    known = seen(match="read", method="GET") - known
    assert 8 <= known <= 40 and seen(match="", method="other") >= 40 - known
    # What is not known is not made up.
    assert latencies("_count") - timed == known
    assert latencies("_bucket", le="0.000050176", match="") == at_once


def test_denials(cluster):
    def denied():
        return metrics(cluster).total("weft_verdicts_total", verdict="deny", hook="to_pod",
                                      reason="no_http_rule", source_workload="caller",
                                      destination_workload="api")
    before, counts = denied(), counted(cluster)
    mark = json.loads(cluster.get("a", "/v1/events?limit=0&since=%d" % (1 << 40)))["next"]
    assert request(cluster, [("GET", "/admin?token=1"), ("DELETE", "/slow")]) == [403, 403]
    wait_until(lambda: denied() - before == 2, 5, "two denials")
    assert counted(cluster) == counts
    found = [one for one in json.loads(cluster.get("a", "/v1/events?since=%d" % mark))["items"]
             if one["type"] == "denied"]
    assert [(one["request"]["method"], one["request"]["path"], one["request"]["status"],
             one["reason"]) for one in found] == [("GET", "/admin", 403, "no_http_rule"),
                                                  ("DELETE", "/slow", 403, "no_http_rule")]
    for one in found:
        assert one["source"]["pod"] == "caller" and one["destination"]["pod"] == "api"
        assert one["destination"]["port"] == 80
        assert "traffic_target" not in one["request"] and "latency_us" not in one["request"]
    text = cluster.mesh.weft("a", "events", "--limit", "50").stdout
    assert "GET /admin 403 no_http_rule" in text


def test_permissive(cluster):
    """What would be denied passes, is told, and is counted without a rule."""
    def seen(**labels):
        return metrics(cluster).total("weft_http_requests_total", destination_workload="old",
                                      method="DELETE", **labels)

    def would_deny():
        return metrics(cluster).total("weft_verdicts_total", verdict="would_deny", hook="to_pod",
                                      reason="no_http_rule", destination_workload="old")
    before = would_deny()
    mark = json.loads(cluster.get("a", "/v1/events?limit=0&since=%d" % (1 << 40)))["next"]
    assert request(cluster, [("DELETE", "/status/202"), ("DELETE", "/slow"),
                             ("DELETE", "/status/404")], to="old") == [202, 200, 404]
    wait_until(lambda: seen() == 3, 5, "three requests")
    assert seen(match="write", status_class="2xx") == seen(match="write", status_class="4xx") == 1
    assert seen(match="", traffic_target="", status_class="2xx") == 1
    assert would_deny() - before == 1
    found = [one for one in json.loads(cluster.get("a", "/v1/events?since=%d" % mark))["items"]
             if one["type"] == "would_deny"]
    assert [(one["request"]["method"], one["request"]["path"], one["reason"])
            for one in found] == [("DELETE", "/slow", "no_http_rule")]


class Tap:
    """`weft tap -o json`, as a context manager; `items` are the requests it has seen."""

    def __init__(self, cluster, *options):
        self.process = subprocess.Popen(
            cluster.mesh.command("node", "a", "--", "sh", "-c", 'echo $$; exec "$@"', "tap", WEFT,
                                 "tap", "-o", "json", *options),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = int(self.process.stdout.readline())
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text, self.said = b"", ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGINT)

    def end(self, number):
        """Also -9, which leaves it no time to say goodbye."""
        if self.process.poll() is None:
            os.kill(self.pid, number)
            self.said = self.process.communicate(timeout=10)[1].decode()

    @property
    def items(self):
        self.text += self.process.stdout.read() or b""
        return [json.loads(line)["request"] for line in self.text.splitlines(keepends=True)
                if line.endswith(b"\n")]


def sample(cluster):
    """How many requests become events, of 2^32."""
    dump = json.loads(cluster.mesh.on_node(
        "a", "sh", "-c", "PATH=$PATH:/usr/sbin bpftool -j map dump pinned $WEFT_BPFFS/weft_config"))
    return dump[0]["formatted"]["value"]["request_sample"]


def test_tap(cluster):
    configured = sample(cluster)
    assert configured < 1 << 31
    calls = ([("GET", "/status/200?x=1"), ("PUT", "/status/201"), ("GET", "/admin")] * 3 +
             [("GET", "/status/500"), ("GET", "/drop")])
    with Tap(cluster) as everything, Tap(cluster, "--method", "PUT", "--from", "default/caller",
                                         "--to", "default/api") as puts, \
            Tap(cluster, "--path", "/status/5", "--status", "5xx") as failures, \
            Tap(cluster, "--denied") as denied, \
            Tap(cluster, "--from", "default/api") as nothing:
        wait_until(lambda: sample(cluster) == (1 << 32) - 1, 5, "all requests are events")
        time.sleep(0.5)
        statuses = request(cluster, calls)
        assert statuses == [200, 201, 403] * 3 + [500, 0]
        wait_until(lambda: len(everything.items) >= 10, 5, "all requests seen")
        time.sleep(0.3)
        seen = [(one["method"], one["path"], one["status"]) for one in everything.items
                if one["path"] != "/drop"]
        assert seen == [("GET", "/status/200", 200), ("PUT", "/status/201", 201),
                        ("GET", "/admin", 403)] * 3 + [("GET", "/status/500", 500)]
        assert all(one["latency_us"] > 0 and one["route_group"] == "routes"
                   for one in everything.items if one.get("status") not in (403, None))
        assert [(one["path"], one["match"]) for one in puts.items] == [("/status/201", "write")] * 3
        assert [one["status"] for one in failures.items] == [500]
        assert [one["path"] for one in denied.items] == ["/admin"] * 3
        assert not nothing.items
        nothing.end(signal.SIGKILL)
        time.sleep(2.5)
        assert sample(cluster) == (1 << 32) - 1  # others are there still
    assert not everything.said and not nothing.said
    wait_until(lambda: sample(cluster) == configured, 5, "sampling as configured")


def test_tap_that_is_killed_leaves_nothing_behind(cluster):
    configured = sample(cluster)
    with Tap(cluster) as tap:
        wait_until(lambda: sample(cluster) != configured, 5, "all requests are events")
        tap.end(signal.SIGKILL)
        wait_until(lambda: sample(cluster) == configured, 5, "sampling as configured")


def test_tap_outlives_the_agent(cluster):
    with Tap(cluster, "--path", "/status/2") as tap:
        request(cluster, [("GET", "/status/200")])
        wait_until(lambda: tap.items, 5, "the first request")
        cluster.mesh.agent("a", "kill")
        cluster.mesh.agent("a", "start")
        wait_until(lambda: sample(cluster) == (1 << 32) - 1, 5, "the next agent is asked")
        request(cluster, [("GET", "/status/200")])
        wait_until(lambda: len(tap.items) == 2, 5, "the second request")
    assert tap.said.count("waiting for it") == 1


def test_tap_says_what_it_could_not_show(cluster):
    """The ring buffer holds about 4,500 requests while nobody takes them out."""
    times, clients = 1700, 4
    address = cluster.pods["api"]["addresses"][0]
    call = [PYTHON, "-c", CLIENT, json.dumps([address, [("GET", "/status/207")] * times])]
    agent = cluster.pid("a")
    with Tap(cluster) as tap:
        wait_until(lambda: sample(cluster) == (1 << 32) - 1, 5, "all requests are events")
        before = counted(cluster, match="read", status_class="2xx")
        os.kill(agent, signal.SIGSTOP)
        try:
            running = [cluster.mesh.popen("caller", *call, stdout=subprocess.PIPE)
                       for _ in range(clients)]
            assert all(json.loads(one.communicate(timeout=60)[0]) == [207] * times
                       for one in running)
        finally:
            os.kill(agent, signal.SIGCONT)
        wait_until(lambda: tap.items and request(cluster, [("PUT", "/status/208")]) and
                   tap.items[-1].get("status") == 208, 10, "tap goes on")
        seen = [one for one in tap.items if one["status"] == 207]
    lost = sum(int(number) for number in re.findall(r"(\d+) events were lost", tap.said))
    assert lost > 500 and "not seen" not in tap.said
    # Closed connections are events as well, one at each end.
    assert 0 <= len(seen) + lost - times * clients <= 2 * clients
    assert counted(cluster, match="read", status_class="2xx") - before == times * clients


@pytest.mark.parametrize("options, words", [
    (["--method", "FETCH"], "the method is"), (["--method", "get"], "the method is"),
    (["--status", "99"], "the status is"), (["--status", "6xx"], "the status is"),
    (["--from", "/api"], "NAMESPACE"), (["--to", ""], "NAMESPACE"), (["more"], "usage: weft tap"),
    (["--follow"], "for weft events"), (["--header", "a: b"], "for weft explain")])
def test_tap_refuses(cluster, options, words):
    done = cluster.mesh.weft("a", "tap", *options)
    assert done.returncode == 2 and not done.stdout and words in done.stderr
    assert len(done.stderr.splitlines()) == 1

# SPDX-License-Identifier: Apache-2.0
"""Metrics and events exported to an OpenTelemetry collector, and what the agent does when that one fails."""
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time

import pytest

import otlp_schema
import promtext
from callers import Caller
from mesh import HERE, PYTHON, wait_until
from robust import WEFTD, cluster_of, namespace, node, pod, target, thing
from test_http_telemetry import CLIENT, SERVER

sys.path.insert(0, str(HERE.parent / "kube"))
import pki  # noqa: E402  pylint: disable=wrong-import-position

METRICS, LOGS = "/v1/metrics", "/v1/logs"
SLOW = 1.2
# Datagrams to a pod that lets nobody in, each an event.
FLOOD = """
import socket, sys
address, count = sys.argv[1], int(sys.argv[2])
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(count):
    try:
        one.sendto(b"x", (address, 9))
    except OSError:
        pass
"""


class Collector(Caller):
    def __init__(self, cluster, *arguments):
        super().__init__(cluster.mesh.command("node", "a", "--"), str(HERE / "otlp_collector.py"), *arguments)
        self.port = self.call(do="listen")["port"]

    def answer_with(self, path, *answers):
        self.call(do="answer", path=path, answers=answers)

    def take(self, path=LOGS):
        return self.call(do="take", path=path)

    def await_one(self, path=LOGS, seconds=5.0):
        """The first requests that come from now on."""
        return wait_until(lambda: self.take(path), seconds, "a request for " + path)


class Agent:
    """A weftd of the test's own, that exports everything."""

    def __init__(self, cluster, collector, *arguments, scheme="http", **environment):
        self.cluster = cluster
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            [*cluster.mesh.command("node", "a", "--"), "env", "no_proxy=*",
             *["%s=%s" % one for one in environment.items()], WEFTD, "--otlp-endpoint",
             "%s://127.0.0.1:%d/" % (scheme, collector.port), "--request-log-sample", "100", *arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def await_ready(self):
        def ready():
            with contextlib.suppress(OSError, AssertionError):
                return self.cluster.get("a", "/readyz")
        wait_until(ready, 10, "readiness")
        return self

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self, patience=3.5):
        begin = time.monotonic()
        self.process.terminate()
        assert self.process.wait(10) == 0
        assert time.monotonic() - begin < patience
        return self.said()

    def __enter__(self):
        return self.await_ready()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error", "Assertion"):
            assert word not in self.said(), self.said()
        self.log.close()

    def status(self, signal="logs"):
        return self.cluster.status("a")["otlp"][signal]

    def metrics(self):
        return promtext.parse(self.cluster.get("a", "/metrics"))

    def counts(self, signal="logs"):
        """{"sent": N, reason: dropped, "retries": N, "queue": N}"""
        metrics = self.metrics()
        found = {reason: metrics.total("weft_otlp_dropped_total", signal=signal, reason=reason)
                 for reason in metrics.values_of("weft_otlp_dropped_total", "reason")}
        return {**found, "sent": metrics.total("weft_otlp_sent_total", signal=signal),
                "retries": metrics.total("weft_otlp_retries_total", signal=signal),
                "queue": metrics.total("weft_otlp_queue_length", signal=signal)}

    def await_idle(self):
        """Until all events were sent, or dropped."""
        events = json.loads(self.cluster.get("a", "/v1/events?since=99999999"))["next"]

        def idle():
            counts = self.counts()
            return not counts["queue"] and sum(counts.values()) - counts["retries"] == events
        wait_until(idle, 10, "no event that waits")
        return self.counts()

    @contextlib.contextmanager
    def changes(self, signal="logs"):
        """{what: by how much it changed}, when nothing waits any more."""
        changed, before = {}, self.counts(signal)
        yield changed
        after = self.await_idle() if signal == "logs" else self.counts(signal)
        changed.update({what: count - before[what] for what, count in after.items() if count != before[what]})


@pytest.fixture(scope="module")
def cluster():
    match = [{"name": "read", "pathRegex": "/status", "methods": ["GET"]}]
    with cluster_of(
            node("a"), namespace(), pod("api", "a", command=json.dumps([PYTHON, "-c", SERVER])), pod("caller", "a"),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "routes", spec={"matches": match}),
            target("callers", "api", ["caller"], [("HTTPRouteGroup", "routes")]),
    ) as made:
        made.mesh.run("wait")
        wait_until(lambda: request(made, "/status/200") == [200], 10, "the server")
        made.mesh.agent("a", "stop")
        yield made


@pytest.fixture(scope="module", name="collector")
def _collector(cluster):
    collector = Collector(cluster)
    yield collector
    collector.process.kill()
    collector.close()


@pytest.fixture(scope="module", name="shared")
def _shared(cluster, collector):
    with Agent(cluster, collector, "--otlp-interval", "1") as agent:
        yield agent


@pytest.fixture(name="agent")
def _agent(shared, collector):
    shared.await_idle()
    collector.answer_with(LOGS)
    collector.answer_with(METRICS)
    collector.take(LOGS)
    return shared


def request(cluster, *paths):
    address = next(one for one in cluster.pods["api"]["addresses"] if "." in one)
    return json.loads(cluster.mesh.exec("caller", PYTHON, "-c", CLIENT,
                                        json.dumps([address, [("GET", path) for path in paths]])))


def records_of(requests):
    """Log records as {attribute: value}, with the record itself at ""."""
    found = []
    for one in requests:
        document = json.loads(one["body"])
        otlp_schema.check("ExportLogsServiceRequest", document)
        for record in document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
            found.append({**otlp_schema.plain(record["attributes"]), "": record})
    return found


def paths_of(requests):
    return [record["url.path"] for record in records_of(requests) if "url.path" in record]


def resource_of(requests, name):
    resource, = json.loads(requests[0]["body"])[name]
    return otlp_schema.plain(resource["resource"]["attributes"])


def exported_metrics(requests):
    """{name: metric} of the last requests, and what is counted since when."""
    metrics = {}
    for one in requests:
        document = json.loads(one["body"])
        otlp_schema.check("ExportMetricsServiceRequest", document)
        for metric in document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]:
            metrics[metric["name"]] = metric
    return metrics


def points_of(metric):
    kind = next(kind for kind in ("sum", "gauge", "histogram") if kind in metric)
    return kind, metric[kind]["dataPoints"]


def number_of(point):
    return int(point["asInt"]) if "asInt" in point else point["asDouble"]


def labels_of(labels):
    return frozenset((name, value) for name, value in dict(labels).items() if value)


def as_prometheus(metrics):
    """The same as promtext.parse() has of /metrics, but for labels without value."""
    found = {}
    for name, metric in metrics.items():
        kind, points = points_of(metric)
        for point in points:
            labels = labels_of(otlp_schema.plain(point["attributes"]))
            if kind != "histogram":
                found[name + "_total" * (kind == "sum"), labels] = pytest.approx(number_of(point))
                continue
            total, bounds = 0, [*point["explicitBounds"], float("inf")]
            for bound, count in zip(bounds, point["bucketCounts"], strict=True):
                total += int(count)
                found[name + "_bucket", bound, labels] = total
            found[name + "_sum", labels] = pytest.approx(point["sum"])
            found[name + "_count", labels] = total
            assert int(point["count"]) == total
    return found


def prometheus_of(text):
    found = {}
    for (name, labels), value in promtext.parse(text).items():
        labels = dict(labels)
        bound = [float(labels.pop("le"))] if name.endswith("_bucket") else []
        found[(name, *bound, labels_of(labels))] = value
    return found


def is_steady(key):
    return not key[0].startswith(("weft_otlp", "weft_map", "weft_agent_last"))


def test_metrics_are_those_of_the_metrics_page(cluster, collector, agent):
    assert request(cluster, "/status/200", "/status/404", "/status/200") == [200, 404, 200]
    assert request(cluster, "/denied") == [403]
    agent.await_idle()
    time.sleep(0.3)  # for connections to close
    collector.take(METRICS)
    requests = collector.await_one(METRICS)
    text = cluster.get("a", "/metrics")
    metrics = exported_metrics(requests)
    exported = {key: value for key, value in as_prometheus(metrics).items() if is_steady(key)}
    shown = {key: value for key, value in prometheus_of(text).items() if is_steady(key)}
    assert exported == shown
    for word in ("weft_verdicts", "weft_http_requests", "weft_http_request_duration_seconds",
                 "weft_tcp_connections_opened", "weft_agent_ready", "weft_build_info"):
        assert word in metrics
    assert metrics["weft_sent_bytes"]["unit"] == "By" and metrics["weft_verdicts"]["unit"] == ""
    assert metrics["weft_http_request_duration_seconds"]["unit"] == "s"
    for metric in metrics.values():
        kind, points = points_of(metric)
        assert metric["description"].endswith(".")
        assert kind == "gauge" or metric[kind]["aggregationTemporality"] == 2
        assert kind != "sum" or metric["sum"]["isMonotonic"]
        for point in points:
            assert abs(int(point["timeUnixNano"]) / 1e9 - time.time()) < 10
            assert kind == "gauge" or int(point["startTimeUnixNano"]) < int(point["timeUnixNano"])
    assert requests[0]["headers"]["content-type"] == "application/json"
    assert requests[0]["headers"]["content-encoding"] == "gzip"
    assert resource_of(requests, "resourceMetrics").items() >= {
        "service.name": "weftd", "service.version": cluster.status("a")["version"], "service.instance.id": "a",
        "k8s.node.name": "a"}.items()


def test_events_are_log_records(cluster, collector, agent):
    since = json.loads(cluster.get("a", "/v1/events?since=99999999"))["next"]
    with agent.changes() as changed:
        request(cluster, "/status/404", "/denied")
        wait_until(lambda: len(json.loads(cluster.get("a", "/v1/events?since=%d" % since))["items"]) >= 3, 5, "events")
    events = json.loads(cluster.get("a", "/v1/events?since=%d" % since))["items"]
    assert changed == {"sent": len(events)}
    requests = collector.take()
    records = {record[""]["eventName"]: record for record in records_of(requests)}
    assert set(records) == {"weft.request", "weft.denied", "weft.tcp_close"}
    assert resource_of(requests, "resourceLogs")["service.name"] == "weftd"

    event = next(one for one in events if one["type"] == "request")
    record = records["weft.request"]
    source, destination = event["source"], event["destination"]
    assert {key: value for key, value in record.items() if key} == {
        "http.request.method": "GET", "url.path": "/status/404", "http.response.status_code": 404,
        "network.transport": "tcp", "weft.reporter": "destination", "weft.latency_us": event["request"]["latency_us"],
        "weft.traffic_target": "default/callers", "weft.route_group": "routes", "weft.match": "read",
        "source.address": source["address"], "source.port": source["port"],
        "source.k8s.namespace.name": "default", "source.k8s.workload.name": "caller",
        "source.k8s.serviceaccount.name": "caller", "source.k8s.pod.name": "caller",
        "destination.address": destination["address"], "destination.port": 80,
        "destination.k8s.namespace.name": "default", "destination.k8s.workload.name": "api",
        "destination.k8s.serviceaccount.name": "api", "destination.k8s.pod.name": "api"}
    assert (record[""]["severityNumber"], record[""]["severityText"]) == (9, "INFO")
    assert record[""]["body"]["stringValue"] == \
        "request GET /status/404 404 from default/caller to default/api port 80"
    stamp, fraction = event["time"][:-1].split(".")
    happened = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(record[""]["timeUnixNano"]) // 10**9))
    assert happened == stamp
    assert abs(int(record[""]["timeUnixNano"]) % 10**9 // 1000 - int(fraction)) <= 1
    assert int(record[""]["timeUnixNano"]) <= int(record[""]["observedTimeUnixNano"])

    record = records["weft.denied"]
    assert (record["weft.reason"], record["weft.hook"]) == ("no_http_rule", "to_pod")
    assert (record[""]["severityNumber"], record["http.response.status_code"]) == (13, 403)
    assert record[""]["body"]["stringValue"].endswith("port 80: no_http_rule")
    record = records["weft.tcp_close"]
    assert record["weft.bytes_to_destination"] > 0 and record["weft.duration_us"] > 0


def test_answers_that_are_no_success(cluster, collector, agent):
    """Too much now, and when it is sent again, an answer that is none; then a partial success."""
    collector.answer_with(
        LOGS, {"status": 503, "headers": {"Retry-After": "1"}, "body": '{"message": "busy"}'},
        {"body": "<html>It works!</html>"},
        {"body": json.dumps({"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "one is too old"}})})
    with agent.changes() as changed:
        request(cluster, "/status/200/first")
        wait_until(lambda: agent.status().get("problem") == "status 503: busy", 5, "the problem")
        request(cluster, "/status/200/second")
        wait_until(lambda: agent.status().get("problem") == "one is too old", 5, "the problem")
    first, again, second = collector.take()
    # Without the collector's wish it would be after a second at the latest.
    assert again["time"] - first["time"] >= 1.5
    assert first["body"] == again["body"] and paths_of([first]) == ["/status/200/first"]
    # What it could not read is not sent once more.
    assert paths_of([second]) == ["/status/200/second"]
    assert changed == {"retries": 1, "unreadable": len(records_of([first])), "rejected": 1,
                       "sent": len(records_of([second])) - 1}
    for problem in ("status 503: busy", "no answer of OTLP", "one is too old"):
        assert agent.said().count(problem) == 1


def test_a_slow_collector_holds_up_nothing(cluster, collector, agent):
    collector.answer_with(LOGS, {"delay": SLOW})
    collector.answer_with(METRICS, {"delay": SLOW}, {"delay": SLOW})
    with agent.changes() as changed:
        request(cluster, "/status/200/slow")
        wait_until(lambda: agent.counts()["queue"], 3, "a request that is under way")
        waits, end = [], time.monotonic() + SLOW / 2
        while time.monotonic() < end:
            begin = time.monotonic()
            cluster.get("a", "/readyz")
            waits.append(time.monotonic() - begin)
        assert agent.counts()["queue"]
        assert request(cluster, "/status/200/meanwhile", "/denied") == [200, 403]
    assert max(waits) < 0.3
    assert paths_of(collector.take()) == ["/status/200/slow", "/status/200/meanwhile", "/denied"]
    assert set(changed) == {"sent"}


def test_a_collector_that_goes_and_comes_back(cluster, collector, agent):
    """Without an answer, then nobody listens: nothing is lost, and its return is noticed."""
    # The second one for libcurl, which tries once more on a connection of its own.
    collector.answer_with(LOGS, {"drop": True}, {"drop": True})
    with agent.changes() as changed:
        request(cluster, "/status/200/0")
        taken = collector.await_one()
        collector.call(do="close")
        request(cluster, "/status/200/1", "/status/200/2")
        wait_until(lambda: "connect" in agent.status().get("problem", ""), 5, "refused connections")
        assert cluster.get("a", "/readyz") and agent.status()["waiting"]
        shown = cluster.mesh.weft("a", "status")
        assert shown.returncode == 0 and re.search(r"(?m)^export +logs to \S+, \d+ waiting: .*connect", shown.stdout)
        superseded = agent.counts("metrics")["superseded"]
        wait_until(lambda: agent.counts("metrics")["superseded"] > superseded, 5, "newer metrics")
        collector.call(do="listen")
    taken += collector.take()
    assert paths_of(one for one in taken if one["status"]) == ["/status/200/%d" % i for i in range(3)]
    assert set(changed) == {"retries", "sent"}
    assert "problem" not in agent.status() and "well again" in agent.said()


def test_more_than_the_queue_holds_is_counted(cluster, collector, agent):
    """While the collector is slow: memory is bounded, what is dropped is known to the last event."""
    address = next(one for one in cluster.pods["caller"]["addresses"] if "." in one)
    collector.answer_with(LOGS, {"delay": SLOW})
    with agent.changes() as changed:
        cluster.mesh.exec("api", PYTHON, "-c", FLOOD, address, "20000")
    assert changed["queue_full"] and set(changed) == {"queue_full", "sent"}


def starts(metrics, name):
    """Since when it is counted."""
    found, = {point["startTimeUnixNano"] for point in points_of(metrics[name])[1]}
    return int(found)


def test_the_end(cluster, collector, shared):
    """What there is goes out before, and counters belong to the same start in the next life; nothing can keep the
    agent."""
    shared.await_idle()
    collector.answer_with(LOGS)
    collector.take(LOGS)
    before = exported_metrics(collector.await_one(METRICS))
    request(cluster, "/status/200/last")
    shared.stop()
    assert paths_of(collector.take()) == ["/status/200/last"]
    last = exported_metrics(collector.take(METRICS))
    with Agent(cluster, collector) as agent:
        collector.answer_with(LOGS, {"hang": True})
        request(cluster, "/status/200/hung")
        collector.await_one()
        assert "items that were not sent" in agent.stop()
    after = exported_metrics(collector.take(METRICS))
    for name in ("weft_verdicts", "weft_http_requests", "weft_tcp_connections_opened", "weft_program_incidents",
                 "weft_http_request_duration_seconds"):
        assert starts(before, name) == starts(last, name) == starts(after, name)
    assert starts(before, "weft_agent_reconciles") < starts(after, "weft_agent_reconciles")


def test_tls_and_headers(cluster, tmp_path):
    for authority in ("ca", "other"):
        pki.make_authority(tmp_path, authority)
    pki.make_server(tmp_path, "server", "ca", ["IP:127.0.0.1"])
    headers = tmp_path / "headers"
    headers.write_text("# of the collector\n\nAuthorization: Bearer one\r\nX-Tenant: a: b\n", encoding="utf-8")
    with contextlib.closing(Collector(cluster, str(tmp_path))) as collector:
        arguments = ["--otlp-interval", "1", "--otlp-headers-file", str(headers), "--otlp-compression", "none"]
        with Agent(cluster, collector, *arguments, "--otlp-ca-file", str(tmp_path / "ca.crt"),
                   scheme="https") as agent:
            # A token is replaced before it is first used.
            headers.write_text(headers.read_text(encoding="utf-8").replace("one", "two"), encoding="utf-8")
            found = collector.await_one(METRICS)[0]
            exported_metrics([found])
            assert found["headers"]["authorization"] == "Bearer two" and found["headers"]["x-tenant"] == "a: b"
            assert "content-encoding" not in found["headers"]
            headers.unlink()
            wait_until(lambda: "No such file" in agent.status("metrics").get("problem", ""), 5, "the problem")
            assert "Bearer" not in agent.said()
        headers.write_text("Authorization: Bearer one", encoding="utf-8")
        collector.take(METRICS)
        with Agent(cluster, collector, "--otlp-ca-file", str(tmp_path / "other.crt"), scheme="https") as agent:
            assert "certificate" in agent.stop()
        assert not collector.take(METRICS)

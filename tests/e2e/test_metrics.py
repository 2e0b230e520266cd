# SPDX-License-Identifier: Apache-2.0
"""What weftd exports, judged by those who read it: promtool, and Prometheus itself."""
import contextlib
import json
import subprocess
import time
import urllib.parse

import pytest

import promtext
import test_http_telemetry as http
from mesh import wait_until
from robust import Load, assert_all_ok, cluster_of, namespace, node, pod, route, service, target, thing

SCRAPE = """
global: {scrape_interval: 300ms, scrape_timeout: 300ms}
scrape_configs:
- job_name: weftd
  static_configs: [{targets: ['127.0.0.1:9464']}]
"""


@pytest.fixture(scope="module", name="cluster")
def _cluster():
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("new", "a", command=mesh.server_command("new", "tcp:80"), app="new"),
            lambda mesh: pod("old", "a", command=mesh.server_command("old", "tcp:80"), app="old"),
            pod("caller", "a"), pod("intruder", "a"), route("web", 80),
            service("web", {"app": "none"}, ("tcp", 80)),
            service("new", {"app": "new"}, ("tcp", 80)),
            service("old", {"app": "old"}, ("tcp", 80)),
            thing("split.smi-spec.io/v1alpha4", "TrafficSplit", "web", spec={
                "service": "web", "backends": [{"service": "new", "weight": 1},
                                               {"service": "old", "weight": 3}]}),
            target("new", "new", ["caller"], [("TCPRoute", "web")]),
            target("old", "old", ["caller"], [("TCPRoute", "web")]),
            target("nobody", "new", ["caller"], [("TCPRoute", "missing")]),
            http.python_pod("api", http.SERVER),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "routes",
                  spec={"matches": [{"name": "all", "pathRegex": "/"}]}),
            target("callers", "api", ["caller"], [("HTTPRouteGroup", "routes")]),
    ) as made:
        made.mesh.run("wait")
        with Load(made.mesh, "caller", "call", made.of("web", 80)) as good, \
                Load(made.mesh, "intruder", "call", made.of("new", 80)) as bad:
            time.sleep(0.5)
            assert_all_ok(good.stop())
            bad.stop()
        wait_until(lambda: http.request(made, [("GET", "/status/200")]) == [200], 10, "the server")
        assert http.request(made, [("GET", "/status/200")] * 100) == [200] * 100
        yield made
        made.assert_sane()


def metrics(cluster):
    return promtext.parse(cluster.get("a", "/metrics"))


def test_promtool_has_nothing_to_say(cluster):
    text = cluster.get("a", "/metrics")
    assert metrics(cluster).total("weft_tcp_connections_opened_total") > 0
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_agent_tells_how_it_is(cluster):
    now = metrics(cluster)
    assert now.total("weft_objects", kind="Pod") == 5
    assert now.total("weft_objects", kind="TrafficSplit") == 1
    assert now.total("weft_findings", kind="TrafficTarget", reason="MissingRoute") == 1
    assert now.total("weft_findings") == now.total("weft_agent_findings")
    assert now.total("weft_agent_reconcile_duration_seconds_count") == \
        now.total("weft_agent_reconciles_total")


def test_a_split_can_be_held_against_its_connections(cluster):
    now = metrics(cluster)
    labels = {"destination_namespace": "default", "service": "web"}
    opened = [now.total("weft_tcp_connections_opened_total", reporter="source", backend=backend,
                        **labels) for backend in ("new", "old")]
    weights = [now.total("weft_split_backend_weight", split="web", backend=backend, **labels)
               for backend in ("new", "old")]
    assert weights == [1, 3]
    share = opened[0] / sum(opened)
    assert sum(opened) > 50 and abs(share - 0.25) < 0.2, opened


def test_how_long_news_take_is_measured(cluster):
    name = "weft_agent_propagation_duration_seconds"
    before = metrics(cluster)
    cluster.write("more.yaml", json.dumps(route("more", 81)))
    wait_until(lambda: metrics(cluster).total(name + "_count") > before.total(name + "_count"), 5,
               "a change")
    after = metrics(cluster)
    assert after.total(name + "_count") == before.total(name + "_count") + 1
    assert 0 < after.total(name + "_sum") - before.total(name + "_sum") < 2
    assert after.total("weft_objects", kind="TCPRoute") == 2


@contextlib.contextmanager
def prometheus(cluster, folder, port, *flags):
    """A Prometheus on the node that scrapes its agent."""
    folder.mkdir()
    (folder / "prometheus.yml").write_text(SCRAPE, encoding="utf-8")
    with (folder / "log").open("w") as log, subprocess.Popen(cluster.mesh.command(
            "node", "a", "--", "prometheus", "--config.file=%s/prometheus.yml" % folder,
            "--storage.tsdb.path=%s/data" % folder, "--web.listen-address=127.0.0.1:%d" % port,
            *flags), stdout=log, stderr=log) as process:
        try:
            yield lambda path: ask(cluster, port, path)
        finally:
            process.terminate()
            process.wait(10)


def ask(cluster, port, path):
    try:
        return json.loads(cluster.get("a", path, port))["data"]
    except (OSError, AssertionError):
        return None


def query(asking, text):
    found = asking("/api/v1/query?query=" + urllib.parse.quote(text))
    return [float(one["value"][1]) for one in found["result"] if "value" in one] if found else []


def test_prometheus_takes_it(cluster, tmp_path):
    """As OpenMetrics, which it asks for: units are known then, and counters have no _total. With
    native histograms it asks for protocol buffers."""
    with prometheus(cluster, tmp_path / "open", 9090) as asking, \
            prometheus(cluster, tmp_path / "native", 9091, "--enable-feature=native-histograms") as native:
        for each in (asking, native):
            wait_until(lambda each=each: query(each, "up") == [1.0], 15, "the first scrape")
        meta = asking("/api/v1/metadata?metric=weft_sent_bytes")
        assert [(one["type"], one["unit"]) for one in meta["weft_sent_bytes"]] == [("counter", "bytes")]
        meta = asking("/api/v1/metadata?metric=weft_build")
        assert [one["type"] for one in meta["weft_build"]] == ["info"]
        now = metrics(cluster)
        expected = now.total("weft_tcp_connections_opened_total")
        for each in (asking, native):
            assert query(each, "sum(weft_tcp_connections_opened_total)") == [expected]
            assert query(each, "histogram_quantile(0.5, weft_agent_reconcile_duration_seconds_bucket)")[0] > 0
            state = each("/api/v1/targets")["activeTargets"][0]
            assert (state["health"], state["lastError"]) == ("up", "")
        name = "weft_http_request_duration_seconds"
        count, mean = now.total(name + "_count"), now.total(name + "_sum") / now.total(name + "_count")
        assert query(asking, "sum(%s_count)" % name) == [count] and query(native, name + "_count") == []
        assert query(native, "histogram_count(sum(%s))" % name) == [count]
        assert abs(query(native, "histogram_sum(sum(%s))" % name)[0] / count / mean - 1) < 1e-9
        # As exact as the kernel's own buckets, which weft reads.
        code, rows, error = cluster.mesh.weft_json("a", "get", "requests")
        assert code == 0, error
        half = query(native, "histogram_quantile(0.5, sum(%s))" % name)[0]
        assert abs(half * 1e6 / rows[0]["p50_us"] - 1) < 0.05, (half, rows)

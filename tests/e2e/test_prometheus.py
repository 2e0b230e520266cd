# SPDX-License-Identifier: Apache-2.0
"""A Prometheus that scrapes two nodes: what README asks it for, the recording rules and the dashboard
against what clients and servers counted.

rate() and increase() extrapolate by up to a scrape interval at either end of what they have seen, all
series of a node by the same factor. So shares are exact, and absolute numbers within that factor.
"""
import collections
import contextlib
import json
import math
import re
import subprocess
import time
import urllib.parse

import pytest
import yaml

import promtext
from mesh import HERE, wait_until
from robust import cluster_of, namespace, node, pod, route, service, target, thing
from tally import HTTP, TALK, Counted, Run, Server

PORT = 9090
SCRAPE_S = 0.5
TOP = HERE.parent.parent
MONITORING = TOP / "deploy/monitoring"
BURSTS = 10
EXACT = 1e-6
STRETCH = 1.25  # the most that extrapolation adds to eight scrapes and more
REQUESTS = ["http", "--count", "4", "--each", "30", "--concurrency", "2", "GET/s/200", "GET/s/200",
            "POST/s/201", "GET/s/404", "GET/s/503"]
REFUSED = ["http", "--count", "5", "DELETE/s/200"]
TALKS = ["talk", "--count", "40", "--concurrency", "4", "e", "1", "2"]
INTRUSIONS = ["talk", "--count", "20", "e", "1", "1"]


@pytest.fixture(scope="module")
def cluster():
    rules = [{"name": "pages", "pathRegex": "/s/", "methods": ["GET", "POST"]}]
    with cluster_of(
            node("a"), node("b"), namespace(), pod("api", "a"), pod("new", "a", app="new"),
            pod("old", "b", app="old"), pod("caller", "b"), pod("intruder", "b"),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "pages", spec={"matches": rules}),
            route("talk", TALK),
            target("api", "api", ["caller"], [("HTTPRouteGroup", "pages")]),
            target("new", "new", ["caller"], [("TCPRoute", "talk")]),
            target("old", "old", ["caller"], [("TCPRoute", "talk")]),
            target("nobody", "old", ["caller"], [("TCPRoute", "missing")]),
            service("web", {"app": "none"}, ("tcp", TALK)),
            service("new", {"app": "new"}, ("tcp", TALK)),
            service("old", {"app": "old"}, ("tcp", TALK)),
            thing("split.smi-spec.io/v1alpha4", "TrafficSplit", "web", spec={
                "service": "web", "backends": [{"service": "new", "weight": 1},
                                               {"service": "old", "weight": 3}]}),
            arguments=["--agent-args", "--listen 0.0.0.0:9464"]) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


class Prometheus:
    """One on node a, by the example of deploy/monitoring and with its rules; a context manager."""

    def __init__(self, cluster, folder):
        config = yaml.safe_load((MONITORING / "prometheus-static.yaml").read_text(encoding="utf-8"))
        config["global"] = dict.fromkeys(
            ("scrape_interval", "scrape_timeout", "evaluation_interval"), "%dms" % (1000 * SCRAPE_S))
        config["rule_files"] = [str(MONITORING / one) for one in config["rule_files"]]
        job = config["scrape_configs"][0]["static_configs"][0]
        assert len(job["targets"]) == len(cluster.nodes)
        job["targets"] = ["%s:9464" % one["addresses"][0] for one in cluster.nodes.values()]
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
        self.cluster, self.log = cluster, folder / "log"
        self.process = subprocess.Popen(cluster.mesh.command(
            "node", "a", "--", "prometheus", "--config.file=%s/prometheus.yml" % folder,
            "--storage.tsdb.path=%s/data" % folder, "--web.listen-address=127.0.0.1:%d" % PORT),
            stdout=self.log.open("w"), stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def get(self, path):
        try:
            return json.loads(self.cluster.get("a", path, PORT))["data"]
        except (OSError, AssertionError):
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            return None

    def query(self, text, at=None):
        """{values of the labels in alphabetical order of their names: number}; None: no answer. `at`:
        Unix seconds, now if None."""
        data = self.get("/api/v1/query?query=" + urllib.parse.quote(text) +
                        ("&time=%.3f" % at if at else ""))
        return data and {tuple(value for key, value in sorted(one["metric"].items())
                               if key != "__name__"): float(one["value"][1])
                         for one in data["result"]}

    def scraped(self, more=2):
        """Waits until every agent was scraped so many more times."""
        until = self.get("/api/v1/query?query=time()")["result"][0] + more * SCRAPE_S
        wait_until(lambda: min((self.query("timestamp(up)") or {0: 0}).values()) > until, 10, "scrapes")


@pytest.fixture(scope="module")
def servers(cluster):
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Server(cluster, name)) for name in ("api", "new", "old")}


def traffic(cluster, times):
    """All that happens, on both families, at once; counts of the callers and the intruder."""
    pods, web = cluster.pods, cluster.services["web"]
    runs = [Run(cluster, *one, times=times, pause=0.25) for one in (
        ("caller", pods["api"]["addresses"][0], REQUESTS, REFUSED),
        ("caller", pods["api"]["addresses"][1], REQUESTS),
        ("caller", web[0], TALKS), ("caller", web[1], TALKS),
        ("intruder", pods["new"]["addresses"][0], INTRUSIONS))]
    counts = {"caller": collections.Counter(), "intruder": collections.Counter()}
    for one in runs:
        counts[one.source].update(one.counts())
    return counts


class Scene:
    """What Prometheus was asked after traffic, and what that traffic was."""

    def __init__(self, cluster, servers, prometheus):
        self.cluster, self.prometheus = cluster, prometheus
        traffic(cluster, 2)  # every series is there before the first scrape
        wait_until(lambda: sorted((prometheus.query("up") or {}).values()) == [1.0, 1.0], 20,
                   "the first scrapes")
        prometheus.scraped()
        before = self.accepted(servers)
        cluster.write("more.yaml", json.dumps(route("more", 81)))  # a pass to be measured
        self.weft, buckets = Counted(cluster), self.read_buckets()
        self.counts = traffic(cluster, BURSTS)
        self.accepted = {name: number - before[name]
                         for name, number in self.accepted(servers).items()}
        prometheus.scraped()
        self.weft = Counted(cluster).since(self.weft)
        self.buckets = {bound: number - buckets[bound]
                        for bound, number in self.read_buckets().items()}
        at = time.time()
        self.answers = {title: prometheus.query(query, at) for title, query in readme().items()}
        self.board = {title: [prometheus.query(query, at) for query in queries]
                      for title, queries in dashboard().items()}
        self.rules = {name: prometheus.query(name, at) for name in recorded()}

    def read_buckets(self):
        """{bound in seconds: requests that were answered within}"""
        found = promtext.parse(self.cluster.get("a", "/metrics"))
        return {float(le): found.total("weft_http_request_duration_seconds_bucket", le=le)
                for le in found.values_of("weft_http_request_duration_seconds_bucket", "le")}

    @staticmethod
    def accepted(servers):
        return {name: sum(number for (_, port, what), number in server.counts().items()
                          if what == "accepted" and port == "tcp")
                for name, server in servers.items()}

    def requests(self, what):
        """Of the caller, whose outcome matches."""
        return sum(number for (port, name), number in self.counts["caller"].items()
                   if port == "http" and re.search(r"^[A-Z]+ .* (%s)$" % what, name))


def readme():
    """{title: query} of README's section."""
    text = (TOP / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^### Prometheus and Grafana\n(.*?)^## ", text, re.M | re.S).group(1)
    blocks = re.findall(r"^    # (.*)\n((?:    .*\n)+)", section, re.M)
    return {title: " ".join(query.split()) for title, query in blocks}


def board():
    return json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))


def dashboard():
    """{panel: queries}, with Grafana's variables as it would set them for a long look back."""
    values = {"$__rate_interval": "5m", "$__range": "1h", "$namespace": ".*"}
    queries = {}
    for panel in board()["panels"]:
        for one in panel.get("targets", []):
            query = one["expr"]
            for name, value in values.items():
                query = query.replace(name, value)
            assert "$" not in query, query
            queries.setdefault(panel["title"], []).append(query)
    return queries


def recorded():
    rules = yaml.safe_load((MONITORING / "weft.rules.yaml").read_text(encoding="utf-8"))
    return [rule["record"] for group in rules["groups"] for rule in group["rules"]
            if "record" in rule]


@pytest.fixture(scope="module")
def scene(cluster, servers, tmp_path_factory):
    with Prometheus(cluster, tmp_path_factory.mktemp("prometheus")) as prometheus:
        yield Scene(cluster, servers, prometheus)


def assert_rate(value, number, seconds=300):
    """`value` a second, as if the number had come within so many seconds."""
    assert number and 1 - EXACT < value * seconds / number < STRETCH, (value * seconds, number)


def test_readme_has_these_queries():
    assert [title.split(",")[0] for title in readme()] == [
        "requests a second", "the share of requests that succeed",
        "seconds within which 99 % are answered", "who was denied where",
        "the share of a service's connections that each backend of its split gets",
        "bytes a second from whom to whom", "agents that are down"]


def answer(scene, title):
    return next(found for name, found in scene.answers.items() if name.startswith(title))


def test_requests(scene):
    found = answer(scene, "requests a second")
    numbers = {"2xx": scene.requests("20."), "4xx": scene.requests("404"),
               "5xx": scene.requests("503")}
    assert found.keys() == {("api", "caller", status) for status in numbers}
    total = sum(found.values())
    for status, number in numbers.items():
        assert_rate(found["api", "caller", status], number)
        assert found["api", "caller", status] / total == pytest.approx(
            number / sum(numbers.values()), rel=EXACT)


def test_success(scene):
    """By README, by the dashboard and by the recording rules."""
    failed = scene.requests("503") / (scene.requests("20.") + scene.requests("404|503"))
    assert answer(scene, "the share of requests that succeed") == {
        ("api", "caller"): pytest.approx(1 - failed, rel=EXACT)}
    assert scene.board["Success rate"] == [{(): pytest.approx(1 - failed, rel=EXACT)}]
    assert scene.board["Success rate by edge"] == [
        {("default", "api", "default", "caller"): pytest.approx(1 - failed, rel=EXACT)}]
    assert scene.rules["edge:weft_http_errors:ratio_rate5m"] == {
        ("default", "api", "default", "caller"): pytest.approx(failed, rel=0.01)}


def quantile(share, buckets):
    """As Prometheus: linear within a bucket."""
    bounds = sorted(buckets)
    rank, lower, below = share * buckets[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            return lower + (bound - lower) * (rank - below) / (buckets[bound] - below)
        lower, below = bound, buckets[bound]
    raise AssertionError(buckets)


def test_latency(scene):
    """As the agent's own buckets say; against clients' logs: test_percentiles.py."""
    expected = quantile(0.99, scene.buckets)
    assert scene.buckets[math.inf] == sum(scene.requests(what) for what in ("20.", "404", "503"))
    assert list(answer(scene, "seconds within which").values()) == [pytest.approx(expected, rel=EXACT)]
    for title, share in (("p50", 0.5), ("p99", 0.99)):
        assert list(scene.board["Latency by edge, " + title][0].values()) == [
            pytest.approx(quantile(share, scene.buckets), rel=EXACT)]


def test_denials(scene):
    refused, intruded = scene.requests("weft"), scene.counts["intruder"]["tcp", "called"]
    assert intruded == scene.counts["intruder"]["tcp", "refused EACCES"] and refused
    found = answer(scene, "who was denied where")
    assert found.keys() == {("api", "no_http_rule", "caller"), ("new", "no_rule", "intruder")}
    assert_rate(found["api", "no_http_rule", "caller"], refused, 1)
    assert_rate(found["new", "no_rule", "intruder"], intruded, 1)
    assert scene.board["Denials by reason"][0].keys() == {("no_http_rule", "deny"),
                                                          ("no_rule", "deny")}


def test_splits(scene):
    share = scene.accepted["new"] / (scene.accepted["new"] + scene.accepted["old"])
    assert scene.accepted["new"] + scene.accepted["old"] == scene.counts["caller"]["tcp", "called"]
    assert answer(scene, "the share of a service's") == {
        ("new", "web"): pytest.approx(share, rel=EXACT),
        ("old", "web"): pytest.approx(1 - share, rel=EXACT)}
    actual, wanted = scene.board["Share of connections by backend"]
    assert wanted == {("new", "default", "web"): 0.25, ("old", "default", "web"): 0.75}
    for backend in ("new", "old"):
        assert actual[backend, "default", "web"] == pytest.approx(
            wanted[backend, "default", "web"], abs=0.1)


def test_bytes(scene):
    found = answer(scene, "bytes a second")
    http = scene.counts["caller"]["http", "sent"]
    assert_rate(found["api", "caller"], http)
    assert scene.weft.total("weft_sent_bytes_total", reporter="source",
                            destination_workload="api") == http
    talked = scene.counts["caller"]["tcp", "sent"]
    assert_rate(found["new", "caller"] + found["old", "caller"], talked)


def test_the_dashboard_shows_what_readme_asks_for(scene):
    def same(panel, title, number=0):
        """The panel has namespaces, too: sums without them."""
        shown = collections.Counter()
        for labels, value in scene.board[panel][number].items():
            shown[tuple(label for label in labels if label != "default")] += value
        found = answer(scene, title)
        assert shown == {labels: pytest.approx(value, rel=EXACT) for labels, value in found.items()}
    same("Success rate by edge", "the share of requests")
    same("Latency by edge, p99", "seconds within which")
    same("Who is denied where", "who was denied where")
    (edge, shown), = scene.board["Requests by edge"][0].items()
    assert edge == ("default", "api", "default", "caller")
    assert shown == pytest.approx(sum(answer(scene, "requests a second").values()), rel=EXACT)
    share = answer(scene, "the share of a service's")
    assert scene.board["Share of connections by backend"][0] == {
        (backend, "default", service): pytest.approx(value, rel=EXACT)
        for (backend, service), value in share.items()}


def test_every_query_of_the_dashboard_has_data(scene):
    assert len(scene.board) > 15
    for title, answers in scene.board.items():
        for number, found in enumerate(answers):
            assert found, "%s, query %d" % (title, number)
            assert all(value == value for value in found.values()), (title, found)  # no NaN


def test_every_recording_rule_has_data(scene):
    assert all(scene.rules.values()), scene.rules
    for rule in scene.prometheus.get("/api/v1/rules")["groups"]:
        assert all(one["health"] == "ok" for one in rule["rules"]), rule


def test_rules_ask_for_what_there_is(scene):
    """Names of metrics, and the values of labels that alerts choose by; promtool believes any."""
    text = (MONITORING / "weft.rules.yaml").read_text(encoding="utf-8")
    expressions = " ".join(rule["expr"] for group in yaml.safe_load(text)["groups"]
                           for rule in group["rules"])
    names = set(scene.prometheus.get("/api/v1/label/__name__/values"))
    names |= {name.replace("_bucket", "") for name in names}  # of native histograms
    asked = set(re.findall(r"(?<!:)\bweft_\w+(?![\w:(|])", expressions))
    assert len(asked) > 10
    assert {one for one in asked - names if not one.startswith("weft_kube_")} == set()
    chosen = re.findall(r'\b(kind|map)[!=~]+"(\w*)(?:\(([\w|]+)\)(\w*))?"', expressions)
    assert len(chosen) == 3
    for label, before, some, behind in chosen:
        known = scene.prometheus.get("/api/v1/label/%s/values" % label)
        assert {before + one + behind for one in some.split("|")} <= set(known), (label, some)


def test_an_agent_that_is_down(scene):
    """In README's query, and as an alert that waits for its time."""
    query = next(query for title, query in readme().items() if title.startswith("agents"))
    assert answer(scene, "agents") == {}
    scene.cluster.mesh.agent("b", "kill")
    try:
        down = wait_until(lambda: scene.prometheus.query(query), 10, "an agent is down")
        wait_until(lambda: ("WeftAgentDown", "pending") in [
            (one["labels"]["alertname"], one["state"])
            for one in scene.prometheus.get("/api/v1/alerts")["alerts"]], 5, "the alert")
    finally:
        scene.cluster.mesh.agent("b", "start")
    assert list(down) == [("%s:9464" % scene.cluster.nodes["b"]["addresses"][0], "weftd")]

# SPDX-License-Identifier: Apache-2.0
"""Live views of a mesh: /v1/topology, `weft top`, `edges` and `topology`, and the page, compared with
what clients and servers counted."""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import time
import xml.etree.ElementTree

import pytest

import browser
from mesh import PYTHON, WEFT, wait_until
from robust import (cluster_of, namespace, node, pod, read_until, route, service, target, thing,
                    weftd)

URL = "http://127.0.0.1:9464"
# Answers with the status that the path names, after a moment; echoes datagrams.
SERVER = """
import http.server, socket, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.02)
        self.send_response(int(self.path[1:]))
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
def accept(server):
    while True:
        server.accept()[0].close()
plain = socket.create_server(("::", 9000), family=socket.AF_INET6, dualstack_ipv6=True)
threading.Thread(target=accept, args=(plain,), daemon=True).start()
Server(("::", 80), Handler).serve_forever()
"""
# [address, port, paths]: each path is asked for on one connection; without paths it is only opened.
CLIENT = """
import http.client, json, socket, sys
said = []
for address, port, paths in json.loads(sys.argv[1]):
    try:
        if not paths:
            socket.create_connection((address, port), 5).close()
        connection = http.client.HTTPConnection(address, port, timeout=5)
        for path in paths:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            said.append(answer.status)
        connection.close()
    except OSError as error:
        said.append(type(error).__name__)
print(json.dumps(said))
"""


def deployed(document, name):
    document["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name + "-5d4", "uid": "u",
         "controller": True}]
    document["metadata"]["labels"]["pod-template-hash"] = "5d4"
    return document


def server(number, where):
    return deployed(pod("api-%d" % number, where, "api", json.dumps([PYTHON, "-c", SERVER]), "shop",
                        app="api", version="v%d" % number), "api")


@pytest.fixture(scope="module", name="cluster")
def fixture_cluster():
    with cluster_of(
            node("a"), node("b"), namespace("shop"), server(1, "a"), server(2, "b"),
            deployed(pod("front-1", "a", "front", space="shop"), "front"),
            pod("intruder", "a", space="shop"),
            *[service(name, selector, ("tcp", 80), space="shop") for name, selector in (
                ("api", {"app": "api"}), ("api-v1", {"version": "v1"}), ("api-v2", {"version": "v2"}))],
            thing("split.smi-spec.io/v1alpha4", "TrafficSplit", "canary", "shop", spec={
                "service": "api", "backends": [{"service": "api-v1", "weight": 3},
                                               {"service": "api-v2", "weight": 1}]}),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "routes", "shop", spec={
                "matches": [{"name": "numbers", "pathRegex": "/[0-9]+", "methods": ["GET"]}]}),
            route("plain", 9000, space="shop"),
            target("calls", "api", ["front"], [("HTTPRouteGroup", "routes")], "shop"),
            target("plain", "api", ["front"], [("TCPRoute", "plain"), ("TCPRoute", "missing")],
                   "shop"),
    ) as made:
        made.mesh.run("wait")
        for name in ("api-1", "api-2"):
            wait_until(lambda name=name: call(made, "front-1", [[made.pods[name]["addresses"][0], 80,
                                                                ["/200"]]]) == [200], 10, name)
        yield made
        made.assert_sane()


def call(cluster, caller, calls):
    return json.loads(cluster.mesh.exec(caller, PYTHON, "-c", CLIENT, json.dumps(calls),
                                        namespace="shop"))


class Views:
    """`weft -o json top` and others on a node, which look twice, some seconds apart."""

    def __init__(self, cluster, where, *commands, seconds=5):
        self.processes = [subprocess.Popen(
            cluster.mesh.command("node", where, "--", "sh", "-c", 'echo $$ >&2; exec "$@"', "view", WEFT,
                                 "--interval", str(seconds), *command),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands]
        self.said = []
        # they have looked for the first time when they sleep
        for process in self.processes:
            place = pathlib.Path("/proc", process.stderr.readline().strip(), "wchan")
            wait_until(lambda place=place: "nanosleep" in place.read_text(), 20, "the first look")

    def texts(self):
        found = []
        for process in self.processes:
            out, error = process.communicate(timeout=30)
            assert process.returncode == 0, error
            self.said.append(error)
            found.append(out)
        return found


def edge(answer, source, destination, port):
    """The edge between two workloads; without port the denials."""
    return next((one for one in answer["edges"] if (
        one["source"]["name"], one["destination"]["name"], one.get("port")) == (
            source, destination, port)), None)


def traffic(cluster, repeat=1):
    """What both servers are asked for, over both families; and what the intruder tries."""
    pods = [cluster.pods[name]["addresses"] for name in ("api-1", "api-2")]
    requests = [[address, 80, ["/200", "/200", "/404", "/503"]] for both in pods for address in both]
    opened = [[address, 9000, []] for both in pods for address in both]
    assert call(cluster, "front-1", (requests + opened) * repeat) == [200, 200, 404, 503] * 4 * repeat
    refused = call(cluster, "intruder", [[pods[0][0], 80, ["/200"]]] * repeat)
    assert set(refused) <= {"PermissionError", "ConnectionRefusedError"}, refused


def assert_requests(found, count, failed):
    assert found["requests"] == count
    assert found["success"] == pytest.approx(1 - failed / count, abs=1e-5)
    assert 20000 <= found["p50_us"] <= found["p90_us"] <= found["p99_us"] < 2000000


@contextlib.contextmanager
def other_agent(cluster):
    """Node b's agent at an address of node a's; agents of the playground listen on loopback."""
    inner = "nsenter --net=%s socat - TCP\\:127.0.0.1\\:9464" % cluster.nodes["b"]["netns"]
    relay = subprocess.Popen(["nsenter", "--net=" + cluster.nodes["a"]["netns"], "socat",
                              "TCP-LISTEN:9465,bind=127.0.0.1,fork,reuseaddr", "EXEC:" + inner],
                             start_new_session=True)
    try:
        url = "http://127.0.0.1:9465"
        wait_until(lambda: cluster.mesh.on_node("a", "curl", "-s", url + "/healthz", check=False), 10,
                   "the relay")
        yield url
    finally:
        os.killpg(relay.pid, signal.SIGTERM)
        relay.wait(10)


def test_agents_are_added_up(cluster):
    with other_agent(cluster) as other:
        views = Views(cluster, "a", ("edges", "-o", "json", "--agent", URL, "--agent", other + "/"),
                      ("edges", "pods", "-o", "json", "--agent", other, "--agent", URL),
                      ("edges", "-o", "json", "--agent", URL, "--agent", "http://127.0.0.1:1"))
        traffic(cluster)
        assert call(cluster, "front-1", [[address, 80, ["/200"]]
                                         for address in cluster.services["api"]] * 40) == [200] * 80
        workloads, pods, alone = [json.loads(text) for text in views.texts()]
    found = edge(workloads, "front", "api", 80)
    assert_requests(found, 16 + 80, 4)
    # both nodes counted the connections to the server on the other node
    assert found["connections"] == 4 + 80
    assert edge(workloads, "front", "api", 9000)["connections"] == 4 and workloads["node"] == ""
    found = [edge(pods, "front-1", name, 80) for name in ("api-1", "api-2")]
    assert sum(one["requests"] for one in found) == 16 + 80
    assert sum(one["connections"] for one in found) == 4 + 80
    split, = workloads["splits"]
    assert split["connections"] == 80 and split["service"] == "api"
    assert {one["service"]: one["target"] for one in split["backends"]} == {
        "api-v1": 0.75, "api-v2": 0.25}
    shares = {one["service"]: one["actual"] for one in split["backends"]}
    assert sum(shares.values()) == pytest.approx(1) and 0.5 < shares["api-v1"] < 0.95
    assert edge(alone, "front", "api", 80)["requests"] < 16 + 80
    assert "no agent answers at http://127.0.0.1:1/" in views.said[2]


def test_views_tell_what_clients_counted(cluster):
    views = Views(cluster, "a", ("top", "-o", "json"), ("edges", "-o", "json"),
                  ("topology", "-o", "json", "--agent", URL), ("topology",), ("topology", "-o", "svg"),
                  ("topology", "-o", "dot"), ("top", "--once"))
    traffic(cluster)
    top, edges, asked, drawn, svg, dot, table = views.texts()
    for text in (top, edges, asked):
        answer = json.loads(text)
        assert 5 <= answer["window"] < 10 and answer["node"] == "a"
        found = edge(answer, "front", "api", 80)
        assert found["source"] == {"namespace": "shop", "kind": "Deployment", "name": "front"}
        # requests are counted where they are answered; connections also where they are opened
        assert_requests(found, 8, 2)
        assert found["rps"] == pytest.approx(8 / answer["window"], rel=0.01)
        assert found["connections"] == 4
        plain = edge(answer, "front", "api", 9000)
        assert plain["connections"] == 4 and "requests" not in plain
        denied = edge(answer, "intruder", "api", None)["denied"]
        assert [(one["verdict"], one["reason"]) for one in denied] == [("deny", "no_rule")]
        assert answer["denials"] == denied and denied[0]["count"] >= 1
        assert answer["splits"][0]["name"] == "canary" and answer["findings"] >= 1
        api, = [one for one in answer["nodes"] if one["name"] == "api"]
        assert_requests(api, 8, 2)
        assert api["connections"] == 8 and api["denied"] == denied[0]["count"]
    assert "shop/front" in drawn and "--->" in drawn.replace("─", "-"), drawn
    assert "shop/canary" in drawn and "no_rule" in drawn
    assert xml.etree.ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert 'label="shop/api' in dot and dot.count(" -> ") == 2
    rows = [line.split() for line in table.splitlines()]
    assert rows[0][:3] == ["NAMESPACE", "NAME", "SUCCESS"]
    assert rows[1][:3] == ["shop", "api", "75.00%"] and len(rows) == 2


def test_views_need_no_agent(cluster):
    cluster.mesh.agent("a", "kill")
    try:
        views = Views(cluster, "a", ("edges", "-o", "json", "-n", "shop"),
                      ("top", "pods", "-o", "json"), ("edges", "-n", "elsewhere"), seconds=3)
        traffic(cluster)
        edges, pods, elsewhere = views.texts()
        assert_requests(edge(json.loads(edges), "front", "api", 80), 8, 2)
        assert edge(json.loads(pods), "front-1", "api-1", 80)["requests"] == 8
        assert not json.loads(edges)["splits"] and len(elsewhere.splitlines()) == 1
        # an agent without the page
        agent = weftd(cluster.mesh, "a", "--ui", "off")
        try:
            read_until(agent, "msg=ready")
            assert json.loads(cluster.get("a", "/v1/topology"))["node"] == "a"
            with pytest.raises(AssertionError, match="404"):
                cluster.get("a", "/ui")
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.communicate(timeout=10)
    finally:
        cluster.mesh.agent("a", "start")


def test_top_on_a_terminal(cluster):
    """It goes on, each time on a cleared screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(cluster.mesh.command("node", "a", "--", WEFT, "top", "--interval", "1"),
                               stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    text = b""
    try:
        while text.count(b"\x1b[H\x1b[J") < 2:
            assert select.select([ours], [], [], 10)[0], text
            text += os.read(ours, 65536)
            traffic(cluster)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
        os.close(ours)
    screen = text.decode().split("\x1b[H\x1b[J")[1].replace("\r", "").splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  a  last \d\.\d s  findings \d+", screen[0]), screen
    assert screen[2].split()[:3] == ["NAMESPACE", "NAME", "SUCCESS"]


def test_topology_of_the_agent(cluster):
    def ask(query=""):
        return json.loads(cluster.get("b", "/v1/topology" + query))
    first = ask()
    assert first["window"] == 0 and "rps" not in edge(first, "front", "api", 80)
    time.sleep(1)
    traffic(cluster)
    answer = ask("?window=30")
    assert 1 <= answer["window"] < 10
    # this node has one of both pods: the other's requests are counted there
    assert_requests(edge(answer, "front", "api", 80), 8, 2)
    by_namespace = ask("?window=30&by=namespaces")
    assert [one["name"] for one in by_namespace["nodes"]] == ["shop"]
    assert ask("?namespace=elsewhere")["edges"] == []
    for query in ("?window=0", "?window=301", "?window=1s", "?by=colour"):
        with pytest.raises(AssertionError, match="window is a number"):
            ask(query)


@pytest.mark.skipif(not browser.program(), reason=browser.REMEDY)
def test_page(cluster):
    with browser.Browser(["nsenter", "--net=" + cluster.nodes["a"]["netns"]]) as page:
        page.open(URL + "/ui")
        page.wait("document.querySelector('#node').textContent === 'a'")
        traffic(cluster, repeat=3)
        page.wait("[...document.querySelectorAll('#edges tbody tr')].some(row => "
                  "row.textContent.includes('75.00 %'))")
        rows = page.value("[...document.querySelectorAll('#edges tbody tr')].map(row => "
                          "[...row.cells].map(cell => cell.textContent))")
        requests, = [row for row in rows if row[2] == "tcp/80"]
        assert requests[:2] == ["shop/front", "shop/api"]
        assert all(cell.endswith(" ms") for cell in requests[5:8]) and float(requests[4]) > 0
        assert page.value("document.querySelector('#splits').textContent").count("75.00 %") >= 1
        assert "no_rule" in page.value("document.querySelector('#denials').textContent")
        assert "MissingRoute" in page.value("document.querySelector('#findings').textContent")
        assert page.value("document.querySelectorAll('svg .node').length") == 3
        assert page.value("document.querySelectorAll('svg .edge.denied').length") == 1
        assert "shop/front" in page.value("document.querySelector('svg').textContent")
        assert not page.problems, page.problems
        # nothing else may run on this page, and nobody else is asked
        page.value("document.body.append(Object.assign(document.createElement('script'), "
                   "{textContent: 'window.intruded = true'}))")
        assert page.value("window.intruded") is None
        assert page.value("fetch('http://127.0.0.1:9465/').catch(error => error.name)") == "TypeError"
        assert [one for one in page.problems if "Content Security Policy" in one["text"]]
        assert {one.split("?")[0] for one in page.requests} == {
            URL + "/ui", URL + "/v1/topology", URL + "/v1/findings"}


@pytest.mark.parametrize("words, complaint", [
    (("top", "colours"), "'colours' is none of workloads, pods, namespaces"),
    (("top", "--agent", "http://127.0.0.1:1"), "no agent answers at http://127.0.0.1:1/v1/traffic"),
    (("edges", "--agent", URL + "/v1/status?"), "no answer of an agent"),
    (("edges", "--once"), "--once is for weft top"),
    (("status", "-n", "shop"), "--namespace, --interval and --agent are for weft top"),
    (("edges", "-o", "svg"), "-o dot and -o svg are for weft topology"),
])
def test_wrong_use(cluster, words, complaint):
    done = cluster.mesh.weft("a", *words)
    assert done.returncode == 2 and complaint in done.stderr and not done.stdout, done

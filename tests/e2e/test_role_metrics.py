# SPDX-License-Identifier: Apache-2.0
"""weftd --role metrics against an API server and agents that a test can have break: what they say wrong,
certificates that change, and sums that stay exact. The real ones are those of tests/kube."""
import base64
import contextlib
import http.server
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from mesh import wait_until

WEFTD = os.environ["WEFTD"]
BASE = "/apis/metrics.smi-spec.io/v1alpha1"
INTERVAL_S = 1


def openssl(folder, *arguments):
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)


def make_authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3",
            "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".crt")


def make_certificate(folder, name, authority, use="clientAuth", common="front-proxy-client"):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3",
            "-subj", "/CN=" + common, "-addext", "extendedKeyUsage=" + use, "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "basicConstraints=CA:FALSE",
            "-CA", authority + ".crt", "-CAkey", authority + ".key", "-keyout", name + ".key", "-out", name + ".crt")


class Scripted(http.server.ThreadingHTTPServer):
    """Answers with what `answers` has for a path: JSON, bytes as they are, or a status."""

    daemon_threads = True

    def __init__(self, context=None):
        self.answers, self.asked, self.patched = {}, [], []
        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        path = urllib.parse.urlsplit(self.path).path
        self.server.asked.append(self.path)
        found = self.server.answers.get(path, 404)
        if callable(found):
            found = found(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query))
        status, body = (found, b"{}") if isinstance(found, int) else (200, found)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        self.answer()

    def do_PATCH(self):  # pylint: disable=invalid-name
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.patched.append((self.path, self.headers["Content-Type"], said))
        self.answer()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def reading(node, requests, at=None):
    """As weftd's /v1/traffic: so many requests to api, each of 10 ms."""
    return {"node": node, "time": at or time.time(), "window": 0, "findings": 0,
            "ends": [{"namespace": "shop", "kind": "Deployment", "name": "web", "pod": "web-1-aaaaa"},
                     {"namespace": "shop", "kind": "Deployment", "name": "api", "pod": "api-1-" + node}],
            "edges": [], "denials": [], "splits": [],
            "requests": [{"source": 0, "destination": 1, "port": 80, "count": [0, 0, requests, 0, 0, 0],
                          "latency_ns": requests * 10000000, "buckets": [[421, requests]]}]}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Role:
    """The role, with the API server and two agents that it finds."""

    def __init__(self, folder):
        self.folder = folder
        make_authority(folder, "cluster")
        make_authority(folder, "proxy")
        make_certificate(folder, "api", "cluster", "serverAuth", "api")
        make_certificate(folder, "front", "proxy")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "api.crt", folder / "api.key")
        self.api = Scripted(context)
        self.agents = {"n1": Scripted(), "n2": Scripted()}
        self.port, self.process = free_port(), None
        self.counted = {name: 0 for name in self.agents}
        for name, agent in self.agents.items():
            agent.answers["/v1/traffic"] = lambda _, name=name: reading(name, self.counted[name])
        self.api.answers.update({
            "/api/v1/namespaces/weft-system/pods": {"items": [self.pod(name) for name in self.agents]},
            "/apis/apps/v1/namespaces/shop/deployments": self.deployments,
            "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.metrics.smi-spec.io": {"spec": {}}})
        self.trust("proxy")
        (folder / "config").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:%d" % self.api.port,
                                                   "certificate-authority": str(folder / "cluster.crt")}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "weft-system"}}]}),
            encoding="ascii")

    def pod(self, name):
        return {"metadata": {"name": "weftd-" + name}, "status": {"podIP": "127.0.0.1"}, "spec": {"containers": [
            {"ports": [{"name": "metrics", "containerPort": self.agents[name].port}]}]}}

    @staticmethod
    def deployments(query):
        """In two pages."""
        names = [one for one in ("api", "web") if query.get("fieldSelector", ["metadata.name=" + one]) == [
            "metadata.name=" + one]]
        if len(names) < 2 or "continue" in query:
            names = names[-1:]
            return {"metadata": {}, "items": [{"metadata": {"namespace": "shop", "name": one}} for one in names]}
        return {"metadata": {"continue": "a/b=="}, "items": [{"metadata": {"namespace": "shop", "name": names[0]}}]}

    def trust(self, authority, names=("front-proxy-client",)):
        self.api.answers["/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"] = {"data": {
            "requestheader-client-ca-file": (self.folder / (authority + ".crt")).read_text(encoding="ascii"),
            "requestheader-allowed-names": json.dumps(names)}}

    def start(self, *options, ready=True):
        self.process = subprocess.Popen(
            [WEFTD, "--role", "metrics", "--kubeconfig", str(self.folder / "config"), "--listen",
             "127.0.0.1:%d" % self.port, "--metrics-interval", str(INTERVAL_S), *options],
            stderr=(self.folder / "log").open("ab"))
        if ready:
            wait_until(lambda: self.status("/readyz") == 200, 20, "ready")

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if name:
            context.load_cert_chain(self.folder / (name + ".crt"), self.folder / (name + ".key"))
        return context

    def open(self, path, name="front"):
        return urllib.request.urlopen("https://127.0.0.1:%d%s" % (self.port, path), timeout=10,
                                      context=self.context(name))

    def status(self, path, name="front"):
        try:
            with self.open(path, name) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return 0

    def certificate(self):
        """That it serves; "" when it ends the connection, as it does once when it changes."""
        with contextlib.suppress(OSError):
            return ssl.get_server_certificate(("127.0.0.1", self.port))
        return ""

    def get(self, path):
        with self.open(BASE + path) as answer:
            return json.load(answer)

    def count(self, name="api"):
        found = {one["name"]: one["value"]
                 for one in self.get("/namespaces/shop/deployments/" + name)["metrics"]}
        return int(found["success_count"])

    def log(self):
        return (self.folder / "log").read_text(encoding="utf-8")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(20) == 0, self.log()[-3000:]
        for server in (self.api, *self.agents.values()):
            server.shutdown()
            server.server_close()


@pytest.fixture
def role(tmp_path):
    made = Role(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def test_sums_of_what_agents_count(role):
    role.counted.update(n1=100, n2=7)
    role.start()
    wait_until(lambda: role.get("/namespaces/shop/deployments/api")["window"] not in ("0s",), 10, "a window")
    # What was counted before it looked first is not of the window.
    assert role.count() == 0
    role.counted.update(n1=140, n2=10)
    wait_until(lambda: role.count() == 43, 10, "43 requests")
    listed = role.get("/namespaces/shop/deployments")
    assert [item["resource"]["name"] for item in listed["items"]] == ["api", "web"]
    assert any("continue=a%2Fb%3D%3D" in path for path in role.api.asked)
    (edge,) = role.get("/namespaces/shop/deployments/web/edges")["items"]
    assert edge["edge"]["direction"] == "to" and edge["edge"]["resource"]["name"] == "api"
    values = {one["name"]: one["value"] for one in edge["metrics"]}
    assert values["success_count"] == "43" and values["p50_response_latency"].endswith("u")
    assert 9600 < int(values["p50_response_latency"][:-1]) < 10400


def test_its_own_certificate_is_told_to_the_api_service(role):
    role.start()
    path, kind, said = wait_until(lambda: role.api.patched, 10, "a patch")[0]
    assert path.endswith("/apiservices/v1alpha1.metrics.smi-spec.io") and kind == "application/merge-patch+json"
    bundle = role.certificate()
    assert base64.b64decode(said["spec"]["caBundle"]).decode().strip() == bundle.strip()
    (role.folder / "own.crt").write_text(bundle, encoding="ascii")
    text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", role.folder / "own.crt"], check=True,
                          capture_output=True, text=True).stdout
    assert "DNS:weft-metrics.weft-system.svc," in text and "TLS Web Server Authentication" in text


def test_certificates_from_files_are_read_again(role):
    make_authority(role.folder, "other")
    make_certificate(role.folder, "serving", "cluster", "serverAuth", "first")
    files = ("--tls-certificate-file", str(role.folder / "serving.crt"), "--tls-key-file",
             str(role.folder / "serving.key"))
    role.start(*files)
    before = role.certificate()
    assert before.strip() == (role.folder / "serving.crt").read_text(encoding="ascii").strip()
    make_certificate(role.folder, "next", "cluster", "serverAuth", "second")
    for end in (".key", ".crt"):
        (role.folder / ("next" + end)).rename(role.folder / ("serving" + end))
    wait_until(lambda: role.certificate() not in ("", before), 25, "the next certificate")
    assert role.status(BASE) == 200 and not role.api.patched
    # What is no certificate changes nothing.
    (role.folder / "serving.crt").write_text("nothing", encoding="ascii")
    wait_until(lambda: "cannot" in role.log(), 25, "a complaint")
    assert role.status(BASE) == 200


ENDS = ('source_namespace="shop",source_kind="Deployment",source_workload="web",source_pod="web-1-aaaaa",'
        'destination_namespace="shop",destination_kind="Deployment",destination_workload="api",'
        'destination_pod="api-1-%s",destination_port="80"')


def scraped(node, requests):
    """The same as reading(), as weftd's /metrics has it with --metrics-labels all."""
    ends = ENDS % node
    lines = ["# TYPE weft_http_requests_total counter",
             'weft_http_requests_total{%s,method="GET",status_class="2xx"} %d' % (ends, requests),
             "# TYPE weft_http_request_duration_seconds histogram"]
    lines += ['weft_http_request_duration_seconds_bucket{%s,le="%s"} %d' % (ends, bound, count)
              for bound, count in (("0.005046272", 0), ("0.010092544", requests), ("+Inf", requests))]
    return ("\n".join(lines) + "\n").encode()


@contextlib.contextmanager
def prometheus(folder, targets):
    port = free_port()
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [{
        "job_name": "weft", "scrape_interval": "500ms", "scrape_timeout": "500ms", "static_configs": [
            {"targets": ["127.0.0.1:%d" % one], "labels": {"node": name}} for name, one in targets.items()]}]}),
        encoding="ascii")
    process = subprocess.Popen(["prometheus", "--config.file=%s/prometheus.yml" % folder, "--storage.tsdb.path=%s/data" %
                                folder, "--web.listen-address=127.0.0.1:%d" % port], stderr=subprocess.DEVNULL)
    try:
        yield "http://127.0.0.1:%d" % port
    finally:
        process.terminate()
        process.wait(20)


def test_from_a_prometheus(role):
    """A real one, which scrapes the agents; they are not asked themselves."""
    for name, agent in role.agents.items():
        agent.answers["/metrics"] = lambda _, name=name: scraped(name, role.counted[name])
    role.counted.update(n1=10, n2=5)
    with prometheus(role.folder, {name: agent.port for name, agent in role.agents.items()}) as url:
        role.start("--prometheus", url)
        wait_until(lambda: role.get("/namespaces/shop/deployments/api")["window"] != "0s", 20, "a window")
        role.counted.update(n1=30, n2=6)
        wait_until(lambda: role.count() == 21, 20, "21 requests")
        item = role.get("/namespaces/shop/deployments/api")
    values = {one["name"]: one["value"] for one in item["metrics"]}
    # spread over the bucket from 5 to 10 ms
    assert 7200 < int(values["p50_response_latency"][:-1]) < 7900
    assert not any(path.startswith("/v1") for agent in role.agents.values() for path in agent.asked)
    # It is gone: nothing is made up, and what was known is of no use after a while.
    wait_until(lambda: "Prometheus cannot be asked" in role.log(), 10, "a complaint")
    assert role.status("/readyz") == 200


def test_who_may_ask(role):
    make_authority(role.folder, "other")
    make_certificate(role.folder, "stranger", "other")
    make_certificate(role.folder, "server", "proxy", "serverAuth")
    make_certificate(role.folder, "someone", "proxy", common="someone")
    role.start()
    assert {name: role.status(BASE, name) for name in (None, "stranger", "server", "someone", "front")} == {
        None: 401, "stranger": 401, "server": 401, "someone": 401, "front": 200}
    assert role.status("/healthz", None) == role.status("/readyz", None) == 200
    assert role.status("/metrics", None) == 404


def test_nobody_may_ask_while_it_is_not_known_who(role):
    """Fails closed: without an authority there is no server, and one that is none lets nobody in."""
    told = {"data": {}}
    role.api.answers["/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"] = told
    role.start(ready=False)
    wait_until(lambda: "front proxy" in role.log(), 10, "a complaint")
    assert role.process.poll() is None and role.status("/readyz") == 0
    told["data"] = {"requestheader-client-ca-file": "x", "requestheader-allowed-names": "[]"}
    wait_until(lambda: role.status("/readyz") == 200, 10, "a server")
    assert role.status(BASE) == 401
    told["data"]["requestheader-client-ca-file"] = (role.folder / "proxy.crt").read_text(encoding="ascii")


def test_agents_that_say_nonsense(role):
    nonsense = [b"", b"{", b"[]", b'{"ends": 7}', 500, {"ends": [], "edges": [], "requests": [{}], "denials": [],
                                                          "splits": []}]
    role.counted.update(n1=5, n2=5)
    role.start()
    wait_until(lambda: role.get("/namespaces/shop/deployments/api")["window"] != "0s", 10, "a window")
    for one in nonsense:
        role.agents["n2"].answers["/v1/traffic"] = one
        asked = len(role.agents["n2"].asked)
        role.counted["n1"] += 1
        wait_until(lambda: len(role.agents["n2"].asked) > asked, 10, "asked again")
    wait_until(lambda: role.count() == len(nonsense), 10, "what the other agent counts")
    assert "agent weftd-n2 cannot be asked" in role.log() and role.status("/readyz") == 200
    role.agents["n2"].answers["/v1/traffic"] = lambda _: reading("n2", 9)
    wait_until(lambda: role.count() == len(nonsense) + 4, 10, "both again")


def test_agents_that_go(role):
    role.start()
    role.counted.update(n1=3, n2=4)
    wait_until(lambda: role.count() in (7,), 10, "both")
    role.api.answers["/api/v1/namespaces/weft-system/pods"] = {"items": [role.pod("n1")]}
    wait_until(lambda: role.count() == 3, 20, "one")


def test_the_api_server_does_not_answer(role):
    role.start()
    role.api.answers["/apis/apps/v1/namespaces/shop/deployments"] = 403
    assert role.status(BASE + "/namespaces/shop/deployments") == 503
    role.api.answers["/apis/apps/v1/namespaces/shop/deployments"] = {"items": []}
    assert role.status(BASE + "/namespaces/shop/deployments/api") == 404
    assert role.status(BASE + "/namespaces/shop/deployments/" + "a" * 300) == 404
    assert role.status(BASE + "/namespaces/shop/deployments/..%2f..%2fsecrets") == 404
    assert role.status(BASE + "/namespaces/shop/secrets/x") == 404


def test_splits_of_an_older_version(role):
    role.api.answers["/apis/split.smi-spec.io/v1alpha2/trafficsplits"] = {"items": []}
    role.start()
    assert role.get("/trafficsplits")["items"] == []
    role.api.answers["/apis/split.smi-spec.io/v1alpha2/trafficsplits"] = 404
    assert role.status(BASE + "/trafficsplits") == 404


def test_wrong_options(tmp_path):
    def said(*options):
        done = subprocess.run([WEFTD, "--role", *options], capture_output=True, text=True, check=False, timeout=20)
        return done.returncode, done.stderr
    assert said("sidecar") == (2, "weftd: --role: 'sidecar' is not 'agent' or 'metrics'\n")
    code, text = said("metrics", "--tls-key-file", "x")
    assert code == 2 and "go together" in text
    code, text = said("metrics", "--metrics-window", "0")
    assert code == 2 and "1 to 3600" in text
    code, text = said("metrics", "--kubeconfig", str(pathlib.Path(tmp_path, "none")))
    assert code == 1 and "weftd cannot start" in text

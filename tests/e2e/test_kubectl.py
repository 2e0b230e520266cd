# SPDX-License-Identifier: Apache-2.0
"""kubectl traffic: what the plugin asks kubectl for, and what it makes of answers in the shape that
the specification gives (SMI, apis/traffic-metrics/v1alpha1). A script stands for kubectl."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

from mesh import WEFT, wait_until

API = "/apis/metrics.smi-spec.io/v1alpha1"
AGENTS = ("/api/v1/namespaces/%s/pods?labelSelector=app.kubernetes.io%%2Fname%%3Dweft%%2C"
          "app.kubernetes.io%%2Fcomponent%%3Dagent")
# Notes how it is called. A file has the answer to each path; others are not found.
KUBECTL = """#!/bin/sh
printf '%s\\n' "$*" >> "$HOME/calls"
while [ $# -gt 2 ] && [ "$1" != config ]; do shift; done
[ "$1" != config ] || { cat "$HOME/namespace"; exit; }
[ "$1" = --raw ] || exit 3
file="$HOME/$(printf %s "${2%&limit=*}" | md5sum | cut -c1-32)"
[ -f "$file" ] || { echo "Error from server (NotFound)" >&2; exit 1; }
cat "$file"
"""


def resource(name, kind="Deployment", namespace="shop"):
    return {"name": name, "namespace": namespace, "kind": kind}


def metrics(name, good, bad, p99="10m", direction="from", other=None, **more):
    return {"kind": "TrafficMetrics", "resource": resource(name), "timestamp": "2026-01-01T00:00:00Z",
            "edge": {"direction": direction, "side": "server" if direction == "from" else "client",
                     "resource": resource(other) if other else {}}, "window": "1m40s",
            "metrics": [{"name": "p99_response_latency", "unit": "seconds", "value": p99},
                        {"name": "p90_response_latency", "unit": "seconds", "value": "2500u"},
                        {"name": "p50_response_latency", "unit": "seconds", "value": "1m"},
                        {"name": "success_count", "value": good},
                        {"name": "failure_count", "value": str(bad)}], **more}


def listed(*items):
    return {"kind": "TrafficMetricsList", "resource": {"kind": "Deployment"}, "items": list(items)}


class Plugin:
    """kubectl-traffic in a folder of its own, as kubectl would start it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "kubectl").write_text(KUBECTL)
        (folder / "kubectl").chmod(0o755)
        (folder / "kubectl-traffic").symlink_to(WEFT)
        (folder / "namespace").write_text("shop")

    def answer(self, path, document):
        import hashlib  # pylint: disable=import-outside-toplevel
        name = hashlib.md5(path.encode()).hexdigest()
        temporary = self.folder / "new"
        temporary.write_text(document if isinstance(document, str) else json.dumps(document))
        temporary.rename(self.folder / name)

    def popen(self, *arguments):
        return subprocess.Popen(
            [self.folder / "kubectl-traffic", *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={
                **os.environ, "PATH": "%s:%s" % (self.folder, os.environ["PATH"]),
                "HOME": str(self.folder), "LC_ALL": "C"})

    def run(self, *arguments):
        process = self.popen(*arguments)
        out, error = process.communicate(timeout=30)
        return process.returncode, out, error

    def calls(self):
        path = pathlib.Path(self.folder / "calls")
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(name="plugin")
def fixture_plugin(tmp_path):
    return Plugin(tmp_path)


def test_top(plugin):
    plugin.answer(API + "/namespaces/shop/deployments", listed(
        metrics("foo", 180, 0, "1m"), metrics("bar", 40, 13), metrics("baz", 0, 0),
        metrics("foo", 7, 7, direction="to", other="bar")))
    code, out, error = plugin.run("top", "deploy")
    assert (code, error) == (0, ""), error
    assert out == ("NAME  SUCCESS     RPS  LATENCY_P50  LATENCY_P90  LATENCY_P99\n"
                   "foo   100.00%  1.8rps        1.0ms        2.5ms        1.0ms\n"
                   "bar    75.47%  0.5rps        1.0ms        2.5ms         10ms\n"
                   "baz         -  0.0rps        1.0ms        2.5ms         10ms\n")
    assert plugin.calls() == ["config view --minify -o jsonpath={..namespace}",
                              "get --raw " + API + "/namespaces/shop/deployments"]
    code, out, _ = plugin.run("top", "deployments", "-n", "shop", "-o", "json")
    assert code == 0 and json.loads(out)["kind"] == "TrafficMetricsList"


def test_paths(plugin):
    """Namespaces, selectors and kubectl's own options."""
    one = listed(metrics("foo", 1, 1))
    plugin.answer(API + "/pods?labelSelector=app%3Dfoo%2Ctier%20in%20%28a%2Cb%29", one)
    code, out, error = plugin.run("top", "po", "-A", "-l", "app=foo,tier in (a,b)", "--context", "x y",
                                  "--kubeconfig", "/a b")
    assert code == 0 and out.splitlines()[0].startswith("NAMESPACE"), error
    assert plugin.calls()[-1].startswith("--context x y --kubeconfig /a b get --raw ")
    plugin.answer(API + "/namespaces", one)
    assert plugin.run("top", "ns")[0] == 0
    (plugin.folder / "namespace").write_text("")
    plugin.answer(API + "/namespaces/default/pods/foo", one["items"][0])
    assert plugin.run("top", "pod", "foo")[1].splitlines()[1].startswith("foo")
    plugin.answer(API + "/namespaces/..%2Fkube-system/pods", listed())
    code, out, error = plugin.run("top", "pods", "-n", "../kube-system")
    assert (code, out, error) == (0, "", "No resources found\n")
    plugin.answer(API + "/namespaces/shop/trafficsplits", listed(
        metrics("canary", 9, 0, backend={"apex": "api", "name": "api-v1", "weight": 90})))
    assert "canary/api-v1" in plugin.run("top", "trafficsplit", "-n", "shop")[1]


def test_topology(plugin):
    plugin.answer(API + "/namespaces/shop/deployments", listed(
        *[metrics(name, 1, 0) for name in ("foo", "bar", "baz")]))
    plugin.answer(API + "/namespaces/shop/deployments/foo/edges", listed(
        metrics("foo", 100, 0, other="traffic"), metrics("foo", 90, 5, direction="to", other="bar")))
    plugin.answer(API + "/namespaces/shop/deployments/bar/edges", listed(
        metrics("bar", 95, 5, other="foo"), metrics("bar", 50, 50, direction="to", other="baz")))
    # baz is gone meanwhile
    code, out, error = plugin.run("topology")
    assert code == 0 and "NotFound" in error
    drawing, table = out.split("\nEdges\n")
    assert drawing.splitlines()[1].split("|")[1::2] == [
        " traffic    ", " foo        ", " bar        ", " baz        "]
    assert drawing.splitlines()[1].count("---->") == 3
    rows = [line.split()[:4] for line in table.splitlines()[1:]]
    assert rows == [["shop/traffic", "shop/foo", "100.00%", "1.0rps"],
                    ["shop/foo", "shop/bar", "95.00%", "1.0rps"],
                    ["shop/bar", "shop/baz", "50.00%", "1.0rps"]]
    assert plugin.run("topology", "deploy", "-o", "dot")[1].count(" -> ") == 3
    assert len(json.loads(plugin.run("topology", "-o", "json")[1])) == 3


def event(number, second, path):
    return {"seq": number, "time": "2026-01-01T00:00:%02d.000000Z" % second, "type": "request",
            "protocol": "tcp", "source": {"namespace": "shop", "pod": "foo", "port": 1},
            "destination": {"namespace": "shop", "pod": "bar", "port": 80},
            "request": {"method": "GET", "path": path, "status": 200, "latency_us": 812}}


def said(started, events, following, oldest=0):
    return {"started": started, "items": events, "next": following, "oldest": oldest, "lost": 0}


def test_tap(plugin):
    pods = [{"metadata": {"name": name}, "status": {"phase": phase}} for name, phase in (
        ("weft-1", "Running"), ("weft-2", "Running"), ("weft-3", "Pending"))]
    plugin.answer(AGENTS % "mesh", {"items": pods})
    path = "/api/v1/namespaces/mesh/pods/weft-%d:9464/proxy/v1/tap?to=shop%%2Fbar&status=5xx&"
    first = path + "since=%d" % (2**64 - 1)
    plugin.answer(first % 1, said(1.5, [], 10))
    plugin.answer(first % 2, said(2.5, [], 7))
    plugin.answer(path % 1 + "since=10", said(1.5, [event(10, 4, "/late"), event(11, 5, "/last")], 12))
    plugin.answer(path % 2 + "since=7", said(2.5, [event(7, 3, "/early")], 8))
    # the first one is another process now, the second one has dropped some
    plugin.answer(path % 1 + "since=12", said(3.5, [], 1))
    plugin.answer(path % 1 + "since=0", said(3.5, [event(0, 6, "/again")], 1))
    plugin.answer(path % 2 + "since=8", said(2.5, [event(11, 6, "/more")], 12, oldest=11))
    tap = plugin.popen("tap", "--weft-namespace", "mesh", "--to", "shop/bar", "--status", "5xx")
    try:
        wait_until(lambda: any("since=1&" in call for call in plugin.calls()), 10, "all answers")
    finally:
        tap.send_signal(signal.SIGTERM)
        out, error = tap.communicate(timeout=10)
    assert error.count("3 events of weft-2 were not seen") == 1, error
    assert [line.split()[6] for line in out.splitlines()] == ["/early", "/late", "/last", "/more",
                                                              "/again"]
    assert out.splitlines()[0].endswith(" shop/foo:1 -> shop/bar:80 GET /early 200 in 812 us")
    assert not [call for call in plugin.calls() if "weft-3" in call]


@pytest.mark.parametrize("words, complaint", [
    ((), "'' is none of top, topology, tap"),
    (("top",), "usage: kubectl traffic top RESOURCE"),
    (("top", "ingresses"), "'ingresses' is no resource with traffic metrics"),
    (("top", "pods", "-o", "svg"), "unknown output format 'svg'"),
    (("top", "pods", "--status", "404"), "are for tap"),
    (("tap", "-n", "shop"), "tap selects by --from and --to"),
    (("top", "pods"), "apiservice v1alpha1.metrics.smi-spec.io"),
    (("tap",), "the agents cannot be listed"),
])
def test_wrong_use(plugin, words, complaint):
    code, out, error = plugin.run(*words)
    assert code == 2 and not out
    assert error.splitlines()[-1].startswith("kubectl traffic: ") and complaint in error, error


def test_without_kubectl(plugin):
    (plugin.folder / "kubectl").unlink()
    process = subprocess.run([plugin.folder / "kubectl-traffic", "top", "pods", "-n", "x"],
                             capture_output=True, text=True, check=False,
                             env={"PATH": str(plugin.folder)})
    assert process.returncode == 2 and "cannot run kubectl: No such file" in process.stderr

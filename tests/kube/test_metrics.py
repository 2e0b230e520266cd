# SPDX-License-Identifier: Apache-2.0
"""SMI TrafficMetrics through the API server's aggregation layer: what it tells of every kind of resource, and of
edges, is what clients counted; and nobody but the front proxy may ask."""
import json
import os
import subprocess

import pytest

from installed import API_SERVICE, BUILD, HERE, PYTHON, SPACE, TOP, deployment, pod, service, template, thing
from mesh import wait_until
from test_policy import SPLIT, WHOAMI, http_group

BASE = "/apis/metrics.smi-spec.io/v1alpha1"
# What the client asks of each server: (GETs, which are allowed, POSTs, which are not).
CALLS = {"dep": (40, 3), "sts": (31, 2), "ds": (26, 1), "rc": (17, 0), "rs": (13, 4), "job": (11, 2), "bare": (9, 1)}
SPLIT_CALLS = 200
SECONDS = 45


def controlled(kind, name, api):
    """The server as the pod of a controller of this kind."""
    spec = template(name, [*WHOAMI, name], None)
    spec.update(serviceAccountName="web")
    body = {"template": {"metadata": {"labels": {"app": name, "tier": "server"}}, "spec": spec}}
    if kind == "Job":
        spec.update(restartPolicy="Never")
    elif kind == "ReplicationController":
        body.update(replicas=1, selector={"app": name})
    else:
        body.update(selector={"matchLabels": {"app": name}})
    if kind == "StatefulSet":
        body.update(serviceName=name)
    return thing(kind, name, api, metadata={"labels": {"of": "server"}}, spec=body)


def servers():
    bare = pod("bare", [*WHOAMI, "bare"], node="b")
    bare["spec"]["serviceAccountName"] = "web"
    bare["metadata"]["labels"] = {"app": "bare", "tier": "server"}
    dep = deployment("dep", [*WHOAMI, "dep"], replicas=2, labels={"tier": "server"})
    dep["spec"]["template"]["spec"]["serviceAccountName"] = "web"
    dep["metadata"]["labels"] = {"of": "server"}
    return [dep, controlled("StatefulSet", "sts", "apps/v1"), controlled("DaemonSet", "ds", "apps/v1"),
            controlled("ReplicationController", "rc", "v1"), controlled("ReplicaSet", "rs", "apps/v1"),
            controlled("Job", "job", "batch/v1"), bare]


def halves():
    """Two Deployments behind a TrafficSplit."""
    found = []
    for name in ("half-1", "half-2"):
        one = deployment(name, [*WHOAMI, name], replicas=1, labels={"half": "any"})
        one["spec"]["template"]["spec"]["serviceAccountName"] = "web"
        found += [one, service(name, {"app": name}, 8080)]
    split = thing("TrafficSplit", "halves", SPLIT + "v1alpha4", spec={
        "service": "halves", "backends": [{"service": "half-1", "weight": 80}, {"service": "half-2", "weight": 20}]})
    return [*found, service("halves", {"half": "any"}, 8080), split]


@pytest.fixture(scope="module", autouse=True)
def shop(kube):
    target = thing("TrafficTarget", "web", "access.smi-spec.io/v1alpha3", spec={
        "destination": {"kind": "ServiceAccount", "name": "web", "namespace": SPACE},
        "sources": [{"kind": "ServiceAccount", "name": "client", "namespace": SPACE}],
        "rules": [{"kind": "HTTPRouteGroup", "name": "web"}]})
    space = thing("Namespace", SPACE, space=None, metadata={"labels": {"weft.dev/mesh": "enforce"}})
    kube.apply(space, *(thing("ServiceAccount", name) for name in ("web", "client", "intruder")), http_group(), target,
               pod("client", node="a"), pod("intruder", node="b"), *servers(), *halves(),
               *(service("all-" + name, {"app": name}, 8080) for name in CALLS))
    kube.await_pods(13)
    yield
    kube.delete(space)
    kube.kubectl("wait", "--for=delete", "namespace/" + SPACE, "--timeout=60s")


@pytest.fixture(scope="module", autouse=True)
def metrics(kube, shop):  # pylint: disable=redefined-outer-name,unused-argument
    """Installed as the README says, but that it looks back on all of the test."""
    kube.install_metrics("WEFT_METRICS_WINDOW=600", "WEFT_METRICS_INTERVAL=1")
    yield
    kube.kubectl("delete", "-k", str(TOP / "deploy" / "metrics"))


def get(kube, path, *options):
    return json.loads(kube.kubectl("get", "--raw", BASE + path, *options))


def count(item):
    found = {one["name"]: one["value"] for one in item["metrics"]}
    return int(found["success_count"]), int(found["failure_count"])


def call(kube, asked):
    done = subprocess.run([*kube.inside("client"), PYTHON, str(HERE / "caller.py")], input=json.dumps(asked),
                          capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def pods_of(kube, name):
    return {item["metadata"]["name"]: item["status"] for item in
            kube.get("pods", "-n", SPACE, "-l", "app=" + name)["items"]}


@pytest.fixture(scope="module")
def called(kube, metrics):  # pylint: disable=redefined-outer-name,unused-argument
    """Everything that the client asks for, once its policy is there. By server: (GETs, POSTs) of one pod of it."""
    wait_until(lambda: kube.fetch("client", "http://[%s]:8080/public/x" % address_of(kube, "bare", 1)) == "200", 20,
               "the policy")
    before = {name: count(get(kube, "/namespaces/%s/pods/%s" % (SPACE, name))) for name in ("bare",)}
    asked = [{"name": name, "get": gets, "post": posts, "addresses": addresses}
             for name, (gets, posts) in CALLS.items()
             for addresses in [[address_of(kube, name, 0), address_of(kube, name, 1)]]]
    seen = call(kube, asked)
    assert {name: (one["statuses"].get("200", 0), one["statuses"].get("403", 0)) for name, one in seen.items()} == CALLS
    return before


def address_of(kube, name, family):
    """Of the first of its pods."""
    return sorted(pods_of(kube, name).items())[0][1]["podIPs"][family]["ip"]


def await_count(kube, path, expected):
    wait_until(lambda: count(get(kube, path)) == expected, SECONDS, "%s: %s" % (path, expected))


def test_every_kind(kube, called):
    """One workload of each kind; a bare pod was asked before, until it answered."""
    warm = wait_until(lambda: count(get(kube, "/namespaces/%s/pods/bare" % SPACE)), SECONDS, "bare")
    assert called["bare"] <= warm
    for name, plural in (("dep", "deployments"), ("sts", "statefulsets"), ("ds", "daemonsets"),
                         ("rc", "replicationcontrollers"), ("rs", "replicasets"), ("job", "jobs")):
        await_count(kube, "/namespaces/%s/%s/%s" % (SPACE, plural, name), CALLS[name])
        await_count(kube, "/namespaces/%s/services/all-%s" % (SPACE, name), CALLS[name])
    first = sorted(pods_of(kube, "dep"))[0]
    await_count(kube, "/namespaces/%s/pods/%s" % (SPACE, first), CALLS["dep"])
    await_count(kube, "/namespaces/%s/replicasets/%s" % (SPACE, first.rsplit("-", 1)[0]), CALLS["dep"])
    item = get(kube, "/namespaces/%s/deployments/dep" % SPACE)
    assert item["kind"] == "TrafficMetrics" and item["resource"] == {
        "kind": "Deployment", "namespace": SPACE, "name": "dep"}
    assert item["edge"] == {"direction": "from", "side": "server", "resource": {}}
    values = {one["name"]: one["value"] for one in item["metrics"]}
    assert values["p50_response_latency"][-1] in "um" and values["p99_response_latency"] != "0"


def test_sums(kube, called):  # pylint: disable=unused-argument
    """A namespace, and the nodes, have what their pods have."""
    pods = get(kube, "/namespaces/%s/pods" % SPACE)["items"]
    total = tuple(map(sum, zip(*map(count, pods))))
    assert count(get(kube, "/namespaces/" + SPACE)) == total
    nodes = {item["resource"]["name"]: count(item) for item in get(kube, "/nodes")["items"]}
    assert set(nodes) == {"a", "b"} and tuple(map(sum, zip(*nodes.values()))) == total


def test_label_selectors(kube, called):  # pylint: disable=unused-argument
    found = get(kube, "/namespaces/%s/pods?labelSelector=tier%%3Dserver,app%%3Drc" % SPACE)
    assert found["kind"] == "TrafficMetricsList" and found["resource"] == {"kind": "Pod", "namespace": SPACE}
    assert found["selector"] == {"matchLabels": {"tier": "server", "app": "rc"}}
    assert [count(item) for item in found["items"]] == [CALLS["rc"]]
    named = {item["resource"]["name"] for item in get(kube, "/deployments?labelSelector=of%3Dserver")["items"]}
    assert named == {"dep"}


def test_edges(kube, called):  # pylint: disable=unused-argument
    (edge,) = get(kube, "/namespaces/%s/statefulsets/sts/edges" % SPACE)["items"]
    assert edge["edge"] == {"direction": "from", "side": "server",
                            "resource": {"kind": "Pod", "namespace": SPACE, "name": "client"}}
    assert count(edge) == CALLS["sts"]
    out = {item["edge"]["resource"]["name"]: count(item)
           for item in get(kube, "/namespaces/%s/pods/client/edges" % SPACE)["items"]
           if item["edge"]["direction"] == "to"}
    assert out["job-" + next(iter(pods_of(kube, "job"))).split("-")[-1]] == CALLS["job"]
    assert out["sts-0"] == CALLS["sts"]


def test_splits(kube, called):  # pylint: disable=unused-argument
    """By backend: what the servers behind each answered."""
    addresses = kube.cluster_ips("halves")
    seen = call(kube, [{"name": str(i), "get": 2, "post": 0, "addresses": addresses} for i in range(SPLIT_CALLS // 2)])
    bodies = {name: sum(one["bodies"].get(name, 0) for one in seen.values()) for name in ("half-1", "half-2")}
    assert sum(bodies.values()) == SPLIT_CALLS and min(bodies.values()) > 10

    def told(path=""):
        return {item["backend"]["name"]: (item["backend"], count(item), item["edge"]) for item in
                get(kube, "/namespaces/%s/trafficsplits/halves%s" % (SPACE, path))["items"]}
    wait_until(lambda: {name: one[1][0] for name, one in told().items()} == bodies, SECONDS, "%s" % bodies)
    assert told()["half-1"][0] == {"apex": "halves", "name": "half-1", "weight": 80}
    assert {one[2]["resource"]["name"] for one in told("/edges").values()} == {"client"}
    listed = get(kube, "/trafficsplits")["items"]
    assert {item["resource"]["name"] for item in listed} == {"halves"} and len(listed) == 2


@pytest.fixture(name="plugin")
def _plugin(kube, tmp_path):
    """kubectl traffic, as an administrator has it."""
    (tmp_path / "kubectl-traffic").symlink_to(BUILD / "weft")

    def run(*arguments):
        return kube.cluster.nodes[0].run("env", "KUBECONFIG=" + kube.cluster.kubeconfig, "PATH=%s:%s" % (
            tmp_path, os.environ["PATH"]), "kubectl", "traffic", *arguments)
    return run


def test_plugin(kube, called, plugin):  # pylint: disable=unused-argument
    """Tables and drawings of the same numbers."""
    rows = {words[0]: words[1:] for words in map(str.split, plugin("top", "statefulsets", "-n", SPACE).splitlines())}
    success = 100 * CALLS["sts"][0] / sum(CALLS["sts"])
    assert rows["sts"][0] == "%.2f%%" % success, rows
    everywhere = plugin("top", "pods", "-A", "-l", "tier=server")
    assert "sts-0" in everywhere and "client" not in everywhere
    drawn = plugin("topology", "pods", "-n", SPACE, "-o", "dot")
    assert drawn.startswith("digraph") and "sts-0" in drawn and "client" in drawn
    assert "<svg" in plugin("topology", "deployments", "-n", SPACE, "-o", "svg")


def test_plugin_tap(kube, called, plugin, tmp_path):  # pylint: disable=unused-argument,redefined-outer-name
    """Requests as they happen, from the agents of both nodes, through the API server."""
    with (tmp_path / "tapped").open("w+", encoding="utf-8") as said:
        tap = subprocess.Popen(kube.cluster.nodes[0].inside(
            "env", "KUBECONFIG=" + kube.cluster.kubeconfig, str(tmp_path / "kubectl-traffic"), "tap", "--to", SPACE,
            "-o", "json"), stdout=said, stderr=subprocess.STDOUT)
        try:
            def tapped():
                call(kube, [{"name": name, "get": 2, "post": 0, "addresses": [address_of(kube, name, 0)]}
                            for name in ("ds", "bare")])
                said.seek(0)
                text = said.read()
                return all('"%s' % name in text for name in ("ds", "bare")) and text
            assert "/public/x" in wait_until(tapped, 30, "requests to both")
        finally:
            tap.terminate()
            tap.wait(10)


def test_what_is_not_there(kube):
    listed = {one["name"]: one["namespaced"] for one in get(kube, "")["resources"]}
    assert listed["nodes/edges"] is False and listed["trafficsplits"] is True and len(listed) == 22
    for path in ("/namespaces/%s/pods/nobody" % SPACE, "/namespaces/%s/pods/nobody/edges" % SPACE, "/cronjobs",
                 "/namespaces/none/deployments/x"):
        with pytest.raises(RuntimeError, match="NotFound|not found|could not find"):
            get(kube, path)
    with pytest.raises(RuntimeError, match="BadRequest|unable to parse"):
        get(kube, "/pods?labelSelector=%21%21")


def test_rights(kube):
    """The API server asks RBAC before it asks us; who has `view` in a namespace may look."""
    user = ("--as=system:serviceaccount:%s:client" % SPACE,)
    with pytest.raises(RuntimeError, match="[Ff]orbidden"):
        get(kube, "/namespaces/%s/pods" % SPACE, *user)
    kube.kubectl("create", "rolebinding", "look", "-n", SPACE, "--clusterrole=view",
                 "--serviceaccount=%s:client" % SPACE)
    wait_until(lambda: "items" in kube.kubectl("get", "--raw", BASE + "/namespaces/%s/pods" % SPACE, *user,
                                               check=False), 20, "the right to look")
    with pytest.raises(RuntimeError, match="[Ff]orbidden"):
        get(kube, "/nodes", *user)


def test_only_the_front_proxy_may_ask(kube):
    """Directly: without a certificate, with one of another authority, of another name, for servers, and the real one."""
    pki, node = kube.cluster.pki, kube.cluster.nodes[0]
    signed = ("-CA", pki / "front-proxy-ca.crt", "-CAkey", pki / "front-proxy-ca.key")
    made = {"other-ca": ("/CN=front-proxy-client", "clientAuth", ()), "other-name": ("/CN=someone", "clientAuth", signed),
            "for-servers": ("/CN=front-proxy-client", "serverAuth", signed)}
    for name, (subject, use, authority) in made.items():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", subject,
                        "-addext", "extendedKeyUsage=" + use, *authority, "-keyout", pki / (name + ".key"), "-out",
                        pki / (name + ".crt")], check=True, capture_output=True)
    (found,) = kube.get("pods", "-n", "weft-system", "-l", "app.kubernetes.io/component=metrics")["items"]
    address = found["status"]["podIPs"][0]["ip"]

    def ask(*options):
        return node.run("curl", "-k", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options,
                        "https://%s:8443%s/pods" % (address, BASE)).strip()
    assert ask() == "401" and ask("-H", "X-Remote-User: admin", "-H", "X-Remote-Group: system:masters") == "401"
    for name in (*made, "front-proxy-client"):
        status = ask("--cert", str(pki / (name + ".crt")), "--key", str(pki / (name + ".key")))
        assert status == ("200" if name == "front-proxy-client" else "401"), name


def test_a_new_pod_with_a_new_certificate(kube):
    before = kube.get("apiservice", API_SERVICE)["spec"]["caBundle"]
    kube.kubectl("delete", "pod", "-n", "weft-system", "-l", "app.kubernetes.io/component=metrics", "--wait=true")
    wait_until(lambda: kube.get("apiservice", API_SERVICE)["spec"]["caBundle"] != before, SECONDS, "another caBundle")
    kube.await_metrics()
    assert get(kube, "")["groupVersion"] == "metrics.smi-spec.io/v1alpha1"

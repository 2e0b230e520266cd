# SPDX-License-Identifier: Apache-2.0
"""weftd --source kube: what an API server (kube_api.py) says is enforced, whatever happens to the
connection; what a real one says is tests/kube's matter."""
import base64
import copy
import json
import pathlib
import time

import pytest

import promtext
from kube_scene import ALLOWED, REFUSED, TARGETS, Api, kubeconfig, make_certificates, running
from mesh import wait_until
from robust import pod, read_until, route, target, weftd


@pytest.fixture(scope="module", name="scene")
def _scene(tmp_path_factory):
    with running(tmp_path_factory.mktemp("kube")) as made:
        yield made


@pytest.fixture(autouse=True)
def restored(scene):
    """Each test begins with all objects, watched, and a caller that is allowed."""
    scene.api.do("set", faults=[], tokens=["secret"], watch_seconds=600.0)
    scene.fill()
    # The test before may have left some that try again later.
    wait_until(lambda: all(one["watching"] and "problem" not in one
                           for one in scene.status()["source"]["resources"].values()), 15, "watches")
    scene.await_calls(ALLOWED, 12)
    assert scene.askers["intruder"].ask(scene.cluster.of("web", 80)) == REFUSED


def test_what_it_says_is_enforced(scene):
    begin = time.monotonic()
    scene.api.do("remove", plural=TARGETS, namespace="default", name="web")
    scene.await_calls(REFUSED)
    scene.api.do("put", objects=[scene.document("TrafficTarget", "web")])
    scene.await_calls(ALLOWED)
    assert time.monotonic() - begin < 1.0


def test_status(scene):
    source = scene.status()["source"]
    assert source["kind"] == "kube" and source["synced"] is True
    assert source["server"] == "https://127.0.0.1:%d" % scene.api.port
    assert source["resources"][TARGETS]["version"] == "v1alpha3"
    assert source["resources"]["tcproutes"]["version"] == "v1alpha4"
    assert source["resources"]["pods"]["objects"] == 3
    assert "identitybindings" not in source["resources"]
    assert all(one["listed"] for one in source["resources"].values())


def test_a_version_that_is_gone(scene):
    """What was deleted while nobody could be told is found out by the list."""
    scene.api.do("lose", plural=TARGETS, namespace="default", name="web")
    scene.await_calls(REFUSED)


FAULTS = {
    "list refused": {"kind": "status", "code": 500, "count": 2},
    "list too many": {"kind": "status", "code": 429, "after": 1},
    "list forbidden": {"kind": "status", "code": 403, "count": 2},
    "list garbage": {"kind": "garbage", "count": 2},
    "list truncated": {"kind": "truncate", "count": 2},
    "list dripping": {"kind": "drip"},
    "list reset": {"kind": "reset", "count": 2},
    "watch refused": {"kind": "status", "code": 503, "watch": True, "count": 3},
    "watch gone": {"kind": "status", "code": 410, "watch": True, "count": 2},
    "watch reset": {"kind": "reset", "watch": True, "count": 2},
    "watch cut": {"kind": "cut", "watch": True, "count": 2},
    "watch noise": {"kind": "noise", "watch": True, "count": 2},
    "watch dripping": {"kind": "drip", "watch": True, "count": 2},
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(scene, name):
    """It is not believed, nothing is lost meanwhile, and what comes then is."""
    fault = {"watch": False, "path": TARGETS, **FAULTS[name]}
    scene.api.do("fault", **fault)
    scene.api.do("compact")  # which ends the watch: a list and another watch follow
    assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
    scene.api.do("remove", plural=TARGETS, namespace="default", name="web")
    scene.await_calls(REFUSED, 6)
    scene.api.do("put", objects=[scene.document("TrafficTarget", "web")])
    scene.await_calls(ALLOWED, 6)
    assert "problem" not in scene.resource()


def test_problem_is_told(scene):
    scene.api.do("fault", path=TARGETS, kind="status", code=403, count=1000)
    scene.api.do("compact")
    wait_until(lambda: scene.resource().get("problem") == "403: as the test wants it", 3, "problem")
    shown = scene.cluster.mesh.weft("a", "status").stdout
    assert "source    kube https://127.0.0.1:%d, read, applied\n" % scene.api.port in shown
    assert "          traffictargets: 403: as the test wants it\n" in shown
    assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
    scene.api.do("set", faults=[])
    wait_until(lambda: "problem" not in scene.resource(), 12, "recovery")


def test_streams_are_measured(scene):
    def metric(name, **labels):
        return promtext.parse(scene.cluster.get("a", "/metrics")).total("weft_kube_" + name,
                                                                       resource=TARGETS, **labels)
    events, lists = metric("watch_events_total"), metric("lists_total")
    assert metric("watching") == 1 and lists >= 1 and metric("watches_total") >= 1
    scene.api.do("remove", plural=TARGETS, namespace="default", name="web")
    scene.await_calls(REFUSED)
    assert metric("watch_events_total") > events
    assert abs(time.time() - metric("last_heard_timestamp_seconds")) < 2
    list_errors, watch_errors = metric("errors_total", verb="list"), metric("errors_total", verb="watch")
    scene.api.do("fault", path=TARGETS, kind="status", code=503, watch=True, count=2)
    scene.api.do("compact")
    wait_until(lambda: metric("errors_total", verb="watch") >= watch_errors + 2, 5, "refused watches")
    assert metric("errors_total", verb="list") == list_errors
    scene.api.do("fault", path=TARGETS, kind="status", code=500, watch=False)
    scene.api.do("compact")
    wait_until(lambda: metric("errors_total", verb="list") == list_errors + 1, 5, "a refused list")


def test_idle_watches(scene):
    """Watches that end again and again, as those of a day do in ten minutes each."""
    scene.api.do("set", watch_seconds=0.2)
    scene.api.do("compact")
    before = scene.resource()
    wait_until(lambda: scene.resource()["watches"] >= before["watches"] + 5, 10, "watches")
    assert scene.resource()["lists"] <= before["lists"] + 1
    scene.api.do("remove", plural=TARGETS, namespace="default", name="web")
    scene.await_calls(REFUSED)


def test_a_token_that_is_replaced(scene):
    scene.api.do("set", tokens=["second"])
    scene.api.do("compact")
    wait_until(lambda: "401" in scene.resource().get("problem", ""), 3, "problem")
    assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
    (scene.folder / "token").write_text("second", encoding="utf-8")
    wait_until(lambda: "problem" not in scene.resource(), 12, "recovery")
    (scene.folder / "token").write_text("secret", encoding="utf-8")


def test_pages(scene):
    routes = [route("more-%d" % i, 1000 + i) for i in range(230)]
    scene.api.do("put", objects=copy.deepcopy(routes))
    scene.api.do("requests")
    # The first continuation has expired: from the beginning once more.
    scene.api.do("fault", path="continue=", kind="status", code=410)
    scene.api.do("compact")
    lists = scene.resource("tcproutes")["lists"]
    wait_until(lambda: scene.resource("tcproutes")["lists"] > lists, 5, "list")
    assert scene.resource("tcproutes")["objects"] == 231
    pages = [path for path in scene.api.do("requests")["requests"]
             if "tcproutes" in path and "watch" not in path]
    assert len(pages) == 2 + 3 and sum("continue=" in path for path in pages) == 3
    for one in routes:
        scene.api.do("remove", plural="tcproutes", namespace="default", name=one["metadata"]["name"])
    wait_until(lambda: scene.resource("tcproutes")["objects"] == 1, 3, "removal")


def test_definitions_come_and_go(scene):
    """With the definition all its objects are gone; a rule that cannot be read grants nothing."""
    scene.api.do("define", group="access.smi-spec.io", there=False)
    scene.await_calls(REFUSED, 5)
    assert scene.resource() is None
    scene.api.do("define", group="access.smi-spec.io", there=True)
    scene.await_calls(ALLOWED, 5)
    assert scene.resource()["objects"] == 1


def test_a_namespace_that_is_not_known(scene):
    """Pods of a namespace that nothing is known about (a watch that is behind, an object that is
    gone before its pods) are no exception from it: they count as enforced."""
    scene.api.do("lose", plural="namespaces", namespace="", name="default")
    wait_until(lambda: any(one["reason"] == "UnknownNamespace" for one in scene.cluster.findings("a")), 5,
               "a finding")
    assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
    assert scene.askers["intruder"].ask(scene.cluster.of("web", 80)) == REFUSED
    assert scene.cluster.mesh.weft("a", "verify").returncode == 0
    scene.fill()
    wait_until(lambda: not scene.cluster.findings("a"), 3, "no findings")


def test_what_is_no_news_is_not_applied(scene):
    """Bookmarks, and changes of what weft does not read: no compilation, however many."""
    def is_quiet():
        count = scene.status()["reconciles"]
        time.sleep(0.3)
        return scene.status()["reconciles"] == count
    wait_until(is_quiet, 5, "quiet after the test before")
    before = scene.status()["reconciles"], scene.resource("pods")["events"]
    noisy = scene.document("Pod", "web")
    for number in range(5):
        noisy["status"]["message"] = "%d" % number
        scene.api.do("put", objects=[noisy])
    wait_until(lambda: scene.resource("pods")["events"] >= before[1] + 7, 5, "events")
    assert scene.status()["reconciles"] == before[0]


def test_findings(scene):
    wrong = scene.document("TrafficTarget", "web")
    wrong["spec"]["rules"][0]["name"] = "nowhere"
    scene.api.do("put", objects=[wrong])
    scene.await_calls(REFUSED)
    found = scene.cluster.findings("a")
    assert [(one["object"]["kind"], one["object"]["name"], one["reason"]) for one in found] == [
        ("TrafficTarget", "web", "MissingRoute")]
    scene.fill()
    wait_until(lambda: not scene.cluster.findings("a"), 3, "no findings")


def test_the_api_server_restarts(scene):
    """Dead for a while, then another one at the same address that knows nothing of the old
    versions. Nothing that is allowed fails meanwhile."""
    port = scene.api.port
    scene.api.kill()
    for _ in range(10):
        assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
        time.sleep(0.1)
    scene.api = Api(scene.cluster, scene.folder, port)
    scene.documents = [one for one in scene.documents if one["kind"] != "TrafficTarget"] + [
        target("web", "web", ["intruder"], [("TCPRoute", "web")])]
    scene.fill()
    scene.await_calls(ALLOWED, 25, "intruder")
    scene.await_calls(REFUSED, 5)
    scene.documents[-1] = target("web", "web", ["caller"], [("TCPRoute", "web")])
    scene.fill()
    scene.await_calls(ALLOWED)


def test_nothing_is_removed_before_all_is_known(scene):
    """A restart while part of the API does not answer: what was in force stays in force."""
    scene.stop()
    scene.api.do("fault", path="/services", kind="status", code=503, count=1000)
    scene.start()
    wait_until(lambda: scene.api.do("requests")["requests"], 5, "start")
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
        assert scene.askers["intruder"].ask(scene.cluster.of("web", 80)) == REFUSED
        time.sleep(0.05)
    status = scene.status()
    assert status["ready"] is False and status["source"]["synced"] is False
    assert status["not_ready_reason"] == "the objects have not all been read yet"
    assert status["source"]["resources"]["services"]["problem"] == "503: as the test wants it"
    scene.api.do("set", faults=[])
    scene.await_ready(12)


def test_kill(scene):
    scene.agent.kill()
    scene.agent.wait()
    scene.api.do("remove", plural=TARGETS, namespace="default", name="web")
    assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
    scene.start()
    scene.await_calls(REFUSED, 10)


def other_agent(scene, kubeconfig_path):
    """Beside the one that runs."""
    mount = pathlib.Path(scene.cluster.nodes["a"]["bpffs"]).parent
    empty = pathlib.Path(scene.cluster.nodes["a"]["cgroup"], "other")
    empty.mkdir(exist_ok=True)
    return weftd(scene.cluster.mesh, "a", "--source", "kube", "--kubeconfig", kubeconfig_path, "--bpffs",
                 str(mount / "other"), "--listen", "127.0.0.1:9999", "--cgroup", str(empty))


def test_a_server_that_nobody_vouches_for(scene, tmp_path):
    make_certificates(tmp_path, "other")
    (tmp_path / "ca.crt").write_bytes((tmp_path / "other.crt").read_bytes())
    (tmp_path / "token").write_text("secret", encoding="utf-8")
    process = other_agent(scene, kubeconfig(tmp_path, scene.api.port))
    try:
        read_until(process, "certificate")
    finally:
        process.kill()
        process.communicate()


def test_another_name_in_the_certificate(scene, tmp_path):
    """And the texts of certificate authority and token in the kubeconfig."""
    authority = base64.b64encode((scene.folder / "ca.crt").read_bytes()).decode()
    process = other_agent(scene, kubeconfig(
        tmp_path, scene.api.port, cluster={"tls-server-name": "kube.test", "certificate-authority": None,
                                           "certificate-authority-data": authority},
        user={"token": "secret"}))
    try:
        read_until(process, "msg=ready")
    finally:
        process.kill()
        process.communicate()


WRONG = {
    "no such file": (None, "No such file"),
    "http": ({"cluster": {"server": "http://127.0.0.1:1"}}, "not https://"),
    "unverified": ({"cluster": {"insecure-skip-tls-verify": True}}, "cannot verify"),
    "exec": ({"user": {"exec": {"command": "aws"}}}, "only client certificates and tokens"),
    "base64": ({"cluster": {"certificate-authority-data": "?"}}, "no base64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_kubeconfig(scene, tmp_path, name):
    changes, said = WRONG[name]
    process = other_agent(scene, kubeconfig(tmp_path, 1, **changes) if changes else
                          str(tmp_path / "missing"))
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 1 and said in out, out


def far_pod(number, turn):
    """Of a node that is not here; with another address each turn."""
    one = pod("far%d" % number, "elsewhere")
    one["status"] = {"phase": "Running", "podIPs": [{"ip": "10.99.%d.%d" % (turn // 250, turn % 250 + 1)}]}
    return one


def test_what_can_wait_does(scene):
    """Pods of other nodes that come and go all the time take a small share of a CPU; what says who
    may call whom is not held up by them."""
    begin, before = time.monotonic(), scene.status()["reconciles"]
    changes, waited = 0, []
    while time.monotonic() - begin < 2:
        changes += 1
        scene.api.do("put", objects=[far_pod(changes % 100, changes)])
        time.sleep(0.004)
        if changes % 40 == 0:
            one = time.monotonic()
            scene.api.do("remove", plural=TARGETS, namespace="default", name="web")
            scene.await_calls(REFUSED, 1)
            waited.append(time.monotonic() - one)
            scene.fill()
            scene.await_calls(ALLOWED, 1)
    passes = scene.status()["reconciles"] - before
    assert changes > 150 and passes < changes / 2, (changes, passes)
    assert len(waited) > 3 and sorted(waited)[len(waited) // 2] < 0.1, waited
    for number in range(100):
        scene.api.do("remove", plural="pods", namespace="default", name="far%d" % number)
    wait_until(lambda: "10.99." not in scene.cluster.mesh.weft("a", "get", "identities", "-o", "json").stdout, 3,
               "that they are gone")


def unknown_pods(scene):
    return [one for one in scene.cluster.findings("a") if one["reason"] == "UnknownPod"]


def test_a_pod_that_it_does_not_know(scene):
    """The kubelet knows it already: nothing reaches it until it is known who it is."""
    scene.stop()
    assert scene.cluster.mesh.weft("a", "detach").returncode == 0
    assert scene.askers["intruder"].ask(scene.cluster.of("web", 80)) == ALLOWED  # no weft, no rules
    scene.api.do("remove", plural="pods", namespace="default", name="web")
    scene.start()
    scene.await_ready()
    for asker in ("intruder", "caller"):
        assert "ok" not in scene.askers[asker].ask(scene.cluster.of("web", 80)), asker
    uid = scene.cluster.pods["web"]["uid"]
    wait_until(lambda: any(uid in one["message"] for one in unknown_pods(scene)), 6, "UnknownPod")
    scene.fill()
    scene.await_calls(ALLOWED, 2)
    assert scene.askers["intruder"].ask(scene.cluster.of("web", 80)) == REFUSED
    wait_until(lambda: not unknown_pods(scene), 6, "that it is known")


def test_a_pod_that_it_does_not_know_without_a_mesh(scene):
    """No namespace is enrolled: it is nobody's business."""
    enrolled = scene.document("Namespace", "default")
    outside = copy.deepcopy(enrolled)
    del outside["metadata"]["labels"]
    scene.stop()
    assert scene.cluster.mesh.weft("a", "detach").returncode == 0
    scene.api.do("put", objects=[outside])
    scene.api.do("remove", plural="pods", namespace="default", name="web")
    scene.start()
    scene.await_ready()
    assert scene.askers["intruder"].ask(scene.cluster.of("web", 80)) == ALLOWED
    scene.api.do("put", objects=[enrolled])
    wait_until(lambda: "ok" not in scene.askers["intruder"].ask(scene.cluster.of("web", 80)), 6, "closing")
    scene.fill()
    scene.await_calls(ALLOWED, 2)

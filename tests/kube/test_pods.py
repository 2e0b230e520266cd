# SPDX-License-Identifier: Apache-2.0
"""What happens to pods: they come, by the hundred, lose their sandbox, go slowly, or are static."""
import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from installed import HERE, PYTHON, SPACE, pod, server, template, thing
from mesh import wait_until
from robust import Load, assert_all_ok, assert_all_refused, assert_held
from test_lifecycle import PORT, mesh  # noqa: F401  pylint: disable=unused-import

PLAIN = "plain"
NEW = 100


@pytest.fixture(scope="module", autouse=True)
def stranger(kube, mesh):  # noqa: F811  pylint: disable=redefined-outer-name,unused-argument
    """A pod without weft: no hook of its own keeps it from trying."""
    space = thing("Namespace", PLAIN, space=None)
    one = pod("stranger", node="a")
    one["metadata"]["namespace"] = PLAIN
    kube.apply(space, thing("ServiceAccount", "stranger", space=PLAIN), one)
    kube.await_pods(1, space=PLAIN)
    yield
    kube.delete(space)


@contextlib.contextmanager
def scanned(kube):
    """Somebody tries all addresses of pods, all the while."""
    networks = [node.pods[0] for node in kube.cluster.nodes]
    process = kube.popen("stranger", PYTHON, str(HERE / "scan.py"), str(PORT), *networks, space=PLAIN,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "running\n"
        yield
        result = json.loads(process.communicate(timeout=30)[0])
    finally:
        process.kill()
    assert result["rounds"] > 10 and not result["through"], result


def test_new_pods_are_governed_at_once(kube):
    """A hundred pods call and serve before anything else, under a name that no rule knows."""
    targets = kube.addresses(app="web") + kube.cluster_ips("web")
    spec = template("intruder", [PYTHON, str(HERE / "newcomer.py"), str(PORT), *targets])
    spec.update(restartPolicy="Never", topologySpreadConstraints=[{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "new"}}}])
    job = thing("Job", "new", "batch/v1", spec={
        "completions": NEW, "parallelism": 40, "backoffLimit": 0,
        "template": {"metadata": {"labels": {"app": "new"}}, "spec": spec}})
    with scanned(kube):
        kube.apply(job)
        kube.kubectl("wait", "-n", SPACE, "--for=condition=complete", "job/new", "--timeout=110s")
    said = [json.loads(line) for line in kube.kubectl("logs", "-n", SPACE, "-l", "app=new", "--tail=-1").splitlines()]
    assert len(said) == NEW and all(len(one) == len(targets) for one in said), said
    got_through = sum(one.count("ok") for one in said)
    assert got_through == 0, said
    kube.delete(job)
    wait_until(lambda: not kube.get("pods", "-n", SPACE, "-l", "app=new")["items"], 60, "the end of the job")


def next_address(node, address):
    """Makes the next pod of the node get this IPv4 address, by what CNI remembers as its last."""
    first, last = address.rsplit(".", 1)
    (node.folder / "addresses" / "kube" / "last_reserved_ip.0").write_text(
        "%s.%d" % (first, int(last) - 1), encoding="ascii")


def test_a_sandbox_dies(kube):
    """The pod comes back elsewhere with what it may; who gets its address, may not."""
    targets = [["tcp", address, PORT] for address in kube.addresses(app="web")]
    client = {**pod("again", node="a"), "spec": {**pod("again", node="a")["spec"], "serviceAccountName": "client"}}
    client["metadata"]["labels"] = {"app": "again"}
    kube.apply(client)
    kube.await_pods(5)
    with Load(kube, "again", "call", targets) as load:
        time.sleep(0.5)
        assert_all_ok(load.stop())
    before = kube.addresses(app="again")
    node, _ = kube.place("again")
    os.kill(next(pid for _, pid, pauses in kube.processes("again") if pauses), signal.SIGKILL)
    wait_until(lambda: not set(before) & set(kube.addresses(app="again") or before), 30, "another address")
    kube.await_pods(5)
    with Load(kube, "again", "call", targets) as load:
        time.sleep(0.5)
        assert_all_ok(load.stop())
    next_address(node, before[0])
    heir = pod("heir", [PYTHON, str(HERE / "newcomer.py"), str(PORT), *kube.addresses(app="web")], node="a")
    heir["metadata"]["labels"] = {"app": "heir"}
    heir["spec"].update(serviceAccountName="intruder", restartPolicy="Never")
    kube.apply(heir)
    wait_until(lambda: kube.get("pod", "-n", SPACE, "heir")["status"]["phase"] == "Succeeded", 30, "the heir")
    assert kube.get("pod", "-n", SPACE, "heir")["status"]["podIP"] == before[0]
    assert "ok" not in json.loads(kube.kubectl("logs", "-n", SPACE, "heir"))
    with Load(kube, "again", "call", targets) as load:
        time.sleep(0.5)
        assert_all_ok(load.stop())
    kube.delete(client, heir)
    kube.await_pods(4)


def test_pods_that_go_slowly(kube):
    """A server and a client that end work to their end, and nobody else gets in meanwhile."""
    slow = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", "4"]}}}}
    leaving = []
    for name, command in (("web", server("tcp:%d" % PORT)), ("client", ["sleep", "infinity"])):
        one = pod("leaving-" + name, command, node="b")
        one["metadata"]["labels"] = {"app": "leaving-" + name}
        one["spec"].update(serviceAccountName=name, terminationGracePeriodSeconds=6)
        one["spec"]["containers"][0].update(slow)
        leaving.append(one)
    kube.apply(*leaving)
    kube.await_pods(6)
    there, stays = (kube.addresses(app=name) for name in ("leaving-web", "web"))
    loads = [("client", "call", there), ("client", "hold", there), ("intruder", "call", there),
             ("leaving-client", "call", stays)]
    with contextlib.ExitStack() as stack:
        calls, held, refused, own = [
            stack.enter_context(Load(kube, where, mode, [["tcp", address, PORT] for address in addresses]))
            for where, mode, addresses in loads]
        kube.delete(*leaving)
        wait_until(lambda: all(item["metadata"].get("deletionTimestamp")
                               for item in kube.get("pods", "-n", SPACE)["items"]
                               if item["metadata"]["name"].startswith("leaving")), 3, "their end has begun")
        time.sleep(2)
        assert_all_ok(calls.stop())
        assert_held(held.stop())
        assert_all_refused(refused.stop())
        assert_all_ok(own.stop())
    kube.await_pods(4)


def rules(name, destination, source):
    return thing("TrafficTarget", name, "access.smi-spec.io/v1alpha3", spec={
        "destination": {"kind": "ServiceAccount", "name": destination, "namespace": SPACE},
        "sources": [{"kind": "ServiceAccount", "name": source, "namespace": SPACE}],
        "rules": [{"kind": "TCPRoute", "name": "web"}]})


def asked(kube, where, address):
    with Load(kube, where, "call", [["tcp", address, PORT]], pause=0.1) as load:
        time.sleep(0.2)
        return "ok" if load.stop()["ok"] else "refused"


def poser(kube, claim):
    """A pod in a namespace without rules that looks like the mirror of what `claim` is the uid of."""
    one = pod("poser-" + claim[:8], node="b")
    one["metadata"].update(namespace=PLAIN, annotations={"kubernetes.io/config.mirror": claim}, ownerReferences=[
        {"apiVersion": "v1", "kind": "Node", "name": "b", "controller": True,
         "uid": kube.get("node", "b")["metadata"]["uid"]}])
    del one["spec"]["serviceAccountName"]
    return one


def found(kube, reason):
    return any(one["reason"] == reason and one["object"]["namespace"] == PLAIN
               for one in kube.weft("b", "status")["findings"] if "object" in one)


def test_static_pods(kube):
    """A manifest in the kubelet's folder, as server and as caller; nobody else takes its place."""
    static = pod("still", server("tcp:%d" % PORT))
    del static["spec"]["serviceAccountName"]
    manifest = kube.cluster.nodes[1].folder / "static" / "still.json"
    manifest.write_text(json.dumps(static), encoding="ascii")
    try:
        kube.await_pods(5)
        mirror = kube.get("pod", "-n", SPACE, "still-b")
        claim, (address, *_) = mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"], [
            one["ip"] for one in mirror["status"]["podIPs"]]
        assert claim != mirror["metadata"]["uid"]
        web = kube.addresses(app="web")[0]
        assert asked(kube, "client", address) == asked(kube, "still-b", web) == "refused"
        kube.apply(rules("in", "default", "client"), rules("out", "web", "default"))
        wait_until(lambda: asked(kube, "client", address) == asked(kube, "still-b", web) == "ok", 5, "permission")
        assert asked(kube, "intruder", address) == "refused"
        other = next(item["metadata"]["uid"] for item in kube.get("pods", "-n", SPACE, "-l", "app=web")["items"]
                     if item["spec"]["nodeName"] == "b")
        # The kubelet removes what it did not make after a while.
        for uid, reason in ((claim, "DuplicateUid"), (other, "InvalidMirror")):
            def posed():
                kube.apply(poser(kube, uid))  # pylint: disable=cell-var-from-loop
                return found(kube, reason)  # pylint: disable=cell-var-from-loop
            wait_until(posed, 10, reason)
            assert asked(kube, "intruder", address) == "refused"
            assert asked(kube, "client", address) == asked(kube, "still-b", web) == "ok"
        kube.delete(rules("in", "default", "client"), rules("out", "web", "default"))
        wait_until(lambda: asked(kube, "client", address) == asked(kube, "still-b", web) == "refused", 5, "none")
    finally:
        manifest.unlink()
    kube.await_pods(4)

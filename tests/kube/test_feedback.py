# SPDX-License-Identifier: Apache-2.0
"""What people see of weft with kubectl alone: Events on objects, an annotation on Nodes."""
import json
import re
import subprocess
import time

import pytest

from installed import SPACE, TOP, thing
from mesh import wait_until


def broken(name):
    account = {"kind": "ServiceAccount", "name": "web", "namespace": SPACE}
    return thing("TrafficTarget", name, "access.smi-spec.io/v1alpha3", spec={
        "destination": account, "sources": [account], "rules": [{"kind": "TCPRoute", "name": "nowhere"}]})


@pytest.fixture(scope="module", autouse=True)
def space(kube):
    one = thing("Namespace", SPACE, space=None, metadata={"labels": {"weft.dev/mesh": "enforce"}})
    kube.apply(one)
    yield
    kube.delete(one)
    kube.kubectl("wait", "--for=delete", "namespace/" + SPACE, "--timeout=60s")


def described(kube, kind, name, *where):
    """The Events that describe shows, a line each."""
    shown = kube.kubectl("describe", kind, name, *where)
    assert "Events:" in shown, shown
    return [line for line in shown.split("Events:")[1].splitlines() if "Warning" in line]


def leaders(kube):
    status = {node: kube.weft(node, "status")["agent"]["source"]["feedback"] for node in kube.agents()}
    assert all(one["problems"] == {} for one in status.values()), status
    return [node for node, one in status.items() if one["leader"]]


def test_describe(kube):
    """Once, though two agents know of it."""
    wait_until(lambda: len(leaders(kube)) == 1, 20, "a leader")
    kube.apply(broken("one"))
    wait_until(lambda: described(kube, "traffictarget", "one", "-n", SPACE), 10, "an Event")
    time.sleep(5)
    line, = described(kube, "traffictarget", "one", "-n", SPACE)
    assert "MissingRoute" in line and "weft.dev/weftd" in line, line
    assert "spec.rules[0].name: TCPRoute shop/nowhere does not exist; this rule grants nothing" in line
    assert "traffictarget/one" in kube.kubectl("get", "events", "-n", SPACE)
    event, = kube.get("events.events.k8s.io", "-n", SPACE)["items"]
    assert event["reportingInstance"] == leaders(kube)[0]


def test_describe_what_has_no_namespace(kube):
    kube.kubectl("annotate", "namespace", SPACE, "weft.dev/hosts=all")
    wait_until(lambda: [one for one in kube.get("events.events.k8s.io", "-n", "default")["items"]
                        if one["regarding"] == {**one["regarding"], "kind": "Namespace", "name": SPACE}],
               10, "an Event")
    kube.kubectl("annotate", "namespace", SPACE, "weft.dev/hosts-")


def told(kube, node):
    annotations = kube.get("node", node)["metadata"]["annotations"]
    return json.loads(annotations.get("weft.dev/agent", "{}"))


def test_nodes(kube):
    """Each agent tells how it is, and whoever looks at a Node sees it."""
    for node in kube.agents():
        wait_until(lambda name=node: told(kube, name).get("ready"), 15, "an annotation")
        assert told(kube, node)["attached"] == told(kube, node)["pods"]
        assert "weft.dev/agent" in kube.kubectl("describe", "node", node)


def test_another_agent_takes_over(kube):
    """When the leader goes, the other tells; and tells nothing twice."""
    old, = leaders(kube)
    before = kube.get("events.events.k8s.io", "-n", SPACE)["items"]
    kube.kubectl("delete", "pod", "-n", "weft-system", kube.agents()[old])
    kube.await_agents()
    wait_until(lambda: len(leaders(kube)) == 1, 40, "a leader")
    kube.apply(broken("two"))
    wait_until(lambda: described(kube, "traffictarget", "two", "-n", SPACE), 10, "an Event")
    after = kube.get("events.events.k8s.io", "-n", SPACE)["items"]
    assert len(after) == 2 and [one for one in after if one in before] == before
    assert re.search(r"\b[ab]_[0-9a-f]{8}\b", kube.kubectl("get", "lease", "-n", "weft-system", "weftd"))


def test_an_event_that_is_old_already(kube):
    """The server takes what an agent patches: one that begins anew says that the finding is still there."""
    event = next(one for one in kube.get("events.events.k8s.io", "-n", SPACE)["items"]
                 if one["regarding"]["name"] == "one")
    kube.delete(thing("Event", event["metadata"]["name"], "events.k8s.io/v1"))
    event["eventTime"] = "2020-01-01T00:00:00.000000Z"
    for name in ("resourceVersion", "uid", "creationTimestamp"):
        event["metadata"].pop(name)
    kube.apply(event)
    kube.kubectl("rollout", "restart", "-n", "weft-system", "daemonset/weftd")
    kube.await_agents()
    wait_until(lambda: kube.get("events.events.k8s.io", "-n", SPACE, event["metadata"]["name"]).get("series"), 40,
               "a series")
    line, = described(kube, "traffictarget", "one", "-n", SPACE)
    assert re.search(r"\(x2 over ", line), line


def test_rights(kube):
    """No more than what is needed."""
    def may(*what):
        return kube.kubectl("auth", "can-i", *what, "--as=system:serviceaccount:weft-system:weftd",
                            check=False).strip() == "yes"
    assert may("create", "events.events.k8s.io", "-n", SPACE) and may("patch", "nodes")
    assert may("update", "leases.coordination.k8s.io/weftd", "-n", "weft-system")
    assert not may("update", "leases.coordination.k8s.io/weftd", "-n", "kube-system")
    assert not may("update", "leases.coordination.k8s.io/other", "-n", "weft-system")
    assert not may("delete", "events.events.k8s.io", "-n", SPACE) and not may("update", "nodes")
    assert not may("patch", "nodes", "--subresource=status") and not may("list", "secrets", "-A")


def patch_as_agent(kube, owner, node, **change):
    """What the server says to somebody who patches a Node with the token of the owner's agent."""
    token = kube.kubectl("create", "token", "-n", "weft-system", "weftd", "--bound-object-kind", "Pod",
                         "--bound-object-name", kube.agents()[owner]).strip()
    done = subprocess.run(kube.cluster.nodes[0].inside(
        "curl", "-s", "-m", "10", "--cacert", str(kube.cluster.pki / "ca.crt"), "-X", "PATCH", "-H",
        "Authorization: Bearer " + token, "-H", "Content-Type: application/merge-patch+json", "-d",
        json.dumps(change), "%s/api/v1/nodes/%s" % (kube.cluster.server, node)),
                          capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout).get("message", "patched")


def test_the_policy_for_nodes(kube):
    """With deploy/node-policy.yaml an agent's token is good for its own annotation alone."""
    def annotate(node, name, value):
        return patch_as_agent(kube, "a", node, metadata={"annotations": {name: value}})
    assert annotate("b", "x", "y") == annotate("b", "x", None) == "patched"
    policy = str(TOP / "deploy" / "node-policy.yaml")
    kube.kubectl("apply", "-f", policy)
    wait_until(lambda: "its own Node only" in annotate("b", "weft.dev/agent", "%f" % time.monotonic()), 20,
               "a refusal")
    assert annotate("a", "weft.dev/agent", "{}") == "patched"
    refused = "changes nothing of a Node but"
    assert refused in annotate("a", "x", "y") and refused in annotate("a", "node.alpha.kubernetes.io/ttl", None)
    assert refused in annotate("a", "node.alpha.kubernetes.io/ttl", "7")
    for change in ({"metadata": {"labels": {"x": "y"}}}, {"metadata": {"finalizers": ["x.test/y"]}},
                   {"spec": {"unschedulable": True}}):
        assert refused in patch_as_agent(kube, "a", "a", **change), change
    # The agents themselves go on.
    kube.kubectl("delete", "pod", "-n", "weft-system", kube.agents()["a"])
    kube.await_agents()
    wait_until(lambda: told(kube, "a").get("ready"), 20, "the annotation")
    assert kube.weft("a", "status")["agent"]["source"]["feedback"]["problems"] == {}
    kube.kubectl("delete", "-f", policy)

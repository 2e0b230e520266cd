# SPDX-License-Identifier: Apache-2.0
"""Whatever is restarted under traffic: what is allowed goes on, what is not stays out."""
import contextlib
import signal
import time

import pytest

from installed import SPACE, deployment, pod, server, service, thing
from mesh import wait_until
from robust import Load, assert_all_ok, assert_all_refused, assert_held

PORT = 7000


@pytest.fixture(scope="module", autouse=True)
def mesh(kube):
    """A server on each node, a client that may call them, an intruder."""
    space = thing("Namespace", SPACE, space=None, metadata={"labels": {"weft.dev/mesh": "enforce"}})
    kube.apply(space, *(thing("ServiceAccount", name) for name in ("web", "client", "intruder")))
    kube.apply(deployment("web", server("tcp:%d" % PORT)), service("web", {"app": "web"}, PORT),
               pod("client", node="a"), pod("intruder", node="a"),
               thing("TCPRoute", "web", "specs.smi-spec.io/v1alpha4", spec={"matches": {"ports": [PORT]}}),
               thing("TrafficTarget", "web", "access.smi-spec.io/v1alpha3", spec={
                   "destination": {"kind": "ServiceAccount", "name": "web", "namespace": SPACE},
                   "sources": [{"kind": "ServiceAccount", "name": "client", "namespace": SPACE}],
                   "rules": [{"kind": "TCPRoute", "name": "web"}]}))
    kube.await_pods(4)
    yield
    kube.delete(space)
    kube.kubectl("wait", "--for=delete", "namespace/" + SPACE, "--timeout=60s")


@contextlib.contextmanager
def judged(kube):
    """Calls, connections that stay, and attempts that must fail, all the while."""
    targets = [["tcp", address, PORT] for address in kube.addresses(app="web") + kube.cluster_ips("web")]
    with contextlib.ExitStack() as stack:
        calls, held, refused = [
            stack.enter_context(Load(kube, where, mode, targets))
            for where, mode in (("client", "call"), ("client", "hold"), ("intruder", "call"))]
        yield
        time.sleep(1)
        assert_all_ok(calls.stop())
        assert_held(held.stop())
        assert_all_refused(refused.stop())


def test_agents_are_rolled(kube):
    before = kube.agents()
    with judged(kube):
        kube.kubectl("rollout", "restart", "-n", "weft-system", "daemonset/weftd")
        kube.await_agents()
    assert not set(before.values()) & set(kube.agents().values())


def test_an_agent_is_deleted(kube):
    with judged(kube):
        kube.kubectl("delete", "pod", "-n", "weft-system", "--grace-period=0", "--force", *kube.agents().values())
        kube.await_agents()


def test_the_control_plane_restarts(kube):
    """etcd and API server die by SIGKILL and come back; the agents find them again by themselves."""
    cluster, agents = kube.cluster, kube.agents()
    with judged(kube):
        for label in ("apiserver", "etcd"):
            cluster.kill(label)
        time.sleep(2)
        cluster.start_etcd()
        cluster.start_apiserver()
        cluster.await_api()
    kube.kubectl("delete", "traffictarget", "-n", SPACE, "web")
    target = ["tcp", kube.addresses(app="web")[0], PORT]
    with Load(kube, "client", "call", [target]) as load:
        time.sleep(12)
        result = load.stop()
    assert result["last_ok"] is None or time.monotonic() - result["last_ok"] > 0.5, result
    kube.apply(thing("TrafficTarget", "web", "access.smi-spec.io/v1alpha3", spec={
        "destination": {"kind": "ServiceAccount", "name": "web", "namespace": SPACE},
        "sources": [{"kind": "ServiceAccount", "name": "client", "namespace": SPACE}],
        "rules": [{"kind": "TCPRoute", "name": "web"}]}))
    wait_until(lambda: ask(kube, target) == "ok", 5, "a call that is let through")
    assert kube.agents() == agents


def ask(kube, target):
    with Load(kube, "client", "call", [target], pause=0.1) as load:
        time.sleep(0.2)
        return "ok" if load.stop()["ok"] else "refused"


def test_a_node_restarts(kube):
    """kubelet and containerd of a node."""
    cluster = kube.cluster
    with judged(kube):
        for label in ("kubelet-a", "containerd-a"):
            cluster.kill(label)
        cluster.start_containerd(cluster.nodes[0])
        cluster.start_kubelet(cluster.nodes[0])
        time.sleep(3)
        cluster.check_alive()
        cluster.await_nodes()
    kube.await_agents()


def test_signals_are_heard(kube):
    """SIGTERM ends an agent in time: rolling out does not wait for the grace period."""
    name = kube.agents()["b"]
    begin = time.monotonic()
    kube.kubectl("delete", "pod", "-n", "weft-system", name)
    assert time.monotonic() - begin < 4, signal.SIGTERM
    kube.await_agents()

# SPDX-License-Identifier: Apache-2.0
"""A hundred pods that come and go, and an agent that lives through many changes."""
import json
import os
import re
import time

import pytest

from mesh import wait_until
from robust import (Asker, Load, assert_all_ok, cluster_of, namespace, node, pod, route, service,
                    target, text)
from api import BUILD

PODS = 100
WARM_UP, CHANGES = 100, 500
# Of the allocator, not of a leak: an object kept per change would be a multiple.
GROWTH_KB = 1024


def crowd(first, count):
    """Pods of both nodes, ten ServiceAccounts, behind one service."""
    return [pod("p%03d" % i, "ab"[i % 2], "account%d" % (i % 10), app="crowd")
            for i in range(first, first + count)]


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), node("b"), namespace(),
            lambda mesh: pod("web", "a", app="web", command=mesh.server_command("web", "tcp:80")),
            pod("caller", "b"), service("crowd", {"app": "crowd"}, ("tcp", 80)),
            route("web", 80), target("web", "web", ["caller", "account3"], [("TCPRoute", "web")]),
            *crowd(0, PODS)) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


def entries(cluster, name, map_name):
    rows = cluster.mesh.weft_json(name, "status")[1]["maps"]
    return next(one["entries"] for one in rows if one["name"] == map_name)


def assert_nothing_left_over(cluster):
    """As many entries, links and attachments as there are pods; not one more."""
    pods = cluster.mesh.status()["pods"]
    for name, one in cluster.nodes.items():
        local = sum(each["node"] == name for each in pods)
        status = cluster.status(name)
        assert len(status["pods"]) == local
        assert all(each["attached"] for each in status["pods"]), status["pods"]
        assert entries(cluster, name, "weft_iface") == local
        assert entries(cluster, name, "weft_netns") == local
        links = [link for link in os.listdir(one["bpffs"] + "/links") if link.startswith("tc_")]
        assert sorted(links) == sorted("tc_%d_%s" % (each["ifindex"], way)
                                       for each in status["pods"]
                                       for way in ("to_pod", "from_pod"))
    cluster.assert_verified()


def test_a_hundred_pods_are_governed(cluster):
    assert_nothing_left_over(cluster)
    addresses = [one["addresses"] for one in cluster.mesh.status()["pods"]]
    assert len({address for pair in addresses for address in pair}) == 2 * (PODS + 2)
    port = cluster.of("web", 80)
    for name, expected in (("p003", "ok"), ("p013", "ok"), ("p004", "EACCES"), ("p015", "EACCES")):
        with Asker(cluster.mesh, name) as asker:
            assert asker.ask(port) == [expected] * 2, name


def settle(cluster, count):
    """A hundred network namespaces keep the kernel busy for a while."""
    wait_until(lambda: len(cluster.mesh.status()["pods"]) == count, 60, "the change of pods")
    cluster.mesh.run("wait", "--timeout", "60", timeout=90)


def test_half_of_them_are_replaced_at_once(cluster):
    """While a pod that has nothing to do with it goes on calling."""
    mesh = cluster.mesh
    with Load(mesh, "caller", "call", cluster.of("web", 80), pause=0.02) as load:
        begin = time.monotonic()
        mesh.delete(text(*crowd(0, 50)), wait=False)
        mesh.apply(text(*crowd(PODS, 50)), wait=False)
        settle(cluster, PODS + 2)
        print("replaced after %.1f s" % (time.monotonic() - begin))
        assert_all_ok(load.stop())
    assert_nothing_left_over(cluster)
    with Asker(mesh, "p103") as allowed, Asker(mesh, "p104") as denied:
        assert allowed.ask(cluster.of("web", 80)) == ["ok"] * 2
        assert denied.ask(cluster.of("web", 80)) == ["EACCES"] * 2


def test_pods_that_went_while_no_agent_ran_leave_nothing(cluster):
    mesh = cluster.mesh
    mesh.agent("a", "kill")
    mesh.delete(text(*crowd(50, 20)), wait=False)
    wait_until(lambda: len(mesh.status()["pods"]) == PODS + 2 - 20, 60, "pods gone")
    mesh.agent("a", "start")
    settle(cluster, PODS + 2 - 20)
    assert_nothing_left_over(cluster)


def memory_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1))


def change(cluster, count):
    """Rules, splits, findings and endpoints that differ from those before."""
    cluster.write("changing.yaml", text(
        route("changing", *range(1000, 1001 + count % 7)),
        target("changing", "web", ["caller", "guest%d" % (count % 5)], [("TCPRoute", "changing")]),
        target("wrong%d" % (count % 3), "web", ["caller"], [("TCPRoute", "nobody")]),
        service("changing", {"app": "changing%d" % count}, ("tcp", 80))))


def test_memory_does_not_grow_with_changes(cluster, monkeypatch):
    """Of the release build: sanitizers keep freed memory."""
    release = str(BUILD / "weftd")
    assert os.access(release, os.X_OK), release
    del cluster
    monkeypatch.setenv("WEFTD", release)
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", command=mesh.server_command("web", "tcp:80")),
            pod("caller", "a"), route("web", 80),
            target("web", "web", ["caller"], [("TCPRoute", "web")])) as made:
        pid, measured = made.pid("a"), []
        for count in range(WARM_UP + CHANGES):
            change(made, count)
            version = os.stat(made.manifests / "changing.yaml").st_mtime_ns
            end = time.monotonic() + 10
            while made.status("a")["source"]["files"].get("changing.yaml", {}).get(
                    "mtime_ns") != version:
                assert time.monotonic() < end, "change %d was not applied" % count
            if count + 1 in (WARM_UP, WARM_UP + CHANGES):
                measured.append(memory_kb(pid))
        print("RSS %d kB after %d changes, %d kB after %d" % (
            measured[0], WARM_UP, measured[1], WARM_UP + CHANGES))
        assert made.pid("a") == pid
        assert measured[1] <= measured[0] + GROWTH_KB, measured
        ready = [line for line in made.log("a").splitlines() if "msg=ready" in line]
        print(json.dumps(ready[0]))
        made.assert_verified()

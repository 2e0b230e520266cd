# SPDX-License-Identifier: Apache-2.0
"""Real connections between pods, nodes and the outside, in both topologies."""
import os
import subprocess

import pytest

from conftest import CLIENT, needs_root, node, server, service, sleeper

pytestmark = needs_root


@pytest.fixture(scope="module", params=["bridge", "routed"])
def cluster(request, make_playground):
    playground = make_playground("-" + request.param)
    playground.up([
        node("a"), node("b"), sleeper("client", node="a"),
        server("near", node="a", labels={"app": "web"}),
        server("far", node="b", labels={"app": "web"}),
        service("web", {"app": "web"}, [{"port": 80, "targetPort": 7000}]),
    ], "--no-agents", "--topology", request.param)
    playground.status_at_start = playground.status()
    return playground


def addresses(cluster, name):
    return next(pod["addresses"] for pod in cluster.status_at_start["pods"]
                if pod["name"] == name)


@pytest.mark.parametrize("target", ["near", "far"])
@pytest.mark.parametrize("family", [0, 1])
def test_pod_reaches_pod_with_its_own_address(cluster, target, family):
    answer = cluster.run("exec", "client", "--", "/usr/bin/python3", "-c", CLIENT,
                         addresses(cluster, target)[family], "7000", check=False)
    assert answer.stdout.split()[0] == target, answer.stderr
    assert answer.stdout.split()[1].replace("::ffff:", "") == addresses(cluster, "client")[family]


@pytest.mark.parametrize("family", [0, 1])
def test_node_reaches_pods_of_all_nodes(cluster, family):
    for name in ("a", "b"):
        for target in ("near", "far"):
            answer = cluster.run("node", name, "--", "/usr/bin/python3", "-c", CLIENT,
                                 addresses(cluster, target)[family], "7000")
            assert answer.stdout.split()[0] == target


@pytest.mark.parametrize("family", [0, 1])
def test_outside_is_another_source(cluster, family):
    outside = cluster.status_at_start["outside"]
    answer = subprocess.run(
        ["nsenter", "--net=" + outside["netns"], "/usr/bin/python3", "-c", CLIENT,
         addresses(cluster, "far")[family], "7000"], capture_output=True, text=True, timeout=10,
        check=True).stdout.split()
    assert answer[0] == "far"
    assert answer[1].replace("::ffff:", "") == outside["addresses"][family]


def test_pod_knows_who_it_is(cluster):
    env = dict(line.split("=", 1) for line in
               cluster.run("exec", "client", "--", "env").stdout.splitlines())
    assert env["POD_NAME"] == "client" and env["NODE_NAME"] == "a"
    assert env["POD_IPS"].split(",") == addresses(cluster, "client")
    assert env["WEB_SERVICE_HOST"] == cluster.status_at_start["services"][0]["clusterIPs"][0]
    assert env["WEB_SERVICE_PORT"] == "80"
    assert cluster.run("exec", "client", "--", "hostname").stdout.strip() == "client"


def test_exec_passes_everything_through(cluster):
    result = cluster.run("exec", "client", "--", "sh", "-c", "cat; echo err >&2; exit 7",
                         stdin="hello", check=False)
    assert (result.stdout, result.stderr, result.returncode) == ("hello", "err\n", 7)
    assert cluster.run("exec", "nobody", "--", "true", check=False).returncode == 1
    assert cluster.run("exec", "client", "--", "/no/such", check=False).returncode == 127


def test_exec_and_node_run_in_the_right_cgroup(cluster):
    pod = next(pod for pod in cluster.status_at_start["pods"] if pod["name"] == "client")
    own = cluster.run("exec", "client", "--", "grep", "0::", "/proc/self/cgroup").stdout.strip()
    assert pod["cgroup"].endswith(own[3:-len("/exec")]) and pod["uid"] in own
    result = cluster.run("node", "a", "--", "sh", "-c",
                         "grep 0:: /proc/self/cgroup; echo $WEFT_BPFFS").stdout.split()
    assert result[0].endswith("/a/host")
    assert result[1] == cluster.status_at_start["nodes"][0]["bpffs"]
    assert os.path.ismount(os.path.dirname(result[1]))


def test_root_namespace_is_untouched(cluster):
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True,
                           check=True).stdout
    assert not [pod for pod in cluster.status_at_start["pods"] if pod["interface"] in links]
    assert "cni0" not in links

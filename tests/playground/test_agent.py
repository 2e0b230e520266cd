# SPDX-License-Identifier: Apache-2.0
"""The agents' lives and waiting for them, with a stand-in for weftd."""
import pytest

from conftest import needs_root, node, service, sleeper

pytestmark = needs_root


@pytest.fixture(scope="module")
def cluster(make_playground):
    playground = make_playground()
    playground.up([node("a"), node("b"), sleeper("one", node="a")])
    return playground


def agent_pid(cluster, name="a"):
    return next(one["agentPid"] for one in cluster.status()["nodes"] if one["name"] == name)


def test_up_starts_one_agent_per_node(cluster):
    assert agent_pid(cluster, "a") and agent_pid(cluster, "b")
    with open(f"/proc/{agent_pid(cluster)}/cgroup", encoding="utf-8") as file:
        assert f"/weft-playground/{cluster.name}/a/host" in file.read()
    assert "fake agent of a started" in cluster.run("agent", "a", "logs").stdout


def test_stop_start_kill(cluster):
    first = agent_pid(cluster)
    cluster.run("agent", "a", "stop")
    assert agent_pid(cluster) is None
    cluster.apply(service("while-down", {"app": "x"}, [{"port": 1}]))
    cluster.run("agent", "a", "start")
    assert agent_pid(cluster) not in (None, first)
    cluster.run("agent", "a", "kill")
    assert agent_pid(cluster) is None
    cluster.run("agent", "a", "start")
    result = cluster.run("agent", "zz", "start", check=False)
    assert result.returncode == 1 and "unknown node" in result.stderr


def test_agent_that_cannot_start_shows_its_log(make_playground):
    playground = make_playground("bad")
    result = playground.up([node("a")], "--agent-args", "--misbehave crash", check=False)
    assert result.returncode == 1
    assert "exited with status 3" in result.stderr and "cannot work" in result.stderr
    assert playground.leftovers() == []


def test_agent_that_does_not_take_changes_in_is_named(make_playground):
    playground = make_playground("deaf")
    playground.up([node("a")], "--no-agents", "--agent-args", "--misbehave deaf")
    playground.run("agent", "a", "start")
    late = service("late", {"app": "x"}, [{"port": 1}])
    result = playground.apply(late, options=["--timeout", "0.5"], check=False)
    assert result.returncode == 1
    assert "service_default_late.yaml not read" in result.stderr
    playground.apply(service("later", {"app": "x"}, [{"port": 1}]), options=["--no-wait"])

# SPDX-License-Identifier: Apache-2.0
"""Pods come, change, become ready and go; leftovers of crashes disappear."""
import copy
import os
import signal
import time

import pytest

from conftest import eventually, needs_root, node, pod, server, service, sleeper

pytestmark = needs_root

STUBBORN = ["/usr/bin/python3", "-c",
            "import signal, time; signal.signal(15, lambda *_: print('TERM', flush=True));\n"
            "print('up', flush=True)\nwhile True: time.sleep(1)"]


@pytest.fixture(scope="module")
def cluster(make_playground):
    playground = make_playground()
    playground.up([node("a"), node("b"), sleeper("base", node="a"),
                   service("web", {"app": "web"}, [{"port": 80, "targetPort": "http"}])],
                  "--no-agents")
    return playground


def test_label_changes_without_restart_and_spec_with(cluster):
    before = cluster.pod("base")
    changed = sleeper("base", node="a", labels={"x": "1"})
    cluster.apply(changed)
    after = cluster.pod("base")
    assert (after["pid"], after["uid"]) == (before["pid"], before["uid"])
    manifest = cluster.manifests("pod_default_base")["pod_default_base.yaml"]
    assert manifest["metadata"]["labels"] == {"x": "1"}
    changed["spec"]["containers"][0]["command"] = ["sleep", "1000"]
    cluster.apply(changed)
    after = cluster.pod("base")
    assert after["pid"] != before["pid"] and after["uid"] != before["uid"]


def test_readiness_follows_the_probe(cluster, tmp_path):
    flag = tmp_path / "listen"
    script = ("import os, socket, time\ns = None\nwhile True:\n"
              f"    wanted = os.path.exists({str(flag)!r})\n"
              "    if wanted and not s: s = socket.create_server(('', 7000))\n"
              "    if s and not wanted: s.close(); s = None\n"
              "    time.sleep(0.01)")
    probed = pod("probed", ["/usr/bin/python3", "-c", script], labels={"app": "web"},
                 ports=[{"name": "http", "containerPort": 7000}],
                 readinessProbe={"tcpSocket": {"port": "http"}, "periodSeconds": 0.05,
                                 "failureThreshold": 2})
    cluster.apply(probed)
    address = cluster.pod("probed")["addresses"][0]
    assert cluster.endpoints("web")[address]["ready"] is False
    flag.write_text("")
    eventually(lambda: cluster.endpoints("web")[address]["ready"])
    assert cluster.pod("probed")["ready"] is True
    flag.unlink()
    eventually(lambda: not cluster.endpoints("web")[address]["ready"])
    cluster.delete(probed)
    assert cluster.endpoints("web") == {}


def test_named_ports_that_differ_get_slices_of_their_own(cluster):
    pods = [server(f"named{port}", port=port, labels={"app": "web"},
                   ports=[{"name": "http", "containerPort": port}]) for port in (7001, 7002)]
    cluster.apply(*pods)
    slices = [one for one in cluster.manifests("endpointslice").values() if one["endpoints"]]
    assert sorted((one["addressType"], one["ports"][0]["port"]) for one in slices) == [
        ("IPv4", 7001), ("IPv4", 7002), ("IPv6", 7001), ("IPv6", 7002)]
    cluster.delete(*pods)


def test_deleted_pod_is_unready_then_terminated_then_killed(cluster):
    stubborn = pod("stubborn", STUBBORN, labels={"app": "web"}, terminationGracePeriodSeconds=1,
                   ports=[{"name": "http", "containerPort": 7000}])
    cluster.apply(stubborn)
    eventually(lambda: "up" in cluster.run("logs", "stubborn").stdout)
    address = cluster.pod("stubborn")["addresses"][0]
    begin = time.monotonic()
    cluster.delete(stubborn, options=["--no-wait"])
    one = cluster.pod("stubborn")
    assert one["terminating"] and not one["ready"]
    assert cluster.endpoints("web")[address] == {
        "ready": False, "serving": True, "terminating": True}
    manifest = cluster.manifests("pod_default_stubborn")["pod_default_stubborn.yaml"]
    assert manifest["metadata"]["deletionTimestamp"]
    eventually(lambda: cluster.pod("stubborn") is None)
    assert 0.9 < time.monotonic() - begin < 3
    assert "TERM" in cluster.run("logs", "stubborn").stdout
    assert not os.path.exists(one["cgroup"]) and not os.path.exists(one["netns"])
    cluster.apply(sleeper("next", node=one["node"]))
    assert cluster.pod("next")["addresses"][0] == address
    cluster.delete(sleeper("next"))


def test_container_is_restarted(cluster):
    cluster.apply(pod("short", ["sh", "-c", "sleep 0.1; exit 1"]),
                  pod("once", ["true"], restartPolicy="Never"))
    eventually(lambda: cluster.pod("short")["containers"][0]["restarts"] >= 2)
    eventually(lambda: cluster.pod("once")["phase"] == "Succeeded")
    cluster.delete(sleeper("short"), sleeper("once"))


def test_several_containers_env_and_working_directory(cluster, tmp_path):
    many = pod("many", ["sh", "-c", "pwd; echo $GREETING $0", "$(POD_NAME)"],
               workingDir=str(tmp_path), restartPolicy="Never",
               env=[{"name": "WHO", "value": "world"},
                    {"name": "GREETING", "value": "hello $(WHO)"}])
    many["spec"]["containers"].append({"name": "second", "command": ["echo", "two"]})
    cluster.apply(many)
    eventually(lambda: cluster.pod("many")["phase"] == "Succeeded")
    assert cluster.run("logs", "-c", "main", "many").stdout == f"{tmp_path}\nhello world many\n"
    assert cluster.run("logs", "-c", "second", "many").stdout == "two\n"
    cluster.delete(many)


@pytest.mark.parametrize("objects, message", [
    ([sleeper("p", node="zz")], "unknown nodeName 'zz'"),
    ([sleeper("p"), sleeper("p")], "is there twice"),
    ([{"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "d"}}],
     "kind Deployment is not supported"),
    ([pod("p", [])], "has no command"),
    ([pod("p", ["sleep", "9"], readinessProbe={"exec": {"command": ["true"]}})],
     "exactly one of tcpSocket and httpGet"),
    ([pod("p", ["/no/such/program"])], "/no/such/program"),
])
def test_mistakes_are_told(cluster, objects, message):
    result = cluster.apply(*objects, check=False)
    assert result.returncode == 1 and message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    cluster.delete(sleeper("p"), check=False)


def test_unparseable_yaml_is_refused(cluster):
    result = cluster.run("apply", "-f", "-", stdin="a: [1, 2", check=False)
    assert result.returncode == 1 and "not parseable" in result.stderr


def test_other_objects_travel_unchanged(cluster):
    text = ("apiVersion: split.smi-spec.io/v1alpha1\nkind: TrafficSplit\nmetadata:\n  name: odd\n"
            "spec:\n  service: [wrong]\n  backends:\n  - {service: v1, weight: 900m}\n"
            "  - {service: v2, weight: 1e3}\n  - {service: v3, weight: 0o17}\n  yes: no\n")
    cluster.run("apply", "-f", "-", stdin=text)
    name = "trafficsplit.split.smi-spec.io_default_odd.yaml"
    with open(cluster.status()["nodes"][0]["manifests"] + "/" + name, encoding="utf-8") as file:
        written = file.read()
    for part in ("weight: 900m", "weight: 1e3", "weight: 0o17", "yes: no", "creationTimestamp"):
        assert part in written
    cluster.run("delete", "-f", "-", stdin=text)
    assert name not in cluster.manifests()


def test_cluster_ips_by_family_policy(cluster):
    plain = service("plain", {"app": "x"}, [{"port": 1}])
    single = service("single", {"app": "x"}, [{"port": 1}], ipFamilyPolicy="SingleStack")
    six = service("six", {"app": "x"}, [{"port": 1}], ipFamilies=["IPv6"])
    given = service("given", {"app": "x"}, [{"port": 1}], clusterIP="10.96.7.7")
    headless = service("headless", {"app": "x"}, [{"port": 1}], clusterIP="None")
    cluster.apply(plain, single, six, given, headless)
    ips = {one["name"]: one["clusterIPs"] for one in cluster.status()["services"]}
    assert len(ips["plain"]) == 2 and ":" in ips["plain"][1]
    assert len(ips["single"]) == 1 and "." in ips["single"][0]
    assert len(ips["six"]) == 1 and ":" in ips["six"][0]
    assert ips["given"][0] == "10.96.7.7"
    assert ips["headless"] == []
    again = copy.deepcopy(plain)
    again["metadata"]["labels"] = {"new": "label"}
    cluster.apply(again)
    assert {one["name"]: one["clusterIPs"] for one in cluster.status()["services"]} == ips
    cluster.delete(plain, single, six, given, headless)


def test_host_network_pod_uses_the_node(cluster):
    cluster.apply(server("host", port=7100, node="b", hostNetwork=True))
    one = cluster.pod("host")
    assert one["addresses"] == next(each["addresses"] for each in cluster.status()["nodes"]
                                    if each["name"] == "b")
    assert eventually(lambda: cluster.ask("base", one["addresses"][0], 7100)).startswith("host")
    cluster.delete(sleeper("host"))


def test_node_joins_and_leaves(cluster):
    cluster.apply(node("c"), server("newcomer", node="c"))
    address = cluster.pod("newcomer")["addresses"][1]
    assert eventually(lambda: cluster.ask("base", address)).startswith("newcomer")
    assert cluster.delete(node("c"), check=False).returncode == 1
    cluster.delete(sleeper("newcomer"))
    cluster.delete(node("c"))
    assert [one["name"] for one in cluster.status()["nodes"]] == ["a", "b"]


def test_two_playgrounds_coexist_and_names_do_not_overlap(cluster, make_playground):
    other = make_playground("x")
    other.up([node("a"), sleeper("base")], "--no-agents")
    other.run("down")
    assert other.leftovers() == [] and cluster.pod("base")["ready"]
    assert other.run("status", check=False).returncode == 1


def test_crash_of_the_supervisor_leaves_nothing(make_playground):
    playground = make_playground("crash")
    objects = [node("a"), sleeper("one")]
    playground.up(objects, "--no-agents")
    assert "already up" in playground.up(objects, "--no-agents", check=False).stderr
    with open(f"/run/weft-playground/{playground.name}/supervisor.pid", encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGKILL)
    eventually(lambda: "is dead" in playground.run("status", check=False).stderr)
    assert playground.run("exec", "one", "--", "echo", "alive").stdout == "alive\n"
    playground.up(objects, "--no-agents")
    assert playground.pod("one")["ready"]
    playground.run("down")
    assert playground.leftovers() == []
    playground.run("down")


def test_failed_up_leaves_nothing(make_playground):
    playground = make_playground("failed")
    for objects, message in (([sleeper("one")], "no Node object"),
                             ([node("a"), pod("bad", ["/no/such"])], "/no/such")):
        result = playground.up(objects, "--no-agents", check=False)
        assert result.returncode == 1 and message in result.stderr
        assert playground.leftovers() == []

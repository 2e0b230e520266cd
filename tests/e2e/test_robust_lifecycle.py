# SPDX-License-Identifier: Apache-2.0
"""Stopping, restarting, upgrading and removing an agent."""
import json
import pathlib
import subprocess
import time

import pytest

from mesh import wait_until
from robust import (CUTS, Load, assert_all_ok, assert_all_refused, assert_held, cluster_of,
                    namespace, node, pod, read_until, received_from, route, run_weftd, service,
                    target, traffic, weftd)


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", app="web", command=mesh.server_command("web", "tcp:80")),
            pod("caller", "a"), pod("intruder", "a"),
            service("web", {"app": "web"}, ("tcp", 80)), route("web", 80),
            target("web", "web", ["caller"], [("TCPRoute", "web")]),
    ) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


def bpftool(*arguments):
    done = subprocess.run(["bpftool", "-j", *arguments], capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout.strip() or "[]")


def pinned(cluster):
    """{"maps": {name: id}, "programs": ..., "links": ...} as bpftool sees the pins."""
    root = pathlib.Path(cluster.nodes["a"]["bpffs"])
    kinds = {"maps": ("map", root), "programs": ("prog", root / "programs"),
             "links": ("link", root / "links")}
    return {kind: {path.name: bpftool(tool, "show", "pinned", str(path))["id"]
                   for path in sorted(folder.iterdir()) if path.is_file()}
            for kind, (tool, folder) in kinds.items()}


def stop_and_start(cluster):
    cluster.mesh.agent("a", "stop")
    cluster.mesh.agent("a", "start")


def load(cluster):
    port = cluster.of("web", 80)
    return (Load(cluster.mesh, "caller", "call", port + cluster.of("web", 80)),
            Load(cluster.mesh, "intruder", "call", port, timeout=0.5),
            Load(cluster.mesh, "caller", "hold", port, pause=0.005))


def assert_unharmed(cluster, allowed, denied, held):
    assert_all_ok(allowed.stop())
    assert_all_refused(denied.stop())
    assert_held(held.stop())
    assert received_from(cluster.mesh, "web", cluster.addresses("intruder")) == []


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_and_what_is_enforced_stays(cluster, signal):
    cluster.mesh.agent("a", "stop")
    process = weftd(cluster.mesh, "a")
    lines = read_until(process, "msg=ready")
    with traffic(*load(cluster)) as loads:
        subprocess.run(["kill", "-" + signal, str(process.pid)], check=True)
        rest, _ = process.communicate(timeout=10)
        assert process.returncode == 0, (lines, rest)
        assert "what is enforced stays enforced" in rest
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error"):
            assert word not in rest, rest
        time.sleep(0.5)
        assert_unharmed(cluster, *loads)
    cluster.mesh.agent("a", "start")


def test_a_restart_adopts_everything(cluster):
    before = pinned(cluster)
    with traffic(*load(cluster)) as loads:
        stop_and_start(cluster)
        assert pinned(cluster) == before
        assert_unharmed(cluster, *loads)
    cluster.assert_verified()


def test_an_upgrade_replaces_programs_under_traffic(cluster):
    """Without the record of which build is pinned, and without the pinned programs, the
    agent takes what is attached for another version's: it loads its own and updates the links."""
    root = pathlib.Path(cluster.nodes["a"]["bpffs"])
    before = pinned(cluster)
    with traffic(*load(cluster)) as loads:
        for _ in range(3):
            cluster.mesh.agent("a", "stop")
            for path in [root / "build", *(root / "programs").iterdir()]:
                path.unlink()
            cluster.mesh.agent("a", "start")
        after = pinned(cluster)
        assert after["maps"] == before["maps"]
        assert after["links"] == before["links"]
        assert after["programs"].keys() == before["programs"].keys()
        assert not set(after["programs"].values()) & set(before["programs"].values())
        links = cluster.mesh.weft_json("a", "status")[1]["links"]
        assert links and {one["state"] for one in links} == {"attached"}, links
        assert_unharmed(cluster, *loads)
    cluster.assert_verified()


def test_a_restart_with_a_file_that_does_not_parse(cluster):
    """What that file held is unknown now, so the kernel's policy stays; nothing is let in."""
    mesh = cluster.mesh
    cluster.write("zz-broken.yaml", "kind: [")
    with traffic(*load(cluster)) as loads:
        mesh.agent("a", "stop")
        process = weftd(mesh, "a")
        try:
            said = read_until(process, "ApplyFailed")[-1]
            assert "zz-broken.yaml" in said and "stays as it is" in said, said
            time.sleep(0.3)
            status = cluster.status("a")
            assert not status["ready"] and "zz-broken.yaml" in status["not_ready_reason"], status
            assert any(one.get("file") == "zz-broken.yaml" for one in cluster.findings("a"))
            cluster.remove("zz-broken.yaml")
            read_until(process, "msg=ready")
        finally:
            process.terminate()
            process.communicate(timeout=10)
        mesh.agent("a", "start")
        assert_unharmed(cluster, *loads)
    cluster.assert_verified()


def test_a_second_agent_is_refused_and_the_first_unharmed(cluster):
    pid, before = cluster.pid("a"), pinned(cluster)
    for listen in ("127.0.0.1:9464", "127.0.0.1:9999"):
        code, out = run_weftd(cluster.mesh, "a", "--listen", listen)
        errors = [line for line in out.splitlines() if "level=error" in line]
        assert code == 1 and len(errors) == 1, out
        for word in ("agent", "run", "--bpffs", "remedy", "stop it first"):
            assert word in errors[0], (word, out)
    assert cluster.pid("a") == pid and cluster.status("a")["ready"]
    assert cluster.mesh.weft("a", "status").returncode == 0
    assert pinned(cluster) == before
    cluster.assert_verified()


def test_detach_is_refused_while_the_agent_runs(cluster):
    before = pinned(cluster)
    done = cluster.mesh.weft("a", "detach")
    assert done.returncode != 0 and "running" in done.stderr and "stop it" in done.stderr, done
    assert len(done.stderr.splitlines()) == 1
    assert pinned(cluster) == before
    cluster.assert_verified()


def attached_programs(cluster):
    """What the kernel says is attached to the node's cgroup and interfaces."""
    one = cluster.nodes["a"]
    tc = json.loads(subprocess.run(
        ["nsenter", "--net=" + one["netns"], "bpftool", "-j", "net", "show"],
        capture_output=True, text=True, check=True).stdout)
    return bpftool("cgroup", "show", one["cgroup"]), tc[0]["tc"]


def test_detach_removes_everything_and_start_brings_it_back(cluster):
    mesh, root = cluster.mesh, pathlib.Path(cluster.nodes["a"]["bpffs"])
    names = pinned(cluster)
    mesh.agent("a", "stop")
    done = mesh.weft("a", "detach")
    assert done.returncode == 0, done
    said = {tuple(line.split()[:2]) for line in done.stdout.splitlines()[1:]}
    for kind in ("map", "program", "link"):
        assert {name for what, name in said if what == kind} == set(names[kind + "s"]), kind
    assert not root.exists()
    assert attached_programs(cluster) == ([], [])
    again = mesh.weft("a", "detach")
    assert again.returncode == 0 and "nothing of weft" in again.stdout, again
    code, listed, _ = mesh.weft_json("a", "detach")
    assert code == 0 and listed == []
    # Ungoverned: everybody reaches everything that listens; cluster IPs lead nowhere.
    with traffic(Load(mesh, "intruder", "call", cluster.of("web", 80)),
                 Load(mesh, "intruder", "hold", cluster.of("web", 80))) as (calls, lives):
        mesh.agent("a", "start")
        returned = time.monotonic()
        time.sleep(1.2)
        result = calls.stop()
        assert result["first_ok"] and result["last_ok"] < returned + 1, (result, returned)
        for live in lives.stop():
            assert live["broken"] in CUTS and live["broken_at"] < returned + 1, (live, returned)
    assert pinned(cluster).keys() == names.keys()
    with traffic(*load(cluster)) as (allowed, denied, held):
        time.sleep(0.2)
        assert_all_ok(allowed.stop())
        assert_all_refused(denied.stop())
        assert_held(held.stop())
    cluster.assert_verified()


def test_start_up_is_quick(cluster):
    """The release's number is for the report; here it only must not be absurd (sanitizers)."""
    for adopt in (False, True):
        cluster.mesh.agent("a", "stop")
        if not adopt:
            assert cluster.mesh.weft("a", "detach").returncode == 0
        cluster.mesh.agent("a", "start")
        line = [line for line in cluster.log("a").splitlines() if "msg=ready" in line][-1]
        took = int(line.split("us_since_start=")[1].split()[0])
        print("ready after %d us, %s" % (took, "adopting" if adopt else "loading"))
        assert took < 2_000_000, line
    wait_until(lambda: cluster.status("a")["ready"])

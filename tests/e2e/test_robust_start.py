# SPDX-License-Identifier: Apache-2.0
"""Starting under wrong conditions: one clear line that names the remedy, and nothing harmed."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

from mesh import wait_until
from api import WEFT
from robust import (Load, assert_all_ok, assert_all_refused, cluster_of, namespace, node, pod,
                    read_until, route, run_weftd, target, text, traffic, weftd)

# Neither an abort nor somebody else's way to end: 1 = cannot start, 2 = wrong use.
CANNOT, USAGE = 1, 2


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", command=mesh.server_command("web", "tcp:80")),
            pod("caller", "a"), pod("intruder", "a"), route("web", 80),
            target("web", "web", ["caller"], [("TCPRoute", "web")]),
    ) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


@pytest.fixture(scope="module", autouse=True)
def first_agent(cluster):
    """Whatever fails to start leaves the agent that runs alone."""
    pid = cluster.pid("a")
    yield
    assert cluster.pid("a") == pid
    cluster.assert_verified()


def other(cluster):
    """A bpffs root and an address beside those of the agent that runs."""
    mount = pathlib.Path(cluster.nodes["a"]["bpffs"]).parent
    return ["--bpffs", str(mount / "other"), "--listen", "127.0.0.1:9999"]


def drop(*capabilities):
    """A wrapper that runs a command as root without them."""
    return ["setpriv", "--bounding-set", ",".join("-" + one for one in capabilities),
            "--inh-caps", "-all"]


def nothing_left(cluster):
    return not os.path.exists(other(cluster)[1])


# (name, arguments, wrapper, exit code, what the line must say)
WRONG = [
    ("folder-of-no-bpffs", ["--bpffs", "/tmp/weft-no-bpffs"], [], CANNOT,
     ["/tmp", "not on a bpf file system", "mount -t bpf"]),
    ("bpffs-not-mounted", ["--bpffs", "/sys/fs/bpf/weft"],
     ["unshare", "-m", "sh", "-c",
      'if mountpoint -q /sys/fs/bpf; then umount -l /sys/fs/bpf; fi; exec "$0" "$@"'], CANNOT,
     ["/sys/fs/bpf", "not on a bpf file system", "mount -t bpf bpf /sys/fs/bpf"]),
    ("no-cap-bpf", [], drop("bpf", "sys_admin"), CANNOT, ["CAP_BPF", "run as root"]),
    ("no-cap-net-admin", [], drop("net_admin"), CANNOT, ["CAP_NET_ADMIN", "run as root"]),
    ("no-cap-perfmon", [], drop("perfmon", "sys_admin"), CANNOT, ["CAP_PERFMON", "run as root"]),
    # Without these two, pods' namespaces cannot be looked into: no pod would be governed.
    ("no-cap-sys-admin", [], drop("sys_admin"), CANNOT, ["CAP_SYS_ADMIN", "run as root"]),
    ("no-cap-sys-ptrace", [], drop("sys_ptrace"), CANNOT, ["CAP_SYS_PTRACE", "run as root"]),
    ("no-capability", [], drop("all"), CANNOT, ["CAP_BPF", "CAP_NET_ADMIN", "run as root"]),
    ("not-root", [], ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
     CANNOT, ["CAP_BPF", "run as root"]),
    ("user-namespace", [], ["unshare", "-Ur"], CANNOT, ["does not let", "user namespace"]),
    ("port-in-use", ["--listen", "127.0.0.1:9464"], [], CANNOT,
     ["127.0.0.1:9464", "in use", "--listen"]),
    ("foreign-address", ["--listen", "203.0.113.1:80"], [], CANNOT,
     ["203.0.113.1:80", "Cannot assign", "--listen"]),
    ("no-folder", ["--manifests", "/nowhere/at/all"], [], CANNOT,
     ["/nowhere/at/all", "No such file", "--manifests"]),
    ("file-as-folder", ["--manifests", "/etc/hostname"], [], CANNOT,
     ["/etc/hostname", "Not a directory", "--manifests"]),
    ("no-headers", ["--otlp-endpoint", "http://[::1]:4318", "--otlp-headers-file", "/nowhere"], [], CANNOT,
     ["/nowhere", "No such file", "OTLP"]),
    ("no-authorities", ["--otlp-endpoint", "https://[::1]:4318", "--otlp-ca-file", "/nowhere"], [], CANNOT,
     ["/nowhere", "No such file", "OTLP"]),
    ("no-cgroup", ["--cgroup", "/nowhere"], [], CANNOT, ["/nowhere", "No such file"]),
    ("no-cgroup2", ["--cgroup", "/tmp"], [], CANNOT, ["/tmp", "cgroup v2", "--cgroup"]),
    ("unknown-flag", ["--frobnicate"], [], USAGE, ["--frobnicate"]),
    ("missing-value", ["--node"], [], USAGE, ["--node"]),
    ("stray-word", ["stray"], [], USAGE, ["stray"]),
    ("bad-number", ["--max-policies", "many"], [], USAGE, ["--max-policies", "many", "number"]),
    ("zero", ["--max-policies", "0"], [], USAGE, ["--max-policies", "1 to"]),
    ("huge", ["--max-policies", "99999999999999999999"], [], USAGE, ["--max-policies", "1 to"]),
    ("bad-listen", ["--listen", "here"], [], USAGE, ["--listen", "ADDR:PORT"]),
    ("bad-port", ["--listen", "127.0.0.1:99999"], [], USAGE, ["--listen", "ADDR:PORT"]),
    ("relative-root", ["--bpffs", "weft"], [], USAGE, ["--bpffs", "absolute"]),
    ("bad-source", ["--source", "carrier-pigeon"], [], USAGE, ["--source", "dir"]),
    ("bad-node", ["--node", "a/b"], [], USAGE, ["--node", "a/b"]),
    ("bad-level", ["--log-level", "loud"], [], USAGE, ["--log-level", "debug"]),
    ("password-in-url", ["--otlp-endpoint", "http://me:secret@[::1]:4318"], [], USAGE,
     ["--otlp-endpoint", "without user"]),
    ("bad-environment", [], ["env", "WEFT_MAX_NAMES=few"], USAGE, ["WEFT_MAX_NAMES", "few"]),
    ("no-manifests", [], ["env", "-u", "WEFT_MANIFESTS"], USAGE, ["--manifests", "WEFT_MANIFESTS"]),
]


@pytest.mark.parametrize("name,arguments,wrap,code,words", WRONG, ids=[one[0] for one in WRONG])
def test_a_wrong_start_says_so_in_one_line(cluster, name, arguments, wrap, code, words):
    ended, out = run_weftd(cluster.mesh, "a", *other(cluster), *arguments, wrap=wrap)
    assert ended == code, out
    for trace in ("AddressSanitizer", "LeakSanitizer", "runtime error", "Segmentation", "abort"):
        assert trace not in out, out
    lines = [line for line in out.splitlines() if "level=info" not in line]
    if code == CANNOT:
        assert len(lines) == 1 and "level=error" in lines[0], out
    for word in words:
        assert word in lines[0], (word, out)
    assert nothing_left(cluster), "%s left pins" % name


def test_of_several_agents_that_start_at_once_one_wins(cluster):
    root = other(cluster)[:2]
    started = [weftd(cluster.mesh, "a", *root, "--listen", "127.0.0.1:%d" % (9990 + i))
               for i in range(5)]
    try:
        wait_until(lambda: sum(one.poll() is None for one in started) == 1, 10, "one survivor")
        winner = next(one for one in started if one.poll() is None)
        read_until(winner, "msg=ready")
        for one in started:
            if one is not winner:
                out, _ = one.communicate()
                assert one.returncode == CANNOT and "an agent is running on it" in out, out
        winner.terminate()
        out, _ = winner.communicate(timeout=10)
        assert winner.returncode == 0 and "Sanitizer" not in out, out
    finally:
        for one in started:
            one.kill()
            one.wait()
        assert cluster.mesh.weft("a", *root, "detach").returncode == 0
    assert nothing_left(cluster)


def test_weft_check_names_the_same_missing_privileges(cluster):
    for missing in ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_NET_ADMIN"):
        wrap = drop(missing[4:].lower())
        done = subprocess.run(cluster.mesh.command("node", "a", "--", *wrap, str(WEFT), "check"),
                              capture_output=True, text=True, check=False)
        assert done.returncode != 0 and missing in done.stdout, done


def page(cluster, path):
    """A page of the second agent."""
    return json.loads(cluster.get("a", path, 9999))


def test_pods_that_cannot_be_found_are_told(cluster):
    """The wrong --cgroup looks well at first: the agent is ready, and governs no pod."""
    process = weftd(cluster.mesh, "a", *other(cluster), "--cgroup",
                    cluster.nodes["a"]["cgroup"] + "/host")
    try:
        read_until(process, "msg=ready")
        found = wait_until(lambda: [one for one in page(cluster, "/v1/findings")["items"]
                                    if one["reason"] == "PodNotFound"], 10)
        assert {one["object"]["name"] for one in found} == {"web", "caller", "intruder"}, found
        assert all("/host" in one["message"] and "not governed" in one["consequence"]
                   for one in found)
        assert not any(one["attached"] for one in page(cluster, "/v1/status")["pods"])
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=10)
        cluster.mesh.weft("a", "--bpffs", other(cluster)[1], "detach")
    assert process.returncode == 0 and "Sanitizer" not in out, out
    assert not [one for one in cluster.findings("a") if one["reason"] == "PodNotFound"]


def test_the_folder_goes_and_comes_back_while_it_runs(cluster):
    """Last good policy stays, a finding says why, and the agent finds the new folder."""
    mesh = cluster.mesh
    base = pathlib.Path(tempfile.mkdtemp(prefix="weft-folder-"))
    folder = base / "manifests"
    shutil.copytree(cluster.manifests, folder)
    # Of a second node of the same name: nothing is attached twice, but policy is compiled.
    process = weftd(mesh, "a", *other(cluster), "--manifests", str(folder))
    weft = ["--bpffs", other(cluster)[1]]
    try:
        read_until(process, "msg=ready")

        def findings():
            return [one for one in page(cluster, "/v1/findings")["items"]
                    if one["reason"] == "FolderUnreadable"]

        before = mesh.weft_json("a", *weft, "get", "policies")[1]
        assert before
        os.rename(folder, base / "gone")
        found = wait_until(findings, what="a finding")
        assert str(folder) in found[0]["file"] and "No such file" in found[0]["message"], found
        assert mesh.weft_json("a", *weft, "get", "policies")[1] == before
        folder.mkdir()
        found = wait_until(lambda: [one for one in findings() if "empty" in one["message"]])
        assert mesh.weft_json("a", *weft, "get", "policies")[1] == before
        shutil.copytree(base / "gone", folder, dirs_exist_ok=True)
        wait_until(lambda: not findings(), what="recovery")
        (folder / "more.yaml").write_text(text(target("more", "web", ["intruder"],
                                                      [("TCPRoute", "web")])))
        wait_until(lambda: mesh.weft_json("a", *weft, "get", "policies")[1] != before,
                   what="a change in the new folder")
        assert process.poll() is None
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=10)
        mesh.weft("a", *weft, "detach")
        shutil.rmtree(base)
    assert process.returncode == 0 and "Sanitizer" not in out, out


def test_the_mesh_works_as_before(cluster):
    """Last in this file: all those starts changed nothing."""
    with traffic(Load(cluster.mesh, "caller", "call", cluster.of("web", 80)),
                 Load(cluster.mesh, "intruder", "call", cluster.of("web", 80))) as loads:
        time.sleep(0.3)
        assert_all_ok(loads[0].stop())
        assert_all_refused(loads[1].stop())

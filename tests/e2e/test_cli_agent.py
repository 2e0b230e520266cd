# SPDX-License-Identifier: Apache-2.0
"""`weft` while the agent changes, hangs, dies: events, verify, status, detach."""
import json
import os
import signal
import subprocess
import time

import pytest

from mesh import WEFT, Mesh, wait_until
from test_cli import failure, manifests

CALLS = 120
FIRST_PORT = 20000


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with Mesh() as mesh:
        mesh.up(manifests(mesh))
        mesh.run("wait")
        yield mesh


def denied(mesh, first):
    """Calls that nothing allows, each to a port of its own."""
    api = mesh.pod("api-1", "shop")["addresses"][0]
    results = mesh.probe("intruder", [{"proto": "tcp", "address": api, "port": first + i}
                                      for i in range(CALLS)], namespace="shop")
    assert not any(result["ok"] for result in results)


class Follower:
    """`weft events --follow -o json`, read until it is ended."""

    def __init__(self, mesh, *options):
        self.process = subprocess.Popen(
            mesh.command("node", "node-a", "--", WEFT, "events", "--follow", "-o", "json", *options),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""

    def ports(self):
        self.text += self.process.stdout.read() or b""
        events = [json.loads(line) for line in self.text.splitlines(keepends=True)
                  if line.endswith(b"\n")]
        return [event["destination"]["port"] for event in events
                if event["type"] == "denied" and event["destination"]["port"] >= FIRST_PORT]

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=10)[1].decode()


def test_events_are_neither_missed_nor_repeated(mesh):
    follower = Follower(mesh, "--limit", "0")
    try:
        time.sleep(0.5)
        denied(mesh, FIRST_PORT)
        wait_until(lambda: len(follower.ports()) >= CALLS, what="events of the first calls")
        # the next agent numbers its events from 0 again, and gets more than the first had
        mesh.agent("node-a", "stop")
        denied(mesh, FIRST_PORT + 1000)
        mesh.agent("node-a", "start")
        denied(mesh, FIRST_PORT + 2000)
        wait_until(lambda: len(follower.ports()) >= 3 * CALLS, what="events of all calls")
        time.sleep(0.3)
        assert sorted(follower.ports()) == [FIRST_PORT + batch + i for batch in (0, 1000, 2000)
                                            for i in range(CALLS)]
    finally:
        said = follower.end()
    assert said.count("waiting for it") == 1 and "lost" not in said, said


def test_events_so_far(mesh):
    denied(mesh, FIRST_PORT)
    done = mesh.weft("node-a", "events", "--limit", "5", "-o", "json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and not done.stderr
    assert [event["destination"]["port"] for event in events] == list(
        range(FIRST_PORT + CALLS - 5, FIRST_PORT + CALLS))
    event = events[0]
    assert {"seq", "time", "type", "protocol", "reporter", "source", "destination", "reason",
            "hook"} <= set(event)
    assert (event["source"]["pod"], event["reason"]) == ("intruder", "no_rule")
    text = mesh.weft("node-a", "events", "--limit", "1").stdout
    assert "shop/intruder" in text and "no_rule (connect)" in text
    assert mesh.weft("node-a", "events", "--limit", "0").stdout == ""


def bpftool(mesh, *words):
    return mesh.on_node("node-a", "sh", "-c", "PATH=$PATH:/usr/sbin; bpftool " + " ".join(words))


def test_verify(mesh):
    code, result, error = mesh.weft_json("node-a", "verify")
    assert code == 0 and result["differences"] == [] and result["compared"] > 40, error or result
    key = json.loads(bpftool(mesh, "-j map dump pinned $WEFT_BPFFS/weft_policy"))[0]["key"]
    bpftool(mesh, "map delete pinned $WEFT_BPFFS/weft_policy key hex",
            *[byte[2:] for byte in key])
    bpftool(mesh, "map update pinned $WEFT_BPFFS/weft_iface key 9 9 0 0 value", *["0"] * 48)
    bpftool(mesh, "map delete pinned $WEFT_BPFFS/weft_service key", *(
        str(int(byte, 16)) for byte in
        json.loads(bpftool(mesh, "-j map dump pinned $WEFT_BPFFS/weft_service"))[0]["key"]))
    code, result, error = mesh.weft_json("node-a", "verify")
    assert code == 1, error
    seen = {(one["where"], one["problem"]): one["key"] for one in result["differences"]}
    assert set(seen) == {("weft_policy", "missing in the kernel"),
                         ("weft_iface", "in the kernel, but no object asks for it"),
                         ("weft_service", "missing in the kernel")}, result
    assert seen["weft_policy", "missing in the kernel"].startswith("shop/frontend -> shop/api port")
    text = mesh.weft("node-a", "verify")
    assert text.returncode == 1 and "3 differ" in text.stdout
    # explain notices, too
    codes = {mesh.weft_json("node-a", "explain", "shop/frontend", "shop/api-1", port)[0]
             for port in ("8080", "9090", "9000/udp")}
    assert codes == {0, 1}
    mesh.agent("node-a", "stop")
    mesh.agent("node-a", "start")
    assert mesh.weft("node-a", "verify").returncode == 0


def test_verify_sees_a_missing_link(mesh):
    mesh.on_node("node-a", "sh", "-c", "rm $WEFT_BPFFS/links/cg_weft_sockops")
    code, result, _ = mesh.weft_json("node-a", "verify")
    assert code == 1
    assert [(one["where"], one["key"]) for one in result["differences"]] == [
        ("links", "cg_weft_sockops")]
    mesh.agent("node-a", "stop")
    mesh.agent("node-a", "start")
    assert mesh.weft("node-a", "verify").returncode == 0


def test_hanging_agent(mesh):
    pid = mesh.node("node-b")["agentPid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        commands = [("status", "-o", "json"), ("verify",), ("events",),
                    ("explain", "shop/frontend", "shop/api-1", "80"), ("get", "policies")]
        running = [subprocess.Popen(mesh.command("node", "node-b", "--", WEFT, *words),
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                   for words in commands]
        done = [subprocess.CompletedProcess([], None, *process.communicate(timeout=30))
                for process in running]
        for process, result in zip(running, done):
            result.returncode = process.returncode
        assert time.monotonic() - start < 20
        assert done[0].returncode == 1 and "does not answer" in json.loads(
            done[0].stdout)["agent_error"]
        for result in done[1:4]:
            assert "does not answer" in failure(result)
        assert done[4].returncode == 0  # asks the kernel alone
    finally:
        os.kill(pid, signal.SIGCONT)


def test_without_agent_and_detach(mesh):
    assert "agent" in failure(mesh.weft("node-b", "detach"))  # refused while an agent runs
    mesh.agent("node-b", "kill")
    done = mesh.weft("node-b", "status")
    assert done.returncode == 1 and "NOT RUNNING" in done.stdout
    code, status, _ = mesh.weft_json("node-b", "status")
    assert code == 1 and "no agent answers" in status["agent_error"] and "agent" not in status
    assert status["links"] and {link["state"] for link in status["links"]} == {"attached"}
    for words in (("verify",), ("events",), ("explain", "shop/frontend", "shop/api-1", "80")):
        assert "no agent answers" in failure(mesh.weft("node-b", *words))
    assert mesh.weft_json("node-b", "get", "policies")[1]

    code, removed, error = mesh.weft_json("node-b", "detach")
    assert code == 0, error
    kinds = {one["kind"] for one in removed}
    assert {"link", "program", "map"} <= kinds and all(one["name"] for one in removed)
    done = mesh.weft("node-b", "detach")
    assert done.returncode == 0 and "nothing of weft" in done.stdout
    assert mesh.weft_json("node-b", "detach")[:2] == (0, [])
    assert "nothing of weft is pinned" in failure(mesh.weft("node-b", "status"))

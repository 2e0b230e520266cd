# SPDX-License-Identifier: Apache-2.0
"""An agent that meets the maps of another ABI version: they are in force until its own are filled.

The other version is this one under another number, of which a few maps are kept and the rest is
made anew; tests/loader/test_migrate.c has other layouts.
"""
import json
import subprocess
import threading

import pytest

from http_mesh import SPACE, HttpMesh, Keeper, as_text, assert_denied, get, is_weft, permission
from mesh import wait_until

SERVER = "python"


@pytest.fixture(scope="module")
def scene():
    with HttpMesh(SERVER) as made:
        yield made


def bpftool(*arguments):
    done = subprocess.run(["bpftool", "-j", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout.strip() or "null")


def config(scene, node):
    path = scene.mesh.node(node)["bpffs"] + "/weft_config"
    return path, bpftool("map", "dump", "pinned", path)[0]


def age(scene, node, version):
    """No agent may be running."""
    path, entry = config(scene, node)
    value = ["0x%02x" % version, "0x00", "0x00", "0x00"] + entry["value"][4:]
    bpftool("map", "update", "pinned", path, "key", *entry["key"], "value", *value)


def map_ids(scene, node):
    return {row["name"]: row["id"] for row in scene.mesh.weft_json(node, "status")[1]["maps"]}


def agent_status(scene, node):
    return json.loads(scene.mesh.get(node, "/v1/status"))


class Knocking:
    """A stranger, one whom rules of L4 allow, and one whom HTTP rules do not, all the time. HTTP
    connections do not outlive the change, for what is known about them does not."""

    def __init__(self, scene):
        self.scene, self.end, self.wrong, self.times = scene, False, [], 0
        self.thread = threading.Thread(target=self._work)

    def _work(self):
        while not self.end:
            stranger = self.scene.say("stranger", SERVER, get("/ok/stranger"), wait=2)
            direct = self.scene.say("direct", SERVER, get("/direct"), wait=2)
            denied = self.scene.say("caller", SERVER, get("/secret/caller"), wait=2)
            self.times += 1
            if stranger["stage"] != "connect":
                self.wrong.append(stranger)
            if [one["status"] for one in direct["answers"]] != [200]:
                self.wrong.append(direct)
            if denied["answers"] and not is_weft(denied["answers"][0]):
                self.wrong.append(denied)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end = True
        self.thread.join()


@pytest.mark.parametrize("version", (1, 77))
def test_nothing_fails_and_nothing_passes(scene, version):
    kept = Keeper(scene, "direct")
    assert kept.open("kept", SERVER) is True and kept.status("kept", "/before") == 200
    before = map_ids(scene, "node-a")
    with Knocking(scene) as knocking:
        for how in ("stop", "kill"):
            for node in ("node-a", "node-b"):
                scene.mesh.agent(node, how)
                age(scene, node, version)
                scene.mesh.agent(node, "start")
    assert knocking.times > 20 and not knocking.wrong, (knocking.times, knocking.wrong[:3])
    after = map_ids(scene, "node-a")
    assert (before["weft_name"] == after["weft_name"]) == (version == 1)
    assert before["weft_policy"] != after["weft_policy"]
    assert kept.status("kept", "/after") == 200
    for node in ("node-a", "node-b"):
        code, answer, said = scene.mesh.weft_json(node, "verify")
        assert code == 0, (node, answer, said)
        assert agent_status(scene, node)["ready"]
    scene.never_seen("secret")
    scene.never_seen("stranger")


def test_it_waits_for_what_it_cannot_read(scene):
    """A file that does not parse may hold what makes pods governed: the other version stays."""
    folder = scene.mesh.manifests_folder()
    path = next(path for path in folder.glob("*.yaml") if "kind: Namespace" in path.read_text(encoding="utf-8")
                or '"kind": "Namespace"' in path.read_text(encoding="utf-8"))
    good = path.read_bytes()
    scene.mesh.agent("node-a", "stop")
    age(scene, "node-a", 1)
    before = config(scene, "node-a")[1]["value"]
    path.write_bytes(b"{")
    with subprocess.Popen(scene.mesh.command("agent", "node-a", "start"), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as starting:
        try:
            wait_until(lambda: "does not parse" in scene.mesh.on_node(
                "node-a", "curl", "-sS", "http://127.0.0.1:9464/readyz", check=False), 10, "the reason")
            assert config(scene, "node-a")[1]["value"] == before
            assert_denied(scene.say("caller", SERVER, get("/secret/held")))
            assert scene.say("stranger", SERVER, get("/ok/stranger"))["stage"] == "connect"
        finally:
            path.write_bytes(good)
            starting.wait(timeout=15)
    wait_until(lambda: agent_status(scene, "node-a")["ready"], 10, "the agent is ready")
    assert config(scene, "node-a")[1]["value"] != before
    assert_denied(scene.say("caller", SERVER, get("/secret/after")))
    code, answer, said = scene.mesh.weft_json("node-a", "verify")
    assert code == 0, (answer, said)


def test_an_interface_without_a_pod_is_closed(scene):
    """Its maps told whose it was; now only its link says that it was governed."""
    scene.mesh.agent("node-b", "stop")
    name, manifest = scene.mesh.manifest("Pod", "direct", SPACE)
    path = scene.mesh.manifests_folder() / name
    good = path.read_bytes()
    age(scene, "node-b", 1)
    path.unlink()
    try:
        scene.mesh.run("agent", "node-b", "start", timeout=30)
        assert manifest["metadata"]["uid"] not in {pod["uid"] for pod in agent_status(scene, "node-b")["pods"]}
        result = scene.say("direct", SERVER, get("/ok/orphan"), wait=1)
        assert not result["answers"], result
    finally:
        path.write_bytes(good)
    wait_until(lambda: scene.say("direct", SERVER, get("/ok/back"), wait=1)["answers"], 10, "the pod's calls")
    scene.mesh.apply(as_text(permission("direct", ["direct"], ("TCPRoute", "any"))))

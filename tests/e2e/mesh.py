# SPDX-License-Identifier: Apache-2.0
"""A playground with agents, for tests: what its pods experience, and what reached them."""
import json
import os
import pathlib
import sys
import tempfile
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools" / "playground"))
from api import AGENT_URL, PYTHON, WEFT, Playground, PlaygroundError  # noqa: E402,F401  pylint: disable=wrong-import-position

SERVER = HERE / "server.py"
PROBE = HERE / "probe.py"


class Mesh(Playground):
    """A playground of a unique name that is made from YAML text."""

    counter = 0

    def __init__(self, topology="bridge", arguments=()):
        Mesh.counter += 1
        super().__init__("t%d-%d" % (os.getpid(), Mesh.counter))
        self.options = ["--topology", topology, *arguments]
        self.folder = tempfile.TemporaryDirectory(prefix="weft-e2e-")

    def __exit__(self, *problem):
        super().__exit__(*problem)
        self.folder.cleanup()

    def up(self, manifests):
        """Starts the cluster of this YAML text."""
        cluster = pathlib.Path(self.folder.name, "cluster")
        cluster.mkdir(exist_ok=True)
        (cluster / "cluster.yaml").write_text(manifests, encoding="utf-8")
        super().up(cluster, *self.options)
        return self

    def weft_json(self, node, *arguments):
        """(exit code, parsed output or None, standard error) of `weft -o json`."""
        done = self.weft(node, "-o", "json", *arguments)
        try:
            return done.returncode, json.loads(done.stdout), done.stderr
        except json.JSONDecodeError:
            return done.returncode, None, done.stderr

    def explain(self, node, questions):
        """Answers to lines `SRC DST PORT[/udp]`, for pods: what the evaluator ("reference") and
        the kernel said, as (verdict, reason)."""
        answers = json.loads(self.run("node", node, "--", WEFT, "-o", "json", "explain", "-",
                                      text=questions, check=False))["answers"]
        return [{who: (answer["endpoints"][0][who]["verdict"], answer["endpoints"][0][who]["reason"])
                 for who in ("reference", "kernel")} for answer in answers]

    def manifest(self, kind, name, namespace):
        """(file name, object) of a published object, as the agents read it."""
        for path in self.manifests_folder().glob("*.yaml"):
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            meta = document["metadata"]
            if (document["kind"], meta["name"], meta.get("namespace")) == (kind, name, namespace):
                return path.name, document
        raise KeyError("%s %s/%s" % (kind, namespace, name))

    def manifests_folder(self):
        """Where the agents read."""
        return pathlib.Path(self.status()["nodes"][0]["manifests"])

    def changed(self):
        """When the manifests changed last, by time.monotonic(): since then agents could know."""
        return self.manifests_folder().stat().st_mtime - time.time() + time.monotonic()

    def write_manifest(self, name, document):
        """Replaces a published file behind the playground's back; returns when all running agents
        have taken it in."""
        path = self.manifests_folder() / name
        temporary = path.with_name("." + name + ".tmp")
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.rename(path)
        mtime = path.stat().st_mtime_ns

        def taken(node):
            status = json.loads(self.get(node, "/v1/status"))
            return status["source"]["files"].get(name, {}).get("mtime_ns") == mtime
        for node in self.status()["nodes"]:
            if node["agentPid"]:
                wait_until(lambda node=node["name"]: taken(node), 5, name + " in force")

    def wait_for_sweep(self, node):
        """Until every connection was held against the policy in force, the second time too."""
        wait_until(lambda: not json.loads(self.get(node, "/v1/status"))["sweep_pending"], 5, "sweep")

    def findings(self, node):
        """What a node's agent found wrong with the objects."""
        return json.loads(self.get(node, "/v1/findings"))["items"]

    def probe(self, pod, probes, namespace="default", timeout=120):
        """Runs probes (see probe.py) from inside a pod; their results in order."""
        out = self.exec(pod, PYTHON, str(PROBE), namespace=namespace, text=json.dumps(probes),
                        timeout=timeout)
        return json.loads(out)

    def received(self, pod):
        """What a pod's server.py received so far: a list of records."""
        path = pathlib.Path(self.folder.name, "received-" + pod)
        if not path.exists():
            return []
        # A line that crosses a page is to be seen before it is whole.
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True)
                if line.endswith("\n")]

    def server_command(self, pod, *listeners):
        """The `command` of a pod that listens (tcp:PORT, udp:PORT, http:PORT) and records what arrives."""
        path = pathlib.Path(self.folder.name, "received-" + pod)
        return json.dumps([PYTHON, str(SERVER), str(path), *listeners])


def wait_until(condition, seconds=5.0, what="condition"):
    """Polls until the condition is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("%s did not hold within %.1f s" % (what, seconds))
        time.sleep(0.02)

# SPDX-License-Identifier: Apache-2.0
"""A playground with agents, for tests: up, apply, probe from pods, look at nodes, down."""
import json
import os
import pathlib
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("WEFT_BUILD", TOP / "build")).resolve()
PLAYGROUND = BUILD / "weft-playground"
WEFT = BUILD / "weft"
SERVER = HERE / "server.py"
PROBE = HERE / "probe.py"
PYTHON = "/usr/bin/python3"


class PlaygroundError(RuntimeError):
    """A playground command failed; its message says why."""


class Mesh:
    """One playground. Use as a context manager; `down` always runs."""

    counter = 0

    def __init__(self, topology="bridge", arguments=()):
        Mesh.counter += 1
        self.name = "t%d-%d" % (os.getpid(), Mesh.counter)
        self.topology = topology
        self.arguments = list(arguments)
        self.folder = tempfile.TemporaryDirectory(prefix="weft-e2e-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run("down", check=False)
        self.folder.cleanup()

    def run(self, *arguments, text=None, check=True, timeout=60):
        """One playground command; its standard output."""
        done = subprocess.run([str(PLAYGROUND), "--name", self.name, *arguments], input=text,
                              capture_output=True, text=True, check=False, timeout=timeout)
        if check and done.returncode:
            raise PlaygroundError("%s: %s%s" % (" ".join(arguments[:4]), done.stderr, done.stdout))
        return done.stdout

    def up(self, manifests):
        """Starts the cluster of this YAML text ({received} is a folder that pods may write to)."""
        path = pathlib.Path(self.folder.name, "cluster.yaml")
        path.write_text(manifests, encoding="utf-8")
        self.run("up", "--topology", self.topology, *self.arguments, str(path.parent), timeout=120)
        return self

    def apply(self, manifests, wait=True):
        self.run("apply", *([] if wait else ["--no-wait"]), "-f", "-", text=manifests)

    def delete(self, manifests, wait=True):
        self.run("delete", *([] if wait else ["--no-wait"]), "-f", "-", text=manifests)

    def status(self):
        return json.loads(self.run("status", "-o", "json"))

    def node(self, name):
        return next(n for n in self.status()["nodes"] if n["name"] == name)

    def pod(self, name, namespace="default"):
        return next(p for p in self.status()["pods"]
                    if p["name"] == name and p["namespace"] == namespace)

    def service(self, name, namespace="default"):
        return next(s for s in self.status()["services"]
                    if s["name"] == name and s["namespace"] == namespace)

    def exec(self, pod, *command, namespace="default", text=None, check=True, timeout=60):
        return self.run("exec", "-n", namespace, pod, "--", *command, text=text, check=check,
                        timeout=timeout)

    def popen(self, pod, *command, namespace="default", **options):
        """A process in a pod that the test talks to; the caller ends it."""
        return subprocess.Popen([str(PLAYGROUND), "--name", self.name, "exec", "-n", namespace, pod,
                                 "--", *command], text=True, **options)

    def on_node(self, node, *command, check=True, timeout=60):
        return self.run("node", node, "--", *command, check=check, timeout=timeout)

    def weft(self, node, *arguments):
        """(exit code, parsed JSON or None, standard error) of `weft -o json`."""
        done = subprocess.run([str(PLAYGROUND), "--name", self.name, "node", node, "--", str(WEFT),
                               "-o", "json", *arguments], capture_output=True, text=True, check=False,
                              timeout=60)
        try:
            return done.returncode, json.loads(done.stdout), done.stderr
        except json.JSONDecodeError:
            return done.returncode, None, done.stderr

    def get(self, node, path):
        """Body of the agent's HTTP interface."""
        return self.on_node(node, "curl", "-sS", "--max-time", "10", "http://127.0.0.1:9464" + path)

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
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def server_command(self, pod, *listeners):
        """The `command` of a pod that listens (tcp:PORT, udp:PORT) and records what arrives."""
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

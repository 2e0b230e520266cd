# SPDX-License-Identifier: Apache-2.0
"""The playground for Python: what tests, demo and bench share.

    with Playground("demo") as cluster:
        cluster.up(folder)
        cluster.exec("frontend", "curl", "-s", "http://10.96.0.10")
"""
import json
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("WEFT_BUILD", TOP / "build")).resolve()
COMMAND = BUILD / "weft-playground"
WEFT = pathlib.Path(os.environ.get("WEFT", BUILD / "weft")).resolve()
PYTHON = "/usr/bin/python3"
AGENT_URL = "http://127.0.0.1:9464"


class PlaygroundError(RuntimeError):
    """A playground command failed; its message says why."""


class Playground:
    """One playground by name. As a context manager, `down` always runs."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run("down", check=False)

    def command(self, *arguments):
        return [str(COMMAND), "--name", self.name, *[str(a) for a in arguments]]

    def run(self, *arguments, text=None, check=True, timeout=90):
        """One playground command; its standard output."""
        done = subprocess.run(self.command(*arguments), input=text, capture_output=True, text=True,
                              check=False, timeout=timeout)
        if check and done.returncode:
            raise PlaygroundError("%s: %s" % (" ".join(str(a) for a in arguments[:4]),
                                              (done.stderr + done.stdout).strip()))
        return done.stdout

    def up(self, folder, *options):
        return self.run("up", *options, folder, timeout=120)

    def apply(self, manifests, wait=True):
        """Applies YAML text, or a file or folder when it is a path."""
        self._change("apply", manifests, wait)

    def delete(self, manifests, wait=True):
        self._change("delete", manifests, wait)

    def _change(self, verb, manifests, wait):
        options = [] if wait else ["--no-wait"]
        if isinstance(manifests, pathlib.Path):
            self.run(verb, *options, "-f", manifests)
        else:
            self.run(verb, *options, "-f", "-", text=manifests)

    def status(self):
        return json.loads(self.run("status", "-o", "json"))

    def _find(self, kind, **wanted):
        for item in self.status()[kind]:
            if all(item[key] == value for key, value in wanted.items()):
                return item
        raise KeyError("%s %s" % (kind, wanted))

    def node(self, name):
        return self._find("nodes", name=name)

    def pod(self, name, namespace="default"):
        return self._find("pods", name=name, namespace=namespace)

    def service(self, name, namespace="default"):
        return self._find("services", name=name, namespace=namespace)

    def exec(self, pod, *command, namespace="default", text=None, check=True, timeout=60):
        return self.run("exec", "-n", namespace, pod, "--", *command, text=text, check=check,
                        timeout=timeout)

    def popen(self, pod, *command, namespace="default", **options):
        """A process in a pod that the caller talks to and ends."""
        return subprocess.Popen(self.command("exec", "-n", namespace, pod, "--", *command),
                                text=True, **options)

    def on_node(self, node, *command, check=True, timeout=60):
        return self.run("node", node, "--", *command, check=check, timeout=timeout)

    def agent(self, node, verb):
        return self.run("agent", node, verb)

    def weft(self, node, *arguments):
        """The `weft` command on a node, as a finished process: returncode, stdout, stderr."""
        return subprocess.run(self.command("node", node, "--", WEFT, *arguments), capture_output=True,
                              text=True, check=False, timeout=60)

    def get(self, node, path):
        """Body of a page of the node's agent."""
        return self.on_node(node, "curl", "-sS", "--max-time", "10", AGENT_URL + path)

# SPDX-License-Identifier: Apache-2.0
"""Callers: long-lived processes (verdict_client.py) in the places that calls come from."""
import contextlib
import json
import subprocess

from mesh import HERE, PYTHON

CLIENT = "verdict_client.py"


class Caller:
    """One process in one place; requests and answers may be interleaved with other callers'."""

    def __init__(self, command, program, *arguments):
        self.process = subprocess.Popen([*command, PYTHON, program, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        assert line, "a caller died: %s" % " ".join(self.process.args[:8])
        return json.loads(line)

    def call(self, **request):
        self.ask(**request)
        return self.answer()

    def close(self):
        with contextlib.suppress(BrokenPipeError):  # it died, and what it was asked is not sent yet
            self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Callers:
    """All callers of a mesh, by place; started when first needed, ended together."""

    def __init__(self, mesh):
        self.mesh = mesh
        status = mesh.status()
        self.pods = {pod["name"]: pod for pod in status["pods"]}
        self.nodes = {node["name"]: node for node in status["nodes"]}
        self.outside = status["outside"]
        self._callers = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for caller in self._callers.values():
            caller.close()

    def _command(self, place, hooked):
        if place == "outside":
            return ["nsenter", "--net=" + self.outside["netns"]]
        if place in self.nodes:
            return self.mesh.command("node", place, "--")
        pod = self.pods[place]
        if hooked:
            return self.mesh.command("exec", "-n", pod["namespace"], place, "--")
        return ["nsenter", "--net=" + pod["netns"]]

    def get(self, place, hooked=True, program=CLIENT):
        """The caller in a pod, on a node or `outside`. hooked=False: in the pod's network
        namespace but not in its cgroup, so that only the hooks on its interface see it.
        `program` answers a line of JSON with a line of JSON."""
        key = (place, hooked, program)
        if key not in self._callers:
            self._callers[key] = Caller(self._command(place, hooked), str(HERE / program))
        return self._callers[key]

    def has_own_netns(self, place):
        """Is it a pod, and not one with hostNetwork?"""
        return place in self.pods and self.pods[place]["netns"] not in {
            node["netns"] for node in self.nodes.values()}

    def address(self, pod, six):
        return self.pods[pod]["addresses"][1 if six else 0]

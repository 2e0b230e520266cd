# SPDX-License-Identifier: Apache-2.0
"""A playground per test module, always torn down."""
import json
import os
import subprocess
import sys
import time

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
TOOLS = os.path.realpath(HERE + "/../../tools")
PROGRAM = TOOLS + "/playground/weft-playground"
sys.path.insert(0, TOOLS)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root (remedy: sudo)")

# Greets every connection with its name, on both families.
SERVER = """
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, peer = s.accept()
    c.sendall((sys.argv[2] + " " + peer[0]).encode())
    c.close()
"""
CLIENT = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)
print(s.recv(100).decode())
"""


def pod(name, command, namespace=None, labels=None, node=None, **more):
    container = {"name": "main", "command": command}
    for field in ("readinessProbe", "ports", "env", "args", "workingDir"):
        if field in more:
            container[field] = more.pop(field)
    metadata = {"name": name, "labels": labels or {}}
    if namespace:
        metadata["namespace"] = namespace
    spec = {"containers": [container], **more}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def server(name, port=7000, **more):
    return pod(name, ["/usr/bin/python3", "-c", SERVER, str(port), name], **more)


def sleeper(name, **more):
    return pod(name, ["sleep", "infinity"], **more)


def node(name):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def service(name, selector, ports, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": selector, "ports": ports, **spec}}


class Playground:
    """Drives the program as a user does."""

    def __init__(self, name, directory):
        self.name = name
        self.directory = directory
        self.env = {**os.environ, "WEFTD": HERE + "/fake_agent.py"}

    def run(self, *arguments, check=True, stdin=None, timeout=60):
        result = subprocess.run([PROGRAM, "--name", self.name, *arguments], input=stdin,
                                capture_output=True, text=True, timeout=timeout, env=self.env)
        if check and result.returncode != 0:
            raise AssertionError(f"{arguments}: exit {result.returncode}: {result.stderr}")
        return result

    def up(self, objects, *options, check=True):
        (self.directory / "all.json").write_text(
            json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}))
        return self.run("up", *options, str(self.directory), check=check)

    def apply(self, *objects, options=(), check=True):
        return self.run("apply", "-f", "-", *options, check=check, stdin=json.dumps(
            {"kind": "List", "items": list(objects)}))

    def delete(self, *objects, options=(), check=True):
        return self.run("delete", "-f", "-", *options, check=check, stdin=json.dumps(
            {"kind": "List", "items": list(objects)}))

    def status(self):
        return json.loads(self.run("status", "-o", "json").stdout)

    def pod(self, name):
        return next((one for one in self.status()["pods"] if one["name"] == name), None)

    def manifests(self, prefix=""):
        import yaml
        folder = self.status()["nodes"][0]["manifests"]
        result = {}
        for name in sorted(os.listdir(folder)):
            if name.startswith(prefix) and not name.startswith("."):
                with open(f"{folder}/{name}", encoding="utf-8") as file:
                    result[name] = yaml.safe_load(file)
        return result

    def endpoints(self, service_name):
        """{address: conditions} over all slices of a service."""
        result = {}
        for document in self.manifests("endpointslice").values():
            if document["metadata"]["labels"]["kubernetes.io/service-name"] == service_name:
                for one in document["endpoints"]:
                    result[one["addresses"][0]] = one["conditions"]
        return result

    def ask(self, client, address, port=7000):
        return self.run("exec", client, "--", "/usr/bin/python3", "-c", CLIENT, address,
                        str(port)).stdout.strip()

    def leftovers(self):
        """Everything that a removed playground must not leave."""
        found = [path for path in (f"/run/weft-playground/{self.name}",) if os.path.exists(path)]
        if os.path.isdir("/run/netns"):
            found += [name for name in os.listdir("/run/netns")
                      if name.startswith(f"wpg-{self.name}_")]
        with open("/proc/mounts", encoding="utf-8") as mounts:
            lines = mounts.read().splitlines()
        found += [line for line in lines if f"/weft-playground/{self.name}/" in line
                  or f"/wpg-{self.name}_" in line]
        cgroup = next(line.split()[1] for line in lines if line.split()[2] == "cgroup2")
        path = f"{cgroup}/weft-playground/{self.name}"
        return found + ([path] if os.path.exists(path) else [])


def eventually(condition, seconds=5.0):
    """The first true value of condition(); polls."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            assert value, "did not come true"
            return value
        time.sleep(0.02)


@pytest.fixture(scope="module")
def make_playground(request, tmp_path_factory):
    """A function that gives Playground objects with names of this module alone."""
    made = []

    def make(suffix=""):
        module = request.module.__name__.rpartition("_")[2]
        one = Playground(f"t-{module}{suffix}-{os.getpid()}", tmp_path_factory.mktemp("manifests"))
        made.append(one)
        return one
    yield make
    for one in made:
        one.run("down", check=False)
        assert one.leftovers() == []

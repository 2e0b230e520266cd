# SPDX-License-Identifier: Apache-2.0
"""What the robustness tests share: objects, steady traffic, agents run by hand, clean logs."""
import asyncio
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from mesh import HERE, PYTHON, Mesh
from api import BUILD  # mesh says where it is

sys.path.insert(0, str(HERE.parent.parent / "tools"))
from playground import httpclient  # noqa: E402  pylint: disable=wrong-import-position

LOAD = HERE / "load.py"
WEFTD = os.environ.get("WEFTD", str(BUILD / "weftd"))
# What a caller that is refused may see (SEMANTICS): from its own node's hooks, or by RST.
REFUSALS = {"EACCES", "ECONNREFUSED"}
CUTS = {"ECONNRESET", "ECONNABORTED"}


def text(*documents):
    """Objects as the text of a manifest: JSON is YAML."""
    return "".join("---\n" + json.dumps(document) + "\n" for document in documents)


def thing(api, kind, name, namespace="default", **more):
    metadata = {"name": name, **more.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def node(name):
    return thing("v1", "Node", name, None)


def namespace(name="default", mode="enforce"):
    return thing("v1", "Namespace", name, None, metadata={"labels": {"weft.dev/mesh": mode}})


def pod(name, where, account=None, command=None, space="default", **labels):
    """`command`: a JSON text as Mesh.server_command() gives it, or None to sleep."""
    command = json.loads(command) if command else ["sleep", "infinity"]
    return thing("v1", "Pod", name, space, metadata={"labels": labels}, spec={
        "nodeName": where, "serviceAccountName": account or name,
        "terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "command": command}]})


def service(name, selector, *ports, space="default"):
    return thing("v1", "Service", name, space, spec={"selector": selector, "ports": [
        {"name": "p%d%s" % (port, kind), "port": port, "protocol": kind.upper()}
        for kind, port in ports]})


def route(name, *ports, kind="TCPRoute", space="default"):
    return thing("specs.smi-spec.io/v1alpha4", kind, name, space,
                 spec={"matches": {"ports": list(ports)}})


def account(name, space="default"):
    return {"kind": "ServiceAccount", "name": name, "namespace": space}


def target(name, destination, sources, rules, space="default"):
    """`sources`: names of ServiceAccounts; `rules`: (kind, name) pairs."""
    return thing("access.smi-spec.io/v1alpha3", "TrafficTarget", name, space, spec={
        "destination": account(destination, space),
        "sources": [account(source, space) for source in sources],
        "rules": [{"kind": kind, "name": rule} for kind, rule in rules]})


class Load:
    """A load.py that runs in a pod; as a context manager it is always ended."""

    def __init__(self, mesh, where, mode, targets, **options):
        options["targets"] = targets
        self.what = "%s of %s" % (mode, where)
        self.result = None
        self.process = mesh.popen(where, PYTHON, str(LOAD), mode, json.dumps(options),
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        line = self.process.stdout.readline()
        assert line == "running\n", "%s did not begin: %r" % (self.what, line)
        return self

    def __exit__(self, *_):
        if self.result is None:
            self.process.kill()
            self.process.communicate()

    def stop(self):
        out, _ = self.process.communicate(timeout=30)
        self.result = json.loads(out)
        return self.result


class Asker(Load):
    """A pod that calls when told to, without the cost of a process per call."""

    def __init__(self, mesh, where, **options):
        super().__init__(mesh, where, "ask", [], **options)

    def ask(self, targets):
        """What a call to each of them experiences: "ok" or an errno name."""
        self.process.stdin.write(json.dumps(targets) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def traffic(*loads):
    """All of them at once; they begin before this returns."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(load) for load in loads]


def assert_all_ok(result):
    assert result["ok"] and result["ok"] == result["tried"], result


def assert_all_refused(result):
    assert result["tried"] and not result["ok"], result
    assert set(result["failures"]) <= REFUSALS, result


def assert_held(results):
    for result in results:
        assert result["broken"] is None and result["exchanges"], result


def received_from(mesh, server, addresses):
    """The server's records of anything that came from these addresses."""
    return [record for record in mesh.received(server) if record["peer"] in addresses]


class Cluster:
    """Addresses and agents of a Mesh, without asking the playground each time."""

    def __init__(self, mesh):
        status = mesh.status()
        self.mesh = mesh
        self.nodes = {one["name"]: one for one in status["nodes"]}
        self.pods = {one["name"]: one for one in status["pods"]}
        self.services = {one["name"]: one["clusterIPs"] for one in status["services"]}
        self.manifests = pathlib.Path(status["nodes"][0]["manifests"])

    def of(self, name, port, kind="tcp"):
        """Targets for Load: a pod's, or else a service's, addresses of both families."""
        found = self.pods[name]["addresses"] if name in self.pods else self.services[name]
        return [[kind, address, port] for address in found]

    def addresses(self, *names):
        return {address for name in names for address in self.pods[name]["addresses"]}

    def log(self, name):
        return pathlib.Path(self.nodes[name]["agentLog"]).read_text(encoding="utf-8",
                                                                    errors="replace")

    def get(self, name, path, port=9464):
        """Body of a page of a node's agent, as text, without the cost of a process."""
        code, body = asyncio.run(asyncio.wait_for(
            httpclient.get(self.nodes[name]["netns"], "127.0.0.1", port, path), 10))
        assert code == 200, (code, body)
        return body.decode("utf-8")

    def status(self, name):
        return json.loads(self.get(name, "/v1/status"))

    def findings(self, name):
        return json.loads(self.get(name, "/v1/findings"))["items"]

    def pid(self, name):
        return self.mesh.node(name)["agentPid"]

    def write(self, name, content):
        """A file of the manifest folder, put in place whole."""
        temporary = self.manifests / ("." + name + ".tmp")
        if isinstance(content, str):
            content = content.encode()
        temporary.write_bytes(content)
        temporary.rename(self.manifests / name)

    def remove(self, name):
        (self.manifests / name).unlink(missing_ok=True)

    def assert_sane(self):
        """No sanitizer found anything in any agent so far, and none of them aborted."""
        for name in self.nodes:
            log = self.log(name)
            for word in ("AddressSanitizer", "LeakSanitizer", "runtime error", "Assertion"):
                assert word not in log, log[max(0, log.index(word) - 500):][:4000]

    def assert_verified(self):
        for name in self.nodes:
            done = self.mesh.weft(name, "verify")
            assert done.returncode == 0, (name, done.stdout, done.stderr)


def weftd(mesh, where, *arguments, wrap=(), **options):
    """A weftd on a node that the playground knows nothing of: its environment says node, folder,
    cgroup and bpffs, `arguments` what differs."""
    return subprocess.Popen(mesh.command("node", where, "--", *wrap, WEFTD, *arguments),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **options)


def run_weftd(mesh, where, *arguments, wrap=(), timeout=15):
    """(exit code, output) of a weftd that is expected to end by itself."""
    process = weftd(mesh, where, *arguments, wrap=wrap)
    try:
        out, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        raise AssertionError("weftd %s did not end:\n%s" % (" ".join(arguments), out)) from None
    return process.returncode, out


def read_until(process, word, timeout=15):
    """The lines that weftd() said, up to and with the first that has the word."""
    lines = []
    patience = threading.Timer(timeout, process.kill)
    patience.start()
    try:
        for line in iter(process.stdout.readline, ""):
            lines.append(line)
            if word in line:
                return lines
    finally:
        patience.cancel()
    raise AssertionError("weftd ended, or %.0f s passed, without %r: %s"
                         % (timeout, word, "".join(lines)))


@contextlib.contextmanager
def cluster_of(*documents, arguments=(), topology="bridge"):
    """A Cluster of these objects; documents may be functions of the Mesh."""
    with Mesh(topology, arguments) as mesh:
        mesh.up(text(*[one(mesh) if callable(one) else one for one in documents]))
        yield Cluster(mesh)


def elapsed(begin):
    return time.monotonic() - begin


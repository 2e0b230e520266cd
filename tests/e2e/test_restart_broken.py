# SPDX-License-Identifier: Apache-2.0
"""A manifest is broken while the agent is down: the policy in the kernel stays, and says why."""
import pathlib
import subprocess

import pytest

from mesh import Mesh, wait_until

CLUSTER = """
apiVersion: v1
kind: Node
metadata: {name: node-a}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {weft.dev/mesh: enforce}}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: shop}
spec:
  nodeName: node-a
  serviceAccountName: server
  containers: [{name: main, command: %s}]
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec:
  nodeName: node-a
  serviceAccountName: client
  containers: [{name: main, command: [sleep, infinity]}]
"""


@pytest.fixture(name="mesh")
def fixture_mesh():
    with Mesh() as mesh:
        mesh.up(CLUSTER % mesh.server_command("server", "tcp:80"))
        yield mesh


def refused(mesh, address):
    result = mesh.probe("client", [{"proto": "tcp", "address": address, "port": 80}],
                        namespace="shop")[0]
    return not result["ok"] and result["errno"] in ("EACCES", "ECONNREFUSED")


def test_broken_namespace_over_a_restart(mesh):
    addresses = mesh.pod("server", "shop")["addresses"]
    assert all(refused(mesh, address) for address in addresses)
    manifests = pathlib.Path(mesh.node("node-a")["manifests"])
    namespace = next(f for f in manifests.iterdir() if "shop" in f.read_text() and "kind: Namespace" in f.read_text())
    good = namespace.read_text(encoding="utf-8")
    mesh.agent("node-a", "kill")
    namespace.write_text("kind: [Namespace\n  metadata: {", encoding="utf-8")
    with subprocess.Popen(mesh.command("agent", "node-a", "start"), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as starting:
        try:
            reason = wait_until(lambda: mesh.on_node(
                "node-a", "curl", "-sS", "http://127.0.0.1:9464/readyz", check=False), what="an agent")
            wait_until(lambda: namespace.name in mesh.get("node-a", "/readyz"), what="the reason " + mesh.get("node-a", "/readyz"))
            assert "ok" != reason.strip()
            assert namespace.name in mesh.get("node-a", "/v1/findings")
            assert all(refused(mesh, address) for address in addresses)
            namespace.write_text(good, encoding="utf-8")
            wait_until(lambda: mesh.get("node-a", "/readyz") == "ok\n", what="readiness")
        finally:
            starting.wait(timeout=15)
    assert all(refused(mesh, address) for address in addresses)
    assert not mesh.received("server")
    assert mesh.weft("node-a", "verify").returncode == 0

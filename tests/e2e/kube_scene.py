# SPDX-License-Identifier: Apache-2.0
"""A node whose agent gets its objects from an API server (kube_api.py)."""
import contextlib
import copy
import json
import subprocess
import sys
import threading

import yaml

from callers import Caller
from mesh import HERE, wait_until
from robust import WEFTD, Asker, cluster_of, namespace, node, pod, route, target

sys.path.insert(0, str(HERE.parent / "kube"))
import pki  # noqa: E402  pylint: disable=wrong-import-position

KUBE_API = HERE / "kube_api.py"
ALLOWED, REFUSED = ["ok", "ok"], ["EACCES", "EACCES"]
TARGETS = "traffictargets"


def make_certificates(folder, authority="ca"):
    pki.make_authority(folder, authority)
    pki.make_server(folder, "server", authority, ("IP:127.0.0.1", "DNS:kube.test"))


def kubeconfig(folder, port, name="kubeconfig", **changes):
    """Writes one and returns its path; `changes`: what the cluster and the user have besides."""
    cluster = {"server": "https://127.0.0.1:%d" % port, "certificate-authority": "ca.crt",
               **changes.get("cluster", {})}
    document = {"apiVersion": "v1", "kind": "Config", "current-context": "test",
                "clusters": [{"name": "kube", "cluster": cluster}],
                "users": [{"name": "weft", "user": changes.get("user", {"tokenFile": "token"})}],
                "contexts": [{"name": "test", "context": {"cluster": "kube", "user": "weft"}}]}
    path = folder / name
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


class Api(Caller):
    """The API server, in the node's network namespace."""

    def __init__(self, cluster, folder, port=0):
        self.lock = threading.Lock()  # a question and its answer belong together
        super().__init__(cluster.mesh.command("node", "a", "--"), str(KUBE_API), str(folder), str(port))
        self.port = self.answer()["port"]

    def do(self, what, **request):
        with self.lock:
            return self.call(do=what, **request)

    def kill(self):
        self.process.kill()
        self.close()


class Scene:
    """A node whose agent gets its objects from the API server."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        (folder / "token").write_text("secret\n", encoding="utf-8")
        make_certificates(folder)
        self.documents = [document for path in cluster.manifests.glob("*.yaml")
                          for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]
        self.api = Api(cluster, folder)
        self.fill()
        self.log = folder / "weftd.log"
        self.agent = None

    def fill(self):
        self.api.do("put", objects=self.documents)

    def document(self, kind, name):
        return copy.deepcopy(next(one for one in self.documents
                                  if (one["kind"], one["metadata"]["name"]) == (kind, name)))

    def start(self, *arguments):
        with self.log.open("a") as log:
            self.agent = subprocess.Popen(self.cluster.mesh.command(
                "node", "a", "--", WEFTD, "--source", "kube", "--kubeconfig",
                kubeconfig(self.folder, self.api.port), *arguments), stdout=log, stderr=log)

    def stop(self):
        self.agent.terminate()
        assert self.agent.wait(10) == 0

    def status(self):
        return json.loads(self.cluster.get("a", "/v1/status"))

    def resource(self, name=TARGETS):
        return self.status()["source"]["resources"].get(name)

    def await_ready(self, seconds=10):
        def ready():
            try:
                return self.status()["ready"]
            except (OSError, AssertionError):
                return False
        wait_until(ready, seconds, "readiness")

    def await_calls(self, outcome, seconds=2.0, asker="caller"):
        wait_until(lambda: self.askers[asker].ask(self.cluster.of("web", 80)) == outcome, seconds, outcome)


@contextlib.contextmanager
def running(folder):
    """A server, a caller that it lets in, and an intruder."""
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", command=mesh.server_command("web", "tcp:80")),
            pod("caller", "a"), pod("intruder", "a"), route("web", 80),
            target("web", "web", ["caller"], [("TCPRoute", "web")]),
    ) as cluster:
        cluster.mesh.run("wait")
        cluster.mesh.agent("a", "stop")
        made = Scene(cluster, folder)
        with Asker(cluster.mesh, "caller") as caller, Asker(cluster.mesh, "intruder") as intruder:
            made.askers = {"caller": caller, "intruder": intruder}
            made.start()
            try:
                made.await_ready()
                yield made
                made.stop()
            finally:
                made.agent.kill()
                made.agent.wait()
                made.api.kill()
        said = made.log.read_text(encoding="utf-8", errors="replace")
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error", "Assertion"):
            assert word not in said, said[max(0, said.index(word) - 500):][:4000]

# SPDX-License-Identifier: Apache-2.0
"""A cluster with weft on it: installing, and what its pods experience."""
import json
import os
import pathlib
import shlex
import subprocess
import sys

from cluster import HOST
from mesh import PYTHON, wait_until

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("WEFT_BUILD", TOP / "build"))
IMAGE = "localhost/weft:dev"
SPACE = "shop"


METRICS = ("-n", "weft-system", "deployment/weft-metrics")
API_SERVICE = "v1alpha1.metrics.smi-spec.io"


def thing(kind, name, api="v1", space=SPACE, **more):
    metadata = {"name": name, **({"namespace": space} if space else {}), **more.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def template(account, command, node=None):
    """A pod whose programs are the host's, and the tests'."""
    shared = {"usr": "/usr", "tests": str(HERE.parent)}
    return {"serviceAccountName": account, "terminationGracePeriodSeconds": 0, "enableServiceLinks": False,
            **({"nodeName": node} if node else {}),
            "containers": [{"name": "main", "image": HOST, "imagePullPolicy": "Never", "command": command,
                            "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True}
                                             for name, path in shared.items()]}],
            "volumes": [{"name": name, "hostPath": {"path": path}} for name, path in shared.items()]}


def pod(name, command=("sleep", "infinity"), node=None):
    return thing("Pod", name, spec=template(name, list(command), node))


def deployment(name, command, replicas=2, labels=None):
    labels = {"app": name, **(labels or {})}
    return thing("Deployment", name, "apps/v1", spec={
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": labels}, "spec": template(name, list(command))}})


def service(name, selector, *ports):
    return thing("Service", name, spec={
        "selector": selector, "ipFamilyPolicy": "RequireDualStack",
        "ports": [{"name": "p%d" % port, "port": port} for port in ports]})


class Installed:
    def __init__(self, cluster):
        self.cluster = cluster
        self.kubectl = cluster.kubectl
        self.get = cluster.get

    def overlay(self):
        """deploy/ as it is, but that each node has only a part of this machine's cgroups."""
        folder = self.cluster.folder / "overlay"
        folder.mkdir()
        base = os.path.relpath(TOP / "deploy", folder)
        (folder / "patch.json").write_text(json.dumps([{
            "op": "add", "path": "/spec/template/spec/containers/0/env/-",
            "value": {"name": "WEFT_CGROUP", "value": "%s/%s-$(WEFT_NODE)" % (
                self.cluster.unified(), self.cluster.name)}}]), encoding="utf-8")
        # In words that Debian's kubectl (1.20) understands.
        (folder / "kustomization.yaml").write_text(json.dumps({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "bases": [base],
            "patchesJson6902": [{"target": {"group": "apps", "version": "v1", "kind": "DaemonSet", "name": "weftd",
                                            "namespace": "weft-system"}, "path": "patch.json"}]}), encoding="utf-8")
        return str(folder)

    def install(self):
        """By the README's steps; for a registry stands the import."""
        archive = self.cluster.folder / "weft.tar"
        subprocess.run([sys.executable, str(TOP / "tools" / "image" / "build.py"), str(BUILD), IMAGE, str(archive)],
                       check=True, stdout=subprocess.DEVNULL)
        self.cluster.import_image(archive)
        self.kubectl("apply", "-k", self.overlay())
        self.kubectl("rollout", "status", "-n", "weft-system", "daemonset/weftd", "--timeout=60s")

    def install_metrics(self, *environment):
        """TrafficMetrics, too; `environment`: NAME=VALUE for its Deployment."""
        self.kubectl("apply", "-k", str(TOP / "deploy" / "metrics"))
        if environment:
            self.kubectl("set", "env", *METRICS, *environment)
        self.await_metrics()

    def await_metrics(self):
        self.kubectl("rollout", "status", *METRICS, "--timeout=60s")
        self.kubectl("wait", "--for=condition=Available", "apiservice/" + API_SERVICE, "--timeout=60s")
        # That was said of the pod before, perhaps, which had another certificate.
        wait_until(lambda: self.kubectl("get", "--raw", "/apis/metrics.smi-spec.io/v1alpha1/nodes", check=False), 60,
                   "an answer")

    def apply(self, *objects):
        self.kubectl("apply", "-f", "-", text="\n".join(map(json.dumps, objects)))

    def delete(self, *objects):
        self.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-",
                     text="\n".join(map(json.dumps, objects)))

    def await_pods(self, count, seconds=60, space=SPACE):
        def ready():
            items = self.get("pods", "-n", space)["items"]
            return len(items) == count and all(
                item["status"].get("containerStatuses", [{}])[0].get("ready") for item in items)
        wait_until(ready, seconds, "%d pods" % count)

    def addresses(self, **labels):
        """Of the pods with these labels."""
        items = self.get("pods", "-n", SPACE, "-l", ",".join("%s=%s" % one for one in labels.items()))["items"]
        return [one["ip"] for item in items for one in item["status"]["podIPs"]]

    def cluster_ips(self, name, space=SPACE):
        return self.get("service", "-n", space, name)["spec"]["clusterIPs"]

    def place(self, where, space=SPACE):
        """A pod's node and its folder of cgroups; a static pod has the uid that its mirror names."""
        item = self.get("pod", "-n", space, where)
        uid = item["metadata"].get("annotations", {}).get("kubernetes.io/config.mirror", item["metadata"]["uid"])
        node = next(one for one in self.cluster.nodes if one.name == item["spec"]["nodeName"])
        return node, pathlib.Path(self.cluster.unified() + node.cgroup, "kubepods", "besteffort", "pod" + uid)

    def processes(self, where, space=SPACE):
        """(folder, pid, is it the pause container's) of each container."""
        for container in filter(pathlib.Path.is_dir, self.place(where, space)[1].iterdir()):
            for pid in (container / "cgroup.procs").read_text(encoding="ascii").split()[:1]:
                words = pathlib.Path("/proc", pid, "cmdline").read_bytes()
                yield container, int(pid), words.startswith(b"/pause")

    def inside(self, where, space=SPACE):
        """How to run a command as one of the pod's, without asking the API server or the kubelet."""
        for container, pid, pauses in self.processes(where, space):
            if not pauses:
                return ["sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec "$@"', str(container), "nsenter",
                        "--target", str(pid), "--net", "--mount", "--"]
        raise RuntimeError("pod %s has no process" % where)

    def popen(self, where, *command, space=SPACE, **options):
        """A command in a pod, with pipes; what Load and Asker of the e2e tests call."""
        return subprocess.Popen([*self.inside(where, space), *command], text=True, **options)

    def exec(self, where, *command, space=SPACE):
        return self.kubectl("exec", "-n", space, where, "--", *command, check=False)

    def fetch(self, where, url, *options, space=SPACE):
        """Status of the answer; "000" if there is none."""
        return self.exec(where, "curl", "-g", "-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", *options,
                         url, space=space)

    def fetch_all(self, where, urls, *options, space=SPACE):
        """The same of several, by one command in the pod."""
        script = 'for url in "$@"; do curl -g -s -m 3 -o /dev/null -w "%%{http_code}\\n" %s "$url"; done' % (
            shlex.join(options))
        return self.exec(where, "sh", "-c", script, "sh", *urls, space=space).split()

    def agents(self):
        """Pods of the DaemonSet, by node."""
        return {item["spec"]["nodeName"]: item["metadata"]["name"]
                for item in self.get("pods", "-n", "weft-system", "-l", "app.kubernetes.io/component=agent")["items"]
                if not item["metadata"].get("deletionTimestamp")}

    def weft(self, node, *arguments):
        return json.loads(self.kubectl("exec", "-n", "weft-system", self.agents()[node], "--", "weft", "-o", "json",
                                       *arguments))

    def log(self, node):
        return self.kubectl("logs", "-n", "weft-system", self.agents()[node])

    def assert_sane(self):
        for node in self.agents():
            said = self.log(node)
            assert '"level":"error"' not in said, said[-3000:]
            self.kubectl("exec", "-n", "weft-system", self.agents()[node], "--", "weft", "verify")

    def await_agents(self, seconds=60):
        self.kubectl("rollout", "status", "-n", "weft-system", "daemonset/weftd", "--timeout=%ds" % seconds)


def server(*listeners):
    return [PYTHON, str(HERE.parent / "e2e" / "server.py"), "/tmp/received", *listeners]

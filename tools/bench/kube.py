#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the agent with an API server behind it (tests/e2e/kube_api.py): time from a changed
object to the verdict, CPU time and memory in a large cluster, CPU time while pods come and go.

    kube.py [medium] [large]

Set by environment: KUBE_CHANGES, KUBE_CHURN_SECONDS. Fails when a limit is missed."""
import contextlib
import itertools
import json
import os
import pathlib
import sys
import tempfile
import time

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests" / "e2e"))
import kube_objects  # noqa: E402
from robust import Asker, cluster_of, namespace, node, pod, route, target  # noqa: E402
from kube_scene import Api, Scene  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
CHANGES = int(os.environ.get("KUBE_CHANGES", 200))
CHURN_SECONDS = int(os.environ.get("KUBE_CHURN_SECONDS", 20))
CHURN_RATE = 50
AFTER_RESTART = 1000000
SIZES = {"medium": (1000, 200, 5000), "large": (10000, 2000, 50000)}  # pods, services, endpoints
LIMITS = {("medium", "changes"): {"p99_ms": 100},
          ("large", "start"): {"cpu_s": 5, "peak_mb": 150}, ("large", "churn"): {"core_share": 0.05, "rss_mb": 150}}


def say(text):
    print("kube: " + text, flush=True)


def cpu_s(pid):
    words = pathlib.Path("/proc/%d/stat" % pid).read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS


def memory_mb(pid, name="VmRSS"):
    for line in pathlib.Path("/proc/%d/status" % pid).read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise ValueError(name)


def weftd_pid(agent):
    """The child of the command that put it onto its node."""
    with contextlib.suppress(OSError):
        if os.path.basename(os.readlink("/proc/%d/exe" % agent.pid)).startswith("weftd"):
            return agent.pid
    children = pathlib.Path("/proc/%d/task/%d/children" % (agent.pid, agent.pid)).read_text(encoding="ascii").split()
    return int(children[0])


def fill(scene, documents):
    scene.fill()
    scene.api.do("set", bookmarks=60.0)
    documents = iter(documents)
    while batch := list(itertools.islice(documents, 200)):
        scene.api.do("put", objects=batch)


@contextlib.contextmanager
def running(documents, folder):
    """A Scene whose API server has these objects, and others beside."""
    with cluster_of(
            node("a"), namespace(),
            lambda mesh: pod("web", "a", command=mesh.server_command("web", "tcp:80")),
            pod("caller", "a"), route("web", 80),
            target("web", "web", ["caller"], [("TCPRoute", "web")])) as cluster:
        cluster.mesh.run("wait")
        cluster.mesh.agent("a", "stop")
        scene = Scene(cluster, folder)
        fill(scene, documents)
        with Asker(cluster.mesh, "caller") as caller:
            scene.askers = {"caller": caller}
            try:
                yield scene
            finally:
                if scene.agent:
                    scene.stop()
                scene.api.kill()


def start(scene):
    begin = time.monotonic()
    scene.start()
    scene.await_ready(120)
    pid = weftd_pid(scene.agent)
    return {"seconds": round(time.monotonic() - begin, 2), "cpu_s": round(cpu_s(pid), 2),
            "rss_mb": round(memory_mb(pid), 1), "peak_mb": round(memory_mb(pid, "VmHWM"), 1)}


def await_outcome(scene, wanted, where):
    while scene.askers["caller"].ask(where) != wanted:
        pass


def change_times(scene):
    """Milliseconds from the object at the API server to the first call with the new outcome."""
    where = scene.cluster.of("web", 80)[:1]
    thing = scene.document("TrafficTarget", "web")
    times = []
    for number in range(CHANGES):
        begin = time.monotonic()
        if number % 2:
            scene.api.do("put", objects=[thing])
        else:
            scene.api.do("remove", plural="traffictargets", namespace="default", name="web")
        await_outcome(scene, ["ok"] if number % 2 else ["EACCES"], where)
        times.append((time.monotonic() - begin) * 1000)
        time.sleep(0.02 + number % 7 * 0.01)
    times.sort()
    return {name: round(times[min(len(times) - 1, int(share * len(times)))], 1)
            for name, share in (("p50_ms", .5), ("p90_ms", .9), ("p99_ms", .99), ("max_ms", 1))}


def restarted(scene, documents):
    """The API server dies and comes back at the same address."""
    port = scene.api.port
    scene.api.kill()
    time.sleep(1)
    scene.api = Api(scene.cluster, scene.folder, port)
    scene.api.do("set", version=AFTER_RESTART, oldest=AFTER_RESTART)  # versions go on counting
    fill(scene, documents)
    begin = time.monotonic()
    while not all(one["watching"] and "problem" not in one for one in scene.status()["source"]["resources"].values()):
        if time.monotonic() - begin > 60:
            raise TimeoutError("weftd does not come back to the API server")
        time.sleep(0.1)
    return change_times(scene)


def churn(scene, pods):
    """Pods that get another address at a steady rate."""
    pid = weftd_pid(scene.agent)
    before, begin = cpu_s(pid), time.monotonic()
    for number in range(CHURN_SECONDS * CHURN_RATE):
        one = number % pods
        document = kube_objects.pod(one, kube_objects.NAMESPACES)
        ips = kube_objects.addresses(one + number % 2 * pods)
        document["status"].update(podIP=ips[0], podIPs=[{"ip": ip} for ip in ips])
        scene.api.do("put", objects=[document])
        wait = begin + (number + 1) / CHURN_RATE - time.monotonic()
        if wait > 0:
            time.sleep(wait)
    took = time.monotonic() - begin
    return {"changes_per_s": round(CHURN_SECONDS * CHURN_RATE / took, 1),
            "core_share": round((cpu_s(pid) - before) / took, 4), "rss_mb": round(memory_mb(pid), 1)}


def measure(size):
    """(what, figures) as they come."""
    with tempfile.TemporaryDirectory() as folder, \
            running(kube_objects.cluster(*size), pathlib.Path(folder)) as scene:
        yield "start", start(scene)
        yield "changes", change_times(scene)
        yield "changes after the API server's restart", restarted(scene, kube_objects.cluster(*size))
        yield "churn", churn(scene, size[0])


def main():
    missed = []
    for name, size in SIZES.items():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        say("%s: %d pods, %d services, %d endpoints" % (name, *size))
        for what, figures in measure(size):
            say("%s, %s: %s" % (name, what, ", ".join("%s %s" % one for one in figures.items())))
            missed += ["%s, %s: %s is %s, the limit is %s" % (name, what, key, figures[key], limit)
                       for key, limit in LIMITS.get((name, what.split()[0]), {}).items()
                       if figures[key] > limit]
    for line in missed:
        say("missed: " + line)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()

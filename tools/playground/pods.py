# SPDX-License-Identifier: Apache-2.0
"""Pods: a network namespace, a cgroup, a pause process, and containers kept running."""
import asyncio
import copy
import hashlib
import json
import os
import re
import signal
import sys
import time

from . import cgroups, environment, kernel, objects, probes, spawn
from .errors import PlaygroundError

FIRST_BACKOFF = 0.2
LAST_BACKOFF = 5.0
STEADY_SECONDS = 10.0
DEFAULT_GRACE = 30.0


def validate(document, where):
    """Refuse a Pod that the playground could not run."""
    spec = document.get("spec")
    if not isinstance(spec, dict):
        raise PlaygroundError(f"{where}: spec is missing")
    if spec.get("initContainers"):
        raise PlaygroundError(f"{where}: initContainers are not supported by the playground")
    if spec.get("restartPolicy", "Always") not in ("Always", "OnFailure", "Never"):
        raise PlaygroundError(f"{where}: bad restartPolicy {spec['restartPolicy']!r}")
    try:
        float(spec.get("terminationGracePeriodSeconds") or 0)
    except (TypeError, ValueError):
        raise PlaygroundError(f"{where}: bad terminationGracePeriodSeconds") from None
    uid = objects.mapping(document, "metadata").get("uid")
    if uid is not None and not re.match(r"[A-Za-z0-9._-]{1,64}\Z", str(uid)):
        raise PlaygroundError(f"{where}: bad metadata.uid {uid!r}")
    containers = objects.sequence(spec, "containers")
    if not containers:
        raise PlaygroundError(f"{where}: no containers")
    names = set()
    for container in containers:
        name = objects.text(objects.mapping(container).get("name"))
        if not name or "/" in name or name in names:
            raise PlaygroundError(f"{where}: container without a name of its own: {name!r}")
        names.add(name)
        if not objects.sequence(container, "command"):
            raise PlaygroundError(f"{where}: container '{name}' has no command (the playground "
                                  "ignores images and runs commands of this machine)")
        for field in ("command", "args"):
            if any(isinstance(word, (dict, list)) or word is None
                   for word in objects.sequence(container, field)):
                raise PlaygroundError(f"{where}: container '{name}': {field} must be a list of "
                                      "strings")
        if container.get("readinessProbe") is not None:
            try:
                probes.Probe(objects.mapping(container, "readinessProbe"), _ports(container))
            except PlaygroundError as error:
                raise PlaygroundError(f"{where}: container '{name}': {error}") from None


def _ports(container):
    return [port for port in objects.sequence(container, "ports") if isinstance(port, dict)]


class Container:
    """One container of a pod and the task that keeps it running."""

    def __init__(self, pod, spec):
        self.pod = pod
        self.spec = spec
        self.name = str(spec["name"])
        # `pause` and `exec` are the playground's own directories.
        self.cgroup = f"{pod.cgroup}/{self.name}" + ("_" if self.name in ("pause", "exec") else "")
        self.log = pod.paths.pod_log(pod.namespace, pod.name, self.name)
        self.probe = None
        if spec.get("readinessProbe") is not None:
            self.probe = probes.Probe(spec["readinessProbe"], _ports(spec))
        self.env = {}
        self.child = None
        self.restarts = 0
        self.ready = False
        self.finished = None
        self._keeper = None
        self._prober = None

    def start(self):
        """First start; what cannot even be executed is the user's mistake and raised."""
        self._launch()
        self._keeper = asyncio.ensure_future(self._keep())

    def _launch(self):
        argv = environment.expand_arguments(
            objects.sequence(self.spec, "command") + objects.sequence(self.spec, "args"), self.env)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self.child = spawn.start(
                argv, env=self.env, cwd=self.pod.working_directory(self.spec), cgroup=self.cgroup,
                netns=self.pod.netns, uts_of=self.pod.pause.pid, stdout=log)
        finally:
            os.close(log)
        if self.probe:
            self._prober = asyncio.ensure_future(self.probe.watch(
                self.pod.node.netns, self.pod.addresses[0], self._set_ready))
        else:
            self._set_ready(True)

    def _set_ready(self, ready):
        if ready != self.ready:
            self.ready = ready
            self.pod.changed()

    def _stopped(self):
        if self._prober:
            self._prober.cancel()
            self._prober = None
        # The runtime ends a container with its first process; nothing may linger.
        cgroups.kill(self.cgroup)
        self._set_ready(False)

    async def _keep(self):
        policy = self.pod.spec.get("restartPolicy", "Always")
        backoff = FIRST_BACKOFF
        while True:
            begin = time.monotonic()
            status = await self.child.wait()
            self._stopped()
            if self.pod.terminating or policy == "Never" or (policy == "OnFailure" and status == 0):
                self.finished = status
                self.pod.changed()
                return
            if time.monotonic() - begin > STEADY_SECONDS:
                backoff = FIRST_BACKOFF
            started = False
            while not started:
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF)
                if self.pod.terminating:
                    self.finished = status
                    return
                self.restarts += 1
                try:
                    self._launch()
                    started = True
                except PlaygroundError as error:
                    print(f"pod {self.pod.namespace}/{self.pod.name}: {error}", file=sys.stderr)
            self.pod.changed()

    def terminate(self):
        if self.child and self.child.running:
            self.child.signal(signal.SIGTERM)

    def abandon(self):
        for task in (self._keeper, self._prober):
            if task:
                task.cancel()


class Pod:
    """A pod on its node. `on_change(pod)` is called whenever its status may have changed."""

    def __init__(self, paths, document, node, cwd, on_change):
        metadata = document["metadata"]
        self.paths = paths
        self.document = document
        self.node = node
        self.namespace, self.name = metadata["namespace"], metadata["name"]
        self.uid = str(metadata["uid"])
        self.hostname = str(self.spec.get("hostname") or self.name)[:63]
        self.host_network = self.spec.get("hostNetwork") is True
        self.interface = "veth" + hashlib.sha256(self.uid.encode()).hexdigest()[:10]
        self.netns = node.netns if self.host_network else \
            paths.pod_netns(self.namespace, self.name, self.uid)
        self.cgroup = f"{node.cgroup}/kubepods/besteffort/pod{self.uid}"
        self.addresses = []
        self.phase = "Pending"
        self.terminating = False
        self.deletion_timestamp = None
        self.pause = None
        # Set when creation is over, well or badly; only then may the pod be removed.
        self.settled = asyncio.Event()
        self._cwd = cwd
        self._on_change = on_change
        self._start_time = objects.now()
        self._transition = (None, None)
        self.containers = [Container(self, spec) for spec in self.spec["containers"]]

    @property
    def spec(self):
        return self.document["spec"]

    @property
    def serving(self):
        """Whether every container runs and passes its probe."""
        return self.phase == "Running" and all(one.ready for one in self.containers)

    @property
    def ready(self):
        return self.serving and not self.terminating

    @property
    def pid(self):
        """The first container's process, or the pause process while that is not running."""
        for container in self.containers[:1]:
            if container.child and container.child.running:
                return container.child.pid
        return self.pause.pid if self.pause and self.pause.running else None

    def working_directory(self, container):
        if objects.text(container.get("workingDir")):
            return str(container["workingDir"])
        return self._cwd if os.path.isdir(self._cwd) else "/"

    def grace(self):
        value = self.spec.get("terminationGracePeriodSeconds")
        return DEFAULT_GRACE if value is None else max(0.0, float(value))

    def prepare(self):
        """Create cgroups, the pause process and with it the namespaces; no network yet."""
        for cgroup in [self.cgroup + "/pause", self.cgroup + "/exec"] + \
                [one.cgroup for one in self.containers]:
            cgroups.create(cgroup)
        if self.host_network:
            self.addresses = list(self.node.addresses)
        else:
            self.addresses = [pool.take() for pool in self.node.pools]
        namespaces = kernel.CLONE_NEWUTS | (0 if self.host_network else kernel.CLONE_NEWNET)
        self.pause = spawn.start(
            ["sleep", "infinity"], cgroup=self.cgroup + "/pause", new_namespaces=namespaces,
            netns=self.netns if self.host_network else None, hostname=self.hostname)
        if not self.host_network:
            kernel.pin_netns(f"/proc/{self.pause.pid}/ns/net", self.netns)

    def set_plumbed(self):
        self.phase = "Running"

    def start(self, services):
        """Start the containers. Environment and the file for `exec` come first."""
        for container in self.containers:
            container.env = environment.of_container(self, container.spec, services)
        self._write_exec_file()
        for container in self.containers:
            try:
                container.start()
            except PlaygroundError as error:
                raise PlaygroundError(f"Pod {self.namespace}/{self.name}: container "
                                      f"'{container.name}': {error}") from None

    def _write_exec_file(self):
        path = self.paths.pod_file(self.namespace, self.name)
        first = self.containers[0]
        content = {"netns": self.netns, "uts": f"/proc/{self.pause.pid}/ns/uts",
                   "cgroup": self.cgroup + "/exec", "env": first.env,
                   "logs": {one.name: one.log for one in self.containers}}
        kernel.write_file(path + ".tmp", json.dumps(content))
        os.rename(path + ".tmp", path)

    def changed(self):
        statuses = [one.finished for one in self.containers]
        if not self.terminating and all(status is not None for status in statuses):
            self.phase = "Failed" if any(statuses) else "Succeeded"
        self._on_change(self)

    def mark_terminating(self, grace):
        self.terminating = True
        end = time.time() + grace
        self.deletion_timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
        self._on_change(self)

    async def stop(self, grace):
        """SIGTERM, the grace period, SIGKILL for all that is left; then no process exists."""
        if grace > 0:
            for container in self.containers:
                container.terminate()
            running = [one.child.exited for one in self.containers
                       if one.child and one.child.running]
            if running:
                await asyncio.wait(running, timeout=grace)
        for container in self.containers:
            container.abandon()
        cgroups.kill(self.cgroup)
        deadline = time.monotonic() + 10
        while cgroups.is_populated(self.cgroup):
            if time.monotonic() > deadline:
                raise PlaygroundError(f"processes of pod {self.namespace}/{self.name} survive "
                                      "SIGKILL for 10 s")
            await asyncio.sleep(0.002)
        cgroups.remove(self.cgroup)
        path = self.paths.pod_file(self.namespace, self.name)
        if os.path.exists(path):
            os.unlink(path)

    def release_addresses(self):
        if not self.host_network:
            for pool, address in zip(self.node.pools, self.addresses):
                pool.release(address)

    def published(self):
        """The Pod object as the agents see it."""
        document = copy.deepcopy(self.document)
        if self.terminating:
            document["metadata"]["deletionTimestamp"] = self.deletion_timestamp
        ready = "True" if self.ready else "False"
        if self._transition[0] != ready:
            self._transition = (ready, objects.now())
        status = {"phase": self.phase, "startTime": self._start_time,
                  "hostIP": self.node.addresses[0],
                  "conditions": [{"type": "Ready", "status": ready,
                                  "lastTransitionTime": self._transition[1]}]}
        if self.addresses and self.phase != "Pending":
            status["podIP"] = self.addresses[0]
            status["podIPs"] = [{"ip": address} for address in self.addresses]
        document["status"] = status
        return document

# SPDX-License-Identifier: Apache-2.0
"""How long the agent takes: from exec to enforcing, and from a changed file to the maps."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import objects
from accounting import cgroup_us
from errors import BenchError
from place import NAMESPACE
from playground.kernel import in_netns

START_RUNS = 5
CHANGES = 100
START_TIMEOUT = 30.0
CHANGE_TIMEOUT = 5.0
POLL = 0.0005
# Each refused attempt is an event that the agent has to read; not too many of them.
ATTEMPT_PAUSE = 0.001
LISTEN = ("127.0.0.1", 9464)


def percentile(values, share):
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def _spread(starts):
    """Of (wall, CPU) milliseconds."""
    wall = [one for one, _ in starts]
    return {"median": round(percentile(wall, 50), 2), "min": round(min(wall), 2),
            "max": round(max(wall), 2), "runs": len(wall),
            "cpu_median": round(percentile([cpu for _, cpu in starts], 50), 2)}


class AgentUnderTest:
    """A weftd of one node, started here, so that no supervisor's polling is in the figures."""

    def __init__(self, place, node, folder):
        self.place = place
        self.node = place.node(node)
        self.folder = pathlib.Path(self.node["manifests"])
        self._argv = self._argv_of(self.node["agentPid"])
        self._log = pathlib.Path(folder, "agent.log")
        self._process = None

    @staticmethod
    def _argv_of(pid):
        """What the playground runs, so that exactly that is timed."""
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]

    def _connect(self):
        with in_netns(self.node["netns"]):
            sock = socket.socket(socket.AF_INET)
        try:
            sock.settimeout(CHANGE_TIMEOUT)
            sock.connect(LISTEN)
        except OSError:
            sock.close()
            raise
        connection = http.client.HTTPConnection(*LISTEN)
        connection.sock = sock
        return connection

    def _is_ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException), \
                contextlib.closing(self._connect()) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def _cpu_ms(self):
        """CPU time of this node's agents so far; what a busy machine cannot blur."""
        return cgroup_us(self.node["cgroup"] + "/host") / 1000

    def start(self):
        """Exec and wait; milliseconds from exec to 200 on /readyz, and CPU time in them."""
        cpu = self._cpu_ms()
        procs = os.open(self.node["cgroup"] + "/host/cgroup.procs", os.O_WRONLY)
        env = {name: value for name, value in os.environ.items() if not name.startswith("WEFT")}
        try:
            with in_netns(self.node["netns"]), open(self._log, "ab") as log:
                begin = time.monotonic()
                self._process = subprocess.Popen(
                    self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                    cwd="/", preexec_fn=lambda: os.write(procs, b"0"))
        finally:
            os.close(procs)
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() - begin > START_TIMEOUT:
                raise BenchError("weftd does not become ready: " +
                                 self._log.read_text(encoding="utf-8", errors="replace")[-800:])
            time.sleep(POLL)
        return (time.monotonic() - begin) * 1000, self._cpu_ms() - cpu

    def stop(self):
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise BenchError("weftd does not end on SIGTERM within 10 s") from None
            self._process = None

    def detach(self):
        done = self.place.weft(self.node["name"], "detach")
        if done.returncode:
            raise BenchError("weft detach: " + done.stderr.strip())

    def start_times(self):
        """{"fresh", "adopting"}: nothing pinned before, and everything."""
        fresh, adopting = [], []
        for _ in range(START_RUNS):
            self.detach()
            fresh.append(self.start())
            self.stop()
            adopting.append(self.start())
            self.stop()
        return {"fresh": _spread(fresh), "adopting": _spread(adopting)}

    def _status(self, connection):
        connection.request("GET", "/v1/status")
        body = connection.getresponse().read()
        return time.monotonic(), json.loads(body)

    def await_files(self):
        """Until the agent holds everything in the folder."""
        wanted = {path.name for path in self.folder.glob("[!.]*.yaml")}
        deadline = time.monotonic() + START_TIMEOUT
        with contextlib.closing(self._connect()) as connection:
            while True:
                _, status = self._status(connection)
                files = status["source"]["files"]
                if status["applied"] and wanted <= files.keys() and \
                        all(one["ok"] for one in files.values()):
                    return len(files)
                if time.monotonic() > deadline:
                    raise BenchError("weftd does not take in the generated objects")
                time.sleep(0.05)

    def change_times(self):
        """Each change is one rename() in the folder; it has arrived when /v1/status names the new
        file among those whose content is in the maps. That answer lists every file, so the time
        to make it is in the figure."""
        arrived, applied, polls = [], [], []
        with contextlib.closing(self._connect()) as connection:
            for _ in range(20):
                begin = time.monotonic()
                polls.append((self._status(connection)[0] - begin) * 1000)
            for number in range(CHANGES):
                milliseconds, status = self._change(connection, *objects.changed(number))
                arrived.append(milliseconds)
                applied.append(status["last_apply_us"] / 1000)
        return {"rename_to_status": self._percentiles(arrived),
                "last_apply": self._percentiles(applied), "changes": CHANGES,
                "status_alone": self._percentiles(polls)}

    def _replace(self, name, text):
        """One atomic change of a file: (when it was renamed, its version)."""
        temporary = self.folder / f".{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        stat = temporary.stat()
        begin = time.monotonic()
        temporary.rename(self.folder / name)
        return begin, (stat.st_ino, stat.st_mtime_ns, stat.st_size)

    def verdict_times(self):
        """From rename() to the first connection that is judged by it, in turn a permission given
        and one revoked. Nothing is asked of the agent meanwhile."""
        source, target = (self.place.pod(name, NAMESPACE) for name in ("intruder", "client"))
        with in_netns(target["netns"]):
            listener = socket.create_server(("", objects.VERDICT_PORT), backlog=512)
        times = []
        cpu = self._cpu_ms()
        with listener:
            listener.setblocking(False)
            for number in range(CHANGES):
                wanted = number % 2 == 0
                begin, _ = self._replace(*objects.verdict(wanted))
                while self._is_accepted(source["netns"], target["addresses"][0]) != wanted:
                    if time.monotonic() - begin > CHANGE_TIMEOUT:
                        raise BenchError("a changed TrafficTarget does not change the verdict")
                    time.sleep(ATTEMPT_PAUSE)
                times.append((time.monotonic() - begin) * 1000)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        listener.accept()[0].close()
        return {**self._percentiles(times),
                "cpu_mean": round((self._cpu_ms() - cpu) / CHANGES, 3)}

    @staticmethod
    def _is_accepted(netns, address):
        with in_netns(netns):
            sock = socket.socket(socket.AF_INET)
        with sock, contextlib.suppress(ConnectionError, PermissionError):
            sock.settimeout(1.0)
            sock.connect((address, objects.VERDICT_PORT))
            return True
        return False

    def _change(self, connection, name, text):
        begin, version = self._replace(name, text)
        while True:
            now, status = self._status(connection)
            seen = status["source"]["files"].get(name, {})
            if status["applied"] and \
                    (seen.get("inode"), seen.get("mtime_ns"), seen.get("size")) == version:
                return (now - begin) * 1000, status
            if now - begin > CHANGE_TIMEOUT:
                raise BenchError(f"the change of {name} is not in the maps after "
                                 f"{CHANGE_TIMEOUT:.0f} s: " +
                                 str(status.get("last_apply_error") or
                                     status.get("not_ready_reason")))
            time.sleep(POLL)

    @staticmethod
    def _percentiles(milliseconds):
        return {"p50": round(percentile(milliseconds, 50), 3),
                "p99": round(percentile(milliseconds, 99), 3), "max": round(max(milliseconds), 3)}

    def verify(self):
        """`weft verify` must find the maps equal to what the objects mean."""
        done = self.place.weft(self.node["name"], "verify")
        if done.returncode:
            raise BenchError("weft verify after the changes: " +
                             (done.stdout + done.stderr).strip()[:800])


def measure(site, say):
    """The report's "timings", in milliseconds. Ends the agents of the weft playground."""
    place = site.playground("weft")
    agent = AgentUnderTest(place, "node-a", site.folder)
    for node in place.status()["nodes"]:
        place.agent(node["name"], "stop")
    result = {"unit": "ms"}
    try:
        say("start-up of the agent")
        few = len(list(agent.folder.glob("[!.]*.yaml")))
        result["startup"] = {"objects": few, **agent.start_times()}
        for name, text in objects.initial():
            (agent.folder / name).write_text(text, encoding="utf-8")
        many = len(list(agent.folder.glob("[!.]*.yaml")))
        say(f"start-up of the agent with {many} objects")
        result["startup_loaded"] = {"objects": many, **agent.start_times()}
        say(f"{CHANGES} changes with {many} objects")
        agent.start()
        agent.await_files()
        result["change"] = {"objects": many, **agent.change_times(),
                            "rename_to_verdict": agent.verdict_times()}
        agent.verify()
    finally:
        agent.stop()
    return result

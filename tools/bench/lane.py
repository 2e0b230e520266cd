# SPDX-License-Identifier: Apache-2.0
"""A lane: one client that asks one server in one way; what a series is made of."""
import collections
import contextlib
import os
import subprocess

import rules
import works
from accounting import Meter
from errors import BenchError


class Answer(collections.namedtuple("Answer", "status server")):
    """What one request came to; status 0 = no answer."""

    def __str__(self):
        if not self.status:
            return "not at all"
        return f"{self.status} by {self.server or 'a server without a name'}"


def cores():
    """(client's, server's) core when each has one of its own."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def _pin(cgroup, core, but=None):
    """Every thread in the cgroup and below it, `but` aside, runs on that core."""
    for place, below, _ in os.walk(cgroup):
        below[:] = [name for name in below if name != but]
        with open(place + "/cgroup.threads", encoding="ascii") as file:
            for thread in map(int, file):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(thread, {core})


class Lane:
    """`client` and `server`: the pods. `addresses`: of the server and of the sink, each
    ADDRESS:PORT. `others`: cgroups of what works beside the server for it."""

    def __init__(self, client, server, addresses, others, agents, folder):
        self.client, self.server, self.addresses = client, server, addresses
        self._others = others
        self._folder = folder
        self._meter = Meter({"pods_us": [client["cgroup"], server["cgroup"], *others],
                             "agents_us": agents})
        self._placed = None

    def _place(self, work):
        """A lone connection is served by the client's core, or the scheduler's choice of the day
        would be measured; many have a core on each side, a proxy that of its pod."""
        own, other = cores()
        core = own if work.connections == 1 and work.kind == "http" else other
        if self._placed != core:
            _pin(self.client["cgroup"], own, but="exec")
            for cgroup in (self.server["cgroup"], *self._others):
                _pin(cgroup, core)
            self._placed = core
        return own

    def ask(self, method, path, with_header, pod=None):
        """The answer to one request of the client, or of another pod."""
        argv = ["nsenter", "--net=" + (pod or self.client)["netns"], "curl", "--silent",
                "--max-time", "5", "--request", method, "--output", "/dev/null",
                "--write-out", "%{http_code}\n%header{server}\n"]
        if with_header:
            argv += ["--header", ": ".join(rules.HEADER)]
        cgroup = os.open((pod or self.client)["cgroup"] + "/exec/cgroup.procs", os.O_WRONLY)
        try:
            done = subprocess.run([*argv, f"http://{self.addresses[0]}{path}"], text=True,
                                  capture_output=True, check=False,
                                  env={"PATH": os.environ["PATH"]},
                                  preexec_fn=lambda: os.write(cgroup, b"0"))
        finally:
            os.close(cgroup)
        status, server, *_ = done.stdout.split("\n")
        return Answer(int(status), server)

    def run(self, work, seconds, **request):
        """One slice: {"metrics", "done", "used"}. Nothing but the client's own processes is
        started in it, so that the machine's CPU time is the work's."""
        core = self._place(work)
        argv = ["nsenter", "--net=" + self.client["netns"], "taskset", "--cpu-list", str(core),
                *works.command(work, self.addresses, seconds, self._folder, **request)]
        procs = os.open(self.client["cgroup"] + "/exec/cgroup.procs", os.O_WRONLY)
        try:
            self._meter.start()
            with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True,
                                  env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                                  preexec_fn=lambda: os.write(procs, b"0")) as client:
                try:
                    output, _ = client.communicate(timeout=seconds + 20)
                except BaseException:
                    client.kill()
                    raise
            used = self._meter.stop()
        finally:
            os.close(procs)
        try:
            done = works.parse(work, output)
            expected = works.CURL_TIMED_OUT if work.kind == "upload" else 0
            if client.returncode != expected:
                raise BenchError(f"{' '.join(argv[4:])} ended with {client.returncode}: "
                                 f"{output.strip()[-500:]}")
        except BenchError as error:
            raise BenchError(f"{error} (a single request, sent now, is answered "
                             f"{self.ask('GET', rules.GET_PATH, True)})") from None
        return {"metrics": works.metrics(work, done, used), "done": done, "used": used}

# SPDX-License-Identifier: Apache-2.0
"""The works: what the client does during one slice, and what a slice yields."""
import collections
import json
import os
import pathlib
import subprocess

from accounting import Meter
from errors import BenchError

HERE = pathlib.Path(__file__).resolve().parent
HTTP_PORT, SINK_PORT = 8080, 9000
# curl's exit code when --max-time is over, which is how an upload ends here.
CURL_TIMED_OUT = 28

Work = collections.namedtuple("Work", "name kind connections close")
WORKS = {work.name: work for work in (
    Work("http-keepalive-64", "http", 64, False),
    Work("http-keepalive-1", "http", 1, False),
    Work("http-close-64", "http", 64, True),
    Work("http-close-1", "http", 1, True),
    Work("bulk-up", "upload", 1, False),
    Work("bulk-down", "download", 1, False),
)}
# Metric -> whether more is worse.
METRICS = {"cpu_us_per_request": True, "requests_per_s": False, "p50_us": True, "p99_us": True,
           "cpu_s_per_gb": True}


def cores():
    """(client's, server's) core when each has one of its own."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def _command(work, address, seconds, folder):
    """The client's argv."""
    if work.kind == "upload":
        return ["curl", "--silent", "--show-error", "--header", "Expect:",
                "--max-time", str(seconds), "--write-out", "\nsent %{size_upload} %{time_total}\n",
                "--upload-file", f"{folder}/endless", f"http://{address}:{SINK_PORT}/"]
    path = "blob" if work.kind == "download" else ""
    argv = ["wrk", "--threads", "1", "--connections", str(work.connections), "--timeout", "5s",
            "--duration", f"{seconds}s", "--latency", "--script", str(HERE / "wrk-report.lua")]
    if work.close:
        argv += ["--header", "Connection: close"]
    return argv + [f"http://{address}:{HTTP_PORT}/{path}"]


def _parse_wrk(output):
    result = json.loads(output.strip().splitlines()[-1])
    wrong = {name: count for name, count in result["errors"].items() if count}
    if wrong:
        raise BenchError("wrk saw errors: " +
                         ", ".join(f"{name} {count}" for name, count in wrong.items()))
    return result


def _parse_curl(output):
    line = next(line for line in output.splitlines() if line.startswith("sent "))
    _, sent, seconds = line.split()
    return {"bytes": int(sent), "duration_us": int(float(seconds) * 1e6), "requests": 1}


def _metrics(work, done, used):
    if work.kind == "http":
        requests = done["requests"]
        if not requests:
            raise BenchError("not one request was completed")
        return {"cpu_us_per_request": used["busy_us"] / requests,
                "requests_per_s": requests * 1e6 / done["duration_us"],
                "p50_us": done["p50_us"], "p99_us": done["p99_us"]}
    if done["bytes"] < 1e6:
        raise BenchError(f"only {done['bytes']} bytes were moved")
    return {"cpu_s_per_gb": used["busy_us"] / 1e6 / (done["bytes"] / 1e9)}


class Lane:
    """One client talking to one server in one way; what a series is made of."""

    def __init__(self, client, server, address, agents, folder):
        self.client, self.server, self.address = client, server, address
        self.folder = folder
        self._meter = Meter({"pods_us": [client["cgroup"], server["cgroup"]],
                             "agents_us": agents})
        self._placed = None

    def _place_server(self, core):
        """A lone connection is served by the client's core, or the scheduler's choice of the day
        would be measured; many have a core on each side."""
        if self._placed == core:
            return
        for place, _, _ in os.walk(self.server["cgroup"]):
            with open(place + "/cgroup.procs", encoding="ascii") as file:
                for pid in map(int, file):
                    os.sched_setaffinity(pid, {core})
        self._placed = core

    def run(self, work, seconds):
        """One slice: {"metrics", "done", "used"}. Nothing but the client's own processes is
        started in it, so that the machine's CPU time is the work's."""
        own, other = cores()
        self._place_server(own if work.connections == 1 and work.kind == "http" else other)
        argv = ["nsenter", "--net=" + self.client["netns"], "taskset", "--cpu-list", str(own),
                *_command(work, self.address, seconds, self.folder)]
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
        expected = CURL_TIMED_OUT if work.kind == "upload" else 0
        if client.returncode != expected:
            raise BenchError(f"{' '.join(argv[4:])} ended with {client.returncode}: "
                             f"{output.strip()[-500:]}")
        try:
            done = _parse_curl(output) if work.kind == "upload" \
                else _parse_wrk(output)
        except (ValueError, LookupError, StopIteration) as error:
            raise BenchError(f"cannot read {argv[5]}'s report ({error}): {output[-500:]}") \
                from None
        return {"metrics": _metrics(work, done, used), "done": done, "used": used}

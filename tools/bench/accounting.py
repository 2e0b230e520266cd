# SPDX-License-Identifier: Apache-2.0
"""CPU time from the kernel's accounting: of the whole machine and of single cgroups."""
import contextlib
import os
import time

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def busy_us():
    """CPU time the machine spent on anything, softirq included. `user` and `nice` hold guest time
    already; steal is not ours."""
    with open("/proc/stat", encoding="ascii") as file:
        words = file.readline().split()
    user, nice, system, _idle, _iowait, irq, softirq = map(int, words[1:8])
    return (user + nice + system + irq + softirq) * TICK_US


def _softirq_threads():
    """The ksoftirqd threads, which work for whoever has packets."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii",
                                                errors="replace") as file:
            if file.read().startswith("ksoftirqd/"):
                yield pid


def _thread_us(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) * TICK_US


def cgroup_us(path):
    """CPU time of the tasks in a cgroup and below it."""
    with open(path + "/cpu.stat", encoding="ascii") as file:
        for line in file:
            name, value = line.split()
            if name == "usage_usec":
                return int(value)
    raise ValueError(f"{path}/cpu.stat has no usage_usec")


class Meter:
    """CPU time between start() and stop(), for the machine and for named groups of cgroups."""

    def __init__(self, groups):
        self._groups = groups
        self._softirq = list(_softirq_threads())
        self._begin = None

    def _read(self):
        return {"busy_us": busy_us(), "wall_us": time.monotonic_ns() // 1000,
                "softirq_threads_us": sum(map(_thread_us, self._softirq)),
                **{name: sum(map(cgroup_us, paths)) for name, paths in self._groups.items()}}

    def start(self):
        self._begin = self._read()

    def stop(self):
        """What was used since start(): "busy_us", "wall_us", "softirq_threads_us", one entry per
        group, and "foreign_us", which is the rest: work that is none of ours."""
        used = {name: value - self._begin[name] for name, value in self._read().items()}
        own = used["softirq_threads_us"] + sum(used[name] for name in self._groups)
        used["foreign_us"] = max(0, used["busy_us"] - own)
        return used

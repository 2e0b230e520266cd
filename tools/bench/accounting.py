# SPDX-License-Identifier: Apache-2.0
"""CPU time from the kernel's accounting: of the whole machine and of single cgroups."""
import contextlib
import os
import time

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def busy_us():
    """CPU time the machine spent on anything, softirq included, counted from any moment. It is what
    is left of the time beside idleness, which the kernel measures: what it says of user and system
    is a guess by its tick, which hardly sees what works for less than that, and often. Steal is not
    ours."""
    with open("/proc/stat", encoding="ascii") as file:
        lines = [line.split() for line in file if line.startswith("cpu")]
    idle, iowait, _irq, _softirq, steal = map(int, lines[0][4:9])
    cpus = len(lines) - 1
    return cpus * time.monotonic_ns() // 1000 - (idle + iowait + steal) * TICK_US


@contextlib.contextmanager
def awake():
    """While it lasts, CPUs without work do not sleep (PM QoS; it ends with the process). To wake one
    is work of whoever does it, in a VM an exit to the hypervisor, and how often that happens depends
    on which of two ends is a little faster than the other. True, or False: the kernel lacks it."""
    try:
        qos = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    except OSError:
        yield False
        return
    try:
        os.write(qos, bytes(4))  # microseconds to wake up
        yield True
    finally:
        os.close(qos)


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
        group, and "foreign_us", which is the rest: work that is none of ours, and what interrupts
        do while a CPU has no process to run."""
        used = {name: value - self._begin[name] for name, value in self._read().items()}
        own = used["softirq_threads_us"] + sum(used[name] for name in self._groups)
        used["foreign_us"] = max(0, used["busy_us"] - own)
        return used

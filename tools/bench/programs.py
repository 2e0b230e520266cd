# SPDX-License-Identifier: Apache-2.0
"""What each BPF program costs, from the kernel's run-time statistics. They cost time themselves,
so they are on only during slices of their own."""
import contextlib
import json

from errors import BenchError
from place import WEFT
from works import WORKS

SWITCH = "/proc/sys/kernel/bpf_stats_enabled"


def _switch(value):
    with open(SWITCH, "w", encoding="ascii") as file:
        file.write(value)


@contextlib.contextmanager
def statistics(enabled):
    """kernel.bpf_stats_enabled during the block; what it was before afterwards."""
    try:
        with open(SWITCH, encoding="ascii") as file:
            before = file.read().strip()
        _switch("1" if enabled else "0")
    except OSError as error:
        raise BenchError(f"kernel.bpf_stats_enabled cannot be set: {error.strerror}") from None
    try:
        yield
    finally:
        _switch(before)


def _read(place):
    """{program: (runs, total ns)}, both nodes together."""
    total = {}
    for node in place.status()["nodes"]:
        done = place.run("node", node["name"], "--", WEFT, "-o", "json", "status", check=False)
        try:
            programs = json.loads(done)["programs"]
        except (ValueError, LookupError):
            raise BenchError(f"weft -o json status on {node['name']} told nothing: "
                             f"{done[:300]}") from None
        for one in programs:
            runs, time = total.get(one["name"], (0, 0))
            count = one.get("runs", 0)
            total[one["name"]] = (runs + count, time + count * one.get("ns_per_run", 0))
    return total


def measure(site, series, works, seconds):
    """[{"name", "runs", "ns_per_run", "works": {"work/series": {"runs", "ns_per_run",
    "runs_per_request"}}}]"""
    place = site.playground("weft")
    rows = {}
    begin = before = _read(place)
    with statistics(True):
        for name in works:
            for one in series:
                done = site.lane(one).run(WORKS[name], seconds)["done"]
                after = _read(place)
                for program in after:
                    runs, nanoseconds = _difference(before, after, program)
                    if runs:
                        row = rows.setdefault(program, {})
                        row[f"{name}/{one}"] = {
                            "runs": runs, "ns_per_run": round(nanoseconds / runs, 1),
                            "runs_per_request": round(runs / max(1, done["requests"]), 3)}
                before = after
    result = []
    for program in sorted(before):
        runs, nanoseconds = _difference(begin, before, program)
        result.append({"name": program, "runs": runs,
                       "ns_per_run": round(nanoseconds / runs, 1) if runs else None,
                       "works": rows.get(program, {})})
    return result


def _difference(before, after, program):
    runs, nanoseconds = before.get(program, (0, 0))
    return after[program][0] - runs, after[program][1] - nanoseconds

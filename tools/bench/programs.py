# SPDX-License-Identifier: Apache-2.0
"""What each BPF program costs, from the kernel's run-time statistics. They cost time themselves,
so they are on only during slices of their own."""
import collections
import contextlib
import json

import series as table
from errors import BenchError
from place import WEFT
from works import WORKS

SWITCH = "/proc/sys/kernel/bpf_stats_enabled"

Spent = collections.namedtuple("Spent", "runs nanoseconds")


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


def _status(place):
    """"programs" of `weft status` on each node."""
    for node in place.status()["nodes"]:
        done = place.run("node", node["name"], "--", WEFT, "-o", "json", "status", check=False)
        try:
            yield json.loads(done)["programs"]
        except (ValueError, LookupError):
            raise BenchError(f"weft -o json status on {node['name']} told nothing: "
                             f"{done[:300]}") from None


def _read(place):
    """{program: Spent}, all nodes together."""
    total = {}
    for programs in _status(place):
        for one in programs:
            runs, nanoseconds = total.get(one["name"], (0, 0))
            total[one["name"]] = Spent(runs + one.get("runs", 0),
                                       nanoseconds + one.get("run_time_ns", 0))
    return total


def spent(place, run):
    """What run() returns, and {program: Spent} meanwhile."""
    before = _read(place)
    with statistics(True):
        result = run()
    after = _read(place)
    return result, {name: Spent(one.runs - before.get(name, (0, 0))[0],
                                one.nanoseconds - before.get(name, (0, 0))[1])
                    for name, one in after.items()}


def sizes(place):
    """{program: {"instructions", "verified_instructions"}}; the latter is how many steps the
    verifier took to know all ways through the program."""
    return {one["name"]: {key: one.get(key) for key in ("instructions", "verified_instructions")}
            for programs in _status(place) for one in programs}


def measure(site, series, works, seconds):
    """[{"name", "instructions", "verified_instructions", "runs", "ns_per_run",
    "works": {"work/series": {"runs", "ns_per_run", "runs_per_request"}}}]"""
    rows, total, known = collections.defaultdict(dict), collections.Counter(), {}
    for one in series:
        place = site.playground(table.SERIES[one].place)
        known.update(sizes(place))
        for name in works:
            if not table.does(one, name):
                continue
            lane, work = site.lane(one), WORKS[name]
            slice_, used = spent(place, lambda lane=lane, work=work: lane.run(work, seconds))
            for program, (runs, nanoseconds) in used.items():
                if runs:
                    total[(program, "runs")] += runs
                    total[(program, "ns")] += nanoseconds
                    rows[program][f"{name}/{one}"] = {
                        "runs": runs, "ns_per_run": round(nanoseconds / runs, 1),
                        "runs_per_request": round(runs / max(1, slice_["done"]["requests"]), 3)}
    return [{"name": program, **known[program], "runs": total[(program, "runs")],
             "ns_per_run": round(total[(program, "ns")] / total[(program, "runs")], 1)
             if total[(program, "runs")] else None,
             "works": rows[program]} for program in sorted(known)]

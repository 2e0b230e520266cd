#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what weft costs against direct connections and against proxies, on a simulated two-node
cluster.

nginx serves, wrk and curl ask; the slices of all series are interleaved. Writes report.json and
report.md to build/bench/. Set by environment: BENCH_ROUNDS, BENCH_SECONDS, BENCH_WORKS,
BENCH_SERIES, BENCH_PLACEMENT (two-nodes, same-node), BENCH_EXTRAS (programs, heads, timings, or
none).
"""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import accounting  # noqa: E402
import heads  # noqa: E402
import peers  # noqa: E402
import place  # noqa: E402
import programs  # noqa: E402
import promises  # noqa: E402
import report  # noqa: E402
import series as table  # noqa: E402
import slices  # noqa: E402
import timings  # noqa: E402
from errors import BenchError  # noqa: E402
from playground.api import BUILD, COMMAND, TOP, WEFT, PlaygroundError  # noqa: E402
from works import WORKS  # noqa: E402

FOLDER = BUILD / "bench"
EXTRAS = ("programs", "heads", "timings")
PLACEMENTS = {"two-nodes": "node-b", "same-node": "node-a"}
TOOLS = {"wrk": "wrk", "nginx": "nginx-light", "curl": "curl", "socat": "socat",
         "taskset": "util-linux", "nsenter": "util-linux"}
PROGRAM_SECONDS = 1
FAILURES = (BenchError, PlaygroundError, subprocess.TimeoutExpired, OSError)
HEAD_SERIES = ("weft-l4", "weft-http", "weft-http-256")


def say(text):
    print("bench: " + text, flush=True)


def _number(name, default, low, high):
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or not low <= int(text) <= high:
        raise BenchError(f"{name}={text}: a whole number from {low} to {high} is wanted")
    return int(text)


def _choice(name, default, known):
    chosen = (os.environ.get(name) or " ".join(default)).replace(",", " ").split()
    for one in chosen:
        if one not in known:
            raise BenchError(f"{name}: unknown '{one}' (known: {', '.join(known)})")
    return list(dict.fromkeys(chosen))


def read_settings():
    """The environment's wishes, checked."""
    series = _choice("BENCH_SERIES", table.DEFAULT, table.SERIES)
    placement, = _choice("BENCH_PLACEMENT", ["two-nodes"], PLACEMENTS)[:1]
    extras = _choice("BENCH_EXTRAS", EXTRAS, (*EXTRAS, "none"))
    return {"rounds": _number("BENCH_ROUNDS", 7, 1, 1000),
            "seconds": _number("BENCH_SECONDS", 2, 1, 60),
            "works": _choice("BENCH_WORKS", WORKS, WORKS),
            # every ratio is to direct
            "series": ["direct"] + [one for one in series if one != "direct"],
            "placement": placement,
            "extras": [one for one in extras if one != "none"]}


def check_machine(settings):
    """Everything that is missing, with its remedy, before anything is started."""
    if os.geteuid() != 0:
        raise BenchError("needs root for BPF and network namespaces: sudo make bench")
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if missing:
        raise BenchError("missing tools (remedy: scripts/setup.sh bench, or apt-get install "
                         f"{' '.join(missing)})")
    programs_needed = [COMMAND]
    if any(map(table.is_weft, settings["series"])):
        programs_needed += [BUILD / "weftd", WEFT]
    for program in programs_needed:
        if not os.access(program, os.X_OK):
            raise BenchError(f"{program} is not built (remedy: make)")


def leave_out_missing(settings):
    """Takes series whose peer is not here out of the settings; [{"series", "why"}]."""
    why = {peer: peers.why_missing(peer)
           for peer in sorted(set(map(table.peer, settings["series"])) - {None})}
    skipped = [{"series": one, "why": why[table.peer(one)]} for one in settings["series"]
               if why.get(table.peer(one))]
    for one in skipped:
        say(f"SKIPPED {one['series']}: {one['why']}")
    settings["series"] = [one for one in settings["series"] if not why.get(table.peer(one))]
    return skipped


def repeat_command(settings):
    names = {"BENCH_ROUNDS": str(settings["rounds"]), "BENCH_SECONDS": str(settings["seconds"]),
             "BENCH_WORKS": ",".join(settings["works"]),
             "BENCH_SERIES": ",".join(settings["series"]),
             "BENCH_PLACEMENT": settings["placement"],
             "BENCH_EXTRAS": ",".join(settings["extras"]) or "none"}
    plain = {"BENCH_WORKS": ",".join(WORKS), "BENCH_SERIES": ",".join(table.DEFAULT),
             "BENCH_PLACEMENT": "two-nodes", "BENCH_EXTRAS": ",".join(EXTRAS)}
    return "sudo make bench" + "".join(f" {name}={value}" for name, value in names.items()
                                       if plain.get(name) != value)


def measure_extras(site, settings, result):
    """What belongs to no slice. What fails here does not throw the slices away: the report and the
    exit status tell it."""
    weft = list(filter(table.is_weft, settings["series"]))
    extras = {}
    if weft:
        extras["programs"] = lambda: programs.measure(site, weft, settings["works"],
                                                      PROGRAM_SECONDS)
    if "weft-http" in weft:
        extras["heads"] = lambda: heads.measure(site, [one for one in HEAD_SERIES if one in weft],
                                                PROGRAM_SECONDS)
    if weft:
        # the last, because it ends agents
        extras["timings"] = lambda: timings.measure(site, say)
    result["failed"] = []
    for name, measure in extras.items():
        if name in settings["extras"]:
            say(f"extras: {name}")
            try:
                result[name] = measure()
            except FAILURES as error:
                result["failed"].append({"what": name, "why": str(error)})


def run(settings):
    """The report."""
    place.remove_leftovers()
    begin = time.monotonic()
    command = repeat_command(settings)
    skipped = leave_out_missing(settings)
    result = {"machine": report.machine(TOP, set(map(table.peer, settings["series"])) - {None}),
              "command": command, "settings": settings, "skipped": skipped}
    with place.Site(PLACEMENTS[settings["placement"]]) as site, programs.statistics(False), \
            accounting.awake() as result["awake"]:
        slots, length = slices.duration(settings["works"], settings["series"],
                                        settings["rounds"], settings["seconds"])
        say(f"{slots} slices, about {(length + 0.1 * slots) / 60:.1f} min, then the extras")
        measured = slices.measure(site, settings["works"], settings["series"],
                                  settings["rounds"], settings["seconds"], say)
        site.prove_judged(measured)
        result["results"] = slices.results(measured)
        measure_extras(site, settings, result)
    result["cross_check"] = slices.cross_check(measured)
    result["foreign_cpu_share"] = round(slices.foreign_share(measured), 4)
    result["targets"] = promises.targets(result, measured)
    result["slices"] = measured
    result["elapsed_s"] = round(time.monotonic() - begin, 1)
    return result


def print_summary(result):
    print()
    for row in result["results"]:
        if row["series"] != "direct":
            ratio = "-" if row["ratio_to_direct"] is None else f"{row['ratio_to_direct']:.3f}"
            print(f"  {row['work']:<18} {row['series']:<19} {row['metric']:<19} "
                  f"{row['median']:>11,.2f}  {ratio:>6} of direct")
    for row in result["targets"]:
        if not row["held"]:
            print(f"  missed: {row['what']}: {row['measured']} (limit {row['limit']})")
    for row in result["skipped"]:
        print(f"  SKIPPED {row['series']}: {row['why']}")
    for row in result["failed"]:
        print(f"  FAILED: {row['what']}: {row['why']}")
    if result["foreign_cpu_share"] > report.QUIET:
        print(f"  this machine was not quiet: {100 * result['foreign_cpu_share']:.1f} % of its "
              "CPU time went elsewhere")
    say(f"{result['elapsed_s']:.0f} s, report in {os.path.relpath(FOLDER)}/report.md and .json")


def main():
    def leave(number, _frame):
        # once is enough: the clean-up that follows must not be interrupted
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        settings = read_settings()
        check_machine(settings)
        result = run(settings)
        report.write(result, FOLDER)
    except FAILURES as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print_summary(result)
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

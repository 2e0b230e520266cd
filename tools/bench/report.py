# SPDX-License-Identifier: Apache-2.0
"""report.json and the report.md made from it."""
import json
import os
import platform
import shutil
import subprocess

import peers
import slices
from series import is_weft, peer, place
from works import METRICS, WORKS

# Above this share of CPU time spent on other things, figures are not worth much. Interrupts of idle
# CPUs, which are the pods' work but no process's, are some 3 % of it in long transfers.
QUIET = 0.05

TITLES = {"cpu_us_per_request": "CPU per request, us", "requests_per_s": "requests/s",
          "p50_us": "p50, us", "p99_us": "p99, us", "cpu_s_per_gb": "CPU s per GB"}


def _first(path, prefix):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(prefix):
                return line.partition(":")[2].strip()
    return "unknown"


def _version(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return ((done.stdout + done.stderr).strip().splitlines() or ["unknown"])[0]


def _commit(top):
    if not shutil.which("git"):
        return None
    done = subprocess.run(["git", "-C", str(top), "describe", "--always", "--dirty"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def machine(top, used_peers):
    versions = {one: peers.version(one) for one in sorted(used_peers)}
    return {"cpu": _first("/proc/cpuinfo", "model name"), "cpus": os.cpu_count(),
            "cpus_used": len(os.sched_getaffinity(0)),
            "memory_mb": int(_first("/proc/meminfo", "MemTotal").split()[0]) // 1024,
            "kernel": platform.release(), "arch": platform.machine(),
            "nginx": _version("nginx", "-v").rpartition("/")[2],
            "wrk": _version("wrk", "-v").split(" [")[0].rpartition("/")[2],
            "peers": versions, "commit": _commit(top)}


def losses(results):
    """Rows of weft that are worse than direct, the worst first."""
    def loss(row):
        return row["ratio_to_direct"] if METRICS[row["metric"]] else 1 / row["ratio_to_direct"]
    rows = [row for row in results if is_weft(row["series"]) and row["ratio_to_direct"]]
    return sorted((row for row in rows if loss(row) > 1), key=loss, reverse=True)


def _number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _work_table(results, work):
    rows = [row for row in results if row["work"] == work]
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    body = []
    for series in dict.fromkeys(row["series"] for row in rows):
        cells = [series]
        for metric in metrics:
            row = next(r for r in rows if r["series"] == series and r["metric"] == metric)
            cells.append(f"{_number(row['median'])} ({_number(row['min'])} - "
                         f"{_number(row['max'])})")
            cells.append(f"**{row['ratio_to_direct']:.3f}**" if row["ratio_to_direct"] else "-")
        body.append(cells)
    head = ["series"]
    for metric in metrics:
        head += [TITLES[metric], "ratio"]
    return _table(head, body)


def _loss_lines(report):
    lost = losses(report["results"])
    if not any(is_weft(row["series"]) for row in report["results"]):
        return ["weft was not measured in this run."]
    if not lost:
        return ["In this run no metric of weft was worse than direct."]
    worst = lost[0]
    return [f"Worst: **{worst['work']}, {worst['series']}: {TITLES[worst['metric']]} at "
            f"{worst['ratio_to_direct']:.3f} of direct.** All that is worse than direct, the worst "
            "first:", "",
            *_table(["work", "series", "metric", "ratio to direct", "rounds' ratios"],
                    [[row["work"], row["series"], TITLES[row["metric"]],
                      f"{row['ratio_to_direct']:.3f}",
                      f"{row['ratio_min']:.3f} - {row['ratio_max']:.3f}"] for row in lost])]


def _timing_lines(timings):
    rows = []
    for key, state in ((k, s) for k in ("startup", "startup_loaded") for s in ("fresh", "adopting")):
        one = timings[key][state]
        rows.append([f"exec of weftd to /readyz, {state}, {timings[key]['objects']} objects",
                     f"{one['median']:.1f}", f"{one['min']:.1f} - {one['max']:.1f}",
                     f"{one['cpu_median']:.1f}"])
    change = timings["change"]
    rows = _table(["start-up", "median, ms", "range", "of it CPU"], rows)
    changes = [[name, f"{one['p50']:.2f}", f"{one['p99']:.2f}", f"{one['max']:.2f}"]
               for name, one in (("rename() to a connection judged by it", change["rename_to_verdict"]),
                                 ("rename() to /v1/status telling it", change["rename_to_status"]),
                                 ("of it the agent's apply", change["last_apply"]),
                                 ("an answer of /v1/status (which lists all files) when nothing changes",
                                  change["status_alone"]))]
    return rows + [""] + _table(
        [f"one change of {change['changes']}, {change['objects']} objects", "p50, ms", "p99, ms",
         "max"], changes) + [
        "", f"CPU time of the agent per change: {change['rename_to_verdict']['cpu_mean']:.2f} ms."]


def _peer_lines(results):
    """What proxies and weft add to direct for the same HTTP rules, work by work."""
    body = []
    for work in dict.fromkeys(row["work"] for row in results):
        for series in dict.fromkeys(row["series"] for row in results if row["work"] == work):
            if place(series).rules is None or not (peer(series) or series == "weft-http"):
                continue
            rows = {row["metric"]: row for row in results
                    if row["work"] == work and row["series"] == series}
            if len(rows) > 1:
                body.append([work, series, *(
                    f"{rows[metric]['ratio_to_direct']:.2f}" if rows[metric]["ratio_to_direct"]
                    else "-" for metric in ("requests_per_s", "p50_us", "cpu_us_per_request"))])
            else:
                row, = rows.values()
                body.append([work, series, "-", "-", f"{row['ratio_to_direct']:.2f}"])
    return _table(["work", "series", "requests/s", "p50", "CPU per request or byte"], body)


def _skip_lines(skipped):
    return [*(f"- **{one['series']}**: {one['why']}." for one in skipped),
            "- ztunnel, linkerd2-proxy: not in Debian nor in PyPI, where scripts/setup.sh gets the "
            "peers from; and ztunnel does not judge HTTP requests.",
            "- The redirection (iptables) into a sidecar: clients address the proxy by "
            "themselves, which flatters all pairs."]


def _head_lines(heads):
    return _table(["series", f"{heads['bytes']} more bytes in", "ns per request, short head",
                   "long head", "ns per byte"],
                  [[row["series"], row["what"], _number(row["ns_short"]), _number(row["ns_long"]),
                    f"{row['ns_per_byte']:.2f}"] for row in heads["rows"]]) + [
        "", f"Run time of all BPF programs of both nodes during {heads['work']}, by the kernel's "
        "statistics. weft-l4 reads no heads: its rows show what longer packets cost by themselves."]


def _total_lines(programs):
    """Run time of all programs together, per request, by work and series."""
    total = {}
    for one in programs:
        for name, work in one["works"].items():
            if name.startswith("http"):
                total[name] = total.get(name, 0) + work["ns_per_run"] * work["runs_per_request"]
    return _table(["work", "series", "ns of all programs per request"],
                  [[*name.split("/"), f"{value:,.0f}"] for name, value in sorted(total.items())])


def _program_lines(programs):
    body = [[one["name"], *(f"{one[key]:,}" if one.get(key) else "-" for key in
                            ("instructions", "verified_instructions")),
             f"{one['runs']:,}", _number(one["ns_per_run"]),
             _number(max((work["runs_per_request"] for name, work in one["works"].items()
                          if name.startswith("http-keepalive")), default=None)),
             _number(max((work["runs_per_request"] for name, work in one["works"].items()
                          if name.startswith("http-close")), default=None))]
            for one in programs]
    return _table(["program", "instructions", "verified instructions", "runs", "ns per run",
                   "runs per request, keep-alive", "runs per request, close"], body) + [
        "", "Measured with kernel.bpf_stats_enabled=1 in slices of their own; the statistics "
        "themselves add some ten nanoseconds to each run. Both nodes together."]


def render(report):
    """report.md as text."""
    host, settings = report["machine"], report["settings"]
    quiet = report["foreign_cpu_share"]
    lines = [
        "# What weft costs", "",
        f"Machine: {host['cpus']} x {host['cpu']}, {host['memory_mb']} MB, Linux {host['kernel']} "
        f"({host['arch']}); nginx {host['nginx']}, wrk {host['wrk']}; weft at "
        f"{host['commit'] or 'an unknown commit'}.", "",
        *(["Peers: " + ", ".join(f"{name} {version}" for name, version in host["peers"].items())
           + ".", ""] if host["peers"] else []),
        f"Repeat with: `{report['command']}`", "",
        f"Rounds: {settings['rounds']}, of {settings['seconds']} s per work and series, interleaved; "
        f"client and server on {settings['placement'].replace('-', ' ')}. Values are medians (range) of the rounds. "
        "A ratio is taken within a round against the direct slice of that round; the median of "
        f"these is shown. Of a long transfer a round has {slices.BULK_TURNS} slices of "
        f"{slices.BULK_SECONDS} s each, with a ratio each.", "",
        "CPUs without work were kept awake, so that waking them is no part of the CPU time."
        if report["awake"] else "This kernel lacks /dev/cpu_dma_latency: waking CPUs that sleep is a "
        "part of the CPU time, in a VM a large one, and varies.", "",
        f"CPU time that went to neither pods nor agents, interrupts of idle CPUs included: {100 * quiet:.1f} %"
        + (". **The machine was not quiet; repeat before believing anything below.**"
           if quiet > QUIET else "."), ""]
    if report["failed"]:
        lines += ["**Failed, and missing below:**", "",
                  *(f"- {row['what']}: {row['why']}" for row in report["failed"]), ""]
    for work in dict.fromkeys(row["work"] for row in report["results"]):
        lines += [f"## {work}", "", *_work_table(report["results"], work), ""]
    lines += ["## Where weft loses", "", *_loss_lines(report), ""]
    if report["targets"]:
        lines += ["## Promises", "", *_table(
            ["what", "limit", "measured", "held"],
            [[row["what"], str(row["limit"]), f"{row['measured']:.3f}",
              "yes" if row["held"] else "**no**"] for row in report["targets"]]), ""]
    if any(map(peer, settings["series"])):
        lines += ["## Against proxies", "",
                  "Ratios to direct; all judge by the same ten rules.", "",
                  *_peer_lines(report["results"]), ""]
    lines += ["## Left out", "", *_skip_lines(report["skipped"]), ""]
    if report.get("heads"):
        lines += ["## A byte of a request's head", "", *_head_lines(report["heads"]), ""]
    if report.get("timings"):
        lines += ["## The agent", "", *_timing_lines(report["timings"]), ""]
    if report.get("programs"):
        lines += ["## BPF programs", "", *_program_lines(report["programs"]), "",
                  *_total_lines(report["programs"]), ""]
    lines += ["## Cross-check", "",
              "The same cost by the cgroups' own clocks (tasks of both pods, with softirq work "
              "done in their time). Foreign load does not enter; softirq threads do not either.",
              "", *_table(["work", "series", "what", "median", "ratio to direct"],
                          [[row["work"], row["series"], row["metric"], _number(row["median"]),
                            f"{row['ratio_to_direct']:.3f}" if row["ratio_to_direct"] else "-"]
                           for row in report["cross_check"]]), "",
              "## How to read it", "",
              "- Direct is the same topology without agents, addressed by the pod's address. "
              "Where weft is attached to other pods of the same kernel, direct pays the kernel's "
              "global \"BPF is in use\" branches as well, a few nanoseconds a packet.",
              "- weft-split addresses the cluster IP of a service whose TrafficSplit has two "
              "backends; both select the one server pod, so that no series has more servers.",
              "- weft-http and all proxies judge by ten rules (five regexes for the path, two "
              "conditions on a header); the request is allowed by the ninth, by a regex and a "
              "header. weft-http-4 and weft-http-256 have 4 and 256 rules; weft-http-telemetry "
              "is weft-http with request events for one request in a hundred, weft-http-quiet "
              "without any telemetry (--telemetry off).",
              "- A pair is a proxy in the client's pod and one in the server's, as sidecars are, "
              "each with one worker on its pod's core; mtls: they speak TLS 1.3 with "
              "certificates on both sides. haproxy-node is one proxy on the server's node. Their "
              "CPU is in the figures. They keep connections to the server open, which spares "
              "them most of the connections of `close`.",
              "- CPU is the machine's busy time (user, nice, system, irq, softirq) by completed "
              "requests or by 10^9 bytes.",
              "- CPU that \"went to neither pods nor agents\" leaves softirq threads out; some of it is "
              "the bench itself and what ticks cannot tell apart.",
              "- weft knows a request's head again that comes byte by byte the same, which is what "
              "most works send. In http-fresh-64 hardly a head comes twice: paths and a header "
              "differ.",
              "- A lone connection has client and server on one core, else the scheduler is "
              "measured. 64 connections and bulk have a core for each.",
              "- wrk's latency begins when the request is sent: with `close` it leaves the "
              "handshake out, which requests/s shows.", ""]
    return "\n".join(lines)


def write(report, folder):
    """Both files; whole or not at all."""
    os.makedirs(folder, exist_ok=True)
    for name, text in (("report.json", json.dumps(report, indent=1) + "\n"),
                       ("report.md", render(report))):
        temporary = f"{folder}/.{name}.tmp"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(temporary, f"{folder}/{name}")

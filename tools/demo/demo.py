#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Shows weft's main job on a simulated two-node cluster, and checks every claim it makes.

Each line is what real sockets in the pods experienced. The summary and the exit
status are computed from these; the evidence stays in build/demo/.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from show_http import show_http
from stage import CLUSTER, EVIDENCE, HERE, PYTHON, Checks, apply, client, describe, paint, show_weft, step
from api import TOP, PlaygroundError

NODES = ("node-a", "node-b")


def chi_square(servers, weights):
    total, parts = sum(servers.values()), sum(weights.values())
    expected = {name: total * weight / parts for name, weight in weights.items()}
    return sum((servers.get(n, 0) - e) ** 2 / e for n, e in expected.items())


def show_default_deny(checks, vips):
    step("Default deny: the namespace is labelled weft.dev/mesh: enforce and there is no rule yet")
    for family, vip in vips["api"].items():
        result = client("frontend", "get", vip, 80)
        checks.check("frontend -> api refused (%s)" % family,
                     not result["ok"] and result["errno"] in ("EACCES", "ECONNREFUSED") and result["ms"] < 1000,
                     describe(result))


def show_access(checks, vips):
    step("A TrafficTarget admits frontend -> api, and api -> database")
    print(paint("  applied and in the kernel of both nodes after %.0f ms" % apply("access.yaml"), "2"))
    for family, vip in vips["api"].items():
        result = client("frontend", "get", vip, 80)
        checks.check("frontend -> api (%s), the socket sees the cluster IP" % family,
                     result["ok"] and result["peer"] == vip, describe(result))
        result = client("intruder", "get", vip, 80)
        checks.check("intruder -> api refused (%s)" % family,
                     not result["ok"] and result["errno"] in ("EACCES", "ECONNREFUSED"), describe(result))
        result = client("frontend", "udp", vip, 8125)
        checks.check("frontend -> api by UDP (%s), answered from the cluster IP" % family,
                     result["ok"] and result["peer"] == vip, describe(result))
    for pod, allowed in (("api-v1", True), ("api-v2", True), ("frontend", False)):
        result = client(pod, "get", vips["database"]["IPv4"], 5432)
        checks.check("%s -> database %s" % (pod, "allowed" if allowed else "refused"),
                     result["ok"] == allowed, describe(result))


def show_splits(checks, vips):
    for weights in ((90, 10), (50, 50)):
        step("TrafficSplit api -> api-v1 %d, api-v2 %d" % weights)
        apply("split-%d-%d.yaml" % weights)
        count = 1000
        result = client("frontend", "many", vips["api"]["IPv4"], 80, count)
        servers = result["servers"]
        chi = chi_square(servers, {"api-v1": weights[0], "api-v2": weights[1]})
        shares = ", ".join("%s %.1f %%" % (n, 100 * c / count) for n, c in sorted(servers.items()))
        # 4 standard deviations: a fair split fails this once in 15,000 demos
        bound = 16
        checks.check("%d connections follow the weights, none fails" % count,
                     chi < bound and sum(servers.values()) == count,
                     "%s; chi-square %.2f" % (shares, chi))


def show_agent_down(checks, vips):
    step("kill -9 of node-a's agent: the kernel goes on enforcing")
    CLUSTER.agent("node-a", "kill")
    good, bad = client("frontend", "get", vips["api"]["IPv4"], 80), client("intruder", "get", vips["api"]["IPv4"], 80)
    checks.check("frontend -> api still allowed", good["ok"], describe(good))
    checks.check("intruder -> api still refused", not bad["ok"], describe(bad))
    start = time.monotonic()
    CLUSTER.agent("node-a", "start")
    print(paint("  agent back and ready after %.0f ms" % ((time.monotonic() - start) * 1000), "2"))


def show_revocation(checks, vips):
    step("Revocation: the TrafficTarget is deleted under a live keep-alive connection")
    holder = CLUSTER.popen("frontend", PYTHON, HERE / "client.py", "hold", vips["api"]["IPv4"], 80, 10,
                           namespace="shop", stdout=subprocess.PIPE)
    try:
        opened = json.loads(holder.stdout.readline())
        time.sleep(0.3)
        revoked = time.time()
        CLUSTER.delete(HERE / "manifests" / "access.yaml")
        result = json.loads(holder.stdout.readline())
    finally:
        holder.terminate()
        holder.wait()
    after = (result.get("at", 0) - revoked) * 1000
    checks.check("the live connection to %s is cut within 1 s" % opened["server"],
                 result.get("cut") and after < 1000,
                 "%s, %.0f ms after the delete began, %s requests before" %
                 (result.get("by"), after, result.get("requests")))
    again = client("frontend", "get", vips["api"]["IPv4"], 80)
    checks.check("reconnecting is refused", not again["ok"], describe(again))


def collect(checks):
    """The views of weft, and the evidence files."""
    events, metrics = [], {}
    for node in NODES:
        for line in CLUSTER.weft(node, "events", "-o", "json").stdout.splitlines():
            events.append({"node": node, **json.loads(line)})
        metrics[node] = CLUSTER.get(node, "/metrics")
    (EVIDENCE / "events.json").write_text(json.dumps(events, indent=1), encoding="utf-8")
    (EVIDENCE / "metrics.txt").write_text(
        "".join("# node %s\n%s" % (n, t) for n, t in metrics.items()), encoding="utf-8")
    step("What weft says about it")
    denied = [e for e in events if e.get("type") == "denied"]
    for event in denied[:3]:
        print("  event  %s %s -> %s:%s  %s" % (event["time"][11:23], event["source"].get("pod", "?"),
              event["destination"].get("pod", "?"), event["destination"].get("port"), event["reason"]))
    checks.check("denied calls are told as events with a reason",
                 any(e["reason"] == "no_rule" and e["source"].get("pod") == "intruder" for e in denied),
                 "%d denials" % len(denied))
    lines = [l for text in metrics.values() for l in text.splitlines() if l.startswith("weft_verdicts_total")]
    intruder = [l for l in lines if 'verdict="deny"' in l and 'source_workload="intruder"' in l]
    for line in intruder[:1]:
        print("  metric " + line)
    checks.check("and counted", intruder, "%d series of verdicts" % len(lines))


def show_views(checks):
    step("weft's own views (node-a)")
    for arguments in (("status",), ("get", "splits"), ("explain", "shop/intruder", "shop/api-v1", "8080"), ("verify",)):
        show_weft("node-a", *arguments)
    checks.check("weft verify: every map and every attach point is as compiled",
                 CLUSTER.weft("node-a", "verify").returncode == 0)


def service_addresses():
    return {s["name"]: {("IPv6" if ":" in ip else "IPv4"): ip for ip in s["clusterIPs"]}
            for s in CLUSTER.status()["services"]}


def run(checks):
    step("A cluster of two nodes and five pods (network namespaces and cgroups on this kernel)")
    start = time.monotonic()
    CLUSTER.up(HERE / "manifests" / "cluster")
    print("  up in %.1f s: %s" % (time.monotonic() - start, CLUSTER.name))
    vips = service_addresses()
    show_default_deny(checks, vips)
    show_access(checks, vips)
    show_splits(checks, vips)
    show_agent_down(checks, vips)
    show_revocation(checks, vips)
    show_http(checks, vips)
    show_views(checks)
    collect(checks)


def main():
    if os.geteuid() != 0:
        print("demo: needs root for BPF and network namespaces: sudo make demo", file=sys.stderr)
        return 1
    shutil.rmtree(EVIDENCE, ignore_errors=True)
    EVIDENCE.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks, started, problem = Checks(), time.monotonic(), None
    os.chdir(TOP)  # the manifests name tools/demo/server.py
    try:
        run(checks)
    except (PlaygroundError, subprocess.TimeoutExpired, json.JSONDecodeError, KeyError) as failure:
        problem = "%s: %s" % (type(failure).__name__, failure)
    finally:
        CLUSTER.run("down", check=False)
    seconds = time.monotonic() - started
    held = len(checks.items) - len(checks.failed)
    summary = {"checks": checks.items, "held": held, "failed": len(checks.failed),
               "problem": problem, "seconds": round(seconds, 1)}
    (EVIDENCE / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    step("Summary")
    if problem:
        print(paint("  stopped early: " + problem, "31;1"))
    for item in checks.failed:
        print(paint("  did not hold: %s (%s)" % (item["claim"], item["detail"]), "31;1"))
    print("  %d of %d claims held, %.0f s, evidence in %s" %
          (held, len(checks.items), seconds, os.path.relpath(EVIDENCE)))
    return 1 if problem or checks.failed or not checks.items else 0


if __name__ == "__main__":
    sys.exit(main())

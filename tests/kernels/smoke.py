# SPDX-License-Identifier: Apache-2.0
"""weft's main job end to end on a guest's kernel: two nodes, four pods, once through everything.

The finer points are the end-to-end tests' business; here only what a kernel could break.
"""
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from mesh import Mesh, PlaygroundError  # noqa: E402  pylint: disable=wrong-import-position
from robust import (  # noqa: E402  pylint: disable=wrong-import-position
    CUTS, REFUSALS, Load, namespace, node, pod, route, service, target, text, thing)

NODES = ("a", "b")
# An emulated processor is some twenty times slower than a real one: how long a probe may take, and
# a revocation (one second on a real machine, as the end-to-end tests prove).
PROBE_TIMEOUT_S = 5
CUT_WITHIN_S = 10
SPLIT_CALLS = 40


def objects(mesh):
    return text(
        *[node(name) for name in NODES], namespace(),
        pod("web-1", "a", "web", mesh.server_command("web-1", "tcp:80", "udp:53"), app="web", version="1"),
        pod("web-2", "b", "web", mesh.server_command("web-2", "tcp:80", "udp:53"), app="web", version="2"),
        pod("caller", "a"), pod("intruder", "b"),
        service("web", {"app": "web"}, ("tcp", 80), ("udp", 53)),
        service("web-1", {"version": "1"}, ("tcp", 80), ("udp", 53)),
        service("web-2", {"version": "2"}, ("tcp", 80), ("udp", 53)))


ACCESS = text(route("web", 80), route("dns", 53, kind="UDPRoute"),
              target("web", "web", ["caller"], [("TCPRoute", "web"), ("UDPRoute", "dns")]))


def split(**weights):
    return text(thing("split.smi-spec.io/v1alpha4", "TrafficSplit", "web", spec={
        "service": "web", "backends": [{"service": name.replace("_", "-"), "weight": weight}
                                       for name, weight in weights.items()]}))


class Smoke:
    """The steps, on a mesh that runs."""

    def __init__(self, mesh, report):
        self.mesh, self.report = mesh, report
        status = mesh.status()
        self.pods = {one["name"]: one["addresses"] for one in status["pods"]}
        self.services = {one["name"]: one["clusterIPs"] for one in status["services"]}

    def everything(self):
        """A probe of each kind to every address that a caller could use."""
        probes = []
        for name in ("web-1", "web-2", "web"):
            for address in self.pods.get(name, []) + self.services[name]:
                probes.append({"proto": "tcp", "address": address, "port": 80})
                probes.append({"proto": "udp", "address": address, "port": 53})
        return [dict(probe, timeout=PROBE_TIMEOUT_S) for probe in probes]

    def probe(self, who, probes):
        return list(zip(probes, self.mesh.probe(who, probes)))

    def arrivals(self, who):
        """How much of a pod's the servers have seen so far."""
        return sum(one["peer"] in self.pods[who] for server in ("web-1", "web-2")
                   for one in self.mesh.received(server))

    def check_refused(self, who, when):
        before = self.arrivals(who)
        # an unconnected UDP socket that is refused on the receiver's node would see silence
        probes = [dict(probe, connected=True) for probe in self.everything()]
        wrong = [pair for pair in self.probe(who, probes)
                 if pair[1]["ok"] or pair[1]["errno"] not in REFUSALS]
        self.report.check("%s is refused everywhere, %s" % (who, when), not wrong, wrong)
        arrived = self.arrivals(who) - before
        self.report.check("nothing of %s arrives, %s" % (who, when), not arrived, arrived)

    def check_allowed(self, who, when):
        found = self.probe(who, self.everything())
        for family, mark in (("IPv4", "."), ("IPv6", ":")):
            for proto in ("tcp", "udp"):
                mine = [pair for pair in found
                        if mark in pair[0]["address"] and pair[0]["proto"] == proto]
                wrong = [pair for pair in mine
                         if not pair[1]["ok"] or pair[1]["peer"] != pair[0]["address"]]
                self.report.check("%s calls by %s, %s, %s; the socket shows the address it called"
                                  % (who, proto, family, when), mine and not wrong, wrong)

    def check_split(self, expected, when):
        for address in self.services["web"]:
            probe = {"proto": "tcp", "address": address, "port": 80, "count": SPLIT_CALLS,
                     "timeout": PROBE_TIMEOUT_S}
            result = self.mesh.probe("caller", [probe])[0]
            self.report.check("%s: calls of %s go to %s" % (when, address, " and ".join(expected)),
                              set(result["servers"]) == set(expected) and not result["failures"], result)

    def check_verified(self, when):
        for name in NODES:
            done = self.mesh.weft(name, "verify")
            self.report.check("weft verify on %s, %s" % (name, when), done.returncode == 0,
                              done.stdout + done.stderr)

    def check_node(self):
        code, answers, errors = self.mesh.weft_json("a", "check")
        # of the whole kernel's switches a node of the playground sees none
        bad = [one for one in answers or [] if one["name"] != "bpf jit" and
               one["state"] not in ("ok", "warning")]
        self.report.check("weft check", code == 0 and answers and not bad, (code, bad, errors))

    def check_agent_down(self):
        self.mesh.agent("a", "kill")
        self.check_allowed("caller", "while its agent is dead")
        self.mesh.agent("b", "kill")
        self.check_refused("intruder", "while all agents are dead")
        for name in NODES:
            self.mesh.agent(name, "start")
        self.check_verified("after the agents' return")
        self.check_allowed("caller", "after the agents' return")

    def check_revocation(self):
        targets = [["tcp", address, 80] for address in self.services["web"] + self.pods["web-2"]]
        with Load(self.mesh, "caller", "hold", targets, timeout=PROBE_TIMEOUT_S, pause=0.05) as load:
            revoked = time.monotonic()
            self.mesh.delete(ACCESS)
            time.sleep(max(0.0, revoked + CUT_WITHIN_S - time.monotonic()))
            held = load.stop()
        alive = [one for one in held if one["broken"] not in CUTS or not one["exchanges"]]
        self.report.check("live connections are cut when the rule goes", not alive, held)
        self.check_refused("caller", "after the revocation")

    def run(self):
        self.check_node()
        self.check_refused("caller", "without a rule")
        self.mesh.apply(ACCESS)
        self.check_allowed("caller", "with a rule")
        self.check_refused("intruder", "with a rule for another")
        self.mesh.apply(split(web_1=1, web_2=1))
        self.check_split(["web-1", "web-2"], "half and half")
        self.mesh.apply(split(web_1=0, web_2=1))
        self.check_split(["web-2"], "none and all")
        self.check_verified("with rules and a split")
        self.check_agent_down()
        self.check_revocation()
        self.check_verified("after the revocation")


def check_gone(report, name):
    left = [str(path) for pattern in ("/run/netns/*", "/run/weft-playground/*", "/sys/fs/bpf/*",
                                      "/sys/fs/cgroup/weft-playground/*")
            for path in pathlib.Path("/").glob(pattern[1:]) if name in str(path)]
    report.check("down leaves nothing", not left, left)


def run(report):
    """All steps; a step that raises ends them, as one failure."""
    mesh = Mesh()
    try:
        with mesh:
            mesh.up(objects(mesh))
            report.check("up", True)
            Smoke(mesh, report).run()
    except (PlaygroundError, subprocess.TimeoutExpired, AssertionError, KeyError, OSError, ValueError) as problem:
        report.check("smoke test", False, "%s: %s" % (type(problem).__name__, problem))
    check_gone(report, mesh.name)

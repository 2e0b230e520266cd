# SPDX-License-Identifier: Apache-2.0
"""A mesh with live connections of every kind (live.py) towards one server, and what became of
them after a change."""
import ipaddress
import itertools
import re
import subprocess
import time

from mesh import wait_until

WITHIN_S = 1.0
PORT, KEPT, OUTBOUND = 7001, 7002, 7005
KINDS = ("idle", "busy", "stuffed", "half")
FAMILIES = {"v4": (False, False), "v6": (True, False), "mapped": (False, True)}
CUT = {"ECONNRESET", "ECONNABORTED"}
# The kernel's word for a reset when the other end had already finished sending.
CUT_HALF = CUT | {"EPIPE"}
REFUSED = {"EACCES", "ECONNREFUSED"}
ADDRESS = re.compile(r"\[?([0-9a-f:.]+?)(?:%\w+)?\]?:\d+$")


class Scene:
    """The mesh and its connections. Pod `server` listens."""

    def __init__(self, mesh, callers):
        self.mesh, self.callers = mesh, callers
        self.places, self._own = set(), {}
        self.live("server").call(listen=[PORT, KEPT])
        self.live("keeper-a").call(listen=[OUTBOUND])

    def live(self, place):
        return self.callers.get(place, program="live.py")

    def wanted(self, port, kinds=KINDS, to="server"):
        for kind, (family, (six, mapped)) in itertools.product(kinds, FAMILIES.items()):
            yield {"name": "%s %d %s" % (family, port, kind), "port": port, "kind": kind,
                   "address": self.callers.address(to, six), "mapped": mapped}

    def open(self, place, port, kinds=KINDS, to="server"):
        """Connections of all kinds and families; every one must come about."""
        answers = self.live(place).call(open=list(self.wanted(port, kinds, to)))
        assert not any(answers.values()), "%s: %s" % (place, answers)
        self.places.add(place)

    def refused(self, place, port):
        """New connections of every family fail at once."""
        wanted = list(self.wanted(port, ["idle"]))
        begin = time.monotonic()
        answers = self.live(place).call(open=wanted)
        assert set(answers.values()) <= REFUSED, "%s: %s" % (place, answers)
        assert time.monotonic() - begin < 0.1 * len(wanted)

    def judged(self, place, port):
        """New connections of every family come about, and what is no HTTP is refused on them."""
        answers = self.live(place).call(open=list(self.wanted(port, ["idle"])))
        assert set(answers.values()) == {"403"}, "%s: %s" % (place, answers)

    def admitted(self, place, port, since):
        """New connections of every family succeed within a second of the change."""
        answers = self.live(place).call(open=list(self.wanted(port, ["idle"])))
        while any(answers.values()) and time.monotonic() - since < WITHIN_S:
            answers = self.live(place).call(open=list(self.wanted(port, ["idle"])))
        assert not any(answers.values()), "%s: %s" % (place, answers)

    def close(self):
        for place in self.places | {"server", "keeper-a"}:
            self.live(place).call(close=True)
        self.places = set()

    # --- what became of them

    def addresses(self, place):
        """From where a place calls the server."""
        if self.callers.has_own_netns(place):
            return set(self.callers.pods[place]["addresses"])
        if place not in self._own:
            self._own[place] = set(self.callers.get(place).call(
                route=[self.callers.address("server", six) for six in (False, True)]))
        return self._own[place]

    def _ends(self, place, port):
        """[(where, name, report)] of both ends of a place's connections on this port."""
        ends = [(place, name, one) for name, one in self.live(place).call(report=True).items()
                if " %d " % port in name]
        own = self.addresses(place)
        return ends + [("server", name, one)
                       for name, one in self.live("server").call(report=True).items()
                       if name.rpartition(":")[0] in own and " %d " % port in name]

    def check_cut(self, place, port, since):
        """All its connections on this port are cut in time, at both ends; no socket is left."""
        def all_cut():
            return all(one["cut"] for _, _, one in self._ends(place, port))
        try:
            wait_until(all_cut, since + 2 * WITHIN_S - time.monotonic(), "end")
        except AssertionError:
            pass  # told in detail below
        ends = self._ends(place, port)
        assert len(ends) == 2 * len(KINDS) * len(FAMILIES), "%d ends: %s" % (len(ends), ends)
        wrong = [text for end in ends for text in describe_wrong(*end, since)]
        assert not wrong, "\n".join(wrong[:30])
        left = self.sockets(place, port, self.addresses("server"))
        left += self.sockets("server", port, self.addresses(place))
        assert not left, "\n".join(left)

    def check_alive(self, place, port, since):
        """None of its connections on this port was touched; the busy ones are heard of."""
        ends = self._ends(place, port)
        assert ends
        wait_until(lambda: all(one["last"] > since for _, _, one in self._ends(place, port)
                               if one["kind"] == "busy"), 2, "traffic on what is still allowed")
        wrong = ["%s %s (%s): %s" % (where, name, one["kind"], one["cut"])
                 for where, name, one in self._ends(place, port) if one["cut"]]
        assert not wrong, "\n".join(wrong[:30])

    def sockets(self, place, port, peers):
        """TCP sockets in a place that talk with these peers on this port, as `ss` has them."""
        where = (self.callers.pods.get(place) or self.callers.nodes.get(place)
                 or self.callers.outside)["netns"]
        lines = subprocess.run(
            ["nsenter", "--net=" + where, "ss", "-Htn", "state", "connected", "exclude", "time-wait",
             "( sport = :%d or dport = :%d )" % (port, port)],
            check=True, capture_output=True, text=True).stdout.splitlines()
        return ["%s: %s" % (place, line) for line in lines if peer_of(line) in peers]


def peer_of(line):
    """The peer's address in a line of ss."""
    address = ipaddress.ip_address(ADDRESS.match(line.split()[-1]).group(1))
    return str(getattr(address, "ipv4_mapped", None) or address)


def describe_wrong(where, name, one, since):
    who = "%s %s (%s)" % (where, name, one["kind"])
    if not one["cut"]:
        return [who + " lives"]
    how, when = one["cut"]
    wrong = []
    if how not in (CUT_HALF if one["kind"].startswith("half") else CUT):
        wrong.append("%s ended by %s" % (who, how))
    if when - since > WITHIN_S:
        wrong.append("%s cut after %.2f s" % (who, when - since))
    return wrong

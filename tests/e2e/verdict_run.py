# SPDX-License-Identifier: Apache-2.0
"""Makes thousands of calls and holds what sockets experienced, and what reached the servers,
against what should have come of each.

Every call has a source port of its own, so that each record of a server belongs to one call.
"""
import collections
import itertools

FIRST_PORT = 10000
SLOW_MS = 100
# A SYN or question that had to be sent again: lost, not late.
LOST_MS = 900
# A refusal that came late because this machine was busy is asked for again.
TRIES = 3
# Callers that work at the same time.
LANES = 3
PATIENCE_S = 0.4
SILENCE = frozenset({("silence", "wait")})
ANSWERED = frozenset({("ok", "receive")})
# The connection is opened, what is said on it is refused.
FORBIDDEN = frozenset({("403", "receive")})

# How an address is called: (protocol, connected, family, mapped).
Way = collections.namedtuple("Way", "proto connected six mapped")
WAYS = tuple(Way(proto, connected, six, mapped)
             for proto, connected in (("tcp", True), ("udp", True), ("udp", False))
             for six, mapped in ((False, False), (True, False), (False, True)))

# place, hooked: see Callers.get(); claim: the address it pretends to have, or "";
# outcomes: what its socket may experience, as (outcome, stage); arrives: whether the server sees it;
# say: in place of a line that is no HTTP.
Call = collections.namedtuple("Call", "place hooked claim pod way port outcomes arrives say", defaults=("",))


def describe(call):
    way = call.way
    return "%s%s%s -> %s %s%s%s port %d%s" % (
        call.place, "" if call.hooked else " (past its cgroup)",
        " as " + call.claim if call.claim else "", call.pod,
        "" if way.connected else "unconnected ", way.proto,
        " mapped" if way.mapped else " v6" if way.six else " v4", call.port,
        " saying %r" % call.say if call.say else "")


def expected_records(call):
    """What the server records of it: a refused request leaves a connection without a byte."""
    if not call.arrives:
        return ()
    if call.way.proto == "udp":
        return ("datagram",)
    return ("accept",) if call.outcomes == FORBIDDEN else ("accept", "data")


class Runner:
    """Runs calls in a mesh whose servers are pods with server.py."""

    def __init__(self, mesh, callers, servers):
        self.mesh, self.callers, self.servers = mesh, callers, servers
        self.ports = itertools.count(FIRST_PORT)
        self.seen = collections.Counter()  # records of a server that were looked at
        self.made = 0
        self._own = {}

    def own_address(self, place, six):
        """From where a place calls the pods."""
        if self.callers.has_own_netns(place):
            return self.callers.address(place, six)
        if place not in self._own:
            towards = [self.callers.address(self.servers[0], family) for family in (False, True)]
            self._own[place] = self.callers.get(place).call(route=towards)
        return self._own[place][1 if six else 0]

    def _probe(self, call, from_port):
        probe = {"proto": call.way.proto, "connected": call.way.connected, "port": call.port,
                 "mapped": call.way.mapped, "from": [call.claim, from_port],
                 "address": self.callers.address(call.pod, call.way.six),
                 "silent": call.outcomes == SILENCE}
        return {**probe, "say": call.say} if call.say else probe

    def make(self, calls):
        """[(call, source port, outcome, stage, ms)]"""
        batches = collections.defaultdict(list)
        for call in calls:
            batches[call.place, call.hooked].append((call, next(self.ports)))
        results, working = [], collections.deque()
        for key, batch in batches.items():
            if len(working) == LANES:
                results += self._finish(*working.popleft())
            caller = self.callers.get(*key)
            caller.ask(probes=[self._probe(*one) for one in batch], patience=PATIENCE_S)
            working.append((caller, batch))
        for caller, batch in working:
            results += self._finish(caller, batch)
        self.made += len(results)
        return results

    @staticmethod
    def _finish(caller, batch):
        return [(*one, *result) for one, result in zip(batch, caller.answer())]

    def records(self):
        """New records of all servers: (pod, event, peer, peer port, port) -> how many."""
        new = collections.Counter()
        for pod in self.servers:
            lines = self.mesh.received(pod)
            for line in lines[self.seen[pod]:]:
                if line["event"] in ("accept", "data", "datagram"):
                    new[pod, line["event"], line["peer"], line["peer_port"], line["port"]] += 1
            self.seen[pod] = len(lines)
        return new

    def check(self, calls):
        """Makes the calls; everything that is wrong with them, as texts."""
        wrong, should, late = [], collections.Counter(), list(calls)
        for attempt in range(1, TRIES + 1):
            calls, late = late, []
            for call, from_port, outcome, stage, ms in self.make(calls):
                if (outcome, stage) not in call.outcomes:
                    wrong.append("%s: %s at %s after %.0f ms, not one of %s" % (
                        describe(call), outcome, stage, ms, sorted(call.outcomes)))
                elif outcome != "ok" and call.outcomes != SILENCE and ms >= SLOW_MS:
                    late.append(call)
                    if attempt == TRIES or ms > LOST_MS:
                        wrong.append("%s: refused after %.0f ms" % (describe(call), ms))
                for event in expected_records(call):
                    should[call.pod, event, self.own_address(call.place, call.way.six),
                           from_port, call.port] += 1
        arrived = self.records()
        for key in sorted((arrived - should) + (should - arrived), key=str):
            wrong.append("%s: %d arrived, %d should" % (key, arrived[key], should[key]))
        return wrong

    def explain(self, node, questions):
        """questions: [(place, pod, six, port, proto, (verdict, reason))]. What the evaluator and
        the kernel of this node say otherwise, as texts."""
        lines = ["%s %s %d/%s\n" % (self.own_address(place, six), self.callers.address(pod, six),
                                    port, proto)
                 for place, pod, six, port, proto, _ in questions]
        answers = self.mesh.explain(node, "".join(lines))
        assert len(answers) == len(questions)
        return ["on %s: %s -> %s: %s: %s says %s, the specification %s" % (
                    node, question[0], question[1], line.strip(), who, said, tuple(question[-1]))
                for line, question, answer in zip(lines, questions, answers)
                for who, said in answer.items() if said != tuple(question[-1])]


def assert_right(wrong, runner):
    """Fails with what is wrong, in full sentences."""
    if wrong:
        raise AssertionError("%d wrong of %d calls so far:\n%s" % (
            len(wrong), runner.made, "\n".join(wrong[:40])))

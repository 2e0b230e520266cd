# SPDX-License-Identifier: Apache-2.0
"""The verdict matrix: what the specification says, what the reference evaluator and the kernel
answer, what the callers' sockets experience and what reaches the servers - all the same."""
import itertools

import pytest

import verdict_cases as cases
from callers import Callers
from mesh import Mesh
from verdict_run import SILENCE, WAYS, Call, Runner, assert_right

# Whose address a spoofing pod takes: a pod's, its node's, another node's, the world's.
VICTIMS = ("allowed-a", "node-a", "node-b", "outside")


def calls_of(phase, ways):
    for source, destination in itertools.product(cases.SOURCES, cases.DESTINATIONS):
        for hooked, way, port in itertools.product((True, False), ways, cases.PORTS):
            if not hooked and source.kind != "pod":
                continue
            verdict = cases.expect(source, destination, cases.PHASES[phase], way.proto, port)
            # A line, and where HTTP rules judge a request as well.
            for say in ("", cases.REQUEST) if verdict.reason == "http" else ("",):
                outcomes = cases.outcomes(verdict, source, destination, way, hooked, say)
                yield Call(source.name, hooked, "", destination.pod, way, port, outcomes,
                           verdict.action != "deny", say)


def victim_address(callers, victim, six):
    if victim == "outside":
        return callers.outside["addresses"][1 if six else 0]
    return (callers.nodes.get(victim) or callers.pods[victim])["addresses"][1 if six else 0]


def spoofed_calls(callers, phase, ways):
    for source, victim, destination, way, hooked in itertools.product(
            cases.SPOOFERS, VICTIMS, cases.DESTINATIONS, ways, (True, False)):
        verdict = cases.expect(source, destination, cases.PHASES[phase], way.proto, 7001)
        outcomes = cases.outcomes(verdict, source, destination, way, hooked)
        if "EACCES" not in {outcome for outcome, _ in outcomes}:
            outcomes = SILENCE
        yield Call(source.name, hooked, victim_address(callers, victim, way.six), destination.pod,
                   way, 7001, outcomes, False)


def questions_of(phase):
    for source, destination, proto, six, port in itertools.product(
            cases.SOURCES, cases.DESTINATIONS, ("tcp", "udp"), (False, True), cases.PORTS):
        verdict = cases.expect(source, destination, cases.PHASES[phase], proto, port)
        yield source, (source.name, destination.pod, six, port, proto, verdict)


def check_answers(runner, phase):
    questions = list(questions_of(phase))
    wrong = runner.explain("node-a", [question for _, question in questions])
    # The caller's side of the same verdicts.
    return wrong + runner.explain("node-b", [
        question for source, question in questions
        if source.kind == "pod" and source.node == "node-b"])


def enter_phase(mesh, phase):
    rules = cases.PHASES[phase]
    if rules:
        mesh.apply(cases.as_list(cases.rule_objects(rules)))
    elif phase != "none":
        mesh.delete(cases.as_list([one for one in cases.rule_objects(cases.PHASES["any"])
                                   if one["kind"] == "TrafficTarget"]))


def take_addresses(callers):
    """What NET_ADMIN in a pod allows: to take any address."""
    for spoofer in cases.SPOOFERS:
        lines = []
        for victim in VICTIMS:
            lines.append("address add %s/32 dev eth0" % victim_address(callers, victim, False))
            lines.append("address add %s/128 dev eth0 nodad" % victim_address(callers, victim, True))
        callers.mesh.exec(spoofer.name, "ip", "-batch", "-", namespace=spoofer.namespace,
                          text="\n".join(lines) + "\n")


@pytest.fixture(scope="module", params=["bridge", "routed"])
def runner(request):
    with Mesh(topology=request.param) as mesh:
        mesh.up(cases.as_list(cases.cluster(mesh.server_command)))
        with Callers(mesh) as callers:
            made = Runner(mesh, callers, [one.pod for one in cases.DESTINATIONS])
            # Routed pods differ in how packets reach the hooks, not in what is judged.
            made.ways = WAYS if request.param == "bridge" else [
                way for way in WAYS if way.connected and not way.mapped]
            take_addresses(callers)
            yield made


@pytest.mark.parametrize("phase", cases.PHASES)
def test_everybody_agrees(runner, phase):
    enter_phase(runner.mesh, phase)
    wrong = check_answers(runner, phase) + runner.check(calls_of(phase, runner.ways))
    assert_right(wrong, runner)


def test_spoofed_packets_disappear(runner):
    enter_phase(runner.mesh, "any")
    wrong = runner.check(spoofed_calls(runner.callers, "any", runner.ways))
    assert_right(wrong, runner)

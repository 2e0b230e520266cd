# SPDX-License-Identifier: Apache-2.0
"""IdentityBindings of every scheme as source and as destination, every version of the API, and
destination.port in all its shapes: what stands in the objects is what the sockets experience."""
import itertools

import pytest

import binding_cases as cases
from callers import Callers
from mesh import Mesh
from verdict_cases import REQUEST, Verdict, as_list, refusals
from verdict_run import ANSWERED, FORBIDDEN, WAYS, Call, Runner, assert_right

CLIENTS, SERVERS = cases.subjects("client"), cases.subjects("server")
# IPv4, and IPv6 for the other protocol: families do not matter to who is meant.
MIXED = [way for way in WAYS if way.connected and not way.mapped and way.six == (way.proto == "udp")]
BOTH = [way for way in WAYS if way.connected and not way.mapped]


@pytest.fixture(scope="module")
def runner():
    with Mesh() as mesh:
        mesh.up(as_list(list(cases.cluster(mesh.server_command))))
        with Callers(mesh) as callers:
            yield Runner(mesh, callers, [one.name for one in SERVERS] + ["versions", *cases.ALL_PORTS])


def calls_of(source, pod, way, port, verdict, hooked):
    def call(outcomes, arrives, say=""):
        return Call(source.name, hooked, "", pod, way, port, outcomes, arrives, say)
    if verdict.action == "deny":
        return [call(refusals(way, hooked), False)]
    if verdict.reason == "http":
        return [call(FORBIDDEN, True), call(ANSWERED, True, REQUEST)]
    return [call(ANSWERED, True)]


def check(runner, asked, hooked=True):
    """asked: [(source, pod, way, port, verdict)]"""
    wrong = runner.check([call for one in asked for call in calls_of(*one, hooked)])
    # Both nodes compile the same objects: each is asked every other question.
    for name, share in (("node-a", asked[::2]), ("node-b", asked[1::2])):
        wrong += runner.explain(name, [(source.name, pod, way.six, port, way.proto, verdict)
                                       for source, pod, way, port, verdict in share])
    assert_right(wrong, runner)


def pairs():
    for source, destination, port, way in itertools.product(CLIENTS, SERVERS, cases.PAIRS, MIXED):
        yield source, destination.name, way, port, cases.expect_pair(source, destination, port)


def test_every_scheme_with_every_other(runner):
    check(runner, list(pairs()))


def test_past_the_callers_own_hooks(runner):
    """A sample suffices: the same policy is asked by the other side."""
    check(runner, list(pairs())[::7], hooked=False)


def test_versions_and_destination_ports(runner):
    check(runner, [(source, "versions", way, port, cases.expect_version(source, way.proto, port))
                   for source, way, port in itertools.product(CLIENTS, BOTH, cases.VERSION_PORTS)])


def test_routes_without_ports_cover_all_tcp_ports(runner):
    asked = []
    for source, pod, way, port in itertools.product(CLIENTS, cases.ALL_PORTS, BOTH,
                                                    cases.ALL_PORTS_PROBED):
        allowed = source.account == "main" and way.proto == "tcp"
        asked.append((source, pod, way, port,
                      Verdict("allow", "policy") if allowed else Verdict("deny", "no_rule")))
    check(runner, asked)


def test_findings_name_what_grants_nothing(runner):
    """Every object that grants nothing is told about; no other is."""
    found = {(item["object"]["kind"], item["object"]["name"])
             for item in runner.mesh.findings("node-a")}
    bindings = {("IdentityBinding", name) for name in ("foreign-domain", "foreign-namespace", "both",
                                                       "spiffe-or-labels")}
    assert bindings <= found
    assert ("TrafficTarget", "v-no-such-name") in found
    well = {("IdentityBinding", name) for name, (schemes, _) in cases.SCHEMES.items()
            if schemes} - bindings
    well |= {("TrafficTarget", "v-" + name) for name, case in cases.CASES.items()
             if case.grants}
    assert not well & found
    assert ("TrafficTarget", "v-contradiction") in found

# SPDX-License-Identifier: Apache-2.0
"""HTTP rules of TrafficTargets: what is allowed is answered by the server, what is not by weft, and
the server hears nothing of it."""
import collections

import pytest

import http_mesh
from http_mesh import (SPACE, HttpMesh, Keeper, assert_answered, assert_denied, each_family,
                       each_server, get, is_weft, need, needs_rules)
from mesh import wait_until

REFUSED = {"EACCES", "ECONNREFUSED"}


@pytest.fixture(scope="module")
def scene():
    with HttpMesh() as made:
        yield made


@pytest.fixture(autouse=True)
def present(scene, request):
    parameters = getattr(request.node, "callspec", None)
    if parameters and "server" in parameters.params:
        need(scene, parameters.params["server"])


@each_family
@each_server
def test_allowed(scene, server, six):
    assert_answered(scene.say("caller", server, get("/ok/a"), six=six))
    assert_answered(scene.say("local", server, get("/readable", "HEAD"), six=six, methods=["HEAD"]))
    assert_answered(scene.say("caller", server, get("/guarded", headers="X-Token: good\r\nx-kind: b\r\n"), six=six))


@needs_rules
@each_family
@each_server
def test_denied(scene, server, six):
    denied = [get("/secret/path"), get("/readable/secret", "POST", "Content-Length: 0\r\n"),
              get("/guarded/secret"), get("/guarded/secret", headers="X-Token: bad\r\nX-Kind: a\r\n"),
              get("/secret/1.0", version="HTTP/1.0"), get("/secret/own", "PURGE")]
    for place in ("caller", "local"):
        talks = [scene.talk(server, text, six=six, linger=1) for text in denied]
        for result in scene.talk_all(place, talks):
            assert_denied(result)
            assert result["end"] == "fin" and result["rest"] == "", result
    scene.never_seen("secret")


@needs_rules
@each_server
def test_head_is_refused_without_a_body(scene, server):
    result = scene.say("caller", server, get("/secret", "HEAD"), methods=["HEAD"], linger=1)
    assert_denied(result)
    assert result["rest"] == "" and result["end"] == "fin", result


@needs_rules
def test_a_stranger_does_not_get_a_connection(scene):
    for six in (False, True):
        result = scene.say("stranger", "python", get("/ok/stranger"), six=six)
        assert result["stage"] == "connect" and result["end"] in REFUSED, result
    scene.never_seen("stranger")


@each_family
@each_server
def test_keep_alive(scene, server, six):
    """A hundred requests on one connection, each after the answer to the one before."""
    keeper = Keeper(scene, "caller")
    assert keeper.open("kept", server, six) is True
    statuses = {keeper.status("kept", "/ok/kept/%d" % number) for number in range(100)}
    assert statuses == {200}
    assert len([1 for _, target in scene.seen(server) if target.startswith("/ok/kept/")]) >= 100


@needs_rules
@each_family
@each_server
def test_denied_on_a_connection_that_was_used(scene, server, six):
    keeper = Keeper(scene, "caller")
    for path in ("/ok/used", "/secret/used"):
        assert keeper.open("used", server, six) is True
        for _ in range(3):
            assert keeper.status("used", "/ok/used") == 200
        assert keeper.status("used", path) == (200 if path == "/ok/used" else "weft")
    assert keeper.status("used", "/ok/late") in ("fin", "ECONNRESET", "EPIPE")
    scene.never_seen("secret")
    scene.never_seen("late")


@needs_rules
@each_family
@each_server
@pytest.mark.parametrize("joined", (True, False), ids=("one-segment", "segments"))
def test_pipelined_allowed_denied_allowed(scene, server, six, joined):
    mark = "p%d%d" % (six, joined)
    result = scene.say("caller", server, get("/ok/first-" + mark), get("/secret/" + mark),
                       get("/ok/third-" + mark), answers=2, linger=1, six=six, joined=joined, wait=5)
    assert_denied(result, before=1)
    assert result["rest"] == "", result
    wait_until(lambda: "/ok/first-" + mark in scene.targets(server), what="the first request")
    scene.never_seen("secret")
    scene.never_seen("third-" + mark)


@needs_rules
@each_server
def test_denied_behind_a_long_answer(scene, server):
    """The refusal waits for a download's end, or the connection is reset; it is never inside."""
    if server not in ("nginx", "httpd", "go", "python", "haproxy-http", "haproxy-tcp"):
        pytest.skip("%s has no files to send" % server)
    result = scene.say("caller", server, get("/ok/files/3000000"), get("/secret/behind"), answers=2,
                       linger=1, joined=True, wait=8)
    assert result["answers"] or result["end"] == "reset", result
    if result["answers"]:
        assert result["answers"][0]["length"] == 3000000, result
    if len(result["answers"]) == 2:
        assert is_weft(result["answers"][1]), result
    scene.never_seen("secret")


@each_server
def test_connection_close(scene, server):
    for headers, version in (("Connection: close\r\n", "HTTP/1.1"), ("", "HTTP/1.0")):
        result = scene.say("caller", server, get("/ok/close", headers=headers, version=version), linger=2)
        assert_answered(result)
        assert result["end"] == "fin", result


def test_the_node_itself_is_not_judged(scene):
    """As a kubelet's probes are: from the pod's own node any request passes."""
    for server in scene.servers:
        for six in (False, True):
            result = scene.say("node-a", server, get("/healthz/%d" % six, headers="User-Agent: kube-probe/1.31\r\n"),
                               six=six)
            assert len(result["answers"]) == 1 and not is_weft(result["answers"][0]), result
            wait_until(lambda: "/healthz/%d" % six in scene.targets(server), what="the probe")
            elsewhere = scene.say("node-b", server, get("/ok/elsewhere"), six=six)
            assert elsewhere["stage"] == "connect" and elsewhere["end"] in REFUSED, elsewhere
    scene.never_seen("elsewhere")


def test_an_l4_rule_makes_http_rules_irrelevant(scene):
    result = scene.say("direct", "python", get("/anything"), get("/else"), answers=2)
    assert_answered(result, 2)
    result = scene.say("direct", "python", "no HTTP at all\r\n\r\n", answers=1)
    assert result["answers"] and not is_weft(result["answers"][0]) or result["rest"], result


@needs_rules
def test_refusals_are_counted_by_reason(scene):
    cases = {"no_http_rule": get("/secret/counted"), "ambiguous_path": get("/ok/%2e%2e/secret"),
             "http_version": "GET /ok/secret\r\n", "http_host": "GET /ok/secret HTTP/1.1\r\n\r\n",
             "http_content_length": get("/ok/secret", "POST", "Content-Length: 1\r\nContent-Length: 1\r\n"),
             "http2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "tls": "\x16\x03\x01\x00\x75\x01"}
    scene.telemetry.verdicts("reason")
    for text in cases.values():
        for six in (False, True):
            scene.say("caller", "nginx", text, six=six)

    def counted():
        found = scene.telemetry.verdicts("reason", "verdict", "hook", "protocol")
        total.update(found)
        return all(total[reason, "deny", "to_pod", "tcp"] == 2 for reason in cases)
    total = collections.Counter()
    wait_until(counted, 3, "the counters")
    events = [one for one in scene.telemetry.events("request", "denied", "verdict", "would_deny")
              if one.get("reason") in cases]
    assert {one["reason"] for one in events} >= set(cases), events[:3]


@needs_rules
def test_permissive_namespaces_deny_nothing(scene):
    scene.apply(http_mesh.namespace("permissive"))
    try:
        scene.telemetry.verdicts("reason")
        for server in scene.servers:
            for six in (False, True):
                result = scene.say("caller", server, get("/unruly/path"), get("/ok/b"), answers=2, six=six)
                assert len(result["answers"]) == 2 and not any(map(is_weft, result["answers"])), result
            assert "/unruly/path" in scene.targets(server)
        # Not even what is no HTTP, and connections that it was said on go on.
        result = scene.say("caller", "python", "gibberish / HTTP/1.1\r\n\r\n", get("/ok/after"), answers=2, gap=0.05)
        assert not any(map(is_weft, result["answers"])), result
        result = scene.say("stranger", "python", get("/unruly/stranger"))
        assert_answered(result)
        verdicts = scene.telemetry.verdicts("reason", "verdict")
        assert verdicts["no_http_rule", "would_deny"] == 2 * len(scene.servers), verdicts
        assert not [one for one in verdicts if one[1] == "deny"], verdicts
    finally:
        scene.apply(http_mesh.namespace())
    result = scene.say("caller", "python", get("/secret/again"))
    assert_denied(result)


@needs_rules
def test_rules_by_port(scene):
    """A TCPRoute beside HTTP matches narrows them to its ports."""
    scene.apply(http_mesh.cases.route("TCPRoute", "backend", SPACE, [9000]),
                http_mesh.permission("callers", ["caller"], ("HTTPRouteGroup", "pages"), ("TCPRoute", "backend")))
    try:
        for six in (False, True):
            assert_answered(scene.say("caller", "nginx", get("/ok/there"), six=six, port=9000))
            assert_denied(scene.say("caller", "nginx", get("/secret/there"), six=six, port=9000))
            result = scene.say("caller", "nginx", get("/ok/elsewhere"), six=six)
            assert result["stage"] == "connect" and result["end"] in REFUSED, result
    finally:
        scene.apply(*http_mesh.rules())
    assert_answered(scene.say("caller", "nginx", get("/ok/back")))
    scene.never_seen("secret")
    scene.never_seen("elsewhere")

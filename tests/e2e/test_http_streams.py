# SPDX-License-Identifier: Apache-2.0
"""Connections that are slow, cut, upgraded, half closed or aborted, at every point."""
import json
import subprocess

import pytest

from http_mesh import (BASELINE, HttpMesh, assert_answered, assert_denied, each_family, each_server, get,
                       is_weft, need, needs_rules)
from mesh import wait_until

UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
OPAQUE = "\x81\x05hello" + get("/secret/frame") + "\r\n\r\n\0\xff"


@pytest.fixture(scope="module")
def scene():
    with HttpMesh("nginx", "httpd", "python", "node", "go", "haproxy-http", "java") as made:
        yield made


@pytest.fixture(autouse=True)
def present(scene, request):
    parameters = getattr(request.node, "callspec", None)
    if parameters and "server" in parameters.params:
        server = parameters.params["server"]
        need(scene, server)
        if server not in scene.servers:
            pytest.skip("%s is like another here: test_http_corpus.py has it" % server)


def split_everywhere(text):
    return [(text[:place], text[place:]) for place in range(1, len(text))]


@each_family
@each_server
def test_heads_split_at_every_byte(scene, server, six):
    text = get("/guarded/split?x=y", headers="X-Token: good\r\nX-Kind: a\r\n")
    talks = [scene.talk(server, *parts, six=six, gap=0.004) for parts in split_everywhere(text)]
    for result in scene.talk_all("caller", talks, 32):
        assert_answered(result)


@needs_rules
@each_family
@each_server
def test_denied_heads_split_at_every_byte(scene, server, six):
    for text in (get("/secret/split"), get("/guarded/secret", headers="X-Token: bad\r\nX-Kind: a\r\n")):
        talks = [scene.talk(server, *parts, six=six, gap=0.004, linger=1) for parts in split_everywhere(text)]
        for result in scene.talk_all("caller", talks, 32):
            assert_denied(result)
            assert result["end"] == "fin" and not result["rest"], result
    scene.never_seen("secret")


@each_server
def test_chunks_split_at_every_byte(scene, server):
    text = get("/ok/upload/chunks", "POST", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n"
    text += "\r\n" if server == "java" else "X: y\r\n\r\n"  # it knows no trailers
    talks = [scene.talk(server, *parts, gap=0.004) for parts in split_everywhere(text)]
    for result in scene.talk_all("caller", talks, 32):
        assert_answered(result)
        if server in ("python", "node", "go", "java"):
            assert " 13 " in result["answers"][0]["body"], result


@each_family
@each_server
def test_a_byte_at_a_time(scene, server, six):
    text = get("/ok/upload/slow", "POST", "X-A: b\r\nContent-Length: 5\r\n", body="12345") + get("/ok/slow/2")
    result = scene.say("caller", server, *text, six=six, gap=0.002, answers=2)
    assert_answered(result, 2)


@needs_rules
@each_family
@each_server
def test_denied_a_byte_at_a_time(scene, server, six):
    text = get("/ok/slow/1") + get("/secret/slow") + get("/ok/secret/later")
    result = scene.say("caller", server, *text, six=six, gap=0.002, answers=2, linger=1, wait=6)
    assert_denied(result, before=1)
    scene.never_seen("secret")


@each_server
def test_half_closed(scene, server):
    for text in (get("/ok/half"), get("/ok/half/body", "POST", "Content-Length: 3\r\n", body="abc")):
        plain, guarded = (scene.say(place, server, text, fin=True, linger=2) for place in ("direct", "caller"))
        assert [one["status"] for one in plain["answers"]] == [one["status"] for one in guarded["answers"]]
        assert guarded["end"] == plain["end"], (plain, guarded)


@needs_rules
@each_family
@pytest.mark.parametrize("close", ("fin", "reset"))
@pytest.mark.parametrize("server", ("python", "nginx", "node"))
def test_aborted_at_every_byte(scene, server, six, close):
    """Nothing that was not complete is a request, and the server goes on."""
    for text in (get("/ok/secret/abort"), get("/secret/abort")):
        talks = [scene.talk(server, text[:length], six=six, answers=0, **(
            {"fin": True, "linger": 1} if close == "fin" else {"close": "reset"})) for length in range(len(text))]
        for result in scene.talk_all("caller", talks, 32):
            assert not [one for one in result["answers"] if not is_weft(one)], result
    assert_answered(scene.say("caller", server, get("/ok/alive"), six=six))
    scene.never_seen("secret")


@each_family
@each_server
def test_expect_continue(scene, server, six):
    text = get("/ok/upload/expect", "POST", "Content-Length: 5\r\nExpect: 100-continue\r\n")
    result = scene.say("caller", server, text, then=["hello"], six=six, linger=0.5, wait=3)
    assert [one["status"] for one in result["answers"]] == [100], result
    assert result["rest"].startswith("HTTP/1.1 200"), result
    if server != "httpd":
        assert "/ok/upload/expect 5 2cf24dba" in result["rest"], result


@needs_rules
@each_server
def test_expect_is_refused_at_once(scene, server):
    text = get("/secret/expect", "POST", "Content-Length: 5\r\nExpect: 100-continue\r\n")
    result = scene.say("caller", server, text, linger=1)
    assert_denied(result)
    scene.never_seen("secret")


@each_family
@pytest.mark.parametrize("server", ("python", "node", "go"))
def test_websocket(scene, server, six):
    """After 101 the bytes are nobody's business, whatever they look like."""
    result = scene.say("caller", server, get("/ok/ws", headers=UPGRADE), then=[OPAQUE], six=six, linger=0.4)
    assert [one["status"] for one in result["answers"]] == [101], result
    assert result["rest"] == OPAQUE, result
    scene.never_seen("secret")


@pytest.mark.parametrize("server", ("python", "node", "go"))
def test_connect(scene, server):
    text = "CONNECT allowed.example:443 HTTP/1.1\r\nHost: allowed.example:443\r\n\r\n"
    result = scene.say("caller", server, text, then=[OPAQUE], methods=["CONNECT"], linger=0.4)
    assert [one["status"] for one in result["answers"]] == [200], result
    assert result["rest"] == OPAQUE, result


@needs_rules
@pytest.mark.parametrize("server", ("nginx", "httpd", "java"))
def test_an_upgrade_that_the_server_declines(scene, server):
    """Then requests go on, and are judged."""
    result = scene.say("caller", server, get("/ok/declined", headers=UPGRADE), then=[get("/ok/next")], linger=0.4)
    assert_answered(result)
    assert result["rest"].startswith("HTTP/1.1 200"), result
    result = scene.say("caller", server, get("/ok/declined", headers=UPGRADE), then=[get("/secret/next")], linger=4)
    assert "server: weft" in result["rest"].lower() and result["end"] == "fin", result
    result = scene.say("caller", server, get("/ok/declined", headers=UPGRADE), get("/secret/next"), joined=True,
                       answers=2, wait=6)
    assert len(result["answers"]) <= 2 and not [
        one for one in result["answers"][1:] if not is_weft(one)], result
    scene.never_seen("secret")


@needs_rules
@pytest.mark.parametrize("server", ("python", "node", "go"))
def test_what_is_sent_before_the_upgrade_is_answered(scene, server):
    """It is held back until the server has said 101, and then it is opaque."""
    result = scene.say("caller", server, get("/ok/ws", headers=UPGRADE), OPAQUE, joined=True, linger=2, wait=3)
    assert [one["status"] for one in result["answers"]] == [101], result
    assert result["rest"] == OPAQUE, result
    scene.never_seen("secret")


def set_offloads(scene, place, value):
    """On both ends of a pod's link."""
    link = json.loads(subprocess.run(inside(scene, place, "ip", "-j", "link", "show", "eth0"), check=True,
                                     capture_output=True, text=True).stdout)[0]
    node = scene.callers.pods[place]["node"]
    links = json.loads(scene.mesh.on_node(node, "ip", "-j", "link"))
    name = next(one["ifname"] for one in links if one["ifindex"] == link["link_index"])
    options = [word for kind in ("tx", "rx", "tso", "gso", "gro") for word in (kind, value)]
    subprocess.run(inside(scene, place, "ethtool", "-K", "eth0", *options), check=True, capture_output=True)
    scene.mesh.on_node(node, "ethtool", "-K", name, *options)


def inside(scene, place, *command):
    return ["nsenter", "--net=" + scene.callers.pods[place]["netns"], *command]


@each_family
def test_without_offloads(scene, six):
    """Segments of wire size, checksums in place."""
    body = {"repeat": "0123456789", "times": 500000}
    for place in ("caller", "python"):
        set_offloads(scene, place, "off")
    try:
        result = scene.say("caller", "python", get("/ok/upload", "PUT", "Content-Length: 5000000\r\n"), body,
                           get("/ok/files/3000000"), get("/ok/last"), six=six, answers=3, wait=5)
        assert_answered(result, 3)
        assert " 5000000 " in result["answers"][0]["body"] and result["answers"][1]["length"] == 3000000, result
        if not BASELINE:
            assert_denied(scene.say("caller", "python", get("/ok/1"), get("/secret/2"), six=six, answers=2,
                                    joined=True, wait=6), before=1)
    finally:
        for place in ("caller", "python"):
            set_offloads(scene, place, "on")
    wait_until(lambda: "/ok/last" in scene.targets("python"), what="the last request")
    scene.never_seen("secret")

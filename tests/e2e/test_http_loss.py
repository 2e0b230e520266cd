# SPDX-License-Identifier: Apache-2.0
"""A network that loses, doubles and reorders packets in both directions, in front of weft's hooks
and behind them (lossy.bpf.c at both ends): what is allowed completes byte for byte, what is denied
never gets through.

One family with offloads, the other without; WEFT_TEST_HTTP_ROUNDS=n does everything n times, by
both families in turn.
"""
import hashlib
import os
import subprocess

import pytest

from http_mesh import HttpMesh, assert_answered, get, is_weft, needs_rules
from mesh import HERE, PYTHON
from api import BUILD  # mesh says where it is

SERVERS = ("python", "nginx", "go")
ROUNDS = int(os.environ.get("WEFT_TEST_HTTP_ROUNDS", "1"))
OBJECT = BUILD / "tests" / "e2e" / "lossy.bpf.o"
MARK = "0x10557"
# A lost SYN makes a sender's time-out some seconds long, and it doubles with every further loss.
PATIENCE_S = 60
UPLOAD = 4000000
SHORT_CHUNKS = 1000
each_round = pytest.mark.parametrize("number", range(ROUNDS))


class BadNetwork:
    """Around a pod, until the end of the block."""

    def __init__(self, scene, place, offloads):
        self.netns, self.offloads = scene.callers.pods[place]["netns"], offloads
        self.delayer = None

    def run(self, *command):
        subprocess.run(["nsenter", "--net=" + self.netns, *command], check=True, capture_output=True)

    def __enter__(self):
        self.run("ip", "link", "add", "detour0", "index", "4242", "type", "veth", "peer", "name", "detour1")
        for name in ("detour0", "detour1"):
            self.run("sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % name)
            self.run("ip", "link", "set", name, "up")
        if not self.offloads:
            self.run("ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off")
        # Frames for delayer.py must be whole, with their checksums.
        self.run("ethtool", "-K", "detour0", "tx", "off", "tso", "off", "gso", "off")
        self.delayer = subprocess.Popen(
            ["nsenter", "--net=" + self.netns, PYTHON, str(HERE / "delayer.py"), "detour1", "eth0", MARK],
            stdout=subprocess.PIPE, text=True)
        assert self.delayer.stdout.readline() == "ready\n"
        self.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
        for way, section in (("ingress", "classifier"), ("egress", "tc")):
            self.run("tc", "filter", "add", "dev", "eth0", way, "bpf", "da", "obj", str(OBJECT), "sec", section)
        return self

    def __exit__(self, *_):
        self.run("tc", "qdisc", "del", "dev", "eth0", "clsact")
        self.delayer.kill()
        self.delayer.wait()
        self.delayer.stdout.close()
        self.run("ip", "link", "del", "detour0")
        if not self.offloads:
            self.run("ethtool", "-K", "eth0", "tx", "on", "tso", "on", "gso", "on")


@pytest.fixture(scope="module", params=(True, False), ids=("offloads", "wire-size"))
def scene(request):
    with HttpMesh(*SERVERS) as made:
        with BadNetwork(made, "caller", request.param), BadNetwork(made, "python", request.param), \
                BadNetwork(made, "nginx", request.param):
            made.offloads = request.param
            yield made


def family(scene, number):
    """Is it IPv6's turn?"""
    return bool((number + scene.offloads) % 2)


def digest_of(text, times):
    return hashlib.sha256(text.encode() * times).hexdigest()


@each_round
def test_requests_are_answered(scene, number):
    """One after the other, at once, and in pieces."""
    six = family(scene, number)
    one = get("/ok/lossy/%d" % number, headers="X-Filler: %s\r\n" % ("y" * 300))
    whole = one * 30
    pieces = [whole[start:start + 997] for start in range(0, len(whole), 997)]
    bytewise = list(get("/ok/lossy/bytes")) + [get("/ok/lossy/last")]
    post = get("/ok/upload/lossy", "POST", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n" * 50 + "0\r\n\r\n"
    for server in ("python", "nginx"):
        talks = [scene.talk(server, *[one] * 30, six=six, answers=30, wait=PATIENCE_S),
                 scene.talk(server, *pieces, six=six, answers=30, wait=PATIENCE_S, gap=0.0005),
                 scene.talk(server, *bytewise, six=six, answers=2, wait=PATIENCE_S, gap=0.001),
                 scene.talk(server, post, one, six=six, answers=2, wait=PATIENCE_S)] * 4
        for talk, result in zip(talks, scene.talk_all("caller", talks, len(talks))):
            assert_answered(result, talk["answers"])


@each_round
def test_bodies_are_whole(scene, number):
    six = family(scene, number)
    text, times = "0123456789abcdef", UPLOAD // 16
    plain = get("/ok/upload/length", "PUT", "Content-Length: %d\r\n" % UPLOAD)
    chunked = get("/ok/upload/chunked", "PUT", "Transfer-Encoding: chunked\r\n") + "%x\r\n" % UPLOAD
    body = {"repeat": text, "times": times}
    digest = digest_of(text, times)
    # What is lost of chunks as short as these comes again with whatever is around them.
    short = {"repeat": "3e8\r\n%s\r\n" % (text * 63)[:1000], "times": SHORT_CHUNKS}
    for server in ("python", "nginx"):
        talks = [scene.talk(server, plain, body, get("/ok/files/3000000"), six=six, answers=2, wait=PATIENCE_S),
                 scene.talk(server, chunked, body, "\r\n0\r\n\r\n", get("/ok/lossy/after"), six=six, answers=2,
                            wait=PATIENCE_S),
                 scene.talk(server, get("/ok/upload/chunks", "PUT", "Transfer-Encoding: chunked\r\n"), short,
                            "0\r\n\r\n", get("/ok/lossy/after"), six=six, answers=2, wait=PATIENCE_S)]
        wanted = [(UPLOAD, digest)] * 2 + [(SHORT_CHUNKS * 1000, digest_of((text * 63)[:1000], SHORT_CHUNKS))]
        for result, (length, sha256) in zip(scene.talk_all("caller", talks, len(talks)), wanted):
            assert_answered(result, 2)
            assert result["answers"][0]["body"].split()[2:] == [str(length), sha256], result
        download = hashlib.sha256((bytes(range(256)) * 11719)[:3000000]).hexdigest()
        assert scene.say("caller", server, get("/ok/files/3000000"), six=six, wait=PATIENCE_S)["answers"][0][
            "sha256"] == download


@needs_rules
@each_round
def test_denied_requests_do_not_arrive(scene, number):
    six = family(scene, number)
    secret = get("/secret/lossy", headers="X-Filler: %s\r\n" % ("z" * 300))
    allowed = get("/ok/lossy/before")
    for server in ("python", "nginx"):
        sends = ([secret], [allowed, secret, allowed], list(secret[:60]) + [secret[60:]],
                 [allowed * 5 + secret + allowed], [secret[:10], secret[10:150], secret[150:]],
                 [get("/ok/upload/x", "POST", "Content-Length: 3\r\n", body="abc") + secret])
        talks = [scene.talk(server, *send, six=six, answers=9, wait=PATIENCE_S, gap=0.001) for send in sends] * 3
        for talk, result in zip(talks, scene.talk_all("caller", talks, len(talks))):
            assert result["end"] in ("fin", "reset", "EPIPE"), (talk, result)
            assert not any(map(is_weft, result["answers"][:-1])), (talk, result)
            expected = "".join(talk["send"]).split("GET /secret")[0].count("Host:")
            own = [one for one in result["answers"] if not is_weft(one)]
            assert len(own) <= expected, (talk, result)
    scene.never_seen("secret", quiet=0.5)

# SPDX-License-Identifier: Apache-2.0
"""A client that speaks TCP as it likes: segments that the server loses and weft does not, other
bytes in their place, overlaps, urgent data, handshakes in the middle. Whatever it does, the server
must not log a request that no rule allows.

WEFT_TEST_HTTP_ROUNDS: all attacks from both nodes by both families, not just half of them.
"""
import itertools
import json
import os
import random
import subprocess

import pytest

from http_mesh import HttpMesh, get, needs_rules
from http_raw import ACK, FIN, PSH, RST, SYN, URG
from mesh import HERE, PYTHON, wait_until

SERVERS = ("python", "nginx", "go", "node")
EVERY_WAY = list(itertools.product(("caller", "local"), (False, True)))
SOME_WAYS = EVERY_WAY if "WEFT_TEST_HTTP_ROUNDS" in os.environ else [("caller", True), ("local", False)]
BATCH = 150
# What the pod's own kernel says to connections that it does not know.
MUTE = "table inet mute { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }"
# Why a server drops a segment that looks fine.
LOST = {
    "checksum": {"checksum": True}, "old-timestamp": {"ts": -50000}, "no-ack-flag": {"flags": PSH},
    "ack-of-the-future": {"ack": 100000}, "ack-of-the-past": {"ack": -(1 << 30)}, "no-flags": {"flags": 0},
    "md5-option": {"options": "1312" + "00" * 16}, "syn-flag": {"flags": SYN | ACK},
    "reset-beside": {"flags": RST | ACK | PSH, "far": 1 << 20}, "beyond-the-window": {"far": 4 << 20},
    "long-ago": {"far": -(1 << 20)}, "ip-checksum": {"ip_checksum": True},
    "no-timestamp": {"options": "01010101"},
}
# Where in the head it happens; 4 to 11 is what tells allowed from secret.
PLACES = ((0, None), (0, 12), (4, 11), (4, None), (0, -2), (6, -1), (7, 8), (10, 30))


class Scripts:
    """Streams of the same length, of which one is allowed, and what to do with them."""

    def __init__(self):
        self.scripts, self.names = [], []
        self.dice = random.Random(4)

    def add(self, name, steps, **more):
        number = len(self.scripts)
        isn = (1 << 32) - self.dice.randint(1, 60) if number % 3 == 0 else self.dice.getrandbits(32)
        self.scripts.append(dict({"isn": isn, "timestamps": True, "steps": steps}, **more))
        self.names.append(name)


def part(text, start=0, end=None, base=0, **odd):
    """A segment with these bytes of a stream."""
    end = len(text) if end is None else end if end >= 0 else len(text) + end
    return dict({"at": base + start, "bytes": text[start:end]}, **odd)


def pair(number, prefix=""):
    """(allowed, secret), equally long."""
    return tuple(prefix + get("/%s/%05d" % (word, number)) for word in ("ok/abc", "secret"))


def insist(text, base=0):
    """The rest of an attack: all of it again and again."""
    return [[part(text, base=base)], [part(text, base=base), {"pause": 0.05, "at": 0}],
            [part(text, len(text) // 2, base=base)], [part(text, 0, len(text) // 2, base=base)]]


def lost_then_other(scripts):
    """The server drops the allowed bytes; then come others in their place."""
    body = get("/ok/body", "POST", "Content-Length: 6\r\n", body="123456")
    for (way, odd), (start, end), order, prefix in itertools.product(
            LOST.items(), PLACES, ("gap", "at-once", "behind"), ("", body)):
        allowed, secret = pair(len(scripts.scripts), prefix)
        start, end = start + len(prefix), (end if end is None or end < 0 else end + len(prefix))
        begin = [[part(allowed, 0, start)]] if start else []
        lost, other = part(allowed, start, end, **odd), part(secret, start, end)
        stop = len(allowed) if end is None else end if end >= 0 else len(allowed) + end
        rest = part(allowed, stop)
        if order == "gap":
            steps = [[lost], [rest], [other]]
        elif order == "at-once":
            steps = [[lost, other, rest]]
        else:
            steps = [[lost], [dict(other, bytes=other["bytes"] + allowed[stop:])]]
        scripts.add("%s %s %s-%s%s" % (way, order, start, end, " body" if prefix else ""),
                    begin + steps + insist(secret))


def overlaps(scripts):
    for start, end in itertools.product((0, 3, 4, 5, 9, 11), (5, 10, 12, 30, None)):
        allowed, secret = pair(len(scripts.scripts))
        scripts.add("overlap %s-%s" % (start, end), [[part(allowed, 0, end)], [part(secret, start)], *insist(secret)])
        allowed, secret = pair(len(scripts.scripts))
        scripts.add("first the later %s-%s" % (start, end), [
            [part(secret, start)], [part(allowed, 0, end)], [part(secret, start)], *insist(secret)])
        allowed, secret = pair(len(scripts.scripts))
        scripts.add("all at once %s-%s" % (start, end), [
            [part(allowed, 0, end), part(secret, start), part(allowed, 0, end), part(secret, 0, end)], *insist(secret)])


def tiny(scripts):
    """Each byte is lost once and comes again, another one where it counts."""
    for way in ("checksum", "old-timestamp", "no-ack-flag"):
        allowed, secret = pair(len(scripts.scripts))
        steps = [[part(allowed, place, place + 1, **LOST[way]), {"at": place}, part(secret, place, place + 1)]
                 for place in range(len(allowed))]
        scripts.add("tiny " + way, steps + insist(secret))
        allowed, secret = pair(len(scripts.scripts))
        steps = [[part(allowed, place, place + 1, **LOST[way]) for place in range(len(allowed))],
                 [part(secret, place, place + 1) for place in range(len(allowed))]]
        scripts.add("tiny rows " + way, steps + insist(secret))
    for flags in (ACK, ACK | FIN, ACK | PSH, ACK | RST, SYN, SYN | ACK, FIN, RST):
        allowed, secret = pair(len(scripts.scripts))
        scripts.add("empty %d" % flags, [[part(allowed, 0, 20)], [{"at": 20, "flags": flags}], [part(secret, 0)], *insist(secret)])
        allowed, secret = pair(len(scripts.scripts))
        scripts.add("empty beside %d" % flags, [
            [part(allowed, 0, 3)], [{"at": 3, "flags": flags, "far": 1 << 24}], *insist(secret), *insist(allowed)])


def urgent(scripts):
    """The byte that the pointer names is not part of the stream."""
    for pointer, flags in itertools.product((1, 6, 7, 12, 40), (ACK | URG, ACK | URG | PSH, ACK | URG | FIN)):
        allowed, _ = pair(len(scripts.scripts))
        scripts.add("urgent %d %d" % (pointer, flags), [[part(allowed, flags=flags, urgent=pointer)], *insist(allowed)])
        allowed, _ = pair(len(scripts.scripts))
        scripts.add("urgent byte %d %d" % (pointer, flags), [
            [part(allowed, 0, 5)], [part(allowed, 5, 6, flags=flags, urgent=1)], [part(allowed, 6)], *insist(allowed)])
        allowed, secret = pair(len(scripts.scripts))
        scripts.add("pointer alone %d %d" % (pointer, flags), [
            [{"at": 0, "flags": flags, "urgent": pointer}], [part(allowed)], *insist(secret)])


def handshakes(scripts):
    for text in ("secret", "allowed"):
        allowed, secret = pair(len(scripts.scripts))
        said = secret if text == "secret" else allowed
        other = allowed if text == "secret" else secret
        scripts.add("data in SYN: " + text, [[part(other)], *insist(secret)], syn=said)
    for far, flags, again in itertools.product((0, 1, 1000, 1 << 30), (SYN, SYN | PSH, SYN | ACK, SYN | FIN, SYN | RST),
                                               (False, True)):
        allowed, secret = pair(len(scripts.scripts))
        second = {"at": -1, "flags": flags, "far": far, "bytes": secret if again else ""}
        scripts.add("SYN in the middle %d %d %s" % (far, flags, again), [
            [part(allowed, 0, 8)], [second], [part(secret, 8), part(secret, far=far)], *insist(secret)])
        allowed, secret = pair(len(scripts.scripts))
        second = {"at": -1, "flags": flags, "far": far, "bytes": allowed if again else ""}
        scripts.add("SYN after a request %d %d %s" % (far, flags, again), [
            [part(allowed)], [second], [part(allowed, far=far)],
            [part(secret, base=len(allowed))], *insist(secret, len(allowed))])
    for flags, far in itertools.product((RST, RST | ACK, FIN | ACK, FIN), (0, 1, 50, 1 << 16, 1 << 20, -1)):
        allowed, secret = pair(len(scripts.scripts))
        scripts.add("end %d %d" % (flags, far), [
            [part(allowed)], [{"at": len(allowed), "flags": flags, "far": far}],
            [part(secret, base=len(allowed))], *insist(secret, len(allowed))])
        allowed, secret = pair(len(scripts.scripts))
        scripts.add("end inside %d %d" % (flags, far), [
            [part(allowed, 0, 10)], [{"at": 10, "flags": flags, "far": far}], [part(secret, 10)], *insist(secret)])


def odd_headers(scripts):
    for name, odd in (("offset-4", {"offset": 4}), ("offset-15", {"offset": 15}), ("offset-6", {"offset": 6}),
                      ("options-endless", {"options": "08000000"}), ("options-end", {"options": "00fffe01"})):
        allowed, secret = pair(len(scripts.scripts))
        scripts.add(name, [[part(allowed, **odd)], [part(secret)], *insist(secret)])
        allowed, secret = pair(len(scripts.scripts))
        scripts.add(name + " secret", [[part(secret, **odd)], *insist(secret)])


class Mallory:
    """http_raw.py in a caller's pod."""

    def __init__(self, scene, place):
        self.scene, self.place = scene, place
        subprocess.run(self.inside("nft", MUTE), check=True)
        own = self.ask("link", "show", "eth0")["address"]
        self.process = subprocess.Popen(self.inside(PYTHON, str(HERE / "http_raw.py"), "eth0", own),
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.hops = {server: self.next_hop(server) for server in scene.servers}

    def inside(self, *command):
        return ["nsenter", "--net=" + self.scene.callers.pods[self.place]["netns"], *command]

    def next_hop(self, server):
        for six in (False, True):  # so that the server's side knows ours, too
            subprocess.run(self.inside("ping", "-c1", "-W2", self.scene.address(server, six)), check=True,
                           stdout=subprocess.DEVNULL)
        route = self.ask("route", "get", self.scene.address(server))
        return self.ask("neigh", "show", route.get("gateway", route["dst"]))["lladdr"]

    def ask(self, *words):
        return json.loads(subprocess.run(self.inside("ip", "-j", *words), check=True, capture_output=True,
                                         text=True).stdout)[0]

    def play(self, server, six, scripts):
        results = []
        for start in range(0, len(scripts), BATCH):
            request = {"source": self.scene.callers.address(self.place, six), "port": 80,
                       "address": self.scene.address(server, six), "hop": self.hops[server],
                       "scripts": scripts[start:start + BATCH]}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            results += json.loads(self.process.stdout.readline())
        return results

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def scene():
    with HttpMesh(*SERVERS) as made:
        yield made


@pytest.fixture(scope="module")
def mallory(scene, request):
    """On another node (caller), or on the server's (local)."""
    helper = Mallory(scene, request.param)
    yield helper
    helper.close()


def check(scene, mallory, server, six, scripts):
    """The names of the scripts that got something through, by their numbers in the log."""
    before = len(scene.seen(server))
    results = mallory.play(server, six, scripts.scripts)
    opened = sum(one["open"] for one in results)
    new = scene.seen(server)[before:]
    wrong = [one for one in new if not one[1].startswith("/ok")]
    told = [(scripts.names[int(target[-5:])] if target[-5:].isdigit() else "?", target) for _, target in wrong]
    assert not told, told
    return opened, results


def by(ways):
    return pytest.mark.parametrize("mallory, six", ways, indirect=["mallory"], scope="module",
                                   ids=["%s-v%d" % (place, 6 if six else 4) for place, six in ways])


@needs_rules
@by(SOME_WAYS)
@pytest.mark.parametrize("build", (lost_then_other, overlaps, tiny, urgent, handshakes, odd_headers),
                         ids=lambda build: build.__name__)
def test_attacks(scene, mallory, build, six):
    scripts = Scripts()
    build(scripts)
    for server in SERVERS[:1] if build is lost_then_other else SERVERS[:2]:
        opened, _ = check(scene, mallory, server, six, scripts)
        assert opened > 0.5 * len(scripts.scripts), (opened, len(scripts.scripts))


@by(EVERY_WAY)
def test_harmless_oddities(scene, mallory, six):
    """What a network does to a stream that is allowed: it is answered once it is all there."""
    scripts = Scripts()
    allowed = get("/ok/harmless") + get("/ok/harmless/2")
    cut = (0, 5, 17, len(get("/ok/harmless")) - 1, len(allowed) - 3)
    pieces = [part(allowed, start, end) for start, end in zip(cut, [*cut[1:], None])]
    again = [[part(allowed)], [{"at": len(allowed), "flags": ACK}]]
    scripts.add("whole", [[part(allowed)]])
    scripts.add("pieces", [[piece] for piece in pieces])
    scripts.add("twice each", [[piece, piece] for piece in pieces])
    scripts.add("the lot again", [[piece] for piece in pieces] + again)
    scripts.add("backwards", [[piece] for piece in reversed(pieces)] * len(pieces))
    scripts.add("lost and again", [[dict(piece, checksum=True)] for piece in pieces[:2]] + [[part(allowed)]])
    scripts.add("first lost", [[dict(pieces[0], checksum=True)], pieces[1:], [pieces[0]], pieces[1:], [part(allowed)]])
    scripts.add("joined again", [[dict(pieces[1], at=5)], [pieces[0], pieces[1]], [dict(pieces[0], bytes=allowed[:17])],
                                 pieces[2:], [part(allowed, 17)]])
    scripts.add("empty ones", [[{"at": 0, "flags": ACK}], pieces[:2], [{"at": 17, "flags": ACK}], pieces[2:]])
    scripts.add("keep-alive probes", [[part(allowed)], [{"at": len(allowed) - 1, "flags": ACK}],
                                      [{"at": len(allowed) - 1, "flags": ACK, "bytes": "\n"}]])
    # What a server drops, having no memory or a full backlog, its client sends again.
    chunks = get("/ok/harmless", "POST", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n" * 50 + "0\r\n\r\n"
    both = chunks + get("/ok/harmless/2")
    first, second = part(both, 0, len(chunks)), part(both, len(chunks))
    scripts.add("many chunks lost", [[dict(first, checksum=True)], [second], [first], [first], [second]])
    for server in SERVERS:
        results = mallory.play(server, six, scripts.scripts)
        answers = {name: one["received"].count("HTTP/1.1 200") for name, one in zip(scripts.names, results)}
        assert answers == {name: 2 for name in scripts.names}, (server, answers, results)
    wait_until(lambda: ("GET", "/ok/harmless/2") in scene.seen("python"), what="the log")


@by(EVERY_WAY)
def test_copies_in_other_segments(scene, mallory, six):
    """Lost behind weft, and sent again in halves: answered, or reset soon. A client that hears
    nothing waits for minutes, since it doubles its time-out at every try."""
    scripts = Scripts()
    allowed = get("/ok/halves") + get("/ok/halves/2")
    for place in (5, 30, len(get("/ok/halves")), len(allowed) - 1):
        halves = [part(allowed, 0, place)], [part(allowed, place)]
        scripts.add("halves %d" % place, [[part(allowed, checksum=True)], *halves * 8])
    for server in SERVERS[:2]:
        results = mallory.play(server, six, scripts.scripts)
        stalled = [name for name, one in zip(scripts.names, results)
                   if one["received"].count("HTTP/1.1 200") != 2 and not one["reset"]]
        assert not stalled, (server, stalled)


@needs_rules
@by(SOME_WAYS)
def test_a_connection_goes_on_beside_an_attack(scene, mallory, six):
    """Nobody pays for what others do."""
    scripts = Scripts()
    overlaps(scripts)
    talks = [scene.talk("python", *[get("/ok/beside")] * 20, answers=20, gap=0.01) for _ in range(4)]
    client = scene.callers.get("direct" if mallory.place == "caller" else "caller", program="http_client.py")
    client.ask(talks=talks)
    check(scene, mallory, "python", six, scripts)
    for result in client.answer():
        assert len(result["answers"]) == 20, result

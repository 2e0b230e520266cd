# SPDX-License-Identifier: Apache-2.0
"""The corpus of HTTP streams against real servers. The judge is each server's own log: what it
believes it received must be what the reference evaluator allows.

WEFT_TEST_HTTP_ROUNDS=n sends everything n times more, cut at random places.
"""
import collections
import os
import random
import time

import pytest

import http_corpus
from http_mesh import SPACE, HttpMesh, each_family, each_server, is_weft, need, needs_rules
from http_servers import NOT_UNDERSTOOD

STREAMS = http_corpus.streams()
BENIGN = [stream for stream in STREAMS if stream.benign]
ROUNDS = int(os.environ.get("WEFT_TEST_HTTP_ROUNDS", "0"))
RESET_S = 8  # a refusal may wait for an earlier answer, for 3 s, and then for a retransmission
SETTLE_S = 0.1  # for what is being logged
QUIET_S = 0.4  # long enough for an answer that should not come


@pytest.fixture(scope="module")
def scene():
    with HttpMesh() as made:
        yield made


@pytest.fixture(autouse=True)
def present(scene, request):
    need(scene, request.node.callspec.params["server"])


def judged(scene, server, six):
    """What the reference says of each stream, from the manifests that the agents read."""
    with http_corpus.Reference(scene.mesh.manifests_folder(), SPACE + "/caller", SPACE + "/" + server) as reference:
        return {stream.name: reference.ask(stream.data, family=6 if six else 4) for stream in STREAMS}


def cuts(data, pieces, dice):
    places = sorted(dice.sample(range(1, len(data)), min(pieces, len(data)) - 1)) if len(data) > 1 else []
    return [data[a:b].decode("latin-1") for a, b in zip([0, *places], [*places, len(data)])]


def talk(scene, server, stream, six, pieces=1, dice=random):
    denied = stream.end not in http_corpus.OPEN_ENDS
    one = scene.talk(server, *cuts(stream.data, pieces, dice), six=six, fin=stream.fin,
                     answers=stream.requests + denied, methods=methods_of(stream), wait=RESET_S)
    if stream.end == "incomplete":
        one["wait"] = QUIET_S
    elif denied:
        one["linger"] = QUIET_S
    return one


def methods_of(stream):
    """Of requests in one stream that have no bodies with the like in them, which is good enough."""
    return [line.split(b" ")[0].decode("latin-1") for line in stream.data.split(b"\r\n")
            if line.endswith((b"HTTP/1.1", b"HTTP/1.0"))]


def origin(target):
    """The target without scheme and authority: what some servers log."""
    if target[:7].lower() != "http://":
        return target
    rest = target[7:]
    return rest[rest.index("/"):] if "/" in rest else "/"


def believed(log):
    """{path of the log: requests in it}, as counters."""
    found = {}
    time.sleep(SETTLE_S)
    for path in log.paths:
        found[path] = collections.Counter()
        if path.exists():
            for words in (line.split(" ") for line in path.read_text(encoding="latin-1").splitlines()):
                found[path][words[0], words[1], origin((words + [""])[2])] += 1
    return found


def check_log(scene, server, before, answers, times):
    """Nothing but what the reference allows, and not more often than it was sent."""
    may = collections.Counter()
    for answer in answers.values():
        for method, target in http_corpus.allowed(answer):
            may[method, origin(target)] += times
    wrong = []
    for path, counts in believed(scene.logs[server]).items():
        for (status, method, target), count in (counts - before[path]).items():
            if status not in NOT_UNDERSTOOD and count > may[method, target]:
                wrong.append((path.name, status, method, target[:80], count, may[method, target]))
    assert not wrong, wrong


def wrong_outcome(stream, result):
    """Why the result cannot be, or None."""
    own = [answer for answer in result["answers"] if not is_weft(answer)]
    refused = len(own) < len(result["answers"])
    # A server may lose its patience with a head before weft does.
    if len([answer for answer in own if str(answer["status"]) not in NOT_UNDERSTOOD]) > stream.requests:
        return "answered more often than it was asked"
    if stream.end in http_corpus.OPEN_ENDS:
        return "refused by weft" if refused else None
    if refused and not is_weft(result["answers"][-1]):
        return "answered after the refusal"
    if result["rest"]:
        return "more came after the refusal"
    if result["end"] not in ("fin", "reset", "EPIPE"):
        return "still open"
    return None


@needs_rules
@each_family
@each_server
def test_hostile_and_benign(scene, server, six):
    """All at once, each on its own connection."""
    answers = judged(scene, server, six)
    for name, answer in answers.items():
        stream = next(one for one in STREAMS if one.name == name)
        assert (len(http_corpus.allowed(answer)), http_corpus.end_of(answer, stream.fin)) == \
            (stream.requests, stream.end)
    before = believed(scene.logs[server])
    results = scene.talk_all("caller", [talk(scene, server, one, six) for one in STREAMS], 32)
    wrong = [(stream.name, stream.end, why, result) for stream, result in zip(STREAMS, results)
             for why in [wrong_outcome(stream, result)] if why]
    check_log(scene, server, before, answers, 1)
    assert not wrong, (len(wrong), wrong[:5])


@each_family
@each_server
def test_benign_as_without_weft(scene, server, six):
    """Answered with the very statuses that callers without HTTP rules see."""
    talks = [dict(talk(scene, server, one, six), wait=2) for one in BENIGN]
    plain, guarded = (scene.talk_all(place, talks, 32) for place in ("direct", "caller"))

    def seen(result):
        return [(answer["status"], answer["length"]) for answer in result["answers"]], result["end"]
    differ = [(stream.name, seen(one), seen(other)) for stream, one, other in zip(BENIGN, plain, guarded)
              if seen(one) != seen(other)]
    assert not differ, (len(differ), differ[:10])
    answered = sum(bool(result["answers"]) for result in guarded)
    assert answered >= 100, [stream.name for stream, result in zip(BENIGN, guarded) if not result["answers"]]


@needs_rules
@pytest.mark.parametrize("server", ("python", "nginx"))
@pytest.mark.parametrize("number", range(1, ROUNDS + 1) or [0])
def test_cut_at_random(scene, server, number):
    """The same in several segments each; one server, one family, unless WEFT_TEST_HTTP_ROUNDS is set."""
    dice = random.Random(number)
    six = bool(number % 2)
    answers = judged(scene, server, six)
    before = believed(scene.logs[server])
    results = scene.talk_all("caller", [talk(scene, server, one, six, dice.randint(2, 6), dice)
                                        for one in STREAMS], 32)
    wrong = [(stream.name, stream.end, why, result) for stream, result in zip(STREAMS, results)
             for why in [wrong_outcome(stream, result)] if why]
    check_log(scene, server, before, answers, 1)
    assert not wrong, (len(wrong), wrong[:5])

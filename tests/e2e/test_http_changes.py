# SPDX-License-Identifier: Apache-2.0
"""Rules that change, agents that end, and pods that call others, while HTTP connections live."""
import contextlib
import json
import time

import pytest

import http_mesh
import promtext
import verdict_cases as cases
from http_mesh import (BASELINE, MATCHES, SPACE, HttpMesh, Keeper, assert_answered, assert_denied,
                       get, needs_rules, pages, permission)
from mesh import PYTHON, wait_until

BUSY = 64
CUT = {"ECONNRESET", "ECONNABORTED", "EPIPE", "fin"}
READABLE = next(one for one in MATCHES if one["name"] == "readable")
OTHER_OK = [{"name": "ok-%d" % number, "pathRegex": path, "methods": methods}
            for number, (path, methods) in enumerate((
                ("/ok/(busy|kept)", ["GET", "POST"]), ("/o[j-l].*", ["*"]), ("/other/[0-9]+", ["PUT"])))]
PEER_PORT = 7001
# Lines to and fro on an outbound connection, until standard input ends.
EXCHANGE = """
import socket, sys, select, time
address, port = sys.argv[1], int(sys.argv[2])
sock = socket.create_connection((address, port), 5)
sock.settimeout(5)
file, count = sock.makefile("rwb"), 0
print("running", flush=True)
while not select.select([sys.stdin], [], [], 0.001)[0]:
    file.write(b"GET /secret/outbound HTTP/1.1 %d\\n" % count + b"x" * 3000 + b"\\n")
    file.flush()
    assert file.readline().endswith(b" %d\\n" % count), "another line"
    assert len(file.readline()) > 3000
    count += 1
print(count, flush=True)
"""


def peer(mesh):
    """A pod outside the mesh that answers lines."""
    command = json.loads(mesh.server_command("peer", "tcp:%d" % PEER_PORT))
    return [cases.namespace_object("plain"), cases.pod("peer", "plain", "peer", "node-b", command)]


@pytest.fixture(scope="module")
def scene():
    with HttpMesh("nginx", "python", "go", objects=peer) as made:
        yield made


@contextlib.contextmanager
def changed(scene, *objects, verb="apply"):
    """The change, and the rules as they were."""
    scene.apply(*objects, verb=verb)
    try:
        yield
    finally:
        scene.apply(http_mesh.namespace(), *http_mesh.rules())


@contextlib.contextmanager
def busy(scene, place="caller", connections=BUSY, path="/ok/busy"):
    """Connections that all must stay; afterwards all their requests were answered."""
    keeper = Keeper(scene, place)
    servers = scene.servers
    keeper.busy([(server, bool(number), path) for number in range(2) for server in servers],
                connections // (2 * len(servers)) or 1)
    result = {}
    time.sleep(0.3)
    try:
        yield result
        time.sleep(0.3)
    finally:
        result.update(keeper.rest())
    assert result["requests"] > 200 and not result["failures"], result


def test_swaps_under_load(scene):
    """Rules that differ, but both allow it."""
    with busy(scene):
        for _ in range(8):
            scene.apply(pages(*OTHER_OK))
            scene.apply(pages())


def test_unrelated_changes_under_load(scene):
    extra = [{"name": "extra-%d" % number, "pathRegex": "/extra/%d/[a-z]+/x" % number, "methods": ["GET"]}
             for number in range(60)]
    more = [http_mesh.group("more", extra), permission("more", ["caller"], ("HTTPRouteGroup", "more"))]
    with busy(scene):
        for _ in range(3):
            scene.apply(*more)
            scene.apply(*more, verb="delete")


@needs_rules
def test_the_next_request_is_judged_by_the_new_rules(scene):
    keeper = Keeper(scene, "caller")
    places = [(server, six) for server in scene.servers for six in (False, True)]
    for server, six in places:
        assert keeper.open((server + str(six)), server, six) is True
        assert keeper.status(server + str(six), "/ok/first") == 200
    with changed(scene, pages(READABLE, {"name": "new", "pathRegex": "/new", "methods": ["GET"]})):
        for server, six in places:
            assert keeper.status(server + str(six), "/new/now") == 200
            assert keeper.status(server + str(six), "/ok/second") == "weft"
    scene.never_seen("/ok/second")
    for server, six in places:
        assert keeper.open(server + str(six), server, six) is True
        assert keeper.status(server + str(six), "/ok/again") == 200


@needs_rules
def test_a_change_is_in_force_within_a_second(scene):
    """Measured from outside, with requests under way."""
    keeper = Keeper(scene, "caller")
    for path, rules in (("/fresh", pages(*MATCHES, {"name": "fresh", "pathRegex": "/fresh", "methods": ["*"]})),):
        keeper.open("fresh", "nginx")
        assert keeper.status("fresh", path) == "weft"
        with changed(scene, rules):
            begin = scene.mesh.changed()
            keeper.open("fresh", "nginx")
            assert keeper.status("fresh", path) == 200
            assert time.monotonic() - begin < 1 + 0.5


@needs_rules
def test_a_head_that_was_begun_under_the_old_rules(scene):
    """Finished in time, it is judged by those; nothing that neither allows comes through."""
    halves = "GET /ok/half HTTP/1.1\r\nHo", "st: pod\r\n\r\n"
    secret = "GET /secret/half HTTP/1.1\r\nHo", "st: pod\r\n\r\n"
    talks = [scene.talk(server, *parts, six=six, gap=gap, linger=0.2, wait=6) for server in scene.servers
             for six in (False, True) for parts in (halves, secret) for gap in (0.2, 0.5, 2.5)]
    caller = scene.callers.get("caller", program=http_mesh.CLIENT)
    caller.ask(talks=talks, parallel=len(talks))
    time.sleep(0.1)
    with changed(scene, pages(READABLE)):
        results = caller.answer()
    for talk, result in zip(talks, results):
        if "secret" in talk["send"][0]:
            assert not [one for one in result["answers"] if not http_mesh.is_weft(one)], (talk, result)
        else:
            assert result["answers"] or result["end"] in ("reset", "fin"), (talk, result)
    scene.never_seen("secret")


@needs_rules
def test_revoked(scene):
    """No rule is left: live connections are cut, new ones refused."""
    keeper = Keeper(scene, "caller")
    for six in (False, True):
        keeper.open("revoked%d" % six, "python", six)
        assert keeper.status("revoked%d" % six, "/ok/1") == 200
    with changed(scene, permission("callers", ["caller"], ("HTTPRouteGroup", "pages")), verb="delete"):
        begin = scene.mesh.changed()
        time.sleep(max(0, begin + 1 - time.monotonic()))
        for six in (False, True):
            assert keeper.status("revoked%d" % six, "/secret/cut") in CUT
            assert keeper.open("again", "python", six) in ("EACCES", "ECONNREFUSED")
    scene.never_seen("secret")
    assert_answered(scene.say("caller", "python", get("/ok/back")))


@needs_rules
@pytest.mark.parametrize("before", ("l4-rule", "unmeshed"))
def test_connections_that_predate_the_rules_are_cut_once(scene, before):
    """Where their requests begin is not known."""
    if before == "l4-rule":
        scene.apply(permission("direct", ["direct", "caller"], ("TCPRoute", "any")))
    else:
        scene.apply(cases.namespace_object(SPACE))
    keeper = Keeper(scene, "caller")
    for six in (False, True):
        assert keeper.open("old%d" % six, "python", six) is True
        assert keeper.status("old%d" % six, "/anything") == 200
    scene.apply(http_mesh.namespace(), *http_mesh.rules())
    begin = scene.mesh.changed()
    time.sleep(max(0, begin + 1 - time.monotonic()))
    for six in (False, True):
        assert keeper.status("old%d" % six, "/secret/old") in CUT
        assert keeper.open("new%d" % six, "python", six) is True
    time.sleep(1.2)
    for six in (False, True):
        assert keeper.status("new%d" % six, "/ok/new") == 200
    scene.never_seen("secret")


@needs_rules
def test_what_an_l4_rule_allows_now_is_not_judged_any_more(scene):
    keeper = Keeper(scene, "caller")
    keeper.open("freed", "python")
    assert keeper.status("freed", "/ok/judged") == 200
    with changed(scene, permission("direct", ["direct", "caller"], ("TCPRoute", "any"))):
        assert keeper.status("freed", "/anything/free") == 200
        assert keeper.status("freed", "/anything/else") == 200


@pytest.mark.parametrize("verb", ("stop", "kill"))
def test_agents_that_end(scene, verb):
    """Their programs judge on; the next agents adopt everything, connections as well."""
    with busy(scene, connections=12):
        for node in ("node-a", "node-b"):
            scene.mesh.agent(node, verb)
        assert_answered(scene.say("caller", "nginx", get("/ok/orphan")))
        if not BASELINE:
            assert_denied(scene.say("caller", "nginx", get("/secret/orphan")))
            assert_denied(scene.say("caller", "go", get("/ok/1"), get("/secret/2"), answers=2, wait=6), before=1)
        for node in ("node-a", "node-b"):
            scene.mesh.agent(node, "start")
        for node in ("node-a", "node-b"):
            done = scene.mesh.weft(node, "verify")
            assert done.returncode == 0, done.stdout
    scene.never_seen("secret")


def test_what_a_pod_opens_itself_is_not_judged(scene):
    """Neither bytes that are no HTTP nor answers that look like requests; also across agents'
    ends, and beside inbound traffic."""
    talks = []
    for six in (False, True):
        command = [PYTHON, "-c", EXCHANGE, scene.callers.address("peer", six), str(PEER_PORT)]
        talks.append(scene.mesh.popen("nginx", *command, namespace=SPACE, stdin=-1, stdout=-1))
    try:
        assert [talk.stdout.readline() for talk in talks] == ["running\n"] * 2
        with busy(scene, connections=6):
            scene.apply(pages(*OTHER_OK))
            scene.mesh.agent("node-a", "kill")
            scene.mesh.agent("node-a", "start")
            scene.apply(pages())
        counts = [int(talk.communicate(timeout=10)[0]) for talk in talks]
        assert min(counts) > 20, counts
    finally:
        for talk in talks:
            talk.kill()
            talk.wait()


@needs_rules
def test_servers_call_each_other(scene):
    """Both ends are guarded."""
    with changed(scene, permission("peers", ["server"], ("HTTPRouteGroup", "pages"))):
        for six in (False, True):
            assert_answered(scene.say("nginx", "python", get("/ok/peer"), get("/ok/peer/2"), answers=2, six=six), 2)
            assert_denied(scene.say("nginx", "python", get("/secret/peer"), six=six))
    scene.apply(permission("peers", ["server"], ("HTTPRouteGroup", "pages")), verb="delete")
    scene.never_seen("secret")


@needs_rules
def test_requests_are_counted(scene):
    """By edge, rule, method and answer; the histogram has each once."""
    own = {"source_workload": "caller", "destination_workload": "go", "traffic_target": "callers",
           "route_group": "pages"}

    def total(name, **labels):
        return promtext.parse(scene.mesh.get("node-a", "/metrics")).total(name, **own, **labels)
    kinds = {("ok", "GET"): 40, ("readable", "HEAD"): 20}
    before = {kind: total("weft_http_requests_total", match=kind[0], method=kind[1], status_class="2xx")
              for kind in kinds}
    latencies = total("weft_http_request_duration_seconds_count")
    for number in range(20):
        result = scene.say("caller", "go", get("/ok/counted"), get("/readable", "HEAD"), get("/ok/counted"),
                           six=bool(number % 2), answers=3, methods=["GET", "HEAD", "GET"])
        assert_answered(result, 3)
    for kind, count in kinds.items():
        wait_until(lambda: total("weft_http_requests_total", match=kind[0], method=kind[1], status_class="2xx")
                   - before[kind] == count, 3, "%d more of %s" % (count, kind))
    assert total("weft_http_request_duration_seconds_count") - latencies == 60

# SPDX-License-Identifier: Apache-2.0
"""A mesh of real HTTP servers that HTTP rules guard, and their callers.

All servers run on node-a under one ServiceAccount. `caller` (node-b) and `local` (node-a) may send
what the route group `pages` allows, `direct` may connect as it likes: what it experiences is what
a mesh without HTTP rules gives; `stranger` may nothing.
WEFT_TEST_HTTP_BASELINE=1 gives all but the stranger what `direct` has: tests of allowed traffic
must pass all the same.
"""
import os
import time

import pytest

import http_servers
import verdict_cases as cases
from callers import Callers
from mesh import Mesh, wait_until
from telemetry import Telemetry

SPACE = "web"
BASELINE = bool(os.environ.get("WEFT_TEST_HTTP_BASELINE"))
CALLERS = {"caller": "node-b", "local": "node-a", "direct": "node-b", "stranger": "node-b"}
ACCOUNTS = {"local": "caller"}
CLIENT = "http_client.py"
OK = "/ok"
MATCHES = (
    {"name": "ok", "pathRegex": "/ok", "methods": ["*"]},
    {"name": "readable", "pathRegex": "/readable", "methods": ["GET", "HEAD"]},
    {"name": "guarded", "pathRegex": "/guarded", "methods": ["GET"],
     "headers": {"x-token": "^good$", "X-Kind": "a|b"}},
    {"name": "asterisk", "pathRegex": "\\*$", "methods": ["OPTIONS"]},
    {"name": "tunnel", "pathRegex": "allowed\\.example:443$", "methods": ["CONNECT"]},
)


def group(name, matches, space=SPACE, **annotations):
    return {"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "HTTPRouteGroup",
            "metadata": cases.metadata(name, space, annotations=annotations),
            "spec": {"matches": list(matches)}}


def pages(*matches):
    """The rules of `caller` and `local`: other ones in their place."""
    return group("pages", matches or MATCHES)


def account(name):
    return cases.account_ref(SPACE, name)


def permission(name, sources, *rules, to="server"):
    return cases.target(name, SPACE, account(to), [account(one) for one in sources], rules)


def rules():
    direct = ["direct", "caller"] if BASELINE else ["direct"]
    return [pages(), cases.route("TCPRoute", "any", SPACE),
            permission("callers", ["caller"], ("HTTPRouteGroup", "pages")),
            permission("direct", direct, ("TCPRoute", "any"))]


def namespace(mode="enforce", **annotations):
    return cases.namespace_object(SPACE, {"weft.dev/mesh": mode}, annotations)


def as_text(*objects):
    return cases.as_list(list(objects))


class Keeper:
    """http_keep.py in a pod."""

    def __init__(self, scene, place):
        self.scene, self.caller = scene, scene.callers.get(place, program="http_keep.py")

    def open(self, name, server, six=False, port=http_servers.PORT):
        return self.caller.call(open=name, address=self.scene.address(server, six), port=port)

    def ask(self, name, text):
        return self.caller.call(ask=name, send=text)

    def status(self, name, path):
        """The server's status, "weft" for a refusal, or how the connection ended."""
        answer = self.ask(name, get(path))
        return "weft" if answer.get("weft") else answer.get("error") or answer["status"]

    def busy(self, targets, connections):
        """`targets`: (server, six, path)"""
        self.caller.call(busy=[[self.scene.address(server, six), path] for server, six, path in targets],
                         connections=connections)

    def rest(self):
        return self.caller.call(rest=True)


class HttpMesh:
    """As a context manager: up with the named servers, or with all that this machine has.
    `objects(mesh)`: more of them."""

    def __init__(self, *names, objects=lambda mesh: [], topology="bridge"):
        self.mesh = Mesh(topology)
        self.missing = {name: server.missing() for name, server in http_servers.SERVERS.items()}
        self.servers = [name for name in names or self.missing if not self.missing[name]]
        self.objects = objects
        self.places, self.logs = {}, {}
        self.callers = None

    def __enter__(self):
        self.mesh.__enter__()
        try:
            self._start()
        except BaseException:
            self.mesh.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *problem):
        try:
            if self.callers:
                self.callers.__exit__(*problem)
        finally:
            self.mesh.__exit__(*problem)

    def _start(self):
        objects = [*map(cases.node, cases.NODES), namespace(), *rules(), *self.objects(self.mesh)]
        for name in self.servers:
            place = self.places[name] = http_servers.Place(self.mesh.folder.name, name)
            self.logs[name] = http_servers.Log(place)
            command = http_servers.command(http_servers.SERVERS[name], place)
            objects.append(cases.pod(name, SPACE, "server", "node-a", command))
        for name, node in CALLERS.items():
            objects.append(cases.pod(name, SPACE, ACCOUNTS.get(name, name), node, ["sleep", "infinity"]))
        self.mesh.up(as_text(*objects))
        self.callers = Callers(self.mesh)
        self.telemetry = Telemetry(self.mesh)
        wait_until(self._serving, 20, "all servers' answers to their node")

    def _serving(self):
        talks = [self.talk(name, "GET /ok/ready HTTP/1.1\r\nHost: a\r\n\r\n", wait=1) for name in self.servers]
        return all(one["answers"] for one in self.talk_all("node-a", talks))

    def apply(self, *objects, verb="apply"):
        getattr(self.mesh, verb)(as_text(*objects))

    def address(self, server, six=False):
        return self.callers.address(server, six)

    def talk(self, server, *send, six=False, **more):
        """What http_client.py shall do."""
        return {"address": self.address(server, six), "send": list(send), **more}

    def talk_all(self, place, talks, parallel=16):
        if not talks:
            return []
        caller = self.callers.get(place, program=CLIENT)
        return caller.call(talks=talks, parallel=parallel)

    def say(self, place, server, *send, **more):
        return self.talk_all(place, [self.talk(server, *send, **more)])[0]

    def url(self, server, path, six=False):
        return ("http://[%s]%s" if six else "http://%s%s") % (self.address(server, six), path)

    def run(self, place, *command, **more):
        """Output of a program in a caller's pod."""
        return self.mesh.exec(place, *command, namespace=SPACE, **more)

    def seen(self, server):
        """The requests that the server believes it received so far."""
        return list(self.logs[server].requests())

    def targets(self, server):
        return {target for _, target in self.seen(server)}

    def never_seen(self, mark, quiet=0.05):
        """No server has a request with this mark in its target."""
        time.sleep(quiet)
        for name in self.servers:
            found = [one for one in self.seen(name) if mark in one[1]]
            assert not found, (name, found)


def get(path, method="GET", headers="", version="HTTP/1.1", body=""):
    return "%s %s %s\r\nHost: pod\r\n%s\r\n%s" % (method, path, version, headers, body)


def is_weft(answer):
    return answer["status"] == 403 and answer["headers"].get("server") == "weft"


def assert_denied(result, before=0):
    """`before` answers of the server, then weft's, then the end."""
    answers = result["answers"]
    assert len(answers) == before + 1 and is_weft(answers[-1]), result
    assert not any(map(is_weft, answers[:-1])), result
    assert answers[-1]["headers"].get("connection", "").lower() == "close", result
    assert "content-length" in answers[-1]["headers"], result


def shortened(result):
    """For a message."""
    return dict(result, answers=[(one["status"], one["length"]) for one in result["answers"]])


def assert_answered(result, count=1, status=200):
    assert [one["status"] for one in result["answers"]] == [status] * count, shortened(result)
    assert not any(map(is_weft, result["answers"])), shortened(result)

# What tests of several servers, of both families, and of refusals are marked with.
each_server = pytest.mark.parametrize("server", http_servers.SERVERS)
each_family = pytest.mark.parametrize("six", (False, True), ids=("v4", "v6"))
needs_rules = pytest.mark.skipif(
    BASELINE, reason="WEFT_TEST_HTTP_BASELINE is set: nothing is denied; unset it")


def need(scene, *servers):
    """Skips the test when the machine lacks one of them."""
    for name in servers:
        if scene.missing[name]:
            pytest.skip(scene.missing[name])

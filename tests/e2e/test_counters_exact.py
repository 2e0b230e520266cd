# SPDX-License-Identifier: Apache-2.0
"""Counters equal what clients and servers counted: 100,000 requests and 20,000 connections, on both
families, allowed, denied and aborted in every phase, while the agents are killed and started.

Callers are told apart by how exact a number can be at all: `far` and `near` (another node, the same
one) end their connections in order, or when nothing is under way; `hasty` resets while something is;
`denied` asks for what no rule allows.
"""
import collections
import time

import pytest

from robust import account, cluster_of, namespace, node, pod, route, target, thing
from tally import HTTP, TALK, Counted, Run, Server

CALLERS = ("far", "near", "hasty", "denied")
RULES = [{"name": "read", "pathRegex": "/(s|hold|drop|reset)", "methods": ["GET", "HEAD"]},
         {"name": "write", "pathRegex": "/s/", "methods": ["PUT", "POST", "DELETE"]}]
METHODS = {"GET": "read", "HEAD": "read", "PUT": "write", "POST": "write", "DELETE": "write"}
# What the programs may not have run into; that they drop a segment for now, or tell no event, is no loss.
LOSSES = ("edge_overflow", "verdict_overflow", "request_overflow", "latency_overflow",
          "sock_storage_failed", "http_flow_failed")


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(
            node("a"), node("b"), namespace(), pod("web", "a"), pod("near", "a"), pod("far", "b"),
            pod("hasty", "b"), pod("denied", "b"), pod("intruder", "b"),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "pages", spec={"matches": RULES}),
            route("http", HTTP), route("talk", TALK),
            target("pages", "web", CALLERS, [("HTTPRouteGroup", "pages"), ("TCPRoute", "http")]),
            target("talk", "web", CALLERS, [("TCPRoute", "talk")]),
    ) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


@pytest.fixture(scope="module")
def server(cluster):
    with Server(cluster, "web") as running:
        yield running


def http(connections, *requests, each=1, depth=1, end="close", concurrency=16):
    return ["http", "--count", str(connections), "--concurrency", str(concurrency), "--each",
            str(each), "--depth", str(depth), "--end", end, *requests]


def talk(connections, letter, concurrency=16, upload=3, download=5):
    return ["talk", "--count", str(connections), "--concurrency", str(concurrency), letter,
            str(upload), str(download)]


class Sides:
    """What happened from a moment on, by clients, server and weft."""

    def __init__(self, cluster, server):
        self.cluster, self.server = cluster, server
        self.weft, self.served = Counted(cluster), server.counts()
        self.called = {}

    def add(self, run):
        """Waits for a run's end."""
        self.called.setdefault(run.source, collections.Counter()).update(run.counts())

    def settle(self):
        """Until the server has seen every connection end, and a moment for the last close."""
        end = time.monotonic() + 10
        while True:
            served = self.server.counts()
            accepted, ended = (sum(number for key, number in served.items() if key[2] == what)
                               for what in ("accepted", "ended"))
            if accepted == ended:
                break
            assert time.monotonic() < end, served
            time.sleep(0.05)
        time.sleep(0.3)
        self.served = server_since(served, self.served)
        self.weft = Counted(self.cluster).since(self.weft)

    def requests(self, source, **labels):
        return self.weft.total("weft_http_requests_total", source_workload=source,
                               destination_workload="web", destination_port=str(HTTP), **labels)

    def edge(self, metric, reporter, source, port):
        return self.weft.total("weft_%s_total" % metric, reporter=reporter, protocol="tcp",
                               source_workload=source, destination_workload="web",
                               destination_port=str(HTTP if port == "http" else TALK))

    def verdicts(self, source, **labels):
        return self.weft.total("weft_verdicts_total", source_workload=source, **labels)


def server_since(now, before):
    return collections.Counter({key: number - before[key] for key, number in now.items()})


def run_all(sides, *runs):
    started = [Run(sides.cluster, *run) for run in runs]
    for one in started:
        sides.add(one)
    sides.settle()


def address_of(cluster, family):
    return [one for one in cluster.pods["web"]["addresses"] if (":" in one) == (family == 6)][0]


@pytest.mark.parametrize("name, client, got", [
    # A client that does not wait: the server has its requests all the same.
    ("hold", http(50, "GET/hold", each=3, depth=3, end="leave"), 150),
    ("abort", http(50, "GET/s/200", each=4, depth=2, end="abort"), 200),
    # A server that goes while many wait: more than are remembered one by one.
    ("drop", http(50, "GET/s/200", "GET/drop", each=40, depth=40), 2000),
    # A request that is refused behind one that never gets its answer.
    ("refused behind", http(50, "GET/hold", "GET/admin", each=2, depth=2, concurrency=50), 50),
    ("deep", http(50, "GET/s/200", each=64, depth=64), 3200)])
def test_every_request_that_reached_the_pod_is_counted(cluster, server, name, client, got):
    sides = Sides(cluster, server)
    run_all(sides, ("hasty", address_of(cluster, 6 if name == "hold" else 4), client))
    counts = {what: number for (_, what), number in sides.called["hasty"].items()}
    answered = sum(number for what, number in counts.items() if what.endswith(" 200"))
    assert sides.requests("hasty") == got, (counts, sides.served)
    assert answered <= sides.requests("hasty", status_class="2xx") <= got
    if name != "abort":
        assert sides.requests("hasty", status_class="none") == got - answered


# About 34,000 requests and 6,900 connections in each of three rounds.
PAGES = ("GET/s/200", "POST/s/404", "HEAD/s/503", "PUT/s/201", "GET/s/302", "DELETE/s/500")
ORDERLY = [http(12, *PAGES, each=300), http(12, *PAGES, each=304, depth=16, end="half"),
           http(150, *PAGES, each=2), http(50, "GET/drop"), http(50, "GET/reset"),
           http(20, "GET/hold", each=3, depth=3, end="leave"),
           *(talk(120, letter) for letter in "ehsrunc")]
HASTY = [http(100, *PAGES, each=4, depth=2, end="abort"), http(100, *PAGES, each=4, end="reset"),
         http(40, "GET/s/200", "GET/drop", each=24, depth=24),
         http(12, "GET/s/200", each=128, depth=64),
         *(talk(120, letter) for letter in "ai"), talk(25, "d", concurrency=4)]
DENIED = [http(151, "GET/s/200", "GET/admin", each=2), http(50, "POST/hold"),
          http(30, "GET/s/200", "PUT/admin", "GET/s/200", each=3, depth=3, concurrency=30)]
REFUSED = [http(300, "GET/s/200"), talk(1200, "e")]


def accepted(server):
    return sum(number for (_, _, what), number in server.counts().items() if what == "accepted")


def a_round(cluster, sides):
    """All callers at once, on both families, while the agents are killed and started again."""
    outside = cluster.mesh.status()["outside"]["netns"]
    runs = [Run(cluster, source, address_of(cluster, family), *clients)
            for family in (4, 6)
            for source, clients in (("far", ORDERLY), ("near", ORDERLY), ("hasty", HASTY),
                                    ("denied", DENIED), ("intruder", REFUSED),
                                    (outside, REFUSED))]
    for name in cluster.nodes:
        cluster.mesh.agent(name, "kill")
    before = accepted(sides.server)
    time.sleep(0.3)
    assert accepted(sides.server) > before  # there is traffic while no agent is
    for name in cluster.nodes:
        cluster.mesh.agent(name, "start")
    for one in runs:
        sides.add(one)


def assert_continuous(earlier, later):
    for key, value in earlier.series.items():
        assert later.series.get(key, 0) >= value, (key, value, later.series.get(key))


@pytest.fixture(scope="module", name="all_of_it")
def fixture_all_of_it(cluster, server):
    made = Sides(cluster, server)
    seen = made.weft
    for _ in range(3):
        a_round(cluster, made)
        now = Counted(cluster)
        assert_continuous(seen, now)
        seen = now
    made.settle()
    return made


def outcomes(sides, source):
    """How many requests, by (method, outcome)."""
    counts = collections.Counter()
    for (port, what), number in sides.called[source].items():
        words = what.split()
        if port == "http" and words[0] in METHODS:
            counts[words[0], words[2]] += number
    return counts


def status_class(outcome):
    return outcome[0] + "xx" if outcome.isdigit() else "none"


def test_there_was_enough(all_of_it):
    called = sum(number for counts in all_of_it.called.values()
                 for (_, what), number in counts.items() if what == "called")
    requests = sum(sum(outcomes(all_of_it, source).values()) for source in CALLERS)
    print("%d requests, %d connections" % (requests, called))
    assert requests >= 100000 and called >= 20000
    incidents = {dict(labels)["kind"]: value for (name, labels), value in all_of_it.weft.items()
                 if name == "weft_program_incidents_total"}
    assert not set(LOSSES) & set(incidents), incidents


@pytest.mark.parametrize("port", ["http", "tcp"])
@pytest.mark.parametrize("source", CALLERS)
def test_connections(all_of_it, source, port):
    """Whoever resets while connecting does not know whether he was connected (`early`)."""
    called, served = all_of_it.called[source], all_of_it.served
    early = called[port, "early"]
    for end in ("opened", "closed"):
        metric = "tcp_connections_" + end
        assert 0 <= all_of_it.edge(metric, "source", source, port) - called[
            port, "connected"] <= early
        assert all_of_it.edge(metric, "destination", source, port) == served[
            source, port, "accepted"], end
    if not early:
        assert called[port, "connected"] == served[source, port, "accepted"]


@pytest.mark.parametrize("port", ["http", "tcp"])
@pytest.mark.parametrize("source", CALLERS)
def test_bytes(all_of_it, source, port):
    """The server's side has counted to the byte what came. The rest cannot be exact everywhere: a
    segment that a reset follows at once may not be acknowledged any more, so its sender does not know
    that it came (`hasty`), nor does a server whose last answer was acknowledged by the request that
    was refused (`denied`); and what a kernel has received a client that resets has not read."""
    called = {what: number for (where, what), number in all_of_it.called[source].items()
              if where == port}
    served = {what: number for (who, where, what), number in all_of_it.served.items()
              if (who, where) == (source, port)}
    if not called:
        return

    def weft(metric, reporter):
        return all_of_it.edge(metric, reporter, source, port)
    assert weft("sent_bytes", "destination") == served["received"]
    if source in ("far", "near"):
        assert weft("sent_bytes", "source") == called["sent"] == served["received"]
        assert weft("received_bytes", "source") == called["received"] == served["sent"]
        assert weft("received_bytes", "destination") == served["sent"]
    elif source == "denied":
        assert weft("sent_bytes", "source") == called["sent"]
        assert weft("received_bytes", "source") == called["received"]
        assert 0.6 * served["sent"] < weft("received_bytes", "destination") <= served["sent"]
    else:
        assert 0.9 * served["received"] < weft("sent_bytes", "source") <= called["sent"]
        assert called["received"] <= weft("received_bytes", "source") <= served["sent"]
        assert weft("received_bytes", "destination") <= weft("received_bytes", "source")


@pytest.mark.parametrize("source", ["far", "near", "denied"])
def test_requests(all_of_it, source):
    """By method, rule and class of status, as the client counts."""
    expected = collections.Counter()
    for (method, outcome), number in outcomes(all_of_it, source).items():
        if outcome not in ("weft", "behind"):
            expected[method, METHODS[method], status_class(outcome)] += number
    counted = collections.Counter()
    for (name, labels), value in all_of_it.weft.items():
        labels = dict(labels)
        if name == "weft_http_requests_total" and labels["source_workload"] == source:
            assert (labels["traffic_target"], labels["route_group"]) == ("pages", "pages")
            counted[labels["method"], labels["match"], labels["status_class"]] += value
    assert counted == expected


def test_requests_of_clients_that_do_not_wait(all_of_it):
    """As many as the server got; more are answered than the client has read. Of those that wait
    behind 16 others the rule is not known. The server reads nothing behind a request to /drop."""
    sent, served = outcomes(all_of_it, "hasty"), all_of_it.served
    assert all_of_it.requests("hasty") == sum(sent.values())
    assert all_of_it.requests("hasty", status_class="none") <= sum(
        number for (_, outcome), number in sent.items() if outcome == "none")
    for method in METHODS.keys() - {"GET"}:
        assert all_of_it.requests("hasty", method=method) == sum(
            number for (name, what), number in sent.items() if name == method) == sum(
                number for (who, _, what), number in served.items()
                if who == "hasty" and what.startswith(method + " "))
    assert all_of_it.requests("hasty", match="read") + all_of_it.requests("hasty", match="") == sum(
        sent[key] for key in sent if METHODS[key[0]] == "read")


@pytest.mark.parametrize("source", CALLERS)
def test_every_answer_has_its_latency(all_of_it, source):
    answered = all_of_it.requests(source) - all_of_it.requests(source, status_class="none")
    not_known = sum(all_of_it.requests(source, match="", status_class=one)
                    for one in ("2xx", "3xx", "4xx", "5xx"))
    assert all_of_it.weft.total("weft_http_request_duration_seconds_count",
                                source_workload=source) == answered - not_known


@pytest.mark.parametrize("source", CALLERS)
def test_verdicts(all_of_it, source):
    called, served = all_of_it.called[source], all_of_it.served
    for port, reason in (("http", "http"), ("tcp", "policy")):
        labels = {"verdict": "allow", "reason": reason, "protocol": "tcp"}
        assert all_of_it.verdicts(source, hook="connect", **labels) == called[port, "called"]
        assert 0 <= all_of_it.verdicts(source, hook="to_pod", **labels) - served[
            source, port, "accepted"] <= called[port, "early"] + called[port, "again"]
    refused = sum(number for (_, outcome), number in outcomes(all_of_it, source).items()
                  if outcome == "weft")
    assert (refused > 0) == (source == "denied")
    assert all_of_it.verdicts(source, verdict="deny") == refused == all_of_it.verdicts(
        source, verdict="deny", hook="to_pod", reason="no_http_rule")


@pytest.mark.parametrize("source, hook, reason, failure", [
    ("intruder", "connect", "no_rule", "EACCES"),
    ("unknown", "to_pod", "unknown_source", "ECONNREFUSED")])
def test_refused_callers(all_of_it, source, hook, reason, failure):
    called = all_of_it.called["intruder" if source == "intruder" else next(
        name for name in all_of_it.called if "/" in name)]
    calls = called["http", "called"] + called["tcp", "called"]
    assert calls == called["http", "refused " + failure] + called["tcp", "refused " + failure]
    assert all_of_it.verdicts(source, verdict="deny", hook=hook, reason=reason) == calls
    assert all_of_it.verdicts(source) == calls

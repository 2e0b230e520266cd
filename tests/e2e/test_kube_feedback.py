# SPDX-License-Identifier: Apache-2.0
"""What the agent writes into the API server: Events on objects with a finding, by the holder of the
Lease, and its state as an annotation on the Node."""
import itertools
import json
import re
import threading
import time

import pytest

from kube_scene import ALLOWED, REFUSED, TARGETS, Api, running
from mesh import wait_until
from robust import target

# Of the same finding a second Event comes no sooner than after six minutes: each has another name.
NAMES = map("broken-%d".__mod__, itertools.count())


@pytest.fixture(scope="module", name="scene")
def _scene(tmp_path_factory):
    with running(tmp_path_factory.mktemp("feedback")) as made:
        yield made


@pytest.fixture(autouse=True)
def restored(scene):
    """Each test begins with no finding, no Event, and an agent that holds the Lease."""
    scene.api.do("set", faults=[])
    scene.fill()
    for one in scene.api.do("list", plural=TARGETS)["items"]:
        if one["metadata"]["name"].startswith("broken"):
            scene.api.do("remove", plural=TARGETS, namespace="default", name=one["metadata"]["name"])
    wait_until(lambda: not scene.cluster.findings("a"), 5, "no finding")
    await_holder(scene)
    for event in events(scene):
        scene.api.do("remove", plural="events", namespace="default", name=event["metadata"]["name"])


def events(scene):
    return scene.api.do("list", plural="events")["items"]


def lease(scene):
    return next(iter(scene.api.do("list", plural="leases")["items"]), None)


def writes(scene, what=""):
    """What was asked for since the last call, but for reading."""
    return [one for one in scene.api.do("requests")["requests"] if not one.startswith("/") and what in one]


def feedback(scene):
    return scene.status()["source"]["feedback"]


def await_holder(scene, held=True, seconds=30):
    wait_until(lambda: feedback(scene)["leader"] == held, seconds, "the lease")


def broken():
    """A TrafficTarget with one finding."""
    return target(next(NAMES), "web", ["caller"], [("TCPRoute", "nowhere")])


def break_one(scene):
    """Its name."""
    one = broken()
    scene.api.do("put", objects=[one])
    return one["metadata"]["name"]


def await_event(scene, seconds=8):
    wait_until(lambda: events(scene), seconds, "an Event")
    event, = events(scene)
    return event


def assert_no_event(scene, seconds=5):
    time.sleep(seconds)
    assert not events(scene)


def metric(scene, name):
    return float(re.search(r"(?m)^%s (\S+)$" % re.escape(name), scene.cluster.get("a", "/metrics"))[1])


def test_an_event(scene):
    sent = metric(scene, 'weft_kube_events_total{result="sent"}')
    name = break_one(scene)
    event = await_event(scene)
    known, = [one for one in scene.api.do("list", plural=TARGETS)["items"] if one["metadata"]["name"] == name]
    assert event["regarding"] == {
        "apiVersion": "access.smi-spec.io/v1alpha3", "kind": "TrafficTarget", "namespace": "default",
        "name": name, "uid": known["metadata"]["uid"]}
    assert event["metadata"]["namespace"] == "default"
    assert re.fullmatch(name + r"\.[0-9a-f]{16}", event["metadata"]["name"])
    assert (event["type"], event["reason"], event["action"]) == ("Warning", "MissingRoute", "Enforce")
    finding, = scene.cluster.findings("a")
    assert event["note"] == "%(field)s: %(message)s; %(consequence)s" % finding
    assert (event["reportingController"], event["reportingInstance"]) == ("weft.dev/weftd", "a")
    assert "series" not in event
    wait_until(lambda: metric(scene, 'weft_kube_events_total{result="sent"}') == sent + 1, 2, "the count")
    assert metric(scene, "weft_kube_leader") == 1
    assert feedback(scene)["problems"] == {} and feedback(scene)["events_waiting"] == 0


def test_an_object_without_namespace(scene):
    space = scene.document("Namespace", "default")
    space["metadata"]["annotations"] = {"weft.dev/hosts": "all"}
    scene.api.do("put", objects=[space])
    event = await_event(scene)
    assert event["metadata"]["namespace"] == "default"
    assert event["regarding"]["kind"] == "Namespace" and "namespace" not in event["regarding"]


def test_what_is_mended_at_once_is_not_told(scene):
    """As when kubectl writes a TrafficTarget before its route."""
    name = break_one(scene)
    wait_until(lambda: scene.cluster.findings("a"), 2, "a finding")
    scene.api.do("remove", plural=TARGETS, namespace="default", name=name)
    assert_no_event(scene)


def restart(scene):
    scene.stop()
    scene.start()
    scene.await_ready()


def test_a_restart_tells_nothing_twice(scene):
    """The next agent finds the Event; when that is old, it says that the finding is still there."""
    break_one(scene)
    event = await_event(scene)
    restart(scene)
    await_holder(scene)
    writes(scene)
    wait_until(lambda: writes(scene, "/events"), 8, "a try")
    time.sleep(1)
    assert events(scene) == [event]
    event["eventTime"] = "2020-01-01T00:00:00.000000Z"
    scene.api.do("put", objects=[event])
    restart(scene)
    wait_until(lambda: "series" in await_event(scene), 15, "a series")
    assert await_event(scene)["series"]["count"] == 2
    wait_until(lambda: feedback(scene)["events_sent"] == 1, 2, "the count")
    series = {"count": 7, "lastObservedTime": "2020-01-01T00:00:00.000000Z"}
    scene.api.do("put", objects=[dict(await_event(scene), series=series)])
    restart(scene)
    wait_until(lambda: await_event(scene)["series"]["count"] == 8, 15, "a longer series")


def test_the_lease(scene):
    held = lease(scene)
    spec = held["spec"]
    assert held["metadata"]["name"] == "weftd" and held["metadata"]["namespace"] == "weft-system"
    assert re.fullmatch(r"a_[0-9a-f]{8}", spec["holderIdentity"])
    assert spec["leaseDurationSeconds"] == 15
    assert feedback(scene)["holder"] == spec["holderIdentity"]
    wait_until(lambda: lease(scene)["spec"]["renewTime"] > spec["renewTime"], 8, "renewal")
    renewed = lease(scene)["spec"]
    assert {**spec, "renewTime": renewed["renewTime"]} == renewed
    # Given back at the end, taken by the next at once.
    scene.stop()
    given = lease(scene)["spec"]
    assert given["holderIdentity"] == "" and given["leaseTransitions"] == spec["leaseTransitions"]
    scene.start()
    scene.await_ready()
    await_holder(scene, seconds=4)
    assert lease(scene)["spec"]["leaseTransitions"] == spec["leaseTransitions"] + 1


class Other:
    """Somebody else who holds the Lease and keeps renewing it; its clock is wrong by hours."""

    def __init__(self, scene):
        self.scene = scene
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.renew)

    def put(self, holder="other"):
        held = lease(self.scene) or {"kind": "Lease", "metadata": {"name": "weftd", "namespace": "weft-system"},
                                     "spec": {"leaseTransitions": 0}}
        held["spec"].update(holderIdentity=holder, leaseDurationSeconds=15, acquireTime="2020-01-01T00:00:00.000000Z",
                            renewTime=time.strftime("2020-01-01T%H:%M:%S.000000Z"))
        self.scene.api.do("put", objects=[held])

    def renew(self):
        while not self.ended.wait(2):
            self.put()

    def __enter__(self):
        self.put()
        self.thread.start()
        return self

    def end(self):
        self.ended.set()
        self.thread.join()

    def __exit__(self, *_):
        if not self.ended.is_set():
            self.end()
            self.put("")


def test_another_holder(scene):
    """Only the holder tells; who takes over tells it then, and only when the other is gone for 15 s."""
    with Other(scene) as other:
        await_holder(scene, False)
        transitions = lease(scene)["spec"]["leaseTransitions"]
        break_one(scene)
        assert_no_event(scene, 18)
        assert lease(scene)["spec"]["holderIdentity"] == feedback(scene)["holder"] == "other"
        assert feedback(scene)["events_waiting"] == 0
        other.end()
        begin = time.monotonic()
    await_event(scene, 40)
    assert time.monotonic() - begin > 12
    assert lease(scene)["spec"]["leaseTransitions"] == transitions + 1
    assert feedback(scene)["leader"] is True


def odd(pod):
    """The pod with a finding that leaves it as it was."""
    pod["metadata"].setdefault("annotations", {})["weft.dev/external"] = "sometimes"
    return pod


def test_what_only_this_node_knows(scene):
    """Is told by its own agent: of a pod on it, whoever holds the lease."""
    pod, elsewhere = odd(scene.document("Pod", "intruder")), odd(scene.document("Pod", "caller"))
    elsewhere["metadata"].update(name="elsewhere", uid="5b0c1f0e-0000-4000-8000-000000000001")
    elsewhere["spec"]["nodeName"] = "b"
    elsewhere["status"] = {"phase": "Pending"}
    with Other(scene):
        await_holder(scene, False)
        scene.api.do("put", objects=[pod, elsewhere])
        event = await_event(scene)
        assert event["regarding"]["kind"] == "Pod" and event["regarding"]["name"] == "intruder"
        time.sleep(3)
        assert len(events(scene)) == 1
    scene.api.do("remove", plural="pods", namespace="default", name="elsewhere")


def test_many_findings(scene):
    """25 at once, then one a second; none is lost, and enforcement does not wait for them."""
    scene.api.do("put", objects=[broken() for _ in range(100)])
    wait_until(lambda: len(events(scene)) >= 25, 8, "the first Events")
    first = len(events(scene))
    begin = time.monotonic()
    assert first <= 27
    waiting = feedback(scene)["events_waiting"]
    assert 70 <= waiting <= 76
    scene.api.do("remove", plural=TARGETS, namespace="default", name="web")
    scene.await_calls(REFUSED, 2)
    scene.api.do("put", objects=[scene.document("TrafficTarget", "web")])
    scene.await_calls(ALLOWED, 2)
    wait_until(lambda: len(events(scene)) >= first + 8, 14, "more Events")
    assert 5 < time.monotonic() - begin < 12
    assert len(events(scene)) + feedback(scene)["events_waiting"] in (99, 100, 101)


REFUSALS = {
    "forbidden": ({"code": 403}, True),
    "the namespace is going": ({"code": 403, "cause": "NamespaceTerminating"}, False),
    "no such namespace": ({"code": 404}, False),
    "invalid": ({"code": 422}, False),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refused(scene, refusal):
    """Without a right to it nothing is tried for minutes; what is about one Event delays no other."""
    fault, is_problem = REFUSALS[refusal]
    failed = feedback(scene)["events_failed"]
    scene.api.do("fault", path="/events", method="POST", kind="status", count=1, **fault)
    break_one(scene)
    wait_until(lambda: feedback(scene)["events_failed"] == failed + 1, 8, "a refusal")
    assert ("events" in feedback(scene)["problems"]) == is_problem
    assert scene.status()["ready"] is True
    assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
    name = break_one(scene)
    if is_problem:
        assert_no_event(scene, 5)
        assert "          feedback, events: 403: as the test wants it\n" in scene.cluster.mesh.weft("a", "status").stdout
        restart(scene)
    else:
        assert await_event(scene)["regarding"]["name"] == name


@pytest.mark.parametrize("code", [403, 404, 500])
def test_no_lease(scene, code):
    """Nobody tells what all know of then; no reason to ask all the time."""
    scene.stop()
    scene.api.do("remove", plural="leases", namespace="weft-system", name="weftd")
    scene.api.do("fault", path="/leases", kind="status", code=code, count=1000, method="POST")
    scene.api.do("requests")
    scene.start()
    scene.await_ready()
    break_one(scene)
    assert_no_event(scene, 5)
    assert feedback(scene)["leader"] is False and feedback(scene)["holder"] == ""
    assert feedback(scene)["problems"] == {"lease": "%d: as the test wants it" % code}
    assert len(writes(scene, "/leases")) <= (4 if code == 500 else 1)
    scene.api.do("set", faults=[])
    if code != 500:
        restart(scene)


def test_too_many_requests(scene):
    scene.api.do("fault", path="/events", method="POST", kind="status", count=2, code=429, after=1)
    break_one(scene)
    await_event(scene, 15)
    assert feedback(scene)["problems"] == {}


def annotation(scene):
    node = next(one for one in scene.api.do("list", plural="nodes")["items"] if one["metadata"]["name"] == "a")
    return json.loads(node["metadata"].get("annotations", {}).get("weft.dev/agent", "{}"))


def test_the_node(scene):
    """Its annotation tells how the agent is, and is no news to any agent."""
    restart(scene)
    wait_until(lambda: annotation(scene), 8, "an annotation")
    pods = len(scene.status()["pods"])
    assert annotation(scene) == {"ready": True, "reason": "", "version": scene.status()["version"], "pods": pods,
                                 "attached": pods, "findings": 0}
    writes(scene)
    scene.api.do("put", objects=[odd(scene.document("Pod", "web"))])
    wait_until(lambda: scene.cluster.findings("a"), 2, "a finding")
    time.sleep(0.5)
    reconciles, seen = scene.status()["reconciles"], scene.resource("nodes")["events"]
    wait_until(lambda: annotation(scene)["findings"] == 1, 15, "the annotation")
    wait_until(lambda: scene.resource("nodes")["events"] > seen, 3, "the watch's event")
    time.sleep(0.5)
    assert scene.status()["reconciles"] == reconciles
    assert len(writes(scene, "/nodes/")) == 1


def test_what_is_not_written_to_the_node(scene):
    """What every agent knows would change all Nodes at once; numbers of pods change often."""
    another = scene.document("Pod", "caller")
    another["metadata"].update(name="another", uid="5b0c1f0e-0000-4000-8000-000000000002")
    another["status"] = {"phase": "Pending"}
    time.sleep(3)
    writes(scene)
    break_one(scene)
    scene.api.do("put", objects=[another])
    await_event(scene)
    time.sleep(3)
    assert not writes(scene, "/nodes/")
    scene.api.do("remove", plural="pods", namespace="default", name="another")


def test_an_agent_that_does_not_get_ready(scene):
    scene.stop()
    scene.api.do("fault", path="/services", kind="status", code=503, count=1000)
    scene.start()
    wait_until(lambda: annotation(scene).get("ready") is False, 10, "the annotation")
    assert annotation(scene)["reason"] == "the objects have not all been read yet"
    scene.api.do("set", faults=[])
    scene.await_ready(12)
    wait_until(lambda: annotation(scene)["ready"], 6, "the annotation")


def test_the_api_server_is_away(scene):
    """For longer than the lease may be kept: no holder then, and again one afterwards, that tells
    what has come about meanwhile."""
    port = scene.api.port
    scene.api.kill()
    begin = time.monotonic()
    await_holder(scene, False, 15)
    assert 4 < time.monotonic() - begin < 12
    assert scene.askers["caller"].ask(scene.cluster.of("web", 80)) == ALLOWED
    scene.api = Api(scene.cluster, scene.folder, port)
    scene.fill()
    break_one(scene)
    await_event(scene, 40)
    wait_until(lambda: feedback(scene)["problems"] == {}, 5, "no problem")


def test_an_agent_that_is_killed(scene):
    """The next one on the node is somebody else: it waits for the end of the lease."""
    scene.agent.kill()
    scene.agent.wait()
    before = lease(scene)["spec"]
    scene.start()
    scene.await_ready()
    time.sleep(3)
    assert feedback(scene)["leader"] is False
    await_holder(scene, True, 35)
    assert lease(scene)["spec"]["leaseTransitions"] == before["leaseTransitions"] + 1


def test_switched_off(scene):
    scene.stop()
    scene.api.do("requests")
    scene.start("--kube-feedback", "off")
    scene.await_ready()
    break_one(scene)
    time.sleep(5)
    assert not writes(scene) and "feedback" not in scene.status()["source"]
    scene.stop()
    scene.start()
    scene.await_ready()


def test_a_hanging_api_server_does_not_delay_the_end(scene):
    scene.api.do("fault", path="/leases", method="PUT", kind="hang", seconds=20, count=10)
    begin = time.monotonic()
    scene.stop()
    assert time.monotonic() - begin < 3
    scene.api.do("set", faults=[])
    scene.start()
    scene.await_ready()

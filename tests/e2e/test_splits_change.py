# SPDX-License-Identifier: Apache-2.0
"""Weights, splits and pods change while clients call without a pause: no call fails, and a change
is in force everywhere once `apply` has returned."""
import collections
import time

import pytest

from balance import BalanceMesh, allow_all, both, client, namespace, node, service, split, spread, text

LISTENERS = ["%s:%d" % (proto, port) for proto in ("tcp", "udp") for port in (7000, 7001)]
CHANGES = 50
REST = 0.06  # s between two changes, so that there is something to judge
OWN = {"v1": ["s0:7001", "s1:7001"], "v2": ["s2:7001", "s3:7001"],
       "root": ["%s:7000" % name for name in ("s0", "s1", "s2", "s3")]}
# None: the split is deleted, and the root's own endpoints serve
STEPS = [{"v1": 100, "v2": 0}, {"v1": 50, "v2": 50}, {"v1": 0, "v2": 100}, {"v1": 1, "v2": 99}, None,
         {"v2": 1}, {"v1": 70, "v2": 20, "root": 10}, {"root": 1, "v1": 0}, None, {"v1": 3, "v2": 1}]


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with BalanceMesh() as mesh:
        yield mesh.start(
            node("a"), node("b"), namespace("shop", "enforce"), allow_all(),
            client("near", "a"), client("far", "b"),
            [mesh.server("s%d" % i, "ab"[i % 2], LISTENERS,
                         {"app": "shop", "version": "v1" if i < 2 else "v2"}) for i in range(4)],
            service("root", {"app": "shop"}, both(80, 7000)),
            service("v1", {"version": "v1"}, both(80, 7001)),
            service("v2", {"version": "v2"}, both(80, 7001)))


class Traffic:
    """Calls from both nodes, in both families, by TCP and UDP, until the end of the block."""

    KINDS = [("near", 4, {}), ("far", 6, {}), ("far", 4, {"udp": True}), ("near", 6, {"unconnected": True})]

    def __init__(self, mesh):
        self.mesh = mesh
        self.loads = []
        self.calls = []  # (start, s; outcome) in order

    def _log(self, number):
        return "%s/calls-%d" % (self.mesh.folder.name, number)

    def __enter__(self):
        for number, (source, family, how) in enumerate(self.KINDS):
            self.loads.append(self.mesh.load(source, self.mesh.vip("root", family), 80, concurrency=2,
                                             pause_us=1000, log=self._log(number), **how))
        return self

    def __exit__(self, kind, *_):
        results = [load.stop() for load in self.loads]
        if kind:
            return
        for number, result in enumerate(results):
            print("%s v%d %s" % self.KINDS[number], {key: result[key] for key in (
                "calls", "failures", "max_ms", "servers")})
            with open(self._log(number), encoding="ascii") as log:
                for line in log:
                    start, _, outcome = line.split()
                    self.calls.append((int(start) / 1e6, outcome))
        self.calls.sort()
        for result in results:
            assert result["failures"] == {}

    def between(self, begin, end):
        """Which servers the calls reached that started in this time."""
        return collections.Counter(outcome for start, outcome in self.calls if begin <= start < end)


def test_weights_change_fifty_times(mesh):
    in_force = []  # (since, until, weights)
    with Traffic(mesh) as traffic:
        for number in range(CHANGES):
            weights = STEPS[number % len(STEPS)]
            if weights is None:
                mesh.delete(text(split("split", "root", [])))
            else:
                mesh.apply(text(split("split", "root", weights.items())))
            since = time.monotonic()
            time.sleep(REST)
            in_force.append((since, time.monotonic(), weights))
    totals = [collections.Counter() for _ in STEPS]
    for number, (since, until, weights) in enumerate(in_force):
        served = traffic.between(since, until)
        shares = spread(weights or {"root": 1}, OWN)
        assert served and set(served) <= set(shares), "change %d: %s got calls under %s" % (
            number, served, weights)
        totals[number % len(STEPS)].update(served)
    for weights, served in zip(STEPS, totals):
        mesh.check_chi_square(served, spread(weights or {"root": 1}, OWN), "under load %s" % weights)


def test_endpoints_come_and_go(mesh):
    """Pods are added and deleted gracefully, on both nodes; addresses are used again."""
    mesh.apply(text(split("split", "root", [("v1", 1), ("v2", 1)])))
    present, absent = [], []  # (name, since, until)
    with Traffic(mesh) as traffic:
        for number in range(6):
            names = ["extra%d" % number, "more%d" % number]
            pods = [mesh.server(name, on, LISTENERS, {"version": version})
                    for name, on, version in zip(names, "ab", ("v1", "v2"))]
            mesh.apply(text(pods))
            mesh.run("wait")
            since = time.monotonic()
            time.sleep(2 * REST)
            present += [(name, since, time.monotonic()) for name in names]
            # one at a time, then both at once
            for gone in ([pods[:1], pods[1:]] if number % 2 else [pods]):
                mesh.delete(text(gone))
                since = time.monotonic()
                time.sleep(REST)
                absent += [(pod["metadata"]["name"], since, time.monotonic()) for pod in gone]
        end = time.monotonic()
    for name, since, until in present:
        assert traffic.between(since, until)[name + ":7001"], "%s is ready and gets no calls" % name
    for name, since, _ in absent:
        assert not traffic.between(since, end)[name + ":7001"], "%s got calls after its end" % name


def test_rolling_replacement_of_all_pods(mesh):
    """Every original pod is replaced, one after the other, as a rollout with surge does it."""
    mesh.apply(text(split("split", "root", [("v1", 9), ("v2", 1)])))
    with Traffic(mesh) as traffic:
        for number in range(4):
            labels = {"app": "shop", "version": "v1" if number < 2 else "v2"}
            mesh.apply(text(mesh.server("new%d" % number, "ba"[number % 2], LISTENERS, labels)))
            mesh.run("wait")
            mesh.delete(text(mesh.server("s%d" % number, "a", LISTENERS)))
        since = time.monotonic()
        time.sleep(4 * REST)
        until = time.monotonic()
    mesh.check_chi_square(traffic.between(since, until), spread(
        {"v1": 9, "v2": 1}, {"v1": ["new0:7001", "new1:7001"], "v2": ["new2:7001", "new3:7001"]}),
        "after the rollout")

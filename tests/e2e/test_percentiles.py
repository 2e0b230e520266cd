# SPDX-License-Identifier: Apache-2.0
"""Percentiles from the kernel's histogram against those of the client's raw log.

weft measures at the server's interface, from the end of a request's head to the answer's first byte;
the client's log has the network and its own waking up as well, some 0.2 ms. Answers take 20 to 400 ms,
so that this is far below the 4 % that are allowed.
"""
import json
import math
import random
import subprocess

import pytest

from mesh import HERE, PYTHON, wait_until
from robust import cluster_of, namespace, node, pod, target, thing

SHARE = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99}
REQUESTS = 500  # of each route and family
CONNECTIONS = 40
TOLERANCE = 0.04


@pytest.fixture(scope="module")
def cluster():
    program = [PYTHON, str(HERE / "delays.py"), "serve", "80"]
    rules = [{"name": name, "pathRegex": "/%s/" % name, "methods": ["GET"]}
             for name in ("quick", "slow")]
    with cluster_of(
            node("a"), node("b"), namespace(), pod("web", "a", command=json.dumps(program)),
            pod("caller", "b"),
            thing("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "delays",
                  spec={"matches": rules}),
            target("delays", "web", ["caller"], [("HTTPRouteGroup", "delays")])) as made:
        made.mesh.run("wait")
        yield made
        made.assert_sane()


def spread(name, low, high):
    """Paths whose delays are spread evenly on a logarithmic scale."""
    return ["/%s/%.3f" % (name, low * (high / low) ** (i / (REQUESTS - 1)))
            for i in range(REQUESTS)]


def quantile(values, share):
    return sorted(values)[math.ceil(share * len(values)) - 1]


@pytest.fixture(scope="module")
def log(cluster):
    """{route: seconds} of all requests; half of them are made after a new agent has begun."""
    taken = {"delays/quick": [], "delays/slow": []}
    for address in cluster.pods["web"]["addresses"]:
        paths = spread("quick", 20, 120) + spread("slow", 60, 400)
        random.Random(address).shuffle(paths)
        caller = cluster.mesh.popen(
            "caller", PYTHON, str(HERE / "delays.py"), "call", address, "80", str(CONNECTIONS),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        out, _ = caller.communicate(json.dumps(paths), timeout=30)
        for path, seconds in json.loads(out):
            taken["delays/" + path.split("/")[1]].append(seconds)
        cluster.mesh.agent("a", "kill")
        cluster.mesh.agent("a", "start")
    return taken


def rows(cluster):
    code, found, error = cluster.mesh.weft_json("a", "get", "requests")
    assert code == 0, error
    return {row["route"]: row for row in found if row["source"].startswith("default/caller")}


@pytest.mark.parametrize("route", ["delays/quick", "delays/slow"])
def test_percentiles_of_weft_get_requests(cluster, log, route):
    assert len(log[route]) == 2 * REQUESTS
    row = wait_until(lambda: rows(cluster).get(route), 5, route)
    assert row["requests"] == 2 * REQUESTS
    seen = {key: (row[key], 1e6 * quantile(log[route], share)) for key, share in SHARE.items()}
    print(route, {key: "%d us, log %d us, %+.2f %%" % (weft, raw, 100 * (weft / raw - 1))
                  for key, (weft, raw) in seen.items()})
    for weft, raw in seen.values():
        assert weft == pytest.approx(raw, rel=TOLERANCE)


def test_percentiles_of_the_kernels_buckets(cluster, log):
    """Over both routes, from weft_latency itself: the middle of the bucket that has the rank."""
    dump = json.loads(cluster.mesh.on_node(
        "a", "sh", "-c", "PATH=$PATH:/usr/sbin bpftool -j map dump pinned $WEFT_BPFFS/weft_latency"))
    counts = {}
    for entry in dump:
        bucket = entry["formatted"]["key"]["bucket"]
        counts[bucket] = counts.get(bucket, 0) + sum(
            cpu["value"]["count"] for cpu in entry["formatted"]["values"])
    everything = log["delays/quick"] + log["delays/slow"]
    assert sum(counts.values()) == len(everything) == 4 * REQUESTS
    middles = sorted(((32.5 + bucket % 32) * 2 ** (bucket // 32) * 32e-9, count)
                     for bucket, count in counts.items())
    values = [middle for middle, count in middles for _ in range(count)]
    for share in SHARE.values():
        raw = quantile(everything, share)
        print("%g: %.4f s, log %.4f s" % (share, quantile(values, share), raw))
        assert quantile(values, share) == pytest.approx(raw, rel=TOLERANCE)

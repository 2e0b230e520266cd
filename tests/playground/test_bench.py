# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own parts: its rules, the peers' files, what ends a run. Nothing is measured."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

import conftest  # noqa: F401 - puts tools/ on the path
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/bench"))
import accounting  # noqa: E402
import peers  # noqa: E402
import promises  # noqa: E402
import report  # noqa: E402
import rules  # noqa: E402
import series  # noqa: E402
import slices  # noqa: E402
import works  # noqa: E402
from errors import BenchError  # noqa: E402


def allowing(wanted, method, path, with_header):
    """Names of the rules that allow this request."""
    headers = {rules.HEADER[0].lower(): rules.HEADER[1]} if with_header else {}
    return [rule.name for rule in wanted
            if method in rule.methods
            and re.match(rule.path if rule.is_regex else re.escape(rule.path), path)
            and all(re.search(value, headers.get(name, "\0")) for name, value in
                    rule.headers.items())]


@pytest.mark.parametrize("wanted", [rules.FOUR, rules.TEN, rules.many()], ids=len)
def test_works_are_allowed_by_a_late_rule_and_nothing_else_is(wanted):
    assert len({rule.name for rule in wanted}) == len(wanted)
    assert allowing(wanted, "GET", rules.GET_PATH, True) == ["orders"]
    assert wanted.index(rules.ORDERS) >= len(wanted) - 2
    assert allowing(wanted, "GET", rules.BLOB_PATH, True) == ["assets"]
    assert allowing(wanted, "PUT", rules.UPLOAD_PATH, False) == ["upload"]
    for request in rules.DENIED:
        assert not allowing(wanted, *request)


def test_rules_are_as_many_as_promised():
    assert len(rules.TEN) == 10 and len(rules.FOUR) == 4 and len(rules.many()) == 256
    assert sum(rule.is_regex for rule in rules.TEN) == 5
    assert sum(len(rule.headers) for rule in rules.TEN) == 2


def test_busy_is_what_is_not_idle():
    cpus, began, busy = os.cpu_count(), time.monotonic(), accounting.busy_us()
    worked = time.thread_time() + 0.2
    while time.thread_time() < worked:
        pass
    used, passed = accounting.busy_us() - busy, (time.monotonic() - began) * 1e6
    assert 200_000 - 2 * cpus * accounting.TICK_US < used < cpus * (passed + 2 * accounting.TICK_US)


CHECKS = {"nginx": ["nginx", "-t", "-q", "-p", "{0}", "-c", "{0}/nginx-{1}.conf"],
          "haproxy": ["haproxy", "-c", "-q", "-f", "{0}/haproxy-{1}.cfg"],
          "envoy": [str(peers.ENVOY), "--mode", "validate", "--log-level", "error",
                    "--config-path", "{0}/envoy-{1}.json"]}


@pytest.mark.parametrize("peer", CHECKS)
def test_peers_take_their_files(peer, tmp_path):
    if peers.why_missing(peer):
        pytest.skip(peers.why_missing(peer))
    if peer != "haproxy" and not peers.shutil.which("openssl"):
        pytest.skip("openssl is not here (remedy: scripts/setup.sh bench)")
    peers.configure(peer, tmp_path, "127.0.0.1", rules.TEN)
    for side, argv in peers.proxies(peer, tmp_path)._asdict().items():
        if argv:
            done = subprocess.run([word.format(tmp_path, side) for word in CHECKS[peer]],
                                  capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "@" not in "".join(argv)


def wrk(requests=10, size=20000, **errors):
    return json.dumps({"requests": requests, "duration_us": 1000000, "bytes": size, "p50_us": 5,
                       "p99_us": 9, "errors": {"connect": 0, "status": 0, **errors}})


def test_a_slice_with_other_answers_than_200_fails():
    get, upload = works.WORKS["http-keepalive-64"], works.WORKS["bulk-up"]
    assert works.parse(get, wrk())["requests"] == 10
    assert works.parse(upload, "\nsent 5000000 1.0 000\n")["bytes"] == 5000000
    with pytest.raises(BenchError, match="status 3"):
        works.parse(get, wrk(status=3))
    with pytest.raises(BenchError, match="not all were 200"):
        works.parse(get, wrk(size=2000))
    with pytest.raises(BenchError, match="answered 403"):
        works.parse(upload, "\nsent 5000000 1.0 403\n")
    with pytest.raises(BenchError, match="cannot read"):
        works.parse(get, "unable to connect")


def made_up(factors):
    """Slices of two rounds in which each series costs `factors` times what direct costs."""
    for number in range(2):
        for name, work in works.WORKS.items():
            for one, factor in factors.items():
                values = {"cpu_us_per_request": 20, "requests_per_s": 1000, "p50_us": 300,
                          "p99_us": 900} if work.kind == "http" else {"cpu_s_per_gb": 0.5}
                yield {"round": number, "work": name, "series": one,
                       "metrics": {metric: value * factor for metric, value in values.items()},
                       "done": {"requests": 10, "bytes": 1e9},
                       "used": {"pods_us": 5, "agents_us": 1, "foreign_us": 1, "wall_us": 100}}


class FakeSite:
    """Every slice takes what it is asked to take."""

    def __init__(self):
        self.ran = []

    def lane(self, name):
        site = self

        class Lane:
            def run(self, work, seconds):
                site.ran.append((work.name, name, seconds))
                return {"metrics": {}, "done": {}, "used": {}}
        return Lane()


def test_turns():
    """Every turn has each series once; a proxy has one in a round."""
    site, names = FakeSite(), ("http-close-64", "bulk-up")
    chosen = ("direct", "weft-http", "envoy-pair")
    measured = slices.measure(site, names, chosen, 2, 3, lambda text: None)
    warm = len(names) * len(chosen)
    assert slices.duration(names, chosen, 2, 3) == (
        len(measured), sum(seconds for *_, seconds in site.ran[warm:]))
    for work, turns, seconds in (("http-close-64", 2, 3), ("bulk-up", 8, 1)):
        for name in ("direct", "weft-http"):
            own = [one["round"] for one in measured if (one["work"], one["series"]) == (work, name)]
            assert own == list(range(turns))
            assert {one[2] for one in site.ran[warm:] if one[:2] == (work, name)} == {seconds}
        proxied = [one["round"] for one in measured
                   if (one["work"], one["series"]) == (work, "envoy-pair")]
        assert proxied == [0, turns // 2]
    first = [one["series"] for one in measured if one["work"] == "bulk-up"][::2]
    assert first[:2] == ["direct", "weft-http"]


def test_promises_and_report():
    factors = {name: 1.0 for name in series.DEFAULT}
    factors.update({"weft-http": 1.09, "weft-http-256": 1.2, "weft-http-4": 1.1,
                    "envoy-pair": 9.0})
    measured = list(made_up(factors))
    result = {"machine": {"cpus": 2, "cpu": "x", "memory_mb": 1, "kernel": "6", "arch": "a",
                          "nginx": "1", "wrk": "4", "commit": None, "peers": {"envoy": "1"}},
              "command": "make bench", "results": slices.results(measured),
              "settings": {"rounds": 2, "seconds": 1, "placement": "two-nodes",
                           "series": list(factors)},
              "cross_check": slices.cross_check(measured), "foreign_cpu_share": 0.0, "awake": True,
              "programs": [{"name": f"weft_{name}", "instructions": 10, "runs": 5,
                            "verified_instructions": None, "ns_per_run": 100.0,
                            "works": {"http-close-1/weft-l4": {
                                "runs": 5, "ns_per_run": 1000.0, "runs_per_request": 2.5}}}
                           for name in "ab"],
              "failed": [{"what": "heads", "why": "no time"}],
              "skipped": [{"series": "nginx-pair", "why": "nginx does not run here"}]}
    result["targets"] = promises.targets(result, measured)
    held = {row["what"]: row["held"] for row in result["targets"]}
    assert held["http-keepalive-64, weft-http: CPU per request, ratio to direct"] is False
    assert held["http-keepalive-64, weft-http: p50, ratio to direct"] is True
    assert held["bulk-up, weft-http: CPU per GB, ratio to direct"] is False
    assert held["http-keepalive-64, weft-http-256: CPU per request, ratio to weft-http-4"] is True
    text = report.render(result)
    assert "| http-keepalive-64 | envoy-pair | 9.00 | 9.00 | 9.00 |" in text
    assert "- heads: no time" in text
    assert "| weft_a | 10 | - | 5 | 100.0 | - | 2.50 |" in text
    assert "| http-close-1 | weft-l4 | 5,000 |" in text
    assert "**nginx-pair**: nginx does not run here" in text

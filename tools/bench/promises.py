# SPDX-License-Identifier: Apache-2.0
"""What was promised about weft's cost, and whether it held in this run."""
import collections

import slices
from works import WORKS

CPU, P50, CPU_BULK = "cpu_us_per_request", "p50_us", "cpu_s_per_gb"
LIMIT_KEEPALIVE = 1.05
LIMIT_CONNECTION = 1.06
LIMIT_TELEMETRY = 1.02
LIMIT_START_MS = 300
LIMIT_CHANGE_MS = 10

Ratio = collections.namedtuple("Ratio", "work series base metric limit")
NAMES = {CPU: "CPU per request", P50: "p50", CPU_BULK: "CPU per GB"}


def _ratios():
    """What weft may cost, as a ratio to another series."""
    for work in WORKS.values():
        limit = LIMIT_CONNECTION if work.close else LIMIT_KEEPALIVE
        for series in ("weft-l4", "weft-split"):
            yield Ratio(work.name, series, "direct", CPU, limit)
    yield Ratio("http-keepalive-64", "weft-http", "direct", CPU, 1.08)
    yield Ratio("http-keepalive-64", "weft-http", "direct", P50, 1.10)
    yield Ratio("http-keepalive-64", "weft-http", "weft-http-quiet", CPU, LIMIT_TELEMETRY)
    yield Ratio("bulk-up", "weft-http", "direct", CPU_BULK, 1.03)
    yield Ratio("bulk-down", "weft-http", "direct", CPU_BULK, 1.03)
    for work in ("http-keepalive-64", "http-fresh-64", "http-keepalive-1"):
        yield Ratio(work, "weft-http-256", "weft-http-4", CPU, 1.1)


def _target(what, limit, measured):
    return {"what": what, "limit": limit, "measured": measured, "held": measured <= limit}


def targets(report, measured):
    """[{"what", "limit", "measured", "held"}] of all that this run can tell; `measured`: its
    slices."""
    rows = []
    for one in _ratios():
        ratio = slices.ratio(measured, one.metric, one.work, one.series, one.base)
        if ratio is not None:
            rows.append(_target(f"{one.work}, {one.series}: {NAMES[one.metric]}, ratio to "
                                f"{one.base}", one.limit, ratio))
    timings = report.get("timings")
    if timings:
        for state in ("fresh", "adopting"):
            rows.append(_target(f"start-up to enforcing, {state}, ms", LIMIT_START_MS,
                                timings["startup"][state]["median"]))
        change = timings["change"]
        for share in ("p50", "p99"):
            rows.append(_target(f"one change in force, {change['objects']} objects, {share}, ms",
                                LIMIT_CHANGE_MS, change["rename_to_verdict"][share]))
    return rows

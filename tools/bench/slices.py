# SPDX-License-Identifier: Apache-2.0
"""The measurement itself: interleaved slices, and what they come to."""
import collections
import os
import statistics

import series as table
from errors import BenchError
from works import METRICS, WORKS

BASE = "direct"
# Two slices of a long transfer differ by some 5 %, for as long as each lasts: by which CPU the
# server happens to send. More of them, and shorter, come nearer to the truth.
BULK_TURNS, BULK_SECONDS = 4, 1


def measure(site, works, series, rounds, seconds, say):
    """[{"round", "work", "series", "metrics", "done", "used"}]. Each round runs every series of a
    work back to back, starting with another one each time, so that drift of the machine and the
    neighbour's cache hit all alike. Peers have their turn after direct and weft, whose small
    differences would suffer from what comes between. In a long transfer, direct and weft have
    several turns in a round, each of which is a "round" here."""
    lanes = {name: site.lane(name) for name in series}
    slices = []
    for name in works:
        for one in takers(series, name):
            _run(lanes, one, name, 1)  # warm-up
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for name in works:
            turns, length = _turns(name, seconds)
            takes = takers(series, name)
            own = [one for one in takes if not table.peer(one)]
            peers = [one for one in takes if table.peer(one)]
            for turn in range(number * turns, (number + 1) * turns):
                for one in _rotated(own, turn):
                    slices.append({"round": turn, "work": name, "series": one,
                                   **_run(lanes, one, name, length)})
            for one in _rotated(peers, number):
                slices.append({"round": number * turns, "work": name, "series": one,
                               **_run(lanes, one, name, seconds)})
    return slices


def _turns(work, seconds):
    """In a round: (turns, seconds of each)."""
    return (1, seconds) if WORKS[work].kind == "http" else (BULK_TURNS, BULK_SECONDS)


def _rotated(group, number):
    shift = number % max(1, len(group))
    return group[shift:] + group[:shift]


def duration(works, series, rounds, seconds):
    """(slices, seconds of all of them)"""
    number, total = 0, 0
    for work in works:
        turns, length = _turns(work, seconds)
        for one in takers(series, work):
            number += 1 if table.peer(one) else turns
            total += seconds if table.peer(one) else turns * length
    return rounds * number, rounds * total


def takers(series, work):
    """Those of the series that take part in this work."""
    return [one for one in series if table.does(one, work)]


def _run(lanes, series, work, seconds):
    try:
        return lanes[series].run(WORKS[work], seconds)
    except BenchError as error:
        raise BenchError(f"{work}, {series}: {error}") from None


def _by_round(slices, value):
    """{(work, series): {metric: {round: value}}}"""
    result = collections.defaultdict(lambda: collections.defaultdict(dict))
    for one in slices:
        for metric, number in value(one).items():
            result[(one["work"], one["series"])][metric][one["round"]] = number
    return result


def summarise(slices, value):
    """One row per work, series and metric. Ratios are taken within a round, against its own
    direct slice; their median is the result."""
    table = _by_round(slices, value)
    rows = []
    for (work, series), metrics in table.items():
        for metric, rounds in metrics.items():
            base = table[(work, BASE)][metric]
            ratios = [rounds[n] / base[n] for n in rounds if base.get(n)]
            rows.append({
                "work": work, "series": series, "metric": metric,
                "median": round(statistics.median(rounds.values()), 3),
                "min": round(min(rounds.values()), 3), "max": round(max(rounds.values()), 3),
                "ratio_to_direct": round(statistics.median(ratios), 4) if ratios else None,
                "ratio_min": round(min(ratios), 4) if ratios else None,
                "ratio_max": round(max(ratios), 4) if ratios else None,
                "runs": len(rounds)})
    return rows


def ratio(slices, metric, work, series, base):
    """Median of the rounds' ratios of one series to another; None when there is no such round."""
    table_of = _by_round(slices, lambda one: one["metrics"])
    own, other = table_of[(work, series)][metric], table_of[(work, base)][metric]
    ratios = [own[n] / other[n] for n in own if other.get(n)]
    return round(statistics.median(ratios), 4) if ratios else None


def results(slices):
    """The report's "results": every metric that users see."""
    return summarise(slices, lambda one: {name: number for name, number in one["metrics"].items()
                                          if name in METRICS})


def cross_check(slices):
    """The same cost seen by the cgroups' own, finer clocks: tasks of both pods with the softirq
    work done on their back, and the agents. Foreign load does not enter here."""
    def per_unit(one):
        done = one["done"]
        units = done["requests"] if "cpu_us_per_request" in one["metrics"] else done["bytes"] / 1e6
        name = "request" if "cpu_us_per_request" in one["metrics"] else "mb"
        return {f"pods_us_per_{name}": one["used"]["pods_us"] / units,
                f"agents_us_per_{name}": one["used"]["agents_us"] / units}
    return summarise(slices, per_unit)


def foreign_share(slices):
    """Median share of the machine's CPU time that went to neither pods nor agents."""
    return statistics.median(one["used"]["foreign_us"] / one["used"]["wall_us"] / os.cpu_count()
                             for one in slices)

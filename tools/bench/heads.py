# SPDX-License-Identifier: Apache-2.0
"""What a byte of a request's head costs in the kernel: the programs' run time with long heads
compared with that for short ones. The client's and the server's own work on the head is in
neither. Heads that come again are not read: here hardly one does."""
import collections

import programs
from series import SERIES
from works import WORKS

WORK = "http-fresh-64"
# More than a thousand bytes, and with all the rest less than nginx's and haproxy's buffers.
LENGTH = 2000
ASSET = "/assets/"

Head = collections.namedtuple("Head", "what path headers")


def _heads(length):
    """Heads that are longer by `length` in one place."""
    rest = ("0123456789" * (length // 10 + 1))[:length]
    yield Head("a header that no rule names", ASSET + "a", ("X-Other: a-1" + rest,))
    yield Head("a header that a rule's regex reads", ASSET + "a", ("X-Tenant: a-1" + rest,))
    yield Head("the path, which the rules' regexes read", ASSET + "a" + rest, ())


def _nanoseconds(site, series, head, seconds):
    """Of all programs of both nodes, per request."""
    place = site.playground(SERIES[series].place)
    lane = site.lane(series)
    done, used = programs.spent(place, lambda: lane.run(
        WORKS[WORK], seconds, request=(head.path, head.headers)))
    return sum(one.nanoseconds for one in used.values()) / done["done"]["requests"]


def measure(site, series, seconds):
    """{"work", "bytes", "rows": [{"series", "what", "ns_short", "ns_long", "ns_per_byte"}]}: for
    each of the series, per request and per further byte."""
    rows = []
    for one in series:
        for short, long in zip(_heads(0), _heads(LENGTH)):
            ns_short, ns_long = (_nanoseconds(site, one, head, seconds) for head in (short, long))
            rows.append({"series": one, "what": long.what, "ns_short": round(ns_short, 1),
                         "ns_long": round(ns_long, 1),
                         "ns_per_byte": round((ns_long - ns_short) / LENGTH, 4)})
    return {"work": WORK, "bytes": LENGTH, "rows": rows}

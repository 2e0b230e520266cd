# SPDX-License-Identifier: Apache-2.0
"""The series: in which ways the same work is done."""
import collections

import rules

RULE_WORKS = ("http-keepalive-64", "http-fresh-64", "http-keepalive-1")
PEER_WORKS = ("http-keepalive-64", "http-keepalive-1", "http-close-64", "bulk-up", "bulk-down")

# The playground that series share: its agents' arguments, or None for no agents; the HTTP rules in
# force, None for L4 alone; the program of `peers.py` whose proxies run in it.
Place = collections.namedtuple("Place", "agent_args rules peer")
QUIET = "--telemetry=off"
PLACES = {
    "direct": Place(None, None, None),
    "again": Place(None, None, None),
    "weft": Place("", None, None),
    "http": Place("", rules.TEN, None),
    "http4": Place("", rules.FOUR, None),
    "http256": Place("", rules.many(), None),
    "telemetry": Place("--request-log-sample=1", rules.TEN, None),
    "quiet": Place(QUIET, rules.TEN, None),
    "nginx": Place(None, rules.TEN, "nginx"),
    "haproxy": Place(None, rules.TEN, "haproxy"),
    "envoy": Place(None, rules.TEN, "envoy"),
}

# `reach`: what the client addresses: the server's pod, the service, the proxy in its own pod
# (which speaks plain or mTLS to the one in the server's pod), or the proxy of the server's node.
# `works` is None where all works have something to say.
Series = collections.namedtuple("Series", "place reach works")
SERIES = {
    "direct": Series("direct", "pod", None),
    # the same once more, in a playground of its own: must come out at 1.00
    "direct-again": Series("again", "pod", None),
    "weft-l4": Series("weft", "pod", None),
    "weft-split": Series("weft", "service", None),
    "weft-http": Series("http", "pod", None),
    "weft-http-4": Series("http4", "pod", RULE_WORKS),
    "weft-http-256": Series("http256", "pod", RULE_WORKS),
    "weft-http-telemetry": Series("telemetry", "pod", ("http-keepalive-64", "http-keepalive-1",
                                                       "http-close-64")),
    "weft-http-quiet": Series("quiet", "pod", ("http-keepalive-64", "http-keepalive-1",
                                               "http-close-64")),
    "nginx-pair": Series("nginx", "sidecar", PEER_WORKS),
    "nginx-pair-mtls": Series("nginx", "sidecar-mtls", PEER_WORKS),
    "haproxy-pair": Series("haproxy", "sidecar", PEER_WORKS),
    "haproxy-node": Series("haproxy", "node", PEER_WORKS),
    "envoy-pair": Series("envoy", "sidecar", PEER_WORKS),
    "envoy-pair-mtls": Series("envoy", "sidecar-mtls", PEER_WORKS),
}
DEFAULT = tuple(name for name in SERIES if name != "direct-again")


def place(name):
    return PLACES[SERIES[name].place]


def is_weft(name):
    return place(name).agent_args is not None


def peer(name):
    return place(name).peer


def does(name, work):
    """Whether this series takes part in this work."""
    return SERIES[name].works is None or work in SERIES[name].works

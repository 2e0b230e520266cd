# SPDX-License-Identifier: Apache-2.0
"""The verdict matrix: who calls whom, how, under which rules - and what SEMANTICS says comes of it.

expect() is written from the specification alone: the third opinion beside the reference
evaluator and the kernel.
"""
import collections
import itertools
import json

from verdict_run import ANSWERED, FORBIDDEN, SILENCE

NODES = ("node-a", "node-b")
PORTS = (7001, 7002)
ENFORCE, PERMISSIVE, OFF = "enforce", "permissive", "off"

Destination = collections.namedtuple("Destination", "pod namespace mode hosts external annotations")
# All run under the ServiceAccount `server` of their namespace, on node-a.
DESTINATIONS = (
    Destination("strict", "strict", ENFORCE, False, False, {}),
    Destination("lenient", "lenient", PERMISSIVE, False, False, {}),
    Destination("plain", "plain", OFF, False, False, {}),
    Destination("disabled", "disabled", OFF, False, False, {}),
    Destination("exempt", "strict", OFF, False, False, {"weft.dev/mesh": "disabled"}),
    Destination("hosts", "hosts", ENFORCE, True, False, {}),
    Destination("open", "open", ENFORCE, False, True, {}),
    Destination("gateway", "strict", ENFORCE, False, True, {"weft.dev/external": "allow"}),
)
NAMESPACES = {
    "strict": ({"weft.dev/mesh": "enforce"}, {}),
    "lenient": ({"weft.dev/mesh": "permissive"}, {}),
    "plain": ({}, {}),
    "disabled": ({"weft.dev/mesh": "disabled"}, {}),
    "hosts": ({"weft.dev/mesh": "enforce"}, {"weft.dev/hosts": "cluster"}),
    "open": ({"weft.dev/mesh": "enforce"}, {"weft.dev/external": "allow"}),
    # Answers to the callers' UDP calls must find their way back into an enforced namespace.
    "clients": ({"weft.dev/mesh": "enforce"}, {}),
}

Source = collections.namedtuple("Source", "name kind namespace account node")
# kind: "pod", "host" or "unknown".
SOURCES = (
    Source("twin-a", "pod", "strict", "server", "node-a"),
    Source("twin-b", "pod", "strict", "server", "node-b"),
    Source("lenient-twin", "pod", "lenient", "server", "node-b"),
    Source("plain-twin", "pod", "plain", "server", "node-a"),
    Source("hosts-twin", "pod", "hosts", "server", "node-a"),
    Source("open-twin", "pod", "open", "server", "node-b"),
    Source("allowed-a", "pod", "clients", "allowed", "node-a"),
    Source("allowed-b", "pod", "clients", "allowed", "node-b"),
    Source("denied-a", "pod", "clients", "denied", "node-a"),
    # The name of an allowed ServiceAccount in another namespace is another identity.
    Source("denied-b", "pod", "plain", "allowed", "node-b"),
    Source("node-a", "host", None, None, "node-a"),
    Source("node-b", "host", None, None, "node-b"),
    # hostNetwork pods are their nodes.
    Source("hostnet-a", "host", "clients", "allowed", "node-a"),
    Source("hostnet-b", "host", "clients", "allowed", "node-b"),
    Source("outside", "unknown", None, None, None),
)
# Pods that may call themselves, but pretend to be another.
SPOOFERS = (
    Source("spoofer-a", "pod", "clients", "allowed", "node-a"),
    Source("spoofer-b", "pod", "clients", "allowed", "node-b"),
)

Rules = collections.namedtuple("Rules", "tcp udp http")
# Ports allowed to the listed sources: a set, or "any". Each row is reached by changing the last.
PHASES = {
    "none": None,
    "exact": Rules({7001}, {7002}, False),
    "changed": Rules({7002}, {7001}, False),
    "any": Rules("any", set(), False),
    "http-and-any-udp": Rules(set(), "any", True),
    "removed": None,
}

Verdict = collections.namedtuple("Verdict", "action reason")
# What the HTTP rules of this matrix allow; a line alone is no request.
REQUEST = "GET /matrix HTTP/1.1\r\nHost: server\r\n\r\n"


def covers(ports, port):
    return ports == "any" or port in ports


def judge_pod(source, destination, rules, proto, port):
    listed = (source.namespace, source.account) in ((destination.namespace, "server"),
                                                    ("clients", "allowed"))
    if not listed or rules is None:
        return "no_rule"
    if covers(rules.tcp if proto == "tcp" else rules.udp, port):
        return "policy"
    return "http" if rules.http and proto == "tcp" else "no_rule"


def expect(source, destination, rules, proto, port):
    """The verdict in the words of weft_reason."""
    if destination.mode == OFF:
        return Verdict("allow", "unmeshed")
    if source.kind == "host":
        if source.node == "node-a":
            return Verdict("allow", "local_host")
        reason = "cluster_host" if destination.hosts else "remote_host"
        allowed = destination.hosts
    elif source.kind == "unknown":
        reason = "external_allowed" if destination.external else "unknown_source"
        allowed = destination.external
    else:
        reason = judge_pod(source, destination, rules, proto, port)
        allowed = reason in ("policy", "http")
    if allowed:
        return Verdict("allow", reason)
    return Verdict("would_deny" if destination.mode == PERMISSIVE else "deny", reason)


def knows_on_call(source, way, hooked):
    """Is the caller's own side aware of the verdict? It is in its pod's cgroup; and whether an
    unmeshed pod's datagram is a call or an answer, the receiver's side must tell."""
    if source.kind != "pod" or not hooked:
        return False
    return way.proto == "tcp" or "weft.dev/mesh" in NAMESPACES[source.namespace][0]


def outcomes(verdict, source, destination, way, hooked, say=""):
    """What the caller's socket may experience: a set of (outcome, stage)."""
    if verdict.reason == "http" and destination.mode == ENFORCE and say != REQUEST:
        return FORBIDDEN
    if verdict.action != "deny":
        return ANSWERED
    return refusals(way, knows_on_call(source, way, hooked))


def refusals(way, at_once):
    """What a refused caller sees; `at_once`: its own side refuses."""
    if at_once and way.proto == "tcp":
        return frozenset({("EACCES", "connect")})
    # The kernel does not ask about what is sent on a connected socket, unless it is v4-mapped.
    if at_once and (way.mapped or not way.connected):
        return frozenset({("EACCES", "send")})
    if way.proto == "tcp":
        return frozenset({("ECONNREFUSED", "connect")})
    if way.connected:
        return frozenset({("ECONNREFUSED", "receive"), ("ECONNREFUSED", "send")})
    return SILENCE


# --- manifests

def metadata(name, namespace=None, labels=None, annotations=None):
    meta = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = labels
    if annotations:
        meta["annotations"] = annotations
    return meta


def pod(name, namespace, account, node_name, command, ports=(), host_network=False, **meta):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata(name, namespace, **meta),
            "spec": {"nodeName": node_name, "serviceAccountName": account,
                     "terminationGracePeriodSeconds": 0, "hostNetwork": host_network,
                     "containers": [{"name": "main", "command": command, "ports": list(ports)}]}}


def node(name):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def namespace_object(name, labels=None, annotations=None):
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": metadata(name, labels=labels, annotations=annotations)}


def account_ref(namespace, name):
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def route(kind, name, namespace, ports=()):
    spec = {"matches": {"ports": sorted(ports)}} if ports else {}
    return {"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": kind,
            "metadata": metadata(name, namespace), "spec": spec}


def http_group(name, namespace):
    return {"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "HTTPRouteGroup",
            "metadata": metadata(name, namespace),
            "spec": {"matches": [{"name": "all", "pathRegex": ".*", "methods": ["*"]}]}}


def target(name, namespace, destination, sources, rules, version="v1alpha3"):
    return {"apiVersion": "access.smi-spec.io/" + version, "kind": "TrafficTarget",
            "metadata": metadata(name, namespace),
            "spec": {"destination": destination, "sources": sources,
                     "rules": [{"kind": kind, "name": rule} for kind, rule in rules]}}


def cluster(server_command):
    """All objects but the rules. `server_command(pod, *listeners)` gives a server's command."""
    listeners = ["%s:%d" % pair for pair in itertools.product(("tcp", "udp"), PORTS)]
    objects = [node(name) for name in NODES]
    objects += [namespace_object(name, *more) for name, more in NAMESPACES.items()]
    objects += [pod(one.pod, one.namespace, "server", "node-a",
                    json.loads(server_command(one.pod, *listeners)), annotations=one.annotations)
                for one in DESTINATIONS]
    objects += [pod(one.name, one.namespace, one.account, one.node, ["sleep", "infinity"],
                    host_network=one.kind == "host")
                for one in SOURCES + SPOOFERS if one.account]
    return objects


def as_list(objects):
    """Text for `up`, `apply` and `delete`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def rule_objects(rules):
    """The TrafficTargets of a phase, one per namespace of destinations, and their routes."""
    objects = []
    for name in sorted({one.namespace for one in DESTINATIONS}):
        kinds = []
        if rules.tcp:
            objects.append(route("TCPRoute", "ports", name, () if rules.tcp == "any" else rules.tcp))
            kinds.append(("TCPRoute", "ports"))
        if rules.udp:
            objects.append(route("UDPRoute", "ports", name, () if rules.udp == "any" else rules.udp))
            kinds.append(("UDPRoute", "ports"))
        if rules.http:
            objects.append(http_group("all", name))
            kinds.append(("HTTPRouteGroup", "all"))
        objects.append(target("rule", name, account_ref(name, "server"),
                              [account_ref(name, "server"), account_ref("clients", "allowed")],
                              kinds))
    return objects

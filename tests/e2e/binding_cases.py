# SPDX-License-Identifier: Apache-2.0
"""Ways to name who calls and who is called, in every version of the API; each TrafficTarget has a
port of its own, so that all of them stand at once and none can answer for another."""
import collections
import itertools
import json

from verdict_cases import (Verdict, account_ref, http_group, metadata, namespace_object, node, pod,
                           route, target)

CLIENTS, SERVERS = "callers", "shop"
LABELS = (
    # (pod's name suffix, ServiceAccount, labels, node)
    ("gold", "main", {"tier": "gold", "zone": "inner"}, "node-a"),
    ("legacy", "other", {"tier": "gold", "legacy": "yes"}, "node-b"),
    ("lead", "main", {"tier": "lead", "zone": "inner"}, "node-b"),
    ("bare", "other", {}, "node-a"),
)
Subject = collections.namedtuple("Subject", "name account labels")


def subjects(side):
    return [Subject("%s-%s" % (side, suffix), account, labels)
            for suffix, account, labels, _ in LABELS]


# name -> (spec.schemes of an IdentityBinding; None: named directly; {}: does not exist,
#          whom it covers)
SCHEMES = {
    "account-itself": (None, lambda s: s.account == "main"),
    "account": ({"serviceAccount": "main"}, lambda s: s.account == "main"),
    "labels": ({"podLabelSelector": {"matchLabels": {"tier": "gold"}}},
               lambda s: s.labels.get("tier") == "gold"),
    "in": ({"podLabelSelector": {"matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["silver", "lead"]}]}},
           lambda s: s.labels.get("tier") in ("silver", "lead")),
    "exists": ({"podLabelSelector": {"matchExpressions": [
        {"key": "tier", "operator": "Exists"}, {"key": "legacy", "operator": "DoesNotExist"}]}},
               lambda s: "tier" in s.labels and "legacy" not in s.labels),
    "not-in": ({"podLabelSelector": {"matchLabels": {"zone": "inner"}, "matchExpressions": [
        {"key": "tier", "operator": "NotIn", "values": ["lead"]}]}},
               lambda s: s.labels.get("zone") == "inner" and s.labels.get("tier") != "lead"),
    "not-in-absent": ({"podLabelSelector": {"matchExpressions": [
        {"key": "tier", "operator": "NotIn", "values": ["gold"]}]}},
                      lambda s: s.labels.get("tier") != "gold"),
    "spiffe": ({"spiffeIdentities": ["cluster.local/ns/%s/sa/other"]},
               lambda s: s.account == "other"),
    "spiffe-or-labels": ({"spiffeIdentities": ["elsewhere.org/ns/%s/sa/main",
                                               "cluster.local/ns/%s/sa/other"],
                          "podLabelSelector": {"matchLabels": {"tier": "lead"}}},
                         lambda s: s.account == "other" or s.labels.get("tier") == "lead"),
    # What must not bind anybody.
    "foreign-domain": ({"spiffeIdentities": ["elsewhere.org/ns/%s/sa/main"]}, lambda s: False),
    "foreign-namespace": ({"spiffeIdentities": ["cluster.local/ns/default/sa/main"]},
                          lambda s: False),
    "both": ({"serviceAccount": "main", "podLabelSelector": {"matchLabels": {"tier": "gold"}}},
             lambda s: False),
    "missing": ({}, lambda s: False),
}
FIRST_PORT = 9200
PAIRS = {FIRST_PORT + index: pair for index, pair in enumerate(
    itertools.product(SCHEMES, SCHEMES))}  # port -> (source's scheme, destination's scheme)


def binding(name, namespace, schemes):
    schemes = dict(schemes)
    if "spiffeIdentities" in schemes:
        schemes["spiffeIdentities"] = [one.replace("%s", namespace)
                                       for one in schemes["spiffeIdentities"]]
    return {"apiVersion": "access.smi-spec.io/v1alpha4", "kind": "IdentityBinding",
            "metadata": metadata(name, namespace), "spec": {"schemes": schemes}}


def subject_ref(scheme, namespace):
    if SCHEMES[scheme][0] is None:
        return account_ref(namespace, "main")
    return {"kind": "IdentityBinding", "group": "access.smi-spec.io", "name": scheme,
            "namespace": namespace}


def scheme_objects():
    for scheme, (schemes, _) in SCHEMES.items():
        if schemes:
            yield binding(scheme, CLIENTS, schemes)
            yield binding(scheme, SERVERS, schemes)
    for port, (source, destination) in PAIRS.items():
        name = "%s--%s" % (source, destination)
        yield route("TCPRoute", name, SERVERS, [port])
        yield route("UDPRoute", name, SERVERS, [port])
        yield target(name, SERVERS, subject_ref(destination, SERVERS),
                     [subject_ref(source, CLIENTS)], [("TCPRoute", name), ("UDPRoute", name)],
                     "v1alpha4")


def expect_pair(source, destination, port):
    schemes = PAIRS[port]
    if SCHEMES[schemes[0]][1](source) and SCHEMES[schemes[1]][1](destination):
        return Verdict("allow", "policy")
    return Verdict("deny", "no_rule")


# --- versions and destination.port: all for pod `versions`, from ServiceAccount `main` of CLIENTS

CONTAINER_PORTS = [{"name": "web", "containerPort": 9103}, {"name": "admin", "containerPort": 9106},
                   {"name": "dns", "containerPort": 9107, "protocol": "UDP"},
                   # A name may be used once per protocol.
                   {"name": "sip", "containerPort": 9117, "protocol": "TCP"},
                   {"name": "sip", "containerPort": 9118, "protocol": "UDP"}]
Case = collections.namedtuple("Case", "version port rules grants")
TCP, UDP, HTTP = "TCPRoute", "UDPRoute", "HTTPRouteGroup"
# rules: (kind, version of the route, its ports); grants: {(proto, port): reason}, all else is denied.
CASES = {
    "number-1": Case("v1alpha1", 9101, [(TCP, "v1alpha1", None)], {("tcp", 9101): "policy"}),
    "digits-1": Case("v1alpha1", "9102", [(TCP, "v1alpha2", None)], {("tcp", 9102): "policy"}),
    "name-1": Case("v1alpha1", "web", [(TCP, "v1alpha3", None)], {("tcp", 9103): "policy"}),
    "number-2": Case("v1alpha2", 9104, [(TCP, "v1alpha4", ())], {("tcp", 9104): "policy"}),
    "digits-2": Case("v1alpha2", "9105", [(TCP, "v1alpha1", None)], {("tcp", 9105): "policy"}),
    "name-2": Case("v1alpha2", "admin", [(TCP, "v1alpha2", None)], {("tcp", 9106): "policy"}),
    "name-udp": Case("v1alpha2", "dns", [(UDP, "v1alpha4", ())], {("udp", 9107): "policy"}),
    "ports-3": Case("v1alpha3", None, [(TCP, "v1alpha4", (9108,)), (UDP, "v1alpha4", (9108,))],
                    {("tcp", 9108): "policy", ("udp", 9108): "policy"}),
    "ports-4": Case("v1alpha4", None, [(TCP, "v1alpha4", (9109,)), (UDP, "v1alpha4", (9110,))],
                    {("tcp", 9109): "policy", ("udp", 9110): "policy"}),
    "http-1": Case("v1alpha1", 9111, [(HTTP, "v1alpha1", None)],
                   {("tcp", 9111): "http"}),
    "http-2": Case("v1alpha2", 9112, [(HTTP, "v1alpha3", None)],
                   {("tcp", 9112): "http"}),
    "http-3": Case("v1alpha3", None, [(HTTP, "v1alpha4", None), (TCP, "v1alpha4", (9113,))],
                   {("tcp", 9113): "http"}),
    "both-narrow": Case("v1alpha2", 9114, [(TCP, "v1alpha4", (9114, 9115))],
                        {("tcp", 9114): "policy"}),
    "contradiction": Case("v1alpha2", 9115, [(TCP, "v1alpha4", (9116,))], {}),
    "no-such-name": Case("v1alpha1", "metrics", [(TCP, "v1alpha1", None)], {}),
    "name-of-other-protocol": Case("v1alpha2", "web", [(UDP, "v1alpha4", ())], {}),
    "name-twice": Case("v1alpha2", "sip", [(TCP, "v1alpha4", ()), (UDP, "v1alpha4", ())],
                       {("tcp", 9117): "policy", ("udp", 9118): "policy"}),
    # One target's port and another's route do not add up: 9119 has a port, 9120 a route.
    "lend-port": Case("v1alpha2", 9119, [(UDP, "v1alpha4", (9120,))], {}),
    "lend-route": Case("v1alpha2", 9120, [(UDP, "v1alpha4", (9119,))], {}),
}
VERSION_PORTS = range(9101, 9121)
# Destinations whose one rule is a TCPRoute without ports: every TCP port.
ALL_PORTS = {"all-1": ("v1alpha1", "v1alpha1"), "all-2": ("v1alpha2", "v1alpha2"),
             "all-3": ("v1alpha3", "v1alpha3"), "all-4": ("v1alpha4", "v1alpha4")}
ALL_PORTS_PROBED = (9101, 9120)


def versioned_route(kind, name, version, ports):
    if kind == HTTP:
        made = http_group(name, SERVERS)
        if version in ("v1alpha1", "v1alpha2"):
            made.update(made.pop("spec"))
    else:
        made = route(kind, name, SERVERS, ports or ())
        if ports is None:
            made["spec"] = {}
    if version == "v1alpha1":
        made.pop("spec", None)
    made["apiVersion"] = "specs.smi-spec.io/" + version
    return made


def versioned_target(name, case, account, rules):
    made = target(name, SERVERS, account_ref(SERVERS, account), [account_ref(CLIENTS, "main")],
                  rules, case.version)
    if case.port is not None:
        made["spec"]["destination"]["port"] = case.port
    if case.version == "v1alpha1":
        made.update(made.pop("spec"))
        made["specs"] = made.pop("rules")
    return made


def version_objects():
    for name, case in CASES.items():
        for kind, version, ports in case.rules:
            yield versioned_route(kind, "v-" + name, version, ports)
        yield versioned_target("v-" + name, case, "versions",
                               [(kind, "v-" + name) for kind, _, _ in case.rules])
    for name, (version, route_version) in ALL_PORTS.items():
        yield versioned_route(TCP, name, route_version, None)
        yield versioned_target(name, Case(version, None, (), {}), name, [(TCP, name)])


def expect_version(source, proto, port):
    granted = {grant: reason for case in CASES.values() for grant, reason in case.grants.items()}
    reason = granted.get((proto, port), "no_rule") if source.account == "main" else "no_rule"
    return Verdict("deny" if reason == "no_rule" else "allow", reason)


def cluster(server_command):
    yield from map(node, ("node-a", "node-b"))
    for name in (CLIENTS, SERVERS):
        yield namespace_object(name, {"weft.dev/mesh": "enforce"})
    listeners = ["%s:%d" % pair for pair in itertools.product(("tcp", "udp"), PAIRS)]
    for suffix, account, labels, where in LABELS:
        yield pod("client-" + suffix, CLIENTS, account, where, ["sleep", "infinity"], labels=labels)
        yield pod("server-" + suffix, SERVERS, account, where,
                  json.loads(server_command("server-" + suffix, *listeners)), labels=labels)
    listeners = ["%s:%d" % pair for pair in itertools.product(("tcp", "udp"), VERSION_PORTS)]
    yield pod("versions", SERVERS, "versions", "node-a",
              json.loads(server_command("versions", *listeners)),
              ports=CONTAINER_PORTS)
    listeners = ["%s:%d" % pair for pair in itertools.product(("tcp", "udp"), ALL_PORTS_PROBED)]
    for name in ALL_PORTS:
        yield pod(name, SERVERS, name, "node-b", json.loads(server_command(name, *listeners)))
    yield from scheme_objects()
    yield from version_objects()

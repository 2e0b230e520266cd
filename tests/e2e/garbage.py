# SPDX-License-Identifier: Apache-2.0
"""Things that may lie in a manifest folder and are no manifests."""
import copy
import json
import os
import random
import socket

from robust import thing

DEEP = 100_000


def alias_bomb():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for one, two in zip("abcdefghi", "bcdefghij"):
        lines.append("%s: &%s [%s]" % (two, two, ", ".join(["*" + one] * 9)))
    return "\n".join(lines) + "\n"


# What a file may hold: name of the case -> content.
CONTENTS = {
    "truncated": b"apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: \"b",
    "truncated-json": b'{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "we',
    "tab-indented": b"kind: Service\n\tmetadata: x\n",
    "ten-megabytes": b"#" * (10 << 20),
    "ten-megabytes-of-data": b"- {a: [b, c]}\n" * ((10 << 20) // 14),
    "a-million-values": b"[" + b"1," * 1_100_000 + b"1]",
    "deep-list": b"[" * DEEP,
    "deep-list-closed": b"[" * DEEP + b"]" * DEEP,
    "deep-map": b"{a: " * DEEP,
    "deep-block": b"".join(b" " * depth + b"a:\n" for depth in range(1500)),
    "deep-lists-of-objects": b'{"kind": "List", "items": [' * 50 + b"]}" * 50,
    "alias-bomb": alias_bomb().encode(),
    "alias-of-itself": b"&a [*a]\n",
    "unknown-alias": b"a: *nobody\n",
    "key-twice": b"apiVersion: v1\nkind: Service\nkind: Service\nmetadata: {name: web}\n",
    "complex-keys": b"? [a, b]\n: c\n",
    "nul-bytes": b"apiVersion: v1\nkind: Service\nmetadata: {name: \"a\x00b\"}\n",
    "binary-junk": random.Random(1).randbytes(100_000),
    "elf": open("/bin/true", "rb").read(100_000),
    "utf-16": "apiVersion: v1".encode("utf-16")[:-1],
    "bad-utf-8": b'apiVersion: v1\nkind: Service\nmetadata: {name: "\xff\xfe"}\n',
    "bad-tag": b"!!python/object/apply:os.system ['true']\n--- [\n",
}


def make_directory(path):
    path.mkdir()


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


# What a name may stand for that is no ordinary file: name of the case -> maker.
SPECIAL = {
    "directory": make_directory,
    "dangling-link": lambda path: path.symlink_to("nowhere"),
    "link-to-itself": lambda path: path.symlink_to(path.name),
    "fifo": os.mkfifo,
    "socket": make_socket,
    "endless-device": lambda path: path.symlink_to("/dev/zero"),
    "unreadable": lambda path: path.symlink_to("/proc/self/mem"),
}

NAMES = ["new\nline", "quo\"te's", "back\\slash", "ta\tb", "\x1b[31mred", "sp ace", "%s%n", "ü€",
         b"bad\xff\xfeutf8".decode("utf-8", "surrogateescape"), "x" * 250]

# What a value may be instead of what it should be.
WRONG = [None, True, 42, -1, 1.5, 1e300, "", "x", "a b\n\"c\"", "x" * 3000, [], {}, [[]], [None],
         {"a": {"b": []}}, [{"name": {}}], "10.96.0.10", "::", 65536, "18446744073709551616"]

META = {"labels": {"app": "junk"}, "annotations": {"weft.dev/mesh": "disabled"},
        "uid": "00000000-0000-0000-0000-00000000beef", "resourceVersion": "7",
        "creationTimestamp": "2024-01-01T00:00:00Z", "generation": 1,
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "junk",
                             "uid": "u", "controller": True}]}


def junk(api, kind, **more):
    return thing(api, kind, "junk", "junk", metadata=copy.deepcopy(META), **more)


def subject(name):
    return {"kind": "ServiceAccount", "name": name, "namespace": "junk"}


def valid_objects():
    """One of every kind that the agent reads, in every version whose shape differs."""
    http = [{"name": "all", "pathRegex": "/x", "methods": ["GET"], "headers": {"host": "x"}}]
    backends = [{"service": "junk", "weight": 90}, {"service": "other", "weight": 10}]
    old = {"destination": {**subject("junk"), "port": 80}, "sources": [subject("x")],
           "specs": [{"kind": "TCPRoute", "name": "junk"}]}
    new = {"destination": subject("junk"), "sources": [subject("x")],
           "rules": [{"kind": "HTTPRouteGroup", "name": "junk", "matches": ["all"]}]}
    return [
        junk("v1", "Namespace"),
        junk("v1", "ServiceAccount"),
        junk("v1", "Node", spec={"podCIDRs": ["10.99.0.0/24"]},
             status={"addresses": [{"type": "InternalIP", "address": "192.0.2.9"}]}),
        junk("v1", "Pod", spec={
            "nodeName": "a", "serviceAccountName": "junk", "hostNetwork": False,
            "containers": [{"name": "c", "ports": [{"name": "p", "containerPort": 80}]}]},
             status={"phase": "Running", "podIP": "192.0.2.10", "podIPs": [{"ip": "192.0.2.10"}],
                     "conditions": [{"type": "Ready", "status": "True"}]}),
        junk("v1", "Service", spec={
            "type": "ClusterIP", "clusterIP": "192.0.2.11", "clusterIPs": ["192.0.2.11"],
            "ipFamilies": ["IPv4"], "selector": {"app": "junk"}, "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}},
            "ports": [{"name": "p", "port": 80, "targetPort": "p", "protocol": "TCP"}]}),
        junk("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4",
             ports=[{"name": "p", "port": 80, "protocol": "TCP"}],
             endpoints=[{"addresses": ["192.0.2.10"], "nodeName": "a", "zone": "z",
                         "conditions": {"ready": True, "serving": True, "terminating": False},
                         "targetRef": {"kind": "Pod", "name": "junk", "namespace": "junk"}}]),
        junk("specs.smi-spec.io/v1alpha1", "TCPRoute"),
        junk("specs.smi-spec.io/v1alpha4", "TCPRoute", spec={"matches": {"name": "m",
                                                                        "ports": [80]}}),
        junk("specs.smi-spec.io/v1alpha4", "UDPRoute", spec={"matches": {"ports": [80]}}),
        junk("specs.smi-spec.io/v1alpha2", "HTTPRouteGroup", matches=http),
        junk("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", spec={"matches": http}),
        junk("access.smi-spec.io/v1alpha1", "TrafficTarget", **old),
        junk("access.smi-spec.io/v1alpha3", "TrafficTarget", spec=new),
        junk("access.smi-spec.io/v1alpha4", "TrafficTarget", spec={
            **new, "destination": {"kind": "IdentityBinding", "name": "junk"}}),
        junk("access.smi-spec.io/v1alpha4", "IdentityBinding", spec={"schemes": {
            "serviceAccount": "junk", "spiffeIdentities": ["cluster.local/ns/junk/sa/junk"],
            "podLabelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["b"]}]}}}),
        junk("split.smi-spec.io/v1alpha1", "TrafficSplit", spec={
            "service": "junk", "backends": [{"service": "junk", "weight": "900m"}]}),
        junk("split.smi-spec.io/v1alpha4", "TrafficSplit", spec={
            "service": "junk", "backends": backends,
            "matches": [{"kind": "HTTPRouteGroup", "name": "junk"}]}),
    ]


def paths_in(value, path=()):
    """Every place in a document, the document itself excepted."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else \
        enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths_in(inner, path + (key,))


def with_value(document, path, value):
    result = copy.deepcopy(document)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


def wrong_objects():
    """Every field of every kind with values of every wrong type; each under a name of its own."""
    count = 0
    for document in valid_objects():
        for path in paths_in(document):
            for value in WRONG:
                wrong = with_value(document, path, value)
                if path[:2] not in (("metadata",), ("metadata", "name")):
                    wrong["metadata"]["name"] += "-%d" % count
                count += 1
                yield wrong


def wrong_files(per_file):
    """The same as contents of files."""
    pieces, piece = [], []
    for document in wrong_objects():
        piece.append(json.dumps(document))
        if len(piece) == per_file:
            pieces.append("\n---\n".join(piece))
            piece = []
    return pieces + ["\n---\n".join(piece)]

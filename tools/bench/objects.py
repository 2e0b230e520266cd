# SPDX-License-Identifier: Apache-2.0
"""A thousand objects of a cluster that has more than is measured, one file each, and changes to
three of them. JSON is YAML."""
import json

FIRST_PORT = 10000
# The port whose verdict is timed, and the route that names it.
VERDICT_ROUTE = 99
VERDICT_PORT = FIRST_PORT + VERDICT_ROUTE
COUNTS = {"pods": 400, "services": 150, "routes": 100, "targets": 150, "splits": 50}
NODE = "node-elsewhere"


def _object(api, kind, name, **rest):
    namespaced = {"namespace": "bench"} if kind not in ("Node", "Namespace") else {}
    labels = rest.pop("labels", None)
    metadata = {"name": name, **namespaced, **({"labels": labels} if labels else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def _file(document):
    return f"generated_{document['kind'].lower()}_{document['metadata']['name']}.yaml", \
        json.dumps(document)


def _address(number):
    return f"10.99.{number // 200}.{number % 200 + 1}"


def _pod(number, address):
    document = _object(
        "v1", "Pod", f"elsewhere-{number}", labels={"app": f"app-{number % 150}"},
        spec={"nodeName": NODE, "serviceAccountName": f"account-{number % 50}",
              "containers": [{"name": "idle", "ports": [{"containerPort": 8080}]}]},
        status={"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True"}]})
    document["metadata"]["uid"] = f"00000000-0000-4000-8000-{number:012d}"
    return document


def _service(number):
    address = f"10.96.200.{number + 1}"
    return _object("v1", "Service", f"service-{number}",
                   spec={"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address],
                         "ipFamilies": ["IPv4"], "selector": {"app": f"app-{number}"},
                         "ports": [{"name": "http", "port": 80, "targetPort": 8080,
                                    "protocol": "TCP"}]})


def _slice(number):
    pods = range(number, COUNTS["pods"], 150)
    return _object("discovery.k8s.io/v1", "EndpointSlice", f"service-{number}-v4",
                   labels={"kubernetes.io/service-name": f"service-{number}"},
                   addressType="IPv4", ports=[{"name": "http", "port": 8080, "protocol": "TCP"}],
                   endpoints=[{"addresses": [_address(pod)], "nodeName": NODE,
                               "conditions": {"ready": True, "serving": True},
                               "targetRef": {"kind": "Pod", "namespace": "bench",
                                             "name": f"elsewhere-{pod}"}} for pod in pods])


def _route(number):
    return _object("specs.smi-spec.io/v1alpha4", "TCPRoute", f"route-{number}",
                   spec={"matches": {"ports": [FIRST_PORT + number]}})


def _allow(name, source, destination, route):
    return _object("access.smi-spec.io/v1alpha3", "TrafficTarget", name,
                   spec={"destination": {"kind": "ServiceAccount", "name": destination,
                                         "namespace": "bench"},
                         "rules": [{"kind": "TCPRoute", "name": f"route-{route}"}],
                         "sources": [{"kind": "ServiceAccount", "name": source,
                                      "namespace": "bench"}]})


def _target(number, source):
    """Every third one names the client, whose pod is on the node that is timed."""
    destination = "client" if number % 3 == 0 else f"account-{number % 50}"
    return _allow(f"target-{number}", f"account-{source}", destination, number % COUNTS["routes"])


def _split(number, weight):
    first = 3 * number
    return _object("split.smi-spec.io/v1alpha4", "TrafficSplit", f"split-{number}",
                   spec={"service": f"service-{first}",
                         "backends": [{"service": f"service-{first + 1}", "weight": weight},
                                      {"service": f"service-{first + 2}", "weight": 100}]})


def initial():
    """(file name, text) of each."""
    yield _file(_object("v1", "Node", NODE, status={
        "addresses": [{"type": "InternalIP", "address": "10.0.0.200"}]}))
    for number in range(COUNTS["pods"]):
        yield _file(_pod(number, _address(number)))
    for number in range(COUNTS["services"]):
        yield _file(_service(number))
        yield _file(_slice(number))
    for number in range(COUNTS["routes"]):
        yield _file(_route(number))
    for number in range(COUNTS["targets"]):
        yield _file(_target(number, number % 50))
    for number in range(COUNTS["splits"]):
        yield _file(_split(number, 100))


def changed(number):
    """(file name, text) of the change number 0, 1, ...: in turn another source of a target,
    another weight of a split, another address of a pod. Each alters entries of the maps."""
    kind, step = number % 3, number // 3
    if kind == 0:
        return _file(_target(0, 1 + step % 49))
    if kind == 1:
        return _file(_split(0, 1 + step % 99))
    return _file(_pod(0, f"10.99.100.{1 + step % 250}"))


def verdict(is_allowed):
    """(file name, text) of the target that lets the intruder reach the client pod, or not."""
    return _file(_allow("verdict", "intruder" if is_allowed else "nobody", "client",
                        VERDICT_ROUTE))

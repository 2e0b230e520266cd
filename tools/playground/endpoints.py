# SPDX-License-Identifier: Apache-2.0
"""EndpointSlices of Services with a selector: what the endpoint slice controller does."""
import hashlib
import json

from . import addresses, objects, services

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGED_BY = "endpointslice-controller.k8s.io"


def selects(selector, pod):
    labels = objects.mapping(pod.document, "metadata", "labels")
    return all(str(labels.get(name)) == str(value) and name in labels
               for name, value in selector.items())


def _target_port(pod, port):
    """The pod's number for a service port, or None when it has no such named port."""
    target = port.get("targetPort")
    if target is None:
        target = port.get("port")
    if isinstance(target, int):
        return target
    protocol = port.get("protocol") or "TCP"
    for container in pod.spec["containers"]:
        for entry in objects.sequence(container, "ports"):
            entry = objects.mapping(entry)
            if entry.get("name") == target and (entry.get("protocol") or "TCP") == protocol:
                return entry.get("containerPort")
    return None


def _resolve(pod, ports):
    """The EndpointSlice ports that this pod offers for the service."""
    result = []
    for port in ports:
        number = _target_port(pod, port)
        if number is not None:
            entry = {"name": port.get("name") or "", "port": number,
                     "protocol": port.get("protocol") or "TCP"}
            if port.get("appProtocol"):
                entry["appProtocol"] = port["appProtocol"]
            result.append(entry)
    return result


def _endpoint(pod, address, publish_not_ready):
    result = {
        "addresses": [address],
        "conditions": {"ready": pod.ready or publish_not_ready, "serving": pod.serving,
                       "terminating": pod.terminating},
        "nodeName": pod.node.name,
        "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name,
                      "uid": pod.uid},
    }
    zone = objects.mapping(pod.node.document, "metadata", "labels").get(
        "topology.kubernetes.io/zone")
    if zone is not None:
        result["zone"] = zone
    return result


def _slice(service, family, ports, endpoints):
    metadata = service["metadata"]
    digest = hashlib.sha256(json.dumps(ports).encode()).hexdigest()[:5]
    labels = {SERVICE_LABEL: metadata["name"], MANAGED_LABEL: MANAGED_BY}
    if objects.mapping(service, "spec").get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name']}-{family.lower()}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": metadata["name"],
                                 "uid": metadata.get("uid"), "controller": True,
                                 "blockOwnerDeletion": True}],
        },
        "addressType": family,
        "endpoints": endpoints,
        "ports": ports,
    }


def of_service(service, pods):
    """All slices of one published Service: per family, and per distinct set of port numbers."""
    spec = objects.mapping(service, "spec")
    selector = objects.mapping(spec, "selector")
    if not selector or spec.get("type") == "ExternalName":
        return []
    ports = [port for port in objects.sequence(spec, "ports") if isinstance(port, dict)]
    publish = spec.get("publishNotReadyAddresses") is True
    chosen = [pod for pod in pods if pod.namespace == service["metadata"].get("namespace")
              and pod.phase == "Running" and selects(selector, pod)]
    result = []
    for family in services.families(spec):
        groups = {}
        for pod in chosen:
            for address in pod.addresses:
                if addresses.is_v6(address) == (family == "IPv6"):
                    resolved = _resolve(pod, ports)
                    groups.setdefault(json.dumps(resolved), (resolved, []))[1].append(
                        _endpoint(pod, address, publish))
        if not groups:
            # As in a cluster, an empty slice says that the service has no endpoint.
            groups[""] = ([], [])
        result += [_slice(service, family, resolved, endpoints)
                   for resolved, endpoints in groups.values()]
    return result

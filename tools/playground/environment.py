# SPDX-License-Identifier: Apache-2.0
"""The environment of a container's process: its own values, its pod, the services."""
import os
import re

from . import addresses, objects
from .errors import PlaygroundError


def _variable_name(name):
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _url_host(address):
    return f"[{address}]" if addresses.is_v6(address) else address


def _of_service(prefix, address, ports):
    result = {f"{prefix}_SERVICE_HOST": address}
    for port in ports:
        number = str(port.get("port"))
        protocol = str(port.get("protocol") or "TCP")
        url = f"{protocol.lower()}://{_url_host(address)}:{number}"
        result.setdefault(f"{prefix}_SERVICE_PORT", number)
        result.setdefault(f"{prefix}_PORT", url)
        if objects.text(port.get("name")):
            result[f"{prefix}_SERVICE_PORT_{_variable_name(port['name'])}"] = number
        link = f"{prefix}_PORT_{number}_{protocol.upper()}"
        result.update({link: url, f"{link}_PROTO": protocol.lower(), f"{link}_PORT": number,
                       f"{link}_ADDR": address})
    return result


def of_services(namespace, services):
    """Kubernetes' service variables for the pod's own namespace; services of every namespace
    are also there as NAME_NAMESPACE_SERVICE_HOST and so on."""
    result = {}
    for service in services:
        metadata, spec = service["metadata"], objects.mapping(service, "spec")
        address = spec.get("clusterIP")
        if addresses.parse(str(address)) is None:
            continue
        ports = [port for port in objects.sequence(spec, "ports") if isinstance(port, dict)]
        name, own = metadata["name"], str(metadata.get("namespace"))
        result.update(_of_service(_variable_name(f"{name}_{own}"), address, ports))
        if own == namespace:
            result.update(_of_service(_variable_name(name), address, ports))
    return result


def _expand(text, known):
    """$(NAME) from what is known so far, $$ for a dollar sign; the rest stays as it is."""
    def replace(match):
        if match[0].startswith("$$"):
            return match[0][1:]
        return known.get(match[1], match[0])
    return re.sub(r"\$\$\([^)]*\)|\$\(([^)]*)\)", replace, text)


def _field(pod, path):
    metadata = pod.document["metadata"]
    simple = {
        "metadata.name": pod.name, "metadata.namespace": pod.namespace, "metadata.uid": pod.uid,
        "spec.nodeName": pod.node.name, "status.podIP": pod.addresses[0],
        "status.podIPs": ",".join(pod.addresses), "status.hostIP": pod.node.addresses[0],
        "status.hostIPs": ",".join(pod.node.addresses),
        "spec.serviceAccountName":
            objects.text(pod.spec.get("serviceAccountName"), "default"),
    }
    if path in simple:
        return simple[path]
    match = re.match(r"metadata\.(labels|annotations)\['(.*)'\]\Z", path)
    if match:
        return str(objects.mapping(metadata, match[1]).get(match[2], ""))
    raise PlaygroundError(f"env: fieldRef '{path}' is not supported")


def of_container(pod, container, services):
    """All variables of one container."""
    result = {
        "PATH": os.environ.get("PATH") or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                          "/sbin:/bin",
        "HOME": "/root", "LANG": "C.UTF-8", "HOSTNAME": pod.hostname,
        "POD_NAME": pod.name, "POD_NAMESPACE": pod.namespace, "POD_IP": pod.addresses[0],
        "POD_IPS": ",".join(pod.addresses), "NODE_NAME": pod.node.name,
    }
    if pod.spec.get("enableServiceLinks") is not False:
        result.update(of_services(pod.namespace, services))
    for entry in objects.sequence(container, "env"):
        name = objects.text(objects.mapping(entry).get("name"))
        if not name or "=" in name or "\0" in name:
            raise PlaygroundError(f"env: bad entry {entry!r}")
        if "valueFrom" in entry:
            field = objects.mapping(entry, "valueFrom", "fieldRef").get("fieldPath")
            if not field:
                raise PlaygroundError(f"env {name}: only valueFrom.fieldRef is supported")
            result[str(name)] = _field(pod, str(field))
        else:
            value = entry.get("value")
            result[str(name)] = _expand("" if value is None else str(value), result)
    return result


def expand_arguments(arguments, env):
    return [_expand(str(argument), env) for argument in arguments]

# SPDX-License-Identifier: Apache-2.0
"""What identifies an object, and tolerant access to objects that may be broken."""
import hashlib
import re
import time
import uuid
from typing import NamedTuple

CLUSTER_SCOPED = {
    "Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding",
    "CustomResourceDefinition", "StorageClass", "PriorityClass", "APIService", "IngressClass",
    "GatewayClass", "RuntimeClass", "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration", "CSIDriver", "CSINode", "VolumeAttachment",
}
UNSUPPORTED_WORKLOADS = {
    "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob",
    "ReplicationController", "PodTemplate",
}


class Key(NamedTuple):
    """Identity of an object; the API version is not part of it."""
    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self):
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


def mapping(value, *path):
    """The mapping at `path` below `value`; {} when anything on the way is missing or no mapping."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def sequence(value, *path):
    """The list at `path` below `value`; [] when missing or no list."""
    value = mapping(value, *path[:-1]).get(path[-1])
    return value if isinstance(value, list) else []


def text(value, default=""):
    return value if isinstance(value, str) and value else default


def key_of(document):
    """The Key of a document, or None when it is not enough of an object to have one."""
    if not isinstance(document, dict) or not text(document.get("kind")):
        return None
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not text(metadata.get("name")):
        return None
    kind = document["kind"]
    api_version = text(document.get("apiVersion"))
    group = api_version.rpartition("/")[0]
    namespace = metadata.get("namespace")
    if kind in CLUSTER_SCOPED:
        namespace = ""
    elif namespace is None:
        namespace = "default"
    elif not isinstance(namespace, str):
        return None
    return Key(str(group), str(kind), str(namespace), str(metadata["name"]))


def anonymous_key(document, rendered):
    """A stable key for a document without a usable identity: its content."""
    kind = document.get("kind") if isinstance(document, dict) else None
    digest = hashlib.sha256(rendered.encode()).hexdigest()[:12]
    return Key("", text(kind, "object"), "", f"!{digest}")


def file_name(key):
    """A file name for the object: readable, unique, stable, harmless."""
    parts = [key.kind.lower()]
    if key.group:
        parts[0] += "." + key.group.lower()
    parts += [part for part in (key.namespace, key.name) if part]
    name = "_".join(re.sub(r"[^A-Za-z0-9.-]", lambda match: f"%{ord(match[0]):02x}", part)
                    for part in parts)
    if len(name) > 200:
        name = f"{name[:180]}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return name + ".yaml"


def now():
    """The present as Kubernetes writes it: RFC 3339, whole seconds, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def complete_metadata(document, key, previous=None):
    """Fill in what the API server would: namespace, uid, creationTimestamp. In place."""
    metadata = document["metadata"]
    if key.namespace and metadata.get("namespace") is None:
        metadata["namespace"] = key.namespace
    before = mapping(previous, "metadata")
    if metadata.get("uid") is None:
        metadata["uid"] = before.get("uid") or str(uuid.uuid4())
    if metadata.get("creationTimestamp") is None:
        metadata["creationTimestamp"] = before.get("creationTimestamp") or now()

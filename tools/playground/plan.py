# SPDX-License-Identifier: Apache-2.0
"""From manifests to a checked list of objects, before anything is changed."""
import re

from . import manifests, objects, pods
from .errors import PlaygroundError

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
# Objects the playground itself acts upon; all others only travel through the folder.
ACTED_UPON = ("Pod", "Node", "Service")


class Plan:
    """The objects of one `up`, `apply` or `delete`, by what has to happen with them."""

    def __init__(self, sources):
        self.documents = {}
        for origin, text in sources:
            for document in manifests.parse(text, origin):
                self._add(document, origin)

    def _add(self, document, origin):
        key = objects.key_of(document)
        kind = objects.text(objects.mapping(document).get("kind"))
        if kind in objects.UNSUPPORTED_WORKLOADS:
            raise PlaygroundError(f"{origin}: kind {kind} is not supported by the playground; "
                                  "write its Pods")
        if key is None:
            if kind in ACTED_UPON:
                raise PlaygroundError(f"{origin}: {kind} without a metadata.name")
            key = objects.anonymous_key(document, manifests.dump(document))
        if key.kind in ACTED_UPON and not key.group:
            for part in (key.name, key.namespace or "x"):
                if not _NAME.match(part):
                    raise PlaygroundError(f"{origin}: {key}: bad name '{part}'")
            if key in self.documents:
                raise PlaygroundError(f"{origin}: {key} is there twice")
        self.documents[key] = document

    def of_kind(self, kind):
        return {key: document for key, document in self.documents.items()
                if key.kind == kind and not key.group}

    def others(self):
        """Objects that are only published."""
        return {key: document for key, document in self.documents.items()
                if key.group or key.kind not in ACTED_UPON}

    def check_pods(self, known_nodes):
        nodes = set(known_nodes) | {key.name for key in self.of_kind("Node")}
        for key, document in self.of_kind("Pod").items():
            pods.validate(document, str(key))
            node = document["spec"].get("nodeName")
            if node is not None and node not in nodes:
                raise PlaygroundError(f"{key}: unknown nodeName '{node}' (nodes: "
                                      f"{', '.join(sorted(nodes)) or 'none'})")

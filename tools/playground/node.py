# SPDX-License-Identifier: Apache-2.0
"""A simulated node: its addresses, its directories, its Node object."""
import copy
import os

from . import addresses, cgroups, kernel, objects
from .errors import PlaygroundError


class Node:
    """Where pods and one agent live: a network namespace, a cgroup, a bpffs."""

    def __init__(self, paths, document, index):
        self.document = document
        self.name = document["metadata"]["name"]
        self.index = index
        self.addresses = self._internal_addresses()
        self.pools = self._pod_pools()
        self.netns = paths.node_netns(self.name)
        self.cgroup = paths.node_cgroup(self.name)
        self.host_cgroup = f"{self.cgroup}/host"
        self.bpffs_mount = paths.node_bpffs(self.name)
        self.bpffs = f"{self.bpffs_mount}/weft"
        self.log = paths.agent_log(self.name)
        self.agent = None

    def _internal_addresses(self):
        """One address per family: the manifest's InternalIPs, else the playground's plan."""
        result = addresses.default_node_addresses(self.index)
        for entry in objects.sequence(self.document, "status", "addresses"):
            if objects.mapping(entry).get("type") != "InternalIP":
                continue
            parsed = addresses.parse(str(entry.get("address")))
            if parsed is None:
                raise PlaygroundError(f"Node {self.name}: bad InternalIP '{entry.get('address')}'")
            result[0 if parsed.version == 4 else 1] = str(parsed)
        return result

    def _pod_pools(self):
        """One address pool per family: the manifest's podCIDRs, else the playground's plan."""
        result = addresses.default_pod_cidrs(self.index)
        spec = objects.mapping(self.document, "spec")
        for cidr in objects.sequence(spec, "podCIDRs") or [spec.get("podCIDR")]:
            if cidr is not None:
                result[1 if ":" in str(cidr) else 0] = str(cidr)
        try:
            return [addresses.Pool(cidr, first=2) for cidr in result]
        except ValueError as error:
            raise PlaygroundError(f"Node {self.name}: bad podCIDR: {error}") from None

    def create_directories(self):
        cgroups.create(self.host_cgroup)
        os.makedirs(self.bpffs_mount, exist_ok=True)
        try:
            kernel.mount("bpf", self.bpffs_mount, "bpf")
        except OSError as error:
            raise PlaygroundError(f"cannot mount a bpffs on {self.bpffs_mount}: "
                                  f"{error.strerror}") from None

    def remove_directories(self):
        cgroups.kill(self.cgroup)
        kernel.unmount(self.bpffs_mount)
        os.rmdir(self.bpffs_mount)

    def published(self):
        """The Node object as the agents see it."""
        document = copy.deepcopy(self.document)
        if not isinstance(document.get("spec"), dict):
            document["spec"] = {}
        cidrs = [str(pool.network) for pool in self.pools]
        document["spec"]["podCIDR"] = cidrs[0]
        document["spec"]["podCIDRs"] = cidrs
        if not isinstance(document.get("status"), dict):
            document["status"] = {}
        others = [entry for entry in objects.sequence(document, "status", "addresses")
                  if objects.mapping(entry).get("type") != "InternalIP"]
        document["status"]["addresses"] = [
            {"type": "InternalIP", "address": address} for address in self.addresses] + others
        document["status"].setdefault("conditions", [{"type": "Ready", "status": "True"}])
        return document

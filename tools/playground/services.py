# SPDX-License-Identifier: Apache-2.0
"""Cluster IPs: what the API server does to a Service."""
import copy

from . import addresses, objects

_FAMILIES = ("IPv4", "IPv6")


def family_of(address):
    return "IPv6" if addresses.is_v6(address) else "IPv4"


def _policy(spec):
    return spec.get("ipFamilyPolicy") or ("SingleStack" if spec.get("ipFamilies")
                                          else "PreferDualStack")


def families(spec):
    """The address families of a Service spec, the first one first; dual stack by default."""
    explicit = [family for family in objects.sequence(spec, "ipFamilies") if family in _FAMILIES]
    given = [address for address in objects.sequence(spec, "clusterIPs")
             if addresses.parse(str(address))]
    if given:
        return [family_of(str(address)) for address in given][:2]
    single = spec.get("clusterIP")
    if not explicit and addresses.parse(str(single)):
        explicit = [family_of(str(single))]
    first = (explicit or ["IPv4"])[:2]
    if len(first) == 1 and _policy(spec) != "SingleStack":
        first.append("IPv6" if first[0] == "IPv4" else "IPv4")
    return first


class Allocator:
    """Hands out cluster IPs and keeps those that manifests ask for."""

    def __init__(self):
        self._pools = {"IPv4": addresses.Pool(addresses.SERVICE_V4, 10),
                       "IPv6": addresses.Pool(addresses.SERVICE_V6, 10)}

    def reserve_given(self, document):
        """Take the addresses a manifest names out of the pools, before any is handed out."""
        spec = objects.mapping(document, "spec")
        for address in [spec.get("clusterIP")] + objects.sequence(spec, "clusterIPs"):
            parsed = addresses.parse(str(address))
            if parsed:
                self._pools[family_of(str(parsed))].reserve(str(parsed))

    def complete(self, document, previous=None):
        """A copy of the Service with its cluster IPs filled in; `previous` is the published
        object before this change, whose addresses are kept."""
        document = copy.deepcopy(document)
        spec = document.get("spec")
        if not isinstance(spec, dict) or spec.get("type") == "ExternalName":
            return document
        wanted = families(spec)
        spec.setdefault("ipFamilies", list(wanted))
        spec.setdefault("ipFamilyPolicy", "SingleStack" if len(wanted) == 1 else "PreferDualStack")
        spec.setdefault("type", "ClusterIP")
        if spec.get("clusterIP") == "None":
            spec.setdefault("clusterIPs", ["None"])
            return document
        if objects.sequence(spec, "clusterIPs"):
            spec.setdefault("clusterIP", spec["clusterIPs"][0])
            return document
        if spec.get("clusterIP") and addresses.parse(str(spec["clusterIP"])) is None:
            return document
        kept = {family_of(str(address)): str(address)
                for address in objects.sequence(previous, "spec", "clusterIPs")
                if addresses.parse(str(address))}
        if spec.get("clusterIP"):
            kept[family_of(str(spec["clusterIP"]))] = str(spec["clusterIP"])
        spec["clusterIPs"] = [kept.get(family) or self._pools[family].take() for family in wanted]
        spec["clusterIP"] = spec["clusterIPs"][0]
        return document

    def release(self, document, still_used=()):
        for address in objects.sequence(document, "spec", "clusterIPs"):
            if addresses.parse(str(address)) and address not in still_used:
                self._pools[family_of(str(address))].release(str(address))


def cluster_ips(document):
    """The usable cluster IPs of a published Service."""
    return [str(address) for address in objects.sequence(document, "spec", "clusterIPs")
            if addresses.parse(str(address))]

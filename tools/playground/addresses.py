# SPDX-License-Identifier: Apache-2.0
"""Address plans: nodes, pods of a node, services. The same in every playground, since each lives
in network namespaces of its own."""
import ipaddress

from .errors import PlaygroundError

NODE_V4 = ipaddress.ip_network("10.0.0.0/24")
NODE_V6 = ipaddress.ip_network("fd00:10::/64")
# The fabric itself: the world outside the cluster, and the nodes' default gateway.
FABRIC_V4 = ipaddress.ip_address("10.0.0.254")
FABRIC_V6 = ipaddress.ip_address("fd00:10::fe")
SERVICE_V4 = ipaddress.ip_network("10.96.0.0/16")
SERVICE_V6 = ipaddress.ip_network("fd00:10:96::/112")


def default_node_addresses(index):
    """InternalIPs of the node number `index` (from 1)."""
    return [str(NODE_V4[index]), str(NODE_V6[index])]


def default_pod_cidrs(index):
    return [f"10.244.{index}.0/24", f"fd00:10:244:{index:x}::/64"]


def is_v6(address):
    return ":" in address


def parse(address):
    """The address object, or None when the text is no address."""
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


class Pool:
    """Hands out the lowest free address, so that reuse - which agents must survive - is common."""

    def __init__(self, network, first):
        self.network = ipaddress.ip_network(network)
        self._first = first
        self._next = first
        self._used = set()

    def gateway(self):
        return str(self.network[1])

    def take(self):
        last = min(self.network.num_addresses - 2, self._first + 65536)
        for offset in range(self._next, last + 1):
            address = str(self.network[offset])
            if address not in self._used:
                self._used.add(address)
                self._next = offset + 1
                return address
        raise PlaygroundError(f"no free address left in {self.network}")

    def reserve(self, address):
        self._used.add(str(parse(address) or address))

    def release(self, address):
        parsed = parse(address)
        if parsed is None or str(parsed) not in self._used:
            return
        self._used.discard(str(parsed))
        if parsed.version == self.network.version and parsed in self.network:
            self._next = max(self._first,
                             min(self._next, int(parsed) - int(self.network.network_address)))

# SPDX-License-Identifier: Apache-2.0
"""Network namespaces and their plumbing. Nothing here ever touches the root namespace: every
veth pair is created inside the playground's own namespaces.

    fabric:  br0 (10.0.0.254, fd00:10::fe) --- one port per node
    node:    eth0 (InternalIPs), then per topology
      bridge   cni0 (gateway addresses of the node's pod CIDRs) --- veth* per pod
      routed   veth* per pod, each with fe80::1, proxy ARP and host routes
    pod:     eth0 (one address of each family)
"""
import asyncio
import contextlib
import os

from . import addresses, kernel, spawn
from .errors import PlaygroundError

TOPOLOGIES = ("bridge", "routed")
ROUTED_GATEWAY_V4 = "169.254.1.1"
ROUTED_GATEWAY_V6 = "fe80::1"

_QUIET_V6 = {
    # Duplicate address detection would delay every address by a second or two.
    "ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/all/accept_ra": "0", "ipv6/conf/default/accept_ra": "0",
}
_ROUTER = {
    **_QUIET_V6,
    "ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv6/conf/default/forwarding": "1",
    "ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
    # Only there when br_netfilter is loaded; there is nothing to filter between our ports.
    "bridge/bridge-nf-call-iptables": "0", "bridge/bridge-nf-call-ip6tables": "0",
    "bridge/bridge-nf-call-arptables": "0",
}


# Name servers answer "refused" as often as they are asked, see _nameserver_lines().
_FABRIC = {**_ROUTER, "ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"}


def _nameserver_lines():
    """This machine's name servers cannot be reached from inside. Giving their addresses to the
    fabric, where nothing listens, makes look-ups fail at once instead of after seconds."""
    servers = set()
    with contextlib.suppress(OSError), open("/etc/resolv.conf", encoding="utf-8",
                                            errors="replace") as file:
        for words in map(str.split, file):
            if words[:1] == ["nameserver"] and len(words) > 1:
                servers.add(addresses.parse(words[1]))
    return [_address_line(str(server), server.max_prefixlen, "lo") for server in servers
            if server and not server.is_loopback and not server.is_link_local]


def _set_sysctls(netns, values):
    with kernel.in_netns(netns):
        for name, value in values.items():
            path = "/proc/sys/net/" + name
            if os.path.exists(path):
                kernel.write_file(path, value)


async def _ip(netns, lines):
    await spawn.run(["ip", "-batch", "-"], netns=netns, text="\n".join(lines) + "\n")


def _mac_of(address):
    """A MAC that belongs to the IPv4 address, so that a reused address needs no new neighbour
    entry anywhere."""
    return "0a:58:" + ":".join(f"{int(byte):02x}" for byte in address.split("."))


def _host_prefix(address):
    return f"{address}/{128 if addresses.is_v6(address) else 32}"


def _address_line(address, prefix, device):
    nodad = " nodad" if addresses.is_v6(address) else ""
    return f"address add {address}/{prefix} dev {device}{nodad}"


class Network:
    """The namespaces and links of one playground."""

    def __init__(self, paths, topology):
        self.paths = paths
        self.topology = topology
        self._node_count = 0

    async def create_fabric(self):
        netns = self.paths.fabric_netns
        kernel.share_netns_directory(os.path.dirname(netns))
        kernel.create_netns(netns)
        _set_sysctls(netns, _FABRIC)
        v4, v6 = addresses.FABRIC_V4, addresses.FABRIC_V6
        await _ip(netns, [
            "link set lo up",
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set br0 address {_mac_of(str(v4))} up",
            _address_line(str(v4), 24, "br0"),
            _address_line(str(v6), 64, "br0"),
            "route add unreachable default metric 4278198272",
            "route add unreachable ::/0 metric 4278198272",
            *_nameserver_lines(),
        ])

    async def add_node(self, node, peers):
        """Create the node's namespace and connect it with the fabric and its peers."""
        netns = node.netns
        kernel.create_netns(netns)
        _set_sysctls(netns, _ROUTER)
        self._node_count += 1
        port = f"port{self._node_count}"
        await _ip(self.paths.fabric_netns, [
            f"link add {port} type veth peer name eth0 netns {os.path.basename(netns)}",
            f"link set {port} master br0 up",
        ])
        lines = ["link set lo up", "link set eth0 up"]
        lines += [_address_line(address, 64 if addresses.is_v6(address) else 24, "eth0")
                  for address in node.addresses]
        lines += [f"route add default via {addresses.FABRIC_V4} dev eth0 onlink",
                  f"route add ::/0 via {addresses.FABRIC_V6} dev eth0"]
        for peer in peers:
            lines += self._routes(peer)
        if self.topology == "bridge":
            gateways = [pool.gateway() for pool in node.pools]
            lines += [
                "link add cni0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"link set cni0 address {_mac_of(gateways[0])} up",
            ]
            lines += [_address_line(gateway, pool.network.prefixlen, "cni0")
                      for gateway, pool in zip(gateways, node.pools)]
        await _ip(netns, lines)
        routes = self._routes(node)
        await asyncio.gather(*[_ip(other.netns, routes) for other in peers],
                             _ip(self.paths.fabric_netns,
                                 [line.replace("dev eth0", "dev br0") for line in routes]))

    @staticmethod
    def _routes(node):
        """How everybody else reaches the node and its pods."""
        lines = []
        for address in node.addresses:
            six = addresses.is_v6(address)
            lines.append(f"route replace {_host_prefix(address)} dev eth0")
            lines += [f"route replace {pool.network} via {address} dev eth0"
                      + ("" if six else " onlink")
                      for pool in node.pools if (pool.network.version == 6) == six]
        return lines

    async def remove_node(self, node, peers):
        lines = [line.split(" via ")[0].replace("route replace", "route del")
                 for line in reversed(self._routes(node))]
        lines = [line.split(" dev ")[0] for line in lines]
        await asyncio.gather(*[_ip(other, lines) for other in
                               [peer.netns for peer in peers] + [self.paths.fabric_netns]])
        await _ip(node.netns, ["link del eth0"])
        kernel.remove_netns(node.netns)

    async def connect_pods(self, node, pods):
        """Plumb pods (their namespaces exist already) into the node."""
        if not pods:
            return
        for pod in pods:
            _set_sysctls(pod.netns, _QUIET_V6)
        await _ip(node.netns, [
            f"link add {pod.interface} type veth peer name eth0 address {_mac_of(pod.addresses[0])}"
            f" netns {os.path.basename(pod.netns)}" for pod in pods])
        # The pod's end first: an interface that joins a bridge with its carrier already on
        # forwards at once, no matter how the kernel schedules link events.
        await asyncio.gather(*[_ip(pod.netns, self._pod_lines(node, pod)) for pod in pods])
        if self.topology == "routed":
            for pod in pods:
                _set_sysctls(node.netns, {
                    f"ipv4/conf/{pod.interface}/proxy_arp": "1",
                    f"ipv4/neigh/{pod.interface}/proxy_delay": "0",
                })
        lines = []
        for pod in pods:
            lines += self._host_lines(node, pod)
        await _ip(node.netns, lines)
        if self.topology == "routed":
            # The default routes need the gateway's link to be up on both ends.
            await asyncio.gather(*[_ip(pod.netns, [
                f"route add default via {ROUTED_GATEWAY_V4} dev eth0",
                f"route add ::/0 via {ROUTED_GATEWAY_V6} dev eth0"]) for pod in pods])

    def _pod_lines(self, node, pod):
        lines = ["link set lo up", "link set eth0 up"]
        for address, pool in zip(pod.addresses, node.pools):
            six = addresses.is_v6(address)
            if self.topology == "bridge":
                lines += [_address_line(address, pool.network.prefixlen, "eth0"),
                          f"route add {'::/0' if six else 'default'} via {pool.gateway()} "
                          "dev eth0"]
            else:
                lines.append(_address_line(address, 128 if six else 32, "eth0"))
        if self.topology == "routed":
            lines.append(f"route add {ROUTED_GATEWAY_V4} dev eth0 scope link")
        return lines

    def _host_lines(self, node, pod):
        if self.topology == "bridge":
            return [f"link set {pod.interface} master cni0 up"]
        lines = [f"link set {pod.interface} up",
                 _address_line(ROUTED_GATEWAY_V6, 64, pod.interface)]
        for address in pod.addresses:
            six = addresses.is_v6(address)
            source = next((own for own in node.addresses if addresses.is_v6(own) == six), None)
            lines.append(f"route add {_host_prefix(address)} dev {pod.interface}"
                         + ("" if six else " scope link")
                         + (f" src {source}" if source else ""))
        return lines

    @staticmethod
    async def disconnect_pod(node, pod):
        """Delete the pod's link at once; the namespace itself goes with its last process."""
        with contextlib.suppress(PlaygroundError):  # it may not have come that far
            await _ip(node.netns, [f"link del {pod.interface}"])
        kernel.remove_netns(pod.netns)

# SPDX-License-Identifier: Apache-2.0
"""kube-proxy on every node of a cluster, for as long as it is wanted."""
import signal
import time

import yaml

import control_plane
from places import SERVICES


class Proxies:
    """`mode`: iptables or nftables. What stood in for kube-proxy gives way to it."""

    def __init__(self, cluster, mode):
        self.cluster = cluster
        self.mode = mode
        self.processes = []

    def __enter__(self):
        for node in self.cluster.nodes:
            self.processes.append(self.start(node))
        for node in self.cluster.nodes:
            self.await_rules(node)
            node.run("nft", "delete", "table", "ip", "kube")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            self.cluster.kill(process.label)
        for node in self.cluster.nodes:
            # kube-proxy's --cleanup loads modules into the machine's kernel.
            node.run("nft", "flush", "ruleset")
            node.redirect_api(self.cluster.nodes[0].addresses[0])

    def start(self, node):
        config = node.folder / "kube-proxy.yaml"
        config.write_text(yaml.safe_dump({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": self.mode,
            "clientConnection": {"kubeconfig": self.cluster.kubeconfig}, "hostnameOverride": node.name,
            "clusterCIDR": "10.244.0.0/16,fd44::/16", "detectLocalMode": "ClusterCIDR",
            self.mode: {"minSyncPeriod": "0.1s"},
            # The limits are the machine's, not a namespace's.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}}),
            encoding="ascii")
        return self.cluster.spawn(node, "kube-proxy-" + node.name, control_plane.find("kube-proxy"),
                                  "--config=%s" % config)

    def await_rules(self, node, seconds=20):
        end = time.monotonic() + seconds
        while SERVICES[0].split(".0", maxsplit=1)[0] not in self.rules(node):
            self.cluster.check_alive()
            if time.monotonic() > end:
                raise RuntimeError("kube-proxy of node %s wrote no rules; see its log" % node.name)
            time.sleep(0.1)

    def rules(self, node):
        if self.mode == "nftables":
            return node.run("nft", "list", "table", "ip", "kube-proxy", check=False)
        return node.run("iptables-save", "-t", "nat")

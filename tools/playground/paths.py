# SPDX-License-Identifier: Apache-2.0
"""Where a playground keeps its things. Every name is derived from the playground's name, so that
`down` finds all of it without having to trust any record."""
import os
import re

from .errors import PlaygroundError

RUN = "/run/weft-playground"
NETNS = "/run/netns"
PLAYGROUND_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")


def find_cgroup2():
    """The cgroup2 mount point; on hybrid hosts it is not /sys/fs/cgroup."""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            fields = line.split()
            if len(fields) > 2 and fields[2] == "cgroup2":
                return fields[1]
    raise PlaygroundError("no cgroup2 file system is mounted (remedy: mount -t cgroup2 none "
                          "/sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1)")


class Paths:
    """All paths of one playground."""

    def __init__(self, name):
        if not PLAYGROUND_NAME.match(name):
            raise PlaygroundError(f"bad playground name '{name}': lower-case letters, digits and "
                                  "'-', at most 40 characters")
        self.name = name
        self.state = f"{RUN}/{name}"
        self.socket = f"{self.state}/control.sock"
        self.state_json = f"{self.state}/state.json"
        self.supervisor_pid = f"{self.state}/supervisor.pid"
        self.supervisor_log = f"{self.state}/supervisor.log"
        self.manifests = f"{self.state}/manifests"
        self.logs = f"{self.state}/logs"
        self.pods = f"{self.state}/pods"
        self.nodes = f"{self.state}/nodes"
        self.bpffs = f"{self.state}/bpffs"
        # Kubernetes names have no '_', so no playground's prefix is a prefix of another's.
        self.netns_prefix = f"wpg-{name}_"
        self._cgroup = None

    @property
    def cgroup(self):
        if self._cgroup is None:
            self._cgroup = f"{find_cgroup2()}/weft-playground/{self.name}"
        return self._cgroup

    @property
    def supervisor_cgroup(self):
        return f"{self.cgroup}/_supervisor"

    @property
    def fabric_netns(self):
        return f"{NETNS}/{self.netns_prefix}_fabric"

    def node_netns(self, node):
        return f"{NETNS}/{self.netns_prefix}{node}"

    def pod_netns(self, namespace, name, uid):
        text = f"{self.netns_prefix}{namespace}_{name}"
        if len(text) > 200:
            text = f"{text[:160]}_{uid}"
        return f"{NETNS}/{text}"

    def node_cgroup(self, node):
        return f"{self.cgroup}/{node}"

    def node_bpffs(self, node):
        return f"{self.bpffs}/{node}"

    def node_file(self, node):
        return f"{self.nodes}/{node}.json"

    def pod_file(self, namespace, name):
        return f"{self.pods}/{namespace}_{name}.json"

    def pod_log(self, namespace, name, container):
        return f"{self.logs}/pod_{namespace}_{name}_{container}.log"[:4000]

    def agent_log(self, node):
        return f"{self.logs}/agent_{node}.log"

    def make_directories(self):
        for path in (self.manifests, self.logs, self.pods, self.nodes, self.bpffs):
            os.makedirs(path, mode=0o755, exist_ok=True)

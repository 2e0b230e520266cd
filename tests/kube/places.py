# SPDX-License-Identifier: Apache-2.0
"""Two nodes on one kernel: network namespaces that a cable joins, cgroups in every hierarchy, and a
mount namespace with a bpffs of its own. Nothing of it touches the root namespace's network."""
import contextlib
import fcntl
import os
import pathlib
import subprocess

SERVICES = ("10.96.0.0/16", "fd96::/112")
API_VIP = "10.96.0.1"
API_PORT = 6443
PRIVATE = ("/run/netns", "/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods", "/var/log/containers")


class MountPoints:
    """The folders that PRIVATE is mounted on. Clusters share them, and the last one takes those away
    that were made for any of them: whoever has the lock needs them. A folder that is taken away
    takes what is mounted on it along, in every mount namespace."""

    LOCK = pathlib.Path("/run/weft-kube.lock")

    def __init__(self):
        self.made = self.LOCK.open("a+", encoding="utf-8")  # a line for each folder
        fcntl.flock(self.made, fcntl.LOCK_SH)
        for place in map(pathlib.Path, PRIVATE):
            with contextlib.suppress(FileExistsError):
                place.mkdir(parents=True)
                self.made.write("%s\n" % place)
                self.made.flush()

    def remove(self):
        try:
            fcntl.flock(self.made, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.made.close()
            return
        self.made.seek(0)
        for place in self.made.read().splitlines():
            # Somebody's own kubelet may be there by now.
            with contextlib.suppress(OSError):
                os.rmdir(place)
        self.made.truncate(0)
        self.made.close()


def run(*command, check=True, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(command), done.stderr.strip()))
    return done.stdout


def hierarchies():
    """(mount point, is it version 2) of every cgroup hierarchy."""
    lines = pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    return [(pathlib.Path(words[1]), words[2] == "cgroup2") for words in map(str.split, lines)
            if words[2] in ("cgroup", "cgroup2")]


# What the kubelet wants of each pod's cgroup, where the machine has it at all.
NEEDED, WANTED = {"cpu", "cpuset", "memory", "pids"}, {"hugetlb"}


def why_no_cgroups():
    """Why pods cannot have cgroups here, with the remedy; "" when they can."""
    unified = [mount for mount, is_unified in hierarchies() if is_unified]
    if not unified:
        return "no cgroup2 mount (remedy: mount -t cgroup2 none /sys/fs/cgroup/unified)"
    top = unified[0]
    absent = NEEDED - set((top / "cgroup.controllers").read_text(encoding="ascii").split())
    if absent != NEEDED and absent:
        return "cgroup2 has no controller %s here (remedy: a machine or VM)" % ", ".join(sorted(absent))
    if absent:
        lines = pathlib.Path("/proc/cgroups").read_text(encoding="ascii").splitlines()
        mounted = {words[0] for words in map(str.split, lines) if words[1] != "0"}
        return "" if NEEDED <= mounted else "no hierarchy has the cgroup controllers %s (remedy: a machine or VM)" % (
            ", ".join(sorted(NEEDED - mounted)))
    enabled = set((top / "cgroup.subtree_control").read_text(encoding="ascii").split())
    # A container's own tree: who is in its root keeps controllers from going below.
    if not NEEDED <= enabled and (top / "cgroup.type").exists() and (top / "cgroup.procs").read_bytes():
        return "cgroup controllers cannot be delegated in this container (remedy: a machine or VM)"
    return ""


def delegate_controllers():
    """From the root of the unified hierarchy, as every container runtime does."""
    for mount, unified in hierarchies():
        if unified:
            there = set((mount / "cgroup.controllers").read_text(encoding="ascii").split())
            if NEEDED <= there:
                (mount / "cgroup.subtree_control").write_text(
                    " ".join("+" + one for one in sorted((NEEDED | WANTED) & there)), encoding="ascii")


class Node:
    """One node's places; `number` tells its addresses."""

    def __init__(self, cluster, name, number, folder):
        self.name = name
        self.netns = "%s-%s" % (cluster, name)
        self.folder = folder / name
        self.cgroup = "/%s-%s" % (cluster, name)
        self.addresses = ("172.30.0.%d" % number, "fd30::%d" % number)
        self.pods = ("10.244.%d.0/24" % number, "fd44:%d::/64" % number)
        self.holder = None

    def inside(self, *command):
        """The command, in the node's namespaces."""
        return ["nsenter", "--target", str(self.holder), "--net", "--mount", "--", *command]

    def run(self, *command, **options):
        return run(*self.inside(*command), **options)

    def make_cgroups(self):
        for mount, unified in hierarchies():
            path = mount / self.cgroup.lstrip("/")
            path.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if not unified and (mount / name).exists():
                    (path / name).write_text((mount / name).read_text(encoding="utf-8"), encoding="utf-8")

    def hold(self):
        """A process that keeps the namespaces. What containerd, kubelet and CNI keep outside their
        own folders, whatever they are told, they keep in the node's, and so out of the host's."""
        private = " && ".join("mkdir -p '%s' && mount --bind '%s' '%s'" % (self.folder / place.strip("/"), self.folder /
                                                                           place.strip("/"), place)
                              for place in PRIVATE)
        script = ("mount --make-rslave / && while umount -l /sys/fs/bpf 2>/dev/null; do :; done; "
                  "mount -t bpf bpf /sys/fs/bpf && mount --make-shared /sys/fs/bpf && " + private +
                  " && ip link set lo up && echo held && exec sleep infinity")
        process = subprocess.Popen(["unshare", "--mount", "--net", "--propagation", "slave", "sh", "-c",
                                    script], stdout=subprocess.PIPE, text=True, start_new_session=True)
        if process.stdout.readline() != "held\n":
            raise RuntimeError("the namespaces of node %s could not be made" % self.name)
        self.holder = process.pid
        return process

    def connect(self, other):
        """The cable to the other node, and the routes to its pods."""
        self.run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node0", "netns",
                 str(other.holder))
        for node, peer in ((self, other), (other, self)):
            for address, length in zip(node.addresses, (24, 64)):
                node.run("ip", "addr", "add", "%s/%d" % (address, length), "dev", "node0", "nodad")
            node.run("ip", "link", "set", "node0", "up")
            for pods, address in zip(peer.pods, peer.addresses):
                node.run("ip", "route", "add", pods, "via", address)
                node.run("ip", "-6" if ":" in address else "-4", "route", "add", "default", "via", address)
            node.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def redirect_api(self, server):
        """What kube-proxy would do for the one service that weft itself needs."""
        rule = "ip daddr %s tcp dport 443 dnat to %s:%d" % (API_VIP, server, API_PORT)
        self.run("nft", "-f", "-", text="table ip kube {\n"
                 "chain out { type nat hook output priority -100; %s; }\n"
                 "chain in { type nat hook prerouting priority -100; %s; }\n}\n" % (rule, rule))

    def remove_cgroups(self):
        for mount, unified in hierarchies():
            top = mount / self.cgroup.lstrip("/")
            if not top.exists():
                continue
            if unified:
                (top / "cgroup.kill").write_text("1", encoding="utf-8")
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass

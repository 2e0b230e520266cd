# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes cluster on this machine: etcd and the control plane, two nodes with kubelet,
containerd, runc and CNI, dual stack, each node in namespaces of its own."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent.parent / "tools" / "image"))
import control_plane  # noqa: E402  pylint: disable=wrong-import-position
import oci  # noqa: E402  pylint: disable=wrong-import-position
import pki  # noqa: E402  pylint: disable=wrong-import-position
import places  # noqa: E402  pylint: disable=wrong-import-position
from places import API_PORT, API_VIP, SERVICES, MountPoints, Node, hierarchies  # noqa: E402  pylint: disable=wrong-import-position

PAUSE = "weft.test/pause:1"
HOST = "weft.test/host:1"
STATE = pathlib.Path("/run/weft-kube")
TOOLS = ("etcd", "containerd", "runc", "umoci", "kubectl", "nft", "conntrack", "openssl", "gcc")


def why_impossible():
    """Why no package makes a cluster possible here, with the remedy; "" when there can be one."""
    if os.geteuid() != 0:
        return "needs root (remedy: sudo)"
    return control_plane.why_missing() or places.why_no_cgroups()


def why_missing():
    """Why there can be no cluster here, with the remedy; "" when there can."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    return why_impossible() or (absent and "%s not installed (remedy: scripts/setup.sh kube)" % ", ".join(absent)) or ""


class Cluster:
    def __init__(self, name="kube"):
        self.name = "weft-" + name
        self.folder = STATE / name
        self.pki = self.folder / "pki"
        self.nodes = [Node(self.name, letter, number, self.folder)
                      for number, letter in ((1, "a"), (2, "b"))]
        self.server = "https://%s:%d" % (self.nodes[0].addresses[0], API_PORT)
        self.kubeconfig = str(self.folder / "kubeconfig")
        self.processes = []
        self.mount_points = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def spawn(self, node, name, *command, env=None):
        log = (self.folder / (name + ".log")).open("ab")
        process = subprocess.Popen(node.inside(*command), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   start_new_session=True, env={**os.environ, **(env or {})}, cwd="/")
        log.close()
        process.label = name
        self.processes.append(process)
        with (self.folder / "pids").open("a", encoding="ascii") as file:
            file.write("%d\n" % process.pid)
        return process

    @staticmethod
    def unified():
        return next(str(mount) for mount, is_unified in hierarchies() if is_unified)

    def kubectl(self, *arguments, text=None, check=True):
        done = subprocess.run(self.nodes[0].inside("kubectl", "--kubeconfig", self.kubeconfig, *arguments),
                              input=text, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode:
            raise RuntimeError("kubectl %s: %s" % (" ".join(arguments), done.stderr.strip()))
        return done.stdout

    def get(self, *arguments):
        return json.loads(self.kubectl("get", "-o", "json", *arguments))

    def up(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        first = self.nodes[0]
        self.mount_points = MountPoints()
        places.delegate_controllers()
        for node in self.nodes:
            node.folder.mkdir()
            node.make_cgroups()
            holder = node.hold()
            holder.label = "node " + node.name
            self.processes.append(holder)
        first.connect(self.nodes[1])
        for node in self.nodes:
            node.redirect_api(first.addresses[0])
        pki.make(self.pki, [*first.addresses, "127.0.0.1", API_VIP], ["kubernetes", "kubernetes.default"])
        pki.kubeconfig(pathlib.Path(self.kubeconfig), self.pki, self.server)
        self.start_control_plane()
        self.make_images()
        for node in self.nodes:
            self.start_node(node)
        self.await_nodes()
        return self

    def start_etcd(self):
        return self.spawn(self.nodes[0], "etcd", "etcd", "--data-dir", str(self.folder / "etcd"),
                          "--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls",
                          "http://127.0.0.1:2379", "--listen-peer-urls", "http://127.0.0.1:2380",
                          "--unsafe-no-fsync", "--log-level", "warn")

    def start_apiserver(self):
        first = self.nodes[0]
        return self.spawn(
            first, "apiserver", control_plane.find("kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379",
            "--bind-address=" + first.addresses[0], "--advertise-address=" + first.addresses[0],
            "--secure-port=%d" % API_PORT, "--tls-cert-file=%s" % (self.pki / "apiserver.crt"),
            "--tls-private-key-file=%s" % (self.pki / "apiserver.key"),
            "--client-ca-file=%s" % (self.pki / "ca.crt"), "--token-auth-file=%s" % (self.pki / "tokens.csv"),
            "--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=%s" % (self.pki / "accounts.key"),
            "--service-account-signing-key-file=%s" % (self.pki / "accounts.key"),
            "--service-cluster-ip-range=" + ",".join(SERVICES), "--allow-privileged=true",
            # The aggregation layer; without kube-proxy on this node it goes to the pods themselves.
            "--requestheader-client-ca-file=%s" % (self.pki / "front-proxy-ca.crt"),
            "--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--proxy-client-cert-file=%s" % (self.pki / "front-proxy-client.crt"),
            "--proxy-client-key-file=%s" % (self.pki / "front-proxy-client.key"), "--enable-aggregator-routing=true",
            "--kubelet-preferred-address-types=InternalIP", "--cert-dir=%s" % (self.folder / "apiserver"))

    def start_control_plane(self):
        first = self.nodes[0]
        self.start_etcd()
        self.start_apiserver()
        self.await_api()
        self.spawn(first, "controller-manager", control_plane.find("kube-controller-manager"),
                   "--kubeconfig=" + self.kubeconfig, "--use-service-account-credentials=false",
                   "--root-ca-file=%s" % (self.pki / "ca.crt"),
                   "--service-account-private-key-file=%s" % (self.pki / "accounts.key"),
                   "--flex-volume-plugin-dir=%s" % (self.folder / "volume-plugins"),
                   "--controllers=*,-nodeipam,-cloud-node-lifecycle",
                   "--leader-elect=false", "--service-cluster-ip-range=" + ",".join(SERVICES),
                   "--cert-dir=%s" % (self.folder / "controller-manager"))
        self.spawn(first, "scheduler", control_plane.find("kube-scheduler"), "--kubeconfig=" + self.kubeconfig,
                   "--leader-elect=false", "--cert-dir=%s" % (self.folder / "scheduler"))

    def await_api(self, seconds=60):
        end = time.monotonic() + seconds
        while self.kubectl("get", "--raw", "/readyz", check=False) != "ok":
            self.check_alive()
            if time.monotonic() > end:
                raise RuntimeError("the API server is not ready; see %s" % self.folder)
            time.sleep(0.2)

    def check_alive(self):
        for process in self.processes:
            if process.poll() is not None:
                log = self.folder / (process.label + ".log")
                tail = log.read_text(encoding="utf-8", errors="replace")[-1500:] if log.exists() else ""
                raise RuntimeError("%s ended with %d: %s" % (process.label, process.returncode, tail))

    def make_images(self):
        """A pause container, and an image whose programs are the host's, by hostPath /usr."""
        source = self.folder / "pause.c"
        source.write_text("#include <unistd.h>\n#include <signal.h>\nstatic void end(int n){_exit(n-n);}\n"
                          "int main(void){signal(SIGTERM,end);signal(SIGINT,end);for(;;)pause();}\n",
                          encoding="ascii")
        subprocess.run(["gcc", "-static", "-Os", "-o", self.folder / "pause", source], check=True)

        def fill_pause(root):
            shutil.copy(self.folder / "pause", root / "pause")

        def fill_host(root):
            for name in ("usr", "tmp", "etc", "proc", "sys", "dev", "run", "var"):
                (root / name).mkdir(exist_ok=True)
            for name in ("bin", "sbin", "lib", "lib64"):
                (root / name).symlink_to("usr/" + name)
            (root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n", encoding="ascii")
        oci.build(self.folder / "pause.tar", PAUSE, fill_pause, ["--config.entrypoint", "/pause"])
        oci.build(self.folder / "host.tar", HOST, fill_host, ["--config.entrypoint", "/bin/sh"])

    def import_image(self, archive):
        for node in self.nodes:
            node.run("ctr", "--address", str(node.folder / "containerd.sock"), "-n", "k8s.io", "image",
                     "import", str(archive))

    def write_node_files(self, node):
        folder = node.folder
        for name in ("cni", "static"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "cni" / "10-ptp.conflist").write_text(json.dumps({
            "cniVersion": "0.4.0", "name": "kube", "plugins": [
                {"type": "ptp", "ipMasq": False, "ipam": {
                    "type": "host-local", "dataDir": str(folder / "addresses"),
                    "ranges": [[{"subnet": subnet}] for subnet in node.pods],
                    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
                {"type": "portmap", "capabilities": {"portMappings": True}}]}), encoding="ascii")
        (folder / "containerd.toml").write_text("""version = 2
root = "%(folder)s/containerd"
state = "%(folder)s/containerd-state"
[grpc]
  address = "%(folder)s/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "%(folder)s/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%(pause)s"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "%(folder)s/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "/usr/sbin/runc"
        SystemdCgroup = false
""" % {"folder": folder, "pause": PAUSE}, encoding="ascii")
        (folder / "kubelet.yaml").write_text(yaml.safe_dump({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"}, "cgroupDriver": "cgroupfs", "cgroupRoot": node.cgroup,
            "failSwapOn": False, "failCgroupV1": False, "localStorageCapacityIsolation": False,
            "containerRuntimeEndpoint": "unix://%s/containerd.sock" % folder, "resolvConf": "",
            "enforceNodeAllocatable": [], "evictionHard": {"memory.available": "1Mi"},
            "staticPodPath": str(folder / "static"), "syncFrequency": "10s", "fileCheckFrequency": "20s",
            "nodeStatusUpdateFrequency": "5s", "serializeImagePulls": False,
            "shutdownGracePeriod": "0s", "volumePluginDir": str(folder / "volume-plugins")}),
            encoding="ascii")

    def start_containerd(self, node):
        socket = node.folder / "containerd.sock"
        socket.unlink(missing_ok=True)
        process = self.spawn(node, "containerd-" + node.name, "containerd", "--config",
                             str(node.folder / "containerd.toml"))
        end = time.monotonic() + 20
        while subprocess.run(node.inside("ctr", "--address", str(socket), "-n", "k8s.io", "image", "ls", "-q"),
                             capture_output=True, check=False).returncode:
            self.check_alive()
            if time.monotonic() > end:
                raise RuntimeError("containerd of node %s does not answer" % node.name)
            time.sleep(0.1)
        return process

    def start_kubelet(self, node):
        return self.spawn(node, "kubelet-" + node.name, control_plane.find("kubelet"),
                          "--config=%s" % (node.folder / "kubelet.yaml"), "--kubeconfig=" + self.kubeconfig,
                          "--hostname-override=" + node.name, "--node-ip=" + ",".join(node.addresses),
                          "--root-dir=%s" % (node.folder / "kubelet"), "--cert-dir=%s" % (node.folder / "pki"))

    def start_node(self, node):
        self.write_node_files(node)
        self.start_containerd(node)
        for archive in ("pause.tar", "host.tar"):
            node.run("ctr", "--address", str(node.folder / "containerd.sock"), "-n", "k8s.io", "image",
                     "import", str(self.folder / archive))
        self.start_kubelet(node)

    def await_nodes(self, seconds=60):
        end = time.monotonic() + seconds
        while True:
            ready = [condition["status"] for node in self.get("nodes")["items"]
                     for condition in node["status"]["conditions"] if condition["type"] == "Ready"]
            if ready == ["True"] * len(self.nodes):
                return
            self.check_alive()
            if time.monotonic() > end:
                raise RuntimeError("the nodes are not ready; see %s" % self.folder)
            time.sleep(0.2)

    def kill(self, label):
        """Ends a component at once; start it again before the next check of what is alive."""
        process = next(one for one in self.processes if one.label == label)
        self.end(process.pid)
        process.wait(10)
        self.processes.remove(process)

    def end(self, pid, number=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def shims(self):
        """Pids of what containerd started and left alone."""
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if b"containerd-shim" in words and str(self.folder).encode() in words:
                    yield int(entry.name)

    def down(self):
        pids = set()
        with contextlib.suppress(OSError):
            pids = {int(line) for line in (self.folder / "pids").read_text(encoding="ascii").split()}
        holders = [process for process in self.processes if process.label.startswith("node ")]
        for process in self.processes:
            if process not in holders:
                self.end(process.pid)
        for pid in pids - {process.pid for process in self.processes}:
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in pathlib.Path("/proc/%d/cmdline" % pid).read_bytes():
                    self.end(pid)
        for process in self.processes:
            if process not in holders:
                process.wait(10)
        for pid in self.shims():
            self.end(pid)
        for _ in range(20):
            for node in self.nodes:
                node.remove_cgroups()
            if not any((mount / node.cgroup.lstrip("/")).exists() for node in self.nodes
                       for mount, _ in hierarchies()):
                break
            time.sleep(0.2)
        for process in holders:
            self.end(process.pid)
            process.wait(10)
        self.unmount()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.mount_points:
            self.mount_points.remove()

    def unmount(self):
        mounts = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
        for path in sorted((one for one in mounts if one.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "-l", path], check=False, capture_output=True)

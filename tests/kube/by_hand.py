#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tests' cluster, with weft installed, to try things on by hand.

    by_hand.py up      starts it, leaves it running, and says how to use it
    by_hand.py down    removes it, also what a crash left behind"""
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "e2e"))
import control_plane  # noqa: E402  pylint: disable=wrong-import-position
from cluster import STATE, Cluster, why_missing  # noqa: E402  pylint: disable=wrong-import-position
from installed import BUILD, Installed  # noqa: E402  pylint: disable=wrong-import-position

NAME = "kube"
PID, LOG = STATE / (NAME + ".pid"), STATE / (NAME + ".log")
PATIENCE_S = 180

USAGE = """A cluster of two nodes, a and b, with weft installed:

    %(kubectl)s get pods -A -o wide
    %(kubectl)s exec -n weft-system ds/weftd -- weft status
    %(kubectl)s label namespace default weft.dev/mesh=enforce
    %(kubectl)s get --raw /apis/metrics.smi-spec.io/v1alpha1/pods

Images have to be imported (ctr in nodes' containerd); weft.test/host:1 has the host's /usr when it is
mounted there. End it with: make kube-down"""


def serve():
    """Keeps the cluster until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Cluster(NAME) as cluster:
        cluster.up()
        installed = Installed(cluster)
        installed.install()
        installed.install_metrics()
        kubectl = BUILD / "kube" / "kubectl"
        kubectl.parent.mkdir(parents=True, exist_ok=True)
        kubectl.write_text("#!/bin/sh\nexec nsenter --target %d --net kubectl --kubeconfig %s \"$@\"\n"
                           % (cluster.nodes[0].holder, cluster.kubeconfig), encoding="utf-8")
        kubectl.chmod(0o755)
        print("ready", flush=True)
        while True:
            signal.pause()


def running():
    try:
        pid = int(PID.read_text(encoding="ascii"))
        return pid if b"by_hand.py" in pathlib.Path("/proc/%d/cmdline" % pid).read_bytes() else None
    except (OSError, ValueError):
        return None


def start():
    reason = why_missing()
    if reason:
        sys.exit("kube-up: " + reason)
    if running():
        sys.exit("kube-up: it is running already; make kube-down ends it")
    print("kube-up: the control plane (built once, which takes some minutes)", flush=True)
    reason = control_plane.build()
    if reason:
        sys.exit("kube-up: " + reason)
    Cluster(NAME).down()
    STATE.mkdir(parents=True, exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        process = subprocess.Popen([sys.executable, __file__, "serve"], stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
    PID.write_text(str(process.pid), encoding="ascii")
    end = time.monotonic() + PATIENCE_S
    while "ready\n" not in LOG.read_text(encoding="utf-8"):
        if process.poll() is not None or time.monotonic() > end:
            process.terminate()
            sys.exit("kube-up: it did not start:\n" + LOG.read_text(encoding="utf-8")[-3000:])
        time.sleep(0.2)
    print(USAGE % {"kubectl": os.path.relpath(BUILD / "kube" / "kubectl")})


def stop():
    pid = running()
    if pid:
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 30
        while running() and time.monotonic() < end:
            time.sleep(0.2)
    Cluster(NAME).down()
    for path in (PID, LOG):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    {"up": start, "down": stop, "serve": serve}[sys.argv[1]]()

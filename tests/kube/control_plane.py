# SPDX-License-Identifier: Apache-2.0
"""The programs of a cluster: given in KUBEBUILDER_ASSETS, installed, or built by Go from control-plane/
and kept outside the tree."""
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "v1.31.4"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")
GO = (1, 22)
DOWNLOAD_S, COMPILE_S = 300, 1500
REMEDY = "remedy: a network with a Go module proxy (GOPROXY), or KUBEBUILDER_ASSETS"


def cache():
    return pathlib.Path(os.environ.get("WEFT_KUBE_CACHE") or
                        pathlib.Path.home() / ".cache" / "weft" / ("kubernetes-" + VERSION))


def find(name):
    """Path of a program, or None."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for folder in [*([pathlib.Path(assets)] if assets else []), cache()]:
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    return shutil.which(name)


def go():
    """Path of a Go that is new enough, or None."""
    for path in filter(None, (shutil.which("go"), "/usr/local/go/bin/go")):
        try:
            said = subprocess.run([path, "version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        found = re.search(r"go(\d+)\.(\d+)", said)
        if found and tuple(map(int, found.groups())) >= GO:
            return path
    return None


def why_missing():
    if all(map(find, PROGRAMS)) or go():
        return ""
    return ("no Kubernetes here (remedy: install Go %d.%d or newer, or set KUBEBUILDER_ASSETS to a folder with %s)"
            % (*GO, ", ".join(PROGRAMS)))


def run_go(*arguments, seconds):
    """What it said in vain, or ""."""
    try:
        done = subprocess.run([go(), *arguments], cwd=HERE / "control-plane", stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=seconds,
                              env={**os.environ, "CGO_ENABLED": "0"})
    except subprocess.TimeoutExpired:
        return "go %s: not done after %d s" % (arguments[0], seconds)
    return "go %s: %s" % (arguments[0], done.stderr.strip()[-500:]) if done.returncode else ""


def build():
    """Builds what is missing. Why that cannot be done here, with the remedy; "" when it is there."""
    if all(map(find, PROGRAMS)):
        return ""
    # Apart from the compilation, so that no network is one thing and a broken build another.
    trouble = run_go("list", "-deps", "./...", seconds=DOWNLOAD_S)
    if trouble:
        return "no Kubernetes here: %s (%s)" % (trouble.splitlines()[-1], REMEDY)
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ("new-%d" % os.getpid())  # until it is whole
    trouble = run_go("build", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags=-s -w -X "
                     "k8s.io/component-base/version.gitVersion=" + VERSION, "-o", str(partial), ".", seconds=COMPILE_S)
    if trouble:
        partial.unlink(missing_ok=True)
        raise RuntimeError(trouble)
    partial.rename(folder / "kubernetes")
    for name in PROGRAMS:
        partial.symlink_to("kubernetes")
        partial.rename(folder / name)
    return ""

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs of the control plane: given in KUBEBUILDER_ASSETS, installed, or built by Go from
control-plane/ and kept outside the tree.

    control_plane.py        builds what is missing"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "v1.31.4"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
GO = (1, 22)


def cache():
    return pathlib.Path(os.environ.get("WEFT_KUBE_CACHE") or
                        pathlib.Path.home() / ".cache" / "weft" / ("kube-" + VERSION))


def find(name):
    """Path of a program, or None."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for folder in [pathlib.Path(assets)] if assets else [cache()]:
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
    return ("no Kubernetes here: remedy: install Go %d.%d or newer, or set KUBEBUILDER_ASSETS to a folder with %s"
            % (*GO, ", ".join(PROGRAMS)))


def build():
    """Builds what is missing. Why that cannot be done here, with the remedy; "" when it is there."""
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        if find(name):
            continue
        # Under another name until it is whole.
        partial = folder / (name + ".new")
        done = subprocess.run(
            [go(), "build", "-trimpath", "-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion=" + VERSION,
             "-o", partial, "./cmd/" + name], cwd=HERE / "control-plane", capture_output=True, text=True,
            env={**os.environ, "CGO_ENABLED": "0"}, check=False)
        if done.returncode:
            return ("no Kubernetes here: go build %s: %s (remedy: a network with a Go module proxy, or "
                    "KUBEBUILDER_ASSETS)" % (name, done.stderr.strip()[-500:]))
        partial.rename(folder / name)
    return ""


if __name__ == "__main__":
    sys.exit(build() or None)

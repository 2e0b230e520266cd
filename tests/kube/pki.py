# SPDX-License-Identifier: Apache-2.0
"""The certificates and tokens of a cluster that lives for a test."""
import subprocess

import yaml

TOKEN = "weft-test-admin"


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


KEY = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30")


def make_authority(folder, name="ca"):
    """NAME.crt and NAME.key."""
    openssl(folder, *KEY, "-keyout", name + ".key", "-out", name + ".crt", "-subj", "/CN=" + name)


def make_server(folder, name, authority, alternatives):
    """The same for a server; `alternatives`: as in subjectAltName."""
    openssl(folder, *KEY, "-keyout", name + ".key", "-out", name + ".crt", "-subj", "/CN=" + name, "-CA",
            authority + ".crt", "-CAkey", authority + ".key", "-addext", "subjectAltName=" + ",".join(alternatives))


def make_client(folder, name, authority):
    """The same for a client."""
    openssl(folder, *KEY, "-keyout", name + ".key", "-out", name + ".crt", "-subj", "/CN=" + name, "-CA",
            authority + ".crt", "-CAkey", authority + ".key", "-addext", "extendedKeyUsage=clientAuth")


def make(folder, addresses, names):
    folder.mkdir()
    make_authority(folder)
    make_server(folder, "apiserver", "ca", ["IP:" + one for one in addresses] + ["DNS:" + one for one in names])
    make_authority(folder, "front-proxy-ca")
    make_client(folder, "front-proxy-client", "front-proxy-ca")
    openssl(folder, "genrsa", "-out", "accounts.key", "2048")
    (folder / "tokens.csv").write_text("%s,admin,admin,system:masters\n" % TOKEN, encoding="utf-8")


def kubeconfig(path, folder, server):
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "kube",
        "clusters": [{"name": "kube", "cluster": {"server": server,
                                                  "certificate-authority": str(folder / "ca.crt")}}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "kube", "context": {"cluster": "kube", "user": "admin"}}]}), encoding="utf-8")
    return str(path)

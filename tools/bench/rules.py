# SPDX-License-Identifier: Apache-2.0
"""The HTTP rules that the measured requests are judged by, once for weft and all its peers, and
the objects that tell weft. What the works ask for is allowed by one of the last rules, by a regex
and a header, so that a peer that tries them one by one has to."""
import collections
import json

NAMESPACE = "bench"
HTTP_PORT, SINK_PORT = 8080, 9000
MANY = 256

# `path` begins the request's path; it is a regex where `is_regex`, else plain text. `headers`:
# {name: regex}.
Rule = collections.namedtuple("Rule", "name methods path is_regex headers")

HEALTH = Rule("health", ("GET",), "/healthz", False, {})
UPLOAD = Rule("upload", ("PUT",), "/upload", False, {})
ASSETS = Rule("assets", ("GET", "HEAD"), "/assets/[a-z0-9._-]+", True, {})
ORDERS = Rule("orders", ("GET",), "/api/v[12]/orders/[0-9]+", True,
              {"x-tenant": "^[a-z]+-[0-9]+$"})
# Ten rules, five regexes for the path, two conditions on a header.
TEN = (
    HEALTH,
    Rule("session", ("POST",), "/session", False, {}),
    Rule("search", ("GET",), "/search/(web|images|news)", True, {}),
    Rule("users", ("GET", "PUT"), "/api/v[0-9]+/users/[0-9]+", True, {}),
    Rule("reports", ("GET",), "/reports/[0-9]{4}-[0-9]{2}", True, {}),
    Rule("batch", ("POST",), "/internal/batch", False, {"x-request-source": "^batch-[0-9]+$"}),
    UPLOAD,
    ASSETS,
    ORDERS,
    Rule("admin", ("GET", "POST"), "/admin", False, {}),
)
FOUR = (HEALTH, UPLOAD, ASSETS, ORDERS)

# What the works ask for ...
GET_PATH, BLOB_PATH, UPLOAD_PATH = "/api/v1/orders/1234", "/assets/blob", "/upload"
HEADER = ("X-Tenant", "acme-42")
# ... and (method, path, has the header) that no rule allows.
DENIED = (("GET", "/", True), ("GET", "/api/v3/orders/1234", True), ("GET", GET_PATH, False),
          ("DELETE", GET_PATH, True), ("POST", "/internal/batch", True))


def many():
    """256 rules: those of some thirty teams, and the ten."""
    rules = []
    for number in range(MANY - len(TEN)):
        team, kind = divmod(number, 8)
        headers = {"x-team": f"^team-{team}(-[a-z]+)?$"} if kind == 7 else {}
        methods = (("GET",), ("POST", "PUT"), ("GET", "HEAD"), ("DELETE",))[kind % 4]
        rules.append(Rule(f"team-{team}-{kind}", methods,
                          f"/team-{team}/v[0-9]+/{'abcdefgh'[kind]}[a-z]+/[0-9]+", True, headers))
    return (*rules, *TEN)


def _object(api, kind, name, spec):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec}


def _match(rule):
    match = {"name": rule.name, "methods": list(rule.methods), "pathRegex": rule.path}
    return {**match, "headers": rule.headers} if rule.headers else match


def manifests(rules):
    """Text of the objects that let the client ask the server: what `rules` say, or with None
    anything on the measured ports. JSON is YAML."""
    objects = [_object("specs.smi-spec.io/v1alpha4", "TCPRoute", "measured",
                       {"matches": {"ports": [HTTP_PORT, SINK_PORT]}})]
    used = [{"kind": "TCPRoute", "name": "measured"}]
    if rules is not None:
        objects.append(_object("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup", "measured",
                               {"matches": [_match(rule) for rule in rules]}))
        used.append({"kind": "HTTPRouteGroup", "name": "measured"})
    account = {"kind": "ServiceAccount", "namespace": NAMESPACE}
    objects.append(_object("access.smi-spec.io/v1alpha3", "TrafficTarget", "client-to-server", {
        "destination": {**account, "name": "server"}, "rules": used,
        "sources": [{**account, "name": "client"}]}))
    return "---\n".join(json.dumps(one, indent=1) + "\n" for one in objects)

# SPDX-License-Identifier: Apache-2.0
"""The demo's HTTP rules: requests that the kernel lets through or answers itself, one by one."""
import collections
import json
import subprocess
import time

from stage import CLIENT, CLUSTER, EVIDENCE, HERE, PYTHON, WEFT, apply, client, paint, show_weft, step

RULES = (HERE / "manifests" / "http.yaml").read_text(encoding="utf-8")
RULE = "shop/frontend-to-api api-pages/"
JSON = "|Content-Type: application/json"
# What frontend asks of api-v1, and why it is refused, or None.
REQUESTS = {
    "GET /products": None,
    "HEAD /products/7?colour=red": None,
    "POST /orders" + JSON + "|Content-Length: 0": None,
    "DELETE /admin/users/3|X-Role: admin|x-ticket: OPS-12": None,
    "DELETE /products/7": "no_http_rule",
    "GET /products/7/reviews": "no_http_rule",
    "POST /orders|Content-Type: text/plain|Content-Length: 0": "no_http_rule",
    "GET /admin/users|X-Role: admin": "no_http_rule",
    "GET /products/../admin/users": "ambiguous_path",
    "POST /orders" + JSON + "|Content-Length: 0|Transfer-Encoding: chunked": "http_transfer_encoding",
}
ALLOWED = [text for text, reason in REQUESTS.items() if not reason]
EXPLAINED = ["GET /products", "DELETE /products/7", "GET /admin/users|X-Role: admin", "GET /products/../admin/users"]
PIPELINED = ["GET /products/1", "GET /secret", "GET /products/2"]


def by_weft(answer):
    return answer.get("status") == 403 and answer["by"] == "weft"


def line_of(text):
    """The request line that the server should have read."""
    return text.split("|")[0] + " HTTP/1.1"


class Tap:
    """weft tap on a node."""

    def __init__(self, node):
        self.path = EVIDENCE / "tap.json"
        with self.path.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(CLUSTER.command("node", node, "--", WEFT, "-o", "json", "tap"),
                                            stdout=file)

    def requests(self, count):
        """What it has shown, when that is so many requests, or after two seconds."""
        end = time.monotonic() + 2
        while True:
            lines = self.path.read_text(encoding="utf-8").splitlines()
            if len(lines) >= count or time.monotonic() > end:
                return [json.loads(line) for line in lines]
            time.sleep(0.05)

    def close(self):
        self.process.terminate()
        self.process.wait()


def show_requests(checks, vips):
    """Each request on a connection of its own; all answers."""
    answered = {}
    for family, vip in vips["api-v1"].items():
        answers = client("frontend", "talk", vip, 80, json.dumps([[text] for text in REQUESTS]))
        answered[family] = {text: found[0] for text, found in zip(REQUESTS, answers)}
    for text, reason in REQUESTS.items():
        found = [answers[text] for answers in answered.values()]
        held = all(map(by_weft, found)) if reason else all(one.get("status") == 200 for one in found)
        checks.check("%s %s" % (text.replace("|", "  "), "refused" if reason else "allowed"), held,
                     reason or found[0].get("body") or "api-v1")
    denied = answered["IPv4"]["DELETE /products/7"]
    print(paint("\n".join("    " + line for line in [*denied.get("head", []), "", denied.get("body", "")]), "2"))


def show_pipelined(checks, vips):
    found = client("frontend", "talk", vips["api-v1"]["IPv4"], 80, json.dumps([PIPELINED]))[0]
    checks.check("pipelined allowed, refused, allowed: one answer, weft's refusal, the end",
                 len(found) == 3 and found[0].get("status") == 200 and by_weft(found[1]) and "error" in found[2],
                 ", ".join(str(one.get("status") or one["error"]) for one in found))


def show_log(checks, seen, families):
    log = collections.Counter(CLUSTER.run("logs", "-n", "shop", "api-v1").splitlines()) - seen
    log = +collections.Counter({line: count for line, count in log.items() if line.endswith("HTTP/1.1")})
    wanted = collections.Counter({line_of(text): families for text in ALLOWED})
    wanted[line_of(PIPELINED[0])] += 1
    checks.check("the server's own log has the allowed requests, and nothing of the others", log == wanted,
                 "%d requests" % sum(log.values()))


def show_tap(checks, tap, allowed, denied):
    shown = collections.Counter(event["request"].get("status") for event in tap.requests(allowed + denied))
    checks.check("weft tap showed each of them as it happened", shown == {200: allowed, 403: denied},
                 "%d answered, %d refused" % (shown[200], shown[403]))


def show_rules_changed(checks, vips):
    """On a connection that stays open."""
    holder = CLUSTER.popen("frontend", PYTHON, CLIENT, "hold", vips["api-v1"]["IPv4"], 80, 10,
                           ALLOWED[2], namespace="shop", stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        time.sleep(0.2)
        changed = time.time()
        apply(RULES.replace("matches: [browse, order, admin]", "matches: [browse]"))
        result = json.loads(holder.stdout.readline())
    finally:
        holder.terminate()
        holder.wait()
    after = (result.get("at", 0) - changed) * 1000
    checks.check("a rule taken back: the next request of a live connection is refused, within 1 s",
                 result.get("by") == "403" and after < 1000,
                 "by a %s, %.0f ms after the change began, %s requests before" %
                 (result.get("by"), after, result.get("requests")))


def explain(text):
    line, *headers = text.split("|")
    method, path = line.split()
    return ["explain", "shop/frontend", "svc/shop/api-v1", "80", "--method", method, "--path", path,
            *[word for header in headers for word in ("--header", header)]]


def show_explain(checks):
    wrong = []
    for text in EXPLAINED:
        reason = REQUESTS[text]
        answer = json.loads(CLUSTER.weft("node-a", "-o", "json", *explain(text)).stdout)
        kernel = answer["endpoints"][0].get("kernel", {})
        if not answer["agree"] or (kernel.get("reason") != reason if reason else
                                   not kernel.get("rule", "").startswith(RULE)):
            wrong.append(text)
    checks.check("weft explain gives the same verdicts, and kernel and objects agree", not wrong,
                 ", ".join(wrong) or "%d requests" % len(EXPLAINED))
    show_weft("node-a", *explain("DELETE /products/7"))


def show_counted(checks, families):
    text = CLUSTER.get("node-a", "/metrics")
    requests = [line for line in text.splitlines()
                if line.startswith("weft_http_requests_total") and 'route_group="api-pages"' in line]
    reasons = {reason: families * count for reason, count in
               collections.Counter(filter(None, REQUESTS.values())).items()}
    reasons["no_http_rule"] += 1
    counted = {reason: sum(int(line.split()[-1]) for line in text.splitlines()
                           if line.startswith("weft_verdicts_total") and 'verdict="deny"' in line
                           and 'reason="%s"' % reason in line and 'hook="to_pod"' in line)
               for reason in reasons}
    show_weft("node-a", "get", "requests")
    for line in requests[:1]:
        print("  metric " + line)
    checks.check("requests are counted by rule, method and class of status",
                 sum(int(line.split()[-1]) for line in requests) == len(ALLOWED) * families + 1,
                 "%d series" % len(requests))
    checks.check("refusals are counted by reason", counted == reasons,
                 ", ".join("%s %d" % pair for pair in counted.items()))


def show_http(checks, vips):
    step("HTTP rules: an HTTPRouteGroup with conditions on path, method and headers, judged in the kernel")
    seen = collections.Counter(CLUSTER.run("logs", "-n", "shop", "api-v1").splitlines())
    tap = Tap("node-a")
    try:
        print(paint("  applied and in the kernel of both nodes after %.0f ms" % apply("http.yaml"), "2"))
        show_requests(checks, vips)
        show_pipelined(checks, vips)
        families = len(vips["api-v1"])
        show_log(checks, seen, families)
        show_tap(checks, tap, len(ALLOWED) * families + 1, (len(REQUESTS) - len(ALLOWED)) * families + 1)
    finally:
        tap.close()
    show_counted(checks, families)
    show_explain(checks)
    show_rules_changed(checks, vips)

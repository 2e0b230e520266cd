#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API server for what a real one cannot be made to do: lists in pages, watches with
bookmarks, discovery, and on demand expired versions, broken streams, slow and dead connections. Nodes,
Leases and Events can be written.

    kube_api.py FOLDER [PORT]

FOLDER has server.crt, server.key and ca.crt. Listens on 127.0.0.1; the first line on standard output
has the port. Then takes a JSON request per line of standard input and answers each with a line."""
import bisect
import http.server
import copy
import json
import pathlib
import re
import ssl
import sys
import threading
import time
import urllib.parse
import uuid

CORE = {"Namespace": "namespaces", "Node": "nodes", "Pod": "pods", "Service": "services",
        "ServiceAccount": "serviceaccounts"}
PLURALS = {**CORE, "EndpointSlice": "endpointslices", "TrafficTarget": "traffictargets",
           "IdentityBinding": "identitybindings", "TCPRoute": "tcproutes", "UDPRoute": "udproutes",
           "HTTPRouteGroup": "httproutegroups", "TrafficSplit": "trafficsplits",
           "CustomResourceDefinition": "customresourcedefinitions", "Lease": "leases", "Event": "events"}
KINDS = {plural: kind for kind, plural in PLURALS.items()}
GROUPS = {"access.smi-spec.io": ("traffictargets", "identitybindings"),
          "specs.smi-spec.io": ("tcproutes", "udproutes", "httproutegroups"),
          "split.smi-spec.io": ("trafficsplits",)}
SERVED = {"access.smi-spec.io": ("v1alpha3", "v1alpha2"), "specs.smi-spec.io": ("v1alpha4", "v1alpha3"),
          "split.smi-spec.io": ("v1alpha4", "v1alpha2")}
PAGE_LIFE = 100
WRITABLE = ("nodes", "leases", "events")
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Store:
    """Objects by plural, and what happened to them, by resource version."""

    def __init__(self):
        self.changed = threading.Condition()
        self.objects = {plural: {} for plural in KINDS}
        self.events = {plural: [] for plural in KINDS}  # (version, type, object)
        self.version = 100
        self.oldest = 100  # versions before it have been compacted
        self.pages = {}
        self.definitions = set(GROUPS)
        self.tokens = {"secret"}
        self.faults = []
        self.requests = []
        self.bookmarks = 0.3
        self.watch_seconds = 600.0

    def put(self, document):
        plural = PLURALS[document["kind"]]
        meta = document.setdefault("metadata", {})
        key = (meta.get("namespace", ""), meta["name"])
        with self.changed:
            self.version += 1
            meta["resourceVersion"] = str(self.version)
            meta["managedFields"] = [{"manager": "test", "fieldsV1": {"f:metadata": {}}}]
            meta.setdefault("uid", str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join((plural, *key)))))
            known = key in self.objects[plural]
            self.objects[plural][key] = document
            self.events[plural].append((self.version, "MODIFIED" if known else "ADDED", document))
            self.changed.notify_all()

    def remove(self, plural, namespace, name):
        with self.changed:
            self.version += 1
            document = dict(self.objects[plural].pop((namespace, name)))
            document["metadata"] = dict(document["metadata"], resourceVersion=str(self.version))
            self.events[plural].append((self.version, "DELETED", document))
            self.changed.notify_all()

    def lose(self, plural, namespace, name):
        """As if it had been deleted while nobody could be told."""
        with self.changed:
            del self.objects[plural][(namespace, name)]
            self.compact()

    def compact(self):
        """No version from before can be watched from, no list be continued."""
        self.version += 1
        self.oldest = self.version
        for events in self.events.values():
            events.clear()
        self.pages.clear()
        self.changed.notify_all()

    def since(self, plural, version):
        """What happened after it."""
        events = self.events[plural]
        return events[bisect.bisect(events, version, key=lambda event: event[0]):]

    def define(self, group, is_there):
        with self.changed:
            (self.definitions.add if is_there else self.definitions.discard)(group)
        for plural in GROUPS[group]:
            name = plural + "." + group
            if is_there:
                self.put({"kind": "CustomResourceDefinition", "metadata": {"name": name}})
            else:
                self.remove("customresourcedefinitions", "", name)

    def fault(self, path, watch, method):
        """The fault that a request meets, if any."""
        with self.changed:
            for fault in self.faults:
                if (fault["path"] in path and fault.get("watch", watch) == watch and fault["count"]
                        and fault.get("method", method) == method):
                    fault["count"] -= 1
                    return fault
        return None


def status(code, message, reason=""):
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "message": message, "reason": reason}


def merge(document, patch):
    """RFC 7386."""
    for name, value in patch.items():
        if value is None:
            document.pop(name, None)
        elif isinstance(value, dict):
            document[name] = merge(document.get(name) or {}, value)
        else:
            document[name] = value
    return document


def check_event(event):
    """What a real server refuses."""
    for name, limit in (("reportingController", 128), ("reportingInstance", 128), ("action", 128),
                        ("reason", 128), ("note", 1024)):
        if not 0 < len(event.get(name, "").encode()) <= limit:
            yield name
    if not MICRO_TIME.fullmatch(event.get("eventTime", "")):
        yield "eventTime"
    if event.get("type") not in ("Normal", "Warning"):
        yield "type"
    if event["metadata"]["namespace"] != (event["regarding"].get("namespace") or "default"):
        yield "namespace"
    series = event.get("series")
    if series and (series["count"] < 2 or not MICRO_TIME.fullmatch(series["lastObservedTime"])):
        yield "series"


def check_lease(lease):
    for name in ("acquireTime", "renewTime"):
        if not MICRO_TIME.fullmatch(lease["spec"][name]):
            yield name
    if lease["spec"]["leaseDurationSeconds"] < 1:
        yield "leaseDurationSeconds"


CHECKS = {"events": check_event, "leases": check_lease}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    def answer(self, code, document, headers=()):
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def do_GET(self):  # pylint: disable=invalid-name
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)  # pylint: disable=attribute-defined-outside-init
        try:
            self.route()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_POST = do_PUT = do_PATCH = do_GET

    def route(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        watch = query.get("watch") == "true"
        with self.store.changed:
            self.store.requests.append(self.path if self.command == "GET" else self.command + " " + self.path)
            allowed = {"Bearer " + token for token in self.store.tokens}
        if self.headers.get("Authorization") not in allowed:
            self.answer(401, status(401, "Unauthorized", "Unauthorized"))
            return
        fault = self.store.fault(self.path, watch, self.command)
        if fault and self.fail(fault):
            return
        words = url.path.strip("/").split("/")
        if len(words) == 2 and words[0] == "apis":
            self.group(words[1])
        elif len(words) == 3 and words[0] == "apis" and words[1] in GROUPS:
            self.group_version(*words[1:])
        elif words[-2] in WRITABLE:
            self.one(words[-2], words[-3] if "namespaces" in words else "", words[-1])
        elif words[-1] in WRITABLE and self.command == "POST":
            self.create(words[-1], words[-2])
        elif words[-1] in KINDS and self.is_served(words):
            version = words[1] if words[0] == "api" else "/".join(words[1:3])
            (self.watch if watch else self.list)(words[-1], version, query, fault)
        else:
            self.answer(404, status(404, "the server could not find the requested resource"))

    def is_served(self, words):
        group = words[1] if words[0] == "apis" else ""
        return group not in GROUPS or (group in self.store.definitions and words[2] in SERVED[group])

    def fail(self, fault):
        """True: that was the answer."""
        kind = fault["kind"]
        if kind == "status":
            headers = [("Retry-After", str(fault["after"]))] if "after" in fault else []
            document = status(fault["code"], "as the test wants it")
            if "cause" in fault:
                document["details"] = {"causes": [{"reason": fault["cause"]}]}
            self.answer(fault["code"], document, headers)
        elif kind == "garbage":
            self.answer(200, [1, 2, {"items": "none"}])
        elif kind == "hang":
            time.sleep(fault["seconds"])
            self.close_connection = True
        elif kind == "reset":
            self.connection.close()
            self.close_connection = True
        else:
            return False
        return True

    def create(self, plural, namespace):
        document = json.loads(self.body)
        with self.store.changed:
            if (namespace, document["metadata"]["name"]) in self.store.objects[plural]:
                self.answer(409, status(409, "it exists", "AlreadyExists"))
                return
            self.write(plural, document, 201)

    def one(self, plural, namespace, name):
        """Reads or writes an object."""
        with self.store.changed:
            known = self.store.objects[plural].get((namespace, name))
            if not known:
                self.answer(404, status(404, "%s %s not found" % (plural, name), "NotFound"))
            elif self.command == "GET":
                self.answer(200, known)
            elif self.command == "PUT":
                document = json.loads(self.body)
                if document["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
                    self.answer(409, status(409, "the object has been modified", "Conflict"))
                    return
                self.write(plural, document, 200)
            elif self.headers.get("Content-Type") != "application/merge-patch+json":
                self.answer(415, status(415, "only merge patches"))
            else:
                document = merge(copy.deepcopy(known), json.loads(self.body))
                if document == known:
                    self.answer(200, known)
                else:
                    self.write(plural, document, 200)

    def write(self, plural, document, code):
        wrong = "; ".join(CHECKS[plural](document)) if plural in CHECKS else ""
        if wrong:
            self.answer(422, status(422, wrong, "Invalid"))
            return
        self.store.put(document)
        self.answer(code, document)

    def group(self, group):
        if group not in self.store.definitions:
            self.answer(404, status(404, "no such group"))
            return
        self.answer(200, {"kind": "APIGroup", "name": group, "versions": [
            {"groupVersion": group + "/" + version, "version": version} for version in SERVED[group]]})

    def group_version(self, group, version):
        if group not in self.store.definitions or version not in SERVED[group]:
            self.answer(404, status(404, "no such version"))
            return
        self.answer(200, {"kind": "APIResourceList", "resources": [
            {"name": plural, "kind": KINDS[plural]} for plural in GROUPS[group]
            if plural != "identitybindings" and (plural != "udproutes" or version == "v1alpha4")]})

    def list(self, plural, version, query, fault):
        store = self.store
        with store.changed:
            if "continue" in query:
                if query["continue"] not in store.pages:
                    self.answer(410, status(410, "the continue token has expired", "Expired"))
                    return
                items, taken = store.pages.pop(query["continue"])
            else:
                items, taken = list(store.objects[plural].values()), store.version
            limit = min(int(query.get("limit", 500)), PAGE_LIFE)
            meta = {"resourceVersion": str(taken)}
            if len(items) > limit:
                token = "t%d-%d" % (taken, len(store.pages) + len(store.requests))
                store.pages[token] = (items[limit:], taken)
                meta["continue"] = token
            # As a real server: without kind and version of each item.
            items = [{name: value for name, value in item.items() if name not in ("kind", "apiVersion")}
                     for item in items[:limit]]
        body = json.dumps({"kind": KINDS[plural] + "List", "apiVersion": version, "metadata": meta,
                           "items": items}).encode()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        kind = fault["kind"] if fault else ""
        if kind == "truncate":
            self.chunk(body[:len(body) // 2])
            self.connection.close()
            self.close_connection = True
            return
        size = 7 if kind == "drip" else 65536
        for at in range(0, len(body), size):
            self.chunk(body[at:at + size])
        self.chunk(b"")

    def watch(self, plural, version, query, fault):
        store = self.store
        if "as=PartialObjectMetadataList" in self.headers.get("Accept", ""):
            self.answer(406, status(406, "events are no lists", "NotAcceptable"))
            return
        since = int(query["resourceVersion"])
        end = time.monotonic() + min(float(query.get("timeoutSeconds", 600)), store.watch_seconds)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        bookmark = time.monotonic() + store.bookmarks
        kind = fault["kind"] if fault else ""
        while time.monotonic() < end:
            with store.changed:
                if since < store.oldest:
                    self.event("ERROR", status(410, "too old resource version", "Expired"))
                    break
                news = store.since(plural, since)
                if not news:
                    since_now = store.version  # what comes while waiting is news
                    store.changed.wait(0.05)
            for number, what, document in news:
                self.event(what, dict(document, apiVersion=version, kind=KINDS[plural]), kind)
                since = number
                if kind in ("cut", "noise"):
                    self.connection.close()
                    self.close_connection = True
                    return
            if not news and time.monotonic() > bookmark:
                bookmark = time.monotonic() + store.bookmarks
                since = since_now
                self.event("BOOKMARK", {"kind": KINDS[plural], "apiVersion": version,
                                        "metadata": {"resourceVersion": str(since)}})
        self.chunk(b"")

    def event(self, what, document, kind=""):
        line = json.dumps({"type": what, "object": document}).encode() + b"\n"
        if kind == "noise":
            line = b'{"type": "ADDED", \xff\xfe}}}' + line
        if kind == "cut":
            line = line[:len(line) // 2]
        if kind == "drip":
            for at in range(0, len(line), 11):
                self.chunk(line[at:at + 11])
            return
        self.chunk(line)


def serve(store, folder, port=0):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def take(store, request):
    """What the test wants; its answer."""
    what = request.pop("do")
    if what == "put":
        for document in request["objects"]:
            store.put(document)
    elif what in ("remove", "lose"):
        getattr(store, what)(request["plural"], request["namespace"], request["name"])
    elif what == "compact":
        with store.changed:
            store.compact()
    elif what == "define":
        store.define(request["group"], request["there"])
    elif what == "fault":
        with store.changed:
            store.faults.append({"count": 1, **request})
    elif what == "set":
        with store.changed:
            for name, value in request.items():
                setattr(store, name, set(value) if name == "tokens" else value)
    elif what == "list":
        with store.changed:
            return {"items": list(store.objects[request["plural"]].values())}
    elif what == "requests":
        with store.changed:
            seen, store.requests = store.requests, []
        return {"requests": seen}
    return {}


def main():
    store = Handler.store = Store()
    store.version = store.oldest = 100
    for group, plurals in GROUPS.items():
        for plural in plurals:
            store.put({"kind": "CustomResourceDefinition", "metadata": {"name": plural + "." + group}})
    server = serve(store, pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    for line in sys.stdin:
        print(json.dumps(take(store, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

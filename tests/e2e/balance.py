# SPDX-License-Identifier: Apache-2.0
"""A mesh for tests of services and splits: many pods that answer with their names, clients that
call at volume, and the judgement of where the calls went.

Every server pod answers `POD:PORT`, so that a name says which pod and which targetPort it was.
"""
import json
import pathlib
import signal
import struct
import subprocess
from fractions import Fraction

from chisquare import chi_square
from mesh import Mesh

from api import BUILD

CONNECTOR = BUILD / "tests/e2e/connector"
RESPONDER = BUILD / "tests/e2e/responder"
NAMESPACE = "shop"
# Not counted as calls: what readiness probes do, and what runs in the background.
PROBE_PORT = 6999
BACKGROUND_PORT = 6997
CALLS = 20000
# The tests promise 1 %; with so many cases CI would be red every other day.
LEAST_PROBABILITY = 1e-6


def metadata(name, namespace=NAMESPACE, **more):
    return {"name": name, "namespace": namespace, **more}


def node(name):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def namespace(name, mode):
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"weft.dev/mesh": mode}}}


def allow_all(*more_sources, name_space=NAMESPACE):
    """Access for everybody in the namespace and in some others, at L4: not what is tested."""
    return [
        {"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": kind,
         "metadata": metadata("all", name_space), "spec": {}} for kind in ("TCPRoute", "UDPRoute")
    ] + [{"apiVersion": "access.smi-spec.io/v1alpha3", "kind": "TrafficTarget",
          "metadata": metadata("all", name_space),
          "spec": {"destination": {"kind": "ServiceAccount", "name": "default",
                                   "namespace": name_space},
                   "sources": [{"kind": "ServiceAccount", "name": "default", "namespace": source}
                               for source in (name_space, *more_sources)],
                   "rules": [{"kind": "TCPRoute", "name": "all"},
                             {"kind": "UDPRoute", "name": "all"}]}}]


def client(name, on, name_space=NAMESPACE, **more):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata(name, name_space, **more),
            "spec": {"nodeName": on, "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "main", "command": ["sleep", "infinity"]}]}}


def service(name, selector, ports, **spec):
    """ports: (port, targetPort) or (port, targetPort, protocol, name)."""
    listed = []
    for entry in ports:
        port, target, protocol, label = (*entry, "TCP", "")[:4] if len(entry) < 4 else entry
        listed.append({"port": port, "targetPort": target, "protocol": protocol,
                       "name": label or "%s-%d" % (protocol.lower(), port)})
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(name),
            "spec": {"selector": selector, "ports": listed, **spec}}


def both(port, target):
    """The same port for TCP and UDP."""
    return [(port, target, "TCP", ""), (port, target, "UDP", "")]


def split(name, root, weights, version="v1alpha4", **more):
    return {"apiVersion": "split.smi-spec.io/" + version, "kind": "TrafficSplit",
            "metadata": metadata(name, **more),
            "spec": {"service": root, "backends": [{"service": backend, "weight": weight}
                                                   for backend, weight in weights]}}


def text(*objects):
    """YAML of objects and lists of objects."""
    flat = [one for item in objects for one in (item if isinstance(item, list) else [item])]
    return "\n---\n".join(json.dumps(one) for one in flat)


def spread(weights, endpoints):
    """Share of each endpoint: its backend's weight, divided among the backend's endpoints."""
    shares = {}
    for backend, weight in weights.items():
        for name in endpoints[backend]:
            shares[name] = shares.get(name, 0) + Fraction(weight) / len(endpoints[backend])
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items() if share}


class Load:
    """A connector that is running."""

    def __init__(self, process):
        self.process = process

    def result(self, timeout=60):
        output, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, "the connector ended with %d" % self.process.returncode
        return json.loads(output)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.result()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class BalanceMesh(Mesh):
    """A mesh whose servers are responders and whose clients are connectors."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.listeners = {}
        self.loads = []
        self.pods = self.vips = None

    def __exit__(self, *problem):
        for load in self.loads:
            load.kill()
        super().__exit__(*problem)

    def server(self, name, on, listeners, labels=None, ports=(), ready_port=PROBE_PORT):
        """A Pod that answers on `listeners` ("tcp:PORT", "udp:PORT")."""
        assert RESPONDER.exists(), "build the tests' programs first: make e2e-programs"
        self.listeners[name] = [*listeners, "tcp:%d" % PROBE_PORT]
        return {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": metadata(name, labels={"pod": name, **(labels or {})}),
            "spec": {"nodeName": on, "containers": [{
                "name": "main",
                "command": [str(RESPONDER), str(self._counters(name)), *self.listeners[name]],
                "ports": [{"name": label, "containerPort": port} for label, port in ports],
                "readinessProbe": {"tcpSocket": {"port": ready_port}, "periodSeconds": 1}}]}}

    def start(self, *objects):
        self.up(text(*objects))
        self.run("wait")
        self.learn()
        return self

    def learn(self):
        """Takes in the addresses of pods and services; after every change of them."""
        status = self.status()
        self.pods = {pod["name"]: pod for pod in status["pods"]}
        self.vips = {one["name"]: one["clusterIPs"] for one in status["services"]}

    def vip(self, name, family):
        return next(ip for ip in self.vips[name] if (":" in ip) == (family == 6))

    def pod_ip(self, name, family):
        return self.pods[name]["addresses"][0 if family == 4 else 1]

    def _counters(self, pod):
        return pathlib.Path(self.folder.name, "counters-" + pod)

    def counted(self, proto="tcp"):
        """What all servers received so far: {"POD:PORT": connections or datagrams}."""
        result = {}
        for pod, listeners in self.listeners.items():
            path = self._counters(pod)
            data = path.read_bytes() if path.exists() else b""
            if len(data) < 8 * len(listeners):
                continue
            for listener, count in zip(listeners, struct.unpack("%dQ" % len(listeners), data)):
                kind, port = listener.split(":")
                if kind == proto and int(port) not in (PROBE_PORT, BACKGROUND_PORT):
                    result["%s:%s" % (pod, port)] = count
        return result

    def _connector(self, pod, address, port, options):
        arguments = []
        for name, value in options.items():
            if value is not False:
                arguments.append("--" + name.replace("_", "-"))
            if not isinstance(value, bool):
                arguments.append(str(value))
        return [CONNECTOR, *arguments, address, str(port)]

    def load(self, pod, address, port, **options):
        """Starts a connector in a pod; its options by their names."""
        process = self.popen(pod, *self._connector(pod, address, port, options),
                             namespace=self.pods[pod]["namespace"], stdout=subprocess.PIPE)
        self.loads.append(Load(process))
        return self.loads[-1]

    def call(self, pod, address, port, **options):
        """Calls from inside a pod: {"servers": {}, "failures": {}, "peers": {}, ...}."""
        options.setdefault("count", 1)
        return json.loads(self.exec(pod, *self._connector(pod, address, port, options),
                                    namespace=self.pods[pod]["namespace"]))

    def findings(self, on, name):
        """{reason: field} of the agent's findings on the object of this name."""
        return {item["reason"]: item["field"]
                for item in json.loads(self.get(on, "/v1/findings"))["items"]
                if item["object"]["name"] == name}

    # --- judgement

    def check_shares(self, source, root, shares, port=80, family=4, calls=CALLS, table="splits",
                     **options):
        """Calls a service at volume. Nothing fails, the socket shows the cluster IP, exactly the
        servers with a share receive calls, in these proportions, and weft's views say the same;
        `table` is "services" for one without a split."""
        proto = "udp" if options.get("udp") or options.get("unconnected") else "tcp"
        vip = self.vip(root, family)
        self.check_views(source, root, shares, port, family, proto, table)
        before = self.counted(proto)
        result = self.call(source, vip, port, count=calls, **options)
        after = self.counted(proto)
        assert result["failures"] == {}
        assert result["peers"] == {"%s:%d" % (vip, port): calls}
        received = {name: after[name] - before.get(name, 0) for name in after
                    if after[name] != before.get(name, 0)}
        assert received == result["servers"], "what servers received is not what clients saw"
        self.check_chi_square(result["servers"], shares,
                              "%s %s:%d/%s v%d" % (source, root, port, proto, family))
        return result

    def check_refused(self, source, address, port, error="ECONNREFUSED", calls=50,
                      kinds=({}, {"udp": True}, {"unconnected": True})):
        """Every call fails at once with this errno, and no server notices."""
        before = self.counted("tcp"), self.counted("udp")
        for kind in kinds:
            result = self.call(source, address, port, count=calls, concurrency=1, **kind)
            assert (result["servers"], result["failures"]) == ({}, {error: calls}), kind
            assert result["max_ms"] < 900, "not at once: %s" % result
        assert (self.counted("tcp"), self.counted("udp")) == before

    @staticmethod
    def check_chi_square(servers, shares, what):
        statistic, probability = chi_square(servers, shares)
        print("chi-square %8.3f  freedom %2d  p %.6f%s  %s %s" % (
            statistic, len(shares) - 1, probability, " (below 1 %)" if probability < 0.01 else "",
            what, " ".join("%s=%d" % pair for pair in sorted(servers.items()))))
        assert probability > LEAST_PROBABILITY, "%s does not follow %s" % (servers, shares)

    def check_views(self, source, root, shares, port, family, proto, table):
        """`weft get` and `weft explain` name exactly these endpoints with these shares."""
        on, vip = self.pods[source]["node"], self.vip(root, family)
        wanted = {self.address_of(name, family): share for name, share in shares.items()}
        _, rows, error = self.weft_json(on, "get", table)
        assert rows is not None, error
        assert_equal_shares("weft get " + table, wanted, [
            ((row["endpoint"], row["target_port"]), row["share"]) for row in rows
            if (row["cluster_ip"], row["port"], row["protocol"]) == (vip, port, proto)])
        # a service is meant in the family of its first cluster IP, which is IPv4 here
        code, answer, error = self.weft_json(
            on, "explain", "%s/%s" % (self.pods[source]["namespace"], source),
            "svc/%s/%s" % (NAMESPACE, root) if family == 4 else vip, "%d/%s" % (port, proto))
        assert code == 0 and answer["agree"] and answer["destination"] == vip, error or answer
        for who in ("share", "kernel_share"):
            assert_equal_shares("weft explain, " + who, wanted, [
                ((one["endpoint"], one["port"]), one[who]) for one in answer["endpoints"]])

    def address_of(self, name, family):
        pod, port = name.rsplit(":", 1)
        return self.pod_ip(pod, family), int(port)


def assert_equal_shares(who, wanted, rows):
    """rows: (endpoint, share), an endpoint once per backend that leads to it."""
    shown = {}
    for endpoint, share in rows:
        shown[endpoint] = shown.get(endpoint, 0) + share
    assert set(shown) == set(wanted), "%s: %s instead of %s" % (who, shown, wanted)
    for endpoint, share in wanted.items():
        assert abs(shown[endpoint] - share) < 1e-6, \
            "%s: %s has %s instead of %s" % (who, endpoint, shown[endpoint], float(share))

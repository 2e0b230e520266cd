# SPDX-License-Identifier: Apache-2.0
"""Where it is measured: playgrounds of the same topology, with weft, with proxies, with neither."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402
import rules  # noqa: E402
from errors import BenchError  # noqa: E402
from lane import Lane  # noqa: E402
from playground.api import WEFT, Playground  # noqa: E402,F401
from playground.paths import RUN  # noqa: E402
from rules import NAMESPACE  # noqa: E402
from series import PLACES, QUIET, SERIES  # noqa: E402
from works import BLOB_BYTES, BODY  # noqa: E402

PREFIX = "weft-bench-"
# Read, never stored: on tmpfs a hole costs no memory.
ENDLESS_BYTES = 1 << 40
START_TIMEOUT = 10.0
# reach -> the proxy's ports for the server and the sink; None = the server's own.
PORTS = {"pod": None, "service": None,
         "sidecar": ("OUT_HTTP", "OUT_SINK"), "sidecar-mtls": ("OUT_HTTP_MTLS", "OUT_SINK_MTLS"),
         "node": ("NODE_HTTP", "NODE_SINK")}


def remove_leftovers():
    """Playgrounds and folders of benches that were killed."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(RUN):
            match = re.fullmatch(r"bench-(\d+)-\w+", name)
            if match and not os.path.exists(f"/proc/{match[1]}"):
                Playground(name).run("down", check=False)
    for path in pathlib.Path(_scratch()).glob(PREFIX + "*"):
        pid = path.name[len(PREFIX):].partition("-")[0]
        if not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path, ignore_errors=True)


def _scratch():
    return "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()


def _container(argv):
    """One more container of a pod, as a line of the manifest."""
    return "    - " + json.dumps({"name": "proxy", "command": argv}) if argv else ""


def _node_pod(argv, node):
    if not argv:
        return ""
    return json.dumps({"apiVersion": "v1", "kind": "Pod",
                       "metadata": {"name": "proxy", "namespace": NAMESPACE},
                       "spec": {"nodeName": node, "hostNetwork": True,
                                "terminationGracePeriodSeconds": 0,
                                "containers": [{"name": "proxy", "command": argv}]}}) + "\n---"


class Site:
    """The playgrounds of one run and their lanes. As a context manager it removes everything."""

    def __init__(self, server_node):
        self._server_node = server_node
        self._stack = contextlib.ExitStack()
        self._playgrounds = {}
        self._lanes = {}
        self.folder = None

    def __enter__(self):
        self.folder = self._stack.enter_context(tempfile.TemporaryDirectory(
            prefix=f"{PREFIX}{os.getpid()}-", dir=_scratch()))
        folder = pathlib.Path(self.folder)
        (folder / "blob").write_bytes(os.urandom(1 << 20) * (BLOB_BYTES >> 20))
        with open(folder / "endless", "wb") as file:
            file.truncate(ENDLESS_BYTES)
        return self

    def __exit__(self, *problem):
        return self._stack.__exit__(*problem)

    def _write_cluster(self, kind, proxies):
        """The manifests of one playground, with these proxies, and the files of its server; the
        manifests' folder."""
        own = pathlib.Path(self.folder, kind)
        manifests = own / "manifests"
        manifests.mkdir(parents=True, exist_ok=True)
        values = {"DIR": own, "SHARED": self.folder, "BODY": BODY, "BLOB": rules.BLOB_PATH,
                  "SERVER_NODE": self._server_node, "CLIENT_PROXY": _container(proxies.client),
                  "SERVER_PROXY": _container(proxies.server),
                  "NODE_PROXY": _node_pod(proxies.node, self._server_node)}
        for name, folder in (("nginx.conf", own), ("cluster.yaml", manifests)):
            text = (HERE / name).read_text(encoding="utf-8")
            (folder / name).write_text(peers.fill(text, values), encoding="utf-8")
        in_force = PLACES[kind].rules if PLACES[kind].agent_args is not None else None
        (manifests / "policy.yaml").write_text(rules.manifests(in_force), encoding="utf-8")
        return manifests

    def playground(self, kind):
        """The running playground of this kind, started when it is first asked for."""
        if kind not in self._playgrounds:
            wanted = PLACES[kind]
            place = self._stack.enter_context(Playground(f"bench-{os.getpid()}-{kind}"))
            options = ["--no-agents"] if wanted.agent_args is None \
                else ["--agent-args", wanted.agent_args]
            place.up(self._write_cluster(kind, peers.Proxies(None, None, None)), *options)
            if wanted.peer:
                self._start_proxies(place, kind, wanted)
            self._playgrounds[kind] = place
        return self._playgrounds[kind]

    def _start_proxies(self, place, kind, wanted):
        """Adds the proxies, the server's first, because the others need its pod's address."""
        own = pathlib.Path(self.folder, kind)
        all_of_them = peers.proxies(wanted.peer, own)
        place.apply(self._write_cluster(kind, peers.Proxies(None, ["sleep", "infinity"], None)))
        peers.configure(wanted.peer, own, place.pod("server", NAMESPACE)["addresses"][0],
                        wanted.rules)
        place.apply(self._write_cluster(kind, all_of_them))

    def lane(self, series):
        """The lane of this series, proved to let through what the rules say and nothing else."""
        if series not in self._lanes:
            lane = self._make_lane(series)
            self._await_answer(series, lane)
            self._prove(series, lane)
            self._lanes[series] = lane
        return self._lanes[series]

    def _make_lane(self, series):
        kind, reach, _ = SERIES[series]
        place = self.playground(kind)
        client, server = (place.pod(name, NAMESPACE) for name in ("client", "server"))
        status = place.status()
        ports = [peers.PORTS[name] for name in PORTS[reach] or ("HTTP", "SINK")]
        address = {
            "pod": server["addresses"][0],
            "service": place.service("web", NAMESPACE)["clusterIPs"][0],
            "sidecar": "127.0.0.1", "sidecar-mtls": "127.0.0.1",
            "node": next(node["addresses"][0] for node in status["nodes"]
                         if node["name"] == self._server_node)}[reach]
        others = [pod["cgroup"] for pod in status["pods"] if pod["name"] == "proxy"]
        agents = [node["cgroup"] + "/host" for node in status["nodes"]]
        return Lane(client, server, [f"{address}:{port}" for port in ports], others, agents,
                    self.folder)

    def prove_judged(self, slices):
        """What was measured with HTTP rules was let through by a rule, every request of it."""
        for kind in {SERIES[one["series"]].place for one in slices}:
            if PLACES[kind].agent_args is None or PLACES[kind].rules is None:
                continue
            if PLACES[kind].agent_args == QUIET:
                # Nobody counted: still what rules do not allow is refused.
                for series in {one["series"] for one in slices if SERIES[one["series"]].place == kind}:
                    self._prove(series, self.lane(series))
                continue
            asked = sum(one["done"]["requests"] for one in slices
                        if SERIES[one["series"]].place == kind and "p50_us" in one["done"])
            done = self.playground(kind).weft(self._server_node, "-o", "json", "get", "requests")
            try:
                judged = sum(row["status_2xx"] for row in json.loads(done.stdout))
            except (ValueError, LookupError, TypeError):
                raise BenchError("weft -o json get requests told nothing: " +
                                 (done.stdout + done.stderr)[:300]) from None
            if judged < asked:
                raise BenchError(f"{kind}: {asked} requests were answered, but rules let only "
                                 f"{judged} through")

    @staticmethod
    def _await_answer(series, lane):
        """Servers and proxies may take a moment to listen."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            answer = lane.ask("GET", rules.GET_PATH, True)
            if answer.status == 200:
                return
            if time.monotonic() > deadline:
                raise BenchError(f"{series}: the client is not answered 200 but {answer}")
            time.sleep(0.05)

    def _prove(self, series, lane):
        """A mesh that lets everybody in would be measured as a fast one."""
        kind = SERIES[series].place
        if PLACES[kind].agent_args is not None:
            place = self.playground(kind)
            intruder = lane.ask("GET", rules.GET_PATH, True, place.pod("intruder", NAMESPACE))
            if intruder.status:
                raise BenchError(f"{series}: the intruder is answered {intruder}: weft does not "
                                 "enforce")
        if PLACES[kind].rules is None:
            return
        for request in rules.DENIED:
            answer = lane.ask(*request)
            if answer.status != 403:
                raise BenchError(f"{series}: {request[0]} {request[1]}, which no rule allows"
                                 f"{'' if request[2] else ' without its header'}, is answered "
                                 f"{answer} instead of 403")

# SPDX-License-Identifier: Apache-2.0
"""Where it is measured: playgrounds of the same topology, with and without weft."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from errors import BenchError  # noqa: E402
from playground.api import COMMAND, WEFT, Playground  # noqa: E402,F401
from playground.paths import RUN  # noqa: E402
from works import HTTP_PORT, Lane  # noqa: E402

NAMESPACE = "bench"
PREFIX = "weft-bench-"
BLOB_BYTES = 64 << 20
# Read, never stored: on tmpfs a hole costs no memory.
ENDLESS_BYTES = 1 << 40
BODY = ("weft measures a kilobyte. " * 40)[:1024]

# Series -> (playground it runs in, whether the client addresses the service).
SERIES = {
    "direct": ("direct", False),
    # the same once more, in a playground of its own: must come out at 1.00
    "direct-again": ("again", False),
    "weft-l4": ("weft", False),
    "weft-split": ("weft", True),
}


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

    def _write_cluster(self, kind):
        """The manifests of one playground and the files its server needs."""
        own = pathlib.Path(self.folder, kind)
        for name, target in (("nginx.conf", own), ("cluster.yaml", own / "manifests")):
            target.mkdir(exist_ok=True)
            text = (HERE / name).read_text(encoding="utf-8")
            for key, value in (("@DIR@", str(own)), ("@SHARED@", self.folder), ("@BODY@", BODY),
                               ("@SERVER_NODE@", self._server_node)):
                text = text.replace(key, value)
            (target / name).write_text(text, encoding="utf-8")
        return own / "manifests"

    def playground(self, kind):
        """The running playground of this kind, started when it is first asked for."""
        if kind not in self._playgrounds:
            place = self._stack.enter_context(Playground(f"bench-{os.getpid()}-{kind}"))
            place.up(self._write_cluster(kind), *([] if kind == "weft" else ["--no-agents"]))
            self._playgrounds[kind] = place
            self._await_server(place)
            if kind == "weft":
                self._prove_enforcement(place)
        return self._playgrounds[kind]

    @staticmethod
    def _try(place, pod, address):
        """Whether this pod gets an answer."""
        return subprocess.run(
            place.command("exec", "-n", NAMESPACE, pod, "--", "curl", "-sf", "-o", "/dev/null",
                          "--max-time", "5", f"http://{address}:{HTTP_PORT}/"), check=False).returncode == 0

    def _await_server(self, place):
        address = place.pod("server", NAMESPACE)["addresses"][0]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self._try(place, "client", address):
                return
        raise BenchError(f"{place.name}: the client gets no answer from nginx: " +
                         place.run("logs", "-n", NAMESPACE, "-c", "nginx", "server", check=False))

    def _prove_enforcement(self, place):
        """A mesh that lets everybody in would be measured as a fast one."""
        if self._try(place, "intruder", place.pod("server", NAMESPACE)["addresses"][0]):
            raise BenchError("the intruder reaches the server: weft does not enforce")
        if not self._try(place, "client", self._service(place)):
            raise BenchError("the client gets no answer from the service's cluster IP")

    @staticmethod
    def _service(place):
        return place.service("web", NAMESPACE)["clusterIPs"][0]

    def lane(self, series):
        if series not in self._lanes:
            kind, by_service = SERIES[series]
            place = self.playground(kind)
            server = place.pod("server", NAMESPACE)
            agents = [node["cgroup"] + "/host" for node in place.status()["nodes"]]
            address = self._service(place) if by_service else server["addresses"][0]
            self._lanes[series] = Lane(place.pod("client", NAMESPACE), server, address, agents,
                                       self.folder)
        return self._lanes[series]

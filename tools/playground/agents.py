# SPDX-License-Identifier: Apache-2.0
"""The weftd processes, and waiting until they have taken everything in."""
import asyncio
import json
import os
import signal

from . import httpclient, spawn
from .errors import PlaygroundError

DEFAULT_LISTEN = "127.0.0.1:9464"
POLL = 0.01
START_TIMEOUT = 40.0  # programs are verified at start, on a machine that may be busy
STOP_TIMEOUT = 10.0
TAIL_LINES = 15


def tail(path, lines=TAIL_LINES):
    """The last lines of a log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 8192))
            return b"\n".join(file.read().splitlines()[-lines:]).decode("utf-8", "replace")
    except OSError:
        return ""


def _listen_address(arguments):
    """(address, port) of the agent's HTTP server; the last --listen counts."""
    listen = DEFAULT_LISTEN
    for index, word in enumerate(arguments):
        if word == "--listen" and index + 1 < len(arguments):
            listen = arguments[index + 1]
        elif word.startswith("--listen="):
            listen = word[len("--listen="):]
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)


class Agent:
    """One node's weftd."""

    def __init__(self, node, program, manifests, extra):
        self.node = node
        self.program = program
        self.manifests = manifests
        self.extra = list(extra)
        try:
            self.listen = _listen_address(self.extra)
        except ValueError:
            raise PlaygroundError("agent arguments: bad --listen") from None
        self.child = None

    @property
    def pid(self):
        return self.child.pid if self.running else None

    @property
    def running(self):
        return self.child is not None and self.child.running

    def argv(self):
        node = self.node
        return [self.program, "--source", "dir", "--manifests", self.manifests,
                "--node", node.name, "--bpffs", node.bpffs, "--cgroup", node.cgroup,
                "--listen", DEFAULT_LISTEN, *self.extra]

    def launch(self):
        log = os.open(self.node.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        # The flags say everything; settings of the caller's shell must not leak in.
        env = {name: value for name, value in os.environ.items() if not name.startswith("WEFT")}
        try:
            self.child = spawn.start(self.argv(), env=env, cwd="/", netns=self.node.netns,
                                     cgroup=self.node.host_cgroup, stdout=log)
        finally:
            os.close(log)

    async def _get(self, path, timeout=2.0):
        return await asyncio.wait_for(
            httpclient.get(self.node.netns, *self.listen, path), timeout)

    async def start(self):
        """Start unless running; returns when /readyz answers 200."""
        if not self.running:
            self.launch()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_TIMEOUT
        reason = "no answer on /readyz"
        while loop.time() < deadline:
            self.check_alive()
            try:
                status, body = await self._get("/readyz")
                if status == 200:
                    return
                reason = body.decode("utf-8", "replace").strip() or f"/readyz answers {status}"
            except (OSError, ValueError, asyncio.TimeoutError):
                pass
            await asyncio.sleep(POLL)
        raise PlaygroundError(f"agent on node {self.node.name} is not ready after "
                              f"{START_TIMEOUT:.0f} s: {reason}", tail(self.node.log))

    @property
    def ended_on_purpose(self):
        """Somebody stopped or killed it; anything else is a crash worth an error."""
        return not self.running and (self.child is None or self.child.exited.result() in
                                     (0, -signal.SIGTERM, -signal.SIGKILL))

    def check_alive(self):
        if not self.running:
            status = self.child.exited.result() if self.child else None
            how = f"was killed by signal {-status}" if status is not None and status < 0 \
                else f"exited with status {status}"
            raise PlaygroundError(f"agent on node {self.node.name} {how}", tail(self.node.log))

    async def end(self, number):
        """Send SIGTERM or SIGKILL and wait for the end."""
        if not self.running:
            return
        self.child.signal(number)
        if await self.child.wait(STOP_TIMEOUT) is None:
            raise PlaygroundError(
                f"agent on node {self.node.name} (pid {self.child.pid}) did not end within "
                f"{STOP_TIMEOUT:.0f} s of {signal.Signals(number).name}", tail(self.node.log))

    async def missing(self, folder, pods):
        """What this agent has not taken in yet, as text; '' when nothing. An agent that was
        stopped meanwhile has nothing to take in, one that crashed raises."""
        if self.ended_on_purpose:
            return ""
        self.check_alive()
        try:
            code, body = await self._get("/v1/status")
            status = json.loads(body)
        except (OSError, ValueError, asyncio.TimeoutError) as error:
            return f"/v1/status does not answer ({type(error).__name__})"
        if code != 200 or not isinstance(status, dict):
            return f"/v1/status answers {code}"
        if not status.get("ready"):
            return "not ready: " + str(status.get("not_ready_reason") or "no reason given")
        if not status.get("applied"):
            return "not applied: " + str(status.get("last_apply_error") or "no reason given")
        return self._missing_files(status, folder.versions()) or self._missing_pods(status, pods)

    @staticmethod
    def _missing_files(status, expected):
        source = status.get("source") if isinstance(status.get("source"), dict) else {}
        files = source.get("files") if isinstance(source.get("files"), dict) else {}
        got = {name: (entry.get("inode"), entry.get("mtime_ns"), entry.get("size"))
               for name, entry in files.items() if isinstance(entry, dict)}
        if got == expected:
            return ""
        problems = [f"{name} not read" for name in sorted(expected.keys() - got.keys())]
        problems += [f"{name} removed but still applied"
                     for name in sorted(got.keys() - expected.keys())]
        problems += [f"{name} in an older version" for name in sorted(expected.keys() & got.keys())
                     if expected[name] != got[name]]
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        return ", ".join(problems[:3]) + more

    def _missing_pods(self, status, pods):
        attached = {(entry.get("namespace"), entry.get("name"), entry.get("uid"))
                    for entry in status.get("pods") or []
                    if isinstance(entry, dict) and entry.get("attached") is True}
        absent = [f"{pod.namespace}/{pod.name}" for pod in pods
                  if pod.node is self.node and not pod.host_network and not pod.terminating
                  and pod.phase == "Running"
                  and (pod.namespace, pod.name, pod.uid) not in attached]
        if not absent:
            return ""
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        return "not attached: " + ", ".join(absent[:3]) + more


async def wait_synced(agents, folder, pods_now, timeout):
    """Wait until every running agent enforces what the folder says. `pods_now()` is asked at
    every poll, because pods come and go meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    pending = [agent for agent in agents if agent.running]
    while True:
        answers = await asyncio.gather(*[agent.missing(folder, pods_now()) for agent in pending])
        pending = [agent for agent, missing in zip(pending, answers) if missing]
        if not pending:
            return
        if loop.time() >= deadline:
            what = "; ".join(f"node {agent.node.name}: {missing}" for agent, missing
                             in zip(pending, [text for text in answers if text]))
            raise PlaygroundError(f"agents have not taken the change in after {timeout:.0f} s: "
                                  + what, tail(pending[0].node.log))
        await asyncio.sleep(POLL)

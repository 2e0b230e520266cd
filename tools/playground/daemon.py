# SPDX-License-Identifier: Apache-2.0
"""The supervisor of one playground: serves the CLI over a unix socket, one request each."""
import asyncio
import json
import os
import signal
import sys
import traceback

from . import agents, kernel
from .cluster import Cluster
from .errors import PlaygroundError
from .paths import Paths
from .plan import Plan


class Supervisor:
    """Answers requests: {"do": name, ...} -> {"ok": true, ...} | {"ok": false, "error": ...}."""

    def __init__(self, paths):
        self.paths = paths
        self.cluster = None
        self.with_agents = True
        self.is_up = False

    async def serve(self):
        server = await asyncio.start_unix_server(self._answer, self.paths.socket)
        os.chmod(self.paths.socket, 0o600)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader, writer):
        try:
            request = json.loads(await reader.read())
            answer = {"ok": True, **(await self._dispatch(request) or {})}
        except PlaygroundError as error:
            answer = {"ok": False, "error": str(error), "detail": error.detail}
        except Exception as error:  # the supervisor outlives every request
            traceback.print_exc()
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}",
                      "detail": traceback.format_exc()}
        try:
            writer.write(json.dumps(answer).encode())
            await writer.drain()
            writer.close()
        except OSError:
            pass

    async def _dispatch(self, request):
        handler = getattr(self, "_do_" + request["do"])
        if not self.is_up and request["do"] not in ("up", "status"):
            raise PlaygroundError(f"playground {self.paths.name} is still starting")
        return await handler(request)

    async def _do_up(self, request):
        self.with_agents = request["agents"]

        def make_agent(node):
            return agents.Agent(node, request["weftd"], self.paths.manifests,
                                request["agent_args"])
        plan = Plan([(origin, text) for origin, text in request["sources"]])
        self.cluster = Cluster(self.paths, request["topology"], request["cwd"], make_agent)
        await self.cluster.up(plan, self.with_agents)
        await self.cluster.wait_agents(request["timeout"])
        for node in self.cluster.nodes.values() if self.with_agents else ():
            node.agent.check_alive()
        self.is_up = True
        return {"pods": len(self.cluster.pods), "nodes": len(self.cluster.nodes)}

    async def _do_apply(self, request):
        plan = Plan([(origin, text) for origin, text in request["sources"]])
        tasks = await self.cluster.apply(plan, self.with_agents)
        if request["wait"]:
            await self._settle(tasks, request["timeout"], None)

    async def _do_delete(self, request):
        plan = Plan([(origin, text) for origin, text in request["sources"]])
        tasks, missing = await self.cluster.delete(plan, request["grace"])
        if request["wait"]:
            await self._settle(tasks, request["timeout"], request["grace"])
        if missing:
            raise PlaygroundError("not found: " + ", ".join(str(key) for key in missing))

    async def _settle(self, tasks, timeout, grace):
        """Wait for pods to have come and gone, then for the agents."""
        graces = [pod.grace() if grace is None else grace for pod in self.cluster.pods.values()
                  if pod.terminating]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=timeout + max(graces, default=0))
            if pending:
                raise PlaygroundError("pods are still changing after "
                                      f"{timeout + max(graces, default=0):.0f} s")
            for task in tasks:
                task.result()
        self.cluster.flush()
        await self.cluster.wait_agents(timeout)

    async def _do_status(self, _request):
        if self.cluster is None:
            return {"status": {"name": self.paths.name, "nodes": [], "pods": [], "services": []}}
        return {"status": self.cluster.status()}

    async def _do_wait(self, request):
        """Until every pod is ready and the agents know."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request["timeout"]
        while True:
            waiting = [f"{pod.namespace}/{pod.name}" for pod in self.cluster.pods.values()
                       if not pod.ready and pod.phase not in ("Succeeded", "Failed")]
            if not waiting:
                break
            if loop.time() > deadline:
                raise PlaygroundError(f"not ready after {request['timeout']:.0f} s: "
                                      + ", ".join(waiting))
            await asyncio.sleep(0.01)
        self.cluster.flush()
        await self.cluster.wait_agents(max(1.0, deadline - loop.time()))

    async def _do_agent(self, request):
        node = self.cluster.nodes.get(request["node"])
        if node is None:
            raise PlaygroundError(f"unknown node '{request['node']}' (nodes: "
                                  f"{', '.join(self.cluster.nodes)})")
        if request["action"] == "start":
            await node.agent.start()
        else:
            await node.agent.end(signal.SIGTERM if request["action"] == "stop"
                                 else signal.SIGKILL)
        self.cluster.flush()


def main(name, lock_fd):
    """Entry point of the supervisor process; `lock_fd` is the locked state directory."""
    paths = Paths(name)
    os.set_inheritable(lock_fd, False)
    kernel.write_file(paths.supervisor_pid, f"{os.getpid()}\n")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        asyncio.run(Supervisor(paths).serve())
    except KeyboardInterrupt:
        return 130
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return 1
    return 0

# SPDX-License-Identifier: Apache-2.0
"""Readiness probes, made from the node's network namespace as a kubelet makes them."""
import asyncio

from . import httpclient
from .errors import PlaygroundError

# A pod that was never ready is asked more often for a moment: servers need milliseconds to
# start, and a failure changes nothing while the pod is unready anyhow.
EAGER_PERIOD = 0.05
EAGER_SECONDS = 3.0


def _number(probe, name, default, minimum):
    value = probe.get(name, default)
    try:
        return max(minimum, float(value))
    except (TypeError, ValueError):
        raise PlaygroundError(f"readinessProbe.{name}: not a number: {value!r}") from None


class Probe:
    """One container's readiness probe, read from its manifest."""

    def __init__(self, probe, ports):
        self.period = _number(probe, "periodSeconds", 1, 0.02)
        self.timeout = _number(probe, "timeoutSeconds", 1, 0.01)
        self.initial_delay = _number(probe, "initialDelaySeconds", 0, 0)
        self.failures = _number(probe, "failureThreshold", 3, 1)
        self.successes = _number(probe, "successThreshold", 1, 1)
        kinds = [kind for kind in ("tcpSocket", "httpGet", "exec", "grpc") if kind in probe]
        if kinds not in (["tcpSocket"], ["httpGet"]):
            raise PlaygroundError("readinessProbe: exactly one of tcpSocket and httpGet is "
                                  f"supported, found {', '.join(kinds) or 'none'}")
        self.kind = kinds[0]
        self.action = probe[self.kind]
        if not isinstance(self.action, dict):
            raise PlaygroundError(f"readinessProbe.{self.kind}: not a mapping")
        if str(self.action.get("scheme", "HTTP")).upper() != "HTTP":
            raise PlaygroundError("readinessProbe.httpGet.scheme: only HTTP is supported")
        self.port = self._port(ports)

    def _port(self, ports):
        port = self.action.get("port")
        if isinstance(port, str) and not port.isdigit():
            named = [entry.get("containerPort") for entry in ports if entry.get("name") == port]
            if not named:
                raise PlaygroundError(f"readinessProbe.{self.kind}.port: no container port is "
                                      f"named '{port}'")
            port = named[0]
        try:
            port = int(port)
        except (TypeError, ValueError):
            port = 0
        if not 0 < port < 65536:
            raise PlaygroundError(f"readinessProbe.{self.kind}.port: bad port "
                                  f"{self.action.get('port')!r}")
        return port

    async def _ask(self, netns, address):
        address = self.action.get("host") or address
        if self.kind == "tcpSocket":
            await httpclient.check_tcp(netns, address, self.port)
            return True
        headers = [(str(entry.get("name")), str(entry.get("value")))
                   for entry in self.action.get("httpHeaders") or [] if isinstance(entry, dict)]
        path = str(self.action.get("path") or "/")
        status, _ = await httpclient.get(
            netns, address, self.port, path if path.startswith("/") else "/" + path,
            [("User-Agent", "kube-probe/1.31"), *headers], limit=65536)
        return 200 <= status < 400

    async def is_successful(self, netns, address):
        try:
            return await asyncio.wait_for(self._ask(netns, address), self.timeout)
        except (OSError, ValueError, asyncio.TimeoutError):
            return False

    async def watch(self, netns, address, report):
        """Probe for ever; calls report(True | False) when the verdict changes."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.initial_delay)
        begin = loop.time()
        ready = ever = False
        streak = 0
        while True:
            asked = loop.time()
            if await self.is_successful(netns, address) != ready:
                streak += 1
            else:
                streak = 0
            if streak >= (self.failures if ready else self.successes):
                ready = not ready
                ever = ever or ready
                streak = 0
                report(ready)
            period = self.period
            if not ever and streak == 0 and asked - begin < EAGER_SECONDS:
                period = min(period, EAGER_PERIOD)
            await asyncio.sleep(max(0.0, asked + period - loop.time()))

# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, spoken to by the DevTools protocol over a pipe: what a page shows, what
it complains of, and whom it asks."""
import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
           "--no-first-run", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--disable-extensions", "--remote-debugging-pipe",
           "--window-size=1600,1200"]
REMEDY = "chromium is not installed: apt-get install chromium (scripts/setup.sh browser)"


def program():
    """Its path, or None."""
    return shutil.which("chromium")


class Browser:
    """One page. `wrap` is a command that runs it somewhere else, such as nsenter."""

    def __init__(self, wrap=()):
        self.folder = tempfile.TemporaryDirectory(prefix="weft-browser-")
        self.number, self.session, self.buffer = 0, None, b""
        self.problems, self.requests = [], []
        read_end, self.out = os.pipe()
        self.into, write_end = os.pipe()
        # it reads from 3 and writes to 4
        shell = 'exec 3<&%d 4>&%d; exec "$@"' % (read_end, write_end)
        self.log = open(pathlib.Path(self.folder.name, "log"), "wb")
        self.process = subprocess.Popen(
            [*wrap, "bash", "-c", shell, "browser", program(), *OPTIONS,
             "--user-data-dir=" + self.folder.name + "/profile", "about:blank"],
            pass_fds=(read_end, write_end), stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, env=dict(os.environ, HOME=self.folder.name), start_new_session=True)
        os.close(read_end)
        os.close(write_end)

    def __enter__(self):
        page = [one for one in self.call("Target.getTargets")["targetInfos"]
                if one["type"] == "page"][0]
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"],
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, AssertionError):
            self.session = None
            self.call("Browser.close", timeout=5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
        self.log.close()
        self.folder.cleanup()

    def _take(self, message):
        """Events that tell of a problem, or of a request."""
        method, what = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(what["exceptionDetails"])
        elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.problems.append(what["entry"])
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning"):
            self.problems.append(what["args"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])

    def _receive(self, timeout):
        end = time.monotonic() + timeout
        while b"\0" not in self.buffer:
            ready = select.select([self.into], [], [], max(0, end - time.monotonic()))[0]
            got = os.read(self.into, 1 << 20) if ready else b""
            assert got, "the browser does not answer: " + self.said()
            self.buffer += got
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def said(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")[-2000:]

    def call(self, method, timeout=30, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            got = self._receive(timeout)
            if got.get("id") == message["id"]:
                assert "error" not in got, got
                return got["result"]
            self._take(got)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("location.href === %s && document.readyState === 'complete'" % json.dumps(url))

    def value(self, expression):
        """Of a JavaScript expression, as JSON."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                        awaitPromise=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def dark(self, on):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def picture(self, path):
        """A PNG of the page, for people who look into a failure."""
        import base64  # pylint: disable=import-outside-toplevel
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def wait(self, expression, seconds=10):
        """Until it is true; its value."""
        end = time.monotonic() + seconds
        while True:
            value = self.value(expression)
            if value:
                return value
            assert time.monotonic() < end, "%s is not so within %.0f s; the page: %s" % (
                expression, seconds, self.value("document.body.innerText"))
            time.sleep(0.1)

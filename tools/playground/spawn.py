# SPDX-License-Identifier: Apache-2.0
"""Child processes in given namespaces and cgroups, for a single-threaded asyncio program."""
import asyncio
import os
import signal

from . import cgroups, kernel
from .errors import PlaygroundError


class Child:
    """A started process. `exited` is a future with its exit status (negative: signal)."""

    def __init__(self, pid):
        self.pid = pid
        loop = asyncio.get_running_loop()
        self.exited = loop.create_future()
        self._pidfd = os.pidfd_open(pid)
        loop.add_reader(self._pidfd, self._reap)

    def _reap(self):
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        _, status = os.waitpid(self.pid, 0)
        if not self.exited.done():
            self.exited.set_result(os.waitstatus_to_exitcode(status))

    @property
    def running(self):
        return not self.exited.done()

    def signal(self, number):
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, number)

    async def wait(self, timeout=None):
        """The exit status, or None when the time is over."""
        await asyncio.wait([self.exited], timeout=timeout)
        return self.exited.result() if self.exited.done() else None


def _enter(cgroup, netns, uts_of, new_namespaces, hostname):
    if cgroup:
        cgroups.join(cgroup)
    for path, kind in ((netns, kernel.CLONE_NEWNET),
                       (f"/proc/{uts_of}/ns/uts" if uts_of else None, kernel.CLONE_NEWUTS)):
        if path:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            kernel.setns(fd, kind)
    if new_namespaces:
        kernel.unshare(new_namespaces)
    if hostname:
        kernel.set_hostname(hostname)


def _become(argv, env, cwd, stdin, stdout, stderr):
    os.setsid()
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)
    for target, source in enumerate((stdin, stdout, stderr)):
        os.dup2(source, target)
    try:
        os.chdir(cwd or "/")
    except OSError:
        if cwd:
            raise
    os.execvpe(argv[0], argv, os.environ if env is None else env)


def start(argv, *, env=None, cwd=None, cgroup=None, netns=None, uts_of=None, new_namespaces=0,
          hostname=None, stdin=None, stdout=None, stderr=None):
    """Fork and exec. Returns when the program is running; raises PlaygroundError when it could
    not be. File descriptors default to /dev/null; stderr defaults to stdout."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    report, told = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _enter(cgroup, netns, uts_of, new_namespaces, hostname)
                _become(argv, env, cwd, null if stdin is None else stdin,
                        null if stdout is None else stdout,
                        (null if stdout is None else stdout) if stderr is None else stderr)
            except BaseException as error:  # nothing may return into the parent's program
                reason = error.strerror if isinstance(error, OSError) and error.strerror \
                    else repr(error)
                where = getattr(error, "filename", None) or argv[0]
                os.write(told, f"{where}: {reason}".encode()[:4000])
            finally:
                os._exit(127)
        os.close(told)
        told = -1
        message = os.read(report, 4096)
    finally:
        os.close(report)
        os.close(null)
        if told >= 0:
            os.close(told)
    if message:
        os.waitpid(pid, 0)
        raise PlaygroundError(f"cannot start {argv[0]}: {message.decode('utf-8', 'replace')}")
    return Child(pid)


async def run(argv, *, text="", timeout=20.0, **where):
    """Run a tool to its end with `text` on stdin; raises with its message when it fails."""
    stdin = os.memfd_create("stdin")
    output = os.memfd_create("output")
    try:
        os.write(stdin, text.encode())
        os.lseek(stdin, 0, os.SEEK_SET)
        child = start(argv, stdin=stdin, stdout=output, **where)
        status = await child.wait(timeout)
        if status is None:
            child.signal(signal.SIGKILL)
            raise PlaygroundError(f"{' '.join(argv)} did not end within {timeout:.0f} s")
        size = os.lseek(output, 0, os.SEEK_CUR)
        said = os.pread(output, size, 0).decode("utf-8", "replace").strip()
    finally:
        os.close(stdin)
        os.close(output)
    if status != 0:
        raise PlaygroundError(f"{' '.join(argv)} failed: {' '.join(said.split())}")
    return said

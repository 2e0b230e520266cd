# SPDX-License-Identifier: Apache-2.0
"""The CLI's side: starting a supervisor and talking to it."""
import json
import os
import shutil
import socket
import sys
import time

from . import cgroups, paths, teardown
from .errors import PlaygroundError


def request(place, limit, /, **content):
    """Send one request and return the answer; raises PlaygroundError for every failure."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(limit)
        try:
            sock.connect(place.socket)
        except OSError:
            raise PlaygroundError(_why_not_reachable(place)) from None
        try:
            sock.sendall(json.dumps(content).encode())
            sock.shutdown(socket.SHUT_WR)
            pieces = []
            while True:
                piece = sock.recv(1 << 20)
                if not piece:
                    break
                pieces.append(piece)
        except TimeoutError:
            raise PlaygroundError(f"the supervisor of playground {place.name} did not answer "
                                  f"within {limit:.0f} s") from None
        except OSError as error:
            raise PlaygroundError(f"lost the supervisor of playground {place.name}: "
                                  f"{error.strerror}") from None
    try:
        answer = json.loads(b"".join(pieces))
    except ValueError:
        raise PlaygroundError(f"the supervisor of playground {place.name} died while working",
                              _tail(place.supervisor_log)) from None
    if not answer.pop("ok"):
        raise PlaygroundError(answer["error"], answer.get("detail") or "")
    return answer


def _why_not_reachable(place):
    if not os.path.isdir(place.state):
        return f"there is no playground '{place.name}' (remedy: weft-playground --name " \
               f"{place.name} up DIR)"
    if teardown.is_alive(place):
        return f"the supervisor of playground {place.name} does not answer"
    pid = teardown.supervisor_pid(place)
    return f"the supervisor of playground {place.name} is dead (was pid {pid}); remedy: " \
           f"weft-playground --name {place.name} down"


def _tail(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-20:]).rstrip()
    except OSError:
        return ""


def check_machine():
    """What every playground needs, told before anything is created."""
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux"), ("sleep", "coreutils")):
        if not shutil.which(tool):
            raise PlaygroundError(f"missing tool: {tool} (remedy: apt install {package})")
    cgroup = paths.find_cgroup2()
    if not os.path.exists("/proc/self/ns/net"):
        raise PlaygroundError("the kernel has no network namespaces")
    if not os.access(cgroup, os.W_OK):
        raise PlaygroundError(f"cgroup2 at {cgroup} is not writable")


def find_weftd(invoked):
    """$WEFTD, else next to the invoked script (the build directory), else PATH."""
    given = os.environ.get("WEFTD")
    if given:
        if not os.access(given, os.X_OK):
            raise PlaygroundError(f"WEFTD={given} is not an executable file")
        return os.path.abspath(given)
    here = os.path.dirname(os.path.abspath(invoked))
    real = os.path.dirname(os.path.realpath(invoked))
    for candidate in (f"{here}/weftd", f"{real}/weftd", f"{real}/../../build/weftd"):
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return os.path.realpath(candidate)
    found = shutil.which("weftd")
    if not found:
        raise PlaygroundError("weftd not found next to this program nor in PATH (remedy: make, "
                              "set WEFTD=PROGRAM, or use --no-agents)")
    return found


def start_supervisor(place, script):
    """Create the state directory, clear leftovers of a dead playground, start the supervisor.
    Returns when its socket accepts."""
    with teardown.global_lock():
        if teardown.is_alive(place):
            raise PlaygroundError(f"playground {place.name} is already up (supervisor pid "
                                  f"{teardown.supervisor_pid(place)}); remedy: weft-playground "
                                  f"--name {place.name} down")
        if teardown.leftovers(place):
            teardown.remove(place)
        os.makedirs(place.state, mode=0o755)
        lock_fd = teardown.lock_state(place)
        place.make_directories()
        cgroups.create(place.supervisor_cgroup)
        pid = _fork_supervisor(place, script, lock_fd)
        os.close(lock_fd)
    deadline = time.monotonic() + 10
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(place.socket)
                return
            except OSError:
                pass
        if os.waitpid(pid, os.WNOHANG)[0] or time.monotonic() > deadline:
            raise PlaygroundError("the supervisor did not start", _tail(place.supervisor_log))
        time.sleep(0.005)


def _fork_supervisor(place, script, lock_fd):
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        cgroups.join(place.supervisor_cgroup)
        log = os.open(place.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open("/dev/null", os.O_RDONLY)
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        os.set_inheritable(lock_fd, True)
        os.closerange(3, lock_fd)
        os.closerange(lock_fd + 1, 1024)
        os.chdir("/")
        os.execv(sys.executable, [sys.executable, os.path.realpath(script), "--name", place.name,
                                  "_supervise", str(lock_fd)])
    except BaseException as error:
        os.write(2, f"weft-playground: cannot start the supervisor: {error}\n".encode())
    finally:
        os._exit(127)

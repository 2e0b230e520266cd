# SPDX-License-Identifier: Apache-2.0
"""Removing a playground completely, with or without its supervisor. It relies on names alone,
so it works after a crash at any moment."""
import contextlib
import fcntl
import os
import shutil
import signal
import time

from . import cgroups, kernel, paths
from .errors import PlaygroundError


@contextlib.contextmanager
def global_lock(timeout=60.0):
    """Serialises creation and removal of playgrounds."""
    deadline = time.monotonic() + timeout
    while True:
        os.makedirs(paths.RUN, mode=0o755, exist_ok=True)
        fd = os.open(paths.RUN, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The directory goes with the last playground; a lock on a removed one is none.
            with contextlib.suppress(FileNotFoundError):
                if os.stat(paths.RUN).st_ino == os.fstat(fd).st_ino:
                    break
        except BlockingIOError:
            pass
        os.close(fd)
        if time.monotonic() > deadline:
            raise PlaygroundError(f"another weft-playground holds {paths.RUN} for "
                                  f"{timeout:.0f} s")
        time.sleep(0.01)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(paths.RUN)
        os.close(fd)


def lock_state(place):
    """Lock the state directory; returns the descriptor, or None while a supervisor lives."""
    fd = os.open(place.state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    except BlockingIOError:
        os.close(fd)
        return None


def supervisor_pid(place):
    try:
        with open(place.supervisor_pid, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def is_alive(place):
    """Whether the supervisor lives: it holds the lock on the state directory."""
    try:
        fd = lock_state(place)
    except FileNotFoundError:
        return False
    if fd is None:
        return True
    os.close(fd)
    return False


def leftovers(place):
    """Everything that exists under the playground's names."""
    result = [path for path in (place.state, place.cgroup) if os.path.isdir(path)]
    return result + _netns_files(place)


def _netns_files(place):
    with contextlib.suppress(FileNotFoundError):
        return [f"{paths.NETNS}/{name}" for name in sorted(os.listdir(paths.NETNS))
                if name.startswith(place.netns_prefix)]
    return []


def _mounts_below(directory):
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        points = [line.split()[1].replace("\\040", " ") for line in mounts]
    return [point for point in reversed(points) if point.startswith(directory + "/")]


def remove(place):
    """Remove it all. The caller holds the global lock."""
    if os.path.isdir(place.cgroup):
        if cgroups.own_cgroup_below(place.cgroup):
            # Called from inside (`node a -- weft-playground down`): survive the kill.
            cgroups.join(paths.find_cgroup2())
        cgroups.kill(place.cgroup)
    _end_supervisor(place)
    if os.path.isdir(place.cgroup):
        cgroups.kill(place.cgroup)  # what it started between the first kill and its end
        cgroups.remove(place.cgroup)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(place.cgroup))
    for path in _netns_files(place):
        kernel.remove_netns(path)
    for point in _mounts_below(place.state):
        with contextlib.suppress(OSError):
            kernel.unmount(point)
    shutil.rmtree(place.state, ignore_errors=True)
    remaining = leftovers(place)
    if remaining:
        raise PlaygroundError("could not remove " + ", ".join(remaining))


def _end_supervisor(place):
    """The kill of the cgroup normally took the supervisor along; make sure and wait."""
    deadline = time.monotonic() + 10
    while is_alive(place):
        # Asked anew each time: one that has only just been forked writes its pid late.
        pid = supervisor_pid(place)
        if pid and is_alive(place):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise PlaygroundError(f"supervisor {pid} of playground {place.name} does not end")
        time.sleep(0.005)

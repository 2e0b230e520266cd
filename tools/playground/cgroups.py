# SPDX-License-Identifier: Apache-2.0
"""cgroup2 directories of a playground: creation, killing, removal."""
import errno
import os
import time

from .errors import PlaygroundError


def create(path):
    os.makedirs(path, exist_ok=True)


def join(path):
    """Move the calling process into the cgroup."""
    with open(path + "/cgroup.procs", "w", encoding="ascii") as procs:
        procs.write("0")


def is_populated(path):
    try:
        with open(path + "/cgroup.events", encoding="ascii") as events:
            return "populated 1" in events.read()
    except (FileNotFoundError, OSError):
        return False


def kill(path):
    """SIGKILL every process below; a cgroup that is gone is as good as killed."""
    try:
        with open(path + "/cgroup.kill", "w", encoding="ascii") as file:
            file.write("1")
    except (FileNotFoundError, OSError) as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise


def remove(path, timeout=10.0):
    """Remove an already killed cgroup tree, waiting for its processes to be gone."""
    deadline = time.monotonic() + timeout
    while is_populated(path):
        if time.monotonic() > deadline:
            raise PlaygroundError(f"processes in {path} survive SIGKILL for {timeout:.0f} s")
        time.sleep(0.005)
    for directory, _, _ in os.walk(path, topdown=False):
        _remove_directory(directory, deadline)


def _remove_directory(path, deadline):
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def own_cgroup_below(path):
    """Whether the calling process is in the cgroup `path` or below it."""
    relative = path[path.rindex("/weft-playground/"):] + "/"
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        return any(line.startswith("0::") and relative in line.strip() + "/" for line in file)

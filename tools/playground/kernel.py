# SPDX-License-Identifier: Apache-2.0
"""System calls that Python 3.11 does not wrap: namespaces, mounts, host name."""
import contextlib
import ctypes
import os
import socket

CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SHARED = 1 << 20
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), what)


def setns(fd, kind):
    _check(_libc.setns(fd, kind), "setns")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def mount(source, target, fstype, flags=0):
    _check(_libc.mount(source.encode(), target.encode(), fstype.encode() if fstype else None,
                       ctypes.c_ulong(flags), None), target)


def unmount(target, flags=MNT_DETACH):
    _check(_libc.umount2(target.encode(), flags), target)


_own_netns = None


@contextlib.contextmanager
def in_netns(path):
    """Run the block in another network namespace. Only for short, non-blocking work of a
    single-threaded process: the whole thread moves, sockets opened inside stay there."""
    global _own_netns
    if _own_netns is None:
        _own_netns = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd, CLONE_NEWNET)
    finally:
        os.close(fd)
    try:
        yield
    finally:
        setns(_own_netns, CLONE_NEWNET)


def socket_in_netns(path, family, kind=socket.SOCK_STREAM):
    """A non-blocking socket that lives in the network namespace at `path`."""
    with in_netns(path):
        sock = socket.socket(family, kind)
    sock.setblocking(False)
    return sock


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def share_netns_directory(directory):
    """Make `directory` a shared mount exactly as ip-netns(8) does. Without it a later `ip netns
    add` would bind it over itself with everything below, and our mounts would exist twice."""
    os.makedirs(directory, mode=0o755, exist_ok=True)
    try:
        mount("", directory, "none", MS_SHARED | MS_REC)
    except OSError:
        mount(directory, directory, "none", MS_BIND | MS_REC)
        mount("", directory, "none", MS_SHARED | MS_REC)


def pin_netns(source, path):
    """Keep the network namespace of `source` (a /proc/PID/ns/net) alive under `path`."""
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    try:
        mount(source, path, "none", MS_BIND)
    except OSError:
        os.unlink(path)
        raise


def create_netns(path):
    """A new network namespace named `path`, the caller stays where it is."""
    global _own_netns
    if _own_netns is None:
        _own_netns = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    unshare(CLONE_NEWNET)
    try:
        pin_netns("/proc/self/ns/net", path)
    finally:
        setns(_own_netns, CLONE_NEWNET)


def remove_netns(path):
    with contextlib.suppress(OSError):
        unmount(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def set_hostname(name):
    text = name.encode()[:63]
    _check(_libc.sethostname(text, ctypes.c_size_t(len(text))), "sethostname")

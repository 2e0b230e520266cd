# SPDX-License-Identifier: Apache-2.0
"""Small HTTP and TCP clients whose sockets live in a given network namespace."""
import asyncio
import socket

from . import kernel


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def connect(netns, address, port):
    """A connected socket inside `netns`; raises OSError."""
    sock = kernel.socket_in_netns(netns, _family(address))
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def check_tcp(netns, address, port):
    (await connect(netns, address, port)).close()


async def get(netns, address, port, path, headers=(), limit=64 << 20):
    """GET; returns (status, body). Raises OSError or ValueError."""
    loop = asyncio.get_running_loop()
    sock = await connect(netns, address, port)
    try:
        host = f"[{address}]" if ":" in address else address
        fields = {"Host": f"{host}:{port}", "User-Agent": "weft-playground",
                  "Accept": "*/*", "Connection": "close", **dict(headers)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        await loop.sock_sendall(sock, f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        data = bytearray()
        while len(data) < limit:
            piece = await loop.sock_recv(sock, 262144)
            if not piece:
                break
            data += piece
            if _is_complete(data):
                break
    finally:
        sock.close()
    head, separator, body = bytes(data).partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not separator or not words[0].startswith(b"HTTP/1.") or len(words) < 2:
        raise ValueError("not an HTTP answer")
    if b"transfer-encoding: chunked" in head.lower():
        body = _unchunk(body)
    return int(words[1]), body


def _is_complete(data):
    """Whether a Content-Length says that nothing more will come."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    for line in bytes(data[:end]).lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(data) - end - 4 >= int(line.split(b":")[1])
    return False


def _unchunk(body):
    result = bytearray()
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if length == 0:
            break
        result += rest[:length]
        body = rest[length + 2:]
    return bytes(result)

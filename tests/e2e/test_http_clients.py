# SPDX-License-Identifier: Apache-2.0
"""Real clients against real servers: what is allowed works as ever, what is not is a plain 403."""
import hashlib
import os
import re
import textwrap

import pytest

import http_servers
from http_mesh import HttpMesh, each_family, each_server, need, needs_rules
from mesh import PYTHON

SIZE = int(os.environ.get("WEFT_TEST_HTTP_BYTES", 64 << 20))  # of an upload, of a download
MINUTES = 10
SOME = ("nginx", "python", "node")

REQUESTS = textwrap.dedent("""
    import requests, sys
    session = requests.Session()
    for _ in range(int(sys.argv[2])):
        print(session.get(sys.argv[1]).status_code)
    """)


def curl(url, count):
    return ["curl", "-sS", "-w", "%{http_code}\\n", *["-o", "/dev/null", url] * count]


def node(url, count):
    return ["node", str(http_servers.HERE / "http_peer.js"), "get", url, str(count)]


# What prints a status per request. curl opens its connections anew after a refusal, as all do.
CLIENTS = {
    "curl": (curl, lambda: None),
    "requests": (lambda url, count: [PYTHON, "-c", REQUESTS, url, str(count)], lambda: None),
    "node": (node, http_servers.needs("node", "nodejs")),
    "go": (lambda url, count: [http_servers.go_program(), "get", url, str(count)], http_servers.needs_go),
    "java": (lambda url, count: [*http_servers.java_command(), "get", url, str(count)], http_servers.needs_java),
}


@pytest.fixture(scope="module")
def scene():
    with HttpMesh() as made:
        yield made


@pytest.fixture(autouse=True)
def present(scene, request):
    parameters = getattr(request.node, "callspec", None)
    if parameters and "server" in parameters.params:
        need(scene, parameters.params["server"])


@pytest.fixture(params=CLIENTS)
def client(request):
    if CLIENTS[request.param][1]():
        pytest.skip(CLIENTS[request.param][1]())
    return request.param


def statuses(scene, client, server, path, six, count):
    return scene.run("caller", *CLIENTS[client][0](scene.url(server, path, six), count)).split()


def test_allowed(scene, client):
    """Keep-alive, by both families in turn."""
    for number, server in enumerate(scene.servers):
        if client != "java" or server in SOME:
            assert statuses(scene, client, server, "/ok/client", number % 2, 5) == ["200"] * 5, server


@needs_rules
def test_denied(scene, client):
    for number, server in enumerate(SOME):
        assert statuses(scene, client, server, "/secret/client", number % 2, 2) == ["403"] * 2, server
    scene.never_seen("secret")


@each_family
@pytest.mark.parametrize("server", ("nginx", "go", "haproxy-http"))
def test_wrk(scene, server, six):
    out = scene.run("caller", "wrk", "-t1", "-c32", "-d1", scene.url(server, "/ok/wrk", six))
    assert int(re.search(r"(\d+) requests in", out).group(1)) > 500, out
    assert "Socket errors" not in out and "Non-2xx" not in out, out


@needs_rules
def test_wrk_denied(scene):
    """A client that insists gets nothing but refusals, and the server nothing at all."""
    out = scene.run("caller", "wrk", "-t1", "-c16", "-d1", scene.url("nginx", "/secret/wrk"))
    count = int(re.search(r"(\d+) requests in", out).group(1))
    assert count > 100 and "Non-2xx or 3xx responses: %d" % count in out, out
    scene.never_seen("secret")


@pytest.mark.parametrize("options", ([], ["-k"]), ids=("close", "keep-alive"))
@pytest.mark.parametrize("server", ("nginx", "httpd"))
def test_ab(scene, server, options):
    if os.path.exists("/usr/bin/ab"):
        out = scene.run("caller", "ab", "-q", *options, "-n", "500", "-c", "8", scene.url(server, "/ok/ab"))
        assert re.search(r"Complete requests: +500", out) and re.search(r"Failed requests: +0", out), out
        assert "Non-2xx" not in out, out
    else:
        pytest.skip("ab is not installed: run scripts/setup.sh test (package apache2-utils)")


@pytest.fixture(scope="module")
def big_file(scene):
    """(path, sha256) of SIZE bytes, none of which repeats soon."""
    path, digest = os.path.join(scene.mesh.folder.name, "big"), hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(0, SIZE, 1 << 20):
            piece = hashlib.shake_128(str(number).encode()).digest(min(1 << 20, SIZE - number))
            file.write(piece)
            digest.update(piece)
    return path, digest.hexdigest()


@each_server
@pytest.mark.parametrize("how", ("length", "chunked"))
def test_upload(scene, big_file, server, how):
    """Byte-exact; curl says Expect: 100-continue first. Both families by turns."""
    path, digest = big_file
    six = (list(http_servers.SERVERS).index(server) + (how == "chunked")) % 2
    options = []
    if how == "chunked":
        options = ["-H", "Transfer-Encoding: chunked"]
    out = scene.run("caller", "curl", "-sS", "--max-time", str(60 * MINUTES), "-T", path, *options,
                    scene.url(server, "/ok/upload/" + how, six), timeout=60 * MINUTES)
    assert out.split() == ["PUT", "/ok/upload/" + how, str(SIZE), digest], out[:300]


@each_family
@pytest.mark.parametrize("server", ("nginx", "httpd", "go", "python", "haproxy-tcp"))
def test_download(scene, server, six):
    """By sendfile() where the server has it; by splice() through haproxy."""
    size = SIZE if server in ("python", "haproxy-tcp") else 3000000
    digest = hashlib.sha256()
    block = bytes(range(256)) * 4096
    for number in range(0, size, len(block)):
        digest.update(block[:size - number])
    target = os.path.join(scene.mesh.folder.name, "download")
    scene.run("caller", "curl", "-sS", "-o", target, scene.url(server, "/ok/files/%d" % size, six), timeout=60 * MINUTES)
    with open(target, "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest.hexdigest()


@needs_rules
def test_an_upload_that_is_denied(scene, big_file):
    """A client that has begun to send gets the refusal, or a reset, and soon."""
    out = scene.run("caller", "curl", "-s", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", "-T",
                    big_file[0], "-H", "Expect:", scene.url("python", "/secret/upload"), check=False)
    assert out in ("403", "000"), out
    out = scene.run("caller", "curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", "-T",
                    big_file[0], scene.url("python", "/secret/upload"))
    assert out == "403", out
    scene.never_seen("secret")

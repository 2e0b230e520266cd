# SPDX-License-Identifier: Apache-2.0
"""Answers of many megabytes, one after the other on a connection: the server sends them on both
CPUs, in whatever order, and every one is told from the next."""
import pytest

import promtext
from http_mesh import HttpMesh, each_family, need
from mesh import wait_until

SIZE = 64 << 20
TIMES = 16


@pytest.fixture(scope="module")
def scene():
    with HttpMesh("nginx") as made:
        need(made, "nginx")
        with open(made.places["nginx"].files / "long", "wb") as file:
            file.truncate(SIZE)
        yield made


def total(scene, name, **labels):
    return promtext.parse(scene.mesh.get("node-a", "/metrics")).total(name, **labels)


def requests(scene, **labels):
    return total(scene, "weft_http_requests_total", match="ok", source_workload="caller", **labels)


@each_family
@pytest.mark.parametrize("kind", ("files", "chunked"))
def test_long_answers_are_counted(scene, kind, six):
    before, found = requests(scene), requests(scene, status_class="2xx")
    urls = [part for _ in range(TIMES) for part in ("-o", "/dev/null", scene.url("nginx", "/ok/%s/long" % kind, six))]
    said = scene.run("caller", "curl", "-sS", "--fail", "--max-time", "60",
                     "-w", "%{size_download} %{num_connects}\\n", *urls).splitlines()
    assert said == ["%d %d" % (SIZE, not n) for n in range(TIMES)]
    wait_until(lambda: requests(scene) - before == TIMES, 5, "all requests to be counted")
    assert requests(scene, status_class="2xx") - found == TIMES
    assert not total(scene, "weft_program_incidents_total", kind="http_answers_lost")

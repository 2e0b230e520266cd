# SPDX-License-Identifier: Apache-2.0
"""Uploads of many megabytes pass by their sequence numbers: those of what comes after them, on the
same connection or on one with the same ends, are no part of them."""
import pathlib

import pytest

from http_mesh import HttpMesh, each_family, need, needs_rules
from http_servers import PORT
from mesh import PYTHON

TIMES = 20
REOPENER = pathlib.Path(__file__).resolve().parent / "http_reopener.py"


@pytest.fixture(scope="module")
def scene():
    with HttpMesh("nginx") as made:
        need(made, "nginx")
        yield made


@each_family
@needs_rules
def test_what_follows_an_upload_is_judged(scene, six):
    said = scene.run("caller", PYTHON, str(REOPENER), scene.address("nginx", six), str(PORT), "40400", str(TIMES),
                     timeout=120).splitlines()
    assert said == ["403 weft, 200 nginx, 403 weft"] * TIMES
    scene.never_seen("/no/")
    assert ("PUT", "/ok/upload/reopened") in scene.seen("nginx")

# SPDX-License-Identifier: Apache-2.0
"""weft regex: exit status, what it says, and its JSON. Needs no privileges."""
import json
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("WEFT_BUILD", TOP / "build")).resolve()
WEFT = os.environ.get("WEFT", BUILD / "weft")


def regex(*arguments):
    return subprocess.run([str(WEFT), "regex", *arguments], capture_output=True, text=True,
                          check=False, timeout=30)


@pytest.mark.parametrize("arguments,status", [
    (["/api"], 0),
    (["/api", "/api/v1"], 0),
    (["/api", "/xapi"], 1),
    (["/api", "/api", "/xapi"], 1),
    (["--full", "/api", "/api/v1"], 1),
    (["--full", "/api", "/api"], 0),
    (["--value", "api", "/xapi"], 0),
    (["", ""], 0),
    (["--", "-a", "-ab"], 0),
    (["/api("], 2),
    (["(a|b)*a(a|b){20}", "--full"], 2),
    ([], 2),
    (["a", "--full", "--value"], 2),
])
def test_status(arguments, status):
    done = regex(*arguments)
    assert done.returncode == status, done
    # a refusal is one line that says why
    assert len(done.stderr.splitlines()) == (status == 2), done


def test_refusal_names_the_position():
    assert "position 3: lookahead" in regex("/a(?=b)").stderr
    done = regex("-o", "json", "/a(?=b)")
    answer = json.loads(done.stdout)
    assert (answer["compiles"], answer["refused"], answer["position"]) == (False, "syntax", 3)


def test_json():
    answer = json.loads(regex("-o", "json", "/[a-z]+/x", "/ab/xy", "/ab", "?").stdout)
    assert answer["compiles"] and answer["mode"] == "prefix"
    # dead, matched, and one for each part of the pattern
    assert (answer["states"], answer["classes"]) == (6, 4)
    assert [(s["matches"], s["certain"], s["bytes"]) for s in answer["strings"]] == [
        (True, True, 5), (False, False, 3), (False, True, 1)]

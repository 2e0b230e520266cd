# SPDX-License-Identifier: Apache-2.0
"""The corpus of byte streams (tests/data/http), and what the reference evaluator says of them."""
import base64
import collections
import json
import subprocess

import yaml

import mesh  # noqa: F401  pylint: disable=unused-import
from api import BUILD, TOP  # mesh says where it is
from http_client import bytes_of

DATA = TOP / "tests" / "data" / "http"
REFERENCE = BUILD / "tests" / "http_reference"
OPEN_ENDS = {"complete", "incomplete", "opaque"}

Stream = collections.namedtuple("Stream", "name data requests end fin benign")


def load(name, benign):
    entries = yaml.safe_load((DATA / name).read_text(encoding="utf-8"))
    for entry in entries:
        parts = entry["bytes"] if isinstance(entry["bytes"], list) else [entry["bytes"]]
        data = b"".join(bytes_of(parts)).replace(b"NAME", entry["name"].encode())
        yield Stream(entry["name"], data, entry.get("requests", int(benign)),
                     entry.get("end", "complete"), entry.get("fin", False), benign)


def streams():
    """All of them; names are unique."""
    found = [*load("benign.yaml", True), *load("hostile.yaml", False)]
    names = collections.Counter(stream.name for stream in found)
    assert not [name for name, count in names.items() if count > 1], names.most_common(3)
    return found


class Reference:
    """The program http_reference. `manifests`: folder or files with the rules."""

    def __init__(self, manifests, source="web/caller", destination="web/nginx", port=80):
        self.question = {"manifests": str(manifests), "source": source, "destination": destination,
                         "port": port}
        self.process = subprocess.Popen([str(REFERENCE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def ask(self, data, **more):
        question = dict(self.question, stream=base64.b64encode(data).decode(), **more)
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer


def allowed(answer):
    """(method, target) of the requests that come through, in order."""
    return [(one["method"], one["target"]) for one in answer["requests"] if one["allowed"]]


def end_of(answer, fin):
    """In the corpus' words. The reference does not see a FIN."""
    state, at = answer["end"]["state"], answer["end"]["at"]
    if state == "denied":
        return answer["end"]["reason"]
    in_a_head = not answer["requests"] or answer["requests"][-1]["end"] is not None
    if fin and state == "incomplete" and in_a_head and at is not None:
        return "http_unfinished"
    return state

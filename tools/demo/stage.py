# SPDX-License-Identifier: Apache-2.0
"""What the parts of the demo share: the cluster, what is printed, and the claims."""
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "playground"))
from api import BUILD, PYTHON, WEFT, Playground  # noqa: E402  pylint: disable=wrong-import-position

EVIDENCE = BUILD / "demo"
CLUSTER = Playground("demo-%d" % os.getpid())
CLIENT = HERE / "client.py"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(text, code):
    return "\033[%sm%s\033[0m" % (code, text) if COLOUR else text


class Checks:
    """Claims and whether they held."""

    def __init__(self):
        self.items = []

    def check(self, claim, held, detail=""):
        self.items.append({"claim": claim, "held": bool(held), "detail": detail})
        mark = paint("ok  ", "32") if held else paint("FAIL", "31;1")
        print("  %s %s%s" % (mark, claim, paint("  " + detail, "2") if detail else ""), flush=True)

    @property
    def failed(self):
        return [item for item in self.items if not item["held"]]


def step(title):
    print("\n" + paint("== " + title, "1"), flush=True)


def apply(manifests):
    """A file of the demo, or YAML text. How long it took, in ms."""
    start = time.monotonic()
    CLUSTER.apply(HERE / "manifests" / manifests if manifests.endswith(".yaml") else manifests)
    return (time.monotonic() - start) * 1000


def client(pod, *arguments):
    """Runs the demo's client in a pod; what its socket experienced."""
    return json.loads(CLUSTER.exec(pod, PYTHON, CLIENT, *arguments, namespace="shop"))


def describe(result):
    if result["ok"]:
        return "%s answered in %s ms" % (result.get("server", "?"), result["ms"])
    return "%s after %s ms" % (result["errno"], result["ms"])


def show_weft(node, *arguments, lines=14):
    """What a command of weft says there."""
    print(paint("  $ weft " + " ".join("'%s'" % a if " " in a else a for a in arguments), "36"))
    for line in CLUSTER.weft(node, *arguments).stdout.splitlines()[:lines]:
        print("    " + line)

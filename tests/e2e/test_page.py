# SPDX-License-Identifier: Apache-2.0
"""The page at /ui with answers that no test cluster gives: names that are markup, fifty workloads, an
agent that goes away. A server of the test's own gives them, below a path as a proxy does."""
import base64
import hashlib
import http.server
import json
import pathlib
import re
import threading

import pytest

import browser

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "user/http/ui.html"
HOSTILE = "<img src=x onerror=\"window.intruded=1\">'&amp;</script><script>window.intruded=1</script>"
PREFIX = "/api/v1/proxy/"

pytestmark = pytest.mark.skipif(not browser.program(), reason=browser.REMEDY)


def end(name, namespace="shop"):
    return {"namespace": namespace, "kind": "Deployment", "name": name}


def edge(source, destination, **more):
    return {"source": source, "destination": destination, "protocol": "tcp", "port": 8080,
            "requests": 300, "rps": 10, "success": 0.5, "p50_us": 812, "p90_us": 1500,
            "p99_us": 2500000, "connections": 30, "connections_per_second": 1,
            "bytes_to_destination": 60000, "bytes_to_source": 90000, "datagrams_to_destination": 0,
            "datagrams_to_source": 0, "retransmits": 3, **more}


def topology(edges, splits=()):
    ends = {json.dumps(one[side]): one[side] for one in edges for side in ("source", "destination")}
    return {"node": "", "time": 1, "window": 30, "splits": list(splits), "denials": [], "findings": 0,
            "edges": edges, "nodes": [{**one, "requests": 300, "rps": 10, "success": 1,
                                       "connections": 1, "denied": 0} for one in ends.values()]}


class Server:
    """Gives `answers`, by path; another one is an error of 503."""

    def __init__(self, answers):
        text = PAGE.read_text(encoding="utf-8")
        hashes = {tag: base64.b64encode(hashlib.sha256(re.search(
            "(?s)<%s>(.*?)</%s>" % (tag, tag), text)[1].encode()).digest()).decode()
                  for tag in ("style", "script")}
        policy = ("default-src 'none'; style-src 'sha256-%(style)s'; script-src 'sha256-%(script)s'; "
                  "connect-src 'self'; img-src data:" % hashes)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0].removeprefix(PREFIX)
                body = text if path == "ui" else json.dumps(answers.get(path))
                self.send_response(200 if path == "ui" or path in answers else 503)
                self.send_header("content-type",
                                 "text/html" if path == "ui" else "application/json")
                self.send_header("content-security-policy", policy)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d%sui" % (self.server.server_port, PREFIX)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module", name="page")
def fixture_page():
    with browser.Browser() as page:
        yield page


def cells(page, table):
    return page.value("[...document.querySelectorAll('#%s tbody tr')].map(row => "
                      "[...row.cells].map(cell => cell.textContent))" % table)


def test_names_are_text(page):
    evil = end(HOSTILE, HOSTILE)
    answers = {
        "v1/topology": topology(
            [edge(evil, end("api")), {"source": evil, "destination": end("api"), "denied": [
                {"verdict": HOSTILE, "reason": HOSTILE, "text": HOSTILE, "count": 3}]}],
            [{"namespace": HOSTILE, "name": HOSTILE, "service": HOSTILE, "connections": 3,
              "backends": [{"service": HOSTILE, "target": 1, "actual": 1, "connections": 3}]}]),
        "v1/findings": {"items": [{"object": {"kind": HOSTILE, "namespace": HOSTILE, "name": HOSTILE},
                                   "field": HOSTILE, "reason": HOSTILE, "message": HOSTILE,
                                   "consequence": HOSTILE}]}}
    with Server(answers) as server:
        page.open(server.url)
        page.wait("document.querySelectorAll('#findings tbody tr').length === 1")
        assert cells(page, "edges")[0] == [
            HOSTILE + "/" + HOSTILE, "shop/api", "tcp/8080", "50.00 %", "10", "812 µs", "1.50 ms",
            "2.50 s", "30", "2000/s", "3000/s", "3"]
        assert HOSTILE in cells(page, "splits")[0] and HOSTILE in cells(page, "denials")[0]
        assert cells(page, "findings")[0][1:] == [HOSTILE] * 4
        # one of the page, none of a name
        assert page.value("document.scripts.length") == 1
        assert page.value("document.images.length") == 0
        assert page.value("[...document.querySelectorAll('svg title')].some(one => "
                          "one.textContent.includes('onerror'))")
        assert page.value("window.intruded") is None
        assert not page.problems, page.problems


def test_fifty_workloads(page):
    ends = [end("workload-%02d" % number) for number in range(50)]
    edges = [edge(ends[(number - 1) // 3], ends[number]) for number in range(1, 50)]
    edges += [edge(ends[number], ends[number + 7]) for number in range(0, 40, 5)]
    # a circle, and one that calls itself
    edges += [edge(ends[49], ends[0]), edge(ends[5], ends[5])]
    with Server({"v1/topology": topology(edges), "v1/findings": {"items": []}}) as server:
        page.open(server.url)
        page.wait("document.querySelectorAll('svg .node').length === 50")
        assert page.value("document.querySelectorAll('svg .edge').length") == len(edges) - 1
        boxes = page.value("[...document.querySelectorAll('svg .node rect')].map(one => "
                           "{ const box = one.getBoundingClientRect(); "
                           "return [box.left, box.top, box.right, box.bottom]; })")
        # names can be read, and no box hides another
        assert all(right - left > 150 for left, _, right, _ in boxes)
        for index, (left, top, right, bottom) in enumerate(boxes):
            assert not [other for other in boxes[:index] if other[0] < right and left < other[2] and
                        other[1] < bottom and top < other[3]]
        page.value("document.querySelector('svg .node').dispatchEvent(new MouseEvent('click'))")
        assert page.value("document.querySelectorAll('svg .node.chosen').length") == 1
        assert len(cells(page, "edges")) == len(edges)
        colours = []
        for dark in (False, True):
            page.dark(dark)
            colours.append(page.value("[getComputedStyle(document.body).backgroundColor, "
                                      "getComputedStyle(document.body).color]"))
        assert colours[0] == ["rgb(251, 251, 252)", "rgb(27, 31, 36)"] and colours[1] != colours[0]
        assert not page.problems, page.problems


def test_no_answer(page):
    answers = {"v1/topology": topology([edge(end("front"), end("api"))]), "v1/findings": {"items": []}}
    with Server(answers) as server:
        page.open(server.url)
        page.wait("document.querySelectorAll('svg .node').length === 2")
        kept = answers.pop("v1/topology")
        page.wait("document.querySelector('#problem').textContent === 'no answer: v1/topology: 503'")
        # what was known stays
        assert page.value("document.querySelectorAll('svg .node').length") == 2
        answers["v1/topology"] = kept
        page.wait("document.querySelector('#problem').textContent === ''")

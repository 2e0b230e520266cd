# SPDX-License-Identifier: Apache-2.0
"""The corpus of HTTP streams against the reference evaluator: each has the outcome that is written
beside it, however it is cut."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import http_corpus  # noqa: E402  pylint: disable=wrong-import-position
import http_mesh  # noqa: E402  pylint: disable=wrong-import-position
import verdict_cases as cases  # noqa: E402  pylint: disable=wrong-import-position

STREAMS = http_corpus.streams()
PODS = {"caller": ("caller", "node-b", "10.1.0.1"), "nginx": ("server", "node-a", "10.1.0.2")}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    objects = [*map(cases.node, cases.NODES), http_mesh.namespace(), *http_mesh.rules()]
    for name, (account, node, address) in PODS.items():
        pod = cases.pod(name, http_mesh.SPACE, account, node, ["true"])
        pod["status"] = {"podIP": address, "podIPs": [{"ip": address}]}
        objects.append(pod)
    path = tmp_path_factory.mktemp("corpus") / "objects.yaml"
    path.write_text(http_mesh.as_text(*objects), encoding="utf-8")
    with http_corpus.Reference(path) as program:
        yield program


@pytest.mark.parametrize("stream", STREAMS, ids=[stream.name for stream in STREAMS])
def test_outcome(reference, stream):
    answer = reference.ask(stream.data)
    assert answer["connection"]["reason"] == "http"
    allowed = http_corpus.allowed(answer)
    assert (len(allowed), http_corpus.end_of(answer, stream.fin)) == (stream.requests, stream.end), answer
    if stream.benign:
        assert stream.end in http_corpus.OPEN_ENDS
        assert all(one["end"] is not None for one in answer["requests"]), answer
    assert not any("secret" in target for _, target in allowed), allowed


def test_there_are_enough_of_them():
    assert sum(stream.benign for stream in STREAMS) >= 100
    # Every reason that a stream can have, but those of TCP and of changes.
    assert {stream.end for stream in STREAMS} >= {
        "no_http_rule", "ambiguous_path", "http_request_line", "http_version", "http_field", "http_head_size",
        "http_content_length", "http_transfer_encoding", "http_chunk", "http_host", "http_upgrade", "http2",
        "tls", "http_unfinished"}


@pytest.mark.parametrize("stream", [one for one in STREAMS if len(one.data) < 600 and not one.fin],
                         ids=lambda stream: stream.name)
def test_prefixes_promise_no_more(reference, stream):
    """What a part of a stream comes to, the whole comes to as well."""
    whole = http_corpus.allowed(reference.ask(stream.data))
    for length in range(len(stream.data)):
        answer = reference.ask(stream.data[:length])
        allowed = http_corpus.allowed(answer)
        assert allowed == whole[:len(allowed)], (length, answer)
        if answer["end"]["state"] == "denied":
            assert stream.end == answer["end"]["reason"], (length, answer)
            break

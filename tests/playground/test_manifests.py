# SPDX-License-Identifier: Apache-2.0
"""Manifests leave as they came. Pure: needs neither root nor a kernel feature."""
import pytest

import conftest  # noqa: F401 - puts tools/ on the path
from playground import manifests, objects
from playground.errors import PlaygroundError


@pytest.mark.parametrize("scalar", [
    "yes", "off", "1e3", "1.50", "0x1f", "0o17", "017", "900m", "2001-02-03", "12:30:45",
    "2024-01-01T00:00:00Z", "'1e3'", '"yes"', "1_000", "-.inf", "true", "False", "17",
])
def test_scalars_keep_their_spelling(scalar):
    written = manifests.dump(manifests.parse(f"a: {scalar}\n", "x")[0])
    assert written.strip().replace('"', "'") == f"a: {scalar}".replace('"', "'")


def test_null_and_empty_and_lists():
    assert manifests.parse("---\n---\na: 1\n---\n", "x") == [{"a": 1}]
    assert manifests.parse('{"kind": "List", "items": [{"kind": "PodList", "items": [{"a": 1}]}]}',
                           "x") == [{"a": 1}]
    assert manifests.parse("kind: List\nitems:\n- {b: 2}\n", "x") == [{"b": 2}]


@pytest.mark.parametrize("text", [
    "a: [1", "a: 1\n b: 2", "\x00", "!!python/object:os.system {}",
    "[" * 300 + "]" * 300, "{\"a\": " * 5000,
    "kind: List\nitems: &a [{kind: List, items: *a}]"], ids=range(7))
def test_what_is_no_yaml_is_refused(text):
    with pytest.raises(PlaygroundError):
        manifests.parse(text, "x")


def test_file_names_are_harmless_and_distinct():
    key = objects.key_of({"kind": "Odd/../Kind", "metadata": {"name": "../../etc", "namespace": "n"}})
    assert "/" not in objects.file_name(key)
    one = objects.Key("", "Service", "a", "b")
    assert objects.file_name(one) == "service_a_b.yaml"
    assert objects.file_name(objects.Key("x.io", "Service", "a", "b")) != objects.file_name(one)
    assert len(objects.file_name(objects.Key("", "Pod", "a" * 63, "b" * 253))) < 220


def test_objects_without_identity_still_travel():
    for document in ({"kind": "TrafficSplit", "metadata": 5}, [1, 2], "text", {"a": 1}):
        assert objects.key_of(document) is None
        assert objects.anonymous_key(document, "text").name.startswith("!")

# SPDX-License-Identifier: Apache-2.0
"""Reading and writing manifests without changing what the user wrote.

Tests feed agents with odd objects, so a scalar must leave as it came: `yes`, `1e3`, `0o17`, `900m`
or a date keep their spelling, and a quoted "1e3" stays a string for every YAML dialect."""
import json
import os
import re
import sys

# With -S the distribution's packages are not on the path; the entry point stays fast that way.
if "/usr/lib/python3/dist-packages" not in sys.path:
    sys.path.append("/usr/lib/python3/dist-packages")

import yaml  # noqa: E402

from .errors import PlaygroundError  # noqa: E402

MAX_DEPTH = 200
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

# Strings that are strings unquoted in every YAML dialect (leaving out the words below).
_PLAIN_STRING = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*\Z")
_NOT_PLAIN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"}


class PlainScalar(str):
    """An unquoted scalar that is written back letter by letter; `tag` is how YAML resolved it."""

    tag = "tag:yaml.org,2002:str"

    def __deepcopy__(self, memo):
        return self


def _plain(text, tag):
    scalar = PlainScalar(text)
    scalar.tag = tag
    return scalar


class _Loader(_SafeLoader):
    pass


class _Dumper(_SafeDumper):
    pass


def _construct_string(_loader, node):
    if not node.style and not _is_safe_string(node.value):
        return _plain(node.value, node.tag)
    return node.value


def _construct_bool(_loader, node):
    return {"true": True, "false": False}.get(node.value, _plain(node.value, node.tag))


def _construct_number(_loader, node):
    if re.match(r"(0|-?[1-9][0-9]{0,17})\Z", node.value):
        return int(node.value)
    return _plain(node.value, node.tag)


_Loader.add_constructor("tag:yaml.org,2002:str", _construct_string)
_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
for _name in ("int", "float", "timestamp"):
    _Loader.add_constructor("tag:yaml.org,2002:" + _name, _construct_number)


def _is_safe_string(text):
    return bool(_PLAIN_STRING.match(text)) and text.lower() not in _NOT_PLAIN


def _represent_string(dumper, text):
    style = None
    if not _is_safe_string(text):
        style = "|" if "\n" in text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_string)
_Dumper.add_representer(PlainScalar, lambda dumper, value:
                        dumper.represent_scalar(value.tag, str(value)))


def dump(document):
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)


def _check_depth(text, origin):
    """The composer recurses in C: refuse what could exhaust its stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise PlaygroundError(f"{origin}: nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _parse_json(text, origin):
    """The document, or None when the text is no JSON (it may still be flow-style YAML)."""
    try:
        document = json.loads(text, parse_float=lambda number: _plain(
            number, "tag:yaml.org,2002:float"))
    except (ValueError, RecursionError):
        return None
    level = [document]
    for _ in range(MAX_DEPTH + 1):
        level = [child for value in level if isinstance(value, (dict, list))
                 for child in (value.values() if isinstance(value, dict) else value)]
        if not level:
            return [document]
    raise PlaygroundError(f"{origin}: nested deeper than {MAX_DEPTH} levels")


def parse(text, origin):
    """All documents of a YAML or JSON text, `List`s flattened, empty documents left out."""
    documents = None
    try:
        if text.lstrip()[:1] in ("{", "["):
            documents = _parse_json(text, origin)
        if documents is None:
            _check_depth(text, origin)
            documents = list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise PlaygroundError(f"{origin}: not parseable: {' '.join(str(error).split())}") from None
    result = []
    try:
        for document in documents:
            _flatten(document, result)
    except RecursionError:
        raise PlaygroundError(f"{origin}: a List that contains itself") from None
    return result


def _flatten(document, result):
    if document is None:
        return
    if isinstance(document, dict) and isinstance(document.get("items"), list) \
            and str(document.get("kind", "")).endswith("List"):
        for item in document["items"]:
            _flatten(item, result)
        return
    result.append(document)


def read_paths(paths):
    """[(origin, text)] of files, directories (their *.yaml, *.yml, *.json) and '-' (stdin)."""
    sources = []
    for path in paths:
        if path == "-":
            sources.append(("standard input", sys.stdin.buffer.read().decode("utf-8", "replace")))
            continue
        if os.path.isdir(path):
            names = sorted(name for name in os.listdir(path) if not name.startswith(".")
                           and name.endswith((".yaml", ".yml", ".json")))
            sources.extend((f"{path}/{name}", _read(f"{path}/{name}")) for name in names)
        else:
            sources.append((path, _read(path)))
    return sources


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise PlaygroundError(f"cannot read {path}: {error}") from None

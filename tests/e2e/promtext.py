# SPDX-License-Identifier: Apache-2.0
"""The Prometheus text format 0.0.4, read strictly: whatever a scraper may refuse is an error."""
import math
import re

METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
SAMPLE = re.compile(r"([^\s{]+)(?:\{(.*)\})? (\S+)\Z")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


class Metrics(dict):
    """{(name, frozenset of (label, value)): number} with sums over labels."""

    def total(self, metric, **labels):
        """Sum of all series of this name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (name, have), value in self.items()
                   if name == metric and wanted <= have)

    def values_of(self, metric, label):
        """Every value that a label has in the series of this name."""
        return {value for name, have in self if name == metric
                for key, value in have if key == label}


def parse_labels(text):
    """The inside of the braces: name="value",... with backslash, quote and newline escaped."""
    labels, at = {}, 0
    while at < len(text):
        equals = text.index("=", at)
        name = text[at:equals]
        assert LABEL.match(name), text
        assert name not in labels, "label %s twice: %s" % (name, text)
        assert text[equals + 1] == '"', text
        value, at = "", equals + 2
        while text[at] != '"':
            if text[at] == "\\":
                assert text[at + 1] in '\\"n', text
                value += "\n" if text[at + 1] == "n" else text[at + 1]
                at += 2
            else:
                value += text[at]
                at += 1
        labels[name] = value
        at += 1
        if at < len(text):
            assert text[at] == "," and at + 1 < len(text), text
            at += 1
    return labels


def parse_value(text):
    assert text in ("NaN", "+Inf", "-Inf") or re.match(r"[-+]?[0-9.]+(e[-+]?\d+)?\Z", text), text
    return float(text)


def family_of(name, types):
    """The family that a series belongs to: a histogram has three names."""
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and types.get(name[:-len(suffix)]) == "histogram":
            return name[:-len(suffix)]
    return name


def check_histograms(metrics, family):
    """Buckets add up, +Inf is the count, and no part is missing."""
    buckets = {}
    for (name, labels), value in metrics.items():
        if name == family + "_bucket":
            bound = float(dict(labels)["le"])
            rest = frozenset(label for label in labels if label[0] != "le")
            buckets.setdefault(rest, []).append((bound, value))
    for part in ("_sum", "_count"):
        assert {labels for name, labels in metrics if name == family + part} == set(buckets)
    for labels, found in buckets.items():
        found.sort()
        counts = [count for _, count in found]
        assert counts == sorted(counts) and math.isinf(found[-1][0]), (labels, found)
        assert counts[-1] == metrics[family + "_count", labels], labels
        assert metrics[family + "_sum", labels] >= 0


def parse(text):
    """Metrics; AssertionError or ValueError for whatever is not strictly right."""
    assert text.endswith("\n") and "\r" not in text and "\0" not in text
    metrics, types, helps, done, current = Metrics(), {}, {}, set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            _, keyword, name, rest = line.split(" ", 3)
            assert METRIC.match(name), line
            assert keyword in ("HELP", "TYPE"), line
            known = helps if keyword == "HELP" else types
            assert name not in known and name not in done, "twice: " + line
            assert keyword == "HELP" or rest in TYPES, line
            known[name] = rest
            continue
        match = SAMPLE.match(line)
        assert match, "no sample: %r" % line
        name, labels, value = match.groups()
        assert METRIC.match(name), line
        family = family_of(name, types)
        assert family in types and family in helps, "without HELP and TYPE: " + line
        if family != current:
            assert family not in done, "family %s is torn apart" % family
            done.add(family)
            current = family
        number = parse_value(value)
        if types[family] == "counter":
            assert name.endswith("_total") and number >= 0 and math.isfinite(number), line
        key = (name, frozenset(parse_labels(labels or "").items()))
        assert key not in metrics, "series twice: " + line
        metrics[key] = number
    for family, kind in types.items():
        if kind == "histogram":
            check_histograms(metrics, family)
    return metrics

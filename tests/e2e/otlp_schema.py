# SPDX-License-Identifier: Apache-2.0
"""OTLP's JSON, as strictly as the specification of OTLP 1.x has it: no unknown field, 64-bit integers as
texts, enums as numbers, nothing that repeats empty but attributes. Fields by opentelemetry-proto 1.x."""
import re

MESSAGES = {
    "ExportMetricsServiceRequest": {"resourceMetrics": ["ResourceMetrics"]},
    "ResourceMetrics": {"resource": "Resource", "scopeMetrics": ["ScopeMetrics"], "schemaUrl": "string"},
    "ScopeMetrics": {"scope": "Scope", "metrics": ["Metric"], "schemaUrl": "string"},
    "Metric": {"name": "string", "description": "string", "unit": "string", "gauge": "Gauge", "sum": "Sum",
               "histogram": "Histogram", "metadata": ["KeyValue"]},
    "Gauge": {"dataPoints": ["NumberDataPoint"]},
    "Sum": {"dataPoints": ["NumberDataPoint"], "aggregationTemporality": "enum", "isMonotonic": "bool"},
    "Histogram": {"dataPoints": ["HistogramDataPoint"], "aggregationTemporality": "enum"},
    "NumberDataPoint": {"attributes": ["KeyValue"], "startTimeUnixNano": "unsigned", "timeUnixNano": "unsigned",
                        "asDouble": "double", "asInt": "integer", "flags": "number"},
    "HistogramDataPoint": {"attributes": ["KeyValue"], "startTimeUnixNano": "unsigned",
                           "timeUnixNano": "unsigned", "count": "unsigned", "sum": "double",
                           "bucketCounts": ["unsigned"], "explicitBounds": ["double"], "flags": "number",
                           "min": "double", "max": "double"},
    "ExportLogsServiceRequest": {"resourceLogs": ["ResourceLogs"]},
    "ResourceLogs": {"resource": "Resource", "scopeLogs": ["ScopeLogs"], "schemaUrl": "string"},
    "ScopeLogs": {"scope": "Scope", "logRecords": ["LogRecord"], "schemaUrl": "string"},
    "LogRecord": {"timeUnixNano": "unsigned", "observedTimeUnixNano": "unsigned", "severityNumber": "enum",
                  "severityText": "string", "body": "AnyValue", "attributes": ["KeyValue"],
                  "droppedAttributesCount": "number", "flags": "number", "eventName": "string"},
    "Resource": {"attributes": ["KeyValue"], "droppedAttributesCount": "number"},
    "Scope": {"name": "string", "version": "string", "attributes": ["KeyValue"],
              "droppedAttributesCount": "number"},
    "KeyValue": {"key": "string", "value": "AnyValue"},
    "AnyValue": {"stringValue": "string", "boolValue": "bool", "intValue": "integer", "doubleValue": "double"},
}
ONE_OF = {"Metric": {"gauge", "sum", "histogram"}, "NumberDataPoint": {"asDouble", "asInt"},
          "AnyValue": set(MESSAGES["AnyValue"])}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


SCALARS = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "double": is_number,
    "number": lambda value: is_number(value) and value == int(value) >= 0,
    "enum": lambda value: is_number(value) and value == int(value) >= 0,
    "integer": lambda value: isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d*)", value)
    and -2**63 <= int(value) < 2**63,
    "unsigned": lambda value: isinstance(value, str) and re.fullmatch(r"0|[1-9]\d*", value)
    and int(value) < 2**64,
}


def check(kind, value, where=""):
    """Raises AssertionError with the place of what is wrong."""
    if isinstance(kind, list):
        assert isinstance(value, list) and (value or where.endswith("attributes")), where + ": no list, or empty"
        for index, one in enumerate(value):
            check(kind[0], one, "%s[%d]" % (where, index))
        if kind[0] == "KeyValue":
            keys = [one["key"] for one in value]
            assert len(keys) == len(set(keys)), where + ": one key twice"
    elif kind in SCALARS:
        assert SCALARS[kind](value), "%s: %r is no %s" % (where, value, kind)
    else:
        assert isinstance(value, dict), where + ": no object"
        unknown = set(value) - set(MESSAGES[kind])
        assert not unknown, "%s: unknown %s" % (where, unknown)
        assert kind not in ONE_OF or len(ONE_OF[kind] & set(value)) == 1, where + ": not one of a oneof"
        for name, one in value.items():
            check(MESSAGES[kind][name], one, "%s.%s" % (where, name))


def plain(attributes):
    """{key: value}"""
    return {one["key"]: int(one["value"]["intValue"]) if "intValue" in one["value"]
            else one["value"]["stringValue"] for one in attributes}

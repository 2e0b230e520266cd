# SPDX-License-Identifier: Apache-2.0
"""The works: what the client does during one slice, and how its report is read."""
import collections
import json
import pathlib

import rules
from errors import BenchError

HERE = pathlib.Path(__file__).resolve().parent
BLOB_BYTES = 64 << 20
BODY = ("weft measures a kilobyte. " * 40)[:1024]
# curl's exit code when --max-time is over, which is how an upload ends here.
CURL_TIMED_OUT = 28

# `script`: what wrk runs. By wrk-fresh.lua hardly a request's head comes twice; otherwise all are
# the same.
Work = collections.namedtuple("Work", "name kind connections close script",
                              defaults=("wrk-report.lua",))
WORKS = {work.name: work for work in (
    Work("http-keepalive-64", "http", 64, False),
    Work("http-fresh-64", "http", 64, False, "wrk-fresh.lua"),
    Work("http-keepalive-1", "http", 1, False),
    Work("http-close-64", "http", 64, True),
    Work("http-close-1", "http", 1, True),
    Work("bulk-up", "upload", 1, False),
    Work("bulk-down", "download", 1, False),
)}
# Metric -> whether more is worse.
METRICS = {"cpu_us_per_request": True, "requests_per_s": False, "p50_us": True, "p99_us": True,
           "cpu_s_per_gb": True}


def command(work, addresses, seconds, folder, request=(rules.GET_PATH, ())):
    """The client's argv. `addresses`: of the server and of the sink, each ADDRESS:PORT.
    `request`: path and further headers of what an "http" work asks for."""
    http, sink = addresses
    header = ": ".join(rules.HEADER)
    if work.kind == "upload":
        return ["curl", "--silent", "--show-error", "--header", "Expect:",
                "--max-time", str(seconds), "--write-out",
                "\nsent %{size_upload} %{time_total} %{http_code}\n",
                "--upload-file", f"{folder}/endless", f"http://{sink}{rules.UPLOAD_PATH}"]
    path, more = (rules.BLOB_PATH, ()) if work.kind == "download" else request
    argv = ["wrk", "--threads", "1", "--connections", str(work.connections), "--timeout", "5s",
            "--duration", f"{seconds}s", "--latency", "--script", str(HERE / work.script)]
    for one in (header, *more, *(["Connection: close"] if work.close else [])):
        argv += ["--header", one]
    return argv + [f"http://{http}{path}"]


def _parse_wrk(work, output):
    result = json.loads(output.strip().splitlines()[-1])
    wrong = {name: count for name, count in result["errors"].items() if count}
    if wrong:
        raise BenchError("wrk saw errors: " +
                         ", ".join(f"{name} {count}" for name, count in wrong.items()))
    # wrk takes any status below 400 for success; the body tells 200 from others
    least = result["requests"] * (BLOB_BYTES if work.kind == "download" else len(BODY))
    if result["bytes"] < least:
        raise BenchError(f"{result['requests']} answers came to {result['bytes']} bytes, less than "
                         f"the {least} of their bodies: not all were 200")
    return result


def _parse_curl(output):
    line = next(line for line in output.splitlines() if line.startswith("sent "))
    _, sent, seconds, status = line.split()
    if status != "000":
        raise BenchError(f"the upload, which nobody answers before it ends, was answered {status}")
    return {"bytes": int(sent), "duration_us": int(float(seconds) * 1e6), "requests": 1}


def parse(work, output):
    """What was done: {"requests", "bytes", "duration_us", with wrk also "p50_us", "p99_us"}."""
    try:
        return _parse_curl(output) if work.kind == "upload" else _parse_wrk(work, output)
    except (ValueError, LookupError, StopIteration) as error:
        raise BenchError(f"cannot read the client's report ({error}): {output[-500:]}") from None


def metrics(work, done, used):
    """What users see of `done` and the CPU time `used`."""
    if work.kind == "http":
        requests = done["requests"]
        if not requests:
            raise BenchError("not one request was completed")
        return {"cpu_us_per_request": used["busy_us"] / requests,
                "requests_per_s": requests * 1e6 / done["duration_us"],
                "p50_us": done["p50_us"], "p99_us": done["p99_us"]}
    if done["bytes"] < 1e6:
        raise BenchError(f"only {done['bytes']} bytes were moved")
    return {"cpu_s_per_gb": used["busy_us"] / 1e6 / (done["bytes"] / 1e9)}

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs inside a guest: a tier of C tests that meet the kernel, the smoke test, or what an unsupported
kernel must say ("refused"). Results are written after every step, so that those before a hang
count."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import run as tests  # noqa: E402  pylint: disable=wrong-import-position

TIERS = ("bpf", "loader", "agent")
# Without sanitizers, but emulated.
C_TEST_TIMEOUT_S = 120
SLOWNESS = "20"  # times; widens the tests' own limits (WEFT_TEST_SLOWNESS)
DETAIL_LENGTH = 4000


class Report:
    """A tally that the host can read at any time."""

    def __init__(self, path):
        self.path, self.tally, self.begin = pathlib.Path(path), tests.Tally(), time.monotonic()

    def write(self, step):
        tally = self.tally
        print("%6.1f s  %s: %d passed, %d failed, %d skipped" % (
            time.monotonic() - self.begin, step, tally.passed, len(tally.failures),
            len(tally.skips)), flush=True)
        text = json.dumps({"step": step, "release": os.uname().release, "passed": tally.passed,
                           "failures": tally.failures, "skips": tally.skips})
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.rename(self.path)

    def check(self, claim, held, detail=""):
        """One claim of a smoke test; whether it held."""
        if held:
            self.tally.passed += 1
        else:
            self.tally.fail(claim, str(detail)[:DETAIL_LENGTH])
        self.write(claim)
        return held


def run_c_tests(tier, build, report):
    tests.C_TEST_TIMEOUT_S = C_TEST_TIMEOUT_S
    for source in sorted((tests.TOP / "tests" / tier).glob("test_*.c")):
        tests.run_c_test(build / "tests" / tier / source.stem, report.tally)
        report.write(source.stem)


def run_refused(build, report):
    """weftd must not start, weft check must fail, and both must say what is missing."""
    manifests = pathlib.Path("/run/manifests")
    manifests.mkdir()
    release = os.uname().release
    try:
        agent = subprocess.run(
            [str(build / "weftd"), "--source", "dir", "--manifests", str(manifests), "--node", "old"],
            capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as late:
        report.check("weftd ends on an unsupported kernel", False, late.stdout)
        return
    said = agent.stdout + agent.stderr
    report.check("weftd refuses to start with status 1", agent.returncode == 1,
                 "status %d\n%s" % (agent.returncode, said))
    lines = said.strip().splitlines()
    report.check("weftd names the kernel, the one it needs, and the remedy, in a few lines",
                 release in said and "6.1" in said and "remedy" in said.lower() and len(lines) <= 5, said)
    left = [path for path in pathlib.Path("/sys/fs/bpf").rglob("*") if not path.is_dir()]
    report.check("nothing is left pinned", not left, left)
    found = subprocess.run([str(build / "weft"), "-o", "json", "check"], capture_output=True,
                           text=True, timeout=60, check=False)
    answers = {one["name"]: one for one in json.loads(found.stdout or "[]")}
    report.check("weft check ends with 1", found.returncode == 1, (found.returncode, found.stderr))
    report.check("weft check names the kernel as the reason",
                 answers.get("kernel", {}).get("state") == "failed" and
                 "6.1" in answers["kernel"]["remedy"], found.stdout)
    for name in ("helper loop tc", "helper set_retval cgroup", "program syscall"):
        report.check("weft check names what is missing: " + name,
                     answers.get(name, {}).get("state") == "failed" and answers[name]["remedy"],
                     answers.get(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("plan", choices=(*TIERS, "smoke", "refused"))
    args = parser.parse_args()
    build = pathlib.Path(args.build)
    os.environ.update(WEFT_BUILD=str(build), WEFT_TEST_SLOWNESS=SLOWNESS)
    report = Report(pathlib.Path(args.results, "results.json"))
    report.write("start")
    if args.plan == "refused":
        run_refused(build, report)
    elif args.plan in TIERS:
        run_c_tests(args.plan, build, report)
    else:
        import smoke  # needs WEFT_BUILD  pylint: disable=import-outside-toplevel
        smoke.run(report)
    report.write("end")
    return 1 if report.tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())

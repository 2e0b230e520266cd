#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test tiers, shows what failed, and closes with `N passed, N failed, N skipped`.

A tier is a folder below tests/ (or lint). C tests are cmocka binaries in BUILD/san/tests,
Python tests are pytest files. A C test that skips prints `SKIP: reason; remedy` first, so
that every skip can be listed with its reason.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

TOP = pathlib.Path(__file__).resolve().parent.parent
PRIVILEGED = {"bpf", "loader", "agent", "playground", "e2e", "kube"}
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
# No clock judges these: what the tier kube needs is built beside them.
PATIENT = {"lint", "docs", "unit", "fuzz"}
C_TEST_TIMEOUT_S = 180
PYTEST_TIMEOUT_S = 1500
# Side by side with the others of their folder: clusters are waited for more than they compute, and of
# the end-to-end tests no clock is close to these.
APART = {
    "kube": ("test_lifecycle.py", "test_metrics.py", "test_pods.py"),
    "e2e": ("test_counters_exact.py", "test_http_clients.py", "test_http_corpus.py",
            "test_http_streams.py", "test_kube_feedback.py", "test_otlp.py", "test_prometheus.py",
            "test_robust_garbage.py", "test_role_metrics.py", "test_splits_rules.py", "test_verdicts.py",
            "test_verdicts_raw.py"),
}


class Tally:
    """What happened so far."""

    def __init__(self):
        self.passed = 0
        self.failures = []  # (test, text)
        self.skips = []  # (test, reason and remedy)

    def fail(self, test, text):
        self.failures.append((test, text.strip()))

    def skip(self, test, reason):
        self.skips.append((test, reason.strip() or "no reason given"))


def privileges_missing():
    """Why privileged tiers cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root: run `sudo make check`"
    probe = subprocess.run(["bpftool", "prog", "list"], capture_output=True, text=True,
                           check=False, env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin"))
    if probe.returncode != 0:
        return ("BPF is not permitted here (%s): run on a machine or in a VM that grants CAP_BPF"
                % (probe.stderr.strip() or "bpftool failed"))
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        return "the kernel has no BTF: boot one with CONFIG_DEBUG_INFO_BTF=y"
    if not any(line.split()[2] == "cgroup2" for line in open("/proc/self/mounts", encoding="utf-8")):
        return "no cgroup2 mount: mount -t cgroup2 none /sys/fs/cgroup/unified"
    return None


def count_junit(path, name, tally, output, skip_reasons):
    """Adds the cases of one JUnit file; returns whether it held any."""
    cases = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        cases += 1
        label = "%s: %s" % (name, case.get("name"))
        broken = [e for e in case if e.tag in ("failure", "error")]
        skipped = case.find("skipped")
        if broken:
            tally.fail(label, "%s\n%s" % (broken[0].text or broken[0].get("message") or "", output[-4000:]))
        elif skipped is not None:
            reason = skipped.get("message") or (skip_reasons.pop(0) if skip_reasons else "")
            tally.skip(label, reason)
        else:
            tally.passed += 1
    return cases > 0


def run_c_test(binary, tally):
    """One cmocka binary; a crash or time-out is a failure of the whole file."""
    name = "%s/%s" % (binary.parent.name, binary.name)
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "%g.xml")
        env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="XML", CMOCKA_XML_FILE=str(report),
                   WEFT_TOP=str(TOP), ASAN_OPTIONS="detect_leaks=1:abort_on_error=0",
                   UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
        try:
            done = subprocess.run([str(binary)], capture_output=True, text=True, errors="replace",
                                  timeout=C_TEST_TIMEOUT_S, env=env, check=False, cwd=TOP)
        except subprocess.TimeoutExpired as late:
            tally.fail(name, "timed out after %d s\n%s" % (C_TEST_TIMEOUT_S, late.stdout or ""))
            return
        output = done.stdout + done.stderr
        reasons = [line.split("SKIP:", 1)[1] for line in output.splitlines() if "SKIP:" in line]
        before = len(tally.failures)
        found = False
        for xml in sorted(pathlib.Path(folder).glob("*.xml")):
            found |= count_junit(xml, name, tally, output, reasons)
        if not found:
            tally.fail(name, "exit status %d, no result\n%s" % (done.returncode, output[-4000:]))
        elif done.returncode != 0 and len(tally.failures) == before:
            tally.fail(name, "exit status %d after its tests\n%s" % (done.returncode, output[-4000:]))


def shards_of(folder):
    """Files that one pytest after the other runs; several lists run side by side."""
    files = sorted(folder.glob("test_*.py"))
    apart = [one for one in files if one.name in APART.get(folder.name, ())]
    return [shard for shard in (apart, [one for one in files if one not in apart]) if shard]


class Pytest:
    """A pytest that runs. What it says is shown at once if it is `alone`, else in the end."""

    def __init__(self, files, build, reports, alone):
        self.xml = pathlib.Path(reports, files[0].stem + ".xml")
        self.said = None if alone else tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        env = dict(os.environ, WEFT_BUILD=str(build), WEFTD=str(build / "san" / "weftd"),
                   WEFT=str(build / "san" / "weft"),
                   PYTHONDONTWRITEBYTECODE="1", ASAN_OPTIONS="detect_leaks=1",
                   UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5",
             "--junitxml", str(self.xml)] + [str(one) for one in files],
            env=env, cwd=TOP, stdout=self.said, stderr=self.said and subprocess.STDOUT)

    def wait(self, end):
        """Its exit status, None when it takes too long."""
        try:
            return self.process.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            # as by hand: so that it still cleans up
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            return None

    def finish(self, name, end, tally):
        code = self.wait(end)
        if self.said:
            self.said.seek(0)
            print(self.said.read(), flush=True)
            self.said.close()
        if code is None:
            tally.fail(name, "pytest timed out after %d s" % PYTEST_TIMEOUT_S)
            return
        if not self.xml.exists():
            tally.fail(name, "pytest ended with %d and no report" % code)
            return
        before = len(tally.failures)
        count_junit(self.xml, name, tally, "", [])
        if code not in (0, 1) and len(tally.failures) == before:
            tally.fail(name, "pytest ended with %d" % code)


def run_pytest(folder, tally, build):
    shards = shards_of(folder)
    with tempfile.TemporaryDirectory() as reports:
        end = time.monotonic() + PYTEST_TIMEOUT_S
        for one in [Pytest(files, build, reports, len(shards) == 1) for files in shards]:
            one.finish(folder.name, end, tally)


def run_lint(tally):
    done = subprocess.run([str(TOP / "scripts/lint/run.sh")], capture_output=True, text=True,
                          check=False, cwd=TOP)
    lines = (done.stdout + done.stderr).splitlines()
    closing = next((m for m in map(CLOSING.match, reversed(lines)) if m), None)
    if not closing:
        tally.fail("lint", "\n".join(lines[-40:]))
        return
    tally.passed += int(closing.group(1))
    for _ in range(int(closing.group(3))):
        tally.skip("lint", next((line for line in lines if "skip" in line.lower()), ""))
    if int(closing.group(2)) or done.returncode:
        tally.fail("lint (%s checks)" % closing.group(2), "\n".join(lines[-60:]))


def run_fuzz(build, seconds, tally):
    for binary in sorted((build / "tests/fuzz").glob("fuzz_*")):
        if not os.access(binary, os.X_OK) or binary.suffix:
            continue
        corpus = TOP / "tests/data" / binary.name
        with tempfile.TemporaryDirectory() as work:
            command = [str(binary), "-max_total_time=%d" % seconds, "-timeout=10", "-rss_limit_mb=2048",
                       "-print_final_stats=0", "-artifact_prefix=%s/" % build, work]
            if corpus.is_dir():
                command.append(str(corpus))
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            tally.fail("fuzz/" + binary.name, (done.stdout + done.stderr)[-6000:])
        else:
            tally.passed += 1


class Preparation:
    """Of the tier kube: its control plane is built once per machine, which takes minutes."""

    CANNOT = 3  # exit status of prepare.py that means skip

    def __init__(self):
        self.said = None
        self.process = subprocess.Popen(["/usr/bin/python3", str(TOP / "tests/kube/prepare.py")],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self):
        if self.said is None:
            if self.process.poll() is None:
                print("kube: building Kubernetes", flush=True)
            self.said = self.process.communicate()[0]

    def succeeded(self, tally):
        self.wait()
        if self.process.returncode == self.CANNOT:
            tally.skip("tier kube", self.said)
        elif self.process.returncode:
            tally.fail("kube/prepare.py", self.said[-4000:])
        return self.process.returncode == 0


def run_tier(tier, build, fuzz_seconds, tally):
    if tier == "lint":
        run_lint(tally)
    elif tier == "fuzz":
        run_fuzz(build, fuzz_seconds, tally)
    else:
        for source in sorted((TOP / "tests" / tier).glob("test_*.c")):
            run_c_test(build / "san" / "tests" / tier / source.stem, tally)
        run_pytest(TOP / "tests" / tier, tally, build)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--fuzz-seconds", type=int, default=10, help="per fuzz target")
    parser.add_argument("tiers", nargs="+")
    args = parser.parse_args()
    build = pathlib.Path(args.build).resolve()
    tally = Tally()
    # A shell's background jobs ignore it, and so would everything that the tests start and end by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    missing = privileges_missing()
    preparation = Preparation() if "kube" in args.tiers and not missing else None
    for tier in args.tiers:
        if preparation and tier not in PATIENT:
            preparation.wait()
        start, before = time.monotonic(), (tally.passed, len(tally.failures), len(tally.skips))
        if tier in PRIVILEGED and missing:
            tally.skip("tier " + tier, missing)
        elif tier != "kube" or preparation.succeeded(tally):
            run_tier(tier, build, args.fuzz_seconds, tally)
        print("tier %-10s %d passed, %d failed, %d skipped, %.1f s"
              % (tier, tally.passed - before[0], len(tally.failures) - before[1],
                 len(tally.skips) - before[2], time.monotonic() - start), flush=True)
    for test, text in tally.failures:
        print("\nFAILED %s\n%s" % (test, text))
    for test, reason in tally.skips:
        print("SKIPPED %s: %s" % (test, reason))
    print("%d passed, %d failed, %d skipped" % (tally.passed, len(tally.failures), len(tally.skips)))
    return 1 if tally.failures or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())

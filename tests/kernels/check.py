#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs weft on other kernels, in guests of QEMU, and closes with `N passed, N failed, N skipped`.

Kernels are Debian's, fetched into BUILD/kernels; what cannot be fetched is a skip with a reason.
What a guest said stays in BUILD/kernels/NAME/PLAN. Without KVM a guest takes minutes.
"""
import argparse
import collections
import fcntl
import json
import os
import pathlib
import platform
import shutil
import signal
import sys
import time

import guest
import packages

sys.path.insert(0, str(guest.TOP / "tests"))
from run import Tally  # noqa: E402  pylint: disable=wrong-import-position

Kernel = packages.Kernel
# plans: see inside.py; each has a guest and a time limit of its own
Guest = collections.namedtuple("Guest", "kernel plans")

PLANS = ("bpf", "loader", "agent", "smoke")
GUESTS = [
    # the oldest that is supported: no tcx
    Guest(Kernel("6.1", [("Debian-Security", "bookworm-security"), ("Debian", "bookworm")]), PLANS),
    Guest(Kernel("6.12", [("Debian", "bookworm-backports"), ("Debian", "trixie")]), PLANS),
    Guest(Kernel("newest", [("Debian", "trixie-backports"), ("Debian", "sid")]), PLANS),
    # unsupported: must be told so
    Guest(Kernel("5.10", [("Debian-Security", "bullseye-security"), ("Debian", "bullseye")]), ("refused",)),
]
GUEST_TIMEOUT_S = 300
# Emulated machines may die while they boot (see guest.py). Only one that ran no test starts again.
BOOTS = 3
TOOLS = ("setpriv", guest.QEMU, "zstd", str(guest.BUSYBOX), "/usr/sbin/depmod", "dpkg-deb", "apt-get")


def missing():
    """Why no guest can run here, or None."""
    if platform.machine() != "x86_64":
        return "guests run this machine's programs and there is only a recipe for x86_64"
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        return "%s not found; remedy: scripts/setup.sh kernels" % ", ".join(absent)
    return None


def lock_folder(folder):
    """Guests of two runs would share a folder of results: the second run ends here."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("%s is in use by another check-kernels" % folder)
    return lock


def run_plan(kernel, image, plan, build, tally):
    """One guest; what it found, also when it did not come to its end."""
    name = "kernel %s: " % kernel.name
    work = build / "kernels" / kernel.name / plan
    results = work / "results" / "results.json"
    for boot in range(1, BOOTS + 1):
        problem = None
        try:
            guest.run(image, build, work, plan, GUEST_TIMEOUT_S)
        except guest.GuestError as ended:
            problem = ended
        if results.exists():
            break
        if boot == BOOTS or not problem.died:
            tally.fail(name + plan, "it ran no test: %s" % problem)
            return
        print("%sdied before its first test, starting it again" % name, flush=True)
    found = json.loads(results.read_text(encoding="utf-8"))
    tally.passed += found["passed"]
    for test, text in found["failures"]:
        tally.fail(name + test, text)
    for test, reason in found["skips"]:
        tally.skip(name + test, reason)
    if problem or found["step"] != "end":
        output = (work / "results" / "output").read_text(encoding="utf-8", errors="replace")
        tally.fail(name + plan, "stopped after '%s'\n%s" % (found["step"], problem or output[-3000:]))


def run_guests(one, chosen, build, tally):
    try:
        image = packages.fetch(one.kernel, build / "kernels")
    except packages.Unavailable as problem:
        tally.skip("kernel " + one.kernel.name, "%s; remedy: a mirror that has it, or a network" % problem)
        return
    for plan in one.plans:
        if chosen and plan not in chosen:
            continue
        print("kernel %s: %s, %s" % (one.kernel.name, image.release, plan), flush=True)
        run_plan(one.kernel, image, plan, build, tally)


def main():
    names = [one.kernel.name for one in GUESTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("kernels", nargs="*", help="of %s; all when none is named" % ", ".join(names))
    parser.add_argument("--plan", action="append", help="of %s, refused; repeatable" % ", ".join(PLANS))
    args = parser.parse_args()
    unknown = set(args.kernels) - set(names)
    if unknown:
        parser.error("unknown kernel: %s" % " ".join(sorted(unknown)))
    # ended from outside: take the guest along and its files
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    build = pathlib.Path(args.build).resolve()
    lock = lock_folder(build / "kernels")
    tally, reason = Tally(), missing()
    for one in GUESTS:
        if args.kernels and one.kernel.name not in args.kernels:
            continue
        if reason:
            tally.skip("kernel " + one.kernel.name, reason)
            continue
        begin, before = time.monotonic(), (tally.passed, len(tally.failures), len(tally.skips))
        run_guests(one, args.plan, build, tally)
        print("kernel %-8s %d passed, %d failed, %d skipped, %.1f s"
              % (one.kernel.name, tally.passed - before[0], len(tally.failures) - before[1],
                 len(tally.skips) - before[2], time.monotonic() - begin), flush=True)
    os.close(lock)
    for test, text in tally.failures:
        print("\nFAILED %s\n%s" % (test, text))
    for test, text in tally.skips:
        print("SKIPPED %s: %s" % (test, text))
    print("%d passed, %d failed, %d skipped" % (tally.passed, len(tally.failures), len(tally.skips)))
    return 1 if tally.failures or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
